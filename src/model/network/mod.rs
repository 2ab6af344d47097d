//! A feed-forward network: what a deep machine becomes when its connections are trained further by
//! backpropagation.

mod from;

use super::{Layer, MAX_LAYERS};
use crate::{
    dataset::Rows,
    error::{Error, Result},
    kernel::reduce::LogSum,
    matrix::Matrix,
    product::{Connection, Direction, Propagation, Tail, propagate},
    states::Input,
    threads::in_pool,
    units::{Kind, Units},
};

/// What becomes of the inputs `y` of a layer. Values are those that neighbors would receive as the
/// means of units of a [`Kind`], which names the activation in model files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `sigma(y)`: the means of Bernoulli units, `bernoulli`.
    Logistic,
    /// `y`: the means of Gaussian units, `gaussian`.
    Linear,
    /// `e^(y_k) / sum e^y` over the whole layer, `softmax`: one group. Of the output layer alone.
    Softmax,
}

impl Activation {
    /// The kind of units of which this is the mean.
    pub fn kind(self) -> Kind {
        match self {
            Self::Logistic => Kind::Bernoulli,
            Self::Linear => Kind::Gaussian,
            Self::Softmax => Kind::Softmax,
        }
    }

    /// The activation that is the mean of units of `kind`, if there is one.
    pub fn of(kind: Kind) -> Option<Self> {
        [Self::Logistic, Self::Linear, Self::Softmax]
            .into_iter()
            .find(|x| x.kind() == kind)
    }
}

/// One layer above the input, with the connection from the layer below.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkLayer {
    /// What becomes of its inputs.
    pub activation: Activation,
    /// `[n_below x n]`.
    pub weights: Matrix,
    /// `[n]`.
    pub bias: Vec<f32>,
}

/// A feed-forward network of layers `0 ..= L`: `x_0` the data,
/// `x_{l+1} = f_{l+1}(x_l W_l + b_{l+1})`. The output, layer `L`, is a softmax layer (classes),
/// logistic (probabilities) or linear; hidden layers are logistic or linear.
///
/// Made of machines that were trained without labels by [`Self::classifier_from_dbn`],
/// [`Self::classifier_from_dbm`], [`Self::autoencoder_from_dbn`] and
/// [`Self::autoencoder_from_rbms`]; trained further by [`crate::train::BackpropTraining`].
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    input: Units,
    activations: Vec<Activation>,
    /// Connection `l` joins layer `l` to `l + 1`.
    connections: Vec<Connection>,
    /// Of layer `l + 1`.
    bias: Vec<Vec<f32>>,
}

impl Network {
    /// A network whose data are states or means of `input` units, with the layers above, lowest
    /// first.
    ///
    /// # Errors
    /// [`Error::Parameter`] without layers and for softmax layers other than the output,
    /// [`Error::Shape`] where sizes disagree or are 0, [`Error::NotFinite`] for NaN or infinite
    /// parameters.
    pub fn new(input: Units, layers: Vec<NetworkLayer>) -> Result<Self> {
        if input.have(Kind::Counts) {
            let expected = "units of another kind: a network does not know the length of a row";
            return Err(Error::parameter("input of a network", expected, &input));
        }
        if layers.is_empty() {
            return Err(Error::parameter(
                "layers of a network",
                "at least one above the input",
                0,
            ));
        }
        if layers.len() >= MAX_LAYERS {
            let most = format!("at most {MAX_LAYERS}");
            return Err(Error::parameter("layers", most, layers.len() + 1));
        }
        let mut size = input.size();
        for (l, layer) in layers.iter().enumerate() {
            let (n, m) = (layer.weights.rows(), layer.weights.columns());
            if n != size || m != layer.bias.len() || n == 0 || m == 0 {
                let expected = format!("{size} x {}, neither of them 0", layer.bias.len());
                let what = format!("weights {l} of a network");
                return Err(Error::shape(what, expected, format!("{n} x {m}")));
            }
            if layer.activation == Activation::Softmax && l + 1 < layers.len() {
                let what = format!("layer {} of a network", l + 1);
                let expected = "logistic or linear, as it is not the last";
                return Err(Error::parameter(what, expected, "softmax"));
            }
            size = m;
        }
        let mut network = Self {
            input,
            activations: Vec::with_capacity(layers.len()),
            connections: Vec::with_capacity(layers.len()),
            bias: Vec::with_capacity(layers.len()),
        };
        for layer in layers {
            network.activations.push(layer.activation);
            network.connections.push(Connection::new(layer.weights));
            network.bias.push(layer.bias);
        }
        network.check_finite()?;
        Ok(network)
    }

    /// Number of layers, `L + 1`.
    pub fn n_layers(&self) -> usize {
        self.connections.len() + 1
    }

    /// Kinds of the units whose states or means are the data.
    pub fn input(&self) -> &Units {
        &self.input
    }

    /// Number of inputs.
    pub fn n_inputs(&self) -> usize {
        self.size(0)
    }

    /// Number of outputs.
    pub fn n_outputs(&self) -> usize {
        self.size(self.connections.len())
    }

    /// Values of layer `l`.
    ///
    /// # Panics
    /// Unless `l < n_layers`.
    pub fn size(&self, l: usize) -> usize {
        match l {
            0 => self.input.size(),
            _ => self.bias[l - 1].len(),
        }
    }

    /// The activation of layer `l`.
    ///
    /// # Panics
    /// Unless `0 < l < n_layers`; so for [`Self::bias`].
    pub fn activation(&self, l: usize) -> Activation {
        self.activations[l - 1]
    }

    /// The bias of layer `l`.
    ///
    /// # Panics
    /// As [`Self::activation`].
    pub fn bias(&self, l: usize) -> &[f32] {
        &self.bias[l - 1]
    }

    /// The weights `[n_l x n_{l+1}]` between the layers `l` and `l + 1`.
    ///
    /// # Panics
    /// Unless `l + 1 < n_layers`.
    pub fn weights(&self, l: usize) -> &Matrix {
        self.connections[l].weights()
    }

    /// `(W_l, b_{l+1})` for a learning rule to change.
    ///
    /// # Panics
    /// As [`Self::weights`].
    pub(crate) fn parameters_mut(&mut self, l: usize) -> (&mut Matrix, &mut [f32]) {
        (self.connections[l].weights_mut(), &mut self.bias[l])
    }

    /// The same with the connection that holds the weights.
    pub(crate) fn connection_to_step(&mut self, l: usize) -> (&mut Connection, &mut [f32]) {
        (&mut self.connections[l], &mut self.bias[l])
    }

    /// Number of classes, if it is a classifier.
    pub fn classes(&self) -> Option<usize> {
        self.is_classifier().then(|| self.n_outputs())
    }

    /// Whether the output is a softmax layer: classes.
    pub fn is_classifier(&self) -> bool {
        self.activations.last() == Some(&Activation::Softmax)
    }

    /// Refuses NaN and infinite parameters.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the name of the parameter.
    pub fn check_finite(&self) -> Result<()> {
        for (l, connection) in self.connections.iter().enumerate() {
            let finite = self.bias[l].iter().all(|x| x.is_finite());
            if !finite || !connection.weights().is_finite() {
                let what = format!("parameters of connection {l} of a network");
                return Err(Error::NotFinite { what });
            }
        }
        Ok(())
    }

    /// The values of layer `layer` `[samples x n]` for the data `x` `[samples x n_inputs]`; of a
    /// softmax layer the probabilities. Products exact to f32.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of columns, [`Error::Parameter`] unless
    /// `0 < layer < n_layers` and for missing values.
    pub fn values<'a>(&self, x: impl Into<Rows<'a>>, layer: usize) -> Result<Matrix> {
        self.inputs_or_values(x.into().complete("a network")?, layer, false)
    }

    /// The inputs `x_{l-1} W + b` of layer `layer`.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub fn inputs<'a>(&self, x: impl Into<Rows<'a>>, layer: usize) -> Result<Matrix> {
        self.inputs_or_values(x.into().complete("a network")?, layer, true)
    }

    /// The values of the output layer.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub fn output<'a>(&self, x: impl Into<Rows<'a>>) -> Result<Matrix> {
        self.values(x, self.connections.len())
    }

    /// The values of the layer below the output: what the classes are told from.
    ///
    /// # Errors
    /// As [`Self::values`]; [`Error::Parameter`] for a network without a hidden layer.
    pub fn features<'a>(&self, x: impl Into<Rows<'a>>) -> Result<Matrix> {
        self.values(x, self.connections.len() - 1)
    }

    /// `ln p(y | x)` `[samples x classes]`; [`super::most_probable`] chooses.
    ///
    /// # Errors
    /// As [`Self::values`]; [`Error::Parameter`] unless the output is a softmax layer.
    pub fn log_p_y_from_v<'a>(&self, x: impl Into<Rows<'a>>) -> Result<Matrix> {
        if !self.is_classifier() {
            let output = self.activations[self.connections.len() - 1].kind();
            return Err(Error::parameter("output of a network", "softmax", output));
        }
        let mut y = self.inputs(x, self.connections.len())?;
        for s in 0..y.rows() {
            log_softmax(y.row_mut(s));
        }
        Ok(y)
    }

    /// The codes of an autoencoder: values of its middle layer.
    ///
    /// # Errors
    /// As [`Self::values`]; [`Error::Parameter`] unless there is an even number of connections and
    /// an output for each input.
    pub fn codes<'a>(&self, x: impl Into<Rows<'a>>) -> Result<Matrix> {
        self.expect_autoencoder()?;
        self.values(x, self.connections.len() / 2)
    }

    /// The squared error of the reconstruction, `|x - output(x)|^2`, of each sample.
    ///
    /// # Errors
    /// As [`Self::codes`].
    pub fn squared_errors<'a>(&self, x: impl Into<Rows<'a>>) -> Result<Vec<f64>> {
        self.expect_autoencoder()?;
        let x = x.into().complete("a network")?;
        let output = self.output(x)?;
        let square = |s: usize, j: usize, y: f32| f64::from(x.get(s, j) - y).powi(2);
        let of = |s: usize| -> f64 {
            let row = output.row(s).iter().enumerate();
            row.map(|(j, &y)| square(s, j, y)).sum()
        };
        Ok((0..x.rows()).map(of).collect())
    }

    fn expect_autoencoder(&self) -> Result<()> {
        let connections = self.connections.len();
        if connections.is_multiple_of(2) && self.n_inputs() == self.n_outputs() {
            return Ok(());
        }
        Err(Error::parameter(
            "network",
            "an autoencoder: an even number of connections and an output for each input",
            format!(
                "{connections} connections, {} inputs, {} outputs",
                self.n_inputs(),
                self.n_outputs()
            ),
        ))
    }

    fn inputs_or_values(&self, x: Input<'_>, layer: usize, inputs: bool) -> Result<Matrix> {
        if !(1..self.n_layers()).contains(&layer) {
            let expected = format!("1 to {}", self.n_layers() - 1);
            return Err(Error::parameter("layer of a network", expected, layer));
        }
        if x.columns() != self.n_inputs() {
            let (expected, found) = (self.n_inputs(), x.columns());
            return Err(Error::shape("columns of the data", expected, found));
        }
        let mut out = Matrix::zeros(x.rows(), self.size(layer));
        let mut hidden: [Matrix; 2] = Default::default();
        let mut buffers = Propagation::default();
        in_pool(|| {
            for (rows, part) in x.chunks() {
                for l in 1..=layer {
                    let [from, to] = &mut hidden;
                    let from = match l {
                        1 => part,
                        _ => Input::from(&*from),
                    };
                    let to = if l == layer {
                        out.view_rows_mut(rows.clone())
                    } else {
                        to.reset(rows.len(), self.size(l));
                        to.view_mut()
                    };
                    let mut tail = Tail {
                        precise: true,
                        ..Tail::new(1.0)
                    };
                    let logistic = self.activation(l) == Activation::Logistic;
                    if logistic && !(inputs && l == layer) {
                        tail.mean = Some(to);
                    } else {
                        tail.input = Some(to);
                    }
                    self.layer_from_below(l, from, tail, &mut buffers)?;
                    hidden.swap(0, 1);
                }
            }
            Ok::<_, Error>(())
        })?;
        if self.activation(layer) == Activation::Softmax && !inputs {
            for s in 0..out.rows() {
                let row = out.row_mut(s);
                log_softmax(row);
                row.iter_mut().for_each(|x| *x = x.exp());
            }
        }
        Ok(out)
    }

    /// Whatever `tail` asks for of layer `l`; its `mean` is that of logistic units.
    pub(crate) fn layer_from_below(
        &self,
        l: usize,
        below: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let (w, bias) = (&self.connections[l - 1], &self.bias[l - 1]);
        let term = w.term(below, Direction::Up, tail.precision())?;
        propagate(&[term], bias, tail, buffers)
    }

    /// A layer of the input's units, for what checks values of such units.
    pub(crate) fn input_layer(&self) -> Layer {
        Layer::new(self.input.clone())
    }
}

/// `y_k <- y_k - ln sum e^y`.
fn log_softmax(y: &mut [f32]) {
    let mut sum = LogSum::default();
    y.iter().for_each(|&y| sum.add(f64::from(y)));
    let log_sum = sum.value();
    y.iter_mut()
        .for_each(|y| *y = (f64::from(*y) - log_sum) as f32);
}
