//! The server: listens, seats whom it accepts, lets a few tasks work for the room, says goodbye.
//!
//! One executor thread, one task a connection (`session`). Whoever accepts (`accept`), writes and
//! watches (`work`) has a task as well. What they share stands in the `registry`, behind the lock.

mod accept;
mod access;
mod bans;
#[cfg(feature = "tls")]
mod certificate;
mod clock;
mod counters;
mod desk;
mod doorkeeper;
mod goodbye;
mod guard;
#[cfg(feature = "tls")]
mod handshake;
mod later;
mod line;
mod lockout;
mod pace;
mod registry;
mod session;
mod supervisor;
mod work;

use crate::limits::{self, Limits};
use crate::log::Log;
pub use crate::net::address::Address;
use crate::net::admission::Door;
pub use crate::net::admission::{Full, raise_descriptor_limit};
pub use crate::net::listener::Bound;
use crate::net::listener::Listener;
pub use crate::net::peer::Peer;
use crate::net::secrets::Secrets;
use crate::net::socket::{Socket, Turn};
#[cfg(feature = "tls")]
use crate::net::tls::Acceptor;
#[cfg(feature = "tls")]
pub use crate::net::tls::Certificates;
#[cfg(feature = "redis")]
use crate::protocol::Name;
pub use crate::room::notice::{Closed, Notice};
use crate::room::notice::{Notices, note};
use access::Access;
use async_channel::{Receiver, Sender};
use async_lock::{Mutex, MutexGuard, Semaphore};
use futures_lite::FutureExt;
use goodbye::End;
use guard::Guard;
use registry::state::State;
#[cfg(feature = "tls")]
use registry::state::TlsState;
use registry::{Bells, Registry};
use smol::{Executor, Timer};
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
pub use supervisor::Supervisor;

/// What a server is to do.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<Address>,
    /// Its limits.
    pub limits: Limits,
    /// Where the log is kept, if it is to outlive the server.
    pub journal: Option<JournalConfig>,
    /// With whom it shares the room, if it does; it has no journal then.
    #[cfg(feature = "redis")]
    pub nodes: Option<NodesConfig>,
    /// By what it is known where it listens within TLS, if it does.
    #[cfg(feature = "tls")]
    pub tls: Option<Certificates>,
    /// Where its operator's socket is, if it has one.
    pub control: Option<PathBuf>,
    /// Where it tells scrapers how it does.
    pub metrics: Option<Address>,
    /// Who has started it and wants to hear how it does.
    pub supervisor: Option<Supervisor>,
    /// A file whose first line is the key of the room, if it has one.
    pub key_file: Option<PathBuf>,
    /// The file in which bans are kept; without it, in memory.
    pub bans_file: Option<PathBuf>,
    /// Has these files, and those for TLS, read again each time that something comes from it.
    pub reload: Option<Receiver<()>>,
    /// Where it tells of arrivals, departures, refusals and troubles. What this channel does not take at once is lost,
    /// and counted ([`Notice::Lost`]); the server never waits for it. A quarter of its places is kept for troubles
    /// and for what an operator does.
    pub notices: Option<Sender<Notice>>,
    /// Tells of troubles alone.
    pub quiet: bool,
}

impl Config {
    fn access(&self) -> Access {
        Access { key_file: self.key_file.clone(), bans_file: self.bans_file.clone() }
    }

    /// Fails where it is to listen within TLS and cannot, naming the address.
    fn check_tls(&self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        let why = self.tls.is_none().then_some("needs a certificate");
        #[cfg(not(feature = "tls"))]
        let why = Some("this build has no TLS");
        let within = |address: &&Address| matches!(address, Address::Tls(_));
        let nowhere = self.metrics.as_ref().filter(within).zip(Some("there is no TLS for metrics"));
        match nowhere.or(self.listen.iter().find(within).zip(why)) {
            None => Ok(()),
            Some((at, why)) => Err(named(at)(io::Error::new(ErrorKind::InvalidInput, why))),
        }
    }
}

/// Where servers share the log of a room.
#[cfg(feature = "redis")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodesConfig {
    /// The Redis, as `redis://[user:password@]host[:port][/db]`, or `unix:` and a path.
    pub url: String,
    /// Which of its rooms.
    pub room: Name,
}

#[cfg(feature = "redis")]
impl NodesConfig {
    /// Whether that is the address of a Redis, be there one or not; [`Server::bind`] refuses it if not.
    pub fn check(&self) -> io::Result<()> {
        crate::log::nodes::address(&self.url).map(drop)
    }
}

/// Where a server keeps its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// The file.
    pub path: PathBuf,
    /// Bytes past which it is renamed, to the same name with `.1` behind it, and a new one begins.
    pub size: u64,
}

/// A chat server that is listening, but does not serve yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    addresses: Vec<Bound>,
    /// The operator's socket.
    control: Option<Listener>,
    /// Where metrics are.
    metrics: Vec<Listener>,
    door: Arc<Door>,
    turn: Turn,
    log: Log,
    #[cfg(feature = "redis")]
    node: Option<work::NodeTask>,
    /// How many bytes of the journal's end a crash had torn.
    torn: Option<u64>,
    secrets: Secrets,
    guard: Guard,
    #[cfg(feature = "tls")]
    tls: Option<Acceptor>,
    config: Config,
}

impl Server {
    /// Listens at all addresses of `config`, or fails, naming the one where that is not possible, or
    /// the limit that cannot be kept ([`Limits::check`]).
    pub fn bind(config: Config) -> io::Result<Self> {
        config.limits.check()?;
        let guard = config.access().read()?;
        #[cfg(feature = "tls")]
        let tls = config.tls.as_ref().map(Acceptor::open).transpose()?;
        config.check_tls()?;
        let mut listeners = Vec::new();
        for address in &config.listen {
            listeners.extend(address.listen().map_err(named(address))?);
        }
        let metrics = config.metrics.as_ref().map(|at| at.listen().map_err(named(at)));
        let metrics = metrics.transpose()?.unwrap_or_default();
        let control = config.control.as_deref();
        let control = control.map(|at| Listener::private(at).map_err(named(&at.display())));
        let control = control.transpose()?;
        let addresses = listeners.iter().map(|listener| listener.bound().clone()).collect();
        let door = Arc::new(Door::new(&config.limits));
        #[cfg(feature = "redis")]
        let node = config.nodes.as_ref().map(|nodes| work::open_node(nodes, &config.limits));
        #[cfg(feature = "redis")]
        let (node, log_of_node) = node.transpose()?.unzip();
        let (log, torn) = match &config.journal {
            None => (Log::new(&config.limits), None),
            Some(JournalConfig { path, size }) => Log::open(&config.limits, path, *size)?,
        };
        #[cfg(feature = "redis")]
        let log = log_of_node.unwrap_or(log);
        let (turn, secrets) = (Turn::new()?, Secrets::open()?);
        Ok(Self {
            listeners,
            addresses,
            control,
            metrics,
            door,
            turn,
            log,
            #[cfg(feature = "redis")]
            node,
            torn,
            secrets,
            guard,
            #[cfg(feature = "tls")]
            tls,
            config,
        })
    }

    /// Where it listens, with the ports that it got.
    #[must_use]
    pub fn addresses(&self) -> &[Bound] {
        &self.addresses
    }

    /// Listens at sockets as well that somebody else has made, and keeps: they do not go when it ends. Fails where one of
    /// them does not listen for connections.
    pub fn adopt(&mut self, sockets: Vec<OwnedFd>) -> io::Result<()> {
        for socket in sockets {
            let listener = Listener::adopt(socket)?;
            self.addresses.push(listener.bound().clone());
            self.listeners.push(listener);
        }
        Ok(())
    }

    /// Where metrics are, with the ports that it got.
    pub fn metrics(&self) -> impl Iterator<Item = &Bound> {
        self.metrics.iter().map(Listener::bound)
    }

    /// Where the operator's socket is.
    #[must_use]
    pub fn control(&self) -> Option<&Path> {
        self.config.control.as_deref()
    }

    /// How many connections it will take.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.door.max_connections()
    }

    /// Serves until `shutdown` completes, or an operator says so. Then it accepts no more, sends every connection what
    /// is queued for it and `BYE shutdown`, one after the other over [`Limits::drain`], and returns once all are over, or
    /// after [`Limits::shutdown_timeout`]: who has not taken all by then is cut short.
    ///
    /// It fails where it cannot go on: where a log that others share cannot be kept where it should be.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (flush, flushes) = async_channel::bounded(1);
        let (watch, watches) = async_channel::bounded(1);
        let access = self.config.access();
        let Config { limits, notices, quiet, supervisor, reload, .. } = self.config;
        let troubles = notices.map(Notices::new);
        let notices = troubles.as_ref().filter(|_| !quiet).map(Notices::of_strangers);
        let bells = Bells { flush, watch, notices: notices.clone(), troubles: troubles.clone() };
        if let Some(bytes) = self.torn {
            note(troubles.as_ref(), || {
                Notice::Journal(format!("cut off {bytes} bytes of an entry that a crash had torn"))
            });
        }
        let (long_enough, usual) = (limits.shutdown_timeout, limits.drain);
        #[cfg(feature = "tls")]
        let join_timeout = limits.join_timeout;
        let registry = Registry::new(limits, self.log, self.secrets, self.guard, bells);
        let registry = Arc::new(Mutex::new(registry));
        let executor = Arc::new(Executor::new());
        let shared = Shared {
            registry: registry.clone(),
            door: self.door,
            notices,
            troubles: troubles.clone(),
            access,
            changes: Arc::default(),
            executor: Arc::downgrade(&executor),
            drains: Arc::new(Semaphore::new(limits::DRAINS)),
            #[cfg(feature = "tls")]
            tls: self.tls,
            #[cfg(feature = "tls")]
            handshakes: Arc::new(Semaphore::new(limits::HANDSHAKES)),
            #[cfg(feature = "tls")]
            join_timeout,
        };
        #[cfg(feature = "tls")]
        shared.tell_of_certificate();
        // These never end. Should one panic, so does the server: without it there would be no chat.
        let flusher = executor.spawn(shared.clone().flusher(flushes, self.turn));
        let watch = executor.spawn(shared.clone().watch(watches));
        let reload: Unhurried<'static, ()> = Box::pin(shared.clone().reload(reload));
        let reload = executor.spawn(reload);
        let accepting: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| executor.spawn(shared.clone().accept(listener)))
            .collect();
        let (ends, ended) = async_channel::unbounded();
        let attending = shared.open_desks(self.control, self.metrics, &ends);
        let line = shared.call(supervisor.as_ref());
        let watchdog = supervisor.and_then(|supervisor| supervisor.watchdog);
        let report =
            |line| -> Unhurried<'static, ()> { Box::pin(shared.clone().report(line, watchdog)) };
        let reporting = line.clone().map(|line| executor.spawn(report(line)));
        let signalled = async {
            shutdown.await;
            let _ = ends.try_send(End::Signal);
            smol::future::pending::<()>().await;
        };
        let serve = async {
            let end = ended.recv().await.unwrap_or(End::Signal);
            let over = end.over(usual);
            line.as_ref().inspect(|line| line.say_stopping(over.saturating_add(long_enough)));
            // Before nobody comes in any more: who finds that so, is told why.
            shared.locked().await.is_draining = true;
            for task in accepting {
                task.cancel().await;
            }
            let tell = |left: Duration| {
                line.as_ref().inspect(|line| line.say_time(left.saturating_add(long_enough)));
            };
            shared.say_goodbyes(over, usual, &ended, tell).await;
            let empty = registry.lock().await.close_all(Instant::now());
            let everybody_gone = async { _ = empty.recv().await };
            let settled = async {
                everybody_gone.await;
                shared.settled().await;
            };
            settled.or(async { _ = Timer::after(long_enough).await }).await;
        };
        #[cfg(feature = "redis")]
        let serve = serve.or(shared.clone().follow(self.node));
        executor.run(serve.or(flusher).or(watch).or(reload).or(signalled)).await;
        drop((attending, reporting));
        // Should a task outlive the executor, being woken as it ends, no socket outlives the server.
        let mut left = registry.lock().await;
        if !left.is_settled() {
            let why = "out of reach at the end: the others hear later who has gone";
            note(troubles.as_ref(), || Notice::Log(why.into()));
        }
        let cut_short = left.clear();
        drop(left);
        if cut_short > 0 {
            note(troubles.as_ref(), || Notice::CutShort(cut_short));
        }
        #[cfg(feature = "redis")]
        if let Some(why) = registry.lock().await.unfit.take() {
            return Err(io::Error::other(why));
        }
        Ok(())
    }
}

/// Names the address at which something failed.
fn named(address: &impl Display) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{address}: {error}"))
}

#[cfg(feature = "tls")]
fn state_of_tls(tls: &Acceptor) -> TlsState {
    TlsState { not_after: tls.term().not_after }
}

/// A future that is boxed, so that it is compiled once and not wherever it is awaited: for what happens rarely.
type Unhurried<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the server's tasks share.
#[derive(Debug, Clone)]
struct Shared {
    registry: Arc<Mutex<Registry<Arc<Socket>>>>,
    door: Arc<Door>,
    notices: Option<Notices>,
    troubles: Option<Notices>,
    access: Access,
    /// Who changes the bans, one at a time.
    changes: Arc<Mutex<()>>,
    /// Weak, because the tasks that hold it are the executor's own.
    executor: Weak<Executor<'static>>,
    /// How many may send at the same time what sockets did not take at once.
    drains: Arc<Semaphore>,
    #[cfg(feature = "tls")]
    tls: Option<Acceptor>,
    /// How many may go on with TLS's handshake at the same time.
    #[cfg(feature = "tls")]
    handshakes: Arc<Semaphore>,
    /// How long these may take, and to join together with it.
    #[cfg(feature = "tls")]
    join_timeout: Duration,
}

impl Shared {
    /// The registry, for those who are in no hurry. Wherever a lock is awaited, the way to wait is compiled in once more:
    /// so they share one.
    #[inline(never)]
    fn locked(&self) -> Unhurried<'_, MutexGuard<'_, Registry<Arc<Socket>>>> {
        Box::pin(self.registry.lock())
    }

    /// How the server stands now.
    async fn state(&self) -> State {
        self.state_in(&*self.locked().await)
    }

    /// The same, for who has the registry.
    fn state_in(&self, registry: &Registry<Arc<Socket>>) -> State {
        let state = registry.state(&self.door, Instant::now());
        #[cfg(feature = "tls")]
        let state = State { tls: self.tls.as_ref().map(state_of_tls), ..state };
        state
    }
}
