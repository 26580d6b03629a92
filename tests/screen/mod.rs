//! A terminal to test a program on: a pseudo-terminal and a model of its screen.

// Each test file uses its part.
#![allow(dead_code)]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, WaitOptions, WaitStatus, ioctl_tiocsctty, setsid, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::env;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// After this, something hangs.
const DEADLINE: Duration = Duration::from_secs(5);

/// How a test names the terminal to the process that is to own it.
const TTY: &str = "SMOLTALK_TEST_TTY";
const PROGRAM: &str = "SMOLTALK_TEST_PROGRAM";

static ALONE: Mutex<()> = Mutex::new(());

/// A program on a terminal.
pub struct Person {
    child: Child,
    /// The side of the pseudo-terminal that a terminal's window has.
    window: File,
    /// Keeps the other side open, so that its modes can be looked at.
    tty: OwnedFd,
    before: Termios,
    screen: vt100::Parser,
    size: (u16, u16),
    /// All that was written.
    pub written: Vec<u8>,
}

/// Becomes a program that owns a terminal, if it is started for that: by [`Person::starts`], as the
/// ignored test `owner` of the same file. Rust can start no program in a session of its own otherwise
/// without `unsafe`.
pub fn own_terminal() {
    let (Some(tty), Some(program)) = (env::var_os(TTY), env::var_os(PROGRAM)) else { return };
    setsid().expect("a session");
    let tty = open(&tty, OFlags::RDWR, Mode::empty()).expect("the terminal");
    ioctl_tiocsctty(&tty).expect("it is ours");
    let stdio = || Stdio::from(tty.try_clone().expect("a handle"));
    let mut program = Command::new(program);
    program.args(env::args().skip_while(|arg| arg != "--").skip(1));
    program.env_remove(TTY).env_remove(PROGRAM);
    panic!("{}", program.stdin(stdio()).stdout(stdio()).stderr(stdio()).exec());
}

impl Person {
    /// Starts `program` with `args` and the environment `set`, on a terminal of `columns` and
    /// `rows`.
    pub fn starts(program: &str, args: &[&str], set: &[(&str, &str)], size: (u16, u16)) -> Self {
        // Whatever else is started meanwhile must not hold the window open.
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        fcntl_setfd(&window, FdFlags::CLOEXEC).expect("it is ours");
        grantpt(&window).expect("it is ours");
        unlockpt(&window).expect("it is ours");
        let path = ptsname(&window, Vec::new()).expect("its name").into_string().expect("ASCII");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let tty = open(&path, flags, Mode::empty()).expect("its other side");
        resize(&tty, size);
        let before = tcgetattr(&tty).expect("its modes");
        let mut owner = Command::new(env::current_exe().expect("this test"));
        owner.args(["owner", "--ignored", "--nocapture", "--"]).args(args);
        for unset in ["HOST", "PORT", "USERNAME", "CHAT"] {
            owner.env_remove(format!("SMOLTALK_{unset}"));
        }
        owner.env_remove("NO_COLOR");
        owner.env("TERM", "xterm-256color").env("TZ", "UTC0").envs(set.iter().copied());
        owner.env(TTY, &path).env(PROGRAM, program);
        let child = owner.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let screen = vt100::Parser::new(cells(size.1), cells(size.0), 0);
        let window = File::from(window);
        Self { child, window, tty, before, screen, size, written: Vec::new() }
    }

    pub fn types(&mut self, keys: &str) {
        self.window.write_all(keys.as_bytes()).expect("it reads");
    }

    /// Pastes as a terminal does that was asked for brackets.
    pub fn pastes(&mut self, text: &str) {
        self.types(&format!("\x1b[200~{}\x1b[201~", text.replace('\n', "\r")));
    }

    /// The screen: its rows without the blanks at their ends and the empty rows at its own; `█`
    /// where the cursor is, each time of day as `09:05`, and each round trip as `✓ 1 ms`.
    pub fn picture(&self) -> String {
        let (row, column) = self.screen.screen().cursor_position();
        let mut rows = Vec::new();
        for (n, shown) in (0u16..).zip(self.screen.screen().rows(0, self.size.0)) {
            let mut shown = shown.trim_end().to_string();
            if n == row {
                let before = self.screen.screen().rows(0, column).nth(usize::from(row));
                let before = before.unwrap_or_default();
                let width = before.len() + usize::from(column).saturating_sub(columns(&before));
                let behind = shown.get(before.len()..).unwrap_or_default();
                let pad = " ".repeat(width - before.len());
                shown = format!("{before}{pad}█{}", behind.strip_prefix(' ').unwrap_or(behind));
            }
            rows.push(at_five_past_nine(&after_a_millisecond(&shown)));
        }
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows.iter().flat_map(|row| [row, "\n"]).collect()
    }

    /// Waits until the screen is as `expected` says.
    #[track_caller]
    pub fn sees(&mut self, expected: &str) {
        self.reads_until(|person| person.picture() == expected)
            .unwrap_or_else(|seen| panic!("expected:\n{expected}\ngot:\n{seen}"));
    }

    /// Waits until `part` is on the screen.
    #[track_caller]
    pub fn sees_part(&mut self, part: &str) {
        self.reads_until(|person| person.picture().contains(part))
            .unwrap_or_else(|seen| panic!("expected: {part}\ngot:\n{seen}"));
    }

    /// Waits until `bytes` were written.
    #[track_caller]
    pub fn reads(&mut self, bytes: &str) {
        let bytes = bytes.as_bytes();
        let has = |person: &Self| person.written.windows(bytes.len()).any(|part| part == bytes);
        let read = self.reads_until(has);
        assert!(read.is_ok(), "{}", String::from_utf8_lossy(&self.written).escape_debug());
    }

    fn reads_until(&mut self, enough: impl Fn(&Self) -> bool) -> Result<(), String> {
        let start = Instant::now();
        while !enough(self) {
            if start.elapsed() > DEADLINE || !self.read() {
                return if enough(self) { Ok(()) } else { Err(self.picture()) };
            }
        }
        Ok(())
    }

    /// Takes in what has been written, if anything is within the deadline.
    fn read(&mut self) -> bool {
        let mut ready = [PollFd::new(&self.window, PollFlags::IN)];
        let deadline = Timespec { tv_sec: 1, tv_nsec: 0 };
        if poll(&mut ready, Some(&deadline)).expect("poll works") == 0 {
            return true;
        }
        let mut bytes = [0; 4096];
        let read = self.window.read(&mut bytes).unwrap_or(0);
        self.written.extend_from_slice(&bytes[..read]);
        self.screen.process(&bytes[..read]);
        read > 0
    }

    /// Makes the window larger or smaller, as most terminals do: rows that no longer fit go on in
    /// the next, and no row that was ended grows.
    pub fn resizes(&mut self, size: (u16, u16)) {
        let (row, column) = self.screen.screen().cursor_position();
        let mut reflown = vt100::Parser::new(cells(size.1), cells(size.0), 0);
        let rows: Vec<String> = self.screen.screen().rows(0, self.size.0).collect();
        let mut cursor = (0, 0);
        let mut end = usize::from(row);
        while end + 1 < rows.len() && !rows[end + 1].is_empty() {
            end += 1;
        }
        for (n, shown) in rows.iter().enumerate().take(end + 1) {
            if n > 0 {
                reflown.process(b"\r\n");
            }
            if n == usize::from(row) {
                let (row, _) = reflown.screen().cursor_position();
                cursor = (row + column / size.0, column % size.0);
            }
            reflown.process(shown.as_bytes());
        }
        reflown.process(format!("\x1b[{};{}H", cursor.0 + 1, cursor.1 + 1).as_bytes());
        self.screen = reflown;
        self.size = size;
        resize(&self.tty, size);
    }

    pub fn signals(&self, name: &str) {
        let kill = [format!("-{name}"), self.child.id().to_string()];
        assert!(Command::new("kill").args(kill).status().expect("kill(1)").success());
    }

    /// Waits until the program has been stopped.
    pub fn is_stopped(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let status = waitpid(pid, WaitOptions::UNTRACED).expect("a child");
        assert!(status.is_some_and(|(_, status): (Pid, WaitStatus)| status.stopped()));
        assert!(self.is_as_before());
    }

    /// Waits until the program has ended; its exit code. The terminal must be as it was.
    #[track_caller]
    pub fn ends(&mut self) -> (i32, String) {
        let start = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status.code().expect("it was not killed");
            }
            assert!(start.elapsed() < DEADLINE, "it goes on:\n{}", self.picture());
            self.read_soon();
        };
        while self.read_soon() {}
        assert!(self.is_as_before(), "the terminal is not what it was");
        assert!(!self.screen.screen().bracketed_paste());
        assert!(!self.screen.screen().hide_cursor());
        (code, self.picture())
    }

    /// Waits until the program has ended, though nothing that it writes is taken.
    #[track_caller]
    pub fn ends_unseen(self) -> Option<i32> {
        let Self { mut child, window, tty, .. } = self;
        let (ended, end) = channel();
        let id = child.id().to_string();
        thread::spawn(move || ended.send(child.wait().expect("a child").code()));
        let code = end.recv_timeout(DEADLINE).unwrap_or_else(|_| {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
            panic!("it goes on");
        });
        drop((window, tty));
        code
    }

    /// Closes the window while the program runs; its exit code.
    pub fn closes(mut self) -> Option<i32> {
        drop(self.tty);
        drop(self.window);
        self.child.wait().expect("a child").code()
    }

    /// Takes in what is there; whether there was something.
    /// Takes in what is written within a moment, if anything is.
    pub fn read_soon(&mut self) -> bool {
        let mut ready = [PollFd::new(&self.window, PollFlags::IN)];
        let soon = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        poll(&mut ready, Some(&soon)).expect("poll works") > 0 && self.read()
    }

    pub fn is_as_before(&self) -> bool {
        let now = tcgetattr(&self.tty).expect("its modes");
        now.local_modes == self.before.local_modes
            && now.input_modes == self.before.input_modes
            && now.output_modes == self.before.output_modes
            && format!("{:?}", now.special_codes) == format!("{:?}", self.before.special_codes)
    }
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("some")
}

fn resize(tty: &OwnedFd, (columns, rows): (u16, u16)) {
    let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(tty, size).expect("it has a size");
}

/// As the model of the screen counts them: character by character.
fn columns(text: &str) -> usize {
    let mut row = vt100::Parser::new(cells(1), cells(u16::MAX), 0);
    row.process(text.as_bytes());
    usize::from(row.screen().cursor_position().1)
}

fn after_a_millisecond(row: &str) -> String {
    let Some((before, time)) = row.split_once("✓ ") else { return row.into() };
    let mut parts = time.splitn(3, ' ');
    let (number, unit) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let rest = parts.next().map(|rest| format!(" {rest}")).unwrap_or_default();
    match number.parse::<u32>() {
        Ok(_) if ["µs", "ms", "s"].contains(&unit) => format!("{before}✓ 1 ms{rest}"),
        _ => row.into(),
    }
}

fn at_five_past_nine(row: &str) -> String {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    match (row.get(..2), row.get(2..3), row.get(3..5), row.get(5..6)) {
        (Some(hour), Some(":"), Some(minute), Some(" ")) if digits(hour) && digits(minute) => {
            format!("09:05{}", &row[5..])
        }
        _ => row.into(),
    }
}
