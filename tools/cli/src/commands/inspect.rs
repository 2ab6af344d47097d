//! `harmonium inspect`: what a model file holds.

mod run;

use crate::{
    args::InspectArgs, failure::Outcome, kinds::machine, run::loading::load_model,
    run::run_file::RunFile, show::report,
};
use harmonium::{Matrix, Model, checkpoint::Checkpoint};
use serde_json::{Map, Value, json};

/// Of a note, in the table.
const MOST_CHARACTERS: usize = 300;

/// Size, range and norm of a set of parameters.
struct Summary {
    count: usize,
    mean: f64,
    deviation: f64,
    smallest: f64,
    largest: f64,
    norm: f64,
}

impl Summary {
    fn of(x: impl Iterator<Item = f32>) -> Self {
        let (mut count, mut sum, mut squares) = (0, 0.0, 0.0);
        let (mut smallest, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
        for x in x.map(f64::from) {
            count += 1;
            sum += x;
            squares += x * x;
            smallest = smallest.min(x);
            largest = largest.max(x);
        }
        let n = f64::from(count).max(1.0);
        let mean = sum / n;
        Self {
            count: count as usize,
            mean,
            deviation: (squares / n - mean * mean).max(0.0).sqrt(),
            smallest,
            largest,
            norm: squares.sqrt(),
        }
    }

    fn json(&self, shape: &[usize]) -> Value {
        json!({
            "shape": shape,
            "count": self.count,
            "mean": self.mean,
            "standard_deviation": self.deviation,
            "min": self.smallest,
            "max": self.largest,
            "norm": self.norm,
        })
    }

    fn row(&self, name: &str, shape: &[usize]) -> [String; 3] {
        let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
        [
            name.into(),
            shape.join(" x "),
            format!(
                "{:.4} .. {:.4}, mean {:.4}, deviation {:.4}, norm {:.3}",
                self.smallest, self.largest, self.mean, self.deviation, self.norm
            ),
        ]
    }
}

/// Runs the command.
pub fn run(args: &InspectArgs) -> Outcome<()> {
    let checkpoint = load_model(&args.model)?;
    let run = RunFile::beside(&args.model);
    if args.json {
        let mut object = as_json(&checkpoint);
        object.insert("run".into(), json!(run.as_ref().map(RunFile::json)));
        return report::json(object);
    }
    let title = format!(
        "{}: {}",
        args.model.display(),
        machine::of(&checkpoint.model).name()
    );
    let mut rows = rows(&checkpoint);
    if let Some(run) = run {
        let row = |name: &str, value: String| [name.to_owned(), value, String::new()];
        rows.push(row("command", run.command));
        rows.push(row("training time", format!("{:.1} s", run.seconds)));
        let stages = run.stages.into_iter();
        rows.extend(stages.map(|(name, x)| row(&format!("time of {name}"), format!("{x:.1} s"))));
    }
    report::table(&title, &rows)
}

/// All parameters, by their names in the file.
fn summaries(model: &Model) -> Vec<(String, Vec<usize>, Summary)> {
    let mut all = Vec::new();
    let mut matrix = |name: String, x: &Matrix| {
        if x.rows() * x.columns() > 0 {
            let summary = Summary::of(x.elements());
            all.push((name, vec![x.rows(), x.columns()], summary));
        }
    };
    match model {
        Model::Rbm(rbm) => matrix("weights.0".into(), rbm.weights()),
        Model::Dbn(dbn) => {
            for (l, pair) in dbn.directed().iter().enumerate() {
                matrix(format!("weights.{l}"), &pair.generative_weights());
                if !pair.is_tied() {
                    matrix(
                        format!("recognition.weights.{l}"),
                        pair.recognition_weights(),
                    );
                }
            }
            matrix(
                format!("weights.{}", dbn.directed().len()),
                dbn.top().weights(),
            );
        }
        Model::Boltzmann(machine) => {
            matrix("visible.weights".into(), machine.visible_weights());
            matrix("weights.0".into(), machine.weights());
            matrix("hidden.weights".into(), machine.hidden_weights());
        }
        Model::Dbm(dbm) => {
            for l in 0..dbm.n_layers() - 1 {
                matrix(format!("weights.{l}"), dbm.weights(l));
            }
        }
        _ => {}
    }
    let mut vector = |name: String, x: &[f32]| {
        if !x.is_empty() {
            all.push((name, vec![x.len()], Summary::of(x.iter().copied())));
        }
    };
    let layers = machine::of(model).layers();
    for (l, layer) in layers.iter().enumerate() {
        vector(format!("bias.{l}"), &layer.bias);
    }
    if let Model::Dbn(dbn) = model {
        for (l, pair) in dbn.directed().iter().enumerate() {
            vector(format!("recognition.bias.{}", l + 1), &pair.above().bias);
        }
    }
    for (l, layer) in layers.iter().enumerate() {
        vector(format!("log_variance.{l}"), &layer.log_variance);
    }
    all
}

fn rows(checkpoint: &Checkpoint) -> Vec<[String; 3]> {
    let row = |name: &str, value: String| [name.to_owned(), value, String::new()];
    let model = &checkpoint.model;
    let units = machine::of(model)
        .layers()
        .into_iter()
        .map(|layer| format!("{} {}", layer.size(), layer.units));
    let mut rows = vec![
        row("kind", model.kind().into()),
        row("units", units.collect::<Vec<_>>().join(", ")),
    ];
    for (name, shape, summary) in summaries(model) {
        rows.push(summary.row(&name, &shape));
    }
    match &checkpoint.run {
        Some(run) => rows.extend(run::rows(run, model)),
        None => rows.push(row("training", "none in the file".into())),
    }
    for (key, value) in &checkpoint.notes {
        // Lists of numbers, such as the means of a standardization, are long: --json has them
        // whole.
        let shown: String = value.chars().take(MOST_CHARACTERS).collect();
        let more = if shown.len() < value.len() {
            " ..."
        } else {
            ""
        };
        rows.push(row(&format!("note {key}"), format!("{shown}{more}")));
    }
    rows
}

fn as_json(checkpoint: &Checkpoint) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.into(), value);
    let layers = machine::of(&checkpoint.model).layers();
    let sizes: Vec<usize> = layers.iter().map(|layer| layer.size()).collect();
    let units: Vec<String> = layers.iter().map(|layer| layer.units.to_string()).collect();
    put("kind", json!(checkpoint.model.kind()));
    put("shape", json!(sizes));
    put("units", json!(units));
    let parameters: Map<String, Value> = summaries(&checkpoint.model)
        .into_iter()
        .map(|(name, shape, summary)| (name, summary.json(&shape)))
        .collect();
    put("parameters", parameters.into());
    let run = checkpoint.run.as_ref();
    put("training", json!(run.and_then(run::training)));
    if let Some(stage) = run.and_then(|run| run::stage(run, layers.len() - 1)) {
        put("stage", stage);
    }
    put("notes", json!(checkpoint.notes));
    object
}
