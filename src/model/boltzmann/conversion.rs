//! Machines of layers as general ones: the same energies.

use super::BoltzmannMachine;
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Dbm, Layer, Rbm},
    units::Units,
};

impl TryFrom<&Rbm> for BoltzmannMachine {
    type Error = Error;

    /// The RBM as a general machine with `R = S = 0`: the same energies.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an RBM of other than Bernoulli units and visible softmax groups,
    /// [`Error::NotFinite`] for parameters that are NaN or infinite.
    fn try_from(rbm: &Rbm) -> Result<Self> {
        let (n, m) = (rbm.n_visible(), rbm.n_hidden());
        let weights = rbm.weights().clone();
        Self::from_parameters(
            [rbm.visible().clone(), rbm.hidden().clone()],
            [Matrix::zeros(n, n), weights, Matrix::zeros(m, m)],
        )
    }
}

impl TryFrom<&Dbm> for BoltzmannMachine {
    type Error = Error;

    /// The deep Boltzmann machine as a general one: the same energies. Its hidden units are those
    /// of layers `1 ..= L` side by side, `R = 0`, `W = [W_0 0]`, and `S` has `W_l / 2` and its
    /// transpose between layers `l` and `l + 1`, because a pair within `S` counts twice; halves are
    /// exact. Learning may couple any pair, unless [`BoltzmannMachine::with_present_edges_only`]
    /// keeps to the layers.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a machine of other than Bernoulli units and visible softmax groups,
    /// [`Error::NotFinite`] for parameters that are NaN or infinite.
    fn try_from(dbm: &Dbm) -> Result<Self> {
        let hidden = &dbm.layers()[1..];
        let (n, m) = (dbm.n_visible(), hidden.iter().map(|x| x.size()).sum());
        let first = dbm.layer(1).size();
        let weights = Matrix::from_fn(n, m, |i, j| match j < first {
            true => dbm.weights(0).row(i)[j],
            false => 0.0,
        });
        let mut hidden_weights = Matrix::zeros(m, m);
        let mut start = 0;
        for (l, layer) in hidden.iter().enumerate().take(hidden.len() - 1) {
            let (w, above) = (dbm.weights(l + 1), start + layer.size());
            for i in 0..w.rows() {
                for (j, &w) in w.row(i).iter().enumerate() {
                    hidden_weights.row_mut(start + i)[above + j] = 0.5 * w;
                    hidden_weights.row_mut(above + j)[start + i] = 0.5 * w;
                }
            }
            start = above;
        }
        let segments = hidden.iter().flat_map(|x| x.units.segments());
        let units = segments.fold(Units::default(), |units, s| units.and(s.kind, s.size));
        let side_by_side = Layer {
            bias: hidden.iter().flat_map(|x| x.bias.clone()).collect(),
            ..Layer::new(units)
        };
        Self::from_parameters(
            [dbm.layer(0).clone(), side_by_side],
            [Matrix::zeros(n, n), weights, hidden_weights],
        )
    }
}
