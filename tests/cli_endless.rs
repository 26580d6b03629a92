//! Who is talked to without end ends it all the same, within a second: by a signal, Ctrl-C or Ctrl-D,
//! in a pipe and at a terminal, whether or not anybody reads the output.

mod fake;
mod screen;
mod talk;

use fake::{Fake, Peer};
use screen::Person;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};
use talk::{Talk, named, program, signal};

/// No test: the terminal's owner, see [`screen::own_terminal`].
#[test]
#[ignore = "it is started by the others"]
fn owner() {
    screen::own_terminal();
}

const SMOLTALK: &str = env!("CARGO_BIN_EXE_smoltalk");

/// A second, and another for a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// What a server says without end: from its first word on, behind its HELLO, or once one is in.
const SERVER: [(&str, &str); 7] = [
    ("", "\n"),
    ("HELLO smoltalk/1 hi\n", "\n"),
    ("OK ada 1\n", "\n"),
    ("OK ada 1\n", "WEATHER rain\n"),
    ("OK ada 1\n", "PONG 0\n"),
    ("OK ada 1\n", "MSG bob hello, Ada\n"),
    ("OK ada 1\n", "ERR empty nothing was said\n"),
];

/// What the other of two says without end.
const PEER: [(&str, &str); 4] = [
    ("", "\n"),
    ("HELLO smoltalk-direct/1 eve\n", "WEATHER rain\n"),
    ("HELLO smoltalk-direct/1 eve\n", "DATA 1 5\nhello\n"),
    ("HELLO smoltalk-direct/1 eve\n", "ERR odd something\n"),
];

/// Says `greeting`, then `line` for ever, and reads nothing; with a word to the test once much has
/// been said, or no more is taken.
fn endless(greeting: &'static str, line: &'static str) -> (u16, impl FnOnce()) {
    let (begun, much) = channel();
    let server = Fake::runs(move |mut peer: Peer| {
        let a_while = Some(Duration::from_millis(200));
        peer.stream.set_write_timeout(a_while).expect("a deadline");
        if greeting.starts_with("OK") {
            peer.say("HELLO smoltalk/1 hi");
            assert_eq!(peer.hear(), "JOIN ada");
        }
        let _ = peer.stream.write_all(greeting.as_bytes());
        if greeting.ends_with("deaf\n") {
            // What is said to it, it does not acknowledge.
            peer.hear();
            assert_eq!(peer.hear(), "DATA 1 2");
        }
        let many = line.repeat(16 * 1024 / line.len());
        for _ in 0..64 {
            if peer.stream.write_all(many.as_bytes()).is_err() {
                break;
            }
        }
        let _ = begun.send(());
        // What it cannot say now, it says when it can.
        while !matches!(peer.stream.write_all(many.as_bytes()),
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock)
        {}
    });
    (server.port, move || much.recv().expect("it talks"))
}

fn direct(port: u16) -> Command {
    let mut direct = program();
    direct.args(["direct", "--stay", "--username", "ada"]).arg(format!("127.0.0.1:{port}"));
    direct
}

/// Each stream of words, and a client that hears it.
fn heard(line: impl Fn(&str, Command, Box<dyn FnOnce()>)) {
    for (greeting, words) in SERVER {
        let (port, talks) = endless(greeting, words);
        let mut ada = named(port, "ada");
        ada.args(["--stay", "--no-bell"]);
        line(words, ada, Box::new(talks));
    }
    for (greeting, words) in PEER {
        let (port, talks) = endless(greeting, words);
        line(words, direct(port), Box::new(talks));
    }
}

#[test]
fn in_a_pipe_that_is_read_a_signal_ends_it() {
    heard(|words, mut program, talks| {
        let mut talk = Talk::start(&mut program);
        let Talk { child, stdout, stderr, .. } = &mut talk;
        thread::scope(|scope| {
            scope.spawn(|| std::io::copy(stdout, &mut std::io::sink()));
            scope.spawn(|| std::io::copy(stderr, &mut std::io::sink()));
            talks();
            let asked = Instant::now();
            signal("TERM", child.id());
            assert!(child.wait().expect("it ended").code().is_some(), "{words:?}: it hung");
            assert!(asked.elapsed() < SOON, "{words:?}: {:?}", asked.elapsed());
        });
    });
}

#[test]
fn in_a_pipe_that_nobody_reads_a_signal_ends_it() {
    heard(|words, mut program, talks| {
        let mut talk = Talk::start(&mut program);
        talks();
        let asked = Instant::now();
        signal("INT", talk.child.id());
        assert!(talk.child.wait().expect("it ended").code().is_some(), "{words:?}: it hung");
        assert!(asked.elapsed() < SOON, "{words:?}: {:?}", asked.elapsed());
    });
}

#[test]
fn while_both_sides_talk_without_end_a_signal_ends_it() {
    let (begun, much) = channel();
    let server = Fake::after_join(move |mut peer: Peer| {
        let mut ears = peer.stream.try_clone().expect("a handle");
        let ears = thread::spawn(move || std::io::copy(&mut ears, &mut std::io::sink()));
        let many = format!("MSG bob {}\n", "x".repeat(60)).repeat(100);
        (0..256).for_each(|_| peer.stream.write_all(many.as_bytes()).expect("it listens"));
        let _ = begun.send(());
        while peer.stream.write_all(many.as_bytes()).is_ok() {}
        let _ = ears.join();
    });
    let mut ada = named(server.port, "ada");
    let yes = Command::new("yes").arg("send hello there").stdout(Stdio::piped()).spawn();
    let mut yes = talk::Leash(yes.expect("yes(1)"));
    ada.stdin(yes.stdout.take().expect("a pipe"));
    let child = ada.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = talk::Leash(child.expect("it starts"));
    much.recv().expect("it talks");
    let asked = Instant::now();
    signal("TERM", child.id());
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    server.done();
}

#[test]
fn where_output_and_errors_are_one_blocked_pipe_a_signal_ends_it() {
    heard(|words, mut program, talks| {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        program.stdout(writer.try_clone().expect("a handle")).stderr(writer).stdin(Stdio::piped());
        let mut child = talk::Leash(program.spawn().expect("it starts"));
        drop(program);
        talks();
        let asked = Instant::now();
        signal("TERM", child.id());
        let (ended, end) = channel();
        let id = child.id();
        let watch = thread::spawn(move || {
            if end.recv_timeout(fake::DEADLINE).is_err() {
                signal("KILL", id);
            }
        });
        assert!(child.wait().expect("it ended").code().is_some(), "{words:?}: it hung");
        assert!(asked.elapsed() < SOON, "{words:?}: {:?}", asked.elapsed());
        let _ = ended.send(());
        watch.join().expect("it was told");
        let _ = reader.read_to_end(&mut Vec::new());
    });
}

#[test]
fn what_is_wrong_in_the_end_is_said_to_nobody_for_no_longer() {
    let (port, talks) = endless("HELLO smoltalk-direct/1 deaf\n", "ERR odd something\n");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut program = direct(port);
    program.stderr(writer).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = talk::Leash(program.spawn().expect("it starts"));
    drop(program);
    child.stdin.as_mut().expect("a pipe").write_all(b"hi\n").expect("it reads");
    talks();
    let asked = Instant::now();
    signal("TERM", child.id());
    // Standard error is full; and one message was not acknowledged.
    assert_eq!(child.wait().expect("it ended").code(), Some(1));
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    drop(reader);
}

/// The words of a program, for a terminal.
fn at_terminal(program: &Command) -> Person {
    let args: Vec<&str> = program
        .get_args()
        .map(|arg| arg.to_str().expect("UTF-8"))
        .filter(|a| *a != "--stay")
        .collect();
    let set = [("XDG_STATE_HOME", "/dev/null")];
    Person::starts(SMOLTALK, &args, &set, (80, 12))
}

/// Each stream of words at a terminal, and each of the keys that end it: it `ends` soon.
fn at_terminals(ends: impl Fn(Person)) {
    for keys in ["\x03", "\x04"] {
        heard(|words, program, talks| {
            let mut ada = at_terminal(&program);
            talks();
            let asked = Instant::now();
            ada.types(keys);
            ends(ada);
            assert!(asked.elapsed() < SOON, "{keys:?}, {words:?}: {:?}", asked.elapsed());
        });
    }
}

#[test]
fn at_a_terminal_ctrl_c_and_ctrl_d_end_it() {
    at_terminals(|mut ada| _ = ada.ends());
}

#[test]
fn at_a_terminal_that_shows_nothing_any_more_ctrl_c_and_ctrl_d_end_it() {
    at_terminals(|ada| _ = ada.ends_unseen());
}

/// The shell has it then; and whoever looks at it again is to find it as it was.
#[test]
fn a_terminal_that_shows_nothing_any_more_is_what_it_was_when_it_does() {
    let over = std::env::temp_dir().join(format!("smoltalk-over-{}", std::process::id()));
    for keys in ["\x03", "\x04"] {
        let _ = std::fs::remove_file(&over);
        let (port, talks) = endless("OK ada 1\n", "MSG bob hello, Ada\n");
        let shell = "trap : INT; \"$0\" \"$@\"; : > \"$OVER\"; read _";
        let (port, path) = (port.to_string(), over.to_str().expect("UTF-8"));
        let args = ["-c", shell, SMOLTALK, "--username", "ada", "--port", &port];
        let set = [("XDG_STATE_HOME", "/dev/null"), ("OVER", path)];
        let mut ada = Person::starts("/bin/sh", &args, &set, (80, 12));
        talks();
        let asked = Instant::now();
        ada.types(keys);
        while !over.exists() {
            assert!(asked.elapsed() < SOON, "{keys:?}: it goes on");
            thread::sleep(Duration::from_millis(10));
        }
        ada.reads("\x1b[?2004l\x1b[?7h\x1b[m");
        ada.types("\r");
        ada.ends();
        assert!(ada.written.ends_with(b"\x1b[m\r\n"), "{:?}", ada.written.escape_ascii());
    }
    std::fs::remove_file(over).expect("it is ours");
}

#[test]
fn a_server_that_says_nothing_and_reads_nothing_keeps_nobody_at_a_terminal() {
    let file = std::env::temp_dir().join(format!("smoltalk-endless-{}", std::process::id()));
    std::fs::write(&file, vec![0; 1024 * 1024]).expect("a file");
    for keys in ["\x03", "\x04"] {
        let (entered, is_in) = channel();
        let (over, wait) = channel::<()>();
        let server = Fake::after_join(move |peer| {
            entered.send(()).expect("the test goes on");
            let _ = wait.recv();
            drop(peer);
        });
        let mut ada = at_terminal(&named(server.port, "ada"));
        is_in.recv().expect("it joins");
        ada.sees_part("ada> ");
        ada.types(&format!("send-file {}\r", file.display()));
        ada.sees_part("[1,048,576 bytes]");
        let asked = Instant::now();
        ada.types(keys);
        ada.ends();
        assert!(asked.elapsed() < SOON, "{keys:?}: {:?}", asked.elapsed());
        drop(over);
        server.done();
    }
    std::fs::remove_file(file).expect("it is ours");
}
