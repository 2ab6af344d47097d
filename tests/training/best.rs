//! Keeping the best machine, and stopping when it does not get better.

use crate::common::family::{EPOCHS, Family, data, go};
use harmonium::{
    Error, Rbm,
    train::{
        Best, Better, Ended, Event, Judge, Learning, Negative, RbmLearner, RbmOptions, RbmTraining,
        Run,
    },
};
use std::ops::ControlFlow;

/// A rate at which the likelihood rises and falls.
fn run(epochs: usize) -> RbmTraining {
    let learning = Learning {
        epochs,
        batch_size: 5,
        learning_rate: 1.0.into(),
        seed: 2,
        ..Learning::default()
    };
    let negative = Negative::Persistent {
        chains: 5,
        steps: 1,
    };
    let options = RbmOptions {
        learning,
        negative,
        ..RbmOptions::default()
    };
    Run::new(RbmLearner::start(), options, &data()).unwrap()
}

fn score(rbm: &Rbm) -> f64 {
    rbm.exact_mean_log_likelihood(data().bits().unwrap(), &mut ())
        .unwrap()
        .mean
}

/// The same by a loop over updates: the scores of all epochs, and the best machine.
fn by_hand(mut run: RbmTraining, patience: usize) -> (Vec<f64>, Rbm, Best, bool) {
    let (mut scores, mut best) = (Vec::new(), None);
    let (mut kept, mut stopped) = (run.model().clone(), false);
    while !run.is_finished() && !stopped {
        let _ = run.update(&data()).unwrap();
        if run.position().batch > 0 {
            continue;
        }
        let (epoch, score) = (run.position().epoch, score(run.model()));
        scores.push(score);
        match best {
            Some(Best { score: s, .. }) if s >= score => {}
            _ => {
                best = Some(Best { score, epoch });
                kept = run.model().clone();
            }
        }
        stopped = epoch - best.unwrap().epoch >= patience;
    }
    (scores, kept, best.unwrap(), stopped)
}

#[test]
fn the_best_machine_is_that_of_a_loop_by_hand() {
    for (epochs, patience) in [(40, 4), (4, 100)] {
        let (scores, machine, best, stopped) = by_hand(run(epochs), patience);
        assert_eq!(stopped, scores.len() < epochs);
        let mut run = run(epochs);
        let mut judge = Judge::with_patience(patience);
        let (mut updates, mut seen) = (0, Vec::new());
        let kept = run
            .run_keeping_best(
                &data(),
                &mut judge,
                |run| {
                    let score = score(run.model());
                    seen.push(score);
                    Ok(Some(score))
                },
                |event| {
                    updates += u64::from(matches!(event, Event::Update(_)));
                    ControlFlow::Continue(())
                },
            )
            .unwrap();
        assert_eq!(seen, scores);
        assert_eq!(kept.best, Some((machine, best)));
        assert_eq!(judge.best, Some(best));
        assert_eq!(kept.ended.is_stopped(), stopped);
        assert_eq!(run.ended(), Some(kept.ended));
        assert_eq!(run.position().epoch, scores.len());
        assert_eq!(run.position().updates, updates);
        assert!(best.epoch < scores.len() || !stopped);
    }
}

/// The machine with the best score is the averaged one, where the result is an average.
#[test]
fn of_averaged_machines_the_average_is_kept() {
    let mut options = RbmLearner::plain();
    options.learning.averaging = Some(harmonium::train::Averaging::Exponential(0.9));
    let mut run = RbmTraining::new(RbmLearner::start(), options, &data()).unwrap();
    let measure = |run: &RbmTraining| Ok(Some(run.position().epoch as f64));
    let kept = run
        .run_keeping_best(&data(), &mut Judge::default(), measure, go)
        .unwrap();
    assert_eq!(kept.ended, Ended::Finished);
    let (machine, best) = kept.best.unwrap();
    assert_eq!(best.epoch, EPOCHS);
    assert_eq!(machine, *run.result());
    assert_ne!(machine, *run.model());
}

#[test]
fn epochs_without_a_score_are_passed_over_and_errors_of_a_measure_come_through() {
    let mut run = RbmLearner::run();
    let mut judge = Judge {
        better: Better::AtLeast(0.0),
        ..Judge::with_patience(1)
    };
    // Only the second epoch is judged.
    let measure = |run: &RbmTraining| Ok((run.position().epoch == 2).then_some(1.0));
    let kept = run.run_keeping_best(&data(), &mut judge, measure, go);
    let kept = kept.unwrap();
    assert_eq!(kept.best.unwrap().1.epoch, 2);
    assert_eq!(kept.ended, Ended::Finished);

    let mut run = RbmLearner::run();
    let fails = |run: &RbmTraining| match run.position().epoch {
        1 => Ok(Some(0.0)),
        _ => Err(Error::parameter("measure", "a number", "none")),
    };
    let failed = run.run_keeping_best(&data(), &mut Judge::default(), fails, go);
    let error = failed.unwrap_err().to_string();
    assert!(error.starts_with("measure"), "{error}");
    assert_eq!(run.position().epoch, 2);
}
