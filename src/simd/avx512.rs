//! AVX-512 F, BW, DQ and VL, with BMI2.

use super::{EIGHTHS, EIGHTHS_AT, Operation, Simd};
use core::arch::x86_64::*;

/// Proof that the CPU has AVX-512 F, BW, DQ and VL, and BMI2.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The token, if the CPU has the instructions.
    pub(crate) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi2"))
        .then_some(Self(()))
    }
}

/// Calls an intrinsic of AVX-512 inside a method of the token.
macro_rules! avx512 {
    ($e:expr) => {
        // SAFETY: the token proves that the CPU has AVX-512 F, BW, DQ and VL, and BMI2.
        unsafe { $e }
    };
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    const GEMM_ROWS: usize = 12;
    type F = __m512;
    type I = __m512i;
    type W = __m512i;
    type D = __m512d;
    type Pick = __m512i;
    type M = u64;

    #[inline(always)]
    fn vectorize<Op: Operation>(self, op: Op) -> Op::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt")]
        fn inner<Op: Operation>(simd: Avx512, op: Op) -> Op::Output {
            op.run(simd)
        }
        avx512!(inner(self, op))
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        avx512!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> __m512 {
        assert!(x.len() >= Self::LANES);
        avx512!(_mm512_loadu_ps(x.as_ptr()))
    }
    #[inline(always)]
    fn store(self, to: &mut [f32], x: __m512) {
        assert!(to.len() >= Self::LANES);
        avx512!(_mm512_storeu_ps(to.as_mut_ptr(), x))
    }
    #[inline(always)]
    fn store_first(self, to: &mut [f32], x: __m512) {
        assert!(to.len() <= Self::LANES);
        let mask = ((1_u32 << to.len()) - 1) as u16;
        // The mask leaves out what is beyond the end.
        avx512!(_mm512_mask_storeu_ps(to.as_mut_ptr(), mask, x))
    }
    #[inline(always)]
    unsafe fn load_ptr(self, x: *const f32) -> __m512 {
        avx512!(_mm512_loadu_ps(x))
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        avx512!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn mul_add_fast(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        self.mul_add(a, b, c)
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn exp2_eighths(self, n: __m512) -> __m512 {
        avx512!({
            let n = _mm512_castps_si512(n);
            let eighths = _mm512_loadu_si512(EIGHTHS.as_ptr().cast());
            let eighths = _mm512_permutexvar_epi32(n, eighths);
            let shifted = _mm512_slli_epi32::<EIGHTHS_AT>(n);
            _mm512_castsi512_ps(_mm512_add_epi32(eighths, shifted))
        })
    }
    #[inline(always)]
    fn less(self, a: __m512, b: __m512) -> u32 {
        u32::from(avx512!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b)))
    }
    #[inline(always)]
    fn interleave_bits(self, even: u32, odd: u32) -> u32 {
        avx512!(_pdep_u32(even, 0x5555_5555) | _pdep_u32(odd, 0xAAAA_AAAA))
    }
    #[inline(always)]
    fn expand(self, mask: u32) -> __m512 {
        avx512!(_mm512_maskz_mov_ps(mask as u16, _mm512_set1_ps(1.0)))
    }
    #[inline(always)]
    fn add_where(self, y: __m512, mask: u32, a: __m512) -> __m512 {
        avx512!(_mm512_mask_add_ps(y, mask as u16, y, a))
    }
    #[inline(always)]
    fn byte_mask(self, bits: u64) -> u64 {
        bits
    }
    #[inline(always)]
    fn add_bytes_where(self, x: __m512i, mask: u64, y: u8) -> __m512i {
        avx512!(_mm512_mask_add_epi8(x, mask, x, _mm512_set1_epi8(y as i8)))
    }
    #[inline(always)]
    fn blend_bytes(self, mask: u64, off: __m512i, on: __m512i) -> __m512i {
        avx512!(_mm512_mask_blend_epi8(mask, off, on))
    }
    #[inline(always)]
    fn look_up_16(self, table: &[u8], index: __m512i) -> __m512i {
        assert!(table.len() >= 16);
        avx512!({
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            _mm512_shuffle_epi8(table, index)
        })
    }
    #[inline(always)]
    fn less_bytes(self, a: __m512i, b: __m512i) -> u64 {
        avx512!(_mm512_cmplt_epu8_mask(a, b))
    }
    #[inline(always)]
    fn equal_bytes(self, a: __m512i, b: __m512i) -> u64 {
        avx512!(_mm512_cmpeq_epu8_mask(a, b))
    }
    #[inline(always)]
    unsafe fn load_u32(self, x: *const u32) -> __m512i {
        avx512!(_mm512_loadu_si512(x.cast()))
    }
    #[inline(always)]
    fn store_u32(self, to: &mut [u32], x: __m512i) {
        assert!(to.len() >= Self::LANES);
        avx512!(_mm512_storeu_si512(to.as_mut_ptr().cast(), x))
    }
    #[inline(always)]
    fn xor_where(self, x: __m512i, mask: u32, bits: u32) -> __m512i {
        avx512!(_mm512_mask_xor_epi32(
            x,
            mask as u16,
            x,
            _mm512_set1_epi32(bits as i32)
        ))
    }
    #[inline(always)]
    fn shift_down(self, x: __m512i, by: u32) -> __m512i {
        avx512!(_mm512_srl_epi32(x, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn look_up_32(self, table: &[__m512; 4], index: __m512i) -> __m512 {
        avx512!(_mm512_permutex2var_ps(table[0], index, table[1]))
    }
    #[inline(always)]
    fn splat_u64(self, x: u64) -> __m512i {
        avx512!(_mm512_set1_epi64(x as i64))
    }
    #[inline(always)]
    fn load_u64(self, x: &[u64]) -> __m512i {
        assert!(x.len() >= Self::LANES / 2);
        avx512!(_mm512_loadu_si512(x.as_ptr().cast()))
    }
    #[inline(always)]
    fn mul_u32(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_mul_epu32(a, b))
    }
    #[inline(always)]
    fn add_u64(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_add_epi64(a, b))
    }
    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_xor_si512(a, b))
    }
    #[inline(always)]
    fn upper_half(self, a: __m512i) -> __m512i {
        avx512!(_mm512_srli_epi64::<32>(a))
    }
    #[inline(always)]
    fn pair(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_mask_blend_epi32(
            0xAAAA,
            a,
            _mm512_slli_epi64::<32>(b)
        ))
    }
    #[inline(always)]
    fn interleave_lower(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_unpacklo_epi64(a, b))
    }
    #[inline(always)]
    fn interleave_upper(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_unpackhi_epi64(a, b))
    }
    #[inline(always)]
    fn pick(self, k: u32) -> __m512i {
        // Bytes whose index is negative become zero.
        avx512!(_mm512_add_epi8(
            _mm512_set4_epi32(
                0x8080_800C_u32 as i32,
                0x8080_8008_u32 as i32,
                0x8080_8004_u32 as i32,
                0x8080_8000_u32 as i32
            ),
            _mm512_set1_epi32(k as i32)
        ))
    }
    #[inline(always)]
    fn picked_byte(self, x: __m512i, pick: __m512i) -> __m512 {
        avx512!(_mm512_cvtepi32_ps(_mm512_shuffle_epi8(x, pick)))
    }
    #[inline(always)]
    fn widen_bytes(self, x: __m512i) -> [__m512; 4] {
        avx512!([
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(x))),
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32::<1>(x))),
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32::<2>(x))),
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32::<3>(x))),
        ])
    }
    #[inline(always)]
    fn even_bytes_first(self, x: __m512i) -> __m512i {
        avx512!({
            let order = _mm512_set4_epi32(0x0F0D_0B09, 0x0705_0301, 0x0E0C_0A08, 0x0604_0200);
            _mm512_permutex_epi64::<0b11_01_10_00>(_mm512_shuffle_epi8(x, order))
        })
    }
    #[inline(always)]
    unsafe fn load_words(self, x: *const i16) -> __m512i {
        avx512!(_mm512_loadu_si512(x.cast()))
    }
    #[inline(always)]
    unsafe fn store_words(self, to: *mut i16, x: __m512i) {
        avx512!(_mm512_storeu_si512(to.cast(), x))
    }
    #[inline(always)]
    fn add_words(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_add_epi16(a, b))
    }
    #[inline(always)]
    fn as_words(self, x: __m512i) -> __m512i {
        x
    }
    #[inline(always)]
    fn splat_words(self, x: i16) -> __m512i {
        avx512!(_mm512_set1_epi16(x))
    }
    #[inline(always)]
    fn add_words_saturating(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_adds_epi16(a, b))
    }
    #[inline(always)]
    fn add_words_where(self, x: __m512i, mask: u32, y: __m512i) -> __m512i {
        avx512!(_mm512_mask_add_epi16(x, mask, x, y))
    }
    #[inline(always)]
    fn mul_words(self, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_mulhrs_epi16(a, b))
    }
    #[inline(always)]
    fn shift_words_down(self, x: __m512i, by: u32) -> __m512i {
        avx512!(_mm512_srl_epi16(x, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn shift_words_up(self, x: __m512i, by: u32) -> __m512i {
        avx512!(_mm512_sll_epi16(x, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn look_up_words(self, table: &[__m512i; 2], index: __m512i) -> __m512i {
        avx512!(_mm512_permutexvar_epi16(index, table[0]))
    }
    #[inline(always)]
    fn upper_bytes(self, even: __m512i, odd: __m512i) -> __m512i {
        // Upper bytes of the odd ones, or what is left of the even ones.
        const OF_ODD: i32 = 0xEA;
        avx512!({
            let (upper, even) = (_mm512_set1_epi16(-0x100), _mm512_srli_epi16::<8>(even));
            _mm512_ternarylogic_epi64::<OF_ODD>(odd, upper, even)
        })
    }
    #[inline(always)]
    fn widen(self, x: __m512i) -> [__m512; 2] {
        avx512!([
            _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_castsi512_si256(x))),
            _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64::<1>(x))),
        ])
    }
    #[inline(always)]
    fn narrow(self, x: [__m512; 2]) -> __m512i {
        avx512!({
            let [low, high] = x.map(|x| _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x)));
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        })
    }
    #[inline(always)]
    fn interleave_words(self, a: __m512i, b: __m512i) -> [__m512i; 2] {
        avx512!({
            // Within 128 bits, then those in order.
            let (low, high) = (_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b));
            let first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
            let second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
            [
                _mm512_permutex2var_epi64(low, first, high),
                _mm512_permutex2var_epi64(low, second, high),
            ]
        })
    }
    #[inline(always)]
    fn splat_pair(self, pair: u32) -> __m512i {
        avx512!(_mm512_set1_epi32(pair as i32))
    }
    #[inline(always)]
    fn add_pairs(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        avx512!(_mm512_add_epi32(sum, _mm512_madd_epi16(a, b)))
    }
    #[inline(always)]
    fn integers_to_floats(self, x: __m512i) -> __m512 {
        avx512!(_mm512_cvtepi32_ps(x))
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> __m512d {
        avx512!(_mm512_set1_pd(x))
    }
    #[inline(always)]
    fn load_f64(self, x: &[f64]) -> __m512d {
        assert!(x.len() >= Self::LANES / 2);
        avx512!(_mm512_loadu_pd(x.as_ptr()))
    }
    #[inline(always)]
    fn store_f64(self, to: &mut [f64], x: __m512d) {
        assert!(to.len() >= Self::LANES / 2);
        avx512!(_mm512_storeu_pd(to.as_mut_ptr(), x))
    }
    #[inline(always)]
    fn add_f64(self, a: __m512d, b: __m512d) -> __m512d {
        avx512!(_mm512_add_pd(a, b))
    }
    #[inline(always)]
    fn mul_f64(self, a: __m512d, b: __m512d) -> __m512d {
        avx512!(_mm512_mul_pd(a, b))
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        avx512!({
            // Loops, since what a library function calls is not always compiled for this set.
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, r) in r.iter_mut().enumerate() {
                *r = _mm512_loadu_ps(from.add(i * from_stride));
            }
            // Pairs, then fours within 128 bits: f[4g + c] holds, in 128-bit lane l, rows 4g..4g+4
            // of column 4l + c.
            let mut p = r;
            for i in 0..8 {
                let (a, b) = (r[2 * i], r[2 * i + 1]);
                p[2 * i] = _mm512_unpacklo_ps(a, b);
                p[2 * i + 1] = _mm512_unpackhi_ps(a, b);
            }
            let mut f = p;
            for g in 0..4 {
                for half in 0..2 {
                    let (a, b) = (p[4 * g + half], p[4 * g + half + 2]);
                    f[4 * g + 2 * half] = _mm512_shuffle_ps::<0b01_00_01_00>(a, b);
                    f[4 * g + 2 * half + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(a, b);
                }
            }
            // Then the 4 x 4 transpose of 128-bit lanes.
            for c in 0..4 {
                let t0 = _mm512_shuffle_f32x4::<0b10_00_10_00>(f[c], f[4 + c]);
                let t1 = _mm512_shuffle_f32x4::<0b11_01_11_01>(f[c], f[4 + c]);
                let t2 = _mm512_shuffle_f32x4::<0b10_00_10_00>(f[8 + c], f[12 + c]);
                let t3 = _mm512_shuffle_f32x4::<0b11_01_11_01>(f[8 + c], f[12 + c]);
                let column = [
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(t0, t2),
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(t1, t3),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(t0, t2),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(t1, t3),
                ];
                for (l, &x) in column.iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * l + c) * to_stride), x);
                }
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
        avx512!({
            // 8 x 8 within 128 bits of each eight rows: e[8g + c] holds, in 128-bit lane l, rows
            // 8g..8g+8 of column 8l + c.
            let mut e = [_mm512_setzero_si512(); 32];
            for g in 0..4 {
                let r = |k: usize| _mm512_loadu_si512(from.add((8 * g + k) * from_stride).cast());
                let (a0, a1) = (
                    _mm512_unpacklo_epi16(r(0), r(1)),
                    _mm512_unpackhi_epi16(r(0), r(1)),
                );
                let (a2, a3) = (
                    _mm512_unpacklo_epi16(r(2), r(3)),
                    _mm512_unpackhi_epi16(r(2), r(3)),
                );
                let (a4, a5) = (
                    _mm512_unpacklo_epi16(r(4), r(5)),
                    _mm512_unpackhi_epi16(r(4), r(5)),
                );
                let (a6, a7) = (
                    _mm512_unpacklo_epi16(r(6), r(7)),
                    _mm512_unpackhi_epi16(r(6), r(7)),
                );
                let (b0, b1) = (_mm512_unpacklo_epi32(a0, a2), _mm512_unpackhi_epi32(a0, a2));
                let (b2, b3) = (_mm512_unpacklo_epi32(a1, a3), _mm512_unpackhi_epi32(a1, a3));
                let (b4, b5) = (_mm512_unpacklo_epi32(a4, a6), _mm512_unpackhi_epi32(a4, a6));
                let (b6, b7) = (_mm512_unpacklo_epi32(a5, a7), _mm512_unpackhi_epi32(a5, a7));
                e[8 * g] = _mm512_unpacklo_epi64(b0, b4);
                e[8 * g + 1] = _mm512_unpackhi_epi64(b0, b4);
                e[8 * g + 2] = _mm512_unpacklo_epi64(b1, b5);
                e[8 * g + 3] = _mm512_unpackhi_epi64(b1, b5);
                e[8 * g + 4] = _mm512_unpacklo_epi64(b2, b6);
                e[8 * g + 5] = _mm512_unpackhi_epi64(b2, b6);
                e[8 * g + 6] = _mm512_unpacklo_epi64(b3, b7);
                e[8 * g + 7] = _mm512_unpackhi_epi64(b3, b7);
            }
            // Then the 4 x 4 transpose of 128-bit lanes.
            for c in 0..8 {
                let t0 = _mm512_shuffle_i32x4::<0b10_00_10_00>(e[c], e[8 + c]);
                let t1 = _mm512_shuffle_i32x4::<0b11_01_11_01>(e[c], e[8 + c]);
                let t2 = _mm512_shuffle_i32x4::<0b10_00_10_00>(e[16 + c], e[24 + c]);
                let t3 = _mm512_shuffle_i32x4::<0b11_01_11_01>(e[16 + c], e[24 + c]);
                let columns = [
                    _mm512_shuffle_i32x4::<0b10_00_10_00>(t0, t2),
                    _mm512_shuffle_i32x4::<0b10_00_10_00>(t1, t3),
                    _mm512_shuffle_i32x4::<0b11_01_11_01>(t0, t2),
                    _mm512_shuffle_i32x4::<0b11_01_11_01>(t1, t3),
                ];
                for (l, &x) in columns.iter().enumerate() {
                    _mm512_storeu_si512(to.add((8 * l + c) * to_stride).cast(), x);
                }
            }
        })
    }
}
