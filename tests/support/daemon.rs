//! `smoltalkd` as a process, seen from outside.

use super::{DEADLINE, Telnet};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;

const SMOLTALKD: &str = env!("CARGO_BIN_EXE_smoltalkd");

/// A running smoltalkd. Killed when dropped; if it has panicked, so does the test.
pub struct Daemon {
    child: Child,
    /// Its standard error.
    pub log: Telnet,
    /// How it said how many connections it can take.
    pub first_line: String,
    /// What it said it listens on first.
    pub listening: String,
}

impl Daemon {
    /// A server on a port of its own.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        let listen = ["--listen", "127.0.0.1:0"];
        Self::spawn(command(&[&listen, arguments].concat()))
    }

    /// The same in a shell that has done something first, such as to set a limit.
    #[track_caller]
    pub fn start_after(first: &str, arguments: &[&str]) -> Self {
        Self::spawn(command_after(first, arguments))
    }

    /// Starts it, and waits until it listens.
    #[track_caller]
    pub fn spawn(command: Command) -> Self {
        let mut daemon = Self::launch(command);
        daemon.first_line = daemon.log.line();
        daemon.listening = daemon.log.finds("listening on ").split_off("listening on ".len());
        daemon
    }

    /// Starts it, and has not read its log.
    pub fn launch(command: Command) -> Self {
        // A socket pair and no pipe: it can be read with a deadline.
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        Self::launch_on(command, ours, theirs)
    }

    /// The same, with `theirs` as its log, which `ours` reads.
    pub fn launch_on(mut command: Command, ours: UnixStream, theirs: UnixStream) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(OwnedFd::from(theirs));
        let child = command.spawn().expect("started");
        let log = Telnet::over_unix(ours);
        Self { child, log, first_line: String::new(), listening: String::new() }
    }

    /// A server that is handed two sockets, as systemd does it, and has not had its log read.
    pub fn handed(sockets: [OwnedFd; 2], arguments: &[&str]) -> Self {
        let take =
            "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", take, SMOLTALKD]).args(arguments).env_remove("SMOLTALK_LISTEN");
        let [first, second] = sockets;
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let child = shell.stdin(first).stdout(second).stderr(OwnedFd::from(theirs)).spawn();
        let log = Telnet::over_unix(ours);
        let (first_line, listening) = (String::new(), String::new());
        Self { child: child.expect("started"), log, first_line, listening }
    }

    pub fn address(&self) -> SocketAddr {
        self.listening.parse().expect("an address with a port")
    }

    /// A connection that has read its HELLO.
    #[track_caller]
    pub fn guest(&self) -> Telnet {
        Telnet::tcp(self.address()).greeted()
    }

    /// A connection that has joined.
    #[track_caller]
    pub fn member(&self, name: &str) -> Telnet {
        self.guest().joined(name)
    }

    /// Sends a signal, `TERM` or `INT`.
    #[track_caller]
    pub fn signal(&self, signal: &str) {
        send_signal(self.child.id(), signal);
    }

    /// Kills it.
    #[track_caller]
    pub fn dies(&mut self) {
        self.signal("KILL");
        self.end();
    }

    /// Waits until it has ended. How, and what it still wrote to its log.
    #[track_caller]
    pub fn end(&mut self) -> (ExitStatus, Vec<String>) {
        let rest = self.log.rest(); // The stream ends with the process, or the deadline passes.
        (self.child.wait().expect("an exit status"), rest)
    }

    /// A number of kB out of `/proc/<pid>/status`: `VmRSS`, `VmHWM`.
    #[cfg(target_os = "linux")]
    pub fn kilobytes(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("a status");
        let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
    }

    /// Processor time used so far, in the kernel's ticks of 10 ms.
    #[cfg(target_os = "linux")]
    pub fn ticks(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("a stat");
        // utime and stime are fields 14 and 15; the second, in brackets, may hold spaces.
        let (_, fields) = stat.rsplit_once(')').expect("a program's name");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            let panicked = self.log.rest().into_iter().find(|line| line.contains(" panicked at "));
            assert_eq!(panicked, None, "in the log");
        }
    }
}

/// The command line of a smoltalkd, with nothing of this process's environment that it reads.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(SMOLTALKD);
    command.args(arguments);
    for variable in ["SMOLTALK_LISTEN", "SMOLTALK_REDIS", "NOTIFY_SOCKET", "LISTEN_FDS"] {
        command.env_remove(variable);
    }
    command
}

/// The command line of a shell that does something first, and then is a smoltalkd on a port of its
/// own.
pub fn command_after(first: &str, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{first}; exec \"$0\" --listen 127.0.0.1:0 \"$@\""), SMOLTALKD]);
    shell.args(arguments);
    shell
}

/// Runs a smoltalkd that must end by itself.
#[track_caller]
pub fn run(mut command: Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("started");
    let pid = child.id();
    let (ends, ended) = mpsc::channel();
    thread::spawn(move || ends.send(child.wait_with_output()));
    let output = ended.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        send_signal(pid, "KILL");
        panic!("it does not end");
    });
    output.expect("an exit status")
}

fn send_signal(pid: u32, signal: &str) {
    let kill = format!("kill -{signal} {pid}");
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
}
