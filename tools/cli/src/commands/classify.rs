//! `harmonium classify`: classes of examples by a machine that has learned labels, and how many of
//! them are wrong; of a deep belief network by one of three ways, or by all beside one another.

use crate::{
    args::{ClassifyArgs, Split, WayArg},
    failure::{Failure, Outcome, note},
    kinds::{self, training},
    run::classification::Classification,
    run::data::class_names,
    run::likelihood,
    run::loading::open_model,
    run::machine::{self, Act, Machine, Way},
    show::confusion,
    show::figures::Figures,
    show::numbers::{ends_in, write_matrix, write_named},
    show::report,
};
use harmonium::{
    Examples, Matrix, checkpoint::write_atomically, model::most_probable, units::Segment,
};
use serde_json::{Map, Value, json};
use std::{path::Path, time::Instant};

/// The ways in the order of reports.
const WAYS: [WayArg; 3] = [WayArg::Deterministic, WayArg::Averaged, WayArg::Gibbs];

/// Runs the command.
pub fn run(args: &ClassifyArgs) -> Outcome<()> {
    let (path, checkpoint) = open_model(args.model.as_deref())?;
    let machine = kinds::machine_of(&checkpoint, args.of.reading.missing)?;
    let machine = &*machine;
    let group = labels(&path, machine)?;
    let data = training::posterior::data_of(&args.of, args.out.is_some(), &path, &checkpoint)?;
    let (expected, columns) = (machine.columns(), data.train.columns());
    if columns != expected {
        return Err(Failure::failed(format!(
            "the model has {expected} visible units beside its labels, but {} has {columns} values an example",
            data.name
        )));
    }
    let (examples, split) = likelihood::examples(&data, args.of.split);
    let way = way(args, machine)?;
    let what = format!("{} on {}", machine.name(), data.name);
    let title = format!("{}: {what}", path.display());
    if args.compare {
        return compare(args, machine, &way, &title, examples, split);
    }
    let log_p = machine.log_p_y(examples, &way)?;
    let names = class_names(Some(&data.encoding), log_p.columns());
    if let Some(out) = &args.out {
        let column = data.encoding.classes().map_or("label", |x| &x.name);
        let rows = likelihood::row_names(&data, split);
        write_probabilities(out, &log_p, (examples, rows), (column, &names))?;
        note(format!("probabilities in {}", out.display()));
    }
    let measured = examples.labels();
    let measured = measured.map(|labels| Classification::of(&log_p, labels, split));
    let measured = measured.transpose()?;
    let table = measured.as_ref().map(|x| (&x.confusion[..], &names[..]));
    confusion::draw_asked(args.confusion.as_deref(), &what, table)?;
    let mut figures = Figures::default();
    match &measured {
        None => figures.row("examples", examples.len().to_string(), "without labels"),
        Some(measured) => figures.extend(measured.with_confusion(&names)),
    }
    figures
        .put("count", examples.len())
        .put("split", split.name())
        .put("read", data.told());
    figures.put("classes", group.size);
    if machine.lacks(Act::Classify).is_empty() {
        figures.put("way", way.by.name());
    }
    figures.print(args.answer.json, &title)
}

/// The units of the model that say the label.
///
/// # Errors
/// A model that has none.
fn labels(path: &Path, machine: &dyn Machine) -> Outcome<Segment> {
    let (units, group) = machine.labels()?;
    group.ok_or_else(|| {
        Failure::failed(format!(
            "{}: its units {units} do not end in labels",
            path.display(),
        ))
        .hint("`harmonium train --labels` makes models that classify")
    })
}

/// The way that is asked for.
///
/// # Errors
/// Options of other kinds, or of other ways.
fn way(args: &ClassifyArgs, machine: &dyn Machine) -> Outcome<Way> {
    let by = args.way.unwrap_or(WayArg::Deterministic);
    let (passes, sweeps) = (args.passes.is_some(), args.sweeps.is_some());
    let given = [
        ("--compare", args.compare),
        ("--way", by != WayArg::Deterministic),
        ("--passes", passes),
        ("--sweeps", sweeps),
        ("--seed", args.seed.is_some()),
    ];
    machine::refuse(machine, Act::Classify, &given)?;
    for (flag, given, of) in [
        ("--passes", passes, WayArg::Averaged),
        ("--sweeps", sweeps, WayArg::Gibbs),
    ] {
        if given && by != of && !args.compare {
            let message = format!("{flag} belongs to --way {} or --compare", of.name());
            return Err(Failure::usage(message));
        }
    }
    let usual = Way::default();
    Ok(Way {
        by,
        passes: args.passes.unwrap_or(usual.passes),
        sweeps: args.sweeps.unwrap_or(usual.sweeps),
        seed: args.seed.unwrap_or(usual.seed),
    })
}

/// Prints the three ways beside one another.
///
/// # Errors
/// Examples without labels; those of the library.
fn compare(
    args: &ClassifyArgs,
    machine: &dyn Machine,
    way: &Way,
    title: &str,
    examples: &Examples,
    split: Split,
) -> Outcome<()> {
    let Some(labels) = examples.labels() else {
        return Err(Failure::usage("--compare: the data have no labels"));
    };
    let (mut object, mut rows) = (Map::new(), Vec::new());
    for by in WAYS {
        let started = Instant::now();
        let log_p = machine.log_p_y(examples, &Way { by, ..*way })?;
        let found = Classification::of(&log_p, labels, split)?;
        let seconds = started.elapsed().as_secs_f64();
        let how = match by {
            WayArg::Deterministic => "deterministic pass, exact free energies".into(),
            WayArg::Averaged => format!("{} stochastic passes averaged", way.passes),
            WayArg::Gibbs => format!("label Gibbs sampling, {} sweeps", way.sweeps),
        };
        rows.push([
            by.name().to_owned(),
            format!("{:.2} %", 100.0 * found.error()),
            found.wrong.to_string(),
            format!("{:.4}", found.mean_log_probability),
            format!("{seconds:.1} s"),
            how,
        ]);
        let mut figures = found.figures();
        figures.put("seconds", seconds);
        object.insert(by.name().into(), figures.object().clone().into());
    }
    if args.answer.json {
        let all = json!({ "count": examples.len(), "split": split.name(), "ways": object });
        return report::json(match all {
            Value::Object(all) => all,
            _ => Map::new(),
        });
    }
    let title = format!("{title}, {} {} examples", examples.len(), split.name());
    let heads = ["way", "error", "wrong", "mean ln p(label)", "time", ""];
    report::columns(&title, &heads, &rows)
}

/// Writes the probabilities, in CSV under the names `column=class` after the names of the examples;
/// as JSON the classes found and the labels too, if there are any.
fn write_probabilities(
    path: &Path,
    log_p: &Matrix,
    (examples, rows): (&Examples, &[String]),
    (column, names): (&str, &[String]),
) -> Outcome<()> {
    let p = Matrix::from_fn(log_p.rows(), log_p.columns(), |i, j| log_p.row(i)[j].exp());
    if ends_in(path, "csv") {
        let head: Vec<String> = names.iter().map(|x| format!("{column}={x}")).collect();
        let row = |i: usize| p.row(i).iter().map(f32::to_string).collect();
        return write_named("--out", path, (rows, &head), (0..p.rows()).map(row));
    }
    if !ends_in(path, "json") {
        return write_matrix(path, &p);
    }
    let probabilities: Vec<&[f32]> = (0..p.rows()).map(|i| p.row(i)).collect();
    let mut object = json!({
        "classes": p.columns(),
        "names": names,
        "probabilities": probabilities,
        "found": most_probable(&p),
        "labels": examples.labels(),
    });
    if !rows.is_empty() {
        object["examples"] = json!(rows);
    }
    Ok(write_atomically(path, format!("{object}\n").as_bytes())?)
}
