//! The picture that training leaves of a machine of any kind: what its chains come to, beside
//! training examples.

use super::Finished;
use crate::{
    failure::Outcome,
    kinds,
    run::{
        chains::Start,
        held::{Held, PER_CLASS},
    },
    show::{
        pictures::{self, Fantasies},
        progress::Bar,
    },
};
use harmonium::dataset::Binarization;

/// Sweeps of the chains.
const SWEEPS: usize = 1000;

/// Draws the states of chains, or the means that they are drawn from. Chains start at the first
/// training examples, over and over if there are few; those of a machine whose label is no visible
/// unit at fair coins, with the label held.
///
/// # Errors
/// Those of the library; a file that cannot be written.
pub fn draw(finished: &Finished<'_>, title: &str) -> Outcome<()> {
    let (data, seed) = (finished.data, finished.seed());
    let (train, encoding) = (&data.train, &data.encoding);
    let machine = kinds::machine(finished.model);
    let binary = machine.layers()[0].units.are_binary();
    let label = machine.label_layer();
    let label = label.filter(|_| !machine.labels_are_visible());
    let label = label.and_then(|layer| Some((layer, layer.units.last_group()?)));
    let held = label.map(|(layer, group)| {
        let labels = pictures::labels(encoding, train, (group.size, PER_CLASS));
        Held::classes(layer, group, labels)
    });
    let held = held.transpose()?;
    let count = match &held {
        Some(held) => held.rows,
        None => pictures::chains(encoding),
    };
    let first = || {
        let some = train.take(&pictures::starts(train, count));
        match binary {
            true => some.binarized(Binarization::Sampled, seed, 0).into_states(),
            false => some.into_states(),
        }
    };
    let mut chains = machine.chains(&Start {
        args: None,
        count,
        seed,
        states: held.is_none().then(first),
        held: None,
        label: held.as_ref(),
    })?;
    let bar = Bar::new(SWEEPS as u64, "sampling");
    for k in 0..SWEEPS {
        chains.sweep(1.0)?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    let start = match held.is_some() {
        true => pictures::labels_held(encoding),
        false => "from training examples",
    };
    let fantasies = Fantasies {
        means: chains.means(1.0)?.map(|means| (means, chains.mean())),
        states: &*chains.visible()?,
        how: &format!(
            "of {count} chains after {SWEEPS} {} {start}",
            chains.sweeps()
        ),
        binary,
    };
    pictures::beside(&finished.files.samples, title, &fantasies, train, encoding)
}
