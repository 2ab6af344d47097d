//! Block Gibbs sampling of an RBM.

use super::Rbm;
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    model::{Clamp, layer::exactly},
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::States,
    threads::as_team,
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

impl Rbm {
    /// `count` chains whose visible units are fair coins; softmax groups are uniform, continuous
    /// units those of a machine without connections.
    ///
    /// ```
    /// use harmonium::Rbm;
    /// let rbm = Rbm::bernoulli(&[6, 4])?;
    /// let mut chains = rbm.chains(10, 1)?;
    /// chains.sweep(&rbm, 100, 1.0)?;
    /// assert_eq!((chains.visible().rows(), chains.visible().columns()), (10, 6));
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::visible_from_hidden`]; [`Error::Parameter`] for counts without a length.
    pub fn chains(&self, count: usize, seed: u64) -> Result<RbmChain> {
        self.visible().expect_length("chains from nothing")?;
        let draws = Draws::new(seed, Site::Start, 0);
        if self.visible().units.are(Kind::Bernoulli) {
            let coin = |i, j| draws.bits(i, j) >> 31 == 1;
            let v = BitMatrix::from_fn(count, self.n_visible(), coin);
            return self.chains_from(v, seed);
        }
        let h = States::zeros(count, self.hidden());
        let mut v = States::zeros(count, self.visible());
        let tail = v.sampled(0..count, draws, Tail::new(0.0));
        self.visible_from_hidden(h.view(), tail, &mut Propagation::default())?;
        self.chains_from(v, seed)
    }

    /// Chains that start from the visible states `v`, one a row. Of counts, each keeps the length
    /// of its row.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` has the machine's visible units.
    pub fn chains_from(&self, v: impl Into<States>, seed: u64) -> Result<RbmChain> {
        let v = v.into();
        if v.columns() != self.n_visible() {
            let what = "columns of visible states of the chains";
            return Err(Error::shape(what, self.n_visible(), v.columns()));
        }
        let h = BitMatrix::zeros(v.rows(), self.n_hidden());
        Ok(RbmChain::started(v, h.into(), seed))
    }

    /// Chains that start from the hidden states `h`: the visible states are drawn at once.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `h` has the machine's hidden units; [`Error::Parameter`] for counts
    /// without a length.
    pub fn chains_from_hidden(
        &self,
        h: impl Into<States>,
        seed: u64,
        beta: f32,
    ) -> Result<RbmChain> {
        self.visible().expect_length("chains from hidden states")?;
        let h = h.into();
        let v = States::zeros(h.rows(), self.visible());
        let mut chain = RbmChain::started(v, h, seed);
        chain.draw_visible(self, beta)?;
        Ok(chain)
    }
}

impl RbmChain {
    fn started(v: States, h: States, seed: u64) -> Self {
        Self {
            v,
            h,
            seed,
            half_sweeps: 0,
            clamp_v: None,
            clamp_h: None,
            buffers: Propagation::default(),
        }
    }

    /// Chains in the midst of a run: what [`Self::visible`] and [`Self::hidden`] (`layers`),
    /// [`Self::seed`] and [`Self::half_sweeps`] told. They go on as if never interrupted, bit for
    /// bit. Held units are to be held again.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are states of both layers, of one number of chains;
    /// [`Error::Parameter`] for bits where the layer has numbers, and the other way round.
    pub fn restored(rbm: &Rbm, layers: Vec<States>, seed: u64, half_sweeps: u64) -> Result<Self> {
        let [v, h] = exactly("layers", layers)?;
        v.check_layer("visible states of the chains", rbm.visible())?;
        h.check_layer("hidden states of the chains", rbm.hidden())?;
        Self::resumed(v, h, seed, half_sweeps)
    }

    /// As [`Self::restored`], of whatever machine.
    pub(crate) fn resumed(v: States, h: States, seed: u64, half_sweeps: u64) -> Result<Self> {
        if v.rows() != h.rows() {
            return Err(Error::shape("chains of hidden states", v.rows(), h.rows()));
        }
        Ok(Self {
            half_sweeps,
            ..Self::started(v, h, seed)
        })
    }

    /// The same chains with units of `layer` (0: visible, 1: hidden) held at given values from now
    /// on: they then sample `p(free units | held units)`. Hidden values appear with the next sweep.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another layer; [`Error::Shape`] unless `clamp` is of this layer and
    /// of one row or as many as there are chains.
    pub fn clamped(mut self, layer: usize, clamp: Clamp) -> Result<Self> {
        match layer {
            0 => {
                clamp.check_fits(&self.v)?;
                clamp.restore(&mut self.v);
                self.clamp_v = Some(clamp);
            }
            1 => {
                clamp.check_fits(&self.h)?;
                self.clamp_h = Some(clamp);
            }
            _ => return Err(Error::parameter("layer of held units", "0 or 1", layer)),
        }
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
    pub fn sweep(&mut self, rbm: &Rbm, sweeps: usize, beta: f32) -> Result<()> {
        crate::environment::check()?;
        as_team(|| self.sweep_in_team(rbm, sweeps, beta))
    }

    fn sweep_in_team(&mut self, rbm: &Rbm, sweeps: usize, beta: f32) -> Result<()> {
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
