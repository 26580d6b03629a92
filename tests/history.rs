//! What was said before: ids, echoes, and what is replayed to those who join.
//!
//! In the dialogues an id or a token stands for whichever the server makes up, the same each time.

mod support;

use smoltalk::limits::Limits;
use smoltalk::protocol::{Id, Secret};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use support::again::{Random, SECRET, asking, entering, long_memory, replayed, stamped};
use support::{Telnet, TestServer, numbered, transcript};

// Options.

#[test]
fn options_come_in_any_order() {
    let server = TestServer::start();
    let mut options = ["id", "echo", "data", "last=0", "since=1-0", "resume=0123456789abcdef"];
    for at in 0..2 * options.len() {
        options.rotate_left(1);
        if at == options.len() {
            options.reverse();
        }
        let (mut ada, _, token) = entering(&server, &format!("ada {}", options.join(" ")));
        assert_eq!(token, SECRET);
        ada.sees("GAP");
        ada.sends(b"DATA 2\n\nx\n");
        assert_eq!(stamped(&mut ada).1, "DATA ada 2");
        ada.sees("");
        ada.sees("x");
        ada.types("LEAVE");
        ada.sees("BYE");
    }
}

#[test]
fn an_option_said_twice_or_with_a_bad_value_is_refused_and_another_join_may_follow() {
    let server = TestServer::start();
    let long = format!("resume={}", "x".repeat(65));
    let bad = [
        "id id",
        "echo data echo",
        "id=1",
        "ID",
        "last",
        "last=",
        "last=-1",
        "last=1.5",
        "last=1 last=1",
        "since",
        "since=",
        "since=1",
        "since=1-",
        "since=-1",
        "since=01-1",
        "since=1-01",
        "since=1-1-1",
        "since=18446744073709551616-0",
        "since=1-0 id since=1-0",
        "resume",
        "resume=",
        "resume=0123456789abcde",
        "resume=0123456789abcde.",
        "resume=0123456789abcdef resume=0123456789abcdef",
        &long,
    ];
    for options in bad {
        let mut ada = asking(&server, &format!("ada {options}"));
        ada.sees("ERR bad-option ...");
        ada.types("JOIN ada last=00000000000000000000000000007");
        ada.sees("OK ada 1");
        ada.types("LEAVE");
        ada.sees("BYE");
    }
}

// What OK says.

#[test]
fn ok_says_where_the_log_stood_before_one_came() {
    transcript(
        "
        ada> JOIN ada id
        ada< OK ada 1 id=1-0 token=token-of-ada----
        bob> JOIN bob id
        bob< OK bob 2 id=2-0 token=token-of-bob----
        ada< @3-0 JOINED bob
        eve> JOIN eve
        eve< OK eve 3
        ada< @4-0 JOINED eve
        bob< @4-0 JOINED eve
        joe> JOIN joe id
        joe< OK joe 4 id=4-0 token=token-of-joe----
        ada< @5-0 JOINED joe
        bob< @5-0 JOINED joe
        eve< JOINED joe
        ",
    );
}

#[test]
fn an_empty_log_stands_where_it_began() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let before = now();
    let server = TestServer::start();
    let (_ada, id, _) = entering(&server, "ada id");
    let began = u128::from(id.ms());
    assert!((before..=now()).contains(&began), "{id}");
    assert_eq!(id, Id::from_ms(id.ms()));
}

#[test]
fn a_token_is_a_secret_that_nobody_has_had() {
    let server = TestServer::start();
    let mut tokens: Vec<String> =
        (0..100).map(|n| entering(&server, &format!("m{n} id")).2).collect();
    for token in &tokens {
        assert!(Secret::new(token.as_bytes()).is_some(), "{token}");
        assert!(token.len() * 6 >= 128, "{token}");
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 100);
}

#[test]
fn without_id_the_ok_says_no_more_than_ever() {
    transcript(
        "
        ada> JOIN ada echo data last=3 resume=0123456789abcdef
        ada< OK ada 1
        ",
    );
}

// Ids.

#[test]
fn all_that_happens_has_an_id_and_no_answer_has() {
    transcript(
        "
        ada> JOIN ada id
        ada< OK ada 1 id=1-0 token=token-of-ada----
        bob> JOIN bob
        bob< OK bob 2
        ada< @3-0 JOINED bob
        bob> MSG hi
        ada< @4-0 MSG bob hi
        bob> DATA 3
        bob> hey
        ada< @5-0 MSG bob hey
        bob> TELL ada psst
        ada< @6-0 TELL bob psst
        ada> PING
        ada< PONG
        ada> WHO
        ada< WHO 2 ada bob
        ada> MSG
        ada< ERR empty ...
        bob> LEAVE
        bob< BYE
        ada< @7-0 LEFT bob
        ada> LEAVE
        ada< BYE
        ",
    );
}

#[test]
fn the_lines_of_one_payload_share_their_id_in_every_form() {
    transcript(
        "
        ada> JOIN ada id
        ada< OK ada 1 id=1-0 token=token-of-ada----
        bob> JOIN bob id data
        bob< OK bob 2 id=2-0 token=token-of-bob----
        ada< @3-0 JOINED bob
        eve> JOIN eve id echo
        eve< OK eve 3 id=3-0 token=token-of-eve----
        ada< @4-0 JOINED eve
        bob< @4-0 JOINED eve
        eve> DATA 7
        eve> one
        eve> two
        ada< @5-0 MSG eve one
        ada< @5-0 MSG eve two
        bob< @5-0 DATA eve 7
        bob< one
        bob< two
        eve< @5-0 MSG eve one
        eve< @5-0 MSG eve two
        eve> MSG three
        ada< @6-0 MSG eve three
        bob< @6-0 MSG eve three
        eve< @6-0 MSG eve three
        ",
    );
}

#[test]
fn ids_rise_strictly_and_are_the_same_for_all() {
    const EACH: usize = 500;
    let server = TestServer::start();
    let mut watchers = [entering(&server, "w1 id").0, entering(&server, "w2 id data").0];
    watchers[0].finds("@");
    let speakers = ["a", "b", "c", "d"].map(|name| (name, server.member(name)));
    thread::scope(|scope| {
        for (_, mut speaker) in speakers {
            scope.spawn(move || {
                for n in 0..EACH {
                    speaker.types(&format!("MSG {n}"));
                }
                speaker.types("LEAVE");
                speaker.finds("BYE");
            });
        }
        let heard = watchers.each_mut().map(|watcher| {
            let heard: Vec<_> = (0..4 * EACH + 8).map(|_| stamped(watcher)).collect();
            watcher.fence();
            heard
        });
        assert!(heard[0].is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(heard[0] == heard[1]);
    });
}

// Echoes.

#[test]
fn an_echo_stands_at_its_place_and_says_what_the_others_read() {
    transcript(
        "
        ada> JOIN ada echo
        ada< OK ada 1
        bob> JOIN bob
        bob< OK bob 2
        ada< JOINED bob
        ada> MSG hi \u{1b}[2J
        ada< MSG ada hi \u{241b}[2J
        bob< MSG ada hi \u{241b}[2J
        bob> MSG hi
        ada< MSG bob hi
        ada> DATA 3
        ada> a\u{7}b
        ada< MSG ada a\u{2407}b
        bob< MSG ada a\u{2407}b
        ada> PING
        ada< PONG
        ",
    );
}

#[test]
fn told_has_the_addressees_name_as_that_one_typed_it_and_the_id_of_the_tell() {
    transcript(
        "
        ada> JOIN Ada id echo
        ada< OK Ada 1 id=1-0 token=token-of-ada----
        bob> JOIN Bob id
        bob< OK Bob 2 id=2-0 token=token-of-bob----
        ada< @3-0 JOINED Bob
        ada> TELL bOB lunch?
        ada< @4-0 TOLD Bob lunch?
        bob< @4-0 TELL Ada lunch?
        bob> TELL ada yes
        ada< @5-0 TELL Bob yes
        ada> TELL eve no
        ada< ERR no-such-member ...
        ada> TELL ada buy bread
        ada< @6-0 TELL Ada buy bread
        ada< @6-0 TOLD Ada buy bread
        ",
    );
}

#[test]
fn with_echo_all_speakers_see_the_one_order() {
    const EACH: u32 = 1000;
    let server = TestServer::start();
    let mut speakers =
        ["ada", "bob", "eve"].map(|name| entering(&server, &format!("{name} id echo")).0);
    for speaker in &mut speakers {
        speaker.types("PING here");
        speaker.finds("PONG here");
    }
    let heard: Vec<Vec<_>> = thread::scope(|scope| {
        let threads = speakers.each_mut().map(|speaker| {
            let mut writer = speaker.writer();
            scope.spawn(move || {
                writer.write_all(numbered("MSG", 0..EACH).as_bytes()).expect("said");
            });
            scope.spawn(|| (0..3 * EACH).map(|_| stamped(speaker)).collect())
        });
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(heard[0] == heard[1] && heard[1] == heard[2]);
}

// The last so many.

#[test]
fn last_is_the_last_messages_oldest_first_before_anything_new() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        ada> MSG one
        ada> MSG two
        ada> MSG three
        ada> PING
        ada< PONG
        bob> JOIN bob last=2
        bob< OK bob 2
        bob< MSG ada two
        bob< MSG ada three
        ada< JOINED bob
        ada> MSG four
        bob< MSG ada four
        ",
    );
}

#[test]
fn last_has_ones_own_messages_but_nothing_that_is_no_message() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        bob> JOIN bob
        bob< OK bob 2
        ada< JOINED bob
        bob> MSG mine
        ada< MSG bob mine
        bob> TELL ada psst
        ada< TELL bob psst
        bob> LEAVE
        bob< BYE
        ada< LEFT bob
        bobby> JOIN bob last=100
        bobby< OK bob 2
        bobby< MSG bob mine
        ada< JOINED bob
        ",
    );
}

#[test]
fn last_is_0_or_more_than_there_are_and_an_empty_log_has_none() {
    let server = TestServer::start();
    assert_eq!(replayed(&server, "eve last=5"), [""; 0]);
    let mut ada = server.member("ada");
    ada.types("MSG one");
    ada.fence();
    assert_eq!(replayed(&server, "eve last=0"), [""; 0]);
    assert_eq!(replayed(&server, "eve"), [""; 0]);
    let all = ["MSG ada one"];
    for many in ["1", "2", "1001", "18446744073709551615", "99999999999999999999999999999999"] {
        assert_eq!(replayed(&server, &format!("eve last={many}")), all);
    }
}

#[test]
fn a_replayed_payload_has_the_form_that_one_joined_for() {
    transcript(
        "
        ada> JOIN ada id echo data
        ada< OK ada 1 id=1-0 token=token-of-ada----
        ada> DATA 7
        ada> one
        ada> two
        ada< @2-0 DATA ada 7
        ada< one
        ada< two
        ada> MSG three
        ada< @3-0 MSG ada three
        bob> JOIN bob last=2
        bob< OK bob 2
        bob< MSG ada one
        bob< MSG ada two
        bob< MSG ada three
        ada< @4-0 JOINED bob
        eve> JOIN eve last=2 data
        eve< OK eve 3
        eve< DATA ada 7
        eve< one
        eve< two
        eve< MSG ada three
        ada< @5-0 JOINED eve
        bob< JOINED eve
        joe> JOIN joe last=2 id
        joe< OK joe 4 id=5-0 token=token-of-joe----
        joe< @2-0 MSG ada one
        joe< @2-0 MSG ada two
        joe< @3-0 MSG ada three
        ada< @6-0 JOINED joe
        bob< JOINED joe
        eve< JOINED joe
        kim> JOIN kim data id last=2
        kim< OK kim 5 id=6-0 token=token-of-kim----
        kim< @2-0 DATA ada 7
        kim< one
        kim< two
        kim< @3-0 MSG ada three
        ada< @7-0 JOINED kim
        bob< JOINED kim
        eve< JOINED kim
        joe< @7-0 JOINED kim
        ",
    );
}

#[test]
fn what_is_replayed_is_safe_to_print_too() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    ada.sends(b"MSG \x1b[2J\xff\nDATA 4\na\x07\nb\n");
    ada.fence();
    let lines = ["MSG ada \u{241b}[2J\u{fffd}", "MSG ada a\u{2407}", "MSG ada b"];
    assert_eq!(replayed(&server, "eve last=9"), lines);
}

#[test]
fn pong_comes_after_all_that_is_replayed() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    ada.sends(numbered("MSG", 0..1000).as_bytes());
    ada.fence();
    let mut eve = server.guest();
    eve.sends(b"JOIN eve last=1000\nPING all\n");
    eve.sees("OK eve 2");
    (0..1000).for_each(|n| eve.sees(&format!("MSG ada {n}")));
    eve.sees("PONG all");
}

#[test]
fn between_what_is_replayed_and_what_is_new_there_is_no_gap_and_nothing_twice() {
    let server = TestServer::start();
    let ada = server.member("ada");
    while_talking(&ada, || {
        thread::scope(|scope| {
            for n in 0..20 {
                let server = &server;
                scope.spawn(move || {
                    let mut newcomer = asking(server, &format!("n{n} last={}", n * 40));
                    newcomer.finds("OK ");
                    let said = newcomer.finds("MSG ada ");
                    let first: u32 = said["MSG ada ".len()..].parse().expect("a number");
                    for next in first + 1..first + 1500 {
                        assert_eq!(newcomer.finds("MSG "), format!("MSG ada {next}"));
                    }
                });
            }
        });
    });
}

/// Ada says `MSG 0`, `MSG 1` and so on as fast as she can, until all is done. What she hears is read.
fn while_talking(ada: &Telnet, what: impl FnOnce()) {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (done, mut writer, mut reader) = (AtomicBool::new(false), ada.writer(), ada.writer());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut heard = [0; 8 * 1024];
            while !done.load(Ordering::Relaxed) {
                if reader.read(&mut heard).expect("heard") == 0 {
                    return;
                }
            }
        });
        scope.spawn(|| {
            for hundred in (0..).step_by(100) {
                if done.load(Ordering::Relaxed) {
                    // The reader waits for something to come.
                    return writer.write_all(b"PING\n").expect("asked");
                }
                writer.write_all(numbered("MSG", hundred..hundred + 100).as_bytes()).expect("said");
            }
        });
        let _done = Done(&done);
        what();
    });
}

// Since.

#[test]
fn since_is_what_came_after_that_and_is_no_gap_while_all_of_it_is_there() {
    transcript(
        "
        ada> JOIN ada id echo
        ada< OK ada 1 id=1-0 token=token-of-ada----
        ada> MSG one
        ada< @2-0 MSG ada one
        ada> MSG two
        ada< @3-0 MSG ada two
        bob> JOIN bob since=1-0
        bob< OK bob 2
        bob< MSG ada one
        bob< MSG ada two
        ada< @4-0 JOINED bob
        eve> JOIN eve since=2-0 data id
        eve< OK eve 3 id=4-0 token=token-of-eve----
        eve< @3-0 MSG ada two
        ada< @5-0 JOINED eve
        bob< JOINED eve
        joe> JOIN joe since=5-0
        joe< OK joe 4
        ada< @6-0 JOINED joe
        bob< JOINED joe
        eve< @6-0 JOINED joe
        kim> JOIN kim since=2-0 last=1
        kim< OK kim 5
        kim< MSG ada two
        ada< @7-0 JOINED kim
        bob< JOINED kim
        eve< @7-0 JOINED kim
        joe< JOINED kim
        ",
    );
}

#[test]
fn who_breaks_off_and_comes_back_misses_nothing_and_hears_nothing_twice() {
    const LINES: usize = 8000;
    let server = TestServer::with(long_memory());
    let ada = server.member("ada");
    while_talking(&ada, || {
        thread::scope(|scope| {
            for n in 0..6 {
                let server = &server;
                scope.spawn(move || {
                    let mut random = Random(n);
                    let join = format!("n{n} id data");
                    let (mut member, mut last, token) = entering(server, &join);
                    let mut heard: Vec<u32> = Vec::new();
                    while heard.len() < LINES {
                        for _ in 0..random.below(900) {
                            let (id, line) = stamped(&mut member);
                            assert!(id > last, "{id} after {last}: {line}");
                            last = id;
                            if let Some(number) = line.strip_prefix("MSG ada ") {
                                heard.push(number.parse().expect("a number"));
                            }
                        }
                        match random.below(3) {
                            0 => member.breaks(),
                            1 => drop(member),
                            _ => {} // The next one takes it over.
                        }
                        let join = format!("{join} resume={token} since={last}");
                        member = asking(server, &join);
                        member.finds("OK ");
                    }
                    let first = heard[0];
                    let all = first..first + u32::try_from(heard.len()).expect("few");
                    assert!(heard.iter().copied().eq(all));
                });
            }
        });
    });
}

// Gaps.

#[test]
fn what_is_older_than_the_log_or_newer_is_a_gap_and_all_that_is_there() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    ada.types("MSG one");
    ada.fence();
    let all = ["GAP", "MSG ada one"];
    let newer = "18446744073709551615-18446744073709551615";
    for since in ["0-0", "1-0", "1000000000000-5", newer, "9999999999999-0"] {
        assert_eq!(replayed(&server, &format!("eve since={since}")), all, "{since}");
    }
}

#[test]
fn what_has_been_forgotten_is_a_gap_but_not_before_it_is() {
    let server = TestServer::with(Limits { history: 3, ..Limits::default() });
    let (mut ada, began, _) = entering(&server, "ada id echo");
    let mut ids = vec![began];
    for n in 1..=5 {
        ada.types(&format!("MSG {n}"));
        ids.push(stamped(&mut ada).0);
    }
    let since = |id: Id| replayed(&server, &format!("eve since={id}"));
    for (after, expected) in [
        (0, &["GAP", "MSG ada 3", "MSG ada 4", "MSG ada 5"][..]),
        (1, &["GAP", "MSG ada 3", "MSG ada 4", "MSG ada 5"]),
        (2, &["MSG ada 3", "MSG ada 4", "MSG ada 5"]),
        (3, &["MSG ada 4", "MSG ada 5"]),
        (5, &[]),
    ] {
        assert_eq!(since(ids[after]), expected, "since {after}");
    }
    assert_eq!(replayed(&server, "eve last=9"), ["MSG ada 3", "MSG ada 4", "MSG ada 5"]);
}

#[test]
fn what_last_leaves_out_of_since_is_a_gap() {
    let server = TestServer::start();
    let (mut ada, began, _) = entering(&server, "ada id");
    ada.types("MSG one\nMSG two");
    ada.fence();
    let wanted = |last: u32| replayed(&server, &format!("eve since={began} last={last}"));
    assert_eq!(wanted(0), ["GAP"]);
    assert_eq!(wanted(1), ["GAP", "MSG ada two"]);
    assert_eq!(wanted(2), ["MSG ada one", "MSG ada two"]);
    assert_eq!(wanted(3), ["MSG ada one", "MSG ada two"]);
}

#[test]
fn where_another_has_spoken_under_the_name_it_is_a_gap_and_not_where_he_was_silent() {
    for says in ["", "MSG not ada's\n"] {
        let server = TestServer::start();
        let (mut ada, _, token) = entering(&server, "ada id echo");
        ada.types("MSG mine");
        let (since, _) = stamped(&mut ada);
        ada.types("LEAVE");
        ada.sees("BYE");
        let mut other = asking(&server, "ADA");
        other.sees("OK ADA 1");
        other.sends(says.as_bytes());
        other.types("LEAVE");
        other.sees("BYE");
        let join = format!("ada id echo resume={token} since={since}");
        let (mut ada, _, again) = entering(&server, &join);
        assert_eq!(again, token);
        if !says.is_empty() {
            ada.sees("GAP");
            assert_eq!(stamped(&mut ada).1, "MSG ADA not ada's");
        }
        ada.fence();
    }
}

// Small histories.

#[test]
fn a_server_without_history_replays_nothing_and_says_so() {
    for limits in [
        Limits { history: 0, ..Limits::default() },
        Limits { history_bytes: 0, ..Limits::default() },
    ] {
        let server = TestServer::with(limits);
        let hello = Telnet::tcp(server.address()).line();
        assert!(!hello.contains("history"), "{hello}");
        server.plays(
            "
            ada> JOIN ada id echo
            ada< OK ada 1 id=1-0 token=token-of-ada----
            ada> MSG one
            ada< @2-0 MSG ada one
            bob> JOIN bob last=5
            bob< OK bob 2
            ada< @3-0 JOINED bob
            bob> TELL ada two
            ada< @4-0 TELL bob two
            eve> JOIN eve since=1-0
            eve< OK eve 3
            eve< GAP
            ada< @5-0 JOINED eve
            bob< JOINED eve
            joe> JOIN joe since=5-0
            joe< OK joe 4
            ada< @6-0 JOINED joe
            bob< JOINED joe
            eve< JOINED joe
            ann> JOIN ada resume=token-of-ada---- since=3-0
            ada< BYE replaced
            ann< OK ada 4
            ann< GAP
            ann> MSG three
            bob< MSG ada three
            eve< MSG ada three
            joe< MSG ada three
            ",
        );
    }
}

#[test]
fn of_bytes_the_last_are_kept_and_one_message_that_is_too_long_forgets_all() {
    // `MSG ada …` and an LF: 9 bytes and the text.
    let server = TestServer::with(Limits { history_bytes: 30, ..Limits::default() });
    let (mut ada, began, _) = entering(&server, "ada id");
    ada.types("MSG 123456\nMSG 123456");
    ada.fence();
    assert_eq!(replayed(&server, &format!("eve since={began}")).len(), 2);
    ada.types("MSG 7");
    ada.finds("@");
    ada.finds("@");
    ada.fence();
    assert_eq!(replayed(&server, "eve last=9"), ["MSG ada 123456", "MSG ada 7"]);
    ada.types("MSG 1234567890123456789012");
    ada.finds("@");
    ada.finds("@");
    ada.fence();
    assert_eq!(replayed(&server, &format!("eve since={began} last=9")), ["GAP"]);
}

#[test]
fn what_was_told_is_bounded_likewise_and_a_gap_for_him_alone() {
    let server = TestServer::with(Limits { history: 2, ..Limits::default() });
    let (mut ada, began, token) = entering(&server, "ada id");
    let mut bob = server.member("bob");
    bob.types("TELL ada 1\nTELL ada 2\nTELL ada 3\nMSG 4\nPING");
    bob.sees("PONG");
    ada.finds("@");
    let told: Vec<_> = (0..4).map(|_| stamped(&mut ada)).collect();
    let seen = |since: Id| replayed(&server, &format!("ada resume={token} since={since}"));
    assert_eq!(seen(began), ["GAP", "TELL bob 2", "TELL bob 3", "MSG bob 4"]);
    assert_eq!(seen(told[0].0), ["TELL bob 2", "TELL bob 3", "MSG bob 4"]);
    assert_eq!(seen(told[2].0), ["MSG bob 4"]);
    assert_eq!(replayed(&server, &format!("eve since={began}")), ["MSG bob 4"]);
}
