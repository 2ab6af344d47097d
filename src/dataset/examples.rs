//! A set of examples: states, one example a row, and perhaps a label, a weight and an observed mask
//! for each.

use crate::{
    bits::{BitMatrix, BitView},
    error::{Error, Result},
    matrix::Matrix,
    rng::{HostRng, Stream},
    states::{Input, States},
    threads::{in_pool, prelude::*},
};

/// Examples `[len x columns]`: states of visible units, one example a row, with optional labels,
/// weights and observed mask.
///
/// States are any finite numbers; the units that they are meant for say which of them they can
/// have, by [`crate::model::Layer::check_values`]. Training and every mean over examples multiply
/// each by its weight. Training takes missing values of families that infer them; all else that
/// cannot use a mask refuses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    states: States,
    labels: Option<Vec<u32>>,
    weights: Option<Vec<f32>>,
    observed: Option<BitMatrix>,
}

impl Examples {
    /// Examples from states, or from rows of numbers: a `Vec<Vec<f32>>`, a slice of rows, numbers
    /// one after the other with their width. Numbers stay numbers; zeros and ones learn faster as
    /// bits, see [`Self::packed`], and spins may become bits, see [`Self::signs_as_bits`]. Columns
    /// of text and numbers to be standardized are a table: [`super::Table::from_columns`]. Cost:
    /// one pass over real values.
    ///
    /// ```
    /// use harmonium::{BitMatrix, Examples, States};
    /// let rows = vec![vec![0.3, -1.0], vec![2.5, 0.0]];
    /// assert_eq!(Examples::new(&rows)?.len(), 2);
    /// assert_eq!(Examples::new((&[0.3, -1.0, 2.5, 0.0][..], 2))?, Examples::new(rows)?);
    ///
    /// // Bits, however they are held.
    /// let held = [[true, false], [true, true]];
    /// let data = Examples::new(BitMatrix::from_fn(2, 2, |row, unit| held[row][unit]))?;
    /// assert_eq!(data, Examples::new(States::from_bytes(&[1, 0, 1, 1], 2)?)?);
    /// assert_eq!(data, Examples::new([[1.0, 0.0], [1.0, 1.0]])?.packed());
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`], with the row, at the first that is not as long as row 0;
    /// [`Error::Parameter`], with row and column, at the first value that is NaN or infinite.
    pub fn new(states: impl TryInto<States, Error: Into<Error>>) -> Result<Self> {
        let states = states.try_into().map_err(Into::into)?;
        if let States::Real(matrix) = &states
            && let Some((i, j, x)) = first_not_finite(matrix)
        {
            return Err(Error::parameter(
                format!("value in row {i}, column {j}"),
                "a finite number",
                x,
            ));
        }
        Ok(Self::from_states(states))
    }

    /// The same examples with `labels`, in place of others that they may have.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one label an example.
    pub fn with_labels(self, labels: Vec<u32>) -> Result<Self> {
        self.check_count("labels", labels.len())?;
        Ok(Self {
            labels: Some(labels),
            ..self
        })
    }

    /// The same examples with `weights`: how often each counts, in any unit.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one weight an example; [`Error::Parameter`], with the row,
    /// for one that is negative, NaN or infinite, and if all of them are zero.
    pub fn with_weights(self, weights: Vec<f32>) -> Result<Self> {
        self.check_count("weights", weights.len())?;
        let wrong = |w: &f32| !(w.is_finite() && *w >= 0.0);
        if let Some(i) = weights.iter().position(wrong) {
            return Err(Error::parameter(
                format!("weight of row {i}"),
                "a finite number of at least 0",
                weights[i],
            ));
        }
        if !weights.is_empty() && weights.iter().all(|&w| w == 0.0) {
            return Err(Error::parameter(
                "weights",
                "at least one above 0",
                "zeros alone",
            ));
        }
        Ok(Self {
            weights: Some(weights),
            ..self
        })
    }

    /// The same examples with a mask of the values that were observed: 1 where one was, 0 where it
    /// is missing. A mask of ones is none.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the mask has the shape of the states.
    pub fn with_observed(self, observed: BitMatrix) -> Result<Self> {
        let shape = (self.len(), self.columns());
        if (observed.rows(), observed.columns()) != shape {
            return Err(Error::shape(
                "mask of observed values",
                format!("{} x {}, like the examples", shape.0, shape.1),
                format!("{} x {}", observed.rows(), observed.columns()),
            ));
        }
        Ok(Self {
            observed: Some(observed).filter(has_zeros),
            ..self
        })
    }

    /// Examples of other states, one for each of these in turn, with the labels and weights of
    /// these: features in place of what they were computed from. The mask stays if the new states
    /// are as wide as the old.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of rows, and those of [`Self::new`].
    pub fn with_states(&self, states: impl TryInto<States, Error: Into<Error>>) -> Result<Self> {
        let new = Self::new(states)?;
        self.check_count("states", new.len())?;
        let keeps_mask = new.columns() == self.columns();
        Ok(Self {
            labels: self.labels.clone(),
            weights: self.weights.clone(),
            observed: self.observed.clone().filter(|_| keeps_mask),
            ..new
        })
    }

    fn check_count(&self, what: &str, found: usize) -> Result<()> {
        if found != self.len() {
            return Err(Error::shape(
                what,
                format!("{}, one an example", self.len()),
                found,
            ));
        }
        Ok(())
    }

    /// The examples with values `(x - offset_j) / scale_j`: standardized ones, or -1 and 1 from
    /// bits with 0.5 and 0.5.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one offset and one scale a column; [`Error::Parameter`]
    /// where a result is not finite.
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
        let x = self.input();
        let shifted = |i: usize, j: usize| ((f64::from(x.get(i, j)) - offset[j]) / scale[j]) as f32;
        self.with_states(Matrix::from_fn(self.len(), n, shifted))
    }

    /// Number of classes: one more than the greatest label; `None` without labels.
    pub fn classes(&self) -> Option<usize> {
        let most = self.labels.as_ref()?.iter().max()?;
        Some(*most as usize + 1)
    }

    /// The examples with their labels as `classes` further columns, of which one is 1: the visible
    /// states of a machine that learns them. In a mask, labels count as observed.
    ///
    /// # Errors
    /// [`Error::Parameter`] without labels and for a label from `classes` on.
    pub fn with_label_units(&self, classes: usize) -> Result<Self> {
        let Some(labels) = &self.labels else {
            return Err(Error::parameter("data", "examples with labels", "none"));
        };
        let states = self.states.with_one_hot(labels, classes)?;
        let n = self.columns();
        let observed = self.observed.as_ref().map(|mask| {
            BitMatrix::from_fn(mask.rows(), n + classes, |i, j| j >= n || mask.get(i, j))
        });
        let observed = observed.filter(has_zeros);
        Ok(Self {
            states,
            labels: self.labels.clone(),
            weights: self.weights.clone(),
            observed,
        })
    }

    /// The first `n` columns, or all if there are fewer.
    #[must_use]
    pub fn first_columns(&self, n: usize) -> Self {
        let columns = n.min(self.columns());
        let observed = self
            .observed
            .as_ref()
            .map(|mask| BitMatrix::from_fn(mask.rows(), columns, |i, j| mask.get(i, j)))
            .filter(has_zeros);
        Self {
            states: self.states.first_columns(n),
            labels: self.labels.clone(),
            weights: self.weights.clone(),
            observed,
        }
    }

    /// Examples of nothing but states that are known to be finite.
    pub(crate) fn from_states(states: impl Into<States>) -> Self {
        Self {
            states: states.into(),
            labels: None,
            weights: None,
            observed: None,
        }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.states.rows()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of values in one example.
    pub fn columns(&self) -> usize {
        self.states.columns()
    }

    /// The states `[len x columns]`.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// The states `[len x columns]` alone, as products take them: weights and mask stay behind, and
    /// the units of a missing value are what they are, most often 0. What wants
    /// [`Rows`](crate::dataset::Rows) takes examples as they are.
    pub fn input(&self) -> Input<'_> {
        self.states.view()
    }

    /// The same examples with the states that `change` makes of theirs.
    pub(super) fn map_states(self, change: impl FnOnce(States) -> States) -> Self {
        Self {
            states: change(self.states),
            ..self
        }
    }

    /// The states `[len x columns]`, without a copy.
    pub fn into_states(self) -> States {
        self.states
    }

    /// The labels `[len]`, if there are any.
    pub fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    /// The weights `[len]`, if there are any.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// The mask `[len x columns]` of observed values, if one is missing: 1 where a value was
    /// observed.
    pub fn observed(&self) -> Option<&BitMatrix> {
        self.observed.as_ref()
    }

    /// The states if they are packed bits.
    pub fn bits(&self) -> Option<&BitMatrix> {
        self.states.bits()
    }

    /// Two disjoint parts that together hold every example once: the second has `n_second`
    /// examples, chosen and ordered by a shuffle that `seed` determines.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `n_second < len` and `n_second > 0`: each part must hold an
    /// example.
    pub fn split(self, n_second: usize, seed: u64) -> Result<(Self, Self)> {
        let [first, second] = Self::split_rows(self.len(), n_second, seed)?;
        Ok((self.take(&first), self.take(&second)))
    }

    /// The rows of both parts of [`Self::split`], of `len` examples.
    ///
    /// # Errors
    /// As [`Self::split`].
    pub fn split_rows(len: usize, n_second: usize, seed: u64) -> Result<[Vec<usize>; 2]> {
        if n_second == 0 || n_second >= len {
            return Err(Error::parameter(
                "size of the second part",
                format!("more than 0 and fewer than the {len} examples"),
                n_second,
            ));
        }
        let mut order: Vec<usize> = (0..len).collect();
        HostRng::new(seed, Stream::Split).shuffle(&mut order);
        let second = order.split_off(len - n_second);
        Ok([order, second])
    }

    /// A copy of the examples at `indices`, in that order; an index may come more than once.
    ///
    /// # Panics
    /// If an index is not below [`Examples::len`].
    #[must_use]
    pub fn take(&self, indices: &[usize]) -> Self {
        let observed = self.observed.as_ref().map(|mask| {
            let mut taken = BitMatrix::zeros(indices.len(), mask.columns());
            for (to, &from) in indices.iter().enumerate() {
                taken.copy_row(to, mask.view(), from);
            }
            taken
        });
        let observed = observed.filter(has_zeros);
        Self {
            states: self.states.take(indices),
            labels: taken(self.labels.as_deref(), indices),
            weights: taken(self.weights.as_deref(), indices),
            observed,
        }
    }

    /// A copy of the first `n` examples, or of all if there are fewer.
    #[must_use]
    pub fn head(&self, n: usize) -> Self {
        let indices: Vec<usize> = (0..n.min(self.len())).collect();
        self.take(&indices)
    }
}

/// Whether row `i` of a mask has ones alone.
pub(crate) fn is_full(mask: BitView<'_>, i: usize) -> bool {
    let ones: u32 = mask.row(i).iter().map(|word| word.count_ones()).sum();
    ones as usize == mask.columns()
}

/// Whether a mask has zeros.
fn has_zeros(mask: &BitMatrix) -> bool {
    (0..mask.rows()).any(|i| !is_full(mask.view(), i))
}

/// The elements at `indices`.
fn taken<T: Copy>(all: Option<&[T]>, indices: &[usize]) -> Option<Vec<T>> {
    all.map(|all| indices.iter().map(|&i| all[i]).collect())
}

/// Row, column and value of the first number that is NaN or infinite.
fn first_not_finite(matrix: &Matrix) -> Option<(usize, usize, f32)> {
    let of_row = |i| {
        let row: &[f32] = matrix.row(i);
        let j = row.iter().position(|x| !x.is_finite())?;
        Some((i, j, row[j]))
    };
    let rows = (0..matrix.rows()).into_par_iter();
    in_pool(|| rows.find_map_first(of_row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Binarization;

    fn gray(rows: usize, columns: usize) -> Examples {
        let matrix = Matrix::from_fn(rows, columns, |i, j| ((i * 31 + j * 17) % 11) as f32 / 10.0);
        let labels = (0..rows as u32).collect();
        Examples::new(matrix).unwrap().with_labels(labels).unwrap()
    }

    #[test]
    fn new_refuses_what_is_not_finite_and_other_counts() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let matrix = Matrix::from_fn(3, 4, |i, j| if (i, j) == (2, 1) { bad } else { 7.0 });
            let message = Examples::new(matrix).unwrap_err().to_string();
            assert!(
                message.contains("row 2, column 1") && message.contains(&bad.to_string()),
                "{message}"
            );
        }
        let bits = Examples::new(BitMatrix::zeros(3, 2)).unwrap();
        for refused in [
            bits.clone().with_labels(vec![0; 4]),
            bits.clone().with_weights(vec![1.0; 4]),
            bits.with_states(BitMatrix::zeros(4, 2)),
            bits.clone().with_observed(BitMatrix::zeros(4, 2)),
        ] {
            let message = refused.unwrap_err().to_string();
            assert!(message.contains('3') && message.contains('4'), "{message}");
        }
    }

    #[test]
    fn split_is_a_seeded_partition() {
        let all = gray(40, 3);
        let (first, second) = all.clone().split(15, 3).unwrap();
        assert_eq!((first.len(), second.len()), (25, 15));
        let mut labels = [first.labels().unwrap(), second.labels().unwrap()].concat();
        for part in [&first, &second] {
            for (i, &label) in part.labels().unwrap().iter().enumerate() {
                let (part, all) = (part.states().to_matrix(), all.states().to_matrix());
                assert_eq!(part.row(i), all.row(label as usize));
            }
        }
        labels.sort_unstable();
        assert_eq!(labels, (0..40).collect::<Vec<u32>>());
        assert_eq!(all.clone().split(15, 3).unwrap().1, second);
        assert_ne!(all.clone().split(15, 4).unwrap().1, second);
        for n in [0, 40, 41] {
            assert!(all.clone().split(n, 3).is_err());
        }
    }

    #[test]
    fn labels_become_units_and_values_are_standardized() {
        let real = gray(5, 70);
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
        assert!(
            spins
                .states()
                .real()
                .unwrap()
                .elements()
                .all(|x| x == 1.0 || x == -1.0)
        );
        assert_eq!(gray(1, 3).deviation(), [1.0; 3]);
        assert!(real.shifted(&[0.0; 3], &deviation).is_err());
    }

    #[test]
    fn take_copies_bits_reals_and_labels() {
        let real = gray(5, 70);
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
