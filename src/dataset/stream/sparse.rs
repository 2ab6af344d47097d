//! Examples of a sparse matrix, whose values are in memory.

use super::{ExampleStream, Stored, gather};
use crate::{
    dataset::{
        Binarization, Encoding, Examples,
        table::{Cells, Table},
    },
    error::Result,
};
use std::sync::Arc;

impl ExampleStream {
    /// The examples of a sparse table; none of another one.
    pub(super) fn of_sparse(table: Table) -> Option<Self> {
        let (rows, scale) = (table.len(), table.scale());
        let first_index = table.first_index;
        let (path, shape) = (table.path.clone(), table.shape.clone());
        let Cells::Sparse(cells) = table.into_cells() else {
            return None;
        };
        Some(Self {
            path,
            first_byte: 0,
            rows,
            encoding: Encoding::bits(&shape),
            shape,
            stored: Stored::Sparse(Arc::new(cells)),
            scale,
            is_image: false,
            first_index,
            how: Binarization::None,
            seed: 0,
        })
    }

    /// Whether the examples are in memory, so that [`Self::at`] costs no more than their values.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.stored, Stored::Sparse(_))
    }

    /// Examples `rows`, in that order.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub(crate) fn at(&self, rows: &[usize]) -> Result<Examples> {
        let rows = rows.iter().copied();
        if let Stored::Sparse(cells) = &self.stored {
            let cells = Cells::Sparse(cells.rows(rows.clone()));
            let table = Table::new(&self.path, cells, rows.len(), self.shape.clone())?;
            return self.encoded(&table.scaled(self.scale)?, rows);
        }
        let mut file = self.file()?;
        let each: Result<Vec<Examples>> = rows.map(|i| self.read(&mut file, i, 1)).collect();
        let each = each?;
        let picks: Vec<(usize, usize)> = (0..each.len()).map(|k| (k, 0)).collect();
        Ok(gather(&each, &picks))
    }
}
