//! Bytes in, lines out: line ends, the length limit, telnet negotiation. Still no I/O.

use crate::limits;

/// What a stream of bytes turns out to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line, without its LF and the CR before it. It may be empty.
    Whole(&'a [u8]),
    /// A line over the limit, of which only the beginning is left.
    TooLong(&'a [u8]),
}

/// Cuts one connection's bytes into lines, however they were cut into packets.
///
/// Holds one unfinished line at most, and no memory at all where there is none. What is over the
/// limit is thrown away as it comes.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    /// `unfinished` was returned by the last call: the next one drops it.
    finished: bool,
    /// Boxed, so that an idle connection pays for a pointer.
    unfinished: Option<Box<Unfinished>>,
}

/// A line whose LF has not come yet.
#[derive(Debug, Default)]
struct Unfinished {
    bytes: Vec<u8>,
    too_long: bool,
    telnet: Telnet,
}

impl Lines {
    /// Takes lines of up to `limit` bytes, CR and LF not counted.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, finished: false, unfinished: None }
    }

    /// Takes the next line off the front of `input`, or all of `input` where no line ends in it.
    ///
    /// A line that came in one piece is borrowed from `input`: nothing is copied.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Option<Line<'a>> {
        if std::mem::take(&mut self.finished) {
            self.unfinished = None;
        }
        if self.unfinished.is_none() {
            match find_special(input) {
                Some(at) if input[at] == b'\n' => {
                    let line = &input[..at];
                    *input = &input[at + 1..];
                    return Some(within(self.limit, line));
                }
                None if input.is_empty() => return None,
                _ => {}
            }
        }
        let unfinished = self.unfinished.get_or_insert_default();
        self.finished = unfinished.take(input, self.limit);
        if unfinished.is_nothing() && !self.finished {
            self.unfinished = None;
        }
        self.finished.then(|| self.held()).flatten()
    }

    /// What came last and lacks its LF. At the end of the stream it counts as a line.
    #[must_use]
    pub fn pending(&self) -> Option<Line<'_>> {
        let line = if self.finished { None } else { self.held() };
        line.filter(|line| *line != Line::Whole(b""))
    }

    fn held(&self) -> Option<Line<'_>> {
        let held = self.unfinished.as_ref()?;
        let long = held.too_long.then_some(Line::TooLong(&held.bytes));
        Some(long.unwrap_or_else(|| within(self.limit, &held.bytes)))
    }
}

/// `line` without its CR, if that is within the limit.
fn within(limit: usize, line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() <= limit {
        Line::Whole(line)
    } else {
        Line::TooLong(&line[..BEGINNING.min(limit)])
    }
}

/// What is kept of a line that is too long: enough to know another protocol by.
const BEGINNING: usize = 16;

impl Unfinished {
    /// Takes bytes off `input` up to the line's end; says whether it came.
    fn take(&mut self, input: &mut &[u8], limit: usize) -> bool {
        while !input.is_empty() {
            let data = match self.telnet {
                Telnet::Data => find_special(input).unwrap_or(input.len()),
                _ => 0,
            };
            self.push(&input[..data], limit);
            *input = &input[data..];
            let Some((&byte, rest)) = input.split_first() else { break };
            if self.telnet == Telnet::Data && byte == b'\n' {
                *input = rest;
                return true;
            }
            // A byte that turns out to be no part of a negotiation is looked at again, as data.
            if self.telnet.takes(byte) {
                *input = rest;
            }
        }
        false
    }

    fn push(&mut self, data: &[u8], limit: usize) {
        // One byte more than the limit, for the CR that the LF may turn it into.
        let room = if self.too_long { 0 } else { limit + 1 - self.bytes.len() };
        self.bytes.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            self.too_long = true;
            self.bytes.truncate(BEGINNING);
            self.bytes.shrink_to_fit();
        }
    }

    fn is_nothing(&self) -> bool {
        self.bytes.is_empty() && !self.too_long && self.telnet == Telnet::Data
    }
}

const IAC: u8 = 255; // RFC 854, "Interpret As Command"

/// The place of the first LF or IAC.
fn find_special(bytes: &[u8]) -> Option<usize> {
    const STEP: usize = 32;
    let special = |b: &u8| (*b == b'\n') | (*b == IAC);
    // Whole steps first, without an early exit, which the compiler turns into vector instructions.
    let clean = |step: &&[u8]| !step.iter().fold(false, |found, b| found | special(b));
    let start = bytes.chunks_exact(STEP).take_while(clean).count() * STEP;
    bytes[start..].iter().position(special).map(|at| start + at)
}

/// Where in a telnet negotiation the stream is. RFC 854, 855.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Data,
    /// After IAC.
    Command,
    /// After IAC and WILL, WONT, DO or DONT.
    Option,
    /// In a subnegotiation that has had so many bytes.
    Subnegotiation(usize),
    /// The same, after an IAC.
    SubnegotiationCommand(usize),
}

impl Telnet {
    /// Moves on by one byte that is no plain data; says whether the byte was part of a negotiation.
    fn takes(&mut self, byte: u8) -> bool {
        const SE: u8 = 240;
        const SB: u8 = 250;
        const WILL: u8 = 251;
        const DONT: u8 = 254;
        let (next, taken) = match (*self, byte) {
            (Self::Data, IAC) => (Self::Command, true),
            (Self::Data, _) => (Self::Data, false),
            (Self::Command, SB) => (Self::Subnegotiation(0), true),
            (Self::Command, WILL..=DONT) => (Self::Option, true),
            // Below are no commands: a stray 0xFF, as in Latin-1's ÿ, must not eat a line end.
            (Self::Command, byte) => (Self::Data, byte >= SE),
            (Self::Option, _) | (Self::SubnegotiationCommand(_), SE) => (Self::Data, true),
            // The IAC of its end is none of its bytes, and any other IAC is.
            (Self::Subnegotiation(n), IAC) => (Self::SubnegotiationCommand(n), true),
            (Self::Subnegotiation(n), _) => (Self::after(n + 1), true),
            (Self::SubnegotiationCommand(n), _) => match Self::after(n + 1) {
                Self::Subnegotiation(n) => (Self::after(n + 1), true),
                over => (over, false),
            },
        };
        *self = next;
        taken
    }

    /// After so many bytes of a subnegotiation.
    fn after(bytes: usize) -> Self {
        if bytes < limits::SUBNEGOTIATION { Self::Subnegotiation(bytes) } else { Self::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 32;

    /// The lines of a stream that comes in `pieces`, and at its end what lacks its LF.
    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<String, ()>> {
        let owned = |line: Line<'_>| match line {
            Line::Whole(line) => Ok(line.escape_ascii().to_string()),
            Line::TooLong(beginning) => {
                assert_eq!(beginning.len(), BEGINNING);
                Err(())
            }
        };
        let mut lines = Lines::new(LIMIT);
        let mut seen = Vec::new();
        for mut piece in pieces {
            while let Some(line) = lines.next(&mut piece) {
                seen.push(owned(line));
            }
            assert!(piece.is_empty());
            let held = lines.unfinished.as_ref().map_or(0, |u| u.bytes.len());
            assert!(held <= LIMIT + 1);
        }
        seen.extend(lines.pending().map(owned));
        seen
    }

    fn whole(lines: &[&str]) -> Vec<Result<String, ()>> {
        lines.iter().map(|line| Ok((*line).to_string())).collect()
    }

    #[test]
    fn lf_and_crlf_end_a_line() {
        assert_eq!(lines([&b"a\nb\r\n\n\r\nc"[..]]), whole(&["a", "b", "", "", "c"]));
        assert_eq!(lines([&b"a\r\r\nb\rc\n"[..]]), whole(&["a\\r", "b\\rc"]));
    }

    #[test]
    fn half_a_line_waits_for_the_rest() {
        assert_eq!(lines([&b"ab"[..], b"c\r", b"\nd\n"]), whole(&["abc", "d"]));
    }

    #[test]
    fn nothing_is_held_between_lines() {
        let mut lines = Lines::new(LIMIT);
        for mut piece in [&b"ab"[..], b"c\n", b"\xff\xfb\x01"] {
            while lines.next(&mut piece).is_some() {}
        }
        assert!(lines.unfinished.is_none());
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_over_it_does_not() {
        for end in ["\n", "\r\n", ""] {
            let at = format!("{}{end}", "x".repeat(LIMIT));
            let over = format!("{}{end}", "x".repeat(LIMIT + 1));
            for cut in 0..at.len() {
                assert_eq!(
                    lines([&at.as_bytes()[..cut], &at.as_bytes()[cut..]]),
                    whole(&[&at[..LIMIT]])
                );
                assert_eq!(lines([&over.as_bytes()[..cut], &over.as_bytes()[cut..]]), [Err(())]);
            }
        }
    }

    #[test]
    fn a_line_over_the_limit_is_thrown_away_up_to_its_lf() {
        let long = [b"x".repeat(1000), b"\nnext\n".to_vec()].concat();
        assert_eq!(lines(long.chunks(7)), [Err(()), Ok("next".into())]);
    }

    #[test]
    fn negotiation_is_removed_wherever_it_comes() {
        for stream in [
            &b"\xff\xfb\x01MSG hi\n"[..],                // WILL ECHO
            b"M\xff\xf1SG\xff\xfd\x0a hi\n", // NOP; DO option 10, which looks like an LF
            b"MSG\xff\xff hi\n",             // an escaped 0xFF
            b"MSG \xff\xfa\x18\x00vt\nx\xff\xf0hi\n", // a subnegotiation with an LF in it
            b"MSG \xff\xfa\xff\xff\xff\xf0hi\xff\xf0\n", // one with an escaped IAC; a stray SE
            b"MSG hi\xff\n",                 // a stray IAC before a line end
        ] {
            assert_eq!(lines([stream]), whole(&["MSG hi"]), "{}", stream.escape_ascii());
            assert_eq!(lines(stream.chunks(1)), whole(&["MSG hi"]));
        }
    }

    #[test]
    fn an_endless_subnegotiation_is_over_after_256_bytes() {
        let stream = [&b"\xff\xfa"[..], &b"x".repeat(256), b"hi\n"].concat();
        assert_eq!(lines([&stream[..]]), whole(&["hi"]));
        assert_eq!(lines(stream.chunks(1)), whole(&["hi"]));
    }

    #[test]
    fn the_end_of_a_subnegotiation_is_found_however_long_it_is() {
        for length in 0..=256 {
            let stream = [&b"\xff\xfa"[..], &b"x".repeat(length), b"\xff\xf0hi\n"].concat();
            assert_eq!(lines([&stream[..]]), whole(&["hi"]), "{length}");
            assert_eq!(lines(stream.chunks(1)), whole(&["hi"]), "{length}");
        }
    }

    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let telling = prop::sample::select(vec![b'\n', b'\r', b'a', 255, 250, 240, 251, 1]);
        prop::collection::vec(prop_oneof![3 => telling, 1 => any::<u8>()], 0..400)
    }

    proptest! {
        #[test]
        fn every_cut_of_a_stream_gives_the_same_lines(stream in streams(), cut in 0..400usize) {
            let cut = cut.min(stream.len());
            let whole = lines([&stream[..]]);
            prop_assert_eq!(&lines([&stream[..cut], &stream[cut..]]), &whole);
            prop_assert_eq!(&lines(stream.chunks(1)), &whole);
        }
    }
}
