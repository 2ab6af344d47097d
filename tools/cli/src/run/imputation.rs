//! How missing values are inferred: by enumeration where that is cheap, else by chains.

use super::machine::{Machine, Pass};
use crate::{
    args::PassArg,
    failure::{Failure, Outcome},
};
use harmonium::{
    BitMatrix, Examples, Matrix, States,
    model::{Convergence, Imputation},
};

/// Sweeps of a chain before the first that counts, and those that count, unless told otherwise.
pub const BURN_IN: usize = 50;
const SWEEPS: usize = 250;
/// Most states of all examples together that are enumerated unasked.
const MOST_STATES: f64 = (1 << 25) as f64;

/// What is said of how missing values are inferred.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// Whether enumeration is asked for.
    pub exact: bool,
    /// Sweeps before the first that counts.
    pub burn_in: Option<usize>,
    /// Sweeps that count.
    pub sweeps: Option<usize>,
    /// Of every draw.
    pub seed: u64,
}

impl Filling {
    /// Nothing but the seed.
    pub fn of_seed(seed: u64) -> Self {
        Self {
            exact: false,
            burn_in: None,
            sweeps: None,
            seed,
        }
    }

    /// Enumeration where it is asked for, or cheap and chains are not asked for.
    pub fn imputation(&self, machine: &dyn Machine, of: &Examples) -> Imputation {
        let is_said = self.burn_in.or(self.sweeps).is_some();
        if self.exact || !is_said && machine.states_of_missing(of) <= MOST_STATES {
            return Imputation::Exact;
        }
        self.chains()
    }

    /// Chains.
    pub fn chains(&self) -> Imputation {
        Imputation::Gibbs {
            burn_in: self.burn_in.unwrap_or(BURN_IN),
            sweeps: self.sweeps.unwrap_or(SWEEPS),
            seed: self.seed,
        }
    }
}

/// What a hidden layer whose `units` depend on each other makes of examples: of complete ones the
/// `means` of mean field, of others what is inferred.
///
/// # Errors
/// States, which mean field has not; those of the library.
pub fn features(
    machine: &dyn Machine,
    units: &str,
    (of, how): (&Examples, Pass),
    means: impl FnOnce() -> harmonium::Result<(Vec<Matrix>, Convergence)>,
) -> Outcome<(States, Option<Convergence>)> {
    if how.kind == PassArg::Samples {
        return Err(Failure::usage(format!(
            "--pass samples: the {units} depend on each other, and mean field has means alone"
        )));
    }
    let (mut hidden, done) = match of.observed() {
        Some(_) => {
            let filling = Filling::of_seed(how.seed).imputation(machine, of);
            (machine.impute(of, filling, &mut ())?.hidden, None)
        }
        None => {
            let (means, done) = means()?;
            (means, Some(done))
        }
    };
    Ok((hidden.swap_remove(how.layer - 1).into(), done))
}

/// The examples as `n` columns, of which those that are not there are missing.
pub fn widened(of: &Examples, n: usize) -> harmonium::Result<Examples> {
    let (x, mask, known) = (of.input(), of.observed(), of.columns());
    let is_observed = |i: usize, j: usize| j < known && mask.is_none_or(|x| x.get(i, j));
    let value = |i: usize, j: usize| if is_observed(i, j) { x.get(i, j) } else { 0.0 };
    Examples::new(Matrix::from_fn(of.len(), n, value))?.with_observed(BitMatrix::from_fn(
        of.len(),
        n,
        is_observed,
    ))
}

/// The examples with zeros, which send nothing, in place of what is missing.
pub fn without_missing(of: &Examples) -> harmonium::Result<Examples> {
    let widened = widened(of, of.columns())?;
    Examples::new(widened.into_states())
}
