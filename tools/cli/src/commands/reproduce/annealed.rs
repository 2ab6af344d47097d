//! RBMs 784-500, whose `ln Z` takes annealed importance sampling: forward, and back from Gibbs
//! chains that start at training examples.

use super::{Figure, Part, Setting, recipe, test_part};
use crate::{failure::Outcome, run::likelihood::DEFAULT_BURN_IN};
use harmonium::{
    Rbm,
    dataset::{Binarization, Examples},
    evaluate::Betas,
    recipe::{Annealed, Measure, Measures},
    train::{Centering, Learning, Negative, RbmOptions, Reconstruction, Rule, Schedule},
};
use serde_json::json;

/// How a likelihood is estimated.
struct Estimator {
    chains: usize,
    betas: Betas,
}

/// Salakhutdinov and Murray (ICML 2008), the machine "CD25": the number of steps grows by one every
/// 10 of 250 epochs, and the rate is divided by it.
pub fn cd25(setting: &Setting) -> Outcome<Vec<Part>> {
    let growing = |at: &dyn Fn(f32) -> f32| {
        Schedule::Pieces(
            (0..25)
                .map(|k| (10.0 * k as f32, at(k as f32 + 1.0)))
                .collect(),
        )
    };
    let options = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 25,
            reconstruction: Reconstruction::Sampled,
        },
        steps: Some(growing(&|k| k)),
        learning: Learning {
            learning_rate: growing(&|k| 0.05 / k),
            momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
            weight_decay: 2e-4,
            batch_size: 100,
            epochs: 250,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let estimator = Estimator {
        chains: 100,
        betas: Betas::SalakhutdinovMurray,
    };
    part(
        setting,
        "784-500 CD-25",
        Binarization::Sampled,
        options,
        estimator,
        [Some(-86.34), Some(-83.10)],
    )
}

/// The PCD-25 of natural_bm with 250 epochs; the test part takes the place of its validation part.
pub fn pcd(setting: &Setting) -> Outcome<Vec<Part>> {
    let options = RbmOptions {
        negative: Negative::Persistent {
            chains: 100,
            steps: 25,
        },
        learning: Learning {
            learning_rate: Schedule::Linear {
                from: 0.01,
                to: 0.001,
            },
            momentum: Schedule::Constant(0.9),
            optimizer: Rule::Nesterov,
            weight_decay: 2e-4,
            batch_size: 100,
            epochs: 250,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let estimator = Estimator {
        chains: 1000,
        betas: Betas::Linear(30_000),
    };
    part(
        setting,
        "784-500 PCD-25",
        Binarization::Sampled,
        options,
        estimator,
        [Some(-86.5), None],
    )
}

/// Centered PCD-1 of 200 epochs on pixels cut at 0.5: with the published constant rate, and with
/// the rates of `train`.
pub fn centered(setting: &Setting) -> Outcome<Vec<Part>> {
    let rates = [
        ("784-500 centered", Schedule::Constant(0.01)),
        (
            "784-500 centered, rate from 0.1",
            Schedule::Linear { from: 0.1, to: 0.0 },
        ),
    ];
    let mut parts = Vec::new();
    for (name, learning_rate) in rates {
        if !setting.wants(name) {
            continue;
        }
        let options = RbmOptions {
            negative: Negative::Persistent {
                chains: 100,
                steps: 1,
            },
            centering: Some(Centering::default()),
            learning: Learning {
                learning_rate,
                batch_size: 100,
                epochs: 200,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let estimator = Estimator {
            chains: 100,
            betas: Betas::Linear(10_000),
        };
        let how = Binarization::Threshold(0.5);
        parts.extend(part(
            setting,
            name,
            how,
            options,
            estimator,
            [Some(-84.86), None],
        )?);
    }
    Ok(parts)
}

/// Trains and measures one machine; `published` are the log-likelihoods of the test and the
/// training part.
fn part(
    setting: &Setting,
    name: &str,
    how: Binarization,
    options: RbmOptions,
    estimator: Estimator,
    published: [Option<f64>; 2],
) -> Outcome<Vec<Part>> {
    let data = setting.data(how, 0)?;
    let rbm = Rbm::bernoulli(&[data.train.columns(), setting.at_most(500, 50)])?
        .initialized_from(&data.train, setting.seed)?;
    let (chains, betas) = if setting.quick {
        (20, Betas::Linear(200))
    } else {
        (estimator.chains, estimator.betas)
    };
    let beside = json!({
        "chains": chains,
        "betas": betas.steps() + 1,
        "burn_in": setting.at_most(DEFAULT_BURN_IN, 50),
        "binarization": how.to_string(),
        "initial_visible_bias": "log-odds of the data",
    });
    let recipe = recipe(&rbm, &options, beside);
    let (rbm, seconds) = setting.train(name, rbm, options, &data.train, |_| Ok(None))?;
    let how = Measure {
        enumerated_units: None,
        chains,
        betas,
        burn_in: setting.at_most(DEFAULT_BURN_IN, 50),
        seed: setting.seed,
        ..Measure::default()
    };
    let measure = |examples: &Examples| how.rbm(&rbm, &data.train, examples, &mut ());
    let mut figures = Vec::new();
    let test = measure(test_part(&data)?)?;
    figures.push(figure(&test, "test log-likelihood", published[0]));
    let training = measure(&data.train)?;
    figures.push(figure(&training, "training log-likelihood", published[1]));
    Ok(vec![Part {
        name: name.into(),
        recipe,
        figures,
        seconds,
    }])
}

/// What was measured beside `published`, with the interval of `ln Z` and the standard error over the
/// examples.
pub(super) fn figure(found: &Measures, what: &'static str, published: Option<f64>) -> Figure {
    let none = f64::NAN;
    let (measured, interval, error) = found.likelihood.map_or((none, (none, none), none), |x| {
        (x.mean, (x.low, x.high), x.standard_error)
    });
    let z = &found.partition;
    let mut remark = format!("exact ln Z, standard error {error:.2}");
    if let Some((ais, annealed)) = &z.annealed {
        let size = annealed.forward().effective_sample_size;
        let of = ais.chains;
        remark = match annealed {
            Annealed::Forward(_) => {
                format!(
                    "ln Z {:.2}, effective sample size {size:.0} of {of}",
                    z.log_z
                )
            }
            Annealed::Both(_, bracket) => format!(
                "ln Z {:.2} by Bennett; by forward AIS {:.2} and in reverse {:.2}, effective sample sizes {size:.0} and {:.0} of {of}",
                z.log_z,
                measured + (z.log_z - bracket.forward.estimate),
                measured + (z.log_z - bracket.reverse.estimate),
                bracket.reverse.effective_sample_size
            ),
        };
        for warning in annealed.warnings() {
            remark.push_str(&format!("; {warning}"));
        }
    }
    Figure {
        what,
        published,
        measured,
        interval,
        unit: "nats",
        remark,
        of_seeds: Vec::new(),
    }
}
