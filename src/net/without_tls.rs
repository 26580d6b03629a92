//! What stands in the place of TLS in a build that has none: a type that has no values, so that the
//! compiler leaves out all that would be done with it.

use std::io::{self, IoSlice, Read, Write};

/// No socket has it.
#[derive(Debug)]
pub enum Layer {}

impl Layer {
    /// Never happens.
    pub fn receive(&self, _: impl Read + Write, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    /// Never happens.
    pub fn has_received(&self) -> bool {
        match *self {}
    }

    /// Never happens.
    pub fn send(&self, _: impl Read + Write, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {}
    }

    /// Never happens.
    pub fn close(&self, _: impl Read + Write) -> io::Result<bool> {
        match *self {}
    }
}
