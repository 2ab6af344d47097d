//! Statistics of few samples, exact to f32: the states of one layer, times the weights of their
//! phases, are rows that are added up where units of the other are on. All phases are one sum, in
//! order: one of the dense product's blocks.

use super::{
    Phase, StatisticsTile,
    few::{self, AddRows, BLOCK_INPUTS},
    tile::Target,
};
use crate::{
    bits::{BitView, WORD_BITS, transpose_block},
    matrix::{Aligned, ROW_ALIGN_FLOATS, aligned},
    simd::{Operation, Simd, dispatch},
    states::Input,
};
use std::ops::Range;

/// Visible units of a tile: it stays in the first cache until it is taken.
const TILE_UNITS: usize = 16;

/// The samples of all phases; buffers are kept between calls.
#[derive(Clone, Debug)]
pub(super) struct SummedSamples {
    /// Samples by visible unit, `[units][words of samples]`.
    words: Vec<u64>,
    units: usize,
    samples: usize,
    /// Hidden states times weights, `[samples x stride]`.
    hidden: Aligned<f32>,
    n_hidden: usize,
    stride: usize,
}

impl Default for SummedSamples {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            units: 0,
            samples: 0,
            hidden: aligned(0, 0.0),
            n_hidden: 0,
            stride: 0,
        }
    }
}

impl SummedSamples {
    /// Whether these phases are few samples of binary visible units.
    pub(super) fn takes(phases: &[Phase<'_>]) -> bool {
        let samples = phases.iter().map(|p| p.visible.rows()).sum();
        let are_bits = phases.iter().all(|p| matches!(p.visible, Input::Bits(_)));
        (1..=BLOCK_INPUTS).contains(&samples) && are_bits
    }

    /// Takes the samples of phases that [`Self::takes`]; allocates only to grow.
    pub(super) fn fill(&mut self, phases: &[Phase<'_>], units: usize, n_hidden: usize) {
        self.units = units;
        self.samples = phases.iter().map(|p| p.visible.rows()).sum();
        self.n_hidden = n_hidden;
        self.stride = n_hidden.next_multiple_of(ROW_ALIGN_FLOATS);
        self.turn(phases);
        let size = self.samples * self.stride;
        if self.hidden.len() < size {
            self.hidden.resize(size, 0.0);
        }
        let mut rest = &mut self.hidden[..size];
        for phase in phases {
            let (own, others) = rest.split_at_mut(phase.hidden.rows() * self.stride);
            rest = others;
            dispatch(Weigh {
                phase,
                to: own,
                stride: self.stride,
            });
        }
    }

    /// The bits of the samples by unit.
    fn turn(&mut self, phases: &[Phase<'_>]) {
        let words = self.samples.div_ceil(WORD_BITS);
        let columns = self.units.div_ceil(WORD_BITS);
        self.words.resize(columns * WORD_BITS * words, 0);
        for column in 0..columns {
            let bits = phases.iter().flat_map(|phase| match phase.visible {
                Input::Bits(x) => (0..x.rows()).map(move |row| x.row(row)[column]),
                Input::Real(_) => unreachable!("bits alone are taken"),
            });
            let to = &mut self.words[column * WORD_BITS * words..][..WORD_BITS * words];
            let mut square = [0; WORD_BITS];
            let mut filled = 0;
            for (k, word) in bits.enumerate() {
                square[k % WORD_BITS] = word;
                filled = k % WORD_BITS + 1;
                if filled == WORD_BITS {
                    turn_square(&mut square, to, k / WORD_BITS, words);
                    filled = 0;
                }
            }
            if filled > 0 {
                square[filled..].fill(0);
                turn_square(&mut square, to, words - 1, words);
            }
        }
    }

    /// Hands tiles of `units`, all of the target, on one after the other; rows of a tile are
    /// `stride` floats apart.
    pub(super) fn hand_on(
        &self,
        units: Range<usize>,
        tile: &mut [f32],
        stride: usize,
        mut target: impl Target,
    ) {
        for first in units.clone().step_by(TILE_UNITS) {
            let n = (units.end - first).min(TILE_UNITS);
            let tile = &mut tile[..n * stride];
            few::add(AddRows {
                x: BitView::of_words(&self.words, self.units, self.samples),
                rows: first..first + n,
                weights: &self.hidden,
                weights_stride: self.stride,
                columns: 0..self.n_hidden,
                product: tile,
                stride,
                adds: false,
            });
            let tile = StatisticsTile {
                at: [first, 0],
                rows: n,
                values: tile,
                stride,
            };
            target.take(first - units.start, tile);
        }
        target.finish();
    }
}

/// Word `at` of the `words` of each unit of `to`, of the samples in `square`.
fn turn_square(square: &mut [u64; WORD_BITS], to: &mut [u64], at: usize, words: usize) {
    let mut turned = *square;
    transpose_block(&mut turned);
    for (to, word) in to.chunks_exact_mut(words).zip(turned) {
        to[at] = word;
    }
}

/// Hidden states of a phase times the weight of their sample.
struct Weigh<'a> {
    phase: &'a Phase<'a>,
    to: &'a mut [f32],
    stride: usize,
}

impl Operation for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Phase {
            hidden,
            weight,
            of_rows,
            ..
        } = *self.phase;
        for (row, to) in self.to.chunks_exact_mut(self.stride).enumerate() {
            let weight = s.splat(weight * of_rows.map_or(1.0, |w| w[row]));
            let to = to.chunks_exact_mut(S::LANES).enumerate();
            match hidden {
                Input::Real(x) => {
                    let from = &x.padded()[row * x.stride()..][..self.stride];
                    for (k, to) in to {
                        s.store(to, s.mul(s.load(&from[k * S::LANES..]), weight));
                    }
                }
                Input::Bits(x) => {
                    let words = x.row(row);
                    for (k, to) in to {
                        let at = k * S::LANES;
                        let bits = words[at / WORD_BITS] >> (at % WORD_BITS);
                        s.store(to, s.mul(s.expand(bits as u32), weight));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        matrix::Matrix,
        product::{
            PhaseTables, Statistics,
            dense::{Provider, provider},
        },
        rng::HostRng,
        simd::{Isa, dispatch_on},
    };
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        /// Plain sums over the samples of all phases, in order, to the bit.
        #[test]
        fn few_samples_are_plain_sums(
            samples in [0_usize..90, 0_usize..90, 1_usize..70],
            units in 1_usize..300,
            hidden in 1_usize..150,
            binary in any::<bool>(),
            weighted in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let mut rng = HostRng::numbered(seed, 74);
            let v = samples.map(|n| BitMatrix::from_fn(n, units, |_, _| rng.uniform() < 0.4));
            let h = samples.map(|n| Matrix::from_fn(n, hidden, |_, _| {
                let p = rng.uniform() as f32;
                if binary { p.round() } else { p }
            }));
            let bits = h.each_ref().map(|h| BitMatrix::from_matrix(h).ok().filter(|_| binary));
            let factors = samples.map(|n| (0..n).map(|s| 0.5 + (s % 3) as f32).collect::<Vec<_>>());
            let phases: [Phase<'_>; 3] = std::array::from_fn(|k| {
                let states = bits[k].as_ref().map_or((&h[k]).into(), Into::into);
                let of_rows = weighted.then_some(&factors[k][..]);
                Phase::new((&v[k]).into(), states, [0.1, -0.3, 0.7][k]).weighted(of_rows)
            });
            prop_assert!(SummedSamples::takes(&phases));
            if provider() != Provider::Native {
                return Ok(()); // forced onto other dense products, which add in another order
            }
            let expected = Matrix::from_fn(units, hidden, |i, j| {
                let mut sum = 0.0;
                for (k, phase) in phases.iter().enumerate() {
                    for s in (0..samples[k]).filter(|&s| v[k].get(s, i)) {
                        let factor = if weighted { factors[k][s] } else { 1.0 };
                        sum += h[k].row(s)[j] * (phase.weight * factor);
                    }
                }
                sum
            });
            let mut tables = PhaseTables::default();
            let statistics = Statistics::new(&phases, units, hidden).unwrap();
            let mut got = Matrix::zeros(units, hidden);
            statistics.fastest(false, &mut tables).write_to(&mut got).unwrap();
            prop_assert_eq!(&got, &expected);
        }

        /// Weighed states are the same bits on every instruction set.
        #[test]
        fn states_are_weighed_alike_on_every_isa(
            rows in 1_usize..5,
            hidden in 1_usize..150,
            binary in any::<bool>(),
        ) {
            let h = Matrix::from_fn(rows, hidden, |i, j| match (i * 7 + j * 3) % 5 {
                k if binary => f32::from(k < 2),
                k => k as f32 / 3.0,
            });
            let bits = BitMatrix::from_matrix(&h).ok().filter(|_| binary);
            let v = BitMatrix::zeros(rows, 1);
            let states = bits.as_ref().map_or((&h).into(), Into::into);
            let phase = Phase::new((&v).into(), states, -0.3);
            let stride = hidden.next_multiple_of(ROW_ALIGN_FLOATS);
            for isa in Isa::available() {
                let mut to = vec![f32::NAN; rows * stride];
                dispatch_on(isa, Weigh { phase: &phase, to: &mut to, stride });
                for (i, to) in to.chunks(stride).enumerate() {
                    for (j, to) in to.iter().enumerate() {
                        let x = h.row(i).get(j).map_or(0.0, |x| x * -0.3);
                        prop_assert_eq!(*to, x, "{}, ({}, {})", isa, i, j);
                    }
                }
            }
        }
    }
}
