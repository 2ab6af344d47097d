//! Pretraining of deep Boltzmann machines, stopped and gone on with from a file.

use crate::common::pretraining::{data, go_on, plan};
use harmonium::{
    Checkpoint, Dbm, Examples, Rbm,
    checkpoint::SavedRun,
    train::{PretrainingPlan, Stack},
};
use std::ops::ControlFlow;

fn whole(plan: &PretrainingPlan, data: &Examples) -> Vec<Rbm> {
    let mut run = Stack::pretraining(plan.clone(), data).unwrap();
    let ended = run.run(data, |_| ControlFlow::Continue(())).unwrap();
    assert!(ended.is_finished() && run.is_finished());
    run.rbms()
}

#[test]
fn stopped_after_every_update_and_stored_is_one_run() {
    let data = data();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.safetensors");
    for classes in [None, Some(3)] {
        let plan = plan(classes);
        let expected = whole(&plan, &data);
        // 16 examples are 4 minibatches; 3 epochs of 3 RBMs are 36 updates, the last minibatch of
        // an epoch one of 1.
        for stride in [1, 5, 12] {
            let mut run = Stack::pretraining(plan.clone(), &data).unwrap();
            let mut stops = 0;
            while go_on(&mut run, &data, stride).is_stopped() {
                stops += 1;
                Checkpoint::of_stack(&run).unwrap().save(&path).unwrap();
                let checkpoint = Checkpoint::load(&path).unwrap();
                let Some(SavedRun::Pretraining {
                    plan: stored, rbms, ..
                }) = &checkpoint.run
                else {
                    panic!("no stage");
                };
                assert_eq!((stored, rbms), (&plan, &run.rbms()));
                assert_eq!(
                    checkpoint.model.clone().into_dbm().unwrap(),
                    run.dbm().unwrap()
                );
                run = checkpoint.into_stack(&data).unwrap();
            }
            assert_eq!(stops, 36 / stride, "{classes:?}");
            assert!(run.is_finished());
            let joined = match classes {
                None => Dbm::joined(&expected),
                Some(_) => Dbm::joined_with_labels(&expected),
            };
            assert_eq!(run.dbm().unwrap(), joined.unwrap());
            assert_eq!(run.rbms(), expected);
        }
    }
}
