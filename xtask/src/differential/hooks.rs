//! What annotations make of an object: `hook.IsHook`, `hook.Types`, `hook.DeletePolicies`, `syncwaves.Wave` against
//! [`Intent::read`].

use std::collections::BTreeSet;

use gitops_engine_core::dialect::HookDeletePolicy;
use gitops_engine_core::{Intent, ManagedFields, Manifest};
use serde_json::{Value, json};

use super::random::Random;
use super::{Deviation, Judgement, Subject, refusal};

pub(super) struct Hooks;

const WAVE: &str = "argocd.argoproj.io/sync-wave";
const WEIGHT: &str = "helm.sh/hook-weight";
const HOOK: &str = "argocd.argoproj.io/hook";

const TRIMMED: &str = "spaces around numbers";
const LARGE: &str = "waves beyond 32 bits";
const DELETION: &str = "PreDelete and PostDelete";
const CRD: &str = "spaces around crd-install";

impl Subject for Hooks {
    fn name(&self) -> &'static str {
        "hooks"
    }

    fn usual(&self) -> usize {
        5_000
    }

    fn question(&self, random: &mut Random) -> Value {
        let mut annotations = json!({});
        for (name, parts) in ANNOTATIONS {
            if random.one_in(2) {
                annotations[*name] = json!(list(random, parts));
            }
        }
        for name in [WAVE, WEIGHT] {
            if random.one_in(2) {
                annotations[name] = json!(random.pick(NUMBERS));
            }
        }
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "annotations": annotations}})
    }

    fn judge(&self, question: &Value, answer: &Value) -> Option<Judgement> {
        let object = Manifest::from_json(question.to_string().as_bytes(), ManagedFields::Drop).ok()?;
        if refusal(answer).is_some() {
            return None;
        }
        let ours = summary(&Intent::read(&object));
        let theirs = their_summary(answer)?;
        if ours == theirs {
            return Some(Judgement::Same);
        }
        let number = |name| object.annotation(name).unwrap_or_default();
        if ours.wave != theirs.wave {
            let texts = [number(WAVE), number(WEIGHT)];
            if texts.iter().any(|text| text.trim() != *text) {
                return Some(Judgement::Deviates(TRIMMED));
            }
            if texts.iter().any(|text| text.parse::<i64>().is_ok() && text.parse::<i32>().is_err()) {
                return Some(Judgement::Deviates(LARGE));
            }
        }
        let hook = object.annotation(HOOK).unwrap_or_default();
        if hook.contains("PreDelete") || hook.contains("PostDelete") {
            return Some(Judgement::Deviates(DELETION));
        }
        let helm = object.annotation("helm.sh/hook").unwrap_or_default();
        if helm != "crd-install" && helm.trim() == "crd-install" {
            return Some(Judgement::Deviates(CRD));
        }
        let label = match (ours.role == theirs.role, ours.wave == theirs.wave) {
            (false, _) => "another role",
            (_, false) => "another wave",
            _ => "other delete policies",
        };
        Some(Judgement::differs(label, format!("{ours:?}"), format!("{theirs:?}")))
    }

    fn deviations(&self) -> &'static [Deviation] {
        &[
            Deviation { name: TRIMMED, reason: "` 5` is wave 5 here; the peer takes it for no number without a word" },
            Deviation { name: LARGE, reason: "a wave has 32 bits here; a larger one is told and is wave 0" },
            Deviation {
                name: DELETION,
                reason: "known here, and told: the object is never applied in a sync, whatever other annotations say",
            },
            Deviation { name: CRD, reason: "` crd-install` is a CRD to apply here; the peer never applies it" },
        ]
    }
}

#[derive(Debug, PartialEq)]
struct Summary {
    role: Role,
    wave: i64,
    /// Of a hook.
    delete: BTreeSet<&'static str>,
}

#[derive(Debug, PartialEq)]
enum Role {
    Object,
    NotApplied,
    Hook(BTreeSet<String>),
}

fn summary(intent: &Intent) -> Summary {
    let (role, delete) = match (&intent.skip, &intent.hook) {
        (Some(_), _) => (Role::NotApplied, BTreeSet::new()),
        (None, None) => (Role::Object, BTreeSet::new()),
        (None, Some(hook)) => {
            let policy = |policy: &HookDeletePolicy| match policy {
                HookDeletePolicy::BeforeCreation => "BeforeHookCreation",
                HookDeletePolicy::Succeeded => "HookSucceeded",
                HookDeletePolicy::Failed => "HookFailed",
            };
            let phases = hook.phases.iter().map(ToString::to_string).collect();
            (Role::Hook(phases), hook.delete.iter().map(policy).collect())
        }
    };
    Summary { role, wave: intent.wave.into(), delete }
}

fn their_summary(answer: &Value) -> Option<Summary> {
    let is = |name: &str| answer.get(name).and_then(Value::as_bool);
    let texts = |name: &str| -> Vec<&str> {
        answer.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut delete = BTreeSet::new();
    let role = if is("skip")? || is("ignored")? {
        Role::NotApplied
    } else if is("hook")? {
        for policy in ["BeforeHookCreation", "HookFailed", "HookSucceeded"] {
            if texts("delete").contains(&policy) {
                delete.insert(policy);
            }
        }
        Role::Hook(texts("types").into_iter().filter(|phase| *phase != "Skip").map(str::to_owned).collect())
    } else {
        Role::Object
    };
    Some(Summary { role, wave: answer.get("wave")?.as_i64()?, delete })
}

const ANNOTATIONS: &[(&str, &[&str])] = &[
    (HOOK, &["PreSync", "Sync", "PostSync", "SyncFail", "Skip", "presync", "PreDelete", "garbage", ""]),
    (
        "helm.sh/hook",
        &[
            "pre-install",
            "pre-upgrade",
            "post-install",
            "post-upgrade",
            "crd-install",
            "pre-rollback",
            "test",
            "pre-delete",
            "",
        ],
    ),
    (
        "argocd.argoproj.io/hook-delete-policy",
        &["HookSucceeded", "HookFailed", "BeforeHookCreation", "hook-succeeded", "Never", ""],
    ),
    ("helm.sh/hook-delete-policy", &["hook-succeeded", "hook-failed", "before-hook-creation", "HookFailed", ""]),
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "5",
    "+7",
    "-0",
    "007",
    " 3",
    "4 ",
    "1.0",
    "0x10",
    "1_000",
    "soon",
    "",
    "2147483647",
    "2147483648",
    "-2147483648",
    "99999999999999999999",
    "１",
    "--1",
    "1e3",
];

/// One to three parts with separators as people write them.
fn list(random: &mut Random, parts: &[&str]) -> String {
    let mut text = random.pick(parts).to_owned();
    for _ in 0..[0, 0, 0, 1, 2][random.below(5)] {
        text.push_str(random.pick(&[",", ", ", " ,", ",,", "; ", " "]));
        text.push_str(random.pick(parts));
    }
    if random.one_in(10) {
        text.insert(0, ' ');
    }
    text
}
