//! Reading a journal from its beginning to its end, in little memory, and where it is torn or damaged.

use super::format::MAGIC;
use super::record::Read;
use super::story::{Story, Wrong};
use crate::limits;
use std::io::{self, ErrorKind};

/// How much of a file is whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whole {
    /// Where the header ends; 0 where it is not whole.
    pub head: u64,
    /// Where the last whole entry ends.
    pub len: u64,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The system says so.
    Io(io::Error),
    /// It is something else, and has been from the first.
    NoJournal,
    /// It is damaged.
    Damaged {
        /// The byte where what is wrong begins, from 0 on.
        at: u64,
        /// Its line, from 1 on.
        line: u64,
        /// What is wrong.
        wrong: Wrong,
    },
}

/// Reads the `len` bytes of one file. What is torn at its end is not told.
pub fn scan(
    source: &mut dyn io::Read,
    len: u64,
    story: &mut Story,
    read: &mut dyn FnMut(Read<'_>),
) -> Result<Whole, Unreadable> {
    let source = &mut io::Read::take(source, len);
    let mut scan = Scan { window: Window::new(source, len), line: 1, whole: Whole::default() };
    while let Some(size) = scan.next_size(story).map_err(Unreadable::Io)? {
        scan.take(size, story, read)?;
        if story.is_whole() {
            scan.whole.len = scan.window.at;
            if scan.whole.head == 0 {
                scan.whole.head = scan.window.at;
            }
        }
    }
    if !story.can_end_with(scan.window.here()) {
        let is_journal = !story.is_at_beginning();
        let damage = scan.damage(Wrong("neither a header nor the beginning of one"));
        return Err(if is_journal { damage } else { Unreadable::NoJournal });
    }
    if scan.window.is_full() && story.awaited_payload().is_none() {
        return Err(scan.damage(Wrong("a line longer than any")));
    }
    Ok(scan.whole)
}

struct Scan<'a> {
    window: Window<'a>,
    line: u64,
    whole: Whole,
}

impl Scan<'_> {
    /// The size of the next line or payload, with its LF; none where the file ends before.
    fn next_size(&mut self, story: &Story) -> io::Result<Option<usize>> {
        match story.awaited_payload() {
            Some(len) => Ok(self.window.holds(len + 1)?.then_some(len + 1)),
            None => self.window.line(),
        }
    }

    fn take(
        &mut self,
        size: usize,
        story: &mut Story,
        read: &mut dyn FnMut(Read<'_>),
    ) -> Result<(), Unreadable> {
        let (taken, end) = self.window.front(size);
        let mut lines = 1;
        let told = if story.is_at_beginning() && taken != MAGIC {
            return Err(Unreadable::NoJournal);
        } else if story.awaited_payload().is_none() {
            story.line(taken, read)
        } else if end == b'\n' {
            lines = taken.split(|b| *b == b'\n').count() as u64;
            story.payload(taken, read)
        } else {
            Err(Wrong("a payload that no LF ends"))
        };
        told.map_err(|wrong| self.damage(wrong))?;
        self.window.advance(size);
        self.line += lines;
        Ok(())
    }

    fn damage(&self, wrong: Wrong) -> Unreadable {
        Unreadable::Damaged { at: self.window.at, line: self.line, wrong }
    }
}

/// The part of a file that is in memory.
struct Window<'a> {
    source: &'a mut dyn io::Read,
    /// How long the file is.
    len: u64,
    /// Where in the file `bytes[start]` stands.
    at: u64,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl<'a> Window<'a> {
    fn new(source: &'a mut dyn io::Read, len: u64) -> Self {
        Self { source, len, at: 0, bytes: vec![0; limits::JOURNAL_BUFFER], start: 0, end: 0 }
    }

    fn here(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The size of the next line, with its LF; none where the file ends before, or the line is too
    /// long.
    fn line(&mut self) -> io::Result<Option<usize>> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.here()[seen..].iter().position(|b| *b == b'\n') {
                let size = seen + at + 1;
                return Ok((size <= LINE).then_some(size));
            }
            seen = self.here().len();
            if self.is_full() || !self.holds(seen + 1)? {
                return Ok(None);
            }
        }
    }

    /// Whether there is more here than a line can be.
    fn is_full(&self) -> bool {
        self.here().len() >= LINE
    }

    /// Brings the next `size` bytes here, unless the file ends before.
    fn holds(&mut self, size: usize) -> io::Result<bool> {
        if self.here().len() >= size {
            return Ok(true);
        }
        // So no memory is taken for a payload that is only announced.
        if self.len - self.at < size as u64 {
            return Ok(false);
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
        while self.end < size {
            match self.source.read(&mut self.bytes[self.end..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The next `size` bytes, which are here, without the last, and that one.
    fn front(&self, size: usize) -> (&[u8], u8) {
        let taken = &self.here()[..size];
        (&taken[..size - 1], taken[size - 1])
    }

    fn advance(&mut self, size: usize) {
        self.start += size;
        self.at += size as u64;
    }
}

/// The longest line, with its LF. What a journal writes before an entry is shorter.
const LINE: usize = limits::EVENT_LINE;

#[cfg(test)]
mod tests {
    use super::super::format::{self, Since};
    use super::super::record::{Members, Record};
    use super::*;
    use crate::protocol::{Id, Name, Secret};
    use proptest::prelude::*;

    /// Gives a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl io::Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let size = self.1.min(into.len());
            io::Read::read(&mut self.0, &mut into[..size])
        }
    }

    /// What a file holds, and how much of it is whole; or where it is damaged.
    fn told(text: &[u8], size: usize) -> Result<(Vec<String>, Whole), Option<u64>> {
        let mut seen = Vec::new();
        let mut read = |what: Read<'_>| seen.push(format!("{what:?}"));
        let mut story = Story::default();
        match scan(&mut Slow(text, size), text.len() as u64, &mut story, &mut read) {
            Ok(whole) => Ok((seen, whole)),
            Err(Unreadable::Damaged { at, .. }) => Err(Some(at)),
            Err(Unreadable::NoJournal) => Err(None),
            Err(Unreadable::Io(error)) => panic!("{error}"),
        }
    }

    const SMALL: &[u8] = b"#smoltalk journal 1\n#whole\n#began 5-0 1\n#in ada\n\
        #secret bob 0123456789abcdef\n@6-0 JOINED bob\n@6-1 MSG ada hi\n#bytes 5\n\
        @7-0 DATA bob 5\nhello\n#to bob\n@8-0 TELL ada psst\n#bytes 0\n@9-0 DATA ada 0\n\n\
        @9-1 LEFT bob lost\n#gap 12-3 2\n#in ada 0123456789abcdef\n#in eve\n@13-0 NOTE bye\n\
        @14-0 MSG eve last\n";

    #[test]
    fn however_it_comes_it_is_the_same() {
        let whole = told(SMALL, usize::MAX).expect("a journal");
        assert_eq!(whole.1, Whole { head: 48, len: SMALL.len() as u64 });
        for size in 1..SMALL.len() {
            assert_eq!(told(SMALL, size).expect("a journal"), whole);
        }
    }

    /// A changed byte is damage, or stands in what was said, in a name or in an id: no entry goes but
    /// the last.
    #[test]
    fn where_a_byte_has_changed_nothing_is_lost_unnoticed() {
        let (whole, _) = told(SMALL, usize::MAX).expect("a journal");
        for at in 0..SMALL.len() {
            for byte in 0..=u8::MAX {
                let mut text = SMALL.to_vec();
                text[at] = byte;
                let Ok((seen, found)) = told(&text, usize::MAX) else { continue };
                let is_whole = found.len == SMALL.len() as u64;
                let is_last = at + 1 == SMALL.len() && byte != b'\n';
                assert_ne!(is_whole, is_last, "{at} {byte}: {found:?}");
                let merged = usize::from(SMALL[at] == b'\n' && byte != b'\n');
                assert!(seen.len() + 2 * merged >= whole.len(), "{at} {byte}: {seen:?}");
            }
        }
    }

    #[test]
    fn a_line_that_does_not_end_takes_no_memory() {
        let text = [&SMALL[..48], b"@6-0 NOTE ", &b"x".repeat(10 * LINE)].concat();
        assert_eq!(told(&text, 1000), Err(Some(48)));
        let line = |len: usize| [&SMALL[..48], &b"x".repeat(len - 1), b"\n"].concat();
        let text =
            String::from_utf8(line(LINE)).expect("text").replacen("xxxxxxxxxx", "@6-0 NOTE ", 1);
        assert_eq!(told(text.as_bytes(), 999).map(|(_, whole)| whole.len), Ok(48 + LINE as u64));
        let text = text.replace('\n', "x\n").replacen("1x\n#wholex", "1\n#whole", 1);
        assert!(told(text.as_bytes(), 999).is_err());
    }

    #[test]
    fn a_payload_may_be_longer_than_what_is_taken_at_a_time() {
        let payload = b"@1-1 MSG ada hi\n".repeat(20_000);
        let mut text = SMALL[..48].to_vec();
        let ada = Name::new(b"ada").expect("a name");
        format::push_entry(Id::from_ms(6), &Record::Data(ada, &payload), &mut text);
        let len = text.len() as u64;
        for size in [1000, 4096, usize::MAX] {
            let (seen, whole) = told(&text, size).expect("a journal");
            assert_eq!((seen.len(), whole.len), (3, len));
            let (seen, whole) = told(&text[..text.len() - 1], size).expect("a journal");
            assert_eq!((seen.len(), whole.len), (2, 48));
        }
    }

    fn names() -> impl Strategy<Value = Name> {
        prop::sample::select(vec!["ada", "Bob", "eve", "x", "a.-_9"])
            .prop_map(|spelt| Name::new(spelt.as_bytes()).expect("a name"))
    }

    /// Something that is to happen, to whom, and beside whom.
    fn happenings() -> impl Strategy<Value = Vec<(u8, Name, Name, Vec<u8>)>> {
        let text = prop::collection::vec(any::<u8>(), 0..60);
        prop::collection::vec((0..8_u8, names(), names(), text), 0..60)
    }

    /// A journal of what of it can happen, what is told of it, and where the pieces end.
    fn written(happenings: &[(u8, Name, Name, Vec<u8>)]) -> (Vec<u8>, Vec<(usize, String)>) {
        let (mut members, mut text, mut told) = (Members::default(), Vec::new(), Vec::new());
        format::push_header(Since::Began(Id::from_ms(1)), &members, &mut text);
        told.push((text.len(), format!("{:?}", Read::Began(Id::from_ms(1)))));
        for ((kind, name, to, said), ms) in happenings.iter().zip(2..) {
            let mut safe = Vec::new();
            crate::protocol::text::push_safe(&mut safe, said);
            let id = Id::from_ms(ms);
            let record = match kind {
                0 => Record::Joined(*name, Some(Secret::from_random([*kind; 24]))),
                1 => Record::Joined(*name, None),
                2 => Record::Left(*name, &safe),
                3 => Record::Msg(*name, &safe),
                4 => Record::Data(*name, said),
                5 => Record::Tell { from: *name, to: *to, text: &safe },
                6 => Record::Note(&safe),
                _ => {
                    format::push_since(Since::Gap(id), &members, &mut text);
                    let ins = members.iter().map(|(name, secret)| Read::In(name, secret));
                    let all = [Read::Gap(id)].into_iter().chain(ins);
                    told.extend(all.map(|what| (text.len(), format!("{what:?}"))));
                    continue;
                }
            };
            if members.clone().apply(&record).is_ok() {
                members.apply(&record).expect("it can");
                format::push_entry(id, &record, &mut text);
                told.push((text.len(), format!("{:?}", Read::Entry(id, record))));
            }
        }
        (text, told)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_wherever_it_ends(
            happenings in happenings(), cut: prop::sample::Index, size in 1..300_usize,
        ) {
            let (text, expected) = written(&happenings);
            let len = cut.index(text.len() + 1);
            let (seen, whole) = told(&text[..len], size).expect("a journal");
            let expected: Vec<_> = expected.into_iter().filter(|(end, _)| *end <= len).collect();
            prop_assert_eq!(expected.last().map_or(0, |(end, _)| *end as u64), whole.len);
            prop_assert_eq!(expected.into_iter().map(|(_, what)| what).collect::<Vec<_>>(), seen);
        }

        #[test]
        fn anything_is_read_or_refused(
            happenings in happenings(), at: prop::sample::Index, noise: Vec<u8>, size in 1..300_usize,
        ) {
            let (mut text, _) = written(&happenings);
            let at = at.index(text.len());
            let end = text.len().min(at + noise.len());
            text.splice(at..end, noise);
            let _ = told(&text, size);
        }
    }

    #[test]
    #[ignore = "measures: cargo test --release --lib scan -- --ignored --nocapture"]
    fn how_long_a_large_journal_takes() {
        let (ada, said) = (Name::new(b"ada").expect("a name"), [b'x'; 31]);
        let mut text = SMALL[..48].to_vec();
        for ms in 1_795_296_000_000.. {
            format::push_entry(Id::from_ms(ms), &Record::Msg(ada, &said), &mut text);
            if text.len() >= 64 << 20 {
                break;
            }
        }
        let mut count = 0_u32;
        let begun = std::time::Instant::now();
        let mut story = Story::default();
        let whole = scan(&mut &text[..], text.len() as u64, &mut story, &mut |_| count += 1);
        println!("{count} pieces, {} bytes: {:?}", whole.expect("a journal").len, begun.elapsed());
    }
}
