//! `PROTOCOL.md` is true: every dialogue in it is replayed against a real server.

mod support;

use futures_lite::future;
use smoltalk::direct::Direct;
use smoltalk::protocol::Refusal;
use smoltalk::server::Config;
use support::{Telnet, TestServer, echo, play, transcript};

const PROTOCOL: &str = include_str!("../PROTOCOL.md");

#[test]
fn every_dialogue_happens_as_it_is_written() {
    let mut replayed = 0;
    for (line, dialogue) in dialogues(PROTOCOL, "```smoltalk\n") {
        println!("the dialogue at PROTOCOL.md:{line}"); // Shown if it fails.
        TestServer::start().plays(dialogue);
        replayed += 1;
    }
    assert!(replayed > 0, "PROTOCOL.md shows no dialogue");
}

#[test]
fn every_dialogue_with_a_key_happens_as_it_is_written() {
    let key = std::env::temp_dir().join(format!("smoltalk-{}-protocol", std::process::id()));
    std::fs::write(&key, "open sesame\n").expect("written");
    let mut replayed = 0;
    for (line, dialogue) in dialogues(PROTOCOL, "```smoltalk-with-key\n") {
        println!("the dialogue at PROTOCOL.md:{line}"); // Shown if it fails.
        TestServer::of(Config { key_file: Some(key.clone()), ..Config::default() }).plays(dialogue);
        replayed += 1;
    }
    let _ = std::fs::remove_file(&key);
    assert!(replayed > 0, "PROTOCOL.md shows no dialogue with a key");
}

#[test]
fn every_dialogue_of_two_happens_as_it_is_written() {
    let mut replayed = 0;
    for (line, dialogue) in dialogues(PROTOCOL, "```smoltalk-direct\n") {
        println!("the dialogue at PROTOCOL.md:{line}"); // Shown if it fails.
        let bob = smol::block_on(Direct::listen("127.0.0.1", 0)).expect("a port");
        let address = bob.address();
        let echo = smol::spawn(async move {
            future::or(echo(&bob), async { match bob.run().await {} }).await;
        });
        for (name, mut who) in play(dialogue, |_| Telnet::tcp(address)) {
            who.ends();
            who.try_see_end().unwrap_or_else(|problem| panic!("{name}, at the end: {problem}"));
        }
        drop(echo);
        replayed += 1;
    }
    assert!(replayed > 0, "PROTOCOL.md shows no dialogue of two");
}

#[test]
fn every_error_is_in_the_table_and_every_line_of_the_table_is_an_error() {
    let documented: Vec<&str> = PROTOCOL
        .split("## 3. Errors")
        .nth(1)
        .and_then(|errors| errors.split("\n## ").next())
        .expect("a section on errors")
        .lines()
        .filter_map(|row| row.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(documented, Refusal::ALL.map(Refusal::code));
}

#[test]
#[should_panic(expected = "at `ada< OK ada 2`")]
fn a_dialogue_that_goes_otherwise_fails() {
    transcript("ada> JOIN ada\nada< OK ada 2");
}

#[test]
#[should_panic(expected = "ada, at the end")]
fn a_dialogue_that_leaves_a_line_out_fails() {
    transcript("ada> JOIN ada\nada< OK ada 1\nbob> JOIN bob\nbob< OK bob 2\nbob> MSG hi");
}

/// What stands between `fence` and the next one, and the line where it begins.
fn dialogues<'a>(document: &'a str, fence: &'static str) -> impl Iterator<Item = (usize, &'a str)> {
    document.match_indices(fence).map(move |(at, _)| {
        let (dialogue, _) =
            document[at + fence.len()..].split_once("```").expect("a closing fence");
        (document[..at].lines().count() + 1, dialogue)
    })
}
