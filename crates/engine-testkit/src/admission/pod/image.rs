//! Names of images: <https://github.com/distribution/reference>

use std::sync::LazyLock;

use regex::Regex;

/// Domain, path, tag and digest, in a form that is not longer than it may be.
static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let part = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
    let domain = format!("(?:{label}(?:\\.{label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?");
    let digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
    Regex::new(&format!(
        "^(?:{domain}/)?{part}(?:/{part})*(?::([A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?(?:@({digest}))?$"
    ))
    .ok()
});

/// Whether an image is pulled each time: that of the tag `latest`, or of no tag. A name that is none is not.
pub(super) fn is_latest(name: &str) -> bool {
    // A digest without a name is none.
    let hex = name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let Some(found) = FORM.as_ref().and_then(|form| form.captures(name)).filter(|_| !hex) else { return false };
    match found.get(1) {
        Some(tag) => tag.as_str() == "latest",
        None => found.get(2).is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn tags() {
        for (name, latest) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1.27", false),
            ("registry.example.com:5000/team/app", true),
            ("registry.example.com/team/app:v1", false),
            ("Not Valid!", false),
            ("-", false),
            ("", false),
            ("a.b/c", true),
            ("Nginx", false),
            ("nginx@sha256:0000000000000000000000000000000000000000000000000000000000000000", false),
        ] {
            assert_eq!(is_latest(name), latest, "{name}");
        }
    }
}
