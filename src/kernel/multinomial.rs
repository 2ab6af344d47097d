//! Exact draws of multinomial counts, without memory beside the row itself.
//!
//! `D` points are drawn on the unit interval in ascending order, and one walk along the running sum
//! of the weights counts how many fall to each unit: `O(K + D)`. With `u_1, u_2, ...` uniform, the
//! upper tails `1 - x_i` of the ordered points are `u_1^(1/D) u_2^(1/(D-1)) ...` (Bentley and Saxe,
//! Generating sorted lists of random numbers, ACM TOMS 1980), which are summed as logarithms.

/// Replaces the weights of `row`, which need not add up to 1, by the counts of `length` independent
/// draws of a unit, each by its share of the weights. `uniform(i)`, in (0, 1), is that of draw `i`;
/// from words of 32 bits an ordered point is off by at most 2^-32. A row without a positive weight
/// becomes zeros.
pub(crate) fn draw(row: &mut [f32], length: u32, mut uniform: impl FnMut(u32) -> f64) {
    let total: f64 = row.iter().map(|&w| f64::from(w)).sum();
    // The running sum ends at the total, so that every point has a unit.
    let below = total.next_down().max(0.0);
    let mut drawn = 0;
    let mut tail = 0.0;
    let mut next = || {
        if drawn == length {
            return f64::INFINITY;
        }
        tail += uniform(drawn).ln() / f64::from(length - drawn);
        drawn += 1;
        (-f64::exp_m1(tail) * total).min(below)
    };
    let (mut point, mut running) = (next(), 0.0);
    for weight in row {
        running += f64::from(*weight);
        let mut count = 0_u32;
        while point < running {
            count += 1;
            point = next();
        }
        *weight = count as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::normal,
        rng::{Draws, Site},
    };
    use proptest::prelude::*;

    fn uniform(seed: u64, row: usize) -> impl FnMut(u32) -> f64 {
        let draws = Draws::new(seed, Site::Gibbs, 3);
        move |i| normal::uniform(draws.bits(row, i as usize))
    }

    /// All points first, then a search from the first unit for each of them.
    fn plainly(weights: &[f32], length: u32, mut uniform: impl FnMut(u32) -> f64) -> Vec<f32> {
        let sums = weights.iter().scan(0.0, |sum, &w| {
            *sum += f64::from(w);
            Some(*sum)
        });
        let sums: Vec<f64> = sums.collect();
        let total = sums[sums.len() - 1];
        let mut counts = vec![0.0; weights.len()];
        let mut tail = 0.0;
        for i in 0..length {
            tail += uniform(i).ln() / f64::from(length - i);
            let point = (-f64::exp_m1(tail) * total).min(total.next_down());
            counts[sums.iter().position(|&sum| point < sum).unwrap()] += 1.0;
        }
        counts
    }

    proptest! {
        #[test]
        fn as_the_plain_search(
            weights in prop::collection::vec(prop_oneof![Just(0.0_f32), 1e-30_f32..1.0], 1..40),
            length in 0_u32..300,
            seed in any::<u64>(),
        ) {
            prop_assume!(weights.iter().any(|&w| w > 0.0));
            let mut row = weights.clone();
            draw(&mut row, length, uniform(seed, 5));
            prop_assert_eq!(&row, &plainly(&weights, length, uniform(seed, 5)));
            prop_assert_eq!(row.iter().sum::<f32>(), length as f32);
            prop_assert!(weights.iter().zip(&row).all(|(&w, &n)| w > 0.0 || n == 0.0));
        }
    }

    /// All 35 counts of 4 words of 4, one of them without weight, against the multinomial.
    #[test]
    fn every_outcome_by_its_probability() {
        const ROWS: usize = 200_000;
        let weights = [0.5_f32, 0.0, 1.5, 0.25];
        let p = weights.map(|w| f64::from(w) / 2.25);
        let mut found = std::collections::HashMap::new();
        for row in 0..ROWS {
            let mut counts = weights;
            draw(&mut counts, 4, uniform(11, row));
            *found.entry(counts.map(|n| n as usize)).or_insert(0.0) += 1.0;
        }
        let factorial = |n: usize| (1..=n).product::<usize>() as f64;
        let mut all = 0.0;
        for index in 0..5_usize.pow(4) {
            let n = [0, 1, 2, 3].map(|k| index / 5_usize.pow(k) % 5);
            if n.iter().sum::<usize>() != 4 {
                continue;
            }
            let ways = factorial(4) / n.iter().map(|&n| factorial(n)).product::<f64>();
            let p = ways
                * p.iter()
                    .zip(n)
                    .map(|(p, n)| p.powi(n as i32))
                    .product::<f64>();
            let expected = ROWS as f64 * p;
            let got = found.get(&n).copied().unwrap_or(0.0);
            // Five standard errors of a binomial count; nothing where the probability is zero.
            let error = 5.0 * (expected * (1.0 - p)).sqrt();
            assert!(
                (got - expected).abs() <= error,
                "{n:?}: {got} for {expected}"
            );
            all += got;
        }
        assert_eq!(all, ROWS as f64);
    }

    #[test]
    fn no_draws_and_no_weights_are_zeros() {
        let mut row = [0.5, 2.0];
        draw(&mut row, 0, |_| unreachable!());
        assert_eq!(row, [0.0, 0.0]);
        let mut row = [0.0, 0.0];
        draw(&mut row, 3, |_| 0.5);
        assert_eq!(row, [0.0, 0.0]);
    }
}
