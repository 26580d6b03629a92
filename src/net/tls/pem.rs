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

/// Until when a certificate holds, in seconds since 1970.
///
/// It is put to the proof at the end of all days: that it has expired by then, and when, is found out before it is asked who
/// has signed it.
pub fn not_after(certificate: &CertificateDer<'_>) -> Option<u64> {
    let certificate = ParsedCertificate::try_from(certificate).ok()?;
    let end_of_days = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    match verify(&certificate, &RootCertStore::empty(), &[], end_of_days, &[]) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after.as_secs())
        }
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
