//! Whether quotas allow what is done, and what is used of them then.

use serde_json::Value;

use super::{
    counted::{Counted, Deed},
    scope::{Scope, scopes},
};
use crate::{
    admission::amounts::{Amount, Amounts, add, amounts},
    clock::Now,
    json::str_at,
};

/// A quota, as far as it was looked at by who counts anew: until then it allows everything.
#[derive(Debug)]
pub(super) struct Quota<'q> {
    name: &'q str,
    hard: Amounts,
    used: Amounts,
    scopes: Vec<Scope<'q>>,
}

impl<'q> Quota<'q> {
    pub(super) fn of(quota: &'q Value) -> Self {
        Self {
            name: str_at(quota, &["metadata", "name"]),
            hard: amounts(quota, &["status", "hard"]),
            used: amounts(quota, &["status", "used"]),
            scopes: scopes(quota),
        }
    }

    /// The names under which these objects are counted.
    fn names(&self, counted: &Counted) -> Vec<&str> {
        self.hard.keys().map(String::as_str).filter(|name| counted.has(name)).collect()
    }

    fn is_about(&self, counted: &Counted, object: &Value) -> bool {
        self.hard.keys().any(|name| counted.has(name)) && counted.is_in(&self.scopes, object)
    }

    /// What the quota has against an object, however much that uses.
    fn check(&self, counted: &Counted, object: &Value) -> Result<(), String> {
        let name = self.name;
        let names = self.names(counted);
        if let Some(missing) = counted.misses(&names, object) {
            return Err(format!("failed quota: {name}: {missing}"));
        }
        if names.iter().any(|resource| !self.used.contains_key(*resource)) {
            return Err(format!("status unknown for quota: {name}, resources: {}", names.join(",")));
        }
        Ok(())
    }

    /// What is used with so much more, or how that is too much.
    fn charge(&self, more: &Amounts, refuses: bool) -> Result<Amounts, String> {
        let mut asked = more.clone();
        asked.retain(|name, _| self.hard.contains_key(name));
        let mut used = self.used.clone();
        add(&mut used, &asked);
        let exceeded: Vec<&str> = asked
            .keys()
            .map(String::as_str)
            .filter(|name| used.get(*name).zip(self.hard.get(*name)).is_some_and(|(used, hard)| used > hard))
            .collect();
        if refuses && !exceeded.is_empty() {
            let shown = |of: &Amounts| -> String {
                let of = exceeded.iter().filter_map(|name| Some(format!("{name}={}", of.get(*name)?.text)));
                of.collect::<Vec<_>>().join(",")
            };
            return Err(format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                self.name,
                shown(&asked),
                shown(&self.used),
                shown(&self.hard)
            ));
        }
        Ok(used)
    }
}

/// What is used of each quota that changes by what is done, or why it is not to be done.
pub(super) fn decide(
    quotas: &[Quota<'_>],
    counted: &Counted,
    deed: Deed<'_>,
    now: Now,
) -> Result<Vec<(usize, Amounts)>, String> {
    if !counted.is_asked(deed) {
        return Ok(Vec::new());
    }
    let object = deed.after();
    let mut about = Vec::new();
    for (i, quota) in quotas.iter().enumerate() {
        if quota.is_about(counted, object) {
            quota.check(counted, object)?;
            about.push((i, quota));
        }
    }
    if about.is_empty() {
        return Ok(Vec::new());
    }
    let usage = counted.usage(object, now);
    let negative: Vec<&str> =
        usage.iter().filter(|(_, amount)| amount.nanos < 0).map(|(name, _)| name.as_str()).collect();
    if !negative.is_empty() {
        return Err(format!("quota usage is negative for resource(s): {}", negative.join(",")));
    }
    let grown = deed.before().map(|before| growth(&usage, &counted.usage(before, now)));
    let mut out = Vec::new();
    for (i, quota) in about {
        // What the quota was not about before it pays for as a whole.
        let knew = deed.before().is_some_and(|before| quota.is_about(counted, before));
        let mut more = grown.as_ref().filter(|_| knew).unwrap_or(&usage).clone();
        more.retain(|_, amount| amount.nanos != 0);
        let used = quota.charge(&more, !deed.is_status())?;
        if used != quota.used {
            out.push((i, used));
        }
    }
    Ok(out)
}

/// How much more of each there is. Nothing is given back before it is counted anew.
fn growth(after: &Amounts, before: &Amounts) -> Amounts {
    let grown = after.iter().map(|(name, amount)| {
        let more = before.get(name).map_or_else(|| amount.clone(), |old| amount.minus(old));
        (name.clone(), more)
    });
    grown.filter(|(_, more)| *more > Amount::count(0)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::resources::GroupResource;

    const NOW: Now = Now { elapsed: Duration::ZERO, timestamp: jiff::Timestamp::UNIX_EPOCH };

    fn quota(scopes: Value, hard: Value, used: Value) -> Value {
        json!({"metadata": {"name": "q"}, "spec": {"scopes": scopes}, "status": {"hard": hard, "used": used}})
    }

    fn pod(requests: Value) -> Value {
        json!({"spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}})
    }

    fn decided(quota: &Value, deed: Deed<'_>) -> Result<Vec<Value>, String> {
        let counted = Counted::of(&GroupResource::new("", "pods")).ok_or("counted")?;
        let used = decide(&[Quota::of(quota)], &counted, deed, NOW)?;
        Ok(used.iter().map(|(_, used)| crate::admission::amounts::to_value(used)).collect())
    }

    #[test]
    fn what_is_made_is_counted_or_refused() {
        for (quota, pod, expected) in [
            (
                quota(json!([]), json!({"cpu": "1"}), json!({"cpu": "0"})),
                pod(json!({"cpu": "500m"})),
                Ok(json!({"cpu": "500m"})),
            ),
            (
                quota(json!([]), json!({"cpu": "1"}), json!({"cpu": "750m"})),
                pod(json!({"cpu": "500m"})),
                Err("exceeded quota: q, requested: cpu=500m, used: cpu=750m, limited: cpu=1"),
            ),
            (
                quota(json!([]), json!({"cpu": "1"}), json!({"cpu": "0"})),
                pod(json!({})),
                Err("failed quota: q: must specify cpu for: c"),
            ),
            (
                quota(json!([]), json!({"cpu": "1", "pods": "1"}), json!({"cpu": "0"})),
                pod(json!({"cpu": "1"})),
                Err("status unknown for quota: q, resources: cpu,pods"),
            ),
            // Nobody has looked at it.
            (quota(json!([]), json!({}), json!({})), pod(json!({})), Ok(Value::Null)),
            // Others are meant.
            (quota(json!(["BestEffort"]), json!({"pods": "0"}), json!({})), pod(json!({"cpu": "1"})), Ok(Value::Null)),
            (quota(json!([]), json!({"services": "0"}), json!({})), pod(json!({})), Ok(Value::Null)),
        ] {
            let found = decided(&quota, Deed::Create(&pod)).map(|all| all.first().cloned().unwrap_or_default());
            assert_eq!(found, expected.map_err(str::to_owned), "{quota} {pod}");
        }
    }

    #[test]
    fn a_change_is_counted_by_what_grows() {
        let quota = quota(json!([]), json!({"cpu": "2"}), json!({"cpu": "1"}));
        let (small, large) = (pod(json!({"cpu": "1"})), pod(json!({"cpu": "1500m"})));
        let resized = |before, after| decided(&quota, Deed::Update { subresource: "resize", before, after });
        assert_eq!(resized(&small, &large), Ok(vec![json!({"cpu": "1500m"})]));
        assert_eq!(resized(&large, &small), Ok(Vec::new()));
        assert_eq!(decided(&quota, Deed::Update { subresource: "", before: &small, after: &large }), Ok(Vec::new()));
    }
}
