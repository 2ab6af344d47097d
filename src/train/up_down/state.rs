//! What a run of the up-down algorithm remembers beside the network.

use super::{super::Optimizer, UpDownOptions};
use crate::{
    error::{Error, Result},
    model::Dbn,
    train::negative::delta::Velocity,
};

/// What updates remember of one directed pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairVelocity {
    /// Of `W'` and of the lower layer's bias.
    pub generative: Velocity,
    /// Of `R` and of the upper layer's bias.
    pub recognition: Velocity,
}

/// What a run of the up-down algorithm needs to go on to the bit, apart from the network.
#[derive(Clone, Debug, PartialEq)]
pub struct UpDownState {
    /// Options of the run.
    pub options: UpDownOptions,
    /// Of the directed pairs, lowest first.
    pub pairs: Vec<PairVelocity>,
    /// Of the top pair.
    pub top: Optimizer,
    /// Updates done.
    pub updates: u64,
    /// Examples of the data that the run is on.
    pub examples: usize,
}

impl UpDownState {
    /// Before the first update.
    pub fn new(dbn: &Dbn, options: UpDownOptions, examples: usize) -> Self {
        let pairs = dbn.directed().iter().map(|pair| {
            let (n, m) = (pair.below().size(), pair.above().size());
            PairVelocity {
                generative: Velocity::zeros(m, n),
                recognition: Velocity::zeros(n, m),
            }
        });
        Self {
            options,
            pairs: pairs.collect(),
            top: Optimizer::new(dbn.top()),
            updates: 0,
            examples,
        }
    }

    /// Refuses a state of another network or of other data.
    pub(super) fn check_fits(&self, dbn: &Dbn, examples: usize) -> Result<()> {
        let fresh = Self::new(dbn, self.options.clone(), examples);
        let (expected, found) = (fresh.shape(), self.shape());
        if expected == found {
            return Ok(());
        }
        let what = "stored state of the up-down algorithm (examples, pairs, top)";
        Err(Error::shape(
            what,
            format!("{expected:?}"),
            format!("{found:?}"),
        ))
    }

    fn shape(&self) -> (usize, Vec<[usize; 3]>, [usize; 6]) {
        let of = |v: &Velocity| [v.weights.rows(), v.weights.columns(), v.bias.len()];
        let pairs = self
            .pairs
            .iter()
            .flat_map(|p| [of(&p.generative), of(&p.recognition)]);
        (self.examples, pairs.collect(), self.top.first.shape())
    }
}
