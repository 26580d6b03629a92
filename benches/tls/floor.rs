//! The floor: what a broadcast within TLS costs at least. One thread and epoll: a round reads all that is there, and is
//! encrypted and sent to each once. It checks nothing and keeps nothing; who speaks does not hear himself.

use super::Result;
use super::crowd::file;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, BufRead, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;

struct Peer {
    socket: TcpStream,
    tls: ServerConnection,
    unfinished: Vec<u8>,
    /// What it said in this round, and the others are to hear.
    said: Vec<u8>,
}

/// Serves until it is killed.
pub fn serve() -> Result<()> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(file("server.pem"))?],
            PrivateKeyDer::from_pem_file(file("key.pem"))?,
        )?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    eprintln!("listening on tls:{}", listener.local_addr()?);
    let mut peers: Vec<Peer> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    loop {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            match event.data.u64() {
                u64::MAX => peers.push(accept(&listener, &epoll, peers.len(), &config)?),
                at => peers[usize::try_from(at)?].read(usize::try_from(at)?)?,
            }
        }
        send(&mut peers)?;
    }
}

fn accept(
    listener: &TcpListener,
    epoll: &OwnedFd,
    at: usize,
    config: &Arc<ServerConfig>,
) -> Result<Peer> {
    let (mut socket, _) = listener.accept()?;
    let mut tls = ServerConnection::new(config.clone())?;
    tls.set_buffer_limit(None);
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    epoll::add(epoll, &socket, EventData::new_u64(at as u64), EventFlags::IN)?;
    let mut peer = Peer { socket, tls, unfinished: Vec::new(), said: Vec::new() };
    peer.send(&[b"HELLO floor\n"])?;
    // It may have come with the handshake's end.
    peer.hear(at)?;
    Ok(peer)
}

impl Peer {
    fn read(&mut self, at: usize) -> Result<()> {
        match self.tls.read_tls(&mut self.socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            read => _ = read?,
        }
        self.tls.process_new_packets()?;
        self.hear(at)
    }

    fn hear(&mut self, at: usize) -> Result<()> {
        let mut reader = self.tls.reader();
        while let Ok(bytes) = reader.fill_buf()
            && !bytes.is_empty()
        {
            self.unfinished.extend_from_slice(bytes);
            let length = bytes.len();
            reader.consume(length);
        }
        let end = self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.unfinished.drain(..end).collect();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if let Some(text) = line.strip_prefix(b"MSG ") {
                write!(self.said, "MSG m{at} ")?;
                self.said.extend_from_slice(text);
            } else {
                self.send(&[b"OK\n"])?;
            }
        }
        Ok(())
    }

    /// Waits for whoever does not keep up.
    fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts {
            self.tls.writer().write_all(part)?;
        }
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => _ = written?,
            }
        }
        Ok(())
    }
}

/// One round to all, of which each gets what the others said.
fn send(peers: &mut [Peer]) -> Result<()> {
    let said: Vec<Vec<u8>> = peers.iter_mut().map(|peer| std::mem::take(&mut peer.said)).collect();
    let round = said.concat();
    if round.is_empty() {
        return Ok(());
    }
    let mut before = 0;
    for (peer, own) in peers.iter_mut().zip(&said) {
        let behind = before + own.len();
        match own.len() {
            0 => peer.send(&[&round])?,
            _ => peer.send(&[&[&round[..before], &round[behind..]].concat()])?,
        }
        before = behind;
    }
    Ok(())
}
