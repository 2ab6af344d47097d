//! Networks that start as the recognition (and generation) of machines.

use super::{Activation, Network, NetworkLayer};
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Dbm, Dbn, Layer, Rbm},
    rng::{HostRng, Stream},
    units::{Kind, Units},
};

/// Standard deviation of the weights of a new softmax layer, that of Hinton and Salakhutdinov
/// (2006).
const CLASSES_DEVIATION: f64 = 0.1;

impl Network {
    /// The recognition of a deep belief network, from the data through the hidden layer of its top
    /// pair, under a new softmax layer of `classes`, whose weights are `0.1 N(0, 1)`. A label that
    /// the top pair has is left out. Hidden layers then are `E[h_{l+1} | x_l]`, as in
    /// [`Dbn::posterior_means`]; variances of Gaussian data go into the weights.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two classes, and for top hidden units that are neither
    /// Bernoulli nor Gaussian.
    pub fn classifier_from_dbn(dbn: &Dbn, classes: usize, seed: u64) -> Result<Self> {
        let mut layers = recognition(dbn)?;
        layers.push(class_layer(dbn.top().n_hidden(), classes, seed)?);
        Self::new(data_units(dbn), layers)
    }

    /// The network of Salakhutdinov and Hinton (2009, section 3.3) from a deep Boltzmann machine of
    /// two hidden layers or more: its data are [`Dbm::with_posterior`]`(v, 2, ..)`, that is
    /// `[v, q(h_2)]`; hidden layers are `h_1 = sigma(v W_0 + q(h_2) W_1' + b_1)` and
    /// `h_l = sigma(h_{l-1} W_{l-1} + b_l)`, under a new softmax layer of `classes`, whose weights
    /// are `0.1 N(0, 1)`. Layers that have another above them in the machine miss its input here:
    /// from the second on, that from below counts twice in its place, as in pretraining. A label
    /// layer is left out, so the data of a machine with labels are those of
    /// [`Dbm::without_labels`]`().with_posterior(v, 2, ..)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for one hidden layer alone, hidden units that are not Bernoulli, fewer
    /// than two classes.
    pub fn classifier_from_dbm(dbm: &Dbm, classes: usize, seed: u64) -> Result<Self> {
        let dbm = &dbm.without_labels();
        let top = dbm.n_layers() - 1;
        if top < 2 {
            return Err(Error::parameter(
                "hidden layers of the machine",
                "at least 2",
                top,
            ));
        }
        for l in 1..=top {
            if !dbm.layer(l).units.are(Kind::Bernoulli) {
                let what = format!("units of layer {l}");
                return Err(Error::parameter(what, "bernoulli", &dbm.layer(l).units));
            }
        }
        let [visible, h1, h2] = [0, 1, 2].map(|l| dbm.layer(l));
        let (up, down) = (sent(visible, dbm.weights(0)), dbm.weights(1));
        let n = visible.size();
        let both = Matrix::from_fn(n + h2.size(), h1.size(), |i, j| match i.checked_sub(n) {
            None => up.row(i)[j],
            Some(k) => down.row(j)[k],
        });
        let mut layers = vec![logistic(both, &h1.bias)];
        for l in 2..=top {
            let w = dbm.weights(l - 1);
            let times = if l < top { 2.0 } else { 1.0 };
            let w = Matrix::from_fn(w.rows(), w.columns(), |i, j| times * w.row(i)[j]);
            layers.push(logistic(w, &dbm.layer(l).bias));
        }
        layers.push(class_layer(dbm.layer(top).size(), classes, seed)?);
        let units = visible.units.segments().iter();
        let units = units.fold(Units::default(), |units, s| units.and(s.kind, s.size));
        Self::new(units.and(Kind::Bernoulli, h2.size()), layers)
    }

    /// The deep autoencoder of Hinton and Salakhutdinov (2006) from a deep belief network:
    /// recognition up to the hidden layer of the top pair, the codes, then generation down to the
    /// data with the transposed (or, untied, the generative) weights. A label is left out.
    ///
    /// # Errors
    /// As [`Self::autoencoder_from_rbms`].
    pub fn autoencoder_from_dbn(dbn: &Dbn) -> Result<Self> {
        let mut layers = recognition(dbn)?;
        let top = dbn.top();
        let features = dbn.n_features();
        let weights = sent(top.hidden(), &top.weights().transposed());
        let weights = Matrix::from_fn(weights.rows(), features, |i, j| weights.row(i)[j]);
        let activation = activation(&dbn.layer(0).units)?;
        let lowest = dbn.directed().is_empty();
        layers.push(NetworkLayer {
            activation: if lowest {
                activation
            } else {
                Activation::Logistic
            },
            weights,
            bias: top.visible().bias[..features].to_vec(),
        });
        for (l, pair) in dbn.directed().iter().enumerate().rev() {
            layers.push(NetworkLayer {
                activation: if l == 0 {
                    activation
                } else {
                    Activation::Logistic
                },
                weights: pair.generative_weights().transposed(),
                bias: pair.below().bias.clone(),
            });
        }
        Self::new(data_units(dbn), layers)
    }

    /// The deep autoencoder of a stack of RBMs, lowest first: up `x_{l+1} = f(x_l W_l + c_l)`, then
    /// down `x_l = f(x_{l+1} W_l' + b_l)`. Gaussian hidden units of the last machine give linear
    /// codes, Bernoulli units logistic ones; the output is logistic over Bernoulli data, linear
    /// over Gaussian data. Variances of Gaussian units go into the weights.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an empty stack and for units that are neither all Bernoulli nor all
    /// Gaussian, [`Error::Shape`] where the machines do not fit upon each other.
    pub fn autoencoder_from_rbms(rbms: &[Rbm]) -> Result<Self> {
        let Some(first) = rbms.first() else {
            return Err(Error::parameter("stack of machines", "at least one", 0));
        };
        let up = |rbm: &Rbm| -> Result<NetworkLayer> {
            Ok(NetworkLayer {
                activation: activation(&rbm.hidden().units)?,
                weights: sent(rbm.visible(), rbm.weights()),
                bias: rbm.hidden().bias.clone(),
            })
        };
        let down = |rbm: &Rbm| -> Result<NetworkLayer> {
            Ok(NetworkLayer {
                activation: activation(&rbm.visible().units)?,
                weights: sent(rbm.hidden(), &rbm.weights().transposed()),
                bias: rbm.visible().bias.clone(),
            })
        };
        for (l, pair) in rbms.windows(2).enumerate() {
            let (below, above) = (&pair[0].hidden().units, &pair[1].visible().units);
            if below != above {
                let what = format!("visible units of machine {}", l + 1);
                let of = |units: &Units| format!("{} of {units}", units.size());
                return Err(Error::shape(what, of(below), of(above)));
            }
        }
        let layers = rbms.iter().map(up).chain(rbms.iter().rev().map(down));
        Self::new(
            first.visible().units.clone(),
            layers.collect::<Result<_>>()?,
        )
    }
}

/// The layers from the data to the hidden layer of the top pair.
fn recognition(dbn: &Dbn) -> Result<Vec<NetworkLayer>> {
    let pairs = dbn.directed().iter();
    let mut layers: Vec<NetworkLayer> = pairs
        .map(|pair| {
            let weights = sent(pair.below(), pair.recognition_weights());
            logistic(weights, &pair.above().bias)
        })
        .collect();
    let top = dbn.top();
    let weights = sent(top.visible(), top.weights());
    let weights = Matrix::from_fn(dbn.n_features(), top.n_hidden(), |i, j| weights.row(i)[j]);
    layers.push(NetworkLayer {
        activation: activation(&top.hidden().units)?,
        weights,
        bias: top.hidden().bias.clone(),
    });
    Ok(layers)
}

/// The units of the data, without a label.
fn data_units(dbn: &Dbn) -> Units {
    let segments = dbn.layer(0).units.segments().iter();
    segments
        .filter(|s| s.first < dbn.n_visible())
        .fold(Units::default(), |units, s| units.and(s.kind, s.size))
}

fn logistic(weights: Matrix, bias: &[f32]) -> NetworkLayer {
    NetworkLayer {
        activation: Activation::Logistic,
        weights,
        bias: bias.to_vec(),
    }
}

fn class_layer(features: usize, classes: usize, seed: u64) -> Result<NetworkLayer> {
    if classes < 2 {
        return Err(Error::parameter("classes", "at least 2", classes));
    }
    let mut rng = HostRng::new(seed, Stream::Classes);
    let weights = Matrix::from_fn(features, classes, |_, _| {
        (CLASSES_DEVIATION * rng.normal()) as f32
    });
    Ok(NetworkLayer {
        activation: Activation::Softmax,
        weights,
        bias: vec![0.0; classes],
    })
}

/// The activation whose values are the means of all of these units.
fn activation(units: &Units) -> Result<Activation> {
    let all = [Activation::Logistic, Activation::Linear];
    let found = all.into_iter().find(|x| units.are(x.kind()));
    found.ok_or_else(|| {
        let expected = "all bernoulli or all gaussian";
        Error::parameter(
            "units of a layer that is reconstructed or inferred",
            expected,
            units,
        )
    })
}

/// The weights with a row for each unit of `layer`, by what is received of its values: divided by
/// the variances.
fn sent(layer: &Layer, weights: &Matrix) -> Matrix {
    if !layer.is_scaled() {
        return weights.clone();
    }
    Matrix::from_fn(weights.rows(), weights.columns(), |i, j| {
        weights.row(i)[j] * layer.precision(i) as f32
    })
}
