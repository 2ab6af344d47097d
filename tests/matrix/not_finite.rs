//! A rate beyond all measure ends a run with the update, the epoch and the rate.

use crate::{Family, data, go, in_every_family};
use harmonium::{Error, train::Ended};

fn told<L: Family>() {
    let mut run = L::run_with(|x| {
        x.epochs = 20;
        x.learning_rate = 3e38.into();
        x.momentum = 0.9.into();
    });
    let error = run.run(&data(), go).unwrap_err();
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
    assert_eq!(run.ended(), Some(Ended::NotFinite));
}

in_every_family!(told);
