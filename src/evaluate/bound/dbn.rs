//! The variational lower bound of a deep belief network's likelihood.

use crate::{
    dataset::Rows,
    error::{Error, Result},
    evaluate::Bracket,
    kernel::reduce::{mean_and_standard_error, weighted_mean_and_standard_error},
    matrix::Matrix,
    model::{Dbn, layer_draws},
    product::{Propagation, Tail},
    progress::Progress,
    rng::Site,
    states::{Input, States},
};

/// Monte Carlo over the recognition distribution of
/// `E_q[ln p(v | h_1) + ... + ln p(h_{L-2} | h_{L-1}) + ln p*(h_{L-1})] + H(q) - ln Z`. The entropy
/// of a layer given the states below is exact, only the states are drawn; `p*` sums the top hidden
/// layer, and the label if it is not given, in closed form.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Samples of the recognition distribution for each example.
    pub samples: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bound {
    fn default() -> Self {
        Self {
            samples: 1,
            seed: 0,
        }
    }
}

/// What [`Bound::measure`] found.
#[derive(Clone, Debug)]
pub struct BoundEstimate {
    /// The bound of every example plus `ln Z` of the top pair, the mean over the samples.
    pub with_log_z: Vec<f64>,
    /// Standard error of the mean over the examples that is due to the samples of the recognition
    /// distribution; NaN of a single sample.
    pub sampling_error: f64,
    /// Weights of the examples, if they have any.
    pub weights: Option<Vec<f32>>,
}

impl BoundEstimate {
    /// Weighted mean and standard error over the examples of the bound, for a given `ln Z`.
    pub fn mean(&self, log_z: f64) -> (f64, f64) {
        let bounds = self.with_log_z.iter().map(|x| x - log_z);
        weighted_mean_and_standard_error(bounds, self.weights.as_deref())
    }

    /// Mean of the bound at the upper end, the best estimate and the lower end of what is known of
    /// `ln Z`: worst, estimate, best. As `ln Z` is underestimated from below, the first is the one
    /// to report.
    pub fn bracket(&self, log_z: &Bracket) -> [f64; 3] {
        [
            log_z.reverse.high,
            log_z.bennett.estimate,
            log_z.forward.low,
        ]
        .map(|z| self.mean(z).0)
    }
}

impl Bound {
    /// Measures the bound of every row of `v`, with `labels` that of `ln p(v, y)`. Cost: one pass
    /// up and one down a sample, exact f32 products.
    ///
    /// # Errors
    /// [`Error::Parameter`] without samples, for missing values and for labels that do not exist,
    /// [`Error::Shape`] for another number of columns or labels, [`Error::Stopped`] if `progress`,
    /// which counts rows, breaks.
    pub fn measure<'a>(
        &self,
        dbn: &Dbn,
        v: impl Into<Rows<'a>>,
        labels: Option<&[u32]>,
        progress: &mut dyn Progress,
    ) -> Result<BoundEstimate> {
        let rows = v.into();
        let v = rows.complete("a variational bound")?;
        if self.samples == 0 {
            return Err(Error::parameter("samples of the bound", "at least 1", 0));
        }
        if v.columns() != dbn.n_visible() {
            return Err(Error::shape(
                "columns of the data",
                dbn.n_visible(),
                v.columns(),
            ));
        }
        if let Some(labels) = labels {
            dbn.check_labels(labels)?;
            if labels.len() != v.rows() {
                return Err(Error::shape("labels", v.rows(), labels.len()));
            }
        }
        let n = v.rows();
        let mut all = vec![Vec::with_capacity(self.samples); n];
        let mut buffers = Propagation::default();
        for (rows, x) in v.chunks() {
            for sample in 0..self.samples {
                let labels = labels.map(|labels| &labels[rows.clone()]);
                let values =
                    self.sample(dbn, x, labels, rows.start, sample as u64, &mut buffers)?;
                let to = all[rows.clone()].iter_mut();
                to.zip(values).for_each(|(all, x)| all.push(x));
            }
            progress.check(rows.end, n)?;
        }
        let errors = all
            .iter()
            .map(|x| mean_and_standard_error(x.iter().copied()));
        let (means, errors): (Vec<f64>, Vec<f64>) = errors.unzip();
        let error = match rows.weights() {
            None => errors.iter().map(|e| e * e).sum::<f64>().sqrt() / n.max(1) as f64,
            Some(_) => {
                let share = rows.share();
                let squares = errors.iter().enumerate().map(|(s, &e)| share(s, e).powi(2));
                squares.sum::<f64>().sqrt()
            }
        };
        Ok(BoundEstimate {
            with_log_z: means,
            sampling_error: error,
            weights: rows.weights().map(<[f32]>::to_vec),
        })
    }

    /// One sample of each row.
    fn sample(
        &self,
        dbn: &Dbn,
        v: Input<'_>,
        labels: Option<&[u32]>,
        first_row: usize,
        step: u64,
        buffers: &mut Propagation,
    ) -> Result<Vec<f64>> {
        let rows = v.rows();
        let mut sum = vec![0.0; rows];
        let mut below: Option<States> = None;
        for (l, pair) in dbn.directed().iter().enumerate() {
            let x = below.as_ref().map_or(v, States::view);
            let mut h = States::zeros(rows, pair.above());
            let [mut input, mut mean] = [(); 2].map(|()| Matrix::zeros(rows, pair.above().size()));
            let mut softplus = vec![0.0; rows];
            let draws = layer_draws(self.seed, Site::Recognition, step, l).from_row(first_row);
            let tail = Tail {
                input: Some(input.view_mut()),
                mean: Some(mean.view_mut()),
                softplus_sums: Some(&mut softplus),
                precise: true,
                ..Tail::new(1.0)
            };
            pair.above_from_below(x, h.sampled(0..rows, draws, tail), buffers)?;
            // H = sum of ln(1 + e^y) - y sigma(y).
            for (s, (sum, softplus)) in sum.iter_mut().zip(softplus).enumerate() {
                let units = input.row(s).iter().zip(mean.row(s));
                *sum += softplus
                    - units
                        .map(|(&y, &p)| f64::from(y) * f64::from(p))
                        .sum::<f64>();
            }
            pair.add_log_p_below(x, h.view(), &mut sum, buffers)?;
            below = Some(h);
        }
        let features = below.as_ref().map_or(v, States::view);
        for (sum, x) in sum.iter_mut().zip(log_weights(dbn, features, labels)?) {
            *sum += x;
        }
        Ok(sum)
    }
}

/// `ln p*(features, y)`, or of the features alone.
fn log_weights(dbn: &Dbn, features: Input<'_>, labels: Option<&[u32]>) -> Result<Vec<f64>> {
    let top = dbn.top();
    let minus = |f: Vec<f64>| f.into_iter().map(|f| -f).collect();
    let Some(group) = dbn.label_group() else {
        return Ok(minus(top.free_energy(features, 1.0)?));
    };
    // Without labels class 0 will do.
    let any = vec![0; features.rows()];
    let joint = features.with_one_hot(labels.unwrap_or(&any), group.size)?;
    let mut all: Vec<f64> = minus(top.free_energy(&joint, 1.0)?);
    if labels.is_none() {
        // ln p*(x) = ln p*(x, y) - ln p(y | x) for any y.
        let log_p = top.log_p_y_from_v(features)?;
        let rows = all.iter_mut().enumerate();
        rows.for_each(|(s, x)| *x -= f64::from(log_p.row(s)[0]));
    }
    Ok(all)
}
