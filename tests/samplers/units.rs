//! Samples and chains of every kind of unit: their distribution, one result at any number of
//! threads.

use crate::common::{
    draw_layer_states, normal_machine, normal_rbm, states_variation, total_variation_floor,
    units::{HIDDEN, hidden_states, repeated},
};
use harmonium::{
    States,
    bits::BitMatrix,
    matrix::Matrix,
    model::{Layer, Rbm},
    rng::HostRng,
    units::{Kind, Units},
};

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

            let sample = rbm
                .sample_h_from_v(&repeated(&v, n), seed as u64, step as u64, beta)
                .unwrap();
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
            let p = rbm.visible_distribution(beta, &mut ()).unwrap();
            let start = draw_layer_states(rbm.visible(), &p, n, 30 + seed as u64);
            let mut chain = rbm.chains_from(start, 1).unwrap();
            for sweeps in [1, 3, 12] {
                chain.sweep(&rbm, sweeps, beta as f32).unwrap();
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

/// Ten spins and one Gaussian hidden unit of unit variance, weights 0.8, field 0.03: with
/// magnetization `m`, `p(m) ~ C(10, k) e^(0.03 m + 0.32 m^2)`.
#[test]
fn the_bimodal_machine_has_the_mode_weight_of_its_magnetization() {
    let mut visible = Layer::of(Kind::Spin, 10);
    visible.bias.fill(0.03);
    let w = Matrix::from_fn(10, 1, |_, _| 0.8);
    let rbm = Rbm::from_parameters([visible, Layer::of(Kind::Gaussian, 1)], [w]).unwrap();
    let p = rbm.visible_distribution(1.0, &mut ()).unwrap();
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
    let mut chain = rbm.chains_from(ones, 3).unwrap();
    for _ in 0..200 {
        chain.sweep(&rbm, 1, 1.0).unwrap();
        let States::Real(v) = chain.visible() else {
            panic!("spins are reals")
        };
        assert!(v.row(0).iter().sum::<f32>() > 0.0);
    }
}

/// Softmax columns beside Bernoulli ones change nothing of these: the same bits as in a machine of
/// Bernoulli units, and of each group exactly one is on, with the frequencies of its means.
#[test]
fn groups_leave_the_bits_of_their_neighbors_alone() {
    let plain = normal_rbm(300, 100, 0.1, 1);
    let units = "bernoulli:130+softmax:10+bernoulli:120+softmax:40";
    let mut visible = Layer::new(Units::parse(units, 300).unwrap());
    visible.bias.copy_from_slice(&plain.visible().bias);
    let mixed =
        Rbm::from_parameters([visible, plain.hidden().clone()], [plain.weights().clone()]).unwrap();
    let h = BitMatrix::from_fn(700, 100, |i, j| (i % 7 + j) % 3 == 0);

    let sample = |rbm: &Rbm| {
        rbm.sample_v_from_h(&h, 4, 2, 1.0)
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
            let mut chain = rbm.chains_from(start.clone(), 3).unwrap();
            chain.sweep(&rbm, 3, 1.0).unwrap();
            (
                chain.visible().clone(),
                rbm.free_energy(chain.visible(), 1.0).unwrap(),
            )
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
}
