//! The server's side: by which certificate it is known, and whose it asks for.

use super::connection::Connection;
use super::pem::Term;
use super::{named, pem, provider, wrong};
use rustls::crypto::ring::Ticketer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, IoSlice, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files that a server with TLS needs; all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Its certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// The key of that certificate.
    pub key: PathBuf,
    /// The authorities of which clients have to show a certificate, if they have to.
    pub client_authorities: Option<PathBuf>,
}

/// Begins TLS with those who connect. All copies of one do so alike.
#[derive(Debug, Clone)]
pub struct Acceptor {
    certificates: Certificates,
    shown: Arc<Mutex<Shown>>,
}

/// What was in the files.
#[derive(Debug, Clone)]
struct Shown {
    config: Arc<ServerConfig>,
    /// When the certificate holds.
    term: Term,
}

impl Acceptor {
    /// Reads the files, or fails, naming the one that is no good.
    pub fn open(certificates: &Certificates) -> io::Result<Self> {
        let shown = Arc::new(Mutex::new(certificates.read()?));
        Ok(Self { certificates: certificates.clone(), shown })
    }

    /// Reads the files again. Where one of them is no good, it fails and all stays as it was. Who is connected
    /// stays so; but nobody comes back by what an old certificate was enough for.
    pub fn reload(&self) -> io::Result<()> {
        *self.shown() = self.certificates.read()?;
        Ok(())
    }

    /// When the certificate holds.
    pub fn term(&self) -> Term {
        self.shown().term
    }

    /// TLS with somebody who has just connected.
    pub fn begin(&self) -> io::Result<Layer> {
        let tls = ServerConnection::new(self.shown().config.clone()).map_err(wrong)?;
        Ok(Layer(Box::new(Mutex::new(Connection::new(tls.into())))))
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Certificates {
    fn read(&self) -> io::Result<Shown> {
        let of_certificate = of_flag("--tls-cert", &self.certificate);
        let chain = pem::certificates(&self.certificate).map_err(&of_certificate)?;
        let term = chain.first().map(Term::of).unwrap_or_default();
        let key = pem::key(&self.key).map_err(of_flag("--tls-key", &self.key))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?;
        let config = match &self.client_authorities {
            None => config.with_no_client_auth(),
            Some(path) => {
                let authorities = pem::authorities(path);
                let authorities = authorities.map_err(of_flag("--tls-client-ca", path))?;
                let authorities = Arc::new(authorities);
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider());
                config.with_client_cert_verifier(verifier.build().map_err(wrong)?)
            }
        };
        let mut config = config.with_single_cert(chain, key).map_err(|error| {
            let key = self.key.display();
            of_certificate(wrong(format!("does not go with the key {key}: {error}")))
        })?;
        if self.client_authorities.is_none() {
            // Who comes back shows it, and saves both sides the costly half of a handshake. The server keeps nothing for that.
            config.ticketer = Ticketer::new().map_err(wrong)?;
        } else {
            // It would stand for a certificate that has expired since then.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Shown { config: Arc::new(config), term })
    }
}

/// Names a file in which something is wrong, and the flag that has named it.
fn of_flag(flag: &str, path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| {
        let error = named(path)(error);
        io::Error::new(error.kind(), format!("{flag} {error}"))
    }
}

/// The TLS of one socket. Nobody holds it for longer than one call takes.
#[derive(Debug)]
pub struct Layer(Box<Mutex<Connection>>);

impl Layer {
    /// See [`Connection::shake_hands`].
    pub fn shake_hands(&self, mut wire: impl Read + Write) -> io::Result<()> {
        self.connection().shake_hands(&mut wire)
    }

    /// See [`Connection::has_answered`].
    pub fn has_answered(&self) -> bool {
        self.connection().has_answered()
    }

    /// See [`Connection::is_blocked`].
    pub fn is_blocked(&self) -> bool {
        self.connection().is_blocked()
    }

    /// See [`Connection::receive`].
    pub fn receive(&self, mut wire: impl Read + Write, buffer: &mut [u8]) -> io::Result<usize> {
        self.connection().receive(&mut wire, buffer)
    }

    /// See [`Connection::has_received`].
    pub fn has_received(&self) -> bool {
        self.connection().has_received()
    }

    /// See [`Connection::send`].
    pub fn send(&self, mut wire: impl Read + Write, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.connection().send(&mut wire, parts)
    }

    /// See [`Connection::close`].
    pub fn close(&self, mut wire: impl Read + Write) -> io::Result<bool> {
        self.connection().close(&mut wire)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
