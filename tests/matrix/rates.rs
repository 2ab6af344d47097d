//! A rate by a closure, and a rate that is changed while the run goes on.

use crate::{Family, data, in_every_family};
use harmonium::train::{Event, Schedule};
use std::ops::ControlFlow;

/// Of a deep belief network the rate is that of its top pair; those of the directed pairs are
/// options of their own, the same in all runs here.
fn closures_and_changes<L: Family>() {
    let schedule = || Schedule::Linear { from: 0.1, to: 0.0 };
    let path = |by_closure: bool| {
        let mut run = L::run_with(|x| x.learning_rate = schedule());
        if by_closure {
            run.set_rate(move |t| schedule().at(t, 3));
            assert!(run.is_custom());
        }
        L::path(&mut run, 9)
    };
    assert_eq!(path(false), path(true));
    // From the third update on at half the rate, told by the observer.
    let mut told = L::run_with(|_| {});
    let ended = told.run(&data(), |event| {
        if let Event::Update(run) = event
            && run.position().batch == 2
            && run.position().epoch == 0
        {
            run.set_learning_rate(0.05).unwrap();
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    let mut by_schedule = L::run_with(|_| {});
    let _ = L::path(&mut by_schedule, 2);
    by_schedule.set_learning_rate(0.05).unwrap();
    let _ = L::path(&mut by_schedule, 7);
    assert_eq!(told.model(), by_schedule.model());
}

in_every_family!(closures_and_changes);
