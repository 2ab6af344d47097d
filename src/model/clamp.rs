//! Units held fixed while the rest is sampled.

use super::Layer;
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    states::States,
    units::Kind,
};

/// Units of a layer that keep given values: missing values, inpainting, a class. Each half sweep of
/// block Gibbs sampling draws the whole layer and puts the held units back,
/// `x = (x & !mask) | (values & mask)`. Given the other layer the units of a layer are independent,
/// so this is block Gibbs sampling of `p(free units, other layer | held units)`, exactly; a softmax
/// group, which is one variable, is held whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Clamp {
    values: States,
    mask: BitMatrix,
}

impl Clamp {
    /// Holds the units of `layer` where `mask` is one at `values`; each has a row for every chain,
    /// or one row for all. Values of free units do not matter.
    ///
    /// # Errors
    /// [`Error::Shape`] where columns or rows disagree; [`Error::Parameter`] for values that are no
    /// states of their units, and for softmax groups that are held in part.
    pub fn new(layer: &Layer, values: impl Into<States>, mask: BitMatrix) -> Result<Self> {
        let values = values.into();
        values.check_layer("values of held units", layer)?;
        if mask.columns() != layer.size() {
            return Err(Error::shape(
                "columns of the mask",
                layer.size(),
                mask.columns(),
            ));
        }
        let (n, m) = (values.rows(), mask.rows());
        if n == 0 || m == 0 || n != m && n != 1 && m != 1 {
            return Err(Error::shape(
                "rows of the mask",
                format!("1 or {n}, those of the values"),
                m,
            ));
        }
        let clamp = Self { values, mask };
        (0..n.max(m)).try_for_each(|row| clamp.check_row(layer, row))?;
        Ok(clamp)
    }

    fn check_row(&self, layer: &Layer, row: usize) -> Result<()> {
        let of = |rows: usize| if rows == 1 { 0 } else { row };
        let is_held = |i: usize| self.mask.get(of(self.mask.rows()), i);
        let k = of(self.values.rows());
        let value = |i: usize| self.values.get(k, i);
        for s in layer.units.segments() {
            let held = s.range().filter(|&i| is_held(i)).count();
            let refused = |what: &str, expected: &str, found: String| {
                let what = format!("{what} of kind {} in row {row}", s.kind);
                Err(Error::parameter(what, expected, found))
            };
            if s.kind == Kind::Softmax && held > 0 {
                let ones: f32 = s.range().map(value).sum();
                if held < s.size {
                    let found = format!("{held} of {}", s.size);
                    return refused("held units of a group", "all or none", found);
                }
                if ones != 1.0 || s.range().any(|i| value(i) != 0.0 && value(i) != 1.0) {
                    return refused(
                        "held units of a group",
                        "exactly one that is 1",
                        ones.to_string(),
                    );
                }
            }
            for i in s.range().filter(|&i| is_held(i)) {
                let x = value(i);
                let (fits, expected) = match s.kind {
                    Kind::Bernoulli | Kind::Softmax => (x == 0.0 || x == 1.0, "0 or 1"),
                    Kind::Spin => (x.abs() == 1.0, "-1 or 1"),
                    Kind::Gaussian => (x.is_finite(), "a finite number"),
                    Kind::Counts => (false, "none: a length is of the whole row"),
                    Kind::Relu => (x >= 0.0 && x.is_finite(), "a finite number of at least 0"),
                };
                if !fits {
                    return refused(&format!("value of held unit {i}"), expected, x.to_string());
                }
            }
        }
        Ok(())
    }

    /// Refuses to hold the units of another layer, or rows for another number of chains.
    pub(super) fn check_fits(&self, states: &States) -> Result<()> {
        let rows = self.values.rows().max(self.mask.rows());
        let fits = rows == 1 || rows == states.rows();
        let kind = self.values.bits().is_some() == states.bits().is_some();
        if fits && kind && self.mask.columns() == states.columns() {
            return Ok(());
        }
        Err(Error::shape(
            "held units",
            format!("1 or {} x {}", states.rows(), states.columns()),
            format!("{rows} x {}", self.mask.columns()),
        ))
    }

    /// The same for chains that stand `times` times below one another.
    pub(super) fn repeated(&self, times: usize) -> Self {
        let rows = |n: usize| if n == 1 { 1 } else { n * times };
        let values = match &self.values {
            States::Bits(x) => {
                let (n, columns) = (x.rows(), x.columns());
                BitMatrix::from_fn(rows(n), columns, |i, j| x.get(i % n, j)).into()
            }
            States::Real(x) => {
                let (n, columns) = (x.rows(), x.columns());
                Matrix::from_fn(rows(n), columns, |i, j| x.row(i % n)[j]).into()
            }
        };
        let (mask, n) = (&self.mask, self.mask.rows());
        Self {
            values,
            mask: BitMatrix::from_fn(rows(n), mask.columns(), |i, j| mask.get(i % n, j)),
        }
    }

    /// Ones where a unit is held.
    pub(super) fn mask(&self) -> &BitMatrix {
        &self.mask
    }

    /// Puts the held units back.
    pub(crate) fn restore(&self, states: &mut States) {
        match (&self.values, states) {
            (States::Bits(values), States::Bits(x)) => {
                x.assign_masked(values.view(), self.mask.view());
            }
            (States::Real(values), States::Real(x)) => {
                for i in 0..x.rows() {
                    let of = |rows: usize| if rows == 1 { 0 } else { i };
                    let (values, k) = (values.row(of(values.rows())), of(self.mask.rows()));
                    let row = x.row_mut(i);
                    self.mask.view().ones(k).for_each(|j| row[j] = values[j]);
                }
            }
            _ => unreachable!("bits and reals were told apart at the door"),
        }
    }
}
