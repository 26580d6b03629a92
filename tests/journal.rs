//! The journal from outside: what is in the file, and what becomes of a room whose server was killed,
//! whose disk is full, or whose file is not its own.

mod support;

use smoltalk::protocol::Id;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use support::again::SECRET;
use support::{Daemon, Folder, Telnet, command, run};

fn start(journal: &Path, more: &[&str]) -> Daemon {
    Daemon::start(&[&["--journal", journal.to_str().expect("a path")], more].concat())
}

/// The lines of a journal without what it needs beside entries, and without their ids.
fn entries(journal: &Path) -> Vec<String> {
    let text = fs::read_to_string(journal).expect("a journal");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').map_or(line, |(_, words)| words).to_owned()).collect()
}

/// Ada, who can come back.
#[track_caller]
fn enters(server: &Daemon) -> Telnet {
    joins(server, "")
}

/// Ada again, who has heard all up to there.
#[track_caller]
fn comes_back(server: &Daemon, since: Id) -> Telnet {
    joins(server, &format!(" since={since}"))
}

#[track_caller]
fn joins(server: &Daemon, since: &str) -> Telnet {
    let mut ada = server.guest();
    ada.types(&format!("JOIN ada id echo resume={SECRET}{since}"));
    ada.sees("OK ada 1 ...");
    ada
}

/// The id in the next line.
fn id_of(member: &mut Telnet) -> Id {
    let line = member.line();
    Id::stamped(line.as_bytes()).0.unwrap_or_else(|| panic!("no id: {line}"))
}

#[test]
fn a_journal_is_the_rooms_log_as_text_and_in_it_before_anybody_gets_it() {
    let folder = Folder::new("text");
    let journal = folder.file("log");
    let server = start(&journal, &["--presence-limit", "0"]);
    let (mut ada, mut bob) = (server.member("ada"), server.member("bob"));
    ada.types("MSG hi \u{1b}[2J");
    bob.sees("MSG ada hi ␛[2J");
    ada.sends(b"DATA 5\none\n2\n");
    bob.sees("MSG ada one");
    bob.sees("MSG ada 2");
    bob.types("TELL ada psst");
    ada.sees("TELL bob psst");
    bob.types("LEAVE");
    bob.sees("BYE");
    let lines = ["JOINED ada", "JOINED bob", "MSG ada hi ␛[2J", "DATA ada 5"];
    let all = entries(&journal);
    assert_eq!(all[..4], lines);
    assert_eq!(all[6..], ["TELL bob psst", "LEFT bob"]);
    let mode = fs::metadata(&journal).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn who_comes_back_after_a_kill_reads_what_it_missed_and_the_others_are_lost() {
    let folder = Folder::new("kill");
    let journal = folder.file("log");
    let mut server = start(&journal, &[]);
    let mut ada = enters(&server);
    let mut bob = server.member("bob");
    let mut since = id_of(&mut ada);
    bob.types("MSG one");
    since = since.max(id_of(&mut ada));
    bob.types("MSG two");
    bob.types("TELL ada three");
    bob.fence();
    server.dies();
    let server = start(&journal, &[]);
    let mut ada = comes_back(&server, since);
    assert!(ada.line().ends_with(" MSG bob two"));
    assert!(ada.line().ends_with(" TELL bob three"));
    ada.fence();
    assert_eq!(entries(&journal)[5..], ["LEFT ada lost", "LEFT bob lost", "JOINED ada"]);
}

/// Waits until that is an entry, while nobody says anything that would have it written.
#[track_caller]
fn awaits(journal: &Path, entry: &str) {
    let begun = Instant::now();
    while !entries(journal).iter().any(|line| line == entry) {
        assert!(begun.elapsed() < Duration::from_secs(10), "no {entry}: {:?}", entries(journal));
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn who_was_lost_in_a_kill_is_so_from_the_start_also_where_nobody_comes() {
    let folder = Folder::new("lost");
    let journal = folder.file("log");
    let mut server = start(&journal, &[]);
    let mut ada = server.member("ada");
    ada.fence();
    server.dies();
    let _server = start(&journal, &[]);
    awaits(&journal, "LEFT ada lost");
}

#[test]
fn what_makes_no_line_for_anybody_is_written_too() {
    let folder = Folder::new("no-line");
    let journal = folder.file("log");
    let server = start(&journal, &[]);
    let mut ada = server.guest();
    ada.types("JOIN ada echo");
    ada.sees("OK ada 1");
    ada.sends(b"DATA 1\n\n\n");
    awaits(&journal, "DATA ada 1");
}

#[test]
fn a_quiet_log_that_was_kept_whole_is_no_gap() {
    let folder = Folder::new("quiet");
    let journal = folder.file("log");
    let mut server = start(&journal, &[]);
    let mut ada = enters(&server);
    ada.types("MSG one");
    let since = id_of(&mut ada);
    server.signal("TERM");
    ada.sees("BYE shutdown");
    assert!(server.end().0.success());
    assert_eq!(entries(&journal), ["JOINED ada", "MSG ada one", "LEFT ada"]);
    for _ in 0..2 {
        let mut server = start(&journal, &[]);
        let mut ada = comes_back(&server, since);
        ada.fence();
        server.signal("TERM");
        ada.sees("BYE shutdown");
        assert!(server.end().0.success());
    }
}

#[test]
fn an_end_that_a_crash_has_torn_is_cut_off_and_said() {
    let folder = Folder::new("torn");
    let journal = folder.file("log");
    let mut server = start(&journal, &[]);
    let mut ada = server.member("ada");
    ada.types("MSG whole");
    ada.fence();
    server.dies();
    let whole = fs::read(&journal).expect("a journal");
    let mut file = File::options().append(true).open(&journal).expect("a journal");
    file.write_all(b"@99999999999999-0 MSG ada ha").expect("written");
    let mut server = start(&journal, &[]);
    server.log.finds("journal: cut off 28 bytes");
    server.signal("TERM");
    server.end();
    assert!(fs::read(&journal).expect("a journal").starts_with(&whole));
    assert_eq!(entries(&journal)[1..], ["MSG ada whole", "LEFT ada lost"]);
}

#[test]
fn damage_anywhere_else_is_refused_with_the_place_and_the_file_stays_as_it_is() {
    let folder = Folder::new("damage");
    let journal = folder.file("log");
    let mut server = start(&journal, &[]);
    let mut ada = server.member("ada");
    ada.types("MSG one");
    ada.types("MSG two");
    ada.fence();
    server.signal("TERM");
    server.end();
    let text =
        fs::read_to_string(&journal).expect("a journal").replace("MSG ada one", "MSG eve one");
    fs::write(&journal, &text).expect("written");
    let error = refused(&journal);
    assert!(error.contains("damaged at byte") && error.contains("line"), "{error}");
    assert_eq!(fs::read_to_string(&journal).expect("a journal"), text);
}

#[test]
fn what_is_no_journal_is_refused_and_not_touched() {
    let folder = Folder::new("other");
    let other = folder.file("letter");
    fs::write(&other, "Dear ada,\n").expect("written");
    assert!(refused(&other).contains("letter"));
    assert_eq!(fs::read(&other).expect("a letter"), b"Dear ada,\n");
    refused(&folder.0);
    refused(Path::new("/dev/null"));
    refused(&folder.file("no/such/folder"));
}

#[test]
fn a_second_server_on_a_journal_is_refused() {
    let folder = Folder::new("second");
    let journal = folder.file("log");
    let server = start(&journal, &[]);
    let before = fs::read(&journal).expect("a journal");
    assert!(refused(&journal).contains("log"));
    assert_eq!(fs::read(&journal).expect("a journal"), before);
    server.member("ada");
}

#[test]
fn past_its_size_a_new_file_begins_and_the_old_one_is_read_too() {
    let folder = Folder::new("size");
    let journal = folder.file("log");
    let mut server = start(&journal, &["--journal-size", "2000"]);
    let mut ada = server.guest();
    ada.types("JOIN ada id echo");
    ada.sees("OK ada 1 ...");
    ada.types("MSG first");
    let since = id_of(&mut ada);
    while !folder.file("log.1").exists() {
        ada.types("MSG more");
        id_of(&mut ada);
    }
    ada.types("MSG last");
    id_of(&mut ada);
    server.dies();
    // How much more that was, the disk decides.
    let all = ["--history", "1000000", "--history-bytes", "100000000"];
    let bob_sees_more = |server: &Daemon| {
        let mut bob = server.guest();
        bob.types(&format!("JOIN bob since={since}"));
        bob.sees("OK bob 1");
        bob.sees("MSG ada more");
        bob
    };
    let mut server = start(&journal, &all);
    let mut bob = bob_sees_more(&server);
    bob.finds("MSG ada last");
    bob.fence();
    server.dies();
    // As where a crash came between the two names.
    fs::rename(&journal, folder.file("gone")).expect("renamed");
    let server = start(&journal, &all);
    bob_sees_more(&server);
}

#[test]
fn where_the_disk_is_full_the_room_goes_on_and_what_was_not_kept_is_a_gap() {
    let folder = Folder::new("full");
    let journal = folder.file("log");
    let path = journal.to_str().expect("a path").to_owned();
    let mut server = Daemon::start_after("ulimit -f 8", &["--quiet", "--journal", &path]);
    let mut ada = enters(&server);
    ada.types("MSG kept");
    let since = id_of(&mut ada);
    // 8 blocks of 512 or 1,024 bytes.
    for _ in 0..20 {
        ada.types(&format!("MSG {}", "x".repeat(1000)));
        id_of(&mut ada);
    }
    server.log.finds("journal: cannot keep ");
    ada.types("MSG the room goes on");
    let last = id_of(&mut ada);
    server.signal("KILL");
    let (_, rest) = server.end();
    assert!(rest.is_empty(), "it is said once: {rest:?}");
    let server = start(&journal, &[]);
    for since in [since, last] {
        let mut ada = comes_back(&server, since);
        ada.sees("GAP");
    }
}

/// Whether who comes back is told that something is missing, where the machine has not just gone on.
#[cfg(target_os = "linux")]
#[test]
fn what_a_machine_that_died_has_lost_is_a_gap() {
    let folder = Folder::new("boot");
    let journal = folder.file("log");
    let mut server = start(&journal, &[]);
    let mut ada = enters(&server);
    ada.types("MSG kept");
    id_of(&mut ada);
    let kept = fs::read_to_string(&journal).expect("a journal");
    ada.types("MSG lost");
    let since = id_of(&mut ada);
    server.dies();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    assert!(kept.contains(boot.trim_end()));
    fs::write(&journal, kept.replace(boot.trim_end(), "another")).expect("written");
    let server = start(&journal, &[]);
    let mut ada = comes_back(&server, since);
    ada.sees("GAP");
}

#[test]
fn a_file_that_is_taken_away_is_missed_and_a_new_one_begins_at_its_place() {
    let folder = Folder::new("taken");
    let journal = folder.file("log");
    let mut server = start(&journal, &["--quiet"]);
    let mut ada = enters(&server);
    fs::remove_file(&journal).expect("gone");
    ada.types("MSG lost");
    let since = id_of(&mut ada);
    server.log.finds("journal: cannot keep ");
    server.log.finds("journal: what happens is kept again");
    ada.types("MSG kept");
    let kept = id_of(&mut ada);
    server.dies();
    let server = start(&journal, &[]);
    let mut ada = comes_back(&server, since);
    assert!(ada.line().ends_with(" MSG ada kept"), "{kept}");
    let mut bob = server.guest();
    bob.types("JOIN bob since=1-0");
    bob.sees("OK bob 2");
    bob.sees("GAP");
}

/// What a server says that does not start with this journal.
#[track_caller]
fn refused(journal: &Path) -> String {
    let path = journal.to_str().expect("a path");
    let output = run(command(&["--listen", "127.0.0.1:0", "--journal", path]));
    let error = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("smoltalkd: "), "{error}");
    error
}
