//! What ends a wait early: a signal, or the time that it was given.

use async_signal::Signals;
use futures_lite::{StreamExt, future};
use smol::Timer;
use std::time::Duration;

/// What `future` comes to, unless a signal comes first.
pub async fn unless<T>(signals: &mut Signals, future: impl Future<Output = T>) -> Option<T> {
    let signal = async {
        signals.next().await;
        None
    };
    future::or(signal, async { Some(future.await) }).await
}

/// What `future` comes to, if it does in `time`.
pub async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Timer::after(time).await;
        None
    };
    future::or(async { Some(future.await) }, late).await
}
