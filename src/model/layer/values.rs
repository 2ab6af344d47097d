//! What values the units of a layer can have.

use super::{Layer, length_of};
use crate::{
    bits::BitView,
    dataset::Rows,
    error::{Error, Result},
    states::Input,
    units::{Kind, MAX_LENGTH, Segment},
};

impl Layer {
    /// Refuses values that no state of the layer, and no mean of states, can have; missing values
    /// can be anything, a softmax group is missing as a whole.
    ///
    /// # Errors
    /// [`Error::Parameter`] with row, column and value; [`Error::Shape`] for another number of
    /// columns.
    pub fn check_values<'a>(&self, values: impl Into<Rows<'a>>) -> Result<()> {
        let rows = values.into();
        let (values, observed) = (rows.input(), rows.observed());
        if values.columns() != self.size() {
            return Err(Error::shape(
                "columns of the data",
                self.size(),
                values.columns(),
            ));
        }
        for s in self.units.segments() {
            self.check_segment(values, observed, s)?;
        }
        Ok(())
    }

    fn check_segment(
        &self,
        values: Input<'_>,
        observed: Option<BitView<'_>>,
        s: &Segment,
    ) -> Result<()> {
        let (least, most) = match s.kind {
            Kind::Bernoulli | Kind::Softmax => (0.0, 1.0),
            Kind::Spin => (-1.0, 1.0),
            Kind::Gaussian => (f32::MIN, f32::MAX),
            Kind::Relu => (0.0, f32::MAX),
            Kind::Counts => (0.0, MAX_LENGTH as f32),
        };
        let refused = |row: usize, what: String, expected: String, found: f32| {
            Err(Error::parameter(
                format!("{what} in row {row} for units of kind {}", s.kind),
                expected,
                found,
            ))
        };
        for row in 0..values.rows() {
            let is_known = |i: usize| observed.is_none_or(|mask| mask.get(row, i));
            if s.kind == Kind::Softmax && observed.is_some() {
                let known = s.range().filter(|&i| is_known(i)).count();
                if known == 0 {
                    continue;
                }
                if known < s.size {
                    let what = format!(
                        "observed values of columns {} to {}",
                        s.first,
                        s.range().end - 1
                    );
                    let expected = format!("all {} of the group or none", s.size);
                    return refused(row, what, expected, known as f32);
                }
            }
            if s.kind == Kind::Counts {
                self.check_counts(values, observed, row)?;
                continue;
            }
            let mut sum = 0.0;
            match values {
                Input::Bits(_) if s.kind == Kind::Spin => {
                    let what = format!("bits of columns {} to {}", s.first, s.range().end - 1);
                    return refused(row, what, "the numbers -1 and 1".into(), 0.0);
                }
                Input::Bits(_) if s.kind != Kind::Softmax => return Ok(()),
                Input::Bits(v) => {
                    sum = s.range().map(|i| f32::from(v.get(row, i))).sum();
                }
                Input::Real(v) => {
                    for (k, &x) in v.row(row)[s.range()].iter().enumerate() {
                        if !(least..=most).contains(&x) && is_known(s.first + k) {
                            let column = s.first + k;
                            let mut expected = format!("a number in [{least}, {most}]");
                            if s.kind == Kind::Bernoulli && x == -1.0 {
                                expected += " (signs_as_bits makes bits of -1 and 1)";
                            }
                            return refused(row, format!("value of column {column}"), expected, x);
                        }
                        sum += x;
                    }
                }
            }
            if s.kind == Kind::Softmax && (sum - 1.0).abs() > 1e-4 {
                let what = format!("sum of columns {} to {}", s.first, s.range().end - 1);
                return refused(row, what, "1".into(), sum);
            }
        }
        Ok(())
    }

    /// Refuses a row that is not one of counts, of the layer's length if it has one.
    fn check_counts(
        &self,
        values: Input<'_>,
        observed: Option<BitView<'_>>,
        row: usize,
    ) -> Result<()> {
        let refused = |what: String, expected: String, found: String| {
            let what = format!("{what} in row {row} for units of kind counts");
            Err(Error::parameter(what, expected, found))
        };
        let known = observed.map_or(self.size(), |mask| mask.ones(row).count());
        if known < self.size() {
            let (what, expected) = ("observed values".into(), format!("all {}", self.size()));
            return refused(what, expected, known.to_string());
        }
        for column in 0..self.size() {
            let x = values.get(row, column);
            if !(x >= 0.0 && x <= MAX_LENGTH as f32 && x.fract() == 0.0) {
                let (what, expected) = (format!("value of column {column}"), "0, 1, 2, ...");
                return refused(what, expected.into(), x.to_string());
            }
        }
        let length = length_of(values, row);
        let expected = match self.length {
            Some(given) if f64::from(given) != length => given.to_string(),
            None if length > f64::from(MAX_LENGTH) => format!("at most {MAX_LENGTH}"),
            _ => return Ok(()),
        };
        refused("sum of the counts".into(), expected, length.to_string())
    }
}
