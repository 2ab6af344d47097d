//! The general Boltzmann machine: every pair of units may be coupled.
//!
//! `E(v, h) = -v'Rv - v'Wh - h'Sh - b.v - c.h`, literally, with `R` and `S` symmetric and zero on
//! the diagonal, so that a pair within a layer counts twice; fully visible `E(x) = -x'Ux - b.x`
//! (Ackley, Hinton and Sejnowski 1985; Goodfellow, Bengio and Courville 2016, equations 20.1 and
//! 20.2). Over all units `x = (v, h)` with `a = (b, c)` this is `-E = sum_{i<j} A_ij x_i x_j + a.x`
//! with the couplings `A = [2R W; W' 2S]`, which is what enumeration, sampling and learning work
//! with: `P(x_i = 1 | rest) = sigma(beta (A_i x + a_i))`.
//!
//! Visible units may be softmax groups, of which one unit is on: a Potts model. Units of a group
//! are not coupled with one another, and `P(x_i = 1 | rest)` is the softmax of
//! `beta (A_i x + a_i)` over the group. Everything else is as for single units.

mod chain;
mod check;
mod conversion;
mod couplings;
mod edge_file;
mod exact;
mod impute;
mod ising;
mod mean_field;
mod unit_chain;
mod walk;

pub use chain::{BoltzmannChain, Sweep};
pub(crate) use couplings::Couplings;
pub use edge_file::{EdgeEnergy, EdgeFile};
pub(crate) use unit_chain::UnitChain;
pub use walk::BoltzmannExpectations;

use super::{
    Layer,
    layer::{INITIAL_WEIGHT_DEVIATION, exactly},
};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    kernel::sweep::Group,
    matrix::Matrix,
    product::{Direction, Exact, Propagation, Tail, Term},
    rng::{HostRng, Stream},
    states::Input,
    units::{Kind, Segment, Units},
};

/// A general Boltzmann machine of Bernoulli units, fully visible or with latent units; see the
/// formulas of its module in `docs/boltzmann.md`: `E(v, h) = -v'Rv - v'Wh - h'Sh - b.v - c.h`,
/// `P(v_i = 1 | rest) = sigma(2 R_i v + W_i h + b_i)`. Visible units may be softmax groups beside
/// Bernoulli units, which makes it a Potts model: `P(v_i = 1 | rest)` is then the softmax of these
/// inputs over the group, and units of a group are not coupled with one another.
///
/// `R` is `[n_visible x n_visible]`, `W` `[n_visible x n_hidden]`, `S` `[n_hidden x n_hidden]`.
/// Units are numbered visible ones first. Parameters are f32, energies, enumeration and bounds f64.
///
/// ```
/// use harmonium::{BoltzmannMachine, Matrix};
/// // Two coupled units: a pair counts twice, so Z = 1 + 1 + 1 + e^2.
/// let u = Matrix::from_slice(&[0.0, 1.0, 1.0, 0.0], 2, 2)?;
/// let machine = BoltzmannMachine::from_parameters([vec![0.0; 2]], [u])?;
/// assert!((machine.log_z(&mut ())? - (3.0 + 2_f64.exp()).ln()).abs() < 1e-12);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BoltzmannMachine {
    visible: Layer,
    hidden: Layer,
    visible_weights: Matrix,
    weights: Matrix,
    hidden_weights: Matrix,
    /// `[units x units]`: which pairs may be coupled; all of them without it.
    connectivity: Option<BitMatrix>,
}

/// The visible layer and the hidden one, which may be left out.
fn two(layers: impl Iterator<Item = Layer>) -> Result<[Layer; 2]> {
    let mut layers: Vec<Layer> = layers.collect();
    if layers.len() == 1 {
        layers.push(Layer::bernoulli(0));
    }
    exactly("layers", layers)
}

impl BoltzmannMachine {
    /// A machine with all parameters zero: `[n_visible]` units, fully visible, or
    /// `[n_visible, n_hidden]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of layers.
    pub fn bernoulli(sizes: &[usize]) -> Result<Self> {
        let [visible, hidden] = two(sizes.iter().map(|&n| Layer::bernoulli(n)))?;
        Ok(Self::unconnected(visible, hidden))
    }

    /// A machine of a visible layer of Bernoulli units and softmax groups, and of `n_hidden`
    /// Bernoulli units, with all weights zero.
    ///
    /// # Errors
    /// [`Error::Parameter`] for other kinds of units.
    pub fn of_visible(visible: Layer, n_hidden: usize) -> Result<Self> {
        let machine = Self::unconnected(visible, Layer::bernoulli(n_hidden));
        machine.check()?;
        Ok(machine)
    }

    fn unconnected(visible: Layer, hidden: Layer) -> Self {
        let (n, m) = (visible.size(), hidden.size());
        Self {
            visible,
            hidden,
            visible_weights: Matrix::zeros(n, n),
            weights: Matrix::zeros(n, m),
            hidden_weights: Matrix::zeros(m, m),
            connectivity: None,
        }
    }

    /// The same machine with these kinds of visible units, of the same biases.
    ///
    /// # Errors
    /// [`Error::Shape`] for units of another number; [`Error::Parameter`] for other kinds than
    /// `bernoulli` and `softmax`, and where units of a group are coupled.
    pub fn with_visible_units(mut self, units: Units) -> Result<Self> {
        self.visible.units = units;
        self.check()?;
        Ok(self)
    }

    /// A machine of the layer `b` and the weights `U`, fully visible with
    /// `E(x) = -x'Ux - b.x`, or of the layers `b`, `c` and the weights `R`, `W`, `S`. A vector of
    /// biases stands for a layer.
    ///
    /// # Errors
    /// [`Error::Shape`] where they disagree or are of other number; [`Error::NotFinite`] where one
    /// is NaN or infinite; [`Error::Parameter`] for `R` or `S` that is not exactly symmetric or not
    /// zero on the diagonal, for `R` that couples units of a softmax group with one another, for
    /// visible units of other kinds than `bernoulli` and `softmax`, and for hidden ones of another
    /// than `bernoulli`.
    pub fn from_parameters(
        layers: impl IntoIterator<Item = impl Into<Layer>>,
        weights: impl IntoIterator<Item = Matrix>,
    ) -> Result<Self> {
        let [visible, hidden] = two(layers.into_iter().map(Into::into))?;
        let mut machine = Self::unconnected(visible, hidden);
        let weights: Vec<Matrix> = weights.into_iter().collect();
        if weights.len() == 1 && machine.n_hidden() == 0 {
            [machine.visible_weights] = exactly("matrices of weights", weights)?;
        } else {
            [
                machine.visible_weights,
                machine.weights,
                machine.hidden_weights,
            ] = exactly("matrices of weights", weights)?;
        }
        machine.check()?;
        Ok(machine)
    }

    /// A machine of given couplings alone, `(i, j, weight)` over units numbered visible ones first:
    /// `weight` is `R_ij = R_ji` between visible units, `W` between a visible and a hidden one,
    /// `S_ij = S_ji` between hidden ones. Biases are zero ([`Self::set_parameter`]). The machine
    /// remembers its edges, those of weight 0 too: learning touches no other pair.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an edge that joins a unit to itself, repeats a pair, or names a
    /// unit that does not exist; [`Error::NotFinite`] for a weight that is NaN or infinite.
    pub fn from_edges(
        n_visible: usize,
        n_hidden: usize,
        edges: &[(usize, usize, f32)],
    ) -> Result<Self> {
        let mut machine = Self::bernoulli(&[n_visible, n_hidden])?;
        let n = machine.units();
        let mut mask = BitMatrix::zeros(n, n);
        for &(i, j, weight) in edges {
            let found = format!("({i}, {j})");
            if i >= n || j >= n || i == j {
                let expected = format!("two different units below {n}");
                return Err(Error::parameter("edge", expected, found));
            }
            if mask.get(i, j) {
                return Err(Error::parameter("edge", "each pair once", found));
            }
            mask.set(i, j, true);
            mask.set(j, i, true);
            machine.set_weight(i, j, weight);
        }
        machine.connectivity = Some(mask);
        machine.check()?;
        Ok(machine)
    }

    /// The same machine, of which learning changes only the pairs that are coupled now (weight not
    /// zero).
    pub fn with_present_edges_only(mut self) -> Self {
        let n = self.units();
        self.connectivity = Some(BitMatrix::from_fn(n, n, |i, j| self.coupling(i, j) != 0.0));
        self
    }

    /// The usual start of learning: couplings that may exist normal with deviation 0.01 (Hinton's
    /// practical guide, section 8), `c` zero, `b_i` the log-odds of unit `i` over the data and two
    /// half pseudo-examples.
    ///
    /// # Errors
    /// [`Error::Shape`] if the examples have another number of columns than the machine has visible
    /// units, [`Error::Parameter`] for values that the units cannot have.
    pub fn initialized_from(mut self, data: &Examples, seed: u64) -> Result<Self> {
        self.visible.check_values(data)?;
        let mut rng = HostRng::new(seed, Stream::Weights(0));
        for i in 0..self.units() {
            for j in i + 1..self.units() {
                if self.may_couple(i, j) {
                    self.set_weight(i, j, (INITIAL_WEIGHT_DEVIATION * rng.normal()) as f32);
                }
            }
        }
        self.visible.set_bias_from(data);
        self.hidden.bias.fill(0.0);
        Ok(self)
    }

    /// Number of visible units.
    pub fn n_visible(&self) -> usize {
        self.visible.size()
    }

    /// Number of hidden units.
    pub fn n_hidden(&self) -> usize {
        self.hidden.size()
    }

    /// Number of all units.
    pub fn units(&self) -> usize {
        self.n_visible() + self.n_hidden()
    }

    /// The visible layer.
    pub fn visible(&self) -> &Layer {
        &self.visible
    }

    /// The hidden layer.
    pub fn hidden(&self) -> &Layer {
        &self.hidden
    }

    /// `R`; `U` of a fully visible machine.
    pub fn visible_weights(&self) -> &Matrix {
        &self.visible_weights
    }

    /// `W`.
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    /// `S`.
    pub fn hidden_weights(&self) -> &Matrix {
        &self.hidden_weights
    }

    /// `(b, c)`, to be changed.
    pub(crate) fn biases_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        (&mut self.visible.bias, &mut self.hidden.bias)
    }

    /// `(R, W, S, b, c)` for a learning rule, which must keep `R` and `S` symmetric and zero on the
    /// diagonal.
    pub(crate) fn parameters_mut(&mut self) -> [&mut Matrix; 3] {
        [
            &mut self.visible_weights,
            &mut self.weights,
            &mut self.hidden_weights,
        ]
    }

    /// Whether learning may couple units `i` and `j`, numbered visible ones first: never those of
    /// one softmax group.
    pub fn may_couple(&self, i: usize, j: usize) -> bool {
        i != j
            && self.connectivity.as_ref().is_none_or(|x| x.get(i, j))
            && !self.are_of_one_group(i, j)
    }

    /// Softmax groups, rising.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group> {
        let segments = self.visible.units.segments().iter();
        let groups = segments.filter(|s| s.kind == Kind::Softmax);
        groups.map(|s| Group {
            first: s.first,
            end: s.range().end,
        })
    }

    /// Whether two units are of one softmax group.
    fn are_of_one_group(&self, i: usize, j: usize) -> bool {
        let segments = self.visible.units.segments();
        let is_before = |s: &Segment| s.range().end <= i.min(j);
        let found = segments.get(segments.partition_point(is_before));
        found.is_some_and(|s| s.kind == Kind::Softmax && s.range().contains(&i.max(j)))
    }

    /// Which pairs may be coupled, `[units x units]`, if not all.
    pub(crate) fn connectivity(&self) -> Option<&BitMatrix> {
        self.connectivity.as_ref()
    }

    /// The same machine with these pairs.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `mask` is `[units x units]`; [`Error::Parameter`] if it is not
    /// symmetric or leaves out a pair that is coupled.
    pub(crate) fn with_connectivity(mut self, mask: BitMatrix) -> Result<Self> {
        self.check_connectivity(&mask)?;
        self.connectivity = Some(mask);
        Ok(self)
    }

    /// `A_ij`, twice `R` or `S` within a layer.
    pub(crate) fn coupling(&self, i: usize, j: usize) -> f32 {
        let n = self.n_visible();
        match (i < n, j < n) {
            (true, true) => 2.0 * self.visible_weights.row(i)[j],
            (true, false) => self.weights.row(i)[j - n],
            (false, true) => self.weights.row(j)[i - n],
            (false, false) => 2.0 * self.hidden_weights.row(i - n)[j - n],
        }
    }

    /// `a_i`.
    pub(crate) fn bias(&self, i: usize) -> f32 {
        let n = self.n_visible();
        if i < n {
            self.visible.bias[i]
        } else {
            self.hidden.bias[i - n]
        }
    }

    /// Sets the number that is stored of a pair, on both sides of a diagonal.
    pub(crate) fn set_weight(&mut self, i: usize, j: usize, weight: f32) {
        let n = self.n_visible();
        let (i, j) = (i.min(j), i.max(j));
        match (i < n, j < n) {
            (true, true) => {
                self.visible_weights.row_mut(i)[j] = weight;
                self.visible_weights.row_mut(j)[i] = weight;
            }
            (true, false) => self.weights.row_mut(i)[j - n] = weight,
            _ => {
                self.hidden_weights.row_mut(i - n)[j - n] = weight;
                self.hidden_weights.row_mut(j - n)[i - n] = weight;
            }
        }
    }

    /// `E(v, h)` of each pair of rows, in f64; fully visible with an `h` of no columns. Cost:
    /// `units^2` a row.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` and `h` are `[rows x n_visible]` and `[rows x n_hidden]`.
    pub fn energy<'a>(&self, v: impl Into<Input<'a>>, h: impl Into<Input<'a>>) -> Result<Vec<f64>> {
        let (v, h) = (v.into(), h.into());
        self.check_states(v, h)?;
        let mut x = Vec::with_capacity(self.units());
        Ok((0..v.rows())
            .map(|s| {
                x.clear();
                append(&mut x, v, s);
                append(&mut x, h, s);
                let (v, h) = x.split_at(self.n_visible());
                let bilinear = |left: &[f64], w: &Matrix, right: &[f64]| -> f64 {
                    let rows = left.iter().enumerate().filter(|(_, x)| **x != 0.0);
                    rows.map(|(i, x)| x * dot(w.row(i), right)).sum()
                };
                -bilinear(v, &self.visible_weights, v)
                    - bilinear(v, &self.weights, h)
                    - bilinear(h, &self.hidden_weights, h)
                    - dot(&self.visible.bias, v)
                    - dot(&self.hidden.bias, h)
            })
            .collect())
    }

    /// `P(v_i = 1 | v without v_i, h) = sigma(beta (2 R_i v + W_i h + b_i))` of each row,
    /// `[rows x n_visible]`; the softmax of these inputs over the units of a group, given all that
    /// are not of it.
    ///
    /// # Errors
    /// As [`Self::energy`].
    pub fn mean_v_from_rest<'a>(
        &self,
        v: impl Into<Input<'a>>,
        h: impl Into<Input<'a>>,
        beta: f32,
    ) -> Result<Matrix> {
        self.mean_from_rest([v.into(), h.into()], 0, beta)
    }

    /// `P(h_j = 1 | v, h without h_j) = sigma(beta (2 S_j h + v W_j + c_j))` of each row,
    /// `[rows x n_hidden]`.
    ///
    /// # Errors
    /// As [`Self::energy`].
    pub fn mean_h_from_rest<'a>(
        &self,
        v: impl Into<Input<'a>>,
        h: impl Into<Input<'a>>,
        beta: f32,
    ) -> Result<Matrix> {
        self.mean_from_rest([v.into(), h.into()], 1, beta)
    }

    /// Means of layer `l` given all other units.
    fn mean_from_rest(&self, states: [Input<'_>; 2], l: usize, beta: f32) -> Result<Matrix> {
        self.check_states(states[0], states[1])?;
        let (layer, within, direction) = match l {
            0 => (&self.visible, &self.visible_weights, Direction::Down),
            _ => (&self.hidden, &self.hidden_weights, Direction::Up),
        };
        let twice = Matrix::from_fn(within.rows(), within.columns(), |i, j| {
            2.0 * within.row(i)[j]
        });
        let other = states[1 - l];
        let terms = [
            term(states[l], &twice, Direction::Up),
            term(other, &self.weights, direction),
        ];
        let terms = &terms[..1 + usize::from(other.columns() > 0)];
        let (rows, columns) = (states[0].rows(), layer.size());
        Tail::matrix_of(Exact::Mean, (rows, columns), beta, |tail| {
            layer.propagate(terms, tail, &mut Propagation::default())
        })
    }
}

/// A term without fast copies: exact to f32.
fn term<'a>(input: Input<'a>, weights: &'a Matrix, direction: Direction) -> Term<'a> {
    Term {
        input,
        weights,
        direction,
        fixed: None,
    }
}

/// Appends sample `s` as f64.
fn append(to: &mut Vec<f64>, x: Input<'_>, s: usize) {
    to.extend((0..x.columns()).map(|i| f64::from(x.get(s, i))));
}

fn dot(a: &[f32], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(&a, b)| f64::from(a) * b).sum()
}
