//! A rate beyond all measure ends a run with the update, the epoch and the rate.

use crate::{Family, data, go, greedy, in_every_family};
use harmonium::{
    Error,
    train::{Ended, Stack},
};

/// `error` names the update, the epoch of three updates, and the rate.
fn check(error: &Error) {
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
    let text = error.to_string();
    let number = |after: &str| -> usize {
        let at = text
            .find(after)
            .unwrap_or_else(|| panic!("{after}: {text}"));
        let rest = &text[at + after.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let (update, epoch) = (number("update "), number("epoch "));
    // Three updates an epoch.
    assert_eq!(epoch, update.max(1).div_ceil(3), "{text}");
    assert!(text.contains("learning rate 3"), "{text}");
}

fn told<L: Family>() {
    let mut run = L::run_with(|x| {
        x.epochs = 20;
        x.learning_rate = 3e38.into();
        x.momentum = 0.9.into();
    });
    check(&run.run(&data(), go).unwrap_err());
    assert_eq!(run.ended(), Some(Ended::NotFinite));
}

in_every_family!(told);

/// In the second layer.
#[test]
fn dbn_greedy() {
    let options = |l: usize| {
        greedy::options(|x| {
            if l == 1 {
                x.learning.epochs = 20;
                x.learning.learning_rate = 3e38.into();
                x.learning.momentum = 0.9.into();
            }
        })
    };
    let data = data();
    let mut stack = Stack::greedy(greedy::plan(options), Default::default(), &data).unwrap();
    check(&stack.run(&data, greedy::on).unwrap_err());
    assert_eq!((stack.layer(), stack.ended()), (1, Some(Ended::NotFinite)));
}
