//! Pretraining of deep Boltzmann machines.

use harmonium::{
    Examples, dataset,
    train::{
        Averaging, Centering, Ended, Learning, Negative, PretrainingPlan, RbmOptions,
        Reconstruction, Schedule, Sparsity, Stack, StackEvent,
    },
};
use std::ops::ControlFlow;

/// Bars and stripes of side 3, labeled.
pub fn data() -> Examples {
    let data = dataset::bars_and_stripes(3);
    let labels = (0..data.len()).map(|i| (i % 3) as u32).collect();
    data.with_labels(labels).unwrap()
}

/// Of each RBM another way to learn, so that all that a run can remember is in play.
pub fn plan(classes: Option<usize>) -> PretrainingPlan {
    let first = RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 2,
            reconstruction: Reconstruction::Sampled,
        },
        steps: Some(Schedule::Pieces(vec![(0.0, 1.0), (1.0, 2.0)])),
        learning: Learning {
            epochs: 3,
            batch_size: 5,
            learning_rate: Schedule::Linear { from: 0.2, to: 0.0 },
            momentum: Schedule::Constant(0.5),
            seed: 3,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let second = RbmOptions {
        negative: Negative::Persistent {
            chains: 7,
            steps: 1,
        },
        centering: Some(Centering::default()),
        sparsity: Some(Sparsity::default()),
        ..first.clone()
    };
    let second = RbmOptions {
        steps: None,
        ..second
    };
    let third = RbmOptions {
        learning: Learning {
            averaging: Some(Averaging::Exponential(0.9)),
            ..first.learning.clone()
        },
        ..first.clone()
    };
    PretrainingPlan {
        visible: None,
        hidden: vec![8, 6, 5],
        options: vec![first, second, third],
        classes,
    }
}

pub fn go_on(run: &mut Stack, data: &Examples, updates: usize) -> Ended {
    let mut left = updates;
    run.run(data, |event| match event {
        StackEvent::Update(_) if left == 1 => ControlFlow::Break(()),
        StackEvent::Update(_) => {
            left -= 1;
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    })
    .unwrap()
}
