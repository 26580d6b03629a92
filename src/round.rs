//! A round: what was said since the last flush, in the one order in which everybody gets it.
//!
//! Nearly all members get the same bytes: [`Round::public`]. Whoever spoke in the round, joined or
//! left in it, or was answered in it has a *view* of his own: a list of slices of those bytes and
//! of the private ones. Order is made here, by appending, and nowhere else.

use crate::limits;
use std::num::NonZeroU32;
use std::ops::Range;

/// A seat's view of the current round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewId(NonZeroU32);

impl ViewId {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Everything said since the last flush.
#[derive(Debug, Default)]
pub struct Round {
    public: Vec<u8>,
    private: Vec<u8>,
    views: Vec<View>,
    slices: Vec<Link>,
}

#[derive(Debug)]
struct View {
    seat: usize,
    /// Where the public bytes begin that are not decided upon yet; `None` outside the room.
    from: Option<u32>,
    /// The first and the last of its slices.
    ends: Option<(u32, u32)>,
}

/// A slice, and the place of the view's next one: all views share one list.
#[derive(Debug)]
struct Link {
    slice: Slice,
    next: Option<u32>,
}

/// A piece of a view: a range of the public or of the private bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// Part of what everybody gets.
    Public(Range<u32>),
    /// Something for this seat alone.
    Private(Range<u32>),
}

impl Round {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.public.is_empty() && self.views.is_empty()
    }

    /// Whether readers have to wait for the flusher.
    pub fn is_full(&self) -> bool {
        self.public.len() + self.private.len() >= limits::ROUND
    }

    /// What everybody gets who has no view of his own.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Opens a view for `seat`, which is in the room (`member`) or not.
    pub fn open_view(&mut self, seat: usize, member: bool) -> ViewId {
        self.views.push(View { seat, from: member.then_some(0), ends: None });
        ViewId(NonZeroU32::new(offset(&self.views)).unwrap_or(NonZeroU32::MIN))
    }

    /// Says something to all members, but not to `speaker`.
    pub fn say(&mut self, speaker: ViewId, render: impl FnOnce(&mut Vec<u8>)) {
        self.decide(speaker);
        render(&mut self.public);
        let end = offset(&self.public);
        let view = &mut self.views[speaker.index()];
        view.from = view.from.map(|_| end);
    }

    /// Says something to all members.
    pub fn announce(&mut self, render: impl FnOnce(&mut Vec<u8>)) {
        render(&mut self.public);
    }

    /// Says something to one seat alone.
    pub fn tell(&mut self, view: ViewId, render: impl FnOnce(&mut Vec<u8>)) {
        self.decide(view);
        let start = offset(&self.private);
        render(&mut self.private);
        self.push(view, Slice::Private(start..offset(&self.private)));
    }

    /// From here on the view's seat gets what everybody gets.
    pub fn enter(&mut self, view: ViewId) {
        self.views[view.index()].from = Some(offset(&self.public));
    }

    /// From here on it does not.
    pub fn exit(&mut self, view: ViewId) {
        self.decide(view);
        self.views[view.index()].from = None;
    }

    /// The view's seat gets nothing of what this round has for it so far, and is out of the room.
    pub fn forget(&mut self, view: ViewId) {
        let view = &mut self.views[view.index()];
        (view.from, view.ends) = (None, None);
    }

    /// Gives the view all public bytes that it has no word about yet.
    fn decide(&mut self, view: ViewId) {
        let end = offset(&self.public);
        if let Some(from) = &mut self.views[view.index()].from {
            let undecided = std::mem::replace(from, end)..end;
            self.push(view, Slice::Public(undecided));
        }
    }

    /// Appends a slice to a view, as part of its last one where it goes on from there.
    fn push(&mut self, view: ViewId, slice: Slice) {
        if slice.range().is_empty() {
            return;
        }
        let at = offset(&self.slices);
        let view = &mut self.views[view.index()];
        match &mut view.ends {
            None => view.ends = Some((at, at)),
            Some((_, last)) => {
                let link = &mut self.slices[*last as usize];
                if link.slice.extend(&slice) {
                    return;
                }
                link.next = Some(at);
                *last = at;
            }
        }
        self.slices.push(Link { slice, next: None });
    }

    /// Nothing more is said in this round: every view gets what remains for it.
    pub fn close(&mut self) {
        for index in 1..=offset(&self.views) {
            if let Some(index) = NonZeroU32::new(index) {
                self.decide(ViewId(index));
            }
        }
    }

    /// The seats that have views, and the slices of each, once the round is closed.
    pub fn views(&self) -> impl Iterator<Item = (usize, impl Iterator<Item = &Slice>)> {
        self.views.iter().map(move |view| {
            let mut next = view.ends.map(|(first, _)| first);
            let slices = std::iter::from_fn(move || {
                let link = &self.slices[next? as usize];
                next = link.next;
                Some(&link.slice)
            });
            (view.seat, slices)
        })
    }

    /// The bytes of a slice.
    pub fn bytes(&self, slice: &Slice) -> &[u8] {
        let of = match slice {
            Slice::Public(_) => &self.public,
            Slice::Private(_) => &self.private,
        };
        &of[slice.range().start as usize..slice.range().end as usize]
    }

    /// Empties the round, and gives back what memory an unusually large one took.
    pub fn clear(&mut self) {
        self.public.clear();
        self.private.clear();
        self.views.clear();
        self.slices.clear();
        self.public.shrink_to(2 * limits::ROUND);
        self.private.shrink_to(2 * limits::ROUND);
        self.views.shrink_to(limits::ROUND / 32);
        self.slices.shrink_to(limits::ROUND / 32);
    }
}

impl Slice {
    fn range(&self) -> &Range<u32> {
        let (Self::Public(range) | Self::Private(range)) = self;
        range
    }

    /// Takes `next` in where it goes on from here.
    fn extend(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Public(range), Self::Public(next))
            | (Self::Private(range), Self::Private(next))
                if range.end == next.start =>
            {
                range.end = next.end;
                true
            }
            _ => false,
        }
    }
}

/// Where the next item goes. A round is bounded by [`limits::ROUND`] and one line's answer.
fn offset<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the seat of each view gets, in the order in which the views were opened.
    fn seen(round: &mut Round) -> Vec<String> {
        round.close();
        round
            .views()
            .map(|(_, slices)| {
                slices.map(|slice| String::from_utf8_lossy(round.bytes(slice))).collect()
            })
            .collect()
    }

    fn line(text: &str) -> impl FnOnce(&mut Vec<u8>) {
        move |out| out.extend_from_slice(text.as_bytes())
    }

    #[test]
    fn a_speaker_does_not_hear_itself() {
        let mut round = Round::default();
        let ada = round.open_view(0, true);
        round.say(ada, line("a1 "));
        let bob = round.open_view(1, true);
        round.say(bob, line("b1 "));
        round.say(ada, line("a2 "));
        round.announce(line("all "));
        assert_eq!(round.public(), b"a1 b1 a2 all ");
        assert_eq!(seen(&mut round), ["b1 all ", "a1 a2 all "]);
    }

    #[test]
    fn what_is_told_to_one_takes_its_place_among_what_all_hear() {
        let mut round = Round::default();
        round.announce(line("1 "));
        let ada = round.open_view(0, true);
        round.tell(ada, line("pong "));
        round.tell(ada, line("pong "));
        round.announce(line("2 "));
        assert_eq!(seen(&mut round), ["1 pong pong 2 "]);
        assert_eq!(round.public(), b"1 2 ");
    }

    #[test]
    fn a_guest_hears_nothing_until_it_enters_and_a_leaver_nothing_after_its_exit() {
        let mut round = Round::default();
        round.announce(line("1 "));
        let ada = round.open_view(0, false);
        round.tell(ada, line("hello "));
        round.announce(line("2 "));
        round.tell(ada, line("ok "));
        round.enter(ada);
        round.say(ada, line("joined "));
        round.announce(line("3 "));
        round.exit(ada);
        round.announce(line("left "));
        round.tell(ada, line("bye "));
        assert_eq!(seen(&mut round), ["hello ok 3 bye "]);
        assert_eq!(round.public(), b"1 2 joined 3 left ");
    }

    #[test]
    fn what_is_forgotten_does_not_come_back() {
        let mut round = Round::default();
        round.announce(line("1 "));
        let ada = round.open_view(0, true);
        round.tell(ada, line("pong "));
        round.forget(ada);
        round.announce(line("2 "));
        round.tell(ada, line("bye "));
        assert_eq!(seen(&mut round), ["bye "]);
    }

    #[test]
    fn what_goes_on_from_the_last_slice_becomes_part_of_it() {
        let mut round = Round::default();
        let ada = round.open_view(0, true);
        for _ in 0..3 {
            round.say(ada, line("a"));
        }
        for _ in 0..3 {
            round.tell(ada, line("p"));
        }
        round.close();
        assert_eq!(round.slices.len(), 1);
    }
}
