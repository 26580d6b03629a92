//! All members, played by one thread.

use super::Result;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many of them speak.
const SPEAKERS: usize = 4;

/// A certificate of the tests, or their key.
pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

pub struct Crowd(Vec<StreamOwned<ClientConnection, TcpStream>>);

impl Crowd {
    /// So many come in.
    pub fn join(address: SocketAddr, members: usize) -> Result<Self> {
        let mut authorities = RootCertStore::empty();
        authorities.add(CertificateDer::from_pem_file(file("authority.pem"))?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        let config = Arc::new(config);
        let mut crowd = Self(Vec::new());
        for n in 0..members {
            let socket = TcpStream::connect(address)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            let tls = ClientConnection::new(config.clone(), ServerName::try_from("localhost")?)?;
            let mut member = StreamOwned::new(tls, socket);
            writeln!(member, "JOIN m{n}")?;
            // HELLO, and OK.
            lines(&mut member, 2)?;
            crowd.0.push(member);
        }
        Ok(crowd)
    }

    /// Says so many messages at a time, each until all others have it, for so long; says how many deliveries that were.
    pub fn talk(&mut self, window: usize, time: Duration) -> Result<u32> {
        let message = format!("MSG {}\n", "x".repeat(63 - "MSG ".len()));
        let speakers = SPEAKERS.min(window);
        let own = window / speakers;
        let began = Instant::now();
        let mut deliveries = 0;
        while began.elapsed() < time {
            for speaker in &mut self.0[..speakers] {
                speaker.write_all(message.repeat(own).as_bytes())?;
            }
            for (n, member) in self.0.iter_mut().enumerate() {
                let heard = if n < speakers { window - own } else { window };
                lines(member, heard)?;
                deliveries += u32::try_from(heard)?;
            }
        }
        Ok(deliveries)
    }
}

/// Reads so many lines, and no more are to come.
fn lines(member: &mut StreamOwned<ClientConnection, TcpStream>, count: usize) -> Result<()> {
    let (mut buffer, mut seen) = ([0; 16 * 1024], 0);
    while seen < count {
        let received = member.read(&mut buffer)?;
        if received == 0 {
            return Err("a member was sent away".into());
        }
        seen += buffer[..received].split(|byte| *byte == b'\n').count() - 1;
    }
    if seen > count { Err("a member heard too much".into()) } else { Ok(()) }
}
