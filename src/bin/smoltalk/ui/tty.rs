//! What standard input and output are, and what those who look at them want.

use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};

/// Whether a person sits at a terminal: standard input and standard output are one.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether that terminal can do more than show line after line.
pub fn is_able() -> bool {
    is_there() && set("TERM").is_some_and(|term| term != "dumb")
}

/// Whether whoever looks at it wants to see colours there.
pub fn is_coloured() -> bool {
    is_able() && set("NO_COLOR").is_none()
}

/// As long as it lives, the terminal shows nothing of what is typed but that a line has ended.
pub struct Unseen(Termios);

impl Unseen {
    pub fn begin() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        unseen.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin(), OptionalActions::Now, &unseen)?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}
