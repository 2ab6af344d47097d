//! What a session starts with.

use crate::{
    args::TrainArgs,
    kinds::training::Trains,
    run::{data::Data, files::Files, interrupt::Interrupt},
};
use harmonium::recipe::{AnyRun, Plan};
use std::collections::BTreeMap;

/// What a session starts with.
pub struct Start<'a, 's> {
    pub args: &'a TrainArgs,
    pub kind: &'a dyn Trains,
    pub plan: &'s Plan,
    pub files: &'a Files,
    pub interrupt: &'a Interrupt,
    pub notes: BTreeMap<String, String>,
    pub data: &'s Data,
    /// Where it stands.
    pub run: &'s AnyRun,
    /// Of the file that it goes on from.
    pub old_notes: Option<&'s BTreeMap<String, String>>,
}
