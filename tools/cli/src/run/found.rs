//! All that is measured of a machine on data, at the end of training and by `evaluate`.

use super::{
    classification::Classification, data::Data, interrupt::Interrupt, likelihood, machine::Machine,
};
use crate::{
    args::Split,
    failure::{Failure, Outcome, note},
    show::{figures::Figures, measures, progress::Stages},
};
use harmonium::{
    Error, Model,
    evaluate::independent_log_likelihood,
    recipe::{Measure, Measures},
};
use std::ops::ControlFlow;

/// What to do about a machine that `--exact` is not for.
const TOO_LARGE: &str =
    "--exact is for machines with a layer of at most 30 units; leave it out for AIS";

/// What speaks against a machine that independent units beat.
const NOTHING_LEARNED: &str = "the machine is no better than independent units: it has not learned how values go together; more updates, another rate or other hidden units help";

/// What was measured.
pub struct Found {
    /// Examples; 0 without data.
    pub count: usize,
    /// The part of the data.
    pub split: Split,
    /// With labels.
    pub classes: Option<Classification>,
    /// Where `ln Z` can be had.
    pub measures: Option<Measures>,
    /// Of every draw.
    seed: u64,
    /// What speaks against `measures`.
    pub missing: Option<String>,
    /// What the log-densities of standardized values are larger by than those of the data.
    log_jacobian: Option<f64>,
    /// The mean log-likelihood of independent units, where there is that of the machine.
    independent: Option<f64>,
    /// What was read.
    read: Option<String>,
}

impl Found {
    /// Measures `model` on `split` of the data, if there are any. Classes are found from the data
    /// as they are; for the likelihood of a machine of bits gray values are drawn as bits, by
    /// `binarization`.
    ///
    /// # Errors
    /// Those of the library; a label that is no class; an interrupt.
    pub fn measure(
        (machine, model): (&dyn Machine, &Model),
        data: Option<&Data>,
        split: Split,
        how: &Measure,
        binarization: u64,
        interrupt: Option<&Interrupt>,
    ) -> Outcome<Self> {
        let mut found = Self {
            count: 0,
            split,
            classes: None,
            measures: None,
            seed: how.seed,
            missing: None,
            log_jacobian: None,
            independent: None,
            read: data.map(Data::told),
        };
        let mut drawn = None;
        if let Some(data) = data {
            let (examples, split) = likelihood::examples(data, split);
            found.split = split;
            found.count = examples.len();
            found.classes = Classification::measure(machine, examples, split)?;
            drawn = likelihood::drawn(machine.layers()[0], data, binarization);
        }
        if drawn.is_some() {
            note("gray values are drawn once as bits (--binarize sample)");
        }
        let data = drawn.as_ref().or(data);
        let train = data.map(|data| &data.train);
        let examples = data.map(|data| likelihood::part(data, found.split).0);
        let both = train.zip(examples);
        found.missing = both.and_then(|(train, x)| how.out_of_reach(model, train, x));
        if found.missing.is_some() {
            return Ok(found);
        }
        let mut bar = Stages::new();
        let measured = how.run(model, train, examples, &mut |done: usize, all: usize| {
            bar.set("measuring", done, all);
            match interrupt.is_some_and(Interrupt::asked) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        bar.clear();
        let mut measures = measured.map_err(|error| {
            let units = machine.layers().iter().all(|x| x.units.are_binary());
            let too_large = how.exact && units && matches!(error, Error::Parameter { .. });
            match (error, too_large) {
                (Error::Stopped, _) => Failure::failed("interrupted while measuring"),
                (error, true) => Failure::from(error).hint(TOO_LARGE),
                (error, false) => error.into(),
            }
        })?;
        if let (Some(train), Some(examples), Some(_)) = (train, examples, measures.likelihood) {
            let units = &machine.layers()[0].units;
            let measured = examples.head(measures.count);
            found.independent = independent_log_likelihood(units, train, &measured)?;
        }
        let has_labels = machine.labels().is_ok_and(|x| x.1.is_some());
        measures.with_label &= has_labels;
        if let (Some(data), Some(examples)) =
            (data.filter(|x| x.encoding.is_standardized()), examples)
        {
            let measured = examples.head(measures.count);
            let log_jacobian = data.encoding.mean_log_jacobian(&measured);
            measures.less(log_jacobian);
            found.independent = found.independent.map(|x| x - log_jacobian);
            found.log_jacobian = Some(log_jacobian);
        }
        found.measures = Some(measures);
        Ok(found)
    }

    /// What reports tell, without the confusion table.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        if let Some(measures) = &self.measures {
            figures.extend(measures::figures(measures, self.split));
        } else {
            figures
                .put("count", self.count)
                .put("split", self.split.name());
        }
        if let Some(read) = &self.read {
            figures.put("read", read.clone());
        }
        if let (Some(independent), Some(measures)) = (self.independent, &self.measures) {
            let remark = "a machine without connections, of the same examples";
            figures.nats(
                "independent_log_likelihood",
                "independent",
                independent,
                remark,
            );
            if measures.likelihood.is_some_and(|x| x.high <= independent) {
                figures.warnings(&[NOTHING_LEARNED]);
            }
        }
        if let Some(log_jacobian) = self.log_jacobian {
            figures.nats(
                "log_jacobian",
                "density",
                log_jacobian,
                "less than of standardized values: it is that of the data as they are",
            );
        }
        if self.measures.as_ref().is_none_or(|x| x.bound.is_some()) {
            figures.put("seed", self.seed);
        }
        figures
    }
}
