//! Conditionals of units of more neighbors, bracketed: sums of look-ups in fixed point.
//!
//! The first uniform of a draw has 8 bits, so all but one in 256 draws are decided by a probability
//! that is off by little. Couplings times `beta` are integers of 16 bits, steps of `2^-12` or a
//! power of two more. The 32 sums of five of them are a table in a register, which five bits of 32
//! chains look up at once; a curve of 32 parabolas makes the sum a probability in steps of `2^-16`.
//! How far that is from the mean in f32 has a bound, known of every unit when its integers are
//! made: a uniform that is farther away is decided, and chains with others wait with those that tie
//! ([`super::ties`]), for the mean itself. So every bit is that of the sums in f32.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators over vectors are functions that are not compiled for the instruction set"
)]

use super::{Neighbors, word_at};
use crate::{
    simd::{Isa, Operation, Simd, dispatch_on},
    threads,
};
use std::sync::atomic::AtomicU64;

/// Couplings of a table.
const GROUP: usize = 5;
/// Steps of one.
pub(super) const ONE: f32 = 4096.0;
/// Bits of a step within a parabola.
const WITHIN: u32 = 11;
/// Steps of probability of a uniform of 8 bits are `2^8`: a unit whose bound is more than as many
/// leaves too many chains waiting.
const MOST_ERROR: f32 = 240.0;
/// Bound on the error of [`CURVE`], in steps of probability, and on what f32 adds to it: the
/// sigmoid is off by some 1e-7.
pub(super) const CURVE_ERROR: f32 = 6.0 + 0.1;
/// Steps of probability between the ends of the curve, at inputs of 8, and 0 or 1.
pub(super) const CURVE_END: i64 = 23;
/// Steps of probability for a step of input where the sigmoid is steepest: `2^16 / 4 / 2^12`.
const SLOPE: f32 = 4.0;
/// Doublings of a sum: beyond that a step is worth too much.
const MOST_DOUBLINGS: u8 = 4;

/// `2^16 (sigma(y / ONE) - 1/2)` of a step `y` of 16 bits: with `f` in [-1, 1) from the middle of
/// the `2^11` steps that share their upper five bits, `k`, `c_0k + f (c_1k + f c_2k)`, both
/// products rounded. Coefficients are those of the least error, found by search about the parabola
/// through three points.
static CURVE: [[i16; 32]; 3] = [
    [
        4075, 11742, 18173, 23065, 26519, 28830, 30322, 31263, 31846, 32205, 32426, 32560, 32642,
        32691, 32722, 32740, -32740, -32722, -32691, -32642, -32560, -32426, -32205, -31846,
        -31263, -30322, -28830, -26519, -23065, -18173, -11742, -4075,
    ],
    [
        4018, 3561, 2835, 2071, 1419, 930, 593, 370, 229, 140, 86, 52, 32, 19, 12, 7, 7, 12, 19,
        32, 52, 86, 140, 229, 370, 593, 930, 1419, 2071, 2835, 3561, 4018,
    ],
    [
        -62, -158, -196, -180, -142, -102, -69, -45, -27, -16, -11, -6, -4, -2, -2, -1, 1, 2, 2, 4,
        6, 11, 16, 27, 45, 69, 102, 142, 180, 196, 158, 62,
    ],
];

/// Whether they are faster than sums in f32: where an instruction looks up 16 bits.
pub(super) fn pay(isa: Isa) -> bool {
    isa == Isa::Avx512
}

/// The integers of one unit.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    /// Where its couplings start, five by five, zeros at the end.
    start: usize,
    bias: i16,
    /// Bound on the error, in steps of probability; 0 of a unit that has no integers.
    error: i16,
    /// Of a sum, until it counts steps of `2^-12`.
    doublings: u8,
}

/// `beta A_i` and `beta a_i` of units of more than some neighbors, as integers.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// Of all units, or of none.
    units: Vec<Unit>,
    values: Vec<i16>,
}

/// [`Sums`] of one unit.
pub(super) struct Sum<'a> {
    unit: Unit,
    values: &'a [i16],
}

impl Sums {
    /// Makes the integers of all units of more than `few` neighbors. Allocates only to grow.
    pub(super) fn fill_on(
        &mut self,
        isa: Isa,
        couplings: &Neighbors,
        bias: &[f32],
        beta: f32,
        few: usize,
    ) {
        let n = couplings.units();
        let mut end = 0;
        self.units.clear();
        self.units.reserve(n);
        for i in 0..n {
            self.units.push(Unit {
                start: end,
                ..Unit::default()
            });
            if couplings.degree(i) > few {
                end += couplings.degree(i).next_multiple_of(GROUP);
            }
        }
        if end == 0 {
            return self.units.clear();
        }
        self.values.resize(end, 0);
        let part = Part {
            couplings,
            bias,
            beta,
            few,
            first: 0,
            units: &mut self.units,
            values: &mut self.values,
        };
        match threads::is_little(end) {
            true => dispatch_on(isa, part),
            false => threads::in_pool(|| part.split(isa)),
        }
    }

    /// None.
    pub(super) fn clear(&mut self) {
        self.units.clear();
    }

    /// The integers of unit `i`, whose neighbors number `degree`, if it has any.
    #[inline(always)]
    pub(super) fn of(&self, i: usize, degree: usize) -> Option<Sum<'_>> {
        let unit = *self.units.get(i).filter(|unit| unit.error > 0)?;
        let values = &self.values[unit.start..][..degree.next_multiple_of(GROUP)];
        Some(Sum { unit, values })
    }
}

/// The integers of some consecutive units.
struct Part<'a> {
    couplings: &'a Neighbors,
    bias: &'a [f32],
    beta: f32,
    /// Of units of no more neighbors there are none.
    few: usize,
    /// The first of the units.
    first: usize,
    units: &'a mut [Unit],
    values: &'a mut [i16],
}

impl Part<'_> {
    /// Halves until they are little, in parallel.
    fn split(self, isa: Isa) {
        let half = self.units.len() / 2;
        if half == 0 || threads::is_little(self.values.len()) {
            return dispatch_on(isa, self);
        }
        let (units, other_units) = self.units.split_at_mut(half);
        let at = other_units[0].start - units[0].start;
        let (values, other_values) = self.values.split_at_mut(at);
        let lower = Part {
            units,
            values,
            ..self
        };
        let upper = Part {
            first: self.first + half,
            units: other_units,
            values: other_values,
            ..self
        };
        threads::join(|| lower.split(isa), || upper.split(isa));
    }
}

impl Operation for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let begin = self.units[0].start;
        for (k, unit) in self.units.iter_mut().enumerate() {
            let i = self.first + k;
            let (_, couplings) = self.couplings.of(i);
            if couplings.len() > self.few {
                let to = &mut self.values[unit.start - begin..];
                let to = &mut to[..couplings.len().next_multiple_of(GROUP)];
                integers(s, unit, couplings, self.bias[i], self.beta, to);
            }
        }
    }
}

/// Makes the integers of one unit, if its inputs are of a size that they can have.
///
/// A coupling of `x` steps becomes the nearest integer, `x + r`. Sums of these are between `-N` and
/// `P` too great, the sums of the negative and the positive `r`; the bias takes the middle of it
/// away.
#[inline(always)]
fn integers<S: Simd>(
    s: S,
    unit: &mut Unit,
    couplings: &[f32],
    bias: f32,
    beta: f32,
    to: &mut [i16],
) {
    const CHUNK: usize = 32;
    let n = couplings.len() as f32;
    let sum = |x: S::F| {
        let mut lanes = [0.0; 16];
        s.store(&mut lanes, x);
        let mut sum = 0.0;
        for lane in lanes {
            sum += lane;
        }
        sum
    };
    let zero = s.splat(0.0);
    let mut total = zero;
    for chunk in couplings.chunks(CHUNK) {
        let mut buffer = [0.0; CHUNK];
        buffer[..chunk.len()].copy_from_slice(chunk);
        for x in buffer.chunks_exact(S::LANES) {
            let x = s.load(x);
            total = s.add(total, s.max(x, s.sub(zero, x)));
        }
    }
    // The greatest input there can be, of which f32 makes no infinity before `beta` comes to it.
    let total = sum(total) + bias.abs();
    let steps = total * (beta.abs() * ONE);
    let most = f32::from(i16::MAX) - 2.0 * n;
    let mut doublings = 0;
    let mut worth = 1.0;
    while steps > most * worth && doublings < MOST_DOUBLINGS {
        doublings += 1;
        worth *= 2.0;
    }
    if !(total < f32::MAX && steps <= most * worth) {
        return;
    }
    let scale = beta * ONE / worth;
    let (mut above, mut below) = (zero, zero);
    for (chunk, to) in couplings.chunks(CHUNK).zip(to.chunks_mut(CHUNK)) {
        let mut buffer = [0.0; CHUNK];
        buffer[..chunk.len()].copy_from_slice(chunk);
        let mut rounded = [0_i16; CHUNK];
        let pairs = buffer.chunks_exact(2 * S::LANES);
        for (x, rounded) in pairs.zip(rounded.chunks_exact_mut(2 * S::LANES)) {
            let mut x = [s.load(x), s.load(&x[S::LANES..])];
            for k in 0..2 {
                x[k] = s.mul(x[k], s.splat(scale));
            }
            let integers = s.narrow(x);
            let near = s.widen(integers);
            for k in 0..2 {
                let r = s.sub(near[k], x[k]);
                above = s.add(above, s.max(r, zero));
                below = s.add(below, s.max(s.sub(zero, r), zero));
            }
            // SAFETY: the chunk is of 2 LANES integers.
            unsafe { s.store_words(rounded.as_mut_ptr(), integers) };
        }
        to.copy_from_slice(&rounded[..to.len()]);
    }
    let (above, below) = (sum(above), sum(below));
    let middle = (above - below) / 2.0;
    let x = bias * scale;
    let rounded = (x - middle).round_ties_even();
    let half = (above + below) / 2.0 + (rounded - x + middle).abs();
    // Of as many additions and products in f32, here and of the mean itself.
    let rounding = steps * (2.0 * n + 16.0) * f32::EPSILON;
    let error = SLOPE * (half * worth + rounding) + CURVE_ERROR;
    if error <= MOST_ERROR {
        (unit.bias, unit.error) = (rounded as i16, error.ceil() as i16);
        unit.doublings = doublings;
    }
}

/// Draws of a word of chains by a sum.
#[derive(Clone, Copy)]
pub(super) struct Drawn<S: Simd, const W: usize> {
    /// Zeros of chains that are open.
    pub(super) ones: u64,
    pub(super) open: u64,
    /// Probabilities less a half in steps, of even and of odd chains.
    pub(super) steps: [[S::W; 2]; W],
}

impl Sum<'_> {
    /// The draws of a unit of `P` words of chains, `x` `[units][P]`, from their first uniforms.
    /// `zero` is one that the compiler does not know: of integers whose bits it knows to be zero it
    /// makes sums two operations each.
    #[inline(always)]
    pub(super) fn draw<S: Simd, const W: usize, const P: usize>(
        &self,
        s: S,
        zero: S::I,
        near: &[u32],
        x: &[AtomicU64],
        u: &[[S::I; W]; P],
    ) -> [Drawn<S, W>; P] {
        let mut y = [[[s.splat_words(self.unit.bias); 2]; W]; P];
        let whole = near.len() / GROUP;
        for g in 0..whole {
            let values = &self.values[g * GROUP..(g + 1) * GROUP];
            add_group::<S, W, P, GROUP>(s, zero, &near[g * GROUP..], values, x, &mut y);
        }
        let rest = (&near[whole * GROUP..], &self.values[whole * GROUP..]);
        match rest.0.len() {
            0 => (),
            1 => add_group::<S, W, P, 1>(s, zero, rest.0, rest.1, x, &mut y),
            2 => add_group::<S, W, P, 2>(s, zero, rest.0, rest.1, x, &mut y),
            3 => add_group::<S, W, P, 3>(s, zero, rest.0, rest.1, x, &mut y),
            _ => add_group::<S, W, P, 4>(s, zero, rest.0, rest.1, x, &mut y),
        }
        for _ in 0..self.unit.doublings {
            for p in 0..P {
                for w in 0..W {
                    for k in 0..2 {
                        y[p][w][k] = s.add_words_saturating(y[p][w][k], y[p][w][k]);
                    }
                }
            }
        }
        let nothing = Drawn {
            ones: 0,
            open: 0,
            steps: [[s.splat_words(0); 2]; W],
        };
        let mut drawn = [nothing; P];
        for p in 0..P {
            drawn[p] = self.decide(s, &y[p], &u[p]);
        }
        drawn
    }

    /// With probabilities `p` in steps of `2^-16` and `u` of `2^-8`: ones where `p - e >= u + 1`,
    /// open unless that or `p + e <= u`. Upper bytes tell.
    #[inline(always)]
    fn decide<S: Simd, const W: usize>(
        &self,
        s: S,
        y: &[[S::W; 2]; W],
        u: &[S::I; W],
    ) -> Drawn<S, W> {
        // Of probabilities less a half.
        let half = s.splat_u64(0x8080_8080_8080_8080);
        let less = s.splat_words(-self.unit.error);
        let more = s.splat_words(self.unit.error - 1);
        let (mut ones, mut zeros, mut steps) = (0, 0, *y);
        for w in 0..W {
            let [even, odd] = [curve(s, y[w][0]), curve(s, y[w][1])];
            steps[w] = [even, odd];
            let least = s.upper_bytes(
                s.add_words_saturating(even, less),
                s.add_words_saturating(odd, less),
            );
            let most = s.upper_bytes(
                s.add_words_saturating(even, more),
                s.add_words_saturating(odd, more),
            );
            let (least, most) = (s.xor(least, half), s.xor(most, half));
            ones |= s.less_bytes(u[w], least) << (w * 4 * S::LANES);
            zeros |= s.less_bytes(most, u[w]) << (w * 4 * S::LANES);
        }
        let open = !(ones | zeros);
        Drawn { ones, open, steps }
    }

    /// Whether an open draw with the probability of these steps less a half and these uniforms is
    /// one, if the bound on the error tells.
    #[inline(always)]
    pub(super) fn settles(&self, steps: i16, first: u8, second: u64) -> Option<bool> {
        // Where probabilities end the curve does, a little before 0 and 1.
        let end = if (2..254).contains(&first) {
            0
        } else {
            CURVE_END
        };
        let error = i64::from(self.unit.error) + end;
        // Of 256 steps, a unit of the second uniform.
        let rest = i64::from(steps) + (1 << 15) - (i64::from(first) << 8);
        let second = second.cast_signed();
        if second < (rest - error) << 45 {
            Some(true)
        } else if second >= (rest + error) << 45 {
            Some(false)
        } else {
            None
        }
    }
}

/// Adds the sums of `K` neighbors of all chains.
#[inline(always)]
fn add_group<S: Simd, const W: usize, const P: usize, const K: usize>(
    s: S,
    zero: S::I,
    near: &[u32],
    values: &[i16],
    x: &[AtomicU64],
    y: &mut [[[S::W; 2]; W]; P],
) {
    let near: &[u32; K] = near[..K].try_into().expect("as many neighbors");
    let table = table_of(s, values);
    for p in 0..P {
        let mut words = [0; K];
        for k in 0..K {
            // SAFETY: all neighbors are units, each of which has `P` words (asserted where the
            // sweep begins).
            words[k] = unsafe { word_at(x, near[k] as usize * P + p) };
        }
        for w in 0..W {
            let mut index = zero;
            for k in 0..K {
                let mask = s.byte_mask(words[k] >> (w * 4 * S::LANES));
                index = s.add_bytes_where(index, mask, 1 << k);
            }
            let even = s.as_words(index);
            let odd = s.shift_words_down(even, 8);
            let sums = &mut y[p][w];
            sums[0] = s.add_words(sums[0], s.look_up_words(&table, even));
            sums[1] = s.add_words(sums[1], s.look_up_words(&table, odd));
        }
    }
}

/// The sums of five numbers: entry `e` has those of the ones of `e`.
#[inline(always)]
fn table_of<S: Simd>(s: S, of: &[i16]) -> [S::W; 2] {
    const LANES: [u32; GROUP] = [
        0xAAAA_AAAA,
        0xCCCC_CCCC,
        0xF0F0_F0F0,
        0xFF00_FF00,
        0xFFFF_0000,
    ];
    let of: &[i16; GROUP] = of[..GROUP].try_into().expect("a group");
    let mut low = s.splat_words(0);
    for k in 0..GROUP - 1 {
        low = s.add_words_where(low, LANES[k], s.splat_words(of[k]));
    }
    let last = s.splat_words(of[GROUP - 1]);
    if S::LANES == 16 {
        [s.add_words_where(low, LANES[GROUP - 1], last), low]
    } else {
        [low, s.add_words(low, last)]
    }
}

/// [`CURVE`] of every lane.
#[inline(always)]
pub(super) fn curve<S: Simd>(s: S, y: S::W) -> S::W {
    let coefficients = |k: usize| {
        let of = CURVE[k].as_ptr();
        // SAFETY: 32 integers, of which a vector is all or half.
        unsafe { [s.load_words(of), s.load_words(of.add(32 - 2 * S::LANES))] }
    };
    let k = s.shift_words_down(y, WITHIN);
    let f = s.shift_words_up(y, i16::BITS - WITHIN);
    let f = s.add_words(f, s.splat_words(i16::MIN));
    let of = |c: usize| s.look_up_words(&coefficients(c), k);
    let inner = s.add_words(of(1), s.mul_words(f, of(2)));
    s.add_words(of(0), s.mul_words(f, inner))
}
