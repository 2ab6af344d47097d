//! What is different about machines of counts: rows of different lengths.

use super::{Objective, RbmOptions, missing};
use crate::{
    bits::BitView,
    error::{Error, Result},
    matrix::Matrix,
    model::{Expectations, Missing, Rbm, length_of},
    stop::Stop,
    train::{Negative, Reconstruction, negative::chains::Sampled, run::Batch},
};
use std::collections::BTreeMap;

/// Refuses options that are not defined for rows of different lengths.
pub(super) fn check_fits(rbm: &Rbm, options: &RbmOptions) -> Result<()> {
    if !rbm.visible().are_counts() {
        return Ok(());
    }
    let refused = |what: &str, expected: &str, found: String| {
        let what = format!("{what} of a machine of counts");
        Err(Error::parameter(what, expected, found))
    };
    if let Some(length) = rbm.visible().length {
        return refused(
            "length in training",
            "none: each row has its own",
            length.to_string(),
        );
    }
    match options.negative {
        Negative::Exact
        | Negative::Persistent { .. }
        | Negative::FastPersistent { .. }
        | Negative::ContrastiveDivergence {
            reconstruction: Reconstruction::Sampled,
            ..
        } => {}
        other => {
            let expected = "contrastive divergence by drawn states, persistent chains, with fast \
                            weights or without, or the exact gradient";
            return refused("negative phase", expected, format!("{other:?}"));
        }
    }
    if options.centering.is_some() {
        return refused("gradient", "the ordinary one", "the centered one".into());
    }
    if options.sparsity.is_some() {
        return refused("sparsity target", "none", "a target".into());
    }
    if options.objective != Objective::Generative {
        return refused(
            "objective",
            "the generative one",
            format!("{:?}", options.objective),
        );
    }
    if options.missing != Missing::Infer {
        return refused("missing values", "none", "absent units".into());
    }
    Ok(())
}

/// The exact negative phase where each row has a machine of its own: where units are absent, and of
/// counts the machine of the row's length.
pub(super) fn exact_of_rows(
    machine: &Rbm,
    negative: Negative,
    batch: &Batch<'_>,
    absent: Option<BitView<'_>>,
    stop: &Stop,
) -> Result<Option<Sampled<'static>>> {
    let exact = match absent {
        _ if negative != Negative::Exact => return Ok(None),
        _ if machine.visible().are_counts() => expectations_of_lengths(machine, batch, stop)?,
        Some(observed) => missing::expectations_of_each(machine, batch, observed, stop)?,
        None => return Ok(None),
    };
    Ok(Some(match exact {
        None => Sampled::Stopped,
        Some(exact) => Sampled::Exact(Box::new(exact)),
    }))
}

/// The weighted mean, over the rows of the minibatch, of the expectations of the machine of the
/// row's length; of hidden units those of `D h`. None if a stop was requested.
fn expectations_of_lengths(
    rbm: &Rbm,
    batch: &Batch<'_>,
    stop: &Stop,
) -> Result<Option<Expectations>> {
    let mut weights: BTreeMap<u32, f64> = BTreeMap::new();
    for row in 0..batch.len() {
        let length = length_of(batch.states, row) as u32;
        *weights.entry(length).or_default() += f64::from(batch.weight_of(row));
    }
    let mass: f64 = weights.values().sum();
    let mut all = Expectations {
        log_z: 0.0,
        weights: Matrix::zeros(rbm.n_visible(), rbm.n_hidden()),
        visible: vec![0.0; rbm.n_visible()],
        hidden: vec![0.0; rbm.n_hidden()],
        visible_squares: Vec::new(),
        hidden_squares: Vec::new(),
    };
    for (length, weight) in weights {
        let of = match rbm.given_length(length)?.expectations(&mut stop.clone()) {
            Err(Error::Stopped) => return Ok(None),
            of => of?,
        };
        let share = weight / mass;
        let add = |to: &mut [f64], x: &[f64], share: f64| {
            to.iter_mut().zip(x).for_each(|(to, x)| *to += share * x);
        };
        all.log_z += share * of.log_z;
        add(&mut all.visible, &of.visible, share);
        add(&mut all.hidden, &of.hidden, share * f64::from(length));
        let to = all.weights.padded_mut().iter_mut();
        let both = to.zip(of.weights.padded());
        both.for_each(|(to, &x)| *to += (share * f64::from(x)) as f32);
    }
    Ok(Some(all))
}
