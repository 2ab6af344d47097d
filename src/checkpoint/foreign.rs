//! Machines in the files of other programs.
//!
//! **scikit-learn** (`sklearn.neural_network.BernoulliRBM`, 1.9): a NumPy archive of the arrays
//! `components_` `[n_hidden x n_visible]`, which is `W'`, `intercept_hidden_` `[n_hidden]`, which
//! is `c`, and `intercept_visible_` `[n_visible]`, which is `b`. Free energies are the same.
//!
//! **adabmDCA** (text lines `J i j a b x` and `h i a x`) has Potts models. A general machine has
//! units of two states, so that they are refused.

use super::Checkpoint;
use crate::{
    dataset::{Array, arrays},
    error::{Error, Result},
    matrix::Matrix,
    model::{Model, Rbm},
};
use std::{
    fs::File,
    io::{Cursor, Read, Write},
    path::Path,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// The arrays of `BernoulliRBM`.
const SCIKIT_LEARN: [&str; 3] = ["components_", "intercept_hidden_", "intercept_visible_"];
/// The note of the program that a model is from.
const NOTE: &str = "converted_from";

impl Checkpoint {
    /// The machine in a file of another program; `None` if it is none of those.
    ///
    /// # Errors
    /// [`Error::File`] for arrays of shapes that disagree or numbers that are not finite, and for
    /// models that no machine here has.
    pub fn import(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        let mut head = Vec::new();
        let file = File::open(path).map_err(|e| Error::io(path, "read the model file", e))?;
        file.take(256)
            .read_to_end(&mut head)
            .map_err(|e| Error::io(path, "read the model file", e))?;
        if is_potts(&head) {
            return Err(Error::file(
                path,
                "a machine of bits or spins (a general machine has no units of more states)",
                "a Potts model of adabmDCA",
            ));
        }
        if !head.starts_with(b"PK\x03\x04") {
            return Ok(None);
        }
        let Some(arrays) = arrays(path, &SCIKIT_LEARN)? else {
            return Err(Error::file(
                path,
                format!("the arrays {} of a BernoulliRBM", SCIKIT_LEARN.join(", ")),
                "an archive without them",
            ));
        };
        let rbm = scikit_learn(path, &arrays)?;
        let mut checkpoint = Self::from(rbm);
        checkpoint.notes.insert(NOTE.into(), "scikit-learn".into());
        Ok(Some(checkpoint))
    }

    /// The machine as `sklearn.neural_network.BernoulliRBM` has it: a NumPy archive of f64 arrays.
    ///
    /// # Errors
    /// [`Error::Parameter`] for machines that are no RBM of Bernoulli units.
    pub fn to_scikit_learn(&self) -> Result<Vec<u8>> {
        let Model::Rbm(rbm) = &self.model else {
            let found = format!("a model of kind {}", self.model.kind());
            return Err(Error::parameter("model of scikit-learn", "an RBM", found));
        };
        if !rbm.is_bernoulli() {
            let units = format!("{},{}", rbm.visible().units, rbm.hidden().units);
            let expected = "Bernoulli units";
            return Err(Error::parameter("units of scikit-learn", expected, units));
        }
        let (n, m) = (rbm.n_visible(), rbm.n_hidden());
        let transposed = rbm.transposed();
        let weights: Vec<f32> = transposed.weights().elements().collect();
        let members = [
            (format!("({m}, {n})"), &weights),
            (format!("({m},)"), &rbm.hidden().bias),
            (format!("({n},)"), &rbm.visible().bias),
        ];
        archive(&members).map_err(|e| Error::io("", "encode the archive", e.into()))
    }
}

/// Whether a text begins with a coupling or a field of a Potts model.
fn is_potts(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut fields = text.lines().next().unwrap_or("").split_whitespace();
    let numbers = match fields.next() {
        Some("J") => 2,
        Some("h") => 1,
        _ => return false,
    };
    let are_units = fields
        .by_ref()
        .take(numbers)
        .filter(|x| x.parse::<u64>().is_ok());
    are_units.count() == numbers && fields.count() == numbers + 1
}

fn scikit_learn(path: &Path, arrays: &[Array]) -> Result<Rbm> {
    let [(shape, components), (of_c, c), (of_b, b)] = arrays else {
        unreachable!("as many arrays as were asked for");
    };
    let (&[m, n], &[of_c], &[of_b]) = (&shape[..], &of_c[..], &of_b[..]) else {
        let found = format!("{shape:?}, {of_c:?}, {of_b:?}");
        let expected = "components_ of two dimensions, intercepts of one";
        return Err(Error::file(path, expected, found));
    };
    if (of_c, of_b) != (m, n) {
        let expected = format!("{m} intercepts of hidden units and {n} of visible ones");
        return Err(Error::file(path, expected, format!("{of_c} and {of_b}")));
    }
    let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let weights = Matrix::from_fn(n, m, |i, j| components[j * n + i] as f32);
    let rbm = Rbm::from_parameters([single(b), single(c)], [weights])?;
    rbm.check_finite()
        .map_err(|e| Error::file(path, "finite numbers", e))?;
    Ok(rbm)
}

/// A NumPy archive of the arrays of [`SCIKIT_LEARN`], each with its shape, as f64.
fn archive(members: &[(String, &Vec<f32>); 3]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, (shape, x)) in SCIKIT_LEARN.iter().zip(members) {
        zip.start_file(format!("{name}.npy"), options)?;
        let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        // Magic, version and length take 10 bytes; the data start at a multiple of 64.
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        header += &" ".repeat(length - 1 - header.len());
        header.push('\n');
        zip.write_all(b"\x93NUMPY\x01\x00")?;
        zip.write_all(&(length as u16).to_le_bytes())?;
        zip.write_all(header.as_bytes())?;
        let bytes: Vec<u8> = x.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
        zip.write_all(&bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::bars_and_stripes,
        rng::{HostRng, Stream},
    };
    use std::fs;

    fn rbm() -> Rbm {
        let mut rng = HostRng::new(3, Stream::Weights(0));
        let mut draw = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        let weights = Matrix::from_slice(&draw(36), 9, 4).unwrap();
        Rbm::from_parameters([draw(9), draw(4)], [weights]).unwrap()
    }

    /// The free energy that `BernoulliRBM._free_energy` computes of its arrays.
    #[test]
    fn arrays_of_scikit_learn_have_the_same_free_energies() {
        let (rbm, data) = (rbm(), bars_and_stripes(3));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rbm.npz");
        let bytes = Checkpoint::from(rbm.clone()).to_scikit_learn().unwrap();
        fs::write(&path, &bytes).unwrap();
        let all = arrays(&path, &SCIKIT_LEARN).unwrap().unwrap();
        let [(shape, components), (_, c), (_, b)] = &all[..] else {
            panic!("three arrays");
        };
        assert_eq!(shape, &[4, 9]);
        let free = rbm.free_energy(&data, 1.0).unwrap();
        for (row, found) in free.iter().enumerate() {
            let v: Vec<f64> = (0..9)
                .map(|i| f64::from(data.input().get(row, i)))
                .collect();
            let dot = |x: &[f64]| x.iter().zip(&v).map(|(x, v)| x * v).sum::<f64>();
            let hidden = (0..4).map(|j| (dot(&components[9 * j..][..9]) + c[j]).exp().ln_1p());
            let expected = -dot(b) - hidden.sum::<f64>();
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        let read = Checkpoint::import(&path).unwrap().unwrap();
        assert!(read.model == Model::from(rbm));
        assert_eq!(read.notes[NOTE], "scikit-learn");
        // The archive is the same bytes each time.
        assert!(read.to_scikit_learn().unwrap() == bytes);
    }

    #[test]
    fn other_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let import = |text: &str| {
            fs::write(&path, text).unwrap();
            Checkpoint::import(&path)
        };
        for text in [
            "J 0 1 A - 0.5\nh 0 A 1\n",
            "h 0 A 0.25\n",
            "J 0 1 2 3 -1e-3",
        ] {
            let error = import(text).unwrap_err().to_string();
            assert!(
                error.contains("Potts") && error.contains("adabmDCA"),
                "{error}"
            );
        }
        for text in ["", "0 1 0.5\n", "J 0 1 0.5\n", "h is a letter", "{}"] {
            assert!(import(text).unwrap().is_none(), "{text}");
        }
        let error = import("PK\x03\x04").unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
        let network = Checkpoint::from(crate::model::BoltzmannMachine::bernoulli(&[3]).unwrap());
        assert!(network.to_scikit_learn().is_err());
    }
}
