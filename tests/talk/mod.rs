//! `smoltalk`, driven from outside.

// Each test file uses its part.
#![allow(dead_code)]

use crate::fake::DEADLINE;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::{Deref, DerefMut};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// A process that does not outlive its test.
pub struct Leash(pub Child);

impl Deref for Leash {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Leash {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // One that has ended is left alone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running client. It is killed when it hangs, and the test then fails for what is missing.
pub struct Talk {
    pub child: Leash,
    pub stdin: Option<ChildStdin>,
    pub stdout: BufReader<ChildStdout>,
    pub stderr: BufReader<ChildStderr>,
    /// Dropped when the test is over.
    _over: Sender<()>,
}

/// What a client leaves behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program, without what the tests' own environment would tell it.
pub fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_smoltalk"));
    for variable in ["SMOLTALK_HOST", "SMOLTALK_PORT", "SMOLTALK_USERNAME", "SMOLTALK_KEY"] {
        program.env_remove(variable);
    }
    program
}

pub fn ada(port: u16) -> Command {
    named(port, "ada")
}

pub fn named(port: u16, name: &str) -> Command {
    let mut program = program();
    program.args(["--username", name, "--port"]).arg(port.to_string());
    program
}

/// Ada, who comes back.
pub fn back(port: u16) -> Command {
    let mut program = ada(port);
    program.arg("--reconnect");
    program
}

/// What is said when she is back, and where something may be missing.
pub const BACK: &str = "smoltalk: connected again\n";
pub const GAP: &str =
    "smoltalk: something that was said may be missing here: the server no longer has it\n";

/// What is said when the connection is gone: closed, or reset where the server had not read all by then.
#[track_caller]
pub fn is_lost(complaint: &str) {
    const LOST: [&str; 2] =
        ["the server closed the connection", "the connection was lost: connection reset"];
    let said =
        complaint.strip_prefix("smoltalk: ").and_then(|s| s.strip_suffix("; reconnecting\n"));
    assert!(said.is_some_and(|said| LOST.contains(&said)), "{complaint:?}");
}

impl Talk {
    pub fn start(program: &mut Command) -> Self {
        let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the client starts");
        let (over, wait) = channel::<()>();
        let id = child.id();
        thread::spawn(move || {
            if wait.recv_timeout(DEADLINE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                signal("KILL", id);
            }
        });
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("a pipe")),
            stderr: BufReader::new(child.stderr.take().expect("a pipe")),
            child: Leash(child),
            _over: over,
        }
    }

    pub fn types(&mut self, typed: impl AsRef<[u8]>) {
        self.stdin.as_mut().expect("open").write_all(typed.as_ref()).expect("it reads");
    }

    pub fn shows(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("UTF-8");
        line
    }

    pub fn complains(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("UTF-8");
        line
    }

    /// Waits for it to end, standard input still open.
    pub fn ends(mut self) -> Left {
        let mut left = Left { code: None, stdout: String::new(), stderr: String::new() };
        self.stdout.read_to_string(&mut left.stdout).expect("UTF-8");
        self.stderr.read_to_string(&mut left.stderr).expect("UTF-8");
        left.code = self.child.wait().expect("it ended").code();
        left
    }

    /// Ends standard input and waits for it to end.
    pub fn hangs_up(mut self) -> Left {
        self.stdin = None;
        self.ends()
    }
}

pub fn signal(name: &str, id: u32) {
    let kill = Command::new("kill").args([format!("-{name}"), id.to_string()]).status();
    assert!(kill.expect("kill(1)").success());
}

/// What it leaves behind when `typed` is all of its standard input.
pub fn after_typing(program: &mut Command, typed: impl AsRef<[u8]>) -> Left {
    let mut talk = Talk::start(program);
    // It may have reason to end before it has read all.
    let _ = talk.stdin.as_mut().expect("open").write_all(typed.as_ref());
    talk.hangs_up()
}

pub fn left(code: i32, stdout: &str, stderr: &str) -> Left {
    Left { code: Some(code), stdout: stdout.into(), stderr: stderr.into() }
}
