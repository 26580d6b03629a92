//! smoltalk: a chat server small enough to read in an evening and good enough to trust.
//!
//! One room, a protocol of text lines that netcat and telnet speak as they are, on smol. The
//! programs `smoltalkd` and `smoltalk` are thin: all that they do can be had from this library.
//!
//! Read it in this order. No module knows anything of one that stands below it in this table, and
//! no two files know each other: `tests/architecture.rs` holds them to that.
//!
//! | module | decides |
//! |---|---|
//! | [`limits`] | every number |
//! | [`protocol`] | the words, where they lie in a stream of bytes, what is safe to print; no I/O |
//! | `log` | what happened, in order |
//! | `net` | sockets, where one listens, who gets a place |
//! | `room` | who is in and who gets what: a fold over the log; no I/O |
//! | `delivery` | how that gets into the sockets, and what becomes of the slow |
//! | [`server`] | the one lock, whose turn it is, the tasks, the goodbye |
//! | [`client`] | the other side of a connection, for `smoltalk`, bots and tests |
//! | [`direct`] | a conversation of two, without a server |
//! | [`program`] | how the two programs are started |
//!
//! `ARCHITECTURE.md` has the picture: who wakes whom, and what happens under the lock.
//!
//! A server stops when the future that it is given completes:
//!
//! ```
//! use smoltalk::server::{Config, Server};
//!
//! # smol::block_on(async {
//! let listen = vec!["127.0.0.1:0".parse()?];
//! let server = Server::bind(Config { listen, ..Config::default() })?;
//! println!("listening on {}", server.addresses()[0]);
//! server.run(std::future::ready(())).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub mod client;
pub mod direct;
pub mod limits;
pub mod program;
pub mod protocol;
pub mod server;

mod delivery;
mod log;
mod net;
mod room;
