//! Runs one program on both servers, and compares after each request.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::compare::{self, Difference};
use super::normal::Tokens;
use super::program::{JSON, Memory, Operation, Program, Read, Request, Step, Until, Wait, Watch};
use super::sides::{Answer, Side, Sides, Stream};

/// How a program ended.
pub(crate) struct Run {
    pub(crate) counts: Counts,
    /// The first difference that counts, else the first of a message's text.
    pub(crate) difference: Option<Found>,
}

/// How much was compared.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) requests: usize,
    pub(crate) lists: usize,
    pub(crate) watches: usize,
    pub(crate) events: usize,
    /// Watches whose end was not accepted by the servers: nothing tells when they have told all.
    pub(crate) endless: usize,
    /// Programs that ended at a request which the real server did not answer: it closes the connection when it panics.
    pub(crate) unanswered: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.lists += other.lists;
        self.watches += other.watches;
        self.events += other.events;
        self.endless += other.endless;
        self.unanswered += other.unanswered;
    }
}

#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) difference: Difference,
    /// The step, or the number of steps for what is compared after them.
    pub(crate) at: usize,
    /// What the real server was asked, request by request.
    pub(crate) transcript: Vec<String>,
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
        let answer = self.side.send(&request).await;
        self.memory.keep(operation, &answer.body);
        (request, self.normal(answer))
    }

    async fn read(&mut self, read: &Read) -> (Request, Answer) {
        let request = self.memory.resolve_read(read);
        let answer = self.side.send(&request).await;
        self.memory.keep_list(&read.path, &answer.body);
        (request, self.normal(answer))
    }

    async fn open(&mut self, read: &Read) -> (Request, Result<Stream, Answer>) {
        let request = self.memory.resolve_read(read);
        let opened = self.side.open(&request).await;
        (request, opened.map_err(|answer| self.normal(answer)))
    }

    fn normal(&mut self, mut answer: Answer) -> Answer {
        answer.body = self.tokens.value(std::mem::take(&mut answer.body));
        for warning in &mut answer.warnings {
            *warning = self.tokens.text(warning);
        }
        answer.warnings.sort();
        answer
    }

    /// What a watch tells up to the event with the mark.
    async fn events(&mut self, stream: &mut Stream, mark: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let Ok(next) = tokio::time::timeout(FOLLOWS, stream.next()).await else {
                events.push("nothing more, although there is more to tell".into());
                return events;
            };
            let Some(mut event) = next else {
                events.push("the end of the stream".into());
                return events;
            };
            // The others come when a server has the time.
            let text = event.to_string();
            if event["type"] == "BOOKMARK" {
                if !text.contains("k8s.io/initial-events-end") {
                    continue;
                }
                // A table has the version once more.
                event["object"]["metadata"]["resourceVersion"] = "<version of the store>".into();
            }
            let last = text.contains(mark);
            let object = self.tokens.value(event["object"].take());
            event["object"] = object;
            events.push(event);
            if last {
                return events;
            }
        }
    }
}

/// A watch that is open on both servers.
struct Open<'p> {
    watch: &'p Watch,
    request: Request,
    real: Stream,
    ours: Stream,
}

/// A program on its way.
struct Course<'s, 'p> {
    real: Half<'s>,
    ours: Half<'s>,
    open: Vec<Open<'p>>,
    counts: Counts,
    transcript: Vec<String>,
    /// The first difference that is one of a text only.
    weaker: Option<Found>,
    at: usize,
}

/// Why a program stops before its end.
enum Stop {
    Differs(Found),
    /// There is nothing to compare with, and what the request did nobody knows.
    Unanswered,
}

/// Whether a program goes on.
type Goes = Result<(), Stop>;

pub(crate) async fn run(program: &Program, sides: &Sides, namespace: &str) -> Run {
    let mut course = Course {
        real: Half::new(&sides.real, namespace),
        ours: Half::new(&sides.ours, namespace),
        open: Vec::new(),
        counts: Counts::default(),
        transcript: Vec::new(),
        weaker: None,
        at: 0,
    };
    let ended = course.all(program).await;
    let difference = match ended {
        Err(Stop::Differs(found)) => Some(found),
        Err(Stop::Unanswered) | Ok(()) => course.weaker,
    };
    Run { counts: course.counts, difference }
}

impl<'p> Course<'_, 'p> {
    async fn all(&mut self, program: &'p Program) -> Goes {
        for (at, step) in program.steps.iter().enumerate() {
            self.at = at;
            match step {
                Step::Ask(operation) => {
                    self.ask(operation).await?;
                }
                Step::Read(read) => self.read(read).await?,
                Step::Pages(read) => self.pages(read).await?,
                Step::Watch(watch) => self.open(watch).await?,
                Step::Wait(wait) => self.wait(wait).await,
            }
        }
        self.at = program.steps.len();
        for open in std::mem::take(&mut self.open) {
            self.end(open).await?;
        }
        for path in &program.collections {
            let read = Read { path: path.clone(), query: Vec::new(), accept: JSON };
            let ((request, a), (_, b)) = tokio::join!(self.real.read(&read), self.ours.read(&read));
            self.transcript.push(request.to_string());
            self.counts.requests += 1;
            let what = "final state";
            let difference = match compare::answers(what, &a, &b) {
                // Names that the servers made order a list differently.
                Some(_) if a.is_success() && b.is_success() => {
                    compare::values(what, &sorted(&a.body), &sorted(&b.body))
                }
                found => found,
            };
            self.note(difference)?;
        }
        Ok(())
    }

    fn note(&mut self, difference: Option<Difference>) -> Goes {
        let Some(difference) = difference else { return Ok(()) };
        let text_only = difference.text_only;
        let found = Found { difference, at: self.at, transcript: self.transcript.clone() };
        if !text_only {
            return Err(Stop::Differs(found));
        }
        self.weaker.get_or_insert(found);
        Ok(())
    }

    /// Whether both accepted it.
    async fn ask(&mut self, operation: &Operation) -> Result<bool, Stop> {
        let ((request, a), (_, b)) = tokio::join!(self.real.ask(operation), self.ours.ask(operation));
        self.counts.requests += 1;
        self.transcript.push(request.to_string());
        if a.is_none() && !b.is_none() {
            self.counts.unanswered += 1;
            return Err(Stop::Unanswered);
        }
        self.note(compare::answers(&name(operation), &a, &b))?;
        Ok(a.is_success())
    }

    async fn read(&mut self, read: &Read) -> Goes {
        let ((request, a), (_, b)) = tokio::join!(self.real.read(read), self.ours.read(read));
        self.counts.requests += 1;
        self.counts.lists += usize::from(a.body["items"].is_array() || a.body["rows"].is_array());
        self.transcript.push(request.to_string());
        self.note(compare::answers(&name_of_read("GET", read), &a, &b))
    }

    async fn pages(&mut self, read: &Read) -> Goes {
        self.read(read).await?;
        for _ in 0..PAGES {
            let tokens = (self.real.memory.next_page(&read.path), self.ours.memory.next_page(&read.path));
            if tokens.0.is_none() && tokens.1.is_none() {
                return Ok(());
            }
            let mut next = read.clone();
            next.query.retain(|(key, _)| !matches!(*key, "resourceVersion" | "resourceVersionMatch" | "continue"));
            next.query.push(("continue", format!("{{{{continue:{}}}}}", read.path)));
            self.read(&next).await?;
        }
        Ok(())
    }

    async fn open(&mut self, watch: &'p Watch) -> Goes {
        if let Some(read) = &watch.caught_up {
            self.read(read).await?;
        }
        let ((request, a), (_, b)) = tokio::join!(self.real.open(&watch.read), self.ours.open(&watch.read));
        self.counts.requests += 1;
        self.transcript.push(request.to_string());
        let what = name_of_read("WATCH", &watch.read);
        let opened = || Answer { code: 200, warnings: Vec::new(), body: Value::Null };
        match (a, b) {
            (Ok(mut real), Ok(mut ours)) => {
                if tells_its_beginning(&watch.read) {
                    let begun = async { tokio::join!(real.begun(), ours.begun()) };
                    // Without a beginning there is a difference at the end.
                    let _in_time = tokio::time::timeout(FOLLOWS, begun).await;
                }
                self.open.push(Open { watch, request, real, ours });
                Ok(())
            }
            (a, b) => {
                self.note(compare::answers(&what, &a.err().unwrap_or_else(opened), &b.err().unwrap_or_else(opened)))
            }
        }
    }

    async fn end(&mut self, mut open: Open<'p>) -> Goes {
        let mut ended = false;
        for operation in &open.watch.end {
            ended = ended || self.ask(operation).await?;
        }
        if !ended {
            self.counts.endless += usize::from(!open.watch.end.is_empty());
            return Ok(());
        }
        let mark = &open.watch.mark;
        let (a, b) = tokio::join!(self.real.events(&mut open.real, mark), self.ours.events(&mut open.ours, mark));
        self.counts.watches += 1;
        self.counts.events += a.len();
        self.transcript.push(format!("what was told by {}", open.request));
        let what = name_of_read("WATCH", &open.watch.read);
        let found = compare::values(&format!("{what}: order"), &outline(&a), &outline(&b));
        let found = found.or_else(|| compare::values(&what, &a.into(), &b.into()));
        self.note(found)
    }

    async fn wait(&mut self, wait: &Wait) {
        let there = |answer: &Answer| match &wait.until {
            Until::Code(code) => answer.code == *code,
            Until::Refused(text) => answer.body["message"].as_str().is_some_and(|m| m.contains(text.as_str())),
            Until::AsMuchLeft => true,
            Until::Accepted => answer.body["spec"]["names"] == answer.body["status"]["acceptedNames"],
        };
        let began = Instant::now();
        while began.elapsed() < FOLLOWS {
            let requests = (self.real.memory.resolve(&wait.operation), self.ours.memory.resolve(&wait.operation));
            let (a, b) = tokio::join!(self.real.side.send(&requests.0), self.ours.side.send(&requests.1));
            let same = !matches!(wait.until, Until::AsMuchLeft) || left(&a) == left(&b);
            if same && there(&a) && there(&b) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

/// Whether a watch says when it has told what was there.
fn tells_its_beginning(read: &Read) -> bool {
    let is_true = |key: &str| read.query.iter().any(|(k, v)| *k == key && matches!(&**v, "true" | "1"));
    is_true("sendInitialEvents") && is_true("allowWatchBookmarks")
}

/// How long both servers get to follow a definition, or to tell of a write.
const FOLLOWS: Duration = Duration::from_secs(20);
/// More than a program makes objects.
const PAGES: usize = 40;

/// The types of events, and the names of what they are about.
fn outline(events: &[Value]) -> Value {
    let name = |event: &Value| {
        let object = &event["object"];
        let named = [&object["metadata"]["name"], &object["rows"][0]["cells"][0]];
        named.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
    };
    let line = |event: &Value| match event["type"].as_str() {
        Some(kind) => format!("{kind} {}", name(event)),
        None => event.to_string(),
    };
    let lines: Vec<String> = events.iter().map(line).collect();
    lines.join(", ").into()
}

/// How much is left of an object or a list: what is there, and what of it is being deleted.
fn left(answer: &Answer) -> (u16, Option<Vec<bool>>) {
    let going = |object: &Value| !object["metadata"]["deletionTimestamp"].is_null();
    let items = answer.body["items"].as_array().map(|items| items.iter().map(going).collect());
    (answer.code, Some(items.unwrap_or_else(|| vec![going(&answer.body)])).filter(|_| answer.is_success()))
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
    let form = match operation.content_type {
        "application/json-patch+json" => " json",
        "application/merge-patch+json" => " merge",
        "application/strategic-merge-patch+json" => " strategic",
        "application/apply-patch+yaml" => " apply",
        _ => "",
    };
    format!("{}{form} {}", operation.method, resource(&operation.path))
}

/// The same for a read in a form.
fn name_of_read(verb: &str, read: &Read) -> String {
    let form = read.accept.split_once(";as=").map(|(_, form)| form.split(';').next().unwrap_or_default());
    let form = form.map(|form| format!(" {form}")).unwrap_or_default();
    format!("{verb}{form} {}", resource(&read.path))
}

/// The resource that a path is of, and its subresource.
fn resource(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default().replace("/watch/", "/");
    let parts: Vec<&str> = path.split('/').collect();
    let namespaced = parts.iter().position(|p| *p == "{{ns}}" && parts.len() > 5);
    let from = namespaced.map_or(if parts.get(1) == Some(&"api") { 3 } else { 4 }, |at| at + 1);
    let resource = parts.get(from).copied().unwrap_or_default();
    let resource = if resource.starts_with("thing") { "things" } else { resource };
    let subresource = parts.get(from + 2).map(|s| format!("/{s}")).unwrap_or_default();
    format!("{resource}{subresource}")
}
