//! Random rooms, held against a simple model of what each member has to hear.
//!
//! Hundreds of peers come, speak, ask, lag, stop reading, break at any byte and go, in any order, and
//! the server's tasks run in any order. Afterwards each peer's story is compared with the log: what all
//! get, in the log's order, from its arrival to its departure; nothing lost, nothing twice. At every
//! step, what waits is within its bounds.
//!
//! `MODEL_STEPS=100000000 cargo test --release model` looks longer, `MODEL_SEED=…` again.

use super::super::session::{Next, Session};
use super::{Bells, Registry};
use super::{Guard, Secrets};
use crate::delivery::Lagger;
use crate::delivery::chunk::{Chunk, Hand};
use crate::limits::{self, Limits};
use crate::log::{Entry, Log};
use crate::net::peer::Peer as Address;
use crate::net::sink::{Ended, Sink};
use crate::protocol::{Form, Id, JoinOptions, Name, Secret};
use crate::room::SeatId;
use async_channel::Receiver;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{env, thread};

#[test]
fn everybody_hears_what_the_model_says() {
    let setting = |name| env::var(name).ok().and_then(|value: String| value.parse().ok());
    let steps: u64 = setting("MODEL_STEPS").unwrap_or(1_000_000);
    let seed = setting("MODEL_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or(1)
    });
    let mut taken = 0;
    for round in 0.. {
        let seed = seed.wrapping_add(round);
        let _named = Named(seed);
        taken += World::new(seed).play();
        if taken >= steps {
            break;
        }
    }
}

/// Says which seed it was where a world comes to a bad end.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("again with: MODEL_STEPS=1 MODEL_SEED={} cargo test model", self.0);
        }
    }
}

/// An entry, as the room took it.
#[derive(Debug, Clone)]
pub struct Entered {
    id: Id,
    seat: SeatId,
    name: Name,
    secret: Option<Secret>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Joined(JoinOptions),
    Resumed(JoinOptions),
    Msg(Vec<u8>),
    Data(Vec<u8>),
    Tell(Name, Option<Secret>, Vec<u8>),
    Left(Option<String>),
    Note(Vec<u8>),
}

impl Entered {
    /// What the model keeps of it.
    pub fn new(id: Id, entry: &Entry<'_>) -> Self {
        let (by, what) = match entry {
            Entry::Joined(by, arrival) => (by, What::Joined(arrival.options)),
            Entry::Resumed(by, arrival) => (by, What::Resumed(arrival.options)),
            Entry::Msg(by, text) => (by, What::Msg(text.to_vec())),
            Entry::Data(by, bytes) => (by, What::Data(bytes.to_vec())),
            Entry::Tell(by, to, text) => {
                (by, What::Tell(to.name, to.secret.as_deref().copied(), text.to_vec()))
            }
            Entry::Left(by, reason) => (by, What::Left(reason.map(str::to_owned))),
            Entry::Note(text) => return Self::note(id, text),
        };
        Self {
            id,
            seat: by.seat.expect("all are here"),
            name: by.name,
            secret: by.secret.as_deref().copied(),
            what,
        }
    }

    /// What no peer has said.
    fn note(id: Id, text: &[u8]) -> Self {
        let name = Name::new(b"-").expect("a name");
        Self { id, seat: usize::MAX, name, secret: None, what: What::Note(text.to_vec()) }
    }
}

/// An entry in the log, and whether the others are told of it if it is an arrival or a departure.
#[derive(Debug)]
struct Logged {
    entry: Entered,
    announced: bool,
}

impl Logged {
    /// The model: the lines of an entry that reach this peer while it is in.
    fn heard_by(&self, peer: &Peer) -> Vec<Vec<u8>> {
        let Entered { name, what, .. } = &self.entry;
        let (own, echo) = (*name == peer.name, peer.options.echo);
        let lines = match what {
            What::Msg(words) if !own || echo => vec![line("MSG", *name, words)],
            What::Data(words) if !own || echo => vec![self.payload(words, peer.options.form)],
            What::Tell(to, _, words) => {
                let tell = (*to == peer.name).then(|| line("TELL", *name, words));
                let told = (own && echo).then(|| line("TOLD", *to, words));
                tell.into_iter().chain(told).collect()
            }
            What::Joined(_) if self.announced && !own => vec![line("JOINED", *name, b"")],
            What::Note(text) => vec![[b"NOTE ", &text[..], b"\n"].concat()],
            What::Left(Some(reason)) if self.announced => {
                vec![line("LEFT", *name, reason.as_bytes())]
            }
            _ => Vec::new(),
        };
        self.stamped(peer.options.form, lines)
    }

    /// The lines of it for one who asks for what was said before.
    fn replayed_to(&self, options: &JoinOptions) -> Vec<Vec<u8>> {
        let Entered { name, secret, what, .. } = &self.entry;
        let own = |secret: &Option<Secret>| options.resume.is_some() && *secret == options.resume;
        let lines = match what {
            What::Msg(words) => vec![line("MSG", *name, words)],
            What::Data(words) => vec![self.payload(words, options.form)],
            What::Tell(to, to_secret, words) if options.since.is_some() => {
                let tell = own(to_secret).then(|| line("TELL", *name, words));
                let told = (own(secret) && options.echo).then(|| line("TOLD", *to, words));
                tell.into_iter().chain(told).collect()
            }
            _ => Vec::new(),
        };
        self.stamped(options.form, lines)
    }

    fn payload(&self, words: &[u8], form: Form) -> Vec<u8> {
        let name = self.entry.name;
        if form.data {
            [format!("DATA {name} {}\n", words.len()).as_bytes(), words, b"\n"].concat()
        } else {
            line("MSG", name, words)
        }
    }

    fn stamped(&self, form: Form, mut lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if form.ids {
            let stamp = format!("@{} ", self.entry.id);
            for line in &mut lines {
                line.splice(0..0, stamp.bytes());
            }
        }
        lines
    }

    /// What it takes in the history; nothing where it is not kept there.
    fn cost(&self, told: bool) -> Option<usize> {
        let words = match &self.entry.what {
            What::Msg(words) | What::Data(words) if !told => words,
            What::Tell(_, to, words) if told && (to.is_some() || self.entry.secret.is_some()) => {
                words
            }
            _ => return None,
        };
        Some(6 + self.entry.name.as_bytes().len() + words.len())
    }
}

fn line(verb: &str, name: Name, rest: &[u8]) -> Vec<u8> {
    let space: &[u8] = if rest.is_empty() { b"" } else { b" " };
    [verb.as_bytes(), b" ", name.as_bytes(), space, rest, b"\n"].concat()
}

/// A peer's end of a connection that exists in memory alone.
#[derive(Debug, Default)]
struct Wire(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    /// What the peer has said and the server has not read.
    said: VecDeque<u8>,
    /// The peer's stream has ended, or broken.
    ended: Option<ErrorKind>,
    /// How many bytes the kernel would take now.
    room: usize,
    /// What it took.
    heard: Vec<u8>,
    /// What lies between what is sent and the kernel, if anything does.
    within: Option<Layer>,
    /// It takes nothing any more.
    deaf: Option<ErrorKind>,
    finished: bool,
    shut: bool,
    /// The last line may lack its end, and mean something else.
    cut: bool,
}

/// As TLS does, it takes more than the kernel, and owes the last byte of that.
#[derive(Debug, Default)]
struct Layer {
    sealed: Vec<u8>,
    owes_last: bool,
}

impl Wire {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().expect("no panic")
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ends = self.ends();
        if ends.said.is_empty() {
            return match ends.ended {
                _ if ends.shut => Ok(0),
                Some(ErrorKind::UnexpectedEof) => Ok(0),
                Some(kind) => Err(kind.into()),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let len = buffer.len().min(ends.said.len());
        buffer[..len].copy_from_slice(&ends.said.make_contiguous()[..len]);
        ends.said.drain(..len);
        Ok(len)
    }
}

impl Ends {
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        self.heard.extend_from_slice(&bytes[..taken]);
        taken
    }
}

impl Layer {
    fn send(&mut self, ends: &mut Ends, bytes: &[u8]) -> usize {
        if !self.flush(ends) {
            return 0;
        }
        if mem::take(&mut self.owes_last) {
            return 1;
        }
        let taken = bytes.len().min(limits::RECORDS);
        self.sealed.extend_from_slice(&bytes[..taken]);
        self.owes_last = !self.flush(ends);
        taken - usize::from(self.owes_last)
    }

    fn flush(&mut self, ends: &mut Ends) -> bool {
        let taken = ends.take(&self.sealed);
        self.sealed.drain(..taken);
        self.sealed.is_empty()
    }
}

impl Sink for Wire {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut ends = self.ends();
        assert!(!ends.finished, "something is sent after the end");
        if let Some(kind) = ends.deaf {
            return Err(kind.into());
        }
        if ends.shut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let Some(mut layer) = ends.within.take() else { return Ok(ends.take(bytes)) };
        let taken = layer.send(&mut ends, bytes);
        ends.within = Some(layer);
        Ok(taken)
    }

    fn send_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        assert!(parts.len() <= limits::PIECES);
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(part);
        }
        self.send(&bytes)
    }

    fn has_last_word(&self) -> bool {
        self.ends().within.is_some()
    }

    fn shut_writing(&self) {
        let mut ends = self.ends();
        let is_heard = ends.deaf.is_none() && !ends.shut;
        let has_rest = ends.within.as_ref().is_some_and(|layer| !layer.sealed.is_empty());
        assert!(!has_rest || !is_heard, "the end comes before what is to be said");
        ends.finished = true;
    }

    fn shut(&self) {
        self.ends().shut = true;
    }

    fn ended(&self) -> Ended {
        let ends = self.ends();
        if ends.ended.is_some() && ends.said.is_empty() { Ended::Stream } else { Ended::Nothing }
    }

    fn peer(&self) -> Address {
        Address::Unknown
    }
}

/// Somebody at the other end, with the server's tasks for it.
struct Peer {
    wire: Arc<Wire>,
    seat: SeatId,
    session: Option<Session>,
    waits: Option<Receiver<()>>,
    drain: Option<(Hand, Receiver<Chunk>)>,
    /// How it reads.
    pace: usize,
    options: JoinOptions,
    name: Name,
    /// What it gets of what was said before it came.
    replay: Vec<Vec<u8>>,
    /// How many lines it has said, where in the log those stand, and the last PING of it.
    said: u32,
    pinged: u32,
    entered: Vec<usize>,
    /// Its place in the log: from its arrival to its departure.
    joined: Option<usize>,
    left: Option<usize>,
}

/// A server without sockets, and all who talk to it.
struct World {
    random: Random,
    registry: Registry<Arc<Wire>>,
    flushes: Receiver<()>,
    watches: Receiver<()>,
    /// Where the log began.
    began: Id,
    watching: bool,
    limits: Limits,
    peers: Vec<Peer>,
    /// Who has which seat now.
    seats: BTreeMap<SeatId, usize>,
    log: Vec<Logged>,
    members: usize,
    now: Instant,
    /// At most so many at once.
    crowd: usize,
    /// How often the flusher runs: seldom enough, and rounds fill.
    flushes_in_1000: usize,
    stopping: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let (flush, flushes) = async_channel::bounded(1);
        let (watch, watches) = async_channel::bounded(1);
        let limits = Limits {
            outbox: [1, 2_000, 100_000][random.below(3)],
            memory: [20_000, 1_000_000, usize::MAX][random.below(3)],
            payload: 2_000,
            pace: [0, 0, 0, 200][random.below(4)],
            presence_limit: [0, 5, 1000][random.below(3)],
            history: [0, 5, 1000][random.below(3)],
            history_bytes: [300, 50_000][random.below(2)],
            ..Limits::default()
        };
        let bells = Bells { flush, watch, notices: None, troubles: None };
        let (log, secrets) = (Log::new(&limits), Secrets::open().expect("randomness"));
        let began = log.last();
        Self {
            registry: Registry::new(limits.clone(), log, secrets, Guard::default(), bells),
            began,
            flushes,
            watches,
            watching: false,
            limits,
            peers: Vec::new(),
            seats: BTreeMap::new(),
            log: Vec::new(),
            members: 0,
            now: Instant::now(),
            crowd: [3, 20, 20, 300][random.below(4)],
            flushes_in_1000: [2, 20, 100, 100][random.below(4)],
            stopping: false,
            random,
        }
    }

    /// Plays until all is said. Returns how many steps it took.
    fn play(mut self) -> u64 {
        let steps = 20_000;
        for _ in 0..steps {
            self.step();
            self.check_bounds();
        }
        let stops = self.random.below(2) == 0;
        if stops {
            self.stopping = true;
            let _ = self.registry.close_all(self.now);
            self.note_entries();
        }
        self.come_to_rest();
        for peer in 0..self.peers.len() {
            self.check_story(peer);
        }
        steps
    }

    fn step(&mut self) {
        if self.random.below(1000) < self.flushes_in_1000 {
            self.flush();
        }
        match self.random.below(90) {
            0..=2 => self.connect(),
            3..=30 => self.speak(),
            31..=65 => self.run_session(),
            66..=78 => self.run_drain(),
            79..=84 => self.read(),
            85..=87 => self.pass_time(),
            88 if self.random.below(20) == 0 => self.operate(),
            _ => self.break_something(),
        }
    }

    fn somebody(&mut self) -> Option<usize> {
        let n = self.seats.len();
        (n > 0).then(|| self.random.below(n)).and_then(|n| self.seats.values().nth(n).copied())
    }
}

// What peers do.
impl World {
    fn connect(&mut self) {
        if self.seats.len() >= self.crowd {
            return;
        }
        let wire = Arc::new(Wire::default());
        // Some never read, some slowly, most at once.
        let pace = [0, 10, 3_000, 100_000, 100_000, 100_000][self.random.below(6)];
        wire.ends().room = [pace, 500][self.random.below(2)];
        wire.ends().within = (self.random.below(3) == 0).then(Layer::default);
        let seat = self.registry.arrive(wire.clone(), self.now);
        let number = self.peers.len();
        let name = Name::new(format!("p{number}").as_bytes()).expect("a name");
        assert_eq!(self.seats.insert(seat, number), None, "a seat is given away once");
        self.peers.push(Peer {
            session: Some(Session::new(seat)),
            wire,
            seat,
            waits: None,
            drain: None,
            pace,
            options: JoinOptions::default(),
            name,
            replay: Vec::new(),
            said: 0,
            pinged: 0,
            entered: Vec::new(),
            joined: None,
            left: None,
        });
        if self.random.below(10) > 0 {
            let join = self.join(number);
            self.say(number, &join);
        }
    }

    /// Somebody new; or somebody who was here before, and wants its place back.
    fn join(&mut self, number: usize) -> String {
        let other = self.peers.len() - 1 - self.random.below(self.peers.len().min(8));
        let back = self.random.below(2) == 0;
        let number = if back { other } else { number };
        let mut join = format!("JOIN p{number}");
        for option in [" data", " id", " echo"] {
            if self.random.below(2) == 0 {
                join.push_str(option);
            }
        }
        if self.random.below(3) == 0 {
            let last = [0, 1, 3, 100][self.random.below(4)];
            join = format!("{join} last={last}");
        }
        if (back || self.random.below(4) == 0) && !self.log.is_empty() {
            let at = self.log.len() - 1 - self.random.below(self.log.len().min(100));
            let newer = self.log[self.log.len() - 1].entry.id.next(0);
            let since = match self.random.below(20) {
                0 => newer,
                1 => Id::from_ms(1),
                2 => self.began,
                3..=6 => self.kept(false).1,
                7 | 8 => self.kept(true).1,
                _ => self.log[at].entry.id,
            };
            join = format!("{join} since={since}");
        }
        if self.random.below(5) > 0 {
            // Sometimes of somebody else.
            let by = if self.random.below(5) == 0 { number + 1 } else { number };
            join = format!("{join} resume=secret-of-number-{by}");
        }
        join + "\n"
    }

    /// The operator says something to all, or shows somebody the door.
    fn operate(&mut self) {
        let somebody = self.somebody().map(|peer| self.peers[peer].name);
        match somebody.filter(|_| self.random.below(2) == 0) {
            Some(name) => _ = self.registry.kick(name, b"enough", self.now),
            None => self.registry.note_to_all(b"back soon").expect("it is short"),
        }
        self.note_entries();
    }

    fn say(&mut self, peer: usize, words: &str) {
        let mut ends = self.peers[peer].wire.ends();
        if ends.ended.is_none() {
            ends.said.extend(words.as_bytes());
        }
    }

    fn speak(&mut self) {
        let Some(peer) = self.somebody() else { return };
        for _ in 0..[1, 1, 1, 40][self.random.below(4)] {
            self.speak_once(peer);
        }
    }

    fn speak_once(&mut self, peer: usize) {
        let other = self.random.below(self.peers.len());
        let speaker = &mut self.peers[peer];
        if speaker.wire.ends().ended.is_some() {
            return;
        }
        speaker.said += 1;
        let n = speaker.said;
        let filler = "x".repeat([0, 10, 200, 1_500][self.random.below(4)]);
        let words = match self.random.below(20) {
            0..=9 => format!("MSG {n} {filler}\n"),
            10..=12 => {
                let payload = format!("{n} {filler}");
                format!("DATA {}\n{payload}\n", payload.len())
            }
            13..=15 => format!("TELL p{other} {n} {filler}\nPING {n}\n"),
            16 => format!("PING {n}\n"),
            17 => "WHO\n".repeat(1 + self.random.below(20)),
            18 => "HELP\n".repeat(1 + self.random.below(20)),
            _ => match self.random.below(40) {
                0 => "LEAVE\n".into(),
                1 => "DATA x\n".into(),
                2 => "DATA 3\nabcd\n".into(),
                3 => "\u{1}\u{ff}\n".into(),
                _ => format!("MSG\nTELL p{other}\nJOIN p{other}\nMSG {n} ?\n"),
            },
        };
        if !words.contains(&n.to_string()) || words.contains("abcd") {
            self.peers[peer].said -= 1;
        }
        if words.contains("PING") {
            self.peers[peer].pinged = n;
        }
        self.say(peer, &words);
    }

    /// Somebody takes what has arrived, so that there is room for more.
    fn read(&mut self) {
        let Some(peer) = self.somebody() else { return };
        let pace = self.peers[peer].pace;
        let room = if pace == 0 { 0 } else { self.random.below(pace) };
        self.peers[peer].wire.ends().room = room;
    }

    fn break_something(&mut self) {
        let Some(peer) = self.somebody() else { return };
        let mut ends = self.peers[peer].wire.ends();
        match self.random.below(5) {
            0 => ends.deaf = Some(ErrorKind::BrokenPipe),
            1 => ends.deaf = Some(ErrorKind::OutOfMemory),
            2 => {
                ends.ended = Some(ErrorKind::ConnectionReset);
                ends.deaf = Some(ErrorKind::ConnectionReset);
            }
            3 => {
                // In the middle of a word, as a rule.
                let cut = self.random.below(20).min(ends.said.len());
                let len = ends.said.len() - cut;
                ends.said.truncate(len);
                ends.ended = Some(ErrorKind::UnexpectedEof);
                ends.cut = true;
            }
            _ => ends.ended = Some(ErrorKind::UnexpectedEof),
        }
    }
}

// What the server's tasks do.
impl World {
    fn run_session(&mut self) {
        if let Some(peer) = self.somebody() {
            self.run_session_of(peer);
        }
    }

    /// Says whether there was anything to do.
    fn run_session_of(&mut self, number: usize) -> bool {
        let peer = &mut self.peers[number];
        let Some(session) = &mut peer.session else { return false };
        if peer.waits.as_ref().is_some_and(|gate| !gate.is_closed()) {
            return false;
        }
        let was_waiting = peer.waits.take().is_some();
        let wire = peer.wire.clone();
        let mut blocked = false;
        let full = self.registry.room.round().is_full().then(|| self.registry.output());
        let next = session.turn(&mut self.registry, self.now, |bytes| {
            let received = wire.receive(bytes);
            blocked = received.is_err();
            received
        });
        let is_in = !self.registry.is_closed_or_gone(peer.seat);
        assert!(
            full.is_none_or(|before| !is_in || before == self.registry.output()),
            "it was full"
        );
        match next {
            Next::Read => {}
            Next::Wait(gate) => {
                peer.waits = Some(gate);
                blocked = false;
            }
            Next::End => {
                peer.session = None;
                blocked = false;
            }
        }
        self.note_entries();
        was_waiting || !blocked
    }

    fn flush(&mut self) -> bool {
        if self.flushes.try_recv().is_err() {
            return false;
        }
        for Lagger { seat, chunks, .. } in self.registry.flush(self.now) {
            let peer = &mut self.peers[self.seats[&seat]];
            assert!(peer.drain.is_none(), "one drain a connection");
            peer.drain = Some((Hand::default(), chunks));
        }
        self.note_entries();
        true
    }

    fn run_drain(&mut self) {
        if let Some(peer) = self.somebody() {
            self.run_drain_of(peer);
        }
    }

    fn run_drain_of(&mut self, number: usize) -> bool {
        let peer = &mut self.peers[number];
        let Some((hand, chunks)) = &mut peer.drain else { return false };
        hand.fill_at_once(chunks);
        let over = if hand.is_empty() {
            if !chunks.is_closed() {
                return false;
            }
            self.registry.drained(peer.seat, self.now);
            true
        } else {
            match hand.send(&peer.wire) {
                Ok(cost) if cost.bytes == 0 => return false,
                Ok(cost) => self.registry.took(peer.seat, cost, self.now),
                Err(error) => {
                    self.registry.broke(peer.seat, error.kind(), self.now);
                    true
                }
            }
        };
        if over {
            peer.drain = None;
        }
        self.note_entries();
        true
    }

    fn pass_time(&mut self) {
        if self.random.below(20) == 0 {
            // The server stands still, and it is not the watch that finds out first.
            self.now += Duration::from_secs(5);
        } else {
            self.now += limits::TICK;
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.watching |= self.watches.try_recv().is_ok();
        if self.watching {
            self.watching = self.registry.tick(self.now);
            self.note_entries();
        }
    }

    /// Learns what has entered the log, and who has gone.
    fn note_entries(&mut self) {
        for entered in mem::take(&mut self.registry.entered) {
            let at = self.log.len();
            if let What::Note(_) = entered.what {
                self.log.push(Logged { entry: entered, announced: true });
                continue;
            }
            let number = self.seats[&entered.seat];
            match &entered.what {
                What::Joined(options) | What::Resumed(options) => {
                    self.peers[number].replay = self.replay(options, entered.name);
                    let peer = &mut self.peers[number];
                    (peer.joined, peer.name, peer.options) = (Some(at), entered.name, *options);
                }
                What::Left(_) => self.peers[number].left = Some(at),
                _ => self.peers[number].entered.push(at),
            }
            if let What::Resumed(_) = entered.what {
                let held = |other: &usize| {
                    let peer = &self.peers[*other];
                    let is_in = peer.joined.is_some() && peer.left.is_none();
                    *other != number && is_in && peer.name == entered.name
                };
                let from = self.seats.values().copied().find(held).expect("somebody held it");
                self.peers[from].left = Some(at);
            }
            self.members += usize::from(matches!(entered.what, What::Joined(_)));
            let announced = self.members <= self.limits.presence_limit;
            self.members -= usize::from(matches!(entered.what, What::Left(_)));
            self.log.push(Logged { entry: entered, announced });
        }
        let Registry { delivery, room, .. } = &self.registry;
        if room.seated() < self.seats.len() {
            self.seats.retain(|seat, _| delivery.sink(*seat).is_some());
        }
    }

    /// Everybody reads, the tasks run until there is nothing left to do, and nobody waits for
    /// anything that will not come.
    fn come_to_rest(&mut self) {
        for _ in 0..100_000 {
            let mut busy = self.flush();
            for peer in self.seats.values().copied().collect::<Vec<_>>() {
                if self.peers[peer].pace > 0 {
                    self.peers[peer].wire.ends().room = usize::MAX;
                }
                busy |= self.run_session_of(peer);
                busy |= self.run_drain_of(peer);
            }
            if !busy && !self.watching && self.watches.is_empty() {
                return self.check_nobody_waits();
            }
            if !busy {
                self.now += limits::TICK;
                self.tick();
            }
        }
        panic!("it never comes to rest");
    }
}

// What was said before.
impl World {
    /// What one gets who joins now.
    fn replay(&self, options: &JoinOptions, name: Name) -> Vec<Vec<u8>> {
        let newest = self.log.last().map_or(self.began, |logged| logged.entry.id);
        let (said, mut floor) = self.kept(false);
        let (told, told_floor) = self.kept(true);
        let is_unknown = options.since.is_some_and(|since| since > newest);
        let since = options.since.filter(|_| !is_unknown).unwrap_or_default();
        let mut places: Vec<usize> = said.into_iter().chain(told).collect();
        places.retain(|at| {
            let logged = &self.log[*at];
            logged.entry.id > since && !logged.replayed_to(options).is_empty()
        });
        places.sort_unstable();
        let is_others = |at: &usize| {
            let Entered { name: by, secret, what, .. } = &self.log[*at].entry;
            *by == name && *secret != options.resume && !matches!(what, What::Tell(..))
        };
        let mut gap = is_unknown;
        if options.resume.is_some() {
            floor = floor.max(told_floor);
            gap |= places.iter().any(is_others);
        }
        gap |= since < floor;
        let most = options.last.unwrap_or(if options.since.is_some() { u64::MAX } else { 0 });
        let left_out = places.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        gap |= left_out > 0;
        let gap = (gap && options.since.is_some()).then(|| b"GAP\n".to_vec());
        let lines = places[left_out..].iter().flat_map(|at| self.log[*at].replayed_to(options));
        gap.into_iter().chain(lines).collect()
    }

    /// Where in the log those entries are that a history keeps, and the last that it does not.
    fn kept(&self, told: bool) -> (Vec<usize>, Id) {
        let (mut kept, mut bytes) = (Vec::new(), 0);
        for (at, logged) in self.log.iter().enumerate().rev() {
            let Some(cost) = logged.cost(told) else { continue };
            bytes += cost;
            if kept.len() == self.limits.history || bytes > self.limits.history_bytes {
                return (kept, logged.entry.id);
            }
            kept.push(at);
        }
        (kept, self.began)
    }
}

// What has to hold.
impl World {
    fn check_bounds(&self) {
        let Registry { delivery, room, line, .. } = &self.registry;
        // What a drain has in hand is not thrown away, nor what a socket has begun to take.
        let begun = |peer: &usize| match &self.peers[*peer].drain {
            Some((hand, _)) => hand.len() + limits::ROUND + limits::CHUNK_OVERHEAD,
            None => 0,
        };
        let begun: usize = self.seats.values().map(begun).sum();
        assert!(delivery.memory() <= self.limits.memory_of_all().saturating_add(begun));
        // One who joins may get all that was said before.
        let replay = 8 * self.limits.history_bytes;
        assert!(room.round().len() <= limits::ROUND + 2 * limits::TURN + replay);
        assert!(
            delivery.lagging().iter().all(|id| !room.is_closed(*id)),
            "the closed are not judged"
        );
        assert!(line.is_empty() || !self.flushes.is_empty() || self.has_been_called());
    }

    /// Whether somebody who stood in line is about to have its turn.
    fn has_been_called(&self) -> bool {
        let called = |peer: &&usize| {
            let gate = &self.peers[**peer].waits;
            gate.as_ref().is_some_and(Receiver::is_closed)
        };
        self.seats.values().any(|peer| called(&peer))
    }

    fn check_nobody_waits(&self) {
        for peer in self.seats.values().map(|peer| &self.peers[*peer]) {
            let ends = peer.wire.ends();
            assert!(ends.deaf.is_none() || peer.joined.is_none() || peer.left.is_some());
            if peer.pace > 0 && !self.stopping {
                assert!(peer.waits.is_none(), "{} waits for nothing", peer.name);
                assert!(ends.said.is_empty() && ends.ended.is_none(), "{} is unheard", peer.name);
            }
        }
        assert!(!self.stopping || self.seats.is_empty(), "all have gone when the server stops");
        let Registry { delivery, room, line, parked, .. } = &self.registry;
        assert!(line.is_empty() && room.round().is_empty());
        if self.seats.is_empty() {
            assert!(line.is_forgotten() && parked.is_empty(), "nothing is left of those who went");
            assert_eq!(delivery.memory(), 0);
        }
    }

    /// What one peer heard is what the log holds for it, as far as it goes.
    fn check_story(&self, number: usize) {
        let peer = &self.peers[number];
        self.check_what_was_said(peer);
        let heard = peer.wire.ends().heard.clone();
        let mut heard = Lines(&heard);
        let Some(joined) = peer.joined else { return };
        let end = peer.left.unwrap_or(self.log.len());
        let live = (joined..end)
            .flat_map(|at| self.log[at].heard_by(peer).into_iter().map(move |line| (at, line)));
        let replay = peer.replay.iter().map(|line| (joined, line.clone()));
        let mut expected = replay.chain(live).peekable();
        let mut at = 0;
        let mut cut_short = false;
        let mut last_pong = 0;
        while let Some(line) = heard.next() {
            let pong = line.strip_prefix(b"PONG ").and_then(|pong| pong.strip_suffix(b"\n"));
            if let Some(token) = pong {
                let n = as_number(token);
                let is_cut = peer.wire.ends().cut;
                assert!(n >= last_pong || is_cut, "{}'s PONGs come in order", peer.name);
                last_pong = n;
                self.check_barrier(peer, n, at);
            } else if line.starts_with(b"BYE stalled") {
                cut_short = true;
            } else if !is_private(line) {
                let (place, words) = expected.next().expect("nothing that was not said to it");
                assert!(
                    words.starts_with(line) && (words.len() == line.len() || heard.0.is_empty()),
                    "{} heard {:?}, not {:?}",
                    peer.name,
                    line.escape_ascii().to_string(),
                    words.escape_ascii().to_string()
                );
                at = place;
            }
        }
        let ends = peer.wire.ends();
        let all = peer.pace > 0 && ends.deaf.is_none() && !ends.shut && !cut_short;
        assert!(!all || expected.peek().is_none(), "{} missed {:?}", peer.name, expected.peek());
        let is_heard = all && peer.left.is_none() && !ends.cut && ends.ended.is_none();
        assert!(!is_heard || last_pong == peer.pinged, "{} waits for PONG", peer.name);
    }

    /// What its lines were taken for: each once, in order.
    fn check_what_was_said(&self, peer: &Peer) {
        let mut last = 0;
        for at in &peer.entered {
            let words = match &self.log[*at].entry.what {
                What::Msg(words) | What::Data(words) | What::Tell(_, _, words) => words,
                What::Joined(_) | What::Resumed(..) | What::Left(_) | What::Note(_) => continue,
            };
            let digits = words.split(|b| *b == b' ').next().unwrap_or_default();
            let Some(n) = str::from_utf8(digits).ok().and_then(|n| n.parse::<u32>().ok()) else {
                continue;
            };
            let is_cut = peer.wire.ends().cut && Some(at) == peer.entered.last();
            assert!(n > last || is_cut, "{} said {n} after {last}", peer.name);
            last = n;
        }
    }

    /// A PONG comes after all that was said before its PING: here, after what stands in the log before
    /// that.
    fn check_barrier(&self, peer: &Peer, n: u32, at: usize) {
        let said = peer.entered.iter().rev().find(|at| match &self.log[**at].entry.what {
            What::Tell(_, _, words) => words.starts_with(format!("{n} ").as_bytes()),
            _ => false,
        });
        let Some(said) = said.copied() else { return };
        let missing = (at + 1..said).find(|at| !self.log[*at].heard_by(peer).is_empty());
        let missing = missing.filter(|at| Some(*at) > peer.joined);
        assert_eq!(missing, None, "{}'s PONG {n} overtook what came before", peer.name);
    }
}

fn as_number(digits: &[u8]) -> u32 {
    str::from_utf8(digits).ok().and_then(|n| n.parse().ok()).expect("a number")
}

/// What only this connection gets, because it has asked for it; or what may be the beginning of that.
fn is_private(line: &[u8]) -> bool {
    let words = [&b"HELLO "[..], b"OK ", b"PONG", b"WHO ", b"HELP ", b"ERR ", b"BYE"];
    words.iter().any(|word| line.starts_with(word) || word.starts_with(line))
}

/// Lines with their payloads.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.0.iter().position(|b| *b == b'\n').map_or(self.0.len(), |at| at + 1);
        let (_, words) = Id::stamped(&self.0[..line]);
        let words: Vec<&[u8]> = words.trim_ascii_end().split(|b| *b == b' ').collect();
        let payload = match words[..] {
            [b"DATA", _, len] => str::from_utf8(len).ok()?.parse::<usize>().ok()? + 1,
            _ => 0,
        };
        let (line, rest) = self.0.split_at((line + payload).min(self.0.len()));
        self.0 = rest;
        (!line.is_empty()).then_some(line)
    }
}

/// xorshift64*: the same each time, which is all that is wanted.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 |= 1;
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap_or(0) % n
    }
}
