//! A server that lets one in and then talks, at a pace or as fast as it is read.

use crate::process::Result;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// From one lot of messages to the next.
const TICK: Duration = Duration::from_millis(1);

/// How much it says.
#[derive(Clone, Copy)]
pub enum Says {
    /// So many messages, as fast as they are read.
    Messages(usize),
    /// So many in each millisecond, without end.
    EachTick(usize),
}

/// Lets one in who calls there, and talks to it until it has gone.
pub fn peer(says: Says) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr = listener.local_addr()?;
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        // It ends with the connection, and that with the program that called.
        let _ = welcome(&mut stream).and_then(|()| talk(&mut stream, says));
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    Ok(addr)
}

fn welcome(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"HELLO smoltalk/1 hi\n")?;
    BufReader::new(&*stream).read_line(&mut String::new())?;
    stream.write_all(b"OK ada 1\n")
}

fn talk(stream: &mut TcpStream, says: Says) -> std::io::Result<()> {
    let message = |n: usize| format!("MSG bob {n} is what one says in a busy room\n");
    match says {
        Says::Messages(count) => {
            for first in (0..count).step_by(1000) {
                let lot: String = (first..count.min(first + 1000)).map(message).collect();
                stream.write_all(lot.as_bytes())?;
            }
            Ok(())
        }
        Says::EachTick(count) => {
            let begun = Instant::now();
            for tick in 0.. {
                let lot: String = (0..count).map(|n| message(tick * count + n)).collect();
                stream.write_all(lot.as_bytes())?;
                let due = begun + TICK * u32::try_from(tick).unwrap_or(u32::MAX);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            Ok(())
        }
    }
}
