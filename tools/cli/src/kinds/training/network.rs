//! What the stages of deep machines have in common: their metrics, how they are watched and judged,
//! and the network that learns the labels at last.

use super::{Watch, refused};
use crate::{
    args::{CriterionArg, FineTuneArgs, SharedArgs, Split},
    failure::{Failure, Outcome},
    run::{classification::Classification, data::Data, files::Files, likelihood, machine::Machine},
    show::metrics::{Column, Digits::Fixed, Table},
};
use harmonium::{
    Examples, Matrix, Model, Network,
    evaluate::reconstruction_error,
    model::{Dbm, MeanField, most_probable},
    recipe::{Plan, RunRef},
    train::{BackpropTraining, Stack},
};
use std::borrow::Cow;

/// The columns of metrics.
pub const TABLE: Table = Table {
    is_staged: true,
    columns: &[
        Column::new("reconstruction_error", Fixed(8))
            .told("reconstruction ", Fixed(4), "")
            .drawn("reconstruction error", ""),
        Column::new("validation_error", Fixed(8))
            .percent()
            .told("validation error ", Fixed(2), " %")
            .drawn("validation error (%)", ""),
        Column::new("loss", Fixed(8))
            .told("loss ", Fixed(4), "")
            .drawn("loss", ""),
        Column::new("mean_field_iterations", Fixed(0))
            .told("mean-field iterations ", Fixed(0), "")
            .drawn("mean-field iterations", ""),
        Column::new("free_energy_gap", Fixed(8))
            .told("gap ", Fixed(2), " nats")
            .drawn("free-energy gap (nats)", ""),
    ],
};

/// The figures of the columns, in their order: of a stage of any deep machine.
///
/// # Errors
/// Those of the library.
pub fn figures(run: RunRef<'_>, watch: &Watch) -> Outcome<Vec<Option<f64>>> {
    let held_out = watch.validation.as_ref();
    if watch.train.observed().is_some() {
        // What is not there has no distance from what a machine makes of it.
        return Ok(vec![None; 5]);
    }
    Ok(match run {
        RunRef::Backprop(run) => vec![
            None,
            of_network(run, held_out)?,
            run.figures().loss,
            None,
            None,
        ],
        RunRef::Dbm(run) => {
            let (dbm, options) = (run.model(), &run.options().mean_field());
            let (means, convergence) = dbm.posterior_means(&watch.train, options)?;
            let v = dbm.mean_v_from_h(&means[0], 1.0)?;
            // Mean field of every class is dear: a part of the held-out examples has to do.
            let held_out = held_out.map(|x| x.head(Watch::FEW));
            let gap = held_out
                .as_ref()
                .map(|x| gap(dbm, options, &watch.train, x));
            vec![
                Some(mean_square(&watch.train, &v)),
                held_out
                    .as_ref()
                    .map_or(Ok(None), |x| error(run.model(), x, options))?,
                None,
                Some(convergence.iterations as f64),
                gap.transpose()?,
            ]
        }
        other => {
            let error = reconstruction(other, &watch.train)?;
            let wrong = match (held_out, other) {
                (Some(part), RunRef::UpDown(run)) => of_dbn(run.model(), part)?,
                (Some(part), RunRef::Stack(run))
                    if run.greedy_plan().is_some() && run.classes().is_some() =>
                {
                    of_dbn(&run.dbn()?, part)?
                }
                _ => None,
            };
            vec![Some(error), wrong, None, None, None]
        }
    })
}

/// Refuses what takes complete examples alone, of data with missing values: a stage together if
/// there is `up_down`, and what the flags of any deep machine ask for.
///
/// # Errors
/// The first.
pub fn expect_complete(
    data: &Data,
    up_down: bool,
    fine_tune: &FineTuneArgs,
    shared: &SharedArgs,
) -> Outcome<()> {
    let out = "leave it out";
    let greedy = "train such a network greedily alone (--up-down-epochs 0)";
    let stops = shared.stopping.early_stopping.is_some();
    let given = [
        ("the up-down algorithm", up_down, greedy),
        ("--fine-tune", fine_tune.fine_tune.is_some(), out),
        ("--early-stopping", stops, out),
    ];
    let first = given.iter().find(|(_, is_given, _)| *is_given);
    let Some((what, _, instead)) = first.filter(|_| data.train.observed().is_some()) else {
        return Ok(());
    };
    let hint = format!("{instead}, or fill the values in: `harmonium impute`");
    let message = format!("--missing: {what} takes complete examples");
    Err(Failure::usage(message).hint(hint))
}

/// Mean square of what a stage makes of `examples` and of what they are to it.
fn reconstruction(run: RunRef<'_>, examples: &Examples) -> Outcome<f64> {
    Ok(match run {
        RunRef::Stack(stack) if stack.greedy_plan().is_some() => {
            let learned = stack.features(examples)?;
            reconstruction_error(&stack.training().result(), &learned)?
        }
        RunRef::Stack(stack) => of_pretraining(stack, examples)?,
        RunRef::UpDown(run) => {
            let dbn = run.model();
            let features = dbn.features(examples)?;
            let means = dbn.mean_v_from_features(&features, run.learning().seed, 0)?;
            mean_square(examples, &means)
        }
        RunRef::Dbm(run) => {
            let (means, _) = run
                .model()
                .posterior_means(examples, &run.options().mean_field())?;
            mean_square(examples, &run.model().mean_v_from_h(&means[0], 1.0)?)
        }
        _ => return Err(Failure::failed("a network reconstructs nothing")),
    })
}

/// One deterministic step up and down, with inputs doubled as in training.
fn of_pretraining(stack: &Stack, examples: &Examples) -> Outcome<f64> {
    let seen = match stack.seen() {
        Some(all) => all.head(Watch::FEW),
        None => stack.features(examples)?,
    };
    let rbm = stack.training().result();
    let [up, down] = stack.training().options().doubled.factors();
    let h = rbm.mean_h_from_v(&seen, up)?;
    // Without the units of a label, whose input counts once.
    let labels = rbm.label_group().map_or(0, |group| group.size);
    let features = seen.first_columns(seen.columns() - labels);
    Ok(mean_square(&features, &rbm.mean_v_from_h(&h, down)?))
}

/// How much lower the mean variational bound of `held_out` is than that of `train`.
fn gap(dbm: &Dbm, options: &MeanField, train: &Examples, held_out: &Examples) -> Outcome<f64> {
    let free_energy = |part: &Examples| -> Outcome<f64> {
        let (bounds, _) = dbm.mean_field_bounds(part, options)?;
        Ok(-bounds.iter().sum::<f64>() / bounds.len().max(1) as f64)
    };
    Ok(free_energy(held_out)? - free_energy(train)?)
}

/// Share of wrong classes of a deep Boltzmann machine with labels.
fn error(dbm: &Dbm, part: &Examples, options: &MeanField) -> Outcome<Option<f64>> {
    match dbm.classes() {
        None => Ok(None),
        Some(_) => Ok(wrong(&dbm.log_p_y_from_v(part, options)?, part)),
    }
}

fn of_dbn(dbn: &harmonium::model::Dbn, part: &Examples) -> Outcome<Option<f64>> {
    match dbn.label_group() {
        None => Ok(None),
        Some(_) => Ok(wrong(&dbn.log_p_y_from_v(part)?, part)),
    }
}

fn of_network(run: &BackpropTraining, part: Option<&Examples>) -> Outcome<Option<f64>> {
    let Some(part) = part else { return Ok(None) };
    Ok(wrong(&run.model().log_p_y_from_v(part)?, part))
}

/// Share of examples whose most probable class is not the label.
pub fn wrong(log_p: &Matrix, examples: &Examples) -> Option<f64> {
    let labels = examples.labels()?;
    let found = most_probable(log_p);
    let wrong = labels.iter().zip(found).filter(|(y, x)| **y as usize != *x);
    Some(wrong.count() as f64 / labels.len().max(1) as f64)
}

/// Mean of the squared differences between examples and the same columns of `means`.
fn mean_square(examples: &Examples, means: &Matrix) -> f64 {
    let (n, columns, x) = (examples.len(), examples.columns(), examples.input());
    let of_row = |i: usize| -> f64 {
        let squares = (0..columns).map(|j| f64::from(x.get(i, j) - means.row(i)[j]).powi(2));
        squares.sum()
    };
    (0..n).map(of_row).sum::<f64>() / (n * columns).max(1) as f64
}

/// What early stopping judges a deep machine by.
///
/// # Errors
/// A criterion that it does not have.
pub fn criterion(asked: Option<CriterionArg>, plan: &Plan) -> Outcome<CriterionArg> {
    let (has_labels, has_gap) = match plan {
        Plan::Dbn(plan) => (plan.greedy.classes.is_some(), false),
        Plan::Dbm(plan) => (plan.classes.is_some(), true),
        Plan::Rbm(_) | Plan::Boltzmann(_) => (false, false),
    };
    let hint = "choose reconstruction-error";
    match asked {
        Some(by @ CriterionArg::Error) if !has_labels => {
            Err(refused(by, "expected a machine with --labels").hint(hint))
        }
        Some(by @ CriterionArg::FreeEnergyGap(_)) if !has_gap => {
            Err(refused(by, "expected an RBM or a deep Boltzmann machine").hint(hint))
        }
        Some(by @ (CriterionArg::Likelihood | CriterionArg::PseudoLikelihood)) => {
            Err(refused(by, "the likelihood of a deep machine takes too long").hint(hint))
        }
        Some(by) => Ok(by),
        None if has_labels => Ok(CriterionArg::Error),
        None => Ok(CriterionArg::ReconstructionError),
    }
}

/// The figure of the held-out examples, the larger the better.
///
/// # Errors
/// Those of the library.
pub fn score(by: CriterionArg, run: RunRef<'_>, watch: &Watch) -> Outcome<f64> {
    let held_out = watch.held_out()?;
    held_out.expect_complete("early stopping of a deep machine")?;
    Ok(-match (by, run) {
        (CriterionArg::Error, RunRef::Dbm(run)) => {
            error(run.model(), held_out, &run.options().mean_field())?.unwrap_or(1.0)
        }
        (CriterionArg::Error, RunRef::UpDown(run)) => of_dbn(run.model(), held_out)?.unwrap_or(1.0),
        (CriterionArg::Error, RunRef::Stack(run)) => of_dbn(&run.dbn()?, held_out)?.unwrap_or(1.0),
        (CriterionArg::FreeEnergyGap(_), RunRef::Dbm(run)) => gap(
            run.model(),
            &run.options().mean_field(),
            &watch.train,
            held_out,
        )?,
        (_, run) => reconstruction(run, held_out)?,
    })
}

/// The data of the network that starts from `machine`.
///
/// # Errors
/// Those of the library.
pub fn seen(machine: &Model, data: &Data) -> Outcome<Data> {
    let seen = |part: &Examples, _| Plan::seen_by_network(machine, part).map(Cow::into_owned);
    Ok(data.with_parts(seen)?)
}

/// What the network makes of the test part of `data`.
///
/// # Errors
/// Data without labels.
pub fn classified(network: &Network, data: &Data) -> Outcome<Classification> {
    let (examples, split) = likelihood::examples(data, Split::Test);
    let measured = Classification::measure(network, examples, split)?;
    measured.ok_or_else(|| Failure::failed("the test part has no labels"))
}

/// The rows of a table that tell of the network.
pub fn rows(network: &Network, measured: &Classification, files: &Files) -> Vec<[String; 3]> {
    let figures = measured.figures();
    let of_classes = figures.rows().iter().cloned();
    let mut rows: Vec<[String; 3]> = of_classes
        .map(|[what, figure, remark]| [format!("fine-tuned, {what}"), figure, remark])
        .collect();
    let path = files.network.display().to_string();
    rows.push(["fine-tuned".into(), path, network.name()]);
    rows
}
