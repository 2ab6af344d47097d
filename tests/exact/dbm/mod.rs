//! Energies, conditionals, sums and means of deep Boltzmann machines against the sum over all joint
//! states, and against the general machine that a deep one is.

mod labels;
mod mean_field;

use crate::common::{
    self,
    dbm::{SIZES, bernoulli, close, firsts, inputs, joint, log_sum, probabilities, random, split},
};
use harmonium::{
    Input, States,
    bits::BitMatrix,
    matrix::Matrix,
    model::{BoltzmannMachine, Dbm, DbmExpectations, Layer},
    product::{Propagation, Tail},
    rng::HostRng,
    units::{Kind, Units},
};

#[test]
fn the_two_layer_numbers() {
    let w = Matrix::from_fn(3, 2, |i, j| 0.3 * (i + 1) as f32 - 0.5 * (j + 1) as f32);
    let layer = |bias: &[f32]| Layer {
        bias: bias.to_vec(),
        ..Layer::bernoulli(bias.len())
    };
    let dbm =
        Dbm::from_parameters(vec![layer(&[0.1, -0.2, 0.3]), layer(&[-0.3, 0.2])], vec![w]).unwrap();
    // Parameters are f32: 11 of them are off by up to 3e-8 each.
    close(
        "log Z",
        dbm.log_z(&mut ()).unwrap(),
        3.386_156_563_762,
        3.3e-7,
    );
}

#[test]
fn energies_and_conditionals_are_those_of_the_joint_distribution() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = bernoulli(sizes, 0.8, k as u64);
        let firsts = firsts(&dbm);
        let all = joint(&dbm);
        let some: Vec<usize> = (0..300).map(|i| i * 7919 % all.len()).collect();
        let states = split(&dbm, &some);
        let energies = dbm.energy(&inputs(&states)).unwrap();
        for (&state, &energy) in some.iter().zip(&energies) {
            close("energy", energy, -all[state].1, 1e-12);
        }
        for beta in [0.5, 1.0, 2.0] {
            for l in 0..dbm.n_layers() {
                let mut mean = Matrix::zeros(some.len(), dbm.layer(l).size());
                let tail = Tail {
                    mean: Some(mean.view_mut()),
                    ..Tail::new(beta)
                };
                let below = (l > 0).then(|| states[l - 1].view());
                let above = states.get(l + 1).map(States::view);
                dbm.layer_from_neighbors(l, below, above, tail, &mut Propagation::default())
                    .unwrap();
                for (s, &state) in some.iter().enumerate() {
                    for i in 0..dbm.layer(l).size() {
                        let bit = 1 << (firsts[l] + i);
                        let x = f64::from(beta) * (all[state | bit].1 - all[state & !bit].1);
                        let expected = 1.0 / (1.0 + (-x).exp());
                        close("P(unit | rest)", f64::from(mean.row(s)[i]), expected, 2e-6);
                    }
                }
            }
        }
    }
}

#[test]
fn exact_sums_are_brute_force() {
    for (k, sizes) in SIZES.into_iter().enumerate() {
        let dbm = bernoulli(sizes, 0.8, 10 + k as u64);
        check_exact(&dbm);
    }
    let joint = Units::of(Kind::Bernoulli, 2).and(Kind::Softmax, 3);
    let layers = vec![
        Layer::new(Units::of(Kind::Softmax, 2).and(Kind::Bernoulli, 3)),
        Layer::new(joint),
        Layer::bernoulli(4),
    ];
    check_exact(&random(layers, 0.8, 20));
}

fn check_exact(dbm: &Dbm) {
    let firsts = firsts(dbm);
    let all = joint(dbm);
    let log_z = log_sum(all.iter().map(|x| x.1));
    close("log Z", dbm.log_z(&mut ()).unwrap(), log_z, 1e-10);
    let unit = |state: usize, l: usize, i: usize| (state >> (firsts[l] + i) & 1) as f64;
    let check_means = |got: &DbmExpectations, p: &[(usize, f64)]| {
        for l in 0..dbm.n_layers() {
            for i in 0..dbm.layer(l).size() {
                let mean: f64 = p.iter().map(|x| x.1 * unit(x.0, l, i)).sum();
                close("mean", got.layers[l][i], mean, 1e-9);
                for j in 0..(dbm.layers().get(l + 1).map_or(0, Layer::size)) {
                    let pair = p
                        .iter()
                        .map(|x| x.1 * unit(x.0, l, i) * unit(x.0, l + 1, j));
                    let got = f64::from(got.connections[l].row(i)[j]);
                    close("pair", got, pair.sum(), 1e-7);
                }
            }
        }
    };
    check_means(
        &dbm.expectations(&mut ()).unwrap(),
        &probabilities(&all, 1.0),
    );
    let n = dbm.n_visible();
    let visible = |state: usize| state & ((1 << n) - 1);
    let is_state = |v: usize| all.iter().any(|x| visible(x.0) == v);
    for beta in [0.5, 2.0] {
        let p = probabilities(&all, beta);
        let distribution = dbm.visible_distribution(beta, &mut ()).unwrap();
        let states = (0..1 << n).filter(|&v| is_state(v));
        for v in states {
            let expected: f64 = p.iter().filter(|x| visible(x.0) == v).map(|x| x.1).sum();
            // Of Bernoulli units the index is the state; else it is found by the state it stands
            // for.
            let index = (0..distribution.len()).find(|&k| {
                let state = dbm.layer(0).state(k as u64);
                (0..n).all(|i| (state[i] == 1.0) == (v >> i & 1 == 1))
            });
            close("p(v)", distribution[index.unwrap()], expected, 1e-11);
        }
    }
    let rows: Vec<usize> = (0..1 << n).filter(|&v| is_state(v)).collect();
    let v = common::states(rows.len(), n, |i| rows[i]);
    let sums = dbm.log_sums_over_hidden(&v, &mut ()).unwrap();
    for (s, &row) in rows.iter().enumerate() {
        let given: Vec<_> = all
            .iter()
            .copied()
            .filter(|x| visible(x.0) == row)
            .collect();
        close(
            "sum over h",
            sums[s],
            log_sum(given.iter().map(|x| x.1)),
            1e-10,
        );
        if s % 7 == 0 {
            let posterior = dbm.posterior_expectations(&v, s, &mut ()).unwrap();
            check_means(&posterior, &probabilities(&given, 1.0));
        }
    }
    let exact = dbm.exact_mean_log_likelihood(&v, &mut ()).unwrap();
    let (mean, z) = (exact.mean, exact.log_z);
    let expected = sums.iter().map(|x| x - log_z).sum::<f64>() / sums.len() as f64;
    close("likelihood", mean, expected, 1e-10);
    close("log Z", z, log_z, 1e-10);
    // Products of f32 and of f64 agree on real rows too.
    let real = dbm.log_sums_over_hidden(&v.to_matrix(), &mut ()).unwrap();
    real.iter()
        .zip(&sums)
        .for_each(|(a, b)| close("real rows", *a, *b, 1e-12));
}

#[test]
fn independent_machines_side_by_side() {
    let (a, b) = (bernoulli(&[3, 2, 4], 1.0, 1), bernoulli(&[2, 5, 3], 1.0, 2));
    let layers = a.layers().iter().zip(b.layers());
    let layers = layers
        .map(|(x, y)| Layer {
            bias: [x.bias.clone(), y.bias.clone()].concat(),
            ..Layer::bernoulli(x.size() + y.size())
        })
        .collect::<Vec<_>>();
    let weights = (0..2)
        .map(|l| {
            let (x, y) = (a.weights(l), b.weights(l));
            Matrix::from_fn(
                x.rows() + y.rows(),
                x.columns() + y.columns(),
                |i, j| match (i.checked_sub(x.rows()), j.checked_sub(x.columns())) {
                    (None, None) => x.row(i)[j],
                    (Some(i), Some(j)) => y.row(i)[j],
                    _ => 0.0,
                },
            )
        })
        .collect::<Vec<_>>();
    let both = Dbm::from_parameters(layers, weights)
        .unwrap()
        .log_z(&mut ())
        .unwrap();
    close(
        "sum",
        both,
        a.log_z(&mut ()).unwrap() + b.log_z(&mut ()).unwrap(),
        1e-10,
    );
}

/// Energies, `ln Z`, likelihood and conditionals of a deep machine and of the general machine that
/// it is.
#[test]
fn a_deep_machine_is_a_general_one() {
    for (k, sizes) in SIZES.into_iter().chain([&[4, 3][..]]).enumerate() {
        let dbm = bernoulli(sizes, 1.0, 120 + k as u64);
        let machine = BoltzmannMachine::try_from(&dbm).unwrap();
        let (n, total) = (sizes[0], sizes.iter().sum::<usize>());
        assert_eq!((machine.n_visible(), machine.units()), (n, total));
        // f64 sums of some thousand f32 numbers that both machines have to the bit.
        close(
            "ln Z",
            machine.log_z(&mut ()).unwrap(),
            dbm.log_z(&mut ()).unwrap(),
            1e-10,
        );
        let v = common::all_states(n);
        let mean = dbm.exact_mean_log_likelihood(&v, &mut ()).unwrap().mean;
        let all = machine.exact_log_p_v(&v, &mut ()).unwrap();
        let general = all.iter().sum::<f64>() / all.len() as f64;
        close("likelihood", general, mean, 1e-10);
        let rows = 64;
        let mut rng = HostRng::numbered(7, k as u64);
        let x = BitMatrix::from_fn(rows, total, |_, _| rng.uniform() < 0.5);
        let part =
            |first: usize, size: usize| BitMatrix::from_fn(rows, size, |i, j| x.get(i, first + j));
        let firsts = firsts(&dbm);
        let layers: Vec<BitMatrix> = (0..sizes.len())
            .map(|l| part(firsts[l], sizes[l]))
            .collect();
        let states: Vec<Input<'_>> = layers.iter().map(Input::from).collect();
        let (v, h) = (part(0, n), part(n, total - n));
        let energies = dbm.energy(&states).unwrap();
        for (a, b) in machine.energy(&v, &h).unwrap().iter().zip(energies) {
            close("energy", *a, b, 1e-10);
        }
        let of_v = machine.mean_v_from_rest(&v, &h, 1.0).unwrap();
        let of_h = machine.mean_h_from_rest(&v, &h, 1.0).unwrap();
        let mut buffers = Propagation::default();
        for l in 0..sizes.len() {
            let mut means = Matrix::zeros(rows, sizes[l]);
            let tail = Tail {
                mean: Some(means.view_mut()),
                precise: true,
                ..Tail::new(1.0)
            };
            let below = (l > 0).then(|| states[l - 1]);
            let above = states.get(l + 1).copied();
            dbm.layer_from_neighbors(l, below, above, tail, &mut buffers)
                .unwrap();
            for s in 0..rows {
                for (j, &mean) in means.row(s).iter().enumerate() {
                    let i = firsts[l] + j;
                    let got = if i < n {
                        of_v.row(s)[i]
                    } else {
                        of_h.row(s)[i - n]
                    };
                    // f32 sums of some ten terms of order one.
                    close("conditional", got.into(), mean.into(), 2e-6);
                }
            }
        }
        let sparse = machine.with_present_edges_only();
        assert!(sparse.may_couple(0, n) && !sparse.may_couple(0, 1));
    }
    let labels = vec![Layer::bernoulli(2), Layer::of(Kind::Softmax, 3)];
    let error = BoltzmannMachine::try_from(&random(labels, 1.0, 1)).unwrap_err();
    assert!(error.to_string().contains("softmax"), "{error}");
}
