//! A serial line that is none: a pseudo terminal, and a symbolic link by which a program finds it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Where Linux has its pseudo terminals.
const TERMINALS: &str = "/dev/pts/";

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum PtyError {
    #[error("no pseudo terminal can be opened: {0}")]
    Open(#[source] io::Error),
    #[error("{} is there already and is no link to a pseudo terminal; choose another place", .0.display())]
    Occupied(PathBuf),
    #[error("the link {} cannot be made: {}", path.display(), super::files::told(cause))]
    Link { path: PathBuf, cause: io::Error },
}

/// The line's end on this side.
#[derive(Debug)]
pub struct Line {
    near: File,
    /// Keeps the line up while no program has its other end open.
    _far: File,
    path: PathBuf,
}

impl Line {
    /// Opens a line that passes every byte as it is.
    ///
    /// # Errors
    /// [`PtyError::Open`] where the system has none.
    pub fn open() -> Result<Self, PtyError> {
        let opened = || -> rustix::io::Result<Self> {
            let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
            grantpt(&near)?;
            unlockpt(&near)?;
            let path = PathBuf::from(std::ffi::OsString::from_vec(ptsname(&near, Vec::new())?.into_bytes()));
            let far =
                rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
            let mut settings = tcgetattr(&far)?;
            settings.make_raw();
            tcsetattr(&far, OptionalActions::Now, &settings)?;
            Ok(Self { near: near.into(), _far: far.into(), path })
        };
        opened().map_err(|cause| PtyError::Open(cause.into()))
    }

    /// The device that the program at the other end opens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for bytes; how many came.
    ///
    /// # Errors
    /// Where the line fails.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.near.read(buffer) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// Where the line fails.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.near.write_all(bytes)
    }
}

/// A symbolic link to a line, which goes with its owner.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    target: PathBuf,
}

impl Link {
    /// Makes `path` a link to the line. A link that another one has left there is replaced.
    ///
    /// # Errors
    /// [`PtyError::Occupied`] where anything else is there.
    pub fn make(path: &Path, line: &Line) -> Result<Self, PtyError> {
        let error = |cause| PtyError::Link { path: path.to_owned(), cause };
        match fs::read_link(path) {
            Ok(target) if target.starts_with(TERMINALS) => fs::remove_file(path).map_err(error)?,
            Ok(_) => return Err(PtyError::Occupied(path.to_owned())),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(_) => return Err(PtyError::Occupied(path.to_owned())),
        }
        symlink(line.path(), path).map_err(error)?;
        Ok(Self { path: path.to_owned(), target: line.path().to_owned() })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Somebody else may have put theirs here.
        if fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn bytes_pass_as_they_are_in_both_directions() {
        let mut line = Line::open().unwrap();
        let all: Vec<u8> = (0..=255).collect();
        for _ in 0..2 {
            // Programs come and go.
            let mut program = OpenOptions::new().read(true).write(true).open(line.path()).unwrap();
            program.write_all(&all).unwrap();
            let mut received = Vec::new();
            while received.len() < all.len() {
                let mut buffer = [0; 64];
                let count = line.receive(&mut buffer).unwrap();
                received.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(received, all);
            line.send(&all).unwrap();
            let mut received = [0; 256];
            program.read_exact(&mut received).unwrap();
            assert_eq!(received[..], all[..]);
        }
    }

    #[test]
    fn a_link_replaces_only_its_like() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("modem");
        let line = Line::open().unwrap();
        let link = Link::make(&path, &line).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), line.path());
        let other = Line::open().unwrap();
        let second = Link::make(&path, &other).unwrap();
        drop(link);
        assert!(path.exists(), "it is another's by now");
        drop(second);
        assert!(fs::symlink_metadata(&path).is_err());
        fs::write(&path, "mine").unwrap();
        assert!(matches!(Link::make(&path, &line), Err(PtyError::Occupied(_))));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
