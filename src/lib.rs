//! **harmonium**: a CPU engine for Boltzmann machines. States are packed bits, kernels are chosen
//! for the CPU at run time, every conditional, gradient, sampler and estimator is held against
//! exact enumeration, and the same seed gives the same model, bit for bit, at any number of
//! threads.
//!
//! ```
//! use harmonium::{Ais, Base, Betas, Binarization, Dataset, Learning, Negative};
//! use harmonium::{Rbm, RbmOptions, RbmTraining};
//! use std::ops::ControlFlow;
//!
//! # fn main() -> harmonium::Result<()> {
//! let data = Dataset::open("data/mnist")?.binarized(Binarization::Sampled, 1);
//! let rbm = Rbm::bernoulli(&[784, 25])?.initialized_from(&data.train, 1)?;
//! let options = RbmOptions {
//!     negative: Negative::Persistent { chains: 100, steps: 1 },
//!     learning: Learning {
//!         epochs: 2,
//!         learning_rate: 0.05.into(),
//!         seed: 1,
//!         ..Learning::default()
//!     },
//!     ..RbmOptions::default()
//! };
//! let mut run = RbmTraining::new(rbm, options, &data.train)?;
//! let _ended = run.run(&data.train, |_event| ControlFlow::Continue(()))?;
//! let rbm = run.into_result();
//!
//! let base = Base::rate_of(&rbm, &data.train)?;
//! let ais = Ais { chains: 50, betas: Betas::Linear(500), base, seed: 1 };
//! let log_z = ais.log_z(&rbm, &mut ())?;
//! let test = data.test.expect("MNIST has a test part");
//! let likelihood = rbm.mean_log_likelihood(&test, log_z.estimate)?;
//! println!("test log-likelihood {likelihood:.2} nats");
//! println!("ln Z in {:.2} .. {:.2}", log_z.low, log_z.high);
//! # assert!((-175.0..-140.0).contains(&likelihood), "{likelihood}");
//! # Ok(())
//! # }
//! ```
//!
//! # Which machine for which data
//!
//! | data | what is asked | machine |
//! |---|---|---|
//! | bits, categories, spins, numbers, counts | a density, features, what is missing | [`Rbm`] |
//! | the same without counts, most often pictures | features by layers, samples | [`Dbn`] |
//! | bits, categories | the same, inferred from above and below | [`Dbm`] |
//! | bits, spins as bits, categories; lattices | how units couple | [`BoltzmannMachine`] |
//! | what a machine above has learned | classes or codes alone, fine-tuned | [`Network`] |
//!
//! [`Rbm`], [`Dbn`] and [`Dbm`] learn labels beside the data and classify. All but [`Dbn`] and
//! [`Network`] learn from rows with missing values; the lowest layer of a [`Stack`] does too.
//!
//! Each is made, started, trained, sampled and stored by the same six lines. What is different: a
//! [`Dbn`] samples its top pair and goes down from there, chains of a [`BoltzmannMachine`] know
//! their machine, and a [`Network`] is made of another machine and has no chains.
//!
//! ## Restricted Boltzmann machine
//! ```
//! use harmonium::{Rbm, RbmOptions, RbmTraining, dataset};
//! # fn main() -> harmonium::Result<()> {
//! let data = dataset::bars_and_stripes(3);
//! let machine = Rbm::bernoulli(&[9, 8])?.initialized_from(&data, 1)?;
//! let mut run = RbmTraining::new(machine, RbmOptions::default(), &data)?;
//! let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
//! let machine = run.into_result();
//! let mut chains = machine.chains(10, 1)?;
//! chains.sweep(&machine, 100, 1.0)?;
//! # assert_eq!(chains.visible().rows(), 10);
//! # Ok(())
//! # }
//! ```
//!
//! ## Deep belief network
//! ```
//! use harmonium::{Dbn, UpDownOptions, UpDownTraining, dataset};
//! # fn main() -> harmonium::Result<()> {
//! let data = dataset::bars_and_stripes(3);
//! let machine = Dbn::bernoulli(&[9, 8, 6])?.initialized_from(&data, 1)?;
//! let mut run = UpDownTraining::new(machine, UpDownOptions::default(), &data)?;
//! let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
//! let machine = run.into_result();
//! let mut chains = machine.chains(10, 1)?;
//! chains.sweep(machine.top(), 100, 1.0)?;
//! let v = machine.sample_v_from_features(chains.visible(), 1, 0)?;
//! # assert_eq!(v.rows(), 10);
//! # Ok(())
//! # }
//! ```
//!
//! ## Deep Boltzmann machine
//! ```
//! use harmonium::{Dbm, DbmOptions, DbmTraining, dataset};
//! # fn main() -> harmonium::Result<()> {
//! let data = dataset::bars_and_stripes(3);
//! let machine = Dbm::bernoulli(&[9, 8, 6])?.initialized_from(&data, 1)?;
//! let mut run = DbmTraining::new(machine, DbmOptions::default(), &data)?;
//! let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
//! let machine = run.into_result();
//! let mut chains = machine.chains(10, 1)?;
//! chains.sweep(&machine, 100, 1.0)?;
//! # assert_eq!(chains.visible().rows(), 10);
//! # Ok(())
//! # }
//! ```
//!
//! ## General Boltzmann machine
//! ```
//! use harmonium::{BoltzmannMachine, BoltzmannOptions, BoltzmannTraining, dataset};
//! # fn main() -> harmonium::Result<()> {
//! let data = dataset::bars_and_stripes(3);
//! let machine = BoltzmannMachine::bernoulli(&[9, 4])?.initialized_from(&data, 1)?;
//! let mut run = BoltzmannTraining::new(machine, BoltzmannOptions::default(), &data)?;
//! let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
//! let machine = run.into_result();
//! let mut chains = machine.chains(10, 1)?;
//! chains.sweep(100, 1.0)?;
//! # assert_eq!(chains.visible().rows(), 10);
//! # Ok(())
//! # }
//! ```
//!
//! ## Feed-forward network
//! ```
//! use harmonium::{Dbn, Network, BackpropOptions, BackpropTraining, dataset};
//! # fn main() -> harmonium::Result<()> {
//! let data = dataset::bars_and_stripes(3);
//! let dbn = Dbn::bernoulli(&[9, 8, 4])?.initialized_from(&data, 1)?;
//! let machine = Network::autoencoder_from_dbn(&dbn)?;
//! let mut run = BackpropTraining::new(machine, BackpropOptions::default(), &data)?;
//! let _ended = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
//! let machine = run.into_result();
//! let reconstructed = machine.output(&data)?;
//! # assert_eq!(reconstructed.columns(), 9);
//! # Ok(())
//! # }
//! ```
//!
//! Any of them is stored by `Checkpoint::from(machine).save(path)?` and comes back by
//! `Checkpoint::load(path)?.into_rbm()?`, `into_dbn`, `into_dbm`, `into_boltzmann`,
//! `into_network`; a run by `Checkpoint::from(&run)` and [`Checkpoint::into_run`]. The layers of
//! deep machines learn one after the other by [`Stack`].
//!
//! # Where to find what
//! - A file of data, its columns as units and back: [`Dataset::open_as`], [`dataset::Encoding`].
//! - Rows that a program holds, bits, numbers or spins: [`Examples::new`],
//!   [`Examples::signs_as_bits`]; columns of numbers and texts: [`dataset::Table::from_columns`].
//! - Labels, weights, missing values: [`Examples::with_labels`], [`Examples::with_weights`],
//!   [`Examples::with_observed`].
//! - Units of other kinds than bits: [`Units`], [`Layer`], [`Rbm::unconnected`].
//! - Figures of one row or many, asked from many threads: [`dataset::Rows`], [`threads`].
//! - `ln Z` exactly or by annealing: `log_z` of each machine, [`Ais`].
//! - How far a long call is, and its end before time: [`Progress`], [`Stop`].
//! - Couplings of an Ising model, in files and as arrays: [`model::EdgeFile`],
//!   [`BoltzmannMachine::from_edges`], [`BoltzmannMachine::to_ising`].
//! - Parameters from and to other programs: [`checkpoint`].
//! - What the command line does: [`recipe`].
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
pub use evaluate::{Ais, Base, Betas};
pub use matrix::{Matrix, MatrixView};
pub use model::{
    BoltzmannChain, BoltzmannMachine, Clamp, Dbm, DbmChain, Dbn, Layer, MeanField, Model, Network,
    Rbm, RbmChain, Tempering, Trajectory,
};
pub use progress::Progress;
pub use states::{Input, States};
pub use stop::Stop;
pub use train::{
    BackpropOptions, BackpropTraining, BoltzmannOptions, BoltzmannTraining, DbmOptions,
    DbmTraining, Ended, Event, GreedyPlan, Learning, Negative, PretrainingPlan, RbmOptions,
    RbmTraining, Schedule, Stack, UpDownOptions, UpDownTraining,
};
pub use units::{Kind, Units};

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
