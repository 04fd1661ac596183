//! The rules against the contract of [`HealthAssessor`](gitops_engine_core::HealthAssessor).
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use gitops_engine_core::conformance;
use gitops_engine_health::KindRules;

#[test]
fn the_kind_rules_keep_their_contract() {
    let rules = KindRules::default();
    // All at once: the contract knows no lock and no order.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(conformance::health_assessor(&rules).check().unwrap(), 6));
        }
    });
}
