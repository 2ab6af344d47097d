//! What the training of general machines refuses.

use crate::common::boltzmann::{EXACT, data};
use harmonium::{
    Error,
    dataset::Examples,
    matrix::Matrix,
    model::BoltzmannMachine,
    train::{BoltzmannOptions, BoltzmannTraining, Learning, Negative},
};
use std::ops::ControlFlow;

#[test]
fn what_is_refused() {
    let data = data(5, 9);
    let refused = |machine: BoltzmannMachine,
                   options: BoltzmannOptions,
                   data: &Examples|
     -> Error { BoltzmannTraining::new(machine, options, data).unwrap_err() };
    let machine = BoltzmannMachine::bernoulli(&[5, 2]).unwrap();
    let pseudo = BoltzmannOptions {
        negative: Negative::PseudoLikelihood,
        ..EXACT
    };
    let real = Examples::new(Matrix::zeros(3, 5)).unwrap();
    let chains = Negative::Mcmc {
        chains: 0,
        steps: 1,
    };
    for (machine, options, data, word) in [
        (
            BoltzmannMachine::bernoulli(&[4, 2]).unwrap(),
            EXACT,
            &data,
            "columns",
        ),
        (machine.clone(), pseudo, &data, "pseudo-likelihood"),
        (machine.clone(), EXACT, &real, "bits"),
        (
            machine.clone(),
            BoltzmannOptions {
                negative: chains,
                ..EXACT
            },
            &data,
            "chains",
        ),
        (
            machine.clone(),
            BoltzmannOptions {
                learning: Learning {
                    batch_size: 0,
                    ..EXACT.learning
                },
                ..EXACT
            },
            &data,
            "batch size",
        ),
        (
            machine.clone(),
            BoltzmannOptions {
                learning: Learning {
                    learning_rate: (-1.0).into(),
                    ..EXACT.learning
                },
                ..EXACT
            },
            &data,
            "learning rate",
        ),
    ] {
        let error = refused(machine, options, data).to_string();
        assert!(error.contains(word), "{error}");
    }
    let options = BoltzmannOptions {
        learning: Learning {
            learning_rate: 3e38.into(),
            epochs: 9,
            ..EXACT.learning
        },
        ..EXACT
    };
    let mut run = BoltzmannTraining::new(machine, options, &data).unwrap();
    let error = run.run(&data, |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
}
