//! The directory of a run: one run at a time writes there, and none replaces an earlier one.

use crate::{
    failure::{Failure, Outcome, note},
    run::files::Files,
};
use harmonium::{Error, checkpoint::remove_strays};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process,
};

/// The file that a run locks; it holds the number of the process that did so last.
const LOCK: &str = ".lock";

/// What becomes of a run that is in the directory of a new one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Existing {
    /// It stays: the new one is refused.
    Stays,
    /// The directory gets another name.
    IsMoved,
}

/// The directory of a run. Its lock ends with the program, however that ends.
pub struct Directory {
    path: PathBuf,
    lock: Option<File>,
}

impl Directory {
    /// The directory at `path`, which need not be there.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            lock: None,
        }
    }

    /// Makes the directory its own.
    ///
    /// # Errors
    /// Another program has it; the system refuses to open the file that is locked.
    pub fn claim(&mut self) -> Outcome<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let path = self.path.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options
            .open(&path)
            .map_err(|e| Error::io(&path, "open", e))?;
        let out = self.path.display();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("{out}: another run writes to this directory{}", who(file));
                return Err(Failure::failed(message)
                    .hint("wait until it has ended, or name another directory with --out"));
            }
            Err(TryLockError::Error(e)) => note(format!(
                "{out}: cannot be locked ({e}): see to it that no other run writes there"
            )),
        }
        // Who has it is for people: a lock without a name does no harm.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", process::id()));
        self.lock = Some(file);
        for path in Files::in_directory(&self.path).all() {
            remove_strays(path);
        }
        Ok(())
    }

    /// Makes the directory if it is not there and claims it. A run that is there is renamed for a
    /// new one if it is to be.
    ///
    /// # Errors
    /// As [`Self::claim`]; a run that is there and is to stay; a directory that cannot be renamed.
    pub fn begin(&mut self, new: Option<Existing>) -> Outcome<()> {
        self.make()?;
        let Some(existing) = new.filter(|_| Self::holds_run(&self.path)) else {
            return Ok(());
        };
        match existing {
            // It was not there when the command was read.
            Existing::Stays => Err(occupied(&self.path)),
            Existing::IsMoved => {
                self.move_away()?;
                self.make()
            }
        }
    }

    fn make(&mut self) -> Outcome<()> {
        let path = &self.path;
        fs::create_dir_all(path).map_err(|e| Error::io(path, "create the directory", e))?;
        self.claim()
    }

    /// Renames the directory with all that is in it.
    fn move_away(&mut self) -> Outcome<()> {
        let path = &self.path;
        let Some(old) = Self::free_old_name(path) else {
            return Err(Failure::usage(format!(
                "--force: {} has no name of its own by which it could be renamed",
                path.display()
            ))
            .hint("name the directory by its path from outside"));
        };
        fs::rename(path, &old).map_err(|e| Error::io(path, "rename the directory", e))?;
        note(format!(
            "--force: the run that was in {} is now in {}",
            path.display(),
            old.display()
        ));
        self.lock = None;
        Ok(())
    }

    /// Whether there is a machine of an earlier run.
    pub fn holds_run(path: &Path) -> bool {
        let files = Files::in_directory(path);
        files.models().into_iter().any(Path::exists)
    }

    /// Whether another program writes there.
    pub fn is_busy(path: &Path) -> bool {
        let file = File::open(path.join(LOCK));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The first of `NAME.old-1`, `NAME.old-2`, ... that is free; none of a directory without a
    /// name, such as `..`.
    pub fn free_old_name(path: &Path) -> Option<PathBuf> {
        let name = path.file_name()?;
        let old = |k: usize| {
            let mut old = name.to_owned();
            old.push(format!(".old-{k}"));
            path.with_file_name(old)
        };
        // What cannot be looked at is not free.
        let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
        (1..).map(old).find(is_free)
    }
}

/// The failure of a new run in a directory that holds one.
pub fn occupied(out: &Path) -> Failure {
    let path = out.display();
    let ways = match Directory::free_old_name(out) {
        Some(old) => format!(
            "--resume goes on with it, --force moves it to {}, another --out leaves it alone",
            old.display()
        ),
        None => "--resume goes on with it, another --out leaves it alone".into(),
    };
    Failure::usage(format!("--out {path}: it holds a run already")).hint(ways)
}

/// The process that has locked the file, if it says so.
fn who(mut file: File) -> String {
    let mut text = String::new();
    let told = file.read_to_string(&mut text).ok();
    let id = told.and_then(|_| text.trim().parse::<u32>().ok());
    id.map_or(String::new(), |id| format!(" (process {id})"))
}
