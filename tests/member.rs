//! A member that comes back by itself, over a line that breaks again and again.

mod fake;
mod wire;

use fake::{Fake, Peer, Real};
use futures_lite::future;
use smol::Timer;
use smoltalk::client::{Client, Config, Error, Event, Member};
use smoltalk::protocol::Name;
use smoltalk::server;
use std::time::Duration;
use wire::Wire;

fn name(spelt: &str) -> Name {
    Name::new(spelt.as_bytes()).expect("a name")
}

fn ada(port: u16) -> Config {
    Config::new("127.0.0.1", port, name("ada"))
}

/// What `future` comes to, before the deadline.
fn soon<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        Timer::after(fake::DEADLINE).await;
        panic!("it hangs");
    };
    smol::block_on(future::or(future, late))
}

#[test]
fn what_it_says_is_there_when_that_is_confirmed() {
    let server = Real::start(server::Config::default());
    soon(async {
        let mut bob = Client::connect("127.0.0.1", server.port).await.expect("a server");
        bob.join("bob").await.expect("in");
        let mut ada = Member::join(ada(server.port)).await.expect("in");
        let one = ada.say("one").await.expect("said").expect("its place");
        let two = ada.tell("bob", "two").await.expect("told").expect("its place");
        let three = ada.send_data(b"a\0b").await.expect("said").expect("its place");
        assert!(one < two && two < three);
        let refused = ada.tell("eve", "psst").await;
        assert!(
            matches!(&refused, Err(Error::Refused { code, .. }) if code == "no-such-member"),
            "{refused:?}"
        );
        assert!(matches!(ada.say("").await, Err(Error::Empty)));
        assert!(matches!(ada.say("x".repeat(5000)).await, Err(Error::TooLong)));
        bob.say("hi").await.expect("said");
        let hi = Event::Msg { from: name("bob"), text: "hi".into() };
        assert_eq!(ada.next().await.expect("heard"), hi);
        assert!(ada.id().expect("its place") > three);
        ada.leave().await.expect("left");
    });
    server.stop();
}

#[test]
fn each_line_is_said_once_whatever_breaks_and_whoever_waits() {
    const LINES: u32 = 200;
    let server = Real::start(server::Config::default());
    let wire = Wire::to(server.port, 1, 1500);
    soon(async {
        let mut bob = Client::connect("127.0.0.1", server.port).await.expect("a server");
        bob.join("bob").await.expect("in");
        let mut eve = Client::connect("127.0.0.1", server.port).await.expect("a server");
        eve.join("eve").await.expect("in");
        let mut ada = loop {
            // The first attempt has to succeed.
            if let Ok(ada) = Member::join(ada(wire.port)).await {
                break ada;
            }
        };
        let (mut heard, mut read) = (Vec::new(), Vec::new());
        for n in 0..LINES {
            eve.say(n.to_string()).await.expect("said");
            // Some do not wait for what comes of it.
            let moment = Duration::from_millis(u64::from(n % 7));
            let waited = future::or(async { Some(ada.say(n.to_string()).await) }, async {
                Timer::after(if n % 3 == 0 { moment } else { Duration::MAX }).await;
                None
            });
            assert!(matches!(waited.await, Some(Ok(Some(_))) | None));
        }
        while heard.len() < LINES as usize {
            if let Event::Msg { from, text } = ada.next().await.expect("heard") {
                assert_eq!(from, name("eve"));
                heard.push(text);
            }
        }
        wire.calm();
        ada.leave().await.expect("left");
        eve.say("over").await.expect("said");
        loop {
            match bob.next().await.expect("heard") {
                Event::Msg { from, text } if from == name("ada") => read.push(text),
                Event::Msg { text, .. } if text == "over" => break,
                _ => {}
            }
        }
        let all: Vec<String> = (0..LINES).map(|n| n.to_string()).collect();
        assert_eq!(heard, all);
        assert_eq!(read, all);
    });
    assert!(wire.cuts() > 5, "{}", wire.cuts());
    server.stop();
}

#[test]
fn with_a_server_that_knows_no_ids_what_was_on_its_way_is_given_up() {
    let server = Fake::serves(|listener| {
        let mut peer = Peer::of(listener);
        peer.say("HELLO smoltalk/1");
        assert_eq!(peer.hear(), "JOIN ada");
        peer.say("OK ada 1");
        assert_eq!(peer.hear(), "MSG one");
        assert_eq!(peer.hear(), "PING so far");
        peer.say("PONG so far");
        assert_eq!(peer.hear(), "MSG two");
        drop(peer);
        let mut peer = Peer::of(listener);
        peer.say("HELLO smoltalk/1");
        assert_eq!(peer.hear(), "JOIN ada");
        peer.say("OK ada 1");
        assert_eq!(peer.hear(), "MSG three");
        assert_eq!(peer.hear(), "PING so far");
        peer.say("ERR empty no");
        peer.say("PONG so far");
        assert_eq!(peer.hear(), "LEAVE");
        peer.say("BYE");
    });
    soon(async {
        let mut ada = Member::join(ada(server.port)).await.expect("in");
        assert_eq!(ada.say("one").await.expect("confirmed"), None);
        assert!(matches!(ada.say("two").await, Err(Error::Lost(_))));
        assert!(matches!(ada.say("three").await, Err(Error::Refused { .. })));
        ada.leave().await.expect("left");
    });
    server.done();
}

#[test]
fn who_is_put_out_or_replaced_stays_out() {
    for reason in ["kicked", "kicked for good", "denied", "replaced"] {
        let server = Fake::serves(move |listener| {
            let mut peer = Peer::of(listener);
            peer.say("HELLO smoltalk/1");
            assert_eq!(peer.hear(), "JOIN ada");
            peer.say("OK ada 1");
            peer.say(&format!("BYE {reason}"));
        });
        soon(async {
            let mut ada = Member::join(ada(server.port)).await.expect("in");
            for _ in 0..2 {
                assert!(matches!(
                    ada.next().await,
                    Ok(Event::Ok { .. }) | Err(Error::Closed { .. })
                ));
            }
            assert!(matches!(ada.say("hi").await, Err(Error::Closed { .. })));
        });
        server.done();
    }
}
