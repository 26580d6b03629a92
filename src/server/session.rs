//! One connection, from its greeting to its end: what it says is read, and done in the room.

use super::pace::lines_of;
use super::registry::Registry;
use crate::limits;
use crate::net::sink::Sink;
use crate::net::socket::Socket;
use crate::protocol::frames::{Frame, Frames};
use crate::protocol::lines::Line;
use crate::protocol::telnet::{IAC, WILL_TIMING_MARK};
use crate::protocol::{Command, Event, Refusal, begins_foreign, is_foreign};
use crate::room::notice::Closed;
use crate::room::{SeatId, Speech};
use async_channel::Receiver;
use async_lock::Mutex;
use futures_lite::future;
use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

/// What a session does next.
#[derive(Debug)]
pub enum Next {
    /// Wait until there is more to read.
    Read,
    /// Wait until this is closed.
    Wait(Receiver<()>),
    /// Nothing: the connection is over.
    End,
}

/// Reads from `socket` until it ends, and does what its lines ask for.
///
/// An idle session holds no buffer: bytes are received into the registry's, under its lock.
pub async fn serve(registry: Arc<Mutex<Registry<Arc<Socket>>>>, seat: SeatId, socket: Arc<Socket>) {
    let mut session = Session::new(seat);
    let mut turns = 0_u8;
    loop {
        // Before the first wait, too: who says JOIN as it comes gets HELLO and OK in one packet.
        let mut registry = registry.lock().await;
        let next = session.turn(&mut registry, Instant::now(), |bytes| socket.receive(bytes));
        drop(registry);
        match next {
            Next::Read => socket.readable().await,
            // The next in line may be itself, a few times: then others get their turn all the same.
            Next::Wait(gate) if gate.is_closed() => {
                turns = (turns + 1) % limits::TURNS;
                if turns == 0 {
                    future::yield_now().await;
                }
            }
            Next::Wait(gate) => _ = gate.recv().await,
            Next::End => return,
        }
    }
}

/// What is kept of a connection between its turns.
#[derive(Debug)]
pub struct Session {
    seat: SeatId,
    frames: Frames,
    /// What has been received, but not heard yet.
    unheard: Box<[u8]>,
}

impl Session {
    /// That of a connection that has just been seated.
    pub fn new(seat: SeatId) -> Self {
        let frames = Frames::with_telnet(limits::LINE);
        Self { seat, frames, unheard: Box::default() }
    }

    /// Receives once, and does what the lines received ask for, if it may.
    pub fn turn<S: Sink + Clone>(
        &mut self,
        registry: &mut Registry<S>,
        now: Instant,
        receive: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Next {
        if let Some(gate) = registry.begin_turn(self.seat, !self.unheard.is_empty()) {
            return Next::Wait(gate);
        }
        let next = if self.unheard.is_empty() {
            self.receive(registry, now, receive)
        } else if registry.has_given_up(self.seat, self.has_more_to_say()) {
            self.end(Closed::Lost, registry, now)
        } else {
            let unheard = mem::take(&mut self.unheard);
            self.hear(&unheard, registry, now)
        };
        registry.end_turn();
        next
    }

    /// Whether something waits behind the line that comes next.
    fn has_more_to_say(&self) -> bool {
        let line = self.unheard.iter().position(|byte| *byte == b'\n');
        line.is_some_and(|end| end + 1 < self.unheard.len())
    }

    fn receive<S: Sink + Clone>(
        &mut self,
        registry: &mut Registry<S>,
        now: Instant,
        receive: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Next {
        let mut scratch = mem::take(&mut registry.scratch);
        // What is not heard in this turn has to be kept, and stays in the socket better.
        let most = match registry.is_guest(self.seat) {
            _ if self.frames.is_within_payload() => scratch.len(),
            _ if registry.is_paced(self.seat) => limits::RECEIVED_PACED,
            true => limits::RECEIVED_OF_GUEST,
            false => limits::RECEIVED,
        };
        let next = match receive(&mut scratch[..most]) {
            Ok(0) => self.end(Closed::Ended, registry, now),
            Ok(received) => self.hear(&scratch[..received], registry, now),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Next::Read,
            Err(_) => self.end(Closed::Lost, registry, now),
        };
        registry.scratch = scratch;
        next
    }

    /// Does what the lines received ask for, until its turn is over or it has to wait.
    fn hear<S: Sink + Clone>(
        &mut self,
        mut bytes: &[u8],
        registry: &mut Registry<S>,
        now: Instant,
    ) -> Next {
        let began_at = registry.output();
        let mut frames = 0;
        while !registry.is_closed(self.seat) {
            // What has begun with DATA has been counted.
            if !bytes.is_empty()
                && !self.frames.is_within_payload()
                && let Some(gate) = registry.slows_down(self.seat, 1, now)
            {
                self.unheard = bytes.into();
                return Next::Wait(gate);
            }
            let Some(frame) = self.frames.next(&mut bytes) else { break };
            let lines = u32::from(is_word(&frame) && registry.is_paced(self.seat));
            match obey(self.seat, frame, registry, now) {
                Then::Line => registry.has_said(self.seat, lines, now),
                Then::Wait(gate) => {
                    registry.has_said(self.seat, lines, now);
                    self.unheard = bytes.into();
                    return Next::Wait(gate);
                }
                Then::Again(line, gate) => {
                    self.unheard = once_more(&line, bytes);
                    return Next::Wait(gate);
                }
                Then::Expect(len) => {
                    registry.has_said(self.seat, lines * lines_of(len), now);
                    self.frames.expect(len);
                }
                Then::Skip(len) => {
                    registry.has_said(self.seat, lines, now);
                    self.frames.skip(len);
                }
            }
            frames += 1;
            let is_closed = registry.is_closed(self.seat);
            if !bytes.is_empty() && !is_closed && registry.is_turn_over(self.seat, began_at, frames)
            {
                self.unheard = bytes.into();
                return Next::Wait(registry.stand_in_line(self.seat, true));
            }
        }
        // A TLS hello need not have a line end in it.
        if let Some(Line::Whole(beginning)) = self.frames.pending() {
            turn_away_foreigner(self.seat, beginning, registry, now);
        }
        Next::Read
    }

    /// The connection is over. What came last counts as a line even though its LF is missing: but not
    /// of one who will come back and say it again.
    fn end<S: Sink + Clone>(
        &mut self,
        closed: Closed,
        registry: &mut Registry<S>,
        now: Instant,
    ) -> Next {
        if closed == Closed::Ended
            && !registry.is_closed(self.seat)
            && !registry.has_ids(self.seat)
            && self.frames.pending().is_some()
            && let wait @ Next::Wait(_) = self.hear(b"\n", registry, now)
        {
            // The stream will end once more.
            return wait;
        }
        // It goes as by LEAVE: what it said before is answered first.
        if closed == Closed::Ended
            && !registry.is_closed(self.seat)
            && let Some(gate) = registry.must_wait(self.seat, &Command::Leave)
        {
            return Next::Wait(gate);
        }
        registry.stream_ended(self.seat, closed, now);
        Next::End
    }
}

/// A line as it was before it was read, and what comes behind it: a CR at its end, and a byte that would
/// be telnet's command, are its own.
fn once_more(line: &[u8], behind: &[u8]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(line.len() + 2 + behind.len());
    for part in line.split_inclusive(|byte| *byte == IAC) {
        bytes.extend_from_slice(part);
        bytes.extend(part.last().filter(|byte| **byte == IAC));
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(behind);
    bytes.into()
}

/// What follows a frame.
enum Then {
    /// A line.
    Line,
    /// A line, once this is closed.
    Wait(Receiver<()>),
    /// This line once more, once this is closed.
    Again(Box<[u8]>, Receiver<()>),
    /// A payload of so many bytes.
    Expect(usize),
    /// So many bytes that are not wanted.
    Skip(u64),
}

/// Whether a frame counts as something said: a payload has been counted with its DATA.
fn is_word(frame: &Frame<'_>) -> bool {
    matches!(frame, Frame::Line(line) if *line != Line::Whole(b""))
}

/// Does what a frame asks for, or answers why not. One command is refused once: what was skipped
/// and then does not end as it should is only closed on.
fn obey<S: Sink + Clone>(
    seat: SeatId,
    frame: Frame<'_>,
    registry: &mut Registry<S>,
    now: Instant,
) -> Then {
    match frame {
        Frame::Line(line) => return obey_line(seat, line, registry, now),
        Frame::Payload(payload) => match registry.say(seat, Speech::Data(payload), now) {
            Ok(gate) => return gate.map_or(Then::Line, Then::Wait),
            Err(refusal) => refuse(seat, refusal, registry, now),
        },
        Frame::Unclosed { skipped: false } => refuse(seat, Refusal::BadFrame, registry, now),
        Frame::Unclosed { skipped: true } => registry.close(seat, Closed::BadFrame, now),
    }
    Then::Line
}

fn obey_line<S: Sink + Clone>(
    seat: SeatId,
    line: Line<'_>,
    registry: &mut Registry<S>,
    now: Instant,
) -> Then {
    let refused = match line {
        Line::Whole(b"") => return Then::Line,
        _ if registry.is_guest(seat) && is_foreign(line) => Refusal::NotSmoltalk.into(),
        Line::TooLong { .. } => Refusal::TooLong.into(),
        Line::Whole(line) => match Command::parse(line, registry.speaker(seat)) {
            Ok(Command::Data(len)) => {
                let wait = registry.slows_down(seat, lines_of(len), now);
                return wait.map_or(Then::Expect(len), |gate| Then::Again(line.into(), gate));
            }
            Ok(command) => {
                // What is answered waits for what was done before.
                if let Some(gate) = registry.must_wait(seat, &command) {
                    return Then::Again(line.into(), gate);
                }
                match carry_out(seat, command, registry, now) {
                    Ok(gate) => return gate.map_or(Then::Line, Then::Wait),
                    Err(refusal) => refusal.into(),
                }
            }
            Err(refused) => refused,
        },
        Line::TimingMark => {
            registry.answer(seat, |out| out.extend_from_slice(&WILL_TIMING_MARK));
            return Then::Line;
        }
        Line::Interrupt => {
            registry.close(seat, Closed::Left, now);
            return Then::Line;
        }
    };
    refuse(seat, refused.refusal, registry, now);
    refused.payload.map_or(Then::Line, Then::Skip)
}

/// Returns what the connection has to wait for before it says more.
fn carry_out<S: Sink + Clone>(
    seat: SeatId,
    command: Command<'_>,
    registry: &mut Registry<S>,
    now: Instant,
) -> Result<Option<Receiver<()>>, Refusal> {
    match command {
        Command::Msg(text) => return registry.say(seat, Speech::Msg(text), now),
        Command::Tell(to, text) => return registry.say(seat, Speech::Tell(to, text), now),
        Command::Join(name, options) => return registry.join(seat, name, options, now),
        Command::Who => registry.who(seat)?,
        Command::Ping(token) => registry.answer(seat, |out| Event::Pong(token).render(out)),
        Command::Pass(secret) => return Ok(registry.hear_key(seat, secret, now)),
        Command::Help => registry.answer(seat, Event::render_help),
        Command::Leave => registry.close(seat, Closed::Left, now),
        // Its payload is what is carried out.
        Command::Data(_) => {}
    }
    Ok(None)
}

/// Answers why something is not done, and closes where there is no going on after it.
fn refuse<S: Sink + Clone>(
    seat: SeatId,
    refusal: Refusal,
    registry: &mut Registry<S>,
    now: Instant,
) {
    registry.refuse(seat, refusal, now);
    match refusal {
        Refusal::BadFrame => registry.close(seat, Closed::BadFrame, now),
        Refusal::NotSmoltalk => registry.close(seat, Closed::NotSmoltalk, now),
        Refusal::Banned => registry.close(seat, Closed::Banned, now),
        _ => {}
    }
}

/// Sends a guest away whose line begins as another protocol's do.
fn turn_away_foreigner<S: Sink + Clone>(
    seat: SeatId,
    beginning: &[u8],
    registry: &mut Registry<S>,
    now: Instant,
) {
    if registry.is_guest(seat) && begins_foreign(beginning) {
        refuse(seat, Refusal::NotSmoltalk, registry, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F: Future>(
        _: impl FnOnce(Arc<Mutex<Registry<Arc<Socket>>>>, SeatId, Arc<Socket>) -> F,
    ) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_costs_little() {
        // Ten thousand of them wait at once; 176 bytes when this was written.
        assert!(size_of_future(serve) <= 192);
    }
}
