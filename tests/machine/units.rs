//! Every kind of unit against sums over states and quadrature.

use crate::common;
use crate::common::{
    as_states, draw_layer_states, layer_states, normal_machine, normal_rbm, states_variation,
    total_variation_floor,
};
use harmonium::{
    States,
    bits::BitMatrix,
    evaluate::{
        Ais, HiddenActivity, ReverseStart, exact_free_energies, exact_samples, pseudo_likelihood,
    },
    matrix::Matrix,
    model::{GibbsChain, Layer, Rbm, Side},
    rng::{Draws, HostRng, Site},
    units::Kind,
};

/// Half width and intervals of the quadrature: Simpson's rule over densities with deviations of 1 or so errs by far less than 1e-9.
const REACH: f64 = 25.0;
const INTERVALS: usize = 20_000;

/// Nodes and weights of Simpson's rule over the states of one continuous unit.
fn nodes(kind: Kind) -> Vec<(f64, f64)> {
    let low = if kind == Kind::Relu { 0.0 } else { -REACH };
    let step = (REACH - low) / INTERVALS as f64;
    (0..=INTERVALS)
        .map(|k| {
            let weight = match k {
                0 | INTERVALS => 1.0,
                k if k % 2 == 1 => 4.0,
                _ => 2.0,
            };
            (low + k as f64 * step, weight * step / 3.0)
        })
        .collect()
}

/// Rows of hidden states with their weights: all states of a discrete layer, or the nodes of a single continuous unit.
fn hidden_states(layer: &Layer) -> (Matrix, Vec<f64>) {
    if layer.states().is_some() {
        let all = layer_states(layer);
        let weights = vec![1.0; all.rows()];
        return (all, weights);
    }
    let nodes = nodes(layer.units.segments()[0].kind);
    let rows = Matrix::from_fn(nodes.len(), 1, |i, _| nodes[i].0 as f32);
    (rows, nodes.into_iter().map(|(_, w)| w).collect())
}

fn repeated(row: &[f32], n: usize) -> Matrix {
    Matrix::from_fn(n, row.len(), |_, j| row[j])
}

const HIDDEN: [(&str, usize); 6] = [
    ("bernoulli", 3),
    ("softmax", 4),
    ("spin", 3),
    ("gaussian", 1),
    ("relu", 1),
    ("softmax:2+spin:1+bernoulli:1", 4),
];

#[test]
fn free_energies_and_means_are_sums_over_the_energies() {
    for (seed, hidden) in HIDDEN.into_iter().enumerate() {
        for visible in [("bernoulli", 3), ("spin:2+gaussian:2", 4)] {
            // Rectified hidden units with Gaussian visible ones need small weights to be normal.
            let rbm = normal_machine(visible, hidden, 0.4, seed as u64);
            let mut rng = HostRng::numbered(seed as u64, 1);
            let v = Matrix::from_fn(5, visible.1, |_, j| {
                if j >= 2 && visible.1 == 4 {
                    rng.normal() as f32
                } else {
                    f32::from(rng.uniform() < 0.5)
                }
            });
            let (h, weights) = hidden_states(rbm.hidden());
            for beta in [0.5, 1.0, 2.0] {
                let free = rbm.free_energy_v(&v, beta).unwrap();
                let mean = rbm.mean_h_from_v(&v, beta).unwrap();
                let input = rbm.input_h_from_v(&v, beta).unwrap();
                for (s, free) in free.iter().enumerate() {
                    let energies = rbm.energy(&repeated(v.row(s), h.rows()), &h).unwrap();
                    let p: Vec<f64> = energies
                        .iter()
                        .zip(&weights)
                        .map(|(e, w)| w * (-f64::from(beta) * e).exp())
                        .collect();
                    let z: f64 = p.iter().sum();
                    let what = format!("{visible:?}, {hidden:?}, beta {beta}");
                    assert!(
                        (free + z.ln()).abs() < 2e-5,
                        "{what}: {} for {}",
                        free,
                        -z.ln()
                    );
                    for j in 0..h.columns() {
                        let expected = (0..h.rows())
                            .map(|k| p[k] * f64::from(h.row(k)[j]))
                            .sum::<f64>()
                            / z;
                        let got = f64::from(mean.row(s)[j]);
                        assert!(
                            (got - expected).abs() < 1e-5,
                            "{what}: {got} for {expected}"
                        );
                    }
                    if hidden.0 == "gaussian" {
                        let x = f64::from(beta * mean.row(s)[0]);
                        assert!((f64::from(input.row(s)[0]) - x).abs() < 1e-6);
                    }
                }
                if beta == 1.0 {
                    let exact = exact_free_energies(&rbm, &v).unwrap();
                    for (a, b) in free.iter().zip(exact) {
                        assert!((a - b).abs() < 1e-5);
                    }
                }
            }
        }
    }
}

/// Kolmogorov and Smirnov: `sqrt(n) D` exceeds 2.2 with probability 2 e^(-2 x 2.2^2) = 1.3e-4.
const KOLMOGOROV: f64 = 2.2;

#[test]
fn samples_follow_the_conditional() {
    let n = 20_000;
    for (seed, hidden) in HIDDEN.into_iter().enumerate() {
        let rbm = normal_machine(("bernoulli", 3), hidden, 0.8, 10 + seed as u64);
        let (h, weights) = hidden_states(rbm.hidden());
        for (step, beta) in [0.5_f32, 1.0, 2.0].into_iter().enumerate() {
            let v = [1.0, 0.0, 1.0];
            let energies = rbm.energy(&repeated(&v, h.rows()), &h).unwrap();
            let mut p: Vec<f64> = energies
                .iter()
                .zip(&weights)
                .map(|(e, w)| w * (-f64::from(beta) * e).exp())
                .collect();
            let z: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= z);
            let draws = Draws::new(seed as u64, Site::Gibbs, step as u64);
            let sample = rbm.sample_h_from_v(&repeated(&v, n), beta, draws).unwrap();
            assert_eq!(sample.bits().is_some(), rbm.hidden().units.are_binary());
            if rbm.hidden().states().is_some() {
                let distance = states_variation(rbm.hidden(), &sample, &p);
                let floor = total_variation_floor(&p, n);
                assert!(
                    distance < 4.0 * floor,
                    "{hidden:?}: {distance}, floor {floor}"
                );
                continue;
            }
            let mut x: Vec<f32> = sample.to_matrix().elements().collect();
            x.sort_by(f32::total_cmp);
            // Distribution function at the nodes against the share of samples below.
            let (mut below, mut worst) = (0.0, 0.0_f64);
            for (k, p) in p.iter().enumerate() {
                below += p;
                let share = x.partition_point(|&x| x <= h.row(k)[0]) as f64 / n as f64;
                // Simpson's alternating weights are off by one node's mass.
                worst = worst.max((share - below).abs() - p);
            }
            assert!(
                worst * (n as f64).sqrt() < KOLMOGOROV,
                "{hidden:?}: {worst}"
            );
        }
    }
}

#[test]
fn log_z_from_both_sides_and_by_brute_force() {
    for (seed, (visible, hidden)) in [
        (("softmax:3+bernoulli:2", 5), ("spin:2+softmax:3", 5)),
        (("spin", 4), ("bernoulli", 3)),
        (("softmax:2+softmax:3+spin:1", 6), ("softmax", 5)),
    ]
    .into_iter()
    .enumerate()
    {
        let rbm = normal_machine(visible, hidden, 0.8, seed as u64);
        let (v, h) = (layer_states(rbm.visible()), layer_states(rbm.hidden()));
        for beta in [0.5, 1.0, 2.0] {
            let mut z = 0.0;
            for s in 0..v.rows() {
                let energies = rbm.energy(&repeated(v.row(s), h.rows()), &h).unwrap();
                z += energies.iter().map(|e| (-beta * e).exp()).sum::<f64>();
            }
            for side in [Side::Visible, Side::Hidden] {
                let got = rbm.log_z_over(side, beta).unwrap();
                assert!((got - z.ln()).abs() < 1e-10, "{got} for {}", z.ln());
            }
            let p = rbm.visible_distribution(beta).unwrap();
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let free = rbm.free_energy_v(&v, beta as f32).unwrap();
            for (p, f) in p.iter().zip(free) {
                assert!((p.ln() + f + z.ln()).abs() < 1e-5);
            }
        }
    }
}

/// More states than one block: the walk's incremental sums against single states.
#[test]
fn walks_over_several_blocks_stay_exact() {
    let rbm = normal_machine(
        ("softmax:5+spin:6+softmax:7+bernoulli:4", 22),
        ("relu", 2),
        0.5,
        3,
    );
    let states = 5.0 * 64.0 * 7.0 * 16.0;
    assert_eq!(rbm.visible().states(), Some(states));
    let v = layer_states(rbm.visible());
    let free = exact_free_energies(&rbm, &v).unwrap();
    let z: f64 = free.iter().map(|f| (-f).exp()).sum();
    assert!((rbm.log_z().unwrap() - z.ln()).abs() < 1e-11);
    assert_eq!(rbm.smaller_side(), Side::Visible);
}

/// `p(v)` of Gaussian visible units is a mixture with one component a hidden state, and integrates to one.
#[test]
fn gaussian_visible_units_are_a_mixture_of_gaussians() {
    let rbm = normal_machine(("gaussian", 1), ("bernoulli:2+spin:1", 3), 0.7, 5);
    let log_z = rbm.log_z().unwrap();
    let nodes = nodes(Kind::Gaussian);
    let v = Matrix::from_fn(nodes.len(), 1, |i, _| nodes[i].0 as f32);
    let free = exact_free_energies(&rbm, &v).unwrap();
    let h = layer_states(rbm.hidden());
    let q = rbm.transposed().visible_distribution(1.0).unwrap();
    let mean = rbm.mean_v_from_h(&h, 1.0).unwrap();
    let variance = f64::from(rbm.visible().log_variance[0]).exp();
    let mut total = 0.0;
    for (k, (f, (_, weight))) in free.iter().zip(&nodes).enumerate() {
        let p = (-f - log_z).exp();
        total += weight * p;
        let x = f64::from(v.row(k)[0]);
        let mixture: f64 = (0..h.rows())
            .map(|s| {
                let z = (x - f64::from(mean.row(s)[0])).powi(2) / variance;
                q[s] * (-0.5 * z).exp() / (std::f64::consts::TAU * variance).sqrt()
            })
            .sum();
        assert!((p - mixture).abs() < 1e-6, "{p} for {mixture} at {x}");
    }
    assert!((total - 1.0).abs() < 1e-8, "{total}");
}

#[test]
fn a_softmax_group_of_two_is_a_bernoulli_unit() {
    let one = normal_rbm(3, 2, 1.0, 1);
    // Units 2 i and 2 i + 1: off and on.
    let mut visible = Layer::new(
        (0..3).fold(Default::default(), |units: harmonium::units::Units, _| {
            units.and(Kind::Softmax, 2)
        }),
    );
    for i in 0..3 {
        visible.bias[2 * i + 1] = one.visible().bias[i];
    }
    let w = Matrix::from_fn(6, 2, |i, j| {
        if i % 2 == 1 {
            one.weights().row(i / 2)[j]
        } else {
            0.0
        }
    });
    let two = Rbm::from_layers(visible, one.hidden().clone(), w).unwrap();
    assert!((one.log_z().unwrap() - two.log_z().unwrap()).abs() < 1e-12);
    let h = common::all_states(2);
    let (p, q) = (
        one.mean_v_from_h(&h, 1.0).unwrap(),
        two.mean_v_from_h(&h, 1.0).unwrap(),
    );
    for s in 0..4 {
        for i in 0..3 {
            assert!((p.row(s)[i] - q.row(s)[2 * i + 1]).abs() < 1e-6);
            assert!((p.row(s)[i] + q.row(s)[2 * i] - 1.0).abs() < 1e-6);
        }
    }
    // Units in index order: the first unit of each pair is "off".
    let (p, q) = (
        one.visible_distribution(1.0).unwrap(),
        two.visible_distribution(1.0).unwrap(),
    );
    p.iter()
        .zip(&q)
        .for_each(|(p, q)| assert!((p - q).abs() < 1e-12));
}

/// With `s = 2 u - 1`: `E_spin(W, b, c) = E_bernoulli(4 W, 2 b - 2 W 1, 2 c - 2 W' 1) - sum W + sum b + sum c`.
#[test]
fn a_spin_machine_is_a_transformed_bernoulli_machine() {
    let spin = normal_machine(("spin", 4), ("spin", 3), 0.6, 7);
    let w = spin.weights();
    let weights = Matrix::from_fn(4, 3, |i, j| 4.0 * w.row(i)[j]);
    let visible = (0..4)
        .map(|i| 2.0 * (spin.visible().bias[i] - w.row(i).iter().sum::<f32>()))
        .collect();
    let hidden = (0..3)
        .map(|j| 2.0 * (spin.hidden().bias[j] - (0..4).map(|i| w.row(i)[j]).sum::<f32>()))
        .collect();
    let binary = Rbm::from_parameters(weights, visible, hidden).unwrap();
    let sum = |x: &[f32]| x.iter().map(|&x| f64::from(x)).sum::<f64>();
    let shift = w.elements().map(f64::from).sum::<f64>()
        - sum(&spin.visible().bias)
        - sum(&spin.hidden().bias);
    let difference = spin.log_z().unwrap() - binary.log_z().unwrap() - shift;
    // The transformed parameters are rounded to f32.
    assert!(difference.abs() < 1e-5, "{difference}");
    let pairs = spin.visible_distribution(1.0).unwrap();
    for (p, q) in pairs.iter().zip(binary.visible_distribution(1.0).unwrap()) {
        assert!((p - q).abs() < 1e-6);
    }
}

/// No drift: chains drawn exactly stay in the distribution, whatever the units.
#[test]
fn sweeps_of_mixed_machines_leave_the_distribution_alone() {
    let n = 20_000;
    for (seed, (visible, hidden)) in [
        (("softmax:3+bernoulli:2", 5), ("bernoulli:2+softmax:2", 4)),
        (("spin", 4), ("spin:2+bernoulli:1", 3)),
        (("spin", 4), ("gaussian", 2)),
        (("bernoulli", 4), ("relu", 2)),
        (
            ("bernoulli:2+spin:2", 4),
            ("gaussian:1+softmax:3+relu:1", 5),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let rbm = normal_machine(visible, hidden, 0.5, seed as u64);
        for beta in [0.5, 1.0, 2.0] {
            let p = rbm.visible_distribution(beta).unwrap();
            let start = draw_layer_states(rbm.visible(), &p, n, 30 + seed as u64);
            let mut chain = GibbsChain::from_visible(start, rbm.n_hidden(), 1);
            for sweeps in [1, 3, 12] {
                chain.sweep(&rbm, beta as f32, sweeps).unwrap();
                let distance = states_variation(rbm.visible(), chain.visible(), &p);
                let floor = total_variation_floor(&p, n);
                assert!(
                    distance < 4.0 * floor,
                    "{visible:?}, {hidden:?}, beta {beta}: {distance}, floor {floor}"
                );
            }
        }
    }
}

/// Ten spins and one Gaussian hidden unit of unit variance, weights 0.8, field 0.03: with magnetisation `m`, `p(m) ~ C(10, k) e^(0.03 m + 0.32 m^2)`.
#[test]
fn the_bimodal_machine_has_the_mode_weight_of_its_magnetisation() {
    let mut visible = Layer::of(Kind::Spin, 10);
    visible.bias.fill(0.03);
    let w = Matrix::from_fn(10, 1, |_, _| 0.8);
    let rbm = Rbm::from_layers(visible, Layer::of(Kind::Gaussian, 1), w).unwrap();
    let p = rbm.visible_distribution(1.0).unwrap();
    let mode: f64 = (0..1024_u32)
        .filter(|k| k.count_ones() > 5)
        .map(|k| p[k as usize])
        .sum();
    let mut binomial = 1.0;
    let (mut up, mut all) = (0.0, 0.0);
    for k in 0..=10 {
        let m = 2.0 * f64::from(k) - 10.0;
        let weight =
            binomial * (f64::from(0.03_f32) * m + 0.5 * f64::from(0.8_f32).powi(2) * m * m).exp();
        binomial *= f64::from(10 - k) / f64::from(k + 1);
        all += weight;
        up += if m > 0.0 { weight } else { 0.0 };
    }
    assert!((mode - up / all).abs() < 1e-12, "{mode} for {}", up / all);
    // Plain Gibbs sampling stays where it starts.
    let ones = Matrix::from_fn(1, 10, |_, _| 1.0);
    let mut chain = GibbsChain::from_visible(ones, 1, 3);
    for _ in 0..200 {
        chain.sweep(&rbm, 1.0, 1).unwrap();
        let States::Real(v) = chain.visible() else {
            panic!("spins are reals")
        };
        assert!(v.row(0).iter().sum::<f32>() > 0.0);
    }
}

/// Softmax columns beside Bernoulli ones change nothing of these: the same bits as in a machine of Bernoulli units, and of each group
/// exactly one is on, with the frequencies of its means.
#[test]
fn groups_leave_the_bits_of_their_neighbours_alone() {
    let plain = normal_rbm(300, 100, 0.1, 1);
    let units = "bernoulli:130+softmax:10+bernoulli:120+softmax:40";
    let mut visible = Layer::new(harmonium::units::Units::parse(units, 300).unwrap());
    visible.bias.copy_from_slice(&plain.visible().bias);
    let mixed = Rbm::from_layers(visible, plain.hidden().clone(), plain.weights().clone()).unwrap();
    let h = BitMatrix::from_fn(700, 100, |i, j| (i % 7 + j) % 3 == 0);
    let draws = Draws::new(4, Site::Gibbs, 2);
    let sample = |rbm: &Rbm| {
        rbm.sample_v_from_h(&h, 1.0, draws)
            .unwrap()
            .into_bits()
            .unwrap()
    };
    let (a, b) = (sample(&plain), sample(&mixed));
    assert!(b.padding_is_zero());
    let mean = mixed.mean_v_from_h(&h, 1.0).unwrap();
    let plain_mean = plain.mean_v_from_h(&h, 1.0).unwrap();
    let mut counts = vec![0.0; 300];
    let mut expected = vec![0.0; 300];
    for i in 0..700 {
        for j in (0..130).chain(140..260) {
            assert_eq!(a.get(i, j), b.get(i, j));
            assert_eq!(plain_mean.row(i)[j], mean.row(i)[j]);
        }
        for group in [130..140, 260..300] {
            assert_eq!(group.clone().filter(|&j| b.get(i, j)).count(), 1);
            assert!((mean.row(i)[group.clone()].iter().sum::<f32>() - 1.0).abs() < 1e-5);
            for j in group {
                counts[j] += f64::from(u8::from(b.get(i, j)));
                expected[j] += f64::from(mean.row(i)[j]);
            }
        }
    }
    for j in 260..300 {
        // Five standard deviations of a sum of Bernoulli variables.
        assert!((counts[j] - expected[j]).abs() < 5.0 * expected[j].sqrt() + 1.0);
    }
}

/// Real-valued chains at 1, 2 and 7 threads.
#[test]
fn results_do_not_depend_on_threads() {
    let rbm = normal_machine(
        ("gaussian:90+spin:40", 130),
        ("softmax:7+relu:60", 67),
        0.02,
        2,
    );
    let mut rng = HostRng::numbered(1, 1);
    let start = Matrix::from_fn(200, 130, |_, _| rng.normal().signum() as f32);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut chain = GibbsChain::from_visible(start.clone(), 67, 3);
            chain.sweep(&rbm, 1.0, 3).unwrap();
            (
                chain.visible().clone(),
                rbm.free_energy_v(chain.visible(), 1.0).unwrap(),
            )
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
}

#[test]
fn what_has_no_normal_form_or_no_meaning_is_refused() {
    let machine = |visible: Kind, hidden: Kind, w: f32| {
        let weights = Matrix::from_fn(2, 2, |_, _| w);
        Rbm::from_layers(Layer::of(visible, 2), Layer::of(hidden, 2), weights)
    };
    use Kind::*;
    for (visible, hidden) in [(Gaussian, Gaussian), (Gaussian, Relu), (Relu, Relu)] {
        assert!(machine(visible, hidden, 0.49).is_ok());
        let message = machine(visible, hidden, 0.51).unwrap_err().to_string();
        assert!(message.contains(visible.name()), "{message}");
    }
    let gaussian = machine(Gaussian, Gaussian, 0.1).unwrap();
    let message = gaussian.log_z().unwrap_err().to_string();
    assert!(message.contains("gaussian"), "{message}");
    let mixed = machine(Gaussian, Bernoulli, 0.1).unwrap();
    let v = Matrix::zeros(1, 2);
    let ais = Ais::default();
    assert!(ais.log_z(&mixed).is_err() && ais.ladder(&mixed).is_err());
    assert!(ais.reverse_log_z(&mixed, &ReverseStart::Exact).is_err());
    let bits = BitMatrix::zeros(1, mixed.n_visible());
    assert!(ais.raise(&mixed, &bits).is_err());
    assert!(exact_samples(&mixed, 1, 0).is_err());
    assert!(HiddenActivity::new(&mixed, &v).is_ok());
    let spins = machine(Gaussian, Spin, 0.1).unwrap();
    assert!(HiddenActivity::new(&spins, &v).is_err());
    assert!(pseudo_likelihood(&mixed, &v).is_err());
    assert!(mixed.log_z_over(Side::Visible, 1.0).is_err());
    assert!(mixed.free_energy_h(&v, 0.0).is_err());
    let mut layer = Layer::of(Gaussian, 2);
    layer.log_variance.pop();
    assert!(Rbm::unconnected(layer, Layer::bernoulli(1)).is_err());
    let mut layer = Layer::new(harmonium::units::Units::parse("gaussian:1+spin:1", 2).unwrap());
    layer.log_variance[1] = 1.0;
    assert!(Rbm::unconnected(layer, Layer::bernoulli(1)).is_err());
    // Values that are no states.
    for (kind, x) in [
        (Bernoulli, 1.5),
        (Spin, -1.5),
        (Relu, -0.1),
        (Gaussian, f32::NAN),
        (Softmax, 0.3),
    ] {
        let values = Matrix::from_fn(1, 2, |_, _| x);
        let message = Layer::of(kind, 2)
            .check_values(&values)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("row 0") && message.contains(kind.name()),
            "{message}"
        );
    }
    assert!(
        Layer::of(Spin, 2)
            .check_values(&BitMatrix::zeros(1, 2))
            .is_err()
    );
    let _ = as_states(&Layer::of(Spin, 2), v);
}
