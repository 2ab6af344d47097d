//! Where runs go, and where they are looked for: the directory that is named, or the runs of the
//! default name in the working directory, `run`, `run-2`, `run-3` and so on.

use super::{
    directory::{Directory, occupied},
    files::Files,
};
use crate::{
    args::OutputArgs,
    failure::{Failure, Outcome, note},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The first of the default names.
const DEFAULT: &str = "./run";

/// The default name `k`, from 1 on.
fn named(k: usize) -> PathBuf {
    match k {
        1 => DEFAULT.into(),
        k => format!("{DEFAULT}-{k}").into(),
    }
}

/// Runs of default names, in the order in which their files were last written.
fn of_default_names() -> Vec<PathBuf> {
    let entries = fs::read_dir(".").into_iter().flatten().flatten();
    let number = |name: &str| match name.strip_prefix("run")? {
        "" => Some(1),
        rest => {
            let k = rest.strip_prefix('-')?.parse().ok()?;
            (k > 1 && named(k).ends_with(name)).then_some(k)
        }
    };
    let numbers = entries.filter_map(|entry| number(entry.file_name().to_str()?));
    let written = |k: usize| {
        let files = Files::in_directory(&named(k));
        let times = files.models().into_iter().filter_map(modified);
        times.max().map(|time| (time, k))
    };
    let mut runs: Vec<(SystemTime, usize)> = numbers.filter_map(written).collect();
    runs.sort_unstable();
    runs.into_iter().map(|(_, k)| named(k)).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|x| x.modified()).ok()
}

/// The run of a default name that was written last. Where there are several, a line says that
/// `what` is of this one.
fn newest(what: &str) -> Option<PathBuf> {
    let mut runs = of_default_names();
    let path = runs.pop()?;
    if !runs.is_empty() {
        note(format!(
            "{what} {}, the newest of {} runs of the default name",
            path.display(),
            runs.len() + 1
        ));
    }
    Some(path)
}

/// The directory of a run that starts or goes on.
///
/// A new run takes the directory that is named, or the first of the default names that has neither
/// a run nor a process that writes there. A run that goes on is in the directory that is named, or
/// the newest of the default names.
///
/// # Errors
/// A run that is in the directory already, where none is to go on there and it is not to be moved.
pub fn of_run(output: &OutputArgs) -> Outcome<PathBuf> {
    match &output.out {
        Some(out) if output.resume || output.force => Ok(out.clone()),
        Some(out) => match Directory::holds_run(out) {
            true => Err(occupied(out)),
            false => Ok(out.clone()),
        },
        None if output.resume => Ok(newest("--resume goes on with").unwrap_or_else(|| named(1))),
        None if output.force => Ok(named(1)),
        None => {
            let is_free = |path: &PathBuf| !Directory::holds_run(path) && !Directory::is_busy(path);
            let free = (1..).map(named).find(is_free).unwrap_or_else(|| named(1));
            if free != named(1) {
                note(format!(
                    "{DEFAULT} holds a run, which stays: this one goes to {} (--out names another \
                     directory, --force moves {DEFAULT} away)",
                    free.display()
                ));
            }
            Ok(free)
        }
    }
}

/// The model file that is named, or that of the newest run of the default names.
///
/// # Errors
/// No such run.
pub fn of_model(named: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let directory = newest("the model is that of").ok_or_else(|| {
        Failure::usage(format!(
            "no MODEL is named, and there is no run in {DEFAULT}"
        ))
        .hint(format!(
            "`harmonium train` makes one: {DEFAULT}/model.safetensors"
        ))
    })?;
    let files = Files::in_directory(&directory);
    let path = files.model.strip_prefix(".").map(Path::to_owned);
    Ok(path.unwrap_or(files.model))
}

/// What `--resume` needs to find the run in the directory `out` again: nothing if it is the only
/// one of the default names.
pub fn resume_flags(out: &Path) -> String {
    let others = of_default_names();
    match out == named(1) && others.iter().all(|path| path == out) {
        true => "--resume".into(),
        false => format!("--resume --out {}", out.display()),
    }
}
