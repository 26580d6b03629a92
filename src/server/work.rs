//! Those who work for the room: the *flusher* writes rounds, the *watch* looks after deadlines,
//! stalls and whether the journal reaches the disk, a *drain* sends one slow connection what its socket
//! did not take at once.

use super::Shared;
use super::registry::Registry;
use crate::delivery::Lagger;
use crate::delivery::chunk::Hand;
use crate::limits;
use crate::net::socket::{Socket, Turn};
use async_channel::Receiver;
use async_lock::{Mutex, Semaphore};
use smol::Timer;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Shared {
    /// Writes each round. Being woken by its first line, it runs after every reader that was ready;
    /// where writing takes long, also after those that have become ready in the meantime.
    pub async fn flusher(self, bell: Receiver<()>, turn: Turn) {
        while bell.recv().await.is_ok() {
            if self.registry.lock().await.is_lively() {
                turn.over().await;
            }
            // What has rung meanwhile is in this round.
            let _ = bell.try_recv();
            let fell_behind = self.registry.lock().await.flush(Instant::now());
            let Some(executor) = self.executor.upgrade() else { return };
            for lagger in fell_behind {
                let drain = drain(self.registry.clone(), self.drains.clone(), lagger);
                executor.spawn(drain).detach();
            }
        }
    }

    /// Ticks only as long as there is something to watch.
    pub async fn watch(self, bell: Receiver<()>) {
        while bell.recv().await.is_ok() {
            // The first at once: from then on, time is known to pass.
            while self.registry.lock().await.tick(Instant::now()) {
                Timer::after(limits::TICK).await;
            }
        }
    }
}

/// Sends a connection that fell behind what waits for it, until that is all. It takes turns with the
/// others who do: so a thousand of them do not keep the room waiting.
async fn drain(
    registry: Arc<Mutex<Registry<Arc<Socket>>>>,
    turns: Arc<Semaphore>,
    lagger: Lagger<Arc<Socket>>,
) {
    let Lagger { seat, sink: socket, chunks } = lagger;
    let mut hand = Hand::default();
    let mut pause = Duration::ZERO;
    while hand.fill(&chunks).await {
        let turn = turns.acquire().await;
        match hand.send(&socket) {
            Ok(cost) if cost.bytes == 0 => {
                drop(turn);
                // A kernel that is short of memory calls a socket writable and takes nothing.
                if !pause.is_zero() {
                    Timer::after(pause).await;
                }
                pause = (2 * pause).clamp(limits::REFUSED, limits::REFUSED_LONG);
                socket.writable().await;
            }
            Ok(cost) => {
                pause = Duration::ZERO;
                if registry.lock().await.took(seat, cost, Instant::now()) {
                    return;
                }
                // However fast it is taken: the others get their turn.
                smol::future::yield_now().await;
            }
            Err(error) => {
                return registry.lock().await.broke(seat, error.kind(), Instant::now());
            }
        }
    }
    registry.lock().await.drained(seat, Instant::now());
}
