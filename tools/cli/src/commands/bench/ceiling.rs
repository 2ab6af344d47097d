//! What numbers of threads can do at the best: multiply-adds, and dense products of each provider.

use super::{
    report::Row,
    size::Size,
    timing::{median_seconds, on_threads},
};
use harmonium::{
    Result,
    kernel::peak::fma_peak,
    product::{Provider, gemm},
    rng::HostRng,
};
use std::{hint::black_box, sync::Barrier};

/// What a number of threads can do at the best.
pub struct Ceiling {
    /// The number.
    pub threads: usize,
    peak: f64,
    /// Of the fastest provider and shape.
    sgemm: f64,
}

impl Ceiling {
    /// `updates` connection updates in `time` seconds.
    pub fn row(&self, section: &'static str, name: &str, time: f64, updates: f64) -> Row {
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

/// The ceilings of one thread and of `threads`, and their rows.
///
/// # Errors
/// Those of the products.
pub fn measure(
    threads: usize,
    size: &Size,
    seconds: f64,
    say: &dyn Fn(&str),
) -> Result<(Vec<Ceiling>, Vec<Row>)> {
    let mut rows = Vec::new();
    say("f32 FMA peak");
    let mut ceilings = Vec::new();
    for threads in [1].into_iter().chain((threads > 1).then_some(threads)) {
        // The best of several runs, not their median: a ceiling measured too low would flatter all
        // that is compared with it.
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
    Ok((ceilings, rows))
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
