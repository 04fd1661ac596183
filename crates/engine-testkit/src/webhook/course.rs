//! One request's way through admission.
//!
//! A write is one transaction under the state's lock, and a closure of the test must not run there. So a write that comes
//! to a webhook stops and leaves a question; the webhook is asked with the lock released; and the write is done again,
//! with the answer at hand. An answer is about one version of one object: when that has changed, the question is new.

use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{AdmissionAnswer, AdmissionRequest, Outcome, Webhook};
use crate::{
    access::{self, User},
    json::str_at,
    state::State,
    status::ApiError,
    store::Stored,
    write::Target,
};

/// Whether the webhook may rewrite, the object's namespace and name, and the revision that it would replace (0: none).
type About = (bool, String, String, u64);

/// Who writes, and what the webhooks say to it.
#[derive(Debug, Default)]
pub(crate) struct Course {
    user: Arc<User>,
    webhooks: Vec<Webhook>,
    dry_run: bool,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    question: Option<(About, AdmissionRequest)>,
    answers: BTreeMap<About, Result<Option<Value>, ApiError>>,
    warnings: Vec<String>,
}

impl Course {
    pub(crate) fn new(user: Arc<User>, mut webhooks: Vec<Webhook>, dry_run: bool) -> Self {
        webhooks.sort_by(|a, b| a.name.cmp(&b.name));
        Self { user, webhooks, dry_run, progress: Mutex::default() }
    }

    pub(crate) fn user(&self) -> &User {
        &self.user
    }

    fn has(&self, mutating: bool) -> bool {
        self.webhooks.iter().any(|w| w.mutates == mutating)
    }

    /// Whether a webhook may be asked.
    pub(crate) fn asks(&self) -> bool {
        !self.webhooks.is_empty()
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.progress.lock().warnings)
    }

    /// What the mutating webhooks make of an object; whether it was rewritten.
    pub(crate) fn mutate(
        &self,
        target: &Target<'_>,
        before: Option<&Stored>,
        object: &mut Value,
    ) -> Result<bool, ApiError> {
        if !self.has(true) {
            return Ok(false);
        }
        let rewritten = self.answer(true, target, before, Some(object))?;
        let changed = rewritten.is_some();
        if let Some(rewritten) = rewritten {
            *object = rewritten;
        }
        Ok(changed)
    }

    /// What the validating webhooks, and the server's own rule about rights, have against an object (or, without one,
    /// against its deletion).
    pub(crate) fn validate(
        &self,
        state: &State,
        target: &Target<'_>,
        before: Option<&Stored>,
        object: Option<&Value>,
    ) -> Result<(), ApiError> {
        if let Some(object) = object {
            access::check_escalation(state, &self.user, target, before.map(|b| &b.value), object)?;
        }
        if self.has(false) {
            self.answer(false, target, before, object)?;
        }
        Ok(())
    }

    fn answer(
        &self,
        mutating: bool,
        target: &Target<'_>,
        before: Option<&Stored>,
        object: Option<&Value>,
    ) -> Result<Option<Value>, ApiError> {
        let about =
            (mutating, target.namespace.to_owned(), target.name.to_owned(), before.map_or(0, |before| before.revision));
        let mut progress = self.progress.lock();
        if let Some(answer) = progress.answers.get(&about) {
            return answer.clone();
        }
        let resource = target.resource;
        let request = AdmissionRequest {
            operation: match (before, object) {
                (None, _) => "CREATE",
                (Some(_), Some(_)) => "UPDATE",
                (Some(_), None) => "DELETE",
            },
            group: resource.gr.group.to_string(),
            version: target.version.to_owned(),
            kind: match object {
                // What is posted to a Pod is of another kind.
                Some(object) if matches!(target.subresource, "eviction" | "binding") => {
                    str_at(object, &["kind"]).to_owned()
                }
                _ => resource.kind.clone(),
            },
            resource: resource.gr.resource.to_string(),
            subresource: target.subresource.to_owned(),
            namespace: target.namespace.to_owned(),
            name: target.name.to_owned(),
            user: self.user.name.clone(),
            groups: self.user.groups.clone(),
            dry_run: self.dry_run,
            object: object.cloned(),
            old_object: before.map(|b| b.value.clone()),
        };
        progress.question = Some((about, request));
        // Nobody sees it: see `ask`.
        Err(ApiError::internal("a webhook has to be asked first"))
    }

    /// Asks the webhooks what the write left as a question, outside every lock. `false` when there was none, and so the
    /// write has come to its end.
    pub(crate) async fn ask(&self) -> bool {
        let Some((about, mut request)) = self.progress.lock().question.take() else {
            return false;
        };
        let mut answer = Ok(None);
        for webhook in self.webhooks.iter().filter(|w| w.mutates == about.0) {
            let said = (webhook.answers)(&request);
            if matches!(said.outcome, Outcome::TimeOut) {
                tokio::time::sleep(webhook.timeout).await;
            }
            self.progress.lock().warnings.extend(said.warnings.iter().cloned());
            match webhook.read(said) {
                Ok(Some(object)) => {
                    request.object = Some(object.clone());
                    answer = Ok(Some(object));
                }
                Ok(None) => {}
                Err(e) => {
                    answer = Err(e);
                    break;
                }
            }
        }
        self.progress.lock().answers.insert(about, answer);
        true
    }
}

impl Webhook {
    /// An answer as the server takes it.
    fn read(&self, said: AdmissionAnswer) -> Result<Option<Value>, ApiError> {
        let failed = |why: String| {
            if self.ignores_failures {
                return Ok(None);
            }
            let why = format!("failed calling webhook {:?}: failed to call webhook: {why}", self.name);
            let mut e = ApiError::internal(format!("Internal error occurred: {why}"));
            e.details = Some(json!({"causes": [{"message": why}]}));
            Err(e)
        };
        match said.outcome {
            Outcome::Allow => Ok(None),
            Outcome::Rewrite(object) => Ok(Some(object).filter(|_| self.mutates)),
            Outcome::Deny { message, reason, code } => Err(self.denied(&message, &reason, code)),
            Outcome::TimeOut => failed(format!(
                "Post \"https://{}/?timeout={}s\": context deadline exceeded",
                self.name,
                self.timeout.as_secs()
            )),
            Outcome::Fail(error) => failed(error),
        }
    }

    fn denied(&self, message: &str, reason: &str, code: u16) -> ApiError {
        let text = match (message, reason) {
            ("", "") => " without explanation".to_owned(),
            ("", reason) => format!(": {reason}"),
            (message, _) => format!(": {message}"),
        };
        let code = StatusCode::from_u16(code).ok().filter(|c| c.is_client_error() || c.is_server_error());
        let message = format!("admission webhook {:?} denied the request{text}", self.name);
        let mut e = ApiError::new(code.unwrap_or(StatusCode::BAD_REQUEST), "", message);
        e.reason = reason.to_owned().into();
        e
    }
}
