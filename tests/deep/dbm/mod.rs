//! Deep Boltzmann machines against the sum over all joint states, in f64, written here once more.

#![allow(
    clippy::needless_range_loop,
    reason = "indices are those of the formulas"
)]

mod exact;
mod gradient;
mod joining;
mod labels;
mod labels_training;
mod mean_field;
mod phases;
mod pretraining;
mod sampling;
mod training;

use crate::common::{
    self,
    deep::{bernoulli, close, firsts, log_sum},
};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    evaluate::{Ais, Base, Betas, DbmBound, ReverseStart},
    matrix::Matrix,
    model::{Dbm, Layer, MeanField, Rbm},
    product::{Propagation, Tail},
    train::{DbmOptions, DbmTraining, Learning, Negative, Positive, Schedule, Sparsity},
    units::Kind,
};

const SIZES: [&[usize]; 4] = [
    &[5, 4, 6, 3],
    &[5, 6, 7],
    &[4, 4, 2, 4, 3],
    &[4, 3, 2, 2, 3, 2],
];

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The means of layer `l >= 1` given those of its neighbors, in f64.
fn field(dbm: &Dbm, q: &[Vec<f64>], l: usize) -> Vec<f64> {
    let layer = dbm.layer(l);
    let x: Vec<f64> = (0..layer.size())
        .map(|j| {
            let below = q[l - 1].iter().enumerate();
            let below = below.map(|(i, q)| q * f64::from(dbm.weights(l - 1).row(i)[j]));
            let above = q.get(l + 1).into_iter().flatten().enumerate();
            let above = above.map(|(k, q)| q * f64::from(dbm.weights(l).row(j)[k]));
            f64::from(layer.bias[j]) + below.sum::<f64>() + above.sum::<f64>()
        })
        .collect();
    if layer.units.have(Kind::Softmax) {
        let sum = log_sum(x.iter().copied());
        x.iter().map(|x| (x - sum).exp()).collect()
    } else {
        x.iter().map(|x| logistic(*x)).collect()
    }
}

/// `KL(Q || P)` over hidden states, and labels unless they are held: the states of `p`.
fn divergence(dbm: &Dbm, p: &[(usize, f64)], q: &[Vec<f64>]) -> f64 {
    let firsts = firsts(dbm);
    p.iter()
        .map(|&(state, p)| {
            let mut log_q = 0.0;
            for l in 1..dbm.n_layers() {
                let groups = dbm.layer(l).units.have(Kind::Softmax);
                for (i, q) in q[l].iter().enumerate() {
                    let on = state >> (firsts[l] + i) & 1 == 1;
                    log_q += match (on, groups) {
                        (true, _) => q.ln(),
                        (false, true) => 0.0,
                        (false, false) => (-q).ln_1p(),
                    };
                }
            }
            log_q.exp() * (log_q - p.ln())
        })
        .sum()
}

/// Options of one bare update along the gradient itself.
fn bare(chains: usize, batch: usize) -> DbmOptions {
    DbmOptions {
        positive: Positive::MeanField(MeanField {
            iterations: 300,
            tolerance: 0.0,
            damping: 0.0,
        }),
        negative: Negative::Persistent { chains, steps: 2 },
        centering: None,
        learning: Learning {
            batch_size: batch,
            learning_rate: Schedule::Constant(1.0),
            momentum: Schedule::Constant(0.0),
            weight_decay: 0.0,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    }
}

#[test]
fn annealing_brackets_ln_z() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = bernoulli(sizes, 0.8, 70 + k as u64);
        let log_z = dbm.log_z(&mut ()).unwrap();
        let v = common::all_states(dbm.n_visible());
        let data = Examples::new(v.clone()).unwrap();
        let base = Base::rate_of(&dbm, &data).unwrap();
        let Base::Biases(mut visible) = base.clone() else {
            panic!("biases");
        };
        visible.truncate(dbm.n_visible());
        for base in [Base::Uniform, Base::Biases(visible), base] {
            let ais = Ais {
                chains: 200,
                betas: Betas::Linear(500),
                base,
                seed: 3,
            };
            let bracket = ais.bracket(&dbm, &ReverseStart::Exact, &mut ()).unwrap();
            assert!(bracket.warnings().is_empty(), "{:?}", bracket.warnings());
            // Four standard errors, and the 2^-9 that weights in fixed point may be off are not
            // met: these machines are too narrow for look-ups.
            for (estimate, error) in [
                (bracket.forward.estimate, bracket.forward.standard_error),
                (bracket.reverse.estimate, bracket.reverse.standard_error),
                (bracket.bennett.estimate, bracket.bennett.standard_error),
            ] {
                close("ln Z", estimate, log_z, 4.0 * error + 1e-6);
                assert!(error < 0.05);
            }
            let bound = DbmBound::new(&dbm, &v, &MeanField::default(), &mut ()).unwrap();
            let within = bound.within(&bracket);
            let (mean, error) = bound.mean(log_z);
            assert!(within.low < mean && mean < within.high);
            close("estimate", within.estimate, mean, 0.05);
            close("error", within.standard_error, error, 1e-9);
            let (likelihood, _, _) = dbm.exact_mean_log_likelihood(&v, &mut ()).unwrap();
            assert!(mean <= likelihood + 1e-5);
        }
        // The other way of summing out, and chains that do not start from exact states.
        let ais = Ais {
            betas: Betas::Linear(1000),
            ..Ais::default()
        };
        let odd = dbm.bipartite().transposed();
        let other = ais.log_z(&odd, &mut ()).unwrap();
        close(
            "odd",
            other.estimate,
            log_z,
            4.0 * other.standard_error + 1e-6,
        );
    }
    let wide = bernoulli(&[30, 25, 22], 0.1, 1);
    let data = Examples::new(BitMatrix::from_fn(50, 30, |i, j| (i + j) % 3 == 0)).unwrap();
    let start = ReverseStart::suited_to(&wide, &data, 50, 20, 1).unwrap();
    assert!(matches!(start, ReverseStart::Gibbs { .. }));
    let ais = Ais {
        betas: Betas::Linear(300),
        ..Ais::default()
    };
    let bracket = ais.bracket(&wide, &start, &mut ()).unwrap();
    // The odd layer of 25 units can still be enumerated.
    let log_z = wide.log_z(&mut ()).unwrap();
    let error = bracket.bennett.standard_error;
    close("ln Z", bracket.bennett.estimate, log_z, 4.0 * error + 1e-3);
    // Without weights every way is the answer itself.
    let zero = Dbm::bernoulli(&[5, 4, 3]).unwrap();
    let z = Ais::default().log_z(&zero, &mut ()).unwrap();
    close("zero", z.estimate, 12.0 * std::f64::consts::LN_2, 1e-4);
}

#[test]
fn bad_input_is_refused_with_names() {
    let told = |e: harmonium::Error, part: &str| {
        let text = e.to_string();
        assert!(text.contains(part), "{text}");
    };
    told(Dbm::bernoulli(&[3]).unwrap_err(), "layers");
    told(Dbm::bernoulli(&[3, 0]).unwrap_err(), "layer 1");
    let layers = vec![Layer::of(Kind::Gaussian, 3), Layer::bernoulli(2)];
    let w = || vec![Matrix::zeros(3, 2)];
    told(Dbm::from_parameters(layers, w()).unwrap_err(), "gaussian");
    let layers = vec![Layer::bernoulli(4), Layer::bernoulli(2)];
    told(Dbm::from_parameters(layers, w()).unwrap_err(), "4 x 2");
    let layers = vec![Layer::bernoulli(3), Layer::bernoulli(2)];
    let nan = vec![Matrix::from_fn(3, 2, |_, _| f32::NAN)];
    told(Dbm::from_parameters(layers, nan).unwrap_err(), "weights 0");
    let dbm = bernoulli(&[3, 2, 2], 1.0, 1);
    let mut buffers = Propagation::default();
    let refused = dbm.layer_from_neighbors(1, None, None, Tail::new(1.0), &mut buffers);
    told(refused.unwrap_err(), "neighbor");
    let four = BitMatrix::zeros(1, 4);
    told(
        dbm.log_sums_over_hidden(&four, &mut ()).unwrap_err(),
        "units",
    );
    told(
        dbm.posterior_means(&four, &MeanField::default())
            .unwrap_err(),
        "units",
    );
    told(dbm.energy(&[(&four).into()]).unwrap_err(), "layers");
    let wrong = MeanField {
        damping: 1.0,
        ..MeanField::default()
    };
    let three = BitMatrix::zeros(1, 3);
    told(dbm.posterior_means(&three, &wrong).unwrap_err(), "damping");
    let data = Examples::new(three.clone()).unwrap();
    for (options, part) in [
        (
            DbmOptions {
                negative: Negative::Persistent {
                    chains: 0,
                    steps: 5,
                },
                ..DbmOptions::default()
            },
            "chains",
        ),
        (
            DbmOptions {
                sparsity: vec![Sparsity::default()],
                ..DbmOptions::default()
            },
            "sparsity",
        ),
    ] {
        told(
            DbmTraining::new(dbm.clone(), options, &data).unwrap_err(),
            part,
        );
    }
    let fresh = DbmTraining::new(dbm.clone(), bare(1, 1), &data).unwrap();
    let mut foreign = fresh.state();
    let (name, two) = ("training.velocity.weights.0", Matrix::zeros(3, 3));
    foreign.tensors.insert(name, &two);
    let resumed = DbmTraining::resumed(dbm.clone(), foreign, &data);
    told(resumed.unwrap_err(), name);
    let rbm: Rbm = dbm.bipartite();
    assert_eq!((rbm.n_visible(), rbm.n_hidden()), (5, 2));
}
