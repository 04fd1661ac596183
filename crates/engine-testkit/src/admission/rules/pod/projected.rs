//! Volumes that put several sources into one directory.

use super::{At, text, volume};
use crate::status::Cause;

pub(super) fn validate(at: &At<'_>, causes: &mut Vec<Cause>) {
    text::mode(&at.field("defaultMode"), causes);
    let mut paths: Vec<String> = Vec::new();
    // A path that is taken is said to be wrong with the volume, whose value is then the source.
    let mut take = |path: &At<'_>, source: &str, causes: &mut Vec<Cause>| {
        if path.text().is_empty() {
            return;
        }
        if paths.iter().any(|taken| taken == path.text()) {
            causes.push(Cause::invalid(at.path.clone(), &source.into(), "conflicting duplicate paths"));
        } else {
            paths.push(path.text().to_owned());
        }
    };
    for source in at.field("sources").items() {
        let mut kinds = 0;
        for kind in ["secret", "configMap"] {
            let object = source.field(kind);
            if !object.is_set() {
                continue;
            }
            kinds += 1;
            object.field("name").must_be_there(causes);
            for item in object.field("items").items() {
                volume::file(&item, causes);
                take(&item.field("path"), object.field("name").text(), causes);
            }
        }
        let facts = source.field("downwardAPI");
        if facts.is_set() {
            kinds += 1;
            for item in facts.field("items").items() {
                volume::downward(&At::new(item.value, &facts.path), causes);
                take(&item.field("path"), item.field("path").text(), causes);
            }
        }
        let token = source.field("serviceAccountToken");
        if token.is_set() {
            kinds += 1;
            let seconds = token.field("expirationSeconds");
            if seconds.int() < 600 {
                seconds.invalid("may not specify a duration less than 10 minutes", causes);
            }
            if seconds.int() > 1 << 32 {
                seconds.invalid("may not specify a duration larger than 2^32 seconds", causes);
            }
            // Its path is said to be one of the volume.
            let path = At::new(token.field("path").value, &at.field("path").path);
            if path.must_be_there(causes) {
                text::file_path(&path, causes);
            }
        }
        if kinds > 1 {
            source.forbidden("may not specify more than 1 volume type per source", causes);
        }
    }
}
