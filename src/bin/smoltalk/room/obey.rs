//! What becomes of what is typed, with a connection and without.

use super::session::Session;
use crate::ui::{Line, json};
use smoltalk::client;
use smoltalk::protocol::{Command, Refusal};
use std::ops::ControlFlow;

/// Lines kept for a person who goes on typing. In a pipe nothing is kept: it is not read.
const KEPT: usize = 100;

impl Session<'_> {
    /// Obeys a line, and those that came with it; breaks where it was to leave.
    pub(super) fn obey(&mut self, line: Line) -> ControlFlow<()> {
        let mut next = Some(line);
        while let Some(line) = next {
            self.obey_one(line)?;
            self.obey_waiting()?;
            let more = self.client.has_room() && !self.console.is_full();
            next = if more { self.console.ready() } else { None };
        }
        ControlFlow::Continue(())
    }

    /// Obeys what waits, as far as there is room for it.
    pub(super) fn obey_waiting(&mut self) -> ControlFlow<()> {
        while self.client.has_room()
            && let Some(line) = self.waiting.pop_front()
        {
            if self.obey_whole(&line).is_break() {
                // What was pasted behind a `leave` goes nowhere.
                self.waiting.clear();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Obeys no line but this.
    pub(super) fn obey_one(&mut self, line: Line) -> ControlFlow<()> {
        self.console.entered();
        match line {
            Line::Whole(line) => return self.obey_whole(&line),
            Line::TooLong => self.complain(&client::Error::TooLong),
        }
        ControlFlow::Continue(())
    }

    fn obey_whole(&mut self, line: &[u8]) -> ControlFlow<()> {
        match line {
            line if line.contains(&b'\n') => self.obey_pasted(line),
            line if line.trim_ascii().is_empty() => ControlFlow::Continue(()),
            line => self.obey_single(line),
        }
    }

    /// Obeys pasted lines: as one message, or one by one. Then they wait: there may not be room for all.
    fn obey_pasted(&mut self, lines: &[u8]) -> ControlFlow<()> {
        let grammar = self.visit.grammar;
        if let Some(message) = grammar.message(lines).filter(|_| self.takes_bytes()) {
            self.say_bytes(&message);
            return ControlFlow::Continue(());
        }
        let mut lines = grammar.unfold(lines);
        if !self.connected {
            return lines.iter().try_for_each(|line| self.obey_single(line));
        }
        while let Some(line) = lines.pop() {
            self.waiting.push_front(line);
        }
        ControlFlow::Continue(())
    }

    fn obey_single(&mut self, line: &[u8]) -> ControlFlow<()> {
        let grammar = self.visit.grammar;
        let command = grammar.parse(line);
        let is_message = matches!(command, Ok(Command::Msg(_) | Command::Tell(..)));
        // A message is shown as such, once it is on its way.
        if !(is_message && self.connected) {
            self.console.typed(line);
        }
        match (command, grammar.file(line)) {
            (Ok(Command::Leave), _) => return ControlFlow::Break(()),
            (Ok(Command::Help), _) => self.console.notice(&grammar.help()),
            (Err(Refusal::NoSuchMember), _) => self.complain(&Refusal::NoSuchMember.into()),
            (Err(_), None) => self.misunderstand(),
            _ if is_message && !self.connected => self.keep(line),
            _ if !self.connected => self.console.notice("smoltalk: not connected"),
            (Err(_), Some(path)) => self.say_file(path),
            (Ok(Command::Ping(_)), _) => self.ask_round_trip(),
            (Ok(command), _) => self.command(command),
        }
        ControlFlow::Continue(())
    }

    pub(super) fn command(&mut self, command: Command<'_>) {
        match self.client.queue(command) {
            Ok(()) if matches!(command, Command::Msg(_) | Command::Tell(..)) => {
                self.unconfirmed.said();
                self.console.said(&command);
            }
            Ok(()) => {}
            Err(error) => self.complain(&error),
        }
    }

    /// Keeps a message until there is a connection again.
    fn keep(&mut self, line: &[u8]) {
        if self.waiting.len() < KEPT {
            self.waiting.push_back(line.into());
            self.console.notice("* not connected: kept for later");
        } else {
            let full = format!("smoltalk: not connected, {KEPT} lines wait: not kept");
            self.console.notice(&full);
        }
    }

    /// Says what can be typed.
    fn misunderstand(&mut self) {
        let code = Refusal::UnknownCommand.code();
        let usage = self.visit.grammar.usage();
        if !self.console.json(|now| json::err(now, code, usage)) {
            self.console.notice(&format!("smoltalk: {usage}"));
        }
    }
}
