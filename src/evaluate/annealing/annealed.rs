//! What annealing asks of a machine.

use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::Result,
    model::{Layer, log_odds, log_shares},
    rng::{Draws, Site, Stream},
    states::{Input, States},
    units::Kind,
};
use std::borrow::Cow;

/// Pseudo-examples of the base rate, half of them on, as a share of the examples. Salakhutdinov and
/// Murray (2008) smooth as strongly, by 3000 that are on among 63,000; half on and half off favors
/// neither polarity.
const BASE_RATE_PSEUDO_SHARE: f64 = 0.1;
/// Share of fair coins in what [`Annealed::proposed`] draws from: no state is out of reach.
const COIN_SHARE: f64 = 0.02;

/// A machine that [`Ais`](super::Ais) measures: an RBM of any kinds of units (and so the top of a
/// deep belief network), a deep Boltzmann machine, a general machine. It is not for other types to
/// implement.
///
/// Its chains go through `p_beta(x) ~ f_beta(x)` from the base at `beta = 0` to the machine at 1:
/// inverse temperatures multiply couplings and biases, and `1 - beta` the biases of the base. The
/// quadratic terms of continuous units stay, so the base is a machine of independent units with a
/// known `ln Z`, and every machine on the way has a normal form if the last one has.
pub trait Annealed {
    /// Refuses machines that cannot be annealed.
    #[doc(hidden)]
    fn check_annealed(&self) -> Result<()>;

    /// The units that the states of a chain are of, the visible ones first; the others are summed
    /// in closed form.
    #[doc(hidden)]
    fn kept(&self) -> Cow<'_, Layer>;

    /// The visible ones among them.
    #[doc(hidden)]
    fn visible_layer(&self) -> &Layer;

    #[doc(hidden)]
    fn n_visible(&self) -> usize {
        self.visible_layer().size()
    }

    /// Of the choice of examples to start at.
    #[doc(hidden)]
    fn start_stream(&self) -> Stream {
        Stream::Reverse
    }

    /// Biases of the first kept units, those of the base rate of `data`.
    #[doc(hidden)]
    fn base_rate(&self, data: &Examples) -> Result<Vec<f32>> {
        Ok(base_biases(
            self.visible_layer(),
            &data.mean(),
            data.effective_len(),
        ))
    }

    /// Whether [`Self::exact_states`] can enumerate.
    #[doc(hidden)]
    fn can_be_drawn(&self) -> bool;

    /// Independent draws from the machine.
    #[doc(hidden)]
    fn exact_states(&self, count: usize, seed: u64) -> Result<States>;

    /// States of the kept units with the visible ones `v`, near the machine's.
    #[doc(hidden)]
    fn completed(&self, v: States, seed: u64) -> Result<States>;

    /// `copies` states of the kept units for each row of `v`, the visible ones being that row and
    /// the others drawn from a distribution `q`, with `ln q`.
    #[doc(hidden)]
    fn proposed(&self, v: Input<'_>, copies: usize, draws: Draws) -> Result<(States, Vec<f64>)>;

    /// Chains at `start`.
    #[doc(hidden)]
    fn chains<'a>(&'a self, base: &'a [f32], on: Seeded, at: Start) -> Result<BoxedChains<'a>>;
}

/// Where chains start.
pub enum Start {
    /// So many states that are drawn from the base.
    Base(usize),
    /// These.
    At(States),
}

impl Start {
    /// How many.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Base(count) => *count,
            Self::At(states) => states.rows(),
        }
    }
}

/// A way and its seed.
pub type Seeded = (Way, u64);

/// Chains of any machine.
pub type BoxedChains<'a> = Box<dyn Chains + 'a>;

/// Chains on their way. A sweep has two halves: `begin` or `rise`, then `sweep`.
pub trait Chains {
    /// `ln Z` of the base.
    fn log_z_of_base(&self) -> f64;

    /// `ln f_high - ln f_low` of every chain, `ends = (low, high)`. Begins sweep `begin` at the one
    /// end or the other. With `exact` the upper of the two is computed from the weights as they
    /// are, in place of those that states are drawn with.
    fn rise(
        &mut self,
        ends: (f32, f32),
        begin: Option<(End, u64)>,
        exact: bool,
        increments: &mut [f64],
    ) -> Result<()>;

    /// Begins sweep `step` at the machine itself, and tells `ln f_1` of every chain if asked.
    fn begin(&mut self, step: u64, log_weights: Option<&mut [f64]>) -> Result<()>;

    /// The rest of sweep `step` at `beta > 0`.
    fn sweep(&mut self, beta: f32, step: u64) -> Result<()>;

    /// Their states.
    fn into_states(self: Box<Self>) -> States;
}

/// Which end of a step a sweep begins at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Low,
    High,
}

/// Ways of one seed whose draws must differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Forward = 0,
    Reverse = 1,
    Raise = 2,
    Pilot = 3,
    BurnIn = 4,
    Given = 5,
}

impl Way {
    /// Draws of number `number`, for fewer than 2^44 of them.
    pub(super) fn draws(self, seed: u64, number: u64) -> Draws {
        Draws::new(seed, Site::Ais, ((self as u64) << 44) + number)
    }

    /// Whether sweeps are those of the way from the base backwards.
    pub(super) fn is_back(self) -> bool {
        matches!(self, Self::Reverse | Self::Raise)
    }
}

/// Biases of independent units of `layer` with these means over `count` examples: the log-odds of
/// units that are on or off, smoothed; the means of continuous ones.
pub(super) fn base_biases(layer: &Layer, mean: &[f64], count: f64) -> Vec<f32> {
    let log_odds = |mean: &[f64]| log_odds(mean, count, BASE_RATE_PSEUDO_SHARE * count);
    let of_segment = |kind: Kind, mean: &[f64]| -> Vec<f32> {
        match kind {
            Kind::Bernoulli | Kind::Softmax => log_odds(mean),
            Kind::Spin => {
                let p: Vec<f64> = mean.iter().map(|m| 0.5 * (1.0 + m)).collect();
                log_odds(&p).into_iter().map(|x| 0.5 * x).collect()
            }
            // A tenth of the words, evenly over all of them.
            Kind::Counts => {
                let words = mean.iter().sum::<f64>().max(f64::MIN_POSITIVE);
                log_shares(mean, BASE_RATE_PSEUDO_SHARE * words / mean.len() as f64)
            }
            Kind::Gaussian | Kind::Relu => mean.iter().map(|&m| m as f32).collect(),
        }
    };
    let segments = layer.units.segments().iter();
    segments
        .flat_map(|s| of_segment(s.kind, &mean[s.range()]))
        .collect()
}

/// Draws the units of binary layers, and their `ln q`, from independent units and groups of these
/// means with a share of fair coins: `mean(sample, unit)`. A group takes the draw of its first
/// unit.
pub(super) fn drawn_from_means(
    layer: &Layer,
    rows: usize,
    mean: impl Fn(usize, usize) -> f32,
    draws: Draws,
) -> (BitMatrix, Vec<f64>) {
    let mut x = BitMatrix::zeros(rows, layer.size());
    let mut log_q = vec![0.0; rows];
    for (row, log_q) in log_q.iter_mut().enumerate() {
        let q = |i: usize, states: usize| {
            COIN_SHARE / states as f64 + (1.0 - COIN_SHARE) * f64::from(mean(row, i))
        };
        for segment in layer.units.segments() {
            if segment.kind != Kind::Softmax {
                for i in segment.range() {
                    let (q, is_on) = (q(i, 2), f64::from(draws.uniform(row, i)) < q(i, 2));
                    x.set(row, i, is_on);
                    *log_q += if is_on { q.ln() } else { (1.0 - q).ln() };
                }
                continue;
            }
            let u = f64::from(draws.uniform(row, segment.first));
            let (mut chosen, mut below) = (segment.first, 0.0);
            for i in segment.range() {
                chosen = i;
                below += q(i, segment.size);
                if below > u {
                    break;
                }
            }
            x.set(row, chosen, true);
            *log_q += q(chosen, segment.size).ln();
        }
    }
    (x, log_q)
}
