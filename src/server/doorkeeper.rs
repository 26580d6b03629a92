//! What is done about who may come in while the server runs. Files are read and written on a thread of
//! their own: a disk may be slow, and nobody in the room is to wait for it.

use super::access::{read_bans, read_bans_or, read_key, write};
use super::bans::{Bans, Net};
use super::guard::unix_seconds;
use super::{Shared, Unhurried};
use crate::room::notice::{Notice, note};
use async_channel::Receiver;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
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
                self.tell("certificate", "stays", aside(move || tls.reload()).await);
                self.tell_of_certificate();
            }
            if let Some(path) = self.access.key_file.clone() {
                self.tell("key", "stays", self.reload_key(path).await);
            }
            if let Some(path) = self.access.bans_file.clone() {
                self.tell("bans", "stay", self.reload_bans(path).await);
            }
        }
        future::pending::<()>().await;
    }

    async fn reload_key(&self, path: PathBuf) -> io::Result<()> {
        let key = aside(move || read_key(&path)).await?;
        self.locked().await.change_key(key);
        Ok(())
    }

    async fn reload_bans(&self, path: PathBuf) -> io::Result<()> {
        let _changes = self.changes.lock().await;
        let has_bans = self.locked().await.banned().next().is_some();
        // One that is not there yet bans nobody. But one that is gone may be on its way to be replaced, and who was
        // banned is not let in by that.
        let none = Bans::default();
        let read = move || if has_bans { read_bans(&path) } else { read_bans_or(&path, none) };
        let bans = aside(read).await?;
        self.locked().await.guard.bans = bans;
        Ok(())
    }

    /// What came of reading something again.
    fn tell(&self, what: &'static str, stays: &str, read: io::Result<()>) {
        note(self.troubles.as_ref(), || match read {
            Ok(()) => Notice::ReadAgain(what),
            Err(why) => Notice::Access(format!("{why}; the old {what} {stays}")),
        });
    }
}

// What the operator does.
impl Shared {
    /// Keeps a net out, for so many seconds or for ever; who is in stays. It is on the disk, if it is to be,
    /// when this returns.
    pub fn ban(&self, net: Net, seconds: Option<u64>) -> Unhurried<'_, io::Result<()>> {
        let until = seconds.map(|seconds| unix_seconds().saturating_add(seconds));
        Box::pin(async move { self.change_bans(net, Change::Ban(until)).await.map(drop) })
    }

    /// Lets just this net in again. Says whether it was banned.
    pub fn unban(&self, net: Net) -> Unhurried<'_, io::Result<bool>> {
        self.change_bans(net, Change::Lift)
    }

    /// Bans a net, or lets it in again. What cannot be kept where it should be does not take effect.
    #[inline(never)]
    fn change_bans(&self, net: Net, change: Change) -> Unhurried<'_, io::Result<bool>> {
        Box::pin(async move {
            let _changes = self.changes.lock().await;
            let mut bans = self.locked().await.guard.bans.clone();
            // Somebody may have added to the file meanwhile, or be about to mend it.
            if let Some(path) = self.access.bans_file.clone() {
                bans = aside(move || read_bans_or(&path, bans)).await?;
            }
            let now = unix_seconds();
            bans.forget_old(now);
            let changed = match change {
                Change::Ban(until) => {
                    bans.add(net, until).map(|()| true).map_err(io::Error::other)?
                }
                Change::Lift => bans.remove(net, now),
            };
            if let Some(path) = self.access.bans_file.clone() {
                let text = bans.written(now);
                aside(move || write(&path, &text)).await?;
            }
            self.locked().await.guard.bans = bans;
            Ok(changed)
        })
    }
}

/// What becomes of a net.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// It is banned, until then or for ever.
    Ban(Option<u64>),
    /// It is not any more.
    Lift,
}

/// Does something that may take its time.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let result = Arc::new(Mutex::new(None));
    let (done, awaited) = async_channel::bounded::<()>(1);
    let place = result.clone();
    // Boxed, and told by a channel that carries nothing: whatever is done, it is the same machinery.
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(work());
        drop(done);
    });
    thread::Builder::new().name("files".into()).spawn(work)?;
    let _ = awaited.recv().await;
    let result = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    result.unwrap_or_else(|| Err(io::Error::other("it was not done")))
}
