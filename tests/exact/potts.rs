//! General machines with softmax groups against the same machines of Bernoulli units, given that
//! one unit of each group is on.

use crate::common::{ROUNDING, assert_close, normal_potts, patterns_of_potts};
use harmonium::{
    BitMatrix, Dbm, Rbm,
    kernel::reference::log_sum_exp,
    model::{BoltzmannMachine, Layer},
    units::{Kind, Units},
};

/// Groups beside single units, groups alone, of one unit, with and without hidden units.
const SHAPES: [(&str, (usize, usize)); 6] = [
    ("softmax:3*2", (6, 0)),
    ("softmax:3+softmax:4", (7, 2)),
    ("bernoulli:2+softmax:3+bernoulli:1", (6, 3)),
    ("softmax:1+softmax:2*2", (5, 2)),
    ("softmax:5+bernoulli:3", (8, 0)),
    ("softmax:4", (4, 5)),
];

fn machines() -> impl Iterator<Item = BoltzmannMachine> {
    let all = SHAPES.into_iter().zip(1..);
    all.map(|((units, sizes), seed)| normal_potts(units, sizes, 0.7, seed))
}

/// Of all patterns, those that a machine can have.
fn states(machine: &BoltzmannMachine) -> Vec<usize> {
    let p = patterns_of_potts(machine, 1.0);
    (0..p.len()).filter(|&s| p[s] > 0.0).collect()
}

fn rows(patterns: &[usize], units: std::ops::Range<usize>) -> BitMatrix {
    BitMatrix::from_fn(patterns.len(), units.len(), |s, i| {
        patterns[s] >> (units.start + i) & 1 == 1
    })
}

#[test]
fn enumeration_is_brute_force() {
    for machine in machines() {
        let (n, units) = (machine.n_visible(), machine.units());
        let states = states(&machine);
        let (v, h) = (rows(&states, 0..n), rows(&states, n..units));
        let energies = machine.energy(&v, &h).unwrap();
        for beta in [0.5, 1.0, 2.0] {
            let log_p: Vec<f64> = energies.iter().map(|e| -beta * e).collect();
            let log_z = log_sum_exp(&log_p);
            let got = machine.log_z_at(beta, &mut ()).unwrap();
            assert_close(got, log_z, ROUNDING, "ln Z");
            let patterns = patterns_of_potts(&machine, beta);
            let mut joint = machine.joint_distribution(beta, &mut ()).unwrap();
            assert_eq!(joint.len(), states.len());
            let mut expected: Vec<f64> = states.iter().map(|&s| patterns[s]).collect();
            // The same numbers in another order.
            joint.sort_by(f64::total_cmp);
            expected.sort_by(f64::total_cmp);
            for (a, b) in joint.into_iter().zip(expected) {
                assert_close(a, b, ROUNDING, "p(v, h)");
            }
            let layer = machine.visible();
            let of_v = machine.visible_distribution(beta, &mut ()).unwrap();
            assert_eq!(of_v.len(), layer.states().unwrap() as usize);
            for (index, p) in of_v.into_iter().enumerate() {
                let state = layer.state(index as u64);
                let bits = BitMatrix::from_fn(1, n, |_, i| state[i] == 1.0);
                let fits = |s: &&usize| (0..n).all(|i| (**s >> i & 1 == 1) == bits.get(0, i));
                let sum: f64 = states.iter().filter(fits).map(|&s| patterns[s]).sum();
                assert_close(p, sum, ROUNDING, "p(v)");
                let free = machine.free_energy(&bits, beta).unwrap()[0];
                assert_close(p, (-free - log_z).exp(), ROUNDING, "F(v)");
            }
        }
    }
}

#[test]
fn expectations_are_those_of_the_states() {
    for machine in machines() {
        let units = machine.units();
        let p = patterns_of_potts(&machine, 1.0);
        let expected = machine.expectations(&mut ()).unwrap();
        for i in 0..units {
            for j in 0..units {
                let on = |state: &usize| state >> i & 1 == 1 && state >> j & 1 == 1;
                let pair: f64 = (0..p.len()).filter(on).map(|state| p[state]).sum();
                let got = expected.pairs[i * units + j];
                assert_close(got, pair, ROUNDING, "E[x x]");
                assert!(pair > 0.0 || got == 0.0, "{got}");
            }
        }
        // The last group or unit held where it is on in the first state.
        let n = machine.n_visible();
        let first = machine.visible().units.segments().last().unwrap().first;
        let state = states(&machine)[0];
        let value = |i: usize| state >> i & 1 == 1;
        let held: Vec<Option<bool>> = (0..units)
            .map(|i| (first..n).contains(&i).then(|| value(i)))
            .collect();
        let given = machine.expectations_given(&held, &mut ()).unwrap();
        let fits = |s: &usize| (first..n).all(|i| (s >> i & 1 == 1) == value(i));
        let all: f64 = (0..p.len()).filter(fits).map(|s| p[s]).sum();
        let log_z = machine.log_z(&mut ()).unwrap();
        assert_close(
            given.log_z,
            all.ln() + log_z,
            ROUNDING,
            "ln Z of free units",
        );
        for i in 0..units {
            for j in 0..units {
                let on = |s: &usize| fits(s) && s >> i & 1 == 1 && s >> j & 1 == 1;
                let pair: f64 = (0..p.len()).filter(on).map(|s| p[s]).sum();
                let got = given.pairs[i * units + j];
                assert_close(got, pair / all, ROUNDING, "E[x x | held]");
            }
        }
    }
}

#[test]
fn conditionals_are_those_of_the_states() {
    for machine in machines() {
        let (n, units) = (machine.n_visible(), machine.units());
        let states = states(&machine);
        let (v, h) = (rows(&states, 0..n), rows(&states, n..units));
        for beta in [0.5, 1.0] {
            let p = patterns_of_potts(&machine, f64::from(beta));
            let means = machine.mean_v_from_rest(&v, &h, beta).unwrap();
            for segment in machine.visible().units.segments() {
                for i in segment.range() {
                    let group = match segment.kind {
                        Kind::Softmax => segment.range(),
                        _ => i..i + 1,
                    };
                    let free = group.fold(0, |mask, j| mask | 1_usize << j);
                    for (row, state) in states.iter().enumerate() {
                        let fits = |s: &usize| (s ^ state) & !free == 0;
                        let all: f64 = (0..p.len()).filter(fits).map(|s| p[s]).sum();
                        let on = |s: &usize| fits(s) && s >> i & 1 == 1;
                        let mean = (0..p.len()).filter(on).map(|s| p[s]).sum::<f64>() / all;
                        assert_close(means.row(row)[i].into(), mean, 2e-6, "P(v_i | rest)");
                    }
                }
            }
        }
    }
}

/// Blocks of states beyond one, and a set of groups that are not coupled: a ring, of which half is
/// summed in closed form.
#[test]
fn sparse_and_larger_machines() {
    let groups = 7;
    let size = 4;
    let n = groups * size;
    let mut edges = Vec::new();
    for a in 0..groups {
        let b = (a + 1) % groups;
        for i in 0..size {
            for j in 0..size {
                let weight = ((a * 5 + i * 3 + j * 7) % 11) as f32 / 8.0 - 0.6;
                edges.push((a * size + i, b * size + j, weight));
            }
        }
    }
    let ring = BoltzmannMachine::from_edges(n, 0, &edges).unwrap();
    let units = Units::parse("softmax:4*7", n).unwrap();
    let ring = ring.with_visible_units(units).unwrap();
    // Three groups of seven are an independent set, the other four have 2^8 states.
    assert_eq!(ring.enumerated_units().unwrap(), (8, 0));
    // All 2^14 states, four blocks.
    let all = ring.joint_distribution(1.0, &mut ()).unwrap();
    assert_eq!(all.len(), 1 << 14);
    // Transfer matrices around the ring.
    let coupling = |a: usize, i: usize, j: usize| {
        let b = (a + 1) % groups;
        f64::from(2.0 * ring.visible_weights().row(a * size + i)[b * size + j])
    };
    let mut log_z = Vec::new();
    for start in 0..size {
        let mut reach: Vec<f64> = (0..size).map(|j| coupling(0, start, j)).collect();
        for a in 1..groups - 1 {
            let to = |j: usize| {
                let from = reach.iter().enumerate();
                log_sum_exp(&from.map(|(i, x)| x + coupling(a, i, j)).collect::<Vec<_>>())
            };
            reach = (0..size).map(to).collect();
        }
        let back = reach.iter().enumerate();
        log_z.extend(back.map(|(i, x)| x + coupling(groups - 1, i, start)));
    }
    let log_z = log_sum_exp(&log_z);
    assert_close(ring.log_z(&mut ()).unwrap(), log_z, ROUNDING, "ln Z");
    let expected = ring.expectations(&mut ()).unwrap();
    for group in expected.means.chunks(size) {
        assert_close(group.iter().sum(), 1.0, ROUNDING, "sum of a group");
    }
    let mut marginal = vec![0.0; n];
    for (index, p) in all.into_iter().enumerate() {
        let state = ring.visible().state(index as u64);
        marginal
            .iter_mut()
            .zip(state)
            .for_each(|(m, x)| *m += p * f64::from(x));
    }
    for (a, b) in marginal.into_iter().zip(expected.means) {
        assert_close(a, b, ROUNDING, "E[x]");
    }
}

/// RBMs and deep machines with visible groups are general machines of the same energies.
#[test]
fn layered_machines_convert() {
    let rbm = crate::common::normal_machine(("softmax:3*2", 6), ("bernoulli", 4), 0.6, 2);
    let machine = BoltzmannMachine::try_from(&rbm).unwrap();
    let log_z = rbm.log_z(&mut ()).unwrap();
    assert_close(machine.log_z(&mut ()).unwrap(), log_z, ROUNDING, "RBM");
    // The smaller layer is walked: 9 states of 4 bits.
    assert_eq!(machine.enumerated_units().unwrap(), (4, 0));
    let visible = Layer::new(Units::parse("softmax:3+bernoulli", 5).unwrap());
    let layers = vec![visible, Layer::bernoulli(3), Layer::bernoulli(2)];
    let dbm: Dbm = crate::common::dbm::random(layers, 0.6, 3);
    let machine = BoltzmannMachine::try_from(&dbm).unwrap();
    let log_z = dbm.log_z(&mut ()).unwrap();
    assert_close(machine.log_z(&mut ()).unwrap(), log_z, ROUNDING, "DBM");
    let spins = Rbm::unconnected(Layer::of(Kind::Spin, 3), Layer::bernoulli(2)).unwrap();
    let error = BoltzmannMachine::try_from(&spins).unwrap_err().to_string();
    assert!(error.contains("bernoulli and softmax"), "{error}");
}

#[test]
fn wrong_machines_are_refused() {
    let machine = normal_potts("softmax:3*2", (6, 2), 0.5, 1);
    let mut r = machine.visible_weights().clone();
    r.row_mut(4)[5] = 0.5;
    r.row_mut(5)[4] = 0.5;
    let layers = [machine.visible().clone(), machine.hidden().clone()];
    let (w, s) = (machine.weights().clone(), machine.hidden_weights().clone());
    let error = BoltzmannMachine::from_parameters(layers, [r, w, s]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("(4, 5) within a softmax group"), "{error}");
    for (visible, n) in [("spin", 3), ("gaussian", 3), ("counts", 3)] {
        let layer = Layer::new(Units::parse(visible, n).unwrap());
        let error = BoltzmannMachine::of_visible(layer, 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("bernoulli and softmax"), "{error}");
    }
    let held = [Some(true), None, Some(false), None, None, None, None, None];
    let error = machine.expectations_given(&held, &mut ()).unwrap_err();
    assert!(error.to_string().contains("all of them or none"), "{error}");
    assert!(machine.to_ising().is_err());
    let visible = normal_potts("softmax:3*2", (6, 0), 0.5, 1);
    let error = visible.to_ising().unwrap_err().to_string();
    assert!(error.contains("two states"), "{error}");
}
