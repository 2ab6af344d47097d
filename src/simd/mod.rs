//! The vector operations that the kernels use, one file an instruction set, chosen at run time.
//!
//! A token (a value of a type that implements `Simd`) proves that the CPU has the instruction set,
//! so kernels written over `S: Simd` are safe functions. `dispatch` picks the token once an
//! operation:
//!
//! ```text
//! dispatch(op) -> isa() -> Avx512.vectorize(op)   x86-64 with AVX-512 F, BW, DQ, VL
//!                          Avx2.vectorize(op)     x86-64 with AVX2 and FMA
//!                          Portable.vectorize(op) anything, through the crate `wide`
//! ```
//!
//! `HARMONIUM_ISA=portable|avx2|avx512` or [`set_isa`] forces one. `HARMONIUM_REQUIRE_ISA` makes
//! the test-suite fail where it could not run on that instruction set.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod portable;

use crate::{
    choice::{Choice, Chosen},
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An instruction set for which the kernels are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Whatever the compiler's target has, through `wide`.
    Portable,
    /// AVX2 with FMA: 8 floats.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: 16 floats.
    Avx512,
}

impl Isa {
    /// Every instruction set, slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The name used in `HARMONIUM_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this CPU has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::Avx2::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::Avx512::new().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// How it multiplies and adds: all that its bits depend on.
    pub fn multiply_add(self) -> MultiplyAdd {
        match self {
            Self::Portable if !portable::IS_FUSED => MultiplyAdd::Separate,
            _ => MultiplyAdd::Fused,
        }
    }

    /// Those that this CPU has, slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The instruction set that `HARMONIUM_ISA` asks for, or the best that the CPU has.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an unknown name or an instruction set that the CPU lacks.
    pub fn from_environment() -> Result<Self> {
        Self::of_environment()
    }
}

/// How often a multiply-add of the dense product is rounded. Instruction sets of one kind give the
/// same bits in everything. Those of different kinds do too, but for dense products of which
/// neither side is zeros and ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MultiplyAdd {
    /// Once: AVX2 and AVX-512; the portable set where the compiler's target has the instruction.
    Fused,
    /// The product, then the sum: the portable set elsewhere.
    Separate,
}

impl fmt::Display for MultiplyAdd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fused => "fused",
            Self::Separate => "separate",
        })
    }
}

impl Chosen for Isa {
    const VARIABLE: &'static str = "HARMONIUM_ISA";
    const CHOICES: &'static [Self] = &Self::ALL;

    fn default_here() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    fn expect_here(self, what: &str) -> Result<()> {
        if self.is_available() {
            return Ok(());
        }
        let have: Vec<_> = Self::available().map(Self::name).collect();
        let expected = format!("an instruction set of this CPU ({})", have.join(", "));
        Err(Error::parameter(what, expected, self))
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| Error::parameter(Self::VARIABLE, "portable, avx2 or avx512", name))
    }
}

static ISA: Choice<Isa> = Choice::new();

/// The instruction set in use in this process: what [`set_isa`] chose last, else that of
/// [`Isa::from_environment`], else (a value that [`crate::environment::check`] refuses) the best
/// that the CPU has.
pub fn isa() -> Isa {
    ISA.get()
}

/// Uses `isa` in this process from now on, whatever `HARMONIUM_ISA` says.
///
/// AVX2 and AVX-512 give the same bits. The portable set rounds multiply-adds of the dense product
/// differently ([`Isa::multiply_add`]), so there the same seed may give other bits: choose the set
/// before the first work. A change while other threads compute is safe; each operation ends with
/// the set that it began with.
///
/// # Errors
/// [`Error::Parameter`] for a set that the CPU lacks.
pub fn set_isa(isa: Isa) -> Result<()> {
    isa.expect_here("instruction set")?;
    ISA.set(isa);
    Ok(())
}

/// Something to compute with vectors. `run` and all that it calls must be `#[inline(always)]`, so
/// that the whole operation is compiled for the instruction set of the token.
pub(crate) trait Operation {
    /// What it returns.
    type Output;
    /// Computes with the vectors of `simd`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs `op` with the instruction set in use.
pub(crate) fn dispatch<Op: Operation>(op: Op) -> Op::Output {
    dispatch_on(isa(), op)
}

/// Runs `op` with `isa`, which the CPU must have.
pub(crate) fn dispatch_on<Op: Operation>(isa: Isa, op: Op) -> Op::Output {
    match isa {
        Isa::Portable => portable::Portable.vectorize(op),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::Avx2::new().expect("AVX2").vectorize(op),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::Avx512::new().expect("AVX-512").vectorize(op),
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("an x86 instruction set on another CPU"),
    }
}

/// Sums over the lanes of vectors are defined as sums over so many lanes, in order: an instruction
/// set with fewer has several vectors of them.
pub(crate) const SUM_LANES: usize = 16;

/// The first `lanes` lanes of as many vectors of `x` as that takes, added to `sum` in order.
#[inline(always)]
pub(crate) fn add_lanes<S: Simd>(s: S, sum: f64, x: &[S::F], lanes: usize) -> f64 {
    let mut buffer = [0.0; SUM_LANES];
    let lanes = lanes.min(SUM_LANES).min(x.len() * S::LANES);
    for (to, x) in buffer.chunks_exact_mut(S::LANES).zip(x) {
        s.store(to, *x);
    }
    let all = buffer[..lanes].iter();
    all.fold(sum, |sum, &x| sum + f64::from(x))
}

/// By `n mod 8`, twice: the bits of `2^(n / 8)` for `n` of 0 to 7, less `n` shifted to where a
/// float has eighths of powers of two.
const EIGHTHS: [u32; 16] = {
    // The bits of 2^(k / 8), rounded.
    let powers = [
        0x3F80_0000,
        0x3F8B_95C2,
        0x3F98_37F0,
        0x3FA5_FED7,
        0x3FB5_04F3,
        0x3FC5_672A,
        0x3FD7_44FD,
        0x3FEA_C0C7,
    ];
    let mut out = [0; 16];
    let mut k = 0;
    while k < 16 {
        out[k] = powers[k % 8] - ((k as u32 % 8) << EIGHTHS_AT);
        k += 1;
    }
    out
};
/// The lowest bit of the exponent stands at 23, so eighths begin three bits below.
const EIGHTHS_AT: u32 = 20;

/// Vector operations. `F` holds `LANES` floats; `I` is the same register seen as `LANES` 32-bit or
/// `LANES / 2` 64-bit integers.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// Floats in a vector.
    const LANES: usize;
    /// Rows of the register tile of the dense product.
    const GEMM_ROWS: usize;
    /// `LANES` floats.
    type F: Copy;
    /// The register as integers.
    type I: Copy;
    /// `2 * LANES` 16-bit integers.
    type W: Copy;
    /// `LANES / 2` doubles.
    type D: Copy;
    /// Which byte of a 32-bit lane.
    type Pick: Copy;
    /// Which of `4 * LANES` bytes.
    type M: Copy;

    /// Calls `op.run(self)` compiled for this instruction set.
    fn vectorize<Op: Operation>(self, op: Op) -> Op::Output;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// The first `LANES` floats of `x`.
    fn load(self, x: &[f32]) -> Self::F;
    /// Writes the first `LANES` floats of `to`.
    fn store(self, to: &mut [f32], x: Self::F);
    /// Writes the first lanes to all of `to`, at most `LANES` of them.
    #[inline(always)]
    fn store_first(self, to: &mut [f32], x: Self::F) {
        let mut buffer = [0.0; 16];
        self.store(&mut buffer, x);
        let all = to.iter_mut().zip(buffer);
        all.for_each(|(to, x)| *to = x);
    }
    /// `LANES` floats at `x`.
    ///
    /// # Safety
    /// `x` must be readable for `LANES` floats.
    unsafe fn load_ptr(self, x: *const f32) -> Self::F;
    /// `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`.
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c` with one rounding; slow where the CPU has no such instruction.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a * b + c`, with one rounding where the CPU can, else with two: the only operation whose
    /// bits depend on the instruction set. For the dense product alone.
    fn mul_add_fast(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The lesser lanes.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The greater lanes.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `2^(n / 8)`, rounded, of the integer `n` from -1008 to 1016 in the lowest twelve bits of
    /// each lane: an [`EIGHTHS`] with `n` added to its exponent and what follows it.
    fn exp2_eighths(self, n: Self::F) -> Self::F;
    /// Bit `k` tells whether lane `k` of `a` is less than that of `b`.
    fn less(self, a: Self::F, b: Self::F) -> u32;
    /// Bits 0 .. 16 of `even` and of `odd` in turns.
    #[inline(always)]
    fn interleave_bits(self, even: u32, odd: u32) -> u32 {
        let spread = |x: u32| {
            let x = (x | x << 8) & 0x00FF_00FF;
            let x = (x | x << 4) & 0x0F0F_0F0F;
            let x = (x | x << 2) & 0x3333_3333;
            (x | x << 1) & 0x5555_5555
        };
        spread(even) | spread(odd) << 1
    }
    /// Lane `k` is 1 where bit `k` of `mask` is one, else 0.
    fn expand(self, mask: u32) -> Self::F;

    /// `y + a` where the bits of `mask` are ones, else `y`.
    fn add_where(self, y: Self::F, mask: u32, a: Self::F) -> Self::F;

    /// The first `4 * LANES` bits, a byte each.
    fn byte_mask(self, bits: u64) -> Self::M;
    /// `x + y` in the bytes of the mask, else `x`.
    fn add_bytes_where(self, x: Self::I, mask: Self::M, y: u8) -> Self::I;
    /// `on` in the bytes of the mask, else `off`.
    fn blend_bytes(self, mask: Self::M, off: Self::I, on: Self::I) -> Self::I;
    /// Bytes of the first 16 of `table` at indices below 16.
    fn look_up_16(self, table: &[u8], index: Self::I) -> Self::I;
    /// Bit `k` tells whether byte `k` of `a` is less than that of `b`.
    fn less_bytes(self, a: Self::I, b: Self::I) -> u64;
    /// Bit `k` tells whether byte `k` of `a` is that of `b`.
    fn equal_bytes(self, a: Self::I, b: Self::I) -> u64;

    /// `LANES` integers at `x`.
    ///
    /// # Safety
    /// `x` must be readable for `LANES` integers.
    unsafe fn load_u32(self, x: *const u32) -> Self::I;
    /// Writes the first `LANES` integers of `to`.
    fn store_u32(self, to: &mut [u32], x: Self::I);
    /// 32-bit lanes, `bits` changed where the bits of `mask` are ones.
    fn xor_where(self, x: Self::I, mask: u32, bits: u32) -> Self::I;
    /// 32-bit lanes, shifted to lower bits.
    fn shift_down(self, x: Self::I, by: u32) -> Self::I;
    /// Of the 32 floats of the first `32 / LANES` vectors of the table those that the lowest five
    /// bits of the 32-bit lanes name.
    fn look_up_32(self, table: &[Self::F; 4], index: Self::I) -> Self::F;

    /// All 64-bit lanes `x`.
    fn splat_u64(self, x: u64) -> Self::I;
    /// The first `LANES / 2` of `x`.
    fn load_u64(self, x: &[u64]) -> Self::I;
    /// Products of the low halves of the 64-bit lanes.
    fn mul_u32(self, a: Self::I, b: Self::I) -> Self::I;
    /// Sums of 64-bit lanes.
    fn add_u64(self, a: Self::I, b: Self::I) -> Self::I;
    /// Exclusive or.
    fn xor(self, a: Self::I, b: Self::I) -> Self::I;
    /// The upper half of each 64-bit lane, in the lower half.
    fn upper_half(self, a: Self::I) -> Self::I;
    /// Lower halves of `a` in the lower, lower halves of `b` in the upper halves of 64-bit lanes.
    fn pair(self, a: Self::I, b: Self::I) -> Self::I;
    /// Per 128 bits, the lower 64-bit lane of `a`, then that of `b`.
    fn interleave_lower(self, a: Self::I, b: Self::I) -> Self::I;
    /// Per 128 bits, the upper 64-bit lane of `a`, then that of `b`.
    fn interleave_upper(self, a: Self::I, b: Self::I) -> Self::I;
    /// What [`Self::picked_byte`] takes to pick byte `k` of 4, the lowest being 0.
    fn pick(self, k: u32) -> Self::Pick;
    /// The picked byte of each 32-bit lane as a float.
    fn picked_byte(self, x: Self::I, pick: Self::Pick) -> Self::F;
    /// All `4 * LANES` bytes as floats, in order.
    fn widen_bytes(self, x: Self::I) -> [Self::F; 4];
    /// In either half of the bytes, the even ones before the odd ones.
    fn even_bytes_first(self, x: Self::I) -> Self::I;

    /// `2 * LANES` 16-bit integers at `x`.
    ///
    /// # Safety
    /// `x` must be readable for `2 * LANES` integers.
    unsafe fn load_words(self, x: *const i16) -> Self::W;
    /// Writes `2 * LANES` 16-bit integers at `to`.
    ///
    /// # Safety
    /// `to` must be writable for `2 * LANES` integers.
    unsafe fn store_words(self, to: *mut i16, x: Self::W);
    /// Sums of 16-bit lanes, wrapping.
    fn add_words(self, a: Self::W, b: Self::W) -> Self::W;
    /// The register as 16-bit integers.
    fn as_words(self, x: Self::I) -> Self::W;
    /// All 16-bit lanes `x`.
    fn splat_words(self, x: i16) -> Self::W;
    /// Sums of 16-bit lanes, or the nearest number that a lane holds.
    fn add_words_saturating(self, a: Self::W, b: Self::W) -> Self::W;
    /// `x + y` in the 16-bit lanes where the bits of `mask` are ones, else `x`.
    fn add_words_where(self, x: Self::W, mask: u32, y: Self::W) -> Self::W;
    /// `a b / 2^15` of 16-bit lanes, rounded, halves up; not both -2^15.
    fn mul_words(self, a: Self::W, b: Self::W) -> Self::W;
    /// 16-bit lanes, shifted to lower bits; zeros come in.
    fn shift_words_down(self, x: Self::W, by: u32) -> Self::W;
    /// 16-bit lanes, shifted to upper bits.
    fn shift_words_up(self, x: Self::W, by: u32) -> Self::W;
    /// Of the 32 integers of the first `16 / LANES` vectors of the table those that the lowest five
    /// bits of the 16-bit lanes name.
    #[inline(always)]
    fn look_up_words(self, table: &[Self::W; 2], index: Self::W) -> Self::W {
        // One by one, where no instruction does it.
        let [mut all, mut of] = [[0_i16; 64]; 2];
        // SAFETY: two vectors are at most 64 integers.
        unsafe {
            self.store_words(all.as_mut_ptr(), table[0]);
            self.store_words(all.as_mut_ptr().add(2 * Self::LANES), table[1]);
            self.store_words(of.as_mut_ptr(), index);
            let found = of.map(|k| all[k as usize & 31]);
            self.load_words(found.as_ptr())
        }
    }
    /// The upper bytes of 16-bit lanes, those of `even` in even bytes and of `odd` in odd ones.
    fn upper_bytes(self, even: Self::W, odd: Self::W) -> Self::I;
    /// 16-bit lanes as floats, in order.
    fn widen(self, x: Self::W) -> [Self::F; 2];
    /// Floats of magnitude below 2^15, rounded to the nearest integer, ties to even.
    fn narrow(self, x: [Self::F; 2]) -> Self::W;
    /// 16-bit lanes of `a` and of `b` in turns.
    fn interleave_words(self, a: Self::W, b: Self::W) -> [Self::W; 2];
    /// All pairs of 16-bit lanes the lower and the upper half of `pair`.
    fn splat_pair(self, pair: u32) -> Self::W;
    /// 32-bit lanes `sum + a0 b0 + a1 b1` of the pairs of signed 16-bit lanes of `a` and `b`, of
    /// which not all four are `-2^15`; wrapping.
    fn add_pairs(self, sum: Self::I, a: Self::W, b: Self::W) -> Self::I;
    /// Signed 32-bit lanes as floats, rounded.
    fn integers_to_floats(self, x: Self::I) -> Self::F;

    /// All lanes `x`.
    fn splat_f64(self, x: f64) -> Self::D;
    /// The first `LANES / 2` doubles of `x`.
    fn load_f64(self, x: &[f64]) -> Self::D;
    /// Writes the first `LANES / 2` doubles of `to`.
    fn store_f64(self, to: &mut [f64], x: Self::D);
    /// `a + b`.
    fn add_f64(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a * b`.
    fn mul_f64(self, a: Self::D, b: Self::D) -> Self::D;

    /// Writes the transpose of the `LANES x LANES` floats at `from` (rows `from_stride` apart) to
    /// `to` (rows `to_stride` apart).
    ///
    /// # Safety
    /// `LANES` rows of `LANES` floats must be readable at `from` and writable at `to`.
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);
    /// Writes the transpose of the `2 LANES x 2 LANES` 16-bit integers at `from` (rows
    /// `from_stride` apart) to `to` (rows `to_stride` apart).
    ///
    /// # Safety
    /// `2 * LANES` rows of `2 * LANES` integers must be readable at `from` and writable at `to`.
    unsafe fn transpose_words(
        self,
        from: *const i16,
        from_stride: usize,
        to: *mut i16,
        to_stride: usize,
    );
}

/// What `compute` gives, which must be the same on every instruction set of this CPU.
#[cfg(test)]
pub(crate) fn same_on_all<T: PartialEq + fmt::Debug>(compute: impl Fn(Isa) -> T) -> T {
    let first = compute(Isa::Portable);
    for isa in Isa::available() {
        assert_eq!(compute(isa), first, "{isa}, and portable");
    }
    first
}

/// Floats by their bits, so that zeros of either sign differ and NaN equals itself.
#[cfg(test)]
pub(crate) fn bits_of(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[cfg(test)]
mod tests;
