//! Whether what the command line says agrees with the run that goes on.

use super::Trains;
use crate::{
    args::{CenteringArg, Said},
    failure::{Failure, Outcome},
    run::data::{Source, resolved},
    show::shape::ShapeArg,
};
use harmonium::{
    dataset::{Binarization, Encoding},
    model::Missing,
    recipe::{Plan, Values},
    units::Units,
};
use std::fmt::Display;

/// Flags that are free of the run: where results go, epochs, what stops it, and a network that may
/// come at last.
const FREE: &[&str] = &[
    "out",
    "resume",
    "json",
    "no-pictures",
    "threads",
    "trajectory",
    "early-stopping",
    "early-stopping-by",
    "epochs",
    "up-down-epochs",
    "fine-tune",
    "fine-tune-epochs",
    "fine-tune-rate",
    "fine-tune-batch-size",
    "fine-tune-resample",
    "output-epochs",
    "input-dropout",
    "hidden-dropout",
];

/// Refuses the first flag that says something else than the stored run has.
///
/// # Errors
/// The flag, what it says, and what the run has.
pub fn agree(said: &Said, kind: &dyn Trains, plan: &Plan, source: &Source) -> Outcome<()> {
    let values = stored(plan, source);
    let is_free = |flag: &str| FREE.contains(&flag);
    for (flag, texts) in said.iter().filter(|(flag, _)| !is_free(flag)) {
        for (names, meant) in meant(flag, texts, kind, &values) {
            // Of several names the first that the run has.
            let is_set = |name: &&String| !values.get(name).is_empty();
            let name = names.iter().find(is_set).or(names.first());
            let found = name.map_or(&[][..], |name| values.get(name));
            let is_same = name.is_some_and(|name| values.agree(name, &meant));
            if is_same || meant == ["none"] && found.is_empty() {
                continue;
            }
            let has = match found {
                [] => "none".to_owned(),
                [one, rest @ ..] if rest.iter().all(|x| x == one) => one.clone(),
                all => all.join(","),
            };
            let given = match texts.as_slice() {
                [x] if x == "true" => format!("--{flag}"),
                _ if flag == "method" => format!("--{flag}"),
                texts => format!("--{flag} {}", texts.join(",")),
            };
            return Err(contradiction(&given, format!("has {has}")));
        }
    }
    Ok(())
}

/// The options of the plan and what it is on.
fn stored(plan: &Plan, source: &Source) -> Values {
    let mut values = plan.values();
    values.set("data", source.data.clone());
    values.set("validation", source.validation.to_string());
    values.set("seed", source.seed.to_string());
    values.set("binarize", source.binarize.to_string());
    let has_labels = match plan {
        Plan::Rbm(plan) => {
            let segments = plan.visible.segments();
            let n = segments.len() - usize::from(source.labels.is_some());
            let units = Units::default();
            let units = segments[..n]
                .iter()
                .fold(units, |x, s| x.and(s.kind, s.size));
            values.set("visible_units", units.to_string());
            values.set("visible_units.size", units.size().to_string());
            values.set("hidden_units.size", plan.hidden.size().to_string());
            source.labels.is_some()
        }
        Plan::Dbn(plan) => {
            values.set("visible_units.size", plan.visible.size().to_string());
            if plan.up_down.learning.resample_data {
                values.set("binarize", "bits that are drawn at each visit");
            }
            if plan.up_down.negative.is_none() {
                values.set("up_down.negative", "cd");
            }
            if plan.greedy.layers.iter().any(|layer| layer.transposed) {
                values.set("transposed", "true");
            }
            plan.greedy.classes.is_some()
        }
        Plan::Dbm(plan) => {
            if plan.joint.learning.resample_data {
                values.set("binarize", "bits that are drawn at each visit");
            }
            add_units(&mut values, plan.visible.as_ref());
            if plan.pretraining.is_none() {
                values.set("no_pretraining", "true");
                values.set("pretraining.epochs", "0");
            }
            plan.classes.is_some()
        }
        Plan::Boltzmann(plan) => {
            add_units(&mut values, plan.visible.as_ref());
            false
        }
    };
    if has_labels {
        values.set("labels", "true");
    }
    add_reading(&mut values, plan.missing(), source);
    values
}

/// Visible units that are not bits alone.
fn add_units(values: &mut Values, visible: Option<&Units>) {
    if let Some(units) = visible {
        values.set("visible_units", units.to_string());
        values.set("visible_units.size", units.size().to_string());
    }
}

/// What is said of the file and of its columns.
fn add_reading(values: &mut Values, missing: Missing, source: &Source) {
    let encoding = source.encoding.as_ref();
    let reading = &source.reading;
    for (name, is_set) in [
        ("stream", source.stream),
        (
            "standardize",
            encoding.is_some_and(Encoding::is_standardized),
        ),
    ] {
        if is_set {
            values.set(name, "true");
        }
    }
    let missing = match missing {
        _ if !reading.missing => "none",
        Missing::Infer => "infer",
        Missing::Absent => "absent",
    };
    values.set("missing", missing);
    let header = reading
        .header
        .map(|x| if x { "yes" } else { "no" }.to_owned());
    for (name, text) in [
        ("label", reading.label.clone()),
        ("weight", reading.weight.clone()),
        ("scale", reading.scale.map(|x| x.to_string())),
        ("header", header),
        (
            "shape",
            encoding.and_then(ShapeArg::of).map(|x| x.to_string()),
        ),
    ] {
        if let Some(text) = text {
            values.set(name, text);
        }
    }
    reading
        .columns
        .iter()
        .for_each(|x| values.put("columns", x.clone()));
}

/// Names of options and what a flag says of them, in the words of the values.
fn meant(
    flag: &str,
    texts: &[String],
    kind: &dyn Trains,
    values: &Values,
) -> Vec<(Vec<String>, Vec<String>)> {
    let own = vec![flag.replace('-', "_")];
    let (names, one) = (
        kind.options_of(flag),
        texts.first().map_or("", String::as_str),
    );
    let is_of_run = [
        "data",
        "binarize",
        "validation",
        "seed",
        "labels",
        "stream",
        "standardize",
        "missing",
        "label",
        "weight",
        "scale",
        "header",
        "shape",
        "columns",
        "transposed",
        "no-pretraining",
    ];
    match flag {
        "data" => vec![(own, vec![resolved(one)])],
        "binarize" => {
            let how = one.parse::<Binarization>().map(|x| x.to_string());
            vec![(own, vec![how.unwrap_or_else(|_| one.into())])]
        }
        "visible-units" | "hidden-units" => {
            let size = values.get(&format!("{}.size", own[0])).first();
            let size = size.and_then(|x| x.parse().ok()).unwrap_or(0);
            let units = Units::parse(one, size).map_or_else(|_| one.into(), |x| x.to_string());
            vec![(own, vec![units])]
        }
        flag if is_of_run.contains(&flag) => vec![(own, texts.to_vec())],
        "centering" | "no-centering" => {
            let part = |part: &str| -> Vec<String> {
                let centering = kind.options_of("centering");
                centering.iter().map(|x| format!("{x}.{part}")).collect()
            };
            match one.parse::<CenteringArg>() {
                Ok(CenteringArg(Some((visible, hidden)))) => vec![
                    (part("visible"), vec![visible.to_string()]),
                    (part("hidden"), vec![hidden.to_string()]),
                ],
                _ => vec![(part("visible"), vec!["none".into()])],
            }
        }
        // That of those which have none of their own.
        "up-down-rate" => ["generative-rate", "recognition-rate", "top-rate"]
            .map(|flag| (kind.options_of(flag), texts.to_vec()))
            .into(),
        _ => vec![(names, texts.to_vec())],
    }
}

/// What refuses a flag of a run to go on with.
pub fn contradiction(flag: &str, has: impl Display) -> Failure {
    Failure::usage(format!("{flag}: the run to resume {has}"))
        .hint("leave the flag out, or start a new run in another --out without --resume")
}
