//! Annealing of machines of counts given a length, against enumeration.

use crate::common::{counts, linear};
use harmonium::{
    Model, Rbm,
    evaluate::{Ais, Base, ReverseStart},
    recipe::{Annealed, Measure},
};

/// From both bases, for lengths from nothing on: within the interval of three standard errors.
#[test]
fn annealing_contains_the_exact_log_z_of_every_length() {
    let rbm = counts::machine(5, 4, 0.5, 1);
    let data = counts::data(60, 5, 2);
    let lengths = [0, 1, 4, 12];
    let exact = rbm.log_z_of_lengths(&lengths, &mut ()).unwrap();
    for base in [Base::Uniform, Base::rate_of(&rbm, &data).unwrap()] {
        let ais = Ais {
            base,
            ..linear(400, 300, 3)
        };
        let found = ais.log_z_of_lengths(&rbm, &lengths, &mut ()).unwrap();
        for ((&length, z), exact) in lengths.iter().zip(&found).zip(&exact) {
            assert!(
                (z.low - 1e-9..=z.high + 1e-9).contains(exact),
                "{length}: {} .. {} for {exact}",
                z.low,
                z.high
            );
            assert!(z.standard_error < 0.02, "{length}: {}", z.standard_error);
            let given = rbm.given_length(length).unwrap();
            let both = ais.bracket(&given, &ReverseStart::Exact, &mut ()).unwrap();
            assert!(
                (both.low() - 1e-9..=both.high() + 1e-9).contains(exact),
                "{length}: {} .. {} for {exact}",
                both.low(),
                both.high()
            );
            let error = (both.bennett.estimate - exact).abs();
            assert!(
                error <= 4.0 * both.bennett.standard_error + 1e-4,
                "{length}: {error}"
            );
        }
    }
}

/// What is measured of examples: every one has the ln Z of its length, by either way.
#[test]
fn examples_of_many_lengths_are_measured() {
    let rbm = counts::machine(5, 4, 0.5, 4);
    let data = counts::data(70, 5, 5);
    let exact = rbm.exact_mean_log_likelihood(&data, &mut ()).unwrap();
    let model = Model::Rbm(rbm.clone());
    let measure = |how: &Measure| how.run(&model, Some(&data), Some(&data), &mut ());
    let found = measure(&Measure::default()).unwrap();
    let mean = found.likelihood.unwrap();
    assert!((mean.mean - exact.mean).abs() < 1e-9 && mean.low == mean.high);
    assert!((found.partition.log_z - exact.log_z).abs() < 1e-9);
    let of_rows = rbm.exact_log_p_observed(&data, harmonium::model::Missing::Infer, &mut ());
    for (a, b) in found.log_likelihoods().zip(of_rows.unwrap()) {
        assert!((a - b).abs() < 1e-9);
    }

    let how = Measure {
        enumerated_units: None,
        any_units: true,
        reverse: false,
        chains: 400,
        betas: harmonium::evaluate::Betas::Linear(300),
        ..Measure::default()
    };
    let annealed = measure(&how).unwrap();
    let mean = annealed.likelihood.unwrap();
    assert!(
        mean.low < exact.mean && exact.mean < mean.high,
        "{mean:?} for {exact:?}"
    );
    assert!(annealed.partition.standard_error < 0.01);
    let Some((_, Annealed::Lengths(all))) = &annealed.partition.annealed else {
        panic!("annealed length by length");
    };
    assert_eq!(
        all.iter().map(|x| x.0).collect::<Vec<u32>>(),
        [0, 1, 2, 3, 4, 5, 6]
    );
    let [[a, of_words], [b, same]] = [&found, &annealed].map(|x| x.perplexity.unwrap());
    assert_eq!(of_words, same);
    // Of words as frequent as in the data, with a count more each.
    let (all, n) = (data.input().to_matrix(), data.len() as f64);
    let counts: Vec<f64> = data.mean().iter().map(|m| n * m + 1.0).collect();
    let sum: f64 = counts.iter().sum();
    let log_p = (0..data.len()).map(|i| {
        let words = all.row(i).iter().zip(&counts);
        words
            .map(|(&x, c)| f64::from(x) * (c / sum).ln())
            .sum::<f64>()
    });
    let expected = harmonium::evaluate::Perplexity::new((&data).into(), log_p);
    assert!((of_words.of_words / expected.of_words - 1.0).abs() < 1e-6);
    assert!((a.of_rows / b.of_rows - 1.0).abs() < 0.01);
    assert!((a.of_words / b.of_words - 1.0).abs() < 0.01);
    // Annealing back is of one length.
    let back = Measure {
        reverse: true,
        ..how
    };
    let message = measure(&back).unwrap_err().to_string();
    assert!(message.contains("one length"), "{message}");
}

#[test]
fn what_is_of_one_length_is_refused_without() {
    let rbm = counts::machine(4, 2, 0.5, 6);
    let message = |result: harmonium::Result<()>| result.unwrap_err().to_string();
    type Act<'a> = &'a dyn Fn(&Rbm) -> harmonium::Result<()>;
    let all: [(&str, Act<'_>); 8] = [
        ("ln Z", &|x| x.log_z(&mut ()).map(drop)),
        ("expectations", &|x| x.expectations(&mut ()).map(drop)),
        ("chains", &|x| x.chains(3, 1).map(drop)),
        ("samples", &|x| x.exact_samples(3, 1).map(drop)),
        ("states", &|x| {
            x.sample_v_from_h(&[0.0; 2], 1, 1, 1.0).map(drop)
        }),
        ("annealing", &|x| {
            linear(10, 10, 1).log_z(x, &mut ()).map(drop)
        }),
        ("likelihood", &|x| {
            x.mean_log_likelihood(&[1.0; 4][..], 0.0).map(drop)
        }),
        ("hidden", &|x| x.free_energy_h(&[0.0; 2], 1.0).map(drop)),
    ];
    let given = rbm.given_length(3).unwrap();
    for (what, of) in all {
        let found = message(of(&rbm));
        assert!(found.contains("given_length"), "{what}: {found}");
        of(&given).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}
