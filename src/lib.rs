//! smoltalk: a chat server small enough to read in an evening and good enough to trust.
pub mod limits;
pub mod lines;
pub mod protocol;
pub mod server;
pub mod text;

mod backlog;
mod door;
mod notice;
mod room;
mod round;
mod session;
mod socket;
