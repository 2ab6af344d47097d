//! Deep Boltzmann machines: training in stages. Like a deep belief network RBM upon RBM, then all
//! layers together.

mod agree;
mod conclude;
mod plan;
mod posterior;
pub mod stage;
mod train;

pub use posterior::{MACHINE, seen_by};
pub use train::run as train;

/// Hidden layers unless told otherwise: those of Salakhutdinov and Hinton (2009).
pub const DEFAULT_LAYERS: [usize; 2] = [500, 1000];
/// Epochs of the joint stage, and of every RBM before: on MNIST, what fits into some minutes on two
/// cores.
pub const DEFAULT_EPOCHS: usize = 20;
pub const DEFAULT_PRETRAINING_EPOCHS: usize = 20;
/// Step size and decay of pretraining, those of Salakhutdinov and Hinton.
pub const DEFAULT_PRETRAINING_RATE: f32 = 0.05;
pub const DEFAULT_PRETRAINING_DECAY: f32 = 0.001;
/// Most iterations of mean field at an update, and the tolerance that ends them sooner.
pub const DEFAULT_ITERATIONS: usize = 30;
pub const DEFAULT_TOLERANCE: f32 = 0.01;
