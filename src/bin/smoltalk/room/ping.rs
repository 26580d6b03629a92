//! What is asked with PING: how long a round trip takes, and whether all that was said has arrived.
//! The token says which.

use super::session::Session;
use crate::failure::Failure;
use crate::ui::{in_its_unit, json};
use smoltalk::protocol::Command;
use std::time::Duration;

/// What asks for the answer that all was sent.
pub const BARRIER: &str = "sent";

/// What asks for the answer that all was sent so far.
const SO_FAR: &str = "so far";

/// What asks for the answer to `ping`. When it was asked, in microseconds, follows.
const ROUND_TRIP: &str = "round trip ";

impl Session<'_> {
    /// Where a lost connection is not the end, has the server confirm what was said: what it has not
    /// confirmed may be lost as well.
    pub(super) fn confirm(&mut self) -> Result<(), Failure> {
        if self.visit.reconnect && self.client.has_room() && self.unconfirmed.ask() {
            self.client.queue(Command::Ping(SO_FAR.as_bytes()))?;
        }
        Ok(())
    }

    /// Asks how long a round trip takes.
    pub(super) fn ask_round_trip(&mut self) {
        let asked = format!("{ROUND_TRIP}{}", self.since.elapsed().as_micros());
        self.command(Command::Ping(asked.as_bytes()));
    }

    pub(super) fn pong(&mut self, token: &str) {
        if token == SO_FAR {
            self.unconfirmed.answered();
        }
        let asked = token.strip_prefix(ROUND_TRIP).and_then(|micros| micros.parse().ok());
        let round_trip =
            asked.and_then(|asked| self.since.elapsed().checked_sub(Duration::from_micros(asked)));
        if let Some(time) = round_trip
            && !self.console.json(|now| json::pong(now, time))
        {
            self.console.notice(&format!("pong: {}", in_its_unit(time)));
        }
    }
}
