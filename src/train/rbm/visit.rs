//! What a run of an RBM remembers, by the names of files.
//!
//! `training.velocity.*`, `training.second.*` of an adaptive rule, `training.parameters.*` where
//! learning goes on if the machine of the file is an average, `training.fast.*` of fast weights,
//! `training.offset.{0,1}` of the centered gradient, `training.activity.1` of a sparsity target,
//! `training.chains.1`, the hidden states of persistent chains, and `training.snapshots.*` of
//! chains at snapshots; `training.missing`, the states of the missing values of every example, with
//! states in place of observed ones that mean nothing. `*` is `weights.0`, `bias.0`, `bias.1`,
//! `log_variance.0`, `log_variance.1`.

use super::RbmLearner;
use crate::{
    error::Result,
    tensor::{Saved, Tensor},
};

const FAST: &str = "training.fast";
const CHAINS: &str = "training.chains.1";
const MISSING: &str = "training.missing";

pub(super) fn tell(learner: &RbmLearner, out: &mut dyn FnMut(&str, Tensor<'_>)) {
    learner.optimizer.visit(&learner.rbm, out);
    if let Some(fast) = &learner.fast {
        fast.weights().visit(FAST, out);
    }
    learner.chains.visit(CHAINS, out);
    if let Some(last) = learner.inferred.as_ref().and_then(|x| x.last.as_ref()) {
        out(MISSING, last.into());
    }
}

pub(super) fn take(learner: &mut RbmLearner, saved: &mut Saved) -> Result<()> {
    learner.optimizer.restore(&mut learner.rbm, saved)?;
    learner.rbm.check()?;
    if let Some(fast) = &mut learner.fast {
        fast.restore(&learner.rbm, FAST, saved)?;
    }
    learner.chains.restore(CHAINS, &learner.rbm, saved)?;
    if let Some(last) = learner.inferred.as_mut().and_then(|x| x.last.as_mut()) {
        *last = saved.states_like(MISSING, last, last.rows())?;
    }
    Ok(())
}
