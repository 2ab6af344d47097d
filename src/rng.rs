//! Randomness as a function of position: a draw depends on (seed, site, step, row, column) and on
//! nothing else.
//!
//! # Definition
//! The word of `column` in `row` is word `column % 4` of Philox4x32-7 with
//! key = the two halves of the seed (low first) and
//! counter = `[column / 4, row, low half of step, high half of step (16 bits) + site * 2^16]`.
//! Thread count, tile size and instruction set cannot change it.
//!
//! A Bernoulli draw ([`Draws::bernoulli`]) takes 8 bits first, and more only where those do not
//! decide, once in 2^8 draws: byte `row % 4` (the lowest is 0) of word `column % 4` of the block
//! with `row / 4` in place of the row; where they tie with the probability, the upper 53 of the 64
//! bits that words `2 (column % 2)` (low) and `2 (column % 2) + 1` make of the block whose first
//! counter is `column / 2 + 2^31`. Together a uniform of 61 bits. A column of a use (a [`Site`])
//! takes either whole words or Bernoulli draws, not both.
//!
//! # Versions
//! [`VERSION`] counts the definitions. The first took ten rounds and 16 bits of each word; the
//! streams of [`HostRng`] have been the same in all.
//!
//! # Source
//! J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3,
//! SC 2011, in which seven rounds are the fewest that pass all batteries; the tests hold the
//! known-answer vectors of the authors' Random123 library.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// Multipliers of Philox4x32.
pub(crate) const PHILOX_MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Weyl increments of the key.
pub(crate) const PHILOX_WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Rounds of the generator of draws.
pub(crate) const PHILOX_ROUNDS: usize = 7;
/// Rounds of the blocks that seed [`HostRng`].
const HOST_ROUNDS: usize = 10;

/// The definition of the draws: model files record it as `draws`.
pub const VERSION: u32 = 2;

/// Largest step of a [`Draws`]: 48 bits.
pub const MAX_STEP: u64 = (1 << 48) - 1;

/// Philox4x32-7 of one counter: the plain twin of the vector kernel.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    philox::<PHILOX_ROUNDS>(counter, key)
}

/// Philox4x32 of so many rounds.
fn philox<const ROUNDS: usize>(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let p0 = u64::from(PHILOX_MULTIPLIERS[0]) * u64::from(counter[0]);
        let p1 = u64::from(PHILOX_MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
        key = [
            key[0].wrapping_add(PHILOX_WEYL[0]),
            key[1].wrapping_add(PHILOX_WEYL[1]),
        ];
    }
    counter
}

/// What a draw is for. Two uses that may share a seed, step, row and column must differ in their
/// site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Site {
    /// Binarization of a data set once, when it is loaded.
    Binarize = 1,
    /// Visible states drawn anew from gray data at each visit.
    Data = 2,
    /// Hidden states of the positive phase.
    Positive = 3,
    /// Half sweeps of Markov chains that train.
    Chain = 4,
    /// First states of Markov chains.
    Start = 5,
    /// Half sweeps of a user's Gibbs chain.
    Gibbs = 6,
    /// Annealing: forward, reverse, from examples, and what goes before it.
    Ais = 7,
    /// Which unit the stochastic pseudo-likelihood flips.
    PseudoLikelihood = 8,
    /// Half sweeps of tempered replicas, and of those along a trajectory.
    Tempering = 9,
    /// Whether two neighboring replicas change places: row = chain, column = pair.
    Swap = 10,
    /// Missing values and hidden units given observed values, in training.
    Missing = 11,
    /// Missing values of data as the higher layers of a stack see them; step = pass and half sweep.
    Completed = 12,
    /// States of a recognition pass of a deep belief network; step = pass and layer.
    Recognition = 20,
    /// States of a generative pass of a deep belief network; step = pass and layer.
    Generation = 21,
    /// States of the wake phase; step = update and layer.
    Wake = 22,
    /// States of the sleep phase; step = update and layer.
    Sleep = 23,
    /// Half sweeps of the associative memory between wake and sleep.
    Memory = 24,
    /// Units that stay in an update of backpropagation; step = update and layer.
    Dropout = 40,
}

/// The draws of one operation: a matrix of uniforms, indexed by row and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    pub(crate) key: [u32; 2],
    pub(crate) step: [u32; 2],
    /// Row of the first row of the operation.
    pub(crate) first_row: u32,
}

impl Draws {
    /// Draws for `seed`, `site` and `step` (at most [`MAX_STEP`]).
    pub fn new(seed: u64, site: Site, step: u64) -> Self {
        assert!(step <= MAX_STEP, "step {step} exceeds 48 bits");
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            step: [step as u32, (step >> 32) as u32 | (site as u32) << 16],
            first_row: 0,
        }
    }

    /// The same draws seen from row `row` on.
    pub fn from_row(self, row: usize) -> Self {
        Self {
            first_row: self.first_row + u32::try_from(row).expect("fewer than 2^32 rows"),
            ..self
        }
    }

    /// Whether the first row is the first of the four that share words.
    pub(crate) fn starts_block(&self) -> bool {
        self.first_row.is_multiple_of(4)
    }

    /// The 32 bits of `row` and `column`.
    pub fn bits(&self, row: usize, column: usize) -> u32 {
        let row = self.first_row + row as u32;
        let counter = [(column / 4) as u32, row, self.step[0], self.step[1]];
        philox4x32(counter, self.key)[column % 4]
    }

    /// A bit that is one with probability `p`, within 2^-61: whether `u < p` for a uniform multiple
    /// `u` of 2^-61. See the definition above.
    pub fn bernoulli(&self, row: usize, column: usize, p: f32) -> bool {
        let row = self.first_row + row as u32;
        let counter = [(column / 4) as u32, row / 4, self.step[0], self.step[1]];
        let word = philox4x32(counter, self.key)[column % 4];
        self.decide(word, row, column, p)
    }

    /// The Bernoulli draw of the absolute `row`, whose block of rows has this word.
    pub(crate) fn decide(&self, word: u32, row: u32, column: usize, p: f32) -> bool {
        let first = f64::from(word >> (8 * (row % 4)) & 0xFF);
        let rest = 256.0 * f64::from(p) - first;
        rest >= 1.0 || rest > 0.0 && self.settles(row, column, rest)
    }

    /// Whether the second uniform, of 53 bits, of the absolute `row` is below `rest`.
    #[inline]
    pub(crate) fn settles(&self, row: u32, column: usize, rest: f64) -> bool {
        let counter = [
            (column / 2) as u32 | 1 << 31,
            row,
            self.step[0],
            self.step[1],
        ];
        let words = philox4x32(counter, self.key);
        let half = column % 2 * 2;
        let word = u64::from(words[half]) | u64::from(words[half + 1]) << 32;
        ((word >> 11) as f64) < rest * (1_u64 << 53) as f64
    }

    /// A uniform number in [0, 1): a multiple of 2^-24.
    pub fn uniform(&self, row: usize, column: usize) -> f32 {
        (self.bits(row, column) >> 8) as f32 * (1.0 / 16_777_216.0)
    }
}

/// What a sequence of host choices is for: the register of the streams of [`HostRng`].
///
/// A seed has one sequence a stream. Epochs, connections and machines count below 2^32, within
/// which no two streams meet. Numbers never change: stored runs and golden values rest on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stream {
    /// First weights of the connection above this layer; a machine of one connection has 0.
    Weights(u64),
    /// Order of the examples in this epoch.
    Shuffle(u64),
    /// Examples at which persistent chains start.
    Start,
    /// Order of the blocks of a file that is read as a stream, in this epoch.
    Blocks(u64),
    /// First weights of a new softmax layer.
    Classes,
    /// Which examples a split puts where.
    Split,
    /// States by their enumerated probability.
    Exact,
    /// Examples at which reverse annealing starts.
    Reverse,
    /// The same for deep Boltzmann machines.
    ReverseDbm,
    /// Offset of the comb that resamples weighted states.
    Resample,
    /// First weights of this machine of a stack, where they are wider than those of
    /// [`Self::Weights`].
    Stack(u64),
}

impl Stream {
    /// The number of the stream.
    pub const fn number(self) -> u64 {
        match self {
            Self::Weights(connection) => connection,
            Self::Shuffle(epoch) => (1 << 32) + epoch,
            Self::Start => 2 << 32,
            Self::Blocks(epoch) => (3 << 32) + epoch,
            Self::Classes => 12 << 32,
            Self::Exact => tag(b"exact"),
            Self::Split => tag(b"split"),
            Self::Stack(machine) => tag(b"stack") + machine,
            Self::Resample => tag(b"resamp"),
            Self::Reverse => tag(b"revers"),
            Self::ReverseDbm => tag(b"revdbm"),
        }
    }
}

/// The number whose bytes, the highest first, are these letters.
const fn tag(letters: &[u8]) -> u64 {
    let (mut number, mut k) = (0, 0);
    while k < letters.len() {
        number = number << 8 | letters[k] as u64;
        k += 1;
    }
    number
}

/// A sequential generator for choices made once on the host: shuffles, initial weights, splits.
#[derive(Clone, Debug)]
pub struct HostRng(Pcg64);

impl HostRng {
    /// The sequence of `stream` under `seed`: that of its number, by [`Self::numbered`].
    pub fn new(seed: u64, stream: Stream) -> Self {
        Self::numbered(seed, stream.number())
    }

    /// PCG XSL RR 128/64 whose 256 bits of seed are two blocks of Philox4x32-10 with key `seed` and
    /// counters `[low half of stream, high half, 0 or 1, 0xffffffff]`. The library draws from the
    /// streams of [`Stream`]; this is for the choices of other programs.
    pub fn numbered(seed: u64, stream: u64) -> Self {
        let mut bytes = [0; 32];
        for (block, half) in bytes.chunks_exact_mut(16).zip(0..) {
            let counter = [stream as u32, (stream >> 32) as u32, half, u32::MAX];
            let words = philox::<HOST_ROUNDS>(counter, [seed as u32, (seed >> 32) as u32]);
            for (to, word) in block.chunks_exact_mut(4).zip(words) {
                to.copy_from_slice(&word.to_le_bytes());
            }
        }
        Self(Pcg64::from_seed(bytes))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number in [0, 1) with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A uniform integer below `n > 0`, unbiased (Lemire 2019).
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Puts `items` into uniformly random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of philox4x32 of Random123's kat_vectors: seven rounds, then ten.
    #[test]
    fn philox_known_answers() {
        for (counter, key, seven, ten) in [
            (
                [0; 4],
                [0; 2],
                [0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48],
                [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662],
                [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
            ),
            (
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0],
                [0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a],
                [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
            ),
        ] {
            assert_eq!(philox4x32(counter, key), seven);
            assert_eq!(philox::<HOST_ROUNDS>(counter, key), ten);
        }
    }

    #[test]
    fn draws_depend_on_every_coordinate() {
        let draws = Draws::new(1, Site::Chain, 2);
        let x = draws.bits(3, 4);
        assert_ne!(x, Draws::new(2, Site::Chain, 2).bits(3, 4));
        assert_ne!(x, Draws::new(1 << 32 | 1, Site::Chain, 2).bits(3, 4));
        assert_ne!(x, Draws::new(1, Site::Gibbs, 2).bits(3, 4));
        assert_ne!(x, Draws::new(1, Site::Chain, 2 | 1 << 32).bits(3, 4));
        assert_ne!(x, draws.bits(4, 4));
        assert_ne!(x, draws.bits(3, 5));
        assert_eq!(x, draws.from_row(3).bits(0, 4));
    }

    /// Frequencies of Bernoulli draws, ties included, and their independence among the four rows
    /// that share a word.
    #[test]
    fn bernoulli_frequencies() {
        let draws = Draws::new(7, Site::Chain, 3);
        let n = 40_000;
        for p in [0.0, 1e-4, 0.25, 0.3, 0.5, 0.9, 0.9999, 1.0_f32] {
            let (mut ones, mut pairs, mut all) = (0, [0; 3], 0);
            for row in (0..n).step_by(4) {
                let four: [bool; 4] = std::array::from_fn(|k| draws.bernoulli(row + k, 5, p));
                ones += four.iter().filter(|&&x| x).count();
                for (k, both) in pairs.iter_mut().enumerate() {
                    *both += usize::from(four[0] && four[k + 1]);
                }
                all += usize::from(four == [true; 4]);
            }
            let p = f64::from(p);
            // Five standard deviations of binomial counts, and one for the discrete steps.
            let check = |count: usize, n: f64, q: f64| {
                let deviation = (count as f64 - n * q).abs();
                assert!(
                    deviation <= 1.0 + 5.0 * (n * q * (1.0 - q)).sqrt(),
                    "{p}: {count}"
                );
            };
            let fours = n as f64 / 4.0;
            check(ones, n as f64, p);
            pairs.iter().for_each(|&both| check(both, fours, p * p));
            check(all, fours, p.powi(4));
        }
        // A probability of a part of a step of the first 8 bits is settled by the others, and its
        // complement too.
        for (p, what) in [(0.3 / 256.0, true), (1.0 - 0.3 / 256.0, false)] {
            let n = 400_000;
            let count = (0..n)
                .filter(|&row| draws.bernoulli(row, 9, p as f32) == what)
                .count();
            // Five standard deviations of a Poisson count.
            let mean = f64::from(n as u32) * 0.3 / 256.0;
            assert!(
                (count as f64 - mean).abs() < 5.0 * mean.sqrt(),
                "{p}: {count}"
            );
        }
    }

    /// Numbers of the first version, first and last of each stream; a changed one is a changelog
    /// entry.
    #[test]
    fn streams_have_their_first_numbers_and_do_not_meet() {
        const LAST: u64 = u32::MAX as u64;
        let register = [
            (Stream::Weights(0), Stream::Weights(LAST), 0),
            (Stream::Shuffle(0), Stream::Shuffle(LAST), 0x1_0000_0000),
            (Stream::Start, Stream::Start, 0x2_0000_0000),
            (Stream::Blocks(0), Stream::Blocks(LAST), 0x3_0000_0000),
            (Stream::Classes, Stream::Classes, 0xc_0000_0000),
            (Stream::Exact, Stream::Exact, 0x0065_7861_6374),
            (Stream::Split, Stream::Split, 0x0073_706c_6974),
            (Stream::Stack(0), Stream::Stack(LAST), 0x0073_7461_636b),
            (Stream::Resample, Stream::Resample, 0x7265_7361_6d70),
            (Stream::Reverse, Stream::Reverse, 0x7265_7665_7273),
            (Stream::ReverseDbm, Stream::ReverseDbm, 0x7265_7664_626d),
        ];
        let mut spans = Vec::new();
        for (first, last, number) in register {
            // Every stream is in the register: a new one does not compile until it is counted here.
            let count = match first {
                Stream::Weights(_) | Stream::Shuffle(_) | Stream::Blocks(_) | Stream::Stack(_) => {
                    1 << 32
                }
                Stream::Start
                | Stream::Classes
                | Stream::Exact
                | Stream::Split
                | Stream::Resample
                | Stream::Reverse
                | Stream::ReverseDbm => 1,
            };
            assert_eq!(first.number(), number, "{first:?}");
            assert_eq!(last.number() - number + 1, count, "{first:?}");
            spans.push((number, last.number()));
        }
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert!(pair[0].1 < pair[1].0, "{pair:x?}");
        }
        let number = Stream::Shuffle(3).number();
        let mut rngs = [
            HostRng::new(7, Stream::Shuffle(3)),
            HostRng::numbered(7, number),
        ];
        let [own, numbered] = rngs.each_mut().map(HostRng::next_u64);
        assert_eq!(own, numbered);
    }

    #[test]
    fn host_generator_golden_and_moments() {
        let mut rng = HostRng::numbered(1, 2);
        let golden: Vec<_> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(
            golden, GOLDEN,
            "the host generator changed: a changelog entry"
        );
        let n = 100_000;
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let x = rng.normal();
            sum += x;
            square += x * x;
        }
        let n = f64::from(n);
        // Five standard errors of the mean and of the variance of a standard normal.
        assert!((sum / n).abs() < 5.0 / n.sqrt());
        assert!((square / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
    }
    const GOLDEN: [u64; 3] = [
        12_419_878_593_449_445_875,
        11_574_148_164_535_848_787,
        4_780_843_842_137_872_587,
    ];

    #[test]
    fn shuffle_is_uniform_over_the_permutations_of_three() {
        let mut rng = HostRng::numbered(3, 0);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            rng.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        // chi-square with 5 degrees of freedom exceeds 25.7 once in 10^4.
        let chi: f64 = counts
            .values()
            .map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0)
            .sum();
        assert!(counts.len() == 6 && chi < 25.7, "{counts:?}");
    }
}
