//! Who has to go although it does nothing wrong.

use crate::fairness::{lines, payload};
use crate::mob::{Mob, Reads, SOME, Says};
use crate::process::Result;
use crate::run::{Before, Siege, WATCH};
use crate::table::Figure;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

pub fn blown_up_once(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let all = mob.join(siege.at_most(4000), None)?;
    let before = Before::now(&server)?;
    mob.say(0..1, &Says::once(payload()))?;
    mob.run_until_quiet(Duration::from_secs(2), 2 * WATCH)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![(mob.gone(all) as f64).into()])
}

pub fn idle(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let before = Before::now(&server)?;
    let all = mob.join(siege.at_most(10_000), None)?;
    mob.run(5 * WATCH)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![(mob.gone(all) as f64).into()])
}

pub fn pause(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let readers = mob.join(20, Some(SOME))?;
    let flooders = mob.join(4, None)?;
    mob.read(readers.clone(), Reads::Steady(3e6))?;
    let before = Before::now(&server)?;
    mob.say(flooders, &Says::always(lines(200, 20)))?;
    mob.run(WATCH / 4)?;
    let already = mob.gone(readers.clone());
    let process = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    let process = process.ok_or("the server has no number")?;
    kill_process(process, Signal::STOP)?;
    let stopped = mob.run(Duration::from_secs(2));
    kill_process(process, Signal::CONT)?;
    stopped?;
    mob.run(WATCH / 2)?;
    siege.note(&server, &mob, before)?;
    if already > 0 {
        return Err(format!("{already} were thrown out before the server stood still").into());
    }
    Ok(vec![(mob.gone(readers) as f64).into()])
}
