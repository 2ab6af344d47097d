//! RBMs so small that `ln Z` is enumerated.

use super::{Part, Setting, annealed::figure, recipe, test_part};
use crate::failure::Outcome;
use harmonium::{
    BitMatrix, Rbm,
    dataset::{Binarization, Examples},
    recipe::{Measure, Measures},
    train::{Centering, Learning, Negative, RbmOptions, Reconstruction, Schedule},
};
use serde_json::json;
use std::borrow::Cow;

/// Name, hidden units, negative phase, rate at the start and published log-likelihood of a machine.
type Machine = (&'static str, usize, Negative, f32, f64);

/// The machines CD1(20), CD1(25), CD3(25) and PCD(20): start, momentum and decay as published for
/// the large ones (see [`super::annealed::cd25`]). Rates and epochs are not published; these were
/// chosen once, on one seed.
pub fn small(setting: &Setting) -> Outcome<Vec<Part>> {
    let cd = |steps| Negative::ContrastiveDivergence {
        steps,
        reconstruction: Reconstruction::Sampled,
    };
    let pcd = Negative::Persistent {
        chains: 100,
        steps: 1,
    };
    let machines: [Machine; 4] = [
        ("784-20 CD-1", 20, cd(1), 0.1, -164.52),
        ("784-25 CD-1", 25, cd(1), 0.1, -151.57),
        ("784-25 CD-3", 25, cd(3), 0.1, -143.03),
        ("784-20 PCD-1", 20, pcd, 0.02, -150.11),
    ];
    let data = setting.data(Binarization::Sampled, 0)?;
    let mut parts = Vec::new();
    for (name, hidden, negative, rate, published) in machines {
        if !setting.wants(name) {
            continue;
        }
        let options = RbmOptions {
            negative,
            learning: Learning {
                learning_rate: Schedule::Linear {
                    from: rate,
                    to: 0.0,
                },
                momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
                weight_decay: 2e-4,
                batch_size: 100,
                epochs: 50,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut rbm = Rbm::bernoulli(&[data.train.columns(), setting.at_most(hidden, 12)])?
            .initialized_from(&data.train, setting.seed)?;
        rbm.biases_mut().0.fill(0.0);
        let recipe = recipe(
            &rbm,
            &options,
            json!({"binarization": "sample", "initial_visible_bias": "0"}),
        );
        let (rbm, seconds) = setting.train(name, rbm, options, &data.train, |_| Ok(None))?;
        let measured = measure(&rbm, test_part(&data)?)?;
        parts.push(Part {
            name: name.into(),
            recipe,
            figures: vec![figure(&measured, "test log-likelihood", Some(published))],
            seconds,
        });
    }
    Ok(parts)
}

/// The RBM 784-16 of the studies of centering, on MNIST and on its negative: the ordinary gradient
/// depends on which of two states is called 1, the centered one does not.
pub fn centered_16(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::Threshold(0.5), 0)?;
    let mut parts = Vec::new();
    for (name, is_centered, is_flipped, published) in [
        ("centered", true, false, -142.56),
        ("plain", false, false, -149.05),
        ("centered flipped", true, true, -142.09),
        ("plain flipped", false, true, -183.36),
    ] {
        if !setting.wants(name) {
            continue;
        }
        let treated = |part| {
            if is_flipped {
                flipped(part)
            } else {
                Cow::Borrowed(part)
            }
        };
        let (train, test) = (treated(&data.train), treated(test_part(&data)?));
        let options = RbmOptions {
            negative: Negative::Persistent {
                chains: 100,
                steps: 1,
            },
            centering: is_centered.then(Centering::default),
            learning: Learning {
                learning_rate: Schedule::Constant(0.01),
                batch_size: 100,
                epochs: 50,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let rbm = Rbm::bernoulli(&[train.columns(), setting.at_most(16, 12)])?
            .initialized_from(&train, setting.seed)?;
        let beside = json!({
            "binarization": "threshold:0.5",
            "flipped": is_flipped,
            "initial_visible_bias": "log-odds of the data",
        });
        let recipe = recipe(&rbm, &options, beside);
        let (rbm, seconds) = setting.train(name, rbm, options, &train, |_| Ok(None))?;
        let measured = measure(&rbm, &test)?;
        parts.push(Part {
            name: name.into(),
            recipe,
            figures: vec![figure(&measured, "test log-likelihood", Some(published))],
            seconds,
        });
    }
    Ok(parts)
}

/// `1 - v`.
fn flipped(examples: &Examples) -> Cow<'_, Examples> {
    let Some(bits) = examples.bits() else {
        return Cow::Borrowed(examples); // thresholded data are bits
    };
    let bits = BitMatrix::from_fn(bits.rows(), bits.columns(), |i, j| !bits.get(i, j));
    Examples::new(bits).map_or(Cow::Borrowed(examples), Cow::Owned)
}

fn measure(rbm: &Rbm, test: &Examples) -> Outcome<Measures> {
    let how = Measure {
        exact: true,
        ..Measure::default()
    };
    Ok(how.rbm(rbm, test, test, &mut ())?)
}
