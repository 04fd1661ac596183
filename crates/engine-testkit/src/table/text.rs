//! How cells show ages, labels, selectors and lists.

use serde_json::{Map, Value};

use crate::{
    clock::{Now, seconds_since},
    json::{get, list_at, map_at, str_at},
};

/// The creation timestamp of an object.
pub(super) fn created(object: &Value) -> &str {
    str_at(object, &["metadata", "creationTimestamp"])
}

/// The time since `earlier` (a `metav1.Time`).
pub(super) fn age(earlier: &str, now: Now) -> String {
    if earlier.is_empty() { "<unknown>".to_owned() } else { duration(seconds_since(earlier, now)) }
}

/// Two or three figures of a duration: `5m30s`, `3h`, `10d`.
pub(super) fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |a: i64, unit: &str, b: i64, small: &str| {
        if b == 0 { format!("{a}{unit}") } else { format!("{a}{unit}{b}{small}") }
    };
    match () {
        // Clocks differ by a little.
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 8 * 365 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

/// A text, or what stands in its place.
pub(super) fn or(text: &str, otherwise: &str) -> Value {
    if text.is_empty() { otherwise.into() } else { text.into() }
}

/// A field that is there or not, and in whose place something stands only when it is not.
pub(super) fn given(value: &Value, path: &[&str], otherwise: &str) -> Value {
    get(value, path).and_then(Value::as_str).unwrap_or(otherwise).into()
}

/// `a=b,c=d`.
pub(super) fn labels(labels: Option<&Map<String, Value>>) -> String {
    let pairs: Vec<String> =
        labels.into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

/// A label selector as one would type it; empty for one that selects everything, or nothing.
pub(super) fn selector(selector: &Value) -> String {
    let mut parts: Vec<(String, String)> = map_at(selector, &["matchLabels"])
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), format!("{k}={}", v.as_str().unwrap_or_default())))
        .collect();
    for expression in list_at(selector, &["matchExpressions"]) {
        let key = str_at(expression, &["key"]);
        let mut values: Vec<&str> = list_at(expression, &["values"]).iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match str_at(expression, &["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return "<error>".to_owned(),
        };
        parts.push((key.to_owned(), text));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// The same, with a word for an empty one.
pub(super) fn selector_or_none(value: &Value) -> Value {
    or(&selector(value), "<none>")
}

/// The first of a list, and how many more there are.
pub(super) fn some(list: &[String], count: usize, shown: usize) -> String {
    let text = list.iter().take(shown).cloned().collect::<Vec<_>>().join(",");
    if count > shown { format!("{text} + {} more...", count - shown) } else { text }
}

/// A number or a text, as a text.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn number(value: &Value, path: &[&str]) -> Value {
    get(value, path).filter(|v| v.is_number()).cloned().unwrap_or_else(|| 0.into())
}

pub(super) fn boolean(value: &Value, path: &[&str], otherwise: bool) -> Value {
    get(value, path).and_then(Value::as_bool).unwrap_or(otherwise).into()
}

pub(super) fn text(value: &Value, path: &[&str]) -> Value {
    str_at(value, path).into()
}

/// Whether a condition has the status `True`; `None` without the condition.
pub(super) fn condition(object: &Value, kind: &str) -> Option<bool> {
    let conditions = list_at(object, &["status", "conditions"]);
    conditions.iter().find(|c| str_at(c, &["type"]) == kind).map(|c| str_at(c, &["status"]) == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations() {
        let (minute, hour, day) = (60, 3600, 86400);
        for (seconds, text) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (2 * minute, "2m"),
            (5 * minute + 30, "5m30s"),
            (10 * minute + 30, "10m"),
            (179 * minute, "179m"),
            (3 * hour, "3h"),
            (7 * hour + 59 * minute, "7h59m"),
            (47 * hour, "47h"),
            (2 * day + hour, "2d1h"),
            (8 * day + hour, "8d"),
            (730 * day, "2y"),
            (731 * day, "2y1d"),
            (8 * 365 * day + 40 * day, "8y"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn selectors() {
        let value = json!({"matchLabels": {"tier": "web", "app": "shop"}, "matchExpressions": [
            {"key": "zone", "operator": "NotIn", "values": ["b", "a"]}, {"key": "old", "operator": "DoesNotExist"},
        ]});
        assert_eq!(selector(&value), "app=shop,!old,tier=web,zone notin (a,b)");
        assert_eq!(selector_or_none(&json!({})), "<none>");
    }
}
