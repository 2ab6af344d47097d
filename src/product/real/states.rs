//! Real states of a phase in fixed point, so that `V' H` is a product of integers: samples are its
//! inputs, visible units its rows.
//!
//! Of a block of 128 samples `X = floor(2^12 v + d)` and `Y = floor(2^11 h + d)` with the dither
//! `d` of [`crate::product::samples`]: `|v - 2^-12 X| < 2^-12` and `|h - 2^-11 Y| < 2^-11`, without
//! bias along the samples; zeros and ones are exact. Sums of `X Y` are at most `128 2^23 = 2^30`:
//! exact. So statistics are off by less than `weight sum_s (2^-11 v_s + 2^-12 h_s + 2^-23)`, of
//! which most cancels. A look-up of visible bits takes `h` to 2^-8 or so.

use super::{PACK, SlabProduct, are_inside, multiplies_and_adds_at_once};
use crate::{
    matrix::{Aligned, MatrixView, aligned},
    product::{
        quantize::{BLOCK, SLAB, WIDTH},
        samples::{FixedStates, QuantizeStates},
    },
    simd::{Operation, Simd, dispatch},
    states::Input,
    threads::{in_pool, prelude::*},
};
use std::ops::Range;

/// What a visible state of 1 becomes.
const VISIBLE_ONE: f32 = 4096.0;
/// What a hidden state of 1 becomes.
const HIDDEN_ONE: f32 = 2048.0;

/// The states of a phase whose visible ones are real and in [0, 1].
#[derive(Clone, Debug)]
pub(in crate::product) struct RealStates {
    /// `X`: `[block of samples][unit, padded to WIDTH][BLOCK samples]`.
    visible: Aligned<i16>,
    units: usize,
    /// `Y`.
    hidden: FixedStates,
}

impl Default for RealStates {
    fn default() -> Self {
        Self {
            visible: aligned(0, 0),
            units: 0,
            hidden: FixedStates::default(),
        }
    }
}

impl RealStates {
    /// Takes the states of a phase and tells whether all visible ones are in [0, 1]: otherwise what
    /// is here is of no use. Hidden ones are in [-1, 1]. Allocates only to grow.
    pub(in crate::product) fn fill(&mut self, v: MatrixView<'_>, h: Input<'_>) -> bool {
        self.units = v.columns().next_multiple_of(WIDTH);
        let slabs = self.units / WIDTH;
        let size = v.rows().div_ceil(BLOCK) * slabs * SLAB;
        if self.visible.len() < size {
            self.visible.resize(size, 0);
        }
        let all = self.visible[..size].par_chunks_mut(SLAB).enumerate();
        let are_inside = in_pool(|| {
            all.all(|(at, to)| {
                let (block, first) = (at / slabs, at % slabs * WIDTH);
                let rows = block * BLOCK..((block + 1) * BLOCK).min(v.rows());
                dispatch(TurnStates {
                    v: v.view_rows(rows),
                    first,
                    to,
                })
            })
        });
        if are_inside {
            self.hidden.fill_to(h, HIDDEN_ONE);
        }
        are_inside
    }

    /// `tile += weight V[.., units]' H[.., hidden]`, the tile's rows `stride` apart; `hidden`
    /// starts at a multiple of `WIDTH`, and up to the next one beyond its end the tile may be
    /// overwritten with finite numbers.
    pub(in crate::product) fn add_outer(
        &self,
        units: Range<usize>,
        hidden: Range<usize>,
        weight: f32,
        tile: &mut [f32],
        stride: usize,
    ) {
        assert!(hidden.start.is_multiple_of(WIDTH) && units.end <= self.units);
        assert!(hidden.len().next_multiple_of(WIDTH) <= stride);
        if units.is_empty() {
            return;
        }
        let at_once = multiplies_and_adds_at_once();
        PACK.with_borrow_mut(|packed| {
            for output in hidden.clone().step_by(WIDTH) {
                for block in 0..self.hidden.blocks() {
                    let slab = self.hidden.slab(output, block, weight);
                    dispatch(SlabProduct {
                        slab: slab.weights,
                        inputs: slab.inputs,
                        step: slab.step / VISIBLE_ONE,
                        taken: 0,
                        x: &self.visible[(block * self.units + units.start) * BLOCK..],
                        x_stride: BLOCK,
                        rows: units.len(),
                        product: &mut tile[output - hidden.start..],
                        stride,
                        packed,
                        at_once,
                    });
                }
            }
        });
    }
}

/// Up to `BLOCK` samples of `WIDTH` units from `first` on, by unit; whether all are in [0, 1].
struct TurnStates<'a> {
    v: MatrixView<'a>,
    first: usize,
    /// `[WIDTH units][BLOCK samples]`, zeros where there is none.
    to: &'a mut [i16],
}

impl Operation for TurnStates<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let Self { v, first, to } = self;
        let units = first..(first + WIDTH).min(v.columns());
        for i in 0..v.rows() {
            let mut row = [0.0; WIDTH];
            let from = &v.row(i)[units.clone()];
            row[..from.len()].copy_from_slice(from);
            if !are_inside(s, &row) {
                return false;
            }
        }
        let mut slab = [0_i16; SLAB];
        let quantize = QuantizeStates {
            h: Input::Real(v),
            first,
            scale: VISIBLE_ONE,
            slab: &mut slab,
        };
        quantize.run(s);
        assert!(to.len() == SLAB);
        let side = 2 * S::LANES;
        for i in (0..BLOCK).step_by(side) {
            for j in (0..WIDTH).step_by(side) {
                // SAFETY: squares of `side` within `BLOCK x WIDTH` and `WIDTH x BLOCK` integers.
                unsafe {
                    let from = slab.as_ptr().add(i * WIDTH + j);
                    s.transpose_words(from, WIDTH, to.as_mut_ptr().add(j * BLOCK + i), BLOCK);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        matrix::Matrix,
        product::{Phase, PhaseTables, Statistics},
        rng::HostRng,
        simd::{dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    fn random(rows: usize, columns: usize, kind: usize, rng: &mut HostRng) -> Matrix {
        Matrix::from_fn(rows, columns, |_, _| match kind {
            0 => rng.uniform() as f32,
            1 => 1.0,
            2 => (rng.uniform().powi(8)) as f32,
            _ => f32::from(rng.uniform() < 0.4),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// The integers by unit are those by sample, on every instruction set; what is outside is
        /// seen wherever it stands.
        #[test]
        fn integers_by_unit_are_the_same_on_every_set(
            rows in 1_usize..=BLOCK,
            columns in 1_usize..70,
            bad in prop::sample::select(vec![0.5_f32, 1.0, -1e-9, 1.0_f32.next_up(), f32::NAN]),
            seed in any::<u64>(),
        ) {
            let mut rng = HostRng::numbered(seed, 84);
            let mut v = random(rows, columns, 0, &mut rng);
            v.row_mut(rng.below(rows))[rng.below(columns)] = bad;
            let is_inside = (0.0..=1.0).contains(&bad);
            let mut all_inside = true;
            for first in (0..columns).step_by(WIDTH) {
                let (inside, _) = same_on_all(|isa| {
                    let (mut by_unit, mut slab) = (vec![1_i16; SLAB], vec![1_i16; SLAB]);
                    let job = TurnStates { v: v.view(), first, to: &mut by_unit };
                    let is_inside = dispatch_on(isa, job);
                    if !is_inside {
                        return (false, Vec::new());
                    }
                    let h = Input::from(&v);
                    let slab = &mut slab;
                    dispatch_on(isa, QuantizeStates { h, first, scale: VISIBLE_ONE, slab });
                    for (i, row) in slab.chunks(WIDTH).enumerate() {
                        for (j, x) in row.iter().enumerate() {
                            assert_eq!(by_unit[j * BLOCK + i], *x);
                        }
                    }
                    (true, by_unit)
                });
                all_inside &= inside;
            }
            prop_assert_eq!(all_inside, is_inside);
        }

        /// The definition in wide integers, blocks in order, to the bit; and the bound, against
        /// sums in f64.
        #[test]
        fn outer_products_are_their_definition_and_within_the_bound(
            samples in prop::sample::select(vec![1_usize, 2, 99, 100, 127, 128, 129, 300]),
            units in prop::sample::select(vec![1_usize, 31, 64, 100]),
            n_hidden in prop::sample::select(vec![1_usize, 32, 33, 70]),
            kinds in (0_usize..4, 0_usize..4),
            seed in any::<u64>(),
        ) {
            let mut rng = HostRng::numbered(seed, 85);
            let v = random(samples, units, kinds.0, &mut rng);
            let h = random(samples, n_hidden, kinds.1, &mut rng);
            let mut states = RealStates::default();
            prop_assert!(states.fill(v.view(), (&h).into()));
            let stride = n_hidden.next_multiple_of(WIDTH);
            let weight = -0.01;
            let mut tile = vec![0.5; units * stride];
            states.add_outer(0..units, 0..n_hidden, weight, &mut tile, stride);
            for i in 0..units {
                for j in 0..n_hidden {
                    let got = tile[i * stride + j];
                    let expected = (0..samples.div_ceil(BLOCK)).fold(0.5, |sum: f32, block| {
                        let slab = states.hidden.slab(j / WIDTH * WIDTH, block, weight);
                        let at = (block * states.units + i) * BLOCK;
                        let x = &states.visible[at..][..slab.inputs];
                        let pairs = x.iter().enumerate();
                        let of_block: i64 = pairs
                            .map(|(s, &x)| {
                                i64::from(x) * i64::from(slab.weights[s * WIDTH + j % WIDTH])
                            })
                            .sum();
                        sum + of_block as f32 * (slab.step / VISIBLE_ONE)
                    });
                    prop_assert_eq!(got.to_bits(), expected.to_bits());
                    let (mut sum, mut bound) = (0.0, 1e-9);
                    for s in 0..samples {
                        let (v, h) = (f64::from(v.row(s)[i]), f64::from(h.row(s)[j]));
                        sum += v * h;
                        bound += v / 2048.0 + h / 4096.0 + 1.2e-7;
                    }
                    let weight = f64::from(weight);
                    let error = (f64::from(got) - 0.5 - weight * sum).abs();
                    let rounding = 4e-7 * (0.5 - weight * sum);
                    prop_assert!(error <= bound * -weight + rounding, "{error} beyond {bound}");
                }
            }
        }
    }

    /// Phases of bits and of reals beside each other: the same bits of few visible units (panels)
    /// and of many (tiles of registers); close to the dense ones; those themselves where a state is
    /// outside.
    #[test]
    fn phases_of_both_kinds() {
        for (samples, hidden) in [(100, 100), (140, 97)] {
            let (units, mut rng) = (288, HostRng::numbered(5, 86));
            let bits = BitMatrix::from_fn(samples, units, |_, _| rng.uniform() < 0.3);
            let mut real = random(samples, units, 0, &mut rng);
            let h = [0, 2, 0].map(|kind| random(samples, hidden, kind, &mut rng));
            let run = |real: &Matrix, range: Range<usize>, is_fast: bool| {
                let part = |x: &Matrix| {
                    Matrix::from_fn(samples, range.len(), |i, j| x.row(i)[range.start + j])
                };
                let bits = BitMatrix::from_matrix(&part(&bits.to_matrix())).unwrap();
                let real = part(real);
                let phases = [
                    Phase::new((&real).into(), (&h[0]).into(), 0.01),
                    Phase::new((&bits).into(), (&h[1]).into(), -0.004),
                    Phase::new((&real).into(), (&h[2]).into(), -0.006),
                ];
                let mut tables = PhaseTables::default();
                let statistics = Statistics::new(&phases, range.len(), hidden).unwrap();
                let statistics = match is_fast {
                    true => statistics.fastest(true, &mut tables),
                    false => statistics,
                };
                let mut out = Matrix::zeros(range.len(), hidden);
                statistics.write_to(&mut out).unwrap();
                out
            };
            let (fast, dense) = (run(&real, 0..units, true), run(&real, 0..units, false));
            for (a, b) in fast.elements().zip(dense.elements()) {
                assert!((a - b).abs() < 0.01, "{a} for {b}");
            }
            for first in (0..units).step_by(96) {
                let few = run(&real, first..first + 96, true);
                for i in 0..96 {
                    assert_eq!(few.row(i), fast.row(first + i), "{samples}: {first} {i}");
                }
            }
            if crate::product::route() != crate::product::Route::Dense {
                assert_ne!(fast, dense);
            }
            real.row_mut(samples - 1)[units - 1] = 1.5;
            assert_eq!(run(&real, 0..units, true), run(&real, 0..units, false));
        }
    }
}
