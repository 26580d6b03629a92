//! Nobody misses anything: the programs, over lines that break at any byte, killed and started again.
//!
//! `SMOLTALK_TEST_LINES` says how many lines each one says (a thousand take a quarter of a minute), and
//! `SMOLTALK_TEST_SEED` where it breaks.

mod fake;
mod talk;
mod wire;

use fake::Real;
use smoltalk::client::{Client, Event};
use smoltalk::limits::Limits;
use smoltalk::server::Config;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use talk::{Leash, named};
use wire::{Dice, Wire};

/// How often a server dies.
const DEATHS: u32 = 10;

const TALKERS: [&str; 3] = ["t0", "t1", "t2"];

fn number(variable: &str, otherwise: u32) -> u32 {
    env::var(variable).map_or(otherwise, |number| number.parse().expect("a number"))
}

fn lines() -> u32 {
    number("SMOLTALK_TEST_LINES", 120)
}

fn seed() -> u64 {
    number("SMOLTALK_TEST_SEED", 3).into()
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
    let (mut logged, mut dice, mut kills) = (Vec::<String>::new(), Dice::new(seed() + 4), 0);
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

/// Says lines of these numbers.
fn says(at: usize, stdin: &mut ChildStdin, numbers: Range<u32>) {
    for n in numbers {
        stdin.write_all(format!("send t{at} {n}\n").as_bytes()).expect("it reads");
    }
}

/// Each line of each of them is in `heard` once, in order.
fn each_was_said_once(heard: &[String]) {
    for name in TALKERS {
        let own = |line: &&String| line.starts_with(&format!("<{name}> "));
        let own: Vec<String> = heard.iter().filter(own).cloned().collect();
        let all: Vec<String> = (0..lines()).map(|n| format!("<{name}> {name} {n}")).collect();
        assert_eq!(own, all, "each line of {name}'s once, in order");
    }
}

/// What each of them has printed is what the others said, in that order, as long as he was there.
fn each_was_read_once(heard: &[String], talked: &[Vec<String>]) {
    for (name, talked) in TALKERS.iter().zip(talked) {
        let other = |line: &&String| !line.starts_with(&format!("<{name}> "));
        let others: Vec<String> = heard.iter().filter(other).cloned().collect();
        assert_eq!(*talked, others[..talked.len()], "what {name} read");
    }
}

#[test]
fn whatever_breaks_each_line_is_said_once_and_read_once() {
    let server = server();
    let wire = Wire::to(server.port, seed(), 1800);
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
            scope.spawn(move || says(at, &mut stdin, 0..lines()));
        }
        let reads = scope.spawn(|| smol::block_on(hears(&mut bob)));
        let talked = talkers.map(|(mut child, printed)| {
            child.stdin = None;
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
        each_was_said_once(&heard);
        each_was_read_once(&heard, &talked);
        assert_eq!(logged, heard, "what was logged");
        eprintln!("{} cuts, {kills} kills", wire.cuts());
        assert!(wire.cuts() > 20, "{} cuts", wire.cuts());
        assert!(kills > 3, "{kills} kills");
    });
    server.stop();
}

/// A server with a journal, in a process of its own.
struct Daemon {
    child: Leash,
    port: u16,
}

impl Daemon {
    /// On `port`, or on any if that is 0.
    fn start(port: u16, journal: &StateFile) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_smoltalkd"));
        program.args(["--listen", &format!("127.0.0.1:{port}"), "--quiet"]);
        program.args(["--history", "1000000", "--history-bytes", "67108864"]);
        program.arg("--journal").arg(&journal.0).env_remove("SMOLTALK_LISTEN");
        let mut child = program.stderr(Stdio::piped()).spawn().expect("the server starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let port = said.find_map(|line| {
            line.expect("UTF-8").strip_prefix("listening on 127.0.0.1:")?.parse().ok()
        });
        // Nobody may be hung up on for what is not read.
        thread::spawn(move || said.count());
        Self { child: Leash(child), port: port.expect("it says where it listens") }
    }

    /// Kills it, and starts it again.
    fn dies(&mut self, journal: &StateFile) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
        *self = Self::start(self.port, journal);
    }
}

/// What was said, as the journal has it.
fn journal(file: &StateFile) -> Vec<String> {
    let text = std::fs::read_to_string(&file.0).expect("UTF-8");
    let said = text.lines().filter_map(|line| {
        let (name, text) = line.split_once(" MSG ")?.1.split_once(' ')?;
        (!line.starts_with('#')).then(|| format!("<{name}> {text}"))
    });
    said.collect()
}

#[test]
fn a_server_that_is_killed_and_keeps_a_journal_loses_nothing() {
    let (file, state) = (StateFile::new("journal"), StateFile::new("journal-log"));
    let mut server = Daemon::start(0, &file);
    let port = server.port;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut bob = smol::block_on(Client::connect("127.0.0.1", port)).expect("a server");
        smol::block_on(bob.join("bob")).expect("in");
        let log = scope.spawn(|| logs(port, &state, &over));
        smol::block_on(waits_for(&mut bob, "log"));
        let mut talkers = TALKERS.map(|name| {
            let talker = talks(name, port);
            smol::block_on(waits_for(&mut bob, name));
            talker
        });
        // It dies with some of what is said on its way, some there, and some not said yet.
        for death in 0..DEATHS {
            let part = death * lines() / DEATHS..(death + 1) * lines() / DEATHS;
            for (at, (child, _)) in talkers.iter_mut().enumerate() {
                says(at, child.stdin.as_mut().expect("a pipe"), part.clone());
            }
            server.dies(&file);
        }
        let talked = talkers.map(|(mut child, printed)| {
            child.stdin = None;
            assert_eq!(child.wait().expect("it ended").code(), Some(0));
            said(&printed.join().expect("it was read"))
        });
        over.store(true, Ordering::SeqCst);
        // Who logs may wait for a few lines more.
        let mut eve = None;
        while !log.is_finished() {
            eve = smol::block_on(says_more(eve, port));
        }
        let (mut logged, killed) = log.join().expect("it was logged");
        let heard = journal(&file);
        logged.retain(|line| !line.starts_with("<eve>"));
        let heard: Vec<String> =
            heard.into_iter().filter(|line| !line.starts_with("<eve>")).collect();
        each_was_said_once(&heard);
        each_was_read_once(&heard, &talked);
        assert_eq!(logged, heard, "what was logged");
        assert!(killed > 0, "who logs was killed, too");
    });
}

/// Eve says one thing more, if she gets in; returns her, if she still is.
async fn says_more(eve: Option<Client>, port: u16) -> Option<Client> {
    let mut eve = if let Some(eve) = eve {
        eve
    } else {
        let mut eve = Client::connect("127.0.0.1", port).await.ok()?;
        eve.join("eve").await.ok()?;
        eve
    };
    eve.say("more").await.ok()?;
    eve.ping().await.ok()?;
    Some(eve)
}
