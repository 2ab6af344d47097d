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
    /// What was watched.
    pub metrics: PathBuf,
    /// Weights.
    pub filters: PathBuf,
    /// Fantasies.
    pub samples: PathBuf,
    /// The metrics as a picture.
    pub curves: PathBuf,
}

impl Files {
    /// Those in the directory `out`.
    pub fn in_directory(out: &Path) -> Self {
        Self {
            model: out.join("model.safetensors"),
            network: out.join("network.safetensors"),
            best: out.join("best.safetensors"),
            metrics: out.join("metrics.csv"),
            filters: out.join("filters.png"),
            samples: out.join("samples.png"),
            curves: out.join("curves.png"),
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
}
