//! `harmonium transform`: what a layer of a model makes of data.

use crate::{
    args::{PassArg, TransformArgs},
    failure::{Failure, Outcome},
    kinds::{self, training},
    run::data::check_columns,
    run::likelihood,
    run::loading::open_model,
    run::machine::Pass,
    show::figures::Figures,
    show::measures::mean_field,
    show::numbers::{ends_in, write_named, write_states},
};
use harmonium::{Examples, Matrix, States, dataset::Encoding};
use std::path::Path;

/// Runs the command.
pub fn run(args: &TransformArgs) -> Outcome<()> {
    let (path, checkpoint) = open_model(args.model.as_deref())?;
    let machine = kinds::machine_of(&checkpoint, args.of.reading.missing)?;
    let machine = &*machine;
    let (most, default) = machine.feature_layers();
    if most == 0 {
        let message = format!("transform: {} has no hidden layer", machine.name());
        return Err(Failure::usage(message));
    }
    let layer = args.layer.unwrap_or(default);
    if layer > most {
        return Err(Failure::usage(format!(
            "--layer {layer}: expected 1 to {most} of this model"
        )));
    }
    let pass = match args.pass {
        PassArg::Means if args.seed.is_some() => {
            return Err(Failure::usage("--seed belongs to --pass samples"));
        }
        PassArg::Samples if args.with_data => {
            return Err(Failure::usage("--with-data belongs to --pass means"));
        }
        PassArg::Means => "means",
        PassArg::Samples => "samples",
    };
    let data =
        training::posterior::data_of(&args.of, !ends_in(&args.out, "npy"), &path, &checkpoint)?;
    check_columns(machine.columns(), &data)?;
    let (examples, split) = likelihood::examples(&data, args.of.split);
    if args.with_data && examples.observed().is_some() {
        let message = "--with-data: values of the examples are missing";
        return Err(Failure::usage(message).hint("`harmonium impute` fills them in"));
    }
    let how = Pass {
        layer,
        kind: args.pass,
        seed: args.seed.unwrap_or(0),
    };
    let (mut features, convergence) = machine.features(examples, how)?;
    let mut of_data = String::new();
    if args.with_data {
        features = beside(examples, &features.to_matrix()).into();
        of_data = format!(", {} of them of the data", examples.columns());
    }
    let of_data_alone = if args.with_data {
        examples.columns()
    } else {
        0
    };
    let mut head = data_names(&data.encoding, of_data_alone);
    // The layers of a machine with several are told apart.
    let unit = |j: usize| match most {
        1 => format!("h{j}"),
        _ => format!("h{layer}_{j}"),
    };
    head.extend((0..features.columns() - of_data_alone).map(unit));
    let names = likelihood::row_names(&data, split);
    write_features(&args.out, &features, (names, &head))?;
    let (count, columns) = (features.rows(), features.columns());
    let out = args.out.display().to_string();
    let mut figures = Figures::default();
    figures.put("layer", layer).put("columns", columns).row(
        "layer",
        layer.to_string(),
        format!("{columns} units{of_data}"),
    );
    figures
        .put("count", count)
        .put("split", split.name())
        .put("read", data.told())
        .put("pass", pass)
        .put("out", out.clone())
        .row(
            "features",
            out,
            format!("{pass} of {count} {} examples", split.name()),
        );
    if let Some(done) = convergence {
        mean_field(&mut figures, done);
    }
    let title = format!("{}: {} on {}", path.display(), machine.name(), data.name);
    figures.print(args.answer.json, &title)
}

/// Names of the first `n` visible units: those of the data, or `v0`, `v1` and so on.
fn data_names(encoding: &Encoding, n: usize) -> Vec<String> {
    let named = match encoding.names().is_empty() {
        true => Vec::new(),
        false => encoding.unit_names(),
    };
    let name = |i: usize| named.get(i).cloned().unwrap_or_else(|| format!("v{i}"));
    (0..n).map(name).collect()
}

/// Writes the features, in CSV with the names of examples and of columns.
fn write_features(path: &Path, features: &States, named: (&[String], &[String])) -> Outcome<()> {
    if !ends_in(path, "csv") {
        return write_states(path, features);
    }
    let columns = features.columns();
    let row = |i: usize| {
        let cells = (0..columns).map(move |j| features.get(i, j).to_string());
        cells.collect()
    };
    write_named("--out", path, named, (0..features.rows()).map(row))
}

/// `[v, features]` of each example.
fn beside(examples: &Examples, features: &Matrix) -> Matrix {
    let (n, x) = (examples.columns(), examples.input());
    Matrix::from_fn(features.rows(), n + features.columns(), |i, j| {
        match j.checked_sub(n) {
            Some(k) => features[(i, k)],
            None => x.get(i, j),
        }
    })
}
