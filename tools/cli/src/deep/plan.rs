//! What the training of a deep belief network is to do: from the command line alone, or from the file of a run that goes on.

use super::{DEFAULT_GREEDY_EPOCHS, DEFAULT_LAYERS, DEFAULT_UP_DOWN_EPOCHS};
use crate::{
    args::{DeepArgs, TrainArgs},
    data::{Data, Source},
    failure::{Failure, Outcome},
    plan::{MOST_ELEMENTS, Plan, contradiction},
};
use harmonium::{
    checkpoint::{Checkpoint, Stage},
    model::{Kind, MAX_LAYERS, Units},
    train::{GreedyLayer, GreedyPlan, Negative, Options, Schedule, UpDownOptions},
};
use std::{collections::BTreeMap, path::Path};

const GREEDY: &str = "greedy";
const UP_DOWN: &str = "up_down";

/// The stages of a run and the data that it is on.
#[derive(Clone, Debug)]
pub struct DeepPlan {
    /// The data; their labels stay beside the values.
    pub source: Source,
    /// Kinds of the visible units.
    visible_units: String,
    /// The greedy stages; of a new run the number of `classes` is 0 until [`Self::settle`].
    pub greedy: GreedyPlan,
    /// The last stage.
    pub up_down: UpDownOptions,
}

impl DeepPlan {
    /// A new run.
    ///
    /// # Errors
    /// Flags that contradict each other or belong to other machines, and numbers out of range.
    pub fn fresh(args: &TrainArgs) -> Outcome<Self> {
        refuse_foreign(args)?;
        let deep = &args.deep;
        let sizes = deep.layers.clone().unwrap_or(DEFAULT_LAYERS.to_vec());
        if !(2..MAX_LAYERS).contains(&sizes.len()) {
            let most = MAX_LAYERS - 1;
            return Err(Failure::usage(format!(
                "--layers: expected 2 to {most} hidden layers, found {}",
                sizes.len()
            ))
            .hint("one layer is an RBM: `harmonium train rbm`"));
        }
        let epochs = match deep.greedy_epochs.as_deref() {
            None => vec![DEFAULT_GREEDY_EPOCHS; sizes.len()],
            Some(&[n]) => vec![n; sizes.len()],
            Some(all) if all.len() == sizes.len() => all.to_vec(),
            Some(all) => {
                return Err(Failure::usage(format!(
                    "--greedy-epochs: expected one number or one of each of the {} layers, found {}",
                    sizes.len(),
                    all.len()
                )));
            }
        };
        // The options of each layer are those of an RBM that learns such data.
        let rbm = TrainArgs {
            labels: false,
            ..args.clone()
        };
        let first = Plan::fresh(&rbm)?;
        let upper = TrainArgs {
            visible_units: None,
            standardize: false,
            binarize: None,
            resample: false,
            variance_rate: None,
            ..rbm
        };
        let labelled = TrainArgs {
            labels: true,
            ..upper.clone()
        };
        let of_upper = Plan::fresh(&upper)?.options;
        let of_labelled = Plan::fresh(&labelled)?.options;
        let last = sizes.len() - 1;
        let layers = sizes.iter().zip(epochs).enumerate();
        let layers = layers.map(|(l, (&hidden, epochs))| {
            let options = match l {
                0 => &first.options,
                l if l == last && args.labels => &of_labelled,
                _ => &of_upper,
            };
            GreedyLayer {
                hidden,
                options: Options {
                    epochs,
                    ..options.clone()
                },
                transposed: deep.transposed,
            }
        });
        let greedy = GreedyPlan {
            layers: layers.collect(),
            posterior: deep.posterior.map(Into::into).unwrap_or_default(),
            classes: args.labels.then_some(0),
        };
        let default = UpDownOptions::default();
        let rate = |own: &Option<Schedule>, default: &Schedule| {
            let given = own.clone().or_else(|| deep.up_down_rate.clone());
            given.unwrap_or(default.clone())
        };
        let up_down = UpDownOptions {
            epochs: deep.up_down_epochs.unwrap_or(DEFAULT_UP_DOWN_EPOCHS),
            batch_size: first.options.batch_size,
            steps: deep.up_down_steps.clone().unwrap_or(default.steps),
            generative_rate: rate(&deep.generative_rate, &default.generative_rate),
            recognition_rate: rate(&deep.recognition_rate, &default.recognition_rate),
            top_rate: rate(&deep.top_rate, &default.top_rate),
            momentum: deep.up_down_momentum.clone().unwrap_or(default.momentum),
            weight_decay: deep.up_down_weight_decay.unwrap_or(default.weight_decay),
            resample_data: args.resample,
            seed: first.options.seed,
        };
        up_down.check()?;
        let is_bits = first.visible_units == "bernoulli";
        if !is_bits && up_down.epochs > 0 {
            return Err(Failure::usage(format!(
                "--visible-units {}: the up-down algorithm is for bernoulli units",
                first.visible_units
            ))
            .hint("train such a network greedily alone: --up-down-epochs 0"));
        }
        Ok(Self {
            source: first.source,
            visible_units: first.visible_units,
            greedy,
            up_down,
        })
    }

    /// The run in `checkpoint`, read from `path`, with the `--up-down-epochs` of the command line if it has any.
    ///
    /// # Errors
    /// A file without a run, and flags that contradict it.
    pub fn resumed(args: &TrainArgs, checkpoint: &Checkpoint, path: &Path) -> Outcome<Self> {
        let foreign = |what: &str| {
            Failure::failed(format!("{}: {what}", path.display()))
                .hint("only models that `harmonium train` has written can be resumed")
        };
        let none = || foreign("holds a network, but no run that could go on");
        let stage = checkpoint.stage.as_ref().ok_or_else(none)?;
        let source = Source::from_notes(&checkpoint.notes)?
            .ok_or_else(|| foreign("its notes do not say which data the run is on"))?;
        let note = |key: &str| checkpoint.notes.get(key).map(String::as_str);
        let read = |key: &str| note(key).ok_or_else(|| foreign(&format!("has no note `{key}`")));
        let wrong = |key: &str, e: serde_json::Error| foreign(&format!("its note `{key}`: {e}"));
        let greedy = match stage {
            Stage::Greedy(plan) => plan.clone(),
            Stage::UpDown(_) => {
                serde_json::from_str(read(GREEDY)?).map_err(|e| wrong(GREEDY, e))?
            }
        };
        let mut up_down: UpDownOptions = match stage {
            Stage::UpDown(state) => state.options.clone(),
            Stage::Greedy(_) => {
                serde_json::from_str(read(UP_DOWN)?).map_err(|e| wrong(UP_DOWN, e))?
            }
        };
        if let Some(epochs) = args.deep.up_down_epochs {
            let done = match stage {
                Stage::UpDown(state) => {
                    let batches = state.examples.div_ceil(up_down.batch_size.max(1)).max(1);
                    state.updates.div_ceil(batches as u64)
                }
                Stage::Greedy(_) => 0,
            };
            if (epochs as u64) < done {
                return Err(contradiction(
                    &format!("--up-down-epochs {epochs}"),
                    format!("is in epoch {done} already"),
                ));
            }
            up_down.epochs = epochs;
        }
        let visible = checkpoint.model.dbn()?.layer(0).units.clone();
        let plan = Self {
            source,
            visible_units: visible.to_string(),
            greedy,
            up_down,
        };
        plan.agree(args)?;
        Ok(plan)
    }

    /// Refuses flags that a new run with them would not have in common with this one.
    fn agree(&self, args: &TrainArgs) -> Outcome<()> {
        let sizes = self.greedy.layers.iter().map(|x| x.hidden).collect();
        let asked = Self::fresh(&TrainArgs {
            // A run that has labels keeps them.
            labels: args.labels || self.greedy.classes.is_some(),
            visible_units: args
                .visible_units
                .clone()
                .or(Some(self.visible_units.clone())),
            deep: DeepArgs {
                layers: args.deep.layers.clone().or(Some(sizes)),
                up_down_epochs: Some(self.up_down.epochs),
                ..args.deep.clone()
            },
            ..args.clone()
        })?;
        let deep = &args.deep;
        let (a, b) = (&asked.source, &self.source);
        let layers = |of: &dyn Fn(&GreedyLayer, &GreedyLayer) -> bool| {
            let (a, b) = (&asked.greedy.layers, &self.greedy.layers);
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| of(a, b))
        };
        let all = |of: &dyn Fn(&Options, &Options) -> bool| {
            let (a, b) = (&asked.greedy.layers, &self.greedy.layers);
            a.iter().zip(b).all(|(a, b)| of(&a.options, &b.options))
        };
        let (x, y) = (&asked.up_down, &self.up_down);
        let of_negative = args.method.is_some()
            || args.steps.is_some()
            || args.chains.is_some()
            || args.fast_rate.is_some()
            || args.fast_decay.is_some()
            || args.temperatures.is_some()
            || args.lowest_beta.is_some()
            || args.acceptance.is_some()
            || args.snapshots.is_some()
            || args.reconstruction.is_some();
        let centres = args.centering.is_some() || args.no_centering || args.centering_rate.is_some();
        let rates = deep.up_down_rate.is_some();
        let is_labelled = self.greedy.classes.is_some();
        for (flag, given, same) in [
            ("--data", args.data.is_some(), a.data == b.data),
            ("--binarize", args.binarize.is_some(), a.binarize == b.binarize),
            ("--validation", args.validation.is_some(), a.validation == b.validation),
            ("--seed", args.seed.is_some(), a.seed == b.seed),
            ("--resample", args.resample, y.resample_data),
            ("--labels", args.labels, is_labelled),
            ("--layers", deep.layers.is_some(), layers(&|a, b| a.hidden == b.hidden)),
            (
                "--greedy-epochs",
                deep.greedy_epochs.is_some(),
                layers(&|a, b| a.options.epochs == b.options.epochs),
            ),
            ("--visible-units", args.visible_units.is_some(), asked.visible_units == self.visible_units),
            ("--transposed", deep.transposed, layers(&|_, b| b.transposed)),
            ("--posterior", deep.posterior.is_some(), asked.greedy.posterior == self.greedy.posterior),
            ("--batch-size", args.batch_size.is_some(), x.batch_size == y.batch_size),
            ("--learning-rate", args.learning_rate.is_some(), all(&|a, b| a.learning_rate == b.learning_rate)),
            ("--momentum", args.momentum.is_some(), all(&|a, b| a.momentum == b.momentum)),
            ("--weight-decay", args.weight_decay.is_some(), all(&|a, b| a.weight_decay == b.weight_decay)),
            ("--l1-decay", args.l1_decay.is_some(), all(&|a, b| a.l1_decay == b.l1_decay)),
            ("--gradient-clip", args.gradient_clip.is_some(), all(&|a, b| a.gradient_clip == b.gradient_clip)),
            ("--method and its options", of_negative, all(&|a, b| a.negative == b.negative && a.steps == b.steps)),
            ("--centering", centres, all(&|a, b| a.centering == b.centering)),
            ("--optimizer", args.optimizer.is_some(), all(&|a, b| a.optimizer == b.optimizer)),
            ("--sparsity", args.sparsity.is_some(), all(&|a, b| a.sparsity == b.sparsity)),
            ("--max-norm", args.max_norm.is_some(), all(&|a, b| a.max_norm == b.max_norm)),
            ("--averaging", args.averaging.is_some(), all(&|a, b| a.averaging == b.averaging)),
            ("--up-down-steps", deep.up_down_steps.is_some(), x.steps == y.steps),
            ("--generative-rate", rates || deep.generative_rate.is_some(), x.generative_rate == y.generative_rate),
            ("--recognition-rate", rates || deep.recognition_rate.is_some(), x.recognition_rate == y.recognition_rate),
            ("--top-rate", rates || deep.top_rate.is_some(), x.top_rate == y.top_rate),
            ("--up-down-momentum", deep.up_down_momentum.is_some(), x.momentum == y.momentum),
            ("--up-down-weight-decay", deep.up_down_weight_decay.is_some(), x.weight_decay == y.weight_decay),
        ] {
            if given && !same {
                return Err(contradiction(flag, "has another"));
            }
        }
        Ok(())
    }

    /// Loads the data and settles what was left to them: the number of classes.
    ///
    /// # Errors
    /// Those of the data; labels that are not there; layers that would not fit into memory.
    pub fn settle(&mut self) -> Outcome<Data> {
        let data = self.source.settle()?;
        if self.greedy.classes == Some(0) {
            let classes = data.train.classes().ok_or_else(|| {
                Failure::usage(format!("--labels: {} has no labels", data.name))
                    .hint("labels come from IDX files, a column `label` of CSV, or y_train of NPZ")
            })?;
            self.greedy.classes = Some(classes);
        }
        let hidden = self.greedy.layers.iter().map(|layer| layer.hidden);
        let sizes: Vec<usize> = std::iter::once(data.train.columns()).chain(hidden).collect();
        for pair in sizes.windows(2) {
            let most = MOST_ELEMENTS / pair[0].max(1);
            if pair[1] > most {
                return Err(Failure::usage(format!(
                    "--layers: expected at most {most} units above {} others, found {}",
                    pair[0], pair[1]
                )));
            }
        }
        let widest = sizes.iter().copied().max().unwrap_or(1).max(1);
        for layer in &self.greedy.layers {
            let replicas = match layer.options.negative {
                Negative::Tempered { temperatures, .. } => temperatures,
                Negative::Trajectory { snapshots, .. } => snapshots.saturating_add(2),
                _ => 1,
            };
            let chains = match layer.options.negative {
                Negative::Persistent { chains, .. }
                | Negative::FastPersistent { chains, .. }
                | Negative::Tempered { chains, .. }
                | Negative::Trajectory { chains, .. }
                | Negative::Mcmc { chains, .. } => chains,
                Negative::Exact | Negative::ContrastiveDivergence { .. } => 0,
            };
            let most = MOST_ELEMENTS / widest / replicas;
            if chains > most {
                return Err(Failure::usage(format!(
                    "--chains {chains}: expected at most {most} for a machine of this size"
                )));
            }
        }
        Ok(data)
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
    }
}

/// Refuses options that mean nothing for a network of several layers.
fn refuse_foreign(args: &TrainArgs) -> Outcome<()> {
    for (flag, given, advice) in [
        ("--hidden", args.hidden.is_some(), "name the sizes of the layers with --layers"),
        ("--epochs", args.epochs.is_some(), "choose --greedy-epochs and --up-down-epochs"),
        ("--preset", args.preset.is_some(), "choose --greedy-epochs and --up-down-epochs"),
        ("--hidden-units", args.hidden_units.is_some(), "hidden layers are of bernoulli units"),
        ("--objective", args.objective.is_some(), "the top pair learns ln p(features, label)"),
        ("--stream", args.stream, "data of a deep belief network are in memory"),
        ("--early-stopping", args.early_stopping.is_some(), "metrics.csv has the validation error of every epoch"),
        ("--trajectory", args.trajectory.is_some(), "sampling along a trajectory is for RBMs"),
    ] {
        if given {
            return Err(Failure::usage(format!("{flag} is no option of `train dbn`")).hint(advice));
        }
    }
    Ok(())
}
