//! What a script may rely on: it is told which line was not said, and files that others have made
//! non-blocking are as good as any.

mod fake;
mod talk;

use fake::{DEADLINE, Fake, Peer, Real};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::ioctl_fionread;
use smoltalk::server::Config;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;
use talk::{Leash, Talk, ada, after_typing, back, left, named, program, signal};

fn unblock(file: impl AsFd) {
    let flags = fcntl_getfl(&file).expect("flags");
    fcntl_setfl(&file, flags | OFlags::NONBLOCK).expect("set");
}

/// A pipe to be read from, without blocking.
fn unblocked() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe");
    unblock(&reader);
    (reader, writer)
}

/// What `program` leaves behind, whose standard input is `stdin`, in its exit code and on standard error.
fn with_input(program: &mut Command, stdin: impl Into<Stdio>) -> (Option<i32>, String) {
    let child = program.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = Leash(child.expect("the client starts"));
    let mut complaints = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut complaints).expect("UTF-8");
    (child.wait().expect("it ended").code(), complaints)
}

/// Waits until something is so.
#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "it never is");
        thread::yield_now();
    }
}

fn direct(args: &[&str]) -> Command {
    let mut direct = program();
    direct.arg("direct").args(args);
    direct
}

/// One that waits to be called by one, and where.
fn listener() -> (Talk, String) {
    let mut listener = Talk::start(&mut direct(&["--listen", "127.0.0.1:0", "--once"]));
    let line = listener.complains();
    let address = line.strip_prefix("listening on ").expect("where it listens").trim().into();
    (listener, address)
}

#[test]
fn an_input_that_does_not_block_has_not_ended() {
    let (stdin, mut types) = unblocked();
    let server = Fake::after_join(move |mut peer| {
        // Only now there is something to read.
        types.write_all(b"send hi\n").expect("it reads");
        assert_eq!(peer.hear(), "MSG hi");
        drop(types);
        assert_eq!(peer.hear(), "PING sent");
        peer.say("PONG sent");
        assert_eq!(peer.hear(), "LEAVE");
    });
    assert_eq!(with_input(&mut ada(server.port), stdin), (Some(0), String::new()));
    server.done();
}

#[test]
fn nor_has_one_of_two() {
    let (mut listener, address) = listener();
    let (stdin, mut types) = unblocked();
    let caller = direct(&[&address]).stdin(stdin).stderr(Stdio::null()).spawn();
    let mut caller = Leash(caller.expect("the client starts"));
    assert!(listener.complains().ends_with(" is here\n"));
    types.write_all(b"hi\n").expect("it reads");
    assert_eq!(listener.shows(), "hi\n");
    drop(types);
    assert_eq!(caller.wait().expect("it ended").code(), Some(0));
}

#[test]
fn an_input_that_cannot_be_read_is_said_and_ends_it_with_1() {
    let server = Real::start(Config::default());
    let (_listener, address) = listener();
    let folder = || File::open("/tmp").expect("a folder");
    for program in [
        &mut ada(server.port),
        ada(server.port).arg("--whole"),
        ada(server.port).arg("--reconnect"),
        &mut direct(&[&address]),
    ] {
        let (code, complaints) = with_input(program, folder());
        let said: Vec<&str> = complaints.lines().filter(|l| !l.starts_with('*')).collect();
        assert_eq!(said, ["smoltalk: standard input: Is a directory"]);
        assert_eq!(code, Some(1), "{program:?}");
    }
    server.stop();
}

#[test]
fn an_output_that_does_not_block_is_waited_for() {
    const LINES: usize = 5000;
    let server = Fake::after_join(|mut peer| {
        (0..LINES).for_each(|n| peer.say(&format!("MSG bob {n} {}", "x".repeat(100))));
        assert_eq!(peer.hear(), "PING sent");
        peer.say("PONG sent");
        assert_eq!(peer.hear(), "LEAVE");
        peer.say("BYE");
    });
    let (mut shown, stdout) = pipe().expect("a pipe");
    unblock(&stdout);
    let mut ada = ada(server.port);
    let child = ada.stdin(Stdio::null()).stdout(stdout).spawn();
    let mut child = Leash(child.expect("the client starts"));
    drop(ada);
    until(|| ioctl_fionread(&shown).expect("a pipe") >= 60_000);
    let mut lines = String::new();
    shown.read_to_string(&mut lines).expect("UTF-8");
    assert_eq!((lines.lines().count(), child.wait().expect("it ended").code()), (LINES, Some(0)));
    server.done();
}

#[test]
fn what_stands_behind_a_leave_was_not_said() {
    for (behind, said) in [
        ("send no", "line 3 was not said: it came after leave"),
        ("send no\nwho\n", "2 lines from line 3 on were not said: they came after leave"),
    ] {
        let server = Real::start(Config::default());
        let complaint = format!("smoltalk: {said}\n");
        let typed = format!("send hi\nleave\n{behind}");
        assert_eq!(after_typing(&mut ada(server.port), typed), left(1, "", &complaint));
        server.stop();
    }
}

#[test]
fn one_of_two_that_was_never_answered_has_not_said_what_it_read() {
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = deaf.local_addr().expect("its address").to_string();
    let (stdin, mut types) = pipe().expect("a pipe");
    types.write_all(b"hi\n").expect("it reads");
    let child = direct(&[&address]).stdin(stdin).stderr(Stdio::piped()).spawn();
    let mut child = Leash(child.expect("the client starts"));
    let _peer = deaf.accept().expect("a call");
    // The pipe is empty once it has been read.
    until(|| ioctl_fionread(&types).expect("a pipe") == 0);
    signal("TERM", child.id());
    let mut complaints = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut complaints).expect("UTF-8");
    assert_eq!(complaints, "smoltalk: not all that was read was sent\n");
    assert_eq!(child.wait().expect("it ended").code(), Some(1));
}

#[test]
fn a_hangup_has_it_leave_as_any_signal_does() {
    let server =
        Fake::plays("< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n< MSG bob hi\n> LEAVE\n< BYE");
    let mut talk = Talk::start(&mut ada(server.port));
    assert_eq!(talk.shows(), "<bob> hi\n");
    signal("HUP", talk.child.id());
    assert_eq!(talk.ends(), left(0, "", ""));
    server.done();
    let (listener, _) = listener();
    signal("HUP", listener.child.id());
    assert_eq!(listener.ends(), left(0, "", ""));
}

#[test]
fn a_room_with_a_key_is_told_how_a_script_says_it() {
    let server = Fake::plays(
        "< HELLO smoltalk/1 hi [key]\n> JOIN ada\n< ERR denied missing or wrong: PASS <key>",
    );
    let why = "smoltalk: the room has a key: --key-file or SMOLTALK_KEY says it (denied)\n";
    assert_eq!(after_typing(&mut ada(server.port), ""), left(3, "", why));
    server.done();
}

#[test]
fn a_name_that_somebody_took_meanwhile_is_not_waited_for() {
    let server = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        peer.say("HELLO smoltalk/1");
        assert!(peer.hear_all().starts_with("JOIN ada data id echo resume="));
        peer.say("OK ada 1 id=1-0 token=0123456789abcdef");
        assert_eq!(peer.hear_all(), "PING back");
        peer.say("PONG back");
        drop(peer);
        let mut peer = Peer::of(listener);
        peer.say("HELLO smoltalk/1");
        assert!(peer.hear_all().starts_with("JOIN ada "));
        peer.say("ERR name-taken somebody has it");
    });
    let ended = Talk::start(&mut back(server.port)).ends();
    assert!(ended.stderr.ends_with("smoltalk: somebody has it (name-taken)\n"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(3));
    server.done();
}

#[test]
fn of_several_that_are_told_something_the_one_who_is_not_there_is_known_by_the_line() {
    let server = Real::start(Config::default());
    let mut bob = Talk::start(&mut named(server.port, "bob"));
    bob.types("who\n");
    assert_eq!(bob.shows(), "* 1 here: bob\n");
    let typed = "tell bob a\n\ntell nob b\ntell bob c\ntell nib d\n";
    let complaint = |line| {
        format!("smoltalk: line {line} was not said: nobody here has that name (no-such-member)\n")
    };
    let complaints = complaint(3) + &complaint(5);
    assert_eq!(after_typing(&mut ada(server.port), typed), left(3, "", &complaints));
    server.stop();
}
