//! What stands in the place of TLS in a build that has none: types that have no values, so that the
//! compiler leaves out all that would be done with them.

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

/// Nobody says what to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {}

/// Nobody begins it.
#[derive(Debug, Clone)]
pub enum Connector {}

impl Connector {
    /// Never happens.
    pub fn open(trust: &Trust) -> io::Result<Self> {
        match *trust {}
    }

    /// Never happens.
    pub fn begin(&self, _: &str) -> io::Result<Connection> {
        match *self {}
    }
}

/// No client has it.
#[derive(Debug)]
pub enum Connection {}

impl Connection {
    /// Never happens.
    pub fn meet(&mut self, _: &mut (impl Read + Write)) -> io::Result<()> {
        match *self {}
    }

    /// Never happens.
    pub fn is_blocked(&self) -> bool {
        match *self {}
    }

    /// Never happens.
    pub fn receive(&mut self, _: &mut (impl Read + Write), _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    /// Never happens.
    pub fn send(&mut self, _: &mut (impl Read + Write), _: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {}
    }

    /// Never happens.
    pub fn close(&mut self, _: &mut (impl Read + Write)) -> io::Result<bool> {
        match *self {}
    }
}

/// There is nothing to explain.
pub fn explained(_: &str, error: io::Error) -> io::Error {
    error
}
