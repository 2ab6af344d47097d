//! Learning of general machines: gradients against finite differences and enumeration, couplings
//! that stay what they are, and what is learned.

use crate::common::{draw_states, normal_boltzmann, normal_rbm};
use harmonium::{
    Error,
    bits::BitMatrix,
    dataset::Examples,
    evaluate::pseudo_likelihood,
    matrix::Matrix,
    model::{BoltzmannMachine, MeanField},
    train::{BoltzmannOptions, BoltzmannTraining, Learning, Negative, Positive, Rule},
};
use std::{f64::consts::LN_2, ops::ControlFlow};

const EXACT: BoltzmannOptions = BoltzmannOptions {
    positive: Positive::Exact,
    negative: Negative::Exact,
    learning: Learning {
        epochs: 1,
        batch_size: 1_000_000,
        learning_rate: harmonium::train::Schedule::Constant(0.1),
        least_rate: 0.0,
        momentum: harmonium::train::Schedule::Constant(0.0),
        weight_decay: 0.0,
        l1_decay: 0.0,
        gradient_clip: None,
        max_norm: None,
        averaging: None,
        optimizer: Rule::Momentum,
        resample_data: false,
        seed: 1,
    },
};

fn examples(bits: BitMatrix) -> Examples {
    Examples::new(bits).unwrap()
}

/// `rows` examples of `n` units, of an uneven distribution.
fn data(n: usize, rows: usize) -> Examples {
    examples(BitMatrix::from_fn(rows, n, |i, j| {
        (i * i * 3 + j * 5 + i * j) % 7 < 3
    }))
}

fn run(
    machine: &BoltzmannMachine,
    options: &BoltzmannOptions,
    data: &Examples,
) -> BoltzmannTraining {
    let mut run = BoltzmannTraining::new(machine.clone(), options.clone(), data).unwrap();
    let ended = run.run(data, |_| ControlFlow::Continue(())).unwrap();
    assert!(ended.is_finished());
    run
}

/// The gradient of one update.
fn gradient(
    machine: &BoltzmannMachine,
    options: BoltzmannOptions,
    data: &Examples,
) -> (Matrix, Vec<f32>) {
    let training = run(machine, &options, data);
    let (pairs, bias) = training.gradient();
    (pairs.clone(), bias.to_vec())
}

fn mean_log_likelihood(machine: &BoltzmannMachine, data: &Examples) -> f64 {
    let all = machine
        .exact_log_p_v(data.bits().unwrap(), &mut ())
        .unwrap();
    all.iter().sum::<f64>() / all.len() as f64
}

/// The machine with `step` added to the weight that is stored of a pair, or to a bias where
/// `i = j`, and the number that came of it.
fn moved(machine: &BoltzmannMachine, i: usize, j: usize, step: f32) -> (BoltzmannMachine, f64) {
    let n = machine.n_visible();
    let mut r = machine.visible_weights().clone();
    let mut w = machine.weights().clone();
    let mut s = machine.hidden_weights().clone();
    let mut b = machine.visible().bias.clone();
    let mut c = machine.hidden().bias.clone();
    let at = match (i < n, j < n) {
        _ if i == j && i < n => &mut b[i],
        _ if i == j => &mut c[i - n],
        (true, true) => &mut r.row_mut(i)[j],
        (true, false) => &mut w.row_mut(i)[j - n],
        _ => &mut s.row_mut(i - n)[j - n],
    };
    *at += step;
    let value = f64::from(*at);
    let x = *at;
    if i != j && i < n && j < n {
        r.row_mut(j)[i] = x;
    } else if i != j && i >= n {
        s.row_mut(j - n)[i - n] = x;
    }
    (
        BoltzmannMachine::from_parameters([b, c], [r, w, s]).unwrap(),
        value,
    )
}

/// Along a pair `R_ij = R_ji` the derivative is twice the gradient of one element. Central
/// differences of step 1/128: errors of their third derivatives, which are below 6 for products of
/// means, times `(2 / 128)^2 / 6`, and f32 rounding.
fn assert_gradient(
    machine: &BoltzmannMachine,
    (pairs, bias): &(Matrix, Vec<f32>),
    f: impl Fn(&BoltzmannMachine) -> f64,
) {
    let n = machine.n_visible();
    for (i, &of_bias) in bias.iter().enumerate() {
        for j in i..machine.units() {
            let (up, x) = moved(machine, i, j, 1.0 / 128.0);
            let (down, y) = moved(machine, i, j, -1.0 / 128.0);
            let expected = (f(&up) - f(&down)) / (x - y);
            let got = match (i == j, (i < n) == (j < n)) {
                (true, _) => f64::from(of_bias),
                (_, within) => f64::from(pairs.row(i)[j]) * if within { 2.0 } else { 1.0 },
            };
            assert!(
                (got - expected).abs() < 3e-4,
                "({i}, {j}): {got} for {expected}"
            );
            assert_eq!(pairs.row(i)[j], if i == j { 0.0 } else { pairs.row(j)[i] });
        }
    }
}

#[test]
fn exact_gradients_are_finite_differences() {
    for (n, m) in [(5, 0), (4, 3), (3, 4)] {
        let (machine, data) = (normal_boltzmann(n, m, 0.6, 1), data(n, 23));
        let got = gradient(&machine, EXACT, &data);
        assert_gradient(&machine, &got, |x| mean_log_likelihood(x, &data));
    }
}

#[test]
fn pseudo_likelihood_gradients_are_finite_differences() {
    let (machine, data) = (normal_boltzmann(6, 0, 0.6, 2), data(6, 23));
    let options = BoltzmannOptions {
        negative: Negative::PseudoLikelihood,
        ..EXACT
    };
    let got = gradient(&machine, options, &data);
    assert_gradient(&machine, &got, |x| {
        pseudo_likelihood(x, data.bits().unwrap()).unwrap()
    });
}

/// Each phase is the mean of 20,000 chains of two values, of standard error at most 1 / (2
/// sqrt(20,000)): five of the difference of two. Forty sweeps of machines of eight units with
/// couplings of 0.6 are long enough (see the tests of sampling).
#[test]
fn sampled_gradients_are_the_enumerated_ones() {
    const CHAINS: usize = 20_000;
    let bound = 5.0 * 2.0_f64.sqrt() * 0.5 / (CHAINS as f64).sqrt();
    let small = data(5, 4);
    let many = examples(BitMatrix::from_fn(CHAINS, 5, |k, i| {
        small.bits().unwrap().get(k % 4, i)
    }));
    for (machine, data) in [
        (normal_boltzmann(5, 3, 0.6, 3), &many),
        (normal_boltzmann(5, 0, 0.6, 4), &many),
    ] {
        let (pairs, bias) = gradient(&machine, EXACT, &small);
        for (negative, epochs) in [
            (
                Negative::Mcmc {
                    chains: CHAINS,
                    steps: 40,
                },
                1,
            ),
            (
                Negative::Persistent {
                    chains: CHAINS,
                    steps: 2,
                },
                20,
            ),
        ] {
            let options = BoltzmannOptions {
                positive: Positive::Gibbs { steps: 40 / epochs },
                negative,
                learning: Learning {
                    epochs,
                    learning_rate: 0.0.into(),
                    ..EXACT.learning
                },
            };
            let (got, got_bias) = gradient(&machine, options, data);
            for (a, b) in got
                .elements()
                .zip(pairs.elements())
                .chain(got_bias.into_iter().zip(bias.clone()))
            {
                assert!(f64::from(a - b).abs() < bound, "{negative:?}: {a} for {b}");
            }
        }
    }
}

/// Where hidden units are not coupled with one another the mean-field posterior is exact.
#[test]
fn mean_field_gradient_of_independent_hidden_units() {
    let machine = BoltzmannMachine::try_from(&normal_rbm(5, 4, 0.7, 1)).unwrap();
    let data = data(5, 17);
    let options = BoltzmannOptions {
        positive: Positive::MeanField(MeanField::default()),
        ..EXACT
    };
    let (a, a_bias) = gradient(&machine, EXACT, &data);
    let (b, b_bias) = gradient(&machine, options, &data);
    for (a, b) in a
        .elements()
        .zip(b.elements())
        .chain(a_bias.into_iter().zip(b_bias))
    {
        assert!((a - b).abs() < 1e-5, "{a} for {b}");
    }
}

const SAMPLED: [(Positive, Negative); 3] = [
    (
        Positive::Gibbs { steps: 2 },
        Negative::Persistent {
            chains: 700,
            steps: 1,
        },
    ),
    (
        Positive::Gibbs { steps: 1 },
        Negative::Mcmc {
            chains: 700,
            steps: 5,
        },
    ),
    (
        Positive::MeanField(MeanField {
            iterations: 10,
            tolerance: 1e-4,
            damping: 0.0,
        }),
        Negative::Persistent {
            chains: 700,
            steps: 1,
        },
    ),
];

/// Same machine at any number of threads, short last minibatches and every rule included; R and S
/// stay symmetric; only edges are learned.
#[test]
fn runs_are_reproducible_and_keep_to_their_edges() {
    let data = data(12, 53);
    let edges: Vec<_> = (0..17)
        .map(|i| (i, i + 1, 0.0))
        .chain([(0, 5, 0.0), (13, 15, 0.0)])
        .collect();
    let sparse = BoltzmannMachine::from_edges(12, 6, &edges).unwrap();
    let dense = BoltzmannMachine::bernoulli(&[12, 6]).unwrap();
    for (k, (positive, negative)) in SAMPLED.into_iter().enumerate() {
        let optimizer = [Rule::Nesterov, Rule::ADAM, Rule::ADAMAX][k];
        let options = BoltzmannOptions {
            positive,
            negative,
            learning: Learning {
                epochs: 4,
                batch_size: 10,
                momentum: 0.5.into(),
                weight_decay: 1e-3,
                l1_decay: 1e-4,
                optimizer,
                ..EXACT.learning
            },
        };
        for machine in [&sparse, &dense] {
            let machine = machine.clone().initialized_from(&data, 2).unwrap();
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| run(&machine, &options, &data).into_result())
            };
            let learned = on(1);
            assert_eq!(learned, on(2));
            assert_eq!(learned, on(7));
            assert_ne!(learned, machine);
            learned.check().unwrap();
            let weights = [
                learned.visible_weights(),
                learned.weights(),
                learned.hidden_weights(),
            ];
            let coupled = weights.map(|x| x.elements().filter(|w| *w != 0.0).count());
            let edges_of = |all| {
                if machine.may_couple(0, 2) {
                    all
                } else {
                    [24, 1, 12]
                }
            };
            assert_eq!(coupled, edges_of([132, 72, 30]));
        }
    }
}

/// Maximum likelihood matches the moments of the data.
#[test]
fn fully_visible_machines_match_moments() {
    let p = normal_boltzmann(5, 0, 0.8, 6)
        .visible_distribution(1.0, &mut ())
        .unwrap();
    let data = examples(draw_states(&p, 5, 2000, 1));
    let options = BoltzmannOptions {
        learning: Learning {
            epochs: 6000,
            learning_rate: 1.0.into(),
            ..EXACT.learning
        },
        ..EXACT
    };
    let learned = run(&BoltzmannMachine::bernoulli(&[5]).unwrap(), &options, &data);
    let (pairs, bias) = learned.gradient();
    // Ascent of a strictly concave function.
    assert!(
        pairs
            .elements()
            .chain(bias.iter().copied())
            .all(|g| g.abs() < 1e-4)
    );
    // Pseudo-likelihood is consistent, and here close: 16 parameters and 2000 examples, 16 / (2
    // x 2000) nats each way.
    let exact = mean_log_likelihood(learned.model(), &data);
    let options = BoltzmannOptions {
        negative: Negative::PseudoLikelihood,
        ..options
    };
    let pseudo = run(&BoltzmannMachine::bernoulli(&[5]).unwrap(), &options, &data);
    let pseudo = mean_log_likelihood(pseudo.model(), &data);
    assert!(
        pseudo <= exact && exact - pseudo < 0.008,
        "{pseudo} {exact}"
    );
}

/// Examples of a machine with latent units: learning by samples from nothing comes to the
/// likelihood of that machine, which maximum likelihood exceeds by some 23 parameters / (2 x 500)
/// nats; the bound leaves as much below it for noise and mean field.
#[test]
fn latent_units_learn_by_samples() {
    let teacher = normal_boltzmann(5, 3, 1.0, 8);
    let p = teacher.visible_distribution(1.0, &mut ()).unwrap();
    let data = examples(draw_states(&p, 5, 500, 2));
    let expected = mean_log_likelihood(&teacher, &data);
    for (positive, negative) in SAMPLED {
        let options = BoltzmannOptions {
            positive,
            negative,
            learning: Learning {
                epochs: 2000,
                learning_rate: harmonium::train::Schedule::Linear { from: 0.1, to: 0.0 },
                ..EXACT.learning
            },
        };
        let start = normal_boltzmann(5, 3, 0.1, 1);
        assert!(mean_log_likelihood(&start, &data) < expected - 0.2);
        let learned = mean_log_likelihood(run(&start, &options, &data).model(), &data);
        println!("{positive:?} {negative:?}: {learned} for {expected}");
        assert!(learned > expected - 0.025, "{learned} for {expected}");
    }
}

/// Parity of four bits: the eight states of even parity have the means 1/2 and the pairs 1/4 of the
/// uniform distribution. The best fully visible machine has the data's moments, which the machine
/// without parameters has: it is uniform, at KL = ln(16 / 8). Latent units go below.
#[test]
fn latent_units_learn_parity_and_pairs_cannot() {
    let even: Vec<usize> = (0..16_usize).filter(|x| x.count_ones() % 2 == 0).collect();
    let data = examples(BitMatrix::from_fn(8, 4, |k, i| even[k] >> i & 1 == 1));
    let kl = |machine: &BoltzmannMachine| -(8.0_f64.ln()) - mean_log_likelihood(machine, &data);
    let options = BoltzmannOptions {
        learning: Learning {
            epochs: 3000,
            learning_rate: 0.5.into(),
            ..EXACT.learning
        },
        ..EXACT
    };
    let start = normal_boltzmann(4, 0, 1.0, 1);
    assert!(kl(&start) > LN_2);
    let fully = kl(run(&start, &options, &data).model());
    assert!((fully - LN_2).abs() < 1e-6, "{fully}");
    let options = BoltzmannOptions {
        learning: Learning {
            epochs: 1500,
            learning_rate: 0.05.into(),
            optimizer: Rule::ADAM,
            ..EXACT.learning
        },
        ..EXACT
    };
    let latent = kl(run(&normal_boltzmann(4, 4, 0.5, 1), &options, &data).model());
    assert!((0.0..0.01).contains(&latent), "{latent}");
}

#[test]
fn what_is_refused() {
    let data = data(5, 9);
    let refused = |machine: BoltzmannMachine,
                   options: BoltzmannOptions,
                   data: &Examples|
     -> Error { BoltzmannTraining::new(machine, options, data).unwrap_err() };
    let machine = BoltzmannMachine::bernoulli(&[5, 2]).unwrap();
    let pseudo = BoltzmannOptions {
        negative: Negative::PseudoLikelihood,
        ..EXACT
    };
    let real = Examples::new(Matrix::zeros(3, 5)).unwrap();
    let chains = Negative::Mcmc {
        chains: 0,
        steps: 1,
    };
    for (machine, options, data, word) in [
        (
            BoltzmannMachine::bernoulli(&[4, 2]).unwrap(),
            EXACT,
            &data,
            "columns",
        ),
        (machine.clone(), pseudo, &data, "pseudo-likelihood"),
        (machine.clone(), EXACT, &real, "bits"),
        (
            machine.clone(),
            BoltzmannOptions {
                negative: chains,
                ..EXACT
            },
            &data,
            "chains",
        ),
        (
            machine.clone(),
            BoltzmannOptions {
                learning: Learning {
                    batch_size: 0,
                    ..EXACT.learning
                },
                ..EXACT
            },
            &data,
            "batch size",
        ),
        (
            machine.clone(),
            BoltzmannOptions {
                learning: Learning {
                    learning_rate: (-1.0).into(),
                    ..EXACT.learning
                },
                ..EXACT
            },
            &data,
            "learning rate",
        ),
    ] {
        let error = refused(machine, options, data).to_string();
        assert!(error.contains(word), "{error}");
    }
    let options = BoltzmannOptions {
        learning: Learning {
            learning_rate: 3e38.into(),
            epochs: 9,
            ..EXACT.learning
        },
        ..EXACT
    };
    let mut run = BoltzmannTraining::new(machine, options, &data).unwrap();
    let error = run.run(&data, |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
}
