//! What a run of an RBM remembers, by the names of files.
//!
//! `training.velocity.*`, `training.second.*` of an adaptive rule, `training.parameters.*` where
//! learning goes on if the machine of the file is an average, `training.fast.*` of fast weights,
//! `training.offset.{0,1}` of the centred gradient, `training.activity.1` of a sparsity target,
//! `training.chains.1`, the hidden states of persistent chains, and `training.snapshots.*` of chains
//! at snapshots. `*` is `weights.0`, `bias.0`, `bias.1`, `log_variance.0`, `log_variance.1`.

use super::{Parameters, RbmLearner};
use crate::{
    error::Result,
    tensor::{Saved, Tensor},
};

const FIRST: &str = "training.velocity";
const SECOND: &str = "training.second";
const PARAMETERS: &str = "training.parameters";
const FAST: &str = "training.fast";
const OFFSETS: [&str; 2] = ["training.offset.0", "training.offset.1"];
const ACTIVITY: &str = "training.activity.1";
const CHAINS: &str = "training.chains.1";

pub(super) fn tell(learner: &RbmLearner, out: &mut dyn FnMut(&str, Tensor<'_>)) {
    let optimizer = &learner.optimizer;
    optimizer.first.visit(FIRST, out);
    if let Some(second) = &optimizer.second {
        second.visit(SECOND, out);
    }
    if optimizer.average.is_some() {
        // The average is the machine itself.
        Parameters::of(&learner.rbm).visit(PARAMETERS, out);
    }
    if let Some(fast) = &learner.fast {
        fast.weights().visit(FAST, out);
    }
    if let Some(offsets) = &optimizer.offsets {
        out(OFFSETS[0], offsets.visible.as_slice().into());
        out(OFFSETS[1], offsets.hidden.as_slice().into());
    }
    out(ACTIVITY, optimizer.activity.as_slice().into());
    if let Some(trail) = learner.chains.trail() {
        trail.visit(out);
    }
    if let Some(chains) = learner.chains.persistent() {
        out(CHAINS, chains.into());
    }
}

pub(super) fn take(learner: &mut RbmLearner, saved: &mut Saved) -> Result<()> {
    let optimizer = &mut learner.optimizer;
    optimizer.first.restore(FIRST, saved)?;
    if let Some(second) = &mut optimizer.second {
        second.restore(SECOND, saved)?;
    }
    if let Some(average) = &mut optimizer.average {
        // The machine of the file is the average.
        *average = Parameters::of(&learner.rbm);
        let mut parameters = Parameters::of(&learner.rbm);
        parameters.restore(PARAMETERS, saved)?;
        learner.rbm = parameters.placed_in(&learner.rbm);
        learner.rbm.check()?;
    }
    if let Some(fast) = &mut learner.fast {
        fast.restore(&learner.rbm, FAST, saved)?;
    }
    if let Some(offsets) = &mut optimizer.offsets {
        saved.vector_into(OFFSETS[0], &mut offsets.visible)?;
        saved.vector_into(OFFSETS[1], &mut offsets.hidden)?;
    }
    saved.vector_into(ACTIVITY, &mut optimizer.activity)?;
    if let Some(own) = learner.chains.persistent() {
        let rows = match learner.chains.trail() {
            Some(_) => saved.shape(CHAINS).map_or(0, |shape| shape[0]),
            None => own.rows(),
        };
        let states = saved.states_like(CHAINS, own, rows)?;
        learner.chains.set_persistent(states)?;
    }
    if let Some(trail) = learner.chains.trail_mut() {
        trail.restore(&learner.rbm, saved)?;
    }
    Ok(())
}
