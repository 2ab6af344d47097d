//! Learning of all layers together: an update against the enumerated gradient, runs at any number
//! of threads and from files.

use super::gradient::Gradient;
use crate::common::deep::{bernoulli, random};
use harmonium::{
    bits::BitMatrix,
    checkpoint::Checkpoint,
    dataset::{self, Examples},
    evaluate::DbmBound,
    matrix::Matrix,
    model::{Dbm, Layer, MeanField},
    train::{DbmLearner, DbmOptions, DbmTraining, Learning, Negative, Schedule, Sparsity},
    units::{Kind, Units},
};
use std::ops::ControlFlow;

/// Plain and centered.
#[test]
fn an_update_is_the_enumerated_gradient() {
    for (k, sizes) in [&[6, 4, 3][..], &[5, 4, 3, 2], &[3, 2, 3, 2, 2]]
        .into_iter()
        .enumerate()
    {
        let dbm = bernoulli(sizes, 0.5, 80 + k as u64);
        let data = BitMatrix::from_fn(20, sizes[0], |i, j| (i * 5 + j * 3) % 7 < 3);
        let start = |s: usize| -> Vec<Vec<f64>> {
            let layer = |l: usize| match l {
                0 => (0..sizes[0]).map(|i| f64::from(data.get(s, i))).collect(),
                l => vec![0.5; sizes[l]],
            };
            (0..sizes.len()).map(layer).collect()
        };
        let gradient = Gradient::new(&dbm, (0..20).map(start), 1..sizes.len());
        let data = Examples::new(data).unwrap();
        for offset in [None, Some([0.3, 0.6])] {
            gradient.assert_step(&data, offset, k as u64);
        }
    }
}

#[test]
fn centered_training_learns_bars_and_stripes() {
    let data = dataset::bars_and_stripes(3);
    let v = data.bits().unwrap();
    let dbm = Dbm::bernoulli(&[9, 12, 6])
        .unwrap()
        .initialized_from(&data, 1)
        .unwrap();
    let (before, _, _) = dbm.exact_mean_log_likelihood(v, &mut ()).unwrap();
    let options = DbmOptions {
        negative: Negative::Persistent {
            chains: 100,
            steps: 2,
        },
        learning: Learning {
            epochs: 4000,
            batch_size: 16,
            learning_rate: Schedule::Linear { from: 0.1, to: 0.0 },
            momentum: Schedule::Constant(0.5),
            weight_decay: 0.0,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    };
    let mut training = DbmTraining::new(dbm, options, &data).unwrap();
    assert!(
        training
            .run(&data, |_| ControlFlow::Continue(()))
            .unwrap()
            .is_finished()
    );
    let (after, _, log_z) = training
        .model()
        .exact_mean_log_likelihood(v, &mut ())
        .unwrap();
    let bound = DbmBound::new(training.model(), v, &MeanField::default(), &mut ()).unwrap();
    let (bound, _) = bound.mean(log_z);
    // The best possible is -41.588830834 / 16 = -2.599; independent units have about -6.2.
    assert!(before < -6.0 && after > -3.0, "{before} -> {after}");
    assert!(
        bound <= after + 1e-5 && bound > after - 0.1,
        "{bound} of {after}"
    );
}

fn a_run(updates: usize, threads: usize, data: &Examples) -> DbmTraining {
    let dbm = Dbm::bernoulli(&[70, 40, 50, 20])
        .unwrap()
        .initialized_from(data, 3)
        .unwrap();
    let sparsity = Sparsity {
        target: 0.2,
        cost: 0.01,
        decay: 0.9,
    };
    let options = DbmOptions {
        negative: Negative::Persistent {
            chains: 30,
            steps: 5,
        },
        warm_start: true,
        sparsity: vec![sparsity; 3],
        learning: Learning {
            batch_size: 40,
            epochs: 4,
            resample_data: true,
            seed: 11,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    };
    let mut training = DbmTraining::new(dbm, options, data).unwrap();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        for _ in 0..updates {
            let _ = training.update(data).unwrap();
        }
    });
    training
}

#[test]
fn threads_and_interruptions_change_no_bit() {
    // 100 examples in batches of 40: a short last one.
    let gray = Matrix::from_fn(100, 70, |i, j| ((i * 3 + j * 11) % 10) as f32 / 9.0);
    let data = Examples::new(gray).unwrap();
    let whole = a_run(9, 1, &data);
    for threads in [2, 7] {
        let other = a_run(9, threads, &data);
        assert_eq!(other.model(), whole.model(), "{threads} threads");
    }
    let path = std::env::temp_dir().join(format!("harmonium-dbm-{}", std::process::id()));
    Checkpoint::from(&a_run(5, 2, &data)).save(&path).unwrap();
    let mut rest = Checkpoint::load(&path)
        .unwrap()
        .into_run::<DbmLearner>(&data)
        .unwrap();
    for _ in 0..4 {
        let _ = rest.update(&data).unwrap();
    }
    assert_eq!(rest.model(), whole.model());
    assert_eq!(rest.state(), whole.state());
    // A plain model, its kinds of units, and no run in it.
    let layers = vec![
        Layer::bernoulli(4),
        Layer::new(Units::of(Kind::Bernoulli, 2).and(Kind::Softmax, 3)),
        Layer::bernoulli(3),
    ];
    let dbm = random(layers, 1.0, 5);
    Checkpoint::from(dbm.clone()).save(&path).unwrap();
    let loaded = Checkpoint::load(&path).unwrap();
    assert_eq!(loaded.model.kind(), "dbm");
    assert_eq!(loaded.model.dbm().unwrap(), &dbm);
    assert!(loaded.model.rbm().is_err() && loaded.clone().into_run::<DbmLearner>(&data).is_err());
    std::fs::remove_file(&path).unwrap();
}
