//! The kernels: tables built from sums of pairs, the loop of permutations, sums turned back to
//! rows.

use super::{BLOCK, GROUP, GROUPS, LANES, OUTPUTS, PACKED, WIDTH};
use core::arch::{asm, x86_64::*};

/// A slab in the form that tables are built from. Of each group of inputs a, b, c, d, e and each
/// output: the four sums of a and b, those of c and d, and e twice. Outputs stand in the order of
/// interleaving 128-bit lanes: see `place`.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    ab: [[u64; WIDTH]; GROUPS],
    cd: [[u64; WIDTH]; GROUPS],
    ee: [[u32; WIDTH]; GROUPS],
    groups: usize,
    step: f32,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            ab: [[0; WIDTH]; GROUPS],
            cd: [[0; WIDTH]; GROUPS],
            ee: [[0; WIDTH]; GROUPS],
            groups: 0,
            step: 0.0,
        }
    }
}

/// Where output `j` stands among the 64-bit sums: vector `j % 8 / 2`, 128-bit lane `j / 8`, half
/// `j % 2`.
const fn place_sums(j: usize) -> usize {
    j % 8 / 2 * 8 + j / 8 * 2 + j % 2
}

/// Where output `j` stands among the 32-bit pairs: vector `j % 8 / 4`, 128-bit lane `j / 8`,
/// quarter `j % 4`.
const fn place_pairs(j: usize) -> usize {
    j % 8 / 4 * 16 + j / 8 * 4 + j % 4
}

impl Spread {
    /// # Safety
    /// The CPU must have AVX-512 F and BW, and the slab `BLOCK * WIDTH` integers.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn fill(&mut self, slab: &[i16], groups: usize, step: f32) {
        self.groups = groups;
        self.step = step;
        // SAFETY: rows below BLOCK lie in the slab; the stores fill one row of 32 words of 64 or 32
        // bits.
        unsafe {
            let zero = _mm512_setzero_si512();
            for group in 0..groups {
                let row = |k: usize| {
                    let i = group * GROUP + k;
                    if i < BLOCK {
                        _mm512_loadu_si512(slab.as_ptr().add(i * WIDTH).cast())
                    } else {
                        zero
                    }
                };
                let sums = |a: __m512i, b: __m512i, to: *mut u64| {
                    let both = _mm512_add_epi16(a, b);
                    for (half, (x, y)) in [
                        (
                            _mm512_unpacklo_epi16(zero, a),
                            _mm512_unpacklo_epi16(b, both),
                        ),
                        (
                            _mm512_unpackhi_epi16(zero, a),
                            _mm512_unpackhi_epi16(b, both),
                        ),
                    ]
                    .into_iter()
                    .enumerate()
                    {
                        let to = to.add(half * 16);
                        _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi32(x, y));
                        _mm512_storeu_si512(to.add(8).cast(), _mm512_unpackhi_epi32(x, y));
                    }
                };
                sums(row(0), row(1), self.ab[group].as_mut_ptr());
                sums(row(2), row(3), self.cd[group].as_mut_ptr());
                let e = row(4);
                let to = self.ee[group].as_mut_ptr();
                _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi16(e, e));
                _mm512_storeu_si512(to.add(16).cast(), _mm512_unpackhi_epi16(e, e));
            }
        }
    }
}

/// `[group][output]`: lane `i` is the sum of the weights whose bit of `i` is one.
#[repr(C, align(64))]
#[derive(Debug)]
pub(super) struct Tables([[[i16; LANES]; OUTPUTS]; GROUPS]);

impl Default for Tables {
    fn default() -> Self {
        Self([[[0; LANES]; OUTPUTS]; GROUPS])
    }
}

impl Tables {
    /// Tables of outputs `4 quad ..` of the slab.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F and BW.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn build(&mut self, spread: &Spread, quad: usize) {
        // Bytes of the 64-bit word of c and d for lanes i: sum number i / 4 % 4.
        let pattern: [u8; 16] = [0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3];
        // SAFETY: loads and stores of whole local arrays and tables.
        unsafe {
            let low = _mm_loadu_si128(pattern.as_ptr().cast());
            let high = _mm_add_epi8(low, _mm_set1_epi8(4));
            let quarter = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high);
            let pattern = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(quarter), quarter);
            for group in 0..spread.groups {
                for o in 0..OUTPUTS {
                    let j = quad * OUTPUTS + o;
                    let ab = _mm512_set1_epi64(spread.ab[group][place_sums(j)] as i64);
                    let cd = _mm512_set1_epi64(spread.cd[group][place_sums(j)] as i64);
                    let e = _mm512_set1_epi32(spread.ee[group][place_pairs(j)] as i32);
                    let four = _mm512_add_epi16(ab, _mm512_shuffle_epi8(cd, pattern));
                    let five = _mm512_mask_add_epi16(four, 0xFFFF_0000, four, e);
                    _mm512_store_si512(self.0[group][o].as_mut_ptr().cast(), five);
                }
            }
        }
    }

    /// Adds `step *` the looked-up sums to `sums` `[OUTPUTS][rows]`; `indices` are
    /// `[triple][stride]`.
    ///
    /// # Safety
    /// The CPU must have AVX-512 F and BW; rows are a multiple of `LANES` for which there are
    /// indices.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn add(
        &self,
        spread: &Spread,
        indices: &[u16],
        stride: usize,
        sums: &mut [f32],
    ) {
        let &Spread { groups, step, .. } = spread;
        let rows = sums.len() / OUTPUTS;
        let mut row = 0;
        // SAFETY: the caller's indices and sums.
        unsafe {
            while row < rows {
                let from = indices.as_ptr().add(row);
                let to = sums.as_mut_ptr().add(row);
                match (rows - row) / LANES {
                    1 => self.add_vectors::<1>(groups, from, stride, step, to, rows),
                    2 => self.add_vectors::<2>(groups, from, stride, step, to, rows),
                    3 => self.add_vectors::<3>(groups, from, stride, step, to, rows),
                    _ => self.add_vectors::<4>(groups, from, stride, step, to, rows),
                }
                row += 4 * LANES;
            }
        }
    }

    /// The same for `N` vectors of rows.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn add_vectors<const N: usize>(
        &self,
        groups: usize,
        indices: *const u16,
        stride: usize,
        step: f32,
        sums: *mut f32,
        rows: usize,
    ) {
        // SAFETY: the caller's; a triple of groups is within the tables as far as `groups` goes.
        unsafe {
            let mut acc = [[_mm512_setzero_si512(); OUTPUTS]; N];
            let whole = groups / PACKED;
            if N == 4 {
                self.look_up_triples(whole, indices, stride, acc.as_flattened_mut());
            } else {
                for triple in 0..whole {
                    let mut index: [__m512i; N] = std::array::from_fn(|n| {
                        _mm512_loadu_si512(indices.add(triple * stride + n * LANES).cast())
                    });
                    for k in 0..PACKED {
                        self.look_up(triple * PACKED + k, &index, &mut acc);
                        index = index.map(|x| _mm512_srli_epi16::<{ GROUP as u32 }>(x));
                    }
                }
            }
            if whole * PACKED < groups {
                let mut index: [__m512i; N] = std::array::from_fn(|n| {
                    _mm512_loadu_si512(indices.add(whole * stride + n * LANES).cast())
                });
                for group in whole * PACKED..groups {
                    self.look_up(group, &index, &mut acc);
                    index = index.map(|x| _mm512_srli_epi16::<{ GROUP as u32 }>(x));
                }
            }
            let step = _mm512_set1_ps(step);
            // Even lanes, then odd ones, as 32 bits.
            let halves = [_mm512_set1_epi32(1), _mm512_set1_epi32(1 << 16)];
            for (n, acc) in acc.iter().enumerate() {
                for (o, &acc) in acc.iter().enumerate() {
                    for (half, &one) in halves.iter().enumerate() {
                        let x = _mm512_cvtepi32_ps(_mm512_madd_epi16(acc, one));
                        let to = sums.add(o * rows + n * LANES + half * 16);
                        let step_x = _mm512_mul_ps(x, step);
                        _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), step_x));
                    }
                }
            }
        }
    }

    /// Whole triples for four vectors of rows: the inner loop, in assembler because compilers spill
    /// its registers and make shifts, which wait for the same ports as permutations, of its
    /// multiplications.
    #[expect(
        clippy::too_many_lines,
        reason = "one loop, whose registers are named once for all its instructions"
    )]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn look_up_triples(
        &self,
        triples: usize,
        indices: *const u16,
        stride: usize,
        acc: &mut [__m512i],
    ) {
        /// One vector of rows (`index`) through the four tables in zmm16..19.
        macro_rules! rows {
            ($index:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
                concat!(
                    "vpermw zmm24, ",
                    $index,
                    ", zmm16\n",
                    "vpermw zmm25, ",
                    $index,
                    ", zmm17\n",
                    "vpermw zmm26, ",
                    $index,
                    ", zmm18\n",
                    "vpermw zmm27, ",
                    $index,
                    ", zmm19\n",
                    "vpaddw ",
                    $a,
                    ", ",
                    $a,
                    ", zmm24\n",
                    "vpaddw ",
                    $b,
                    ", ",
                    $b,
                    ", zmm25\n",
                    "vpaddw ",
                    $c,
                    ", ",
                    $c,
                    ", zmm26\n",
                    "vpaddw ",
                    $d,
                    ", ",
                    $d,
                    ", zmm27\n",
                )
            };
        }
        /// The tables of group `$at / 256` of the triple, for all rows.
        macro_rules! group {
            ($at:literal) => {
                concat!(
                    "vmovdqa64 zmm16, [{tables} + ",
                    $at,
                    "]\n",
                    "vmovdqa64 zmm17, [{tables} + ",
                    $at,
                    " + 64]\n",
                    "vmovdqa64 zmm18, [{tables} + ",
                    $at,
                    " + 128]\n",
                    "vmovdqa64 zmm19, [{tables} + ",
                    $at,
                    " + 192]\n",
                    rows!("zmm20", "zmm0", "zmm1", "zmm2", "zmm3"),
                    rows!("zmm21", "zmm4", "zmm5", "zmm6", "zmm7"),
                    rows!("zmm22", "zmm8", "zmm9", "zmm10", "zmm11"),
                    rows!("zmm23", "zmm12", "zmm13", "zmm14", "zmm15"),
                )
            };
        }
        /// `x >> 5` as the upper half of a product.
        macro_rules! shift {
            () => {
                "vpmulhuw zmm20, zmm20, zmm28
                 vpmulhuw zmm21, zmm21, zmm28
                 vpmulhuw zmm22, zmm22, zmm28
                 vpmulhuw zmm23, zmm23, zmm28"
            };
        }
        const { assert!(OUTPUTS == 4 && LANES == 32 && PACKED == 3 && GROUP == 5) };
        assert!(triples * PACKED <= GROUPS && acc.len() == 4 * OUTPUTS);
        if triples == 0 {
            return;
        }
        let mut a: [__m512i; 16] = std::array::from_fn(|k| acc[k]);
        // SAFETY: the caller's indices; the assert covers the tables.
        unsafe {
            asm!(
                "2:",
                "vmovdqu64 zmm20, [{indices}]",
                "vmovdqu64 zmm21, [{indices} + 64]",
                "vmovdqu64 zmm22, [{indices} + 128]",
                "vmovdqu64 zmm23, [{indices} + 192]",
                group!("0"),
                shift!(),
                group!("256"),
                shift!(),
                group!("512"),
                "add {tables}, 768",
                "add {indices}, {stride}",
                "dec {triples}",
                "jnz 2b",
                tables = inout(reg) self.0.as_ptr() => _,
                indices = inout(reg) indices => _,
                stride = in(reg) stride * size_of::<u16>(),
                triples = inout(reg) triples => _,
                inout("zmm0") a[0], inout("zmm1") a[1], inout("zmm2") a[2], inout("zmm3") a[3],
                inout("zmm4") a[4], inout("zmm5") a[5], inout("zmm6") a[6], inout("zmm7") a[7],
                inout("zmm8") a[8], inout("zmm9") a[9], inout("zmm10") a[10], inout("zmm11") a[11],
                inout("zmm12") a[12], inout("zmm13") a[13], inout("zmm14") a[14], inout("zmm15") a[15],
                out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _,
                out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
                out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _,
                in("zmm28") _mm512_set1_epi16(1 << (16 - GROUP)),
                options(nostack, readonly),
            );
        }
        acc.copy_from_slice(&a);
    }

    /// One group's tables.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn look_up<const N: usize>(
        &self,
        group: usize,
        index: &[__m512i; N],
        acc: &mut [[__m512i; OUTPUTS]; N],
    ) {
        // SAFETY: the caller's group is below GROUPS.
        unsafe {
            let tables = self.0.get_unchecked(group);
            let tables: [__m512i; OUTPUTS] =
                std::array::from_fn(|o| _mm512_load_si512(tables[o].as_ptr().cast()));
            for n in 0..N {
                for o in 0..OUTPUTS {
                    let x = _mm512_permutexvar_epi16(index[n], tables[o]);
                    acc[n][o] = _mm512_add_epi16(acc[n][o], x);
                }
            }
        }
    }
}
