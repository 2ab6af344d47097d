//! Greedy pretraining of a deep Boltzmann machine: RBMs, one trained upon the other, with the inputs of inner layers doubled.

use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::{Dbm, Layer, Rbm},
    train::{Doubled, Event, Options, Position, Training},
    units::{Kind, Units},
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What [`Pretraining`] trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainingPlan {
    /// Sizes of the hidden layers, lowest first: one RBM each.
    pub hidden: Vec<usize>,
    /// Options of each RBM, or one for all; what they say of [`Doubled`] is passed over, it follows from the RBM's place.
    pub options: Vec<Options>,
    /// Classes of a label that is a softmax group beside the other visible units of the highest RBM.
    #[serde(default)]
    pub classes: Option<usize>,
}

impl PretrainingPlan {
    fn check(&self) -> Result<()> {
        if self.hidden.is_empty() || self.hidden.contains(&0) {
            return Err(Error::parameter(
                "hidden layers",
                "at least one layer of at least one unit",
                format!("{:?}", self.hidden),
            ));
        }
        let (n, found) = (self.hidden.len(), self.options.len());
        if found != 1 && found != n {
            let expected = format!("1 or {n}");
            return Err(Error::parameter("options of pretraining", expected, found));
        }
        Ok(())
    }

    /// The options with which RBM `l` is trained.
    ///
    /// # Panics
    /// Without options.
    pub fn options_of(&self, l: usize) -> Options {
        let options = self.options.get(l).unwrap_or(&self.options[0]);
        Options {
            doubled: Doubled::of(l, self.hidden.len()),
            ..options.clone()
        }
    }

    /// What RBM `l` sees: `features` of the RBM below, beside them the label if it is the highest; nothing where it is `features` themselves.
    fn labelled(&self, l: usize, features: &Examples) -> Result<Option<Examples>> {
        let classes = self.classes.filter(|_| l + 1 == self.hidden.len());
        let joined = |classes| features.with_label_units(classes);
        classes.map(joined).transpose()
    }

    /// `E[h | v]` of RBM `l` for all that it sees.
    fn features(&self, l: usize, rbm: &Rbm, seen: &Examples) -> Result<Examples> {
        let [beta, _] = Doubled::of(l, self.hidden.len()).factors();
        let means = rbm.mean_h_from_v(seen, beta)?;
        seen.with_states(means)
    }
}

/// What the observer of a run is told; it stops the run by breaking.
#[derive(Debug)]
pub enum PretrainingEvent<'a> {
    /// An update of an RBM is done.
    Update(&'a Pretraining),
    /// An epoch of an RBM is done.
    Epoch(&'a Pretraining),
    /// An RBM is done.
    Layer(&'a Pretraining),
}

/// A run: the RBMs that are done, and that which learns, with the inputs doubled that a deep Boltzmann machine asks for ([`Doubled`]) and on the means
/// `E[h | v]` of the one below. [`crate::Dbm::joined`] puts the RBMs together (Salakhutdinov and Hinton 2009).
///
/// The means of all examples are kept, `4 x examples x units` bytes of the layer below that which learns. A run that is stored
/// ([`crate::Checkpoint::of_pretraining`]) and resumed is one that was never interrupted, to the bit.
///
/// ```
/// # use harmonium::{dataset, train::{Options, Pretraining, PretrainingPlan}};
/// let data = dataset::bars_and_stripes(3);
/// let options = Options { epochs: 2, ..Options::default() };
/// let plan = PretrainingPlan { hidden: vec![6, 4], options: vec![options], classes: None };
/// let mut run = Pretraining::new(plan, &data)?;
/// let _ = run.run(&data, |_| std::ops::ControlFlow::Continue(()))?;
/// assert_eq!(run.dbm()?.n_layers(), 3);
/// # Ok::<(), harmonium::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pretraining {
    plan: PretrainingPlan,
    done: Vec<Rbm>,
    training: Training,
    /// What the RBM that learns sees, unless it is the data themselves.
    seen: Option<Examples>,
}

impl Pretraining {
    /// A run on `data`, before its first update.
    ///
    /// # Errors
    /// [`Error::Parameter`] without hidden layers, for a number of options that is neither 1 nor that of the RBMs, and for data without labels where the
    /// plan has classes; those of [`Training::new`].
    pub fn new(plan: PretrainingPlan, data: &Examples) -> Result<Self> {
        plan.check()?;
        let seen = plan.labelled(0, data)?;
        let training = start(&plan, 0, data, seen.as_ref())?;
        Ok(Self {
            plan,
            done: Vec::new(),
            training,
            seen,
        })
    }

    /// A run that goes on in the midst of an RBM: `done` are those below it, `training(seen)` makes its stored run from the examples that it learns.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::Shape`] where the parts disagree; those of `training`.
    pub fn resumed(
        plan: PretrainingPlan,
        done: Vec<Rbm>,
        data: &Examples,
        training: impl FnOnce(&Examples) -> Result<Training>,
    ) -> Result<Self> {
        plan.check()?;
        let layer = done.len();
        if layer >= plan.hidden.len() {
            let expected = format!("fewer than {}", plan.hidden.len());
            return Err(Error::shape("RBMs that are done", expected, layer));
        }
        let mut features: Option<Examples> = None;
        for (l, rbm) in done.iter().enumerate() {
            let below = features.as_ref().unwrap_or(data);
            check_shape(rbm, below.columns(), plan.hidden[l])?;
            features = Some(plan.features(l, rbm, below)?);
        }
        let labelled = plan.labelled(layer, features.as_ref().unwrap_or(data))?;
        let seen = labelled.or(features);
        let learned = seen.as_ref().unwrap_or(data);
        let training = training(learned)?;
        check_shape(training.rbm(), learned.columns(), plan.hidden[layer])?;
        Ok(Self {
            plan,
            done,
            training,
            seen,
        })
    }

    /// The plan of the run.
    pub fn plan(&self) -> &PretrainingPlan {
        &self.plan
    }

    /// The RBM that learns, from 0 on.
    pub fn layer(&self) -> usize {
        self.done.len()
    }

    /// The run of the RBM that learns.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// What the RBM that learns sees, unless it is the data of the run themselves.
    pub fn seen(&self) -> Option<&Examples> {
        self.seen.as_ref()
    }

    /// Where the RBM that learns stands.
    pub fn position(&self) -> Position {
        self.training.position()
    }

    /// Whether the last RBM is done.
    pub fn is_done(&self) -> bool {
        self.layer() + 1 == self.plan.hidden.len() && self.layer_is_done()
    }

    fn layer_is_done(&self) -> bool {
        self.position().epoch >= self.training.options().epochs
    }

    /// The RBMs as they are now, lowest first, that which learns among them. Costs a copy.
    pub fn rbms(&self) -> Vec<Rbm> {
        let mut rbms = self.done.clone();
        rbms.push(self.training.averaged());
        rbms
    }

    /// The RBMs at the end, to be put together by [`Dbm::joined`] or [`Dbm::joined_with_labels`].
    pub fn into_rbms(self) -> Vec<Rbm> {
        let mut rbms = self.done;
        rbms.push(self.training.into_rbm());
        rbms
    }

    /// The machine of the RBMs that there are, [`Dbm::joined`]; with the label above the highest hidden layer ([`Dbm::joined_with_labels`]) once the RBM that has it learns.
    /// That of the run when it is [done](Self::is_done).
    ///
    /// # Errors
    /// As [`Dbm::joined`].
    pub fn dbm(&self) -> Result<Dbm> {
        let is_highest = self.layer() + 1 == self.plan.hidden.len();
        match self.plan.classes.filter(|_| is_highest) {
            Some(_) => Dbm::joined_with_labels(&self.rbms()),
            None => Dbm::joined(&self.rbms()),
        }
    }

    /// Runs until all RBMs are done or the observer breaks. `data` has labels if the plan has classes.
    ///
    /// # Errors
    /// As [`Training::run`] and [`Training::new`].
    pub fn run(
        &mut self,
        data: &Examples,
        mut observer: impl FnMut(PretrainingEvent<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        loop {
            while !self.layer_is_done() {
                self.update(data)?;
                if observer(PretrainingEvent::Update(self)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if self.position().batch == 0 {
                    self.training.rbm().check()?;
                    if observer(PretrainingEvent::Epoch(self)).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            if observer(PretrainingEvent::Layer(self)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.is_done() {
                return Ok(ControlFlow::Continue(()));
            }
            self.advance(data)?;
        }
    }

    /// One update of the RBM that learns. Allocates nothing once the buffers have grown in the first of an RBM.
    ///
    /// # Errors
    /// As [`Training::update`].
    pub fn update(&mut self, data: &Examples) -> Result<()> {
        if data.len() != self.training.examples() {
            let expected = self.training.examples();
            return Err(Error::shape("examples of the data", expected, data.len()));
        }
        self.training.update(self.seen.as_ref().unwrap_or(data))
    }

    /// Puts the next RBM upon the one that is done.
    fn advance(&mut self, data: &Examples) -> Result<()> {
        let l = self.layer();
        let rbm = self.training.averaged();
        // Labels join the highest RBM alone, so the features are of what the RBM saw.
        let seen = self.seen.as_ref().unwrap_or(data);
        let features = self.plan.features(l, &rbm, seen)?;
        let seen = self.plan.labelled(l + 1, &features)?.unwrap_or(features);
        self.training = start(&self.plan, l + 1, data, Some(&seen))?;
        self.done.push(rbm);
        self.seen = Some(seen);
        Ok(())
    }
}

/// The run of RBM `l` before its first update.
fn start(
    plan: &PretrainingPlan,
    l: usize,
    data: &Examples,
    seen: Option<&Examples>,
) -> Result<Training> {
    let seen = seen.unwrap_or(data);
    let labels = plan.classes.filter(|_| l + 1 == plan.hidden.len());
    let labels = labels.unwrap_or(0);
    let units = Units::of(Kind::Bernoulli, seen.columns() - labels).and(Kind::Softmax, labels);
    let options = plan.options_of(l);
    let rbm = Rbm::unconnected(Layer::new(units), Layer::bernoulli(plan.hidden[l]))?;
    let rbm = rbm.initialized_from(seen, options.seed.wrapping_add(l as u64))?;
    Training::new(halved(rbm, options.doubled, labels)?, options, seen)
}

/// The start of an RBM whose visible units double their inputs: half the bias has the same means. From other means all weights set out the same way, and as one step of many
/// hidden units goes too far, hardly any of these would ever be on. The `labels` at the end count once.
fn halved(rbm: Rbm, doubled: Doubled, labels: usize) -> Result<Rbm> {
    let [_, factor] = doubled.factors();
    let mut visible = rbm.visible().clone();
    let features = visible.size() - labels;
    visible.bias[..features]
        .iter_mut()
        .for_each(|b| *b /= factor);
    Rbm::from_layers(visible, rbm.hidden().clone(), rbm.weights().clone())
}

fn check_shape(rbm: &Rbm, n: usize, m: usize) -> Result<()> {
    let found = (rbm.n_visible(), rbm.n_hidden());
    if found == (n, m) {
        return Ok(());
    }
    let [expected, found] = [(n, m), found].map(|(n, m)| format!("{n} x {m}"));
    Err(Error::shape("stored RBM", expected, found))
}

/// [`Pretraining`] in one go: trains one RBM for each of the hidden layers `sizes`, lowest first, and gives them to be put together by [`Dbm::joined`].
/// With `labels` the highest sees a softmax group of that many classes too. `options` are those of each RBM, or one for all; the observer is told which RBM, from 0
/// on, is at work, and `None` is given if it breaks.
///
/// # Errors
/// As [`Pretraining::new`] and [`Pretraining::run`].
pub fn pretrained(
    data: &Examples,
    sizes: &[usize],
    labels: Option<usize>,
    options: &[Options],
    mut observer: impl FnMut(usize, Event<'_>) -> ControlFlow<()>,
) -> Result<Option<Vec<Rbm>>> {
    let plan = PretrainingPlan {
        hidden: sizes.to_vec(),
        options: options.to_vec(),
        classes: labels,
    };
    let mut run = Pretraining::new(plan, data)?;
    let told = run.run(data, |event| match event {
        PretrainingEvent::Update(run) => observer(run.layer(), Event::Update(run.training())),
        PretrainingEvent::Epoch(run) => observer(run.layer(), Event::Epoch(run.training())),
        PretrainingEvent::Layer(_) => ControlFlow::Continue(()),
    })?;
    Ok(told.is_continue().then(|| run.into_rbms()))
}
