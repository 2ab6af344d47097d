//! Files that are written whole or not at all.
//!
//! While it is written, `NAME` is `NAME.PID.tmp` beside it, locked by its process. A process that
//! is killed leaves that file behind; the next write of `NAME`, or [`remove_strays`], removes it.

use crate::error::{Error, Result};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process,
};

/// Times that a temporary file is made anew because somebody took it for a stray one before it was
/// locked.
const TRIES: usize = 10;

/// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it to
/// `path`; on failure the temporary file is removed and `path` is as it was. Removes temporary
/// files of `path` that dead processes left, see [`remove_strays`].
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    remove_strays(path);
    let mut name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
    name.push(format!(".{}.tmp", process::id()));
    let temporary = path.with_file_name(name);
    let written = locked(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            Ok(file)
        })
        // The lock is held until the file has its name.
        .and_then(|_file| fs::rename(&temporary, path));
    written.map_err(|e| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        Error::io(path, "write the file", e)
    })
}

/// Removes the temporary files `NAME.PID.tmp` that processes which are no more left beside the file
/// `NAME` at `path`. Those of living processes stay: they are locked. Where files cannot be locked,
/// all stay.
pub fn remove_strays(path: &Path) {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let (Some(name), Ok(entries)) = (path.file_name(), fs::read_dir(directory)) else {
        // A directory that cannot be read is for the write to complain of.
        return;
    };
    for entry in entries.flatten() {
        let stray = process_of(&entry.file_name(), name);
        if stray.is_some_and(|id| id != process::id() && !is_alive(id)) {
            remove_unlocked(&entry.path());
        }
    }
}

/// The process whose temporary file of the file `name` this is.
fn process_of(temporary: &OsStr, name: &OsStr) -> Option<u32> {
    let rest = temporary.to_str()?.strip_prefix(name.to_str()?)?;
    rest.strip_prefix('.')?.strip_suffix(".tmp")?.parse().ok()
}

/// Whether the process is known to live. One of another container, or of a system that does not
/// tell, is known by its lock alone.
fn is_alive(id: u32) -> bool {
    Path::new("/proc").join(id.to_string()).exists()
}

/// Removes a file unless somebody has locked it. What cannot be removed does no harm.
fn remove_unlocked(path: &Path) {
    if let Ok(file) = File::open(path)
        && file.try_lock().is_ok()
    {
        let _ = fs::remove_file(path);
    }
}

/// A new file at `path`, locked where files can be.
fn locked(path: &Path) -> io::Result<File> {
    for _ in 0..TRIES {
        let file = File::create(path)?;
        if file.lock().is_err() || path.exists() {
            return Ok(file);
        }
    }
    let message = "its temporary file was removed by another program";
    Err(io::Error::other(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a process that has ended.
    fn dead() -> u32 {
        let mut child = process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[cfg(target_os = "linux")] // for /proc
    #[test]
    fn strays_of_the_dead_go_and_all_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let (dead, own) = (dead(), process::id());
        let others = [
            format!("b.{dead}.tmp"),
            format!("a.{dead}.tmp.kept"),
            format!("a.x.{dead}.tmp"),
            "a.tmp".into(),
            "a..tmp".into(),
            format!("a.{own}x.tmp"),
        ];
        for name in &others {
            fs::write(at(name), name).unwrap();
        }
        fs::write(at(&format!("a.{dead}.tmp")), "cut").unwrap();
        // One that a process holds which /proc does not know, such as that of another container.
        let held = at("a.4294967295.tmp");
        let lock = File::create(&held).unwrap();
        lock.lock().unwrap();
        // A living process, which has not come to lock it.
        let living = std::os::unix::process::parent_id();
        fs::write(at(&format!("a.{living}.tmp")), "new").unwrap();

        write_atomically(&at("a"), b"whole").unwrap();
        assert_eq!(fs::read(at("a")).unwrap(), b"whole");
        assert!(!at(&format!("a.{dead}.tmp")).exists());
        for name in &others {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), *name);
        }
        assert!(held.exists() && at(&format!("a.{living}.tmp")).exists());
        drop(lock);
        remove_strays(&at("a"));
        assert!(!held.exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 8);
    }
}
