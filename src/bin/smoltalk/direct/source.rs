//! Standard input as messages: its lines, or all of it.

use async_channel::Receiver;

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    Message(Vec<u8>),
    /// A message over the limit. It has been thrown away.
    TooLong,
}

/// Cuts what is typed into messages, and holds no more of one than could be sent.
///
/// Unlike a line of the room's, one here is any bytes but LF: a CR is part of it.
///
/// Its future may be dropped half-way: what was read stays.
pub struct Source {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    /// How much of the chunk has been cut.
    cut: usize,
    /// The beginning of a message whose end has not come yet.
    begun: Vec<u8>,
    too_long: bool,
    limit: usize,
    /// All is one message; the end has not come yet.
    whole: Option<Whole>,
}

/// All of standard input as one message. And if there is nothing in it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Then that is what was to be sent: an empty file is a file.
    EvenEmpty,
    /// Then nothing was to be sent: a program in the background has no input.
    UnlessEmpty,
}

impl Source {
    /// Messages of up to `limit` bytes out of `chunks`; only one, with `whole`.
    pub fn new(chunks: Receiver<Vec<u8>>, whole: Option<Whole>, limit: usize) -> Self {
        Self { chunks, chunk: Vec::new(), cut: 0, begun: Vec::new(), too_long: false, limit, whole }
    }

    /// How many bytes a message may have.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The next message; `None` at the end. A last line that lacks its LF counts.
    pub async fn next(&mut self) -> Option<Typed> {
        loop {
            if let Some(typed) = self.ready() {
                return Some(typed);
            }
            let Ok(chunk) = self.chunks.recv().await else {
                let some = self.has_begun();
                self.whole = None;
                return some.then(|| self.message());
            };
            self.chunk = chunk;
            self.cut = 0;
        }
    }

    /// The next message, if it has been read already.
    pub fn ready(&mut self) -> Option<Typed> {
        let uncut = &self.chunk[self.cut..];
        let end = if self.whole.is_some() { None } else { uncut.iter().position(|b| *b == b'\n') };
        let part = &uncut[..end.unwrap_or(uncut.len())];
        self.cut += part.len() + usize::from(end.is_some());
        self.too_long |= self.begun.len() + part.len() > self.limit;
        if self.too_long {
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(part);
        }
        end.map(|_| self.message())
    }

    /// Whether its end has come and all messages have been taken; also where nobody has asked yet.
    pub fn is_over(&self) -> bool {
        let read = self.cut < self.chunk.len() || !self.chunks.is_empty();
        self.chunks.is_closed() && !self.has_begun() && !read
    }

    /// Whether the end of the input would be the end of a message.
    fn has_begun(&self) -> bool {
        self.whole == Some(Whole::EvenEmpty) || self.too_long || !self.begun.is_empty()
    }

    fn message(&mut self) -> Typed {
        let message = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.too_long) { Typed::TooLong } else { Typed::Message(message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 10;

    /// What comes of `typed`, however it is cut.
    fn messages(typed: &[u8], whole: Option<Whole>) -> Vec<Typed> {
        let in_pieces = |size| {
            smol::block_on(async {
                let (sender, chunks) = async_channel::unbounded();
                for piece in typed.chunks(size) {
                    sender.try_send(piece.to_vec()).expect("it is unbounded");
                }
                drop(sender);
                let mut source = Source::new(chunks, whole, LIMIT);
                let mut messages = Vec::new();
                assert!(!source.is_over() || typed.is_empty());
                while let Some(message) = source.next().await {
                    assert!(source.begun.len() <= LIMIT);
                    messages.push(message);
                }
                assert!(source.is_over());
                messages
            })
        };
        let messages = in_pieces(1000);
        assert_eq!(in_pieces(1), messages);
        messages
    }

    fn message(bytes: &[u8]) -> Typed {
        Typed::Message(bytes.to_vec())
    }

    #[test]
    fn each_line_is_a_message_byte_for_byte() {
        let expected = [message(b"a\r"), message(b""), message(b"\0\xff"), message(b"b")];
        assert_eq!(messages(b"a\r\n\n\0\xff\nb", None), expected);
        assert_eq!(messages(b"a\n", None), [message(b"a")]);
        assert_eq!(messages(b"", None), []);
    }

    #[test]
    fn all_of_it_is_one_message() {
        for whole in [Whole::EvenEmpty, Whole::UnlessEmpty] {
            for all in [&b"a\nb\r\n"[..], b"\n", b"0123456789"] {
                assert_eq!(messages(all, Some(whole)), [message(all)]);
            }
            assert_eq!(messages(b"0123456789\n", Some(whole)), [Typed::TooLong]);
        }
        assert_eq!(messages(b"", Some(Whole::EvenEmpty)), [message(b"")]);
        assert_eq!(messages(b"", Some(Whole::UnlessEmpty)), []);
    }

    #[test]
    fn what_is_too_long_is_said_and_the_next_is_not() {
        let long = b"0123456789\n0123456789x\nab\n0123456789xxxxxxxxxxxxxxxxxxxx";
        let expected = [message(b"0123456789"), Typed::TooLong, message(b"ab"), Typed::TooLong];
        assert_eq!(messages(long, None), expected);
    }
}
