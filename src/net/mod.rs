//! Where connections come from: addresses, listeners, sockets, and who gets a place.

pub mod address;
pub mod admission;
mod claim;
pub mod listener;
pub mod peer;
pub mod sink;
pub mod socket;
