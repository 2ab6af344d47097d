//! Where the run in a file stands.

use crate::{
    kinds::training::{boltzmann, describe_negative as describe, describe_positive, describe_rbm},
    show::report,
};
use harmonium::{
    checkpoint::SavedRun,
    model::Model,
    train::{DbmOptions, Learning, Negative, Positive, UpDownOptions},
};
use serde_json::{Value, json};

type Rows = Vec<[String; 3]>;

fn row(name: &str, value: impl Into<String>) -> [String; 3] {
    [name.to_owned(), value.into(), String::new()]
}

/// As rows of a table.
pub fn rows(run: &SavedRun, model: &Model) -> Rows {
    let learning = run.learning();
    let position = run.position();
    let epoch = position.updates as f64 / position.batches as f64;
    let stands = format!("epoch {epoch:.2} of {}", learning.epochs);
    let of_stack = |stage: String, classes: Option<usize>| {
        let classes = classes.map_or("none".into(), |n| n.to_string());
        vec![
            row("stage", stage),
            row("classes", classes),
            row("training", stands.clone()),
        ]
    };
    let mut rows = match run {
        SavedRun::Rbm(_) | SavedRun::Boltzmann(_) => vec![row("training", stands)],
        SavedRun::Dbm(_) => vec![row("stage", format!("joint, {stands}"))],
        SavedRun::UpDown(_) => vec![row("stage", format!("up-down, {stands}"))],
        SavedRun::Backprop(_) => vec![row("training", format!("backpropagation, {stands}"))],
        SavedRun::Greedy { plan, .. } => {
            let learns = model.dbn().map_or(0, |dbn| dbn.n_layers() - 1);
            let stage = format!("greedy, layer {learns} of {}", plan.layers.len());
            of_stack(stage, plan.classes)
        }
        SavedRun::Pretraining { plan, rbms, .. } => {
            let stage = format!("pretraining, RBM {} of {}", rbms.len(), plan.hidden.len());
            of_stack(stage, plan.classes)
        }
    };
    rows.push(row("updates", position.updates.to_string()));
    rows.push(row("training examples", run.examples().to_string()));
    if let Some(how) = run.multiply_add() {
        rows.push(row("multiply-adds", how.to_string()));
    }
    rows.push(row("version of the draws", run.draws().to_string()));
    if let Some(chains) = run.chains() {
        rows.push(row("stored chains", chains.to_string()));
    }
    rows.extend(match run {
        SavedRun::Rbm(x)
        | SavedRun::Greedy { top: x, .. }
        | SavedRun::Pretraining { top: x, .. } => {
            vec![row("method", describe_rbm(&x.options))]
        }
        SavedRun::Dbm(x) => of_dbm(&x.options),
        SavedRun::Boltzmann(x) => {
            let hidden = model.boltzmann().map_or(0, |x| x.n_hidden());
            vec![row("method", boltzmann::describe(&x.options, hidden))]
        }
        SavedRun::UpDown(x) => of_up_down(&x.options),
        SavedRun::Backprop(_) => Vec::new(),
    });
    rows.extend(shared(learning));
    rows
}

fn shared(learning: &Learning) -> Rows {
    let gray = match learning.resample_data {
        true => "drawn anew at each visit",
        false => "as they are",
    };
    let clip = learning.gradient_clip;
    let clip = clip.map_or_else(|| "none".into(), |clip| clip.to_string());
    vec![
        row("batch size", learning.batch_size.to_string()),
        row("learning rate", learning.learning_rate.to_string()),
        row("momentum", learning.momentum.to_string()),
        row("weight decay (L2)", learning.weight_decay.to_string()),
        row("weight decay (L1)", learning.l1_decay.to_string()),
        row("gradient clip", clip),
        row("gray data", gray),
        row("seed", learning.seed.to_string()),
    ]
}

fn of_dbm(options: &DbmOptions) -> Rows {
    let gradient = match options.centering {
        Some(_) => "centered",
        None => "ordinary",
    };
    let mut rows = match options.negative {
        Negative::Persistent { chains, steps } => vec![
            row("chains", chains.to_string()),
            row("sweeps an update", steps.to_string()),
        ],
        other => vec![row("model", describe(other))],
    };
    rows.push(match options.positive {
        Positive::MeanField(x) => row(
            "mean field",
            format!(
                "at most {} iterations, to changes of {}",
                x.iterations, x.tolerance
            ),
        ),
        other => row("posterior", describe_positive(other)),
    });
    rows.push(row("gradient", gradient));
    rows
}

fn of_up_down(options: &UpDownOptions) -> Rows {
    vec![
        row("sweeps of the top", options.steps.to_string()),
        row("generative rate", options.generative_rate.to_string()),
        row("recognition rate", options.recognition_rate.to_string()),
    ]
}

fn options(run: &SavedRun) -> Value {
    match run {
        SavedRun::Rbm(x)
        | SavedRun::Greedy { top: x, .. }
        | SavedRun::Pretraining { top: x, .. } => report::options(&x.options),
        SavedRun::Dbm(x) => report::read(serde_json::to_string(&x.options)),
        SavedRun::Boltzmann(x) => report::read(serde_json::to_string(&x.options)),
        SavedRun::UpDown(x) => report::read(serde_json::to_string(&x.options)),
        SavedRun::Backprop(x) => report::read(serde_json::to_string(&x.options)),
    }
}

/// For JSON, the run of the machine or of the layer that learns, if it is one of a single stage.
pub fn training(run: &SavedRun) -> Option<Value> {
    if let SavedRun::Dbm(_) | SavedRun::UpDown(_) = run {
        return None;
    }
    Some(json!({
        "updates": run.position().updates,
        "examples": run.examples(),
        "chains": run.chains(),
        "options": options(run),
    }))
}

/// For JSON, the stage of a run of several; `learns` is the number of the highest layer.
pub fn stage(run: &SavedRun, learns: usize) -> Option<Value> {
    let of_all = |name: &str| {
        json!({
            "name": name,
            "updates": run.position().updates,
            "examples": run.examples(),
            "options": options(run),
        })
    };
    match run {
        SavedRun::Dbm(_) => Some(of_all("joint")),
        SavedRun::UpDown(_) => Some(of_all("up-down")),
        SavedRun::Greedy { plan, .. } => Some(json!({
            "name": "greedy",
            "layer": learns,
            "layers": plan.layers.len(),
            "classes": plan.classes,
        })),
        SavedRun::Pretraining { plan, rbms, .. } => Some(json!({
            "name": "pretraining",
            "layer": rbms.len(),
            "layers": plan.hidden.len(),
            "classes": plan.classes,
        })),
        SavedRun::Rbm(_) | SavedRun::Boltzmann(_) | SavedRun::Backprop(_) => None,
    }
}
