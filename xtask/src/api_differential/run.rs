//! Runs one program on both servers, and compares after each request.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::compare::{self, Difference};
use super::normal::Tokens;
use super::program::{Body, Memory, Operation, Program, Request};
use super::sides::{Answer, Side, Sides};

/// How a program ended.
pub(crate) struct Run {
    pub(crate) requests: usize,
    /// The first difference that counts, else the first of a message's text.
    pub(crate) difference: Option<Found>,
}

#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) difference: Difference,
    /// The operation, or the number of operations for the final state.
    pub(crate) at: usize,
    /// What the real server was asked, request by request.
    pub(crate) transcript: Vec<Request>,
}

struct Half<'a> {
    side: &'a Side,
    memory: Memory,
    tokens: Tokens,
}

impl<'a> Half<'a> {
    fn new(side: &'a Side, namespace: &str) -> Self {
        Self { side, memory: Memory::new(namespace), tokens: Tokens::default() }
    }

    async fn ask(&mut self, operation: &Operation) -> (Request, Answer) {
        let request = self.memory.resolve(operation);
        let mut answer = self.side.send(&request).await;
        self.memory.keep(operation, &answer.body);
        answer.body = self.tokens.value(std::mem::take(&mut answer.body));
        for warning in &mut answer.warnings {
            *warning = self.tokens.text(warning);
        }
        answer.warnings.sort();
        (request, answer)
    }
}

pub(crate) async fn run(program: &Program, sides: &Sides, namespace: &str) -> Run {
    let mut real = Half::new(&sides.real, namespace);
    let mut ours = Half::new(&sides.ours, namespace);
    let mut transcript = Vec::new();
    let mut weaker: Option<Found> = None;
    let reads = program.collections.iter().map(|path| Operation {
        method: "GET",
        path: path.clone(),
        query: Vec::new(),
        content_type: "",
        body: Body::Empty,
    });
    let operations: Vec<Operation> = program.operations.iter().cloned().chain(reads).collect();
    let mut requests = 0;
    for (at, operation) in operations.iter().enumerate() {
        if operation.method == "WAIT" {
            wait(operation, &real, &ours).await;
            continue;
        }
        let ((request, a), (_, b)) = tokio::join!(real.ask(operation), ours.ask(operation));
        requests += 1;
        transcript.push(request);
        let end = at >= program.operations.len();
        let what = if end { "final state".to_owned() } else { name(operation) };
        let difference = match (end, compare::answers(&what, &a, &b)) {
            // Names that the servers made order a list differently.
            (true, Some(_)) if a.is_success() && b.is_success() => {
                compare::values(&what, &sorted(&a.body), &sorted(&b.body))
            }
            (_, found) => found,
        };
        if let Some(difference) = difference {
            let text_only = difference.text_only;
            let found = Found { difference, at, transcript: transcript.clone() };
            if !text_only {
                return Run { requests, difference: Some(found) };
            }
            weaker.get_or_insert(found);
        }
    }
    Run { requests, difference: weaker }
}

/// How long both servers get to follow a definition.
const FOLLOWS: Duration = Duration::from_secs(20);

/// How much is left of an object or a list: what is there, and what of it is being deleted.
fn left(answer: &Answer) -> (u16, Option<Vec<bool>>) {
    let going = |object: &Value| !object["metadata"]["deletionTimestamp"].is_null();
    let items = answer.body["items"].as_array().map(|items| items.iter().map(going).collect());
    (answer.code, Some(items.unwrap_or_else(|| vec![going(&answer.body)])).filter(|_| answer.is_success()))
}

/// Waits until both servers answer a read with a code, or refuse a trial with a text, or have as much left of something.
async fn wait(operation: &Operation, real: &Half<'_>, ours: &Half<'_>) {
    let expected = operation.query.iter().find(|(key, _)| *key == "expected").map(|(_, text)| text);
    let ask = match expected {
        None => Operation { method: "GET", content_type: "", ..operation.clone() },
        Some(_) => Operation { method: "POST", query: vec![("dryRun", "All".to_owned())], ..operation.clone() },
    };
    let both_leave = operation.content_type == "left";
    let there = |answer: &Answer| match expected {
        None => answer.code.to_string() == operation.content_type,
        Some(text) => answer.body["message"].as_str().is_some_and(|message| message.contains(text.as_str())),
    };
    let began = Instant::now();
    while began.elapsed() < FOLLOWS {
        let (a, b) = (real.memory.resolve(&ask), ours.memory.resolve(&ask));
        let (a, b) = tokio::join!(real.side.send(&a), ours.side.send(&b));
        if (both_leave && left(&a) == left(&b)) || (!both_leave && there(&a) && there(&b)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

fn sorted(list: &Value) -> Value {
    let mut items = list["items"].as_array().cloned().unwrap_or_default();
    items.sort_by_cached_key(|item| {
        let mut item = item.clone();
        let name = item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if name.starts_with('<') {
            item["metadata"] = json!({});
        }
        (name, item.to_string())
    });
    Value::Array(items)
}

/// The kind of request, for signatures: method, resource and the form of the body.
fn name(operation: &Operation) -> String {
    let parts: Vec<&str> = operation.path.split('/').collect();
    let namespaced = parts.iter().position(|p| *p == "{{ns}}" && parts.len() > 5);
    let from = namespaced.map_or(if parts.get(1) == Some(&"api") { 3 } else { 4 }, |at| at + 1);
    let resource = parts.get(from).copied().unwrap_or_default();
    let resource = if resource.starts_with("thing") { "things" } else { resource };
    let subresource = parts.get(from + 2).map(|s| format!("/{s}")).unwrap_or_default();
    let form = match operation.content_type {
        "application/json-patch+json" => " json",
        "application/merge-patch+json" => " merge",
        "application/strategic-merge-patch+json" => " strategic",
        "application/apply-patch+yaml" => " apply",
        _ => "",
    };
    format!("{}{form} {resource}{subresource}", operation.method)
}
