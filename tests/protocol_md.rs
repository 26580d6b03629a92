//! `PROTOCOL.md` is true: every dialogue in it is replayed against a real server.

mod support;

use smoltalk::protocol::Refusal;
use support::{TestServer, transcript};

const PROTOCOL: &str = include_str!("../PROTOCOL.md");

#[test]
fn every_dialogue_happens_as_it_is_written() {
    let mut replayed = 0;
    for (line, dialogue) in dialogues(PROTOCOL) {
        println!("the dialogue at PROTOCOL.md:{line}"); // Shown if it fails.
        TestServer::start().plays(dialogue);
        replayed += 1;
    }
    assert!(replayed > 0, "PROTOCOL.md shows no dialogue");
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

/// What stands between the fences of a `smoltalk` block, and the line where it begins.
fn dialogues(document: &str) -> impl Iterator<Item = (usize, &str)> {
    const FENCE: &str = "```smoltalk\n";
    document.match_indices(FENCE).map(|(at, _)| {
        let (dialogue, _) =
            document[at + FENCE.len()..].split_once("```").expect("a closing fence");
        (document[..at].lines().count() + 1, dialogue)
    })
}
