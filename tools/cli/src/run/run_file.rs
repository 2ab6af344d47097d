//! `run.json`: the command of a run, the seconds that it took and the instruction set that it was
//! on last, beside its model. The model file does not hold them, so that the same run gives the
//! same bytes.

use crate::{failure::note, run::files::Files};
use harmonium::{Error, checkpoint::write_atomically, simd::isa};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Notes of model files that hold what now is here: those of earlier versions.
const COMMAND: &str = "command";
const SECONDS: &str = "seconds";
const STAGES: &str = "stages";
const PREFIX: &str = "seconds.";

/// What a run tells of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFile {
    /// The command that began it.
    pub command: String,
    /// Of training, without measuring and writing.
    pub seconds: f64,
    /// The same by stage, of a run that has several.
    pub stages: BTreeMap<String, f64>,
}

impl RunFile {
    /// Of the command that is running.
    pub fn new() -> Self {
        let words = std::env::args_os().skip(1);
        let words = words.map(|word| word.to_string_lossy().into_owned());
        let words: Vec<String> = std::iter::once("harmonium".into()).chain(words).collect();
        Self {
            command: words.join(" "),
            ..Self::default()
        }
    }

    /// That of a run to go on with: of the file at `path`, else of the notes of a model of an
    /// earlier version, else of the command that is running.
    pub fn resumed(path: &Path, notes: &BTreeMap<String, String>) -> Self {
        Self::read(path).unwrap_or_else(|| {
            let number = |text: &String| text.parse().ok();
            let stages = notes.iter().filter_map(|(key, text)| {
                Some((key.strip_prefix(PREFIX)?.to_owned(), number(text)?))
            });
            Self {
                command: notes.get(COMMAND).cloned().unwrap_or(Self::new().command),
                seconds: notes.get(SECONDS).and_then(number).unwrap_or(0.0),
                stages: stages.collect(),
            }
        })
    }

    /// What the file at `path` holds. Says so where it is there and foreign: a run can go on
    /// without the figures of its past.
    pub fn read(path: &Path) -> Option<Self> {
        let foreign = |why: &dyn std::fmt::Display| {
            note(format!("{}: passed over: {why}", path.display()));
            None
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
            Err(e) => return foreign(&e),
        };
        let value: Value = match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(e) => return foreign(&e),
        };
        Self::parse(&value).or_else(|| foreign(&"expected a command and seconds"))
    }

    /// What is beside the model at `path`: `run.json` if that is one of the files of `train`,
    /// `NAME.run.json` else.
    pub fn beside(path: &Path) -> Option<Self> {
        let files = Files::in_directory(path.parent()?);
        match files.models().contains(&path) {
            true => Self::read(&files.run),
            false => Self::read(&Self::named_after(path)),
        }
    }

    /// The file of a model that is not the one of its directory.
    pub fn named_after(model: &Path) -> PathBuf {
        model.with_extension("run.json")
    }

    fn parse(value: &Value) -> Option<Self> {
        let seconds = |x: &Value| x.as_f64().filter(|x| *x >= 0.0);
        let stages = match value.get(STAGES) {
            None => BTreeMap::new(),
            Some(all) => {
                let of = |(name, x): (&String, &Value)| Some((name.clone(), seconds(x)?));
                all.as_object()?.iter().map(of).collect::<Option<_>>()?
            }
        };
        Some(Self {
            command: value.get(COMMAND)?.as_str()?.to_owned(),
            seconds: seconds(value.get(SECONDS)?)?,
            stages,
        })
    }

    /// The same after so many seconds.
    #[must_use]
    pub fn after(&self, seconds: f64) -> Self {
        Self {
            seconds,
            ..self.clone()
        }
    }

    /// As JSON, seconds to the millisecond.
    pub fn json(&self) -> Value {
        let rounded = |x: f64| (1e3 * x).round() / 1e3;
        let mut object = Map::new();
        object.insert(COMMAND.into(), json!(self.command));
        object.insert("harmonium".into(), json!(env!("CARGO_PKG_VERSION")));
        object.insert("instruction_set".into(), json!(isa().name()));
        object.insert(SECONDS.into(), json!(rounded(self.seconds)));
        if !self.stages.is_empty() {
            let stages = self.stages.iter();
            let stages: Map<_, _> = stages
                .map(|(name, &x)| (name.clone(), json!(rounded(x))))
                .collect();
            object.insert(STAGES.into(), stages.into());
        }
        object.into()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        write_atomically(path, format!("{:#}\n", self.json()).as_bytes())
    }
}
