//! What the up-down algorithm and greedy stacks refuse.

use crate::common::dbn::{labeled_data, normal_dbn};
use harmonium::{
    Dbn, Rbm, Units,
    dataset::bars_and_stripes,
    train::{GreedyLayer, GreedyPlan, Learning, Schedule, Stack, UpDownOptions, UpDownTraining},
};
use std::ops::ControlFlow;

#[test]
fn up_down_refuses_what_cannot_work() {
    let data = labeled_data(20, 4, false);
    let new = |dbn: Dbn, options| {
        UpDownTraining::new(dbn, options, &data)
            .err()
            .map(|e| e.to_string())
    };
    let refuse = |dbn: Dbn, options: UpDownOptions, expected: &str| {
        let message = new(dbn, options).unwrap_or_default();
        assert!(message.contains(expected), "{message} for {expected}");
    };
    let good = || normal_dbn(&[4, 3, 2], 0, 1.0, 1);
    let defaults = UpDownOptions::default;
    assert!(new(good(), defaults()).is_none());
    refuse(
        Rbm::bernoulli(&[4, 3]).unwrap().into(),
        defaults(),
        "directed pairs",
    );
    refuse(
        normal_dbn(&[5, 3, 2], 0, 1.0, 1),
        defaults(),
        "columns of the data",
    );
    refuse(
        normal_dbn(&[4, 3, 2], 2, 1.0, 1),
        defaults(),
        "expected below 2",
    );
    refuse(
        good(),
        UpDownOptions {
            learning: Learning {
                batch_size: 0,
                ..defaults().learning
            },
            ..defaults()
        },
        "batch size",
    );
    refuse(
        good(),
        UpDownOptions {
            steps: Schedule::Constant(1e6),
            ..defaults()
        },
        "steps",
    );
    refuse(
        good(),
        UpDownOptions {
            learning: Learning {
                weight_decay: -1.0,
                ..defaults().learning
            },
            ..defaults()
        },
        "weight decay",
    );
    refuse(
        good(),
        UpDownOptions {
            learning: Learning {
                learning_rate: Schedule::Constant(-1.0),
                ..defaults().learning
            },
            ..defaults()
        },
        "top rate",
    );
    // A rate that explodes is an error, not a panic.
    let options = UpDownOptions {
        generative_rate: Schedule::Constant(1.0),
        learning: Learning {
            weight_decay: 10.0,
            epochs: 100,
            ..defaults().learning
        },
        ..defaults()
    };
    let mut run = UpDownTraining::new(good(), options, &data).unwrap();
    assert!(run.run(&data, |_| ControlFlow::Continue(())).is_err());
}

#[test]
fn a_stack_has_units_in_every_layer() {
    let data = bars_and_stripes(2);
    let layer = |hidden| GreedyLayer {
        hidden,
        ..GreedyLayer::default()
    };
    let plan = GreedyPlan {
        layers: vec![layer(3), layer(0)],
        ..GreedyPlan::default()
    };
    let error = Stack::greedy(plan, Units::default(), &data).unwrap_err();
    let expected = "hidden layers: expected at least one unit in every layer, found [3, 0]";
    assert_eq!(error.to_string(), expected);
}
