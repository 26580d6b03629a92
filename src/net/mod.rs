//! Where connections come from: addresses, listeners, sockets, who gets a place, and by what
//! one is known again.

pub mod address;
pub mod admission;
mod claim;
pub mod files;
pub mod listener;
pub mod peer;
pub mod secrets;
pub mod sink;
pub mod socket;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
pub mod tls;
