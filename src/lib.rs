//! harmonium
pub mod bits;
pub mod dataset;
pub mod error;
pub mod kernel;
pub mod matrix;
pub mod product;
pub mod rng;
pub mod simd;
pub use bits::{BitMatrix, BitView};
pub use error::{Error, Result};
pub use matrix::{Matrix, MatrixView};
