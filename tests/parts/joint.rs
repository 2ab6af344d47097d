//! Options of the joint stage.

use harmonium::{
    Dbm, DbmOptions, DbmTraining, Learning, Negative, dataset,
    train::{Averaging, Done, Rule, Sparsity},
};

/// What all machines are told: each changes the run, and a stored run goes on to the bit.
#[test]
fn shared_options_learn_and_resume() {
    let data = dataset::bars_and_stripes(3);
    let dbm = Dbm::bernoulli(&[9, 6, 4]).unwrap();
    let dbm = dbm.initialized_from(&data, 1).unwrap();
    let base = Learning {
        epochs: 4,
        batch_size: 5,
        learning_rate: 0.05.into(),
        ..DbmOptions::default().learning
    };
    let start = |learning: Learning| {
        let options = DbmOptions {
            negative: Negative::Persistent {
                chains: 7,
                steps: 5,
            },
            sparsity: vec![Sparsity::default(); 2],
            learning,
            ..DbmOptions::default()
        };
        DbmTraining::new(dbm.clone(), options, &data).unwrap()
    };
    let plain = start(base.clone());
    for change in [
        |x: &mut Learning| x.optimizer = Rule::ADAM,
        |x: &mut Learning| x.gradient_clip = Some(0.05),
        |x: &mut Learning| x.max_norm = Some(0.02),
        |x: &mut Learning| x.averaging = Some(Averaging::Last(0.5)),
    ] {
        let mut learning = base.clone();
        change(&mut learning);
        let (mut run, mut plain) = (start(learning), plain.clone());
        for _ in 0..5 {
            assert_eq!(run.update(&data).unwrap(), Done::Updated);
            assert_eq!(plain.update(&data).unwrap(), Done::Updated);
        }
        let stored = run.result().into_owned();
        let mut resumed = DbmTraining::resumed(stored, run.state(), &data).unwrap();
        for _ in 5..12 {
            for run in [&mut run, &mut plain, &mut resumed] {
                assert_eq!(run.update(&data).unwrap(), Done::Updated);
            }
        }
        assert_eq!(run.result(), resumed.result());
        assert_eq!(run.model(), resumed.model());
        let which = &run.options().learning;
        assert!(run.result() != plain.result(), "{which:?}");
    }
}
