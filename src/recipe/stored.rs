//! Plans in model files: what the run does not hold stands in notes.

use super::{BoltzmannPlan, DbmPlan, DbnPlan, Plan, RbmPlan};
use crate::{
    checkpoint::{Checkpoint, SavedRun},
    error::{Error, Result},
    model::{Dbm, Layer},
    units::{Kind, Units},
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
                visible: other_than_bits(checkpoint.model.dbm()?.layer(0)),
                classes: plan.classes,
                pretraining: Some(plan.clone()),
                joint: needed(notes, JOINT)?,
                fine_tune: fine_tune()?,
            }),
            Some(SavedRun::Dbm(state)) => {
                let dbm = checkpoint.model.dbm()?;
                Self::Dbm(DbmPlan {
                    hidden: hidden_of(dbm),
                    visible: other_than_bits(dbm.layer(0)),
                    classes: dbm.classes(),
                    pretraining: read(notes, PRETRAINING)?,
                    joint: state.options.clone(),
                    fine_tune: fine_tune()?,
                })
            }
            Some(SavedRun::Boltzmann(state)) => {
                let machine = checkpoint.model.boltzmann()?;
                Self::Boltzmann(BoltzmannPlan {
                    hidden: machine.n_hidden(),
                    visible: other_than_bits(machine.visible()),
                    start: None,
                    options: state.options.clone(),
                })
            }
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

/// The visible units, if they are not bits alone.
fn other_than_bits(Layer { units, .. }: &Layer) -> Option<Units> {
    (!units.are(Kind::Bernoulli)).then(|| units.clone())
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
