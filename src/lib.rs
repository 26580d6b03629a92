//! smoltalk: a chat server small enough to read in an evening and good enough to trust.
//!
//! One room, a protocol of text lines that netcat and telnet speak as they are, on smol. The
//! programs `smoltalkd` and `smoltalk` are thin: all that they do can be had from this library.
//!
//! Read it in this order. What stands below knows nothing of what stands above.
//!
//! | module | decides |
//! |---|---|
//! | [`protocol`] | the words: what is said on a connection, in both directions; no I/O |
//! | [`lines`] | where lines end in a stream of bytes, and what of it is telnet; no I/O |
//! | [`frames`] | where payloads lie between the lines; no I/O |
//! | [`text`] | what is safe to print |
//! | [`limits`] | every number |
//! | `round` | the order: what was said since the last flush, and who gets which slices of it |
//! | `backlog` | what becomes of members who lag behind |
//! | `post` | how a round gets into the sockets |
//! | `room` | who is in, who gets what: the state behind the one lock |
//! | `session` | one connection, from its greeting to its end |
//! | [`server`] | listening, accepting, the tasks that work for the room, the goodbye |
//! | [`client`] | the other side of a connection, for `smoltalk`, bots and tests |
//! | [`direct`] | a conversation of two, without a server |
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
//! server.run(std::future::ready(())).await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub mod client;
pub mod direct;
pub mod frames;
pub mod limits;
pub mod lines;
pub mod protocol;
pub mod server;
pub mod text;

mod address;
mod backlog;
mod door;
mod notice;
mod post;
mod room;
mod round;
mod session;
mod socket;
mod unsent;
