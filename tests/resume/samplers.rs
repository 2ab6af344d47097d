//! Chains that are stored and go on.

use crate::common::{normal_machine, normal_rbm};
use harmonium::{
    RbmChain,
    checkpoint::{load_chains, save_chains},
};
use safetensors::{Dtype, tensor::TensorView};

#[test]
fn stored_chains_go_on_as_if_never_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chains.safetensors");
    for rbm in [
        normal_rbm(70, 40, 0.3, 1),
        normal_machine(("spin", 7), ("gaussian", 3), 0.3, 1),
    ] {
        let mut whole = rbm.chains(20, 9).unwrap();
        whole.sweep(&rbm, 3, 1.0).unwrap();
        save_chains(&whole, &path).unwrap();
        let mut restored = load_chains(&path).unwrap();
        let layers = vec![whole.visible().clone(), whole.hidden().clone()];
        let told = RbmChain::restored(&rbm, layers, whole.seed(), whole.half_sweeps());
        let mut told = told.unwrap();
        for chain in [&mut whole, &mut restored, &mut told] {
            chain.sweep(&rbm, 4, 1.0).unwrap();
        }
        assert_eq!(whole.visible(), told.visible());
        assert_eq!(whole.visible(), restored.visible());
        assert_eq!(whole.hidden(), restored.hidden());
        assert_eq!(whole.half_sweeps(), restored.half_sweeps());
    }
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert!(load_chains(&path).is_err(), "cut at {cut}");
    }
    // A few hundred bytes claim chains without units, more than any loop could visit.
    let metadata = [
        ("format", "harmonium-chains"),
        ("version", "1"),
        ("seed", "1"),
        ("half_sweeps", "2"),
    ];
    let metadata = metadata.map(|(k, v)| (k.to_owned(), v.to_owned()));
    for (dtype, shape) in [
        (Dtype::U8, vec![1 << 40, 0]),
        (Dtype::F32, vec![1 << 40, 0]),
        (Dtype::U8, vec![0, 1 << 40]),
    ] {
        let states = ["visible", "hidden"].map(|name| {
            let view = TensorView::new(dtype, shape.clone(), &[]).unwrap();
            (name, view)
        });
        let bytes = safetensors::serialize(states, Some(metadata.clone().into())).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let error = load_chains(&path).unwrap_err().to_string();
        for word in ["chains.safetensors", "visible", "at least one"] {
            assert!(error.contains(word), "{error}");
        }
    }
}
