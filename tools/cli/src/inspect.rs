//! `harmonium inspect`: what a model file holds.

use crate::{
    args::InspectArgs, deep, evaluate::load_model, failure::Outcome, general, named::Named,
    plan::describe_run, report,
};
use harmonium::{
    Matrix, Model,
    checkpoint::{Checkpoint, DbmTrainingState, Stage},
    model::Layer,
};
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
    if args.json {
        return report::json(as_json(&checkpoint));
    }
    let title = format!("{}: {}", args.model.display(), name(&checkpoint.model));
    report::table(&title, &rows(&checkpoint))
}

/// A machine of any kind in a few words.
fn name(model: &Model) -> String {
    match model {
        Model::Rbm(rbm) => format!("RBM {}-{}", rbm.n_visible(), rbm.n_hidden()),
        Model::Dbn(dbn) => deep::name(dbn),
        Model::Boltzmann(machine) => machine.name(),
        Model::Dbm(dbm) => dbm.name(),
        other => other.kind().into(),
    }
}

/// The layers from the visible one up.
fn layers(model: &Model) -> Vec<&Layer> {
    match model {
        Model::Rbm(rbm) => vec![rbm.visible(), rbm.hidden()],
        Model::Dbn(dbn) => (0..dbn.n_layers()).map(|l| dbn.layer(l)).collect(),
        Model::Boltzmann(machine) if machine.n_hidden() == 0 => vec![machine.visible()],
        Model::Boltzmann(machine) => vec![machine.visible(), machine.hidden()],
        Model::Dbm(dbm) => dbm.layers().iter().collect(),
        _ => Vec::new(),
    }
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
    let layers = layers(model);
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

/// Where the training of a deep machine stands.
fn stage_rows(checkpoint: &Checkpoint) -> Vec<[String; 3]> {
    let row = |name: &str, value: String| [name.to_owned(), value, String::new()];
    if let Some(state) = &checkpoint.dbm_training {
        return joint_rows(state);
    }
    match &checkpoint.stage {
        None => Vec::new(),
        Some(Stage::Greedy(plan)) => {
            let learns = layers(&checkpoint.model).len() - 1;
            vec![
                row(
                    "stage",
                    format!("greedy, layer {learns} of {}", plan.layers.len()),
                ),
                row(
                    "classes",
                    plan.classes.map_or("none".into(), |n| n.to_string()),
                ),
            ]
        }
        Some(Stage::Pretraining { plan, rbms }) => vec![
            row(
                "stage",
                format!("pretraining, RBM {} of {}", rbms.len(), plan.hidden.len()),
            ),
            row(
                "classes",
                plan.classes.map_or("none".into(), |n| n.to_string()),
            ),
        ],
        Some(Stage::UpDown(state)) => {
            let options = &state.options;
            let batches = state.examples.div_ceil(options.batch_size.max(1));
            let epoch = state.updates as f64 / batches.max(1) as f64;
            vec![
                row(
                    "stage",
                    format!("up-down, epoch {epoch:.2} of {}", options.epochs),
                ),
                row("updates", state.updates.to_string()),
                row("training examples", state.examples.to_string()),
                row("batch size", options.batch_size.to_string()),
                row("sweeps of the top", options.steps.to_string()),
                row("generative rate", options.generative_rate.to_string()),
                row("recognition rate", options.recognition_rate.to_string()),
                row("top rate", options.top_rate.to_string()),
                row("momentum", options.momentum.to_string()),
                row("weight decay (L2)", options.weight_decay.to_string()),
                row("seed", options.seed.to_string()),
            ]
        }
    }
}

/// Where the training of all layers of a deep Boltzmann machine stands.
fn joint_rows(state: &DbmTrainingState) -> Vec<[String; 3]> {
    let row = |name: &str, value: String| [name.to_owned(), value, String::new()];
    let options = &state.options;
    let batches = state.examples.div_ceil(options.batch_size.max(1));
    let epoch = state.updates as f64 / batches.max(1) as f64;
    let mean_field = options.mean_field;
    vec![
        row(
            "stage",
            format!("joint, epoch {epoch:.2} of {}", options.epochs),
        ),
        row("updates", state.updates.to_string()),
        row("training examples", state.examples.to_string()),
        row("batch size", options.batch_size.to_string()),
        row("chains", options.chains.to_string()),
        row("sweeps an update", options.sweeps.to_string()),
        row(
            "mean field",
            format!(
                "at most {} iterations, to changes of {}",
                mean_field.iterations, mean_field.tolerance
            ),
        ),
        row("learning rate", options.learning_rate.to_string()),
        row("momentum", options.momentum.to_string()),
        row("weight decay (L2)", options.weight_decay.to_string()),
        row(
            "gradient",
            match options.centering {
                Some(_) => "centred".into(),
                None => "ordinary".into(),
            },
        ),
        row("seed", options.seed.to_string()),
    ]
}

fn rows(checkpoint: &Checkpoint) -> Vec<[String; 3]> {
    let row = |name: &str, value: String| [name.to_owned(), value, String::new()];
    let model = &checkpoint.model;
    let units = layers(model)
        .into_iter()
        .map(|layer| format!("{} {}", layer.size(), layer.units));
    let mut rows = vec![
        row("kind", model.kind().into()),
        row("units", units.collect::<Vec<_>>().join(", ")),
    ];
    for (name, shape, summary) in summaries(model) {
        rows.push(summary.row(&name, &shape));
    }
    rows.extend(stage_rows(checkpoint));
    match &checkpoint.training {
        None if checkpoint.stage.is_some() || checkpoint.dbm_training.is_some() => {}
        None if checkpoint.boltzmann_training.is_some() => {
            rows.extend(general::inspected(checkpoint));
        }
        None => rows.push(row("training", "none in the file".into())),
        Some(state) => {
            let batches = state.examples.div_ceil(state.options.batch_size.max(1));
            let epoch = state.updates as f64 / batches.max(1) as f64;
            rows.push(row(
                "training",
                format!("epoch {epoch:.2} of {}", state.options.epochs),
            ));
            rows.push(row("updates", state.updates.to_string()));
            rows.push(row("training examples", state.examples.to_string()));
            if let Some(chains) = &state.chains {
                rows.push(row("stored chains", chains.rows().to_string()));
            }
            let options = &state.options;
            let clip = options
                .gradient_clip
                .map_or_else(|| "none".into(), |clip| clip.to_string());
            rows.extend([
                row("method", describe_run(options)),
                row("batch size", options.batch_size.to_string()),
                row("learning rate", options.learning_rate.to_string()),
                row("momentum", options.momentum.to_string()),
                row("weight decay (L2)", options.weight_decay.to_string()),
                row("weight decay (L1)", options.l1_decay.to_string()),
                row("gradient clip", clip),
                row(
                    "grey data",
                    if options.resample_data {
                        "drawn anew at each visit".into()
                    } else {
                        "as they are".into()
                    },
                ),
                row("seed", options.seed.to_string()),
            ]);
        }
    }
    for (key, value) in &checkpoint.notes {
        // Lists of numbers, such as the means of a standardisation, are long: --json has them whole.
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
    let layers = layers(&checkpoint.model);
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
    let training = checkpoint.training.as_ref().map(|state| {
        json!({
            "updates": state.updates,
            "examples": state.examples,
            "chains": state.chains.as_ref().map(|chains| chains.rows()),
            "options": report::options(&state.options),
        })
    });
    put(
        "training",
        json!(training.or_else(|| general::inspected_json(checkpoint))),
    );
    if let Some(state) = &checkpoint.dbm_training {
        put(
            "stage",
            json!({
                "name": "joint",
                "updates": state.updates,
                "examples": state.examples,
                "options": report::read(serde_json::to_string(&state.options)),
            }),
        );
    }
    match &checkpoint.stage {
        None => {}
        Some(Stage::Greedy(plan)) => {
            let learns = layers.len() - 1;
            put(
                "stage",
                json!({"name": "greedy", "layer": learns, "layers": plan.layers.len(), "classes": plan.classes}),
            );
        }
        Some(Stage::Pretraining { plan, rbms }) => {
            put(
                "stage",
                json!({"name": "pretraining", "layer": rbms.len(), "layers": plan.hidden.len(), "classes": plan.classes}),
            );
        }
        Some(Stage::UpDown(state)) => {
            put(
                "stage",
                json!({
                    "name": "up-down",
                    "updates": state.updates,
                    "examples": state.examples,
                    "options": report::read(serde_json::to_string(&state.options)),
                }),
            );
        }
    }
    put("notes", json!(checkpoint.notes));
    object
}
