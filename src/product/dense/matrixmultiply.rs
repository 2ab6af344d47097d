//! The provider `matrixmultiply`.

use super::operand::Operand;

/// `C += alpha A B`; bounds are checked by the caller.
pub(super) fn multiply(alpha: f32, a: Operand<'_>, b: Operand<'_>, c: &mut [f32], stride: usize) {
    // SAFETY: the caller has checked that operands and C lie inside their slices; C is borrowed
    // exclusively.
    unsafe {
        matrixmultiply::sgemm(
            a.rows,
            a.columns,
            b.columns,
            alpha,
            a.data.as_ptr(),
            a.row_stride as isize,
            a.column_stride as isize,
            b.data.as_ptr(),
            b.row_stride as isize,
            b.column_stride as isize,
            1.0,
            c.as_mut_ptr(),
            stride as isize,
            1,
        );
    }
}
