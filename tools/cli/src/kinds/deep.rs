//! Deep belief networks: training in stages, and what is measured of them; and the training of deep
//! Boltzmann machines.

mod agree;
pub mod boltzmann;
pub mod classify;
mod conclude;
mod evaluate;
pub mod fine_tune;
mod measure;
mod plan;
mod record;
mod sample;
mod train;

pub use evaluate::run as evaluate;
pub use sample::run as sample;
pub use train::run as train;

use harmonium::model::Dbn;

/// Hidden layers unless told otherwise, and epochs of the greedy stages, of the last of them, and
/// of the up-down algorithm: those of `reproduce dbn-2006`, whose up-down stage has three times as
/// many.
pub const DEFAULT_LAYERS: [usize; 3] = [500, 500, 2000];
pub const DEFAULT_LOWER_EPOCHS: usize = 20;
pub const DEFAULT_TOP_EPOCHS: usize = 40;
pub const DEFAULT_UP_DOWN_EPOCHS: usize = 300;

/// A network in a few words: sizes from the visible layer up, the label beside the layer that it
/// belongs to.
pub fn name(dbn: &Dbn) -> String {
    let last = dbn.n_layers() - 1;
    let sizes: Vec<String> = (0..=last)
        .map(|l| match dbn.label_group() {
            Some(group) if l + 1 == last => format!("({}+{})", group.first, group.size),
            _ => dbn.layer(l).size().to_string(),
        })
        .collect();
    format!("DBN {}", sizes.join("-"))
}
