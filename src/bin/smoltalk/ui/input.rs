//! Standard input, cut into what is said at once: lines, or all of it.

use super::patient::Patient;
use async_channel::{Receiver, Sender};
use smoltalk::limits;
use std::io::{self, IsTerminal, Read, Stdin};
use std::mem;
use std::thread;

/// Bytes read at once. As much again may wait to be cut, and no more is read ahead.
const CHUNK: usize = 64 * 1024;

/// The longest line that could be sent to a room, as a payload.
const LONGEST: usize = "send ".len() + limits::PAYLOAD;

/// A line as it was typed, without its line end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Whole(Vec<u8>),
    /// A line longer than any that could be sent, of so many bytes. It has been thrown away.
    TooLong(usize),
}

/// Cuts what is typed into lines, and holds no more of one than could be sent.
///
/// Its future may be dropped half-way: what was read stays.
pub struct Input {
    chunks: Chunks,
    /// Where nothing is to be read ahead, the next chunk is asked for.
    asks: Option<Sender<()>>,
    /// It has been.
    asked: bool,
    chunk: Vec<u8>,
    /// How much of the chunk has been cut.
    cut: usize,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// How many bytes of it have come. Where that is more than there may be, they are not kept.
    come: usize,
    /// The longest line, in bytes.
    limit: usize,
    /// A CR before the LF is no part of the line. In a message it is, as any byte but LF.
    text: bool,
    /// All is one line, whose end has not come yet.
    whole: Option<Whole>,
    /// Why it could not be read on.
    broken: Option<io::Error>,
}

/// What is read, in pieces. An error is the last of them.
pub type Chunks = Receiver<io::Result<Vec<u8>>>;

/// All of standard input as one line. And if there is nothing in it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Then that is what was to be sent: an empty file is a file.
    EvenEmpty,
    /// Then nothing was to be sent: a program in the background has no input.
    UnlessEmpty,
}

/// Standard input, read on a thread of its own: not every file can be polled.
///
/// `smol::Unblock` would do the same, but reads on past an end of file, and a terminal has more than
/// one: Ctrl-D would have to be typed twice.
pub fn chunks() -> io::Result<Chunks> {
    let (sender, chunks) = async_channel::bounded(1);
    thread::Builder::new().spawn(move || read_to_end(stdin(), &sender))?;
    Ok(chunks)
}

/// The same, but nothing is read before it is asked for: what is read and not taken is lost when the
/// program is killed.
pub fn chunks_asked_for() -> io::Result<(Chunks, Sender<()>)> {
    let (sender, chunks) = async_channel::bounded(1);
    let (asks, asked) = async_channel::bounded(1);
    let reader = Asked { source: stdin(), asked };
    thread::Builder::new().spawn(move || read_to_end(reader, &sender))?;
    Ok((chunks, asks))
}

/// Reads when it is asked to.
struct Asked<R> {
    source: R,
    asked: Receiver<()>,
}

impl<R: Read> Read for Asked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Nobody asks any more: as good as an end.
        if self.asked.recv_blocking().is_err() {
            return Ok(0);
        }
        self.source.read(buffer)
    }
}

fn stdin() -> Patient<Stdin> {
    Patient(io::stdin())
}

/// Passes on what is read, up to the first end of it, or to an error.
fn read_to_end(mut source: impl Read, chunks: &Sender<io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let chunk = match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => Ok(buffer[..read].to_vec()),
            Err(error) => Err(error),
        };
        let broken = chunk.is_err();
        if chunks.send_blocking(chunk).is_err() || broken {
            return;
        }
    }
}

impl Input {
    /// What a room is told: lines of text.
    pub fn lines(chunks: Chunks) -> Self {
        Self { text: true, ..Self::messages(chunks, LONGEST, None) }
    }

    /// What one tells another: up to `limit` bytes of any kind, a line each, or all as one.
    pub fn messages(chunks: Chunks, limit: usize, whole: Option<Whole>) -> Self {
        let (chunk, begun) = (Vec::new(), Vec::new());
        let (asks, asked, cut, come, text) = (None, false, 0, 0, false);
        Self { chunks, asks, asked, chunk, cut, begun, come, limit, text, whole, broken: None }
    }

    /// This, where the chunks have to be asked for.
    pub fn asking(self, asks: Sender<()>) -> Self {
        Self { asks: Some(asks), ..self }
    }

    /// The next line; `None` at the end. A last line that lacks its LF counts.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.ready() {
                return Some(line);
            }
            if let Some(asks) = &self.asks
                && !mem::replace(&mut self.asked, true)
            {
                // It has ended already, where nobody is to be asked.
                let _ = asks.try_send(());
            }
            match self.chunks.recv().await {
                Ok(Ok(chunk)) => self.chunk = chunk,
                // A terminal that is gone has just ended.
                Ok(Err(error)) if !io::stdin().is_terminal() => self.breaks(error),
                Ok(Err(_)) | Err(_) => {
                    let some = self.has_begun();
                    self.whole = None;
                    return some.then(|| self.line());
                }
            }
            self.cut = 0;
            self.asked = false;
        }
    }

    /// Nothing more can be read. Half of something is not said.
    fn breaks(&mut self, error: io::Error) {
        (self.begun, self.come, self.whole) = (Vec::new(), 0, None);
        self.chunk = Vec::new();
        self.broken = Some(error);
    }

    /// Whether something has been read that was not taken.
    pub fn has_more(&self) -> bool {
        self.cut < self.chunk.len() || !self.chunks.is_empty() || self.come > 0
    }

    /// Takes what has been read; how many lines that is, as far as it has been cut.
    pub fn drop_rest(&mut self) -> u64 {
        let mut lines = 0;
        while self.ready().is_some() {
            lines += 1;
        }
        lines + u64::from(mem::take(&mut self.come) > 0)
    }

    /// Why it could not be read to its end, if it could not. That is said once.
    pub fn broken(&mut self) -> Option<io::Error> {
        self.broken.take()
    }

    /// The next line, if it has been read already.
    pub fn ready(&mut self) -> Option<Line> {
        let uncut = &self.chunk[self.cut..];
        let end = if self.whole.is_some() { None } else { uncut.iter().position(|b| *b == b'\n') };
        let part = &uncut[..end.unwrap_or(uncut.len())];
        self.cut += part.len() + usize::from(end.is_some());
        // One byte more, for the CR that the LF may turn it into.
        let limit = self.limit + usize::from(self.text);
        self.come += part.len();
        if self.come > limit {
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(part);
        }
        end.map(|_| self.line())
    }

    /// Whether its end has come and all lines have been taken; also where nobody has asked yet.
    pub fn is_over(&self) -> bool {
        let read = self.cut < self.chunk.len() || !self.chunks.is_empty();
        self.chunks.is_closed() && !self.has_begun() && !read
    }

    /// Whether the end of the input would be the end of a line.
    fn has_begun(&self) -> bool {
        self.whole == Some(Whole::EvenEmpty) || self.come > 0
    }

    /// What has come of a line that is over.
    fn line(&mut self) -> Line {
        let come = mem::take(&mut self.come);
        let mut line = mem::take(&mut self.begun);
        // What was not kept is no shorter for its CR.
        if come == line.len() {
            line.pop_if(|b| self.text && *b == b'\r');
            if line.len() <= self.limit {
                return Line::Whole(line);
            }
        }
        Line::TooLong(come)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that `input` makes of what is `typed`, which comes in pieces of `size` bytes.
    fn cut(typed: &[u8], size: usize, input: impl FnOnce(Chunks) -> Input) -> Vec<Line> {
        smol::block_on(async {
            let (sender, chunks) = async_channel::unbounded();
            for piece in typed.chunks(size) {
                sender.try_send(Ok(piece.to_vec())).expect("it is unbounded");
            }
            drop(sender);
            let mut input = input(chunks);
            let mut lines = Vec::new();
            assert!(!input.is_over() || typed.is_empty());
            while let Some(line) = input.next().await {
                assert!(input.begun.len() <= input.limit + 1);
                lines.push(line);
            }
            assert!(input.is_over());
            lines
        })
    }

    fn lines(typed: &[u8]) -> Vec<Line> {
        let lines = cut(typed, CHUNK, Input::lines);
        assert_eq!(cut(typed, 7, Input::lines), lines);
        lines
    }

    /// Messages of up to 10 bytes.
    fn messages(typed: &[u8], whole: Option<Whole>) -> Vec<Line> {
        let messages = cut(typed, CHUNK, |chunks| Input::messages(chunks, 10, whole));
        assert_eq!(cut(typed, 1, |chunks| Input::messages(chunks, 10, whole)), messages);
        messages
    }

    fn whole(line: &[u8]) -> Line {
        Line::Whole(line.to_vec())
    }

    #[test]
    fn a_last_line_without_lf_counts() {
        assert_eq!(lines(b"a\nb\r\n\nc"), [whole(b"a"), whole(b"b"), whole(b""), whole(b"c")]);
        assert_eq!(lines(b"a\n"), [whole(b"a")]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn after_the_first_end_nothing_more_is_read() {
        /// As a terminal: after each line an end, and then more.
        struct Terminal(u8);
        impl Read for Terminal {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                assert!(self.0 <= 2);
                (&b"a\n"[usize::from(self.0 == 2) * 2..]).read(buffer)
            }
        }
        let (sender, chunks) = async_channel::unbounded();
        read_to_end(Terminal(0), &sender);
        let first = chunks.try_recv().expect("a chunk").expect("read");
        assert_eq!(first, b"a\n");
        assert!(chunks.is_empty());
    }

    #[test]
    fn a_line_is_kept_as_typed() {
        assert_eq!(lines(b" \xff\xfb\x01\0\r\r\n"), [whole(b" \xff\xfb\x01\0\r")]);
    }

    #[test]
    fn only_a_line_that_could_be_sent_is_held() {
        let at = vec![b'x'; LONGEST];
        assert_eq!(lines(&[&at[..], b"\r\nb"].concat()), [whole(&at), whole(b"b")]);
        let over = Line::TooLong(LONGEST + 1);
        assert_eq!(lines(&[&at[..], b"x\nb"].concat()), [over, whole(b"b")]);
        let endless = b"x".repeat(3_000_000);
        assert_eq!(lines(&endless), [Line::TooLong(3_000_000)]);
        let more = [&endless[..], b"\nb"].concat();
        assert_eq!(lines(&more), [Line::TooLong(3_000_000), whole(b"b")]);
    }

    #[test]
    fn each_line_is_a_message_byte_for_byte() {
        let expected = [whole(b"a\r"), whole(b""), whole(b"\0\xff"), whole(b"b")];
        assert_eq!(messages(b"a\r\n\n\0\xff\nb", None), expected);
        assert_eq!(messages(b"a\n", None), [whole(b"a")]);
        assert_eq!(messages(b"", None), []);
    }

    #[test]
    fn all_of_it_is_one_message() {
        for kind in [Whole::EvenEmpty, Whole::UnlessEmpty] {
            for all in [&b"a\nb\r\n"[..], b"\n", b"0123456789"] {
                assert_eq!(messages(all, Some(kind)), [whole(all)]);
            }
            assert_eq!(messages(b"0123456789\n", Some(kind)), [Line::TooLong(11)]);
        }
        assert_eq!(messages(b"", Some(Whole::EvenEmpty)), [whole(b"")]);
        assert_eq!(messages(b"", Some(Whole::UnlessEmpty)), []);
    }

    #[test]
    fn what_is_too_long_is_said_and_the_next_is_not() {
        let long = b"0123456789\n0123456789x\nab\n0123456789xxxxxxxxxxxxxxxxxxxx";
        let expected = [whole(b"0123456789"), Line::TooLong(11), whole(b"ab"), Line::TooLong(30)];
        assert_eq!(messages(long, None), expected);
    }
}
