//! `smoltalk direct` on a terminal: what one of the two sees, key by key.

mod screen;
mod support;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use screen::Person;
use std::net::TcpListener;
use support::Telnet;

/// No test: the terminal's owner, see [`screen::own_terminal`].
#[test]
#[ignore = "it is started by the others"]
fn owner() {
    screen::own_terminal();
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_smoltalk");

const PLAIN: [(&str, &str); 1] = [("NO_COLOR", "1")];

/// `ada` at a terminal, who has called `bob`, who calls himself `name`.
fn called(name: &str, set: &[(&str, &str)], size: (u16, u16)) -> (Person, Telnet) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    // What nobody reads is soon too much.
    set_socket_recv_buffer_size(&listener, 4096).expect("it has one");
    let address = listener.local_addr().expect("its address").to_string();
    let ada = Person::starts(PROGRAM, &["direct", &address, "-u", "ada"], set, size);
    let (socket, _) = listener.accept().expect("a call");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    let mut bob = Telnet::over(socket);
    bob.types(&format!("HELLO smoltalk-direct/1 {name}"));
    bob.sees("HELLO smoltalk-direct/1 ada");
    (ada, bob)
}

/// The two, past the first line, in black and white and 40 columns.
fn narrow() -> (Person, Telnet) {
    let (mut ada, bob) = called("bob", &PLAIN, (40, 12));
    ada.sees("* each line is a message; Ctrl-D leaves\n* bob is here\nada> █\n");
    ada.types("\x0c");
    ada.sees("ada> █\n");
    (ada, bob)
}

/// `ada` at a terminal, waiting; and where.
fn waiting(args: &[&str]) -> (Person, std::net::SocketAddr) {
    let args = [&["direct", "--listen", "127.0.0.1:0", "-u", "ada"], args].concat();
    let mut ada = Person::starts(PROGRAM, &args, &PLAIN, (60, 12));
    ada.sees_part("\n* each line is a message; Ctrl-D leaves\nada> █\n");
    let picture = ada.picture();
    let address = picture.lines().next().and_then(|line| line.strip_prefix("listening on "));
    (ada, address.expect("where").parse().expect("an address"))
}

impl Telnet {
    /// Says something, which is to be acknowledged: it then is on the screen.
    #[track_caller]
    fn says(&mut self, id: u64, message: &str) {
        self.types(&format!("DATA {id} {}\n{message}", message.len()));
        self.sees(&format!("ACK {id}"));
    }

    #[track_caller]
    fn is_told(&mut self, id: u64, message: &str) {
        self.sees(&format!("DATA {id} {}", message.len()));
        message.split('\n').for_each(|line| self.sees(line));
    }
}

#[test]
fn a_half_typed_line_stays_whole_whatever_arrives() {
    let (mut ada, mut bob) = narrow();
    ada.types("half typed, and too long for a row: 漢字");
    let typed = "ada> half typed, and too long for a row:\n 漢字█\n";
    ada.sees(typed);
    bob.says(1, "hi");
    ada.sees(&format!("09:05 <bob> hi\n{typed}"));
    bob.says(2, "a message that is itself too long\n\n for a row");
    let above = "09:05 <bob> hi\n09:05 <bob> a message that is itself too\n            long\n\n             for a row\n";
    ada.sees(&format!("{above}{typed}"));
    bob.sends(b"DATA 3 4\na\0b\xff\n");
    bob.sees("ACK 3");
    ada.sees(&format!("{above}09:05 <bob> [4 bytes]\n{typed}"));
    ada.types("\r");
    bob.is_told(1, "half typed, and too long for a row: 漢字");
}

#[test]
fn a_round_trip_is_beside_its_message() {
    let (mut ada, mut bob) = narrow();
    ada.types("one\r");
    bob.is_told(1, "one");
    ada.sees("(1 on its way) ada> █\n");
    ada.types("two\rthr");
    bob.is_told(2, "two");
    ada.sees("(2 on their way) ada> thr█\n");
    bob.types("ACK 2");
    ada.sees("09:05 <ada> two  ✓ 1 ms\n(1 on its way) ada> thr█\n");
    bob.says(1, "now the other");
    bob.types("ACK 1");
    ada.sees(
        "09:05 <ada> two  ✓ 1 ms\n09:05 <bob> now the other\n09:05 <ada> one  ✓ 1 ms\nada> thr█\n",
    );
}

#[test]
fn what_is_not_acknowledged_is_said_of_each() {
    let (mut ada, mut bob) = narrow();
    ada.types("one\rtwo\rthree\rhalf");
    bob.is_told(1, "one");
    bob.is_told(2, "two");
    bob.is_told(3, "three");
    bob.types("ACK 2");
    ada.sees("09:05 <ada> two  ✓ 1 ms\n(2 on their way) ada> half█\n");
    drop(bob);
    let (code, picture) = ada.ends();
    assert_eq!(code, 1);
    let expected = "\
09:05 <ada> two  ✓ 1 ms
09:05 <ada> one  ✗ not acknowledged
09:05 <ada> three  ✗ not acknowledged
ada> half
smoltalk: the other side has gone
█
";
    assert_eq!(picture, expected);
}

#[test]
fn what_is_refused_is_shown_with_the_reason() {
    let (mut ada, mut bob) = narrow();
    ada.types("one\rtwo\r");
    bob.finds("two");
    bob.types("ERR too-long 2 has too many bytes\nACK 1");
    ada.sees(
        "09:05 <ada> two  ✗ refused\nsmoltalk: 2 has too many bytes\n  (too-long)\n\
         09:05 <ada> one  ✓ 1 ms\nada> █\n",
    );
    bob.says(1, "sorry");
    ada.types("\x04");
    bob.sees_the_end();
    drop(bob);
    assert_eq!(ada.ends().0, 1);
}

#[test]
fn a_paste_is_one_message() {
    let (mut ada, mut bob) = narrow();
    ada.pastes("several\n  words\n");
    ada.sees("ada> several\n  words█\n");
    ada.types("\r");
    bob.is_told(1, "several\n  words");
    bob.types("ACK 1");
    ada.sees("09:05 <ada> several\n              words  ✓ 1 ms\nada> █\n");
    // Nothing entered is nothing sent, and there is nothing to complete.
    ada.types("\r\t\x1b[A");
    ada.sees_part("\nada> several\n  words█\n");
    ada.types("\x15two\r");
    bob.is_told(2, "two");
}

#[test]
fn lines_come_back_but_are_kept_nowhere() {
    let state = std::env::temp_dir().join(format!("smoltalk-direct-{}", std::process::id()));
    let path = state.to_str().expect("UTF-8").to_string();
    let (mut ada, mut bob) = called("bob", &[("XDG_STATE_HOME", &path)], (40, 12));
    ada.types("one\rtwo\r");
    bob.finds("two");
    bob.types("ACK 1\nACK 2");
    ada.types("\x1b[A\x1b[A");
    ada.sees_part("\nada> one█\n");
    ada.types("\x15\x12tw");
    ada.sees_part("\n(search) tw: █two\n");
    ada.types("\x07\x15\x04");
    bob.sees_the_end();
    drop(bob);
    assert_eq!(ada.ends().0, 0);
    assert!(!state.exists());
}

#[test]
fn what_is_typed_to_nobody_is_there_when_somebody_comes() {
    let (mut ada, address) = waiting(&["--stay"]);
    ada.types("\x0c");
    ada.types("\rhello\r");
    ada.sees("smoltalk: nobody is here yet\nada> hello█\n");
    let greeted = || {
        let mut bob = Telnet::tcp(address);
        bob.types("HELLO smoltalk-direct/1 bob");
        bob.sees("HELLO smoltalk-direct/1 ada");
        bob
    };
    let mut bob = greeted();
    ada.sees_part("\n* bob is here\nada> hello█\n");
    ada.types("\r");
    bob.is_told(1, "hello");
    drop(bob);
    ada.sees_part("* bob is here\n09:05 <ada> hello  ✗ not acknowledged\n* bob has gone\nada> █\n");
    let mut bob = greeted();
    ada.sees_part("* bob has gone\n* bob is here\nada> █\n");
    ada.types("\x1b[A\r");
    bob.is_told(1, "hello");
    bob.types("ACK 1");
    ada.sees_part("* bob is here\n09:05 <ada> hello  ✓ 1 ms\nada> █\n");
    // Without anything to type it goes on listening, as it was told to, and sleeps in between.
    ada.types("\x04");
    ada.sees_part("* nothing more is sent; Ctrl-C leaves\n█");
    bob.says(1, "hi");
    ada.sees_part("09:05 <bob> hi\n█");
    ada.types("\x1a");
    ada.is_stopped();
    ada.signals("CONT");
    ada.types("\x03");
    bob.sees_the_end();
    drop(bob);
    assert_eq!(ada.ends().0, 1);
}

#[test]
fn who_waits_leaves_with_ctrl_d_whether_somebody_is_there_or_not() {
    let (mut ada, _) = waiting(&[]);
    ada.types("\x04");
    assert_eq!(ada.ends().0, 0);
    let (mut ada, address) = waiting(&[]);
    let mut bob = Telnet::tcp(address);
    bob.types("HELLO smoltalk-direct/1 somebody");
    bob.sees("HELLO smoltalk-direct/1 ada");
    let from = bob.socket().local_addr().expect("its address");
    bob.says(1, "hi");
    ada.sees_part(&format!("* {from} is here\n09:05 <{from}> hi\nada> █\n"));
    ada.types("\x04");
    bob.sees_the_end();
    drop(bob);
    assert_eq!(ada.ends().0, 0);
}

#[test]
fn one_who_does_not_read_keeps_nobody_from_typing() {
    let (mut ada, bob) = called("bob", &PLAIN, (40, 6));
    ada.sees_part("ada> █");
    // Sooner or later the socket takes no more; the line that is too much stays.
    let line = "x".repeat(200_000);
    for _ in 0..100 {
        ada.pastes(&line);
        ada.types("\ry");
        ada.sees_part("y█\n");
        if ada.picture().contains("too much is on its way") {
            break;
        }
        ada.types("\x7f");
        ada.sees_part("> █\n");
    }
    ada.sees_part("smoltalk: too much is on its way\n");
    ada.types("\x15still typing");
    ada.sees_part("ada> still typing█\n");
    drop(bob);
    assert_eq!(ada.ends().0, 1);
}

#[test]
fn nothing_that_the_peer_says_can_drive_the_terminal() {
    let (mut ada, mut bob) = called("\x1b]0;x\x07 \u{9b}2J\ta", &[], (80, 12));
    bob.says(1, "\x1b[2J\x1b]0;title\x07\u{9b}31m\u{202e}\n\x08<ada> me  \u{2713} 1 ms");
    ada.sees_part("09:05 <␛]0;x␇ 2J");
    ada.sees_part("> ␛[2J␛]0;title␇31m");
    ada.sees_part("\n                          ␈<ada> me  ✓ 1 ms\nada> █\n");
    ada.types("\x04");
    bob.sees_the_end();
    drop(bob);
    assert_eq!(ada.ends().0, 0);
    let written = String::from_utf8_lossy(&ada.written).into_owned();
    for never in ["\x1b]", "\x1b[2J", "\x07", "\x08", "\u{9b}", "\u{202e}"] {
        assert!(!written.contains(never), "{}", written.escape_debug());
    }
}

#[test]
fn without_colour_there_is_none() {
    let talk = |set: &[(&str, &str)]| {
        let (mut ada, mut bob) = called("bob", set, (80, 12));
        bob.says(1, "ask ada");
        ada.types("hi\r");
        bob.is_told(1, "hi");
        bob.types("ACK 1");
        ada.sees_part("09:05 <bob> ask ada\n09:05 <ada> hi  ✓ 1 ms\nada> █\n");
        ada.types("\x03");
        bob.sees_the_end();
        drop(bob);
        assert_eq!(ada.ends().0, 0);
        String::from_utf8_lossy(&ada.written).into_owned()
    };
    let coloured = talk(&[]);
    assert!(coloured.contains("hi  \x1b[2m✓ "), "{}", coloured.escape_debug());
    let plain = talk(&PLAIN);
    for part in plain.split("\x1b[").skip(1) {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).expect("an end");
        assert_ne!(&part[end..=end], "m", "{}", plain.escape_debug());
    }
    assert!(!plain.contains('\x07') && !coloured.contains('\x07'));
}

#[test]
fn a_dumb_terminal_is_told_which_message_it_was() {
    for term in ["dumb", ""] {
        let (mut ada, mut bob) = called("bob", &[("TERM", term)], (80, 12));
        ada.sees_part("* bob is here\nada> █");
        ada.types("one\n");
        bob.is_told(1, "one");
        let long = "a message whose beginning is enough to know it again";
        ada.types(&format!("{long}\n"));
        bob.is_told(2, long);
        bob.types("ACK 2\nACK 1");
        ada.sees_part("✓ 1 ms  a message whose beginning is enough to k…\n");
        ada.sees_part("✓ 1 ms  one\n");
        bob.says(1, "hi");
        ada.sees_part("\n<bob> hi\nada> █");
        ada.types("\x04");
        bob.sees_the_end();
        drop(bob);
        assert_eq!(ada.ends().0, 0);
        assert!(!ada.written.windows(7).any(|part| part == b"\x1b[?2004"));
    }
}

#[test]
fn however_it_ends_the_terminal_is_what_it_was() {
    type End = fn(&mut Person, Telnet);
    let ends: [(&str, i32, End); 5] = [
        ("Ctrl-D", 0, |ada, mut bob| {
            ada.types("\x15\x04");
            bob.sees_the_end();
        }),
        ("Ctrl-C", 0, |ada, mut bob| {
            ada.types("\x03\x03");
            bob.sees_the_end();
        }),
        ("SIGTERM", 0, |ada, mut bob| {
            ada.signals("TERM");
            bob.sees_the_end();
        }),
        ("SIGHUP", 0, |ada, mut bob| {
            ada.signals("HUP");
            bob.sees_the_end();
        }),
        ("the peer's end", 1, |_, bob| drop(bob)),
    ];
    for (how, code, end) in ends {
        let (mut ada, bob) = narrow();
        ada.types("half");
        ada.sees("ada> half█\n");
        assert!(!ada.is_as_before());
        end(&mut ada, bob);
        let (ended, picture) = ada.ends();
        assert_eq!(ended, code, "{how}");
        assert_eq!(
            picture.starts_with("ada> half\n"),
            !how.starts_with("Ctrl"),
            "{how}: {picture}"
        );
    }
    let (ada, mut bob) = narrow();
    let closed = std::thread::spawn(|| ada.closes());
    bob.sees_the_end();
    drop(bob);
    assert_eq!(closed.join().expect("closed"), Some(0));
}

#[test]
fn who_has_no_name_is_you_on_the_own_screen() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let mut ada = Person::starts(PROGRAM, &["direct", &address], &PLAIN, (60, 12));
    let (socket, _) = listener.accept().expect("a call");
    let mut bob = Telnet::over(socket);
    bob.types("HELLO smoltalk-direct/1 bob");
    bob.sees("HELLO smoltalk-direct/1 somebody");
    ada.sees_part("* bob is here\nyou> █\n");
    ada.types("/leave\r");
    bob.is_told(1, "/leave");
    ada.sees_part("* that goes out as a message; Ctrl-D leaves\n(1 on its way) you> █\n");
    bob.types("ACK 1");
    ada.sees_part("09:05 <you> /leave  ✓ 1 ms\nyou> █\n");
}
