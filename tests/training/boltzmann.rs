//! Learning of general machines: couplings that stay what they are, and what is learned.

use crate::common::{
    boltzmann::{EXACT, SAMPLED, data, examples, mean_log_likelihood, run},
    draw_states, normal_boltzmann,
};
use harmonium::{
    bits::BitMatrix,
    model::BoltzmannMachine,
    train::{BoltzmannOptions, Learning, Negative, Rule},
};
use std::f64::consts::LN_2;

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
