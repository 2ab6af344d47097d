//! `harmonium classify`: classes of examples by a machine that has learned labels, and how many of
//! them are wrong.

use crate::{
    args::{ClassifyArgs, Split},
    commands::evaluate::load_model,
    failure::{Failure, Outcome, note},
    kinds::deep,
    run::data::{Data, Source},
    run::likelihood,
    run::named::Named,
    show::confusion,
    show::report,
};
use harmonium::{
    Error, Matrix, Model,
    checkpoint::{Checkpoint, write_atomically},
    dataset::Examples,
    model::{Dbm, Dbn, MeanField, Rbm, most_probable},
    units::{Segment, Units},
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
    /// Of labeled `examples` without label units.
    ///
    /// # Errors
    /// Those of the library; a label that is no class of the machine.
    pub fn measure(rbm: &Rbm, examples: &Examples, split: Split) -> Outcome<Option<Self>> {
        let Some(labels) = examples.labels() else {
            return Ok(None);
        };
        Self::of(&rbm.log_p_y_from_v(examples)?, labels, split).map(Some)
    }

    /// As [`Self::measure`], by the deterministic pass of a deep belief network; nothing of one
    /// without a label.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn of_dbn(dbn: &Dbn, examples: &Examples, split: Split) -> Outcome<Option<Self>> {
        let (Some(labels), Some(_)) = (examples.labels(), dbn.label_group()) else {
            return Ok(None);
        };
        Self::of(&dbn.log_p_y_from_v(examples)?, labels, split).map(Some)
    }

    /// As [`Self::measure`], by mean field of a deep Boltzmann machine; nothing of one without
    /// labels.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn of_dbm(dbm: &Dbm, examples: &Examples, split: Split) -> Outcome<Option<Self>> {
        let (Some(labels), Some(_)) = (examples.labels(), dbm.classes()) else {
            return Ok(None);
        };
        let log_p = dbm.log_p_y_from_v(examples, &MeanField::default())?;
        Self::of(&log_p, labels, split).map(Some)
    }

    /// Of the labels of the rows of `ln p(y)`.
    ///
    /// # Errors
    /// A label that is no class.
    pub fn of(log_p: &Matrix, labels: &[u32], split: Split) -> Outcome<Self> {
        let classes = log_p.columns();
        if let Some(label) = labels.iter().find(|&&y| y as usize >= classes) {
            return Err(Failure::failed(format!(
                "the data have a label {label}, but the model knows {classes} classes"
            )));
        }
        let mut confusion = vec![vec![0; classes]; classes];
        let mut sum = 0.0;
        for (s, (&label, found)) in labels.iter().zip(most_probable(log_p)).enumerate() {
            confusion[label as usize][found] += 1;
            sum += f64::from(log_p.row(s)[label as usize]);
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
    let group = labels_of(args, &checkpoint)?;
    let data = load(args, &checkpoint, group)?;
    let (examples, split) = likelihood::examples(&data, args.split);
    if let Model::Dbn(dbn) = &checkpoint.model
        && args.compare
    {
        return deep::classify::compare(args, dbn, &data.name, examples, split);
    }
    let (log_p, way, title) = log_p_y(args, &checkpoint.model, examples)?;
    if let Some(path) = &args.out {
        let p = Matrix::from_fn(log_p.rows(), log_p.columns(), |i, j| log_p.row(i)[j].exp());
        match is_json(path) {
            true => write_json(path, &p, examples)?,
            false => write_matrix(path, &p)?,
        }
        note(format!("probabilities in {}", path.display()));
    }
    let measured = examples
        .labels()
        .map(|labels| Classification::of(&log_p, labels, split))
        .transpose()?;
    let what = format!("{title} on {}", data.name);
    confusion::draw_asked(args.confusion.as_deref(), &what, measured.as_ref())?;
    if args.json {
        let mut object = measured.map(|m| m.json()).unwrap_or_default();
        object.insert("count".into(), json!(examples.len()));
        object.insert("classes".into(), json!(group.size));
        object.insert("split".into(), json!(split.name()));
        if let Some(way) = way {
            object.insert("way".into(), json!(way));
        }
        return report::json(object);
    }
    let rows = match &measured {
        None => vec![[
            "examples".into(),
            examples.len().to_string(),
            "without labels".into(),
        ]],
        Some(measured) => [measured.rows(), measured.confusion_rows()].concat(),
    };
    report::table(&format!("{}: {what}", args.model.display()), &rows)
}

/// The units of the model that say the label.
///
/// # Errors
/// A model that has none.
fn labels_of(args: &ClassifyArgs, checkpoint: &Checkpoint) -> Outcome<Segment> {
    let (group, units) = match &checkpoint.model {
        Model::Rbm(rbm) => (rbm.label_group(), rbm.visible().units.to_string()),
        Model::Dbn(dbn) => (dbn.label_group(), dbn.top().visible().units.to_string()),
        Model::Dbm(dbm) => {
            let last = &dbm.layer(dbm.n_layers() - 1).units;
            let group = dbm.classes().and(last.last_group());
            (group, last.to_string())
        }
        Model::Network(_) => {
            let network = deep::fine_tune::classifier(checkpoint)?;
            let output = network.activation(network.n_layers() - 1).kind();
            let units = Units::of(output, network.n_outputs());
            (units.last_group(), units.to_string())
        }
        other => {
            let message = format!("a model of kind {} does not classify", other.kind());
            return Err(
                Failure::usage(message).hint("`harmonium train --labels` makes models that do")
            );
        }
    };
    group.ok_or_else(|| {
        Failure::failed(format!(
            "{}: its units {units} do not end in labels",
            args.model.display(),
        ))
        .hint("`harmonium train --labels` makes models that classify")
    })
}

/// The data of the command, as the model sees them.
///
/// # Errors
/// Those of the data; data of another width than the model's beside its labels.
fn load(args: &ClassifyArgs, checkpoint: &Checkpoint, labels: Segment) -> Outcome<Data> {
    let (mut source, _) =
        Source::of_model(&checkpoint.notes, args.data.as_deref(), args.binarize, None)?;
    source.labels = None;
    let data = deep::boltzmann::seen_by(&args.model, checkpoint, source.load()?)?;
    let columns = data.train.columns();
    let expected = match &checkpoint.model {
        Model::Dbn(dbn) => dbn.n_visible(),
        Model::Dbm(dbm) => dbm.n_visible(),
        Model::Network(network) => network.n_inputs(),
        _ => labels.first,
    };
    if columns != expected {
        return Err(Failure::failed(format!(
            "the model has {expected} visible units beside its labels, but {} has {columns} values an example",
            data.name
        )));
    }
    Ok(data)
}

/// `ln p(y)` of each example, the way of a deep belief network, and the model in a few words.
fn log_p_y(
    args: &ClassifyArgs,
    model: &Model,
    examples: &Examples,
) -> Outcome<(Matrix, Option<&'static str>, String)> {
    if let Model::Dbn(dbn) = model {
        let (log_p, way) = deep::classify::log_p_y(args, dbn, examples)?;
        return Ok((log_p, Some(way), deep::name(dbn)));
    }
    deep::classify::refuse_options(args, model.kind())?;
    let (log_p, title) = match model {
        Model::Network(network) => (
            network.log_p_y_from_v(examples)?,
            deep::fine_tune::name(network),
        ),
        Model::Dbm(dbm) => (
            dbm.log_p_y_from_v(examples, &MeanField::default())?,
            dbm.name(),
        ),
        other => {
            let rbm = other.rbm()?;
            (rbm.log_p_y_from_v(examples)?, name(rbm))
        }
    };
    Ok((log_p, None, title))
}

/// A machine in a few words.
pub fn name(rbm: &Rbm) -> String {
    let sizes = format!("RBM {}-{}", rbm.n_visible(), rbm.n_hidden());
    if rbm.is_bernoulli() {
        return sizes;
    }
    format!("{sizes} ({}, {})", rbm.visible().units, rbm.hidden().units)
}

fn is_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("json"))
}

/// Writes the probabilities, the classes found and the labels, if there are any.
fn write_json(path: &Path, p: &Matrix, examples: &Examples) -> Outcome<()> {
    let rows: Vec<&[f32]> = (0..p.rows()).map(|i| p.row(i)).collect();
    let object = json!({
        "classes": p.columns(),
        "probabilities": rows,
        "found": most_probable(p),
        "labels": examples.labels(),
    });
    Ok(write_atomically(path, format!("{object}\n").as_bytes())?)
}

/// Writes rows of numbers, `.npy` (f32) or `.csv`.
///
/// # Errors
/// A name of another kind; a file that cannot be written.
pub fn write_matrix(path: &Path, x: &Matrix) -> Outcome<()> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    let mut bytes = Vec::new();
    match extension.as_ref().and_then(|e| e.to_str()) {
        Some("npy") => {
            let write = |bytes: &mut Vec<u8>| -> io::Result<()> {
                let mut writer = npyz::WriteOptions::new()
                    .default_dtype()
                    .shape(&[x.rows() as u64, x.columns() as u64])
                    .writer(bytes)
                    .begin_nd()?;
                writer.extend(x.elements())?;
                writer.finish()
            };
            write(&mut bytes).map_err(|e| Error::io(path, "encode the numbers", e))?;
        }
        Some("csv") => {
            for s in 0..x.rows() {
                let fields: Vec<String> = x.row(s).iter().map(ToString::to_string).collect();
                bytes.extend((fields.join(",") + "\n").into_bytes());
            }
        }
        _ => {
            return Err(Failure::usage(format!(
                "--out {}: expected a file name that ends in .npy or .csv (or .json, of `classify`)",
                path.display()
            )));
        }
    }
    Ok(write_atomically(path, &bytes)?)
}
