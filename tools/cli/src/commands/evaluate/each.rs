//! `evaluate --scores` and `--distribution`: a row an example, and a row a state.

use crate::{
    failure::{Failure, Outcome, note},
    run::{data::class_names, found::Found, machine::Machine},
    show::numbers::{write_named, write_table},
};
use harmonium::{Examples, Matrix, Model, dataset::Encoding, model::Layer, recipe::Observed};
use std::{borrow::Cow, path::Path};

/// Most states of `--distribution`.
const MOST_STATES: f64 = (1 << 20) as f64;

/// Writes a row an example: its name, if it has one, its number from 0, its free energy where the
/// machine has one, its log-likelihood or a lower bound, and the probabilities of the classes. Of
/// examples that were not measured there is none.
///
/// # Errors
/// A machine that was measured by neither; those of the library; a file that cannot be written.
pub fn scores(
    path: &Path,
    (machine, model): (&dyn Machine, &Model),
    (examples, names, encoding): (&Examples, &[String], &Encoding),
    found: &Found,
) -> Outcome<()> {
    let mut head = vec!["example".to_owned()];
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let annealed = found.measures.as_ref().map(|x| x.count);
    let annealed = annealed.filter(|&count| count < examples.len());
    let some;
    let examples = match annealed {
        // Of missing values of the first examples alone.
        Some(count) => {
            some = examples.head(count);
            &some
        }
        None => examples,
    };
    if let Some(measures) = &found.measures {
        let has_free_energy = matches!(model, Model::Rbm(_) | Model::Boltzmann(_));
        let is_own = measures.observed == Some(Observed::Absent);
        if measures.likelihood.is_some() && has_free_energy && !is_own {
            head.push("free_energy".into());
            columns.push(measures.log_sums.iter().map(|x| -x).collect());
        }
        let name = match measures.likelihood {
            Some(_) => "log_likelihood",
            None => "log_likelihood_bound",
        };
        head.push(name.into());
        columns.push(measures.log_likelihoods().collect());
    }
    if let Some(p) = classes(machine, examples)? {
        let names = class_names(Some(encoding), p.columns());
        head.extend(names.iter().map(|class| format!("class_{class}")));
        columns.extend((0..p.columns()).map(|class| {
            let of_row = |i| f64::from(p.row(i)[class]);
            (0..p.rows()).map(of_row).collect()
        }));
    }
    if columns.is_empty() {
        let message = "--scores: the machine has neither a likelihood nor classes to tell";
        return Err(Failure::usage(message));
    }
    let row = |i: usize| {
        let numbers = columns.iter().map(move |column| column[i].to_string());
        std::iter::once(i.to_string()).chain(numbers).collect()
    };
    let rows = (0..examples.len()).map(row);
    write_named("--scores", path, (names, &head), rows)?;
    note(format!(
        "scores of {} examples in {}",
        examples.len(),
        path.display()
    ));
    Ok(())
}

/// `p(y | v)` of each example, of a machine with classes.
fn classes(machine: &dyn Machine, examples: &Examples) -> Outcome<Option<Matrix>> {
    let Ok((_, Some(_))) = machine.labels() else {
        return Ok(None);
    };
    let log_p = machine.log_p_of_classes(examples)?;
    let p = |i: usize, j: usize| log_p.row(i)[j].exp();
    Ok(Some(Matrix::from_fn(log_p.rows(), log_p.columns(), p)))
}

/// Writes a row a visible state: its units and its probability.
///
/// # Errors
/// Continuous units, or more than `2^20` states; those of the library; a file that cannot be
/// written.
pub fn distribution(path: &Path, model: &Model) -> Outcome<()> {
    let visible: Cow<'_, Layer> = match model {
        Model::Rbm(rbm) => Cow::Borrowed(rbm.visible()),
        Model::Dbm(dbm) => Cow::Borrowed(dbm.layer(0)),
        Model::Dbn(dbn) => dbn.visible(),
        Model::Boltzmann(machine) => Cow::Borrowed(machine.visible()),
        other => {
            let message = format!("--distribution is not for a model of kind {}", other.kind());
            return Err(Failure::usage(message));
        }
    };
    let states = visible.states().unwrap_or(f64::INFINITY);
    if states > MOST_STATES {
        let message = format!(
            "--distribution: expected at most 2^20 states, found {states} of {} {} units",
            visible.size(),
            visible.units
        );
        return Err(Failure::usage(message));
    }
    let p = match model {
        Model::Rbm(rbm) => rbm.visible_distribution(1.0, &mut ())?,
        Model::Dbm(dbm) => dbm.visible_distribution(1.0, &mut ())?,
        Model::Dbn(dbn) => dbn.visible_distribution(&mut ())?,
        other => other.boltzmann()?.visible_distribution(1.0, &mut ())?,
    };
    let units = (0..visible.size()).map(|i| format!("v{i}"));
    let head: Vec<String> = units.chain(["probability".to_owned()]).collect();
    let row = |(index, p): (usize, &f64)| {
        let state = visible.state(index as u64);
        let state = state.into_iter().map(|x| x.to_string());
        state.chain([p.to_string()]).collect()
    };
    write_table("--distribution", path, &head, p.iter().enumerate().map(row))?;
    note(format!(
        "{} states with their probabilities in {}",
        p.len(),
        path.display()
    ));
    Ok(())
}
