//! What the columns of a table hold.

use super::{Cells, Table};

/// The least kind of values that all of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// 0 and 1.
    Bits,
    /// -1 and 1, with a -1 at least.
    Spins,
    /// Whole numbers.
    Integers,
    /// Numbers in [0, 1], not all of them whole.
    UnitReals,
    /// Other numbers.
    Reals,
    /// Text.
    Text,
}

impl Holds {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Bits => "zeros and ones",
            Self::Spins => "-1 and 1",
            Self::Integers => "whole numbers",
            Self::UnitReals => "numbers in [0, 1]",
            Self::Reals => "numbers",
            Self::Text => "text",
        }
    }
}

/// What the cells of a column, or of several, are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Smallest number; infinity if there is none.
    pub least: f64,
    /// Largest number; minus infinity if there is none.
    pub most: f64,
    /// Whether all numbers are whole.
    pub are_whole: bool,
    /// Whether a number lies strictly between -1 and 1 and is not whole, or is 0.
    has_inner: bool,
    /// Cells without a value.
    pub missing: usize,
    /// Whether the column is text.
    pub is_text: bool,
}

impl Facts {
    const NONE: Self = Self {
        least: f64::INFINITY,
        most: f64::NEG_INFINITY,
        are_whole: true,
        has_inner: false,
        missing: 0,
        is_text: false,
    };

    /// The least kind of values that all are.
    pub fn holds(&self) -> Holds {
        let within = |least: f64, most: f64| self.least >= least && self.most <= most;
        match self.are_whole {
            _ if self.is_text => Holds::Text,
            true if within(0.0, 1.0) => Holds::Bits,
            true if within(-1.0, 1.0) && !self.has_inner => Holds::Spins,
            true => Holds::Integers,
            false if within(0.0, 1.0) => Holds::UnitReals,
            false => Holds::Reals,
        }
    }

    /// What all columns of both are.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            are_whole: self.are_whole && other.are_whole,
            has_inner: self.has_inner || other.has_inner,
            missing: self.missing + other.missing,
            is_text: self.is_text || other.is_text,
        }
    }

    fn see(&mut self, x: f64) {
        if x.is_nan() {
            self.missing += 1;
            return;
        }
        self.least = self.least.min(x);
        self.most = self.most.max(x);
        self.are_whole &= x.fract() == 0.0;
        self.has_inner |= x.abs() < 1.0;
    }
}

impl Table {
    /// What each column holds, in one pass.
    pub fn facts(&self) -> Vec<Facts> {
        let n = self.columns();
        let mut facts = vec![Facts::NONE; n];
        match &self.cells {
            Cells::Bytes(bytes) => bytes_facts(bytes, self.scale, &mut facts),
            Cells::Floats(_) | Cells::Numbers(_) => {
                let mut row = vec![0.0; n];
                for i in 0..self.rows {
                    self.copy_row_to(i, &mut row);
                    facts.iter_mut().zip(&row).for_each(|(f, &x)| f.see(x));
                }
            }
            Cells::Sparse(x) => {
                let mut filled = vec![0; n];
                for (&j, &value) in x.columns.iter().zip(&x.values) {
                    facts[j as usize].see(f64::from(value) / self.scale);
                    filled[j as usize] += 1;
                }
                for (f, filled) in facts.iter_mut().zip(filled) {
                    if filled < self.rows {
                        f.see(0.0);
                    }
                }
            }
        }
        for &j in self.texts.keys() {
            facts[j].is_text = true;
        }
        facts
    }

    /// What all columns together hold.
    pub fn all_facts(&self) -> Facts {
        self.facts().iter().fold(Facts::NONE, |all, x| all.and(x))
    }

    /// The first cell of column `j` for which `is_wrong`, by row.
    pub fn first_cell(&self, j: usize, is_wrong: impl Fn(f64) -> bool) -> Option<usize> {
        (0..self.rows).find(|&i| is_wrong(self.get(i, j)))
    }
}

/// Of bytes the least and the greatest tell all, but for whether one is neither 0 nor the scale.
fn bytes_facts(bytes: &[u8], scale: f64, facts: &mut [Facts]) {
    let n = facts.len();
    let one = scale as u8;
    let (mut least, mut most) = (vec![u8::MAX; n], vec![0; n]);
    let mut inner = vec![0; n];
    for row in bytes.chunks_exact(n) {
        let columns = least.iter_mut().zip(&mut most).zip(&mut inner);
        for (((least, most), inner), &x) in columns.zip(row) {
            *least = x.min(*least);
            *most = x.max(*most);
            *inner = if x == 0 || x == one { *inner } else { x };
        }
    }
    let columns = facts.iter_mut().zip(&least).zip(&most).zip(&inner);
    for (((facts, &least), &most), &inner) in columns {
        let some = [least, most]
            .into_iter()
            .chain((inner > 0).then_some(inner));
        some.for_each(|x| facts.see(f64::from(x) / scale));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(numbers: &[f64]) -> Holds {
        let table = Table::new(
            "x",
            Cells::Numbers(numbers.to_vec()),
            numbers.len(),
            vec![1],
        );
        table.unwrap().facts()[0].holds()
    }

    #[test]
    fn the_least_kind_of_all_values() {
        for (numbers, expected) in [
            (&[0.0, 1.0, 1.0][..], Holds::Bits),
            (&[1.0, 1.0], Holds::Bits),
            (&[f64::NAN], Holds::Bits),
            (&[-1.0, 1.0], Holds::Spins),
            (&[-1.0, f64::NAN, -1.0], Holds::Spins),
            (&[-1.0, 0.0, 1.0], Holds::Integers),
            (&[2.0, 0.0], Holds::Integers),
            (&[0.5, 0.0], Holds::UnitReals),
            (&[0.5, -1.0], Holds::Reals),
            (&[0.5, 1.5], Holds::Reals),
        ] {
            assert_eq!(holds(numbers), expected, "{numbers:?}");
        }
    }

    #[test]
    fn every_layout_tells_the_same() {
        let bytes = [0_u8, 1, 7, 1, 1, 0, 0, 0, 0, 1, 2, 0];
        let numbers = bytes.map(f64::from).to_vec();
        let floats = bytes.map(f32::from).to_vec();
        let table = |cells| Table::new("x", cells, 4, vec![3]).unwrap();
        let dense = table(Cells::Numbers(numbers));
        let mut sparse = super::super::Sparse::default();
        sparse.starts.push(0);
        for i in 0..4 {
            for j in 0..3 {
                if dense.get(i, j) != 0.0 {
                    sparse.columns.push(j as u32);
                    sparse.values.push(dense.get(i, j) as f32);
                }
            }
            sparse.starts.push(sparse.values.len());
        }
        let sparse = table(Cells::Sparse(sparse));
        for other in [
            table(Cells::Bytes(bytes.to_vec())),
            table(Cells::Floats(floats)),
            sparse.clone(),
        ] {
            assert_eq!(other.facts(), dense.facts());
        }
        assert_eq!(
            dense.facts().map_holds(),
            [Holds::Bits, Holds::Integers, Holds::Integers]
        );
        let mut row = [0.0; 3];
        sparse.copy_row_to(3, &mut row);
        assert_eq!(row, [1.0, 2.0, 0.0]);
    }

    trait MapHolds {
        fn map_holds(&self) -> Vec<Holds>;
    }

    impl MapHolds for Vec<Facts> {
        fn map_holds(&self) -> Vec<Holds> {
            self.iter().map(Facts::holds).collect()
        }
    }
}
