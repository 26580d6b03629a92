//! Getting in: a connection and a place in the room, in the time that is given to both.

use super::within;
use crate::flags::Config;
use smoltalk::client::{Client, Error};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Connects and joins; returns how many members the room has, too.
pub async fn arrive(config: &Config, name: &str) -> Result<(Client, usize), Error> {
    let time = config.timeout;
    let began = Instant::now();
    let mut client = Client::connect_within(time, &config.host, config.port).await?;
    let rest = time.saturating_sub(began.elapsed());
    let members = within(rest, client.join(name)).await.unwrap_or_else(|| {
        let late = format!("no answer to JOIN within {} s", time.as_secs_f32());
        Err(Error::Unreachable(Arc::new(io::Error::new(io::ErrorKind::TimedOut, late))))
    })?;
    Ok((client, members))
}
