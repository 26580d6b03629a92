//! The scripts and the engine, against a real Redis.

mod rules;
mod server;
