//! Bytes in, lines out: line ends, the length limit, and what `telnet` mixes in. Still no I/O.

use super::telnet::{Byte, DO_TIMING_MARK, IAC, Telnet};

/// What a stream of bytes turns out to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line, without its LF and the CR before it. It may be empty.
    Whole(&'a [u8]),
    /// A line over the limit, of which only its first and its last bytes are left.
    TooLong {
        /// Enough to know another protocol by.
        beginning: &'a [u8],
        /// The same.
        end: &'a [u8],
    },
    /// Telnet's DO TIMING-MARK, to be answered. An unfinished line goes on after it.
    TimingMark,
    /// Telnet's IP: somebody typed Ctrl-C.
    Interrupt,
}

/// Cuts one connection's bytes into lines, however they were cut into packets.
///
/// Holds one unfinished line at most, and no memory at all where there is none. What is over the
/// limit is thrown away as it comes.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    /// Whether it takes telnet's commands out. What a server sends has none.
    telnet: bool,
    /// `unfinished` was returned by the last call: the next one drops it.
    finished: bool,
    /// Boxed, so that an idle connection pays for a pointer.
    unfinished: Option<Box<Unfinished>>,
}

/// A line whose LF has not come yet.
#[derive(Debug, Default)]
struct Unfinished {
    /// What has come of it; where it is too long, its first [`KEPT`] bytes and its last.
    bytes: Vec<u8>,
    too_long: bool,
    telnet: Telnet,
}

/// What ends a run of bytes.
enum Stop {
    /// The line's LF.
    End,
    TimingMark,
    Interrupt,
}

impl Lines {
    /// Takes lines of up to `limit` bytes, CR and LF not counted.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        // Less than that has no two ends to keep.
        Self { limit: limit.max(2 * KEPT), telnet: false, finished: false, unfinished: None }
    }

    /// The same, of a peer that may be `telnet`: its commands belong to no line.
    #[must_use]
    pub fn with_telnet(limit: usize) -> Self {
        Self { telnet: true, ..Self::new(limit) }
    }

    /// Takes the next line off the front of `input`, or all of `input` where no line ends in it.
    ///
    /// A line that came in one piece is borrowed from `input`: nothing is copied.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Option<Line<'a>> {
        if std::mem::take(&mut self.finished) {
            self.unfinished = None;
        }
        // Besides the LF. Without telnet, nothing is.
        let special = if self.telnet { IAC } else { b'\n' };
        if self.unfinished.is_none() {
            match find(special, input) {
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
        let stop = unfinished.take(input, special, self.limit);
        self.finished = matches!(stop, Some(Stop::End));
        if unfinished.is_nothing() && !self.finished {
            self.unfinished = None;
        }
        match stop? {
            Stop::End => self.held(),
            Stop::TimingMark => Some(Line::TimingMark),
            Stop::Interrupt => Some(Line::Interrupt),
        }
    }

    /// What came last and lacks its LF. At the end of the stream it counts as a line.
    #[must_use]
    pub fn pending(&self) -> Option<Line<'_>> {
        let line = if self.finished { None } else { self.held() };
        line.filter(|line| *line != Line::Whole(b""))
    }

    fn held(&self) -> Option<Line<'_>> {
        let held = self.unfinished.as_ref()?;
        Some(if held.too_long { too_long(&held.bytes) } else { within(self.limit, &held.bytes) })
    }
}

/// `line` without its CR, if that is within the limit.
fn within(limit: usize, line: &[u8]) -> Line<'_> {
    let whole = line.strip_suffix(b"\r").unwrap_or(line);
    if whole.len() <= limit { Line::Whole(whole) } else { too_long(line) }
}

/// What is left of `line`, which may have a CR.
fn too_long(line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let beginning = &line[..KEPT.min(line.len())];
    Line::TooLong { beginning, end: &line[line.len().saturating_sub(KEPT)..] }
}

/// How many bytes are kept of either end of a line that is too long.
const KEPT: usize = 16;

impl Unfinished {
    /// Takes bytes off `input` up to the line's end, or to something of telnet's that has to be
    /// answered before the line goes on.
    fn take(&mut self, input: &mut &[u8], special: u8, limit: usize) -> Option<Stop> {
        if self.telnet == Telnet::Interrupted {
            self.telnet = Telnet::Data;
            return Some(Stop::Interrupt);
        }
        while !input.is_empty() {
            if self.telnet == Telnet::Data {
                let data = find(special, input).unwrap_or(input.len());
                self.push(&input[..data], limit);
                *input = &input[data..];
            }
            let (&byte, rest) = input.split_first()?;
            if self.telnet == Telnet::Data && byte == b'\n' {
                *input = rest;
                return Some(Stop::End);
            }
            match self.telnet.takes(byte) {
                // It is looked at again, as data.
                Byte::Data => continue,
                Byte::AfterStray => {
                    self.push(&[IAC], limit);
                    continue;
                }
                Byte::Command => {}
                Byte::Escaped => self.push(&[IAC], limit),
                Byte::TimingMark => {
                    *input = rest;
                    return Some(Stop::TimingMark);
                }
                Byte::Interrupt => {
                    *input = rest;
                    return Some(self.interrupted(input));
                }
            }
            *input = rest;
        }
        None
    }

    /// After an IP. A Ctrl-C in `telnet` sends DO TIMING-MARK right behind it and shows nothing of
    /// what it gets before the answer, not even a goodbye: so that is answered first.
    fn interrupted(&mut self, input: &mut &[u8]) -> Stop {
        let Some(rest) = input.strip_prefix(&DO_TIMING_MARK) else { return Stop::Interrupt };
        *input = rest;
        self.telnet = Telnet::Interrupted;
        Stop::TimingMark
    }

    fn push(&mut self, data: &[u8], limit: usize) {
        // One byte more than the limit, for the CR that the LF may turn it into.
        if !self.too_long && self.bytes.len() + data.len() <= limit + 1 {
            return self.bytes.extend_from_slice(data);
        }
        self.too_long = true;
        let (beginning, rest) =
            data.split_at(KEPT.saturating_sub(self.bytes.len()).min(data.len()));
        self.bytes.extend_from_slice(beginning);
        // The end's CR too.
        self.bytes.extend_from_slice(&rest[rest.len().saturating_sub(KEPT + 1)..]);
        self.bytes.drain(KEPT..self.bytes.len() - KEPT - 1);
        self.bytes.shrink_to(4 * KEPT);
    }

    fn is_nothing(&self) -> bool {
        self.bytes.is_empty() && !self.too_long && self.telnet == Telnet::Data
    }
}

/// The place of the first LF or `special`.
fn find(special: u8, bytes: &[u8]) -> Option<usize> {
    const STEP: usize = 32;
    let found = |b: &u8| (*b == b'\n') | (*b == special);
    // Whole steps first, without an early exit, which the compiler turns into vector instructions.
    let clean = |step: &&[u8]| !step.iter().fold(false, |any, b| any | found(b));
    let start = bytes.chunks_exact(STEP).take_while(clean).count() * STEP;
    bytes[start..].iter().position(found).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 32;

    /// What a stream holds that comes in `pieces`, and at its end what lacks its LF.
    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<String, ()>> {
        cut(Lines::with_telnet(LIMIT), pieces)
    }

    fn cut<'a>(
        mut lines: Lines,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Vec<Result<String, ()>> {
        let owned = |line: Line<'_>| match line {
            Line::Whole(line) => Ok(line.escape_ascii().to_string()),
            Line::TooLong { beginning, end } => {
                assert_eq!((beginning.len(), end.len()), (KEPT, KEPT));
                Err(())
            }
            Line::TimingMark => Ok("(timing mark)".into()),
            Line::Interrupt => Ok("(interrupt)".into()),
        };
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
        let mut lines = Lines::with_telnet(LIMIT);
        for mut piece in [&b"ab"[..], b"c\n", b"\xff\xfb\x01", b"\xff\xfd\x06", b"\xff\xf4"] {
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
    fn both_ends_of_a_line_over_the_limit_are_kept() {
        let line = b"GET /a/long/way/that/leads/nowhere HTTP/1.1\r\n";
        let (beginning, end) = (&b"GET /a/long/way/"[..], &b"owhere HTTP/1.1"[..]);
        for size in 1..=line.len() {
            let mut lines = Lines::new(LIMIT);
            let (last, pieces) = line
                .chunks(size)
                .collect::<Vec<_>>()
                .split_last()
                .map(|(l, p)| (*l, p.to_vec()))
                .expect("a piece");
            for mut piece in pieces {
                assert_eq!(lines.next(&mut piece), None);
            }
            let Some(Line::TooLong { beginning: b, end: e }) = lines.next(&mut &*last) else {
                panic!("in pieces of {size}");
            };
            assert_eq!((b, &e[1..]), (beginning, end), "in pieces of {size}");
        }
    }

    #[test]
    fn telnets_commands_are_removed_wherever_they_come() {
        for stream in [
            &b"\xff\xfb\x01MSG hi\n"[..],                // WILL ECHO
            b"M\xff\xf1SG\xff\xfd\x0a hi\n", // NOP; DO option 10, which looks like an LF
            b"MSG \xff\xec\xff\xed\xff\xee\xff\xefhi\n", // EOF, SUSP, ABORT, EOR
            b"MSG \xff\xfa\x18\x00vt\nx\xff\xf0hi\n", // a subnegotiation with an LF in it
            b"MSG \xff\xfa\xff\xff\xff\xf0hi\xff\xf0\n", // one with an escaped IAC; a stray SE
            b"MSG hi\r\xff\xf1\n",           // NOP between CR and LF
            b"MSG hi\n\xff",                 // one that the end of the stream cuts off
            b"MSG hi\n\xff\xfa",
        ] {
            assert_eq!(lines([stream]), whole(&["MSG hi"]), "{}", stream.escape_ascii());
            assert_eq!(lines(stream.chunks(1)), whole(&["MSG hi"]));
        }
    }

    #[test]
    fn an_iac_that_begins_no_command_is_a_byte_of_data() {
        for (stream, line) in [
            (&b"a\xff\xffb\n"[..], r"a\xffb"),
            (b"a\xff\xff\xf1b\n", r"a\xff\xf1b"), // The second IAC begins nothing.
            (b"a\xff\n", r"a\xff"),
            (b"a\xff\r\n", r"a\xff"),
            (b"\xffab\n", r"\xffab"),
            (b"a\xff\xebb\n", r"a\xff\xebb"), // 235, the highest that is no command
        ] {
            assert_eq!(lines([stream]), whole(&[line]));
            assert_eq!(lines(stream.chunks(1)), whole(&[line]));
        }
    }

    #[test]
    fn bytes_are_counted_after_telnet_is_removed() {
        let negotiating = b"x\xff\xf1\xff\xfb\x03".repeat(LIMIT);
        assert_eq!(lines([&negotiating[..]]), whole(&[&"x".repeat(LIMIT)]));
        let escaped = b"\xff\xff".repeat(LIMIT);
        assert_eq!(lines([&escaped[..]]), whole(&[&r"\xff".repeat(LIMIT)]));
        assert_eq!(lines([&escaped[..], b"\xff\xff"]), [Err(())]);
    }

    #[test]
    fn a_timing_mark_is_reported_where_it_comes_and_the_line_goes_on() {
        for (stream, seen) in [
            (&b"\xff\xfd\x06"[..], &["(timing mark)"][..]),
            (b"a\nb\xff\xfd\x06c\nd", &["a", "(timing mark)", "bc", "d"]),
            (b"\xff\xfe\x06\xff\xfb\x06\xff\xfc\x06a\n", &["a"]), // DONT, WILL, WONT
            (b"\xff\xfa\xff\xfd\x06\xff\xf0a\n", &["a"]),         // within a subnegotiation
        ] {
            assert_eq!(lines([stream]), whole(seen));
            assert_eq!(lines(stream.chunks(1)), whole(seen));
        }
        let long = [&b"x".repeat(1000)[..], b"\xff\xfd\x06", &b"x".repeat(1000), b"\n"].concat();
        assert_eq!(lines([&long[..]]), [Ok("(timing mark)".into()), Err(())]);
    }

    #[test]
    fn an_interrupt_is_reported_after_the_timing_mark_that_is_sent_with_it() {
        assert_eq!(lines([&b"ab\xff\xf4"[..]]), whole(&["(interrupt)", "ab"]));
        let stream = &b"ab\xff\xf4\xff\xfd\x06"[..];
        assert_eq!(lines([stream]), whole(&["(timing mark)", "(interrupt)", "ab"]));
        assert_eq!(lines(stream.chunks(1)), whole(&["(interrupt)", "(timing mark)", "ab"]));
    }

    #[test]
    fn who_is_no_telnet_has_no_commands() {
        let stream = &b"\xff\xf4a\xff\xfd\x06\nb\xff\xff\r\n"[..];
        let seen = whole(&[r"\xff\xf4a\xff\xfd\x06", r"b\xff\xff"]);
        assert_eq!(cut(Lines::new(LIMIT), [stream]), seen);
        assert_eq!(cut(Lines::new(LIMIT), stream.chunks(1)), seen);
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

    /// What comes before an interrupt, after which nothing counts: only a timing mark may depend on
    /// the packets there.
    fn until_interrupted(mut seen: Vec<Result<String, ()>>) -> Vec<Result<String, ()>> {
        if let Some(at) = seen.iter().position(|line| *line == Ok("(interrupt)".into())) {
            seen.truncate(at);
            while seen.pop_if(|line| *line == Ok("(timing mark)".into())).is_some() {}
        }
        seen
    }

    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let telling =
            prop::sample::select(vec![b'\n', b'\r', b'a', 255, 255, 250, 240, 251, 253, 6, 244]);
        prop::collection::vec(prop_oneof![3 => telling, 1 => any::<u8>()], 0..400)
    }

    proptest! {
        #[test]
        fn every_cut_of_a_stream_gives_the_same_lines(stream in streams(), cut in 0..400usize) {
            let cut = cut.min(stream.len());
            let whole = until_interrupted(lines([&stream[..]]));
            prop_assert_eq!(&until_interrupted(lines([&stream[..cut], &stream[cut..]])), &whole);
            prop_assert_eq!(&until_interrupted(lines(stream.chunks(1))), &whole);
        }
    }
}
