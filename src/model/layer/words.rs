//! Words of draws of one row, for units that are not drawn by the kernels.

use crate::rng::{Draws, philox4x32};

/// The random words of a row, four at a time.
pub(super) struct Words {
    draws: Draws,
    row: u32,
    /// Block of columns and row that `words` are of.
    block: (usize, u32),
    words: [u32; 4],
}

impl Words {
    pub(super) fn new(draws: Draws, row: usize) -> Self {
        Self {
            draws,
            row: draws.first_row + row as u32,
            block: (usize::MAX, 0),
            words: [0; 4],
        }
    }

    /// `draws.bits(row, column)`.
    pub(super) fn word(&mut self, column: usize) -> u32 {
        self.of_block(column, self.row)
    }

    /// `draws.bernoulli(row, column, p)`.
    pub(super) fn bernoulli(&mut self, column: usize, p: f32) -> bool {
        let word = self.of_block(column, self.row / 4);
        self.draws.decide(word, self.row, column, p)
    }

    pub(super) fn of_block(&mut self, column: usize, row: u32) -> u32 {
        if (column / 4, row) != self.block {
            self.block = (column / 4, row);
            let [low, high] = self.draws.step;
            self.words = philox4x32([(column / 4) as u32, row, low, high], self.draws.key);
        }
        self.words[column % 4]
    }
}
