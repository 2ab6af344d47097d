//! `harmonium sample`: states of a model from Gibbs chains: plain, tempered, along a trajectory, with held units, or with weights.

mod weighted;

use crate::{
    args::SampleArgs,
    deep,
    evaluate::load_model,
    failure::{Failure, Outcome, note},
    general,
    picture::{Colour, Sheet},
    pictures,
    plan::MOST_ELEMENTS,
    progress::Bar,
    report::table,
};
use harmonium::{
    BitMatrix, Error, Matrix, Model,
    chain_file::{load_chains, save_chains},
    checkpoint::write_atomically,
    evaluate::integrated_autocorrelation_time,
    model::{Clamp, GibbsChain, Layer, Rbm, States, SwapRate, Tempering, Trajectory, even_ladder},
};
use npyz::WriterBuilder;
use std::{io, path::Path};

/// Chains unless told otherwise.
const DEFAULT_COUNT: usize = 100;
/// Tiles beside one another on a sheet, at most.
const TILES_PER_ROW: usize = 20;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// A sheet of means.
    Picture,
    /// States.
    States,
}

/// Sweeps before those that are measured.
const DEFAULT_BURN_IN: usize = 256;
/// Lowest inverse temperature for units that have no distribution at 0.
const LOWEST_OF_CONTINUOUS: f32 = 0.1;

/// Samples and how they came about.
struct Samples {
    visible: States,
    /// From which the visible means are.
    hidden: States,
    /// For the picture.
    origin: String,
}

/// Runs the command.
pub fn run(args: &SampleArgs) -> Outcome<()> {
    let extension = args.out.extension().map(|e| e.to_ascii_lowercase());
    let format = match extension.as_ref().and_then(|e| e.to_str()) {
        Some("png") => Format::Picture,
        Some("npy" | "csv") => Format::States,
        _ => {
            return Err(Failure::usage(format!(
                "--out {}: expected a file name that ends in .png or .npy (or .csv, of general Boltzmann machines)",
                args.out.display()
            )));
        }
    };
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
    if extension.is_some_and(|e| e == "csv") {
        return Err(Failure::usage(
            "--out: .csv is for general Boltzmann machines; expected .png or .npy",
        ));
    }
    if let Some(flag) = args.general.given() {
        return Err(Failure::usage(format!(
            "{flag} is for general Boltzmann machines, not for a model of kind {}",
            checkpoint.model.kind()
        )));
    }
    if args.burn_in.is_some() && args.tempering.is_none() && args.trajectory.is_empty() {
        return Err(Failure::usage(
            "--burn-in belongs to --tempering and --trajectory",
        ));
    }
    match &checkpoint.model {
        Model::Dbn(dbn) => return deep::sample(args, dbn, format),
        Model::Rbm(_) => {}
        other => {
            let kind = other.kind();
            let message = format!("sample: a model of kind {kind} is not sampled here");
            return Err(Failure::usage(message).hint("the library samples machines of all kinds"));
        }
    }
    let seed = args.seed.unwrap_or(0);
    if args.weighted {
        let Format::States = format else {
            return Err(Failure::usage(
                "--weighted: expected an --out that ends in .npy, beside which weights are written",
            ));
        };
        let count = checked_count(args, checkpoint.rbm()?, 1, None)?;
        return weighted::run(args, &checkpoint, count, seed);
    }
    let rbm = checkpoint.into_rbm()?;
    let samples = if let Some(temperatures) = args.tempering {
        tempered(args, &rbm, temperatures, seed)?
    } else if !args.trajectory.is_empty() {
        along_trajectory(args, &rbm, seed)?
    } else {
        gibbs(args, &rbm, seed)?
    };
    match format {
        Format::Picture => picture(args, &rbm, &samples)?,
        Format::States => write_npy(&args.out, &samples.visible)?,
    }
    note(format!(
        "{} samples after {} sweeps in {}",
        samples.visible.rows(),
        args.steps,
        args.out.display()
    ));
    Ok(())
}

/// The number of chains: `--count`, else what the files hold, else 100.
fn checked_count(
    args: &SampleArgs,
    rbm: &Rbm,
    levels: usize,
    held: Option<&(Clamp, usize)>,
) -> Outcome<usize> {
    let held = held.map(|(_, rows)| *rows).filter(|&n| n > 1);
    // With a row a class, whole rows.
    let rows = held.filter(|_| args.every_label);
    let count = rows.or(args.count).or(held).unwrap_or(DEFAULT_COUNT);
    let most = MOST_ELEMENTS / rbm.n_visible().max(rbm.n_hidden()).max(1) / levels.max(1);
    if count > most {
        return Err(Failure::usage(format!(
            "--count {count}: expected at most {most} chains of a machine of this size"
        )));
    }
    Ok(count)
}

/// Block Gibbs sampling, perhaps with held units, perhaps going on with stored chains.
fn gibbs(args: &SampleArgs, rbm: &Rbm, seed: u64) -> Outcome<Samples> {
    let held = held_units(args, rbm)?;
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
        None => GibbsChain::uniform(rbm, checked_count(args, rbm, 1, held.as_ref())?, seed),
    };
    let held = held.map(|(clamp, _)| clamp);
    if let Some(clamp) = &held {
        chains = chains.clamped_visible(clamp.clone())?;
    }
    let bar = Bar::new(args.steps as u64, "sampling");
    for k in 0..args.steps {
        chains.sweep(rbm, args.beta, 1)?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    if let Some(path) = &args.save_chains {
        save_chains(&chains, path)?;
    }
    let start = match (&args.continue_from, &held) {
        (Some(_), _) => "from stored chains",
        (None, Some(_)) if args.clamp.is_some() => "with held units",
        (None, _) => "from fair coins",
    };
    Ok(Samples {
        visible: chains.visible().clone(),
        hidden: chains.hidden().clone(),
        origin: format!("Gibbs sweeps at β = {} {start}", args.beta),
    })
}

/// Chains of a class, of `--every-label`.
pub const PER_CLASS: usize = 10;

/// The class that each chain is held at, by `--label` (the first one alone, for all chains) or `--every-label`.
///
/// # Errors
/// A class that does not exist.
pub fn held_classes(args: &SampleArgs, classes: usize) -> Outcome<Vec<u8>> {
    if let Some(class) = args.label {
        if class >= classes {
            return Err(Failure::usage(format!(
                "--label {class}: expected a class below {classes}"
            )));
        }
        return Ok(vec![class as u8]);
    }
    let each = args
        .count
        .map_or(PER_CLASS, |n| n.div_ceil(classes))
        .min(MOST_ELEMENTS / classes);
    Ok((0..classes * each).map(|k| (k / each) as u8).collect())
}

/// What --clamp and --mask, --label or --every-label hold, and for how many chains.
fn held_units(args: &SampleArgs, rbm: &Rbm) -> Outcome<Option<(Clamp, usize)>> {
    let binary = rbm.visible().units.are_binary();
    let n = rbm.n_visible();
    if args.label.is_some() || args.every_label {
        let Some(group) = rbm.visible().units.last_group() else {
            return Err(
                Failure::usage("--label and --every-label: the machine has no labels")
                    .hint("`harmonium train --labels` makes one that has"),
            );
        };
        let classes = held_classes(args, group.size)?;
        let count = classes.len();
        let mask = BitMatrix::from_fn(1, n, |_, j| group.range().contains(&j));
        let one = |i: usize, j: usize| j == group.first + usize::from(classes[i]);
        let values: States = if binary {
            BitMatrix::from_fn(count, n, one).into()
        } else {
            Matrix::from_fn(count, n, |i, j| f32::from(one(i, j))).into()
        };
        return Ok(Some((Clamp::new(rbm.visible(), values, mask)?, count)));
    }
    held_in_files(args, rbm.visible())
}

/// What --clamp and --mask hold of a layer, and for how many chains.
///
/// # Errors
/// Files that cannot be read, or are not of this layer.
pub fn held_in_files(args: &SampleArgs, layer: &Layer) -> Outcome<Option<(Clamp, usize)>> {
    let (Some(values), Some(mask)) = (&args.clamp, &args.mask) else {
        return Ok(None);
    };
    let binary = layer.units.are_binary();
    let bits = |path: &Path, x: &Matrix| {
        BitMatrix::from_matrix(x).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))
    };
    let (x, m) = (read_npy(values)?, bits(mask, &read_npy(mask)?)?);
    let rows = x.rows().max(m.rows());
    let x: States = if binary {
        bits(values, &x)?.into()
    } else {
        x.into()
    };
    let clamp = Clamp::new(layer, x, m)
        .map_err(|e| Failure::failed(format!("--clamp {}: {e}", values.display())))?;
    Ok(Some((clamp, rows)))
}

/// A matrix of numbers; one axis is one row.
fn read_npy(path: &Path) -> Outcome<Matrix> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read the array", e))?;
    let wrong = |e: &dyn std::fmt::Display| Error::file(path, "an NPY array of numbers", e);
    let open = || npyz::NpyFile::new(&bytes[..]);
    let file = open().map_err(|e| wrong(&e))?;
    let shape = file.shape().to_vec();
    let (rows, columns) = match shape[..] {
        [n] => (1, n as usize),
        [rows, columns] => (rows as usize, columns as usize),
        _ => {
            let found = format!("{} axes", shape.len());
            return Err(Error::file(path, "an array of 1 or 2 axes", found).into());
        }
    };
    let fits = rows.checked_mul(columns).is_some_and(|n| n <= bytes.len());
    if !fits || file.order() != npyz::Order::C {
        return Err(wrong(&"a truncated one, or one in Fortran order").into());
    }
    let x: Vec<f32> = if let Ok(x) = open().and_then(|f| f.into_vec::<u8>()) {
        x.into_iter().map(f32::from).collect()
    } else if let Ok(x) = open().and_then(|f| f.into_vec::<bool>()) {
        x.into_iter().map(f32::from).collect()
    } else if let Ok(x) = open().and_then(|f| f.into_vec::<f64>()) {
        x.into_iter().map(|x| x as f32).collect()
    } else if let Ok(x) = open().and_then(|f| f.into_vec::<i64>()) {
        x.into_iter().map(|x| x as f32).collect()
    } else {
        open()
            .and_then(|f| f.into_vec::<f32>())
            .map_err(|e| wrong(&format!("{e}; expected u8, bool, i64, f32 or f64")))?
    };
    Ok(Matrix::from_slice(rows, columns, &x)?)
}

/// Parallel tempering.
fn tempered(args: &SampleArgs, rbm: &Rbm, temperatures: usize, seed: u64) -> Outcome<Samples> {
    let held = held_units(args, rbm)?;
    let count = checked_count(args, rbm, temperatures, held.as_ref())?;
    let clamp = held.map(|(clamp, _)| clamp);
    let discrete = rbm.visible().units.are_discrete() && rbm.hidden().units.are_discrete();
    let lowest = args
        .lowest_beta
        .unwrap_or(if discrete { 0.0 } else { LOWEST_OF_CONTINUOUS });
    let mut replicas = Tempering::uniform(rbm, even_ladder(temperatures, lowest), count, seed)?;
    if let Some(clamp) = &clamp {
        replicas = replicas.clamped_visible(clamp)?;
    }
    let burn_in = args.burn_in.unwrap_or(DEFAULT_BURN_IN);
    replicas.burn_in(rbm, burn_in)?;
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
    Ok(Samples {
        visible: replicas.visible(),
        hidden: replicas.hidden(),
        origin: format!("sweeps of parallel tempering with {temperatures} temperatures"),
    })
}

/// Swaps between the models of a training run.
fn along_trajectory(args: &SampleArgs, rbm: &Rbm, seed: u64) -> Outcome<Samples> {
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
    let held = held_units(args, rbm)?;
    let count = checked_count(args, rbm, models.len() + 1, held.as_ref())?;
    let clamp = held.map(|(clamp, _)| clamp);
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
    Ok(Samples {
        visible: replicas.visible(),
        hidden: replicas.hidden(),
        origin: format!("sweeps of trajectory tempering through {n} models"),
    })
}

/// Free energies of every chain, sweep by sweep.
struct Series(Vec<Vec<f64>>);

impl Series {
    fn new(chains: usize) -> Self {
        Self(vec![Vec::new(); chains])
    }

    fn observe(&mut self, rbm: &Rbm, v: &States) -> Outcome<()> {
        let free = rbm.free_energy_v(v, 1.0)?;
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

/// On stdout: swap rates, and the autocorrelation times of these chains and of as many sweeps of plain Gibbs chains.
fn report(
    args: &SampleArgs,
    rbm: &Rbm,
    seed: u64,
    clamp: Option<Clamp>,
    series: &Series,
    levels: &[String],
    rates: &[SwapRate],
) -> Outcome<()> {
    let mut chains = GibbsChain::uniform(rbm, series.0.len(), seed);
    if let Some(clamp) = clamp {
        chains = chains.clamped_visible(clamp)?;
    }
    chains.sweep(rbm, 1.0, args.burn_in.unwrap_or(DEFAULT_BURN_IN))?;
    let mut plain = Series::new(series.0.len());
    let bar = Bar::new(args.steps as u64, "plain Gibbs, to compare");
    for k in 0..args.steps {
        chains.sweep(rbm, 1.0, 1)?;
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

/// A sheet of probabilities; before the first sweep there are only coins to show.
fn picture(args: &SampleArgs, rbm: &Rbm, samples: &Samples) -> Outcome<()> {
    // Of held units the means say nothing.
    let held = args.clamp.is_some();
    let means = if args.steps == 0 || held {
        samples.visible.to_matrix()
    } else {
        rbm.mean_v_from_h(&samples.hidden, args.beta)?
    };
    let count = samples.visible.rows();
    let mut per_row = count.isqrt();
    per_row += usize::from(per_row * per_row < count);
    let caption = format!(
        "{} of {count} chains after {} {}{}",
        if held { "States" } else { "E[v | h]" },
        args.steps,
        samples.origin,
        match (args.label, args.every_label) {
            (Some(class), _) => format!(", label held at {class}"),
            (None, true) => ", labels held, a row a class".into(),
            (None, false) => String::new(),
        }
    );
    let per_row = per_row.min(TILES_PER_ROW);
    let per_row = match rbm.label_group() {
        Some(group) if args.every_label => count / group.size,
        _ => per_row,
    };
    let n = pictures::shown(rbm);
    let sheet = pictures::grid(
        &pictures::grey(pictures::rows(&means), rbm, n),
        n,
        per_row,
        Colour::Grey,
    )?;
    let title = format!("RBM {}-{}", rbm.n_visible(), rbm.n_hidden());
    Sheet::page(&title, &[sheet.headed("samples", &caption)])?.write_png(&args.out)?;
    Ok(())
}

/// Writes states `[rows x columns]`: bits as zeros and ones, u8, others as f32.
pub fn write_npy(path: &Path, states: &States) -> Outcome<()> {
    fn write<T: npyz::AutoSerialize>(
        bytes: &mut Vec<u8>,
        states: &States,
        elements: impl Iterator<Item = T>,
    ) -> io::Result<()> {
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[states.rows() as u64, states.columns() as u64])
            .writer(bytes)
            .begin_nd()?;
        writer.extend(elements)?;
        writer.finish()
    }
    let mut bytes = Vec::new();
    let written = match states {
        States::Bits(x) => {
            let columns = x.columns();
            let all = (0..x.rows()).flat_map(|i| (0..columns).map(move |j| u8::from(x.get(i, j))));
            write(&mut bytes, states, all)
        }
        States::Real(x) => write(&mut bytes, states, x.elements()),
    };
    written.map_err(|e| Error::io(path, "encode the states", e))?;
    Ok(write_atomically(path, &bytes)?)
}
