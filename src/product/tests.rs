//! Every provider and the fused panel loop against plain loops, at the edges of tiles, panels and
//! words.

use super::{
    dense::{Operand, multiply},
    *,
};
use crate::{
    bits::BitMatrix,
    kernel::reference,
    rng::{Draws, HostRng, Site},
};
use proptest::prelude::*;

fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = HostRng::numbered(seed, 77);
    Matrix::from_fn(rows, columns, |_, _| rng.normal() as f32)
}

fn assert_close(got: &Matrix, expected: &Matrix, terms: usize) {
    for i in 0..got.rows() {
        for (j, (a, b)) in got.row(i).iter().zip(expected.row(i)).enumerate() {
            // Rounding of `terms` products of standard normals, each below 25.
            let bound = 25.0 * f32::EPSILON * (terms as f32 + 1.0);
            assert!((a - b).abs() <= bound, "({i}, {j}): {a} for {b}");
        }
    }
}

#[test]
fn integers_in_floats_are_exact_in_every_provider_and_layout() {
    // Goto-style tests of matrixmultiply: small integers make every sum exact; what is not C is
    // poisoned.
    for &provider in Provider::ALL {
        for (m, n, k) in [
            (0, 3, 2),
            (1, 1, 0),
            (1, 1, 1),
            (5, 31, 7),
            (12, 32, 256),
            (13, 33, 257),
            (25, 65, 100),
            (6, 16, 9),
        ] {
            let at = |i: usize, j: usize| ((i * 5 + j * 3) % 7) as f32 - 3.0;
            for layout in 0..4 {
                let (am, ak) = if layout & 1 == 0 { (m, k) } else { (k, m) };
                let (bm, bk) = if layout & 2 == 0 { (k, n) } else { (n, k) };
                let a = Matrix::from_fn(
                    am,
                    ak,
                    |i, j| if layout & 1 == 0 { at(i, j) } else { at(j, i) },
                );
                let b = Matrix::from_fn(bm, bk, |i, j| {
                    if layout & 2 == 0 {
                        at(i, j + 1)
                    } else {
                        at(j, i + 1)
                    }
                });
                let mut oa = Operand::row_major(a.padded(), am, ak, a.stride());
                let mut ob = Operand::row_major(b.padded(), bm, bk, b.stride());
                if layout & 1 == 1 {
                    oa = oa.transposed();
                }
                if layout & 2 == 2 {
                    ob = ob.transposed();
                }
                let stride = n + 3;
                let mut c = vec![f32::NAN; m * stride];
                for row in c.chunks_mut(stride) {
                    row[..n].fill(1.0);
                }
                multiply(provider, 2.0, oa, ob, &mut c, stride);
                for i in 0..m {
                    for j in 0..n {
                        let sum: f32 = (0..k).map(|x| at(i, x) * at(x, j + 1)).sum();
                        assert_eq!(
                            c[i * stride + j],
                            1.0 + 2.0 * sum,
                            "{provider} {m} {n} {k} layout {layout}"
                        );
                    }
                    assert!(
                        c[i * stride + n..(i + 1) * stride]
                            .iter()
                            .all(|x| x.is_nan())
                    );
                }
            }
        }
    }
}

/// One layer from two neighbors, one of bits and one real: every output against plain loops.
fn check_propagation(rows: usize, below: usize, columns: usize, above: usize) {
    let w_below = random(below, columns, 1);
    let w_above = random(columns, above, 2);
    let bits = BitMatrix::from_fn(rows, below, |i, j| (i * 3 + j * 7) % 5 < 2);
    let real = Matrix::from_fn(rows, above, |i, j| ((i * 11 + j * 5) % 17) as f32 / 17.0);
    let bias: Vec<f32> = (0..columns).map(|j| (j % 9) as f32 * 0.25 - 1.0).collect();
    let terms = [
        Term {
            input: (&bits).into(),
            weights: &w_below,
            direction: Direction::Up,
            fixed: None,
        },
        Term {
            input: (&real).into(),
            weights: &w_above,
            direction: Direction::Down,
            fixed: None,
        },
    ];
    let draws = Draws::new(3, Site::Gibbs, 4).from_row(10);
    let nan = Matrix::from_fn(rows, columns, |_, _| f32::NAN);
    let (mut input, mut mean) = (nan.clone(), nan);
    let mut sample = BitMatrix::from_fn(rows, columns, |_, _| true);
    let mut sums = vec![f32::NAN; columns];
    let mut softplus = vec![f64::NAN; rows];
    let beta = 0.5;
    let mut buffers = Propagation::default();
    let tail = Tail {
        precise: false,
        exact_reals: false,
        added: None,
        beta,
        group_beta: None,
        input: Some(input.view_mut()),
        mean: Some(mean.view_mut()),
        sample: Some((sample.view_mut(), draws)),
        input_from: 0,
        real_sample: None,
        column_sums: Some(&mut sums),
        softplus_sums: Some(&mut softplus),
        minus_beta: None,
        linear: false,
    };
    propagate(&terms, &bias, tail, &mut buffers).unwrap();
    let a = reference::product(bits.to_matrix().view(), &w_below, false);
    let b = reference::product(real.view(), &w_above, true);
    let expected = Matrix::from_fn(rows, columns, |i, j| {
        (a.row(i)[j] + b.row(i)[j] + bias[j]) * beta
    });
    assert_close(&input, &expected, below + above + 1);
    assert_eq!(sample, reference::bernoulli(mean.view(), draws));
    let mut column = vec![0.0_f64; columns];
    for (i, softplus) in softplus.iter().enumerate() {
        let mut sum = 0.0;
        let units = input.row(i).iter().zip(mean.row(i)).zip(&mut column);
        for ((&x, &p), column) in units {
            let x = f64::from(x);
            assert!((f64::from(p) - reference::sigmoid(x)).abs() < 1e-6);
            *column += f64::from(p);
            sum += reference::softplus(x);
        }
        assert!(
            (softplus - sum).abs() < 1e-5 * (1.0 + sum),
            "{softplus} for {sum}"
        );
    }
    for (got, sum) in sums.iter().zip(column) {
        assert!((f64::from(*got) - sum).abs() < 1e-5 * (1.0 + sum));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn propagation_matches_plain_loops(
        rows in prop::sample::select(vec![0_usize, 1, 2, 11, 12, 13, 100, 255, 256, 257, 520]),
        below in prop::sample::select(vec![0_usize, 1, 5, 63, 64, 65, 257]),
        columns in prop::sample::select(vec![0_usize, 1, 15, 16, 63, 64, 65, 127, 128, 129, 300]),
        above in prop::sample::select(vec![0_usize, 1, 7, 40]),
    ) {
        check_propagation(rows, below, columns, above);
    }

    #[test]
    fn statistics_match_plain_loops(
        samples in prop::sample::select(vec![0_usize, 1, 10, 100, 257]),
        n_visible in prop::sample::select(vec![0_usize, 1, 63, 64, 65, 128, 129, 300]),
        n_hidden in prop::sample::select(vec![0_usize, 1, 16, 33, 65]),
    ) {
        let v = BitMatrix::from_fn(samples, n_visible, |i, j| (i * 3 + j * 7) % 5 < 2);
        let h = random(samples, n_hidden, 5);
        let vm = random(samples, n_visible, 6);
        let hb = BitMatrix::from_fn(samples, n_hidden, |i, j| (i + j * 5) % 3 == 0);
        let phases = [
            Phase::new((&v).into(), (&h).into(), 0.5),
            Phase::new((&vm).into(), (&hb).into(), -1.0),
        ];
        let statistics = Statistics::new(&phases, n_visible, n_hidden).unwrap();
        let mut out = Matrix::from_fn(n_visible, n_hidden, |_, _| f32::NAN);
        statistics.write_to(&mut out).unwrap();
        let a = reference::product(v.to_matrix().transposed().view(), &h, false);
        let b = reference::product(vm.transposed().view(), &hb.to_matrix(), false);
        let expected = Matrix::from_fn(n_visible, n_hidden, |i, j| 0.5 * a.row(i)[j] - b.row(i)[j]);
        assert_close(&out, &expected, samples + 1);
    }
}

/// v rows 1110, 0101 with h rows 0101, 0110.
#[test]
fn outer_product_of_the_literature() {
    let bits = |rows: [&str; 2]| BitMatrix::from_fn(2, 4, |i, j| rows[i].as_bytes()[j] == b'1');
    let (v, h) = (bits(["1110", "0101"]), bits(["0101", "0110"]));
    let phases = [Phase::new((&v).into(), (&h).into(), 1.0)];
    let mut out = Matrix::zeros(4, 4);
    Statistics::new(&phases, 4, 4)
        .unwrap()
        .write_to(&mut out)
        .unwrap();
    let expected = [
        0., 1., 0., 1., 0., 2., 1., 1., 0., 1., 0., 1., 0., 1., 1., 0.,
    ];
    assert!(out.elements().eq(expected));
}

#[test]
fn threads_do_not_change_a_bit() {
    let w = random(784, 500, 1);
    let x = BitMatrix::from_fn(300, 784, |i, j| (i * 3 + j * 7) % 5 < 2);
    let bias = vec![0.1; 500];
    let run = |threads| {
        let pool = crate::threads::Pool::new(threads).unwrap();
        pool.install(|| {
            let mut mean = Matrix::zeros(300, 500);
            let mut sums = vec![0.0; 500];
            let mut softplus = vec![0.0; 300];
            let tail = Tail {
                mean: Some(mean.view_mut()),
                column_sums: Some(&mut sums),
                softplus_sums: Some(&mut softplus),
                ..Tail::new(1.0)
            };
            let term = Term {
                input: (&x).into(),
                weights: &w,
                direction: Direction::Up,
                fixed: None,
            };
            propagate(&[term], &bias, tail, &mut Propagation::default()).unwrap();
            (mean, sums, softplus)
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
}

#[test]
fn wrong_shapes_are_refused() {
    let w = Matrix::zeros(4, 3);
    let x = BitMatrix::zeros(2, 5);
    let term = Term {
        input: (&x).into(),
        weights: &w,
        direction: Direction::Up,
        fixed: None,
    };
    let mut buffers = Propagation::default();
    let error = propagate(&[term], &[0.0; 3], Tail::new(1.0), &mut buffers).unwrap_err();
    assert_eq!(error.to_string(), "units of the input: expected 4, found 5");
    let x = BitMatrix::zeros(2, 4);
    let term = Term {
        input: (&x).into(),
        ..term
    };
    assert!(propagate(&[term], &[0.0; 2], Tail::new(1.0), &mut buffers).is_err());
    let mut mean = Matrix::zeros(1, 3);
    let tail = Tail {
        mean: Some(mean.view_mut()),
        ..Tail::new(1.0)
    };
    assert!(propagate(&[term], &[0.0; 3], tail, &mut buffers).is_err());
    assert!(propagate(&[], &[0.0; 3], Tail::new(1.0), &mut buffers).is_err());
}

/// Bit inputs into one layer, with their weights.
struct Sources<'a> {
    sources: &'a [(FixedPoint, Matrix, BitMatrix)],
    bias: &'a [f32],
    draws: Draws,
}

impl Sources<'_> {
    /// Samples, inputs, means, sums of columns and of softplus for a range of rows.
    fn outputs(
        &self,
        range: std::ops::Range<usize>,
    ) -> (BitMatrix, Matrix, Matrix, Vec<f32>, Vec<f64>) {
        let terms: Vec<_> = self
            .sources
            .iter()
            .map(|(fixed, weights, x)| Term {
                input: Input::Bits(x.view_rows(range.clone())),
                weights,
                direction: Direction::Up,
                fixed: Some(fixed),
            })
            .collect();
        let (k, m) = (range.len(), self.bias.len());
        let mut alone = BitMatrix::zeros(k, m);
        let mut sample = BitMatrix::zeros(k, m);
        let (mut input, mut mean) = (Matrix::zeros(k, m), Matrix::zeros(k, m));
        let mut columns = vec![0.0; m];
        let mut softplus = vec![0.0; k];
        let buffers = &mut Propagation::default();
        let draws = self.draws.from_row(range.start);
        let tail = Tail {
            sample: Some((alone.view_mut(), draws)),
            ..Tail::new(0.75)
        };
        propagate(&terms, self.bias, tail, buffers).unwrap();
        let tail = Tail {
            input: Some(input.view_mut()),
            mean: Some(mean.view_mut()),
            sample: Some((sample.view_mut(), draws)),
            column_sums: Some(&mut columns),
            softplus_sums: Some(&mut softplus),
            ..Tail::new(0.75)
        };
        propagate(&terms, self.bias, tail, buffers).unwrap();
        assert_eq!(alone, sample);
        assert!(alone.padding_is_zero());
        (sample, input, mean, columns, softplus)
    }
}

/// Many rows take look-ups in registers where the CPU has them; few take tables in memory. Every
/// output is the same to the bit.
#[test]
fn many_rows_and_few_give_the_same_bits() {
    for (rows, n, m, other) in [
        (192, 1, 33, 0),
        (200, 129, 70, 0),
        (257, 784, 500, 0),
        (1030, 131, 65, 0),
        (1500, 260, 40, 77),
        (200, 2000, 34, 300),
    ] {
        let mut rng = HostRng::numbered(rows as u64, 9);
        let mut make = |inputs: usize| {
            let w = Matrix::from_fn(inputs, m, |_, _| 0.2 * rng.normal() as f32);
            let x = BitMatrix::from_fn(rows, inputs, |_, _| rng.uniform() < 0.3);
            (FixedPoint::new(&w), w, x)
        };
        // Several bit inputs into one layer: one pass over their blocks.
        let sources: Vec<_> = [n, other]
            .into_iter()
            .filter(|&k| k > 0)
            .map(&mut make)
            .collect();
        let bias: Vec<f32> = (0..m).map(|j| j as f32 * 0.01 - 0.3).collect();
        let layer = Sources {
            sources: &sources,
            bias: &bias,
            draws: Draws::new(rows as u64, Site::Gibbs, 4),
        };
        let run = |range| layer.outputs(range);
        let many = run(0..rows);
        let mut sums = vec![0.0_f64; m];
        for first in (0..rows).step_by(101) {
            let range = first..(first + 101).min(rows);
            let few = run(range.clone());
            for (k, i) in range.enumerate() {
                assert_eq!(
                    many.0.view().row(i),
                    few.0.view().row(k),
                    "{rows} x {n} x {m}: sample {i}"
                );
                assert_eq!(many.1.row(i), few.1.row(k), "{rows} x {n} x {m}: input {i}");
                assert_eq!(many.2.row(i), few.2.row(k), "{rows} x {n} x {m}: mean {i}");
                assert_eq!(many.4[i], few.4[k], "{rows} x {n} x {m}: softplus {i}");
            }
            sums.iter_mut()
                .zip(&few.3)
                .for_each(|(s, &x)| *s += f64::from(x));
        }
        for (sum, &many) in sums.iter().zip(&many.3) {
            assert!(
                (sum - f64::from(many)).abs() < 1e-5 * (1.0 + rows as f64),
                "{sum} {many}"
            );
        }
    }
}

/// The same for statistics: many visible units at once, or few, more than small connections have.
#[test]
fn statistics_of_many_units_and_few_are_the_same_bits() {
    for (samples, units, hidden) in [(100, 260, 120), (130, 1070, 129), (37, 250, 128)] {
        let mut rng = HostRng::numbered(samples as u64, 11);
        let mut states = |columns| BitMatrix::from_fn(samples, columns, |_, _| rng.uniform() < 0.3);
        let v = [states(units), states(units), states(units)];
        let h: [Matrix; 3] =
            std::array::from_fn(|_| Matrix::from_fn(samples, hidden, |_, _| rng.uniform() as f32));
        let run = |range: std::ops::Range<usize>| {
            let part = |v: &BitMatrix| {
                BitMatrix::from_fn(samples, range.len(), |i, j| v.get(i, range.start + j))
            };
            let v = [part(&v[0]), part(&v[1]), part(&v[2])];
            // Three phases, as a hybrid objective has.
            let phases: [Phase<'_>; 3] = std::array::from_fn(|k| {
                Phase::new((&v[k]).into(), (&h[k]).into(), [0.01, -0.01, -0.005][k])
            });
            let mut tables = PhaseTables::default();
            let statistics = Statistics::new(&phases, range.len(), hidden)
                .unwrap()
                .fastest(true, &mut tables);
            let mut out = Matrix::zeros(range.len(), hidden);
            statistics.write_to(&mut out).unwrap();
            let mut dense = Matrix::zeros(range.len(), hidden);
            let statistics = Statistics::new(&phases, range.len(), hidden).unwrap();
            statistics.write_to(&mut dense).unwrap();
            // Each state is off by less than a step of fixed point: one over what samples of a
            // block of 128 may add up to.
            let step = samples.min(128) as f32 / 32_700.0 * 1.01;
            let bound = samples as f32 * step * 0.025 + 1e-5;
            for (got, expected) in out.elements().zip(dense.elements()) {
                assert!((got - expected).abs() <= bound, "{got} for {expected}");
            }
            out
        };
        let many = run(0..units);
        for first in (0..units).step_by(90) {
            let few = run(first..(first + 90).min(units));
            for i in 0..few.rows() {
                assert_eq!(
                    few.row(i),
                    many.row(first + i),
                    "{samples} x {units} x {hidden}: {i}"
                );
            }
        }
    }
}

/// Pairs of binary layers are counted: exactly, whatever the phase's weight.
#[test]
fn statistics_of_binary_layers_are_counts() {
    for (samples, units, hidden) in [(1, 1, 1), (63, 130, 65), (100, 300, 70), (130, 64, 200)] {
        let mut rng = HostRng::numbered(samples as u64, 12);
        let mut states = |columns| BitMatrix::from_fn(samples, columns, |_, _| rng.uniform() < 0.4);
        let (v, h) = (
            [states(units), states(units), states(units)],
            [states(hidden), states(hidden), states(hidden)],
        );
        let phases: [Phase<'_>; 3] = std::array::from_fn(|k| {
            Phase::new((&v[k]).into(), (&h[k]).into(), [0.25, -0.5, -0.125][k])
        });
        let mut out = Matrix::zeros(units, hidden);
        let mut tables = PhaseTables::default();
        let statistics = Statistics::new(&phases, units, hidden).unwrap();
        statistics
            .fastest(true, &mut tables)
            .write_to(&mut out)
            .unwrap();
        let count = |k: usize, i, j| {
            (0..samples)
                .filter(|&s| v[k].get(s, i) && h[k].get(s, j))
                .count()
        };
        for i in 0..units {
            for j in 0..hidden {
                let counts = [0, 1, 2].map(|k| count(k, i, j) as f32);
                let expected = 0.25 * counts[0] - 0.5 * counts[1] - 0.125 * counts[2];
                assert_eq!(out.row(i)[j], expected, "{samples} samples, ({i}, {j})");
            }
        }
    }
}
