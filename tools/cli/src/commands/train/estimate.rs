//! `--dry-run`: what a run will take, from a few of its updates; nothing is written.

use super::begun::Begun;
use crate::{failure::Outcome, run::interrupt::Interrupt, show::figures::Figures};
use harmonium::{
    checkpoint::Checkpoint,
    recipe::{AnyEvent, StageName},
    train::Feed,
};
use serde_json::json;
use std::{
    fs,
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Updates are timed for so long, and at least so many of them after the first, which also makes
/// what later ones find.
const WHILE: Duration = Duration::from_secs(2);
const LEAST: usize = 3;

/// Makes updates of the first stage and tells what the whole run takes.
///
/// # Errors
/// Those of the run.
pub fn tell(begun: &mut Begun, json: bool, title: &str, interrupt: &Interrupt) -> Outcome<()> {
    let stages = begun.plan.stages();
    let batches = begun.run.running().position().batches as f64;
    let first = begun.run.running().name();
    let (seconds, updates) = timed(begun, interrupt)?;
    let per_update = seconds / updates.max(1) as f64;
    let mut figures = Figures::default();
    let mut total = 0.0;
    let (measured, others): (Vec<&StageName>, Vec<&StageName>) =
        stages.iter().partition(|stage| stage.name == first);
    for stage in measured {
        let of_stage = per_update * batches * stage.epochs as f64;
        total += of_stage;
        figures.row(
            &format!("time of {}", stage.name),
            told(of_stage),
            format!(
                "{} epochs of {batches} updates, from {updates} updates of {:.2} ms",
                stage.epochs,
                1e3 * per_update
            ),
        );
    }
    for stage in &others {
        let told = format!(
            "{} epochs; not measured, it starts from the stage before",
            stage.epochs
        );
        figures.row(&format!("time of {}", stage.name), "unknown", told);
    }
    let unmeasured: Vec<&str> = others.iter().map(|stage| &*stage.name).collect();
    let tensors = Checkpoint::from(begun.run.result()?).tensors();
    let of_each = tensors
        .iter()
        .map(|(_, x)| x.shape.iter().product::<usize>());
    let elements: usize = of_each.sum();
    let bytes = peak_memory();
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    figures.row("parameters", elements.to_string(), "");
    match bytes {
        Some(bytes) => figures.row(
            "memory",
            megabytes(bytes),
            "the most so far, with all data and some updates; pictures and measures at the end take more",
        ),
        None => figures.row("memory", "unknown", "the system does not tell"),
    }
    figures
        .put("dry_run", true)
        .put("stage", first)
        .put("seconds_per_update", per_update)
        .put("updates_measured", updates)
        .put("seconds", total)
        .put("stages_not_measured", json!(unmeasured))
        .put("parameters", elements)
        .put("memory_bytes", json!(bytes));
    figures.print(json, title)
}

/// Seconds of updates after the first, and their number.
fn timed(begun: &mut Begun, interrupt: &Interrupt) -> Outcome<(f64, usize)> {
    let feed = match &begun.data.stream {
        Some(stream) => Feed::from(stream),
        None => Feed::from(&begun.data.train),
    };
    let (mut started, mut updates, mut seconds) = (None, 0, 0.0);
    let _ended = begun.run.run(feed, &mut |event| {
        let AnyEvent::Update(_) = event else {
            return ControlFlow::Continue(());
        };
        let now = Instant::now();
        let start = *started.get_or_insert(now);
        if start != now {
            updates += 1;
            seconds = now.duration_since(start).as_secs_f64();
        }
        let is_enough = updates >= LEAST && now.duration_since(start) >= WHILE;
        match is_enough || interrupt.asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok((seconds, updates))
}

/// Seconds in words.
fn told(seconds: f64) -> String {
    match seconds {
        x if x < 120.0 => format!("{x:.0} s"),
        x if x < 7200.0 => format!("{:.0} min", x / 60.0),
        x if x < 172_800.0 => format!("{:.1} h", x / 3600.0),
        x => format!("{:.1} days", x / 86_400.0),
    }
}

/// The most memory that the program has had, where the system tells it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(1024 * kib)
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn times_are_told_in_units_that_suit() {
        let all = [0.4, 119.0, 120.0, 7199.0, 7200.0, 172_800.0];
        let expected = ["0 s", "119 s", "2 min", "120 min", "2.0 h", "2.0 days"];
        assert_eq!(all.map(told), expected);
    }
}
