//! `smoltalk --json`, from outside: each line is read by a parser that is not ours.

mod fake;
mod talk;

use fake::{Fake, Real};
use serde_json::{Value, json};
use smoltalk::server::Config;
use std::process::{Command, Stdio};
use talk::{Left, Talk, ada, after_typing, left, named};

/// A line's object without its time, which must be one.
fn object(line: &str) -> Value {
    let mut object: Value = serde_json::from_str(line).expect("JSON");
    let time = object.as_object_mut().and_then(|object| object.remove("time"));
    let time = time.as_ref().and_then(Value::as_str).expect("a time");
    let pattern = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(c, p): (char, char)| if p == 'd' { c.is_ascii_digit() } else { c == p };
    assert!(time.len() == pattern.len() && time.chars().zip(pattern.chars()).all(fits), "{time}");
    object
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(object).collect()
}

#[test]
fn each_event_is_an_object_and_nothing_else_is_shown() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < OK ada 2
         > MSG hi
         < MSG bob say \"hi\" \\o/ ␛ \t😀
         < TELL bob psst
         < JOINED eve
         < LEFT eve
         < LEFT bob stalled
         < WHO 2 ada
         < WHO 2 eve
         < ERR no-such-member nobody
         < HELP me
         < NEWS from a later version
         > PING sent
         < PONG sent
         > LEAVE
         < MSG eve late
         < BYE",
    );
    let Left { code, stdout, stderr } = after_typing(ada(server.port).arg("--json"), "send hi\n");
    assert_eq!((code, stderr.as_str()), (Some(3), ""));
    assert_eq!(
        objects(&stdout),
        [
            json!({"type": "ok", "name": "ada", "count": 2}),
            json!({"type": "msg", "name": "bob", "text": "say \"hi\" \\o/ ␛ \t😀"}),
            json!({"type": "tell", "name": "bob", "text": "psst"}),
            json!({"type": "joined", "name": "eve"}),
            json!({"type": "left", "name": "eve", "reason": ""}),
            json!({"type": "left", "name": "bob", "reason": "stalled"}),
            json!({"type": "who", "members": ["ada", "eve"]}),
            json!({"type": "err", "code": "no-such-member", "text": "nobody"}),
            json!({"type": "msg", "name": "eve", "text": "late"}),
            json!({"type": "bye", "reason": ""}),
        ]
    );
    server.done();
}

#[test]
fn what_is_typed_and_not_done_is_an_event() {
    let server = Fake::plays(
        "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n> PING sent\n< PONG sent\n> LEAVE\n< BYE",
    );
    let typed = format!("hi\ntell b/b hi\ntell b {}\n", "x".repeat(5000));
    let Left { code, stdout, stderr } = after_typing(ada(server.port).arg("--json"), typed);
    assert_eq!((code, stderr.as_str()), (Some(3), ""));
    let codes: Vec<Value> = objects(&stdout).iter().map(|object| object["code"].clone()).collect();
    let null = Value::Null;
    assert_eq!(
        codes,
        [null.clone(), "unknown-command".into(), "no-such-member".into(), "too-long".into(), null]
    );
    server.done();
}

#[test]
fn a_refusal_and_an_end_are_events_and_exit_codes_stay() {
    let taken = Fake::plays("< HELLO smoltalk/1\n> JOIN ada\n< ERR name-taken try another");
    let Left { code, stdout, stderr } = after_typing(ada(taken.port).arg("--json"), "");
    assert_eq!((code, stderr.as_str()), (Some(3), "smoltalk: try another (name-taken)\n"));
    let expected = json!({"type": "err", "code": "name-taken", "text": "try another"});
    assert_eq!(objects(&stdout), [expected]);
    taken.done();
    for (script, event, why) in [
        (
            "< BYE shutdown",
            json!({"type": "bye", "reason": "shutdown"}),
            "the server ended the connection: shutdown",
        ),
        (
            "< JOINED bob",
            json!({"type": "lost", "text": "the server closed the connection"}),
            "the server closed the connection",
        ),
    ] {
        let server = Fake::plays(&format!("< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n{script}"));
        let Left { code, stdout, stderr } = Talk::start(ada(server.port).arg("--json")).ends();
        assert_eq!((code, stderr), (Some(1), format!("smoltalk: {why}\n")));
        assert_eq!(objects(&stdout).last(), Some(&event));
        server.done();
    }
}

#[test]
fn the_answer_to_ping_is_an_event() {
    let server = Real::start(Config::default());
    let mut talk = Talk::start(ada(server.port).args(["--json", "--stay"]));
    talk.types("ping\n");
    assert_eq!(object(&talk.shows())["type"], "ok");
    let pong = object(&talk.shows());
    assert_eq!(pong["type"], "pong");
    assert!(pong["micros"].as_u64().is_some_and(|micros| micros > 0), "{pong}");
    server.stop();
    assert_eq!(object(&talk.shows()), json!({"type": "bye", "reason": "shutdown"}));
    assert_eq!(talk.ends().code, Some(1));
}

#[test]
fn each_object_comes_as_soon_as_the_event() {
    let server = Real::start(Config::default());
    let mut bob = Talk::start(named(server.port, "bob").args(["--json", "--stay"]));
    assert_eq!(object(&bob.shows())["type"], "ok");
    assert_eq!(after_typing(&mut ada(server.port), "send hi\n"), left(0, "", ""));
    for kind in ["joined", "msg", "left"] {
        assert_eq!(object(&bob.shows())["type"], kind);
    }
    bob.types("leave\n");
    assert_eq!(object(&bob.shows()), json!({"type": "bye", "reason": ""}));
    server.stop();
}

#[test]
fn the_example_greets_who_comes() {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no python3");
        return;
    }
    let server = Real::start(Config::default());
    let mut example = Command::new("python3");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/greeter.py");
    example.args([script, env!("CARGO_BIN_EXE_smoltalk"), "--port", &server.port.to_string()]);
    let mut greeter = Talk::start(&mut example);
    assert_eq!(greeter.shows(), "greeting 0 others\n");
    let mut ada = Talk::start(ada(server.port).arg("--stay"));
    assert_eq!(ada.shows(), "<greeter> [to you] welcome, ada\n");
    assert_eq!(ada.shows(), "<greeter> ada is here: we are 2\n");
    assert_eq!(greeter.shows(), "ada came\n");
    server.stop();
    assert_eq!(
        greeter.ends(),
        left(
            1,
            "the room closed: shutdown\n",
            "smoltalk: the server ended the connection: shutdown\n"
        )
    );
}
