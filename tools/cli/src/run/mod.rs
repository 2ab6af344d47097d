//! What surrounds a run: data, files, interrupts.

pub mod chains;
pub mod classification;
pub mod data;
pub mod diagnose;
pub mod directory;
pub mod files;
pub mod found;
pub mod held;
pub mod interrupt;
pub mod likelihood;
pub mod loading;
pub mod run_file;
