//! Plans in model files: what the run does not hold stands in notes.

use super::{BoltzmannPlan, DbmPlan, DbnPlan, Plan, RbmPlan};
use crate::{
    checkpoint::{Checkpoint, SavedRun},
    error::{Error, Result},
    model::{Dbm, Layer},
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

const GREEDY: &str = "greedy";
const UP_DOWN: &str = "up_down";
const PRETRAINING: &str = "pretraining";
const JOINT: &str = "joint";
const FINE_TUNE: &str = "fine_tune";

impl Plan {
    /// The plan of the run that a file was written in the midst of: from the run, and of other
    /// stages from what [`Self::note`] wrote.
    ///
    /// # Errors
    /// [`Error::Parameter`] without a run, for one of backpropagation alone, and for notes that are
    /// missing or foreign.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<Self> {
        let notes = &checkpoint.notes;
        let fine_tune = || read(notes, FINE_TUNE);
        Ok(match &checkpoint.run {
            Some(SavedRun::Rbm(state)) => {
                let rbm = checkpoint.model.rbm()?;
                Self::Rbm(RbmPlan {
                    visible: rbm.visible().units.clone(),
                    hidden: rbm.hidden().units.clone(),
                    options: state.options.clone(),
                })
            }
            Some(SavedRun::Greedy { plan, .. }) => Self::Dbn(DbnPlan {
                visible: checkpoint.model.dbn()?.layer(0).units.clone(),
                greedy: plan.clone(),
                up_down: needed(notes, UP_DOWN)?,
                fine_tune: fine_tune()?,
            }),
            Some(SavedRun::UpDown(state)) => Self::Dbn(DbnPlan {
                visible: checkpoint.model.dbn()?.layer(0).units.clone(),
                greedy: needed(notes, GREEDY)?,
                up_down: state.options.clone(),
                fine_tune: fine_tune()?,
            }),
            Some(SavedRun::Pretraining { plan, .. }) => Self::Dbm(DbmPlan {
                hidden: plan.hidden.clone(),
                classes: plan.classes,
                pretraining: Some(plan.clone()),
                joint: needed(notes, JOINT)?,
                fine_tune: fine_tune()?,
            }),
            Some(SavedRun::Dbm(state)) => {
                let dbm = checkpoint.model.dbm()?;
                Self::Dbm(DbmPlan {
                    hidden: hidden_of(dbm),
                    classes: dbm.classes(),
                    pretraining: read(notes, PRETRAINING)?,
                    joint: state.options.clone(),
                    fine_tune: fine_tune()?,
                })
            }
            Some(SavedRun::Boltzmann(state)) => Self::Boltzmann(BoltzmannPlan {
                hidden: checkpoint.model.boltzmann()?.n_hidden(),
                start: None,
                options: state.options.clone(),
            }),
            Some(SavedRun::Backprop(_)) | None => {
                let expected = "a run that could go on";
                let found = "a machine alone";
                return Err(Error::parameter("model file", expected, found));
            }
        })
    }

    /// Writes what [`Self::of_checkpoint`] reads beside the run.
    pub fn note(&self, notes: &mut BTreeMap<String, String>) {
        match self {
            Self::Rbm(_) | Self::Boltzmann(_) => {}
            Self::Dbn(plan) => {
                put(notes, GREEDY, &plan.greedy);
                put(notes, UP_DOWN, &plan.up_down);
            }
            Self::Dbm(plan) => {
                put(notes, JOINT, &plan.joint);
                if let Some(rbms) = &plan.pretraining {
                    put(notes, PRETRAINING, rbms);
                }
            }
        }
        if let Some(options) = self.fine_tune() {
            put(notes, FINE_TUNE, options);
        }
    }
}

/// Sizes of the hidden layers, without that of a label.
fn hidden_of(dbm: &Dbm) -> Vec<usize> {
    let hidden = dbm.layers().iter().skip(1).take(dbm.n_hidden_layers());
    hidden.map(Layer::size).collect()
}

fn put(notes: &mut BTreeMap<String, String>, key: &str, value: &impl Serialize) {
    // Numbers and names alone: nothing of it fails.
    let json = serde_json::to_string(value).unwrap_or_default();
    notes.insert(key.into(), json);
}

fn read<T: DeserializeOwned>(notes: &BTreeMap<String, String>, key: &str) -> Result<Option<T>> {
    let foreign = |e| Error::parameter(format!("note `{key}`"), "the options of a stage", e);
    let text = notes.get(key);
    text.map(|text| serde_json::from_str(text).map_err(foreign))
        .transpose()
}

fn needed<T: DeserializeOwned>(notes: &BTreeMap<String, String>, key: &str) -> Result<T> {
    let missing = || Error::parameter(format!("note `{key}`"), "the options of a stage", "none");
    read(notes, key)?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::bars_and_stripes,
        recipe::{
            AnyEvent, AnyRun, RunRef,
            defaults::{self, Length},
        },
        train::{GreedyLayer, GreedyPlan, PretrainingPlan},
        units::{Kind, Units},
    };
    use std::ops::ControlFlow;

    fn plans() -> [Plan; 2] {
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
                classes: None,
                pretraining: Some(PretrainingPlan {
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
        let data = bars_and_stripes(3);
        for mut plan in plans() {
            let expected: Vec<String> = plan.stages().into_iter().map(|x| x.name).collect();
            let mut found: Vec<String> = Vec::new();
            let mut run = plan.start(&data, None).unwrap();
            loop {
                assert!(!plan.is_done(&run));
                let mut checkpoint = run.running().checkpoint().unwrap();
                plan.note(&mut checkpoint.notes);
                let read = Plan::of_checkpoint(&checkpoint).unwrap();
                assert_eq!(read, plan);
                // More epochs are those of the stage that is the main one.
                plan.learning_mut().epochs = 3;
                run = plan.resumed(checkpoint, &data, false).unwrap();
                let ended = run.run(&data, &mut |event| {
                    let (AnyEvent::Update(run) | AnyEvent::Epoch(run) | AnyEvent::Layer(run)) =
                        event;
                    let name = run.running().name();
                    if found.last() != Some(&name) {
                        found.push(name);
                    }
                    ControlFlow::Continue(())
                });
                assert!(ended.unwrap().is_finished());
                match plan.next(&run, &data).unwrap() {
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
}
