//! Figures beside what they are published as, and how they become a table and a record.

use super::setting::labels;
use crate::{failure::Outcome, show::report};
use harmonium::{
    Examples, Matrix, Rbm,
    kernel::reduce::mean_and_standard_error,
    model::most_probable,
    recipe::{Annealed, Measures},
    train::{Learning, Negative, RbmOptions, Reconstruction, Schedule},
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Standard errors to either side of a mean over seeds or of an error rate.
const DEVIATIONS: f64 = 3.0;

/// A machine of an experiment.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) recipe: Value,
    pub(super) figures: Vec<Figure>,
    /// Of training.
    pub(super) seconds: f64,
}

/// A figure and what it is published as.
pub(super) struct Figure {
    what: &'static str,
    published: Option<f64>,
    measured: f64,
    /// Ends of the interval of `measured`.
    interval: (f64, f64),
    unit: &'static str,
    /// What the interval is, and what else to know.
    remark: String,
    /// Of each seed, if there are several.
    of_seeds: Vec<f64>,
}

/// A figure's name and published value.
pub(super) type Named = (&'static str, Option<f64>);

impl Figure {
    /// In nats, with the ends of its interval.
    pub(super) fn nats(
        (what, published): Named,
        [low, measured, high]: [f64; 3],
        remark: String,
    ) -> Self {
        Self {
            what,
            published,
            measured,
            interval: (low, high),
            unit: "nats",
            remark,
            of_seeds: Vec::new(),
        }
    }

    /// With the interval of `ln Z` and the standard error over the examples.
    pub(super) fn likelihood(named: Named, found: &Measures) -> Self {
        let none = [f64::NAN; 4];
        let [low, mean, high, error] = found
            .likelihood
            .map_or(none, |x| [x.low, x.mean, x.high, x.standard_error]);
        let z = &found.partition;
        let remark = match &z.annealed {
            None => format!("exact ln Z, standard error {error:.2}"),
            Some((ais, annealed)) => {
                let mut text = format!("ln Z {:.2}", z.log_z);
                if let Annealed::Both(_, bracket) = annealed {
                    let both = [&bracket.forward, &bracket.reverse];
                    let [ahead, back] = both.map(|x| mean + (z.log_z - x.estimate));
                    let [size, back_size] = both.map(|x| x.effective_sample_size);
                    let _ = write!(
                        text,
                        " by Bennett; by forward AIS {ahead:.2} and in reverse {back:.2}, effective sample sizes {size:.0} and {back_size:.0} of {}",
                        ais.chains
                    );
                }
                for warning in annealed.warnings() {
                    let _ = write!(text, "; {warning}");
                }
                text
            }
        };
        Self::nats(named, [low, mean, high], remark)
    }

    /// The share of `examples` whose most probable class, from rows of `ln p(y)`, is wrong.
    pub(super) fn error(named: Named, log_p: &Matrix, examples: &Examples) -> Outcome<Self> {
        let (p, n) = (wrong(log_p, examples)?, examples.len());
        let deviation = (p * (1.0 - p) / n.max(1) as f64).sqrt();
        let [low, high] = [-1.0, 1.0].map(|s| 100.0 * (p + s * DEVIATIONS * deviation));
        let remark = format!("{n} examples, 3 binomial standard errors");
        Ok(Self {
            unit: "%",
            ..Self::nats(named, [low.max(0.0), 100.0 * p, high], remark)
        })
    }

    /// The mean of a number of each example.
    pub(super) fn mean(named: Named, of: impl IntoIterator<Item = f64>, remark: String) -> Self {
        let (mean, error) = mean_and_standard_error(of);
        let [low, high] = [-1.0, 1.0].map(|s| mean + s * DEVIATIONS * error);
        Self {
            unit: "",
            ..Self::nats(named, [low, mean, high], remark)
        }
    }
}

/// Share of wrong classes.
pub(super) fn wrong(log_p: &Matrix, examples: &Examples) -> Outcome<f64> {
    let labels = labels(examples)?;
    let found = most_probable(log_p).into_iter().zip(labels);
    let wrong = found.filter(|(y, l)| *y != **l as usize).count();
    Ok(wrong as f64 / labels.len().max(1) as f64)
}

/// Parts of runs that differ in their seeds alone as one: means of the figures, with three standard
/// errors of the mean to either side.
pub(super) fn averaged(mut runs: Vec<Vec<Part>>) -> Vec<Part> {
    if runs.len() == 1 {
        return runs.remove(0);
    }
    let count = runs.len();
    let mut parts = runs.remove(0);
    for (i, part) in parts.iter_mut().enumerate() {
        part.seconds += runs.iter().map(|run| run[i].seconds).sum::<f64>();
        for (k, figure) in part.figures.iter_mut().enumerate() {
            let others = runs.iter().map(|run| run[i].figures[k].measured);
            let all: Vec<f64> = std::iter::once(figure.measured).chain(others).collect();
            let [least, most] = [f64::min, f64::max].map(|of| all.iter().copied().reduce(of));
            let [least, most] = [least, most].map(|x| x.unwrap_or(f64::NAN));
            let remark =
                format!("mean of {count} seeds, 3 standard errors; {least:.2} .. {most:.2}");
            let named = (figure.what, figure.published);
            *figure = Figure {
                unit: figure.unit,
                of_seeds: all.clone(),
                ..Figure::mean(named, all, remark)
            };
        }
    }
    parts
}

impl Part {
    pub(super) fn json(&self) -> Value {
        let figures = self.figures.iter().map(|x| {
            json!({
                "what": x.what,
                "published": x.published,
                "measured": x.measured,
                "low": x.interval.0,
                "high": x.interval.1,
                "unit": x.unit,
                "remark": x.remark,
                "of_seeds": x.of_seeds,
            })
        });
        json!({
            "name": self.name,
            "recipe": self.recipe,
            "seconds": self.seconds,
            "figures": figures.collect::<Vec<_>>(),
        })
    }

    /// One row a figure: machine and figure, published, measured, interval, unit, remark.
    pub(super) fn rows(&self) -> Vec<[String; 6]> {
        let number = |x: f64| format!("{x:.2}");
        let name = |what: &str| format!("{}, {what}", self.name);
        let rows = self.figures.iter().map(|x| {
            let (low, high) = x.interval;
            [
                name(x.what),
                x.published.map_or_else(|| "-".into(), number),
                number(x.measured),
                format!("{} .. {}", number(low), number(high)),
                x.unit.into(),
                x.remark.clone(),
            ]
        });
        let mut time = [const { String::new() }; 6];
        time[0] = name("training");
        time[2] = format!("{:.1}", self.seconds);
        time[4] = "s".into();
        rows.chain([time]).collect()
    }
}

/// The recipe of an RBM: options of training and what goes beside them.
pub(super) fn recipe(rbm: &Rbm, options: &RbmOptions, beside: Value) -> Value {
    json!({
        "n_visible": rbm.n_visible(),
        "n_hidden": rbm.n_hidden(),
        "units": format!("{},{}", rbm.visible().units, rbm.hidden().units),
        "options": report::options(options),
        "beside": beside,
    })
}

/// Momentum 0.5, from epoch 5 on 0.9.
pub(super) fn momentum() -> Schedule {
    Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)])
}

/// In a straight line to 0.
pub(super) fn falling(from: f32) -> Schedule {
    Schedule::Linear { from, to: 0.0 }
}

/// `at(1), at(2), ...` of `count` pieces of so many epochs.
pub(super) fn growing(count: usize, epochs: f32, at: impl Fn(f32) -> f32) -> Schedule {
    let pieces = (0..count).map(|k| (epochs * k as f32, at(k as f32 + 1.0)));
    Schedule::Pieces(pieces.collect())
}

/// By contrastive divergence, reconstructions drawn, with momentum and decay of
/// Salakhutdinov and Murray (2008).
pub(super) fn cd(steps: usize, learning: Learning) -> RbmOptions {
    RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps,
            reconstruction: Reconstruction::Sampled,
        },
        learning: Learning {
            momentum: momentum(),
            weight_decay: 2e-4,
            batch_size: 100,
            ..learning
        },
        ..RbmOptions::default()
    }
}

/// With 100 persistent chains.
pub(super) fn pcd(steps: usize, learning: Learning) -> RbmOptions {
    RbmOptions {
        negative: Negative::Persistent { chains: 100, steps },
        learning: Learning {
            batch_size: 100,
            ..learning
        },
        ..RbmOptions::default()
    }
}
