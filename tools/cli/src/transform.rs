//! `harmonium transform`: what a layer of a model makes of data.

use crate::{
    args::TransformArgs,
    classify::{name, write_matrix},
    data::{Source, check_columns, input},
    deep,
    evaluate::load_model,
    failure::{Failure, Outcome},
    likelihood, report,
};
use harmonium::Model;
use serde_json::{Map, json};

/// Runs the command.
pub fn run(args: &TransformArgs) -> Outcome<()> {
    let checkpoint = load_model(&args.model)?;
    let (most, columns, title) = match &checkpoint.model {
        Model::Rbm(rbm) => (1, rbm.n_visible(), name(rbm)),
        Model::Dbn(dbn) => {
            // The top layer of a network with a label is not inferred from the data alone.
            let most = dbn.n_layers() - 1 - usize::from(dbn.label_group().is_some());
            (most, dbn.n_visible(), deep::name(dbn))
        }
        other => {
            let message = format!("transform: a model of kind {} has no layer of features", other.kind());
            return Err(Failure::usage(message));
        }
    };
    let layer = args.layer.unwrap_or(most);
    if layer > most {
        return Err(Failure::usage(format!("--layer {layer}: expected 1 to {most} of this model")));
    }
    let (source, _) = Source::of_model(&checkpoint.notes, args.data.as_deref(), args.binarize, None)?;
    let data = source.load()?;
    check_columns(columns, &data)?;
    let (examples, split) = likelihood::examples(&data, args.split);
    let features = match &checkpoint.model {
        Model::Dbn(dbn) => dbn.mean_h_from_v(input(examples), layer)?,
        other => other.rbm()?.mean_h_from_v(input(examples), 1.0)?,
    };
    write_matrix(&args.out, &features)?;
    let (rows, columns, out) = (features.rows(), features.columns(), args.out.display().to_string());
    if args.json {
        let mut object = Map::new();
        for (key, value) in [
            ("count", json!(rows)),
            ("split", json!(split.name())),
            ("layer", json!(layer)),
            ("columns", json!(columns)),
            ("out", json!(out)),
        ] {
            object.insert(key.into(), value);
        }
        return report::json(object);
    }
    let title = format!("{}: {title} on {}", args.model.display(), data.name);
    report::table(&title, &[
        ["layer".into(), layer.to_string(), format!("{columns} units")],
        ["features".into(), out, format!("means of {rows} {} examples", split.name())],
    ])
}
