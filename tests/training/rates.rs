//! Rates that change while a run goes on, and reports of parameters that are no numbers any more.

use crate::common::family::{BATCH, EPOCHS, Family, SEED, assert_same, data, go, in_every_family};
use harmonium::{
    Checkpoint, Error,
    train::{Ended, Event, Learning, Run, Schedule},
};
use std::ops::ControlFlow;

fn with_rate<L: Family>(learning_rate: Schedule) -> Run<L> {
    let options = L::told(Learning {
        epochs: EPOCHS,
        batch_size: BATCH,
        learning_rate,
        seed: SEED,
        ..Learning::default()
    });
    Run::new(L::start(), options, &data()).unwrap()
}

fn changed_by_the_observer<L: Family>() {
    let schedule: Schedule = "at:0=0.1,1=0.02".parse().unwrap();
    let mut whole = with_rate::<L>(schedule);
    let _ = whole.run(&data(), go).unwrap();
    let mut changed = with_rate::<L>(0.1.into());
    let ended = changed.run(&data(), |event| {
        if let Event::Epoch(run) = event
            && run.position().epoch == 1
        {
            assert_eq!(run.learning_rate(), 0.1);
            for bad in [-1.0, f32::NAN, f32::INFINITY] {
                assert!(run.set_learning_rate(bad).is_err());
            }
            run.set_learning_rate(0.02).unwrap();
            assert_eq!((run.learning_rate(), run.is_custom()), (0.02, false));
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    assert_eq!(changed.model(), whole.model(), "{}", L::NAME);
    assert_eq!(changed.state().tensors, whole.state().tensors);
    // A file holds the rate that the run goes on at.
    assert_eq!(changed.learning().learning_rate, Schedule::Constant(0.02));
}

#[test]
fn a_rate_is_changed_while_the_run_goes_on() {
    in_every_family!(changed_by_the_observer);
}

fn by_a_function<L: Family>() {
    let linear = || Schedule::Linear { from: 0.1, to: 0.0 };
    let mut whole = with_rate::<L>(linear());
    let _ = whole.run(&data(), go).unwrap();
    let new = || {
        let mut run = with_rate::<L>(0.7.into());
        run.set_rate(move |t| linear().at(t, EPOCHS));
        run
    };
    let mut run = new();
    assert!(run.is_custom());
    assert!(run.run(&data(), go).unwrap().is_finished());
    assert_eq!(run.model(), whole.model(), "{}", L::NAME);
    assert_eq!(run.state().tensors, whole.state().tensors);

    // A file holds the rate of the last update and that it was custom.
    let mut stopped = new();
    for _ in 0..4 {
        let _ = stopped.update(&data()).unwrap();
    }
    let last = linear().at(1.0, EPOCHS);
    assert_eq!(stopped.last_learning_rate(), last);
    let bytes = Checkpoint::from(&stopped).to_bytes().unwrap();
    let stored = Checkpoint::from_bytes(&bytes).unwrap();
    let resumed = || stored.clone().into_run::<L>(&data()).unwrap();
    let mut constant = resumed();
    assert!(constant.is_custom() && constant.state().custom);
    assert_eq!(constant.learning().learning_rate, Schedule::Constant(last));
    assert_eq!(constant.learning_rate(), last);
    let _ = constant.run(&data(), go).unwrap();
    assert!(constant.is_custom());
    assert_ne!(constant.model(), whole.model());
    // Given the function again, the run is one that was never interrupted.
    let mut rest = resumed();
    rest.set_rate(move |t| linear().at(t, EPOCHS));
    let _ = rest.run(&data(), go).unwrap();
    assert_same(&rest, &run);
    // A rate that files can hold ends it.
    let mut plain = resumed();
    plain.set_learning_rate(linear()).unwrap();
    assert!(!plain.is_custom());
    let _ = plain.run(&data(), go).unwrap();
    assert_same(&plain, &whole);

    for bad in [-0.1, f32::NAN, f32::INFINITY] {
        let mut run = new();
        run.set_rate(move |t| if t < 1.0 { 0.1 } else { bad });
        let error = run.run(&data(), go).unwrap_err();
        let is_parameter = matches!(error, Error::Parameter { .. });
        assert!(is_parameter && error.to_string().contains("learning rate"));
        assert_eq!((run.position().epoch, run.position().batch), (1, 0));
        assert_eq!(run.ended(), Some(Ended::Stopped));
    }
}

#[test]
fn a_rate_is_a_function_of_the_program() {
    in_every_family!(by_a_function);
}

fn told_where<L: Family>() {
    // Too large from the second epoch on.
    let options = L::told(Learning {
        epochs: 30,
        batch_size: BATCH,
        learning_rate: "at:0=0.05,1=3e38".parse().unwrap(),
        momentum: 0.9.into(),
        seed: SEED,
        ..Learning::default()
    });
    let mut run = Run::<L>::new(L::start(), options, &data()).unwrap();
    assert_eq!(run.ended(), None);
    let mut epochs = 0;
    let error = run.run(&data(), |event| {
        epochs += usize::from(matches!(event, Event::Epoch(_)));
        ControlFlow::Continue(())
    });
    let error = error.expect_err(L::NAME);
    assert!(matches!(error, Error::NotFinite { .. }), "{}", L::NAME);
    let at = run.position().updates;
    let epoch = (at - 1) / 3 + 1;
    let rate = run.last_learning_rate();
    let expected = format!(" after update {at} (epoch {epoch}, learning rate {rate})");
    assert!(error.to_string().contains(&expected), "{error}: {expected}");
    assert!(at >= 3 && rate == 3e38, "{error}");
    // No observer saw an epoch that ended so.
    assert!(epochs < 1 + epoch as usize);
    assert_eq!(run.ended(), Some(Ended::NotFinite));
}

#[test]
fn parameters_that_are_no_numbers_are_told_with_update_epoch_and_rate() {
    in_every_family!(told_where);
}
