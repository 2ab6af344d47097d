//! Deep belief networks: training in stages, and what is measured of them.

mod evaluate;
mod measure;
mod metrics;
mod plan;
mod record;
mod sample;
mod train;

pub use evaluate::{WayOptions, classify, run as evaluate};
pub use sample::run as sample;
pub use train::run as train;

use harmonium::model::Dbn;

/// Hidden layers, and epochs of either stage, unless told otherwise.
pub const DEFAULT_LAYERS: [usize; 3] = [500, 500, 2000];
pub const DEFAULT_GREEDY_EPOCHS: usize = 30;
pub const DEFAULT_UP_DOWN_EPOCHS: usize = 100;

/// A network in a few words: sizes from the visible layer up, the label beside the layer that it belongs to.
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
