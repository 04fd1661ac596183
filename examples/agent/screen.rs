//! What is shown, and how.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Instant;

use gitops_engine::core::{ActionKind, Health, ObjectId};
use gitops_engine::{Event, EventSink, HealthStatus, ObjectHealth};

/// Prints events as they happen: for people, or as JSON lines.
pub(crate) struct Screen {
    json: bool,
    colours: bool,
    begun: Instant,
    wave: Mutex<Option<String>>,
}

#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colours, begun: Instant::now(), wave: Mutex::new(None) }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn paint(&self, colour: Colour, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Blue => "34",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A heading of the demonstration.
    pub(crate) fn act(&self, number: usize, title: &str) {
        if !self.json {
            println!("\n{}", self.paint(Colour::Bold, &format!("Act {number}: {title}")));
        }
    }

    /// A remark of the demonstration.
    pub(crate) fn say(&self, text: &str) {
        if !self.json {
            println!("  {text}");
        }
    }

    /// The health of everything, with what it owns.
    pub(crate) fn tree(&self, objects: &[ObjectHealth]) {
        if self.json {
            return;
        }
        for object in objects {
            self.branch(object, 2);
        }
    }

    fn branch(&self, object: &ObjectHealth, indent: usize) {
        let mark = match &object.health {
            None => self.paint(Colour::Dim, "·"),
            Some(health) => self.mark(health.status),
        };
        let message = object.health.as_ref().map(|health| health.message.to_string()).unwrap_or_default();
        let message = if message.is_empty() { message } else { format!("  {}", self.paint(Colour::Dim, &message)) };
        println!("{:indent$}{mark} {}{message}", "", object.object);
        for owned in &object.owns {
            self.branch(owned, indent + 2);
        }
    }

    fn mark(&self, status: HealthStatus) -> String {
        match status {
            HealthStatus::Healthy => self.paint(Colour::Green, "✔"),
            HealthStatus::Progressing => self.paint(Colour::Blue, "…"),
            HealthStatus::Suspended => self.paint(Colour::Yellow, "‖"),
            HealthStatus::Degraded | HealthStatus::Missing => self.paint(Colour::Red, "✘"),
            HealthStatus::Unknown => self.paint(Colour::Yellow, "?"),
        }
    }

    fn line(&self, colour: Colour, sign: &str, text: &str) {
        let time = format!("{:7.2}s", self.begun.elapsed().as_secs_f64());
        println!("  {} {} {text}", self.paint(Colour::Dim, &time), self.paint(colour, sign));
    }

    fn show(&self, event: &Event) {
        match event {
            Event::RevisionFound { revision, .. } => {
                self.line(Colour::Bold, "⇣", &format!("revision {}", revision.short()));
            }
            Event::DriftFound { object, fields, managers, .. } => {
                let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
                let what = if fields.is_empty() { "it is gone".to_owned() } else { fields.join(", ") };
                let who = if managers.is_empty() { String::new() } else { format!(" (by {})", managers.join(", ")) };
                self.line(Colour::Yellow, "≠", &format!("drift: {object}: {what}{who}"));
            }
            Event::Planned { writes, unchanged, waves, .. } => {
                let text = format!("plan: {writes} to write, {unchanged} unchanged, {waves} waves");
                self.line(Colour::Bold, "≡", &text);
            }
            Event::StepStarted { action, object, phase, wave, reason, .. } => {
                self.show_wave(&format!("{phase} wave {wave}"));
                let text = format!("{} {object}  {}", word(*action), self.paint(Colour::Dim, reason));
                self.line(Colour::Blue, "→", &text);
            }
            Event::HealthChanged { object, health, .. } => self.show_health(object, health),
            Event::StepSucceeded { action, object, .. } => {
                let text = format!("{} {object}", done(*action));
                self.line(Colour::Green, "✔", &text);
            }
            Event::StepFailed { error, .. } => self.line(Colour::Red, "✘", &error.to_string()),
            Event::StepSkipped { object, reason, .. } => {
                self.line(Colour::Dim, "-", &format!("{object} is not started: {reason}"));
            }
            Event::StepRetried { object, message, after_ms, .. } => {
                self.line(Colour::Yellow, "↻", &format!("{object}: {message}; again in {after_ms} ms"));
            }
            Event::Synced { revision, writes, .. } => {
                let text = format!("in sync with {} after {writes} writes", revision.short());
                self.line(Colour::Green, "=", &self.paint(Colour::Green, &text));
            }
            Event::Failed { writes, errors, .. } => {
                let text = format!("refused or failed; {writes} writes were made");
                self.line(Colour::Red, "✘", &self.paint(Colour::Red, &text));
                for error in errors {
                    println!("             {error}");
                }
            }
            Event::Warning { warning, .. } => self.line(Colour::Yellow, "!", &warning.to_string()),
            _ => {}
        }
    }

    fn show_wave(&self, wave: &str) {
        let Ok(mut shown) = self.wave.lock() else { return };
        if shown.as_deref() != Some(wave) {
            *shown = Some(wave.to_owned());
            println!("  {:8} {}", "", self.paint(Colour::Dim, &format!("── {wave} ──")));
        }
    }

    fn show_health(&self, object: &ObjectId, health: &Health) {
        if health.status == HealthStatus::Healthy {
            return;
        }
        let text = format!("{object}: {} {}", health.status, self.paint(Colour::Dim, &health.message));
        self.line(Colour::Blue, "…", &text);
    }
}

impl EventSink for Screen {
    fn emit(&self, event: Event) {
        if !self.json {
            self.show(&event);
            return;
        }
        match serde_json::to_string(&event) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("an event does not serialise: {error}"),
        }
    }
}

fn word(action: ActionKind) -> &'static str {
    match action {
        ActionKind::Create => "create",
        ActionKind::Update => "update",
        ActionKind::Recreate => "recreate",
        ActionKind::Prune => "prune",
        ActionKind::Run => "run",
        _ => "write",
    }
}

fn done(action: ActionKind) -> &'static str {
    match action {
        ActionKind::Prune => "gone:",
        ActionKind::Run => "done:",
        _ => "ready:",
    }
}
