//! Bounds of ln Z from both sides, Bennett's estimate and RAISE, against enumeration.

use crate::common::{
    all_states, linear, normal_rbm, random_rbm, total_variation, total_variation_floor,
};
use harmonium::{
    Error,
    bits::BitMatrix,
    dataset::Examples,
    evaluate::{Ais, Base, Betas, Bracket, ReverseStart, Warning},
    kernel::reduce::mean_and_standard_error,
    matrix::Matrix,
    model::Rbm,
};
use std::ops::ControlFlow;

/// A 4 x 4 machine of the literature with large weights.
fn known() -> Rbm {
    let weights = [
        [0.12179488, 2.95950177, 0.33513356, 35.05380642],
        [0.20318085, -28.62372894, 26.52611278, 28.41793445],
        [-0.19105386, -28.58530584, -26.52747507, 28.78447320],
        [0.08953740, -59.82556859, -0.06665933, -27.71723459_f64],
    ];
    Rbm::from_parameters(
        [
            vec![-19.243_996, -13.262_587, 13.259_099, 43.744_085],
            vec![-0.111_559_58, 57.020_977, -0.133_317_58, -32.259_914],
        ],
        [Matrix::from_fn(4, 4, |i, j| weights[i][j] as f32)],
    )
    .unwrap()
}

/// The errors that the literature reports for its 4 x 4 machine, in both directions.
#[test]
fn both_directions_converge_on_the_known_machine() {
    let rbm = known();
    let exact = 59.674_901_972_6;
    for (betas, bound) in [(100, 0.5), (1000, 0.05), (10_000, 0.005)] {
        let bracket = linear(100, betas, 1)
            .bracket(&rbm, &ReverseStart::Exact, &mut ())
            .unwrap();
        for (name, estimate) in [
            ("forward", bracket.forward.estimate),
            ("reverse", bracket.reverse.estimate),
            ("both", bracket.bennett.estimate),
        ] {
            let error = (estimate - exact).abs();
            assert!(error < bound, "{betas} betas, {name}: error {error}");
        }
    }
}

/// Between machines without weights every way has the analytic weight, as long as base and model
/// agree.
#[test]
fn without_weights_everything_is_analytic() {
    let bias = vec![0.5, -1.0, 2.0];
    let rbm = Rbm::from_parameters([bias.clone(), vec![0.0; 2]], [Matrix::zeros(3, 2)]).unwrap();
    let exact = rbm.log_z(&mut ()).unwrap();
    let ais = Ais {
        base: Base::Biases(bias),
        ..linear(5, 10, 0)
    };
    let bracket = ais.bracket(&rbm, &ReverseStart::Exact, &mut ()).unwrap();
    for estimate in [
        bracket.forward.estimate,
        bracket.reverse.estimate,
        bracket.bennett.estimate,
    ] {
        assert!((estimate - exact).abs() < 1e-5);
    }
    assert!(bracket.high() - bracket.low() < 1e-4 && bracket.bennett.overlap > 0.999_999);
    assert!(bracket.warnings().is_empty());
    let v = all_states(3);
    let free = rbm.exact_free_energies(&v).unwrap();
    let raised = ais.raise(&rbm, &v, &mut ()).unwrap().log_likelihoods;
    for (got, free) in raised.iter().zip(free) {
        assert!((got - (-free - exact)).abs() < 1e-5);
    }
    // Hidden biases add a factor each that annealing must find.
    let rbm = Rbm::from_parameters([vec![0.0; 3], vec![1.5, -0.5]], [Matrix::zeros(3, 2)]).unwrap();
    let exact = rbm.log_z(&mut ()).unwrap();
    let bracket = linear(5, 10, 0)
        .bracket(&rbm, &ReverseStart::Exact, &mut ())
        .unwrap();
    assert!((bracket.forward.estimate - exact).abs() < 1e-5);
    assert!((bracket.reverse.estimate - exact).abs() < 1e-5);
}

/// 200 random machines, intervals of 3 standard errors. A normal error leaves them with probability
/// 0.0027, and more than 5 of 200 do with probability 2e-5. They are no wider than they must be
/// either: the squared errors in units of the standard error have mean 1 and standard deviation
/// sqrt(2 / 200) = 0.1, and are held to four of those.
#[test]
fn intervals_cover_the_exact_value_at_their_rate() {
    let names = ["forward", "reverse", "both"];
    let mut misses = [0; 3];
    let mut squares = [0.0; 3];
    for seed in 0..200 {
        let rbm = normal_rbm(6, 5, 1.0, seed);
        let exact = rbm.log_z(&mut ()).unwrap();
        let Bracket {
            forward: f,
            reverse: r,
            bennett: b,
        } = linear(400, 60, seed)
            .bracket(&rbm, &ReverseStart::Exact, &mut ())
            .unwrap();
        let found = [
            (f.low, f.estimate, f.high, f.standard_error),
            (r.low, r.estimate, r.high, r.standard_error),
            (b.low, b.estimate, b.high, b.standard_error),
        ];
        for (k, (low, estimate, high, error)) in found.into_iter().enumerate() {
            assert!(low <= estimate && estimate <= high);
            misses[k] += usize::from(!(low..=high).contains(&exact));
            squares[k] += ((estimate - exact) / error).powi(2) / 200.0;
        }
    }
    for k in 0..3 {
        assert!(misses[k] <= 5, "{}: {} misses", names[k], misses[k]);
        assert!(
            (squares[k] - 1.0).abs() < 0.4,
            "{}: {}",
            names[k],
            squares[k]
        );
    }
}

/// The bounds of both directions hold on average where annealing is far too short to agree.
#[test]
fn poor_annealing_errs_to_the_promised_sides() {
    let rbm = normal_rbm(8, 7, 2.0, 3);
    let exact = rbm.log_z(&mut ()).unwrap();
    let errors: Vec<[f64; 2]> = (0..300)
        .map(|seed| {
            let z = linear(5, 4, seed)
                .bracket(&rbm, &ReverseStart::Exact, &mut ())
                .unwrap();
            [exact - z.forward.estimate, z.reverse.estimate - exact]
        })
        .collect();
    for direction in 0..2 {
        let (mean, error) = mean_and_standard_error(errors.iter().map(|e| e[direction]));
        assert!(mean > 5.0 * error && mean > 0.2, "{mean} +- {error}");
    }
}

#[test]
fn exact_samples_have_the_exact_distribution() {
    for (n, m, seed) in [(6, 9, 1), (7, 4, 2)] {
        let rbm = normal_rbm(n, m, 1.0, seed);
        let p = rbm.visible_distribution(1.0, &mut ()).unwrap();
        let samples = rbm
            .exact_samples(20_000, seed)
            .unwrap()
            .into_bits()
            .unwrap();
        let distance = total_variation(&samples, &p);
        // The mean of the distance is below the floor (half the sum of the standard errors);
        // changing one sample moves it by 1 / n, so by McDiarmid it exceeds its mean by 0.016 with
        // probability below 4e-5.
        let bound = total_variation_floor(&p, 20_000) + 0.016;
        assert!(distance < bound, "{distance} {bound}");
    }
    assert!(
        Rbm::bernoulli(&[30, 21])
            .unwrap()
            .exact_samples(1, 0)
            .is_err()
    );
}

/// Blocks of 20 units that know nothing of each other: ln Z adds, and products go by look-up.
#[test]
fn reverse_from_gibbs_chains_and_look_up_products() {
    let (a, b) = (normal_rbm(20, 18, 0.5, 1), normal_rbm(21, 20, 0.5, 2));
    let weights = Matrix::from_fn(41, 38, |i, j| match (i < 20, j < 18) {
        (true, true) => a.weights().row(i)[j],
        (false, false) => b.weights().row(i - 20)[j - 18],
        _ => 0.0,
    });
    let join = |x: &[f32], y: &[f32]| [x, y].concat();
    let rbm = Rbm::from_parameters(
        [
            join(&a.visible().bias, &b.visible().bias),
            join(&a.hidden().bias, &b.hidden().bias),
        ],
        [weights],
    )
    .unwrap();
    let exact = a.log_z(&mut ()).unwrap() + b.log_z(&mut ()).unwrap();
    let coins = BitMatrix::from_fn(64, 41, |i, j| (i * 7 + j * 3 + i * j) % 5 < 2);
    let data = Examples::new(coins).unwrap();
    let start = ReverseStart::suited_to(&rbm, &data, 300, 200, 1).unwrap();
    assert!(matches!(&start, ReverseStart::Gibbs { states, burn_in: 200 } if states.rows() == 64));
    let ais = linear(300, 1000, 4);
    let z = ais.bracket(&rbm, &start, &mut ()).unwrap();
    assert!(z.warnings().is_empty(), "{:?}", z.warnings());
    for (low, high) in [
        (z.forward.low, z.forward.high),
        (z.reverse.low, z.reverse.high),
        (z.bennett.low, z.bennett.high),
        (z.low(), z.high()),
    ] {
        assert!(low < exact && exact < high, "{exact}: {low} .. {high}");
    }
    let mut calls = Vec::new();
    let stopped = ais.reverse_log_z(&rbm, &start, &mut |done, all| {
        calls.push((done, all));
        if done == 203 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(
        (calls[0], calls[202], calls.len()),
        ((1, 1200), (203, 1200), 203)
    );
}

/// Look-up anneals a machine of rounded weights; the last step must lead from there to the machine
/// itself. 100 independent pairs of units, whose weights one pair of weight 100, always off, makes
/// round down by nearly half a step of 100 / 32,700 each.
#[test]
fn log_z_is_that_of_the_weights_and_not_of_their_rounding() {
    let step = 100.0 / 32_700.0_f64;
    let n = 101;
    let weight = ((1.0 / step).floor() + 0.45) * step;
    let weights = Matrix::from_fn(n, n, |i, j| match (i == j, i) {
        (true, 0) => 100.0,
        (true, _) => weight as f32,
        _ => 0.0,
    });
    let mut bias = vec![0.5; n];
    bias[0] = -100.0;
    let rbm = Rbm::from_parameters([bias.clone(), bias], [weights]).unwrap();
    let pair = 1.0 + 2.0 * 0.5_f64.exp() + (1.0 + weight).exp();
    let exact = 100.0 * pair.ln();
    // Each pair is on at the same time with this probability; ln Z of the rounded machine is lower
    // by about as many times 0.45 steps.
    let both = (1.0 + weight).exp() / pair;
    let rounding = 100.0 * both * 0.45 * step;
    let start = ReverseStart::Gibbs {
        states: BitMatrix::zeros(1, n).into(),
        burn_in: 100,
    };
    let z = linear(1000, 2000, 1)
        .bracket(&rbm, &start, &mut ())
        .unwrap();
    for (estimate, error) in [
        (z.forward.estimate, z.forward.standard_error),
        (z.reverse.estimate, z.reverse.standard_error),
    ] {
        assert!(rounding > 10.0 * error, "{rounding} against {error}");
        assert!((estimate - exact).abs() < 4.0 * error, "{estimate} {exact}");
    }
}

/// Two modes, all units off and all on, between which chains do not jump; the second has `e^1.6`
/// times the mass. Chains from the first alone find `ln Z` too low; those from annealed states do
/// not.
#[test]
fn annealed_starts_find_modes_that_examples_do_not_show() {
    let (n, a) = (16, 0.75);
    let weights = Matrix::from_fn(n, n, |_, _| a);
    let middle = -a * n as f32 / 2.0;
    let rbm = Rbm::from_parameters([vec![middle + 0.1; n], vec![middle; n]], [weights]).unwrap();
    let exact = rbm.log_z(&mut ()).unwrap();
    let ais = linear(2000, 1000, 3);
    let [from_off, annealed] = [
        ReverseStart::Gibbs {
            states: BitMatrix::zeros(1, n).into(),
            burn_in: 50,
        },
        ReverseStart::Annealed { burn_in: 50 },
    ]
    .map(|start| ais.bracket(&rbm, &start, &mut ()).unwrap());
    let samples = ais.weighted_samples(&rbm, &mut ()).unwrap();
    let visible = samples.visible();
    let is_on = |s: usize| visible.get(s, 0) == 1.0 && visible.get(s, n - 1) == 1.0;
    let on = (0..2000).filter(|&s| is_on(s)).count() as f64 / 2000.0;
    // E[1 / w] from the mode alone is the share of forward chains that end there over its mass: the
    // binomial error of the share is below 0.05 of it.
    let expected = exact - 1.6_f64.exp().ln_1p() - (1.0 - on).ln();
    let error = from_off.reverse.standard_error.hypot(0.05);
    assert!((from_off.reverse.estimate - expected).abs() < 4.0 * error);
    let inverted = |w: &Warning| matches!(w, Warning::Inverted { .. });
    assert!(from_off.warnings().iter().any(inverted));
    assert!(annealed.warnings().is_empty(), "{:?}", annealed.warnings());
    // Where the chains start is drawn too: 2000 of them in the second mode with its probability, by
    // a comb that leaves hardly any error beside that of the forward weights.
    let forward = annealed.forward.standard_error;
    for (estimate, error) in [
        (annealed.forward.estimate, forward),
        (
            annealed.reverse.estimate,
            annealed.reverse.standard_error.hypot(forward),
        ),
        (
            annealed.bennett.estimate,
            annealed.bennett.standard_error.hypot(forward),
        ),
    ] {
        assert!(
            (estimate - exact).abs() < 4.0 * error,
            "{estimate} {exact} {error}"
        );
    }
    let drawn = samples.resampled(500, 1);
    let share = (0..500).filter(|&s| drawn.get(s, 0) == 1.0 && drawn.get(s, n - 1) == 1.0);
    let share = share.count() as f64 / 500.0;
    let expected: f64 = (0..2000)
        .filter(|&s| is_on(s))
        .map(|s| samples.log_weights[s].exp())
        .sum();
    // Each run of like states along the comb is off by less than a tooth; a few hundred runs of
    // random sign leave some tens of teeth.
    assert!((share - expected).abs() < 0.1, "{share} {expected}");
}

fn variance_of_log_weights(rbm: &Rbm, betas: Betas) -> f64 {
    let ais = Ais {
        betas,
        ..linear(2000, 1, 3)
    };
    let weights = ais.log_z(rbm, &mut ()).unwrap().log_weights;
    let (_, error) = mean_and_standard_error(weights.iter().copied());
    error * error * 2000.0
}

#[test]
fn adapted_temperatures_beat_even_ones_on_strong_weights() {
    let mut rng = harmonium::rng::HostRng::numbered(8, 0);
    let strong = random_rbm(12, 10, || 6.0 * rng.normal());
    for (rbm, betas) in [(known(), 200), (strong, 200)] {
        let even = variance_of_log_weights(&rbm, Betas::Linear(betas));
        let adapted = variance_of_log_weights(&rbm, Betas::Adaptive(betas));
        // Each variance of 2000 normal numbers has relative deviation sqrt(2 / 2000) = 0.032, so
        // equal ones would differ by 0.14 once in 10^3.
        assert!(adapted < 0.86 * even, "{adapted} for {even}");
        let ais = Ais {
            betas: Betas::Adaptive(betas),
            ..linear(10, 1, 3)
        };
        let ladder = ais.ladder(&rbm, &mut ()).unwrap();
        assert_eq!(ladder.len(), betas + 1);
        assert_eq!((ladder[0], ladder[betas]), (0.0, 1.0));
        assert!(ladder.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ladder, ais.ladder(&rbm, &mut ()).unwrap());
        let given = Ais {
            betas: Betas::Given(ladder),
            ..ais.clone()
        };
        assert_eq!(
            given.log_z(&rbm, &mut ()).unwrap().log_weights,
            ais.log_z(&rbm, &mut ()).unwrap().log_weights
        );
    }
}

#[test]
fn published_schedule_measures_as_any_other() {
    let rbm = normal_rbm(6, 5, 1.0, 4);
    let ais = Ais {
        betas: Betas::SalakhutdinovMurray,
        ..linear(50, 1, 1)
    };
    let mut last = 0;
    let z = ais
        .log_z(&rbm, &mut |done, all| {
            assert_eq!((done, all), (last + 1, 14_502));
            last = done;
            ControlFlow::Continue(())
        })
        .unwrap();
    let exact = rbm.log_z(&mut ()).unwrap();
    assert!(z.low < exact && exact < z.high && (z.estimate - exact).abs() < 0.02);
}

#[test]
fn every_estimator_is_the_same_at_any_number_of_threads() {
    let rbm = normal_rbm(150, 170, 0.2, 1);
    let states = BitMatrix::from_fn(20, 150, |i, j| (i + j * 3) % 4 == 0);
    let start = ReverseStart::Gibbs {
        states: states.clone().into(),
        burn_in: 3,
    };
    let results: Vec<Vec<u64>> = [1, 2, 7]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let ais = Ais {
                    betas: Betas::Adaptive(12),
                    ..linear(300, 1, 5)
                };
                let bracket = ais.bracket(&rbm, &start, &mut ()).unwrap();
                let raised = ais.raise(&rbm, &states, &mut ()).unwrap();
                [
                    bracket.forward.log_weights,
                    bracket.reverse.log_weights,
                    raised.log_weights,
                    vec![bracket.bennett.estimate, bracket.bennett.standard_error],
                ]
                .concat()
                .iter()
                .map(|x| x.to_bits())
                .collect()
            })
        })
        .collect();
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

#[test]
fn poor_estimates_are_warned_of() {
    // Two modes far apart, of which forward chains find the narrow one too rarely.
    let rbm = normal_rbm(16, 14, 4.0, 1);
    let z = linear(100, 2, 1)
        .bracket(&rbm, &ReverseStart::Exact, &mut ())
        .unwrap();
    let warnings = z.warnings();
    let has = |f: &dyn Fn(&Warning) -> bool| warnings.iter().any(f);
    assert!(has(&|w| matches!(
        w,
        Warning::ChainsDisagree { chains: 100, .. }
    )));
    assert!(has(&|w| matches!(w, Warning::Apart { .. })));
    assert!(has(&|w| matches!(w, Warning::SmallOverlap { .. })));
    assert!(warnings.iter().all(|w| w.to_string().contains("betas")));
    // Reverse chains that start in one place, where they are not of the model, tell a bracket
    // upside down.
    let ladder = Betas::Linear(3000);
    let weights = Matrix::from_fn(1, 1, |_, _| 40.0);
    let rbm = Rbm::from_parameters([vec![-18.0], vec![-18.0]], [weights]).unwrap();
    let start = ReverseStart::Gibbs {
        states: BitMatrix::zeros(1, 1).into(),
        burn_in: 10,
    };
    let ais = Ais {
        betas: ladder,
        ..linear(100, 1, 1)
    };
    let z = ais.bracket(&rbm, &start, &mut ()).unwrap();
    assert!(
        z.warnings()
            .iter()
            .any(|w| matches!(w, Warning::Inverted { .. })),
        "{:?} {} {}",
        z.warnings(),
        z.forward.estimate,
        z.reverse.estimate
    );
}
