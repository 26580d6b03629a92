//! Lines and payloads: a stream of text lines, some of which announce so many bytes of any value.
//! Still no I/O.

use crate::protocol::lines::{Line, Lines};

/// What a stream holds next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A line of text.
    Line(Line<'a>),
    /// The payload that a line announced.
    Payload(&'a [u8]),
    /// A payload that no LF closes, or what was to be thrown away in place of one.
    Unclosed {
        /// It was to be thrown away.
        skipped: bool,
    },
}

/// Cuts one connection's bytes into lines and payloads, however they were cut into packets.
///
/// Whoever reads a line that announces a payload says so, with [`expect`](Self::expect) or
/// [`skip`](Self::skip), before asking for more. Holds one unfinished line or payload at most.
#[derive(Debug)]
pub struct Frames {
    lines: Lines,
    /// Boxed, so that an idle connection pays for a pointer.
    payload: Option<Box<Payload>>,
}

/// A payload that has been announced.
#[derive(Debug)]
struct Payload {
    /// How many bytes of it, without its LF, have not come yet.
    missing: u64,
    /// What has come, where it is kept.
    kept: Option<Vec<u8>>,
    /// It was returned by the last call: the next one drops it.
    finished: bool,
}

impl Frames {
    /// Takes lines of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { lines: Lines::new(limit), payload: None }
    }

    /// The same, of a peer that may be `telnet`: its commands belong to no line. In a payload there
    /// are none.
    #[must_use]
    pub fn with_telnet(limit: usize) -> Self {
        Self { lines: Lines::with_telnet(limit), payload: None }
    }

    /// The next `len` bytes, which an LF closes, are a payload.
    ///
    /// Memory is taken as the bytes come: `len` is to be within what the caller allows.
    pub fn expect(&mut self, len: usize) {
        self.await_payload(len as u64, Some(Vec::new()));
    }

    /// The next `len` bytes, which an LF closes, are to be thrown away.
    pub fn skip(&mut self, len: u64) {
        self.await_payload(len, None);
    }

    fn await_payload(&mut self, missing: u64, kept: Option<Vec<u8>>) {
        self.payload = Some(Box::new(Payload { missing, kept, finished: false }));
    }

    /// Takes the next frame off the front of `input`, or all of `input` where none ends in it.
    ///
    /// What came in one piece is borrowed from `input`: nothing is copied.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Option<Frame<'a>> {
        self.payload.take_if(|payload| payload.finished);
        if self.payload.is_none() {
            return self.lines.next(input).map(Frame::Line);
        }
        self.payload(input)
    }

    fn payload<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Option<Frame<'a>> {
        let payload = self.payload.as_mut()?;
        let data = payload.take(input);
        let (&closing, rest) = input.split_first().filter(|_| payload.missing == 0)?;
        *input = rest;
        payload.finished = true;
        if closing != b'\n' {
            return Some(Frame::Unclosed { skipped: payload.kept.is_none() });
        }
        if payload.kept.is_none() {
            return self.next(input);
        }
        let kept = self.payload.as_ref()?.kept.as_ref()?;
        Some(Frame::Payload(if kept.is_empty() { data } else { kept }))
    }

    /// Whether what comes next is part of a payload.
    #[must_use]
    pub fn is_within_payload(&self) -> bool {
        self.payload.as_ref().is_some_and(|payload| !payload.finished)
    }

    /// What came last and lacks its LF. At the end of the stream it counts as a line; a payload that
    /// is not whole counts as nothing.
    #[must_use]
    pub fn pending(&self) -> Option<Line<'_>> {
        if self.is_within_payload() { None } else { self.lines.pending() }
    }
}

impl Payload {
    /// Takes what belongs to it off `input`. Keeps it, unless it is whole and can be borrowed.
    fn take<'i>(&mut self, input: &mut &'i [u8]) -> &'i [u8] {
        let here = usize::try_from(self.missing).map_or(input.len(), |n| n.min(input.len()));
        let (data, rest) = input.split_at(here);
        *input = rest;
        self.missing -= here as u64;
        let borrowed = self.missing == 0 && !rest.is_empty();
        if let Some(kept) = &mut self.kept
            && !(borrowed && kept.is_empty())
        {
            kept.extend_from_slice(data);
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reader makes of a stream that comes in `pieces`. `DATA n` announces a payload, `SKIP n`
    /// one that is to be thrown away.
    fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut frames = Frames::with_telnet(64);
        let mut seen = Vec::new();
        for mut piece in pieces {
            while let Some(frame) = frames.next(&mut piece) {
                let (text, announced) = match frame {
                    Frame::Line(Line::Whole(line)) => {
                        (line.escape_ascii().to_string(), announced(line))
                    }
                    Frame::Line(line) => (format!("{line:?}"), None),
                    Frame::Payload(data) => (format!("[{}]", data.escape_ascii()), None),
                    Frame::Unclosed { skipped: false } => ("unclosed".into(), None),
                    Frame::Unclosed { skipped: true } => ("unclosed, skipped".into(), None),
                };
                seen.push(text);
                match announced {
                    Some((b"DATA", len)) => frames.expect(len),
                    Some((_, len)) => frames.skip(len as u64),
                    None => {}
                }
            }
        }
        if let Some(Line::Whole(line)) = frames.pending() {
            seen.push(format!("{}…", line.escape_ascii()));
        }
        seen
    }

    fn announced(line: &[u8]) -> Option<(&[u8], usize)> {
        let (verb, len) = line.split_at_checked(4)?;
        let len = str::from_utf8(len.strip_prefix(b" ")?).ok()?.parse().ok()?;
        matches!(verb, b"DATA" | b"SKIP").then_some((verb, len))
    }

    #[test]
    fn a_payload_is_taken_as_it_is_and_lines_go_on_after_it() {
        let stream = b"DATA 9\nMSG x\r\n\xff\xfb\nMSG y\n";
        assert_eq!(frames([&stream[..]]), ["DATA 9", r"[MSG x\r\n\xff\xfb]", "MSG y"]);
    }

    #[test]
    fn a_payload_to_be_skipped_leaves_no_trace_and_takes_no_memory() {
        assert_eq!(frames([&b"SKIP 3\nabc\nMSG y\n"[..]]), ["SKIP 3", "MSG y"]);
        let mut frames = Frames::new(64);
        frames.skip(u64::MAX);
        for _ in 0..100 {
            assert_eq!(frames.next(&mut &[b'x'; 1000][..]), None);
        }
        assert!(frames.payload.is_some_and(|payload| payload.kept.is_none()));
    }

    #[test]
    fn an_empty_payload_still_has_its_lf() {
        assert_eq!(frames([&b"DATA 0\n\nMSG y\n"[..]]), ["DATA 0", "[]", "MSG y"]);
        assert_eq!(frames([&b"SKIP 0\n\nMSG y\n"[..]]), ["SKIP 0", "MSG y"]);
    }

    #[test]
    fn a_payload_that_no_lf_closes_is_known() {
        assert_eq!(frames([&b"DATA 2\nabcd\n"[..]]), ["DATA 2", "unclosed", "d"]);
        assert_eq!(frames([&b"SKIP 2\nabcd\n"[..]]), ["SKIP 2", "unclosed, skipped", "d"]);
    }

    #[test]
    fn the_end_of_the_stream_within_a_payload_leaves_nothing() {
        assert_eq!(frames([&b"DATA 5\nabc"[..]]), ["DATA 5"]);
        assert_eq!(frames([&b"DATA 3\nabc"[..]]), ["DATA 3"]);
        assert_eq!(frames([&b"DATA 3\nabc\nMSG"[..]]), ["DATA 3", "[abc]", "MSG…"]);
    }

    #[test]
    fn memory_is_taken_as_the_bytes_come() {
        let mut frames = Frames::new(64);
        frames.expect(usize::MAX);
        assert_eq!(frames.next(&mut &b"abc"[..]), None);
        let kept = frames.payload.and_then(|payload| payload.kept);
        assert_eq!(kept.as_deref(), Some(&b"abc"[..]));
    }

    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let frame =
            (any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(keep, data)| {
                let verb = if keep { "DATA" } else { "SKIP" };
                [format!("{verb} {}\n", data.len()).as_bytes(), &data, b"\n"].concat()
            });
        let line = "[a-z]{0,20}\n".prop_map(String::into_bytes);
        let noise = prop::collection::vec(any::<u8>(), 0..10);
        prop::collection::vec(prop_oneof![4 => frame, 3 => line, 1 => noise], 0..12)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn every_cut_of_a_stream_gives_the_same_frames(stream in streams(), cut: prop::sample::Index) {
            let whole = frames([&stream[..]]);
            let (head, tail) = stream.split_at(cut.index(stream.len() + 1));
            prop_assert_eq!(&frames([head, tail]), &whole);
            prop_assert_eq!(&frames(stream.chunks(1)), &whole);
        }

        #[test]
        fn what_goes_in_comes_out_byte_for_byte_and_in_order(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            piece in 1..500usize,
        ) {
            let mut stream = Vec::new();
            let mut expected = Vec::new();
            for data in payloads {
                stream.extend_from_slice(format!("DATA {}\n", data.len()).as_bytes());
                stream.extend_from_slice(&data);
                stream.push(b'\n');
                expected.push(format!("DATA {}", data.len()));
                expected.push(format!("[{}]", data.escape_ascii()));
            }
            prop_assert_eq!(frames(stream.chunks(piece)), expected);
        }
    }
}
