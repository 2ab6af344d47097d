//! Whether the chains of a run still say what its machine is like.

use super::Position;
use crate::{
    model::{Layer, SwapRate},
    states::Input,
    units::Kind,
};
use std::fmt;

/// Standard errors of the gap that noise may make.
const DEVIATIONS: f64 = 5.0;
/// Share of the nats of the uniform distribution from which on a gap is more than what a machine
/// still learns.
const LARGE: f64 = 0.1;
/// Askings that a running mean over them remembers, and from which on it says something.
const ASKINGS: u32 = 3;
/// Nats below which what a layer of hidden units says of the examples, all units together, is
/// nothing: the second decimal of a likelihood is the last that is reported.
const LEAST_INFORMATION: f64 = 0.005;

/// What a learner tells of its last update.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// `E[E(v, h) | v]` of each example of the minibatch.
    pub data: Vec<f64>,
    /// Weights of these examples, if they have any.
    pub weights: Option<Vec<f32>>,
    /// `E` of each chain.
    pub chains: Vec<f64>,
    /// Nats of the uniform distribution over all units, if there is one.
    pub entropy: Option<f64>,
    /// Of tempered chains and those at snapshots.
    pub swaps: Vec<SwapRate>,
    /// Of each hidden layer, what its units tell of the example, summed over units, in nats.
    pub information: Vec<f64>,
}

/// What the chains of a run say of themselves, asked once an epoch or so. Costs the energies of the
/// chains and of a minibatch.
///
/// Energies are compared by what is true of any machine of binary units whose chains sample it.
/// With `H` the entropy of the model and `C = -E_data[ln p(v, h)]` the cross-entropy of the data
/// and their posterior,
///
/// ```text
/// E_data[E] - E_model[E] = C - H,    0 <= H <= U,    C >= 0,
/// ```
///
/// where `U` is the entropy of the uniform distribution over all units, `n ln 2` of `n` Bernoulli
/// units. The gap is therefore never below `-U`, whatever was learned; and it is above `U` only if
/// the machine is worse than uniform on the data. Chains that cannot follow a machine that learns
/// break either bound: what they hold it to is not what it is like.
///
/// Energies are linear in what is learned, so the gap is minus the parameters times the gradient:
/// where learning comes to rest it is zero but for noise. Gaps of many standard errors time and
/// again, of a size that no learning machine has, mean that the machine drives its chains and they
/// drive it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainHealth {
    /// Where the run stood.
    pub position: Position,
    /// Mean energy of the minibatch less that of the chains, in nats.
    pub energy_gap: Option<f64>,
    /// What the gap is at most if the chains sample a machine that is better than uniform, five
    /// standard errors of their mean included.
    pub largest_gap: Option<f64>,
    /// The gap in standard errors (of the mean energy of the chains, and of that of a minibatch as
    /// a part of all examples), root mean square over the last three askings or so.
    pub strain: Option<f64>,
    /// The gap as a share of the nats of the uniform distribution, root mean square over the same.
    pub relative_gap: Option<f64>,
    /// Correlation of the energies of the chains with those at the last asking, over the chains.
    pub correlation: Option<f64>,
    /// Integrated autocorrelation time of the energy in updates, `(1 + r) / (1 - r)` of an
    /// autoregression that has this correlation after so many updates.
    pub autocorrelation: Option<f64>,
    /// The lowest share of accepted swaps between neighboring levels.
    pub swap_rate: Option<f64>,
    /// What each hidden layer says of the examples of the minibatch, in nats: the sum over its
    /// units of the mutual information between unit and example.
    pub information: Vec<f64>,
    /// Energies of the chains.
    energies: Vec<f64>,
    updates: u64,
    /// Askings so far.
    times: u32,
}

/// Why the chains of a run are not to be trusted, or a layer is of no use.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChainWarning {
    /// Chains and model have parted.
    Parted {
        /// [`ChainHealth::energy_gap`].
        gap: f64,
        /// [`ChainHealth::largest_gap`].
        most: f64,
    },
    /// Energies of data and chains are again and again further apart than noise makes them.
    Driven {
        /// [`ChainHealth::strain`].
        strain: f64,
    },
    /// No replica changes place between two levels.
    NoSwaps,
    /// No unit of a hidden layer tells examples apart.
    Unused {
        /// The layer, from 1 on.
        layer: usize,
        /// [`ChainHealth::information`].
        information: f64,
    },
}

impl ChainHealth {
    /// From what a learner of `examples` examples `told` after `updates` updates, and what it was
    /// `before`.
    pub(super) fn new(
        told: Told,
        position: Position,
        (updates, examples): (u64, usize),
        before: Option<&Self>,
    ) -> Self {
        let ((mean, error), (data, of_data)) = (
            mean_and_error(&told.chains, None),
            mean_and_error(&told.data, told.weights.as_deref()),
        );
        let is_compared = !told.data.is_empty() && !told.chains.is_empty();
        let gap = is_compared.then_some(data - mean);
        // Of all examples, or of one, there is no error.
        let missing = 1.0 - told.data.len() as f64 / examples.max(1) as f64;
        let error = error.hypot(of_data.max(0.0) * missing.max(0.0).sqrt());
        // Of one chain there is no error.
        let largest = told.entropy.map(|x| x + DEVIATIONS * error.max(0.0));
        let (mut times, mut strain) =
            (before.map_or(0, |x| x.times), before.and_then(|x| x.strain));
        let mut relative = before.and_then(|x| x.relative_gap);
        if let Some((gap, z)) = gap.map(|x| (x, x / error)).filter(|x| x.1.is_finite()) {
            times += 1;
            let recent = |old: Option<f64>, x: f64| {
                let old = old.map_or(0.0, |x| x * x);
                (old + (x * x - old) / f64::from(times.min(ASKINGS))).sqrt()
            };
            strain = Some(recent(strain, z));
            relative = told.entropy.map(|all| recent(relative, gap / all));
        }
        let since = before.map(|x| updates.saturating_sub(x.updates));
        let correlation = before.and_then(|x| correlation(&x.energies, &told.chains));
        let time = |(r, n): (f64, u64)| {
            let r = r.max(0.0).powf(1.0 / n.max(1) as f64);
            (1.0 + r) / (1.0 - r)
        };
        let lowest = told.swaps.iter().filter(|x| x.attempts > 0);
        let lowest = lowest.map(SwapRate::rate).min_by(f64::total_cmp);
        Self {
            position,
            energy_gap: gap,
            largest_gap: largest.filter(|_| gap.is_some()),
            strain,
            relative_gap: relative,
            times,
            correlation,
            autocorrelation: correlation.zip(since).map(time),
            swap_rate: lowest,
            information: told.information,
            energies: told.chains,
            updates,
        }
    }

    /// What is wrong.
    pub fn warnings(&self) -> Vec<ChainWarning> {
        let mut all = Vec::new();
        if let (Some(gap), Some(most)) = (self.energy_gap, self.largest_gap) {
            // No number is a gap too.
            if gap.is_nan() || gap.abs() > most {
                all.push(ChainWarning::Parted { gap, most });
            }
        }
        if let Some(strain) = self.strain
            && self.times >= ASKINGS
            && strain > DEVIATIONS
            && self.relative_gap.is_some_and(|x| x > LARGE)
        {
            all.push(ChainWarning::Driven { strain });
        }
        // Less than one swap in a round, of all chains together.
        let chains = self.energies.len().max(1) as f64;
        if self.swap_rate.is_some_and(|rate| rate * chains < 1.0) {
            all.push(ChainWarning::NoSwaps);
        }
        let layers = self.information.iter().enumerate();
        for (l, &information) in layers.filter(|(_, x)| **x < LEAST_INFORMATION) {
            all.push(ChainWarning::Unused {
                layer: l + 1,
                information,
            });
        }
        all
    }
}

impl fmt::Display for ChainWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parted { gap, most } => write!(
                f,
                "chains and model have parted: energies of data and chains are {gap:.1} nats apart, \
                 and {most:.1} is the most that samples of a machine better than uniform can be; \
                 a lower learning rate, more sweeps, weight decay or tempered chains help"
            ),
            Self::Driven { strain } => write!(
                f,
                "energies of data and chains are {strain:.1} standard errors apart, time and again: \
                 chains do not follow the model; a lower or falling learning rate, more sweeps, \
                 weight decay or tempered chains help"
            ),
            Self::NoSwaps => write!(
                f,
                "no replicas change places between two levels; more temperatures, or a higher \
                 lowest one, help"
            ),
            Self::Unused { layer, information } => write!(
                f,
                "no unit of hidden layer {layer} tells examples apart ({information:.4} nats, all \
                 together); a lower learning rate, other initial weights or pretraining help"
            ),
        }
    }
}

/// Mean, of values with weights if there are some, and its standard error.
fn mean_and_error(x: &[f64], weights: Option<&[f32]>) -> (f64, f64) {
    crate::kernel::reduce::weighted_mean_and_standard_error(x.iter().copied(), weights)
}

/// Pearson's correlation; none of constant or other numbers.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    let n = x.len() as f64;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
    let (a, b) = (mean(x), mean(y));
    let product =
        |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(x, y)| f(*x, *y)).sum::<f64>();
    let both = product(&|x, y| (x - a) * (y - b));
    let of_x = product(&|x, _| (x - a).powi(2));
    let of_y = product(&|_, y| (y - b).powi(2));
    let r = both / (of_x * of_y).sqrt();
    r.is_finite().then_some(r)
}

/// `sum_j I(h_j; example)` of means `q` of a layer's units given each example, all examples alike:
/// `H(mean of q_j) - mean of H(q_j)`, in nats, `H` of a coin.
pub(super) fn information(q: Input<'_>) -> f64 {
    let n = q.rows().max(1) as f64;
    let term = |q: f64| if q > 0.0 { -q * q.ln() } else { 0.0 };
    let coin = |q: f64| term(q) + term(1.0 - q);
    let of_unit = |j: usize| {
        let means = (0..q.rows()).map(|i| f64::from(q.get(i, j)));
        coin(means.clone().sum::<f64>() / n) - means.map(coin).sum::<f64>() / n
    };
    (0..q.columns()).map(of_unit).sum()
}

/// Nats of the uniform distribution over the units of layers, if all have finitely many states.
pub(super) fn entropy<'a>(mut layers: impl Iterator<Item = &'a Layer>) -> Option<f64> {
    layers.try_fold(0.0, |sum, layer| {
        layer.units.segments().iter().try_fold(sum, |sum, s| {
            Some(match s.kind {
                Kind::Softmax => sum + (s.size as f64).ln(),
                // As many as the rows have words, which are not told.
                Kind::Counts => return None,
                _ if layer.units.are_discrete() => sum + s.size as f64 * std::f64::consts::LN_2,
                _ => return None,
            })
        })
    })
}
