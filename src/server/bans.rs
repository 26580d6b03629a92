//! Who may not come in, by where he comes from. Pure: no file, no clock.

use crate::limits;
use crate::net::peer::Peer;
use std::fmt;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A net: the first bits of its addresses, and how many of them there are. An IPv4 address within an
/// IPv6 one is an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Net {
    first: IpAddr,
    prefix: u8,
}

/// How many bits an IPv4 address within an IPv6 one has before its own.
const MAPPED: u8 = 96;

impl Net {
    /// The net that has this address and so many bits; `None` where it has not so many.
    #[must_use]
    pub fn of(ip: IpAddr, prefix: u8) -> Option<Self> {
        match (ip, ip.to_canonical()) {
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if (MAPPED..=128).contains(&prefix) => {
                Self::of(v4, prefix - MAPPED)
            }
            (IpAddr::V4(ip), _) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Some(Self { first: Ipv4Addr::from_bits(ip.to_bits() & mask).into(), prefix })
            }
            (IpAddr::V6(ip), _) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Some(Self { first: Ipv6Addr::from_bits(ip.to_bits() & mask).into(), prefix })
            }
            _ => None,
        }
    }

    fn bits(ip: IpAddr) -> u8 {
        if ip.is_ipv4() { 32 } else { 128 }
    }
}

/// One address alone.
impl From<IpAddr> for Net {
    fn from(ip: IpAddr) -> Self {
        let first = ip.to_canonical();
        Self { first, prefix: Self::bits(first) }
    }
}

impl FromStr for Net {
    type Err = &'static str;

    /// An address, or an address and how many of its bits count: `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`.
    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let (ip, prefix) = match written.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (written, None),
        };
        let ip: Option<IpAddr> = ip.parse().ok();
        let prefix = |ip| match prefix {
            None => Some(Self::bits(ip)),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
            Some(_) => None,
        };
        let net = ip.and_then(|ip| Self::of(ip, prefix(ip)?));
        net.ok_or("neither an address nor a net")
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, prefix } = self;
        if *prefix == Self::bits(*first) { first.fmt(f) } else { write!(f, "{first}/{prefix}") }
    }
}

/// The nets from which nobody may come in, each for ever or until a time, in seconds since 1970; in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bans(Vec<(Net, Option<u64>)>);

impl Bans {
    /// Reads a line for each net, and until when, if not for ever. Empty lines and those that begin with
    /// `#` say nothing. Fails with the number of the first line that cannot be read, and why.
    pub fn read(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut bans = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (net, until) = read_line(line).map_err(|why| (at + 1, why))?;
            bans.add(net, until).map_err(|why| (at + 1, why))?;
        }
        Ok(bans)
    }

    /// All of them as [`read`](Self::read) reads them, but those that are over.
    #[must_use]
    pub fn written(&self, now: u64) -> String {
        let mut text = String::new();
        for (net, until) in self.iter(now) {
            // Writing to memory does not fail.
            let _ = match until {
                Some(until) => writeln!(text, "{net} {until}"),
                None => writeln!(text, "{net}"),
            };
        }
        text
    }

    /// Bans a net, for ever or until then; one that is banned already, from now on for so long. Fails where
    /// there are too many.
    pub fn add(&mut self, net: Net, until: Option<u64>) -> Result<(), &'static str> {
        match self.find(net) {
            Ok(at) => self.0[at].1 = until,
            Err(_) if self.0.len() >= limits::BANS => return Err("there are too many bans"),
            Err(at) => self.0.insert(at, (net, until)),
        }
        Ok(())
    }

    /// Takes the ban of just this net away. Says whether there was one.
    pub fn remove(&mut self, net: Net, now: u64) -> bool {
        self.find(net).is_ok_and(|at| is_on(self.0.remove(at).1, now))
    }

    /// Forgets those that are over.
    pub fn forget_old(&mut self, now: u64) {
        self.0.retain(|(_, until)| is_on(*until, now));
    }

    /// Those that are not over, each with its end.
    pub fn iter(&self, now: u64) -> impl Iterator<Item = (Net, Option<u64>)> {
        self.0.iter().copied().filter(move |(_, until)| is_on(*until, now))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether that one may not come in. Whoever has no address may.
    #[must_use]
    pub fn has(&self, peer: Peer, now: u64) -> bool {
        let Peer::Tcp(address) = peer else { return false };
        let ip = address.ip().to_canonical();
        // Whatever the number of bans, a net for each length can have the address.
        let nets = (0..=Net::bits(ip)).filter_map(|prefix| Net::of(ip, prefix));
        nets.filter_map(|net| self.find(net).ok()).any(|at| is_on(self.0[at].1, now))
    }

    /// Where a net stands, or should.
    fn find(&self, net: Net) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(&net))
    }
}

fn is_on(until: Option<u64>, now: u64) -> bool {
    until.is_none_or(|until| now < until)
}

fn read_line(line: &str) -> Result<(Net, Option<u64>), &'static str> {
    let mut words = line.split_ascii_whitespace();
    let net = words.next().unwrap_or_default().parse()?;
    let until = words.next().map(|word| word.parse().map_err(|_| "no time in seconds since 1970"));
    match words.next() {
        None => Ok((net, until.transpose()?)),
        Some(_) => Err("more than a net and a time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(written: &str) -> Net {
        written.parse().expect("a net")
    }

    fn peer(ip: &str) -> Peer {
        let ip: IpAddr = ip.parse().expect("an address");
        Peer::Tcp((ip, 7).into())
    }

    fn bans(nets: &[&str]) -> Bans {
        let mut bans = Bans::default();
        for written in nets {
            bans.add(net(written), None).expect("few");
        }
        bans
    }

    #[test]
    fn a_net_is_an_address_or_so_many_of_its_bits() {
        for (written, shown) in [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:DB8::1", "2001:db8::1"),
            ("2001:db8:ffff::1/32", "2001:db8::/32"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(net(written).to_string(), shown);
        }
        for bad in
            ["", "x", "10.1.2", "10.1.2.3/33", "10.1.2.3/", "10.1.2.3/+8", "10.1.2.3/-1", "::/129"]
                .into_iter()
                .chain([
                    "10.1.2.3/8/8",
                    "10.1.2.3/256",
                    "[::1]",
                    "10.1.2.3:80",
                    "::1%lo",
                    " 10.1.2.3",
                ])
        {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ban_keeps_out_the_addresses_of_its_net_and_no_others() {
        let bans = bans(&["10.0.0.0/8", "192.168.1.7", "2001:db8::/32", "10.2.0.0/16"]);
        for (ip, is) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("::ffff:10.1.1.1", true),
            ("192.168.1.7", true),
            ("192.168.1.6", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("::1", false),
        ] {
            assert_eq!(bans.has(peer(ip), 0), is, "{ip}");
        }
        assert!(!bans.has(Peer::Unix, 0) && !bans.has(Peer::Unknown, 0));
    }

    #[test]
    fn nets_that_lie_within_each_other_are_banned_each_for_itself() {
        let mut bans = bans(&["0.0.0.0/0", "10.0.0.0/8"]);
        assert!(bans.has(peer("1.1.1.1"), 0) && !bans.has(peer("::1"), 0));
        assert!(bans.remove(net("0.0.0.0/0"), 0));
        assert!(bans.has(peer("10.1.1.1"), 0) && !bans.has(peer("1.1.1.1"), 0));
        assert!(!bans.remove(net("10.1.1.1"), 0) && bans.remove(net("10.9.9.9/8"), 0));
        assert!(bans.is_empty());
    }

    #[test]
    fn a_ban_ends_when_its_time_is_up_and_a_second_one_counts_instead() {
        let (mut bans, ten) = (Bans::default(), net("10.0.0.0/8"));
        bans.add(ten, Some(100)).expect("few");
        assert!(bans.has(peer("10.1.1.1"), 99) && !bans.has(peer("10.1.1.1"), 100));
        assert_eq!((bans.iter(100).count(), bans.written(100)), (0, String::new()));
        bans.add(ten, None).expect("few");
        assert!(bans.has(peer("10.1.1.1"), u64::MAX));
        bans.add(ten, Some(200)).expect("few");
        assert_eq!(bans.written(100), "10.0.0.0/8 200\n");
        assert!(!bans.clone().remove(ten, 200), "it was over");
        bans.forget_old(200);
        assert!(bans.is_empty());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let good = Bans::read("# ours\n\n10.0.0.0/8\r\n  ::1 17 \n").expect("good");
        assert_eq!(good.written(0), "10.0.0.0/8\n::1 17\n");
        for (text, line) in [("x", 1), ("::1\n\n10.0.0.0/8 soon", 3), ("::1 1 1", 1), ("::1 -1", 1)]
        {
            assert_eq!(Bans::read(text).expect_err("bad").0, line, "{text}");
        }
    }

    #[test]
    fn there_are_only_so_many() {
        let mut bans = Bans::default();
        let ip = |number: usize| Ipv4Addr::from_bits(u32::try_from(number).expect("few")).into();
        for number in 0..limits::BANS {
            assert!(bans.add(Net::of(ip(number), 32).expect("a net"), None).is_ok());
        }
        assert!(bans.add(Net::of(ip(limits::BANS), 32).expect("a net"), None).is_err());
        assert!(bans.add(Net::of(ip(1), 32).expect("a net"), Some(1)).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nets: Vec<(bool, u128, u8, Option<u64>)>) {
            let mut bans = Bans::default();
            for (v4, bits, prefix, until) in nets {
                #[allow(clippy::cast_possible_truncation)]
                let ip = if v4 { IpAddr::from(Ipv4Addr::from_bits(bits as u32)) } else { Ipv6Addr::from_bits(bits).into() };
                if let Some(net) = Net::of(ip, prefix) {
                    prop_assert!(bans.add(net, until.map(|until| until.max(1))).is_ok());
                }
            }
            prop_assert_eq!(Bans::read(&bans.written(0)), Ok(bans));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = Bans::read(&text);
            let _ = text.parse::<Net>();
        }
    }
}
