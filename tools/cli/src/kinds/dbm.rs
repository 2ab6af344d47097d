//! Deep Boltzmann machines: what the commands do with a stored one.

mod evaluate;
pub mod measure;
mod sample;

pub use evaluate::run as evaluate;
pub use sample::run as sample;
