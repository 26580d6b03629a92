//! A journal as a whole: what is written is read, whatever happens in between.

use super::*;
use crate::protocol::Secret;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

/// A folder of a test's own, gone after it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("smoltalk-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join("journal")
    }

    fn older(&self) -> PathBuf {
        self.0.join("journal.1")
    }

    fn next(&self) -> PathBuf {
        self.0.join("journal.smoltalk-new")
    }

    /// What a server leaves that is killed now.
    fn copy(&self, test: &str) -> Self {
        let copy = Self::new(test);
        for file in fs::read_dir(&self.0).expect("a folder") {
            let file = file.expect("a file");
            fs::copy(file.path(), copy.0.join(file.file_name())).expect("a copy");
        }
        copy
    }

    fn text(&self) -> String {
        String::from_utf8(fs::read(self.file()).expect("a journal")).expect("text")
    }

    fn open(&self) -> io::Result<(Journal, Opened, Vec<String>)> {
        self.open_with(LARGE)
    }

    /// Opens the journal, and says what was read.
    fn open_with(&self, size: u64) -> io::Result<(Journal, Opened, Vec<String>)> {
        self.open_in(None, size)
    }

    /// The same in that boot of the machine.
    fn open_in(&self, boot: Option<&str>, size: u64) -> io::Result<(Journal, Opened, Vec<String>)> {
        let mut seen = Vec::new();
        let mut read = |what: Read<'_>| seen.push(shown(&what));
        let boot = boot.and_then(|name| Boot::new(name.as_bytes()));
        let (mut journal, opened) = Journal::open_in(boot, &self.file(), size, at(1), &mut read)?;
        journal.retry = Duration::ZERO;
        Ok((journal, opened, seen))
    }

    /// What a server would read that is started now. It changes nothing.
    fn story(&self) -> Vec<String> {
        let (_, _, seen) = self.open().expect("a journal");
        seen
    }

    fn refuses(&self) -> String {
        self.open().expect_err("it is refused").to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LARGE: u64 = 1 << 30;

fn at(ms: u64) -> Id {
    Id::from_ms(ms)
}

fn name(spelt: &str) -> Name {
    Name::new(spelt.as_bytes()).expect("a name")
}

fn secret(letter: u8) -> Option<Secret> {
    Secret::new(&[letter; 16])
}

/// Secrets too, which are not shown for debugging.
fn shown(what: &Read<'_>) -> String {
    let secret = match what {
        Read::In(_, secret) | Read::Entry(_, Record::Joined(_, secret)) => secret.as_ref(),
        _ => None,
    };
    format!("{what:?} {}", secret.map_or("", Secret::as_str))
}

/// One of each kind; no two ways to cut a line are the same.
fn records() -> Vec<Record<'static>> {
    let (ada, bob, eve) = (name("ada"), name("bob"), name("Eve"));
    vec![
        Record::Joined(ada, secret(b'a')),
        Record::Joined(bob, None),
        Record::Msg(ada, b"hi  there\t"),
        Record::Data(bob, b"line\n@9-9 MSG bob x\n\0\xff"),
        Record::Joined(eve, secret(b'e')),
        Record::Tell { from: ada, to: eve, text: b"psst" },
        Record::Note("gr\u{fc}\u{df} dich".as_bytes()),
        Record::Left(bob, b"lost"),
        Record::Data(ada, b""),
        Record::Left(ada, b""),
        Record::Msg(eve, b""),
    ]
}

/// A journal that holds them, from id 10 on.
fn filled(folder: &Folder) -> Journal {
    let (mut journal, ..) = folder.open().expect("a journal");
    for (ms, record) in (10..).zip(records()) {
        journal.add(at(ms), record);
        assert_eq!(journal.write(), None);
    }
    journal
}

fn expected() -> Vec<String> {
    let entries = (10..).zip(records()).map(|(ms, record)| shown(&Read::Entry(at(ms), record)));
    [shown(&Read::Began(at(1)))].into_iter().chain(entries).collect()
}

fn says(journal: &mut Journal, ms: u64, who: &str, text: &str) -> Option<Change> {
    journal.add(at(ms), Record::Msg(name(who), text.as_bytes()));
    journal.write()
}

fn joins(journal: &mut Journal, ms: u64, who: &str) -> Option<Change> {
    journal.add(at(ms), Record::Joined(name(who), secret(who.as_bytes()[0])));
    journal.write()
}

fn said(ms: u64, who: &str, text: &str) -> String {
    shown(&Read::Entry(at(ms), Record::Msg(name(who), text.as_bytes())))
}

fn joined(ms: u64, who: &str) -> String {
    shown(&Read::Entry(at(ms), Record::Joined(name(who), secret(who.as_bytes()[0]))))
}

fn is_in(who: &str) -> String {
    shown(&Read::In(name(who), secret(who.as_bytes()[0])))
}

fn fails(change: Option<Change>) -> bool {
    change.is_some_and(|change| matches!(change, Change::Fails(_)))
}

/// Waits until what was written after a failure is on the disk, and says what that changes.
fn mends(journal: &mut Journal) -> Option<Change> {
    if let Some(unsynced) = journal.syncer.sync_now() {
        return journal.lose(&unsynced);
    }
    journal.write()
}

/// Waits until a new file has begun, or cannot.
fn rotates(journal: &mut Journal) -> Option<Change> {
    let begun = Instant::now();
    while journal.len > journal.size.max(2 * journal.head) {
        if let Some(change) = journal.write() {
            return Some(change);
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "no new file begins");
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// What no file has.
fn has_space(journal: &Journal, space: u64) {
    journal.disk.faults.space.store(space, Relaxed);
}

#[test]
fn the_file_is_text_as_a_member_gets_it() {
    let folder = Folder::new("journal-text");
    drop(filled(&folder));
    let text = fs::read(folder.file()).expect("a journal").escape_ascii().to_string();
    let expected = [
        "#smoltalk journal 1",
        "#whole",
        "#began 1-0 0",
        "#secret ada aaaaaaaaaaaaaaaa",
        "@10-0 JOINED ada",
        "@11-0 JOINED bob",
        "@12-0 MSG ada hi  there\\t",
        "#bytes 22",
        "@13-0 DATA bob 22",
        "line",
        "@9-9 MSG bob x",
        "\\x00\\xff",
        "#secret Eve eeeeeeeeeeeeeeee",
        "@14-0 JOINED Eve",
        "#to Eve",
        "@15-0 TELL ada psst",
        "@16-0 NOTE gr\\xc3\\xbc\\xc3\\x9f dich",
        "@17-0 LEFT bob lost",
        "#bytes 0",
        "@18-0 DATA ada 0",
        "",
        "@19-0 LEFT ada",
        "@20-0 MSG Eve ",
        "",
    ];
    assert_eq!(text, expected.join("\\n"));
    assert_eq!(fs::metadata(folder.file()).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_was_written_is_read_and_the_story_goes_on() {
    let folder = Folder::new("journal-reads");
    drop(filled(&folder));
    let before = fs::metadata(folder.file()).expect("a file");
    let (mut journal, opened, seen) = folder.open().expect("a journal");
    assert_eq!(seen, expected());
    assert_eq!(opened, Opened { cut: None, last: at(20) });
    assert_eq!(journal.members().map(|name| name.to_string()).collect::<Vec<_>>(), ["Eve"]);
    let after = fs::metadata(folder.file()).expect("a file");
    assert_eq!((before.ino(), before.len()), (after.ino(), after.len()));
    journal.add(at(21), Record::Left(name("eve"), b"lost"));
    assert_eq!(journal.finish(), None);
    drop(journal);
    let seen = folder.story();
    assert_eq!(seen.last(), Some(&shown(&Read::Entry(at(21), Record::Left(name("eve"), b"lost")))));
}

#[test]
fn what_was_written_outlives_a_server_that_is_killed() {
    let folder = Folder::new("journal-killed");
    let mut journal = filled(&folder);
    journal.add(at(30), Record::Note(b"nobody has got this"));
    let copy = Folder::new("journal-killed-copy");
    fs::copy(folder.file(), copy.file()).expect("a copy");
    assert_eq!(copy.story(), expected());
}

#[test]
fn a_journal_cut_at_any_byte_holds_its_whole_entries() {
    let folder = Folder::new("journal-cut");
    drop(filled(&folder));
    let whole = fs::read(folder.file()).expect("a journal");
    let mut last = 0;
    for len in 0..=whole.len() {
        fs::write(folder.file(), &whole[..len]).expect("a file");
        let (journal, opened, seen) = folder.open().unwrap_or_else(|e| panic!("{len}: {e}"));
        assert_eq!(seen, expected()[..seen.len()], "{len}");
        assert!((last..=last + 1).contains(&seen.len()) || last == 0, "{len}");
        last = seen.len();
        drop(journal);
        let cut = fs::metadata(folder.file()).expect("a file").len();
        let is_header = opened.cut.is_none() && seen.len() == 1;
        assert!(is_header || len as u64 == cut + opened.cut.unwrap_or(0), "{len}");
        let (_, opened, again) = folder.open().expect("a journal");
        assert_eq!((opened.cut, again), (None, seen), "{len}");
    }
    assert_eq!(last, expected().len());
}

#[test]
fn a_journal_with_a_gap_cut_at_any_byte_is_read_up_to_there() {
    let folder = Folder::new("journal-cut-gap");
    let text = "#smoltalk journal 1\n#whole\n#began 5-0 2\n#in ada\n#in bob bbbbbbbbbbbbbbbb\n\
                @6-0 MSG ada hi\n#gap 7-0 2\n#in ada\n#in eve\n@8-0 MSG eve hi\n";
    let end = |line: &str| text.find(line).expect("a line") + line.len();
    let ends = [end("bbbb\n"), end("ada hi\n"), end("#in eve\n"), text.len()];
    for len in 0..=text.len() {
        fs::write(folder.file(), &text[..len]).expect("a file");
        let (_, opened, seen) = folder.open().unwrap_or_else(|e| panic!("{len}: {e}"));
        let whole = ends.iter().filter(|end| **end <= len).count();
        assert_eq!(seen.len(), [1, 3, 4, 7, 8][whole], "{len}: {seen:?}");
        let torn = whole.checked_sub(1).map(|last| (len - ends[last]) as u64);
        assert_eq!(opened.cut, torn.filter(|torn| *torn > 0), "{len}");
    }
}

#[test]
fn zeros_that_a_machine_leaves_at_the_end_are_cut_off() {
    let folder = Folder::new("journal-zeros");
    drop(filled(&folder));
    let mut bytes = fs::read(folder.file()).expect("a journal");
    let len = bytes.len();
    bytes.resize(len + 100_000, 0);
    fs::write(folder.file(), &bytes).expect("a file");
    let (_, opened, seen) = folder.open().expect("a journal");
    assert_eq!((opened.cut, seen), (Some(100_000), expected()));
    bytes[len + 50_000] = b'x';
    fs::write(folder.file(), &bytes).expect("a file");
    assert!(folder.refuses().contains(&format!("damaged at byte {len} (line 24)")));
    for zeros in [1, 100_000] {
        fs::write(folder.file(), vec![0; zeros]).expect("a file");
        assert!(folder.refuses().ends_with("it is something else"));
    }
}

#[test]
fn damage_is_refused_with_its_place_and_nothing_is_changed() {
    let folder = Folder::new("journal-damage");
    let head = "#smoltalk journal 1\n#whole\n#began 5-0 1\n#in ada\n";
    let long = "x".repeat(limits::EVENT_LINE);
    for (bad, line) in [
        ("garbage\n", 5),
        ("\n", 5),
        ("@5-0 MSG ada hi\n", 5),
        ("@4-9 MSG ada hi\n", 5),
        ("@6-0 MSG bob hi\n", 5),
        ("@6-0 LEFT bob\n", 5),
        ("@6-0 JOINED ADA\n", 5),
        ("@6-0 JOINED bob lost\n", 5),
        ("@6-0 JOINED bob bob\n", 5),
        ("@6-0 TELL ada psst\n", 5),
        ("#to bob\n@6-0 TELL ada psst\n", 6),
        ("#to ada\n@6-0 MSG ada psst\n", 6),
        ("#to ada\n#to ada\n@6-0 TELL ada psst\n", 6),
        ("#secret bob bbbbbbbbbbbbbbbb\n@6-0 JOINED eve\n", 6),
        ("#secret bob bbb\n@6-0 JOINED bob\n", 5),
        ("@6-0 DATA ada 2\nhi\n", 5),
        ("#bytes 3\n@6-0 DATA ada 2\nhi\n", 6),
        ("#bytes 2\n@6-0 DATA ada 2\nhi.\n", 7),
        ("#bytes 3\n@6-0 DATA ada 3\na\nb\n@6-0 NOTE hi\n", 9),
        ("#bytes 999999999999\n@6-0 DATA ada 999999999999\nhi\n", 6),
        ("@6-0 TOLD ada psst\n", 5),
        ("@6-0 PONG\n", 5),
        ("@6-0 MSG ada \x1b[2J\n", 5),
        ("@6-0 MSG ada hi\r\n", 5),
        ("MSG ada hi\n", 5),
        ("#what\n@6-0 NOTE hi\n", 5),
        ("#gap 4-0 0\n", 5),
        ("#gap 6-0 1\n@7-0 NOTE hi\n", 6),
        ("#gap 6-0 2\n#in bob\n#in BOB\n", 7),
        ("#gap 6-0 1\n#in bob\n@7-0 MSG ada hi\n", 7),
        ("#began 6-0 0\n", 5),
        ("#gap 6-0 1\nhello", 6),
        (&format!("@6-0 NOTE {long}\n@7-0 NOTE hi\n"), 5),
        (&format!("@6-0 NOTE {long}"), 5),
    ] {
        let text = format!("{head}{bad}");
        fs::write(folder.file(), &text).expect("a file");
        let before = fs::metadata(folder.file()).expect("a file");
        let why = folder.refuses();
        let offset: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let place = format!("damaged at byte {offset} (line {line}): ");
        assert!(why.contains(&place), "{bad:?}: {why}");
        assert!(why.contains(folder.file().to_str().expect("a path")), "{why}");
        let after = fs::metadata(folder.file()).expect("a file");
        assert_eq!(before.modified().ok(), after.modified().ok());
        assert_eq!(folder.text(), text);
    }
}

#[test]
fn what_is_no_journal_is_not_touched() {
    let folder = Folder::new("journal-other");
    for other in ["hello\n", "hello", "#smoltalk journal 2\n", "\n", "#smoltalk journal 1 "] {
        fs::write(folder.file(), other).expect("a file");
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).expect("a mode");
        let before = fs::metadata(folder.file()).expect("a file");
        assert!(folder.refuses().ends_with("it is something else"), "{other:?}");
        let after = fs::metadata(folder.file()).expect("a file");
        assert_eq!(before.modified().ok(), after.modified().ok());
        assert_eq!((before.mode(), folder.text().as_str()), (after.mode(), other));
        // Nor where it would be the older file, with or without a newer one.
        fs::rename(folder.file(), folder.older()).expect("a name");
        assert!(folder.refuses().contains("journal.1: it is something else"), "{other:?}");
        assert!(!folder.file().exists());
    }
}

#[test]
fn only_the_beginning_of_a_header_is_written_over() {
    let folder = Folder::new("journal-header");
    for text in ["hello", "#whole.", "#whole\nhello", "#whole\n#began 5-0 1\nhello"] {
        let text = format!("#smoltalk journal 1\n{text}");
        fs::write(folder.file(), &text).expect("a file");
        assert!(folder.refuses().contains("damaged at byte"), "{text:?}");
        assert_eq!(folder.text(), text);
    }
}

#[test]
fn what_is_no_file_is_not_even_opened() {
    let folder = Folder::new("journal-fifo");
    let target = folder.0.join("target");
    fs::write(&target, "").expect("a file");
    for make in [
        &(|| make_pipe(&folder.file())) as &dyn Fn() -> io::Result<()>,
        &|| fs::create_dir(folder.file()),
        &|| std::os::unix::fs::symlink(&target, folder.file()),
        &|| std::os::unix::fs::symlink("/dev/null", folder.file()),
    ] {
        make().expect("something");
        assert!(folder.refuses().ends_with("it is no regular file"));
        fs::remove_file(folder.file()).or_else(|_| fs::remove_dir(folder.file())).expect("gone");
    }
    let error = Journal::open(Path::new("/no/such/folder/journal"), 1, at(1), &mut |_| {});
    let error = error.expect_err("no folder");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("/no/such/folder/journal"), "{error}");
}

/// Not by a program: until one that was just started runs, what is locked in other tests stays so.
#[cfg(target_os = "linux")]
fn make_pipe(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    Ok(mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0)?)
}

#[cfg(not(target_os = "linux"))]
fn make_pipe(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

#[test]
fn a_second_server_is_refused() {
    let folder = Folder::new("journal-second");
    let (journal, ..) = folder.open().expect("a journal");
    let error = folder.open().expect_err("it is taken");
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().ends_with("journal: another server has it"), "{error}");
    drop(journal);
    folder.open().expect("it is free");
}

// One file after the other.

#[test]
fn past_its_size_a_new_file_begins_and_the_story_goes_on() {
    let folder = Folder::new("journal-rotates");
    let (mut journal, ..) = folder.open_with(100).expect("a journal");
    joins(&mut journal, 10, "ada");
    joins(&mut journal, 11, "bob");
    let mut all = vec![shown(&Read::Began(at(1))), joined(10, "ada"), joined(11, "bob")];
    for ms in 12..20 {
        assert_eq!(says(&mut journal, ms, "ada", "hi"), None);
        assert_eq!(rotates(&mut journal), None);
        all.push(said(ms, "ada", "hi"));
    }
    assert!(folder.older().exists());
    drop(journal);
    let seen = folder.story();
    assert!(seen.len() >= 4);
    // What was in a file before the older one is gone: then it begins with who was in.
    let tail = &seen[seen.iter().position(|line| line.starts_with("Entry")).expect("one")..];
    assert!(all.ends_with(tail), "{seen:?}");
    assert!(seen[0].starts_with("Began"));
    assert!(!folder.next().exists());
    // The older file alone may go.
    fs::remove_file(folder.older()).expect("gone");
    let seen = folder.story();
    assert_eq!(seen[1..3], [is_in("ada"), is_in("bob")], "{seen:?}");
    assert!(all.ends_with(&seen[3..]));
}

/// A journal that has just not begun a new file, with what its story is.
fn about_to_rotate(folder: &Folder) -> (Journal, Vec<String>) {
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    says(&mut journal, 11, "ada", "hi");
    (journal, vec![shown(&Read::Began(at(1))), joined(10, "ada"), said(11, "ada", "hi")])
}

#[test]
fn a_server_killed_while_a_new_file_begins_loses_nothing() {
    for step in 0..4 {
        let folder = Folder::new("journal-steps");
        let (journal, all) = about_to_rotate(&folder);
        let mut header = Vec::new();
        format::push_header(Since::After(at(11)), &journal.members, &mut header);
        let prepared = journal.place.prepare().expect("prepared");
        prepared.disk.append(&header, 0).expect("written");
        if step == 0 {
            fs::write(folder.next(), &header[..7]).expect("half of it");
        }
        if step >= 2 {
            journal.place.displace(&journal.disk).expect("the first step");
            assert!(!folder.file().exists());
        }
        if step >= 3 {
            journal.place.put(&prepared).expect("the second step");
        }
        // All the while no other server gets in.
        assert_eq!(folder.open().expect_err("taken").kind(), ErrorKind::ResourceBusy, "{step}");
        let folder = folder.copy("journal-steps-killed");
        drop((journal, prepared));
        for _ in 0..2 {
            let (mut journal, opened, seen) = folder.open().expect("a journal");
            assert_eq!((opened.cut, opened.last, &seen), (None, at(11), &all), "{step}");
            assert!(folder.file().exists() && !folder.next().exists());
            assert_eq!(journal.write(), None);
        }
        let (mut journal, ..) = folder.open_with(0).expect("a journal");
        assert_eq!(says(&mut journal, 12, "ada", "more"), None);
        assert_eq!(rotates(&mut journal), None);
        drop(journal);
        assert_eq!(folder.story().last(), Some(&said(12, "ada", "more")));
    }
}

#[test]
fn a_torn_end_is_cut_off_also_where_the_file_is_displaced() {
    let folder = Folder::new("journal-torn-displaced");
    let (journal, all) = about_to_rotate(&folder);
    drop(journal);
    let torn = [&fs::read(folder.file()).expect("a journal")[..], b"@12-0 MSG"].concat();
    fs::write(folder.older(), &torn).expect("a file");
    fs::remove_file(folder.file()).expect("gone");
    let (_, opened, seen) = folder.open().expect("a journal");
    assert_eq!((opened.cut, seen), (Some(9), all));
}

#[test]
fn an_older_file_that_does_not_fit_is_refused() {
    let folder = Folder::new("journal-unfit");
    let (mut journal, ..) = folder.open_with(0).expect("a journal");
    joins(&mut journal, 10, "ada");
    for ms in 11..16 {
        says(&mut journal, ms, "ada", "hi");
        rotates(&mut journal);
    }
    drop(journal);
    let older = fs::read_to_string(folder.older()).expect("a journal");
    let file = folder.text();
    let refused = |text: &str, why: &str| {
        fs::write(folder.older(), text).expect("a file");
        let error = folder.refuses();
        assert!(error.contains(why), "{error}");
        assert_eq!(
            (folder.text(), fs::read_to_string(folder.older()).ok()),
            (file.clone(), Some(text.into()))
        );
    };
    let unfit = "does not begin where the file before it ends";
    refused(&format!("{older}@99-0 NOTE later\n"), unfit);
    refused(&format!("{older}@99-0 NOTE torn"), "journal.1: damaged at byte");
    refused(&older.replace("MSG", "MSX"), "journal.1: damaged at byte");
    refused(&older.replace("aaaa", "bbbb"), unfit);
    refused(&older.replace("#whole", "#holes"), "journal.1: it is not whole");
    refused("", "journal.1: it is not whole");
    refused("#smoltalk jour", "journal.1: damaged at byte 0");
    // The same file twice is one.
    fs::remove_file(folder.older()).expect("gone");
    fs::hard_link(folder.file(), folder.older()).expect("a link");
    folder.open().expect("a journal");
}

#[test]
fn an_empty_file_beside_an_older_one_goes_on_with_it() {
    let folder = Folder::new("journal-emptied");
    let (journal, all) = about_to_rotate(&folder);
    drop(journal);
    fs::rename(folder.file(), folder.older()).expect("a name");
    for text in ["", "#smolt", "#smoltalk journal 1\n#holes\n#began 1-0 0"] {
        fs::write(folder.file(), text).expect("a file");
        assert_eq!(folder.story(), all);
        assert!(folder.text().starts_with("#smoltalk journal 1\n#whole\n#began 11-0 1\n#in ada "));
        assert_eq!(folder.story(), all);
    }
}

#[test]
fn where_no_new_file_can_begin_it_is_said_once_and_the_old_one_goes_on() {
    let folder = Folder::new("journal-grows");
    let (mut journal, ..) = folder.open_with(100).expect("a journal");
    fs::create_dir(folder.next()).expect("something in the way");
    joins(&mut journal, 10, "ada");
    assert_eq!(says(&mut journal, 11, "ada", "hi"), None);
    let first = rotates(&mut journal);
    assert!(matches!(first, Some(Change::Grows(_))), "{first:?}");
    assert_eq!(says(&mut journal, 12, "ada", "hi"), None);
    fs::remove_dir(folder.next()).expect("out of the way");
    assert_eq!(says(&mut journal, 13, "ada", "hi"), None);
    assert!(!folder.older().exists(), "it does not try each time");
    journal.rotates = Some(Instant::now());
    assert_eq!(says(&mut journal, 14, "ada", "hi"), None);
    assert_eq!(rotates(&mut journal), None);
    assert!(folder.older().exists());
    drop(journal);
    assert_eq!(folder.story().len(), 6);
}

#[test]
fn a_file_that_was_taken_away_is_not_put_in_anothers_place() {
    let folder = Folder::new("journal-moved");
    let (mut journal, ..) = folder.open_with(100).expect("a journal");
    fs::write(folder.older(), "mine").expect("a file");
    fs::rename(folder.file(), folder.0.join("kept")).expect("a name");
    joins(&mut journal, 10, "ada");
    says(&mut journal, 11, "ada", "hi");
    let fails = rotates(&mut journal);
    assert!(matches!(fails, Some(Change::Fails(why)) if why.ends_with("no longer there")));
    assert_eq!(fs::read_to_string(folder.older()).ok().as_deref(), Some("mine"));
}

// Failing.

#[test]
fn when_the_disk_is_full_it_says_so_once_and_works_again_when_there_is_space() {
    let folder = Folder::new("journal-full");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    says(&mut journal, 11, "ada", "kept");
    let len = journal.bytes();
    // So much of it fits, and has to go again.
    has_space(&journal, len + 7);
    assert!(fails(says(&mut journal, 12, "ada", "lost")));
    assert!(journal.is_failing());
    assert!(folder.text().contains("#holes"));
    assert_eq!(fs::metadata(folder.file()).expect("a file").len(), len);
    for ms in 13..100 {
        assert_eq!(says(&mut journal, ms, "ada", "lost"), None);
    }
    assert_eq!(joins(&mut journal, 100, "bob"), None);
    assert_eq!(journal.added.len(), 0);
    assert!(journal.added.capacity() <= limits::ROUND);
    has_space(&journal, u64::MAX);
    assert_eq!(says(&mut journal, 101, "bob", "kept again"), None);
    assert!(journal.is_failing() && folder.text().contains("#holes"), "it may not be on the disk");
    assert_eq!(mends(&mut journal), Some(Change::Works));
    assert_eq!(says(&mut journal, 102, "ada", "and this"), None);
    assert!(!journal.is_failing());
    drop(journal);
    assert!(folder.text().contains("#whole"));
    let seen = folder.story();
    let expected = [
        shown(&Read::Began(at(1))),
        joined(10, "ada"),
        said(11, "ada", "kept"),
        shown(&Read::Gap(at(100))),
        is_in("ada"),
        is_in("bob"),
        said(101, "bob", "kept again"),
        said(102, "ada", "and this"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn it_works_again_also_where_nobody_says_anything() {
    let folder = Folder::new("journal-quiet");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    has_space(&journal, 0);
    assert!(fails(says(&mut journal, 11, "ada", "lost")));
    assert_eq!(journal.write(), None);
    has_space(&journal, u64::MAX);
    assert_eq!(journal.write(), None);
    assert_eq!(mends(&mut journal), Some(Change::Works));
    drop(journal);
    let seen = folder.story();
    assert_eq!(seen[2..], [shown(&Read::Gap(at(11))), is_in("ada")]);
}

#[test]
fn it_is_not_tried_again_before_its_time() {
    let folder = Folder::new("journal-patience");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    journal.retry = limits::LONGEST;
    has_space(&journal, 0);
    assert!(fails(says(&mut journal, 11, "ada", "lost")));
    has_space(&journal, u64::MAX);
    assert_eq!(says(&mut journal, 12, "ada", "lost"), None);
    assert!(journal.is_failing() && journal.added.is_empty());
    // But at the end.
    assert_eq!(journal.finish(), Some(Change::Works));
}

#[test]
fn what_never_worked_again_is_a_gap_after_a_restart() {
    let folder = Folder::new("journal-holes");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    has_space(&journal, 0);
    assert!(fails(says(&mut journal, 11, "ada", "lost")));
    drop(journal);
    let kept = [shown(&Read::Began(at(1))), joined(10, "ada")];
    let gap = [shown(&Read::Gap(at(10).next(1))), is_in("ada")];
    let all = [&kept[..], &gap].concat();
    let (mut journal, opened, seen) = folder.open().expect("a journal");
    assert_eq!((opened.last, &seen), (at(10).next(1), &all));
    assert_eq!(says(&mut journal, 12, "ada", "kept"), None);
    drop(journal);
    assert_eq!(folder.story(), [&all[..], &[said(12, "ada", "kept")]].concat());
    assert!(folder.text().contains("#whole"));
}

#[test]
fn a_gap_that_cannot_be_written_at_the_start_is_said_then() {
    let folder = Folder::new("journal-holes-full");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    has_space(&journal, 0);
    // As at the start.
    journal.fill(at(50), &mut |_| {});
    assert!(journal.is_failing());
    assert!(fails(journal.write()));
    assert_eq!(journal.write(), None);
    has_space(&journal, u64::MAX);
    assert_eq!(says(&mut journal, 60, "ada", "kept"), None);
    assert_eq!(mends(&mut journal), Some(Change::Works));
    drop(journal);
    assert_eq!(
        folder.story()[2..],
        [shown(&Read::Gap(at(50))), is_in("ada"), said(60, "ada", "kept")]
    );
}

#[test]
fn what_does_not_reach_the_disk_is_lost_too() {
    let folder = Folder::new("journal-sync");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    assert!(journal.syncer.sync_now().is_none());
    journal.disk.faults.sync_fails.store(true, Relaxed);
    assert_eq!(says(&mut journal, 11, "ada", "perhaps lost"), None);
    assert!(fails(journal.finish()));
    assert_eq!(says(&mut journal, 12, "ada", "lost"), None);
    // It is said once, however often it is tried.
    assert_eq!(mends(&mut journal), None);
    assert_eq!(says(&mut journal, 13, "ada", "perhaps lost"), None);
    journal.disk.faults.sync_fails.store(false, Relaxed);
    assert_eq!(says(&mut journal, 14, "ada", "kept"), None);
    assert_eq!(mends(&mut journal), Some(Change::Works));
    drop(journal);
    assert_eq!(
        folder.story()[1..],
        [
            joined(10, "ada"),
            shown(&Read::Gap(at(12))),
            is_in("ada"),
            said(13, "ada", "perhaps lost"),
            said(14, "ada", "kept"),
        ]
    );
}

#[test]
fn the_thread_finds_out_what_does_not_reach_the_disk() {
    let folder = Folder::new("journal-thread");
    let (journal, ..) = folder.open().expect("a journal");
    let disk = journal.disk.clone();
    disk.faults.sync_fails.store(true, Relaxed);
    let place = journal.place.clone();
    let syncer = Syncer::start(disk.clone(), 5, place, Duration::ZERO).expect("a thread");
    let unsynced = loop {
        match syncer.unsynced() {
            Some(unsynced) => break unsynced,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!((unsynced.synced, unsynced.error.as_str()), (5, "the disk fails"));
    disk.faults.sync_fails.store(false, Relaxed);
    syncer.appended(9);
    assert!(syncer.sync_now().is_none());
    disk.faults.sync_fails.store(true, Relaxed);
    syncer.appended(12);
    while syncer.unsynced().is_none_or(|unsynced| unsynced.synced != 9) {
        std::thread::yield_now();
    }
}

#[test]
fn what_does_not_reach_the_disk_is_found_out_also_where_nobody_says_anything() {
    let folder = Folder::new("journal-quiet-sync");
    let (mut journal, ..) = folder.open().expect("a journal");
    let comes_to_rest = |journal: &mut Journal| {
        let mut said = None;
        while journal.is_watchful() && said.is_none() {
            said = journal.write();
            std::thread::sleep(Duration::from_millis(10));
        }
        said
    };
    joins(&mut journal, 10, "ada");
    assert!(journal.is_watchful());
    assert_eq!(comes_to_rest(&mut journal), None);
    journal.disk.faults.sync_fails.store(true, Relaxed);
    assert_eq!(says(&mut journal, 11, "ada", "perhaps lost"), None);
    assert!(fails(comes_to_rest(&mut journal)));
    assert!(folder.text().contains("#holes"));
}

#[test]
fn an_entry_that_no_journal_may_hold_is_a_gap() {
    let folder = Folder::new("journal-unfit-entry");
    let long = "x".repeat(limits::LINE + 1);
    for (ms, who, text) in [(11, "bob", "hi"), (10, "ada", "hi"), (12, "ada", &long)] {
        let (mut journal, ..) = folder.open().expect("a journal");
        joins(&mut journal, 10, "ada");
        assert!(fails(says(&mut journal, ms, who, text)), "{ms}");
        assert_eq!(says(&mut journal, 20, "ada", "kept"), None);
        assert_eq!(mends(&mut journal), Some(Change::Works));
        drop(journal);
        let seen = folder.story();
        assert_eq!(seen[2..], [shown(&Read::Gap(at(ms))), is_in("ada"), said(20, "ada", "kept")]);
        fs::remove_file(folder.file()).expect("gone");
    }
}

#[test]
fn holes_and_a_torn_end_come_together() {
    let folder = Folder::new("journal-holes-torn");
    let text = "#smoltalk journal 1\n#holes\n#began 5-0 0\n@6-0 NOTE hi\n@7-0 NO";
    fs::write(folder.file(), text).expect("a file");
    let (_, opened, seen) = folder.open().expect("a journal");
    assert_eq!((opened.cut, opened.last), (Some(7), at(6).next(1)));
    assert_eq!(seen.last(), Some(&shown(&Read::Gap(at(6).next(1)))));
    let mended = "#smoltalk journal 1\n#whole\n#began 5-0 0\n@6-0 NOTE hi\n#gap 6-1 0\n";
    assert_eq!(folder.text(), mended);
}

// A machine that dies.

#[test]
fn a_machine_that_dies_leaves_a_gap_and_a_server_that_is_killed_does_not() {
    let folder = Folder::new("journal-boots");
    let (mut journal, ..) = folder.open_in(Some("one"), LARGE).expect("a journal");
    joins(&mut journal, 10, "ada");
    assert!(folder.text().contains("#began 1-0 0\n#boot one\n#secret ada "));
    let killed = folder.copy("journal-boots-killed");
    let (again, _, seen) = killed.open_in(Some("one"), LARGE).expect("a journal");
    assert_eq!(seen, [shown(&Read::Began(at(1))), joined(10, "ada")]);
    drop(again);
    // What came after that was never synced.
    let died = folder.copy("journal-boots-died");
    let gap = at(10).next(1);
    for _ in 0..2 {
        let (again, opened, seen) = died.open_in(Some("two"), LARGE).expect("a journal");
        assert_eq!(opened.last, gap);
        assert_eq!(seen[1..], [joined(10, "ada"), shown(&Read::Gap(gap)), is_in("ada")]);
        // It ends as it should, and so the next boot is no gap.
        drop(again);
        assert!(died.text().ends_with("#boot two\n#closed\n"));
    }
}

#[test]
fn after_an_end_as_it_should_be_no_boot_is_a_gap() {
    let folder = Folder::new("journal-closed");
    let mut all = vec![shown(&Read::Began(at(1)))];
    for (ms, boot) in [(10, Some("one")), (11, Some("one")), (12, Some("two")), (13, None)] {
        let (mut journal, _, seen) = folder.open_in(boot, LARGE).expect("a journal");
        assert_eq!(seen, all, "{ms}");
        joins(&mut journal, ms, &format!("m{ms}"));
        assert_eq!(journal.finish(), None);
        // What follows an end all the same is not closed.
        journal.add(at(ms).next(ms), Record::Note(b"more"));
        assert_eq!(journal.write(), None);
        assert!(!folder.text().ends_with("#closed\n"));
        assert_eq!((journal.finish(), journal.finish()), (None, None));
        assert_eq!(folder.text().ends_with("\n#closed\n"), boot.is_some());
        drop(journal);
        all.push(shown(&Read::Entry(
            at(ms),
            Record::Joined(name(&format!("m{ms}")), secret(b'm')),
        )));
        all.push(shown(&Read::Entry(at(ms).next(ms), Record::Note(b"more"))));
    }
    assert_eq!(folder.text().matches("#closed").count(), 6);
}

/// Whatever of the two files has reached the disk when the machine dies just after one has followed
/// the other.
#[test]
fn a_machine_that_dies_while_a_new_file_begins_loses_nothing_unnoticed() {
    let folder = Folder::new("journal-dies");
    let (mut journal, ..) = folder.open_in(Some("one"), 120).expect("a journal");
    joins(&mut journal, 10, "ada");
    joins(&mut journal, 11, "bob");
    says(&mut journal, 12, "ada", "long enough for a file of its own, and then some more of it");
    assert_eq!(rotates(&mut journal), None);
    says(&mut journal, 13, "bob", "in the new file");
    let older = fs::read(folder.older()).expect("a journal");
    let newer = fs::read_to_string(folder.file()).expect("a journal").replace("#began", "#after");
    drop(journal);
    let died = Folder::new("journal-dies-there");
    let header = newer.find("#boot").expect("the end of the header");
    let head = older.windows(6).position(|text| text == b"#secre").expect("an entry");
    for of_older in [head, head + 30, older.len() - 1, older.len()] {
        for of_newer in (0..newer.len()).step_by(9).chain([newer.len()]) {
            fs::write(died.older(), &older[..of_older]).expect("a file");
            fs::write(died.file(), &newer[..of_newer]).expect("a file");
            let (_, _, seen) = died.open_in(Some("two"), LARGE).expect("a journal");
            // One for the end of the newer, and one for that of the older.
            let gaps = seen.iter().filter(|line| line.starts_with("Gap")).count();
            let has_two = of_older < older.len() && of_newer >= header;
            assert_eq!(gaps, 1 + usize::from(has_two), "{of_older} {of_newer}: {seen:?}");
            let (_, _, again) = died.open_in(Some("two"), LARGE).expect("a journal");
            assert_eq!(again, seen, "{of_older} {of_newer}");
        }
    }
}

#[test]
fn once_both_files_are_on_the_disk_the_older_one_is_to_be_whole() {
    let folder = Folder::new("journal-settles");
    let (mut journal, _) = about_to_rotate(&folder);
    journal.size = 0;
    assert_eq!(says(&mut journal, 12, "ada", "more"), None);
    assert_eq!(rotates(&mut journal), None);
    assert_eq!(journal.syncer.sync_now().map(|unsynced| unsynced.error), None);
    assert!(folder.text().starts_with("#smoltalk journal 1\n#whole\n#began 12-0 1\n"));
}

#[test]
fn what_of_the_older_file_does_not_reach_the_disk_is_a_gap() {
    let folder = Folder::new("journal-before-fails");
    let (mut journal, mut all) = about_to_rotate(&folder);
    let next = loop {
        match journal.syncer.next() {
            Some(next) => break next.expect("prepared"),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    // Nothing is synced meanwhile.
    assert_eq!(says(&mut journal, 12, "ada", "lost"), None);
    let old = journal.disk.clone();
    old.faults.sync_fails.store(true, Relaxed);
    drop(old);
    journal.rotate(next).expect("a new file");
    assert_eq!(says(&mut journal, 13, "ada", "lost"), None);
    assert!(fails(mends(&mut journal)));
    assert_eq!(says(&mut journal, 14, "ada", "kept"), None);
    assert_eq!(mends(&mut journal), Some(Change::Works));
    drop(journal);
    for (gap, after) in [(12, &[][..]), (13, &[said(14, "ada", "kept")])] {
        all.extend([shown(&Read::Gap(at(gap))), is_in("ada")]);
        all.extend_from_slice(after);
    }
    assert_eq!(folder.story(), all);
}

// A file that is taken away.

#[test]
fn a_file_that_was_taken_away_is_missed_and_another_begins_at_its_place() {
    let folder = Folder::new("journal-taken");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    // It is found out when the next thing is said, and not before.
    assert!(journal.syncer.sync_now().is_none());
    fs::remove_file(folder.file()).expect("gone");
    assert_eq!(says(&mut journal, 11, "ada", "lost"), None);
    assert!(
        matches!(mends(&mut journal), Some(Change::Fails(why)) if why.ends_with("no longer there"))
    );
    assert_eq!(says(&mut journal, 12, "ada", "kept"), None);
    assert_eq!(mends(&mut journal), Some(Change::Works));
    assert_eq!(says(&mut journal, 13, "ada", "kept too"), None);
    assert_eq!(folder.open().expect_err("taken").kind(), ErrorKind::ResourceBusy);
    assert_eq!(fs::metadata(folder.file()).expect("a file").permissions().mode() & 0o777, 0o600);
    drop(journal);
    let expected = [
        shown(&Read::Began(at(11))),
        shown(&Read::Gap(at(11))),
        is_in("ada"),
        said(12, "ada", "kept"),
        said(13, "ada", "kept too"),
    ];
    assert_eq!(folder.story(), expected);
}

#[test]
fn a_file_that_somebody_has_given_the_older_ones_name_is_read_before_the_new_one() {
    let folder = Folder::new("journal-mv");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    // What is not on the disk yet when it is taken away is missing.
    assert!(journal.syncer.sync_now().is_none());
    fs::rename(folder.file(), folder.older()).expect("a name");
    assert_eq!(says(&mut journal, 11, "ada", "in the older one"), None);
    assert!(fails(mends(&mut journal)));
    assert_eq!(says(&mut journal, 12, "ada", "kept"), None);
    assert_eq!(mends(&mut journal), Some(Change::Works));
    drop(journal);
    let seen = folder.story();
    assert_eq!(seen[..2], [shown(&Read::Began(at(1))), joined(10, "ada")]);
    assert!(seen.iter().any(|line| line.starts_with("Gap")), "{seen:?}");
    assert_eq!(seen.last(), Some(&said(12, "ada", "kept")));
}

#[test]
fn what_stands_in_its_place_is_not_touched_and_it_goes_on_failing() {
    let folder = Folder::new("journal-replaced");
    let (mut journal, ..) = folder.open().expect("a journal");
    joins(&mut journal, 10, "ada");
    assert!(journal.syncer.sync_now().is_none());
    fs::rename(folder.file(), folder.0.join("kept")).expect("a name");
    fs::write(folder.file(), "mine").expect("a file");
    assert_eq!(says(&mut journal, 11, "ada", "lost"), None);
    let change = mends(&mut journal);
    assert!(matches!(change, Some(Change::Fails(why)) if why.ends_with("another file is there")));
    for ms in 12..20 {
        assert_eq!(says(&mut journal, ms, "ada", "lost"), None);
        assert!(journal.is_failing());
    }
    assert_eq!(folder.text(), "mine");
    // And when it is back, so is the journal.
    fs::rename(folder.0.join("kept"), folder.file()).expect("a name");
    assert_eq!(says(&mut journal, 20, "ada", "kept"), None);
    assert_eq!(mends(&mut journal), Some(Change::Works));
    drop(journal);
    let seen = folder.story();
    let end = [shown(&Read::Gap(at(19))), is_in("ada"), said(20, "ada", "kept")];
    assert!(seen.ends_with(&end), "{seen:?}");
}

// What it may be given.

#[test]
fn a_journal_that_others_could_read_is_its_owners_alone_from_then_on() {
    let folder = Folder::new("journal-mode");
    for path in [folder.file(), folder.older()] {
        fs::write(&path, if path == folder.file() { "" } else { HEAD }).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    }
    folder.open().expect("a journal");
    for path in [folder.file(), folder.older()] {
        assert_eq!(fs::metadata(path).expect("a file").permissions().mode() & 0o777, 0o600);
    }
}

const HEAD: &str = "#smoltalk journal 1\n#whole\n#began 5-0 0\n";

#[test]
fn what_is_large_and_no_journal_is_refused_at_once() {
    let folder = Folder::new("journal-sparse");
    let file = fs::File::create(folder.file()).expect("a file");
    if file.set_len(1 << 40).is_ok() {
        assert!(folder.refuses().ends_with("it is something else"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_only_looks_like_a_file_is_refused_and_nothing_is_written_to_it() {
    for path in ["/proc/self/mem", "/proc/self/oom_score_adj", "/proc/self/comm"] {
        let before = fs::read(path).ok();
        let error = Journal::open(Path::new(path), 1, at(1), &mut |_| {}).expect_err("refused");
        assert!(error.to_string().contains(path), "{error}");
        assert_eq!(fs::read(path).ok(), before);
    }
    // To read this gives nothing.
    let error = Journal::open(Path::new("/proc/self/clear_refs"), 1, at(1), &mut |_| {});
    error.expect_err("refused");
}

#[test]
fn a_path_cannot_drive_the_terminal_of_who_reads_what_is_said_of_it() {
    let folder = Folder::new("journal-path");
    let path = folder.0.join("log\u{1b}[2J\nx");
    fs::write(&path, "hello").expect("a file");
    let error = Journal::open(&path, 1, at(1), &mut |_| {}).expect_err("refused").to_string();
    assert!(!error.contains(char::is_control) && error.contains("log\u{241b}[2J"), "{error}");
    fs::remove_file(&path).expect("gone");
    let (mut journal, _) = Journal::open_in(None, &path, 1, at(1), &mut |_| {}).expect("a journal");
    has_space(&journal, 0);
    let said = joins(&mut journal, 10, "ada").expect("it fails").to_string();
    assert!(!said.contains(char::is_control), "{said}");
}
