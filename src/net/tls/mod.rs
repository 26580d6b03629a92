//! TLS over a socket that never blocks: for the server's side, and for the client's.
//!
//! The library beneath reads and writes only when it is told to. So a connection with TLS waits for
//! its socket as any other does, and needs no task or buffer of its own.

mod acceptor;
mod connection;
mod pem;
mod trust;

pub use acceptor::{Acceptor, Certificates, Layer};
pub use connection::Connection;
pub use trust::{Connector, Trust, explained};

use rustls::crypto::{CryptoProvider, ring};
use rustls::{AlertDescription, Error};
use std::io::{self, ErrorKind};
use std::path::Path;
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

/// Whether there is no TLS because of a certificate: the other side's, or of one's own, as the other side says.
pub fn is_about_certificates(error: &io::Error) -> bool {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => true,
        Some(Error::AlertReceived(alert)) => is_about_ours(*alert),
        _ => false,
    }
}

/// Whether the other side says by this that one's own certificate is none that it takes.
fn is_about_ours(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    [
        Alert::CertificateRequired,
        Alert::BadCertificate,
        Alert::UnsupportedCertificate,
        Alert::CertificateRevoked,
        Alert::CertificateExpired,
        Alert::CertificateUnknown,
        Alert::UnknownCA,
        Alert::AccessDenied,
    ]
    .contains(&alert)
}

/// What is wrong with something given, in the words of the library beneath.
fn wrong(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.to_string())
}

/// Names the file in which something is wrong.
fn named(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
