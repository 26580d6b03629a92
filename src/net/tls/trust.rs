//! The client's side: whose certificates it believes, and what it shows of itself.

use super::connection::Connection;
use super::{is_about_ours, named, pem, provider, wrong};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

/// What a client needs for TLS; files are in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The authorities of servers; the system's, if it is not said.
    pub authorities: Option<PathBuf>,
    /// The client's own certificate, for servers that ask for one, and the key of it.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Begins TLS with servers. All copies of one do so alike, and know the servers where one was.
#[derive(Debug, Clone)]
pub struct Connector(Arc<ClientConfig>);

impl Connector {
    /// Reads the files, or fails, naming the one that is no good.
    pub fn open(trust: &Trust) -> io::Result<Self> {
        let authorities = match &trust.authorities {
            Some(path) => pem::authorities(path).map_err(named(path))?,
            None => of_the_system()?,
        };
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider());
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_webpki_verifier(verifier.build().map_err(wrong)?);
        let config = match &trust.certificate {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = pem::certificates(certificate).map_err(named(certificate))?;
                let secret = pem::key(key).map_err(named(key))?;
                config.with_client_auth_cert(chain, secret).map_err(|error| {
                    let why = format!("does not go with the key {}: {error}", key.display());
                    named(certificate)(wrong(why))
                })?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// TLS with the server of that name, or address.
    pub fn begin(&self, host: &str) -> io::Result<Connection> {
        let strange = |_| io::Error::new(ErrorKind::InvalidInput, "this is no name of a server");
        let name = ServerName::try_from(host.to_string()).map_err(strange)?;
        Ok(Connection::new(ClientConnection::new(self.0.clone(), name).map_err(wrong)?.into()))
    }
}

/// The authorities that this system believes; what of them is no good is left out.
fn of_the_system() -> io::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found.certs);
    if authorities.is_empty() {
        let why = "this system has no certificates of authorities: --tls-ca names some";
        return Err(io::Error::new(ErrorKind::NotFound, why));
    }
    Ok(authorities)
}

/// Why there is no TLS with `host`: `InvalidData` where a certificate does not hold, so that to try again would
/// only come to the same.
pub fn explained(host: &str, error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        None if has_closed(error.kind()) => {
            // Who finds no place there, or may not come in, is told nothing: that would be no TLS.
            let why = "closed the connection before it spoke";
            let hint = "it may be full, or keep this address out";
            io::Error::new(error.kind(), format!("{host} {why} ({hint})"))
        }
        None => error,
        Some(rustls::Error::InvalidCertificate(why)) => {
            wrong(format!("the certificate of {host} does not hold: {}", flaw(why)))
        }
        Some(rustls::Error::AlertReceived(alert)) if is_about_ours(*alert) => {
            wrong(format!("{host} wants another certificate of this client ({alert:?})"))
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            io::Error::other(format!("{host} does not speak TLS there"))
        }
        Some(why) => io::Error::other(format!("no TLS with {host}: {why}")),
    }
}

/// Whether the other side has just gone, and be it without having read what was sent to it.
fn has_closed(how: ErrorKind) -> bool {
    use ErrorKind as Kind;
    [Kind::UnexpectedEof, Kind::ConnectionReset, Kind::ConnectionAborted, Kind::BrokenPipe]
        .contains(&how)
}

fn flaw(why: &CertificateError) -> String {
    use CertificateError as Flaw;
    match why {
        Flaw::Expired | Flaw::ExpiredContext { .. } => "expired".into(),
        Flaw::NotValidYet | Flaw::NotValidYetContext { .. } => "not valid yet".into(),
        Flaw::UnknownIssuer => "it is of no authority that is known here".into(),
        Flaw::NotValidForName | Flaw::NotValidForNameContext { .. } => {
            "it is of another name".into()
        }
        Flaw::Revoked => "revoked".into(),
        why => why.to_string(),
    }
}
