//! What a run in progress remembers beside the machine.

use super::{BoltzmannNegative, BoltzmannOptions, BoltzmannTraining, gradient::Gradient};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::BoltzmannMachine,
};

/// One number for each pair of units, `[units x units]`, symmetric to the bit and visible units first, and for each bias.
pub type PairMemory = (Matrix, Vec<f32>);

/// All that a run needs to go on to the bit, beside its machine and options.
#[derive(Clone, Debug, PartialEq)]
pub struct BoltzmannState {
    /// Updates done: with the options and the data, the position of every random choice.
    pub updates: u64,
    /// Examples of the data that the run is on.
    pub examples: usize,
    /// Last steps, or the first moments of an adaptive rule.
    pub first: PairMemory,
    /// The second moments of an adaptive rule.
    pub second: Option<PairMemory>,
    /// Hidden states of every example, `[examples x n_hidden]`, of [`super::BoltzmannPositive::Gibbs`] in a machine with hidden units.
    pub hidden: Option<BitMatrix>,
    /// Persistent chains, `[chains x units]`.
    pub chains: Option<BitMatrix>,
}

impl BoltzmannTraining {
    /// What the run remembers.
    pub fn state(&self) -> BoltzmannState {
        let memory = |x: &Gradient| (x.pairs.clone(), x.bias.clone());
        let chains = match (self.options.negative, &self.negative) {
            (BoltzmannNegative::Persistent { chains, .. }, Some(chain)) => {
                let mut states = BitMatrix::zeros(chains, self.machine.units());
                chain.units_into(0, &mut states);
                Some(states)
            }
            _ => None,
        };
        BoltzmannState {
            updates: self.updates,
            examples: self.examples,
            first: memory(&self.first),
            second: self.second.as_ref().map(memory),
            hidden: (self.hidden.columns() > 0 && self.hidden.rows() > 0)
                .then(|| self.hidden.clone()),
            chains,
        }
    }

    /// A run that goes on where another was stored: `new`, then what [`Self::state`] told.
    ///
    /// # Errors
    /// As [`Self::new`], and [`Error::Shape`] where data or state do not fit.
    pub fn resumed(
        machine: BoltzmannMachine,
        options: BoltzmannOptions,
        data: &Examples,
        state: BoltzmannState,
    ) -> Result<Self> {
        let mut training = Self::new(machine, options, data)?;
        if data.len() != state.examples {
            let (expected, found) = (state.examples, data.len());
            return Err(Error::shape("examples of the data", expected, found));
        }
        let own = training.state();
        for (what, own, found) in [
            ("steps", Some(&own.first), Some(&state.first)),
            ("second moments", own.second.as_ref(), state.second.as_ref()),
        ] {
            let shape = |x: Option<&PairMemory>| {
                let shape =
                    |(w, b): &PairMemory| format!("{} x {} and {}", w.rows(), w.columns(), b.len());
                x.map_or("none".into(), shape)
            };
            same(what, shape(own), shape(found))?;
        }
        for (what, own, found) in [
            ("hidden states", &own.hidden, &state.hidden),
            ("chains", &own.chains, &state.chains),
        ] {
            let shape = |x: &Option<BitMatrix>| match x {
                Some(x) => format!("{} x {}", x.rows(), x.columns()),
                None => "none".into(),
            };
            same(what, shape(own), shape(found))?;
        }
        training.first = remembered(state.first);
        training.second = state.second.map(remembered);
        if let Some(hidden) = state.hidden {
            training.hidden = hidden;
        }
        if let (Some(chain), Some(states)) = (&mut training.negative, &state.chains) {
            chain.set_units(0, states.view());
        }
        training.updates = state.updates;
        Ok(training)
    }
}

fn remembered((pairs, bias): PairMemory) -> Gradient {
    Gradient { pairs, bias }
}

fn same(what: &str, own: String, found: String) -> Result<()> {
    if own == found {
        return Ok(());
    }
    Err(Error::shape(format!("stored {what}"), own, found))
}
