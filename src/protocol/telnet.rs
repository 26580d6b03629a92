//! The commands that `telnet` mixes into what is typed: which bytes are theirs. RFC 854, 855, 860.

use crate::limits;

/// "Interpret As Command": what begins a command. Twice, it is one byte of data.
pub const IAC: u8 = 255;

const EOF: u8 = 236; // The lowest command: RFC 1184.
const SE: u8 = 240;
const INTERRUPT_PROCESS: u8 = 244;
const SB: u8 = 250;
const WILL: u8 = 251;
const DO: u8 = 253;
const DONT: u8 = 254;

const TIMING_MARK: u8 = 6;

/// The answer to DO TIMING-MARK.
pub const WILL_TIMING_MARK: [u8; 3] = [IAC, WILL, TIMING_MARK];

pub(super) const DO_TIMING_MARK: [u8; 3] = [IAC, DO, TIMING_MARK];

/// Where in a command the stream is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Telnet {
    #[default]
    Data,
    /// After IAC.
    Command,
    /// After IAC and WILL, WONT, DO or DONT.
    Option(u8),
    /// In a subnegotiation that has had so many bytes.
    Subnegotiation(usize),
    /// The same, after an IAC.
    SubnegotiationCommand(usize),
    /// After an IAC IP that is yet to be reported.
    Interrupted,
}

/// What a byte turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Byte {
    /// Data.
    Data,
    /// Part of a command that means nothing here.
    Command,
    /// The second IAC of two: together they are one byte of data.
    Escaped,
    /// Data, and so was the IAC before it.
    AfterStray,
    /// The last of DO TIMING-MARK.
    TimingMark,
    /// The last of IP.
    Interrupt,
}

impl Telnet {
    /// Moves on by one byte, which is an IAC or comes after one.
    pub(super) fn takes(&mut self, byte: u8) -> Byte {
        let (next, taken) = match (*self, byte) {
            (Self::Data | Self::Interrupted, IAC) => (Self::Command, Byte::Command),
            (Self::Data | Self::Interrupted, _) => (Self::Data, Byte::Data),
            (Self::Command, IAC) => (Self::Data, Byte::Escaped),
            (Self::Command, INTERRUPT_PROCESS) => (Self::Data, Byte::Interrupt),
            (Self::Command, SB) => (Self::Subnegotiation(0), Byte::Command),
            (Self::Command, WILL..=DONT) => (Self::Option(byte), Byte::Command),
            (Self::Command, EOF..) | (Self::SubnegotiationCommand(_), SE) => {
                (Self::Data, Byte::Command)
            }
            // A stray 0xFF, as in Latin-1's ÿ, must not eat a line end.
            (Self::Command, _) => (Self::Data, Byte::AfterStray),
            (Self::Option(DO), TIMING_MARK) => (Self::Data, Byte::TimingMark),
            (Self::Option(_), _) => (Self::Data, Byte::Command),
            // The IAC of its end is none of its bytes, and any other IAC is.
            (Self::Subnegotiation(n), IAC) => (Self::SubnegotiationCommand(n), Byte::Command),
            (Self::Subnegotiation(n), _) => (Self::after(n + 1), Byte::Command),
            (Self::SubnegotiationCommand(n), _) => match Self::after(n + 1) {
                Self::Subnegotiation(n) => (Self::after(n + 1), Byte::Command),
                over => (over, Byte::Data),
            },
        };
        *self = next;
        taken
    }

    /// After so many bytes of a subnegotiation.
    fn after(bytes: usize) -> Self {
        if bytes < limits::SUBNEGOTIATION { Self::Subnegotiation(bytes) } else { Self::Data }
    }
}
