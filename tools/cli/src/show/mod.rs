//! What a person sees: text, tables, pictures, progress.

pub mod canvas;
pub mod confusion;
pub mod curves;
pub mod metrics;
pub mod picture;
pub mod pictures;
pub mod progress;
pub mod report;
