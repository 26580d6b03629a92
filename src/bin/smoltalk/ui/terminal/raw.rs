//! The terminal itself: keys instead of lines, its size, and everything as it was in the end.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::retry_on_intr;
use rustix::process::{self, Signal};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, SpecialCodeIndex, Termios,
    tcflush, tcgetattr, tcgetwinsize, tcsetattr, ttyname,
};
use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What is pasted comes in brackets.
const BEGIN: &str = "\x1b[?2004h";

/// No brackets; rows that wrap.
const END: &[u8] = b"\x1b[?2004l\x1b[?7h";

/// How long a terminal may take for what it has been given to show.
const MUCH: Duration = Duration::from_millis(500);

/// How long it is tried after that, at the most.
const LITTLE: Duration = Duration::from_millis(100);

/// How long to wait before it is asked again.
const A_MOMENT: Duration = Duration::from_millis(1);

/// No colour. Whoever wants none need not be freed of it.
const PLAIN: &[u8] = b"\x1b[m";

/// How the terminal was, while it is not so.
///
/// A process has one terminal, and a panic must find it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Nothing more is to be shown.
static OVER: AtomicBool = AtomicBool::new(false);

/// A row may break off in colour.
static COLOURED: AtomicBool = AtomicBool::new(false);

/// Ctrl-C is a key now.
static INTERRUPTS: AtomicBool = AtomicBool::new(false);

/// Ctrl-C, as long as nobody has made the terminal take another key for it.
const INTERRUPT: u8 = 3;

/// As long as it lives, the terminal passes on each key as it is pressed.
///
/// Ctrl-Z goes on being a signal, and Ctrl-C while no line is being typed: they work whatever the
/// program is busy with.
#[derive(Debug)]
pub struct Raw(());

impl Raw {
    /// The terminal must also be told [`Raw::greeting`].
    pub fn enter(colour: bool) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        COLOURED.store(colour, Ordering::Relaxed);
        HOOK.call_once(|| {
            let hook = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                restore();
                hook(panic);
            }));
        });
        let raw = Self(());
        take_over()?;
        Ok(raw)
    }

    pub const fn greeting() -> &'static str {
        BEGIN
    }

    /// Whether Ctrl-C is a key from now on, and no signal.
    pub fn interrupts(is_key: bool) {
        if INTERRUPTS.swap(is_key, Ordering::Relaxed) != is_key {
            let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let _ = before.map(|before| tcsetattr(stdin(), OptionalActions::Now, &keys(before)));
        }
    }

    /// Sends the process what Ctrl-C sends.
    pub fn interrupt() -> io::Result<()> {
        Ok(process::kill_process(process::getpid(), Signal::INT)?)
    }

    /// Stops the process as Ctrl-Z does, the terminal as it was. Returns when it goes on.
    pub fn suspend() -> io::Result<()> {
        restore();
        process::kill_process(process::getpid(), Signal::STOP)?;
        take_over()
    }

    /// Has the terminal pass on each key again: while the process was stopped, somebody else may
    /// have had it.
    pub fn again() -> io::Result<()> {
        restore();
        take_over()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
        OVER.store(true, Ordering::Relaxed);
    }
}

/// Standard output, until the terminal is what it was before, or has taken too long: what comes later
/// would break off anywhere. Nor is the rest of a row kept to be written at the end of the program.
#[derive(Debug)]
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if OVER.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        Ok(retry_on_intr(|| rustix::io::write(stdout(), bytes))?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn take_over() -> io::Result<()> {
    OVER.store(false, Ordering::Relaxed);
    let before = tcgetattr(stdin())?;
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
    Ok(tcsetattr(stdin(), OptionalActions::Now, &keys(before))?)
}

fn keys(mut modes: Termios) -> Termios {
    modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
    modes.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    // Ctrl-S is a key too; and Enter is not Ctrl-J.
    modes.input_modes -= InputModes::IXON | InputModes::ICRNL;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    let interrupt = &mut modes.special_codes[SpecialCodeIndex::VINTR];
    if INTERRUPTS.load(Ordering::Relaxed) && *interrupt == INTERRUPT {
        *interrupt = 0;
    }
    // Ctrl-\ would leave the terminal as it is now.
    modes.special_codes[SpecialCodeIndex::VQUIT] = 0;
    modes
}

/// Makes the terminal what it was, if it is not.
fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(before) = before else { return };
    let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    let plain = if COLOURED.load(Ordering::Relaxed) { PLAIN } else { b"" };
    show_at_last(&[END, plain].concat(), &before);
}

/// A terminal that has stopped must not hold us up; one that has much to show gets there. What it has
/// not shown by then is thrown away: it must not be left as it is.
///
/// It says that it takes more while it has room for a byte, and somebody else may be quicker: so it is
/// opened once more, not to wait for it longer than it may take.
fn show_at_last(bytes: &[u8], modes: &Termios) {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let again = ttyname(stdout(), Vec::new()).and_then(|path| open(path, flags, Mode::empty()));
    let Ok(terminal) = again else { return };
    let (start, mut rest) = (Instant::now(), bytes);
    while !rest.is_empty() && start.elapsed() < MUCH + LITTLE {
        let left = MUCH.saturating_sub(start.elapsed());
        let is_late = left.is_zero();
        if is_late && rest.len() == bytes.len() {
            OVER.store(true, Ordering::Relaxed);
            let _ = tcflush(&terminal, QueueSelector::OFlush);
            // Whoever waits to write more looks again whether he can.
            let _ = tcsetattr(&terminal, OptionalActions::Now, modes);
        }
        let mut out = [PollFd::new(&terminal, PollFlags::OUT)];
        let wait = if is_late { A_MOMENT } else { left };
        // A signal may come: that is no reason to leave the terminal as it is.
        let _ = poll(&mut out, wait.try_into().ok().as_ref());
        match rustix::io::write(&terminal, rest) {
            Ok(written) => rest = &rest[written..],
            // What was drawn before is still being written.
            Err(_) => thread::sleep(A_MOMENT),
        }
    }
}

/// Columns and rows.
pub fn size() -> (usize, usize) {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        _ => (80, 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal_model::{Person, own_terminal};

    #[test]
    #[ignore = "it is started by the other"]
    fn owner() {
        own_terminal();
    }

    #[test]
    #[ignore = "it is started by the other"]
    fn panics() {
        // Nobody drops it: the release build stops where it panics.
        std::mem::forget(Raw::enter(true).expect("a terminal"));
        println!("{}", Raw::greeting());
        panic!("for a test");
    }

    #[test]
    fn a_panic_is_read_on_a_terminal_that_is_what_it_was() {
        let program = std::env::current_exe().expect("this test");
        let program = program.to_str().expect("UTF-8");
        let panics = ["ui::terminal::raw::tests::panics", "--exact", "--ignored", "--nocapture"];
        let short = [("RUST_BACKTRACE", "0")];
        let (code, picture) = Person::starts(program, &panics, &short, (80, 24)).ends();
        assert_eq!(code, 101);
        assert!(picture.contains("for a test"), "{picture}");
    }
}
