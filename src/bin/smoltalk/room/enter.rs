//! Getting in: a name, a connection, and a place in the room.

use super::bytes;
use super::visit::Visit;
use crate::failure::Failure;
use crate::ui::{Console, Grammar, Line, json};
use crate::wait::unless;
use smol::Timer;
use smoltalk::client::{Client, Error};
use smoltalk::protocol::{Command, Form, JoinOptions, Name, Refusal};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// One who is in, under a name, and all that there is to say with `--whole`.
pub type Entered = (Client, String, Option<Vec<u8>>);

/// Has a name, connects and joins; `None` where the person leaves first. Where one can be asked for
/// another name, a refused one is no end.
pub async fn enter(visit: &Visit, console: &mut Console) -> Result<Option<Entered>, Failure> {
    // Before the room, where nobody should wait for it.
    let whole = if visit.whole { bytes::whole(console).await? } else { None };
    let mut name = match &visit.username {
        Some(username) => username.clone(),
        None => ask_username(console).await?,
    };
    loop {
        let error = match unless(console.ended(), Box::pin(arrive(visit, &name))).await {
            Some(Ok((mut client, members))) => {
                greet(visit, console, &mut client, &name, members);
                return Ok(Some((client, name, whole)));
            }
            Some(Err(error)) => error,
            None => return Ok(None),
        };
        let Error::Refused { code, text } = &error else {
            let Visit { host, port, .. } = visit;
            return Err(Failure::Alone(format!("{host}:{port}: {error}")));
        };
        if !console.is_terminal() || !is_about_the_name(code) {
            console.json(|now| json::err(now, code, text));
            return Err(Failure::Refused(error.to_string()));
        }
        console.notice(&format!("smoltalk: {error}"));
        name = ask_username(console).await?;
    }
}

fn is_about_the_name(code: &str) -> bool {
    [Refusal::NameTaken, Refusal::BadName].iter().any(|refusal| refusal.code() == code)
}

/// Says that one is in.
pub fn greet(
    visit: &Visit,
    console: &mut Console,
    client: &mut Client,
    name: &str,
    members: usize,
) {
    // That a member has a name, the server has checked.
    if let Some(me) = Name::new(name.as_bytes())
        && console.joined(me, members)
    {
        let _ = client.queue(Command::Who);
    }
    if console.is_terminal() {
        let help = if visit.grammar == Grammar::Chat { "/help" } else { "help" };
        console.notice(&format!("* you are {name}, one of {members} here; type {help} for help"));
        console.prompt(&format!("{name}> "));
    }
    console.json(|now| json::ok(now, name, members));
}

/// Asks until there is a name that could be one.
async fn ask_username(console: &mut Console) -> Result<String, Failure> {
    const MISSING: &str = "--username takes a name, and there is none";
    if !console.is_terminal() {
        return Err(Failure::Usage(MISSING.into()));
    }
    console.prompt("username: ");
    loop {
        console.flush().await?;
        let Some(line) = console.next().await else {
            return Err(Failure::Usage(MISSING.into()));
        };
        console.entered();
        match line {
            Line::Whole(line) if line.is_empty() => continue,
            Line::Whole(line) => {
                if let Some(name) = Name::new(&line) {
                    return Ok(name.to_string());
                }
            }
            Line::TooLong => {}
        }
        console.notice(Refusal::BadName.explanation());
    }
}

/// Connects and joins; returns how many members the room has, too.
pub async fn arrive(visit: &Visit, name: &str) -> Result<(Client, usize), Error> {
    let time = visit.timeout;
    let began = Instant::now();
    let mut client = Client::connect_within(time, &visit.host, visit.port).await?;
    let rest = time.saturating_sub(began.elapsed());
    let members =
        unless(Timer::after(rest), join(&mut client, name)).await.unwrap_or_else(|| {
            let late = format!("no answer to JOIN within {} s", time.as_secs_f32());
            Err(Error::Unreachable(Arc::new(io::Error::new(io::ErrorKind::TimedOut, late))))
        })?;
    Ok((client, members))
}

/// Joins, to get payloads as they are; as text where the server has no other way.
async fn join(client: &mut Client, name: &str) -> Result<usize, Error> {
    let form = Form { data: true, ids: false };
    match client.join_with(name, JoinOptions { form, ..JoinOptions::default() }).await {
        Err(Error::Refused { code, .. }) if code == Refusal::BadOption.code() => {
            client.join(name).await
        }
        joined => joined,
    }
}
