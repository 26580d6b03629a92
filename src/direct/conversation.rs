//! One side of a conversation of two, on its socket.

use super::chair::Chair;
use super::dialogue::Dialogue;
use super::error::Error;
use super::event::Event;
use super::words::{VERSION, Word};
use crate::client::connect::{connect, within};
use crate::client::link::Link;
use crate::client::wire::Wire;
use crate::limits;
use crate::protocol::Name;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// How one side takes part.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the other side is told to call it.
    pub name: Name,
    /// The longest message, in bytes, that it sends or takes.
    pub limit: usize,
}

impl Default for Config {
    /// `somebody`, with [`limits::MESSAGE`].
    fn default() -> Self {
        let name = Name::new(b"somebody").expect("it is a name");
        Self { name, limit: limits::MESSAGE }
    }
}

/// A conversation with one peer.
///
/// Every future may be dropped half-way and nothing is lost: a message goes out whole or not at
/// all. Nothing is queued without a limit. At most [`limits::UNACKNOWLEDGED`] messages are on their
/// way, at most [`limits::HEARD`] bytes and one message wait for [`next`](Self::next), and a peer
/// that does not read what is said to it is not read either.
///
/// Dropping it closes the connection, and what is on its way may be lost: [`leave`](Self::leave).
#[derive(Debug)]
pub struct Direct {
    /// Above the socket, and so given back before that is closed: whoever sees the end of this
    /// conversation may begin the next at once.
    chair: Option<Chair>,
    link: Link<Dialogue>,
}

// Coming and going.
impl Direct {
    /// Calls the side that waits at the first address of `host` that accepts.
    pub async fn connect(host: &str, port: u16, config: &Config) -> Result<Self, Error> {
        let reached = connect(limits::GREETING, host, port).await;
        let socket = reached.map_err(|error| Error::Unreachable(Arc::new(error)))?;
        let mut direct = Self::on(socket, None, config);
        if let Err(error) = direct.greeted().await {
            direct.leave().await;
            return Err(error);
        }
        Ok(direct)
    }

    /// Both sides say HELLO at once.
    pub(super) fn on(socket: impl Into<Wire>, chair: Option<Chair>, config: &Config) -> Self {
        let link = Link::new(socket, limits::LINE, Dialogue::new(config.limit));
        let mut direct = Self { chair, link };
        direct.say(Word::Hello(VERSION.as_bytes(), config.name.as_bytes()));
        direct
    }

    /// Waits for the other side's.
    pub(super) async fn greeted(&mut self) -> Result<(), Error> {
        let greeted = self.link.until(|Link { inbox, .. }, _| match inbox.peer() {
            Some(_) => Some(Ok(())),
            None => inbox.queue.end().cloned().map(Err),
        });
        let silence = || Error::NotDirect("it says nothing".into());
        within(limits::GREETING, greeted).await.unwrap_or_else(|| Err(silence()))
    }

    /// Goes: sends what was queued, acknowledgements too, and waits until the peer has seen the end,
    /// [`limits::GOODBYE`] at most. Does not wait for acknowledgements, and takes no more messages.
    pub fn leave(mut self) -> impl Future<Output = ()> + Send {
        // At once: who hears that this conversation is over may call for the next.
        self.chair = None;
        let goodbye = async move {
            self.link.send().await;
            self.link.close().await;
        };
        async { _ = within(limits::GOODBYE, goodbye).await }
    }

    fn say(&mut self, word: Word<'_>) {
        word.render(self.link.unsent.tail());
    }
}

// Talking.
impl Direct {
    /// What the peer calls itself; safe to print, and not empty. Nobody has checked it.
    #[must_use]
    pub fn peer(&self) -> &str {
        self.link.inbox.peer().unwrap_or_default()
    }

    /// Where the peer is, if the system still says so.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.link.peer()
    }

    /// Sends a message of any bytes, none at all among them; returns its number when it is on its
    /// way. Waits until as many others are acknowledged as it takes.
    ///
    /// Two that both only send, and never take what they are sent, end up waiting for each other:
    /// [`queue`](Self::queue) with [`next_until_sent`](Self::next_until_sent) is for them.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        self.flush().await?;
        let id = self.queue(bytes)?;
        self.sent(false).await?;
        Ok(id)
    }

    /// Takes a message to be sent, without waiting: the next call that waits sends it.
    /// [`Error::Behind`] where there is no [room](Self::has_room) for it.
    pub fn queue(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        self.link.inbox.say(bytes, Instant::now(), &mut self.link.unsent)
    }

    /// Whether one more message may be queued.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.link.inbox.has_room(&self.link.unsent)
    }

    /// Tells the peer that whoever its message was for has it. The next call that waits sends that.
    ///
    /// Only for what came, and once: the peer ends the conversation otherwise.
    pub fn ack(&mut self, id: u64) {
        self.say(Word::Ack(id));
    }

    /// How many messages are on their way.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.link.inbox.flight.waiting()
    }

    /// The next thing heard. After the last, each call says how the conversation ended.
    pub async fn next(&mut self) -> Result<Event, Error> {
        self.link.until(|link, _| link.inbox.queue.next()).await
    }

    /// How many events wait for [`next`](Self::next): so many times it returns at once.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.link.inbox.queue.len()
    }

    /// Whether all that was queued is on its way and there is room for more.
    #[must_use]
    pub fn has_sent(&self) -> bool {
        self.link.inbox.has_sent(&self.link.unsent)
    }

    /// What is heard until [all is sent](Self::has_sent); `None` then.
    pub async fn next_until_sent(&mut self) -> Result<Option<Event>, Error> {
        self.link
            .until(|Link { inbox, unsent, .. }, _| {
                let sent = inbox.has_sent(unsent).then_some(Ok(None));
                sent.or_else(|| inbox.queue.next().map(|heard| heard.map(Some)))
            })
            .await
    }

    /// The next thing heard, if it `hears`; or `None`, once [all is sent](Self::has_sent) that is
    /// not now.
    pub async fn next_or_sent(&mut self, hears: bool) -> Option<Result<Event, Error>> {
        let had_sent = self.has_sent();
        self.link
            .until(|Link { inbox, unsent, .. }, _| {
                let heard = if hears { inbox.queue.next() } else { None };
                heard.map(Some).or_else(|| (inbox.has_sent(unsent) && !had_sent).then_some(None))
            })
            .await
    }

    /// Returns once all that was queued is on its way and there is room for more. What is heard
    /// meanwhile waits for [`next`](Self::next); [`Error::Behind`] where so much does that nothing
    /// more is heard, and so no room comes.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.sent(true).await
    }

    /// Returns once the socket has taken everything and, if one `asks` for that, there is room for
    /// more. Hears on meanwhile.
    async fn sent(&mut self, asks: bool) -> Result<(), Error> {
        self.link
            .until(|link, sent| {
                let Link { inbox, unsent, .. } = link;
                if let Some(end) = inbox.queue.end() {
                    return Some(Err(end.clone()));
                }
                if sent && !unsent.is_mute() && (!asks || inbox.has_room(unsent)) {
                    return Some(Ok(()));
                }
                (sent && link.is_full()).then_some(Err(Error::Behind))
            })
            .await
    }
}
