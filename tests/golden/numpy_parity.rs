//! Golden parity with an independent program: `tests/golden/numpy_rbm.py` trained the same machine
//! in NumPy.

use crate::common::rbm::trained;
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    matrix::Matrix,
    model::Rbm,
    product::{Route, route},
    train::{Learning, Negative, RbmOptions, Reconstruction},
};
use std::path::Path;

/// An array of the golden file, as f64 whatever its type.
fn array(name: &str) -> Vec<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/numpy_rbm.npz");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let member = archive.by_name(&format!("{name}.npy")).unwrap();
    let npy = npyz::NpyFile::new(member).unwrap();
    match npy.dtype().descr().as_str() {
        "'<f8'" => npy.into_vec::<f64>().unwrap(),
        "'<f4'" => npy
            .into_vec::<f32>()
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect(),
        "'|u1'" => npy
            .into_vec::<u8>()
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect(),
        other => panic!("{name} is of type {other}"),
    }
}

#[test]
fn training_reproduces_the_numpy_run() {
    if route() == Route::LookUp {
        return; // forced onto fixed-point weights, which NumPy does not have
    }
    let data = array("data");
    let bits = BitMatrix::from_fn(25, 20, |i, j| data[i * 20 + j] == 1.0);
    let examples = Examples::new(bits.clone()).unwrap();
    let w0 = array("w0");
    let weights = Matrix::from_fn(20, 13, |i, j| w0[i * 13 + j] as f32);
    let rbm = Rbm::from_parameters([vec![0.0; 20], vec![0.0; 13]], [weights]).unwrap();
    let options = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 2,
            reconstruction: Reconstruction::Sampled,
        },
        learning: Learning {
            epochs: 3,
            batch_size: 10,
            learning_rate: 0.1.into(),
            momentum: 0.5.into(),
            weight_decay: 1e-3,
            seed: 12_345_678_901,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let rbm = trained(rbm, options, &examples);
    // f32 against f64 over nine updates of sums of twenty terms of order one.
    let assert_close = |what: &str, got: Vec<f64>, bound: f64| {
        let expected = array(what);
        assert_eq!(got.len(), expected.len());
        for (k, (a, b)) in got.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() < bound, "{what}[{k}]: {a} for {b}");
        }
    };
    let widen = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect();
    assert_close("w", rbm.weights().elements().map(f64::from).collect(), 2e-6);
    assert_close("b", widen(&rbm.visible().bias), 2e-6);
    assert_close("c", widen(&rbm.hidden().bias), 2e-6);
    assert_close("free", rbm.free_energy(&bits, 1.0).unwrap(), 2e-5);
}
