//! What networks and backpropagation refuse.

use crate::common::network::{LOGISTIC, SOFTMAX, examples, network};
use harmonium::{
    Error, Examples, Matrix, Network,
    model::{Activation, NetworkLayer, Rbm},
    train::{BackpropOptions, BackpropTraining, Descent, Learning},
    units::{Kind, Units},
};

fn net() -> Network {
    network(&[6, 4, 3], &[LOGISTIC, SOFTMAX], 0.5, 1)
}

fn said(error: Option<Error>, words: &[&str]) {
    let text = error.expect("refused").to_string();
    assert!(words.iter().all(|w| text.contains(w)), "{text}");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let data = examples(10, 6, 3, false, 1);
    let with = |options: BackpropOptions| BackpropTraining::new(net(), options, &data).err();
    let base = BackpropOptions::default;
    said(
        with(BackpropOptions {
            learning: Learning {
                batch_size: 0,
                ..base().learning
            },
            ..base()
        }),
        &["batch size"],
    );
    said(
        with(BackpropOptions {
            hidden_dropout: 1.0,
            ..base()
        }),
        &["hidden dropout", "below 1"],
    );
    said(
        with(BackpropOptions {
            learning: Learning {
                weight_decay: f32::NAN,
                ..base().learning
            },
            ..base()
        }),
        &["weight decay"],
    );
    said(
        with(BackpropOptions {
            learning: Learning {
                max_norm: Some(0.0),
                ..base().learning
            },
            ..base()
        }),
        &["largest norm"],
    );
    said(
        with(BackpropOptions {
            learning: Learning {
                momentum: 1.0.into(),
                ..base().learning
            },
            ..base()
        }),
        &["momentum"],
    );
    let cg = BackpropOptions::conjugate_gradients;
    said(
        with(BackpropOptions {
            input_dropout: 0.2,
            ..cg()
        }),
        &["input dropout", "conjugate"],
    );
    let none = Descent::ConjugateGradients { line_searches: 0 };
    said(
        with(BackpropOptions {
            descent: none,
            ..cg()
        }),
        &["line searches"],
    );
}

fn layer(n: usize, m: usize, activation: Activation) -> NetworkLayer {
    NetworkLayer {
        activation,
        weights: Matrix::zeros(n, m),
        bias: vec![0.0; m],
    }
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let data = examples(10, 6, 3, false, 1);
    let base = BackpropOptions::default;
    let refused =
        |network: Network, data: &Examples| BackpropTraining::new(network, base(), data).err();
    said(refused(net(), &examples(10, 7, 3, false, 1)), &["7"]);
    said(
        refused(net(), &examples(10, 6, 9, false, 1)),
        &["label", "below 3"],
    );
    let unlabeled = Examples::new(data.states().clone()).unwrap();
    said(refused(net(), &unlabeled), &["labels"]);
    said(
        refused(network(&[6, 4], &[LOGISTIC], 0.5, 1), &data),
        &["outputs", "6", "4"],
    );
    let of_reals = Network::new(Units::of(Kind::Gaussian, 6), vec![layer(6, 3, SOFTMAX)]);
    let resampled = BackpropOptions {
        learning: Learning {
            resample_data: true,
            ..base().learning
        },
        ..base()
    };
    said(
        BackpropTraining::new(of_reals.unwrap(), resampled, &data).err(),
        &["drawn", "bernoulli", "gaussian"],
    );
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let input = || Units::of(Kind::Bernoulli, 6);
    for layers in [
        vec![],
        vec![layer(5, 3, SOFTMAX)],
        vec![layer(6, 4, SOFTMAX), layer(4, 3, SOFTMAX)],
        vec![layer(6, 0, LOGISTIC)],
        vec![NetworkLayer {
            bias: vec![f32::NAN; 3],
            ..layer(6, 3, SOFTMAX)
        }],
    ] {
        assert!(Network::new(input(), layers).is_err());
    }
    assert!(net().values(&Matrix::zeros(2, 6), 3).is_err());
    assert!(net().values(&Matrix::zeros(2, 5), 1).is_err());
    assert!(Network::classifier_from_dbn(&Rbm::bernoulli(&[4, 3]).unwrap().into(), 1, 0).is_err());
}
