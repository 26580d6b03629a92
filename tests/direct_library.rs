//! The library's conversation of two: with itself, and with a socket that does as it likes.

mod fake;
mod support;

use futures_lite::future;
use smoltalk::direct::{Config, Direct, Error, Event, Waiting};
use smoltalk::limits;
use smoltalk::protocol::Name;
use std::io::{ErrorKind, Write};
use std::thread;
use std::time::Duration;
use support::Telnet;

/// Runs a test, which fails if it hangs.
fn run<T>(test: impl Future<Output = T>) -> T {
    let hangs = async {
        smol::Timer::after(fake::DEADLINE).await;
        panic!("it hangs");
    };
    smol::block_on(future::or(test, hangs))
}

fn named(name: &str) -> Config {
    Config { name: Name::new(name.as_bytes()).expect("a name"), ..Config::default() }
}

async fn listen() -> Waiting {
    Direct::listen("127.0.0.1", 0).await.expect("a port")
}

/// Calls one who is there, but may be busy.
async fn call(waiting: &Waiting, config: &Config) -> Result<Direct, Error> {
    let there = async { match waiting.run().await {} };
    let port = waiting.address().port();
    future::or(Direct::connect("127.0.0.1", port, config), there).await
}

/// Ada, who called, and bob, who waited. They talk on when the door is dropped.
async fn pair(ada: &Config, bob: &Config) -> (Waiting, Direct, Direct) {
    let waiting = listen().await;
    let (called, accepted) = future::zip(call(&waiting, ada), waiting.accept(bob)).await;
    (waiting, called.expect("a call"), accepted.expect("a caller"))
}

/// Bob, and the socket that has called him.
async fn with_socket(bob: &Config) -> (Telnet, Direct) {
    let waiting = listen().await;
    let mut socket = Telnet::tcp(waiting.address());
    socket.types("HELLO smoltalk-direct/1 ada");
    let bob = waiting.accept(bob).await.expect("a caller");
    socket.sees("HELLO smoltalk-direct/1 somebody");
    (socket, bob)
}

#[test]
fn a_message_is_acknowledged_when_the_other_side_says_so_and_not_before() {
    run(async {
        let (_door, mut ada, mut bob) = pair(&named("ada"), &named("bob")).await;
        assert_eq!((ada.peer(), bob.peer()), ("bob", "ada"));
        assert_eq!(ada.send(b"any\0\xff\nbytes").await.expect("sent"), 1);
        let Ok(Event::Message { id, bytes }) = bob.next().await else { panic!("no message") };
        assert_eq!((id, bytes.as_slice()), (1, &b"any\0\xff\nbytes"[..]));
        // Bob's own message comes after what he would have acknowledged by himself.
        bob.send(b"").await.expect("sent");
        assert!(
            matches!(ada.next().await, Ok(Event::Message { id: 1, bytes }) if bytes.is_empty())
        );
        assert_eq!(ada.unacknowledged(), 1);
        bob.ack(id);
        let acked = future::or(async { ada.next().await }, async { bob.next().await }).await;
        assert!(matches!(acked, Ok(Event::Acked { id: 1, .. })));
        assert_eq!((ada.unacknowledged(), bob.unacknowledged()), (0, 1));
    });
}

/// Says so many messages and hears as many; nobody waits for anybody.
async fn flood(peer: &mut Direct, messages: usize) {
    let length = |n: usize| n * 7 % 500;
    let (mut said, mut heard, mut acked) = (0, 0, 0);
    while heard < messages || acked < messages {
        while said < messages && peer.has_room() {
            peer.queue(&vec![b'x'; length(said)]).expect("there is room");
            said += 1;
        }
        let event = match peer.next_until_sent().await.expect("a peer") {
            Some(event) => event,
            None if said < messages => continue,
            None => peer.next().await.expect("a peer"),
        };
        match event {
            Event::Message { id, bytes } => {
                assert_eq!(bytes.len(), length(heard));
                heard += 1;
                peer.ack(id);
            }
            Event::Acked { .. } => acked += 1,
            event => panic!("{event:?}"),
        }
    }
    while peer.next_until_sent().await.expect("a peer").is_some() {}
}

#[test]
fn two_that_flood_each_other_get_it_all_in_order() {
    run(async {
        let (_door, mut ada, mut bob) = pair(&Config::default(), &Config::default()).await;
        future::zip(flood(&mut ada, 50_000), flood(&mut bob, 50_000)).await;
        assert_eq!((ada.unacknowledged(), bob.unacknowledged()), (0, 0));
    });
}

#[test]
fn what_is_too_long_is_refused_at_the_sender() {
    run(async {
        let short = Config { limit: 10, ..Config::default() };
        let (_door, mut ada, mut bob) = pair(&short, &Config::default()).await;
        let error = ada.send(&[0; 11]).await.expect_err("too long");
        assert_eq!(error.to_string(), "too long: a message may have 10 bytes");
        assert_eq!(ada.send(&[0; 10]).await.expect("sent"), 1);
        // The other side's limit is another.
        assert_eq!(bob.send(&[0; 11]).await.expect("sent"), 1);
        assert_eq!(bob.send(&[7; 10]).await.expect("sent"), 2);
        let Ok(Event::Message { id: 2, bytes }) = ada.next().await else { panic!("no message") };
        assert_eq!(bytes, [7; 10]);
        assert!(matches!(bob.next().await, Ok(Event::Message { id: 1, .. })));
        let heard = future::or(async { bob.next().await }, async { ada.next().await }).await;
        let Ok(Event::Refused { id, code, text }) = heard else { panic!("{heard:?}") };
        assert_eq!((id, code.as_str()), (Some(1), "too-long"));
        assert_eq!(text, "1 has 11 bytes, a message here may have 10");
        assert_eq!(bob.unacknowledged(), 1);
    });
}

#[test]
fn no_more_is_on_its_way_than_may_be() {
    run(async {
        let (mut socket, mut bob) = with_socket(&Config::default()).await;
        let mut reader = socket.writer();
        let swallowing = thread::spawn(move || {
            let _ = std::io::copy(&mut reader, &mut std::io::sink());
        });
        for _ in 0..limits::UNACKNOWLEDGED {
            bob.send(b"x").await.expect("sent");
        }
        assert!(!bob.has_room());
        assert!(matches!(bob.queue(b"x"), Err(Error::Behind)));
        let mut waits = Box::pin(bob.send(b"x"));
        assert!(future::poll_once(&mut waits).await.is_none());
        socket.types("ACK 1");
        waits.await.expect("there is room again");
        drop(bob);
        swallowing.join().expect("the end");
    });
}

#[test]
fn one_who_does_not_read_is_not_read_and_little_is_held_for_it() {
    run(async {
        let (socket, mut bob) = with_socket(&Config::default()).await;
        let mut writer = socket.writer();
        writer.set_write_timeout(Some(Duration::from_millis(300))).expect("set");
        let (stuck, is_stuck) = async_channel::bounded::<()>(1);
        let flooding = thread::spawn(move || {
            // Each has an answer, and none of those is read.
            while writer.write_all(&b"DATA 1 0\n\n".repeat(1000)).is_ok() {}
            drop(stuck);
        });
        let mut heard = 0_u64;
        loop {
            let next = async { Some(bob.next().await) };
            let stuck = async {
                let _ = is_stuck.recv().await;
                None
            };
            match future::or(next, stuck).await {
                Some(Ok(Event::Message { id, .. })) => bob.ack(id),
                Some(other) => panic!("{other:?}"),
                None => break,
            }
            heard += 1;
        }
        // The sockets hold a few megabytes of answers, and bob one.
        assert!(heard < 3_000_000, "{heard}");
        flooding.join().expect("it ended");
    });
}

#[test]
fn a_dropped_future_loses_nothing() {
    run(async {
        let (_door, mut ada, mut bob) = pair(&Config::default(), &Config::default()).await;
        let mut heard = Vec::new();
        for n in 0..200_u8 {
            // Dropped after its first poll: it has been queued whole, or not at all.
            let payload = vec![n; 50_000];
            let _ = future::poll_once(ada.send(&payload)).await;
            if let Some(event) = future::poll_once(bob.next()).await {
                heard.push(event.expect("a peer"));
            }
        }
        let end = async { while ada.send(b"end").await.is_err() {} };
        let rest = async {
            while !matches!(heard.last(), Some(Event::Message { bytes, .. }) if bytes == b"end") {
                heard.push(bob.next().await.expect("a peer"));
            }
        };
        future::zip(end, rest).await;
        assert!(heard.len() > 2, "{}", heard.len());
        for (at, event) in heard.iter().enumerate() {
            let Event::Message { id, bytes } = event else { panic!("{event:?}") };
            assert_eq!(*id, at as u64 + 1);
            assert!(
                bytes == b"end" || bytes.len() == 50_000 && bytes.iter().all(|b| *b == bytes[0])
            );
        }
    });
}

#[test]
fn a_second_caller_is_refused_and_the_next_is_not() {
    run(async {
        let (waiting, ada, bob) = pair(&Config::default(), &Config::default()).await;
        for _ in 0..3 {
            assert!(matches!(call(&waiting, &Config::default()).await, Err(Error::Busy)));
        }
        // Either side may be the one that goes.
        future::zip(ada.leave(), async {
            let mut bob = bob;
            assert!(matches!(bob.next().await, Err(Error::Gone)));
            bob.leave().await;
        })
        .await;
        let config = Config::default();
        let next = future::zip(call(&waiting, &config), waiting.accept(&config)).await;
        let (Ok(mut ada), Ok(bob)) = next else { panic!("{next:?}") };
        future::zip(bob.leave(), async move {
            assert!(matches!(ada.next().await, Err(Error::Gone)));
        })
        .await;
    });
}

#[test]
fn what_does_not_greet_is_not_accepted_and_the_next_is() {
    run(async {
        let waiting = listen().await;
        let mut stranger = Telnet::tcp(waiting.address());
        stranger.types("JOIN ada");
        let config = Config::default();
        let refused = waiting.accept(&config).await.expect_err("a stranger");
        assert_eq!(refused.to_string(), "this is no smoltalk direct: it says \"JOIN ada\"");
        stranger.sees("HELLO smoltalk-direct/1 somebody");
        let told = thread::spawn(move || {
            stranger.sees("ERR not-smoltalk ...");
            stranger.sees_the_end();
        });
        let next = future::zip(call(&waiting, &config), waiting.accept(&config)).await;
        assert!(matches!(next, (Ok(_), Ok(_))), "{next:?}");
        told.join().expect("told");
    });
}

#[test]
fn a_caller_is_answered_as_soon_as_somebody_waits_whatever_he_waits_for() {
    run(async {
        let (waiting, mut ada, mut bob) = pair(&Config::default(), &Config::default()).await;
        let mut eve = Telnet::tcp(waiting.address());
        let talk = async {
            ada.send(b"hi").await.expect("sent");
            bob.next().await.expect("a message")
        };
        let answer = async { match waiting.run().await {} };
        assert!(matches!(future::or(talk, answer).await, Event::Message { .. }));
        let told = smol::unblock(move || eve.sees("ERR busy ..."));
        future::or(told, async { match waiting.run().await {} }).await;
    });
}

/// What a library puts on the global executor runs on threads that nobody asked for.
#[test]
fn nothing_runs_that_nobody_runs() {
    run(async {
        let (waiting, ada, bob) = pair(&Config::default(), &Config::default()).await;
        assert!(matches!(call(&waiting, &Config::default()).await, Err(Error::Busy)));
        future::zip(ada.leave(), bob.leave()).await;
        let mut stranger = Telnet::tcp(waiting.address());
        stranger.types("JOIN ada");
        waiting.accept(&Config::default()).await.expect_err("a stranger");
    });
    for thread in std::fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        assert!(!name.starts_with("smol-"), "{name}");
    }
}

#[test]
fn nobody_there_is_unreachable() {
    run(async {
        // A port that was free a moment ago may be somebody's by now; this one is nobody's.
        let nobody = Direct::connect("127.0.0.1", 1, &Config::default()).await;
        let Err(Error::Unreachable(why)) = nobody else { panic!("{nobody:?}") };
        assert_eq!(why.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn how_it_ended_is_said_after_all_that_came_and_stays_so() {
    run(async {
        let (mut socket, mut bob) = with_socket(&Config::default()).await;
        bob.send(b"x").await.expect("sent");
        socket.sends(b"DATA 1 2\nhi\nACK 1\n");
        socket.ends();
        assert!(matches!(bob.next().await, Ok(Event::Message { id: 1, .. })));
        assert!(matches!(bob.next().await, Ok(Event::Acked { id: 1, .. })));
        for _ in 0..3 {
            assert!(matches!(bob.next().await, Err(Error::Gone)));
            assert!(matches!(bob.send(b"x").await, Err(Error::Gone)));
        }
        bob.ack(1);
        bob.leave().await;
        socket.finds("ACK 1");
        socket.sees_the_end();
    });
}

#[test]
fn half_an_acknowledgement_is_none() {
    run(async {
        let (mut socket, mut bob) = with_socket(&Config::default()).await;
        for _ in 0..17 {
            bob.send(b"x").await.expect("sent");
        }
        socket.sends(b"ACK 1"); // Of `ACK 17`.
        socket.ends();
        assert!(matches!(bob.next().await, Err(Error::Gone)));
        assert_eq!(bob.unacknowledged(), 17);
    });
}

#[test]
fn half_a_greeting_is_none_and_what_is_there_instead_is_quoted() {
    for (torn, why) in [
        ("HELLO smoltalk-direct/1 ad", "it says nothing"),
        ("ERR bus", "it says nothing"),
        ("JOIN ada", "it says \"JOIN ada\""),
    ] {
        run(async {
            let waiting = listen().await;
            let mut socket = Telnet::tcp(waiting.address());
            socket.sends(torn.as_bytes());
            socket.ends();
            let refused = waiting.accept(&Config::default()).await.expect_err("nobody");
            assert_eq!(refused.to_string(), format!("this is no smoltalk direct: {why}"));
        });
    }
}

#[test]
fn the_door_may_close_behind_them() {
    run(async {
        let (door, mut ada, mut bob) = pair(&Config::default(), &Config::default()).await;
        drop(door);
        ada.send(b"still there?").await.expect("sent");
        assert!(matches!(bob.next().await, Ok(Event::Message { .. })));
    });
}
