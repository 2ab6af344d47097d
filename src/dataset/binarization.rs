//! From numbers in [0, 1] to bits.

use super::Examples;
use crate::{
    bits::{BitMatrix, WORD_BITS},
    error::{Error, Result},
    matrix::Matrix,
    rng::{Draws, Site, philox4x32},
    states::States,
    threads::{in_pool, prelude::*},
};
use std::{convert::Infallible, fmt, str::FromStr};

/// Rows that one task of the thread pool binarizes.
const ROWS_PER_TASK: usize = 256;

/// How numbers in [0, 1] become bits.
///
/// As text: `none`, `threshold:T` (or `threshold`, with T = 0.5), `sample`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Binarization {
    /// Gray values stay as they are. Values that are all 0 or 1 become bits, for nothing is lost.
    #[default]
    None,
    /// `bit = x > t`.
    Threshold(f32),
    /// `bit = u < x` with `u` the uniform of [`Site::Binarize`], step 0, the example's row and
    /// column: x is the probability of a one.
    Sampled,
}

impl Examples {
    /// The examples with real values turned into bits as `how` says; bits stay as they are, and so
    /// do gray values with [`Binarization::None`] (which does pack values that are all 0 or 1).
    /// `seed` and `first_row` matter to [`Binarization::Sampled`] alone: example `i` draws as row
    /// `first_row + i`. The result does not depend on the number of threads.
    ///
    /// # Panics
    /// If sampling would need row 2^32 or beyond.
    pub fn binarized(self, how: Binarization, seed: u64, first_row: usize) -> Self {
        self.map_states(|states| match states {
            States::Real(matrix) => match binarize(&matrix, how, seed, first_row) {
                Some(bits) => States::Bits(bits),
                None => States::Real(matrix),
            },
            bits => bits,
        })
    }

    /// The same examples, as bits if all values are 0 or 1, else as they are.
    #[must_use]
    pub fn packed(self) -> Self {
        self.map_states(States::packed)
    }

    /// The same examples with -1 and 1 as the bits 0 and 1, for machines of Bernoulli units; bits
    /// stay as they are, and a missing value may be any number.
    ///
    /// ```
    /// use harmonium::{BoltzmannMachine, Examples};
    /// let spins = Examples::new([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0]])?.signs_as_bits()?;
    /// let machine = BoltzmannMachine::bernoulli(&[3])?.initialized_from(&spins, 1)?;
    /// # let bits = spins.bits().unwrap();
    /// # assert!(bits.get(0, 0) && !bits.get(0, 1) && bits.get(1, 2));
    /// # assert_eq!(machine.n_visible(), 3);
    /// # Ok::<(), harmonium::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`], with row and column, at the first other value.
    pub fn signs_as_bits(self) -> Result<Self> {
        let States::Real(signs) = self.states() else {
            return Ok(self);
        };
        let mut bits = BitMatrix::zeros(signs.rows(), signs.columns());
        for i in 0..signs.rows() {
            for (j, &x) in signs.row(i).iter().enumerate() {
                let is_missing = self.observed().is_some_and(|mask| !mask.get(i, j));
                match x {
                    _ if is_missing => {}
                    1.0 => bits.set(i, j, true),
                    -1.0 => {}
                    _ => {
                        let place = format!("value in row {i}, column {j}");
                        return Err(Error::parameter(place, "-1 or 1", x));
                    }
                }
            }
        }
        Ok(self.map_states(|_| bits.into()))
    }
}

impl fmt::Display for Binarization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Threshold(t) => write!(f, "threshold:{t}"),
            Self::Sampled => f.write_str("sample"),
        }
    }
}

impl FromStr for Binarization {
    type Err = Error;

    /// # Errors
    /// [`Error::Parameter`] for other words, and for a threshold outside [0, 1): it would make
    /// every bit the same.
    fn from_str(text: &str) -> Result<Self> {
        let threshold = match text {
            "none" => return Ok(Self::None),
            "sample" => return Ok(Self::Sampled),
            "threshold" => Some(0.5),
            _ => text
                .strip_prefix("threshold:")
                .and_then(|t| t.parse().ok())
                .filter(|t| (0.0..1.0).contains(t)),
        };
        threshold.map(Self::Threshold).ok_or_else(|| {
            Error::parameter(
                "binarization",
                "none, sample, threshold or threshold:T with 0 <= T < 1",
                format!("{text:?}"),
            )
        })
    }
}

/// The bits of `matrix`, or nothing if `how` leaves gray values gray. Row `i` draws as row
/// `first_row + i`.
pub(super) fn binarize(
    matrix: &Matrix,
    how: Binarization,
    seed: u64,
    first_row: usize,
) -> Option<BitMatrix> {
    match how {
        Binarization::None => {
            let rows = (0..matrix.rows()).into_par_iter();
            let is_binary = |i| matrix.row(i).iter().all(|&x| x == 0.0 || x == 1.0);
            let binary = in_pool(|| rows.all(is_binary));
            binary.then(|| pack(matrix, |_, row, words| threshold(row, 0.5, words)))
        }
        Binarization::Threshold(t) => Some(pack(matrix, |_, row, words| threshold(row, t, words))),
        Binarization::Sampled => {
            assert!(
                first_row + matrix.rows() <= u32::MAX as usize,
                "fewer than 2^32 rows"
            );
            let draws = Draws::new(seed, Site::Binarize, 0);
            Some(pack(matrix, |i, row, words| {
                sample(row, draws, (first_row + i) as u32, words);
            }))
        }
    }
}

/// Whether `how` makes bits of any numbers.
pub(super) fn fills(how: Binarization) -> bool {
    how != Binarization::None
}

/// The bits of example `index`, in `words`, on the calling thread; none with
/// [`Binarization::None`].
pub(super) fn binarize_row(
    row: &[f32],
    how: Binarization,
    seed: u64,
    index: usize,
    words: &mut [u64],
) {
    match how {
        Binarization::None => {}
        Binarization::Threshold(t) => threshold(row, t, words),
        Binarization::Sampled => {
            let index = u32::try_from(index).expect("fewer than 2^32 rows");
            sample(row, Draws::new(seed, Site::Binarize, 0), index, words);
        }
    }
}

/// Fills each row of a bit matrix from the row of `matrix` by `fill(row, numbers, words)`, in
/// parallel.
fn pack(matrix: &Matrix, fill: impl Fn(usize, &[f32], &mut [u64]) + Sync) -> BitMatrix {
    let fill = |(): &mut (), i, words: &mut [u64]| {
        fill(i, matrix.row(i), words);
        Ok::<_, Infallible>(())
    };
    let Ok(bits) = filled([matrix.rows(), matrix.columns()], || (), fill);
    bits
}

/// Fills each row of a bit matrix by `fill(scratch, row, words)`, in parallel.
pub(super) fn filled<S, E: Send>(
    [rows, columns]: [usize; 2],
    scratch: impl Fn() -> S + Sync + Send,
    fill: impl Fn(&mut S, usize, &mut [u64]) -> std::result::Result<(), E> + Sync,
) -> std::result::Result<BitMatrix, E> {
    let mut bits = BitMatrix::zeros(rows, columns);
    let mut tiles = Vec::with_capacity(rows.div_ceil(ROWS_PER_TASK));
    let mut rest = bits.view_mut();
    while rest.rows() > 0 {
        let n = rest.rows().min(ROWS_PER_TASK);
        let (tile, below) = rest.split_at_row(n);
        tiles.push(tile);
        rest = below;
    }
    let tiles = tiles.into_par_iter().enumerate();
    in_pool(|| {
        tiles.try_for_each_init(scratch, |scratch, (task, mut tile)| {
            (0..tile.rows())
                .try_for_each(|k| fill(scratch, task * ROWS_PER_TASK + k, tile.row_mut(k)))
        })
    })?;
    Ok(bits)
}

/// `bit = x > t` for one row.
fn threshold(row: &[f32], t: f32, words: &mut [u64]) {
    for (numbers, word) in row.chunks(WORD_BITS).zip(words) {
        *word = numbers
            .iter()
            .enumerate()
            .fold(0, |bits, (k, &x)| bits | u64::from(x > t) << k);
    }
}

/// `bit = draws.uniform(i, column) < x` for one row; one Philox block serves four columns, and none
/// is computed for four zeros.
fn sample(row: &[f32], draws: Draws, i: u32, words: &mut [u64]) {
    const COLUMNS_PER_BLOCK: usize = 4;
    let uniform = |word: u32| (word >> 8) as f32 * (1.0 / 16_777_216.0);
    for (k, (numbers, word)) in row.chunks(WORD_BITS).zip(words).enumerate() {
        let mut bits = 0;
        for (b, x) in numbers.chunks(COLUMNS_PER_BLOCK).enumerate() {
            if x.iter().all(|&x| x == 0.0) {
                continue;
            }
            let block = (k * WORD_BITS / COLUMNS_PER_BLOCK + b) as u32;
            let random = philox4x32([block, i, draws.step[0], draws.step[1]], draws.key);
            for (j, (&x, u)) in x.iter().zip(random).enumerate() {
                bits |= u64::from(uniform(u) < x) << (b * COLUMNS_PER_BLOCK + j);
            }
        }
        *word = bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(rows: usize, columns: usize) -> Matrix {
        Matrix::from_fn(rows, columns, |i, j| ((i * 31 + j * 17) % 11) as f32 / 10.0)
    }

    #[test]
    fn bits_are_the_definition_of_each_method() {
        for (rows, columns) in [
            (1, 1),
            (3, 63),
            (5, 64),
            (600, 67),
            (257, 130),
            (2, 0),
            (0, 5),
        ] {
            let x = gray(rows, columns);
            for (t, seed, first) in [(0.5, 1, 0), (0.0, 2, 1000), (0.3, u64::MAX, 7)] {
                let bits = binarize(&x, Binarization::Threshold(t), seed, first).unwrap();
                assert!(bits.padding_is_zero());
                assert_eq!(
                    bits,
                    BitMatrix::from_fn(rows, columns, |i, j| x.row(i)[j] > t)
                );

                let bits = binarize(&x, Binarization::Sampled, seed, first).unwrap();
                let draws = Draws::new(seed, Site::Binarize, 0);
                assert!(bits.padding_is_zero());
                assert_eq!(
                    bits,
                    BitMatrix::from_fn(rows, columns, |i, j| draws.uniform(first + i, j)
                        < x.row(i)[j])
                );
            }
        }
    }

    #[test]
    fn sampling_keeps_zeros_and_ones_and_hits_the_mean() {
        let x = Matrix::from_fn(4000, 3, |_, j| [0.0, 0.3, 1.0][j]);
        let bits = binarize(&x, Binarization::Sampled, 5, 0).unwrap();
        let mut counts = [0; 3];
        bits.column_counts_into(&mut counts);
        assert_eq!((counts[0], counts[2]), (0, 4000));
        // Five standard deviations of a binomial with n = 4000, p = 0.3.
        assert!((f64::from(counts[1]) - 1200.0).abs() < 5.0 * (4000.0_f64 * 0.3 * 0.7).sqrt());
    }

    #[test]
    fn none_turns_only_binary_values_into_bits() {
        assert!(binarize(&gray(3, 20), Binarization::None, 0, 0).is_none());
        let x = Matrix::from_fn(3, 70, |i, j| ((i + j) % 2) as f32);
        let bits = binarize(&x, Binarization::None, 0, 0).unwrap();
        assert_eq!(bits, BitMatrix::from_matrix(&x).unwrap());
    }

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for how in [
            Binarization::None,
            Binarization::Threshold(0.25),
            Binarization::Sampled,
        ] {
            assert_eq!(how.to_string().parse::<Binarization>().unwrap(), how);
        }
        assert_eq!(
            "threshold".parse::<Binarization>().unwrap(),
            Binarization::Threshold(0.5)
        );
        for text in [
            "",
            "sampled",
            "threshold:",
            "threshold:1",
            "threshold:-1",
            "threshold:nan",
            "threshold:x",
        ] {
            let message = text.parse::<Binarization>().unwrap_err().to_string();
            assert!(message.contains(&format!("{text:?}")), "{message}");
        }
    }
}
