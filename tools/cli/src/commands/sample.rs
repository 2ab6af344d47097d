//! `harmonium sample`: states of a model from Gibbs chains: plain, tempered, along a trajectory,
//! with held units, or with weights.

pub mod chains;
pub mod held;
pub mod sheet;
mod weighted;

use crate::{
    args::{SampleArgs, ValuesArg},
    failure::{Failure, Outcome, note},
    kinds::dbm,
    kinds::deep,
    kinds::general,
    kinds::machine::{self, Act},
    run::loading::load_model,
    show::pictures,
    show::progress::Bar,
    show::report::table,
};
use chains::{Of, Samples};
use harmonium::{
    Error, Model, States,
    checkpoint::{Checkpoint, load_chains, save_chains},
    evaluate::integrated_autocorrelation_time,
    model::{Clamp, Rbm, SwapRate, Tempering, Trajectory, even_ladder},
};
use held::{Held, checked_count};
use sheet::{Format, Shown};
use std::path::Path;

/// Sweeps before those that are measured.
const DEFAULT_BURN_IN: usize = 256;
/// Lowest inverse temperature for units that have no distribution at 0.
const LOWEST_OF_CONTINUOUS: f32 = 0.1;

/// Runs the command.
pub fn run(args: &SampleArgs) -> Outcome<()> {
    let format = Format::of(&args.out)?;
    if !(args.beta >= 0.0 && args.beta.is_finite()) {
        return Err(Failure::usage(format!(
            "--beta {}: expected a finite number of at least 0",
            args.beta
        )));
    }
    let checkpoint = load_model(&args.model)?;
    if let Model::Boltzmann(machine) = &checkpoint.model {
        return general::sample(args, &checkpoint, machine, format);
    }
    let given = [
        ("--spins", args.general.spins),
        ("--json", args.general.json),
    ];
    machine::refuse(machine::of(&checkpoint.model), Act::Sample, &given)?;
    if args.burn_in.is_some() && args.tempering.is_none() && args.trajectory.is_empty() {
        return Err(Failure::usage(
            "--burn-in belongs to --tempering and --trajectory",
        ));
    }
    match &checkpoint.model {
        Model::Dbn(dbn) => return deep::sample(args, dbn, format),
        Model::Dbm(machine) => return dbm::sample(args, &checkpoint, machine, format),
        Model::Rbm(_) => {}
        other => {
            let kind = other.kind();
            let message = format!("sample: a model of kind {kind} is not sampled here");
            return Err(Failure::usage(message).hint("the library samples machines of all kinds"));
        }
    }
    let seed = args.seed.unwrap_or(0);
    if args.weighted {
        if !args
            .out
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
        {
            return Err(Failure::usage(
                "--weighted: expected an --out that ends in .npy, beside which weights are written",
            ));
        }
        let count = checked_count(args, widest(checkpoint.rbm()?), 1, None)?;
        return weighted::run(args, &checkpoint, count, seed);
    }
    if args.over_time && format != Format::Picture {
        return Err(picture_alone(&args.out));
    }
    let rbm = checkpoint.rbm()?;
    // Before anything is made of the number.
    checked_count(args, widest(rbm), 1, None)?;
    let pixels = pictures::shown(rbm);
    let held = match Held::clamped(args, &checkpoint.notes, rbm.visible(), pixels)? {
        None => {
            let classes = rbm.visible().units.last_group().map(|group| group.size);
            Held::label(args, rbm.visible(), classes)?
        }
        held => held,
    };
    let values = format.values(args);
    let samples = if let Some(temperatures) = args.tempering {
        tempered(args, rbm, temperatures, held.as_ref(), values, seed)?
    } else if !args.trajectory.is_empty() {
        along_trajectory(args, rbm, held.as_ref(), values, seed)?
    } else {
        gibbs(args, &checkpoint, held.as_ref(), values, seed)?
    };
    let title = format!("RBM {}-{}", rbm.n_visible(), rbm.n_hidden());
    let shown = Shown {
        title: &title,
        pixels,
        binary: rbm.visible().units.are_binary(),
        classes: rbm.label_group().map(|group| group.size),
    };
    sheet::write(args, format, &shown, held.as_ref(), &samples)?;
    note(told(args, samples.visible.rows()));
    Ok(())
}

/// What was done, in a line.
pub fn told(args: &SampleArgs, count: usize) -> String {
    format!(
        "{count} samples after {} sweeps in {}",
        args.steps,
        args.out.display()
    )
}

/// Why `--over-time` cannot be written as numbers.
pub fn picture_alone(out: &Path) -> Failure {
    Failure::usage(format!(
        "--over-time: expected an --out that ends in .png, not {}",
        out.display()
    ))
}

fn widest(rbm: &Rbm) -> usize {
    rbm.n_visible().max(rbm.n_hidden())
}

/// Block Gibbs sampling, perhaps with held units, perhaps going on with stored chains.
fn gibbs(
    args: &SampleArgs,
    checkpoint: &Checkpoint,
    held: Option<&Held>,
    values: ValuesArg,
    seed: u64,
) -> Outcome<Samples> {
    let rbm = checkpoint.rbm()?;
    let mut chains = match &args.continue_from {
        Some(path) => {
            let chains = load_chains(path)?;
            let (v, h) = (chains.visible(), chains.hidden());
            let fits = v.columns() == rbm.n_visible()
                && v.bits().is_some() == rbm.visible().units.are_binary()
                && (chains.half_sweeps() == 0 || h.columns() == rbm.n_hidden());
            if !fits {
                return Err(Failure::failed(format!(
                    "--continue {}: chains of {} and {} units are not those of a machine of {} and {}",
                    path.display(),
                    v.columns(),
                    h.columns(),
                    rbm.n_visible(),
                    rbm.n_hidden()
                )));
            }
            chains
        }
        None => {
            // Of chains over time there is a copy at each time.
            let levels = match args.over_time {
                true => chains::times(args.steps).len(),
                false => 1,
            };
            let count = checked_count(args, widest(rbm), levels, held.map(|held| held.rows))?;
            if args.from_data {
                let v = held::start(args, &checkpoint.notes, rbm.visible(), held, count)?;
                rbm.chains_from(v, seed)?
            } else {
                rbm.chains(count, seed)?
            }
        }
    };
    if let Some(held) = held {
        chains = chains.clamped(0, held.clamp.clone())?;
    }
    let origin = format!("Gibbs sweeps at β = {} {}", args.beta, origin(args));
    let mut chains = Of {
        machine: rbm,
        chains,
    };
    let samples = chains::run(args, &mut chains, held, values, origin)?;
    if let Some(path) = &args.save_chains {
        save_chains(&chains.chains, path)?;
    }
    Ok(samples)
}

/// Where the chains come from.
pub fn origin(args: &SampleArgs) -> &'static str {
    match (&args.continue_from, args.from_data) {
        (Some(_), _) => "from stored chains",
        (None, true) => match args.clamp.as_deref() {
            None => "from training examples",
            Some(values) if held::is_data(values) => "from the examples whose units are held",
            Some(_) => "from training examples with held units",
        },
        (None, false) if args.clamp.is_some() => "with held units",
        (None, false) => "from fair coins",
    }
}

/// Parallel tempering.
fn tempered(
    args: &SampleArgs,
    rbm: &Rbm,
    temperatures: usize,
    held: Option<&Held>,
    values: ValuesArg,
    seed: u64,
) -> Outcome<Samples> {
    let count = checked_count(args, widest(rbm), temperatures, held.map(|held| held.rows))?;
    let clamp = held.map(|held| held.clamp.clone());
    let discrete = rbm.visible().units.are_discrete() && rbm.hidden().units.are_discrete();
    let lowest = args
        .lowest_beta
        .unwrap_or(if discrete { 0.0 } else { LOWEST_OF_CONTINUOUS });
    let mut replicas = Tempering::uniform(rbm, even_ladder(temperatures, lowest), count, seed)?;
    if let Some(clamp) = &clamp {
        replicas = replicas.clamped_visible(clamp)?;
    }
    let burn_in = args.burn_in.unwrap_or(DEFAULT_BURN_IN);
    replicas.burn_in(rbm, burn_in, &mut ())?;
    let mut series = Series::new(count);
    let bar = Bar::new(args.steps as u64, "tempering");
    for k in 0..args.steps {
        replicas.sweep(rbm, 1)?;
        series.observe(rbm, &replicas.visible())?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    let levels: Vec<String> = replicas
        .betas()
        .iter()
        .map(|b| format!("β {b:.4}"))
        .collect();
    report(
        args,
        rbm,
        seed,
        clamp,
        &series,
        &levels,
        replicas.swap_rates(),
    )?;
    let origin = format!("sweeps of parallel tempering with {temperatures} temperatures");
    let (visible, hidden) = (replicas.visible(), replicas.hidden());
    finished(args, rbm, (visible, hidden), held, values, origin)
}

/// Swaps between the models of a training run.
fn along_trajectory(
    args: &SampleArgs,
    rbm: &Rbm,
    held: Option<&Held>,
    values: ValuesArg,
    seed: u64,
) -> Outcome<Samples> {
    let mut files = Vec::new();
    for path in &args.trajectory {
        if path.is_dir() {
            let entries = std::fs::read_dir(path);
            let entries = entries.map_err(|e| Error::io(path, "read the directory", e))?;
            let mut found: Vec<_> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
                .collect();
            found.sort();
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
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
    let levels = models.len() + 1;
    let count = checked_count(args, widest(rbm), levels, held.map(|held| held.rows))?;
    let clamp = held.map(|held| held.clamp.clone());
    let mut replicas = Trajectory::new(models, count, seed)?;
    if let Some(clamp) = &clamp {
        replicas = replicas.clamped_visible(clamp)?;
    }
    let burn_in = args.burn_in.unwrap_or(DEFAULT_BURN_IN);
    replicas.sweep(burn_in)?;
    replicas.reset_swap_rates();
    let mut series = Series::new(count);
    let bar = Bar::new(args.steps as u64, "sampling along the trajectory");
    for k in 0..args.steps {
        replicas.sweep(1)?;
        series.observe(rbm, &replicas.visible())?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    let n = replicas.models().len();
    let levels: Vec<String> = (0..n).map(|k| format!("model {}", n - 1 - k)).collect();
    report(
        args,
        rbm,
        seed,
        clamp,
        &series,
        &levels,
        replicas.swap_rates(),
    )?;
    let origin = format!("sweeps of trajectory tempering through {n} models");
    let (visible, hidden) = (replicas.visible(), replicas.hidden());
    finished(args, rbm, (visible, hidden), held, values, origin)
}

/// Samples of replicas at the model.
fn finished(
    args: &SampleArgs,
    rbm: &Rbm,
    (visible, hidden): (States, States),
    held: Option<&Held>,
    values: ValuesArg,
    origin: String,
) -> Outcome<Samples> {
    let means = if values == ValuesArg::States || args.steps == 0 {
        None
    } else {
        let mut means = rbm.mean_v_from_h(&hidden, 1.0)?;
        if let Some(held) = held {
            held.put(&visible, &mut means);
        }
        Some(means)
    };
    Ok(Samples {
        visible,
        means,
        frames: Vec::new(),
        origin,
    })
}

/// Free energies of every chain, sweep by sweep.
struct Series(Vec<Vec<f64>>);

impl Series {
    fn new(chains: usize) -> Self {
        Self(vec![Vec::new(); chains])
    }

    fn observe(&mut self, rbm: &Rbm, v: &States) -> Outcome<()> {
        let free = rbm.free_energy(v, 1.0)?;
        self.0.iter_mut().zip(free).for_each(|(to, x)| to.push(x));
        Ok(())
    }

    /// Autocorrelation time, and a remark where the series is too short for it.
    fn time(&self) -> String {
        match integrated_autocorrelation_time(&self.0) {
            Ok(t) if t.long_enough => format!("{:.1} ± {:.1}", t.time, t.standard_error),
            Ok(t) => format!("at least {:.1}", t.time),
            Err(_) => "unknown".into(),
        }
    }
}

/// On stdout: swap rates, and the autocorrelation times of these chains and of as many sweeps of
/// plain Gibbs chains.
fn report(
    args: &SampleArgs,
    rbm: &Rbm,
    seed: u64,
    clamp: Option<Clamp>,
    series: &Series,
    levels: &[String],
    rates: &[SwapRate],
) -> Outcome<()> {
    let mut chains = rbm.chains(series.0.len(), seed)?;
    if let Some(clamp) = clamp {
        chains = chains.clamped(0, clamp)?;
    }
    chains.sweep(rbm, args.burn_in.unwrap_or(DEFAULT_BURN_IN), 1.0)?;
    let mut plain = Series::new(series.0.len());
    let bar = Bar::new(args.steps as u64, "plain Gibbs, to compare");
    for k in 0..args.steps {
        chains.sweep(rbm, 1, 1.0)?;
        plain.observe(rbm, chains.visible())?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    let mut rows = Vec::new();
    for (pair, rate) in levels.windows(2).zip(rates) {
        let name = format!("swaps {} - {}", pair[0], pair[1]);
        rows.push([name, format!("{:.3}", rate.rate()), String::new()]);
    }
    for (name, series) in [("IAT", series), ("IAT, plain Gibbs", &plain)] {
        let remark = "of the free energy, in sweeps".to_owned();
        rows.push([name.to_owned(), series.time(), remark]);
    }
    table("Replicas", &rows)
}
