//! `--dry-run`: what a run will take, from a few of its updates; nothing is written.

use super::begun::Begun;
use crate::{
    failure::{Failure, Outcome},
    run::interrupt::Interrupt,
    show::figures::Figures,
};
use harmonium::{
    Examples,
    checkpoint::Checkpoint,
    recipe::{AnyEvent, AnyRun, Plan, StageName},
    train::Feed,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Updates are timed for so long, and at least so many of them after the first, which also makes
/// what later ones find.
const WHILE: Duration = Duration::from_secs(2);
const LEAST: usize = 3;

/// What was measured of a stage: updates after the first, and the seconds that they took.
#[derive(Clone, Copy, Default)]
struct Timed {
    updates: usize,
    seconds: f64,
    started: Option<Instant>,
}

impl Timed {
    /// An update is done now.
    fn see(&mut self) {
        let now = Instant::now();
        let Some(start) = self.started else {
            self.started = Some(now);
            return;
        };
        self.updates += 1;
        self.seconds = now.duration_since(start).as_secs_f64();
    }

    fn per_update(&self) -> f64 {
        self.seconds / self.updates.max(1) as f64
    }
}

/// Makes updates of every stage and tells what the whole run takes.
///
/// # Errors
/// Those of the run.
pub fn tell(begun: &mut Begun, json: bool, title: &str, interrupt: &Interrupt) -> Outcome<()> {
    let stages = begun.plan.stages();
    let first = begun.run.running().name();
    let of_first = timed(begun, interrupt)?;
    // What comes after starts in earnest from what the stages before have learned.
    let mut measured = match stages.len() {
        0 | 1 => BTreeMap::new(),
        _ => rehearsed(begun, &stages, interrupt)?,
    };
    measured.insert(first, of_first);
    let mut figures = Figures::default();
    let (mut total, mut told_stages) = (0.0, Vec::new());
    for stage in &stages {
        let batches = begun.data.examples().div_ceil(stage.batch_size);
        let found = measured.get(&stage.name).copied().unwrap_or_default();
        let seconds = found.per_update() * batches as f64 * stage.epochs as f64;
        total += seconds;
        told_stages.push(json!({
            "name": stage.name,
            "epochs": stage.epochs,
            "seconds": seconds,
            "seconds_per_update": found.per_update(),
            "updates_measured": found.updates,
        }));
        figures.row(
            &format!("time of {}", stage.name),
            told(seconds),
            format!(
                "{} epochs of {batches} updates, from {} updates of {:.2} ms",
                stage.epochs,
                found.updates,
                1e3 * found.per_update()
            ),
        );
    }
    if stages.len() > 1 {
        let rest =
            "stages after the first on a few examples, from a machine that has hardly learned";
        figures.row("time of all", told(total), rest);
    }
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
        .put("seconds", total)
        .put("stages", json!(told_stages))
        .put("parameters", elements)
        .put("memory_bytes", json!(bytes));
    figures.print(json, title)
}

/// Updates of the first stage on all data.
fn timed(begun: &mut Begun, interrupt: &Interrupt) -> Outcome<Timed> {
    let feed = match &begun.data.stream {
        Some(stream) => Feed::from(stream),
        None => Feed::from(&begun.data.train),
    };
    let mut timed = Timed::default();
    let _ended = begun.run.run(feed, &mut |event| {
        let AnyEvent::Update(_) = event else {
            return ControlFlow::Continue(());
        };
        timed.see();
        let is_enough = timed.updates >= LEAST && timed.seconds >= WHILE.as_secs_f64();
        match is_enough || interrupt.asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok(timed)
}

/// Updates of every stage, each to its end, on a few examples.
fn rehearsed(
    begun: &Begun,
    stages: &[StageName],
    interrupt: &Interrupt,
) -> Outcome<BTreeMap<String, Timed>> {
    let largest = stages.iter().map(|stage| stage.batch_size).max();
    let few = begun.data.train.head((LEAST + 1) * largest.unwrap_or(1));
    let batches = stages.iter().map(|x| few.len().div_ceil(x.batch_size));
    let epochs = (LEAST + 1).div_ceil(batches.min().unwrap_or(1));
    let plan = begun.plan.clone().with_epochs_of_each(epochs);
    let mut measured: BTreeMap<String, Timed> = BTreeMap::new();
    let mut learn = |run: &mut AnyRun, data: &Examples| -> Outcome<()> {
        let ended = run.run(data, &mut |event| {
            if let AnyEvent::Update(run) = event {
                measured.entry(run.running().name()).or_default().see();
            }
            match interrupt.asked() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        match ended.is_finished() {
            true => Ok(()),
            false => Err(Failure::failed("the dry run was interrupted")),
        }
    };
    let mut run = plan.start(&few, None)?;
    learn(&mut run, &few)?;
    while let Some(next) = plan.next(&run, &few, None)? {
        run = next;
        learn(&mut run, &few)?;
    }
    if plan.fine_tune().is_some() {
        let machine = run.result()?;
        let seen = Plan::seen_by_network(&machine, &few)?;
        learn(&mut plan.network(&machine, &seen)?, &seen)?;
    }
    Ok(measured)
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
