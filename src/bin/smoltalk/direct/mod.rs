//! `smoltalk direct`: a conversation of two, from one side.
//!
//! This is who is called or waited for; `conversation` is what comes of what is typed and heard, and
//! `flags` how it is started.

mod conversation;
pub mod flags;

use crate::failure::{Failure, place};
use crate::ui::Whole;
use crate::wait::{close, signals, unless};
use conversation::Conversation;
use futures_lite::{StreamExt, future};
use smol::Timer;
use smoltalk::direct::{Config, Direct, Error, Waiting};
use smoltalk::limits;
use smoltalk::protocol::Name;
use std::io;

/// Whom to talk to, as whom.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    pub whom: Whom,
    pub name: Option<Name>,
    /// All of standard input is one message.
    pub whole: bool,
    /// Go on listening after standard input has ended.
    pub stay: bool,
    /// Whoever listens leaves when the first peer has gone.
    pub once: bool,
}

/// Who the other side is.
#[derive(Debug, PartialEq, Eq)]
pub enum Whom {
    /// Whoever calls here.
    Listen(String, u16),
    /// Who waits there.
    Call(String, u16),
}

/// Talks until there is a reason to stop. The first signal is such a reason; the second ends it
/// wherever it is.
pub async fn run(call: &Call) -> Result<(), Failure> {
    let mut side = Side::new(call)?;
    let mut signals = signals(side.here.console.is_terminal())?;
    let talked = unless(signals.next(), side.talk()).await.unwrap_or(Ok(()));
    close(&mut signals, side.close()).await;
    match Failure::unless_unread(talked) {
        Ok(()) if side.untold > 0 => Err(Failure::Unacknowledged(side.untold)),
        Ok(()) if side.lost > 0 => Err(Failure::Said),
        Ok(()) if side.here.console.has_more() => Err(Failure::Unsent),
        ended => ended,
    }
}

/// This side, and who is at the other.
struct Side<'a> {
    call: &'a Call,
    as_whom: Config,
    here: Conversation,
    peer: Option<Direct>,
    /// How many messages nobody has, as far as is known; and of how many that has not been said.
    lost: usize,
    untold: usize,
}

impl<'a> Side<'a> {
    fn new(call: &'a Call) -> io::Result<Self> {
        let default = Config::default();
        let as_whom = Config { name: call.name.unwrap_or(default.name), ..default };
        let whole = match call.whom {
            Whom::Listen(..) => Whole::UnlessEmpty,
            Whom::Call(..) => Whole::EvenEmpty,
        };
        let here = Conversation::new(&as_whom, call.whole.then_some(whole), call.stay)?;
        Ok(Self { call, as_whom, here, peer: None, lost: 0, untold: 0 })
    }

    async fn talk(&mut self) -> Result<(), Failure> {
        match &self.call.whom {
            Whom::Listen(host, port) => self.listen(host, *port).await,
            Whom::Call(host, port) => self.call(host, *port).await,
        }
    }

    /// Talks to one peer after the other, for ever; unless it is to be one, or a person leaves.
    async fn listen(&mut self, host: &str, port: u16) -> Result<(), Failure> {
        let deaf = |error: io::Error| Failure::Alone(format!("{}: {error}", place(host, port)));
        let waiting = Direct::listen(host, port).await.map_err(deaf)?;
        self.here.console.notice(&format!("listening on {}", waiting.address()));
        self.here.say_how();
        future::or(self.serve(&waiting), async { match waiting.run().await {} }).await
    }

    async fn serve(&mut self, waiting: &Waiting) -> Result<(), Failure> {
        while let Some(peer) = self.here.await_peer(waiting, &self.as_whom).await? {
            let leaves = self.here.leaves();
            let end = self.converse(peer, leaves).await?;
            let peer = self.part();
            let last = self.call.once || self.here.has_left();
            match peer {
                Some(peer) if last => peer.leave().await,
                // The next one need not wait until this one has seen that it is over.
                Some(peer) => smol::spawn(peer.leave()).detach(),
                None => {}
            }
            let name = &self.here.other;
            match end {
                Some(error) if last && !matches!(error, Error::Gone) => {
                    return Err(self.failed(&format!("{name}: {error}")));
                }
                None if last => return Ok(()),
                None | Some(Error::Gone) => self.here.console.notice(&format!("* {name} has gone")),
                Some(error) => self.here.console.notice(&format!("smoltalk: {name}: {error}")),
            }
            self.tell_lost();
            if last {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Says what the last peer has not acknowledged.
    fn tell_lost(&mut self) {
        if let lost @ 1.. = std::mem::take(&mut self.untold) {
            let name = &self.here.other;
            let lost = format!("smoltalk: {name}: {}", Failure::Unacknowledged(lost));
            self.here.console.notice(&lost);
        }
    }

    /// Why it ends, and with it what was not acknowledged.
    fn failed(&mut self, why: &str) -> Failure {
        match std::mem::take(&mut self.untold) {
            0 => Failure::Alone(why.into()),
            lost => Failure::Alone(format!("{why}: {}", Failure::Unacknowledged(lost))),
        }
    }

    /// Talks until all is said and acknowledged.
    async fn call(&mut self, host: &str, port: u16) -> Result<(), Failure> {
        let failed = |error| match error {
            Error::Busy | Error::Refused { .. } => Failure::Refused(error.to_string()),
            _ => Failure::Alone(format!("{}: {error}", place(host, port))),
        };
        self.here.say_how();
        let called = Box::pin(Direct::connect(host, port, &self.as_whom));
        let Some(called) = unless(self.here.console.ended(), called).await else { return Ok(()) };
        let peer = called.map_err(failed)?;
        let end = self.converse(peer, !self.call.stay).await?;
        if let Some(peer) = self.part() {
            peer.leave().await;
        }
        match end {
            None => Ok(()),
            Some(Error::Gone) if self.here.has_said_all() && self.untold == 0 => {
                // It has all that was said.
                self.here.console.notice(&format!("* {} has gone", self.here.other));
                Ok(())
            }
            Some(busy @ Error::Busy) => Err(Failure::Refused(busy.to_string())),
            Some(error) => Err(self.failed(&error.to_string())),
        }
    }

    /// Talks to `peer`; returns how that ended, or nothing where it `leaves` when all is said.
    async fn converse(&mut self, peer: Direct, leaves: bool) -> Result<Option<Error>, Failure> {
        let peer = self.peer.insert(peer);
        Ok(self.here.converse(peer, leaves).await?)
    }

    /// Lets the peer go, and counts what it has not acknowledged.
    fn part(&mut self) -> Option<Direct> {
        let peer = self.peer.take();
        let unacknowledged = peer.as_ref().map_or(0, Direct::unacknowledged);
        // Of what was refused that has been said, and on a terminal of each.
        self.untold += if self.here.console.is_typed() { 0 } else { unacknowledged };
        self.lost += unacknowledged + std::mem::take(&mut self.here.refused);
        self.here.parted();
        peer
    }

    /// Parts, shows what there is to show, and gives all that a moment.
    async fn close(&mut self) {
        self.here.finish();
        let peer = self.part();
        let left = async {
            if let Some(peer) = peer {
                peer.leave().await;
            }
        };
        let shown = unless(Timer::after(limits::GOODBYE), self.here.console.flush());
        future::zip(left, shown).await;
    }
}
