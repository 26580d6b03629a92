//! What becomes of what is typed, with a connection and without.

use super::books::Books;
use super::session::Session;
use crate::ui::{Console, Grammar, Line, Own, json, payload};
use smoltalk::client::{self, Saying};
use smoltalk::limits;
use smoltalk::protocol::{Command, Refusal};
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

/// Lines kept for a person who goes on typing. In a pipe nothing is kept: it is not read.
const KEPT: usize = 100;

/// How whoever types what he has to say can just say it.
const CHAT: &str = "; with --chat, or SMOLTALK_CHAT=1 for good, a line is a message";

/// The same, for a script.
const LINES: &str = "; with --lines, each line is a message";

impl Session<'_> {
    /// Obeys a line, and those that came with it; breaks where it was to leave.
    pub(super) fn obey(&mut self, line: Line) -> ControlFlow<()> {
        let mut next = Some(line);
        while let Some(line) = next {
            self.obey_one(line)?;
            self.obey_waiting()?;
            // What is typed is shown in the order in which it was.
            if self.console.is_typed() {
                self.give();
            }
            // What was read is kept at once, where anything is.
            let more = self.is_kept() || self.has_room() && !self.console.is_full();
            next = if more { self.console.ready() } else { None };
        }
        ControlFlow::Continue(())
    }

    /// Obeys what waits, as far as there is room for it.
    pub(super) fn obey_waiting(&mut self) -> ControlFlow<()> {
        while self.has_room()
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

    /// Whether there is room for one more line.
    pub(super) fn has_room(&self) -> bool {
        let books = self.books.as_ref().is_none_or(Books::has_room);
        books && (self.client.has_room() || self.books.is_some())
    }

    /// What typed lines mean.
    fn grammar(&self) -> Grammar {
        self.visit.grammar(self.console.is_terminal())
    }

    /// Obeys no line but this.
    pub(super) fn obey_one(&mut self, line: Line) -> ControlFlow<()> {
        self.console.entered();
        self.line += 1;
        match line {
            Line::Whole(line) => return self.obey_whole(&line),
            Line::TooLong(len) => self.too_long(len),
        }
        ControlFlow::Continue(())
    }

    fn obey_whole(&mut self, line: &[u8]) -> ControlFlow<()> {
        match line {
            line if line.contains(&b'\n') => self.obey_pasted(line),
            line if self.grammar().is_blank(line) => ControlFlow::Continue(()),
            line if self.console.doubts(line) => ControlFlow::Continue(()),
            line => {
                self.unsaid.spoke = true;
                self.obey_single(line)
            }
        }
    }

    /// Obeys pasted lines: as one message, or one by one. Then they wait: there may not be room for all.
    fn obey_pasted(&mut self, lines: &[u8]) -> ControlFlow<()> {
        let grammar = self.grammar();
        if let Some(message) = grammar.message(lines).filter(|_| self.takes_bytes()) {
            if !self.say_bytes(&message) {
                self.console.put_back(lines);
            }
            return ControlFlow::Continue(());
        }
        if let Some(why) = grammar.refuses(lines) {
            self.console.typed(lines);
            self.not_understood(&why);
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
        let grammar = self.grammar();
        let own = grammar.own(line);
        let command = match (own, self.others.teller) {
            (Some(Own::Reply(text)), Some(teller)) => Ok(Command::Tell(teller, text)),
            _ => grammar.parse(line),
        };
        let is_message = matches!(command, Ok(Command::Msg(_) | Command::Tell(..)));
        // A message is shown as such, once it is on its way.
        if !(is_message && self.connected) {
            self.console.typed(line);
        }
        if let (Err(_), Some(own)) = (&command, own) {
            self.obey_own(own);
            return ControlFlow::Continue(());
        }
        match (command, grammar.file(line)) {
            (Ok(Command::Leave), _) => return ControlFlow::Break(()),
            (Ok(Command::Help), _) => self.console.notice(&grammar.help()),
            (Err(Refusal::NoSuchMember), _) => {
                // As the server would say it.
                self.unsaid.refused = true;
                self.complain_of(&self.which(), &Refusal::NoSuchMember.into());
            }
            (Err(_), None) => self.misunderstand(line),
            (Err(_), Some(_)) if grammar == Grammar::Chat && !io::stdin().is_terminal() => {
                // Whoever wrote the line may be anybody.
                self.not_understood("in a pipe, --chat sends no files");
            }
            (Ok(command), _) if is_message => {
                if !self.message(&command) {
                    self.console.put_back(line);
                }
            }
            (Err(_), Some(_)) if !self.connected => {
                self.console.notice("smoltalk: not connected: files are not kept for later");
            }
            _ if !self.connected => self.console.notice("smoltalk: not connected"),
            (Err(_), Some(path)) => self.say_file(path),
            (Ok(Command::Ping(_)), _) => self.ask_round_trip(),
            (Ok(command), _) => _ = self.command(command),
        }
        ControlFlow::Continue(())
    }

    /// Asks for something or says it; returns whether it does.
    pub(super) fn command(&mut self, command: Command<'_>) -> bool {
        if let Err(error) = self.client.queue(command) {
            let too_long = matches!(error, client::Error::TooLong);
            return self.not_said(&if too_long { over_long(&command) } else { error });
        }
        if matches!(command, Command::Msg(_) | Command::Tell(..)) {
            self.console.said(&command);
        }
        if matches!(command, Command::Tell(..)) {
            self.ask_told();
        }
        true
    }

    /// Says something to all or to one: now, or when there is a connection again. What is too long for
    /// a line goes as a payload. Returns whether it does.
    fn message(&mut self, command: &Command<'_>) -> bool {
        match (Saying::of(command), command) {
            (Some(saying), Command::Msg(text))
                if self.takes_bytes() && saying.check() == Err(Refusal::TooLong) =>
            {
                self.say_bytes(text)
            }
            (Some(saying), _) if self.books.is_some() => self.say(saying),
            _ => self.command(*command),
        }
    }

    /// Takes something to be said into the books; returns whether it does.
    pub(super) fn say(&mut self, saying: Saying) -> bool {
        if let Err(refusal) = saying.check() {
            let data = matches!(saying, Saying::Data(_));
            return self.not_said(&match refusal {
                Refusal::TooLong if data => client::Error::PayloadTooLong,
                Refusal::TooLong => over_long(&saying.command()),
                _ => client::Error::Empty,
            });
        }
        let Some(books) = &mut self.books else { return false };
        if !self.connected {
            if books.ledger.unsaid() >= KEPT {
                let full = format!("smoltalk: not connected, {KEPT} lines wait: not kept");
                self.console.notice(&full);
                // It is still in the history, and not in the way of a `leave`.
                return true;
            }
            self.console.notice("* not connected: kept for later");
        }
        let kept = books.say(saying);
        self.failed = self.failed.take().or(kept.err());
        true
    }

    /// Has what is in the books go out, as far as it may and there is room for it.
    pub(super) fn give(&mut self) {
        let Self { books: Some(books), client, console, .. } = self else { return };
        if !self.connected || !books.may_speak() {
            return;
        }
        let mut refused = Vec::new();
        let is_blind = books.ledger.is_blind();
        while client.has_room() {
            let number = books.ledger.next_number();
            let Some(saying) = books.ledger.to_say() else { break };
            let given = match saying {
                // The server it was meant for knew DATA.
                Saying::Data(_) if !client.form().data => {
                    let text = "this server takes lines only".into();
                    Err(client::Error::Refused { code: Refusal::TooLong.code().into(), text })
                }
                Saying::Data(bytes) => client.queue_data(bytes),
                saying => client.queue(saying.command()),
            };
            if given.is_ok() && number >= books.unshown {
                books.unshown = number + 1;
                // It may be refused, and its echo says that it was not.
                if is_blind || !matches!(saying, Saying::Tell(..)) {
                    show(console, saying);
                }
            }
            // What this server does not take is refused.
            books.asks |= given.is_err();
            refused.extend(given.err());
        }
        books.told += refused.len() as u64;
        for error in refused {
            self.unsaid.here = true;
            self.complain(&error);
        }
    }

    /// Does what is no business of the server's.
    fn obey_own(&mut self, own: Own<'_>) {
        let said = match own {
            Own::Reply(_) => return self.not_understood("nobody has told you anything yet"),
            Own::Ignore(name) => self.others.ignore(name),
            Own::Unignore(name) => self.others.unignore(&name),
        };
        self.console.notice(&said);
    }

    /// Says what is wrong with a line, or what can be typed.
    fn misunderstand(&mut self, line: &[u8]) {
        let said = self.grammar().wrong(line).unwrap_or_else(|| self.usage());
        self.not_understood(&said);
    }

    fn not_understood(&mut self, why: &str) {
        self.unsaid.here = true;
        let code = Refusal::UnknownCommand.code();
        if !self.console.json(|now| json::err(now, code, why)) {
            let which = self.which();
            self.console.notice(&format!("smoltalk: {which}{why}"));
        }
    }

    /// A line of so many bytes could not even be read.
    fn too_long(&mut self, len: usize) {
        let limit = self.client.greeting().payload.unwrap_or(limits::PAYLOAD);
        let text = format!("a message may have {limit} bytes, this line has {len}");
        let code = Refusal::TooLong.code().into();
        self.not_said(&client::Error::Refused { code, text });
    }

    /// What can be typed; and once, how to type less.
    fn usage(&mut self) -> String {
        let grammar = self.grammar();
        let first = !std::mem::replace(&mut self.hinted, true);
        let (usage, commands) = (grammar.usage(), grammar == Grammar::Commands);
        match self.console.is_terminal() {
            true if first && commands => format!("nothing was sent: {usage}{CHAT}"),
            true => format!("nothing was sent: {usage}"),
            // A script that is wrong once is wrong often.
            false if !first => "this is no command".into(),
            false if commands => format!("{usage}{LINES}"),
            false => usage.into(),
        }
    }
}

/// What is too long for a line, and by how much.
fn over_long(command: &Command<'_>) -> client::Error {
    let len = match command {
        Command::Tell(to, text) => "TELL  ".len() + to.as_bytes().len() + text.len(),
        Command::Msg(text) => "MSG ".len() + text.len(),
        _ => return client::Error::TooLong,
    };
    let text = format!("a line may have {} bytes, this one has {len}", limits::LINE);
    client::Error::Refused { code: Refusal::TooLong.code().into(), text }
}

/// Shows what one has said oneself.
fn show(console: &mut Console, saying: &Saying) {
    match saying {
        Saying::Data(bytes) => {
            for line in payload::lines(bytes) {
                console.said(&Command::Msg(line.as_bytes()));
            }
        }
        saying => console.said(&saying.command()),
    }
}
