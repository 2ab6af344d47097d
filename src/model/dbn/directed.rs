//! Two layers joined by directed connections: generation goes down, recognition up.

use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Layer, Rbm, layer::between, named::Slot},
    product::{Connection, Direction, Propagation, Tail},
    states::Input,
    units::Kind,
};
use std::borrow::Cow;

/// Two neighboring layers of a [`Dbn`](super::Dbn) below its top pair.
///
/// Generation `p(x | h) = ` the lower layer's distribution at the input `b + W h`, for binary units
/// `sigma(b + W h)`; recognition `q(h | x) = sigma(r + x R)` with Bernoulli units above. `W`, `R`
/// are `[n_below x n_above]`, `b` the generative bias of the lower layer, `r` the recognition bias
/// of the upper one. Tied connections share one matrix, `R = W`.
#[derive(Clone, Debug, PartialEq)]
pub struct Directed {
    below: Layer,
    above: Layer,
    /// `R`.
    recognition: Connection,
    /// `W'` `[n_above x n_below]`, unless it is `R'`: both matrices then have a row for every unit
    /// that sends.
    generative: Option<Connection>,
}

impl Directed {
    /// A pair of generative weights `W` and recognition weights `R`, which are `W` if there are
    /// none.
    ///
    /// # Errors
    /// [`Error::Shape`] where sizes disagree, [`Error::NotFinite`] for NaN or infinite parameters,
    /// [`Error::Parameter`] for units above that are not Bernoulli units.
    pub fn new(
        below: Layer,
        above: Layer,
        weights: Matrix,
        recognition: Option<Matrix>,
    ) -> Result<Self> {
        below.check("lower")?;
        above.check("upper")?;
        if !above.units.are(Kind::Bernoulli) {
            let what = "units of a layer that is inferred";
            return Err(Error::parameter(what, "bernoulli", &above.units));
        }
        let expected = (below.size(), above.size());
        for (name, w) in [
            ("weights", Some(&weights)),
            ("recognition weights", recognition.as_ref()),
        ] {
            let Some(w) = w else { continue };
            if (w.rows(), w.columns()) != expected {
                let expected = format!("{} x {}", expected.0, expected.1);
                return Err(Error::shape(
                    name,
                    expected,
                    format!("{} x {}", w.rows(), w.columns()),
                ));
            }
        }
        let pair = match recognition {
            None => Self {
                below,
                above,
                recognition: Connection::new(weights),
                generative: None,
            },
            Some(recognition) => Self {
                below,
                above,
                recognition: Connection::one_way(recognition),
                generative: Some(Connection::one_way(weights.transposed())),
            },
        };
        pair.check_finite()?;
        Ok(pair)
    }

    /// The pair that an RBM becomes when a layer is put upon it: `W` and `b` generate, `W` and `c`
    /// infer.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_rbm(rbm: &Rbm) -> Result<Self> {
        let (below, above) = (rbm.visible().clone(), rbm.hidden().clone());
        Self::new(below, above, rbm.weights().clone(), None)
    }

    /// The RBM of which [`Self::from_rbm`] makes this pair: that of tied weights.
    ///
    /// # Errors
    /// [`Error::Parameter`] for untied weights, which are no RBM's.
    pub fn to_rbm(&self) -> Result<Rbm> {
        if !self.is_tied() {
            return Err(Error::parameter("weights of an RBM", "tied", "untied"));
        }
        let weights = self.recognition.weights().clone();
        Rbm::from_parameters([self.below.clone(), self.above.clone()], [weights])
    }

    /// The lower layer with its generative bias.
    pub fn below(&self) -> &Layer {
        &self.below
    }

    /// The upper layer with its recognition bias.
    pub fn above(&self) -> &Layer {
        &self.above
    }

    /// Whether recognition and generation share their weights.
    pub fn is_tied(&self) -> bool {
        self.generative.is_none()
    }

    /// Gives generation weights of its own, equal at first.
    pub fn untie(&mut self) {
        if self.is_tied() {
            let weights = std::mem::take(&mut self.recognition).into_weights();
            self.generative = Some(Connection::one_way(weights.transposed()));
            self.recognition = Connection::one_way(weights);
        }
    }

    /// `W` `[n_below x n_above]`; of untied weights a copy.
    pub fn generative_weights(&self) -> Cow<'_, Matrix> {
        match &self.generative {
            None => Cow::Borrowed(self.recognition.weights()),
            Some(transposed) => Cow::Owned(transposed.weights().transposed()),
        }
    }

    /// `R` `[n_below x n_above]`.
    pub fn recognition_weights(&self) -> &Matrix {
        self.recognition.weights()
    }

    /// `(R, r)` for a learning rule to change; tied weights change with them. Then
    /// [`Self::refresh`].
    pub fn recognition_mut(&mut self) -> (&mut Matrix, &mut [f32]) {
        (self.recognition.weights_mut(), &mut self.above.bias)
    }

    /// `(W', b)`, `W'` `[n_above x n_below]`, for a learning rule to change; nothing while they are
    /// tied. Then [`Self::refresh`].
    pub fn generative_mut(&mut self) -> Option<(&mut Matrix, &mut [f32])> {
        let generative = self.generative.as_mut()?;
        Some((generative.weights_mut(), &mut self.below.bias))
    }

    /// `(R, r)` with the copies of `R`, to be stepped together.
    pub(crate) fn recognition_to_step(&mut self) -> (&mut Connection, &mut [f32]) {
        (&mut self.recognition, &mut self.above.bias)
    }

    /// `(W', b)` with the copies of `W'`, to be stepped together; nothing while they are tied.
    pub(crate) fn generative_to_step(&mut self) -> Option<(&mut Connection, &mut [f32])> {
        let generative = self.generative.as_mut()?;
        Some((generative, &mut self.below.bias))
    }

    /// Where `weights`, `bias` or `log_variance` of the lower layer and what it is generated by
    /// are.
    pub(in crate::model) fn generative_slot(&mut self, part: &str) -> Option<Slot<'_>> {
        match (part, &mut self.generative) {
            ("weights", None) => Some(Slot::Matrix(self.recognition.weights_mut())),
            ("weights", Some(transposed)) => Some(Slot::Transposed(transposed.weights_mut())),
            ("bias", _) => Some(Slot::Vector(&mut self.below.bias)),
            ("log_variance", _) if !self.below.log_variance.is_empty() => {
                Some(Slot::Vector(&mut self.below.log_variance))
            }
            _ => None,
        }
    }

    /// After a change of the weights, renews the copies that fast products use, in place.
    pub fn refresh(&mut self) {
        self.recognition.refresh();
        if let Some(generative) = &mut self.generative {
            generative.refresh();
        }
    }

    /// Refuses NaN and infinite parameters.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the name of the parameter.
    pub fn check_finite(&self) -> Result<()> {
        let generative = self.generative.as_ref();
        for (what, connection) in [
            ("recognition weights", Some(&self.recognition)),
            ("generative weights", generative),
        ] {
            if connection.is_some_and(|c| !c.weights().is_finite()) {
                return Err(Error::NotFinite { what: what.into() });
            }
        }
        self.below.check_finite("lower")?;
        self.above.check_finite("upper")
    }

    /// Whatever `tail` asks for of the upper layer inferred from `x` `[samples x n_below]`.
    ///
    /// # Errors
    /// [`Error::Shape`] where `x` or an output does not fit; those of [`Layer::propagate`].
    pub fn above_from_below(
        &self,
        x: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        between(&self.below, x, buffers, |x, buffers| {
            let term = self.recognition.term(x, Direction::Up, tail.precision())?;
            self.above.propagate(&[term], tail, buffers)
        })
    }

    /// Whatever `tail` asks for of the lower layer generated by `h` `[samples x n_above]`.
    ///
    /// # Errors
    /// As [`Self::above_from_below`].
    pub fn below_from_above(
        &self,
        h: Input<'_>,
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let term = match &self.generative {
            None => self
                .recognition
                .term(h, Direction::Down, tail.precision())?,
            Some(generative) => generative.term(h, Direction::Up, tail.precision())?,
        };
        self.below.propagate(&[term], tail, buffers)
    }
}
