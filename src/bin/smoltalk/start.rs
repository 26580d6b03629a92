//! How one is started: what flags, whoever's they are, can ask for.

use crate::direct::Call;
use crate::room::Visit;
use argh::{CommandInfoWithArgs, EarlyExit};
use smoltalk::program;
use smoltalk::protocol::text::to_safe;
use std::ffi::OsString;

/// What to do.
pub enum Start {
    /// Connect and talk.
    Talk(Visit),
    /// Talk one to one.
    Direct(Call),
    /// Print this on standard output; that is all.
    Print(String),
}

/// What `--version` says: with what was built in.
const VERSION: &str = if cfg!(feature = "tls") {
    concat!("smoltalk ", env!("CARGO_PKG_VERSION"), " (tls)")
} else {
    concat!("smoltalk ", env!("CARGO_PKG_VERSION"))
};

pub fn version() -> Start {
    Start::Print(VERSION.into())
}

/// What was given, to the flags and in the environment.
pub struct Given<'a, E> {
    /// What each flag takes, as a usage error says it.
    pub takes: &'a [(&'a str, &'a str)],
    pub info: &'a CommandInfoWithArgs,
    pub env: E,
}

impl<E: Fn(&str) -> Option<OsString>> Given<'_, E> {
    /// The value of a flag, or else of its variable, where an empty one counts as unset. A flag that
    /// has no variable names "".
    pub fn either<T>(
        &self,
        flag: &str,
        value: Option<String>,
        variable: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let (source, value) = match (value, (self.env)(variable)) {
            (Some(value), _) => (flag, value.into()),
            (None, Some(value)) if !value.is_empty() => (variable, value),
            (None, _) => return Ok(None),
        };
        let takes = self.takes.iter().find(|(name, _)| *name == flag);
        let takes = takes.map_or("something else", |(_, takes)| takes);
        let given = to_safe(value.as_encoded_bytes());
        let wrong = || format!("{source} takes {takes}, not \"{given}\"");
        value.to_str().and_then(read).ok_or_else(wrong).map(Some)
    }

    /// What argh has to say instead: its help, or in one line what is wrong, and what the flag takes
    /// that it is about.
    pub fn instead(&self, early: &EarlyExit) -> Result<Start, String> {
        let EarlyExit { output, status } = early;
        if status.is_ok() {
            return Ok(Start::Print(program::help(output, self.info).trim_end().into()));
        }
        let what = program::mistake(output);
        let about = self.takes.iter().find(|(flag, _)| output.contains(&format!("'{flag}'")));
        Err(match about {
            Some((flag, takes)) => format!("{what} ({flag} takes {takes})"),
            None => what,
        })
    }
}
