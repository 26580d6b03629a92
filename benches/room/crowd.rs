//! The load: every client of a run in one thread, which polls without sleeping, so that the server
//! never pays for waking it.

use crate::process::Result;
use crate::wire::{self, MARK, PAYLOAD, Wire};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// The room is stuck when messages are under way and nothing has come for so long.
pub const STANDSTILL: Duration = Duration::from_secs(5);
/// Silence after which nothing more is expected.
pub const QUIET: Duration = Duration::from_millis(100);

/// How long a poll may sleep: not at all, unless there is but one CPU to share.
pub fn nap(spin: bool) -> Timespec {
    Timespec { tv_sec: 0, tv_nsec: if spin { 0 } else { 1_000_000 } }
}

/// What is wrong with bytes that begin like this.
pub fn torn(bytes: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(bytes).chars().take(80).collect();
    format!("lost, doubled, out of order or torn at {shown:?}")
}

/// All clients of one run, numbered in the order in which they were opened.
pub struct Crowd {
    wire: Wire,
    addr: SocketAddr,
    epoll: OwnedFd,
    nap: Timespec,
    events: Vec<epoll::Event>,
    scratch: Vec<u8>,
    clients: Vec<Client>,
    /// How many were ever opened: the next one's name.
    opened: usize,
    joining: usize,
    /// Clients with something to send.
    spoke: Vec<usize>,
    counts: Counts,
    /// What witnesses have got since somebody last took it.
    pub heard: Vec<Heard>,
}

struct Client {
    id: usize,
    stream: TcpStream,
    stage: Stage,
    unsent: Vec<u8>,
    /// The end of what came while joining.
    greeting: Vec<u8>,
    said: u64,
    /// Messages it has got or said itself.
    seen: u64,
    witness: Option<Box<Witness>>,
}

/// How far a client is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Joining(usize),
    In,
    Leaving,
    Gone,
}

/// What everybody together has sent and got.
#[derive(Default)]
struct Counts {
    /// The clients before this number are counted: each must get each message once.
    members: usize,
    /// What stands before each sender's texts.
    leads: Vec<Vec<u8>>,
    sent: u64,
    deliveries: u64,
    bytes: usize,
    front: Front,
}

/// A message that a witness got.
pub struct Heard {
    pub client: usize,
    pub sender: usize,
    pub count: u64,
    pub at: Instant,
}

impl Crowd {
    pub fn new(wire: Wire, addr: SocketAddr, spin: bool) -> Result<Self> {
        Ok(Self {
            wire,
            addr,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            nap: nap(spin),
            events: Vec::with_capacity(1024),
            scratch: vec![0; 256 * 1024],
            clients: Vec::new(),
            opened: 0,
            joining: 0,
            spoke: Vec::new(),
            counts: Counts::default(),
            heard: Vec::new(),
        })
    }

    /// Brings `more` clients in, at most `at_once` of them joining at a time.
    pub fn join(&mut self, more: usize, at_once: usize) -> Result<()> {
        let begun = Instant::now();
        let all = self.clients.len() + more;
        while self.clients.len() < all || self.joining > 0 {
            while self.clients.len() < all && self.joining < at_once {
                self.open(self.clients.len())?;
            }
            self.poll()?;
            if begun.elapsed() > JOIN_LIMIT {
                let there = self.clients.len() - self.joining;
                return Err(format!("{there} of {all} had joined after {JOIN_LIMIT:?}").into());
            }
        }
        Ok(())
    }

    /// Opens client number `at`, a new one or again one that is gone, and begins to join.
    pub fn open(&mut self, at: usize) -> Result<()> {
        let stream = TcpStream::connect_timeout(&self.addr, CONNECT_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(at as u64), EventFlags::IN)?;
        let id = self.opened;
        let (unsent, _) = self.wire.join(0, id).unwrap_or_default();
        let (stage, greeting) = (Stage::Joining(0), vec![b'\n']);
        let client =
            Client { id, stream, stage, unsent, greeting, said: 0, seen: 0, witness: None };
        match self.clients.get_mut(at) {
            Some(gone) => *gone = client,
            None => self.clients.push(client),
        }
        self.opened += 1;
        self.joining += 1;
        self.flush(at)
    }

    /// How many clients were ever opened.
    pub fn opened(&self) -> usize {
        self.opened
    }

    pub fn stage(&self, at: usize) -> Stage {
        self.clients[at].stage
    }

    /// Says goodbye. The client is [`Stage::Gone`] once the server has closed.
    pub fn leave(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        client.stage = Stage::Leaving;
        match self.wire.leave() {
            Some(words) => client.unsent.extend_from_slice(words),
            None => client.stream.shutdown(Shutdown::Write)?,
        }
        self.flush(at)
    }

    /// From now on client number `at` reads nothing, and has little room for what comes.
    pub fn stall(&mut self, at: usize) -> Result<()> {
        let stream = &self.clients[at].stream;
        rustix::net::sockopt::set_socket_recv_buffer_size(stream, 2048)?;
        Ok(epoll::delete(&self.epoll, stream)?)
    }

    /// Polls until nothing has come for a while.
    pub fn settle(&mut self) -> Result<()> {
        let begun = Instant::now();
        let (mut bytes, mut since) = (self.counts.bytes, begun);
        while since.elapsed() < QUIET && begun.elapsed() < JOIN_LIMIT {
            self.poll()?;
            if self.counts.bytes != bytes {
                (bytes, since) = (self.counts.bytes, Instant::now());
            }
        }
        Ok(())
    }

    /// Counts from here: the first `senders` of those who are in will speak, at most `window`
    /// messages ahead of the slowest; `witnesses` check every word.
    pub fn start(&mut self, senders: usize, window: u64, witnesses: &[usize]) -> Result<()> {
        self.settle()?;
        let members = self.clients.len();
        let leads = (0..senders).map(|sender| self.wire.lead(sender)).collect();
        let front = Front::new(window, members);
        self.counts = Counts { members, leads, front, ..Counts::default() };
        for at in witnesses {
            self.clients[*at].witness = Some(Box::new(Witness::new(senders)));
        }
        Ok(())
    }

    /// Sends in a closed loop for `time`, then waits until every member has everything; says how
    /// many deliveries that were, and in how many seconds.
    pub fn chat(&mut self, window: u64, time: Duration) -> Result<(f64, f64)> {
        let (begun, before) = (Instant::now(), self.counts.deliveries);
        let senders = self.counts.leads.len() as u64;
        let (mut deliveries, mut since) = (before, begun);
        loop {
            let now = Instant::now();
            let arrived = self.counts.arrived();
            if now - begun < time {
                while self.counts.sent - arrived < window {
                    self.say((self.counts.sent % senders) as usize)?;
                }
                self.flush_all()?;
            } else if arrived == self.counts.sent {
                break;
            }
            self.poll()?;
            self.heard.clear();
            if self.counts.deliveries != deliveries {
                (deliveries, since) = (self.counts.deliveries, now);
            } else if now - since > STANDSTILL {
                return Err(self.standstill().into());
            }
        }
        Ok(((self.counts.deliveries - before) as f64, begun.elapsed().as_secs_f64()))
    }

    fn standstill(&self) -> String {
        let members = &self.clients[..self.counts.members];
        let last = members.iter().min_by_key(|client| client.seen).map(|last| (last.id, last.seen));
        let ((id, seen), sent) = (last.unwrap_or_default(), self.counts.sent);
        format!("stood still for {STANDSTILL:?}, u{id} with {seen} of {sent} messages")
    }

    /// Queues the next message of client number `at`.
    pub fn say(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        if client.unsent.is_empty() {
            self.spoke.push(at);
        }
        self.wire.say(&wire::payload(at, client.said), &mut client.unsent);
        client.said += 1;
        self.counts.sent += 1;
        if self.wire.echoes() { Ok(()) } else { self.counts.saw(client, 1) }
    }

    /// Sends what was said.
    pub fn flush_all(&mut self) -> Result<()> {
        while let Some(at) = self.spoke.pop() {
            self.flush(at)?;
        }
        Ok(())
    }

    /// Sends at once or not at all: a window is so much less than a socket takes that one which
    /// is full is a server that has stopped reading.
    fn flush(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        let sent = client.stream.write_all(&client.unsent);
        client.unsent.clear();
        sent.map_err(|e| format!("u{} cannot send: {e}", client.id).into())
    }

    /// Whether every member has every message.
    pub fn all_arrived(&mut self) -> bool {
        self.counts.arrived() == self.counts.sent
    }

    /// Fails unless every message has reached every member once, and nothing else has.
    pub fn finish(&mut self) -> Result<()> {
        self.settle()?;
        let Counts { members, sent, deliveries, .. } = self.counts;
        let due = sent * (members as u64 - u64::from(!self.wire.echoes()));
        if deliveries != due {
            return Err(format!("{deliveries} deliveries instead of {due}").into());
        }
        for client in &self.clients[..members] {
            if client.seen != sent {
                return Err(format!("u{} got {} of {sent}", client.id, client.seen).into());
            }
            for (sender, next) in client.witness.iter().flat_map(|w| w.next.iter().enumerate()) {
                let said = self.clients[sender].said;
                if *next != said && (sender != client.id || self.wire.echoes()) {
                    return Err(format!("u{} got {next} of u{sender}'s {said}", client.id).into());
                }
            }
        }
        Ok(())
    }

    /// Takes what has come, from whoever is ready.
    pub fn poll(&mut self) -> Result<()> {
        let mut events = std::mem::take(&mut self.events);
        let mut scratch = std::mem::take(&mut self.scratch);
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&self.nap))?;
        for event in events.drain(..) {
            self.read(event.data.u64() as usize, &mut scratch)?;
        }
        (self.events, self.scratch) = (events, scratch);
        Ok(())
    }

    fn read(&mut self, at: usize, scratch: &mut [u8]) -> Result<()> {
        let client = &mut self.clients[at];
        let length = match client.stream.read(scratch) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Ok(0) if client.stage == Stage::Leaving => {
                client.stage = Stage::Gone;
                return Ok(epoll::delete(&self.epoll, &client.stream)?);
            }
            Ok(0) => return Err(format!("u{} was sent away", client.id).into()),
            Err(e) => return Err(format!("u{} was lost: {e}", client.id).into()),
            Ok(length) => length,
        };
        self.counts.bytes += length;
        match client.stage {
            Stage::Joining(step) => self.greeted(at, step, &scratch[..length]),
            _ if at < self.counts.members => self.listen(at, &scratch[..length]),
            _ => Ok(()),
        }
    }

    fn greeted(&mut self, at: usize, step: usize, bytes: &[u8]) -> Result<()> {
        let client = &mut self.clients[at];
        client.greeting.extend_from_slice(bytes);
        let Some((_, awaited)) = self.wire.join(step, client.id) else { return Ok(()) };
        if !client.greeting.windows(awaited.len()).any(|words| words == awaited) {
            client.greeting.drain(..client.greeting.len().saturating_sub(awaited.len()));
            return Ok(());
        }
        client.greeting = Vec::new();
        if let Some((words, _)) = self.wire.join(step + 1, client.id) {
            client.stage = Stage::Joining(step + 1);
            client.unsent.extend(words);
            return self.flush(at);
        }
        client.stage = Stage::In;
        self.joining -= 1;
        Ok(())
    }

    fn listen(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let client = &mut self.clients[at];
        let messages = wire::deliveries(bytes);
        self.counts.deliveries += messages;
        self.counts.saw(client, messages)?;
        let Some(witness) = &mut client.witness else { return Ok(()) };
        let now = Instant::now();
        let wrong = witness.take(bytes, &self.counts.leads, |sender, count| {
            self.heard.push(Heard { client: at, sender, count, at: now });
        });
        wrong.map_err(|wrong| format!("u{}: {wrong}", client.id).into())
    }
}

impl Counts {
    fn saw(&mut self, client: &mut Client, messages: u64) -> Result<()> {
        self.front.moved(client.seen, client.seen + messages);
        client.seen += messages;
        if client.seen > self.sent {
            return Err(format!("u{} got a message twice", client.id).into());
        }
        Ok(())
    }

    fn arrived(&mut self) -> u64 {
        self.front.slowest(self.sent)
    }
}

/// How far the slowest member is, without asking them all: how many members have seen how many
/// messages, as far as that can differ.
#[derive(Default)]
struct Front {
    slowest: u64,
    members: Vec<u32>,
}

impl Front {
    fn new(window: u64, members: usize) -> Self {
        // A power of two, so that the remainder costs nothing.
        let mut seen = vec![0; (window as usize + 2).next_power_of_two()];
        seen[0] = members as u32;
        Self { slowest: 0, members: seen }
    }

    fn at(&mut self, seen: u64) -> &mut u32 {
        let mask = self.members.len() - 1;
        &mut self.members[seen as usize & mask]
    }

    fn moved(&mut self, from: u64, to: u64) {
        *self.at(from) -= 1;
        *self.at(to) += 1;
    }

    fn slowest(&mut self, sent: u64) -> u64 {
        while self.slowest < sent && *self.at(self.slowest) == 0 {
            self.slowest += 1;
        }
        self.slowest
    }
}

/// Reads every word a member gets: each sender's messages must come whole, once and in order.
struct Witness {
    unread: Vec<u8>,
    next: Vec<u64>,
}

impl Witness {
    fn new(senders: usize) -> Self {
        Self { unread: vec![b'\n'], next: vec![0; senders] }
    }

    fn take(
        &mut self,
        bytes: &[u8],
        leads: &[Vec<u8>],
        mut heard: impl FnMut(usize, u64),
    ) -> std::result::Result<(), String> {
        self.unread.extend_from_slice(bytes);
        let mut read = 0;
        while let Some(found) = wire::find(MARK, &self.unread[read..]) {
            let at = read + found;
            let Some(text) = self.unread.get(at..at + PAYLOAD) else { break };
            let sender = wire::sender(text).filter(|sender| {
                let next = self.next.get(*sender);
                next.is_some_and(|next| text == wire::payload(*sender, *next))
                    && self.unread[..at].ends_with(&leads[*sender])
            });
            let Some(sender) = sender else {
                return Err(torn(&self.unread[at.saturating_sub(16)..]));
            };
            heard(sender, self.next[sender]);
            self.next[sender] += 1;
            read = at + PAYLOAD;
        }
        self.unread.drain(..read);
        Ok(())
    }
}
