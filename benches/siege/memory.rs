//! What one connection makes the server hold.

use crate::fairness::{HELPS, lines};
use crate::mob::{LITTLE, Mob, Reads, SOME, Says, name};
use crate::process::{Result, Server};
use crate::run::{Before, Siege, WATCH};
use crate::table::Figure;
use std::time::{Duration, Instant};

/// How often one looks how much it is.
const LOOK: Duration = Duration::from_millis(20);

pub fn tell_stalled(siege: &Siege) -> Result<Vec<Figure>> {
    tell_all(siege, siege.at_most(1000), LITTLE, Reads::Never)
}

pub fn tell_steady(siege: &Siege) -> Result<Vec<Figure>> {
    tell_all(siege, 100, SOME, Reads::Steady(700e3))
}

/// Five flood the room. Meanwhile others tell the slow a word now and then, so that nearly each round
/// has something for one of them alone.
fn tell_all(siege: &Siege, slow: usize, buffer: usize, reads: Reads) -> Result<Vec<Figure>> {
    const TELLERS: usize = 50;
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let slow = mob.join(slow, Some(buffer))?;
    let flooders = mob.join(5, None)?;
    let tellers = mob.join(TELLERS, None)?;
    mob.read(slow.clone(), reads)?;
    mob.run(Duration::from_millis(300))?;
    let before = Before::now(&server)?;
    mob.say(flooders, &Says::always(lines(100, 100)))?;
    let share = slow.len() / TELLERS;
    for (teller, first) in tellers.zip(slow.step_by(share)) {
        let words: Vec<String> =
            (first..first + share).map(|at| format!("TELL {} x\n", name(at))).collect();
        mob.say(teller..teller + 1, &Says::always(words.concat()).at_pace(5e3))?;
    }
    let most = most(&mut mob, &server, WATCH)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![most.into()])
}

pub fn guests(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let all = mob.visit(siege.at_most(19_000), Some(LITTLE))?;
    mob.read(all.clone(), Reads::Never)?;
    let before = Before::now(&server)?;
    mob.say(all, &Says::once(b"HELP\n".repeat(HELPS)))?;
    let most = most(&mut mob, &server, WATCH)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![most.into()])
}

/// The most anonymous memory that the server has meanwhile, in bytes.
fn most(mob: &mut Mob, server: &Server, time: Duration) -> Result<f64> {
    let end = Instant::now() + time;
    let mut most = 0f64;
    while Instant::now() < end {
        mob.run(LOOK)?;
        most = most.max(server.memory("status", "RssAnon:")?);
    }
    Ok(most)
}
