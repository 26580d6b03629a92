//! A registered node, while all goes well: its writer and its reader.

use super::alarm::Alarm;
use super::answer::Trouble;
use super::event::Event;
use super::gather::{Batch, Gathered};
use super::keep::Progress;
use super::link::{Commit, Committed, Link};
use super::pack::{Epoch, Pack};
use crate::limits::{self, Limits};
use crate::protocol::Id;
use async_channel::{Receiver, Sender};
use smol::future;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the node's handle shares with its task.
#[derive(Debug)]
pub struct Shared {
    gathered: Mutex<Gathered>,
    /// Something has gathered, or the reader wants to know what is the matter.
    pub bell: Sender<()>,
    /// Bytes of the log by which the slowest node is behind.
    pub behind: AtomicU64,
}

impl Shared {
    /// What ever gathers, rings the bell.
    pub fn new(bell: Sender<()>) -> Self {
        Self { gathered: Mutex::default(), bell, behind: AtomicU64::new(0) }
    }

    /// What has gathered. Nobody holds this while it waits for anything.
    pub fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom the writer and the reader have to do with.
pub struct Outside {
    pub shared: Arc<Shared>,
    pub events: Sender<Event>,
    /// How much of the log the room has been given.
    progress: Mutex<Progress>,
}

/// A registered node.
pub struct Stay {
    mark: String,
    epoch: Epoch,
    /// The number of the last batch.
    number: u64,
    /// That batch, until it is known to be done.
    under_way: Option<Batch>,
    /// When it has last said that it is alive.
    beat: Instant,
    /// Rings when it is time to say so again.
    alarm: Alarm,
    /// How many bytes of the log it has said that it has read.
    said: u64,
    /// There are more names of dead nodes.
    is_more_to_take_out: bool,
    /// The room stands on what it has read: from now on others wait for it, should it be slow.
    pub is_started: bool,
}

/// Why the node does not stay as it is.
pub enum Ended {
    /// Nobody listens any more.
    Unheard,
    Trouble(Trouble),
    Fenced,
    Lost,
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Stay {
    /// It has been registered now, as this, to read the log with this mark, so far.
    pub fn new(mark: String, epoch: Epoch, said: u64) -> Self {
        Self {
            mark,
            epoch,
            number: 0,
            under_way: None,
            beat: Instant::now(),
            alarm: Alarm::new(),
            said,
            is_more_to_take_out: false,
            is_started: false,
        }
    }
}

// Writing.
impl Stay {
    /// Has done what gathers, one batch at a time, and says each second that the node is alive. Who is in
    /// doubt whether all is well is answered by that.
    pub async fn write(
        &mut self,
        link: &mut Link,
        outside: &Outside,
        bell: &Receiver<()>,
        doubts: &Receiver<Sender<()>>,
    ) -> Result<Infallible, Ended> {
        loop {
            let doubt = doubts.try_recv();
            if doubt.is_ok() || self.is_more_to_take_out {
                self.beat(link, outside).await?;
            }
            // The doubt is over when this is dropped.
            drop(doubt);
            self.beat_if_due(link, outside).await?;
            if self.under_way.is_none() {
                self.under_way = outside.shared.gathered().take();
                self.number += u64::from(self.under_way.is_some());
            }
            if self.under_way.is_some() {
                self.ask(link, outside, true).await?;
                self.under_way = None;
            } else if !self.is_more_to_take_out {
                let due = self.beat + outside.pace();
                let rung = async { _ = bell.recv().await };
                future::or(rung, self.alarm.wait_until(due)).await;
            }
        }
    }

    /// Says that the node is alive, where it is time for that.
    pub async fn beat_if_due(&mut self, link: &mut Link, outside: &Outside) -> Result<(), Ended> {
        let is_due =
            self.beat.elapsed() >= outside.pace() || outside.unsaid(self.said) >= limits::UNSAID;
        if is_due { self.beat(link, outside).await } else { Ok(()) }
    }

    /// Has a batch done, under the last number, or nothing.
    async fn ask(
        &mut self,
        link: &mut Link,
        outside: &Outside,
        is_batch: bool,
    ) -> Result<(), Ended> {
        let commit = {
            let progress = outside.progress();
            self.said = progress.read;
            let read = self.is_started.then_some(progress.read);
            let (at, keep) = (progress.at, progress.keep());
            Commit { mark: &self.mark, epoch: self.epoch, at, read, keep }
        };
        let batch = self.under_way.as_ref().filter(|_| is_batch).map(|batch| (self.number, batch));
        match link.commit(commit, batch).await? {
            Committed::Done { behind, is_more_to_take_out } => {
                self.is_more_to_take_out = is_more_to_take_out;
                outside.is_behind(behind);
            }
            Committed::Passed => {}
            Committed::Fenced => return Err(Ended::Fenced),
            Committed::Lost => return Err(Ended::Lost),
        }
        Ok(())
    }

    /// Says that the node is alive, and has some taken out of those that are not.
    pub async fn beat(&mut self, link: &mut Link, outside: &Outside) -> Result<(), Ended> {
        if outside.events.is_closed() {
            return Err(Ended::Unheard);
        }
        self.ask(link, outside, false).await?;
        self.beat = Instant::now();
        Ok(())
    }
}

impl Outside {
    /// A room that has been given nothing yet.
    pub fn new(shared: Arc<Shared>, events: Sender<Event>, limits: &Limits) -> Self {
        Self { shared, events, progress: Mutex::new(Progress::new(limits)) }
    }
}

// Reading.
impl Outside {
    /// Gives the room what comes back, one answer at a time.
    pub async fn read(
        &self,
        link: &mut Link,
        most: &mut usize,
        doubt: &Sender<Sender<()>>,
    ) -> Result<Infallible, Ended> {
        let mut doubted = None;
        loop {
            let at = self.progress().at;
            let mut packs = link.news(at, *most).await?;
            *most = (2 * *most).min(limits::PACKS);
            let all = packs.len();
            packs.truncate(unbroken(at, &packs));
            let is_broken = packs.len() < all;
            let at = packs.last().map_or(at, |pack| pack.extent.id);
            self.give(packs).await?;
            if is_broken {
                // The script has said that all is well, and it is not: something is missing.
                if doubted.replace(at) == Some(at) {
                    return Err(Ended::Lost);
                }
                let (dropped, settled) = async_channel::bounded(1);
                let _ = doubt.try_send(dropped);
                let _ = self.shared.bell.try_send(());
                let _ = settled.recv().await;
            }
        }
    }

    /// The room has it from the moment on in which it is taken: not before, and not later.
    async fn give(&self, packs: Vec<Pack>) -> Result<(), Ended> {
        if packs.is_empty() {
            return Ok(());
        }
        let passed: Vec<_> = packs.iter().map(|pack| pack.extent).collect();
        self.tell(Event::Entries(packs)).await?;
        let mut progress = self.progress();
        let before = progress.read / limits::UNSAID;
        for extent in &passed {
            progress.pass(extent);
        }
        if progress.read / limits::UNSAID > before {
            // Others may wait to hear of it.
            let _ = self.shared.bell.try_send(());
        }
        Ok(())
    }

    /// How many bytes it has read since it said so.
    fn unsaid(&self, said: u64) -> u64 {
        self.progress().read.saturating_sub(said)
    }

    /// How often the node says that it is alive, and hears how far the slowest is behind.
    fn pace(&self) -> Duration {
        let is_held = self.shared.behind.load(Ordering::Relaxed) > limits::BEHIND;
        if is_held { limits::BEAT_WHILE_HELD } else { limits::BEAT }
    }

    /// Nobody holds this while it waits for anything.
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many packs follow one another without a gap.
fn unbroken(mut at: Id, packs: &[Pack]) -> usize {
    packs
        .iter()
        .take_while(|pack| pack.before == std::mem::replace(&mut at, pack.extent.id))
        .count()
}

impl Outside {
    /// Waits until the room has taken what came before.
    pub async fn tell(&self, event: Event) -> Result<(), Ended> {
        self.events.send(event).await.map_err(|_| Ended::Unheard)
    }

    /// The room is woken where its members have to wait from now on, or no longer. Where it has something
    /// to take already, it sees this without.
    fn is_behind(&self, behind: u64) {
        let before = self.shared.behind.swap(behind, Ordering::Relaxed);
        if (before > limits::BEHIND) != (behind > limits::BEHIND) {
            let _ = self.events.try_send(Event::Behind(behind));
        }
    }
}
