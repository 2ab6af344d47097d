//! RBMs with labels: generative, discriminative, hybrid (Larochelle and Bengio, ICML 2008;
//! Larochelle, Mandel, Pascanu and Bengio, JMLR 2012).
//!
//! As published, 10,000 of the training images are held out for the choice of rates and epochs, the
//! machines learn from the other 50,000 alone, and nothing is chosen by the test images. Pixels are
//! probabilities: bits are drawn of them at each visit while a machine learns, and it classifies by
//! the probabilities themselves. Where the published machines learn from one example at a time,
//! these take minibatches and momentum; those that learn `p(y | v)` take the centered gradient.

use super::{DEVIATIONS, Figure, Part, Setting, recipe, test_part};
use crate::{args::Split, failure::Outcome, run::classification::Classification, run::data::Data};
use harmonium::{
    Error, Rbm,
    dataset::{Binarization, Examples},
    model::Layer,
    train::{Centering, Learning, Negative, Objective, RbmOptions, Reconstruction, Schedule},
    units::{Kind, Units},
};
use serde_json::json;

const CLASSES: usize = 10;
const VALIDATION: usize = 10_000;

/// A machine, how it learns, and its published error in percent.
struct Machine {
    name: &'static str,
    hidden: usize,
    options: RbmOptions,
    published: f64,
}

/// Runs the experiment.
pub fn run(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::None, setting.at_most(VALIDATION, 1000))?;
    let labeled = data.train.with_label_units(CLASSES)?;
    let machines = machines().into_iter().filter(|x| setting.wants(x.name));
    machines
        .map(|x| part(setting, &data, &labeled, x))
        .collect()
}

fn machines() -> [Machine; 3] {
    let falling = |from| Schedule::Linear { from, to: 0.0 };
    let shared = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Sampled,
        },
        learning: Learning {
            batch_size: 100,
            resample_data: true,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    // Chosen by the validation images: docs/training.md.
    let classifier = RbmOptions {
        centering: Some(Centering::default()),
        learning: Learning {
            learning_rate: falling(0.5),
            momentum: Schedule::Constant(0.9),
            ..shared.learning.clone()
        },
        ..shared.clone()
    };
    [
        Machine {
            name: "RBM",
            hidden: 1500,
            options: RbmOptions {
                learning: Learning {
                    learning_rate: falling(0.1),
                    momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
                    weight_decay: 2e-4,
                    epochs: 40,
                    ..shared.learning
                },
                ..shared
            },
            published: 3.39,
        },
        Machine {
            name: "discriminative RBM",
            hidden: 500,
            options: RbmOptions {
                objective: Objective::Discriminative,
                learning: Learning {
                    epochs: 12,
                    ..classifier.learning.clone()
                },
                ..classifier.clone()
            },
            published: 1.81,
        },
        Machine {
            name: "hybrid RBM",
            hidden: 1500,
            options: RbmOptions {
                objective: Objective::Hybrid {
                    generative_weight: 0.05,
                },
                learning: Learning {
                    epochs: 60,
                    ..classifier.learning
                },
                ..classifier
            },
            published: 1.28,
        },
    ]
}

/// Trains and measures one machine.
fn part(setting: &Setting, data: &Data, labeled: &Examples, machine: Machine) -> Outcome<Part> {
    let Machine {
        name,
        hidden,
        options,
        published,
    } = machine;
    let visible = Units::default()
        .and(Kind::Bernoulli, data.train.columns())
        .and(Kind::Softmax, CLASSES);
    let hidden = Layer::bernoulli(setting.at_most(hidden, 100));
    let rbm =
        Rbm::unconnected(Layer::new(visible), hidden)?.initialized_from(labeled, setting.seed)?;
    let beside = json!({"pixels": "bits drawn at each visit, probabilities to classify", "validation": VALIDATION});
    let recipe = recipe(&rbm, &options, beside);
    let error = |rbm: &Rbm, examples: &Examples| -> Outcome<(f64, f64)> {
        let measured = Classification::measure(rbm, examples, Split::Test)?;
        let measured =
            measured.ok_or_else(|| Error::parameter("data", "examples with labels", "none"))?;
        let p = measured.error();
        Ok((p, (p * (1.0 - p) / measured.count.max(1) as f64).sqrt()))
    };
    let validation = data.validation.as_ref();
    let (rbm, seconds) = setting.train(name, rbm, options, labeled, |rbm| {
        validation
            .map(|part| {
                Ok(format!(
                    "validation error {:.2} %",
                    100.0 * error(rbm, part)?.0
                ))
            })
            .transpose()
    })?;
    let figure = |what, published, examples: &Examples| -> Outcome<Figure> {
        let (p, deviation) = error(&rbm, examples)?;
        let [low, high] = [-1.0, 1.0].map(|s| 100.0 * (p + s * DEVIATIONS * deviation));
        Ok(Figure {
            what,
            published,
            measured: 100.0 * p,
            interval: (low.max(0.0), high),
            unit: "%",
            remark: format!("{} examples, 3 binomial standard errors", examples.len()),
            of_seeds: Vec::new(),
        })
    };
    let mut figures = vec![figure("test error", Some(published), test_part(data)?)?];
    if let Some(part) = validation {
        figures.push(figure("validation error", None, part)?);
    }
    Ok(Part {
        name: name.into(),
        recipe,
        figures,
        seconds,
    })
}
