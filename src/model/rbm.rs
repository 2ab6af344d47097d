//! The restricted Boltzmann machine.

use super::Layer;
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    kernel::reference::softplus,
    matrix::Matrix,
    product::{Connection, Direction, Input, Propagation, Tail, propagate},
    rng::{Draws, HostRng},
};

/// Standard deviation of the initial weights (Hinton, A practical guide to training restricted Boltzmann machines, section 8).
pub const INITIAL_WEIGHT_DEVIATION: f64 = 0.01;
/// Pseudo-examples, half on and half off, added to the data for the initial visible biases: a pixel that is never on gets a finite
/// log-odds.
const INITIAL_PSEUDO_EXAMPLES: f64 = 1.0;

/// A restricted Boltzmann machine over binary states:
/// `E(v, h) = -b.v - c.h - v'Wh`, `P(v, h) = e^-E / Z` (Smolensky 1986).
///
/// `W` is `[n_visible x n_hidden]`, `b` the visible and `c` the hidden bias. Conditionals take an inverse temperature
/// `beta`, which multiplies the energy. Parameters and products are f32, energies and free energies of states f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Rbm {
    visible: Layer,
    hidden: Layer,
    connection: Connection,
}

impl Rbm {
    /// A machine with all parameters zero.
    pub fn bernoulli(n_visible: usize, n_hidden: usize) -> Self {
        Self {
            visible: Layer::bernoulli(n_visible),
            hidden: Layer::bernoulli(n_hidden),
            connection: Connection::new(Matrix::zeros(n_visible, n_hidden)),
        }
    }

    /// A machine of given parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] where they disagree, [`Error::NotFinite`] where one is NaN or infinite.
    pub fn from_parameters(weights: Matrix, visible: Vec<f32>, hidden: Vec<f32>) -> Result<Self> {
        for (what, bias, n) in [
            ("visible bias", &visible, weights.rows()),
            ("hidden bias", &hidden, weights.columns()),
        ] {
            if bias.len() != n {
                return Err(Error::shape(what, n, bias.len()));
            }
        }
        let rbm = Self {
            visible: Layer {
                bias: visible,
                ..Layer::bernoulli(0)
            },
            hidden: Layer {
                bias: hidden,
                ..Layer::bernoulli(0)
            },
            connection: Connection::new(weights),
        };
        rbm.check_finite()?;
        Ok(rbm)
    }

    /// The usual start of learning: `W` normal with deviation 0.01, `c` zero, `b_i = ln(p_i / (1 - p_i))` where `p_i` is the mean of
    /// unit `i` over the data and two half pseudo-examples.
    ///
    /// # Errors
    /// [`Error::Shape`] if the examples have another number of columns than the machine has visible units.
    pub fn initialized_from(mut self, data: &Examples, seed: u64) -> Result<Self> {
        if data.columns() != self.n_visible() {
            return Err(Error::shape(
                "columns of the data",
                self.n_visible(),
                data.columns(),
            ));
        }
        let mut rng = HostRng::new(seed, 0);
        for i in 0..self.n_visible() {
            for w in self.connection.weights_mut().row_mut(i) {
                *w = (INITIAL_WEIGHT_DEVIATION * rng.normal()) as f32;
            }
        }
        self.visible.bias = log_odds(&data.mean(), data.len(), INITIAL_PSEUDO_EXAMPLES);
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

    /// The visible layer.
    pub fn visible(&self) -> &Layer {
        &self.visible
    }

    /// The hidden layer.
    pub fn hidden(&self) -> &Layer {
        &self.hidden
    }

    /// `W`.
    pub fn weights(&self) -> &Matrix {
        self.connection.weights()
    }

    /// `(W, b, c)` for a learning rule to change.
    pub fn parameters_mut(&mut self) -> (&mut Matrix, &mut [f32], &mut [f32]) {
        (
            self.connection.weights_mut(),
            &mut self.visible.bias,
            &mut self.hidden.bias,
        )
    }

    /// `(b, c)` for a learning rule or an annealing schedule to change; the weights' fast copies stay.
    pub fn biases_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        (&mut self.visible.bias, &mut self.hidden.bias)
    }

    /// After a change of the weights, renews the copies that fast products use, in place. Without it they are made, in new memory, at
    /// the next product that wants them.
    pub fn refresh(&mut self) {
        self.connection.refresh();
    }

    /// Refuses NaN and infinite parameters.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the name of the parameter.
    pub fn check_finite(&self) -> Result<()> {
        let finite = |x: &[f32]| x.iter().all(|x| x.is_finite());
        for (what, ok) in [
            ("weights", self.weights().is_finite()),
            ("visible bias", finite(&self.visible.bias)),
            ("hidden bias", finite(&self.hidden.bias)),
        ] {
            if !ok {
                return Err(Error::NotFinite { what: what.into() });
            }
        }
        Ok(())
    }

    /// The machine with its layers exchanged: `W'`, `b` and `c` swapped. The same distribution of (h, v).
    pub fn transposed(&self) -> Self {
        Self {
            visible: self.hidden.clone(),
            hidden: self.visible.clone(),
            connection: Connection::new(self.weights().transposed()),
        }
    }

    /// Whatever `tail` asks for of the hidden layer given `v` `[samples x n_visible]`: `x = beta (v W + c)`.
    ///
    /// # Errors
    /// [`Error::Shape`] where `v` or an output does not fit the machine.
    pub fn hidden_from_visible(
        &self,
        v: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let term = self.connection.term(v, Direction::Up, tail.precise);
        propagate(&[term], &self.hidden.bias, tail, buffers)
    }

    /// Whatever `tail` asks for of the visible layer given `h` `[samples x n_hidden]`: `x = beta (h W' + b)`.
    ///
    /// # Errors
    /// [`Error::Shape`] where `h` or an output does not fit the machine.
    pub fn visible_from_hidden(
        &self,
        h: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let term = self.connection.term(h, Direction::Down, tail.precise);
        propagate(&[term], &self.visible.bias, tail, buffers)
    }

    /// `beta (v W + c)`, `[samples x n_hidden]`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` has `n_visible` columns; so for all that follow.
    pub fn input_h_from_v<'a>(&self, v: impl Into<Input<'a>>, beta: f32) -> Result<Matrix> {
        let v = v.into();
        let mut out = Matrix::zeros(v.rows(), self.n_hidden());
        let tail = Tail {
            input: Some(out.view_mut()),
            precise: true,
            ..Tail::new(beta)
        };
        self.hidden_from_visible(v, tail, &mut Propagation::default())?;
        Ok(out)
    }

    /// `beta (h W' + b)`, `[samples x n_visible]`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn input_v_from_h<'a>(&self, h: impl Into<Input<'a>>, beta: f32) -> Result<Matrix> {
        let h = h.into();
        let mut out = Matrix::zeros(h.rows(), self.n_visible());
        let tail = Tail {
            input: Some(out.view_mut()),
            precise: true,
            ..Tail::new(beta)
        };
        self.visible_from_hidden(h, tail, &mut Propagation::default())?;
        Ok(out)
    }

    /// `P(h = 1 | v) = sigma(beta (v W + c))`, `[samples x n_hidden]`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn mean_h_from_v<'a>(&self, v: impl Into<Input<'a>>, beta: f32) -> Result<Matrix> {
        let v = v.into();
        let mut out = Matrix::zeros(v.rows(), self.n_hidden());
        let tail = Tail {
            mean: Some(out.view_mut()),
            precise: true,
            ..Tail::new(beta)
        };
        self.hidden_from_visible(v, tail, &mut Propagation::default())?;
        Ok(out)
    }

    /// `P(v = 1 | h) = sigma(beta (h W' + b))`, `[samples x n_visible]`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn mean_v_from_h<'a>(&self, h: impl Into<Input<'a>>, beta: f32) -> Result<Matrix> {
        let h = h.into();
        let mut out = Matrix::zeros(h.rows(), self.n_visible());
        let tail = Tail {
            mean: Some(out.view_mut()),
            precise: true,
            ..Tail::new(beta)
        };
        self.visible_from_hidden(h, tail, &mut Propagation::default())?;
        Ok(out)
    }

    /// States drawn from `P(h | v)`, `[samples x n_hidden]`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn sample_h_from_v<'a>(
        &self,
        v: impl Into<Input<'a>>,
        beta: f32,
        draws: Draws,
    ) -> Result<BitMatrix> {
        let v = v.into();
        let mut out = BitMatrix::zeros(v.rows(), self.n_hidden());
        let tail = Tail {
            sample: Some((out.view_mut(), draws)),
            ..Tail::new(beta)
        };
        self.hidden_from_visible(v, tail, &mut Propagation::default())?;
        Ok(out)
    }

    /// States drawn from `P(v | h)`, `[samples x n_visible]`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn sample_v_from_h<'a>(
        &self,
        h: impl Into<Input<'a>>,
        beta: f32,
        draws: Draws,
    ) -> Result<BitMatrix> {
        let h = h.into();
        let mut out = BitMatrix::zeros(h.rows(), self.n_visible());
        let tail = Tail {
            sample: Some((out.view_mut(), draws)),
            ..Tail::new(beta)
        };
        self.visible_from_hidden(h, tail, &mut Propagation::default())?;
        Ok(out)
    }

    /// `E(v, h)` of each pair of rows, in f64.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` and `h` are `[n x n_visible]` and `[n x n_hidden]`.
    pub fn energy(&self, v: &BitMatrix, h: &BitMatrix) -> Result<Vec<f64>> {
        let found = (v.rows(), v.columns(), h.columns());
        if found != (h.rows(), self.n_visible(), self.n_hidden()) {
            return Err(Error::shape(
                "states",
                format!(
                    "{0} x {1} and {0} x {2}",
                    v.rows(),
                    self.n_visible(),
                    self.n_hidden()
                ),
                format!(
                    "{} x {} and {} x {}",
                    v.rows(),
                    v.columns(),
                    h.rows(),
                    h.columns()
                ),
            ));
        }
        Ok((0..v.rows())
            .map(|s| {
                let mut sum = 0.0;
                for i in v.view().ones(s) {
                    sum += f64::from(self.visible.bias[i]);
                    let row = self.weights().row(i);
                    sum += h.view().ones(s).map(|j| f64::from(row[j])).sum::<f64>();
                }
                sum += h
                    .view()
                    .ones(s)
                    .map(|j| f64::from(self.hidden.bias[j]))
                    .sum::<f64>();
                -sum
            })
            .collect())
    }

    /// `F(v) = -beta b.v - sum_j ln(1 + e^(beta (v W + c)_j))` of each row, so that `p(v) = e^-F(v) / Z`. Inputs are f32 products, sums
    /// f64: the error is some 1e-4 for 784 x 500. For real-valued rows the same formula.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn free_energy_v<'a>(&self, v: impl Into<Input<'a>>, beta: f32) -> Result<Vec<f64>> {
        let v = v.into();
        let mut out = vec![0.0; v.rows()];
        let tail = Tail {
            softplus_sums: Some(&mut out),
            precise: true,
            ..Tail::new(beta)
        };
        self.hidden_from_visible(v, tail, &mut Propagation::default())?;
        for (s, f) in out.iter_mut().enumerate() {
            *f = -*f - f64::from(beta) * dot(v, s, &self.visible.bias);
        }
        Ok(out)
    }

    /// The free energy of hidden states, `-beta c.h - sum_i ln(1 + e^(beta (h W' + b)_i))`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn free_energy_h<'a>(&self, h: impl Into<Input<'a>>, beta: f32) -> Result<Vec<f64>> {
        let h = h.into();
        let mut out = vec![0.0; h.rows()];
        let tail = Tail {
            softplus_sums: Some(&mut out),
            precise: true,
            ..Tail::new(beta)
        };
        self.visible_from_hidden(h, tail, &mut Propagation::default())?;
        for (s, f) in out.iter_mut().enumerate() {
            *f = -*f - f64::from(beta) * dot(h, s, &self.hidden.bias);
        }
        Ok(out)
    }

    /// `mean over the rows of ln p(v) = -F(v) - ln Z`, in nats, for a given `ln Z`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn mean_log_likelihood<'a>(&self, v: impl Into<Input<'a>>, log_z: f64) -> Result<f64> {
        let free = self.free_energy_v(v, 1.0)?;
        let n = free.len() as f64;
        Ok(-free.iter().sum::<f64>() / n - log_z)
    }
}

/// `ln((p + q) / (1 - p + q))` with `q` half of `pseudo` over `count`: the log-odds of means with pseudo-examples, half of them on.
pub(crate) fn log_odds(mean: &[f64], count: usize, pseudo: f64) -> Vec<f32> {
    let half = 0.5 * pseudo / count.max(1) as f64;
    mean.iter()
        .map(|&p| ((p + half).ln() - (1.0 - p + half).ln()) as f32)
        .collect()
}

/// `x[row] . bias` in f64.
pub(crate) fn dot(x: Input<'_>, row: usize, bias: &[f32]) -> f64 {
    match x {
        Input::Bits(x) => x.ones(row).map(|i| f64::from(bias[i])).sum(),
        Input::Real(x) => x
            .row(row)
            .iter()
            .zip(bias)
            .map(|(&x, &b)| f64::from(x) * f64::from(b))
            .sum(),
    }
}

/// `ln Z` of independent units with these biases: `sum ln(1 + e^b)`.
pub(crate) fn log_z_of_biases(bias: &[f32]) -> f64 {
    bias.iter().map(|&b| softplus(f64::from(b))).sum()
}
