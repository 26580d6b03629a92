//! What stands in where this program was built to be one server alone: nobody shares its log.

use super::{Entry, NodeState};
use crate::protocol::JoinOptions;
use std::time::Instant;

/// There is none.
#[derive(Debug)]
pub enum Shared {}

impl Shared {
    /// Has something done, of which will come back what becomes of it.
    pub fn submit(&mut self, _: &Entry<'_>) {
        match *self {}
    }

    /// How much was done here that is not on its way yet.
    pub fn unsent(&self) -> usize {
        match *self {}
    }

    /// Sends it on its way.
    pub fn send(&mut self) {
        match *self {}
    }

    /// Whether something that this connection did has not come back.
    pub fn is_under_way(&self, _: usize) -> bool {
        match *self {}
    }

    /// Whether this connection is to say no more for now.
    pub fn holds(&self, _: usize) -> bool {
        match *self {}
    }

    /// Whether it has been asked whether this connection is let in.
    pub fn is_joining(&self, _: usize) -> bool {
        match *self {}
    }

    /// Puts a JOIN off while the log is out of reach.
    pub fn postpones(&mut self, _: usize, _: &JoinOptions) -> bool {
        match *self {}
    }

    /// What a connection wants that waits for the log to come in.
    pub fn wanted(&self, _: usize) -> Option<JoinOptions> {
        match *self {}
    }

    /// This connection waits until it need not any longer.
    pub fn wait(&mut self, _: usize) {
        match *self {}
    }

    /// This connection is over.
    pub fn forget(&mut self, _: usize) {
        match *self {}
    }

    /// How this server stands with the others.
    pub fn state(&self, _: Instant) -> NodeState {
        match *self {}
    }

    /// Whether all that was done here has come back.
    pub fn is_settled(&self) -> bool {
        match *self {}
    }
}
