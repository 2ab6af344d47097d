//! `harmonium inspect`: what a model file holds.

mod run;

use crate::{
    args::InspectArgs,
    failure::Outcome,
    kinds,
    run::loading::open_model,
    run::run_file::RunFile,
    show::{figures::Figures, report},
};
use harmonium::checkpoint::Checkpoint;
use serde_json::{Map, Value, json};

/// Of a note, in the table.
const MOST_CHARACTERS: usize = 300;

/// Runs the command.
pub fn run(args: &InspectArgs) -> Outcome<()> {
    let (path, checkpoint) = open_model(args.model.as_deref())?;
    let run = RunFile::beside(&path);
    let machine = kinds::machine(&checkpoint.model);
    let layers = machine.layers();
    let mut figures = Figures::default();
    let sizes: Vec<usize> = layers.iter().map(|layer| layer.size()).collect();
    let units: Vec<String> = layers.iter().map(|layer| layer.units.to_string()).collect();
    let of_layers = layers.iter().map(|x| format!("{} {}", x.size(), x.units));
    let of_layers = of_layers.collect::<Vec<_>>().join(", ");
    figures
        .put("kind", machine.kind())
        .row("kind", machine.kind(), "");
    figures
        .put("shape", sizes)
        .put("units", units)
        .row("units", of_layers, "");
    if let Some(encoding) = &checkpoint.encoding {
        figures.row("data", encoding.describe(), "");
    }
    let json = checkpoint
        .encoding
        .as_ref()
        .map(|x| report::read(Ok(x.to_json())));
    figures.put("encoding", json!(json));
    parameters(&mut figures, &checkpoint);
    let stored = checkpoint.run.as_ref();
    figures.put("training", stored.and_then(run::training));
    if let Some(stage) = stored.and_then(|run| run::stage(run, layers.len().saturating_sub(1))) {
        figures.put("stage", stage);
    }
    match stored {
        Some(run) => {
            for [name, value, remark] in run::rows(run, &checkpoint.model) {
                figures.row(&name, value, remark);
            }
        }
        None => figures.row("training", "none in the file", ""),
    }
    for (key, value) in &checkpoint.notes {
        // Lists of numbers, such as the means of a standardization, are long: --json has them
        // whole.
        let mut shown: String = value.chars().take(MOST_CHARACTERS).collect();
        if shown.len() < value.len() {
            shown += " ...";
        }
        figures.row(&format!("note {key}"), shown, "");
    }
    figures.put("notes", json!(checkpoint.notes));
    figures.put("run", json!(run.as_ref().map(RunFile::json)));
    if let Some(run) = run {
        figures.row("command", run.command, "");
        figures.row("training time", format!("{:.1} s", run.seconds), "");
        for (stage, seconds) in run.stages {
            figures.row(&format!("time of {stage}"), format!("{seconds:.1} s"), "");
        }
    }
    let title = format!("{}: {}", path.display(), machine.name());
    figures.print(args.json, &title)
}

/// Size, range and norm of all parameters, by their names in the file.
fn parameters(figures: &mut Figures, checkpoint: &Checkpoint) {
    let mut all = Map::new();
    for (name, tensor) in checkpoint.tensors().iter() {
        let x: Vec<f64> = tensor.numbers().into_iter().map(f64::from).collect();
        let n = x.len().max(1) as f64;
        let squares = x.iter().map(|x| x * x).sum::<f64>();
        let mean = x.iter().sum::<f64>() / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        let smallest = x.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let norm = squares.sqrt();
        let of = json!({
            "shape": tensor.shape,
            "count": x.len(),
            "mean": mean,
            "standard_deviation": deviation,
            "min": smallest,
            "max": largest,
            "norm": norm,
        });
        all.insert(name.into(), of);
        let shape: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
        let range = format!(
            "{smallest:.4} .. {largest:.4}, mean {mean:.4}, deviation {deviation:.4}, norm {norm:.3}"
        );
        figures.row(name, shape.join(" x "), range);
    }
    figures.put("parameters", Value::Object(all));
}
