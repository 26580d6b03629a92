//! What one connection costs the others: how long they wait.

use crate::mob::{LITTLE, Mob, Reads, Says, name};
use crate::person::{Person, VICTIM, Ways};
use crate::process::Result;
use crate::run::{Before, Siege, WATCH};
use crate::table::Figure;
use std::time::{Duration, Instant};

/// HELPs that fit into 5 KB of typing.
pub const HELPS: usize = 850;
/// For so long all is quiet before an attack.
const QUIET: Duration = Duration::from_millis(300);
/// One who says little, and often enough to be heard late.
const SPEAKS: Option<Duration> = Some(Duration::from_millis(50));

/// A payload each of whose bytes becomes many: `DATA`, 64 KiB of bytes that are no UTF-8, in lines
/// of one each.
pub fn payload() -> Vec<u8> {
    let mut data = b"DATA 65536\n".to_vec();
    data.extend(b"\x80\n".repeat(32 * 1024));
    data.push(b'\n');
    data
}

/// Lines of MSG.
pub fn lines(len: usize, count: usize) -> Vec<u8> {
    format!("MSG {}\n", "x".repeat(len - 5)).repeat(count).into()
}

pub fn help_storm(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let victim = Person::enter(server.addr, "victim", VICTIM)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    let words = Says::once(b"HELP\n".repeat(HELPS));
    for _ in 0..siege.at_most(4000) {
        mob.rush(&words)?;
    }
    mob.run(WATCH)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![victim.leave()?.longest(begun).into()])
}

pub fn who_storm(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let all = mob.join(siege.at_most(10_000), None)?;
    let victim = Person::enter(server.addr, "victim", VICTIM)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    mob.say(all, &Says::once(b"WHO\n"))?;
    mob.run_until_quiet(QUIET, 2 * WATCH)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![victim.leave()?.longest(begun).into()])
}

pub fn who_unread(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let deaf = mob.join(siege.at_most(1000), Some(LITTLE))?;
    mob.join(siege.at_most(5000) - deaf.len(), None)?;
    mob.read(deaf.clone(), Reads::Never)?;
    let victim = Person::enter(server.addr, "victim", VICTIM)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    mob.say(deaf, &Says::once(b"WHO\n".repeat(500)))?;
    mob.run(WATCH)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![victim.leave()?.longest(begun).into()])
}

pub fn who_one(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    mob.join(siege.at_most(5000), None)?;
    let victim = Person::enter(server.addr, "victim", VICTIM)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    mob.say(0..1, &Says::once(b"WHO\n".repeat(16_384)))?;
    mob.run_until_quiet(QUIET, 2 * WATCH)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![victim.leave()?.longest(begun).into()])
}

pub fn waiting(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let deaf = mob.join(siege.at_most(1500), Some(LITTLE))?;
    mob.run(QUIET)?;
    let awake = Ways { asks: Some(Duration::ZERO), ..VICTIM };
    let quiet = Instant::now();
    let victim = Person::enter(server.addr, "before", awake)?;
    std::thread::sleep(WATCH / 4);
    let quiet = victim.leave()?.median(quiet);
    mob.read(deaf.clone(), Reads::Never)?;
    mob.say(deaf, &Says::once(b"HELP\n".repeat(2500)))?;
    mob.run(WATCH / 2)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    let victim = Person::enter(server.addr, "victim", awake)?;
    std::thread::sleep(WATCH / 4);
    siege.note(&server, &mob, before)?;
    let value = victim.leave()?.median(begun);
    Ok(vec![Figure { value, quiet: Some(quiet) }])
}

pub fn blown_up(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    mob.join(100, None)?;
    let victim = Person::enter(server.addr, "victim", VICTIM)?;
    let slow = Ways { reads: Reads::Steady(100e6), asks: None, says: SPEAKS };
    let slow = Person::enter(server.addr, "slow", slow)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    mob.say(0..1, &Says::always(payload()))?;
    mob.run(WATCH)?;
    siege.note(&server, &mob, before)?;
    drop(mob);
    let slow = slow.leave()?;
    let victim = victim.leave()?;
    Ok(vec![victim.longest(begun).into(), victim.latest(begun, &slow).into()])
}

pub fn steady(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    mob.join(1, None)?;
    let victim = Person::enter(server.addr, "victim", VICTIM)?;
    let slow = Ways { reads: Reads::Steady(2e6), asks: None, says: SPEAKS };
    let slow = Person::enter(server.addr, "slow", slow)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    // So much is soon behind, as after a quarter of a minute of the rest.
    mob.say(0..1, &Says::times(lines(1000, 8), 1000).at_pace(20e6))?;
    mob.run(Duration::from_millis(500))?;
    mob.say(0..1, &Says::always(lines(1000, 8)).at_pace(3e6))?;
    mob.run(WATCH * 3 / 2)?;
    siege.note(&server, &mob, before)?;
    drop(mob);
    let slow = slow.leave()?;
    Ok(vec![victim.leave()?.latest(begun, &slow).into()])
}

pub fn tell_slow(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    mob.join(2, Some(crate::mob::SOME))?;
    mob.read(0..1, Reads::Steady(550e3))?;
    let victim = Person::enter(server.addr, "victim", VICTIM)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    let words = format!("TELL {} {}\n", name(0), "x".repeat(1000)).repeat(8);
    mob.say(1..2, &Says::always(words).at_pace(1.9e6))?;
    mob.run(WATCH * 3 / 2)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![victim.leave()?.median(begun + WATCH / 2).into()])
}

pub fn slow_and_flood(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    mob.join(2, Some(crate::mob::SOME))?;
    mob.read(0..1, Reads::Steady(600e3))?;
    let ways = Ways { says: Some(Duration::from_secs(1)), ..VICTIM };
    let victim = Person::enter(server.addr, "victim", ways)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let begun = before.at;
    mob.say(1..2, &Says::always(lines(1000, 8)))?;
    mob.run(WATCH * 2)?;
    siege.note(&server, &mob, before)?;
    Ok(vec![victim.leave()?.median(begun).into()])
}

pub fn come_back(siege: &Siege) -> Result<Vec<Figure>> {
    const SAID: usize = 1000;
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    let victim = Person::enter(server.addr, "victim", Ways { asks: None, ..VICTIM })?;
    let speaks = Ways { says: Some(Duration::from_millis(5)), ..VICTIM };
    let speaker = Person::enter(server.addr, "speaker", speaks)?;
    mob.join(1, None)?;
    mob.say(0..1, &Says::once(lines(1000, SAID)))?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    // Long before that log began: so each gets all that is kept.
    let all = mob.come_back(siege.at_most(1000), "id echo since=1-1")?;
    // The speaker's words push some of it out meanwhile.
    let each = (SAID * 900) as u64;
    while all.clone().any(|at| mob.received(at..at + 1) < each) && before.at.elapsed() < WATCH * 2 {
        mob.run(Duration::from_millis(1))?;
    }
    let took = before.at.elapsed();
    siege.note(&server, &mob, before)?;
    let begun = before.at;
    let gone = mob.gone(all);
    drop((mob, speaker.leave()?));
    if gone > 0 {
        return Err(format!("{gone} were thrown out once more").into());
    }
    Ok(vec![took.as_secs_f64().into(), victim.leave()?.late(begun).into()])
}

pub fn tell_deaf(siege: &Siege) -> Result<Vec<Figure>> {
    let server = siege.server()?;
    let mut mob = Mob::new(server.addr)?;
    mob.join(1, Some(LITTLE))?;
    mob.read(0..1, Reads::Never)?;
    let teller = mob.join(1, None)?;
    mob.run(QUIET)?;
    let before = Before::now(&server)?;
    let mut words = format!("TELL {} {}\n", name(0), "x".repeat(1000)).repeat(4000);
    words.push_str("PING\n");
    mob.say(teller.clone(), &Says::once(words))?;
    let heard = mob.received(teller.clone());
    while mob.received(teller.clone()) == heard && before.at.elapsed() < WATCH {
        mob.run(Duration::from_millis(1))?;
    }
    let took = before.at.elapsed();
    siege.note(&server, &mob, before)?;
    Ok(vec![took.as_secs_f64().into()])
}
