//! Places that are taken over, what is replayed to who comes back, and what it takes to miss nothing.
//!
//! In the dialogues an id or a token stands for whichever the server makes up, the same each time.

mod support;

use smoltalk::limits::Limits;
use smoltalk::protocol::Id;
use smoltalk::server::raise_descriptor_limit;
use std::collections::VecDeque;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};
use support::again::{
    Random, SECRET, asking, entering, lines_until_pong, long_memory, stamped, standing,
};
use support::{DEADLINE, Daemon, Telnet, TestServer, numbered, transcript};

// Coming back.

#[test]
fn a_place_is_taken_over_and_nobody_else_notices() {
    transcript(
        "
        ada> JOIN ada id
        ada< OK ada 1 id=1-0 token=token-of-ada----
        bob1> JOIN Bob id
        bob1< OK Bob 2 id=2-0 token=token-of-bob----
        ada< @3-0 JOINED Bob
        bob2> JOIN bOB id resume=token-of-bob----
        bob2< OK Bob 2 id=3-0 token=token-of-bob----
        bob1< BYE replaced
        bob2> WHO
        bob2< WHO 2 ada Bob
        bob2> MSG hi
        ada< @4-0 MSG Bob hi
        ada> TELL bob psst
        bob2< @5-0 TELL ada psst
        bob3> JOIN bob resume=token-of-bob----
        bob3< OK Bob 2
        bob2< BYE replaced
        bob3> LEAVE
        bob3< BYE
        ada< @6-0 LEFT Bob
        ",
    );
}

#[test]
fn of_the_old_connection_nothing_takes_effect_that_was_not_whole() {
    for half in [
        "MSG half",
        "DATA 4\nhal",
        "DATA 4\nhalf",
        "TELL ada hal",
        "LEAVE",
        "DATA",
        "DATA 9999999\nx",
    ] {
        let server = TestServer::start();
        let mut ada = server.member("ada");
        let (mut old, _, token) = entering(&server, "bob id");
        ada.sees("JOINED bob");
        old.sends(format!("MSG whole\nPING\n{half}").as_bytes());
        old.sees("PONG");
        if half.starts_with("DATA 9") {
            old.sees("ERR too-long ...");
        }
        let (mut new, _, _) = entering(&server, &format!("bob id resume={token}"));
        old.sees("BYE replaced");
        let _ = old.try_send(b"\nMSG never\n");
        old.sees_the_end();
        new.types("MSG then");
        ada.sees("MSG bob whole");
        ada.sees("MSG bob then");
        ada.fence();
        new.fence();
    }
}

#[test]
fn what_the_old_connection_had_said_and_nobody_heard_yet_never_takes_effect() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    let (mut old, _, token) = entering(&server, "bob id echo");
    ada.sees("JOINED bob");
    // More than a turn: part of it waits in the server when the new one comes.
    let said = numbered("MSG", 0..20_000);
    let mut writer = old.writer();
    thread::scope(|scope| {
        // It may be cut off before it has said all.
        scope.spawn(move || _ = writer.write_all(said.as_bytes()));
        let first = stamped(&mut old);
        assert_eq!(first.1, "MSG bob 0");
        let join = format!("bob id echo resume={token} since={}", first.0);
        let (mut new, _, _) = entering(&server, &join);
        // What is replayed is all of it: no echo comes after.
        let heard = lines_until_pong(&mut new);
        let count = heard.len();
        for (n, line) in heard.iter().enumerate() {
            if line != "GAP" && heard[0] != "GAP" {
                assert!(line.ends_with(&format!(" MSG bob {}", n + 1)), "{line}");
            }
        }
        new.types("MSG end");
        assert_eq!(stamped(&mut new).1, "MSG bob end");
        let last = heard.last().map_or("MSG bob 0", |line| &line[line.find("MSG").expect("one")..]);
        let mut before = String::new();
        loop {
            let line = ada.line();
            if line == "MSG bob end" {
                break;
            }
            before = line;
        }
        assert_eq!(before, last, "{count} lines");
        // The old one reads all that it was sent, to the end.
        while !matches!(old.try_line(), Ok(None) | Err(_)) {}
    });
}

#[test]
fn by_another_secret_the_name_is_taken_and_by_none_too() {
    transcript(
        "
        ada> JOIN ada id
        ada< OK ada 1 id=1-0 token=token-of-ada----
        bob> JOIN bob
        bob< OK bob 2
        ada< @2-0 JOINED bob
        eve> JOIN ada resume=0123456789abcdef
        eve< ERR name-taken ...
        eve> JOIN ada id
        eve< ERR name-taken ...
        eve> JOIN bob resume=0123456789abcdef id
        eve< ERR name-taken ...
        eve> JOIN eve resume=0123456789abcdef id
        eve< OK eve 3 id=2-0 token=0123456789abcdef
        ada< @3-0 JOINED eve
        bob< JOINED eve
        ",
    );
}

#[test]
fn where_nobody_has_the_name_it_is_an_ordinary_join_with_the_same_secret() {
    transcript(
        "
        ada> JOIN ada id
        ada< OK ada 1 id=1-0 token=token-of-ada----
        bob> JOIN bob id
        bob< OK bob 2 id=2-0 token=token-of-bob----
        ada< @3-0 JOINED bob
        bob> LEAVE
        bob< BYE
        ada< @4-0 LEFT bob
        bob2> JOIN BOB id resume=token-of-bob---- since=2-0
        bob2< OK BOB 2 id=4-0 token=token-of-bob----
        ada< @5-0 JOINED BOB
        ",
    );
}

#[test]
fn a_secret_of_ones_own_takes_over_even_where_the_ok_was_lost() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for join in ["bob", "bob", "bob id", "bob"] {
        let mut bob = server.guest();
        bob.types(&format!("JOIN {join} resume={SECRET}"));
        bob.types("PING");
        bob.finds("PONG");
        // It never reads again, and does not close.
        std::mem::forget(bob);
    }
    let (mut bob, _, _) = entering(&server, &format!("bob id resume={SECRET}"));
    bob.types("MSG here I am");
    ada.sees("JOINED bob");
    ada.sees("MSG bob here I am");
    ada.fence();
}

#[test]
fn who_comes_back_gets_tells_at_their_places_and_with_echo_what_it_told() {
    transcript(
        "
        ada> JOIN ada id echo
        ada< OK ada 1 id=1-0 token=token-of-ada----
        bob> JOIN Bob id echo
        bob< OK Bob 2 id=2-0 token=token-of-bob----
        ada< @3-0 JOINED Bob
        ada> MSG one
        ada< @4-0 MSG ada one
        bob< @4-0 MSG ada one
        ada> TELL bob two
        ada< @5-0 TOLD Bob two
        bob< @5-0 TELL ada two
        bob> MSG three
        ada< @6-0 MSG Bob three
        bob< @6-0 MSG Bob three
        bob> TELL ada four
        ada< @7-0 TELL Bob four
        bob< @7-0 TOLD ada four
        bob> TELL bob five
        bob< @8-0 TELL Bob five
        bob< @8-0 TOLD Bob five
        bob2> JOIN bob id echo since=2-0 resume=token-of-bob----
        bob2< OK Bob 2 id=8-0 token=token-of-bob----
        bob2< @4-0 MSG ada one
        bob2< @5-0 TELL ada two
        bob2< @6-0 MSG Bob three
        bob2< @7-0 TOLD ada four
        bob2< @8-0 TELL Bob five
        bob2< @8-0 TOLD Bob five
        bob< BYE replaced
        bob3> JOIN bob since=4-0 resume=token-of-bob----
        bob3< OK Bob 2
        bob3< TELL ada two
        bob3< MSG Bob three
        bob3< TELL Bob five
        bob2< BYE replaced
        bob4> JOIN bob since=2-0 last=2 resume=token-of-bob----
        bob4< OK Bob 2
        bob4< GAP
        bob4< MSG Bob three
        bob4< TELL Bob five
        bob3< BYE replaced
        eve> JOIN eve since=2-0 echo id
        eve< OK eve 3 id=8-0 token=token-of-eve----
        eve< @4-0 MSG ada one
        eve< @6-0 MSG Bob three
        ada< @9-0 JOINED eve
        bob4< JOINED eve
        ",
    );
}

#[test]
fn what_is_told_while_one_is_away_is_refused_and_what_came_before_is_there() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        bob> JOIN bob id
        bob< OK bob 2 id=1-0 token=token-of-bob----
        ada< JOINED bob
        ada> TELL bob one
        bob< @2-0 TELL ada one
        bob> LEAVE
        bob< BYE
        ada< LEFT bob
        ada> TELL bob two
        ada< ERR no-such-member ...
        bob2> JOIN bob id since=1-0 resume=token-of-bob----
        bob2< OK bob 2 id=3-0 token=token-of-bob----
        bob2< @2-0 TELL ada one
        ada< JOINED bob
        ",
    );
}

// Half a line at the end.

#[test]
fn at_the_end_of_a_stream_half_a_line_is_one_but_not_of_a_member_with_ids() {
    for (join, last) in
        [("bob", Some("MSG bob two")), ("bob echo data", Some("MSG bob two")), ("bob id", None)]
    {
        let server = TestServer::start();
        let mut ada = server.member("ada");
        let mut bob = server.guest();
        bob.sends(format!("JOIN {join}\nMSG one\nMSG two").as_bytes());
        bob.ends();
        ada.sees("JOINED bob");
        ada.sees("MSG bob one");
        if let Some(last) = last {
            ada.sees(last);
        }
        ada.sees("LEFT bob");
        ada.fence();
    }
}

#[test]
fn a_join_without_its_lf_is_one_even_if_it_asks_for_ids() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    ada.types("MSG hi");
    ada.fence();
    let mut bot = server.guest();
    bot.sends(b"JOIN bot id last=1");
    bot.ends();
    standing(&bot.line());
    assert_eq!(stamped(&mut bot).1, "MSG ada hi");
    bot.sees_the_end();
    ada.sees("JOINED bot");
    ada.sees("LEFT bot");
}

// Races for one place.

#[test]
fn of_many_with_one_secret_at_once_one_is_in_and_all_others_are_replaced() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    let mut racers: Vec<Telnet> = (0..30).map(|_| server.guest()).collect();
    thread::scope(|scope| {
        for racer in &mut racers {
            scope.spawn(|| racer.types(&format!("JOIN bob id resume={SECRET}")));
        }
    });
    ada.sees("JOINED bob");
    let mut stayed = 0;
    for racer in &mut racers {
        assert_eq!(standing(&racer.line()).1, SECRET);
        // Who is still in is so for good: all have joined.
        let _ = racer.try_send(b"PING\n");
        match racer.line().as_str() {
            "PONG" => stayed += 1,
            line => assert_eq!(line, "BYE replaced"),
        }
    }
    // A PONG may have come before the place was taken over: so once more.
    ada.types("WHO");
    ada.sees("WHO 2 ada bob");
    assert!(stayed >= 1);
    let still_in = racers.iter_mut().filter_map(|racer| racer.try_fence().ok()).count();
    assert_eq!(still_in, 1);
    ada.fence();
}

#[test]
fn in_a_flood_of_take_overs_nothing_said_is_lost_or_doubled() {
    const SAID: u32 = 3000;
    let server = TestServer::with(long_memory());
    let mut ada = server.member("ada");
    let (mut bob, began, token) = entering(&server, "bob id");
    ada.sees("JOINED bob");
    let mut since = began;
    thread::scope(|scope| {
        let mut writer = ada.writer();
        scope.spawn(move || {
            writer.write_all(numbered("MSG", 0..SAID).as_bytes()).expect("said");
        });
        let (mut heard, mut times) = (0, 0);
        while heard < SAID {
            for _ in 0..times % 9 {
                if heard == SAID {
                    break;
                }
                let (id, line) = stamped(&mut bob);
                assert_eq!(line, format!("MSG ada {heard}"));
                (heard, since) = (heard + 1, id);
            }
            let join = format!("bob id resume={token} since={since}");
            let old = std::mem::replace(&mut bob, asking(&server, &join));
            standing(&bob.line());
            drop(old);
            times += 1;
        }
    });
    ada.fence();
    bob.fence();
}

#[test]
fn who_lags_or_stalls_is_taken_over_at_once_and_its_tellers_wait_no_longer() {
    let limits = Limits { outbox: 64 * 1024, stall_timeout: DEADLINE * 6, ..Limits::default() };
    let server = TestServer::with(limits);
    let (mut ada, mut eve) = (server.member("ada"), server.member("eve"));
    ada.sees("JOINED eve");
    let (old, _, token) = entering(&server, "bob id");
    ada.sees("JOINED bob");
    eve.sees("JOINED bob");
    // Until the server reads ada no further, for bob does not take what she tells him.
    ada.socket().set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let telling = format!("TELL bob {}\n", "x".repeat(4000));
    let mut writer = ada.writer();
    while writer.write_all(telling.as_bytes()).is_ok() {}
    let (mut new, _, _) = entering(&server, &format!("bob id resume={token}"));
    // She goes on: what the server had not read yet goes to the new one, the torn end of it too.
    writer.set_write_timeout(Some(DEADLINE)).expect("a timeout");
    thread::scope(|scope| {
        scope.spawn(move || writer.write_all(b"\nTELL bob end\n").expect("read on"));
        while stamped(&mut new).1 != "TELL ada end" {}
    });
    eve.fence();
    new.types("MSG hi");
    eve.sees("MSG bob hi");
    drop(old);
    new.fence();
}

#[test]
fn a_connection_that_was_half_closed_does_not_keep_its_name_from_who_comes_back() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    let (mut bob, _, token) = entering(&server, "bob id");
    ada.sees("JOINED bob");
    for _ in 0..50 {
        bob.ends();
        let (new, _, _) = entering(&server, &format!("bob id resume={token}"));
        match bob.try_line() {
            // It was still in; or its end had come before.
            Ok(Some(line)) => assert_eq!(line, "BYE replaced"),
            Ok(None) => {
                ada.sees("LEFT bob");
                ada.sees("JOINED bob");
            }
            Err(problem) => panic!("{problem}"),
        }
        bob = new;
    }
    ada.fence();
}

// The recipe: nothing missed, nothing said twice.

/// A client that does as PROTOCOL.md says, over connections that break.
struct Careful<'a> {
    server: &'a TestServer,
    name: String,
    since: Option<Id>,
    unconfirmed: VecDeque<String>,
    /// What it heard of others.
    heard: Vec<String>,
}

impl Careful<'_> {
    /// Joins, and says again what had not arrived.
    fn joins(&mut self) -> Telnet {
        let since = self.since.map_or(String::new(), |id| format!(" since={id}"));
        let secret = format!("secret-of-{}-0123456789", self.name);
        let mut connection =
            asking(self.server, &format!("{} id echo resume={secret}{since}", self.name));
        let (id, _) = standing(&connection.line());
        self.since.get_or_insert(id);
        connection.types("PING joined");
        while self.hears(&mut connection) != "PONG joined" {}
        for line in &self.unconfirmed {
            connection.types(&format!("MSG {line}"));
        }
        connection
    }

    fn says(&mut self, connection: &mut Telnet, text: String) {
        // Whether it goes out or not, the echo will show.
        let _ = connection.try_send(format!("MSG {text}\n").as_bytes());
        self.unconfirmed.push_back(text);
    }

    fn hears(&mut self, connection: &mut Telnet) -> String {
        let line = connection.line();
        let (Some(id), rest) = Id::stamped(line.as_bytes()) else {
            assert_ne!(line, "GAP");
            return line;
        };
        // The lines of one payload share theirs; here there are none.
        assert!(self.since < Some(id));
        self.since = Some(id);
        let rest = String::from_utf8_lossy(rest).into_owned();
        match rest.strip_prefix(&format!("MSG {} ", self.name)) {
            Some(own) => assert_eq!(self.unconfirmed.pop_front().as_deref(), Some(own)),
            None if rest.starts_with("MSG ") => self.heard.push(rest.clone()),
            None => {}
        }
        rest
    }
}

#[test]
fn by_the_recipe_nothing_is_missed_and_nothing_said_twice() {
    const SAID: usize = 600;
    let server = TestServer::start();
    let mut observer = server.member("observer");
    let heard: Vec<Vec<String>> = thread::scope(|scope| {
        let talking: Vec<_> = ["ada", "bob", "eve"]
            .into_iter()
            .zip(1..)
            .map(|(name, seed)| {
                let (name, unconfirmed) = (name.to_string(), VecDeque::new());
                let mut own =
                    Careful { server: &server, name, since: None, unconfirmed, heard: Vec::new() };
                scope.spawn(move || {
                    let mut random = Random(seed);
                    let mut connection = own.joins();
                    let mut said = 0;
                    while said < SAID || !own.unconfirmed.is_empty() {
                        for _ in 0..random.below(20).min((SAID - said) as u64) {
                            own.says(&mut connection, said.to_string());
                            said += 1;
                        }
                        if random.below(2) == 0 && !own.unconfirmed.is_empty() {
                            own.hears(&mut connection);
                        }
                        match random.below(12) {
                            0 => connection.breaks(),
                            1 => connection.ends(),
                            2 => _ = connection.try_send(b"MSG ha"),
                            3 => drop(connection),
                            4 => {}
                            _ => continue,
                        }
                        connection = own.joins();
                    }
                    own.heard
                })
            })
            .collect();
        talking.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut order: Vec<String> = lines_until_pong(&mut observer);
    order.retain(|line| line.starts_with("MSG "));
    for (name, heard) in ["ada", "bob", "eve"].iter().zip(heard) {
        let own = format!("MSG {name} ");
        let said: Vec<_> = order.iter().filter_map(|line| line.strip_prefix(&own)).collect();
        assert!(said.iter().map(|n| n.parse()).eq((0..SAID).map(Ok)), "{name}: {said:?}");
        // What others said is in the one order; it may have begun, or stopped listening, amid them.
        let others: Vec<_> = order.iter().filter(|line| !line.starts_with(&own)).collect();
        let first = others.iter().position(|line| Some(*line) == heard.first());
        let from = first.unwrap_or_default();
        assert!(others[from..].iter().take(heard.len()).copied().eq(&heard), "{name}");
    }
}

// Those who ask for much.

/// A server on which all of 1 MiB has been said, and ada, who said it.
fn full_history(arguments: &[&str]) -> (Daemon, Telnet) {
    let daemon = Daemon::start(arguments);
    let mut ada = daemon.member("ada");
    let text = "x".repeat(1000);
    for _ in 0..1000 {
        ada.types(&format!("MSG {text}"));
    }
    ada.fence();
    (daemon, ada)
}

/// How long it takes until ada's PING is answered.
fn round_trip(ada: &mut Telnet) -> Duration {
    let began = Instant::now();
    ada.types("PING round trip");
    ada.finds("PONG round trip");
    began.elapsed()
}

#[test]
fn a_thousand_who_ask_for_all_and_do_not_read_share_what_they_are_sent() {
    const MANY: usize = 1000;
    raise_descriptor_limit();
    let (daemon, mut ada) = full_history(&["--quiet"]);
    let before = daemon.kilobytes("VmRSS");
    let mut worst = Duration::ZERO;
    let silent: Vec<Telnet> = (0..MANY)
        .map(|n| {
            let mut silent = Telnet::tcp(daemon.address());
            silent.types(&format!("JOIN silent{n} last=1000 id"));
            if n % 10 == 0 {
                ada.types("MSG still here");
                worst = worst.max(round_trip(&mut ada));
            }
            silent
        })
        .collect();
    // All are in.
    while !{
        ada.types("WHO");
        ada.finds("WHO ").starts_with(&format!("WHO {} ", MANY + 1))
    } {
        ada.types("PING");
        ada.finds("PONG");
    }
    let grown = daemon.kilobytes("VmHWM") - before;
    // A GiB was asked for. Chunks of 8 KiB cost 112 bytes each: 14 KiB of a MiB.
    assert!(grown < 80 * 1024, "{grown} KiB");
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    drop(silent);
}

#[test]
fn over_the_budget_they_go_and_the_room_goes_on() {
    let (daemon, mut ada) = full_history(&["--quiet", "--memory", "2000000"]);
    let mut bob = daemon.member("bob");
    let silent: Vec<Telnet> = (0..100)
        .map(|n| {
            let mut silent = Telnet::tcp(daemon.address());
            silent.types(&format!("JOIN silent{n} last=1000 id"));
            // Each changes what the next one is sent, so that they share less.
            ada.types(&format!("MSG {}", "y".repeat(4000)));
            silent
        })
        .collect();
    bob.types("MSG end");
    ada.finds("MSG bob end");
    assert!(round_trip(&mut ada) < Duration::from_secs(2));
    drop(silent);
}
