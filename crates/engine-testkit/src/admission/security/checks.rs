//! The checks of Pod security by level and version: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>

use serde_json::Value;

use super::{
    baseline,
    policy::{Grade, Level, Version},
    restricted,
};

/// What is wrong with a Pod.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

impl Verdict {
    pub(super) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    pub(super) fn whole(&self) -> String {
        format!("{} ({})", self.reason, self.detail)
    }
}

type Judge = fn(&Value) -> Option<Verdict>;

struct Check {
    id: &'static str,
    level: Level,
    /// How it is judged from a minor version on.
    since: &'static [(u64, Judge)],
    /// The weaker check of the level below that it stands for.
    instead_of: &'static str,
}

macro_rules! checks {
    ($($level:ident $id:literal [$($since:literal => $judge:path),+ $(,)?] $(instead of $instead:literal)?;)*) => {
        &[$(Check {
            id: $id, level: Level::$level, since: &[$(($since, $judge as Judge)),+], instead_of: concat!($($instead)?),
        }),*]
    };
}

/// In the order in which they are told.
const CHECKS: &[Check] = checks! {
    Baseline "appArmorProfile" [0 => baseline::app_armor];
    Baseline "capabilities_baseline" [0 => baseline::capabilities];
    Baseline "hostNamespaces" [0 => baseline::host_namespaces];
    Baseline "hostPathVolumes" [0 => baseline::host_paths];
    Baseline "hostPorts" [0 => baseline::host_ports];
    Baseline "hostProbesAndHostLifecycle" [34 => baseline::hosts];
    Baseline "privileged" [0 => baseline::privileged];
    Baseline "procMount" [0 => baseline::proc_mount, 35 => baseline::proc_mount_of_node_users];
    Baseline "seLinuxOptions" [0 => baseline::se_linux, 31 => baseline::se_linux_31];
    Baseline "seccompProfile_baseline" [0 => baseline::seccomp_annotations, 19 => baseline::seccomp];
    Baseline "sysctls" [
        0 => baseline::sysctls, 27 => baseline::sysctls_27, 29 => baseline::sysctls_29, 32 => baseline::sysctls_32,
    ];
    Baseline "windowsHostProcess" [0 => baseline::host_process];
    Restricted "allowPrivilegeEscalation" [8 => restricted::escalation, 25 => restricted::escalation_25];
    Restricted "capabilities_restricted" [22 => restricted::capabilities, 25 => restricted::capabilities_25]
        instead of "capabilities_baseline";
    Restricted "procMount_restricted" [35 => baseline::proc_mount] instead of "procMount";
    Restricted "restrictedVolumes" [0 => restricted::volumes] instead of "hostPathVolumes";
    Restricted "runAsNonRoot" [0 => restricted::non_root, 35 => restricted::non_root_35];
    Restricted "runAsUser" [23 => restricted::user, 35 => restricted::user_35];
    Restricted "seccompProfile_restricted" [19 => restricted::seccomp, 25 => restricted::seccomp_25]
        instead of "seccompProfile_baseline";
};

impl Check {
    fn at(&self, version: Version) -> Option<Judge> {
        self.since.iter().rev().find(|(since, _)| Version(*since) <= version).map(|(_, judge)| *judge)
    }
}

/// What a Pod, or a template of one, does that it may not.
pub(super) fn violations(grade: Grade, pod: &Value) -> Vec<Verdict> {
    let counts = |check: &&Check| check.level <= grade.level;
    let replaced = |check: &Check| {
        let mut stronger = CHECKS.iter().filter(counts);
        stronger.any(|other| other.instead_of == check.id && other.at(grade.version).is_some())
    };
    if grade.level == Level::Privileged {
        return Vec::new();
    }
    let all = CHECKS.iter().filter(counts).filter(|check| !replaced(check));
    all.filter_map(|check| check.at(grade.version)).filter_map(|judge| judge(pod)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reasons(level: Level, minor: u64, pod: &Value) -> Vec<&'static str> {
        violations(Grade { level, version: Version(minor) }, pod).into_iter().map(|verdict| verdict.reason).collect()
    }

    #[test]
    fn levels_and_versions_have_their_checks() {
        let plain = json!({"spec": {"containers": [{"name": "c"}]}});
        let bad = json!({"spec": {"hostPID": true, "volumes": [{"name": "v", "hostPath": {}}], "containers": [
            {"name": "c", "securityContext": {"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}}},
        ]}});
        let all = [
            "allowPrivilegeEscalation != false",
            "unrestricted capabilities",
            "runAsNonRoot != true",
            "seccompProfile",
        ];
        for (level, minor, pod, expected) in [
            (Level::Privileged, 36, &bad, Vec::new()),
            (Level::Baseline, 36, &plain, Vec::new()),
            (Level::Restricted, 36, &plain, all.to_vec()),
            (Level::Restricted, 7, &plain, vec!["runAsNonRoot != true"]),
            (
                Level::Baseline,
                36,
                &bad,
                vec!["non-default capabilities", "host namespaces", "hostPath volumes", "privileged"],
            ),
            (
                Level::Restricted,
                36,
                &bad,
                [["host namespaces", "privileged"].as_slice(), &all[..2], &["restricted volume types"], &all[2..]]
                    .concat(),
            ),
        ] {
            assert_eq!(reasons(level, minor, pod), expected, "{level:?} {minor} {pod}");
        }
    }
}
