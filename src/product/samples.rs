//! Hidden states of a phase in fixed point, so that `V' H` is a product of bits by look-up: samples
//! are its inputs.
//!
//! A probability `p` becomes `floor(p Q + d)` with `Q` as large as 16-bit sums of the samples allow
//! and a dither `d` in [0, 1) that is a low-discrepancy sequence along the samples of a unit:
//! `|q / Q - p| < 1 / Q` for each sample, without bias along the samples. Binary states are exact.

use super::{
    lookup::add_block,
    popcount::ByUnit,
    quantize::{BLOCK, WIDTH},
    real::RealStates,
    registers::{Indices, Slab},
    slabs::Bits,
    summed::SummedSamples,
};
use crate::{
    bits::{WORD_BITS, transpose_block},
    matrix::{Aligned, aligned},
    simd::{Operation, Simd, dispatch},
    states::Input,
    threads,
};

/// Most that the integers of the samples of a block may add up to.
const LARGEST_SUM: f32 = 32_700.0;

/// `d - 1/2` by sample and unit: multiples of two irrational rotations, so that both neighbors of
/// a sample differ much.
static DITHER: [[f32; WIDTH]; BLOCK] = dither();

const fn dither() -> [[f32; WIDTH]; BLOCK] {
    let mut out = [[0.0; WIDTH]; BLOCK];
    let mut s = 0;
    while s < BLOCK {
        let mut k = 0;
        while k < WIDTH {
            // The golden ratio along samples, the plastic number along units (M. Roberts 2018), as
            // fractions of 2^32.
            let turn = (s as u32)
                .wrapping_mul(0x9E37_79B9)
                .wrapping_add((k as u32).wrapping_mul(0xC13F_A9A9));
            out[s][k] = (turn >> 8) as f32 / 16_777_216.0 - 0.5;
            k += 1;
        }
        s += 1;
    }
    out
}

/// States `[samples x n_hidden]` in fixed point.
#[derive(Clone, Debug)]
pub(crate) struct FixedStates {
    /// `[block of samples][slab of units]` slabs of `[BLOCK][WIDTH]`.
    slabs: Aligned<i16>,
    units: usize,
    samples: usize,
    step: f32,
}

impl Default for FixedStates {
    fn default() -> Self {
        Self {
            slabs: aligned(0, 0),
            units: 0,
            samples: 0,
            step: 0.0,
        }
    }
}

/// Buffers of statistics by look-up, by counting or by sums, kept between calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct PhaseTables {
    pub(super) samples: [FixedStates; 3],
    pub(super) indices: Indices,
    /// Visible and hidden states of each phase by unit, where both are binary.
    pub(super) by_unit: [[ByUnit; 2]; 3],
    /// Those of few samples.
    pub(super) summed: SummedSamples,
    /// Those of phases of real visible states.
    pub(super) reals: [RealStates; 3],
}

impl FixedStates {
    /// Takes the states of a phase; allocates only to grow.
    pub(crate) fn fill(&mut self, h: Input<'_>) {
        let samples = h.rows().clamp(1, BLOCK);
        self.fill_to(h, (LARGEST_SUM / samples as f32).floor());
    }

    /// The same with `one` for a real state of 1.
    pub(super) fn fill_to(&mut self, h: Input<'_>, one: f32) {
        self.units = h.columns();
        self.samples = h.rows();
        let slabs = self.units.div_ceil(WIDTH);
        let blocks = self.samples.div_ceil(BLOCK);
        let size = BLOCK * WIDTH;
        if self.slabs.len() < blocks * slabs * size {
            self.slabs.resize(blocks * slabs * size, 0);
        }
        let scale = match h {
            Input::Bits(_) => 1.0,
            Input::Real(_) => one,
        };
        self.step = 1.0 / scale;
        let all = &mut self.slabs[..blocks * slabs * size];
        threads::for_each(all, size, |at, slab| {
            let (block, first) = (at / slabs, at % slabs * WIDTH);
            let rows = block * BLOCK..((block + 1) * BLOCK).min(h.rows());
            dispatch(QuantizeStates {
                h: h.view_rows(rows),
                first,
                scale,
                slab,
            });
        });
    }

    /// Blocks of samples.
    pub(super) fn blocks(&self) -> usize {
        self.samples.div_ceil(BLOCK)
    }

    /// The slab of units `first ..`, a multiple of [`WIDTH`], over a block of samples of a phase of
    /// this weight.
    pub(super) fn slab(&self, first: usize, block: usize, weight: f32) -> Slab<'_> {
        let size = BLOCK * WIDTH;
        let at = block * self.units.div_ceil(WIDTH) + first / WIDTH;
        Slab {
            weights: &self.slabs[at * size..][..size],
            step: weight * self.step,
            inputs: (self.samples - block * BLOCK).min(BLOCK),
        }
    }

    /// `tile += weight V[.., first_unit .. first_unit + units]' H`, the tile's rows `stride` apart;
    /// `first_unit` starts a word of `v`.
    pub(super) fn add_outer(
        &self,
        v: crate::bits::BitView<'_>,
        first_unit: usize,
        units: usize,
        weight: f32,
        tile: &mut [f32],
        stride: usize,
    ) {
        assert!(v.rows() == self.samples && first_unit.is_multiple_of(WORD_BITS) && units <= BLOCK);
        let slabs = self.units.div_ceil(WIDTH);
        for block in 0..self.blocks() {
            let first = block * BLOCK;
            let samples = (self.samples - first).min(BLOCK);
            // Bits of the samples by unit.
            let mut words = [[0_u64; 2]; BLOCK];
            for half in 0..samples.div_ceil(WORD_BITS) {
                for column in 0..units.div_ceil(WORD_BITS) {
                    let mut square = [0_u64; WORD_BITS];
                    let rows =
                        first + half * WORD_BITS..first + samples.min((half + 1) * WORD_BITS);
                    for (word, row) in square.iter_mut().zip(rows) {
                        *word = v.row(row)[first_unit / WORD_BITS + column];
                    }
                    transpose_block(&mut square);
                    for (words, word) in words[column * WORD_BITS..].iter_mut().zip(square) {
                        words[half] = word;
                    }
                }
            }
            let size = BLOCK * WIDTH;
            let slabs = &self.slabs[block * slabs * size..][..slabs * size];
            add_block(
                |unit, count| {
                    let slabs = &slabs[unit / WIDTH * size..][..count * size];
                    (slabs, weight * self.step)
                },
                0..self.units,
                Bits {
                    words: words.as_flattened(),
                    stride: 2,
                    inputs: samples,
                    rows: units,
                },
                tile,
                stride,
            );
        }
    }
}

/// One slab: up to `BLOCK` samples of `WIDTH` units from `first` on; zeros where there is none.
pub(super) struct QuantizeStates<'a> {
    pub(super) h: Input<'a>,
    pub(super) first: usize,
    pub(super) scale: f32,
    pub(super) slab: &'a mut [i16],
}

impl Operation for QuantizeStates<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            h,
            first,
            scale,
            slab,
        } = self;
        let columns = first..(first + WIDTH).min(h.columns());
        let (used, unused) = slab.split_at_mut(h.rows() * WIDTH);
        unused.fill(0);
        match h {
            Input::Bits(h) => {
                for (i, to) in used.chunks_exact_mut(WIDTH).enumerate() {
                    let bits = h.row(i)[first / WORD_BITS] >> (first % WORD_BITS);
                    for (k, to) in to.iter_mut().enumerate() {
                        *to = (bits >> k & 1) as i16;
                    }
                }
            }
            Input::Real(h) => {
                let scale = s.splat(scale);
                for (i, (to, dither)) in used.chunks_exact_mut(WIDTH).zip(&DITHER).enumerate() {
                    let mut buffer = [0.0; WIDTH];
                    let mut row = &h.row(i)[columns.clone()];
                    if row.len() < WIDTH {
                        buffer[..row.len()].copy_from_slice(row);
                        row = &buffer;
                    }
                    for at in (0..WIDTH).step_by(2 * S::LANES) {
                        let high = at + S::LANES;
                        let low = s.add(s.mul(s.load(&row[at..]), scale), s.load(&dither[at..]));
                        let rest = s.mul(s.load(&row[high..]), scale);
                        let words = s.narrow([low, s.add(rest, s.load(&dither[high..]))]);
                        let to = &mut to[at..at + 2 * S::LANES];
                        // SAFETY: the slice is of 2 * LANES integers.
                        unsafe { s.store_words(to.as_mut_ptr(), words) };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        kernel::reference,
        matrix::Matrix,
        rng::HostRng,
        simd::{dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn integers_are_the_same_on_every_set(rows in 1_usize..=BLOCK, columns in 1_usize..70, seed in any::<u64>()) {
            let mut rng = HostRng::numbered(seed, 73);
            let h = Matrix::from_fn(rows, columns, |_, _| rng.uniform() as f32);
            let scale = (LARGEST_SUM / rows as f32).floor();
            for first in (0..columns).step_by(WIDTH) {
                same_on_all(|isa| {
                    let mut slab = vec![1_i16; BLOCK * WIDTH];
                    dispatch_on(isa, QuantizeStates { h: (&h).into(), first, scale, slab: &mut slab });
                    slab
                });
            }
        }

        #[test]
        fn outer_products_within_the_bound(
            samples in prop::sample::select(vec![1_usize, 2, 63, 64, 65, 100, 128, 129, 200, 300]),
            n_visible in prop::sample::select(vec![1_usize, 63, 64, 65, 127, 128]),
            n_hidden in prop::sample::select(vec![1_usize, 31, 32, 33, 100]),
            binary in any::<bool>(),
        ) {
            let mut rng = HostRng::numbered(samples as u64, 3);
            let v = BitMatrix::from_fn(samples, n_visible + 64, |_, _| rng.uniform() < 0.4);
            let h = Matrix::from_fn(samples, n_hidden, |_, _| {
                let p = rng.uniform() as f32;
                if binary { p.round() } else { p * p }
            });
            let bits = binary.then(|| BitMatrix::from_matrix(&h).unwrap());
            let mut fixed = FixedStates::default();
            fixed.fill(bits.as_ref().map_or((&h).into(), Into::into));
            let stride = n_hidden.next_multiple_of(WIDTH);
            let mut tile = vec![1.0; n_visible * stride];
            fixed.add_outer(v.view(), 64, n_visible, 0.5, &mut tile, stride);
            let expected = reference::product(v.to_matrix().transposed().view(), &h, false);
            for i in 0..n_visible {
                for j in 0..n_hidden {
                    let (got, sum) = (tile[i * stride + j], expected.row(64 + i)[j]);
                    // Each sample is off by less than a step, and hardly ever all in one direction.
                    let bound = if binary { 1e-6 * (1.0 + sum) } else { 0.5 * samples as f32 * fixed.step };
                    prop_assert!((got - (1.0 + 0.5 * sum)).abs() <= bound, "({i}, {j}): {got} for {sum}");
                }
            }
        }
    }

    /// A constant probability far below a step is not lost: the dither hands it to some of the
    /// samples.
    #[test]
    fn dither_keeps_small_probabilities() {
        let n = 100;
        for p in [1e-4_f32, 1e-3, 0.01, 0.3, 0.9999] {
            let v = BitMatrix::from_fn(n, 64, |_, _| true);
            let h = Matrix::from_fn(n, WIDTH, |_, _| p);
            let mut fixed = FixedStates::default();
            fixed.fill((&h).into());
            let mut tile = vec![0.0; 64 * WIDTH];
            fixed.add_outer(v.view(), 0, 64, 1.0 / n as f32, &mut tile, WIDTH);
            // The discrepancy of 100 points of the golden rotation is below 3: the sum is off by
            // less than three steps.
            for &mean in &tile {
                assert!(
                    (mean - p).abs() < 3.0 * fixed.step / n as f32,
                    "{mean} for {p}"
                );
            }
        }
    }
}
