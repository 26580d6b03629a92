//! A program on a terminal, and what is typed into it and shown by it.

use crate::process::{Result, works};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program on a terminal. Killed when this is dropped.
pub struct Window {
    pub child: Child,
    /// What is written to it is typed.
    pub keys: File,
}

impl Window {
    /// Starts a program on a terminal of 80 columns and 24 rows, and hands all that it shows to
    /// `shown`.
    pub fn open(
        program: &Path,
        args: &[&str],
        mut shown: impl FnMut(&[u8]) + Send + 'static,
    ) -> Result<Self> {
        if !works("setsid", &["--version"]) {
            return Err("util-linux' setsid is missing".into());
        }
        let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&window)?;
        unlockpt(&window)?;
        let path = ptsname(&window, Vec::new())?;
        let tty = open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        tcsetwinsize(&tty, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program).args(args);
        command.env("TERM", "xterm-256color").stdin(Stdio::from(tty.try_clone()?));
        command.stdout(Stdio::from(tty.try_clone()?)).stderr(Stdio::from(tty));
        let child = command.spawn()?;
        let mut screen = File::from(window.try_clone()?);
        // It ends when nobody holds the terminal any more.
        std::thread::spawn(move || {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                shown(&bytes[..read]);
            }
        });
        Ok(Self { child, keys: File::from(window) })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
