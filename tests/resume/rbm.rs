//! Runs of RBMs that are stored, loaded and gone on with.

use crate::common::{
    family::go,
    rbm::{METHODS, data, gray, options, train},
};
use harmonium::{
    checkpoint::Checkpoint,
    model::Rbm,
    train::{Negative, RbmLearner, RbmTraining},
};

#[test]
fn save_load_train_on_equals_never_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    for data in [data(100, 70), gray(100, 70)] {
        for negative in METHODS {
            let options = options(negative);
            let hidden = if negative == Negative::Exact { 4 } else { 33 };
            let whole = train(options.clone(), &data, hidden, 2);
            // Stops in the middle of an epoch, at its end, and before the first update.
            for stop in [0, 5, 8] {
                let rbm = Rbm::bernoulli(&[70, hidden])
                    .unwrap()
                    .initialized_from(&data, 1)
                    .unwrap();
                let mut training = RbmTraining::new(rbm, options.clone(), &data).unwrap();
                for _ in 0..stop {
                    let _ = training.update(&data).unwrap();
                }
                Checkpoint::from(&training).save(&path).unwrap();
                drop(training);
                let mut training = Checkpoint::load(&path)
                    .unwrap()
                    .into_run::<RbmLearner>(&data)
                    .unwrap();
                assert_eq!(training.position().updates, stop as u64);
                let _ = training.run(&data, go).unwrap();
                assert_eq!(
                    training.model(),
                    &whole,
                    "{negative:?} stopped after {stop} updates"
                );
            }
        }
    }
}
