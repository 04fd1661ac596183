//! From bytes to text.

use std::borrow::Cow;

use super::YamlError;

/// Decodes UTF-8 (with or without a byte-order mark) and UTF-16 (with one): editors on Windows write all three, and
/// [YAML allows them](https://yaml.org/spec/1.2.2/#52-character-encodings).
///
/// # Errors
/// When the bytes are none of these, with the line of the first wrong one.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => match std::str::from_utf8(rest) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => {
                let good = std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default();
                Err(wrong(good, "this is not text in UTF-8"))
            }
        },
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, YamlError> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(wrong(&text, "this is not text in UTF-16")),
        }
    }
    if odd.is_empty() { Ok(text) } else { Err(wrong(&text, "the file ends in the middle of a UTF-16 character")) }
}

fn wrong(before: &str, message: &str) -> YamlError {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    YamlError { line: number(line), column: number(column), document: 0, message: message.to_owned(), limit: false }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn reads_the_encodings_of_yaml() {
        let text = "a: é\n😀: b\n";
        let mut little = vec![0xff, 0xfe];
        little.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let mut big = vec![0xfe, 0xff];
        big.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        for bytes in [text.as_bytes(), format!("\u{feff}{text}").as_bytes(), &little, &big] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
    }

    #[test]
    fn names_the_line_of_wrong_bytes() {
        let error = decode(b"a: 1\nb: \xe9\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 4));
        assert!(decode(&[0xff, 0xfe, b'a']).is_err());
        assert!(decode(&[0xff, 0xfe, 0x00, 0xd8]).is_err());
    }
}
