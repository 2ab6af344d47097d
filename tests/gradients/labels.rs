//! Machines of pixels and a label: gradients of discriminative and hybrid learning.

use crate::{
    common::{
        normal_machine,
        units::{labeled, random_data},
    },
    units::{assert_gradient, gradient, with_parameter},
};
use harmonium::{
    Matrix,
    dataset::Examples,
    model::Rbm,
    train::{Centering, Learning, Negative, Objective, Offset, RbmOptions, RbmTraining},
};

fn mean_log_p(rbm: &Rbm, data: &Examples, labels: &[u32]) -> f64 {
    let pixels = data.first_columns(rbm.label_group().unwrap().first);
    let log_p = rbm.log_p_y_from_v(pixels.input()).unwrap();
    let of_labels = labels
        .iter()
        .enumerate()
        .map(|(s, &y)| f64::from(log_p.row(s)[y as usize]));
    of_labels.sum::<f64>() / labels.len() as f64
}

#[test]
fn discriminative_and_hybrid_gradients_equal_finite_differences() {
    let (rbm, data, labels) = labeled();
    let options = |objective| RbmOptions {
        objective,
        negative: Negative::Exact,
        ..RbmOptions::default()
    };
    let discriminative = |rbm: &Rbm| mean_log_p(rbm, &data, &labels);
    let found = gradient(&rbm, &data, options(Objective::Discriminative));
    // f32 in ln p: 1e-7 / 2 h = 5e-5 a difference, and less of a mean of 30.
    assert_gradient(&rbm, &found, discriminative, "discriminative");
    let hybrid = |rbm: &Rbm| {
        discriminative(rbm)
            + 0.3
                * rbm
                    .exact_mean_log_likelihood(data.input(), &mut ())
                    .unwrap()
                    .mean
    };
    let objective = Objective::Hybrid {
        generative_weight: 0.3,
    };
    let found = gradient(&rbm, &data, options(objective));
    assert_gradient(&rbm, &found, hybrid, "hybrid");
    // Real-valued pixels take the other way through the same formulas.
    let gray = Examples::new(data.states().to_matrix()).unwrap();
    let found = gradient(&rbm, &gray, options(Objective::Discriminative));
    assert_gradient(&rbm, &found, discriminative, "discriminative, reals");
}

/// Offsets that follow at a rate of 1 are the average of both phases: the examples with their
/// labels, and, by weight, the same pixels with `p(y | v)` for labels and the model's states.
#[test]
fn offsets_of_average_centering_are_those_of_both_phases() {
    let (rbm, data, _) = labeled();
    let v = data.states().to_matrix();
    let of_data = |i: usize| (0..30).map(|s| f64::from(v.row(s)[i])).sum::<f64>() / 30.0;
    let log_p = rbm.log_p_y_from_v(data.first_columns(5).input()).unwrap();
    let of_classes = |y: usize| {
        (0..30)
            .map(|s| f64::from(log_p.row(s)[y]).exp())
            .sum::<f64>()
            / 30.0
    };
    let states = Matrix::from_fn(96, 8, |s, i| match i {
        0..5 => (s >> i & 1) as f32,
        i => f32::from(s / 32 == i - 5),
    });
    let free = rbm.exact_free_energies(&states).unwrap();
    let z: f64 = free.iter().map(|f| (-f).exp()).sum();
    let of_model = |i: usize| {
        let all = free.iter().enumerate();
        all.map(|(s, f)| f64::from(states.row(s)[i]) * (-f).exp() / z)
            .sum::<f64>()
    };
    for (objective, weight) in [
        (Objective::Discriminative, 0.0),
        (
            Objective::Hybrid {
                generative_weight: 0.5,
            },
            0.5,
        ),
    ] {
        let options = RbmOptions {
            objective,
            negative: Negative::Exact,
            centering: Some(Centering {
                visible: Offset::Average,
                hidden: Offset::Average,
                rate: 1.0,
            }),
            learning: Learning {
                batch_size: 30,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut training = RbmTraining::new(rbm.clone(), options, &data).unwrap();
        let _ = training.update(&data).unwrap();
        let offsets = training
            .state()
            .tensors
            .floats("training.offset.0", &[8])
            .unwrap();
        for (i, offset) in offsets.into_iter().enumerate() {
            let unlabeled = if i < 5 { of_data(i) } else { of_classes(i - 5) };
            let negative = (unlabeled + weight * of_model(i)) / (1.0 + weight);
            let expected = 0.5 * (of_data(i) + negative);
            // Sums of 30 terms of order 1/30 in f32.
            let far = (f64::from(offset) - expected).abs();
            assert!(
                far < 1e-6,
                "{objective:?}, unit {i}: {offset} for {expected}"
            );
        }
    }
}

/// Wide enough for look-up and for several tasks of hidden units: the gradient is that of the small
/// formulas.
#[test]
fn the_discriminative_gradient_of_a_wide_machine_equals_a_difference() {
    let rbm = normal_machine(("bernoulli:90+softmax:10", 100), ("bernoulli", 150), 0.1, 8);
    let data = random_data(rbm.visible(), 64, 4);
    let bits = data.bits().unwrap();
    let labels: Vec<u32> = (0..64)
        .map(|i| (0..10).position(|y| bits.get(i, 90 + y)).unwrap() as u32)
        .collect();
    let options = RbmOptions {
        objective: Objective::Discriminative,
        ..RbmOptions::default()
    };
    let gradient = gradient(&rbm, &data, options);
    let h = 2_f32.powi(-6);
    for k in [
        0,
        149,
        70 * 150 + 64,
        90 * 150 + 3,
        99 * 150 + 149,
        100 * 150 + 95,
        15_100 + 149,
    ] {
        let at = |h| mean_log_p(&with_parameter(&rbm, k, h), &data, &labels);
        let expected = (at(h) - at(-h)) / f64::from(2.0 * h);
        // Weights and statistics of the look-up route are in fixed point: an error of some 1e-3 of
        // the largest of a gradient of order 0.1.
        assert!(
            (gradient[k] - expected).abs() < 5e-4,
            "{k}: {} for {expected}",
            gradient[k]
        );
    }
}
