//! Machines of counts: the replicated softmax of Salakhutdinov and Hinton (Replicated softmax: an
//! undirected topic model, NIPS 2009).

use super::Rbm;
use crate::{
    error::{Error, Result},
    model::layer::length_of,
    product::{Propagation, Tail},
    states::Input,
};

impl Rbm {
    /// The machine of rows whose counts add up to `length`, `D`: the hidden biases become `D c`,
    /// and the visible units a multinomial variable of `D` draws.
    ///
    /// With counts `n` of `K` words the energy is `E(n, h) = -n.b - n'Wh - D c.h`. A row stands for
    /// a sequence of `D` words, and probabilities are those of a sequence:
    /// `p(n, h | D) = e^-E / Z_D` and `Z_D = sum_h e^(D c.h) (sum_k e^(b_k + (W h)_k))^D`, a sum
    /// over all `K^D` sequences. Those of the counts themselves are more by
    /// `ln D! - sum_k ln n_k!`. Given `h` and `D`, `n` is multinomial with the shares
    /// `e^(b_k + (W h)_k)`; given `n`, `P(h_j = 1) = sigma((n W)_j + D c_j)`.
    ///
    /// A machine without a length takes that of each row: conditionals of hidden units, energies,
    /// free energies and training. What is of one length, ln Z, chains from nothing, exact samples
    /// and annealing, is asked of the machine given a length.
    ///
    /// ```
    /// use harmonium::{Kind, Layer, Rbm};
    /// let rbm = Rbm::unconnected(Layer::of(Kind::Counts, 3), Layer::bernoulli(2))?;
    /// // Two hidden units without a say, and 3^4 sequences of 4 words.
    /// let log_z = rbm.given_length(4)?.log_z(&mut ())?;
    /// assert!((log_z - (4.0 * 81_f64).ln()).abs() < 1e-12);
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for visible units that are no counts, for a machine that has a length,
    /// and for more than [`MAX_LENGTH`](crate::units::MAX_LENGTH) words.
    pub fn given_length(&self, length: u32) -> Result<Self> {
        if !self.visible.has_lengths_of_rows() {
            let found = match self.visible.length {
                Some(length) => format!("one of {length}"),
                None => self.visible.units.to_string(),
            };
            let expected = "visible units of counts without a length";
            return Err(Error::parameter(
                "machine to be given a length",
                expected,
                found,
            ));
        }
        let mut given = self.clone();
        given.visible.length = Some(length);
        let words = length as f32;
        given.hidden.bias.iter_mut().for_each(|c| *c *= words);
        given.visible.check("visible")?;
        given.check_finite()?;
        Ok(given)
    }

    /// Refuses pairs of layers of which one has counts in the wrong place.
    pub(super) fn check_counts(&self) -> Result<()> {
        self.hidden.refuse_counts("hidden units")?;
        if self.visible.are_counts() && !self.hidden.units.are_discrete() {
            let expected = "bernoulli, spin or softmax units";
            let found = &self.hidden.units;
            return Err(Error::parameter(
                "hidden units beside counts",
                expected,
                found,
            ));
        }
        Ok(())
    }

    /// How often the hidden biases count in row `row` of `v`: the row's length, of a machine of
    /// counts that has none of its own.
    pub(crate) fn bias_count(&self, v: Input<'_>, row: usize) -> f64 {
        match self.visible.has_lengths_of_rows() {
            true => length_of(v, row),
            false => 1.0,
        }
    }

    /// `then(tail)`, where hidden biases that count more than once come on top of the products.
    pub(super) fn with_counted_bias<'a>(
        &self,
        v: Input<'_>,
        tail: Tail<'a>,
        buffers: &mut Propagation,
        then: impl for<'b> FnOnce(Tail<'b>, &mut Propagation) -> Result<()>,
    ) -> Result<()> {
        if !self.visible.has_lengths_of_rows() {
            return then(tail, buffers);
        }
        debug_assert!(tail.added.is_none(), "one thing comes on top of products");
        let mut added = buffers.added.take().unwrap_or_default();
        added.reset(v.rows(), self.n_hidden());
        for row in 0..v.rows() {
            // The layer adds its bias once.
            let more = length_of(v, row) as f32 - 1.0;
            let to = added.row_mut(row).iter_mut().zip(&self.hidden.bias);
            to.for_each(|(x, c)| *x = more * c);
        }
        let counted = Tail {
            added: Some(added.view()),
            ..tail
        };
        let done = then(counted, buffers);
        buffers.added = Some(added);
        done
    }
}
