//! Nobody misses anything: the programs, over lines that break at any byte, killed and started again.
//!
//! `SMOLTALK_TEST_LINES` says how many lines each one says; a thousand take some minutes.

mod fake;
mod talk;
mod wire;

use fake::Real;
use smoltalk::client::{Client, Event};
use smoltalk::limits::Limits;
use smoltalk::server::Config;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use talk::{Leash, named};
use wire::{Dice, Wire};

const TALKERS: [&str; 3] = ["t0", "t1", "t2"];

fn lines() -> u32 {
    env::var("SMOLTALK_TEST_LINES").map_or(120, |lines| lines.parse().expect("a number"))
}

/// A server that keeps all that is said here.
fn server() -> Real {
    let limits = Limits { history: 1_000_000, history_bytes: 64 << 20, ..Limits::default() };
    Real::start(Config { limits, ..Config::default() })
}

/// A file that is removed in the end.
struct StateFile(PathBuf);

impl StateFile {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("smoltalk-{}-{test}.state", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts it; what it complains of is not read.
fn start(program: &mut Command, stdin: Stdio) -> (Leash, BufReader<ChildStdout>) {
    let piped = program.stdin(stdin).stdout(Stdio::piped());
    let mut child: Child = piped.stderr(Stdio::null()).spawn().expect("it starts");
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    (Leash(child), stdout)
}

/// What members said, of all that was printed.
fn said(printed: &str) -> Vec<String> {
    printed.lines().filter(|line| line.starts_with('<')).map(String::from).collect()
}

/// Talks through the program, over a line that breaks; returns what it printed, and its exit code.
fn talks(name: &'static str, port: u16) -> (Leash, thread::JoinHandle<String>) {
    let mut program = named(port, name);
    let (child, mut stdout) = start(program.arg("--reconnect"), Stdio::piped());
    let printed = thread::spawn(move || {
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).expect("UTF-8");
        printed
    });
    (child, printed)
}

/// Bob, who is at the server: what is said there, in its order, until he is told that it is over.
async fn hears(bob: &mut Client) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        match bob.next().await.expect("a healthy line") {
            Event::Msg { from, text } => heard.push(format!("<{from}> {text}")),
            Event::Tell { .. } => return heard,
            _ => {}
        }
    }
}

async fn waits_for(bob: &mut Client, who: &str) {
    while !matches!(bob.next().await.expect("a healthy line"), Event::Joined(name) if name.as_str() == who)
    {
    }
}

/// Logs what is said, is killed after every few lines, and started again. The last run ends by itself,
/// once `over`.
fn logs(port: u16, state: &StateFile, over: &AtomicBool) -> (Vec<String>, u32) {
    let (mut logged, mut dice, mut kills) = (Vec::<String>::new(), Dice::new(7), 0);
    loop {
        let last = over.load(Ordering::SeqCst);
        let mut program = named(port, "log");
        program.args(["--reconnect", "--resume"]).arg(&state.0);
        let program = if last { &mut program } else { program.arg("--stay") };
        let (mut child, mut stdout) = start(program, Stdio::null());
        let mut printed = String::new();
        for _ in 0..dice.below(30) {
            if last || stdout.read_line(&mut printed).expect("UTF-8") == 0 {
                break;
            }
        }
        if !last {
            child.kill().expect("it was there");
            kills += 1;
        }
        stdout.read_to_string(&mut printed).expect("UTF-8");
        let code = child.wait().expect("it ended").code();
        let mut said = said(&printed).into_iter().peekable();
        // The last line may have been printed, and not have been noted.
        let _ = said.next_if(|first| logged.last() == Some(first));
        logged.extend(said);
        if last && code == Some(0) {
            return (logged, kills);
        }
    }
}

#[test]
fn whatever_breaks_each_line_is_said_once_and_read_once() {
    let server = server();
    let wire = Wire::to(server.port, 3, 1800);
    wire.calm();
    let (port, state) = (wire.port, StateFile::new("log"));
    let over = AtomicBool::new(false);
    let mut bob = smol::block_on(Client::connect("127.0.0.1", server.port)).expect("a server");
    smol::block_on(bob.join("bob")).expect("in");
    thread::scope(|scope| {
        let log = scope.spawn(|| logs(port, &state, &over));
        smol::block_on(waits_for(&mut bob, "log"));
        let mut talkers = TALKERS.map(|name| {
            let talker = talks(name, port);
            smol::block_on(waits_for(&mut bob, name));
            talker
        });
        wire.storm();
        for (at, (child, _)) in talkers.iter_mut().enumerate() {
            let mut stdin = child.stdin.take().expect("a pipe");
            scope.spawn(move || {
                for n in 0..lines() {
                    stdin.write_all(format!("send t{at} {n}\n").as_bytes()).expect("it reads");
                }
            });
        }
        let reads = scope.spawn(|| smol::block_on(hears(&mut bob)));
        let talked = talkers.map(|(mut child, printed)| {
            assert_eq!(child.wait().expect("it ended").code(), Some(0));
            said(&printed.join().expect("it was read"))
        });
        wire.calm();
        let mut eve = smol::block_on(Client::connect("127.0.0.1", server.port)).expect("a server");
        smol::block_on(eve.join("eve")).expect("in");
        smol::block_on(eve.tell("bob", "over")).expect("told");
        over.store(true, Ordering::SeqCst);
        let heard = reads.join().expect("bob heard");
        // Who logs may wait for a few lines more, to be killed behind them.
        while !log.is_finished() {
            smol::block_on(async { eve.say("more").await.and(eve.ping().await) }).expect("said");
        }
        let (mut logged, kills) = log.join().expect("it was logged");
        logged.retain(|line| !line.starts_with("<eve>"));
        for name in TALKERS {
            let own = |line: &&String| line.starts_with(&format!("<{name}> "));
            let own: Vec<String> = heard.iter().filter(own).cloned().collect();
            let all: Vec<String> = (0..lines()).map(|n| format!("<{name}> {name} {n}")).collect();
            assert_eq!(own, all, "each line of {name}'s once, in order");
        }
        for (name, talked) in TALKERS.iter().zip(talked) {
            let other = |line: &&String| !line.starts_with(&format!("<{name}> "));
            let others: Vec<String> = heard.iter().filter(other).cloned().collect();
            assert_eq!(talked, others[..talked.len()], "what {name} read");
        }
        assert_eq!(logged, heard, "what was logged");
        eprintln!("{} cuts, {kills} kills", wire.cuts());
        assert!(wire.cuts() > 20, "{} cuts", wire.cuts());
        assert!(kills > 3, "{kills} kills");
    });
    server.stop();
}
