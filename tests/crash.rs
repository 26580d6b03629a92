//! The server is killed, at any moment and again and again, and nobody misses or doubles a thing.
//!
//! `CRASH_ROUNDS=10000 cargo test --release --test crash` kills longer, `CRASH_SEED=…` again.

mod support;
mod talker;

use std::fs;
use std::path::Path;
use support::{Daemon, Folder, command};
use talker::{Random, Talkers, seed, setting};

const TALKERS: usize = 5;

#[test]
fn whoever_kills_the_server_changes_nobodys_story() {
    play("plain", &[]);
}

#[test]
fn nor_where_the_journal_begins_a_new_file_all_the_time() {
    play("rotating", &["--journal-size", "100000"]);
}

fn play(name: &str, arguments: &[&str]) {
    let rounds = setting("CRASH_ROUNDS").unwrap_or(100);
    let seed = seed("CRASH_SEED");
    eprintln!("{name}: CRASH_ROUNDS={rounds} CRASH_SEED={seed}");
    let folder = Folder::new(&format!("crash-{name}"));
    let mut server = Server::start(&folder.file("journal"), arguments);
    let talkers = Talkers::begin(TALKERS, vec![server.daemon.address()]);
    let mut random = Random(seed);
    for _ in 0..rounds {
        // Before the first message, in the middle of many, and while nobody is back yet.
        let wait = [0, 1, 10, 100, 500][random.below(5)];
        talkers.wait_for(random.below(wait + 1));
        server.kill_and_start();
    }
    let len = talkers.end();
    drop(server);
    check_journal(&folder.0, len);
}

/// What is in the journal's last two files is the end of the story.
fn check_journal(folder: &Path, len: usize) {
    let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let journal = read("journal.1") + &read("journal");
    let said =
        |line: &&str| line.starts_with('@') && (line.contains(" MSG ") || line.contains(" DATA "));
    let kept = journal.lines().filter(said).count();
    assert!(kept > 0 && kept <= len + TALKERS, "{kept} of {len} are kept");
}

/// A server that is killed and started again, at the same address with the same journal.
struct Server {
    daemon: Daemon,
    arguments: Vec<String>,
}

impl Server {
    fn start(journal: &Path, more: &[&str]) -> Self {
        let journal = journal.to_str().expect("a path");
        let history = ["--history", "1000000", "--history-bytes", "100000000"];
        let arguments = [&["--quiet", "--journal", journal], &history[..], more].concat();
        let daemon = Daemon::start(&arguments);
        Self { daemon, arguments: arguments.into_iter().map(String::from).collect() }
    }

    fn kill_and_start(&mut self) {
        let listening = self.daemon.listening.clone();
        self.daemon.dies();
        let mut arguments = vec!["--listen", &listening];
        arguments.extend(self.arguments.iter().map(String::as_str));
        self.daemon = Daemon::spawn(command(&arguments));
    }
}
