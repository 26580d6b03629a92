//! Every number of the server, with its unit and its reason. Flags only override [`Limits`].

use std::io::{self, ErrorKind};
use std::time::Duration;

/// Longest line a client may send, in bytes, its CR and LF not counted.
///
/// The longest thing people paste as one line fits; a thousand half-sent lines cost 4 MiB.
pub const LINE: usize = 4096;

/// Longest line a server may send, in bytes.
///
/// A client's text can grow threefold when it is made safe (one bad byte becomes U+FFFD, three
/// bytes), and `MSG <name> ` comes before it: 3 × 4,096 + 38, rounded up.
pub const EVENT_LINE: usize = 16 * 1024;

/// Bytes after which a telnet subnegotiation that never ends is over.
pub const SUBNEGOTIATION: usize = 256;

/// ERR answers after which a guest is sent away.
pub const GUEST_ERRORS: u8 = 10;

/// Wrong keys after which a guest is sent away.
pub const GUEST_KEYS: u8 = 3;
/// How long after a wrong key the guest is told so: who guesses has three guesses in as many seconds.
pub const DENIAL: Duration = Duration::from_secs(1);

/// Wrong keys in [`LOCKOUT`] from one IPv4 address or IPv6 network of 64 bits after which no key is heard
/// from there for as long.
pub const WRONG_KEYS: usize = 10;
/// See [`WRONG_KEYS`].
pub const LOCKOUT: Duration = Duration::from_secs(60);
/// Addresses of which wrong keys are known at once: some 1.5 MB of them.
pub const LOCKOUTS: usize = 4096;

/// Nets that may be banned at once. Whoever has more has a firewall.
pub const BANS: usize = 10_000;
/// Seconds for which an operator may ban one at most, if not for ever: a hundred years.
pub const BAN: u64 = 100 * 365 * 24 * 60 * 60 + 25 * 24 * 60 * 60;
/// The longest file of bans, with a key or with certificates, in bytes: 10,000 of the longest lines are less.
pub const ACCESS_FILE: u64 = 1024 * 1024;
/// How long such a file may say nothing that is a pipe: a program that is started along with the server says it
/// at once.
pub const FILE_PATIENCE: Duration = Duration::from_secs(1);

/// The time of which the lines may be said at once, where there is a [pace](Limits::pace).
pub const BURST: Duration = Duration::from_secs(10);

/// What one `recv` takes, in bytes. One such buffer serves all connections.
///
/// As much as a socket's initial receive buffer holds, so that one call empties it.
pub const SCRATCH: usize = 64 * 1024;

/// What a session takes of it at a time, but within a payload: what it cannot say in one turn has to
/// be kept for the next.
pub const RECEIVED: usize = 16 * 1024;
/// The same of a member whose pace is limited: what it says too fast waits in its socket. So ten thousand who flood the
/// room keep little of it in memory, and little has to be moved each time that one of them may say another line.
pub const RECEIVED_PACED: usize = 1024;
/// The same of a guest, which has little to say.
pub const RECEIVED_OF_GUEST: usize = 4 * 1024;

/// Bytes of one round past which readers wait for the flusher.
///
/// Enough to share one `send` among hundreds of lines; small enough for a socket's send buffer to
/// take it whole from a receiver that keeps up.
pub const ROUND: usize = 128 * 1024;

/// Members from which on the flusher gathers: where several have spoken, or one has said much, it
/// looks once more who has something to say before it writes a round.
///
/// A turn of the reactor costs some 10 µs, a `send` 3: from 50 members on it is a small price, and
/// in a lively room a round is up to twice as large for it. Where one speaks at a time, it would be
/// a twentieth of the cost for nothing.
pub const GATHER: usize = 50;

/// Send buffer asked of the kernel for each connection, in bytes (Linux doubles it for its own
/// bookkeeping).
///
/// Left alone, Linux lets it grow to 4 MB and calls the socket writable only when a third of that
/// has drained: a reader of 1 MB/s would look stalled for a second.
pub const SEND_BUFFER: usize = 128 * 1024;

/// Receive buffer asked of the kernel for each TCP connection, in bytes (doubled likewise). A Unix
/// socket has none: what is on its way counts for whoever sends.
///
/// Left alone, Linux lets it grow to 6 MB and more for one who sends much, and keeps it for one who is
/// not read.
pub const RECEIVE_BUFFER: usize = 128 * 1024;

/// Bytes that are encrypted at a time: two records of TLS, so that what a flood makes of a round is mostly one system call.
///
/// It is some 20 µs of work, and all that a member within TLS who does not read keeps beside what waits for it.
pub const RECORDS: usize = 32 * 1024;

/// Bytes that are encrypted at once, before others get theirs. More is left to whoever sends the rest.
///
/// It is little beside the system call: some µs. And it is all that is said in a room in which nobody floods: a drain for each
/// member and message would cost a third of all.
pub const ENCRYPTED_AT_ONCE: usize = 4 * 1024;

/// Reads from the wire in which a session within TLS looks for something said. A whole record takes five.
pub const RECORD_READS: usize = 5;

/// Handshakes of TLS that go on between two turns of everybody else: each is up to a millisecond of work.
pub const HANDSHAKES: usize = 1;

/// Bytes of a handshake that are taken off the wire, and kept until a message is whole: a client's hello with keys for the time
/// after quantum computers, or its certificate with a few more up to its authority, is 10 KiB.
pub const HANDSHAKE: usize = 16 * 1024;

/// How long a certificate has to hold for still, so that nothing is said of it. What renews those of 90 days, as ACME's mostly are,
/// does so when 30 are left.
pub const CERTIFICATE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Chunks of a backlog that share a system call.
pub const HAND: usize = 64;

/// Bytes of messages after which the history begins a new block, and messages after which it does.
///
/// Whoever joins is sent whole blocks that others share, and the last one, which grows, alone: so it is
/// small. And a megabyte is few blocks, each of which costs whoever lags a chunk ([`CHUNK_OVERHEAD`]).
pub const BLOCK: usize = 8 * 1024;
/// See [`BLOCK`].
pub const BLOCK_MESSAGES: usize = 128;

/// Bytes of a backlog from which on no further chunk shares a system call: a goodbye waits behind
/// what is in hand, and a socket rarely takes more at a time.
pub const HAND_BYTES: usize = 64 * 1024;

/// Drains that send between two turns of everybody else. What is in a hand is copied in some 50 µs.
pub const DRAINS: usize = 4;

/// Pause of a drain whose socket was called writable and took nothing, doubled each time.
pub const REFUSED: Duration = Duration::from_millis(1);
/// The longest of these pauses.
pub const REFUSED_LONG: Duration = Duration::from_millis(250);

/// Bytes of a piece of the round from which on those who lag share it; what is shorter is copied, for
/// a chunk of its own would cost more ([`CHUNK_OVERHEAD`]).
pub const SHARED: usize = 1024;

/// Bytes of output that one turn of a session may cause, answers included, before it has to let the
/// others have theirs.
///
/// A few hundred lines: enough to keep rounds large, and little enough that thousands who ask for
/// all that they can get a turn within a tenth of a second.
pub const TURN: usize = 16 * 1024;

/// The same for a guest, which has not even said its name.
pub const TURN_OF_GUEST: usize = 4 * 1024;

/// Turns that a session may have one after the other where nobody else waits for one, before the rest of the server goes on: what a
/// member says in long payloads then shares its rounds.
pub const TURNS: u8 = 4;

/// What a line or payload counts for in a turn, at least, in bytes of output: blank lines and telnet's
/// commands cause none, but take time.
pub const FRAME: usize = 32;

/// Bytes of answers that may wait for a member before it is read further.
pub const ASKED: usize = 64 * 1024;
/// The same for a guest, which has not even said its name.
pub const ASKED_BY_GUEST: usize = 16 * 1024;

/// Pieces of a round that share a system call: Linux takes no more (`UIO_MAXIOV`).
pub const PIECES: usize = 1024;

/// What a queued chunk costs beside its bytes: its slot in the channel, and the headers of what it
/// holds.
pub const CHUNK_OVERHEAD: usize = 112;

/// Those who say much wait for a member for whom this many times [`Limits::outbox`] wait.
///
/// 10 MiB fill in 0.4 s in a room as lively as one core makes it: the others notice next to nothing
/// of a stalled member before it goes. And all who lag behind share most of that memory.
pub const OUTBOXES: usize = 10;
/// The part of [`Limits::memory`], an eighth, that waits for a member at most before they wait for it, if that is less: but an outbox
/// does.
///
/// All who lag share most of it, but each has chunks of its own ([`CHUNK_OVERHEAD`]): in a room of hundreds these take more. Without
/// it, one who says much would have members go who read, only not as fast: TLS has their machines work, too.
pub const MEMORY_OF_ONE: usize = 8;

/// All who say something wait for a member for whom this many times [`Limits::outbox`] wait.
pub const OUTBOXES_FOR_ALL: usize = 12;

/// Outboxes a second from which on one who lags is fast: the loud wait for it at once, for it will soon
/// have caught up, and is never far behind. Those who are slower may be so by ten outboxes.
pub const FAST: u128 = 10;
/// How long it is watched for that. A stalled member holds the loud up for so long, and no longer.
pub const PACED: Duration = Duration::from_millis(50);

/// Bytes said in [`LOUD_WITHIN`] that make a member one of those who say much.
///
/// The longest line: who says one now and then is not kept from it by those who flood the room.
pub const LOUD: usize = LINE + LOUD_LINE;
/// What a line counts for in it beside its text: the others get a verb and a name with it, too.
pub const LOUD_LINE: usize = 64;
/// The same for all together: past it, who says as much as the average is loud, too. So many who say a
/// little each do not keep one from it who says less.
pub const LOUD_TOGETHER: usize = 256 * 1024;
/// See [`LOUD`].
pub const LOUD_WITHIN: Duration = Duration::from_secs(1);

/// The part of a stall timeout, in percent, for which the senders wait for one who has taken nothing
/// since it lags. For others they wait as long as these are in time.
///
/// A member that reads a steady 0.5 to 1 MB/s takes it in steps of up to 200 ms, for so coarsely TCP
/// opens its window and the kernel calls the socket writable; twice that, for busy machines.
pub const PATIENCE: u32 = 40;

/// How coarse the one clock is that watches deadlines and stalls. It stands still while there is
/// nothing to watch.
pub const TICK: Duration = Duration::from_millis(25);

/// Time between two ticks from which on the server has been away, and what was due in it is judged
/// later: a machine that is busy is late by less.
pub const AWAY: Duration = Duration::from_millis(100);

/// How long a member stays whose socket takes nothing any more, while what it has said before is
/// heard. Nearly all such sockets are found to have ended at once.
pub const DEAF: Duration = Duration::from_secs(2);

/// How long a connection that is over may take for its last bytes.
///
/// A full outbox at 35 KB/s: who never lagged owes no greater pace. A stalled one gets [`LINGER`].
pub const FAREWELL: Duration = Duration::from_secs(30);

/// How long the server reads on after its last byte, so that `BYE` is not lost to a reset.
pub const LINGER: Duration = Duration::from_secs(1);

/// The longest a timeout can be: a year. A deadline that far away never comes.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The most that a limit in bytes can be: 256 MiB.
///
/// [`OUTBOXES`] times as much still counts in 32 bits.
pub const LARGEST: usize = 256 * 1024 * 1024;

/// What a journal takes of its file at a time when it is read, in bytes. Only a payload that is longer
/// makes it more.
///
/// Eight of the longest lines: 64 MiB are read in 0.15 s, and hardly any of that is system calls.
pub const JOURNAL_BUFFER: usize = 128 * 1024;

/// How long after a journal was brought to the disk it is again, at the earliest: what a machine that
/// dies may take with it.
pub const JOURNAL_SYNC: Duration = Duration::from_secs(1);

/// How long whoever opens a journal waits for another to let go of it: one that was killed, or a program
/// that one has just started, holds it for a moment longer.
pub const JOURNAL_LOCK: Duration = Duration::from_millis(200);

/// How long after a journal failed it is tried again, at the earliest. Each time costs a few system
/// calls, and a line for everybody who is in.
pub const JOURNAL_RETRY: Duration = Duration::from_secs(1);

/// How long after a journal could not begin a new file it tries that again, at the earliest: until
/// then it only grows.
pub const JOURNAL_ROTATE: Duration = Duration::from_secs(60);

/// Notices that may wait for the operator's log; what is over that is lost, and counted.
pub const NOTICES: usize = 1024;

/// Connections at the operator's socket, and as many for metrics; one more, and the oldest goes.
pub const VISITS: usize = 8;

/// How long whoever comes next to the operator's socket or for metrics waits: so they are some 900 a second at most, and
/// take a tenth of a processor then. Who comes behind a thousand others waits for a second.
pub const VISIT_PAUSE: Duration = Duration::from_millis(1);

/// How long an operator may say nothing.
pub const OPERATOR_IDLE: Duration = Duration::from_secs(60 * 60);

/// Members that are looked at together where an operator asks who is in: some 50 µs under the lock.
pub const ROWS: usize = 200;

/// Bytes of a scraper's request, of which browsers send a tenth.
pub const REQUEST: usize = 8 * 1024;
/// How long it may take for it, and for its answer. Prometheus waits for 10 s.
pub const SCRAPE: Duration = Duration::from_secs(10);
/// How long who asks another server for its health waits for it.
pub const HEALTH: Duration = Duration::from_secs(5);

/// How often a service manager is told how the server stands, at least.
pub const REPORT: Duration = Duration::from_secs(10);
/// How long after it did not hear that the server is ready it is told again.
pub const REPORT_AGAIN: Duration = Duration::from_millis(250);
/// How much longer than its goodbyes and its shutdown timeout the end may take before a service manager kills the server:
/// the last of the journal may wait for a slow disk.
pub const END: Duration = Duration::from_secs(10);

/// Connections waiting to be accepted. The kernel caps it at `net.core.somaxconn`.
pub const LISTEN_BACKLOG: i32 = 4096;

/// Connections taken from a listener before others get a turn: some 1 ms.
///
/// While 9,000 come at once, a member's PING takes 18 ms at most; with 8 it is no less, for each new
/// connection has a turn of its own as well.
pub const ACCEPT_BATCH: usize = 64;

/// Pause after an `accept` that failed for want of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Descriptors kept for other things than connections: listeners, the reactor, the standard
/// streams, and the refused who are being told why.
pub const RESERVED_DESCRIPTORS: usize = 64;

/// Refused connections that are heard out at the same time, so that they get to know why; any
/// further one is told and closed.
pub const REFUSED_AT_ONCE: usize = 32;

/// After how many seconds of silence the kernel asks whether an idle peer is still there, and how many
/// it waits between two questions. Neighbouring connections have different rows.
///
/// Timers are coarse: at 8 s Linux lets all that end within 256 ms (on some machines 512) end at once.
/// Of 10,000 members that came within a second, 2,560 were asked in the same instant, more than the
/// 1,000 packets that wait for one processor; and so each time, until some had not been heard three
/// times. Seven rows spread them over seven seconds first, and drift apart later.
///
/// Linux lets [`USER_TIMEOUT_MS`] overrule the count of questions: all of them have to fit under it, or
/// a single one that is lost on its way costs a healthy member its place. So each row has room for three,
/// over 6 s or more, and the last ghost is gone some 22 s after its last sign of life, of the 60 s promised.
pub const KEEPALIVE: [(u64, u64); 7] = [(8, 4), (5, 4), (9, 4), (6, 5), (10, 3), (7, 5), (11, 3)];
/// How many of them may stay unanswered, where nothing overrules it.
pub const KEEPALIVE_COUNT: u32 = 3;

/// How long sent bytes may stay unacknowledged before the kernel gives the peer up, in milliseconds:
/// a little less than the 20 s promised.
pub const USER_TIMEOUT_MS: u32 = 18_000;

/// What may wait in a [`Client`](crate::client::Client) to be taken by its owner, in bytes. Past it
/// the client reads no further and the server slows the room down, then gives the member up.
///
/// As much as the server lets wait for one member: [`Limits::outbox`].
pub const HEARD: usize = 1024 * 1024;

/// Longest payload that a [`Client`](crate::client::Client) sends, and takes, in bytes.
///
/// Servers take 64 KiB ([`Limits::payload`]) unless told otherwise. What is over this is no payload
/// of a chat: it would fill [`HEARD`] alone.
pub const PAYLOAD: usize = 1024 * 1024;

/// Longest message from one to one, in bytes, unless [`Config`](crate::direct::Config) says
/// otherwise.
pub const MESSAGE: usize = 1024 * 1024;

/// Messages that may be on their way from one to one, from the oldest that is not acknowledged to
/// the newest: 24 bytes each.
///
/// Far more than fill a line of 1 ms at 10 Gbit/s with anything but lines of text. That many
/// acknowledgements fit into [`UNREAD`]: two sides that both flood each other never wait for each
/// other.
pub const UNACKNOWLEDGED: usize = 16 * 1024;

/// Bytes past which no further message is taken before the socket has taken those.
pub const UNSENT: usize = 64 * 1024;

/// Bytes that may wait for one who sends and does not read, beside the message it is being sent.
/// Past it, nothing more is read from it.
pub const UNREAD: usize = 1024 * 1024;

/// Lines that a member may have said that are not confirmed yet; any more wait.
///
/// A quarter of what a server keeps of the room ([`Limits::history`]): if all of them have arrived when
/// the connection breaks, it still has them, and what others have said meanwhile.
pub const UNCONFIRMED_LINES: usize = 256;
/// Bytes of them past which no further one is taken.
pub const UNCONFIRMED: usize = 256 * 1024;

/// Names in one answer to WHO that a client believes: 4.3 MB of them.
///
/// Several times the largest room that this server was tried with.
pub const WHO_NAMES: usize = 128 * 1024;

/// How long a client waits for HELLO, from looking up the server's name on.
pub const GREETING: Duration = Duration::from_secs(10);
/// How long before it gives up a client says something itself, to see whether the server speaks TLS.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long one address of a server may take to accept before the next is tried beside it.
///
/// What RFC 8305 recommends: longer than most round trips, too short to annoy.
pub const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// The longest pause before a client's first attempt to come back. Half of it at least is waited for.
pub const AT_ONCE: Duration = Duration::from_millis(50);

/// The longest pause before the second.
pub const PAUSE: Duration = Duration::from_millis(500);

/// The longest pause before any attempt: each may be twice as long as the one before, up to this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a client that leaves waits for BYE.
///
/// One round trip around the world. What is queued for the member comes first, but whoever wants to go
/// does not wait for that, nor for a server that says anything but BYE.
pub const GOODBYE: Duration = Duration::from_millis(250);

/// Characters shown of what a server says that is no smoltalk server.
pub const QUOTE: usize = 80;

/// Numbers of a room on several nodes.
#[cfg(feature = "redis")]
pub(crate) use nodes::*;

#[cfg(feature = "redis")]
mod nodes {
    use std::time::Duration;

    /// Room time for which a node is alive that says nothing.
    ///
    /// Others learn within 10 s that a node has died. A node that is only slow has five beats for it.
    pub const LEASE: Duration = Duration::from_secs(5);
    /// Room time that may pass between two runs of a script: a Redis that was away for longer, or whose
    /// clock jumps, costs nobody the lease.
    pub const ROOM_TIME_STEP: Duration = Duration::from_secs(2);
    /// How often a node says that it is alive.
    pub const BEAT: Duration = Duration::from_secs(1);
    /// The same while members wait for a slow node: so long they wait for longer than they have to.
    pub const BEAT_WHILE_HELD: Duration = Duration::from_millis(25);
    /// Names of dead nodes that one run of a script takes out: it holds up all nodes meanwhile, for
    /// about a millisecond.
    pub const TAKEN_OUT: usize = 200;

    /// Time from one try to reach Redis to the next.
    pub const RETRY: Duration = Duration::from_millis(500);
    /// How long Redis may take for an answer. A disk that is asked to sync takes a tenth of it.
    pub const REPLY: Duration = Duration::from_secs(2);
    /// How long Redis waits for news before it says that there are none. So long a connection that is
    /// dead stays unnoticed, and [`REPLY`].
    pub const NEWS: Duration = Duration::from_secs(1);

    /// Bytes of a batch after which another one begins: as many as a round has.
    pub const BATCH: usize = super::ROUND;
    /// Items of a batch after which another one begins: Redis takes some 2 µs for one, and does nothing
    /// else meanwhile.
    pub const BATCH_ITEMS: usize = 2048;
    /// Packs that are read at once, at most: 8 MiB where they are as large as batches may be.
    pub const PACKS: usize = 64;
    /// Names that are read at once.
    pub const NAMES: usize = 1000;
    /// Deliveries to the room that may wait for it.
    pub const DELIVERIES: usize = 1;

    /// Bytes of the log by which a node may be behind before the members of all nodes wait for it.
    pub const BEHIND: u64 = 4 * 1024 * 1024;
    /// How often a node looks whether somebody for whom all wait has caught up, before it takes in more:
    /// such a one has half an outbox to take meanwhile.
    pub const LAGGER_AWAITED: Duration = Duration::from_millis(5);
    /// How long after an operator was told that a node is behind it is said again, at the earliest.
    pub const BEHIND_SAID: Duration = Duration::from_secs(60);
    /// Bytes that a node has read after which it says so, where it would say nothing else: well before the
    /// others would take it for slow.
    pub const UNSAID: u64 = BEHIND / 4;
    /// Bytes of the log that are kept, however few messages are among them.
    pub const LOG_BYTES: usize = 64 * 1024 * 1024;
}

/// Reads a time in seconds as a person writes it, `1`, `0.5` or `.5`, at most [`LONGEST`].
///
/// Whole nanoseconds, without the tables that a float's reading takes.
#[must_use]
pub fn seconds(written: &str) -> Option<Duration> {
    let (whole, part) = written.split_once('.').unwrap_or((written, ""));
    let digits = [whole, part].concat();
    if digits.is_empty() || part.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let time = Duration::new(whole, format!("{part:0<9}").parse().ok()?);
    (time <= LONGEST).then_some(time)
}

/// The settings of one server. `Limits::default()` is what `smoltalkd` runs with.
///
/// A server refuses those that it cannot keep: see [`Limits::check`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; 0 for what the descriptor limit allows, which is never exceeded.
    pub max_connections: usize,
    /// Connections at once from one IPv4 address or IPv6 network of 64 bits; 0 for no limit.
    pub max_per_address: usize,
    /// Members past which nobody is told of arrivals and departures any more: they would cost the
    /// square of the room.
    pub presence_limit: usize,
    /// How long a guest may take to join.
    pub join_timeout: Duration,
    /// How long a member that lags behind may take for half of [`Limits::outbox`].
    pub stall_timeout: Duration,
    /// Lines a second that a member may say, with ten seconds' worth at once; 0 for any number.
    pub pace: u32,
    /// Bytes of one payload.
    pub payload: usize,
    /// Bytes that may wait for one member before it has to keep up: half as many in each
    /// [`Limits::stall_timeout`], or it goes.
    pub outbox: usize,
    /// Bytes that may wait for all connections together. Past it, those for whom most waits go.
    pub memory: usize,
    /// Messages that who joins can ask for; 0 for none.
    pub history: usize,
    /// Bytes of messages that who joins can ask for; 0 for none.
    pub history_bytes: usize,
    /// How long all connections together may take for what is queued when the server stops.
    pub shutdown_timeout: Duration,
    /// Over how long goodbyes are spread before that.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 0,
            max_per_address: 0,
            presence_limit: 1000,
            join_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(1),
            pace: 0,
            payload: 65_536,
            outbox: 1024 * 1024,
            memory: 256 * 1024 * 1024,
            history: 1000,
            history_bytes: 1024 * 1024,
            shutdown_timeout: Duration::from_secs(5),
            drain: Duration::ZERO,
        }
    }
}

impl Limits {
    /// Whether who joins can ask for what was said before.
    #[must_use]
    pub fn has_history(&self) -> bool {
        self.history > 0 && self.history_bytes > 0
    }

    /// What [`Limits::memory`] comes to. Where a single round that nobody takes was over it, all would
    /// have to go: so it is four rounds with a payload each, at least.
    #[must_use]
    pub fn memory_of_all(&self) -> usize {
        self.memory.max(4 * (ROUND + self.payload))
    }

    /// Bytes that wait for a member that is slow, past which those who say much wait for it: [`OUTBOXES`], where there is memory
    /// for that.
    pub(crate) fn far_behind(&self) -> usize {
        let outbox = self.outbox.max(ROUND);
        (OUTBOXES * outbox).min((self.memory_of_all() / MEMORY_OF_ONE).max(outbox))
    }

    /// Fails where a server could not keep them, naming the first such field and what it takes: a
    /// timeout is over 0 and at most [`LONGEST`], an outbox 1 to [`LARGEST`] bytes, a payload at most
    /// as many.
    pub fn check(&self) -> io::Result<()> {
        let time = |time: Duration| !time.is_zero() && time <= LONGEST;
        let wrong = if !time(self.join_timeout) {
            "limits.join_timeout takes a time over 0 and at most a year"
        } else if !time(self.stall_timeout) {
            "limits.stall_timeout takes a time over 0 and at most a year"
        } else if !time(self.shutdown_timeout) {
            "limits.shutdown_timeout takes a time over 0 and at most a year"
        } else if self.drain > LONGEST {
            "limits.drain takes a time of at most a year"
        } else if !(1..=LARGEST).contains(&self.outbox) {
            "limits.outbox takes a number of bytes, 1 or more and at most 256 MiB"
        } else if self.memory == 0 {
            "limits.memory takes a number of bytes, 1 or more"
        } else if self.payload > LARGEST {
            "limits.payload takes a number of bytes, at most 256 MiB"
        } else {
            return Ok(());
        };
        Err(io::Error::new(ErrorKind::InvalidInput, wrong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction_and_are_no_more_than_a_year() {
        let read = |written| seconds(written).map(|duration| duration.as_nanos());
        for (written, nanos) in [
            ("0", 0),
            ("30", 30_000_000_000),
            ("0.5", 500_000_000),
            (".25", 250_000_000),
            ("007.", 7_000_000_000),
            ("1.000000001", 1_000_000_001),
            ("31536000", 31_536_000_000_000_000),
        ] {
            assert_eq!(read(written), Some(nanos), "{written}");
        }
        for bad in ["", ".", "x", "-1", "+1", "1e3", "1.5s", "1..5", "0x1", "18446744073709551616"]
            .into_iter()
            .chain(["inf", "NaN", " 1", "1 ", "1.0000000001", "1.+5", "31536000.1"])
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
