//! What reports tell of a likelihood: a line, JSON and the rows of a table.

use super::{Annealed, Likelihood, Raised};
use crate::{args::Split, run::annealed};
use harmonium::evaluate::{DEAD_BELOW, HiddenActivity, SATURATED_ABOVE, Warning};
use serde_json::{Map, Value, json};

impl Likelihood {
    /// `exact` or `ais`.
    fn method(&self) -> &'static str {
        match self.annealed {
            None => "exact",
            Some(_) => "ais",
        }
    }

    /// What the interval is, and every warning.
    pub fn remark(&self) -> String {
        let mut text = match &self.annealed {
            None => format!("exact ln Z, standard error {:.2}", self.standard_error),
            Some(x) => {
                let chains = x.ais.chains;
                let size = x.forward.effective_sample_size;
                match &x.reverse {
                    None => format!(
                        "ln Z {:.2}, effective sample size {size:.0} of {chains}",
                        self.log_z
                    ),
                    Some((_, bracket)) => format!(
                        "ln Z {:.2} by Bennett; by forward AIS {:.2} and in reverse {:.2}, effective sample sizes {size:.0} and {:.0} of {chains}",
                        self.log_z,
                        self.mean + (self.log_z - bracket.forward.estimate),
                        self.mean + (self.log_z - bracket.reverse.estimate),
                        bracket.reverse.effective_sample_size
                    ),
                }
            }
        };
        for warning in self.annealed.iter().flat_map(Annealed::warnings) {
            text.push_str(&format!("; {warning}"));
        }
        text
    }

    /// As `evaluate --json` and `train --json` print it.
    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.into(), value);
        put("log_z", json!(self.log_z));
        put("log_z_low", json!(self.interval.0));
        put("log_z_high", json!(self.interval.1));
        put("method", json!(self.method()));
        put("mean_log_likelihood", json!(self.mean));
        put("log_likelihood_of", json!(self.of));
        put("standard_error", json!(self.standard_error));
        put("count", json!(self.count));
        put("split", json!(self.split.name()));
        if let Some(activity) = &self.activity {
            put("dead_hidden_units", json!(activity.dead(DEAD_BELOW)));
            let saturated = activity.saturated(SATURATED_ABOVE);
            put("saturated_hidden_units", json!(saturated));
        }
        let Some(annealed) = &self.annealed else {
            return map;
        };
        let warnings = annealed.warnings();
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        put("warnings", json!(warnings));
        put("chains", json!(annealed.ais.chains));
        put("betas", json!(annealed.ais.betas.steps()));
        put("seed", json!(annealed.ais.seed));
        let forward = &annealed.forward;
        put(
            "effective_sample_size",
            json!(forward.effective_sample_size),
        );
        if let Some((start, bracket)) = &annealed.reverse {
            map.extend(annealed::json(start, bracket));
        }
        let mut put = |key: &str, value: Value| map.insert(key.into(), value);
        if let Some(Raised { raise, chains, gap }) = &annealed.raise {
            let (mean, error) = raise.mean();
            put("raise_mean_log_likelihood", json!(mean));
            put("raise_standard_error", json!(error));
            put("raise_gap", json!(gap.0));
            put("raise_gap_error", json!(gap.1));
            put("raise_count", json!(raise.log_likelihoods.len()));
            put("raise_chains", json!(chains));
        }
        map
    }

    /// The rows of a table.
    pub fn rows(&self) -> Vec<[String; 3]> {
        let (low, high) = self.mean_interval();
        let nats = |x: f64| format!("{x:.2} nats");
        let interval = match &self.annealed {
            None => format!("of {}, exact", self.of),
            Some(_) => format!("of {}, interval {low:.2} .. {high:.2}", self.of),
        };
        let mut rows = vec![
            [
                format!("{} log-likelihood", self.split.name()),
                nats(self.mean),
                interval,
            ],
            [
                "standard error".into(),
                nats(self.standard_error),
                format!("of the mean over {} examples and of ln Z", self.count),
            ],
        ];
        match &self.annealed {
            None => rows.push(["ln Z".into(), nats(self.log_z), "by enumeration".into()]),
            Some(annealed) => rows.extend(annealed.rows(self.split)),
        }
        let row = |activity: &HiddenActivity| {
            [
                "hidden units".into(),
                format!("{} dead", activity.dead(DEAD_BELOW)),
                format!(
                    "and {} saturated of {}: on for less than {DEAD_BELOW} or more than {SATURATED_ABOVE} of the data",
                    activity.saturated(SATURATED_ABOVE),
                    activity.mean.len()
                ),
            ]
        };
        rows.extend(self.activity.as_ref().map(row));
        if let Some(annealed) = &self.annealed {
            let warnings = annealed.warnings();
            let row = |w: &Warning| ["warning".into(), w.to_string(), String::new()];
            rows.extend(warnings.iter().map(row));
        }
        rows
    }
}

impl Annealed {
    /// Rows of `ln Z` and RAISE.
    fn rows(&self, split: Split) -> Vec<[String; 3]> {
        let reverse = self.reverse.as_ref().map(|(start, both)| (start, both));
        let mut rows = annealed::rows(&self.forward, reverse);
        if let Some(Raised { raise, chains, gap }) = &self.raise {
            rows.push([
                "RAISE".into(),
                format!("{:.2} nats", raise.mean().0),
                format!(
                    "conservative, of {} {} examples, {chains} chains each; the likelihood with ln Z is {:.2} +- {:.2} more",
                    raise.log_likelihoods.len(),
                    split.name(),
                    gap.0,
                    gap.1
                ),
            ]);
        }
        rows
    }
}
