//! smoltalkd as a service: how it ends, whom it tells, what it is handed, and a log for programs.

mod support;

use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::{Duration, Instant};
use support::{DEADLINE, Daemon, SocketPath, Telnet, command, command_after};

// How it ends.

#[test]
fn goodbyes_are_spread_and_who_is_still_in_can_talk() {
    const OVER: Duration = Duration::from_millis(1200);
    let mut daemon = Daemon::start(&["--drain", "1.2"]);
    let names = ["a", "b", "c", "d"];
    let mut members = names.map(|name| daemon.member(name));
    members[0].finds("JOINED d");
    let began = Instant::now();
    daemon.signal("TERM");
    let mut gone = Vec::new();
    for at in [3, 2, 1] {
        members[at].finds("BYE shutdown");
        gone.push(began.elapsed());
        members[0].sees(&format!("LEFT {}", names[at]));
        members[0].types(&format!("PING {at}"));
        members[0].sees(&format!("PONG {at}"));
    }
    assert!(TcpStream::connect(daemon.address()).is_err(), "somebody is still let in");
    members[0].sees("BYE shutdown");
    members[0].sees_the_end();
    drop(members);
    assert_eq!(daemon.end().0.code(), Some(0));
    // The first after a quarter of the time, and so on.
    for (at, gone) in (1..).zip(gone) {
        assert!(gone + Duration::from_millis(100) >= OVER / 4 * at, "{at}: {gone:?}");
    }
    assert!(began.elapsed() >= OVER);
}

#[test]
fn an_empty_room_need_not_drain_and_one_that_empties_stops() {
    let mut daemon = Daemon::start(&["--drain", "3600"]);
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(0));

    let mut daemon = Daemon::start(&["--drain", "3600"]);
    let mut ada = daemon.member("ada");
    daemon.signal("TERM");
    ada.types("LEAVE");
    ada.sees("BYE");
    drop(ada);
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn a_signal_makes_an_operators_drain_no_longer_than_its_own() {
    let path = SocketPath::new("service-hurry");
    let mut daemon = Daemon::start(&["--control", &path.address(), "--drain", "0.2"]);
    let (mut ada, mut operator) = (daemon.member("ada"), Telnet::unix(&path.0));
    operator.types("DRAIN 3600\nSTATUS");
    operator.finds("STATUS draining yes");
    ada.fence();
    daemon.signal("TERM");
    ada.sees("BYE shutdown");
    drop(ada);
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait_for_a_drain() {
    let mut daemon = Daemon::start(&["--drain", "3600"]);
    let (mut ada, mut guest) = (daemon.member("ada"), daemon.guest());
    daemon.signal("TERM");
    // The listener is closed: so the first has been heard.
    let deadline = Instant::now() + DEADLINE;
    while TcpStream::connect(daemon.address()).is_ok() {
        assert!(Instant::now() < deadline, "it takes more");
    }
    // A guest that is there may still come in.
    guest.types("JOIN bob");
    guest.sees("OK bob 2");
    ada.sees("JOINED bob");
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(1));
}

// Whom it tells.

/// What a service manager hears.
struct Manager {
    socket: UnixDatagram,
    path: SocketPath,
}

impl Manager {
    fn new(test: &str) -> Self {
        let path = SocketPath::new(test);
        let socket = UnixDatagram::bind(&path.0).expect("bound");
        socket.set_read_timeout(Some(DEADLINE)).expect("set");
        Self { socket, path }
    }

    #[track_caller]
    fn hears(&self) -> String {
        let mut buffer = [0; 1024];
        let len = self.socket.recv(&mut buffer).expect("something comes");
        String::from_utf8(buffer[..len].to_vec()).expect("UTF-8")
    }

    /// What comes next of this kind.
    #[track_caller]
    fn finds(&self, beginning: &str) -> String {
        loop {
            let heard = self.hears();
            if heard.starts_with(beginning) {
                return heard;
            }
        }
    }
}

#[test]
fn a_service_manager_hears_that_it_is_ready_how_it_stands_and_that_it_stops() {
    let manager = Manager::new("notify");
    let mut smoltalkd = command(&["--listen", "127.0.0.1:0", "--drain", "0.5"]);
    smoltalkd.env("NOTIFY_SOCKET", &manager.path.0).env("WATCHDOG_USEC", "90000");
    let mut daemon = Daemon::spawn(smoltalkd);
    assert_eq!(manager.hears(), "READY=1");
    let mut ada = daemon.member("ada");
    let one_is_in = |heard: String| heard == "STATUS=1 member, 0 guests";
    while !one_is_in(manager.finds("STATUS=")) {}
    for _ in 0..3 {
        assert_eq!(manager.finds("WATCHDOG=1"), "WATCHDOG=1");
    }
    daemon.signal("TERM");
    assert_eq!(manager.finds("STOPPING=1"), "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000");
    // It goes on being fed.
    manager.finds("WATCHDOG=1");
    assert_eq!(manager.finds("STATUS="), "STATUS=1 member, 0 guests, saying goodbye");
    ada.sees("BYE shutdown");
    drop(ada);
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn a_service_manager_hears_how_much_time_the_end_takes_whoever_has_ordered_it() {
    let (manager, path) = (Manager::new("notify-end"), SocketPath::new("notify-end-control"));
    let arguments = ["--drain", "0.2", "--shutdown-timeout", "3", "--control", &path.address()];
    let mut smoltalkd = command(&[&["--listen", "127.0.0.1:0"], &arguments[..]].concat());
    smoltalkd.env("NOTIFY_SOCKET", &manager.path.0);
    let mut daemon = Daemon::spawn(smoltalkd);
    let (mut ada, mut operator) = (daemon.member("ada"), Telnet::unix(&path.0));
    operator.types("DRAIN 120");
    // Ten seconds more than both; but a tenth of the shutdown timeout is the log's.
    assert_eq!(manager.finds("STOPPING=1"), "STOPPING=1\nEXTEND_TIMEOUT_USEC=132700000");
    // One that would take longer changes nothing, and what is left is said.
    operator.types("DRAIN 300");
    let left = manager.finds("EXTEND_TIMEOUT_USEC=");
    let left: u64 = left["EXTEND_TIMEOUT_USEC=".len()..].parse().expect("microseconds");
    assert!((12_900_000..132_700_000).contains(&left), "{left}");
    daemon.signal("TERM");
    assert_eq!(manager.finds("EXTEND_TIMEOUT_USEC="), "EXTEND_TIMEOUT_USEC=12900000");
    ada.sees("BYE shutdown");
    drop(ada);
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn a_service_manager_hears_that_the_journal_fails() {
    let (manager, journal) = (Manager::new("notify-journal"), SocketPath::new("notify-failing"));
    // No file may have more than so many blocks.
    let path = journal.0.to_str().expect("UTF-8");
    let mut smoltalkd = command_after("ulimit -f 8", &["--journal", path]);
    smoltalkd.env("NOTIFY_SOCKET", &manager.path.0).env("WATCHDOG_USEC", "90000");
    let daemon = Daemon::spawn(smoltalkd);
    let _guest = daemon.guest();
    let mut ada = daemon.member("ada");
    for _ in 0..10 {
        ada.types(&format!("MSG {}", "x".repeat(4000)));
    }
    let fails = |heard: String| heard == "STATUS=1 member, 1 guest, journal failing";
    while !fails(manager.finds("STATUS=")) {}
    let _ = std::fs::remove_file(format!("{path}.1"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_service_manager_may_have_a_name_without_a_file() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("smoltalk-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = UnixDatagram::bind_addr(&address).expect("bound");
    socket.set_read_timeout(Some(DEADLINE)).expect("set");
    let manager = Manager { socket, path: SocketPath::new("abstract") };
    let mut smoltalkd = command(&["--listen", "127.0.0.1:0"]);
    smoltalkd.env("NOTIFY_SOCKET", format!("@{name}")).env_remove("WATCHDOG_USEC");
    let _daemon = Daemon::spawn(smoltalkd);
    assert_eq!(manager.hears(), "READY=1");
    assert_eq!(manager.hears(), "STATUS=0 members, 0 guests");
}

#[test]
fn a_service_manager_that_is_not_there_is_done_without_and_said() {
    let mut smoltalkd = command(&["--listen", "127.0.0.1:0"]);
    smoltalkd.env("NOTIFY_SOCKET", "/no/such/socket");
    let mut daemon = Daemon::spawn(smoltalkd);
    daemon.log.sees("cannot tell the service manager: ...");
    daemon.member("ada").fence();
}

#[test]
fn one_that_does_not_listen_holds_nothing_up_and_hears_of_it_later() {
    let manager = Manager::new("notify-full");
    let stranger = UnixDatagram::unbound().expect("a socket");
    stranger.set_nonblocking(true).expect("set");
    while stranger.send_to(b"X=1", &manager.path.0).is_ok() {}
    let mut smoltalkd = command(&["--listen", "127.0.0.1:0"]);
    smoltalkd.env("NOTIFY_SOCKET", &manager.path.0);
    let daemon = Daemon::spawn(smoltalkd);
    daemon.member("ada").fence();
    assert_eq!(manager.finds("READY"), "READY=1");
}

// What it is handed.

#[test]
fn sockets_that_it_is_handed_are_where_it_listens_and_stay() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = tcp.local_addr().expect("an address");
    let path = SocketPath::new("handed");
    let unix = UnixListener::bind(&path.0).expect("bound");
    let handed = || {
        let twins = (tcp.try_clone().expect("a twin"), unix.try_clone().expect("a twin"));
        [OwnedFd::from(twins.0), OwnedFd::from(twins.1)]
    };
    for _ in 0..2 {
        let mut daemon = Daemon::handed(handed(), &[]);
        daemon.log.sees("smoltalkd ...");
        daemon.log.sees(&format!("listening on {address}"));
        daemon.log.sees(&format!("listening on {}", path.address()));
        let mut ada = Telnet::tcp(address).greeted().joined("ada");
        let mut bob = Telnet::unix(&path.0).greeted().joined("bob");
        ada.sees("JOINED bob");
        daemon.signal("TERM");
        bob.sees("BYE shutdown");
        ada.finds("BYE shutdown");
        drop((ada, bob));
        assert_eq!(daemon.end().0.code(), Some(0));
        assert!(path.0.exists(), "it has removed what is not its own");
    }
    // Who connects between two servers waits for the next.
    let mut early = Telnet::tcp(address);
    let _daemon = Daemon::handed(handed(), &["--listen", "127.0.0.1:0"]);
    early.sees("HELLO smoltalk/1 ...");
}

#[test]
fn what_does_not_listen_is_refused_and_what_is_meant_for_another_passed_over() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
    let stream = TcpStream::connect(tcp.local_addr().expect("an address")).expect("connected");
    let mut daemon = Daemon::handed([OwnedFd::from(tcp), OwnedFd::from(stream)], &[]);
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(1));
    assert!(log.len() == 1 && log[0].contains("handed over"), "{log:?}");

    let foreign = "export LISTEN_FDS=1 LISTEN_PID=1";
    let mut daemon = Daemon::launch(command_after(foreign, &[]));
    daemon.log.finds("listening on 127.0.0.1:");
}

#[test]
fn a_number_of_sockets_that_is_none_is_said_and_not_passed_over() {
    for number in ["two", "-1", "1x", "99999999999"] {
        let foreign = format!("export LISTEN_PID=$$ LISTEN_FDS='{number}'");
        let mut daemon = Daemon::launch(command_after(&foreign, &[]));
        let (status, log) = daemon.end();
        assert_eq!(status.code(), Some(2), "{log:?}");
        let why = "smoltalkd: LISTEN_FDS is how many sockets were handed over, not ";
        assert!(log.len() == 1 && log[0].starts_with(why), "{log:?}");
    }
    let mut daemon = Daemon::launch(command_after("export LISTEN_PID=$$ LISTEN_FDS=3000", &[]));
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(1));
    assert!(log.len() == 1 && log[0].starts_with("smoltalkd: LISTEN_FDS: "), "{log:?}");
    let file = "exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1";
    let (status, log) = Daemon::launch(command_after(file, &[])).end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(log, ["smoltalkd: a socket that was handed over is none"]);
    // Of whom they are, nobody can say.
    for foreign in ["LISTEN_FDS=two", "LISTEN_FDS=1 LISTEN_PID=me", "LISTEN_FDS=1 LISTEN_PID="] {
        let mut daemon = Daemon::launch(command_after(&format!("export {foreign}"), &[]));
        daemon.log.finds("listening on 127.0.0.1:");
    }
}

// A log for programs.

#[track_caller]
fn object(log: &mut Telnet) -> Value {
    let line = log.line();
    let object: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    for field in ["time", "level", "event"] {
        assert!(object[field].is_string(), "no {field}: {line}");
    }
    let time = object["time"].as_str().expect("a text");
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99T99:99:99.999Z");
    object
}

#[test]
fn each_line_of_the_log_can_be_an_object() {
    let path = SocketPath::new("json-control");
    let arguments = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--log", "json"];
    let mut daemon =
        Daemon::launch(command(&[&arguments[..], &["--control", &path.address()]].concat()));
    let first = object(&mut daemon.log);
    assert_eq!(
        (&first["event"], &first["version"]),
        (&"start".into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert!(first["connections"].as_u64() > Some(0));
    let listening = object(&mut daemon.log);
    assert_eq!(listening["event"], "listening");
    let address = listening["address"].as_str().expect("an address").parse().expect("an address");
    assert_eq!(object(&mut daemon.log)["event"], "metrics");
    let control = object(&mut daemon.log);
    assert_eq!(
        (&control["event"], control["address"].as_str()),
        (&"control".into(), path.0.to_str())
    );

    let mut ada = Telnet::tcp(address).greeted().joined("ada");
    let joined = object(&mut daemon.log);
    let own = ada.socket().local_addr().expect("an address").to_string();
    assert_eq!((&joined["event"], &joined["name"]), (&"joined".into(), &"ada".into()));
    assert_eq!((&joined["address"], &joined["members"]), (&own.into(), &1.into()));
    ada.types("MSG what nobody else is to read");
    let mut guest = Telnet::tcp(address).greeted();
    guest.types("JOIN ada");
    let refused = object(&mut daemon.log);
    assert_eq!((&refused["event"], &refused["reason"]), (&"refused".into(), &"name-taken".into()));
    Telnet::unix(&path.0).types("KICK ada \"enough\" \\ \u{1b}");
    // What was done comes before what came of it.
    let (order, left) = (object(&mut daemon.log), object(&mut daemon.log));
    assert_eq!((&left["event"], &left["reason"]), (&"left".into(), &"kicked".into()));
    assert_eq!(
        (&order["event"], &order["order"]),
        (&"operator".into(), &r#"KICK ada "enough" \ ␛"#.into())
    );
}

/// Says of standard error that it is systemd's journal.
const JOURNAL: &str = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)";

#[cfg(target_os = "linux")]
#[test]
fn in_systemds_journal_each_line_begins_with_its_level() {
    for form in ["text", "json"] {
        let bans = SocketPath::new("levels");
        let bans = bans.0.to_str().expect("UTF-8");
        let arguments = ["--log", form, "--max-connections", "999999999", "--bans", bans];
        let mut daemon = Daemon::launch(command_after(JOURNAL, &arguments));
        let mut marks = Vec::new();
        let mut next = |daemon: &mut Daemon| {
            let line = daemon.log.line();
            let (mark, line) = line.split_at(3);
            assert_eq!(line.starts_with('{'), form == "json", "{line}");
            marks.push(mark.to_owned());
            line.to_owned()
        };
        assert!(next(&mut daemon).contains("up to") || form == "json");
        next(&mut daemon);
        let listening = next(&mut daemon);
        let address = listening.split(['"', ' ']).find_map(|word| word.parse().ok());
        let mut ada = Telnet::tcp(address.expect("an address")).greeted().joined("ada");
        assert!(next(&mut daemon).contains("joined"));
        std::fs::write(bans, "nobody").expect("written");
        daemon.signal("HUP");
        assert!(next(&mut daemon).contains("the old bans stay"));
        assert_eq!(marks, ["<6>", "<4>", "<6>", "<6>", "<4>"], "{form}");
        ada.fence();
    }
    let (status, log) = Daemon::launch(command_after(JOURNAL, &["--history", "x"])).end();
    assert_eq!(status.code(), Some(2));
    assert!(log.len() == 1 && log[0].starts_with("<3>smoltalkd: "), "{log:?}");
}

#[test]
fn where_another_stream_is_the_journal_lines_are_as_ever() {
    let mut daemon = Daemon::launch(command_after("export JOURNAL_STREAM=8:1", &[]));
    daemon.log.sees("smoltalkd ...");
    daemon.log.sees("listening on ...");
}
