//! What learning does to one row of units, in vectors.

use super::activation::sigmoid_lanes;
use crate::{
    bits::WORD_BITS,
    simd::{Operation, SUM_LANES, Simd, dispatch},
};

/// Most units of [`add_sigmoids`].
pub(crate) const TASK_UNITS: usize = 64;

/// `p sigma(base + u)` of up to [`TASK_UNITS`] units, added to `expected` and, `weight` times, to
/// `sums`; `base` says how many. Error: that of [`super::activation::sigmoid`] and two roundings,
/// in `sums` one. On the calling thread.
pub(crate) fn add_sigmoids(
    base: &[f32],
    u: &[f32; TASK_UNITS],
    p: f32,
    expected: &mut [f32],
    (weight, sums): (f64, &mut [f64; TASK_UNITS]),
) {
    dispatch(AddSigmoids {
        base,
        u,
        p,
        expected,
        weight,
        sums,
    });
}

/// `mean <- bits - mean`, exactly rounded. On the calling thread.
pub(crate) fn subtract_from_bits(bits: &[u64], mean: &mut [f32]) {
    dispatch(SubtractFromBits { bits, mean });
}

/// `d <- d x (1 - keep x)`: the derivative of a logistic value `a` with its dropout, `x = a / keep`
/// or 0. The same bits on every instruction set. On the calling thread.
pub(crate) fn times_derivative(delta: &mut [f32], values: &[f32], keep: f32) {
    dispatch(TimesDerivative {
        delta,
        values,
        keep,
    });
}

/// `row_j += weight` times the number of ones of `x_i & x_j` over all words: `words`
/// `[words of chains][units]`, `row` of all units. The same bits on every instruction set. On the
/// calling thread.
pub(crate) fn add_pair_counts(words: &[u64], i: usize, weight: f32, row: &mut [f32]) {
    dispatch(AddPairCounts {
        words,
        i,
        weight,
        row,
    });
}

/// [`add_sigmoids`] as an operation.
struct AddSigmoids<'a> {
    base: &'a [f32],
    u: &'a [f32; TASK_UNITS],
    p: f32,
    expected: &'a mut [f32],
    weight: f64,
    sums: &'a mut [f64; TASK_UNITS],
}

impl Operation for AddSigmoids<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let p = s.splat(self.p);
        let n = self.base.len();
        for at in (0..n).step_by(S::LANES) {
            let u = s.load(&self.u[at..]);
            let whole = at + S::LANES <= n;
            let mut buffers = [[0.0; 16]; 2];
            let (base, expected) = if whole {
                (s.load(&self.base[at..]), s.load(&self.expected[at..]))
            } else {
                buffers[0][..n - at].copy_from_slice(&self.base[at..]);
                buffers[1][..n - at].copy_from_slice(&self.expected[at..]);
                (s.load(&buffers[0]), s.load(&buffers[1]))
            };
            let x = s.mul(p, sigmoid_lanes(s, s.add(base, u)));
            let mut lanes = [0.0; SUM_LANES];
            s.store(&mut lanes, x);
            let sums = self.sums[at..].iter_mut().zip(&lanes[..S::LANES]);
            sums.for_each(|(sum, &x)| *sum += self.weight * f64::from(x));
            let expected = s.add(expected, x);
            if whole {
                s.store(&mut self.expected[at..], expected);
            } else {
                s.store(&mut buffers[1], expected);
                self.expected[at..].copy_from_slice(&buffers[1][..n - at]);
            }
        }
    }
}

struct SubtractFromBits<'a> {
    bits: &'a [u64],
    mean: &'a mut [f32],
}

impl Operation for SubtractFromBits<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (word, mean) in self.bits.iter().zip(self.mean.chunks_mut(64)) {
            for (k, mean) in mean.chunks_mut(S::LANES).enumerate() {
                let part = (word >> (k * S::LANES)) as u32;
                if mean.len() == S::LANES {
                    let error = s.sub(s.expand(part), s.load(mean));
                    s.store(mean, error);
                } else {
                    for (j, mean) in mean.iter_mut().enumerate() {
                        *mean = (part >> j & 1) as f32 - *mean;
                    }
                }
            }
        }
    }
}

/// [`times_derivative`] as an operation.
struct TimesDerivative<'a> {
    delta: &'a mut [f32],
    values: &'a [f32],
    keep: f32,
}

impl Operation for TimesDerivative<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (d, x) in self.delta.iter_mut().zip(self.values) {
            *d *= x * (1.0 - self.keep * x);
        }
    }
}

/// [`add_pair_counts`] as an operation.
struct AddPairCounts<'a> {
    words: &'a [u64],
    i: usize,
    weight: f32,
    row: &'a mut [f32],
}

impl Operation for AddPairCounts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let n = self.row.len();
        for (block, row) in self.row.chunks_mut(WORD_BITS).enumerate() {
            let mut counts = [0_u32; WORD_BITS];
            for words in self.words.chunks_exact(n) {
                let x = words[self.i];
                let others = &words[block * WORD_BITS..][..row.len()];
                for (count, y) in counts.iter_mut().zip(others) {
                    *count += (x & y).count_ones();
                }
            }
            for (to, count) in row.iter_mut().zip(counts) {
                *to += self.weight * count as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::reference,
        simd::{Isa, bits_of, dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sigmoids_match_their_twin(
            all in prop::collection::vec((-20.0_f32..20.0, -9.0_f32..9.0, 0.0_f32..1.0), 1..=TASK_UNITS),
            p in 0.0_f32..1.0,
        ) {
            let base: Vec<f32> = all.iter().map(|x| x.0).collect();
            let start: Vec<f32> = all.iter().map(|x| x.2).collect();
            let mut u = [0.0; TASK_UNITS];
            u.iter_mut().zip(&all).for_each(|(u, x)| *u = x.1);
            let expected = reference::scaled_sigmoids(&base, &u, p);
            same_on_all(|isa| {
                let (mut to, mut sums) = (start.clone(), [0.5; TASK_UNITS]);
                dispatch_on(isa, AddSigmoids { base: &base, u: &u, p, expected: &mut to, weight: 0.3, sums: &mut sums });
                (bits_of(&to), sums[..base.len()].to_vec())
            });
            for isa in Isa::available() {
                let (mut to, mut sums) = (start.clone(), [0.5; TASK_UNITS]);
                dispatch_on(isa, AddSigmoids { base: &base, u: &u, p, expected: &mut to, weight: 2.0, sums: &mut sums });
                for (k, x) in expected.iter().enumerate() {
                    // The sum `base + u` is off by half a unit in the last place of 29.
                    let near = |got: f64, start: f64| (got - start - x).abs() < 2e-6;
                    let sum = 0.5 * (sums[k] + 0.5);
                    prop_assert!(near(to[k].into(), start[k].into()) && near(sum, 0.5), "{}: {} {} for {}", isa, to[k], sums[k], x);
                }
            }
        }

        #[test]
        fn differences_and_derivatives_are_those_of_their_twins(
            all in prop::collection::vec((-2.0_f32..2.0, 0.0_f32..2.0, any::<bool>()), 0..200),
            keep in 0.1_f32..1.0,
        ) {
            let delta: Vec<f32> = all.iter().map(|x| x.0).collect();
            let values: Vec<f32> = all.iter().map(|x| x.1).collect();
            let bits: Vec<u64> = all.chunks(WORD_BITS)
                .map(|x| x.iter().rev().fold(0, |word, x| word << 1 | u64::from(x.2)))
                .collect();
            for isa in Isa::available() {
                let mut got = values.clone();
                dispatch_on(isa, SubtractFromBits { bits: &bits, mean: &mut got });
                prop_assert_eq!(&got, &reference::bits_minus(&bits, &values));
                let mut got = delta.clone();
                dispatch_on(isa, TimesDerivative { delta: &mut got, values: &values, keep });
                prop_assert_eq!(&got, &reference::times_derivative(&delta, &values, keep));
            }
        }

        #[test]
        fn pair_counts_are_those_of_their_twin(
            chains in prop::collection::vec(any::<u64>(), 0..4),
            n in 1_usize..150,
            weight in -1.0_f32..1.0,
        ) {
            let words: Vec<u64> = chains.iter()
                .flat_map(|&x| (0..n as u32).map(move |j| x.rotate_left(7 * j) & x.wrapping_mul(u64::from(j) + 3)))
                .collect();
            for isa in Isa::available() {
                for i in [0, n / 2, n - 1] {
                    let start: Vec<f32> = (0..n).map(|j| j as f32 / 8.0).collect();
                    let mut got = start.clone();
                    dispatch_on(isa, AddPairCounts { words: &words, i, weight, row: &mut got });
                    for (j, got) in got.into_iter().enumerate() {
                        prop_assert_eq!(got, start[j] + weight * reference::pair_count(&words, n, i, j) as f32);
                    }
                }
            }
        }
    }
}
