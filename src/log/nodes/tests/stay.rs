//! What an engine does when something is the matter with Redis, one thing at a time.

use super::super::{Deed, Entry, Epoch, Event, Item, Node, Pack, Refused, Started};
use super::Dice;
use super::server::Server;
use crate::limits::{self, Limits};
use crate::protocol::{Name, Secret};
use async_channel::Receiver;
use smol::{Timer, future};
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// A node on a thread of its own, and what it tells.
pub struct Rig {
    pub node: Node,
    pub events: Receiver<Event>,
}

pub fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
}

impl Rig {
    pub fn start(redis: &Server) -> Self {
        Self::with(redis, &Limits::default())
    }

    pub fn with(redis: &Server, limits: &Limits) -> Self {
        let url = format!("redis://127.0.0.1:{}/", redis.port);
        let (node, events, engine) = Node::open(&url, name("Stay"), limits).expect("a node");
        thread::spawn(|| smol::block_on(engine));
        Self { node, events }
    }

    pub fn hears(&self) -> Event {
        let late = async { Timer::after(Duration::from_secs(20)).await.elapsed().is_zero() };
        let event = async { self.events.recv().await.expect("the engine runs") };
        smol::block_on(future::or(event, async { panic!("nothing is heard: {}", late.await) }))
    }

    pub fn starts(&self) -> Started {
        match self.hears() {
            Event::Started(started) => *started,
            other => panic!("{other:?}"),
        }
    }

    /// The next entries, as text.
    fn sees(&self) -> String {
        loop {
            match self.hears() {
                Event::Entries(packs) => {
                    let entries =
                        packs.iter().flat_map(Pack::entries).map(|(_, entry)| short(&entry));
                    return entries.collect::<Vec<_>>().join(", ");
                }
                Event::Behind(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn goes_away(&self) -> String {
        match self.hears() {
            Event::Away(why) => why,
            other => panic!("{other:?}"),
        }
    }

    fn is_back(&self) {
        // On its way there may be other reasons.
        loop {
            match self.hears() {
                Event::Back => return,
                Event::Away(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn does(&self, epoch: Epoch, serial: u64, own: &str, deed: Deed<'_>) {
        self.node.submit(epoch, &Item { serial, name: name(own), deed });
        self.node.send();
    }
}

/// Two nodes, and that ada is at the first: how that one stood before.
fn with_ada(redis: &Server) -> (Rig, Started, Rig) {
    let (a, b) = (Rig::start(redis), Rig::start(redis));
    let (at_a, _) = (a.starts(), b.starts());
    a.does(at_a.epoch, 1, "ada", Deed::Join(None));
    a.sees();
    b.sees();
    (a, at_a, b)
}

fn short(entry: &Entry<'_>) -> String {
    let text = |said: &[u8]| String::from_utf8_lossy(said).into_owned();
    match entry {
        Entry::Begun => "begun".into(),
        Entry::Joined(by) => format!("{} joined", by.name),
        Entry::Taken(by, _) => format!("{} taken", by.name),
        Entry::No(_, name, refused) => format!("{name}: no {refused:?}"),
        Entry::Msg(by, said) | Entry::Data(by, said) => format!("{}: {}", by.name, text(said)),
        Entry::Tell(by, to, said) => format!("{} to {}: {}", by.name, to.name, text(said)),
        Entry::Note(_, said) => format!("note: {}", text(said)),
        Entry::Kicked(_, party, why) => format!("{} kicked: {}", party.name, text(why)),
        Entry::Left(by, reason) => format!("{} left {reason}", by.name),
    }
}

#[test]
fn what_one_node_submits_comes_back_at_all() {
    let Some(redis) = Server::start() else { return };
    let (a, b) = (Rig::start(&redis), Rig::start(&redis));
    let (at_a, at_b) = (a.starts(), b.starts());
    let secret = Secret::new(b"0123456789abcdef");
    a.does(at_a.epoch, 1, "Ada", Deed::Join(secret));
    assert_eq!((a.sees(), b.sees()), ("Ada joined".into(), "Ada joined".into()));
    b.does(at_b.epoch, 1, "ada", Deed::Join(None));
    assert_eq!((a.sees(), b.sees()), ("ada: no Join".into(), "ada: no Join".into()));
    a.does(at_a.epoch, 1, "ada", Deed::Data(b"\0\n"));
    assert_eq!((a.sees(), b.sees()), ("Ada: \0\n".into(), "Ada: \0\n".into()));
    // One that comes later stands on the same.
    let c = Rig::start(&redis);
    let at_c = c.starts();
    assert_eq!(at_c.members.len(), 1);
    assert_eq!(at_c.members[0].name.as_str(), "Ada");
    let history = at_c.history.iter().flat_map(Pack::entries);
    let history: Vec<_> = history.map(|(_, entry)| short(&entry)).collect();
    assert_eq!(history, ["begun", "Ada joined", "ada: no Join", "Ada: \0\n"]);
    // What belongs to another epoch is nobody's.
    c.does(at_a.epoch, 1, "ada", Deed::Left(None));
    c.does(at_c.epoch, 7, "ada", Deed::Join(secret));
    assert_eq!(c.sees(), "Ada taken");
}

#[test]
fn a_log_that_is_emptied_is_lost_for_all_and_begins_anew() {
    let Some(redis) = Server::start() else { return };
    let (a, at_a, b) = with_ada(&redis);
    redis.ask(&["FLUSHALL"]);
    for rig in [&a, &b] {
        assert!(matches!(rig.hears(), Event::Lost));
        let anew = rig.starts();
        assert!(anew.members.is_empty() && anew.floor > at_a.at && anew.epoch != at_a.epoch);
    }
}

/// After all that has been told before, and that it was away.
fn loses(rig: &Rig) -> Started {
    loop {
        match rig.hears() {
            Event::Lost => return rig.starts(),
            Event::Entries(_) | Event::Away(_) | Event::Back => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_log_that_is_an_older_copy_is_lost_for_all_also_for_who_only_reads() {
    let Some(mut redis) = Server::start() else { return };
    let (a, at_a, b) = with_ada(&redis);
    redis.copy();
    a.does(at_a.epoch, 1, "ada", Deed::Msg(b"lost"));
    a.sees();
    b.sees();
    redis.go_back();
    let (anew, also) = (loses(&a), loses(&b));
    assert!(anew.members.is_empty() && also.members.is_empty());
    assert_eq!(anew.floor, also.floor);
    a.does(anew.epoch, 1, "ada", Deed::Join(None));
    assert_eq!((a.sees(), b.sees()), ("ada joined".into(), "ada joined".into()));
}

#[test]
fn a_log_with_a_hole_is_lost_though_the_script_cannot_see_it() {
    let Some(redis) = Server::start() else { return };
    let (a, b) = (Rig::start(&redis), Rig::start(&redis));
    let (at, _) = (a.starts().at, b.starts());
    let (id, p) = (at.next(at.ms() + 1).to_string(), at.next(0).to_string());
    let fields = ["p", &p, "b", "1", "n", "1", "e", "X 0\n\n"];
    redis.ask(&[&["XADD", "smoltalk:{stay}:log", &id], &fields[..]].concat());
    assert_eq!(loses(&a).floor, loses(&b).floor);
}

#[test]
fn a_node_that_was_given_up_starts_again_as_another() {
    let Some(redis) = Server::start() else { return };
    let (a, at_a, b) = with_ada(&redis);
    // As if others had found its lease run out.
    redis.ask(&["ZADD", "smoltalk:{stay}:leases", "0", at_a.epoch.as_str()]);
    redis.ask(&["HDEL", "smoltalk:{stay}:nodes", at_a.epoch.as_str()]);
    assert_eq!(b.sees(), "ada left lost");
    // It may have read that, too.
    let fenced = loop {
        match a.hears() {
            Event::Entries(_) => {}
            other => break other,
        }
    };
    assert!(matches!(fenced, Event::Fenced), "{fenced:?}");
    let again = a.starts();
    // Its name may still be there, and is free.
    assert!(again.epoch != at_a.epoch && again.floor == at_a.floor);
    a.does(again.epoch, 1, "ada", Deed::Join(None));
    while !b.sees().contains("ada joined") {}
}

#[test]
fn a_redis_in_trouble_is_away_and_nothing_is_lost_by_it() {
    let Some(redis) = Server::start() else { return };
    let a = Rig::start(&redis);
    let epoch = a.starts().epoch;
    a.does(epoch, 1, "ada", Deed::Join(None));
    a.sees();
    let mut said = 0;
    let mut trouble = |begin: &[&[&str]], why: &str, end: &[&str]| {
        for words in begin {
            redis.try_ask(words);
        }
        said += 1;
        let text = said.to_string();
        a.does(epoch, 1, "ada", Deed::Msg(text.as_bytes()));
        let said_why = a.goes_away();
        // Its reader may be the first to notice that it has become a replica.
        let is_replica = why.contains("READONLY") && said_why.contains("UNBLOCKED");
        assert!(said_why == why || is_replica, "{said_why}");
        redis.try_ask(end);
        a.is_back();
        assert_eq!(a.sees(), format!("ada: {said}"));
    };
    let set = |of, to| ["CONFIG", "SET", of, to];
    trouble(&[&set("maxmemory", "1")], "Redis is full (OOM)", &set("maxmemory", "0"));
    trouble(&[&["SCRIPT", "FLUSH"]], "Redis has forgotten the script (NOSCRIPT)", &["PING"]);
    trouble(
        &[&set("min-replicas-to-write", "1")],
        "Redis has too few replicas (NOREPLICAS)",
        &set("min-replicas-to-write", "0"),
    );
    trouble(
        &[&["REPLICAOF", "127.0.0.1", "1"]],
        "Redis is read-only (READONLY)",
        &["REPLICAOF", "NO", "ONE"],
    );
}

#[test]
fn a_reader_that_is_sent_away_by_redis_comes_back() {
    let Some(redis) = Server::start() else { return };
    let a = Rig::start(&redis);
    let epoch = a.starts().epoch;
    a.does(epoch, 1, "ada", Deed::Join(None));
    a.sees();
    for client in
        redis.ask(&["CLIENT", "LIST"]).flat().lines().filter(|line| line.contains("cmd=xread"))
    {
        let id = client.split(' ').next().and_then(|id| id.strip_prefix("id=")).expect("an id");
        redis.ask(&["CLIENT", "UNBLOCK", id, "ERROR"]);
    }
    assert_eq!(a.goes_away(), "Redis has become a replica (UNBLOCKED)");
    a.is_back();
    a.does(epoch, 1, "ada", Deed::Msg(b"hi"));
    assert_eq!(a.sees(), "ada: hi");
}

#[test]
fn what_cannot_keep_a_room_is_said_and_is_the_end() {
    let Some(redis) = Server::start() else { return };
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let a = Rig::start(&redis);
    let Event::Unfit(why) = a.hears() else { panic!("it is taken") };
    assert!(why.contains("maxmemory-policy is allkeys-lru, and has to be noeviction"), "{why}");
    assert!(smol::block_on(a.events.recv()).is_err());
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.ask(&["HSET", "smoltalk:{stay}:room", "format", "2"]);
    let Event::Unfit(why) = Rig::start(&redis).hears() else { panic!("it is taken") };
    assert!(why.contains("format 2, and this version knows 1"), "{why}");
    let (url, limits) = ("http://127.0.0.1/", Limits::default());
    assert!(Node::open(url, name("x"), &limits).is_err());
}

#[test]
fn a_redis_that_asks_for_a_password_says_so() {
    let Some(redis) = Server::start() else { return };
    redis.ask(&["CONFIG", "SET", "requirepass", "sesame"]);
    let a = Rig::start(&redis);
    assert_eq!(a.goes_away(), "Redis asks for a password (NOAUTH)");
    let url = format!("redis://:sesame@127.0.0.1:{}/", redis.port);
    let (_, events, engine) = Node::open(&url, name("Stay"), &Limits::default()).expect("a node");
    let _task = smol::spawn(engine);
    assert!(matches!(smol::block_on(events.recv()), Ok(Event::Started(_))));
}

#[test]
fn a_redis_is_reached_through_a_unix_socket_too() {
    let Some(redis) = Server::start() else { return };
    let (_, events, engine) =
        Node::open(&redis.unix_url(), name("Stay"), &Limits::default()).expect("a node");
    let _task = smol::spawn(engine);
    assert!(matches!(smol::block_on(events.recv()), Ok(Event::Started(_))));
}

#[test]
fn who_starts_while_others_come_and_go_knows_who_is_in() {
    let Some(redis) = Server::start() else { return };
    let limits = Limits { history: 10_000_000, history_bytes: usize::MAX, ..Limits::default() };
    let a = Rig::with(&redis, &limits);
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let churn = thread::spawn(move || {
        let (epoch, mut dice) = (a.starts().epoch, Dice::new());
        while !stopped.is_closed() {
            for _ in 0..100 {
                // Each name has its own member, who comes and goes.
                let serial = dice.below(5000);
                let deed = if dice.below(2) == 0 { Deed::Join(None) } else { Deed::Left(None) };
                a.does(epoch, serial, &format!("name{serial}"), deed);
            }
            while a.node.is_full() || !a.events.is_empty() {
                a.hears();
            }
        }
    });
    for _ in 0..8 {
        let b = Rig::with(&redis, &limits).starts();
        let mut folded = BTreeMap::new();
        for (_, entry) in b.history.iter().flat_map(Pack::entries) {
            match entry {
                Entry::Joined(by) => drop(folded.insert(by.name, by.holder.serial)),
                Entry::Left(by, _) => drop(folded.remove(&by.name)),
                _ => {}
            }
        }
        let read = b.members.iter().map(|party| (party.name, party.holder.serial));
        assert_eq!(read.collect::<BTreeMap<_, _>>(), folded);
    }
    drop(stop);
    churn.join().expect("it ran");
}

#[test]
fn what_gathers_is_told_and_the_slow_are_waited_for() {
    let Some(redis) = Server::start() else { return };
    let (a, b) = (Rig::start(&redis), Rig::start(&redis));
    let epoch = a.starts().epoch;
    b.starts();
    a.does(epoch, 1, "ada", Deed::Join(None));
    a.sees();
    b.sees();
    let text = vec![b'x'; 60_000];
    // Nobody takes anything from b.
    while !a.node.is_held() {
        a.does(epoch, 1, "ada", Deed::Data(&text));
        if a.node.is_full() {
            drop(a.hears());
        }
    }
    assert!(a.node.behind() > limits::BEHIND);
    while a.node.is_held() {
        for rig in [&a, &b] {
            thread::sleep(Duration::from_millis(20));
            if let Ok(Event::Behind(behind)) = rig.events.try_recv() {
                println!("{behind} bytes behind");
            }
        }
    }
}

#[test]
fn of_two_who_ask_for_a_name_at_once_one_gets_it() {
    const NAMES: u64 = 10_000;
    let Some(redis) = Server::start() else { return };
    let race = |rig: Rig| {
        thread::spawn(move || {
            let epoch = rig.starts().epoch;
            // Both begin when both are there.
            let (mut got, mut refused, mut asked) = (Vec::new(), Vec::new(), 0);
            while got.len() + refused.len() < usize::try_from(NAMES).expect("small") {
                while asked < NAMES
                    && !rig.node.is_full()
                    && asked < (got.len() + refused.len()) as u64 + 500
                {
                    rig.does(epoch, asked, &format!("name{asked}"), Deed::Join(None));
                    asked += 1;
                }
                let Event::Entries(packs) = rig.hears() else { continue };
                for (_, entry) in packs.iter().flat_map(Pack::entries) {
                    match entry {
                        Entry::Joined(by) if by.holder.epoch == epoch => got.push(by.holder.serial),
                        Entry::No(by, _, Refused::Join) if by.epoch == epoch => {
                            refused.push(by.serial);
                        }
                        _ => {}
                    }
                }
            }
            (got, refused)
        })
    };
    let racers = [race(Rig::start(&redis)), race(Rig::start(&redis))];
    let [a, b] = racers.map(|racer| racer.join().expect("it ran"));
    assert_eq!((a.0.len() + b.0.len()) as u64, NAMES);
    assert_eq!((&a.0, &b.0), (&b.1, &a.1), "who did not get it was refused");
    println!("{} and {}", a.0.len(), b.0.len());
}
