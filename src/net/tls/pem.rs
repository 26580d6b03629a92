//! Certificates and keys, as files have them.

use super::wrong;
use crate::net::files::read;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::Path;

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
