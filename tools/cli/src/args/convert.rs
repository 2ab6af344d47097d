//! Options of `harmonium convert`.

use clap::Args;
use std::path::PathBuf;

/// Options of `harmonium convert`.
#[derive(Args, Debug)]
#[command(after_help = "\
Free energies are the same up to a constant. IN is a model file, or one of another program:
  .npz                         the arrays components_, intercept_hidden_ and intercept_visible_ of scikit-learn's BernoulliRBM
  .h5                          a run of rbms, its last machine (FILE:/update_N is another), or what save_rbm of RestrictedBoltzmannMachines.jl writes
  any text                     the lines J i j a b value and h i a value of adabmDCA, a fully visible general machine of categories
  .txt .edges .ising .coo ...  files of couplings (docs/boltzmann.md), a fully visible general machine
OUT is, by its name:
  .safetensors                 a model file, without the state of a run
  .npz                         the arrays of scikit-learn, of an RBM of Bernoulli units
  .ising                       couplings and fields of spins, of a fully visible general machine
  .dat                         the lines of adabmDCA, of one whose visible units are categories
`evaluate`, `sample`, `train --init` and all others take files of other programs without converting them first.")]
pub struct ConvertArgs {
    /// Model file, or a file of another program.
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// What is written, in place of a file that is there.
    #[arg(value_name = "OUT")]
    pub to: PathBuf,
}
