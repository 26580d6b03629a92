//! `smoltalk` from outside: what a script, a pipe and a person's shell see.

mod fake;
mod talk;

use fake::{Fake, Peer, Real};
use smoltalk::server::{Config, Server};
use std::io::{Read, Write};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use talk::{Left, Talk, ada, after_typing, left, named, program, signal};

const USAGE: &str = "smoltalk: line 1 was not said: type send <MSG>, send-file <PATH>, tell <NAME> <MSG>, \
                     reply <MSG>, ignore <NAME>, who, ping, leave or help; with --lines, each line is a message\n";

#[test]
fn what_is_typed_is_sent_confirmed_and_left() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < OK ada 1
         > MSG hi
         > MSG   two  blanks
         > TELL bob  psst
         > WHO
         < WHO 2 ada bob
         > PING sent
         < MSG bob before
         < PONG sent
         > LEAVE
         < MSG bob after
         < BYE
         .",
    );
    let typed = "send hi\nsend   two  blanks\r\n\ntell bob  psst\nwho";
    let shown = "* 2 here: ada bob\n<bob> before\n<bob> after\n";
    assert_eq!(after_typing(&mut ada(server.port), typed), left(0, shown, ""));
    server.done();
}

#[test]
fn each_event_has_its_form() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < MSG bob early
         < OK ada 1
         < MSG bob hi
         < TELL bob hi
         < JOINED eve
         < LEFT eve
         < LEFT bob stalled
         < WHO 3 ada bob
         < WHO 3 eve
         > PING sent
         < PONG sent
         > LEAVE
         < BYE",
    );
    let shown = "<bob> early\n<bob> hi\n<bob> [to you] hi\n* eve joined\n* eve left\n\
                 * bob left (stalled)\n* 3 here: ada bob eve\n";
    assert_eq!(after_typing(&mut ada(server.port), ""), left(0, shown, ""));
    server.done();
}

#[test]
fn each_line_appears_as_it_comes() {
    let server = Fake::after_join(|mut peer| {
        for n in 0..3 {
            peer.say(&format!("MSG bob {n}"));
            assert_eq!(peer.hear(), format!("MSG seen {n}"));
        }
    });
    let mut talk = Talk::start(&mut ada(server.port));
    for n in 0..3 {
        assert_eq!(talk.shows(), format!("<bob> {n}\n"));
        talk.types(format!("send seen {n}\n"));
    }
    server.done();
}

#[test]
fn typing_leave_leaves_at_once() {
    for leave in ["leave\n", "leave  \n"] {
        let server =
            Fake::plays("< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> MSG hi\n> LEAVE\n< BYE\n.");
        let mut talk = Talk::start(&mut ada(server.port));
        talk.types(format!("send hi\n{leave}"));
        assert_eq!(talk.ends(), left(0, "", ""));
        server.done();
    }
}

#[test]
fn anything_else_is_answered_with_what_can_be_typed_and_not_sent() {
    let server = Fake::plays(
        "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> PING sent\n< PONG sent\n> LEAVE",
    );
    let typed = "leave me alone\nhi\nsend\nsend \ntell bob\n  \nLEAVE\n";
    let mut port = ada(server.port);
    let expected = format!(
        "{USAGE}\
         smoltalk: line 2 was not said: this is no command\n\
         smoltalk: line 3 was not said: send takes a message\n\
         smoltalk: line 4 was not said: send takes a message\n\
         smoltalk: line 5 was not said: tell takes a name and a message\n\
         smoltalk: line 7 was not said: type leave, in small letters\n"
    );
    assert_eq!(after_typing(&mut port, typed), left(1, "", &expected));
    server.done();
}

#[test]
fn help_is_no_event_of_the_room() {
    let server = Fake::plays(
        "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> PING sent\n< PONG sent\n> LEAVE",
    );
    let Left { code, stdout, stderr } = after_typing(&mut ada(server.port), "help\n");
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
    for word in ["send <MSG>", "tell <NAME> <MSG>", "who", "ping", "leave", "help"] {
        assert!(stderr.contains(word), "{word}");
    }
}

#[test]
fn what_is_not_utf_8_is_made_safe() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < OK ada 1
         > MSG \u{fffd}\u{fffd}␛[m␀
         > PING sent
         < PONG sent
         > LEAVE",
    );
    assert_eq!(after_typing(&mut ada(server.port), b"send \xff\xfb\x1b[m\0\n"), left(0, "", ""));
    server.done();
}

#[test]
fn a_line_that_is_too_long_for_one_goes_as_a_payload() {
    let most = "x".repeat(4092);
    let long = format!("{most}x");
    let said = [format!("MSG {most}"), "DATA 4093".into(), long.clone(), "MSG hi".into()];
    let server = Fake::after_join(move |mut peer| {
        for said in said {
            assert_eq!(peer.hear(), said);
        }
        assert_eq!(peer.hear(), "PING sent");
        peer.say("PONG sent");
        assert_eq!(peer.hear(), "LEAVE");
    });
    let typed = format!("send {most}\nsend {long}\nsend hi\n");
    assert_eq!(after_typing(&mut ada(server.port), typed), left(0, "", ""));
    server.done();
}

#[test]
fn a_line_that_is_too_long_is_not_sent_and_the_next_is() {
    let server = Fake::runs(|mut peer| {
        peer.say("HELLO smoltalk/1 hi [payload=65536]");
        assert_eq!(peer.hear(), "JOIN ada");
        peer.say("OK ada 1");
        for said in ["MSG hi", "PING sent"] {
            assert_eq!(peer.hear(), said);
        }
        peer.say("PONG sent");
        assert_eq!(peer.hear(), "LEAVE");
    });
    let (long, endless) = ("x".repeat(65_537), "x".repeat(2_000_000));
    let typed = format!("send {long}\nsend {endless}\nsend hi\ntell bob {long}\n");
    let complaints = "smoltalk: line 1 was not said: a payload may have 65536 bytes, this one has 65537 (too-long)\n\
         smoltalk: line 2 was not said: a message may have 65536 bytes, this line has 2000005 (too-long)\n\
         smoltalk: line 4 was not said: a line may have 4096 bytes, this one has 65546 (too-long)\n";
    assert_eq!(after_typing(&mut ada(server.port), typed), left(1, "", complaints));
    server.done();
}

#[test]
fn a_line_that_was_not_said_shows_in_the_exit_code() {
    let server = Real::start(Config::default());
    for (typed, code) in [
        ("hi\n", 1),
        ("send-file /nonexistent\n", 1),
        ("tell nobody hi\n", 3),
        ("tell nobody hi\nleave\n", 3),
        ("tell b/b hi\n", 3),
        ("hi\ntell nobody hi\nwho\n", 3),
        ("\nhelp\nping\nwho\nsend hi", 0),
    ] {
        for come_back in ["--reconnect", "--no-reconnect"] {
            let ended = after_typing(ada(server.port).arg(come_back), typed);
            assert_eq!(ended.code, Some(code), "{typed} {come_back}: {}", ended.stderr);
            let complaints = ended.stderr.lines().filter(|line| line.starts_with("smoltalk: "));
            let wrong = typed.lines().filter(|l| l.starts_with('h') && *l != "help").count()
                + typed.matches("tell ").count()
                + typed.matches("send-file").count();
            assert_eq!(complaints.count(), wrong, "{typed}: {}", ended.stderr);
        }
    }
    server.stop();
}

#[test]
fn with_lines_every_line_is_a_message_and_none_a_command() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < OK ada 1
         > MSG leave
         > MSG /quit
         > MSG //
         > MSG send-file /etc/passwd
         > MSG   indented
         > MSG  
         > PING sent
         < PONG sent
         > LEAVE
         < BYE",
    );
    let typed = "leave\n/quit\n//\n\nsend-file /etc/passwd\n  indented\r\n \n";
    assert_eq!(after_typing(ada(server.port).arg("--lines"), typed), left(0, "", ""));
    server.done();
}

#[test]
fn in_a_pipe_a_chat_sends_no_files() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < OK ada 1
         > MSG /etc/passwd
         > PING sent
         < PONG sent
         > LEAVE
         < BYE",
    );
    let typed = "/send-file /etc/passwd\n//etc/passwd\n";
    let complaint = "smoltalk: line 1 was not said: in a pipe, --chat sends no files\n";
    assert_eq!(after_typing(ada(server.port).arg("--chat"), typed), left(1, "", complaint));
    server.done();
}

/// A line without the time that it begins with.
#[track_caller]
fn timed(line: &str) -> (&str, &str) {
    let (time, line) = line.split_once(' ').expect("two words");
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z");
    (time, line)
}

#[test]
fn with_time_each_line_begins_with_it_and_a_replayed_one_with_its_own() {
    let server = Fake::runs(|mut peer| {
        peer.say("HELLO smoltalk/1");
        assert_eq!(peer.hear_all(), "JOIN ada data id last=2");
        peer.say("OK ada 1 id=1767225599042-9 token=0123456789abcdef");
        for line in ["@1767225599041-0 MSG bob hi", "@1767225599042-0 DATA bob 3\na\nb"] {
            peer.say(line);
        }
        peer.say("@1767225699041-0 JOINED eve");
        assert_eq!(peer.hear(), "PING sent");
        peer.say("PONG sent");
        assert_eq!(peer.hear(), "LEAVE");
    });
    let Left { code, stdout, stderr } =
        after_typing(ada(server.port).args(["--time", "--last=2"]), "help\n");
    let lines: Vec<(&str, &str)> = stdout.lines().map(timed).collect();
    assert_eq!(
        lines[..3],
        [
            ("2025-12-31T23:59:59.041Z", "<bob> hi"),
            ("2025-12-31T23:59:59.042Z", "<bob> a"),
            ("2025-12-31T23:59:59.042Z", "<bob> b")
        ]
    );
    assert_eq!((lines[3].1, lines.len(), code), ("* eve joined", 4, Some(0)));
    assert!(lines[3].0 > "2026-01-02" && !stderr.starts_with('2'), "{stdout}{stderr}");
    server.done();
}

#[test]
fn an_error_of_the_server_is_shown_and_ends_nothing() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < OK ada 1
         > TELL eve hi
         < ERR no-such-member nobody here has that name
         < MSG bob hi
         > PING sent
         < PONG sent
         > LEAVE",
    );
    let nobody = "nobody here has that name (no-such-member)\n";
    let complaints =
        format!("smoltalk: line 1 was not said: {nobody}smoltalk: line 2 was not said: {nobody}");
    let typed = "tell b/b hi\ntell eve hi\n";
    assert_eq!(after_typing(&mut ada(server.port), typed), left(3, "<bob> hi\n", &complaints));
    server.done();
}

#[test]
fn with_stay_it_listens_on_until_the_server_ends_it() {
    let server = Fake::plays(
        "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> MSG hi\n< MSG bob hi\n< BYE shutdown\n.",
    );
    let ended = "smoltalk: the server ended the connection: shutdown\n";
    let left_behind = after_typing(ada(server.port).arg("--stay"), "send hi");
    assert_eq!(left_behind, left(1, "<bob> hi\n", ended));
    server.done();
}

#[test]
fn a_signal_has_it_leave() {
    for name in ["INT", "TERM"] {
        let server = Fake::plays(
            "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n< MSG bob hi\n> LEAVE\n< BYE\n.",
        );
        let mut talk = Talk::start(ada(server.port).arg("--stay"));
        assert_eq!(talk.shows(), "<bob> hi\n");
        signal(name, talk.child.id());
        assert_eq!(talk.hangs_up(), left(0, "", ""));
        server.done();
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // No BYE ever comes. Killed for hanging, it would have no exit code.
    let (left_behind, seen) = channel();
    let server = Fake::after_join(move |mut peer| {
        peer.say("MSG bob hi");
        assert_eq!(peer.hear(), "LEAVE");
        left_behind.send(()).expect("the test goes on");
        assert_eq!(peer.end(), ".");
    });
    let mut talk = Talk::start(&mut ada(server.port));
    assert_eq!(talk.shows(), "<bob> hi\n");
    signal("TERM", talk.child.id());
    seen.recv().expect("it leaves");
    signal("TERM", talk.child.id());
    assert_eq!(talk.ends(), left(0, "", ""));
    server.done();
}

#[test]
fn a_signal_is_obeyed_while_nobody_reads_the_output() {
    let (stuck, wait) = channel();
    let server = Fake::after_join(move |mut peer| {
        peer.stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).expect("set");
        while peer.stream.write_all(format!("MSG bob {}\n", "x".repeat(4000)).as_bytes()).is_ok() {}
        stuck.send(()).expect("the test goes on");
        let mut said = Vec::new();
        let _ = peer.stream.read_to_end(&mut said);
        assert_eq!(said, b"LEAVE\n");
    });
    let mut talk = Talk::start(&mut ada(server.port));
    wait.recv().expect("all buffers are full");
    signal("INT", talk.child.id());
    assert_eq!(talk.child.wait().expect("it ended").code(), Some(0));
    server.done();
}

#[test]
fn one_that_only_listens_ends_when_nobody_reads_on_though_nothing_happens() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < OK ada 1
         < MSG bob one
         > LEAVE
         < BYE
         .",
    );
    let mut talk = Talk::start(ada(server.port).arg("--stay"));
    talk.stdin = None;
    assert_eq!(talk.shows(), "<bob> one\n");
    let Talk { stdout, mut child, .. } = talk;
    drop(stdout);
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    server.done();
}

#[test]
fn what_was_said_is_confirmed_though_nobody_reads_on() {
    let (closed, wait) = channel();
    let server = Fake::after_join(move |mut peer| {
        wait.recv().expect("nobody reads on");
        assert_eq!(peer.hear(), "MSG hi");
        assert_eq!(peer.hear(), "PING sent");
        // And no PONG.
    });
    let mut talk = Talk::start(&mut ada(server.port));
    talk.types("send hi\n");
    talk.stdin = None;
    let Talk { stdout, mut stderr, mut child, .. } = talk;
    drop(stdout);
    closed.send(()).expect("it waits");
    assert_eq!(child.wait().expect("it ended").code(), Some(1));
    let mut complaints = String::new();
    stderr.read_to_string(&mut complaints).expect("UTF-8");
    assert_eq!(complaints, "smoltalk: the server closed the connection\n");
    server.done();
}

#[test]
fn what_nobody_reads_keeps_nobody_from_talking() {
    let server = Fake::after_join(|mut peer| {
        (0..50_000).for_each(|_| peer.say("MSG bob blah blah"));
        (0..1000).for_each(|n| assert_eq!(peer.hear(), format!("MSG {n}")));
        assert_eq!(peer.hear(), "PING sent");
        peer.say("PONG sent");
        assert_eq!(peer.hear(), "LEAVE");
    });
    let mut talk = Talk::start(&mut ada(server.port));
    (0..1000).for_each(|n| talk.types(format!("send {n}\n")));
    // And only now.
    let left = talk.hangs_up();
    assert_eq!((left.code, left.stdout.lines().count()), (Some(0), 50_000), "{}", left.stderr);
    server.done();
}

#[test]
fn a_pipe_that_nobody_reads_any_more_ends_it_quietly() {
    let server = Fake::after_join(|mut peer| {
        peer.say("MSG bob one");
        while peer.stream.write_all(b"MSG bob more\n").is_ok() {}
    });
    let mut talk = Talk::start(&mut ada(server.port));
    assert_eq!(talk.shows(), "<bob> one\n");
    let Talk { stdout, stdin, mut stderr, mut child, .. } = talk;
    drop(stdout);
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    let mut complaints = String::new();
    stderr.read_to_string(&mut complaints).expect("UTF-8");
    assert_eq!(complaints, "");
    drop(stdin);
    server.done();
}

#[test]
fn a_closed_stream_is_no_reason_to_fail() {
    for (closing, shown) in [("<&-", "<bob> hi\n"), (">&-", ""), ("2>&-", "<bob> hi\n")] {
        let server = Fake::plays(
            "< HELLO smoltalk/1
             > JOIN ada
             < OK ada 1
             < ERR empty nothing
             < MSG bob hi
             > PING sent
             < PONG sent
             > LEAVE
             < BYE",
        );
        let mut shell = Command::new("sh");
        let binary = env!("CARGO_BIN_EXE_smoltalk");
        shell.args(["-c", &format!("exec {binary} -u ada --port {} {closing}", server.port)]);
        let Left { code, stdout, .. } = after_typing(&mut shell, "");
        assert_eq!((code, stdout.as_str()), (Some(0), shown), "{closing}");
        server.done();
    }
}

#[test]
fn what_the_server_refuses_ends_it_with_3_and_the_reason() {
    let taken = "< HELLO smoltalk/1\n> JOIN ada\n< ERR name-taken try another";
    let denied = "< HELLO smoltalk/1\n> JOIN ada\n< ERR denied";
    for (script, why) in [
        (taken, "try another (name-taken)"),
        (denied, "denied"),
        ("< ERR full there is \x1b[2J no place", "there is ␛[2J no place (full)"),
    ] {
        let server = Fake::plays(script);
        let left_behind = after_typing(&mut ada(server.port), "send hi");
        assert_eq!(left_behind, left(3, "", &format!("smoltalk: {why}\n")));
        server.done();
    }
}

#[test]
fn a_name_that_cannot_be_ends_it_with_3() {
    let server = Real::start(Config::default());
    for name in ["a b", "", "é"] {
        let mut program = program();
        program.args(["--port", &server.port.to_string(), "--username", name]);
        let Left { code, stderr, .. } = after_typing(&mut program, "");
        assert_eq!(code, Some(3));
        assert!(stderr.contains("(bad-name)"), "{stderr}");
    }
    server.stop();
}

#[test]
fn without_a_server_it_ends_with_1() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let Left { code, stdout, stderr } = after_typing(&mut ada(address.port()), "");
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(stderr, format!("smoltalk: {address}: cannot connect: connection refused\n"));
    let mut by_path = program();
    by_path.args(["unix:/no/such/socket", "-u", "ada"]);
    let why = "unix:/no/such/socket: cannot connect: no such file or directory";
    assert_eq!(after_typing(&mut by_path, ""), left(1, "", &format!("smoltalk: {why}\n")));
}

#[test]
fn a_lost_connection_ends_it_with_1() {
    for (script, why) in [
        ("< MSG bob hi", "the server closed the connection"),
        ("< MSG bob hi\n< BYE stalled", "the server ended the connection: stalled"),
        ("< MSG bob hi\n< BYE \x1b[2J", "the server ended the connection: ␛[2J"),
    ] {
        let server = Fake::plays(&format!("< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n{script}"));
        let talk = Talk::start(&mut ada(server.port));
        assert_eq!(talk.ends(), left(1, "<bob> hi\n", &format!("smoltalk: {why}\n")));
        server.done();
    }
}

#[test]
fn half_a_message_is_not_shown_as_a_whole_one() {
    let server = Fake::after_join(|mut peer| {
        peer.say("MSG bob wait");
        peer.stream.write_all(b"MSG bob we attack at 1").expect("it listens");
    });
    let talk = Talk::start(&mut ada(server.port));
    let lost = "smoltalk: the server closed the connection\n";
    assert_eq!(talk.ends(), left(1, "<bob> wait\n", lost));
    server.done();
}

#[test]
fn what_was_not_confirmed_is_not_reported_as_sent() {
    let server = Fake::plays(
        "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> MSG hi\n> PING sent\n< BYE shutdown",
    );
    let ended = "smoltalk: the server ended the connection: shutdown\n";
    assert_eq!(after_typing(&mut ada(server.port), "send hi\n"), left(1, "", ended));
    server.done();
}

#[test]
fn a_server_that_lies_cannot_drive_the_terminal() {
    let server = Fake::plays(
        "< HELLO smoltalk/1 \x1b[2J
         > JOIN ada
         < OK ada 1 \x1b[2J
         < MSG bob \x1b]0;title\x07 \u{9b}31m \u{202e}
         < TELL bob \x08
         < LEFT bob \x1bc
         < ERR \x1b[1m \x1b[2J
         < MSG \x1b[2J hi
         < NEWS \x1b[2J
         < HELP \x1b[2J
         > PING sent
         < PONG \x1b[2J
         < PONG sent
         > LEAVE
         < BYE \x1b[2J",
    );
    let shown = "<bob> ␛]0;title␇ \u{fffd}31m \u{fffd}\n<bob> [to you] ␈\n* bob left (␛c)\n";
    let complaint = "smoltalk: ␛[2J (␛[1m)\n";
    assert_eq!(after_typing(&mut ada(server.port), ""), left(0, shown, complaint));
    server.done();
}

#[test]
fn what_is_no_smoltalk_server_ends_it_with_1() {
    let server = Fake::plays("< HTTP/1.1 400 \x1b[2J");
    let why = format!("127.0.0.1:{}: this is no smoltalk server: it says", server.port);
    let left_behind = after_typing(&mut ada(server.port), "");
    assert_eq!(left_behind, left(1, "", &format!("smoltalk: {why} \"HTTP/1.1 400 ␛[2J\"\n")));
    server.done();
}

#[test]
fn a_line_without_end_ends_it_with_1() {
    let server =
        Fake::after_join(|mut peer: Peer| while peer.stream.write_all(&[b'x'; 4096]).is_ok() {});
    let talk = Talk::start(&mut ada(server.port));
    let why = "smoltalk: this is no smoltalk server: a line over 16384 bytes\n";
    assert_eq!(talk.ends(), left(1, "", why));
    server.done();
}

#[test]
fn the_environment_says_where_and_who_and_flags_win() {
    let server = Real::start(Config::default());
    let mut by_env = program();
    by_env.env("SMOLTALK_HOST", "127.0.0.1").env("SMOLTALK_USERNAME", "eve");
    by_env.env("SMOLTALK_PORT", server.port.to_string());
    assert_eq!(after_typing(&mut by_env, "who\n"), left(0, "* 1 here: eve\n", ""));
    by_env.env("SMOLTALK_PORT", "1").args(["-u", "ada", "--port", &server.port.to_string()]);
    assert_eq!(after_typing(&mut by_env, "who\n"), left(0, "* 1 here: ada\n", ""));
    server.stop();
}

#[test]
fn a_unix_socket_is_a_host_like_any_other() {
    let path = std::env::temp_dir().join(format!("smoltalk-{}.sock", std::process::id()));
    let host = format!("unix:{}", path.display());
    let listen = vec![host.parse().expect("an address")];
    let server = Server::bind(Config { listen, ..Config::default() }).expect("a socket");
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let stopped = async move { _ = stopped.recv().await };
    let server = thread::spawn(|| smol::block_on(server.run(stopped)));
    let here = |args: &[&str]| {
        let mut eve = program();
        eve.args(["-u", "eve"]).args(args).env("SMOLTALK_HOST", &host);
        assert_eq!(after_typing(&mut eve, "who\n"), left(0, "* 1 here: eve\n", ""), "{args:?}");
    };
    here(&[]);
    here(&["--host", &host]);
    here(&[&host, "--host", "nowhere.invalid", "-p1"]);
    here(&["--host", &format!("127.0.0.1:1,{host}"), "--reconnect"]);
    drop(stop);
    server.join().expect("it ran").expect("it ended well");
}

#[test]
fn flags_may_be_given_again_and_joined_with_what_they_take() {
    let server = Real::start(Config::default());
    let port = server.port;
    let mut program = program();
    program.args(["-uada", "--port", "1", &format!("-p{port}"), "--username=eve", "127.0.0.1"]);
    assert_eq!(after_typing(&mut program, "who\n"), left(0, "* 1 here: eve\n", ""));
    server.stop();
}

#[test]
fn usage_errors_are_one_line_and_end_it_with_2() {
    for (args, words) in [
        (&["--port", "x"][..], ["--port", "1 to 65535"]),
        (&["--port"], ["--port", "1 to 65535"]),
        (&["--username"], ["--username", "a name"]),
        (&["-u"], ["-u", "a name"]),
        (&["--host="], ["--host", "host:port"]),
        (&["a:b"], ["host:port", "unix:PATH"]),
        (&["--verbose"], ["--verbose", "--help"]),
        (&[], ["--username", "a name"]),
    ] {
        let Left { code, stdout, stderr } = after_typing(program().args(args), "send hi\n");
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(2), "", 1), "{args:?}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{stderr}");
        assert!(stderr.ends_with(" (--help lists the flags)\n"), "{stderr}");
    }
    let Left { code, stderr, .. } = after_typing(program().env("SMOLTALK_PORT", "x"), "");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("SMOLTALK_PORT takes a number from 1 to 65535"), "{stderr}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    for flag in ["--help", "-h", "--version", "-V"] {
        let Left { code, stdout, stderr } = after_typing(program().arg(flag), "");
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{flag}");
        assert!(stdout.contains("smoltalk"), "{stdout}");
    }
}

#[test]
fn two_clients_talk_through_the_real_server() {
    let server = Real::start(Config::default());
    let mut bob = Talk::start(named(server.port, "bob").arg("--stay"));
    bob.types("who\n");
    assert_eq!(bob.shows(), "* 1 here: bob\n");
    let taken = "smoltalk: somebody here has that name, try another (name-taken)\n";
    assert_eq!(after_typing(&mut named(server.port, "BOB"), ""), left(3, "", taken));
    let nobody = "smoltalk: line 3 was not said: nobody here has that name (no-such-member)\n";
    let typed = "send hi\ntell bob psst\ntell eve hi\nwho";
    assert_eq!(after_typing(&mut ada(server.port), typed), left(3, "* 2 here: ada bob\n", nobody));
    for line in ["* ada joined\n", "<ada> hi\n", "<ada> [to you] psst\n", "* ada left\n"] {
        assert_eq!(bob.shows(), line);
    }
    server.stop();
    assert_eq!(bob.complains(), "smoltalk: the server ended the connection: shutdown\n");
    assert_eq!(bob.ends().code, Some(1));
}

#[test]
fn a_flood_through_a_pipe_arrives_whole_and_in_order() {
    const LINES: usize = 50_000;
    let server = Real::start(Config::default());
    let mut bob = Talk::start(&mut named(server.port, "bob"));
    bob.types("who\n");
    assert_eq!(bob.shows(), "* 1 here: bob\n");
    let said = |n| format!("{n} {}\n", "x".repeat(80));
    let typed = (0..LINES).fold(String::new(), |typed, n| typed + "send " + &said(n));
    let port = server.port;
    let flood = thread::spawn(move || after_typing(&mut ada(port), typed));
    assert_eq!(bob.shows(), "* ada joined\n");
    for n in 0..LINES {
        assert_eq!(bob.shows(), format!("<ada> {}", said(n)));
    }
    assert_eq!(bob.shows(), "* ada left\n");
    assert_eq!(flood.join().expect("it ran"), left(0, "", ""));
    assert_eq!(bob.hangs_up(), left(0, "", ""));
    server.stop();
}
