//! Getting in: a connection and a place in the room, in the time that is given to both.

use crate::flags::Config;
use crate::wait::within;
use smoltalk::client::{Client, Error};
use smoltalk::protocol::{Form, Refusal};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Connects and joins; returns how many members the room has, too.
pub async fn arrive(config: &Config, name: &str) -> Result<(Client, usize), Error> {
    let time = config.timeout;
    let began = Instant::now();
    let mut client = Client::connect_within(time, &config.host, config.port).await?;
    let rest = time.saturating_sub(began.elapsed());
    let members = within(rest, join(&mut client, name)).await.unwrap_or_else(|| {
        let late = format!("no answer to JOIN within {} s", time.as_secs_f32());
        Err(Error::Unreachable(Arc::new(io::Error::new(io::ErrorKind::TimedOut, late))))
    })?;
    Ok((client, members))
}

/// Joins, to get payloads as they are; as text where the server has no other way.
async fn join(client: &mut Client, name: &str) -> Result<usize, Error> {
    match client.join_with(name, Form::Data).await {
        Err(Error::Refused { code, .. }) if code == Refusal::BadOption.code() => {
            client.join(name).await
        }
        joined => joined,
    }
}
