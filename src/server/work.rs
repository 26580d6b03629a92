//! Those who work for the room: the *flusher* writes rounds, the *watch* looks after deadlines,
//! stalls and whether the journal reaches the disk, a *drain* sends one slow connection what its socket
//! did not take at once.

use super::Shared;
use super::goodbye::{End, Goodbyes};
use super::registry::Registry;
use crate::delivery::Lagger;
use crate::delivery::chunk::Hand;
use crate::limits;
use crate::net::socket::{Socket, Turn};
use async_channel::Receiver;
use async_lock::{Mutex, Semaphore};
use smol::Timer;
use smol::future;
use std::sync::Arc;
use std::time::{Duration, Instant};
#[cfg(feature = "redis")]
use {
    super::NodesConfig,
    crate::limits::Limits,
    crate::log::Log,
    crate::log::nodes::{Event, Node, Pack},
    std::io,
    std::pin::Pin,
};

impl Shared {
    /// Writes each round, and what goes on its way to others who share the log. Being woken by its first line, it runs after every reader that was ready;
    /// where writing takes long, also after those that have become ready in the meantime.
    pub async fn flusher(self, bell: Receiver<()>, turn: Turn) {
        while bell.recv().await.is_ok() {
            if self.registry.lock().await.is_lively() {
                turn.over().await;
            }
            // What has rung meanwhile is in this round.
            let _ = bell.try_recv();
            let mut registry = self.registry.lock().await;
            let began = Instant::now();
            let fell_behind = registry.flush(began);
            registry.counters.flush.count(began.elapsed());
            drop(registry);
            let Some(executor) = self.executor.upgrade() else { return };
            for lagger in fell_behind {
                let drain = drain(self.registry.clone(), self.drains.clone(), lagger);
                executor.spawn(drain).detach();
            }
        }
    }

    /// Waits until all that was done here has come back, if others share the log.
    pub async fn settled(&self) {
        while !self.locked().await.is_settled() {
            Timer::after(limits::TICK).await;
        }
    }

    /// Says goodbye to one after the other for so long, while the others go on. Whatever else would end the server
    /// meanwhile may make it shorter; how long it still takes then, is told.
    pub async fn say_goodbyes(
        &self,
        over: Duration,
        usual: Duration,
        ends: &Receiver<End>,
        tell: impl Fn(Duration),
    ) {
        let leaving = self.locked().await.begin_to_drain();
        if over.is_zero() {
            return;
        }
        let mut goodbyes = Goodbyes::new(leaving, Instant::now(), over);
        while !self.locked().await.say_goodbye(&mut goodbyes, Instant::now()) {
            let tick = async {
                Timer::after(limits::TICK).await;
                None
            };
            if let Some(end) = future::or(async { ends.recv().await.ok() }, tick).await {
                let now = Instant::now();
                goodbyes.hurry(now, end.over(usual));
                tell(goodbyes.left(now));
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

/// A node at work, and what it says.
#[cfg(feature = "redis")]
pub struct NodeTask {
    events: Receiver<Event>,
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[cfg(feature = "redis")]
impl std::fmt::Debug for NodeTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeTask")
    }
}

/// A node, and a log that is shared through it.
#[cfg(feature = "redis")]
pub fn open_node(nodes: &NodesConfig, limits: &Limits) -> io::Result<(NodeTask, Log)> {
    let (node, events, task) = Node::open(&nodes.url, nodes.room, limits)?;
    Ok((NodeTask { events, task: Box::pin(task) }, Log::of_node(limits, node)))
}

#[cfg(feature = "redis")]
impl Shared {
    /// Does what the node says. Ends where the room can be kept there no longer; never without a node.
    pub async fn follow(self, node: Option<NodeTask>) {
        let Some(NodeTask { events, task }) = node else { return future::pending().await };
        let Some(executor) = self.executor.upgrade() else { return };
        let _task = executor.spawn(task);
        while let Ok(event) = events.recv().await {
            let packs = self.registry.lock().await.heed_node(event, Instant::now());
            self.apply(packs).await;
            if self.registry.lock().await.go_on() {
                // All members have been told; they get to know.
                Timer::after(limits::LINGER).await;
                return;
            }
        }
    }

    /// Has the room take packs in, as its rounds have room for them.
    async fn apply(&self, packs: Vec<Pack>) {
        for pack in &packs {
            let mut registry = self.registry.lock().await;
            loop {
                let is_kept_waiting = registry.keeps_all_waiting();
                if !is_kept_waiting && !registry.is_full() {
                    break;
                }
                drop(registry);
                if is_kept_waiting {
                    Timer::after(limits::LAGGER_AWAITED).await;
                } else {
                    // The flusher has been called.
                    future::yield_now().await;
                }
                registry = self.registry.lock().await;
            }
            registry.heed_pack(pack, Instant::now());
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
                if hand.is_done(&chunks) {
                    drop(turn);
                    socket.say_last().await;
                }
                if registry.lock().await.took(seat, cost, Instant::now()) {
                    return;
                }
                // However fast it is taken: the others get their turn.
                future::yield_now().await;
            }
            Err(error) => {
                return registry.lock().await.broke(seat, error.kind(), Instant::now());
            }
        }
    }
    registry.lock().await.drained(seat, Instant::now());
}
