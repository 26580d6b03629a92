//! Getting in and getting back in: `--timeout`, `--reconnect`, and `ping` through it.

mod fake;
mod talk;

use fake::{DEADLINE, Fake, Peer, Real};
use serde_json::Value;
use smoltalk::server::Config;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use talk::{BACK, GAP, Leash, Left, Talk, ada, after_typing, back, is_lost, left, named, signal};

const IN: &str = "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n";
const OUT: &str = "> PING sent\n< PONG sent\n> LEAVE\n< BYE";
const LOST: &str = "smoltalk: the server closed the connection; reconnecting\n";

/// `smoltalkd` in a process of its own, which can be killed.
struct Daemon {
    child: Leash,
    port: u16,
}

impl Daemon {
    /// On `port`, or on any if that is 0.
    fn start(port: u16) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_smoltalkd"));
        program.args(["--listen", &format!("127.0.0.1:{port}")]).env_remove("SMOLTALK_LISTEN");
        let mut child = program.stderr(Stdio::piped()).spawn().expect("the server starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let port = said.find_map(|line| {
            let line = line.expect("UTF-8");
            line.strip_prefix("listening on 127.0.0.1:")?.parse().ok()
        });
        // Nobody may be hung up on for what is not read.
        thread::spawn(move || said.count());
        Self { child: Leash(child), port: port.expect("it says where it listens") }
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }
}

/// A wire between clients and a server. Its first connection can be cut so that only the client
/// sees it.
struct Wire {
    port: u16,
    cut: std::sync::mpsc::Sender<()>,
    ghosts: std::sync::mpsc::Receiver<TcpStream>,
}

impl Wire {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (cut, cuts) = channel::<()>();
        let (ghost, ghosts) = channel();
        thread::spawn(move || {
            for (at, client) in listener.incoming().enumerate() {
                let client = client.expect("a connection");
                let server = TcpStream::connect(("127.0.0.1", server)).expect("a server");
                copy(&client, &server, at > 0);
                copy(&server, &client, true);
                if at == 0 && cuts.recv().is_ok() {
                    client.shutdown(Shutdown::Both).expect("it is open");
                    ghost.send(server).expect("the test goes on");
                }
            }
        });
        Self { port, cut, ghosts }
    }

    /// Cuts the connection; the server's end of it stays, for as long as it is held.
    fn cut(&self) -> TcpStream {
        self.cut.send(()).expect("it is there");
        self.ghosts.recv_timeout(DEADLINE).expect("it was cut")
    }
}

/// Carries bytes on, and the end of them too where `end` says so.
fn copy(from: &TcpStream, to: &TcpStream, end: bool) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("one"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        if end {
            let _ = to.shutdown(Shutdown::Both);
        }
    });
}

/// Takes failed attempts off standard error, until it is in again.
fn attempts_until_back(talk: &mut Talk, failure: &str) {
    loop {
        let line = talk.complains();
        if line == BACK {
            return;
        }
        assert!(line.starts_with("smoltalk: attempt ") && line.ends_with(failure), "{line:?}");
    }
}

#[test]
fn a_server_that_is_killed_and_started_again_is_found_again() {
    let daemon = Daemon::start(0);
    let port = daemon.port;
    let mut talk = Talk::start(&mut back(port));
    talk.types("send hi\nwho\n");
    assert_eq!(talk.shows(), "* 1 here: ada\n");
    // What was said waits for the server's word that one is in; what is asked now comes behind it.
    talk.types("who\n");
    assert_eq!(talk.shows(), "* 1 here: ada\n");
    daemon.kill();
    is_lost(&talk.complains());
    let failed = format!("127.0.0.1:{port}: cannot connect: connection refused\n");
    assert_eq!(talk.complains(), format!("smoltalk: attempt 1: {failed}"));
    // What is typed meanwhile waits.
    talk.types("who\n");
    let daemon = Daemon::start(port);
    attempts_until_back(&mut talk, &failed);
    assert_eq!(talk.shows(), "* 1 here: ada\n");
    // What others have said before went with the server, for all one knows.
    assert_eq!(talk.hangs_up(), left(1, "", GAP));
    daemon.kill();
}

#[test]
fn a_ghost_is_taken_over_and_nobody_sees_it() {
    let server = Real::start(Config::default());
    let wire = Wire::to(server.port);
    let mut bob = Talk::start(named(server.port, "bob").arg("--stay"));
    bob.types("who\n");
    assert_eq!(bob.shows(), "* 1 here: bob\n");
    let mut talk = Talk::start(back(wire.port).arg("--stay"));
    assert_eq!(bob.shows(), "* ada joined\n");
    talk.types("who\n");
    assert_eq!(talk.shows(), "* 2 here: ada bob\n");
    let ghost = wire.cut();
    is_lost(&talk.complains());
    assert_eq!(talk.complains(), BACK);
    talk.types("send back\n");
    assert_eq!(bob.shows(), "<ada> back\n");
    drop(ghost);
    talk.types("leave\n");
    assert_eq!(talk.ends(), left(0, "", ""));
    server.stop();
}

#[test]
fn attempts_are_counted_until_one_succeeds() {
    let server = Fake::plays_in_turn(&[
        IN,
        "",
        "< HELLO smoltalk/1\n> JOIN ada\n< ERR name-taken",
        &format!("{IN}{OUT}"),
    ]);
    let mut talk = Talk::start(&mut back(server.port));
    is_lost(&talk.complains());
    assert_eq!(talk.complains(), "smoltalk: attempt 1: the server closed the connection\n");
    assert_eq!(talk.complains(), "smoltalk: attempt 2: name-taken\n");
    assert_eq!(talk.hangs_up(), left(0, "", BACK));
    server.done();
}

#[test]
fn what_was_confirmed_before_the_loss_is_no_reason_to_fail() {
    let server = Fake::plays_in_turn(&[
        &format!("{IN}> MSG one\n> PING so far\n< PONG so far"),
        &format!("{IN}> MSG two\n> PING so far\n< PONG so far\n{OUT}"),
    ]);
    let mut talk = Talk::start(&mut back(server.port));
    talk.types("send one\n");
    is_lost(&talk.complains());
    talk.types("send two\n");
    assert_eq!(talk.hangs_up(), left(0, "", BACK));
    server.done();
}

#[test]
fn what_may_have_been_lost_is_not_said_again_but_reported() {
    let server = Fake::plays_in_turn(&[
        &format!("{IN}> MSG one\n> TELL bob two\n> PING so far\n> PING sent"),
        &format!("{IN}{OUT}"),
    ]);
    let left_behind = after_typing(&mut back(server.port), "send one\ntell bob two\n");
    let doubt = "smoltalk: the last 2 lines may not have arrived\n";
    let end = "smoltalk: 2 of the lines may not have arrived\n";
    assert_eq!(left_behind, left(1, "", &format!("{LOST}{doubt}{BACK}{end}")));
    server.done();
}

#[test]
fn with_stay_it_comes_back_though_nothing_more_is_typed() {
    let server = Fake::plays_in_turn(&[
        &format!("{IN}< MSG bob one\n< BYE shutdown\n."),
        &format!("{IN}< MSG bob two\n> LEAVE\n< BYE\n."),
    ]);
    let mut talk = Talk::start(back(server.port).arg("--stay"));
    talk.stdin = None;
    assert_eq!(talk.shows(), "<bob> one\n");
    let ended = "smoltalk: the server ended the connection: shutdown; reconnecting\n";
    assert_eq!(talk.complains(), ended);
    assert_eq!(talk.shows(), "<bob> two\n");
    signal("TERM", talk.child.id());
    assert_eq!(talk.ends(), left(0, "", BACK));
    server.done();
}

#[test]
fn json_says_what_comes_and_goes() {
    let server = Fake::plays_in_turn(&[IN, &format!("{IN}{OUT}")]);
    let mut talk = Talk::start(back(server.port).arg("--json"));
    is_lost(&talk.complains());
    let Left { code, stdout, stderr } = talk.hangs_up();
    assert_eq!((code, stderr.as_str()), (Some(0), BACK));
    let kinds: Vec<String> = stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|object| object["type"].as_str().expect("a type").into())
        .collect();
    assert_eq!(kinds, ["ok", "lost", "ok", "bye"]);
    server.done();
}

#[test]
fn a_taken_name_and_a_full_room_pass_and_any_other_refusal_ends_it_with_3() {
    for (refusal, why) in [
        ("< ERR banned go away", "go away (banned)"),
        ("< HELLO smoltalk/1\n> JOIN ada\n< ERR denied", "denied"),
    ] {
        let server = Fake::plays_in_turn(&[IN, "< ERR full no place", refusal]);
        let left_behind = Talk::start(&mut back(server.port)).ends();
        let full = "smoltalk: attempt 1: no place (full)\n";
        assert_eq!(left_behind, left(3, "", &format!("{LOST}{full}smoltalk: {why}\n")));
        server.done();
    }
}

#[test]
fn who_was_put_out_does_not_come_back() {
    let reasons =
        [("kicked", "kicked"), ("kicked for good", "kicked: for good"), ("denied", "denied")];
    for (reason, said) in reasons {
        let server = Fake::plays(&format!("{IN}< BYE {reason}\n."));
        let why = format!("smoltalk: the server ended the connection: {said}\n");
        assert_eq!(Talk::start(&mut back(server.port)).ends(), left(1, "", &why));
        server.done();
    }
}

#[test]
fn who_was_replaced_does_not_come_back() {
    let server = Fake::plays(&format!("{IN}< BYE replaced\n."));
    let why = "smoltalk: the server ended the connection: replaced by somebody, perhaps you, \
               who came in elsewhere under this name\n";
    assert_eq!(Talk::start(&mut back(server.port)).ends(), left(1, "", why));
    server.done();
}

#[test]
fn only_who_was_in_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let why = format!("smoltalk: {address}: cannot connect: connection refused\n");
    assert_eq!(after_typing(&mut back(address.port()), ""), left(1, "", &why));
    let taken = Fake::plays("< HELLO smoltalk/1\n> JOIN ada\n< ERR name-taken");
    let left_behind = after_typing(&mut back(taken.port), "");
    assert_eq!(left_behind, left(3, "", "smoltalk: name-taken\n"));
    taken.done();
}

#[test]
fn a_signal_ends_the_waiting() {
    let server = Fake::plays(IN);
    let mut talk = Talk::start(&mut back(server.port));
    is_lost(&talk.complains());
    server.done();
    signal("INT", talk.child.id());
    let Left { code, stdout, .. } = talk.ends();
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
}

#[test]
fn nobody_comes_back_for_nobody() {
    let server = Fake::plays(&format!("{IN}< MSG bob hi"));
    let mut talk = Talk::start(back(server.port).arg("--stay"));
    assert_eq!(talk.shows(), "<bob> hi\n");
    let Talk { stdout, stderr, mut child, .. } = talk;
    drop((stdout, stderr));
    // There are no events that could fail to be written.
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    server.done();
}

#[test]
fn a_half_open_connection_is_let_go_before_the_next() {
    let server = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        peer.say("HELLO smoltalk/1");
        assert_eq!(peer.hear(), "JOIN ada");
        peer.say("OK ada 1");
        // No server of this protocol says this: it is done with, but it stays connected.
        let _ = peer.stream.write_all(&b"x".repeat(20_000));
        peer.end();
        peer = Peer::of(listener);
        peer.say("ERR denied");
    });
    let left_behind = Talk::start(&mut back(server.port)).ends();
    let why = "this is no smoltalk server: a line over 16384 bytes; reconnecting";
    assert_eq!(left_behind, left(3, "", &format!("smoltalk: {why}\nsmoltalk: denied\n")));
    server.done();
}

#[test]
fn who_says_nothing_is_waited_for_so_long_and_no_longer() {
    let silent = |said: &'static str| {
        Fake::runs(move |mut peer| {
            peer.stream.write_all(said.as_bytes()).expect("it listens");
            let mut heard = String::new();
            let _ = peer.stream.read_to_string(&mut heard);
        })
    };
    for (server, why) in [
        (silent(""), "this is no smoltalk server: it says nothing"),
        (silent("HELLO smoltalk/1\n"), "cannot connect: no answer to JOIN within 0.2 s"),
    ] {
        let left_behind = after_typing(ada(server.port).args(["--timeout", "0.2"]), "");
        let why = format!("smoltalk: 127.0.0.1:{}: {why}\n", server.port);
        assert_eq!(left_behind, left(1, "", &why));
        server.done();
    }
}

#[test]
fn a_server_that_takes_its_time_to_say_hello_is_waited_for() {
    let server = Fake::runs(|mut peer| {
        // It has been asked for something, and has said nothing yet.
        (0..5).for_each(|_| assert_eq!(peer.hear_all(), ""));
        peer.plays("< HELLO smoltalk/1 hi\n> JOIN ada\n< OK ada 1\n> PING sent\n< PONG sent\n> LEAVE\n< BYE\n.");
    });
    assert_eq!(after_typing(ada(server.port).args(["--timeout", "2"]), ""), left(0, "", ""));
    server.done();
}

#[test]
fn who_goes_when_it_hears_something_may_speak_tls() {
    let server = Fake::runs(|mut peer| peer.read_exact(&mut [0; 5]));
    let ended = after_typing(ada(server.port).args(["--timeout", "2"]), "");
    let why = "it says nothing, and goes when it hears something: it may speak TLS";
    let said = format!("smoltalk: 127.0.0.1:{}: this is no smoltalk server: {why}\n", server.port);
    assert_eq!(ended, left(1, "", &said));
    server.done();
}

#[test]
fn what_speaks_tls_is_said_to() {
    let server = Fake::runs(|mut peer| {
        peer.stream.write_all(b"\x15\x03\x03\x00\x02\x02\x46").expect("it listens");
        peer.end();
    });
    let ended = after_typing(ada(server.port).args(["--timeout", "2"]), "");
    let how = if cfg!(feature = "tls") { "--tls is for that" } else { "this build has none" };
    let why = format!("127.0.0.1:{}: this server speaks TLS: {how}", server.port);
    assert_eq!(ended, left(1, "", &format!("smoltalk: {why}\n")));
    server.done();
}

#[test]
fn ping_shows_the_round_trip_beside_the_rooms_events() {
    let server = Real::start(Config::default());
    let Left { code, stdout, stderr } = after_typing(&mut ada(server.port), "ping\nwho\nping\n");
    assert_eq!((code, stdout.as_str()), (Some(0), "* 1 here: ada\n"));
    assert_eq!(stderr.lines().count(), 2);
    for line in stderr.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [pong, number, unit] = words[..] else { panic!("{line}") };
        assert!(pong == "pong:" && ["µs", "ms"].contains(&unit), "{line}");
        assert!(number.parse::<u64>().is_ok(), "{line}");
    }
    server.stop();
}

/// Lets in whoever joins with a secret: the log stands at this place. Returns what was asked for.
fn lets_in(peer: &mut Peer, place: &str) -> String {
    peer.say("HELLO smoltalk/1 hi");
    let join = peer.hear_all();
    let secret = join.split("resume=").nth(1).and_then(|rest| rest.split(' ').next());
    peer.say(&format!("OK ada 1 id={place} token={}", secret.expect("a secret")));
    join
}

#[test]
fn a_line_whose_refusal_was_lost_with_the_connection_is_not_taken_for_said() {
    let server = Fake::serves(|listener| {
        let mut first = Peer::of(listener);
        lets_in(&mut first, "100-0");
        assert_eq!(first.hear_all(), "PING back");
        first.say("PONG back");
        assert_eq!(first.hear_all(), "TELL nobody hi");
        assert_eq!(first.hear_all(), "MSG hi");
        drop(first);
        let mut second = Peer::of(listener);
        assert!(lets_in(&mut second, "101-0").contains(" since=100-0"));
        second.say("@101-0 MSG ada hi");
        second.plays("> PING back\n< PONG back\n> PING sent\n< PONG sent\n> LEAVE\n< BYE");
    });
    let ended = after_typing(ada(server.port).arg("--reconnect"), "tell nobody hi\nsend hi\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    let why = "smoltalk: one of the lines was refused; why, was lost with the connection\n";
    assert!(ended.stderr.ends_with(why), "{}", ended.stderr);
    server.done();
}
