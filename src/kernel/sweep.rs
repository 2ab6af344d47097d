//! Gibbs sweeps unit by unit, 64 chains a word: the bits of 64 chains are one word a unit, so that
//! the input of a unit in 64 chains is a sum of as many vector additions as it has neighbors,
//! masked by their words. Nothing is multiplied, and one pass over the couplings serves 64 chains.

use super::{
    activation::{inverse_sigmoid_lanes, softplus_lanes},
    bernoulli::Uniforms,
};
use crate::{
    bits::WORD_BITS,
    rng::Draws,
    simd::{Operation, Simd, dispatch},
};

/// A symmetric sparse matrix by rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbors {
    /// Where the neighbors of each unit start; one more for the end.
    starts: Vec<usize>,
    /// Neighbors, rising.
    units: Vec<u32>,
    values: Vec<f32>,
}

impl Neighbors {
    /// Zeros at the rising neighbors of each unit.
    pub(crate) fn new(of_units: impl Iterator<Item = impl Iterator<Item = u32>>) -> Self {
        let (mut starts, mut units) = (vec![0], Vec::new());
        for neighbors in of_units {
            units.extend(neighbors);
            starts.push(units.len());
        }
        let values = vec![0.0; units.len()];
        Self {
            starts,
            units,
            values,
        }
    }

    /// Rows.
    pub(crate) fn units(&self) -> usize {
        self.starts.len() - 1
    }

    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Neighbors of unit `i`, rising, and their elements.
    #[inline(always)]
    pub(crate) fn of(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.units[range.clone()], &self.values[range])
    }

    /// The same, with elements to be changed.
    pub(crate) fn of_mut(&mut self, i: usize) -> (&[u32], &mut [f32]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.units[range.clone()], &mut self.values[range])
    }
}

/// Consecutive units of which exactly one is on, and which are not coupled with one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) first: usize,
    pub(crate) end: usize,
}

/// Draws every unit that is not held from `sigma(beta (A_i x + a_i))`, in order. Row = unit,
/// column = chain of the draws. The same bits on every instruction set. On the calling thread.
///
/// Of a group one unit is drawn with `P(k) ~ e^(y_k)`, `y = beta (A x + a)`, all held if one is:
/// unit after unit takes over from those before it with `sigma(y_k - ln sum_{j<k} e^(y_j))`, and
/// the last one that did is on. That is one pass without a buffer of inputs, and a uniform a unit.
pub(crate) fn sweep(job: Sweep<'_>) {
    dispatch(job);
}

/// `out = sum_i x_i (a_i + sum_{j<i} A_ij x_j)` of the chains of a word, inputs in f32 and their
/// sum in f64: the same bits on every instruction set. On the calling thread.
pub(crate) fn negative_energies(couplings: &Neighbors, bias: &[f32], x: &[u64], out: &mut [f64]) {
    dispatch(NegativeEnergies {
        couplings,
        bias,
        x,
        out,
    });
}

/// One sweep over the units of up to 64 chains, whose bits are one word a unit.
pub(crate) struct Sweep<'a> {
    /// None: every unit by itself.
    pub(crate) couplings: Option<&'a Neighbors>,
    /// Whether the units come in the opposite order.
    pub(crate) is_falling: bool,
    /// Rising.
    pub(crate) groups: &'a [Group],
    pub(crate) bias: &'a [f32],
    /// `[units]`.
    pub(crate) x: &'a mut [u64],
    /// Likewise, ones where a unit of a chain is held; empty if none is.
    pub(crate) held: &'a [u64],
    /// Column of the first chain.
    pub(crate) first_chain: usize,
    /// Ones where there are chains.
    pub(crate) lanes: u64,
    pub(crate) beta: f32,
    pub(crate) draws: Draws,
}

impl Operation for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::LANES {
            16 => self.sweep::<S, 4>(s),
            8 => self.sweep::<S, 8>(s),
            lanes => unreachable!("{lanes} lanes"),
        }
    }
}

impl Sweep<'_> {
    /// `V` vectors are 64 floats.
    #[inline(always)]
    fn sweep<S: Simd, const V: usize>(mut self, s: S) {
        let uniforms = Uniforms::new(s, self.draws);
        let n = self.x.len();
        let mut left = self.groups;
        let mut done = 0;
        while done < n {
            let i = if self.is_falling { n - 1 - done } else { done };
            if let Some(group) = next_group(&mut left, i, self.is_falling) {
                self.draw_group::<S, V>(s, &uniforms, group);
                done += group.end - group.first;
                continue;
            }
            done += 1;
            let held = self.held.get(i).copied().unwrap_or(0);
            if held & self.lanes == self.lanes {
                continue;
            }
            let y = self.inputs::<S, V>(s, i);
            let word = self.drawn(s, &uniforms, i, &y);
            self.x[i] = (self.x[i] & held) | (word & !held & self.lanes);
        }
    }

    /// `beta (A_i x + a_i)` of 64 chains.
    #[inline(always)]
    fn inputs<S: Simd, const V: usize>(&self, s: S, i: usize) -> [S::F; V] {
        let beta = s.splat(self.beta);
        let mut y = [s.splat(self.bias[i]); V];
        if let Some(couplings) = self.couplings {
            add_couplings(s, couplings.of(i), self.x, &mut y);
        }
        y.map(|y| s.mul(beta, y))
    }

    /// Ones with probability `sigma(y)`: the draws of unit `i`.
    #[inline(always)]
    fn drawn<S: Simd, const V: usize>(
        &self,
        s: S,
        uniforms: &Uniforms<S>,
        i: usize,
        y: &[S::F; V],
    ) -> u64 {
        let upper = uniforms.is_upper(i);
        let mut word = 0;
        for (k, y) in y.chunks_exact(2).enumerate() {
            let column = self.first_chain + 2 * k * S::LANES;
            let words = uniforms.of_row(s, i, column);
            for (v, &y) in y.iter().enumerate() {
                let first = column + v * S::LANES;
                let inverse = inverse_sigmoid_lanes(s, y);
                let bits =
                    uniforms.draw_inverse(s, words[v], upper, inverse, |lane| (i, first + lane));
                word |= u64::from(bits) << (first - self.first_chain);
            }
        }
        word
    }

    #[inline(always)]
    fn draw_group<S: Simd, const V: usize>(&mut self, s: S, uniforms: &Uniforms<S>, group: Group) {
        let units = group.first..group.end;
        let held = self.held.get(units.clone()).unwrap_or(&[]);
        let held = held.iter().fold(0, |all, held| all | held);
        if held & self.lanes == self.lanes {
            return;
        }
        let free = !held & self.lanes;
        let mut sums = self.inputs::<S, V>(s, group.first);
        self.x[group.first] = (self.x[group.first] & held) | free;
        for i in group.first + 1..group.end {
            let mut y = self.inputs::<S, V>(s, i);
            for (y, sum) in y.iter_mut().zip(&mut sums) {
                let x = s.sub(*y, *sum);
                *sum = s.add(*sum, softplus_lanes(s, x));
                *y = x;
            }
            let word = self.drawn(s, uniforms, i, &y);
            self.x[i] = (self.x[i] & held) | (word & free);
        }
        let mut later = 0;
        for x in self.x[units].iter_mut().rev() {
            let taken = *x & free;
            *x &= !(taken & later);
            later |= taken;
        }
    }
}

/// The first or the last of the groups if unit `i` is in it, which is then taken away.
#[inline(always)]
fn next_group(left: &mut &[Group], i: usize, is_falling: bool) -> Option<Group> {
    let (group, rest) = match is_falling {
        true => left.split_last()?,
        false => left.split_first()?,
    };
    (group.first..group.end).contains(&i).then(|| {
        *left = rest;
        *group
    })
}

/// `y += A_i x` in 64 chains, neighbors in order. Products by 0 or 1 are exact, so that any
/// multiply-add gives the same bits.
#[inline(always)]
fn add_couplings<S: Simd, const V: usize>(
    s: S,
    (neighbors, values): (&[u32], &[f32]),
    x: &[u64],
    y: &mut [S::F; V],
) {
    for (&j, &a) in neighbors.iter().zip(values) {
        let (word, a) = (x[j as usize], s.splat(a));
        for (v, y) in y.iter_mut().enumerate() {
            *y = s.mul_add_fast(a, s.expand((word >> (v * S::LANES)) as u32), *y);
        }
    }
}

/// [`negative_energies`] as an operation.
struct NegativeEnergies<'a> {
    couplings: &'a Neighbors,
    bias: &'a [f32],
    x: &'a [u64],
    out: &'a mut [f64],
}

impl Operation for NegativeEnergies<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::LANES {
            16 => self.add::<S, 4>(s),
            8 => self.add::<S, 8>(s),
            lanes => unreachable!("{lanes} lanes"),
        }
    }
}

impl NegativeEnergies<'_> {
    #[inline(always)]
    fn add<S: Simd, const V: usize>(self, s: S) {
        self.out.fill(0.0);
        let mut buffer = [0.0; WORD_BITS];
        for i in 0..self.x.len() {
            let (neighbors, values) = self.couplings.of(i);
            let below = neighbors.partition_point(|&j| (j as usize) < i);
            let mut y = [s.splat(self.bias[i]); V];
            add_couplings(s, (&neighbors[..below], &values[..below]), self.x, &mut y);
            for (to, y) in buffer.chunks_exact_mut(S::LANES).zip(y) {
                s.store(to, y);
            }
            let word = self.x[i];
            for (lane, (sum, y)) in self.out.iter_mut().zip(buffer).enumerate() {
                if word >> lane & 1 == 1 {
                    *sum += f64::from(y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// A ring with chords, but for pairs within a group.
    fn couplings(n: usize, groups: &[Group]) -> Neighbors {
        let of = |i: usize| {
            let group = groups.iter().find(|g| (g.first..g.end).contains(&i));
            let near = move |&j: &usize| {
                let is_within = group.is_some_and(|g| (g.first..g.end).contains(&j));
                let is_near = i.abs_diff(j) % (n - 1) < 2 || (i + j).is_multiple_of(5);
                i != j && !is_within && is_near
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

    proptest! {
        #[test]
        fn sweeps_and_energies_are_those_of_their_twins(
            words in prop::collection::vec(any::<(u64, u64)>(), 2..40),
            lanes in prop_oneof![Just(u64::MAX), Just(0x1F_FFFF)],
            first_chain in prop_oneof![Just(0), Just(128)],
            beta in 0.0_f32..2.0,
            is_coupled in any::<bool>(),
            is_falling in any::<bool>(),
            sizes in prop::collection::vec((0_usize..3, 1_usize..6), 0..6),
            seed in any::<u64>(),
        ) {
            let n = words.len();
            let (x, held): (Vec<u64>, Vec<u64>) = words.into_iter().map(|(x, held)| (x & lanes, held)).unzip();
            let groups = groups(&sizes, n);
            let couplings = couplings(n, &groups);
            let bias: Vec<f32> = (0..n).map(|i| i as f32 % 3.0 / 2.0 - 0.5).collect();
            let draws = Draws::new(seed, Site::Gibbs, 3);
            let of = |i: usize| if is_coupled { couplings.of(i) } else { (&[][..], &[][..]) };
            let energies = reference::negative_energies(|i| couplings.of(i), &bias, &x);
            for isa in Isa::available() {
                let mut got = x.clone();
                dispatch_on(isa, Sweep {
                    couplings: is_coupled.then_some(&couplings),
                    is_falling, groups: &groups,
                    bias: &bias, x: &mut got, held: &held, first_chain, lanes, beta, draws,
                });
                // The twin walks the states that the kernel drew, so that one draw within the error
                // of the sigmoid does not change the next.
                for (i, chain) in (0..n).flat_map(|i| (0..64).map(move |k| (i, k))) {
                    let bit = |words: &[u64], j: usize| words[j] >> chain & 1 == 1;
                    let group = groups.iter().find(|g| (g.first..g.end).contains(&i));
                    let units = group.map_or(i..i + 1, |g| g.first..g.end);
                    if lanes >> chain & 1 == 0 || units.clone().any(|j| bit(&held, j)) {
                        prop_assert_eq!(bit(&got, i), bit(&x, i));
                        continue;
                    }
                    let on = |j: usize| bit(if (j < i) != is_falling { &got } else { &x }, j);
                    let y = |i: usize| f64::from(beta * reference::input(of(i), bias[i], on));
                    let draw = |i: usize, p: f64| draws.bernoulli(i, first_chain + chain, p as f32);
                    let error = 2e-6;
                    let drawn = |by: f64| match group {
                        None => draw(i, reference::sigmoid(y(i)) + by),
                        Some(_) => i == units.start + reference::choice(
                            units.clone().map(y),
                            |k, p| draw(units.start + k, p + by),
                        ),
                    };
                    if drawn(-error) == drawn(error) {
                        prop_assert_eq!(bit(&got, i), drawn(0.0), "{} unit {} chain {}", isa, i, chain);
                    }
                }
                let mut out = [1.0; 64];
                dispatch_on(isa, NegativeEnergies { couplings: &couplings, bias: &bias, x: &x, out: &mut out });
                prop_assert_eq!(&out[..], &energies[..]);
            }
        }
    }
}
