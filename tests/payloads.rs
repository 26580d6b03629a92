//! Any bytes in a room: what goes in comes out byte for byte, or as text that is safe to print.

mod support;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use smoltalk::limits::{GUEST_ERRORS, LINE, Limits};
use smoltalk::protocol::text::to_safe;
use std::io::Read;
use std::thread;
use support::{Daemon, Telnet, TestServer, transcript};

/// The default of [`Limits::payload`].
const LIMIT: usize = 65_536;

/// All byte values, in order.
fn every_byte() -> Vec<u8> {
    (0..=u8::MAX).collect()
}

/// The frame by which a client says `payload`.
fn frame(payload: &[u8]) -> Vec<u8> {
    [format!("DATA {}\n", payload.len()).as_bytes(), payload, b"\n"].concat()
}

/// A member that gets payloads as they are.
#[track_caller]
fn data_member(server: &TestServer, name: &str) -> Telnet {
    let mut member = server.guest();
    member.types(&format!("JOIN {name} data"));
    member.sees(&format!("OK {name} ..."));
    member
}

/// The next thing that `member` gets must be this payload.
#[track_caller]
fn sees_payload(member: &mut Telnet, from: &str, payload: &[u8]) {
    member.sees(&format!("DATA {from} {}", payload.len()));
    let mut got = vec![0; payload.len() + 1];
    member.read_exact(&mut got).expect("so many bytes");
    assert!(got == [payload, b"\n"].concat(), "got: {}", got.escape_ascii());
}

/// Ada, who says things, bob, who gets them as bytes, and eve, who gets them as text.
#[track_caller]
fn trio(server: &TestServer) -> (Telnet, Telnet, Telnet) {
    let mut ada = server.member("ada");
    let mut bob = data_member(server, "bob");
    let eve = server.member("eve");
    ada.sees("JOINED bob");
    ada.sees("JOINED eve");
    bob.sees("JOINED eve");
    (ada, bob, eve)
}

// Both forms.

#[test]
fn a_payload_reaches_each_member_in_the_form_that_it_joined_for() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        bob> JOIN bob data
        bob< OK bob 2
        ada< JOINED bob
        eve> join eve  data
        eve< OK eve 3
        ada< JOINED eve
        bob< JOINED eve
        bob> WHO
        bob< WHO 3 ada bob eve
        bob> data 11
        bob> hello
        bob> there
        ada< MSG bob hello
        ada< MSG bob there
        eve< DATA bob 11
        eve< hello
        eve< there
        ada> MSG plain
        bob< MSG ada plain
        eve< MSG ada plain
        ada> TELL bob psst
        bob< TELL ada psst
        ",
    );
}

#[test]
fn all_byte_values_arrive() {
    let server = TestServer::start();
    let (mut ada, mut bob, mut eve) = trio(&server);
    ada.sends(&frame(&every_byte()));
    sees_payload(&mut bob, "ada", &every_byte());
    let (before, after) = (&every_byte()[..10], &every_byte()[11..]);
    eve.sees(&format!("MSG ada {}", to_safe(before)));
    eve.sees(&format!("MSG ada {}", to_safe(after)));
    for member in [&mut ada, &mut bob, &mut eve] {
        member.fence();
    }
}

#[test]
fn a_payload_is_not_read_for_commands_or_frames() {
    let server = TestServer::start();
    let (mut ada, mut bob, mut eve) = trio(&server);
    for payload in [
        &b"LEAVE"[..],
        b"LEAVE\n",
        b"\nMSG fake\n",
        b"DATA 3\nabc\n",
        b"\nDATA 99999999\n",
        b"DATA",
        b"\n",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
        b"\xff\xfa never ends",
        b"\xff\xfb\x01\xff\xff\xff",
    ] {
        ada.sends(&frame(payload));
        sees_payload(&mut bob, "ada", payload);
        for line in payload.split(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                eve.sees(&format!("MSG ada {}", to_safe(line)));
            }
        }
    }
    for member in [&mut ada, &mut bob, &mut eve] {
        member.fence();
    }
}

#[test]
fn a_long_line_becomes_several_cut_between_characters() {
    let server = TestServer::start();
    let (mut ada, mut bob, mut eve) = trio(&server);
    for character in ["x", "é", "€", "😀", "\u{1b}"] {
        let text = character.repeat(20_000 / character.len());
        ada.sends(&frame(text.as_bytes()));
        sees_payload(&mut bob, "ada", text.as_bytes());
        ada.sends(b"MSG end\n");
        let mut shown = String::new();
        loop {
            let line = eve.line();
            assert!(line.len() <= LINE, "{} bytes", line.len());
            match line.strip_prefix("MSG ada ").expect("a message of ada's") {
                "end" => break,
                part => shown += part,
            }
        }
        assert_eq!(shown, to_safe(text.as_bytes()));
        bob.sees("MSG ada end");
    }
}

#[test]
fn no_unsafe_byte_reaches_a_member_who_gets_text() {
    let server = TestServer::start();
    let (mut ada, _, mut eve) = trio(&server);
    let mut runner = TestRunner::deterministic();
    let telling = prop::sample::select(&b"\x1b\x9b\xc2\x00\x07\x7f\xe2\x80\xae\xff\r\n\t"[..]);
    let payloads = prop::collection::vec(prop_oneof![telling, any::<u8>()], 1..300);
    for n in 0..200 {
        let payload = payloads.new_tree(&mut runner).expect("a payload").current();
        ada.sends(&frame(&payload));
        ada.types(&format!("MSG end {n}"));
        loop {
            let line = eve.line(); // It is UTF-8.
            let unsafe_byte = |c: char| c != '\t' && c.is_control();
            assert!(!line.contains(unsafe_byte), "{line:?}");
            assert_eq!(to_safe(line.as_bytes()), line);
            if line == format!("MSG ada end {n}") {
                break;
            }
        }
    }
}

#[test]
fn lines_and_payloads_and_presence_have_one_order() {
    const ROUNDS: usize = 300;
    let server = TestServer::start();
    let mut watchers = [data_member(&server, "d1"), data_member(&server, "d2")];
    let mut readers = [server.member("t1"), server.member("t2")];
    let speakers: Vec<_> = (0..3)
        .map(|n| {
            let (mut speaker, mut visitor) = (server.member(&format!("s{n}")), server.guest());
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    speaker.types(&format!("MSG line {round}"));
                    speaker.sends(&frame(format!("data {round}\nand more").as_bytes()));
                    if round == ROUNDS / 2 {
                        visitor.types(&format!("JOIN v{n}"));
                        visitor.sees(&format!("OK v{n} ..."));
                        visitor.ends();
                    }
                }
                speaker.types("PING done");
                speaker.finds("PONG done");
                speaker
            })
        })
        .collect();
    let speakers: Vec<Telnet> = speakers.into_iter().map(|s| s.join().expect("spoken")).collect();
    drop(speakers);
    // For each payload, one entry, whichever form it came in.
    let heard = |member: &mut Telnet| {
        let (mut seen, mut left) = (Vec::new(), 0);
        while left < 3 {
            let line = member.line();
            if let Some((name, _)) = line.strip_prefix("DATA s").and_then(|l| l.split_once(' ')) {
                seen.push(format!("MSG s{name} {}", member.line()));
                assert_eq!(member.line(), "and more");
                continue;
            }
            left += usize::from(line.starts_with("LEFT s"));
            if !line.ends_with("and more") {
                seen.push(line);
            }
        }
        // The watchers came at different times.
        seen.retain(|line| !line.contains(" d") && !line.contains(" t") || line.contains(" data "));
        seen
    };
    let order = heard(&mut watchers[0]);
    assert_eq!(order.iter().filter(|line| line.contains(" data ")).count(), 3 * ROUNDS);
    for member in watchers[1..].iter_mut().chain(&mut readers) {
        assert_eq!(heard(member), order);
    }
}

// How a frame comes.

#[test]
fn every_cut_of_a_frame_gives_the_same() {
    let server = TestServer::start();
    let (mut ada, mut bob, _eve) = trio(&server);
    let payload = b"a\nDATA 2\r\n\xff\n";
    let stream = [&frame(payload)[..], b"MSG after\r\n", &frame(b"x"), b"PING cut\n"].concat();
    for cut in 0..stream.len() {
        let (head, tail) = stream.split_at(cut);
        ada.sends(head);
        ada.sends(tail);
        sees_payload(&mut bob, "ada", payload);
        bob.sees("MSG ada after");
        sees_payload(&mut bob, "ada", b"x");
        ada.sees("PONG cut");
    }
    ada.sends_one_by_one(&stream);
    sees_payload(&mut bob, "ada", payload);
    bob.sees("MSG ada after");
    sees_payload(&mut bob, "ada", b"x");
    ada.sees("PONG cut");
}

#[test]
fn a_stream_of_payloads_comes_out_as_it_went_in() {
    let server = TestServer::start();
    let (ada, mut bob, _eve) = trio(&server);
    let mut runner = TestRunner::deterministic();
    let sizes = prop_oneof![6 => 1..200_usize, 1 => 1..LIMIT];
    let payloads: Vec<Vec<u8>> = (0..150_u8)
        .map(|n| {
            let size = sizes.new_tree(&mut runner).expect("a size").current();
            every_byte().into_iter().cycle().skip(n.into()).take(size).collect()
        })
        .collect();
    let stream: Vec<u8> = payloads.iter().flat_map(|payload| frame(payload)).collect();
    let mut writer = ada.writer();
    let speaker = thread::spawn(move || {
        for piece in stream.chunks(7919) {
            std::io::Write::write_all(&mut writer, piece).expect("sent");
        }
    });
    for payload in &payloads {
        sees_payload(&mut bob, "ada", payload);
    }
    speaker.join().expect("spoken");
}

// Lengths.

#[test]
fn a_payload_may_have_as_many_bytes_as_the_limit_and_no_more() {
    for (limit, limits) in
        [(LIMIT, Limits::default()), (100, Limits { payload: 100, ..Limits::default() })]
    {
        let server = TestServer::with(limits);
        let (mut ada, mut bob, mut eve) = trio(&server);
        for len in [1, limit - 1, limit] {
            let payload: Vec<u8> = every_byte().into_iter().rev().cycle().take(len).collect();
            ada.sends(&frame(&payload));
            sees_payload(&mut bob, "ada", &payload);
        }
        ada.sends(&frame(&vec![b'x'; limit + 1]));
        ada.sees("ERR too-long ...");
        ada.sends(&frame(b"x"));
        sees_payload(&mut bob, "ada", b"x");
        bob.fence();
        ada.fence();
        eve.types("PING fence");
        while eve.line() != "PONG fence" {}
    }
}

#[test]
fn too_long_is_answered_at_once_and_nothing_of_it_is_heard() {
    let server = TestServer::start();
    let (mut ada, mut bob, mut eve) = trio(&server);
    ada.types("DATA 70000");
    ada.sees("ERR too-long ...");
    ada.sends(&b"MSG within\n".repeat(7000)[..70_000]);
    ada.sends(b"\nMSG after\n");
    bob.sees("MSG ada after");
    eve.sees("MSG ada after");
    ada.fence();
}

#[test]
fn zero_bytes_are_empty_and_their_lf_is_skipped() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        ada> DATA 0
        ada< ERR empty ...
        ada>
        ada> DATA 00
        ada< ERR empty ...
        ada>
        ada> WHO
        ada< WHO 1 ada
        ada> DATA 0
        ada< ERR empty ...
        ada> MSG
        ada< ^D
        ",
    );
}

#[test]
fn leading_zeros_are_part_of_a_number() {
    let server = TestServer::start();
    let (mut ada, mut bob, _eve) = trio(&server);
    ada.sends(b"DATA 0000000000000000000000003\nabc\n");
    sees_payload(&mut bob, "ada", b"abc");
    ada.fence();
}

#[test]
fn an_announced_giant_is_refused_at_once_and_skipped() {
    for giant in ["65537", "4294967297", "18446744073709551615", "99999999999999999999999999"] {
        let server = TestServer::start();
        let (mut ada, mut bob, _eve) = trio(&server);
        ada.types(&format!("DATA {giant}"));
        ada.sees("ERR too-long ...");
        // Whatever follows is part of it; only the first is over before the stream.
        ada.sends(&b"MSG in\n".repeat(9362));
        ada.ends();
        ada.sees_the_end();
        bob.sees("LEFT ada");
        bob.fence();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_what_is_announced_or_skipped() {
    const MEGABYTES: usize = 200;
    let daemon = Daemon::start(&[]);
    let mut ada = daemon.member("ada");
    ada.types("DATA 18446744073709551615");
    ada.sees("ERR too-long ...");
    let mut crowd: Vec<Telnet> = (0..100).map(|n| daemon.member(&format!("m{n}"))).collect();
    for member in &mut crowd {
        member.types("PING fence");
        member.finds("PONG fence");
    }
    let before = daemon.kilobytes("VmHWM");
    let megabyte = vec![b'\n'; 1024 * 1024];
    for _ in 0..MEGABYTES {
        ada.sends(&megabyte);
    }
    // Announced, and hardly begun.
    for member in &mut crowd {
        member.sends(b"DATA 65536\nx");
    }
    daemon.member("late").fence();
    let grown = daemon.kilobytes("VmHWM") - before;
    assert!(grown < 2048, "{grown} kB");
}

#[test]
fn a_length_that_is_no_number_is_a_bad_frame() {
    for announced in ["DATA", "DATA ", "DATA x", "DATA -1", "DATA +1", "DATA 1x", "DATA 1 2"] {
        let server = TestServer::start();
        let (mut ada, mut bob, mut eve) = trio(&server);
        ada.sends(format!("{announced}\nMSG after\n").as_bytes());
        ada.sees("ERR bad-frame ...");
        ada.sees_the_end();
        for member in [&mut bob, &mut eve] {
            member.sees("LEFT ada lost");
            member.fence();
        }
    }
}

#[test]
fn a_payload_that_no_lf_closes_is_a_bad_frame() {
    for stream in [&b"DATA 3\nabcMSG hi\n"[..], b"DATA 3\nabc\r\n"] {
        let server = TestServer::start();
        let (mut ada, mut bob, mut eve) = trio(&server);
        ada.sends(stream);
        ada.sees("ERR bad-frame ...");
        ada.sees_the_end();
        for member in [&mut bob, &mut eve] {
            member.sees("LEFT ada lost");
            member.fence();
        }
    }
}

#[test]
fn what_is_refused_is_refused_once_and_closed_on_where_no_lf_ends_it() {
    let server = TestServer::start();
    let mut bob = data_member(&server, "bob");
    for (announced, len, code) in [("DATA 70000", 70_000, "too-long"), ("DATA 0", 0, "empty")] {
        let mut ada = server.member("ada");
        bob.sees("JOINED ada");
        ada.types(announced);
        ada.sees(&format!("ERR {code} ..."));
        ada.sends(&vec![b'x'; len + 1]);
        ada.sees_the_end();
        bob.sees("LEFT ada lost");
    }
    let mut guest = server.guest();
    guest.sends(b"DATA 3\nabc\r\nPING\n");
    guest.sees("ERR not-joined ...");
    guest.sees_the_end();
    bob.fence();
}

#[test]
fn as_text_a_payload_of_many_lines_is_cut_and_said_to_be() {
    let server = TestServer::start();
    let (mut ada, mut bob, mut eve) = trio(&server);
    let payload = b"\x80\n".repeat(LIMIT / 2);
    ada.sends(&frame(&payload));
    ada.types("MSG and so on");
    sees_payload(&mut bob, "ada", &payload);
    let (mut shown, mut bytes) = (0, 0);
    let last = loop {
        let line = eve.line();
        if line != "MSG ada \u{fffd}" {
            break line;
        }
        shown += 2;
        bytes += line.len() + 1;
    };
    assert!(bytes <= 4 * LIMIT, "{bytes}");
    assert_eq!(last, format!("MSG ada [… and {} more bytes]", LIMIT - shown));
    eve.sees("MSG ada and so on");
}

// How a stream ends.

#[test]
fn the_end_of_the_stream_within_a_payload_delivers_nothing() {
    for unfinished in [&b"DATA 5\n"[..], b"DATA 5\nabc", b"DATA 5\nabcde", b"DATA 5\nMSG x"] {
        let server = TestServer::start();
        let (mut ada, mut bob, mut eve) = trio(&server);
        ada.sends(&[&frame(b"whole")[..], unfinished].concat());
        ada.ends();
        ada.sees_the_end();
        sees_payload(&mut bob, "ada", b"whole");
        eve.sees("MSG ada whole");
        for member in [&mut bob, &mut eve] {
            member.sees("LEFT ada");
            member.fence();
        }
    }
}

#[test]
fn a_connection_that_breaks_within_a_payload_delivers_nothing() {
    let server = TestServer::start();
    let (mut ada, mut bob, mut eve) = trio(&server);
    ada.sends(b"DATA 50000\nabc");
    ada.breaks();
    for member in [&mut bob, &mut eve] {
        member.sees("LEFT ada lost");
        member.fence();
    }
}

#[test]
fn the_last_line_after_a_payload_counts_without_its_lf() {
    let server = TestServer::start();
    let (mut ada, mut bob, _eve) = trio(&server);
    ada.sends(b"DATA 3\nabc\nMSG last");
    ada.ends();
    sees_payload(&mut bob, "ada", b"abc");
    bob.sees("MSG ada last");
    bob.sees("LEFT ada");
}

// Guests.

#[test]
fn a_guest_is_refused_and_its_payload_skipped() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        guest> DATA 9
        guest< ERR not-joined ...
        guest> JOIN evil
        guest> DATA 99999
        guest< ERR too-long ...
        guest> ^D
        guest< ^D
        ",
    );
    let server = TestServer::start();
    let mut guest = server.guest();
    guest.sends(b"DATA 16\nGET / HTTP/1.1\r\n\nDATA 0\n\nJOIN guest\nWHO\n");
    guest.sees("ERR not-joined ...");
    guest.sees("ERR not-joined ...");
    guest.sees("OK guest 1");
    guest.sees("WHO 1 guest");
}

#[test]
fn a_guest_s_bad_frame_is_one_too() {
    transcript(
        "
        guest> DATA many
        guest< ERR bad-frame ...
        guest< ^D
        ",
    );
}

#[test]
fn a_guest_s_payloads_count_as_errors() {
    let server = TestServer::start();
    let mut guest = server.guest();
    guest.sends(&frame(b"\n").repeat(usize::from(GUEST_ERRORS)));
    for _ in 0..GUEST_ERRORS {
        guest.sees("ERR not-joined ...");
    }
    guest.sees("BYE too-many-errors");
    guest.sees_the_end();
}
