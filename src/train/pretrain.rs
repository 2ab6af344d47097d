//! Greedy pretraining of a deep Boltzmann machine: RBMs, one trained upon the other.

use super::{Doubled, Event, Options, Training};
use crate::{
    dataset::{Examples, Values},
    error::{Error, Result},
    model::{Kind, Layer, Rbm, Units},
};
use std::ops::ControlFlow;

/// Trains one RBM for each of the hidden layers `sizes` with the inputs doubled that a deep Boltzmann machine asks for ([`Doubled`], which the options need not set), each on the means
/// `E[h | v]` of the one below, and gives them to be put together by [`crate::Dbm::joined`]. With `labels` the highest sees a softmax group of that many classes
/// too. `options` are those of each RBM, or one for all; the observer is told which RBM, from 0 on, is at work, and `None` is given if it breaks.
///
/// The sizes are those of the hidden layers, lowest first.
///
/// # Errors
/// [`Error::Parameter`] without hidden layers and for a number of options that is neither 1 nor that of the RBMs, and those of [`super::Trainer::train`] and of
/// [`Examples::with_label_units`].
pub fn pretrained(
    data: &Examples,
    sizes: &[usize],
    labels: Option<usize>,
    options: &[Options],
    mut observer: impl FnMut(usize, Event<'_>) -> ControlFlow<()>,
) -> Result<Option<Vec<Rbm>>> {
    if sizes.is_empty() || sizes.contains(&0) {
        let expected = "at least one layer of at least one unit";
        return Err(Error::parameter(
            "hidden layers",
            expected,
            format!("{sizes:?}"),
        ));
    }
    if options.len() != 1 && options.len() != sizes.len() {
        let expected = format!("1 or {}", sizes.len());
        return Err(Error::parameter(
            "options of pretraining",
            expected,
            options.len(),
        ));
    }
    let mut rbms: Vec<Rbm> = Vec::with_capacity(sizes.len());
    let mut features: Option<Examples> = None;
    for (l, &size) in sizes.iter().enumerate() {
        let below = features.as_ref().unwrap_or(data);
        let mut units = Units::of(Kind::Bernoulli, below.columns());
        let labelled = match labels.filter(|_| l + 1 == sizes.len()) {
            Some(classes) => {
                units = units.and(Kind::Softmax, classes);
                Some(below.with_label_units(classes)?)
            }
            None => None,
        };
        let seen = labelled.as_ref().unwrap_or(below);
        let options = options.get(l).unwrap_or(&options[0]);
        let doubled = Doubled::of(l, sizes.len());
        let options = Options {
            doubled,
            ..options.clone()
        };
        let seed = options.seed.wrapping_add(l as u64);
        let rbm = Rbm::unconnected(Layer::new(units), Layer::bernoulli(size))?
            .initialized_from(seen, seed)?;
        let mut training = Training::new(rbm, options, seen)?;
        let told = training.run(seen, |event| observer(l, event))?;
        let rbm = training.into_rbm();
        if l + 1 < sizes.len() {
            let [beta, _] = doubled.factors();
            let means = match below.values() {
                Values::Bits(x) => rbm.mean_h_from_v(x, beta)?,
                Values::Real(x) => rbm.mean_h_from_v(x, beta)?,
            };
            let labels = data.labels().map(<[u8]>::to_vec);
            features = Some(Examples::new(Values::Real(means), labels)?);
        }
        rbms.push(rbm);
        if told.is_break() {
            return Ok(None);
        }
    }
    Ok(Some(rbms))
}
