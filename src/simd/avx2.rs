//! AVX2 with FMA.

use super::{EIGHTHS, EIGHTHS_AT, Operation, Simd};
use core::arch::x86_64::*;

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The token, if the CPU has the instructions.
    pub(crate) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi2"))
        .then_some(Self(()))
    }
}

/// Calls an intrinsic of AVX2 or FMA inside a method of the token.
macro_rules! avx2 {
    ($e:expr) => {
        // SAFETY: the token proves that the CPU has AVX2 and FMA.
        unsafe { $e }
    };
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    const GEMM_ROWS: usize = 6;
    type F = __m256;
    type I = __m256i;
    type W = __m256i;
    type D = __m256d;
    type Pick = __m256i;
    type M = __m256i;

    #[inline(always)]
    fn vectorize<Op: Operation>(self, op: Op) -> Op::Output {
        #[target_feature(enable = "avx2,fma,bmi2,popcnt")]
        fn inner<Op: Operation>(simd: Avx2, op: Op) -> Op::Output {
            op.run(simd)
        }
        avx2!(inner(self, op))
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        avx2!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> __m256 {
        assert!(x.len() >= Self::LANES);
        avx2!(_mm256_loadu_ps(x.as_ptr()))
    }
    #[inline(always)]
    fn store(self, to: &mut [f32], x: __m256) {
        assert!(to.len() >= Self::LANES);
        avx2!(_mm256_storeu_ps(to.as_mut_ptr(), x))
    }
    #[inline(always)]
    unsafe fn load_ptr(self, x: *const f32) -> __m256 {
        avx2!(_mm256_loadu_ps(x))
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        avx2!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn mul_add_fast(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        self.mul_add(a, b, c)
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn exp2_eighths(self, n: __m256) -> __m256 {
        avx2!({
            let n = _mm256_castps_si256(n);
            let eighths = _mm256_loadu_si256(EIGHTHS.as_ptr().cast());
            let eighths = _mm256_permutevar8x32_epi32(eighths, n);
            let shifted = _mm256_slli_epi32::<{ EIGHTHS_AT as i32 }>(n);
            _mm256_castsi256_ps(_mm256_add_epi32(eighths, shifted))
        })
    }
    #[inline(always)]
    fn less(self, a: __m256, b: __m256) -> u32 {
        avx2!(_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b))) as u32
    }
    #[inline(always)]
    fn expand(self, mask: u32) -> __m256 {
        avx2!({
            let bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(mask as i32), bit);
            let ones = _mm256_castps_si256(_mm256_set1_ps(1.0));
            _mm256_castsi256_ps(_mm256_and_si256(_mm256_cmpeq_epi32(set, bit), ones))
        })
    }
    #[inline(always)]
    fn add_where(self, y: __m256, mask: u32, a: __m256) -> __m256 {
        avx2!({
            let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let own = _mm256_and_si256(_mm256_set1_epi32(mask as i32), bits);
            let lanes = _mm256_castsi256_ps(_mm256_cmpeq_epi32(own, bits));
            _mm256_blendv_ps(y, _mm256_add_ps(y, a), lanes)
        })
    }
    #[inline(always)]
    fn byte_mask(self, bits: u64) -> __m256i {
        avx2!({
            // Byte k gets the byte of the bits that bit k is in.
            let of_byte = _mm256_set_epi64x(
                0x0303_0303_0303_0303,
                0x0202_0202_0202_0202,
                0x0101_0101_0101_0101,
                0,
            );
            let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits as i32), of_byte);
            let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
            _mm256_cmpeq_epi8(_mm256_and_si256(bytes, own), own)
        })
    }
    #[inline(always)]
    fn add_bytes_where(self, x: __m256i, mask: __m256i, y: u8) -> __m256i {
        avx2!(_mm256_add_epi8(
            x,
            _mm256_and_si256(mask, _mm256_set1_epi8(y as i8))
        ))
    }
    #[inline(always)]
    fn blend_bytes(self, mask: __m256i, off: __m256i, on: __m256i) -> __m256i {
        avx2!(_mm256_blendv_epi8(off, on, mask))
    }
    #[inline(always)]
    fn look_up_16(self, table: &[u8], index: __m256i) -> __m256i {
        assert!(table.len() >= 16);
        avx2!({
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            _mm256_shuffle_epi8(table, index)
        })
    }
    #[inline(always)]
    fn less_bytes(self, a: __m256i, b: __m256i) -> u64 {
        avx2!({
            let at_least = _mm256_cmpeq_epi8(_mm256_max_epu8(a, b), a);
            u64::from(!(_mm256_movemask_epi8(at_least) as u32))
        })
    }
    #[inline(always)]
    fn equal_bytes(self, a: __m256i, b: __m256i) -> u64 {
        avx2!(u64::from(
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)) as u32
        ))
    }
    #[inline(always)]
    unsafe fn load_u32(self, x: *const u32) -> __m256i {
        avx2!(_mm256_loadu_si256(x.cast()))
    }
    #[inline(always)]
    fn store_u32(self, to: &mut [u32], x: __m256i) {
        assert!(to.len() >= Self::LANES);
        avx2!(_mm256_storeu_si256(to.as_mut_ptr().cast(), x))
    }
    #[inline(always)]
    fn xor_where(self, x: __m256i, mask: u32, bits: u32) -> __m256i {
        avx2!({
            let bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(mask as i32), bit);
            let lanes = _mm256_cmpeq_epi32(set, bit);
            _mm256_xor_si256(x, _mm256_and_si256(lanes, _mm256_set1_epi32(bits as i32)))
        })
    }
    #[inline(always)]
    fn shift_down(self, x: __m256i, by: u32) -> __m256i {
        avx2!(_mm256_srl_epi32(x, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn look_up_32(self, table: &[__m256; 4], index: __m256i) -> __m256 {
        avx2!({
            // The sign of a lane chooses.
            let bit_3 = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index));
            let bit_4 = _mm256_castsi256_ps(_mm256_slli_epi32::<27>(index));
            let low = _mm256_blendv_ps(
                _mm256_permutevar8x32_ps(table[0], index),
                _mm256_permutevar8x32_ps(table[1], index),
                bit_3,
            );
            let high = _mm256_blendv_ps(
                _mm256_permutevar8x32_ps(table[2], index),
                _mm256_permutevar8x32_ps(table[3], index),
                bit_3,
            );
            _mm256_blendv_ps(low, high, bit_4)
        })
    }
    #[inline(always)]
    fn splat_u64(self, x: u64) -> __m256i {
        avx2!(_mm256_set1_epi64x(x as i64))
    }
    #[inline(always)]
    fn load_u64(self, x: &[u64]) -> __m256i {
        assert!(x.len() >= Self::LANES / 2);
        avx2!(_mm256_loadu_si256(x.as_ptr().cast()))
    }
    #[inline(always)]
    fn mul_u32(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_mul_epu32(a, b))
    }
    #[inline(always)]
    fn add_u64(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_add_epi64(a, b))
    }
    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn upper_half(self, a: __m256i) -> __m256i {
        avx2!(_mm256_srli_epi64::<32>(a))
    }
    #[inline(always)]
    fn pair(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_blend_epi32::<0b1010_1010>(
            a,
            _mm256_slli_epi64::<32>(b)
        ))
    }
    #[inline(always)]
    fn interleave_lower(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_unpacklo_epi64(a, b))
    }
    #[inline(always)]
    fn interleave_upper(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_unpackhi_epi64(a, b))
    }
    #[inline(always)]
    fn pick(self, k: u32) -> __m256i {
        // Bytes whose index is negative become zero.
        avx2!({
            let first = _mm_set_epi32(
                0x8080_800C_u32 as i32,
                0x8080_8008_u32 as i32,
                0x8080_8004_u32 as i32,
                0x8080_8000_u32 as i32,
            );
            let pick = _mm_add_epi8(first, _mm_set1_epi32(k as i32));
            _mm256_broadcastsi128_si256(pick)
        })
    }
    #[inline(always)]
    fn picked_byte(self, x: __m256i, pick: __m256i) -> __m256 {
        avx2!(_mm256_cvtepi32_ps(_mm256_shuffle_epi8(x, pick)))
    }
    #[inline(always)]
    fn widen_bytes(self, x: __m256i) -> [__m256; 4] {
        avx2!({
            let (low, high) = (_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            [
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(low)),
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128::<8>(low))),
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(high)),
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128::<8>(high))),
            ]
        })
    }
    #[inline(always)]
    fn even_bytes_first(self, x: __m256i) -> __m256i {
        avx2!({
            let order = _mm_set_epi32(0x0F0D_0B09, 0x0705_0301, 0x0E0C_0A08, 0x0604_0200);
            _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order))
        })
    }
    #[inline(always)]
    unsafe fn load_words(self, x: *const i16) -> __m256i {
        avx2!(_mm256_loadu_si256(x.cast()))
    }
    #[inline(always)]
    unsafe fn store_words(self, to: *mut i16, x: __m256i) {
        avx2!(_mm256_storeu_si256(to.cast(), x))
    }
    #[inline(always)]
    fn add_words(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_add_epi16(a, b))
    }
    #[inline(always)]
    fn as_words(self, x: __m256i) -> __m256i {
        x
    }
    #[inline(always)]
    fn splat_words(self, x: i16) -> __m256i {
        avx2!(_mm256_set1_epi16(x))
    }
    #[inline(always)]
    fn add_words_saturating(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_adds_epi16(a, b))
    }
    #[inline(always)]
    fn add_words_where(self, x: __m256i, mask: u32, y: __m256i) -> __m256i {
        let lanes: [i16; 16] = std::array::from_fn(|k| -((mask >> k & 1) as i16));
        avx2!({
            let lanes = _mm256_loadu_si256(lanes.as_ptr().cast());
            _mm256_add_epi16(x, _mm256_and_si256(y, lanes))
        })
    }
    #[inline(always)]
    fn mul_words(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_mulhrs_epi16(a, b))
    }
    #[inline(always)]
    fn shift_words_down(self, x: __m256i, by: u32) -> __m256i {
        avx2!(_mm256_srl_epi16(x, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn shift_words_up(self, x: __m256i, by: u32) -> __m256i {
        avx2!(_mm256_sll_epi16(x, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn upper_bytes(self, even: __m256i, odd: __m256i) -> __m256i {
        avx2!({
            let odd = _mm256_and_si256(odd, _mm256_set1_epi16(-0x100));
            _mm256_or_si256(odd, _mm256_srli_epi16::<8>(even))
        })
    }
    #[inline(always)]
    fn widen(self, x: __m256i) -> [__m256; 2] {
        avx2!([
            _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(x))),
            _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(x))),
        ])
    }
    #[inline(always)]
    fn narrow(self, x: [__m256; 2]) -> __m256i {
        avx2!({
            let [low, high] = x.map(|x| _mm256_cvtps_epi32(x));
            _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high))
        })
    }
    #[inline(always)]
    fn interleave_words(self, a: __m256i, b: __m256i) -> [__m256i; 2] {
        avx2!({
            // Within 128 bits, then those in order.
            let (low, high) = (_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b));
            [
                _mm256_permute2x128_si256::<0x20>(low, high),
                _mm256_permute2x128_si256::<0x31>(low, high),
            ]
        })
    }
    #[inline(always)]
    fn splat_pair(self, pair: u32) -> __m256i {
        avx2!(_mm256_set1_epi32(pair as i32))
    }
    #[inline(always)]
    fn add_pairs(self, sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_add_epi32(sum, _mm256_madd_epi16(a, b)))
    }
    #[inline(always)]
    fn integers_to_floats(self, x: __m256i) -> __m256 {
        avx2!(_mm256_cvtepi32_ps(x))
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> __m256d {
        avx2!(_mm256_set1_pd(x))
    }
    #[inline(always)]
    fn load_f64(self, x: &[f64]) -> __m256d {
        assert!(x.len() >= Self::LANES / 2);
        avx2!(_mm256_loadu_pd(x.as_ptr()))
    }
    #[inline(always)]
    fn store_f64(self, to: &mut [f64], x: __m256d) {
        assert!(to.len() >= Self::LANES / 2);
        avx2!(_mm256_storeu_pd(to.as_mut_ptr(), x))
    }
    #[inline(always)]
    fn add_f64(self, a: __m256d, b: __m256d) -> __m256d {
        avx2!(_mm256_add_pd(a, b))
    }
    #[inline(always)]
    fn mul_f64(self, a: __m256d, b: __m256d) -> __m256d {
        avx2!(_mm256_mul_pd(a, b))
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        avx2!({
            // Loops, since what a library function calls is not always compiled for this set.
            let mut r = [_mm256_setzero_ps(); 8];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm256_loadu_ps(from.add(i * from_stride));
            }
            // Pairs, then fours within 128 bits, then the two halves.
            let mut p = r;
            for i in 0..4 {
                let (a, b) = (r[2 * i], r[2 * i + 1]);
                p[2 * i] = _mm256_unpacklo_ps(a, b);
                p[2 * i + 1] = _mm256_unpackhi_ps(a, b);
            }
            let mut q = p;
            for g in 0..2 {
                for half in 0..2 {
                    let (a, b) = (p[4 * g + half], p[4 * g + half + 2]);
                    q[4 * g + 2 * half] = _mm256_shuffle_ps::<0b01_00_01_00>(a, b);
                    q[4 * g + 2 * half + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(a, b);
                }
            }
            for i in 0..4 {
                _mm256_storeu_ps(
                    to.add(i * to_stride),
                    _mm256_permute2f128_ps::<0x20>(q[i], q[i + 4]),
                );
                _mm256_storeu_ps(
                    to.add((i + 4) * to_stride),
                    _mm256_permute2f128_ps::<0x31>(q[i], q[i + 4]),
                );
            }
        })
    }
    #[inline(always)]
    unsafe fn transpose_words(
        self,
        from: *const i16,
        from_stride: usize,
        to: *mut i16,
        to_stride: usize,
    ) {
        avx2!({
            // 8 x 8 within 128 bits of each eight rows, then the halves.
            let mut e = [_mm256_setzero_si256(); 16];
            for g in 0..2 {
                let r = |k: usize| _mm256_loadu_si256(from.add((8 * g + k) * from_stride).cast());
                let (a0, a1) = (
                    _mm256_unpacklo_epi16(r(0), r(1)),
                    _mm256_unpackhi_epi16(r(0), r(1)),
                );
                let (a2, a3) = (
                    _mm256_unpacklo_epi16(r(2), r(3)),
                    _mm256_unpackhi_epi16(r(2), r(3)),
                );
                let (a4, a5) = (
                    _mm256_unpacklo_epi16(r(4), r(5)),
                    _mm256_unpackhi_epi16(r(4), r(5)),
                );
                let (a6, a7) = (
                    _mm256_unpacklo_epi16(r(6), r(7)),
                    _mm256_unpackhi_epi16(r(6), r(7)),
                );
                let (b0, b1) = (_mm256_unpacklo_epi32(a0, a2), _mm256_unpackhi_epi32(a0, a2));
                let (b2, b3) = (_mm256_unpacklo_epi32(a1, a3), _mm256_unpackhi_epi32(a1, a3));
                let (b4, b5) = (_mm256_unpacklo_epi32(a4, a6), _mm256_unpackhi_epi32(a4, a6));
                let (b6, b7) = (_mm256_unpacklo_epi32(a5, a7), _mm256_unpackhi_epi32(a5, a7));
                e[8 * g] = _mm256_unpacklo_epi64(b0, b4);
                e[8 * g + 1] = _mm256_unpackhi_epi64(b0, b4);
                e[8 * g + 2] = _mm256_unpacklo_epi64(b1, b5);
                e[8 * g + 3] = _mm256_unpackhi_epi64(b1, b5);
                e[8 * g + 4] = _mm256_unpacklo_epi64(b2, b6);
                e[8 * g + 5] = _mm256_unpackhi_epi64(b2, b6);
                e[8 * g + 6] = _mm256_unpacklo_epi64(b3, b7);
                e[8 * g + 7] = _mm256_unpackhi_epi64(b3, b7);
            }
            for c in 0..8 {
                let low = _mm256_permute2x128_si256::<0x20>(e[c], e[8 + c]);
                let high = _mm256_permute2x128_si256::<0x31>(e[c], e[8 + c]);
                _mm256_storeu_si256(to.add(c * to_stride).cast(), low);
                _mm256_storeu_si256(to.add((8 + c) * to_stride).cast(), high);
            }
        })
    }
}
