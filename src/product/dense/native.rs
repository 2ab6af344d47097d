//! The native dense product: one strip of B packed at a time, A broadcast from where it lies, C in
//! registers.
//!
//! ```text
//! for block of K_BLOCK rows of B           (B's strip stays in L1)
//!   for strip of 2 vectors of columns      pack: [k][2 vectors], transposing a column-major B
//!     for block of GEMM_ROWS rows of A     micro: rows x 2 accumulators, one pass over k
//! ```
//!
//! After G. Goto and R. van de Geijn, Anatomy of high-performance matrix multiplication, ACM TOMS
//! 34(3), 2008, without the packing of A: states are few rows, and a broadcast reads a float from
//! any stride.

use super::operand::Operand;
use crate::{
    matrix::{Aligned, aligned},
    simd::{Operation, Simd, dispatch},
};
use std::cell::RefCell;

/// Rows of B that are packed at a time: with 32 columns, 32 KiB.
const K_BLOCK: usize = 256;
/// Most columns of a strip: two vectors of 16.
const MAX_STRIP: usize = 32;

thread_local! {
    static STRIP: RefCell<Aligned<f32>> = RefCell::new(aligned(K_BLOCK * MAX_STRIP, 0.0));
}

/// Makes this thread's strip.
pub(in crate::product) fn warm_up() {
    STRIP.with_borrow(|_| ());
}

struct Multiply<'a> {
    alpha: f32,
    a: Operand<'a>,
    b: Operand<'a>,
    c: &'a mut [f32],
    stride: usize,
    strip: &'a mut [f32],
}

/// `C += alpha A B`; bounds are checked by the caller.
pub(super) fn multiply(alpha: f32, a: Operand<'_>, b: Operand<'_>, c: &mut [f32], stride: usize) {
    STRIP.with_borrow_mut(|strip| {
        dispatch(Multiply {
            alpha,
            a,
            b,
            c,
            stride,
            strip,
        })
    });
}

impl Operation for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            alpha,
            a,
            b,
            c,
            stride,
            strip,
        } = self;
        let width = 2 * S::LANES;
        let mut k0 = 0;
        while k0 < a.columns {
            let depth = (a.columns - k0).min(K_BLOCK);
            for j0 in (0..b.columns).step_by(width) {
                let columns = (b.columns - j0).min(width);
                pack(s, alpha, b, k0, depth, j0, columns, strip);
                let mut i0 = 0;
                while i0 < a.rows {
                    let rows = (a.rows - i0).min(S::GEMM_ROWS);
                    let mut tile = RegisterTile {
                        // SAFETY: row i0 and column k0 exist in A, whose elements lie in its slice.
                        a: unsafe {
                            a.data
                                .as_ptr()
                                .add(i0 * a.row_stride + k0 * a.column_stride)
                        },
                        row_stride: a.row_stride,
                        column_stride: a.column_stride,
                        depth,
                        b: strip,
                        c: &mut c[i0 * stride + j0..],
                        stride,
                        columns,
                    };
                    macro_rules! by_rows {
                        ($($m:literal)*) => {
                            match rows {
                                $($m => tile.micro::<S, $m>(s),)*
                                _ => unreachable!("at most twelve rows"),
                            }
                        };
                    }
                    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12);
                    i0 += rows;
                }
            }
            k0 += depth;
        }
    }
}

/// Copies `alpha * B[k0..][j0..]` into `strip` as `[depth][width]`, zeros beyond `columns`.
#[inline(always)]
#[allow(
    clippy::too_many_arguments,
    reason = "the corner of a matrix and its copy"
)]
fn pack<S: Simd>(
    s: S,
    alpha: f32,
    b: Operand<'_>,
    k0: usize,
    depth: usize,
    j0: usize,
    columns: usize,
    strip: &mut [f32],
) {
    let width = 2 * S::LANES;
    let strip = &mut strip[..depth * width];
    if b.column_stride == 1 {
        for (k, to) in strip.chunks_exact_mut(width).enumerate() {
            let from = &b.data[(k0 + k) * b.row_stride + j0..][..columns];
            if columns == width {
                to.copy_from_slice(from);
            } else {
                to[..columns].copy_from_slice(from);
                to[columns..].fill(0.0);
            }
        }
    } else {
        // B' is row-major: squares are transposed in registers, edges one by one.
        let at = |k: usize, j: usize| (k0 + k) + (j0 + j) * b.column_stride;
        let square_depth = depth / S::LANES * S::LANES;
        for j in (0..width).step_by(S::LANES) {
            let full = j + S::LANES <= columns;
            if full {
                for k in (0..square_depth).step_by(S::LANES) {
                    let from = &b.data[at(k, j)..];
                    assert!(from.len() >= (S::LANES - 1) * b.column_stride + S::LANES);
                    // SAFETY: the assert covers the LANES rows read; the strip holds LANES rows of
                    // `width` from k.
                    unsafe {
                        s.transpose(
                            from.as_ptr(),
                            b.column_stride,
                            strip[k * width + j..].as_mut_ptr(),
                            width,
                        );
                    }
                }
            }
            for k in (if full { square_depth } else { 0 })..depth {
                for l in 0..S::LANES {
                    strip[k * width + j + l] = if j + l < columns {
                        b.data[at(k, j + l)]
                    } else {
                        0.0
                    };
                }
            }
        }
    }
    if alpha != 1.0 {
        for x in strip {
            *x *= alpha;
        }
    }
}

/// The operands of one register tile.
struct RegisterTile<'a> {
    a: *const f32,
    row_stride: usize,
    column_stride: usize,
    depth: usize,
    b: &'a [f32],
    c: &'a mut [f32],
    stride: usize,
    columns: usize,
}

impl RegisterTile<'_> {
    /// `C[M x columns] += A[M x depth] strip`.
    #[inline(always)]
    fn micro<S: Simd, const M: usize>(&mut self, s: S) {
        // Taller tiles than the registers hold are never asked for; do not compile them.
        if M > S::GEMM_ROWS {
            return;
        }
        let width = 2 * S::LANES;
        assert!(self.b.len() >= self.depth * width);
        assert!(self.c.len() >= (M - 1) * self.stride + self.columns && self.columns <= width);
        let mut sum = [[s.splat(0.0); 2]; M];
        for k in 0..self.depth {
            // SAFETY: the strip holds `depth` rows of two vectors; row m < M and column k < depth
            // exist in A.
            unsafe {
                let b = self.b.as_ptr().add(k * width);
                let b = [s.load_ptr(b), s.load_ptr(b.add(S::LANES))];
                let a = self.a.add(k * self.column_stride);
                for (m, sum) in sum.iter_mut().enumerate() {
                    let a = s.splat(*a.add(m * self.row_stride));
                    sum[0] = s.mul_add_fast(a, b[0], sum[0]);
                    sum[1] = s.mul_add_fast(a, b[1], sum[1]);
                }
            }
        }
        for (m, sum) in sum.iter().enumerate() {
            let c = &mut self.c[m * self.stride..][..self.columns];
            if self.columns == width {
                for (v, &sum) in sum.iter().enumerate() {
                    let c = &mut c[v * S::LANES..];
                    let total = s.add(s.load(c), sum);
                    s.store(c, total);
                }
            } else {
                let mut buffer = [0.0; MAX_STRIP];
                s.store(&mut buffer, sum[0]);
                s.store(&mut buffer[S::LANES..], sum[1]);
                for (c, x) in c.iter_mut().zip(buffer) {
                    *c += x;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rng::HostRng,
        simd::{Isa, bits_of, dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    /// Of a kind of left operand, the product by each instruction set of `sets`.
    fn product(isa: Isa, a: &[f32], b: &[f32], (m, n, k): (usize, usize, usize)) -> Vec<u32> {
        let mut strip = aligned(K_BLOCK * MAX_STRIP, 0.0);
        let mut c = vec![0.25; m * n];
        let job = Multiply {
            alpha: -0.3,
            a: Operand::row_major(a, m, k, k),
            b: Operand::row_major(b, n, k, k).transposed(),
            c: &mut c,
            stride: n,
            strip: &mut strip,
        };
        dispatch_on(isa, job);
        bits_of(&c)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// Zeros and ones on the left: all sets. Anything: those that multiply and add at once.
        #[test]
        fn products_are_the_same_on_every_set(
            m in 1_usize..30,
            n in 1_usize..70,
            k in prop::sample::select(vec![1_usize, 7, 16, 100, 255, 256, 257, 600]),
            seed in any::<u64>(),
        ) {
            let mut rng = HostRng::numbered(seed, 75);
            let mut normal = |n| (0..n).map(|_| rng.normal() as f32).collect::<Vec<_>>();
            let (a, b) = (normal(m * k), normal(n * k));
            let ones: Vec<f32> = a.iter().map(|&x| f32::from(x > 0.3)).collect();
            same_on_all(|isa| product(isa, &ones, &b, (m, n, k)));
            let fused = Isa::available().filter(|&isa| isa != Isa::Portable);
            let all: Vec<_> = fused.map(|isa| product(isa, &a, &b, (m, n, k))).collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
