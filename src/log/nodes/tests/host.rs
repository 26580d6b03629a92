//! What a server makes of a node, as simply as can be: a fold over what comes back. Each runs on a thread
//! of its own, so that it can stand still or die.

use super::super::{
    Deed, Entry, Epoch, Event, Holder, Item, Node, Pack, Party, Refused, SecretHash,
};
use crate::limits::Limits;
use crate::protocol::{Id, Name, Secret};
use async_channel::{Receiver, Sender};
use smol::future;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// An entry, to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Msg(Party, String),
    Tell(Party, Party, String),
    Other(String),
}

/// What all hosts have seen, and in which order each of them.
#[derive(Debug, Default)]
pub struct Ledger {
    pub entries: BTreeMap<Id, Seen>,
    /// One for each time that a host has started.
    pub seen: Vec<Vec<Id>>,
    pub fenced: usize,
    pub lost: usize,
    pub away: usize,
}

impl Ledger {
    fn enter(&mut self, stay: usize, id: Id, seen: &Seen) {
        let known = self.entries.entry(id).or_insert_with(|| seen.clone());
        assert_eq!(known, seen, "{id} is two things");
        self.seen[stay].push(id);
    }

    /// Panics where a host has missed something, or had it twice, or in another order.
    pub fn check(&self) {
        for seen in &self.seen {
            let (Some(first), Some(last)) = (seen.first(), seen.last()) else { continue };
            let expected: Vec<_> = self.entries.range(first..=last).map(|(id, _)| *id).collect();
            assert!(*seen == expected, "a host saw {} of {} entries", seen.len(), expected.len());
        }
    }
}

/// What a client asks of its host.
#[derive(Debug)]
pub enum Ask {
    Join {
        name: Name,
        secret: Option<Secret>,
        since: Option<Id>,
        answers: Sender<Answer>,
    },
    Msg(u64, String),
    Tell(u64, Name, String),
    /// The connection is over.
    Gone(u64, Option<&'static str>),
    /// The whole host stands still.
    Freeze(Duration),
}

/// What a client gets.
#[derive(Debug)]
pub enum Answer {
    In { serial: u64, at: Id, gap: bool, replay: Vec<(Id, Seen)> },
    Taken,
    Entry(Id, Seen),
    NoSuchMember,
    Bye,
}

/// A host's thread, until it is dropped: then it ends without a goodbye.
pub struct Host {
    pub asks: Sender<Ask>,
    _kill: Sender<()>,
}

impl Host {
    pub fn start(port: u16, limits: &Limits, ledger: &Arc<Mutex<Ledger>>) -> Self {
        let url = format!("redis://127.0.0.1:{port}/");
        let room = Name::new(b"Chaos").expect("a name");
        let (node, events, engine) = Node::open(&url, room, limits).expect("a node");
        let (asks, asked) = async_channel::bounded(16);
        let (kill, killed) = async_channel::bounded::<()>(1);
        let state = State {
            node,
            ledger: ledger.clone(),
            limits: limits.clone(),
            epoch: None,
            stay: 0,
            floor: Id::default(),
            at: Id::default(),
            history: Vec::new(),
            names: HashMap::new(),
            members: HashMap::new(),
            serials: 0,
            is_away: false,
        };
        thread::spawn(move || {
            let host = state.run(&events, &asked);
            let dead = async { _ = killed.recv().await };
            smol::block_on(future::or(dead, future::or(engine, host)));
        });
        Self { asks, _kill: kill }
    }
}

struct State {
    node: Node,
    ledger: Arc<Mutex<Ledger>>,
    limits: Limits,
    epoch: Option<Epoch>,
    /// The number of the current stay in the ledger.
    stay: usize,
    floor: Id,
    at: Id,
    history: Vec<(Id, Seen)>,
    names: HashMap<Name, Party>,
    members: HashMap<u64, Member>,
    serials: u64,
    is_away: bool,
}

struct Member {
    name: Name,
    answers: Sender<Answer>,
    since: Option<Id>,
    /// Once it is in: by what it is known again.
    is_in: bool,
    secret: Option<SecretHash>,
}

impl State {
    async fn run(mut self, events: &Receiver<Event>, asked: &Receiver<Ask>) {
        loop {
            let must_wait = self.is_away || self.epoch.is_none() || self.node.is_full();
            let ask = async {
                if must_wait || self.node.is_held() {
                    future::pending::<()>().await;
                }
                asked.recv().await.ok().map(Err)
            };
            let event = async { events.recv().await.ok().map(Ok) };
            match future::or(event, ask).await {
                Some(Ok(event)) => self.hear(event),
                Some(Err(ask)) => self.heed(ask),
                None => return,
            }
        }
    }

    fn heed(&mut self, ask: Ask) {
        let Some(epoch) = self.epoch else { return };
        match ask {
            Ask::Join { name, secret, since, answers } => {
                self.serials += 1;
                let member = Member { name, answers, since, is_in: false, secret: None };
                self.members.insert(self.serials, member);
                let item = Item { serial: self.serials, name, deed: Deed::Join(secret) };
                self.node.submit(epoch, &item);
                self.node.send();
            }
            Ask::Msg(serial, text) => self.submit(epoch, serial, Deed::Msg(text.as_bytes())),
            Ask::Tell(serial, to, text) => {
                self.submit(epoch, serial, Deed::Tell(to, text.as_bytes()));
            }
            Ask::Gone(serial, reason) => {
                self.submit(epoch, serial, Deed::Left(reason));
                self.members.remove(&serial);
            }
            Ask::Freeze(time) => thread::sleep(time),
        }
    }

    fn submit(&self, epoch: Epoch, serial: u64, deed: Deed<'_>) {
        if let Some(Member { name, .. }) = self.members.get(&serial) {
            self.node.submit(epoch, &Item { serial, name: *name, deed });
            self.node.send();
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Started(started) => {
                self.is_away = false;
                (self.epoch, self.floor) = (Some(started.epoch), started.floor);
                self.names.clear();
                self.history.clear();
                let mut ledger = self.ledger.lock().expect("a lock");
                ledger.seen.push(Vec::new());
                self.stay = ledger.seen.len() - 1;
                drop(ledger);
                started.history.iter().for_each(|pack| self.apply(pack));
                // The names that were read are those that the whole history leads to, if that goes back
                // to the beginning.
                let mut read: Vec<_> =
                    started.members.iter().map(|party| format!("{party:?}")).collect();
                let mut folded: Vec<_> =
                    self.names.values().map(|party| format!("{party:?}")).collect();
                read.sort();
                folded.sort();
                assert_eq!(read, folded);
                assert_eq!(self.at, started.at);
            }
            Event::Entries(packs) => packs.iter().for_each(|pack| self.apply(pack)),
            Event::Away(_) => {
                self.is_away = true;
                self.ledger.lock().expect("a lock").away += 1;
            }
            Event::Back => self.is_away = false,
            Event::Fenced | Event::Lost => {
                let mut ledger = self.ledger.lock().expect("a lock");
                match event {
                    Event::Fenced => ledger.fenced += 1,
                    _ => ledger.lost += 1,
                }
                self.epoch = None;
                for (_, member) in self.members.drain() {
                    let _ = member.answers.try_send(Answer::Bye);
                }
            }
            Event::Behind(_) => {}
            Event::Unfit(why) => panic!("{why}"),
        }
    }

    fn apply(&mut self, pack: &Pack) {
        for (id, entry) in pack.entries() {
            let text = |said: &[u8]| String::from_utf8_lossy(said).into_owned();
            let seen = match entry {
                Entry::Msg(by, said) => Seen::Msg(by, text(said)),
                Entry::Tell(by, to, said) => Seen::Tell(by, to, text(said)),
                other => Seen::Other(format!("{other:?}")),
            };
            self.ledger.lock().expect("a lock").enter(self.stay, id, &seen);
            assert!(self.at < id || self.history.is_empty());
            self.follow(&entry);
            for member in self.members.values().filter(|member| member.is_in) {
                if seen.is_for(member.secret) {
                    let _ = member.answers.try_send(Answer::Entry(id, seen.clone()));
                }
            }
            self.history.push((id, seen));
            self.at = id;
        }
        assert!(self.history.len() < self.limits.history, "the test is too long for its history");
    }

    fn follow(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Joined(party) => {
                let before = self.names.insert(party.name, *party);
                assert!(before.is_none(), "{party:?} came where {before:?} is");
                self.admit(party);
            }
            Entry::Taken(party, from) => {
                let before = self.names.insert(party.name, *party);
                assert_eq!(before.map(|before| before.holder), Some(*from));
                if let Some(member) =
                    self.own(*from).and_then(|serial| self.members.remove(&serial))
                {
                    let _ = member.answers.try_send(Answer::Bye);
                }
                self.admit(party);
            }
            Entry::Left(party, _) => {
                let before = self.names.remove(&party.name);
                assert_eq!(before.map(|before| before.holder), Some(party.holder));
                if let Some(serial) = self.own(party.holder) {
                    self.members.remove(&serial);
                }
            }
            Entry::Msg(party, _) | Entry::Tell(party, ..) | Entry::Data(party, _) => {
                assert_eq!(self.names.get(&party.name), Some(party));
            }
            Entry::No(holder, _, refused) => self.refuse(*holder, *refused),
            Entry::Note(..) | Entry::Kicked(..) => {}
            Entry::Begun => self.names.clear(),
        }
    }

    fn admit(&mut self, party: &Party) {
        let Some(serial) = self.own(party.holder) else { return };
        let (at, floor) = (self.at, self.floor);
        // Who has gone while it waited has asked for its LEFT itself.
        let Some(member) = self.members.get_mut(&serial) else { return };
        (member.is_in, member.secret) = (true, party.secret);
        let since = member.since.unwrap_or(at);
        let replay =
            self.history.iter().filter(|(id, seen)| *id > since && seen.is_for(party.secret));
        let replay = replay.cloned().collect();
        let gap = since < floor || since > at;
        let _ = member.answers.try_send(Answer::In { serial, at, gap, replay });
    }

    fn refuse(&mut self, holder: Holder, refused: Refused) {
        let Some(serial) = self.own(holder) else { return };
        match refused {
            Refused::Join => {
                if let Some(member) = self.members.remove(&serial) {
                    let _ = member.answers.try_send(Answer::Taken);
                }
            }
            Refused::Tell => {
                if let Some(member) = self.members.get(&serial) {
                    let _ = member.answers.try_send(Answer::NoSuchMember);
                }
            }
            Refused::Other => {}
        }
    }

    fn own(&self, holder: Holder) -> Option<u64> {
        (Some(holder.epoch) == self.epoch).then_some(holder.serial)
    }
}

impl Seen {
    /// Whether one who is known by this gets it.
    pub fn is_for(&self, secret: Option<SecretHash>) -> bool {
        match self {
            Self::Msg(..) => true,
            Self::Tell(by, to, _) => [by.secret, to.secret].contains(&secret),
            Self::Other(_) => false,
        }
    }
}
