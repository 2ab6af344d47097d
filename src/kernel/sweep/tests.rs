//! Sweeps against plain loops, on every instruction set.

mod brackets;

use super::{energies::NegativeEnergies, *};
use crate::{
    kernel::reference,
    rng::Site,
    simd::{Isa, dispatch_on},
};
use proptest::prelude::*;

/// Groups of these sizes after so many units by themselves each, as far as there are units.
fn groups(sizes: &[(usize, usize)], n: usize) -> Vec<Group> {
    let mut end = 0;
    let all = sizes.iter().map(|&(alone, size)| {
        let first = end + alone;
        end = first + size;
        Group { first, end }
    });
    all.take_while(|group| group.end <= n).collect()
}

/// A ring with chords, but for pairs within a group; of every third unit none.
fn couplings(n: usize, groups: &[Group]) -> Neighbors {
    let of = |i: usize| {
        let group = groups.iter().find(|g| (g.first..g.end).contains(&i));
        let near = move |&j: &usize| {
            let is_within = group.is_some_and(|g| (g.first..g.end).contains(&j));
            let is_near = i.abs_diff(j) % (n - 1) < 2 || (i + j).is_multiple_of(5);
            let is_alone = i % 11 == 10 || j % 11 == 10;
            i != j && !is_within && is_near && !is_alone
        };
        (0..n).filter(near).map(|j| j as u32)
    };
    let mut all = Neighbors::new((0..n).map(of));
    for i in 0..n {
        let (units, values) = all.of_mut(i);
        let pairs = values.iter_mut().zip(units);
        pairs.for_each(|(a, &j)| *a = (i + j as usize) as f32 % 7.0 / 4.0 - 0.7);
    }
    all
}

/// Classes of a greedy coloring.
fn classes(couplings: &Neighbors) -> Vec<Vec<u32>> {
    let n = couplings.units();
    let mut color = vec![usize::MAX; n];
    let mut classes: Vec<Vec<u32>> = Vec::new();
    for i in 0..n {
        let taken = |c: usize| couplings.of(i).0.iter().any(|&j| color[j as usize] == c);
        color[i] = (0..).find(|&c| !taken(c)).unwrap();
        classes.resize(classes.len().max(color[i] + 1), Vec::new());
        classes[color[i]].push(i as u32);
    }
    classes
}

/// What a sweep is of.
#[derive(Debug)]
struct Case {
    x: Vec<u64>,
    held: Vec<u64>,
    couplings: Neighbors,
    is_coupled: bool,
    order: Order,
    is_falling: bool,
    groups: Vec<Group>,
    bias: Vec<f32>,
    first_chain: usize,
    lanes: u64,
    beta: f32,
    draws: Draws,
}

impl Case {
    /// The states after a sweep of the units at these places in turn.
    fn swept(&self, isa: Isa, tables: Option<&Tables>, parts: &[Range<usize>]) -> Vec<u64> {
        let mut x = self.x.clone();
        for places in parts {
            sweep_on(
                isa,
                &Sweep {
                    couplings: self.is_coupled.then_some(&self.couplings),
                    order: &self.order,
                    places: places.clone(),
                    is_falling: self.is_falling,
                    groups: &self.groups,
                    bias: &self.bias,
                    tables,
                    x: shared(&mut x),
                    held: &self.held,
                    first_chain: self.first_chain,
                    lanes: [self.lanes; MOST_WORDS],
                    beta: self.beta,
                    draws: self.draws,
                },
            );
        }
        x
    }

    /// What is wrong with `got`, chain by chain and unit by unit, if anything. The twin walks the
    /// states that the kernel drew, so that one draw within the error of the sigmoid does not
    /// change the next.
    fn fault(&self, got: &[u64]) -> Option<String> {
        let n = self.x.len();
        let mut place_of = vec![0; n];
        for (place, &i) in self.order.units().iter().enumerate() {
            place_of[i as usize] = place;
        }
        let bit = |words: &[u64], i: usize, chain: usize| words[i] >> chain & 1 == 1;
        for (i, chain) in (0..n).flat_map(|i| (0..64).map(move |k| (i, k))) {
            let group = self.groups.iter().find(|g| (g.first..g.end).contains(&i));
            let units = group.map_or(i..i + 1, |g| g.first..g.end);
            let is_held = units.clone().any(|j| bit(&self.held, j, chain));
            if self.lanes >> chain & 1 == 0 || is_held {
                if bit(got, i, chain) != bit(&self.x, i, chain) {
                    return Some(format!("unit {i} of chain {chain} is held"));
                }
                continue;
            }
            let is_new = |j: usize| (place_of[j] < place_of[i]) != self.is_falling;
            let on = |j: usize| bit(if is_new(j) { got } else { &self.x }, j, chain);
            let y = |i: usize| {
                let none = (&[][..], &[][..]);
                let near = if self.is_coupled {
                    self.couplings.of(i)
                } else {
                    none
                };
                f64::from(self.beta * reference::input(near, self.bias[i], on))
            };
            let row = self.first_chain + chain;
            let draw = |i: usize, p: f64| self.draws.bernoulli(row, place_of[i], p as f32);
            let drawn = |by: f64| match group {
                None => draw(i, reference::sigmoid(y(i)) + by),
                Some(_) => {
                    let p = |k: usize, p: f64| draw(units.start + k, p + by);
                    i == units.start + reference::choice(units.clone().map(y), p)
                }
            };
            let error = 2e-6;
            if drawn(-error) == drawn(error) && bit(got, i, chain) != drawn(0.0) {
                return Some(format!("unit {i} of chain {chain}"));
            }
        }
        None
    }
}

proptest! {
    #[test]
    fn sweeps_and_energies_are_those_of_their_twins(
        words in prop::collection::vec(any::<(u64, u64, u64)>(), 2..60),
        lanes in prop_oneof![Just(u64::MAX), Just(0x1F_FFFF)],
        first_chain in prop_oneof![Just(0), Just(128)],
        beta in 0.0_f32..2.0,
        is_coupled in any::<bool>(),
        is_falling in any::<bool>(),
        sizes in prop::collection::vec((0_usize..3, 1_usize..6), 0..6),
        has_groups in any::<bool>(),
        most in 0_usize..=MOST_NEIGHBORS,
        seed in any::<u64>(),
    ) {
        let n = words.len();
        let groups = if has_groups { groups(&sizes, n) } else { Vec::new() };
        let couplings = couplings(n, &groups);
        let order = match has_groups {
            true => Order::by_number(n),
            false => Order::by_classes(&classes(&couplings)),
        };
        let case = Case {
            x: words.iter().map(|(x, ..)| x & lanes).collect(),
            // A quarter is held.
            held: words.iter().map(|(_, a, b)| a & b).collect(),
            is_coupled,
            is_falling,
            bias: (0..n).map(|i| i as f32 % 3.0 / 2.0 - 0.5).collect(),
            first_chain,
            lanes,
            beta,
            draws: Draws::new(seed, Site::Gibbs, 3).from_row(4),
            couplings,
            order,
            groups,
        };
        let mut first = None;
        let energies = reference::negative_energies(|i| case.couplings.of(i), &case.bias, &case.x);
        for isa in Isa::available() {
            let got = case.swept(isa, None, std::slice::from_ref(&(0..n)));
            prop_assert_eq!(case.fault(&got), None, "{}", isa);
            prop_assert_eq!(first.get_or_insert_with(|| got.clone()), &got, "{}", isa);
            // Tables give the same bits, and so do parts of classes.
            let mut tables = Tables::default();
            tables.fill_on(isa, &case.couplings, &case.bias, beta, most);
            let by_tables = case.swept(isa, Some(&tables), std::slice::from_ref(&(0..n)));
            prop_assert_eq!(&by_tables, &got, "{}", isa);
            if case.groups.is_empty() {
                let mut parts: Vec<_> = (0..case.order.classes())
                    .flat_map(|k| {
                        let class = case.order.class(k);
                        let middle = class.start + class.len() / 3;
                        [class.start..middle, middle..class.end]
                    })
                    .collect();
                if is_falling {
                    parts.reverse();
                }
                prop_assert_eq!(&case.swept(isa, Some(&tables), &parts), &got, "{}", isa);
            }
            let mut out = [1.0; 64];
            dispatch_on(isa, NegativeEnergies {
                couplings: &case.couplings,
                bias: &case.bias,
                x: &case.x,
                out: &mut out,
            });
            prop_assert_eq!(&out[..], &energies[..]);
        }
    }
}

proptest! {
    #[test]
    fn dense_sweeps_are_those_of_their_twins(
        n in 1_usize..70,
        words in 1_usize..=MOST_WORDS,
        is_partial in any::<bool>(),
        beta in 0.0_f32..2.0,
        is_falling in any::<bool>(),
        density in 0.2..1.0,
        seed in any::<u64>(),
    ) {
        let mut rng = crate::rng::HostRng::numbered(seed, 9);
        let mut couplings = vec![vec![0.0_f32; n]; n];
        for (i, j) in (0..n).flat_map(|i| (0..i).map(move |j| (i, j))) {
            if rng.uniform() < density {
                couplings[i][j] = rng.normal() as f32 * 0.3;
                couplings[j][i] = couplings[i][j];
            }
        }
        let mut rows = Rows::new(n);
        for (i, row) in couplings.iter().enumerate() {
            rows.row_mut(i).copy_from_slice(row);
        }
        let bias: Vec<f32> = (0..n).map(|_| rng.normal() as f32).collect();
        let mut lanes = [u64::MAX; MOST_WORDS];
        if is_partial {
            lanes[words - 1] = 0x1F_FFFF;
        }
        let x: Vec<u64> = (0..words * n).map(|k| rng.next_u64() & lanes[k / n]).collect();
        // A quarter is held.
        let held: Vec<u64> = (0..words * n).map(|_| rng.next_u64() & rng.next_u64()).collect();
        let mut units: Vec<u32> = (0..n as u32).collect();
        rng.shuffle(&mut units);
        let order = Order::by_classes(&units.iter().map(|&i| vec![i]).collect::<Vec<_>>());
        let draws = Draws::new(seed, Site::Gibbs, 3).from_row(8);
        let mut first = None;
        for isa in Isa::available() {
            let mut got = x.clone();
            dense::dense_sweep_on(isa, DenseSweep {
                couplings: &rows,
                order: &order,
                is_falling,
                bias: &bias,
                x: shared(&mut got),
                held: &held,
                first_chain: 64,
                lanes,
                beta,
                draws,
            });
            prop_assert_eq!(first.get_or_insert_with(|| got.clone()), &got, "{}", isa);
            for (word, chain) in (0..words).flat_map(|w| (0..64).map(move |c| (w, c))) {
                let bit = |x: &[u64], i: usize| x[word * n + i] >> chain & 1 == 1;
                for (place, &i) in units.iter().enumerate() {
                    let i = i as usize;
                    if lanes[word] >> chain & 1 == 0 || bit(&held, i) {
                        prop_assert_eq!(bit(&got, i), bit(&x, i));
                        continue;
                    }
                    // Sums of five, in order.
                    let is_new = |j: usize| {
                        let other = units.iter().position(|&k| k as usize == j).unwrap();
                        (other < place) != is_falling
                    };
                    let mut y = bias[i];
                    for (g, five) in couplings[i].chunks(5).enumerate() {
                        let on = |k: usize| {
                            let j = 5 * g + k;
                            bit(if is_new(j) { &got } else { &x }, j)
                        };
                        let terms = five.iter().enumerate().filter(|(k, _)| on(*k));
                        y += terms.fold(0.0, |sum, (_, a)| sum + a);
                    }
                    let p = reference::sigmoid(f64::from(beta * y));
                    let row = 64 + 64 * word + chain;
                    let draw = |by: f64| draws.bernoulli(row, place, (p + by) as f32);
                    if draw(-2e-6) == draw(2e-6) {
                        prop_assert_eq!(bit(&got, i), draw(0.0), "{} unit {} row {}", isa, i, row);
                    }
                }
            }
        }
    }
}

/// A unit of every degree that has a table meets all states of its neighbors: its table holds the
/// mean of each.
#[test]
fn tables_hold_the_mean_of_every_state() {
    for degree in 0..=MOST_NEIGHBORS {
        let star = |i: usize| if i == 0 { 1..degree as u32 + 1 } else { 0..1 };
        let mut couplings = Neighbors::new((0..=degree).map(star));
        for i in 0..=degree {
            let (near, values) = couplings.of_mut(i);
            let pairs = values.iter_mut().zip(near);
            pairs.for_each(|(a, &j)| *a = (i as f32 + j as f32) * 0.3 - 1.1);
        }
        let bias: Vec<f32> = (0..=degree).map(|i| 0.2 - i as f32).collect();
        for isa in Isa::available() {
            let mut tables = Tables::default();
            tables.fill_on(isa, &couplings, &bias, 0.7, MOST_NEIGHBORS);
            // SAFETY: there is a unit 0.
            let table = unsafe { tables.of_unit(0) }.unwrap();
            for state in 0..1 << degree {
                let on = |j: usize| state >> (j - 1) & 1 == 1;
                let y = 0.7 * reference::input(couplings.of(0), bias[0], on);
                let p = reference::sigmoid(y.into());
                let mean = f64::from(table.means[state]);
                assert!((mean - p).abs() < 1e-6, "{isa}: {state}");
                assert_eq!(table.first[state], (256.0 * mean) as u8);
                let rest = 256.0 * mean - f64::from(table.first[state]);
                assert_eq!(table.next[state], (256.0 * rest) as u8);
            }
        }
    }
}

/// Certain draws: the thresholds of 0 and 1 and what ties with them.
#[test]
fn means_of_zero_and_one_are_certain() {
    let couplings = Neighbors::new((0..2).map(|i| std::iter::once(1 - i as u32)));
    for (bias, expected) in [(200.0, u64::MAX), (-200.0, 0)] {
        for isa in Isa::available() {
            let mut tables = Tables::default();
            tables.fill_on(isa, &couplings, &[bias; 2], 1.0, MOST_NEIGHBORS);
            for step in 0..50 {
                let mut x = [0x0123_4567_89AB_CDEF; 2];
                let order = Order::by_number(2);
                sweep_on(
                    isa,
                    &Sweep {
                        couplings: Some(&couplings),
                        order: &order,
                        places: 0..2,
                        is_falling: false,
                        groups: &[],
                        bias: &[bias; 2],
                        tables: Some(&tables),
                        x: shared(&mut x),
                        held: &[],
                        first_chain: 0,
                        lanes: [u64::MAX; MOST_WORDS],
                        beta: 1.0,
                        draws: Draws::new(1, Site::Gibbs, step),
                    },
                );
                assert_eq!(x, [expected; 2], "{isa}");
            }
        }
    }
}
