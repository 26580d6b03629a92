//! How fast it is. Not a test of anything: run with `--release`, `--ignored` and `--nocapture`.

use super::super::{Deed, Entry, Event, Item, Pack};
use super::server::Server;
use super::stay::{Rig, name};
use crate::limits::Limits;
use std::thread;
use std::time::{Duration, Instant};

const TEXT: [u8; 40] = [b'x'; 40];
const TIME: Duration = Duration::from_secs(3);

/// Members of one node that say so many lines together and wait for the last of these to come back.
/// Returns how many they said, and the times of the rounds in order.
fn talk(rig: &Rig, member: &str, window: u64) -> (u64, Vec<Duration>) {
    let epoch = rig.starts().epoch;
    let (mut said, mut back, mut rounds) = (0, 0, Vec::new());
    let does = |deed| rig.node.submit(epoch, &Item { serial: 1, name: name(member), deed });
    does(Deed::Join(None));
    while !own(rig, member).0 {}
    let began = Instant::now();
    while began.elapsed() < TIME {
        let round = Instant::now();
        for _ in 0..window {
            does(Deed::Msg(&TEXT));
        }
        said += window;
        while back < said {
            back += own(rig, member).1;
        }
        rounds.push(round.elapsed());
    }
    rounds.sort();
    (said, rounds)
}

/// Of what comes next: whether this member has come, and how many lines it has said.
fn own(rig: &Rig, member: &str) -> (bool, u64) {
    let Event::Entries(packs) = rig.hears() else { return (false, 0) };
    let (mut has_come, mut said) = (false, 0);
    for (_, entry) in packs.iter().flat_map(Pack::entries) {
        match entry {
            Entry::Joined(by) => has_come |= by.name == name(member),
            Entry::Msg(by, _) => said += u64::from(by.name == name(member)),
            _ => {}
        }
    }
    (has_come, said)
}

#[test]
#[ignore = "it measures"]
fn entries_a_second() {
    let Some(redis) = Server::start() else { return };
    redis.ask(&["CONFIG", "SET", "appendfsync", "everysec"]);
    for nodes in [1, 2, 3] {
        for window in [1, 16, 256, 1024] {
            redis.ask(&["FLUSHALL"]);
            let talkers: Vec<_> = (0..nodes)
                .map(|n| {
                    let rig = Rig::with(&redis, &Limits::default());
                    thread::spawn(move || talk(&rig, &format!("member{n}"), window))
                })
                .collect();
            let talked: Vec<_> =
                talkers.into_iter().map(|talker| talker.join().expect("it ran")).collect();
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
