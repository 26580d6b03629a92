//! One connection, from its greeting to its end: what it says is read, and done in the room.

use crate::limits;
use crate::net::socket::Socket;
use crate::protocol::frames::{Frame, Frames};
use crate::protocol::lines::Line;
use crate::protocol::{Command, Event, Refusal, is_foreign};
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
    let mut session = Session { seat, frames: Frames::new(limits::LINE), unheard: Box::default() };
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

/// Does what a frame asks for, or answers why not.
fn obey(seat: SeatId, frame: Frame<'_>, room: &mut Room) -> Then {
    let done = match frame {
        Frame::Line(Line::Whole(b"")) => return Then::Line,
        Frame::Line(Line::Whole(line) | Line::TooLong(line))
            if turn_away_foreigner(seat, line, room) =>
        {
            return Then::Line;
        }
        Frame::Line(Line::Whole(line)) => match Command::parse(line) {
            Ok(Command::Data(len)) => return announced(seat, len, room),
            Ok(command) => carry_out(seat, command, room),
            Err(refusal) => Err(refusal),
        },
        Frame::Line(Line::TooLong(_)) => Err(Refusal::TooLong),
        Frame::Payload(payload) => room.say_payload(seat, payload),
        Frame::Unclosed => Err(Refusal::BadFrame),
    };
    if let Err(refusal) = done {
        refuse(seat, refusal, room);
    }
    Then::Line
}

/// Says what becomes of a payload of `len` bytes.
fn announced(seat: SeatId, len: u64, room: &mut Room) -> Then {
    let limit = room.payload_limit();
    let refusal = match usize::try_from(len) {
        _ if room.is_guest(seat) => Refusal::NotJoined,
        Ok(0) => Refusal::Empty,
        Ok(len) if len <= limit => return Then::Expect(len),
        _ => Refusal::TooLong,
    };
    room.refuse(seat, refusal);
    Then::Skip(len)
}

fn carry_out(seat: SeatId, command: Command<'_>, room: &mut Room) -> Result<(), Refusal> {
    match command {
        Command::Join(name, form) => room.join(seat, name, form)?,
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

fn refuse(seat: SeatId, refusal: Refusal, room: &mut Room) {
    let guest = room.is_guest(seat);
    room.refuse(
        seat,
        match refusal {
            // Whatever else is wrong with it, this is not for guests, or not for members.
            Refusal::Empty | Refusal::NoSuchMember if guest => Refusal::NotJoined,
            Refusal::BadName | Refusal::BadOption if !guest => Refusal::AlreadyJoined,
            refusal => refusal,
        },
    );
    if refusal == Refusal::BadFrame {
        room.close(seat, Closed::BadFrame);
    }
}

/// Sends a guest away whose line begins as another protocol's do. Says whether it did.
fn turn_away_foreigner(seat: SeatId, line: &[u8], room: &mut Room) -> bool {
    let foreign = room.is_guest(seat) && is_foreign(line);
    if foreign {
        room.refuse(seat, Refusal::NotSmoltalk);
        room.close(seat, Closed::NotSmoltalk);
    }
    foreign
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
