//! Units, sides and data that mean nothing together.

use crate::common::as_states;
use harmonium::{
    BitMatrix, Matrix,
    dataset::Examples,
    evaluate::{Ais, HiddenActivity, ReverseStart, pseudo_likelihood},
    model::{Layer, Rbm, Side},
    train::{Learning, Negative, RbmOptions, RbmTraining, Reconstruction},
    units::Kind,
};

#[test]
fn data_that_are_no_states_are_refused() {
    let bits = Examples::new(BitMatrix::zeros(4, 3)).unwrap();
    let spins = Rbm::unconnected(Layer::of(Kind::Spin, 3), Layer::bernoulli(2)).unwrap();
    let message = RbmTraining::new(spins, RbmOptions::default(), &bits)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("spin") && message.contains("-1"),
        "{message}"
    );
    let reals = Examples::new(Matrix::from_fn(4, 3, |_, _| 2.0)).unwrap();
    assert!(
        RbmTraining::new(
            Rbm::bernoulli(&[3, 2]).unwrap(),
            RbmOptions::default(),
            &reals
        )
        .is_err()
    );
    let gaussian = Rbm::unconnected(Layer::of(Kind::Gaussian, 3), Layer::bernoulli(2)).unwrap();
    let options = RbmOptions {
        learning: Learning {
            resample_data: true,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    assert!(RbmTraining::new(gaussian.clone(), options, &reals).is_err());
    let reconstruction = Reconstruction::Smoothed;
    let options = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction,
        },
        variance_rate: 0.1,
        ..RbmOptions::default()
    };
    assert!(RbmTraining::new(gaussian, options, &reals).is_err());
    let potts = Rbm::unconnected(Layer::of(Kind::Softmax, 3), Layer::bernoulli(2)).unwrap();
    let message = RbmTraining::new(potts, RbmOptions::default(), &bits)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("softmax") && message.contains("row 0"),
        "{message}"
    );
}

#[test]
fn what_has_no_normal_form_or_no_meaning_is_refused() {
    let machine = |visible: Kind, hidden: Kind, w: f32| {
        let weights = Matrix::from_fn(2, 2, |_, _| w);
        Rbm::from_parameters([Layer::of(visible, 2), Layer::of(hidden, 2)], [weights])
    };
    use Kind::*;
    for (visible, hidden) in [(Gaussian, Gaussian), (Gaussian, Relu), (Relu, Relu)] {
        assert!(machine(visible, hidden, 0.49).is_ok());
        let message = machine(visible, hidden, 0.51).unwrap_err().to_string();
        assert!(message.contains(visible.name()), "{message}");
    }
    let gaussian = machine(Gaussian, Gaussian, 0.1).unwrap();
    let message = gaussian.log_z(&mut ()).unwrap_err().to_string();
    assert!(message.contains("gaussian"), "{message}");
    let ais = Ais::default();
    assert!(
        ais.reverse_log_z(&gaussian, &ReverseStart::Exact, &mut ())
            .is_err()
    );
    assert!(gaussian.exact_samples(1, 0).is_err());
    let mixed = machine(Gaussian, Bernoulli, 0.1).unwrap();
    let v = Matrix::zeros(1, 2);
    assert!(HiddenActivity::new(&mixed, &v).is_ok());
    let spins = machine(Gaussian, Spin, 0.1).unwrap();
    assert!(HiddenActivity::new(&spins, &v).is_err());
    assert!(pseudo_likelihood(&mixed, &v).is_err());
    assert!(mixed.log_z_over(Side::Visible, 1.0, &mut ()).is_err());
    assert!(mixed.free_energy_h(&v, 0.0).is_err());
    let mut layer = Layer::of(Gaussian, 2);
    layer.log_variance.pop();
    assert!(Rbm::unconnected(layer, Layer::bernoulli(1)).is_err());
    let mut layer = Layer::new(harmonium::units::Units::parse("gaussian:1+spin:1", 2).unwrap());
    layer.log_variance[1] = 1.0;
    assert!(Rbm::unconnected(layer, Layer::bernoulli(1)).is_err());
    // Values that are no states.
    for (kind, x) in [
        (Bernoulli, 1.5),
        (Spin, -1.5),
        (Relu, -0.1),
        (Gaussian, f32::NAN),
        (Softmax, 0.3),
    ] {
        let values = Matrix::from_fn(1, 2, |_, _| x);
        let message = Layer::of(kind, 2)
            .check_values(&values)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("row 0") && message.contains(kind.name()),
            "{message}"
        );
    }
    assert!(
        Layer::of(Spin, 2)
            .check_values(&BitMatrix::zeros(1, 2))
            .is_err()
    );
    let _ = as_states(&Layer::of(Spin, 2), v);
}
