//! The examples that a likelihood is measured on, and how gray ones become bits.

use crate::{args::Split, failure::note, run::data::Data};
use harmonium::{
    dataset::{Binarization, Examples},
    model::{Layer, Rbm},
};
use std::convert::Infallible;

/// The examples to measure: the test part if it is asked for and there; those of a file that the
/// machine was not trained on; else the training part, and a note that says so.
pub fn examples(data: &Data, split: Split) -> (&Examples, Split) {
    let (examples, found) = part(data, split);
    if found == Split::Train && found != split {
        let name = &data.name;
        note(format!(
            "{name} has no test part: measuring the training part"
        ));
    }
    (examples, found)
}

/// As [`examples`], without the note.
pub fn part(data: &Data, split: Split) -> (&Examples, Split) {
    match &data.test {
        Some(test) if split == Split::Test => (test, Split::Test),
        None if data.is_given => (&data.train, Split::Given),
        _ => (&data.train, Split::Train),
    }
}

/// The names of the examples of a part; none if the file has none.
pub fn row_names(data: &Data, split: Split) -> &[String] {
    &data.row_names[usize::from(split == Split::Test)]
}

/// Whether `ln Z` can be enumerated over at most `2^units` states.
pub fn is_small(rbm: &Rbm, units: usize) -> bool {
    let fewest = [rbm.visible(), rbm.hidden()]
        .into_iter()
        .filter_map(|layer| layer.states())
        .fold(f64::INFINITY, f64::min);
    fewest <= (units as f64).exp2()
}

/// Gray examples drawn once as bits, which the likelihood of a machine of bits needs; `None` if the
/// machine takes them as they are.
pub fn drawn(visible: &Layer, data: &Data, seed: u64) -> Option<Data> {
    if !visible.units.are_binary() || !is_gray(data) {
        return None;
    }
    let Ok(drawn) = data.with_parts(|part, first| {
        let bits = part.clone().binarized(Binarization::Sampled, seed, first);
        Ok::<_, Infallible>(bits)
    });
    Some(drawn)
}

/// Whether the examples are gray.
pub fn is_gray(data: &Data) -> bool {
    data.train.bits().is_none() || data.test.as_ref().is_some_and(|test| test.bits().is_none())
}
