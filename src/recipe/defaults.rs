//! What a run does where nobody says otherwise: by kind of machine, by units, and by the number of
//! examples.

use crate::{
    model::MeanField,
    train::{
        Aggregated, BoltzmannOptions, Centering, DbmOptions, Learning, Negative, Positive,
        RbmOptions, Reconstruction, Rule, Schedule, UpDownOptions,
    },
    units::{Kind, Units},
};

/// Hidden units of an RBM.
const HIDDEN: usize = 500;
/// Hidden units beside counts: topics.
const TOPICS: usize = 50;
/// Epochs of an RBM.
const EPOCHS: usize = 100;
/// Hidden layers of a deep belief network, and epochs of its greedy stages, of the last of them,
/// and of the up-down algorithm.
pub const DBN_LAYERS: [usize; 3] = [500, 500, 2000];
const GREEDY_EPOCHS: usize = 20;
const TOP_EPOCHS: usize = 40;
const UP_DOWN_EPOCHS: usize = 300;
/// Hidden layers of a deep Boltzmann machine: those of Salakhutdinov and Hinton (2009).
pub const DBM_LAYERS: [usize; 2] = [500, 1000];
/// Epochs of its joint stage, and of every RBM before.
const JOINT_EPOCHS: usize = 20;
const PRETRAINING_EPOCHS: usize = 20;

/// Most units of a machine whose moments are enumerated at each update by default.
pub const MOST_OF_MOMENTS: usize = 12;
/// Its epochs if moments never agree.
pub const EPOCHS_OF_MOMENTS: usize = 20_000;

/// Examples below which a run has more epochs: as many updates as with so many.
pub const MANY: usize = 20_000;
const BATCH_SIZE: usize = 100;
/// Fewest minibatches of an epoch, if these have as many examples as [`LEAST_BATCH`] at least.
const BATCHES: usize = 10;
const LEAST_BATCH: usize = 10;

/// How much work an RBM is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// A fifth of the time of the default.
    Fast,
    /// The default.
    #[default]
    Good,
    /// Some ten times the default: three times the epochs with five sweeps an update.
    Best,
}

/// Examples of an update: 100, and of fewer than 1000 examples a tenth of them, at least 10.
pub fn batch_size(examples: usize) -> usize {
    (examples / BATCHES).clamp(LEAST_BATCH, BATCH_SIZE)
}

/// Epochs of a stage that has `epochs` of them on many examples: the same from 20,000 examples on,
/// and below that as many updates as 20,000 examples in minibatches of 100 would have.
pub fn epochs(epochs: usize, examples: usize, batch_size: usize) -> usize {
    let batches = examples.div_ceil(batch_size.max(1)).max(1);
    epochs.max((epochs * (MANY / BATCH_SIZE)).div_ceil(batches))
}

/// Whether defaults are those of few examples: where nothing is said of the epochs of any stage.
pub fn are_few(examples: usize, are_epochs_said: bool) -> bool {
    examples < MANY && !are_epochs_said
}

/// How long a run takes: what is said, and what follows from the number of examples. Who says
/// epochs gets the minibatches of large data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    examples: usize,
    /// Examples of an update.
    pub batch_size: usize,
    /// Whether there are few examples and nothing is said of epochs.
    is_of_few: bool,
}

impl Length {
    /// Of a run on `examples`; `are_epochs_said` where those of any of its stages are.
    pub fn new(examples: usize, said_batch: Option<usize>, are_epochs_said: bool) -> Self {
        let batch_size = match (said_batch, are_epochs_said) {
            (Some(said), _) => said,
            (None, true) => BATCH_SIZE,
            (None, false) => batch_size(examples),
        };
        Self {
            examples,
            batch_size,
            is_of_few: are_few(examples, are_epochs_said),
        }
    }

    /// Epochs of a stage that has so many by default.
    pub fn epochs(&self, default: usize) -> usize {
        epochs(default, self.examples, self.batch_size)
    }
}

/// Momentum of the textbook recipe (Hinton 2010): little until the fifth epoch.
pub fn textbook_momentum() -> Schedule {
    Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)])
}

/// A rate that falls to 0 in a straight line.
fn falling(from: f32) -> Schedule {
    Schedule::Linear { from, to: 0.0 }
}

/// The negative phase with its usual parameters, by the name of the method: `exact`, `mcmc` (chains
/// from fair coins), `cd`, `pcd`, `fpcd` (Tieleman and Hinton 2009), `tempered` (Desjardins et al.
/// 2010), `trajectory` (Bereux et al. 2025), `pseudo-likelihood`; `None` for another name.
pub fn negative(method: &str) -> Option<Negative> {
    let (chains, steps) = (100, 1);
    Some(match method {
        "exact" => Negative::Exact,
        "pseudo-likelihood" => Negative::PseudoLikelihood,
        // Chains from fair coins need some time.
        "mcmc" => Negative::Mcmc { chains, steps: 100 },
        "cd" => Negative::ContrastiveDivergence {
            steps,
            reconstruction: Reconstruction::Sampled,
        },
        "pcd" => Negative::Persistent { chains, steps },
        "fpcd" => Negative::FastPersistent {
            chains,
            steps,
            fast_rate: 0.01,
            fast_decay: 0.95,
        },
        "tempered" => Negative::Tempered {
            chains,
            steps,
            temperatures: 10,
            lowest: 0.9,
        },
        "trajectory" => Negative::Trajectory {
            chains,
            steps,
            acceptance: 0.25,
            snapshots: 10,
        },
        _ => return None,
    })
}

/// The name of a method, as [`negative`] takes it.
pub fn method(negative: &Negative) -> &'static str {
    match negative {
        Negative::Exact => "exact",
        Negative::PseudoLikelihood => "pseudo-likelihood",
        Negative::Mcmc { .. } => "mcmc",
        Negative::ContrastiveDivergence { .. } => "cd",
        Negative::Persistent { .. } => "pcd",
        Negative::FastPersistent { .. } => "fpcd",
        Negative::Tempered { .. } => "tempered",
        Negative::Trajectory { .. } => "trajectory",
    }
}

/// Whether units take any numbers.
pub fn are_real(units: &Units) -> bool {
    units.have(Kind::Gaussian) || units.have(Kind::Relu)
}

/// Hidden units of an RBM: 500, and 50 beside counts; of a table of few examples whose visible
/// units take any numbers, or counts, as many as it has columns, at least 8 and at most 20, so that
/// its likelihood is enumerated.
pub fn hidden(visible: &Units, examples: usize) -> usize {
    let are_counts = visible.have(Kind::Counts);
    match (are_real(visible) || are_counts) && examples < MANY {
        true => visible.size().clamp(8, 20),
        false if are_counts => TOPICS,
        false => HIDDEN,
    }
}

/// The learning rate of machines of counts, whose gradients are as large as rows are long: of an
/// adaptive rule, which does not mind, and of another one.
pub fn rate_of_counts(rule: Rule) -> Schedule {
    falling(if rule.is_adaptive() { 0.01 } else { 1e-3 })
}

/// What the options of an RBM depend on.
#[derive(Clone, Copy, Debug)]
pub struct RbmFacts<'a> {
    /// Visible units, without those of labels.
    pub visible: &'a Units,
    /// Hidden units.
    pub hidden: &'a Units,
    /// Whether labels are among the visible units.
    pub has_labels: bool,
    /// Whether `ln p(y | v)` is learned, alone or beside `ln p(v, y)`.
    pub classifies: bool,
    /// Whether the gradient is the ordinary one by request.
    pub is_uncentered: bool,
    /// Whether the negative phase is said.
    pub is_method_said: bool,
}

/// Options of an RBM but for what is said: of machines of Bernoulli units the centered gradient,
/// except for the generative objective with labels, and rates as measured on MNIST
/// (docs/training.md); others keep the ordinary gradient. On few examples machines of binary units
/// have five sweeps an update: with one, chains of so many updates fall behind the machine. Counts
/// learn by Adam and contrastive divergence of ten sweeps, which persistent chains fall behind:
/// those of long rows hardly change their topic.
pub fn rbm(facts: RbmFacts<'_>, length: Length, preset: Preset) -> RbmOptions {
    let is_bernoulli = facts.visible.are(Kind::Bernoulli) && facts.hidden.are(Kind::Bernoulli);
    let is_measured = is_bernoulli && facts.has_labels == facts.classifies;
    let is_centered = is_measured && !facts.is_uncentered;
    let default = RbmOptions::default();
    let is_best = preset == Preset::Best;
    let is_of_few = length.is_of_few && !facts.is_method_said && !are_real(facts.visible);
    let epochs = match preset {
        Preset::Fast => EPOCHS / 5,
        Preset::Good => EPOCHS,
        Preset::Best => 3 * EPOCHS,
    };
    let are_counts = facts.visible.have(Kind::Counts);
    RbmOptions {
        negative: match are_counts {
            true => Negative::ContrastiveDivergence {
                steps: if is_best { 25 } else { 10 },
                reconstruction: Reconstruction::Sampled,
            },
            false => Negative::Persistent {
                chains: 100,
                steps: if is_best || is_of_few { 5 } else { 1 },
            },
        },
        centering: is_measured.then(Centering::default),
        learning: Learning {
            epochs: length.epochs(epochs),
            batch_size: length.batch_size,
            learning_rate: match (facts.classifies, is_centered) {
                (true, true) => falling(0.5),
                // One step must not move all inputs of a label past each other.
                (true, false) => falling(1.0),
                (false, true) => falling(0.1),
                (false, false) if are_counts => rate_of_counts(Rule::ADAM),
                (false, false) => default.learning.learning_rate,
            },
            momentum: match facts.classifies && is_centered {
                true => Schedule::Constant(0.9),
                false => default.learning.momentum,
            },
            weight_decay: if is_best { 2e-4 } else { 0.0 },
            optimizer: match are_counts {
                true => Rule::ADAM,
                false => default.learning.optimizer,
            },
            ..default.learning
        },
        ..default
    }
}

/// Options of layer `l` of the `layers` of a deep belief network whose visible units take any
/// numbers or not: contrastive divergence by the textbook.
pub fn greedy_layer(l: usize, layers: usize, is_real: bool, length: Length) -> RbmOptions {
    const RATE: f32 = 0.1;
    let is_last = l + 1 == layers;
    RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Sampled,
        },
        learning: Learning {
            epochs: length.epochs(if is_last { TOP_EPOCHS } else { GREEDY_EPOCHS }),
            batch_size: length.batch_size,
            learning_rate: match l {
                0 if is_real => Schedule::Constant(0.001),
                _ if is_last => Schedule::Linear {
                    from: RATE,
                    to: RATE / 5.0,
                },
                _ => Schedule::Constant(RATE),
            },
            momentum: textbook_momentum(),
            weight_decay: 2e-4,
            ..Learning::default()
        },
        ..RbmOptions::default()
    }
}

/// What higher layers of a deep belief network learn.
pub const POSTERIOR: Aggregated = Aggregated::Samples;

/// The up-down algorithm, with so many `epochs` if they are said: 3, 6 and 10 sweeps in thirds of
/// the epochs (Hinton, Osindero and Teh 2006), as far as these are whole.
pub fn up_down(epochs: Option<usize>, length: Length) -> UpDownOptions {
    let epochs = epochs.unwrap_or(length.epochs(UP_DOWN_EPOCHS));
    let start = |k: usize| (k as f32 * epochs as f32 / 3.0).round();
    let mut pieces = vec![(0.0, 3.0), (start(1), 6.0), (start(2), 10.0)];
    pieces.dedup_by_key(|(start, _)| *start);
    let default = UpDownOptions::default();
    UpDownOptions {
        steps: Schedule::Pieces(pieces),
        generative_rate: falling(0.1),
        recognition_rate: falling(0.1),
        learning: Learning {
            epochs,
            batch_size: length.batch_size,
            learning_rate: falling(0.1),
            ..default.learning
        },
        negative: None,
    }
}

/// An RBM that a deep Boltzmann machine starts from: rate and decay of Salakhutdinov and Hinton
/// (2009).
pub fn pretraining(length: Length) -> RbmOptions {
    RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Sampled,
        },
        learning: Learning {
            epochs: length.epochs(PRETRAINING_EPOCHS),
            batch_size: length.batch_size,
            learning_rate: Schedule::Constant(0.05),
            momentum: textbook_momentum(),
            weight_decay: 0.001,
            ..Learning::default()
        },
        ..RbmOptions::default()
    }
}

/// All layers of a deep Boltzmann machine together: by the ordinary gradient after pretraining,
/// the centered one without.
pub fn joint(is_pretrained: bool, length: Length) -> DbmOptions {
    let default = DbmOptions::default();
    DbmOptions {
        positive: Positive::MeanField(MeanField {
            iterations: 30,
            ..default.mean_field()
        }),
        centering: (!is_pretrained).then(Centering::default),
        learning: Learning {
            epochs: length.epochs(JOINT_EPOCHS),
            batch_size: length.batch_size,
            ..default.learning
        },
        ..default
    }
}

/// A general machine: on few examples of as many updates as an RBM, since couplings that have not
/// settled are too small.
pub fn boltzmann(length: Length) -> BoltzmannOptions {
    let default = BoltzmannOptions::default();
    let epochs = match length.is_of_few {
        true => EPOCHS,
        false => default.learning.epochs,
    };
    BoltzmannOptions {
        learning: Learning {
            epochs: length.epochs(epochs),
            batch_size: length.batch_size,
            ..default.learning
        },
        ..default
    }
}

/// A fully visible machine of `units` units, at most [`MOST_OF_MOMENTS`], until its moments agree
/// with those of all `examples`: the exact gradient of all examples an update.
///
/// The rate `8 / n^2` is stable whatever the examples are. The gradient moves `b_i` by `r g` and
/// the coupling `2 R_ij` by `2 r g`. A moment of bits has at most the variance 1/4, so the largest
/// curvature along these steps is at most `(n + 2 n (n - 1) / 2) / 4 = n^2 / 4`. Momentum `m` is
/// stable below `2 (1 + m)`: 2 against 3.8.
pub fn moments(units: usize, examples: usize) -> BoltzmannOptions {
    let default = BoltzmannOptions::default();
    let square = (units * units).max(1) as f32;
    BoltzmannOptions {
        negative: Negative::Exact,
        learning: Learning {
            epochs: EPOCHS_OF_MOMENTS,
            batch_size: examples.max(1),
            learning_rate: Schedule::Constant(8.0 / square),
            momentum: Schedule::Constant(0.9),
            ..default.learning
        },
        ..default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_data_have_small_batches_and_as_many_updates() {
        let updates = |examples: usize| {
            let batch = batch_size(examples);
            epochs(EPOCHS, examples, batch) * examples.div_ceil(batch)
        };
        assert_eq!(
            [16, 60, 500, 1000, 60_000].map(batch_size),
            [10, 10, 50, 100, 100]
        );
        for examples in [1, 16, 500, 999, 5000, 19_999] {
            assert!((20_000..22_000).contains(&updates(examples)), "{examples}");
        }
        for examples in [20_000, 50_000, 60_000, 1_000_000] {
            assert_eq!(epochs(EPOCHS, examples, batch_size(examples)), EPOCHS);
        }
    }

    #[test]
    fn who_says_epochs_gets_the_batches_of_large_data() {
        assert_eq!(Length::new(16, None, true).batch_size, 100);
        assert_eq!(Length::new(16, None, false).batch_size, 10);
        assert_eq!(Length::new(16, Some(4), false).batch_size, 4);
        assert_eq!(Length::new(16, Some(4), false).epochs(20), 1000);
    }

    #[test]
    fn methods_have_names() {
        let names = "exact mcmc cd pcd fpcd tempered trajectory pseudo-likelihood";
        for name in names.split(' ') {
            assert_eq!(negative(name).as_ref().map(method), Some(name));
        }
        assert_eq!(negative("magic"), None);
    }
}
