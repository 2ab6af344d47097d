//! The environment variables that the library reads, and the check of what they say.
//!
//! ```text
//! HARMONIUM_ISA       portable | avx2 | avx512           simd::set_isa
//! HARMONIUM_PRODUCT   automatic | dense | lookup         product::set_route
//! HARMONIUM_GEMM      native | matrixmultiply | blas     product::set_provider
//! RAYON_NUM_THREADS   threads; 0: one a core             threads::set
//! ```
//!
//! Each is read once, when it is first needed, and what code chooses goes before it.

use crate::{
    error::{Error, Result},
    product::{Provider, Route},
    simd::Isa,
    threads,
};
use std::sync::OnceLock;

/// Refuses values of environment variables that mean nothing, or not on this machine. Long work
/// asks this first; work that does not goes on with the defaults. Read once a process; free after
/// that.
///
/// # Errors
/// [`Error::Parameter`] that names the variable, what it may hold and what it holds.
pub fn check() -> Result<()> {
    static REFUSED: OnceLock<Option<[String; 3]>> = OnceLock::new();
    match REFUSED.get_or_init(|| read().err().map(parts)) {
        None => Ok(()),
        Some([name, expected, found]) => Err(Error::parameter(name, expected, found)),
    }
}

fn read() -> Result<()> {
    Isa::from_environment()?;
    Route::from_environment()?;
    Provider::from_environment()?;
    threads::check_environment()
}

/// Name, expected and found of an error.
fn parts(error: Error) -> [String; 3] {
    match error {
        Error::Parameter {
            name,
            expected,
            found,
        } => [name, expected, found],
        other => [
            "environment".into(),
            "what can be read".into(),
            other.to_string(),
        ],
    }
}
