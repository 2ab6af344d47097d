//! Files of every kind of unit, and runs that go on from them.

use crate::common::{normal_machine, units::random_data};
use harmonium::{
    Checkpoint,
    train::{Learning, RbmLearner, RbmOptions, RbmTraining, Schedule},
};

#[test]
fn files_of_every_kind_round_trip_and_runs_resume_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    for (seed, (visible, hidden, units)) in [
        (("gaussian", 3), ("bernoulli", 4), "gaussian,bernoulli"),
        (
            ("bernoulli:5+softmax:3", 8),
            ("spin", 4),
            "bernoulli:5+softmax:3,spin",
        ),
        (
            ("spin", 6),
            ("gaussian:1+relu:2", 3),
            "spin,gaussian:1+relu:2",
        ),
        (("counts", 5), ("bernoulli", 3), "counts,bernoulli"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = directory.path().join(format!("{seed}.safetensors"));
        let rbm = normal_machine(visible, hidden, 0.3, seed as u64);
        let data = random_data(rbm.visible(), 50, seed as u64);
        let options = RbmOptions {
            variance_rate: 0.5,
            learning: Learning {
                epochs: 4,
                batch_size: 20,
                momentum: Schedule::Constant(0.5),
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let mut straight = RbmTraining::new(rbm, options, &data).unwrap();
        for _ in 0..5 {
            let _ = straight.update(&data).unwrap();
        }
        let checkpoint = Checkpoint::from(&straight);
        checkpoint.save(&path).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        assert_eq!(loaded.model, checkpoint.model);
        assert_eq!(loaded.run, checkpoint.run);
        let kinds = format!(
            "{},{}",
            loaded.model.rbm().unwrap().visible().units,
            loaded.model.rbm().unwrap().hidden().units
        );
        assert_eq!(kinds, units);
        let mut resumed = loaded.into_run::<RbmLearner>(&data).unwrap();
        for training in [&mut straight, &mut resumed] {
            let _ = training.update(&data).unwrap();
        }
        assert_eq!(straight.model(), resumed.model());
        assert_eq!(straight.state(), resumed.state());
    }
}
