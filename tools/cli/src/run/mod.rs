//! What surrounds a run: data, files, interrupts.

pub mod chains;
pub mod classification;
pub mod data;
pub mod diagnose;
pub mod directory;
pub mod edges;
pub mod files;
pub mod found;
pub mod held;
pub mod imputation;
pub mod interrupt;
pub mod likelihood;
pub mod loading;
pub mod machine;
pub mod places;
pub mod run_file;
pub mod source;

/// Largest number of weights or of states in all chains: 2^31, which as f32 takes 8 GiB.
pub const MOST_ELEMENTS: usize = 1 << 31;
