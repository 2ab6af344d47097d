//! Restricted Boltzmann machines: each a line of options, of what is measured, and of what that is
//! published as.
//!
//! The likelihood of small ones has its `ln Z` enumerated, that of large ones annealed, forward and
//! back from Gibbs chains that start at training examples.
//!
//! Machines with labels (Larochelle and Bengio, ICML 2008; Larochelle, Mandel, Pascanu and Bengio,
//! JMLR 2012): as published, 10,000 of the training images are held out for the choice of rates and
//! epochs, the machines learn from the other 50,000 alone, and nothing is chosen by the test
//! images. Pixels are probabilities: bits are drawn of them at each visit while a machine learns,
//! and it classifies by the probabilities themselves. Where the published machines learn from one
//! example at a time, these take minibatches and momentum; those that learn `p(y | v)` take the
//! centered gradient.

use super::{
    figures::{Figure, Part, cd, falling, growing, pcd, recipe, wrong},
    setting::{Setting, Watch, test_part},
};
use crate::{args::DEFAULT_BURN_IN, failure::Outcome, run::data::Data};
use harmonium::{
    BitMatrix, Rbm,
    dataset::{Binarization, Examples},
    evaluate::Betas,
    recipe::{AnyRun, Measure, Plan, RbmPlan},
    train::{Centering, Learning, Objective, RbmOptions, Rule, Schedule},
    units::{Kind, Units},
};
use serde_json::{Value, json};
use std::borrow::Cow;

const CLASSES: usize = 10;
const VALIDATION: usize = 10_000;
const MNIST_BITS: Binarization = Binarization::Sampled;
const CUT: Binarization = Binarization::Threshold(0.5);

/// What is measured of a machine.
enum Measured {
    /// The likelihood with `ln Z` enumerated; whether the machine learns `1 - v`.
    Enumerated { flipped: Option<bool> },
    /// The likelihood with `ln Z` annealed: chains and temperatures.
    Annealed(usize, Betas),
    /// The error of the classes.
    Classes,
}

/// A machine, how it learns, and what is published of it.
struct Machine {
    name: &'static str,
    hidden: usize,
    options: RbmOptions,
    measured: Measured,
    /// Of the test part and the training part.
    published: [Option<f64>; 2],
}

/// Salakhutdinov and Murray (ICML 2008), the machine "CD25": the number of steps grows by one every
/// 10 of 250 epochs, and the rate is divided by it.
pub(super) fn cd25(setting: &Setting) -> Outcome<Vec<Part>> {
    let learning = Learning {
        learning_rate: growing(25, 10.0, |k| 0.05 / k),
        epochs: 250,
        ..Learning::default()
    };
    let options = RbmOptions {
        steps: Some(growing(25, 10.0, |k| k)),
        ..cd(25, learning)
    };
    let machine = Machine {
        name: "784-500 CD-25",
        hidden: 500,
        options,
        measured: Measured::Annealed(100, Betas::SalakhutdinovMurray),
        published: [Some(-86.34), Some(-83.10)],
    };
    parts(setting, MNIST_BITS, vec![machine])
}

/// The PCD-25 of natural_bm with 250 epochs; the test part takes the place of its validation part.
pub(super) fn pcd_25(setting: &Setting) -> Outcome<Vec<Part>> {
    let learning = Learning {
        learning_rate: Schedule::Linear {
            from: 0.01,
            to: 0.001,
        },
        momentum: Schedule::Constant(0.9),
        optimizer: Rule::Nesterov,
        weight_decay: 2e-4,
        epochs: 250,
        ..Learning::default()
    };
    let machine = Machine {
        name: "784-500 PCD-25",
        hidden: 500,
        options: pcd(25, learning),
        measured: Measured::Annealed(1000, Betas::Linear(30_000)),
        published: [Some(-86.5), None],
    };
    parts(setting, MNIST_BITS, vec![machine])
}

/// Centered PCD-1 of 200 epochs on pixels cut at 0.5: with the published constant rate, and with
/// the rates of `train`.
pub(super) fn centered_500(setting: &Setting) -> Outcome<Vec<Part>> {
    let machine = |(name, learning_rate)| Machine {
        name,
        hidden: 500,
        options: centered_pcd(true, learning_rate, 200),
        measured: Measured::Annealed(100, Betas::Linear(10_000)),
        published: [Some(-84.86), None],
    };
    let machines = [
        ("784-500 centered", Schedule::Constant(0.01)),
        ("784-500 centered, rate from 0.1", falling(0.1)),
    ];
    parts(setting, CUT, machines.map(machine).into())
}

fn centered_pcd(is_centered: bool, learning_rate: Schedule, epochs: usize) -> RbmOptions {
    let learning = Learning {
        learning_rate,
        epochs,
        ..Learning::default()
    };
    RbmOptions {
        centering: is_centered.then(Centering::default),
        ..pcd(1, learning)
    }
}

/// The machines CD1(20), CD1(25), CD3(25) and PCD(20): start, momentum and decay as published for
/// the large ones (see [`cd25`]). Rates and epochs are not published; these were chosen once, on
/// one seed.
pub(super) fn small(setting: &Setting) -> Outcome<Vec<Part>> {
    let learning = |rate| Learning {
        learning_rate: falling(rate),
        epochs: 50,
        ..Learning::default()
    };
    let cd = |steps| cd(steps, learning(0.1));
    let persistent = RbmOptions {
        negative: pcd(1, learning(0.02)).negative,
        ..super::figures::cd(1, learning(0.02))
    };
    let machines = [
        ("784-20 CD-1", 20, cd(1), -164.52),
        ("784-25 CD-1", 25, cd(1), -151.57),
        ("784-25 CD-3", 25, cd(3), -143.03),
        ("784-20 PCD-1", 20, persistent, -150.11),
    ];
    let machine = |(name, hidden, options, published)| Machine {
        name,
        hidden,
        options,
        measured: Measured::Enumerated { flipped: None },
        published: [Some(published), None],
    };
    parts(setting, MNIST_BITS, machines.map(machine).into())
}

/// The RBM 784-16 of the studies of centering, on MNIST and on its negative: the ordinary gradient
/// depends on which of two states is called 1, the centered one does not.
pub(super) fn centered_16(setting: &Setting) -> Outcome<Vec<Part>> {
    let machines = [
        ("centered", true, false, -142.56),
        ("plain", false, false, -149.05),
        ("centered flipped", true, true, -142.09),
        ("plain flipped", false, true, -183.36),
    ];
    let machine = |(name, is_centered, flipped, published)| Machine {
        name,
        hidden: 16,
        options: centered_pcd(is_centered, Schedule::Constant(0.01), 50),
        measured: Measured::Enumerated {
            flipped: Some(flipped),
        },
        published: [Some(published), None],
    };
    parts(setting, CUT, machines.map(machine).into())
}

/// Machines with labels; rates and epochs were chosen by the validation images: docs/training.md.
pub(super) fn classification(setting: &Setting) -> Outcome<Vec<Part>> {
    let learning = |rate, epochs| Learning {
        learning_rate: falling(rate),
        resample_data: true,
        epochs,
        ..Learning::default()
    };
    let classifier = |objective, epochs| {
        let plain = cd(1, learning(0.5, epochs));
        RbmOptions {
            objective,
            centering: Some(Centering::default()),
            learning: Learning {
                momentum: Schedule::Constant(0.9),
                weight_decay: Learning::default().weight_decay,
                ..plain.learning
            },
            ..plain
        }
    };
    let hybrid = Objective::Hybrid {
        generative_weight: 0.05,
    };
    let discriminative = classifier(Objective::Discriminative, 12);
    let machines = [
        ("RBM", 1500, cd(1, learning(0.1, 40)), 3.39),
        ("discriminative RBM", 500, discriminative, 1.81),
        ("hybrid RBM", 1500, classifier(hybrid, 60), 1.28),
    ];
    let machine = |(name, hidden, options, published)| Machine {
        name,
        hidden,
        options,
        measured: Measured::Classes,
        published: [Some(published), None],
    };
    let machines = machines.map(machine).into();
    parts(setting, Binarization::None, machines)
}

/// Trains and measures the machines that are wanted; those that classify hold examples out.
fn parts(setting: &Setting, how: Binarization, machines: Vec<Machine>) -> Outcome<Vec<Part>> {
    let classify = |x: &Machine| matches!(x.measured, Measured::Classes);
    let validation = match machines.iter().any(classify) {
        true => setting.at_most(VALIDATION, 1000),
        false => 0,
    };
    let data = setting.data(how, validation)?;
    let wanted = machines.into_iter().filter(|x| setting.wants(x.name));
    wanted.map(|x| x.part(setting, &data, how)).collect()
}

impl Machine {
    fn part(self, setting: &Setting, data: &Data, how: Binarization) -> Outcome<Part> {
        let (train, test) = match self.measured {
            Measured::Enumerated {
                flipped: Some(true),
            } => (flipped(&data.train), flipped(test_part(data)?)),
            Measured::Classes => {
                let labeled = data.train.with_label_units(CLASSES)?;
                (Cow::Owned(labeled), Cow::Borrowed(test_part(data)?))
            }
            _ => (Cow::Borrowed(&data.train), Cow::Borrowed(test_part(data)?)),
        };
        let run = self.start(setting, &train, data.train.columns())?;
        let rbm = run.result()?.into_rbm()?;
        let recipe = recipe(&rbm, &self.options, self.beside(setting, how));
        let error = |rbm: &Rbm, examples: &Examples| {
            let share = wrong(&rbm.log_p_y_from_v(examples)?, examples)?;
            Ok(format!("validation error {:.2} %", 100.0 * share))
        };
        let watch: &mut Watch<'_> = &mut |run, _, due| match &data.validation {
            Some(held_out) if due => error(&run.result()?.into_rbm()?, held_out),
            _ => Ok(String::new()),
        };
        let (rbm, seconds) = setting.train(self.name, run, &train, watch)?;
        let figures = self.figures(setting, &rbm, (&train, &test), data.validation.as_ref())?;
        Ok(Part {
            name: self.name.into(),
            recipe,
            figures,
            seconds,
        })
    }

    /// The run, before it learns.
    fn start(&self, setting: &Setting, train: &Examples, pixels: usize) -> Outcome<AnyRun> {
        let (quick, classes) = match self.measured {
            Measured::Enumerated { .. } => (12, 0),
            Measured::Annealed(..) => (50, 0),
            Measured::Classes => (100, CLASSES),
        };
        let plan = Plan::Rbm(RbmPlan {
            visible: Units::of(Kind::Bernoulli, pixels).and(Kind::Softmax, classes),
            hidden: Units::of(Kind::Bernoulli, setting.at_most(self.hidden, quick)),
            options: setting.options(self.options.clone()),
        });
        let run = plan.start(train, None)?;
        if !matches!(self.measured, Measured::Enumerated { flipped: None }) {
            return Ok(run);
        }
        let mut rbm = run.result()?.into_rbm()?;
        rbm.set_parameter("bias.0", &vec![0.0; pixels])?;
        Ok(plan.start_from(&rbm.into(), train, None)?)
    }

    /// What the record has beside the options.
    fn beside(&self, setting: &Setting, how: Binarization) -> Value {
        let (how, log_odds) = (how.to_string(), "log-odds of the data");
        match &self.measured {
            Measured::Enumerated { flipped: None } => {
                json!({"binarization": how, "initial_visible_bias": "0"})
            }
            Measured::Enumerated { flipped } => {
                json!({"binarization": how, "flipped": flipped, "initial_visible_bias": log_odds})
            }
            Measured::Annealed(chains, betas) => {
                let (chains, betas) = estimator(setting, *chains, betas);
                json!({
                    "chains": chains,
                    "betas": betas.steps() + 1,
                    "burn_in": setting.at_most(DEFAULT_BURN_IN, 50),
                    "binarization": how,
                    "initial_visible_bias": log_odds,
                })
            }
            Measured::Classes => json!({
                "pixels": "bits drawn at each visit, probabilities to classify",
                "validation": VALIDATION,
            }),
        }
    }

    fn figures(
        &self,
        setting: &Setting,
        rbm: &Rbm,
        (train, test): (&Examples, &Examples),
        held_out: Option<&Examples>,
    ) -> Outcome<Vec<Figure>> {
        let [of_test, of_train] = self.published;
        if let Measured::Classes = self.measured {
            let error = |named, x: &Examples| Figure::error(named, &rbm.log_p_y_from_v(x)?, x);
            let test = error(("test error", of_test), test);
            let held_out = held_out.map(|x| error(("validation error", None), x));
            return [test].into_iter().chain(held_out).collect();
        }
        let (seed, burn_in) = (setting.seed, setting.at_most(DEFAULT_BURN_IN, 50));
        let how = match &self.measured {
            Measured::Annealed(chains, betas) => {
                let (chains, betas) = estimator(setting, *chains, betas);
                Measure {
                    enumerated_units: None,
                    chains,
                    betas,
                    burn_in,
                    seed,
                    ..Measure::default()
                }
            }
            _ => Measure {
                exact: true,
                ..Measure::default()
            },
        };
        let measure = |named, examples: &Examples| -> Outcome<Figure> {
            let found = how.rbm(rbm, train, examples, &mut ())?;
            Ok(Figure::likelihood(named, &found))
        };
        let mut figures = vec![measure(("test log-likelihood", of_test), test)?];
        if !how.exact {
            figures.push(measure(("training log-likelihood", of_train), train)?);
        }
        Ok(figures)
    }
}

/// Chains and temperatures of annealing, or the few of a quick run.
fn estimator(setting: &Setting, chains: usize, betas: &Betas) -> (usize, Betas) {
    match setting.quick {
        true => (20, Betas::Linear(200)),
        false => (chains, betas.clone()),
    }
}

/// `1 - v`.
fn flipped(examples: &Examples) -> Cow<'_, Examples> {
    let Some(bits) = examples.bits() else {
        return Cow::Borrowed(examples); // thresholded data are bits
    };
    let bits = BitMatrix::from_fn(bits.rows(), bits.columns(), |i, j| !bits.get(i, j));
    Examples::new(bits).map_or(Cow::Borrowed(examples), Cow::Owned)
}
