//! The delta rule: weights that predict one layer from another, `dW = x' (t - E[t | x])`,
//! `db = t - E[t | x]`. Both phases of wake-sleep learn by it.

use crate::{
    matrix::Matrix,
    product::Phase,
    simd::{Operation, Simd, dispatch},
    states::Input,
    threads::prelude::*,
};

/// The mean over the rows of `source' error`, as the phase of a directed connection.
pub(in crate::train) fn phase<'a>(source: Input<'a>, error: &'a Matrix) -> Phase<'a> {
    let rows = source.rows();
    Phase {
        visible: source,
        hidden: error.view_rows(0..rows).into(),
        weight: 1.0 / rows as f32,
    }
}

/// `mean = target - mean` in the rows of `target`.
pub(in crate::train) fn to_error(target: Input<'_>, mean: &mut Matrix) {
    let (rows, columns, stride) = (target.rows(), mean.columns(), mean.stride());
    debug_assert_eq!(target.columns(), columns);
    let all = mean.padded_mut()[..rows * stride].par_chunks_mut(stride.max(1));
    all.enumerate()
        .with_min_len(8)
        .for_each(|(s, mean)| match target {
            Input::Bits(x) => dispatch(SubtractFromBits {
                bits: x.row(s),
                mean: &mut mean[..columns],
            }),
            Input::Real(x) => {
                for (mean, t) in mean.iter_mut().zip(x.row(s)) {
                    *mean = t - *mean;
                }
            }
        });
}

struct SubtractFromBits<'a> {
    bits: &'a [u64],
    mean: &'a mut [f32],
}

impl Operation for SubtractFromBits<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (word, mean) in self.bits.iter().zip(self.mean.chunks_mut(64)) {
            for (k, mean) in mean.chunks_mut(S::LANES).enumerate() {
                let part = (word >> (k * S::LANES)) as u32;
                if mean.len() == S::LANES {
                    let error = s.sub(s.expand(part), s.load(mean));
                    s.store(mean, error);
                } else {
                    for (j, mean) in mean.iter_mut().enumerate() {
                        *mean = (part >> j & 1) as f32 - *mean;
                    }
                }
            }
        }
    }
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
