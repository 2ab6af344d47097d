//! `ln Z` of machines of counts, of many lengths by one walk.
//!
//! With `g(h) = c.h + ln sum_k e^(b_k + (W h)_k)` it is `ln Z_D = ln sum_h e^(D g(h))`, so that a
//! walk that tells `g` of every hidden state serves all lengths.

use super::{Enumerated, Rbm, Side, digits, driver};
use crate::{
    error::Result, kernel::reduce::LogSum, model::layer::length_of, progress::Progress,
    states::Input,
};
use std::collections::BTreeSet;

/// The different lengths of rows of counts, in order.
pub fn lengths_of(rows: Input<'_>) -> Vec<u32> {
    let of_row = |row: usize| length_of(rows, row) as u32;
    let all: BTreeSet<u32> = (0..rows.rows()).map(of_row).collect();
    all.into_iter().collect()
}

/// What `of` says of the length of each row; `lengths` are in order and have all of them.
pub(crate) fn by_length(rows: Input<'_>, lengths: &[u32], of: &[f64]) -> Vec<f64> {
    let of_row = |row: usize| {
        let length = length_of(rows, row) as u32;
        of[lengths.partition_point(|&x| x < length)]
    };
    (0..rows.rows()).map(of_row).collect()
}

impl Rbm {
    /// Exact `ln Z_D` of a machine of counts for each of `lengths`, by enumeration of the hidden
    /// units, f64. Cost: an exponential for each visible unit and each length, times the states of
    /// the hidden layer. See [`Self::given_length`].
    ///
    /// # Errors
    /// Those of [`Self::given_length`] and [`Self::log_z`].
    pub fn log_z_of_lengths(
        &self,
        lengths: &[u32],
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        if let Some(&longest) = lengths.iter().max() {
            self.given_length(longest)?;
        }
        let of_one = self.given_length(1)?;
        let walk = digits::Walk::new(&of_one, Side::Hidden, 1.0)?;
        let of_block = |block: u64| {
            let first = block * walk.block_states();
            let states = walk.block_states().min(walk.states() - first);
            let mut g = vec![0.0; states as usize];
            walk.log_weights(block, &mut g);
            let of_length = |&length: &u32| {
                let mut sum = LogSum::default();
                g.iter().for_each(|g| sum.add(f64::from(length) * g));
                sum
            };
            lengths.iter().map(of_length).collect::<Vec<LogSum>>()
        };
        let mut all: Vec<LogSum> = lengths.iter().map(|_| LogSum::default()).collect();
        for block in driver::by_block(walk.blocks(), of_block, progress)? {
            for (sum, of_block) in all.iter_mut().zip(block) {
                sum.merge(of_block);
            }
        }
        Ok(all.iter().map(LogSum::value).collect())
    }

    /// Exact `ln Z` of the machine that each row is of: one and the same, or of counts that of the
    /// row's length.
    pub(crate) fn log_z_of_rows(
        &self,
        rows: Input<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        if !self.visible().has_lengths_of_rows() {
            return Ok(vec![self.log_z(progress)?; rows.rows()]);
        }
        let lengths = lengths_of(rows);
        let log_z = self.log_z_of_lengths(&lengths, progress)?;
        Ok(by_length(rows, &lengths, &log_z))
    }
}
