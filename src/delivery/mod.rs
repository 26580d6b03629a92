//! Bytes out: rounds on their way into sockets, and what becomes of the slow.

pub mod backlog;
pub mod flush;
