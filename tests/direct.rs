//! `smoltalk direct`, from outside: program to program, and against a socket that does as it likes.

mod fake;
mod support;
mod talk;

use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use support::Telnet;
use talk::{Talk, after_typing, left, program, signal};

const MEGABYTE: usize = 1024 * 1024;

fn direct(args: &[&str]) -> Command {
    let mut direct = program();
    direct.arg("direct").args(args);
    direct
}

/// One that waits, on a port of its own.
fn waiting(args: &[&str]) -> (Talk, SocketAddr) {
    let mut waiting = Talk::start(direct(&["--listen", "127.0.0.1:0"]).args(args));
    let line = waiting.complains();
    let address = line.strip_prefix("listening on ").expect("where it listens");
    let address = address.trim_end().parse().expect("an address");
    (waiting, address)
}

/// A peer that is a socket, greeted.
#[track_caller]
fn bob(address: SocketAddr) -> Telnet {
    bob_called(address, "bob")
}

#[track_caller]
fn bob_called(address: SocketAddr, name: &str) -> Telnet {
    let mut bob = Telnet::tcp(address);
    bob.types(&format!("HELLO smoltalk-direct/1 {name}"));
    bob.sees("HELLO smoltalk-direct/1 somebody");
    bob
}

/// One that calls `args`, and the socket that it has called, greeted.
fn called(args: &[&str]) -> (Talk, Telnet) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let caller = Talk::start(direct(&[&address]).args(args));
    let (socket, _) = listener.accept().expect("a call");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    let mut bob = Telnet::over(socket);
    bob.types("HELLO smoltalk-direct/1 bob");
    bob.sees("HELLO smoltalk-direct/1 somebody");
    (caller, bob)
}

/// Bytes of all values, in no order that a program could know.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = |_| {
        // xorshift64, Marsaglia 2003.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(step).collect()
}

fn joined(numbers: impl Iterator<Item = usize>, line: impl Fn(usize) -> String) -> String {
    numbers.fold(String::new(), |lines, n| lines + &line(n))
}

/// A way to go.
type Leaves = fn(Telnet);

impl Talk {
    #[track_caller]
    fn writes(&mut self, expected: &[u8]) {
        let mut got = vec![0; expected.len()];
        self.stdout.read_exact(&mut got).expect("so many bytes");
        assert!(got == expected, "got: {}", got[..got.len().min(1000)].escape_ascii());
    }

    /// Standard error up to the line that contains this.
    #[track_caller]
    fn notices(&mut self, words: &str) -> String {
        loop {
            let line = self.complains();
            assert!(!line.is_empty(), "it ended and never said: {words}");
            if line.contains(words) {
                return line;
            }
        }
    }
}

#[track_caller]
fn is_round_trip(line: &str) {
    let time = line.strip_prefix("✓ ").and_then(|rest| rest.trim_end().rsplit_once(' '));
    let (number, unit) = time.unwrap_or_else(|| panic!("no round trip: {line:?}"));
    assert!(number.parse::<u32>().is_ok() && ["µs", "ms", "s"].contains(&unit), "{line}");
}

// Both sides, program to program.

#[test]
fn a_megabyte_of_noise_arrives_as_it_was_and_its_round_trip_is_shown() {
    for args in [&["--whole"][..], &[]] {
        let (mut listener, address) = waiting(args);
        let file = noise(1_000_000);
        let (sent, to) = (file.clone(), address.to_string());
        let caller = thread::spawn(move || after_typing(&mut direct(&["--whole", &to]), sent));
        listener.writes(&file);
        let caller = caller.join().expect("ended");
        assert_eq!((caller.code, caller.stdout.as_str()), (Some(0), ""));
        let said: Vec<&str> = caller.stderr.lines().collect();
        assert_eq!(said[0], format!("* {address} is here"));
        is_round_trip(said[1]);
        assert_eq!(said.len(), 2);
        listener.notices("has gone");
        signal("TERM", listener.child.id());
        let rest = listener.ends();
        assert_eq!((rest.code, rest.stdout.as_str()), (Some(0), ""), "nothing was added");
    }
}

#[test]
fn each_line_is_a_message_and_gets_its_lf_back() {
    let (mut listener, address) = waiting(&["-u", "bob"]);
    let typed = "one\n\n two \ttabs\r\nthree \u{1b}[m\nlast";
    let caller = after_typing(&mut direct(&["-u", "ada", &address.to_string()]), typed);
    assert_eq!((caller.code, caller.stdout.as_str()), (Some(0), ""));
    assert_eq!(caller.stderr.lines().next(), Some("* bob is here"));
    assert_eq!(caller.stderr.lines().skip(1).map(is_round_trip).count(), 5);
    listener.writes(format!("{typed}\n").as_bytes());
    assert_eq!(listener.complains(), "* ada is here\n");
    assert_eq!(listener.complains(), "* ada has gone\n");
}

#[test]
fn ten_thousand_messages_each_way_at_once_arrive_in_order() {
    const MESSAGES: usize = 10_000;
    let lines =
        |who: &str| (0..MESSAGES).fold(String::new(), |lines, n| lines + &format!("{who} {n}\n"));
    let (listener, address) = waiting(&[]);
    let caller = Talk::start(direct(&["--stay"]).arg(address.to_string()));
    // Each stream has a thread of its own: a pipe that is full would stop the program.
    let runs = |talk: Talk, says: String, hears: String| {
        let Talk { stdin, mut stdout, stderr, child, .. } = talk;
        let mut stdin = stdin.expect("open");
        let typing = thread::spawn(move || {
            stdin.write_all(says.as_bytes()).expect("it reads");
            stdin
        });
        let acks = thread::spawn(move || {
            let acks = stderr.lines().map(|line| line.expect("UTF-8"));
            acks.filter(|line| line.starts_with("✓ ")).take(MESSAGES).count()
        });
        let shown = thread::spawn(move || {
            let mut shown = vec![0; hears.len()];
            stdout.read_exact(&mut shown).expect("so many bytes");
            (shown == hears.as_bytes(), stdout)
        });
        (typing, acks, shown, child)
    };
    let both = [
        runs(caller, lines("caller"), lines("listener")),
        runs(listener, lines("listener"), lines("caller")),
    ];
    let both = both.map(|(typing, acks, shown, child)| {
        assert!(shown.join().expect("shown").0);
        assert_eq!(acks.join().expect("acknowledged"), MESSAGES);
        (typing.join().expect("typed"), child)
    });
    drop(both);
}

#[test]
fn whoever_calls_right_after_another_has_left_is_served() {
    let (mut listener, address) = waiting(&[]);
    for n in 0..20 {
        let caller = after_typing(&mut direct(&[&address.to_string()]), format!("{n}"));
        assert_eq!((caller.code, caller.stdout.as_str()), (Some(0), ""), "{}", caller.stderr);
        listener.writes(format!("{n}\n").as_bytes());
    }
}

#[test]
fn a_second_caller_is_refused_while_the_first_is_served() {
    let (mut listener, address) = waiting(&[]);
    let mut first = bob(address);
    let mut second = Telnet::tcp(address);
    second.sees("ERR busy ...");
    second.sees_the_end();
    let refused = after_typing(&mut direct(&[&address.to_string()]), "hi");
    let busy = "smoltalk: the other side talks to somebody else (busy)\n";
    assert_eq!(refused, left(3, "", busy));
    first.types("DATA 1 2\nhi");
    first.sees("ACK 1");
    listener.writes(b"hi\n");
    drop(first);
    listener.notices("bob has gone");
    bob(address);
}

#[test]
fn a_second_caller_is_refused_also_while_nobody_reads_the_first() {
    let (listener, address) = waiting(&[]);
    let mut first = bob(address);
    first.sends(&[&b"DATA 1 1000000\n"[..], &noise(1_000_000), b"\n"].concat());
    let mut second = Telnet::tcp(address);
    second.sees("ERR busy ...");
    second.sees_the_end();
    drop(listener);
}

// The waiting side.

#[test]
fn it_speaks_first_and_by_its_name() {
    let (mut listener, address) = waiting(&["--username", "ada"]);
    let mut bob = Telnet::tcp(address);
    bob.sees("HELLO smoltalk-direct/1 ada");
    bob.types("hello smoltalk-direct/1 bob\r");
    assert_eq!(listener.complains(), "* bob is here\n");
}

#[test]
fn what_comes_is_written_byte_for_byte_and_then_acknowledged() {
    let (mut listener, address) = waiting(&["--whole"]);
    let mut bob = bob(address);
    let every: Vec<u8> = (0..=u8::MAX).collect();
    for (id, payload) in
        [&every[..], b"", b"\n", b"ACK 9\nDATA 7 3\n", b"\xff\xfa"].into_iter().enumerate()
    {
        bob.sends(&[format!("DATA {id} {}\n", payload.len()).as_bytes(), payload, b"\n"].concat());
        bob.sees(&format!("ACK {id}"));
        listener.writes(payload);
    }
    bob.sends_one_by_one(b"data 18446744073709551614 3\r\na\0b\n");
    bob.sees("ACK 18446744073709551614");
    listener.writes(b"a\0b");
    drop(bob);
    signal("TERM", listener.child.id());
    assert_eq!(listener.ends().stdout, "");
}

#[test]
fn what_is_typed_goes_to_the_peer_and_the_end_of_it_ends_nothing() {
    let (mut listener, address) = waiting(&[]);
    listener.types("one\ntwo\r\n\n");
    let mut bob = bob(address);
    for (frame, message) in [("DATA 1 3", "one"), ("DATA 2 4", "two\r"), ("DATA 3 0", "")] {
        bob.sees(frame);
        bob.sees(message);
    }
    bob.types("ACK 2\nACK 1\nACK 3");
    assert_eq!(listener.complains(), "* bob is here\n");
    (0..3).for_each(|_| is_round_trip(&listener.complains()));
    listener.types("last");
    listener.stdin = None;
    bob.sees("DATA 4 4");
    bob.sees("last");
    bob.types("DATA 1 2\nhi\nACK 4");
    bob.sees("ACK 1");
    listener.writes(b"hi\n");
    is_round_trip(&listener.complains());
    drop(bob);
    listener.notices("bob has gone");
    let mut next = self::bob(address);
    next.types("DATA 1 2\nho");
    next.sees("ACK 1");
    listener.writes(b"ho\n");
    signal("INT", listener.child.id());
    next.sees_the_end();
    drop(next);
    assert_eq!(listener.ends(), left(0, "", "* bob is here\n"));
}

#[test]
fn what_was_not_written_is_not_acknowledged() {
    let (mut listener, address) = waiting(&[]);
    let mut bob = bob(address);
    bob.sends(&[&b"DATA 1 1000000\n"[..], &noise(1_000_000), b"\n"].concat());
    // It is at it, but nobody takes the rest.
    listener.writes(&noise(1_000_000)[..10]);
    signal("KILL", listener.child.id());
    let mut heard = Vec::new();
    let _ = bob.read_to_end(&mut heard);
    assert_eq!(heard, b"");
}

#[test]
fn messages_in_one_packet_are_all_acknowledged() {
    const MESSAGES: usize = 10_000;
    let (mut listener, address) = waiting(&[]);
    let mut bob = bob(address);
    let mut writer = bob.writer();
    let typing = thread::spawn(move || {
        let stream = joined(1..=MESSAGES, |n| format!("DATA {n} {}\n{n}\n", n.to_string().len()));
        writer.write_all(stream.as_bytes()).expect("it reads");
    });
    let reading = thread::spawn(move || {
        for n in 1..=MESSAGES {
            assert_eq!(listener.shows(), format!("{n}\n"));
        }
        listener
    });
    for n in 1..=MESSAGES {
        bob.sees(&format!("ACK {n}"));
    }
    typing.join().expect("typed");
    reading.join().expect("read");
}

#[test]
fn a_message_over_a_mebibyte_is_refused_and_skipped() {
    let (mut listener, address) = waiting(&["--whole"]);
    let mut bob = bob(address);
    let most = noise(MEGABYTE);
    for (id, len) in [(1, MEGABYTE - 1), (2, MEGABYTE)] {
        bob.sends(&[format!("DATA {id} {len}\n").as_bytes(), &most[..len], b"\n"].concat());
        listener.writes(&most[..len]);
        bob.sees(&format!("ACK {id}"));
    }
    bob.sends(&[format!("DATA 3 {}\n", MEGABYTE + 1).as_bytes(), &most, b"x\n"].concat());
    bob.sees("ERR too-long 3 ...");
    bob.types("DATA 4 2\nhi");
    bob.sees("ACK 4");
    listener.writes(b"hi");
    bob.types("DATA 5 99999999999999999999999");
    bob.sees("ERR too-long 5 ...");
}

/// What the peer says, what it is told, and what the person is told.
const BREACHES: [(&[u8], &str, &str); 9] = [
    (b"ACK 1\n", "ERR bad-ack ...", "acknowledged message 1, which does not wait for that"),
    (b"ACK 0\n", "ERR bad-ack ...", "acknowledged message 0"),
    (b"ACK x\n", "ERR bad-frame ...", "not well-formed"),
    (b"ACK\n", "ERR bad-frame ...", "not well-formed"),
    (b"DATA 1\n", "ERR bad-frame ...", "not well-formed"),
    (b"DATA 1 x\n", "ERR bad-frame ...", "not well-formed"),
    (b"DATA x 1\n", "ERR bad-frame ...", "not well-formed"),
    (b"DATA 1 2\nhello\n", "ERR bad-frame ...", "not well-formed"),
    (b"DATA 1 5\nhi\nDATA 2 1\nx\n", "ERR bad-frame ...", "not well-formed"),
];

#[test]
fn a_peer_that_breaks_the_rules_is_told_and_the_next_is_served() {
    let (mut listener, address) = waiting(&[]);
    for (said, answer, notice) in BREACHES {
        let mut bob = bob(address);
        bob.sends(said);
        bob.sees(answer);
        bob.sees_the_end();
        let line = listener.notices(notice);
        assert!(line.starts_with("smoltalk: bob: the other side "), "{line}");
    }
    let mut bob = bob(address);
    bob.types("DATA 1 2\nhi");
    bob.sees("ACK 1");
    listener.writes(b"hi\n"); // And nothing before it.
}

#[test]
fn however_a_peer_goes_the_next_is_served() {
    let (mut listener, address) = waiting(&[]);
    let go: [(Leaves, &str); 4] = [
        (drop, "* bob has gone"),
        (Telnet::breaks, "smoltalk: bob: the connection was lost: "),
        (|mut bob| bob.sends(b"DATA 1 5\nabc"), "smoltalk: bob: the other side went in the middle"),
        (
            |mut bob| {
                bob.sends(b"DATA 1 99999999\nabc");
                bob.sees("ERR too-long 1 ...");
            },
            "* bob has gone",
        ),
    ];
    for (go, notice) in go {
        go(bob(address));
        listener.notices("bob is here");
        let line = listener.complains();
        assert!(line.starts_with(notice), "{line}");
    }
    let mut killed = Talk::start(&mut direct(&["-u", "eve", "--stay", &address.to_string()]));
    listener.notices("eve is here");
    killed.notices("is here");
    signal("KILL", killed.child.id());
    listener.notices("eve");
    bob(address);
}

#[test]
fn what_a_half_closed_peer_said_is_acknowledged_and_then_it_ends() {
    let (mut listener, address) = waiting(&[]);
    let mut bob = bob(address);
    bob.sends(b"DATA 1 2\nhi\nDATA 2 2\nho\n");
    bob.ends();
    bob.sees("ACK 1");
    bob.sees("ACK 2");
    bob.sees_the_end();
    listener.writes(b"hi\nho\n");
    listener.notices("* bob has gone");
}

#[test]
fn what_a_peer_never_acknowledged_is_said_and_shows_in_the_exit_code() {
    let (mut listener, address) = waiting(&[]);
    let mut bob = bob(address);
    listener.types("one\ntwo\nthree\n");
    bob.finds("three");
    bob.types("ACK 2");
    listener.notices("✓ ");
    drop(bob);
    assert_eq!(listener.complains(), "* bob has gone\n");
    assert_eq!(listener.complains(), "smoltalk: bob: 2 messages were not acknowledged\n");
    signal("TERM", listener.child.id());
    assert_eq!(listener.ends(), left(1, "", ""), "it has been said");
}

#[test]
fn what_is_another_protocol_is_told_and_the_next_is_served() {
    let (mut listener, address) = waiting(&[]);
    for foreign in
        ["GET / HTTP/1.1\r\n\r\n", "JOIN ada\n", "HELLO smoltalk/1 \u{1b}[2J\n", "\x16\x03\x01"]
    {
        let mut stranger = Telnet::tcp(address);
        stranger.sends(foreign.as_bytes());
        stranger.sees("HELLO smoltalk-direct/1 ...");
        stranger.sees("ERR not-smoltalk ...");
        let line = listener.complains();
        assert!(line.starts_with("smoltalk: this is no smoltalk direct: it says \""), "{line}");
        assert!(!line.trim_end().contains(char::is_control), "{line:?}");
        drop(stranger);
    }
    let mut silent = Telnet::tcp(address);
    silent.sees("HELLO smoltalk-direct/1 ...");
    silent.ends();
    listener.notices("it says nothing");
    bob(address);
}

#[test]
fn a_name_cannot_drive_the_terminal() {
    let (mut listener, address) = waiting(&[]);
    let mut stranger = Telnet::tcp(address);
    stranger.sends(b"HELLO smoltalk-direct/1 \x1b[2J\x07 \x9b\n");
    assert_eq!(listener.complains(), "* ␛[2J␇ \u{fffd} is here\n");
}

#[test]
fn with_once_it_leaves_when_the_first_peer_has_gone() {
    let (mut listener, address) = waiting(&["--once", "--whole"]);
    listener.stdin = None;
    let mut stranger = Telnet::tcp(address);
    stranger.sees("HELLO smoltalk-direct/1 ...");
    stranger.types("GET / HTTP/1.1");
    listener.notices("this is no smoltalk direct");
    let caller = after_typing(&mut direct(&["--whole", &address.to_string()]), "a\nb");
    assert_eq!(caller.code, Some(0));
    let ended = listener.ends();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "a\nb"));
    assert!(ended.stderr.ends_with(" has gone\n"), "{}", ended.stderr);
}

#[test]
fn with_once_a_peer_that_breaks_off_ends_it_with_1() {
    let go: [(Leaves, &str); 3] = [
        (drop, "smoltalk: bob: one message was not acknowledged\n"),
        (Telnet::breaks, ": one message was not acknowledged\n"),
        (|mut bob| bob.sends(b"DATA 1 5\nabc"), ": one message was not acknowledged\n"),
    ];
    for (go, why) in go {
        let (mut listener, address) = waiting(&["--once"]);
        listener.types("hi\n");
        let mut bob = bob(address);
        bob.finds("hi");
        go(bob);
        let ended = listener.ends();
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.ends_with(why), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("acknowledged").count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_listener_whose_output_is_gone_ends_also_while_nobody_calls() {
    let (listener, _) = waiting(&[]);
    let Talk { stdin, stdout, mut child, .. } = listener;
    drop(stdout);
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    drop(stdin);
}

#[test]
fn who_has_no_name_has_an_address() {
    let (mut listener, address) = waiting(&[]);
    let stranger = bob_called(address, "somebody");
    let from = stranger.socket().local_addr().expect("its address");
    assert_eq!(listener.complains(), format!("* {from} is here\n"));
    drop(stranger);
    assert_eq!(listener.complains(), format!("* {from} has gone\n"));
}

#[test]
fn an_address_in_use_ends_it_with_1() {
    let (_listener, address) = waiting(&[]);
    let second = after_typing(&mut direct(&["--listen", &address.to_string()]), "");
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""));
    assert!(second.stderr.starts_with(&format!("smoltalk: {address}: ")), "{}", second.stderr);
    assert!(!second.stderr.contains("os error"), "{}", second.stderr);
    assert_eq!(second.stderr.lines().count(), 1);
}

#[test]
fn whoever_closes_the_output_ends_it_quietly() {
    let (mut listener, address) = waiting(&[]);
    let mut bob = bob(address);
    bob.types("DATA 1 2\nhi");
    listener.writes(b"hi\n");
    bob.sees("ACK 1");
    listener.stdin = None;
    let Talk { stdout, mut child, mut stderr, .. } = listener;
    drop(stdout);
    bob.sees_the_end();
    drop(bob);
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    let mut complaints = String::new();
    stderr.read_to_string(&mut complaints).expect("UTF-8");
    assert_eq!(complaints, "* bob is here\n");
}

#[test]
fn what_nobody_reads_keeps_nobody_from_talking() {
    let (mut listener, address) = waiting(&[]);
    let mut bob = bob(address);
    let (file, rest) = (noise(500_000), noise(1000));
    bob.sends(&[b"DATA 1 500000\n", &file[..], b"\nDATA 2 1000\n", &rest, b"\n"].concat());
    listener.types("are you there?\n".repeat(100));
    for n in 1..=100 {
        bob.sees(&format!("DATA {n} 14"));
        bob.sees("are you there?");
    }
    bob.types("ACK 1");
    listener.writes(&file);
    bob.sees("ACK 1");
    listener.writes(&rest);
    bob.sees("ACK 2");
}

// The calling side.

#[test]
fn it_ends_with_0_once_all_is_acknowledged() {
    let (mut caller, mut bob) = called(&[]);
    caller.types("one\ntwo");
    caller.stdin = None;
    bob.sees("DATA 1 3");
    bob.sees("one");
    bob.sees("DATA 2 3");
    bob.sees("two");
    bob.types("ACK 1\nDATA 1 2\nhi\nACK 2");
    bob.sees("ACK 1");
    bob.sees_the_end();
    drop(bob);
    caller.writes(b"hi\n");
    assert_eq!(caller.complains(), "* bob is here\n");
    (0..2).for_each(|_| is_round_trip(&caller.complains()));
    assert_eq!(caller.ends(), left(0, "", ""));
}

#[test]
fn nothing_to_say_is_nothing_sent() {
    let (caller, mut bob) = called(&[]);
    let ended = thread::spawn(|| caller.hangs_up());
    bob.sees_the_end();
    drop(bob);
    assert_eq!(ended.join().expect("ended"), left(0, "", "* bob is here\n"));
}

#[test]
fn all_of_nothing_is_one_empty_message() {
    let (mut caller, mut bob) = called(&["--whole"]);
    caller.stdin = None;
    bob.sees("DATA 1 0");
    bob.sees("");
    bob.types("ACK 1");
    bob.sees_the_end();
    drop(bob);
    assert_eq!(caller.ends().code, Some(0));
}

#[test]
fn one_that_waits_in_the_background_has_nothing_to_say() {
    let (mut listener, address) = waiting(&["--whole"]);
    listener.stdin = None;
    for _ in 0..2 {
        let mut bob = bob(address);
        bob.types("DATA 1 2\nhi");
        bob.sees("ACK 1");
        bob.ends();
        bob.sees_the_end();
        listener.writes(b"hi");
    }
}

#[test]
fn ten_thousand_messages_may_be_on_their_way_at_once() {
    const MESSAGES: usize = 10_000;
    let (mut caller, mut bob) = called(&[]);
    let lines = joined(1..=MESSAGES, |n| format!("{n}\n"));
    let mut stdin = caller.stdin.take().expect("open");
    let typing = thread::spawn(move || stdin.write_all(lines.as_bytes()).expect("it reads"));
    for n in 1..=MESSAGES {
        bob.sees(&format!("DATA {n} {}", n.to_string().len()));
        bob.sees(&n.to_string());
    }
    // And only now, the last first.
    let acks = joined((1..=MESSAGES).rev(), |n| format!("ACK {n}\n"));
    bob.sends(acks.as_bytes());
    typing.join().expect("typed");
    (0..=MESSAGES).for_each(|_| drop(caller.notices("")));
    bob.sees_the_end();
    drop(bob);
    assert_eq!(caller.ends(), left(0, "", ""));
}

#[test]
fn a_peer_that_goes_without_acknowledging_ends_it_with_1() {
    let go: [(Leaves, &str); 4] = [
        (drop, "the other side has gone"),
        (Telnet::breaks, "the connection was lost: "),
        (|mut bob| bob.sends(b"DATA 1 5\nabc"), "the other side went in the middle of a message"),
        // It may have begun to acknowledge the twentieth.
        (|mut bob| bob.sends(b"ACK 2"), "the other side has gone"),
    ];
    for (go, why) in go {
        let (mut caller, mut bob) = called(&[]);
        caller.types("one\ntwo\n");
        caller.stdin = None;
        bob.finds("two");
        bob.types("ACK 1");
        caller.notices("✓ ");
        go(bob);
        let ended = caller.ends();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        assert!(ended.stderr.starts_with(&format!("smoltalk: {why}")), "{}", ended.stderr);
        assert!(ended.stderr.ends_with(": one message was not acknowledged\n"), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1);
    }
}

#[test]
fn a_killed_receiver_is_noticed_and_ends_it_with_1() {
    let (mut listener, address) = waiting(&[]);
    let mut caller = Talk::start(&mut direct(&[&address.to_string()]));
    caller.types("hi\n");
    caller.notices("✓ ");
    listener.writes(b"hi\n");
    signal("KILL", listener.child.id());
    let ended = caller.ends();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn a_half_closed_peer_has_gone() {
    // What it has not acknowledged by then, it cannot acknowledge any more.
    let (mut caller, mut bob) = called(&[]);
    caller.types("one\n");
    bob.finds("one");
    bob.ends();
    let why = "smoltalk: the other side has gone: one message was not acknowledged\n";
    assert_eq!(caller.notices("gone"), why);
    bob.sees_the_end();
    assert_eq!(caller.ends(), left(1, "", ""));
}

#[test]
fn a_peer_that_breaks_the_rules_ends_it_with_1() {
    for (said, answer, notice) in BREACHES {
        let (caller, mut bob) = called(&[]);
        bob.sends(said);
        bob.sees(answer);
        bob.sees_the_end();
        drop(bob);
        let ended = caller.ends();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        assert!(ended.stderr.contains(notice), "{}", ended.stderr);
    }
}

#[test]
fn what_the_peer_will_not_take_ends_it_with_1_after_all_the_rest() {
    let (mut caller, mut bob) = called(&[]);
    caller.types("one\ntwo\nthree\n");
    caller.stdin = None;
    bob.finds("three");
    bob.types("ERR too-long 2 \x1b[2J\nACK 1\nACK 3");
    bob.sees_the_end();
    drop(bob);
    caller.notices("smoltalk: 2 ␛[2J (too-long)");
    (0..2).for_each(|_| is_round_trip(&caller.complains()));
    assert_eq!(caller.ends(), left(1, "", ""), "it has been said");

    // Which one, it does not say.
    let (mut caller, mut bob) = called(&[]);
    caller.types("one\n");
    bob.finds("one");
    bob.types("ERR too-long sorry");
    bob.sees_the_end();
    drop(bob);
    let why = "smoltalk: sorry (too-long): one message was not acknowledged\n";
    assert_eq!(caller.notices("sorry"), why);
    assert_eq!(caller.ends().code, Some(1));
}

#[test]
fn what_is_too_long_is_not_sent_and_ends_it_with_1() {
    let complaint = "smoltalk: too long: a message may have 1048576 bytes, this one has 1048577\n";
    for args in [&["--whole"][..], &[]] {
        let (mut caller, mut bob) = called(args);
        let mut stdin = caller.stdin.take().expect("open");
        let typing = thread::spawn(move || stdin.write_all(&vec![b'x'; MEGABYTE + 1]));
        bob.sees_the_end();
        drop(bob);
        assert_eq!(caller.complains(), "* bob is here\n");
        assert_eq!(caller.complains(), complaint);
        assert_eq!(caller.ends(), left(1, "", ""), "it has been said");
        typing.join().expect("typed").expect("it reads");
    }
}

#[test]
fn with_stay_it_listens_on() {
    let (mut caller, mut bob) = called(&["--stay"]);
    caller.types("hi");
    caller.stdin = None;
    bob.finds("hi");
    bob.types("ACK 1\nDATA 1 2\nho");
    bob.sees("ACK 1");
    caller.writes(b"ho\n");
    bob.types("DATA 2 3\nhey");
    bob.sees("ACK 2");
    caller.writes(b"hey\n");
    drop(bob);
    // All that was said is acknowledged.
    let ended = caller.ends();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.ends_with("* bob has gone\n"), "{}", ended.stderr);
}

#[test]
fn a_signal_ends_it_with_0_if_all_is_acknowledged_and_else_with_1() {
    for (acknowledged, code) in [(true, 0), (false, 1)] {
        let (mut caller, mut bob) = called(&[]);
        caller.types("hi\n");
        bob.finds("hi");
        if acknowledged {
            bob.types("ACK 1");
            caller.notices("✓ ");
        }
        signal("INT", caller.child.id());
        bob.sees_the_end();
        drop(bob);
        assert_eq!(caller.ends().code, Some(code));
    }
}

#[test]
fn where_nobody_waits_or_something_else_it_ends_with_1() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let nobody = after_typing(&mut direct(&[&address.to_string()]), "hi");
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(1), ""));
    let why = format!("smoltalk: {address}: cannot connect: connection refused\n");
    assert_eq!(nobody.stderr, why);

    let v6 = after_typing(&mut direct(&["[::1]:1"]), "");
    assert!(v6.stderr.starts_with("smoltalk: [::1]:1: cannot connect: "), "{}", v6.stderr);

    let room = support::TestServer::start();
    let address = room.address().to_string();
    let room = after_typing(&mut direct(&[&address]), "hi");
    assert_eq!(room.code, Some(1));
    let why =
        format!("smoltalk: {address}: this is no smoltalk direct: it says \"HELLO smoltalk/1");
    assert!(room.stderr.starts_with(&why), "{}", room.stderr);
}

#[test]
fn a_usage_error_is_one_line_and_ends_it_with_2() {
    for args in [
        &[][..],
        &["7879"],
        &["h:1", "--listen"],
        &["h:1", "--no"],
        &["h:1", "-u", "!"],
        &["h:1", "--once"],
    ] {
        let usage = after_typing(&mut direct(args), "");
        assert_eq!((usage.code, usage.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert_eq!(usage.stderr.lines().count(), 1, "{}", usage.stderr);
        assert!(usage.stderr.ends_with(" (--help lists the flags)\n"), "{}", usage.stderr);
    }
    for flag in ["-h", "--help", "--version"] {
        let printed = after_typing(&mut direct(&[flag]), "");
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
        assert!(printed.stdout.contains("smoltalk"));
    }
}
