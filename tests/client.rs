//! The library's client, against servers that follow a script and against the real one.

mod fake;

use fake::{Fake, Peer, Real};
use futures_lite::future;
use smoltalk::client::{Client, Error, Event};
use smoltalk::limits;
use smoltalk::protocol::{Command, Name};
use smoltalk::server::Config;
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::pin::pin;
use std::task::Poll;

/// Runs a test, which fails if it hangs.
fn run<T>(test: impl Future<Output = T>) -> T {
    let hangs = async {
        smol::Timer::after(fake::DEADLINE).await;
        panic!("it hangs");
    };
    smol::block_on(future::or(test, hangs))
}

async fn connect(port: u16) -> Result<Client, Error> {
    Client::connect("127.0.0.1", port).await
}

async fn joined(port: u16, name: &str) -> Client {
    let mut client = connect(port).await.expect("a smoltalk server");
    client.join(name).await.expect("a free name");
    client
}

fn name(spelt: &str) -> Name {
    Name::new(spelt.as_bytes()).expect("a name")
}

fn msg(from: &str, text: &str) -> Event {
    Event::Msg { from: name(from), text: text.into() }
}

fn refused<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Refused { code, .. }) => code,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn a_port_where_nobody_listens_is_unreachable() {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    assert!(matches!(run(connect(port)), Err(Error::Unreachable(_))));
}

#[test]
fn every_address_of_a_host_is_tried() {
    // `localhost` is often ::1 first, where nobody listens.
    let server = Fake::plays("< HELLO smoltalk/1");
    run(Client::connect("localhost", server.port)).expect("the other address");
    server.done();
}

#[test]
fn a_full_server_says_so_instead_of_hello() {
    let server = Fake::plays("< ERR full there is no place");
    assert_eq!(refused(run(connect(server.port))), "full");
}

#[test]
fn what_is_no_smoltalk_server_is_quoted() {
    let server = Fake::plays("< SSH-2.0-OpenSSH_9.9");
    let error = run(connect(server.port)).expect_err("no smoltalk server");
    assert_eq!(error.to_string(), "this is no smoltalk server: it says \"SSH-2.0-OpenSSH_9.9\"");
}

#[test]
fn a_line_without_end_is_given_up_on() {
    let server = Fake::runs(|mut peer: Peer| while peer.stream.write_all(&[b'x'; 4096]).is_ok() {});
    assert!(matches!(run(connect(server.port)), Err(Error::NotSmoltalk(_))));
    server.done();
}

#[test]
fn a_server_that_closes_at_once_is_lost() {
    let server = Fake::plays("");
    assert!(matches!(run(connect(server.port)), Err(Error::Lost(ErrorKind::UnexpectedEof))));
}

#[test]
fn join_says_how_many_are_here() {
    let server = Fake::plays("< HELLO smoltalk/1\n> JOIN Ada\n< OK Ada 3");
    assert_eq!(run(async { connect(server.port).await?.join("Ada").await }).ok(), Some(3));
    server.done();
}

#[test]
fn after_a_taken_name_another_can_be_tried() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < ERR name-taken somebody has it
         > JOIN eve
         < OK eve 2",
    );
    run(async {
        let mut client = connect(server.port).await.expect("a server");
        assert_eq!(refused(client.join("ada").await), "name-taken");
        assert_eq!(client.join(name("eve")).await.ok(), Some(2));
    });
    server.done();
}

#[test]
fn a_name_that_cannot_be_is_refused_before_it_is_sent() {
    let server = Fake::plays("< HELLO smoltalk/1\n.");
    run(async {
        let mut client = connect(server.port).await.expect("a server");
        assert_eq!(refused(client.join("a b\nMSG hi").await), "bad-name");
        assert_eq!(refused(client.tell("", "hi").await), "no-such-member");
    });
    server.done();
}

#[test]
fn what_comes_before_an_answer_is_not_lost() {
    let server = Fake::plays(
        "< HELLO smoltalk/1
         > JOIN ada
         < MSG bob early
         < OK ada 2
         > WHO
         < MSG bob one
         < WHO 3 ada bob
         < MSG bob two
         < WHO 3 eve
         > PING 1
         < MSG bob three
         < PONG
         < PONG 1
         .",
    );
    run(async {
        let mut ada = joined(server.port, "ada").await;
        assert_eq!(ada.who().await.ok(), Some(["ada", "bob", "eve"].map(name).to_vec()));
        ada.ping().await.expect("a PONG");
        assert_eq!(ada.waiting(), 5);
        for text in ["early", "one", "two", "three"] {
            assert_eq!(ada.next().await.ok(), Some(msg("bob", text)));
        }
        assert_eq!(ada.next().await.ok(), Some(Event::Pong(String::new())));
    });
    server.done();
}

#[test]
fn a_text_cannot_bring_a_command_of_its_own() {
    let server = Fake::after_join(|mut peer| {
        assert_eq!(peer.hear(), "MSG hi␊MSG no␍␊TELL bob no");
        assert_eq!(peer.hear(), "TELL bob hi␊LEAVE");
        assert_eq!(peer.end(), ".");
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        ada.say("hi\nMSG no\r\nTELL bob no").await.expect("sent");
        ada.tell("bob", "hi\nLEAVE").await.expect("sent");
    });
    server.done();
}

#[test]
fn what_the_server_would_not_take_is_not_sent() {
    let most = "x".repeat(limits::LINE - "MSG ".len());
    let expected = format!("MSG {most}");
    let server = Fake::after_join(move |mut peer| {
        assert_eq!(peer.hear(), expected);
        assert_eq!(peer.end(), ".");
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        assert!(matches!(ada.say("").await, Err(Error::Empty)));
        assert!(matches!(ada.tell("bob", "").await, Err(Error::Empty)));
        assert!(matches!(ada.say(format!("{most}x")).await, Err(Error::TooLong)));
        // One bad byte becomes three.
        assert!(matches!(ada.say(vec![0xff; 2000]).await, Err(Error::TooLong)));
        assert!(matches!(ada.tell("bob", &most).await, Err(Error::TooLong)));
        ada.say(&most).await.expect("sent");
    });
    server.done();
}

#[test]
fn a_refused_tell_comes_as_an_event() {
    let server = Real::start(Config::default());
    run(async {
        let mut ada = joined(server.port, "ada").await;
        ada.tell("nobody", "hi").await.expect("sent");
        let Ok(Event::Err { code, .. }) = ada.next().await else { panic!("no ERR") };
        assert_eq!(code, "no-such-member");
        ada.leave().await.expect("a BYE");
    });
    server.stop();
}

#[test]
fn how_it_ended_is_said_after_the_last_event_and_again_each_time() {
    let server = Fake::plays(
        "< HELLO smoltalk/1\n> JOIN ada\n< OK ada 1\n< MSG bob hi\n< BYE stalled\n< MSG bob no",
    );
    run(async {
        let mut ada = joined(server.port, "ada").await;
        assert_eq!(ada.next().await.ok(), Some(msg("bob", "hi")));
        for _ in 0..2 {
            let Err(Error::Closed { reason }) = ada.next().await else { panic!("it is over") };
            assert_eq!(reason, "stalled");
        }
        assert!(matches!(ada.say("hi").await, Err(Error::Closed { .. })));
        assert!(matches!(ada.who().await, Err(Error::Closed { .. })));
    });
}

/// Says `last` without an LF, and goes.
fn torn(last: &'static str) -> impl FnOnce(Peer) + Send {
    move |mut peer| peer.stream.write_all(last.as_bytes()).expect("it listens")
}

#[test]
fn a_torn_last_line_says_nothing() {
    for last in ["MSG bob we attack at 1", "BYE shut", "ERR full", "DATA bob 1"] {
        let server = Fake::after_join(torn(last));
        run(async {
            let mut ada = joined(server.port, "ada").await;
            let end = ada.next().await;
            assert!(matches!(end, Err(Error::Lost(ErrorKind::UnexpectedEof))), "{last}: {end:?}");
        });
        server.done();
    }
}

#[test]
fn of_what_does_not_greet_a_torn_line_is_quoted() {
    let server = Fake::runs(torn("Go away"));
    let error = run(connect(server.port)).expect_err("no smoltalk server");
    assert_eq!(error.to_string(), "this is no smoltalk server: it says \"Go away\"");
    // A word that might have gone on is none.
    for last in ["HELLO smoltalk/1 hi", "ERR full there is no pl", "BYE shutd"] {
        let server = Fake::runs(torn(last));
        let end = run(connect(server.port));
        assert!(matches!(end, Err(Error::Lost(ErrorKind::UnexpectedEof))), "{last}: {end:?}");
    }
}

#[test]
fn why_it_ended_is_known_even_to_one_who_only_speaks() {
    let server = Fake::after_join(|mut peer| {
        peer.say("BYE stalled");
        // Closing with something unread resets the connection.
        peer.hear();
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        let end = loop {
            if let Err(end) = ada.say("x".repeat(4000)).await {
                break end;
            }
        };
        assert!(matches!(end, Error::Closed { .. }), "{end:?}");
    });
}

#[test]
fn a_dropped_future_loses_nothing() {
    let (dropped, wait) = std::sync::mpsc::channel();
    let server = Fake::after_join(move |mut peer| {
        assert_eq!(peer.hear(), "WHO");
        wait.recv().expect("it was dropped");
        peer.say("WHO 1 ada");
        assert_eq!(peer.hear(), "PING 1");
        peer.say("PONG 1");
        assert_eq!(peer.end(), ".");
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        for _ in 0..3 {
            assert!(future::poll_once(ada.next()).await.is_none());
        }
        assert!(future::poll_once(ada.who()).await.is_none());
        dropped.send(()).expect("the server waits");
        assert_eq!(ada.next().await.ok(), Some(Event::Who(vec![name("ada")])));
        ada.ping().await.expect("a PONG");
    });
    server.done();
}

/// Text enough that no kernel buffers it all.
const MUCH: usize = 8 * 1024 * 1024;

#[test]
fn a_bot_that_only_speaks_goes_on_hearing() {
    let server = Fake::after_join(|mut peer| {
        // As a server that pushes back: it reads nothing before all it has to say was taken.
        rustix::net::sockopt::set_socket_send_buffer_size(&peer.stream, 4096).expect("set");
        for n in 0..500 {
            peer.say(&format!("MSG bob {n} {}", "x".repeat(1000)));
        }
        for _ in 0..MUCH / 4000 {
            assert_eq!(peer.hear().len(), 4004);
        }
        assert_eq!(peer.end(), ".");
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        for _ in 0..MUCH / 4000 {
            ada.say("x".repeat(4000)).await.expect("sent");
        }
        for n in 0..500 {
            assert_eq!(
                ada.next().await.ok(),
                Some(msg("bob", &format!("{n} {}", "x".repeat(1000))))
            );
        }
    });
    server.done();
}

#[test]
fn one_who_speaks_and_hears_at_once_needs_no_buffer_for_either() {
    let server = Fake::after_join(|mut peer| {
        for n in 0..MUCH / 1000 {
            peer.say(&format!("MSG bob {n} {}", "x".repeat(1000)));
        }
        for _ in 0..MUCH / 4000 {
            assert_eq!(peer.hear().len(), 4004);
        }
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        let mut heard = 0;
        for _ in 0..MUCH / 4000 {
            ada.queue(Command::Msg(&[b'x'; 4000])).expect("a message");
            while let Some(event) = ada.next_until_sent().await.expect("sent") {
                assert!(matches!(event, Event::Msg { .. }));
                heard += 1;
            }
        }
        while heard < MUCH / 1000 {
            ada.next().await.expect("a message");
            heard += 1;
        }
    });
    server.done();
}

#[test]
fn what_waits_to_be_sent_is_bounded() {
    let server = Fake::after_join(|mut peer| {
        while peer.hear() != "PING 1" {}
        peer.say("PONG 1");
        while peer.hear() != "LEAVE" {}
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        let line = Command::Msg(&[b'x'; 4000]);
        while ada.has_room() {
            ada.queue(line).expect("there is room");
        }
        assert!(matches!(ada.queue(line), Err(Error::NoRoom)));
        assert!(matches!(ada.queue_data(b"hi"), Err(Error::NoRoom)));
        assert!(ada.unsent() < limits::UNSENT + limits::LINE);
        // Who waits has room again.
        ada.ping().await.expect("all has arrived");
        while ada.has_room() {
            ada.queue(line).expect("there is room");
        }
        ada.leave().await.expect("there is room for a goodbye");
    });
    server.done();
}

#[test]
fn one_who_does_not_listen_is_told_and_holds_no_more_than_the_limit() {
    let server = Fake::after_join(|mut peer| {
        assert_eq!(peer.hear(), "PING 1");
        for n in 0..MUCH / 1000 {
            peer.say(&format!("MSG bob {n} {}", "x".repeat(1000)));
        }
        peer.say("PONG 1");
        assert_eq!(peer.end(), ".");
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        assert!(matches!(ada.ping().await, Err(Error::Behind)));
        assert!(matches!(ada.ping().await, Err(Error::Behind)));
        // The last read may go over it.
        assert!(ada.waiting() * 1000 <= limits::HEARD + 64 * 1024);
        for n in 0..MUCH / 1000 {
            assert_eq!(
                ada.next().await.ok(),
                Some(msg("bob", &format!("{n} {}", "x".repeat(1000))))
            );
        }
        assert_eq!(ada.next().await.ok(), Some(Event::Pong("1".into())));
    });
    server.done();
}

#[test]
fn waiting_costs_nothing() {
    let server = Fake::after_join(|mut peer| {
        for n in 0..100 {
            assert_eq!(peer.hear(), "MSG hi");
            peer.say(&format!("MSG bob {n}"));
        }
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        let mut polls = 0;
        for n in 0..100 {
            ada.say("hi").await.expect("sent");
            let mut next = pin!(ada.next());
            let heard = future::poll_fn(|cx| {
                polls += 1;
                let poll: Poll<_> = next.as_mut().poll(cx);
                poll
            });
            assert_eq!(heard.await.ok(), Some(msg("bob", &n.to_string())));
        }
        assert!(polls <= 300, "{polls} polls for 100 events");
    });
    server.done();
}

#[test]
fn leave_waits_for_bye_and_keeps_what_came_before() {
    let server = Fake::after_join(|mut peer| {
        assert_eq!(peer.hear(), "LEAVE");
        peer.say("MSG bob wait");
        peer.say("BYE");
        assert_eq!(peer.end(), ".");
    });
    run(async {
        let mut ada = joined(server.port, "ada").await;
        ada.leave().await.expect("a BYE");
        assert_eq!(ada.next().await.ok(), Some(msg("bob", "wait")));
        assert!(matches!(ada.next().await, Err(Error::Closed { reason }) if reason.is_empty()));
    });
    server.done();
}

#[test]
fn members_of_a_real_room_hear_each_other() {
    let server = Real::start(Config::default());
    run(async {
        let mut ada = joined(server.port, "ada").await;
        let mut bob = joined(server.port, "bob").await;
        assert_eq!(
            refused(connect(server.port).await.expect("a server").join("ADA").await),
            "name-taken"
        );
        ada.say(" hi\t\u{1b}[2J").await.expect("sent");
        ada.tell("BOB", "psst").await.expect("sent");
        ada.ping().await.expect("a PONG");
        assert_eq!(bob.next().await.ok(), Some(msg("ada", " hi\t␛[2J")));
        let tell = Event::Tell { from: name("ada"), text: "psst".into() };
        assert_eq!(bob.next().await.ok(), Some(tell));
        assert_eq!(bob.who().await.expect("names").len(), 2);
        bob.leave().await.expect("a BYE");
        assert_eq!(ada.next().await.ok(), Some(Event::Joined(name("bob"))));
        assert_eq!(
            ada.next().await.ok(),
            Some(Event::Left { name: name("bob"), reason: String::new() })
        );
        ada.leave().await.expect("a BYE");
    });
    server.stop();
}

#[test]
fn a_real_server_that_stops_says_so() {
    let server = Real::start(Config::default());
    run(async {
        let mut ada = joined(server.port, "ada").await;
        server.stop();
        assert!(matches!(ada.next().await, Err(Error::Closed { reason }) if reason == "shutdown"));
    });
}

/// Says `lines` lines as fast as they go, in a room of `members` that all do; hears all of theirs.
async fn flood(port: u16, name: &str, members: usize, lines: usize) {
    let mut client = joined(port, name).await;
    while client.who().await.expect("names").len() < members {}
    let mut heard = 0;
    for _ in 0..lines {
        client.queue(Command::Msg(&[b'x'; 1000])).expect("a message");
        while let Some(event) = client.next_until_sent().await.expect("sent") {
            heard += usize::from(matches!(event, Event::Msg { .. }));
        }
    }
    while heard < lines * (members - 1) {
        let event = client.next().await.expect("another message");
        heard += usize::from(matches!(event, Event::Msg { .. }));
    }
    client.leave().await.expect("a BYE");
}

#[test]
fn a_room_in_which_all_flood_loses_nothing() {
    let server = Real::start(Config::default());
    let port = server.port;
    let floods = ["ada", "bob", "eve"]
        .map(|name| std::thread::spawn(move || run(flood(port, name, 3, 1000))));
    for flood in floods {
        flood.join().expect("it heard all");
    }
    server.stop();
}
