//! Engines alone, with clients that join, say, tell, break off and resume as PROTOCOL.md recommends,
//! while nodes die and sleep, connections are cut, and Redis is killed and stopped.

use super::host::{Answer, Ask, Host, Ledger, Seen};
use super::proxy::Proxy;
use super::server::Server;
use super::{Dice, seconds};
use crate::limits::Limits;
use crate::protocol::{Id, Name, Secret};
use async_channel::{Receiver, Sender};
use smol::{LocalExecutor, Timer, future};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const HOSTS: usize = 3;
const CLIENTS: usize = 12;

/// Where hosts are found, and what has come of it all.
struct World {
    hosts: Vec<Mutex<Option<Host>>>,
    ledger: Arc<Mutex<Ledger>>,
    /// Nobody says anything new any more.
    is_over: AtomicBool,
}

impl World {
    fn asks(&self, host: usize) -> Option<Sender<Ask>> {
        let host = self.hosts[host].lock().expect("a lock");
        host.as_ref().map(|host| host.asks.clone())
    }
}

#[test]
fn nothing_is_lost_doubled_or_seen_differently_whatever_breaks() {
    let Some(mut redis) = Server::start() else { return };
    let mut dice = Dice::new();
    let limits = Limits { history: 10_000_000, history_bytes: usize::MAX, ..Limits::default() };
    let world = Arc::new(World {
        hosts: (0..HOSTS).map(|_| Mutex::new(None)).collect(),
        ledger: Arc::default(),
        is_over: AtomicBool::new(false),
    });
    let proxies: Vec<_> = (0..HOSTS).map(|_| Proxy::start(redis.port, dice.another())).collect();
    let revive = |host: usize| {
        let new = Host::start(proxies[host].port, &limits, &world.ledger);
        *world.hosts[host].lock().expect("a lock") = Some(new);
    };
    for (host, proxy) in proxies.iter().enumerate() {
        revive(host);
        proxy.set_mischief(3);
    }

    let clients = thread::spawn({
        let (world, dice) = (world.clone(), dice.another());
        move || all_clients(&world, dice)
    });
    let until = Instant::now() + Duration::from_secs(seconds(12));
    let mut deeds = [0; 7];
    while Instant::now() < until && !clients.is_finished() {
        let host = usize::try_from(dice.below(HOSTS as u64)).expect("small");
        let deed = usize::try_from(dice.below(7)).expect("small");
        deeds[deed] += 1;
        match deed {
            0 => {
                *world.hosts[host].lock().expect("a lock") = None;
                thread::sleep(Duration::from_millis(dice.below(1500)));
                revive(host);
            }
            1 => proxies.iter().for_each(Proxy::cut),
            2 => {
                let (proxy, time) = (proxies[host].clone(), 500 + dice.below(8000));
                thread::spawn(move || {
                    proxy.set_silent(true);
                    thread::sleep(Duration::from_millis(time));
                    proxy.set_silent(false);
                });
            }
            3 => {
                redis.kill();
                thread::sleep(Duration::from_millis(dice.below(1500)));
                redis.restart();
            }
            4 if dice.below(2) == 0 => {
                redis.stop_for(Duration::from_millis(500 + dice.below(7000)));
            }
            5 if dice.below(2) == 0 => {
                if let Some(asks) = world.asks(host) {
                    let time = Duration::from_millis(500 + dice.below(7500));
                    thread::spawn(move || drop(asks.send_blocking(Ask::Freeze(time))));
                }
            }
            _ => proxies[host].cut(),
        }
        thread::sleep(Duration::from_millis(dice.below(1000)));
    }
    for proxy in &proxies {
        proxy.set_mischief(0);
    }
    world.is_over.store(true, Ordering::Relaxed);
    let clients = clients.join().expect("all clients are content");
    judge(&world.ledger.lock().expect("a lock"), &clients, deeds);
}

fn judge(ledger: &Ledger, clients: &[Client], deeds: [usize; 7]) {
    println!(
        "{} entries, {} stays, {} fenced, {} away, deeds {deeds:?}",
        ledger.entries.len(),
        ledger.seen.len(),
        ledger.fenced,
        ledger.away
    );
    assert_eq!(ledger.lost, 0);
    ledger.check();
    for client in clients {
        let own = |seen: &&Seen| matches!(seen, Seen::Msg(by, _) | Seen::Tell(by, ..) if by.name == client.name);
        let text = |seen: &Seen| match seen {
            Seen::Msg(_, text) | Seen::Tell(_, _, text) | Seen::Other(text) => text.clone(),
        };
        let arrived: Vec<_> = ledger.entries.values().filter(own).map(text).collect();
        assert!(
            arrived == client.confirmed,
            "{}: {} of {}",
            client.name,
            arrived.len(),
            client.confirmed.len()
        );
        let messages = (0..client.said).map(|n| format!("m{n}"));
        let tells = client.confirmed.iter().filter(|text| text.starts_with('m'));
        assert!(
            messages.eq(tells.cloned()),
            "{}: a message is lost, doubled or out of order",
            client.name
        );
        let (began, known) = client.began.expect("it was in");
        let last = client.story.last().map_or(began, |(id, _)| *id);
        let due = ledger
            .entries
            .range(began..=last)
            .filter(|(id, seen)| **id > began && seen.is_for(known));
        let due: Vec<_> = due.map(|(id, seen)| (*id, seen.clone())).collect();
        assert!(
            due == client.story,
            "{} heard {} of {}",
            client.name,
            client.story.len(),
            due.len()
        );
    }
    assert!(clients.iter().map(|client| client.said).sum::<u64>() > 100);
}

fn all_clients(world: &Arc<World>, mut dice: Dice) -> Vec<Client> {
    let executor = LocalExecutor::new();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let (mut client, world) = (Client::new(n, dice.another()), world.clone());
            executor.spawn(async move {
                client.live(&world).await;
                client
            })
        })
        .collect();
    smol::block_on(executor.run(async {
        let mut content = Vec::new();
        for client in clients {
            content.push(client.await);
        }
        content
    }))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Msg(String),
    Tell(Name, String),
}

/// One who wants to miss nothing, and say nothing twice.
struct Client {
    name: Name,
    secret: Secret,
    dice: Dice,
    /// What was said and has not come back, in order.
    unconfirmed: VecDeque<Line>,
    confirmed: Vec<String>,
    said: u64,
    told: u64,
    last: Option<Id>,
    began: Option<(Id, Option<super::super::SecretHash>)>,
    story: Vec<(Id, Seen)>,
}

fn name_of(n: usize) -> Name {
    Name::new(format!("Client-{n}").as_bytes()).expect("a name")
}

impl Client {
    fn new(n: usize, dice: Dice) -> Self {
        let secret = Secret::new(format!("secret-of-client-{n:03}").as_bytes()).expect("a secret");
        Self {
            name: name_of(n),
            secret,
            dice,
            unconfirmed: VecDeque::new(),
            confirmed: Vec::new(),
            said: 0,
            told: 0,
            last: None,
            began: None,
            story: Vec::new(),
        }
    }

    async fn live(&mut self, world: &World) {
        let patience = Instant::now() + Duration::from_secs(seconds(12) + 60);
        let is_over = || world.is_over.load(Ordering::Relaxed);
        while !is_over() || !self.unconfirmed.is_empty() || self.began.is_none() {
            assert!(Instant::now() < patience, "{} waits for {:?}", self.name, self.unconfirmed);
            let host = usize::try_from(self.dice.below(HOSTS as u64)).expect("small");
            if let Some(asks) = world.asks(host) {
                // One that does not answer is left, as a person would.
                let limit = async { _ = Timer::after(Duration::from_secs(4)).await };
                future::or(self.visit(world, &asks), limit).await;
            }
            Timer::after(Duration::from_millis(self.dice.below(50))).await;
        }
    }

    /// A connection, until it breaks.
    async fn visit(&mut self, world: &World, asks: &Sender<Ask>) {
        let (answers, heard) = async_channel::unbounded();
        let (name, secret) = (self.name, Some(self.secret));
        let join = Ask::Join { name, secret, since: self.last, answers };
        if asks.send(join).await.is_err() {
            return;
        }
        let Some(serial) = self.enter(&heard).await else { return };
        for line in self.unconfirmed.clone() {
            if self.say(asks, serial, &line).await.is_err() {
                return;
            }
        }
        for _ in 0..self.dice.below(400) {
            if world.is_over.load(Ordering::Relaxed) {
                break;
            }
            let line = self.think();
            self.unconfirmed.push_back(line.clone());
            if self.say(asks, serial, &line).await.is_err() {
                return;
            }
            if self.dice.below(8) == 0 {
                Timer::after(Duration::from_millis(self.dice.below(20))).await;
            }
            while self.unconfirmed.len() > 30 || !heard.is_empty() {
                if self.hear(&heard).await.is_none() {
                    return;
                }
            }
        }
        self.part(world, asks, serial, &heard).await;
    }

    /// It breaks off, and says so or not; or it waits first for all that is its own.
    async fn part(
        &mut self,
        world: &World,
        asks: &Sender<Ask>,
        serial: u64,
        heard: &Receiver<Answer>,
    ) {
        let is_over = world.is_over.load(Ordering::Relaxed);
        if is_over || self.dice.below(2) == 0 {
            while !self.unconfirmed.is_empty() {
                if self.hear(heard).await.is_none() {
                    return;
                }
            }
        }
        match self.dice.below(3) {
            0 => drop(asks.try_send(Ask::Gone(serial, None))),
            1 => drop(asks.try_send(Ask::Gone(serial, Some("lost")))),
            _ => {}
        }
    }

    async fn enter(&mut self, heard: &Receiver<Answer>) -> Option<u64> {
        match heard.recv().await.ok()? {
            Answer::In { serial, at, gap, replay } => {
                assert!(!gap, "{} has a gap", self.name);
                if self.began.is_none() {
                    self.began = Some((at, None));
                    self.last = Some(at);
                }
                for (id, seen) in replay {
                    self.take(id, seen);
                }
                Some(serial)
            }
            Answer::Bye => None,
            other => panic!("{} got {other:?}", self.name),
        }
    }

    async fn hear(&mut self, heard: &Receiver<Answer>) -> Option<()> {
        match heard.recv().await.ok()? {
            Answer::Entry(id, seen) => self.take(id, seen),
            Answer::NoSuchMember => {
                let tell = self.unconfirmed.iter().position(|line| matches!(line, Line::Tell(..)));
                self.unconfirmed.remove(tell.expect("a TELL"));
            }
            Answer::Bye => return None,
            other => panic!("{} got {other:?}", self.name),
        }
        Some(())
    }

    fn take(&mut self, id: Id, seen: Seen) {
        assert!(self.last < Some(id), "{}: {id} after {:?}", self.name, self.last);
        self.last = Some(id);
        let own = match &seen {
            Seen::Msg(by, text) if by.name == self.name => {
                self.began = self.began.map(|(at, _)| (at, by.secret));
                Some(Line::Msg(text.clone()))
            }
            Seen::Tell(by, to, text) if by.name == self.name => {
                Some(Line::Tell(to.name, text.clone()))
            }
            _ => None,
        };
        if let Some(own) = own {
            // TELLs before it were refused.
            while self.unconfirmed.front().is_some_and(|line| *line != own) {
                let refused = self.unconfirmed.pop_front();
                assert!(matches!(refused, Some(Line::Tell(..))), "{refused:?} before {own:?}");
            }
            assert_eq!(self.unconfirmed.pop_front().as_ref(), Some(&own), "{}", self.name);
            let (Line::Msg(text) | Line::Tell(_, text)) = own;
            self.confirmed.push(text);
        }
        self.story.push((id, seen));
    }

    fn think(&mut self) -> Line {
        if self.dice.below(5) > 0 {
            self.said += 1;
            return Line::Msg(format!("m{}", self.said - 1));
        }
        self.told += 1;
        let to = usize::try_from(self.dice.below(CLIENTS as u64)).expect("small");
        Line::Tell(name_of(to), format!("t{}", self.told - 1))
    }

    async fn say(&mut self, asks: &Sender<Ask>, serial: u64, line: &Line) -> Result<(), ()> {
        let ask = match line.clone() {
            Line::Msg(text) => Ask::Msg(serial, text),
            Line::Tell(to, text) => Ask::Tell(serial, to, text),
        };
        asks.send(ask).await.map_err(drop)
    }
}
