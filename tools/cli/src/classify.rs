//! `harmonium classify`: classes of examples by a machine that has learned labels, and how many of them are wrong.

use crate::{
    args::{ClassifyArgs, Split},
    data::{Source, input, resolved},
    evaluate::load_model,
    failure::{Failure, Outcome, note},
    likelihood, report,
};
use harmonium::{
    Error, Matrix,
    checkpoint::write_atomically,
    dataset::Examples,
    model::{Rbm, most_probable},
};
use npyz::WriterBuilder;
use serde_json::{Map, Value, json};
use std::{io, path::Path};

/// How well classes were found.
#[derive(Clone, Debug)]
pub struct Classification {
    /// Examples.
    pub count: usize,
    /// Of them, those whose most probable class is not the label.
    pub wrong: usize,
    /// Mean of `ln p(label | v)`, nats.
    pub mean_log_probability: f64,
    /// `[label][class found]`.
    pub confusion: Vec<Vec<usize>>,
    /// The part of the data.
    pub split: Split,
}

impl Classification {
    /// Of labelled `examples` without label units.
    ///
    /// # Errors
    /// Those of the library; a label that is no class of the machine.
    pub fn measure(rbm: &Rbm, examples: &Examples, split: Split) -> Outcome<Option<Self>> {
        let Some(labels) = examples.labels() else {
            return Ok(None);
        };
        Self::of(&rbm.log_p_y_from_v(input(examples))?, labels, split).map(Some)
    }

    fn of(log_p: &Matrix, labels: &[u8], split: Split) -> Outcome<Self> {
        let classes = log_p.columns();
        if let Some(label) = labels.iter().find(|&&y| usize::from(y) >= classes) {
            return Err(Failure::failed(format!(
                "the data have a label {label}, but the model knows {classes} classes"
            )));
        }
        let mut confusion = vec![vec![0; classes]; classes];
        let mut sum = 0.0;
        for (s, (&label, found)) in labels.iter().zip(most_probable(log_p)).enumerate() {
            confusion[usize::from(label)][found] += 1;
            sum += f64::from(log_p.row(s)[usize::from(label)]);
        }
        let right: usize = (0..classes).map(|y| confusion[y][y]).sum();
        Ok(Self {
            count: labels.len(),
            wrong: labels.len() - right,
            mean_log_probability: sum / labels.len().max(1) as f64,
            confusion,
            split,
        })
    }

    /// Share of wrong classes.
    pub fn error(&self) -> f64 {
        self.wrong as f64 / self.count.max(1) as f64
    }

    /// As `classify --json` prints it.
    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("error".into(), json!(self.error()));
        map.insert("wrong".into(), json!(self.wrong));
        map.insert("count".into(), json!(self.count));
        map.insert("split".into(), json!(self.split.name()));
        map.insert(
            "mean_log_probability".into(),
            json!(self.mean_log_probability),
        );
        map.insert("confusion".into(), json!(self.confusion));
        map
    }

    /// The rows of a table.
    pub fn rows(&self) -> Vec<[String; 3]> {
        vec![
            [
                format!("{} error", self.split.name()),
                format!("{:.2} %", 100.0 * self.error()),
                format!("{} of {} wrong", self.wrong, self.count),
            ],
            [
                "ln p(label)".into(),
                format!("{:.4} nats", self.mean_log_probability),
                "mean".into(),
            ],
        ]
    }

    /// One row a label: how often each class was found for it.
    pub fn confusion_rows(&self) -> Vec<[String; 3]> {
        let widest = self.confusion.iter().flatten().max().unwrap_or(&0);
        let width = widest.to_string().len();
        let line = |counts: &Vec<usize>| {
            let cells: Vec<String> = counts.iter().map(|n| format!("{n:>width$}")).collect();
            cells.join(" ")
        };
        let rows = self.confusion.iter().enumerate();
        rows.map(|(y, counts)| [format!("label {y}"), line(counts), String::new()])
            .collect()
    }
}

/// Runs the command.
pub fn run(args: &ClassifyArgs) -> Outcome<()> {
    let checkpoint = load_model(&args.model)?;
    let rbm = checkpoint.rbm()?;
    let Some(group) = rbm.label_group() else {
        return Err(Failure::failed(format!(
            "{}: its visible units {} do not end in labels",
            args.model.display(),
            rbm.visible().units
        ))
        .hint("`harmonium train --labels` makes models that classify"));
    };
    let mut source = Source::from_notes(&checkpoint.notes)?.unwrap_or_default();
    source.labels = None;
    if let Some(data) = args.data.as_deref().map(resolved)
        && data != source.data
    {
        source.data = data;
        source.validation = 0;
    }
    if let Some(binarize) = args.binarize {
        source.binarize = binarize;
    }
    let data = source.load()?;
    let columns = data.train.columns();
    if columns != group.first {
        return Err(Failure::failed(format!(
            "the model has {} visible units beside its labels, but {} has {columns} values an example",
            group.first, data.name
        )));
    }
    let (examples, split) = likelihood::examples(&data, args.split);
    let log_p = rbm.log_p_y_from_v(input(examples))?;
    if let Some(path) = &args.out {
        write(path, &log_p)?;
        note(format!("probabilities in {}", path.display()));
    }
    let measured = examples
        .labels()
        .map(|labels| Classification::of(&log_p, labels, split))
        .transpose()?;
    if args.json {
        let mut object = measured.map(|m| m.json()).unwrap_or_default();
        object.insert("count".into(), json!(examples.len()));
        object.insert("classes".into(), json!(group.size));
        object.insert("split".into(), json!(split.name()));
        return report::json(object);
    }
    let title = format!("{}: {} on {}", args.model.display(), name(rbm), data.name);
    let rows = match &measured {
        None => vec![[
            "examples".into(),
            examples.len().to_string(),
            "without labels".into(),
        ]],
        Some(measured) => [measured.rows(), measured.confusion_rows()].concat(),
    };
    report::table(&title, &rows)
}

/// A machine in a few words.
pub fn name(rbm: &Rbm) -> String {
    let sizes = format!("RBM {}-{}", rbm.n_visible(), rbm.n_hidden());
    if rbm.is_bernoulli() {
        return sizes;
    }
    format!("{sizes} ({}, {})", rbm.visible().units, rbm.hidden().units)
}

/// Writes `p(y | v)`.
fn write(path: &Path, log_p: &Matrix) -> Outcome<()> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    let mut bytes = Vec::new();
    match extension.as_ref().and_then(|e| e.to_str()) {
        Some("npy") => {
            let write = |bytes: &mut Vec<u8>| -> io::Result<()> {
                let mut writer = npyz::WriteOptions::new()
                    .default_dtype()
                    .shape(&[log_p.rows() as u64, log_p.columns() as u64])
                    .writer(bytes)
                    .begin_nd()?;
                writer.extend(log_p.elements().map(f32::exp))?;
                writer.finish()
            };
            write(&mut bytes).map_err(|e| Error::io(path, "encode the probabilities", e))?;
        }
        Some("csv") => {
            for s in 0..log_p.rows() {
                let fields: Vec<String> =
                    log_p.row(s).iter().map(|x| x.exp().to_string()).collect();
                bytes.extend((fields.join(",") + "\n").into_bytes());
            }
        }
        _ => {
            return Err(Failure::usage(format!(
                "--out {}: expected a file name that ends in .npy or .csv",
                path.display()
            )));
        }
    }
    Ok(write_atomically(path, &bytes)?)
}
