//! `--init`: a run that starts from the parameters of a model that is there.

use crate::{
    args::{OfKindMut, Said, TrainArgs},
    failure::{Failure, Outcome, note},
    kinds,
    run::{
        data::{Data, Source, classes_among_units, resolved},
        loading::load_model,
    },
};
use harmonium::{
    Examples, Model,
    checkpoint::Checkpoint,
    dataset::Encoding,
    model::{Dbn, Layer, Rbm},
    recipe::{AnyRun, Plan},
    units::{Kind, Units},
};
use std::{collections::BTreeMap, path::PathBuf};

/// The note of the model that a run started from.
pub const NOTE: &str = "init";

/// Flags of stages in which a machine is made, of which a run has none that starts from one.
const GREEDY: &[&str] = &[
    "greedy-epochs",
    "greedy-rate",
    "posterior",
    "transposed",
    "learning-rate",
    "momentum",
    "weight-decay",
    "l1-decay",
    "gradient-clip",
    "optimizer",
    "max-norm",
    "averaging",
    "method",
    "steps",
    "chains",
    "fast-rate",
    "fast-decay",
    "temperatures",
    "lowest-beta",
    "acceptance",
    "snapshots",
    "reconstruction",
    "centering",
    "no-centering",
    "centering-rate",
    "sparsity",
    "sparsity-cost",
    "variance-rate",
];
const PRETRAINING: &[&str] = &[
    "pretraining-epochs",
    "pretraining-rate",
    "pretraining-steps",
    "pretraining-momentum",
    "pretraining-weight-decay",
];

/// A model to start from.
pub struct Init {
    path: PathBuf,
    checkpoint: Checkpoint,
}

impl Init {
    /// The model that is asked for, if one is.
    ///
    /// # Errors
    /// A file that holds no model, or one of another kind; flags of stages that such a run does not
    /// have.
    pub fn of(args: &TrainArgs, said: &Said) -> Outcome<Option<Self>> {
        let Some(path) = &args.shared().init else {
            return Ok(None);
        };
        let asked = args.kind();
        let checkpoint = load_model(path)?;
        let found = checkpoint.model.kind();
        if found != asked {
            let message = format!(
                "--init {}: holds a model of kind {found}, not {asked}",
                path.display()
            );
            let failure = Failure::usage(message);
            return Err(match found {
                "network" => failure,
                found => failure.hint(format!("`harmonium train {found}` trains such models")),
            });
        }
        let (none, what, hint) = match asked {
            "dbn" => (
                GREEDY,
                "the greedy stages",
                "the up-down algorithm has flags of its own, such as --up-down-rate",
            ),
            "dbm" => (PRETRAINING, "pretraining", "all layers learn together"),
            "boltzmann" => (
                &["connectivity"][..],
                "machines without parameters",
                "the model says which units are coupled",
            ),
            _ => (&[][..], "", ""),
        };
        if let Some((flag, _)) = said.iter().find(|(flag, _)| none.contains(&&**flag)) {
            let message = format!("--{flag} belongs to {what}, which --init does without");
            return Err(Failure::usage(message).hint(hint));
        }
        Ok(Some(Self {
            path: path.clone(),
            checkpoint,
        }))
    }

    /// The arguments with the shape of the model where they say none.
    pub fn filled(&self, args: &TrainArgs) -> TrainArgs {
        let mut args = args.clone();
        let is_of_labels = classes_among_units(&self.checkpoint).is_ok_and(|n| n > 0);
        match (args.of_kind_mut(), &self.checkpoint.model) {
            (OfKindMut::Rbm(args), Model::Rbm(rbm)) => {
                args.labels |= is_of_labels;
                let visible = visible_of(rbm, args.labels);
                args.hidden.get_or_insert(rbm.n_hidden());
                args.hidden_units
                    .get_or_insert_with(|| rbm.hidden().units.to_string());
                args.units.visible_units.get_or_insert(visible);
            }
            (OfKindMut::Dbn(args), Model::Dbn(dbn)) => {
                args.labels |= dbn.classes().is_some();
                args.layers.get_or_insert_with(|| hidden_of(dbn));
                let units = || dbn.layer(0).units.to_string();
                args.units.visible_units.get_or_insert_with(units);
            }
            (OfKindMut::Dbm(args), Model::Dbm(dbm)) => {
                args.labels |= dbm.classes().is_some();
                let hidden = dbm.layers().iter().skip(1).take(dbm.n_hidden_layers());
                let hidden = || hidden.map(Layer::size).collect();
                args.layers.get_or_insert_with(hidden);
                let units = &dbm.layer(0).units;
                if !units.are(Kind::Bernoulli) {
                    args.visible_units.get_or_insert_with(|| units.to_string());
                }
            }
            (OfKindMut::Boltzmann(args), Model::Boltzmann(machine)) => {
                args.hidden.get_or_insert(machine.n_hidden());
            }
            // Of other kinds there is nothing to say.
            _ => {}
        }
        args
    }

    /// Columns become the units that the model learned, where its file tells them: its parameters
    /// are about these.
    ///
    /// # Errors
    /// Notes that this program did not write.
    pub fn settle(&self, source: &mut Source) -> Outcome<()> {
        let noted = Source::from_notes(&self.checkpoint)?;
        let of_run = noted.and_then(|noted| noted.encoding);
        let encoding = of_run.or_else(|| self.checkpoint.encoding.clone());
        // Who asks for other units is refused when the run starts.
        let is_asked = |x: &Encoding| {
            let asked = source.asked.units.as_deref();
            let units = asked.map(|text| Units::parse(text, x.units().size()));
            units.is_none_or(|units| units.is_ok_and(|units| units == *x.units()))
        };
        if let Some(encoding) = encoding.filter(is_asked) {
            if encoding.is_standardized() {
                note(format!(
                    "columns are standardized by the means and deviations of {}",
                    self.path.display()
                ));
            }
            source.encoding = Some(encoding);
            source.of_model = Some(self.columns());
        }
        Ok(())
    }

    /// Refuses data of another width.
    ///
    /// # Errors
    /// That.
    pub fn check(&self, data: &Data) -> Outcome<()> {
        let (units, columns) = (self.columns(), data.train.columns());
        if units == columns {
            return Ok(());
        }
        let message = format!(
            "--init {}: the model has {units} visible units, but {} has {columns} values an example",
            self.path.display(),
            data.name
        );
        Err(Failure::usage(message))
    }

    fn columns(&self) -> usize {
        let machine = kinds::machine(&self.checkpoint.model);
        machine.layers().first().map_or(0, |layer| layer.size())
    }

    /// The first stage of the plan, from the parameters of the model.
    ///
    /// # Errors
    /// A machine that the plan does not make; those of the library.
    pub fn start(&self, plan: &Plan, data: &Examples, stream: Option<usize>) -> Outcome<AnyRun> {
        let path = self.path.display();
        let run = plan
            .start_from(&self.checkpoint.model, data, stream)
            .map_err(|e| Failure::usage(format!("--init {path}: {e}")))?;
        note(format!(
            "starts from the parameters of {path} ({}); steps, averages and chains begin anew",
            kinds::machine(&self.checkpoint.model).name()
        ));
        Ok(run)
    }

    /// Notes the model.
    pub fn note(&self, notes: &mut BTreeMap<String, String>) {
        notes.insert(NOTE.into(), resolved(&self.path.to_string_lossy()));
    }
}

/// The visible units of the data, without those of labels.
fn visible_of(rbm: &Rbm, has_labels: bool) -> String {
    let segments = rbm.visible().units.segments();
    let label = usize::from(has_labels && rbm.visible().units.last_group().is_some());
    let of_data = &segments[..segments.len() - label];
    let units = of_data.iter().fold(Units::default(), |units, segment| {
        units.and(segment.kind, segment.size)
    });
    units.to_string()
}

/// Sizes of the hidden layers without the label.
fn hidden_of(dbn: &Dbn) -> Vec<usize> {
    let beside = dbn.n_layers() - 2;
    let size = |(l, layer): (usize, &Layer)| match dbn.classes() {
        Some(classes) if l == beside => layer.size() - classes,
        _ => layer.size(),
    };
    dbn.layers().enumerate().skip(1).map(size).collect()
}
