//! Energies of 64 chains at once.

use super::{Neighbors, add_couplings};
use crate::{
    bits::WORD_BITS,
    simd::{Operation, Simd, dispatch},
};

/// `out = sum_i x_i (a_i + sum_{j<i} A_ij x_j)` of the chains of a word, inputs in f32 and their
/// sum in f64: the same bits on every instruction set. On the calling thread.
pub(crate) fn negative_energies(couplings: &Neighbors, bias: &[f32], x: &[u64], out: &mut [f64]) {
    dispatch(NegativeEnergies {
        couplings,
        bias,
        x,
        out,
    });
}

/// [`negative_energies`] as an operation.
pub(super) struct NegativeEnergies<'a> {
    pub(super) couplings: &'a Neighbors,
    pub(super) bias: &'a [f32],
    pub(super) x: &'a [u64],
    pub(super) out: &'a mut [f64],
}

impl Operation for NegativeEnergies<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::LANES {
            16 => self.add::<S, 4>(s),
            8 => self.add::<S, 8>(s),
            lanes => unreachable!("{lanes} lanes"),
        }
    }
}

impl NegativeEnergies<'_> {
    #[inline(always)]
    fn add<S: Simd, const V: usize>(self, s: S) {
        self.out.fill(0.0);
        let mut buffer = [0.0; WORD_BITS];
        for i in 0..self.x.len() {
            let (neighbors, values) = self.couplings.of(i);
            let below = neighbors.partition_point(|&j| (j as usize) < i);
            let mut y = [s.splat(self.bias[i]); V];
            add_couplings(
                s,
                (&neighbors[..below], &values[..below]),
                |j| self.x[j],
                &mut y,
            );
            for (to, y) in buffer.chunks_exact_mut(S::LANES).zip(y) {
                s.store(to, y);
            }
            let word = self.x[i];
            for (lane, (sum, y)) in self.out.iter_mut().zip(buffer).enumerate() {
                if word >> lane & 1 == 1 {
                    *sum += f64::from(y);
                }
            }
        }
    }
}
