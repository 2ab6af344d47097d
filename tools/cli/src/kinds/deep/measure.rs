//! How well a deep belief network classifies, and the variational lower bound of its likelihood.

use crate::{
    args::Split,
    commands::classify::Classification,
    failure::{Outcome, note},
    run::annealed,
    run::interrupt::Interrupt,
    run::likelihood::{self, DEFAULT_BURN_IN, DEFAULT_CHAINS, is_of},
    show::progress::Stages,
};
use harmonium::{
    Examples, Input,
    evaluate::{Ais, Base, Betas, Bound, BoundEstimate, Bracket, ReverseStart},
    kernel::reduce::mean_and_standard_error,
    model::Dbn,
};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

/// Top pairs whose smaller layer is at most this large have an enumerated `ln Z`.
const EXACT_UNITS: usize = 25;
/// Training examples whose features are the base rate of annealing, and from which chains start.
const FEATURES: usize = 10_000;

/// What is known of `ln Z` of the top pair.
enum TopLogZ {
    Exact(f64),
    Annealed(Box<Bracket>, Ais),
}

/// The bound, and the likelihood where it is known.
pub struct LowerBound {
    estimate: BoundEstimate,
    samples: usize,
    log_z: TopLogZ,
    /// Exact mean of the likelihood and its standard error, and that of the bound.
    exact: Option<[(f64, f64); 2]>,
}

impl LowerBound {
    /// Of binary `examples` (of any, where the visible units take any); nothing, and a note, where
    /// `ln Z` of the top pair is out of reach. With chains and temperatures of their own if
    /// `annealing` has them.
    ///
    /// # Errors
    /// Those of the library; an interrupt.
    pub fn measure(
        dbn: &Dbn,
        train: &Examples,
        examples: &Examples,
        samples: usize,
        annealing: Option<(usize, Betas)>,
        seed: u64,
        interrupt: &Interrupt,
    ) -> Outcome<Option<Self>> {
        let top = dbn.top();
        let log_z = if annealing.is_none() && likelihood::is_small(top, EXACT_UNITS) {
            TopLogZ::Exact(top.log_z(&mut ())?)
        } else if let Some(missing) = not_annealed(dbn, train) {
            note(format!("no lower bound: {missing}"));
            return Ok(None);
        } else {
            let (chains, betas) = annealing.unwrap_or((DEFAULT_CHAINS, Betas::SalakhutdinovMurray));
            let (bracket, ais) = anneal_top(dbn, train, chains, betas, seed, interrupt)?;
            TopLogZ::Annealed(Box::new(bracket), ais)
        };
        let bound = Bound { samples, seed };
        Ok(Some(Self {
            estimate: bound.measure(dbn, examples, None, &mut ())?,
            samples,
            log_z,
            exact: None,
        }))
    }

    /// Of a tiny network, everything enumerated.
    ///
    /// # Errors
    /// Those of the library: layers that are too large.
    pub fn exact(dbn: &Dbn, v: Input<'_>, seed: u64) -> Outcome<Self> {
        let of = |x: Vec<f64>| mean_and_standard_error(x);
        let likelihood = of(dbn.exact_log_p_v(v, None, &mut ())?);
        let bound = of(dbn.exact_bound(v, None, &mut ())?);
        let samples = 1;
        Ok(Self {
            estimate: Bound { samples, seed }.measure(dbn, v, None, &mut ())?,
            samples,
            log_z: TopLogZ::Exact(dbn.top().log_z(&mut ())?),
            exact: Some([likelihood, bound]),
        })
    }

    /// Worst, estimate, best; and the standard error over the examples.
    fn ends(&self) -> ([f64; 3], f64) {
        if let Some([_, (bound, error)]) = self.exact {
            return ([bound; 3], error);
        }
        match &self.log_z {
            TopLogZ::Exact(z) => {
                let (mean, error) = self.estimate.mean(*z);
                ([mean; 3], error)
            }
            TopLogZ::Annealed(bracket, _) => {
                let error = self.estimate.mean(bracket.bennett.estimate).1;
                (self.estimate.bracket(bracket), error)
            }
        }
    }

    fn put(&self, map: &mut Map<String, Value>) {
        let ([low, mean, high], error) = self.ends();
        let mut put = |key: &str, value: Value| map.insert(key.into(), value);
        if let Some([(likelihood, error), _]) = self.exact {
            put("mean_log_likelihood", json!(likelihood));
            put("standard_error", json!(error));
        } else {
            put("bound_samples", json!(self.samples));
        }
        put("log_likelihood_of", json!(is_of(false)));
        put("lower_bound", json!(mean));
        put("lower_bound_low", json!(low));
        put("lower_bound_high", json!(high));
        put("lower_bound_error", json!(error));
        match &self.log_z {
            TopLogZ::Exact(z) => {
                put("method", json!("exact"));
                for key in ["log_z", "log_z_low", "log_z_high"] {
                    put(key, json!(z));
                }
            }
            TopLogZ::Annealed(bracket, ais) => {
                let warnings: Vec<String> =
                    bracket.warnings().iter().map(ToString::to_string).collect();
                put("method", json!("ais"));
                put("log_z", json!(bracket.bennett.estimate));
                put("log_z_low", json!(bracket.low()));
                put("log_z_high", json!(bracket.high()));
                put("log_z_forward", json!(bracket.forward.estimate));
                put("log_z_reverse", json!(bracket.reverse.estimate));
                put("log_z_bar", json!(bracket.bennett.estimate));
                put("chains", json!(ais.chains));
                put("betas", json!(ais.betas.steps()));
                put("warnings", json!(warnings));
            }
        }
    }

    fn rows(&self, split: Split) -> Vec<[String; 3]> {
        let ([low, mean, high], error) = self.ends();
        let mut rows = Vec::new();
        let nats = |x: f64| format!("{x:.2} nats");
        if let Some([(likelihood, error), _]) = self.exact {
            rows.push([
                format!("{} log-likelihood", split.name()),
                nats(likelihood),
                format!("of {}, exact, standard error {error:.2}", is_of(false)),
            ]);
        }
        let interval = match &self.log_z {
            TopLogZ::Exact(_) => format!("of {}, exact ln Z", is_of(false)),
            TopLogZ::Annealed(..) => format!("of {}, interval {low:.2} .. {high:.2}", is_of(false)),
        };
        rows.push([
            "lower bound".into(),
            nats(mean),
            format!("{interval}, standard error over the examples {error:.2}"),
        ]);
        match &self.log_z {
            TopLogZ::Exact(z) => {
                rows.push(["ln Z of the top".into(), nats(*z), "by enumeration".into()])
            }
            TopLogZ::Annealed(bracket, _) => {
                rows.push([
                    "ln Z of the top".into(),
                    nats(bracket.bennett.estimate),
                    format!(
                        "Bennett; AIS {:.2}, in reverse {:.2}, bracket {:.2} .. {:.2}",
                        bracket.forward.estimate,
                        bracket.reverse.estimate,
                        bracket.low(),
                        bracket.high()
                    ),
                ]);
                let warnings = bracket.warnings();
                rows.extend(
                    warnings
                        .iter()
                        .map(|w| ["warning".into(), w.to_string(), String::new()]),
                );
            }
        }
        rows
    }
}

/// Why the top pair cannot be annealed from the training examples, if so.
fn not_annealed(dbn: &Dbn, train: &Examples) -> Option<String> {
    let top = dbn.top();
    if !top.visible().units.are_binary() || !top.hidden().units.are_binary() {
        let (visible, hidden) = (&top.visible().units, &top.hidden().units);
        return Some(format!(
            "ln Z of a top pair of {visible}, {hidden} is out of reach"
        ));
    }
    if dbn.label_group().is_some() && train.labels().is_none() {
        return Some("ln Z of a top pair with labels wants training examples with labels".into());
    }
    None
}

/// Annealing of the top pair both ways, from the base rate of the features of training examples,
/// labels beside them.
fn anneal_top(
    dbn: &Dbn,
    train: &Examples,
    chains: usize,
    betas: Betas,
    seed: u64,
    interrupt: &Interrupt,
) -> Outcome<(Bracket, Ais)> {
    let some = train.head(FEATURES);
    let mut features = some.with_states(dbn.sample_features(&some, seed, 0)?)?;
    if let Some(group) = dbn.label_group() {
        features = features.with_label_units(group.size)?;
    }
    let top = dbn.top();
    let ais = Ais {
        chains,
        betas,
        base: Base::rate_of(&features)?,
        seed,
    };
    let ais = annealed::with_ladder(&ais, top)?;
    let start = ReverseStart::suited_to(top, &features, chains, DEFAULT_BURN_IN, seed)?;
    let mut bar = Stages::new();
    let bracket = annealed::both_ways(&ais, top, &start, &mut |stage, done, all| {
        bar.set(stage, done, all);
        match interrupt.asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    bar.clear();
    Ok((bracket?, ais))
}

/// All that is measured of a network.
pub struct Measures {
    /// Examples.
    pub count: usize,
    /// The part of the data that they are.
    pub split: Split,
    /// Of all draws.
    pub seed: u64,
    /// With labels.
    pub classes: Option<Classification>,
    /// Where it can be had.
    pub bound: Option<LowerBound>,
}

impl Measures {
    /// As `evaluate --json` and `train --json` print it.
    pub fn json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("count".into(), json!(self.count));
        map.insert("split".into(), json!(self.split.name()));
        map.insert("seed".into(), json!(self.seed));
        if let Some(classes) = &self.classes {
            map.extend(classes.json());
        }
        if let Some(bound) = &self.bound {
            bound.put(&mut map);
        }
        map
    }

    /// The rows of a table.
    pub fn rows(&self) -> Vec<[String; 3]> {
        let mut rows = Vec::new();
        rows.extend(self.classes.iter().flat_map(Classification::rows));
        rows.extend(self.bound.iter().flat_map(|bound| bound.rows(self.split)));
        rows
    }
}
