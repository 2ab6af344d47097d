//! Toy data whose best possible log-likelihood is known.

use super::examples::Examples;
use crate::bits::BitMatrix;

/// Bars and stripes on an `n x n` image, flattened row by row: first the `2^n` images whose rows
/// are constant (bars), then the `2^n` whose columns are (stripes), so `[2 * 2^n x n * n]` bits
/// without labels. All-zero and all-one images are both, and come twice. Best summed log-likelihood
/// `2 * 2 ln(2 / N) + (N - 4) ln(1 / N)` with `N = 2 * 2^n` rows: -13.8629 for n = 2, -41.5888 for
/// n = 3, -108.1310 for n = 4 (for n = 1 the two images come twice each).
///
/// # Panics
/// Unless `1 <= n <= 16`.
pub fn bars_and_stripes(n: usize) -> Examples {
    assert!(
        (1..=16).contains(&n),
        "bars and stripes of side 1 to 16, not {n}"
    );
    let patterns = 1 << n;
    let bits = BitMatrix::from_fn(2 * patterns, n * n, |i, pixel| {
        let line = if i < patterns { pixel / n } else { pixel % n };
        (i % patterns) >> line & 1 == 1
    });
    unlabeled(bits)
}

/// A bar of `width` ones at each of the `n` positions of a ring of `n` pixels: `[n x n]` bits, row
/// `i` with ones at `i, i + 1, ..., i + width - 1` modulo `n`, without labels. Best summed
/// log-likelihood `-n ln n`.
///
/// # Panics
/// Unless `1 <= width < n`: other bars look the same everywhere.
pub fn shifting_bar(n: usize, width: usize) -> Examples {
    assert!(
        (1..n).contains(&width),
        "a bar of 1 to n - 1 pixels on a ring of {n}, not {width}"
    );
    unlabeled(BitMatrix::from_fn(n, n, |i, j| (j + n - i) % n < width))
}

fn unlabeled(bits: BitMatrix) -> Examples {
    Examples::from_states(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Summed log-likelihood of the examples under their own empirical distribution.
    fn ceiling(examples: &Examples) -> f64 {
        let bits = examples.bits().unwrap();
        let n = bits.rows();
        let mut multiplicity = HashMap::new();
        for i in 0..n {
            *multiplicity.entry(bits.row(i)).or_insert(0_u32) += 1;
        }
        (0..n)
            .map(|i| (f64::from(multiplicity[bits.row(i)]) / n as f64).ln())
            .sum()
    }

    #[test]
    fn ceilings_are_the_published_ones() {
        for (n, rows, expected) in [
            (2, 8, -13.862943611),
            (3, 16, -41.588830834),
            (4, 32, -108.130960167),
        ] {
            let examples = bars_and_stripes(n);
            assert_eq!((examples.len(), examples.columns()), (rows, n * n));
            assert!((ceiling(&examples) - expected).abs() < 1e-9);
        }
        for width in 1..9 {
            let examples = shifting_bar(9, width);
            assert_eq!((examples.len(), examples.columns()), (9, 9));
            assert!((ceiling(&examples) + 9.0 * 9.0_f64.ln()).abs() < 1e-12);
            assert_eq!(examples.bits().unwrap().count_ones(), 9 * width as u64);
        }
        assert!((ceiling(&shifting_bar(9, 1)) + 19.775).abs() < 5e-4);
    }

    #[test]
    fn every_image_is_constant_along_rows_or_along_columns() {
        let n = 3;
        let examples = bars_and_stripes(n);
        let bits = examples.bits().unwrap();
        for i in 0..bits.rows() {
            let constant = |turned: bool| {
                (0..n).all(|a| {
                    (0..n).all(|b| {
                        let (p, q) = if turned {
                            (b * n + a, a)
                        } else {
                            (a * n + b, a * n)
                        };
                        bits.get(i, p) == bits.get(i, q)
                    })
                })
            };
            assert!(constant(i >= 8));
        }
    }

    #[test]
    #[should_panic(expected = "1 to n - 1")]
    fn a_bar_that_fills_the_ring_is_refused() {
        shifting_bar(4, 4);
    }
}
