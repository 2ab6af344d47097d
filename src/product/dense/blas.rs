//! The CBLAS provider.

extern crate blas_src as _; // links the implementation

use super::operand::Operand;
use cblas::{Layout, Transpose};

/// How CBLAS names an operand: transposed or not, and the stride that is not 1.
fn layout(x: Operand<'_>) -> (Transpose, i32) {
    let (transpose, stride, least) = if x.column_stride == 1 {
        (Transpose::None, x.row_stride, x.columns)
    } else {
        (Transpose::Ordinary, x.column_stride, x.rows)
    };
    let stride = stride.max(least).max(1);
    (
        transpose,
        i32::try_from(stride).expect("strides below 2^31"),
    )
}

/// `C += alpha A B`; bounds are checked by the caller.
pub(super) fn multiply(alpha: f32, a: Operand<'_>, b: Operand<'_>, c: &mut [f32], stride: usize) {
    let size = |n: usize| i32::try_from(n).expect("sizes below 2^31");
    let ((ta, lda), (tb, ldb)) = (layout(a), layout(b));
    // SAFETY: the caller has checked that operands and C lie inside their slices.
    unsafe {
        cblas::sgemm(
            Layout::RowMajor,
            ta,
            tb,
            size(a.rows),
            size(b.columns),
            size(a.columns),
            alpha,
            a.data,
            lda,
            b.data,
            ldb,
            1.0,
            c,
            size(stride),
        );
    }
}
