//! The library's client and payloads of any bytes.

mod fake;

use fake::{Fake, Real};
use futures_lite::future;
use smoltalk::client::{Client, Error, Event};
use smoltalk::limits;
use smoltalk::protocol::{Command, Form, JoinOptions, Name};

const TEXT: Form = Form { data: false, ids: false };
const DATA: Form = Form { data: true, ids: false };

fn asks(form: Form) -> JoinOptions {
    JoinOptions { form, ..JoinOptions::default() }
}
use smoltalk::server::Config;
use std::io::Write;

/// Runs a test, which fails if it hangs.
fn run<T>(test: impl Future<Output = T>) -> T {
    let hangs = async {
        smol::Timer::after(fake::DEADLINE).await;
        panic!("it hangs");
    };
    smol::block_on(future::or(test, hangs))
}

async fn joined(port: u16, name: &str, form: Form) -> Client {
    let mut client = Client::connect("127.0.0.1", port).await.expect("a smoltalk server");
    client.join_with(name, asks(form)).await.expect("a free name");
    client
}

fn data(from: &str, bytes: &[u8]) -> Event {
    Event::Data { from: Name::new(from.as_bytes()).expect("a name"), bytes: bytes.into() }
}

#[test]
fn any_bytes_go_out_and_come_in() {
    let server = Real::start(Config::default());
    run(async {
        let mut ada = joined(server.port, "ada", TEXT).await;
        let mut bob = joined(server.port, "bob", DATA).await;
        let every: Vec<u8> = (0..=u8::MAX).collect();
        let most = every.repeat(256);
        for payload in [&every[..], b"\n", b"MSG x\nBYE\n", &most] {
            ada.send_data(payload).await.expect("sent");
            assert_eq!(bob.next().await.expect("heard"), data("ada", payload));
        }
        bob.send_data(b"one\ntwo").await.expect("sent");
        bob.ping().await.expect("confirmed");
        assert!(matches!(ada.next().await, Ok(Event::Joined(_))));
        for line in ["one", "two"] {
            assert!(matches!(ada.next().await, Ok(Event::Msg { text, .. }) if text == line));
        }
    });
    server.stop();
}

#[test]
fn many_payloads_between_two_who_both_speak_come_in_order() {
    const COUNT: usize = 300;
    let server = Real::start(Config::default());
    let payload = |n: usize| vec![u8::try_from(n % 251).expect("small"); 1 + (n * 997) % 65_536];
    let talk = |mut client: Client| async move {
        let mut heard = 0;
        for n in 0..COUNT {
            client.queue_data(&payload(n)).expect("it is short enough");
            while let Some(event) = client.next_until_sent().await.expect("connected") {
                if let Event::Data { bytes, .. } = event {
                    assert!(bytes == payload(heard));
                    heard += 1;
                }
            }
        }
        while heard < COUNT {
            if let Event::Data { bytes, .. } = client.next().await.expect("connected") {
                assert!(bytes == payload(heard));
                heard += 1;
            }
        }
        client
    };
    run(async {
        let ada = joined(server.port, "ada", DATA).await;
        let bob = joined(server.port, "bob", DATA).await;
        future::zip(talk(ada), talk(bob)).await;
    });
    server.stop();
}

#[test]
fn what_the_server_will_not_take_is_answered() {
    // One that does not say how much it takes.
    let server = Fake::runs(|mut peer| {
        peer.say("HELLO smoltalk/1");
        assert_eq!(peer.hear_all(), "JOIN ada data");
        peer.say("OK ada 1");
        assert_eq!([peer.hear(), peer.hear(), peer.hear()], ["DATA 2", "hi", "PING 1"]);
        peer.say("ERR too-long a payload may have 1 byte");
        peer.say("PONG 1");
    });
    run(async {
        let mut ada = joined(server.port, "ada", DATA).await;
        ada.send_data(b"hi").await.expect("sent");
        ada.ping().await.expect("all goes on");
        assert!(matches!(ada.next().await, Ok(Event::Err { code, .. }) if code == "too-long"));
    });
    server.done();
}

#[test]
fn what_cannot_be_said_is_not_sent() {
    let server = Fake::plays("< HELLO smoltalk/1\n> PING 1\n< PONG 1");
    run(async {
        let mut client = Client::connect("127.0.0.1", server.port).await.expect("a server");
        assert!(matches!(client.send_data(b"").await, Err(Error::Empty)));
        assert!(matches!(client.queue(Command::Data(3)), Err(Error::Empty)));
        let long = client.send_data(&vec![0; limits::PAYLOAD + 1]).await.expect_err("too long");
        assert_eq!(long.to_string(), "too long: a payload may have 1048576 bytes");
        client.ping().await.expect("nothing else came");
    });
    server.done();
}

#[test]
fn the_form_is_what_the_server_said_ok_to_though_nobody_waited_for_that() {
    for (answers, form) in [
        (&["OK ada 1"][..], DATA),
        (&["ERR bad-option what?", "OK ada 1"], TEXT),
        (&["OK ada 1", "ERR already-joined you are in"], DATA),
    ] {
        let server = Fake::runs(move |mut peer| {
            peer.say("HELLO smoltalk/1");
            for asked in ["JOIN ada data", "JOIN ada", "PING now"] {
                assert_eq!(peer.hear_all(), asked);
            }
            for answer in answers {
                peer.say(answer);
            }
        });
        run(async {
            let mut ada = Client::connect("127.0.0.1", server.port).await.expect("a server");
            for form in [DATA, TEXT] {
                // Dropped once the line is on its way.
                assert!(future::poll_once(ada.join_with("ada", asks(form))).await.is_none());
            }
            ada.send(Command::Ping(b"now")).await.expect("sent");
            while ada.next().await.is_ok() {}
            assert_eq!(ada.form(), form, "{answers:?}");
        });
        server.done();
    }
}

#[test]
fn the_limit_of_a_payload_is_what_the_server_says() {
    let hello = "< HELLO smoltalk/1 JOIN <name> to enter [line=4096 payload=100 weather=rain]";
    let server = Fake::plays(&format!("{hello}\n> PING 1\n< PONG 1"));
    run(async {
        let mut client = Client::connect("127.0.0.1", server.port).await.expect("a server");
        assert_eq!(client.greeting().line, Some(4096));
        assert!(client.greeting().has("weather=rain") && client.takes(100).is_ok());
        let long = client.send_data(&[0; 101]).await.expect_err("too long");
        assert_eq!(long.to_string(), "a payload may have 100 bytes, this one has 101 (too-long)");
        client.ping().await.expect("nothing else came");
    });
    server.done();
}

#[test]
fn a_server_without_payloads_refuses_the_option() {
    let server = Fake::runs(|mut peer| {
        peer.say("HELLO smoltalk/1");
        assert_eq!(peer.hear_all(), "JOIN ada data");
        peer.say("ERR bad-option what?");
        assert_eq!(peer.hear_all(), "JOIN ada");
        peer.say("OK ada 1");
    });
    run(async {
        let mut client = Client::connect("127.0.0.1", server.port).await.expect("a server");
        let refused = client.join_with("ada", asks(DATA)).await;
        assert!(matches!(refused, Err(Error::Refused { code, .. }) if code == "bad-option"));
        assert_eq!(client.join("ada").await.expect("in"), 1);
        assert_eq!(client.form(), TEXT);
    });
    server.done();
}

/// What a client that is in makes of what the server says.
fn heard_of(said: &'static [u8]) -> (Vec<Event>, Error) {
    let server = Fake::runs(move |mut peer| {
        peer.say("HELLO smoltalk/1");
        // A packet for each byte, or nearly.
        for byte in said.chunks(1) {
            peer.stream.write_all(byte).expect("it listens");
        }
    });
    run(async {
        let mut client = Client::connect("127.0.0.1", server.port).await.expect("a server");
        let mut events = Vec::new();
        loop {
            match client.next().await {
                Ok(event) => events.push(event),
                Err(end) => return (events, end),
            }
        }
    })
}

#[test]
fn a_payload_is_whole_however_it_comes_and_half_of_one_is_nothing() {
    let (events, end) = heard_of(b"DATA bob 5\nBYE\nx\nDATA bob 0\n\nDATA bob 3\nabc");
    assert_eq!(events, [data("bob", b"BYE\nx"), data("bob", b"")]);
    assert!(matches!(end, Error::Lost(_)));
}

#[test]
fn a_careless_server_is_not_believed() {
    for said in [
        &b"DATA bob 1048577\n"[..],
        b"DATA bob 18446744073709551615\n",
        b"DATA bob 99999999999999999999999\n",
        b"DATA bob 1\nab\n",
    ] {
        let (events, end) = heard_of(said);
        assert_eq!(events, []);
        assert!(matches!(end, Error::NotSmoltalk(_)), "{end}");
    }
}
