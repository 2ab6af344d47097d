//! Pretraining of deep Boltzmann machines, stopped and gone on with from a file.

use harmonium::{
    Checkpoint, Dbm, Examples, Rbm,
    checkpoint::SavedRun,
    dataset,
    train::{
        Averaging, Centering, DbmLearner, Ended, Learning, Negative, PretrainingPlan, RbmOptions,
        Reconstruction, Schedule, Sparsity, Stack, StackEvent,
    },
};
use std::ops::ControlFlow;

/// Bars and stripes of side 3, labeled.
fn data() -> Examples {
    let data = dataset::bars_and_stripes(3);
    let labels = (0..data.len()).map(|i| (i % 3) as u32).collect();
    data.with_labels(labels).unwrap()
}

/// Of each RBM another way to learn, so that all that a run can remember is in play.
fn plan(classes: Option<usize>) -> PretrainingPlan {
    let first = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 2,
            reconstruction: Reconstruction::Sampled,
        },
        steps: Some(Schedule::Pieces(vec![(0.0, 1.0), (1.0, 2.0)])),
        learning: Learning {
            epochs: 3,
            batch_size: 5,
            learning_rate: Schedule::Linear { from: 0.2, to: 0.0 },
            momentum: Schedule::Constant(0.5),
            seed: 3,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let second = RbmOptions {
        negative: Negative::Persistent {
            chains: 7,
            steps: 1,
        },
        centering: Some(Centering::default()),
        sparsity: Some(Sparsity::default()),
        ..first.clone()
    };
    let second = RbmOptions {
        steps: None,
        ..second
    };
    let third = RbmOptions {
        learning: Learning {
            averaging: Some(Averaging::Exponential(0.9)),
            ..first.learning.clone()
        },
        ..first.clone()
    };
    PretrainingPlan {
        hidden: vec![8, 6, 5],
        options: vec![first, second, third],
        classes,
    }
}

fn go_on(run: &mut Stack, data: &Examples, updates: usize) -> Ended {
    let mut left = updates;
    run.run(data, |event| match event {
        StackEvent::Update(_) if left == 1 => ControlFlow::Break(()),
        StackEvent::Update(_) => {
            left -= 1;
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    })
    .unwrap()
}

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

#[test]
fn what_does_not_fit_is_refused() {
    let data = data();
    let told = |e: harmonium::Error, words: &[&str]| {
        let text = e.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let refused = |plan: PretrainingPlan, words: &[&str]| {
        told(Stack::pretraining(plan, &data).unwrap_err(), words);
    };
    let good = plan(None);
    let hidden = vec![];
    refused(
        PretrainingPlan {
            hidden,
            ..good.clone()
        },
        &["hidden layers"],
    );
    let options = good.options[..2].to_vec();
    refused(
        PretrainingPlan {
            options,
            ..good.clone()
        },
        &["options of pretraining", "1 or 3", "2"],
    );
    let unlabeled = Examples::new(data.states().clone()).unwrap();
    let of_one = PretrainingPlan {
        hidden: vec![4],
        options: good.options[..1].to_vec(),
        classes: Some(3),
    };
    told(
        Stack::pretraining(of_one, &unlabeled).unwrap_err(),
        &["labels"],
    );

    let mut run = Stack::pretraining(good, &data).unwrap();
    let _ = go_on(&mut run, &data, 14);
    assert_eq!(run.layer(), 1);
    let fewer = data.take(&[0, 1, 2]);
    told(run.update(&fewer).unwrap_err(), &["16", "3"]);
    let stored = || Checkpoint::of_stack(&run).unwrap();
    told(stored().into_stack(&fewer).unwrap_err(), &["16", "3"]);
    told(
        stored().into_run::<DbmLearner>(&data).unwrap_err(),
        &["run in progress"],
    );
    told(
        Checkpoint::from(run.dbm().unwrap())
            .into_stack(&data)
            .unwrap_err(),
        &["pretraining"],
    );
    let mut wrong = stored();
    let Some(SavedRun::Pretraining { rbms, .. }) = &mut wrong.run else {
        unreachable!("the run is one of pretraining")
    };
    rbms[0] = Rbm::bernoulli(&[9, 7]).unwrap();
    told(
        wrong.into_stack(&data).unwrap_err(),
        &["stored RBM", "9 x 8", "9 x 7"],
    );
}
