//! `smoltalk` on a terminal of its own.

use crate::fake::DEADLINE;
use crate::talk::{Leash, signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;

/// A client and the person before it. It is killed when it hangs.
pub struct Person {
    child: Leash,
    terminal: File,
    /// What was shown and not yet looked for.
    shown: String,
    _over: Sender<()>,
}

impl Person {
    pub fn start(program: &mut Command) -> Self {
        Self::start_on("xterm", program)
    }

    /// The same, on a terminal of that kind.
    pub fn start_on(kind: &str, program: &mut Command) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("it is ours");
        let name = ptsname(&terminal, Vec::new()).expect("its name");
        let path = name.to_str().expect("UTF-8");
        let side = OpenOptions::new().read(true).write(true).open(path).expect("its other side");
        // Nobody's history is to be found there, and none is left.
        program.env("TERM", kind).env("XDG_STATE_HOME", "/dev/null");
        let twin = || side.try_clone().expect("a handle");
        let spawned = program.stdin(twin()).stdout(twin()).stderr(twin());
        let child = spawned.spawn().expect("the client starts");
        // Its copies are closed here, or the end would never come.
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (over, wait) = channel::<()>();
        let id = child.id();
        thread::spawn(move || {
            if wait.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
                signal("KILL", id);
            }
        });
        Self { child: Leash(child), terminal: terminal.into(), shown: String::new(), _over: over }
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        self.types_keys(&format!("{line}\r"));
    }

    /// Presses keys.
    pub fn types_keys(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).expect("it reads");
    }

    /// Waits for `text` to be shown; returns all up to it.
    pub fn sees(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.shown.find(text) {
                let rest = self.shown.split_off(at + text.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            let shown = self.reads();
            assert!(shown, "{text:?} is missing: {:?}", self.shown);
        }
    }

    fn reads(&mut self) -> bool {
        let mut buffer = [0; 4096];
        // A terminal that nobody holds any more fails rather than ends.
        let read = self.terminal.read(&mut buffer).unwrap_or_default();
        self.shown.push_str(&String::from_utf8_lossy(&buffer[..read]));
        read > 0
    }

    /// Waits for the end: what else was shown, and the exit code.
    pub fn ends(mut self) -> (String, Option<i32>) {
        while self.reads() {}
        let code = self.child.wait().expect("it ended").code();
        (self.shown, code)
    }
}
