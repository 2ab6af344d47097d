use super::*;
use crate::{
    bits::BitMatrix,
    matrix::Matrix,
    product::{Propagation, Tail, Term, propagate, quantize::LARGEST_SUM},
    rng::HostRng,
    simd::{Isa, bits_of, dispatch_on},
    states::Input,
    threads,
};
use proptest::prelude::*;

/// Kinds of weights of [`random_weights`].
const KINDS: usize = 6;

fn random_weights(rows: usize, columns: usize, kind: usize, seed: u64) -> Matrix {
    let mut rng = HostRng::numbered(seed, 78);
    Matrix::from_fn(rows, columns, |i, j| match kind {
        0 => 0.1 * rng.normal() as f32,
        1 => 1.0, // the largest sum, of one sign
        2 => -0.37,
        // The largest sums of both signs at once.
        3 => [1.0, -1.0][(i + j) % 2],
        4 => 0.0,
        _ if (i, j) == (rows / 2, columns / 2) => 100.0, // one large among small
        _ => 0.01 * rng.normal() as f32,
    })
}

/// Inputs in [0, 1]: of all sizes, all ones, all zeros, bits.
fn random_inputs(rows: usize, columns: usize, kind: usize, seed: u64) -> Matrix {
    let mut rng = HostRng::numbered(seed, 79);
    Matrix::from_fn(rows, columns, |_, _| match kind {
        0 => rng.uniform() as f32,
        1 => 1.0,
        2 => 0.0,
        3 => f32::from(rng.uniform() < 0.3),
        _ => (rng.uniform().powi(12) as f32).min(1.0),
    })
}

fn taken(x: &Matrix) -> Fractions {
    let mut fractions = Fractions::default();
    fractions.take(x.view(), true);
    fractions
}

/// The integer of an input, by the formula.
fn integer(x: f32) -> i64 {
    (x * 32_768.0 - 16_384.0).round_ties_even() as i64 + 16_384
}

fn inputs_and_outputs(weights: &Matrix, direction: Direction) -> (usize, usize) {
    match direction {
        Direction::Up => (weights.rows(), weights.columns()),
        Direction::Down => (weights.columns(), weights.rows()),
    }
}

/// The product by its definition: integers of any width, blocks in order in f32.
fn by_definition(fixed: &FixedPoint, direction: Direction, x: &Matrix, outputs: usize) -> Matrix {
    let inputs = x.columns();
    Matrix::from_fn(x.rows(), outputs, |s, j| {
        (0..inputs.div_ceil(BLOCK)).fold(0.25, |sum: f32, block| {
            let slab = fixed.slab_of(direction, j / WIDTH * WIDTH, block, inputs);
            let of_block = (0..slab.inputs).map(|k| {
                let q = slab.weights[k * WIDTH + j % WIDTH];
                integer(x.row(s)[block * BLOCK + k]) * i64::from(q)
            });
            sum + of_block.sum::<i64>() as f32 * (slab.step / 32_768.0)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// To the bit the definition, on every instruction set, with one instruction or two.
    #[test]
    fn products_are_their_definition_on_every_set(
        rows in prop::sample::select(vec![1_usize, 2, 5, 12, 13, 27]),
        n in prop::sample::select(vec![1_usize, 2, 31, 127, 128, 129, 200, 300]),
        m in prop::sample::select(vec![1_usize, 31, 32, 33, 100, 128, 129]),
        weights in 0..KINDS,
        inputs in 0_usize..5,
        seed in any::<u64>(),
    ) {
        let weights = random_weights(n, m, weights, seed);
        let fixed = FixedPoint::new(&weights);
        for direction in [Direction::Up, Direction::Down] {
            let (n, m) = inputs_and_outputs(&weights, direction);
            let x = random_inputs(rows, n, inputs, seed);
            let fractions = taken(&x);
            prop_assert!(fractions.are_taken());
            let expected = by_definition(&fixed, direction, &x, m);
            let stride = m.next_multiple_of(WIDTH);
            for isa in Isa::available() {
                for at_once in [false, multiplies_and_adds_at_once()] {
                    let mut product = vec![0.25; rows * stride];
                    let mut packed = aligned(PACKED, 0);
                    for output in (0..m).step_by(WIDTH) {
                        for block in 0..n.div_ceil(BLOCK) {
                            let slab = fixed.slab_of(direction, output, block, n);
                            let job = SlabProduct {
                                slab: slab.weights,
                                inputs: slab.inputs,
                                step: slab.step / ONE,
                                taken: MIDDLE,
                                x: &fractions.words[block * BLOCK..],
                                x_stride: fractions.stride,
                                rows,
                                product: &mut product[output..],
                                stride,
                                packed: &mut packed,
                                at_once,
                            };
                            dispatch_on(isa, job);
                        }
                    }
                    for (s, got) in product.chunks(stride).enumerate() {
                        let expected = bits_of(expected.row(s));
                        prop_assert_eq!(bits_of(&got[..m]), expected, "{} {}", isa, at_once);
                    }
                }
            }
        }
    }

    /// The integers are the same on every instruction set, and so is what is refused, wherever it
    /// stands.
    #[test]
    fn inputs_outside_are_seen_on_every_set(
        rows in 1_usize..40,
        columns in 1_usize..70,
        bad in prop::sample::select(vec![
            0.0_f32, -0.0, 1.0, f32::MIN_POSITIVE, 0.5, // not bad
            -f32::MIN_POSITIVE, 1.0_f32.next_up(), -1.0, 2.0, 1e30,
            f32::INFINITY, f32::NEG_INFINITY,
            f32::NAN, -f32::NAN,
        ]),
        seed in any::<u64>(),
    ) {
        let mut rng = HostRng::numbered(seed, 80);
        let mut x = random_inputs(rows, columns, 0, seed);
        x.row_mut(rng.below(rows))[rng.below(columns)] = bad;
        let is_inside = (0.0..=1.0).contains(&bad);
        for alone in [true, false] {
            let mut fractions = Fractions::default();
            fractions.take(x.view(), alone);
            prop_assert_eq!(fractions.are_taken(), is_inside, "{}", bad);
        }
        let stride = columns.next_multiple_of(WIDTH);
        for isa in Isa::available() {
            let mut words = vec![7_i16; rows * stride];
            let job = Convert { x: x.view(), words: &mut words, stride };
            prop_assert_eq!(dispatch_on(isa, job), is_inside, "{}: {}", isa, bad);
            for (s, words) in words.chunks(stride).enumerate().filter(|_| is_inside) {
                for (&x, &word) in x.row(s).iter().zip(words) {
                    prop_assert_eq!(i64::from(word) + 16_384, integer(x));
                    let error = (f64::from(x) - integer(x) as f64 / 32_768.0).abs();
                    prop_assert!(error <= (1.0 + 1.0 / 1024.0) / 65_536.0, "{}", x);
                }
            }
        }
    }

    /// Zeros and ones give the bits of the look-up.
    #[test]
    fn bits_as_numbers_are_looked_up_to_the_bit(
        rows in 1_usize..30,
        n in 1_usize..300,
        m in 1_usize..140,
        density in 0.0..1.0,
        seed in any::<u64>(),
    ) {
        let mut rng = HostRng::numbered(seed, 81);
        let fixed = FixedPoint::new(&random_weights(n, m, 0, seed));
        let bits = BitMatrix::from_fn(rows, n, |_, _| rng.uniform() < density);
        let stride = m.next_multiple_of(WIDTH);
        let [mut looked_up, mut got] = [0; 2].map(|_| vec![0.5; rows * stride]);
        fixed.add_product(Direction::Up, bits.view(), 0..rows, 0..m, &mut looked_up, stride);
        let fractions = taken(&bits.to_matrix());
        fractions.add_product((&fixed, Direction::Up), 0..rows, 0..m, &mut got, stride);
        prop_assert_eq!(bits_of(&got), bits_of(&looked_up));
    }

    /// The bound of the module's head, against sums in f64 of the weights and inputs as they are.
    #[test]
    fn products_are_within_the_bound(
        n in prop::sample::select(vec![1_usize, 100, 128, 300, 784]),
        weights in 0..KINDS,
        inputs in 0_usize..5,
        seed in any::<u64>(),
    ) {
        let (rows, m) = (3, 40);
        let weights = random_weights(n, m, weights, seed);
        let fixed = FixedPoint::new(&weights);
        let x = random_inputs(rows, n, inputs, seed);
        let stride = m.next_multiple_of(WIDTH);
        let mut product = vec![0.0; rows * stride];
        taken(&x).add_product((&fixed, Direction::Up), 0..rows, 0..m, &mut product, stride);
        for s in 0..rows {
            let sum: f64 = x.row(s).iter().map(|&x| f64::from(x)).sum();
            let blocks = n.div_ceil(BLOCK) as f64;
            for (j, &got) in product[s * stride..][..m].iter().enumerate() {
                let pairs = x.row(s).iter().enumerate();
                let products = pairs.map(|(i, &x)| f64::from(x) * f64::from(weights.row(i)[j]));
                let size: f64 = products.clone().map(f64::abs).sum();
                let error = (f64::from(got) - products.sum::<f64>()).abs();
                let step = f64::from(fixed.largest_step());
                let bound = step * (sum / 2.0 + 1.01 * blocks);
                let rounding = f64::from(f32::EPSILON) * (blocks + 3.0) * (size + step);
                prop_assert!(error <= bound + rounding, "{error} beyond {bound} + {rounding}");
            }
        }
    }
}

/// Any number of rows and threads, tiles of any layer: the same bits. Where a value of any row is
/// outside, all rows are the dense product.
#[test]
fn rows_threads_and_tiles_do_not_matter() {
    let (rows, n, m) = (300, 200, 300);
    let weights = random_weights(n, m, 0, 3);
    let fixed = FixedPoint::new(&weights);
    let mut x = random_inputs(rows, n, 0, 4);
    let product = |x: &Matrix, rows: Range<usize>, fixed, threads| {
        let mut out = Matrix::zeros(rows.len(), m);
        let term = Term {
            input: Input::Real(x.view_rows(rows)),
            weights: &weights,
            direction: Direction::Up,
            fixed,
        };
        let tail = Tail {
            input: Some(out.view_mut()),
            ..Tail::new(1.0)
        };
        let mut buffers = Propagation::default();
        let work = || propagate(&[term], &vec![0.0; m], tail, &mut buffers);
        threads::with(threads, work).unwrap().unwrap();
        out
    };
    let all = product(&x, 0..rows, Some(&fixed), 1);
    for threads in [2, 3] {
        assert_eq!(product(&x, 0..rows, Some(&fixed), threads), all);
    }
    for row in [0, 99, 255, 256, 299] {
        for few in [1, 7, 44] {
            let range = row..(row + few).min(rows);
            let got = product(&x, range.clone(), Some(&fixed), 2);
            for (k, s) in range.enumerate() {
                assert_eq!(got.row(k), all.row(s), "row {s} of {few}");
            }
        }
    }
    for bad in [-0.25, 1.5] {
        x.row_mut(170)[150] = bad;
        let dense = product(&x, 0..rows, None, 2);
        assert_eq!(product(&x, 0..rows, Some(&fixed), 3), dense);
        assert_ne!(dense.row(0), all.row(0));
    }
}

/// Sums that would overflow if anything could: every input 1 or 0, every weight of one sign, and of
/// both.
#[test]
fn sums_at_their_extremes_are_exact() {
    for kind in [1, 2, 3] {
        for ones in [1.0_f32, 0.0] {
            let weights = random_weights(BLOCK, BLOCK, kind, 1);
            let fixed = FixedPoint::new(&weights);
            // Ones alone, and ones where weights are positive.
            for signed in [false, true] {
                let x = Matrix::from_fn(13, BLOCK, |s, i| match signed {
                    true if weights.row(i)[s] < 0.0 => 1.0 - ones,
                    _ => ones,
                });
                let mut product = vec![0.0; 13 * BLOCK];
                let operands = (&fixed, Direction::Up);
                taken(&x).add_product(operands, 0..13, 0..BLOCK, &mut product, BLOCK);
                let step = fixed.largest_step();
                for s in 0..13 {
                    for j in 0..BLOCK {
                        let pairs = x.row(s).iter().enumerate();
                        let sum: f32 = pairs
                            .map(|(i, x)| x * (weights.row(i)[j] / step).round())
                            .sum();
                        assert!(sum.abs() <= LARGEST_SUM + 64.0);
                        assert_eq!(product[s * BLOCK + j], sum * step, "{kind} {ones} {s} {j}");
                    }
                }
            }
        }
    }
}
