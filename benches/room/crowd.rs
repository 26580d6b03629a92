//! The load: every client of a run in one thread, which polls without sleeping, so that the server
//! never pays for waking it.

use crate::wire::{self, MARK, PAYLOAD, Wire};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{Timespec, epoll::Event};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// A failure is one sentence for the person who reads the table.
pub type Result<T> = std::result::Result<T, String>;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const JOIN_LIMIT: Duration = Duration::from_secs(60);
/// The room is stuck when messages are under way and nothing has come for so long.
const STANDSTILL: Duration = Duration::from_secs(5);
/// Silence after which nothing more is expected.
const QUIET: Duration = Duration::from_millis(100);
const SCRATCH: usize = 256 * 1024;

/// All clients of one run, numbered in the order in which they were opened.
pub struct Crowd {
    wire: Wire,
    addr: SocketAddr,
    epoll: OwnedFd,
    /// How long a poll may sleep: not at all, unless there is but one CPU to share.
    nap: Timespec,
    events: Vec<Event>,
    scratch: Vec<u8>,
    clients: Vec<Client>,
    /// How many were ever opened: the next one's name.
    opened: usize,
    joining: usize,
    /// Clients with something new to send.
    spoke: Vec<usize>,
    /// The clients before this number are counted: each must get each message once.
    members: usize,
    leads: Vec<Vec<u8>>,
    front: Front,
    sent: u64,
    deliveries: u64,
    bytes: u64,
    heard: Vec<Heard>,
}

struct Client {
    id: usize,
    stream: TcpStream,
    stage: Stage,
    unsent: Vec<u8>,
    blocked: bool,
    /// The end of what came while joining.
    greeting: Vec<u8>,
    said: u64,
    /// Messages it has got or said itself.
    seen: u64,
    witness: Option<Box<Witness>>,
}

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Joining(usize),
    In,
    Leaving,
    Gone,
}

/// A message that a witness got.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub client: usize,
    pub sender: usize,
    pub count: u64,
    pub at: Instant,
}

/// What a stretch of chat came to.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    pub deliveries: f64,
    pub seconds: f64,
}

impl Crowd {
    pub fn new(wire: Wire, addr: SocketAddr, spin: bool) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| e.to_string())?;
        let nap = Timespec { tv_sec: 0, tv_nsec: if spin { 0 } else { 1_000_000 } };
        Ok(Self {
            wire,
            addr,
            epoll,
            nap,
            events: Vec::with_capacity(1024),
            scratch: vec![0; SCRATCH],
            clients: Vec::new(),
            opened: 0,
            joining: 0,
            spoke: Vec::new(),
            members: 0,
            leads: Vec::new(),
            front: Front::default(),
            sent: 0,
            deliveries: 0,
            bytes: 0,
            heard: Vec::new(),
        })
    }

    /// Brings `more` clients in, at most `at_once` of them joining at a time; says how long it took.
    pub fn join(&mut self, more: usize, at_once: usize) -> Result<Duration> {
        let begun = Instant::now();
        let all = self.clients.len() + more;
        while self.clients.len() < all || self.joining > 0 {
            while self.clients.len() < all && self.joining < at_once {
                self.open(self.clients.len())?;
            }
            self.poll()?;
            if begun.elapsed() > JOIN_LIMIT {
                let there = self.clients.len() - self.joining;
                return Err(format!("{there} of {all} had joined after {JOIN_LIMIT:?}"));
            }
        }
        Ok(begun.elapsed())
    }

    /// Opens client number `at`, a new one or again one that is gone, and begins to join.
    pub fn open(&mut self, at: usize) -> Result<()> {
        let stream = connect(self.addr).map_err(|e| format!("cannot connect: {e}"))?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(at as u64), EventFlags::IN)
            .map_err(|e| e.to_string())?;
        let (unsent, _) = self.wire.join(0, self.opened).unwrap_or_default();
        let client = Client {
            id: self.opened,
            stream,
            stage: Stage::Joining(0),
            unsent,
            blocked: false,
            greeting: vec![b'\n'],
            said: 0,
            seen: 0,
            witness: None,
        };
        if at == self.clients.len() {
            self.clients.push(client);
        } else {
            self.clients[at] = client;
        }
        self.opened += 1;
        self.joining += 1;
        self.flush(at)
    }

    pub fn stage(&self, at: usize) -> Stage {
        self.clients[at].stage
    }

    /// How many clients were ever opened.
    pub fn opened(&self) -> usize {
        self.opened
    }

    /// Says goodbye. The client is [`Stage::Gone`] once the server has closed.
    pub fn leave(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        client.stage = Stage::Leaving;
        match self.wire.leave() {
            Some(words) => client.unsent.extend_from_slice(words),
            None => client.stream.shutdown(Shutdown::Write).map_err(|e| e.to_string())?,
        }
        self.flush(at)
    }

    /// From now on client number `at` reads nothing, and has little room for what comes.
    pub fn stall(&mut self, at: usize) -> Result<()> {
        let stream = &self.clients[at].stream;
        rustix::net::sockopt::set_socket_recv_buffer_size(stream, 2048)
            .and_then(|()| epoll::delete(&self.epoll, stream))
            .map_err(|e| e.to_string())
    }

    /// Polls until nothing has come for a while.
    pub fn settle(&mut self) -> Result<()> {
        let begun = Instant::now();
        let (mut bytes, mut since) = (self.bytes, begun);
        while since.elapsed() < QUIET && begun.elapsed() < JOIN_LIMIT {
            self.poll()?;
            if self.bytes != bytes {
                (bytes, since) = (self.bytes, Instant::now());
            }
        }
        Ok(())
    }

    /// Counts from here: `senders` of the clients that are in will speak, at most `window` messages
    /// ahead of the slowest; `witnesses` check every word.
    pub fn start(&mut self, senders: usize, window: u64, witnesses: &[usize]) -> Result<()> {
        self.settle()?;
        self.members = self.clients.len();
        self.leads = (0..senders).map(|sender| self.wire.lead(sender)).collect();
        self.front = Front::new(window, self.members);
        for at in witnesses {
            self.clients[*at].witness = Some(Box::new(Witness::new(senders)));
        }
        Ok(())
    }

    /// Sends in a closed loop for `time`, then waits until every member has everything.
    pub fn chat(&mut self, senders: usize, window: u64, time: Duration) -> Result<Tally> {
        let (begun, before) = (Instant::now(), self.deliveries);
        let (mut deliveries, mut since) = (before, begun);
        loop {
            let now = Instant::now();
            let arrived = self.front.slowest(self.sent);
            if now - begun < time {
                while self.sent - arrived < window {
                    self.say((self.sent % senders as u64) as usize)?;
                }
                self.flush_all()?;
            } else if arrived == self.sent {
                break;
            }
            self.poll()?;
            self.heard.clear();
            if self.deliveries != deliveries {
                (deliveries, since) = (self.deliveries, now);
            } else if now - since > STANDSTILL {
                return Err(format!("stood still for {STANDSTILL:?}"));
            }
        }
        Ok(Tally {
            deliveries: (self.deliveries - before) as f64,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    /// Queues the next message of client number `at`.
    pub fn say(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        if client.unsent.is_empty() {
            self.spoke.push(at);
        }
        self.wire.say(&wire::payload(at, client.said), &mut client.unsent);
        client.said += 1;
        self.sent += 1;
        if self.wire.echoes() { Ok(()) } else { self.saw(at, 1) }
    }

    /// Sends what was said.
    pub fn flush_all(&mut self) -> Result<()> {
        while let Some(at) = self.spoke.pop() {
            self.flush(at)?;
        }
        Ok(())
    }

    /// Whether every member has every message.
    pub fn all_arrived(&mut self) -> bool {
        self.front.slowest(self.sent) == self.sent
    }

    /// What witnesses have got since this was last asked.
    pub fn heard(&mut self) -> std::vec::Drain<'_, Heard> {
        self.heard.drain(..)
    }

    /// Fails unless every message has reached every member once, and nothing else has.
    pub fn finish(&mut self) -> Result<()> {
        self.settle()?;
        let others = self.members as u64 - u64::from(!self.wire.echoes());
        if self.deliveries != self.sent * others {
            return Err(format!("{} deliveries, not {}", self.deliveries, self.sent * others));
        }
        for client in &self.clients[..self.members] {
            if client.seen != self.sent {
                return Err(format!("u{} got {} of {}", client.id, client.seen, self.sent));
            }
            let Some(witness) = &client.witness else { continue };
            for (sender, next) in witness.next.iter().enumerate() {
                let said = self.clients[sender].said;
                if *next != said && (sender != client.id || self.wire.echoes()) {
                    return Err(format!("u{} got {next} of u{sender}'s {said}", client.id));
                }
            }
        }
        Ok(())
    }

    /// Takes what has come, from whoever is ready.
    pub fn poll(&mut self) -> Result<()> {
        let mut events = std::mem::take(&mut self.events);
        let mut scratch = std::mem::take(&mut self.scratch);
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&self.nap))
            .map_err(|e| e.to_string())?;
        for event in events.drain(..) {
            let at = event.data.u64() as usize;
            let flags = event.flags;
            if flags.contains(EventFlags::OUT) {
                self.flush(at)?;
            }
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                self.read(at, &mut scratch)?;
            }
        }
        (self.events, self.scratch) = (events, scratch);
        Ok(())
    }

    fn read(&mut self, at: usize, scratch: &mut [u8]) -> Result<()> {
        match self.clients[at].stream.read(scratch) {
            Ok(0) => self.closed(at, "the server closed"),
            Ok(length) => {
                self.bytes += length as u64;
                match self.clients[at].stage {
                    Stage::Joining(step) => self.greeted(at, step, &scratch[..length]),
                    _ if at < self.members => self.listen(at, &scratch[..length]),
                    _ => Ok(()),
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(e) => self.closed(at, &e.to_string()),
        }
    }

    fn closed(&mut self, at: usize, why: &str) -> Result<()> {
        let client = &mut self.clients[at];
        if client.stage != Stage::Leaving {
            let words = String::from_utf8_lossy(&client.greeting);
            return Err(format!("u{} was lost: {why} {words}", client.id).trim_end().to_owned());
        }
        client.stage = Stage::Gone;
        epoll::delete(&self.epoll, &client.stream).map_err(|e| e.to_string())
    }

    fn greeted(&mut self, at: usize, step: usize, bytes: &[u8]) -> Result<()> {
        let client = &mut self.clients[at];
        client.greeting.extend_from_slice(bytes);
        let Some((_, awaited)) = self.wire.join(step, client.id) else { return Ok(()) };
        if !client.greeting.windows(awaited.len()).any(|words| words == awaited) {
            let old = client.greeting.len().saturating_sub(64);
            client.greeting.drain(..old);
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
        let messages = wire::deliveries(bytes);
        self.deliveries += messages;
        self.saw(at, messages)?;
        let client = &mut self.clients[at];
        let Some(witness) = &mut client.witness else { return Ok(()) };
        let now = Instant::now();
        witness
            .take(bytes, &self.leads, |sender, count| {
                self.heard.push(Heard { client: at, sender, count, at: now });
            })
            .map_err(|wrong| format!("u{}: {wrong}", client.id))
    }

    fn saw(&mut self, at: usize, messages: u64) -> Result<()> {
        let client = &mut self.clients[at];
        self.front.moved(client.seen, client.seen + messages);
        client.seen += messages;
        if client.seen > self.sent {
            return Err(format!("u{} got a message twice", client.id));
        }
        Ok(())
    }

    fn flush(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        while !client.unsent.is_empty() {
            match client.stream.write(&client.unsent) {
                Ok(sent) => drop(client.unsent.drain(..sent)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(format!("u{} was lost: {e}", client.id)),
            }
        }
        let blocked = !client.unsent.is_empty();
        if client.blocked != blocked {
            client.blocked = blocked;
            let out = if blocked { EventFlags::OUT } else { EventFlags::empty() };
            let data = EventData::new_u64(at as u64);
            epoll::modify(&self.epoll, &client.stream, data, EventFlags::IN | out)
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

fn connect(addr: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, CONNECT_LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
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
    ) -> Result<()> {
        self.unread.extend_from_slice(bytes);
        let mut read = 0;
        while let Some(found) = wire::find(MARK, &self.unread[read..]) {
            let at = read + found;
            let Some(text) = self.unread.get(at..at + PAYLOAD) else { break };
            let sender = wire::sender(text).filter(|sender| *sender < self.next.len());
            let as_said = sender.is_some_and(|sender| {
                text == wire::payload(sender, self.next[sender])
                    && self.unread[..at].ends_with(&leads[sender])
            });
            let Some(sender) = sender.filter(|_| as_said) else {
                let from = at.saturating_sub(16);
                let shown = String::from_utf8_lossy(&self.unread[from..at + PAYLOAD]);
                return Err(format!("lost, doubled, out of order or torn at {shown:?}"));
            };
            heard(sender, self.next[sender]);
            self.next[sender] += 1;
            read = at + PAYLOAD;
        }
        self.unread.drain(..read);
        Ok(())
    }
}
