//! A client that speaks within TLS, line by line, and certificates for both sides.

// Each test file uses its part.
#![allow(dead_code)]

use crate::support::{DEADLINE, Stream, Telnet};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use smoltalk::server::{Bound, Certificates, Config};
use std::io::{self, ErrorKind, Read, Write};
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

/// One end of a connection within TLS.
pub type Within = Telnet<StreamOwned<ClientConnection, TcpStream>>;

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    /// Within TLS; the wire stays open.
    fn end(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.flush()
    }
}

impl Within {
    #[track_caller]
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self::begin(TcpStream::connect(address).expect("connected"), config)
    }

    #[track_caller]
    pub fn begin(socket: TcpStream, config: &Arc<ClientConfig>) -> Self {
        socket.set_nodelay(true).expect("TCP_NODELAY");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(config.clone(), name).expect("a connection");
        Self::over(StreamOwned::new(tls, socket))
    }

    pub fn tls(&mut self) -> &mut ClientConnection {
        &mut self.stream().conn
    }

    /// Goes through the handshake, and no further.
    pub fn shakes_hands(&mut self) -> io::Result<()> {
        let StreamOwned { conn, sock } = self.stream();
        while conn.is_handshaking() {
            conn.complete_io(sock)?;
        }
        Ok(())
    }

    /// Ends the wire without a word within TLS.
    #[track_caller]
    pub fn cuts(&mut self) {
        self.socket().shutdown(Shutdown::Write).expect("shut");
    }

    /// So many bytes.
    #[track_caller]
    pub fn reads(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    /// Nothing comes over the wire for so long.
    #[track_caller]
    pub fn hears_nothing(&mut self, time: Duration) {
        self.socket().set_read_timeout(Some(time)).expect("a timeout");
        let silence = self.socket().read(&mut [0]).expect_err("silence").kind();
        assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&silence), "{silence}");
        self.socket().set_read_timeout(Some(DEADLINE)).expect("a timeout");
    }
}
