//! Medians of what calls take, and threads for them.

use harmonium::Result;
use std::{sync::Barrier, thread, time::Instant};

/// Runs that a median is taken of, at least.
const LEAST_RUNS: usize = 3;
/// Runs that the time of a measurement is divided into.
const RUNS: f64 = 15.0;

/// What runs of a call took, in seconds a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    /// Their median.
    pub median: f64,
    /// The distance of their quartiles, as a share of the median.
    pub spread: f64,
}

/// Median seconds a call of each of `calls`; see [`taken`].
///
/// # Errors
/// Those of the calls.
pub fn median_seconds<const N: usize>(
    seconds: f64,
    calls: [&mut dyn FnMut() -> Result<()>; N],
) -> Result<[f64; N]> {
    Ok(taken(seconds, calls)?.map(|taken| taken.median))
}

/// What each of `calls` took, which run in turns for `seconds` each after a warm-up.
///
/// # Errors
/// Those of the calls.
pub fn taken<const N: usize>(
    seconds: f64,
    mut calls: [&mut dyn FnMut() -> Result<()>; N],
) -> Result<[Taken; N]> {
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
    Ok(times.map(summary))
}

fn summary(mut x: Vec<f64>) -> Taken {
    x.sort_by(f64::total_cmp);
    // The value below which a share of the sorted ones lies, between two of them by a line.
    let quantile = |share: f64| {
        let at = share * (x.len() - 1) as f64;
        let (lower, upper) = (x[at.floor() as usize], x[at.ceil() as usize]);
        lower + at.fract() * (upper - lower)
    };
    let median = quantile(0.5);
    Taken {
        median,
        spread: (quantile(0.75) - quantile(0.25)) / median,
    }
}

/// The sum of what `rate` returns on each of `threads` threads that start together.
///
/// # Errors
/// Those of `rate`.
pub fn on_threads(threads: usize, rate: impl Fn(&Barrier) -> Result<f64> + Sync) -> Result<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use harmonium::Error;

    #[test]
    fn median_and_quartiles_of_odd_and_even_counts() {
        let of = |x: &[f64]| {
            let taken = summary(x.to_vec());
            (taken.median, taken.spread)
        };
        assert_eq!(of(&[3.0, 1.0, 2.0]), (2.0, (2.5 - 1.5) / 2.0));
        assert_eq!(of(&[4.0, 1.0, 3.0, 2.0]), (2.5, (3.25 - 1.75) / 2.5));
        assert_eq!(of(&[7.0]), (7.0, 0.0));
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
}
