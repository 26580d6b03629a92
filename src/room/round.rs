//! A round: what was said since the last flush, in the one order in which everybody gets it.
//!
//! Nearly all members get the same bytes: [`Round::public`]. Whoever spoke in the round, joined or
//! left in it, or was answered in it has a *view* of his own: a list of slices of those bytes, of the
//! private ones, and of texts that many ask for. Order is made here, by appending, and nowhere else.

use crate::limits;
use crate::protocol::Form;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::{iter, mem};

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
    /// What all get, in each form that anybody gets it in.
    public: [Vec<u8>; Form::COUNT],
    private: Vec<u8>,
    /// Texts that are made once for all who ask.
    shared: Vec<Arc<[u8]>>,
    /// What the shared texts in all views count for together.
    shared_out: usize,
    views: Vec<View>,
    slices: Vec<Link>,
}

#[derive(Debug)]
struct View {
    seat: usize,
    form: Form,
    /// Where the public bytes begin that are not decided upon yet; `None` outside the room.
    from: Option<u32>,
    /// The first and the last of its slices.
    ends: Option<(u32, u32)>,
    is_last: bool,
}

/// The end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It comes after all that waits.
    AfterAll,
    /// It comes instead of what waits.
    Instead,
}

/// A slice, and the place of the view's next one: all views share one list.
#[derive(Debug)]
struct Link {
    slice: Slice,
    next: Option<u32>,
}

/// A piece of a view: a range of the public bytes, in the view's form, a range of the private ones,
/// or one of the shared texts.
#[derive(Debug, PartialEq, Eq)]
enum Slice {
    Public(Range<u32>),
    Answer(Range<u32>),
    Told(Range<u32>),
    Shared(u32, Range<u32>),
}

/// What a seat gets of a round other than everybody else.
pub struct Own<'a> {
    /// Whose it is.
    pub seat: usize,
    /// What it listens to from the next round on; `None` outside the room.
    pub listens: Option<Form>,
    /// Whether its stream ends here.
    pub is_last: bool,
    round: &'a Round,
    view: &'a View,
}

/// A piece of what a seat gets.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The bytes themselves.
    pub bytes: &'a [u8],
    /// Where they come from.
    pub source: Source<'a>,
}

/// Where a piece comes from: who asked for it, and what it can be shared with.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The public bytes of this form, from there on.
    Public(Form, usize),
    /// An answer to this seat alone.
    Answer,
    /// What another told it.
    Told,
    /// An answer that others get, too: a part of this text, from there on.
    Shared(&'a Arc<[u8]>, usize),
}

/// How many members get each form.
pub type Listeners = [usize; Form::COUNT];

impl Round {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty() && self.public.iter().all(Vec::is_empty)
    }

    /// Whether several have had a part in it, or one has said more than fits into a line: there may
    /// be more where that comes from.
    pub fn is_lively(&self) -> bool {
        self.views.len() > 1 || self.len() > limits::LINE
    }

    /// Whether readers have to wait for the flusher.
    pub fn is_full(&self) -> bool {
        self.len() >= limits::ROUND
    }

    /// How many bytes have been appended. A text that many ask for counts for each of them, but for what
    /// is replayed.
    pub fn len(&self) -> usize {
        let public: usize = self.public.iter().map(Vec::len).sum();
        public + self.private.len() + self.shared_out
    }

    /// What everybody gets who has no view of his own.
    pub fn public(&self, form: Form) -> &[u8] {
        &self.public[form.index()]
    }

    /// Opens a view for `seat`, which gets what everybody gets in the form `listening`, if it is in
    /// the room.
    pub fn open_view(&mut self, seat: usize, listening: Option<Form>) -> ViewId {
        let form = listening.unwrap_or_default();
        let from = listening.map(|_| 0);
        self.views.push(View { seat, form, from, ends: None, is_last: false });
        ViewId(NonZeroU32::new(offset(&self.views)).expect("a view was just added"))
    }

    /// Says something to all members, but not to `speaker`; once in each form that is listened to.
    pub fn say(
        &mut self,
        speaker: Option<ViewId>,
        listeners: &Listeners,
        render: impl Fn(Form, &mut Vec<u8>),
    ) {
        if let Some(view) = speaker {
            self.decide(view);
        }
        for form in Form::ALL {
            if listeners[form.index()] > 0 {
                render(form, &mut self.public[form.index()]);
            }
        }
        if let Some(view) = speaker {
            self.pass_over(view);
        }
    }

    /// Answers something to one seat.
    pub fn answer(&mut self, view: ViewId, render: impl FnOnce(&mut Vec<u8>)) {
        let range = self.append_private(view, render);
        self.push(view, Slice::Answer(range));
    }

    /// Says to one seat what another has for it alone.
    pub fn tell(&mut self, view: ViewId, render: impl FnOnce(&mut Vec<u8>)) {
        let range = self.append_private(view, render);
        self.push(view, Slice::Told(range));
    }

    /// Answers with a text that others get, too.
    pub fn share(&mut self, view: ViewId, text: &Arc<[u8]>) {
        self.shared_out += text.len();
        self.append_shared(view, text, 0..text.len());
    }

    /// Replays a part of a text that others get, too. What counts is what it takes here, and not what it
    /// makes: nobody can ask for it twice.
    pub fn replay(&mut self, view: ViewId, text: &Arc<[u8]>, part: Range<usize>) {
        self.shared_out += size_of::<Link>();
        self.append_shared(view, text, part);
    }

    fn append_shared(&mut self, view: ViewId, text: &Arc<[u8]>, part: Range<usize>) {
        self.decide(view);
        if !self.shared.last().is_some_and(|last| Arc::ptr_eq(last, text)) {
            self.shared.push(text.clone());
        }
        let part = short(part.start)..short(part.end);
        self.push(view, Slice::Shared(offset(&self.shared) - 1, part));
    }

    fn append_private(&mut self, view: ViewId, render: impl FnOnce(&mut Vec<u8>)) -> Range<u32> {
        self.decide(view);
        let start = offset(&self.private);
        render(&mut self.private);
        start..offset(&self.private)
    }

    /// From here on the view's seat gets what everybody gets, in this form.
    pub fn enter(&mut self, view: ViewId, form: Form) {
        let from = offset(self.public(form));
        let view = &mut self.views[view.index()];
        (view.form, view.from) = (form, Some(from));
    }

    /// From here on it does not.
    pub fn exit(&mut self, view: ViewId) {
        self.decide(view);
        self.views[view.index()].from = None;
    }

    /// The seat's stream ends with this round. Where the end comes instead of all that waits, it also
    /// comes instead of what the view holds so far.
    pub fn end(&mut self, view: ViewId, last: Last) {
        let view = &mut self.views[view.index()];
        view.is_last = true;
        if last == Last::Instead {
            (view.from, view.ends) = (None, None);
        }
    }

    /// Gives the view all public bytes that it has no word about yet.
    fn decide(&mut self, view: ViewId) {
        if let Some(undecided) = self.pass_over(view) {
            self.push(view, Slice::Public(undecided));
        }
    }

    /// Takes those bytes from the view.
    fn pass_over(&mut self, view: ViewId) -> Option<Range<u32>> {
        let view = &mut self.views[view.index()];
        let end = offset(&self.public[view.form.index()]);
        view.from.as_mut().map(|from| mem::replace(from, end)..end)
    }

    /// Appends a slice to a view, as part of its last one where it goes on from there.
    fn push(&mut self, view: ViewId, slice: Slice) {
        if slice.is_empty() {
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

    /// What each seat gets that has a view, once the round is closed.
    pub fn views(&self) -> impl Iterator<Item = Own<'_>> {
        self.views.iter().map(|view| Own {
            seat: view.seat,
            listens: view.from.map(|_| view.form),
            is_last: view.is_last,
            round: self,
            view,
        })
    }

    fn piece(&self, form: Form, slice: &Slice) -> Piece<'_> {
        let private = |range: &Range<u32>| &self.private[usize_range(range)];
        match slice {
            Slice::Public(range) => Piece {
                bytes: &self.public(form)[usize_range(range)],
                source: Source::Public(form, range.start as usize),
            },
            Slice::Answer(range) => Piece { bytes: private(range), source: Source::Answer },
            Slice::Told(range) => Piece { bytes: private(range), source: Source::Told },
            Slice::Shared(index, range) => {
                let text = &self.shared[*index as usize];
                let bytes = &text[usize_range(range)];
                Piece { bytes, source: Source::Shared(text, range.start as usize) }
            }
        }
    }

    /// Empties the round, and gives back what memory an unusually large one took.
    pub fn clear(&mut self) {
        for bytes in self.public.iter_mut().chain([&mut self.private]) {
            bytes.clear();
            bytes.shrink_to(2 * limits::ROUND);
        }
        self.shared.clear();
        self.shared.shrink_to(limits::ROUND / 32);
        self.shared_out = 0;
        self.views.clear();
        self.slices.clear();
        self.views.shrink_to(limits::ROUND / 32);
        self.slices.shrink_to(limits::ROUND / 32);
    }
}

impl<'a> Own<'a> {
    /// The pieces of it, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'a>> + use<'a> {
        let (round, form) = (self.round, self.view.form);
        let mut next = self.view.ends.map(|(first, _)| first);
        iter::from_fn(move || {
            let link = &round.slices[next? as usize];
            next = link.next;
            Some(round.piece(form, &link.slice))
        })
    }
}

impl Slice {
    fn is_empty(&self) -> bool {
        match self {
            Self::Public(range)
            | Self::Answer(range)
            | Self::Told(range)
            | Self::Shared(_, range) => range.is_empty(),
        }
    }

    /// Takes `next` in where it goes on from here.
    fn extend(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Public(range), Self::Public(next))
            | (Self::Answer(range), Self::Answer(next))
            | (Self::Told(range), Self::Told(next))
                if range.end == next.start =>
            {
                range.end = next.end;
                true
            }
            _ => false,
        }
    }
}

fn usize_range(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Where the next item goes. A round is bounded by [`limits::ROUND`] and one line's answer: far
/// from what a `u32` counts.
fn offset<T>(items: &[T]) -> u32 {
    short(items.len())
}

fn short(len: usize) -> u32 {
    u32::try_from(len).expect("a round has its limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Form = Form { data: false, ids: false };
    const DATA: Form = Form { data: true, ids: false };

    /// What the seat of each view gets, in the order in which the views were opened.
    fn seen(round: &mut Round) -> Vec<String> {
        round.close();
        let text = |own: Own<'_>| {
            own.pieces().map(|piece| String::from_utf8_lossy(piece.bytes).into_owned()).collect()
        };
        round.views().map(text).collect()
    }

    fn line(text: &str) -> impl Fn(&mut Vec<u8>) {
        move |out| out.extend_from_slice(text.as_bytes())
    }

    impl Round {
        fn announce(&mut self, text: &str) {
            self.say_text(None, text);
        }

        fn say_text(&mut self, speaker: Option<ViewId>, text: &str) {
            self.say(speaker, &[1, 0, 0, 0], |_, out| line(text)(out));
        }
    }

    #[test]
    fn a_speaker_does_not_hear_itself() {
        let mut round = Round::default();
        let ada = round.open_view(0, Some(TEXT));
        round.say_text(Some(ada), "a1 ");
        let bob = round.open_view(1, Some(TEXT));
        round.say_text(Some(bob), "b1 ");
        round.say_text(Some(ada), "a2 ");
        round.announce("all ");
        assert_eq!(round.public(TEXT), b"a1 b1 a2 all ");
        assert_eq!(seen(&mut round), ["b1 all ", "a1 a2 all "]);
    }

    #[test]
    fn what_is_told_to_one_takes_its_place_among_what_all_hear() {
        let mut round = Round::default();
        round.announce("1 ");
        let ada = round.open_view(0, Some(TEXT));
        round.answer(ada, line("pong "));
        round.answer(ada, line("pong "));
        round.announce("2 ");
        assert_eq!(seen(&mut round), ["1 pong pong 2 "]);
        assert_eq!(round.public(TEXT), b"1 2 ");
    }

    #[test]
    fn a_guest_hears_nothing_until_it_enters_and_a_leaver_nothing_after_its_exit() {
        let mut round = Round::default();
        round.announce("1 ");
        let ada = round.open_view(0, None);
        round.answer(ada, line("hello "));
        round.announce("2 ");
        round.answer(ada, line("ok "));
        round.enter(ada, TEXT);
        round.say_text(Some(ada), "joined ");
        round.announce("3 ");
        round.exit(ada);
        round.announce("left ");
        round.answer(ada, line("bye "));
        assert_eq!(seen(&mut round), ["hello ok 3 bye "]);
        assert_eq!(round.public(TEXT), b"1 2 joined 3 left ");
    }

    #[test]
    fn each_form_has_its_own_bytes_and_only_where_somebody_listens() {
        let mut round = Round::default();
        let both = |form: Form, out: &mut Vec<u8>| {
            out.extend_from_slice(if form.data { b"data " } else { b"t " });
        };
        round.say(None, &[1, 0, 0, 0], both);
        assert_eq!((round.public(TEXT), round.public(DATA)), (&b"t "[..], &b""[..]));
        let ada = round.open_view(0, None);
        round.enter(ada, DATA);
        round.say(None, &[1, 1, 0, 0], both);
        round.say(Some(ada), &[1, 1, 0, 0], both);
        round.answer(ada, line("pong "));
        round.say(None, &[1, 1, 0, 0], both);
        assert_eq!(round.public(TEXT), b"t t t t ");
        assert_eq!(seen(&mut round), ["data pong data "]);
    }

    #[test]
    fn what_is_forgotten_does_not_come_back() {
        let mut round = Round::default();
        round.announce("1 ");
        let ada = round.open_view(0, Some(TEXT));
        round.answer(ada, line("pong "));
        round.end(ada, Last::Instead);
        round.announce("2 ");
        round.answer(ada, line("bye "));
        assert_eq!(seen(&mut round), ["bye "]);
    }

    #[test]
    fn what_goes_on_from_the_last_slice_becomes_part_of_it() {
        let mut round = Round::default();
        let ada = round.open_view(0, Some(TEXT));
        for _ in 0..3 {
            round.say_text(Some(ada), "a");
        }
        for _ in 0..3 {
            round.answer(ada, line("p"));
        }
        round.close();
        assert_eq!(round.slices.len(), 1);
    }
}
