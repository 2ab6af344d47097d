//! RBMs so small that `ln Z` is enumerated.

use super::{Part, Setting, recipe, test_part};
use crate::{
    args::Split,
    failure::Outcome,
    likelihood::{Likelihood, Way},
};
use harmonium::{
    Rbm,
    dataset::Binarization,
    train::{Negative, Options, Reconstruction, Schedule},
};
use serde_json::json;
use std::ops::ControlFlow;

/// Name, hidden units, negative phase and published log-likelihood of a machine.
type Machine = (&'static str, usize, Negative, f64);

/// The machines CD1(20), CD1(25), CD3(25) and PCD(20). Their rates are not published: these are the engine's own defaults.
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
        ("784-20 CD-1", 20, cd(1), -164.52),
        ("784-25 CD-1", 25, cd(1), -151.57),
        ("784-25 CD-3", 25, cd(3), -143.03),
        ("784-20 PCD-1", 20, pcd, -150.11),
    ];
    let data = setting.data(Binarization::Sampled, 0)?;
    let mut parts = Vec::new();
    for (name, hidden, negative, published) in machines {
        if !setting.wants(name) {
            continue;
        }
        let options = Options {
            negative,
            learning_rate: Schedule::Linear {
                from: 0.05,
                to: 0.0,
            },
            batch_size: 100,
            epochs: 100,
            ..Options::default()
        };
        let rbm = Rbm::bernoulli(data.train.columns(), setting.at_most(hidden, 12))
            .initialized_from(&data.train, setting.seed)?;
        let recipe = recipe(&rbm, &options, json!({"binarization": "sample"}));
        let (rbm, seconds) = setting.train(name, rbm, options, &data.train, |_| Ok(None))?;
        let mut progress = |_: &'static str, _: usize, _: usize| ControlFlow::Continue(());
        let test = test_part(&data)?;
        let measured = Likelihood::measure(&rbm, test, Split::Test, &Way::Exact, &mut progress)?;
        let figures = measured.map(|x| x.figure("test log-likelihood", Some(published)));
        parts.push(Part {
            name: name.into(),
            recipe,
            figures: figures.into_iter().collect(),
            seconds,
        });
    }
    Ok(parts)
}
