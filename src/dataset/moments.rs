//! Mean and standard deviation of the columns of examples, of which each counts once, whatever its
//! weight, with every value that it holds, observed or not.

use super::examples::Examples;
use crate::states::States;

impl Examples {
    /// Mean of every column `[columns]`, summed in f64 in the order of the rows; zeros if there is
    /// no example.
    pub fn mean(&self) -> Vec<f64> {
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

    /// Standard deviation of every column `[columns]`, not below a tenth of the root mean variance
    /// (so that a pixel that is hardly ever on does not dwarf the others), 1 if no column varies.
    pub fn deviation(&self) -> Vec<f64> {
        let mean = self.mean();
        let n = self.len().max(1) as f64;
        let x = self.input();
        let mut variance = vec![0.0; self.columns()];
        for i in 0..self.len() {
            for (j, sum) in variance.iter_mut().enumerate() {
                *sum += (f64::from(x.get(i, j)) - mean[j]).powi(2) / n;
            }
        }
        let least = (variance.iter().sum::<f64>() / variance.len().max(1) as f64).sqrt() / 10.0;
        let deviation = variance.iter().map(|v| v.sqrt().max(least));
        deviation.map(|s| if s > 0.0 { s } else { 1.0 }).collect()
    }
}
