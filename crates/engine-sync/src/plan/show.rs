//! Plans for people.

use std::fmt;

use gitops_engine_core::Shown;

use super::{Action, Plan, Step};

impl fmt::Display for Plan {
    /// One line a step, by wave; what stays as it is is only counted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan for {} at {}", self.application, self.revision.short())?;
        for wave in &self.waves {
            let steps: Vec<_> = wave.steps.iter().map(|at| &self.steps[*at]).collect();
            let shown: Vec<_> = steps.iter().filter(|step| !matches!(step.action, Action::Unchanged)).collect();
            if shown.is_empty() {
                continue;
            }
            let what = if wave.prunes { "removals of wave" } else { "wave" };
            writeln!(f, "  {} {what} {}", wave.phase, wave.wave)?;
            for step in shown {
                write_step(f, step)?;
            }
        }
        for step in self.steps.iter().filter(|step| step.action.is_idle()) {
            write_step(f, step)?;
        }
        let unchanged = self.steps.iter().filter(|step| matches!(step.action, Action::Unchanged)).count();
        writeln!(f, "  {} to write, {unchanged} unchanged", self.writes())?;
        for guard in &self.guards {
            writeln!(f, "  needs approval: {guard}")?;
        }
        for notice in &self.notices {
            writeln!(f, "  note: {notice}")?;
        }
        Ok(())
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    writeln!(f, "    {:<9} {}: {}", step.action.word(), step.object, step.reason)?;
    if let Action::Update { changes } = &step.action {
        for change in changes {
            write!(f, "              {}: {} -> {}", change.path, Brief(&change.before), Brief(&change.after))?;
            match change.owners.as_slice() {
                [] => writeln!(f)?,
                owners => writeln!(f, " (set by {})", owners.join(", "))?,
            }
        }
    }
    Ok(())
}

struct Brief<'a>(&'a Shown);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        match self.0 {
            Shown::Absent => f.write_str("nothing"),
            Shown::Secret(number) => write!(f, "<secret {number}>"),
            Shown::Plain(value) => {
                let text = value.to_string();
                match text.char_indices().nth(LONGEST) {
                    Some((end, _)) => write!(f, "{}…", &text[..end]),
                    None => f.write_str(&text),
                }
            }
        }
    }
}
