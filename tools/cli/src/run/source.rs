//! Which data a command is about: named on the command line, or by the notes of a model.

use super::data::MNIST;
use crate::{
    failure::{Failure, Outcome},
    kinds,
    show::shape::ShapeArg,
};
use harmonium::{
    Checkpoint, Model,
    dataset::{Asked, Binarization, Encoding, Reading},
    units::{Kind, Units},
};
use std::{collections::BTreeMap, path::Path};

/// No note may tell of more classes.
const MOST_CLASSES: usize = 1 << 16;

/// Which examples, how they are read, and what their columns become.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// [`MNIST`], a directory or a file.
    pub data: String,
    /// How the file is read.
    pub reading: Reading,
    /// Which units the columns are to be, where no machine says it.
    pub asked: Asked,
    /// What the columns are as units of a machine that has learned them.
    pub encoding: Option<Encoding>,
    /// The shape of pictures, where the command line says it.
    pub shape: Option<ShapeArg>,
    /// From gray values to bits.
    pub binarize: Binarization,
    /// Seed of the binarization and of the split.
    pub seed: u64,
    /// Examples of the training part that are held out.
    pub validation: usize,
    /// Whether the examples stay in their file, and only some are loaded.
    pub stream: bool,
    /// With `labels`, the classes whose units join the visible ones; found from the training
    /// examples if that is 0.
    pub labels: Option<usize>,
    /// Whether these are other examples than a machine was trained on.
    pub is_given: bool,
    /// The visible units of the machine that says what the columns are, without labels, if one does
    /// and not the command line.
    pub of_model: Option<usize>,
    /// Whether the command line says how many epochs a run has, on which the defaults of few
    /// examples depend.
    pub are_epochs_said: bool,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            data: MNIST.into(),
            reading: Reading::default(),
            asked: Asked::default(),
            encoding: None,
            shape: None,
            binarize: Binarization::Sampled,
            seed: 0,
            validation: 0,
            stream: false,
            labels: None,
            is_given: false,
            of_model: None,
            are_epochs_said: true,
        }
    }
}

/// `data` as notes hold it: a path that means the same in every directory.
pub fn resolved(data: &str) -> String {
    if data == MNIST {
        return data.to_owned();
    }
    // What is not there cannot be resolved; loading will say so.
    std::fs::canonicalize(data).map_or_else(
        |_| data.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
}

/// The text of a note.
fn noted<T: std::str::FromStr>(
    notes: &BTreeMap<String, String>,
    key: &str,
    default: T,
) -> Outcome<T> {
    notes.get(key).map_or(Ok(default), |text| {
        text.parse()
            .map_err(|_| Failure::failed(format!("the model's note `{key}` is foreign: {text:?}")))
    })
}

/// What a note holds, if it is there, or why it is foreign.
fn noted_json<T>(
    notes: &BTreeMap<String, String>,
    key: &str,
    read: impl FnOnce(&str) -> serde_json::Result<T>,
) -> Outcome<Option<T>> {
    let read = notes.get(key).map(|text| read(text));
    read.transpose()
        .map_err(|e| Failure::failed(format!("the model's note `{key}` is foreign: {e}")))
}

/// The number of classes of the labels among the visible units of a machine: of a file that tells
/// what its columns are by the units that are no columns, of other files by its notes; of a file
/// without notes a softmax group after units of another kind is the label.
///
/// # Errors
/// Notes that this program did not write.
pub fn classes_among_units(checkpoint: &Checkpoint) -> Outcome<usize> {
    let units = visible(&checkpoint.model);
    if let Some(encoding) = &checkpoint.encoding {
        return Ok(units.size().saturating_sub(encoding.units().size()));
    }
    let notes = &checkpoint.notes;
    if notes.contains_key("data") {
        let classes = noted(notes, "classes", 0)?;
        return match classes > MOST_CLASSES.min(units.size()) {
            true => {
                let most = MOST_CLASSES.min(units.size());
                let message = format!(
                    "the model's note `classes` is foreign: expected at most {most}, found {classes}"
                );
                Err(Failure::failed(message))
            }
            false => Ok(classes),
        };
    }
    Ok(match (&checkpoint.model, units.segments()) {
        (Model::Rbm(_), [.., before, last])
            if last.kind == Kind::Softmax && before.kind != Kind::Softmax =>
        {
            last.size
        }
        _ => 0,
    })
}

/// The visible units of a model; of a network bits, or the numbers of its first layer.
fn visible(model: &Model) -> Units {
    let machine = kinds::machine(model);
    match machine.layers().first() {
        Some(layer) => layer.units.clone(),
        None => Units::of(Kind::Bernoulli, machine.columns()),
    }
}

/// What to ask of data of a machine whose file does not say what its columns are: the units decide,
/// without those of `classes` labels.
fn asked_by(model: &Model, classes: usize) -> Asked {
    let units = visible(model);
    let n = units.segments().len() - usize::from(classes > 0);
    let segments = units.segments()[..n]
        .iter()
        .map(|x| format!("{}:{}", x.kind, x.size));
    let is_network = matches!(model, Model::Network(_));
    Asked {
        units: (!is_network).then(|| segments.collect::<Vec<_>>().join("+")),
        signs_as_bits: matches!(model, Model::Boltzmann(_) | Model::Dbm(_)),
        ..Asked::default()
    }
}

impl Source {
    /// The source that a training run left in the notes of its model, if it did.
    ///
    /// # Errors
    /// Notes that this program did not write.
    pub fn from_notes(checkpoint: &Checkpoint) -> Outcome<Option<Self>> {
        let notes = &checkpoint.notes;
        let Some(data) = notes.get("data") else {
            return Ok(None);
        };
        let classes = classes_among_units(checkpoint)?;
        let mut source = Self {
            labels: (classes > 0).then_some(classes),
            data: data.clone(),
            reading: noted_json(notes, "reading", |x| serde_json::from_str(x))?.unwrap_or_default(),
            asked: asked_by(&checkpoint.model, classes),
            encoding: checkpoint.encoding.clone(),
            shape: None,
            binarize: noted(notes, "binarize", Binarization::Sampled)?,
            seed: noted(notes, "seed", 0)?,
            validation: noted(notes, "validation", 0)?,
            stream: noted(notes, "stream", false)?,
            is_given: false,
            of_model: Some(visible(&checkpoint.model).size() - classes),
            are_epochs_said: true,
        };
        source.recall_standard(checkpoint)?;
        Ok(Some(source))
    }

    /// What a model was trained on, by its notes, with other data, binarization or seed where these
    /// are given; and the seed to measure with.
    ///
    /// # Errors
    /// As [`Self::from_notes`].
    pub fn of_model(
        checkpoint: &Checkpoint,
        data: Option<&str>,
        binarize: Option<Binarization>,
        seed: Option<u64>,
    ) -> Outcome<(Self, u64)> {
        let noted = Self::from_notes(checkpoint)?;
        let seed = seed.or(noted.as_ref().map(|source| source.seed));
        let seed = seed.unwrap_or(0);
        let classes = classes_among_units(checkpoint)?;
        let mut source = noted.unwrap_or(Self {
            seed,
            labels: (classes > 0).then_some(classes),
            asked: asked_by(&checkpoint.model, classes),
            encoding: checkpoint.encoding.clone(),
            of_model: Some(visible(&checkpoint.model).size() - classes),
            ..Self::default()
        });
        if let Some(data) = data.map(resolved)
            && data != source.data
        {
            source.data = data;
            source.is_given = true;
            source.validation = 0;
            source.stream = false;
            // Files of labels and weights were those of other examples.
            for part in [&mut source.reading.label, &mut source.reading.weight] {
                *part = part.take().filter(|x| !Path::new(x).is_file());
            }
        }
        if let Some(binarize) = binarize {
            source.binarize = binarize;
        }
        Ok((source, seed))
    }

    /// Means and deviations in the notes of files that do not tell what their columns are.
    fn recall_standard(&mut self, checkpoint: &Checkpoint) -> Outcome<()> {
        let notes = &checkpoint.notes;
        if self.encoding.is_some() || !notes.contains_key("mean") {
            return Ok(());
        }
        let list = |key| -> Outcome<Vec<f64>> {
            Ok(noted_json(notes, key, |x| serde_json::from_str(x))?.unwrap_or_default())
        };
        let (mean, deviation) = (list("mean")?, list("deviation")?);
        let units = self.asked.units.as_deref().unwrap_or_default();
        let encoding = Encoding::of_numbers(units, mean.len())?;
        self.encoding = Some(encoding.standardized(&mean, &deviation)?);
        Ok(())
    }

    /// Whether the examples and the bits drawn of them are those of `other`.
    pub fn is_of(&self, other: &Self) -> bool {
        let of = |x: &Self| (x.data.clone(), x.binarize, x.seed, x.validation, x.stream);
        of(self) == of(other)
    }

    /// Writes what [`Self::from_notes`] reads, but for what the columns are.
    pub fn note(&self, notes: &mut BTreeMap<String, String>) {
        notes.insert("data".into(), self.data.clone());
        notes.insert("binarize".into(), self.binarize.to_string());
        notes.insert("seed".into(), self.seed.to_string());
        notes.insert("validation".into(), self.validation.to_string());
        if self.reading != Reading::default() {
            let json = serde_json::to_string(&self.reading).unwrap_or_default();
            notes.insert("reading".into(), json);
        }
        if self.stream {
            notes.insert("stream".into(), "true".into());
        }
        if let Some(classes) = self.labels {
            notes.insert("classes".into(), classes.to_string());
        }
    }
}
