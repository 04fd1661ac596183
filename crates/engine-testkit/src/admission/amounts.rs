//! How much of each resource: of what containers ask for, and of what quotas and limits are about.

use std::{cmp::Ordering, collections::BTreeMap};

use serde_json::{Map, Value};

use super::quantity;
use crate::json::{list_at, map_at, str_at};

/// Billionths of a unit in one thousandth.
const MILLI: i128 = quantity::ONE / 1000;

/// A quantity, to count with, and as it is written.
#[derive(Debug, Clone)]
pub(super) struct Amount {
    pub(super) nanos: i128,
    pub(super) text: String,
}

impl Amount {
    pub(super) fn of(text: &str) -> Option<Self> {
        Some(Self { nanos: quantity::value(text)?, text: text.to_owned() })
    }

    pub(super) fn count(n: usize) -> Self {
        let nanos = i128::try_from(n).unwrap_or(i128::MAX).saturating_mul(quantity::ONE);
        Self { nanos, text: quantity::written(nanos, "") }
    }

    /// Thousandths, rounded up, as amounts are compared.
    pub(super) fn milli(&self) -> i128 {
        self.nanos.div_euclid(MILLI) + i128::from(self.nanos.rem_euclid(MILLI) > 0)
    }

    /// The same without parts of a unit.
    pub(super) fn rounded_up(self) -> Self {
        let parts = self.nanos.rem_euclid(quantity::ONE);
        if parts == 0 {
            return self;
        }
        self.with(self.nanos - parts + quantity::ONE, &self)
    }

    /// Written as this one is, unless it is zero: then as the other.
    fn with(&self, nanos: i128, other: &Self) -> Self {
        let like = if self.nanos == 0 { other } else { self };
        Self { nanos, text: quantity::written(nanos, &like.text) }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        self.with(self.nanos.saturating_add(other.nanos), other)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.with(self.nanos.saturating_sub(other.nanos), other)
    }
}

/// Amounts are compared by how much they are, however they are written.
impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.nanos.partial_cmp(&other.nanos)
    }
}

/// How much of each resource.
pub(super) type Amounts = BTreeMap<String, Amount>;

pub(super) fn amounts(of: &Value, path: &[&str]) -> Amounts {
    let entries = map_at(of, path).into_iter().flatten();
    entries.filter_map(|(name, amount)| Some((name.clone(), Amount::of(amount.as_str()?)?))).collect()
}

pub(super) fn to_value(amounts: &Amounts) -> Value {
    amounts.iter().map(|(name, amount)| (name.clone(), amount.text.as_str().into())).collect::<Map<_, _>>().into()
}

/// Adds to each amount what there is more of it.
pub(super) fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = to.get(name).map_or_else(|| amount.clone(), |old| old.plus(amount));
        to.insert(name.clone(), sum);
    }
}

/// Keeps of each the greater amount.
pub(super) fn at_least(of: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        if of.get(name).is_none_or(|old| old < amount) {
            of.insert(name.clone(), amount.clone());
        }
    }
}

/// What the containers of a spec ask for at the same time, at most. `of` tells what one of them asks for.
pub(super) fn of_containers(spec: &Value, of: impl Fn(&Value) -> Amounts) -> Amounts {
    let mut sum = Amounts::new();
    for container in list_at(spec, &["containers"]) {
        add(&mut sum, &of(container));
    }
    // Those that were started before the others, and go on.
    let mut running = Amounts::new();
    let mut most = Amounts::new();
    for container in list_at(spec, &["initContainers"]) {
        let mut now = of(container);
        if str_at(container, &["restartPolicy"]) == "Always" {
            add(&mut sum, &now);
            add(&mut running, &now);
            now.clone_from(&running);
        } else {
            add(&mut now, &running);
        }
        at_least(&mut most, &now);
    }
    at_least(&mut sum, &most);
    sum
}

/// The requests or limits of a container, or of a whole Pod.
pub(super) fn of_kind(kind: &str) -> impl Fn(&Value) -> Amounts {
    move |container| amounts(container, &["resources", kind])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use serde_json::json;

    use super::*;

    #[test]
    fn sums_are_written_as_what_they_began_with() {
        for (a, b, sum, rest) in [
            ("1", "500m", "1500m", "500m"),
            ("1Gi", "512Mi", "1536Mi", "512Mi"),
            ("0", "1Gi", "1Gi", "-1Gi"),
            ("1Gi", "1M", "1074741824", "1072741824"),
            ("1e3", "1", "1001", "999"),
        ] {
            let (a, b) = (Amount::of(a).unwrap(), Amount::of(b).unwrap());
            assert_eq!((a.plus(&b).text.as_str(), a.minus(&b).text.as_str()), (sum, rest));
        }
        assert_eq!(Amount::of("1500m").unwrap().rounded_up().text, "2");
    }

    #[test]
    fn containers_that_begin_need_no_more_than_one_at_a_time() {
        let asks = |cpu: &str| json!({"requests": {"cpu": cpu}});
        let spec = json!({
            "containers": [{"resources": asks("1")}, {"resources": asks("500m")}],
            "initContainers": [
                {"resources": asks("250m"), "restartPolicy": "Always"}, {"resources": asks("2")}, {"resources": asks("1")},
            ],
        });
        assert_eq!(of_containers(&spec, of_kind("requests"))["cpu"].text, "2250m");
    }
}
