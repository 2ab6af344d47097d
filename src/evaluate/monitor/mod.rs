//! Cheap figures to watch while training.

mod hidden_activity;
mod independent;
mod pseudo_likelihood;

pub use hidden_activity::{DEAD_BELOW, HiddenActivity, SATURATED_ABOVE};
pub use independent::independent_log_likelihood;
pub(crate) use independent::independent_log_p;
pub use pseudo_likelihood::{PseudoLikelihood, pseudo_likelihood, stochastic_pseudo_likelihood};

use crate::{
    dataset::Rows,
    error::Result,
    model::{Rbm, length_of},
};

/// Weighted mean over samples, and mean over visible units, of `(v - E[v | E[h | v]])^2`: how well
/// one deterministic step up and down returns the data. No likelihood: it falls when chains mix
/// badly.
///
/// # Errors
/// [`crate::Error::Shape`] unless `v` has the machine's visible units; [`crate::Error::Parameter`]
/// for missing values.
pub fn reconstruction_error<'a>(rbm: &Rbm, v: impl Into<Rows<'a>>) -> Result<f64> {
    let rows = v.into();
    let v = rows.complete("a reconstruction error")?;
    let weight = |s: usize| rows.weights().map_or(1.0, |w| f64::from(w[s]));
    let mut sum = 0.0;
    for (at, part) in v.chunks() {
        let h = rbm.mean_h_from_v(part, 1.0)?;
        let p = rbm.mean_v_from_h(&h, 1.0)?;
        // Of counts, means are of one word.
        let words = |s: usize| match rbm.visible().has_lengths_of_rows() {
            true => length_of(part, s),
            false => 1.0,
        };
        for s in 0..part.rows() {
            let p = p.row(s).iter().enumerate();
            let squares = p.map(|(i, &p)| f64::from(part.get(s, i) - words(s) as f32 * p).powi(2));
            sum += weight(at.start + s) * squares.sum::<f64>();
        }
    }
    let all = match rows.weights() {
        None => (v.rows() * v.columns()).max(1) as f64,
        Some(weights) => {
            let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            sum * v.columns().max(1) as f64
        }
    };
    Ok(sum / all)
}

/// `mean F(validation) - mean F(training)`, weighted means both: near zero while the machine does
/// not overfit, growing when it does (Hinton's practical guide, section 6). Compare it over time,
/// not between machines.
///
/// # Errors
/// As [`reconstruction_error`].
pub fn free_energy_gap<'a>(
    rbm: &Rbm,
    training: impl Into<Rows<'a>>,
    validation: impl Into<Rows<'a>>,
) -> Result<f64> {
    let mean = |rows: Rows<'a>| -> Result<f64> {
        let v = rows.complete("a gap of free energies")?;
        Ok(rows.mean(rbm.free_energy(v, 1.0)?).0)
    };
    let train = mean(training.into())?;
    Ok(mean(validation.into())? - train)
}
