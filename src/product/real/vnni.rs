//! The register tile with `vpdpwssd`, which multiplies, adds and adds to the sum at once: the same
//! integers, and a third more of them a cycle on Zen 4.

use super::RegisterTile;
use crate::simd::Isa;
use core::arch::x86_64::*;

/// Floats of a vector.
const LANES: usize = 16;
/// Integers of a vector.
const WORDS: usize = 2 * LANES;

/// Whether the CPU has the instruction, for vectors of AVX-512.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512vnni") && Isa::Avx512.is_available()
}

impl RegisterTile<'_> {
    /// As [`Self::add`], of vectors of 16 floats. Compiled without AVX-512 BW, with which LLVM
    /// makes two instructions of one.
    ///
    /// # Safety
    /// The CPU must have what [`is_available`] looks for.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) unsafe fn add_at_once<const M: usize>(&mut self) {
        self.check::<M>(LANES);
        // SAFETY: the CPU has the instructions. `check` covers a pair of inputs of each of the M
        // rows, two vectors of weights of each pair, and two vectors of products of each row;
        // `starts` are two vectors.
        unsafe {
            let start = self.starts.as_ptr();
            let start = [
                _mm512_loadu_si512(start.cast()),
                _mm512_loadu_si512(start.add(LANES).cast()),
            ];
            let mut sums = [start; M];
            for pair in 0..self.pairs {
                let w = self.packed.as_ptr().add(pair * 2 * WORDS);
                let w = [
                    _mm512_loadu_si512(w.cast()),
                    _mm512_loadu_si512(w.add(WORDS).cast()),
                ];
                let x = self.x.as_ptr().add(2 * pair);
                for (m, sums) in sums.iter_mut().enumerate() {
                    let x = x.add(m * self.x_stride).cast::<i32>().read_unaligned();
                    let x = _mm512_set1_epi32(x);
                    sums[0] = _mm512_dpwssd_epi32(sums[0], x, w[0]);
                    sums[1] = _mm512_dpwssd_epi32(sums[1], x, w[1]);
                }
            }
            let step = _mm512_set1_ps(self.step);
            for (m, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    let to = self.product.as_mut_ptr().add(m * self.stride + v * LANES);
                    let sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), step);
                    _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), sum));
                }
            }
        }
    }
}
