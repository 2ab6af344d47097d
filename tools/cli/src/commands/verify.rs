//! `harmonium verify`: whether a model is fit to be used.

use crate::{
    args::VerifyArgs,
    failure::{Failure, Outcome},
    kinds,
    run::{
        likelihood,
        loading::{Asked, open_model},
    },
    show::figures::Figures,
};
use harmonium::{
    Examples,
    evaluate::{Check, Verdict, verify},
};
use serde_json::{Value, json};

/// Runs the command.
pub fn run(args: &VerifyArgs) -> Outcome<()> {
    let (path, checkpoint) = open_model(args.model.as_deref())?;
    let (examples, on) = match &args.of.data {
        None => (None, String::new()),
        Some(name) => {
            let asked = Asked {
                data: Some(name),
                binarize: args.of.binarize,
                seed: None,
                row_names: false,
                labels: true,
                reading: &args.of.reading,
            };
            let (data, _, _) = asked.load(&checkpoint)?;
            let (part, split) = likelihood::examples(&data, args.of.split);
            let on = format!(" and the {} part of {}", split.name(), data.name);
            (Some(part.clone()), on)
        }
    };
    let examples: Option<&Examples> = examples.as_ref();
    let checks = verify(&checkpoint.model, examples);
    let wrong: Vec<&Check> = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Wrong)
        .collect();
    let mut figures = Figures::default();
    figures.put("good", wrong.is_empty());
    let told = |check: &Check| {
        json!({
            "name": check.name,
            "verdict": check.verdict.to_string(),
            "told": check.told,
        })
    };
    let all: Vec<Value> = checks.iter().map(told).collect();
    figures.put("checks", all);
    for check in &checks {
        let name = check.name.replace('_', "-");
        figures.row(&name, check.verdict.to_string(), check.told.clone());
    }
    let title = format!(
        "{}: {}{on}",
        path.display(),
        kinds::machine(&checkpoint.model).name()
    );
    figures.print(args.answer.json, &title)?;
    match wrong.first() {
        None => Ok(()),
        Some(check) => Err(Failure::failed(format!(
            "{}: {}: {}",
            path.display(),
            check.name,
            check.told
        ))),
    }
}
