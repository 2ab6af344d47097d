//! The best machine is kept, and a run stops when its patience is at an end.

use crate::{Family, data, go, in_every_family};
use harmonium::train::{Ended, Judge};

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
