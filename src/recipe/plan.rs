//! What a run is to be, whatever learns: what the machine is, and the stages in which it learns.

use super::any_run::{AnyRun, layer_name, rbm_name};
use crate::{
    checkpoint::{Checkpoint, SavedRun},
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{BoltzmannMachine, Dbm, Layer, MeanField, Missing, Model, Network, Rbm},
    train::{
        BackpropLearner, BackpropOptions, BackpropTraining, BoltzmannLearner, BoltzmannOptions,
        DbmLearner, DbmOptions, GreedyPlan, Learner, Learning, PretrainingPlan, RbmLearner,
        RbmOptions, Run, Stack, UpDownLearner, UpDownOptions,
    },
    units::{Kind, Units},
};
use std::borrow::Cow;

/// An RBM and how it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct RbmPlan {
    /// Visible units, those of labels included.
    pub visible: Units,
    /// Hidden units.
    pub hidden: Units,
    /// How it learns.
    pub options: RbmOptions,
}

/// A deep belief network: greedy stages, the up-down algorithm, backpropagation.
#[derive(Clone, Debug, PartialEq)]
pub struct DbnPlan {
    /// Visible units.
    pub visible: Units,
    /// One RBM upon the other.
    pub greedy: GreedyPlan,
    /// All layers together; no stage without epochs.
    pub up_down: UpDownOptions,
    /// The network that starts from the layers and learns the labels, if one does.
    pub fine_tune: Option<BackpropOptions>,
}

/// A deep Boltzmann machine: pretraining, the joint stage, backpropagation.
#[derive(Clone, Debug, PartialEq)]
pub struct DbmPlan {
    /// Sizes of the hidden layers, lowest first.
    pub hidden: Vec<usize>,
    /// Visible units, Bernoulli units and softmax groups; bits if there are none.
    pub visible: Option<Units>,
    /// Classes of the label above them, if the machine learns labels.
    pub classes: Option<usize>,
    /// RBM upon RBM, unless all layers learn together from the start.
    pub pretraining: Option<PretrainingPlan>,
    /// All layers together; no stage without epochs after pretraining.
    pub joint: DbmOptions,
    /// The network that starts from the layers and learns the labels, if one does.
    pub fine_tune: Option<BackpropOptions>,
}

/// A general machine and how it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct BoltzmannPlan {
    /// Hidden units.
    pub hidden: usize,
    /// Visible units, Bernoulli units and softmax groups; bits if there are none.
    pub visible: Option<Units>,
    /// Which pairs may be coupled and the parameters to start from; small ones by the seed, and
    /// biases of the data, where all of these are 0. All pairs if there is none.
    pub start: Option<BoltzmannMachine>,
    /// How it learns.
    pub options: BoltzmannOptions,
}

/// What a machine of any kind is to be, and how it learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// An RBM.
    Rbm(RbmPlan),
    /// A deep belief network.
    Dbn(DbnPlan),
    /// A deep Boltzmann machine.
    Dbm(DbmPlan),
    /// A general machine.
    Boltzmann(BoltzmannPlan),
}

/// A stage of a plan, as [`super::Running::name`] and metrics name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageName {
    /// Its name.
    pub name: String,
    /// Its epochs.
    pub epochs: usize,
    /// Examples of a minibatch.
    pub batch_size: usize,
}

impl Plan {
    /// The kind of machine, as in model files.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rbm(_) => "rbm",
            Self::Dbn(_) => "dbn",
            Self::Dbm(_) => "dbm",
            Self::Boltzmann(_) => "boltzmann",
        }
    }

    /// What all families share, of the main stage: the last before backpropagation.
    pub fn learning(&self) -> &Learning {
        match self {
            Self::Rbm(plan) => &plan.options.learning,
            Self::Dbn(plan) => &plan.up_down.learning,
            Self::Dbm(plan) => &plan.joint.learning,
            Self::Boltzmann(plan) => &plan.options.learning,
        }
    }

    /// The same, to be changed.
    pub fn learning_mut(&mut self) -> &mut Learning {
        match self {
            Self::Rbm(plan) => &mut plan.options.learning,
            Self::Dbn(plan) => &mut plan.up_down.learning,
            Self::Dbm(plan) => &mut plan.joint.learning,
            Self::Boltzmann(plan) => &mut plan.options.learning,
        }
    }

    /// How a network that starts from the machine learns the labels, if one does.
    pub fn fine_tune(&self) -> Option<&BackpropOptions> {
        match self {
            Self::Dbn(plan) => plan.fine_tune.as_ref(),
            Self::Dbm(plan) => plan.fine_tune.as_ref(),
            Self::Rbm(_) | Self::Boltzmann(_) => None,
        }
    }

    /// What a missing value is to the machine.
    pub fn missing(&self) -> Missing {
        match self {
            Self::Rbm(plan) => plan.options.missing,
            Self::Dbn(_) | Self::Dbm(_) | Self::Boltzmann(_) => Missing::Infer,
        }
    }

    /// The same, to be changed.
    pub fn fine_tune_mut(&mut self) -> Option<&mut Option<BackpropOptions>> {
        match self {
            Self::Dbn(plan) => Some(&mut plan.fine_tune),
            Self::Dbm(plan) => Some(&mut plan.fine_tune),
            Self::Rbm(_) | Self::Boltzmann(_) => None,
        }
    }

    /// All stages, in the order of training.
    pub fn stages(&self) -> Vec<StageName> {
        let stage = |name: &str, learning: &Learning| StageName {
            name: name.into(),
            epochs: learning.epochs,
            batch_size: learning.batch_size,
        };
        let mut stages = match self {
            Self::Rbm(_) => vec![stage(RbmLearner::NAME, self.learning())],
            Self::Boltzmann(_) => vec![stage(BoltzmannLearner::NAME, self.learning())],
            Self::Dbn(plan) => {
                let layers = plan.greedy.layers.iter().enumerate();
                layers
                    .map(|(l, layer)| stage(&layer_name(l), &layer.options.learning))
                    .collect()
            }
            Self::Dbm(plan) => {
                let rbms = plan.pretraining.iter().flat_map(|plan| {
                    (0..plan.hidden.len()).map(|l| (l, plan.options_of(l).learning))
                });
                rbms.map(|(l, learning)| stage(&rbm_name(l), &learning))
                    .collect()
            }
        };
        let together = match self {
            Self::Dbn(_) => Some(UpDownLearner::NAME),
            Self::Dbm(_) => Some(DbmLearner::NAME),
            Self::Rbm(_) | Self::Boltzmann(_) => None,
        };
        let together = together.filter(|_| self.learning().epochs > 0);
        stages.extend(together.map(|name| stage(name, self.learning())));
        let tuned = self.fine_tune();
        stages.extend(tuned.map(|options| stage(BackpropLearner::NAME, &options.learning)));
        stages
    }

    /// The first stage on `data`; with `stream` these are some of so many examples, which the run
    /// is [fed](Run::fed).
    ///
    /// # Errors
    /// Those of the runs; [`Error::Parameter`] for a stream to machines that remember something of
    /// each example.
    pub fn start(&self, data: &Examples, stream: Option<usize>) -> Result<AnyRun> {
        let stack = |stack: Stack| {
            AnyRun::Stack(Box::new(match stream {
                Some(examples) => stack.fed(examples),
                None => stack,
            }))
        };
        Ok(match self {
            Self::Rbm(plan) => {
                let layers = [&plan.visible, &plan.hidden].map(|x| Layer::new(x.clone()));
                let [visible, hidden] = layers;
                let rbm = Rbm::unconnected(visible, hidden)?;
                let rbm = rbm.initialized_from(data, plan.options.learning.seed)?;
                AnyRun::Rbm(begun(rbm, &plan.options, data, stream)?)
            }
            Self::Dbn(plan) => {
                let (greedy, visible) = (plan.greedy.clone(), plan.visible.clone());
                stack(Stack::greedy(greedy, visible, data)?)
            }
            Self::Dbm(plan) => match &plan.pretraining {
                Some(rbms) => stack(Stack::pretraining(rbms.clone(), data)?),
                None => {
                    let dbm = plan.unconnected(data.columns())?;
                    let dbm = dbm.initialized_from(data, plan.joint.learning.seed)?;
                    AnyRun::Dbm(begun(dbm, &plan.joint, data, stream)?)
                }
            },
            Self::Boltzmann(plan) => {
                let machine = plan.machine(data)?;
                AnyRun::Boltzmann(begun(machine, &plan.options, data, stream)?)
            }
        })
    }

    /// The stage after that of `run`, which is done, on the same data; none before
    /// backpropagation, which has data of its own ([`Self::network`]).
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn next(
        &self,
        run: &AnyRun,
        data: &Examples,
        stream: Option<usize>,
    ) -> Result<Option<AnyRun>> {
        let AnyRun::Stack(stack) = run else {
            return Ok(None);
        };
        Ok(match self {
            Self::Dbn(plan) if plan.up_down.learning.epochs > 0 => {
                let run = begun(stack.dbn()?, &plan.up_down, data, stream)?;
                Some(AnyRun::UpDown(run))
            }
            Self::Dbm(plan) if plan.joint.learning.epochs > 0 => {
                let run = begun(stack.dbm()?, &plan.joint, data, stream)?;
                Some(AnyRun::Dbm(run))
            }
            _ => None,
        })
    }

    /// Whether backpropagation alone can come after `run`.
    pub fn is_done(&self, run: &AnyRun) -> bool {
        let is_last = match run {
            AnyRun::Stack(_) => self.learning().epochs == 0,
            _ => true,
        };
        is_last && run.running().is_finished()
    }

    /// The run that `checkpoint` was written in the midst of, on its data, with the epochs of the
    /// plan.
    ///
    /// # Errors
    /// As [`AnyRun::resumed`].
    pub fn resumed(
        &self,
        mut checkpoint: Checkpoint,
        data: &Examples,
        is_fed: bool,
    ) -> Result<AnyRun> {
        match &mut checkpoint.run {
            Some(SavedRun::Greedy { .. } | SavedRun::Pretraining { .. }) | None => {}
            Some(run) => {
                let epochs = match &run {
                    SavedRun::Backprop(_) => self.fine_tune().map(|x| x.learning.epochs),
                    _ => Some(self.learning().epochs),
                };
                run.learning_mut().epochs = epochs.unwrap_or(run.learning().epochs);
            }
        }
        AnyRun::resumed(checkpoint, data, is_fed)
    }

    /// The data of backpropagation: of a deep Boltzmann machine the examples with the means of the
    /// second hidden layer beside them (Salakhutdinov and Hinton 2009), else the examples.
    ///
    /// # Errors
    /// Those of mean field.
    pub fn seen_by_network<'a>(
        machine: &Model,
        examples: &'a Examples,
    ) -> Result<Cow<'a, Examples>> {
        let Model::Dbm(dbm) = machine else {
            return Ok(Cow::Borrowed(examples));
        };
        let dbm = dbm.without_labels();
        let both = dbm.with_posterior(examples, 2, &MeanField::default())?;
        Ok(Cow::Owned(examples.with_states(both)?))
    }

    /// Backpropagation from `machine` on `data` that [it sees](Self::seen_by_network), with
    /// labels.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the plan has no such stage and for data without labels.
    pub fn network(&self, machine: &Model, data: &Examples) -> Result<AnyRun> {
        let Some(options) = self.fine_tune() else {
            let expected = "a plan with backpropagation";
            return Err(Error::parameter("stage", expected, self.kind()));
        };
        let Some(classes) = data.classes() else {
            return Err(Error::parameter(
                "data of backpropagation",
                "labels",
                "none",
            ));
        };
        let seed = options.learning.seed;
        let network = match machine {
            Model::Dbn(dbn) => Network::classifier_from_dbn(dbn, classes, seed)?,
            other => Network::classifier_from_dbm(other.dbm()?, classes, seed)?,
        };
        let run = BackpropTraining::new(network, options.clone(), data)?;
        Ok(AnyRun::Backprop(Box::new(run)))
    }
}

/// A run of `model` on `data`, fed where these are some of the examples of a stream.
pub(super) fn begun<L: Learner>(
    model: L::Model,
    options: &L::Options,
    data: &Examples,
    stream: Option<usize>,
) -> Result<Box<Run<L>>> {
    let run = Run::new(model, options.clone(), data)?;
    Ok(Box::new(match stream {
        None => run,
        Some(examples) => {
            run.expect_fed()?;
            run.fed(examples)
        }
    }))
}

impl DbmPlan {
    /// The machine without pretraining, all parameters zero.
    fn unconnected(&self, n_visible: usize) -> Result<Dbm> {
        let bits = || Units::of(Kind::Bernoulli, n_visible);
        let mut layers = vec![Layer::new(self.visible.clone().unwrap_or_else(bits))];
        layers.extend(self.hidden.iter().copied().map(Layer::bernoulli));
        let label = |classes| Layer::new(Units::of(Kind::Softmax, classes));
        layers.extend(self.classes.map(label));
        let weights = layers.windows(2);
        let weights = weights.map(|x| Matrix::zeros(x[0].size(), x[1].size()));
        let weights = weights.collect::<Vec<_>>();
        Dbm::from_parameters(layers, weights)
    }
}

impl BoltzmannPlan {
    /// The machine before learning.
    fn machine(&self, data: &Examples) -> Result<BoltzmannMachine> {
        let seed = self.options.learning.seed;
        let Some(machine) = &self.start else {
            let bits = || Units::of(Kind::Bernoulli, data.columns());
            let visible = Layer::new(self.visible.clone().unwrap_or_else(bits));
            let machine = BoltzmannMachine::of_visible(visible, self.hidden)?;
            return machine.initialized_from(data, seed);
        };
        let biases = [&machine.visible().bias, &machine.hidden().bias];
        let is_zero = machine.visible_weights().elements().all(|x| x == 0.0)
            && machine.weights().elements().all(|x| x == 0.0)
            && machine.hidden_weights().elements().all(|x| x == 0.0)
            && biases.into_iter().flatten().all(|&x| x == 0.0);
        match is_zero {
            true => machine.clone().initialized_from(data, seed),
            false => Ok(machine.clone()),
        }
    }
}
