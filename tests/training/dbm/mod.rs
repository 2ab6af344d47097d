//! Learning of all layers together.

mod joining;
mod labels;
mod phases;

use harmonium::{
    dataset,
    evaluate::DbmBound,
    model::{Dbm, MeanField},
    train::{DbmOptions, DbmTraining, Learning, Negative, Schedule},
};
use std::ops::ControlFlow;

#[test]
fn centered_training_learns_bars_and_stripes() {
    let data = dataset::bars_and_stripes(3);
    let v = data.bits().unwrap();
    let dbm = Dbm::bernoulli(&[9, 12, 6])
        .unwrap()
        .initialized_from(&data, 1)
        .unwrap();
    let before = dbm.exact_mean_log_likelihood(v, &mut ()).unwrap().mean;
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
    let exact = training
        .model()
        .exact_mean_log_likelihood(v, &mut ())
        .unwrap();
    let (after, log_z) = (exact.mean, exact.log_z);
    let bound = DbmBound::new(training.model(), v, &MeanField::default(), &mut ()).unwrap();
    let (bound, _) = bound.mean(log_z);
    // The best possible is -41.588830834 / 16 = -2.599; independent units have about -6.2.
    assert!(before < -6.0 && after > -3.0, "{before} -> {after}");
    assert!(
        bound <= after + 1e-5 && bound > after - 0.1,
        "{bound} of {after}"
    );
}
