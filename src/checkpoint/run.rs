//! A run in a model file: what it was told as JSON in the metadata, what it remembers as tensors
//! `training.*`, whose names belong to the learner.
//!
//! Metadata `training` is `{"options", "updates", "examples"}` of the run of the machine. A run of
//! several stages says in `stage` which one it is in: `greedy` (of a deep belief network, whose top
//! pair learns: its run is `training`), `pretraining` (of a deep Boltzmann machine; the RBMs so far
//! are `training.pretraining.{weights,visible,hidden}.{k}`, the last one's run is `training`), or
//! `up_down`, which holds the header of its run itself. `custom`, optional and true, says that the
//! rate was a function of the program. `multiply_add`, optional, says how the instruction set
//! rounds them: `fused` or `separate`. `draws` is the [`crate::rng::VERSION`] of the draws, 1 where
//! it is absent.

use super::{limits::Entry, pretraining, reader::Reader, tensor::Writer};
use crate::{
    error::{Error, Result},
    model::{Layer, Model, Rbm},
    simd::MultiplyAdd,
    tensor::Saved,
    train::{
        BackpropLearner, BackpropOptions, BoltzmannLearner, BoltzmannOptions, DbmLearner,
        DbmOptions, GreedyPlan, Learner, Learning, Position, PretrainingPlan, RbmLearner,
        RbmOptions, RunState, UpDownLearner, UpDownOptions,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A run in progress, apart from the machine.
#[derive(Clone, Debug, PartialEq)]
pub enum SavedRun {
    /// Of an RBM.
    Rbm(RunState<RbmOptions>),
    /// Of a deep Boltzmann machine, all layers together.
    Dbm(RunState<DbmOptions>),
    /// Of a general Boltzmann machine.
    Boltzmann(RunState<BoltzmannOptions>),
    /// Of a network, by backpropagation.
    Backprop(RunState<BackpropOptions>),
    /// Of a deep belief network, by the up-down algorithm.
    UpDown(RunState<UpDownOptions>),
    /// Of a deep belief network, layer by layer: the top pair learns.
    Greedy {
        /// What is trained.
        plan: GreedyPlan,
        /// Of the top pair.
        top: RunState<RbmOptions>,
    },
    /// Of a deep Boltzmann machine, RBM upon RBM, with the inputs of inner layers doubled.
    Pretraining {
        /// What is trained.
        plan: PretrainingPlan,
        /// The RBMs so far, lowest first: the last learns.
        rbms: Vec<Rbm>,
        /// Of the last one.
        top: RunState<RbmOptions>,
    },
}

/// What metadata hold of a run.
#[derive(Serialize, Deserialize)]
struct RunHeader<O> {
    options: O,
    updates: u64,
    examples: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    custom: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multiply_add: Option<MultiplyAdd>,
    #[serde(default = "first_draws")]
    draws: u32,
}

/// The version of the draws in files that do not say it.
fn first_draws() -> u32 {
    1
}

/// What metadata `stage` hold.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage<U> {
    Greedy(GreedyPlan),
    Pretraining { plan: PretrainingPlan, rbms: usize },
    UpDown(U),
}

/// A learner whose runs files hold.
pub trait StoredLearner: Learner<Model: Into<Model>> {
    /// What its run is called in errors.
    const RUN: &'static str;

    /// Its run, as files hold it.
    fn saved(state: RunState<Self::Options>) -> SavedRun;

    /// The same back; `None` of another family's run.
    fn state(run: SavedRun) -> Option<RunState<Self::Options>>;

    /// The machine that learns.
    ///
    /// # Errors
    /// [`Error::Parameter`] for one of another kind.
    fn machine(model: Model) -> Result<Self::Model>;
}

/// A learner, its variant of [`SavedRun`], what its run is called, how a [`Model`] becomes its
/// machine.
macro_rules! stored_learner {
    ($learner:ident, $run:ident, $name:literal, $into:ident) => {
        impl StoredLearner for $learner {
            const RUN: &'static str = $name;

            fn saved(state: RunState<Self::Options>) -> SavedRun {
                SavedRun::$run(state)
            }

            fn state(run: SavedRun) -> Option<RunState<Self::Options>> {
                match run {
                    SavedRun::$run(state) => Some(state),
                    _ => None,
                }
            }

            fn machine(model: Model) -> Result<Self::Model> {
                model.$into()
            }
        }
    };
}

stored_learner!(RbmLearner, Rbm, "a run of an RBM", into_rbm);
stored_learner!(
    DbmLearner,
    Dbm,
    "a run of a deep Boltzmann machine",
    into_dbm
);
stored_learner!(
    BoltzmannLearner,
    Boltzmann,
    "a run of a general Boltzmann machine",
    into_boltzmann
);
stored_learner!(
    UpDownLearner,
    UpDown,
    "a run of the up-down algorithm",
    into_dbn
);
stored_learner!(
    BackpropLearner,
    Backprop,
    "a run of backpropagation",
    into_network
);

impl SavedRun {
    /// What it is, for errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rbm(_) => RbmLearner::RUN,
            Self::Dbm(_) => DbmLearner::RUN,
            Self::Boltzmann(_) => BoltzmannLearner::RUN,
            Self::Backprop(_) => BackpropLearner::RUN,
            Self::UpDown(_) => UpDownLearner::RUN,
            Self::Greedy { .. } => "a greedy run",
            Self::Pretraining { .. } => "a run of pretraining",
        }
    }

    /// Options that every family shares, of the stage that goes on.
    pub fn learning(&self) -> &Learning {
        match self {
            Self::Rbm(x) | Self::Greedy { top: x, .. } | Self::Pretraining { top: x, .. } => {
                x.learning()
            }
            Self::Dbm(x) => x.learning(),
            Self::Boltzmann(x) => x.learning(),
            Self::Backprop(x) => x.learning(),
            Self::UpDown(x) => x.learning(),
        }
    }

    /// The same, to be changed before the run goes on.
    pub fn learning_mut(&mut self) -> &mut Learning {
        match self {
            Self::Rbm(x) | Self::Greedy { top: x, .. } | Self::Pretraining { top: x, .. } => {
                &mut x.options.learning
            }
            Self::Dbm(x) => &mut x.options.learning,
            Self::Boltzmann(x) => &mut x.options.learning,
            Self::Backprop(x) => &mut x.options.learning,
            Self::UpDown(x) => &mut x.options.learning,
        }
    }

    /// Where the stage that goes on stands.
    pub fn position(&self) -> Position {
        match self {
            Self::Rbm(x) | Self::Greedy { top: x, .. } | Self::Pretraining { top: x, .. } => {
                x.position()
            }
            Self::Dbm(x) => x.position(),
            Self::Boltzmann(x) => x.position(),
            Self::Backprop(x) => x.position(),
            Self::UpDown(x) => x.position(),
        }
    }

    /// Whether the learning rate was a function of a program ([`crate::train::Run::set_rate`]),
    /// which no file holds: the run goes on at the last rate.
    pub fn is_custom(&self) -> bool {
        match self {
            Self::Rbm(x) | Self::Greedy { top: x, .. } | Self::Pretraining { top: x, .. } => {
                x.custom
            }
            Self::Dbm(x) => x.custom,
            Self::Boltzmann(x) => x.custom,
            Self::Backprop(x) => x.custom,
            Self::UpDown(x) => x.custom,
        }
    }

    /// How multiply-adds were rounded where the run was stored, if the file says it: elsewhere the
    /// run may go on to other bits, see [`MultiplyAdd`].
    pub fn multiply_add(&self) -> Option<MultiplyAdd> {
        self.made_with().0
    }

    /// The [`crate::rng::VERSION`] of the draws of the run so far: of another one it goes on to
    /// other bits.
    pub fn draws(&self) -> u32 {
        self.made_with().1
    }

    fn made_with(&self) -> (Option<MultiplyAdd>, u32) {
        match self {
            Self::Rbm(x) | Self::Greedy { top: x, .. } | Self::Pretraining { top: x, .. } => {
                (x.multiply_add, x.draws)
            }
            Self::Dbm(x) => (x.multiply_add, x.draws),
            Self::Boltzmann(x) => (x.multiply_add, x.draws),
            Self::Backprop(x) => (x.multiply_add, x.draws),
            Self::UpDown(x) => (x.multiply_add, x.draws),
        }
    }

    /// Examples of the data that the run is on.
    pub fn examples(&self) -> usize {
        match self {
            Self::Rbm(x) | Self::Greedy { top: x, .. } | Self::Pretraining { top: x, .. } => {
                x.examples
            }
            Self::Dbm(x) => x.examples,
            Self::Boltzmann(x) => x.examples,
            Self::Backprop(x) => x.examples,
            Self::UpDown(x) => x.examples,
        }
    }

    /// Persistent chains that the file holds of the stage that goes on, if there are any: those of
    /// the lowest layer that has some.
    pub fn chains(&self) -> Option<usize> {
        let tensors = match self {
            Self::Rbm(x) | Self::Greedy { top: x, .. } | Self::Pretraining { top: x, .. } => {
                &x.tensors
            }
            Self::Dbm(x) => &x.tensors,
            Self::Boltzmann(x) => &x.tensors,
            Self::Backprop(x) => &x.tensors,
            Self::UpDown(x) => &x.tensors,
        };
        let is_chain = |name: &str| name.starts_with("training.chains");
        let mut chains = tensors.iter().filter(|(name, _)| is_chain(name));
        chains
            .next()
            .map(|(_, x)| x.shape.first().copied().unwrap_or(0))
    }

    pub(super) fn write(&self, file: &mut Writer<'_>) -> Result<()> {
        match self {
            Self::Rbm(state) => write_training(state, file)?,
            Self::Dbm(state) => write_training(state, file)?,
            Self::Boltzmann(state) => write_training(state, file)?,
            Self::Backprop(state) => write_training(state, file)?,
            Self::UpDown(state) => {
                write_tensors(state, file);
                file.json("stage", &Stage::UpDown(header(state)))?;
            }
            Self::Greedy { plan, top } => {
                write_training(top, file)?;
                file.json("stage", &Stage::<()>::Greedy(plan.clone()))?;
            }
            Self::Pretraining { plan, rbms, top } => {
                write_training(top, file)?;
                pretraining::write(rbms, file);
                let (plan, rbms) = (plan.clone(), rbms.len());
                file.json("stage", &Stage::<()>::Pretraining { plan, rbms })?;
            }
        }
        Ok(())
    }

    /// The run of `model` that the file holds, if it holds one.
    pub(super) fn read(reader: &Reader<'_>, model: &Model) -> Result<Option<Self>> {
        if reader.metadata.contains_key("stage") {
            return Self::read_stage(reader, model).map(Some);
        }
        Ok(match model {
            Model::Rbm(rbm) => of_rbm(reader, rbm)?.map(Self::Rbm),
            Model::Dbm(dbm) => {
                let read = training::<DbmOptions>(reader)?;
                let checked = read.map(|(state, entry)| {
                    let units = dbm.layers().iter().map(Layer::size).max().unwrap_or(0);
                    let layers = (dbm.n_layers(), dbm.n_hidden_layers(), units);
                    let chains = state.stored("training.chains.1");
                    entry.dbm_run(&state.options, state.updates, layers, chains)?;
                    Ok(Self::Dbm(state))
                });
                checked.transpose()?
            }
            Model::Boltzmann(machine) => {
                let read = training::<BoltzmannOptions>(reader)?;
                let checked = read.map(|(state, entry)| {
                    let chains = state.stored("training.chains");
                    entry.boltzmann_run(&state.options, state.updates, machine.units(), chains)?;
                    Ok(Self::Boltzmann(state))
                });
                checked.transpose()?
            }
            Model::Network(_) => {
                let read = training::<BackpropOptions>(reader)?;
                let checked = read.map(|(state, entry)| {
                    entry.options(state.options.check())?;
                    entry.updates(state.updates, [])?;
                    Ok(Self::Backprop(state))
                });
                checked.transpose()?
            }
            Model::Dbn(_) => None,
        })
    }

    /// The run of several stages that the file holds.
    fn read_stage(reader: &Reader<'_>, model: &Model) -> Result<Self> {
        let header = reader.header::<Stage<Value>>("stage", "a stage of training")?;
        let Some((stage, entry)) = header else {
            return Err(Error::file(reader.path, "metadata stage", "none"));
        };
        let missing = || Error::file(reader.path, "metadata training beside stage", "none");
        match (model, stage) {
            (Model::Dbn(_), Stage::UpDown(_)) if reader.metadata.contains_key("training") => {
                let expected = "no metadata training beside a stage of the up-down algorithm";
                Err(Error::file(reader.path, expected, "both"))
            }
            (Model::Dbn(dbn), Stage::UpDown(value)) => {
                let state: RunState<UpDownOptions> = state(reader, "stage", value)?;
                let (n, m) = (dbn.top().n_visible(), dbn.top().n_hidden());
                let chains = state.stored("training.chains.top");
                entry.up_down_run(&state.options, state.updates, n.max(m), chains)?;
                Ok(Self::UpDown(state))
            }
            (Model::Dbn(dbn), Stage::Greedy(plan)) => {
                entry.greedy(&plan, dbn.layer(0).size())?;
                let top = of_rbm(reader, dbn.top())?.ok_or_else(missing)?;
                Ok(Self::Greedy { plan, top })
            }
            (Model::Dbm(dbm), Stage::Pretraining { plan, rbms }) => {
                entry.pretraining(&plan, dbm.n_visible())?;
                let rbms = pretraining::read(reader, &plan, rbms)?;
                let top = of_rbm(reader, &rbms[rbms.len() - 1])?.ok_or_else(missing)?;
                Ok(Self::Pretraining { plan, rbms, top })
            }
            (model, _) => {
                let expected = format!("a stage of a machine of kind {}", model.kind());
                let found = "one of another kind in metadata stage";
                Err(Error::file(reader.path, expected, found))
            }
        }
    }
}

/// The run of `rbm` whose header is metadata `training`, if the file has it.
fn of_rbm(reader: &Reader<'_>, rbm: &Rbm) -> Result<Option<RunState<RbmOptions>>> {
    let Some((state, entry)) = training::<RbmOptions>(reader)? else {
        return Ok(None);
    };
    let units = rbm.n_visible().max(rbm.n_hidden());
    let chains = state.stored("training.chains.1");
    entry.rbm_run(&state.options, state.updates, units, chains)?;
    Ok(Some(state))
}

impl<O> RunState<O> {
    /// Rows of a tensor, if the file has it.
    fn stored(&self, name: &str) -> Option<usize> {
        self.tensors.shape(name)?.first().copied()
    }
}

fn header<O: Clone>(state: &RunState<O>) -> RunHeader<O> {
    RunHeader {
        options: state.options.clone(),
        updates: state.updates,
        examples: state.examples,
        custom: state.custom,
        multiply_add: state.multiply_add,
        draws: state.draws,
    }
}

fn write_tensors<O>(state: &RunState<O>, file: &mut Writer<'_>) {
    for (name, tensor) in state.tensors.iter() {
        file.tensor(name, tensor.clone());
    }
}

fn write_training<O: Clone + Serialize>(state: &RunState<O>, file: &mut Writer<'_>) -> Result<()> {
    write_tensors(state, file);
    file.json("training", &header(state))
}

/// The state whose header is metadata `training`, if the file has it, and where to complain of it.
fn training<'a, 'b, O>(reader: &'a Reader<'b>) -> Result<Option<(RunState<O>, Entry<'a, 'b>)>>
where
    O: DeserializeOwned,
{
    let header = reader.header::<Value>("training", "the options of a run")?;
    let Some((value, entry)) = header else {
        return Ok(None);
    };
    Ok(Some((state(reader, "training", value)?, entry)))
}

fn state<O>(reader: &Reader<'_>, key: &str, value: Value) -> Result<RunState<O>>
where
    O: DeserializeOwned,
{
    let expected = format!("the options of a run in metadata {key}");
    let header: RunHeader<O> =
        serde_json::from_value(value).map_err(|e| Error::file(reader.path, expected, e))?;
    let mut tensors = Saved::from_file(reader.path);
    reader.run_tensors(&mut tensors);
    Ok(RunState {
        options: header.options,
        updates: header.updates,
        examples: header.examples,
        custom: header.custom,
        multiply_add: header.multiply_add,
        draws: header.draws,
        tensors,
    })
}
