//! The element-wise work around the products, each algorithm once, over [`crate::simd`].
//!
//! # Contract
//! - Shapes: a kernel that takes several slices wants them of one length and panics otherwise.
//! - Padding and alignment: any length and any alignment; a last part of a vector is computed in a
//!   buffer of its own, so that nothing outside the given slices is read or written.
//! - Aliasing: none; the borrow checker sees to it.
//! - Rounding: stated with each kernel as a constant, which its test asserts. Every operation
//!   rounds for itself, and sums over lanes are defined over sixteen of them, so floats and random
//!   words are the same bits on every instruction set. The dense product alone fuses multiply-adds
//!   where the CPU can, see [`crate::simd::MultiplyAdd`].
//! - Twins: [`mod@reference`] holds plain loops in f64 of what kernels compute; draws have theirs
//!   in [`crate::rng::Draws`]. The epilogue is held against these in the tests of the products.

pub mod activation;
pub mod bernoulli;
pub(crate) mod epilogue;
pub(crate) mod multinomial;
pub mod normal;
pub mod peak;
pub mod reduce;
pub mod reference;
pub(crate) mod rows;
pub(crate) mod softplus;
pub(crate) mod sweep;
