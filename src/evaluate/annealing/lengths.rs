//! Annealing of machines of counts, length by length.

use super::{Ais, LogZ};
use crate::{error::Result, model::Rbm, progress::Progress};

impl Ais {
    /// Estimates `ln Z_D` of a machine of counts for each of `lengths`: [`Self::log_z`] of
    /// [`Rbm::given_length`], by draws of its own for each length. At `beta = 0` stand the
    /// multinomial of the base's biases and hidden units that are fair coins; on the way
    /// `p_beta(n) ~ e^((1 - beta) b0.n + beta b.n) prod_j (1 + e^(beta ((n W)_j + D c_j)))`.
    /// [`Base::rate_of`](super::Base::rate_of) of the machine without a length is a base of every
    /// length.
    ///
    /// ```
    /// use harmonium::{Kind, Layer, Rbm, evaluate::{Ais, Betas}};
    /// let rbm = Rbm::unconnected(Layer::of(Kind::Counts, 3), Layer::bernoulli(2))?;
    /// let ais = Ais { betas: Betas::Linear(10), ..Ais::default() };
    /// let log_z = ais.log_z_of_lengths(&rbm, &[1, 4], &mut ())?;
    /// assert!((log_z[1].estimate - (4.0 * 81_f64).ln()).abs() < 1e-6);
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Rbm::given_length`] and [`Self::log_z`].
    pub fn log_z_of_lengths(
        &self,
        rbm: &Rbm,
        lengths: &[u32],
        progress: &mut dyn Progress,
    ) -> Result<Vec<LogZ>> {
        let mut all = Vec::with_capacity(lengths.len());
        for (k, &length) in lengths.iter().enumerate() {
            let part = &mut progress.part(k, 1, lengths.len());
            all.push(
                self.of_length(length)
                    .log_z(&rbm.given_length(length)?, part)?,
            );
        }
        Ok(all)
    }

    /// The same with draws that are those of a length alone.
    pub(crate) fn of_length(&self, length: u32) -> Self {
        Self {
            seed: self.seed.wrapping_add(u64::from(length) << 32),
            ..self.clone()
        }
    }
}
