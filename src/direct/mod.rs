//! One to one: two programs, no server between them, any bytes, and each message acknowledged.
//!
//! One side waits and talks to one peer at a time, the other calls. Then both are alike.
//!
//! ```no_run
//! # smol::block_on(async {
//! use smoltalk::direct::{Config, Direct, Error, Event};
//!
//! let mut peer = Direct::connect("127.0.0.1", 7879, &Config::default()).await?;
//! peer.send(b"any bytes").await?;
//! loop {
//!     match peer.next().await? {
//!         Event::Acked { round_trip, .. } => println!("arrived, after {round_trip:?}"),
//!         Event::Message { id, bytes } => {
//!             println!("{} said {} bytes", peer.peer(), bytes.len());
//!             peer.ack(id); // and not before: now somebody has it
//!         }
//!         _ => {}
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), Error>(())
//! # });
//! ```

mod chair;
mod conversation;
mod dialogue;
mod error;
mod event;
mod flight;
mod waiting;
mod words;

pub use conversation::{Config, Direct};
pub use error::Error;
pub use event::Event;
pub use waiting::Waiting;
