//! Weights to fixed point: the step of a block, and its integers for both directions.

use crate::simd::{Operation, SUM_LANES, Simd};

/// Side of a block of weights with one step.
pub(super) const BLOCK: usize = 128;
/// Outputs of a table row: 64 bytes.
pub(super) const WIDTH: usize = 32;
/// Integers of one block of outputs over one block of inputs, `[BLOCK inputs][WIDTH outputs]`.
pub(super) const SLAB: usize = BLOCK * WIDTH;
/// Slabs of `WIDTH` outputs in a block.
pub(super) const SLABS: usize = BLOCK / WIDTH;
/// Most that the integers of one row or column of a block may add up to before rounding: rounding
/// adds up to half for each of 128, and the f32 sums that choose the step are off by less than 1e-4
/// of themselves.
pub const LARGEST_SUM: f32 = 32_700.0;
/// Sums below this are as good as zero.
pub(super) const SMALLEST_SUM: f32 = 1e-30;

/// The fixed-point copies of one block of weights.
pub(super) struct QuantizeBlock<'a, R> {
    /// Rows of weights.
    pub(super) rows: usize,
    /// Columns that hold weights.
    pub(super) columns: usize,
    /// The weights of a row; beyond the columns zeros up to a whole vector.
    pub(super) row: R,
    /// `SLABS` slabs of outputs.
    pub(super) up: &'a mut [i16],
    /// Empty if it is not wanted.
    pub(super) down: &'a mut [i16],
    pub(super) step: &'a mut f32,
}

impl<'w, R: Fn(usize) -> &'w [f32]> Operation for QuantizeBlock<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let vectors = self.columns.div_ceil(S::LANES);
        let sum = largest_sum(s, &self.row, self.rows, vectors);
        *self.step = if sum < SMALLEST_SUM {
            0.0
        } else {
            sum / LARGEST_SUM
        };
        let inverse = if *self.step > 0.0 && self.step.is_finite() {
            1.0 / *self.step
        } else {
            0.0
        };
        quantize(s, &self.row, (self.rows, vectors), inverse, self.up);
        if !self.down.is_empty() {
            turn_slabs(s, self.up, self.down);
        }
    }
}

/// The integers of a block: weights times `inverse`, rounded; zeros where there are none.
#[inline(always)]
fn quantize<'w, S: Simd>(
    s: S,
    row: &impl Fn(usize) -> &'w [f32],
    (rows, vectors): (usize, usize),
    inverse: f32,
    up: &mut [i16],
) {
    assert!(rows <= BLOCK && vectors * S::LANES <= BLOCK && up.len() == SLABS * SLAB);
    let inverse = s.splat(inverse);
    let zero = s.narrow([s.splat(0.0); 2]);
    let pairs = BLOCK / (2 * S::LANES);
    let used = vectors.div_ceil(2);
    let to = up.as_mut_ptr();
    let place = |i: usize, pair: usize| {
        let first = pair * 2 * S::LANES;
        first / WIDTH * SLAB + i * WIDTH + first % WIDTH
    };
    for i in 0..BLOCK {
        let mut filled = 0;
        if i < rows {
            let from = &row(i)[..vectors * S::LANES];
            for pair in 0..used {
                let at = pair * 2 * S::LANES;
                let low = s.mul(s.load(&from[at..]), inverse);
                let high = if at + S::LANES < from.len() {
                    s.mul(s.load(&from[at + S::LANES..]), inverse)
                } else {
                    s.splat(0.0)
                };
                // SAFETY: row `i` of a slab holds WIDTH integers, of which `pair` has 2 * LANES.
                unsafe { s.store_words(to.add(place(i, pair)), s.narrow([low, high])) };
            }
            filled = used;
        }
        for pair in filled..pairs {
            // SAFETY: as above.
            unsafe { s.store_words(to.add(place(i, pair)), zero) };
        }
    }
}

/// The slabs of the other direction: `[slab of rows][column]` of `[slab of columns][row]`.
#[inline(always)]
fn turn_slabs<S: Simd>(s: S, up: &[i16], down: &mut [i16]) {
    for (k, from) in up.chunks_exact(SLAB).enumerate() {
        for (l, to) in down.chunks_exact_mut(SLAB).enumerate() {
            let (side, rows, columns) = (2 * S::LANES, l * WIDTH, k * WIDTH);
            for (i, j) in [(0, 0), (0, side), (side, 0), (side, side)] {
                if i < WIDTH && j < WIDTH {
                    // SAFETY: squares of `side` within the WIDTH x WIDTH squares at these rows of
                    // the slabs.
                    unsafe {
                        s.transpose_words(
                            from.as_ptr().add((rows + i) * WIDTH + j),
                            WIDTH,
                            to.as_mut_ptr().add((columns + j) * WIDTH + i),
                            WIDTH,
                        );
                    }
                }
            }
        }
    }
}

/// Over the rows and the columns of a block, the largest sum of the positive or of the negative
/// elements' magnitudes: half of the magnitudes' sum and the sum's magnitude. NaN and infinite
/// elements make it NaN or infinite.
#[inline(always)]
fn largest_sum<'w, S: Simd>(
    s: S,
    row: &impl Fn(usize) -> &'w [f32],
    rows: usize,
    vectors: usize,
) -> f32 {
    /// Vectors of a block with the fewest lanes.
    const MOST: usize = BLOCK / 8;
    /// Sums of a row that are kept apart.
    const PARTS: usize = SUM_LANES / 2;
    let zero = s.splat(0.0);
    let magnitude = |x| s.max(x, s.sub(zero, x));
    let mut columns = [[zero; 2]; MOST];
    let columns = &mut columns[..vectors];
    // NaN survives an addition, not a maximum.
    let (mut largest, mut all) = (zero, zero);
    for first in (0..rows).step_by(S::LANES) {
        // Partial sums of LANES rows, a row each, then turned so that rows are lanes.
        let mut partial = [[0.0_f32; 16 * 16]; 2];
        for k in 0..S::LANES.min(rows - first) {
            let row = row(first + k);
            let (mut sum, mut size) = ([zero; 2], [zero; 2]);
            for (v, column) in columns.iter_mut().enumerate() {
                let w = s.load(&row[v * S::LANES..]);
                let m = magnitude(w);
                let part = v % (SUM_LANES / S::LANES);
                sum[part] = s.add(sum[part], w);
                size[part] = s.add(size[part], m);
                column[0] = s.add(column[0], w);
                column[1] = s.add(column[1], m);
            }
            s.store(&mut partial[0][k * S::LANES..], s.add(sum[0], sum[1]));
            s.store(&mut partial[1][k * S::LANES..], s.add(size[0], size[1]));
        }
        let mut sums = [zero; 2];
        for (partial, sum) in partial.iter().zip(&mut sums) {
            let mut turned = [0.0_f32; 16 * 16];
            // SAFETY: squares of LANES x LANES floats.
            unsafe { s.transpose(partial.as_ptr(), S::LANES, turned.as_mut_ptr(), S::LANES) };
            let (parts, halves) = turned[..S::LANES * S::LANES].split_at(PARTS * S::LANES);
            for (k, part) in parts.chunks_exact(S::LANES).enumerate() {
                let part = s.load(part);
                let both = match S::LANES {
                    PARTS => part,
                    _ => s.add(part, s.load(&halves[k * S::LANES..])),
                };
                *sum = s.add(*sum, both);
            }
        }
        all = s.add(all, sums[1]);
        largest = s.max(largest, s.add(magnitude(sums[0]), sums[1]));
    }
    for column in columns.iter() {
        largest = s.max(largest, s.add(magnitude(column[0]), column[1]));
    }
    let mut lanes = [[0.0_f32; 16]; 2];
    s.store(&mut lanes[0], largest);
    s.store(&mut lanes[1], all);
    let mut largest = 0.0_f32;
    let [of_rows, sums] = &lanes;
    for (x, sum) in of_rows.iter().zip(sums).take(S::LANES) {
        if !sum.is_finite() {
            return f32::INFINITY;
        }
        largest = largest.max(*x);
    }
    0.5 * largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        matrix::Matrix,
        product::lookup::{FixedPoint, LARGEST_STEP},
        rng::HostRng,
        simd::{dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    #[test]
    fn weights_that_are_not_finite_make_the_step_unusable() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let weights =
                Matrix::from_fn(140, 3, |i, j| if (i, j) == (130, 1) { bad } else { 1.0 });
            let step = FixedPoint::new(&weights).largest_step();
            assert!(step > LARGEST_STEP, "{bad}: {step}");
        }
    }

    proptest! {
        /// Steps and integers are the same on every instruction set, at widths that fill no vector
        /// and with sums that round.
        #[test]
        fn integers_and_steps_are_the_same_on_every_set(
            rows in prop::sample::select(vec![1_usize, 7, 15, 16, 33, 127, 128]),
            columns in prop::sample::select(vec![1_usize, 8, 9, 17, 24, 31, 100, 120, 128]),
            seed in any::<u64>(),
        ) {
            let mut rng = HostRng::numbered(seed, 72);
            let weights = Matrix::from_fn(rows, columns, |_, _| rng.normal() as f32);
            same_on_all(|isa| {
                let size = SLABS * SLAB;
                let (mut up, mut down) = (vec![1_i16; size], vec![1_i16; size]);
                let mut step = 0.0;
                dispatch_on(isa, QuantizeBlock {
                    rows,
                    columns,
                    row: |i| &weights.padded()[i * weights.stride()..],
                    up: &mut up,
                    down: &mut down,
                    step: &mut step,
                });
                (up, down, step.to_bits())
            });
        }
    }
}
