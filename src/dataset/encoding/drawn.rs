//! Bits of a sparse table, whose numbers are never all there at once.

use super::{Code, Encoding, apply::write_cell};
use crate::{
    bits::BitMatrix,
    dataset::{
        binarization::{Binarization, binarize_row, filled, fills},
        examples::Examples,
        memory,
        table::{Cells, Table},
    },
    error::Result,
    states::States,
    units::Kind,
};

impl Encoding {
    /// As [`Self::encode`] and then [`Examples::binarized`], to the bit. Of a sparse table of
    /// Bernoulli units one row a thread is numbers at a time, where these two have all of them:
    /// memory is that of the bits, a 32nd.
    ///
    /// # Errors
    /// As [`Self::encode`]; [`crate::Error::Parameter`] for bits that do not fit into memory.
    ///
    /// # Panics
    /// As [`Examples::binarized`].
    pub fn encode_binarized(
        &self,
        table: &Table,
        how: Binarization,
        seed: u64,
        first_row: usize,
    ) -> Result<Examples> {
        let table = &*self.widened(table)?;
        let states = match self.drawn(table, (how, seed, first_row))? {
            Some(bits) => States::Bits(bits),
            None => self.states(table)?,
        };
        let examples = self.with_sides(table, states)?;
        Ok(examples.binarized(how, seed, first_row))
    }

    /// The bits, where the table is one of few numbers, which `how` makes bits of.
    fn drawn(
        &self,
        table: &Table,
        (how, seed, first_row): (Binarization, u64, usize),
    ) -> Result<Option<BitMatrix>> {
        let (Cells::Sparse(x), true) = (table.cells(), fills(how)) else {
            return Ok(None);
        };
        let places = self.places(table)?;
        let is_plain = |(j, code): (usize, &Code)| {
            places[j].column == j && matches!(code, Code::Bit | Code::Probability)
        };
        let codes = || self.columns().iter();
        let are_bits = codes().all(|code| *code == Code::Bit);
        if are_bits || !self.units.are(Kind::Bernoulli) || !codes().enumerate().all(is_plain) {
            return Ok(None);
        }
        let (rows, n) = (table.len(), self.units.size());
        let bytes = (rows as u64).saturating_mul(n.div_ceil(8) as u64);
        memory::expect(&table.path, [rows, n], bytes)?;
        let fill = |states: &mut Vec<f32>, i: usize, words: &mut [u64]| {
            states.fill(0.0);
            let (columns, values) = x.row(i);
            for (&j, &value) in columns.iter().zip(values) {
                let value = f64::from(value) / table.scale();
                write_cell(table, &places[j as usize], (i, value), states)?;
            }
            binarize_row(states, how, seed, first_row + i, words);
            Ok(())
        };
        filled([rows, n], || vec![0.0; n], fill).map(Some)
    }
}
