//! `cargo xtask differential`: our pure functions against the peers' own code, on the same generated questions.
//!
//! The other side is the Go program `benches/peers/oracle`. Every question comes from the seed and its number alone, so
//! that a case is the same wherever it runs. A difference is printed as a minimal case: parts of the question are taken
//! away for as long as the same difference stays.

mod diff;
mod health;
mod hooks;
mod oracle;
mod order;
mod random;
mod shrink;
mod yaml;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::peers;
use crate::tally::Tally;
use oracle::Oracle;
use random::Random;

/// Something that both sides are asked about.
trait Subject {
    /// What it is called, here and by the oracle.
    fn name(&self) -> &'static str;

    /// How many cases, where nobody says.
    fn usual(&self) -> usize;

    /// One question.
    fn question(&self, random: &mut Random) -> Value;

    /// Answers the question and compares. `None` where it is no question: what is left of one while it is being made
    /// smaller.
    fn judge(&self, question: &Value, answer: &Value) -> Option<Judgement>;

    /// Differences that are meant, with the reason.
    fn deviations(&self) -> &'static [Deviation];
}

/// A difference that is meant.
struct Deviation {
    name: &'static str,
    reason: &'static str,
}

/// More of them for one subject, and nobody could say that we do as the peer does.
#[cfg(test)]
const MOST_DEVIATIONS: usize = 8;

enum Judgement {
    Same,
    /// Different on purpose, by the name of the deviation.
    Deviates(&'static str),
    Differs(Difference),
}

struct Difference {
    /// What kind of difference it is: it stays the same while the question is made smaller.
    label: String,
    ours: String,
    theirs: String,
}

impl Judgement {
    fn differs(label: impl Into<String>, ours: impl Into<String>, theirs: impl Into<String>) -> Self {
        Self::Differs(Difference { label: label.into(), ours: ours.into(), theirs: theirs.into() })
    }
}

const SUBJECTS: [&dyn Subject; 5] = [&health::Health, &diff::Diff, &order::Order, &hooks::Hooks, &yaml::Yaml];

/// So many questions are asked at once, while ours are answered.
const BATCH: usize = 200;

pub(crate) fn run(mut arguments: Arguments) -> anyhow::Result<Tally> {
    let cases = match arguments.value("--cases")? {
        None => None,
        Some(text) => Some(text.parse::<usize>().with_context(|| format!("--cases wants a number, not `{text}`"))?),
    };
    let seed = match arguments.value("--seed")? {
        None => 1,
        Some(text) => text.parse::<u64>().with_context(|| format!("--seed wants a number, not `{text}`"))?,
    };
    let only = arguments.value("--only")?;
    let shown = arguments.count("--show", 1)?;
    arguments.end()?;
    let names = || SUBJECTS.map(Subject::name).join(", ");
    let chosen: Vec<_> =
        SUBJECTS.into_iter().filter(|subject| only.as_deref().is_none_or(|only| only == subject.name())).collect();
    if chosen.is_empty() {
        bail!("--only wants one of {}", names());
    }

    let mut oracle = Oracle::start(&peers::build_oracle()?)?;
    let mut tally = Tally::default();
    for subject in chosen {
        tally += compare(subject, &mut oracle, cases.unwrap_or_else(|| subject.usual()), seed, shown)?;
    }
    Ok(tally)
}

/// Asks both sides. Of the differences of one kind, `shown` are printed: the others are counted.
fn compare(subject: &dyn Subject, oracle: &mut Oracle, cases: usize, seed: u64, shown: usize) -> anyhow::Result<Tally> {
    let began = std::time::Instant::now();
    let mut tally = Tally::default();
    let mut deviations: BTreeMap<&str, usize> = BTreeMap::new();
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    let mut first = 0;
    while first < cases {
        let numbers = first..cases.min(first + BATCH);
        first = numbers.end;
        let questions: Vec<_> =
            numbers.clone().map(|number| subject.question(&mut Random::of(seed, subject.name(), number))).collect();
        let answers = oracle.ask(subject.name(), &questions)?;
        for ((number, question), answer) in numbers.zip(&questions).zip(&answers) {
            match subject.judge(question, answer) {
                Some(Judgement::Same) => tally.case(true),
                Some(Judgement::Deviates(name)) => {
                    *deviations.entry(name).or_default() += 1;
                    tally.case(true);
                }
                Some(Judgement::Differs(difference)) => {
                    tally.case(false);
                    let seen = labels.entry(difference.label.clone()).or_default();
                    *seen += 1;
                    if *seen <= shown {
                        let (question, difference) = shrink::smallest(subject, oracle, question.clone(), difference)?;
                        print_difference(subject, seed, number, &question, &difference);
                    }
                }
                None => bail!("{} case {number} of seed {seed} is no question: {question}", subject.name()),
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{:<7} {} cases of seed {seed} in {seconds:.1} s: {tally}", subject.name(), cases);
    for Deviation { name, reason } in subject.deviations() {
        let count = deviations.remove(name).unwrap_or(0);
        println!("        {count:>6} differ on purpose: {name}: {reason}");
    }
    if let Some((name, _)) = deviations.first_key_value() {
        bail!("the deviation `{name}` is not in the list of {}", subject.name());
    }
    for (label, count) in labels {
        println!("        {count:>6} FAILED: {label}");
    }
    Ok(tally)
}

fn print_difference(subject: &dyn Subject, seed: u64, number: usize, question: &Value, difference: &Difference) {
    println!("{} case {number} of seed {seed} FAILED: {}", subject.name(), difference.label);
    match question {
        Value::String(text) => println!("  question:\n    {}", text.replace('\n', "\n    ")),
        question => println!("  question: {question}"),
    }
    println!("  ours:     {}\n  theirs:   {}", difference.ours, difference.theirs);
}

/// What the peer refused with, if it did.
fn refusal(answer: &Value) -> Option<&str> {
    answer.get("error")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::{MOST_DEVIATIONS, Random, SUBJECTS};

    #[test]
    fn questions_come_from_the_seed_alone() {
        for subject in SUBJECTS {
            let question = |seed, number| subject.question(&mut Random::of(seed, subject.name(), number));
            assert_eq!(question(7, 3), question(7, 3), "{}", subject.name());
            let all: std::collections::BTreeSet<_> = (0..100).map(|number| question(7, number).to_string()).collect();
            assert!(all.len() > 60, "{}: of 100 questions {} are different", subject.name(), all.len());
        }
    }

    #[test]
    fn what_differs_on_purpose_stays_a_short_list() {
        for subject in SUBJECTS {
            let deviations = subject.deviations();
            assert!(deviations.len() <= MOST_DEVIATIONS, "{}: {}", subject.name(), deviations.len());
            assert!(deviations.iter().all(|deviation| !deviation.reason.is_empty()));
        }
    }
}
