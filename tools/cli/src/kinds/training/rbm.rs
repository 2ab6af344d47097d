//! `train rbm`.

use super::{
    Finished, MOST_ELEMENTS, Told, Trains, Watch, describe_rbm, fantasies,
    options::{check_chains, of_stage},
    reading::for_units,
    refused,
};
use crate::{
    args::{CriterionArg, DEFAULT_BETAS, DEFAULT_CHAINS, RbmArgs, Split},
    failure::{Failure, Outcome},
    run::{
        data::{Data, Source},
        likelihood,
    },
    show::{
        figures::Figures,
        metrics::{Column, Digits::Fixed, Table},
        pictures, report,
    },
};
use harmonium::{
    Examples, Model,
    dataset::{Binarization, Rows},
    evaluate::{
        Ais, Base, Betas, free_energy_gap, pseudo_likelihood, reconstruction_error,
        stochastic_pseudo_likelihood,
    },
    model::{Missing, Rbm},
    recipe::{
        AnyRun, Measure, Plan, RbmPlan, RunRef,
        defaults::{self, Length, RbmFacts},
    },
    train::{Negative, Objective, RbmTraining, Reconstruction},
    units::{Kind, Units},
};
use serde_json::json;

/// Examples of the exact pseudo-likelihood at the end.
const PSEUDO_LIKELIHOOD_EXAMPLES: usize = 1000;
/// Machines whose smaller layer is at most this large are judged by their exact likelihood by
/// default (cheap beside an epoch), and by request.
const CHEAP_UNITS: usize = 16;
const EXACT_UNITS_BY_REQUEST: usize = 20;

/// The columns of metrics.
const TABLE: Table = Table {
    is_staged: false,
    columns: &[
        Column::new("gcu_per_second", Fixed(3)).told("", Fixed(1), " GCU/s"),
        Column::new("reconstruction_error", Fixed(8))
            .told("recon ", Fixed(4), "")
            .drawn("reconstruction error", ""),
        Column::new("pseudo_likelihood", Fixed(6))
            .told("PL ", Fixed(1), "")
            .drawn("pseudo-likelihood (nats)", ""),
        Column::new("free_energy_gap", Fixed(6))
            .told("gap ", Fixed(2), "")
            .drawn("free-energy gap (nats)", ""),
    ],
};

impl RbmArgs {
    /// The objective that the flags ask for.
    fn objective(&self) -> Objective {
        let asked = self.objective;
        asked.map_or(Objective::Generative, |x| {
            x.objective(self.generative_weight)
        })
    }
}

impl Trains for RbmArgs {
    fn epochs(&self) -> (&'static str, Option<usize>) {
        ("--epochs", self.epochs)
    }

    fn source(&self) -> Outcome<Source> {
        if self.hidden == Some(0) {
            return Err(
                Failure::usage("--hidden 0: expected at least 1 hidden unit")
                    .hint("a machine without hidden units: `harmonium train boltzmann`"),
            );
        }
        let resample = self.resample.resample;
        let source = self.shared.data.source(resample)?;
        let source = for_units(source, &self.units, (&self.shared.data, resample))?;
        Ok(Source {
            are_epochs_said: self.epochs.is_some(),
            labels: self.labels.then_some(0),
            ..source
        })
    }

    fn plan(&self, source: &Source, data: &Data) -> Outcome<Plan> {
        let objective = self.objective();
        if self.generative_weight.is_some() && !matches!(objective, Objective::Hybrid { .. }) {
            return Err(Failure::usage(
                "--generative-weight belongs to --objective hybrid",
            ));
        }
        let columns = data.train.columns();
        let classes = source.labels.unwrap_or(0);
        let examples = data.examples();
        let refused =
            |flag: &'static str| move |e: harmonium::Error| Failure::usage(format!("{flag}: {e}"));
        let visible = data.encoding.units().clone();
        if self.resample.resample && !visible.are_binary() {
            return Err(Failure::usage(format!(
                "--resample: {visible} units take numbers, not bits drawn from them"
            )));
        }
        let size = self.hidden.unwrap_or(defaults::hidden(&visible, examples));
        let most = MOST_ELEMENTS / columns.max(1);
        if size > most {
            return Err(Failure::usage(format!(
                "--hidden {size}: expected at most {most} units beside {columns} visible ones"
            )));
        }
        let kinds = self.hidden_units.as_deref().unwrap_or("bernoulli");
        let hidden = Units::parse(kinds, size).map_err(refused("--hidden-units"))?;
        let batch_size = self.shared.learning.batch_size;
        let length = Length::new(examples, batch_size, source.are_epochs_said);
        let facts = RbmFacts {
            visible: &visible,
            hidden: &hidden,
            has_labels: self.labels,
            classifies: objective != Objective::Generative,
            is_uncentered: self.shape.is_uncentered(),
            is_method_said: self.negative.method.is_some(),
        };
        let mut options = defaults::rbm(facts, length, self.preset.unwrap_or_default());
        options.missing = self.shared.data.reading.missing.unwrap_or_default();
        if options.missing == Missing::Absent {
            // Chains of the examples' own machines start from them.
            options.negative = Negative::ContrastiveDivergence {
                steps: options.negative.steps().unwrap_or(1),
                reconstruction: Reconstruction::Sampled,
            };
        }
        let reconstruction = self.reconstruction.reconstruction;
        options.negative = self
            .negative
            .negative("", options.negative, reconstruction)?;
        if options.negative == Negative::PseudoLikelihood {
            return Err(Failure::usage(
                "--method pseudo-likelihood is for machines without hidden units",
            )
            .hint("name the kind of machine: `harmonium train boltzmann`"));
        }
        options.steps = self.negative.schedule();
        options.objective = objective;
        options.variance_rate = self.units.variance_rate.unwrap_or(options.variance_rate);
        options.centering = self.shape.centering(options.centering)?;
        options.sparsity = self.shape.sparsity()?;
        if let (true, Some(rule)) = (visible.have(Kind::Counts), self.shared.learning.optimizer) {
            options.learning.learning_rate = defaults::rate_of_counts(rule);
        }
        self.shared.apply(&mut options.learning, self.epochs);
        options.learning.resample_data = self.resample.resample;
        options.check()?;
        check_chains(options.negative, columns.max(size))?;
        Ok(Plan::Rbm(RbmPlan {
            visible: visible.and(Kind::Softmax, classes),
            hidden,
            options,
        }))
    }

    fn options_of(&self, flag: &str) -> Vec<String> {
        match flag {
            "generative-weight" => vec!["objective.generative_weight".into()],
            _ => of_stage("", flag),
        }
    }

    fn describe(&self, plan: &Plan, data: &Data) -> String {
        let learning = plan.learning();
        let method = match plan {
            Plan::Rbm(plan) => describe_rbm(&plan.options),
            _ => String::new(),
        };
        format!(
            "{method}, batches of {}, learning rate {}, {} epochs{}",
            learning.batch_size,
            learning.learning_rate,
            learning.epochs,
            empty(data)
        )
    }

    fn table(&self) -> Table {
        TABLE
    }

    fn figures(&self, run: RunRef<'_>, watch: &Watch) -> Outcome<Vec<Option<f64>>> {
        let RunRef::Rbm(run) = run else {
            return Ok(vec![None; 4]);
        };
        let (rbm, position) = (&run.result(), run.position());
        let (seconds, updates) = watch.since;
        let done = updates as f64 / position.batches as f64;
        let speed = run.connection_updates_per_epoch() as f64 * done / seconds / 1e9;
        // The same units of the same examples each time: the curve shows the machine and not the
        // choice.
        let is_whole = watch.train.observed().is_none();
        let is_discrete = has_pseudo_likelihood(rbm) && is_whole;
        let pseudo_likelihood = is_discrete
            .then(|| stochastic_pseudo_likelihood(rbm.as_ref(), &watch.many, run.learning().seed));
        let held_out = watch.validation.as_ref().filter(|_| is_whole);
        let held_out = held_out.map(|x| x.head(Watch::FEW));
        let error = is_whole.then(|| reconstruction_error(rbm, &watch.train));
        // A free energy of counts grows with the length of the row.
        let held_out = held_out.filter(|_| !rbm.visible().are_counts());
        let gap = held_out.map(|x| free_energy_gap(rbm, &watch.train, &x));
        Ok(vec![
            Some(speed),
            error.transpose()?,
            pseudo_likelihood.transpose()?,
            gap.transpose()?,
        ])
    }

    fn criterion(
        &self,
        asked: Option<CriterionArg>,
        plan: &Plan,
        model: &Model,
    ) -> Outcome<CriterionArg> {
        let hint = "choose reconstruction-error or free-energy-gap";
        let rbm = model.rbm()?;
        let is_generative =
            matches!(plan, Plan::Rbm(x) if x.options.objective == Objective::Generative);
        match asked {
            Some(by @ CriterionArg::PseudoLikelihood) if !has_pseudo_likelihood(rbm) => {
                Err(refused(by, "expected bernoulli, spin or softmax visible units").hint(hint))
            }
            Some(by @ CriterionArg::FreeEnergyGap(_)) if rbm.visible().are_counts() => {
                let why = "free energies of counts grow with the length of the row";
                Err(refused(by, why).hint("choose reconstruction-error or likelihood"))
            }
            Some(by @ CriterionArg::Error) if !self.labels || rbm.label_group().is_none() => {
                Err(refused(by, "expected a machine with --labels").hint(hint))
            }
            Some(by) => Ok(by),
            // What discriminates need not be likely.
            None if is_generative && likelihood::is_small(rbm, CHEAP_UNITS) => {
                Ok(CriterionArg::Likelihood)
            }
            None if rbm.is_bernoulli() => Ok(CriterionArg::PseudoLikelihood),
            None => Ok(CriterionArg::ReconstructionError),
        }
    }

    fn score(&self, by: CriterionArg, run: RunRef<'_>, watch: &Watch) -> Outcome<f64> {
        let held_out = watch.held_out()?;
        let (model, seed) = (run.result()?, run.running().learning().seed);
        let rbm = model.rbm()?;
        Ok(match by {
            CriterionArg::PseudoLikelihood => stochastic_pseudo_likelihood(rbm, held_out, seed)?,
            CriterionArg::ReconstructionError => -reconstruction_error(rbm, held_out)?,
            CriterionArg::FreeEnergyGap(_) => -free_energy_gap(rbm, &watch.many, held_out)?,
            CriterionArg::Likelihood => log_likelihood(rbm, &watch.many, held_out, seed)?,
            CriterionArg::Error => {
                let first = rbm.label_group().map_or(rbm.n_visible(), |x| x.first);
                let log_p = rbm.log_p_y_from_v(&held_out.first_columns(first))?;
                -super::network::wrong(&log_p, held_out).unwrap_or(1.0)
            }
        })
    }

    fn draw(&self, finished: &Finished<'_>) -> Outcome<()> {
        let rbm = finished.model.rbm()?;
        let position = finished.run.running().position();
        let title = format!("{}, {} epochs", finished.title, position.epoch);
        let (path, encoding) = (&finished.files.filters, &finished.data.encoding);
        pictures::filters(path, &title, rbm, encoding)?;
        fantasies::draw(finished, &title)
    }

    fn more(&self, finished: &Finished<'_>) -> Outcome<Figures> {
        let (rbm, data) = (finished.model.rbm()?, finished.data);
        let drawn = likelihood::drawn(rbm.visible(), data, finished.seed());
        let drawn = drawn.filter(|_| rbm.is_bernoulli());
        let (examples, split) = likelihood::part(drawn.as_ref().unwrap_or(data), Split::Test);
        let mut figures = Figures::default();
        if examples.observed().is_some() {
            return Ok(figures);
        }
        if has_pseudo_likelihood(rbm) {
            let some = examples.head(PSEUDO_LIKELIHOOD_EXAMPLES);
            let pseudo = pseudo_likelihood(rbm, &some)?;
            let of = format!("of {} {} examples", some.len(), split.name());
            figures.nats("pseudo_likelihood", "pseudo-likelihood", pseudo, of);
        }
        let error = reconstruction_error(rbm, examples)?;
        let of_mean = mean_square(&data.train.mean(), examples);
        figures.put("reconstruction_error", error).row(
            "reconstruction error",
            format!("{error:.4}"),
            format!("mean square a unit; {of_mean:.4} by the mean of the training examples"),
        );
        if error > of_mean {
            figures.warnings(&["the machine reconstructs examples worse than their mean does"]);
        }
        Ok(figures)
    }

    fn told(&self, finished: &Finished<'_>) -> Told {
        let (AnyRun::Rbm(run), Ok(rbm)) = (finished.run, finished.model.rbm()) else {
            return Told::new();
        };
        let position = run.position();
        vec![
            ("epochs", json!(position.epoch)),
            ("updates", json!(position.updates)),
            ("gcu_per_second", json!(speed(run, finished.seconds))),
            ("n_visible", json!(rbm.n_visible())),
            ("n_hidden", json!(rbm.n_hidden())),
            ("options", report::options(run.options())),
        ]
    }
}

/// Mean square of the differences of examples from `mean`, a unit.
fn mean_square(mean: &[f64], examples: &Examples) -> f64 {
    let (x, mut row) = (examples.input(), vec![0.0; mean.len()]);
    let squares = (0..examples.len()).map(|i| -> f64 {
        x.copy_row_to(i, &mut row);
        let units = row.iter().zip(mean);
        units.map(|(&x, m)| (f64::from(x) - m).powi(2)).sum()
    });
    Rows::from(examples).mean(squares).0 / mean.len().max(1) as f64
}

/// How many rows of counts are empty, if some are.
fn empty(data: &Data) -> String {
    if !data.encoding.units().have(Kind::Counts) {
        return String::new();
    }
    let (x, n) = (data.train.input(), data.train.len());
    let is_empty = |i: &usize| (0..x.columns()).all(|j| x.get(*i, j) == 0.0);
    match (0..n).filter(is_empty).count() {
        0 => String::new(),
        empty => format!("; {empty} of {n} rows have no counts and teach nothing"),
    }
}

/// Whether visible units have a conditional each.
fn has_pseudo_likelihood(rbm: &Rbm) -> bool {
    rbm.visible().states().is_some()
}

/// Connection updates a second of all epochs, 10^9; what a file claims to have been done beyond
/// them counts for nothing.
fn speed(run: &RbmTraining, seconds: f64) -> f64 {
    let epochs = run.learning().epochs.min(run.position().epoch);
    let done = (0..epochs)
        .map(|epoch| run.connection_updates_in_epoch(epoch))
        .fold(0, u64::saturating_add);
    done as f64 / seconds / 1e9
}

/// Mean over `held_out`, whose gray values are drawn once; `ln Z` exact, or by annealing from the
/// base rate of `train`.
fn log_likelihood(rbm: &Rbm, train: &Examples, held_out: &Examples, seed: u64) -> Outcome<f64> {
    let drawn;
    let held_out = if rbm.is_bernoulli() && held_out.bits().is_none() {
        drawn = held_out.clone().binarized(Binarization::Sampled, seed, 0);
        &drawn
    } else {
        held_out
    };
    if likelihood::is_small(rbm, EXACT_UNITS_BY_REQUEST) {
        return Ok(rbm.exact_mean_log_likelihood(held_out, &mut ())?.mean);
    }
    if rbm.visible().are_counts() {
        let how = Measure {
            any_units: true,
            enumerated_units: None,
            reverse: false,
            chains: DEFAULT_CHAINS,
            betas: Betas::Linear(DEFAULT_BETAS),
            seed,
            ..Measure::default()
        };
        let found = how.rbm(rbm, train, held_out, &mut ())?;
        return Ok(found.likelihood.map_or(f64::NAN, |x| x.mean));
    }
    let ais = Ais {
        chains: DEFAULT_CHAINS,
        betas: Betas::Linear(DEFAULT_BETAS),
        base: Base::rate_of(rbm, train)?,
        seed,
    };
    let log_z = ais.log_z(rbm, &mut ())?.estimate;
    Ok(rbm.mean_log_likelihood(held_out, log_z)?)
}
