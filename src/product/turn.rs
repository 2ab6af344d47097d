//! Weights turned over, for the way down through a small connection: then both ways add rows of
//! weights. Squares of vectors are turned in registers; edges go through a square of zeros.

use crate::{
    matrix::Matrix,
    simd::{Operation, Simd, dispatch},
};

/// The most lanes of a vector.
const MOST_LANES: usize = 16;

/// `to <- from'`, without an allocation where the memory suffices.
pub(super) fn turn(from: &Matrix, to: &mut Matrix) {
    to.reset(from.columns(), from.rows());
    dispatch(Turn { from, to });
}

struct Turn<'a> {
    from: &'a Matrix,
    to: &'a mut Matrix,
}

impl Operation for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let lanes = S::LANES;
        let (n, m) = (self.from.rows(), self.from.columns());
        let [from_stride, to_stride] = [self.from.stride(), self.to.stride()];
        let (from, to) = (self.from.padded(), self.to.padded_mut());
        for i in (0..n).step_by(lanes) {
            for j in (0..m).step_by(lanes) {
                let [rows, columns] = [(n - i).min(lanes), (m - j).min(lanes)];
                let (source, target) = (&from[i * from_stride + j..], j * to_stride + i);
                if rows == lanes && columns == lanes {
                    let target = &mut to[target..];
                    assert!(source.len() >= (lanes - 1) * from_stride + lanes);
                    assert!(target.len() >= (lanes - 1) * to_stride + lanes);
                    // SAFETY: the asserts cover the rows of both squares.
                    unsafe {
                        s.transpose(source.as_ptr(), from_stride, target.as_mut_ptr(), to_stride);
                    }
                    continue;
                }
                let mut square = [[0.0_f32; MOST_LANES]; MOST_LANES];
                let mut turned = square;
                for (to, from) in square.iter_mut().zip(source.chunks(from_stride)).take(rows) {
                    to[..lanes].copy_from_slice(&from[..lanes]);
                }
                let (a, b) = (square.as_ptr().cast(), turned.as_mut_ptr().cast());
                // SAFETY: both squares hold as many rows of as many floats as a vector has lanes.
                unsafe { s.transpose(a, MOST_LANES, b, MOST_LANES) };
                for (k, row) in turned.iter().enumerate().take(columns) {
                    to[target + k * to_stride..][..lanes].copy_from_slice(&row[..lanes]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, dispatch_on};
    use proptest::prelude::*;

    proptest! {
        /// The plain transpose, and zeros beyond its columns.
        #[test]
        fn turned_weights_are_the_transpose(n in 1_usize..70, m in 1_usize..70) {
            let from = Matrix::from_fn(n, m, |i, j| (1 + i * m + j) as f32);
            for isa in Isa::available() {
                let mut to = Matrix::zeros(m, n);
                dispatch_on(isa, Turn { from: &from, to: &mut to });
                prop_assert_eq!(&to, &from.transposed(), "{}", isa);
                for row in to.padded().chunks(to.stride()) {
                    prop_assert!(row[n..].iter().all(|&x| x == 0.0));
                }
            }
        }
    }
}
