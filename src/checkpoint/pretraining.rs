//! A deep Boltzmann machine that is being pretrained: the machine of the file is what its RBMs so
//! far make together, and they themselves are `training.pretraining.{weights,visible,hidden}.{k}`,
//! weights and biases of RBM `k`, lowest first. The last one's run is `training.*`, as that of an
//! RBM.

use super::{
    reader::{PRETRAINING, Reader},
    tensor::Writer,
};
use crate::{
    error::{Error, Result},
    model::{Layer, Rbm},
    train::PretrainingPlan,
    units::Kind,
};

fn names(k: usize) -> [String; 3] {
    ["weights", "visible", "hidden"].map(|part| format!("{PRETRAINING}{part}.{k}"))
}

pub(super) fn write(rbms: &[Rbm], file: &mut Writer<'_>) {
    for (k, rbm) in rbms.iter().enumerate() {
        let [weights, visible, hidden] = names(k);
        file.tensor(weights, rbm.weights());
        file.vector(visible, &rbm.visible().bias);
        file.vector(hidden, &rbm.hidden().bias);
    }
}

/// The RBMs so far, at least one, of a run of `plan`.
pub(super) fn read(reader: &Reader<'_>, plan: &PretrainingPlan, count: usize) -> Result<Vec<Rbm>> {
    let all = plan.hidden.len();
    if !(1..=all).contains(&count) {
        let expected = format!("1 to {all} RBMs in metadata stage");
        return Err(Error::file(reader.path, expected, count));
    }
    let mut rbms = Vec::new();
    for k in 0..count {
        let [weights, visible, hidden] = names(k);
        let weights = reader.matrix(&weights, None)?;
        let (n, m) = (weights.rows(), weights.columns());
        let labels = plan.classes.filter(|_| k + 1 == all).unwrap_or(0);
        let Some(features) = n.checked_sub(labels) else {
            let expected = format!("at least {labels} visible units of RBM {k}");
            return Err(Error::file(reader.path, expected, n));
        };
        let units = plan
            .units(k, features)
            .map_err(|e| Error::file(reader.path, "visible units of pretraining", e))?;
        let visible = Layer {
            bias: reader.vector(&visible, n)?,
            ..Layer::new(units.and(Kind::Softmax, labels))
        };
        let hidden = Layer {
            bias: reader.vector(&hidden, m)?,
            ..Layer::bernoulli(m)
        };
        let rbm = Rbm::from_parameters([visible, hidden], [weights]);
        rbms.push(rbm.map_err(|e| reader.no_machine(e))?);
    }
    Ok(rbms)
}
