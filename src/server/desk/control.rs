//! The operator's socket: an order a line, rows in answer, then OK or ERR.

use super::orders::{Fault, HELP, Order};
use super::status;
use super::wire::Wire;
use crate::limits;
use crate::protocol::lines::{Line, Lines};
use crate::protocol::text::to_safe;
use crate::room::notice::{Notice, note};
use crate::server::Shared;
use crate::server::goodbye::End;
use crate::server::registry::state::Row;
use async_channel::Sender;
use smol::future;
use std::fmt::Write as _;
use std::io;
use std::time::Instant;

impl Shared {
    /// Obeys an operator until it has said all. What came last counts as a line even though its LF is missing.
    pub async fn obey(&self, wire: &mut Wire, ends: &Sender<End>) -> io::Result<()> {
        let mut lines = Lines::new(limits::LINE);
        loop {
            let heard = wire.hear(limits::OPERATOR_IDLE).await?;
            let is_over = heard.is_empty();
            let heard: Box<[u8]> = if is_over { [b'\n'].into() } else { heard.into() };
            let mut heard = &heard[..];
            while let Some(line) = lines.next(&mut heard) {
                let order = match line {
                    Line::Whole(b"") => continue,
                    Line::Whole(line) => Order::parse(line),
                    _ => Err(Fault::TooLong),
                };
                let done = match order {
                    Ok(Order::Who) => self.tell_who(wire).await.map(Ok)?,
                    Ok(order) => self.carry_out(order, ends).await,
                    Err(fault) => Err(fault),
                };
                let answer = match done {
                    Ok(rows) => rows + "OK\n",
                    Err(fault) => {
                        let (code, text) = fault.words();
                        format!("ERR {code} {text}\n")
                    }
                };
                wire.say(answer.as_bytes()).await?;
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// Does what an order asks for. Returns the rows of the answer.
    async fn carry_out(&self, order: Order<'_>, ends: &Sender<End>) -> Result<String, Fault> {
        let mut rows = String::new();
        match order {
            Order::Status => {
                status::render(&self.state().await, &mut rows);
            }
            Order::Help => HELP.iter().for_each(|line| _ = writeln!(rows, "HELP {line}")),
            Order::Drain(over) => {
                self.registry.lock().await.is_draining = true;
                let _ = ends.try_send(End::Order(over));
                let over = over.map(|over| status::Seconds(over).to_string());
                self.log_order(&format!("DRAIN {}", over.unwrap_or_default()));
            }
            Order::Kick(name, reason) => {
                self.registry.lock().await.kick(name, reason, Instant::now())?;
                self.log_order(&format!("KICK {name} {}", String::from_utf8_lossy(reason)));
            }
            Order::Ban(net, seconds) => {
                self.ban(net, seconds).await.map_err(|error| self.failed("BAN", &error))?;
                let seconds = seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
                self.log_order(&format!("BAN {net} {seconds}"));
            }
            Order::Unban(net) => {
                let was = self.unban(net).await.map_err(|error| self.failed("UNBAN", &error))?;
                if !was {
                    return Err(Fault::BadArgument(
                        "just this net is not banned; BANS says which are",
                    ));
                }
                self.log_order(&format!("UNBAN {net}"));
            }
            Order::Bans => {
                for (net, seconds) in self.bans().await {
                    let seconds = seconds.map_or("-".into(), |seconds| seconds.to_string());
                    let _ = writeln!(rows, "BANS {net} {seconds}");
                }
            }
            Order::Note(text) => {
                self.registry.lock().await.note_to_all(text)?;
                self.log_order(&format!("NOTE {}", String::from_utf8_lossy(text)));
            }
            Order::Who => {}
        }
        Ok(rows)
    }

    /// Tells who is in, some at a time, so that the room does not wait until all have been looked at.
    async fn tell_who(&self, wire: &Wire) -> io::Result<String> {
        let mut last = None;
        loop {
            let now = Instant::now();
            let (members, end) = self.registry.lock().await.rows(last, limits::ROWS, now);
            let mut rows = String::new();
            for row in members {
                let Row { name, peer, seconds, waiting } = row;
                let _ = writeln!(rows, "WHO {name} {} {seconds} {waiting}", peer.word());
            }
            if end.is_none() {
                return Ok(rows);
            }
            last = end;
            wire.say(rows.as_bytes()).await?;
            future::yield_now().await;
        }
    }

    fn failed(&self, order: &str, error: &io::Error) -> Fault {
        self.log_order(&format!("{order} failed: {error}"));
        Fault::Failed
    }

    /// What an operator does is kept in mind.
    fn log_order(&self, order: &str) {
        note(self.troubles.as_ref(), || Notice::Operator(to_safe(order.trim_end().as_bytes())));
    }
}
