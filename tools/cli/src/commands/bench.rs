//! `harmonium bench`: what this machine can do, and how near the engine comes to it.
//!
//! ```text
//! f32 FMA peak -> dense products of each provider -> activations, draws -> epochs, Gibbs sweeps
//!     |                 | the best of them                                         |
//!     +-----------------+----------------- shares of both ------------------------+
//! ```
//!
//! A figure is the median of several runs after a warm-up (the peak: the best run). Two figures
//! whose ratio matters are measured in turns.

mod cases;
mod ceiling;
mod report;
mod size;
mod timing;

use crate::args::BenchArgs;
use cases::{Timer, cases};
use harmonium::{
    Error, Result,
    model::Rbm,
    product::{Provider, Route},
    simd::Isa,
    threads::Pool,
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

/// Runs `harmonium bench`.
///
/// # Errors
/// [`Error::Parameter`] for an instruction set or a provider that the environment asks for and that
/// does not exist here, or if the threads cannot be had; [`Error::Io`] if the output cannot be
/// written.
pub fn run(args: &BenchArgs) -> Result<()> {
    let size = if args.quick { Size::QUICK } else { Size::FULL };
    let seconds = args.seconds.unwrap_or(if args.quick { 0.1 } else { 1.0 });
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = args.threads.map_or(cores, NonZeroUsize::get);
    let report = Report {
        cpu: cpu_model(),
        cores,
        isa: Isa::from_environment()?,
        provider: Provider::from_environment()?,
        route: Route::from_environment()?,
        threads,
        seconds,
        examples: size.examples,
        rows: measure(threads, &size, seconds, args.only.as_deref())?,
    };
    let text = if args.json {
        format!("{:#}\n", report.json())
    } else if args.csv {
        report.csv()
    } else {
        report.table()
    };
    match &args.out {
        Some(path) => fs::write(path, text).map_err(|e| Error::io(path, "write", e)),
        None => match io::stdout().write_all(text.as_bytes()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => {
                Err(Error::io("standard output", "write", e))
            }
            _ => Ok(()),
        },
    }
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

/// Everything, or one section beside the ceilings, in the order of the table.
fn measure(threads: usize, size: &Size, seconds: f64, only: Option<&str>) -> Result<Vec<Row>> {
    let wanted = |section: &str| only.is_none_or(|only| only == section);
    let (one, pool) = (Pool::new(1)?, Pool::new(threads)?);
    let progress = ProgressBar::new_spinner();
    let say = |what: &str| {
        progress.set_message(what.to_owned());
        progress.tick();
    };
    let (ceilings, mut rows) = ceiling::measure(threads, size, seconds, &say)?;
    say("data");
    let data = size.data()?;
    let rbm = Rbm::bernoulli(&[size.n_visible, size.n_hidden])?.initialized_from(&data, 0)?;
    let all = cases(size, &data, &rbm).into_iter();
    for (section, measure) in all.filter(|(section, _)| wanted(section)) {
        say(section);
        let (pool, ceiling) = match section {
            "kernel" | "epilogue" => (&one, ceilings.first()),
            _ => (&pool, ceilings.last()),
        };
        let timer = Timer {
            section,
            seconds,
            ceiling: ceiling.expect("one thread at least"),
        };
        rows.extend(pool.install(|| measure(&timer))?);
    }
    progress.finish_and_clear();
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::SECTIONS;

    #[test]
    fn every_figure_is_a_positive_number() {
        let rows = measure(2, &Size::TINY, 1e-3, None).unwrap();
        let expected = 2 + 2 * 4 * Provider::ALL.len() + 3 + 12 + 4 + 3 + 2 + 4 + 1;
        assert_eq!(rows.len(), expected);
        for row in &rows {
            assert!(!row.name.contains([',', '"']), "{row:?}");
            // The cost of an epilogue is a difference, which noise can make negative here.
            if row.of_product.is_none() {
                let mut values = row.values().into_iter().flatten();
                assert!(values.all(|x| x.is_finite() && x > 0.0), "{row:?}");
            }
        }
        assert_eq!(
            measure(1, &Size::TINY, 1e-3, None).unwrap().len(),
            expected - 1 - 4 * Provider::ALL.len()
        );
    }

    #[test]
    fn sections_add_up() {
        let ceilings = 1 + 4 * Provider::ALL.len();
        let counts = SECTIONS.map(|section| {
            let rows = measure(1, &Size::TINY, 1e-3, Some(section)).unwrap();
            assert!(rows[ceilings..].iter().all(|row| row.section == section));
            rows.len() - ceilings
        });
        assert_eq!(counts, [3, 12, 4, 3, 2, 4, 1]);
    }
}
