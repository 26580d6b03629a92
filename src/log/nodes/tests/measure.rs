//! How fast it is. Not a test of anything: run with `--release`, `--ignored` and `--nocapture`.

use super::super::{Deed, Entry, Event, Item, Node, Pack};
use super::server::Server;
use super::stay::{Rig, name};
use crate::limits::Limits;
use async_channel::Receiver;
use smol::future;
use std::thread;
use std::time::{Duration, Instant};

const TEXT: [u8; 40] = [b'x'; 40];
const TIME: Duration = Duration::from_secs(3);

/// A member of one node, on the thread of its engine as in a server.
struct Talker {
    node: Node,
    events: Receiver<Event>,
    name: String,
    /// Whether it has come.
    is_in: bool,
    /// How many of its lines have come back.
    back: u64,
}

impl Talker {
    /// Says so many lines together and waits for the last of them to come back, for a while. Returns how
    /// many it said, and the times of the rounds in order.
    async fn talk(mut self, window: u64) -> (u64, Vec<Duration>) {
        let Ok(Event::Started(started)) = self.events.recv().await else { panic!("no start") };
        let item = |deed| Item { serial: 1, name: name(&self.name), deed };
        let (join, line) = (item(Deed::Join(None)), item(Deed::Msg(&TEXT)));
        self.node.submit(started.epoch, &join);
        self.node.send();
        while !self.is_in {
            self.hears().await;
        }
        let (began, mut said, mut rounds) = (Instant::now(), 0, Vec::new());
        while began.elapsed() < TIME {
            let round = Instant::now();
            for _ in 0..window {
                self.node.submit(started.epoch, &line);
            }
            self.node.send();
            said += window;
            while self.back < said {
                self.hears().await;
            }
            rounds.push(round.elapsed());
        }
        rounds.sort();
        (said, rounds)
    }

    async fn hears(&mut self) {
        let Ok(Event::Entries(packs)) = self.events.recv().await else { return };
        for (_, entry) in packs.iter().flat_map(Pack::entries) {
            match entry {
                Entry::Joined(by) => self.is_in |= by.name == name(&self.name),
                Entry::Msg(by, _) => self.back += u64::from(by.name == name(&self.name)),
                _ => {}
            }
        }
    }
}

fn start(port: u16, n: u64, window: u64) -> thread::JoinHandle<(u64, Vec<Duration>)> {
    let url = format!("redis://127.0.0.1:{port}/");
    let (node, events, engine) =
        Node::open(&url, name("speed"), &Limits::default()).expect("a node");
    let talker = Talker { node, events, name: format!("member{n}"), is_in: false, back: 0 };
    let never = async {
        engine.await;
        panic!("the engine ends")
    };
    thread::spawn(move || smol::block_on(future::or(talker.talk(window), never)))
}

#[test]
#[ignore = "it measures"]
fn entries_a_second() {
    let Some(redis) = Server::start() else { return };
    redis.ask(&["CONFIG", "SET", "appendonly", "no"]);
    for nodes in [1, 2, 3] {
        for window in [1, 16, 256, 1024] {
            redis.ask(&["FLUSHALL"]);
            let talkers: Vec<_> = (0..nodes).map(|n| start(redis.port, n, window)).collect();
            let talked = talkers.into_iter().map(|talker| talker.join().expect("it ran"));
            let talked: Vec<_> = talked.collect();
            let said: u64 = talked.iter().map(|(said, _)| said).sum();
            let rounds = &talked[0].1;
            println!(
                "{nodes} nodes, window {window}: {} entries/s, round p50 {:?}, p99 {:?}",
                said / TIME.as_secs(),
                rounds[rounds.len() / 2],
                rounds[rounds.len() * 99 / 100],
            );
        }
    }
}

#[test]
#[ignore = "it measures"]
fn a_large_room() {
    const NAMES: u64 = 300_000;
    let Some(redis) = Server::start() else { return };
    redis.ask(&["CONFIG", "SET", "appendonly", "no"]);
    let began = Instant::now();
    let large = Rig::start(&redis);
    let epoch = large.starts().epoch;
    for serial in 0..NAMES {
        let own = name(&format!("name{serial}"));
        large.node.submit(epoch, &Item { serial, name: own, deed: Deed::Join(None) });
        large.node.send();
        while large.node.is_full() {
            large.hears();
        }
    }

    while redis_names(&redis) < NAMES {
        let _ = large.events.try_recv();
    }
    println!("{NAMES} come in {:?}", began.elapsed());
    let began = Instant::now();
    let second = Rig::start(&redis);
    let members = second.starts().members.len();
    println!("another node starts, with {members} members, in {:?}", began.elapsed());
    drop(large);
    let began = Instant::now();
    while redis_names(&redis) > 0 {
        let _ = second.events.try_recv();
    }
    println!("all of a dead node are taken out in {:?}", began.elapsed());
}

fn redis_names(redis: &Server) -> u64 {
    redis.ask(&["HLEN", "smoltalk:{stay}:names"]).flat().parse().expect("a number")
}
