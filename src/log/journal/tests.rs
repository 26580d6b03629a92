//! A journal as a whole: what is written is read, whatever happens in between.

use super::*;
use crate::protocol::Secret;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

/// A folder of a test's own, gone after it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("smoltalk-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("journal")
    }

    fn older(&self) -> PathBuf {
        self.0.join("journal.1")
    }

    fn next(&self) -> PathBuf {
        self.0.join("journal.smoltalk-new")
    }

    fn text(&self) -> String {
        String::from_utf8(fs::read(self.file()).expect("a journal")).expect("text")
    }

    fn open(&self) -> io::Result<(Journal, Opened, Vec<String>)> {
        self.open_with(LARGE)
    }

    /// Opens the journal, and says what was read.
    fn open_with(&self, size: u64) -> io::Result<(Journal, Opened, Vec<String>)> {
        let mut seen = Vec::new();
        let mut read = |what: Read<'_>| seen.push(shown(&what));
        let (mut journal, opened) = Journal::open(&self.file(), size, at(1), &mut read)?;
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
    let folder = Folder::new("journal-steps");
    for step in 0..4 {
        let (journal, all) = about_to_rotate(&folder);
        let mut header = Vec::new();
        format::push_header(at(11), &journal.members, &mut header);
        let prepared = journal.place.prepare(&header).expect("prepared");
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
        drop((journal, prepared));
        for _ in 0..2 {
            let (mut journal, opened, seen) = folder.open().expect("a journal");
            assert_eq!((opened.cut, opened.last, &seen), (None, at(11), &all), "{step}");
            assert!(folder.file().exists() && !folder.next().exists());
            assert_eq!(journal.write(), None);
        }
        let (mut journal, ..) = folder.open_with(0).expect("a journal");
        assert_eq!(says(&mut journal, 12, "ada", "more"), None);
        drop(journal);
        assert_eq!(folder.story().last(), Some(&said(12, "ada", "more")));
        fs::remove_file(folder.file()).expect("gone");
        let _ = fs::remove_file(folder.older());
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
    let first = says(&mut journal, 11, "ada", "hi");
    assert!(matches!(first, Some(Change::Grows(_))), "{first:?}");
    assert_eq!(says(&mut journal, 12, "ada", "hi"), None);
    fs::remove_dir(folder.next()).expect("out of the way");
    assert_eq!(says(&mut journal, 13, "ada", "hi"), None);
    assert!(!folder.older().exists(), "it does not try each time");
    journal.rotates = Some(Instant::now());
    assert_eq!(says(&mut journal, 14, "ada", "hi"), None);
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
    let grows = says(&mut journal, 11, "ada", "hi");
    assert!(matches!(grows, Some(Change::Grows(why)) if why.ends_with("no longer there")));
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
    assert_eq!(says(&mut journal, 101, "bob", "kept again"), Some(Change::Works));
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
    assert_eq!(journal.write(), Some(Change::Works));
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
    assert_eq!(says(&mut journal, 60, "ada", "kept"), Some(Change::Works));
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
    journal.disk.faults.sync_fails.store(false, Relaxed);
    assert_eq!(says(&mut journal, 13, "ada", "kept"), Some(Change::Works));
    drop(journal);
    assert_eq!(
        folder.story()[1..],
        [joined(10, "ada"), shown(&Read::Gap(at(12))), is_in("ada"), said(13, "ada", "kept")]
    );
}

#[test]
fn the_thread_finds_out_what_does_not_reach_the_disk() {
    let folder = Folder::new("journal-thread");
    let (journal, ..) = folder.open().expect("a journal");
    let disk = journal.disk.clone();
    disk.faults.sync_fails.store(true, Relaxed);
    let folder = journal.place.folder().expect("a folder");
    let syncer = Syncer::start(disk.clone(), 5, folder, Duration::ZERO).expect("a thread");
    let unsynced = loop {
        match syncer.unsynced() {
            Some(unsynced) => break unsynced,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!((unsynced.synced, unsynced.error.as_str()), (5, "the disk fails"));
    disk.faults.sync_fails.store(false, Relaxed);
    syncer.changed(9);
    assert!(syncer.sync_now().is_none());
    disk.faults.sync_fails.store(true, Relaxed);
    syncer.changed(12);
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
        assert_eq!(says(&mut journal, 20, "ada", "kept"), Some(Change::Works));
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
