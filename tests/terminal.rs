//! `smoltalk` on a terminal: what a person sees, key by key.

mod fake;
mod screen;

use fake::{Fake, Peer, Real};
use screen::Person;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// No test: the terminal's owner, see [`screen::own_terminal`].
#[test]
#[ignore = "it is started by the others"]
fn owner() {
    screen::own_terminal();
}

/// A room with `ada` at a terminal in it, and the test in the place of everybody else.
struct Room {
    ada: Person,
    says: Sender<String>,
    hears: Receiver<String>,
    state: State,
}

/// Where `ada` keeps her history.
struct State(PathBuf);

impl State {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("smoltalk-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_smoltalk");

/// No history is kept.
const NOWHERE: [(&str, &str); 1] = [("XDG_STATE_HOME", "/dev/null")];

/// A server that passes on what it is given and what it hears; `Ok` of it is said.
fn server() -> (u16, Sender<String>, Receiver<String>) {
    let (says, said) = channel::<String>();
    let (hear, hears) = channel();
    let server = Fake::after_join(move |mut peer: Peer| {
        assert_eq!(peer.hear(), "WHO");
        peer.say("WHO 3 ada bob eve_the_second");
        let stream = peer.stream.try_clone().expect("a handle");
        let speaker = std::thread::spawn(move || {
            let mut stream = stream;
            for line in said {
                use std::io::Write;
                if stream.write_all(format!("{line}\n").as_bytes()).is_err() {
                    return;
                }
            }
            // The test is over, or the server is to die.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        });
        loop {
            let line = peer.hear_or_end();
            let Some(line) = line else { break };
            let _ = hear.send(line.clone());
            match line.as_str() {
                "LEAVE" => peer.say("BYE"),
                "PING sent" => peer.say("PONG sent"),
                _ => {}
            }
        }
        drop(hear);
        drop(speaker);
    });
    (server.port, says, hears)
}

impl Room {
    fn with(args: &[&str], set: &[(&str, &str)], size: (u16, u16)) -> Self {
        Self::keeping(State::new(), args, set, size)
    }

    fn keeping(state: State, args: &[&str], set: &[(&str, &str)], size: (u16, u16)) -> Self {
        let (port, says, hears) = server();
        let port = port.to_string();
        let args = [&["--username", "ada", "--port", &port], args].concat();
        let path = state.path().to_str().expect("UTF-8").to_string();
        let set = [&[("XDG_STATE_HOME", path.as_str())], set].concat();
        let ada = Person::starts(PROGRAM, &args, &set, size);
        Self { ada, says, hears, state }
    }

    /// A room of 40 columns, past its first line.
    fn narrow() -> Self {
        Self::narrow_with(&[])
    }

    /// The same, to which nobody comes back.
    fn stays_away() -> Self {
        Self::narrow_with(&["--no-reconnect"])
    }

    fn narrow_with(args: &[&str]) -> Self {
        let mut room = Self::with(args, &[("NO_COLOR", "1")], (40, 12));
        room.ada.sees("* you are ada, alone here; type help for\n  help\nada> █\n");
        room.ada.types("\x0c");
        room.ada.sees("ada> █\n");
        room
    }

    fn says(&self, line: &str) {
        self.says.send(line.into()).expect("the server is there");
    }

    /// The next thing sent, but for the questions whether what was said has arrived. The terminal shows
    /// what there is to show meanwhile.
    fn hears(&mut self) -> String {
        let start = Instant::now();
        while start.elapsed() < fake::DEADLINE {
            match self.hears.recv_timeout(Duration::from_millis(1)) {
                Ok(asked) if asked == "PING so far" => self.says("PONG so far"),
                Ok(heard) => return heard,
                Err(_) => _ = self.ada.read_soon(),
            }
        }
        panic!("something is sent");
    }
}

#[test]
fn a_half_typed_line_stays_whole_whatever_arrives() {
    let mut room = Room::narrow();
    room.ada.types("send this line is half typed, and wraps: 漢字");
    let typed = "ada> send this line is half typed, and w\nraps: 漢字█\n";
    room.ada.sees(typed);
    room.says("MSG bob hi");
    room.ada.sees(&format!("09:05 <bob> hi\n{typed}"));
    room.says("MSG bob a message that is itself too long for a row of it");
    room.says("JOINED eve");
    let above = "09:05 <bob> hi\n09:05 <bob> a message that is itself too\n            long for a row of it\n09:05 * eve joined\n";
    room.ada.sees(&format!("{above}{typed}"));
    room.ada.types("\x01");
    room.ada.sees(&format!("{above}ada> █send this line is half typed, and w\nraps: 漢字\n"));
    room.says("LEFT eve");
    let above = format!("{above}09:05 * eve left\n");
    room.ada.sees(&format!("{above}ada> █send this line is half typed, and w\nraps: 漢字\n"));
    room.ada.types("\r");
    assert_eq!(room.hears(), "MSG this line is half typed, and wraps: 漢字");
    room.ada.sees(&format!(
        "{above}09:05 <ada> this line is half typed, and\n            wraps: 漢字\nada> █\n"
    ));
}

#[test]
fn wide_characters_and_emoji_do_not_shift_the_cursor() {
    let mut room = Room::narrow();
    // The model of the screen shows the family as three people: it is a terminal that disagrees.
    room.ada.types("send 漢字 👩‍👩‍👧 e\u{301}x");
    room.ada.sees("ada> send 漢字 👩‍👩‍👧 e\u{301}x█\n");
    room.ada.types("\x1b[D\x1b[D");
    room.ada.sees("ada> send 漢字 👩‍👩‍👧 █e\u{301}x\n");
    room.says("MSG bob 👩‍👩‍👧");
    room.ada.sees("09:05 <bob> 👩‍👩‍👧\nada> send 漢字 👩‍👩‍👧 █e\u{301}x\n");
    room.ada.types("\x7f\x7f\x7f\x7f!");
    room.ada.sees("09:05 <bob> 👩‍👩‍👧\nada> send 漢!█e\u{301}x\n");
    room.ada.types("\r");
    assert_eq!(room.hears(), "MSG 漢!e\u{301}x");
}

#[test]
fn a_resize_tears_nothing() {
    let mut room = Room::narrow();
    room.says("MSG bob hi");
    room.ada.types("send this line is half typed, and wraps twice when it is narrow");
    room.ada.sees(
        "09:05 <bob> hi\nada> send this line is half typed, and w\nraps twice when it is narrow█\n",
    );
    room.ada.resizes((30, 12));
    room.ada.sees(
        "09:05 <bob> hi\nada> send this line is half ty\nped, and wraps twice when it i\n\
         s narrow█\n",
    );
    room.says("MSG bob still here");
    room.ada.resizes((80, 12));
    room.ada.sees(
        "09:05 <bob> hi\n09:05 <bob> still here\n\
         ada> send this line is half typed, and wraps twice when it is narrow█\n",
    );
    room.ada.types("\x01");
    room.ada.sees_part("ada> █send");
    room.ada.resizes((50, 12));
    room.ada.sees(
        "09:05 <bob> hi\n09:05 <bob> still here\n\
         ada> █send this line is half typed, and wraps twice\n when it is narrow\n",
    );
}

#[test]
fn a_paste_of_200_lines_waits_for_enter_and_hides_nobody() {
    let mut room = Room::with(&["--chat"], &[("NO_COLOR", "1")], (40, 8));
    room.ada.sees_part("> █");
    let lines: Vec<String> = (1..=200).map(|n| format!("line {n}")).collect();
    room.ada.pastes(&(lines.join("\n") + "\n"));
    room.ada.sees_part("\nline 200█\n");
    room.says("MSG bob hi");
    room.ada.sees(
        "* you are ada, alone here; type /help\n  for help\n09:05 <bob> hi\n\
         line 197\nline 198\nline 199\nline 200█\n",
    );
    // Nothing has been sent: the next thing heard is the first line.
    room.ada.types("\r");
    let message = lines.join("\n");
    assert_eq!(room.hears(), format!("DATA {}", message.len()));
    for line in lines {
        assert_eq!(room.hears(), line);
    }
    room.ada.sees_part("09:05 <ada> line 200\nada> █\n");
}

#[test]
fn of_a_paste_longer_than_what_may_wait_nothing_is_lost() {
    let mut room = Room::with(&[], &[("NO_COLOR", "1")], (40, 8));
    room.ada.sees_part("> █");
    // Once each line is a TELL of its own, three times what may wait to be sent.
    let lines: Vec<String> = (1..=2500).map(|n| format!("{n} {}", "x".repeat(60))).collect();
    room.ada.pastes(&format!("tell bob {}", lines.join("\n")));
    room.ada.types("\r");
    for line in lines {
        assert_eq!(room.hears(), format!("TELL bob {line}"));
    }
    room.ada.sees_part("<ada> [to bob] 2500");
    room.ada.types("who\r");
    assert_eq!(room.hears(), "WHO");
}

#[test]
fn what_is_pasted_behind_a_command_is_not_dropped_unsaid() {
    let mut room = Room::with(&["--chat"], &[("NO_COLOR", "1")], (60, 12));
    room.ada.sees_part("> █");
    room.ada.pastes("/who\nsecond line");
    room.ada.types("\r");
    room.ada
        .sees_part("ada> /who …\nsmoltalk: /who takes nothing more: nothing was done\nada> █\n");
    room.ada.types("\x1b[A");
    room.ada.sees_part("ada> /who\nsecond line█\n");
    room.ada.types("\x03");
    room.ada.pastes("/quit\nsecond line");
    room.ada.types("\r");
    room.ada.sees_part("/quit takes nothing more: nothing was done\nada> █\n");
    room.ada.types("hi\r");
    assert_eq!(room.hears(), "MSG hi");
}

#[test]
fn a_paste_without_brackets_is_typed_fast() {
    let mut room = Room::with(&["--chat"], &[], (40, 8));
    room.ada.sees_part("> █");
    room.ada.types("one\rtwo\rthr");
    assert_eq!([room.hears(), room.hears()], ["MSG one", "MSG two"]);
    room.ada.sees_part("09:05 <ada> one\n09:05 <ada> two\nada> thr█\n");
}

#[test]
fn tab_completes_commands_and_names() {
    let mut room = Room::narrow();
    // Once this is seen, the answer to WHO has come.
    room.says("MSG bob hi");
    room.ada.sees_part("<bob> hi\nada> █\n");
    room.ada.types("\x0c");
    room.ada.types("t\te\t");
    room.ada.sees("ada> tell eve_the_second █\n");
    room.says("JOINED eveline");
    room.ada.sees("09:05 * eveline joined\nada> tell eve_the_second █\n");
    room.ada.types("\x17e\t");
    room.ada.sees("09:05 * eveline joined\nada> tell eve█\n");
    room.ada.types("\t\t");
    room.ada.sees("09:05 * eveline joined\neve_the_second  eveline\nada> tell eve█\n");
    room.says("LEFT eve_the_second");
    room.ada.sees_part("left");
    room.ada.types("\thi\r");
    assert_eq!(room.hears(), "TELL eveline hi");
    room.ada.sees_part("09:05 <ada> [to eveline] hi\nada> █\n");
}

#[test]
fn what_was_a_command_is_not_found_again_in_a_chat() {
    let mut room = Room::narrow();
    room.ada.types("send hi\r\x04");
    assert_eq!(room.hears(), "MSG hi");
    let Room { mut ada, state, .. } = room;
    assert_eq!(ada.ends().0, 0);
    let mut room = Room::keeping(state, &["--chat"], &[], (80, 12));
    room.ada.sees_part("ada> █");
    room.ada.types("\x1b[A\rhello\r");
    assert_eq!(room.hears(), "MSG hello");
    let chat = room.state.path().join("smoltalk/chat-history");
    assert_eq!(fs::read_to_string(chat).expect("a file"), "hello\n");
}

#[test]
fn history_goes_from_run_to_run_and_tells_no_secrets() {
    let mut room = Room::narrow();
    room.ada.types("send one\rtell bob secret\rsend two\r\x04");
    assert_eq!(
        [room.hears(), room.hears(), room.hears()],
        ["MSG one", "TELL bob secret", "MSG two"]
    );
    let Room { mut ada, state, .. } = room;
    assert_eq!(ada.ends().0, 0);
    let file = state.path().join("smoltalk/history");
    assert_eq!(fs::read_to_string(&file).expect("a file"), "send one\nsend two\n");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);

    let mut room = Room::keeping(state, &[], &[], (80, 12));
    room.ada.types("dra\x1b[A");
    room.ada.sees_part("\nada> send two█\n");
    room.ada.types("\x1b[A");
    room.ada.sees_part("\nada> send one█\n");
    room.ada.types("\x1b[B\x1b[B");
    room.ada.sees_part("\nada> dra█\n");
    room.ada.types("\x12tw");
    room.ada.sees_part("\n(search) tw: send █two\n");
    room.says("MSG bob hi");
    room.ada.sees_part("09:05 <bob> hi\n(search) tw: send █two\n");
    room.ada.types("\x1b");
    room.ada.sees_part("\nada> dra█\n");
    room.ada.types("\x12ne\r");
    assert_eq!(room.hears(), "MSG one");
}

#[test]
fn what_is_no_message_stays_as_it_was_typed() {
    let mut room = Room::narrow();
    room.ada.types("who\r");
    assert_eq!(room.hears(), "WHO");
    room.says("WHO 3 ada bob eve_the_second");
    room.ada.sees("ada> who\n09:05 * 3 here: ada bob eve_the_second\nada> █\n");
    room.ada.types("\x0clove\r");
    room.ada.sees(
        "ada> love\nsmoltalk: nothing was sent: type send\n  <MSG>, send-file <PATH>, tell <NAME>\n  <MSG>, reply <MSG>, ignore <NAME>,\n  who, ping, leave or help; with --chat,\n  or SMOLTALK_CHAT=1 for good, a line is\n  a message\nada> █\n",
    );
    room.ada.types("\x0clove\r");
    room.ada.sees(
        "ada> love\nsmoltalk: nothing was sent: type send\n  <MSG>, send-file <PATH>, tell <NAME>\n  <MSG>, reply <MSG>, ignore <NAME>,\n  who, ping, leave or help\nada> █\n",
    );
    room.ada.types("\x0ctell bob\r");
    room.ada.sees("ada> tell bob\nsmoltalk: tell takes a name and a\n  message\nada> █\n");
    room.ada.types("\x0chelp\r");
    room.ada.sees_part("\nleave              leave and exit");
}

#[test]
fn a_chat_can_be_turned_on_for_good() {
    let mut room = Room::with(&[], &[("SMOLTALK_CHAT", "1")], (80, 12));
    room.ada.sees_part("type /help for help\nada> █");
    room.ada.types("hello everyone\r");
    assert_eq!(room.hears(), "MSG hello everyone");
}

#[test]
fn whoever_is_ignored_is_not_seen_until_he_is_not() {
    let mut room = Room::narrow();
    room.ada.types("ignore bob\r");
    room.ada.sees("ada> ignore bob\n* you ignore bob\nada> █\n");
    for line in ["MSG Bob hi", "TELL bob ada", "LEFT bob", "JOINED bob", "MSG eve hi"] {
        room.says(line);
    }
    room.ada.sees("ada> ignore bob\n* you ignore bob\n09:05 <eve> hi\nada> █\n");
    room.ada.types("\x0cunignore bob\r");
    room.ada.sees("ada> unignore bob\n* you hear bob again\nada> █\n");
    room.says("MSG bob hi");
    room.ada.sees("ada> unignore bob\n* you hear bob again\n09:05 <bob> hi\nada> █\n");
}

#[test]
fn a_reply_goes_to_whoever_told_something_last() {
    let mut room = Room::narrow();
    room.ada.types("reply hi\r");
    room.ada.sees("ada> reply hi\nsmoltalk: nobody has told you anything\n  yet\nada> █\n");
    room.says("TELL bob lunch?");
    room.says("MSG eve hi");
    room.ada.sees_part("<eve> hi");
    room.ada.types("\x0creply ");
    // Who that is, is seen; and it stays the same, whoever speaks next.
    room.ada.sees("ada> tell bob █\n");
    room.says("TELL eve psst");
    room.ada.sees("09:05 <eve> [to you] psst\nada> tell bob █\n");
    room.ada.types("at noon\r");
    assert_eq!(room.hears(), "TELL bob at noon");
    room.ada.types("\x0c");
    room.ada.pastes("reply what?");
    room.ada.types("\r");
    assert_eq!(room.hears(), "TELL eve what?");
}

#[test]
fn what_is_typed_is_shown_in_its_order() {
    let mut room = Room::with(&["--chat"], &[("NO_COLOR", "1")], (40, 12));
    room.ada.sees_part("ada> █\n");
    room.ada.types("\x0chi\r/nick x\rho\r");
    room.ada.sees(
        "09:05 <ada> hi\nada> /nick x\nsmoltalk: there is no /nick: type /help,\n  or //nick to say that\n\
         09:05 <ada> ho\nada> █\n",
    );
}

#[test]
fn in_a_chat_only_a_slash_commands() {
    let mut room = Room::with(&["--chat"], &[], (80, 12));
    room.says("MSG bob hi");
    room.ada.sees_part("<bob> hi");
    room.ada.types("leave me alone\r/te\tb\thi\r//etc\r/shrug\r");
    let heard = [room.hears(), room.hears(), room.hears()];
    assert_eq!(heard, ["MSG leave me alone", "TELL bob hi", "MSG /etc"]);
    room.ada.sees_part(
        "ada> /shrug\nsmoltalk: there is no /shrug: type /help, or //shrug to say that\n",
    );
    room.ada.types("/msg bob hi\r");
    assert_eq!(room.hears(), "TELL bob hi");
    room.ada.types("/quit\r");
    assert_eq!(room.ada.ends().0, 0);
}

#[test]
fn a_command_without_its_slash_is_said_to_all_only_if_it_is_entered_twice() {
    let mut room = Room::with(&["--chat"], &[("NO_COLOR", "1")], (80, 12));
    // Once this is seen, the answer to WHO has come.
    room.says("MSG eve_the_second hi");
    room.ada.sees_part("hi\nada> █\n");
    room.ada.types("tell bob psst\r");
    room.ada.sees_part(
        "smoltalk: to say this to all, press Enter again; /tell bob is for bob alone\n\
         ada> tell bob psst█\n",
    );
    room.ada.types("\x01/\r");
    assert_eq!(room.hears(), "TELL bob psst");
    room.ada.sees_part("<ada> [to bob] psst\nada> █\n");
    room.ada.types("leave\r");
    room.ada.sees_part("press Enter again; /leave leaves\nada> leave█\n");
    room.ada.types("\r");
    assert_eq!(room.hears(), "MSG leave");
    room.ada.types("tell nobody in particular\r");
    assert_eq!(room.hears(), "MSG tell nobody in particular");
}

#[test]
fn those_who_come_together_are_one_line() {
    let mut room = Room::narrow();
    let crowd: Vec<String> = (0..199).map(|n| format!("JOINED n{n}")).collect();
    room.says(&format!("JOINED eve\n{}\nLEFT n3 lost\nMSG n4 hi", crowd.join("\n")));
    room.ada.sees(
        "09:05 * eve joined\n09:05 * 199 joined: n0 n1 n2 n3 n4 n5 n6\n        n7 n8 n9 … and 189 more\n\
         09:05 * n3 left (lost)\n09:05 <n4> hi\nada> █\n",
    );
    // Where nothing else is said, they are shown a moment later.
    room.ada.types("\x0c");
    room.ada.sees("ada> █\n");
    room.says("LEFT eve\nLEFT n0\nLEFT n1");
    room.ada.sees_part("* n1 left\nada> █\n");
}

#[test]
fn a_mention_is_marked_and_rings() {
    let mut room = Room::with(&[], &[], (80, 12));
    room.says("MSG bob ask Ada.");
    room.ada.reads("\x07");
    room.ada.reads("> ask \x1b[1;7mAda\x1b[m.\r");

    let mut room = Room::with(&["--no-bell", "--color", "never"], &[], (80, 12));
    room.says("MSG bob ask Ada.");
    room.says("TELL bob psst");
    room.ada.sees_part("[to you] psst");
    room.ada.types("leave\r");
    assert_eq!(room.ada.ends().0, 0);
    let written = String::from_utf8_lossy(&room.ada.written).into_owned();
    for never in ["\x07", "\x1b[1", "\x1b[2m", "\x1b[3", "\x1b[m"] {
        assert!(!written.contains(never), "{}", written.escape_debug());
    }
}

#[test]
fn nothing_that_is_said_can_drive_the_terminal() {
    let mut room = Room::narrow();
    room.says("MSG bob \x1b[2J\x1b]0;title\x07\u{9b}31m\u{202e}\ta\x08");
    // The model of the screen leaves out what is replaced.
    room.ada.sees_part("09:05 <bob> ␛[2J␛]0;title␇31m");
    room.ada.sees_part("a␈\nada> █\n");
    room.ada.reads("␇\u{fffd}31m\u{fffd}");
}

#[test]
fn a_dumb_terminal_gets_a_plain_prompt() {
    for term in ["dumb", ""] {
        let port = Fake::after_join(|mut peer| {
            peer.say("MSG bob hi");
            assert_eq!(peer.hear(), "MSG hello");
            assert_eq!(peer.hear(), "LEAVE");
        })
        .port;
        let args = ["-u", "ada", "--port", &port.to_string()];
        let mut ada = Person::starts(PROGRAM, &args, &[("TERM", term)], (80, 12));
        ada.sees_part("<bob> hi\nada> ");
        ada.types("send hello\nleave\n");
        assert_eq!(ada.ends().0, 0);
    }
}

#[test]
fn however_it_ends_the_terminal_is_what_it_was() {
    type End = fn(&mut Room);
    let ends: [(&str, i32, End); 7] = [
        ("leave", 0, |room| room.ada.types("\x15leave\r")),
        ("Ctrl-D", 0, |room| room.ada.types("\x15\x04")),
        ("Ctrl-C", 0, |room| room.ada.types("\x03\x03")),
        ("SIGINT", 0, |room| room.ada.signals("INT")),
        ("SIGTERM", 0, |room| room.ada.signals("TERM")),
        ("SIGHUP", 0, |room| room.ada.signals("HUP")),
        ("the server's end", 1, |room| room.says = channel().0),
    ];
    for (how, code, end) in ends {
        let mut room = Room::stays_away();
        room.ada.types("send half");
        room.ada.sees("ada> send half█\n");
        assert!(!room.ada.is_as_before());
        end(&mut room);
        let (ended, picture) = room.ada.ends();
        assert_eq!(ended, code, "{how}");
        let typed = !matches!(how, "leave" | "Ctrl-C" | "Ctrl-D");
        assert_eq!(picture.starts_with("ada> send half\n"), typed, "{how}: {picture}");
        assert_eq!(picture.contains("the server closed"), code == 1, "{how}");
    }
}

#[test]
fn ctrl_c_takes_back_a_line_and_then_leaves() {
    let mut room = Room::narrow();
    room.ada.types("send half");
    room.ada.sees("ada> send half█\n");
    room.ada.types("\x03");
    room.ada.sees("ada> █\n");
    room.ada.types("send two\r");
    assert_eq!(room.hears(), "MSG two");
    room.ada.types("\x03");
    assert_eq!(room.ada.ends().0, 0);
    assert_eq!(room.hears(), "LEAVE");
}

#[test]
fn ctrl_c_leaves_a_server_that_confirms_nothing() {
    let (go, wait) = channel::<()>();
    let port = Fake::after_join(move |peer: Peer| {
        let _ = wait.recv();
        drop(peer);
    })
    .port;
    let mut ada =
        Person::starts(PROGRAM, &["-u", "ada", "--port", &port.to_string()], &NOWHERE, (40, 8));
    ada.sees_part("ada> █");
    // More than may wait for that: what is typed behind it is not read.
    ada.pastes(&format!("tell bob {}", "x\n".repeat(600)));
    ada.types("\r");
    ada.sees_part("[to bob] x\nada> █");
    ada.types("half\x03\x03");
    let (code, picture) = ada.ends();
    assert!(code == 0 && picture.contains("lines were not sent"), "{picture}");
    drop(go);
}

#[test]
fn refused_it_ends_with_3_and_the_terminal_as_it_was() {
    let port = Fake::plays("< ERR full there is no place").port.to_string();
    let mut ada = Person::starts(PROGRAM, &["-u", "ada", "--port", &port], &[], (80, 12));
    let (code, picture) = ada.ends();
    assert_eq!(code, 3);
    assert!(picture.contains("there is no place"), "{picture}");
}

#[test]
fn a_closed_window_ends_it() {
    let Room { ada, says: _says, hears, .. } = Room::narrow();
    assert_eq!(ada.closes(), Some(0));
    // Whether it was the signal or the end of its input that it saw first.
    let heard: Vec<String> = hears.iter().collect();
    assert!(heard.ends_with(&["LEAVE".into()]), "{heard:?}");
}

#[test]
fn the_shell_has_its_terminal_while_it_is_stopped() {
    let mut room = Room::narrow();
    room.ada.types("send half");
    room.ada.sees("ada> send half█\n");
    room.ada.types("\x1a");
    room.ada.is_stopped();
    room.ada.signals("CONT");
    room.ada.sees("ada> send half\nada> send half█\n");
    room.ada.types("\r");
    assert_eq!(room.hears(), "MSG half");
}

#[test]
fn after_the_end_of_what_is_typed_it_shows_and_obeys_on() {
    let mut room = Room::with(&["--stay"], &[], (80, 12));
    room.ada.sees_part("ada> █");
    room.ada.types("\x04");
    room.says("MSG bob still here?");
    room.ada.sees_part("09:05 <bob> still here?\n█");
    // Only what sleeps in between gets to a signal.
    room.ada.types("\x1a");
    room.ada.is_stopped();
    room.ada.signals("CONT");
    room.says("MSG bob well");
    room.ada.sees_part("09:05 <bob> well\n█");
    room.ada.types("\x03");
    assert_eq!(room.ada.ends().0, 0);
}

/// What everybody sees of the same talk, in a window of so many columns.
fn talk_at(columns: u16) -> String {
    let mut room = Room::with(&["--color", "always"], &[], (columns, 24));
    room.says("JOINED bob");
    room.says("MSG bob good morning! who has had a look at the flusher since it began to lag?");
    room.ada.sees_part("lag?\n");
    room.ada.types("send me: 漢字 and ␛ and é, and now it is fast\r");
    room.ada.sees_part("now it is fast");
    room.says("TELL eve_the_second thanks, Ada");
    room.says(
        "MSG bob https://example.org/an/address/that/has/no/blank/to/break/at/anywhere/in/it",
    );
    room.says("LEFT bob stalled");
    room.ada.types("send and so");
    room.ada.sees_part("bob left (stalled)\nada> send and so█\n");
    // The terminal has wrapped it: it can be clicked, and copied as one.
    room.ada
        .reads("> https://example.org/an/address/that/has/no/blank/to/break/at/anywhere/in/it\r\n");
    room.ada.picture()
}

#[test]
fn a_talk_at_40_columns() {
    let expected = "\
* you are ada, alone here; type help for
  help
09:05 * bob joined
09:05 <bob> good morning! who has had a
            look at the flusher since it
            began to lag?
09:05 <ada> me: 漢字 and ␛ and é, and
            now it is fast
09:05 <eve_the_second> [to you] thanks,
        Ada
09:05 <bob> https://example.org/an/addre
ss/that/has/no/blank/to/break/at/anywher
e/in/it
09:05 * bob left (stalled)
ada> send and so█
";
    assert_eq!(talk_at(40), expected);
}

#[test]
fn a_talk_at_80_columns() {
    let expected = "\
* you are ada, alone here; type help for help
09:05 * bob joined
09:05 <bob> good morning! who has had a look at the flusher since it began to
            lag?
09:05 <ada> me: 漢字 and ␛ and é, and now it is fast
09:05 <eve_the_second> [to you] thanks, Ada
09:05 <bob> https://example.org/an/address/that/has/no/blank/to/break/at/anywher
e/in/it
09:05 * bob left (stalled)
ada> send and so█
";
    assert_eq!(talk_at(80), expected);
}

#[test]
fn a_talk_at_200_columns() {
    let expected = "\
* you are ada, alone here; type help for help
09:05 * bob joined
09:05 <bob> good morning! who has had a look at the flusher since it began to lag?
09:05 <ada> me: 漢字 and ␛ and é, and now it is fast
09:05 <eve_the_second> [to you] thanks, Ada
09:05 <bob> https://example.org/an/address/that/has/no/blank/to/break/at/anywhere/in/it
09:05 * bob left (stalled)
ada> send and so█
";
    assert_eq!(talk_at(200), expected);
}

#[test]
fn a_name_is_asked_for_where_there_is_a_room() {
    let (here, is_here) = channel();
    let server = Fake::runs(move |mut peer: Peer| {
        peer.say("HELLO smoltalk/1 hi");
        here.send(()).expect("the test goes on");
        assert_eq!(peer.hear(), "JOIN ada");
        peer.say("OK ada 1");
        while peer.hear_or_end().is_some() {}
    });
    let args = ["--port", &server.port.to_string()];
    let mut ada = Person::starts(PROGRAM, &args, &[("NO_COLOR", "1")], (60, 12));
    is_here.recv().expect("it connects first");
    ada.sees_part("username: █");
    ada.types("ada\r");
    ada.sees_part("* you are ada, alone here");
    ada.types("\x04");
    assert_eq!(ada.ends().0, 0);
    server.done();

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("its address").port().to_string();
    drop(nobody);
    let mut ada = Person::starts(PROGRAM, &["--port", &port], &[("NO_COLOR", "1")], (80, 12));
    let (code, picture) = ada.ends();
    let why = format!("smoltalk: 127.0.0.1:{port}: cannot connect: connection refused\n");
    assert_eq!((code, picture.starts_with(&why)), (1, true), "{picture}");
}

#[test]
fn who_thinks_of_a_name_for_too_long_is_let_in_all_the_same() {
    let server = Fake::serves(|listener| {
        let mut first = Peer::of(listener);
        first.say("HELLO smoltalk/1 hi");
        first.say("BYE join-timeout");
        drop(first);
        Peer::of(listener).plays("< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> WHO\n> LEAVE");
    });
    let args = ["--port", &server.port.to_string()];
    let mut ada = Person::starts(PROGRAM, &args, &[("NO_COLOR", "1")], (60, 12));
    ada.sees_part("username: █");
    ada.types("ada\r");
    ada.sees_part("* you are ada, alone here");
    ada.types("\x04");
    assert_eq!(ada.ends().0, 0);
    server.done();
}

#[test]
fn what_is_too_long_for_a_line_goes_as_a_payload_and_what_is_too_long_for_that_stays() {
    let server = Fake::runs(|mut peer: Peer| {
        peer.say("HELLO smoltalk/1 hi [payload=5000]");
        assert_eq!(peer.hear(), "JOIN ada");
        peer.say("OK ada 1");
        for heard in ["WHO", "DATA 5000", &"y".repeat(5000), "PING so far"] {
            assert_eq!(peer.hear(), heard);
        }
        peer.say("PONG so far");
        while peer.hear_or_end().is_some() {}
    });
    let args = ["--port", &server.port.to_string(), "-u", "ada", "--chat"];
    let mut ada = Person::starts(PROGRAM, &args, &[("NO_COLOR", "1")], (100, 80));
    ada.sees_part("* you are ada");
    ada.pastes(&"y".repeat(5000));
    ada.types("\r");
    ada.sees_part("<ada> yyyyyyy");
    ada.pastes(&format!("{}\nlast", "z".repeat(5000)));
    ada.types("\r");
    ada.sees_part("smoltalk: a payload may have 5000 bytes, this one has 5005 (too-long)\n");
    ada.sees_part("zzz\nlast█\n");
    assert!(!ada.picture().contains("<ada> z"));
    // Longer than in any room.
    let state = State::new();
    fs::create_dir(state.path()).expect("a folder");
    let long = state.path().join("long");
    fs::File::create(&long).and_then(|file| file.set_len(2 << 20)).expect("a file");
    ada.types(&format!("\x15/send-file {}\r", long.display()));
    ada.sees_part("a payload may have 5000 bytes, this one has 2097152 (too-long)\n");
    ada.types("\x04");
    assert_eq!(ada.ends().0, 0);
    server.done();
}

/// `name` at a terminal, in a room of the real server.
fn at_home(server: &Real, name: &str) -> Person {
    let args = ["--port", &server.port.to_string(), "-u", name];
    Person::starts(PROGRAM, &args, &[("NO_COLOR", "1"), NOWHERE[0]], (60, 8))
}

#[test]
fn what_one_tells_somebody_is_shown_once_he_has_it() {
    let server = Real::start(smoltalk::server::Config::default());
    let mut ada = at_home(&server, "ada");
    ada.sees_part("ada> █\n");
    ada.types("tell ghost boo\r");
    ada.sees_part("smoltalk: tell ghost boo: nobody here has that name");
    assert!(!ada.picture().contains("<ada> [to ghost] boo"), "{}", ada.picture());
    ada.types("tell ada psst\r");
    ada.sees_part("<ada> [to ada] psst\n");
    ada.sees_part("<ada> [to you] psst\n");
    // The line is there to be told again.
    ada.types("\x1b[A\x1b[A");
    ada.sees_part("\nada> tell ghost boo█\n");
    ada.types("\x03\x04");
    assert_eq!(ada.ends().0, 0);
    server.stop();
}

#[test]
fn a_welcome_stands_below_what_was_said_before() {
    let server = Real::start(smoltalk::server::Config::default());
    let mut bob = at_home(&server, "bob");
    bob.sees_part("bob> █\n");
    let long: Vec<String> = (1..=40).map(|n| format!("line {n}")).collect();
    bob.pastes(&format!("send {}", long.join("\n")));
    bob.types("\r");
    bob.sees_part("<bob> line 40\n");
    let mut ada = at_home(&server, "ada");
    ada.sees_part("<bob> line 40\n* you are ada, one of 2 here; type help for help\nada> █\n");
    for person in [&mut ada, &mut bob] {
        person.types("\x04");
        assert_eq!(person.ends().0, 0);
    }
    server.stop();
}
