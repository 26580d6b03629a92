//! What of a room is shown in a pipe, or on a terminal that shows line after line.

use crate::flags::Output;
use crate::json;
use crate::page::Page;
use crate::show::Look;
use smoltalk::client::Event;
use std::time::SystemTime;

/// Events and notices on their way to a page.
pub struct Screen {
    pub page: Page,
    look: Look,
    output: Output,
}

impl Screen {
    /// A person sits at it, if it has a prompt.
    pub fn new(prompt: bool, colour: bool, output: Output) -> Self {
        Self { page: Page::new(prompt), look: Look { colour }, output }
    }

    /// Takes an event to show.
    pub fn event(&mut self, event: &Event) {
        let line = match (self.output, event) {
            (Output::Json, event) => json::event(SystemTime::now(), event),
            (Output::Raw, Event::Data { bytes, .. }) => return self.page.out.bytes(bytes),
            (_, event) => self.look.line(event),
        };
        let Some(line) = line else { return };
        self.page.clear();
        let stream =
            if self.output == Output::Raw { &mut self.page.err } else { &mut self.page.out };
        stream.line(&line);
    }

    /// Whether payloads are shown as they are; else somebody has to make text of them.
    pub fn takes_payloads(&self) -> bool {
        self.output != Output::Text
    }

    /// With `--json`, takes the line that `write` gives for this moment; says whether it did.
    pub fn json(&mut self, write: impl FnOnce(SystemTime) -> String) -> bool {
        let json = self.output == Output::Json;
        if json {
            self.page.out.line(&write(SystemTime::now()));
        }
        json
    }
}
