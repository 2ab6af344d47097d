//! Machines in HDF5 files of other programs (`programs/make.py`), by the free energies that those
//! programs have.

use harmonium::{
    Checkpoint, Error, Model,
    checkpoint::CONVERTED,
    matrix::Matrix,
    units::{Kind, Units},
};
use proptest::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files/programs")
        .join(name)
}

#[test]
fn machines_of_other_programs_have_the_same_free_energies() {
    let told = fs::read(file("free_energies.json")).unwrap();
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    let numbers = |x: &serde_json::Value| -> Vec<f64> {
        let numbers = x.as_array().unwrap().iter();
        numbers.map(|x| x.as_f64().unwrap()).collect()
    };
    let told = told.as_object().unwrap();
    assert_eq!(told.len(), 10);
    for (name, told) in told {
        let path = match name.contains(':') {
            true => file(name),
            false => file(&format!("{name}.h5")),
        };
        let checkpoint = Checkpoint::import(path).unwrap().unwrap();
        let rbm = checkpoint.model.into_rbm().unwrap();
        let rows: Vec<Vec<f64>> = told["states"]
            .as_array()
            .unwrap()
            .iter()
            .map(numbers)
            .collect();
        let states = Matrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j] as f32);
        rbm.visible().check_values(&states).unwrap();
        let expected = numbers(&told["free_energies"]);
        let higher = told["higher"].as_f64().unwrap();
        let found = rbm.free_energy(&states, 1.0).unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let difference = found - expected - higher;
            assert!(difference.abs() < 1e-5, "{name}: {difference}");
        }
    }
}

#[test]
fn units_and_programs_are_told() {
    let groups = |k: usize, n: usize| {
        let units = Units::default();
        (0..n).fold(units, |units, _| units.and(Kind::Softmax, k))
    };
    let of = |kind, n| Units::of(kind, n);
    let julia = "RestrictedBoltzmannMachines.jl";
    for (name, program, visible, hidden) in [
        (
            "bits.h5",
            "rbms, update_20, of 3 saved",
            of(Kind::Bernoulli, 6),
            of(Kind::Bernoulli, 4),
        ),
        (
            "bits.h5:/update_10",
            "rbms, update_10, of 3 saved",
            of(Kind::Bernoulli, 6),
            of(Kind::Bernoulli, 4),
        ),
        (
            "potts.h5",
            "rbms, update_20, of 1 saved",
            groups(3, 5),
            of(Kind::Bernoulli, 4),
        ),
        (
            "potts_and_reals.h5",
            julia,
            groups(3, 4),
            of(Kind::Gaussian, 2),
        ),
        ("centered.h5", julia, of(Kind::Spin, 5), groups(3, 2)),
        (
            "standardized.h5",
            julia,
            of(Kind::Gaussian, 4),
            of(Kind::Relu, 3),
        ),
    ] {
        let checkpoint = Checkpoint::import(file(name)).unwrap().unwrap();
        assert_eq!(checkpoint.notes[CONVERTED], program, "{name}");
        let Model::Rbm(rbm) = checkpoint.model else {
            panic!("{name} is an RBM");
        };
        assert_eq!(rbm.visible().units, visible, "{name}");
        assert_eq!(rbm.hidden().units, hidden, "{name}");
    }
}

#[test]
fn what_has_no_counterpart_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.h5");
    fs::write(&cut, &fs::read(file("bits.h5")).unwrap()[..900]).unwrap();
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files/only.h5");
    for (path, words) in [
        (
            file("coupled_potts.h5"),
            &["/model_type", "PBRBM", "PBM"][..],
        ),
        (
            file("two_slopes.h5"),
            &["two_slopes.h5:/hidden_type", "Gaussian, ReLU", "xReLU"],
        ),
        (file("wide.h5"), &["/visible_par", "gamma = 1"]),
        (
            file("bits.h5:/update_3"),
            &["bits.h5:/update_3", "3 groups /update_2 to /update_20"],
        ),
        (
            file("binary.h5:/weights"),
            &["binary.h5:/weights", "one machine"],
        ),
        (
            other,
            &["only.h5", "update_N", "rbm_hdf5_file_format_version"],
        ),
        (cut, &["cut.h5", "HDF5"]),
    ] {
        let error = Checkpoint::import(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        for word in words {
            assert!(
                error.to_string().contains(word),
                "{error} should tell of {word}"
            );
        }
    }
}

proptest! {
    #[test]
    fn damaged_machines_never_panic(
        name in prop::sample::select(vec!["bits.h5", "potts.h5", "standardized.h5", "centered.h5"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = fs::read(file(name)).unwrap();
        for (index, byte) in damage {
            let i = index.index(bytes.len());
            bytes[i] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        if let Err(error) = Checkpoint::import(&path) {
            prop_assert!(error.to_string().contains(name), "{error}");
        }
    }
}
