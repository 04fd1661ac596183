//! The commands, and how they are run.
//!
//! A line begins with what is kept of a command: `$` its output and exit code, `$$` the last line of its output, `%` its
//! exit code alone; `!` repeats it until it succeeds, at most for ten seconds. `&` starts a command that is ended, and
//! its output taken, by the next line `. N`, once it has printed N lines. Lines that begin with `|` are the input of the
//! command before them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::outcome::{Record, Step, normal};

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What stands for the folder of the sample manifests, in commands and in what is kept of their output.
const SAMPLES: &str = "{samples}";

/// A case: some commands under a name.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    /// Others stand on what it made: its name ends with a star.
    pub(super) is_needed: bool,
    commands: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    how: How,
    text: String,
    input: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Output,
    LastLine,
    ExitCode,
    Until,
    Background,
    Take(usize),
}

pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        if let Some(name) = line.strip_prefix("## ") {
            let (name, is_needed) = name.strip_suffix(" *").map_or((name, false), |name| (name, true));
            ensure!(sections.iter().all(|s| s.name != name), "line {}: a second section {name}", number + 1);
            sections.push(Section { name: name.to_owned(), is_needed, commands: Vec::new() });
            continue;
        }
        let section = sections.last_mut().context("the script begins without a section")?;
        if let Some(input) = line.strip_prefix('|') {
            let command = section.commands.last_mut().context("input without a command")?;
            command.input += input.strip_prefix(' ').unwrap_or(input);
            command.input += "\n";
            continue;
        }
        let (how, text) = line.split_once(' ').with_context(|| format!("line {}: {line}", number + 1))?;
        let how = match how {
            "$" => How::Output,
            "$$" => How::LastLine,
            "%" => How::ExitCode,
            "!" => How::Until,
            "&" => How::Background,
            "." => How::Take(text.parse().with_context(|| format!("line {}: {line}", number + 1))?),
            other => bail!("line {}: what is {other}?", number + 1),
        };
        section.commands.push(Line { how, text: text.to_owned(), input: String::new() });
    }
    Ok(sections)
}

/// A kubectl that talks to one server.
pub(super) struct Kubectl {
    program: PathBuf,
    home: tempfile::TempDir,
    config: PathBuf,
    samples: PathBuf,
}

struct Output {
    code: Option<i32>,
    text: String,
}

impl Kubectl {
    pub(super) fn new(program: &Path, folder: &Path, config: PathBuf, samples: &Path) -> anyhow::Result<Self> {
        let home = tempfile::tempdir_in(folder).context("cannot make a home for kubectl")?;
        Ok(Self { program: program.to_owned(), home, config, samples: samples.to_owned() })
    }

    pub(super) fn play(&self, section: &Section) -> anyhow::Result<Record> {
        let mut steps = Vec::new();
        let mut background: Option<(String, Background)> = None;
        for line in &section.commands {
            let (code, output) = match line.how {
                How::Background => {
                    background = Some((line.text.clone(), self.start(&line.text)?));
                    continue;
                }
                How::Take(lines) => {
                    let (text, running) = background.take().context("nothing runs in the background")?;
                    steps.push(Step { command: text, code: None, output: self.normal(&running.take(lines)) });
                    continue;
                }
                How::Until => {
                    let until = Instant::now() + Duration::from_secs(10);
                    let mut output = self.run(line)?;
                    while output.code != Some(0) && Instant::now() < until {
                        std::thread::sleep(Duration::from_millis(100));
                        output = self.run(line)?;
                    }
                    (output.code, Vec::new())
                }
                How::Output | How::LastLine | How::ExitCode => {
                    let output = self.run(line)?;
                    let lines = self.normal(&output.text);
                    let kept = match line.how {
                        How::Output => lines,
                        How::LastLine => lines.into_iter().last().into_iter().collect(),
                        _ => Vec::new(),
                    };
                    (output.code, kept)
                }
            };
            steps.push(Step { command: line.text.clone(), code, output });
        }
        Ok(Record { section: section.name.clone(), steps })
    }

    /// Without what differs from run to run and from checkout to checkout.
    fn normal(&self, text: &str) -> Vec<String> {
        normal(&text.replace(&*self.samples.to_string_lossy(), SAMPLES))
    }

    fn command(&self, text: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words(text).into_iter().map(|word| word.replace(SAMPLES, &self.samples.to_string_lossy())))
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("KUBECONFIG", &self.config)
            .env("KUBE_EDITOR", "sed -i s/before-edit/after-edit/")
            .env_remove("KUBECTL_EXTERNAL_DIFF")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Both streams: first what was printed, then what was complained of.
    fn run(&self, line: &Line) -> anyhow::Result<Output> {
        let mut child = self
            .command(&line.text)
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Who does not read has closed its end.
            let _closed = stdin.write_all(line.input.as_bytes());
        }
        let out = child.stdout.take().map(reader);
        let complaints = child.stderr.take().map(reader);
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if began.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                return Ok(Output { code: None, text: format!("it did not end within {} s", LIMIT.as_secs()) });
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let mut text = String::new();
        for stream in [out, complaints].into_iter().flatten() {
            text += &stream.recv().unwrap_or_default();
        }
        Ok(Output { code: status.code(), text })
    }

    fn start(&self, text: &str) -> anyhow::Result<Background> {
        let mut child = self.command(text).stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let (sender, lines) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        // What is there already is on its way before anything changes.
        let mut background = Background { child, lines, taken: String::new() };
        background.wait(1);
        Ok(background)
    }
}

fn reader(mut stream: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error counts.
        let _ended = stream.read_to_end(&mut bytes);
        let _nobody = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

struct Background {
    child: Child,
    lines: mpsc::Receiver<String>,
    taken: String,
}

impl Background {
    fn wait(&mut self, lines: usize) {
        for _ in 0..lines {
            match self.lines.recv_timeout(Duration::from_secs(10)) {
                Ok(line) => self.taken += &format!("{line}\n"),
                Err(_) => break,
            }
        }
    }

    /// So many lines in all.
    fn take(mut self, lines: usize) -> String {
        let more = lines.saturating_sub(self.taken.lines().count());
        self.wait(more);
        std::mem::take(&mut self.taken)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Words as a shell would see them: single and double quotes hold together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_does() {
        assert_eq!(
            words("patch x -p '{\"a b\": \"\"}' --type=merge"),
            ["patch", "x", "-p", "{\"a b\": \"\"}", "--type=merge"]
        );
        assert_eq!(words("a ''  b"), ["a", "", "b"]);
    }

    #[test]
    fn sections_and_input() {
        let sections = parse("## one *\n$ apply -f -\n| a:\n|   b\n% get x\n& get -w\n. 3\n").unwrap();
        assert!(sections[0].is_needed);
        assert_eq!(sections[0].commands[0].input, "a:\n  b\n");
        assert_eq!(sections[0].commands[3].how, How::Take(3));
        assert!(parse("$ get x").is_err());
        assert!(parse("## a\n? get x").is_err());
    }
}
