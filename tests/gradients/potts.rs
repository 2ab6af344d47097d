//! Gradients of general machines with softmax groups against finite differences and enumeration,
//! and what they learn.

use crate::common::{
    boltzmann::{EXACT, mean_log_likelihood, run},
    normal_potts,
    units::random_data,
};
use harmonium::{
    BitMatrix, Examples, Matrix,
    evaluate::pseudo_likelihood,
    model::BoltzmannMachine,
    train::{BoltzmannOptions, Learning, Negative, Positive},
};

const UNITS: &str = "softmax:3+bernoulli:2+softmax:4";

/// The machine with `step` added to a pair of `R`, on both sides, or to a visible bias.
fn moved(machine: &BoltzmannMachine, i: usize, j: usize, step: f32) -> BoltzmannMachine {
    let mut r = machine.visible_weights().clone();
    let mut visible = machine.visible().clone();
    if i == j {
        visible.bias[i] += step;
    } else {
        r.row_mut(i)[j] += step;
        r.row_mut(j)[i] += step;
    }
    let (w, s) = (machine.weights().clone(), machine.hidden_weights().clone());
    BoltzmannMachine::from_parameters([visible, machine.hidden().clone()], [r, w, s]).unwrap()
}

/// Central differences of step 1/128 as in the tests of machines of Bernoulli units; the gradient
/// of pairs within a group is nothing.
fn assert_gradient(
    machine: &BoltzmannMachine,
    (pairs, bias): (&Matrix, &[f32]),
    objective: impl Fn(&BoltzmannMachine) -> f64,
) {
    let step = 1.0 / 128.0;
    for (i, &of_bias) in bias.iter().enumerate().take(machine.n_visible()) {
        for j in 0..=i {
            let is_coupled = machine.may_couple(i, j);
            if i != j && !is_coupled {
                assert_eq!((pairs.row(i)[j], pairs.row(j)[i]), (0.0, 0.0));
                continue;
            }
            let change = [step, -step].map(|step| objective(&moved(machine, i, j, step)));
            let slope = (change[0] - change[1]) / (2.0 * f64::from(step));
            let got = match i == j {
                true => f64::from(of_bias),
                // Both sides of the diagonal.
                false => 2.0 * f64::from(pairs.row(i)[j]),
            };
            assert!((got - slope).abs() < 4e-4, "({i}, {j}): {got} for {slope}");
        }
    }
}

fn gradient(options: &BoltzmannOptions, hidden: usize) -> (BoltzmannMachine, Examples, [f32; 2]) {
    let machine = normal_potts(UNITS, (9, hidden), 0.5, 3);
    let data = random_data(machine.visible(), 40, 4);
    let training = run(&machine, options, &data);
    let (pairs, bias) = training.gradient();
    let objective: Box<dyn Fn(&BoltzmannMachine) -> f64> = match options.negative {
        Negative::PseudoLikelihood => Box::new(|x| pseudo_likelihood(x, &data).unwrap()),
        _ => Box::new(|x| mean_log_likelihood(x, &data)),
    };
    assert_gradient(&machine, (pairs, bias), &objective);
    let both = [&machine, training.model()].map(|x| objective(x) as f32);
    drop(objective);
    (machine, data, both)
}

#[test]
fn exact_gradients_are_slopes() {
    for hidden in [0, 2] {
        let (_, _, [before, after]) = gradient(&EXACT, hidden);
        assert!(after > before, "{after} after {before}");
    }
}

#[test]
fn the_pseudo_likelihood_climbs_along_its_gradient() {
    let options = BoltzmannOptions {
        negative: Negative::PseudoLikelihood,
        ..EXACT
    };
    let (machine, data, [before, after]) = gradient(&options, 0);
    assert!(after > before, "{after} after {before}");
    // Its definition, by free energies of every value of a variable.
    let v = data.bits().unwrap();
    let mut sum = 0.0;
    for s in 0..v.rows() {
        let free = |with: &dyn Fn(usize) -> bool| {
            let row = BitMatrix::from_fn(1, 9, |_, i| with(i));
            -machine.free_energy(&row, 1.0).unwrap()[0]
        };
        let own = free(&|i| v.get(s, i));
        for segment in machine.visible().units.segments() {
            let range = segment.range();
            let groups = match segment.kind.is_binary() && segment.size > 2 {
                true => vec![range],
                false => range.map(|i| i..i + 1).collect(),
            };
            for units in groups {
                let choices = match units.len() {
                    1 => 0..2,
                    n => 0..n,
                };
                let all: Vec<f64> = choices
                    .map(|k| {
                        free(&|i| match units.contains(&i) {
                            true if units.len() == 1 => k == 1,
                            true => i == units.start + k,
                            false => v.get(s, i),
                        })
                    })
                    .collect();
                sum += own - harmonium::kernel::reduce::log_sum_exp(&all);
            }
        }
    }
    let mean = sum / v.rows() as f64;
    let got = pseudo_likelihood(&machine, &data).unwrap();
    assert!((got - mean).abs() < 1e-9, "{got} for {mean}");
}

/// Every way to sample learns the distribution of a small machine: within the sampling error of
/// 4,000 examples, which is about (parameters / 2) / examples nats.
#[test]
fn what_is_learned_is_the_distribution() {
    let teacher = normal_potts("softmax:3*3", (9, 0), 0.9, 8);
    let count = 4000;
    let data = Examples::new(teacher.exact_samples(count, 2).unwrap()).unwrap();
    let best = mean_log_likelihood(&teacher, &data);
    let chains = 500;
    for (negative, slack) in [
        (Negative::Exact, 0.0),
        (Negative::PseudoLikelihood, 0.01),
        (Negative::Persistent { chains, steps: 2 }, 0.02),
        (
            Negative::Tempered {
                chains,
                steps: 2,
                temperatures: 3,
                lowest: 0.5,
            },
            0.02,
        ),
    ] {
        let options = BoltzmannOptions {
            positive: Positive::Gibbs { steps: 1 },
            negative,
            learning: Learning {
                epochs: 120,
                batch_size: 400,
                learning_rate: 0.3.into(),
                ..Learning::default()
            },
        };
        let start = BoltzmannMachine::of_visible(teacher.visible().clone(), 0).unwrap();
        let start = start.initialized_from(&data, 1).unwrap();
        let before = mean_log_likelihood(&start, &data);
        let training = run(&start, &options, &data);
        let after = mean_log_likelihood(training.model(), &data);
        assert!(after > before + 0.1, "{negative:?}: {after} after {before}");
        assert!(after > best - slack, "{negative:?}: {after} for {best}");
        assert!(after < best + 40.0 / count as f64, "{negative:?}: {after}");
    }
}

/// Couplings within groups stay nothing, whatever learns: Gibbs chains of missing groups and hidden
/// units.
#[test]
fn missing_groups_are_learned_from() {
    let teacher = normal_potts("softmax:3*3", (9, 0), 0.9, 8);
    let whole = Examples::new(teacher.exact_samples(2000, 2).unwrap()).unwrap();
    let mask = BitMatrix::from_fn(2000, 9, |s, i| s % 4 != i / 3);
    let data = whole.clone().with_observed(mask).unwrap();
    for positive in [Positive::Exact, Positive::Gibbs { steps: 2 }] {
        let options = BoltzmannOptions {
            positive,
            negative: Negative::Persistent {
                chains: 500,
                steps: 2,
            },
            learning: Learning {
                epochs: 60,
                batch_size: 200,
                learning_rate: 0.2.into(),
                ..Learning::default()
            },
        };
        let start = BoltzmannMachine::of_visible(teacher.visible().clone(), 2).unwrap();
        let start = start.initialized_from(&data, 1).unwrap();
        let before = mean_log_likelihood(&start, &whole);
        let training = run(&start, &options, &data);
        let machine = training.model();
        machine.check().unwrap();
        let (after, best) = (
            mean_log_likelihood(machine, &whole),
            mean_log_likelihood(&teacher, &whole),
        );
        assert!(after > before + 0.1, "{positive:?}: {after} after {before}");
        assert!(after > best - 0.05, "{positive:?}: {after} for {best}");
    }
}
