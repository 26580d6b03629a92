//! The real telnet, typed into by a person.

mod screen;
mod support;

use screen::Person;
use std::process::{Command, Stdio};
use support::TestServer;

#[test]
#[ignore = "it is started by the others, to own a terminal"]
fn owner() {
    screen::own_terminal();
}

/// A person at telnet who has read HELLO; `None` where there is no telnet.
fn telnet(server: &TestServer) -> Option<Person> {
    // A port where it waits for nobody: it tries to connect, and ends.
    let mut there = Command::new("telnet");
    there.args(["127.0.0.1", "1"]).stdin(Stdio::null());
    if there.stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("skipped: this machine has no telnet");
        return None;
    }
    let (host, port) = ("127.0.0.1", server.address().port().to_string());
    let mut person = Person::starts("telnet", &[host, &port], &[], (80, 12));
    person.sees_part("HELLO smoltalk/1");
    Some(person)
}

#[test]
fn ctrl_c_says_goodbye_to_a_member_also_within_a_line() {
    let server = TestServer::start();
    let mut bob = server.member("bob");
    let Some(mut ada) = telnet(&server) else { return };
    ada.types("JOIN ada\r");
    ada.sees_part("OK ada 2");
    bob.sees("JOINED ada");
    ada.types("MSG half a li\x03");
    ada.sees_part("BYE");
    ada.ends();
    bob.sees("LEFT ada");
    bob.fence();
}

#[test]
fn ctrl_c_says_goodbye_to_a_guest() {
    let server = TestServer::start();
    let Some(mut ada) = telnet(&server) else { return };
    ada.types("\x03");
    ada.sees_part("BYE");
    ada.ends();
}

#[test]
fn other_keys_that_wait_for_a_timing_mark_do_not_silence_it() {
    let server = TestServer::start();
    let Some(mut ada) = telnet(&server) else { return };
    ada.types("\x1c"); // Ctrl-\, which sends BRK or ABORT.
    ada.types("PING still here\r");
    ada.sees_part("PONG still here");
    ada.types("LEAVE\r");
    ada.sees_part("BYE");
    ada.ends();
}
