//! What the training of a deep belief network is to do: from the command line alone, or from the
//! file of a run that goes on.

use super::{
    DEFAULT_LAYERS, DEFAULT_LOWER_EPOCHS, DEFAULT_TOP_EPOCHS, DEFAULT_UP_DOWN_EPOCHS, agree::agree,
    fine_tune,
};
use crate::{
    args::{DeepArgs, Method, TrainArgs},
    failure::{Failure, Outcome},
    run::data::{Data, Source},
    run::plan::{MOST_ELEMENTS, Plan, agree_on_epochs, check_chains},
};
use harmonium::{
    checkpoint::{Checkpoint, SavedRun},
    model::MAX_LAYERS,
    train::{
        Aggregated, BackpropOptions, GreedyLayer, GreedyPlan, Learning, RbmOptions, Schedule,
        UpDownOptions,
    },
    units::{Kind, Units},
};
use std::{collections::BTreeMap, path::Path};

const GREEDY: &str = "greedy";
const UP_DOWN: &str = "up_down";
const FINE_TUNE: &str = "fine_tune";
const DEFAULT_WEIGHT_DECAY: f32 = 2e-4;
/// Of greedy stages, without the centered gradient.
const GREEDY_RATE: f32 = 0.1;
/// Of units whose states are any numbers.
const REAL_RATE: f32 = 0.001;
const UP_DOWN_RATE: Schedule = Schedule::Linear { from: 0.1, to: 0.0 };

/// The name of the last stage.
pub const UP_DOWN_STAGE: &str = "up-down";

/// The name of the stage after that, if there is one.
pub const FINE_TUNE_STAGE: &str = "backprop";

/// The name of the stage in which layer `l`, from 0 on, learns.
pub fn layer_name(l: usize) -> String {
    format!("layer {}", l + 1)
}

/// The stages of a run and the data that it is on.
#[derive(Clone, Debug)]
pub struct DeepPlan {
    /// The data; their labels stay beside the values.
    pub source: Source,
    /// Kinds of the visible units.
    pub visible_units: String,
    /// The greedy stages; of a new run the number of `classes` is 0 until [`Self::settle`].
    pub greedy: GreedyPlan,
    /// The stage that learns all layers together.
    pub up_down: UpDownOptions,
    /// The last stage, in which a network that starts from this one learns the labels by
    /// backpropagation.
    pub fine_tune: Option<BackpropOptions>,
}

impl DeepPlan {
    /// A new run.
    ///
    /// # Errors
    /// Flags that contradict each other or belong to other machines, and numbers out of range.
    pub fn fresh(args: &TrainArgs) -> Outcome<Self> {
        refuse_foreign(args)?;
        let sizes = layers_from(args, &DEFAULT_LAYERS)?;
        let epochs = greedy_epochs(args, sizes.len())?;
        let rates = greedy_rates(args, sizes.len())?;
        let (first, upper) = layers_alone(args)?;
        let layers = sizes.iter().zip(epochs).zip(rates).enumerate();
        let layers = layers.map(|(l, ((&hidden, epochs), learning_rate))| {
            let options = if l == 0 { &first.options } else { &upper };
            GreedyLayer {
                hidden,
                options: RbmOptions {
                    learning: Learning {
                        epochs,
                        learning_rate,
                        ..options.learning.clone()
                    },
                    ..options.clone()
                },
                transposed: args.deep.transposed && l > 0,
            }
        });
        let greedy = GreedyPlan {
            layers: layers.collect(),
            posterior: args.deep.posterior.map_or(Aggregated::Samples, Into::into),
            classes: args.labels.then_some(0),
        };
        let up_down = up_down(&args.deep, &first.options.learning);
        up_down.check()?;
        if !is_of_bits(args) && up_down.learning.epochs > 0 {
            return Err(Failure::usage(format!(
                "--visible-units {}: the up-down algorithm is for bernoulli units",
                first.visible_units
            ))
            .hint("train such a network greedily alone: --up-down-epochs 0"));
        }
        Ok(Self {
            source: first.source,
            visible_units: first.visible_units,
            fine_tune: fine_tune::options(args, up_down.learning.seed)?,
            greedy,
            up_down,
        })
    }

    /// The names of the stages with their epochs, in the order of training.
    pub fn stages(&self) -> Vec<(String, usize)> {
        let layers = self.greedy.layers.iter().enumerate();
        let layers = layers.map(|(l, layer)| (layer_name(l), layer.options.learning.epochs));
        let last = (UP_DOWN_STAGE.to_owned(), self.up_down.learning.epochs);
        let tuned = self.fine_tune.as_ref();
        layers
            .chain((self.up_down.learning.epochs > 0).then_some(last))
            .chain(tuned.map(|options| (FINE_TUNE_STAGE.to_owned(), options.learning.epochs)))
            .collect()
    }

    /// The run in `checkpoint`, read from `path`, with the `--up-down-epochs` of the command line
    /// if it has any.
    ///
    /// # Errors
    /// A file without a run, and flags that contradict it.
    pub fn resumed(args: &TrainArgs, checkpoint: &Checkpoint, path: &Path) -> Outcome<Self> {
        let foreign = |what: &str| {
            Failure::failed(format!("{}: {what}", path.display()))
                .hint("only models that `harmonium train` has written can be resumed")
        };
        let none = || foreign("holds a network, but no run that could go on");
        let (layers, together) = match &checkpoint.run {
            Some(SavedRun::Greedy { plan, .. }) => (Some(plan), None),
            Some(SavedRun::UpDown(state)) => (None, Some(state)),
            _ => return Err(none()),
        };
        let source = Source::from_notes(&checkpoint.notes)?
            .ok_or_else(|| foreign("its notes do not say which data the run is on"))?;
        let note = |key: &str| checkpoint.notes.get(key).map(String::as_str);
        let read = |key: &str| note(key).ok_or_else(|| foreign(&format!("has no note `{key}`")));
        let wrong = |key: &str, e: serde_json::Error| foreign(&format!("its note `{key}`: {e}"));
        let greedy = match layers {
            Some(plan) => plan.clone(),
            None => serde_json::from_str(read(GREEDY)?).map_err(|e| wrong(GREEDY, e))?,
        };
        let mut up_down: UpDownOptions = match together {
            Some(state) => state.options.clone(),
            None => serde_json::from_str(read(UP_DOWN)?).map_err(|e| wrong(UP_DOWN, e))?,
        };
        if let Some(epochs) = args.deep.up_down_epochs {
            let done = together.map_or(0, |state| {
                let position = state.position();
                position.updates.div_ceil(position.batches as u64)
            });
            agree_on_epochs("--up-down-epochs", epochs, done)?;
            up_down.learning.epochs = epochs;
        }
        let visible = checkpoint.model.dbn()?.layer(0).units.clone();
        let fine_tune = match (note(FINE_TUNE), args.deep.fine_tune) {
            (_, Some(_)) => fine_tune::options(args, up_down.learning.seed)?,
            (Some(text), None) => {
                Some(serde_json::from_str(text).map_err(|e| wrong(FINE_TUNE, e))?)
            }
            (None, None) => None,
        };
        let plan = Self {
            source,
            visible_units: visible.to_string(),
            greedy,
            up_down,
            fine_tune,
        };
        agree(&plan, args)?;
        Ok(plan)
    }

    /// Loads the data and settles what was left to them: the number of classes.
    ///
    /// # Errors
    /// Those of the data; labels that are not there; layers that would not fit into memory.
    pub fn settle(&mut self) -> Outcome<Data> {
        let data = self.source.settle()?;
        if self.greedy.classes == Some(0) {
            self.greedy.classes = Some(data.classes()?);
        }
        let hidden = self.greedy.layers.iter().map(|layer| layer.hidden);
        let sizes: Vec<usize> = std::iter::once(data.train.columns())
            .chain(hidden)
            .collect();
        self.settle_transposed(&sizes)?;
        check_layers(&sizes)?;
        let widest = sizes.iter().copied().max().unwrap_or(1);
        for layer in &self.greedy.layers {
            check_chains(layer.options.negative, widest)?;
        }
        Ok(data)
    }

    /// A layer starts from the one below upside down where it is at least as large as the layer two
    /// below.
    fn settle_transposed(&mut self, sizes: &[usize]) -> Outcome<()> {
        let asked = self.greedy.layers.iter().any(|layer| layer.transposed);
        let is_bits = self.visible_units == "bernoulli";
        for (l, layer) in self.greedy.layers.iter_mut().enumerate().skip(1) {
            layer.transposed &= layer.hidden >= sizes[l - 1] && (l > 1 || is_bits);
        }
        if asked && !self.greedy.layers.iter().any(|layer| layer.transposed) {
            return Err(Failure::usage(
                "--transposed: no layer has as many units as the one two below it",
            ));
        }
        Ok(())
    }

    /// The visible units.
    ///
    /// # Errors
    /// Kinds that do not exist or do not add up.
    pub fn visible(&self, columns: usize) -> Outcome<Units> {
        if self.visible_units == "bernoulli" {
            return Ok(Units::of(Kind::Bernoulli, columns));
        }
        Units::parse(&self.visible_units, columns)
            .map_err(|e| Failure::usage(format!("--visible-units: {e}")))
    }

    /// Writes what [`Self::resumed`] reads.
    pub fn note(&self, notes: &mut BTreeMap<String, String>) {
        self.source.note(notes);
        for (key, json) in [
            (GREEDY, serde_json::to_string(&self.greedy)),
            (UP_DOWN, serde_json::to_string(&self.up_down)),
        ] {
            notes.insert(key.into(), json.unwrap_or_default());
        }
        if let Some(options) = &self.fine_tune {
            let json = serde_json::to_string(options);
            notes.insert(FINE_TUNE.into(), json.unwrap_or_default());
        }
    }
}

/// Whether the visible units are bernoulli units.
fn is_of_bits(args: &TrainArgs) -> bool {
    let units = args.visible_units.as_deref();
    units.is_none_or(|x| x == "bernoulli")
}

/// Epochs of each of `n` layers.
fn greedy_epochs(args: &TrainArgs, n: usize) -> Outcome<Vec<usize>> {
    match args.deep.greedy_epochs.as_deref() {
        None => {
            let mut epochs = vec![DEFAULT_LOWER_EPOCHS; n];
            epochs[n - 1] = DEFAULT_TOP_EPOCHS;
            Ok(epochs)
        }
        Some(&[epochs]) => Ok(vec![epochs; n]),
        Some(all) if all.len() == n => Ok(all.to_vec()),
        Some(all) => Err(not_of_layers("--greedy-epochs", n, all.len())),
    }
}

/// Rates of each of `n` layers.
fn greedy_rates(args: &TrainArgs, n: usize) -> Outcome<Vec<Schedule>> {
    let kinds = args.visible_units.as_deref().unwrap_or_default();
    let is_real = kinds
        .split('+')
        .any(|s| s.starts_with("gaussian") || s.starts_with("relu"));
    match (&args.learning_rate, &args.deep.greedy_rate[..]) {
        (Some(rate), _) => Ok(vec![rate.clone(); n]),
        (None, []) => Ok((0..n).map(|l| default_rate(l, n - 1, is_real)).collect()),
        (None, [rate]) => Ok(vec![rate.clone(); n]),
        (None, all) if all.len() == n => Ok(all.to_vec()),
        (None, all) => Err(not_of_layers("--greedy-rate", n, all.len())),
    }
}

fn not_of_layers(flag: &str, n: usize, found: usize) -> Failure {
    Failure::usage(format!(
        "{flag}: expected one, or one for each of the {n} layers, found {found}"
    ))
}

/// The plan of an RBM that learns the data of the first layer, and the options of one that learns
/// what a layer hands up.
fn layers_alone(args: &TrainArgs) -> Outcome<(Plan, RbmOptions)> {
    let rbm = TrainArgs {
        labels: false,
        method: args.method.or(Some(Method::Cd)),
        momentum: args.momentum.clone().or(Some(default_momentum())),
        weight_decay: args.weight_decay.or(Some(DEFAULT_WEIGHT_DECAY)),
        no_centering: args.no_centering || args.centering.is_none(),
        // Bits are drawn anew at each visit unless they are wanted otherwise.
        resample: args.resample || args.binarize.is_none() && is_of_bits(args),
        ..args.clone()
    };
    let first = Plan::fresh(&rbm)?;
    let upper = TrainArgs {
        visible_units: None,
        standardize: false,
        binarize: None,
        variance_rate: None,
        ..rbm
    };
    Ok((first, Plan::fresh(&upper)?.options))
}

/// The stage that learns all layers together, with the batches and the seed of the `first` one.
fn up_down(deep: &DeepArgs, first: &Learning) -> UpDownOptions {
    let default = UpDownOptions::default();
    let rate = |own: &Option<Schedule>| {
        let given = own.clone().or_else(|| deep.up_down_rate.clone());
        given.unwrap_or(UP_DOWN_RATE)
    };
    let epochs = deep.up_down_epochs.unwrap_or(DEFAULT_UP_DOWN_EPOCHS);
    UpDownOptions {
        steps: deep.up_down_steps.clone().unwrap_or_else(|| thirds(epochs)),
        generative_rate: rate(&deep.generative_rate),
        recognition_rate: rate(&deep.recognition_rate),
        learning: Learning {
            epochs,
            batch_size: first.batch_size,
            learning_rate: rate(&deep.top_rate),
            momentum: deep
                .up_down_momentum
                .clone()
                .unwrap_or(default.learning.momentum),
            weight_decay: deep
                .up_down_weight_decay
                .unwrap_or(default.learning.weight_decay),
            resample_data: first.resample_data,
            seed: first.seed,
            ..Learning::default()
        },
    }
}

/// The sizes of the hidden layers, `default` unless the command line names others.
///
/// # Errors
/// Numbers of layers that are not those of a deep machine.
pub fn layers_from(args: &TrainArgs, default: &[usize]) -> Outcome<Vec<usize>> {
    let sizes = args.deep.layers.clone().unwrap_or(default.to_vec());
    if (2..MAX_LAYERS).contains(&sizes.len()) {
        return Ok(sizes);
    }
    let most = MAX_LAYERS - 1;
    Err(Failure::usage(format!(
        "--layers: expected 2 to {most} hidden layers, found {}",
        sizes.len()
    ))
    .hint("one layer is an RBM: `harmonium train rbm`"))
}

/// Refuses layers whose weights would not fit into memory; `sizes` with the visible layer.
///
/// # Errors
/// `--layers`.
pub fn check_layers(sizes: &[usize]) -> Outcome<()> {
    for pair in sizes.windows(2) {
        let most = MOST_ELEMENTS / pair[0].max(1);
        if pair[1] > most {
            return Err(Failure::usage(format!(
                "--layers: expected at most {most} units above {} others, found {}",
                pair[0], pair[1]
            )));
        }
    }
    Ok(())
}

/// Momentum of the textbook recipe: little until the fifth epoch.
pub fn default_momentum() -> Schedule {
    Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)])
}

/// Of layer `l`: constant, and that of the last layer falls.
fn default_rate(l: usize, last: usize, is_real: bool) -> Schedule {
    match l {
        0 if is_real => Schedule::Constant(REAL_RATE),
        l if l == last => Schedule::Linear {
            from: GREEDY_RATE,
            to: GREEDY_RATE / 5.0,
        },
        _ => Schedule::Constant(GREEDY_RATE),
    }
}

/// 3, 6 and 10 sweeps in thirds of the epochs, as far as these are whole.
fn thirds(epochs: usize) -> Schedule {
    let start = |k: usize| (k as f32 * epochs as f32 / 3.0).round();
    let mut pieces = vec![(0.0, 3.0), (start(1), 6.0), (start(2), 10.0)];
    pieces.dedup_by_key(|(start, _)| *start);
    Schedule::Pieces(pieces)
}

/// Refuses options that mean nothing for a network of several layers.
fn refuse_foreign(args: &TrainArgs) -> Outcome<()> {
    for (flag, given, advice) in [
        (
            "--hidden",
            args.hidden.is_some(),
            "name the sizes of the layers with --layers",
        ),
        (
            "--epochs",
            args.epochs.is_some(),
            "choose --greedy-epochs and --up-down-epochs",
        ),
        (
            "--preset",
            args.preset.is_some(),
            "choose --greedy-epochs and --up-down-epochs",
        ),
        (
            "--hidden-units",
            args.hidden_units.is_some(),
            "hidden layers are of bernoulli units",
        ),
        (
            "--objective",
            args.objective.is_some(),
            "the top pair learns ln p(features, label)",
        ),
        (
            "--stream",
            args.stream,
            "data of a deep belief network are in memory",
        ),
        (
            "--early-stopping",
            args.early_stopping.is_some(),
            "metrics.csv has the validation error of every epoch",
        ),
        (
            "--trajectory",
            args.trajectory.is_some(),
            "sampling along a trajectory is for RBMs",
        ),
    ] {
        if given {
            return Err(Failure::usage(format!("{flag} is no option of `train dbn`")).hint(advice));
        }
    }
    Ok(())
}
