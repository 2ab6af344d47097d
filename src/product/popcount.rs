//! Statistics of two binary layers: `V' H` counts the samples in which both units are on, 64
//! samples a word. Counts are exact; they are multiplied by the phase's weight and added in two
//! roundings, on every instruction set the same.

use crate::{
    bits::{BitView, WORD_BITS, transpose_block},
    simd::{Operation, Simd, dispatch},
};
use std::ops::Range;

/// Bits by unit: `[word of samples][units, padded to words]`.
#[derive(Clone, Debug, Default)]
pub(super) struct ByUnit {
    words: Vec<u64>,
    units: usize,
    sample_words: usize,
}

impl ByUnit {
    /// Transposes the bits of a layer; allocates only to grow.
    pub(super) fn fill(&mut self, x: BitView<'_>) {
        self.units = x.columns().next_multiple_of(WORD_BITS);
        self.sample_words = x.rows().div_ceil(WORD_BITS);
        if self.words.len() < self.units * self.sample_words {
            self.words.resize(self.units * self.sample_words, 0);
        }
        for word in 0..self.sample_words {
            let samples = word * WORD_BITS..x.rows().min((word + 1) * WORD_BITS);
            for column in 0..self.units / WORD_BITS {
                let mut square = [0; WORD_BITS];
                for (to, sample) in square.iter_mut().zip(samples.clone()) {
                    *to = x.row(sample)[column];
                }
                transpose_block(&mut square);
                let at = word * self.units + column * WORD_BITS;
                self.words[at..at + WORD_BITS].copy_from_slice(&square);
            }
        }
    }
}

/// `tile += weight V[.., units]' H`, the tile's rows `stride` apart, at least the padded hidden
/// units.
pub(super) fn add_outer(
    visible: &ByUnit,
    hidden: &ByUnit,
    units: Range<usize>,
    weight: f32,
    tile: &mut [f32],
    stride: usize,
) {
    assert!(visible.sample_words == hidden.sample_words && hidden.units <= stride);
    let count = Count {
        visible,
        hidden,
        units,
        weight,
        tile,
        stride,
    };
    #[cfg(target_arch = "x86_64")]
    if crate::simd::isa() == crate::simd::Isa::Avx512 && is_x86_feature_detected!("avx512vpopcntdq")
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
        fn with_popcount(count: Count<'_>) {
            count.add();
        }
        // SAFETY: AVX-512 is the instruction set in use, and the CPU has its VPOPCNTDQ.
        unsafe { with_popcount(count) };
        return;
    }
    dispatch(count);
}

struct Count<'a> {
    visible: &'a ByUnit,
    hidden: &'a ByUnit,
    units: Range<usize>,
    weight: f32,
    tile: &'a mut [f32],
    stride: usize,
}

impl Operation for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.add();
    }
}

impl Count<'_> {
    #[inline(always)]
    fn add(self) {
        let n = self.hidden.units;
        for (i, tile) in self.units.zip(self.tile.chunks_mut(self.stride)) {
            // Counts of a few words fit the lanes of one pass; sums of passes stay exact below 2^24
            // samples.
            let mut counts = [0_u32; WORD_BITS];
            for first in (0..n).step_by(WORD_BITS) {
                counts.fill(0);
                for word in 0..self.hidden.sample_words {
                    let v = self.visible.words[word * self.visible.units + i];
                    let h = &self.hidden.words[word * n + first..][..WORD_BITS];
                    for (count, h) in counts.iter_mut().zip(h) {
                        *count += (v & h).count_ones();
                    }
                }
                for (to, &count) in tile[first..first + WORD_BITS].iter_mut().zip(&counts) {
                    *to += self.weight * count as f32;
                }
            }
        }
    }
}
