//! One connection, from its greeting to its end: what it says is read, and done in the room.

use crate::limits;
use crate::net::socket::Socket;
use crate::protocol::frames::{Frame, Frames};
use crate::protocol::lines::Line;
use crate::protocol::telnet::WILL_TIMING_MARK;
use crate::protocol::{Command, Event, Refusal, Speaker, begins_foreign, is_foreign};
use crate::room::notice::Closed;
use crate::room::{Room, SeatId};
use async_channel::Receiver;
use async_lock::Mutex;
use std::io::ErrorKind;
use std::mem;
use std::sync::Arc;

/// What a session does next.
enum Next {
    /// Wait until there is more to read.
    Read,
    /// Wait until the room is ready to hear more.
    Wait(Receiver<()>),
    /// Nothing: the connection is over.
    End,
}

/// Reads from `socket` until it ends, and does what its lines ask for.
///
/// An idle session holds no buffer: bytes are received into the room's, under its lock.
pub async fn serve(room: Arc<Mutex<Room>>, seat: SeatId, socket: Arc<Socket>) {
    let frames = Frames::with_telnet(limits::LINE);
    let mut session = Session { seat, frames, unheard: Box::default() };
    loop {
        // Before the first wait, too: who says JOIN as it comes gets HELLO and OK in one packet.
        let next = session.turn(&socket, &mut *room.lock().await);
        match next {
            Next::Read => socket.readable().await,
            Next::Wait(gate) => _ = gate.recv().await,
            Next::End => return,
        }
    }
}

struct Session {
    seat: SeatId,
    frames: Frames,
    /// What has been received, but not heard because the room was full.
    unheard: Box<[u8]>,
}

impl Session {
    /// Receives once, and does what the lines received ask for, as long as the room can hear it.
    fn turn(&mut self, socket: &Socket, room: &mut Room) -> Next {
        if !room.may_read(self.seat) {
            return Next::Wait(room.gate());
        }
        if !self.unheard.is_empty() {
            let unheard = mem::take(&mut self.unheard);
            return self.hear(&unheard, room);
        }
        let mut scratch = mem::take(&mut room.scratch);
        let next = match socket.receive(&mut scratch) {
            Ok(0) => self.end(Closed::Ended, room),
            Ok(received) => self.hear(&scratch[..received], room),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Next::Read,
            Err(_) => self.end(Closed::Lost, room),
        };
        room.scratch = scratch;
        next
    }

    fn hear(&mut self, mut bytes: &[u8], room: &mut Room) -> Next {
        while !room.is_over(self.seat)
            && let Some(frame) = self.frames.next(&mut bytes)
        {
            match obey(self.seat, frame, room) {
                Then::Line => {}
                Then::Expect(len) => self.frames.expect(len),
                Then::Skip(len) => self.frames.skip(len),
            }
            if !bytes.is_empty() && !room.may_read(self.seat) {
                self.unheard = bytes.into();
                return Next::Wait(room.gate());
            }
        }
        // A TLS hello need not have a line end in it.
        if let Some(Line::Whole(beginning)) = self.frames.pending() {
            turn_away_foreigner(self.seat, beginning, room);
        }
        Next::Read
    }

    /// The connection is over. What came last counts as a line even though its LF is missing.
    fn end(&mut self, closed: Closed, room: &mut Room) -> Next {
        if closed == Closed::Ended
            && !room.is_over(self.seat)
            && let Some(line) = self.frames.pending()
        {
            obey(self.seat, Frame::Line(line), room);
        }
        room.end(self.seat, closed);
        Next::End
    }
}

/// What follows a frame.
enum Then {
    /// A line.
    Line,
    /// A payload of so many bytes.
    Expect(usize),
    /// So many bytes that are not wanted.
    Skip(u64),
}

/// Does what a frame asks for, or answers why not. One command is refused once: what was skipped
/// and then does not end as it should is only closed on.
fn obey(seat: SeatId, frame: Frame<'_>, room: &mut Room) -> Then {
    match frame {
        Frame::Line(line) => return obey_line(seat, line, room),
        Frame::Payload(payload) => {
            if let Err(refusal) = room.say_payload(seat, payload) {
                refuse(seat, refusal, room);
            }
        }
        Frame::Unclosed { skipped: false } => refuse(seat, Refusal::BadFrame, room),
        Frame::Unclosed { skipped: true } => room.close(seat, Closed::BadFrame),
    }
    Then::Line
}

fn obey_line(seat: SeatId, line: Line<'_>, room: &mut Room) -> Then {
    let refused = match line {
        _ if room.is_guest(seat) && is_foreign(line) => Refusal::NotSmoltalk.into(),
        Line::Whole(b"") => return Then::Line,
        Line::TooLong { .. } => Refusal::TooLong.into(),
        Line::Whole(line) => match Command::parse(line, speaker(seat, room)) {
            Ok(Command::Data(len)) => return Then::Expect(len),
            Ok(command) => match carry_out(seat, command, room) {
                Ok(()) => return Then::Line,
                Err(refusal) => refusal.into(),
            },
            Err(refused) => refused,
        },
        Line::TimingMark => {
            room.answer(seat, |out| out.extend_from_slice(&WILL_TIMING_MARK));
            return Then::Line;
        }
        Line::Interrupt => {
            room.close(seat, Closed::Left);
            return Then::Line;
        }
    };
    refuse(seat, refused.refusal, room);
    refused.payload.map_or(Then::Line, Then::Skip)
}

fn speaker(seat: SeatId, room: &Room) -> Speaker {
    Speaker { is_member: !room.is_guest(seat), payload: room.payload_limit() }
}

fn carry_out(seat: SeatId, command: Command<'_>, room: &mut Room) -> Result<(), Refusal> {
    match command {
        Command::Join(name, options) => room.join(seat, name, options.form)?,
        Command::Msg(text) => room.say(seat, text)?,
        Command::Tell(to, text) => room.tell(seat, to, text)?,
        Command::Who => room.who(seat)?,
        Command::Ping(token) => room.answer(seat, |out| Event::Pong(token).render(out)),
        Command::Help => room.answer(seat, Event::render_help),
        Command::Leave => room.close(seat, Closed::Left),
        // Its payload is what is carried out.
        Command::Data(_) => {}
    }
    Ok(())
}

/// Answers why something is not done, and closes where there is no going on after it.
fn refuse(seat: SeatId, refusal: Refusal, room: &mut Room) {
    room.refuse(seat, refusal);
    match refusal {
        Refusal::BadFrame => room.close(seat, Closed::BadFrame),
        Refusal::NotSmoltalk => room.close(seat, Closed::NotSmoltalk),
        _ => {}
    }
}

/// Sends a guest away whose line begins as another protocol's do.
fn turn_away_foreigner(seat: SeatId, beginning: &[u8], room: &mut Room) {
    if room.is_guest(seat) && begins_foreign(beginning) {
        refuse(seat, Refusal::NotSmoltalk, room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F: Future>(
        _: impl FnOnce(Arc<Mutex<Room>>, SeatId, Arc<Socket>) -> F,
    ) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_costs_little() {
        // Ten thousand of them wait at once; 176 bytes when this was written.
        assert!(size_of_future(serve) <= 192);
    }
}
