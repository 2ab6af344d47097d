//! The picture that training a deep belief network leaves: Gibbs chains of its top pair, the label
//! held or free, and one pass down.

use crate::{failure::Outcome, run::held::PER_CLASS, show::pictures, show::progress::Bar};
use harmonium::{
    Examples,
    dataset::Encoding,
    model::{Dbn, RbmChain},
};
use std::path::Path;

/// Sweeps of the picture that training leaves.
const SWEEPS: usize = 1000;

fn sweep(dbn: &Dbn, chains: &mut RbmChain, steps: usize) -> Outcome<()> {
    let bar = Bar::new(steps as u64, "sampling");
    for k in 0..steps {
        chains.sweep(dbn.top(), 1, 1.0)?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    Ok(())
}

/// The picture that training leaves: with labels a row a class, else chains from features of
/// training examples; beside training examples.
///
/// # Errors
/// Those of the library; a file that cannot be written.
pub fn pictures(
    path: &Path,
    title: &str,
    dbn: &Dbn,
    (train, encoding): (&Examples, &Encoding),
    seed: u64,
) -> Outcome<()> {
    let (mut chains, what) = match dbn.label_group() {
        Some(group) => {
            let labels = pictures::labels(encoding, train, (group.size, PER_CLASS));
            (
                dbn.chains_with_labels(&labels, seed)?,
                pictures::labels_held(encoding),
            )
        }
        None => {
            let starts = pictures::starts(train, pictures::chains(encoding));
            let states = dbn.sample_features(&train.take(&starts), seed, 0)?;
            (
                dbn.top().chains_from(states, seed)?,
                "from training examples",
            )
        }
    };
    sweep(dbn, &mut chains, SWEEPS)?;
    let means = dbn.mean_v_from_features(chains.visible().view(), seed, 0)?;
    let states = dbn.sample_v_from_features(chains.visible().view(), seed, 0)?;
    let caption = format!("E[v | h] after {SWEEPS} Gibbs sweeps of the top pair {what}");
    let fantasies = pictures::Fantasies {
        means,
        states: &states,
        per_row: PER_CLASS,
        caption: &caption,
        of: "network",
        binary: dbn.layer(0).units.are_binary(),
    };
    pictures::beside(path, title, &fantasies, train, encoding)
}
