//! A fingerprint of examples: 64 bits that tell, all but surely, whether a run goes on with the
//! data that it was begun on.
//!
//! # Definition
//! A list of 64-bit words is hashed by `h <- (h ^ word) * 0x9E3779B97F4A7C15 mod 2^64`, then `h <-
//! h ^ (h >> 32)`, from `h = 0`. The words of examples are: their number, their columns, 0 for bits
//! or 1 for numbers, 0 without labels or 1 with them; then row by row the values, 64 bits or two
//! `f32` a word, the first in the lowest bits and the last word of a row filled up with zeros; then
//! the labels, one a word.
//!
//! It guards against mistakes, not against somebody who makes other data of the same fingerprint.

use super::{ExampleStream, Examples};
use crate::error::Result;
use crate::states::States;

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
/// Examples of a stream that are looked at.
const SAMPLED: usize = 1000;

#[derive(Default)]
struct Hash(u64);

impl Hash {
    fn add(&mut self, word: u64) {
        let product = (self.0 ^ word).wrapping_mul(MULTIPLIER);
        self.0 = product ^ product >> 32;
    }
}

impl Examples {
    /// The fingerprint of all values and labels as they are now: after binarization,
    /// standardization and split. The same on every machine. Cost: one pass.
    ///
    /// ```
    /// # use harmonium::dataset::bars_and_stripes;
    /// let data = bars_and_stripes(3);
    /// assert_eq!(data.fingerprint(), data.clone().fingerprint());
    /// assert_ne!(data.fingerprint(), data.take(&[1, 0]).fingerprint());
    /// ```
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Hash::default();
        let labels = self.labels();
        let is_real = matches!(self.states(), States::Real(_));
        for word in [
            self.len() as u64,
            self.columns() as u64,
            is_real.into(),
            labels.is_some().into(),
        ] {
            hash.add(word);
        }
        match self.states() {
            States::Bits(bits) => {
                let words = self.columns().div_ceil(64);
                for i in 0..bits.rows() {
                    bits.row(i)[..words].iter().for_each(|&x| hash.add(x));
                }
            }
            States::Real(x) => {
                for i in 0..x.rows() {
                    for pair in x.row(i).chunks(2) {
                        let last = pair.get(1).map_or(0, |x| x.to_bits());
                        hash.add(u64::from(pair[0].to_bits()) | u64::from(last) << 32);
                    }
                }
            }
        }
        for &label in labels.unwrap_or_default() {
            hash.add(u64::from(label));
        }
        hash.0
    }
}

impl ExampleStream {
    /// The fingerprint of the number of examples and of 1000 of them, as bits if they are bits,
    /// that are spread evenly over the file; what lies between is not looked at.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub fn fingerprint(&self) -> Result<u64> {
        let mut hash = Hash::default();
        hash.add(self.len() as u64);
        hash.add(self.sample(SAMPLED)?.fingerprint());
        Ok(hash.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bits::BitMatrix, matrix::Matrix};

    /// The definition, word by word.
    fn of_words(words: &[u64]) -> u64 {
        words.iter().fold(0, |h: u64, &word| {
            let h = (h ^ word).wrapping_mul(MULTIPLIER);
            h ^ h >> 32
        })
    }

    #[test]
    fn fingerprints_are_as_defined() {
        let bits = BitMatrix::from_fn(2, 66, |i, j| j == 65 * i);
        let bits = Examples::new(bits)
            .and_then(|x| x.with_labels(vec![3, 1]))
            .unwrap();
        let words = [2, 66, 0, 1, 1, 0, 0, 2, 3, 1];
        assert_eq!(bits.fingerprint(), of_words(&words));
        let numbers = Matrix::from_slice(&[1.0, -2.0, 0.5], 1, 3).unwrap();
        let numbers = Examples::new(numbers).unwrap();
        let words = [1, 3, 1, 0, 0xC000_0000_3F80_0000, 0x3F00_0000];
        assert_eq!(numbers.fingerprint(), of_words(&words));
        // Files hold it: it must never be another.
        let bars = crate::dataset::bars_and_stripes(3);
        assert_eq!(bars.fingerprint(), 0x954E_4157_18F9_CF74);
    }

    #[test]
    fn whatever_changes_changes_the_fingerprint() {
        let one = BitMatrix::from_fn(3, 5, |i, j| i == j);
        let of = |x: &BitMatrix, labels: Option<Vec<u32>>| {
            let plain = Examples::new(x.clone()).unwrap();
            match labels {
                Some(labels) => plain.with_labels(labels).unwrap().fingerprint(),
                None => plain.fingerprint(),
            }
        };
        let mut all = vec![of(&one, None), of(&one, Some(vec![0; 3]))];
        for (i, j) in (0..3).flat_map(|i| (0..5).map(move |j| (i, j))) {
            let mut other = one.clone();
            other.set(i, j, i != j);
            all.push(of(&other, None));
        }
        for k in 0..3 {
            let mut labels = vec![0; 3];
            labels[k] = 1;
            all.push(of(&one, Some(labels)));
        }
        let real = Examples::new(one.to_matrix()).unwrap();
        all.push(real.fingerprint());
        all.push(of(&BitMatrix::zeros(3, 6), None));
        all.push(of(&BitMatrix::zeros(6, 3), None));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
