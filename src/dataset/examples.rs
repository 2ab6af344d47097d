//! A set of examples: values, one example a row, and perhaps a label for each.

use super::binarization::{Binarization, binarize};
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    rng::HostRng,
};
use rayon::prelude::*;

/// Stream of the [`HostRng`] that shuffles a split, apart from other uses of the same seed.
const SPLIT_STREAM: u64 = 0x0073_706c_6974; // "split"

/// The values of examples, one example a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Packed zeros and ones.
    Bits(BitMatrix),
    /// Numbers: in [0, 1], or any finite ones if they came through [`Examples::real`], [`Examples::shifted`] or
    /// [`super::Dataset::open_real`].
    Real(Matrix),
}

/// Examples `[len x columns]` with optional labels, one an example.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    values: Values,
    labels: Option<Vec<u8>>,
}

impl Examples {
    /// Examples from values and labels. Cost: one pass over real values.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are as many labels as rows; [`Error::Parameter`] at the first real value that is
    /// NaN or outside [0, 1].
    pub fn new(values: Values, labels: Option<Vec<u8>>) -> Result<Self> {
        if let Values::Real(matrix) = &values
            && let Some((i, j, x)) = first_outside_unit_interval(matrix)
        {
            return Err(Error::parameter(
                format!("value in row {i}, column {j}"),
                "a number in [0, 1]",
                x,
            ));
        }
        let examples = Self {
            values,
            labels: None,
        };
        match labels {
            Some(labels) => examples.labelled(labels),
            None => Ok(examples),
        }
    }

    /// Examples of any finite numbers, for units that are not binary.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are as many labels as rows; [`Error::NotFinite`] for NaN or infinity.
    pub fn real(matrix: Matrix, labels: Option<Vec<u8>>) -> Result<Self> {
        if !matrix.is_finite() {
            return Err(Error::NotFinite {
                what: "values of the examples".into(),
            });
        }
        let examples = Self::from_checked(matrix);
        match labels {
            Some(labels) => examples.labelled(labels),
            None => Ok(examples),
        }
    }

    /// The examples with values `(x - offset_j) / scale_j`: standardised ones, or -1 and 1 from bits with 0.5 and 0.5.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one offset and one scale a column; [`Error::NotFinite`] where a result is not finite.
    pub fn shifted(&self, offset: &[f64], scale: &[f64]) -> Result<Self> {
        let n = self.columns();
        if (offset.len(), scale.len()) != (n, n) {
            let found = format!("{} and {}", offset.len(), scale.len());
            return Err(Error::shape(
                "offsets and scales",
                format!("{n} each"),
                found,
            ));
        }
        let value = |i: usize, j: usize| match &self.values {
            Values::Bits(x) => f64::from(u8::from(x.get(i, j))),
            Values::Real(x) => f64::from(x.row(i)[j]),
        };
        let shifted = |i: usize, j: usize| ((value(i, j) - offset[j]) / scale[j]) as f32;
        let matrix = Matrix::from_fn(self.len(), n, shifted);
        Self::real(matrix, self.labels.clone())
    }

    /// Standard deviation of every column `[columns]`, not below a tenth of the root mean variance (so that a pixel that is hardly ever on
    /// does not dwarf the others), 1 if no column varies.
    pub fn deviation(&self) -> Vec<f64> {
        let mean = self.mean();
        let n = self.len().max(1) as f64;
        let mut variance = vec![0.0; self.columns()];
        for i in 0..self.len() {
            for (j, sum) in variance.iter_mut().enumerate() {
                let x = match &self.values {
                    Values::Bits(x) => f64::from(u8::from(x.get(i, j))),
                    Values::Real(x) => f64::from(x.row(i)[j]),
                };
                *sum += (x - mean[j]).powi(2) / n;
            }
        }
        let least = (variance.iter().sum::<f64>() / variance.len().max(1) as f64).sqrt() / 10.0;
        let deviation = variance.iter().map(|v| v.sqrt().max(least));
        deviation.map(|s| if s > 0.0 { s } else { 1.0 }).collect()
    }

    /// Number of classes: one more than the greatest label; `None` without labels.
    pub fn classes(&self) -> Option<usize> {
        let most = self.labels.as_ref()?.iter().max()?;
        Some(usize::from(*most) + 1)
    }

    /// The examples with their labels as `classes` further columns, of which one is 1: the visible states of a machine that learns them.
    ///
    /// # Errors
    /// [`Error::Parameter`] without labels or for a label from `classes` on.
    pub fn with_label_units(&self, classes: usize) -> Result<Self> {
        let Some(labels) = &self.labels else {
            return Err(Error::parameter("data", "examples with labels", "none"));
        };
        if let Some(label) = labels.iter().find(|&&y| usize::from(y) >= classes) {
            return Err(Error::parameter("label", format!("below {classes}"), label));
        }
        let n = self.columns();
        let values = match &self.values {
            Values::Bits(x) => {
                let mut joint = BitMatrix::zeros(x.rows(), n + classes);
                for (i, &label) in labels.iter().enumerate() {
                    let mut view = joint.view_mut();
                    view.row_mut(i)[..x.row(i).len()].copy_from_slice(x.row(i));
                    joint.set(i, n + usize::from(label), true);
                }
                Values::Bits(joint)
            }
            Values::Real(x) => {
                let mut joint = Matrix::zeros(x.rows(), n + classes);
                for (i, &label) in labels.iter().enumerate() {
                    let row = joint.row_mut(i);
                    row[..n].copy_from_slice(x.row(i));
                    row[n + usize::from(label)] = 1.0;
                }
                Values::Real(joint)
            }
        };
        Ok(Self {
            values,
            labels: self.labels.clone(),
        })
    }

    /// The first `n` columns, or all if there are fewer.
    pub fn first_columns(&self, n: usize) -> Self {
        let n = n.min(self.columns());
        let values = match &self.values {
            Values::Bits(x) => Values::Bits(BitMatrix::from_fn(x.rows(), n, |i, j| x.get(i, j))),
            Values::Real(x) => Values::Real(Matrix::from_fn(x.rows(), n, |i, j| x.row(i)[j])),
        };
        Self {
            values,
            labels: self.labels.clone(),
        }
    }

    /// Unlabelled examples whose values a reader has already checked.
    pub(super) fn from_checked(matrix: Matrix) -> Self {
        Self {
            values: Values::Real(matrix),
            labels: None,
        }
    }

    /// Unlabelled examples of values that come from others.
    pub(super) fn from_values(values: Values) -> Self {
        Self {
            values,
            labels: None,
        }
    }

    /// The same examples with `labels`.
    pub(super) fn labelled(self, labels: Vec<u8>) -> Result<Self> {
        if labels.len() != self.len() {
            return Err(Error::shape(
                "labels",
                format!("{}, one an example", self.len()),
                labels.len(),
            ));
        }
        Ok(Self {
            labels: Some(labels),
            ..self
        })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Bits(bits) => bits.rows(),
            Values::Real(matrix) => matrix.rows(),
        }
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of values in one example.
    pub fn columns(&self) -> usize {
        match &self.values {
            Values::Bits(bits) => bits.columns(),
            Values::Real(matrix) => matrix.columns(),
        }
    }

    /// The values `[len x columns]`.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The labels `[len]`, if there are any.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    /// The values if they are packed bits.
    pub fn bits(&self) -> Option<&BitMatrix> {
        match &self.values {
            Values::Bits(bits) => Some(bits),
            Values::Real(_) => None,
        }
    }

    /// Mean of every column `[columns]`, summed in f64 in the order of the rows; zeros if there is no example.
    pub fn mean(&self) -> Vec<f64> {
        let n = self.len().max(1) as f64;
        match &self.values {
            Values::Bits(bits) => {
                let mut counts = vec![0; bits.columns()];
                bits.column_counts_into(&mut counts);
                counts.into_iter().map(|c| f64::from(c) / n).collect()
            }
            Values::Real(matrix) => {
                let mut sums = vec![0.0; matrix.columns()];
                for i in 0..matrix.rows() {
                    for (sum, &x) in sums.iter_mut().zip(matrix.row(i)) {
                        *sum += f64::from(x);
                    }
                }
                sums.into_iter().map(|sum| sum / n).collect()
            }
        }
    }

    /// The examples with real values turned into bits as `how` says; bits stay as they are, and so do grey values with
    /// [`Binarization::None`] (which does pack values that are all 0 or 1). `seed` and `first_row` matter to
    /// [`Binarization::Sampled`] alone: example `i` draws as row `first_row + i`. The result does not depend on the
    /// number of threads.
    ///
    /// # Panics
    /// If sampling would need row 2^32 or beyond.
    pub fn binarized(self, how: Binarization, seed: u64, first_row: usize) -> Self {
        let values = match self.values {
            Values::Real(matrix) => match binarize(&matrix, how, seed, first_row) {
                Some(bits) => Values::Bits(bits),
                None => Values::Real(matrix),
            },
            bits => bits,
        };
        Self { values, ..self }
    }

    /// Two disjoint parts that together hold every example once: the second has `n_second` examples, chosen and ordered
    /// by a shuffle that `seed` determines.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `n_second < len` and `n_second > 0`: each part must hold an example.
    pub fn split(self, n_second: usize, seed: u64) -> Result<(Self, Self)> {
        if n_second == 0 || n_second >= self.len() {
            return Err(Error::parameter(
                "size of the second part",
                format!("more than 0 and fewer than the {} examples", self.len()),
                n_second,
            ));
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        HostRng::new(seed, SPLIT_STREAM).shuffle(&mut order);
        let (first, second) = order.split_at(self.len() - n_second);
        Ok((self.take(first), self.take(second)))
    }

    /// A copy of the examples at `indices`, in that order; an index may come more than once.
    ///
    /// # Panics
    /// If an index is not below [`Examples::len`].
    pub fn take(&self, indices: &[usize]) -> Self {
        let values = match &self.values {
            Values::Bits(bits) => {
                let mut taken = BitMatrix::zeros(indices.len(), bits.columns());
                for (to, &from) in indices.iter().enumerate() {
                    taken.copy_row(to, bits.view(), from);
                }
                Values::Bits(taken)
            }
            Values::Real(matrix) => {
                let mut taken = Matrix::zeros(indices.len(), matrix.columns());
                for (to, &from) in indices.iter().enumerate() {
                    taken.row_mut(to).copy_from_slice(matrix.row(from));
                }
                Values::Real(taken)
            }
        };
        let labels = self.labels.as_ref();
        Self {
            values,
            labels: labels.map(|labels| indices.iter().map(|&i| labels[i]).collect()),
        }
    }

    /// A copy of the first `n` examples, or of all if there are fewer.
    pub fn head(&self, n: usize) -> Self {
        let indices: Vec<usize> = (0..n.min(self.len())).collect();
        self.take(&indices)
    }
}

/// Row, column and value of the first number that is NaN or outside [0, 1].
fn first_outside_unit_interval(matrix: &Matrix) -> Option<(usize, usize, f32)> {
    (0..matrix.rows()).into_par_iter().find_map_first(|i| {
        let row = matrix.row(i);
        let j = row.iter().position(|x| !(0.0..=1.0).contains(x))?;
        Some((i, j, row[j]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(rows: usize, columns: usize) -> Examples {
        let matrix = Matrix::from_fn(rows, columns, |i, j| ((i * 31 + j * 17) % 11) as f32 / 10.0);
        let labels = (0..rows).map(|i| i as u8).collect();
        Examples::new(Values::Real(matrix), Some(labels)).unwrap()
    }

    #[test]
    fn new_refuses_what_is_not_a_probability_and_other_label_counts() {
        for bad in [f32::NAN, f32::INFINITY, -0.1, 1.000_001] {
            let matrix = Matrix::from_fn(3, 4, |i, j| if (i, j) == (2, 1) { bad } else { 1.0 });
            let message = Examples::new(Values::Real(matrix), None)
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("row 2, column 1") && message.contains(&bad.to_string()),
                "{message}"
            );
        }
        let bits = Values::Bits(BitMatrix::zeros(3, 2));
        let message = Examples::new(bits, Some(vec![0; 4]))
            .unwrap_err()
            .to_string();
        assert!(message.contains('3') && message.contains('4'), "{message}");
    }

    #[test]
    fn mean_of_bits_is_the_mean_of_the_same_numbers() {
        let bits = grey(50, 70).binarized(Binarization::Threshold(0.4), 0, 0);
        let real = Examples::new(Values::Real(bits.bits().unwrap().to_matrix()), None).unwrap();
        assert_eq!(bits.mean(), real.mean());
        let mean = grey(11, 1).mean();
        assert!(
            (mean[0] - 0.5).abs() < 1e-7,
            "0, 0.1 ... 1 in some order: {mean:?}"
        );
        assert_eq!(grey(3, 2).head(0).mean(), [0.0, 0.0]);
        // Back to bits without being told how, and labels are kept.
        assert_eq!(real.binarized(Binarization::None, 0, 0).bits(), bits.bits());
        assert_eq!(bits.labels().unwrap().len(), 50);
    }

    #[test]
    fn split_is_a_seeded_partition() {
        let all = grey(40, 3);
        let (first, second) = all.clone().split(15, 3).unwrap();
        assert_eq!((first.len(), second.len()), (25, 15));
        let mut labels = [first.labels().unwrap(), second.labels().unwrap()].concat();
        for part in [&first, &second] {
            for (i, &label) in part.labels().unwrap().iter().enumerate() {
                let (Values::Real(part), Values::Real(all)) = (part.values(), all.values()) else {
                    panic!("real values");
                };
                assert_eq!(part.row(i), all.row(label as usize));
            }
        }
        labels.sort_unstable();
        assert_eq!(labels, (0..40).collect::<Vec<u8>>());
        assert_eq!(all.clone().split(15, 3).unwrap().1, second);
        assert_ne!(all.clone().split(15, 4).unwrap().1, second);
        for n in [0, 40, 41] {
            assert!(all.clone().split(n, 3).is_err());
        }
    }

    #[test]
    fn labels_become_units_and_values_are_standardised() {
        let real = grey(5, 70);
        let bits = real.clone().binarized(Binarization::Sampled, 1, 0);
        for examples in [&real, &bits] {
            assert_eq!(examples.classes(), Some(5));
            let joint = examples.with_label_units(7).unwrap();
            assert_eq!((joint.columns(), joint.labels()), (77, examples.labels()));
            assert_eq!(&joint.first_columns(70), examples);
            let mean = joint.mean();
            assert!(mean[70..75].iter().all(|&m| m == 0.2) && mean[75..] == [0.0; 2]);
            assert!(examples.with_label_units(4).is_err());
        }
        let (mean, deviation) = (real.mean(), real.deviation());
        let standard = real.shifted(&mean, &deviation).unwrap();
        for j in 0..70 {
            assert!(
                standard.mean()[j].abs() < 1e-6 && (standard.deviation()[j] - 1.0).abs() < 1e-5
            );
        }
        let spins = bits.shifted(&[0.5; 70], &[0.5; 70]).unwrap();
        let Values::Real(spins) = spins.values() else {
            panic!("numbers")
        };
        assert!(spins.elements().all(|x| x == 1.0 || x == -1.0));
        assert_eq!(grey(1, 3).deviation(), [1.0; 3]);
        assert!(Examples::real(Matrix::from_fn(1, 1, |_, _| f32::NAN), None).is_err());
        assert!(real.shifted(&[0.0; 3], &deviation).is_err());
    }

    #[test]
    fn take_copies_bits_reals_and_labels() {
        let real = grey(5, 70);
        let bits = real.clone().binarized(Binarization::Sampled, 1, 0);
        for examples in [real, bits] {
            let taken = examples.take(&[4, 0, 4]);
            assert_eq!(taken.labels(), Some(&[4, 0, 4][..]));
            assert_eq!(taken.take(&[1]), examples.head(1));
            assert_eq!(taken.take(&[0]), taken.take(&[2]));
            assert_eq!(examples.head(9), examples);
            assert_eq!((taken.columns(), examples.head(0).is_empty()), (70, true));
        }
    }
}
