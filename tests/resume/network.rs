//! Runs of backpropagation that go on from files, at any number of threads.

use crate::common::network::{LOGISTIC, SOFTMAX, examples, network};
use harmonium::{
    Checkpoint,
    train::{
        BackpropLearner, BackpropOptions, BackpropTraining, Descent, Learning, Rule, Schedule,
    },
};
use std::ops::ControlFlow;

fn run_options() -> Vec<BackpropOptions> {
    let base = BackpropOptions {
        output_epochs: 1,
        learning: Learning {
            epochs: 3,
            batch_size: 30,
            seed: 5,
            ..BackpropOptions::default().learning
        },
        ..BackpropOptions::default()
    };
    let steps = |rule| BackpropOptions {
        descent: Descent::Steps(rule),
        input_dropout: 0.2,
        hidden_dropout: 0.5,
        learning: Learning {
            max_norm: Some(2.0),
            weight_decay: 1e-3,
            resample_data: rule == Rule::Nesterov,
            learning_rate: Schedule::Linear {
                from: 0.05,
                to: 0.0,
            },
            ..base.learning.clone()
        },
        ..base.clone()
    };
    vec![
        base.clone(),
        steps(Rule::Momentum),
        steps(Rule::Nesterov),
        steps(Rule::ADAM),
        BackpropOptions {
            descent: Descent::ConjugateGradients { line_searches: 2 },
            learning: Learning {
                weight_decay: 1e-3,
                ..base.learning
            },
            ..base
        },
    ]
}

/// A run stored between two updates and loaded goes on as if nothing had happened, to the bit, at
/// any number of threads.
#[test]
fn resumed_is_never_interrupted_at_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let network = network(&[90, 70, 140, 5], &[LOGISTIC, LOGISTIC, SOFTMAX], 0.2, 7);
    for bits in [false, true] {
        let data = examples(100, 90, 5, bits, 8);
        for options in run_options() {
            let mut finished = Vec::new();
            for threads in [1, 2, 7] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.unwrap().install(|| {
                    let mut run =
                        BackpropTraining::new(network.clone(), options.clone(), &data).unwrap();
                    let _ = run.run(&data, |_| ControlFlow::Continue(())).unwrap();
                    assert_eq!(run.position().updates, 12);
                    finished.push((run.model().clone(), run.state()));
                });
            }
            assert!(finished.iter().all(|x| *x == finished[0]), "{options:?}");
            for stop in [1, 6] {
                let mut run =
                    BackpropTraining::new(network.clone(), options.clone(), &data).unwrap();
                for _ in 0..stop {
                    let _ = run.update(&data).unwrap();
                }
                let path = dir.path().join("run.safetensors");
                Checkpoint::from(&run).save(&path).unwrap();
                let loaded = Checkpoint::load(&path).unwrap();
                assert_eq!(loaded.model.network().unwrap(), run.model());
                let mut resumed = loaded.into_run::<BackpropLearner>(&data).unwrap();
                assert_eq!(resumed.state(), run.state());
                let _ = resumed.run(&data, |_| ControlFlow::Continue(())).unwrap();
                let found = (resumed.model().clone(), resumed.state());
                assert_eq!(found, finished[0]);
            }
        }
    }
}
