//! Whether the moments of a fully visible general machine are those of its examples.

use crate::{
    failure::{Outcome, warning},
    show::figures::Figures,
};
use harmonium::{BitMatrix, BoltzmannMachine, Examples, recipe::RunRef};

/// The note of a run that goes on until moments agree: to so many standard errors.
pub const NOTE: &str = "until_moments_agree";
/// Differences in standard errors at which moments agree. What is left to learn is this share of
/// what other examples would change.
pub const AGREE: f64 = 0.01;

/// Standard errors that one moment may be off.
const DEVIATIONS: f64 = 5.0;
/// Examples whose moments are compared.
const COMPARED: usize = 10_000;
/// Chains that stand for a machine that is not enumerated: sweeps from fair coins, most chains, and
/// most work of `chains x sweeps x units^2`.
const SWEEPS: usize = 200;
const CHAINS: usize = 2000;
const LEAST_CHAINS: usize = 128;
const WORK: usize = 40_000_000_000;

/// `E[x_i]` on the diagonal and `E[x_i x_j]`, `[n x n]`, of bits.
struct Moments {
    n: usize,
    pairs: Vec<f64>,
    /// The number of independent examples; infinite of exact ones.
    count: f64,
}

impl Moments {
    /// Of rows, with weights if they have any.
    fn of_bits(bits: &BitMatrix, weights: Option<&[f32]>) -> Self {
        let n = bits.columns();
        let mut pairs = vec![0.0; n * n];
        let (mut sum, mut squares) = (0.0, 0.0);
        for s in 0..bits.rows() {
            let weight = weights.map_or(1.0, |w| f64::from(w[s]));
            sum += weight;
            squares += weight * weight;
            let ones: Vec<usize> = (0..n).filter(|&i| bits.get(s, i)).collect();
            for &i in &ones {
                let row = &mut pairs[i * n..(i + 1) * n];
                ones.iter().for_each(|&j| row[j] += weight);
            }
        }
        pairs.iter_mut().for_each(|x| *x /= sum);
        Self {
            n,
            pairs,
            count: sum * sum / squares,
        }
    }

    /// Of some of the examples.
    fn of_examples(examples: &Examples) -> Option<Self> {
        let some = examples.head(COMPARED);
        let bits = some.bits().filter(|x| x.rows() > 0)?;
        Some(Self::of_bits(bits, some.weights()))
    }

    /// Of a machine: exact up to `most` units, else of chains.
    fn of_machine(machine: &BoltzmannMachine, most: usize, seed: u64) -> Outcome<Self> {
        let n = machine.n_visible();
        if machine.units() <= most {
            let pairs = machine.expectations(&mut ())?.pairs;
            let (units, count) = (machine.units(), f64::INFINITY);
            let of = |k: usize| pairs[k / n * units + k % n];
            let pairs = (0..n * n).map(of).collect();
            return Ok(Self { n, pairs, count });
        }
        let work = SWEEPS * machine.units().pow(2);
        let count = (WORK / work).clamp(LEAST_CHAINS, CHAINS);
        let mut chains = machine.chains(count, seed)?;
        chains.sweep(SWEEPS, 1.0)?;
        let states = chains.visible().bits().cloned();
        let states = states.unwrap_or_else(|| BitMatrix::zeros(0, n));
        Ok(Self::of_bits(&states, None))
    }

    /// Standard error of each moment: of a frequency with half an example more on either side, so
    /// that what never occurred is not certain.
    fn errors(&self) -> impl Iterator<Item = f64> {
        self.pairs.iter().map(|p| {
            if self.count.is_infinite() {
                return 0.0;
            }
            let p = (p * self.count + 0.5) / (self.count + 1.0);
            (p * (1.0 - p) / self.count).sqrt()
        })
    }

    /// `E[x_i x_j] - E[x_i] E[x_j]` of pairs.
    fn covariances(&self) -> Vec<f64> {
        let (n, mean) = (self.n, |i: usize| self.pairs[i * self.n + i]);
        let of_row = |i: usize| (i + 1..n).map(move |j| (i, j));
        let pairs = (0..n).flat_map(of_row);
        pairs
            .map(|(i, j)| self.pairs[i * n + j] - mean(i) * mean(j))
            .collect()
    }
}

/// What a run compares the gradient of each epoch with: the standard errors of the moments of the
/// examples.
#[derive(Debug)]
pub struct Settling {
    errors: Vec<f64>,
}

impl Settling {
    /// Of the examples of a run to which this applies.
    pub fn of(examples: &Examples) -> Option<Self> {
        let bits = examples.bits()?;
        let moments = Moments::of_bits(bits, examples.weights());
        let errors = moments.errors().collect();
        Some(Self { errors })
    }

    /// Whether every element of the gradient, that is every difference of moments, is small.
    pub fn is_settled(&self, run: RunRef<'_>) -> bool {
        let RunRef::Boltzmann(run) = run else {
            return false;
        };
        let (pairs, biases) = run.gradient();
        let n = biases.len();
        let difference = |k: usize| match (k / n, k % n) {
            (i, j) if i == j => biases[i],
            (i, j) => pairs.row(i)[j],
        };
        let all = self.errors.iter().enumerate();
        n * n == self.errors.len()
            && all
                .into_iter()
                .all(|(k, error)| f64::from(difference(k)).abs() <= AGREE * error)
    }
}

/// How far the moments of a machine are from those of examples, with a warning if that is more than
/// chance makes of it: `sqrt(25 + 2 ln K)` standard errors, which one of `K` moments exceeds as
/// rarely as a single one exceeds five.
///
/// # Errors
/// Those of the library.
pub fn figures(
    machine: &BoltzmannMachine,
    examples: &Examples,
    (most, seed): (usize, u64),
) -> Outcome<Figures> {
    let mut figures = Figures::default();
    let data = match examples.observed() {
        Some(_) => None,
        None => Moments::of_examples(examples),
    };
    let Some(data) = data else {
        return Ok(figures);
    };
    let model = Moments::of_machine(machine, most, seed)?;
    let n = data.n;
    let (mut largest, mut deviations): (f64, f64) = (0.0, 0.0);
    let both = data.pairs.iter().zip(&model.pairs);
    let errors = data.errors().zip(model.errors());
    for ((x, y), (a, b)) in both.zip(errors) {
        largest = largest.max((x - y).abs());
        deviations = deviations.max((x - y).abs() / a.hypot(b));
    }
    let how = match model.count.is_infinite() {
        true => "exact".to_owned(),
        false => format!("of {} chains after {SWEEPS} sweeps", model.count),
    };
    let of = format!("of E[x_i] and E[x_i x_j] of bits, {how}; {deviations:.1} standard errors");
    figures.put("moments_largest_difference", largest);
    figures.put("moments_largest_deviation", deviations);
    figures.row("moments differ by", format!("{largest:.2e}"), of);
    let correlation = correlation(&data.covariances(), &model.covariances());
    figures.put("moments_correlation", correlation);
    if let Some(r) = correlation {
        let of = "of the covariances of pairs, machine and examples";
        figures.row("moments correlate", format!("{r:.4}"), of);
    }
    let count = (n * (n + 1) / 2).max(1) as f64;
    let limit = (DEVIATIONS.powi(2) + 2.0 * count.ln()).sqrt();
    if deviations.is_nan() || deviations > limit {
        let text = format!(
            "moments of the machine are {deviations:.1} standard errors from those of the examples, \
             and {limit:.1} is the most that chance makes: what is learned has not settled; \
             more --epochs, a smaller --learning-rate or more --steps help"
        );
        warning(text.clone());
        figures.warnings(&[text]);
    }
    Ok(figures)
}

/// Pearson's correlation; none of constants.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().max(1) as f64;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
    let (a, b) = (mean(x), mean(y));
    let product = |f: fn(f64, f64) -> f64| -> f64 {
        let all = x.iter().zip(y);
        all.map(|(x, y)| f(x - a, y - b)).sum()
    };
    let r = product(|x, y| x * y) / (product(|x, _| x * x) * product(|_, y| y * y)).sqrt();
    r.is_finite().then_some(r)
}
