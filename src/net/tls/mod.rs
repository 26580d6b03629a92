//! TLS over a socket that never blocks: for the server's side, and for the client's.
//!
//! The library beneath reads and writes only when it is told to. So a connection with TLS waits for
//! its socket as any other does, and needs no task or buffer of its own.

mod acceptor;
mod connection;
mod pem;

pub use acceptor::{Acceptor, Certificates, Layer};

use rustls::crypto::{CryptoProvider, ring};
use std::sync::{Arc, LazyLock};

/// The one who does the arithmetic.
///
/// `ring`, which takes a C compiler and nothing else to build; `aws-lc-rs` takes several times as long, and
/// what it has beyond that (post-quantum key exchange, FIPS) would make it the largest part of the server.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(ring::default_provider()));
    PROVIDER.clone()
}

/// What is wrong with something given, in the words of the library beneath.
fn wrong(why: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_string())
}
