//! Independent draws from a machine that can be enumerated.

use super::{Side, distribution_over};
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    model::{BoltzmannMachine, Dbm, Rbm},
    product::{Propagation, Tail},
    rng::{Draws, HostRng, Site, Stream},
    states::States,
};

/// Most binary units, or their number of states, that [`Rbm::exact_samples`] enumerates: a table of
/// 2^20 probabilities.
pub const MAX_SAMPLED_UNITS: usize = 20;

/// `count` indices by their probability, which need not add up to 1.
fn draw_indices(mut p: Vec<f64>, count: usize, seed: u64) -> Vec<usize> {
    let mut sum = 0.0;
    for p in &mut p {
        sum += *p;
        *p = sum;
    }
    let mut rng = HostRng::new(seed, Stream::Exact);
    let mut index = || {
        let u = sum * rng.uniform();
        p.partition_point(|&c| c <= u).min(p.len() - 1)
    };
    (0..count).map(|_| index()).collect()
}

impl Side {
    fn states(self, rbm: &Rbm) -> f64 {
        let (own, _) = self.layers(rbm);
        own.states().unwrap_or(f64::INFINITY)
    }
}

impl Rbm {
    /// Whether [`Self::exact_samples`] can enumerate a layer.
    pub fn has_exact_samples(&self) -> bool {
        self.smaller_side().states(self) <= (MAX_SAMPLED_UNITS as f64).exp2()
    }

    /// `count` independent visible states `[count x n_visible]` of the model: states of the layer
    /// with fewer of them by their enumerated probability, and if that is the hidden one
    /// `v ~ P(v | h)`. Precision: probabilities f64, conditionals f32. Deterministic in the seed.
    /// Cost: that of [`Self::visible_distribution`] of that layer.
    ///
    /// # Errors
    /// [`Error::Parameter`] beyond 2^[`MAX_SAMPLED_UNITS`] states, [`Error::NotFinite`] for NaN or
    /// infinite parameters.
    pub fn exact_samples(&self, count: usize, seed: u64) -> Result<States> {
        let side = self.smaller_side();
        if !self.has_exact_samples() {
            return Err(Error::parameter(
                "states to enumerate for exact samples",
                format!("at most 2^{MAX_SAMPLED_UNITS}"),
                format!("2^{:.1}", side.states(self).log2()),
            ));
        }
        let (own, _) = side.layers(self);
        let p = distribution_over(self, side, 1.0, &mut ())?;
        let mut states = States::zeros(count, own);
        for (s, index) in draw_indices(p, count, seed).into_iter().enumerate() {
            let state = own.state(index as u64);
            match &mut states {
                States::Bits(x) => (0..state.len()).for_each(|i| x.set(s, i, state[i] == 1.0)),
                States::Real(x) => x.row_mut(s).copy_from_slice(&state),
            }
        }
        if side == Side::Visible {
            return Ok(states);
        }
        let mut v = States::zeros(count, self.visible());
        let draws = Draws::new(seed, Site::Start, Stream::Exact.number());
        let tail = Tail {
            precise: true,
            ..Tail::new(1.0)
        };
        let tail = v.sampled(0..count, draws, tail);
        self.visible_from_hidden(states.view(), tail, &mut Propagation::default())?;
        Ok(v)
    }
}

impl Dbm {
    /// As [`Rbm::exact_samples`], of the RBM that the machine is.
    ///
    /// # Errors
    /// As [`Rbm::exact_samples`].
    pub fn exact_samples(&self, count: usize, seed: u64) -> Result<States> {
        let even = self.bipartite().exact_samples(count, seed)?;
        Ok(even.first_columns(self.n_visible()))
    }
}

impl BoltzmannMachine {
    /// Whether [`Self::exact_samples`] can enumerate the units.
    pub fn has_exact_samples(&self) -> bool {
        self.states() <= (MAX_SAMPLED_UNITS as f64).exp2()
    }

    /// `count` independent states of all units `[count x units]`, visible ones first, by their
    /// enumerated probability. Deterministic in the seed.
    ///
    /// # Errors
    /// [`Error::Parameter`] beyond 2^[`MAX_SAMPLED_UNITS`] states; those of [`Self::check`].
    pub fn exact_samples(&self, count: usize, seed: u64) -> Result<States> {
        if !self.has_exact_samples() {
            let most = format!("at most 2^{MAX_SAMPLED_UNITS}");
            let what = "states to enumerate for exact samples";
            let found = format!("2^{:.1}", self.states().log2());
            return Err(Error::parameter(what, most, found));
        }
        let p = self.joint_distribution(1.0, &mut ())?;
        let (n, mut states) = (self.n_visible(), BitMatrix::zeros(count, self.units()));
        for (s, index) in draw_indices(p, count, seed).into_iter().enumerate() {
            let (visible, hidden) = self.state(index as u64);
            for (i, &x) in visible.iter().enumerate() {
                states.set(s, i, x != 0.0);
            }
            (n..self.units()).for_each(|i| states.set(s, i, hidden >> (i - n) & 1 == 1));
        }
        Ok(states.into())
    }
}
