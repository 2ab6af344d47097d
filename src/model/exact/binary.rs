//! An RBM of Bernoulli units seen from the enumerated layer: [`Gray`]'s walk without exponentials,
//! and the plain walk for machines of fewer than nine units or of inputs beyond its range.

use super::{
    Enumerated, MAX_EXACT_UNITS, Side, Sums,
    driver::{BLOCK_UNITS, walk_binary},
    gray::{Gray, LOW, Lines, Row, sum_of},
};
use crate::{
    error::{Error, Result},
    kernel::{reduce::LogSum, reference::sigmoid},
    model::Rbm,
    simd::{Isa, isa},
    threads,
};

/// Factors of `1 + e^-|x| <= 2` multiplied before a logarithm is taken: 2^512 is far from overflow.
const FACTORS_PER_LOG: usize = 512;

/// Rough cost of one unit of one state on one core of about 4 GHz, for the estimate in the refusal.
fn nanoseconds_a_unit(isa: Isa) -> f64 {
    match isa {
        Isa::Avx512 => 0.02,
        Isa::Avx2 => 0.04,
        Isa::Portable => 0.1,
    }
}

/// An RBM at an inverse temperature, which multiplies all parameters, seen from the enumerated
/// layer.
pub(super) struct Enumeration {
    pub(super) n: usize,
    pub(super) own_bias: Vec<f64>,
    pub(super) other_bias: Vec<f64>,
    /// `[n x other]`
    weights: Vec<f64>,
}

impl Enumeration {
    pub(super) fn new(rbm: &Rbm, side: Side, beta: f64) -> Result<Self> {
        crate::environment::check()?;
        let (own, other) = side.layers(rbm);
        let (n, m) = (own.size(), other.size());
        if n > MAX_EXACT_UNITS {
            let seconds = (n as f64).exp2() * m as f64 * nanoseconds_a_unit(isa())
                / 1e9
                / threads::count() as f64;
            return Err(Error::parameter(
                "units to enumerate",
                format!("at most {MAX_EXACT_UNITS} (annealing estimates ln Z of more)"),
                format!("{n}: 2^{n} states would take about {}", duration(seconds)),
            ));
        }
        rbm.check_finite()?;
        let widen = |x: &[f32]| x.iter().map(|&x| beta * f64::from(x)).collect();
        Ok(Self {
            n,
            own_bias: widen(&own.bias),
            other_bias: widen(&other.bias),
            weights: side.weights(rbm, beta),
        })
    }

    /// What unit `k` adds to the inputs of the other layer.
    pub(super) fn row(&self, k: usize) -> &[f64] {
        let m = self.other_bias.len();
        &self.weights[k * m..][..m]
    }

    /// The walk that suits the machine.
    pub(super) fn on(&self, isa: Isa) -> Binary<'_> {
        Binary {
            machine: self,
            gray: Gray::new(self, isa),
        }
    }

    /// Calls `visit(state, own_bias . state, inputs of the other layer)` for every state of a
    /// block.
    fn walk(&self, block: u64, visit: impl FnMut(u64, f64, &[f64])) {
        let own = |k: usize, _: &[f64]| self.own_bias[k];
        let start = (0.0, &self.other_bias[..]);
        walk_binary(self.n, block, start, own, |k| self.row(k), visit);
    }

    /// `ln` of the unnormalized probability of a state of the enumerated layer.
    fn log_weight(own: f64, input: &[f64]) -> f64 {
        let mut sum = own;
        for chunk in input.chunks(FACTORS_PER_LOG) {
            let mut product = 1.0;
            for &x in chunk {
                sum += x.max(0.0);
                product *= 1.0 + (-x.abs()).exp();
            }
            sum += product.ln();
        }
        sum
    }
}

/// Either walk.
pub(super) struct Binary<'a> {
    machine: &'a Enumeration,
    gray: Option<Gray<'a>>,
}

impl Enumerated for Binary<'_> {
    fn states(&self) -> u64 {
        1 << self.machine.n
    }

    fn block_states(&self) -> u64 {
        match &self.gray {
            Some(gray) => self.states() / gray.blocks(),
            None => 1 << self.machine.n.min(BLOCK_UNITS),
        }
    }

    fn log_sum(&self, block: u64) -> LogSum {
        let Some(gray) = &self.gray else {
            let mut sum = LogSum::default();
            let add = |_, own, input: &[f64]| sum.add(Enumeration::log_weight(own, input));
            self.machine.walk(block, add);
            return sum;
        };
        gray.log_sum(block)
    }

    fn log_weights(&self, block: u64, log_weights: &mut [f64]) {
        let first = block * self.block_states();
        let Some(gray) = &self.gray else {
            return self.machine.walk(block, |state, own, input| {
                log_weights[(state - first) as usize] = Enumeration::log_weight(own, input);
            });
        };
        gray.walk(block, |row| {
            let to = &mut log_weights[(row.state - first) as usize..][..LOW];
            for (to, w) in to.iter_mut().zip(row.weights) {
                *to = row.scale + w.ln();
            }
        });
    }

    fn no_sums(&self) -> Sums {
        let (n, m) = (self.machine.n, self.machine.other_bias.len());
        Sums {
            pairs: vec![0.0; n * m],
            own: vec![0.0; n],
            other: vec![0.0; m],
            squares: Vec::new(),
        }
    }

    fn add(&self, block: u64, log_z: f64, sums: &mut Sums) {
        match &self.gray {
            Some(gray) => add_rows(sums, gray, block, log_z),
            None => add_states(sums, self.machine, block, log_z),
        }
    }
}

/// Adds a state set of total probability `p`, in all of which the units `k` are on that are bits of
/// `state`; `mean` is its sum of `p sigma(x)`.
#[inline(always)]
fn add_set(sums: &mut Sums, state: u64, p: f64, mean: &[f64]) {
    let m = mean.len();
    for k in (0..sums.own.len()).filter(|&k| state >> k & 1 == 1) {
        sums.own[k] += p;
        let row = &mut sums.pairs[k * m..][..m];
        row.iter_mut().zip(mean).for_each(|(s, x)| *s += x);
    }
}

fn add_states(sums: &mut Sums, machine: &Enumeration, block: u64, log_z: f64) {
    let mut mean = vec![0.0; sums.other.len()];
    machine.walk(block, |state, own, input| {
        let p = (Enumeration::log_weight(own, input) - log_z).exp();
        for (mean, &x) in mean.iter_mut().zip(input) {
            *mean = p * sigmoid(x);
        }
        sums.other.iter_mut().zip(&mean).for_each(|(s, x)| *s += x);
        add_set(sums, state, p, &mean);
    });
}

/// As [`add_states`], with `sigma(a + d) = l / (g + l)`. The low units' share is sorted out at the
/// end of the block.
fn add_rows(sums: &mut Sums, gray: &Gray<'_>, block: u64, log_z: f64) {
    let m = sums.other.len();
    let mut mean = vec![0.0; m];
    let (mut p_low, mut means_low) = ([0.0; LOW], vec![[0.0; LOW]; m]);
    gray.walk(
        block,
        #[inline(always)]
        |row: Row<'_>| {
            let scale = (row.scale - log_z).exp();
            let p = row.weights.map(|w| w * scale);
            p_low.iter_mut().zip(&p).for_each(|(s, p)| *s += p);
            let units = row.g.iter().zip(gray.low()).zip(&mut means_low);
            for (((Lines(g), Lines(l)), sums), mean) in units.zip(&mut mean) {
                let g = g[row.row];
                let mut x = [0.0; LOW];
                for s in 0..LOW {
                    x[s] = p[s] * l[s] / (g + l[s]);
                    sums[s] += x[s];
                }
                *mean = sum_of(&x);
            }
            add_set(sums, row.state, sum_of(&p), &mean);
        },
    );
    for (state, &p) in p_low.iter().enumerate() {
        for (mean, sums) in mean.iter_mut().zip(&means_low) {
            *mean = sums[state];
        }
        sums.other.iter_mut().zip(&mean).for_each(|(s, x)| *s += x);
        add_set(sums, state as u64, p, &mean);
    }
}

/// A number of seconds as a person would say it.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} hours", s / 3600.0),
        s if s < 63_072_000.0 => format!("{:.0} days", s / 86_400.0),
        s => format!("{:.1e} years", s / 31_536_000.0),
    }
}
