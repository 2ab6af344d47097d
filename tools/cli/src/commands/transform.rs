//! `harmonium transform`: what a layer of a model makes of data.

use crate::{
    args::{PassArg, Split, TransformArgs},
    commands::classify::{name, write_matrix},
    commands::evaluate::load_model,
    commands::sample::sheet::write_npy,
    failure::{Failure, Outcome},
    kinds::dbm::measure::mean_field_row,
    kinds::deep,
    run::data::{Data, Source, check_columns},
    run::likelihood,
    run::named::Named,
    show::report,
};
use harmonium::{
    Examples, Matrix, Model, Rbm, States,
    model::{Convergence, MeanField},
    rng::{Draws, Site},
};
use serde_json::{Map, Value, json};

/// Runs the command.
pub fn run(args: &TransformArgs) -> Outcome<()> {
    let checkpoint = load_model(&args.model)?;
    let layers = Layers::of(&checkpoint.model)?;
    let layer = args.layer.unwrap_or(layers.default);
    if layer > layers.most {
        return Err(Failure::usage(format!(
            "--layer {layer}: expected 1 to {} of this model",
            layers.most
        )));
    }
    if args.seed.is_some() && args.pass == PassArg::Means {
        return Err(Failure::usage("--seed belongs to --pass samples"));
    }
    if args.with_data && args.pass == PassArg::Samples {
        return Err(Failure::usage("--with-data belongs to --pass means"));
    }
    let (mut source, _) =
        Source::of_model(&checkpoint.notes, args.data.as_deref(), args.binarize, None)?;
    source.labels = None;
    let data = deep::boltzmann::seen_by(&args.model, &checkpoint, source.load()?)?;
    check_columns(layers.columns, &data)?;
    let (examples, split) = likelihood::examples(&data, args.split);
    let (mut features, convergence) = features(args, &checkpoint.model, examples, layer)?;
    if args.with_data {
        features = beside(examples, &features.to_matrix()).into();
    }
    match (&features, args.out.extension()) {
        (States::Bits(_), Some(npy)) if npy.eq_ignore_ascii_case("npy") => {
            write_npy(&args.out, &features)?;
        }
        _ => write_matrix(&args.out, &features.to_matrix())?,
    }
    let written = Written {
        layer,
        rows: features.rows(),
        columns: features.columns(),
        split,
        convergence,
    };
    if args.json {
        return report::json(written.json(args));
    }
    let title = format!(
        "{}: {} on {}",
        args.model.display(),
        layers.title,
        data.name
    );
    report::table(&title, &written.table_rows(args, &data))
}

/// The layers of a model that have features.
struct Layers {
    /// Its last one.
    most: usize,
    /// The one that is taken unless told otherwise.
    default: usize,
    /// Values of an example.
    columns: usize,
    /// The model in a few words.
    title: String,
}

impl Layers {
    fn of(model: &Model) -> Outcome<Self> {
        let (most, columns, title) = match model {
            Model::Rbm(rbm) => {
                let pixels = rbm.label_group().map_or(rbm.n_visible(), |x| x.first);
                (1, pixels, name(rbm))
            }
            Model::Dbn(dbn) => {
                // The top layer of a network with a label is not inferred from the data alone.
                let most = dbn.n_layers() - 1 - usize::from(dbn.label_group().is_some());
                (most, dbn.n_visible(), deep::name(dbn))
            }
            Model::Network(network) => {
                let most = network.n_layers() - 1;
                (most, network.n_inputs(), deep::fine_tune::name(network))
            }
            Model::Dbm(dbm) => (dbm.n_hidden_layers(), dbm.n_visible(), dbm.name()),
            other => {
                let message = format!(
                    "transform: a model of kind {} has no layer of features",
                    other.kind()
                );
                return Err(Failure::usage(message));
            }
        };
        let default = match model {
            // What a classifier's output layer sees, and the codes of an autoencoder.
            Model::Network(network) if network.is_classifier() => most - 1,
            Model::Network(_) => most / 2,
            _ => most,
        };
        Ok(Self {
            most,
            default,
            columns,
            title,
        })
    }
}

/// What the layer makes of the examples, and how far mean field went for it.
fn features(
    args: &TransformArgs,
    model: &Model,
    examples: &Examples,
    layer: usize,
) -> Outcome<(States, Option<Convergence>)> {
    let seed = args.seed.unwrap_or(0);
    let states = match (model, args.pass) {
        (Model::Dbn(dbn), PassArg::Means) => dbn.mean_h_from_v(examples, layer)?.into(),
        (Model::Dbn(dbn), PassArg::Samples) => dbn.sample_h_from_v(examples, layer, seed, 0)?,
        (Model::Network(network), PassArg::Means) => network.values(examples, layer)?.into(),
        (Model::Network(_), PassArg::Samples) => {
            return Err(Failure::usage(
                "--pass samples: the units of a network have values, not states",
            ));
        }
        (Model::Dbm(dbm), PassArg::Means) => {
            let (mut means, done) = dbm.posterior_means(examples, &MeanField::default())?;
            return Ok((means.swap_remove(layer - 1).into(), Some(done)));
        }
        (Model::Dbm(_), PassArg::Samples) => {
            return Err(Failure::usage(
                "--pass samples: the hidden layers of a deep Boltzmann machine depend on each other, and mean field has means alone",
            ));
        }
        (other, pass) => of_rbm(other.rbm()?, examples, pass, seed)?,
    };
    Ok((states, None))
}

/// What was written, for the report.
struct Written {
    layer: usize,
    rows: usize,
    columns: usize,
    split: Split,
    convergence: Option<Convergence>,
}

impl Written {
    fn json(&self, args: &TransformArgs) -> Map<String, Value> {
        let mut object = Map::new();
        for (key, value) in [
            ("count", json!(self.rows)),
            ("split", json!(self.split.name())),
            ("layer", json!(self.layer)),
            ("pass", json!(pass_name(args.pass))),
            ("columns", json!(self.columns)),
            ("out", json!(args.out.display().to_string())),
        ] {
            object.insert(key.into(), value);
        }
        if let Some(done) = self.convergence {
            object.insert("mean_field_iterations".into(), json!(done.iterations));
            object.insert("mean_field_change".into(), json!(done.change));
        }
        object
    }

    fn table_rows(&self, args: &TransformArgs, data: &Data) -> Vec<[String; 3]> {
        let of_data = match args.with_data {
            true => format!(", {} of them of the data", data.train.columns()),
            false => String::new(),
        };
        let mut rows = vec![
            [
                "layer".into(),
                self.layer.to_string(),
                format!("{} units{of_data}", self.columns),
            ],
            [
                "features".into(),
                args.out.display().to_string(),
                format!(
                    "{} of {} {} examples",
                    pass_name(args.pass),
                    self.rows,
                    self.split.name()
                ),
            ],
        ];
        rows.extend(self.convergence.map(mean_field_row));
        rows
    }
}

fn pass_name(pass: PassArg) -> &'static str {
    match pass {
        PassArg::Means => "means",
        PassArg::Samples => "samples",
    }
}

/// `[v, features]` of each example.
fn beside(examples: &Examples, features: &Matrix) -> Matrix {
    let (n, x) = (examples.columns(), examples.input());
    Matrix::from_fn(features.rows(), n + features.columns(), |i, j| {
        match j.checked_sub(n) {
            Some(k) => features[(i, k)],
            None => x.get(i, j),
        }
    })
}

/// Hidden means or states of examples without labels.
fn of_rbm(rbm: &Rbm, examples: &Examples, pass: PassArg, seed: u64) -> Outcome<States> {
    let v = examples.input();
    match (rbm.label_group(), pass) {
        (None, PassArg::Means) => Ok(rbm.mean_h_from_v(v, 1.0)?.into()),
        (None, PassArg::Samples) => {
            Ok(rbm.sample_h_from_v(v, 1.0, Draws::new(seed, Site::Gibbs, 0))?)
        }
        (Some(_), PassArg::Samples) => Err(Failure::usage(
            "--pass samples: the hidden units of an RBM with labels depend on the label",
        )
        .hint("--pass means sums the labels out")),
        // E[h | v] = sum_y p(y | v) E[h | v, y]
        (Some(group), PassArg::Means) => {
            let log_p = rbm.log_p_y_from_v(v)?;
            let mut sum = Matrix::zeros(examples.len(), rbm.n_hidden());
            for class in 0..group.size {
                let labeled = Matrix::from_fn(examples.len(), rbm.n_visible(), |i, j| {
                    match j.checked_sub(group.first) {
                        None => v.get(i, j),
                        Some(y) => f32::from(y == class),
                    }
                });
                let means = rbm.mean_h_from_v(&labeled, 1.0)?;
                for i in 0..sum.rows() {
                    let p = log_p.row(i)[class].exp();
                    let to = sum.row_mut(i).iter_mut().zip(means.row(i));
                    to.for_each(|(to, x)| *to += p * x);
                }
            }
            Ok(sum.into())
        }
    }
}
