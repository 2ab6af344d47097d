//! Plans of stored runs.

use harmonium::{
    BitMatrix, Checkpoint, Examples,
    dataset::bars_and_stripes,
    recipe::{
        AnyEvent, AnyRun, DbmPlan, DbnPlan, Plan, RunRef,
        defaults::{self, Length},
    },
    train::{GreedyLayer, GreedyPlan, PretrainingPlan},
    units::{Kind, Units},
};
use std::ops::ControlFlow;

/// Three groups of three units.
fn groups() -> Units {
    let units = Units::default();
    (0..3).fold(units, |units, _| units.and(Kind::Softmax, 3))
}

fn plans() -> [Plan; 3] {
    let length = Length::new(16, Some(8), true);
    let layer = |l| {
        let mut options = defaults::greedy_layer(l, 2, false, length);
        options.learning.epochs = 1;
        GreedyLayer {
            hidden: 4 + l,
            options,
            transposed: false,
        }
    };
    let mut pretraining = defaults::pretraining(length);
    pretraining.learning.epochs = 1;
    let mut joint = defaults::joint(true, length);
    joint.learning.epochs = 2;
    [
        Plan::Dbn(DbnPlan {
            visible: Units::of(Kind::Bernoulli, 9),
            greedy: GreedyPlan {
                layers: vec![layer(0), layer(1)],
                posterior: defaults::POSTERIOR,
                classes: None,
            },
            up_down: defaults::up_down(Some(2), length),
            fine_tune: None,
        }),
        Plan::Dbm(DbmPlan {
            hidden: vec![5, 4],
            visible: None,
            classes: None,
            pretraining: Some(PretrainingPlan {
                visible: None,
                hidden: vec![5, 4],
                options: vec![pretraining.clone()],
                classes: None,
            }),
            joint: joint.clone(),
            fine_tune: None,
        }),
        Plan::Dbm(DbmPlan {
            hidden: vec![5, 4],
            visible: Some(groups()),
            classes: None,
            pretraining: Some(PretrainingPlan {
                visible: Some(groups().to_string()),
                hidden: vec![5, 4],
                options: vec![pretraining],
                classes: None,
            }),
            joint,
            fine_tune: None,
        }),
    ]
}

/// Stage by stage, each read from its file before it goes on.
#[test]
fn plans_are_read_from_the_file_of_every_stage() {
    let bits = bars_and_stripes(3);
    let categories = BitMatrix::from_fn(16, 9, |i, j| (i / (j / 3 + 1)) % 3 == j % 3);
    let categories = Examples::new(categories).unwrap();
    for mut plan in plans() {
        let data = match &plan {
            Plan::Dbm(plan) if plan.visible.is_some() => &categories,
            _ => &bits,
        };
        let expected: Vec<String> = plan.stages().into_iter().map(|x| x.name).collect();
        let mut found: Vec<String> = Vec::new();
        let mut run = plan.start(data, None).unwrap();
        loop {
            assert!(!plan.is_done(&run));
            let mut checkpoint = run.running().checkpoint().unwrap();
            plan.note(&mut checkpoint.notes);
            let read = Plan::of_checkpoint(&checkpoint).unwrap();
            assert_eq!(read, plan);
            // More epochs are those of the stage that is the main one.
            plan.learning_mut().epochs = 3;
            run = plan.resumed(checkpoint, data, false).unwrap();
            let ended = run.run(data, &mut |event| {
                let (AnyEvent::Update(run) | AnyEvent::Epoch(run) | AnyEvent::Layer(run)) = event;
                let name = run.running().name();
                if found.last() != Some(&name) {
                    found.push(name);
                }
                ControlFlow::Continue(())
            });
            assert!(ended.unwrap().is_finished());
            match plan.next(&run, data, None).unwrap() {
                Some(next) => run = next,
                None => break,
            }
        }
        assert_eq!(found, expected);
        assert!(plan.is_done(&run) && run.running().position().epoch == 3);
        assert!(matches!(run.get(), RunRef::UpDown(_) | RunRef::Dbm(_)));
        // A machine alone is no run.
        let alone = match run {
            AnyRun::UpDown(run) => Checkpoint::from(run.into_result()),
            other => Checkpoint::from(other.result().unwrap().into_dbm().unwrap()),
        };
        assert!(Plan::of_checkpoint(&alone).is_err());
    }
}
