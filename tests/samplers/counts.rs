//! Samples and chains of counts.

use crate::common::{
    counts::{all_rows, log_z, machine},
    draw_rows, layer_states, total_variation_floor,
    units::repeated,
};
use harmonium::{Matrix, States, rng::HostRng};

/// Total variation between the rows and `p` of `all`.
fn variation(all: &Matrix, rows: &States, p: &[f64]) -> f64 {
    let rows = rows.to_matrix();
    let mut share = vec![0.0; p.len()];
    for i in 0..rows.rows() {
        let k = (0..all.rows()).position(|k| all.row(k) == rows.row(i));
        share[k.expect("a row of the length")] += 1.0 / rows.rows() as f64;
    }
    0.5 * share.iter().zip(p).map(|(a, b)| (a - b).abs()).sum::<f64>()
}

#[test]
fn counts_given_hidden_units_are_multinomial() {
    let (n, length) = (20_000, 4);
    let rbm = machine(4, 3, 0.8, 1);
    let given = rbm.given_length(length).unwrap();
    let h = layer_states(rbm.hidden());
    let (all, ways) = all_rows(4, length);
    for (step, row) in [0, 3, 7].into_iter().enumerate() {
        for beta in [0.0_f32, 1.0, 2.0] {
            let input = rbm.input_v_from_h(&repeated(h.row(row), 1), 1.0).unwrap();
            let weight = |x: f32| f64::from(beta * x).exp();
            let z: f64 = input.row(0).iter().map(|&x| weight(x)).sum();
            let of_row = |s: usize| -> f64 {
                let words = all.row(s).iter().zip(input.row(0));
                ways[s]
                    * words
                        .map(|(&n, &x)| (weight(x) / z).powi(n as i32))
                        .product::<f64>()
            };
            let p: Vec<f64> = (0..all.rows()).map(of_row).collect();
            let many = repeated(h.row(row), n);
            let sample = given.sample_v_from_h(&many, 5, step as u64, beta).unwrap();
            let (distance, floor) = (variation(&all, &sample, &p), total_variation_floor(&p, n));
            assert!(
                distance < 4.0 * floor,
                "beta {beta}: {distance}, floor {floor}"
            );
        }
    }
}

/// No drift: chains drawn exactly stay in the distribution of their length, given or their own.
#[test]
fn sweeps_leave_the_distribution_of_a_length_alone() {
    let n = 20_000;
    let rbm = machine(3, 3, 0.7, 2);
    for length in [1, 4] {
        let (all, ways) = all_rows(3, length);
        let z = log_z(&rbm, length, 1.0);
        let free = rbm.exact_free_energies(&all).unwrap();
        let p: Vec<f64> = free
            .iter()
            .zip(&ways)
            .map(|(f, w)| w * (-f - z).exp())
            .collect();
        let floor = total_variation_floor(&p, n);
        for machine in [&rbm, &rbm.given_length(length).unwrap()] {
            let mut chains = machine
                .chains_from(draw_rows(&all, &p, n, &mut HostRng::numbered(3, 44)), 6)
                .unwrap();
            for sweeps in [1, 3, 12] {
                chains.sweep(machine, sweeps, 1.0).unwrap();
                let distance = variation(&all, chains.visible(), &p);
                assert!(
                    distance < 4.0 * floor,
                    "{length}: {distance}, floor {floor}"
                );
            }
        }
        let exact = rbm
            .given_length(length)
            .unwrap()
            .exact_samples(n, 4)
            .unwrap();
        let distance = variation(&all, &exact, &p);
        assert!(
            distance < 4.0 * floor,
            "exact, {length}: {distance}, floor {floor}"
        );
        // From nothing, they find it: 50 sweeps of a machine that mixes in a few.
        let given = rbm.given_length(length).unwrap();
        let mut chains = given.chains(n, 8).unwrap();
        chains.sweep(&given, 50, 1.0).unwrap();
        let distance = variation(&all, chains.visible(), &p);
        assert!(
            distance < 4.0 * floor,
            "chains, {length}: {distance}, floor {floor}"
        );
    }
}

#[test]
fn every_chain_keeps_its_length_at_any_number_of_threads() {
    let rbm = machine(70, 9, 0.3, 3);
    let start = Matrix::from_fn(130, 70, |i, j| {
        ((i * j) % 5 == 4) as u8 as f32 * (i % 9) as f32
    });
    let lengths = |x: &Matrix| -> Vec<f32> { (0..130).map(|i| x.row(i).iter().sum()).collect() };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut chains = rbm.chains_from(start.clone(), 4).unwrap();
            chains.sweep(&rbm, 5, 1.0).unwrap();
            chains.visible().to_matrix()
        })
    };
    let one = run(1);
    assert_eq!(lengths(&one), lengths(&start));
    assert_ne!(one, start);
    for threads in [2, 5] {
        assert_eq!(run(threads), one);
    }
}
