//! What the network brings: strange bytes, other protocols, people without manners, a full house.

mod support;

use smoltalk::limits::{GUEST_ERRORS, LINE, Limits, REFUSED_AT_ONCE, SUBNEGOTIATION};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use support::{DEADLINE, Daemon, SocketPath, Telnet, TestServer, has_ipv6};

/// A TLS 1.3 hello: what `openssl s_client` or a browser sends first, shortened.
const TLS_HELLO: &[u8] = b"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03\xff\xfa\nrandom\n";

// Text.

#[test]
fn whatever_is_said_arrives_as_text_that_is_safe_to_print() {
    let server = TestServer::start();
    let [mut ada, mut eve] = server.members(["ada", "eve"]);
    for (said, heard) in [
        (&b"\x1b[2J\x1b]0;title\x07"[..], "␛[2J␛]0;title␇"),
        (b"\x08\0\x0b\x7f", "␈␀␋␡"),
        (b"a\tb", "a\tb"),
        (b"a\rLEFT ada", "a␍LEFT ada"),
        (b"\xc2\x9b31m \x9b31m", "\u{fffd}31m \u{fffd}31m"),
        (
            "\u{202e}txt\u{202c} \u{2066}x\u{2069}".as_bytes(),
            "\u{fffd}txt\u{fffd} \u{fffd}x\u{fffd}",
        ),
        (b"a\xf0\x9f\x98z \xc0\x80 \xe2\x82", "a\u{fffd}z \u{fffd}\u{fffd} \u{fffd}"),
        ("grüß dich, 世界 😀 \u{a0}\u{200b}".as_bytes(), "grüß dich, 世界 😀 \u{a0}\u{200b}"),
    ] {
        eve.sends(&[b"MSG ", said, b"\nTELL ada ", said, b"\nPING ", said, b"\n"].concat());
        ada.sees(&format!("MSG eve {heard}"));
        ada.sees(&format!("TELL eve {heard}"));
        eve.sees(&format!("PONG {heard}"));
    }
    eve.sends(b"\x1b[31mMSG\x9d hi\n");
    eve.sees("ERR unknown-command ...");
    ada.fence();
}

#[test]
fn a_character_cut_over_packets_is_one_character() {
    let server = TestServer::start();
    let [mut ada, mut eve] = server.members(["ada", "eve"]);
    eve.sends_one_by_one("MSG 10 € 😀\n".as_bytes());
    ada.sees("MSG eve 10 € 😀");
    eve.sends_one_by_one(b"MSG \xe2\x82 \xf0\x9f\x98\n");
    ada.sees("MSG eve \u{fffd} \u{fffd}");
}

#[test]
fn a_line_of_4096_bytes_passes_and_one_more_does_not() {
    let server = TestServer::start();
    let [mut ada, mut eve] = server.members(["ada", "eve"]);
    let longest = "x".repeat(LINE - "MSG ".len());
    for end in ["\n", "\r\n"] {
        eve.sends(format!("MSG {longest}{end}").as_bytes());
        ada.sees(&format!("MSG eve {longest}"));
        eve.sends(format!("MSG {longest}x{end}").as_bytes());
        eve.sees("ERR too-long ...");
    }
    ada.fence();
}

#[test]
fn text_may_grow_threefold_on_its_way() {
    let server = TestServer::start();
    let [mut ada, mut eve] = server.members(["ada", "eve"]);
    let longest = LINE - "MSG ".len();
    eve.sends(&[b"MSG ", &b"\xfe".repeat(longest)[..], b"\n"].concat());
    ada.sees(&format!("MSG eve {}", "\u{fffd}".repeat(longest)));
}

#[test]
fn a_line_that_is_too_long_is_answered_when_it_ends_and_all_goes_on() {
    let server = TestServer::start();
    let [mut ada, mut eve] = server.members(["ada", "eve"]);
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..10 {
        eve.sends(&chunk);
    }
    eve.sends(b"\nPING\n");
    eve.sees("ERR too-long ...");
    eve.sees("PONG");
    eve.types("MSG hi");
    ada.sees("MSG eve hi");
}

#[test]
#[cfg(target_os = "linux")] // It reads /proc.
fn an_endless_line_costs_no_memory() {
    let daemon = Daemon::start(&[]);
    let mut eve = daemon.member("eve");
    let before = daemon.kilobytes("VmRSS");
    for _ in 0..20 {
        eve.sends(&vec![b'x'; 1 << 20]);
    }
    eve.sends(b"\n");
    eve.sees("ERR too-long ...");
    let grown = daemon.kilobytes("VmHWM") - before;
    assert!(grown < 1024, "20 MiB without a line end cost {grown} kB");
}

// Telnet.

#[test]
fn telnets_commands_reach_nobody_however_they_are_cut() {
    let server = TestServer::start();
    let [mut ada, mut eve] = server.members(["ada", "eve"]);
    let endless = [b"\xff\xfa", &b"x".repeat(SUBNEGOTIATION)[..], b"MSG hi\n"].concat();
    for said in [
        &b"\xff\xfb\x01\xff\xfd\x03MSG hi\n"[..], // WILL ECHO, DO SUPPRESS-GO-AHEAD
        b"M\xff\xf1SG hi\xff\xfd\x0a\n",          // NOP; DO option 10, which looks like an LF
        b"MSG \xff\xechi\xff\xee\n",              // EOF, ABORT
        b"MSG h\xff\xfa\x1f\0\x0a\0\x18\xff\xf0i\n", // a subnegotiation with an LF in it
        &endless,
    ] {
        eve.sends(said);
        ada.sees("MSG eve hi");
        eve.sends_one_by_one(said);
        ada.sees("MSG eve hi");
    }
    eve.fence();
}

#[test]
fn an_iac_that_begins_no_command_is_a_byte_as_any_other() {
    let server = TestServer::start();
    let [mut ada, mut eve] = server.members(["ada", "eve"]);
    for (said, heard) in [
        (&b"MSG a\xff\xffb\n"[..], "MSG eve a\u{fffd}b"), // an escaped IAC
        (b"MSG \xff\xff\xf4\n", "MSG eve \u{fffd}\u{fffd}"), // no Ctrl-C
        (b"MSG hi\xff\r\n", "MSG eve hi\u{fffd}"),
        (b"MSG na\xefve, \xffb\n", "MSG eve na\u{fffd}ve, \u{fffd}b"),
    ] {
        eve.sends(said);
        ada.sees(heard);
        eve.sends_one_by_one(said);
        ada.sees(heard);
    }
    eve.fence();
}

#[test]
fn a_line_is_as_long_as_it_is_without_telnet() {
    let server = TestServer::start();
    let [mut ada, mut eve] = server.members(["ada", "eve"]);
    let text = "x".repeat(LINE - "MSG ".len());
    eve.sends(&[b"\xff\xfb\x01MSG \xff\xf1", text.as_bytes(), b"\xff\xf1\r\xff\xf1\n"].concat());
    ada.sees(&format!("MSG eve {text}"));
    eve.sends(&[b"MSG \xff\xff", text.as_bytes(), b"\n"].concat());
    eve.sees("ERR too-long ...");
    ada.fence();
}

#[test]
fn a_timing_mark_is_answered_in_its_turn_also_within_a_line() {
    let server = TestServer::start();
    let (mut guest, mut bob) = (server.guest(), server.member("bob"));
    guest.sends(b"PING 1\nJOIN a\xff\xfd\x06da\nPING 2\nMSG h\xff\xfd\x06i\xff\xfd\x06\n");
    sees_bytes(&mut guest, b"PONG 1\n\xff\xfb\x06OK ada 2\nPONG 2\n\xff\xfb\x06\xff\xfb\x06");
    bob.sees("JOINED ada");
    bob.sees("MSG ada hi");
    guest.fence();
    // A payload is any bytes, and text that others get is no telnet.
    guest.sends(b"DATA 5\n\xff\xfd\x06\xff\xf4\n");
    bob.sees("MSG ada \u{fffd}\u{fffd}\u{2406}\u{fffd}\u{fffd}");
    guest.fence();
}

#[test]
fn ctrl_c_in_telnet_is_a_leave() {
    let server = TestServer::start();
    let mut bob = server.member("bob");
    for ctrl_c in [&b"MSG half a li\xff\xf4\xff\xfd\x06"[..], b"\xff\xf4\xff\xfd\x06MSG more\n"] {
        let mut ada = server.member("ada");
        bob.sees("JOINED ada");
        ada.sends(ctrl_c);
        // In this order: telnet shows nothing that comes before the mark.
        sees_bytes(&mut ada, b"\xff\xfb\x06BYE\n");
        ada.sees_the_end();
        bob.sees("LEFT ada");
    }
    for mut client in [server.guest(), server.member("ada")] {
        client.sends(b"\xff\xf4");
        client.sees("BYE");
        client.sees_the_end();
    }
    bob.sees("JOINED ada");
    bob.sees("LEFT ada");
    bob.fence();
}

#[test]
#[cfg(target_os = "linux")] // It reads /proc.
fn timing_marks_without_end_cost_no_memory() {
    let daemon = Daemon::start(&[]);
    let (eve, mut ada) = (daemon.member("eve"), daemon.member("ada"));
    let before = daemon.kilobytes("VmRSS");
    let mut socket = eve.writer();
    socket.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    // She reads no answer, and is soon read no more.
    let marks = b"\xff\xfd\x06".repeat(1 << 16);
    let sent = (0..500).take_while(|_| socket.write_all(&marks).is_ok()).count();
    assert!(sent < 500, "all of it was taken");
    ada.types("PING");
    ada.finds("PONG");
    let grown = daemon.kilobytes("VmHWM") - before;
    assert!(grown < 16 * 1024, "{grown} kB");
}

#[track_caller]
fn sees_bytes(client: &mut Telnet, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    client.read_exact(&mut got).expect("so many bytes");
    assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

// Other protocols.

#[test]
fn a_tls_hello_is_told_so_and_closed() {
    let server = TestServer::start();
    let ways: [fn(&mut Telnet); 3] = [
        |browser| browser.sends(TLS_HELLO),
        |browser| browser.sends_one_by_one(TLS_HELLO),
        |browser| browser.sends(&TLS_HELLO[..5]),
    ];
    for greet in ways {
        let mut browser = server.guest();
        greet(&mut browser);
        browser.sees("ERR not-smoltalk ...");
        browser.sees_the_end();
    }
}

#[test]
fn an_http_request_cannot_talk_to_the_room() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for method in ["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH", "TRACE"] {
        let mut page = server.guest();
        page.types(&format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\nJOIN page\nMSG buy this"));
        page.sees("ERR not-smoltalk ...");
        page.sees_the_end();
    }
    let mut page = server.guest();
    page.types(&format!("GET /{} HTTP/1.1", "x".repeat(LINE)));
    page.sees("ERR not-smoltalk ...");
    page.sees_the_end();
    for request in
        ["PING / HTTP/1.1", "JOIN x HTTP/1.0", "MSG HTTP/2", "host: x", "Host: x:7878", "HOST:"]
    {
        let mut page = server.guest();
        page.types(&format!("{request}\r\nJOIN page"));
        page.sees("ERR not-smoltalk ...");
        page.sees_the_end();
    }
    let mut page = server.guest();
    page.types(&format!("PING /{} HTTP/1.1", "x".repeat(LINE)));
    page.sees("ERR not-smoltalk ...");
    page.sees_the_end();
    let mut page = server.guest();
    page.types("X: y\r\nPOST / HTTP/1.1\r\n\r\nJOIN page");
    page.sees("ERR unknown-command ...");
    page.sees("ERR not-smoltalk ...");
    page.sees_the_end();
    ada.fence();
}

#[test]
fn a_member_may_begin_a_line_like_a_request() {
    TestServer::start().plays(
        "
        ada> JOIN ada
        ada< OK ada 1
        ada> GET me a coffee
        ada< ERR unknown-command ...
        ada> PING / HTTP/1.1
        ada< PONG / HTTP/1.1
        guest> PING / HTTP/
        guest< PONG / HTTP/
        ada> WHO
        ada< WHO 1 ada
        ",
    );
}

// Guests who do not behave.

#[test]
fn a_guest_must_join_in_time_whatever_it_does_meanwhile() {
    let limits = Limits { join_timeout: Duration::from_millis(200), ..Limits::default() };
    let server = TestServer::with(limits);
    let mut ada = server.member("ada");
    let (mut silent, mut halfway, mut busy) = (server.guest(), server.guest(), server.guest());
    halfway.sends(b"JOIN halfw");
    let last = loop {
        busy.types("PING");
        match busy.line() {
            pong if pong == "PONG" => {}
            last => break last,
        }
    };
    assert_eq!(last, "BYE join-timeout");
    for guest in [&mut silent, &mut halfway] {
        guest.sees("BYE join-timeout");
        guest.sees_the_end();
    }
    ada.fence();
}

#[test]
fn a_guest_is_sent_away_after_ten_errors() {
    let server = TestServer::start();
    let mut guest = server.guest();
    guest.sends("NONSENSE\n".repeat(20).as_bytes());
    for _ in 0..GUEST_ERRORS {
        guest.sees("ERR unknown-command ...");
    }
    guest.sees("BYE too-many-errors");
    guest.sees_the_end();
}

#[test]
fn nine_errors_are_forgiven_and_a_member_may_make_any_number() {
    let server = TestServer::start();
    let mut ada = server.guest();
    for _ in 1..GUEST_ERRORS {
        ada.types("JOIN !");
        ada.sees("ERR bad-name ...");
    }
    ada.types("JOIN ada");
    ada.sees("OK ada 1");
    for _ in 0..3 * GUEST_ERRORS {
        ada.types("NONSENSE");
        ada.sees("ERR unknown-command ...");
    }
    ada.fence();
}

#[test]
fn resets_at_any_moment_disturb_nobody() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for said in
        ["", "JOI", "JOIN eve\n", "JOIN eve\nMSG he", "JOIN eve\nPING\nWHO\nLEAVE\n", "GET "]
    {
        let mut eve = server.guest();
        eve.sends(said.as_bytes());
        eve.breaks();
    }
    ada.types("TELL ada still here");
    ada.finds("TELL ada still here");
    let mut bob = server.member("bob");
    ada.finds("JOINED bob");
    bob.types("MSG hi");
    ada.finds("MSG bob hi");
}

#[test]
fn resets_all_at_once_disturb_nobody() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for _ in 0..10 {
        let members: Vec<Telnet> = (0..10).map(|n| server.member(&format!("m{n}"))).collect();
        members.into_iter().for_each(Telnet::breaks);
        let left: BTreeSet<String> = (0..10).map(|_| ada.finds("LEFT ")).collect();
        assert_eq!(left, (0..10).map(|n| format!("LEFT m{n} lost")).collect());
    }
    ada.types("WHO");
    ada.sees("WHO 1 ada");
}

// A full house.

#[test]
fn a_connection_over_the_limit_is_told_so_instead_of_hello() {
    let server = TestServer::with(Limits { max_connections: 2, ..Limits::default() });
    let (mut ada, guest) = (server.member("ada"), server.guest());
    for _ in 0..3 {
        let mut late = Telnet::tcp(server.address());
        late.types("JOIN late");
        late.sees("ERR full ...");
        late.sees_the_end();
    }
    ada.fence();
    drop(guest);
    comes_in(|| Telnet::tcp(server.address())).joined("late");
}

#[test]
fn however_many_come_to_a_full_house_each_is_told_so() {
    let server = TestServer::with(Limits { max_connections: 1, ..Limits::default() });
    let _first = server.guest();
    let crowd: Vec<_> = (0..3 * REFUSED_AT_ONCE).map(|_| Telnet::tcp(server.address())).collect();
    for mut late in crowd {
        late.sees("ERR full ...");
        late.sees_the_end();
    }
}

#[test]
fn an_address_over_its_limit_is_refused_and_others_are_not() {
    if !has_ipv6() {
        return;
    }
    let path = SocketPath::new("crowd");
    let listen = ["127.0.0.1:0", "[::1]:0", &path.address()];
    let server = TestServer::on(&listen, Limits { max_per_address: 2, ..Limits::default() });
    let v6 = server.addresses()[1].to_string().parse().expect("an address");
    let (first, _second) = (server.guest(), server.guest());
    let mut third = Telnet::tcp(server.address());
    third.sees("ERR full ...");
    third.sees_the_end();
    let _others = [Telnet::tcp(v6).greeted(), Telnet::tcp(v6).greeted()];
    let _without_address = [0; 3].map(|_| Telnet::unix(&path.0).greeted());
    drop(first);
    comes_in(|| Telnet::tcp(server.address()));
}

#[test]
fn those_who_join_and_are_gone_at_once_leave_nothing_behind() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for round in 0..20 {
        // Several at once, so that one is told of another when it is gone already.
        let mut crowd: Vec<Telnet> = (0..20).map(|_| Telnet::tcp(server.address())).collect();
        for (n, member) in crowd.iter_mut().enumerate() {
            member.sends(format!("JOIN m{round}-{n}\nWHO\n").as_bytes());
        }
        drop(crowd);
    }
    let mut late = server.member("late");
    ada.finds("JOINED late");
    late.types("LEAVE");
    late.finds("BYE");
    ada.finds("LEFT late");
}

#[test]
#[cfg(target_os = "linux")] // It reads /proc.
fn without_descriptors_the_server_waits_until_some_are_free_and_does_not_spin() {
    // So few that there is no place even for all who are to be told that there is none.
    let daemon = Daemon::start_after("ulimit -n 30", &["--join-timeout", "2"]);
    let mut clock = daemon.guest(); // The time it has to join is the time that is measured.
    let before = daemon.ticks();
    let crowd: Vec<Telnet> = (0..60).map(|_| Telnet::tcp(daemon.address())).collect();
    clock.finds("BYE join-timeout");
    let used = daemon.ticks() - before;
    assert!(used < 50, "{used} ticks of 10 ms in less than two seconds of waiting");
    for mut late in crowd {
        late.sees("ERR full ...");
    }
    drop(clock);
    comes_in(|| Telnet::tcp(daemon.address())).joined("late");
}

/// Connects until there is a place: one that left takes a moment to be gone.
#[track_caller]
fn comes_in(connect: impl Fn() -> Telnet) -> Telnet {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let mut client = connect();
        if client.line().starts_with("HELLO ") {
            return client;
        }
        assert!(Instant::now() < deadline, "its place does not come free");
    }
}

// Sockets that fail one way only.

#[test]
fn a_member_that_can_be_told_nothing_goes_though_it_could_still_be_heard() {
    let path = SocketPath::new("deaf");
    let server = TestServer::on(&[&path.address(), "127.0.0.1:0"], Limits::default());
    let mut ada = server.member("ada");
    let deaf = UnixStream::connect(&path.0).expect("connected");
    let mut other_end = Telnet::over_unix(deaf.try_clone().expect("cloned")).greeted();
    other_end.types("JOIN deaf");
    other_end.sees("OK deaf 2");
    ada.sees("JOINED deaf");
    deaf.shutdown(Shutdown::Read).expect("shut");
    ada.types("MSG are you there?");
    // What it says is still heard, for a moment.
    other_end.types("MSG I am");
    ada.sees("MSG deaf I am");
    ada.sees("LEFT deaf lost");
    ada.types("WHO");
    ada.sees("WHO 1 ada");
}
