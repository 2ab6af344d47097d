//! Products of sparse bits: the fixed-point weights of the inputs that are on, added up. The same
//! integers as the tables of a look-up give, so which of the two computes a block never
//! shows.

use super::{
    quantize::{SLAB, SLABS, WIDTH},
    slabs::{Bits, SlabSums},
};
use crate::{
    bits::WORD_BITS,
    simd::{Operation, Simd, dispatch},
};

/// Most active inputs of a row and block, on average, for which adding them one by one is as fast
/// as tables. Measured on Zen 5.
const MOST_ACTIVE: usize = 36;
/// With fewer rows than this tables are not worth building at any density.
const FEW_ROWS: usize = 8;

/// Whether adding active inputs is the faster way for a block of inputs.
pub(super) fn takes(bits: Bits<'_>) -> bool {
    bits.rows < FEW_ROWS || dispatch(CountActive(bits)) <= bits.rows * MOST_ACTIVE
}

struct CountActive<'a>(Bits<'a>);

impl Operation for CountActive<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        let bits = self.0;
        let used = bits.inputs.div_ceil(WORD_BITS);
        let mut count = 0;
        for row in 0..bits.rows {
            for word in &bits.words[row * bits.stride..][..used] {
                count += word.count_ones() as usize;
            }
        }
        count
    }
}

/// `product += step * (bits x slabs)`.
pub(super) fn add(job: SlabSums<'_>) {
    dispatch(AddActive(job));
}

struct AddActive<'a>(SlabSums<'a>);

impl Operation for AddActive<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.0.slabs.len() / SLAB {
            1 => add_slabs::<S, 1>(s, self.0),
            2 => add_slabs::<S, 2>(s, self.0),
            3 => add_slabs::<S, 3>(s, self.0),
            4 => add_slabs::<S, SLABS>(s, self.0),
            n => unreachable!("{n} slabs of a block"),
        }
    }
}

/// All rows through `N` slabs.
#[inline(always)]
fn add_slabs<S: Simd, const N: usize>(s: S, job: SlabSums<'_>) {
    let SlabSums {
        slabs,
        step,
        bits,
        product,
        stride,
    } = job;
    let Bits {
        words,
        stride: words_stride,
        inputs,
        rows,
    } = bits;
    assert!(slabs.len() == N * SLAB && inputs <= SLAB / WIDTH);
    // One vector or two cover the width.
    let vectors = WIDTH / (2 * S::LANES);
    let step = s.splat(step);
    for row in 0..rows {
        let mut sums = [[s.narrow([s.splat(0.0); 2]); 2]; N];
        for (k, &word) in words[row * words_stride..][..inputs.div_ceil(WORD_BITS)]
            .iter()
            .enumerate()
        {
            let mut rest = word;
            while rest != 0 {
                let input = k * WORD_BITS + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                for (n, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate().take(vectors) {
                        let at = n * SLAB + input * WIDTH + v * 2 * S::LANES;
                        // SAFETY: bits beyond the inputs are zero, so `input` is a row of a slab,
                        // of which there are N.
                        let weights = unsafe { s.load_words(slabs.as_ptr().add(at)) };
                        *sum = s.add_words(*sum, weights);
                    }
                }
            }
        }
        let product = &mut product[row * stride..][..N * WIDTH];
        for (n, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate().take(vectors) {
                for (k, sum) in s.widen(sum).into_iter().enumerate() {
                    let to = &mut product[n * WIDTH + (2 * v + k) * S::LANES..];
                    let total = s.add(s.load(to), s.mul(sum, step));
                    s.store(to, total);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        matrix::aligned,
        product::lookup::{TABLE_SIZE, WithTables},
        rng::HostRng,
        simd::{bits_of, dispatch_on, same_on_all},
    };
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// Tables in memory and active inputs, on every instruction set.
        #[test]
        fn sums_of_either_way_are_the_same_on_every_set(
            rows in 1_usize..14,
            inputs in 1_usize..=SLAB / WIDTH,
            density in 0.0..1.0,
            step in 1e-6_f32..1e-2,
            seed in any::<u64>(),
        ) {
            let mut rng = HostRng::numbered(seed, 74);
            let x = BitMatrix::from_fn(rows, inputs, |_, _| rng.uniform() < density);
            let slab: Vec<i16> = (0..SLAB).map(|_| rng.below(511) as i16 - 255).collect();
            let start: Vec<f32> = (0..rows * WIDTH).map(|_| rng.normal() as f32).collect();
            let (words, stride) = x.view().words();
            let bits = Bits { words, stride, inputs, rows };
            same_on_all(|isa| {
                let [mut active, mut tables] = [start.clone(), start.clone()];
                let job = |product| SlabSums { slabs: &slab, step, bits, product, stride: WIDTH };
                dispatch_on(isa, AddActive(job(&mut active)));
                let mut buffer = aligned(TABLE_SIZE, 0);
                dispatch_on(isa, WithTables { job: job(&mut tables), tables: &mut buffer });
                assert_eq!(active, tables, "{isa}");
                bits_of(&tables)
            });
        }
    }
}
