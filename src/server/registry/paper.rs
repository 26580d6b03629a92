//! A server without sockets, for tests: what is said is given to it, what is heard is looked up.

use super::super::session::{Next, Session};
use super::{Bells, Guard, Registry};
use crate::limits::Limits;
use crate::log::Log;
use crate::net::peer::Peer;
use crate::net::secrets::Secrets;
use crate::net::sink::{Ended, Sink};
use crate::room::SeatId;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What one connection hears, all of which it takes at once.
#[derive(Debug)]
pub struct Paper {
    heard: Mutex<Vec<u8>>,
    peer: Peer,
}

impl Sink for Paper {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn send_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        parts.iter().map(|part| self.send(part)).sum()
    }

    fn shut_writing(&self) {}

    fn shut(&self) {}

    fn ended(&self) -> Ended {
        Ended::Nothing
    }

    fn peer(&self) -> Peer {
        self.peer
    }
}

/// The server, and its connections by their seats.
pub struct Sheet {
    pub registry: Registry<Arc<Paper>>,
    pub now: Instant,
    sessions: BTreeMap<SeatId, (Session, Arc<Paper>)>,
}

impl Sheet {
    pub fn new() -> Self {
        let (flush, _) = async_channel::bounded(1);
        let (watch, _) = async_channel::bounded(1);
        let bells = Bells { flush, watch, notices: None, troubles: None };
        let limits = Limits::default();
        let (log, secrets) = (Log::new(&limits), Secrets::open().expect("randomness"));
        let registry = Registry::new(limits, log, secrets, Guard::default(), bells);
        Self { registry, now: Instant::now(), sessions: BTreeMap::new() }
    }

    /// A connection from somewhere that has read its HELLO.
    pub fn arrive_from(&mut self, peer: Peer) -> SeatId {
        let paper = Arc::new(Paper { heard: Mutex::default(), peer });
        let seat = self.registry.arrive(paper.clone(), self.now);
        self.sessions.insert(seat, (Session::new(seat), paper));
        assert!(self.heard(seat).starts_with("HELLO smoltalk/1 "));
        seat
    }

    pub fn arrive(&mut self) -> SeatId {
        self.arrive_from(Peer::Unknown)
    }

    /// Members who have heard of nothing yet.
    pub fn members<const N: usize>(&mut self, names: [&str; N]) -> [SeatId; N] {
        let seats = names.map(|name| {
            let seat = self.arrive();
            self.says(seat, &format!("JOIN {name}"));
            seat
        });
        seats.map(|seat| {
            assert!(self.heard(seat).starts_with("OK "));
            seat
        })
    }

    /// Has a line heard; says what the session does next.
    pub fn says(&mut self, seat: SeatId, line: &str) -> Next {
        let mut line = format!("{line}\n").into_bytes();
        self.turn(seat, |buffer| {
            if line.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            buffer[..line.len()].copy_from_slice(&line);
            Ok(std::mem::take(&mut line).len())
        })
    }

    fn turn(&mut self, seat: SeatId, receive: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> Next {
        let (session, _) = self.sessions.get_mut(&seat).expect("a session");
        session.turn(&mut self.registry, self.now, receive)
    }

    /// What it has heard since it was asked last.
    pub fn heard(&mut self, seat: SeatId) -> String {
        self.registry.flush(self.now);
        let (_, paper) = &self.sessions[&seat];
        let heard = std::mem::take(&mut *paper.heard.lock().expect("no panic"));
        String::from_utf8(heard).expect("UTF-8")
    }
}
