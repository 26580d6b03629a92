//! A client that speaks within TLS, line by line, and certificates for both sides.

// Each test file uses its part.
#![allow(dead_code)]

use crate::support::DEADLINE;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use smoltalk::server::{Bound, Certificates, Config};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Both versions that a server takes.
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A file beside this one.
pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// A file's path, for a command line.
pub fn path(name: &str) -> String {
    file(name).into_os_string().into_string().expect("UTF-8")
}

/// What a server within TLS has.
pub fn certificates() -> Certificates {
    Certificates { certificate: file("server.pem"), key: file("key.pem"), client_authorities: None }
}

/// A server that listens within TLS, and beside that as any does.
pub fn config() -> Config {
    let listen = ["tls:127.0.0.1:0", "127.0.0.1:0"].map(|address| address.parse().expect("one"));
    Config { listen: listen.into(), tls: Some(certificates()), ..Config::default() }
}

/// Where a server listens within TLS.
pub fn address(addresses: &[Bound]) -> SocketAddr {
    let tls = |bound: &Bound| if let Bound::Tls(address) = bound { Some(*address) } else { None };
    addresses.iter().find_map(tls).expect("an address within TLS")
}

/// What a client believes, and shows of itself.
pub fn client(
    version: &'static SupportedProtocolVersion,
    shows: Option<&str>,
) -> Arc<ClientConfig> {
    let mut authorities = RootCertStore::empty();
    authorities.add(certificate("authority.pem")).expect("an authority");
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(authorities.into(), provider.clone());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_webpki_verifier(verifier.build().expect("a verifier"));
    Arc::new(match shows {
        None => config.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(file("key.pem")).expect("a key");
            config.with_client_auth_cert(vec![certificate(name)], key).expect("they go together")
        }
    })
}

pub fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(name)).expect("a certificate")
}

/// One end of a connection within TLS. Whatever it waits for must come before the deadline.
pub struct Within {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Within {
    #[track_caller]
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self::over(TcpStream::connect(address).expect("connected"), config)
    }

    #[track_caller]
    pub fn over(socket: TcpStream, config: &Arc<ClientConfig>) -> Self {
        socket.set_nodelay(true).expect("TCP_NODELAY");
        socket.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        socket.set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(config.clone(), name).expect("a connection");
        Self { stream: BufReader::new(StreamOwned::new(tls, socket)) }
    }

    pub fn tls(&mut self) -> &mut ClientConnection {
        &mut self.stream.get_mut().conn
    }

    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream.get_mut().sock
    }

    /// Goes through the handshake, and no further.
    pub fn shakes_hands(&mut self) -> io::Result<()> {
        let StreamOwned { conn, sock } = self.stream.get_mut();
        while conn.is_handshaking() {
            conn.complete_io(sock)?;
        }
        Ok(())
    }

    #[track_caller]
    pub fn greeted(mut self) -> Self {
        self.sees("HELLO smoltalk/1 ...");
        self
    }

    #[track_caller]
    pub fn joined(mut self, name: &str) -> Self {
        self.types(&format!("JOIN {name}"));
        self.sees(&format!("OK {name} ..."));
        self
    }

    #[track_caller]
    pub fn types(&mut self, line: &str) {
        self.sends(format!("{line}\n").as_bytes());
    }

    #[track_caller]
    pub fn sends(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("sent");
        self.stream.get_mut().flush().expect("sent");
    }

    /// Says that nothing more follows, within TLS, and goes on reading.
    #[track_caller]
    pub fn ends(&mut self) {
        self.tls().send_close_notify();
        self.flushes();
    }

    /// Sends what TLS has to say by itself.
    #[track_caller]
    pub fn flushes(&mut self) {
        let StreamOwned { conn, sock } = self.stream.get_mut();
        while conn.wants_write() {
            conn.write_tls(sock).expect("sent");
        }
    }

    /// Ends the wire without a word within TLS.
    #[track_caller]
    pub fn cuts(&mut self) {
        self.socket().shutdown(Shutdown::Write).expect("shut");
    }

    /// The next line; `None` at the end within TLS.
    pub fn try_line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let got = self.stream.read_line(&mut line)?;
        Ok((got > 0).then(|| line.trim_end_matches('\n').into()))
    }

    #[track_caller]
    pub fn line(&mut self) -> String {
        self.try_line().expect("a line").expect("a line, but the stream has ended")
    }

    /// The next line, which must be this one; `...` at its end stands for any rest.
    #[track_caller]
    pub fn sees(&mut self, expected: &str) {
        let line = self.line();
        let is_it = match expected.strip_suffix("...") {
            Some(beginning) => line.starts_with(beginning),
            None => line == expected,
        };
        assert!(is_it, "expected: {expected}\ngot: {line}");
    }

    /// So many bytes.
    #[track_caller]
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    /// There is no further line, and TLS has said so.
    #[track_caller]
    pub fn sees_the_end(&mut self) {
        assert_eq!(self.try_line().expect("an end within TLS"), None);
    }

    /// All that was typed has taken effect, and no line has come.
    #[track_caller]
    pub fn fence(&mut self) {
        self.types("PING fence");
        self.sees("PONG fence");
    }

    /// Nothing comes for so long.
    #[track_caller]
    pub fn hears_nothing(&mut self, time: Duration) {
        self.socket().set_read_timeout(Some(time)).expect("a timeout");
        let mut byte = [0];
        let silence = self.socket().read(&mut byte).expect_err("silence").kind();
        assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&silence), "{silence}");
        self.socket().set_read_timeout(Some(DEADLINE)).expect("a timeout");
    }
}
