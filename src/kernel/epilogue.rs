//! What follows a product, fused over a tile while it is in cache: `x = beta * (product + bias)`,
//! the mean `sigma(x)`, a Bernoulli sample of it, column sums of the means, row sums of softplus.

use super::{
    activation::{inverse_sigmoid_lanes, softplus_lanes},
    bernoulli::Uniforms,
};
use crate::{
    bits::{BitViewMut, WORD_BITS, last_word_mask},
    matrix::MatrixViewMut,
    rng::Draws,
    simd::{Operation, SUM_LANES, Simd, add_lanes},
};

/// Row sums of `softplus(beta * y) - softplus(minus_beta * y)`, `y = product + bias`; the second
/// term only if asked for.
#[derive(Debug)]
pub(crate) struct SoftplusSums<'a> {
    pub(crate) minus_beta: Option<f32>,
    /// `[groups of 64 columns x rows]`: one partial sum a row and group.
    pub(crate) partial: &'a mut [f64],
}

/// One tile: `rows` rows of products, `stride` floats apart (a multiple of 64), of columns
/// `first_column ..` (a multiple of 64).
pub(crate) struct Epilogue<'a> {
    pub(crate) product: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) first_column: usize,
    /// `[stride]`, anything beyond `columns`.
    pub(crate) bias: &'a [f32],
    pub(crate) beta: f32,
    pub(crate) input: Option<MatrixViewMut<'a>>,
    pub(crate) mean: Option<MatrixViewMut<'a>>,
    pub(crate) sample: Option<(BitViewMut<'a>, Draws)>,
    /// `[columns]`, added to.
    pub(crate) column_sums: Option<&'a mut [f64]>,
    pub(crate) softplus: Option<SoftplusSums<'a>>,
}

/// Stores the lanes of `x` that have a column.
#[inline(always)]
fn store_columns<S: Simd>(s: S, row: &mut [f32], column: usize, x: S::F) {
    if column + S::LANES <= row.len() {
        s.store(&mut row[column..], x);
    } else if column < row.len() {
        s.store_first(&mut row[column..], x);
    }
}

/// `softplus(x)`, less `softplus(minus_beta * y)` if that is asked for.
#[inline(always)]
fn softplus_terms<S: Simd>(s: S, x: S::F, y: S::F, minus_beta: Option<f32>) -> S::F {
    let p = softplus_lanes(s, x);
    match minus_beta {
        Some(minus_beta) => s.sub(p, softplus_lanes(s, s.mul(s.splat(minus_beta), y))),
        None => p,
    }
}

impl Operation for Epilogue<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        assert!(self.stride.is_multiple_of(WORD_BITS) && self.columns <= self.stride);
        assert!(self.first_column.is_multiple_of(WORD_BITS));
        let uniforms = self
            .sample
            .as_ref()
            .map(|(_, draws)| Uniforms::new(s, *draws));
        let others = self.input.is_some() || self.column_sums.is_some() || self.softplus.is_some();
        if let (Some((bits, _)), Some(uniforms), false) = (&mut self.sample, uniforms, others) {
            let tile = SampledTile {
                product: self.product,
                stride: self.stride,
                rows: self.rows,
                columns: self.columns,
                first_column: self.first_column,
                bias: self.bias,
                beta: s.splat(self.beta),
                uniforms,
            };
            match &mut self.mean {
                Some(mean) => tile.draw::<true>(s, bits, Some(mean)),
                None => tile.draw::<false>(s, bits, None),
            }
        } else {
            self.write(s, uniforms);
        }
    }
}

impl Epilogue<'_> {
    /// Whatever is asked for.
    #[inline(always)]
    fn write<S: Simd>(mut self, s: S, uniforms: Option<Uniforms<S>>) {
        let beta = s.splat(self.beta);
        let wants_mean = self.mean.is_some() || self.column_sums.is_some();
        let wants_any = wants_mean || self.sample.is_some();
        let vectors = WORD_BITS / S::LANES;
        for group in 0..self.columns.div_ceil(WORD_BITS) {
            let start = group * WORD_BITS;
            let columns = (self.columns - start).min(WORD_BITS);
            let bias = &self.bias[start..start + WORD_BITS];
            let mut sums = [0.0_f64; WORD_BITS];
            // Four rows share their random words.
            let mut words = [[s.splat_u64(0); 2]; 4];
            for i in 0..self.rows {
                if let Some(uniforms) = &uniforms {
                    let is_new = usize::from(i == 0 || uniforms.starts_block(i));
                    let pairs = is_new * columns.div_ceil(2 * S::LANES);
                    for (k, words) in words.iter_mut().enumerate().take(pairs) {
                        let at = k * 2 * S::LANES;
                        *words = uniforms.of_row(s, i, self.first_column + start + at);
                    }
                }
                let product = &self.product[i * self.stride + start..][..WORD_BITS];
                let mut word = 0_u64;
                // Whole pieces of `SUM_LANES` columns lane by lane, the rest in order.
                let mut softplus = [s.splat(0.0); 2];
                let mut softplus_last = 0.0_f64;
                for v in 0..vectors {
                    let at = v * S::LANES;
                    if at >= columns {
                        break;
                    }
                    let y = s.add(s.load(&product[at..]), s.load(&bias[at..]));
                    let x = s.mul(beta, y);
                    if let Some(input) = &mut self.input {
                        store_columns(s, input.row_mut(i), start + at, x);
                    }
                    if let Some(softplus_sums) = &self.softplus {
                        let p = softplus_terms(s, x, y, softplus_sums.minus_beta);
                        if at / SUM_LANES < columns / SUM_LANES {
                            let sum = &mut softplus[at % SUM_LANES / S::LANES];
                            *sum = s.add(*sum, p);
                        } else {
                            softplus_last = add_lanes(s, softplus_last, &[p], columns - at);
                        }
                    }
                    if wants_any {
                        let inverse = inverse_sigmoid_lanes(s, x);
                        if wants_mean {
                            let mean = s.div(s.splat(1.0), inverse);
                            if let Some(out) = &mut self.mean {
                                store_columns(s, out.row_mut(i), start + at, mean);
                            }
                            if self.column_sums.is_some() {
                                let mut lanes = [0.0; SUM_LANES];
                                s.store(&mut lanes, mean);
                                let all = sums[at..at + S::LANES].iter_mut().zip(lanes);
                                all.for_each(|(sum, x)| *sum += f64::from(x));
                            }
                        }
                        if let Some(uniforms) = &uniforms {
                            let first = self.first_column + start + at;
                            let u = s.picked_byte(words[v / 2][v % 2], uniforms.pick(s, i));
                            let bits =
                                uniforms.draw_inverse(s, u, inverse, |lane| (i, first + lane));
                            word |= u64::from(bits) << at;
                        }
                    }
                }
                if let Some((bits, _)) = &mut self.sample {
                    bits.row_mut(i)[group] = word & last_word_mask(columns);
                }
                if let Some(sums) = &mut self.softplus {
                    let whole = add_lanes(s, 0.0, &softplus, SUM_LANES);
                    sums.partial[group * self.rows + i] = whole + softplus_last;
                }
            }
            if let Some(out) = &mut self.column_sums {
                for (out, &sum) in out[start..start + columns].iter_mut().zip(&sums) {
                    *out += sum;
                }
            }
        }
    }
}

/// The usual case, a loop without choices: samples, and means if `MEAN`.
struct SampledTile<'a, S: Simd> {
    product: &'a [f32],
    stride: usize,
    rows: usize,
    columns: usize,
    first_column: usize,
    bias: &'a [f32],
    beta: S::F,
    uniforms: Uniforms<S>,
}

impl<S: Simd> SampledTile<'_, S> {
    #[inline(always)]
    fn draw<const MEAN: bool>(
        self,
        s: S,
        bits: &mut BitViewMut<'_>,
        mut means: Option<&mut MatrixViewMut<'_>>,
    ) {
        let one = s.splat(1.0);
        for start in (0..self.columns).step_by(WORD_BITS) {
            let columns = (self.columns - start).min(WORD_BITS);
            let bias = &self.bias[start..start + WORD_BITS];
            let first = self.first_column + start;
            // Four rows share their random words.
            let mut words = [[s.splat_u64(0); 2]; 4];
            for i in 0..self.rows {
                let pick = self.uniforms.pick(s, i);
                if i == 0 || self.uniforms.starts_block(i) {
                    for (k, words) in words
                        .iter_mut()
                        .enumerate()
                        .take(WORD_BITS / (2 * S::LANES))
                    {
                        *words = self.uniforms.of_row(s, i, first + k * 2 * S::LANES);
                    }
                }
                let product = &self.product[i * self.stride + start..][..WORD_BITS];
                let mut word = 0_u64;
                for v in 0..WORD_BITS / S::LANES {
                    let at = v * S::LANES;
                    let y = s.add(s.load(&product[at..]), s.load(&bias[at..]));
                    let inverse = inverse_sigmoid_lanes(s, s.mul(self.beta, y));
                    if MEAN && let Some(means) = &mut means {
                        store_columns(s, means.row_mut(i), start + at, s.div(one, inverse));
                    }
                    let u = s.picked_byte(words[v / 2][v % 2], pick);
                    let drawn = self
                        .uniforms
                        .draw_inverse(s, u, inverse, |lane| (i, first + at + lane));
                    word |= u64::from(drawn) << at;
                }
                bits.row_mut(i)[start / WORD_BITS] = word & last_word_mask(columns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        kernel::reference,
        matrix::Matrix,
        rng::Site,
        simd::{Isa, dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    /// Products and biases of a tile; garbage, even NaN, stands beyond its columns.
    struct ProductTile {
        rows: usize,
        columns: usize,
        first_column: usize,
        beta: f32,
        stride: usize,
        product: Vec<f32>,
        bias: Vec<f32>,
        draws: Draws,
    }

    impl ProductTile {
        fn new(rows: usize, columns: usize, first_column: usize, beta: f32) -> Self {
            let stride = columns.next_multiple_of(WORD_BITS).max(WORD_BITS);
            let within = |j: usize, x: f32| if j < columns { x } else { f32::NAN };
            let element = |i: usize, j: usize| (((i * 37 + j * 101) % 211) as f32 / 20.0) - 5.0;
            let product = (0..rows * stride).map(|k| (k / stride, k % stride));
            Self {
                rows,
                columns,
                first_column,
                beta,
                stride,
                product: product.map(|(i, j)| within(j, element(i, j))).collect(),
                bias: (0..stride)
                    .map(|j| within(j, (j % 13) as f32 * 0.1 - 0.6))
                    .collect(),
                draws: Draws::new(9, Site::Gibbs, 5),
            }
        }

        /// The epilogue without an output.
        fn epilogue(&self) -> Epilogue<'_> {
            Epilogue {
                product: &self.product,
                stride: self.stride,
                rows: self.rows,
                columns: self.columns,
                first_column: self.first_column,
                bias: &self.bias,
                beta: self.beta,
                input: None,
                mean: None,
                sample: None,
                column_sums: None,
                softplus: None,
            }
        }
    }

    /// All outputs at once.
    #[derive(Debug, PartialEq)]
    struct Outputs {
        input: Matrix,
        mean: Matrix,
        sample: BitMatrix,
        column_sums: Vec<f64>,
        partial: Vec<f64>,
    }

    const MINUS_BETA: f32 = 0.25;

    fn all_outputs(isa: Isa, tile: &ProductTile) -> Outputs {
        let (rows, columns) = (tile.rows, tile.columns);
        let nan = Matrix::from_fn(rows, columns, |_, _| f32::NAN);
        let mut out = Outputs {
            input: nan.clone(),
            mean: nan,
            sample: BitMatrix::zeros(rows, columns),
            column_sums: vec![1.0; columns],
            partial: vec![f64::NAN; columns.div_ceil(WORD_BITS) * rows],
        };
        for i in 0..rows {
            out.sample.view_mut().row_mut(i).fill(u64::MAX); // dirt, padding included
        }
        let epilogue = Epilogue {
            input: Some(out.input.view_mut()),
            mean: Some(out.mean.view_mut()),
            sample: Some((out.sample.view_mut(), tile.draws)),
            column_sums: Some(&mut out.column_sums),
            softplus: Some(SoftplusSums {
                minus_beta: Some(MINUS_BETA),
                partial: &mut out.partial,
            }),
            ..tile.epilogue()
        };
        dispatch_on(isa, epilogue);
        assert!(out.sample.padding_is_zero());
        out
    }

    /// The usual case draws the same samples and writes the same means.
    fn compare_usual(isa: Isa, tile: &ProductTile, all: &Outputs) {
        for with_mean in [false, true] {
            let mut alone = BitMatrix::zeros(tile.rows, tile.columns);
            let mut mean_too = Matrix::zeros(tile.rows, tile.columns);
            let epilogue = Epilogue {
                mean: with_mean.then(|| mean_too.view_mut()),
                sample: Some((alone.view_mut(), tile.draws)),
                ..tile.epilogue()
            };
            dispatch_on(isa, epilogue);
            assert_eq!(alone, all.sample);
            assert!(!with_mean || mean_too == all.mean);
        }
    }

    fn compare(isa: Isa, tile: &ProductTile) {
        let all = all_outputs(isa, tile);
        compare_usual(isa, tile, &all);
        let (rows, columns, draws) = (tile.rows, tile.columns, tile.draws);
        let groups = columns.div_ceil(WORD_BITS);
        let mut column = vec![1.0_f64; columns];
        for i in 0..rows {
            let mut softplus = 0.0;
            for (j, column) in column.iter_mut().enumerate() {
                let y = f64::from(tile.product[i * tile.stride + j]) + f64::from(tile.bias[j]);
                let x = f64::from(tile.beta) * y;
                assert!((f64::from(all.input.row(i)[j]) - x).abs() <= 1e-5);
                let p = reference::sigmoid(x);
                let got = all.mean.row(i)[j];
                assert!(
                    (f64::from(got) - p).abs() < 2e-6,
                    "{isa}: mean {got} for {p}"
                );
                *column += p;
                let minus = reference::softplus(f64::from(MINUS_BETA) * y);
                softplus += reference::softplus(x) - minus;
                // The mean is the probability of the draw, rounded.
                let drawn = draws.bernoulli(i, tile.first_column + j, got);
                assert_eq!(all.sample.get(i, j), drawn);
            }
            let got: f64 = (0..groups).map(|g| all.partial[g * rows + i]).sum();
            assert!((got - softplus).abs() < 1e-6 * (10.0 + columns as f64 * 20.0));
        }
        for (got, expected) in all.column_sums.iter().zip(column) {
            assert!((got - expected).abs() < 2e-6 * (1.0 + rows as f64));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn matches_plain_loops(
            rows in 0_usize..9,
            columns in prop::sample::select(vec![0_usize, 1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128]),
            first in 0_usize..4,
            beta in 0.1_f32..3.0,
        ) {
            let tile = ProductTile::new(rows, columns, first * WORD_BITS, beta);
            for isa in Isa::available() {
                compare(isa, &tile);
            }
            same_on_all(|isa| all_outputs(isa, &tile));
        }
    }
}
