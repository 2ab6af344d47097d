//! Any CPU, through the crate `wide`.

use super::{EIGHTHS, EIGHTHS_AT, Operation, Simd};
use wide::{f32x8, f64x4, i16x16, i32x8};

/// Whether `wide` multiplies and adds with one rounding on the compiler's target.
pub(super) const IS_FUSED: bool = cfg!(any(
    target_feature = "fma",
    all(target_feature = "neon", target_arch = "aarch64")
));

/// `a * b + c` with one rounding, without an instruction for it: the product is exact in f64, the
/// sum is rounded to odd there, and a float of twenty-nine bits less is then the nearest one to the
/// exact sum (S. Boldo and G. Melquiond, Emulation of a FMA and correctly rounded sums, IEEE
/// Transactions on Computers 57(4), 2008).
#[inline(always)]
fn rounded_once(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    // What the sum lacks, exactly (Knuth's two-sum).
    let from_c = sum - product;
    let lost = (product - (sum - from_c)) + (c - from_c);
    let bits = sum.to_bits();
    let toward_zero = u64::from((lost > 0.0) != (sum > 0.0));
    let is_even = bits & 1 == 0;
    // Truncation, with the last bit set where anything was lost.
    let odd = if is_even {
        (bits - toward_zero) | 1
    } else {
        bits
    };
    let is_exact = lost == 0.0 || !lost.is_finite();
    (if is_exact { sum } else { f64::from_bits(odd) }) as f32
}

/// A one in every byte.
const EVERY_BYTE: u64 = 0x0101_0101_0101_0101;

/// Bit `k` is `f` of bytes `k`.
#[inline(always)]
fn compare_bytes(a: [u64; 4], b: [u64; 4], f: impl Fn(u8, u8) -> bool) -> u64 {
    let mut bits = 0;
    for (k, (a, b)) in a.into_iter().zip(b).enumerate() {
        let pairs = a.to_le_bytes().into_iter().zip(b.to_le_bytes());
        for (byte, (a, b)) in pairs.enumerate() {
            bits |= u64::from(f(a, b)) << (8 * k + byte);
        }
    }
    bits
}

/// Signed 32-bit lanes.
#[inline(always)]
fn integers(x: [u64; 4]) -> [i32; 8] {
    std::array::from_fn(|k| (x[k / 2] >> (32 * (k % 2))) as i32)
}

/// Needs no proof.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Simd for Portable {
    const LANES: usize = 8;
    const GEMM_ROWS: usize = 3;
    type F = f32x8;
    type I = [u64; 4];
    type W = i16x16;
    type D = f64x4;
    type Pick = u32;
    type M = [u64; 4];

    #[inline(always)]
    fn vectorize<Op: Operation>(self, op: Op) -> Op::Output {
        op.run(self)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> f32x8 {
        f32x8::splat(x)
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> f32x8 {
        let lanes: [f32; 8] = x[..8].try_into().expect("eight floats");
        f32x8::from(lanes)
    }
    #[inline(always)]
    fn store(self, to: &mut [f32], x: f32x8) {
        to[..8].copy_from_slice(&x.to_array());
    }
    #[inline(always)]
    unsafe fn load_ptr(self, x: *const f32) -> f32x8 {
        // SAFETY: the caller vouches for eight floats; an array of floats has their alignment.
        f32x8::from(unsafe { *x.cast::<[f32; 8]>() })
    }
    #[inline(always)]
    fn add(self, a: f32x8, b: f32x8) -> f32x8 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f32x8, b: f32x8) -> f32x8 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f32x8, b: f32x8) -> f32x8 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f32x8, b: f32x8) -> f32x8 {
        a / b
    }
    #[inline(always)]
    fn mul_add(self, a: f32x8, b: f32x8, c: f32x8) -> f32x8 {
        if IS_FUSED {
            return a.mul_add(b, c);
        }
        let [a, b, c] = [a, b, c].map(|x| x.to_array());
        f32x8::from(std::array::from_fn(|k| rounded_once(a[k], b[k], c[k])))
    }
    #[inline(always)]
    fn mul_add_fast(self, a: f32x8, b: f32x8, c: f32x8) -> f32x8 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn min(self, a: f32x8, b: f32x8) -> f32x8 {
        a.fast_min(b)
    }
    #[inline(always)]
    fn max(self, a: f32x8, b: f32x8) -> f32x8 {
        a.fast_max(b)
    }
    #[inline(always)]
    fn exp2_eighths(self, n: f32x8) -> f32x8 {
        f32x8::from(n.to_array().map(|lane| {
            let n = lane.to_bits();
            f32::from_bits(EIGHTHS[n as usize % 8].wrapping_add(n << EIGHTHS_AT))
        }))
    }
    #[inline(always)]
    fn less(self, a: f32x8, b: f32x8) -> u32 {
        a.simd_lt(b).to_bitmask()
    }
    #[inline(always)]
    fn expand(self, mask: u32) -> f32x8 {
        f32x8::from(std::array::from_fn(|k| (mask >> k & 1) as f32))
    }
    #[inline(always)]
    fn add_where(self, y: f32x8, mask: u32, a: f32x8) -> f32x8 {
        // Adding zero changes nothing but the sign of a zero.
        y + a * self.expand(mask)
    }
    #[inline(always)]
    fn byte_mask(self, bits: u64) -> [u64; 4] {
        std::array::from_fn(|k| {
            // Every byte gets its bit, at its own place; then all bits where one is.
            let byte = bits >> (8 * k) & 0xFF;
            let own = byte.wrapping_mul(EVERY_BYTE) & 0x8040_2010_0804_0201;
            ((own + 0x7F * EVERY_BYTE) >> 7 & EVERY_BYTE) * 0xFF
        })
    }
    #[inline(always)]
    fn add_bytes_where(self, x: [u64; 4], mask: [u64; 4], y: u8) -> [u64; 4] {
        std::array::from_fn(|k| {
            let sum = |b: usize| {
                let [x, m] = [x, mask].map(|a| a[k].to_le_bytes()[b]);
                x.wrapping_add(y & m)
            };
            u64::from_le_bytes(std::array::from_fn(sum))
        })
    }
    #[inline(always)]
    fn blend_bytes(self, mask: [u64; 4], off: [u64; 4], on: [u64; 4]) -> [u64; 4] {
        std::array::from_fn(|k| off[k] & !mask[k] | on[k] & mask[k])
    }
    #[inline(always)]
    fn look_up_16(self, table: &[u8], index: [u64; 4]) -> [u64; 4] {
        let table: &[u8; 16] = table[..16].try_into().expect("sixteen bytes");
        index.map(|x| u64::from_le_bytes(x.to_le_bytes().map(|i| table[usize::from(i & 15)])))
    }
    #[inline(always)]
    fn less_bytes(self, a: [u64; 4], b: [u64; 4]) -> u64 {
        compare_bytes(a, b, |a, b| a < b)
    }
    #[inline(always)]
    fn equal_bytes(self, a: [u64; 4], b: [u64; 4]) -> u64 {
        compare_bytes(a, b, |a, b| a == b)
    }
    #[inline(always)]
    unsafe fn load_u32(self, x: *const u32) -> [u64; 4] {
        // SAFETY: the caller vouches for eight integers; an array of them has their alignment.
        let x = unsafe { *x.cast::<[u32; 8]>() };
        std::array::from_fn(|k| u64::from(x[2 * k]) | u64::from(x[2 * k + 1]) << 32)
    }
    #[inline(always)]
    fn store_u32(self, to: &mut [u32], x: [u64; 4]) {
        for (to, x) in to[..8].chunks_exact_mut(2).zip(x) {
            to.copy_from_slice(&[x as u32, (x >> 32) as u32]);
        }
    }
    #[inline(always)]
    fn xor_where(self, x: [u64; 4], mask: u32, bits: u32) -> [u64; 4] {
        let of = |lane: usize| u64::from(mask >> lane & 1) * u64::from(bits);
        std::array::from_fn(|k| x[k] ^ (of(2 * k) | of(2 * k + 1) << 32))
    }
    #[inline(always)]
    fn shift_down(self, x: [u64; 4], by: u32) -> [u64; 4] {
        x.map(|x| u64::from((x as u32) >> by) | u64::from((x >> 32) as u32 >> by) << 32)
    }
    #[inline(always)]
    fn look_up_32(self, table: &[f32x8; 4], index: [u64; 4]) -> f32x8 {
        let table = table.map(f32x8::to_array);
        let all = table.as_flattened();
        f32x8::from(std::array::from_fn(|k| {
            all[(index[k / 2] >> (32 * (k % 2))) as usize & 31]
        }))
    }
    #[inline(always)]
    fn splat_u64(self, x: u64) -> [u64; 4] {
        [x; 4]
    }
    #[inline(always)]
    fn load_u64(self, x: &[u64]) -> [u64; 4] {
        x[..4].try_into().expect("four integers")
    }
    #[inline(always)]
    fn mul_u32(self, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        std::array::from_fn(|k| u64::from(a[k] as u32) * u64::from(b[k] as u32))
    }
    #[inline(always)]
    fn add_u64(self, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        std::array::from_fn(|k| a[k].wrapping_add(b[k]))
    }
    #[inline(always)]
    fn xor(self, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        std::array::from_fn(|k| a[k] ^ b[k])
    }
    #[inline(always)]
    fn upper_half(self, a: [u64; 4]) -> [u64; 4] {
        a.map(|x| x >> 32)
    }
    #[inline(always)]
    fn pair(self, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        std::array::from_fn(|k| u64::from(a[k] as u32) | b[k] << 32)
    }
    #[inline(always)]
    fn interleave_lower(self, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        [a[0], b[0], a[2], b[2]]
    }
    #[inline(always)]
    fn interleave_upper(self, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        [a[1], b[1], a[3], b[3]]
    }
    #[inline(always)]
    fn pick(self, k: u32) -> u32 {
        8 * k
    }
    #[inline(always)]
    fn picked_byte(self, x: [u64; 4], shift: u32) -> f32x8 {
        f32x8::from(std::array::from_fn(|k| {
            f32::from((x[k / 2] >> (32 * (k as u32 % 2) + shift)) as u8)
        }))
    }
    #[inline(always)]
    fn widen_bytes(self, x: [u64; 4]) -> [f32x8; 4] {
        x.map(|x| f32x8::from(std::array::from_fn(|k| f32::from((x >> (8 * k)) as u8))))
    }
    #[inline(always)]
    fn even_bytes_first(self, x: [u64; 4]) -> [u64; 4] {
        let bytes = |k: usize| x[k].to_le_bytes();
        std::array::from_fn(|k| {
            let first = k / 2 * 2;
            u64::from_le_bytes(std::array::from_fn(|b| {
                bytes(first + b / 4)[b % 4 * 2 + k % 2]
            }))
        })
    }
    #[inline(always)]
    unsafe fn load_words(self, x: *const i16) -> i16x16 {
        // SAFETY: the caller vouches for sixteen integers; an array of them has their alignment.
        i16x16::new(unsafe { *x.cast::<[i16; 16]>() })
    }
    #[inline(always)]
    unsafe fn store_words(self, to: *mut i16, x: i16x16) {
        // SAFETY: as above, for writing.
        unsafe { *to.cast::<[i16; 16]>() = x.to_array() }
    }
    #[inline(always)]
    fn add_words(self, a: i16x16, b: i16x16) -> i16x16 {
        a + b
    }
    #[inline(always)]
    fn as_words(self, x: [u64; 4]) -> i16x16 {
        i16x16::new(std::array::from_fn(|k| (x[k / 4] >> (16 * (k % 4))) as i16))
    }
    #[inline(always)]
    fn splat_words(self, x: i16) -> i16x16 {
        i16x16::splat(x)
    }
    #[inline(always)]
    fn add_words_saturating(self, a: i16x16, b: i16x16) -> i16x16 {
        a.saturating_add(b)
    }
    #[inline(always)]
    fn add_words_where(self, x: i16x16, mask: u32, y: i16x16) -> i16x16 {
        let (x, y) = (x.to_array(), y.to_array());
        i16x16::new(std::array::from_fn(|k| {
            x[k].wrapping_add(y[k] * (mask >> k & 1) as i16)
        }))
    }
    #[inline(always)]
    fn mul_words(self, a: i16x16, b: i16x16) -> i16x16 {
        let (a, b) = (a.to_array(), b.to_array());
        i16x16::new(std::array::from_fn(|k| {
            ((i32::from(a[k]) * i32::from(b[k]) + (1 << 14)) >> 15) as i16
        }))
    }
    #[inline(always)]
    fn shift_words_down(self, x: i16x16, by: u32) -> i16x16 {
        i16x16::new(x.to_array().map(|x| (x as u16 >> by) as i16))
    }
    #[inline(always)]
    fn shift_words_up(self, x: i16x16, by: u32) -> i16x16 {
        i16x16::new(x.to_array().map(|x| x << by))
    }
    #[inline(always)]
    fn upper_bytes(self, even: i16x16, odd: i16x16) -> [u64; 4] {
        let (even, odd) = (even.to_array(), odd.to_array());
        std::array::from_fn(|k| {
            let of = |place: usize| {
                let (even, odd) = (even[4 * k + place] as u16, odd[4 * k + place] as u16);
                u64::from(even >> 8 | odd & 0xFF00) << (16 * place)
            };
            of(0) | of(1) | of(2) | of(3)
        })
    }
    #[inline(always)]
    fn widen(self, x: i16x16) -> [f32x8; 2] {
        let x = x.to_array();
        [0, 8].map(|at| f32x8::from(std::array::from_fn(|k| f32::from(x[at + k]))))
    }
    #[inline(always)]
    fn narrow(self, x: [f32x8; 2]) -> i16x16 {
        let x = x.map(|x| x.to_array());
        i16x16::new(std::array::from_fn(|k| {
            x[k / 8][k % 8].round_ties_even() as i16
        }))
    }
    #[inline(always)]
    fn interleave_words(self, a: i16x16, b: i16x16) -> [i16x16; 2] {
        let (a, b) = (a.to_array(), b.to_array());
        [0, 8].map(|first| {
            i16x16::new(std::array::from_fn(|k| {
                let from = if k % 2 == 0 { &a } else { &b };
                from[first + k / 2]
            }))
        })
    }
    #[inline(always)]
    fn splat_pair(self, pair: u32) -> i16x16 {
        let halves = [pair as i16, (pair >> 16) as i16];
        i16x16::new(std::array::from_fn(|k| halves[k % 2]))
    }
    #[inline(always)]
    fn add_pairs(self, sum: [u64; 4], a: i16x16, b: i16x16) -> [u64; 4] {
        let sum = i32x8::new(integers(sum)) + a.dot(b);
        let sum = sum.to_array();
        std::array::from_fn(|k| {
            u64::from(sum[2 * k] as u32) | u64::from(sum[2 * k + 1] as u32) << 32
        })
    }
    #[inline(always)]
    fn integers_to_floats(self, x: [u64; 4]) -> f32x8 {
        f32x8::from(integers(x).map(|x| x as f32))
    }
    #[inline(always)]
    fn splat_f64(self, x: f64) -> f64x4 {
        f64x4::splat(x)
    }
    #[inline(always)]
    fn load_f64(self, x: &[f64]) -> f64x4 {
        let lanes: [f64; 4] = x[..4].try_into().expect("four doubles");
        f64x4::from(lanes)
    }
    #[inline(always)]
    fn store_f64(self, to: &mut [f64], x: f64x4) {
        to[..4].copy_from_slice(&x.to_array());
    }
    #[inline(always)]
    fn add_f64(self, a: f64x4, b: f64x4) -> f64x4 {
        a + b
    }
    #[inline(always)]
    fn mul_f64(self, a: f64x4, b: f64x4) -> f64x4 {
        a * b
    }
    #[inline(always)]
    unsafe fn transpose(
        self,
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        for i in 0..8 {
            for j in 0..8 {
                // SAFETY: within the eight rows of eight floats that the caller vouches for.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) }
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose_words(
        self,
        from: *const i16,
        from_stride: usize,
        to: *mut i16,
        to_stride: usize,
    ) {
        for i in 0..16 {
            for j in 0..16 {
                // SAFETY: the caller vouches for both squares.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) };
            }
        }
    }
}
