//! The sum over the states of a layer in Gray-code order without exponentials: products of sums, in
//! f64.
//!
//! The enumerated units, least significant first, are the low ones (`LOW` states), the middle ones
//! (`ROWS` states), and the high ones. With `a_i` the input of unit `i` of the other layer from its
//! bias, high and middle units, and `d_i` that from the low ones,
//!
//! ```text
//! prod_i (1 + e^(a_i + d_i)) = e^(sum_i a_i) prod_i (g_i + l_i),    g_i = e^-a_i,    l_i = e^d_i
//!
//!   l [m x LOW], a table, never changes         one low state a lane
//!   g [m x ROWS]: a Gray step multiplies        one middle state a row
//!     by e^-+w_ki, the same in all rows
//!   products [ROWS x LOW]: a tile in registers, an addition and a multiplication a unit and state
//! ```
//!
//! so the shape is that of a dense product, and additions and multiplications keep different ports
//! of the CPU busy. After a run of units the binary exponents move from the products to integers.
//! All lanes do the same IEEE operations in the same order with every instruction set, and so have
//! the same bits.
//!
//! # Range
//! `low_i <= ln(g_i + l_i) <= high_i` over all states, with `low_i = max(min -a_i, min d_i)` and
//! `high_i = max(max -a_i, max d_i) + ln 2`. A run of units ends before a partial sum of `low_i` or
//! `high_i` leaves [`RANGE`], so no product (they start in `[1, 2)`) leaves the normal numbers. A
//! machine of which some `a_i` or `d_i` can leave it is refused, and walked with exponentials.
//!
//! # Error
//! With `u = 2^-53`, exponentials good to `2u`, `X = max_i |b_i| + sum_k |w_ki|` (all times
//! `beta`), `Y` the sum of these over `i` plus `sum_k |c_k|`, to first order in `u`, relative
//! errors:
//! - `g_i`: `((n + 2) X + 2) u` at the fresh start of a block, its argument being a sum of at most
//!   `n + 1` products with `beta`; then at most `2^STEP_UNITS` multiplications, the middle one
//!   among them, each by an exponential: `(3 + X) u` each. `l_i`: less.
//! - `g_i + l_i`: both are positive, so the greater of their errors, plus `u`; a product of `m` of
//!   them: the sum of theirs, plus `m u`.
//! - The rest of the logarithm, `sum_i a_i + c.h`, is a sum of at most `(m + 1)(n + 1)` products
//!   with `beta`, summed unit by unit and then over units: `(m + n + 3) Y u`. It is kept, added and
//!   compared at magnitudes below `R = Y + m ln 2`: `8 R u` more.
//! - Sums over states, all positive: `u` each addition, `3u` more where a [`LogSum`] scales it:
//!   `4 (N + LOW) u`, `N` the rows of a block and the blocks, and `4u` a row for the own biases.
//!
//! `|error of ln Z| <= u (m ((n + 2) X + 4 + 2^STEP_UNITS (3 + X)) + (m + n + 3) Y + 8 (Y + m
//! ln 2) + 4 (N + LOW) + 4)`: 3e-10 for 784 x 25 units of weights 0.1 N(0, 1) and biases N(0, 1).
//! Roundings have either sign, so in practice it is some hundred times less.

use super::Enumeration;
use crate::{
    kernel::reduce::LogSum,
    simd::{Isa, Operation, Simd, dispatch_on},
};
use std::ops::Range;

/// Units that change from lane to lane.
const LOW_UNITS: usize = 5;
pub(super) const LOW: usize = 1 << LOW_UNITS;
/// Units that change from row to row.
const ROW_UNITS: usize = 4;
pub(super) const ROWS: usize = 1 << ROW_UNITS;
/// Most units that a block walks through: a fresh start every so many steps costs some percent.
const STEP_UNITS: usize = 6;
/// Bound of the logarithms of all factors and products: `2^-1022 < e^-700`, and `4 e^700 < 2^1024`.
const RANGE: f64 = 700.0;
/// Bound of the biases of the low units together: their exponentials times products below two
/// neither overflow nor vanish in a sum.
const OWN_RANGE: f64 = 300.0;
/// Most units of a run: their part of the table of low states fills two thirds of a first-level
/// cache of 48 KiB.
const RUN: usize = 128;

/// Whole cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Lines<T>(pub(super) T);

/// Tables for the walk through the states of one machine.
pub(super) struct Gray<'a> {
    machine: &'a Enumeration,
    isa: Isa,
    /// `l`
    low: Vec<Lines<[f64; LOW]>>,
    /// `e^(c.h)` of the low units.
    low_own: [f64; LOW],
    /// `e^-(W h)_i` of the middle units.
    rows: Vec<Lines<[f64; ROWS]>>,
    /// Per stepping unit, `e^-w_ki` and `e^w_ki`.
    steps: Vec<[Vec<f64>; 2]>,
    /// `c_k + sum_i w_ki`: what a middle or high unit adds to the logarithm beside the product.
    linear: Vec<f64>,
    /// `sum_i b_i`
    offset: f64,
    /// Between which exponents are moved.
    runs: Vec<Range<usize>>,
}

/// The states of one row: those of the low units, the others being `state`.
pub(super) struct Row<'a> {
    /// Bits of the middle and high units; the low ones are zero.
    pub state: u64,
    /// `ln` of the unit of `weights`.
    pub scale: f64,
    /// `e^-scale` times the unnormalized probability, by low state.
    pub weights: &'a [f64; LOW],
    /// `g`, of which this row is column `row`.
    pub g: &'a [Lines<[f64; ROWS]>],
    /// The middle state.
    pub row: usize,
}

impl<'a> Gray<'a> {
    /// `None` for a machine of too few units to fill a tile, or one with inputs beyond [`RANGE`].
    pub(super) fn new(machine: &'a Enumeration, isa: Isa) -> Option<Self> {
        let (n, m) = (machine.n, machine.other_bias.len());
        if n < LOW_UNITS + ROW_UNITS {
            return None;
        }
        let own = |k: usize| machine.own_bias[k];
        let within = |x: f64, range: f64| x.abs() <= range; // false for NaN
        if !within((0..LOW_UNITS).map(|k| own(k).abs()).sum(), OWN_RANGE) {
            return None;
        }
        let mut runs = Vec::new();
        let (mut first, mut least, mut most) = (0, 0.0, 0.0);
        for i in 0..m {
            let interval = |units: Range<usize>, start: f64| {
                units.fold((start, start), |(a, b), k| {
                    let w = machine.row(k)[i];
                    (a + w.min(0.0), b + w.max(0.0))
                })
            };
            let d = interval(0..LOW_UNITS, 0.0);
            let a = interval(LOW_UNITS..n, machine.other_bias[i]);
            if ![a.0, a.1, d.0, d.1].into_iter().all(|x| within(x, RANGE)) {
                return None;
            }
            let low = d.0.max(-a.1);
            let high = d.1.max(-a.0) + std::f64::consts::LN_2;
            if i - first == RUN || least + low < -RANGE || most + high > RANGE {
                runs.push(first..i);
                (first, least, most) = (i, 0.0, 0.0);
            }
            least += low;
            most += high;
        }
        runs.push(first..m);
        let low_sum = |state: usize, x: &dyn Fn(usize) -> f64| -> f64 {
            let units = (0..n).take_while(|k| state >> k != 0);
            units.filter(|k| state >> k & 1 == 1).map(x).sum()
        };
        // Half of the high units at most, so that small machines have blocks for all cores too.
        let first = LOW_UNITS + ROW_UNITS;
        let steps = first..first + STEP_UNITS.min((n - first) / 2);
        Some(Self {
            machine,
            isa,
            low: (0..m)
                .map(|i| {
                    Lines(std::array::from_fn(|s| {
                        low_sum(s, &|k| machine.row(k)[i]).exp()
                    }))
                })
                .collect(),
            low_own: std::array::from_fn(|s| low_sum(s, &own).exp()),
            rows: (0..m)
                .map(|i| {
                    Lines(std::array::from_fn(|r| {
                        (-low_sum(r << LOW_UNITS, &|k| machine.row(k)[i])).exp()
                    }))
                })
                .collect(),
            steps: steps
                .map(|k| {
                    [-1.0, 1.0].map(|s| machine.row(k).iter().map(|w| (s * w).exp()).collect())
                })
                .collect(),
            linear: (0..n)
                .map(|k| own(k) + machine.row(k).iter().sum::<f64>())
                .collect(),
            offset: machine.other_bias.iter().sum(),
            runs,
        })
    }

    /// Parts that start from scratch.
    pub(super) fn blocks(&self) -> u64 {
        1 << (self.machine.n - LOW_UNITS - ROW_UNITS - self.steps.len())
    }

    /// `l`: per unit of the other layer, by low state.
    pub(super) fn low(&self) -> &[Lines<[f64; LOW]>] {
        &self.low
    }

    /// Calls `visit` for every row of a block.
    pub(super) fn walk(&self, block: u64, visit: impl FnMut(Row<'_>)) {
        dispatch_on(
            self.isa,
            Walk {
                gray: self,
                block,
                visit,
            },
        );
    }

    /// The sum over a block.
    pub(super) fn log_sum(&self, block: u64) -> LogSum {
        let mut sum = LogSum::default();
        self.walk(
            block,
            #[inline(always)]
            |row| sum.add(row.scale + sum_of(row.weights).ln()),
        );
        sum
    }

    /// `g` where the stepping units are zero.
    fn start(&self, block: u64) -> Vec<Lines<[f64; ROWS]>> {
        let first = LOW_UNITS + ROW_UNITS + self.steps.len();
        let mut a = self.machine.other_bias.clone();
        for k in (first..self.machine.n).filter(|k| block >> (k - first) & 1 == 1) {
            a.iter_mut()
                .zip(self.machine.row(k))
                .for_each(|(a, w)| *a += w);
        }
        let scaled = |(a, rows): (f64, &Lines<[f64; ROWS]>)| {
            let g = (-a).exp();
            Lines(rows.0.map(|r| g * r))
        };
        a.into_iter().zip(&self.rows).map(scaled).collect()
    }
}

/// In eight partial sums.
#[inline(always)]
pub(super) fn sum_of(x: &[f64; LOW]) -> f64 {
    let mut sums = [0.0; 8];
    for x in x.chunks_exact(8) {
        sums.iter_mut().zip(x).for_each(|(s, x)| *s += x);
    }
    sums.into_iter().sum()
}

struct Walk<'a, V> {
    gray: &'a Gray<'a>,
    block: u64,
    visit: V,
}

impl<V: FnMut(Row<'_>)> Operation for Walk<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let gray = self.gray;
        let first = LOW_UNITS + ROW_UNITS;
        let mut state = self.block << (first + gray.steps.len());
        let mut g = gray.start(self.block);
        let mut products = Lines([[1.0; LOW]; ROWS]);
        let products = &mut products.0;
        let mut exponents = [[0_i64; LOW]; ROWS];
        for step in 0_u64..1 << gray.steps.len() {
            if step > 0 {
                let k = step.trailing_zeros() as usize;
                state ^= 1 << (first + k);
                let factors = &gray.steps[k][usize::from(state >> (first + k) & 1 == 0)];
                for (Lines(g), &f) in g.iter_mut().zip(factors) {
                    let f = s.splat_f64(f);
                    for g in g.chunks_exact_mut(S::LANES / 2) {
                        s.store_f64(g, s.mul_f64(s.load_f64(g), f));
                    }
                }
            }
            products.as_flattened_mut().fill(1.0);
            exponents.as_flattened_mut().fill(0);
            for run in &gray.runs {
                let (g, low) = (&g[run.clone()], &gray.low[run.clone()]);
                // As many sums as the registers hold.
                match S::LANES {
                    16 => multiply::<S, 4, 4>(s, g, low, products),
                    _ if S::GEMM_ROWS > 3 => multiply::<S, 2, 4>(s, g, low, products),
                    _ => multiply::<S, 2, 2>(s, g, low, products),
                }
                move_exponents(products, &mut exponents);
            }
            for (row, (products, exponents)) in products.iter().zip(&exponents).enumerate() {
                let state = state | (row << LOW_UNITS) as u64;
                let (weights, exponent) = weights(products, exponents, &gray.low_own);
                let linear = (LOW_UNITS..gray.machine.n).filter(|k| state >> k & 1 == 1);
                let linear = gray.offset + linear.map(|k| gray.linear[k]).sum::<f64>();
                (self.visit)(Row {
                    state,
                    scale: linear + exponent as f64 * std::f64::consts::LN_2,
                    weights: &weights,
                    g: &g,
                    row,
                });
            }
        }
    }
}

/// `products[r][s] *= prod_i (g[i][r] + low[i][s])`, in tiles of `R` rows and `C` vectors.
#[inline(always)]
fn multiply<S: Simd, const R: usize, const C: usize>(
    s: S,
    g: &[Lines<[f64; ROWS]>],
    low: &[Lines<[f64; LOW]>],
    products: &mut [[f64; LOW]; ROWS],
) {
    let lanes = S::LANES / 2;
    for r0 in (0..ROWS).step_by(R) {
        for c0 in (0..LOW).step_by(C * lanes) {
            let mut p = [[s.splat_f64(0.0); C]; R];
            for (r, p) in p.iter_mut().enumerate() {
                for (c, p) in p.iter_mut().enumerate() {
                    *p = s.load_f64(&products[r0 + r][c0 + c * lanes..]);
                }
            }
            for (Lines(g), Lines(from)) in g.iter().zip(low) {
                let mut low = [s.splat_f64(0.0); C];
                for (c, low) in low.iter_mut().enumerate() {
                    *low = s.load_f64(&from[c0 + c * lanes..]);
                }
                for (p, &g) in p.iter_mut().zip(&g[r0..r0 + R]) {
                    let g = s.splat_f64(g);
                    for (p, &low) in p.iter_mut().zip(&low) {
                        *p = s.mul_f64(*p, s.add_f64(g, low));
                    }
                }
            }
            for (r, p) in p.into_iter().enumerate() {
                for (c, p) in p.into_iter().enumerate() {
                    s.store_f64(&mut products[r0 + r][c0 + c * lanes..], p);
                }
            }
        }
    }
}

/// Bits of an f64 before its exponent, and the exponent of numbers in `[1, 2)`.
const FRACTION_BITS: u32 = 52;
const ONE: i64 = 1023;

/// Leaves products in `[1, 2)`. They are positive and normal.
#[inline(always)]
fn move_exponents(products: &mut [[f64; LOW]; ROWS], exponents: &mut [[i64; LOW]; ROWS]) {
    let exponents = exponents.as_flattened_mut().iter_mut();
    for (p, e) in products.as_flattened_mut().iter_mut().zip(exponents) {
        let bits = p.to_bits();
        *e += (bits >> FRACTION_BITS) as i64 - ONE;
        *p = f64::from_bits(bits & ((1 << FRACTION_BITS) - 1) | (ONE as u64) << FRACTION_BITS);
    }
}

/// `own product 2^(exponent - greatest)`, and the greatest exponent. What is below `2^-1022` of
/// that is zero.
#[inline(always)]
fn weights(products: &[f64; LOW], exponents: &[i64; LOW], own: &[f64; LOW]) -> ([f64; LOW], i64) {
    let greatest = exponents.iter().copied().fold(i64::MIN, i64::max);
    let mut weights = [0.0; LOW];
    for (s, weight) in weights.iter_mut().enumerate() {
        let biased = (exponents[s] - greatest).max(-ONE) + ONE;
        *weight = own[s] * products[s] * f64::from_bits((biased as u64) << FRACTION_BITS);
    }
    (weights, greatest)
}

#[cfg(test)]
mod tests;
