//! Peers that never stop talking: whoever waits for a word of theirs goes when it wants to.

mod fake;

use fake::{DEADLINE, Fake, Peer};
use futures_lite::future;
use smol::Timer;
use smoltalk::client::Client;
use smoltalk::direct::{Config, Direct};
use smoltalk::limits;
use smoltalk::protocol::Name;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What comes without end, and says nothing that anybody waits for.
const ENDLESS: [&str; 4] = ["\n", "WEATHER rain\n", "PONG 0\n", "ERR \x1b \n"];

/// How long a wait may go on that has been given up: as good as at once, but for a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// Says `line` until nobody takes it any more.
fn repeat(mut stream: &TcpStream, line: &str) {
    let many = line.repeat(16 * 1024 / line.len());
    while stream.write_all(many.as_bytes()).is_ok() {}
}

/// A server that says `greeting`, and then `line` for ever.
fn endless(greeting: &'static str, line: &'static str) -> Fake {
    Fake::runs(move |mut peer: Peer| {
        let _ = peer.stream.write_all(greeting.as_bytes());
        repeat(&peer.stream, line);
    })
}

/// Waits for `wait` in vain, in `time`, and sees that another future of the same task gets its turn.
fn in_vain<T>(time: Duration, wait: impl Future<Output = T>) {
    let began = Instant::now();
    let late = async {
        Timer::after(time).await;
        None
    };
    let came = smol::block_on(future::or(late, async { Some(wait.await) }));
    assert!(came.is_none(), "it came to something");
    assert!(began.elapsed() < time + SOON, "it went on for {:?}", began.elapsed());
}

const A_MOMENT: Duration = Duration::from_millis(100);

const GREETING: &str = "HELLO smoltalk/1 hi\nOK ada 1\n";

#[test]
fn a_server_that_talks_without_end_keeps_nobody_from_giving_up() {
    for line in ENDLESS {
        let port = endless(GREETING, line).port;
        let mut client = smol::block_on(Client::connect("127.0.0.1", port)).expect("greeted");
        in_vain(A_MOMENT, async { while client.next().await.is_ok() {} });
        in_vain(A_MOMENT, async { while client.next_or_sent(true).await.is_some() {} });
    }
    for line in ["\n", "WEATHER rain\n"] {
        let port = endless(GREETING, line).port;
        let mut client = smol::block_on(Client::connect("127.0.0.1", port)).expect("greeted");
        in_vain(A_MOMENT, client.who());
        in_vain(A_MOMENT, client.ping());
    }
}

#[test]
fn a_server_that_never_says_hello_is_given_up_in_time() {
    let port = endless("", "\n").port;
    let began = Instant::now();
    let connect = Client::connect_within(A_MOMENT, "127.0.0.1", port);
    let error = smol::block_on(connect).expect_err("no HELLO");
    assert_eq!(error.to_string(), "this is no smoltalk server: it says nothing");
    assert!(began.elapsed() < SOON);
}

#[test]
fn goodbye_is_awaited_for_half_a_second_whatever_comes_instead() {
    for line in ["\n", "WEATHER rain\n", "MSG bob hi\n", "WHO 99999999 bob\n"] {
        let port = endless(GREETING, line).port;
        let mut client = smol::block_on(Client::connect("127.0.0.1", port)).expect("greeted");
        let began = Instant::now();
        let _ = smol::block_on(client.leave());
        assert!(began.elapsed() < limits::GOODBYE + SOON, "{:?}", began.elapsed());
    }
    assert!(limits::GOODBYE <= Duration::from_millis(500));
}

const PEER: &str = "HELLO smoltalk-direct/1 eve\n";

fn ada() -> Config {
    Config { name: Name::new(b"ada").expect("a name"), ..Config::default() }
}

#[test]
fn a_peer_that_talks_without_end_keeps_nobody_from_giving_up() {
    for line in ["\n", "WEATHER rain\n", "ERR \x1b \n"] {
        let port = endless(PEER, line).port;
        let mut direct = smol::block_on(Direct::connect("127.0.0.1", port, &ada())).expect("Eve");
        in_vain(A_MOMENT, async { while direct.next().await.is_ok() {} });
        in_vain(A_MOMENT, async { while direct.next_or_sent(true).await.is_some() {} });
        let began = Instant::now();
        smol::block_on(direct.leave());
        assert!(began.elapsed() < limits::GOODBYE + SOON, "{:?}", began.elapsed());
    }
}

#[test]
fn a_caller_that_never_says_hello_holds_nobody_who_waits() {
    let waiting = smol::block_on(Direct::listen("127.0.0.1", 0)).expect("a port");
    let stream = TcpStream::connect(waiting.address()).expect("a call");
    stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
    let caller = std::thread::spawn(move || repeat(&stream, "\n"));
    in_vain(A_MOMENT, waiting.accept(&ada()));
    in_vain(A_MOMENT, waiting.run());
    drop(waiting);
    caller.join().expect("the call is over");
}

#[test]
fn a_caller_that_is_refused_and_talks_on_holds_nobody() {
    let waiting = smol::block_on(Direct::listen("127.0.0.1", 0)).expect("a port");
    let first = TcpStream::connect(waiting.address()).expect("a call");
    let second = TcpStream::connect(waiting.address()).expect("a call");
    second.set_write_timeout(Some(DEADLINE)).expect("a deadline");
    let caller = std::thread::spawn(move || repeat(&second, "hi\n"));
    in_vain(A_MOMENT, waiting.accept(&ada()));
    in_vain(A_MOMENT, waiting.run());
    drop((first, waiting));
    caller.join().expect("the call is over");
}
