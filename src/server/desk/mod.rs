//! The operator's doors, beside the room's: the control socket, and the metrics.
//!
//! Each has few places, and the newest always gets one: where there are too many, the oldest has to go. So nobody
//! locks an operator out, and nothing that is said here, or not said, can be felt in the room.

mod control;
pub mod health;
mod http;
mod metrics;
mod orders;
mod process;
mod status;
mod wire;

use super::goodbye::End;
use super::{Shared, Unhurried};
use crate::limits;
use crate::net::listener::Listener;
use crate::net::socket::Socket;
use async_channel::Sender;
use smol::{Task, Timer};
use std::collections::VecDeque;
use std::io::ErrorKind;
use wire::Wire;

/// What is spoken at a door.
#[derive(Debug, Clone)]
enum Desk {
    /// An operator's orders; those to end go there.
    Control(Sender<End>),
    /// HTTP, for a scraper.
    Metrics,
}

impl Shared {
    /// Opens these doors, for as long as what is returned is kept.
    pub fn open_desks(
        &self,
        control: Option<Listener>,
        metrics: Vec<Listener>,
        ends: &Sender<End>,
    ) -> Vec<Task<()>> {
        let Some(executor) = self.executor.upgrade() else { return Vec::new() };
        let control = control.map(|listener| (listener, Desk::Control(ends.clone())));
        let metrics = metrics.into_iter().map(|listener| (listener, Desk::Metrics));
        let desks = control.into_iter().chain(metrics);
        let attend = |(listener, desk)| {
            let attended: Unhurried<'static, ()> = Box::pin(self.clone().attend(listener, desk));
            executor.spawn(attended)
        };
        desks.map(attend).collect()
    }

    /// Takes connections at one of these doors, for as long as the server runs.
    async fn attend(self, listener: Listener, desk: Desk) {
        let mut visits: VecDeque<Task<()>> = VecDeque::new();
        loop {
            let _ = listener.readable().await;
            let taken = listener.accept().and_then(|(fd, peer)| Socket::uncounted(fd, peer));
            let Some(executor) = self.executor.upgrade() else { return };
            match taken {
                Ok(socket) => {
                    visits.retain(|visit| !visit.is_finished());
                    if visits.len() == limits::VISITS {
                        // Dropped, it ends.
                        visits.pop_front();
                    }
                    let visit = self.clone().visited(Wire::new(socket), desk.clone());
                    visits.push_back(executor.spawn(Box::pin(visit) as Unhurried<'static, ()>));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(_) => _ = Timer::after(limits::ACCEPT_PAUSE).await,
            }
            // However many come: the room is served first.
            Timer::after(limits::VISIT_PAUSE).await;
        }
    }

    async fn visited(self, mut wire: Wire, desk: Desk) {
        let said_all = match desk {
            Desk::Control(ends) => self.obey(&mut wire, &ends).await,
            Desk::Metrics => self.scraped(&mut wire).await,
        };
        if said_all.is_ok() {
            wire.end().await;
        }
    }
}
