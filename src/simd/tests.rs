//! Every operation of every instruction set against its definition, one lane at a time.

use super::*;

/// The environment asked for an instruction set; this run must have used it.
#[test]
fn required_isa_is_in_use() {
    if let Ok(name) = std::env::var("HARMONIUM_REQUIRE_ISA") {
        let required: Isa = name.parse().unwrap();
        assert!(required.is_available(), "this CPU lacks {required}");
        assert_eq!(isa(), required, "HARMONIUM_ISA must force {required}");
    }
}

#[test]
fn names_parse_back_and_others_are_refused() {
    for isa in Isa::ALL {
        assert_eq!(isa.name().parse::<Isa>().unwrap(), isa);
    }
    assert!("avx".parse::<Isa>().is_err());
}

struct Definitions;
impl Operation for Definitions {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        floats(s);
        rounded_once(s);
        masks(s);
        integers(s);
        doubles(s);
        words(s);
        pairs(s);
        sixteen_bits(s);
        transposed_floats(s);
        transposed_words(s);
    }
}

#[inline(always)]
fn lanes<S: Simd>(s: S, x: S::F) -> Vec<f32> {
    let mut out = vec![f32::NAN; S::LANES];
    s.store(&mut out, x);
    out
}

/// Two operands, and whether the first is less than the second differs between lanes.
fn operands<S: Simd>() -> [Vec<f32>; 2] {
    let a = (0..S::LANES).map(|k| k as f32 * 0.75 - 3.0);
    let b = (0..S::LANES).map(|k| 5.0 - k as f32 * 0.5);
    [a.collect(), b.collect()]
}

#[inline(always)]
fn floats<S: Simd>(s: S) {
    let [a, b] = operands::<S>();
    let (va, vb) = (s.load(&a), s.load(&b));
    let check = |x: S::F, f: &dyn Fn(f32, f32) -> f32| {
        for (k, lane) in lanes(s, x).into_iter().enumerate() {
            assert_eq!(lane, f(a[k], b[k]), "lane {k}");
        }
    };
    check(s.add(va, vb), &|a, b| a + b);
    check(s.sub(va, vb), &|a, b| a - b);
    check(s.mul(va, vb), &|a, b| a * b);
    check(s.div(va, vb), &|a, b| a / b);
    check(s.mul_add(va, vb, va), &|a, b| a * b + a);
    check(s.min(va, vb), &f32::min);
    check(s.max(va, vb), &f32::max);
    check(s.splat(2.5), &|_, _| 2.5);
    for n in 0..=S::LANES {
        let mut some = vec![f32::NAN; S::LANES + 1];
        s.store_first(&mut some[..n], va);
        assert_eq!(some[..n], a[..n]);
        assert!(some[n..].iter().all(|x| x.is_nan()), "{n}");
    }
    for first in (-1008..=1016 - S::LANES as i32).step_by(S::LANES) {
        let of = |k: usize| first + k as i32;
        // What is above the lowest twelve bits does not count.
        let bits = |k: usize| f32::from_bits(0x4B40_0000_u32.wrapping_add(of(k) as u32));
        let n: Vec<f32> = (0..S::LANES).map(bits).collect();
        for (k, x) in lanes(s, s.exp2_eighths(s.load(&n))).into_iter().enumerate() {
            assert_eq!(x, 2_f64.powf(f64::from(of(k)) / 8.0) as f32, "{}", of(k));
        }
    }
}

/// Multiply-adds have one rounding: at sizes that are far apart, at ties, without cancellation and
/// with, denormals, zeros and infinities included.
#[inline(always)]
fn rounded_once<S: Simd>(s: S) {
    let mut rng = crate::rng::HostRng::numbered(1, 5);
    let mut x = || {
        let mantissa = 1.0 + (rng.below(1 << 23) as f64) / f64::from(1 << 23);
        let few = 1.0 + (rng.below(16) as f64) / 16.0;
        let special = [0.0, -0.0, f32::INFINITY, f32::MIN_POSITIVE / 8.0, f32::MAX];
        let size = 2_f64.powi(rng.below(140) as i32 - 70);
        let near = 2_f64.powi(rng.below(26) as i32);
        match rng.below(20) {
            0 => special[rng.below(5)],
            1..6 => (few * near) as f32,
            6..10 => -(few * near) as f32,
            10..15 => (mantissa * size) as f32,
            15..17 => (mantissa * near) as f32,
            _ => -(mantissa * near) as f32,
        }
    };
    for _ in 0..20_000 {
        let [a, b, c] = [0; 3].map(|_| (0..S::LANES).map(|_| x()).collect::<Vec<_>>());
        let got = lanes(s, s.mul_add(s.load(&a), s.load(&b), s.load(&c)));
        for (k, got) in got.into_iter().enumerate() {
            let expected = a[k].mul_add(b[k], c[k]);
            let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
            assert!(
                same,
                "{:e} {:e} + {:e}: {got:e} for {expected:e}",
                a[k], b[k], c[k]
            );
        }
    }
}

/// Bits of comparisons, bits to floats, bits between bits.
#[inline(always)]
fn masks<S: Simd>(s: S) {
    let [a, b] = operands::<S>();
    let less = s.less(s.load(&a), s.load(&b));
    for k in 0..S::LANES {
        assert_eq!(less >> k & 1 == 1, a[k] < b[k]);
    }
    let mask = 0b1011_0010_1100_1001_u32;
    for (k, x) in lanes(s, s.expand(mask)).into_iter().enumerate() {
        assert_eq!(x, (mask >> k & 1) as f32);
    }

    let mixed = s.interleave_bits(0b1000_0000_0000_0001, 0b1100_0000_0000_0010);
    assert_eq!(
        mixed, 0b1110_0000_0000_0000_0000_0000_0000_1001,
        "{mixed:b}"
    );
}

#[inline(always)]
fn integers<S: Simd>(s: S) {
    let half = S::LANES / 2;
    let multiples =
        |of: u64| -> Vec<u64> { (1..=half as u64).map(|k| k.wrapping_mul(of)).collect() };
    let x = multiples(0x9E37_79B9_7F4A_7C15);
    let y = multiples(0xD1B5_4A32_D192_ED03);
    let (vx, vy) = (s.load_u64(&x), s.load_u64(&y));
    // A register of integers is read back byte by byte.
    let bytes = |v: S::I| s.widen_bytes(v).map(|x| lanes(s, x)).concat();
    let check = |v: S::I, f: &dyn Fn(usize) -> u64| {
        for (k, x) in bytes(v).into_iter().enumerate() {
            let byte = f(k / 8).to_le_bytes()[k % 8];
            assert_eq!(x, f32::from(byte), "byte {k}");
        }
        let picked = [0, 1, 2, 3].map(|k| lanes(s, s.picked_byte(v, s.pick(k))));
        for (k, x) in bytes(v).into_iter().enumerate() {
            assert_eq!(x, picked[k % 4][k / 4], "byte {k}");
        }
        let (all, half) = (bytes(v), 2 * S::LANES);
        for (k, x) in bytes(s.even_bytes_first(v)).into_iter().enumerate() {
            let (is_odd, place) = (k % half / S::LANES, k % S::LANES);
            assert_eq!(x, all[k / half * half + 2 * place + is_odd], "byte {k}");
        }
    };
    let low = |x: u64| x & 0xffff_ffff;
    check(vx, &|k| x[k]);
    check(s.splat_u64(x[0]), &|_| x[0]);
    check(s.mul_u32(vx, vy), &|k| low(x[k]) * low(y[k]));
    check(s.add_u64(vx, vy), &|k| x[k].wrapping_add(y[k]));
    check(s.xor(vx, vy), &|k| x[k] ^ y[k]);
    check(s.upper_half(vx), &|k| x[k] >> 32);
    check(s.pair(vx, vy), &|k| low(x[k]) | y[k] << 32);
    check(s.interleave_lower(vx, vy), &|k| {
        if k % 2 == 0 { x[k] } else { y[k - 1] }
    });
    check(s.interleave_upper(vx, vy), &|k| {
        if k % 2 == 0 { x[k + 1] } else { y[k] }
    });
}

/// Doubles, which have one rounding everywhere.
#[inline(always)]
fn doubles<S: Simd>(s: S) {
    let half = S::LANES / 2;
    let x: Vec<f64> = (0..half).map(|k| k as f64 / 3.0 - 0.7).collect();
    let y: Vec<f64> = (0..half).map(|k| 5.0 - k as f64 / 7.0).collect();
    let (vx, vy) = (s.load_f64(&x), s.load_f64(&y));
    let check = |v: S::D, f: &dyn Fn(usize) -> f64| {
        let mut lanes = vec![f64::NAN; half];
        s.store_f64(&mut lanes, v);
        for (k, lane) in lanes.into_iter().enumerate() {
            assert_eq!(lane, f(k), "double {k}");
        }
    };
    check(vx, &|k| x[k]);
    check(s.splat_f64(0.1), &|_| 0.1);
    check(s.add_f64(vx, vy), &|k| x[k] + y[k]);
    check(s.mul_f64(vx, vy), &|k| x[k] * y[k]);
}

/// 16-bit words, through floats and back.
#[inline(always)]
fn words<S: Simd>(s: S) {
    let wide: Vec<f32> = (0..2 * S::LANES)
        .map(|k| (k as f32 - 9.0) * 1010.5)
        .collect();
    let words = s.narrow([s.load(&wide), s.load(&wide[S::LANES..])]);
    let mut stored = vec![0_i16; 2 * S::LANES];
    // SAFETY: the buffer holds 2 * LANES integers.
    let (words, twice) = unsafe {
        s.store_words(stored.as_mut_ptr(), words);
        let words = s.load_words(stored.as_ptr());
        (words, s.add_words(words, words))
    };
    let both = s.widen(words).map(|x| lanes(s, x)).concat();
    let doubled = s.widen(twice).map(|x| lanes(s, x)).concat();
    for (k, &x) in wide.iter().enumerate() {
        let rounded = x.round_ties_even();
        assert_eq!(f32::from(stored[k]), rounded);
        assert_eq!(both[k], rounded);
        assert_eq!(doubled[k], f32::from((rounded as i16).wrapping_mul(2)));
    }
}

/// Products of pairs of 16-bit words, the largest included, and sums that wrap.
#[inline(always)]
fn pairs<S: Simd>(s: S) {
    let n = 2 * S::LANES;
    let a: Vec<i16> = (0..n).map(|k| [i16::MIN, 3, i16::MAX][k % 3]).collect();
    let b: Vec<i16> = (0..n).map(|k| (k as i16 - 9) * 1400 + 1).collect();
    let start: Vec<u32> = (0..S::LANES as u32).map(|k| k << 29).collect();
    let mut stored = vec![0_i16; 2 * n];
    let mut sums = vec![0_u32; S::LANES];
    // SAFETY: the buffers hold what is loaded and stored.
    let sum = unsafe {
        let [va, vb] = [&a, &b].map(|x| s.load_words(x.as_ptr()));
        let [low, high] = s.interleave_words(va, vb);
        s.store_words(stored.as_mut_ptr(), low);
        s.store_words(stored[n..].as_mut_ptr(), high);
        s.add_pairs(s.load_u32(start.as_ptr()), va, vb)
    };
    let turns = a.iter().zip(&b).flat_map(|(&a, &b)| [a, b]);
    assert_eq!(stored, turns.collect::<Vec<_>>());
    s.store_u32(&mut sums, sum);
    let floats = lanes(s, s.integers_to_floats(sum));
    for k in 0..S::LANES {
        let of = |k: usize| i32::from(a[k]) * i32::from(b[k]);
        let sum = (of(2 * k) + of(2 * k + 1)).wrapping_add(start[k] as i32);
        assert_eq!((sums[k] as i32, floats[k]), (sum, sum as f32));
    }
    let pair = s.splat_pair(0x8001_7FFE);
    // SAFETY: the buffer holds 2 * LANES integers.
    unsafe { s.store_words(stored.as_mut_ptr(), pair) };
    for pair in stored[..n].chunks(2) {
        assert_eq!(pair, [0x7FFE, -0x7FFF]);
    }
}

/// What sums of look-ups take: 16-bit lanes by index, where a mask has ones, at the ends of what
/// they hold, shifted, multiplied, and their upper bytes.
#[inline(always)]
fn sixteen_bits<S: Simd>(s: S) {
    let n = 2 * S::LANES;
    let mut rng = crate::rng::HostRng::numbered(2, 5);
    let mut random = || -> Vec<i16> { (0..n).map(|_| rng.next_u64() as i16).collect() };
    let load = |x: &[i16]| {
        assert!(x.len() >= n);
        // SAFETY: as many integers as a vector has.
        unsafe { s.load_words(x.as_ptr()) }
    };
    let check = |v: S::W, f: &dyn Fn(usize) -> i16| {
        let mut lanes = vec![0; n];
        // SAFETY: the buffer is of as many integers as a vector has.
        unsafe { s.store_words(lanes.as_mut_ptr(), v) };
        for (k, lane) in lanes.into_iter().enumerate() {
            assert_eq!(lane, f(k), "lane {k}");
        }
    };
    for _ in 0..50 {
        let (a, b) = (random(), random());
        let table: Vec<i16> = [random(), random(), random(), random()].concat();
        let table = &table[..32];
        let (va, vb) = (load(&a), load(&b));
        check(s.splat_words(a[0]), &|_| a[0]);
        check(s.add_words_saturating(va, vb), &|k| {
            a[k].saturating_add(b[k])
        });
        check(s.mul_words(va, vb), &|k| {
            ((i32::from(a[k]) * i32::from(b[k]) + (1 << 14)) >> 15) as i16
        });
        let mask = a[0] as u32 ^ (b[0] as u32) << 16;
        check(s.add_words_where(va, mask, vb), &|k| {
            if mask >> k & 1 == 1 {
                a[k].wrapping_add(b[k])
            } else {
                a[k]
            }
        });
        for by in [1, 5, 8, 11] {
            check(s.shift_words_down(va, by), &|k| (a[k] as u16 >> by) as i16);
            check(s.shift_words_up(va, by), &|k| a[k] << by);
        }
        let halves = [load(table), load(&table[32 - n..])];
        check(s.look_up_words(&halves, va), &|k| table[a[k] as usize & 31]);
        let upper = s
            .widen_bytes(s.upper_bytes(va, vb))
            .map(|x| lanes(s, x))
            .concat();
        for (k, byte) in upper.into_iter().enumerate() {
            let of = if k % 2 == 0 { a[k / 2] } else { b[k / 2] };
            assert_eq!(byte, f32::from((of as u16 >> 8) as u8), "byte {k}");
        }
        let longs: Vec<u64> = (0..S::LANES / 2)
            .map(|k| (0..4).fold(0, |x, j| x | u64::from(a[4 * k + j] as u16) << (16 * j)))
            .collect();
        check(s.as_words(s.load_u64(&longs)), &|k| a[k]);
    }
}

#[inline(always)]
fn transposed_floats<S: Simd>(s: S) {
    let n = S::LANES;
    let stride = n + 3;
    let from: Vec<f32> = (0..n * stride).map(|k| k as f32).collect();
    let mut to = vec![-1.0; n * stride];
    // SAFETY: both buffers hold `n` rows of `stride >= n` floats.
    unsafe { s.transpose(from.as_ptr(), stride, to.as_mut_ptr(), stride) };
    assert_transposed(&from, &to, n, stride, -1.0);
}

#[inline(always)]
fn transposed_words<S: Simd>(s: S) {
    let n = 2 * S::LANES;
    let stride = n + 5;
    let from: Vec<i16> = (0..n * stride).map(|k| k as i16).collect();
    let mut to = vec![-1_i16; n * stride];
    // SAFETY: both buffers hold `n` rows of `stride >= n` integers.
    unsafe { s.transpose_words(from.as_ptr(), stride, to.as_mut_ptr(), stride) };
    assert_transposed(&from, &to, n, stride, -1);
}

/// The `n x n` corner of `to` is that of `from` transposed; beyond it is what was there before.
fn assert_transposed<T: Copy + PartialEq + std::fmt::Debug>(
    from: &[T],
    to: &[T],
    n: usize,
    stride: usize,
    before: T,
) {
    for i in 0..n {
        for j in 0..stride {
            let expected = if j < n { from[j * stride + i] } else { before };
            assert_eq!(to[i * stride + j], expected);
        }
    }
}

#[test]
fn operations_match_their_definitions_on_every_isa() {
    for isa in Isa::available() {
        dispatch_on(isa, Definitions);
    }
}
