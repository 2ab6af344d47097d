//! The dense providers behind one small interface: `C += alpha A B` on raw strides.

#[cfg(feature = "openblas")]
mod blas;
mod matrixmultiply;
mod native;
mod operand;

pub(super) use native::warm_up;
pub(crate) use operand::Operand;

use crate::{
    choice::{Choice, Chosen},
    error::{Error, Result},
};
use std::{fmt, str::FromStr};

/// Who computes a dense product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Our own kernel over [`crate::simd`]: packs into reused scratch, so a training step allocates
    /// nothing.
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
        Self::of_environment()
    }
}

impl Chosen for Provider {
    const VARIABLE: &'static str = "HARMONIUM_GEMM";
    const CHOICES: &'static [Self] = Self::ALL;

    fn default_here() -> Self {
        Self::Native
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
                Error::parameter(Self::VARIABLE, names.join(" or "), name)
            })
    }
}

static PROVIDER: Choice<Provider> = Choice::new();

/// The provider in use in this process: what [`set_provider`] chose last, else that of
/// [`Provider::from_environment`], else (a value that [`crate::environment::check`] refuses) the
/// native one.
pub fn provider() -> Provider {
    PROVIDER.get()
}

/// `provider` computes dense products in this process from now on, whatever `HARMONIUM_GEMM` says.
///
/// The same seed gives the same bits only by the same provider: choose it before the first work. A
/// change while other threads compute is safe.
pub fn set_provider(provider: Provider) {
    PROVIDER.set(provider)
}

/// `C += alpha A B`, with C row-major in `c`, rows `stride` apart. Sums run over `k` in order
/// within blocks of fixed size, so an element does not depend on the tile that it is computed in.
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
        Provider::MatrixMultiply => matrixmultiply::multiply(alpha, a, b, c, stride),
        #[cfg(feature = "openblas")]
        Provider::Blas => blas::multiply(alpha, a, b, c, stride),
    }
}

/// `C += A B` by `provider` on one thread; all three row-major without padding. For benchmarks and
/// tests.
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
