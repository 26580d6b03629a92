//! The floor: the least work that a one-room broadcast can cost. Everything is compared with it.
//!
//! One thread and epoll. A round reads every ready socket and renders each message once; then it is
//! one `send` for each member. No check of names, no notices, no limits but one: not a chat server.

use crate::wire::find;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;

const SCRATCH: usize = 256 * 1024;
/// A round of so many bytes is sent before more is read.
const ROUND: usize = 256 * 1024;
/// A member that is further behind than this is dropped.
const BACKLOG: usize = 8 * 1024 * 1024;
const LISTENER: u64 = u64::MAX;

struct Floor {
    epoll: OwnedFd,
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    members: usize,
    round: Vec<u8>,
    /// Who wrote which part of the round.
    parts: Vec<(usize, Range<usize>)>,
}

struct Seat {
    stream: TcpStream,
    name: Vec<u8>,
    unfinished: Vec<u8>,
    backlog: Vec<u8>,
    spoke: bool,
}

/// Serves 127.0.0.1:`port` until it is killed.
pub fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    // The standard library asks for a backlog of 128; a room of thousands arrives at once.
    rustix::net::listen(&listener, 4096)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut floor = Floor {
        epoll,
        seats: Vec::new(),
        free: Vec::new(),
        members: 0,
        round: Vec::new(),
        parts: Vec::new(),
    };
    let mut events = Vec::with_capacity(1024);
    let mut scratch = vec![0; SCRATCH];
    loop {
        epoll::wait(&floor.epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let (at, flags) = (event.data.u64(), event.flags);
            if at == LISTENER {
                floor.accept(&listener)?;
                continue;
            }
            // An event may name a client that has gone meanwhile, even another in its place: that
            // one has nothing to read then.
            let at = at as usize;
            if flags.contains(EventFlags::OUT) {
                floor.send(at, &[]);
            }
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                floor.read(at, &mut scratch);
            }
        }
        floor.end_round();
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let at = self.free.pop().unwrap_or(self.seats.len());
            epoll::add(&self.epoll, &stream, EventData::new_u64(at as u64), EventFlags::IN)?;
            if at == self.seats.len() {
                self.seats.push(None);
            }
            self.seats[at] = Some(Seat {
                stream,
                name: Vec::new(),
                unfinished: Vec::new(),
                backlog: Vec::new(),
                spoke: false,
            });
            self.send(at, b"HELLO floor\n");
        }
    }

    /// Takes what a client wrote.
    fn read(&mut self, at: usize, scratch: &mut [u8]) {
        let Some(seat) = &mut self.seats[at] else { return };
        let length = match seat.stream.read(scratch) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Ok(0) | Err(_) => return self.forget(at),
            Ok(length) => length,
        };
        let mut joined = std::mem::take(&mut seat.unfinished);
        let mut bytes = &scratch[..length];
        if !joined.is_empty() {
            joined.extend_from_slice(bytes);
            bytes = &joined;
        }
        while let Some(end) = find(b'\n', bytes) {
            self.line(at, &bytes[..end]);
            bytes = &bytes[end + 1..];
        }
        if let Some(seat) = &mut self.seats[at] {
            seat.unfinished = bytes.to_vec();
        }
    }

    fn line(&mut self, at: usize, line: &[u8]) {
        let Some(seat) = &mut self.seats[at] else { return };
        if let Some(text) = line.strip_prefix(b"MSG ") {
            let begin = self.round.len();
            for part in [b"MSG ", &seat.name[..], b" ", text, b"\n"] {
                self.round.extend_from_slice(part);
            }
            seat.spoke = true;
            match self.parts.last_mut() {
                Some((who, part)) if *who == at => part.end = self.round.len(),
                _ => self.parts.push((at, begin..self.round.len())),
            }
            if self.round.len() > ROUND {
                self.end_round();
            }
        } else if let Some(name) = line.strip_prefix(b"JOIN ") {
            // What was said before is not for the newcomer.
            self.end_round();
            self.members += 1;
            let ok = [b"OK ", name, format!(" {}\n", self.members).as_bytes()].concat();
            self.send(at, &ok);
            if let Some(seat) = &mut self.seats[at] {
                seat.name = name.to_vec();
            }
        } else if line == b"LEAVE" {
            self.end_round();
            self.send(at, b"BYE\n");
            self.forget(at);
        }
    }

    /// Sends the round to every member.
    fn end_round(&mut self) {
        if self.round.is_empty() {
            return;
        }
        let round = std::mem::take(&mut self.round);
        for at in 0..self.seats.len() {
            match &mut self.seats[at] {
                Some(seat) if seat.spoke => {
                    seat.spoke = false;
                    let others = self.others(at, &round);
                    self.send(at, &others);
                }
                Some(seat) if !seat.name.is_empty() => self.send(at, &round),
                _ => {}
            }
        }
        self.parts.clear();
        self.round = round;
        self.round.clear();
    }

    /// The round without what `at` wrote.
    fn others(&self, at: usize, round: &[u8]) -> Vec<u8> {
        let mut others = Vec::with_capacity(round.len());
        for (_, part) in self.parts.iter().filter(|(who, _)| *who != at) {
            others.extend_from_slice(&round[part.clone()]);
        }
        others
    }

    /// Sends `bytes`, or where the socket is full adds them to what waits for it; `&[]` tries again.
    fn send(&mut self, at: usize, bytes: &[u8]) {
        let Some(seat) = &mut self.seats[at] else { return };
        let waited = !seat.backlog.is_empty();
        if waited {
            seat.backlog.extend_from_slice(bytes);
        }
        if waited == bytes.is_empty() {
            match seat.stream.write(if waited { &seat.backlog } else { bytes }) {
                Ok(length) if waited => drop(seat.backlog.drain(..length)),
                Ok(length) => seat.backlog.extend_from_slice(&bytes[length..]),
                Err(e) if e.kind() != ErrorKind::WouldBlock => return self.forget(at),
                Err(_) if waited => {}
                Err(_) => seat.backlog.extend_from_slice(bytes),
            }
        }
        let waits = !seat.backlog.is_empty();
        let out = if waits { EventFlags::OUT } else { EventFlags::empty() };
        let data = EventData::new_u64(at as u64);
        if seat.backlog.len() > BACKLOG
            || waits != waited
                && epoll::modify(&self.epoll, &seat.stream, data, EventFlags::IN | out).is_err()
        {
            self.forget(at);
        }
    }

    fn forget(&mut self, at: usize) {
        if let Some(seat) = self.seats[at].take() {
            self.members -= usize::from(!seat.name.is_empty());
            self.free.push(at);
        }
    }
}
