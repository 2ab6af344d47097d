//! Greedy training and the up-down algorithm, stopped and gone on with from files.

use crate::common::dbn::{labeled_data, normal_dbn, up_down_options};
use harmonium::{
    Checkpoint, Rbm,
    train::{
        Aggregated, Event, GreedyLayer, GreedyPlan, Learning, Negative, RbmOptions, Reconstruction,
        Schedule, Stack, StackEvent, UpDownLearner, UpDownOptions, UpDownTraining,
    },
};
use std::ops::ControlFlow;

#[test]
fn up_down_is_the_same_at_any_thread_count_and_after_a_stop() {
    let directory = tempfile::tempdir().unwrap();
    for (gray, resample_data) in [(false, false), (true, false), (true, true)] {
        let data = labeled_data(100, 70, gray);
        let dbn = normal_dbn(&[70, 40, 33, 64], 3, 0.1, 6);
        let options = UpDownOptions {
            learning: Learning {
                resample_data,
                ..up_down_options().learning
            },
            ..up_down_options()
        };
        let whole = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut run = UpDownTraining::new(dbn.clone(), options.clone(), &data).unwrap();
            let done = pool.install(|| run.run(&data, |_| ControlFlow::Continue(())));
            assert!(done.unwrap().is_finished());
            run
        };
        let one = whole(1);
        assert_eq!(one.position().updates, 12);
        for threads in [2, 7] {
            assert_eq!(whole(threads).model(), one.model(), "{threads} threads");
        }
        let mut stopped = UpDownTraining::new(dbn.clone(), options.clone(), &data).unwrap();
        let _ = stopped
            .run(&data, |event| match event {
                Event::Update(run) if run.position().updates == 6 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
            .unwrap();
        let path = directory.path().join("run.safetensors");
        let written = Checkpoint::from(&stopped);
        written.save(&path).unwrap();
        let read = Checkpoint::load(&path).unwrap();
        assert_eq!((&read.model, &read.run), (&written.model, &written.run));
        let mut resumed = read.clone().into_run::<UpDownLearner>(&data).unwrap();
        let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(
            (resumed.model(), resumed.state()),
            (one.model(), one.state())
        );
        let other = labeled_data(99, 70, gray);
        assert!(read.clone().into_run::<UpDownLearner>(&other).is_err());
        assert!(read.into_stack(&data).is_err());
    }
}

fn greedy_plan(posterior: Aggregated) -> GreedyPlan {
    let layer = |hidden, negative| GreedyLayer {
        hidden,
        options: RbmOptions {
            negative,
            learning: Learning {
                epochs: 2,
                batch_size: 32,
                momentum: Schedule::Constant(0.5),
                seed: 3,
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
        transposed: false,
    };
    let steps = 1;
    let reconstruction = Reconstruction::Sampled;
    GreedyPlan {
        layers: vec![
            layer(
                40,
                Negative::ContrastiveDivergence {
                    steps,
                    reconstruction,
                },
            ),
            layer(33, Negative::Persistent { chains: 10, steps }),
            layer(64, Negative::Persistent { chains: 10, steps }),
        ],
        posterior,
        classes: Some(3),
    }
}

#[test]
fn greedy_training_resumes_within_any_layer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.safetensors");
    let data = labeled_data(100, 70, false);
    for posterior in [Aggregated::Means, Aggregated::Samples] {
        let plan = greedy_plan(posterior);
        let mut whole = Stack::greedy(plan.clone(), Default::default(), &data).unwrap();
        let mut layers = 0;
        let _ = whole
            .run(&data, |event| {
                layers += usize::from(matches!(event, StackEvent::Layer(_)));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(layers == 3 && whole.is_finished());
        let expected = whole.dbn().unwrap();
        assert_eq!(
            (expected.n_layers(), expected.label_group().unwrap().size),
            (4, 3)
        );
        // The first layer is the run of an RBM.
        let rbm = Rbm::bernoulli(&[70, 40])
            .unwrap()
            .initialized_from(&data, 3)
            .unwrap();
        let rbm = crate::common::rbm::trained(rbm, plan.layers[0].options.clone(), &data);
        assert_eq!(expected.directed()[0].to_rbm().unwrap(), rbm);
        for (layer, updates) in [(0, 3), (1, 5), (2, 1)] {
            let mut stopped = Stack::greedy(plan.clone(), Default::default(), &data).unwrap();
            let _ = stopped
                .run(&data, |event| match event {
                    StackEvent::Update(run)
                        if (run.layer(), run.position().updates) == (layer, updates) =>
                    {
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                })
                .unwrap();
            Checkpoint::of_stack(&stopped).unwrap().save(&path).unwrap();
            let read = Checkpoint::load(&path).unwrap();
            let mut resumed = read.into_stack(&data).unwrap();
            assert_eq!(
                (resumed.layer(), resumed.position()),
                (layer, stopped.position())
            );
            let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
            assert_eq!(
                resumed.dbn().unwrap(),
                expected,
                "{posterior:?}, layer {layer}"
            );
        }
    }
}
