//! The files that say who may come in: the key and the bans.

use super::bans::Bans;
use super::guard::Guard;
use crate::net::files;
use crate::protocol::Key;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Where key and bans stand, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Its first line is the key.
    pub key_file: Option<PathBuf>,
    /// Where bans are kept.
    pub bans_file: Option<PathBuf>,
}

impl Access {
    /// What the files say; fails where one cannot be read, and names it, and the flag that has named it.
    pub fn read(&self) -> io::Result<Guard> {
        let key = self.key_file.as_deref().map(read_key).transpose();
        let key = key.map_err(of_flag("--key-file"))?;
        let bans = self.bans_file.as_deref();
        let bans = bans.map(|path| read_bans_or(path, Bans::default())).transpose();
        let bans = bans.map_err(of_flag("--bans"))?;
        Ok(Guard::new(key, bans.unwrap_or_default()))
    }
}

/// The key of a file.
pub fn read_key(path: &Path) -> io::Result<Key> {
    let key = Key::of_file(&read(path)?);
    let wrong = "its first line is no key: it has 1 to 4091 bytes, and no CR";
    key.ok_or_else(|| named(path, wrong))
}

/// The bans of a file.
pub fn read_bans(path: &Path) -> io::Result<Bans> {
    let text = String::from_utf8(read(path)?).map_err(|_| named(path, "not UTF-8"))?;
    Bans::read(&text).map_err(|(line, why)| named(path, format!("line {line}: {why}")))
}

/// The same; where there is no file yet, these.
pub fn read_bans_or(path: &Path, bans: Bans) -> io::Result<Bans> {
    match read_bans(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(bans),
        read => read,
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    files::read(path).map_err(|why| of(path, &why))
}

/// Puts a new file of bans in the old one's place, once it is on the disk. What a person has noted in that one stands
/// first.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let old = read(path).unwrap_or_default();
    let old = String::from_utf8_lossy(&old);
    let notes = old.lines().filter(|line| line.trim_start().starts_with('#'));
    let lines: Vec<&str> = notes.chain(text.lines()).flat_map(|line| [line, "\n"]).collect();
    put(path, &lines.concat()).map_err(|why| of(path, &why))
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    // A symbolic link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let mut name = path.clone().into_os_string();
    name.push(".new");
    let mut file = File::create(&name)?;
    if let Ok(old) = fs::metadata(&path) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&name, &path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn named(path: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}

fn of_flag(flag: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{flag} {error}"))
}

fn of(path: &Path, why: &io::Error) -> io::Error {
    io::Error::new(why.kind(), format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// An empty folder. Removed when dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("smoltalk-{}-{test}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).expect("a folder");
            Self(path)
        }

        fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, contents).expect("written");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = Folder::new("access");
        let why = |access: Access| access.read().expect_err("bad").to_string();
        let key_file = Some(folder.0.join("none"));
        assert!(why(Access { key_file, ..Access::default() }).contains("/none: "));
        let key_file = Some(folder.file("key", b"\nsecond"));
        assert!(why(Access { key_file, ..Access::default() }).contains("/key: its first line"));
        let bans_file = Some(folder.file("bans", b"::1\n10.0.0.300\n"));
        let said = why(Access { bans_file, ..Access::default() });
        assert!(said.ends_with("/bans: line 2: neither an address nor a net"), "{said}");
        let bans_file = Some("/dev/zero".into());
        assert!(why(Access { bans_file, ..Access::default() }).ends_with("it is too long"));
        let bans_file = Some(folder.0.join("none"));
        assert!(
            Access { bans_file, ..Access::default() }.read().is_ok_and(|it| it.bans.is_empty())
        );
    }

    #[test]
    fn a_file_is_replaced_whole_and_stays_what_it_was() {
        let folder = Folder::new("replaced");
        let path = folder.file("bans", b"::1\n");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("a mode");
        let link = folder.0.join("link");
        symlink(&path, &link).expect("a link");
        fs::write(&path, "# Eve knows why\n::1\n").expect("written");
        write(&link, "10.0.0.0/8\n").expect("written");
        let text = fs::read_to_string(&path).expect("read");
        assert_eq!(text, "# Eve knows why\n10.0.0.0/8\n");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 2);
        let nowhere = write(&folder.0.join("none/bans"), "").expect_err("no folder");
        assert!(nowhere.to_string().contains("none/bans: "));
    }
}
