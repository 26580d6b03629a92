//! When the server's certificate holds, and who is told.

use super::Shared;
use super::guard::unix_seconds;
use crate::limits;
use crate::net::tls::Acceptor;
use crate::room::notice::{Notice, note};
use std::time::Duration;

impl Shared {
    /// Tells of a certificate that has expired or is about to, or does not hold yet; it is shown all the same.
    pub fn tell_of_certificate(&self) {
        let Some(term) = self.tls.as_ref().map(Acceptor::term) else { return };
        let now = Duration::from_secs(unix_seconds());
        let not_before = term.not_before.map(Duration::from_secs).filter(|begin| now < *begin);
        let not_after = term.not_after.map(Duration::from_secs);
        let not_after = not_after.filter(|end| *end < now + limits::CERTIFICATE);
        let never = term.is_backwards.then_some(Notice::NeverCertificate);
        let early = not_before.map(|not_before| Notice::EarlyCertificate { not_before, now });
        let old = not_after.map(|not_after| Notice::Certificate { not_after, now });
        for notice in [never, early, old].into_iter().flatten() {
            note(self.troubles.as_ref(), || notice);
        }
    }
}
