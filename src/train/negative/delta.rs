//! The delta rule: weights that predict one layer from another, `dW = x' (t - E[t | x])`,
//! `db = t - E[t | x]`. Both phases of wake-sleep learn by it.

use crate::{
    kernel::rows::subtract_from_bits, matrix::Matrix, product::Phase, states::Input,
    threads::prelude::*,
};

/// The mean over the rows of `source' error`, each times its factor, as the phase of a directed
/// connection.
pub(in crate::train) fn phase<'a>(
    source: Input<'a>,
    error: &'a Matrix,
    of_rows: Option<&'a [f32]>,
) -> Phase<'a> {
    let rows = source.rows();
    Phase::new(source, error.view_rows(0..rows).into(), 1.0 / rows as f32).weighted(of_rows)
}

/// `mean = target - mean` in the rows of `target`.
pub(in crate::train) fn to_error(target: Input<'_>, mean: &mut Matrix) {
    let (rows, columns, stride) = (target.rows(), mean.columns(), mean.stride());
    debug_assert_eq!(target.columns(), columns);
    let all = mean.padded_mut()[..rows * stride].par_chunks_mut(stride.max(1));
    all.enumerate()
        .with_min_len(8)
        .for_each(|(s, mean)| match target {
            Input::Bits(x) => subtract_from_bits(x.row(s), &mut mean[..columns]),
            Input::Real(x) => {
                for (mean, t) in mean.iter_mut().zip(x.row(s)) {
                    *mean = t - *mean;
                }
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BitMatrix;

    #[test]
    fn errors_are_differences() {
        let bits = BitMatrix::from_fn(3, 77, |i, j| (i + j) % 3 == 0);
        let p = Matrix::from_fn(5, 77, |i, j| ((i * 7 + j) % 10) as f32 / 10.0);
        for target in [Input::from(&bits), Input::from(&bits.to_matrix())] {
            let mut error = p.clone();
            to_error(target, &mut error);
            for i in 0..5 {
                for j in 0..77 {
                    let t = f32::from(i < 3 && bits.get(i.min(2), j));
                    let expected = if i < 3 { t - p.row(i)[j] } else { p.row(i)[j] };
                    assert_eq!(error.row(i)[j], expected);
                }
            }
            assert!((0..5).all(|i| error.padded()[i * error.stride()..][77..80] == [0.0; 3]));
        }
    }
}
