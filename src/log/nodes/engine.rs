//! The task of a node: it stays with Redis, comes back to it, and starts again where it has been given
//! up.

use super::answer::Trouble;
use super::event::{Event, Started};
use super::link::{Keys, Link, Standing, Start};
use super::pack::{Entry, Epoch, Pack, Party};
use super::stay::{Ended, Outside, Shared, Stay};
use crate::limits::{self, Limits};
use crate::protocol::{Id, Name};
use async_channel::{Receiver, Sender};
use redis::ConnectionInfo;
use smol::{Timer, future};
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The task.
pub struct Engine {
    redis: ConnectionInfo,
    keys: Keys,
    outside: Outside,
    bell: Receiver<()>,
    /// The mark of the log that was read last.
    known: Option<String>,
    /// That log is lost.
    is_lost: bool,
    /// What was read at the start did not fit together.
    is_doubted: bool,
    /// The room has been given something to stand on, and has not been told that it is gone.
    is_standing: bool,
    /// What the node is being registered as. It is asked again as the same.
    asked: Option<(Epoch, String)>,
    stay: Option<Stay>,
    /// What is said to be the matter, while something is.
    away: Option<String>,
    /// How many packs are read at once: fewer where they take too long.
    most: usize,
}

impl Engine {
    /// One that has not begun.
    pub fn new(
        redis: ConnectionInfo,
        keys: Keys,
        limits: &Limits,
        shared: Arc<Shared>,
        events: Sender<Event>,
        bell: Receiver<()>,
    ) -> Self {
        Self {
            redis,
            keys,
            outside: Outside::new(shared, events, limits),
            bell,
            known: None,
            is_lost: false,
            is_doubted: false,
            is_standing: false,
            asked: None,
            stay: None,
            away: None,
            most: limits::PACKS,
        }
    }

    /// Runs until nobody listens any more, or the room cannot be kept there at all.
    pub async fn run(mut self) {
        loop {
            let tried = Instant::now();
            let Err(ended) = self.visit().await;
            let was_standing = self.is_standing;
            let heard = match ended {
                Ended::Unheard => return,
                Ended::Trouble(Trouble::Unfit(why)) if self.known.is_none() => {
                    return drop(self.outside.tell(Event::Unfit(why)).await);
                }
                Ended::Trouble(Trouble::Away(why) | Trouble::Unfit(why)) => {
                    self.went_away(why).await
                }
                Ended::Fenced => self.leave(Event::Fenced).await,
                Ended::Lost => {
                    self.is_lost = true;
                    self.leave(Event::Lost).await
                }
            };
            if heard.is_err() || self.outside.events.is_closed() {
                return;
            }
            if self.stay.is_some() || !was_standing {
                Timer::at(tried + limits::RETRY).await;
            }
        }
    }

    /// Stays with Redis for as long as it goes well.
    async fn visit(&mut self) -> Result<Infallible, Ended> {
        let (mut writer, mut reader) = future::try_zip(
            Link::open(&self.redis, &self.keys, Duration::ZERO),
            Link::open(&self.redis, &self.keys, limits::NEWS),
        )
        .await?;
        if let Some(stay) = &mut self.stay {
            stay.beat(&mut writer, &self.outside).await?;
            if self.away.take().is_some() {
                self.outside.tell(Event::Back).await?;
            }
        } else {
            self.start(&mut writer).await?;
        }
        let Self { stay, outside, bell, most, .. } = self;
        let Some(stay) = stay else { return Err(Ended::Lost) };
        // As long as the reader is in doubt, it holds the other end of this.
        let (doubt, doubts) = async_channel::bounded(1);
        let writing = stay.write(&mut writer, outside, bell, &doubts);
        future::or(writing, outside.read(&mut reader, most, &doubt)).await
    }

    async fn went_away(&mut self, why: String) -> Result<(), Ended> {
        // An answer that was too large to come in time is asked for in smaller parts.
        self.most = (self.most / 2).max(1);
        if self.away.as_ref() == Some(&why) {
            return Ok(());
        }
        self.away = Some(why.clone());
        self.outside.tell(Event::Away(why)).await
    }

    /// The node is no longer what it was registered as.
    async fn leave(&mut self, event: Event) -> Result<(), Ended> {
        (self.stay, self.asked) = (None, None);
        self.outside.shared.gathered().begin(None);
        if !std::mem::take(&mut self.is_standing) {
            return Ok(());
        }
        self.outside.tell(event).await
    }
}

// Starting.
impl Engine {
    /// Registers the node, and gives the room what it stands on.
    async fn start(&mut self, link: &mut Link) -> Result<(), Ended> {
        let standing = self.register(link).await?;
        let epoch = self.asked.as_ref().map(|(epoch, _)| *epoch).ok_or(Ended::Lost)?;
        let mut stay = Stay::new(standing.mark.clone(), epoch, standing.bytes);
        let mut members = self.names(link, &mut stay).await?;
        // What was seen of the names is at most so new. From their state as of some time between then and
        // now, the entries of that time lead to this one.
        let end = link.tail().await?;
        let Some(history) = self.history(link, &mut stay, standing.floor, end).await? else {
            return Err(self.doubt());
        };
        for pack in history.iter().filter(|pack| pack.extent.id > standing.tail) {
            for (_, entry) in pack.entries() {
                follow(&mut members, &entry);
            }
        }
        if self.pass(&history) != end {
            return Err(self.doubt());
        }
        (self.asked, self.is_doubted, self.is_standing) = (None, false, true);
        stay.is_started = true;
        self.stay = Some(stay);
        self.outside.shared.gathered().begin(Some(epoch));
        self.away = None;
        let members = members.into_values().collect();
        let started = Started { epoch, floor: standing.floor, at: end, members, history };
        self.outside.tell(Event::Started(Box::new(started))).await
    }

    async fn register(&mut self, link: &mut Link) -> Result<Standing, Ended> {
        let (epoch, fresh) = self.asked.get_or_insert_with(|| {
            let random = || [random(), random()];
            (Epoch::new(random()), Epoch::new(random()).as_str().to_string())
        });
        let last = self.outside.progress().at;
        let known = self.known.as_deref();
        let start = Start { epoch: *epoch, fresh, known, last, is_lost: self.is_lost };
        let standing = link.start(&start).await?;
        self.known = Some(standing.mark.clone());
        self.is_lost = false;
        self.outside.progress().start(standing.floor, standing.tail, standing.bytes);
        Ok(standing)
    }

    /// Goes through the log from the floor on. Returns how far that is.
    fn pass(&self, history: &[Pack]) -> Id {
        let mut progress = self.outside.progress();
        for pack in history {
            progress.pass(&pack.extent);
        }
        progress.at
    }

    async fn names(&self, link: &mut Link, stay: &mut Stay) -> Result<HashMap<Name, Party>, Ended> {
        let (mut members, mut cursor) = (HashMap::new(), 0);
        loop {
            stay.beat_if_due(link, &self.outside).await?;
            let (next, some) = link.names(cursor).await?;
            members.extend(some.into_iter().map(|party| (party.name, party)));
            if next == 0 {
                return Ok(members);
            }
            cursor = next;
        }
    }

    /// What was read does not fit together: once, that may be because the log began anew meanwhile.
    fn doubt(&mut self) -> Ended {
        if std::mem::replace(&mut self.is_doubted, true) {
            return Ended::Lost;
        }
        Trouble::Away("the log is not whole".into()).into()
    }

    /// All there is from the floor to the end; `None` where something is missing.
    async fn history(
        &self,
        link: &mut Link,
        stay: &mut Stay,
        floor: Id,
        end: Id,
    ) -> Result<Option<Vec<Pack>>, Ended> {
        let mut history: Vec<Pack> = Vec::new();
        let mut from = floor;
        loop {
            stay.beat_if_due(link, &self.outside).await?;
            let packs = link.range(from, end, self.most).await?;
            let Some(last) = packs.last() else { return Ok(Some(history)) };
            from = last.extent.id.next(0);
            for pack in packs {
                if history.last().is_some_and(|last| last.extent.id != pack.before) {
                    return Ok(None);
                }
                history.push(pack);
            }
        }
    }
}

/// Who is in, after one more entry.
fn follow(members: &mut HashMap<Name, Party>, entry: &Entry<'_>) {
    match entry {
        Entry::Joined(party) | Entry::Taken(party, _) => {
            members.insert(party.name, *party);
        }
        Entry::Left(party, _)
            if members.get(&party.name).is_some_and(|held| held.holder == party.holder) =>
        {
            members.remove(&party.name);
        }
        _ => {}
    }
}

/// A number like no other: the standard library keys its maps with the system's randomness.
fn random() -> u64 {
    RandomState::new().hash_one((SystemTime::now(), std::process::id()))
}
