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
