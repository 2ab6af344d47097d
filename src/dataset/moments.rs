//! Mean and standard deviation of the columns of examples, of which each counts by its weight, and
//! of which missing values do not.

use super::examples::Examples;
use crate::states::States;

impl Examples {
    /// Mean of every column `[columns]` over the examples that have a value there,
    /// `sum w x / sum w`, summed in f64 in the order of the rows; zero where there is none.
    pub fn mean(&self) -> Vec<f64> {
        if self.weights().is_some() || self.observed().is_some() {
            return self.column_means(|_, x| x);
        }
        let n = self.len().max(1) as f64;
        match self.states() {
            States::Bits(bits) => {
                let mut counts = vec![0; bits.columns()];
                bits.column_counts_into(&mut counts);
                counts.into_iter().map(|c| f64::from(c) / n).collect()
            }
            States::Real(matrix) => {
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

    /// The weighted mean of `f(column, value)` over the observed values of every column.
    fn column_means(&self, f: impl Fn(usize, f64) -> f64) -> Vec<f64> {
        let (x, mask) = (self.input(), self.observed());
        let mut sums = vec![[0.0; 2]; self.columns()];
        for i in 0..self.len() {
            let w = self.weights().map_or(1.0, |weights| f64::from(weights[i]));
            for (j, [sum, total]) in sums.iter_mut().enumerate() {
                if mask.is_none_or(|mask| mask.get(i, j)) {
                    *sum += w * f(j, f64::from(x.get(i, j)));
                    *total += w;
                }
            }
        }
        let mean = |[sum, total]: [f64; 2]| if total > 0.0 { sum / total } else { 0.0 };
        sums.into_iter().map(mean).collect()
    }

    /// Whether the examples have a value in column `j`.
    pub(crate) fn has_values(&self, j: usize) -> bool {
        self.observed()
            .is_none_or(|mask| (0..mask.rows()).any(|i| mask.get(i, j)))
    }

    /// Standard deviation of every column `[columns]`, weighted as [`Self::mean`] is; 1 of a column
    /// that does not vary.
    pub fn deviation(&self) -> Vec<f64> {
        let mean = self.mean();
        let variance = if self.weights().is_some() || self.observed().is_some() {
            self.column_means(|j, x| (x - mean[j]).powi(2))
        } else {
            let n = self.len().max(1) as f64;
            let x = self.input();
            let mut variance = vec![0.0; self.columns()];
            for i in 0..self.len() {
                for (j, sum) in variance.iter_mut().enumerate() {
                    *sum += (f64::from(x.get(i, j)) - mean[j]).powi(2) / n;
                }
            }
            variance
        };
        let deviation = variance.into_iter().map(f64::sqrt);
        deviation.map(|s| if s > 0.0 { s } else { 1.0 }).collect()
    }
}
