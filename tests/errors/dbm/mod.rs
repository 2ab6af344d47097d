//! What deep Boltzmann machines refuse.

mod pretraining;

use crate::common::dbm::{bare, bernoulli, labeled};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    matrix::Matrix,
    model::{Dbm, Layer, MeanField, Posterior, Rbm},
    product::{Propagation, Tail},
    train::{DbmOptions, DbmTraining, Negative, Sparsity},
    units::Kind,
};

#[test]
fn bad_input_is_refused_with_names() {
    let told = |e: harmonium::Error, part: &str| {
        let text = e.to_string();
        assert!(text.contains(part), "{text}");
    };
    told(Dbm::bernoulli(&[3]).unwrap_err(), "layers");
    told(Dbm::bernoulli(&[3, 0]).unwrap_err(), "none of them 0");
    let layers = vec![Layer::of(Kind::Gaussian, 3), Layer::bernoulli(2)];
    let w = || vec![Matrix::zeros(3, 2)];
    told(Dbm::from_parameters(layers, w()).unwrap_err(), "gaussian");
    let layers = vec![Layer::bernoulli(4), Layer::bernoulli(2)];
    told(Dbm::from_parameters(layers, w()).unwrap_err(), "4 x 2");
    let layers = vec![Layer::bernoulli(3), Layer::bernoulli(2)];
    let nan = vec![Matrix::from_fn(3, 2, |_, _| f32::NAN)];
    told(Dbm::from_parameters(layers, nan).unwrap_err(), "weights 0");
    let dbm = bernoulli(&[3, 2, 2], 1.0, 1);
    let mut buffers = Propagation::default();
    let refused = dbm.layer_from_neighbors(1, None, None, Tail::new(1.0), &mut buffers);
    told(refused.unwrap_err(), "neighbor");
    let four = BitMatrix::zeros(1, 4);
    told(
        dbm.log_sums_over_hidden(&four, &mut ()).unwrap_err(),
        "units",
    );
    told(
        dbm.posterior_means(&four, &MeanField::default())
            .unwrap_err(),
        "units",
    );
    told(dbm.energy(&[(&four).into()]).unwrap_err(), "layers");
    let wrong = MeanField {
        damping: 1.0,
        ..MeanField::default()
    };
    let three = BitMatrix::zeros(1, 3);
    told(dbm.posterior_means(&three, &wrong).unwrap_err(), "damping");
    let data = Examples::new(three.clone()).unwrap();
    for (options, part) in [
        (
            DbmOptions {
                negative: Negative::Persistent {
                    chains: 0,
                    steps: 5,
                },
                ..DbmOptions::default()
            },
            "chains",
        ),
        (
            DbmOptions {
                sparsity: vec![Sparsity::default()],
                ..DbmOptions::default()
            },
            "sparsity",
        ),
    ] {
        told(
            DbmTraining::new(dbm.clone(), options, &data).unwrap_err(),
            part,
        );
    }
    let fresh = DbmTraining::new(dbm.clone(), bare(1, 1), &data).unwrap();
    let mut foreign = fresh.state();
    let (name, two) = ("training.velocity.weights.0", Matrix::zeros(3, 3));
    foreign.tensors.insert(name, &two);
    let resumed = DbmTraining::resumed(dbm.clone(), foreign, &data);
    told(resumed.unwrap_err(), name);
    let rbm: Rbm = dbm.bipartite();
    assert_eq!((rbm.n_visible(), rbm.n_hidden()), (5, 2));
}

#[test]
fn bad_labels_are_refused_with_names() {
    let told = |e: harmonium::Error, part: &str| {
        let text = e.to_string();
        assert!(text.contains(part), "{text} without {part}");
    };
    let dbm = labeled(&[3, 2, 2, 2], 1.0, 1);
    let v = BitMatrix::zeros(4, 3);
    let none = Examples::new(v.clone()).unwrap();
    let data = |labels: &[u32; 4]| none.clone().with_labels(labels.to_vec()).unwrap();
    let new = |data: &Examples| DbmTraining::new(dbm.clone(), DbmOptions::default(), data);
    let error = new(&none).unwrap_err();
    told(error, "machine with labels of 2 classes");
    told(new(&none).unwrap_err(), "examples with labels");
    let three = data(&[0, 1, 2, 0]);
    told(new(&three).unwrap_err(), "below 2");
    let error = dbm.clone().initialized_from(&three, 1).unwrap_err();
    told(error, "below 2");
    let good = data(&[0, 1, 1, 0]);
    let mut training = new(&good).unwrap();
    let _ = training.update(&good).unwrap();
    told(training.update(&none).unwrap_err(), "labels");
    told(training.update(&three).unwrap_err(), "below 2");
    let sparse = DbmOptions {
        sparsity: vec![Sparsity::default(); 3],
        ..DbmOptions::default()
    };
    let error = DbmTraining::new(dbm.clone(), sparse, &good).unwrap_err();
    told(error, "none, or 2, one a hidden layer");
    told(dbm.given_class(2).unwrap_err(), "below 2");
    let chain = || dbm.chains(3, 1).unwrap();
    told(chain().with_labels(&dbm, &[2]).unwrap_err(), "below 2");
    assert!(chain().with_labels(&dbm, &[0, 1]).is_err());
    let plain = dbm.without_labels();
    let options = MeanField::default();
    told(plain.given_class(0).unwrap_err(), "labels");
    told(plain.class_bounds(&v, &options).unwrap_err(), "labels");
    told(plain.log_p_y_from_v(&v, &options).unwrap_err(), "labels");
    told(
        plain.exact_log_p_y_from_v(&v, &mut ()).unwrap_err(),
        "labels",
    );
    let four = BitMatrix::zeros(1, 4);
    told(dbm.log_p_y_from_v(&four, &options).unwrap_err(), "units");
    let mut posterior = Posterior::default();
    let refused = posterior.start_with_labels(&dbm, &v, |_| 2);
    told(refused.unwrap_err(), "below 2");
    // A plain machine learns of labeled data what it learns without.
    let run = |data: &Examples| {
        let options = DbmOptions::default();
        let mut training = DbmTraining::new(plain.clone(), options, data).unwrap();
        let _ = training.update(data).unwrap();
        training.into_result()
    };
    assert_eq!(run(&good), run(&none));
}
