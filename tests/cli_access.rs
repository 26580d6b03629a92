//! `smoltalk` and a room that not everybody may enter.

mod fake;
mod pty;
mod talk;

use fake::{Fake, Real};
use futures_lite::future;
use pty::Person;
use smoltalk::client::{self, Error, Member};
use smoltalk::protocol::{Key, Name};
use smoltalk::server::Config;
use std::fs;
use std::path::PathBuf;
use talk::{Talk, ada, after_typing, left};

const KEY: &str = " open  s\u{e9}same ";

/// A file with the key in its first line, and a server whose room has it.
struct Room {
    file: PathBuf,
    server: Option<Real>,
}

impl Room {
    fn new(test: &str) -> Self {
        let file = std::env::temp_dir().join(format!("smoltalk-{}-{test}", std::process::id()));
        fs::write(&file, format!("{KEY}\r\nno key\n")).expect("written");
        let config = Config { key_file: Some(file.clone()), ..Config::default() };
        Self { server: Some(Real::start(config)), file }
    }

    fn port(&self) -> u16 {
        self.server.as_ref().expect("there").port
    }

    fn path(&self) -> &str {
        self.file.to_str().expect("UTF-8")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
        self.server.take().into_iter().for_each(Real::stop);
    }
}

#[test]
fn the_key_comes_from_a_file_or_the_environment() {
    let room = Room::new("given");
    let by_file = ["--key-file", room.path()];
    assert_eq!(after_typing(ada(room.port()).args(by_file), "send hi"), left(0, "", ""));
    assert_eq!(after_typing(ada(room.port()).env("SMOLTALK_KEY", KEY), "send hi"), left(0, "", ""));
    // The flag wins.
    let both = &mut ada(room.port());
    both.args(by_file).env("SMOLTALK_KEY", "wrong");
    assert_eq!(after_typing(both, "send hi"), left(0, "", ""));
}

#[test]
fn a_script_without_the_key_is_told_why_it_is_not_let_in() {
    let room = Room::new("script");
    let missing = "smoltalk: the room has a key: --key-file or SMOLTALK_KEY says it (denied)\n";
    let wrong = "smoltalk: the room's key is another one (denied)\n";
    for (key, why) in [("", missing), ("wrong", wrong)] {
        let program = &mut ada(room.port());
        program.env("SMOLTALK_KEY", key).arg("--reconnect");
        assert_eq!(after_typing(program, "send hi"), left(3, "", why));
    }
}

#[test]
fn the_key_is_said_only_where_hello_asks_for_it() {
    let rest = "> JOIN ada\n< OK ada 1\n> PING sent\n< PONG sent\n> LEAVE\n< BYE\n.";
    let plain = format!("< HELLO smoltalk/1 hi [line=4096 history]\n{rest}");
    let keyed = format!("< HELLO smoltalk/1 hi [key line=4096]\n> PASS k\n< OK pass\n{rest}");
    for script in [plain, keyed] {
        let server = Fake::plays(&script);
        assert_eq!(after_typing(ada(server.port).env("SMOLTALK_KEY", "k"), ""), left(0, "", ""));
        server.done();
    }
}

#[test]
fn a_file_that_has_no_key_is_a_mistake_and_what_is_in_it_is_not_said() {
    for (contents, given) in [(Some("\nkey\n"), "none"), (None, "absent")] {
        let path = std::env::temp_dir().join(format!("smoltalk-{}-{given}", std::process::id()));
        if let Some(contents) = contents {
            fs::write(&path, contents).expect("written");
        }
        let ended = after_typing(ada(1).args(["--key-file"]).arg(&path), "");
        assert_eq!(ended.code, Some(2));
        let why = "smoltalk: --key-file takes a file whose first line is the room's key, not ";
        assert!(ended.stderr.starts_with(why), "{}", ended.stderr);
        let _ = fs::remove_file(&path);
    }
    let ended = after_typing(ada(1).env("SMOLTALK_KEY", "two\nlines"), "");
    assert_eq!(ended.code, Some(2));
    assert!(!ended.stderr.contains("two"), "{}", ended.stderr);
}

#[test]
fn it_is_said_again_when_one_comes_back_and_no_more_once_it_is_wrong() {
    let hello = "< HELLO smoltalk/1 hi [key]\n> PASS k\n";
    let server = Fake::plays_in_turn(&[
        &format!("{hello}< OK pass\n> JOIN ada\n< OK ada 1"),
        &format!("{hello}< OK pass\n> JOIN ada\n< OK ada 1"),
        &format!("{hello}< ERR denied no"),
    ]);
    let mut talk = Talk::start(ada(server.port).env("SMOLTALK_KEY", "k").arg("--reconnect"));
    let ended = loop {
        let said = talk.complains();
        if !said.contains("reconnecting") && !said.contains("connected again") {
            break said;
        }
    };
    assert_eq!(ended, "smoltalk: no (denied)\n");
    assert_eq!(talk.ends().code, Some(3));
    server.done();
}

#[test]
fn who_comes_back_to_another_key_is_told_so_and_not_what_to_type() {
    let hello = "< HELLO smoltalk/1 hi [key]\n";
    let denied = "< ERR denied the room's key is missing or wrong: PASS <key>";
    for (key, first, again, why) in [
        ("k", "> PASS k\n< OK pass\n", "> PASS k\n", "the room's key is another one (denied)"),
        ("", "", "> JOIN ada\n", "the room has a key: --key-file or SMOLTALK_KEY says it (denied)"),
    ] {
        let server = Fake::plays_in_turn(&[
            &format!("{hello}{first}> JOIN ada\n< OK ada 1"),
            &format!("{hello}{again}{denied}"),
        ]);
        let program = &mut ada(server.port);
        let mut talk = Talk::start(program.env("SMOLTALK_KEY", key).arg("--reconnect"));
        assert_eq!(talk.complains(), "smoltalk: the server closed the connection; reconnecting\n");
        assert_eq!(talk.complains(), format!("smoltalk: {why}\n"));
        assert_eq!(talk.ends().code, Some(3));
        server.done();
    }
}

#[test]
fn who_was_put_out_or_is_banned_does_not_try_again() {
    let server = Fake::plays("< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n< BYE kicked too loud");
    let ended = Talk::start(ada(server.port).arg("--reconnect")).ends();
    let why = "smoltalk: the server ended the connection: kicked: too loud\n";
    assert_eq!(ended, left(1, "", why));
    server.done();
    let server = Fake::plays("< ERR banned not you");
    let ended = Talk::start(ada(server.port).arg("--reconnect")).ends();
    assert_eq!(ended, left(3, "", "smoltalk: not you (banned)\n"));
    server.done();
}

#[test]
fn on_a_terminal_it_is_asked_for_unseen() {
    let room = Room::new("asked");
    for terminal in ["xterm", "dumb"] {
        let mut program = ada(room.port());
        let mut person = Person::start_on(terminal, &mut program);
        let mut shown = person.sees("the room's key: ");
        person.types("blunder");
        shown += &person.sees("smoltalk: the room's key is another one (denied)");
        shown += &person.sees("the room's key: ");
        person.types(KEY);
        shown += &person.sees("you are ada");
        shown += &person.sees("ada> ");
        // It cannot be recalled either.
        person.types_keys("\u{19}\u{10}\u{15}");
        person.types("leave");
        let (rest, code) = person.ends();
        assert_eq!(code, Some(0));
        for secret in ["blunder", "open", "same"] {
            assert!(!(shown.clone() + &rest).contains(secret), "{terminal}: {shown}{rest}");
        }
    }
}

#[test]
fn who_does_not_know_it_leaves_with_the_reason() {
    let room = Room::new("unknown");
    let mut person = Person::start(&mut ada(room.port()));
    for _ in 0..3 {
        person.sees("the room's key: ");
        person.types("x");
        person.sees("smoltalk: the room's key is another one (denied)");
    }
    assert_eq!(person.ends().1, Some(3));
    let mut person = Person::start(&mut ada(room.port()));
    person.sees("the room's key: ");
    person.types_keys("half\u{3}\u{4}");
    let (rest, code) = person.ends();
    assert_eq!(code, Some(3));
    assert!(!rest.contains("half"), "{rest}");
    assert!(rest.contains("smoltalk: the room has a key: "), "{rest}");
}

#[test]
fn a_member_of_the_library_has_a_key_too() {
    let room = Room::new("member");
    let ada = Name::new(b"ada").expect("a name");
    let mut config = client::Config::new("127.0.0.1", room.port(), ada);
    let late = async {
        smol::Timer::after(fake::DEADLINE).await;
        panic!("it hangs");
    };
    let tries = async {
        let denied = Member::join(config.clone()).await;
        assert!(matches!(denied, Err(Error::Refused { code, .. }) if code == "denied"));
        config.key = Key::new(KEY.as_bytes());
        let mut ada = Member::join(config).await.expect("in");
        ada.say("hi").await.expect("said");
        ada.leave().await.expect("left");
    };
    smol::block_on(future::or(tries, late));
}
