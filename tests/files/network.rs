//! Model files of networks.

use crate::common::network::{LOGISTIC, SOFTMAX, examples};
use harmonium::{Checkpoint, train::BackpropLearner};

/// A file with exactly the entries of the contract loads; one with less says what is missing.
#[test]
fn model_files_hold_weights_and_biases_from_the_first_layer_on() {
    use safetensors::{Dtype, tensor::TensorView};
    use std::collections::HashMap;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.safetensors");
    let bytes = |n: usize| -> Vec<u8> { (0..n).flat_map(|k| (k as f32).to_le_bytes()).collect() };
    let store = |units: &str, names: &[(&str, Vec<usize>)]| {
        let data: Vec<Vec<u8>> = names
            .iter()
            .map(|(_, s)| bytes(s.iter().product()))
            .collect();
        let tensors = names.iter().zip(&data).map(|((name, shape), data)| {
            (
                *name,
                TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
            )
        });
        let metadata = [
            ("format", "harmonium"),
            ("version", "1"),
            ("kind", "network"),
            ("units", units),
        ];
        let metadata: HashMap<_, _> = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        safetensors::serialize_to_file(tensors, Some(metadata), &path).unwrap();
        Checkpoint::load(&path)
    };
    let all = [
        ("weights.0", vec![4, 3]),
        ("bias.1", vec![3]),
        ("weights.1", vec![3, 2]),
        ("bias.2", vec![2]),
    ];
    let network = store("bernoulli,bernoulli,softmax:2", &all)
        .unwrap()
        .into_network()
        .unwrap();
    assert_eq!(network.n_layers(), 3);
    assert_eq!(
        (network.activation(1), network.activation(2)),
        (LOGISTIC, SOFTMAX)
    );
    assert_eq!(network.weights(0).row(1), [3.0, 4.0, 5.0]);
    assert_eq!(network.bias(2), [0.0, 1.0]);
    for (units, names, word) in [
        ("bernoulli,bernoulli,softmax:2", &all[..3], "bias.2"),
        ("bernoulli,bernoulli,spin", &all[..], "spin"),
        ("bernoulli,softmax:3,softmax:2", &all[..], "softmax"),
        ("bernoulli,bernoulli,softmax:3", &all[..], "units"),
        ("bernoulli", &all[..], "layers"),
    ] {
        let text = store(units, names).unwrap_err().to_string();
        assert!(
            text.contains(word) && text.contains("network.safetensors"),
            "{text}"
        );
    }
    Checkpoint::from(network.clone()).save(&path).unwrap();
    let loaded = Checkpoint::load(&path).unwrap();
    assert_eq!(loaded.model.network().unwrap(), &network);
    assert!(loaded.model.dbn().is_err() && loaded.run.is_none());
    assert!(
        loaded
            .into_run::<BackpropLearner>(&examples(4, 4, 2, true, 1))
            .is_err()
    );
}
