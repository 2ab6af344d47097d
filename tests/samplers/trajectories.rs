//! Trajectory parallel tempering as the negative phase, weighted samples, and held units of
//! replicas, against enumeration.

use crate::common::{
    draw_states, index_of,
    memory::{rbm_state, remembered},
    normal_rbm, total_variation, total_variation_floor,
    trajectories::{CHAINS, SNAPSHOTS, run, two_clusters},
};
use harmonium::{
    States,
    bits::BitMatrix,
    checkpoint::Checkpoint,
    evaluate::{Ais, Base, Betas},
    model::{Clamp, Tempering, Trajectory, even_ladder},
    train::{RbmLearner, Schedule},
};
use std::ops::ControlFlow;

/// The machine learns for 100 epochs; then all chains are put into one mode, and it stands still
/// for 50 epochs, 300 sweeps: the chains sample it, where Gibbs chains stay in their mode.
#[test]
fn chains_of_a_machine_that_stands_still_are_its_samples() {
    let data = two_clusters();
    let chains = 2000;
    let rate = Schedule::Pieces(vec![(0.0, 0.2), (100.0, 0.0)]);
    let mut training = run(chains, 0.6, 12, rate);
    while training.position().epoch < 100 {
        let _ = training.update(&data).unwrap();
    }
    let mut stored = Checkpoint::from(&training);
    let state = rbm_state(&mut stored);
    let rows = state.tensors.shape(CHAINS).unwrap()[0];
    // The hidden states of all ones, most of the time.
    let ones = BitMatrix::from_fn(1, 12, |_, _| true);
    let means = training.model().mean_h_from_v(&ones, 1.0).unwrap();
    let same = BitMatrix::from_fn(rows, 4, |_, j| means.row(0)[j] > 0.5);
    let gibbs = same.view_rows(0..chains).to_owned();
    state.tensors.insert(CHAINS, &same);
    let mut training = stored.into_run::<RbmLearner>(&data).unwrap();
    let _ = training.run(&data, |_| ControlFlow::Continue(())).unwrap();
    let mut tensors = training.state().tensors;
    let snapshots = tensors.shape(SNAPSHOTS).unwrap().to_vec();
    println!(
        "{} snapshots, acceptance {:?}",
        snapshots[0],
        remembered(&training, "training.snapshots.acceptance")
    );
    assert!((3..=13).contains(&snapshots[0]));
    let rbm = training.model();
    // Separate modes: Gibbs chains stay where they are.
    let visible = rbm.visible_distribution(1.0, &mut ()).unwrap();
    let between: f64 = (0..4096_usize)
        .filter(|k| (4..=8).contains(&k.count_ones()))
        .map(|k| visible[k])
        .sum();
    assert!(between < 0.05, "{between}");
    let upper: f64 = (0..4096_usize)
        .filter(|k| k.count_ones() > 6)
        .map(|k| visible[k])
        .sum();
    println!("upper mode {upper:.4}, between the modes {between:.4}");
    assert!((0.5..0.8).contains(&upper), "{upper}");
    let mut gibbs = rbm.chains_from_hidden(gibbs, 1, 1.0).unwrap();
    gibbs.sweep(rbm, 300, 1.0).unwrap();
    let v = gibbs.visible().bits().unwrap();
    let stayed = (0..chains)
        .filter(|&i| index_of(v, i).count_ones() > 6)
        .count();
    let stayed = stayed as f64 / chains as f64;
    println!("Gibbs chains in the upper mode {stayed:.4}");
    // Eight standard errors of the right share.
    assert!(
        stayed > upper + 8.0 * (0.25 / chains as f64).sqrt(),
        "{stayed}"
    );
    let p = rbm.transposed().visible_distribution(1.0, &mut ()).unwrap();
    let rows = chains * (snapshots[0] + 1);
    let h = tensors.bits(CHAINS, rows, 4).unwrap();
    let own = h.view_rows(0..chains).to_owned();
    let (distance, floor) = (total_variation(&own, &p), total_variation_floor(&p, chains));
    assert!(
        distance < 4.0 * floor,
        "{distance}, Monte-Carlo floor {floor}"
    );
    // Those of the start without connections are independent coins.
    let weights = tensors.floats(SNAPSHOTS, &snapshots).unwrap();
    let start = weights.chunks(12 * 4).next_back().unwrap();
    assert!(start.len() == 12 * 4 && start.iter().all(|&w| w == 0.0));
}

/// Held units at every level: the replicas at the model sample the conditional, from exact starts
/// at once and from others in the end.
#[test]
fn held_units_of_replicas_leave_the_conditional_of_the_others() {
    let chains = 20_000;
    let rbm = normal_rbm(5, 4, 0.8, 7);
    let p = rbm.visible_distribution(1.0, &mut ()).unwrap();
    let (mask, values) = (0b01001, 0b01000);
    let one = |k: usize, n: usize| BitMatrix::from_fn(1, n, |_, j| k >> j & 1 == 1);
    let clamp = Clamp::new(rbm.visible(), one(values, 5), one(mask, 5)).unwrap();
    let mass: f64 = (0..32).filter(|k| k & mask == values).map(|k| p[k]).sum();
    let given: Vec<f64> = (0..32)
        .map(|k| if k & mask == values { p[k] / mass } else { 0.0 })
        .collect();
    let check = |v: &States, what: &str| {
        let v = v.bits().unwrap();
        let (distance, floor) = (
            total_variation(v, &given),
            total_variation_floor(&given, chains),
        );
        assert!(
            distance < 4.0 * floor,
            "{what}: {distance}, Monte-Carlo floor {floor}"
        );
    };
    let betas = even_ladder(4, 0.0);
    let mut tempered = Tempering::uniform(&rbm, betas.clone(), chains, 1)
        .unwrap()
        .clamped(0, clamp.clone())
        .unwrap();
    let mut toward = Tempering::uniform(&rbm, betas, chains, 1)
        .unwrap()
        .toward(&rbm, &[0.5, -1.0, 0.0, 1.5, -0.3])
        .unwrap()
        .clamped(0, clamp.clone())
        .unwrap();
    let models = [0.0, 0.4].map(|scale| normal_rbm(5, 4, scale, 7));
    let models = [models.to_vec(), vec![rbm.clone()]].concat();
    let mut along = Trajectory::new(models, chains, 2)
        .unwrap()
        .clamped(0, clamp.clone())
        .unwrap();
    let exact = States::from(draw_states(&given, 5, chains, 1));
    for _ in 0..3 {
        tempered.sweep(&rbm, 15).unwrap();
        check(&tempered.visible(), "tempering");
        toward.sweep(&rbm, 15).unwrap();
        check(&toward.visible(), "tempering toward a base");
        along.sweep(15).unwrap();
        check(&along.visible(), "trajectory");
        assert!(tempered.swap_rates().iter().all(|rate| rate.accepted > 0));
    }
    // Exact starts at the model alone stay exact within their marginal only if swaps are right: the
    // other levels are in equilibrium by now.
    tempered.set_visible_at(0, &exact).unwrap();
    tempered.sweep(&rbm, 1).unwrap();
    check(&tempered.visible(), "exact starts");
    // Rows of their own for every chain.
    let rows = |f: &dyn Fn(usize) -> usize| BitMatrix::from_fn(6, 5, |i, j| f(i) >> j & 1 == 1);
    let own = Clamp::new(rbm.visible(), rows(&|i| i), one(0b00111, 5)).unwrap();
    let mut few = Tempering::uniform(&rbm, even_ladder(3, 0.0), 6, 1)
        .unwrap()
        .clamped(0, own.clone())
        .unwrap();
    few.sweep(&rbm, 9).unwrap();
    for level in 0..3 {
        let v = few.visible_at(level);
        let v = v.bits().unwrap();
        assert!((0..6).all(|i| index_of(v, i) & 0b111 == i), "level {level}");
    }
    let seven = Tempering::uniform(&rbm, even_ladder(3, 0.0), 7, 1).unwrap();
    assert!(seven.clamped(0, own.clone()).is_err());
}

/// Weighted means of three figures against enumeration. The standard error of a self-normalized
/// mean is `sqrt(sum w^2 (g - mean)^2)` to first order; its bias is of the order of the variance
/// over the effective sample size, far below.
#[test]
fn weighted_samples_have_the_means_of_the_model() {
    let rbm = normal_rbm(6, 5, 1.5, 11);
    let p = rbm.visible_distribution(1.0, &mut ()).unwrap();
    type Figure = fn(usize) -> f64;
    let figures: [(&str, Figure); 3] = [
        ("ones", |k| f64::from(k.count_ones())),
        ("parity", |k| f64::from(k.count_ones() % 2)),
        ("a pair", |k| f64::from(u8::from(k & 0b10010 == 0b10010))),
    ];
    for (betas, base) in [
        (4, Base::Uniform),
        (30, Base::Biases(vec![0.5, -0.5, 1.0, 0.0, 0.2, -1.0])),
    ] {
        let ais = Ais {
            chains: 20_000,
            betas: Betas::Linear(betas),
            base,
            seed: 4,
        };
        let samples = ais.weighted_samples(&rbm, &mut ()).unwrap();
        assert_eq!(
            samples.log_z.log_weights,
            ais.log_z(&rbm, &mut ()).unwrap().log_weights
        );
        let w: Vec<f64> = samples.log_weights.iter().map(|w| w.exp()).collect();
        assert!((w.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let mut unweighted_fails = false;
        for (name, figure) in figures {
            let exact: f64 = p.iter().enumerate().map(|(k, p)| p * figure(k)).sum();
            let g: Vec<f64> = (0..w.len())
                .map(|s| figure(index_of(samples.visible().bits().unwrap(), s)))
                .collect();
            let mean: f64 = w.iter().zip(&g).map(|(w, g)| w * g).sum();
            let error: f64 = w
                .iter()
                .zip(&g)
                .map(|(w, g)| (w * (g - mean)).powi(2))
                .sum();
            let error = error.sqrt();
            println!("{betas} {name}: {mean:.4} +- {error:.4}, exact {exact:.4}");
            assert!(
                (mean - exact).abs() < 4.0 * error,
                "{name}: {mean} {exact} {error}"
            );
            let plain = g.iter().sum::<f64>() / g.len() as f64;
            unweighted_fails |= (plain - exact).abs() > 10.0 * error;
        }
        // With few temperatures the weights matter.
        assert!(unweighted_fails || betas > 4);
    }
}
