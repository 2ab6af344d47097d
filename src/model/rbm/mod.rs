//! The restricted Boltzmann machine.

mod classify;
mod counts;
mod energy;
mod gibbs;
mod impute;
mod observed;

pub(crate) use classify::clear_group;
pub use classify::most_probable;
pub(crate) use energy::for_each_sent;
pub use gibbs::RbmChain;
pub use observed::{GivenObserved, Missing};

use super::{
    Layer,
    layer::{between, draw_weights, exactly, quadratic::check_normalizable},
};
use crate::{
    dataset::{Examples, Rows},
    error::{Error, Result},
    matrix::Matrix,
    product::{Connection, Direction, Exact, Propagation, Tail},
    rng::{Draws, HostRng, Site, Stream},
    states::{Input, States},
    units::Kind,
};

/// A restricted Boltzmann machine: `P(v, h) = e^-E / Z` with `E(v, h) = -b.v - c.h - v'Wh` for
/// binary states (Smolensky 1986). For units of other kinds, see [`crate::units`]: `E` is the sum
/// of the units' own energies and of `-v~'Wh~`, where `v~` and `h~` are the states, those of
/// Gaussian units divided by their variances.
///
/// `W` is `[n_visible x n_hidden]`, `b` the visible and `c` the hidden bias. Conditionals take an
/// inverse temperature `beta`, which multiplies the energy. Parameters and products are f32,
/// energies and free energies of states f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Rbm {
    visible: Layer,
    hidden: Layer,
    connection: Connection,
}

impl Rbm {
    /// A machine of Bernoulli units, `[n_visible, n_hidden]` of them, with all parameters zero.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two sizes and for 0; [`Error::Shape`] for more.
    pub fn bernoulli(sizes: &[usize]) -> Result<Self> {
        let [visible, hidden] = exactly("layers", Layer::bernoulli_of(sizes)?)?;
        Self::unconnected(visible, hidden)
    }

    /// A machine of two layers, the visible and the hidden one, of any kinds of units, and of their
    /// weights `W`. A vector of biases stands for a layer of Bernoulli units.
    ///
    /// ```
    /// use harmonium::{Matrix, Rbm};
    /// let w = Matrix::from_slice(&[1.0, -1.0], 2, 1)?;
    /// let rbm = Rbm::from_parameters([vec![0.0, 0.5], vec![-0.5]], [w])?;
    /// assert_eq!((rbm.n_visible(), rbm.n_hidden()), (2, 1));
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where parameters disagree, [`Error::NotFinite`] where one is NaN or
    /// infinite, [`Error::Parameter`] for weights between continuous units that leave the machine
    /// without a guaranteed normal form.
    pub fn from_parameters(
        layers: impl IntoIterator<Item = impl Into<Layer>>,
        weights: impl IntoIterator<Item = Matrix>,
    ) -> Result<Self> {
        let [visible, hidden] = exactly("layers", layers)?.map(Into::into);
        let [weights] = exactly("matrices of weights", weights)?;
        visible.check("visible")?;
        hidden.check("hidden")?;
        let shape = (weights.rows(), weights.columns());
        if shape != (visible.size(), hidden.size()) {
            return Err(Error::shape(
                "weights",
                format!("{} x {}", visible.size(), hidden.size()),
                format!("{} x {}", shape.0, shape.1),
            ));
        }
        let rbm = Self {
            visible,
            hidden,
            connection: Connection::new(weights),
        };
        rbm.check()?;
        Ok(rbm)
    }

    /// A machine of two layers without connections.
    ///
    /// # Errors
    /// As [`Self::from_parameters`].
    pub fn unconnected(visible: Layer, hidden: Layer) -> Result<Self> {
        let weights = Matrix::zeros(visible.size(), hidden.size());
        Self::from_parameters([visible, hidden], [weights])
    }

    /// The usual start of learning: `W` normal with deviation 0.01, `c` zero,
    /// `b_i = ln(p_i / (1 - p_i))` where `p_i` is the mean of unit `i` over the data and two half
    /// pseudo-examples; for other kinds of units likewise the biases of a machine without
    /// connections.
    ///
    /// # Errors
    /// [`Error::Shape`] if the examples have another number of columns than the machine has visible
    /// units, [`Error::Parameter`] for values that the units cannot have.
    pub fn initialized_from(mut self, data: &Examples, seed: u64) -> Result<Self> {
        self.visible.check_values(data)?;
        let mut rng = HostRng::new(seed, Stream::Weights(0));
        draw_weights(self.connection.weights_mut(), &mut rng);
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
    pub(crate) fn parameters_mut(&mut self) -> (&mut Matrix, &mut [f32], &mut [f32]) {
        (
            self.connection.weights_mut(),
            &mut self.visible.bias,
            &mut self.hidden.bias,
        )
    }

    /// `W` and its copies, to be stepped together.
    pub(crate) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// `(b, c)` for a learning rule or an annealing schedule to change; the weights' fast copies
    /// stay.
    pub(crate) fn biases_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        (&mut self.visible.bias, &mut self.hidden.bias)
    }

    /// `ln s^2` of the visible and hidden units for a learning rule to change; empty for layers
    /// without Gaussian units. Those of other units must stay 0.
    pub(crate) fn log_variances_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        (
            &mut self.visible.log_variance,
            &mut self.hidden.log_variance,
        )
    }

    /// Whether all units are Bernoulli units.
    pub fn is_bernoulli(&self) -> bool {
        self.visible.units.are(Kind::Bernoulli) && self.hidden.units.are(Kind::Bernoulli)
    }

    /// After a change of the weights, renews the copies that fast products use, in place. Without
    /// it they are made, in new memory, at the next product that wants them.
    pub fn refresh(&mut self) {
        self.connection.refresh();
    }

    /// The largest step of the fixed-point weights that fast products with bits take, of which a
    /// weight is off by at most half; none where products are of the weights as they are.
    pub fn look_up_step(&self) -> Option<f32> {
        self.connection.look_up_step()
    }

    /// Refuses NaN and infinite parameters.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the name of the parameter.
    pub fn check_finite(&self) -> Result<()> {
        if !self.weights().is_finite() {
            return Err(Error::NotFinite {
                what: "weights".into(),
            });
        }
        self.visible.check_finite("visible")?;
        self.hidden.check_finite("hidden")
    }

    /// Refuses NaN and infinite parameters, and machines of continuous units without a guaranteed
    /// normal form.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the name of the parameter; [`Error::Parameter`] for the weights
    /// between continuous units.
    pub fn check(&self) -> Result<()> {
        self.check_finite()?;
        self.check_counts()?;
        check_normalizable(&self.visible, &self.hidden, self.weights())
    }

    /// The machine with its layers exchanged: `W'`, `b` and `c` swapped. The same distribution of
    /// (h, v).
    pub fn transposed(&self) -> Self {
        Self {
            visible: self.hidden.clone(),
            hidden: self.visible.clone(),
            connection: Connection::new(self.weights().transposed()),
        }
    }

    /// Whatever `tail` asks for of the hidden layer given `v` `[samples x n_visible]`:
    /// `x = beta (v W + c)`, of counts `beta (v W + D c)` as [`Self::given_length`] says. Units
    /// other than Bernoulli as [`Layer::propagate`] says.
    ///
    /// # Errors
    /// [`Error::Shape`] where `v` or an output does not fit the machine; those of
    /// [`Layer::propagate`].
    pub fn hidden_from_visible(
        &self,
        v: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        between(&self.visible, v, buffers, |v, buffers| {
            let term = self.connection.term(v, Direction::Up, tail.precision())?;
            self.with_counted_bias(v, tail, buffers, |tail, buffers| {
                self.hidden.propagate(&[term], tail, buffers)
            })
        })
    }

    /// Whatever `tail` asks for of the visible layer given `h` `[samples x n_hidden]`:
    /// `x = beta (h W' + b)`. Counts without a length have samples of the length that stands in
    /// their place, and means of one word.
    ///
    /// # Errors
    /// As [`Self::hidden_from_visible`].
    pub fn visible_from_hidden(
        &self,
        h: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        self.layer_from_hidden(&self.visible, h, tail, buffers)
    }

    /// [`Self::visible_from_hidden`] with `layer` in place of the visible layer, of the same units.
    pub(super) fn layer_from_hidden(
        &self,
        layer: &Layer,
        h: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        between(&self.hidden, h, buffers, |h, buffers| {
            let term = self.connection.term(h, Direction::Down, tail.precision())?;
            layer.propagate(&[term], tail, buffers)
        })
    }

    /// `beta (v W + c)`, `[samples x n_hidden]`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` has `n_visible` columns; [`Error::Parameter`] for examples with
    /// missing values, see [`Self::impute`]; so for all that follow.
    pub fn input_h_from_v<'a>(&self, v: impl Into<Rows<'a>>, beta: f32) -> Result<Matrix> {
        let v = v.into().complete("P(h | v)")?;
        Tail::matrix_of(Exact::Input, (v.rows(), self.n_hidden()), beta, |tail| {
            self.hidden_from_visible(v, tail, &mut Propagation::default())
        })
    }

    /// `beta (h W' + b)`, `[samples x n_visible]`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn input_v_from_h<'a>(&self, h: impl Into<Input<'a>>, beta: f32) -> Result<Matrix> {
        let h = h.into();
        Tail::matrix_of(Exact::Input, (h.rows(), self.n_visible()), beta, |tail| {
            self.visible_from_hidden(h, tail, &mut Propagation::default())
        })
    }

    /// `E[h | v]`, of Bernoulli units `P(h = 1 | v) = sigma(beta (v W + c))`,
    /// `[samples x n_hidden]`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn mean_h_from_v<'a>(&self, v: impl Into<Rows<'a>>, beta: f32) -> Result<Matrix> {
        let v = v.into().complete("P(h | v)")?;
        Tail::matrix_of(Exact::Mean, (v.rows(), self.n_hidden()), beta, |tail| {
            self.hidden_from_visible(v, tail, &mut Propagation::default())
        })
    }

    /// As [`Self::mean_h_from_v`], into `out` `[samples x n_hidden]`: for calls on a row or a few,
    /// which run on the calling thread and allocate nothing after the first of a thread. From any
    /// number of threads at once.
    ///
    /// ```
    /// use harmonium::{BitMatrix, Matrix, Rbm};
    /// let rbm = Rbm::bernoulli(&[784, 500])?;
    /// let v = BitMatrix::from_fn(1, 784, |_, i| i % 8 == 0);
    /// let mut mean = Matrix::zeros(1, 500);
    /// rbm.mean_h_from_v_into(&v, 1.0, &mut mean)?;
    /// assert_eq!(mean.row(0)[3], 0.5);
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`]; [`Error::Shape`] for another `out`.
    pub fn mean_h_from_v_into<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        beta: f32,
        out: &mut Matrix,
    ) -> Result<()> {
        let v = v.into().complete("P(h | v)")?;
        let tail = Tail {
            mean: Some(out.view_mut()),
            precise: true,
            ..Tail::new(beta)
        };
        Propagation::of_thread(|buffers| self.hidden_from_visible(v, tail, buffers))
    }

    /// `E[v | h]`, of Bernoulli units `P(v = 1 | h) = sigma(beta (h W' + b))`,
    /// `[samples x n_visible]`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn mean_v_from_h<'a>(&self, h: impl Into<Input<'a>>, beta: f32) -> Result<Matrix> {
        let h = h.into();
        Tail::matrix_of(Exact::Mean, (h.rows(), self.n_visible()), beta, |tail| {
            self.visible_from_hidden(h, tail, &mut Propagation::default())
        })
    }

    /// States drawn from `P(h | v)`, `[samples x n_hidden]`. Draws are those of half sweep
    /// `step` of chains of the same seed: give calls beside chains another seed.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn sample_h_from_v<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        seed: u64,
        step: u64,
        beta: f32,
    ) -> Result<States> {
        let v = v.into().complete("P(h | v)")?;
        let mut out = States::zeros(v.rows(), &self.hidden);
        let tail = out.sampled(
            0..v.rows(),
            Draws::new(seed, Site::Gibbs, step),
            Tail::new(beta),
        );
        self.hidden_from_visible(v, tail, &mut Propagation::default())?;
        Ok(out)
    }

    /// States drawn from `P(v | h)`, `[samples x n_visible]`. Draws are those of half sweep
    /// `step` of chains of the same seed: give calls beside chains another seed.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`]; [`Error::Parameter`] for counts without a length.
    pub fn sample_v_from_h<'a>(
        &self,
        h: impl Into<Input<'a>>,
        seed: u64,
        step: u64,
        beta: f32,
    ) -> Result<States> {
        self.visible.expect_length("visible states")?;
        let h = h.into();
        let mut out = States::zeros(h.rows(), &self.visible);
        let tail = out.sampled(
            0..h.rows(),
            Draws::new(seed, Site::Gibbs, step),
            Tail::new(beta),
        );
        self.visible_from_hidden(h, tail, &mut Propagation::default())?;
        Ok(out)
    }
}
