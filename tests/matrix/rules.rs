//! Adam, Nesterov and AdaMax: the first two steps against their formulas. A gradient is read off a
//! step of plain ascent at rate 1 from the same place; the second from the place that the first
//! step came to, which is set by its own rule, so only first steps are compared number by number
//! and the second update must go on from the memory of the first.

use crate::{Family, in_every_family};
use harmonium::train::{Learning, Rule};

fn first_steps<L: Family>() {
    let start = L::parameters(&L::start()).concat();
    let step = |change: &dyn Fn(&mut Learning)| -> Vec<f32> {
        let mut run = L::run_with(change);
        let after = L::path(&mut run, 1).remove(0).concat();
        after.iter().zip(&start).map(|(a, b)| a - b).collect()
    };
    let rate = 0.01;
    let gradient = step(&|x| x.learning_rate = 1.0.into());
    let nesterov = step(&|x| {
        x.learning_rate = 1.0.into();
        x.momentum = 0.5.into();
        x.optimizer = Rule::Nesterov;
    });
    let adaptive = |rule: Rule| {
        step(&|x| {
            x.learning_rate = rate.into();
            x.optimizer = rule;
        })
    };
    let (adam, adamax) = (adaptive(Rule::ADAM), adaptive(Rule::ADAMAX));
    assert!(gradient.iter().any(|g| g.abs() > 0.01));
    for (k, &g) in gradient.iter().enumerate() {
        // Rounding of parameters near 1.
        let near = |a: f32, b: f32| (a - b).abs() < 2e-5 * (1.0 + b.abs());
        // w + m s + r d from rest: 1 + 1/2 gradients.
        assert!(near(nesterov[k], 1.5 * g), "{k}: {} {g}", nesterov[k]);
        // Corrected means of one gradient are g and g^2, its largest magnitude |g|: the sign. Read
        // off f32 parameters, a gradient below 1e-4 has no sign to be sure of.
        if g.abs() > 1e-4 {
            let sign = rate * g.signum();
            assert!(near(adam[k], sign), "{k}: {} {g}", adam[k]);
            assert!(near(adamax[k], sign), "{k}: {} {g}", adamax[k]);
        }
    }
    // A second step leans on the memory: that of a run that forgets differs.
    for rule in [Rule::ADAM, Rule::ADAMAX] {
        let forgetful = Rule::Adam {
            first: 0.0,
            second: 0.0,
            epsilon: 1e-8,
        };
        let second = |rule: Rule| {
            let mut run = L::run_with(|x| x.optimizer = rule);
            L::path(&mut run, 2).remove(1)
        };
        assert_ne!(second(rule), second(forgetful));
    }
}

in_every_family!(first_steps);

#[test]
fn dbn_greedy() {
    for optimizer in [Rule::Nesterov, Rule::ADAM, Rule::ADAMAX] {
        crate::greedy::reaches_every_layer(|x| {
            x.learning.momentum = 0.5.into();
            x.learning.optimizer = optimizer;
        });
    }
}
