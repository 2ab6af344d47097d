//! Parallel tempering: replicas at several temperatures that change places.

mod replicas;
mod trajectory;
mod units;

pub use replicas::SwapRate;
pub use trajectory::Trajectory;
pub(crate) use trajectory::{Models, Rungs};
pub(crate) use units::UnitReplicas;

use super::{Clamp, Layer, Rbm, layer::dot};
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    product::Tail,
    progress::Progress,
    states::States,
    threads::{in_pool, prelude::*},
};
use replicas::Replicas;

/// Sweeps of burn-in before the ladder is first adapted; then at each doubling.
const FIRST_ADAPTATION: usize = 8;
/// Rows whose energies one task sums, at least.
const ROWS_A_TASK: usize = 16;

/// `count` inverse temperatures in even steps from 1 down to `lowest`.
pub fn even_ladder(count: usize, lowest: f32) -> Vec<f32> {
    let step = (1.0 - lowest) / count.saturating_sub(1).max(1) as f32;
    (0..count)
        .map(|k| match k {
            0 => 1.0,
            k if k + 1 == count => lowest,
            k => 1.0 - k as f32 * step,
        })
        .collect()
}

/// Parallel tempering of an RBM (Swendsen and Wang 1986; for RBMs Desjardins, Courville, Bengio,
/// Vincent and Delalleau 2010): every chain has a replica at each inverse temperature
/// `1 = beta_0 > beta_1 > ... > beta_K >= 0`. A sweep draws all hidden, then all visible units of
/// every replica at its own temperature; then neighbors propose to swap their visible states, the
/// pairs (0,1), (2,3), ... in one sweep and (1,2), (3,4), ... in the next, with the Metropolis
/// ratio of the marginals
///
/// ```text
/// f_k(v) = e^(beta_k b.v) prod_j (1 + e^(beta_k (v W + c)_j)), or with a base b0 (Self::toward)
/// f_k(v) = e^((1 - beta_k) b0.v + beta_k b.v) prod_j (1 + e^(beta_k (v W + c)_j)).
/// ```
///
/// Hidden states are summed out, which accepts more swaps than the energies of `(v, h)`. Each `f_k`
/// is left alone by both moves, so the replicas at `beta_0 = 1` sample the model exactly, however
/// bad the ladder. Units of any kind; continuous ones need `beta_K > 0`.
///
/// Draws depend on the seed, the numbers of half sweeps and swap rounds so far, level, chain and
/// pair alone. Cost of a sweep: three products for every replica, each way one and one for the
/// swaps; one call a temperature. After the first sweep nothing is allocated.
#[derive(Clone, Debug)]
pub struct Tempering {
    replicas: Replicas,
    betas: Vec<f32>,
    base: Option<TemperingBase>,
}

/// Independent visible units at `beta = 0`.
#[derive(Clone, Debug)]
struct TemperingBase {
    bias: Vec<f32>,
    /// The visible layer with the biases of one temperature.
    mixed: Layer,
    /// The visible layer on its own with the biases of the base, and one hidden unit without
    /// connections.
    machine: Rbm,
    /// States of that hidden unit.
    nothing: BitMatrix,
}

impl Tempering {
    /// Replicas at `betas`, all of them from the visible states `v`, a chain a row.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `betas` falls strictly from 1 to at least 0, above 0 for
    /// continuous units; [`Error::Shape`] and [`Error::Parameter`] for states that are not the
    /// machine's.
    pub fn from_visible(
        rbm: &Rbm,
        betas: Vec<f32>,
        v: impl Into<States>,
        seed: u64,
    ) -> Result<Self> {
        let v = v.into();
        v.check_layer("visible states", rbm.visible())?;
        let mut tempering = Self::new(rbm, betas, v.rows(), seed)?;
        for level in 0..tempering.betas.len() {
            tempering.replicas.set_visible(level, &v)?;
        }
        Ok(tempering)
    }

    /// Replicas of `chains` chains at `betas` whose visible units are fair coins, as those of
    /// [`super::Rbm::chains`].
    ///
    /// # Errors
    /// As [`Self::from_visible`].
    pub fn uniform(rbm: &Rbm, betas: Vec<f32>, chains: usize, seed: u64) -> Result<Self> {
        let mut tempering = Self::new(rbm, betas, chains, seed)?;
        tempering.replicas.start(rbm, 0.0)?;
        Ok(tempering)
    }

    fn new(rbm: &Rbm, betas: Vec<f32>, chains: usize, seed: u64) -> Result<Self> {
        check_ladder(rbm, &betas)?;
        Ok(Self {
            replicas: Replicas::new(rbm, betas.len(), chains, seed)?,
            betas,
            base: None,
        })
    }

    /// The same with independent visible units of biases `bias` at `beta = 0` in place of fair
    /// coins, such as the log-odds of the data: the way that AIS goes, far shorter for a trained
    /// machine.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a bias for every visible unit; [`Error::Parameter`] for
    /// continuous visible units; [`Error::NotFinite`].
    pub fn toward(mut self, rbm: &Rbm, bias: &[f32]) -> Result<Self> {
        let layer = rbm.visible();
        if bias.len() != layer.size() {
            return Err(Error::shape("biases of the base", layer.size(), bias.len()));
        }
        if !layer.units.are_discrete() {
            let expected = "discrete visible units";
            return Err(Error::parameter(
                "biases of the base",
                expected,
                &layer.units,
            ));
        }
        let mut alone = layer.clone();
        alone.bias.copy_from_slice(bias);
        self.base = Some(TemperingBase {
            bias: bias.to_vec(),
            mixed: layer.clone(),
            machine: Rbm::unconnected(alone, Layer::bernoulli(1))?,
            nothing: BitMatrix::zeros(self.replicas.chains(), 1),
        });
        Ok(self)
    }

    /// The same with visible units held at given values, at every temperature: replicas at 1 then
    /// sample `p(free units | held units)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another layer than 0, the visible one; [`Error::Shape`] unless
    /// `clamp` is of this layer and of one row or as many as there are chains.
    pub fn clamped(mut self, layer: usize, clamp: Clamp) -> Result<Self> {
        self.replicas.hold(layer, &clamp)?;
        Ok(self)
    }

    /// The inverse temperatures, from 1 down.
    pub fn betas(&self) -> &[f32] {
        &self.betas
    }

    /// Chains, each with a replica at every temperature.
    pub fn chains(&self) -> usize {
        self.replicas.chains()
    }

    /// A copy of the visible states at `beta = 1`, a chain a row: samples of the model.
    pub fn visible(&self) -> States {
        self.visible_at(0)
    }

    /// A copy of the visible states at temperature `level`.
    pub fn visible_at(&self, level: usize) -> States {
        self.replicas.visible_at(level)
    }

    /// Puts the visible states at temperature `level` in place of what is there: a start for each
    /// level.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Parameter`] for states of another layer or number of chains.
    pub fn set_visible_at(&mut self, level: usize, v: &States) -> Result<()> {
        self.replicas.set_visible(level, v)
    }

    /// A copy of the hidden states at `beta = 1` as they were before the last swaps: with respect
    /// to themselves samples of the model.
    pub fn hidden(&self) -> States {
        self.replicas.hidden_at(0)
    }

    /// Swaps between temperatures `k` and `k + 1`, for each `k`, since the start or the end of
    /// burn-in.
    pub fn swap_rates(&self) -> &[SwapRate] {
        self.replicas.rates()
    }

    /// `sweeps` sweeps of all replicas, each with a round of swaps.
    ///
    /// # Errors
    /// [`Error::Shape`] if the replicas belong to a machine of another size.
    pub fn sweep(&mut self, rbm: &Rbm, sweeps: usize) -> Result<()> {
        in_pool(|| {
            for _ in 0..sweeps {
                self.draw_hidden(rbm, None)?;
                self.draw_visible(rbm)?;
                self.swap(rbm)?;
            }
            Ok(())
        })
    }

    /// `sweeps` sweeps that adapt the ladder, after 8, 16, 32, ... sweeps. Both ends stay; the
    /// temperatures between are put where the rejection rate, summed over the pairs and
    /// interpolated linearly between temperatures, has equal shares for all pairs (Syed,
    /// Bouchard-Cote, Deligiannidis and Doucet 2022). Afterwards the ladder is frozen and swap
    /// rates count from zero: samples that are to be the model's come after burn-in.
    ///
    /// # Errors
    /// As [`Self::sweep`]; [`Error::Stopped`] if `progress` breaks: the chains are then as far as
    /// they came.
    pub fn burn_in(&mut self, rbm: &Rbm, sweeps: usize, progress: &mut dyn Progress) -> Result<()> {
        let mut next = FIRST_ADAPTATION;
        for done in 1..=sweeps {
            self.sweep(rbm, 1)?;
            if done == next {
                self.adapt();
                next *= 2;
            }
            progress.check(done, sweeps)?;
        }
        self.replicas.reset_rates();
        Ok(())
    }

    /// Equal shares of the rejections since the last time.
    fn adapt(&mut self) {
        let rates = self.replicas.rates();
        if rates.iter().any(|rate| rate.attempts == 0) {
            return;
        }
        let mut sums = vec![0.0];
        for rate in rates {
            sums.push(sums[sums.len() - 1] + 1.0 - rate.rate());
        }
        self.betas = equal_shares(&self.betas, &sums);
        self.replicas.reset_rates();
    }

    /// Continues the numbering of draws as after so many half sweeps and swap rounds.
    pub(crate) fn set_position(&mut self, half_sweeps: u64, rounds: u64) {
        self.replicas.set_position(half_sweeps, rounds);
    }

    /// All replicas, temperature by temperature.
    pub(crate) fn states(&self) -> (&States, &States) {
        self.replicas.states()
    }

    pub(crate) fn set_hidden(&mut self, h: States) {
        self.replicas.set_hidden(h);
    }

    /// `h ~ P_k(h | v)` of every replica; and `E[h | v]` at `beta = 1` into `mean`
    /// `[chains x n_hidden]`.
    pub(crate) fn draw_hidden(&mut self, rbm: &Rbm, mean: Option<&mut Matrix>) -> Result<()> {
        let betas = &self.betas;
        self.replicas.draw_hidden(mean, |k| (rbm, betas[k]))
    }

    /// `v ~ P_k(v | h)` of every replica.
    pub(crate) fn draw_visible(&mut self, rbm: &Rbm) -> Result<()> {
        let (betas, base) = (&self.betas, &mut self.base);
        self.replicas.draw_visible(|k, h, tail, buffers| {
            let beta = betas[k];
            match base {
                None => rbm.visible_from_hidden(h, Tail { beta, ..tail }, buffers),
                Some(base) if beta == 0.0 => {
                    let nothing = (&base.nothing).into();
                    base.machine.visible_from_hidden(nothing, tail, buffers)
                }
                Some(base) => {
                    let biases = rbm.visible().bias.iter().zip(&base.bias);
                    for (to, (b, b0)) in base.mixed.bias.iter_mut().zip(biases) {
                        *to = b + (1.0 - beta) / beta * b0;
                    }
                    rbm.layer_from_hidden(&base.mixed, h, Tail { beta, ..tail }, buffers)
                }
            }
        })
    }

    /// A round of swaps of visible states.
    pub(crate) fn swap(&mut self, rbm: &Rbm) -> Result<()> {
        let betas = &self.betas;
        let base = self.base.as_ref().map(|base| &base.bias[..]);
        self.replicas.swap(|k, v, scores, buffers| {
            let (high, low) = (betas[k], betas[k + 1]);
            let tail = Tail {
                softplus_sums: Some(&mut *scores),
                minus_beta: Some(low),
                ..Tail::new(high)
            };
            rbm.hidden_from_visible(v, tail, buffers)?;
            let fall = f64::from(high) - f64::from(low);
            let add = |(s, score): (usize, &mut f64)| {
                let of_base = base.map_or(0.0, |bias| dot(v, s, bias));
                *score += fall * (rbm.visible().own_term(v, s) - of_base);
            };
            let scores = scores.par_iter_mut().enumerate();
            in_pool(|| scores.with_min_len(ROWS_A_TASK).for_each(add));
            Ok(())
        })
    }
}

/// Refuses ladders that do not fall strictly from 1 to at least 0, or above 0 where units have no
/// distribution at 0.
fn check_ladder(rbm: &Rbm, betas: &[f32]) -> Result<()> {
    let continuous = [rbm.visible(), rbm.hidden()]
        .iter()
        .any(|layer| !layer.units.are_discrete());
    let lowest = betas.last().copied().unwrap_or(f32::NAN);
    let falls = betas.windows(2).all(|pair| pair[0] > pair[1]);
    let ends = if continuous {
        lowest > 0.0
    } else {
        lowest >= 0.0
    };
    if betas.first() == Some(&1.0) && falls && ends {
        return Ok(());
    }
    let least = if continuous {
        "above 0, for continuous units"
    } else {
        "at least 0"
    };
    Err(Error::parameter(
        "inverse temperatures",
        format!("strictly falling from 1 to {least}"),
        format!("{betas:?}"),
    ))
}

/// `betas` with the inner ones where the increasing `sums`, given at `betas`, has equal shares
/// between neighbors; unchanged where rounding would make two of them one.
fn equal_shares(betas: &[f32], sums: &[f64]) -> Vec<f32> {
    let last = betas.len() - 1;
    let all = sums[last];
    let mut out = betas.to_vec();
    for (j, beta) in out.iter_mut().enumerate().take(last).skip(1) {
        let target = all * j as f64 / last as f64;
        let k = sums.partition_point(|&x| x <= target).clamp(1, last) - 1;
        let (from, to) = (f64::from(betas[k]), f64::from(betas[k + 1]));
        let share = (target - sums[k]) / (sums[k + 1] - sums[k]).max(f64::MIN_POSITIVE);
        *beta = (from + share.clamp(0.0, 1.0) * (to - from)) as f32;
    }
    if out.windows(2).all(|pair| pair[0] > pair[1]) {
        out
    } else {
        betas.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders() {
        assert_eq!(even_ladder(5, 0.0), [1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!(even_ladder(1, 0.0), [1.0]);
        assert_eq!(even_ladder(0, 0.0), [0.0; 0]);
        // Rejections 0.6 between 1 and 0.5, 0.2 between 0.5 and 0: half of 0.8 is two thirds of the
        // way down the first step.
        let out = equal_shares(&[1.0, 0.5, 0.0], &[0.0, 0.6, 0.8]);
        assert!((out[1] - (1.0 - 0.5 * 2.0 / 3.0)).abs() < 1e-6, "{out:?}");
        // Equal shares stay, and so does a ladder that nothing is known about.
        assert_eq!(equal_shares(&[1.0, 0.5, 0.0], &[0.0, 0.3, 0.6])[1], 0.5);
        assert_eq!(equal_shares(&[1.0, 0.5, 0.0], &[0.0, 0.0, 0.0])[1], 0.5);
        let rbm = Rbm::bernoulli(&[2, 2]).unwrap();
        for bad in [&[][..], &[0.5], &[1.0, 1.0], &[1.0, -0.1], &[1.0, f32::NAN]] {
            assert!(
                Tempering::uniform(&rbm, bad.to_vec(), 1, 0).is_err(),
                "{bad:?}"
            );
        }
        assert!(Tempering::uniform(&rbm, vec![1.0], 0, 0).is_err());
    }
}
