//! Model files and the data that go with them.

use super::{
    data::{Data, Source},
    edges, places,
};
use crate::{
    args::ReadingArgs,
    failure::{Failure, Outcome, note},
};
use harmonium::{
    Error,
    checkpoint::{CONVERTED, Checkpoint, ROUNDED},
    dataset::Binarization,
    model::EdgeFile,
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Reads a model file, with advice if there is none.
///
/// # Errors
/// Those of the library.
pub fn load_model(path: &Path) -> Outcome<Checkpoint> {
    if let Some(checkpoint) = Checkpoint::import(path)? {
        if let Some(program) = checkpoint.notes.get(CONVERTED) {
            note(format!("{}: a model of {program}", path.display()));
        }
        return Ok(checkpoint);
    }
    if EdgeFile::recognizes(path) {
        return edges::load(path);
    }
    let loaded = Checkpoint::load(path).inspect(|checkpoint| {
        if let Some(what) = checkpoint.notes.get(ROUNDED) {
            note(format!("{}: rounded {what}", path.display()));
        }
    });
    loaded.map_err(|error| {
        let missing =
            matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        let foreign = matches!(&error, Error::File { .. });
        let failure = Failure::from(error);
        if missing {
            failure.hint("`harmonium train` makes a model: ./run/model.safetensors")
        } else if foreign {
            failure.hint("`harmonium train` writes files of this kind as model.safetensors")
        } else {
            failure
        }
    })
}

/// The model that is named, or that of the newest run of the default names, and its path.
///
/// # Errors
/// No such run; those of [`load_model`].
pub fn open_model(named: Option<&Path>) -> Outcome<(PathBuf, Checkpoint)> {
    let path = places::of_model(named)?;
    let checkpoint = load_model(&path)?;
    Ok((path, checkpoint))
}

/// What a command asks of data.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// `--data`.
    pub data: Option<&'a str>,
    /// `--binarize`.
    pub binarize: Option<Binarization>,
    /// `--seed`, where that is of the data too.
    pub seed: Option<u64>,
    /// Whether label units join the visible ones, as in training.
    pub labels: bool,
    /// Whether the names of the examples are kept, for a file with a row each.
    pub row_names: bool,
    /// How the file is read, where it is not as in training.
    pub reading: &'a ReadingArgs,
}

impl Asked<'_> {
    /// The data that the notes of a model tell, or others where these are given; where they come
    /// from, and the seed to measure with.
    ///
    /// # Errors
    /// Data that cannot be had.
    pub fn load(&self, checkpoint: &Checkpoint) -> Outcome<(Data, Source, u64)> {
        let (mut source, seed) = Source::of_model(checkpoint, self.data, self.binarize, self.seed)?;
        self.reading.apply(&mut source.reading);
        source.reading.row_names = self.row_names;
        if !self.labels {
            source.labels = None;
        }
        let is_noted = Source::from_notes(checkpoint)?.is_some();
        let data = source
            .load()
            .map_err(|failure| match (self.data, is_noted) {
                (Some(_), _) => failure,
                (None, true) => failure
                    .hint("this is what the model was trained on; name other data with --data"),
                (None, false) => failure
                    .hint("nothing says what the model was trained on; name data with --data"),
            })?;
        note(data.told());
        Ok((data, source, seed))
    }
}
