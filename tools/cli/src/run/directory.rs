//! The directory of a run: one run at a time writes there, and a new one sets aside what an earlier
//! one left.

use crate::{
    failure::{Failure, Outcome, note},
    run::files::Files,
    run::run_file::RunFile,
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
/// Where the files of the run before go; with a number where one stays that was not short.
const PREVIOUS: &str = "previous";
/// Seconds of training of a run that is easily done again.
const SHORT: f64 = 60.0;

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

    /// Makes the directory if it is not there, claims it and, for a new run, sets an earlier one
    /// aside.
    ///
    /// # Errors
    /// As [`Self::claim`]; files that cannot be moved.
    pub fn begin(&mut self, is_new: bool) -> Outcome<()> {
        let path = &self.path;
        fs::create_dir_all(path).map_err(|e| Error::io(path, "create the directory", e))?;
        self.claim()?;
        match is_new {
            true => self.set_aside(),
            false => Ok(()),
        }
    }

    /// Moves the files of an earlier run to the directory `previous`, in place of a short run that
    /// is there.
    fn set_aside(&self) -> Outcome<()> {
        let files = Files::in_directory(&self.path);
        if !files.models().into_iter().any(Path::exists) {
            return Ok(());
        }
        let previous = self.free();
        let kept = Files::in_directory(&previous);
        for path in kept.all().map(Path::to_owned).chain(kept.snapshots()) {
            remove(&path)?;
        }
        let snapshots = files.snapshots();
        let into = match snapshots.is_empty() {
            true => &previous,
            false => &kept.trajectory,
        };
        fs::create_dir_all(into).map_err(|e| Error::io(into, "create the directory", e))?;
        // The models go first: a directory without one holds no run that could be mistaken for the
        // new one.
        for (from, to) in files.all().zip(kept.all()) {
            rename(from, to)?;
        }
        for from in snapshots {
            let name = from.file_name().unwrap_or_default();
            rename(&from, &kept.trajectory.join(name))?;
        }
        note(format!(
            "a new run: the one that was in {} is now in {}",
            self.path.display(),
            previous.display()
        ));
        Ok(())
    }

    /// The first of `previous`, `previous-2`, ... that holds no run, or a short one.
    fn free(&self) -> PathBuf {
        let named = |k: usize| match k {
            1 => self.path.join(PREVIOUS),
            k => self.path.join(format!("{PREVIOUS}-{k}")),
        };
        let is_free = |path: &PathBuf| {
            let files = Files::in_directory(path);
            let is_short = || RunFile::read(&files.run).is_some_and(|run| run.seconds < SHORT);
            !files.models().into_iter().any(Path::exists) || is_short()
        };
        let mut all = (1..).map(named);
        all.find(is_free).unwrap_or_else(|| named(1))
    }
}

/// The process that has locked the file, if it says so.
fn who(mut file: File) -> String {
    let mut text = String::new();
    let told = file.read_to_string(&mut text).ok();
    let id = told.and_then(|_| text.trim().parse::<u32>().ok());
    id.map_or(String::new(), |id| format!(" (process {id})"))
}

fn remove(path: &Path) -> Outcome<()> {
    match path.exists() {
        true => Ok(fs::remove_file(path).map_err(|e| Error::io(path, "remove the file", e))?),
        false => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Outcome<()> {
    match from.exists() {
        true => Ok(fs::rename(from, to).map_err(|e| Error::io(from, "move the file", e))?),
        false => Ok(()),
    }
}
