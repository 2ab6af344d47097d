//! Expectations of the data and of the model.

use super::{BoltzmannLearner, BoltzmannOptions};
use crate::{
    bits::BitView,
    error::{Error, Result},
    product::{Direction, Tail, Term},
    rng::{Draws, Site},
    train::{
        Negative, Positive,
        run::{At, Batch, Done, Stop},
    },
};

/// Refuses options that do not infer missing values: enumeration does, and chains do.
pub(super) fn check_missing(options: &BoltzmannOptions) -> Result<()> {
    let refused = |what: &str, expected: &str, found: String| {
        let what = format!("{what} of examples with missing values");
        Err(Error::parameter(what, expected, found))
    };
    let negative = options.negative;
    match options.positive {
        _ if negative == Negative::PseudoLikelihood => {
            let expected = "chains or the exact gradient";
            refused("negative phase", expected, format!("{negative:?}"))
        }
        Positive::MeanField(_) => {
            let expected = "Gibbs chains or the exact posterior";
            refused("positive phase", expected, "mean field".into())
        }
        Positive::Exact if negative.starts_at_data() => {
            let expected = "other than contrastive divergence beside an exact posterior";
            refused("negative phase", expected, format!("{negative:?}"))
        }
        _ => Ok(()),
    }
}

impl BoltzmannLearner {
    /// `E[x x']` of the minibatch, whose states are `v`.
    pub(super) fn add_positive(
        &mut self,
        v: BitView<'_>,
        batch: &Batch<'_>,
        at: &At,
        stop: &Stop,
    ) -> Result<Done> {
        let (n, seed, size) = (
            self.machine.n_visible(),
            self.options.learning.seed,
            v.rows(),
        );
        let (rows, weights) = (batch.rows.unwrap_or_default(), batch.weights);
        self.positive.set_chains(size);
        self.positive.set_units(0, v);
        let weight = 1.0 / size as f32;
        if self.machine.n_hidden() == 0 && batch.observed.is_none() {
            self.gradient.add_counts(&self.positive, weight, weights);
            return Ok(Done::Updated);
        }
        match self.options.positive {
            Positive::Gibbs { steps } => {
                for (k, &i) in rows.iter().enumerate() {
                    self.batch_hidden
                        .copy_row(k, self.hidden.view(), i as usize);
                }
                self.positive.refresh(&self.machine);
                self.positive
                    .set_units(n, self.batch_hidden.view_rows(0..size));
                if self.takes_missing {
                    self.hold_observed(v, batch);
                }
                for k in 0..steps as u64 {
                    let step = 1 + at.updates() * steps as u64 + k;
                    self.positive
                        .sweep(1.0, Draws::new(seed, Site::Positive, step));
                }
                self.positive.units_into(n, &mut self.batch_hidden);
                if self.takes_missing {
                    self.positive.units_into(0, &mut self.batch_visible);
                }
                self.gradient.add_counts(&self.positive, weight, weights);
            }
            Positive::MeanField(options) => {
                self.means.padded_mut().fill(0.0);
                for s in 0..size {
                    self.means.row_mut(s).fill(0.5);
                }
                self.machine.mean_field_into(
                    v.into(),
                    options,
                    &mut self.means,
                    &mut self.inputs,
                    &mut self.buffers,
                )?;
                self.gradient.add_counts(&self.positive, weight, weights);
                self.gradient.add_means(v, &self.means, weight, weights);
            }
            Positive::Exact => {
                let mut held = vec![None; self.machine.units()];
                for s in 0..size {
                    if stop.is_requested() {
                        return Ok(Done::Stopped);
                    }
                    let is_known = |i: usize| batch.observed.is_none_or(|mask| mask.get(s, i));
                    for (i, held) in held[..n].iter_mut().enumerate() {
                        *held = is_known(i).then(|| v.get(s, i));
                    }
                    let posterior = self.machine.expectations_given(&held, &mut ())?;
                    let weight = f64::from(batch.weight_of(s)) / size as f64;
                    self.gradient.add_expectations(&posterior, weight);
                    if self.means.rows() > 0 {
                        let units = self.machine.units();
                        for (j, mean) in self.means.row_mut(s).iter_mut().enumerate() {
                            *mean = posterior.pairs[(n + j) * (units + 1)] as f32;
                        }
                    }
                }
            }
        }
        Ok(Done::Updated)
    }

    /// Holds the observed values of the minibatch, and puts the last states of the others in their
    /// places.
    fn hold_observed(&mut self, v: BitView<'_>, batch: &Batch<'_>) {
        let size = batch.len();
        let mask = batch
            .observed
            .unwrap_or_else(|| self.all_held.view_rows(0..size));
        self.positive.hold_only(0, mask);
        let mut to = self.batch_visible.view_mut();
        for (row, &i) in batch.rows.unwrap_or_default().iter().enumerate() {
            let given = v.row(row).iter().zip(mask.row(row));
            let last = self.visible.row(i as usize).iter();
            let all = to.row_mut(row).iter_mut().zip(given.zip(last));
            all.for_each(|(to, ((x, mask), last))| *to = (last & !mask) | (x & mask));
        }
        self.positive
            .set_units(0, self.batch_visible.view_rows(0..size));
    }

    /// Remembers the states of the examples `rows`, once nothing can stop the update.
    pub(super) fn keep_hidden(&mut self, rows: &[u32]) {
        if self.visible.rows() > 0 {
            for (k, &i) in rows.iter().enumerate() {
                self.visible
                    .copy_row(i as usize, self.batch_visible.view(), k);
            }
        }
        if self.keeps_hidden() {
            for (k, &i) in rows.iter().enumerate() {
                self.hidden
                    .copy_row(i as usize, self.batch_hidden.view(), k);
            }
        }
    }

    /// Minus `E[x x']` of the model.
    pub(super) fn add_negative(&mut self, batch: &Batch<'_>, at: &At, stop: &Stop) -> Result<Done> {
        let (negative, size) = (self.options.negative, batch.len());
        if negative == Negative::Exact {
            return match self.machine.expectations(&mut stop.clone()) {
                Ok(expected) => {
                    self.gradient
                        .add_expectations(&expected, -f64::from(batch.weight()));
                    Ok(Done::Updated)
                }
                Err(Error::Stopped) => Ok(Done::Stopped),
                Err(e) => Err(e),
            };
        }
        let hidden = self.means.rows() > 0 && negative.starts_at_data();
        if hidden {
            // Chains from the data start where the approximate posterior puts hidden units.
            let step = 1 + at.updates();
            let draws = Draws::new(self.options.learning.seed, Site::Positive, step);
            for s in 0..size {
                for (j, &p) in self.means.row(s).iter().enumerate() {
                    self.batch_hidden.set(s, j, draws.bernoulli(s, j, p));
                }
            }
        }
        let hidden = hidden.then(|| self.batch_hidden.view_rows(0..size));
        let machine = self.fast.as_ref().map_or(&self.machine, |(fast, _)| fast);
        let positive = (&self.positive, batch, hidden);
        self.negative
            .run(machine, at.updates(), positive, &mut self.gradient);
        Ok(Done::Updated)
    }

    /// The gradient of the pseudo-likelihood of the minibatch `x`.
    pub(super) fn add_pseudo_likelihood(
        &mut self,
        x: BitView<'_>,
        batch: &Batch<'_>,
    ) -> Result<()> {
        let Some(pseudo) = &mut self.pseudo else {
            unreachable!("checked by the caller");
        };
        pseudo.refresh(&self.machine);
        let term = Term {
            input: x.into(),
            weights: &pseudo.twice,
            direction: Direction::Up,
            fixed: None,
        };
        let tail = Tail {
            mean: Some(pseudo.rest.view_rows_mut(0..x.rows())),
            precise: true,
            ..Tail::new(1.0)
        };
        self.machine
            .visible()
            .propagate(&[term], tail, &mut self.buffers)?;
        pseudo.gradient_into(x, batch.weights, &mut self.gradient);
        Ok(())
    }
}
