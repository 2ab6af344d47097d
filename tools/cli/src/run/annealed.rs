//! `ln Z` of an RBM, or of a machine that is one in another form, by annealing both ways: the run,
//! and what reports tell of it.

use crate::failure::Outcome;
use harmonium::{
    Rbm,
    evaluate::{Ais, Betas, Bracket, LogZ, ReverseStart},
};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

/// Called with the stage of the work, and its steps done and all; stops if it breaks.
pub type Progress<'a> = dyn FnMut(&'static str, usize, usize) -> ControlFlow<()> + 'a;

/// The same annealing with its temperatures settled, so that they are the same every way.
///
/// # Errors
/// Those of the library.
pub fn with_ladder(ais: &Ais, rbm: &Rbm) -> Outcome<Ais> {
    Ok(Ais {
        betas: Betas::Given(ais.ladder(rbm)?),
        ..ais.clone()
    })
}

/// One stage of `progress`, for the library.
pub fn stage<'a>(
    progress: &'a mut Progress<'_>,
    name: &'static str,
) -> impl FnMut(usize, usize) -> ControlFlow<()> + 'a {
    move |done, all| progress(name, done, all)
}

/// Forward, then back.
///
/// # Errors
/// Those of the library: stopped if `progress` breaks.
pub fn both_ways(
    ais: &Ais,
    rbm: &Rbm,
    start: &ReverseStart,
    progress: &mut Progress<'_>,
) -> Outcome<Bracket> {
    let forward = ais.log_z(rbm, &mut stage(progress, "annealing"))?;
    back(ais, rbm, start, forward, progress)
}

/// Back, after `forward`.
///
/// # Errors
/// As [`both_ways`].
pub fn back(
    ais: &Ais,
    rbm: &Rbm,
    start: &ReverseStart,
    forward: LogZ,
    progress: &mut Progress<'_>,
) -> Outcome<Bracket> {
    let reverse = ais.reverse_log_z(rbm, start, &mut stage(progress, "annealing back"))?;
    Ok(Bracket::new(forward, reverse))
}

/// As in JSON, what the reverse direction adds.
pub fn json(start: &ReverseStart, bracket: &Bracket) -> Map<String, Value> {
    let Bracket {
        forward,
        reverse,
        bennett,
        ..
    } = bracket;
    let name = match start {
        ReverseStart::Exact => "exact",
        ReverseStart::Gibbs { .. } => "gibbs",
        ReverseStart::Annealed { .. } => "annealed",
    };
    let size = reverse.effective_sample_size;
    [
        ("log_z_forward", json!(forward.estimate)),
        ("log_z_forward_error", json!(forward.standard_error)),
        ("log_z_reverse", json!(reverse.estimate)),
        ("log_z_reverse_error", json!(reverse.standard_error)),
        ("log_z_bar", json!(bennett.estimate)),
        ("log_z_bar_error", json!(bennett.standard_error)),
        ("log_z_overlap", json!(bennett.overlap)),
        ("reverse_effective_sample_size", json!(size)),
        ("reverse_start", json!(name)),
        ("burn_in", json!(start.burn_in())),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// The rows of a table: forward, and what the reverse direction adds.
pub fn rows(forward: &LogZ, reverse: Option<(&ReverseStart, &Bracket)>) -> Vec<[String; 3]> {
    let nats = |x: f64| format!("{x:.2} nats");
    let of = |z: &LogZ| {
        format!(
            "interval {:.2} .. {:.2}, effective sample size {:.0}",
            z.low, z.high, z.effective_sample_size
        )
    };
    let mut rows = vec![[
        "ln Z".to_owned(),
        nats(forward.estimate),
        format!("AIS, {}", of(forward)),
    ]];
    let Some((start, bracket)) = reverse else {
        return rows;
    };
    let start = match start {
        ReverseStart::Exact => "from exact draws".to_owned(),
        ReverseStart::Gibbs { burn_in, .. } => format!("from data after {burn_in} sweeps"),
        ReverseStart::Annealed { burn_in } => {
            format!("from annealed states after {burn_in} sweeps")
        }
    };
    let Bracket {
        reverse, bennett, ..
    } = bracket;
    rows.push([
        "ln Z, reverse".into(),
        nats(reverse.estimate),
        format!("{start}, {}", of(reverse)),
    ]);
    rows.push([
        "ln Z, Bennett".into(),
        nats(bennett.estimate),
        format!(
            "standard error {:.3}, overlap {:.2}",
            bennett.standard_error, bennett.overlap
        ),
    ]);
    rows.push([
        "bracket".into(),
        format!("{:.2} .. {:.2}", bracket.low(), bracket.high()),
        "of ln Z: forward low .. reverse high".into(),
    ]);
    rows
}
