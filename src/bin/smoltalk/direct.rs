//! `smoltalk direct`: a conversation of two, from one side.
//!
//! `flags` is how it is started, `desk` what comes of what is typed and heard, and `console` where that
//! is shown: on a terminal, or on the `board` of pipes.

pub mod flags;

mod board;
mod console;
mod desk;

use crate::failure::Failure;
use crate::input::Whole;
use crate::wait::{unless, within};
use async_signal::{Signal, Signals};
use desk::Desk;
use futures_lite::future;
use smoltalk::direct::{self, Direct, Error, Waiting};
use smoltalk::limits;
use smoltalk::protocol::Name;
use std::io;

/// Whom to talk to, as whom.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    pub place: Place,
    pub name: Option<Name>,
    /// All of standard input is one message.
    pub whole: bool,
    /// Go on listening after standard input has ended.
    pub stay: bool,
}

/// Where the other side is found.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// It calls here.
    Listen(String, u16),
    /// It waits there.
    Call(String, u16),
}

/// Talks until there is a reason to stop. The first signal is such a reason; the second ends it
/// wherever it is.
pub async fn run(config: &Config) -> Result<(), Failure> {
    let mut side = Side::new(config)?;
    // Who started it with nohup wants it to ignore SIGHUP; but not on a terminal.
    let closed = side.desk.is_terminal().then_some(Signal::Hup);
    let mut signals = Signals::new([Signal::Int, Signal::Term].into_iter().chain(closed))?;
    let talked = unless(&mut signals, side.talk()).await.unwrap_or(Ok(()));
    unless(&mut signals, side.close()).await;
    match Failure::unless_unread(talked) {
        Ok(()) if side.lost > 0 => Err(Failure::Unacknowledged(side.lost)),
        ended => ended,
    }
}

/// This side, and who is at the other.
struct Side<'a> {
    config: &'a Config,
    as_whom: direct::Config,
    desk: Desk,
    peer: Option<Direct>,
    /// How many messages nobody has, as far as is known.
    lost: usize,
}

impl<'a> Side<'a> {
    fn new(config: &'a Config) -> io::Result<Self> {
        let default = direct::Config::default();
        let as_whom = direct::Config { name: config.name.unwrap_or(default.name), ..default };
        let whole = match config.place {
            Place::Listen(..) => Whole::UnlessEmpty,
            Place::Call(..) => Whole::EvenEmpty,
        };
        let desk = Desk::new(&as_whom, config.whole.then_some(whole))?;
        Ok(Self { config, as_whom, desk, peer: None, lost: 0 })
    }

    async fn talk(&mut self) -> Result<(), Failure> {
        match &self.config.place {
            Place::Listen(host, port) => self.listen(host, *port).await,
            Place::Call(host, port) => self.call(host, *port).await,
        }
    }

    /// Talks to one peer after the other, for ever.
    async fn listen(&mut self, host: &str, port: u16) -> Result<(), Failure> {
        let deaf = |error: io::Error| Failure::Alone(format!("{host}:{port}: {error}"));
        let waiting = Direct::listen(host, port).await.map_err(deaf)?;
        self.desk.notice(&format!("listening on {}", waiting.address()));
        future::or(self.serve(&waiting), async { match waiting.run().await {} }).await
    }

    async fn serve(&mut self, waiting: &Waiting) -> Result<(), Failure> {
        loop {
            let peer = self.desk.await_peer(waiting, &self.as_whom).await?;
            let name = peer.peer().to_string();
            let end = self.converse(peer, false).await?;
            let (lost, peer) = self.part();
            // The next one need not wait until this one has seen that it is over.
            if let Some(peer) = peer {
                smol::spawn(peer.leave()).detach();
            }
            self.desk.notice(&match end {
                None | Some(Error::Gone) => format!("* {name} has gone"),
                Some(error) => format!("smoltalk: {name}: {error}"),
            });
            // On a terminal it has been said of each.
            if lost > 0 && !self.desk.is_typed() {
                self.desk.notice(&format!("smoltalk: {name}: {}", Failure::Unacknowledged(lost)));
            }
        }
    }

    /// Talks until all is said and acknowledged.
    async fn call(&mut self, host: &str, port: u16) -> Result<(), Failure> {
        let failed = |error| match error {
            Error::Busy | Error::Refused { .. } => Failure::Refused(error.to_string()),
            _ => Failure::Alone(format!("{host}:{port}: {error}")),
        };
        let peer = Direct::connect(host, port, &self.as_whom).await.map_err(failed)?;
        let name = peer.peer().to_string();
        let end = self.converse(peer, !self.config.stay).await?;
        let (lost, peer) = self.part();
        if let Some(peer) = peer {
            peer.leave().await;
        }
        match end {
            None => Ok(()),
            Some(Error::Gone) if self.desk.has_read_all() && self.lost == 0 => {
                // It has all that was said.
                self.desk.notice(&format!("* {name} has gone"));
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
        self.desk.notice(&format!("* {} is here", peer.peer()));
        Ok(self.desk.converse(peer, leaves).await?)
    }

    /// Lets the peer go; returns how many messages it has not acknowledged, too.
    fn part(&mut self) -> (usize, Option<Direct>) {
        let peer = self.peer.take();
        let unacknowledged = peer.as_ref().map_or(0, Direct::unacknowledged);
        let lost = unacknowledged + std::mem::take(&mut self.desk.refused);
        self.lost += lost;
        self.desk.parted();
        (lost, peer)
    }

    /// Parts, shows what there is to show, and gives all that a moment.
    async fn close(&mut self) {
        self.desk.finish();
        if let (_, Some(peer)) = self.part() {
            peer.leave().await;
        }
        within(limits::GOODBYE, self.desk.flush()).await;
    }
}
