//! Sums of look-ups against sums in f32 and the definition.

use super::{super::*, classes};
use crate::{
    kernel::reference,
    rng::Site,
    simd::{Isa, Operation, Simd, dispatch_on},
};
use proptest::prelude::*;
use sums::Sums;

proptest! {
    /// Units of many neighbors, brackets and all words at once give the bits of the sums in f32,
    /// which are those of the twin.
    #[test]
    fn brackets_change_no_bit(
        n in 12_usize..60,
        words in 1_usize..=MOST_WORDS,
        is_partial in any::<bool>(),
        is_falling in any::<bool>(),
        has_held in any::<bool>(),
        density in 0.1..1.0,
        // Of couplings and biases: none, little, some, much, more than f32 has.
        size in prop_oneof![Just(0.0), Just(1e-30), 0.01..0.5, 1.0..30.0, Just(1e30), Just(3e38)],
        field in prop_oneof![Just(0.0), 0.0..2.0, Just(60.0), Just(1e30)],
        beta in prop_oneof![Just(0.0_f32), 0.1_f32..2.0, Just(-0.7), Just(1e-30), Just(1e30)],
        few in 0_usize..=MOST_NEIGHBORS,
        seed in any::<u64>(),
    ) {
        let mut rng = crate::rng::HostRng::numbered(seed, 9);
        let mut matrix = vec![vec![0.0_f32; n]; n];
        for (i, j) in (0..n).flat_map(|i| (0..i).map(move |j| (i, j))) {
            if rng.uniform() < density {
                matrix[i][j] = (rng.normal().clamp(-1.0, 1.0) * size) as f32;
                matrix[j][i] = matrix[i][j];
            }
        }
        let near = |i: usize| {
            let row = matrix[i].clone().into_iter().enumerate();
            row.filter(|(_, a)| *a != 0.0).map(|(j, _)| j as u32)
        };
        let mut couplings = Neighbors::new((0..n).map(near));
        for (i, row) in matrix.iter().enumerate() {
            let (units, values) = couplings.of_mut(i);
            let pairs = values.iter_mut().zip(units);
            pairs.for_each(|(a, &j)| *a = row[j as usize]);
        }
        let bias: Vec<f32> = (0..n).map(|_| (rng.normal() * field) as f32).collect();
        let order = Order::by_classes(&classes(&couplings));
        let mut lanes = [u64::MAX; MOST_WORDS];
        if is_partial {
            lanes[words - 1] = 0x1F_FFFF;
        }
        let x: Vec<u64> = (0..words * n).map(|k| rng.next_u64() & lanes[k / n]).collect();
        let held: Vec<u64> = (0..words * n).map(|_| rng.next_u64() & rng.next_u64()).collect();
        let swept = |isa: Isa, tables: Option<&Tables>| {
            let mut x = x.clone();
            for step in 0..4 {
                sweep_on(isa, &Sweep {
                    couplings: Some(&couplings),
                    order: &order,
                    places: 0..n,
                    is_falling,
                    groups: &[],
                    bias: &bias,
                    tables,
                    x: shared(&mut x),
                    held: if has_held { &held } else { &[] },
                    first_chain: 64,
                    lanes,
                    beta,
                    draws: Draws::new(seed, Site::Gibbs, step).from_row(8),
                });
            }
            x
        };
        // `sweeps_and_energies_are_those_of_their_twins` holds this against the definition.
        let expected = swept(Isa::Portable, None);
        for isa in Isa::available() {
            prop_assert_eq!(&swept(isa, None), &expected, "{}, sums in f32", isa);
            let mut tables = Tables::default();
            tables.fill_on(isa, &couplings, &bias, beta, few);
            prop_assert_eq!(&swept(isa, Some(&tables)), &expected, "{}, tables", isa);
            tables.sums.fill_on(isa, &couplings, &bias, beta, few);
            prop_assert_eq!(&swept(isa, Some(&tables)), &expected, "{}, brackets", isa);
        }
    }
}

/// Units of every degree up to 40, every first uniform: what a bracket decides the mean decides
/// alike, and no more is left open than the bound says.
#[test]
fn brackets_hold_the_mean() {
    struct Open<'a> {
        couplings: &'a Neighbors,
        sums: &'a Sums,
        x: &'a [AtomicU64],
        u: u8,
    }
    impl Operation for Open<'_> {
        type Output = Option<(u64, u64)>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let (near, _) = self.couplings.of(0);
            let sum = self.sums.of(0, near.len())?;
            let u = s.splat_u64(u64::from_le_bytes([self.u; 8]));
            let zero = s.splat_u64(0);
            Some(match S::LANES {
                16 => {
                    let [drawn] = sum.draw::<S, 1, 1>(s, zero, near, self.x, &[[u]]);
                    (drawn.ones, drawn.open)
                }
                _ => {
                    let [drawn] = sum.draw::<S, 2, 1>(s, zero, near, self.x, &[[u; 2]]);
                    (drawn.ones, drawn.open)
                }
            })
        }
    }
    let mut rng = crate::rng::HostRng::numbered(3, 9);
    for degree in 1..=40 {
        let star = |i: usize| if i == 0 { 1..degree as u32 + 1 } else { 0..1 };
        let mut couplings = Neighbors::new((0..=degree).map(star));
        // Inputs of a deviation of one or so, and of more than the curve has.
        let size = if degree % 3 == 0 { 6.0 } else { 1.5 } / (degree as f64).sqrt();
        for a in couplings.of_mut(0).1 {
            *a = (size * rng.normal()) as f32;
        }
        let bias = vec![0.3; degree + 1];
        let mut x: Vec<u64> = (0..=degree).map(|_| rng.next_u64()).collect();
        let means: Vec<f64> = (0..64)
            .map(|chain| {
                let on = |j: usize| x[j] >> chain & 1 == 1;
                let y = 0.9 * reference::input(couplings.of(0), bias[0], on);
                reference::sigmoid(y.into())
            })
            .collect();
        for isa in Isa::available() {
            let mut sums = Sums::default();
            sums.fill_on(isa, &couplings, &bias, 0.9, 0);
            let mut open = 0;
            for u in 0..=255 {
                let (couplings, sums, x) = (&couplings, &sums, shared(&mut x));
                let got = dispatch_on(
                    isa,
                    Open {
                        couplings,
                        sums,
                        x,
                        u,
                    },
                );
                let (ones, zeros) = got
                    .map(|(ones, open)| (ones, !(ones | open)))
                    .expect("sums");
                open += (!(ones | zeros)).count_ones();
                for (chain, mean) in means.iter().enumerate() {
                    let rest = 256.0 * mean - f64::from(u);
                    assert!(
                        ones >> chain & 1 == 0 || rest >= 1.0,
                        "{isa} {degree}: {rest}"
                    );
                    assert!(
                        zeros >> chain & 1 == 0 || rest <= 0.0,
                        "{isa} {degree}: {rest}"
                    );
                }
            }
            // A uniform ties in every chain; one more does for what the bound allows.
            assert!(
                (64..64 * 3).contains(&open),
                "{isa}: {open} open of {degree} neighbors"
            );
        }
    }
}

/// The parabolas are as near the sigmoid as their bound says, at every step.
#[test]
fn curve_is_within_its_bound() {
    struct Curve<'a>(&'a [i16], &'a mut [i16]);
    impl Operation for Curve<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let of = self.0.chunks_exact(2 * S::LANES);
            for (y, to) in of.zip(self.1.chunks_exact_mut(2 * S::LANES)) {
                // SAFETY: both chunks are of 2 LANES integers.
                unsafe { s.store_words(to.as_mut_ptr(), sums::curve(s, s.load_words(y.as_ptr()))) };
            }
        }
    }
    let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    for isa in Isa::available() {
        let mut got = vec![0; all.len()];
        dispatch_on(isa, Curve(&all, &mut got));
        for (&y, &got) in all.iter().zip(&got) {
            let p = reference::sigmoid(f64::from(y) / f64::from(sums::ONE));
            let error = (f64::from(got) + 32768.0 - 65536.0 * p).abs();
            assert!(
                error < f64::from(sums::CURVE_ERROR) - 0.1,
                "{isa}: {error} at {y}"
            );
        }
        let ends = [got[0], got[all.len() - 1]].map(|p| f64::from(p) + 32768.0);
        assert!(
            ends[0] > 0.0 && 65536.0 - ends[1] < sums::CURVE_END as f64,
            "{ends:?}"
        );
        assert!(ends[0] < sums::CURVE_END as f64, "{ends:?}");
    }
}
