//! Where new secrets come from.

use crate::protocol::Secret;
use std::fs::File;
use std::io::{self, Read};

/// The system's randomness, kept open by who needs many: so it cannot fail for want of a descriptor.
#[derive(Debug)]
pub struct Secrets(File);

impl Secrets {
    /// Opens it, or fails where there is none.
    pub fn open() -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{RANDOM}: {e}"));
        let file = File::open(RANDOM).map_err(named)?;
        Ok(Self(file))
    }

    /// A secret that nobody can guess.
    pub fn next(&mut self) -> Secret {
        let mut random = [0; 24];
        // Once it is open, reading so little cannot fail; a secret that can be guessed must not be.
        self.0.read_exact(&mut random).expect("the system has randomness");
        Secret::from_random(random)
    }
}

const RANDOM: &str = "/dev/urandom";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() -> io::Result<()> {
        let mut secrets = Secrets::open()?;
        assert_ne!(secrets.next(), secrets.next());
        Ok(())
    }
}
