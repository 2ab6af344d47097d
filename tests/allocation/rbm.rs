//! Updates of RBMs: every negative phase, every optimizer, every kind of unit.

use super::allocations;
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    matrix::Matrix,
    model::{Layer, Missing, Rbm},
    states::States,
    train::{
        Averaging, Centering, Learning, Negative, Objective, RbmOptions, RbmTraining,
        Reconstruction, Rule, Schedule, Sparsity,
    },
    units::{Kind, Units},
};
use rayon::ThreadPool;

/// Negative phases, some with a largest norm of the gradient.
const NEGATIVE_PHASES: [(Negative, Option<f32>); 7] = [
    (
        Negative::Persistent {
            chains: 100,
            steps: 2,
        },
        None,
    ),
    (
        Negative::FastPersistent {
            chains: 100,
            steps: 1,
            fast_rate: 0.01,
            fast_decay: 0.95,
        },
        None,
    ),
    (
        Negative::Tempered {
            chains: 25,
            steps: 1,
            temperatures: 4,
            lowest: 0.5,
        },
        None,
    ),
    (
        // Without a snapshot on the way, which would be new memory.
        Negative::Trajectory {
            chains: 25,
            steps: 1,
            acceptance: f32::MIN_POSITIVE,
            snapshots: 4,
        },
        None,
    ),
    (
        Negative::ContrastiveDivergence {
            steps: 2,
            reconstruction: Reconstruction::Sampled,
        },
        Some(1.0),
    ),
    (
        Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Smoothed,
        },
        None,
    ),
    (
        Negative::Mcmc {
            chains: 50,
            steps: 2,
        },
        None,
    ),
];

const OTHER_UNITS: [(&str, &str, Objective, f32); 4] = [
    ("gaussian", "bernoulli", Objective::Generative, 0.1),
    ("spin", "relu:100+spin:100", Objective::Generative, 0.0),
    (
        "bernoulli+softmax:10",
        "bernoulli",
        Objective::Discriminative,
        0.0,
    ),
    (
        "bernoulli+softmax:10",
        "bernoulli",
        Objective::Hybrid {
            generative_weight: 0.1,
        },
        0.0,
    ),
];

/// Thirty updates of the machine allocate nothing.
fn check(rbm: Rbm, options: RbmOptions, data: &Examples, pool: &ThreadPool, what: &str) {
    let rbm = rbm.initialized_from(data, 1).unwrap();
    let mut training = RbmTraining::new(rbm, options, data).unwrap();
    let count = allocations(pool, 30, || {
        let _ = training.update(data).unwrap();
    });
    let threads = pool.current_num_threads();
    assert_eq!(count, 0, "{what} on {threads} threads");
}

/// Of bits, of reals, and of bits drawn anew from reals.
pub(super) fn negative_phases(bits: &BitMatrix, pool: &ThreadPool) {
    let gray = bits.to_matrix();
    for (values, resample_data) in [
        (States::from(bits.clone()), false),
        (gray.clone().into(), false),
        (gray.into(), true),
    ] {
        let data = Examples::new(values).unwrap();
        for (negative, gradient_clip) in NEGATIVE_PHASES {
            let options = RbmOptions {
                negative,
                learning: Learning {
                    gradient_clip,
                    resample_data,
                    batch_size: 96, // a short last batch within the counted updates
                    momentum: Schedule::Constant(0.5),
                    ..Learning::default()
                },
                ..RbmOptions::default()
            };
            let rbm = Rbm::bernoulli(&[300, 200]).unwrap();
            check(rbm, options, &data, pool, &format!("{negative:?}"));
        }
    }
}

/// Of weights, and of missing values that chains infer or that are no units.
pub(super) fn weights_and_missing(bits: &BitMatrix, pool: &ThreadPool) {
    let data = Examples::new(bits.clone()).unwrap();
    let weights = (0..data.len()).map(|i| 0.5 + (i % 3) as f32).collect();
    let weighted = data.with_weights(weights).unwrap();
    let mask = BitMatrix::from_fn(bits.rows(), bits.columns(), |i, j| (i + j) % 5 > 0);
    let missing = weighted.clone().with_observed(mask).unwrap();
    let cd = NEGATIVE_PHASES[4].0;
    for (data, negative, kind) in [
        (&weighted, NEGATIVE_PHASES[0].0, Missing::Infer),
        (&weighted, cd, Missing::Infer),
        (&missing, NEGATIVE_PHASES[0].0, Missing::Infer),
        (&missing, cd, Missing::Infer),
        (&missing, cd, Missing::Absent),
    ] {
        let options = RbmOptions {
            negative,
            missing: kind,
            learning: Learning {
                batch_size: 96,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let rbm = Rbm::bernoulli(&[300, 200]).unwrap();
        let what = format!("{negative:?}, {kind:?}");
        check(rbm, options, data, pool, &what);
    }
}

/// Of a small machine, whose updates run where they are called: in a pool, and on a thread of none.
pub(super) fn small(pool: &ThreadPool) {
    let bits = BitMatrix::from_fn(1000, 64, |i, j| (i * 3 + j * 7) % 5 < 2);
    let data = Examples::new(bits).unwrap();
    for (negative, gradient_clip) in [NEGATIVE_PHASES[4], NEGATIVE_PHASES[6], PERSISTENT] {
        for (batch_size, centering) in [(1, None), (9, None), (9, Some(Centering::default()))] {
            let options = RbmOptions {
                negative,
                centering,
                learning: Learning {
                    gradient_clip,
                    batch_size,
                    momentum: Schedule::Constant(0.5),
                    averaging: Some(Averaging::Exponential(0.99)),
                    ..Learning::default()
                },
                ..RbmOptions::default()
            };
            let what = format!("small, {negative:?}, batch {batch_size}");
            let rbm = Rbm::bernoulli(&[64, 100]).unwrap();
            check(rbm.clone(), options.clone(), &data, pool, &what);
            let work = || {
                super::COUNTS.set(true);
                let mut training = RbmTraining::new(rbm, options, &data).unwrap();
                let mut updates = |n| {
                    (0..n).for_each(|_| {
                        let _ = training.update(&data).unwrap();
                    })
                };
                updates(30);
                let before = super::counted();
                updates(200);
                assert_eq!(super::counted(), before, "{what}");
            };
            std::thread::scope(|scope| scope.spawn(work).join().unwrap());
        }
    }
}

/// Chains of a small machine.
const PERSISTENT: (Negative, Option<f32>) = (
    Negative::Persistent {
        chains: 10,
        steps: 1,
    },
    None,
);

pub(super) fn optimizers(bits: &BitMatrix, pool: &ThreadPool) {
    let data = Examples::new(bits.clone()).unwrap();
    for (optimizer, gradient_clip) in [(Rule::Nesterov, Some(1.0)), (Rule::ADAM, None)] {
        let options = RbmOptions {
            centering: Some(Centering::default()),
            sparsity: Some(Sparsity::default()),
            learning: Learning {
                optimizer,
                gradient_clip,
                max_norm: Some(0.1),
                averaging: Some(Averaging::Exponential(0.99)),
                batch_size: 96,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let rbm = Rbm::bernoulli(&[300, 200]).unwrap();
        check(rbm, options, &data, pool, &format!("{optimizer:?}"));
    }
}

/// Examples whose columns from the first softmax group on are one-hot, and the others `bits`.
fn examples_of(units: &Units, bits: &BitMatrix) -> Examples {
    let group = units.segments().iter().find(|s| s.kind == Kind::Softmax);
    let first = group.map_or(300, |s| s.first);
    let values = Matrix::from_fn(1000, 300, |i, j| {
        f32::from(if j < first {
            bits.get(i, j)
        } else {
            j == first + i % 10
        })
    });
    if units.are_binary() {
        let bits = BitMatrix::from_matrix(&values).unwrap();
        Examples::new(bits).unwrap()
    } else {
        Examples::new(values).unwrap()
    }
}

pub(super) fn other_units(bits: &BitMatrix, pool: &ThreadPool) {
    for (visible, hidden, objective, variance_rate) in OTHER_UNITS {
        let layer = |text, n| Layer::new(Units::parse(text, n).unwrap());
        let (visible, hidden) = (layer(visible, 300), layer(hidden, 200));
        let data = examples_of(&visible.units, bits);
        let options = RbmOptions {
            objective,
            variance_rate,
            learning: Learning {
                batch_size: 96,
                learning_rate: Schedule::Constant(1e-3),
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let units = format!("{}, {}", visible.units, hidden.units);
        let rbm = Rbm::unconnected(visible, hidden).unwrap();
        check(rbm, options, &data, pool, &units);
    }
    counts(pool);
}

/// Rows of a hundred words or so, by chains that start at examples and by those that go on.
fn counts(pool: &ThreadPool) {
    let values = Matrix::from_fn(1000, 300, |i, j| ((i * j) % 7 / 6 * (1 + j % 3)) as f32);
    let data = Examples::new(values).unwrap();
    for negative in [NEGATIVE_PHASES[0].0, NEGATIVE_PHASES[4].0] {
        let options = RbmOptions {
            negative,
            learning: Learning {
                optimizer: Rule::ADAM,
                batch_size: 96,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let rbm = Rbm::unconnected(Layer::of(Kind::Counts, 300), Layer::bernoulli(200)).unwrap();
        check(rbm, options, &data, pool, &format!("counts, {negative:?}"));
    }
}
