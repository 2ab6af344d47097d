//! Statistics of few samples, exact to f32: the states of one layer, times the weights of their
//! phases, are rows that are added up where units of the other are on. All phases are one sum, in
//! order: one of the dense product's blocks.

use super::{
    few::{self, AddRows, BLOCK_INPUTS},
    outer::Phase,
};
use crate::{
    bits::{BitView, WORD_BITS, transpose_block},
    matrix::{Aligned, ROW_ALIGN_FLOATS, aligned},
    simd::{Operation, Simd, dispatch},
    states::Input,
};
use std::ops::Range;

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

    /// Writes the statistics of `units` to `tile`, rows `stride` apart; anything beyond the hidden
    /// units.
    pub(super) fn write(&self, units: Range<usize>, tile: &mut [f32], stride: usize) {
        few::add(AddRows {
            x: BitView::of_words(&self.words, self.units, self.samples),
            rows: units,
            weights: &self.hidden,
            weights_stride: self.stride,
            columns: 0..self.n_hidden,
            product: tile,
            stride,
            adds: false,
        });
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
