//! The log: what happened in the room, in order. The room is a fold over it.
//!
//! An entry has its place as soon as it is appended, and the room applies it in the same critical
//! section. What was said last is kept in memory (`history`), and everything in a file, if one is
//! wanted (`journal`): there it is before anybody gets it.

mod entry;
mod history;
mod journal;
#[cfg(feature = "redis")]
pub mod nodes;
#[cfg_attr(not(feature = "redis"), path = "alone.rs")]
mod shared;

pub use entry::{Arrival, Entry, Party, Speaker};
pub use history::{Piece, Replay, Resumed, Wanted};
pub use journal::Change;

use crate::limits::Limits;
use crate::protocol::{Id, JoinOptions, Name, Secret};
use history::History;
use journal::{Journal, Read, Record};
pub use shared::Shared;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Gives each entry its place, and keeps what was said.
#[derive(Debug)]
pub struct Log {
    last: Id,
    history: History,
    journal: Option<Journal>,
    shared: Option<Shared>,
}

impl Log {
    /// An empty log, which begins now and is nowhere but in memory.
    pub fn new(limits: &Limits) -> Self {
        let began = Id::from_ms(unix_ms());
        Self { last: began, history: History::new(limits, began), journal: None, shared: None }
    }

    /// The log that is kept in the file at `path`, of which a new one begins past `size` bytes; and how
    /// many bytes of its end a crash had torn.
    ///
    /// Whoever was in when its last server was killed is lost: that is the first that happens.
    pub fn open(limits: &Limits, path: &Path, size: u64) -> io::Result<(Self, Option<u64>)> {
        let began = Id::from_ms(unix_ms());
        let mut retold =
            Retold { history: History::new(limits, Id::default()), secrets: BTreeMap::new() };
        let (journal, opened) = Journal::open(path, size, began, &mut |read| retold.read(read))?;
        let lost: Vec<Name> = journal.members().collect();
        let mut log = Self {
            last: opened.last,
            history: retold.history,
            journal: Some(journal),
            shared: None,
        };
        for name in lost {
            log.last = log.last.next(unix_ms());
            log.record(Record::Left(name, b"lost"));
        }
        Ok((log, opened.cut))
    }

    /// Where it stands: the id of the last entry, or when it began.
    pub fn last(&self) -> Id {
        self.last
    }

    /// Takes an entry in, and gives it its id, which is behind all others, whatever the clock says.
    ///
    /// Where the log is shared it has none yet: it comes back, or what was done is refused.
    pub fn append(&mut self, entry: &Entry<'_>) -> Option<Id> {
        if let Some(shared) = &mut self.shared {
            shared.submit(entry);
            return None;
        }
        if let Entry::Resumed(..) = entry {
            return Some(self.last);
        }
        self.last = self.last.next(unix_ms());
        self.remember(entry);
        if self.journal.is_some() {
            self.record_entry(entry);
        }
        Some(self.last)
    }

    /// Keeps what of an entry others may want to have later.
    fn remember(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Msg(by, text) => self.history.say(self.last, by.party(), false, text),
            Entry::Data(by, bytes) => self.history.say(self.last, by.party(), true, bytes),
            Entry::Tell(by, to, text) => {
                self.history.tell(self.last, by.party(), to.party(), text);
            }
            Entry::Joined(..) | Entry::Left(..) | Entry::Resumed(..) | Entry::Note(_) => {}
        }
    }

    /// What one who joins gets of what was said before, where `newest` was the last id until it came.
    pub fn replay(&mut self, wanted: &Wanted<'_>, newest: Id) -> Replay {
        self.history.replay(wanted, newest)
    }

    fn record_entry(&mut self, entry: &Entry<'_>) {
        self.record(match entry {
            Entry::Joined(by, _) => Record::Joined(by.name, by.secret.as_deref().copied()),
            Entry::Msg(by, text) => Record::Msg(by.name, text),
            Entry::Data(by, bytes) => Record::Data(by.name, bytes),
            Entry::Tell(by, to, text) => Record::Tell { from: by.name, to: to.name, text },
            Entry::Left(by, reason) => Record::Left(by.name, reason.unwrap_or_default().as_bytes()),
            Entry::Note(text) => Record::Note(text),
            Entry::Resumed(..) => return,
        });
    }

    fn record(&mut self, record: Record<'_>) {
        if let Some(journal) = &mut self.journal {
            journal.add(self.last, record);
        }
    }
}

// What others share. Alone, nothing is ever under way.
impl Log {
    /// Whether others share it, and decide what comes of what is done here.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether something that this connection did has not come back.
    pub fn is_under_way(&self, seat: usize) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_under_way(seat))
    }

    /// Whether this connection is to say no more for now.
    pub fn holds(&self, seat: usize) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.holds(seat))
    }

    /// Whether it has been asked whether this connection is let in.
    pub fn is_joining(&self, seat: usize) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_joining(seat))
    }

    /// Puts a JOIN off while the log is out of reach.
    pub fn postpones(&mut self, seat: usize, options: &JoinOptions) -> bool {
        self.shared.as_mut().is_some_and(|shared| shared.postpones(seat, options))
    }

    /// What a connection wants that waits for the log to come in.
    pub fn wanted(&self, seat: usize) -> Option<JoinOptions> {
        self.shared.as_ref()?.wanted(seat)
    }

    /// This connection waits until it need not any longer.
    pub fn wait(&mut self, seat: usize) {
        if let Some(shared) = &mut self.shared {
            shared.wait(seat);
        }
    }

    /// This connection is over.
    pub fn forget(&mut self, seat: usize) {
        if let Some(shared) = &mut self.shared {
            shared.forget(seat);
        }
    }

    /// How this server stands with those who share it, if anybody does.
    pub fn node_state(&self, now: Instant) -> Option<NodeState> {
        self.shared.as_ref().map(|shared| shared.state(now))
    }

    /// Whether all that was done here has come back.
    pub fn is_settled(&self) -> bool {
        self.shared.as_ref().is_none_or(Shared::is_settled)
    }
}

#[cfg(feature = "redis")]
impl Log {
    /// A log that is shared through this node. It begins when the node says so.
    pub fn of_node(limits: &Limits, node: nodes::Node) -> Self {
        Self { shared: Some(Shared::new(node)), ..Self::new(limits) }
    }

    /// What this server does with the log that others share.
    pub fn shared_mut(&mut self) -> Option<&mut Shared> {
        self.shared.as_mut()
    }

    /// The log is what the node has found.
    pub fn restore(&mut self, limits: &Limits, started: &nodes::Started) {
        self.history = History::new(limits, started.floor);
        for (id, fact) in started.history.iter().flat_map(nodes::Pack::entries) {
            match fact {
                nodes::Entry::Begun => self.history.lacks(id),
                nodes::Entry::Msg(by, said) => self.history.say(id, by.into(), false, said),
                nodes::Entry::Data(by, said) => self.history.say(id, by.into(), true, said),
                nodes::Entry::Tell(by, to, said) => {
                    self.history.tell(id, by.into(), to.into(), said);
                }
                _ => {}
            }
        }
        self.last = started.at;
    }

    /// Something has come back that nobody is told of.
    pub fn pass(&mut self, id: Id) {
        self.last = id;
    }

    /// Something has come back.
    pub fn keep(&mut self, id: Id, entry: &Entry<'_>) {
        self.last = id;
        self.remember(entry);
    }
}

#[cfg(feature = "redis")]
impl From<nodes::Party> for Party {
    /// By what a member is known again is, where all nodes know it, a hash.
    fn from(party: nodes::Party) -> Self {
        let secret = party.secret.and_then(nodes::SecretHash::as_secret).map(Arc::new);
        Self { name: party.name, secret }
    }
}

// The file, and the way to the others.
impl Log {
    /// Whether something was appended that is not in the file yet, or not on its way, and is to be.
    pub fn has_unwritten(&self) -> bool {
        self.unsent() > 0 || self.journal.as_ref().is_some_and(Journal::has_unwritten)
    }

    /// Whether several things are to go on their way to the others: more may come that goes with them.
    pub fn is_lively(&self) -> bool {
        self.unsent() > 1
    }

    fn unsent(&self) -> usize {
        self.shared.as_ref().map_or(0, Shared::unsent)
    }

    /// Writes what was appended to the file, if there is one, or sends it on its way. Nobody is to get it
    /// before. Says what there is to say of the file, each thing once.
    pub fn write(&mut self) -> Option<Change> {
        self.shared.iter_mut().for_each(Shared::send);
        self.journal.as_mut()?.write()
    }

    /// The same at the end, and brings it to the disk.
    pub fn finish(&mut self) -> Option<Change> {
        self.journal.as_mut()?.finish()
    }

    /// How the file does, if there is one.
    pub fn journal_state(&self) -> Option<JournalState> {
        let journal = self.journal.as_ref()?;
        Some(JournalState { is_failing: journal.is_failing(), bytes: journal.bytes() })
    }

    /// Whether time may bring something to be said of the file: it is to be [written](Self::write) again
    /// then, also where nothing happens.
    pub fn is_watchful(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_watchful)
    }
}

/// How a server stands with those who share its log.
#[derive(Debug, Clone)]
pub struct NodeState {
    /// As what it is registered, while it is.
    pub epoch: Option<String>,
    /// How many entries were submitted and have not come back.
    pub under_way: usize,
    /// By how many bytes the slowest of them is behind.
    pub behind: u64,
    /// For how long the log has been out of reach, while it is.
    pub away: Option<Duration>,
}

/// How the file does in which the log is kept.
#[derive(Debug, Clone, Copy)]
pub struct JournalState {
    /// What happens is not kept.
    pub is_failing: bool,
    /// How long the file is.
    pub bytes: u64,
}

/// What is found in a file, on its way into the history.
struct Retold {
    history: History,
    /// By what those are known who are in.
    secrets: BTreeMap<Name, Option<Arc<Secret>>>,
}

impl Retold {
    fn read(&mut self, read: Read<'_>) {
        match read {
            Read::Began(id) => self.history.lacks(id),
            Read::Gap(id) => {
                self.history.lacks(id);
                self.secrets.clear();
            }
            Read::In(name, secret) => self.enter(name, secret),
            Read::Entry(id, record) => self.entry(id, record),
        }
    }

    fn entry(&mut self, id: Id, record: Record<'_>) {
        match record {
            Record::Joined(name, secret) => self.enter(name, secret),
            Record::Left(name, _) => _ = self.secrets.remove(&name),
            Record::Msg(by, text) => self.history.say(id, self.party(by), false, text),
            Record::Data(by, bytes) => self.history.say(id, self.party(by), true, bytes),
            Record::Tell { from, to, text } => {
                self.history.tell(id, self.party(from), self.party(to), text);
            }
            Record::Note(_) => {}
        }
    }

    fn enter(&mut self, name: Name, secret: Option<Secret>) {
        self.secrets.insert(name, secret.map(Arc::new));
    }

    fn party(&self, name: Name) -> Party {
        Party { name, secret: self.secrets.get(&name).cloned().flatten() }
    }
}

/// Milliseconds since 1970. A clock that stands before that is taken to stand there.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}
