//! A command line that is taken apart option by option; whatever nobody took is an error.

use anyhow::{Context as _, bail};

pub(crate) struct Arguments {
    left: Vec<String>,
}

impl Arguments {
    pub(crate) fn new(arguments: impl Iterator<Item = String>) -> Self {
        Self { left: arguments.collect() }
    }

    /// Takes the first argument if it is not an option.
    pub(crate) fn word(&mut self) -> Option<String> {
        let first = self.left.first()?;
        (!first.starts_with('-')).then(|| self.left.remove(0))
    }

    /// Takes an option without a value.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.left.len();
        self.left.retain(|argument| argument != name);
        self.left.len() != before
    }

    /// Takes an option and its value.
    pub(crate) fn value(&mut self, name: &str) -> anyhow::Result<Option<String>> {
        let Some(at) = self.left.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        self.left.remove(at);
        if at == self.left.len() {
            bail!("{name} needs a value");
        }
        Ok(Some(self.left.remove(at)))
    }

    /// Takes an option whose value is a number that is not zero.
    pub(crate) fn count(&mut self, name: &str, usual: usize) -> anyhow::Result<usize> {
        let Some(text) = self.value(name)? else {
            return Ok(usual);
        };
        let count: usize = text.parse().with_context(|| format!("{name} wants a number, not `{text}`"))?;
        if count == 0 {
            bail!("{name} wants at least 1");
        }
        Ok(count)
    }

    /// To be called when all options are taken.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some(argument) => bail!("`{argument}` is not understood here; see `cargo xtask help`"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::Arguments;

    fn arguments(text: &str) -> Arguments {
        Arguments::new(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_taken_in_any_order() {
        let mut line = arguments("bench --rounds 7 --peers-only");
        assert_eq!(line.word().as_deref(), Some("bench"));
        assert!(line.flag("--peers-only"));
        assert!(!line.flag("--without-peers"));
        assert_eq!(line.count("--rounds", 3).unwrap(), 7);
        assert_eq!(line.value("--only").unwrap(), None);
        line.end().unwrap();
    }

    #[test]
    fn what_nobody_takes_is_an_error() {
        assert!(arguments("--real").end().is_err());
        assert!(arguments("--rounds").value("--rounds").is_err());
        assert!(arguments("--rounds 0").count("--rounds", 3).is_err());
        assert!(arguments("--rounds many").count("--rounds", 3).is_err());
    }
}
