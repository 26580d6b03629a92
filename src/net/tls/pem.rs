//! Certificates and keys, as files have them.

use super::wrong;
use crate::net::files::read;
use rustls::client::verify_server_cert_signed_by_trust_anchor as verify;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The certificates of a file, of which there is one at least.
pub fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| unreadable(&error))?;
    if certificates.is_empty() {
        return Err(wrong("has no certificate"));
    }
    Ok(certificates)
}

/// When a certificate holds, in seconds since 1970, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Term {
    /// From when on.
    pub not_before: Option<u64>,
    /// Until when.
    pub not_after: Option<u64>,
    /// It ends before it begins.
    pub is_backwards: bool,
}

impl Term {
    /// That of a certificate.
    ///
    /// It is put to the proof at the beginning and at the end of all days: that it does not hold yet or has expired by then, and
    /// when, is found out before it is asked who has signed it.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        use CertificateError as Flaw;
        let mut term = Self::default();
        for time in [0, u64::MAX] {
            match flaw(certificate, time) {
                Some(Flaw::NotValidYetContext { not_before, .. }) => {
                    term.not_before = Some(not_before.as_secs());
                }
                Some(Flaw::ExpiredContext { not_after, .. }) => {
                    term.not_after = Some(not_after.as_secs());
                }
                // At no time.
                Some(Flaw::Expired) => term.is_backwards = true,
                _ => {}
            }
        }
        term
    }
}

/// What is wrong with a certificate at that time.
fn flaw(certificate: &CertificateDer<'_>, time: u64) -> Option<CertificateError> {
    let certificate = ParsedCertificate::try_from(certificate).ok()?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time));
    match verify(&certificate, &RootCertStore::empty(), &[], time, &[]) {
        Err(Error::InvalidCertificate(flaw)) => Some(flaw),
        _ => None,
    }
}

/// The first private key of a file.
pub fn key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => wrong("has no private key that is not encrypted"),
        error => unreadable(&error),
    })
}

/// The authorities of a file.
pub fn authorities(path: &Path) -> io::Result<RootCertStore> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(path)? {
        authorities.add(certificate).map_err(wrong)?;
    }
    Ok(authorities)
}

fn unreadable(error: &pem::Error) -> io::Error {
    wrong(format!("is no PEM file: {error}"))
}
