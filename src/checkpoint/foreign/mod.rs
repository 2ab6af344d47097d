//! Machines in the files of other programs.
//!
//! Free energies are those of the program, up to a constant. Files are those of
//! **scikit-learn** (`scikit_learn`), **rbms** (`rbms`) and **RestrictedBoltzmannMachines.jl**
//! (`julia`), and of **adabmDCA** (`adabmdca`).

mod adabmdca;
mod julia;
mod rbms;
mod scikit_learn;

use super::Checkpoint;
use crate::{
    dataset::hdf5::{self, Hdf5},
    error::{Error, Result},
    matrix::Matrix,
    model::{Layer, Rbm},
};
use std::{fs::File, io::Read, path::Path};

/// Key of the note of the program that a model is from.
pub const CONVERTED: &str = "converted_from";

/// Layers and weights of an RBM.
type Parameters = ([Layer; 2], Matrix);

impl Checkpoint {
    /// The machine in a file of another program; `None` if it is none of those or no file.
    ///
    /// Those are: `BernoulliRBM` of scikit-learn as a NumPy archive (`components_`,
    /// `intercept_hidden_`, `intercept_visible_`; [`Self::to_scikit_learn`] writes it), and HDF5
    /// files of rbms and of RestrictedBoltzmannMachines.jl. A file of rbms has a machine for each
    /// time that it was saved: the last one is taken, or that of `FILE:/update_N`.
    ///
    /// # Errors
    /// [`Error::File`] for arrays of shapes that disagree or numbers that are not finite, and for
    /// models that no machine here has.
    pub fn import(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        if let Some((file, inside)) = hdf5::split(path) {
            return in_hdf5(&file, Some(&inside)).map(Some);
        }
        if !path.is_file() {
            return Ok(None);
        }
        let mut head = Vec::new();
        let file = File::open(path).map_err(|e| Error::io(path, "read the model file", e))?;
        file.take(256)
            .read_to_end(&mut head)
            .map_err(|e| Error::io(path, "read the model file", e))?;
        if adabmdca::recognizes(&head) {
            let (machine, encoding, from) = adabmdca::read(path)?;
            let mut checkpoint = Self::from(machine);
            checkpoint.encoding = Some(encoding);
            checkpoint.notes.insert(CONVERTED.into(), from);
            return Ok(Some(checkpoint));
        }
        if hdf5::recognizes(&head) {
            return in_hdf5(path, None).map(Some);
        }
        if !head.starts_with(b"PK\x03\x04") {
            return Ok(None);
        }
        checkpoint(path, scikit_learn::read(path)?, "scikit-learn".into()).map(Some)
    }
}

/// The machine in an HDF5 file of any program that has such files.
fn in_hdf5(path: &Path, inside: Option<&str>) -> Result<Checkpoint> {
    let file = Hdf5::open(path)?;
    let (groups, arrays) = file.root()?;
    if arrays.iter().any(|x| x == julia::VERSION) {
        if let Some(inside) = inside {
            let expected = format!("{}, which has one machine", path.display());
            return Err(Error::file(file.inside(inside), expected, "a part of it"));
        }
        let from = "RestrictedBoltzmannMachines.jl".into();
        return checkpoint(path, julia::read(&file)?, from);
    }
    let updates = rbms::updates(&groups);
    if updates.is_empty() {
        let expected = format!(
            "a model of rbms (groups update_N) or of RestrictedBoltzmannMachines.jl ({})",
            julia::VERSION
        );
        return Err(Error::file(path, expected, "another HDF5 file"));
    }
    let update = rbms::chosen(&file, &updates, inside)?;
    let parameters = rbms::read(&file, update)?;
    let from = format!("rbms, update_{update}, of {} saved", updates.len());
    checkpoint(path, parameters, from)
}

/// The RBM of these parameters, with the note of the program that it is from.
fn checkpoint(path: &Path, (layers, weights): Parameters, from: String) -> Result<Checkpoint> {
    let rbm = Rbm::from_parameters(layers, [weights])
        .map_err(|e| Error::file(path, "finite parameters of a machine with a normal form", e))?;
    let mut checkpoint = Checkpoint::from(rbm);
    checkpoint.notes.insert(CONVERTED.into(), from);
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn other_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let import = |text: &str| {
            fs::write(&path, text).unwrap();
            Checkpoint::import(&path)
        };
        for text in ["", "0 1 0.5\n", "J 0 1 0.5\n", "h is a letter", "{}"] {
            assert!(import(text).unwrap().is_none(), "{text}");
        }
        let error = import("PK\x03\x04").unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
        let network = Checkpoint::from(crate::model::BoltzmannMachine::bernoulli(&[3]).unwrap());
        assert!(network.to_scikit_learn().is_err());
    }
}
