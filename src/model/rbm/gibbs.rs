//! Block Gibbs sampling of an RBM.

use super::Rbm;
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    model::Clamp,
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::States,
    threads::in_pool,
    units::Kind,
};

/// Parallel Markov chains over the states of an RBM, one a row. A sweep draws all hidden units
/// given the visible ones, then all visible given the hidden ones. Draws depend on the seed, the
/// chain's row and the number of half sweeps so far alone.
#[derive(Clone, Debug)]
pub struct RbmChain {
    v: States,
    h: States,
    seed: u64,
    half_sweeps: u64,
    clamp_v: Option<Clamp>,
    clamp_h: Option<Clamp>,
    buffers: Propagation,
}

impl RbmChain {
    /// Chains that start from the visible states `v`.
    pub fn from_visible(v: impl Into<States>, n_hidden: usize, seed: u64) -> Self {
        let v = v.into();
        let h = BitMatrix::zeros(v.rows(), n_hidden);
        Self {
            v,
            h: h.into(),
            seed,
            half_sweeps: 0,
            clamp_v: None,
            clamp_h: None,
            buffers: Propagation::default(),
        }
    }

    /// Chains that start from the hidden states `h`: the visible states are drawn at once.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] unless `h` has the machine's hidden units.
    pub fn from_hidden(rbm: &Rbm, h: impl Into<States>, beta: f32, seed: u64) -> Result<Self> {
        let h = h.into();
        let v = States::zeros(h.rows(), rbm.visible());
        let mut chain = Self {
            v,
            h,
            seed,
            half_sweeps: 0,
            clamp_v: None,
            clamp_h: None,
            buffers: Propagation::default(),
        };
        chain.draw_visible(rbm, beta)?;
        Ok(chain)
    }

    /// `count` chains whose visible units are fair coins; softmax groups are uniform, continuous
    /// units those of a machine without connections.
    pub fn uniform(rbm: &Rbm, count: usize, seed: u64) -> Self {
        let draws = Draws::new(seed, Site::Start, 0);
        if rbm.visible().units.are(Kind::Bernoulli) {
            let v = BitMatrix::from_fn(count, rbm.n_visible(), |i, j| draws.bits(i, j) >> 31 == 1);
            return Self::from_visible(v, rbm.n_hidden(), seed);
        }
        let h = States::zeros(count, rbm.hidden());
        let mut v = States::zeros(count, rbm.visible());
        let tail = v.sampled(0..count, draws, Tail::new(0.0));
        rbm.visible_from_hidden(h.view(), tail, &mut Propagation::default())
            .expect("a machine's own states fit it");
        Self::from_visible(v, rbm.n_hidden(), seed)
    }

    /// Chains in the midst of a run: what [`Self::visible`], [`Self::hidden`], [`Self::seed`] and
    /// [`Self::half_sweeps`] told. They go on as if never interrupted, bit for bit. Held units are
    /// to be held again.
    ///
    /// # Errors
    /// [`Error::Shape`] for different numbers of chains.
    pub fn restored(v: States, h: States, seed: u64, half_sweeps: u64) -> Result<Self> {
        if v.rows() != h.rows() {
            return Err(Error::shape("chains of hidden states", v.rows(), h.rows()));
        }
        Ok(Self {
            h,
            half_sweeps,
            ..Self::from_visible(v, 0, seed)
        })
    }

    /// The same chains with visible units held at given values, from now on: a sweep then is one of
    /// block Gibbs sampling of `p(free units, h | held units)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `clamp` is of this layer and of one row or as many as there are
    /// chains.
    pub fn clamped_visible(mut self, clamp: Clamp) -> Result<Self> {
        clamp.check_fits(&self.v)?;
        clamp.restore(&mut self.v);
        self.clamp_v = Some(clamp);
        Ok(self)
    }

    /// The same chains with hidden units held at given values, from the next sweep on.
    ///
    /// # Errors
    /// As [`Self::clamped_visible`].
    pub fn clamped_hidden(mut self, clamp: Clamp) -> Result<Self> {
        clamp.check_fits(&self.h)?;
        self.clamp_h = Some(clamp);
        Ok(self)
    }

    /// Seed of the draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The visible states.
    pub fn visible(&self) -> &States {
        &self.v
    }

    /// The hidden states from which the visible ones were last drawn; zeros before the first sweep.
    pub fn hidden(&self) -> &States {
        &self.h
    }

    /// Half sweeps so far.
    pub fn half_sweeps(&self) -> u64 {
        self.half_sweeps
    }

    /// `sweeps` sweeps at inverse temperature `beta`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the chains belong to a machine of another size.
    pub fn sweep(&mut self, rbm: &Rbm, beta: f32, sweeps: usize) -> Result<()> {
        crate::environment::check()?;
        in_pool(|| self.sweep_in_pool(rbm, beta, sweeps))
    }

    fn sweep_in_pool(&mut self, rbm: &Rbm, beta: f32, sweeps: usize) -> Result<()> {
        let rows = self.v.rows();
        if self.h.bits().is_some() != rbm.hidden().units.are_binary() {
            self.h = States::zeros(rows, rbm.hidden());
        }
        for _ in 0..sweeps {
            let draws = self.next_draws();
            let tail = self.h.sampled(0..rows, draws, Tail::new(beta));
            rbm.hidden_from_visible(self.v.view(), tail, &mut self.buffers)?;
            if let Some(clamp) = &self.clamp_h {
                clamp.restore(&mut self.h);
            }
            self.draw_visible(rbm, beta)?;
        }
        Ok(())
    }

    fn draw_visible(&mut self, rbm: &Rbm, beta: f32) -> Result<()> {
        let draws = self.next_draws();
        let tail = self.v.sampled(0..self.h.rows(), draws, Tail::new(beta));
        rbm.visible_from_hidden(self.h.view(), tail, &mut self.buffers)?;
        if let Some(clamp) = &self.clamp_v {
            clamp.restore(&mut self.v);
        }
        Ok(())
    }

    fn next_draws(&mut self) -> Draws {
        self.half_sweeps += 1;
        Draws::new(self.seed, Site::Gibbs, self.half_sweeps)
    }
}
