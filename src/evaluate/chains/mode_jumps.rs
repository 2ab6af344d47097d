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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BitMatrix;

    #[test]
    fn nearest_by_hamming_distance() {
        let bits = |rows: &[&[u8]]| {
            BitMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j] == b'1')
        };
        let templates = bits(&[b"1100", b"0011", b"1111"]);
        let states = bits(&[b"0100", b"0111", b"0000", b"1111"]);
        // 0111 is one away from both 0011 and 1111, 0000 two from the first two.
        let nearest = nearest_templates(states.view(), templates.view()).unwrap();
        assert_eq!(nearest, [0, 1, 0, 2]);
        let other = BitMatrix::zeros(2, 5);
        assert!(nearest_templates(states.view(), other.view()).is_err());
        assert!(nearest_templates(states.view(), BitMatrix::zeros(0, 4).view()).is_err());
    }

    #[test]
    fn jumps_are_changes_of_label() {
        let mut jumps = ModeJumps::default();
        assert_eq!((jumps.rate(), jumps.stuck()), (0.0, 0));
        for labels in [[0, 5, 1], [0, 6, 1], [2, 5, 1], [2, 5, 1]] {
            jumps.observe(&labels).unwrap();
        }
        assert_eq!(jumps.jumps(), [1, 2, 0]);
        assert_eq!(jumps.stuck(), 1);
        assert_eq!(jumps.rate(), 3.0 / 9.0);
        assert!(jumps.observe(&[1]).is_err());
    }
}
