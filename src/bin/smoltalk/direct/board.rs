//! What of a conversation of two is shown, and where.

use crate::page::Page;
use crate::payload;
use crate::show::Fate;
use crate::terminal;
use smoltalk::protocol::Name;
use std::io::{self, IsTerminal};

/// Characters of a message that say which one it is.
const BEGINNING: usize = 40;

/// Messages on their way to a page.
pub struct Board {
    pub page: Page,
    look: Look,
}

/// What becomes of a message's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// They are made safe to print: a terminal gets them.
    Safe,
    /// They are written as they are, and a line has its LF again.
    Lines,
    /// They are written as they are.
    Bytes,
}

impl Board {
    /// One whose standard output has nothing added to it, if `whole`.
    pub fn new(name: Name, whole: bool) -> Self {
        let look = match whole {
            _ if io::stdout().is_terminal() => Look::Safe,
            true => Look::Bytes,
            false => Look::Lines,
        };
        let mut page = Page::new(terminal::is_there());
        page.prompt(&format!("{name}> "));
        Self { page, look }
    }

    /// Takes what `peer` said.
    pub fn message(&mut self, peer: &str, bytes: &[u8]) {
        self.page.clear();
        match self.look {
            Look::Safe => {
                for line in payload::lines(bytes) {
                    self.page.out.line(&format!("<{peer}> {line}"));
                }
            }
            Look::Bytes => self.page.out.bytes(bytes),
            Look::Lines => {
                self.page.out.bytes(bytes);
                // What came of a line has none in it. What has one is not a line's.
                if !bytes.contains(&b'\n') {
                    self.page.out.bytes(b"\n");
                }
            }
        }
    }

    /// Takes what has become of a message: of this one, if somebody needs to be told which.
    pub fn decided(&mut self, fate: Fate, message: Option<&[u8]>) {
        let which = message.map(|message| format!("  {}", beginning(message)));
        self.page.notice(&format!("{fate}{}", which.unwrap_or_default()));
    }
}

/// How a message begins, in so many words that it is known again.
fn beginning(message: &[u8]) -> String {
    let lines = payload::lines(message);
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let cut = first.char_indices().nth(BEGINNING).map_or(first.len(), |(at, _)| at);
    let more = if cut < first.len() || lines.len() > 1 { "…" } else { "" };
    format!("{}{more}", &first[..cut])
}
