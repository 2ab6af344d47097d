//! What mean field tells of examples: features and bounds.

use super::{Convergence, Dbm, MeanField, Posterior};
use crate::{
    dataset::Rows,
    error::{Error, Result},
    matrix::Matrix,
    progress::Progress,
    states::Input,
    threads::in_pool,
};

impl Dbm {
    /// The mean-field means of all hidden layers for each row of `v`, from layer 1 on, and how the
    /// worst minibatch of rows ended.
    ///
    /// # Errors
    /// As [`Posterior::start`] and [`Posterior::iterate`].
    pub fn posterior_means<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        options: &MeanField,
    ) -> Result<(Vec<Matrix>, Convergence)> {
        let (v, layers) = (v.into().complete("mean field")?, 1..self.n_layers());
        let zeros = |l: usize| Matrix::zeros(v.rows(), self.layer(l).size());
        let mut all: Vec<Matrix> = layers.map(zeros).collect();
        let worst = self.for_each_posterior(v, options, &mut (), |first, _, posterior| {
            for (l, all) in all.iter_mut().enumerate() {
                let means = posterior.mean(l + 1);
                for i in 0..means.rows() {
                    all.row_mut(first + i).copy_from_slice(means.row(i));
                }
            }
            Ok(())
        })?;
        Ok((all, worst))
    }

    /// `[v, q(h_l)]` for each row of `v`, `[rows x (n_0 + n_l)]`: the input of a net that is
    /// trained to classify, whose first layer has the weights `W_0` from the data and `W_1'` from
    /// the means of layer 2 (Salakhutdinov and Hinton 2009, section 3.3). Here, and wherever it is
    /// not held, a label layer is one more hidden layer of mean field; [`Self::without_labels`]
    /// leaves it out.
    ///
    /// # Errors
    /// As [`Self::posterior_means`]; [`Error::Parameter`] unless `l` is a hidden layer.
    pub fn with_posterior<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        l: usize,
        options: &MeanField,
    ) -> Result<Matrix> {
        let v = v.into().complete("mean field")?;
        if !(1..self.n_layers()).contains(&l) {
            let expected = format!("1 to {}", self.n_layers() - 1);
            return Err(Error::parameter("hidden layer", expected, l));
        }
        let n = self.n_visible();
        let mut out = Matrix::zeros(v.rows(), n + self.layer(l).size());
        self.for_each_posterior(v, options, &mut (), |first, v, posterior| {
            let means = posterior.mean(l);
            for i in 0..means.rows() {
                let row = out.row_mut(first + i);
                v.copy_row_to(i, &mut row[..n]);
                row[n..].copy_from_slice(means.row(i));
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// `L(Q)` at the mean-field posterior of each row of `v`, see [`Posterior::bounds`], and how
    /// the worst minibatch of rows ended.
    ///
    /// # Errors
    /// As [`Self::posterior_means`].
    pub fn mean_field_bounds<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        options: &MeanField,
    ) -> Result<(Vec<f64>, Convergence)> {
        let (v, mut all) = (v.into().complete("mean field")?, Vec::new());
        let worst = self.for_each_posterior(v, options, &mut (), |_, v, posterior| {
            all.extend(posterior.bounds(self, v)?);
            Ok(())
        })?;
        Ok((all, worst))
    }

    /// Calls `f(first row, rows of v, their posterior)` for some rows at a time.
    pub(crate) fn for_each_posterior(
        &self,
        v: Input<'_>,
        options: &MeanField,
        progress: &mut dyn Progress,
        mut f: impl FnMut(usize, Input<'_>, &mut Posterior) -> Result<()> + Send,
    ) -> Result<Convergence> {
        let mut posterior = Posterior::default();
        let mut worst = Convergence::default();
        for (rows, part) in v.chunks() {
            in_pool(|| {
                posterior.start(self, part)?;
                worst = worst.worse(posterior.iterate(self, options)?);
                f(rows.start, part, &mut posterior)
            })?;
            progress.check(rows.end, v.rows())?;
        }
        Ok(worst)
    }
}
