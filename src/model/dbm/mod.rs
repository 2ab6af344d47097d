//! The deep Boltzmann machine: layers of units, each connected to its neighbors (Salakhutdinov and
//! Hinton, AISTATS 2009).

mod exact;
mod gibbs;
mod impute;
mod inference;
mod labels;
mod mean_field;
mod posterior;

pub use exact::DbmExpectations;
pub use gibbs::DbmChain;
pub use mean_field::{Convergence, MeanField};
pub use posterior::Posterior;

use super::{Layer, Rbm, layer::draw_weights};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    product::{Connection, Direction, Exact, Precision, Propagation, Tail},
    rng::{HostRng, Stream},
    states::Input,
    units::{Kind, Units},
};
use std::ops::Range;

/// A deep Boltzmann machine of layers `0 ..= L`: `P(x_0, ..., x_L) = e^-E / Z` with
/// `E = -sum_l b_l.x_l - sum_l x_l' W_l x_{l+1}`. Layer 0 is the visible one, connection `l` joins
/// layers `l` and `l + 1`, `W_l` is `[n_l x n_{l+1}]`. All units are binary: Bernoulli ones, and
/// softmax groups.
///
/// Given its neighbors a layer is independent of the rest, and given the even layers so are the
/// odd ones and the reverse: two blocks, as in an RBM, which the machine [is](Self::bipartite).
/// Conditionals take an inverse temperature `beta`, which multiplies the energy. Parameters and
/// products are f32, energies f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Dbm {
    layers: Vec<Layer>,
    connections: Vec<Connection>,
}

impl Dbm {
    /// A machine of given layers and weights, lowest first. A vector of biases stands for a layer
    /// of Bernoulli units.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two layers and for units that are not binary,
    /// [`Error::Shape`] where parameters disagree, [`Error::NotFinite`] where one is NaN or
    /// infinite.
    pub fn from_parameters(
        layers: impl IntoIterator<Item = impl Into<Layer>>,
        weights: impl IntoIterator<Item = Matrix>,
    ) -> Result<Self> {
        let layers: Vec<Layer> = layers.into_iter().map(Into::into).collect();
        let weights: Vec<Matrix> = weights.into_iter().collect();
        if layers.len() < 2 {
            return Err(Error::parameter("layers", "at least 2", layers.len()));
        }
        if weights.len() + 1 != layers.len() {
            let expected = layers.len() - 1;
            return Err(Error::shape("connections", expected, weights.len()));
        }
        for (l, layer) in layers.iter().enumerate() {
            layer.check(&format!("layer {l}"))?;
            if layer.size() == 0 {
                return Err(Error::parameter(
                    format!("units of layer {l}"),
                    "at least 1",
                    0,
                ));
            }
            if !layer.units.are_binary() {
                let what = format!("units of layer {l} of a deep Boltzmann machine");
                return Err(Error::parameter(
                    what,
                    "bernoulli units and softmax groups",
                    &layer.units,
                ));
            }
        }
        for (l, (w, pair)) in weights.iter().zip(layers.windows(2)).enumerate() {
            let (n, m) = (pair[0].size(), pair[1].size());
            if (w.rows(), w.columns()) != (n, m) {
                return Err(Error::shape(
                    format!("weights {l}"),
                    format!("{n} x {m}"),
                    format!("{} x {}", w.rows(), w.columns()),
                ));
            }
        }
        let dbm = Self {
            layers,
            connections: weights.into_iter().map(Connection::new).collect(),
        };
        dbm.check_finite()?;
        Ok(dbm)
    }

    /// A machine of Bernoulli layers of these sizes, lowest first, all parameters zero.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two layers and layers without units.
    pub fn bernoulli(sizes: &[usize]) -> Result<Self> {
        let layers = Layer::bernoulli_of(sizes)?;
        let weights = sizes.windows(2).map(|n| Matrix::zeros(n[0], n[1]));
        Self::from_parameters(layers, weights)
    }

    /// The joint machine of RBMs that were trained one upon the other with the inputs of inner
    /// layers doubled ([`crate::train::Doubled`]): weights as they are, the bias of an inner layer
    /// the sum of those that the RBMs below and above gave it. A softmax group at the end of an
    /// upper RBM's visible layer, the label, is left out; [`Self::joined_with_labels`] keeps it.
    ///
    /// # Errors
    /// As [`Self::from_parameters`]; [`Error::Shape`] where RBMs do not fit upon each other.
    pub fn joined(rbms: &[Rbm]) -> Result<Self> {
        let (mut layers, mut weights) = (Vec::new(), Vec::new());
        for (l, rbm) in rbms.iter().enumerate() {
            let Some(below) = layers.last_mut() else {
                layers.push(rbm.visible().clone());
                layers.push(rbm.hidden().clone());
                weights.push(rbm.weights().clone());
                continue;
            };
            let below: &mut Layer = below;
            let n = below.size();
            let units = &rbm.visible().units;
            let labels = units.last_group().filter(|_| *units != below.units);
            let all = units.segments();
            let kept = &all[..all.len() - usize::from(labels.is_some())];
            let features = kept
                .iter()
                .fold(Units::default(), |all, s| all.and(s.kind, s.size));
            if features != below.units {
                let what = format!("visible units of machine {l}, labels left out");
                let name = |units: &Units| format!("{} of {units}", units.size());
                return Err(Error::shape(what, name(&below.units), name(&features)));
            }
            let own = below.bias.iter_mut().zip(&rbm.visible().bias);
            own.for_each(|(b, upper)| *b += upper);
            layers.push(rbm.hidden().clone());
            let w = rbm.weights();
            weights.push(Matrix::from_fn(n, w.columns(), |i, j| w.row(i)[j]));
        }
        Self::from_parameters(layers, weights)
    }

    /// A start of learning without pretraining: weights normal with deviation 0.01, hidden biases
    /// zero, visible ones, and those of the label layer if there are labels, those of a machine
    /// without connections.
    ///
    /// # Errors
    /// [`Error::Shape`] if the examples have another number of columns than the machine has visible
    /// units, [`Error::Parameter`] for a label that is none of the machine's classes, for values
    /// that the units cannot have.
    pub fn initialized_from(mut self, data: &Examples, seed: u64) -> Result<Self> {
        self.layers[0].check_values(data)?;
        for (l, connection) in self.connections.iter_mut().enumerate() {
            let mut rng = HostRng::new(seed, Stream::Weights(l as u64));
            draw_weights(connection.weights_mut(), &mut rng);
        }
        self.layers[0].set_bias_from(data);
        for layer in &mut self.layers[1..] {
            layer.bias.fill(0.0);
        }
        if let (Some(classes), Some(labels)) = (self.classes(), data.labels()) {
            self.label_states(labels)?;
            let n = data.len().max(1) as f64 * data.mean_weight();
            let mut mean = vec![0.0; classes];
            for (row, &y) in labels.iter().enumerate() {
                mean[y as usize] += data.weights().map_or(1.0, |w| f64::from(w[row]));
            }
            mean.iter_mut().for_each(|x| *x /= n);
            let last = self.layers.last_mut().expect("that of the label");
            last.set_bias_from_means(&mean, data.effective_len());
        }
        Ok(self)
    }

    /// Number of layers, `L + 1`.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// Number of visible units.
    pub fn n_visible(&self) -> usize {
        self.layers[0].size()
    }

    /// The layers, lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Layer `l`.
    ///
    /// # Panics
    /// Unless `l < n_layers`.
    pub fn layer(&self, l: usize) -> &Layer {
        &self.layers[l]
    }

    /// `W_l` between layers `l` and `l + 1`.
    ///
    /// # Panics
    /// Unless `l + 1 < n_layers`.
    pub fn weights(&self, l: usize) -> &Matrix {
        self.connections[l].weights()
    }

    /// `W_l` for a learning rule to change.
    ///
    /// # Panics
    /// As [`Self::weights`].
    pub(crate) fn weights_mut(&mut self, l: usize) -> &mut Matrix {
        self.connections[l].weights_mut()
    }

    /// `W_l` and its copies, to be stepped together.
    ///
    /// # Panics
    /// As [`Self::weights`].
    pub(crate) fn connection_mut(&mut self, l: usize) -> &mut Connection {
        &mut self.connections[l]
    }

    /// `b_l` for a learning rule to change.
    ///
    /// # Panics
    /// As [`Self::layer`].
    pub(crate) fn bias_mut(&mut self, l: usize) -> &mut [f32] {
        &mut self.layers[l].bias
    }

    /// After a change of weights, renews the copies that fast products use, in place.
    pub fn refresh(&mut self) {
        self.connections.iter_mut().for_each(Connection::refresh);
    }

    /// Refuses NaN and infinite parameters.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the name of the parameter.
    pub fn check_finite(&self) -> Result<()> {
        for (l, connection) in self.connections.iter().enumerate() {
            if !connection.weights().is_finite() {
                let what = format!("weights {l}");
                return Err(Error::NotFinite { what });
            }
        }
        let mut layers = self.layers.iter().enumerate();
        layers.try_for_each(|(l, layer)| layer.check_finite(&format!("layer {l}")))
    }

    /// Whether all units are Bernoulli units.
    pub fn is_bernoulli(&self) -> bool {
        self.layers.iter().all(|x| x.units.are(Kind::Bernoulli))
    }

    /// Layers `1 ..= L` of parity `parity`, without the visible one.
    pub(crate) fn hidden_of(&self, parity: usize) -> impl Iterator<Item = usize> + use<> {
        (1..self.n_layers()).filter(move |l| l % 2 == parity)
    }

    /// Whatever `tail` asks for of layer `l` given its neighbors, states or means:
    /// `x = beta (below W_{l-1} + above W_l' + b_l)`, one fused pass over both products. A
    /// neighbor that is not given sends nothing, or what is in `tail.added`.
    ///
    /// # Errors
    /// [`Error::Parameter`] without a neighbor or for one that the layer does not have;
    /// [`Error::Shape`] where states or outputs do not fit; those of [`Layer::propagate`].
    pub fn layer_from_neighbors(
        &self,
        l: usize,
        below: Option<Input<'_>>,
        above: Option<Input<'_>>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let missing = |what: &str| {
            let expected = format!("{what} of layer {l} of {}", self.n_layers());
            Err(Error::parameter("neighbors", expected, "none"))
        };
        if l >= self.n_layers() || below.is_some() && l == 0 {
            return missing("a layer below");
        }
        if above.is_some() && l + 1 == self.n_layers() {
            return missing("a layer above");
        }
        let from_below = |x| self.connections[l - 1].term(x, Direction::Up, tail.precision());
        let from_above = |x| self.connections[l].term(x, Direction::Down, tail.precision());
        match (below, above) {
            (Some(x), Some(y)) => {
                let terms = [from_below(x)?, from_above(y)?];
                self.layers[l].propagate(&terms, tail, buffers)
            }
            (Some(x), None) => self.layers[l].propagate(&[from_below(x)?], tail, buffers),
            (None, Some(y)) => self.layers[l].propagate(&[from_above(y)?], tail, buffers),
            (None, None) => missing("a neighbor"),
        }
    }

    /// `E[v | h_1] = sigma(beta (h_1 W_0' + b_0))` of each row, `[rows x n_0]`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `h_1` has the units of layer 1; [`Error::NotFinite`] for NaN or
    /// infinite weights.
    pub fn mean_v_from_h<'a>(&self, h_1: impl Into<Input<'a>>, beta: f32) -> Result<Matrix> {
        let h_1 = h_1.into();
        Tail::matrix_of(Exact::Mean, (h_1.rows(), self.n_visible()), beta, |tail| {
            self.layer_from_neighbors(0, None, Some(h_1), tail, &mut Propagation::default())
        })
    }

    /// As [`Self::layer_from_neighbors`] without a layer above, whose input is made up for by that
    /// from below a second time if it is a hidden one: the up-pass that mean field and chains start
    /// from. A label sends little, and pretraining counts the input of the highest hidden layer
    /// once.
    pub(crate) fn layer_from_below(
        &self,
        l: usize,
        below: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let term = self.connections[l - 1].term(below, Direction::Up, tail.precision())?;
        let terms = [term, term];
        let times = if l < self.n_hidden_layers() { 2 } else { 1 };
        self.layers[l].propagate(&terms[..times], tail, buffers)
    }

    /// `v W_0`, without a bias.
    pub(crate) fn visible_product(
        &self,
        v: Input<'_>,
        out: &mut Matrix,
        zeros: &[f32],
        precision: Precision,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let tail = Tail {
            input: Some(out.view_mut()),
            ..Tail::new(1.0)
        };
        let term = self.connections[0].term(v, Direction::Up, precision)?;
        crate::product::propagate(&[term], zeros, tail, buffers)
    }

    /// Refuses states of other sizes than the layers', one a layer, of one number of rows; gives
    /// that number.
    pub(crate) fn check_states(&self, states: &[Input<'_>]) -> Result<usize> {
        if states.len() != self.n_layers() {
            let (expected, found) = (self.n_layers(), states.len());
            return Err(Error::shape("layers of states", expected, found));
        }
        let rows = states[0].rows();
        for (l, (x, layer)) in states.iter().zip(&self.layers).enumerate() {
            if (x.rows(), x.columns()) != (rows, layer.size()) {
                return Err(Error::shape(
                    format!("states of layer {l}"),
                    format!("{rows} x {}", layer.size()),
                    format!("{} x {}", x.rows(), x.columns()),
                ));
            }
        }
        Ok(rows)
    }

    /// `E(x_0, ..., x_L)` of each row, in f64; of real values the same formula. Cost: a dense
    /// product in f64 on one thread.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are states of every layer, of one number of rows.
    pub fn energy(&self, states: &[Input<'_>]) -> Result<Vec<f64>> {
        let rows = self.check_states(states)?;
        let mut upper = Vec::new();
        let value = |x: Input<'_>, s: usize, i: usize| f64::from(x.get(s, i));
        let of_row = |s: usize| {
            let own = self.layers.iter().zip(states);
            let mut sum: f64 = own.map(|(layer, &x)| layer.own_term(x, s)).sum();
            for (l, connection) in self.connections.iter().enumerate() {
                let (below, above) = (states[l], states[l + 1]);
                upper.clear();
                upper.extend((0..above.columns()).map(|j| value(above, s, j)));
                for i in 0..below.columns() {
                    let x = value(below, s, i);
                    if x != 0.0 {
                        let row = connection.weights().row(i).iter().zip(&upper);
                        sum += x * row.map(|(&w, y)| f64::from(w) * y).sum::<f64>();
                    }
                }
            }
            -sum
        };
        Ok((0..rows).map(of_row).collect())
    }

    /// The machine as an RBM, the same distribution: its visible layer is the even layers side by
    /// side, its hidden layer the odd ones, and its weights are blocks, `W_l` or its transpose
    /// between neighbors and zero elsewhere. With two hidden layers there are no zero blocks, so
    /// everything that is there for RBMs costs what it must: annealing with the odd layers summed
    /// in closed form (transposed, the even ones), tempering, exact sums.
    pub fn bipartite(&self) -> Rbm {
        let side = |parity: usize| {
            let mut all = Layer::default();
            for layer in self.layers.iter().skip(parity).step_by(2) {
                for s in layer.units.segments() {
                    all.units = std::mem::take(&mut all.units).and(s.kind, s.size);
                }
                all.bias.extend_from_slice(&layer.bias);
            }
            all
        };
        let mut rbm = Rbm::unconnected(side(0), side(1)).expect("a machine that was checked");
        self.bipartite_into(&mut rbm);
        rbm
    }

    /// Takes the parameters into `rbm`, which [`Self::bipartite`] made.
    pub(crate) fn bipartite_into(&self, rbm: &mut Rbm) {
        let (weights, even, odd) = rbm.parameters_mut();
        for (l, layer) in self.layers.iter().enumerate() {
            let side = if l.is_multiple_of(2) {
                &mut *even
            } else {
                &mut *odd
            };
            side[self.place(l)].copy_from_slice(&layer.bias);
        }
        for (l, connection) in self.connections.iter().enumerate() {
            let w = connection.weights();
            let (rows, columns) = (self.place(l), self.place(l + 1));
            for (i, a) in rows.enumerate() {
                if l.is_multiple_of(2) {
                    weights.row_mut(a)[columns.clone()].copy_from_slice(w.row(i));
                } else {
                    for (j, b) in columns.clone().enumerate() {
                        weights.row_mut(b)[a] = w.row(i)[j];
                    }
                }
            }
        }
        rbm.refresh();
    }

    /// The units of [`Self::bipartite`]'s visible or hidden layer that layer `l` is.
    ///
    /// # Panics
    /// Unless `l < n_layers`.
    pub fn place(&self, l: usize) -> Range<usize> {
        let below = self.layers.iter().take(l).skip(l % 2).step_by(2);
        let first = below.map(Layer::size).sum();
        first..first + self.layers[l].size()
    }

    /// The machine of the hidden layers given visible values `v`, each with a weight: `v` becomes
    /// two units that are always on and that send what `v` sends, as f32 and the rest of it, so
    /// that nothing is lost to f64.
    pub(super) fn given_visible(&self, v: Input<'_>, row: usize) -> Result<Self> {
        let n = self.layers[1].size();
        let mut sent = vec![0.0; n];
        super::for_each_sent(&self.layers[0], v, row, |i, x| {
            let weights = self.connections[0].weights().row(i).iter().zip(&mut sent);
            weights.for_each(|(&w, sum)| *sum += x * f64::from(w));
        });
        let split = |x: f64| [x as f32, (x - f64::from(x as f32)) as f32];
        let own = split(self.layers[0].own_term(v, row));
        let mut layers = self.layers.clone();
        layers[0] = Layer {
            units: Units::of(Kind::Softmax, 1).and(Kind::Softmax, 1),
            bias: own.to_vec(),
            ..Layer::default()
        };
        let mut weights: Vec<Matrix> = self
            .connections
            .iter()
            .skip(1)
            .map(|c| c.weights().clone())
            .collect();
        weights.insert(0, Matrix::from_fn(2, n, |k, j| split(sent[j])[k]));
        Self::from_parameters(layers, weights)
    }

    /// Layers and connections for a learning rule to change; sizes and units must stay.
    pub(crate) fn parts_mut(&mut self) -> (&mut [Layer], &mut [Connection]) {
        (&mut self.layers, &mut self.connections)
    }
}
