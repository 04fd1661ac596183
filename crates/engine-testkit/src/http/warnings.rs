//! Warnings as headers: each once, and cut when they are too many for a header.

/// How many characters all warnings of an answer may have before each is cut.
const ALL: usize = 4 * 1024;
/// To how many characters.
const EACH: usize = 256;

/// The values of the headers, in the order in which they were said.
pub(super) fn headers(warnings: &[String]) -> Vec<String> {
    let mut said: Vec<&str> = Vec::new();
    for warning in warnings {
        if !warning.is_empty() && !said.contains(&warning.as_str()) {
            said.push(warning);
        }
    }
    let length = |text: &str| text.chars().count();
    let too_many = said.iter().map(|text| length(text)).sum::<usize>() > ALL;
    let mut written = 0;
    let mut out = Vec::new();
    for text in said {
        if too_many && written >= ALL {
            break;
        }
        let text: String = text.chars().take(if too_many { EACH } else { usize::MAX }).collect();
        if text.chars().any(char::is_control) {
            continue;
        }
        written += length(&text);
        out.push(format!("299 - \"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::headers;

    #[test]
    fn each_warning_is_said_once_and_many_are_cut() {
        let said = |texts: &[&str]| headers(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        assert_eq!(said(&["a \"b\"", "c", "a \"b\"", ""]), ["299 - \"a \\\"b\\\"\"", "299 - \"c\""]);
        let long: Vec<String> = (0..30).map(|i| format!("{i:03}{}", "x".repeat(400))).collect();
        let cut = headers(&long);
        assert_eq!(cut.len(), 16);
        assert!(cut.iter().all(|header| header.len() == 256 + 8), "{cut:?}");
    }
}
