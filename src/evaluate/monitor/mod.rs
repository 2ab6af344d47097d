//! Cheap figures to watch while training.

mod hidden_activity;
mod pseudo_likelihood;

pub use hidden_activity::{DEAD_BELOW, HiddenActivity, SATURATED_ABOVE};
pub use pseudo_likelihood::{PseudoLikelihood, pseudo_likelihood, stochastic_pseudo_likelihood};

use crate::{error::Result, kernel::reduce::mean_and_standard_error, model::Rbm, states::Input};

/// Mean over samples and visible units of `(v - E[v | E[h | v]])^2`: how well one deterministic
/// step up and down returns the data. No likelihood: it falls when chains mix badly.
///
/// # Errors
/// [`crate::Error::Shape`] unless `v` has the machine's visible units.
pub fn reconstruction_error<'a>(rbm: &Rbm, v: impl Into<Input<'a>>) -> Result<f64> {
    let v = v.into();
    let mut sum = 0.0;
    for (_, part) in v.chunks() {
        let h = rbm.mean_h_from_v(part, 1.0)?;
        let p = rbm.mean_v_from_h(&h, 1.0)?;
        for s in 0..part.rows() {
            let p = p.row(s).iter().enumerate();
            sum += p
                .map(|(i, &p)| f64::from(part.get(s, i) - p).powi(2))
                .sum::<f64>();
        }
    }
    Ok(sum / (v.rows() * v.columns()).max(1) as f64)
}

/// `mean F(validation) - mean F(training)`: near zero while the machine does not overfit, growing
/// when it does (Hinton's practical guide, section 6). Compare it over time, not between machines.
///
/// # Errors
/// As [`reconstruction_error`].
pub fn free_energy_gap<'a>(
    rbm: &Rbm,
    training: impl Into<Input<'a>>,
    validation: impl Into<Input<'a>>,
) -> Result<f64> {
    let (train, _) = mean_and_standard_error(rbm.free_energy(training, 1.0)?);
    let (validation, _) = mean_and_standard_error(rbm.free_energy(validation, 1.0)?);
    Ok(validation - train)
}
