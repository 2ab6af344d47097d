//! The best machine is kept, and a run stops when its patience is at an end.

use crate::{Family, data, go, greedy, in_every_family};
use harmonium::train::{Ended, Judge, Stack, StackEvent};
use std::ops::ControlFlow;

/// Scores 1, 5, 3, 4, 2: the second epoch is the best, and two epochs without a better one are the
/// end, two before that of the run.
fn kept<L: Family>() {
    let scores = [1.0, 5.0, 3.0, 4.0, 2.0];
    let mut machines = Vec::new();
    let mut run = L::run_with(|x| x.epochs = scores.len() + 1);
    let mut judge = Judge::with_patience(2);
    let kept = run
        .run_keeping_best(
            &data(),
            &mut judge,
            |run| {
                machines.push(run.result().into_owned());
                Ok(Some(scores[run.position().epoch - 1]))
            },
            go,
        )
        .unwrap();
    let (machine, best) = kept.best.unwrap();
    assert_eq!((best.score, best.epoch), (5.0, 2));
    assert_eq!(machine, machines[1]);
    assert_eq!(kept.ended, Ended::Stopped);
    assert_eq!(run.position().epoch, 4);
    assert_ne!(machines[1], machines[3]);
}

in_every_family!(kept);

/// Each layer has a patience of its own: the first is done after its fourth epoch, and the second
/// learns from its second; the second has as many epochs as it may, and its third is kept.
#[test]
fn dbn_greedy() {
    let data = data();
    let scores = [&[1.0, 5.0, 3.0, 4.0][..], &[6.0, 6.5, 7.0, 0.0]];
    let mut stack = greedy::stack(&greedy::options(|x| x.learning.epochs = 4), &data);
    let (mut machines, mut layers) = ([Vec::new(), Vec::new()], 0);
    let measure = |stack: &Stack| {
        let (l, epoch) = (stack.layer(), stack.position().epoch);
        machines[l].push(stack.dbn().unwrap());
        Ok(Some(scores[l][epoch - 1]))
    };
    let observer = |event: StackEvent<'_>| {
        if let StackEvent::Layer(stack) = event {
            layers += 1;
            assert_eq!((stack.layer() + 1, stack.position().epoch), (layers, 4));
        }
        ControlFlow::Continue(())
    };
    let judge = Judge::with_patience(2);
    let kept = stack
        .run_keeping_best(&data, &judge, measure, observer)
        .unwrap();
    let (machine, best) = kept.best.unwrap();
    assert_eq!((layers, kept.ended), (2, Ended::Finished));
    assert_eq!((best.score, best.epoch), (7.0, 3));
    assert_eq!(machine.into_dbn().unwrap(), machines[1][2]);
    assert_eq!(stack.below().unwrap(), &machines[0][1]);
    assert_ne!(machines[0][1], machines[0][3]);
    // Patience that ends in the last layer ends the stack.
    let mut stack = greedy::stack(&greedy::options(|_| {}), &data);
    let falling = |stack: &Stack| Ok(Some(-(stack.position().epoch as f64)));
    let judge = Judge::with_patience(1);
    let kept = stack
        .run_keeping_best(&data, &judge, falling, greedy::on)
        .unwrap();
    assert!(kept.ended.is_stopped() && kept.is_out_of_patience);
    assert_eq!((stack.layer(), stack.position().epoch), (1, 2));
    assert_eq!(kept.best.unwrap().1.epoch, 1);
}
