//! Both walks of every instruction set against sums from scratch, within the bound that the walk
//! states.

use super::*;
use crate::{
    kernel::reference::{log_sum_exp, sigmoid, softplus},
    matrix::Matrix,
    model::{
        Rbm,
        exact::{Side, driver},
    },
    rng::HostRng,
};
use proptest::prelude::*;

/// Half the distance from one to the next f64.
const U: f64 = f64::EPSILON / 2.0;

fn log_z(machine: &Enumeration, isa: Isa) -> f64 {
    driver::log_z(&machine.on(isa), &mut ()).unwrap()
}

/// Inputs of the other layer and `ln` of the unnormalized probability, by definition.
fn plain(machine: &Enumeration, state: usize) -> (Vec<f64>, f64) {
    let on = || (0..machine.n).filter(|k| state >> k & 1 == 1);
    let inputs = machine.other_bias.iter().enumerate();
    let inputs: Vec<f64> = inputs
        .map(|(i, b)| b + on().map(|k| machine.row(k)[i]).sum::<f64>())
        .collect();
    let own: f64 = on().map(|k| machine.own_bias[k]).sum();
    let log_weight = own + inputs.iter().copied().map(softplus).sum::<f64>();
    (inputs, log_weight)
}

/// `X` and `Y` of the bound, and `Y + m ln 2`.
fn magnitudes(machine: &Enumeration) -> (f64, f64, f64) {
    let m = machine.other_bias.len();
    let x = |i: usize| -> f64 {
        let w = (0..machine.n).map(|k| machine.row(k)[i].abs());
        machine.other_bias[i].abs() + w.sum::<f64>()
    };
    let own: f64 = machine.own_bias.iter().map(|c| c.abs()).sum();
    let y = (0..m).map(x).sum::<f64>() + own;
    let ln_2 = std::f64::consts::LN_2;
    ((0..m).map(x).fold(0.0, f64::max), y, y + m as f64 * ln_2)
}

/// The bound of the walk, or that of the walk with exponentials where this one refuses.
fn bound(machine: &Enumeration) -> f64 {
    let (x, y, r) = magnitudes(machine);
    let (n, m) = (machine.n as f64, machine.other_bias.len() as f64);
    let Some(gray) = Gray::new(machine, Isa::Portable) else {
        // Inputs and the sum of own biases are the result of `4096 + n` additions, the logarithm of
        // `m` more; four roundings a factor.
        let additions = 4096.0 + n;
        let terms = additions + (n - 12.0).exp2();
        return U * ((additions + m + 3.0) * y + 4.0 * m + 8.0 * r + 4.0 * terms);
    };
    let steps = (1_u64 << gray.steps.len()) as f64;
    let terms = ROWS as f64 * steps + gray.blocks() as f64 + LOW as f64;
    let products = m * ((n + 2.0) * x + 4.0 + (1_u64 << STEP_UNITS) as f64 * (3.0 + x));
    U * (products + (m + n + 3.0) * y + 8.0 * r + 4.0 * terms + 4.0)
}

/// The bound of [`plain`] and of the sum of all states.
fn plain_bound(machine: &Enumeration) -> f64 {
    let (_, y, r) = magnitudes(machine);
    let (n, m) = (machine.n as f64, machine.other_bias.len() as f64);
    U * ((n + m + 3.0) * y + 4.0 * m + 8.0 * r + 4.0 * n.exp2())
}

fn assert_within(got: f64, expected: f64, bound: f64, what: &str) {
    assert!(
        (got - expected).abs() <= bound,
        "{what}: {got} for {expected}, bound {bound:e}"
    );
}

/// All that the walk gives, on every instruction set, against sums from scratch.
fn check(rbm: &Rbm, beta: f64) {
    let mut of_sides = Vec::new();
    for side in [Side::Visible, Side::Hidden] {
        let machine = Enumeration::new(rbm, side, beta).unwrap();
        let (inputs, log_weights): (Vec<_>, Vec<_>) =
            (0..1 << machine.n).map(|s| plain(&machine, s)).unzip();
        let expected = log_sum_exp(&log_weights);
        let bound = bound(&machine) + plain_bound(&machine);
        of_sides.push((expected, bound));
        let first = log_z(&machine, Isa::Portable);
        for isa in Isa::available() {
            let got = log_z(&machine, isa);
            assert_within(got, expected, bound, &format!("log Z, {side:?}, {isa}"));
            assert_eq!(got.to_bits(), first.to_bits(), "{isa}");
            let all = driver::log_weights(&machine.on(isa), &mut ()).unwrap();
            for (s, got) in all.into_iter().enumerate() {
                // Relative to the greatest of a row, tiny weights vanish or, below `e^-708`, are
                // denormal numbers of a few digits.
                let is_tiny = |x: f64| x < expected - 600.0;
                let what = format!("state {s}, {side:?}, {isa}");
                if is_tiny(log_weights[s]) {
                    assert!(is_tiny(got - 1.0), "{what}: {got} for {}", log_weights[s]);
                } else {
                    assert_within(got, log_weights[s], bound, &what);
                }
            }
        }
        // A probability is wrong by the errors of its logarithm and of ln Z, a mean of them by no
        // more.
        let bound = (2.0 * bound).exp_m1() + 1e-13;
        let p = |s: usize| (log_weights[s] - expected).exp();
        let on = |k: usize| (0..1 << machine.n).filter(move |s| s >> k & 1 == 1);
        for isa in Isa::available() {
            let sums = driver::sums(&machine.on(isa), log_z(&machine, isa), &mut ()).unwrap();
            for (i, &other) in sums.other.iter().enumerate() {
                let mean = |s: usize| p(s) * sigmoid(inputs[s][i]);
                let expected = (0..1 << machine.n).map(mean).sum();
                assert_within(other, expected, bound, "E[other]");
                for k in 0..machine.n {
                    let pair = sums.pairs[k * sums.other.len() + i];
                    assert_within(pair, on(k).map(mean).sum(), bound, "E[pair]");
                }
            }
            for (k, &own) in sums.own.iter().enumerate() {
                assert_within(own, on(k).map(p).sum(), bound, "E[own]");
            }
        }
    }
    let [(a, bound_a), (b, bound_b)] = of_sides[..] else {
        panic!("two sides")
    };
    assert_within(a, b, bound_a + bound_b, "the other side");
}

fn machine(n: usize, m: usize, mut draw: impl FnMut() -> f64) -> Rbm {
    let weights = Matrix::from_fn(n, m, |_, _| draw() as f32);
    let visible: Vec<f32> = (0..n).map(|_| draw() as f32).collect();
    let hidden = (0..m).map(|_| draw() as f32).collect();
    Rbm::from_parameters([visible, hidden], [weights]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn both_sides_match_sums_from_scratch(
        n in 1_usize..=12,
        m in 1_usize..=12,
        scale in 0.01_f64.ln()..30_f64.ln(),
        sign in -1_i32..=1,
        huge in prop::bool::weighted(0.15),
        beta in prop::sample::select(vec![0.0, 0.5, 1.0, 2.0]),
        seed in any::<u64>(),
    ) {
        let mut rng = HostRng::numbered(seed, 99);
        let scale = scale.exp();
        let mut rbm = machine(n, m, || {
            let x = scale * rng.normal();
            if sign == 0 { x } else { x.abs() * f64::from(sign) }
        });
        if huge {
            let w = Matrix::from_fn(n, m, |i, j| {
                if (i, j) == (n / 2, m / 2) { 1e4 } else { rbm.weights().row(i)[j] }
            });
            rbm = Rbm::from_parameters([rbm.visible().bias.clone(), rbm.hidden().bias.clone()], [w]).unwrap();
        }
        check(&rbm, beta);
    }
}

/// The walk itself, of every number of stepping units and more than one block, and beside it a
/// layer of one unit or none.
#[test]
fn sizes_from_the_smallest_tile_on() {
    for (n, m) in [
        (9, 1),
        (10, 3),
        (11, 2),
        (13, 3),
        (14, 5),
        (14, 14),
        (9, 0),
        (0, 0),
        (0, 9),
    ] {
        let mut rng = HostRng::numbered(n as u64, m as u64);
        let rbm = machine(n, m, || 0.7 * rng.normal());
        for side in [Side::Visible, Side::Hidden] {
            let machine = Enumeration::new(&rbm, side, 1.0).unwrap();
            let gray = Gray::new(&machine, Isa::Portable);
            assert_eq!(gray.is_some(), machine.n >= 9);
        }
        check(&rbm, 1.0);
    }
}

/// Inputs up to 690 either way: short runs, products near both ends of f64. Beyond that,
/// exponentials.
#[test]
fn inputs_near_the_end_of_the_range() {
    for (bias, weight) in [
        (600.0, 10.0),
        (-600.0, -10.0),
        (0.0, 76.0),
        (-650.0, -10.0),
        (650.0, 10.0),
    ] {
        let mut rng = HostRng::numbered(5, 0);
        let rbm = Rbm::from_parameters(
            [
                vec![0.5; 9],
                (0..7)
                    .map(|i| if i % 3 == 2 { -bias } else { bias } as f32)
                    .collect(),
            ],
            [Matrix::from_fn(9, 7, |_, _| {
                (weight * rng.uniform()) as f32
            })],
        )
        .unwrap();
        let machine = Enumeration::new(&rbm, Side::Visible, 1.0).unwrap();
        let gray = Gray::new(&machine, Isa::Portable).unwrap();
        assert!(gray.runs.len() > 1, "{bias}, {weight}");
        check(&rbm, 1.0);
        assert!(
            Gray::new(
                &Enumeration::new(&rbm, Side::Visible, 20.0).unwrap(),
                Isa::Portable
            )
            .is_none()
        );
        check(&rbm, 20.0);
    }
    let biased = machine(9, 3, || 70.0);
    let biased = Enumeration::new(&biased, Side::Visible, 1.0).unwrap();
    assert!(Gray::new(&biased, Isa::Portable).is_none(), "own biases");
}

/// Long layers: many runs, each of the greatest length or ended by the range.
#[test]
fn a_long_layer_of_many_runs() {
    for scale in [0.05, 3.0] {
        let mut rng = HostRng::numbered(8, 1);
        let rbm = machine(700, 10, || scale * rng.normal());
        let machine = Enumeration::new(&rbm, Side::Hidden, 1.0).unwrap();
        let gray = Gray::new(&machine, Isa::Portable).unwrap();
        let longest = gray.runs.iter().map(Range::len).max().unwrap();
        assert_eq!(longest == RUN, scale < 1.0, "{longest}");
        assert_eq!(gray.runs.iter().map(Range::len).sum::<usize>(), 700);
        let states: Vec<f64> = (0..1 << 10).map(|s| plain(&machine, s).1).collect();
        let expected = log_sum_exp(&states);
        let bound = bound(&machine) + plain_bound(&machine);
        assert!(bound < 2e-9 * expected.abs().max(1.0));
        for isa in Isa::available() {
            assert_within(log_z(&machine, isa), expected, bound, "log Z");
        }
    }
}
