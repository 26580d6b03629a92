//! A round on its way into the sockets. The one place where bytes go out at once.
//!
//! What a flush may do: one system call a connection. What it may not: wait.

use super::backlog::{Backlog, Waiting};
use super::chunk::{Chunk, Held, Memory, Texts};
use super::{Delivery, Flow, Lagger, Outlet, Report, outlet};
use crate::limits::{self, Limits};
use crate::net::sink::Sink;
use crate::protocol::Form;
use crate::room::SeatId;
use crate::room::round::{Own, Round, Source};
use std::io::{self, IoSlice};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

/// What came of writing a round.
#[derive(Debug)]
pub struct Flushed<S> {
    /// Those for whom somebody has to send the rest, from now on.
    pub behind: Vec<Lagger<S>>,
    /// What has become of others.
    pub reports: Vec<Report>,
}

impl<S: Sink + Clone> Delivery<S> {
    /// Writes a closed round to everybody, as far as the sinks take it.
    pub fn flush(&mut self, round: &Round, now: Instant) -> Flushed<S> {
        let concerns_all = Form::ALL.iter().any(|form| !round.public(*form).is_empty());
        let mut post = Post {
            round,
            concerns_all,
            limits: &self.limits,
            memory: &self.memory,
            texts: &mut self.texts,
            now,
            shared: Default::default(),
            lagging: Vec::new(),
            sent: 0,
            flushed: Flushed { behind: Vec::new(), reports: Vec::new() },
        };
        post.deliver_views(&mut self.outlets);
        if concerns_all {
            post.deliver_to_all(&mut self.outlets);
        }
        let Post { lagging, sent, flushed, .. } = post;
        self.sent += sent as u64;
        self.behind += flushed.behind.len();
        for (id, waiting) in lagging {
            self.released.extend(self.hold.note(id, Some(waiting)));
        }
        flushed
    }
}

/// One round being written.
struct Post<'a, S> {
    round: &'a Round,
    /// An answer alone is no reason to look at every seat.
    concerns_all: bool,
    limits: &'a Limits,
    memory: &'a Arc<Memory>,
    texts: &'a mut Texts,
    now: Instant,
    /// The public bytes of each form, once somebody has fallen behind: all who did share them.
    shared: [Option<Arc<Held>>; Form::COUNT],
    lagging: Vec<(SeatId, Waiting)>,
    /// How many bytes were taken.
    sent: usize,
    flushed: Flushed<S>,
}

impl<S: Sink + Clone> Post<'_, S> {
    /// To those who spoke, came, left or were answered: what is theirs of the round. Before all
    /// others, so that an answer does not wait for the whole room.
    fn deliver_views(&mut self, outlets: &mut [Option<Outlet<S>>]) {
        let mut parts = Vec::new();
        for own in self.round.views() {
            let Some(outlet) = outlet(outlets, own.seat) else { continue };
            outlet.listens = own.listens;
            outlet.served = self.concerns_all;
            if outlet.flow != Flow::Over {
                self.deliver_own(&own, outlet, &mut parts);
            } else if own.is_last {
                self.flushed.reports.push(Report::Sent(own.seat));
            }
        }
    }

    fn deliver_own<'r>(
        &mut self,
        own: &Own<'r>,
        outlet: &mut Outlet<S>,
        parts: &mut Vec<IoSlice<'r>>,
    ) where
        Self: 'r,
    {
        parts.clear();
        let (mut total, mut shared) = (0, 0);
        for piece in own.pieces() {
            total += piece.bytes.len();
            // What is long because it was asked for is left to whoever sends the rest.
            if shared < limits::TURN {
                parts.push(IoSlice::new(piece.bytes));
            }
            shared += if let Source::Shared(..) = piece.source { piece.bytes.len() } else { 0 };
        }
        let is_left = own.is_last && outlet.sink.has_last_word();
        match if is_left { Ok(0) } else { send(outlet, parts) } {
            Ok(sent) if sent == total => self.sent += sent,
            Ok(sent) => {
                self.sent += sent;
                for (at, chunk) in self.rest(own, sent).into_iter().enumerate() {
                    self.queue(own.seat, outlet, chunk.torn_off(at == 0 && sent > 0));
                }
            }
            Err(error) => return self.break_off(own.seat, outlet, &error),
        }
        if own.is_last {
            self.end(own.seat, outlet);
        }
    }

    /// To nearly all members: one `send` of the same bytes.
    fn deliver_to_all(&mut self, outlets: &mut [Option<Outlet<S>>]) {
        for (id, outlet) in outlets.iter_mut().enumerate() {
            let Some(outlet) = outlet else { continue };
            if mem::take(&mut outlet.served) || outlet.flow != Flow::Open {
                continue;
            }
            let Some(form) = outlet.listens else { continue };
            let public = self.round.public(form);
            if public.is_empty() {
                continue;
            }
            let sent = if outlet.backlog.is_none() { outlet.sink.send(public) } else { Ok(0) };
            match sent {
                Ok(sent) if sent == public.len() => self.sent += sent,
                Ok(sent) => {
                    self.sent += sent;
                    let chunk = Chunk::shared(self.share(form), sent..public.len());
                    let chunk = chunk.torn_off(sent > 0);
                    self.queue(id, outlet, chunk);
                }
                Err(error) => self.break_off(id, outlet, &error),
            }
        }
    }

    /// The public bytes of a form, held once for all who did not take them.
    fn share(&mut self, form: Form) -> Arc<Held> {
        let held = self.shared[form.index()]
            .get_or_insert_with(|| self.memory.hold(self.round.public(form)));
        held.clone()
    }

    /// What follows the first `sent` bytes of what a seat gets.
    ///
    /// Long pieces that others get, too, are shared with them; what is short is copied, and so is
    /// everything where the seat gets little of the round: it must not keep all of it in memory.
    fn rest(&mut self, own: &Own<'_>, mut sent: usize) -> Vec<Chunk> {
        let shares = self.is_worth_sharing(own);
        let mut rest = Rest { memory: self.memory, chunks: Vec::new(), copied: Copied::default() };
        for piece in own.pieces() {
            let skipped = sent.min(piece.bytes.len());
            sent -= skipped;
            let left = &piece.bytes[skipped..];
            match piece.source {
                _ if left.is_empty() => {}
                Source::Public(form, at) if shares && left.len() >= limits::SHARED => {
                    let range = at + skipped..at + piece.bytes.len();
                    rest.push(Chunk::shared(self.share(form), range));
                }
                Source::Shared(text, at) => {
                    let range = at + skipped..at + piece.bytes.len();
                    let chunk = Chunk::shared(self.texts.hold(text, self.memory), range);
                    rest.push(chunk.of_which(left.len(), 0));
                }
                Source::Public(..) => rest.copied.take(left, 0, 0),
                Source::Told => rest.copied.take(left, 0, left.len()),
                Source::Answer => rest.copied.take(left, left.len(), 0),
            }
        }
        rest.finish()
    }

    /// Whether a seat gets at least a quarter of what all get who listen to the same form.
    fn is_worth_sharing(&self, own: &Own<'_>) -> bool {
        let mut public = 0;
        let mut all = 0;
        for piece in own.pieces() {
            if let Source::Public(form, _) = piece.source {
                public += piece.bytes.len();
                all = self.round.public(form).len();
            }
        }
        4 * public >= all
    }

    fn queue(&mut self, id: SeatId, outlet: &mut Outlet<S>, chunk: Chunk) {
        let backlog = outlet.backlog.get_or_insert_with(|| {
            let (backlog, chunks) = Backlog::new(self.now);
            self.flushed.behind.push(Lagger { seat: id, sink: outlet.sink.clone(), chunks });
            Box::new(backlog)
        });
        backlog.push(chunk);
        if outlet.listens.is_some()
            && let Some(waiting) = backlog.lags(self.now, self.limits)
        {
            self.lagging.push((id, waiting));
        }
    }

    /// Nothing more is said to a connection. What waits for it is still sent.
    fn end(&mut self, id: SeatId, outlet: &mut Outlet<S>) {
        if let Some(backlog) = &outlet.backlog {
            backlog.close();
            outlet.flow = Flow::Ending;
        } else {
            outlet.flow = Flow::Over;
            self.flushed.reports.push(Report::Sent(id));
        }
    }

    /// A sink takes nothing any more.
    fn break_off(&mut self, id: SeatId, outlet: &mut Outlet<S>, error: &io::Error) {
        outlet.flow = Flow::Over;
        self.flushed.reports.push(Report::Broken(id, error.kind()));
    }
}

/// What of a seat's pieces has to wait, on its way into chunks.
struct Rest<'a> {
    memory: &'a Arc<Memory>,
    chunks: Vec<Chunk>,
    copied: Copied,
}

/// Pieces that are copied, one after the other; so much of them are answers, and so much was told.
#[derive(Default)]
struct Copied {
    bytes: Vec<u8>,
    asked: usize,
    told: usize,
}

impl Copied {
    fn take(&mut self, bytes: &[u8], asked: usize, told: usize) {
        self.bytes.extend_from_slice(bytes);
        self.asked += asked;
        self.told += told;
    }
}

impl Rest<'_> {
    fn push(&mut self, chunk: Chunk) {
        self.cut();
        self.chunks.push(chunk);
    }

    fn cut(&mut self) {
        let Copied { bytes, asked, told } = mem::take(&mut self.copied);
        if !bytes.is_empty() {
            self.chunks.push(Chunk::own(self.memory.hold(bytes)).of_which(asked, told));
        }
    }

    fn finish(mut self) -> Vec<Chunk> {
        self.cut();
        self.chunks
    }
}

/// Sends the first of the parts, as many as share a system call, where nothing waits before them.
fn send<S: Sink>(outlet: &Outlet<S>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    match parts {
        _ if outlet.backlog.is_some() => Ok(0),
        [] => Ok(0),
        [part] => outlet.sink.send(part),
        parts => outlet.sink.send_vectored(&parts[..parts.len().min(limits::PIECES)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::peer::Peer;
    use crate::net::sink::Ended;
    use std::sync::Mutex;

    const TEXT: Form = Form { data: false, ids: false };

    /// Takes so many bytes, and counts how often it was asked.
    #[derive(Debug, Default)]
    struct Bucket {
        room: usize,
        heard: Mutex<Vec<Vec<u8>>>,
    }

    impl Sink for Bucket {
        fn send(&self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            self.heard.lock().expect("no panic").push(bytes[..taken].into());
            Ok(taken)
        }

        fn send_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
            self.send(&parts.iter().flat_map(|part| part.to_vec()).collect::<Vec<_>>())
        }

        fn shut_writing(&self) {}

        fn shut(&self) {}

        fn ended(&self) -> Ended {
            Ended::Nothing
        }

        fn peer(&self) -> Peer {
            Peer::Unknown
        }
    }

    const LISTENERS: [usize; Form::COUNT] = [9, 0, 0, 0];

    /// Members 0 and 1 and so on, who take so many bytes each.
    fn members(rooms: &[usize]) -> (Delivery<Arc<Bucket>>, Vec<Arc<Bucket>>) {
        let mut delivery = Delivery::new(Limits::default());
        let mut round = Round::default();
        let mut buckets = Vec::new();
        for (id, room) in rooms.iter().enumerate() {
            buckets.push(Arc::new(Bucket { room: *room, ..Bucket::default() }));
            delivery.open(id, buckets[id].clone());
            let view = round.open_view(id, None);
            round.enter(view, TEXT);
        }
        round.close();
        delivery.flush(&round, Instant::now());
        (delivery, buckets)
    }

    fn says(round: &mut Round, speaker: Option<usize>, len: usize) {
        let view = speaker.map(|id| round.open_view(id, Some(TEXT)));
        round.say(view, &LISTENERS, |_, out| out.resize(out.len() + len, b'x'));
    }

    fn flush(delivery: &mut Delivery<Arc<Bucket>>, round: &mut Round) -> Vec<Lagger<Arc<Bucket>>> {
        round.close();
        delivery.flush(round, Instant::now()).behind
    }

    #[test]
    fn nearly_all_get_one_send_and_the_speaker_none() {
        let (mut delivery, buckets) = members(&[usize::MAX; 3]);
        let mut round = Round::default();
        says(&mut round, Some(0), 10);
        assert!(flush(&mut delivery, &mut round).is_empty());
        let heard = |id: usize| buckets[id].heard.lock().expect("no panic").len();
        assert_eq!([heard(0), heard(1), heard(2)], [0, 1, 1]);
    }

    #[test]
    fn an_answer_alone_is_sent_to_nobody_else_and_what_comes_next_to_all() {
        let (mut delivery, buckets) = members(&[usize::MAX; 2]);
        let mut round = Round::default();
        let view = round.open_view(0, Some(TEXT));
        round.answer(view, |out| out.extend_from_slice(b"PONG\n"));
        flush(&mut delivery, &mut round);
        assert!(buckets[1].heard.lock().expect("no panic").is_empty());
        let mut round = Round::default();
        says(&mut round, None, 1);
        flush(&mut delivery, &mut round);
        assert_eq!(*buckets[0].heard.lock().expect("no panic"), [&b"PONG\n"[..], b"x"]);
        assert_eq!(*buckets[1].heard.lock().expect("no panic"), [&b"x"[..]]);
    }

    #[test]
    fn all_who_lag_share_the_round_also_who_was_told_a_word_in_between() {
        const ROUND: usize = 10_000;
        let (mut delivery, _) = members(&[0; 50]);
        let mut round = Round::default();
        says(&mut round, None, ROUND / 2);
        for id in 0..25 {
            let view = round.open_view(id, Some(TEXT));
            round.tell(view, |out| out.extend_from_slice(b"psst\n"));
        }
        says(&mut round, None, ROUND / 2);
        let behind = flush(&mut delivery, &mut round);
        assert_eq!(behind.len(), 50);
        let chunks = 25 + 25 * 3;
        let overhead = chunks * limits::CHUNK_OVERHEAD;
        assert_eq!(delivery.memory(), ROUND + 25 * b"psst\n".len() + overhead);
        drop((behind, delivery));
    }

    #[test]
    fn who_gets_little_of_a_round_keeps_little_of_it() {
        let (mut delivery, _) = members(&[0]);
        let mut round = Round::default();
        says(&mut round, Some(0), 50_000);
        says(&mut round, None, 2_000);
        let _behind = flush(&mut delivery, &mut round);
        assert_eq!(delivery.memory(), 2_000 + limits::CHUNK_OVERHEAD);
    }

    #[test]
    fn a_text_that_many_ask_for_is_held_once_in_however_many_rounds() {
        let (mut delivery, _) = members(&[0; 50]);
        let text: Arc<[u8]> = vec![b'x'; 3_000].into();
        let mut behind = Vec::new();
        for _ in 0..3 {
            let mut round = Round::default();
            for id in 0..50 {
                let view = round.open_view(id, Some(TEXT));
                round.share(view, &text);
            }
            behind.extend(flush(&mut delivery, &mut round));
        }
        let overhead = 3 * 50 * limits::CHUNK_OVERHEAD;
        assert_eq!((behind.len(), delivery.memory()), (50, 3_000 + overhead));
    }

    #[test]
    fn what_is_asked_for_is_counted_apart_from_what_is_told() {
        let (mut delivery, _) = members(&[0, 0]);
        let mut round = Round::default();
        for id in 0..2 {
            let view = round.open_view(id, Some(TEXT));
            round.tell(view, |out| out.resize(out.len() + 500, b't'));
            if id == 0 {
                round.answer(view, |out| out.resize(out.len() + 300, b'a'));
            }
        }
        let _behind = flush(&mut delivery, &mut round);
        assert!(delivery.makes_asker_wait(0, 299) && !delivery.makes_asker_wait(0, 300));
        assert!(!delivery.makes_asker_wait(1, 0));
    }

    #[test]
    fn of_all_for_whom_something_waits_the_heaviest_is_who_keeps_most_of_it_alone() {
        const MORE_THAN_ALL_MAY: usize = 2_000_000;
        let (mut delivery, _) = members(&[0, 5_000, 0, 0]);
        let mut round = Round::default();
        for (id, len) in [(2, 5), (3, 50)] {
            let view = round.open_view(id, Some(TEXT));
            round.tell(view, |out| out.resize(out.len() + len, b't'));
        }
        says(&mut round, None, MORE_THAN_ALL_MAY);
        let _behind = flush(&mut delivery, &mut round);
        assert_eq!(delivery.heaviest(), None);
        delivery.limits.memory = 1;
        for id in [3, 2, 0] {
            assert_eq!(delivery.heaviest(), Some(id));
            delivery.give_up(id);
        }
    }

    #[test]
    fn who_gets_the_round_in_one_form_shares_it_whoever_gets_it_in_another() {
        let (mut delivery, _) = members(&[0; 20]);
        let mut round = Round::default();
        for id in 0..20 {
            let view = round.open_view(id, Some(TEXT));
            round.answer(view, |out| out.extend_from_slice(b"PONG\n"));
        }
        round.say(None, &[20, 1, 0, 0], |_, out| out.resize(out.len() + 10_000, b'x'));
        let _behind = flush(&mut delivery, &mut round);
        let copies = 20 * (b"PONG\n".len() + 2 * limits::CHUNK_OVERHEAD);
        assert_eq!(delivery.memory(), 10_000 + copies);
    }
}
