//! What the command line and the environment ask for.

// The flags' doc comments are the text of --help, for people.
#![allow(clippy::doc_markdown, rustdoc::broken_intra_doc_links)]

use crate::record::Form;
use crate::systemd;
use argh::{ArgsInfo, FromArgs};
use smoltalk::limits::{self, Limits};
use smoltalk::program::{help, mistake, plain};
use smoltalk::protocol::text::to_safe;
#[cfg(feature = "tls")]
use smoltalk::server::Certificates;
use smoltalk::server::{Address, Config, JournalConfig};
#[cfg(feature = "redis")]
use smoltalk::{protocol::Name, server::NodesConfig};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_ADDRESS: &str = "127.0.0.1:7878";

/// 64 MiB: some hundred thousand messages, twice.
const JOURNAL_SIZE: u64 = 64 * 1024 * 1024;

/// What to do.
pub enum Start {
    /// Serve.
    Serve(Box<Service>),
    /// Ask the server whose metrics are there how it is.
    Ask(Address),
    /// Print this on standard output; that is all.
    Print(String),
}

/// A server, and how its log is written.
pub struct Service {
    pub config: Config,
    pub form: Form,
}

/// Serves one chat room. People enter it with nc, telnet or smoltalk.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    help_triggers("-h", "--help"),
    usage = "[--listen <addr>]... [<option>...]",
    example = "{command_name}                                      people of this machine only\n\
               {command_name} --listen 0.0.0.0:7878 --listen [::]:7878\n\
               {command_name} --listen unix:/run/smoltalk.sock --quiet",
    note = "SMOLTALK_LISTEN stands in for --listen, with commas between addresses."
)]
#[cfg_attr(feature = "redis", argh(note = "SMOLTALK_REDIS stands in for --redis."))]
#[argh(
    note = "An operator has STATUS, WHO, KICK, BAN, UNBAN, BANS, NOTE, DRAIN and HELP at\n\
            --control: nc -U PATH.",
    note = "On SIGTERM and SIGINT it stops accepting, says goodbye to everybody and ends\n\
            within --shutdown-timeout; at one more, at once. On SIGHUP it reads\n\
            --key-file, --bans and certificates again.",
    note = "There is more in man smoltalkd.",
    error_code(0, "stopped by a signal"),
    error_code(1, "cannot run, as where an address is in use; with --health: not well"),
    error_code(2, "called wrongly")
)]
struct Flags {
    /// where to listen: host:port, [v6]:port, unix:PATH or, where --version says tls,
    /// tls:host:port; may be repeated (default: 127.0.0.1:7878)
    #[argh(option, arg_name = "addr")]
    listen: Vec<Address>,

    /// connections at once (default: 0, what the descriptor limit allows)
    #[argh(option, arg_name = "n", from_str_fn(count), default = "0")]
    max_connections: usize,

    /// connections at once from one IPv4 address or IPv6 /64 (default: 0, no limit)
    #[argh(option, arg_name = "n", from_str_fn(count), default = "0")]
    max_per_address: usize,

    /// members past which arrivals and departures are not announced (default:
    /// 1000)
    #[argh(
        option,
        arg_name = "n",
        from_str_fn(count),
        default = "Limits::default().presence_limit"
    )]
    presence_limit: usize,

    /// seconds a guest may take to join (default: 30)
    #[argh(
        option,
        arg_name = "secs",
        from_str_fn(seconds),
        default = "Limits::default().join_timeout"
    )]
    join_timeout: Duration,

    /// seconds a member who lags may take for half of --outbox (default: 1)
    #[argh(
        option,
        arg_name = "secs",
        from_str_fn(seconds),
        default = "Limits::default().stall_timeout"
    )]
    stall_timeout: Duration,

    /// bytes that may wait for one member (default: 1048576)
    #[argh(option, arg_name = "bytes", from_str_fn(size), default = "Limits::default().outbox")]
    outbox: usize,

    /// a file whose first line is the room's key: who does not know it does not join
    #[argh(option, arg_name = "file", from_str_fn(path))]
    key_file: Option<PathBuf>,

    /// lines a second that a member may say, with ten seconds' worth at once
    /// (default: 0, any number)
    #[argh(option, arg_name = "n", from_str_fn(number), default = "Limits::default().pace")]
    pace: u32,

    /// where bans are kept, a net a line; without it, in memory
    #[argh(option, arg_name = "file", from_str_fn(path))]
    bans: Option<PathBuf>,

    /// messages that who joins can ask for (default: 1000, 0 for none)
    #[argh(option, arg_name = "n", from_str_fn(count), default = "Limits::default().history")]
    history: usize,

    /// bytes of such messages (default: 1048576, 0 for none)
    #[argh(
        option,
        arg_name = "bytes",
        from_str_fn(any_size),
        default = "Limits::default().history_bytes"
    )]
    history_bytes: usize,

    /// where the log is kept, to outlive the server; without it, nowhere
    #[argh(option, arg_name = "file", from_str_fn(path))]
    journal: Option<PathBuf>,

    /// bytes past which that file becomes FILE.1, and a new one begins (default:
    /// 67108864)
    #[argh(option, arg_name = "bytes", from_str_fn(file_size), default = "JOURNAL_SIZE")]
    journal_size: u64,

    /// the certificate for --listen tls:HOST:PORT, and those between it and its
    /// authority, in PEM
    #[cfg(feature = "tls")]
    #[argh(option, arg_name = "file", from_str_fn(path))]
    tls_cert: Option<PathBuf>,

    /// the key of that certificate, in PEM
    #[cfg(feature = "tls")]
    #[argh(option, arg_name = "file", from_str_fn(path))]
    tls_key: Option<PathBuf>,

    /// let in only who shows a certificate of one of these authorities, in PEM
    #[cfg(feature = "tls")]
    #[argh(option, arg_name = "file", from_str_fn(path))]
    tls_client_ca: Option<PathBuf>,

    /// a Redis or Valkey through which several servers are one room:
    /// redis://[user:password@]host[:port][/db]
    #[cfg(feature = "redis")]
    #[argh(option, arg_name = "url")]
    redis: Option<String>,

    /// which room of it (default: smoltalk)
    #[cfg(feature = "redis")]
    #[argh(option, arg_name = "name", from_str_fn(room), default = "room_of_all()")]
    room: Name,

    /// bytes that may wait for all connections together (default: 268435456)
    #[argh(
        option,
        arg_name = "bytes",
        from_str_fn(total_size),
        default = "Limits::default().memory"
    )]
    memory: usize,

    /// seconds that all may take, at the end, to read what is queued (default: 5)
    #[argh(
        option,
        arg_name = "secs",
        from_str_fn(seconds),
        default = "Limits::default().shutdown_timeout"
    )]
    shutdown_timeout: Duration,

    /// seconds over which goodbyes are spread before that (default: 0)
    #[argh(option, arg_name = "secs", from_str_fn(any_seconds), default = "Duration::ZERO")]
    drain: Duration,

    /// the operator's socket, unix:PATH, for nc -U; HELP there says what it
    /// takes
    #[argh(option, arg_name = "addr", from_str_fn(unix))]
    control: Option<PathBuf>,

    /// where /metrics and /healthz are, by HTTP: an address as for --listen
    #[argh(option, arg_name = "addr", from_str_fn(without_tls))]
    metrics: Option<Address>,

    /// serve nobody, and ask the server that has these --metrics whether it is well
    #[argh(option, arg_name = "addr", from_str_fn(without_tls))]
    health: Option<Address>,

    /// how to log: text or json (default: text)
    #[argh(option, arg_name = "form", from_str_fn(form), default = "Form::Text")]
    log: Form,

    /// do not log arrivals, departures and refusals
    #[argh(switch)]
    quiet: bool,

    /// print the version
    #[argh(switch, short = 'V')]
    version: bool,
}

/// What the process was started with; or what is wrong with it, in one line.
pub fn read() -> Result<Start, String> {
    let args = env::args_os().skip(1).map(unicode).collect::<Result<Vec<_>, _>>()?;
    let info = Flags::get_args_info();
    let args = plain(&args, info.flags, &[])?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match Flags::from_args(&["smoltalkd"], &args) {
        Ok(flags) if flags.version => Ok(Start::Print(VERSION.into())),
        Ok(Flags { health: Some(address), .. }) => Ok(Start::Ask(address)),
        Ok(flags) => flags
            .config(env::var_os("SMOLTALK_LISTEN"))
            .map(|service| Start::Serve(Box::new(service))),
        Err(early) if early.status.is_ok() => Ok(Start::Print(help(&early.output, &info))),
        Err(early) => Err(unfit(mistake(&early.output))),
    }
}

/// What `--version` says: with what was built in.
const VERSION: &str = match (cfg!(feature = "redis"), cfg!(feature = "tls")) {
    (false, false) => concat!("smoltalkd ", env!("CARGO_PKG_VERSION"), "\n"),
    (true, false) => concat!("smoltalkd ", env!("CARGO_PKG_VERSION"), " (redis)\n"),
    (false, true) => concat!("smoltalkd ", env!("CARGO_PKG_VERSION"), " (tls)\n"),
    (true, true) => concat!("smoltalkd ", env!("CARGO_PKG_VERSION"), " (redis, tls)\n"),
};

/// What is wrong with the flags; of one that another build has, that.
fn unfit(mut why: String) -> String {
    if !cfg!(feature = "redis") && (why.ends_with(" --redis") || why.ends_with(" --room")) {
        why.push_str(" (needs a build with the feature redis)");
    }
    let of_tls = [" --tls-cert", " --tls-key", " --tls-client-ca"];
    if !cfg!(feature = "tls") && of_tls.iter().any(|flag| why.ends_with(flag)) {
        why.push_str(" (this build has no TLS: it needs the feature tls)");
    }
    why
}

impl Flags {
    /// What they ask for, with what the environment says instead of --listen.
    fn config(self, environment: Option<OsString>) -> Result<Service, String> {
        let has_sockets = systemd::sockets()? > 0;
        let is_said = environment.as_ref().is_some_and(|said| !said.is_empty());
        let listen = match self.listen {
            none if none.is_empty() && has_sockets && !is_said => none,
            none if none.is_empty() => listen_from(environment.unwrap_or_default())?,
            listen => listen,
        };
        let limits = Limits {
            max_connections: self.max_connections,
            max_per_address: self.max_per_address,
            presence_limit: self.presence_limit,
            join_timeout: self.join_timeout,
            stall_timeout: self.stall_timeout,
            pace: self.pace,
            outbox: self.outbox,
            memory: self.memory,
            history: self.history,
            history_bytes: self.history_bytes,
            shutdown_timeout: self.shutdown_timeout,
            drain: self.drain,
            ..Limits::default()
        };
        let journal = self.journal.map(|path| JournalConfig { path, size: self.journal_size });
        #[cfg(feature = "redis")]
        let nodes = nodes(self.redis, env::var_os("SMOLTALK_REDIS"), self.room)?;
        #[cfg(feature = "redis")]
        if nodes.is_some() && journal.is_some() {
            return Err("--journal and --redis are two places for one log: give one".into());
        }
        #[cfg(feature = "tls")]
        let tls = certificates(&listen, self.tls_cert, self.tls_key, self.tls_client_ca)?;
        let config = Config {
            listen,
            #[cfg(feature = "tls")]
            tls,
            limits,
            journal,
            #[cfg(feature = "redis")]
            nodes,
            control: self.control,
            metrics: self.metrics,
            supervisor: systemd::supervisor(),
            key_file: self.key_file,
            bans_file: self.bans,
            reload: None,
            notices: None,
            quiet: self.quiet,
        };
        Ok(Service { config, form: self.log })
    }
}

/// The files for TLS: all that are needed where there is TLS, and none where there is not, which somebody
/// would take for it.
#[cfg(feature = "tls")]
fn certificates(
    listen: &[Address],
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_authorities: Option<PathBuf>,
) -> Result<Option<Certificates>, String> {
    let is_tls = listen.iter().any(|address| matches!(address, Address::Tls(_)));
    match (is_tls, certificate, key) {
        (true, Some(certificate), Some(key)) => {
            Ok(Some(Certificates { certificate, key, client_authorities }))
        }
        (false, None, None) if client_authorities.is_none() => Ok(None),
        (true, ..) => Err("--listen tls:HOST:PORT needs --tls-cert and --tls-key".into()),
        (false, ..) => {
            Err("--tls-cert, --tls-key and --tls-client-ca are for --listen tls:HOST:PORT".into())
        }
    }
}

/// Where servers share the room, by the flag or by the environment.
#[cfg(feature = "redis")]
fn nodes(
    flag: Option<String>,
    environment: Option<OsString>,
    room: Name,
) -> Result<Option<NodesConfig>, String> {
    let (source, url) = match (flag, environment) {
        (Some(url), _) => ("--redis", url),
        (None, Some(url)) if !url.is_empty() => ("SMOLTALK_REDIS", unicode(url)?),
        _ => return Ok(None),
    };
    let nodes = NodesConfig { url, room };
    // What was given is not repeated: it may hold a password.
    nodes.check().map_err(|why| format!("{source} {why}"))?;
    Ok(Some(nodes))
}

#[cfg(feature = "redis")]
fn room(written: &str) -> Result<Name, String> {
    Name::new(written.as_bytes()).ok_or_else(|| "takes 1 to 32 of A-Z a-z 0-9 _ - .".into())
}

#[cfg(feature = "redis")]
fn room_of_all() -> Name {
    Name::new(b"smoltalk").expect("a name")
}

fn listen_from(environment: OsString) -> Result<Vec<Address>, String> {
    let listen = unicode(environment)?;
    let listen = if listen.is_empty() { DEFAULT_ADDRESS } else { &listen };
    let address = |written: &str| {
        written.parse().map_err(|error| format!("SMOLTALK_LISTEN {error}, not '{written}'"))
    };
    listen.split(',').map(str::trim).map(address).collect()
}

fn unicode(written: OsString) -> Result<String, String> {
    written.into_string().map_err(|w| format!("not UTF-8: {}", to_safe(w.as_encoded_bytes())))
}

fn count(written: &str) -> Result<usize, String> {
    written.parse().map_err(|_| "takes a whole number".into())
}

fn number(written: &str) -> Result<u32, String> {
    written.parse().map_err(|_| "takes a whole number, less than 4294967296".into())
}

fn size(written: &str) -> Result<usize, String> {
    match written.parse() {
        Ok(size @ 1..=limits::LARGEST) => Ok(size),
        _ => Err("takes a number of bytes, 1 or more and at most 256 MiB".into()),
    }
}

fn any_size(written: &str) -> Result<usize, String> {
    written.parse().map_err(|_| "takes a number of bytes".into())
}

fn file_size(written: &str) -> Result<u64, String> {
    match written.parse() {
        Ok(size @ 1..) => Ok(size),
        _ => Err("takes a number of bytes, 1 or more".into()),
    }
}

fn path(written: &str) -> Result<PathBuf, String> {
    let path = (!written.is_empty()).then(|| written.into());
    path.ok_or_else(|| "takes the path of a file".into())
}

fn total_size(written: &str) -> Result<usize, String> {
    match written.parse() {
        Ok(size @ 1..) => Ok(size),
        _ => Err("takes a number of bytes, 1 or more".into()),
    }
}

fn seconds(written: &str) -> Result<Duration, String> {
    let seconds = limits::seconds(written).filter(|seconds| !seconds.is_zero());
    seconds.ok_or_else(|| "takes a number of seconds, over 0 and at most a year".into())
}

fn any_seconds(written: &str) -> Result<Duration, String> {
    let seconds = limits::seconds(written);
    seconds.ok_or_else(|| "takes a number of seconds, at most a year".into())
}

fn without_tls(written: &str) -> Result<Address, String> {
    match written.parse() {
        Ok(Address::Tls(_)) => Err("takes host:port, [v6]:port or unix:PATH, and no TLS".into()),
        address => address.map_err(String::from),
    }
}

fn unix(written: &str) -> Result<PathBuf, String> {
    let path = written.strip_prefix("unix:").filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| "takes unix:PATH".into())
}

fn form(written: &str) -> Result<Form, String> {
    match written {
        "text" => Ok(Form::Text),
        "json" => Ok(Form::Json),
        _ => Err("takes text or json".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str]) -> String {
        let flags = Flags::from_args(&["smoltalkd"], args).expect("good flags");
        let Service { config, form } = flags.config(None).expect("a good default");
        format!("{config:?} {form:?}")
    }

    #[test]
    fn the_defaults_are_those_that_the_help_shows() {
        let help = Flags::from_args(&["smoltalkd"], &["--help"]).err().expect("help").output;
        let options = help.split("\n  --").skip(1);
        let shown: Vec<String> = options
            .filter_map(|option| {
                let (flag, (_, default)) =
                    (option.split_whitespace().next()?, option.split_once("(default:")?);
                let value = default.trim_start().split([' ', ',', ')', '\n']).next()?;
                Some([format!("--{flag}"), value.into()])
            })
            .flatten()
            .collect();
        let flags = 15 + usize::from(cfg!(feature = "redis"));
        assert_eq!(shown.len(), 2 * flags, "a flag with a value has a default: {shown:?}");
        assert_eq!(config(&shown.iter().map(String::as_str).collect::<Vec<_>>()), config(&[]));
    }
}
