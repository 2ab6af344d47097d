//! Machines of counts against sums over all rows of a length and all hidden states.

use crate::common::{
    assert_close,
    counts::{all_rows, data, log_z, machine},
    layer_states, normal_machine,
    units::repeated,
};
use harmonium::{
    Matrix,
    evaluate::{Perplexity, reconstruction_error},
    model::{Side, lengths_of},
};

#[test]
fn energies_are_the_formula() {
    let rbm = machine(4, 3, 0.8, 1);
    let v = Matrix::from_rows([[2.0, 0.0, 3.0, 1.0], [0.0; 4], [0.0, 1.0, 0.0, 0.0]]).unwrap();
    let h = Matrix::from_rows([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]).unwrap();
    let energies = rbm.energy(&v, &h).unwrap();
    for (s, energy) in energies.iter().enumerate() {
        let length: f32 = v.row(s).iter().sum();
        let mut expected = 0.0;
        for (k, &n) in v.row(s).iter().enumerate() {
            expected -= f64::from(n * rbm.visible().bias[k]);
            for (j, &on) in h.row(s).iter().enumerate() {
                expected -= f64::from(n * on) * f64::from(rbm.weights().row(k)[j]);
            }
        }
        for (j, &on) in h.row(s).iter().enumerate() {
            expected -= f64::from(length * on) * f64::from(rbm.hidden().bias[j]);
        }
        assert_close(*energy, expected, 1e-6, "energy");
    }
}

#[test]
fn free_energies_and_means_are_sums_over_the_energies() {
    for (seed, hidden) in [
        ("bernoulli", 3),
        ("softmax", 4),
        ("spin", 3),
        ("softmax:2+spin:1", 3),
    ]
    .into_iter()
    .enumerate()
    {
        let rbm = normal_machine(("counts", 4), hidden, 0.5, seed as u64);
        let v = data(20, 4, seed as u64);
        let h = layer_states(rbm.hidden());
        for beta in [0.5_f32, 1.0, 2.0] {
            let free = rbm.free_energy(v.input(), beta).unwrap();
            let mean = rbm.mean_h_from_v(v.input(), beta).unwrap();
            let all = v.input().to_matrix();
            for (s, free) in free.iter().enumerate() {
                let energies = rbm.energy(&repeated(all.row(s), h.rows()), &h).unwrap();
                let p = energies.iter().map(|e| (-f64::from(beta) * e).exp());
                let p: Vec<f64> = p.collect();
                let z: f64 = p.iter().sum();
                assert_close(*free, -z.ln(), 2e-5, "free energy");
                for j in 0..h.columns() {
                    let on = p
                        .iter()
                        .enumerate()
                        .map(|(k, p)| p * f64::from(h.row(k)[j]));
                    let expected = on.sum::<f64>() / z;
                    assert_close(mean.row(s)[j].into(), expected, 1e-5, "mean");
                }
            }
            if beta == 1.0 {
                let exact = rbm.exact_free_energies(v.input()).unwrap();
                for (a, b) in free.iter().zip(exact) {
                    assert_close(*a, b, 1e-5, "free energy in f64");
                }
            }
        }
    }
}

/// A machine that is given a length is the same machine, for rows of that length.
#[test]
fn a_given_length_changes_no_conditional() {
    let rbm = machine(4, 3, 0.6, 2);
    let (rows, _) = all_rows(4, 5);
    let given = rbm.given_length(5).unwrap();
    let h = layer_states(rbm.hidden());
    for (a, b) in [
        (rbm.free_energy(&rows, 1.0), given.free_energy(&rows, 1.0)),
        (
            rbm.exact_free_energies(&rows),
            given.exact_free_energies(&rows),
        ),
    ] {
        for (a, b) in a.unwrap().iter().zip(b.unwrap()) {
            assert_close(*a, b, 1e-5, "free energy");
        }
    }
    let of_one = rbm.mean_v_from_h(&h, 1.0).unwrap();
    let of_five = given.mean_v_from_h(&h, 1.0).unwrap();
    for (a, b) in of_one.elements().zip(of_five.elements()) {
        assert_close(f64::from(5.0 * a), b.into(), 1e-6, "mean of the counts");
    }
}

#[test]
fn log_z_of_every_length_is_the_sum_over_its_sequences() {
    for hidden in [("bernoulli", 3), ("softmax:2+spin:2", 4)] {
        let rbm = normal_machine(("counts", 3), hidden, 0.7, 3);
        let lengths = [0, 1, 2, 5, 9];
        let all = rbm.log_z_of_lengths(&lengths, &mut ()).unwrap();
        for (&length, got) in lengths.iter().zip(all) {
            let expected = log_z(&rbm, length, 1.0);
            let given = rbm.given_length(length).unwrap();
            assert_close(got, expected, 1e-10, "by one walk");
            // The biases times the length are rounded to f32.
            assert_close(
                given.log_z(&mut ()).unwrap(),
                expected,
                1e-5,
                "given the length",
            );
            for beta in [0.5, 2.0] {
                let got = given.log_z_over(Side::Hidden, beta, &mut ()).unwrap();
                assert_close(got, log_z(&rbm, length, beta), 1e-5, "another temperature");
            }
        }
    }
}

/// The convention: probabilities are those of a sequence of words.
#[test]
fn probabilities_of_all_sequences_add_up_to_one() {
    let rbm = machine(3, 3, 1.0, 4);
    let mut sequences = 0.0;
    let log_z = rbm.given_length(3).unwrap().log_z(&mut ()).unwrap();
    for index in 0..27 {
        let mut row = [0.0_f32; 3];
        [index % 3, index / 3 % 3, index / 9]
            .iter()
            .for_each(|&k: &usize| row[k] += 1.0);
        let row = Matrix::from_rows([row]).unwrap();
        sequences += (-rbm.exact_free_energies(&row).unwrap()[0] - log_z).exp();
    }
    assert_close(sequences, 1.0, 1e-6, "all 27 sequences of 3 words");
    for length in [0, 1, 4, 7] {
        let (rows, ways) = all_rows(3, length);
        let log_p = rbm.exact_log_p_observed(&rows, harmonium::model::Missing::Infer, &mut ());
        let sum: f64 = log_p
            .unwrap()
            .iter()
            .zip(ways)
            .map(|(p, ways)| ways * p.exp())
            .sum();
        assert_close(sum, 1.0, 1e-10, "all counts");
    }
}

#[test]
fn expectations_are_sums_over_all_rows() {
    let rbm = machine(3, 3, 0.8, 5);
    for length in [1, 4] {
        let given = rbm.given_length(length).unwrap();
        let expected = given.expectations(&mut ()).unwrap();
        let (rows, ways) = all_rows(3, length);
        let free = rbm.exact_free_energies(&rows).unwrap();
        let h = rbm.mean_h_from_v(&rows, 1.0).unwrap();
        let z = log_z(&rbm, length, 1.0);
        let p: Vec<f64> = free
            .iter()
            .zip(&ways)
            .map(|(f, w)| w * (-f - z).exp())
            .collect();
        let mean = |f: &dyn Fn(usize) -> f32| -> f64 {
            p.iter().enumerate().map(|(s, p)| p * f64::from(f(s))).sum()
        };
        for k in 0..3 {
            assert_close(
                expected.visible[k],
                mean(&|s| rows.row(s)[k]),
                1e-5,
                "counts",
            );
            assert_close(expected.hidden[k], mean(&|s| h.row(s)[k]), 1e-5, "hidden");
            for j in 0..3 {
                let both = mean(&|s| rows.row(s)[k] * h.row(s)[j]);
                assert_close(expected.weights.row(k)[j].into(), both, 1e-5, "pairs");
            }
        }
    }
}

#[test]
fn the_likelihood_has_a_log_z_for_each_row() {
    let rbm = machine(4, 3, 0.8, 6);
    let v = data(30, 4, 7);
    let lengths = lengths_of(v.input());
    assert_eq!(lengths, [0, 1, 2, 3, 4, 5, 6]);
    let free = rbm.exact_free_energies(v.input()).unwrap();
    let log_p: Vec<f64> = (0..30)
        .map(|i| -free[i] - log_z(&rbm, i as u32 % 7, 1.0))
        .collect();
    let got = rbm.exact_mean_log_likelihood(&v, &mut ()).unwrap();
    assert_close(got.mean, log_p.iter().sum::<f64>() / 30.0, 1e-10, "mean");
    assert_close(log_p[0], 0.0, 1e-12, "an empty row");

    // Weights count in all three means, and an empty row in no perplexity.
    let weights: Vec<f32> = (0..30).map(|i| 0.5 + (i % 3) as f32).collect();
    let weighted = v.clone().with_weights(weights.clone()).unwrap();
    let of = |power: i32| -> [f64; 2] {
        let rows = (0..30).filter(|i| i % 7 > 0);
        let sums = rows.map(|i| {
            let (weight, length) = (f64::from(weights[i]), (i % 7) as f64);
            [
                weight * length.powi(power) * log_p[i],
                weight * length.powi(power + 1),
            ]
        });
        sums.fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
    };
    let perplexity = Perplexity::new((&weighted).into(), log_p.iter().copied());
    let ([rows, mass], [words, all]) = (of(-1), of(0));
    assert_close(perplexity.of_rows, (-rows / mass).exp(), 1e-12, "of rows");
    assert_close(perplexity.of_words, (-words / all).exp(), 1e-12, "of words");
    assert_close(
        perplexity.words,
        (0..30).map(|i| f64::from(i % 7)).sum(),
        0.0,
        "words",
    );
}

/// A machine without weights has the perplexity of its biases: that of `K` equally likely words.
#[test]
fn equally_likely_words_have_the_perplexity_of_their_number() {
    let rbm = machine(5, 2, 0.0, 8);
    let v = data(20, 5, 9);
    let log_p = rbm.exact_log_p_observed(&v, harmonium::model::Missing::Infer, &mut ());
    let perplexity = Perplexity::new((&v).into(), log_p.unwrap());
    assert_close(perplexity.of_rows, 5.0, 1e-9, "of rows");
    assert_close(perplexity.of_words, 5.0, 1e-9, "of words");
    // Each count is expected to be a fifth of its row.
    let all = v.input().to_matrix();
    let squares = (0..20).map(|i| {
        let share = all.row(i).iter().sum::<f32>() / 5.0;
        all.row(i)
            .iter()
            .map(|n| f64::from(n - share).powi(2))
            .sum::<f64>()
    });
    let expected = squares.sum::<f64>() / 100.0;
    assert_close(
        reconstruction_error(&rbm, &v).unwrap(),
        expected,
        1e-5,
        "reconstruction",
    );
}
