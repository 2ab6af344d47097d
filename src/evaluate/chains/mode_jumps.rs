//! Whether chains move between modes.

use crate::{
    bits::BitView,
    error::{Error, Result},
    threads::{in_pool, prelude::*},
};

/// Row of `templates` that is nearest to each row of `states` in Hamming distance; of equally near
/// ones the first. Which template stands for which mode or class is the caller's to say. Cost: a
/// pass over the words of both for each pair.
///
/// # Errors
/// [`Error::Shape`] for different numbers of units, [`Error::Parameter`] without templates.
pub fn nearest_templates(states: BitView<'_>, templates: BitView<'_>) -> Result<Vec<usize>> {
    if states.columns() != templates.columns() {
        let (expected, found) = (states.columns(), templates.columns());
        return Err(Error::shape("units of the templates", expected, found));
    }
    if templates.rows() == 0 {
        return Err(Error::parameter("templates", "at least 1", 0));
    }
    let distance = |s: usize, t: usize| -> u32 {
        let pairs = states.row(s).iter().zip(templates.row(t));
        pairs.map(|(a, b)| (a ^ b).count_ones()).sum()
    };
    let nearest = (0..states.rows()).into_par_iter().map(|s| {
        (0..templates.rows())
            .min_by_key(|&t| distance(s, t))
            .unwrap_or(0)
    });
    Ok(in_pool(|| nearest.collect()))
}

/// Counts how often each of many chains changes its label, be it a mode, a class or a nearest
/// template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModeJumps {
    labels: Vec<usize>,
    jumps: Vec<u64>,
    observations: u64,
}

impl ModeJumps {
    /// The label of every chain after one more sweep. The first call tells where chains start.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of chains than before.
    pub fn observe(&mut self, labels: &[usize]) -> Result<()> {
        if self.observations == 0 {
            self.labels = labels.to_vec();
            self.jumps = vec![0; labels.len()];
        } else if labels.len() != self.labels.len() {
            let (expected, found) = (self.labels.len(), labels.len());
            return Err(Error::shape("labels of the chains", expected, found));
        }
        for ((last, &label), jumps) in self.labels.iter_mut().zip(labels).zip(&mut self.jumps) {
            *jumps += u64::from(*last != label);
            *last = label;
        }
        self.observations += 1;
        Ok(())
    }

    /// Changes of label so far, of every chain.
    pub fn jumps(&self) -> &[u64] {
        &self.jumps
    }

    /// Chains that never changed their label.
    pub fn stuck(&self) -> usize {
        self.jumps.iter().filter(|&&jumps| jumps == 0).count()
    }

    /// Changes of label a chain and sweep; 0 before there are two observations of a chain.
    pub fn rate(&self) -> f64 {
        let chances = self.observations.saturating_sub(1) * self.jumps.len() as u64;
        self.jumps.iter().sum::<u64>() as f64 / chances.max(1) as f64
    }
}
