//! What people do in a room: every command, every answer, every goodbye.

mod support;

use smoltalk::limits::{LINE, Limits};
use smoltalk::protocol::HELP;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use support::{SocketPath, Telnet, TestServer, has_ipv6, numbered, transcript};

// Coming in.

#[test]
fn the_server_speaks_first() {
    let server = TestServer::start();
    Telnet::tcp(server.address()).sees(
        "HELLO smoltalk/1 JOIN <name> to enter, HELP for help [line=4096 payload=65536 history]",
    );
    let server = TestServer::with(Limits { payload: 1000, history: 0, ..Limits::default() });
    let hello = Telnet::tcp(server.address()).line();
    assert!(hello.ends_with(" [line=4096 payload=1000]"), "{hello}");
}

#[test]
fn joining_is_answered_with_the_number_of_members_and_the_others_are_told() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        bob> JOIN bob
        bob< OK bob 2
        ada< JOINED bob
        eve> JOIN eve
        eve< OK eve 3
        ada< JOINED eve
        bob< JOINED eve
        ",
    );
}

#[test]
fn a_name_is_shown_as_typed_and_compared_without_case() {
    transcript(
        "
        ada> JOIN AdA_1.-
        ada< OK AdA_1.- 1
        eve> JOIN aDa_1.-
        eve< ERR name-taken ...
        eve> JOIN Eve
        eve< OK Eve 2
        ada< JOINED Eve
        ada> TELL eVE hi
        eve< TELL AdA_1.- hi
        ",
    );
}

#[test]
fn a_name_of_32_characters_is_good_and_one_more_is_not() {
    transcript(
        "
        ada> JOIN abcdefghijklmnopqrstuvwxyz-456789
        ada< ERR bad-name ...
        ada> JOIN abcdefghijklmnopqrstuvwxyz-45678
        ada< OK abcdefghijklmnopqrstuvwxyz-45678 1
        ",
    );
}

#[test]
fn a_bad_name_is_refused_and_another_may_be_tried() {
    transcript(
        "
        ada> JOIN
        ada< ERR bad-name ...
        ada> JOIN  ada
        ada< ERR bad-name ...
        ada> JOIN a/d/a
        ada< ERR bad-name ...
        ada> JOIN adä
        ada< ERR bad-name ...
        ada> JOIN ada
        ada< OK ada 1
        ",
    );
}

#[test]
fn an_option_that_is_unknown_or_said_twice_is_refused_and_a_space_is_none() {
    let server = TestServer::start();
    let mut ada = server.guest();
    for option in ["raw", "ID", "last=x", "since=1", "resume=secret", "DATA", "data data"] {
        ada.types(&format!("JOIN ada {option}"));
        ada.sees("ERR bad-option ...");
    }
    ada.types("JOIN ada  ");
    ada.sees("OK ada 1");
}

#[test]
fn a_member_cannot_join_again_under_any_name() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        ada> JOIN ada
        ada< ERR already-joined ...
        ada> JOIN lovelace
        ada< ERR already-joined ...
        ada> WHO
        ada< WHO 1 ada
        ",
    );
}

#[test]
fn of_all_that_is_wrong_the_first_is_answered() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        eve> DATA 1 2
        eve< ERR bad-frame ...
        eve< ^D
        bob> TELL b/b
        bob< ERR not-joined ...
        bob> JOIN a/da raw
        bob< ERR bad-name ...
        bob> JOIN ada raw
        bob< ERR bad-option ...
        bob> JOIN ada
        bob< ERR name-taken ...
        bob> JOIN bob
        bob< OK bob 2
        ada< JOINED bob
        bob> JOIN a/da raw
        bob< ERR already-joined ...
        bob> TELL b/b
        bob< ERR empty ...
        bob> TELL b/b hi
        bob< ERR no-such-member ...
        bob> TELLS b/b hi
        bob< ERR unknown-command ...
        ",
    );
}

// Speaking.

#[test]
fn a_message_goes_to_everybody_but_its_sender() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        bob> JOIN bob
        bob< OK bob 2
        eve> JOIN eve
        eve< OK eve 3
        ada< JOINED bob
        ada< JOINED eve
        bob< JOINED eve
        ada> MSG hi all
        bob< MSG ada hi all
        eve< MSG ada hi all
        ",
    );
}

#[test]
fn guests_hear_nothing_and_cannot_speak() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        guest> MSG hi
        guest< ERR not-joined ...
        guest> TELL ada hi
        guest< ERR not-joined ...
        guest> WHO
        guest< ERR not-joined ...
        ada> MSG anybody?
        ",
    );
}

#[test]
fn spaces_in_text_are_kept() {
    let server = TestServer::start();
    let [mut ada, mut bob] = server.members(["ada", "bob"]);
    for (typed, seen) in [
        ("MSG  ", "MSG bob  "),
        ("MSG   a  b  ", "MSG bob   a  b  "),
        ("TELL ada  ", "TELL bob  "),
        ("TELL ada   a  b ", "TELL bob   a  b "),
        ("MSG MSG x", "MSG bob MSG x"),
    ] {
        bob.types(typed);
        ada.sees(seen);
    }
    bob.fence();
}

#[test]
fn there_must_be_something_to_say() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for nothing in ["MSG", "MSG ", "TELL", "TELL ", "TELL ada", "TELL ada ", "TELL nobody"] {
        ada.types(nothing);
        ada.sees("ERR empty ...");
    }
    ada.fence();
}

#[test]
fn telling_reaches_one_member_alone() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        bob> JOIN bob
        bob< OK bob 2
        eve> JOIN eve
        eve< OK eve 3
        ada< JOINED bob
        ada< JOINED eve
        bob< JOINED eve
        ada> TELL bob psst
        bob< TELL ada psst
        ada> TELL ada note to self
        ada< TELL ada note to self
        ",
    );
}

#[test]
fn telling_nobody_is_an_error() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        guest> PING
        guest< PONG
        ada> TELL guest hi
        ada< ERR no-such-member ...
        ada> TELL a/b hi
        ada< ERR no-such-member ...
        ada> TELL  hi
        ada< ERR no-such-member ...
        ",
    );
}

// Asking.

#[test]
fn who_lists_the_members_in_alphabetical_order_without_case() {
    transcript(
        "
        eve> JOIN eve
        eve< OK eve 1
        bob> JOIN Bob
        bob< OK Bob 2
        eve< JOINED Bob
        ada> JOIN ada
        ada< OK ada 3
        eve< JOINED ada
        bob< JOINED ada
        bob> WHO is here?
        bob< WHO 3 ada Bob eve
        ",
    );
}

#[test]
fn a_large_room_is_listed_in_several_lines_each_with_the_total() {
    let server = TestServer::start();
    let names: Vec<String> = (100..250).map(|n| format!("{n:a>32}")).collect();
    let mut members: Vec<Telnet> = names.iter().map(|name| server.member(name)).collect();
    let last = members.last_mut().expect("somebody");
    last.types("WHO");
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < names.len() {
        let line = last.line();
        assert!(line.len() <= LINE, "{} bytes", line.len());
        let listed = line.strip_prefix("WHO 150 ").expect("each line with the total");
        assert!(listed.split(' ').count() < names.len(), "all in one line");
        seen.extend(listed.split(' ').map(String::from));
    }
    assert_eq!(seen, names);
    last.fence();
}

#[test]
fn pong_repeats_the_token() {
    transcript(
        "
        ada> PING
        ada< PONG
        ada> ping  a  b
        ada< PONG  a  b
        ada> JOIN ada
        ada< OK ada 1
        ada> PING 7
        ada< PONG 7
        ",
    );
}

#[test]
fn pong_means_that_all_before_it_has_taken_effect() {
    let server = TestServer::start();
    let [mut ada, mut bob] = server.members(["ada", "bob"]);
    for n in 0..100 {
        ada.types(&format!("MSG {n}\nPING"));
        ada.sees("PONG");
        bob.types("PING"); // What bob has not seen by now was not in the room when ada's PONG came.
        bob.sees(&format!("MSG ada {n}"));
        bob.sees("PONG");
    }
}

#[test]
fn help_lists_the_commands_for_guests_and_members() {
    let server = TestServer::start();
    for mut client in [server.guest(), server.member("ada")] {
        client.types("HELP me");
        for help in HELP {
            client.sees(&format!("HELP {help}"));
        }
        client.fence();
    }
}

#[test]
fn an_unknown_command_is_refused_and_all_goes_on() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for unknown in
        ["HELLO", "MSGS hi", " MSG hi", "DATAS 3", "PASSED secret", "\u{1b}[2J", "BYE", " "]
    {
        ada.types(unknown);
        ada.sees("ERR unknown-command ...");
    }
    ada.types("WHO");
    ada.sees("WHO 1 ada");
}

// Lines.

#[test]
fn verbs_are_read_in_any_case() {
    transcript(
        "
        ada> join ada
        ada< OK ada 1
        bob> Join bob
        bob< OK bob 2
        ada< JOINED bob
        ada> mSg hi
        bob< MSG ada hi
        ada> who
        ada< WHO 2 ada bob
        ada> tell bob psst
        bob< TELL ada psst
        bob> leave
        bob< BYE
        ada< LEFT bob
        ",
    );
}

#[test]
fn crlf_ends_a_line_too_and_an_empty_line_is_nothing() {
    let server = TestServer::start();
    let (mut ada, mut bob) = (server.guest(), server.member("bob"));
    ada.sends(b"\r\n\nJOIN ada\r\n\n\r\nMSG hi\r\nMSG \r in\r\n\n");
    ada.sees("OK ada 2");
    bob.sees("JOINED ada");
    bob.sees("MSG ada hi");
    bob.sees("MSG ada \u{240d} in");
    ada.fence();
}

#[test]
fn a_session_is_the_same_in_one_packet_by_the_line_and_by_the_byte() {
    const TYPED: &str = "WHO\nJOIN ada\nMSG hi\n\nPING 1\nTELL bob psst\nmsg\nWHO\nNO\nLEAVE\n";
    let ways: [fn(&mut Telnet); 3] = [
        |ada| ada.sends(TYPED.as_bytes()),
        |ada| TYPED.lines().for_each(|line| ada.types(line)),
        |ada| ada.sends_one_by_one(TYPED.as_bytes()),
    ];
    for type_in in ways {
        let server = TestServer::start();
        let (mut ada, mut bob) = (server.guest(), server.member("bob"));
        type_in(&mut ada);
        for seen in ["ERR not-joined ...", "OK ada 2", "PONG 1", "ERR empty ...", "WHO 2 ada bob"] {
            ada.sees(seen);
        }
        ada.sees("ERR unknown-command ...");
        ada.sees("BYE");
        ada.sees_the_end();
        for seen in ["JOINED ada", "MSG ada hi", "TELL ada psst", "LEFT ada"] {
            bob.sees(seen);
        }
        bob.fence();
    }
}

#[test]
fn half_a_line_is_not_a_command() {
    let server = TestServer::start();
    let [mut ada, mut bob] = server.members(["ada", "bob"]);
    bob.sends(b"MSG hel");
    ada.fence();
    bob.sends(b"lo\n");
    ada.sees("MSG bob hello");
}

// Order and presence.

#[test]
fn one_who_joins_hears_all_from_then_on_without_a_gap() {
    let server = TestServer::start();
    let ada = server.member("ada");
    let heard_enough = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for thousand in (0..).step_by(1000) {
                let said = numbered("MSG", thousand..thousand + 1000);
                ada.writer().write_all(said.as_bytes()).expect("said");
                if heard_enough.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for newcomer in ["bob", "eve", "joe"] {
            let mut newcomer = server.member(newcomer);
            let first = newcomer.line();
            let first: u32 = first["MSG ada ".len()..].parse().expect("a number");
            (first + 1..first + 1000).for_each(|n| newcomer.sees(&format!("MSG ada {n}")));
        }
        heard_enough.store(true, Ordering::Relaxed);
    });
}

#[test]
fn nobody_hears_of_a_member_before_its_arrival() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for n in 0..50 {
        let mut bot = server.guest();
        bot.sends(b"JOIN bot\nMSG hi\nTELL ada psst\nLEAVE\n");
        for seen in ["JOINED bot", "MSG bot hi", "TELL bot psst", "LEFT bot"] {
            ada.sees(seen);
        }
        bot.sees("OK bot 2");
        bot.sees("BYE");
        bot.sees_the_end();
        ada.types(&format!("PING {n}"));
        ada.sees(&format!("PONG {n}"));
    }
}

#[test]
fn a_room_over_the_presence_limit_is_not_told_who_comes_and_goes() {
    let server = TestServer::with(Limits { presence_limit: 2, ..Limits::default() });
    server.plays(
        "
        ada> JOIN ada
        ada< OK ada 1
        bob> JOIN bob
        bob< OK bob 2
        ada< JOINED bob
        eve> JOIN eve
        eve< OK eve 3
        ada> WHO
        ada< WHO 3 ada bob eve
        eve> MSG here I am
        ada< MSG eve here I am
        bob< MSG eve here I am
        eve> LEAVE
        eve< BYE
        bob> LEAVE
        bob< BYE
        ada< LEFT bob
        ",
    );
}

// Going.

#[test]
fn leaving_is_answered_bye_and_nothing_after_it_is_done() {
    let server = TestServer::start();
    let [mut ada, mut bob] = server.members(["ada", "bob"]);
    bob.sends(b"MSG bye all\nLEAVE now\nMSG boo\nPING\nJOIN eve\n");
    bob.sees("BYE");
    bob.sees_the_end();
    ada.sees("MSG bob bye all");
    ada.sees("LEFT bob");
    ada.types("WHO");
    ada.sees("WHO 1 ada");
}

#[test]
fn a_guest_may_leave_and_nobody_notices() {
    transcript(
        "
        ada> JOIN ada
        ada< OK ada 1
        guest> LEAVE
        guest< BYE
        ",
    );
}

#[test]
fn what_came_before_the_end_of_a_stream_takes_effect_even_a_line_without_its_lf() {
    let server = TestServer::start();
    let (mut ada, mut bot) = (server.member("ada"), server.guest());
    bot.sends(b"JOIN bot\nMSG one\nMSG two");
    bot.ends();
    for seen in ["JOINED bot", "MSG bot one", "MSG bot two", "LEFT bot"] {
        ada.sees(seen);
    }
    ada.fence();
}

#[test]
fn one_who_ended_its_stream_still_gets_what_is_queued_and_no_bye() {
    let server = TestServer::start();
    let mut bot = server.guest();
    let pings = numbered("PING", 0..10_000);
    bot.sends(b"JOIN bot\n");
    let mut writer = bot.writer();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(pings.as_bytes()).expect("typed");
            writer.shutdown(Shutdown::Write).expect("ended");
        });
        bot.sees("OK bot 1");
        (0..10_000).for_each(|n| bot.sees(&format!("PONG {n}")));
        bot.sees_the_end();
    });
}

#[test]
fn a_broken_connection_is_lost() {
    let server = TestServer::start();
    let [mut ada, bob] = server.members(["ada", "bob"]);
    bob.breaks();
    ada.sees("LEFT bob lost");
    ada.types("WHO");
    ada.sees("WHO 1 ada");
}

#[test]
fn one_who_closes_without_having_read_all_is_lost() {
    let server = TestServer::start();
    let [mut ada, mut bob] = server.members(["ada", "bob"]);
    bob.types("PING");
    // It has come, and is not read: closing now is a reset.
    assert_eq!(bob.socket().peek(&mut [0; 1]).expect("PONG"), 1);
    drop(bob);
    ada.sees("LEFT bob lost");
    ada.fence();
}

#[test]
fn a_name_is_free_as_soon_as_the_others_know() {
    let server = TestServer::start();
    let mut ada = server.member("ada");
    for n in 0..40 {
        let mut bob = server.member("bob");
        ada.sees("JOINED bob");
        match n % 4 {
            0 => bob.types("LEAVE"),
            1 => bob.ends(),
            2 => bob.breaks(),
            _ => drop(bob),
        }
        ada.sees(if n % 4 == 2 { "LEFT bob lost" } else { "LEFT bob" });
    }
}

#[test]
fn when_the_server_stops_everybody_is_told_why() {
    let mut server = TestServer::start();
    let (mut ada, mut bob, mut guest) =
        (server.member("ada"), server.member("bob"), server.guest());
    ada.sees("JOINED bob");
    bob.types("MSG last words");
    bob.fence();
    server.stop();
    ada.sees("MSG bob last words");
    for client in [&mut ada, &mut bob, &mut guest] {
        client.sees("BYE shutdown");
        client.sees_the_end();
    }
}

// Other ways in.

#[test]
fn a_unix_socket_leads_into_the_same_room() {
    let path = SocketPath::new("room");
    let server = TestServer::on(&["127.0.0.1:0", &path.address()], Limits::default());
    let (mut ada, mut bob) = (server.member("ada"), Telnet::unix(&path.0).greeted().joined("bob"));
    ada.sees("JOINED bob");
    bob.types("MSG hi");
    ada.sees("MSG bob hi");
    ada.types("TELL bob hi yourself");
    bob.sees("TELL ada hi yourself");
    bob.ends();
    ada.sees("LEFT bob");
    bob.sees_the_end();
}

#[test]
fn ipv6_leads_into_the_same_room() {
    if !has_ipv6() {
        return;
    }
    let server = TestServer::on(&["127.0.0.1:0", "[::1]:0"], Limits::default());
    let all = server.addresses();
    let addresses: BTreeSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    let v6 = addresses.iter().find(|address| address.starts_with("[::1]:")).expect("IPv6");
    let mut ada = server.member("ada");
    Telnet::tcp(v6.parse().expect("an address")).greeted().joined("bob").types("MSG hi");
    ada.sees("JOINED bob");
    ada.sees("MSG bob hi");
}
