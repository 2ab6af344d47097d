//! The picture that training a deep belief network leaves: Gibbs chains of its top pair, the label
//! held or free, and one pass down.

use crate::{
    failure::Outcome,
    run::held::PER_CLASS,
    show::picture::{Color, Sheet},
    show::pictures,
    show::progress::Bar,
};
use harmonium::{
    Examples, Matrix,
    model::{Dbn, RbmChain},
};
use std::path::Path;

/// Chains without a class.
const FREE: usize = 100;
/// Sweeps of the picture that training leaves.
const SWEEPS: usize = 1000;
/// Training examples beside it.
const EXAMPLES: usize = 40;

fn sweep(dbn: &Dbn, chains: &mut RbmChain, steps: usize) -> Outcome<()> {
    let bar = Bar::new(steps as u64, "sampling");
    for k in 0..steps {
        chains.sweep(dbn.top(), 1, 1.0)?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    Ok(())
}

fn fantasies(dbn: &Dbn, means: &Matrix) -> Outcome<Sheet> {
    let n = dbn.n_visible();
    let tiles = pictures::scaled(pictures::rows(means), dbn.layer(0).units.are_binary(), n);
    pictures::grid(&tiles, n, PER_CLASS, Color::Gray)
}

/// The picture that training leaves: with labels a row a class, else chains from features of
/// training examples; beside training examples.
///
/// # Errors
/// Those of the library; a file that cannot be written.
pub fn pictures(path: &Path, title: &str, dbn: &Dbn, train: &Examples, seed: u64) -> Outcome<()> {
    let (mut chains, what) = match dbn.label_group() {
        Some(group) => {
            let labels: Vec<u32> = (0..group.size * PER_CLASS)
                .map(|k| (k / PER_CLASS) as u32)
                .collect();
            (
                dbn.chains_with_labels(&labels, seed)?,
                "from fair coins, labels held: a row a class",
            )
        }
        None => {
            let starts: Vec<usize> = (0..FREE).map(|k| k % train.len()).collect();
            let states = dbn.sample_features(&train.take(&starts), seed, 0)?;
            (
                dbn.top().chains_from(states, seed)?,
                "from training examples",
            )
        }
    };
    sweep(dbn, &mut chains, SWEEPS)?;
    let means = dbn.mean_v_from_features(chains.visible().view(), seed, 0)?;
    let (n, binary) = (dbn.n_visible(), dbn.layer(0).units.are_binary());
    let caption = format!("E[v | h] after {SWEEPS} Gibbs sweeps of the top pair {what}");
    let examples = pictures::scaled(pictures::first_rows(train, EXAMPLES), binary, n);
    let pages = [
        fantasies(dbn, &means)?.headed("fantasies", &caption),
        pictures::grid(&examples, n, 4, Color::Gray)?
            .headed("training examples", "as the network sees them"),
    ];
    Sheet::page(title, &pages)?.write_png(path)?;
    Ok(())
}
