//! Long messages: one who says them and those who hear them, in one thread, which polls without
//! sleeping. Every byte that is heard is compared.

use crate::crowd::{QUIET, STANDSTILL, nap, torn};
use crate::process::Result;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// A line's text where a long message goes as lines: with its verb and a name, no line is longer
/// than the 4,096 bytes that may be sent.
const LINE: usize = 4000;
const GREETING_LIMIT: Duration = Duration::from_secs(5);

/// How a long message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One to one: who gets it acknowledges it.
    Direct,
    /// The same bytes, to one who sends them back.
    Echo,
    /// To a room, as one payload.
    Data,
    /// To a room, as lines.
    Lines,
}

impl Way {
    /// The bytes that say message number `id`.
    fn say(self, id: u64, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Direct | Self::Echo => frame(&format!("DATA {id} {}", payload.len()), payload),
            Self::Data => frame(&format!("DATA {}", payload.len()), payload),
            Self::Lines => lines(b"MSG ", payload),
        }
    }

    /// The bytes by which each of those who hear knows that it has arrived.
    fn hear(self, id: u64, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Direct => format!("ACK {id}\n").into(),
            Self::Echo => self.say(id, payload),
            Self::Data => frame(&format!("DATA u0 {}", payload.len()), payload),
            Self::Lines => lines(b"MSG u0 ", payload),
        }
    }

    /// Bytes of all kinds, as far as they can be said.
    fn payload(self, len: usize) -> Vec<u8> {
        let kinds = if self == Self::Lines { b'a'..=b'z' } else { 0..=255 };
        kinds.cycle().take(len).collect()
    }

    /// Connects the client of this number and brings it in.
    fn enter(self, addr: SocketAddr, number: usize) -> Result<TcpStream> {
        let begun = Instant::now();
        loop {
            let mut stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(GREETING_LIMIT))?;
            let greeted = match self {
                Self::Echo => true,
                // Whoever looked whether it listens may still be its peer.
                Self::Direct => greet(&mut stream, "HELLO smoltalk-direct/1 u0\n", "HELLO ")?,
                Self::Data => greet(&mut stream, &format!("JOIN u{number} data\n"), "OK ")?,
                Self::Lines => greet(&mut stream, &format!("JOIN u{number}\n"), "OK ")?,
            };
            if greeted {
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            if begun.elapsed() > GREETING_LIMIT {
                return Err(format!("u{number} was not let in").into());
            }
        }
    }
}

fn frame(head: &str, payload: &[u8]) -> Vec<u8> {
    [head.as_bytes(), b"\n", payload, b"\n"].concat()
}

fn lines(lead: &[u8], payload: &[u8]) -> Vec<u8> {
    payload.chunks(LINE).flat_map(|text| [lead, text, b"\n"].concat()).collect()
}

/// Says `words`; whether a line with `answer` came, before any refusal. Nothing follows it.
fn greet(stream: &mut TcpStream, words: &str, answer: &str) -> Result<bool> {
    stream.write_all(words.as_bytes())?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line.starts_with(answer) || line.starts_with("ERR ") {
            return Ok(line.starts_with(answer));
        }
    }
    Ok(false)
}

/// One who speaks, and everybody who hears.
pub struct Exchange {
    way: Way,
    payload: Vec<u8>,
    speaker: TcpStream,
    unsent: Vec<u8>,
    listeners: Vec<Listener>,
    epoll: OwnedFd,
    nap: Timespec,
    events: Vec<epoll::Event>,
    scratch: Vec<u8>,
    /// How many messages have arrived everywhere.
    arrived: u64,
    /// Those that have been said since, the oldest first.
    under_way: VecDeque<Message>,
}

struct Listener {
    stream: TcpStream,
    /// Messages heard whole, and bytes of the next.
    heard: u64,
    part: usize,
}

struct Message {
    said: Instant,
    awaited: Vec<u8>,
}

impl Exchange {
    /// Connects to `addr`: a speaker and, in a room, `listeners`; one to one, the speaker hears the
    /// answers. Messages have `len` bytes.
    pub fn new(
        way: Way,
        addr: SocketAddr,
        listeners: usize,
        len: usize,
        spin: bool,
    ) -> Result<Self> {
        let speaker = way.enter(addr, 0)?;
        let streams = match way {
            Way::Direct | Way::Echo => vec![speaker.try_clone()?],
            Way::Data | Way::Lines => {
                (1..=listeners).map(|number| way.enter(addr, number)).collect::<Result<_>>()?
            }
        };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (at, stream) in streams.iter().enumerate() {
            epoll::add(&epoll, stream, EventData::new_u64(at as u64), EventFlags::IN)?;
        }
        let listener = |stream| Listener { stream, heard: 0, part: 0 };
        Ok(Self {
            way,
            payload: way.payload(len),
            speaker,
            unsent: Vec::new(),
            listeners: streams.into_iter().map(listener).collect(),
            epoll,
            nap: nap(spin),
            events: Vec::with_capacity(128),
            scratch: vec![0; 256 * 1024],
            arrived: 0,
            under_way: VecDeque::new(),
        })
    }

    /// Speaks for `time`, with at most `window` messages under way, and waits until all have
    /// arrived. How long each took, and everything together.
    pub fn speak(&mut self, window: usize, time: Duration) -> Result<(Vec<Duration>, Duration)> {
        let begun = Instant::now();
        let (mut trips, mut since) = (Vec::new(), begun);
        loop {
            let now = Instant::now();
            if now - begun >= time && self.under_way.is_empty() {
                return Ok((trips, now - begun));
            }
            while now - begun < time && self.under_way.len() < window {
                self.say()?;
            }
            self.flush()?;
            self.poll()?;
            let before = trips.len();
            self.collect(&mut trips);
            if trips.len() > before {
                since = now;
            } else if now - since > STANDSTILL {
                return Err(format!("stood still for {STANDSTILL:?}").into());
            }
        }
    }

    /// Fails if anything comes that was not awaited.
    pub fn finish(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < QUIET {
            self.poll()?;
        }
        Ok(())
    }

    fn say(&mut self) -> Result<()> {
        let id = self.arrived + self.under_way.len() as u64 + 1;
        self.unsent.extend(self.way.say(id, &self.payload));
        let said = Instant::now();
        self.flush()?;
        self.under_way.push_back(Message { said, awaited: self.way.hear(id, &self.payload) });
        Ok(())
    }

    /// Sends what the socket takes.
    fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.speaker.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(format!("u0 cannot send: {e}").into()),
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<()> {
        let mut events = std::mem::take(&mut self.events);
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&self.nap))?;
        for event in events.drain(..) {
            let listener = &mut self.listeners[event.data.u64() as usize];
            let length = match listener.stream.read(&mut self.scratch) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => continue,
                Ok(0) => return Err("a listener was sent away".into()),
                length => length?,
            };
            listener.hear(&self.scratch[..length], self.arrived, &self.under_way)?;
        }
        self.events = events;
        Ok(())
    }

    /// Takes the messages off that have arrived everywhere.
    fn collect(&mut self, trips: &mut Vec<Duration>) {
        let slowest = self.listeners.iter().map(|listener| listener.heard).min();
        while slowest > Some(self.arrived) {
            trips.extend(self.under_way.pop_front().map(|message| message.said.elapsed()));
            self.arrived += 1;
        }
    }
}

impl Listener {
    fn hear(&mut self, mut bytes: &[u8], arrived: u64, said: &VecDeque<Message>) -> Result<()> {
        while !bytes.is_empty() {
            let Some(message) = said.get((self.heard - arrived) as usize) else {
                return Err("more came than was said".into());
            };
            let awaited = &message.awaited[self.part..];
            let (next, rest) = bytes.split_at(bytes.len().min(awaited.len()));
            if next != &awaited[..next.len()] {
                return Err(torn(next).into());
            }
            self.part += next.len();
            if self.part == message.awaited.len() {
                (self.heard, self.part) = (self.heard + 1, 0);
            }
            bytes = rest;
        }
        Ok(())
    }
}
