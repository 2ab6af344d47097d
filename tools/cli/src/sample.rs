//! `harmonium sample`: states of a model from independent Gibbs chains.

use crate::{
    args::SampleArgs,
    evaluate::load_model,
    failure::{Failure, Outcome, note},
    picture::{Colour, Sheet},
    pictures,
    plan::MOST_ELEMENTS,
    progress::Bar,
};
use harmonium::{
    Error,
    checkpoint::write_atomically,
    model::{GibbsChain, Rbm, States},
};
use npyz::WriterBuilder;
use std::{io, path::Path};

/// Tiles beside one another on a sheet, at most.
const TILES_PER_ROW: usize = 20;

enum Format {
    Picture,
    States,
}

/// Runs the command.
pub fn run(args: &SampleArgs) -> Outcome<()> {
    let extension = args.out.extension().map(|e| e.to_ascii_lowercase());
    let format = match extension.as_ref().and_then(|e| e.to_str()) {
        Some("png") => Format::Picture,
        Some("npy") => Format::States,
        _ => {
            return Err(Failure::usage(format!(
                "--out {}: expected a file name that ends in .png or .npy",
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
    let rbm = load_model(&args.model)?.rbm;
    let most = MOST_ELEMENTS / rbm.n_visible().max(rbm.n_hidden()).max(1);
    if args.count > most {
        return Err(Failure::usage(format!(
            "--count {}: expected at most {most} chains of a machine of this size",
            args.count
        )));
    }

    let mut chains = GibbsChain::uniform(&rbm, args.count, args.seed);
    let bar = Bar::new(args.steps as u64, "sampling");
    for k in 0..args.steps {
        chains.sweep(&rbm, args.beta, 1)?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    match format {
        Format::Picture => picture(args, &rbm, &chains)?,
        Format::States => write_npy(&args.out, chains.visible())?,
    }
    note(format!(
        "{} samples after {} sweeps in {}",
        args.count,
        args.steps,
        args.out.display()
    ));
    Ok(())
}

/// A sheet of probabilities; before the first sweep there are only coins to show.
fn picture(args: &SampleArgs, rbm: &Rbm, chains: &GibbsChain) -> Outcome<()> {
    let means = if args.steps == 0 {
        chains.visible().to_matrix()
    } else {
        rbm.mean_v_from_h(chains.hidden(), args.beta)?
    };
    let mut per_row = args.count.isqrt();
    per_row += usize::from(per_row * per_row < args.count);
    let caption = format!(
        "E[v | h] of {} chains after {} Gibbs sweeps at β = {} from fair coins",
        args.count, args.steps, args.beta
    );
    let per_row = per_row.min(TILES_PER_ROW);
    let sheet = pictures::grid(
        &pictures::grey(pictures::rows(&means), rbm, rbm.n_visible()),
        rbm.n_visible(),
        per_row,
        Colour::Grey,
    )?;
    let title = format!("RBM {}-{}", rbm.n_visible(), rbm.n_hidden());
    Sheet::page(&title, &[sheet.headed("samples", &caption)])?.write_png(&args.out)?;
    Ok(())
}

/// Writes states `[rows x columns]`: bits as zeros and ones, u8, others as f32.
fn write_npy(path: &Path, states: &States) -> Outcome<()> {
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
