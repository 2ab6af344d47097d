//! Runs with every optimizer and average, stopped and gone on with from a file.

use crate::common::{
    normal_rbm,
    rbm::{everything, run, some_data},
};
use harmonium::{
    checkpoint::Checkpoint,
    train::{Averaging, Learning, RbmLearner, RbmOptions, RbmTraining, Rule},
};
use std::ops::ControlFlow;

#[test]
fn resumed_runs_are_the_same_to_the_bit() {
    let data = some_data(6);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.safetensors");
    for optimizer in [Rule::Momentum, Rule::Nesterov, Rule::ADAM, Rule::ADAMAX] {
        for averaging in [
            None,
            Some(Averaging::Last(0.5)),
            Some(Averaging::Exponential(0.9)),
        ] {
            let options = RbmOptions {
                learning: Learning {
                    averaging,
                    ..everything(optimizer).learning
                },
                ..everything(optimizer)
            };
            let whole = run(normal_rbm(6, 4, 0.3, 2), options.clone(), &data);
            let mut half = RbmTraining::new(normal_rbm(6, 4, 0.3, 2), options, &data).unwrap();
            for _ in 0..10 {
                let _ = half.update(&data).unwrap();
            }
            let written = Checkpoint::from(&half);
            assert_eq!(*written.model.rbm().unwrap(), *half.result());
            written.save(&path).unwrap();
            let read = Checkpoint::load(&path).unwrap();
            assert_eq!((&read.model, &read.run), (&written.model, &written.run));
            let mut resumed = read.into_run::<RbmLearner>(&data).unwrap();
            assert_eq!(resumed.model(), half.model());
            let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
            assert_eq!(resumed.model(), whole.model());
            assert_eq!(resumed.state(), whole.state());
            assert_eq!(resumed.result(), whole.result());
            assert_eq!(*whole.result() == *whole.model(), averaging.is_none());
        }
    }
}
