//! What hidden units are held to beside the likelihood: a mean activity, and a longest vector of
//! weights.

use crate::{
    error::{Error, Result},
    matrix::Matrix,
};
use serde::{Deserialize, Serialize};

/// A target for the mean of every hidden unit.
///
/// With `p` the mean of `E[h_j | v]` over a minibatch of data, `q <- decay q + (1 - decay) p` runs
/// along (from the first minibatch's `p`), and
/// `cost (target - q)` is added to the gradient of the hidden bias: the gradient of the
/// cross-entropy between target and activity with respect to the input of a logistic unit (Hinton's
/// practical guide, section 11), on the biases alone, which Lee, Ekanadham and Ng (2008) found to
/// be enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sparsity {
    /// Mean activity that units should have, between 0 and 1.
    pub target: f32,
    /// Weight of the penalty.
    pub cost: f32,
    /// Share of the running mean that an update keeps, at least 0 and below 1.
    pub decay: f32,
}

impl Default for Sparsity {
    /// Target 0.1, cost 0.1, decay 0.95.
    fn default() -> Self {
        Self {
            target: 0.1,
            cost: 0.1,
            decay: 0.95,
        }
    }
}

impl Sparsity {
    pub(in crate::train) fn check(&self) -> Result<()> {
        let Self {
            target,
            cost,
            decay,
        } = *self;
        if !(target > 0.0 && target < 1.0) {
            let expected = "between 0 and 1, both excluded";
            return Err(Error::parameter("sparsity target", expected, target));
        }
        if !(cost >= 0.0 && cost.is_finite()) {
            let expected = "a finite number of at least 0";
            return Err(Error::parameter("sparsity cost", expected, cost));
        }
        if !(0.0..1.0).contains(&decay) {
            let expected = "at least 0 and below 1";
            return Err(Error::parameter("sparsity decay", expected, decay));
        }
        Ok(())
    }

    /// Moves the running means and adds the penalty's gradient.
    pub(in crate::train) fn add(
        &self,
        mean: &[f32],
        running: &mut [f32],
        gradient: &mut [f32],
        is_first: bool,
    ) {
        let decay = if is_first { 0.0 } else { self.decay };
        for ((q, p), g) in running.iter_mut().zip(mean).zip(gradient) {
            *q = decay * *q + (1.0 - decay) * p;
            *g += self.cost * (self.target - *q);
        }
    }
}

/// Shortens the weights of every hidden unit, a column of `W`, to the Euclidean norm `most` where
/// they are longer (Srebro, Rennie and Jaakkola 2005; Hinton et al. 2012). One thread, two passes
/// over the weights; `norms` is a buffer.
pub(in crate::train) fn limit_norms(weights: &mut Matrix, most: f32, norms: &mut Vec<f32>) {
    norms.clear();
    norms.resize(weights.columns(), 0.0);
    for i in 0..weights.rows() {
        let row = norms.iter_mut().zip(weights.row(i));
        row.for_each(|(norm, w)| *norm += w * w);
    }
    if norms.iter().all(|&square| square <= most * most) {
        return;
    }
    for norm in norms.iter_mut() {
        *norm = if *norm > most * most {
            most / norm.sqrt()
        } else {
            1.0
        };
    }
    for i in 0..weights.rows() {
        let row = weights.row_mut(i).iter_mut().zip(&*norms);
        row.for_each(|(w, factor)| *w *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_columns_are_shortened_and_others_left() {
        let mut w = Matrix::from_slice(&[3.0, 0.5, 0.0, 4.0, 0.5, 2.0], 2, 3).unwrap();
        limit_norms(&mut w, 2.0, &mut Vec::new());
        let expected = [1.2, 0.5, 0.0, 1.6, 0.5, 2.0];
        for (got, expected) in w.elements().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
        }
    }

    #[test]
    fn sparsity_by_hand() {
        let sparsity = Sparsity {
            target: 0.25,
            cost: 2.0,
            decay: 0.5,
        };
        let (mut q, mut g) = ([0.0], [1.0]);
        sparsity.add(&[0.75], &mut q, &mut g, true);
        assert_eq!((q, g), ([0.75], [0.0]));
        sparsity.add(&[0.25], &mut q, &mut g, false);
        assert_eq!((q, g), ([0.5], [-0.5]));
    }
}
