//! Exact sums of a deep Boltzmann machine in f64: of its two blocks of layers, even and odd, one is
//! enumerated and the other summed in closed form.
//!
//! The work is that of the [RBM](Dbm::bipartite) that the machine is.

use super::Dbm;
use crate::{
    dataset::Rows,
    error::{Error, Result},
    matrix::Matrix,
    model::{Rbm, exact::driver::by_block},
    progress::Progress,
    states::Input,
};

/// Exact expectations under a deep Boltzmann machine, or under its posterior.
#[derive(Clone, Debug)]
pub struct DbmExpectations {
    /// `ln Z`; of a posterior `ln sum_h e^-E(v, h)`.
    pub log_z: f64,
    /// `E[x_l]` of every layer.
    pub layers: Vec<Vec<f64>>,
    /// `E[x_l x_{l+1}']` of every connection, `[n_l x n_{l+1}]`.
    pub connections: Vec<Matrix>,
}

impl Dbm {
    /// Exact `ln Z` by enumeration of the even or the odd layers, whichever have fewer units.
    /// Precision and cost: [`Rbm::log_z_over`].
    ///
    /// # Errors
    /// [`Error::Parameter`] beyond [`crate::model::MAX_EXACT_UNITS`] units in both blocks,
    /// [`Error::NotFinite`] for NaN or infinite parameters, [`Error::Stopped`] if `progress`
    /// breaks; so for all that follow.
    pub fn log_z(&self, progress: &mut dyn Progress) -> Result<f64> {
        self.checked()?.log_z(progress)
    }

    fn checked(&self) -> Result<Rbm> {
        self.check_finite()?;
        Ok(self.bipartite())
    }

    /// Exact expectations under the machine.
    ///
    /// # Errors
    /// As [`Self::log_z`].
    pub fn expectations(&self, progress: &mut dyn Progress) -> Result<DbmExpectations> {
        let all = self.checked()?.expectations(progress)?;
        let layer = |l: usize| {
            let side = if l.is_multiple_of(2) {
                &all.visible
            } else {
                &all.hidden
            };
            side[self.place(l)].to_vec()
        };
        let connection = |l: usize| {
            let (below, above) = (self.place(l), self.place(l + 1));
            Matrix::from_fn(below.len(), above.len(), |i, j| {
                let (a, b) = (below.start + i, above.start + j);
                let (even, odd) = if l.is_multiple_of(2) { (a, b) } else { (b, a) };
                all.weights.row(even)[odd]
            })
        };
        Ok(DbmExpectations {
            log_z: all.log_z,
            layers: (0..self.n_layers()).map(layer).collect(),
            connections: (0..self.n_layers() - 1).map(connection).collect(),
        })
    }

    /// Exact expectations under the posterior given row `row` of `v`; layer 0 is `v` itself.
    ///
    /// # Errors
    /// As [`Self::log_z`]; [`Error::Shape`] unless `v` has the machine's visible units;
    /// [`Error::Parameter`] for missing values, see [`Self::expectations_given_observed`].
    ///
    /// # Panics
    /// Unless `v` has such a row.
    pub fn posterior_expectations<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        row: usize,
        progress: &mut dyn Progress,
    ) -> Result<DbmExpectations> {
        let v = v.into().complete("a posterior")?;
        self.check_visible(v)?;
        let mut of = self.given_visible(v, row)?.expectations(progress)?;
        let mut values = vec![0.0; self.n_visible()];
        crate::model::for_each_sent(self.layer(0), v, row, |i, x| values[i] = x);
        let means = &of.layers[1];
        of.connections[0] = Matrix::from_fn(values.len(), means.len(), |i, j| {
            (values[i] * means[j]) as f32
        });
        of.layers[0] = values;
        Ok(of)
    }

    fn check_visible(&self, v: Input<'_>) -> Result<()> {
        if v.columns() != self.n_visible() {
            let (expected, found) = (self.n_visible(), v.columns());
            return Err(Error::shape("units of the input", expected, found));
        }
        Ok(())
    }

    /// `ln sum_h e^-E(v, h)` of each row of `v` by enumeration of its hidden layers, so that
    /// `ln p(v)` is this less [`Self::log_z`]. Cost: for each row `2^n` states of the smaller block
    /// of hidden layers.
    ///
    /// # Errors
    /// As [`Self::log_z`]; [`Error::Shape`] unless `v` has the machine's visible units;
    /// [`Error::Parameter`] for missing values, see [`Self::log_sums_over_missing`].
    pub fn log_sums_over_hidden<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let v = v.into().complete("ln p(v)")?;
        self.check_visible(v)?;
        self.check_finite()?;
        let of_row = |row: u64| {
            let given = self.given_visible(v, row as usize)?;
            given.bipartite().log_z(&mut ())
        };
        let sums = by_block(v.rows() as u64, of_row, progress)?;
        sums.into_iter().collect()
    }

    /// `p(v)` at `beta` of all visible states, in the order of their index: that of
    /// [`crate::model::Layer::state`]. The even layers are enumerated.
    ///
    /// # Errors
    /// As [`Self::log_z`], for the even layers.
    pub fn visible_distribution(&self, beta: f64, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        let joint = self.checked()?.visible_distribution(beta, progress)?;
        // Visible units are the lowest digits of the index.
        let states = self.layer(0).states().unwrap_or(1.0) as usize;
        let mut p = vec![0.0; states];
        for (i, x) in joint.into_iter().enumerate() {
            p[i % states] += x;
        }
        Ok(p)
    }
}
