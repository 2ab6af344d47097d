//! The normal distribution in f64: what rectified units need of its tails, and the quantile that
//! turns a uniform word into a draw.

#![allow(
    clippy::excessive_precision,
    reason = "coefficients as their authors printed them"
)]

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Beyond this the upper tail leaves the normal floats.
const FAR_TAIL: f64 = 36.0;

/// `num[0] x^n + ... + num[n]`.
fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

/// `e^(x^2) erfc(x)`, relative error below 1e-15 for `x >= 0` (W. J. Cody, Rational Chebyshev
/// approximations for the error function, Math. Comp. 23, 1969); infinity below -26.6.
pub fn erfcx(x: f64) -> f64 {
    if x < -0.468_75 {
        2.0 * (x * x).exp() - erfcx(-x)
    } else if x <= 0.468_75 {
        erfcx_near_zero(x)
    } else if x <= 4.0 {
        erfcx_to_four(x)
    } else {
        erfcx_beyond_four(x)
    }
}

/// [`erfcx`] for `|x| <= 0.46875`.
fn erfcx_near_zero(x: f64) -> f64 {
    let z = x * x;
    let numerator = horner(
        &[
            1.857_777_061_846_031_53e-1,
            3.161_123_743_870_565_6,
            1.138_641_541_510_501_56e2,
            3.774_852_376_853_020_21e2,
            3.209_377_589_138_469_47e3,
        ],
        z,
    );
    let denominator = horner(
        &[
            1.0,
            2.360_129_095_234_412_09e1,
            2.440_246_379_344_441_73e2,
            1.282_616_526_077_372_28e3,
            2.844_236_833_439_170_62e3,
        ],
        z,
    );
    z.exp() * (1.0 - x * numerator / denominator)
}

/// [`erfcx`] for `0.46875 <= x <= 4`.
fn erfcx_to_four(x: f64) -> f64 {
    let numerator = horner(
        &[
            2.153_115_354_744_038_46e-8,
            5.641_884_969_886_700_89e-1,
            8.883_149_794_388_375_94,
            6.611_919_063_714_162_95e1,
            2.986_351_381_974_001_31e2,
            8.819_522_212_417_690_9e2,
            1.712_047_612_634_070_58e3,
            2.051_078_377_826_071_47e3,
            1.230_339_354_797_997_25e3,
        ],
        x,
    );
    let denominator = horner(
        &[
            1.0,
            1.574_492_611_070_983_47e1,
            1.176_939_508_913_124_99e2,
            5.371_811_018_620_098_58e2,
            1.621_389_574_566_690_19e3,
            3.290_799_235_733_459_63e3,
            4.362_619_090_143_247_16e3,
            3.439_367_674_143_721_64e3,
            1.230_339_354_803_749_42e3,
        ],
        x,
    );
    numerator / denominator
}

/// [`erfcx`] for `x >= 4`.
fn erfcx_beyond_four(x: f64) -> f64 {
    const FRAC_1_SQRT_PI: f64 = 0.564_189_583_547_756_3;
    let z = 1.0 / (x * x);
    let numerator = horner(
        &[
            1.631_538_713_730_209_78e-2,
            3.053_266_349_612_323_44e-1,
            3.603_448_999_498_044_39e-1,
            1.257_817_261_112_292_46e-1,
            1.608_378_514_874_227_66e-2,
            6.587_491_615_298_378_03e-4,
        ],
        z,
    );
    let denominator = horner(
        &[
            1.0,
            2.568_520_192_289_822_42,
            1.872_952_849_923_460_47,
            5.279_051_029_514_284_12e-1,
            6.051_834_131_244_131_91e-2,
            2.335_204_976_268_691_85e-3,
        ],
        z,
    );
    (FRAC_1_SQRT_PI - z * numerator / denominator) / x
}

/// `ln Phi(x)`, the logarithm of the distribution function.
pub fn log_cdf(x: f64) -> f64 {
    let z = x.abs() * FRAC_1_SQRT_2;
    let scaled = 0.5 * erfcx(z);
    if x < 0.0 {
        scaled.ln() - z * z
    } else {
        (-scaled * (-z * z).exp()).ln_1p()
    }
}

/// `phi(x) / (1 - Phi(x))`: density over upper tail, about `x + 1 / x` for large `x`.
pub fn hazard(x: f64) -> f64 {
    // sqrt(2 / pi)
    0.797_884_560_802_865_4 / erfcx(x * FRAC_1_SQRT_2)
}

/// `1 - Phi(x)`.
fn upper_tail(x: f64) -> f64 {
    if x < 0.0 {
        1.0 - upper_tail(-x)
    } else {
        0.5 * erfcx(x / SQRT_2) * (-0.5 * x * x).exp()
    }
}

/// `Phi^-1(p)` for `0 < p < 1`, relative error 1e-15 (M. J. Wichura, Algorithm AS 241, Applied
/// Statistics 37, 1988).
pub fn quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return quantile_near_half(q);
    }
    let r = (-p.min(1.0 - p).ln()).sqrt();
    let magnitude = if r <= 5.0 {
        quantile_of_tail(r)
    } else {
        quantile_of_far_tail(r)
    };
    magnitude.copysign(q)
}

/// [`quantile`] of `0.5 + q` for `|q| <= 0.425`.
fn quantile_near_half(q: f64) -> f64 {
    let r = 0.180_625 - q * q;
    let numerator = horner(
        &[
            2.509_080_928_730_122_672_7e3,
            3.343_057_558_358_812_810_5e4,
            6.726_577_092_700_870_085_3e4,
            4.592_195_393_154_987_145_7e4,
            1.373_169_376_550_946_112_5e4,
            1.971_590_950_306_551_442_7e3,
            1.331_416_678_917_843_774_5e2,
            3.387_132_872_796_366_608,
        ],
        r,
    );
    let denominator = horner(
        &[
            5.226_495_278_852_854_561e3,
            2.872_908_573_572_194_267_4e4,
            3.930_789_580_009_271_061e4,
            2.121_379_430_158_659_586_7e4,
            5.394_196_021_424_751_107_7e3,
            6.871_870_074_920_579_083e2,
            4.231_333_070_160_091_125_2e1,
            1.0,
        ],
        r,
    );
    q * numerator / denominator
}

/// The magnitude of the [`quantile`] of `e^(-r^2)`, a probability below 0.075, for `r <= 5`.
fn quantile_of_tail(r: f64) -> f64 {
    let r = r - 1.6;
    let numerator = horner(
        &[
            7.745_450_142_783_414_076_4e-4,
            2.272_384_498_926_918_458_33e-2,
            2.417_807_251_774_506_117_7e-1,
            1.270_458_252_452_368_382_58,
            3.647_848_324_763_204_605_04,
            5.769_497_221_460_691_405_5,
            4.630_337_846_156_545_295_9,
            1.423_437_110_749_683_577_34,
        ],
        r,
    );
    let denominator = horner(
        &[
            1.050_750_071_644_416_843_24e-9,
            5.475_938_084_995_344_946e-4,
            1.519_866_656_361_645_719_66e-2,
            1.481_039_764_274_800_745_9e-1,
            6.897_673_349_851_000_045_5e-1,
            1.676_384_830_183_803_849_4,
            2.053_191_626_637_758_821_87,
            1.0,
        ],
        r,
    );
    numerator / denominator
}

/// The magnitude of the [`quantile`] of `e^(-r^2)` for `r > 5`.
fn quantile_of_far_tail(r: f64) -> f64 {
    let r = r - 5.0;
    let numerator = horner(
        &[
            2.010_334_399_292_288_132_65e-7,
            2.711_555_568_743_487_578_15e-5,
            1.242_660_947_388_078_438_6e-3,
            2.653_218_952_657_612_309_3e-2,
            2.965_605_718_285_048_912_3e-1,
            1.784_826_539_917_291_335_8,
            5.463_784_911_164_114_369_9,
            6.657_904_643_501_103_777_2,
        ],
        r,
    );
    let denominator = horner(
        &[
            2.044_263_103_389_939_785_64e-15,
            1.421_511_758_316_445_888_7e-7,
            1.846_318_317_510_054_681_8e-5,
            7.868_691_311_456_132_591e-4,
            1.487_536_129_085_061_485_25e-2,
            1.369_298_809_227_358_053_1e-1,
            5.998_322_065_558_879_376_9e-1,
            1.0,
        ],
        r,
    );
    numerator / denominator
}

/// The uniform in (0, 1) of a random word: the middle of its interval of length 2^-32.
pub fn uniform(word: u32) -> f64 {
    (f64::from(word) + 0.5) * (1.0 / 4_294_967_296.0)
}

/// A standard normal number beyond `least`, from a uniform `u` in (0, 1), by inversion of the upper
/// tail. Beyond 36, where the tail underflows, `sqrt(least^2 - 2 ln(1 - u))`: the excess is then
/// off by a share of `1 / least^2`.
pub fn truncated(least: f64, u: f64) -> f64 {
    let rest = 1.0 - u;
    if least > FAR_TAIL {
        return (least * least - 2.0 * rest.ln()).sqrt();
    }
    (-quantile(rest * upper_tail(least))).max(least)
}
