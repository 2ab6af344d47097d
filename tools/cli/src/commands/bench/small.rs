//! Updates of small machines, and one of an RBM 784-500 with a small minibatch beside them.

use super::{
    report::Row,
    size::Size,
    timer::{Measure, Timer},
};
use crate::{failure::Outcome, show::numbers::write_bits};
use harmonium::{
    BitMatrix, Rbm, Result,
    dataset::Examples,
    rng::{Draws, Site},
    train::{Learning, Negative, RbmOptions, RbmTraining, Reconstruction},
};
use std::path::Path;

/// About as many as scikit-learn's handwritten digits; a multiple of every minibatch.
const EXAMPLES: usize = 1800;
/// Share of ones in them.
const DENSITY: f32 = 0.3;
const RATE: f32 = 0.01;

fn data(visible: usize) -> BitMatrix {
    let draws = Draws::new(0, Site::Binarize, 0);
    BitMatrix::from_fn(EXAMPLES, visible, |i, j| draws.uniform(i, j) < DENSITY)
}

/// PCD-1 and CD-1 of each machine.
pub(super) fn cases(size: &Size) -> impl Iterator<Item = Measure<'_>> {
    let cases = size.small.iter();
    cases.map(|&machine| -> Measure<'_> { Box::new(move |t| updates(t, machine)) })
}

fn updates(t: &Timer<'_>, (visible, hidden, batch): (usize, usize, usize)) -> Result<Vec<Row>> {
    let data = Examples::new(data(visible))?;
    let persistent = Negative::Persistent {
        chains: batch,
        steps: 1,
    };
    let contrastive = Negative::ContrastiveDivergence {
        steps: 1,
        reconstruction: Reconstruction::Sampled,
    };
    let mut rows = Vec::new();
    for (name, negative) in [("PCD-1", persistent), ("CD-1", contrastive)] {
        let options = RbmOptions {
            negative,
            learning: Learning {
                batch_size: batch,
                learning_rate: RATE.into(),
                epochs: usize::MAX,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let rbm = Rbm::bernoulli(&[visible, hidden])?.initialized_from(&data, 0)?;
        let mut run = RbmTraining::new(rbm, options, &data)?;
        let name = format!("{name} of {visible}-{hidden}: batch {batch}");
        rows.push(t.in_unit(name, (1e6, "us an update"), || run.update(&data).map(drop))?);
        run.model().check_finite()?;
    }
    Ok(rows)
}

/// Writes the examples of each number of visible units.
///
/// # Errors
/// Files that cannot be written.
pub(super) fn save(size: &Size, to: &Path) -> Outcome<()> {
    let mut visible = size.small.map(|(visible, _, _)| visible).to_vec();
    visible.dedup();
    for n in visible {
        write_bits(&to.join(format!("small-{n}.npy")), &data(n))?;
    }
    Ok(())
}
