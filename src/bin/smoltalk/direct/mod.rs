//! `smoltalk direct`: a conversation of two, from one side.
//!
//! This is who is called or waited for; `conversation` is what comes of what is typed and heard, and
//! `flags` how it is started.

mod conversation;
pub mod flags;

use crate::failure::Failure;
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
        Ok(()) if side.lost > 0 => Err(Failure::Unacknowledged(side.lost)),
        ended => ended,
    }
}

/// This side, and who is at the other.
struct Side<'a> {
    call: &'a Call,
    as_whom: Config,
    here: Conversation,
    peer: Option<Direct>,
    /// How many messages nobody has, as far as is known.
    lost: usize,
}

impl<'a> Side<'a> {
    fn new(call: &'a Call) -> io::Result<Self> {
        let default = Config::default();
        let as_whom = Config { name: call.name.unwrap_or(default.name), ..default };
        let whole = match call.whom {
            Whom::Listen(..) => Whole::UnlessEmpty,
            Whom::Call(..) => Whole::EvenEmpty,
        };
        let here = Conversation::new(&as_whom, call.whole.then_some(whole))?;
        Ok(Self { call, as_whom, here, peer: None, lost: 0 })
    }

    async fn talk(&mut self) -> Result<(), Failure> {
        match &self.call.whom {
            Whom::Listen(host, port) => self.listen(host, *port).await,
            Whom::Call(host, port) => self.call(host, *port).await,
        }
    }

    /// Talks to one peer after the other, for ever.
    async fn listen(&mut self, host: &str, port: u16) -> Result<(), Failure> {
        let deaf = |error: io::Error| Failure::Alone(format!("{host}:{port}: {error}"));
        let waiting = Direct::listen(host, port).await.map_err(deaf)?;
        self.here.console.notice(&format!("listening on {}", waiting.address()));
        future::or(self.serve(&waiting), async { match waiting.run().await {} }).await
    }

    async fn serve(&mut self, waiting: &Waiting) -> Result<(), Failure> {
        loop {
            let peer = self.here.await_peer(waiting, &self.as_whom).await?;
            let name = peer.peer().to_string();
            let end = self.converse(peer, false).await?;
            let (lost, peer) = self.part();
            // The next one need not wait until this one has seen that it is over.
            if let Some(peer) = peer {
                smol::spawn(peer.leave()).detach();
            }
            self.here.console.notice(&match end {
                None | Some(Error::Gone) => format!("* {name} has gone"),
                Some(error) => format!("smoltalk: {name}: {error}"),
            });
            // On a terminal it has been said of each.
            if lost > 0 && !self.here.console.is_typed() {
                self.here
                    .console
                    .notice(&format!("smoltalk: {name}: {}", Failure::Unacknowledged(lost)));
            }
        }
    }

    /// Talks until all is said and acknowledged.
    async fn call(&mut self, host: &str, port: u16) -> Result<(), Failure> {
        let failed = |error| match error {
            Error::Busy | Error::Refused { .. } => Failure::Refused(error.to_string()),
            _ => Failure::Alone(format!("{host}:{port}: {error}")),
        };
        let called = Box::pin(Direct::connect(host, port, &self.as_whom));
        let Some(called) = unless(self.here.console.ended(), called).await else { return Ok(()) };
        let peer = called.map_err(failed)?;
        let name = peer.peer().to_string();
        let end = self.converse(peer, !self.call.stay).await?;
        let (lost, peer) = self.part();
        if let Some(peer) = peer {
            peer.leave().await;
        }
        match end {
            None => Ok(()),
            Some(Error::Gone) if self.here.has_said_all() && self.lost == 0 => {
                // It has all that was said.
                self.here.console.notice(&format!("* {name} has gone"));
                Ok(())
            }
            Some(busy @ Error::Busy) => Err(Failure::Refused(busy.to_string())),
            Some(error) if lost == 0 => Err(Failure::Alone(error.to_string())),
            Some(error) => {
                Err(Failure::Alone(format!("{error}: {}", Failure::Unacknowledged(lost))))
            }
        }
    }

    /// Talks to `peer`; returns how that ended, or nothing where it `leaves` when all is said.
    async fn converse(&mut self, peer: Direct, leaves: bool) -> Result<Option<Error>, Failure> {
        let peer = self.peer.insert(peer);
        self.here.console.notice(&format!("* {} is here", peer.peer()));
        Ok(self.here.converse(peer, leaves).await?)
    }

    /// Lets the peer go; returns how many messages it has not acknowledged, too.
    fn part(&mut self) -> (usize, Option<Direct>) {
        let peer = self.peer.take();
        let unacknowledged = peer.as_ref().map_or(0, Direct::unacknowledged);
        let lost = unacknowledged + std::mem::take(&mut self.here.refused);
        self.lost += lost;
        self.here.parted();
        (lost, peer)
    }

    /// Parts, shows what there is to show, and gives all that a moment.
    async fn close(&mut self) {
        self.here.finish();
        let (_, peer) = self.part();
        let left = async {
            if let Some(peer) = peer {
                peer.leave().await;
            }
        };
        let shown = unless(Timer::after(limits::GOODBYE), self.here.console.flush());
        future::zip(left, shown).await;
    }
}
