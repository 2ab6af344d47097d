//! Epochs and Gibbs sweeps of an RBM.

use super::{ceiling::Ceiling, report::Row, size::Size, timing::median_seconds};
use harmonium::{
    Result,
    dataset::Examples,
    model::Rbm,
    train::{Learning, Negative, RbmOptions, RbmTraining, Reconstruction, Schedule},
};

/// The ways of learning, with their names in the table.
pub fn methods(size: &Size) -> [(&'static str, Negative); 3] {
    let cd = |reconstruction| Negative::ContrastiveDivergence {
        steps: 1,
        reconstruction,
    };
    let pcd = Negative::Persistent {
        chains: size.batch,
        steps: 1,
    };
    [
        (
            "CD-1 epoch: sampled reconstructions",
            cd(Reconstruction::Sampled),
        ),
        (
            "CD-1 epoch: smoothed reconstructions",
            cd(Reconstruction::Smoothed),
        ),
        ("PCD-1 epoch", pcd),
    ]
}

/// An epoch.
///
/// # Errors
/// Those of the library.
pub fn epoch(
    name: &str,
    negative: Negative,
    (rbm, data): (&Rbm, &Examples),
    batch_size: usize,
    seconds: f64,
    ceiling: &Ceiling,
) -> Result<Row> {
    let options = RbmOptions {
        negative,
        learning: Learning {
            batch_size,
            learning_rate: Schedule::Constant(0.05),
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let mut training = RbmTraining::new(rbm.clone(), options, data)?;
    let batches = training.position().batches;
    let mut call = || (0..batches).try_for_each(|_| training.update(data).map(drop));
    let [time] = median_seconds(seconds, [&mut call])?;
    training.model().check_finite()?;
    let updates = training.connection_updates_per_epoch() as f64;
    Ok(ceiling.row("training", name, time, updates))
}

/// A sweep of `n` chains.
///
/// # Errors
/// Those of the library.
pub fn sweep(rbm: &Rbm, n: usize, seconds: f64, ceiling: &Ceiling) -> Result<Row> {
    let mut chains = rbm.chains(n, 1)?;
    let [time] = median_seconds(seconds, [&mut || chains.sweep(rbm, 1, 1.0)])?;
    let updates = 2 * n * rbm.n_visible() * rbm.n_hidden();
    let name = format!("Gibbs sweep: {n} chains");
    Ok(ceiling.row("sampling", &name, time, updates as f64))
}
