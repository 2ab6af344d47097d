//! `harmonium inspect`: what a model file holds.

use crate::{
    args::InspectArgs, evaluate::load_model, failure::Outcome, plan::describe_run, report,
};
use harmonium::{Rbm, checkpoint::Checkpoint};
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
        report::json(as_json(&checkpoint, checkpoint.rbm()?))
    } else {
        let rbm = checkpoint.rbm()?;
        let title = format!(
            "{}: RBM {}-{}",
            args.model.display(),
            rbm.n_visible(),
            rbm.n_hidden()
        );
        report::table(&title, &rows(&checkpoint, rbm))
    }
}

fn summaries(rbm: &Rbm) -> Vec<(&'static str, Vec<usize>, Summary)> {
    let bias = |x: &[f32]| (vec![x.len()], Summary::of(x.iter().copied()));
    let (visible, b) = bias(&rbm.visible().bias);
    let (hidden, c) = bias(&rbm.hidden().bias);
    let weights = vec![rbm.n_visible(), rbm.n_hidden()];
    let mut all = vec![
        ("weights.0", weights, Summary::of(rbm.weights().elements())),
        ("bias.0", visible, b),
        ("bias.1", hidden, c),
    ];
    for (name, layer) in [
        ("log_variance.0", rbm.visible()),
        ("log_variance.1", rbm.hidden()),
    ] {
        if !layer.log_variance.is_empty() {
            let (shape, summary) = bias(&layer.log_variance);
            all.push((name, shape, summary));
        }
    }
    all
}

fn rows(checkpoint: &Checkpoint, rbm: &Rbm) -> Vec<[String; 3]> {
    let row = |name: &str, value: String| [name.to_owned(), value, String::new()];
    let mut rows = vec![
        row("kind", "rbm".into()),
        row(
            "units",
            format!(
                "{} {}, {} {}",
                rbm.n_visible(),
                rbm.visible().units,
                rbm.n_hidden(),
                rbm.hidden().units
            ),
        ),
    ];
    for (name, shape, summary) in summaries(rbm) {
        rows.push(summary.row(name, &shape));
    }
    match &checkpoint.training {
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

fn as_json(checkpoint: &Checkpoint, rbm: &Rbm) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.into(), value);
    put("kind", json!("rbm"));
    put("shape", json!([rbm.n_visible(), rbm.n_hidden()]));
    put(
        "units",
        json!([
            rbm.visible().units.to_string(),
            rbm.hidden().units.to_string()
        ]),
    );
    let parameters: Map<String, Value> = summaries(rbm)
        .into_iter()
        .map(|(name, shape, summary)| (name.into(), summary.json(&shape)))
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
    put("training", json!(training));
    put("notes", json!(checkpoint.notes));
    object
}
