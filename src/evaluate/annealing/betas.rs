//! Inverse temperatures of annealing.

use super::{
    Ais, Annealed,
    anneal::Anneal,
    annealed::{Start, Way},
};
use crate::{
    error::{Error, Result},
    kernel::reduce::mean_and_standard_error,
    progress::Progress,
};

/// Chains of the pilot run of [`Betas::Adaptive`].
pub const PILOT_CHAINS: usize = 100;
/// Fewest and most steps of the pilot run; between them a tenth of the steps that are asked for.
const PILOT_STEPS: [usize; 2] = [100, 1000];
/// Share of the steps that is spread evenly, whatever the pilot run saw: noise in it leaves no gap.
const EVEN_SHARE: f64 = 0.05;

/// The inverse temperatures `0 = beta_0 <= ... <= beta_K = 1` of annealing; at each one between the
/// ends there is one sweep.
#[derive(Clone, Debug, PartialEq)]
pub enum Betas {
    /// `beta_k = k / K` for this `K`.
    Linear(usize),
    /// The 14,503 of Salakhutdinov and Murray (ICML 2008): 0 to 0.5 by 1e-3, 0.5 to 0.9 by 1e-4,
    /// 0.9 to 1 by 1e-5, each range with both of its ends.
    SalakhutdinovMurray,
    /// `K` steps of equal spread. A pilot run of [`PILOT_CHAINS`] chains over `K / 10` even steps
    /// (100 to 1000 of them) measures the standard deviation over the chains of each step's log
    /// weight; the temperatures then divide its sum evenly, so that every step's log weight has the
    /// same variance `s^2`, and to second order the same conditional effective sample size
    /// `n / (1 + s^2)`. For sweeps that mix at once this minimizes the variance of the whole
    /// (Gelman and Meng, Statistical Science 1998, section 4; Crooks 2007). Deterministic in the
    /// seed.
    Adaptive(usize),
    /// These, with both ends.
    Given(Vec<f32>),
}

impl Default for Betas {
    fn default() -> Self {
        Self::Linear(10_000)
    }
}

impl Betas {
    /// The number of steps `K`.
    pub fn steps(&self) -> usize {
        match self {
            Self::Linear(steps) | Self::Adaptive(steps) => *steps,
            Self::SalakhutdinovMurray => salakhutdinov_murray().len() - 1,
            Self::Given(ladder) => ladder.len().saturating_sub(1),
        }
    }
}

fn even(steps: usize) -> Vec<f32> {
    (0..=steps).map(|k| k as f32 / steps as f32).collect()
}

fn salakhutdinov_murray() -> Vec<f32> {
    let range = |first: usize, last: usize, parts: usize| {
        (first..=last).map(move |k| (k as f64 / parts as f64) as f32)
    };
    range(0, 500, 1000)
        .chain(range(5000, 9000, 10_000))
        .chain(range(90_000, 100_000, 100_000))
        .collect()
}

impl Ais {
    /// The inverse temperatures of [`Self::betas`] from 0 to 1 for this machine. Cost: none but for
    /// [`Betas::Adaptive`], which costs its pilot run; [`Betas::Given`] of the result repeats the
    /// same schedule without it.
    ///
    /// # Errors
    /// [`Error::Parameter`] without steps or chains or for temperatures that do not lead from 0 to
    /// 1, and those of [`Self::log_z`].
    pub fn ladder(&self, machine: &dyn Annealed, progress: &mut dyn Progress) -> Result<Vec<f32>> {
        let base = self.checked_base(machine)?;
        self.ladder_from(machine, &base, progress)
    }

    /// `progress` is told of the pilot run as the time before the first temperature.
    pub(super) fn ladder_from(
        &self,
        machine: &dyn Annealed,
        base: &[f32],
        progress: &mut dyn Progress,
    ) -> Result<Vec<f32>> {
        if self.betas.steps() == 0 {
            return Err(Error::parameter("betas", "at least 1", 0));
        }
        match &self.betas {
            Betas::Linear(steps) => Ok(even(*steps)),
            Betas::SalakhutdinovMurray => Ok(salakhutdinov_murray()),
            Betas::Adaptive(steps) => {
                let mut before = progress.part(0, 0, *steps);
                adapted(machine, base, *steps, self.seed, &mut before)
            }
            Betas::Given(ladder) => {
                let rising = ladder.windows(2).all(|pair| pair[0] <= pair[1]);
                let (first, last) = (ladder[0], ladder[ladder.len() - 1]);
                // A sweep at 0 would leave the base as it is, and divide by 0.
                if !(rising && first == 0.0 && last == 1.0 && ladder[1] > 0.0) {
                    return Err(Error::parameter(
                        "betas",
                        "0, then rising numbers above 0, then 1",
                        format!("{first} .. {last}, rising: {rising}"),
                    ));
                }
                Ok(ladder.clone())
            }
        }
    }
}

fn adapted(
    machine: &dyn Annealed,
    base: &[f32],
    steps: usize,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Vec<f32>> {
    let pilot = even((steps / 10).clamp(PILOT_STEPS[0], PILOT_STEPS[1]));
    let mut deviations = vec![0.0; pilot.len() - 1];
    let start = Start::Base(PILOT_CHAINS);
    let anneal = Anneal::new((Way::Pilot, seed), machine, base, &pilot, start)?;
    anneal.ascend(progress, |k, increments| {
        deviations[k] = mean_and_standard_error(increments.iter().copied()).1;
    })?;
    Ok(divided(&pilot, &deviations, steps))
}

/// `steps` steps that divide the sum of `lengths` of the steps of `pilot` evenly, but for
/// [`EVEN_SHARE`] of them.
fn divided(pilot: &[f32], lengths: &[f64], steps: usize) -> Vec<f32> {
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    // Without any spread every schedule is as good.
    let least = if mean > 0.0 { EVEN_SHARE * mean } else { 1.0 };
    let total: f64 = lengths.iter().map(|x| x + least).sum();
    let mut ladder = Vec::with_capacity(steps + 1);
    let (mut at, mut done) = (0, 0.0);
    for k in 0..steps {
        let target = total * k as f64 / steps as f64;
        while at + 1 < lengths.len() && done + lengths[at] + least <= target {
            done += lengths[at] + least;
            at += 1;
        }
        let share = ((target - done) / (lengths[at] + least)).clamp(0.0, 1.0);
        let (low, high) = (f64::from(pilot[at]), f64::from(pilot[at + 1]));
        ladder.push((low + share * (high - low)) as f32);
    }
    ladder.push(1.0);
    ladder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_schedule_has_its_14503_temperatures() {
        let ladder = salakhutdinov_murray();
        assert_eq!(ladder.len(), 14_503);
        assert_eq!(Betas::SalakhutdinovMurray.steps(), 14_502);
        assert_eq!((ladder[0], ladder[1], ladder[14_502]), (0.0, 0.001, 1.0));
        assert_eq!((ladder[500], ladder[501], ladder[502]), (0.5, 0.5, 0.5001));
        assert_eq!(
            (ladder[4501], ladder[4502], ladder[4503]),
            (0.9, 0.9, 0.90001)
        );
        assert!(ladder.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn lengths_are_divided_evenly() {
        // Three quarters of the length lie in the first half.
        let ladder = divided(&[0.0, 0.5, 1.0], &[3.0, 1.0], 8);
        assert_eq!(ladder.len(), 9);
        assert_eq!((ladder[0], ladder[8]), (0.0, 1.0));
        // With the even share: lengths 3.1 and 1.1 of 4.2.
        for (k, &beta) in ladder.iter().enumerate() {
            let target = 4.2 * k as f64 / 8.0;
            let expected = if target <= 3.1 {
                0.5 * target / 3.1
            } else {
                0.5 + 0.5 * (target - 3.1) / 1.1
            };
            assert!((f64::from(beta) - expected).abs() < 1e-6, "{k}: {beta}");
        }
        assert_eq!(divided(&even(4), &[0.0; 4], 10), even(10));
    }
}
