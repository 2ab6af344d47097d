//! Annealing given what was observed: `ln p*(v_o)` of examples with missing values.

use super::{
    Ais, Annealing, LogZ,
    annealed::{Chains, End, Start, Way},
    rbm::RbmChains,
};
use crate::{
    bits::{BitMatrix, BitView},
    dataset::{Rows, is_full},
    error::{Error, Result},
    model::{Clamp, Layer, Rbm},
    progress::Progress,
    states::{Input, States},
};
use std::borrow::Cow;

/// Chains at once, if each example has no more: so many states stay in the cache.
const CHAINS: usize = 2048;

impl Ais {
    /// Estimates `ln sum e^-E` over the missing and the hidden units of each row, so that
    /// `ln p(v_observed)` is this less `ln Z`: by [`Self::chains`] chains for each row, whose
    /// observed units are held, along the way of [`Self::log_z`]. The mean of the weights is
    /// unbiased, so that on average each is underestimated. A row without missing values has one
    /// weight, which is exact. `progress` counts temperatures of blocks of rows.
    ///
    /// With `f_beta` as [`Annealed`](super::Annealed) has it, the way goes through
    /// `p_beta(v_m | v_o) ~ f_beta(v_o, v_m)` from the sum over `v_m` of `f_0(v_o, v_m)`, which
    /// independent units give, to that of `f_1`, which is asked for. A sweep at `beta` with the
    /// observed units held satisfies detailed balance with respect to it (Neal 2001).
    ///
    /// Cost: `2 x rows x chains x betas` rows of products.
    ///
    /// # Errors
    /// Those of [`Self::log_z`] and of [`Clamp::new`]; [`Error::Shape`] for rows of another width.
    pub fn log_sums_over_missing<'a>(
        &self,
        rbm: &Rbm,
        rows: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<LogZ>> {
        let rows = rows.into();
        let (v, n) = (rows.input(), rbm.n_visible());
        if v.columns() != n {
            return Err(Error::shape("units of the examples", n, v.columns()));
        }
        rbm.visible().check_values(rows)?;
        let base = self.checked_base(rbm)?;
        let ladder = self.ladder_from(rbm, &base, progress)?;
        let Some(observed) = rows.observed() else {
            let free = rbm.exact_free_energies(v)?;
            let exact = |f: f64| LogZ::new(Annealing::Forward, vec![-f]);
            return Ok(free.into_iter().map(exact).collect());
        };
        let whole = |row: usize| -> Result<LogZ> {
            let given = rbm.given_observed(v, observed, row)?;
            Ok(LogZ::new(Annealing::Forward, vec![given.log_weight]))
        };
        let (full, annealed): (Vec<usize>, Vec<usize>) =
            (0..v.rows()).partition(|&row| is_full(observed, row));
        let mut all = vec![None; v.rows()];
        for row in full {
            all[row] = Some(whole(row)?);
        }
        let at_once = (CHAINS / self.chains).max(1);
        let blocks = annealed.len().div_ceil(at_once);
        for (block, chosen) in annealed.chunks(at_once).enumerate() {
            let mut progress = progress.part(block, 1, blocks);
            let block = Block {
                rbm,
                base: &base,
                ladder: &ladder,
                chains: self.chains,
            };
            let seed = self.seed.wrapping_add(chosen[0] as u64);
            let weights = block.weights(v, observed, chosen, seed, &mut progress)?;
            for (&row, weights) in chosen.iter().zip(weights) {
                all[row] = Some(weights);
            }
        }
        Ok(all.into_iter().flatten().collect())
    }
}

/// Rows that are annealed together.
struct Block<'a> {
    rbm: &'a Rbm,
    base: &'a [f32],
    ladder: &'a [f32],
    chains: usize,
}

impl Block<'_> {
    /// The estimates of the rows `chosen`.
    fn weights(
        &self,
        v: Input<'_>,
        observed: BitView<'_>,
        chosen: &[usize],
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<Vec<LogZ>> {
        let (rbm, copies) = (self.rbm, self.chains);
        let rows: Vec<usize> = chosen.iter().flat_map(|&i| [i].repeat(copies)).collect();
        let mask = BitMatrix::from_fn(rows.len(), v.columns(), |i, j| observed.get(rows[i], j));
        let values: States = match rbm.visible().units.are_binary() {
            true => v.take(&rows).packed(),
            false => v.take(&rows).into_matrix().into(),
        };
        let held = Clamp::new(rbm.visible(), values, mask)?;
        let on = (Way::Given, seed);
        let start = Start::Base(rows.len());
        let mut chains = RbmChains::new(Cow::Borrowed(rbm), self.base, on, start)?;
        held.restore(chains.visible_mut());
        let starts = self.log_sums_of_base(v, observed, chosen)?;
        let mut weights: Vec<f64> = starts.iter().flat_map(|&x| [x].repeat(copies)).collect();
        let mut increments = vec![0.0; rows.len()];
        let steps = self.ladder.len() - 1;
        for k in 0..steps {
            let (low, high) = (self.ladder[k], self.ladder[k + 1]);
            let is_last = k + 1 == steps;
            let begin = (!is_last).then_some((End::High, k as u64 + 1));
            chains.rise((low, high), begin, is_last, &mut increments)?;
            let all = weights.iter_mut().zip(&increments);
            all.for_each(|(weight, x)| *weight += x);
            if let Some((_, step)) = begin {
                chains.sweep(high, step)?;
                held.restore(chains.visible_mut());
            }
            progress.check(k + 1, steps)?;
        }
        let of_row = |weights: &[f64]| LogZ::new(Annealing::Forward, weights.to_vec());
        Ok(weights.chunks_exact(copies).map(of_row).collect())
    }

    /// `ln` of the sum of `f_0` over the missing units, for each row.
    fn log_sums_of_base(
        &self,
        v: Input<'_>,
        observed: BitView<'_>,
        chosen: &[usize],
    ) -> Result<Vec<f64>> {
        let with = |layer: &Layer, bias: &[f32]| Layer {
            bias: bias.to_vec(),
            ..layer.clone()
        };
        let no_bias = vec![0.0; self.rbm.n_hidden()];
        let visible = with(self.rbm.visible(), self.base);
        let base = Rbm::unconnected(visible, with(self.rbm.hidden(), &no_bias))?;
        let alone = |layer: &Layer| {
            let own: Vec<f64> = layer.bias.iter().map(|&b| b.into()).collect();
            layer.log_partition(&own, 1.0)
        };
        let of_row = |&row: &usize| -> Result<f64> {
            let given = base.given_observed(v, observed, row)?;
            let rest = given
                .rbm
                .map_or(0.0, |rest| alone(rest.visible()) + alone(rest.hidden()));
            Ok(given.log_weight + rest)
        };
        chosen.iter().map(of_row).collect()
    }
}
