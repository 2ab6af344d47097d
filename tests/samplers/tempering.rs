//! Tempered replicas and trajectories against enumeration.

use crate::common::{draw_states, index_of, normal_machine, normal_rbm};
use harmonium::{
    States,
    bits::BitMatrix,
    matrix::Matrix,
    model::{Layer, Rbm, SwapRate, Tempering, Trajectory, even_ladder},
    units::Kind,
};

pub(crate) const CHAINS: usize = 20_000;

pub(crate) fn assert_in_distribution(v: &States, p: &[f64], what: &str) {
    crate::common::assert_in_distribution(v.bits().unwrap(), p, what);
}

/// The machine with parameters `beta W`, `beta b + (1 - beta) b0`, `beta c`: temperature `beta` of
/// annealing toward `b0`.
fn annealed(rbm: &Rbm, base: &[f32], beta: f32) -> Rbm {
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    let weights = Matrix::from_fn(n, m, |i, j| beta * rbm.weights().row(i)[j]);
    let visible = rbm.visible().bias.iter().zip(base);
    let visible = visible
        .map(|(b, b0)| beta * b + (1.0 - beta) * b0)
        .collect::<Vec<_>>();
    let hidden = rbm.hidden().bias.iter().map(|c| beta * c).collect();
    Rbm::from_parameters([visible, hidden], [weights]).unwrap()
}

#[test]
fn tempered_replicas_stay_in_their_distributions() {
    let rbm = normal_rbm(5, 4, 1.0, 3);
    let base = [0.5, -1.0, 0.0, 1.5, -0.3];
    let betas = vec![1.0, 0.7, 0.3, 0.0];
    for with_base in [false, true] {
        let zeros = [0.0; 5];
        let base = if with_base { &base } else { &zeros };
        let start = States::from(BitMatrix::zeros(CHAINS, 5));
        let mut replicas = Tempering::from_visible(&rbm, betas.clone(), start, 4).unwrap();
        if with_base {
            replicas = replicas.toward(&rbm, base).unwrap();
        }
        let p: Vec<Vec<f64>> = betas
            .iter()
            .map(|&beta| {
                annealed(&rbm, base, beta)
                    .visible_distribution(1.0, &mut ())
                    .unwrap()
            })
            .collect();
        for (k, p) in p.iter().enumerate() {
            let exact = draw_states(p, 5, CHAINS, k as u64);
            replicas.set_visible_at(k, &exact.into()).unwrap();
        }
        for sweeps in [1, 3, 12] {
            replicas.sweep(&rbm, sweeps).unwrap();
            for (k, p) in p.iter().enumerate() {
                let what = format!("base {with_base}, level {k}, {sweeps} more sweeps");
                assert_in_distribution(&replicas.visible_at(k), p, &what);
            }
        }
        for rate in replicas.swap_rates() {
            assert_eq!(rate.attempts, 8 * CHAINS as u64);
            // Accepted is a sum of independent draws with the probabilities: 5 standard deviations,
            // at most those of fair coins.
            let n = rate.attempts as f64;
            assert!((rate.accepted as f64 - rate.probability).abs() < 2.5 * n.sqrt());
            assert!(rate.rate() > 0.1 && rate.rate() < 1.0, "{rate:?}");
        }
    }
}

#[test]
fn replicas_along_a_trajectory_stay_in_their_distributions() {
    let models: Vec<Rbm> = [0.0, 0.4, 0.8, 1.2]
        .iter()
        .map(|&scale| normal_rbm(5, 4, scale, 3))
        .collect();
    let mut replicas = Trajectory::new(models, CHAINS, 4).unwrap();
    let p: Vec<Vec<f64>> = replicas
        .models()
        .iter()
        .map(|rbm| rbm.visible_distribution(1.0, &mut ()).unwrap())
        .collect();
    assert_eq!(p.len(), 4);
    for (k, p) in p.iter().enumerate() {
        let exact = draw_states(p, 5, CHAINS, k as u64);
        replicas.set_visible_at(k, &exact.into()).unwrap();
    }
    for sweeps in [1, 3, 12] {
        replicas.sweep(sweeps).unwrap();
        for (k, p) in p.iter().enumerate() {
            assert_in_distribution(&replicas.visible_at(k), p, &format!("model {k}"));
        }
    }
    // A first model with connections gets one without before it.
    let two = vec![normal_rbm(5, 4, 0.4, 3), normal_rbm(5, 4, 0.8, 3)];
    assert_eq!(Trajectory::new(two, 1, 0).unwrap().models().len(), 3);
    assert!(Trajectory::new(vec![], 1, 0).is_err());
    let sizes = vec![
        Rbm::bernoulli(&[2, 3]).unwrap(),
        Rbm::bernoulli(&[3, 2]).unwrap(),
    ];
    assert!(Trajectory::new(sizes, 1, 0).is_err());
}

/// The share of chains in the upper mode lies within four standard errors of its probability.
fn assert_weight(upper: usize, chains: usize, p: f64, what: &str) {
    let share = upper as f64 / chains as f64;
    let error = (p * (1.0 - p) / chains as f64).sqrt();
    println!("{what}: upper mode {share:.4}, exact {p:.4}, standard error {error:.4}");
    assert!((share - p).abs() < 4.0 * error, "{what}: {share} for {p}");
}

/// Ten spins and a Gaussian unit: p(v) ~ e^(0.03 M + 0.32 M^2) with M the sum of the spins, modes
/// at M = 10 and M = -10.
#[test]
fn tempering_finds_the_weights_of_two_modes_of_spins() {
    let mut spins = Layer::of(Kind::Spin, 10);
    spins.bias.fill(0.03);
    let weights = Matrix::from_fn(10, 1, |_, _| 0.8);
    let rbm = Rbm::from_parameters([spins, Layer::of(Kind::Gaussian, 1)], [weights]).unwrap();
    let mut log_choose = 0.0_f64;
    let (mut up, mut all) = (0.0, 0.0);
    for ones in 0..=10 {
        let m = 2.0 * f64::from(ones) - 10.0;
        let p = (log_choose + 0.03 * m + 0.32 * m * m).exp();
        all += p;
        up += if m > 0.0 { p } else { 0.0 };
        log_choose += (f64::from(10 - ones) / f64::from(ones + 1)).ln();
    }
    let upper = |v: &States| {
        let v = v.to_matrix();
        let is_up = |i: &usize| v.row(*i).iter().sum::<f32>() > 0.0;
        (0..v.rows()).filter(is_up).count()
    };
    let chains = 2000;
    let ones = || States::from(Matrix::from_fn(chains, 10, |_, _| 1.0));
    let mut gibbs = rbm.chains_from(ones(), 1).unwrap();
    gibbs.sweep(&rbm, 200, 1.0).unwrap();
    assert_eq!(upper(gibbs.visible()), chains, "Gibbs leaves its mode");
    let mut replicas = Tempering::from_visible(&rbm, even_ladder(8, 0.02), ones(), 1).unwrap();
    replicas.burn_in(&rbm, 128, &mut ()).unwrap();
    replicas.sweep(&rbm, 200).unwrap();
    assert_weight(
        upper(&replicas.visible()),
        chains,
        up / all,
        "spins, tempering",
    );
    assert!(Tempering::from_visible(&rbm, even_ladder(8, 0.0), ones(), 1).is_err());
}

/// Modes at all zeros and all ones, with most mass on the latter.
fn two_modes(scale: f32) -> Rbm {
    let weights = Matrix::from_fn(12, 4, |_, _| 1.5 * scale);
    Rbm::from_parameters(
        [vec![-3.0 * scale + 0.05; 12], vec![-9.0 * scale; 4]],
        [weights],
    )
    .unwrap()
}

fn mostly_ones(v: &States) -> usize {
    let v = v.bits().unwrap();
    (0..v.rows())
        .filter(|&i| index_of(v, i).count_ones() > 6)
        .count()
}

#[test]
fn tempering_and_trajectories_find_the_weights_of_two_modes_of_bits() {
    let rbm = two_modes(1.0);
    let p = rbm.visible_distribution(1.0, &mut ()).unwrap();
    let upper = p.iter().enumerate().filter(|(i, _)| i.count_ones() > 6);
    let upper: f64 = upper.map(|(_, p)| p).sum();
    let chains = 2000;
    let ones = || BitMatrix::from_fn(chains, 12, |_, _| true);
    let mut gibbs = rbm.chains_from(ones(), 1).unwrap();
    gibbs.sweep(&rbm, 200, 1.0).unwrap();
    let stayed = mostly_ones(gibbs.visible());
    println!("bits, Gibbs: {stayed} of {chains} stayed, exact {upper:.4}");
    let floor = (upper * (1.0 - upper) * chains as f64).sqrt();
    assert!(
        stayed as f64 - upper * chains as f64 > 10.0 * floor,
        "Gibbs mixes: {stayed}"
    );

    let mut replicas = Tempering::from_visible(&rbm, even_ladder(8, 0.0), ones(), 1).unwrap();
    replicas.burn_in(&rbm, 128, &mut ()).unwrap();
    replicas.sweep(&rbm, 200).unwrap();
    assert_weight(
        mostly_ones(&replicas.visible()),
        chains,
        upper,
        "bits, tempering",
    );

    let models = (0..8).map(|t| two_modes(t as f32 / 7.0)).collect();
    let mut replicas = Trajectory::new(models, chains, 1).unwrap();
    for k in 0..8 {
        replicas.set_visible_at(k, &ones().into()).unwrap();
    }
    replicas.sweep(300).unwrap();
    assert_weight(
        mostly_ones(&replicas.visible()),
        chains,
        upper,
        "bits, trajectory",
    );
}

#[test]
fn burn_in_evens_the_swap_rates_out() {
    let rbm = two_modes(1.0);
    let ladder = vec![1.0, 0.98, 0.96, 0.9, 0.85, 0.0];
    let spread = |rates: &[SwapRate]| {
        let rates = rates.iter().map(SwapRate::rate);
        rates.clone().fold(0.0, f64::max) - rates.fold(1.0, f64::min)
    };
    let mut fixed = Tempering::uniform(&rbm, ladder.clone(), 500, 2).unwrap();
    fixed.sweep(&rbm, 256).unwrap();
    let mut adapted = Tempering::uniform(&rbm, ladder, 500, 2).unwrap();
    adapted.burn_in(&rbm, 256, &mut ()).unwrap();
    let betas = adapted.betas().to_vec();
    assert!(adapted.swap_rates().iter().all(|rate| rate.attempts == 0));
    adapted.sweep(&rbm, 256).unwrap();
    assert_eq!(adapted.betas(), betas, "frozen after burn-in");
    let (before, after) = (spread(fixed.swap_rates()), spread(adapted.swap_rates()));
    println!("spread of swap rates {before:.3} before, {after:.3} after; {betas:?}");
    assert!(after < 0.5 * before, "{before} -> {after}, {betas:?}");
}

#[test]
fn replicas_are_the_same_at_any_number_of_threads() {
    for bernoulli in [true, false] {
        let rbm = if bernoulli {
            normal_rbm(300, 200, 0.1, 1)
        } else {
            normal_machine(
                ("spin:100+gaussian:20", 120),
                ("bernoulli:70+softmax:10", 80),
                0.05,
                1,
            )
        };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut t = Tempering::uniform(&rbm, even_ladder(3, 0.9), 35, 3).unwrap();
                t.burn_in(&rbm, 9, &mut ()).unwrap();
                t.sweep(&rbm, 5).unwrap();
                let models = vec![rbm.clone()];
                let mut along = Trajectory::new(models, 35, 3).unwrap();
                along.sweep(5).unwrap();
                (
                    t.visible(),
                    t.betas().to_vec(),
                    t.swap_rates().to_vec(),
                    along.visible(),
                )
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(7));
    }
}
