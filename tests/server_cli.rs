//! smoltalkd from outside: its flags, its log, its signals, its exit codes.

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output};
use std::time::Instant;
use support::{DEADLINE, Daemon, SocketPath, Telnet, command, command_after, has_ipv6, run};

// Flags.

#[test]
fn version_and_help_are_answered_on_standard_output() {
    let version = run(command(&["--version"]));
    let features = match (cfg!(feature = "redis"), cfg!(feature = "tls")) {
        (false, false) => "",
        (true, false) => " (redis)",
        (false, true) => " (tls)",
        (true, true) => " (redis, tls)",
    };
    let expected = format!("smoltalkd {}{features}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(said(&version), (0, expected, String::new()));
    let help = run(command(&["--help"]));
    assert_eq!(said(&help), said(&run(command(&["-h"]))));
    let (code, text, errors) = said(&help);
    assert_eq!((code, errors), (0, String::new()));
    assert!(text.starts_with("Usage: smoltalkd "), "{text}");
}

#[test]
fn a_bad_value_is_one_line_that_names_the_flag_and_exit_code_2() {
    for (flag, values) in [
        (
            "--listen",
            &["", "7878", "host", "127.0.0.1:x", "127.0.0.1:65536", "::1:7878", "unix:"][..],
        ),
        ("--max-connections", &["", "x", "-1", "1.5"]),
        ("--max-per-address", &["", "x", "-1"]),
        ("--presence-limit", &["", "x", "-1"]),
        ("--join-timeout", &["", "x", "-1", "inf", "NaN", "1e300"]),
        ("--stall-timeout", &["", "x", "-1"]),
        ("--outbox", &["", "x", "-1", "0", "268435457"]),
        ("--memory", &["", "x", "-1", "0"]),
        ("--history", &["", "x", "-1", "1.5", "1k"]),
        ("--history-bytes", &["", "x", "-1", "1.5", "1M"]),
        ("--journal", &[""]),
        ("--journal-size", &["", "x", "-1", "0", "64M"]),
        ("--shutdown-timeout", &["", "x", "-1", "0", "31536001"]),
        ("--drain", &["", "x", "-1", "31536001"]),
        ("--control", &["", "x", "unix:", "127.0.0.1:0"]),
        ("--metrics", &["", "9178", "unix:", "tls:127.0.0.1:0"]),
        ("--health", &["", "9178", "unix:", "tls:127.0.0.1:0"]),
        ("--log", &["", "x", "JSON"]),
    ] {
        for value in values {
            is_a_usage_error(&run(command(&[flag, value])), flag);
        }
        is_a_usage_error(&run(command(&[flag])), flag);
    }
    is_a_usage_error(&run(command(&["--no-such-flag"])), "--no-such-flag");
    is_a_usage_error(&run(command(&["argument"])), "argument");
}

#[test]
#[cfg(feature = "redis")]
fn an_address_that_is_none_of_a_redis_is_a_usage_error_and_not_repeated() {
    for bad in ["", "x", "127.0.0.1:6379", "http://h", "redis://:secret@h:x", "rediss://:secret@h"]
    {
        let output = run(command(&["--redis", bad]));
        is_a_usage_error(&output, "--redis ");
        assert!(!said(&output).2.contains("secret"), "{bad}");
    }
    let mut smoltalkd = command(&[]);
    smoltalkd.env("SMOLTALK_REDIS", "nonsense");
    is_a_usage_error(&run(smoltalkd), "SMOLTALK_REDIS takes redis://");
    let good = ["--redis", "redis://127.0.0.1:1"];
    for bad in ["", "a room", "x/y", "{x}"] {
        is_a_usage_error(&run(command(&[&good[..], &["--room", bad]].concat())), "--room");
    }
    is_a_usage_error(&run(command(&[&good[..], &["--journal", "/x"]].concat())), "--journal");
}

#[test]
#[cfg(not(feature = "tls"))]
fn a_build_without_tls_says_so() {
    for (flag, value) in [
        ("--tls-cert", "cert.pem"),
        ("--tls-key", "key.pem"),
        ("--tls-client-ca", "ca.pem"),
        ("--listen", "tls:127.0.0.1:0"),
    ] {
        let output = run(command(&[flag, value]));
        is_a_usage_error(&output, flag);
        assert!(String::from_utf8_lossy(&output.stderr).contains("has no TLS"));
    }
}

#[test]
#[cfg(not(feature = "redis"))]
fn a_flag_of_another_build_is_a_usage_error_that_says_which() {
    for flag in ["--redis", "--room"] {
        let output = run(command(&[flag, "redis://127.0.0.1"]));
        is_a_usage_error(&output, &format!("{flag} (needs a build with the feature redis)"));
    }
}

#[test]
fn a_bad_value_in_the_environment_is_a_usage_error_too() {
    let mut smoltalkd = command(&[]);
    smoltalkd.env("SMOLTALK_LISTEN", "127.0.0.1:0,nonsense");
    is_a_usage_error(&run(smoltalkd), "SMOLTALK_LISTEN");
}

#[track_caller]
fn is_a_usage_error(output: &Output, culprit: &str) {
    let (code, _, errors) = said(output);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.lines().count() == 1 && errors.contains(culprit), "{culprit}: {errors}");
}

#[test]
fn flags_may_be_given_again_and_joined_with_what_they_take() {
    let mut smoltalkd = command(&["--outbox=1", "--quiet", "--outbox", "2", "--quiet"]);
    smoltalkd.args(["--listen=127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let mut daemon = Daemon::spawn(smoltalkd);
    daemon.log.finds("listening on ");
    let (code, printed, _) = said(&run(command(&["--outbox", "x", "-V"])));
    assert_eq!((code, printed.as_str()), (2, ""));
    let (code, printed, _) = said(&run(command(&["--quiet", "-V"])));
    assert!(code == 0 && printed.starts_with("smoltalkd "), "{printed}");
}

#[test]
fn without_a_flag_it_listens_on_port_7878_of_this_machine() {
    // Whether or not somebody else listens there just now, it says that it wants to.
    let mut daemon = Daemon::launch(command(&[]));
    while !daemon.log.line().contains("127.0.0.1:7878") {}
}

#[test]
fn the_environment_says_where_to_listen_and_a_flag_wins_over_it() {
    let path = SocketPath::new("environment");
    let mut smoltalkd = command(&[]);
    smoltalkd.env("SMOLTALK_LISTEN", format!("127.0.0.1:0, {}", path.address()));
    let mut daemon = Daemon::spawn(smoltalkd);
    daemon.log.sees(&format!("listening on {}", path.address()));
    daemon.member("ada");
    Telnet::unix(&path.0).greeted();

    let other = SocketPath::new("flag");
    let mut smoltalkd = command(&["--listen", "127.0.0.1:0"]);
    smoltalkd.env("SMOLTALK_LISTEN", other.address());
    let mut daemon = Daemon::spawn(smoltalkd);
    let mut ada = daemon.member("ada");
    daemon.log.sees("ada joined ..."); // And no further address before it.
    assert!(!other.0.exists());
    ada.fence();
}

#[test]
fn limits_are_flags() {
    let daemon = Daemon::start(&["--max-connections", "2", "--presence-limit", "1"]);
    let (mut ada, _bob) = (daemon.member("ada"), daemon.member("bob"));
    ada.fence(); // Nobody told her that bob has come.
    is_full(Telnet::tcp(daemon.address()));

    let daemon = Daemon::start(&["--max-per-address", "1", "--join-timeout", "1"]);
    let mut guest = daemon.guest();
    is_full(Telnet::tcp(daemon.address()));
    guest.sees("BYE join-timeout");
}

#[test]
fn the_outbox_and_the_stall_timeout_are_flags() {
    let mut daemon = Daemon::start(&["--outbox", "100000", "--stall-timeout", "0.1"]);
    let (mut ada, _stalled) = (daemon.member("ada"), daemon.member("stalled"));
    // Until the kernel has taken what it takes, and 100,000 bytes wait for a tenth of a second.
    while !ada_has_seen_it_leave(&mut ada) {
        ada.types(&format!("MSG {}", "x".repeat(4000)));
    }
    daemon.log.finds("stalled left");
}

fn ada_has_seen_it_leave(ada: &mut Telnet) -> bool {
    ada.types("PING");
    let line = ada.line();
    let left = line == "LEFT stalled stalled";
    if left || line == "JOINED stalled" {
        ada.sees("PONG");
    }
    left
}

#[test]
fn the_memory_of_all_together_is_a_flag() {
    let mut daemon = Daemon::start(&["--memory", "1000000", "--stall-timeout", "3600"]);
    let (mut ada, _stalled) = (daemon.member("ada"), daemon.member("stalled"));
    while !ada_has_seen_it_leave(&mut ada) {
        ada.types(&format!("MSG {}", "x".repeat(4000)));
    }
    daemon.log.finds("stalled left (stalled)");
}

#[test]
fn the_history_is_two_flags_and_each_can_say_that_there_is_none() {
    let said_before = |arguments: &[&str]| {
        let daemon = Daemon::start(arguments);
        let mut ada = daemon.member("ada");
        ada.types("MSG one\nMSG two\nMSG three");
        ada.fence();
        let mut bob = Telnet::tcp(daemon.address());
        let says_so = bob.line().ends_with(" history]");
        bob.types("JOIN bob last=10\nPING");
        bob.sees("OK bob 2");
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != "PONG") {
            lines.push(bob.line());
        }
        lines.pop();
        (says_so, lines.join(" "))
    };
    let all = "MSG ada one MSG ada two MSG ada three";
    assert_eq!(said_before(&[]), (true, all.into()));
    assert_eq!(said_before(&["--history", "2"]), (true, "MSG ada two MSG ada three".into()));
    assert_eq!(said_before(&["--history-bytes", "14"]), (true, "MSG ada three".into()));
    assert_eq!(said_before(&["--history", "0"]), (false, String::new()));
    assert_eq!(said_before(&["--history-bytes", "0"]), (false, String::new()));
}

#[track_caller]
fn is_full(mut client: Telnet) {
    client.sees("ERR full ...");
    client.sees_the_end();
}

// Addresses.

#[test]
fn each_address_gets_a_line_once_all_are_bound() {
    let path = SocketPath::new("several");
    let mut daemon =
        Daemon::start(&["--listen", "localhost:0", "--listen", &path.address(), "--quiet"]);
    let mut ada = daemon.member("ada");
    let localhost = daemon.log.line();
    let address = localhost.strip_prefix("listening on ").expect("a line for each address");
    let mut bob = Telnet::tcp(address.parse().expect("an address")).greeted().joined("bob");
    daemon.log.finds(&format!("listening on {}", path.address()));
    let mut eve = Telnet::unix(&path.0).greeted().joined("eve");
    for member in [&mut ada, &mut bob, &mut eve] {
        member.types("WHO");
        assert_eq!(member.finds("WHO "), "WHO 3 ada bob eve");
    }
}

#[test]
fn an_address_in_use_is_one_line_that_names_it_and_nothing_is_said_to_listen() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("bound");
    let taken = holder.local_addr().expect("an address").to_string();
    let path = SocketPath::new("in-use");
    let listener = UnixListener::bind(&path.0).expect("bound");
    for address in [&taken, &path.address()] {
        let output = run(command(&["--listen", "127.0.0.1:0", "--listen", address]));
        let (code, _, errors) = said(&output);
        assert_eq!(code, 1, "{errors}");
        assert!(errors.lines().count() == 1 && errors.contains(address), "{errors}");
    }
    assert!(path.0.exists(), "the socket of a server that runs was removed");
    drop((holder, listener));
}

#[test]
fn a_file_that_is_no_socket_is_not_removed() {
    let path = SocketPath::new("file");
    std::fs::write(&path.0, "precious").expect("written");
    let (code, _, errors) = said(&run(command(&["--listen", &path.address()])));
    assert_eq!(code, 1, "{errors}");
    assert_eq!(std::fs::read_to_string(&path.0).expect("still there"), "precious");
}

#[test]
fn a_stale_unix_socket_is_taken_over_and_removed_in_the_end() {
    let path = SocketPath::new("stale");
    drop(UnixListener::bind(&path.0).expect("bound")); // The file stays.
    let mut daemon = Daemon::spawn(command(&["--listen", &path.address()]));
    assert_eq!(daemon.listening, path.address());
    Telnet::unix(&path.0).greeted().joined("ada");
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert!(!path.0.exists());
}

#[test]
fn of_many_that_find_a_stale_unix_socket_one_gets_it_and_the_others_say_so() {
    let path = SocketPath::new("stale-for-many");
    drop(UnixListener::bind(&path.0).expect("bound")); // The file stays.
    let start = |_| Daemon::launch(command(&["--listen", &path.address()]));
    let started: Vec<Daemon> = (0..8).map(start).collect();
    let mut winners = Vec::new();
    for mut daemon in started {
        let line = daemon.log.line();
        if line.contains(": Address already in use") && line.contains(&path.address()) {
            let (status, rest) = daemon.end();
            assert_eq!((status.code(), rest), (Some(1), vec![]));
        } else {
            daemon.log.sees(&format!("listening on {}", path.address()));
            winners.push(daemon);
        }
    }
    assert_eq!(winners.len(), 1);
    Telnet::unix(&path.0).greeted().joined("ada");
    winners[0].log.sees("ada joined ...");
}

#[test]
fn where_no_socket_can_be_made_the_error_names_the_place() {
    let (code, _, errors) = said(&run(command(&["--listen", "unix:/no/such/folder/s"])));
    assert_eq!(code, 1, "{errors}");
    assert!(errors.starts_with("smoltalkd: unix:/no/such/folder/s: cannot make /no/"), "{errors}");
}

#[test]
fn all_of_ipv6_is_ipv6_alone() {
    if !has_ipv6() {
        return;
    }
    let v4 = TcpListener::bind("0.0.0.0:0").expect("bound");
    let port = v4.local_addr().expect("an address").port();
    let daemon = Daemon::spawn(command(&["--listen", &format!("[::]:{port}")]));
    assert_eq!(daemon.listening, format!("[::]:{port}"));
    Telnet::tcp(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))).greeted();
}

// The log.

#[test]
fn the_first_line_says_how_many_connections_the_descriptors_allow() {
    let connections = |limits, arguments: &[&str]| {
        let daemon = Daemon::start_after(limits, arguments);
        let mut numbers = daemon.first_line.split(' ').filter_map(|word| word.parse::<u32>().ok());
        numbers.next_back().expect("a number")
    };
    // The soft limit is raised to the hard one.
    let few = connections("ulimit -S -n 100; ulimit -H -n 300", &[]);
    assert!((100..300).contains(&few), "{few} connections with 300 descriptors");
    assert_eq!(connections("ulimit -n 500", &[]) - few, 200);
    assert_eq!(connections("ulimit -n 300", &["--max-connections", "1000"]), few);
    assert_eq!(connections("ulimit -n 300", &["--max-connections", "100"]), 100);
    assert_eq!(connections("ulimit -n 300", &["--max-connections", "0"]), few);
}

#[test]
fn more_connections_than_the_descriptors_allow_are_said_to_be_too_many() {
    let many = ["--max-connections", "1000"];
    let mut daemon = Daemon::launch(command_after("ulimit -n 300", &many));
    daemon.log.sees("smoltalkd ...");
    let line = daemon.log.line();
    assert!(line.contains("--max-connections 1000") && line.ends_with(": 236"), "{line}");
    daemon.log.sees("listening on ...");
}

#[test]
fn joins_departures_and_refusals_are_logged_with_their_reasons() {
    let mut daemon = Daemon::start(&["--max-connections", "3"]);
    let log = |daemon: &mut Daemon, parts: &[&str]| {
        let line = daemon.log.line();
        assert!(parts.iter().all(|part| line.contains(part)), "{parts:?} are not in: {line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    };
    let mut ada = daemon.member("ada");
    log(&mut daemon, &["ada joined", "127.0.0.1:"]);
    let mut guest = daemon.guest();
    guest.sends(b"JOIN ADA\nJOIN \x1b[2J\n");
    log(&mut daemon, &["refused", "127.0.0.1:", "name-taken"]);
    log(&mut daemon, &["refused", "127.0.0.1:", "bad-name"]);
    let bob = daemon.member("bob");
    log(&mut daemon, &["bob joined"]);
    is_full(Telnet::tcp(daemon.address()));
    log(&mut daemon, &["refused", "127.0.0.1:", "full (the server has 3 of 3)"]);
    bob.breaks();
    log(&mut daemon, &["bob left", "lost"]);
    ada.types("LEAVE");
    log(&mut daemon, &["ada left", "LEAVE"]);
    drop(daemon.member("eve"));
    log(&mut daemon, &["eve joined"]);
    log(&mut daemon, &["eve left"]);
    guest.sends(b"GET / HTTP/1.1\n");
    log(&mut daemon, &["refused", "127.0.0.1:", "not-smoltalk"]);
}

#[test]
fn a_refusal_says_whether_the_server_is_full_or_the_address_has_its_share() {
    if !has_ipv6() {
        return;
    }
    let arguments = ["--max-connections", "2", "--max-per-address", "1"];
    let mut daemon = Daemon::start(&[&arguments[..], &["--listen", "[::1]:0"]].concat());
    let v6 = daemon.log.finds("listening on ").split_off("listening on ".len());
    let _guest = daemon.guest();
    Telnet::tcp(daemon.address()).sees("ERR full there are too many connections from your address");
    assert!(daemon.log.line().ends_with(": full (its address has 1 of 1)"));
    let _other = Telnet::tcp(v6.parse().expect("an address")).greeted();
    Telnet::tcp(daemon.address()).sees("ERR full there is no place for another connection");
    assert!(daemon.log.line().ends_with(": full (the server has 2 of 2)"));
}

#[test]
fn quiet_leaves_only_the_first_lines() {
    let mut daemon = Daemon::start(&["--quiet", "--max-connections", "1"]);
    let mut ada = daemon.member("ada");
    is_full(Telnet::tcp(daemon.address()));
    ada.types("LEAVE");
    ada.finds("BYE");
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    assert_eq!((status.code(), log), (Some(0), vec![]));
}

#[test]
fn it_does_not_end_when_nobody_hears_its_log() {
    let mut daemon = Daemon::start(&[]);
    daemon.log = Telnet::over_unix(UnixStream::pair().expect("a socket pair").0);
    let mut ada = daemon.member("ada");
    for name in ["bob", "eve", "joe"] {
        daemon.member(name).types("LEAVE");
        ada.finds(&format!("LEFT {name}"));
    }
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_the_room() {
    let daemon = Daemon::start(&[]);
    for _ in 0..2000 {
        let mut ada = daemon.member("ada");
        ada.types("LEAVE");
        ada.sees("BYE");
    }
}

#[test]
fn it_does_without_a_log_from_the_start() {
    let path = SocketPath::new("no-log");
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>&-", env!("CARGO_BIN_EXE_smoltalkd"), "--listen"]);
    shell.arg(path.address());
    let _daemon = Daemon::launch(shell);
    let deadline = Instant::now() + DEADLINE;
    while UnixStream::connect(&path.0).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
    }
    Telnet::unix(&path.0).greeted().joined("ada").fence();
}

#[test]
fn it_serves_though_its_log_is_full_from_the_start() {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    fill(&theirs);
    let path = SocketPath::new("full-log");
    let mut daemon = Daemon::launch_on(command(&["--listen", &path.address()]), ours, theirs);
    let deadline = Instant::now() + DEADLINE;
    while UnixStream::connect(&path.0).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
    }
    Telnet::unix(&path.0).greeted().joined("ada").fence();
    // Whoever reads it in the end finds it whole, the places where it listens before all else.
    while daemon.log.line() == FILLING {}
    daemon.log.sees(&format!("listening on {}", path.address()));
    daemon.log.finds("ada joined");
}

#[test]
fn what_a_full_log_has_lost_is_counted_and_what_an_operator_does_is_not_among_it() {
    const GUESTS: usize = 150;
    for form in ["text", "json"] {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        fill(&theirs);
        let (room, control) = (SocketPath::new("lost-room"), SocketPath::new("lost-control"));
        let (room_address, control_address) = (room.address(), control.address());
        let arguments = ["--listen", &room_address, "--control", &control_address, "--log", form];
        let mut daemon = Daemon::launch_on(command(&arguments), ours, theirs);
        let deadline = Instant::now() + DEADLINE;
        while UnixStream::connect(&control.0).is_err() {
            assert!(Instant::now() < deadline, "it does not listen");
        }
        // Each is refused ten times, and sent away.
        for _ in 0..GUESTS {
            let mut guest = Telnet::unix(&room.0);
            guest.sends("JOIN a/b\n".repeat(10).as_bytes());
            guest.finds("BYE too-many-errors");
        }
        let mut operator = Telnet::unix(&control.0);
        for n in 0..9 {
            operator.types(&format!("NOTE order {n}"));
            operator.sees("OK");
        }
        while daemon.log.line() == FILLING {}
        let mut refused = 0;
        let lost = loop {
            let line = daemon.log.line();
            if let Some(lost) = lost_in(&line) {
                break lost;
            }
            refused += usize::from(line.contains("refused"));
        };
        assert_eq!(refused + lost, 11 * GUESTS);
        assert!(lost > 0 && refused > 500, "{refused} of {lost}");
        for n in 0..9 {
            let line = daemon.log.line();
            assert!(
                line.contains("operator") && line.contains(&format!("NOTE order {n}")),
                "{line}"
            );
        }
        Telnet::unix(&room.0).greeted().joined("ada").fence();
        let line = daemon.log.line();
        assert!(line.contains("joined"), "{line}");
    }
}

/// How many lines a line says are lost.
fn lost_in(line: &str) -> Option<usize> {
    let text = line.strip_suffix(" lines of this log were lost");
    let json = line.split_once(r#""level":"warning","event":"lost","lines":"#);
    text.or(json.and_then(|(_, number)| number.strip_suffix('}')))?.parse().ok()
}

/// What a log is full of.
const FILLING: &str = "what nobody reads";

/// Sends lines, until no more go in.
fn fill(mut socket: &UnixStream) {
    let line = format!("{FILLING}\n");
    socket.set_nonblocking(true).expect("set");
    while socket.write(line.as_bytes()).is_ok() {}
    socket.set_nonblocking(false).expect("set");
}

// Signals.

#[test]
fn a_signal_ends_it_after_everybody_has_been_told() {
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start(&[]);
        let (mut ada, mut bob, mut guest) =
            (daemon.member("ada"), daemon.member("bob"), daemon.guest());
        bob.types("MSG last words");
        bob.fence();
        daemon.signal(signal);
        ada.sees("JOINED bob");
        ada.sees("MSG bob last words");
        for client in [&mut ada, &mut bob, &mut guest] {
            client.sees("BYE shutdown");
            client.sees_the_end();
        }
        // Nobody else is let in, though not all have closed their side.
        assert!(TcpStream::connect(daemon.address()).is_err());
        assert_eq!(daemon.end().0.code(), Some(0));
    }
}

#[test]
fn what_is_queued_is_sent_before_the_goodbye() {
    let (mut daemon, _ada, mut deaf) = with_one_who_does_not_read(&[]);
    daemon.signal("TERM");
    for _ in 0..QUEUED {
        deaf.sees("MSG ada ...");
    }
    deaf.sees("BYE shutdown");
    deaf.sees_the_end();
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn one_who_does_not_read_cannot_keep_it_from_ending() {
    let arguments = ["--shutdown-timeout", "1", "--quiet"];
    let (mut daemon, _ada, _deaf) = with_one_who_does_not_read(&arguments);
    let began = Instant::now();
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(log, ["1 cut short: they had not read all that was queued"]);
    let took = began.elapsed();
    assert!((800..2000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let arguments = ["--shutdown-timeout", "3600"];
    let (mut daemon, mut ada, _deaf) = with_one_who_does_not_read(&arguments);
    daemon.signal("TERM");
    ada.sees("BYE shutdown"); // So it has heard the first, and waits for the other member.
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(1));
}

#[test]
fn it_outlives_its_terminal_under_nohup_or_not() {
    for first in [":", "trap '' HUP"] {
        let mut daemon = Daemon::start_after(first, &[]);
        let mut ada = daemon.member("ada");
        // By its shell and by the kernel.
        daemon.signal("HUP");
        daemon.signal("HUP");
        ada.fence();
        daemon.member("bob").fence();
        ada.sees("JOINED bob");
        daemon.signal("TERM");
        ada.finds("BYE shutdown");
        daemon.signal("HUP");
        assert_eq!(daemon.end().0.code(), Some(0));
    }
}

/// Messages of 4 kB: more than the kernel takes, and less than may wait for a member.
const QUEUED: u32 = 2_500;

/// A server in which something waits for a member who does not take it; and another member.
fn with_one_who_does_not_read(arguments: &[&str]) -> (Daemon, Telnet, Telnet) {
    let daemon = Daemon::start(&[&["--outbox", "100000000"], arguments].concat());
    let (mut ada, deaf) = (daemon.member("ada"), daemon.member("deaf"));
    ada.sees("JOINED deaf");
    for _ in 0..QUEUED {
        ada.types(&format!("MSG {}", "x".repeat(4000)));
    }
    ada.fence();
    (daemon, ada, deaf)
}

/// Exit code, standard output, standard error.
fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

#[test]
fn who_comes_back_is_logged_under_the_name_that_stays() {
    let mut server = Daemon::start(&[]);
    let [mut old, mut new] = [server.guest(), server.guest()];
    old.types("JOIN Ada resume=0123456789abcdef");
    old.sees("OK Ada 1");
    new.types("JOIN aDA resume=0123456789abcdef");
    new.sees("OK Ada 1");
    old.sees("BYE replaced");
    server.log.finds("Ada came back from ");
}
