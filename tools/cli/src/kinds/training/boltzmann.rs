//! `train boltzmann`: a general Boltzmann machine.

use super::{
    Finished, MOST_ELEMENTS, Told, Trains, Watch, couplings, describe_negative, describe_positive,
    fantasies, moments,
    options::{check_chains, of_stage, one_number},
    reading::{for_bits, other_than_bits},
    refused,
};
use crate::{
    args::{BoltzmannArgs, CriterionArg},
    failure::{Failure, Outcome},
    run::{
        data::{Data, Source},
        edges,
        files::{Files, Named},
    },
    show::{
        figures::Figures,
        metrics::{
            Column,
            Digits::{Exponent, Fixed},
            Table,
        },
        report,
    },
};
use harmonium::{
    BitMatrix, BoltzmannMachine, Examples, Matrix, Model,
    evaluate::pseudo_likelihood,
    model::MeanField,
    recipe::{
        AnyRun, BoltzmannPlan, Plan, RunRef,
        defaults::{self, Length},
    },
    train::{BoltzmannOptions, BoltzmannTraining, Negative, Positive},
};
use serde_json::json;

/// Examples of figures that hidden units make dear, and passes of mean field that are watched.
const WATCHED_WITH_HIDDEN: usize = 250;
const PASSES: usize = 10;
/// Most units that are enumerated after each epoch, and most hidden ones for each example.
const ENUMERATED: usize = 16;
const ENUMERATED_HIDDEN: usize = 8;

/// The columns of metrics.
const TABLE: Table = Table {
    is_staged: false,
    columns: &[
        Column::new("gradient", Exponent(6)).drawn("gradient (root mean square)", ""),
        Column::new("prediction_error", Fixed(8))
            .told("prediction error ", Exponent(2), "")
            .drawn("prediction error of visible units", "training"),
        Column::new("validation_prediction_error", Fixed(6))
            .drawn("prediction error of visible units", "held out"),
        Column::new("log_likelihood", Fixed(6))
            .told("log-likelihood ", Fixed(3), "")
            .drawn("log-likelihood (nats)", "training"),
        Column::new("validation_log_likelihood", Fixed(6))
            .drawn("log-likelihood (nats)", "held out"),
        Column::new("pseudo_likelihood", Fixed(6))
            .told("pseudo-likelihood ", Fixed(2), "")
            .drawn("pseudo-likelihood (nats)", "training"),
        Column::new("validation_pseudo_likelihood", Fixed(6))
            .drawn("pseudo-likelihood (nats)", "held out"),
    ],
};

impl BoltzmannArgs {
    /// The positive phase that the flags describe.
    fn positive(&self, hidden: usize, negative: Negative) -> Outcome<Positive> {
        let flags = &self.positive;
        for (flag, is_given) in [
            ("--positive", flags.positive.is_some()),
            ("--positive-steps", flags.positive_steps.is_some()),
        ] {
            if is_given && hidden == 0 {
                return Err(
                    Failure::usage(format!("{flag} is for machines with hidden units"))
                        .hint("choose their number with --hidden"),
                );
            }
        }
        let default = match negative {
            Negative::Exact if hidden == 0 && self.negative.method.is_none() => {
                Positive::Gibbs { steps: 1 }
            }
            Negative::Exact if flags.positive_steps.is_none() => Positive::Exact,
            _ => Positive::Gibbs { steps: 1 },
        };
        flags.positive(default, MeanField::default())
    }

    /// Whether a new run of `hidden` hidden units goes on until moments agree: of few visible units
    /// alone, where nothing is said of how and how long it learns.
    fn is_of_moments(&self, hidden: usize, data: &Data) -> bool {
        let negative = &self.negative;
        let is_said = self.epochs.is_some()
            || negative.method.is_some()
            || negative.steps.is_some()
            || negative.chains.is_some()
            || self.shared.learning.batch_size.is_some();
        let is_whole = data.stream.is_none() && data.train.observed().is_none();
        hidden == 0 && is_whole && !is_said && data.train.columns() <= defaults::MOST_OF_MOMENTS
    }

    /// The machine of the file of couplings, if there is one.
    fn start(&self, n: usize, m: usize) -> Outcome<Option<BoltzmannMachine>> {
        let Some(path) = &self.connectivity else {
            return Ok(None);
        };
        edges::of_layers(path, n, m).map(Some)
    }
}

impl Trains for BoltzmannArgs {
    fn epochs(&self) -> (&'static str, Option<usize>) {
        ("--epochs", self.epochs)
    }

    fn source(&self) -> Outcome<Source> {
        self.shared.data.reading.expect_inferred()?;
        let source = self.shared.data.source(false)?;
        Ok(Source {
            are_epochs_said: self.epochs.is_some(),
            ..for_bits(source, self.visible_units.as_deref())?
        })
    }

    fn plan(&self, source: &Source, data: &Data) -> Outcome<Plan> {
        if data.train.bits().is_none() {
            return Err(Failure::usage(
                "--binarize none: a general Boltzmann machine learns bits, not gray values",
            )
            .hint("choose --binarize sample or --binarize threshold"));
        }
        let (n, m) = (data.train.columns(), self.hidden.unwrap_or(0));
        let batch_size = self.shared.learning.batch_size;
        let length = Length::new(data.examples(), batch_size, source.are_epochs_said);
        let mut options = match self.is_of_moments(m, data) {
            true => defaults::moments(n, data.examples()),
            false => defaults::boltzmann(length),
        };
        one_number("steps", self.negative.steps.as_ref())?;
        options.negative = self.negative.negative("", options.negative, None)?;
        if options.negative == Negative::PseudoLikelihood && m > 0 {
            return Err(Failure::usage(format!(
                "--method pseudo-likelihood is for machines without hidden units, not --hidden {m}"
            ))
            .hint("choose --method pcd, or leave --hidden out"));
        }
        options.positive = self.positive(m, options.negative)?;
        self.shared.apply(&mut options.learning, self.epochs);
        let method = defaults::method(&options.negative);
        options
            .check()
            .map_err(|e| match e.to_string().starts_with("negative phase") {
                true => Failure::usage(format!("--method {method}: {e}")),
                false => e.into(),
            })?;
        let units = n + m;
        if units > MOST_ELEMENTS / units.max(1) {
            let most = MOST_ELEMENTS.isqrt();
            return Err(Failure::usage(format!(
                "--hidden {m}: expected at most {most} units in all, {n} of them visible"
            )));
        }
        check_chains(options.negative, units)?;
        let visible = other_than_bits(data);
        let start = self.start(n, m)?.map(|machine| match &visible {
            Some(units) => machine.with_visible_units(units.clone()),
            None => Ok(machine),
        });
        Ok(Plan::Boltzmann(BoltzmannPlan {
            hidden: m,
            visible,
            start: start.transpose()?,
            options,
        }))
    }

    fn options_of(&self, flag: &str) -> Vec<String> {
        of_stage("", flag)
    }

    fn describe(&self, plan: &Plan, data: &Data) -> String {
        let is_until = self.until_moments_agree(plan, data);
        let Plan::Boltzmann(plan) = plan else {
            return String::new();
        };
        let learning = &plan.options.learning;
        let (until, most) = match is_until {
            true => ("until moments agree, ", "at most "),
            false => ("", ""),
        };
        format!(
            "{}, {until}batches of {}, learning rate {}, {most}{} epochs",
            describe(&plan.options, plan.hidden),
            learning.batch_size,
            learning.learning_rate,
            learning.epochs
        )
    }

    fn until_moments_agree(&self, plan: &Plan, data: &Data) -> bool {
        match plan {
            Plan::Boltzmann(plan) => {
                let options = &plan.options;
                options.negative == Negative::Exact
                    && options.learning.epochs == defaults::EPOCHS_OF_MOMENTS
                    && self.is_of_moments(plan.hidden, data)
            }
            _ => false,
        }
    }

    fn more(&self, finished: &Finished<'_>) -> Outcome<Figures> {
        let machine = finished.model.boltzmann()?;
        let most = match is_enumerated(machine)? {
            true => machine.units(),
            false => 0,
        };
        moments::figures(machine, &finished.data.train, (most, finished.seed()))
    }

    fn table(&self) -> Table {
        TABLE
    }

    fn figures(&self, run: RunRef<'_>, watch: &Watch) -> Outcome<Vec<Option<f64>>> {
        let RunRef::Boltzmann(run) = run else {
            return Ok(vec![None; 7]);
        };
        let machine = run.model();
        let held_out = watch.validation.as_ref().map(|x| x.head(Watch::FEW));
        let parts = [Some(&watch.train), held_out.as_ref()];
        // Predictions are of units given all others.
        let is_whole = watch.train.observed().is_none();
        let is_enumerated = is_enumerated(machine)?;
        let mut figures = vec![Some(gradient(run))];
        let few = match machine.n_hidden() {
            0 => Watch::FEW,
            _ => WATCHED_WITH_HIDDEN,
        };
        for part in parts {
            let some = part.filter(|_| is_whole);
            let some = some.and_then(|x| x.head(few).bits().cloned());
            figures.push(some.map(|v| prediction_error(machine, &v)).transpose()?);
        }
        for part in parts {
            let part = part.filter(|_| is_enumerated);
            figures.push(part.map(|x| log_likelihood(machine, x)).transpose()?);
        }
        for part in parts {
            let part = part.filter(|_| machine.n_hidden() == 0 && is_whole);
            let pseudo = part.map(|x| pseudo_likelihood(machine, x));
            figures.push(pseudo.transpose()?);
        }
        Ok(figures)
    }

    fn criterion(
        &self,
        asked: Option<CriterionArg>,
        _plan: &Plan,
        model: &Model,
    ) -> Outcome<CriterionArg> {
        let machine = model.boltzmann()?;
        let (is_visible, is_enumerated) = (machine.n_hidden() == 0, is_enumerated(machine)?);
        let hint = "choose reconstruction-error: that of each unit's mean given all others";
        match asked {
            Some(by @ CriterionArg::Likelihood) if !is_enumerated => {
                Err(refused(by, "expected a machine that is enumerated at once").hint(hint))
            }
            Some(by @ CriterionArg::PseudoLikelihood) if !is_visible => {
                Err(refused(by, "expected a machine without hidden units").hint(hint))
            }
            Some(by @ (CriterionArg::Error | CriterionArg::FreeEnergyGap(_))) => {
                Err(refused(by, "a general machine has none").hint(hint))
            }
            Some(by) => Ok(by),
            None if is_enumerated => Ok(CriterionArg::Likelihood),
            None if is_visible => Ok(CriterionArg::PseudoLikelihood),
            None => Ok(CriterionArg::ReconstructionError),
        }
    }

    fn score(&self, by: CriterionArg, run: RunRef<'_>, watch: &Watch) -> Outcome<f64> {
        let held_out = watch.held_out()?;
        if by != CriterionArg::Likelihood {
            held_out.expect_complete("early stopping by predictions")?;
        }
        let model = run.result()?;
        let machine = model.boltzmann()?;
        match (by, held_out.bits()) {
            (CriterionArg::Likelihood, _) => log_likelihood(machine, held_out),
            (CriterionArg::PseudoLikelihood, _) => Ok(pseudo_likelihood(machine, held_out)?),
            (_, Some(v)) => Ok(-prediction_error(machine, v)?),
            (_, None) => Err(Failure::failed("held-out examples have no bits")),
        }
    }

    fn draw(&self, finished: &Finished<'_>) -> Outcome<()> {
        let machine = finished.model.boltzmann()?;
        let position = finished.run.running().position();
        let title = format!("{}, {} epochs", finished.title, position.epoch);
        let (path, encoding) = (&finished.files.couplings, &finished.data.encoding);
        couplings::draw_couplings(path, &title, machine, encoding)?;
        fantasies::draw(finished, &title)
    }

    fn told(&self, finished: &Finished<'_>) -> Told {
        let (AnyRun::Boltzmann(run), Ok(machine)) = (finished.run, finished.model.boltzmann())
        else {
            return Told::new();
        };
        let position = run.position();
        vec![
            ("epochs", json!(position.epoch)),
            ("updates", json!(position.updates)),
            ("n_visible", json!(machine.n_visible())),
            ("n_hidden", json!(machine.n_hidden())),
            (
                "options",
                report::read(serde_json::to_string(run.options())),
            ),
        ]
    }

    fn files<'a>(&self, files: &'a Files) -> Named<'a> {
        files.named_of_boltzmann()
    }
}

/// Whether all states are enumerated after each epoch. Couplings that are zero may come, so all
/// that may be there count.
fn is_enumerated(machine: &BoltzmannMachine) -> Outcome<bool> {
    let n = machine.units();
    if n > 2 * ENUMERATED {
        return Ok(false);
    }
    let mut edges = Vec::new();
    for i in 0..n {
        let others = (i + 1..n).filter(|&j| machine.may_couple(i, j));
        edges.extend(others.map(|j| (i, j, 1.0)));
    }
    let full = BoltzmannMachine::from_edges(machine.n_visible(), machine.n_hidden(), &edges)?;
    let full = full.with_visible_units(machine.visible().units.clone())?;
    let (all, hidden) = full.enumerated_units()?;
    Ok(all <= ENUMERATED && hidden <= ENUMERATED_HIDDEN)
}

/// Root mean square of the elements of the gradient of the last update.
fn gradient(run: &BoltzmannTraining) -> f64 {
    let (pairs, biases) = run.gradient();
    let square = |g: f32| f64::from(g).powi(2);
    let sum =
        pairs.elements().map(square).sum::<f64>() + biases.iter().copied().map(square).sum::<f64>();
    (sum / (pairs.rows() * (pairs.rows() + 1)).max(1) as f64).sqrt()
}

/// Mean over examples, by enumeration.
fn log_likelihood(machine: &BoltzmannMachine, part: &Examples) -> Outcome<f64> {
    if part.observed().is_some() {
        return Ok(machine.exact_mean_log_likelihood(part, &mut ())?.mean);
    }
    let all = machine.exact_log_p_v(part.input(), &mut ())?;
    Ok(all.iter().sum::<f64>() / all.len() as f64)
}

/// `E[v_i | all other units]` of examples, hidden units by mean field of a few passes: mean square
/// distance from the examples.
fn prediction_error(machine: &BoltzmannMachine, v: &BitMatrix) -> Outcome<f64> {
    let few = MeanField {
        iterations: PASSES,
        ..MeanField::default()
    };
    let h = if machine.n_hidden() == 0 {
        Matrix::zeros(v.rows(), 0)
    } else {
        machine.posterior_means(v, &few)?.0.swap_remove(0)
    };
    let means = machine.mean_v_from_rest(v, &h, 1.0)?;
    let square = |i: usize, j: usize| {
        (f64::from(u8::from(v.get(i, j))) - f64::from(means.row(i)[j])).powi(2)
    };
    let sum: f64 = (0..v.rows())
        .map(|i| (0..v.columns()).map(|j| square(i, j)).sum::<f64>())
        .sum();
    Ok(sum / (v.rows() * v.columns()).max(1) as f64)
}

/// How a machine with `hidden` units learns, in a few words.
pub fn describe(options: &BoltzmannOptions, hidden: usize) -> String {
    let negative = describe_negative(options.negative);
    match hidden {
        0 => negative,
        _ => format!("{negative}, {}", describe_positive(options.positive)),
    }
}
