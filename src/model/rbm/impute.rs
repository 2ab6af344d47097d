//! Missing values, hidden units and classes given what was observed.

use super::{Missing, Rbm};
use crate::{
    bits::{BitMatrix, BitView},
    dataset::{Rows, is_full},
    error::{Error, Result},
    matrix::Matrix,
    model::{
        Clamp, Imputation, Imputed, RbmChain,
        imputation::{put_observed, states_of_missing},
    },
    progress::Progress,
    states::{Input, States},
    units::Kind,
};

impl Rbm {
    /// Means of the missing values and of the hidden units given what was observed of each row:
    /// `E[v_m | v_o]` and `E[h | v_o]`. Of [`Missing::Absent`], hidden units are those of
    /// [`Self::without_missing`], and each missing variable has its mean if it alone joins what was
    /// observed, exactly, whatever `how` says: the prediction of a rating (Salakhutdinov, Mnih and
    /// Hinton 2007, section 2.2).
    ///
    /// ```
    /// use harmonium::{Examples, Rbm, bits::BitMatrix, model::{Imputation, Missing}};
    /// let rbm = Rbm::bernoulli(&[2, 3])?;
    /// let data = Examples::new(BitMatrix::from_fn(1, 2, |_, i| i == 0))?;
    /// let data = data.with_observed(BitMatrix::from_fn(1, 2, |_, i| i == 0))?;
    /// let found = rbm.impute(&data, Missing::Infer, Imputation::Exact, &mut ())?;
    /// assert_eq!(found.visible.row(0), [1.0, 0.5]);
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::given_observed`] and [`Self::expectations`]; of chains [`Error::Parameter`]
    /// without sweeps and for observed values that are means and no states;
    /// [`Error::Stopped`] if `progress` breaks.
    pub fn impute<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        missing: Missing,
        how: Imputation,
        progress: &mut dyn Progress,
    ) -> Result<Imputed> {
        how.check()?;
        let rows = rows.into();
        let v = rows.input();
        let Some(observed) = rows.observed() else {
            return Ok(Imputed {
                visible: v.to_matrix(),
                hidden: vec![self.mean_h_from_v(v, 1.0)?],
            });
        };
        match (missing, how) {
            (Missing::Absent, _) => self.impute_absent(v, observed, progress),
            (_, Imputation::Exact) => self.impute_exactly(v, observed, progress),
            (
                _,
                Imputation::Gibbs {
                    burn_in,
                    sweeps,
                    seed,
                },
            ) => self.impute_by_chains(v, observed, [burn_in, sweeps], seed, progress),
        }
    }

    /// States that enumeration of what each row misses goes through, all rows together: of the
    /// missing units, or of the hidden ones where these have fewer.
    pub fn states_of_missing<'a>(&self, rows: impl Into<Rows<'a>>) -> f64 {
        let hidden = self.hidden.states().unwrap_or(f64::INFINITY);
        states_of_missing(&self.visible, rows.into(), |missing| missing.min(hidden))
    }

    fn impute_exactly(
        &self,
        v: Input<'_>,
        observed: BitView<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Imputed> {
        let mut visible = v.to_matrix();
        let mut hidden = self.mean_h_from_v(v, 1.0)?;
        for row in (0..v.rows()).filter(|&row| !is_full(observed, row)) {
            let given = self.given_observed(v, observed, row)?;
            let Some(rbm) = given.rbm else { continue };
            let expected = rbm.expectations(&mut ())?;
            for (&i, x) in given.units.iter().zip(expected.visible) {
                visible.row_mut(row)[i] = x as f32;
            }
            let to = hidden.row_mut(row).iter_mut();
            to.zip(expected.hidden).for_each(|(to, x)| *to = x as f32);
            progress.check(row + 1, v.rows())?;
        }
        Ok(Imputed {
            visible,
            hidden: vec![hidden],
        })
    }

    fn impute_by_chains(
        &self,
        v: Input<'_>,
        observed: BitView<'_>,
        [burn_in, sweeps]: [usize; 2],
        seed: u64,
        progress: &mut dyn Progress,
    ) -> Result<Imputed> {
        let mut chains = self.chains_given(v, observed, seed)?;
        let n = burn_in + sweeps;
        for k in 0..burn_in {
            chains.sweep(self, 1, 1.0)?;
            progress.check(k + 1, n)?;
        }
        let mut visible = Matrix::zeros(v.rows(), self.n_visible());
        let mut hidden = Matrix::zeros(v.rows(), self.n_hidden());
        let share = 1.0 / sweeps as f32;
        let add = |to: &mut Matrix, x: &Matrix| {
            let all = to.padded_mut().iter_mut().zip(x.padded());
            all.for_each(|(to, x)| *to += share * x);
        };
        for k in 0..sweeps {
            chains.sweep(self, 1, 1.0)?;
            add(&mut visible, &self.mean_v_from_h(chains.hidden(), 1.0)?);
            add(&mut hidden, &self.mean_h_from_v(chains.visible(), 1.0)?);
            progress.check(burn_in + k + 1, n)?;
        }
        put_observed(&mut visible, v, observed);
        Ok(Imputed {
            visible,
            hidden: vec![hidden],
        })
    }

    /// Chains from fair coins with the observed units held.
    fn chains_given(&self, v: Input<'_>, observed: BitView<'_>, seed: u64) -> Result<RbmChain> {
        let values = match (v, self.visible.units.are_binary()) {
            (Input::Real(x), true) => BitMatrix::from_matrix(&x.to_owned())?.into(),
            _ => v.to_states(),
        };
        let held = Clamp::new(&self.visible, values, observed.to_owned())?;
        self.chains(v.rows(), seed)?.clamped(0, held)
    }

    /// The examples with their missing values drawn from `p(v_m | v_o)`: the states of Gibbs chains
    /// with the observed units held, after `sweeps` sweeps from fair coins.
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
        chains.sweep(self, sweeps, 1.0)?;
        Ok(chains.visible().clone())
    }

    fn impute_absent(
        &self,
        v: Input<'_>,
        observed: BitView<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Imputed> {
        let known = without(v, observed);
        let hidden = self.mean_h_from_v(&known, 1.0)?;
        let mut visible = known;
        for row in 0..v.rows() {
            for s in self.visible.units.segments() {
                let step = if s.kind == Kind::Softmax { s.size } else { 1 };
                for first in s.range().step_by(step) {
                    if observed.get(row, first) {
                        continue;
                    }
                    let units: Vec<usize> = (first..first + step).collect();
                    let given = self.given_all_but(&units, v, row, &|i| observed.get(row, i))?;
                    let Some(rbm) = given.rbm else { continue };
                    let expected = rbm.expectations(&mut ())?;
                    for (&i, x) in units.iter().zip(expected.visible) {
                        visible.row_mut(row)[i] = x as f32;
                    }
                }
            }
            progress.check(row + 1, v.rows())?;
        }
        Ok(Imputed {
            visible,
            hidden: vec![hidden],
        })
    }

    /// `ln p(y | v_o)` `[samples x classes]` of the label given what was observed of the units
    /// before it: [`Self::log_p_y_from_v`] of rows of which values may be missing. Of
    /// [`Missing::Absent`] it is exact whatever `how` says.
    ///
    /// # Errors
    /// As [`Self::log_p_y_from_v`] and [`Self::impute`].
    pub fn log_p_y_from_observed<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        missing: Missing,
        how: Imputation,
        progress: &mut dyn Progress,
    ) -> Result<Matrix> {
        let rows = rows.into();
        let v = rows.input();
        let group = self.expect_label_group()?;
        let observed = match rows.observed() {
            None => return self.log_p_y_from_v(v),
            Some(observed) => observed,
        };
        if v.columns() != group.first {
            let what = "units before the label";
            return Err(Error::shape(what, group.first, v.columns()));
        }
        if missing == Missing::Absent {
            return self.log_p_y_from_v(&without(v, observed));
        }
        let n = self.n_visible();
        let mask = BitMatrix::from_fn(v.rows(), n, |i, j| j < group.first && observed.get(i, j));
        let joint = v.with_columns(n);
        let found = match how {
            Imputation::Exact => self.impute_exactly(joint.view(), mask.view(), progress)?,
            Imputation::Gibbs {
                burn_in,
                sweeps,
                seed,
            } => {
                how.check()?;
                let sweeps = [burn_in, sweeps];
                self.impute_by_chains(joint.view(), mask.view(), sweeps, seed, progress)?
            }
        };
        Ok(Matrix::from_fn(v.rows(), group.size, |i, y| {
            found.visible.row(i)[group.first + y].ln()
        }))
    }
}

/// The rows with zeros, which send nothing, in place of what is missing.
fn without(v: Input<'_>, observed: BitView<'_>) -> Matrix {
    Matrix::from_fn(v.rows(), v.columns(), |i, j| {
        if observed.get(i, j) { v.get(i, j) } else { 0.0 }
    })
}
