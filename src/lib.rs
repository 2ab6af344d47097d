//! **harmonium**: a CPU engine for Boltzmann machines. States are packed bits, kernels are chosen
//! for the CPU at run time, every conditional, gradient, sampler and estimator is held against
//! exact enumeration, and the same seed gives the same model, bit for bit, at any number of
//! threads.
//!
//! ```
//! use harmonium::{Binarization, Dataset, Rbm, Trainer, train::Negative};
//! use harmonium::evaluate::{Ais, Base, Betas};
//! use std::ops::ControlFlow;
//!
//! # fn main() -> harmonium::Result<()> {
//! let data = Dataset::idx("data/mnist")?.binarized(Binarization::Sampled, 1);
//! let mut rbm = Rbm::bernoulli(&[784, 25])?.initialized_from(&data.train, 1)?;
//! let _ended = Trainer::new(Negative::Persistent { chains: 100, steps: 1 })
//!     .epochs(2)
//!     .learning_rate(0.05)
//!     .seed(1)
//!     .train(&mut rbm, &data.train, |_event| ControlFlow::Continue(()))?;
//!
//! let base = Base::rate_of(&data.train)?;
//! let ais = Ais { chains: 50, betas: Betas::Linear(500), base, seed: 1 };
//! let log_z = ais.log_z(&rbm, &mut ())?;
//! let test = data.test.expect("MNIST has a test part");
//! let likelihood = rbm.mean_log_likelihood(test.bits().expect("binary"), log_z.estimate)?;
//! println!("test log-likelihood {likelihood:.2} nats");
//! println!("ln Z in {:.2} .. {:.2}", log_z.low, log_z.high);
//! # assert!((-175.0..-140.0).contains(&likelihood), "{likelihood}");
//! # Ok(())
//! # }
//! ```
//!
//! # The way of the data
//! [`Dataset`] -> minibatch -> layer inputs -> fused [`product`] -> states ([`BitMatrix`]) ->
//! statistics -> optimizer -> [`Rbm`]. [`evaluate`] reads a model from the side; [`checkpoint`]
//! stores it.
//!
//! # Floors
//! Each module knows only those below it: [`train`], [`evaluate`], [`checkpoint`]; [`model`];
//! [`product`]; [`dataset`]; [`kernel`]; [`states`]; [`units`], [`matrix`], [`bits`], [`rng`];
//! [`threads`]; [`simd`]; [`error`].
//!
//! # Notation
//! `v` visible, `h` hidden, `W` `[n_visible x n_hidden]` row-major, `b` visible bias, `c` hidden
//! bias, `beta` inverse temperature, `sigma` the logistic function. Layers are numbered from the
//! visible one. Logarithms are natural, likelihoods in nats.
//!
//! # Threads
//! Work runs on the rayon pool of the calling thread, else on that of the process: [`threads`].

pub mod bits;
pub mod checkpoint;
mod choice;
pub mod dataset;
pub mod environment;
pub mod error;
pub mod evaluate;
pub mod kernel;
pub mod matrix;
pub mod model;
pub mod product;
pub mod progress;
pub mod recipe;
pub mod rng;
pub mod simd;
pub mod states;
pub mod stop;
pub mod tensor;
pub mod threads;
pub mod train;
pub mod units;

pub use bits::{BitMatrix, BitView};
pub use checkpoint::Checkpoint;
pub use dataset::{Binarization, Dataset, Examples};
pub use error::{Error, Result};
pub use matrix::{Matrix, MatrixView};
pub use model::{BoltzmannMachine, Dbm, Dbn, Model, Network, Rbm, RbmChain, Tempering, Trajectory};
pub use progress::Progress;
pub use states::{Input, States};
pub use train::{RbmTraining, Trainer};

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
