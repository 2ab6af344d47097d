//! How many multiply-adds a second this CPU can do: the ceiling of every dense product.

use crate::simd::{Operation, Simd, dispatch};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Multiply-adds of each accumulator between two looks at the clock: some ten microseconds.
const ROUNDS: usize = 1 << 12;
/// The factor of an accumulator: below one, so that sums stay finite however long they run.
const FACTOR: f32 = 0.75;
/// What is added each time: the accumulators tend to `TERM / (1 - FACTOR)`.
const TERM: f32 = 0.5;

/// `x <- FACTOR x + TERM`, `rounds` times, in as many accumulators as the register tile of the
/// dense product has. That is more than latency times throughput, and few enough to stay in
/// registers.
struct MultiplyAdds {
    rounds: usize,
}

impl Operation for MultiplyAdds {
    /// Multiply-adds done, and the sum over all lanes of all accumulators.
    type Output = (usize, f32);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (usize, f32) {
        match S::GEMM_ROWS {
            12 => chains::<S, 24>(s, self.rounds),
            6 => chains::<S, 12>(s, self.rounds),
            _ => chains::<S, 6>(s, self.rounds),
        }
    }
}

#[inline(always)]
fn chains<S: Simd, const N: usize>(s: S, rounds: usize) -> (usize, f32) {
    // What the compiler cannot see it can neither fold nor share between accumulators.
    let factor = s.splat(black_box(FACTOR));
    let term = s.splat(black_box(TERM));
    let mut x: [S::F; N] = std::array::from_fn(|k| s.splat(black_box(k as f32)));
    for _ in 0..rounds {
        for x in &mut x {
            *x = s.mul_add_fast(*x, factor, term);
        }
    }
    let sum = x.into_iter().fold(s.splat(0.0), |a, b| s.add(a, b));
    let mut lanes = [0.0; 16];
    s.store(&mut lanes, sum);
    (rounds * N * S::LANES, lanes[..S::LANES].iter().sum())
}

/// Multiply-adds of f32 that the calling thread does in a second, in 10^9, with the instruction set
/// in use, measured for `seconds` (and for ten microseconds at least). Where the instruction set
/// has no fused multiply-add, a multiplication and an addition.
pub fn fma_peak(seconds: f64) -> f64 {
    let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
    let start = Instant::now();
    let mut count = 0;
    loop {
        let (done, sum) = dispatch(MultiplyAdds { rounds: ROUNDS });
        black_box(sum);
        count += done;
        let elapsed = start.elapsed();
        if elapsed >= limit {
            return count as f64 / elapsed.as_secs_f64() / 1e9;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, dispatch_on};

    #[test]
    fn every_multiply_add_is_done_on_every_isa() {
        for isa in Isa::available() {
            for rounds in [0, 1, 2, 7] {
                let (count, sum) = dispatch_on(isa, MultiplyAdds { rounds });
                let per_round = match isa {
                    Isa::Portable => 6 * 8,
                    Isa::Avx2 => 12 * 8,
                    Isa::Avx512 => 24 * 16,
                };
                assert_eq!(count, rounds * per_round);
                let lanes = if isa == Isa::Avx512 { 16 } else { 8 };
                let expected: f64 = (0..per_round / lanes)
                    .map(|k| (0..rounds).fold(k as f64, |x, _| 0.75 * x + 0.5))
                    .sum::<f64>()
                    * lanes as f64;
                // Quarters of small integers: exact in f32 for so few rounds.
                assert_eq!(f64::from(sum), expected, "{isa}, {rounds} rounds");
            }
        }
    }

    #[test]
    fn the_peak_is_a_positive_rate() {
        for seconds in [1e-3, 0.0, -1.0, f64::NAN] {
            let peak = fma_peak(seconds);
            assert!(peak > 0.0 && peak.is_finite(), "{peak}");
        }
    }
}
