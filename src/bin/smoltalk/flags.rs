//! What the command line of `smoltalk` asks for, but where it begins with `direct`.

use crate::direct;
use crate::room::Visit;
use crate::start::{Given, Start, version};
use crate::ui::{Colour, Grammar, Looks, Output};
use argh::{ArgsInfo, FromArgs};
#[cfg(feature = "tls")]
use smoltalk::client::Trust;
use smoltalk::limits;
use smoltalk::program::plain;
use smoltalk::protocol::Key;
use smoltalk::protocol::text::to_safe;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

/// Talk in a smoltalk room, from a terminal or a script.
#[allow(clippy::struct_excessive_bools)]
#[derive(FromArgs, ArgsInfo)]
#[argh(
    help_triggers("-h", "--help"),
    usage = "[<host>[:<port>]] [-u <name>] [<option>...]",
    example = "{command_name} chat.example.org -u ada              talk from a terminal\n\
               echo 'send hi' | {command_name} -u bot              say it, confirm it, leave\n\
               tail -f app.log | {command_name} -u app --lines     say each line\n\
               {command_name} -u log --stay --json </dev/null      record what is said\n\
               {command_name} -u log --stay --reconnect --resume log.state </dev/null",
    note = "In the room, type:\n  \
            send <MSG>         say MSG to the room\n  \
            send-file <PATH>   say what is in a file\n  \
            tell <NAME> <MSG>  say MSG to one member\n  \
            reply <MSG>        say MSG to whoever told you something last\n  \
            ignore <NAME>      do not show what a member says; unignore shows it again\n  \
            who                list who is here\n  \
            ping               measure the round trip to the server\n  \
            leave              leave and exit; so do Ctrl-D and Ctrl-C\n\
            With --chat, a bare line is a message, and these begin with /. With --lines,\n\
            each line is a message, whatever is in it.",
    note = "In a pipe, standard output has one line for each event and nothing else. When\n\
            standard input ends, all of it is sent and confirmed before smoltalk leaves.",
    note = "SMOLTALK_USERNAME, SMOLTALK_HOST and SMOLTALK_PORT stand in for their flags,\n\
            SMOLTALK_KEY, which is the key itself, for --key-file, and SMOLTALK_CHAT=1\n\
            for --chat on a terminal.\n\
            NO_COLOR and TERM=dumb are honoured. There is more in man smoltalk.",
    note = "Without a server, two can talk: smoltalk direct --help says how.",
    error_code(0, "left, by itself or on a signal"),
    error_code(1, "no connection, or lost; in a pipe: something may be missing, or was not said"),
    error_code(2, "called wrongly"),
    error_code(3, "refused by the server: name taken, bad name, full, denied, banned; or a line")
)]
struct Flags {
    /// your name in the room; asked for on a terminal
    #[argh(option, short = 'u', arg_name = "name")]
    username: Option<String>,
    /// the server's name or address (default: 127.0.0.1), host:port or unix:PATH; several
    /// servers of one room with commas between
    #[argh(option, arg_name = "host")]
    host: Option<String>,
    /// the server's port, if the host has none of its own (default: 7878)
    #[argh(option, short = 'p', arg_name = "port")]
    port: Option<String>,
    /// a file whose first line is the room's key, said where the server asks for one;
    /// on a terminal it is asked for
    #[argh(option, arg_name = "file")]
    key_file: Option<String>,
    /// speak within TLS; the server's certificate has to hold for --host
    #[cfg(feature = "tls")]
    #[argh(switch)]
    tls: bool,
    /// the authorities of servers, in PEM (those of the system, if not given)
    #[cfg(feature = "tls")]
    #[argh(option, arg_name = "file")]
    tls_ca: Option<String>,
    /// your own certificate, for a server that asks for one, in PEM
    #[cfg(feature = "tls")]
    #[argh(option, arg_name = "file")]
    tls_cert: Option<String>,
    /// the key of that certificate, in PEM
    #[cfg(feature = "tls")]
    #[argh(option, arg_name = "file")]
    tls_key: Option<String>,
    /// how many seconds it may take to get in (default: 10)
    #[argh(option, arg_name = "secs")]
    timeout: Option<String>,
    /// show the last so many messages on coming in (default: 20 on a terminal,
    /// 0 in a pipe)
    #[argh(option, arg_name = "n")]
    last: Option<String>,
    /// come back when the connection is lost, and miss nothing
    /// (default on a terminal)
    #[argh(switch)]
    reconnect: bool,
    /// do not come back (default in a pipe)
    #[argh(switch)]
    no_reconnect: bool,
    /// go on where the last run with this file ended
    #[argh(option, arg_name = "file")]
    resume: Option<String>,
    /// keep listening after standard input has ended
    #[argh(switch)]
    stay: bool,
    /// send all of standard input as one message, whatever bytes it is
    #[argh(switch)]
    whole: bool,
    /// print each event as a line of JSON
    #[argh(switch)]
    json: bool,
    /// what to print of messages that are bytes: text, or raw, which is those bytes
    /// and nothing else (default: text)
    #[argh(option, arg_name = "form")]
    output: Option<String>,
    /// a bare line is a message; commands begin with /
    #[argh(switch)]
    chat: bool,
    /// every line of standard input is a message, and none is a command; an empty
    /// line says nothing
    #[argh(switch)]
    lines: bool,
    /// in a pipe, print the time before each line (RFC 3339, UTC); elsewhere there is one
    #[argh(switch)]
    time: bool,
    /// when to use colour: auto, always or never (default: auto)
    #[argh(option, arg_name = "when")]
    color: Option<String>,
    /// do not ring for a mention or a private message
    #[argh(switch)]
    no_bell: bool,
    /// print the version
    #[argh(switch, short = 'V')]
    version: bool,
    /// the same as --host
    #[argh(positional, arg_name = "host")]
    server: Option<String>,
}

const HOSTS: &str = "a host, host:port, [v6]:port or unix:PATH, several with commas between";

/// What each flag takes, as a usage error says it.
const TAKES: &[(&str, &str)] = &[
    ("smoltalk", HOSTS),
    ("--host", HOSTS),
    ("-p", "a number from 1 to 65535"),
    ("--port", "a number from 1 to 65535"),
    ("-u", "a name: 1 to 32 of A-Z a-z 0-9 _ - ."),
    ("--username", "a name: 1 to 32 of A-Z a-z 0-9 _ - ."),
    ("--key-file", "a file whose first line is the room's key"),
    #[cfg(feature = "tls")]
    ("--tls-ca", "the path of a file"),
    #[cfg(feature = "tls")]
    ("--tls-cert", "the path of a file"),
    #[cfg(feature = "tls")]
    ("--tls-key", "the path of a file"),
    ("--output", "text or raw"),
    ("--color", "auto, always or never"),
    ("SMOLTALK_CHAT", "1 or 0"),
    ("--last", "a number of messages"),
    ("--resume", "the path of a file"),
    ("--timeout", "a number of seconds, over 0 and at most a year"),
];

/// What to do; or what is wrong with what was asked for, in one line.
pub fn read() -> Result<Start, String> {
    let args = env::args_os().skip(1).map(unicode).collect::<Result<Vec<_>, _>>()?;
    let env = |variable: &str| env::var_os(variable);
    match args.split_first() {
        Some((word, args)) if word == "direct" => direct::flags::start(args, env),
        _ => start(&args, env),
    }
}

fn unicode(arg: OsString) -> Result<String, String> {
    arg.into_string().map_err(|arg| format!("not valid UTF-8: {}", to_safe(arg.as_encoded_bytes())))
}

fn start(args: &[String], env: impl Fn(&str) -> Option<OsString>) -> Result<Start, String> {
    let info = Flags::get_args_info();
    let args = plain(args, info.flags, &[])?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let given = Given { takes: TAKES, info: &info, env };
    let flags = match Flags::from_args(&["smoltalk"], &args) {
        Ok(flags) if flags.version => return Ok(version()),
        Ok(flags) => flags,
        Err(early) => return given.instead(&early).map_err(unfit),
    };
    if flags.server.as_deref() == Some("direct") {
        return Err("direct is the first word where it is one".into());
    }
    let (flag, host) = match flags.server {
        Some(server) => ("smoltalk", Some(server)),
        None => ("--host", flags.host),
    };
    let hosts = given.either(flag, host, "SMOLTALK_HOST", hosts)?;
    let port = given.either("--port", flags.port, "SMOLTALK_PORT", port)?;
    let username = given
        .either("--username", flags.username, "SMOLTALK_USERNAME", |name| Some(name.into()))?;
    // NO_COLOR is no other word for the flag: it says less.
    let colour = given.either("--color", flags.color, "", colour)?;
    let output = given.either("--output", flags.output, "", output)?;
    let output = match (flags.json, output) {
        (true, Some(_)) => return Err("--json and --output exclude each other".into()),
        (true, None) => Output::Json,
        (false, output) => output.unwrap_or(Output::Text),
    };
    let colour = colour.unwrap_or(Colour::Auto);
    let looks = Looks { output, colour, bell: !flags.no_bell, times: flags.time };
    let last = given.either("--last", flags.last, "", |value| value.parse().ok())?;
    let path = |value: &str| (!value.is_empty()).then(|| value.into());
    let resume = given.either("--resume", flags.resume, "", path)?;
    let key = given.either("--key-file", flags.key_file, "", key_of_file)?;
    let key = key.map_or_else(|| key_of((given.env)("SMOLTALK_KEY")), |key| Ok(Some(key)))?;
    #[cfg(feature = "tls")]
    let tls = {
        let file = |flag, value| {
            given.either(flag, value, "", |path| (!path.is_empty()).then(|| path.into()))
        };
        let authorities = file("--tls-ca", flags.tls_ca)?;
        let own = (file("--tls-cert", flags.tls_cert)?, file("--tls-key", flags.tls_key)?);
        trust(flags.tls, authorities, own, hosts.as_deref().unwrap_or_default())?
    };
    #[cfg(not(feature = "tls"))]
    let tls = None;
    if flags.lines && flags.whole {
        return Err("--lines and --whole exclude each other".into());
    }
    let reconnect = (flags.reconnect || flags.no_reconnect).then_some(flags.reconnect);
    let port = port.unwrap_or(7878);
    let hosts = hosts.unwrap_or_else(|| vec![("127.0.0.1".into(), None)]);
    let timeout = given.either("--timeout", flags.timeout, "", seconds)?;
    let chats = given.either("SMOLTALK_CHAT", None, "SMOLTALK_CHAT", yes_or_no)?;
    Ok(Start::Talk(Visit {
        hosts: hosts.into_iter().map(|(host, own)| (host, own.unwrap_or(port))).collect(),
        username,
        tls,
        key,
        stay: flags.stay,
        whole: flags.whole,
        looks,
        last,
        reconnect,
        resume,
        timeout: timeout.unwrap_or(limits::GREETING),
        grammar: match (flags.lines, flags.chat) {
            (true, _) => Grammar::Lines,
            (false, true) => Grammar::Chat,
            (false, false) => Grammar::Commands,
        },
        chats: chats.unwrap_or(false),
    }))
}

/// What is wrong with the flags; of one that another build has, that.
fn unfit(mut why: String) -> String {
    let of_tls = [" --tls", " --tls-ca", " --tls-cert", " --tls-key"];
    if !cfg!(feature = "tls") && of_tls.iter().any(|flag| why.ends_with(flag)) {
        why.push_str(" (this build has no TLS: it needs the feature tls)");
    }
    why
}

/// What there is to believe and to show within TLS, if that is wanted; nobody is to take for it what is not.
#[cfg(feature = "tls")]
fn trust(
    wanted: bool,
    authorities: Option<PathBuf>,
    own: (Option<PathBuf>, Option<PathBuf>),
    hosts: &[(String, Option<u16>)],
) -> Result<Option<Trust>, String> {
    let certificate = match own {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("--tls-cert and --tls-key go together".into()),
    };
    if !wanted {
        let is_given = authorities.is_some() || certificate.is_some();
        let why = "--tls-ca, --tls-cert and --tls-key are for --tls";
        return if is_given { Err(why.into()) } else { Ok(None) };
    }
    if hosts.iter().any(|(host, _)| host.starts_with("unix:")) {
        return Err("--tls is not for Unix sockets".into());
    }
    Ok(Some(Trust { authorities, certificate }))
}

/// Hosts, and the ports of those that have one of their own.
fn hosts(value: &str) -> Option<Vec<(String, Option<u16>)>> {
    value.split(',').map(|host| host_and_port(host.trim())).collect()
}

fn host_and_port(value: &str) -> Option<(String, Option<u16>)> {
    if let Some(path) = value.strip_prefix("unix:") {
        return (!path.is_empty()).then(|| (value.into(), None));
    }
    // `[::1]` is how people write an IPv6 address beside a port.
    let (host, own) = match value.strip_prefix('[').and_then(|value| value.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, behind)) => (host, Some(port(behind.strip_prefix(':')?)?)),
        None if value.starts_with('[') => return None,
        None => match value.split_once(':') {
            Some((host, own)) if !own.contains(':') => (host, Some(port(own)?)),
            _ => (value, None),
        },
    };
    (!host.is_empty()).then(|| (host.into(), own))
}

/// The key that a file begins with. However long that is, no more of it is read than could be one.
fn key_of_file(path: &str) -> Option<Key> {
    let mut contents = Vec::new();
    let most = Key::MAX + "\r\n".len();
    File::open(path).ok()?.take(most as u64).read_to_end(&mut contents).ok()?;
    Key::of_file(&contents)
}

/// The key in the environment. What is wrong with it is said without it.
fn key_of(value: Option<OsString>) -> Result<Option<Key>, String> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let key = Key::new(value.as_encoded_bytes());
    key.map(Some).ok_or_else(|| "SMOLTALK_KEY takes a key, a line of at most 4091 bytes".into())
}

fn yes_or_no(value: &str) -> Option<bool> {
    ["0", "1"].contains(&value).then_some(value == "1")
}

fn colour(value: &str) -> Option<Colour> {
    Some(match value {
        "auto" => Colour::Auto,
        "always" => Colour::Always,
        "never" => Colour::Never,
        _ => return None,
    })
}

fn output(value: &str) -> Option<Output> {
    match value {
        "text" => Some(Output::Text),
        "raw" => Some(Output::Raw),
        _ => None,
    }
}

fn port(value: &str) -> Option<u16> {
    value.parse().ok().filter(|port| *port != 0)
}

fn seconds(value: &str) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(value.parse().ok()?).ok()?;
    (!time.is_zero() && time <= limits::LONGEST).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(args: &[&str], env: &[(&str, &str)]) -> Result<Start, String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        start(&args, |variable| {
            env.iter().find(|(name, _)| *name == variable).map(|(_, value)| value.into())
        })
    }

    fn visit(args: &[&str], env: &[(&str, &str)]) -> Visit {
        match started(args, env) {
            Ok(Start::Talk(visit)) => visit,
            Ok(Start::Print(text)) => panic!("printed {text}"),
            Ok(Start::Direct(_)) => panic!("one to one"),
            Err(usage) => panic!("{usage}"),
        }
    }

    fn usage_error(args: &[&str], env: &[(&str, &str)]) -> String {
        let error = started(args, env).err().expect("a usage error");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }

    const ENV: [(&str, &str); 4] = [
        ("SMOLTALK_HOST", "h"),
        ("SMOLTALK_PORT", "1"),
        ("SMOLTALK_USERNAME", "u"),
        ("SMOLTALK_KEY", "from env"),
    ];

    #[test]
    fn nothing_given_is_the_local_server_and_no_name() {
        let default = Visit {
            hosts: vec![("127.0.0.1".into(), 7878)],
            username: None,
            tls: None,
            key: None,
            stay: false,
            whole: false,
            last: None,
            reconnect: None,
            resume: None,
            timeout: Duration::from_secs(10),
            grammar: Grammar::Commands,
            chats: false,
            looks: Looks { output: Output::Text, colour: Colour::Auto, bell: true, times: false },
        };
        assert_eq!(visit(&[], &[]), default);
        assert_eq!(visit(&[], &[("SMOLTALK_HOST", ""), ("SMOLTALK_PORT", "")]), default);
    }

    #[test]
    fn a_flag_wins_over_the_environment() {
        let from_env = Visit {
            hosts: vec![("h".into(), 1)],
            username: Some("u".into()),
            key: Key::new(b"from env"),
            ..visit(&[], &[])
        };
        assert_eq!(visit(&[], &ENV), from_env);
        let flags = ["--host", "[::1]", "--port=2", "-u", "ada", "--stay"];
        let flags = [&flags[..], &["--json", "--whole", "--reconnect", "--timeout=0.5"]].concat();
        let flags = [&flags[..], &["--chat", "--color", "never", "--no-bell"]].concat();
        let flags = [&flags[..], &["--last", "5", "--resume", "log.state", "--time"]].concat();
        let from_flags = Visit {
            hosts: vec![("::1".into(), 2)],
            username: Some("ada".into()),
            tls: None,
            key: Key::new(b"from env"),
            stay: true,
            whole: true,
            last: Some(5),
            reconnect: Some(true),
            resume: Some("log.state".into()),
            timeout: Duration::from_millis(500),
            grammar: Grammar::Chat,
            chats: false,
            looks: Looks { output: Output::Json, colour: Colour::Never, bell: false, times: true },
        };
        assert_eq!(visit(&flags, &ENV), from_flags);
        assert_eq!(visit(&flags, &[("SMOLTALK_PORT", "x"), ENV[3]]), from_flags);
    }

    #[test]
    fn there_may_be_several_hosts_some_with_a_port() {
        let hosts = |given: &str| visit(&["--host", given, "--port", "9"], &[]).hosts;
        let of = |hosts: &[(&str, u16)]| -> Vec<(String, u16)> {
            hosts.iter().map(|(host, port)| (host.to_string(), *port)).collect()
        };
        assert_eq!(hosts("a,b:1, c"), of(&[("a", 9), ("b", 1), ("c", 9)]));
        assert_eq!(hosts("::1,[::2],[::3]:4"), of(&[("::1", 9), ("::2", 9), ("::3", 4)]));
        assert_eq!(hosts("unix:/a:1,b"), of(&[("unix:/a:1", 9), ("b", 9)]));
        for bad in
            ["", "a,", "a,,b", ":1", "a:", "a:0", "a:x", "[::1", "[]", "[::1]x", "[::1]:", "unix:"]
        {
            assert!(usage_error(&["--host", bad], &[]).starts_with("--host takes"), "{bad}");
        }
    }

    #[test]
    fn the_server_may_be_the_only_word() {
        let hosts = |args: &[&str]| visit(args, &ENV).hosts;
        assert_eq!(hosts(&["a:2", "-u", "ada"]), [("a".into(), 2)]);
        assert_eq!(hosts(&["--host", "b", "-p9", "unix:/s"]), [("unix:/s".into(), 9)]);
        assert_eq!(hosts(&["--host", "b", "--host", "c"]), [("c".into(), 1)]);
    }

    #[test]
    fn a_line_means_what_the_strictest_flag_says() {
        let grammar = |args: &[&str]| visit(args, &[]).grammar;
        assert_eq!(grammar(&["--chat"]), Grammar::Chat);
        assert_eq!(grammar(&["--lines"]), Grammar::Lines);
        assert_eq!(grammar(&["--lines", "--chat"]), Grammar::Lines);
    }

    #[test]
    fn coming_back_is_said_one_way_or_the_other() {
        let reconnect = |args: &[&str]| visit(args, &[]).reconnect;
        assert_eq!(reconnect(&["--no-reconnect"]), Some(false));
        assert_eq!(reconnect(&["--reconnect", "--no-reconnect"]), Some(false));
        assert_eq!(reconnect(&["--no-reconnect", "--reconnect"]), Some(true));
        assert!(visit(&[], &[]).comes_back(true) && !visit(&[], &[]).comes_back(false));
        assert_eq!((visit(&[], &[]).shows(true), visit(&[], &[]).shows(false)), (20, 0));
    }

    #[test]
    fn who_likes_to_chat_does_so_on_a_terminal() {
        let chats = |value| visit(&[], &[("SMOLTALK_CHAT", value)]);
        assert_eq!(chats("1").grammar(true), Grammar::Chat);
        assert_eq!(chats("1").grammar(false), Grammar::Commands);
        assert_eq!(chats("0").grammar(true), Grammar::Commands);
        assert_eq!(chats("").grammar(true), Grammar::Commands);
        assert_eq!(visit(&["--chat"], &[]).grammar(false), Grammar::Chat);
        let error = usage_error(&[], &[("SMOLTALK_CHAT", "yes")]);
        assert_eq!(error, "SMOLTALK_CHAT takes 1 or 0, not \"yes\"");
    }

    #[test]
    fn a_usage_error_names_the_flag_and_what_it_takes() {
        for bad in ["0", "65536", "-1", "x", ""] {
            assert!(usage_error(&["--port", bad], &[]).starts_with("--port takes a number from 1"));
        }
        for bad in ["0", "-1", "x", "", "inf", "1e9"] {
            assert!(usage_error(&["--timeout", bad], &[]).starts_with("--timeout takes a number"));
        }
        let by_env = usage_error(&[], &[("SMOLTALK_PORT", "x\ny")]);
        assert_eq!(by_env, r#"SMOLTALK_PORT takes a number from 1 to 65535, not "x␊y""#);
        assert!(usage_error(&["--host", ""], &[]).contains("--host takes a host, host:port"));
        assert!(usage_error(&["a:b"], &[]).starts_with("smoltalk takes a host, host:port"));
        assert!(usage_error(&["-u", "ada", "direct"], &[]).contains("the first word"));
        assert!(usage_error(&["--lines", "--whole"], &[]).contains("exclude each other"));
        assert!(usage_error(&["--last", "x"], &[]).contains("--last takes a number of messages"));
        assert!(usage_error(&["--resume", ""], &[]).contains("--resume takes the path"));
        assert!(usage_error(&["--port"], &[]).contains("--port takes a number"));
        assert!(usage_error(&["-p"], &[]).contains("-p takes a number"));
        assert!(usage_error(&["--prot", "1"], &[]).contains("--prot"));
        assert!(usage_error(&["--output", "x"], &[]).starts_with("--output takes text or raw"));
        assert!(usage_error(&["--output=raw", "--json"], &[]).contains("exclude each other"));
        assert!(usage_error(&["room", "room\nroom"], &[]).contains("room"));
        assert!(usage_error(&["--stay=yes"], &[]).contains("yes"));
    }

    #[test]
    fn help_and_version_are_printed() {
        for args in [["-h"], ["--help"]] {
            let Ok(Start::Print(help)) = started(&args, &[]) else { panic!("no help") };
            for word in ["--host", "-u, --username", "--json", "SMOLTALK_HOST", "tell <NAME> <MSG>"]
            {
                assert!(help.contains(word), "{word}");
            }
        }
        let Ok(Start::Print(version)) = started(&["--version"], &[]) else { panic!("no version") };
        let features = if cfg!(feature = "tls") { " (tls)" } else { "" };
        assert_eq!(version, format!("smoltalk {}{features}", env!("CARGO_PKG_VERSION")));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn files_for_tls_are_for_tls_alone() {
        let flags = ["--tls", "--tls-ca", "ca", "--tls-cert", "c", "--tls-key", "k"];
        let certificate = Some(("c".into(), "k".into()));
        let trust = Trust { authorities: Some("ca".into()), certificate };
        assert_eq!(visit(&flags, &[]).tls, Some(trust));
        assert_eq!(visit(&["--tls"], &[]).tls, Some(Trust::default()));
        assert!(usage_error(&flags[..5], &[]).contains("go together"));
        assert!(usage_error(&flags[1..], &[]).ends_with("are for --tls"));
        assert!(usage_error(&["--tls-ca", "ca"], &[]).ends_with("are for --tls"));
        assert!(usage_error(&["--tls", "--tls-ca", ""], &[]).contains("--tls-ca takes the path"));
        assert!(usage_error(&["--tls", "--host", "a,unix:b"], &[]).contains("Unix"));
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_build_without_tls_says_so() {
        for flag in ["--tls", "--tls-ca", "--tls-cert", "--tls-key"] {
            assert!(usage_error(&[flag], &[]).contains("has no TLS"), "{flag}");
        }
    }
}
