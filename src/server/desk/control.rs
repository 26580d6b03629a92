//! The operator's socket: an order a line, rows in answer, then OK or ERR.

use super::orders::{Fault, HELP, Order};
use super::status;
use super::wire::Wire;
use crate::limits;
use crate::net::socket::Socket;
use crate::protocol::lines::{Line, Lines};
use crate::protocol::text::to_safe;
use crate::room::notice::{Notice, note};
use crate::server::Shared;
use crate::server::goodbye::End;
use crate::server::registry::Registry;
use crate::server::registry::state::Row;
use async_channel::Sender;
use smol::future;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
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
        match order {
            Order::Ban(net, seconds) => {
                self.ban(net, seconds).await.map_err(|error| self.failed("BAN", &error))?;
                let seconds = seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
                self.log_order(&format!("BAN {net} {seconds}"));
                Ok(String::new())
            }
            Order::Unban(net) => {
                let was = self.unban(net).await.map_err(|error| self.failed("UNBAN", &error))?;
                if !was {
                    let why = "just this net is not banned; BANS says which are";
                    return Err(Fault::BadArgument(why));
                }
                self.log_order(&format!("UNBAN {net}"));
                Ok(String::new())
            }
            order => {
                let mut registry = self.locked().await;
                self.carry_out_at_once(order, &mut registry, ends)
            }
        }
    }

    /// The same of what takes no time.
    #[inline(never)]
    fn carry_out_at_once(
        &self,
        order: Order<'_>,
        registry: &mut Registry<Arc<Socket>>,
        ends: &Sender<End>,
    ) -> Result<String, Fault> {
        let mut rows = String::new();
        let now = Instant::now();
        match order {
            Order::Status => status::render(&self.state_in(registry), &mut rows),
            Order::Help => HELP.iter().for_each(|line| _ = writeln!(rows, "HELP {line}")),
            Order::Bans => {
                for (net, seconds) in registry.banned() {
                    let seconds = seconds.map_or("-".into(), |seconds| seconds.to_string());
                    let _ = writeln!(rows, "BANS {net} {seconds}");
                }
            }
            Order::Kick(name, reason) => {
                registry.may_kick(name, reason)?;
                if registry.is_cut_off(now) && !registry.is_here(name) {
                    return Err(Fault::OutOfReach);
                }
                // Before what comes of it.
                self.log_order(&format!("KICK {name} {}", String::from_utf8_lossy(reason)));
                registry.kick(name, reason, now)?;
            }
            Order::Note(_) if registry.is_cut_off(now) => return Err(Fault::OutOfReach),
            Order::Note(text) => {
                registry.note_to_all(text)?;
                self.log_order(&format!("NOTE {}", String::from_utf8_lossy(text)));
            }
            Order::Drain(over) => {
                registry.is_draining = true;
                let _ = ends.try_send(End::Order(over));
                let over = over.map(|over| status::Seconds(over).to_string());
                self.log_order(&format!("DRAIN {}", over.unwrap_or_default()));
            }
            Order::Who | Order::Ban(..) | Order::Unban(_) => {}
        }
        Ok(rows)
    }

    /// Tells who is in, some at a time, so that the room does not wait until all have been looked at.
    async fn tell_who(&self, wire: &Wire) -> io::Result<String> {
        let mut last = None;
        loop {
            let now = Instant::now();
            let (members, end) = self.locked().await.rows(last, limits::ROWS, now);
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
