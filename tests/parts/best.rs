//! Which epoch is the best.

use harmonium::train::{
    Best, Better, Judge,
    Verdict::{self, Stop, Worse},
};

fn verdicts(judge: &mut Judge, scores: &[f64]) -> Vec<Verdict> {
    let epochs = scores.iter().enumerate();
    epochs.map(|(k, x)| judge.judge(*x, k + 1)).collect()
}

#[test]
fn patience_is_counted_from_the_best_epoch() {
    let mut judge = Judge::with_patience(2);
    let scores = [1.0, 3.0, 2.0, 4.0, 4.0, 3.0];
    let expected = [
        Verdict::Best,
        Verdict::Best,
        Worse,
        Verdict::Best,
        Worse,
        Stop,
    ];
    assert_eq!(verdicts(&mut judge, &scores), expected);
    assert_eq!(
        judge.best,
        Some(Best {
            score: 4.0,
            epoch: 4
        })
    );
}

#[test]
fn the_last_epoch_that_is_good_enough_is_the_best() {
    let mut judge = Judge {
        better: Better::AtLeast(-0.5),
        ..Judge::with_patience(2)
    };
    let scores = [-0.1, -0.6, -0.4, -0.5, -0.7, -0.6];
    let expected = [
        Verdict::Best,
        Worse,
        Verdict::Best,
        Verdict::Best,
        Worse,
        Stop,
    ];
    assert_eq!(verdicts(&mut judge, &scores), expected);
    assert_eq!(judge.best.map(|x| x.epoch), Some(4));
}

#[test]
fn what_is_no_number_is_never_the_best() {
    let mut judge = Judge::with_patience(3);
    let scores = [f64::NAN, f64::NAN, -1.0, f64::NAN];
    let expected = [Worse, Worse, Verdict::Best, Worse];
    assert_eq!(verdicts(&mut judge, &scores), expected);
    assert_eq!(judge.judge(f64::NAN, 6), Stop);
}
