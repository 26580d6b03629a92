//! `smoltalk` within TLS: whom it believes, what it shows, and when it does not try again.

mod fake;
mod support;
mod talk;
#[path = "tls/mod.rs"]
mod within;

use smoltalk::client::{Event, Member, Tls, Trust};
use smoltalk::protocol::Name;
use smoltalk::server::{Certificates, Config};
use std::process::Command;
use support::{Daemon, TestServer, command};
use talk::{Left, Talk, after_typing, left, program};
use within::{address, certificates, config, file, path};

/// A server that shows this certificate, and its port within TLS.
fn showing(name: &str) -> (TestServer, u16) {
    let tls = Some(Certificates { certificate: file(name), ..certificates() });
    started(Config { tls, ..config() })
}

fn started(config: Config) -> (TestServer, u16) {
    let server = TestServer::of(config);
    let port = address(server.addresses()).port();
    (server, port)
}

/// Ada, who comes within TLS to `host`.
fn ada_at(host: &str) -> Command {
    let mut program = program();
    program.args(["-u", "ada", "--tls", "--host", host]);
    program.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    program
}

/// The same, who believes the authority of the tests.
fn ada(port: u16) -> Command {
    let mut program = ada_at(&format!("localhost:{port}"));
    program.args(["--tls-ca", &path("authority.pem")]);
    program
}

fn complains(why: &str) -> Left {
    left(1, "", &format!("smoltalk: {why}\n"))
}

#[test]
fn what_is_said_within_tls_is_said() {
    let (server, port) = showing("server.pem");
    let mut bob = server.member("bob");
    let typed = "send hi\ntell bob psst\nwho\n";
    let ended = after_typing(&mut ada(port), typed);
    assert_eq!(ended, left(0, "* 2 here: ada bob\n", ""));
    for line in ["JOINED ada", "MSG ada hi", "TELL ada psst", "LEFT ada"] {
        bob.sees(line);
    }
    bob.fence();
}

#[test]
fn a_payload_of_many_records_arrives_whole() {
    let (server, port) = showing("server.pem");
    let mut bob = server.guest();
    bob.types("JOIN bob data");
    bob.sees("OK bob 1");
    let whole = "0123456789abcde\n".repeat(4000);
    assert_eq!(after_typing(ada(port).arg("--whole"), &whole), left(0, "", ""));
    bob.sees("JOINED ada");
    bob.sees("DATA ada 64000");
    (0..4000).for_each(|_| bob.sees("0123456789abcde"));
    bob.sees("");
    bob.sees("LEFT ada");
}

#[test]
fn a_certificate_that_does_not_hold_is_said_to_be_so() {
    for (name, flaw) in [("expired.pem", "expired"), ("elsewhere.pem", "it is of another name")] {
        let (_server, port) = showing(name);
        let why = format!("the certificate of localhost does not hold: {flaw}");
        assert_eq!(after_typing(&mut ada(port), ""), complains(&why));
        // Nor does it try again.
        assert_eq!(after_typing(ada(port).args(["--stay", "--reconnect"]), ""), complains(&why));
    }
}

#[test]
fn without_a_file_of_authorities_the_systems_are_believed() {
    let (_server, port) = showing("server.pem");
    let ada = || ada_at(&format!("127.0.0.1:{port}"));
    let known = after_typing(ada().env("SSL_CERT_FILE", path("authority.pem")), "");
    assert_eq!(known, left(0, "", ""));
    let unknown = after_typing(ada().env("SSL_CERT_FILE", path("another.pem")), "");
    let why =
        "the certificate of 127.0.0.1 does not hold: it is of no authority that is known here";
    assert_eq!(unknown, complains(why));
    let none = after_typing(ada().env("SSL_CERT_FILE", "/nowhere"), "");
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("--tls-ca"), "{}", none.stderr);
}

#[test]
fn of_several_hosts_each_has_its_own_name() {
    let (_elsewhere, bad) = showing("elsewhere.pem");
    let (_server, good) = showing("server.pem");
    let both = format!("localhost:{bad},127.0.0.1:{good}");
    let mut ada = ada_at(&both);
    assert_eq!(after_typing(ada.args(["--tls-ca", &path("authority.pem")]), ""), left(0, "", ""));
    // One that does not answer does not make up for it.
    let mut ada = ada_at(&format!("localhost:{bad},127.0.0.1:1"));
    let why = "the certificate of localhost does not hold: it is of another name";
    assert_eq!(after_typing(ada.args(["--tls-ca", &path("authority.pem")]), ""), complains(why));
}

#[test]
fn a_server_may_ask_for_a_certificate() {
    let client_authorities = Some(file("authority.pem"));
    let tls = Some(Certificates { client_authorities, ..certificates() });
    let (_server, port) = started(Config { tls, ..config() });
    let showing = |name: &str| {
        after_typing(ada(port).args(["--tls-cert", &path(name), "--tls-key", &path("key.pem")]), "")
    };
    assert_eq!(showing("member.pem"), left(0, "", ""));
    for ended in [after_typing(&mut ada(port), ""), showing("stranger.pem")] {
        assert_eq!(ended.code, Some(1));
        let said = "smoltalk: localhost wants another certificate of this client (";
        assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1);
    }
}

#[test]
fn a_server_without_tls_is_said_to_have_none() {
    let (server, _) = showing("server.pem");
    let ended = after_typing(&mut ada(server.address().port()), "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("localhost does not speak TLS there"), "{}", ended.stderr);
}

#[test]
fn of_one_that_closes_before_the_handshake_is_said_why_that_may_be() {
    let bans = std::env::temp_dir().join(format!("smoltalk-{}-cli-banned", std::process::id()));
    std::fs::write(&bans, "127.0.0.1\n").expect("written");
    let (server, port) = started(Config { bans_file: Some(bans.clone()), ..config() });
    let host = format!("127.0.0.1:{port}");
    let ended = after_typing(ada_at(&host).args(["--tls-ca", &path("authority.pem")]), "");
    let why = "127.0.0.1 closed the connection before it spoke";
    let hint = "(it may be full, or keep this address out)";
    assert_eq!(ended, complains(&format!("{host}: cannot connect: {why} {hint}")));
    drop(server);
    std::fs::remove_file(&bans).expect("removed");
}

#[test]
fn who_comes_without_tls_where_it_is_spoken_is_told_to() {
    let (server, port) = showing("server.pem");
    let mut bob = server.member("bob");
    let host = format!("localhost:{port}");
    for timeout in ["0.5", "3"] {
        let mut ada = program();
        let ada = ada.args(["-u", "ada", "--host", &host, "--timeout", timeout]);
        let ended = after_typing(ada, "send hi\n");
        let why = format!("{host}: this server speaks TLS: --tls is for that");
        assert_eq!(ended, complains(&why));
    }
    bob.fence();
}

#[test]
fn files_that_are_no_good_are_named() {
    let nowhere = "/nowhere.pem";
    for (flags, at_fault) in [
        (vec!["--tls-ca", nowhere], nowhere),
        (vec!["--tls-cert", nowhere, "--tls-key", nowhere], nowhere),
    ] {
        let mut ada = ada_at("localhost:1");
        if flags.len() > 2 {
            ada.args(["--tls-ca", &path("authority.pem")]);
        }
        let ended = after_typing(ada.args(flags), "");
        assert_eq!(ended.code, Some(1));
        let said = format!("smoltalk: {at_fault}: No such file or directory\n");
        assert_eq!(ended.stderr, said);
    }
}

#[test]
fn who_comes_back_to_a_certificate_that_does_not_hold_does_not_try_again() {
    let daemon = |at: &str, cert: &str| {
        let (cert, key) = (path(cert), path("key.pem"));
        Daemon::spawn(command(&["--listen", at, "--tls-cert", &cert, "--tls-key", &key]))
    };
    let first = daemon("tls:127.0.0.1:0", "server.pem");
    let at = first.listening.clone();
    let port = at.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let mut talk = Talk::start(ada(port).args(["--stay", "--reconnect", "--json"]));
    let is_in = |talk: &mut Talk| while !talk.shows().contains(r#""type":"ok""#) {};
    is_in(&mut talk);
    drop(first);
    let renewed = daemon(&at, "renewed.pem");
    is_in(&mut talk);
    drop(renewed);
    let _expired = daemon(&at, "expired.pem");
    let ended = talk.ends();
    assert_eq!(ended.code, Some(1));
    let last = ended.stderr.lines().last().expect("a complaint");
    assert_eq!(last, "smoltalk: the certificate of localhost does not hold: expired");
}

#[test]
fn a_member_of_the_library_comes_by_it_too() {
    let (server, port) = showing("server.pem");
    let mut bob = server.member("bob");
    let authorities = Some(file("authority.pem"));
    let tls = Tls::open(&Trust { authorities, certificate: None }).expect("good files");
    let name = Name::new(b"ada").expect("a name");
    let config = smoltalk::client::Config::new("localhost", port, name);
    smol::block_on(async {
        let config = smoltalk::client::Config { tls: Some(tls), ..config };
        let mut ada = Member::join(config).await.expect("in");
        bob.sees("JOINED ada");
        assert!(ada.say("hi").await.expect("said").is_some());
        bob.sees("MSG ada hi");
        bob.types("MSG ho");
        let event = ada.next().await.expect("heard");
        assert!(matches!(event, Event::Msg { text, .. } if text == "ho"));
        ada.leave().await.expect("left");
    });
    bob.sees("LEFT ada");
}
