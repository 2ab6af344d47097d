//! Deep belief networks: training in stages, and what is measured of them; and the training of deep
//! Boltzmann machines.

mod agree;
pub mod boltzmann;
mod conclude;
pub mod fine_tune;
mod plan;
mod record;
mod sample;
mod train;

pub use train::run as train;

/// Hidden layers unless told otherwise, and epochs of the greedy stages, of the last of them, and
/// of the up-down algorithm: those of `reproduce dbn-2006`, whose up-down stage has three times as
/// many.
pub const DEFAULT_LAYERS: [usize; 3] = [500, 500, 2000];
pub const DEFAULT_LOWER_EPOCHS: usize = 20;
pub const DEFAULT_TOP_EPOCHS: usize = 40;
pub const DEFAULT_UP_DOWN_EPOCHS: usize = 300;
