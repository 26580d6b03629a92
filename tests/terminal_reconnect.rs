//! Getting in and getting back in, as a person sees it.

mod fake;
mod pty;
mod talk;

use fake::{Fake, Peer};
use pty::Person;
use std::sync::mpsc::{Sender, channel};
use talk::ada;

/// On a terminal, the client also asks whose names it can complete.
const IN: &str = "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> WHO\n< WHO 1 ada\n";

/// Lets ada in and goes; on the second connection plays `script`, once it is told to.
fn goes_and_comes_back(script: String) -> (Fake, Sender<()>) {
    let (go, wait) = channel();
    let server = Fake::serves(move |listener| {
        Peer::of(listener).plays(IN);
        let peer = Peer::of(listener);
        if wait.recv().is_ok() {
            peer.plays(&script);
        }
    });
    (server, go)
}

#[test]
fn what_is_typed_while_there_is_no_connection_is_said_later() {
    let said =
        "> MSG one\n> TELL bob two\n> PING so far\n< PONG so far\n< MSG bob hi\n> LEAVE\n< BYE\n.";
    let (server, come) = goes_and_comes_back(format!("{IN}{said}"));
    let mut person = Person::start(ada(server.port).arg("--reconnect"));
    person.sees("you are ada");
    person.sees("the server closed the connection; reconnecting");
    person.sees("(offline, attempt 1");
    person.types("send one");
    person.sees("kept for later");
    person.types("who");
    person.sees("not connected");
    person.types("send-file x");
    person.sees("not connected: files are not kept for later");
    person.types("tell bob two");
    person.sees("kept for later");
    come.send(()).expect("the server waits");
    person.sees("connected again");
    let again = person.sees("ada> ");
    assert!(again.contains("you are ada, alone here\r\n"), "once is enough: {again:?}");
    person.sees("hi");
    person.types("leave");
    assert_eq!(person.ends().1, Some(0));
    server.done();
}

#[test]
fn the_progress_is_one_line_that_changes() {
    let server = Fake::plays_in_turn(&[IN, "", "", &format!("{IN}> LEAVE\n< BYE\n.")]);
    let mut person = Person::start(ada(server.port).arg("--reconnect"));
    person.sees("reconnecting");
    person.sees("(offline, attempt 1 in 1 s) ada> ");
    // Why it is so is said once, however often it is tried.
    person.sees("smoltalk: the server closed the connection\r\n");
    person.sees("(offline, attempt 2 in 1 s) ada> ");
    let until = person.sees("(offline, attempt 3 in 1 s) ada> ");
    assert!(!until.contains('\n'), "{until:?}");
    person.sees("connected again");
    person.types("leave");
    assert_eq!(person.ends().1, Some(0));
    server.done();
}

#[test]
fn who_leaves_meanwhile_is_told_what_was_not_sent() {
    let server = Fake::plays(IN);
    let mut person = Person::start(ada(server.port).arg("--reconnect"));
    person.sees("(offline");
    person.types("send one");
    person.sees("kept for later");
    person.types("leave");
    person.sees("1 line was not sent");
    assert_eq!(person.ends().1, Some(0));
    server.done();
}

#[test]
fn who_types_on_and_on_is_told_when_no_more_is_kept() {
    let server = Fake::plays(IN);
    let mut person = Person::start(ada(server.port).arg("--reconnect"));
    person.sees("(offline");
    for n in 0..100 {
        person.types(&format!("send {n}"));
        person.sees("kept for later");
    }
    person.types("send more");
    person.sees("100 lines wait: not kept");
    person.types("leave");
    person.sees("100 lines were not sent");
    assert_eq!(person.ends().1, Some(0));
    server.done();
}

#[test]
fn a_taken_name_asks_for_another() {
    let server = Fake::plays_in_turn(&[
        "< HELLO smoltalk/1\n> JOIN ada\n< ERR name-taken try another",
        "< HELLO smoltalk/1\n> JOIN eve\n< OK eve 2\n> WHO\n< WHO 1 eve\n> LEAVE\n< BYE\n.",
    ]);
    let mut person = Person::start(&mut ada(server.port));
    person.sees("try another (name-taken)");
    person.sees("username: ");
    person.types("eve");
    person.sees("you are eve");
    person.types("leave");
    assert_eq!(person.ends().1, Some(0));
    server.done();
}

#[test]
fn who_wants_no_other_name_was_refused() {
    for end in ["\x04", "\x03"] {
        let refused = "< HELLO smoltalk/1\n> JOIN ada\n< ERR name-taken try another";
        let server = Fake::plays(refused);
        let mut person = Person::start(&mut ada(server.port));
        person.sees("try another (name-taken)");
        person.sees("username: ");
        person.types_keys(end);
        let (rest, code) = person.ends();
        assert_eq!(code, Some(3), "{end:?}");
        assert!(!rest.contains("name"), "it has been said: {rest:?}");
        server.done();
    }
}

#[test]
fn who_knows_no_other_key_has_been_told_why() {
    for end in ["\x04", "\x03"] {
        let hello = "< HELLO smoltalk/1 hi [key]\n";
        let server = Fake::plays_in_turn(&[
            &format!("{hello}> JOIN ada\n< ERR denied say it"),
            &format!("{hello}> PASS wrong\n< ERR denied no"),
        ]);
        let mut person = Person::start(&mut ada(server.port));
        person.sees("the room's key: ");
        person.types("wrong");
        person.sees("(denied)");
        person.sees("the room's key: ");
        person.types_keys(end);
        let (rest, code) = person.ends();
        assert_eq!(code, Some(3), "{end:?}");
        assert!(!rest.contains("denied"), "it has been said: {rest:?}");
        server.done();
    }
}

#[test]
fn json_is_all_that_a_terminal_shows_with_it() {
    let server =
        Fake::plays("< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n< MSG bob hi\n> LEAVE\n< BYE\n.");
    let mut person = Person::start(ada(server.port).arg("--json"));
    let ok = person.sees("}\r\n");
    assert!(ok.starts_with("{\"time\":") && ok.contains("\"type\":\"ok\""), "{ok:?}");
    let msg = person.sees("}\r\n");
    assert!(msg.starts_with("{\"time\":") && msg.contains("\"text\":\"hi\""), "{msg:?}");
    person.types("leave");
    // The terminal itself shows what is typed.
    let bye = person.sees("}\r\n");
    assert!(bye.starts_with("leave\r\n{\"time\":") && bye.contains("\"type\":\"bye\""), "{bye:?}");
    assert_eq!(person.ends(), (String::new(), Some(0)));
    server.done();
}
