//! What a person sees: text, tables, pictures, progress.

pub mod canvas;
pub mod confusion;
pub mod curves;
pub mod figures;
pub mod measures;
pub mod metrics;
pub mod numbers;
pub mod picture;
pub mod pictures;
pub mod progress;
pub mod report;
pub mod shape;
pub mod tables;
pub mod terms;
