//! Each rule of the scripts, by itself.

use super::super::link::{COMMIT, START};
use super::server::{Reply, Server};
use std::thread;
use std::time::Duration;

/// A room, and the scripts that rule it.
struct Room {
    redis: Server,
    start: String,
    commit: String,
}

/// What a node knows of itself.
#[derive(Clone)]
struct Node {
    epoch: String,
    mark: String,
    at: String,
    read: String,
    keep: String,
    number: u64,
}

const KEYS: [&str; 7] = [
    "smoltalk:{r}:room",
    "smoltalk:{r}:names",
    "smoltalk:{r}:leases",
    "smoltalk:{r}:nodes",
    "smoltalk:{r}:seats",
    "smoltalk:{r}:applied",
    "smoltalk:{r}:log",
];
const SECRET: &str = "0123456789abcdef";

impl Room {
    fn new() -> Option<Self> {
        let redis = Server::start()?;
        let load = |script| redis.ask(&["SCRIPT", "LOAD", script]).flat();
        let (start, commit) = (load(START), load(COMMIT));
        Some(Self { redis, start, commit })
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Reply {
        let mut words = vec!["EVALSHA", script, "7"];
        words.extend(KEYS);
        words.extend(arguments);
        self.redis.try_ask(&words)
    }

    fn try_start(&self, epoch: &str, known: &str, last: &str, lost: &str) -> Vec<String> {
        let fresh = format!("mark-of-{epoch}");
        let arguments = ["1", epoch, &fresh, known, last, lost, "5000", "2000"];
        words(&self.run(&self.start, &arguments))
    }

    fn start(&self, epoch: &str) -> Node {
        let standing = self.try_start(epoch, "", "0-0", "0");
        assert_eq!(standing[0], "STARTED");
        let word = |at: usize| standing[at].clone();
        let (mark, at, read) = (word(1), word(4), word(5));
        Node { epoch: epoch.into(), mark, keep: at.clone(), at, read, number: 0 }
    }

    fn commit_as(&self, node: &Node, number: u64, items: &[&str]) -> Vec<String> {
        let number = number.to_string();
        let Node { epoch, mark, at, read, keep, .. } = node;
        let mut arguments =
            vec![mark.as_str(), epoch, &number, at, read, keep, "5000", "2000", "200"];
        for item in items {
            let (head, said) = item.split_once(" | ").unwrap_or((item, ""));
            arguments.extend([head, said]);
        }
        words(&self.run(&self.commit, &arguments))
    }

    /// Has something done, and returns what came of it.
    fn does(&self, node: &mut Node, items: &[&str]) -> String {
        let before = self.field("tail");
        node.number += 1;
        let answer = self.commit_as(node, node.number, items);
        assert_eq!(answer[0], "DONE", "{answer:?}");
        self.catch_up(node);
        self.since(&before)
    }

    fn beats(&self, node: &mut Node) -> Vec<String> {
        let answer = self.commit_as(node, 0, &[]);
        self.catch_up(node);
        answer
    }

    fn catch_up(&self, node: &mut Node) {
        (node.at, node.read) = (self.field("tail"), self.field("bytes"));
    }

    /// The entries after an id, without epochs' dots and hashes' letters: as short as can be.
    fn since(&self, id: &str) -> String {
        let Reply::List(packs) = self.redis.ask(&["XRANGE", KEYS[6], &format!("({id}"), "+"])
        else {
            panic!("no list")
        };
        let entries = packs.iter().map(|pack| {
            let fields = words(pack);
            let entries = fields.last().expect("entries").replace('\n', " ");
            entries.split_whitespace().map(shorten).collect::<Vec<_>>().join(" ")
        });
        entries.collect::<Vec<_>>().join(" / ")
    }

    fn field(&self, field: &str) -> String {
        self.redis.ask(&["HGET", KEYS[0], field]).flat()
    }

    fn set(&self, field: &str, value: &str) {
        self.redis.ask(&["HSET", KEYS[0], field, value]);
    }

    /// Lets room time pass, as if a script had been run now and then.
    fn pass(&self, millis: i64) {
        self.redis.ask(&["HINCRBY", KEYS[0], "clock", &millis.to_string()]);
    }
}

fn words(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::List(list) => list
            .iter()
            .flat_map(|reply| match reply {
                Reply::List(_) => words(reply),
                other => vec![other.flat()],
            })
            .collect(),
        other => vec![other.flat()],
    }
}

fn shorten(word: &str) -> String {
    let is_hash = word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hash { "#".into() } else { word.into() }
}

#[test]
fn nobody_waits_for_a_node_that_has_not_started_yet() {
    let Some(room) = Room::new() else { return };
    let (mut a, b) = (room.start("a"), room.start("b"));
    assert_eq!(room.commit_as(&Node { read: "-".into(), ..b.clone() }, 0, &[])[..2], ["DONE", "0"]);
    room.does(&mut a, &["J 1 ada -", "M 1 ada | hi"]);
    assert_eq!(room.beats(&mut a)[..2], ["DONE", "0"]);
    // From its first word on, what it has not read counts.
    let behind = &room.commit_as(&b, 0, &[])[1];
    assert_ne!(behind, "0");
    assert_eq!(room.beats(&mut a)[1], *behind);
}

#[test]
fn the_first_to_ask_for_a_name_gets_it() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    assert_eq!(room.does(&mut a, &["J 1 Ada -"]), "J a.1 Ada - 0");
    assert_eq!(room.does(&mut b, &["J 1 aDA -", "J 2 bob -"]), "N b.1 aDA - J 0 J b.2 bob - 0");
    assert_eq!(room.does(&mut a, &["L 1 ada -"]), "L a.1 Ada - - 0");
    assert_eq!(room.does(&mut b, &["J 3 ADA -"]), "J b.3 ADA - 0");
}

#[test]
fn only_who_holds_a_name_speaks_under_it() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    room.does(&mut a, &["J 1 ada -", &format!("J 2 bob {SECRET}")]);
    let all = ["M 1 ada | hi  you", "D 2 BOB | \u{1}", "T 1 ada Bob | psst", "T 1 ada eve | psst"];
    assert_eq!(
        room.does(&mut a, &all),
        "M a.1 ada - 7 hi you D a.2 bob # 1 \u{1} T a.1 ada - a.2 bob # 4 psst N a.1 ada - T 0"
    );
    let foreign = ["M 1 ada | hi", "T 2 bob ada | hi", "L 1 ada lost", "M 9 eve | hi"];
    assert_eq!(
        room.does(&mut b, &foreign),
        "N b.1 ada - M 0 N b.2 bob - T 0 N b.1 ada - L 0 N b.9 eve - M 0"
    );
}

#[test]
fn an_operator_needs_no_name_and_whom_he_kicks_is_named_with_its_node() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    room.does(&mut a, &["J 1 Ada -"]);
    assert_eq!(room.does(&mut b, &["O 0 - | back  soon"]), "O b.0 - - 10 back soon");
    assert_eq!(
        room.does(&mut b, &["X 0 aDA | go", "X 0 eve | go"]),
        "X b.0 aDA - a.1 Ada - 2 go N b.0 eve - X 0"
    );
    // It is in until its own node has seen to it.
    assert_eq!(room.does(&mut a, &["L 1 ada kicked"]), "L a.1 Ada - kicked 0");
}

#[test]
fn a_name_is_taken_over_by_its_secret_alone() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    room.does(&mut a, &[&format!("J 1 Ada {SECRET}"), "J 2 bob -"]);
    assert_eq!(room.does(&mut b, &["J 1 ada 0123456789abcdeX"]), "N b.1 ada - J 0");
    assert_eq!(
        room.does(&mut b, &[&format!("J 2 bob {SECRET}"), "J 3 bob -"]),
        "N b.2 bob - J 0 N b.3 bob - J 0"
    );
    // It stays as it was first typed; what the old connection says after that is refused.
    assert_eq!(room.does(&mut b, &[&format!("J 4 ADA {SECRET}")]), "K b.4 Ada # a.1 0");
    assert_eq!(
        room.does(&mut a, &["M 1 ada | late", "L 1 ada lost"]),
        "N a.1 ada - M 0 N a.1 ada - L 0"
    );
    assert_eq!(room.does(&mut b, &["M 4 ada | here"]), "M b.4 Ada # 4 here");
    assert_eq!(room.redis.ask(&["ZRANGE", KEYS[4], "0", "-1"]).flat(), "a.2 bob b.4 ada");
}

#[test]
fn a_batch_is_done_once_whatever_comes_twice_or_late() {
    let Some(room) = Room::new() else { return };
    let mut a = room.start("a");
    room.does(&mut a, &["J 1 ada -"]);
    assert_eq!(room.commit_as(&a, 2, &["M 1 ada | two"])[0], "DONE");
    let tail = room.field("tail");
    assert_eq!(room.commit_as(&a, 2, &["M 1 ada | two"]), ["PASSED"]);
    assert_eq!(room.commit_as(&a, 1, &["J 1 ada -"]), ["PASSED"]);
    assert_eq!(room.commit_as(&a, 4, &["M 1 ada | four"])[0], "LOST");
    assert_eq!(room.field("tail"), tail);
}

#[test]
fn what_is_not_as_it_was_read_is_lost() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    room.does(&mut a, &["J 1 ada -"]);
    let tail = room.field("tail");
    // Somebody has read what is not there (an older copy), and another has appended since.
    a.at = format!("{}0-0", tail.split('-').next().expect("ms"));
    assert_eq!(room.commit_as(&a, 0, &[])[0], "LOST");
    assert_eq!(room.beats(&mut b)[0], "DONE");
    b.mark = "another".into();
    assert_eq!(room.commit_as(&b, 0, &[])[0], "LOST");
    room.catch_up(&mut a);
    room.redis.ask(&["DEL", KEYS[6]]);
    assert_eq!(room.commit_as(&a, 0, &[])[0], "LOST");
    room.redis.ask(&["FLUSHALL"]);
    assert_eq!(room.commit_as(&a, 0, &[])[0], "LOST");
}

#[test]
fn a_lost_log_begins_anew_once_and_behind_all_that_was_read() {
    let Some(room) = Room::new() else { return };
    let mut a = room.start("a");
    room.does(&mut a, &["J 1 ada -"]);
    let (b, old) = (room.start("b"), a.mark.clone());
    let future = "99999999999999-7";
    let anew = room.try_start("a2", &old, future, "1");
    assert_eq!(anew[..3], ["STARTED", "mark-of-a2", "99999999999999-8"]);
    assert_eq!(room.redis.ask(&["HGETALL", KEYS[1]]).flat(), "");
    // Asked again, or by another who has lost the same: nothing more is lost.
    assert_eq!(room.try_start("a2", &old, future, "1"), anew);
    assert_eq!(room.try_start("b2", &old, &b.at, "1")[1], "mark-of-a2");
    assert_eq!(room.commit_as(&b, 0, &[])[0], "LOST");
    // But not where the new one does not lie behind what this node has read.
    let anew = room.try_start("c", &old, "99999999999999-9", "1");
    assert_eq!(anew[1..3], ["mark-of-c", "99999999999999-10"]);
    assert!(room.since(future).ends_with(" / B mark-of-c 0"), "{}", room.since(future));
}

#[test]
fn who_comes_back_to_an_older_copy_says_so() {
    let Some(room) = Room::new() else { return };
    let mut a = room.start("a");
    room.does(&mut a, &["J 1 ada -"]);
    assert_eq!(room.try_start("a2", &a.mark, &a.at, "0")[1], "mark-of-a");
    let (ms, _) = a.at.split_once('-').expect("an id");
    let unknown = format!("{ms}-99");
    assert_eq!(room.try_start("a3", &a.mark, "1-1", "0")[1], "mark-of-a");
    assert_eq!(room.try_start("a4", &a.mark, &unknown, "0")[1], "mark-of-a4");
}

#[test]
fn ids_rise_also_where_the_clock_is_behind_and_packs_name_the_one_before() {
    let Some(room) = Room::new() else { return };
    let mut a = room.start("a");
    // As if the log had come from a Redis whose clock was ahead.
    let ahead = "99999999999999-3";
    room.redis.ask(&["XADD", KEYS[6], ahead, "p", &a.at, "b", "0", "n", "1", "e", "X 0\n\n"]);
    room.set("tail", ahead);
    a.at = ahead.into();
    room.does(&mut a, &["J 1 ada -", "J 2 bob -"]);
    assert_eq!(room.field("tail"), "99999999999999-5");
    room.does(&mut a, &["L 1 ada -"]);
    let last = words(&room.redis.ask(&["XREVRANGE", KEYS[6], "+", "-", "COUNT", "1"]));
    assert_eq!(last[..3], ["99999999999999-6", "p", "99999999999999-5"]);
    assert_eq!(last[5..7], ["n", "1"]);
}

#[test]
fn who_is_silent_for_a_lease_is_taken_out_and_fenced() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    room.does(&mut a, &["J 1 ada -", &format!("J 2 bob {SECRET}")]);
    room.does(&mut b, &["J 1 eve -"]);
    room.pass(4000);
    assert_eq!(room.does(&mut b, &["M 1 eve | still"]), "M b.1 eve - 5 still");
    room.pass(1001);
    assert_eq!(
        room.does(&mut b, &["M 1 eve | gone"]),
        "L a.1 ada - lost 0 L a.2 bob # lost 0 M b.1 eve - 4 gone"
    );
    assert_eq!(room.commit_as(&a, 2, &["M 1 ada | hm"])[0], "FENCED");
    assert_eq!(room.redis.ask(&["ZRANGE", KEYS[2], "0", "-1"]).flat(), "b");
    assert_eq!(room.redis.ask(&["ZRANGE", KEYS[5], "0", "-1"]).flat(), "b");
}

#[test]
fn who_resumes_from_a_node_that_is_silent_is_never_missed() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    room.does(&mut a, &["J 1 ada -", &format!("J 2 bob {SECRET}")]);
    room.pass(4000);
    assert_eq!(room.does(&mut b, &[&format!("J 1 bob {SECRET}")]), "K b.1 bob # a.2 0");
    room.pass(1001);
    assert_eq!(room.beats(&mut b)[0], "DONE");
    assert_eq!(room.redis.ask(&["HKEYS", KEYS[1]]).flat(), "bob");
}

#[test]
fn dead_names_go_a_few_at_a_time_and_are_free_at_once() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    let joins: Vec<String> = (0..450).map(|n| format!("J {n} name{n} -")).collect();
    room.does(&mut a, &joins.iter().map(String::as_str).collect::<Vec<_>>());
    room.pass(5001);
    let left = || room.redis.ask(&["HLEN", KEYS[1]]).flat();
    assert_eq!((room.beats(&mut b)[2].as_str(), left().as_str()), ("1", "250"));
    assert_eq!(room.commit_as(&a, 0, &[])[0], "FENCED");
    // A run takes out 200 first, and then whom it is asked about.
    let came = room.does(&mut room.start("c"), &["J 1 name99 -"]);
    assert!(came.ends_with(" L a.99 name99 - lost 0 J c.1 name99 - 0"), "{came}");
    assert_eq!(left(), "50");
    assert_eq!((room.beats(&mut b)[2].as_str(), left().as_str()), ("0", "1"));
}

#[test]
fn room_time_stands_still_while_nobody_looks_and_never_goes_back() {
    let Some(room) = Room::new() else { return };
    let mut a = room.start("a");
    let clock = || room.field("clock").parse::<i64>().expect("a number");
    let seen = || room.field("seen").parse::<i64>().expect("a number");
    let before = clock();
    // Redis was away for an hour: that is two seconds.
    room.set("seen", &(seen() - 3_600_000).to_string());
    room.beats(&mut a);
    assert!((2000..2100).contains(&(clock() - before)), "{}", clock() - before);
    let before = clock();
    // Its clock went back by an hour: no time passes.
    room.set("seen", &(seen() + 3_600_000).to_string());
    room.beats(&mut a);
    assert_eq!(clock(), before);
    thread::sleep(Duration::from_millis(50));
    room.beats(&mut a);
    assert!((50..1000).contains(&(clock() - before)), "{}", clock() - before);
}

#[test]
fn the_log_is_trimmed_to_the_oldest_that_is_wanted() {
    let Some(room) = Room::new() else { return };
    let (mut a, mut b) = (room.start("a"), room.start("b"));
    room.does(&mut a, &["J 1 ada -"]);
    b.keep = room.field("tail");
    for n in 0..10 {
        room.does(&mut a, &[&format!("M 1 ada | {n}")]);
    }
    a.keep = room.field("tail");
    room.beats(&mut a);
    room.catch_up(&mut b);
    room.beats(&mut b);
    assert_eq!(room.redis.ask(&["XLEN", KEYS[6]]).flat(), "11");
    assert_eq!(room.field("floor"), b.keep);
    b.keep = room.field("tail");
    let slept = Node { at: room.since_first(), ..b.clone() };
    room.beats(&mut b);
    assert_eq!(room.redis.ask(&["XLEN", KEYS[6]]).flat(), "1");
    // Who slept past that is fenced, and does not take the log for lost.
    assert_eq!(room.commit_as(&slept, 0, &[])[0], "FENCED");
    // A dead node wants nothing.
    room.does(&mut a, &["M 1 ada | more"]);
    a.keep = room.field("tail");
    room.beats(&mut a);
    assert_eq!(room.redis.ask(&["XLEN", KEYS[6]]).flat(), "2");
    room.pass(4000);
    room.beats(&mut a);
    room.pass(1001);
    room.beats(&mut a);
    assert_eq!(room.redis.ask(&["XLEN", KEYS[6]]).flat(), "1");
}

impl Room {
    /// The id of the oldest pack that is there.
    fn since_first(&self) -> String {
        words(&self.redis.ask(&["XRANGE", KEYS[6], "-", "+", "COUNT", "1"]))[0].clone()
    }
}

#[test]
fn a_commit_says_how_far_the_slowest_node_is_behind() {
    let Some(room) = Room::new() else { return };
    let (mut a, b) = (room.start("a"), room.start("b"));
    room.commit_as(&b, 0, &[]);
    room.does(&mut a, &["J 1 ada -"]);
    let text = "x".repeat(10_000);
    room.does(&mut a, &[&format!("M 1 ada | {text}")]);
    let behind: usize = room.beats(&mut a)[1].parse().expect("a number");
    assert!((10_000..10_200).contains(&behind), "{behind}");
    room.catch_up(&mut b.clone());
    // A late copy of what it said before does not throw it back.
    let mut caught_up = b.clone();
    room.beats(&mut caught_up);
    room.beats(&mut caught_up);
    assert_eq!(room.commit_as(&b, 0, &[])[1], "0");
}

#[test]
fn a_redis_that_is_full_leaves_nothing_half_done() {
    let Some(room) = Room::new() else { return };
    let mut a = room.start("a");
    room.does(&mut a, &["J 1 ada -"]);
    let before = room.field("tail");
    room.redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let answer = room.commit_as(&a, 2, &["M 1 ada | hi", "L 1 ada -"]);
    assert!(answer[0].contains("OOM"), "{answer:?}");
    let answer = room.try_start("b", &a.mark, "0-0", "1");
    assert!(answer[0].contains("OOM"), "{answer:?}");
    room.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!((room.field("tail"), room.field("mark")), (before, a.mark.clone()));
    assert_eq!(room.does(&mut a, &["L 1 ada -"]), "L a.1 ada - - 0");
}

#[test]
fn a_room_of_another_format_is_not_touched() {
    let Some(room) = Room::new() else { return };
    room.set("format", "2");
    assert_eq!(room.try_start("a", "", "0-0", "0"), ["FORMAT", "2"]);
    assert_eq!(room.redis.ask(&["KEYS", "*"]).flat(), KEYS[0]);
}
