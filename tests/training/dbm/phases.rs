//! What is learned by each way to the expectations of the data and of the model, and what chains
//! say that part from it.

use harmonium::{
    bits::BitMatrix,
    dataset,
    model::Dbm,
    train::{ChainWarning, DbmOptions, DbmTraining, Event, Learning, Negative, Positive, Schedule},
};
use std::ops::ControlFlow;

/// How unequal a unit of the highest layer is over the data: the largest standard deviation of
/// `E[h | v]`, by enumeration.
fn use_of_top(dbm: &Dbm, v: &BitMatrix) -> f64 {
    let top = dbm.n_layers() - 1;
    let means = |row| dbm.posterior_expectations(v, row, &mut ()).unwrap().layers[top].clone();
    let all: Vec<Vec<f64>> = (0..v.rows()).map(means).collect();
    let n = all.len() as f64;
    let deviation = |j: usize| {
        let mean = all.iter().map(|x| x[j]).sum::<f64>() / n;
        (all.iter().map(|x| (x[j] - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    (0..dbm.layer(top).size())
        .map(deviation)
        .fold(0.0, f64::max)
}

/// A machine 9-8-6 on the 16 rows of bars and stripes: its likelihood, at most -2.5993 nats a row
/// (14 patterns, two of them twice), and how the second layer is used.
fn learned(options: DbmOptions, seed: u64) -> (f64, f64) {
    let data = dataset::bars_and_stripes(3);
    let v = data.bits().unwrap();
    let dbm = Dbm::bernoulli(&[9, 8, 6]).unwrap();
    let dbm = dbm.initialized_from(&data, seed).unwrap();
    let options = DbmOptions {
        learning: Learning {
            batch_size: 16,
            seed,
            ..options.learning
        },
        ..options
    };
    let mut run = DbmTraining::new(dbm, options, &data).unwrap();
    let ended = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    assert!(ended.is_finished());
    let likelihood = run
        .model()
        .exact_mean_log_likelihood(v, &mut ())
        .unwrap()
        .mean;
    (likelihood, use_of_top(run.model(), v))
}

/// Momentum 0.9, a rate that falls to zero in a straight line, no decay.
fn fast(positive: Positive, negative: Negative, rate: f32, epochs: usize) -> DbmOptions {
    DbmOptions {
        positive,
        negative,
        learning: Learning {
            epochs,
            learning_rate: Schedule::Linear {
                from: rate,
                to: 0.0,
            },
            momentum: 0.9.into(),
            ..Learning::default()
        },
        ..DbmOptions::default()
    }
}

/// The exact gradient comes to within 0.01 nats of what is possible, and units of the second layer
/// tell examples apart.
#[test]
fn exact_phases_learn_bars_and_stripes_with_both_layers() {
    let options = fast(Positive::Exact, Negative::Exact, 0.5, 4000);
    let (likelihood, of_top) = learned(options, 1);
    println!("{likelihood}, second layer {of_top}");
    assert!((-2.610..-2.5993).contains(&likelihood), "{likelihood}");
    assert!(of_top > 0.05, "{of_top}");
}

/// Chains that swap temperatures can follow a rate at which plain ones part from the model.
#[test]
fn tempered_chains_learn_at_a_large_rate() {
    let negative = Negative::Tempered {
        chains: 100,
        steps: 1,
        temperatures: 5,
        lowest: 0.3,
    };
    let gibbs = Positive::Gibbs { steps: 2 };
    let (likelihood, of_top) = learned(fast(gibbs, negative, 0.1, 8000), 1);
    println!("{likelihood}, second layer {of_top}");
    assert!((-2.63..-2.5993).contains(&likelihood), "{likelihood}");
}

/// What a run said of its chains.
struct Said {
    likelihood: f64,
    /// When it was asked last.
    last: Vec<ChainWarning>,
    /// Whenever it was asked.
    ever: Vec<ChainWarning>,
}

/// A run of Algorithm 20.1 with so many chains and sweeps, asked of its chains after every tenth of
/// its epochs.
fn warned(options: DbmOptions) -> Said {
    let data = dataset::bars_and_stripes(3);
    let dbm = Dbm::bernoulli(&[9, 8, 6]).unwrap();
    let dbm = dbm.initialized_from(&data, 1).unwrap();
    let epochs = options.learning.epochs;
    let learning = Learning {
        batch_size: 16,
        ..options.learning
    };
    let options = DbmOptions {
        learning,
        ..options
    };
    let mut run = DbmTraining::new(dbm, options, &data).unwrap();
    let (mut before, mut last, mut ever) = (None, Vec::new(), Vec::new());
    let ended = run.run(&data, |event| {
        if let Event::Epoch(run) = event
            && run.position().epoch.is_multiple_of(epochs / 10)
        {
            let health = run.chain_health(before.as_ref()).unwrap().unwrap();
            println!(
                "{:?} {:?} {:?} {:?}",
                health.energy_gap, health.strain, health.autocorrelation, health.information
            );
            last = health.warnings();
            ever.extend(last.clone());
            before = Some(health);
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    let v = data.bits().unwrap();
    let likelihood = run
        .model()
        .exact_mean_log_likelihood(v, &mut ())
        .unwrap()
        .mean;
    println!("{likelihood} {last:?}");
    Said {
        likelihood,
        last,
        ever,
    }
}

/// Algorithm 20.1 at a rate of 0.1 without decay: chains that cannot follow leave a machine worse
/// than the uniform one (-6.24 nats), and say so; tempered chains and exact posteriors are silent.
#[test]
fn chains_that_part_from_the_model_say_so() {
    let field = DbmOptions::default().positive;
    let plain = Negative::Persistent {
        chains: 100,
        steps: 1,
    };
    let mut bad = fast(field, plain, 0.1, 4000);
    bad.learning.learning_rate = 0.1.into();
    let Said {
        likelihood, ever, ..
    } = warned(bad);
    assert!(likelihood < -6.24, "{likelihood}");
    let parted =
        |x: &ChainWarning| matches!(x, ChainWarning::Parted { .. } | ChainWarning::Driven { .. });
    // A machine that has run away moves slowly in the end: which of the questions are answered by a
    // warning depends on its way there.
    assert!(ever.iter().any(parted), "{likelihood}: {ever:?}");
    // The good one: no warning of chains.
    let negative = Negative::Tempered {
        chains: 100,
        steps: 1,
        temperatures: 5,
        lowest: 0.3,
    };
    let said = warned(fast(Positive::Gibbs { steps: 2 }, negative, 0.1, 4000));
    assert!(said.likelihood > -2.7, "{}", said.likelihood);
    assert!(said.last.is_empty(), "{:?}", said.last);
    // The exact one: both layers in use.
    let said = warned(fast(Positive::Exact, Negative::Exact, 0.5, 4000));
    assert!(said.likelihood > -2.62, "{}", said.likelihood);
    assert!(said.last.is_empty(), "{:?}", said.last);
    // A layer that nothing has used yet.
    let idle = fast(field, plain, 1e-6, 10);
    let unused = |x: &ChainWarning| matches!(x, ChainWarning::Unused { layer: 2, .. });
    assert!(warned(idle).last.iter().any(unused));
}
