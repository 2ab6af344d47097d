//! A training update and a temperature of annealing allocate nothing once the buffers have grown. Its own test binary: it has an allocator of its own, which counts
//! what the threads of the pools allocate. The thread of the test harness allocates when a test takes long, and says so.

use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    evaluate::{Ais, Betas, ReverseStart},
    matrix::Matrix,
    model::{BoltzmannMachine, Dbm, Dbn, Directed, Layer, MeanField, Network, Rbm},
    product::{Provider, provider},
    states::States,
    train::{
        Averaging, Backprop, BackpropOptions, BoltzmannNegative, BoltzmannOptions,
        BoltzmannPositive, BoltzmannTraining, Centering, DbmOptions, DbmTraining, Descent, Learner,
        Learning, Negative, Objective, Options, Reconstruction, Rule, Run, Schedule, Sparsity,
        Training, UpDown, UpDownOptions,
    },
    units::{Kind, Units},
};
use rayon::ThreadPool;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
};

struct Counting;
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether what this thread allocates counts. Neither made nor dropped at run time, so the allocator may look at it.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if COUNTS.get() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test, so that no other thread allocates meanwhile.
#[test]
fn updates_and_temperatures_allocate_nothing_after_the_first() {
    assert_eq!(
        provider(),
        Provider::Native,
        "other providers allocate their packing buffers"
    );
    let bits = BitMatrix::from_fn(1000, 300, |i, j| (i * 3 + j * 7) % 5 < 2);
    let grey = bits.to_matrix();
    let smoothed = Reconstruction::Smoothed;
    // All of them to the end: threads that end allocate, and when they do is chance.
    let pools = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.start_handler(|_| COUNTS.set(true)).build().unwrap()
    });
    for pool in &pools {
        let found = pool.broadcast(|_| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            black_box(Box::new(0));
            ALLOCATIONS.load(Ordering::Relaxed) - before
        });
        assert!(found.iter().all(|&n| n > 0), "{found:?}");
    }
    for threads in [1, 2] {
        let pool = &pools[threads - 1];
        for (values, resample_data) in [
            (States::from(bits.clone()), false),
            (grey.clone().into(), false),
            (grey.clone().into(), true),
        ] {
            let data = Examples::new(values).unwrap();
            for (negative, gradient_clip) in [
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
                        reconstruction: smoothed,
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
            ] {
                let options = Options {
                    negative,
                    learning: Learning {
                        gradient_clip,
                        resample_data,
                        batch_size: 96, // a short last batch within the counted updates
                        momentum: Schedule::Constant(0.5),
                        ..Learning::default()
                    },
                    ..Options::default()
                };
                let rbm = Rbm::bernoulli(300, 200).initialized_from(&data, 1).unwrap();
                let training = Training::new(rbm, options, &data).unwrap();
                let count = pool.install(|| allocations(training, &data, 30));
                assert_eq!(count, 0, "{negative:?} on {threads} threads");
            }
        }
        for (optimizer, gradient_clip) in [(Rule::Nesterov, Some(1.0)), (Rule::ADAM, None)] {
            let data = Examples::new(bits.clone()).unwrap();
            let options = Options {
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
                ..Options::default()
            };
            let rbm = Rbm::bernoulli(300, 200).initialized_from(&data, 1).unwrap();
            let training = Training::new(rbm, options, &data).unwrap();
            let count = pool.install(|| allocations(training, &data, 30));
            assert_eq!(count, 0, "{optimizer:?} on {threads} threads");
        }
        for (visible, hidden, objective, variance_rate) in OTHER_UNITS {
            let layer = |text, n| Layer::new(Units::parse(text, n).unwrap());
            let (visible, hidden) = (layer(visible, 300), layer(hidden, 200));
            let group = visible
                .units
                .segments()
                .iter()
                .find(|s| s.kind == Kind::Softmax);
            let first = group.map_or(300, |s| s.first);
            let value = |i, j| {
                f32::from(if j < first {
                    bits.get(i, j)
                } else {
                    j == first + i % 10
                })
            };
            let values = harmonium::Matrix::from_fn(1000, 300, value);
            let data = if visible.units.are_binary() {
                let bits = BitMatrix::from_matrix(&values).unwrap();
                Examples::new(bits).unwrap()
            } else {
                Examples::new(values).unwrap()
            };
            let rbm = Rbm::unconnected(visible, hidden).unwrap();
            let rbm = rbm.initialized_from(&data, 1).unwrap();
            let options = Options {
                objective,
                variance_rate,
                learning: Learning {
                    batch_size: 96,
                    learning_rate: Schedule::Constant(1e-3),
                    ..Learning::default()
                },
                ..Options::default()
            };
            let units = format!("{}, {}", rbm.visible().units, rbm.hidden().units);
            let training = Training::new(rbm, options, &data).unwrap();
            let count = pool.install(|| allocations(training, &data, 30));
            assert_eq!(count, 0, "{units} on {threads} threads");
        }
    }
    deep_boltzmann_machines(&bits, &pools);
    annealing(&pools);
    up_down(&pools);
    backpropagation(&bits, &pools);
    general_machines(&pools);
}

/// Updates of both phases of a network with a label.
fn up_down(pools: &[ThreadPool; 2]) {
    let bits = BitMatrix::from_fn(1000, 300, |i, j| (i * 3 + j * 7) % 5 < 2);
    let labels = (0..1000).map(|i| (i % 10) as u32).collect();
    let data = Examples::new(bits).unwrap().with_labels(labels).unwrap();
    let joint = Layer::new(Units::parse("bernoulli+softmax:10", 110).unwrap());
    let top = Rbm::unconnected(joint, Layer::bernoulli(200)).unwrap();
    let pair = |n, m| {
        let weights = harmonium::Matrix::zeros(n, m);
        Directed::new(Layer::bernoulli(n), Layer::bernoulli(m), weights, None).unwrap()
    };
    let dbn = Dbn::new(vec![pair(300, 150), pair(150, 100)], top).unwrap();
    for threads in [1, 2] {
        let pool = &pools[threads - 1];
        let options = UpDownOptions {
            learning: Learning {
                batch_size: 96,
                ..UpDownOptions::default().learning
            },
            ..UpDownOptions::default()
        };
        let run = UpDown::new(dbn.clone(), options, &data).unwrap();
        let count = pool.install(|| allocations(run, &data, 30));
        assert_eq!(count, 0, "the up-down algorithm on {threads} threads");
    }
}

/// Backpropagation by a rule with dropout, by an adaptive rule, and by conjugate gradients; classes and reconstructions.
fn backpropagation(bits: &BitMatrix, pools: &[ThreadPool; 2]) {
    let labels = (0..bits.rows()).map(|i| (i % 5) as u32).collect();
    let grey = bits.to_matrix();
    let bits = Examples::new(bits.clone())
        .unwrap()
        .with_labels(labels)
        .unwrap();
    let grey = bits.with_states(grey).unwrap();
    let rbm = Rbm::bernoulli(300, 70).initialized_from(&bits, 1).unwrap();
    let dbn = Dbn::from(rbm);
    for threads in [1, 2] {
        let pool = &pools[threads - 1];
        for (descent, dropout) in [
            (Descent::Steps(Rule::Momentum), 0.5),
            (Descent::Steps(Rule::ADAM), 0.0),
            (Descent::ConjugateGradients { line_searches: 2 }, 0.0),
        ] {
            let options = BackpropOptions {
                descent,
                input_dropout: dropout,
                hidden_dropout: dropout,
                learning: Learning {
                    batch_size: 96,
                    max_norm: (dropout > 0.0).then_some(1.0),
                    weight_decay: 1e-4,
                    ..BackpropOptions::default().learning
                },
                ..BackpropOptions::default()
            };
            for data in [&bits, &grey] {
                for network in [
                    Network::classifier_from_dbn(&dbn, 5, 1).unwrap(),
                    Network::autoencoder_from_dbn(&dbn).unwrap(),
                ] {
                    let run = Backprop::new(network, options.clone(), data).unwrap();
                    let count = pool.install(|| allocations(run, data, 15));
                    assert_eq!(count, 0, "{descent:?} on {threads} threads");
                }
            }
        }
    }
}

fn deep_boltzmann_machines(bits: &BitMatrix, pools: &[ThreadPool; 2]) {
    let labels = (0..bits.rows()).map(|i| (i % 10) as u32).collect();
    let data = Examples::new(bits.clone())
        .unwrap()
        .with_labels(labels)
        .unwrap();
    let label = Layer::of(Kind::Softmax, 10);
    for threads in [1, 2] {
        let pool = &pools[threads - 1];
        for (sizes, last, centering) in [
            (&[300, 200, 150][..], None, Some(Centering::default())),
            (&[300, 90, 200, 40], None, None),
            (&[300, 90, 200], Some(&label), Some(Centering::default())),
            (&[300, 90, 40, 30], Some(&label), None),
        ] {
            let layers = sizes.iter().map(|&n| Layer::bernoulli(n));
            let layers: Vec<Layer> = layers.chain(last.cloned()).collect();
            let pairs = layers.windows(2);
            let weights = pairs.map(|x| Matrix::zeros(x[0].size(), x[1].size()));
            let dbm = Dbm::new(layers.clone(), weights.collect()).unwrap();
            let dbm = dbm.initialized_from(&data, 1).unwrap();
            let options = DbmOptions {
                centering,
                sparsity: vec![Sparsity::default(); sizes.len() - 1],
                warm_start: true,
                learning: Learning {
                    batch_size: 96,
                    ..DbmOptions::default().learning
                },
                ..DbmOptions::default()
            };
            let training = DbmTraining::new(dbm, options, &data).unwrap();
            let count = pool.install(|| allocations(training, &data, 30));
            assert_eq!(count, 0, "{sizes:?} on {threads} threads");
        }
    }
}

/// From the first temperature to the last, each way.
fn annealing(pools: &[ThreadPool; 2]) {
    let bits = BitMatrix::from_fn(100, 300, |i, j| (i * 3 + j * 7) % 5 < 2);
    let data = Examples::new(bits.clone()).unwrap();
    let rbm = Rbm::bernoulli(300, 200).initialized_from(&data, 1).unwrap();
    let ais = Ais {
        betas: Betas::Linear(60),
        ..Ais::default()
    };
    let start = ReverseStart::Gibbs {
        states: bits.clone(),
        burn_in: 0,
    };
    for threads in [1, 2] {
        let pool = &pools[threads - 1];
        let mut counts = Vec::with_capacity(3 * 60);
        let mut progress = |_, _| {
            counts.push(ALLOCATIONS.load(Ordering::Relaxed));
            ControlFlow::Continue(())
        };
        pool.install(|| {
            // The pool's own queues grow.
            ais.log_z(&rbm).unwrap();
            ais.log_z_with(&rbm, &mut progress).unwrap();
            ais.reverse_log_z_with(&rbm, &start, &mut progress).unwrap();
            ais.raise_with(&rbm, &bits, &mut progress).unwrap();
        });
        for (way, counts) in counts.chunks(60).enumerate() {
            assert_eq!(counts[59] - counts[0], 0, "way {way} on {threads} threads");
        }
    }
}

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

/// Allocations of `updates` updates after as many.
fn allocations<L: Learner>(mut run: Run<L>, data: &Examples, updates: usize) -> usize {
    // Which thread meets which tile is chance: let every thread's scratch grow.
    rayon::broadcast(|_| {});
    for _ in 0..updates {
        let _ = run.update(data).unwrap();
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..updates {
        let _ = run.update(data).unwrap();
    }
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// Updates of general machines by every way of sampling, and their annealing.
fn general_machines(pools: &[ThreadPool; 2]) {
    let bits = BitMatrix::from_fn(1000, 90, |i, j| (i * 3 + j * 7) % 5 < 2);
    let data = Examples::new(bits).unwrap();
    let (gibbs, mean_field) = (
        BoltzmannPositive::Gibbs { steps: 2 },
        BoltzmannPositive::MeanField(MeanField::default()),
    );
    let persistent = BoltzmannNegative::Persistent {
        chains: 100,
        steps: 2,
    };
    let mcmc = BoltzmannNegative::Mcmc {
        chains: 50,
        steps: 2,
    };
    for threads in [1, 2] {
        let pool = &pools[threads - 1];
        for (n_hidden, positive, negative) in [
            (40, gibbs, persistent),
            (40, mean_field, persistent),
            (40, gibbs, mcmc),
            (0, gibbs, persistent),
            (0, gibbs, BoltzmannNegative::PseudoLikelihood),
        ] {
            let options = BoltzmannOptions {
                positive,
                negative,
                learning: Learning {
                    batch_size: 96,
                    optimizer: Rule::ADAM,
                    ..Learning::default()
                },
            };
            let machine = BoltzmannMachine::bernoulli(90, n_hidden);
            let machine = machine.initialized_from(&data, 1).unwrap();
            let training = BoltzmannTraining::new(machine, options, &data).unwrap();
            let count = pool.install(|| allocations(training, &data, 30));
            assert_eq!(count, 0, "{positive:?}, {negative:?} on {threads} threads");
        }
        let machine = BoltzmannMachine::bernoulli(90, 40);
        let machine = machine.initialized_from(&data, 1).unwrap();
        let ais = Ais {
            betas: Betas::Linear(60),
            ..Ais::default()
        };
        let mut counts = Vec::with_capacity(60);
        let mut progress = |_, _| {
            counts.push(ALLOCATIONS.load(Ordering::Relaxed));
            ControlFlow::Continue(())
        };
        pool.install(|| {
            ais.boltzmann_log_z(&machine).unwrap();
            ais.boltzmann_log_z_with(&machine, &mut progress).unwrap();
        });
        assert_eq!(counts[59] - counts[0], 0, "annealing on {threads} threads");
    }
}
