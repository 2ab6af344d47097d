//! Any run, stored in the midst and gone on with, by one call for all families.

use crate::common::family::{Family, assert_same, data, go, in_every_family};
use harmonium::{
    Checkpoint, Model,
    checkpoint::SavedRun,
    recipe::{AnyEvent, AnyRun},
    train::{
        DbmLearner, Event, GreedyLayer, GreedyPlan, PretrainingPlan, RbmLearner, Stack, StackEvent,
        Stop,
    },
};
use std::ops::ControlFlow;

fn stored_and_read(checkpoint: &Checkpoint) -> Checkpoint {
    let bytes = checkpoint.to_bytes().unwrap();
    let read = Checkpoint::from_bytes(&bytes).unwrap();
    assert_eq!(
        (&read.model, &read.run),
        (&checkpoint.model, &checkpoint.run)
    );
    read
}

fn gone_on_with<L: Family>() {
    let mut run = L::run();
    let _ = run
        .run(&data(), |event| match event {
            Event::Update(run) if run.position().updates == 5 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
    let read = stored_and_read(&Checkpoint::from(&run));
    let stored = read.run.as_ref().unwrap();
    assert_eq!(stored.name(), L::RUN);
    assert_eq!((stored.examples(), stored.position()), (50, run.position()));
    assert_eq!(stored.learning(), run.learning());
    let mut any = AnyRun::resumed(read.clone(), &data(), false).unwrap();
    assert_eq!(any.running().position(), run.position());
    assert_eq!(any.running().name(), L::NAME);
    assert_eq!(any.running().last_learning_rate(), run.last_learning_rate());
    let (mut updates, mut epochs, stop) = (0, 0, Stop::new());
    any.stop_at(&stop);
    let ended = any.run(&data(), &mut |event| {
        match event {
            AnyEvent::Update(_) => updates += 1,
            AnyEvent::Epoch(_) => epochs += 1,
            AnyEvent::Layer(_) => unreachable!("one layer"),
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished() && any.running().is_finished());
    assert_eq!((updates, epochs), (4, 2));
    let whole = L::whole();
    let result: Model = whole.result().into_owned().into();
    assert_eq!(any.result().unwrap(), result, "{}", L::NAME);
    let checkpoint = any.running().checkpoint().unwrap();
    assert_eq!(checkpoint.run, Some(L::saved(whole.state())));

    // The same as a run of its family.
    let mut typed = read.clone().into_run::<L>(&data()).unwrap();
    assert_same(&typed, &run);
    let _ = typed.run(&data(), go).unwrap();
    assert_same(&typed, &whole);
    let refused = read.into_stack(&data()).unwrap_err().to_string();
    assert!(
        refused.contains("pretraining") && refused.contains(L::RUN),
        "{refused}"
    );
}

#[test]
fn any_run_goes_on_from_a_file() {
    in_every_family!(gone_on_with);
}

#[test]
fn stacks_go_on_from_a_file() {
    let data = data();
    let layer = |hidden| GreedyLayer {
        hidden,
        options: RbmLearner::plain(),
        transposed: false,
    };
    let greedy = GreedyPlan {
        layers: vec![layer(7), layer(5)],
        posterior: Default::default(),
        classes: None,
    };
    let pretraining = PretrainingPlan {
        visible: None,
        hidden: vec![7, 5],
        options: vec![RbmLearner::plain()],
        classes: None,
    };
    for (new, name) in [
        (Stack::greedy(greedy, Default::default(), &data), "layer 2"),
        (Stack::pretraining(pretraining, &data), "RBM 2"),
    ] {
        let new = new.unwrap();
        let mut whole = new.clone();
        let _ = whole.run(&data, |_| ControlFlow::Continue(())).unwrap();
        let mut stopped = new;
        let _ = stopped
            .run(&data, |event| match event {
                StackEvent::Update(run) if (run.layer(), run.position().updates) == (1, 2) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            })
            .unwrap();
        let read = stored_and_read(&Checkpoint::of_stack(&stopped).unwrap());
        let refused = read.clone().into_run::<DbmLearner>(&data).unwrap_err();
        assert!(refused.to_string().contains("run in progress"), "{refused}");
        let fewer = read.clone().into_stack(&data.head(49)).unwrap_err();
        assert!(
            fewer.to_string().contains("expected 50, found 49"),
            "{fewer}"
        );
        let mut any = AnyRun::resumed(read, &data, false).unwrap();
        assert_eq!(any.running().name(), name);
        assert_eq!(any.running().position(), stopped.position());
        let mut layers = 0;
        let ended = any.run(&data, &mut |event| {
            layers += usize::from(matches!(event, AnyEvent::Layer(_)));
            ControlFlow::Continue(())
        });
        assert!(ended.unwrap().is_finished());
        assert_eq!(layers, 1);
        assert_eq!(any.result().unwrap(), whole.model().unwrap());
    }
}

#[test]
fn a_file_without_a_run_is_refused() {
    for checkpoint in [
        Checkpoint::from(RbmLearner::start()),
        Checkpoint::from(DbmLearner::start()),
    ] {
        let refused = |error: harmonium::Error| {
            let error = error.to_string();
            assert!(error.contains("a finished model"), "{error}");
        };
        refused(AnyRun::resumed(checkpoint.clone(), &data(), false).unwrap_err());
        refused(
            checkpoint
                .clone()
                .into_run::<RbmLearner>(&data())
                .unwrap_err(),
        );
        refused(checkpoint.into_stack(&data()).unwrap_err());
    }
    // A run of another family.
    let dbm = Checkpoint::from(&DbmLearner::run());
    assert!(matches!(dbm.run, Some(SavedRun::Dbm(_))));
    let error = dbm.into_run::<RbmLearner>(&data()).unwrap_err().to_string();
    assert!(
        error.contains("a run of an RBM") && error.contains("a run of a deep Boltzmann machine"),
        "{error}"
    );
}
