//! Model files of kind `boltzmann`.

use crate::common::normal_boltzmann;
use harmonium::{BoltzmannMachine, Checkpoint, Error};
use safetensors::{
    Dtype,
    tensor::{TensorView, serialize},
};
use std::collections::HashMap;

#[test]
fn machines_come_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("machine.safetensors");
    let sparse = BoltzmannMachine::from_edges(3, 2, &[(0, 1, 0.5), (1, 3, 0.0), (3, 4, -1.0)]);
    for machine in [
        normal_boltzmann(5, 0, 1.0, 1),
        normal_boltzmann(4, 3, 1.0, 2),
        sparse.unwrap(),
    ] {
        Checkpoint::from(machine.clone()).save(&path).unwrap();
        let file = Checkpoint::load(&path).unwrap();
        assert_eq!(file.model.kind(), "boltzmann");
        assert_eq!(file.model.boltzmann().unwrap(), &machine);
        assert!(
            file.model
                .rbm()
                .unwrap_err()
                .to_string()
                .contains("boltzmann")
        );
    }
}

/// A file of nothing but the contract, and what is wrong with others.
#[test]
fn files_of_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("machine.safetensors");
    let load = |tensors: &[(&str, &[usize], &[f32])],
                units: &str|
     -> Result<BoltzmannMachine, Error> {
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, _, x)| x.iter().flat_map(|x| x.to_le_bytes()).collect())
            .collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            (
                *name,
                TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap(),
            )
        });
        let metadata = [
            ("format", "harmonium"),
            ("version", "1"),
            ("kind", "boltzmann"),
            ("units", units),
        ];
        let metadata: HashMap<_, _> = metadata.map(|(a, b)| (a.to_string(), b.to_string())).into();
        std::fs::write(&path, serialize(views, Some(metadata)).unwrap()).unwrap();
        Checkpoint::load(&path)?.into_boltzmann()
    };
    let u: (&str, &[usize], &[f32]) = ("visible.weights", &[2, 2], &[0.0, 1.0, 1.0, 0.0]);
    let b: (&str, &[usize], &[f32]) = ("bias.0", &[2], &[0.0, 0.0]);
    let w: (&str, &[usize], &[f32]) = ("weights.0", &[2, 1], &[0.5, -0.5]);
    let s: (&str, &[usize], &[f32]) = ("hidden.weights", &[1, 1], &[0.0]);
    let c: (&str, &[usize], &[f32]) = ("bias.1", &[1], &[0.25]);
    let machine = load(&[u, b], "bernoulli").unwrap();
    assert!((machine.log_z(&mut ()).unwrap() - (3.0 + 2_f64.exp()).ln()).abs() < 1e-12);
    let latent = load(&[u, b, w, s, c], "bernoulli,bernoulli").unwrap();
    assert_eq!((latent.n_visible(), latent.n_hidden()), (2, 1));
    let skew: (&str, &[usize], &[f32]) = ("visible.weights", &[2, 2], &[0.0, 1.0, 2.0, 0.0]);
    let oblong: (&str, &[usize], &[f32]) = ("visible.weights", &[2, 1], &[0.0, 1.0]);
    let own: (&str, &[usize], &[f32]) = ("hidden.weights", &[1, 1], &[1.0]);
    let nan: (&str, &[usize], &[f32]) = ("bias.0", &[2], &[0.0, f32::NAN]);
    let wide: (&str, &[usize], &[f32]) = ("weights.0", &[3, 1], &[0.0; 3]);
    for (tensors, units, word) in [
        (&[u][..], "bernoulli", "bias.0"),
        (&[b], "bernoulli", "visible.weights"),
        (&[u, b, s, c], "bernoulli,bernoulli", "weights.0"),
        (&[u, b, w, c], "bernoulli,bernoulli", "hidden.weights"),
        (&[u, b, w, s], "bernoulli,bernoulli", "bias.1"),
        (&[u, b], "spin", "bernoulli"),
        (&[u, b], "bernoulli,bernoulli,bernoulli", "1 or 2 layers"),
        (&[skew, b], "bernoulli", "(1, 0)"),
        (&[oblong, b], "bernoulli", "visible.weights"),
        (&[u, b, w, own, c], "bernoulli,bernoulli", "diagonal"),
        (&[u, nan], "bernoulli", "finite"),
        (&[u, b, wide, s, c], "bernoulli,bernoulli", "weights.0"),
    ] {
        let error = load(tensors, units).unwrap_err().to_string();
        assert!(error.contains(word), "{error} should tell of {word}");
        assert!(error.contains("machine.safetensors"), "{error}");
    }
}
