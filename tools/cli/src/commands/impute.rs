//! `harmonium impute`: a table with its missing values filled in.

use crate::{
    args::{ImputeArgs, ValuesArg},
    failure::{Failure, Outcome, note},
    kinds,
    run::data::Source,
    run::imputation::{Filling, widened},
    run::loading::open_model,
    run::machine::Machine,
    show::figures::Figures,
    show::progress::Stages,
    show::terms::write_filled,
};
use harmonium::{
    Examples, Matrix,
    checkpoint::Checkpoint,
    dataset::{Encoding, Table},
    model::Imputation,
};
use std::ops::ControlFlow;

/// Runs the command.
pub fn run(args: &ImputeArgs) -> Outcome<()> {
    let (path, checkpoint) = open_model(args.model.as_deref())?;
    let machine = kinds::machine_of(&checkpoint, args.reading.missing)?;
    let machine = &*machine;
    let Some(visible) = machine.layers().first().map(|layer| layer.size()) else {
        return Err(Failure::usage("impute: a network has no visible units")
            .hint("the machine that it was made from has"));
    };
    let (table, encoding, examples) = load(args, &checkpoint, machine.columns())?;
    let missing = (0..table.len())
        .flat_map(|i| (0..table.columns()).map(move |j| (i, j)))
        .filter(|&(i, j)| table.get(i, j).is_nan())
        .count();
    let filling = Filling {
        exact: args.exact,
        burn_in: args.burn_in,
        sweeps: args.sweeps,
        seed: args.seed.unwrap_or(0),
    };
    let mut figures = Figures::default();
    figures
        .put("count", table.len())
        .put("columns", table.columns())
        .put("missing", missing)
        .row(
            "missing",
            format!("{missing} fields"),
            format!("of {} rows of {}", table.len(), table.columns()),
        );
    let filled = filled(
        machine,
        &widened(&examples, visible)?,
        (args, &filling),
        &mut figures,
    )?;
    let filled = encoding.decode_expected(&Matrix::from_fn(
        table.len(),
        encoding.units().size(),
        |i, j| filled[(i, j)],
    ))?;
    write_filled(&args.out, &encoding, &table, &filled)?;
    let out = args.out.display().to_string();
    figures
        .put("seed", filling.seed)
        .put("out", out.clone())
        .row("table", out, "");
    let title = format!(
        "{}: {} on {}",
        path.display(),
        machine.name(),
        table.path.display()
    );
    figures.print(args.answer.json, &title)
}

/// Means or draws of the visible units.
fn filled(
    machine: &dyn Machine,
    examples: &Examples,
    (args, filling): (&ImputeArgs, &Filling),
    figures: &mut Figures,
) -> Outcome<Matrix> {
    let seed = filling.seed;
    if args.values == ValuesArg::States {
        if args.exact {
            return Err(Failure::usage("--exact belongs to --values means"));
        }
        let Imputation::Gibbs {
            burn_in, sweeps, ..
        } = filling.chains()
        else {
            return Err(Failure::failed("draws are of chains"));
        };
        let sweeps = burn_in + sweeps;
        let states = machine.impute_samples(examples, sweeps, seed)?;
        figures
            .put("values", "states")
            .put("how", "gibbs")
            .put("sweeps", sweeps)
            .row("values", "states", format!("drawn after {sweeps} sweeps"));
        return Ok(states.to_matrix());
    }
    let how = filling.imputation(machine, examples);
    let told = match how {
        Imputation::Exact => "exact, over all states of what is missing".to_owned(),
        Imputation::Gibbs {
            burn_in, sweeps, ..
        } => {
            figures.put("burn_in", burn_in).put("sweeps", sweeps);
            format!("over {sweeps} sweeps of chains after {burn_in}")
        }
    };
    let name = match how {
        Imputation::Exact => "exact",
        Imputation::Gibbs { .. } => "gibbs",
    };
    figures.put("values", "means").put("how", name);
    figures.row("values", "means", told);
    let mut bar = Stages::new();
    let imputed = machine.impute(examples, how, &mut |done: usize, all: usize| {
        bar.set("inferring", done, all);
        ControlFlow::Continue(())
    });
    bar.clear();
    Ok(imputed?.visible)
}

/// The table, what its columns are as units, and its examples.
fn load(
    args: &ImputeArgs,
    checkpoint: &Checkpoint,
    columns: usize,
) -> Outcome<(Table, Encoding, Examples)> {
    let (mut source, _) = Source::of_model(checkpoint, args.data.as_deref(), None, args.seed)?;
    args.reading.apply(&mut source.reading);
    source.reading.missing = true;
    source.reading.row_names = true;
    let (table, encoding, examples) = source.table()?;
    let found = encoding.units().size();
    if found != columns {
        return Err(Failure::failed(format!(
            "the model has {columns} visible units beside its labels, but {} has {found} values a row",
            table.path.display()
        )));
    }
    note(format!("{}: {}", table.path.display(), encoding.describe()));
    Ok((table, encoding, examples))
}
