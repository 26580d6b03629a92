//! What is said again and what is shown when a connection, or a run, goes on where another ended.

mod fake;
mod screen;
mod talk;

use fake::{Fake, Peer, Real};
use screen::Person;
use smoltalk::server::Config;
use std::env;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use talk::{BACK, GAP, Left, Talk, ada, after_typing, back, is_lost, left, named, signal};

const REPLACED: &str = "smoltalk: the server ended the connection: replaced by somebody, perhaps you, \
                        who came in elsewhere under this name";

/// No test: the terminal's owner, see [`screen::own_terminal`].
#[test]
#[ignore = "it is started by the others"]
fn owner() {
    screen::own_terminal();
}

/// A file that is removed in the end.
struct StateFile(PathBuf);

impl StateFile {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("smoltalk-{}-{test}.state", std::process::id()));
        let _ = fs::remove_file(&path);
        Self(path)
    }

    /// A run of ada's that uses it.
    fn run(&self, port: u16) -> Command {
        let mut program = ada(port);
        program.arg("--resume").arg(&self.0);
        program
    }

    fn complains(&self, what: &str) -> String {
        format!("smoltalk: {}: {what}\n", self.0.display())
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Hears ada's JOIN, with what it asks for beside its secret; returns that.
fn hears_join(peer: &mut Peer, asked: &str) -> String {
    peer.say("HELLO smoltalk/1 [line=4096 payload=65536 history]");
    let join = peer.hear_all();
    let (words, secret) = join.split_once(" resume=").expect("a secret");
    assert_eq!(words, format!("JOIN ada data id echo{asked}"));
    assert!(secret.len() >= 22 && !secret.contains(' '), "{secret}");
    secret.into()
}

/// Lets ada in, at a place in the log.
fn lets_in(peer: &mut Peer, asked: &str, id: &str) -> String {
    let secret = hears_join(peer, asked);
    peer.say(&format!("OK ada 1 id={id} token={secret}"));
    secret
}

fn catches_up(peer: &mut Peer) {
    assert_eq!(peer.hear_all(), "PING back");
    peer.say("PONG back");
}

fn leaves(peer: &mut Peer) {
    assert_eq!(peer.hear_all(), "PING sent");
    peer.say("PONG sent");
    assert_eq!(peer.hear_all(), "LEAVE");
    peer.say("BYE");
}

#[test]
fn what_did_not_come_back_is_said_again_and_what_was_missed_is_shown() {
    let server = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        let secret = lets_in(&mut peer, "", "9-0");
        catches_up(&mut peer);
        for said in ["MSG one", "TELL bob two", "MSG three"] {
            assert_eq!(peer.hear_all(), said);
        }
        peer.say("@10-0 MSG ada one\n@10-1 MSG bob hi");
        drop(peer);
        let mut peer = Peer::of(listener);
        assert_eq!(lets_in(&mut peer, " since=10-1", "20-0"), secret);
        peer.say("@11-0 TOLD bob two\n@11-1 MSG bob hello\n@12-0 TELL bob psst");
        catches_up(&mut peer);
        assert_eq!(peer.hear_all(), "MSG three");
        peer.say("@21-0 MSG ada three\n@21-1 JOINED eve\n@21-2 NOTE hush");
        leaves(&mut peer);
    });
    let mut talk = Talk::start(&mut back(server.port));
    talk.types("send one\ntell bob two\nsend three\n");
    is_lost(&talk.complains());
    let shown = "<bob> hi\n<bob> hello\n<bob> [to you] psst\n* eve joined\n* note: hush\n";
    assert_eq!(talk.hangs_up(), left(0, shown, BACK));
    server.done();
}

#[test]
fn after_a_gap_it_goes_on_and_a_script_ends_with_1() {
    let server = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, "", "9-0");
        catches_up(&mut peer);
        assert_eq!(peer.hear_all(), "MSG one");
        drop(peer);
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, " since=9-0", "5-0");
        peer.say("GAP\n@4-0 MSG bob hi");
        catches_up(&mut peer);
        leaves(&mut peer);
    });
    let mut talk = Talk::start(&mut back(server.port));
    talk.types("send one\n");
    is_lost(&talk.complains());
    let lost = "smoltalk: the last line may not have arrived\n";
    let end = "smoltalk: one of the lines may not have arrived\n";
    assert_eq!(talk.hangs_up(), left(1, "<bob> hi\n", &format!("{BACK}{GAP}{lost}{end}")));
    server.done();
}

#[test]
fn a_join_that_came_late_is_survived_and_another_who_knows_the_secret_is_not_fought() {
    let server = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, "", "9-0");
        drop(peer);
        // This one may still arrive.
        let mut peer = Peer::of(listener);
        hears_join(&mut peer, " since=9-0");
        drop(peer);
        for _ in 0..2 {
            let mut peer = Peer::of(listener);
            lets_in(&mut peer, " since=9-0", "9-0");
            assert_eq!(peer.hear_all(), "PING back");
            peer.say("BYE replaced");
        }
    });
    let Left { code, stderr, .. } = Talk::start(back(server.port).arg("--stay")).ends();
    assert_eq!(code, Some(1));
    let replaced = REPLACED;
    let (_, end) = stderr.split_once(BACK).expect("it was back");
    assert_eq!(end, format!("{replaced}; reconnecting\n{BACK}{replaced}\n"));
    server.done();
}

#[test]
fn a_signal_ends_it_while_what_was_missed_does_not_come_to_an_end() {
    for name in ["INT", "TERM"] {
        let (heard, caught) = channel();
        let server = Fake::serves(move |listener| {
            let mut peer = Peer::of(listener);
            lets_in(&mut peer, "", "9-0");
            assert_eq!(peer.hear_all(), "PING back");
            heard.send(()).expect("the test goes on");
            assert_eq!(peer.hear_all(), "LEAVE");
            let _ = peer.end();
        });
        let mut talk = Talk::start(&mut back(server.port));
        talk.types("send one\n");
        caught.recv().expect("it joins");
        let asked = Instant::now();
        signal(name, talk.child.id());
        let left = talk.ends();
        assert!(asked.elapsed() < Duration::from_secs(2));
        assert_eq!(left.code, Some(0), "{left:?}");
        server.done();
    }
}

#[test]
fn all_hosts_are_tried_in_turn_also_to_come_back() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = gone.local_addr().expect("its address").port();
    drop(gone);
    let one = Fake::serves(|listener| {
        lets_in(&mut Peer::of(listener), "", "9-0");
    });
    let other = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, " since=9-0", "9-0");
        catches_up(&mut peer);
        leaves(&mut peer);
    });
    let hosts = format!("localhost:{nobody},127.0.0.1:{},127.0.0.1:{}", one.port, other.port);
    let mut talk = Talk::start(back(nobody).args(["--host", &hosts]));
    is_lost(&talk.complains());
    one.done();
    assert_eq!(talk.hangs_up(), left(0, "", BACK));
    other.done();
}

#[test]
fn the_last_messages_come_first_ones_own_among_them() {
    let server = Real::start(Config::default());
    after_typing(&mut named(server.port, "bob"), "send one\n");
    after_typing(&mut ada(server.port), "send two\n");
    after_typing(&mut named(server.port, "bob"), "send three\n");
    let shown = "<ada> two\n<bob> three\n";
    for program in [&mut ada(server.port), &mut back(server.port)] {
        assert_eq!(after_typing(program, ""), left(0, "", ""), "in a pipe, none");
        assert_eq!(after_typing(program.args(["--last", "2"]), ""), left(0, shown, ""));
    }
    let json = after_typing(ada(server.port).args(["--last", "1", "--json"]), "");
    let msg: serde_json::Value = json
        .stdout
        .lines()
        .nth(1)
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .expect("it");
    assert_eq!((&msg["type"], &msg["text"]), (&"msg".into(), &"three".into()));
    assert!(msg["id"].as_str().is_some_and(|id| id.contains('-')), "{msg}");
    server.stop();
}

#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    let server = Real::start(Config::default());
    let state = StateFile::new("runs");
    assert_eq!(after_typing(&mut state.run(server.port), "send one\n"), left(0, "", ""));
    let mode = fs::metadata(&state.0).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    after_typing(&mut named(server.port, "bob"), "send hi\nsend there\n");
    for shown in ["<bob> hi\n<bob> there\n", ""] {
        assert_eq!(after_typing(&mut state.run(server.port), ""), left(0, shown, ""));
    }
    // It knows the name.
    let mut anonymous = talk::program();
    anonymous.args(["--port", &server.port.to_string(), "--resume"]).arg(&state.0);
    assert_eq!(after_typing(&mut anonymous, "who\n"), left(0, "* 1 here: ada\n", ""));
    server.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_printed_is_printed_in_the_next_run() {
    let server = Real::start(Config::default());
    let state = StateFile::new("full");
    assert_eq!(after_typing(&mut state.run(server.port), ""), left(0, "", ""));
    after_typing(&mut named(server.port, "bob"), "send hi\nsend there\n");
    for _ in 0..3 {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let mut run = state.run(server.port);
        let run = run.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        assert_eq!(run.stdout(full).status().expect("it ends").code(), Some(1));
    }
    let shown = "<bob> hi\n<bob> there\n";
    assert_eq!(after_typing(&mut state.run(server.port), ""), left(0, shown, ""));
    server.stop();
}

#[test]
fn what_was_read_and_not_confirmed_when_it_was_killed_is_said_in_the_next_run_once() {
    let state = StateFile::new("killed");
    let (heard, one) = channel();
    let server = Fake::serves(move |listener| {
        let mut peer = Peer::of(listener);
        let secret = lets_in(&mut peer, "", "9-0");
        catches_up(&mut peer);
        assert_eq!(peer.hear_all(), "MSG one");
        peer.say("@10-0 MSG ada one\n@10-1 MSG bob hi");
        assert_eq!(peer.hear_all(), "MSG two");
        assert_eq!(peer.hear_all(), "TELL bob three");
        heard.send(()).expect("the test goes on");
        let _ = peer.end();
        let mut peer = Peer::of(listener);
        peer.say("HELLO smoltalk/1");
        let join = peer.hear_all();
        // The last line that was printed may not have been noted.
        let since =
            ["10-0", "10-1"].map(|id| format!("JOIN ada data id echo since={id} resume={secret}"));
        assert!(since.contains(&join), "{join}");
        peer.say(&format!("OK ada 1 id=20-0 token={secret}"));
        peer.say("@11-0 MSG ada two\n@11-1 MSG bob hello");
        catches_up(&mut peer);
        assert_eq!(peer.hear_all(), "TELL bob three");
        assert_eq!(peer.hear_all(), "MSG four");
        peer.say("@21-0 TOLD bob three\n@21-1 MSG ada four");
        leaves(&mut peer);
    });
    let mut talk = Talk::start(&mut state.run(server.port));
    talk.types("send one\n");
    assert_eq!(talk.shows(), "<bob> hi\n");
    talk.types("send two\ntell bob three\n");
    one.recv().expect("it says them");
    talk.child.kill().expect("it runs");
    let _ = talk.ends();
    let left_behind = after_typing(&mut state.run(server.port), "send four\n");
    assert_eq!(left_behind, left(0, "<bob> hello\n", ""));
    server.done();
}

#[test]
fn who_ended_behind_a_gap_says_nothing_twice_in_the_next_run() {
    let state = StateFile::new("gap");
    let server = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, "", "9-0");
        catches_up(&mut peer);
        assert_eq!(peer.hear_all(), "MSG one");
        drop(peer);
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, " since=9-0", "20-0");
        peer.say("GAP\n@18-0 MSG bob hi");
        assert_eq!(peer.hear_all(), "PING back");
        assert_eq!(peer.hear_all(), "LEAVE");
        peer.say("BYE");
        let _ = peer.end();
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, " since=18-0", "20-0");
        peer.say("@19-0 MSG bob there");
        catches_up(&mut peer);
        leaves(&mut peer);
    });
    let talk = after_typing(&mut state.run(server.port), "send one\n");
    assert_eq!((talk.code, talk.stdout.as_str()), (Some(1), ""));
    is_lost(&talk.stderr.replace('\n', "; reconnecting\n"));
    let mut talk = Talk::start(&mut state.run(server.port));
    assert_eq!(talk.shows(), "<bob> hi\n");
    assert_eq!(talk.complains(), GAP);
    signal("TERM", talk.child.id());
    assert_eq!(talk.ends().code, Some(0));
    let lost = "smoltalk: the last line may not have arrived\n";
    let end = "smoltalk: one of the lines may not have arrived\n";
    let left_behind = after_typing(&mut state.run(server.port), "");
    assert_eq!(left_behind, left(1, "<bob> there\n", &format!("{lost}{end}")));
    server.done();
}

#[test]
fn a_first_join_that_came_late_is_survived() {
    let silent = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        hears_join(&mut peer, "");
        let _ = peer.end();
    });
    let other = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, "", "9-0");
        catches_up(&mut peer);
        peer.say("BYE replaced");
        let _ = peer.end();
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, " since=9-0", "9-0");
        catches_up(&mut peer);
        leaves(&mut peer);
    });
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", silent.port, other.port);
    let mut talk = Talk::start(back(silent.port).args(["--host", &hosts, "--timeout", "1"]));
    assert_eq!(talk.complains(), format!("{REPLACED}; reconnecting\n"));
    silent.done();
    assert_eq!(talk.hangs_up(), left(0, "", BACK));
    other.done();
}

#[test]
fn a_file_is_for_one_run_at_a_time_and_for_one_name() {
    let server = Real::start(Config::default());
    let state = StateFile::new("one");
    let mut talk = Talk::start(&mut state.run(server.port));
    talk.types("who\n");
    assert_eq!(talk.shows(), "* 1 here: ada\n");
    let second = after_typing(&mut state.run(server.port), "");
    assert_eq!(second, left(1, "", &state.complains("another run uses it")));
    assert_eq!(talk.hangs_up(), left(0, "", ""));
    let mut bob = named(server.port, "bob");
    let refused = after_typing(bob.arg("--resume").arg(&state.0), "");
    let why = state.complains("this is ada's, and --username says otherwise");
    assert_eq!(refused, left(1, "", &why));
    server.stop();
}

#[test]
fn a_file_that_is_something_else_is_refused_and_not_touched() {
    let state = StateFile::new("else");
    fs::write(&state.0, "dear diary\n").expect("written");
    let why = state.complains("this is no file that --resume has made");
    assert_eq!(after_typing(&mut state.run(1), "send hi\n"), left(1, "", &why));
    assert_eq!(fs::read_to_string(&state.0).expect("a file"), "dear diary\n");
}

#[test]
fn a_server_that_knows_no_ids_is_no_place_to_go_on() {
    let state = StateFile::new("old");
    let server = Fake::plays("< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> LEAVE\n< BYE");
    let Left { code, stderr, .. } = after_typing(&mut state.run(server.port), "send hi\n");
    assert_eq!(code, Some(3));
    assert!(stderr.contains("knows no ids"), "{stderr}");
    server.done();
}

#[test]
fn at_a_terminal_what_was_missed_stands_between_two_lines_with_its_time() {
    let (go, wait) = channel::<()>();
    let server = Fake::serves(move |listener| {
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, " last=20", "60000-0");
        peer.say("@0-1 MSG ada yesterday\n@0-2 MSG bob indeed");
        assert_eq!(peer.hear_all(), "PING back");
        assert_eq!(peer.hear_all(), "WHO");
        peer.say("PONG back\nWHO 2 ada bob");
        assert_eq!(peer.hear_all(), "MSG hi");
        wait.recv().expect("it was seen");
        drop(peer);
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, " since=60000-0", "600000-0");
        peer.say("@420000-0 MSG bob while you were out\n@420000-1 MSG ada hi");
        assert_eq!(peer.hear_all(), "PING back");
        assert_eq!(peer.hear_all(), "WHO");
        peer.say("PONG back\nWHO 2 ada bob");
        peer.say("@700000-0 MSG bob live");
        assert_eq!(peer.hear_all(), "LEAVE");
        peer.say("BYE");
    });
    let port = server.port.to_string();
    let set = [("NO_COLOR", "1"), ("XDG_STATE_HOME", "/dev/null")];
    let args = ["--username", "ada", "--port", &port];
    let mut ada = Person::starts(env!("CARGO_BIN_EXE_smoltalk"), &args, &set, (60, 20));
    ada.reads("── Thursday, 1 January 1970 ──\r\n00:00 <ada> yesterday\r\n");
    ada.reads("00:00 <bob> indeed\r\n");
    ada.types("send hi\r");
    ada.sees_part("<ada> hi\nada> █\n");
    go.send(()).expect("the server waits");
    ada.sees_part("<bob> live\nada> █\n");
    let picture = ada.picture();
    let (_, missed) = picture.split_once("connected again\n").expect("it is back");
    let between = "── while you were away ──\n── Thursday, 1 January 1970 ──\n\
                   09:05 <bob> while you were out\n─────────────────────────\n";
    assert!(missed.contains(between), "{picture}");
    ada.reads("00:07 <bob> while you were out\r\n");
    ada.types("leave\r");
    assert_eq!(ada.ends().0, 0);
    server.done();
}

#[test]
fn a_gap_is_told_of_among_what_was_missed() {
    let server = Fake::serves(|listener| {
        for (asked, said) in [(" last=20", ""), (" since=9-0", "GAP\n@12-0 MSG bob hi\n")] {
            let mut peer = Peer::of(listener);
            lets_in(&mut peer, asked, if said.is_empty() { "9-0" } else { "20-0" });
            assert_eq!(peer.hear_all(), "PING back");
            assert_eq!(peer.hear_all(), "WHO");
            peer.say(&format!("{said}PONG back\nWHO 2 ada bob"));
            if !said.is_empty() {
                assert_eq!(peer.hear_all(), "LEAVE");
                peer.say("BYE");
            }
        }
    });
    let port = server.port.to_string();
    let set = [("NO_COLOR", "1"), ("XDG_STATE_HOME", "/dev/null")];
    let args = ["--username", "ada", "--port", &port];
    let mut ada = Person::starts(env!("CARGO_BIN_EXE_smoltalk"), &args, &set, (100, 20));
    ada.sees_part("<bob> hi\n─────────────────────────\nada> █\n");
    let picture = ada.picture();
    assert!(picture.contains(&format!("── while you were away ──\n{GAP}")), "{picture}");
    ada.types("leave\r");
    assert_eq!(ada.ends().0, 0);
    server.done();
}

/// Ada at a terminal, in a room that takes her line and says nothing to it; then it `goes`, or she does.
fn leaves_unconfirmed(goes: bool) -> String {
    let (go, wait) = channel::<()>();
    let server = Fake::serves(move |listener| {
        let mut peer = Peer::of(listener);
        lets_in(&mut peer, " last=20", "60000-0");
        assert_eq!(peer.hear_all(), "PING back");
        assert_eq!(peer.hear_all(), "WHO");
        peer.say("PONG back\nWHO 1 ada");
        assert_eq!(peer.hear_all(), "MSG hi");
        if goes {
            return;
        }
        assert_eq!(peer.hear_all(), "LEAVE");
        wait.recv().expect("she has gone");
    });
    let port = server.port.to_string();
    let set = [("NO_COLOR", "1"), ("XDG_STATE_HOME", "/dev/null")];
    let args = ["--username", "ada", "--port", &port];
    let mut ada = Person::starts(env!("CARGO_BIN_EXE_smoltalk"), &args, &set, (60, 20));
    ada.sees_part("ada> █\n");
    ada.types("send hi\r");
    ada.sees_part(if goes { "(offline" } else { "<ada> hi\nada> █\n" });
    ada.types("leave\r");
    let (code, end) = ada.ends();
    assert_eq!(code, 0);
    // Where it went, the client has gone before this.
    let _ = go.send(());
    server.done();
    end
}

#[test]
fn who_leaves_a_terminal_is_told_what_may_not_have_arrived() {
    for goes in [false, true] {
        let end = leaves_unconfirmed(goes);
        assert!(end.contains("smoltalk: the last line may not have arrived"), "{goes}: {end}");
    }
}
