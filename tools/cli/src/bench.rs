//! `harmonium bench`: what this machine can do, and how near the engine comes to it.
//!
//! ```text
//! f32 FMA peak -> dense products of each provider -> activations and draws -> epochs and Gibbs sweeps
//!     |                 | the best of them                                         |
//!     +-----------------+----------------- shares of both ------------------------+
//! ```
//!
//! A figure is the median of several runs after a warm-up (the peak: the best run). Two figures whose ratio matters are measured in turns.

mod deep;
mod pass;
mod report;

use clap::Args;
use harmonium::{
    BitMatrix, Error, Matrix, Result,
    dataset::Examples,
    kernel::{activation, bernoulli, peak::fma_peak},
    model::{GibbsChain, Rbm},
    product::{Provider, Route, gemm},
    rng::{Draws, HostRng, Site},
    simd::Isa,
    train::{Learning, Negative, Options, Reconstruction, Schedule, Training},
};
use indicatif::ProgressBar;
use rayon::{ThreadPool, ThreadPoolBuilder};
use report::{Report, Row};
use std::{
    fs,
    hint::black_box,
    io::{self, ErrorKind, Write},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Barrier,
    thread,
    time::Instant,
};

/// Measures this machine and the engine on it: the f32 peak, products, activations, draws, epochs, Gibbs sweeps, deep machines, exact ln Z
///
/// Speeds are in GCU/s, 10^9 connection updates a second. A connection update is one visible-hidden pair of one sample in one matrix
/// pass; in a dense product it costs one multiply-add, so GCU/s compare with the f32 FMA peak. A Gibbs sweep has 2 passes, CD-1 and
/// PCD-1 have 5. Let nothing else run meanwhile.
#[derive(Args, Clone, Debug, Default)]
pub struct BenchArgs {
    /// Threads of epochs and sweeps [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Seconds of each measurement [default: 1, with --quick 0.1]
    #[arg(long, value_name = "X", value_parser = positive)]
    seconds: Option<f64>,
    /// Epochs of 6000 examples instead of 60000, short measurements: some seconds instead of about a minute
    #[arg(long)]
    quick: bool,
    /// Only these figures, beside the ceilings
    #[arg(long, value_name = "SECTION", value_parser = SECTIONS)]
    only: Option<String>,
    /// Print one JSON object instead of the table
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV instead of the table
    #[arg(long)]
    csv: bool,
    /// Write to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What can be measured alone, in the order of the table.
const SECTIONS: [&str; 7] = [
    "kernel",
    "pass",
    "epilogue",
    "training",
    "sampling",
    "deep",
    "likelihood",
];

fn positive(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(x) if x > 0.0 && x < 1e6 => Ok(x),
        _ => Err("expected a number of seconds above 0".into()),
    }
}

/// Runs `harmonium bench`.
///
/// # Errors
/// [`Error::Parameter`] for an instruction set or a provider that the environment asks for and that does not exist here, or if the
/// threads cannot be had; [`Error::Io`] if the output cannot be written.
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

/// What is measured.
#[derive(Clone, Debug)]
struct Size {
    /// Rows, columns and inner size of dense products.
    products: [(usize, usize, usize); 4],
    /// Units of both layers and numbers of samples of single passes.
    passes: [(usize, usize); 4],
    pass_rows: [usize; 3],
    examples: usize,
    n_visible: usize,
    n_hidden: usize,
    batch: usize,
    /// Numbers of chains of the sweeps, and of rows of the epilogue.
    chains: [usize; 2],
    /// Layers of a deep belief network, the top pair last, and classes of its label.
    network: [usize; 4],
    classes: usize,
    /// Layers of a deep Boltzmann machine.
    machine: [usize; 3],
    /// Hidden units of which all states are enumerated.
    exact_hidden: usize,
    /// Numbers that an activation works on: they stay in the first-level cache.
    elements: usize,
}

impl Size {
    /// An RBM 784-500 on data like MNIST.
    const FULL: Self = Self {
        products: [
            (100, 500, 784),
            (100, 784, 500),
            (784, 500, 100),
            (1000, 500, 784),
        ],
        passes: [(784, 500), (500, 500), (500, 2000), (784, 4096)],
        pass_rows: [10, 100, 1000],
        examples: 60_000,
        n_visible: 784,
        n_hidden: 500,
        batch: 100,
        chains: [100, 1000],
        network: [784, 500, 500, 2000],
        classes: 10,
        machine: [784, 500, 1000],
        exact_hidden: 18,
        elements: 4096,
    };
    const QUICK: Self = Self {
        examples: 6_000,
        ..Self::FULL
    };
}

/// Share of ones in binarised MNIST.
const DENSITY: f32 = 0.13;
/// Runs that a median is taken of, at least.
const LEAST_RUNS: usize = 3;
/// Runs that the time of a measurement is divided into.
const RUNS: f64 = 15.0;

/// The CPU's name as Linux tells it, else its architecture.
pub fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// Median seconds a call of each of `calls`, which run in turns for `seconds` each after a warm-up.
fn median_seconds<const N: usize>(
    seconds: f64,
    mut calls: [&mut dyn FnMut() -> Result<()>; N],
) -> Result<[f64; N]> {
    // The warm-up tells how many calls make a run that the clock can measure.
    let mut repeats = [1; N];
    for (call, repeats) in calls.iter_mut().zip(&mut repeats) {
        let (start, mut n) = (Instant::now(), 0_u32);
        while n == 0 || start.elapsed().as_secs_f64() < 0.1 * seconds {
            call()?;
            n += 1;
        }
        let one = start.elapsed().as_secs_f64() / f64::from(n);
        *repeats = (seconds / RUNS / one.max(1e-9)).max(1.0) as u32;
    }
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    let start = Instant::now();
    while times[N - 1].len() < LEAST_RUNS || start.elapsed().as_secs_f64() < seconds * N as f64 {
        for ((call, &repeats), times) in calls.iter_mut().zip(&repeats).zip(&mut times) {
            let start = Instant::now();
            for _ in 0..repeats {
                call()?;
            }
            times.push(start.elapsed().as_secs_f64() / f64::from(repeats));
        }
    }
    Ok(times.map(median))
}

fn median(mut x: Vec<f64>) -> f64 {
    x.sort_by(f64::total_cmp);
    let (lower, upper) = (x[(x.len() - 1) / 2], x[x.len() / 2]);
    0.5 * (lower + upper)
}

fn pool(threads: usize) -> Result<ThreadPool> {
    let built = ThreadPoolBuilder::new().num_threads(threads).build();
    built.map_err(|e| Error::parameter("threads", "as many as the system gives", e))
}

/// The sum of what `rate` returns on each of `threads` threads that start together.
fn on_threads(threads: usize, rate: impl Fn(&Barrier) -> Result<f64> + Sync) -> Result<f64> {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| rate(&barrier)))
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|e| std::panic::resume_unwind(e))
            })
            .sum()
    })
}

/// Everything, or one section beside the ceilings, in the order of the table.
fn measure(threads: usize, size: &Size, seconds: f64, only: Option<&str>) -> Result<Vec<Row>> {
    let wanted = |section: &str| only.is_none_or(|only| only == section);
    let (one, pool) = (pool(1)?, pool(threads)?);
    let progress = ProgressBar::new_spinner();
    let say = |what: &str| {
        progress.set_message(what.to_owned());
        progress.tick();
    };
    let mut rows = Vec::new();
    say("f32 FMA peak");
    let mut ceilings = Vec::new();
    for threads in [1].into_iter().chain((threads > 1).then_some(threads)) {
        // The best of several runs, not their median: a ceiling measured too low would flatter all that is compared with it.
        let peak = on_threads(threads, |barrier| {
            fma_peak(0.1 * seconds);
            barrier.wait();
            let runs = (0..10).map(|_| fma_peak(0.1 * seconds));
            Ok(runs.fold(0.0, f64::max))
        })?;
        rows.push(Row {
            gcu: Some(peak),
            ..Row::new("peak", "f32 FMA peak", threads)
        });
        ceilings.push(Ceiling {
            threads,
            peak,
            sgemm: 0.0,
        });
    }
    for &provider in Provider::ALL {
        for shape @ (m, n, k) in size.products {
            for ceiling in &mut ceilings {
                let name = format!("sgemm {m} x {n} x {k}: {provider}");
                say(&name);
                let rate = on_threads(ceiling.threads, |barrier| {
                    sgemm_rate(provider, shape, seconds, barrier)
                })?;
                ceiling.sgemm = ceiling.sgemm.max(rate);
                rows.push(Row {
                    seconds: Some((m * n * k * ceiling.threads) as f64 / rate / 1e9),
                    gcu: Some(rate),
                    of_peak: Some(rate / ceiling.peak),
                    ..Row::new("product", name, ceiling.threads)
                });
            }
        }
    }
    if wanted("kernel") {
        say("activations and draws");
        rows.extend(kernels(size, seconds)?);
    }
    say("data");
    let data = synthetic(size)?;
    let rbm = Rbm::bernoulli(size.n_visible, size.n_hidden).initialized_from(&data, 0)?;
    for shape in size.passes.into_iter().filter(|_| wanted("pass")) {
        for n in size.pass_rows {
            say("passes");
            rows.push(
                pool.install(|| pass::alone(shape, n, seconds, ceilings.last().expect("one")))?,
            );
        }
    }
    for n in size.chains.into_iter().filter(|_| wanted("epilogue")) {
        say("epilogue");
        rows.extend(one.install(|| pass::epilogue(&rbm, n, seconds, &ceilings[0]))?);
    }
    let all = ceilings.last().expect("one thread at least");
    let cd = |reconstruction| Negative::ContrastiveDivergence {
        steps: 1,
        reconstruction,
    };
    for (name, negative) in [
        (
            "CD-1 epoch: sampled reconstructions",
            cd(Reconstruction::Sampled),
        ),
        (
            "CD-1 epoch: smoothed reconstructions",
            cd(Reconstruction::Smoothed),
        ),
        (
            "PCD-1 epoch",
            Negative::Persistent {
                chains: size.batch,
                steps: 1,
            },
        ),
    ]
    .into_iter()
    .filter(|_| wanted("training"))
    {
        say(name);
        let (time, updates) = pool.install(|| epoch(&rbm, &data, negative, size.batch, seconds))?;
        rows.push(all.row("training", name, time, updates));
    }
    for n in size.chains.into_iter().filter(|_| wanted("sampling")) {
        let name = format!("Gibbs sweep: {n} chains");
        say(&name);
        let [time] = pool.install(|| {
            let mut chains = GibbsChain::uniform(&rbm, n, 1);
            median_seconds(seconds, [&mut || chains.sweep(&rbm, 1.0, 1)])
        })?;
        let updates = 2 * n * size.n_visible * size.n_hidden;
        rows.push(all.row("sampling", &name, time, updates as f64));
    }
    if wanted("deep") {
        say("deep machines");
        rows.extend(pool.install(|| deep::measure(size, &data, seconds, all))?);
    }
    if wanted("likelihood") {
        say("ln Z by enumeration");
        rows.push(pool.install(|| log_z(size, seconds, threads))?);
    }
    progress.finish_and_clear();
    Ok(rows)
}

/// What a number of threads can do at the best.
struct Ceiling {
    threads: usize,
    peak: f64,
    /// Of the fastest provider and shape.
    sgemm: f64,
}

impl Ceiling {
    /// `updates` connection updates in `time` seconds.
    fn row(&self, section: &'static str, name: &str, time: f64, updates: f64) -> Row {
        let rate = updates / time / 1e9;
        Row {
            seconds: Some(time),
            gcu: Some(rate),
            of_peak: Some(rate / self.peak),
            of_sgemm: Some(rate / self.sgemm),
            ..Row::new(section, name, self.threads)
        }
    }
}

/// 10^9 multiply-adds a second of dense products on the calling thread.
fn sgemm_rate(
    provider: Provider,
    (m, n, k): (usize, usize, usize),
    seconds: f64,
    barrier: &Barrier,
) -> Result<f64> {
    let mut rng = HostRng::numbered(0, 0);
    let mut matrix = |size| -> Vec<f32> { (0..size).map(|_| rng.uniform() as f32 - 0.5).collect() };
    let (a, b, mut c) = (matrix(m * k), matrix(k * n), vec![0.0; m * n]);
    gemm(provider, (m, n, k), &a, &b, &mut c);
    barrier.wait();
    let mut call = || {
        gemm(provider, (m, n, k), black_box(&a), &b, &mut c);
        Ok(())
    };
    let [time] = median_seconds(seconds, [&mut call])?;
    black_box(c);
    Ok((m * n * k) as f64 / time / 1e9)
}

/// Sigmoid, softplus and draws, on the calling thread.
fn kernels(size: &Size, seconds: f64) -> Result<Vec<Row>> {
    // The results are the next inputs: no cost depends on the values.
    let mut x: Vec<f32> = (0..size.elements)
        .map(|i| (i % 41) as f32 * 0.5 - 10.0)
        .collect();
    let mut y = x.clone();
    let [sigmoid] = median_seconds(
        seconds,
        [&mut || {
            activation::sigmoid(black_box(&mut x));
            Ok(())
        }],
    )?;
    let [softplus] = median_seconds(
        seconds,
        [&mut || {
            activation::softplus(black_box(&mut y));
            Ok(())
        }],
    )?;
    let mean = Matrix::from_fn(size.batch, size.n_hidden, |_, j| (j % 11) as f32 / 10.0);
    let mut bits = BitMatrix::zeros(size.batch, size.n_hidden);
    let mut step = 0;
    let [draw] = median_seconds(
        seconds,
        [&mut || {
            step += 1;
            let draws = Draws::new(0, Site::Gibbs, step);
            bernoulli::draw(mean.view(), draws, bits.view_mut());
            Ok(())
        }],
    )?;
    black_box(bits);
    let drawn = size.batch * size.n_hidden;
    Ok([
        ("sigmoid", sigmoid, size.elements),
        ("softplus", softplus, size.elements),
        ("Bernoulli draw", draw, drawn),
    ]
    .into_iter()
    .map(|(name, time, n)| Row {
        seconds: Some(time),
        nanoseconds_per_element: Some(time * 1e9 / n as f64),
        ..Row::new("kernel", name, 1)
    })
    .collect())
}

/// `ln Z` of a machine with few hidden units, all of whose states are summed.
fn log_z(size: &Size, seconds: f64, threads: usize) -> Result<Row> {
    let (n, name) = (size.exact_hidden, "ln Z by enumeration: a factor");
    let weights = Matrix::from_fn(size.n_visible, n, |i, j| {
        ((i * 7 + j * 3) % 13) as f32 / 64.0 - 0.1
    });
    let small = Rbm::from_parameters(weights, vec![-1.0; size.n_visible], vec![0.0; n])?;
    let mut call = || {
        black_box(small.log_z()?);
        Ok(())
    };
    let [time] = median_seconds(seconds, [&mut call])?;
    let factors = (size.n_visible << n) as f64;
    Ok(Row {
        seconds: Some(time),
        nanoseconds_per_element: Some(time * 1e9 / factors),
        ..Row::new("likelihood", name, threads)
    })
}

/// Random bits with the size and density of binarised MNIST.
fn synthetic(size: &Size) -> Result<Examples> {
    let draws = Draws::new(0, Site::Binarize, 0);
    let bits = BitMatrix::from_fn(size.examples, size.n_visible, |i, j| {
        draws.uniform(i, j) < DENSITY
    });
    let labels = (0..size.examples).map(|i| (i % size.classes) as u32);
    Examples::new(bits)?.with_labels(labels.collect())
}

/// Median seconds and connection updates of an epoch.
fn epoch(
    rbm: &Rbm,
    data: &Examples,
    negative: Negative,
    batch_size: usize,
    seconds: f64,
) -> Result<(f64, f64)> {
    let options = Options {
        negative,
        learning: Learning {
            batch_size,
            learning_rate: Schedule::Constant(0.05),
            ..Learning::default()
        },
        ..Options::default()
    };
    let mut training = Training::new(rbm.clone(), options, data)?;
    let batches = training.position().batches;
    let mut call = || (0..batches).try_for_each(|_| training.update(data).map(drop));
    let [time] = median_seconds(seconds, [&mut call])?;
    training.model().check_finite()?;
    Ok((time, training.connection_updates_per_epoch() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: Size = Size {
        products: [(3, 5, 7), (1, 1, 1), (13, 33, 9), (20, 4, 300)],
        passes: [(40, 50), (1, 1), (33, 32), (7, 3)],
        pass_rows: [1, 8, 9],
        examples: 45,
        n_visible: 70,
        n_hidden: 20,
        batch: 10,
        chains: [3, 300],
        network: [70, 20, 30, 40],
        classes: 3,
        machine: [70, 20, 30],
        exact_hidden: 10,
        elements: 50,
    };

    #[test]
    fn every_figure_is_a_positive_number() {
        let rows = measure(2, &TINY, 1e-3, None).unwrap();
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
            measure(1, &TINY, 1e-3, None).unwrap().len(),
            expected - 1 - 4 * Provider::ALL.len()
        );
    }

    #[test]
    fn sections_add_up() {
        let ceilings = 1 + 4 * Provider::ALL.len();
        let counts = SECTIONS.map(|section| {
            let rows = measure(1, &TINY, 1e-3, Some(section)).unwrap();
            assert!(rows[ceilings..].iter().all(|row| row.section == section));
            rows.len() - ceilings
        });
        assert_eq!(counts, [3, 12, 4, 3, 2, 4, 1]);
    }

    #[test]
    fn median_of_odd_and_even_counts() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(vec![7.0]), 7.0);
    }

    #[test]
    fn medians_count_calls_and_pass_errors_on() {
        let mut calls = [0, 0];
        let [a, b] = &mut calls;
        let times = median_seconds(
            1e-3,
            [
                &mut || {
                    *a += 1;
                    Ok(())
                },
                &mut || {
                    *b += 1;
                    Ok(())
                },
            ],
        );
        assert!(times.unwrap().iter().all(|&t| (0.0..1e-3).contains(&t)));
        assert!(calls.iter().all(|&n| n > LEAST_RUNS));
        let refused = median_seconds(1e-3, [&mut || Err(Error::parameter("x", 1, 2))]);
        assert!(refused.is_err());
    }

    #[test]
    fn seconds_are_positive() {
        assert_eq!(positive("0.5"), Ok(0.5));
        for bad in ["0", "-1", "nan", "inf", "x"] {
            assert!(positive(bad).is_err(), "{bad}");
        }
    }
}
