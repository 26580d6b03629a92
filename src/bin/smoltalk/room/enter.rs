//! Getting in: a name, a connection, and a place in the room.

use super::books::Books;
use super::bytes;
use super::session::Session;
use super::visit::Visit;
use crate::failure::Failure;
use crate::ui::{Console, Grammar, Line, json};
use crate::wait::unless;
use smol::Timer;
use smoltalk::client::{Client, Error, Missed, Tls, arrive};
use smoltalk::program::in_words;
use smoltalk::protocol::{Command, Form, JoinOptions, Key, Name, Refusal};

/// One who is in.
pub struct Entered {
    pub client: Client,
    pub name: String,
    pub tls: Option<Tls>,
    pub key: Option<Key>,
    /// How many are, this one included.
    pub members: usize,
    /// All that there is to say with `--whole`.
    pub whole: Option<Vec<u8>>,
    pub books: Option<Books>,
}

/// Has a name, connects and joins; `None` where the person leaves first. Where one can be asked for
/// another name, a refused one is no end; it is one, and has been said, where the person leaves while `turned_away`.
pub async fn enter(
    visit: &Visit,
    console: &mut Console,
    turned_away: &mut bool,
) -> Result<Option<Entered>, Failure> {
    // Before the room, where nobody should wait for it.
    let whole = if visit.whole { bytes::whole(console).await? } else { None };
    let tls = visit.tls.as_ref().map(Tls::open).transpose();
    let tls = tls.map_err(|error| Failure::Alone(in_words(&error.to_string())))?;
    let mut books = Books::of(visit, console.is_terminal())?;
    let given = visit.username.as_deref();
    let kept = books.as_ref().map_or(Ok(None), |books| books.name(given))?;
    let mut greeted = None;
    let mut name = match (given, kept) {
        (Some(username), _) => username.into(),
        (None, Some(kept)) => kept.to_string(),
        (None, None) if !console.is_terminal() => return Err(Failure::Usage(MISSING.into())),
        (None, None) => {
            // Nobody should think of a name for a room that is not there.
            greeted = match unless(console.ended(), Box::pin(reach(visit, tls.as_ref()))).await {
                Some(reached) => Some(reached?),
                None => return Ok(None),
            };
            let Some(name) = ask_username(console).await? else {
                return Err(Failure::Usage(NAMELESS.into()));
            };
            name
        }
    };
    let (mut late, mut key, mut asked) = (0, visit.key.clone(), 0);
    loop {
        let options = options(visit, books.as_mut(), console);
        let who = (name.as_str(), tls.as_ref(), key.as_ref());
        let arrival = Box::pin(first_arrival(visit, who, options, greeted.take(), &mut late));
        let error = match unless(console.ended(), arrival).await {
            Some(Ok((client, members))) => {
                if let Some(books) = &mut books {
                    (0..late).for_each(|_| books.ledger.unanswered());
                }
                return Ok(Some(Entered { client, name, tls, key, members, whole, books }));
            }
            Some(Err(error)) => error,
            None => return Ok(None),
        };
        let Error::Refused { code, text } = &error else {
            return Err(alone(visit, &error));
        };
        let why = refused(&error, key.is_some());
        if console.is_terminal() && visit.key.is_none() && is_about_the_key(code) {
            *turned_away = asked > 0;
            if *turned_away {
                console.notice(&format!("smoltalk: {why}"));
            }
            asked += 1;
            key = if asked > KEYS { None } else { ask_key(console).await? };
            match &key {
                Some(_) => *turned_away = false,
                None if *turned_away => return Err(Failure::TurnedAway),
                None => return Err(Failure::Refused(why)),
            }
            continue;
        }
        if !console.is_terminal() || !is_about_the_name(code) || kept.is_some() {
            console.json(|now| json::err(now, code, text));
            return Err(Failure::Refused(why));
        }
        console.notice(&format!("smoltalk: {error}"));
        *turned_away = true;
        let Some(another) = ask_username(console).await? else {
            return Err(Failure::TurnedAway);
        };
        *turned_away = false;
        name = another;
    }
}

/// Why one is not let in, who has said a key or not: what the server says of that is for those who speak with it themselves.
pub(super) fn refused(error: &Error, has_key: bool) -> String {
    let Error::Refused { code, text } = error else { return error.to_string() };
    if !text.contains("PASS <key>") {
        error.to_string()
    } else if has_key {
        format!("the room's key is another one ({code})")
    } else {
        format!("the room has a key: --key-file or SMOLTALK_KEY says it ({code})")
    }
}

/// Nobody lets it in. A certificate that does not hold is said of its host already.
fn alone(visit: &Visit, error: &Error) -> Failure {
    Failure::Alone(match error {
        Error::Untrusted(why) => why.clone(),
        Error::Tls => {
            let how =
                if cfg!(feature = "tls") { "--tls is for that" } else { "this build has none" };
            format!("{}: {error}: {how}", visit.place())
        }
        error => format!("{}: {error}", visit.place()),
    })
}

/// A connection to one of the hosts.
async fn reach(visit: &Visit, tls: Option<&Tls>) -> Result<Client, Failure> {
    let hosts = visit.hosts.iter().map(|(host, port)| (host.as_str(), *port));
    Client::connect_with(visit.timeout, hosts, tls).await.map_err(|error| match error {
        Error::Refused { .. } => Failure::Refused(error.to_string()),
        error => alone(visit, &error),
    })
}

/// Gets in: by a connection that has been `greeted`, if there is one and it still stands, or at one of the hosts,
/// each of which has its turn to be the first. Counts the JOINs that may still come `late`.
async fn first_arrival(
    visit: &Visit,
    (name, tls, key): (&str, Option<&Tls>, Option<&Key>),
    options: JoinOptions,
    greeted: Option<Client>,
    late: &mut u32,
) -> Result<(Client, usize), Error> {
    let Visit { timeout, hosts, .. } = visit;
    if let Some(mut client) = greeted {
        let join = async {
            if let Some(key) = key {
                client.pass(key).await?;
            }
            client.join_if_known(name, options).await
        };
        let joined = unless(Timer::after(*timeout), join).await;
        match joined {
            Some(Ok(members)) => return Ok((client, members)),
            Some(Err(refused @ Error::Refused { .. })) => return Err(refused),
            // Who thinks of a name for long is sent away meanwhile.
            Some(Err(_)) | None => *late += 1,
        }
    }
    let mut tried = 0;
    loop {
        match arrive(*timeout, hosts, tried, tls, key, name.as_bytes(), options).await {
            Ok(arrived) => return Ok(arrived),
            Err(Missed {
                error: error @ (Error::Unreachable(_) | Error::Untrusted(_)),
                unanswered: false,
            }) => return Err(error),
            Err(Missed { error, unanswered }) => {
                tried += 1;
                *late += u32::from(unanswered);
                // It is the room that has answered.
                let is_of_room = |code: &str| is_about_the_name(code) || is_about_the_key(code);
                let answered = matches!(&error, Error::Refused { code, .. } if is_of_room(code));
                if answered || tried as usize >= hosts.len() {
                    return Err(error);
                }
            }
        }
    }
}

/// What to ask for with JOIN.
pub fn options(visit: &Visit, books: Option<&mut Books>, console: &Console) -> JoinOptions {
    let terminal = console.is_terminal();
    let last = visit.shows(terminal);
    if let Some(books) = books {
        let options = books.ledger.join(last);
        books.joins(options.since.is_some());
        return options;
    }
    let ids = console.shows_ids();
    let form = Form { data: true, ids };
    JoinOptions { form, last: (last > 0).then_some(last), ..JoinOptions::default() }
}

fn is_about_the_name(code: &str) -> bool {
    [Refusal::NameTaken, Refusal::BadName].iter().any(|refusal| refusal.code() == code)
}

fn is_about_the_key(code: &str) -> bool {
    code == Refusal::Denied.code()
}

impl Session<'_> {
    /// One is in, for the first time or again: begins to listen, and says so.
    pub(super) fn enters(&mut self, members: usize, first: bool) -> Result<(), Failure> {
        // That a member has a name, the server has checked.
        let me = Name::new(self.name.as_bytes());
        if let (Some(me), Some(books)) = (me, &mut self.books) {
            match self.client.standing() {
                Some(standing) => {
                    books.begin(me)?;
                    books.ledger.joined(me, standing);
                    self.ask_back();
                }
                None if books.is_kept() => {
                    let why = "this server knows no ids: nobody could go on there with --resume";
                    return Err(Failure::Refused(why.into()));
                }
                None => {
                    let lost = books.ledger.joined_blindly(me);
                    self.tell_lost(lost);
                }
            }
        }
        let Self { visit, name, console, client, .. } = self;
        if me.is_some_and(|me| console.joined(me, members)) {
            let _ = client.queue(Command::Who);
        }
        if console.is_terminal() {
            let help = match visit.grammar(true) {
                _ if !first => "",
                Grammar::Chat => "; type /help for help",
                Grammar::Commands => "; type help for help",
                Grammar::Lines => "; each line is a message, Ctrl-D leaves",
            };
            let among = match members {
                1 => "alone".into(),
                members => format!("one of {members}"),
            };
            let welcome = format!("* you are {name}, {among} here{help}");
            console.prompt(&format!("{name}> "));
            // What was said before may be long: it would scroll this away.
            let replayed =
                first && self.books.as_ref().is_some_and(|books| !books.ledger.is_blind());
            self.welcome = Some(welcome);
            if !replayed {
                self.welcome();
            }
        }
        let Self { name, console, .. } = self;
        console.json(|now| json::ok(now, name, members));
        Ok(())
    }

    /// Says to a person who he is here, if that is still to be said.
    pub(super) fn welcome(&mut self) {
        if let Some(welcome) = self.welcome.take() {
            self.console.notice(&welcome);
        }
    }
}

const MISSING: &str = "--username takes a name, and there is none";
const NAMELESS: &str = "nobody comes in without a name";

/// Asks until there is a name that could be one; `None` where the person has had enough of it.
async fn ask_username(console: &mut Console) -> Result<Option<String>, Failure> {
    console.prompt("username: ");
    loop {
        console.flush().await?;
        let Some(line) = console.next().await else { return Ok(None) };
        console.entered();
        match line {
            Line::Whole(line) if line.is_empty() => continue,
            Line::Whole(line) => {
                if let Some(name) = Name::new(&line) {
                    return Ok(Some(name.to_string()));
                }
            }
            Line::TooLong(_) => {}
        }
        console.notice(Refusal::BadName.explanation());
    }
}

/// How often a person may be mistaken about the key, who does not see what he types.
const KEYS: u32 = 3;

/// Asks for the key of the room, unseen; `None` where the person has had enough of it.
async fn ask_key(console: &mut Console) -> Result<Option<Key>, Failure> {
    console.hide(true)?;
    console.prompt("the room's key: ");
    let key = loop {
        console.flush().await?;
        let Some(line) = console.next().await else { break None };
        console.entered();
        if let Line::Whole(line) = line
            && let Some(key) = Key::new(&line)
        {
            break Some(key);
        }
    };
    console.hide(false)?;
    Ok(key)
}
