//! Block Gibbs sampling of an RBM.

use super::Rbm;
use crate::{
    bits::BitMatrix,
    error::Result,
    product::{Propagation, Tail, in_pool},
    rng::{Draws, Site},
};

/// Parallel Markov chains over the states of an RBM, one a row. A sweep draws all hidden units given the visible ones, then all visible
/// given the hidden ones. Draws depend on the seed, the chain's row and the number of half sweeps so far alone.
#[derive(Clone, Debug)]
pub struct GibbsChain {
    v: BitMatrix,
    h: BitMatrix,
    seed: u64,
    half_sweeps: u64,
    buffers: Propagation,
}

impl GibbsChain {
    /// Chains that start from the visible states `v`.
    pub fn from_visible(v: BitMatrix, n_hidden: usize, seed: u64) -> Self {
        let h = BitMatrix::zeros(v.rows(), n_hidden);
        Self {
            v,
            h,
            seed,
            half_sweeps: 0,
            buffers: Propagation::default(),
        }
    }

    /// Chains that start from the hidden states `h`: the visible states are drawn at once.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] unless `h` has the machine's hidden units.
    pub fn from_hidden(rbm: &Rbm, h: BitMatrix, beta: f32, seed: u64) -> Result<Self> {
        let v = BitMatrix::zeros(h.rows(), rbm.n_visible());
        let mut chain = Self {
            v,
            h,
            seed,
            half_sweeps: 0,
            buffers: Propagation::default(),
        };
        chain.draw_visible(rbm, beta)?;
        Ok(chain)
    }

    /// `count` chains whose visible units are fair coins.
    pub fn uniform(rbm: &Rbm, count: usize, seed: u64) -> Self {
        let draws = Draws::new(seed, Site::Start, 0);
        let v = BitMatrix::from_fn(count, rbm.n_visible(), |i, j| draws.bits(i, j) >> 31 == 1);
        Self::from_visible(v, rbm.n_hidden(), seed)
    }

    /// The visible states.
    pub fn visible(&self) -> &BitMatrix {
        &self.v
    }

    /// The hidden states from which the visible ones were last drawn; zeros before the first sweep.
    pub fn hidden(&self) -> &BitMatrix {
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
        in_pool(|| self.sweep_in_pool(rbm, beta, sweeps))
    }

    fn sweep_in_pool(&mut self, rbm: &Rbm, beta: f32, sweeps: usize) -> Result<()> {
        for _ in 0..sweeps {
            let draws = self.next_draws();
            let tail = Tail {
                sample: Some((self.h.view_mut(), draws)),
                ..Tail::new(beta)
            };
            rbm.hidden_from_visible((&self.v).into(), tail, &mut self.buffers)?;
            self.draw_visible(rbm, beta)?;
        }
        Ok(())
    }

    fn draw_visible(&mut self, rbm: &Rbm, beta: f32) -> Result<()> {
        let draws = self.next_draws();
        let tail = Tail {
            sample: Some((self.v.view_mut(), draws)),
            ..Tail::new(beta)
        };
        rbm.visible_from_hidden((&self.h).into(), tail, &mut self.buffers)
    }

    fn next_draws(&mut self) -> Draws {
        self.half_sweeps += 1;
        Draws::new(self.seed, Site::Gibbs, self.half_sweeps)
    }
}
