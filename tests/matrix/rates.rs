//! A rate by a closure, and a rate that is changed while the run goes on.

use crate::{Family, data, greedy, in_every_family};
use harmonium::train::{Event, RbmTraining, Schedule, Stack, StackEvent};
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

/// A closure of layer and time, and a rate that the observer changes in the second layer.
#[test]
fn dbn_greedy() {
    let data = data();
    let rate = |l: usize| Schedule::Linear {
        from: 0.1 + 0.2 * l as f32,
        to: 0.0,
    };
    let told = greedy::plan(|l| greedy::options(|x| x.learning.learning_rate = rate(l)));
    let constant = greedy::options(|_| {});
    let mut by_schedule = Stack::greedy(told, Default::default(), &data).unwrap();
    let mut by_closure = greedy::stack(&constant, &data);
    by_closure.set_rate(move |l, t| rate(l).at(t, 3));
    for stack in [&mut by_schedule, &mut by_closure] {
        assert!(stack.run(&data, greedy::on).unwrap().is_finished());
    }
    assert!(by_closure.training().is_custom());
    assert_eq!(by_schedule.rbms(), by_closure.rbms());
    let mut changed = greedy::stack(&constant, &data);
    let ended = changed.run(&data, |event| {
        if let StackEvent::Update(stack) = event
            && (stack.layer(), stack.position().updates) == (1, 2)
        {
            stack.set_learning_rate(0.05).unwrap();
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    let next = |l: usize, run: &mut RbmTraining| {
        if (l, run.position().updates) == (1, 2) {
            run.set_learning_rate(0.05).unwrap();
        }
        data.take(&greedy::order(run))
    };
    let by_hand = greedy::by_hand(&constant, |_| data.clone(), next);
    assert_eq!(changed.dbn().unwrap(), by_hand);
    assert_ne!(by_hand, greedy::learned(&constant, &data));
}
