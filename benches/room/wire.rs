//! What the crowd says, in each of the protocols it speaks. Pure: bytes in, bytes out.

use std::io::BufRead;

/// What every payload begins with. None of the protocols has a use of its own for it, so counting
/// this byte counts deliveries.
pub const MARK: u8 = b'^';

/// Bytes of a message's text: the mark, the sender in 4 digits, its count in 9, filler.
pub const PAYLOAD: usize = 64;

const LETTERS: &[u8; 78] =
    b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

/// The text of `sender`'s message number `count`. No two are the same.
pub fn payload(sender: usize, count: u64) -> [u8; PAYLOAD] {
    let mut text = [MARK; PAYLOAD];
    digits(&mut text[1..5], sender as u64);
    digits(&mut text[5..14], count);
    let turn = ((sender as u64 + count) % 26) as usize;
    text[14..].copy_from_slice(&LETTERS[turn..turn + PAYLOAD - 14]);
    text
}

/// Who said `text`, if a sender's number is in it.
pub fn sender(text: &[u8]) -> Option<usize> {
    str::from_utf8(text.get(1..5)?).ok()?.parse().ok()
}

fn digits(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Where the first `byte` of `bytes` is. `skip_until` searches with the C library's `memchr`.
pub fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    let passed = { bytes }.skip_until(byte).ok()?;
    (passed > 0 && bytes[passed - 1] == byte).then(|| passed - 1)
}

/// How many deliveries begin in `bytes`. Sums in bytes, which compilers turn into vectors.
pub fn deliveries(bytes: &[u8]) -> u64 {
    let marks = |part: &[u8]| part.iter().fold(0u8, |n, b| n + u8::from(*b == MARK));
    bytes.chunks(255).map(|part| u64::from(marks(part))).sum()
}

/// The protocols that the crowd speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Smoltalk,
    /// The same, where every second member gets the id of each message.
    Ids,
    /// RESP3: one connection subscribes and publishes.
    Redis,
    /// Without echo.
    Nats,
    /// One channel.
    Irc,
    /// Version 5, `QoS` 0, without one's own messages.
    Mqtt,
}

impl std::str::FromStr for Wire {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "smoltalk" => Ok(Self::Smoltalk),
            "redis" => Ok(Self::Redis),
            "nats" => Ok(Self::Nats),
            "irc" => Ok(Self::Irc),
            "mqtt" => Ok(Self::Mqtt),
            _ => Err("a protocol is smoltalk, redis, nats, irc or mqtt".to_owned()),
        }
    }
}

impl Wire {
    /// What client `id` says as step number `step` of joining, and what it then waits for; `None`
    /// once it is in.
    pub fn join(self, step: usize, id: usize) -> Option<(Vec<u8>, &'static [u8])> {
        const NATS: &str = "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB room 1\r\nPING\r\n";
        Some(match (self, step) {
            (Self::Ids, 0) if id % 2 == 1 => (format!("JOIN u{id} id\n").into(), b"\nOK"),
            (Self::Smoltalk | Self::Ids, 0) => (format!("JOIN u{id}\n").into(), b"\nOK"),
            (Self::Redis, 0) => ("HELLO 3\r\nSUBSCRIBE room\r\n".into(), b"room\r\n:1\r\n"),
            (Self::Nats, 0) => (NATS.into(), b"PONG\r\n"),
            (Self::Irc, 0) => (format!("NICK u{id}\r\nUSER u{id} 0 * :u\r\n").into(), b" 001 "),
            (Self::Irc, 1) => ("JOIN #room\r\n".into(), b" 366 "),
            (Self::Mqtt, 0) => (mqtt_connect(id), b"\x20"),
            (Self::Mqtt, 1) => (b"\x82\x0a\0\x01\0\0\x04room\x04".into(), b"\x90\x04\0\x01"),
            _ => return None,
        })
    }

    /// Appends the line that says `text` to the room.
    pub fn say(self, text: &[u8; PAYLOAD], out: &mut Vec<u8>) {
        let (before, after): (&[u8], &[u8]) = match self {
            Self::Smoltalk | Self::Ids => (b"MSG ", b"\n"),
            Self::Redis => (b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n$64\r\n", b"\r\n"),
            Self::Nats => (b"PUB room 64\r\n", b"\r\n"),
            Self::Irc => (b"PRIVMSG #room :", b"\r\n"),
            Self::Mqtt => (b"\x30\x47\0\x04room\0", b""),
        };
        for part in [before, text, after] {
            out.extend_from_slice(part);
        }
    }

    /// What must stand before a text of `sender`, as far as it is the same for every server.
    pub fn lead(self, sender: usize) -> Vec<u8> {
        match self {
            Self::Smoltalk => format!("\nMSG u{sender} ").into(),
            Self::Ids => format!("MSG u{sender} ").into(),
            _ => Vec::new(),
        }
    }

    /// What makes the server close the connection; where nothing does, the client closes first.
    pub fn leave(self) -> Option<&'static [u8]> {
        match self {
            Self::Smoltalk | Self::Ids => Some(b"LEAVE\n"),
            Self::Redis | Self::Irc => Some(b"QUIT\r\n"),
            Self::Mqtt => Some(b"\xe0\0"),
            Self::Nats => None,
        }
    }

    /// Whether a sender gets its own message.
    pub fn echoes(self) -> bool {
        self == Self::Redis
    }

    /// Clients that may be joining at the same time; ngircd lets no more than ten wait for it.
    pub fn at_once(self) -> usize {
        if self == Self::Irc { 8 } else { 64 }
    }
}

fn mqtt_connect(id: usize) -> Vec<u8> {
    let name = format!("u{id}");
    let length = name.len() as u8;
    [&[0x10, 13 + length], &b"\0\x04MQTT\x05\x02\0\0\0\0"[..], &[length], name.as_bytes()].concat()
}
