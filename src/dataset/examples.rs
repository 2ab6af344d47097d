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
    /// Numbers in [0, 1].
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

    /// Unlabelled examples whose values a reader has already checked.
    pub(super) fn from_checked(matrix: Matrix) -> Self {
        Self {
            values: Values::Real(matrix),
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
