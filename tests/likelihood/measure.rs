//! The recipe of measuring: of every family what enumeration says, and annealing around it.

use harmonium::{
    BitMatrix, BoltzmannMachine, Dbm, Dbn, Error, Examples, Matrix, Model, Rbm,
    dataset::bars_and_stripes,
    evaluate::{Betas, DbmBound},
    model::{Directed, MeanField},
    recipe::{Annealed, Measure, Measures},
    stop::Stop,
};

fn number(k: usize, seed: usize) -> f32 {
    ((k * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0
}

fn matrix(rows: usize, columns: usize, seed: usize) -> Matrix {
    Matrix::from_fn(rows, columns, |i, j| number(i * columns + j, seed))
}

fn rbm(n: usize, m: usize, seed: usize) -> Rbm {
    let bias = |n: usize, seed: usize| (0..n).map(|i| 0.5 * number(i, seed)).collect::<Vec<f32>>();
    let biases = [bias(n, seed + 1), bias(m, seed + 2)];
    Rbm::from_parameters(biases, [matrix(n, m, seed)]).unwrap()
}

/// A machine of each family with nine visible units, and the exact mean of `ln p(v)` and `ln Z`.
fn machines(data: &BitMatrix) -> Vec<(Model, f64, f64)> {
    let mean = |x: Vec<f64>| x.iter().sum::<f64>() / x.len() as f64;
    let (lower, upper) = (rbm(9, 6, 3), rbm(6, 4, 9));
    let exact = lower.exact_mean_log_likelihood(data, &mut ()).unwrap();
    let (likelihood, log_z) = (exact.mean, exact.log_z);
    let dbm = Dbm::joined(&[lower.clone(), upper.clone()]).unwrap();
    let exact = dbm.exact_mean_log_likelihood(data, &mut ()).unwrap();
    let (of_dbm, z_of_dbm) = (exact.mean, exact.log_z);
    let directed = Directed::from_rbm(&lower).unwrap();
    let dbn = Dbn::from_parts(vec![directed], upper.clone()).unwrap();
    let of_dbn = mean(dbn.exact_log_p_v(data, None, &mut ()).unwrap());
    let pairs = (0..13).flat_map(|i| (i + 1..13).map(move |j| (i, j, 0.4 * number(i * 13 + j, 5))));
    let pairs: Vec<(usize, usize, f32)> = pairs.collect();
    let general = BoltzmannMachine::from_edges(9, 4, &pairs).unwrap();
    let of_general = mean(general.exact_log_p_v(data, &mut ()).unwrap());
    let z_of_general = general.log_z(&mut ()).unwrap();
    vec![
        (lower.into(), likelihood, log_z),
        (dbn.into(), of_dbn, upper.log_z(&mut ()).unwrap()),
        (dbm.into(), of_dbm, z_of_dbm),
        (general.into(), of_general, z_of_general),
    ]
}

fn measure(how: &Measure, model: &Model, data: &Examples) -> Measures {
    how.run(model, Some(data), Some(data), &mut ()).unwrap()
}

#[test]
fn every_family_is_measured_exactly_and_by_annealing() {
    let data = bars_and_stripes(3);
    let exact = Measure {
        exact: true,
        ..Measure::default()
    };
    let annealed = Measure {
        enumerated_units: None,
        chains: 400,
        betas: Betas::Linear(500),
        seed: 3,
        ..Measure::default()
    };
    for (model, likelihood, log_z) in machines(data.bits().unwrap()) {
        let kind = model.kind();
        let found = measure(&exact, &model, &data);
        assert_eq!(found.count, 16, "{kind}");
        let z = &found.partition;
        assert!(
            (z.log_z - log_z).abs() < 1e-9 && z.annealed.is_none(),
            "{kind}"
        );
        assert_eq!((z.low, z.high, z.standard_error), (z.log_z, z.log_z, 0.0));
        let exactly = found.likelihood.unwrap();
        assert!((exactly.mean - likelihood).abs() < 1e-9, "{kind}");
        assert_eq!((exactly.low, exactly.high), (exactly.mean, exactly.mean));
        // A bound is below what it bounds.
        assert!(
            found.bound.is_none_or(|bound| bound.mean < exactly.mean),
            "{kind}"
        );
        // What is enumerated at the end of training is the same.
        let at_the_end = measure(&Measure::at_the_end(&model, 0), &model, &data);
        assert_eq!(at_the_end.partition.log_z, z.log_z, "{kind}");

        let found = measure(&annealed, &model, &data);
        let z = &found.partition;
        // The ends are three standard errors beyond estimates from below and above.
        assert!(
            z.low < log_z && log_z < z.high && z.high - z.low < 0.6,
            "{kind}: {z:?}"
        );
        let (ais, way) = z.annealed.as_ref().unwrap();
        assert_eq!((ais.chains, ais.betas.steps()), (400, 500));
        assert!(way.warnings().is_empty(), "{kind}: {:?}", way.warnings());
        assert!(way.log_weights().iter().all(|w| w.len() == 400));
        let (mean, of) = match (found.likelihood, found.bound) {
            (Some(x), None) => (x, likelihood),
            (None, Some(x)) => (x, likelihood),
            _ => panic!("{kind}: one of both"),
        };
        assert!(mean.low < mean.mean && mean.mean < mean.high, "{kind}");
        assert!(mean.low < of, "{kind}: {mean:?} for {of}");
        let shifted = z.clone().shifted(2.0);
        assert_eq!(shifted.log_z, z.log_z - 2.0);
        assert_eq!(shifted.high - shifted.low, (z.high - 2.0) - (z.low - 2.0));
    }
}

#[test]
fn what_is_wanted_is_measured_and_what_cannot_be_is_told() {
    let data = bars_and_stripes(3);
    let all = machines(data.bits().unwrap());
    let how = Measure {
        enumerated_units: None,
        chains: 20,
        betas: Betas::Linear(50),
        raise: Some((5, 3)),
        ..Measure::default()
    };
    let found = measure(&how, &all[0].0, &data);
    let (raised, z) = (found.raise.unwrap(), &found.partition);
    assert_eq!((raised.raise.log_likelihoods.len(), raised.chains), (5, 3));
    let free = all[0].0.rbm().unwrap();
    let free = free.free_energy(data.head(5).input(), 1.0).unwrap();
    let likelihood = -free.iter().sum::<f64>() / 5.0 - z.log_z;
    assert!((raised.gap.unwrap().0 - (likelihood - raised.raise.mean().0)).abs() < 1e-12);
    assert_eq!(found.activity.unwrap().mean.len(), 6);
    let one_way = Measure {
        reverse: false,
        ..how.clone()
    };
    let found = measure(&one_way, &all[0].0, &data);
    let (_, annealed) = found.partition.annealed.unwrap();
    assert!(matches!(annealed, Annealed::Forward(_)));

    // Of a deep Boltzmann machine, what its bound is made of.
    let (dbm, of_dbm) = (&all[2].0, measure(&Measure::default(), &all[2].0, &data));
    let options = MeanField::default();
    let bound = DbmBound::new(dbm.dbm().unwrap(), &data, &options, &mut ()).unwrap();
    assert_eq!(of_dbm.mean_field, Some(bound.convergence));
    assert_eq!(of_dbm.posterior, bound.hidden);

    // ln Z alone, of a general machine alone.
    let silent = &mut ();
    assert_eq!(how.run(&all[3].0, None, None, silent).unwrap().count, 0);
    for (model, ..) in &all[..3] {
        assert!(matches!(
            how.run(model, None, None, silent),
            Err(Error::Parameter { .. })
        ));
    }
    let mut stop = Stop::new();
    stop.request();
    for (model, ..) in &all {
        let stopped = how.run(model, Some(&data), Some(&data), &mut stop);
        assert!(matches!(stopped, Err(Error::Stopped)), "{}", model.kind());
    }
}
