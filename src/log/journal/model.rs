//! Random lives of a journal, held against all that happened: each entry is read after a kill, or a
//! gap says that it may be missing, or it stood before where the log is known from.

use super::*;
use crate::protocol::Secret;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const NAMES: [&str; 4] = ["ada", "Bob", "eve", "x.9"];

#[derive(Debug, Clone)]
enum Step {
    /// One comes, or goes if it is in.
    Moves(usize),
    /// One says something of that length, if it is in.
    Says(usize, usize),
    Tells(usize, usize),
    Data(usize, Vec<u8>),
    Writes,
    /// So many bytes are left, or as many as anybody wants.
    Space(Option<u64>),
    Sync(bool),
    /// Another server reads what this one would leave if it were killed now.
    Killed,
    Restarts,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..NAMES.len();
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let step = prop_oneof![
        3 => who().prop_map(Step::Moves),
        6 => (who(), 0..60_usize).prop_map(|(who, len)| Step::Says(who, len)),
        2 => (who(), who()).prop_map(|(from, to)| Step::Tells(from, to)),
        2 => (who(), bytes).prop_map(|(who, bytes)| Step::Data(who, bytes)),
        8 => Just(Step::Writes),
        1 => (0..300_u64).prop_map(|space| Step::Space(Some(space))),
        1 => Just(Step::Space(None)),
        1 => any::<bool>().prop_map(Step::Sync),
        1 => Just(Step::Killed),
        1 => Just(Step::Restarts),
    ];
    prop::collection::vec(step, 1..120)
}

/// A server that has a journal, and all that happened to it.
struct Life {
    folder: PathBuf,
    size: u64,
    journal: Option<Journal>,
    ms: u64,
    happened: Vec<(Id, String)>,
    written: usize,
    members: Members,
}

impl Life {
    fn new(size: u64) -> Self {
        static LIVES: AtomicU32 = AtomicU32::new(0);
        let own = format!("smoltalk-{}-life-{}", std::process::id(), LIVES.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(own);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("copy")).expect("a folder");
        let (happened, members) = (Vec::new(), Members::default());
        let mut life = Self { folder, size, journal: None, ms: 1, happened, written: 0, members };
        life.starts();
        life
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().expect("it runs")
    }

    fn starts(&mut self) {
        let now = Id::from_ms(self.ms);
        let path = self.folder.join("journal");
        let (mut journal, opened) =
            Journal::open_in(None, &path, self.size, now, &mut |_| {}).expect("a journal");
        journal.retry = Duration::ZERO;
        assert_eq!(opened.cut, None);
        // What it knows may be less than what was.
        self.members = journal.members.clone();
        self.journal = Some(journal);
    }

    fn adds(&mut self, record: Record<'_>) {
        if self.members.clone().apply(&record).is_err() {
            return;
        }
        self.ms += 1;
        let id = Id::from_ms(self.ms);
        self.members.apply(&record).expect("it can");
        self.happened.push((id, format!("{record:?}")));
        self.journal().add(id, record);
    }

    fn writes(&mut self) {
        self.journal().write();
        self.written = self.happened.len();
    }

    fn goes(&mut self, step: &Step) {
        let name = |who: &usize| Name::new(NAMES[*who].as_bytes()).expect("a name");
        match step {
            Step::Moves(who) if self.members.iter().any(|(is_in, _)| is_in == name(who)) => {
                self.adds(Record::Left(name(who), b"lost"));
            }
            Step::Moves(who) => {
                let secret = Some(Secret::from_random([1; 24])).filter(|_| *who > 0);
                self.adds(Record::Joined(name(who), secret));
            }
            Step::Says(who, len) => self.adds(Record::Msg(name(who), &b"x".repeat(*len))),
            Step::Tells(from, to) => {
                self.adds(Record::Tell { from: name(from), to: name(to), text: b"psst" });
            }
            Step::Data(who, bytes) => self.adds(Record::Data(name(who), bytes)),
            Step::Writes => self.writes(),
            Step::Space(space) => {
                let len = self.journal().bytes();
                let space = space.map_or(u64::MAX, |space| len + space);
                self.journal().disk.faults.space.store(space, Relaxed);
            }
            Step::Sync(fails) => self.journal().disk.faults.sync_fails.store(*fails, Relaxed),
            Step::Killed => self.is_as_it_was(),
            Step::Restarts => {
                self.writes();
                self.journal = None;
                self.is_as_it_was();
                // The clock goes on while nobody looks.
                self.ms += 1;
                self.starts();
            }
        }
    }

    /// Reads a copy of the files, as a server that is started now would.
    fn is_as_it_was(&self) {
        let copy = self.folder.join("copy");
        for file in ["journal", "journal.1"] {
            let _ = fs::remove_file(copy.join(file));
            let _ = fs::copy(self.folder.join(file), copy.join(file));
        }
        let (mut told, mut members) = (self.happened.iter().peekable(), Members::default());
        let mut read = |what: Read<'_>| match what {
            Read::Began(id) | Read::Gap(id) => {
                while told.next_if(|(next, _)| *next <= id).is_some() {}
                members = Members::default();
            }
            Read::In(name, secret) => members.enter(name, secret).expect("one of each"),
            Read::Entry(id, record) => {
                assert_eq!(told.next(), Some(&(id, format!("{record:?}"))));
                members.apply(&record).expect("it can");
            }
        };
        let now = Id::from_ms(self.ms + 1);
        let (journal, opened) =
            Journal::open_in(None, &copy.join("journal"), self.size, now, &mut read)
                .expect("a journal");
        assert_eq!((opened.cut, &journal.members), (None, &members));
        // What has not been written nobody has got.
        assert!(told.len() <= self.happened.len() - self.written);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.journal = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_nothing_is_missing_unnoticed(steps in steps(), size in 0..1500_u64) {
        let mut life = Life::new(size);
        for step in &steps {
            life.goes(step);
        }
        life.goes(&Step::Killed);
        life.goes(&Step::Restarts);
    }
}
