//! Classification by a deep belief network whose top pair knows a label: three ways, all giving
//! class probabilities.
//!
//! | | features | label |
//! |---|---|---|
//! | [`Dbn::log_p_y_from_v`] | means of a deterministic pass | exact free energy of every class |
//! | [`Dbn::averaged_log_p_y_from_v`] | states of several passes | exact, averaged |
//! | [`Dbn::gibbs_log_p_y_from_v`] | states of one pass, held | Gibbs sampling in the top pair |

use super::Dbn;
use crate::{
    bits::BitMatrix,
    dataset::Rows,
    error::{Error, Result},
    matrix::Matrix,
    model::{Clamp, Layer},
    product::{Direction, Propagation, Tail, Term},
    units::{Kind, Units},
};

impl Dbn {
    /// `ln p(y | features)` `[samples x classes]` of the features of a deterministic up-pass, by
    /// the free energy of every class.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a network without a label and for missing values,
    /// [`Error::Shape`] for another number of columns; so for those that follow.
    pub fn log_p_y_from_v<'a>(&self, v: impl Into<Rows<'a>>) -> Result<Matrix> {
        let features = self.features(v)?;
        self.top().log_p_y_from_v(&features)
    }

    /// `ln` of the mean over `passes` stochastic up-passes of `p(y | features)`: `E_q p(y | h)` by
    /// Monte Carlo.
    ///
    /// # Errors
    /// As [`Self::log_p_y_from_v`], and [`Error::Parameter`] without passes.
    pub fn averaged_log_p_y_from_v<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        passes: usize,
        seed: u64,
    ) -> Result<Matrix> {
        let v = v.into().complete("classification")?;
        if passes == 0 {
            return Err(Error::parameter("passes", "at least 1", 0));
        }
        let mut sum: Option<Matrix> = None;
        for pass in 0..passes {
            let features = self.sample_features(v, seed, pass as u64)?;
            let mut p = self.top().log_p_y_from_v(&features)?;
            p.padded_mut().iter_mut().for_each(|x| *x = x.exp());
            match &mut sum {
                None => sum = Some(p),
                Some(sum) => {
                    let all = sum.padded_mut().iter_mut().zip(p.padded());
                    all.for_each(|(sum, p)| *sum += p);
                }
            }
        }
        let sum = sum.unwrap_or_default();
        let scale = 1.0 / passes as f32;
        Ok(Matrix::from_fn(sum.rows(), sum.columns(), |i, j| {
            (scale * sum.row(i)[j]).ln()
        }))
    }

    /// `ln` of the mean over `sweeps` of `p(y | top hidden states)` along a Gibbs chain of the top
    /// pair whose features are held at the states of a stochastic up-pass, and whose label starts
    /// at a fair draw of the classes. For long chains `ln p(y | features)`.
    ///
    /// # Errors
    /// As [`Self::log_p_y_from_v`], and [`Error::Parameter`] without sweeps or for a top pair of
    /// other than binary units.
    pub fn gibbs_log_p_y_from_v<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        sweeps: usize,
        seed: u64,
    ) -> Result<Matrix> {
        let v = v.into().complete("classification")?;
        if sweeps == 0 {
            return Err(Error::parameter("sweeps", "at least 1", 0));
        }
        let top = self.top();
        let group = top.expect_label_group()?;
        self.expect_binary("label Gibbs sampling")?;
        // The label's own layer: its inputs come from the hidden states alone.
        let label = Layer {
            bias: top.visible().bias[group.range()].to_vec(),
            ..Layer::new(Units::of(Kind::Softmax, group.size))
        };
        let weights = Matrix::from_fn(group.size, top.n_hidden(), |y, j| {
            top.weights().row(group.first + y)[j]
        });
        let mask = BitMatrix::from_fn(1, top.n_visible(), |_, i| i < group.first);
        let features = self.sample_features(v, seed, 0)?;
        let mut out = Matrix::zeros(v.rows(), group.size);
        let mut p = Matrix::zeros(0, group.size);
        let mut buffers = Propagation::default();
        for (rows, held) in features.view().chunks() {
            // Chains of later rows have draws of their own.
            let seed = seed.wrapping_add((rows.start as u64) << 20);
            let fair = self.chains(rows.len(), seed)?;
            let values = held.with_columns(top.n_visible());
            let clamp = Clamp::new(top.visible(), values, mask.clone())?;
            let chain = top.chains_from(fair.visible().clone(), seed)?;
            let mut chain = chain.clamped(0, clamp)?;
            p.reset(rows.len(), group.size);
            for _ in 0..sweeps {
                chain.sweep(top, 1, 1.0)?;
                let term = Term {
                    input: chain.hidden().view(),
                    weights: &weights,
                    direction: Direction::Down,
                    fixed: None,
                };
                let tail = Tail {
                    mean: Some(p.view_mut()),
                    ..Tail::new(1.0)
                };
                label.propagate(&[term], tail, &mut buffers)?;
                for (i, to) in rows.clone().enumerate() {
                    let all = out.row_mut(to).iter_mut().zip(p.row(i));
                    all.for_each(|(sum, p)| *sum += p / sweeps as f32);
                }
            }
        }
        for i in 0..out.rows() {
            out.row_mut(i).iter_mut().for_each(|x| *x = x.ln());
        }
        Ok(out)
    }
}
