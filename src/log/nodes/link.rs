//! A connection to Redis, and what is asked there.

use super::alarm::Alarm;
use super::answer::{Trouble, array, bytes, id, packs, unreadable, words};
use super::gather::Batch;
use super::pack::{Epoch, Pack, Party};
use super::socket::Socket;
use crate::limits;
use crate::protocol::{Id, Name};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, ConnectionInfo, Value};
use smol::{Timer, future};
use std::pin::Pin;
use std::time::{Duration, Instant};

/// What the format of the entries is called. A node that knows another one does not touch the room.
pub const FORMAT: &str = "1";

/// The script by which a node registers itself.
pub const START: &str = concat!(include_str!("ids.lua"), include_str!("start.lua"));
/// The script by which it says what its members did.
pub const COMMIT: &str = concat!(include_str!("ids.lua"), include_str!("commit.lua"));

/// A connection to Redis. Whoever does not wait for an answer any more drops it.
pub struct Link {
    connection: MultiplexedConnection,
    /// Reads and writes, while something is asked, and until the connection breaks.
    driver: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// How long an answer may take.
    patience: Duration,
    /// Rings when one has taken longer.
    alarm: Alarm,
    keys: Keys,
    start: Vec<u8>,
    commit: Vec<u8>,
}

/// The keys of a room.
///
/// What is between the braces alone decides where Redis Cluster puts them: all in one place.
#[derive(Debug, Clone)]
pub struct Keys {
    room: String,
    names: String,
    leases: String,
    nodes: String,
    seats: String,
    applied: String,
    log: String,
}

/// What a node says when it registers itself; see `start.lua`.
#[derive(Debug)]
pub struct Start<'a> {
    pub epoch: Epoch,
    pub fresh: &'a str,
    pub known: Option<&'a str>,
    pub last: Id,
    pub is_lost: bool,
}

/// Where it stands then.
#[derive(Debug)]
pub struct Standing {
    pub mark: String,
    /// All that came after this is there.
    pub floor: Id,
    pub tail: Id,
    pub bytes: u64,
}

/// What a node says of itself with each batch, and in place of one; see `commit.lua`.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    pub mark: &'a str,
    pub epoch: Epoch,
    pub at: Id,
    /// None while the node starts.
    pub read: Option<u64>,
    pub keep: Id,
}

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is done.
    Done { behind: u64, is_more_to_take_out: bool },
    /// It was done already.
    Passed,
    /// The others have given the node up.
    Fenced,
    /// What was read is not, or not all, in the log any more.
    Lost,
}

impl Keys {
    /// Those of the room of this name, which is compared without case as all names are.
    pub fn new(room: Name) -> Self {
        let room = room.as_str().to_ascii_lowercase();
        let key = |key| format!("smoltalk:{{{room}}}:{key}");
        Self {
            room: key("room"),
            names: key("names"),
            leases: key("leases"),
            nodes: key("nodes"),
            seats: key("seats"),
            applied: key("applied"),
            log: key("log"),
        }
    }

    fn all(&self) -> [&str; 7] {
        let Self { room, names, leases, nodes, seats, applied, log } = self;
        [room, names, leases, nodes, seats, applied, log]
    }
}

// Connecting.
impl Link {
    /// Connects, and sees to it that the room can be kept there. An answer may take as long as Redis is
    /// asked to wait for news, and a while.
    pub async fn open(to: &ConnectionInfo, keys: &Keys, news: Duration) -> Result<Self, Trouble> {
        let connect = async {
            let socket = Socket::open(to).await?;
            // The time that an answer takes is watched here.
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let settings = to.redis_settings();
            Ok(MultiplexedConnection::new_with_config(settings, socket, config).await?)
        };
        let late = async { _ = Timer::after(limits::REPLY).await };
        let (connection, driver) = in_time(late, connect).await?;
        let mut link = Self {
            connection,
            driver: Some(Box::pin(driver)),
            patience: limits::REPLY + news,
            alarm: Alarm::new(),
            keys: keys.clone(),
            start: Vec::new(),
            commit: Vec::new(),
        };
        link.check_eviction().await?;
        link.start = link.load(START).await?;
        link.commit = link.load(COMMIT).await?;
        Ok(link)
    }

    /// A Redis that throws away what it likes when it is full would lose the log bit by bit.
    async fn check_eviction(&mut self) -> Result<(), Trouble> {
        let info = bytes(self.ask(redis::cmd("INFO").arg("memory")).await?)?;
        let info = String::from_utf8_lossy(&info);
        let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
        match policy.map(str::trim) {
            Some("noeviction") | None => Ok(()),
            Some(policy) => Err(Trouble::Unfit(format!(
                "Redis would evict what it likes when it is full: maxmemory-policy is {policy}, \
                 and has to be noeviction"
            ))),
        }
    }

    /// Loads a script. What it is called from then on is forgotten when Redis restarts, so each connection
    /// begins with this.
    async fn load(&mut self, script: &str) -> Result<Vec<u8>, Trouble> {
        bytes(self.ask(redis::cmd("SCRIPT").arg("LOAD").arg(script)).await?)
    }

    async fn ask(&mut self, command: &Cmd) -> Result<Value, Trouble> {
        let Self { connection, driver, patience, alarm, .. } = self;
        let driven = async {
            if let Some(running) = driver {
                running.await;
            }
            // What had been answered until then is still heard, and what had not is refused.
            *driver = None;
            future::pending().await
        };
        let answer = async { Ok(connection.req_packed_command(command).await?.extract_error()?) };
        let late = alarm.wait_until(Instant::now() + *patience);
        in_time(late, future::or(answer, driven)).await
    }

    fn run(&self, script: &[u8]) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        let keys = self.keys.all();
        command.arg(script).arg(keys.len()).arg(&keys);
        command
    }
}

// The scripts.
impl Link {
    /// Registers the node.
    pub async fn start(&mut self, start: &Start<'_>) -> Result<Standing, Trouble> {
        let mut command = self.run(&self.start);
        command.arg(FORMAT).arg(start.epoch.as_str()).arg(start.fresh);
        command.arg(start.known.unwrap_or_default()).arg(start.last.to_string());
        command.arg(u8::from(start.is_lost)).arg(millis(limits::LEASE));
        command.arg(millis(limits::ROOM_TIME_STEP));
        let mut words = words(self.ask(&command).await?)?.into_iter();
        let mut next = || words.next().ok_or_else(unreadable);
        match next()?.as_str() {
            "STARTED" => {}
            "FORMAT" => return Err(Trouble::Unfit(unknown_format(&next()?))),
            _ => return Err(unreadable()),
        }
        let (mark, _began, floor, tail) = (next()?, next()?, id(&next()?)?, id(&next()?)?);
        Ok(Standing { mark, floor, tail, bytes: next()?.parse().map_err(|_| unreadable())? })
    }

    /// Has a batch done under its number, or says that the node is alive.
    pub async fn commit(
        &mut self,
        commit: Commit<'_>,
        batch: Option<(u64, &Batch)>,
    ) -> Result<Committed, Trouble> {
        let mut command = self.run(&self.commit);
        command.arg(commit.mark).arg(commit.epoch.as_str());
        command.arg(batch.map_or(0, |(number, _)| number));
        let read = commit.read.map_or("-".into(), |read| read.to_string());
        command.arg(commit.at.to_string()).arg(read).arg(commit.keep.to_string());
        command.arg(millis(limits::LEASE)).arg(millis(limits::ROOM_TIME_STEP));
        command.arg(limits::TAKEN_OUT);
        for argument in batch.iter().flat_map(|(_, batch)| batch.arguments()) {
            command.arg(argument);
        }
        let words = words(self.ask(&command).await?)?;
        let word = |at: usize| words.get(at).map(String::as_str).unwrap_or_default();
        Ok(match word(0) {
            "DONE" => Committed::Done {
                behind: word(1).parse().map_err(|_| unreadable())?,
                is_more_to_take_out: word(2) == "1",
            },
            "PASSED" => Committed::Passed,
            "FENCED" => Committed::Fenced,
            "LOST" => Committed::Lost,
            _ => return Err(unreadable()),
        })
    }
}

// Reading.
impl Link {
    /// Waits for what comes after `at`; nothing, if nothing came for a while.
    pub async fn news(&mut self, at: Id, most: usize) -> Result<Vec<Pack>, Trouble> {
        let mut command = redis::cmd("XREAD");
        command.arg("BLOCK").arg(millis(limits::NEWS)).arg("COUNT").arg(most);
        command.arg("STREAMS").arg(&self.keys.log).arg(at.to_string());
        match self.ask(&command).await? {
            Value::Nil => Ok(Vec::new()),
            streams => {
                // One stream was asked for: its name, and what is in it.
                let stream = array(streams)?.pop().ok_or_else(unreadable)?;
                packs(array(stream)?.pop().ok_or_else(unreadable)?)
            }
        }
    }

    /// What there is from one id to another, both included.
    pub async fn range(&mut self, from: Id, to: Id, most: usize) -> Result<Vec<Pack>, Trouble> {
        let mut command = redis::cmd("XRANGE");
        command.arg(&self.keys.log).arg(from.to_string()).arg(to.to_string());
        packs(self.ask(command.arg("COUNT").arg(most)).await?)
    }

    /// Where the log ends.
    pub async fn tail(&mut self) -> Result<Id, Trouble> {
        let tail = self.ask(redis::cmd("HGET").arg(&self.keys.room).arg("tail")).await?;
        id(&String::from_utf8_lossy(&bytes(tail)?))
    }

    /// Some of those who are in, and the cursor for the next; it begins, and ends, with 0. Somebody may
    /// come twice.
    pub async fn names(&mut self, cursor: u64) -> Result<(u64, Vec<Party>), Trouble> {
        let mut command = redis::cmd("HSCAN");
        command.arg(&self.keys.names).arg(cursor).arg("COUNT").arg(limits::NAMES);
        let mut answer = array(self.ask(&command).await?)?.into_iter();
        let mut next = || answer.next().ok_or_else(unreadable);
        let cursor = String::from_utf8_lossy(&bytes(next()?)?).parse();
        let records = array(next()?)?.into_iter().skip(1).step_by(2);
        let party = |record: Value| {
            let record = bytes(record)?;
            let record = str::from_utf8(&record).map_err(|_| unreadable())?;
            Party::read(&mut record.split(' ')).ok_or_else(unreadable)
        };
        Ok((cursor.map_err(|_| unreadable())?, records.map(party).collect::<Result<_, _>>()?))
    }
}

/// Waits for an answer until it is too late.
async fn in_time<T>(
    late: impl Future<Output = ()>,
    asked: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let late = async {
        late.await;
        Err(Trouble::Away("Redis does not answer".into()))
    };
    future::or(asked, late).await
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unknown_format(format: &str) -> String {
    format!("the room's entries have the format {format}, and this version knows {FORMAT} alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_room_are_in_one_slot_of_a_cluster() {
        let keys = Keys::new(Name::new(b"Lobby").expect("a name"));
        assert!(keys.all().iter().all(|key| key.starts_with("smoltalk:{lobby}:")));
    }
}
