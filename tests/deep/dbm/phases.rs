//! Phases of the joint training: each way to the expectations of the data and of the model against
//! enumeration, what is learned by them, and runs that go on to the bit.

use crate::common::deep::{bernoulli, random};
use harmonium::model::Layered as _;
use harmonium::{
    bits::BitMatrix,
    checkpoint::Checkpoint,
    dataset::{self, Examples},
    model::{Dbm, Layer, MeanField},
    train::{
        ChainWarning, DbmLearner, DbmOptions, DbmTraining, Event, Learning, Negative, Positive,
        Schedule,
    },
    units::{Kind, Units},
};
use std::ops::ControlFlow;

/// Chains and copies of examples of a sampled phase.
const MANY: usize = 20_000;

/// Updates along the gradient itself.
fn bare(positive: Positive, negative: Negative) -> DbmOptions {
    DbmOptions {
        positive,
        negative,
        centering: None,
        learning: Learning {
            batch_size: MANY,
            learning_rate: 1.0.into(),
            ..Learning::default()
        },
        ..DbmOptions::default()
    }
}

fn parameters(dbm: &Dbm) -> Vec<f64> {
    let layers = 0..dbm.n_layers();
    let weights = (1..dbm.n_layers()).flat_map(|l| dbm.weights(l - 1).elements());
    let bias = layers.flat_map(|l| dbm.layer(l).bias.clone());
    weights.chain(bias).map(f64::from).collect()
}

/// The step of an update, after others that change nothing.
fn step(dbm: &Dbm, options: DbmOptions, before: usize, data: &Examples) -> Vec<f64> {
    let mut run = DbmTraining::new(dbm.clone(), options, data).unwrap();
    run.set_learning_rate(0.0).unwrap();
    for _ in 0..before {
        let _ = run.update(data).unwrap();
    }
    assert_eq!(run.model(), dbm);
    run.set_learning_rate(1.0).unwrap();
    let _ = run.update(data).unwrap();
    let (to, from) = (parameters(run.model()), parameters(dbm));
    to.iter().zip(from).map(|(a, b)| a - b).collect()
}

fn rows(n: usize, count: usize) -> BitMatrix {
    BitMatrix::from_fn(count, n, |i, j| ((i % 4) * 5 + j * 3 + (i % 4) * j) % 7 < 3)
}

/// Central differences of step 1/128 as in the tests of general machines: third derivatives below
/// 6 times `(2 / 128)^2 / 6`, and f32 rounding of a parameter near 1 over 1/64.
#[test]
fn exact_phases_are_finite_differences() {
    let exact = || bare(Positive::Exact, Negative::Exact);
    for (sizes, seed) in [(&[4, 3, 3][..], 1), (&[3, 3, 2, 2], 2), (&[4, 3], 3)] {
        let dbm = bernoulli(sizes, 0.6, seed);
        let data = rows(sizes[0], 4);
        let got = step(&dbm, exact(), 0, &Examples::new(data.clone()).unwrap());
        let likelihood = |x: &Dbm| x.exact_mean_log_likelihood(&data, &mut ()).unwrap().0;
        for (k, got) in got.iter().enumerate() {
            let (up, x) = moved(&dbm, k, 1.0 / 128.0);
            let (down, y) = moved(&dbm, k, -1.0 / 128.0);
            let expected = (likelihood(&up) - likelihood(&down)) / (x - y);
            assert!((got - expected).abs() < 3e-4, "{k}: {got} for {expected}");
        }
    }
}

/// The machine with `by` added to its parameter `k`, in the order of [`parameters`], and that
/// parameter.
fn moved(dbm: &Dbm, mut k: usize, by: f32) -> (Dbm, f64) {
    let mut dbm = dbm.clone();
    for l in 1..dbm.n_layers() {
        let w = dbm.weights_mut(l - 1);
        let n = w.rows() * w.columns();
        if k < n {
            let (i, j) = (k / w.columns(), k % w.columns());
            w.row_mut(i)[j] += by;
            let x = f64::from(w.row(i)[j]);
            dbm.refresh();
            return (dbm, x);
        }
        k -= n;
    }
    for l in 0..dbm.n_layers() {
        let b = dbm.bias_mut(l);
        if k < b.len() {
            b[k] += by;
            let x = f64::from(b[k]);
            return (dbm, x);
        }
        k -= b.len();
    }
    unreachable!("a parameter of the machine")
}

/// Every way to the model's expectations, with the exact posterior, and every way to the data's,
/// with exact expectations of the model. A mean over 20,000 independent chains of values in [0, 1]
/// has a standard error of at most 0.5 / sqrt(20,000): five of them. Forty sweeps of machines of
/// 10 units with weights of 0.5 forget their start; statistics in fixed point are off by less than
/// 2^-8 / sqrt(20,000) a mean, far less.
#[test]
fn each_phase_is_the_enumerated_one() {
    let five = 5.0 * 0.5 / (MANY as f64).sqrt();
    for (sizes, seed) in [(&[5, 3, 2][..], 4), (&[4, 3, 2, 2], 5)] {
        let dbm = bernoulli(sizes, 0.5, seed);
        let few = Examples::new(rows(sizes[0], 4)).unwrap();
        let many = Examples::new(rows(sizes[0], MANY)).unwrap();
        let expected = step(&dbm, bare(Positive::Exact, Negative::Exact), 0, &few);
        let check = |options: DbmOptions, before: usize, data: &Examples| {
            let what = format!("{:?} {:?} {sizes:?}", options.positive, options.negative);
            let got = step(&dbm, options, before, data);
            for (k, (a, b)) in got.iter().zip(&expected).enumerate() {
                assert!((a - b).abs() < five, "{what}, {k}: {a} for {b}");
            }
        };
        let chains = MANY;
        for (negative, before) in [
            (Negative::Persistent { chains, steps: 4 }, 9),
            (Negative::Mcmc { chains, steps: 40 }, 0),
            (
                Negative::FastPersistent {
                    chains,
                    steps: 4,
                    fast_rate: 0.0,
                    fast_decay: 0.9,
                },
                9,
            ),
            (
                Negative::Tempered {
                    chains,
                    steps: 4,
                    temperatures: 3,
                    lowest: 0.2,
                },
                9,
            ),
            (
                Negative::Trajectory {
                    chains,
                    steps: 4,
                    acceptance: 0.25,
                    snapshots: 2,
                },
                9,
            ),
        ] {
            check(bare(Positive::Exact, negative), before, &few);
        }
        let exact = Negative::Exact;
        check(bare(Positive::Gibbs { steps: 4 }, exact), 9, &many);
        // Chains that start at the data and forget them.
        let cd = Negative::ContrastiveDivergence {
            steps: 40,
            reconstruction: Default::default(),
        };
        let both = bare(Positive::Gibbs { steps: 40 }, cd);
        let got = step(&dbm, both, 0, &many);
        for (a, b) in got.iter().zip(&expected) {
            assert!((a - b).abs() < 2.0_f64.sqrt() * five, "{a} for {b}");
        }
    }
}

const PHASES: [(Positive, Negative); 7] = {
    let gibbs = Positive::Gibbs { steps: 2 };
    let field = Positive::MeanField(MeanField {
        iterations: 10,
        tolerance: 1e-3,
        damping: 0.0,
    });
    let (chains, steps) = (7, 2);
    [
        (Positive::Exact, Negative::Exact),
        (gibbs, Negative::Persistent { chains, steps }),
        (field, Negative::Mcmc { chains, steps }),
        (
            field,
            Negative::ContrastiveDivergence {
                steps,
                reconstruction: harmonium::train::Reconstruction::Sampled,
            },
        ),
        (
            gibbs,
            Negative::FastPersistent {
                chains,
                steps,
                fast_rate: 0.05,
                fast_decay: 0.9,
            },
        ),
        (
            field,
            Negative::Tempered {
                chains,
                steps,
                temperatures: 3,
                lowest: 0.5,
            },
        ),
        (
            gibbs,
            Negative::Trajectory {
                chains,
                steps,
                acceptance: 0.9,
                snapshots: 3,
            },
        ),
    ]
};

/// With a label above the highest of these layers.
fn labeled(sizes: &[usize], classes: usize, seed: u64) -> Dbm {
    let layers = sizes.iter().map(|&n| Layer::bernoulli(n));
    let label = Layer::new(Units::of(Kind::Softmax, classes));
    random(layers.chain([label]).collect(), 0.2, seed)
}

fn short(positive: Positive, negative: Negative) -> DbmOptions {
    DbmOptions {
        positive,
        negative,
        learning: Learning {
            epochs: 8,
            batch_size: 5,
            learning_rate: 0.3.into(),
            seed: 6,
            ..Learning::default()
        },
        ..DbmOptions::default()
    }
}

/// A run that is stored after 5 updates, and read, is the one that never stopped, state included;
/// so is one on another number of threads. With a label too.
#[test]
fn every_phase_resumes_to_the_bit() {
    let plain = dataset::bars_and_stripes(3);
    let labels: Vec<u32> = (0..plain.len() as u32).map(|i| i % 2).collect();
    let with_labels = plain.clone().with_labels(labels).unwrap();
    let path = std::env::temp_dir().join(format!("harmonium-phases-{}", std::process::id()));
    for (positive, negative) in PHASES {
        for data in [&plain, &with_labels] {
            let dbm = match data.labels() {
                None => bernoulli(&[9, 6, 4], 0.2, 7),
                Some(_) => labeled(&[9, 6, 4], 2, 7),
            };
            let options = short(positive, negative);
            let mut run = DbmTraining::new(dbm, options.clone(), data).unwrap();
            let one = harmonium::threads::Pool::new(1).unwrap();
            let mut alone = run.clone();
            for k in 0..13 {
                if k == 5 {
                    Checkpoint::from(&run).save(&path).unwrap();
                }
                let _ = run.update(data).unwrap();
                let _ = one.install(|| alone.update(data)).unwrap();
            }
            let checkpoint = Checkpoint::load(&path).unwrap();
            let mut rest = checkpoint.into_run::<DbmLearner>(data).unwrap();
            assert_eq!(rest.options(), &options);
            for _ in 5..13 {
                let _ = rest.update(data).unwrap();
            }
            assert_eq!(rest.model(), run.model(), "{positive:?} {negative:?}");
            assert_eq!(rest.state(), run.state(), "{positive:?} {negative:?}");
            assert_eq!(alone.state(), run.state(), "{positive:?} {negative:?}");
        }
    }
    std::fs::remove_file(&path).unwrap();
}

/// How unequal a unit of the highest layer is over the data: the largest standard deviation of
/// `E[h | v]`, by enumeration.
fn use_of_top(dbm: &Dbm, v: &BitMatrix) -> f64 {
    let top = dbm.n_layers() - 1;
    let means = |row| dbm.posterior_expectations(v, row, &mut ()).unwrap().layers[top].clone();
    let all: Vec<Vec<f64>> = (0..v.rows()).map(means).collect();
    let n = all.len() as f64;
    let deviation = |j: usize| {
        let mean = all.iter().map(|x| x[j]).sum::<f64>() / n;
        (all.iter().map(|x| (x[j] - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    (0..dbm.layer(top).size())
        .map(deviation)
        .fold(0.0, f64::max)
}

/// A machine 9-8-6 on the 16 rows of bars and stripes: its likelihood, at most -2.5993 nats a row
/// (14 patterns, two of them twice), and how the second layer is used.
fn learned(options: DbmOptions, seed: u64) -> (f64, f64) {
    let data = dataset::bars_and_stripes(3);
    let v = data.bits().unwrap();
    let dbm = Dbm::bernoulli(&[9, 8, 6]).unwrap();
    let dbm = dbm.initialized_from(&data, seed).unwrap();
    let options = DbmOptions {
        learning: Learning {
            batch_size: 16,
            seed,
            ..options.learning
        },
        ..options
    };
    let mut run = DbmTraining::new(dbm, options, &data).unwrap();
    let ended = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    assert!(ended.is_finished());
    let (likelihood, _, _) = run.model().exact_mean_log_likelihood(v, &mut ()).unwrap();
    (likelihood, use_of_top(run.model(), v))
}

/// Momentum 0.9, a rate that falls to zero in a straight line, no decay.
fn fast(positive: Positive, negative: Negative, rate: f32, epochs: usize) -> DbmOptions {
    DbmOptions {
        positive,
        negative,
        learning: Learning {
            epochs,
            learning_rate: Schedule::Linear {
                from: rate,
                to: 0.0,
            },
            momentum: 0.9.into(),
            ..Learning::default()
        },
        ..DbmOptions::default()
    }
}

/// The exact gradient comes to within 0.01 nats of what is possible, and units of the second layer
/// tell examples apart.
#[test]
fn exact_phases_learn_bars_and_stripes_with_both_layers() {
    let options = fast(Positive::Exact, Negative::Exact, 0.5, 4000);
    let (likelihood, of_top) = learned(options, 1);
    println!("{likelihood}, second layer {of_top}");
    assert!((-2.610..-2.5993).contains(&likelihood), "{likelihood}");
    assert!(of_top > 0.05, "{of_top}");
}

/// Chains that swap temperatures can follow a rate at which plain ones part from the model.
#[test]
fn tempered_chains_learn_at_a_large_rate() {
    let negative = Negative::Tempered {
        chains: 100,
        steps: 1,
        temperatures: 5,
        lowest: 0.3,
    };
    let gibbs = Positive::Gibbs { steps: 2 };
    let (likelihood, of_top) = learned(fast(gibbs, negative, 0.1, 8000), 1);
    println!("{likelihood}, second layer {of_top}");
    assert!((-2.63..-2.5993).contains(&likelihood), "{likelihood}");
}

/// A run of Algorithm 20.1 with so many chains and sweeps, asked of its chains after every tenth of
/// its epochs.
fn warned(options: DbmOptions) -> (f64, Vec<ChainWarning>) {
    let data = dataset::bars_and_stripes(3);
    let dbm = Dbm::bernoulli(&[9, 8, 6]).unwrap();
    let dbm = dbm.initialized_from(&data, 1).unwrap();
    let epochs = options.learning.epochs;
    let learning = Learning {
        batch_size: 16,
        ..options.learning
    };
    let options = DbmOptions {
        learning,
        ..options
    };
    let mut run = DbmTraining::new(dbm, options, &data).unwrap();
    let (mut before, mut all) = (None, Vec::new());
    let ended = run.run(&data, |event| {
        if let Event::Epoch(run) = event
            && run.position().epoch.is_multiple_of(epochs / 10)
        {
            let health = run.chain_health(before.as_ref()).unwrap().unwrap();
            println!(
                "{:?} {:?} {:?} {:?}",
                health.energy_gap, health.strain, health.autocorrelation, health.information
            );
            all = health.warnings();
            before = Some(health);
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    let v = data.bits().unwrap();
    let (likelihood, _, _) = run.model().exact_mean_log_likelihood(v, &mut ()).unwrap();
    println!("{likelihood} {all:?}");
    (likelihood, all)
}

/// Algorithm 20.1 at a rate of 0.1 without decay: chains that cannot follow leave a machine worse
/// than the uniform one (-6.24 nats), and say so; tempered chains and exact posteriors are silent.
#[test]
fn chains_that_part_from_the_model_say_so() {
    let field = DbmOptions::default().positive;
    let plain = Negative::Persistent {
        chains: 100,
        steps: 1,
    };
    let mut bad = fast(field, plain, 0.1, 4000);
    bad.learning.learning_rate = 0.1.into();
    let (likelihood, warnings) = warned(bad);
    assert!(likelihood < -6.24, "{likelihood}");
    let parted =
        |x: &ChainWarning| matches!(x, ChainWarning::Parted { .. } | ChainWarning::Driven { .. });
    assert!(warnings.iter().any(parted), "{likelihood}: {warnings:?}");
    // The good one: no warning of chains.
    let negative = Negative::Tempered {
        chains: 100,
        steps: 1,
        temperatures: 5,
        lowest: 0.3,
    };
    let (likelihood, warnings) = warned(fast(Positive::Gibbs { steps: 2 }, negative, 0.1, 4000));
    assert!(likelihood > -2.7, "{likelihood}");
    assert!(warnings.is_empty(), "{warnings:?}");
    // The exact one: both layers in use.
    let (likelihood, warnings) = warned(fast(Positive::Exact, Negative::Exact, 0.5, 4000));
    assert!(likelihood > -2.62, "{likelihood}");
    assert!(warnings.is_empty(), "{warnings:?}");
    // A layer that nothing has used yet.
    let idle = fast(field, plain, 1e-6, 10);
    let unused = |x: &ChainWarning| matches!(x, ChainWarning::Unused { layer: 2, .. });
    assert!(warned(idle).1.iter().any(unused));
}
