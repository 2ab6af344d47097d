//! Missing values and hidden units of a general machine given what was observed.

use super::{BoltzmannChain, BoltzmannMachine};
use crate::{
    bits::{BitMatrix, BitView},
    dataset::Rows,
    error::Result,
    matrix::Matrix,
    model::{
        Clamp, Imputation, Imputed,
        imputation::{put_observed, states_of_missing},
    },
    progress::Progress,
    states::{Input, States},
};

impl BoltzmannMachine {
    /// Means of the missing values and of the hidden units given what was observed of each row,
    /// `E[v_m | v_o]` and `E[h | v_o]`. Means over chains are those of their states.
    ///
    /// # Errors
    /// Those of [`Self::expectations_given`] and of chains; [`crate::Error::Parameter`] without
    /// sweeps and for values that are no bits; [`crate::Error::Stopped`] if `progress` breaks.
    pub fn impute<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        how: Imputation,
        progress: &mut dyn Progress,
    ) -> Result<Imputed> {
        how.check()?;
        let rows = rows.into();
        let v = rows.input();
        let ones = BitMatrix::from_fn(v.rows(), v.columns(), |_, _| true);
        let observed = rows.observed().unwrap_or(ones.view());
        self.visible().check_values(rows)?;
        let (n, m) = (self.n_visible(), self.n_hidden());
        let mut visible = Matrix::zeros(v.rows(), n);
        let mut hidden = Matrix::zeros(v.rows(), m);
        match how {
            Imputation::Exact => {
                let mut held = vec![None; self.units()];
                for s in 0..v.rows() {
                    for (i, held) in held[..n].iter_mut().enumerate() {
                        *held = observed.get(s, i).then(|| v.get(s, i) != 0.0);
                    }
                    let means = self.expectations_given(&held, &mut ())?.means;
                    let both = [visible.row_mut(s), hidden.row_mut(s)];
                    let to = both.into_iter().flatten();
                    to.zip(means).for_each(|(to, x)| *to = x as f32);
                    progress.check(s + 1, v.rows())?;
                }
            }
            Imputation::Gibbs {
                burn_in,
                sweeps,
                seed,
            } => {
                let mut chains = self.chains_given(v, observed, seed)?;
                let all = burn_in + sweeps;
                for k in 0..all {
                    chains.sweep(1, 1.0)?;
                    if k >= burn_in {
                        let share = 1.0 / sweeps as f32;
                        chains.visible().view().add_to(share, &mut visible);
                        chains.hidden().view().add_to(share, &mut hidden);
                    }
                    progress.check(k + 1, all)?;
                }
            }
        }
        put_observed(&mut visible, v, observed);
        Ok(Imputed {
            visible,
            hidden: vec![hidden],
        })
    }

    /// Most states that enumeration of what each row misses goes through, all rows together: of the
    /// missing and the hidden units.
    pub fn states_of_missing<'a>(&self, rows: impl Into<Rows<'a>>) -> f64 {
        let hidden = (self.n_hidden() as f64).exp2();
        states_of_missing(self.visible(), rows.into(), |missing| missing * hidden)
    }

    /// The examples with their missing values drawn from `p(v_m | v_o)`: the states of chains with
    /// the observed units held, after `sweeps` sweeps from fair coins.
    ///
    /// # Errors
    /// As [`Self::impute`].
    pub fn impute_samples<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        sweeps: usize,
        seed: u64,
    ) -> Result<States> {
        let rows = rows.into();
        let Some(observed) = rows.observed() else {
            return Ok(rows.input().to_states());
        };
        let mut chains = self.chains_given(rows.input(), observed, seed)?;
        chains.sweep(sweeps, 1.0)?;
        Ok(chains.visible().clone())
    }

    /// Chains from fair coins with the observed units held.
    fn chains_given(
        &self,
        v: Input<'_>,
        observed: BitView<'_>,
        seed: u64,
    ) -> Result<BoltzmannChain> {
        let held = Clamp::new(self.visible(), v.to_states().packed(), observed.to_owned())?;
        self.chains(v.rows(), seed)?.clamped(0, held)
    }
}
