//! Chains of a machine of any kind, run for `sample`: to the end, or with looks at them on the way.

use super::held::Held;
use crate::{
    args::{SampleArgs, ValuesArg},
    failure::{Failure, Outcome},
    show::{figures::Figures, progress::Bar},
};
use harmonium::{Matrix, States};
use std::{borrow::Cow, path::Path};

/// Chains over the states of a machine, one a row.
pub trait Chains {
    /// What one sweep is, for captions.
    fn sweeps(&self) -> String;

    /// One sweep at inverse temperature `beta`.
    ///
    /// # Errors
    /// Those of the library.
    fn sweep(&mut self, beta: f32) -> Outcome<()>;

    /// The visible states.
    ///
    /// # Errors
    /// Those of the library.
    fn visible(&self) -> Outcome<Cow<'_, States>>;

    /// The figure of every chain whose memory is watched, see [`Self::energy`].
    ///
    /// # Errors
    /// Those of the library.
    fn energies(&self) -> Outcome<Vec<f64>>;

    /// What that is.
    fn energy(&self) -> &'static str {
        "free energy"
    }

    /// Means from which the visible states of the last sweep were drawn; nothing without hidden
    /// units.
    ///
    /// # Errors
    /// Those of the library.
    fn means(&self, beta: f32) -> Outcome<Option<Matrix>>;

    /// Which means these are.
    fn mean(&self) -> &'static str {
        "E[v | h]"
    }

    /// Sweeps before those that are observed, unless told otherwise; `None` if nothing is observed.
    fn usual_burn_in(&self, _steps: usize) -> Option<usize> {
        None
    }

    /// Sweeps that are not observed.
    ///
    /// # Errors
    /// Those of the library.
    fn burn_in(&mut self, beta: f32, sweeps: usize) -> Outcome<()> {
        (0..sweeps).try_for_each(|_| self.sweep(beta))
    }

    /// Takes what is watched of the states that the chains have now.
    ///
    /// # Errors
    /// Those of the library.
    fn observe(&mut self) -> Outcome<()> {
        Ok(())
    }

    /// What was observed over `steps` sweeps.
    ///
    /// # Errors
    /// Those of the library.
    fn figures(&self, _steps: usize) -> Outcome<Figures> {
        Ok(Figures::default())
    }

    /// Writes the chains, to go on with.
    ///
    /// # Errors
    /// Chains that cannot be stored; a file that cannot be written.
    fn save(&self, _: &Path) -> Outcome<()> {
        Err(Failure::usage(
            "--save-chains: chains of this kind are not stored",
        ))
    }
}

/// Where chains start, and what they hold.
pub struct Start<'a> {
    /// What `sample` is asked for.
    pub args: Option<&'a SampleArgs>,
    /// Chains.
    pub count: usize,
    /// Of every draw.
    pub seed: u64,
    /// Visible states to start at, in place of fair coins.
    pub states: Option<States>,
    /// Held visible units.
    pub held: Option<&'a Held>,
    /// The held label, of a machine whose label is not among its visible units.
    pub label: Option<&'a Held>,
}

impl Start<'_> {
    /// The chains of `--continue`.
    pub fn continue_from(&self) -> Option<&Path> {
        self.args?.continue_from.as_deref()
    }
}

/// Samples and how they came about.
pub struct Samples {
    /// The visible states.
    pub visible: States,
    /// Means with held units at their values, if they are asked for and known.
    pub means: Option<Matrix>,
    /// Which means these are.
    pub mean: &'static str,
    /// What `--over-time` looked at: the number of sweeps, and means or states.
    pub frames: Vec<(usize, Matrix)>,
    /// For the picture.
    pub origin: String,
}

/// Sweeps after which `--over-time` looks at the chains: 0, 1, 2, 5, 10, ... and the last.
pub fn times(last: usize) -> Vec<usize> {
    let tens = std::iter::successors(Some(1_usize), |x| x.checked_mul(10));
    let mut times: Vec<usize> = tens
        .flat_map(|x| [1, 2, 5].map(|k| x.saturating_mul(k)))
        .take_while(|&x| x < last)
        .collect();
    times.insert(0, 0);
    if last > 0 {
        times.push(last);
    }
    times
}

/// Runs chains for `burn_in` sweeps, then for `--steps` that are observed, with means if they are
/// asked for by `values`. Before the first sweep there are states alone, which are observed if none
/// follows.
///
/// # Errors
/// Those of the library.
pub fn run(
    args: &SampleArgs,
    chains: &mut dyn Chains,
    held: Option<&Held>,
    values: ValuesArg,
    burn_in: usize,
) -> Outcome<Samples> {
    let means = |chains: &dyn Chains, sweeps: usize| -> Outcome<Option<Matrix>> {
        if values == ValuesArg::States || sweeps == 0 {
            return Ok(None);
        }
        let mut means = chains.means(args.beta)?;
        if let (Some(held), Some(means)) = (held, &mut means) {
            held.put(&*chains.visible()?, means);
        }
        Ok(means)
    };
    let times = match args.over_time {
        true => times(args.steps),
        false => Vec::new(),
    };
    let mut frames = Vec::with_capacity(times.len());
    chains.burn_in(args.beta, burn_in)?;
    if args.steps == 0 {
        chains.observe()?;
    }
    let bar = Bar::new(args.steps as u64, "sampling");
    for sweeps in 0..=args.steps {
        if sweeps > 0 {
            chains.sweep(args.beta)?;
            chains.observe()?;
            bar.set(sweeps as u64);
        }
        if times.contains(&sweeps) {
            let frame = match means(chains, burn_in + sweeps)? {
                Some(means) => means,
                None => chains.visible()?.to_matrix(),
            };
            frames.push((sweeps, frame));
        }
    }
    bar.clear();
    Ok(Samples {
        visible: chains.visible()?.into_owned(),
        means: means(chains, burn_in + args.steps)?,
        mean: chains.mean(),
        frames,
        origin: chains.sweeps(),
    })
}

#[cfg(test)]
mod tests {
    use super::times;

    #[test]
    fn chains_are_looked_at_at_rounded_powers() {
        assert_eq!(times(0), [0]);
        assert_eq!(times(1), [0, 1]);
        assert_eq!(times(7), [0, 1, 2, 5, 7]);
        assert_eq!(times(100), [0, 1, 2, 5, 10, 20, 50, 100]);
    }
}
