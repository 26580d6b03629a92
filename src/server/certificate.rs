//! How long the server's certificate still holds, and who is told.

use super::Shared;
use super::guard::unix_seconds;
use crate::limits;
use crate::net::tls::Acceptor;
use crate::room::notice::{Notice, note};
use std::time::Duration;

impl Shared {
    /// Tells of a certificate that has expired or is about to; it is shown all the same.
    pub fn tell_of_certificate(&self) {
        let not_after = self.tls.as_ref().and_then(Acceptor::not_after);
        let Some(not_after) = not_after.map(Duration::from_secs) else { return };
        let now = Duration::from_secs(unix_seconds());
        if not_after < now + limits::CERTIFICATE {
            note(self.troubles.as_ref(), || Notice::Certificate { not_after, now });
        }
    }
}
