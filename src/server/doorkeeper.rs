//! What is done about who may come in while the server runs. Files are read and written on a thread of
//! their own: a disk may be slow, and nobody in the room is to wait for it.

use super::Shared;
use super::access::{read_bans, read_key, write};
use super::bans::{Bans, Net};
use super::guard::unix_seconds;
use crate::room::notice::{Notice, note};
use async_channel::Receiver;
use std::{future, io, thread};

impl Shared {
    /// Reads the files again each time that it is asked to. What is wrong with one is said, and what was known
    /// before stays.
    pub async fn reload(self, asked: Option<Receiver<()>>) {
        while let Some(asked) = &asked
            && asked.recv().await.is_ok()
        {
            #[cfg(feature = "tls")]
            if let Some(tls) = self.tls.clone() {
                match aside(move || tls.reload()).await {
                    Ok(()) => self.say(Notice::ReadAgain("certificate")),
                    Err(why) => {
                        self.say(Notice::Access(format!("{why}; the old certificate stays")));
                    }
                }
            }
            if let Some(path) = self.access.key_file.clone() {
                match aside(move || read_key(&path)).await {
                    Ok(key) => {
                        self.registry.lock().await.guard.key = Some(key);
                        self.say(Notice::ReadAgain("key"));
                    }
                    Err(why) => self.say(Notice::Access(format!("{why}; the old key stays"))),
                }
            }
            if let Some(path) = self.access.bans_file.clone() {
                let _changes = self.changes.lock().await;
                match aside(move || read_bans(&path)).await {
                    Ok(bans) => {
                        self.registry.lock().await.guard.bans = bans;
                        self.say(Notice::ReadAgain("bans"));
                    }
                    Err(why) => self.say(Notice::Access(format!("{why}; the old bans stay"))),
                }
            }
        }
        future::pending::<()>().await;
    }

    fn say(&self, notice: Notice) {
        note(self.troubles.as_ref(), || notice);
    }
}

// What the operator does.
impl Shared {
    /// Keeps a net out, for so many seconds or for ever; who is in stays. It is on the disk, if it is to be,
    /// when this returns.
    pub async fn ban(&self, net: Net, seconds: Option<u64>) -> io::Result<()> {
        let until = seconds.map(|seconds| unix_seconds().saturating_add(seconds));
        self.change_bans(|bans| bans.add(net, until).map_err(io::Error::other)).await
    }

    /// Lets just this net in again. Says whether it was banned.
    pub async fn unban(&self, net: Net) -> io::Result<bool> {
        self.change_bans(|bans| Ok(bans.remove(net, unix_seconds()))).await
    }

    /// The nets that are banned, each with the seconds for which it still is, if not for ever.
    pub async fn bans(&self) -> Vec<(Net, Option<u64>)> {
        let now = unix_seconds();
        let registry = self.registry.lock().await;
        let bans = registry.guard.bans.iter(now);
        bans.map(|(net, until)| (net, until.map(|until| until - now))).collect()
    }

    /// What cannot be kept where it should be does not take effect.
    async fn change_bans<T>(
        &self,
        change: impl FnOnce(&mut Bans) -> io::Result<T>,
    ) -> io::Result<T> {
        let _changes = self.changes.lock().await;
        let mut bans = self.registry.lock().await.guard.bans.clone();
        let now = unix_seconds();
        bans.forget_old(now);
        let changed = change(&mut bans)?;
        if let Some(path) = self.access.bans_file.clone() {
            let text = bans.written(now);
            aside(move || write(&path, &text)).await?;
        }
        self.registry.lock().await.guard.bans = bans;
        Ok(changed)
    }
}

/// Does something that may take its time.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, awaited) = async_channel::bounded(1);
    let work = move || _ = done.try_send(work());
    thread::Builder::new().name("files".into()).spawn(work)?;
    awaited.recv().await.unwrap_or_else(|_| Err(io::Error::other("it was not done")))
}
