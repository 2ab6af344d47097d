//! `sklearn.neural_network.BernoulliRBM` (1.9): a NumPy archive of the arrays `components_`
//! `[n_hidden x n_visible]`, which is `W'`, `intercept_hidden_` `[n_hidden]`, which is `c`, and
//! `intercept_visible_` `[n_visible]`, which is `b`. Free energies are the same.

use super::Parameters;
use crate::{
    checkpoint::Checkpoint,
    dataset::{Array, arrays},
    error::{Error, Result},
    matrix::Matrix,
    model::Model,
};
use std::{
    io::{Cursor, Write},
    path::Path,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// The arrays of `BernoulliRBM`.
const ARRAYS: [&str; 3] = ["components_", "intercept_hidden_", "intercept_visible_"];

impl Checkpoint {
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

/// The parameters in the archive at `path`.
pub(super) fn read(path: &Path) -> Result<Parameters> {
    let Some(arrays) = arrays(path, &ARRAYS)? else {
        return Err(Error::file(
            path,
            format!("the arrays {} of a BernoulliRBM", ARRAYS.join(", ")),
            "an archive without them",
        ));
    };
    parameters(path, &arrays)
}

fn parameters(path: &Path, arrays: &[Array]) -> Result<Parameters> {
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
    Ok(([single(b).into(), single(c).into()], weights))
}

/// A NumPy archive of the arrays of [`ARRAYS`], each with its shape, as f64.
fn archive(members: &[(String, &Vec<f32>); 3]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, (shape, x)) in ARRAYS.iter().zip(members) {
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
        checkpoint::foreign::CONVERTED,
        dataset::bars_and_stripes,
        model::Rbm,
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
        let all = arrays(&path, &ARRAYS).unwrap().unwrap();
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
        assert_eq!(read.notes[CONVERTED], "scikit-learn");
        // The archive is the same bytes each time.
        assert!(read.to_scikit_learn().unwrap() == bytes);
    }
}
