//! Gibbs chains of a machine of any kind, run for `sample`: to the end, or with looks at them on
//! the way.

use super::held::Held;
use crate::{
    args::{SampleArgs, ValuesArg},
    failure::Outcome,
    show::progress::Bar,
};
use harmonium::{
    Matrix, States,
    model::{Dbm, DbmChain, Rbm, RbmChain},
};

/// Chains over the states of a machine, one a row.
pub trait Chains {
    /// One sweep at inverse temperature `beta`.
    ///
    /// # Errors
    /// Those of the library.
    fn sweep(&mut self, beta: f32) -> Outcome<()>;
    /// The visible states.
    fn visible(&self) -> &States;
    /// `E[v | h]`, from which the visible states of the last sweep were drawn.
    ///
    /// # Errors
    /// Those of the library.
    fn means(&self, beta: f32) -> Outcome<Matrix>;
}

/// Chains with their machine.
pub struct Of<'a, M, C> {
    /// The machine.
    pub machine: &'a M,
    /// Its chains.
    pub chains: C,
}

impl Chains for Of<'_, Rbm, RbmChain> {
    fn sweep(&mut self, beta: f32) -> Outcome<()> {
        Ok(self.chains.sweep(self.machine, 1, beta)?)
    }

    fn visible(&self) -> &States {
        self.chains.visible()
    }

    fn means(&self, beta: f32) -> Outcome<Matrix> {
        Ok(self.machine.mean_v_from_h(self.chains.hidden(), beta)?)
    }
}

impl Chains for Of<'_, Dbm, DbmChain> {
    fn sweep(&mut self, beta: f32) -> Outcome<()> {
        Ok(self.chains.sweep(self.machine, 1, beta)?)
    }

    fn visible(&self) -> &States {
        self.chains.visible()
    }

    fn means(&self, beta: f32) -> Outcome<Matrix> {
        let above = &self.chains.states()[1];
        Ok(self.machine.mean_v_from_h(above, beta)?)
    }
}

/// Samples and how they came about.
pub struct Samples {
    /// The visible states.
    pub visible: States,
    /// `E[v | h]` with held units at their values, if they are asked for and known.
    pub means: Option<Matrix>,
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

/// Runs chains for `--steps` sweeps, with means if they are asked for by `values`. Before the first
/// sweep there are states alone.
///
/// # Errors
/// Those of the library.
pub fn run(
    args: &SampleArgs,
    chains: &mut dyn Chains,
    held: Option<&Held>,
    values: ValuesArg,
    origin: String,
) -> Outcome<Samples> {
    let means = |chains: &dyn Chains, sweeps: usize| -> Outcome<Option<Matrix>> {
        if values == ValuesArg::States || sweeps == 0 {
            return Ok(None);
        }
        let mut means = chains.means(args.beta)?;
        if let Some(held) = held {
            held.put(chains.visible(), &mut means);
        }
        Ok(Some(means))
    };
    let times = match args.over_time {
        true => times(args.steps),
        false => Vec::new(),
    };
    let mut frames = Vec::with_capacity(times.len());
    let bar = Bar::new(args.steps as u64, "sampling");
    for sweeps in 0..=args.steps {
        if sweeps > 0 {
            chains.sweep(args.beta)?;
            bar.set(sweeps as u64);
        }
        if times.contains(&sweeps) {
            let frame = means(chains, sweeps)?;
            frames.push((
                sweeps,
                frame.unwrap_or_else(|| chains.visible().to_matrix()),
            ));
        }
    }
    bar.clear();
    Ok(Samples {
        visible: chains.visible().clone(),
        means: means(chains, args.steps)?,
        frames,
        origin,
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
