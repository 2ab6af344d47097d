//! The files of a run.

use std::path::{Path, PathBuf};

/// Where the results go.
pub struct Files {
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

    /// With their names in reports.
    pub fn named(&self) -> [(&'static str, &Path); 5] {
        [
            ("model", &self.model),
            ("metrics", &self.metrics),
            ("filters", &self.filters),
            ("samples", &self.samples),
            ("curves", &self.curves),
        ]
    }

    /// The model files.
    pub fn models(&self) -> [&Path; 3] {
        [&self.model, &self.network, &self.best]
    }

    /// All that a run writes, model files first, but for the machines along the way.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        let others = [
            &self.run,
            &self.metrics,
            &self.filters,
            &self.couplings,
            &self.samples,
            &self.curves,
        ];
        self.models()
            .into_iter()
            .chain(others.map(PathBuf::as_path))
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
