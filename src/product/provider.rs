//! The dense providers behind one small interface: `C += alpha A B` on raw strides.

use super::native;
use crate::error::{Error, Result};
use std::{fmt, str::FromStr, sync::OnceLock};

/// Who computes a dense product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Our own kernel over [`crate::simd`]: packs into reused scratch, so a training step allocates nothing.
    Native,
    /// The crate `matrixmultiply`, which allocates its packing buffers anew in each call.
    MatrixMultiply,
    /// CBLAS; with the feature `openblas`, the system's OpenBLAS.
    #[cfg(feature = "openblas")]
    Blas,
}

impl Provider {
    /// Those compiled in.
    pub const ALL: &'static [Self] = &[
        Self::Native,
        Self::MatrixMultiply,
        #[cfg(feature = "openblas")]
        Self::Blas,
    ];

    /// The name used in `HARMONIUM_GEMM`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::MatrixMultiply => "matrixmultiply",
            #[cfg(feature = "openblas")]
            Self::Blas => "blas",
        }
    }

    /// The provider that `HARMONIUM_GEMM` asks for, or the native one.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a name that is not compiled in.
    pub fn from_environment() -> Result<Self> {
        std::env::var("HARMONIUM_GEMM").map_or(Ok(Self::Native), |name| name.parse())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|p| p.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|p| p.name()).collect();
                Error::parameter("HARMONIUM_GEMM", names.join(" or "), name)
            })
    }
}

/// The provider in use: that of [`Provider::from_environment`], found once.
///
/// # Panics
/// When `HARMONIUM_GEMM` names none; a program can ask [`Provider::from_environment`] first.
pub fn provider() -> Provider {
    static PROVIDER: OnceLock<Provider> = OnceLock::new();
    *PROVIDER.get_or_init(|| Provider::from_environment().unwrap_or_else(|e| panic!("{e}")))
}

/// An operand: `rows x columns` floats, `row_stride` and `column_stride` apart, one of which is 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a> Operand<'a> {
    /// A row-major window, `stride` floats a row.
    pub(crate) fn row_major(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The transpose.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Columns `range`.
    pub(crate) fn columns(self, range: std::ops::Range<usize>) -> Self {
        let start = range.start * self.column_stride;
        Self {
            data: self.data.get(start..).unwrap_or(&[]),
            columns: range.len(),
            ..self
        }
    }

    /// Rows `range`.
    pub(crate) fn rows(self, range: std::ops::Range<usize>) -> Self {
        self.transposed().columns(range).transposed()
    }

    fn assert_in_bounds(&self) {
        assert!(self.row_stride == 1 || self.column_stride == 1);
        if self.rows > 0 && self.columns > 0 {
            let last = (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride;
            assert!(last < self.data.len(), "an operand reaches beyond its data");
        }
    }
}

/// `C += alpha A B`, with C row-major in `c`, rows `stride` apart. Sums run over `k` in order within blocks of fixed
/// size, so an element does not depend on the tile that it is computed in.
pub(crate) fn multiply(
    provider: Provider,
    alpha: f32,
    a: Operand<'_>,
    b: Operand<'_>,
    c: &mut [f32],
    stride: usize,
) {
    assert_eq!(a.columns, b.rows, "inner sizes of a product");
    a.assert_in_bounds();
    b.assert_in_bounds();
    if a.rows == 0 || b.columns == 0 || a.columns == 0 {
        return;
    }
    assert!(b.columns <= stride && (a.rows - 1) * stride + b.columns <= c.len());
    match provider {
        Provider::Native => native::multiply(alpha, a, b, c, stride),
        Provider::MatrixMultiply => {
            // SAFETY: the asserts above keep both operands and C inside their slices; C is borrowed exclusively.
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
        #[cfg(feature = "openblas")]
        Provider::Blas => super::blas::multiply(alpha, a, b, c, stride),
    }
}

/// `C += A B` by `provider` on one thread; all three row-major without padding. For benchmarks and tests.
///
/// # Panics
/// Unless `a` is `[m x k]`, `b` `[k x n]` and `c` `[m x n]`.
pub fn gemm(
    provider: Provider,
    (m, n, k): (usize, usize, usize),
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
) {
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    multiply(
        provider,
        1.0,
        Operand::row_major(a, m, k, k),
        Operand::row_major(b, k, n, n),
        c,
        n,
    );
}
