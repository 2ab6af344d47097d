//! Machines that can be enumerated: their names, and `harmonium evaluate` of general Boltzmann machines, whose likelihood the command line enumerates alone.

use crate::{
    args::{EvaluateArgs, ReverseFrom},
    data::{Data, Source, check_columns, input},
    failure::{Failure, Outcome, note},
    likelihood, report,
};
use harmonium::{
    BoltzmannMachine, Examples,
    checkpoint::Checkpoint,
    kernel::reduce::mean_and_standard_error,
    model::{Dbm, Layer},
};
use serde_json::{Map, json};

/// A machine that can be enumerated if it is small.
pub trait Enumerated {
    /// The machine in a few words.
    fn name(&self) -> String;
    /// The layer of the data.
    fn visible(&self) -> &Layer;
    /// Mean and standard error of `ln p(v)` over the examples, and `ln Z`.
    ///
    /// # Errors
    /// Those of the library: too many units.
    fn measure(&self, examples: &Examples) -> Outcome<(f64, f64, f64)>;
}

impl Enumerated for BoltzmannMachine {
    fn name(&self) -> String {
        let (n, m) = (self.n_visible(), self.n_hidden());
        if m == 0 {
            return format!("fully visible Boltzmann machine of {n} units");
        }
        format!("Boltzmann machine of {n} visible and {m} hidden units")
    }

    fn visible(&self) -> &Layer {
        self.visible()
    }

    fn measure(&self, examples: &Examples) -> Outcome<(f64, f64, f64)> {
        let log_z = self.log_z()?;
        let free = self.free_energy_v(input(examples), 1.0)?;
        let (mean, error) = mean_and_standard_error(free.into_iter().map(|f| -f - log_z));
        Ok((mean, error, log_z))
    }
}

impl Enumerated for Dbm {
    fn name(&self) -> String {
        let layers = self.layers()[..=self.n_hidden_layers()].iter();
        let sizes: Vec<String> = layers.map(|x| x.size().to_string()).collect();
        let labels = self.classes().map(|n| format!(" with {n} classes"));
        format!("DBM {}{}", sizes.join("-"), labels.unwrap_or_default())
    }

    fn visible(&self) -> &Layer {
        self.layer(0)
    }

    fn measure(&self, examples: &Examples) -> Outcome<(f64, f64, f64)> {
        Ok(self.exact_mean_log_likelihood(input(examples))?)
    }
}

/// Runs `harmonium evaluate`.
///
/// # Errors
/// Without `--exact`, with options of other kinds; data of another width, or grey where states are bits; too many units.
pub fn evaluate(
    args: &EvaluateArgs,
    checkpoint: &Checkpoint,
    machine: &dyn Enumerated,
) -> Outcome<()> {
    let kind = checkpoint.model.kind();
    if !args.exact {
        return Err(Failure::usage(format!(
            "evaluate: the likelihood of a model of kind {kind} is enumerated alone"
        ))
        .hint("--exact, for small machines; the library anneals larger ones"));
    }
    for (flag, given) in [
        ("--burn-in", args.burn_in.is_some()),
        (
            "--reverse-from",
            args.reverse_from == ReverseFrom::Annealing,
        ),
        ("--diagnose", args.diagnose.is_some()),
        ("--confusion", args.confusion.is_some()),
        ("--bound-samples", args.bound_samples.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!(
                "{flag} is not for a model of kind {kind}"
            )));
        }
    }
    let (data, ..) = load(args, checkpoint, machine.visible())?;
    let (examples, split) = likelihood::examples(&data, args.split);
    let (mean, error, log_z) = machine.measure(examples)?;
    if args.json {
        let mut object = Map::new();
        for (key, value) in [
            ("log_z", json!(log_z)),
            ("log_z_low", json!(log_z)),
            ("log_z_high", json!(log_z)),
            ("mean_log_likelihood", json!(mean)),
            ("standard_error", json!(error)),
            ("count", json!(examples.len())),
            ("split", json!(split.name())),
            ("method", json!("exact")),
        ] {
            object.insert(key.into(), value);
        }
        return report::json(object);
    }
    let title = format!(
        "{}: {} on {}",
        args.model.display(),
        machine.name(),
        data.name
    );
    let nats = |x: f64| format!("{x:.2} nats");
    let remark = format!("of the mean over {} examples", examples.len());
    report::table(
        &title,
        &[
            [
                format!("{} log-likelihood", split.name()),
                nats(mean),
                "exact".into(),
            ],
            ["standard error".into(), nats(error), remark],
            ["ln Z".into(), nats(log_z), "by enumeration".into()],
        ],
    )
}

/// The data of the command, as bits where the layer of the data is binary; where they come from, and the seed to measure with.
///
/// # Errors
/// Data of another width, or grey where states are bits.
pub fn load(
    args: &EvaluateArgs,
    checkpoint: &Checkpoint,
    visible: &Layer,
) -> Outcome<(Data, Source, u64)> {
    let (source, seed) = Source::of_model(
        &checkpoint.notes,
        args.data.as_deref(),
        args.binarize,
        args.seed,
    )?;
    let mut data = source.load()?;
    check_columns(visible.size(), &data)?;
    if visible.units.are_binary() && likelihood::is_grey(&data) {
        if args.binarize.is_some() {
            return Err(Failure::usage(
                "--binarize none: a machine of binary units gives grey values no likelihood",
            )
            .hint("choose --binarize sample or --binarize threshold"));
        }
        note("grey values are drawn once as bits (--binarize sample)");
        data = likelihood::drawn(data, source.seed);
    }
    Ok((data, source, seed))
}
