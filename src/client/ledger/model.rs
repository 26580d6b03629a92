//! The ledger against a server that loses connections at any event.

use super::*;
use proptest::prelude::*;

/// What can happen.
#[derive(Debug, Clone)]
enum Step {
    /// The member is to say this.
    Push(Saying),
    /// Somebody else says something, to all or to the member.
    Other { tells: bool },
    /// So many commands reach the server.
    Up(usize),
    /// So many events reach the member.
    Down(usize),
    /// The connection breaks; of what was on its way up, so much arrives all the same.
    Cut(usize),
}

/// What happened in the room, and for whom it is.
#[derive(Debug, Clone)]
enum Entry {
    /// The member said it.
    Own(Saying),
    /// Somebody else did.
    Other { tells: bool, number: u64 },
}

/// What goes up.
#[derive(Debug)]
enum Up {
    Join(JoinOptions),
    Ping,
    Say(Saying),
}

#[derive(Debug)]
enum Down {
    Ok(Standing),
    Pong,
    Err,
    Event(Option<Id>, Event),
}

struct Room {
    log: Vec<Entry>,
    /// How many messages are kept.
    kept: usize,
    others: u64,
}

/// One member, and its connection.
struct Member {
    ledger: Ledger,
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    joined: bool,
    /// It has come in some time: it can be told something, also while it is away.
    told: bool,
    /// This connection is in the room.
    seated: bool,
    pushed: Vec<Saying>,
    taken: Vec<u64>,
    gaps: usize,
    first: Option<u64>,
}

fn me() -> Name {
    Name::new(b"ada").expect("a name")
}

fn bob() -> Name {
    Name::new(b"bob").expect("a name")
}

fn nobody() -> Name {
    Name::new(b"nobody").expect("a name")
}

/// Entry `n` of the log is at this place.
fn place(n: usize) -> Id {
    Id::from_ms(n as u64 + 1)
}

fn events(at: usize, entry: &Entry) -> Vec<Down> {
    let event = |event| Down::Event(Some(place(at)), event);
    match entry.clone() {
        Entry::Own(Saying::Msg(text)) => vec![event(Event::Msg { from: me(), text })],
        Entry::Own(Saying::Data(bytes)) => vec![event(Event::Data { from: me(), bytes })],
        Entry::Own(Saying::Tell(to, text)) => {
            let told = event(Event::Told { to, text: text.clone() });
            let tell = (to == me()).then(|| event(Event::Tell { from: me(), text }));
            tell.into_iter().chain([told]).collect()
        }
        Entry::Other { tells: true, number } => {
            vec![event(Event::Tell { from: bob(), text: number.to_string() })]
        }
        Entry::Other { number, .. } => {
            vec![event(Event::Msg { from: bob(), text: number.to_string() })]
        }
    }
}

impl Room {
    fn standing(&self) -> Standing {
        let id = Id::from_ms(self.log.len() as u64);
        Standing { id, token: Secret::from_random([1; 24]) }
    }

    fn obey(&mut self, up: Up, down: &mut VecDeque<Down>) {
        match up {
            Up::Join(options) => {
                down.push_back(Down::Ok(self.standing()));
                self.replay(options, down);
            }
            Up::Ping => down.push_back(Down::Pong),
            Up::Say(Saying::Tell(to, _)) if to == nobody() => down.push_back(Down::Err),
            Up::Say(saying) => {
                self.log.push(Entry::Own(saying));
                let at = self.log.len() - 1;
                down.extend(events(at, &self.log[at]));
            }
        }
    }

    fn replay(&self, options: JoinOptions, down: &mut VecDeque<Down>) {
        let since = options.since.map(|since| usize::try_from(since.ms()).expect("a place"));
        let oldest = self.log.len().saturating_sub(self.kept);
        let from = since.unwrap_or(self.log.len());
        if from < oldest {
            down.push_back(Down::Event(None, Event::Gap));
        }
        for at in from.max(oldest)..self.log.len() {
            down.extend(events(at, &self.log[at]));
        }
    }
}

impl Member {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(Secret::from_random([1; 24])),
            up: VecDeque::new(),
            down: VecDeque::new(),
            joined: false,
            told: false,
            seated: false,
            pushed: Vec::new(),
            taken: Vec::new(),
            gaps: 0,
            first: None,
        }
    }

    fn step(&mut self, room: &mut Room, step: Step) {
        match step {
            Step::Push(saying) => {
                self.pushed.push(saying.clone());
                self.ledger.push(saying);
            }
            Step::Other { tells } => {
                // Nobody tells something to one who is not there.
                if !tells || self.told {
                    room.log.push(Entry::Other { tells, number: room.others });
                    room.others += 1;
                    let at = room.log.len() - 1;
                    if self.seated {
                        self.down.extend(events(at, &room.log[at]));
                    }
                }
            }
            Step::Up(n) => self.arrives(room, n),
            Step::Down(n) => {
                for _ in 0..n {
                    let Some(down) = self.down.pop_front() else { break };
                    self.hear(down);
                }
            }
            Step::Cut(n) => {
                self.arrives(room, n);
                self.seated = false;
                self.up.clear();
                self.down.clear();
                self.joined = false;
                self.ledger.disconnected();
            }
        }
        self.speak();
    }

    fn arrives(&mut self, room: &mut Room, n: usize) {
        for _ in 0..n {
            let Some(up) = self.up.pop_front() else { break };
            self.seated |= matches!(up, Up::Join(_));
            self.told |= self.seated;
            room.obey(up, &mut self.down);
        }
    }

    fn speak(&mut self) {
        if !self.joined {
            self.joined = true;
            let options = self.ledger.join(0);
            self.up.extend([Up::Join(options), Up::Ping]);
        }
        while let Some(saying) = self.ledger.to_say() {
            self.up.push_back(Up::Say(saying.clone()));
        }
    }

    fn hear(&mut self, down: Down) {
        match down {
            Down::Ok(standing) => {
                self.first.get_or_insert(standing.id.ms());
                self.ledger.joined(me(), standing);
            }
            Down::Pong if self.ledger.is_here() => _ = self.ledger.answered(),
            Down::Pong => _ = self.ledger.caught_up(),
            Down::Err => {
                self.ledger.ask();
                self.up.push_back(Up::Ping);
            }
            Down::Event(id, event) => match self.ledger.heard(id, &event) {
                Take::New | Take::Missed => match event {
                    Event::Gap => self.gaps += 1,
                    Event::Msg { text, .. } => self.taken.push(text.parse().expect("a number")),
                    Event::Tell { from, text } if from == bob() => {
                        self.taken.push(text.parse().expect("a number"));
                    }
                    _ => {}
                },
                Take::Own => assert!(self.gaps > 0, "{event:?}"),
                Take::Echo(_) | Take::Known => {}
            },
        }
    }

    /// Lets all come to rest.
    fn rest(&mut self, room: &mut Room) {
        while self.ledger.unsettled() > 0 || !self.up.is_empty() || !self.down.is_empty() {
            self.step(room, Step::Up(usize::MAX));
            self.step(room, Step::Down(usize::MAX));
            if self.up.is_empty() && self.down.is_empty() && self.ledger.unsettled() > 0 {
                self.ledger.ask();
                self.up.push_back(Up::Ping);
            }
        }
    }
}

fn sayings() -> impl Strategy<Value = Saying> {
    // Few texts: many lines are alike.
    let text = || prop::sample::select(vec!["a", "b", "c"]).prop_map(String::from);
    prop_oneof![
        4 => text().prop_map(Saying::Msg),
        1 => text().prop_map(|text| Saying::Data(text.into_bytes())),
        1 => text().prop_map(|text| Saying::Tell(bob(), text)),
        1 => text().prop_map(|text| Saying::Tell(nobody(), text)),
        1 => text().prop_map(|text| Saying::Tell(me(), text)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => sayings().prop_map(Step::Push),
        2 => any::<bool>().prop_map(|tells| Step::Other { tells }),
        5 => (1..4_usize).prop_map(Step::Up),
        5 => (1..4_usize).prop_map(Step::Down),
        2 => (0..4_usize).prop_map(Step::Cut),
    ];
    prop::collection::vec(step, 0..150)
}

fn played(steps: Vec<Step>, kept: usize) -> (Room, Member) {
    let mut room = Room { log: Vec::new(), kept, others: 0 };
    let mut member = Member::new();
    for step in steps {
        member.step(&mut room, step);
    }
    member.rest(&mut room);
    (room, member)
}

fn own(room: &Room) -> Vec<Saying> {
    let own = |entry: &Entry| match entry {
        Entry::Own(saying) => Some(saying.clone()),
        Entry::Other { .. } => None,
    };
    room.log.iter().filter_map(own).collect()
}

/// What others have said from when the member was first in on.
fn of_others(room: &Room, member: &Member) -> Vec<u64> {
    let first = member.first.map_or(usize::MAX, |first| usize::try_from(first).expect("a place"));
    let other = |entry: &Entry| match entry {
        Entry::Other { number, .. } => Some(*number),
        Entry::Own(_) => None,
    };
    room.log.iter().skip(first).filter_map(other).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_missed_and_nothing_said_twice(steps in steps()) {
        let (room, member) = played(steps, usize::MAX);
        let heard = |saying: &&Saying| !matches!(saying, Saying::Tell(to, _) if *to == nobody());
        let pushed: Vec<Saying> = member.pushed.iter().filter(heard).cloned().collect();
        prop_assert_eq!(own(&room), pushed);
        prop_assert_eq!(&member.taken, &of_others(&room, &member));
        prop_assert_eq!(member.gaps, 0);
    }

    #[test]
    fn where_something_is_missing_a_gap_was_said_and_nothing_comes_twice(steps in steps()) {
        let (room, member) = played(steps, 4);
        let mut pushed = member.pushed.iter();
        for said in own(&room) {
            prop_assert!(pushed.any(|line| *line == said), "{said:?} was said twice, or too early");
        }
        prop_assert!(member.taken.is_sorted_by(|a, b| a < b));
        if member.gaps == 0 {
            prop_assert_eq!(&member.taken, &of_others(&room, &member));
        }
    }
}
