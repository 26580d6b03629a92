//! Who may come in, and how fast he may talk.

mod support;

use rustix::net::{self, AddressFamily, SocketType};
use smoltalk::limits::Limits;
use std::fs;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Daemon, SocketPath, Telnet, TestServer, command, numbered, run, transcript};

const KEY: &str = " open  s\u{e9}same ";

/// A file that goes when it is dropped.
struct Kept(PathBuf);

impl Kept {
    fn new(name: &str, contents: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("smoltalk-{}-{name}", std::process::id()));
        let kept = Self(path);
        kept.write(contents);
        kept
    }

    fn write(&self, contents: impl AsRef<[u8]>) {
        fs::write(&self.0, contents).expect("written");
    }

    fn remove(&self) {
        fs::remove_file(&self.0).expect("removed");
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A server whose room has the key.
fn keyed(test: &str) -> (Daemon, Kept) {
    let file = Kept::new(test, format!("{KEY}\r\nno key\n"));
    (Daemon::start(&["--key-file", file.path()]), file)
}

/// A connection from that address of this machine.
fn from(source: &str, daemon: &Daemon) -> Telnet {
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let source: SocketAddr = format!("{source}:0").parse().expect("an address");
    net::bind(&socket, &source).expect("an address of this machine");
    net::connect(&socket, &daemon.address()).expect("connected");
    Telnet::over(TcpStream::from(socket))
}

fn says_key(guest: &mut Telnet) {
    guest.types(&format!("PASS {KEY}"));
    guest.sees("OK pass");
}

fn took(began: Instant) -> u128 {
    began.elapsed().as_millis()
}

// The key.

#[test]
fn where_the_room_has_a_key_hello_says_so() {
    let (daemon, _file) = keyed("hello");
    let hello = Telnet::tcp(daemon.address()).line();
    assert!(hello.starts_with("HELLO smoltalk/1 PASS <key>, then JOIN <name>"), "{hello}");
    assert!(hello.ends_with(" [line=4096 payload=65536 history key]"), "{hello}");
}

#[test]
fn join_without_the_key_is_denied_and_with_it_it_is_not() {
    let (daemon, _file) = keyed("join");
    let mut ada = daemon.guest();
    for line in ["JOIN ada", "JOIN a/b", "JOIN ada raw", "JOIN"] {
        ada.types(line);
        ada.sees("ERR denied ...");
    }
    ada.types("MSG hi");
    ada.sees("ERR not-joined ...");
    says_key(&mut ada);
    ada.types("JOIN a/b");
    ada.sees("ERR bad-name ...");
    let mut ada = ada.joined("ada");
    ada.types(&format!("PASS {KEY}"));
    ada.sees("ERR already-joined ...");
    ada.fence();
}

#[test]
fn pass_and_join_may_come_in_one_packet_or_by_the_byte() {
    let (daemon, _file) = keyed("packets");
    let words = format!("pass {KEY}\r\nJOIN ada\nPING 1\nLEAVE\n");
    for by_byte in [false, true] {
        let mut ada = daemon.guest();
        if by_byte {
            ada.sends_one_by_one(words.as_bytes());
        } else {
            ada.sends(words.as_bytes());
        }
        assert_eq!(ada.rest(), ["OK pass", "OK ada 1", "PONG 1", "BYE"]);
    }
}

#[test]
fn wrong_keys_are_answered_a_second_later_each_and_three_are_the_end() {
    let (daemon, _file) = keyed("wrong");
    let mut eve = daemon.guest();
    let began = Instant::now();
    eve.sends(format!("PASS x\nPASS {}\nPASS\nPASS {KEY}\nPING\n", KEY.trim()).as_bytes());
    for n in 1..=3 {
        eve.sees("ERR denied ...");
        let took = took(began);
        assert!((n * 1000 - 50..n * 1000 + 700).contains(&took), "{n}: {took} ms");
    }
    eve.sees("BYE denied");
    eve.sees_the_end();
}

#[test]
fn what_comes_behind_a_wrong_key_waits_for_its_answer_and_nobody_else_does() {
    let (daemon, _file) = keyed("waits");
    let mut bob = daemon.guest();
    says_key(&mut bob);
    let mut bob = bob.joined("bob");
    let mut eve = daemon.guest();
    eve.sends(b"PING 1\nPASS x\nPING 2\n");
    eve.sees("PONG 1");
    let began = Instant::now();
    for _ in 0..100 {
        bob.fence();
    }
    assert!(took(began) < 900, "nobody waits for another's key");
    eve.sees("ERR denied ...");
    eve.sees("PONG 2");
}

#[test]
fn a_wrong_key_after_the_right_one_leaves_the_door_open() {
    let (daemon, _file) = keyed("open");
    let mut ada = daemon.guest();
    says_key(&mut ada);
    ada.types("PASS x");
    ada.sees("ERR denied ...");
    ada.joined("ada").fence();
}

#[test]
fn who_says_a_wrong_key_and_goes_leaves_nothing_behind() {
    let (mut daemon, _file) = keyed("gone");
    for _ in 0..5 {
        let mut eve = daemon.guest();
        eve.sends(b"PASS x\n");
        eve.ends();
        assert_eq!(eve.rest().len(), 1);
    }
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn without_a_key_any_is_right() {
    transcript(
        "
        ada> PASS x
        ada< OK pass
        ada> PASS
        ada< OK pass
        ada> JOIN ada
        ada< OK ada 1
        ada> PASS x
        ada< ERR already-joined ...
    ",
    );
}

#[test]
fn a_key_may_be_any_bytes_of_a_line() {
    for (name, key) in [
        ("bytes", &b"\xff\xfe\0\x1b x\t"[..]),
        ("long", &[b'k'; 4091]),
        ("255", &[0xc3; 255]),
        ("space", b" "),
    ] {
        let file = Kept::new(name, key);
        let daemon = Daemon::start(&["--key-file", file.path()]);
        let mut ada = daemon.guest();
        // What telnet would take for a command comes twice.
        let said: Vec<u8> =
            key.iter().flat_map(|b| if *b == 0xff { vec![*b; 2] } else { vec![*b] }).collect();
        ada.sends(&[b"PASS ", &said[..], b"\n"].concat());
        ada.sees("OK pass");
        ada.joined("ada").fence();
    }
}

#[test]
fn past_ten_wrong_keys_from_one_address_no_key_is_heard_from_there() {
    let path = SocketPath::new("lockout");
    let file = Kept::new("lockout-key", KEY);
    let listen = ["--listen", &path.address(), "--key-file", file.path()];
    let daemon = Daemon::start(&listen);
    let mut ada = daemon.guest();
    says_key(&mut ada);
    let mut ada = ada.joined("ada");
    let mut late = daemon.guest();
    says_key(&mut late);
    let mut eves: Vec<Telnet> = (0..10).map(|_| daemon.guest()).collect();
    for eve in &mut eves {
        eve.types("PASS x");
    }
    for eve in &mut eves {
        eve.sees("ERR denied ...");
    }
    // The right one comes too late, from there.
    eves[0].types(&format!("PASS {KEY}"));
    eves[0].sees("ERR denied ...");
    says_key(&mut from("127.0.0.2", &daemon).greeted());
    says_key(&mut Telnet::unix(&path.0).greeted());
    // Who has got in is not concerned, be it to the room or as far as the door.
    ada.fence();
    late.joined("late").fence();
}

#[test]
fn the_log_says_once_from_where_no_key_is_heard_and_of_each_refusal_why() {
    let file = Kept::new("lockout-log", KEY);
    for form in ["text", "json"] {
        let arguments = ["--listen", "127.0.0.1:0", "--key-file", file.path(), "--log", form];
        let mut daemon = Daemon::launch(command(&arguments));
        let listening = daemon.log.finds(if form == "text" { "listening" } else { "{\"time\":" });
        let listening = if form == "text" { listening } else { daemon.log.line() };
        let address = listening.split(['"', ' ']).find_map(|word| word.parse().ok());
        let guest = || Telnet::tcp(address.expect("an address")).greeted();
        let mut keyless = guest();
        keyless.types("JOIN ada");
        keyless.sees("ERR denied ...");
        let mut eves: Vec<Telnet> = (0..10).map(|_| guest()).collect();
        for eve in &mut eves {
            eve.types("PASS x");
        }
        for eve in &mut eves {
            eve.sees("ERR denied ...");
        }
        eves[0].types(&format!("PASS {KEY}"));
        eves[0].sees("ERR denied ...");
        let log: Vec<String> = (0..13).map(|_| daemon.log.line()).collect();
        let at = |part: &str| -> Vec<usize> {
            log.iter().enumerate().filter(|(_, line)| line.contains(part)).map(|(n, _)| n).collect()
        };
        let lockout = "no key is heard from 127.0.0.1 for a minute: ten wrong ones";
        assert_eq!(at("without the key"), [0], "{log:?}");
        assert_eq!(at(lockout), [1], "{log:?}");
        assert_eq!(at("a wrong key"), (2..12).collect::<Vec<_>>(), "{log:?}");
        assert_eq!(at("no key is heard from there"), [12], "{log:?}");
        assert_eq!(at("denied").len(), 12);
        if form == "text" {
            assert_eq!(log[1], lockout);
            assert!(log[2].ends_with(": denied (a wrong key)"), "{log:?}");
        } else {
            assert!(log[1].contains("\"level\":\"warning\",\"event\":\"locked-out\""), "{log:?}");
            assert!(log[1].contains("\"address\":\"127.0.0.1\""), "{log:?}");
        }
    }
}

#[test]
fn a_file_without_a_key_is_refused() {
    for contents in ["", "\n", "\r\n", "\nsecond\n"] {
        let file = Kept::new("none", contents);
        let output = run(command(&["--listen", "127.0.0.1:0", "--key-file", file.path()]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("smoltalkd: --key-file {}: ", file.path())), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
}

#[test]
fn the_key_is_read_again_at_sighup_and_a_bad_one_is_not_taken() {
    let (mut daemon, file) = keyed("again");
    let mut inside = daemon.guest();
    says_key(&mut inside);
    let mut inside = inside.joined("ada");
    file.write("\n");
    daemon.signal("HUP");
    daemon.log.finds("access: ");
    says_key(&mut daemon.guest());
    file.write("another");
    daemon.signal("HUP");
    daemon.log.finds("access: key read again");
    let mut bob = daemon.guest();
    bob.types("PASS another");
    bob.sees("OK pass");
    bob.types(&format!("PASS {KEY}"));
    bob.sees("ERR denied ...");
    inside.fence();
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(0));
    assert!(!log.iter().any(|line| line.contains("another") || line.contains("same")), "{log:?}");
}

#[test]
fn a_guest_who_said_the_old_key_has_to_say_the_new_one() {
    let (mut daemon, file) = keyed("changed");
    let [mut ada, mut bob, mut inside] = [(); 3].map(|()| daemon.guest());
    for guest in [&mut ada, &mut bob, &mut inside] {
        says_key(guest);
    }
    let mut inside = inside.joined("inside");
    // The same once more is no other one.
    daemon.signal("HUP");
    daemon.log.finds("access: key read again");
    let mut bob = bob.joined("bob");
    inside.sees("JOINED bob");
    file.write("another");
    daemon.signal("HUP");
    daemon.log.finds("access: key read again");
    ada.types("JOIN ada");
    ada.sees("ERR denied ...");
    ada.types("PASS another");
    ada.sees("OK pass");
    let _ada = ada.joined("ada");
    inside.sees("JOINED ada");
    bob.sees("JOINED ada");
    bob.fence();
}

// Pace.

#[test]
fn ten_seconds_worth_goes_at_once_and_the_rest_at_its_pace() {
    let server = TestServer::with(Limits { pace: 20, ..Limits::default() });
    let [mut ada, mut bob] = server.members(["ada", "bob"]);
    let began = Instant::now();
    ada.sends("PING x\nTELL bob hi\nWHO\nHELP\nDANCE\nMSG hi\n".repeat(40).as_bytes());
    for _ in 0..10 {
        bob.finds("MSG ada hi");
    }
    assert!(took(began) < 900);
    ada.types("PING last");
    // Bob can say what he likes, while Ada is not heard.
    for _ in 0..100 {
        bob.types("PING fence");
        bob.finds("PONG fence");
    }
    assert!(took(began) < 900);
    ada.finds("PONG last");
    // 241 lines: 41 more than the burst.
    let took = took(began);
    assert!((1950..3500).contains(&took), "{took} ms");
}

#[test]
fn a_pasted_page_arrives_whole_though_its_writer_has_gone() {
    let server = TestServer::with(Limits { pace: 50, ..Limits::default() });
    let mut bob = server.member("bob");
    let mut ada = server.guest();
    ada.sends(format!("JOIN ada\n{}", numbered("MSG", 0..600)).as_bytes());
    ada.ends();
    bob.sees("JOINED ada");
    let began = Instant::now();
    for n in 0..600 {
        bob.sees(&format!("MSG ada {n}"));
    }
    bob.sees("LEFT ada");
    let took = took(began);
    assert!((1950..3500).contains(&took), "{took} ms");
}

#[test]
fn a_payload_counts_its_kibibytes_and_one_larger_than_the_burst_goes_on_credit() {
    let server = TestServer::with(Limits { pace: 10, ..Limits::default() });
    let [mut ada, mut bob] = server.members(["ada", "bob"]);
    let payload = |kib: usize| [b"x".repeat(kib * 1024), b"\n".to_vec()].concat();
    let began = Instant::now();
    // 64 of 100.
    ada.sends(&[b"DATA 65536\n", &payload(64)[..], b"PING 1\n"].concat());
    ada.sees("PONG 1");
    assert!(took(began) < 900);
    // 45 where there are 35.
    ada.sends(&[b"DATA 46080\n", &payload(45)[..], b"PING 2\n"].concat());
    ada.sees("PONG 2");
    let took = took(began);
    assert!((950..3000).contains(&took), "{took} ms");
    bob.finds("MSG ada x");
    let server = TestServer::with(Limits { pace: 1, ..Limits::default() });
    let mut eve = server.member("eve");
    let mut bob = server.member("bob");
    let began = Instant::now();
    eve.sees("JOINED bob");
    // 64 of 10.
    eve.sends(&[b"DATA 65536\n", &payload(64)[..]].concat());
    bob.sees("MSG eve x...");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn what_is_no_command_and_what_a_guest_says_is_not_counted() {
    let server = TestServer::with(Limits { pace: 1, ..Limits::default() });
    let mut ada = server.guest();
    let began = Instant::now();
    ada.sends(b"PING\n".repeat(50).as_slice());
    (0..50).for_each(|_| ada.sees("PONG"));
    let mut ada = ada.joined("ada");
    ada.sends(b"\r\n\n".repeat(50).as_slice());
    (0..10).for_each(|_| ada.fence());
    assert!(took(began) < 900);
    ada.fence();
    assert!(took(began) > 900);
}

#[test]
fn who_takes_its_place_over_has_said_what_it_said_before() {
    let server = TestServer::with(Limits { pace: 2, ..Limits::default() });
    let join = "JOIN ada id resume=0123456789abcdef\n";
    let mut ada = server.guest();
    let began = Instant::now();
    ada.sends(format!("{join}{}", "PING 1\n".repeat(20)).as_bytes());
    ada.sees("OK ada 1 ...");
    (0..20).for_each(|_| ada.sees("PONG 1"));
    assert!(took(began) < 450);
    // Each comes while the one before waits to be heard.
    let mut gone = Vec::new();
    for n in 1..=3 {
        ada.types("MSG is not heard");
        gone.push(mem::replace(&mut ada, server.guest()));
        ada.sends(format!("{join}PING 2\n").as_bytes());
        ada.sees("OK ada 1 ...");
        ada.sees("PONG 2");
        let took = took(began);
        assert!((n * 500 - 50..n * 500 + 900).contains(&took), "{n}: {took} ms");
    }
}

#[test]
fn who_waits_for_its_pace_can_be_sent_away_and_the_server_can_end() {
    let mut server = TestServer::with(Limits { pace: 1, ..Limits::default() });
    let mut ada = server.member("ada");
    ada.sends(b"PING 1\n".repeat(1000).as_slice());
    (0..10).for_each(|_| ada.sees("PONG 1"));
    server.stop();
    assert_eq!(ada.finds("BYE"), "BYE shutdown");
    ada.sees_the_end();
}

// Bans.

#[test]
fn who_is_banned_is_told_so_in_place_of_hello() {
    let file = Kept::new(
        "bans",
        "# from the loopback net\n127.0.0.2\n127.0.1.0/24 4000000000\n127.0.2.1 7\n",
    );
    let mut daemon = Daemon::start(&["--bans", file.path()]);
    for banned in ["127.0.0.2", "127.0.1.77"] {
        let mut eve = from(banned, &daemon);
        eve.sees("ERR banned ...");
        eve.sees_the_end();
        assert!(daemon.log.line().ends_with(": banned"));
    }
    for other in ["127.0.0.1", "127.0.0.3", "127.0.2.1"] {
        from(other, &daemon).greeted();
    }
}

#[test]
fn bans_are_read_again_at_sighup_and_concern_guests_but_not_members() {
    let file = Kept::new("bans-again", "");
    let mut daemon = Daemon::start(&["--bans", file.path(), "--quiet"]);
    let mut ada = daemon.member("ada");
    let mut guest = daemon.guest();
    file.write("127.0.0.0/8\n");
    daemon.signal("HUP");
    daemon.log.finds("access: bans read again");
    Telnet::tcp(daemon.address()).sees("ERR banned ...");
    guest.types("PING");
    guest.sees("PONG");
    guest.types("JOIN a/b");
    guest.sees("ERR banned ...");
    guest.sees_the_end();
    ada.fence();
    file.write("127.0.0.0/8\nnobody\n");
    daemon.signal("HUP");
    let said = daemon.log.finds("access: ");
    assert!(said.ends_with(": line 2: neither an address nor a net; the old bans stay"), "{said}");
    Telnet::tcp(daemon.address()).sees("ERR banned ...");
    file.remove();
    daemon.signal("HUP");
    let said = daemon.log.finds("access: ");
    assert!(said.ends_with("; the old bans stay"), "{said}");
    file.write("");
    daemon.signal("HUP");
    daemon.log.finds("access: bans read again");
    daemon.guest();
}

#[test]
fn where_there_is_no_file_of_bans_yet_nobody_is_banned_and_sighup_finds_nothing_wrong() {
    let file = Kept::new("bans-none", "");
    file.remove();
    let mut daemon = Daemon::start(&["--bans", file.path(), "--quiet"]);
    daemon.signal("HUP");
    daemon.log.sees("access: bans read again");
    file.write("127.0.0.0/8\n");
    daemon.signal("HUP");
    daemon.log.sees("access: bans read again");
    Telnet::tcp(daemon.address()).sees("ERR banned ...");
    // One that is away while it is being replaced lets nobody in.
    file.remove();
    daemon.signal("HUP");
    let said = daemon.log.line();
    assert!(said.ends_with("No such file or directory; the old bans stay"), "{said}");
    Telnet::tcp(daemon.address()).sees("ERR banned ...");
    file.write("");
}

#[test]
fn a_pipe_that_nobody_writes_to_is_no_file_and_keeps_nobody_waiting() {
    let file = Kept::new("pipe", "");
    file.remove();
    let status = Command::new("mkfifo").arg(file.path()).status().expect("mkfifo");
    assert!(status.success());
    for flag in ["--key-file", "--bans"] {
        let output = run(command(&["--listen", "127.0.0.1:0", flag, file.path()]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let why = format!("smoltalkd: {flag} {}: nothing comes from there\n", file.path());
        assert_eq!(said, why);
    }
}

#[test]
fn a_file_that_names_no_nets_is_refused() {
    let file = Kept::new("bad-bans", "127.0.0.1\n127.0.0.1/33\n");
    let output = run(command(&["--listen", "127.0.0.1:0", "--bans", file.path()]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let why = "line 2: neither an address nor a net";
    assert_eq!(said, format!("smoltalkd: --bans {}: {why}\n", file.path()));
}
