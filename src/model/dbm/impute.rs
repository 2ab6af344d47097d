//! What a deep Boltzmann machine says of examples of which some values are missing: what the RBM of
//! its even and odd layers says, of which further even layers are missing too.

use super::{Dbm, DbmExpectations};
use crate::{
    bits::BitMatrix,
    dataset::{Rows, is_full},
    error::{Error, Result},
    matrix::Matrix,
    model::{Imputation, Imputed, Missing, imputation::states_of_missing},
    progress::Progress,
    states::States,
};

impl Dbm {
    /// `ln sum e^-E` over the missing units and all hidden layers of each row, the label among
    /// them, so that `ln p(v_observed)` is this less [`Self::log_z`]. Cost: for each row the
    /// enumeration of the odd layers, or of what is missing of the even ones.
    ///
    /// # Errors
    /// Those of [`crate::Rbm::log_sums_over_missing`].
    pub fn log_sums_over_missing<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let rows = rows.into();
        if rows.observed().is_none() {
            return self.log_sums_over_hidden(rows.input(), progress);
        }
        let (states, mask) = self.even_layers(rows)?;
        let rows = Rows::observed_in(states.view(), mask.view());
        self.bipartite().log_sums_over_missing(rows, progress)
    }

    /// Means of the missing values and of every hidden layer, a label's too, given what was
    /// observed of each row.
    ///
    /// # Errors
    /// Those of [`crate::Rbm::impute`].
    pub fn impute<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        how: Imputation,
        progress: &mut dyn Progress,
    ) -> Result<Imputed> {
        let (states, mask) = self.even_layers(rows.into())?;
        let rows = Rows::observed_in(states.view(), mask.view());
        let found = self
            .bipartite()
            .impute(rows, Missing::Infer, how, progress)?;
        let layer = |l: usize| {
            let (place, all) = match l % 2 {
                0 => (self.place(l), &found.visible),
                _ => (self.place(l), &found.hidden[0]),
            };
            Matrix::from_fn(all.rows(), place.len(), |i, j| all.row(i)[place.start + j])
        };
        Ok(Imputed {
            visible: layer(0),
            hidden: (1..self.n_layers()).map(layer).collect(),
        })
    }

    /// States that enumeration of what each row misses goes through, all rows together: of the
    /// missing units and the even hidden layers, or of the odd layers where these have fewer.
    pub fn states_of_missing<'a>(&self, rows: impl Into<Rows<'a>>) -> f64 {
        let side = |first: usize| -> f64 {
            let layers = (first..self.n_layers()).step_by(2);
            let states = layers.map(|l| self.layer(l).states().unwrap_or(f64::INFINITY));
            states.product()
        };
        let (odd, even) = (side(1), side(2));
        let of_row = |missing: f64| odd.min(missing * even);
        states_of_missing(self.layer(0), rows.into(), of_row)
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
        if rows.observed().is_none() {
            return Ok(rows.input().to_states());
        }
        let (states, mask) = self.even_layers(rows)?;
        let rows = Rows::observed_in(states.view(), mask.view());
        let all = self.bipartite().impute_samples(rows, sweeps, seed)?;
        Ok(all.first_columns(self.n_visible()))
    }

    /// Exact expectations under the posterior given what was observed of row `row`; observed units
    /// of layer 0 are what they are.
    ///
    /// # Errors
    /// As [`Self::log_sums_over_missing`].
    ///
    /// # Panics
    /// Unless there is such a row.
    pub fn expectations_given_observed<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        row: usize,
        progress: &mut dyn Progress,
    ) -> Result<DbmExpectations> {
        let rows = rows.into();
        let v = rows.input();
        let Some(observed) = rows.observed().filter(|mask| !is_full(*mask, row)) else {
            return self.posterior_expectations(v, row, progress);
        };
        let one = v.take(&[row]);
        let mask = BitMatrix::from_fn(1, observed.columns(), |_, i| observed.get(row, i));
        let (states, mask) = self.even_layers(Rows::observed_in(one.view(), mask.view()))?;
        let given = self
            .bipartite()
            .given_observed(states.view(), mask.view(), 0)?;
        let free = given.rbm.as_ref().map(|rbm| rbm.expectations(progress));
        let Some(free) = free.transpose()? else {
            return self.posterior_expectations(v, row, progress);
        };
        // Of every even unit its place among those that are free, if it is.
        let mut place = vec![None; states.columns()];
        given
            .units
            .iter()
            .enumerate()
            .for_each(|(k, &i)| place[i] = Some(k));
        let even = |i: usize| match place[i] {
            Some(k) => free.visible[k],
            None => f64::from(states.get(0, i)),
        };
        let pair = |i: usize, j: usize| match place[i] {
            Some(k) => free.weights.row(k)[j],
            None => (even(i) * free.hidden[j]) as f32,
        };
        let layer = |l: usize| match l % 2 {
            0 => self.place(l).map(even).collect(),
            _ => free.hidden[self.place(l)].to_vec(),
        };
        let connection = |l: usize| {
            let (below, above) = (self.place(l), self.place(l + 1));
            Matrix::from_fn(below.len(), above.len(), |i, j| {
                let (a, b) = (below.start + i, above.start + j);
                if l.is_multiple_of(2) {
                    pair(a, b)
                } else {
                    pair(b, a)
                }
            })
        };
        Ok(DbmExpectations {
            log_z: given.log_weight + free.log_z,
            layers: (0..self.n_layers()).map(layer).collect(),
            connections: (0..self.n_layers() - 1).map(connection).collect(),
        })
    }

    /// The rows as states of all even layers, and what of these was observed.
    fn even_layers(&self, rows: Rows<'_>) -> Result<(States, BitMatrix)> {
        let (v, n) = (rows.input(), self.n_visible());
        self.layer(0).check_values(rows)?;
        let observed = rows.observed();
        if observed.is_some_and(|mask| mask.columns() != n) {
            return Err(Error::shape("columns of the mask", n, v.columns()));
        }
        let even = (0..self.n_layers()).step_by(2);
        let all = even.map(|l| self.layer(l).size()).sum();
        let mask = BitMatrix::from_fn(v.rows(), all, |i, j| {
            j < n && observed.is_none_or(|mask| mask.get(i, j))
        });
        Ok((v.with_columns(all), mask))
    }
}
