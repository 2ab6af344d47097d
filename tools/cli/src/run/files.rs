//! The files of a run.

use crate::failure::Outcome;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Files with their names in reports.
pub type Named<'a> = Vec<(&'static str, &'a Path)>;

/// Where the results go.
pub struct Files {
    /// The directory.
    pub directory: PathBuf,
    /// The machine and the run.
    pub model: PathBuf,
    /// The network that a deep belief network was fine-tuned to.
    pub network: PathBuf,
    /// The best machine, of a run that may stop early.
    pub best: PathBuf,
    /// The command of the run and the time that it took.
    pub run: PathBuf,
    /// What was watched.
    pub metrics: PathBuf,
    /// Weights.
    pub filters: PathBuf,
    /// Couplings of a general machine.
    pub couplings: PathBuf,
    /// Fantasies.
    pub samples: PathBuf,
    /// The metrics as a picture.
    pub curves: PathBuf,
    /// The directory of the machines along the way.
    pub trajectory: PathBuf,
}

impl Files {
    /// Those in the directory `out`.
    pub fn in_directory(out: &Path) -> Self {
        Self {
            directory: out.to_owned(),
            model: out.join("model.safetensors"),
            network: out.join("network.safetensors"),
            best: out.join("best.safetensors"),
            run: out.join("run.json"),
            metrics: out.join("metrics.csv"),
            filters: out.join("filters.png"),
            couplings: out.join("couplings.png"),
            samples: out.join("samples.png"),
            curves: out.join("curves.png"),
            trajectory: out.join("trajectory"),
        }
    }

    /// Those of a machine of layers.
    pub fn named(&self) -> Named<'_> {
        vec![
            ("model", &self.model),
            ("metrics", &self.metrics),
            ("filters", &self.filters),
            ("samples", &self.samples),
            ("curves", &self.curves),
        ]
    }

    /// Those of a general machine.
    pub fn named_of_boltzmann(&self) -> Named<'_> {
        let named = self.named().into_iter();
        let other = |file| match file {
            ("filters", _) => ("couplings", &*self.couplings),
            other => other,
        };
        named.map(other).collect()
    }

    /// The pictures.
    fn pictures(&self) -> [&Path; 4] {
        [&self.filters, &self.couplings, &self.samples, &self.curves]
    }

    /// Removes pictures that are there.
    ///
    /// # Errors
    /// Those of the system.
    pub fn remove_pictures(&self) -> Outcome<()> {
        for picture in self.pictures().into_iter().filter(|x| x.is_file()) {
            std::fs::remove_file(picture)
                .map_err(|e| harmonium::Error::io(picture, "remove", e))?;
        }
        Ok(())
    }

    /// The model files.
    pub fn models(&self) -> [&Path; 3] {
        [&self.model, &self.network, &self.best]
    }

    /// Of `named`, those that are no pictures.
    pub fn without_pictures<'a>(&self, mut named: Named<'a>) -> Named<'a> {
        named.retain(|(_, path)| !self.pictures().contains(path));
        named
    }

    /// All that a run writes, model files first, but for the machines along the way.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        let tables = [&*self.run, &self.metrics];
        let models = self.models().into_iter();
        models.chain(tables).chain(self.pictures())
    }

    /// The machine after `updates` updates; names sort in the order of training.
    pub fn snapshot(&self, updates: u64) -> PathBuf {
        self.trajectory
            .join(format!("update-{updates:010}.safetensors"))
    }

    /// The machines along the way that are there.
    pub fn snapshots(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.trajectory).into_iter().flatten();
        let paths = entries.flatten().map(|entry| entry.path());
        let is_snapshot = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|x| x.starts_with("update-") && x.ends_with(".safetensors"))
        };
        paths.filter(is_snapshot).collect()
    }
}

/// Names and paths as in JSON.
pub fn json(files: &Named<'_>) -> Map<String, Value> {
    let files = files.iter();
    files
        .map(|(name, path)| ((*name).to_owned(), json!(path.to_string_lossy())))
        .collect()
}

/// A row of a table each.
pub fn rows(files: &Named<'_>) -> Vec<[String; 3]> {
    let files = files.iter();
    files
        .map(|(name, path)| [(*name).into(), path.display().to_string(), String::new()])
        .collect()
}
