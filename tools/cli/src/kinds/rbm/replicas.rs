//! Chains of an RBM with replicas: parallel tempering, and swaps between the models of a training
//! run. They are compared with as many sweeps of plain Gibbs chains.

use crate::{
    args::SampleArgs,
    failure::{Failure, Outcome},
    run::chains::{Chains, Start},
    run::diagnose::autocorrelation,
    run::held::checked_count,
    run::loading::load_model,
    show::{figures::Figures, progress::Bar},
};
use harmonium::{
    Error, Matrix, Rbm, States,
    evaluate::{AutocorrelationTime, integrated_autocorrelation_time},
    model::{Clamp, SwapRate, Tempering, Trajectory, even_ladder},
};
use std::{borrow::Cow, path::PathBuf};

/// Sweeps before those that are measured.
const BURN_IN: usize = 256;
/// Lowest inverse temperature for units that have no distribution at 0.
const LOWEST_OF_CONTINUOUS: f32 = 0.1;

/// Chains with replicas elsewhere.
pub struct Replicas<'a> {
    rbm: &'a Rbm,
    levels: Levels,
    clamp: Option<Clamp>,
    seed: u64,
    burnt_in: usize,
    series: Series,
}

/// Where the replicas are.
enum Levels {
    Temperatures(Box<Tempering>),
    Models(Box<Trajectory>),
}

impl<'a> Replicas<'a> {
    /// At the temperatures of `--tempering`, else at the models of `--trajectory`.
    ///
    /// # Errors
    /// Files that cannot be read, or too many; those of the library.
    pub fn new(rbm: &'a Rbm, start: &Start<'_>, args: &SampleArgs) -> Outcome<Self> {
        let levels = match args.tempering {
            Some(n) => Levels::tempered(rbm, start, n, args.lowest_beta)?,
            None => Levels::along_trajectory(rbm, start, args)?,
        };
        Ok(Self {
            rbm,
            levels,
            clamp: start.held.map(|held| held.clamp.clone()),
            seed: start.seed,
            burnt_in: 0,
            series: Series::new(start.count),
        })
    }

    fn names_and_rates(&self) -> (Vec<String>, &[SwapRate]) {
        match &self.levels {
            Levels::Temperatures(x) => {
                let betas = x.betas().iter();
                (betas.map(|b| format!("β {b:.4}")).collect(), x.swap_rates())
            }
            Levels::Models(x) => {
                let last_first = (0..x.models().len()).rev();
                let names = last_first.map(|k| format!("model {k}")).collect();
                (names, x.swap_rates())
            }
        }
    }

    /// As many sweeps of plain Gibbs chains.
    fn plain(&self, steps: usize) -> Outcome<Series> {
        let count = self.series.0.len();
        let mut chains = self.rbm.chains(count, self.seed)?;
        if let Some(clamp) = &self.clamp {
            chains = chains.clamped(0, clamp.clone())?;
        }
        chains.sweep(self.rbm, self.burnt_in, 1.0)?;
        let mut plain = Series::new(count);
        let bar = Bar::new(steps as u64, "plain Gibbs, to compare");
        for k in 0..steps {
            chains.sweep(self.rbm, 1, 1.0)?;
            plain.push(self.rbm.free_energy(chains.visible(), 1.0)?);
            bar.set(k as u64 + 1);
        }
        bar.clear();
        Ok(plain)
    }
}

impl Levels {
    fn tempered(
        rbm: &Rbm,
        start: &Start<'_>,
        temperatures: usize,
        given: Option<f32>,
    ) -> Outcome<Self> {
        let discrete = rbm.visible().units.are_discrete() && rbm.hidden().units.are_discrete();
        let lowest = if discrete { 0.0 } else { LOWEST_OF_CONTINUOUS };
        let ladder = even_ladder(temperatures, given.unwrap_or(lowest));
        let mut replicas = Tempering::uniform(rbm, ladder, start.count, start.seed)?;
        if let Some(held) = start.held {
            replicas = replicas.clamped(0, held.clamp.clone())?;
        }
        Ok(Self::Temperatures(Box::new(replicas)))
    }

    fn along_trajectory(rbm: &Rbm, start: &Start<'_>, args: &SampleArgs) -> Outcome<Self> {
        let files = model_files(&args.trajectory)?;
        if files.is_empty() {
            return Err(Failure::failed("--trajectory: there are no models")
                .hint("`harmonium train --trajectory N` keeps N models in DIR/trajectory"));
        }
        let mut models = Vec::with_capacity(files.len() + 1);
        for file in &files {
            models.push(load_model(file)?.into_rbm()?);
        }
        if models.last() != Some(rbm) {
            models.push(rbm.clone());
        }
        let widest = rbm.n_visible().max(rbm.n_hidden());
        checked_count(args, widest, models.len() + 1, Some(start.count))?;
        let mut replicas = Trajectory::new(models, start.count, start.seed)?;
        if let Some(held) = start.held {
            replicas = replicas.clamped(0, held.clamp.clone())?;
        }
        Ok(Self::Models(Box::new(replicas)))
    }
}

/// The files, and those in directories, sorted.
fn model_files(paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path);
        let entries = entries.map_err(|e| Error::io(path, "read the directory", e))?;
        let is_model = |p: &PathBuf| p.extension().is_some_and(|e| e == "safetensors");
        let found = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut found: Vec<PathBuf> = found.filter(is_model).collect();
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

impl Chains for Replicas<'_> {
    fn sweeps(&self) -> String {
        match &self.levels {
            Levels::Temperatures(x) => format!(
                "sweeps of parallel tempering with {} temperatures",
                x.betas().len()
            ),
            Levels::Models(x) => format!(
                "sweeps of trajectory tempering through {} models",
                x.models().len()
            ),
        }
    }

    fn sweep(&mut self, _: f32) -> Outcome<()> {
        match &mut self.levels {
            Levels::Temperatures(x) => x.sweep(self.rbm, 1)?,
            Levels::Models(x) => x.sweep(1)?,
        }
        Ok(())
    }

    fn visible(&self) -> Outcome<Cow<'_, States>> {
        Ok(Cow::Owned(match &self.levels {
            Levels::Temperatures(x) => x.visible(),
            Levels::Models(x) => x.visible(),
        }))
    }

    fn energies(&self) -> Outcome<Vec<f64>> {
        Ok(self.rbm.free_energy(&*self.visible()?, 1.0)?)
    }

    fn means(&self, _: f32) -> Outcome<Option<Matrix>> {
        let hidden = match &self.levels {
            Levels::Temperatures(x) => x.hidden(),
            Levels::Models(x) => x.hidden(),
        };
        Ok(Some(self.rbm.mean_v_from_h(&hidden, 1.0)?))
    }

    fn usual_burn_in(&self, _: usize) -> Option<usize> {
        Some(BURN_IN)
    }

    fn burn_in(&mut self, _: f32, sweeps: usize) -> Outcome<()> {
        self.burnt_in = sweeps;
        match &mut self.levels {
            Levels::Temperatures(x) => x.burn_in(self.rbm, sweeps, &mut ())?,
            Levels::Models(x) => {
                x.sweep(sweeps)?;
                x.reset_swap_rates();
            }
        }
        Ok(())
    }

    fn observe(&mut self) -> Outcome<()> {
        self.series.push(self.energies()?);
        Ok(())
    }

    fn figures(&self, steps: usize) -> Outcome<Figures> {
        let mut figures = Figures::default();
        let (levels, rates) = self.names_and_rates();
        for (pair, rate) in levels.windows(2).zip(rates) {
            let name = format!("swaps {} - {}", pair[0], pair[1]);
            figures.row(&name, format!("{:.3}", rate.rate()), "");
        }
        let rates: Vec<f64> = rates.iter().map(SwapRate::rate).collect();
        figures.put("swap_rates", rates);
        let of = "of the free energy, in sweeps";
        let mut plain = Figures::default();
        autocorrelation(
            &mut plain,
            "IAT, plain Gibbs",
            self.plain(steps)?.time(),
            of,
        );
        let time = plain.object()["autocorrelation_time"].clone();
        autocorrelation(&mut figures, "IAT", self.series.time(), of);
        figures.put("plain_autocorrelation_time", time);
        for [name, value, remark] in plain.rows() {
            figures.row(name, value.clone(), remark.clone());
        }
        Ok(figures)
    }
}

/// Free energies of every chain, sweep by sweep.
struct Series(Vec<Vec<f64>>);

impl Series {
    fn new(chains: usize) -> Self {
        Self(vec![Vec::new(); chains])
    }

    fn push(&mut self, free: Vec<f64>) {
        self.0.iter_mut().zip(free).for_each(|(to, x)| to.push(x));
    }

    /// Unknown where the series is too short for it.
    fn time(&self) -> Option<AutocorrelationTime> {
        integrated_autocorrelation_time(&self.0).ok()
    }
}
