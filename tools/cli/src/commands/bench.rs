//! `harmonium bench`: what this machine can do, and how near the engine comes to it.
//!
//! ```text
//! f32 FMA peak -> dense products of each provider -> activations, draws -> epochs, Gibbs sweeps
//!     |                 | the best of them                                         |
//!     +-----------------+----------------- shares of both ------------------------+
//!
//! calls on single rows, updates of small machines, sweeps over graphs: in units of their own
//! ```
//!
//! A figure is the median of several runs after a warm-up (the peak: the best run). Two figures
//! whose ratio matters are measured in turns.

mod cases;
mod ceiling;
mod graph;
mod inputs;
mod latency;
mod report;
mod size;
mod small;
mod timer;
mod timing;

use crate::{
    args::{BenchArgs, OWN_UNITS, SECTIONS},
    failure::Outcome,
};
use cases::cases;
use harmonium::{
    Error, Result,
    model::Rbm,
    product::{Provider, Route},
    simd::Isa,
    threads::{self, Pool},
};
use indicatif::ProgressBar;
use report::{Report, Row};
use size::Size;
use std::{
    fs,
    io::{self, ErrorKind, Write},
    num::NonZeroUsize,
    thread,
};
use timer::Timer;

/// Runs `harmonium bench`.
///
/// # Errors
/// [`Error::Parameter`] for an instruction set or a provider that the environment asks for and that
/// does not exist here, or if the threads cannot be had; [`Error::Io`] if the output cannot be
/// written.
pub fn run(args: &BenchArgs) -> Outcome<()> {
    let size = if args.quick { Size::QUICK } else { Size::FULL };
    let wanted = |section: &str| args.only.is_empty() || args.only.iter().any(|s| s == section);
    if let Some(directory) = &args.inputs {
        return inputs::save(&size, directory, &wanted);
    }
    let seconds = args.seconds.unwrap_or(if args.quick { 0.1 } else { 1.0 });
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = args.threads.map_or(cores, NonZeroUsize::get);
    // Threads that are on no pool share that of the process.
    threads::set(threads)?;
    let report = Report {
        cpu: cpu_model(),
        cores,
        isa: Isa::from_environment()?,
        provider: Provider::from_environment()?,
        route: Route::from_environment()?,
        threads,
        seconds,
        examples: size.examples,
        rows: measure(threads, &size, seconds, &wanted)?,
    };
    let text = if args.json {
        format!("{:#}\n", report.json())
    } else if args.csv {
        report.csv()
    } else {
        report.table()
    };
    match &args.out {
        Some(path) => fs::write(path, text).map_err(|e| Error::io(path, "write", e))?,
        None => match io::stdout().write_all(text.as_bytes()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => {
                return Err(Error::io("standard output", "write", e).into());
            }
            _ => {}
        },
    }
    Ok(())
}

/// The CPU's name as Linux tells it, else its architecture.
pub fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The wanted sections in the order of the table, beside the ceilings if any compares with them.
fn measure(
    threads: usize,
    size: &Size,
    seconds: f64,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Row>> {
    let pools = [1]
        .into_iter()
        .chain((threads > 1).then_some(threads))
        .map(|threads| Ok((threads, Pool::new(threads)?)))
        .collect::<Result<Vec<_>>>()?;
    let progress = ProgressBar::new_spinner();
    let say = |what: &str| {
        progress.set_message(what.to_owned());
        progress.tick();
    };
    let compares = SECTIONS.iter().any(|s| wanted(s) && !OWN_UNITS.contains(s));
    let (ceilings, mut rows) = match compares {
        true => ceiling::measure(threads, size, seconds, &say)?,
        false => Default::default(),
    };
    say("data");
    let data = size.data()?;
    let rbm = Rbm::bernoulli(&[size.n_visible, size.n_hidden])?.initialized_from(&data, 0)?;
    let all = cases(size, &data, &rbm).into_iter();
    for (section, measure) in all.filter(|(section, _)| wanted(section)) {
        say(section);
        let runs_on = match section {
            "kernel" | "epilogue" => 0..1,
            "graph" => 0..pools.len(),
            _ => pools.len() - 1..pools.len(),
        };
        for at in runs_on {
            let (threads, pool) = &pools[at];
            let timer = Timer {
                section,
                seconds,
                threads: *threads,
                ceiling: ceilings.get(at),
            };
            rows.extend(pool.install(|| measure(&timer))?);
        }
    }
    progress.finish_and_clear();
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_a_positive_number() {
        let rows = measure(2, &Size::TINY, 1e-3, &|_| true).unwrap();
        let own = [7, 20, 7 * 2 * 2];
        let expected = 2 + 2 * 4 * Provider::ALL.len() + 3 + 12 + 4 + 3 + 2 + 4 + 1;
        assert_eq!(rows.len(), expected + own.iter().sum::<usize>());
        for row in &rows {
            assert!(!row.name.contains([',', '"']), "{row:?}");
            assert_eq!(row.unit.is_some(), OWN_UNITS.contains(&row.section));
            assert_eq!(
                row.unit.is_some(),
                row.median.is_some() && row.spread.is_some()
            );
            // The cost of an epilogue is a difference, which noise can make negative here; runs of
            // an even time have no spread.
            if row.of_product.is_none() {
                let mut values = row.values().into_iter().flatten();
                let least = if row.unit.is_some() {
                    0.0
                } else {
                    f64::MIN_POSITIVE
                };
                assert!(values.all(|x| x.is_finite() && x >= least), "{row:?}");
                assert!(row.median.is_none_or(|x| x > 0.0), "{row:?}");
            }
        }
    }

    #[test]
    fn sections_add_up() {
        let ceilings = 1 + 4 * Provider::ALL.len();
        let counts = SECTIONS.map(|section| {
            let rows = measure(1, &Size::TINY, 1e-3, &|wanted| wanted == section).unwrap();
            let ceilings = if OWN_UNITS.contains(&section) {
                0
            } else {
                ceilings
            };
            assert!(rows[ceilings..].iter().all(|row| row.section == section));
            assert!(rows[..ceilings].iter().all(|row| row.section != section));
            rows.len() - ceilings
        });
        assert_eq!(counts, [3, 12, 4, 3, 2, 4, 1, 7, 20, 14]);
        let two = |wanted: &str| ["graph", "latency"].contains(&wanted);
        let rows = measure(1, &Size::TINY, 1e-3, &two).unwrap();
        assert_eq!(rows.len(), 7 + 14);
    }
}
