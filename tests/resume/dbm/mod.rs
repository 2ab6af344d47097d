//! Runs of deep Boltzmann machines at any number of threads and from files.

mod labels;
mod phases;
mod pretraining;

use crate::common::dbm::random;
use harmonium::{
    checkpoint::Checkpoint,
    dataset::Examples,
    matrix::Matrix,
    model::{Dbm, Layer},
    train::{DbmLearner, DbmOptions, DbmTraining, Learning, Negative, Sparsity},
    units::{Kind, Units},
};

fn a_run(updates: usize, threads: usize, data: &Examples) -> DbmTraining {
    let dbm = Dbm::bernoulli(&[70, 40, 50, 20])
        .unwrap()
        .initialized_from(data, 3)
        .unwrap();
    trained(dbm, 3, updates, threads, data)
}

/// `updates` of a machine with this number of hidden layers.
fn trained(
    dbm: Dbm,
    hidden: usize,
    updates: usize,
    threads: usize,
    data: &Examples,
) -> DbmTraining {
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
        sparsity: vec![sparsity; hidden],
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
