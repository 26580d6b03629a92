//! The post: a round on its way into the sockets. The one place where bytes go out.

use crate::delivery::backlog::{Backlog, Chunk};
use crate::limits::{self, Limits};
use crate::protocol::Form;
use crate::room::round::Round;
use crate::room::{Lagger, Seat, SeatId, State};
use slab::Slab;
use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::Instant;

/// Delivers one closed round, and keeps account of what did not go well.
#[derive(Debug)]
pub struct Post<'a> {
    round: &'a Round,
    limits: &'a Limits,
    now: Instant,
    /// The public bytes of each form, once somebody has fallen behind: all who did share them.
    shared: [Option<Arc<[u8]>>; Form::ALL.len()],
    /// Those for whom somebody has to send the rest, from now on.
    pub fell_behind: Vec<Lagger>,
    /// Those for whom so much waits that they have to be watched.
    pub lagging: Vec<SeatId>,
    /// Those whose sockets take nothing any more, and why; none of them leavers.
    pub broken: Vec<(SeatId, ErrorKind)>,
    /// Leavers who have now been told all that there was to tell.
    pub goodbyes: Vec<SeatId>,
}

impl<'a> Post<'a> {
    /// Takes a round that is closed.
    pub fn new(round: &'a Round, limits: &'a Limits) -> Self {
        Self {
            round,
            limits,
            now: Instant::now(),
            shared: Default::default(),
            fell_behind: Vec::new(),
            lagging: Vec::new(),
            broken: Vec::new(),
            goodbyes: Vec::new(),
        }
    }

    /// To nearly all members: one `send` of the same bytes.
    pub fn deliver_to_all(&mut self, seats: &mut Slab<Seat>) {
        for (id, seat) in seats {
            let State::Member(_, form) = seat.state else { continue };
            let public = self.round.public(form);
            if public.is_empty() || seat.view.is_some() || seat.deaf.is_some() {
                continue;
            }
            let sent = if seat.backlog.is_none() { seat.socket.send(public) } else { Ok(0) };
            match sent {
                Ok(sent) if sent == public.len() => {}
                Ok(sent) => {
                    let shared = self.shared[form as usize].get_or_insert_with(|| public.into());
                    let chunk = Chunk::new(shared.clone(), sent);
                    self.queue(id, seat, chunk);
                }
                Err(error) => self.broken.push((id, error.kind())),
            }
        }
    }

    /// To those who spoke, came, left or were answered: what is theirs of the round.
    pub fn deliver_views(&mut self, seats: &mut Slab<Seat>) {
        let mut parts = Vec::new();
        for (id, pieces) in self.round.views() {
            parts.clear();
            parts.extend(pieces.map(IoSlice::new));
            let seat = &mut seats[id];
            seat.view = None;
            if seat.deaf.is_none() {
                self.deliver_parts(id, seat, &parts);
            }
            if matches!(seat.state, State::Leaving { .. }) {
                self.goodbyes.push(id);
            }
        }
    }

    fn deliver_parts(&mut self, id: SeatId, seat: &mut Seat, parts: &[IoSlice<'_>]) {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let sent = match parts {
            _ if seat.backlog.is_some() => Ok(0),
            [] => Ok(0),
            [part] => seat.socket.send(part),
            parts => seat.socket.send_vectored(&parts[..parts.len().min(limits::PIECES)]),
        };
        match sent {
            Ok(sent) if sent == total => {}
            // Its own copy: a small piece of the round must not keep all of it in memory.
            Ok(sent) => self.queue(id, seat, Chunk::new(rest(parts, sent), 0)),
            // It is over already.
            Err(_) if matches!(seat.state, State::Leaving { .. }) => {}
            Err(error) => self.broken.push((id, error.kind())),
        }
    }

    fn queue(&mut self, id: SeatId, seat: &mut Seat, chunk: Chunk) {
        let backlog = seat.backlog.get_or_insert_with(|| {
            let (backlog, chunks) = Backlog::new(self.now);
            self.fell_behind.push(Lagger { seat: id, socket: seat.socket.clone(), chunks });
            Box::new(backlog)
        });
        backlog.push(chunk);
        if matches!(seat.state, State::Member(..)) && backlog.lags(self.now, self.limits) {
            self.lagging.push(id);
        }
    }
}

/// What follows the first `sent` bytes of `parts`.
fn rest(parts: &[IoSlice<'_>], mut sent: usize) -> Arc<[u8]> {
    let mut rest = Vec::new();
    for part in parts {
        let skipped = sent.min(part.len());
        rest.extend_from_slice(&part[skipped..]);
        sent -= skipped;
    }
    rest.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_begins_after_what_was_sent_wherever_that_is() {
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b"cd"), IoSlice::new(b"e")];
        for sent in 0..=5 {
            assert_eq!(rest(&parts, sent)[..], b"abcde"[sent..]);
        }
    }
}
