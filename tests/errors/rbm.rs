//! What RBMs, their options and their estimators refuse.

use crate::common::{
    normal_rbm,
    rbm::{METHODS, data, options},
};
use harmonium::{
    Error,
    bits::BitMatrix,
    dataset::Examples,
    evaluate::{Ais, Base, Betas},
    matrix::Matrix,
    model::{Layered as _, Rbm},
    train::{Learning, Negative, RbmOptions, RbmTraining, Schedule},
};
use std::ops::ControlFlow;

fn assert_refused(bad: RbmOptions, name: &str) {
    let error = RbmTraining::new(Rbm::bernoulli(&[9, 3]).unwrap(), bad, &data(10, 9)).unwrap_err();
    assert!(
        matches!(&error, Error::Parameter { name: n, .. } if n == name),
        "{error}"
    );
}

#[test]
fn options_are_checked_at_the_door() {
    let good = options(METHODS[0]);
    for (learning, name) in [
        (
            Learning {
                batch_size: 0,
                ..good.learning.clone()
            },
            "batch size",
        ),
        (
            Learning {
                learning_rate: Schedule::Constant(-1.0),
                ..good.learning.clone()
            },
            "learning rate",
        ),
        (
            Learning {
                learning_rate: Schedule::Constant(f32::NAN),
                ..good.learning.clone()
            },
            "learning rate",
        ),
        (
            Learning {
                momentum: Schedule::Constant(1.0),
                ..good.learning.clone()
            },
            "momentum",
        ),
        (
            Learning {
                weight_decay: f32::INFINITY,
                ..good.learning.clone()
            },
            "weight decay",
        ),
        (
            Learning {
                gradient_clip: Some(0.0),
                ..good.learning.clone()
            },
            "gradient clip",
        ),
    ] {
        let bad = RbmOptions {
            learning,
            ..good.clone()
        };
        assert_refused(bad, name);
    }
}

#[test]
fn negative_phases_are_checked_at_the_door() {
    let good = options(METHODS[0]);
    for (negative, name) in [
        (
            Negative::Persistent {
                chains: 0,
                steps: 1,
            },
            "chains",
        ),
        (
            Negative::Mcmc {
                chains: 1,
                steps: 0,
            },
            "steps",
        ),
    ] {
        let bad = RbmOptions {
            negative,
            ..good.clone()
        };
        assert_refused(bad, name);
    }
}

#[test]
fn machines_that_do_not_fit_are_refused() {
    let data = data(10, 9);
    let good = options(METHODS[0]);
    let error =
        RbmTraining::new(Rbm::bernoulli(&[8, 3]).unwrap(), good.clone(), &data).unwrap_err();
    assert_eq!(
        error.to_string(),
        "columns of the data: expected 8, found 9"
    );
    let exact = RbmOptions {
        negative: Negative::Exact,
        ..good
    };
    assert!(RbmTraining::new(Rbm::bernoulli(&[9, 3]).unwrap(), exact.clone(), &data).is_ok());
    let wide = Examples::new(BitMatrix::zeros(3, 40)).unwrap();
    assert!(RbmTraining::new(Rbm::bernoulli(&[40, 31]).unwrap(), exact, &wide).is_err());
}

#[test]
fn ais_refuses_nonsense_and_can_be_stopped() {
    let rbm = normal_rbm(4, 3, 1.0, 0);
    assert!(
        Ais {
            chains: 0,
            ..Ais::default()
        }
        .log_z(&rbm, &mut ())
        .is_err()
    );
    assert!(
        Ais {
            betas: Betas::Linear(0),
            ..Ais::default()
        }
        .log_z(&rbm, &mut ())
        .is_err()
    );
    assert!(
        Ais {
            base: Base::Biases(vec![0.0; 5]),
            ..Ais::default()
        }
        .log_z(&rbm, &mut ())
        .is_err()
    );
    let mut calls = 0;
    let stopped = Ais::default().log_z(&rbm, &mut |_, _| {
        calls += 1;
        if calls == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(stopped, Err(Error::Stopped)) && calls == 3);
}

#[test]
fn too_many_units_are_refused_with_an_estimate() {
    let error = Rbm::bernoulli(&[40, 35])
        .unwrap()
        .log_z(&mut ())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("at most 30") && error.contains("2^35 states would take about"),
        "{error}"
    );
    let nan = Rbm::from_parameters(
        [vec![0.0; 2], vec![0.0; 2]],
        [Matrix::from_fn(2, 2, |_, _| f32::NAN)],
    );
    assert!(nan.unwrap_err().to_string().contains("weights"));
}

/// NaN and infinite weights are an error and not a sample, by look-up and by dense products, in
/// large machines and small ones.
#[test]
fn weights_that_are_not_finite_are_not_sampled_from() {
    for (n, m) in [(5, 3), (200, 40)] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut rbm = Rbm::bernoulli(&[n, m]).unwrap();
            let mut chain = rbm.chains(4, 1).unwrap();
            chain.sweep(&rbm, 1, 1.0).unwrap();
            rbm.weights_mut(0).row_mut(n / 2)[m / 2] = bad;
            let error = chain.sweep(&rbm, 1, 1.0).unwrap_err().to_string();
            assert!(error.contains("weights"), "{error}");
            rbm.weights_mut(0).row_mut(n / 2)[m / 2] = 0.5;
            chain.sweep(&rbm, 1, 1.0).unwrap();
        }
    }
}
