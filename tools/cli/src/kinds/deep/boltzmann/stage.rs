//! Both stages as a record watches them: pretraining, RBM by RBM, and the joint one.

use super::super::record::{Figures, Stage, WATCHED, Watch, mean_square, wrong};
use crate::failure::Outcome;
use harmonium::{
    Examples,
    model::{Convergence, Dbm, MeanField},
    train::{DbmTraining, Stack},
};

/// The name of the stage in which all layers learn together.
pub const JOINT_STAGE: &str = "joint";

/// The name of the stage in which RBM `l`, from 0 on, learns.
pub fn rbm_name(l: usize) -> String {
    format!("RBM {}", l + 1)
}

/// One deterministic step up and down, with inputs doubled as in training.
///
/// # Errors
/// Those of the library.
pub fn of_pretraining(stack: &Stack, watch: &Watch) -> Outcome<Figures> {
    let seen = stack.seen().map(|all| all.head(WATCHED));
    let seen = seen.as_ref().unwrap_or(&watch.train);
    let rbm = stack.training().result();
    let [up, down] = stack.training().options().doubled.factors();
    let h = rbm.mean_h_from_v(seen, up)?;
    // Without the units of a label, whose input counts once.
    let labels = rbm.label_group().map_or(0, |group| group.size);
    let features = seen.first_columns(seen.columns() - labels);
    let error = mean_square(&features, &rbm.mean_v_from_h(&h, down)?);
    Ok(Figures {
        reconstruction: Some(error),
        ..Figures::default()
    })
}

impl Stage for DbmTraining {
    fn measured(&self, watch: &Watch) -> Outcome<Figures> {
        let (dbm, options) = (self.model(), &self.options().mean_field());
        let (error, mean_field) = reconstruction(dbm, &watch.train, options)?;
        let free_energy = |part: &Examples| -> Outcome<f64> {
            let (bounds, _) = dbm.mean_field_bounds(part, options)?;
            Ok(-bounds.iter().sum::<f64>() / bounds.len().max(1) as f64)
        };
        let (mut gap, mut error_rate) = (None, None);
        // Mean field of every class is dear: a part of the held-out examples has to do.
        if let Some(held_out) = watch.validation.as_ref().map(|x| x.head(WATCHED)) {
            gap = Some(free_energy(&held_out)? - free_energy(&watch.train)?);
            if dbm.classes().is_some() {
                let log_p = dbm.log_p_y_from_v(&held_out, options)?;
                error_rate = wrong(&log_p, &held_out);
            }
        }
        Ok(Figures {
            reconstruction: Some(error),
            wrong: error_rate,
            mean_field: Some(mean_field),
            gap,
            ..Figures::default()
        })
    }
}

/// Mean of `(v - E[v | q(h_1)])^2`, and how mean field ended.
fn reconstruction(
    dbm: &Dbm,
    examples: &Examples,
    options: &MeanField,
) -> Outcome<(f64, Convergence)> {
    let (means, convergence) = dbm.posterior_means(examples, options)?;
    let v = dbm.mean_v_from_h(&means[0], 1.0)?;
    Ok((mean_square(examples, &v), convergence))
}
