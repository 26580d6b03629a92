//! `smoltalk` and any bytes: what it sends of them, and what it shows.

mod fake;
mod talk;

use fake::{Fake, Peer, Real};
use smoltalk::limits::Limits;
use smoltalk::server::Config;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use talk::{Talk, ada, after_typing, left, named, program};

/// A server that lets ada in, with the option `data`, and then does as `then` says.
fn server(then: impl FnOnce(Peer) + Send + 'static) -> Fake {
    Fake::runs(|mut peer| {
        peer.say("HELLO smoltalk/1");
        let mut join = peer.hear_all();
        if join == "JOIN ada data id" {
            peer.say("ERR bad-option what is an id?");
            join = peer.hear_all();
        }
        assert_eq!(join, "JOIN ada data");
        peer.say("OK ada 1");
        then(peer);
    })
}

/// One that knows nothing of payloads.
fn old_server(then: impl FnOnce(Peer) + Send + 'static) -> Fake {
    Fake::runs(|mut peer| {
        peer.say("HELLO smoltalk/1");
        assert_eq!(peer.hear_all(), "JOIN ada data");
        peer.say("ERR bad-option what is data?");
        assert_eq!(peer.hear_all(), "JOIN ada");
        peer.say("OK ada 1");
        then(peer);
    })
}

fn says_goodbye(mut peer: Peer) {
    assert_eq!(peer.hear(), "PING sent");
    peer.say("PONG sent");
    assert_eq!(peer.hear(), "LEAVE");
}

/// A file of the test's own, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str, bytes: &[u8]) -> Self {
        let name = format!("smoltalk {} {test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).expect("written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn every_byte() -> Vec<u8> {
    (0..=u8::MAX).collect()
}

// Sending.

#[test]
fn whole_is_one_message_that_is_confirmed() {
    for typed in [&b"one\ntwo\r\n"[..], b"LEAVE\n", &every_byte(), b"\n", b"x"] {
        let typed = typed.to_vec();
        let expected = typed.clone();
        let server = server(move |mut peer| {
            assert_eq!(peer.hear(), format!("DATA {}", expected.len()));
            let mut said = vec![0; expected.len() + 1];
            peer.read_exact(&mut said);
            assert_eq!(said, [&expected[..], b"\n"].concat());
            says_goodbye(peer);
        });
        let talk = after_typing(ada(server.port).arg("--whole"), typed);
        assert_eq!(talk, left(0, "", ""));
        server.done();
    }
}

#[test]
fn what_cannot_be_said_whole_is_not_reported_as_said() {
    let server = Real::start(Config {
        limits: Limits { payload: 100, ..Limits::default() },
        ..Config::default()
    });
    let refused = after_typing(ada(server.port).arg("--whole"), [0; 101]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("(too-long)"), "{}", refused.stderr);
    assert_eq!(after_typing(ada(server.port).arg("--whole"), [0; 100]), left(0, "", ""));
    let empty = after_typing(ada(server.port).arg("--whole"), "");
    assert_eq!(empty, left(0, "", ""));
    let why = "smoltalk: too long: a payload may have 1048576 bytes, this one has 2000000\n";
    let giant = after_typing(ada(server.port).arg("--whole"), vec![0; 2_000_000]);
    assert_eq!(giant, left(1, "", why));
    server.stop();

    let server = old_server(says_goodbye);
    let why = "smoltalk: this server takes lines only\nsmoltalk: nothing was said\n";
    assert_eq!(after_typing(ada(server.port).arg("--whole"), "hi"), left(1, "", why));
    server.done();
}

#[test]
fn whole_and_stay_goes_on_listening() {
    let server = server(|mut peer| {
        assert_eq!(peer.hear(), "DATA 2");
        assert_eq!(peer.hear(), "hi");
        peer.say("MSG bob hi");
        peer.say("BYE shutdown");
    });
    let talk = after_typing(ada(server.port).args(["--whole", "--stay"]), "hi");
    assert_eq!(talk.stdout, "<bob> hi\n");
    server.done();
}

#[test]
fn a_file_is_one_message() {
    let file = Scratch::new("file", &every_byte());
    let server = server(|mut peer| {
        assert_eq!(peer.hear(), "DATA 256");
        let mut said = [0; 257];
        peer.read_exact(&mut said);
        assert_eq!(said[..256], every_byte());
        assert_eq!(peer.hear(), "MSG after");
        says_goodbye(peer);
    });
    let typed = format!("send-file {} \nsend after\n", file.path());
    assert_eq!(after_typing(&mut ada(server.port), typed), left(0, "", ""));
    server.done();
}

#[test]
fn what_the_server_says_that_it_does_not_take_is_not_sent() {
    let server = |then: fn(Peer)| {
        Fake::runs(move |mut peer| {
            peer.say("HELLO smoltalk/1 hi [payload=100]");
            assert_eq!(peer.hear(), "JOIN ada");
            peer.say("OK ada 1");
            then(peer);
        })
    };
    let why = "smoltalk: line 1 was not said: a payload may have 100 bytes, this one has 101 (too-long)\n";
    let file = Scratch::new("too-long", &[0; 101]);
    let room = server(says_goodbye);
    let typed = format!("send-file {}\n", file.path());
    assert_eq!(after_typing(&mut ada(room.port), typed), left(1, "", why));
    room.done();
    let room = server(says_goodbye);
    let whole = after_typing(ada(room.port).arg("--whole"), [0; 101]);
    let why = why.replace("line 1 was not said: ", "");
    assert_eq!(whole, left(1, "", &format!("{why}smoltalk: nothing was said\n")));
    room.done();
}

#[test]
fn what_is_no_file_is_said_so_and_sent_to_nobody() {
    let empty = Scratch::new("empty", b"");
    let giant = Scratch::new("giant", &vec![0; 2_000_000]);
    let server = server(says_goodbye);
    let typed = format!(
        "send-file /no/such\u{1b}/file\nsend-file /\nsend-file /dev/zero\nsend-file {}\n\
         send-file {}\nsend-file \n",
        empty.path(),
        giant.path()
    );
    let talk = after_typing(&mut ada(server.port), typed);
    let said: Vec<&str> = talk.stderr.lines().collect();
    for (line, words) in said.iter().zip([
        "smoltalk: line 1 was not said: /no/such␛/file: ",
        "smoltalk: line 2 was not said: /: this is a directory",
        "smoltalk: line 3 was not said: /dev/zero: this is no file",
        &format!("smoltalk: line 4 was not said: {}: there is nothing in it", empty.path()),
        "smoltalk: line 5 was not said: a payload may have 1048576 bytes, this one has 2000000 (too-long)",
        "smoltalk: line 6 was not said: send-file takes the path of a file",
    ]) {
        assert!(line.starts_with(words), "{line}");
    }
    assert_eq!((talk.code, said.len()), (Some(1), 6));
    assert!(!talk.stderr.contains("os error"), "{}", talk.stderr);
    server.done();
}

#[test]
fn bytes_are_not_sent_to_a_server_that_would_take_them_for_commands() {
    let file = Scratch::new("old", b"LEAVE\n");
    let server = old_server(|mut peer| {
        assert_eq!(peer.hear(), "MSG after");
        says_goodbye(peer);
    });
    let typed = format!("send-file {}\nsend after\n", file.path());
    let why = "smoltalk: line 1 was not said: this server takes lines only\n";
    assert_eq!(after_typing(&mut ada(server.port), typed), left(1, "", why));
    server.done();
    let long = format!("send {}\nsend after\n", "x".repeat(5000));
    let server = old_server(|mut peer| {
        assert_eq!(peer.hear(), "MSG after");
        says_goodbye(peer);
    });
    let why =
        "smoltalk: line 1 was not said: a line may have 4096 bytes, this one has 5004 (too-long)\n";
    assert_eq!(after_typing(&mut ada(server.port), long), left(1, "", why));
    server.done();
}

// Showing.

/// Says `payloads` of bob's.
fn says(peer: &mut Peer, payloads: &[&[u8]]) {
    for payload in payloads {
        peer.say(&format!("DATA bob {}", payload.len()));
        peer.stream.write_all(&[payload, &b"\n"[..]].concat()).expect("it listens");
    }
}

#[test]
fn what_is_text_is_shown_as_text_and_anything_else_in_a_few_words() {
    let server = server(|mut peer| {
        says(&mut peer, &[b"one\n\n  two\r\n", b"\x1b[2J\xc2\x9b", b"MSG eve hi\nBYE\n"]);
        says(&mut peer, &[&every_byte(), &[0; 12_345], b"\xff\xfe", b""]);
        peer.say("MSG bob last");
        says_goodbye(peer);
    });
    let shown = "<bob> one\n<bob> \n<bob>   two\n<bob> ␛[2J\u{fffd}\n<bob> MSG eve hi\n\
                 <bob> BYE\n<bob> [256 bytes]\n<bob> [12,345 bytes]\n<bob> [2 bytes]\n<bob> \n\
                 <bob> last\n";
    assert_eq!(after_typing(&mut ada(server.port), ""), left(0, shown, ""));
    server.done();
}

#[test]
fn raw_output_is_the_payloads_byte_for_byte_and_nothing_else() {
    let server = server(|mut peer| {
        peer.say("JOINED bob");
        says(&mut peer, &[&every_byte(), b"\n", b"end"]);
        peer.say("MSG bob \u{1b}hi");
        says_goodbye(peer);
    });
    let mut talk = Talk::start(ada(server.port).args(["--output", "raw"]));
    talk.stdin = None;
    let mut shown = Vec::new();
    talk.stdout.read_to_end(&mut shown).expect("an end");
    assert_eq!(shown, [&every_byte()[..], b"\nend"].concat());
    assert_eq!(talk.ends(), left(0, "", "* bob joined\n<bob> ␛hi\n"));
    server.done();
}

#[test]
fn json_has_the_text_or_the_bytes_in_base64() {
    let server = server(|mut peer| {
        says(&mut peer, &[b"one\n\"two\"\n", b"\xff", b"\xff\0", b"\xff\0\xfe", &every_byte()]);
        says_goodbye(peer);
    });
    let talk = after_typing(ada(server.port).arg("--json"), "");
    let said: Vec<serde_json::Value> =
        talk.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(said[1]["type"], "msg");
    assert_eq!(said[1]["name"], "bob");
    assert_eq!(said[1]["text"], "one\n\"two\"");
    for (object, base64) in said[2..].iter().zip(["/w==", "/wA=", "/wD+"]) {
        assert_eq!(object["type"], "msg");
        assert_eq!(object["data"], base64);
        assert!(object.get("text").is_none());
    }
    let every = said[5]["data"].as_str().expect("a string");
    assert!(every.starts_with("AAECAwQFBgcICQoLDA0ODxAR") && every.ends_with("+fr7/P3+/w=="));
    assert_eq!(every.len(), 344);
    server.done();
}

#[test]
fn a_file_goes_from_one_client_to_another() {
    let server = Real::start(Config::default());
    let file: Vec<u8> = every_byte().repeat(256);
    let mut raw = Talk::start(named(server.port, "raw").args(["--output=raw", "--stay"]));
    let mut bob = Talk::start(&mut named(server.port, "bob"));
    raw.types("who\n");
    bob.types("who\n");
    // That bob joined may come first.
    while !raw.complains().contains("here") {}
    while !bob.shows().contains("2 here") {
        bob.types("who\n");
    }
    assert_eq!(after_typing(ada(server.port).arg("--whole"), &file), left(0, "", ""));
    let mut copy = vec![0; file.len()];
    raw.stdout.read_exact(&mut copy).expect("so many bytes");
    assert!(copy == file);
    loop {
        match bob.shows().as_str() {
            "<ada> [65,536 bytes]\n" => break,
            line => assert!(line.starts_with("* "), "{line}"),
        }
    }
    server.stop();
}

#[test]
fn flags_that_do_not_go_together_are_a_usage_error() {
    for args in [&["--output"][..], &["--output", "json"], &["--json", "--output", "raw"]] {
        let usage = after_typing(program().args(args), "");
        assert_eq!((usage.code, usage.stderr.lines().count()), (Some(2), 1), "{}", usage.stderr);
        assert!(usage.stderr.contains("--output"), "{}", usage.stderr);
    }
}
