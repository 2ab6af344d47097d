//! What the metadata of a run may say. A file that somebody edited, or that a disk spoiled, is
//! refused with its name and that of the entry; it neither ends the program nor takes all memory.

use super::reader::Reader;
use crate::{
    error::{Error, Result},
    rng::MAX_STEP,
    train::{
        BoltzmannOptions, DbmOptions, GreedyPlan, Negative, PretrainingPlan, RbmOptions,
        UpDownOptions,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};
use std::fmt::Display;

/// No number of things may be larger.
const MOST: u64 = 1_000_000_000;
/// No number of examples: draws count rows in 32 bits.
const MOST_EXAMPLES: u64 = u32::MAX as u64;
/// No number of classes.
const MOST_CLASSES: usize = 1 << 16;
/// No matrix between two layers of a plan may have more elements: 8 GiB.
const MOST_WEIGHTS: usize = 1 << 31;
/// States of chains that the file does not hold may be at most so many, 512 at least a row.
const MOST_STATES: usize = 1 << 32;
const LEAST_ROW: usize = 512;
/// Draws of an update that are told apart whatever the options say: layers of a deep machine, and
/// of the up-down algorithm its sweeps.
const DRAWS: u64 = 256;
const UP_DOWN_DRAWS: usize = 1 << 12;

/// An entry of metadata.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a, 'b> {
    reader: &'a Reader<'b>,
    key: &'static str,
}

impl<'b> Reader<'b> {
    /// The entry `key` of metadata, JSON that holds `what`, if there is one, and where to complain
    /// of it.
    pub(super) fn header<T: DeserializeOwned>(
        &self,
        key: &'static str,
        what: &str,
    ) -> Result<Option<(T, Entry<'_, 'b>)>> {
        let Some(text) = self.metadata.get(key) else {
            return Ok(None);
        };
        let foreign = |e| Error::file(self.path, format!("{what} in metadata {key}"), e);
        let value: Value = serde_json::from_str(text).map_err(foreign)?;
        let entry = Entry { reader: self, key };
        entry.numbers(&mut String::new(), "", &value)?;
        Ok(Some((serde_json::from_str(text).map_err(foreign)?, entry)))
    }
}

impl Entry<'_, '_> {
    fn refused(&self, at: &str, expected: impl Display, found: impl Display) -> Error {
        let key = self.key;
        let expected = format!("{expected} as {at} in metadata {key}");
        Error::file(self.reader.path, expected, found)
    }

    /// Refuses numbers that overflow where they are used. `path` leads to `value`, `name` is the
    /// last name on it.
    fn numbers(&self, path: &mut String, name: &str, value: &Value) -> Result<()> {
        let length = path.len();
        match value {
            Value::Number(x) => return self.number(path, name, x),
            Value::Object(all) => {
                for (name, value) in all {
                    path.push_str(if length == 0 { "" } else { "." });
                    path.push_str(name);
                    self.numbers(path, name, value)?;
                    path.truncate(length);
                }
            }
            Value::Array(all) => {
                for (k, value) in all.iter().enumerate() {
                    path.push_str(&format!("[{k}]"));
                    self.numbers(path, name, value)?;
                    path.truncate(length);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn number(&self, path: &str, name: &str, x: &Number) -> Result<()> {
        let Some(n) = x.as_u64() else {
            let fits = x.as_f64().is_some_and(|x| (x as f32).is_finite());
            let expected = "a number of 32 bits";
            return fits
                .then_some(())
                .ok_or_else(|| self.refused(path, expected, x));
        };
        let (least, most) = match name {
            // Any number, of which nothing is allocated.
            "seed" | "epochs" | "batch_size" | "updates" => (0, u64::MAX),
            "examples" => (1, MOST_EXAMPLES),
            "classes" => (1, MOST_CLASSES as u64),
            _ => (0, MOST),
        };
        match (least..=most).contains(&n) {
            true => Ok(()),
            false => Err(self.refused(path, format!("{least} to {most}"), n)),
        }
    }

    /// Refuses options that cannot work.
    pub(super) fn options(&self, checked: Result<()>) -> Result<()> {
        checked.map_err(|e| {
            let expected = format!("options that can work in metadata {}", self.key);
            Error::file(self.reader.path, expected, e)
        })
    }

    /// Refuses more `updates`, of so many draws each, than can be numbered.
    pub(super) fn updates(
        &self,
        updates: u64,
        draws: impl IntoIterator<Item = usize>,
    ) -> Result<()> {
        let draws = draws.into_iter().map(|n| n as u64);
        let most = MAX_STEP / 2 / draws.fold(DRAWS, u64::max);
        match updates <= most {
            true => Ok(()),
            false => Err(self.refused("updates", format!("at most {most}"), updates)),
        }
    }

    /// Refuses `chains` other than those that the file holds, if it does, and more of them, of
    /// `units` units each, than memory should be taken for.
    fn chains(&self, chains: usize, units: usize, stored: Option<usize>) -> Result<()> {
        let most = match stored {
            Some(n) if n == chains => return Ok(()),
            Some(n) => {
                return Err(self.refused("chains", format!("{n}, as many as it holds"), chains));
            }
            None => MOST_STATES / units.max(LEAST_ROW),
        };
        match chains <= most {
            true => Ok(()),
            false => Err(self.refused("chains", format!("at most {most}"), chains)),
        }
    }

    /// Checks a run of an RBM whose wider layer has `units` units, and of which `stored` chains are
    /// in the file.
    pub(super) fn rbm_run(
        &self,
        options: &RbmOptions,
        updates: u64,
        units: usize,
        stored: Option<usize>,
    ) -> Result<()> {
        self.options(options.check())?;
        self.updates(
            updates,
            options.negative.steps().map(|n| n.saturating_mul(4)),
        )?;
        self.negative(options.negative, units, stored)
    }

    /// Checks a run of the up-down algorithm whose widest layer has `units` units.
    pub(super) fn up_down_run(
        &self,
        options: &UpDownOptions,
        updates: u64,
        units: usize,
        stored: Option<usize>,
    ) -> Result<()> {
        self.options(options.check())?;
        let steps = options.negative.and_then(|x| x.steps());
        let draws = steps.map_or(0, |n| n.saturating_mul(4));
        self.updates(updates, [UP_DOWN_DRAWS, draws])?;
        let negative = options.negative;
        negative.map_or(Ok(()), |x| self.negative(x, units, stored))
    }

    /// Checks the chains of a negative phase, `stored` of which are in the file.
    fn negative(&self, negative: Negative, units: usize, stored: Option<usize>) -> Result<()> {
        let Some(chains) = negative.chains() else {
            return Ok(());
        };
        match negative {
            Negative::Mcmc { .. } => self.chains(chains, units, None),
            // So many at each snapshot that there is.
            Negative::Trajectory { .. } => match stored {
                Some(n) => self.chains(
                    chains,
                    units,
                    Some(chains).filter(|&x| n.is_multiple_of(x)).or(Some(n)),
                ),
                None => self.chains(chains, units, None),
            },
            _ => self.chains(chains.saturating_mul(negative.levels()), units, stored),
        }
    }

    /// Checks a run of a deep Boltzmann machine of `layers` layers, `hidden` of them hidden, with
    /// so many chains in the file.
    pub(super) fn dbm_run(
        &self,
        options: &DbmOptions,
        updates: u64,
        (layers, hidden, units): (usize, usize, usize),
        stored: Option<usize>,
    ) -> Result<()> {
        self.options(options.check(hidden))?;
        let steps = [options.positive.steps(), options.negative.steps()];
        let draws = |n: usize| n.saturating_mul(2 * layers);
        self.updates(updates, steps.into_iter().flatten().map(draws))?;
        self.negative(options.negative, units, stored)
    }

    /// Checks a run of a general machine of `units` units, with so many chains in the file.
    pub(super) fn boltzmann_run(
        &self,
        options: &BoltzmannOptions,
        updates: u64,
        units: usize,
        stored: Option<usize>,
    ) -> Result<()> {
        self.options(options.check())?;
        let draws = [options.positive.steps(), options.negative.steps()];
        self.updates(updates, draws.into_iter().flatten())?;
        self.negative(options.negative, units, stored)
    }

    /// Checks a plan of layers upon `visible` units.
    pub(super) fn greedy(&self, plan: &GreedyPlan, visible: usize) -> Result<()> {
        for layer in &plan.layers {
            self.options(layer.options.check())?;
        }
        let hidden = plan.layers.iter().map(|layer| layer.hidden);
        self.layers(visible, hidden, plan.classes)
    }

    /// Checks a plan of RBMs upon `visible` units.
    pub(super) fn pretraining(&self, plan: &PretrainingPlan, visible: usize) -> Result<()> {
        self.options(plan.check())?;
        for options in &plan.options {
            self.options(options.check())?;
        }
        self.layers(visible, plan.hidden.iter().copied(), plan.classes)
    }

    fn layers(
        &self,
        visible: usize,
        hidden: impl Iterator<Item = usize>,
        classes: Option<usize>,
    ) -> Result<()> {
        let mut below = visible;
        for units in hidden {
            let most = MOST_WEIGHTS / (below + classes.unwrap_or(0)).max(1);
            if !(1..=most).contains(&units) {
                return Err(self.refused("hidden", format!("1 to {most}"), units));
            }
            below = units;
        }
        Ok(())
    }
}
