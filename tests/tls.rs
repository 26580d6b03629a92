//! The same lines within TLS: who comes in by it, how it ends, and who plays foul.

mod support;
#[path = "tls/mod.rs"]
mod within;

use rustls::HandshakeKind;
use smoltalk::limits::{self, Limits};
use smoltalk::server::{Certificates, Config};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use support::{DEADLINE, Daemon, Telnet, TestServer, command, run};
use within::{VERSIONS, Within, client, config, file, path};

/// A server, and where it listens within TLS.
fn start() -> (TestServer, SocketAddr) {
    start_with(config())
}

fn start_with(config: Config) -> (TestServer, SocketAddr) {
    let server = TestServer::of(config);
    let address = within::address(server.addresses());
    (server, address)
}

fn with(limits: Limits) -> Config {
    Config { limits, ..config() }
}

#[test]
fn the_lines_are_the_same_within_either_version() {
    for version in VERSIONS {
        let (server, address) = start();
        let mut ada = server.member("ada");
        let mut eve = Within::connect(address, &client(version, None)).greeted().joined("eve");
        assert_eq!(eve.tls().protocol_version(), Some(version.version));
        ada.sees("JOINED eve");
        eve.types("MSG hi");
        ada.sees("MSG eve hi");
        ada.types("TELL eve ho");
        eve.sees("TELL ada ho");
        eve.types("WHO");
        eve.sees("WHO 2 ada eve");
        eve.types("LEAVE");
        eve.sees("BYE");
        eve.sees_the_end();
        ada.sees("LEFT eve");
        ada.fence();
    }
}

#[test]
fn lines_are_lines_however_they_are_cut_into_records() {
    let (server, address) = start();
    let mut ada = server.member("ada");
    for version in VERSIONS {
        let mut eve = Within::connect(address, &client(version, None)).greeted();
        eve.sends(b"JOIN eve\nMSG one\nMSG t");
        eve.sends(b"wo\n");
        "MSG three\n".bytes().for_each(|byte| eve.sends(&[byte]));
        eve.sees("OK eve 2");
        ada.sees("JOINED eve");
        for said in ["one", "two", "three"] {
            ada.sees(&format!("MSG eve {said}"));
        }
        eve.types("LEAVE");
        ada.sees("LEFT eve");
    }
}

#[test]
fn a_payload_of_several_records_passes_both_ways() {
    let (server, address) = start();
    let mut ada = Within::connect(address, &client(VERSIONS[0], None)).greeted();
    ada.types("JOIN ada data");
    ada.sees("OK ada 1");
    let mut eve = Within::connect(address, &client(VERSIONS[1], None)).greeted().joined("eve");
    ada.sees("JOINED eve");
    let payload: Vec<u8> = (0..=255).cycle().take(65_536).collect();
    for _ in 0..20 {
        eve.sends(&[b"DATA 65536\n", &payload[..], b"\n"].concat());
        ada.sees("DATA eve 65536");
        assert!(ada.reads(65_536) == payload);
        assert_eq!(ada.reads(1), b"\n");
    }
    drop(server);
}

// Who comes in.

#[test]
fn who_shows_no_certificate_that_is_asked_for_does_not_get_as_far_as_hello() {
    let tls =
        Certificates { client_authorities: Some(file("authority.pem")), ..within::certificates() };
    let (mut server, address) = start_with(Config { tls: Some(tls), ..config() });
    for version in VERSIONS {
        for shows in [None, Some("stranger.pem"), Some("server.pem"), Some("expired.pem")] {
            let mut guest = Within::connect(address, &client(version, shows));
            let error = guest.try_line().expect_err("no HELLO");
            assert!(error.contains("received fatal alert"), "{shows:?}: {error}");
        }
        Within::connect(address, &client(version, Some("member.pem"))).greeted().fence();
    }
    server.stop();
}

#[test]
fn where_certificates_are_asked_for_each_is_looked_at_anew() {
    let tls =
        Certificates { client_authorities: Some(file("authority.pem")), ..within::certificates() };
    let (_server, address) = start_with(Config { tls: Some(tls), ..config() });
    for version in VERSIONS {
        let config = client(version, Some("member.pem"));
        for _ in 0..2 {
            let mut guest = Within::connect(address, &config).greeted();
            guest.fence();
            assert_eq!(guest.tls().handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
            guest.types("LEAVE");
            guest.sees("BYE");
            guest.sees_the_end();
        }
    }
}

#[test]
fn a_handshake_counts_into_the_time_to_join() {
    let limits = Limits { join_timeout: Duration::from_secs(3), ..Limits::default() };
    let (_server, address) = start_with(with(limits));
    let began = Instant::now();
    // One never says anything, and one stops half-way.
    let mut silent = TcpStream::connect(address).expect("connected");
    let mut half = TcpStream::connect(address).expect("connected");
    half.write_all(&[0x16, 3, 1, 0, 200, 1, 0]).expect("sent");
    let mut late = Within::connect(address, &client(VERSIONS[1], None));
    late.hears_nothing(Duration::from_secs(2));
    late.sees("HELLO ...");
    late.sees("BYE join-timeout");
    late.sees_the_end();
    for socket in [&mut silent, &mut half] {
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        assert_eq!(socket.read(&mut [0; 100]).expect("the end"), 0);
    }
    assert!(began.elapsed() >= Duration::from_secs(3));
    // Not two seconds and three.
    assert!(began.elapsed() < Duration::from_millis(4800), "{:?}", began.elapsed());
}

#[test]
fn who_is_banned_or_finds_no_place_is_closed_before_the_handshake() {
    let bans = std::env::temp_dir().join(format!("smoltalk-{}-tls-bans", std::process::id()));
    fs::write(&bans, "127.0.0.1\n").expect("written");
    let banned = Config { bans_file: Some(bans.clone()), ..config() };
    let full = with(Limits { max_connections: 1, ..Limits::default() });
    for (config, holds) in [(banned, false), (full, true)] {
        let (_server, address) = start_with(config);
        let config = client(VERSIONS[1], None);
        let _held = holds.then(|| Within::connect(address, &config).greeted());
        let mut guest = Telnet::tcp(address);
        guest.sees_the_end();
        let mut guest = Within::connect(address, &config);
        let error = guest.shakes_hands().expect_err("no handshake");
        let ends = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(ends.contains(&error.kind()), "{error}");
    }
    fs::remove_file(bans).expect("removed");
}

#[test]
fn who_comes_back_with_a_ticket_saves_the_costly_half() {
    for version in VERSIONS {
        let (_server, address) = start();
        let config = client(version, None);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut guest = Within::connect(address, &config).greeted();
            guest.fence();
            assert_eq!(guest.tls().handshake_kind(), Some(expected), "{version:?}");
            guest.types("LEAVE");
            guest.sees("BYE");
            guest.sees_the_end();
        }
    }
}

// How it ends.

#[test]
fn an_end_within_tls_is_a_leave_and_the_last_line_counts() {
    for version in VERSIONS {
        let (server, address) = start();
        let mut ada = server.member("ada");
        let mut eve = Within::connect(address, &client(version, None)).greeted().joined("eve");
        ada.sees("JOINED eve");
        eve.sends(b"WHO\nMSG one\nMSG two");
        eve.ends();
        ada.sees("MSG eve one");
        ada.sees("MSG eve two");
        ada.sees("LEFT eve");
        // What was asked for still comes.
        eve.sees("WHO 2 ada eve");
        eve.sees_the_end();
    }
}

#[test]
fn an_end_of_the_wire_alone_is_a_loss_and_half_a_line_does_not_count() {
    for version in VERSIONS {
        let (server, address) = start();
        let mut ada = server.member("ada");
        let mut eve = Within::connect(address, &client(version, None)).greeted().joined("eve");
        ada.sees("JOINED eve");
        eve.sends(b"MSG one\nMSG two");
        eve.cuts();
        ada.sees("MSG eve one");
        ada.sees("LEFT eve lost");
        ada.fence();
    }
}

#[test]
fn a_record_that_is_cut_short_or_forged_is_a_loss() {
    let (server, address) = start();
    let mut ada = server.member("ada");
    for version in VERSIONS {
        for broken in [&[0x17, 3, 3, 0, 100, 1, 2, 3][..], &[0x17, 3, 3, 0, 17, 0][..], b"\xff"] {
            let mut eve = Within::connect(address, &client(version, None)).greeted().joined("eve");
            ada.sees("JOINED eve");
            eve.types("MSG one");
            eve.socket().write_all(broken).expect("sent");
            eve.cuts();
            ada.sees("MSG eve one");
            ada.sees("LEFT eve lost");
        }
        let mut eve = Within::connect(address, &client(version, None)).greeted().joined("eve");
        ada.sees("JOINED eve");
        eve.types("MSG one");
        eve.socket().write_all(&[&[0x17, 3, 3, 0, 40][..], &[7; 40]].concat()).expect("sent");
        ada.sees("MSG eve one");
        ada.sees("LEFT eve lost");
        eve.try_line().expect_err("an alert");
    }
}

#[test]
fn at_the_end_of_the_server_all_is_said_within_tls() {
    let (mut server, address) = start();
    let mut eve = Within::connect(address, &client(VERSIONS[1], None)).greeted().joined("eve");
    let _hangs = TcpStream::connect(address).expect("connected");
    server.stop();
    eve.sees("BYE shutdown");
    eve.sees_the_end();
}

// Who plays foul, or is slow.

#[test]
fn what_is_no_tls_gets_an_alert_at_most() {
    let (server, address) = start();
    let mut ada = server.member("ada");
    for said in [
        &b"JOIN eve\nMSG hi\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\n",
        b"\x16\x03\x01\xff\xff", // a record larger than there can be
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff", // a hello of one byte
        b"\x17\x03\x03\x00\x02hi", // something said before all
        b"\x14\x03\x03\x00\x01\x01\x14\x03\x03\x00\x01\x01\x14\x03\x03\x00\x01\x01",
        &[0; 4000],
    ] {
        let mut guest = TcpStream::connect(address).expect("connected");
        guest.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        guest.write_all(said).expect("sent");
        // It may wait for more.
        guest.shutdown(std::net::Shutdown::Write).expect("shut");
        let mut answer = Vec::new();
        // That it was not read is known by the reset.
        let _ = guest.read_to_end(&mut answer);
        let is_alert = answer.len() == 7 && answer.starts_with(&[0x15, 3]);
        assert!(answer.is_empty() || is_alert, "{said:?}: {answer:?}");
    }
    ada.fence();
}

#[cfg(target_os = "linux")]
#[test]
fn who_says_hello_and_hangs_up_is_not_answered() {
    let (_server, address) = start();
    let mut hello = Vec::new();
    let mut eve = Within::connect(address, &client(VERSIONS[1], None));
    eve.tls().write_tls(&mut hello).expect("a hello");
    let mut blind = TcpStream::connect(address).expect("connected");
    blind.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    // Both in one packet.
    rustix::net::sockopt::set_tcp_cork(&blind, true).expect("TCP_CORK");
    blind.write_all(&hello).expect("sent");
    blind.shutdown(std::net::Shutdown::Write).expect("shut");
    let mut answer = Vec::new();
    // That it was not read is known by the reset.
    let _ = blind.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{} bytes", answer.len());
    // Who has said its last within TLS is answered all the same.
    eve.socket().write_all(&hello).expect("sent");
    eve.shakes_hands().expect("a handshake");
    eve.sends(b"JOIN eve\n");
    eve.ends();
    eve.cuts();
    eve.greeted().sees("OK eve 1");
}

#[test]
fn a_hello_without_end_is_not_waited_for() {
    let (server, address) = start();
    let mut ada = server.member("ada");
    let mut guest = TcpStream::connect(address).expect("connected");
    guest.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let record = |part: &[u8]| [&[0x16, 3, 1, 16, 0], part].concat();
    let mut hello = vec![0; limits::HANDSHAKE];
    hello[..4].copy_from_slice(&[1, 0, 0xff, 0xff]);
    for part in hello.chunks(4096) {
        guest.write_all(&record(part)).expect("sent");
    }
    assert_eq!(guest.read(&mut [0; 100]).expect("the end"), 0);
    ada.fence();
}

#[test]
fn a_handshake_byte_by_byte_is_one() {
    let (_server, address) = start();
    let mut eve = Within::connect(address, &client(VERSIONS[1], None));
    let mut hello = Vec::new();
    eve.tls().write_tls(&mut hello).expect("a hello");
    for byte in hello {
        eve.socket().write_all(&[byte]).expect("sent");
    }
    eve.greeted().joined("eve").fence();
}

#[test]
fn handshakes_that_hang_keep_nobody_out_and_give_their_places_back() {
    const MANY: usize = 300;
    let limits = Limits { join_timeout: Duration::from_secs(4), ..Limits::default() };
    let (server, address) = start_with(with(limits));
    let hang = |_| {
        let mut socket = TcpStream::connect(address).expect("connected");
        socket.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).expect("sent");
        socket
    };
    let hanging: Vec<TcpStream> = (0..MANY).map(hang).collect();
    let mut ada = server.member("ada");
    let mut eve = Within::connect(address, &client(VERSIONS[1], None)).greeted().joined("eve");
    ada.sees("JOINED eve");
    eve.types("MSG hi");
    ada.sees("MSG eve hi");
    for mut socket in hanging {
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        assert_eq!(socket.read(&mut [0; 100]).expect("the end"), 0);
    }
    eve.fence();
}

#[test]
fn who_renews_its_keys_without_end_is_sent_away() {
    let (server, address) = start();
    let mut ada = server.member("ada");
    let mut eve = Within::connect(address, &client(VERSIONS[1], None)).greeted().joined("eve");
    ada.sees("JOINED eve");
    // Now and then it is all right.
    for _ in 0..5 {
        eve.tls().refresh_traffic_keys().expect("asked for");
        eve.types("MSG hi");
        ada.sees("MSG eve hi");
        eve.fence();
    }
    let _ = (0..1000).try_for_each(|_| {
        eve.tls().refresh_traffic_keys().expect("asked for");
        let mut records = Vec::new();
        eve.tls().write_tls(&mut records).expect("written");
        eve.socket().write_all(&records)
    });
    ada.sees("LEFT eve lost");
    ada.fence();
}

#[test]
fn one_who_reads_nothing_within_tls_is_given_up_as_any_other() {
    let limits = Limits { outbox: 256 * 1024, ..Limits::default() };
    let (server, address) = start_with(with(limits));
    let mut bob = server.member("bob");
    let mut ada = server.member("ada");
    bob.sees("JOINED ada");
    let words = "x".repeat(1000);
    // Little at a time is encrypted at once, much by and by.
    for at_once in [1, 100] {
        let mut eve = Within::connect(address, &client(VERSIONS[1], None)).greeted().joined("eve");
        bob.sees("JOINED eve");
        let lines = format!("MSG {words}\n").repeat(at_once);
        let (mut said, mut is_left) = (0, false);
        while !is_left {
            ada.sends(lines.as_bytes());
            said += at_once;
            assert!(said < 100_000, "she is never given up");
            let mut heard = 0;
            while heard < at_once {
                let line = bob.line();
                is_left |= line == "LEFT eve stalled";
                heard += usize::from(line.starts_with("MSG ada"));
            }
        }
        // What she got is whole lines, and the reason the last of them.
        let mut is_told = false;
        while let Ok(Some(line)) = eve.try_line() {
            assert!(!is_told && (line == "BYE stalled" || line == format!("MSG ada {words}")));
            is_told = line == "BYE stalled";
        }
    }
}

#[test]
fn one_who_reads_slowly_gets_all_of_it_in_order() {
    const LINES: usize = 5000;
    let (server, address) = start();
    let mut eve = Within::connect(address, &client(VERSIONS[0], None)).greeted().joined("eve");
    let mut ada = server.member("ada");
    eve.sees("JOINED ada");
    let line = |n: usize| format!("MSG {n} {}\n", "y".repeat(n % 700));
    let said = (0..LINES).map(line).collect::<Vec<_>>().concat();
    ada.sends(said.as_bytes());
    ada.fence();
    for n in 0..LINES {
        eve.sees(&format!("MSG ada {n} {}", "y".repeat(n % 700)));
    }
    eve.fence();
}

#[test]
fn many_who_talk_at_once_hear_each_other_in_one_order() {
    const MEMBERS: usize = 8;
    const LINES: usize = 50;
    let (_server, address) = start();
    let mut members: Vec<Within> = (0..MEMBERS)
        .map(|n| {
            Within::connect(address, &client(VERSIONS[n % 2], None))
                .greeted()
                .joined(&format!("m{n}"))
        })
        .collect();
    for (n, member) in members.iter_mut().enumerate() {
        for line in 0..LINES {
            member.types(&format!("MSG {n}.{line}"));
        }
    }
    let mut stories: Vec<Vec<String>> = Vec::new();
    for (n, member) in members.iter_mut().enumerate() {
        let own = format!("MSG m{n} ");
        let mut story = Vec::new();
        while story.len() < (MEMBERS - 1) * LINES {
            let line = member.line();
            if line.starts_with("MSG ") {
                assert!(!line.starts_with(&own));
                story.push(line);
            }
        }
        stories.push(story);
    }
    let without = |story: &[String], n: usize| -> Vec<String> {
        let left_out = [format!("MSG m{n} "), "MSG m0 ".into()];
        story
            .iter()
            .filter(|line| !left_out.iter().any(|own| line.starts_with(own)))
            .cloned()
            .collect()
    };
    for n in 1..MEMBERS {
        assert!(without(&stories[0], n) == without(&stories[n], n), "0 and {n}");
    }
}

// The program.

fn flags() -> [String; 6] {
    let flags = ["--listen", "tls:127.0.0.1:0", "--tls-cert", "--tls-key"].map(String::from);
    let [listen, at, cert, key] = flags;
    [listen, at, cert, path("server.pem"), key, path("key.pem")]
}

#[test]
fn certificate_and_key_belong_together_and_to_an_address() {
    let [listen, at, cert, pem, key, of] = &flags();
    for (flags, said) in [
        (vec![listen, at], "--listen tls:HOST:PORT needs --tls-cert and --tls-key"),
        (vec![listen, at, cert, pem], "--listen tls:HOST:PORT needs"),
        (vec![cert, pem, key, of], "--tls-cert, --tls-key and --tls-client-ca are for"),
        (vec![cert, &String::new()], "--tls-cert"),
    ] {
        let flags: Vec<&str> = flags.into_iter().map(String::as_str).collect();
        let output = run(command(&flags));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(said) && errors.lines().count() == 1, "{errors}");
    }
    let metrics = ["--listen", "127.0.0.1:0", "--metrics", "tls:127.0.0.1:0"];
    let output = run(command(&metrics));
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn a_file_that_is_no_good_is_named() {
    let nowhere = "/nowhere/at/all.pem".to_string();
    let make = path("make");
    let (server, key, other) = (path("server.pem"), path("key.pem"), path("other-key.pem"));
    for (cert, key, ca, flag, at_fault) in [
        (&nowhere, &key, None, "--tls-cert", &nowhere),
        (&server, &nowhere, None, "--tls-key", &nowhere),
        (&make, &key, None, "--tls-cert", &make),
        (&server, &make, None, "--tls-key", &make),
        (&server, &server, None, "--tls-key", &server),
        (&server, &other, None, "--tls-cert", &server),
        (&server, &key, Some(&make), "--tls-client-ca", &make),
    ] {
        let mut flags = vec!["--listen", "tls:127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        flags.extend(ca.iter().flat_map(|ca| ["--tls-client-ca", ca.as_str()]));
        let output = run(command(&flags));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.starts_with(&format!("smoltalkd: {flag} {at_fault}: ")), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn certificates_are_read_again_at_sighup_and_a_bad_one_is_not_taken() {
    let folder = std::env::temp_dir().join(format!("smoltalk-{}-tls-renewed", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let cert = folder.join("cert.pem");
    fs::copy(file("server.pem"), &cert).expect("copied");
    let flags = ["--listen", "tls:127.0.0.1:0", "--tls-cert", cert.to_str().expect("UTF-8")];
    let key = path("key.pem");
    let mut daemon = Daemon::spawn(command(&[&flags[..], &["--tls-key", &key]].concat()));
    let address = daemon.listening.strip_prefix("tls:").expect("TLS").parse().expect("an address");
    let config = client(VERSIONS[1], None);
    let mut ada = Within::connect(address, &config).greeted().joined("ada");
    let is_shown = |name: &str| {
        // Nothing of before is to be known.
        let mut guest = Within::connect(address, &client(VERSIONS[1], None)).greeted();
        let shown = guest.tls().peer_certificates().expect("shown")[0].clone();
        assert_eq!(shown, within::certificate(name), "{name}");
    };
    is_shown("server.pem");
    fs::copy(file("make"), &cert).expect("copied");
    daemon.signal("HUP");
    let said = daemon.log.finds("access: ");
    assert!(said.contains("cert.pem") && said.ends_with("the old certificate stays"), "{said}");
    is_shown("server.pem");
    fs::copy(file("renewed.pem"), &cert).expect("copied");
    daemon.signal("HUP");
    daemon.log.finds("access: certificate read again");
    is_shown("renewed.pem");
    // A ticket of the old one is worth nothing, and does no harm.
    Within::connect(address, &config).greeted().fence();
    ada.fence();
    fs::remove_dir_all(&folder).expect("removed");
}

fn openssl_commands(file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).expect("the documentation");
    let commands = text
        .lines()
        .filter(|line| line.starts_with("openssl req ") || line.starts_with("openssl x509 -req "));
    commands.map(String::from).collect()
}

#[test]
fn what_the_documentation_makes_with_openssl_is_taken_by_all() {
    if Command::new("openssl").arg("version").output().is_err() {
        return eprintln!("skipped: this machine has no openssl");
    }
    let folder = std::env::temp_dir().join(format!("smoltalk-{}-openssl", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    // What the README does stands in docs/tls.md as well.
    let commands = openssl_commands("docs/tls.md");
    assert_eq!(commands.len(), 3);
    assert_eq!(openssl_commands("README.md")[..3], commands);
    let shell = |commands: &str| {
        let output = Command::new("sh").args(["-ec", commands]).current_dir(&folder).output();
        let output = output.expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    shell(&commands.join("\n").replace("chat.example.org", "localhost"));
    // And the last two once more, for a person.
    shell(&commands[1..].join("\n").replace("chat.example.org", "ada").replace("chat", "ada"));
    let at = |name: &str| folder.join(name);
    let (certificate, key) = (at("chat.pem"), at("chat.key"));
    let tls = Certificates { certificate, key, client_authorities: Some(at("ca.pem")) };
    let (server, address) = start_with(Config { tls: Some(tls), ..config() });
    let mut bob = server.member("bob");
    for version in ["-tls1_2", "-tls1_3"] {
        // Quiet as it is, it does not end before the server does.
        let said = shell(&format!(
            "printf 'JOIN ada\\nMSG hi\\nLEAVE\\n' | openssl s_client {version} -quiet \
             -connect {address} -servername localhost -verify_hostname localhost \
             -verify_return_error -CAfile ca.pem -cert ada.pem -key ada.key"
        ));
        assert!(said.ends_with("OK ada 2\nBYE\n"), "{version}: {said}");
        for line in ["JOINED ada", "MSG ada hi", "LEFT ada"] {
            bob.sees(line);
        }
    }
    fs::remove_dir_all(&folder).expect("removed");
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_member_within_tls_takes_less_than_24_kilobytes() {
    const MEMBERS: u64 = 200;
    let flags = [&["--presence-limit", "0"].map(String::from)[..], &flags()].concat();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let daemon = Daemon::spawn(command(&flags));
    let address = daemon.listening.strip_prefix("tls:").expect("TLS").parse().expect("an address");
    let config = client(VERSIONS[1], None);
    let join = |n: u64| {
        let mut member = Within::connect(address, &config).greeted().joined(&format!("m{n}"));
        // Nothing of what was large once stays.
        member.types(&"x".repeat(50_000));
        member.sees("ERR too-long ...");
        member
    };
    let mut members: Vec<Within> = (0..50).map(join).collect();
    let before = daemon.kilobytes("RssAnon");
    members.extend((50..50 + MEMBERS).map(join));
    let each = 1024 * (daemon.kilobytes("RssAnon") - before) / MEMBERS;
    println!("{each} bytes each");
    assert!(each < 24 * 1024, "{each} bytes");
}
