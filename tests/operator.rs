//! The operator's socket, from outside: what he sees, what he does, and what he cannot break.

mod support;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use support::{Daemon, SocketPath, Telnet, command, run};

/// A server with an operator's socket, and where that is.
fn house(test: &str, arguments: &[&str]) -> (Daemon, SocketPath) {
    let path = SocketPath::new(test);
    let mut daemon = Daemon::start(&[&["--control", &path.address()], arguments].concat());
    assert_eq!(daemon.log.finds("control on "), format!("control on {}", path.0.display()));
    (daemon, path)
}

/// The rows of an answer that ends with OK.
#[track_caller]
fn asks(operator: &mut Telnet, order: &str) -> Vec<String> {
    operator.types(order);
    let mut rows = Vec::new();
    loop {
        match operator.line() {
            line if line == "OK" => return rows,
            line => rows.push(line),
        }
    }
}

/// One value of STATUS.
#[track_caller]
fn status(operator: &mut Telnet, key: &str) -> String {
    let start = format!("STATUS {key} ");
    let rows = asks(operator, "STATUS");
    let row = rows.iter().find_map(|row| row.strip_prefix(&start));
    row.unwrap_or_else(|| panic!("no {key} in {rows:?}")).into()
}

#[test]
fn the_file_has_mode_0600_whatever_the_umask_and_goes_in_the_end() {
    for umask in ["0", "022", "077"] {
        let path = SocketPath::new(&format!("control-mode-{umask}"));
        let arguments = ["--control", &path.address()];
        let mut daemon = Daemon::start_after(&format!("umask {umask}"), &arguments);
        let mode = std::fs::metadata(&path.0).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "umask {umask}");
        daemon.signal("TERM");
        assert_eq!(daemon.end().0.code(), Some(0));
        assert!(!path.0.exists());
    }
}

#[test]
fn a_stale_file_is_taken_over_and_a_server_that_runs_keeps_its_own() {
    let path = SocketPath::new("control-stale");
    drop(UnixListener::bind(&path.0).expect("bound")); // The file stays.
    let daemon = Daemon::start(&["--control", &path.address()]);
    let output = run(command(&["--listen", "127.0.0.1:0", "--control", &path.address()]));
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.lines().count() == 1 && errors.contains(path.0.to_str().expect("UTF-8")),
        "{errors}"
    );
    assert!(asks(&mut Telnet::unix(&path.0), "HELP").len() > 5);
    drop(daemon);
}

#[test]
fn status_says_how_the_server_stands() {
    let (daemon, path) = house("control-status", &[]);
    let mut operator = Telnet::unix(&path.0);
    let (mut ada, mut bob, _guest) = (daemon.member("ada"), daemon.member("bob"), daemon.guest());
    ada.sees("JOINED bob");
    ada.types("MSG hello\nTELL bob hi\nTELL nobody hi");
    ada.sees("ERR no-such-member ...");
    bob.sees("MSG ada hello");
    bob.sees("TELL ada hi");
    assert_eq!(asks(&mut operator, "NOTE back soon"), [""; 0]);
    bob.sees("NOTE back soon");
    let expected = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("members", "2"),
        ("guests", "1"),
        ("connections", "3"),
        ("messages", "3"),
        ("bytes", "16"),
        ("deliveries", "4"),
        ("lagging", "0"),
        ("backlog", "0"),
        ("stalled", "0"),
        ("draining", "no"),
        ("journal", "none"),
        ("node", "none"),
    ];
    for (key, value) in expected {
        assert_eq!(status(&mut operator, key), value, "{key}");
    }
    assert!(status(&mut operator, "uptime").parse::<u64>().is_ok_and(|seconds| seconds < 60));
    assert!(status(&mut operator, "sent").parse::<u64>().is_ok_and(|bytes| bytes > 100));
    ada.types("LEAVE");
    bob.sees("LEFT ada");
    assert_eq!(status(&mut operator, "connections"), "2");
}

#[test]
fn who_has_a_row_for_each_member_and_for_no_guest() {
    let room = SocketPath::new("control-who-room");
    let (daemon, path) = house("control-who", &["--listen", &room.address()]);
    let mut operator = Telnet::unix(&path.0);
    assert_eq!(asks(&mut operator, "WHO"), [""; 0]);
    let bob = daemon.member("Bob");
    let address = bob.socket().local_addr().expect("an address");
    let (_ada, _guest) = (Telnet::unix(&room.0).greeted().joined("ada"), daemon.guest());
    let rows = asks(&mut operator, "who");
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.split(' ').collect()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0][..3], ["WHO", "ada", "unix"]);
    assert_eq!(rows[1][..3], ["WHO", "Bob", &address.to_string()]);
    for row in rows {
        assert!(
            row.len() == 5
                && row[3].parse::<u32>().is_ok_and(|seconds| seconds < 60)
                && row[4] == "0"
        );
    }
}

#[test]
fn a_larger_room_is_listed_whole_and_in_order() {
    const MEMBERS: usize = 450;
    let (daemon, path) = house("control-who-many", &["--presence-limit", "0"]);
    let _members: Vec<Telnet> = (0..MEMBERS).map(|n| daemon.member(&format!("m{n:03}"))).collect();
    let rows = asks(&mut Telnet::unix(&path.0), "WHO");
    let names: Vec<&str> = rows.iter().filter_map(|row| row.split(' ').nth(1)).collect();
    assert_eq!(names.len(), MEMBERS);
    assert!(names.is_sorted());
}

#[test]
fn what_waits_for_a_member_is_in_its_row_and_in_the_status() {
    let (daemon, path) = house("control-lag", &["--stall-timeout", "3600"]);
    let mut operator = Telnet::unix(&path.0);
    let (mut ada, _deaf) = (daemon.member("ada"), daemon.member("deaf"));
    ada.sees("JOINED deaf");
    while status(&mut operator, "lagging") == "0" {
        ada.types(&format!("MSG {}", "x".repeat(4000)));
    }
    let rows = asks(&mut operator, "WHO");
    let waiting = |row: &String| row.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    assert_eq!(waiting(&rows[0]), Some(0), "{rows:?}");
    assert!(waiting(&rows[1]) > Some(0), "{rows:?}");
    assert_ne!(status(&mut operator, "backlog"), "0");
}

#[test]
fn a_member_is_shown_the_door_and_what_an_operator_does_is_logged() {
    let (mut daemon, path) = house("control-kick", &["--quiet"]);
    let mut operator = Telnet::unix(&path.0);
    let (mut ada, mut bob) = (daemon.member("ada"), daemon.member("Bob"));
    ada.sees("JOINED Bob");
    assert_eq!(asks(&mut operator, "KICK bob that is enough"), [""; 0]);
    bob.sees("BYE kicked that is enough");
    bob.sees_the_end();
    ada.sees("LEFT Bob kicked");
    operator.types("KICK bob");
    operator.sees("ERR no-such-member ...");
    asks(&mut operator, "NOTE back \u{1b}[2Jsoon");
    ada.sees("NOTE back ␛[2Jsoon");
    daemon.log.sees("operator: KICK bob that is enough");
    daemon.log.sees("operator: NOTE back ␛[2Jsoon");
    ada.fence();
}

#[test]
fn what_is_wrong_is_said_by_a_code_and_the_next_order_is_heard() {
    let (_daemon, path) = house("control-errors", &[]);
    let mut operator = Telnet::unix(&path.0);
    for (order, code) in [
        ("SHUTDOWN", "unknown-command"),
        ("\0\0", "unknown-command"),
        ("KICK", "bad-argument"),
        ("KICK nobody", "no-such-member"),
        ("BAN ada", "bad-argument"),
        ("UNBAN 10.0.0.1", "bad-argument"),
        ("STATUS now", "bad-argument STATUS"),
        ("WHO ada", "bad-argument WHO"),
        ("BANS 10.0.0.1", "bad-argument BANS"),
        ("BAN ada", "bad-argument this is no address or"),
        ("BAN ada 60", "bad-argument this is no address or"),
        ("BAN 10.0.0.7 1h", "bad-argument seconds are a"),
        ("UNBAN ada", "bad-argument this is no address or"),
        ("NOTE", "bad-argument"),
        ("DRAIN soon", "bad-argument"),
        (&"x".repeat(1_000_000), "too-long"),
        (&format!("NOTE {}", "x".repeat(4092)), "too-long"),
    ] {
        operator.types(order);
        operator.sees(&format!("ERR {code} ..."));
    }
    let help = asks(&mut operator, "HELP\r");
    assert!(help.iter().all(|row| row.starts_with("HELP ")));
    for order in ["STATUS", "WHO", "KICK", "BAN", "UNBAN", "BANS", "NOTE", "DRAIN", "HELP"] {
        assert!(help.iter().any(|row| row.starts_with(&format!("HELP {order}"))), "{order}");
    }
}

#[test]
fn orders_may_come_together_in_pieces_and_without_a_last_line_feed() {
    let (_daemon, path) = house("control-pieces", &[]);
    let mut operator = Telnet::unix(&path.0);
    operator.sends(b"HELP\nNONSENSE\n\r\nHELP\n");
    operator.finds("OK");
    operator.sees("ERR unknown-command ...");
    operator.finds("OK");
    operator.sends_one_by_one(b"WHO\n");
    operator.sees("OK");
    operator.sends(b"WHO");
    operator.ends();
    operator.sees("OK");
    operator.sees_the_end();
}

#[test]
fn however_many_are_there_the_next_operator_is_heard() {
    let (daemon, path) = house("control-many", &[]);
    let crowd: Vec<UnixStream> =
        (0..100).map(|_| UnixStream::connect(&path.0).expect("connected")).collect();
    let mut operator = Telnet::unix(&path.0);
    assert_eq!(status(&mut operator, "connections"), "0");
    daemon.member("ada").fence();
    // The oldest has gone, with no word of it.
    assert!(matches!((&crowd[0]).read(&mut [0]), Ok(0) | Err(_)));
    let _ = (&crowd[99]).write_all(b"WHO\n");
}

#[test]
fn an_order_to_drain_ends_the_server_over_that_time() {
    let (mut daemon, path) = house("control-drain", &[]);
    let mut operator = Telnet::unix(&path.0);
    let mut members = ["ada", "bob", "eve"].map(|name| daemon.member(name));
    members[0].finds("JOINED eve");
    asks(&mut operator, "DRAIN 0.6");
    // Who came last goes first, and the others see it and go on.
    members[2].sees("BYE shutdown");
    members[0].sees("LEFT eve");
    members[0].types("MSG still here");
    members[1].finds("MSG ada still here");
    assert_eq!(status(&mut operator, "draining"), "yes");
    members[1].finds("BYE shutdown");
    members[0].sees("LEFT bob");
    members[0].sees("BYE shutdown");
    assert_eq!(daemon.end().0.code(), Some(0));
    operator.sees_the_end();
}

#[test]
fn an_address_is_kept_out_and_who_is_in_stays() {
    let file = SocketPath::new("control-bans-file");
    let (mut daemon, path) = house("control-bans", &["--bans", file.0.to_str().expect("UTF-8")]);
    let mut operator = Telnet::unix(&path.0);
    assert_eq!(asks(&mut operator, "BANS"), [""; 0]);
    let (mut ada, mut guest) = (daemon.member("ada"), daemon.guest());
    asks(&mut operator, "BAN 127.0.0.0/8 3600");
    asks(&mut operator, "BAN 2001:db8::1");
    // It is on the disk before its OK.
    let kept = std::fs::read_to_string(&file.0).expect("a file");
    assert!(kept.contains("127.0.0.0/8 ") && kept.contains("2001:db8::1\n"), "{kept}");
    let rows = asks(&mut operator, "BANS");
    let left = rows[0].strip_prefix("BANS 127.0.0.0/8 ").and_then(|left| left.parse::<u64>().ok());
    assert!(left.is_some_and(|left| (3500..=3600).contains(&left)), "{rows:?}");
    assert_eq!(rows[1..], ["BANS 2001:db8::1 -"]);
    let mut banned = Telnet::tcp(daemon.address());
    banned.sees("ERR banned ...");
    banned.sees_the_end();
    guest.types("JOIN bob");
    guest.sees("ERR banned ...");
    ada.fence();
    asks(&mut operator, "UNBAN 127.0.0.0/8");
    daemon.member("bob");
    ada.sees("JOINED bob");
    daemon.log.finds("operator: BAN 127.0.0.0/8 3600");
    daemon.log.finds("operator: UNBAN 127.0.0.0/8");
}
