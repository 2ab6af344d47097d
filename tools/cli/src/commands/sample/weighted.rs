//! `harmonium sample --weighted`: samples with weights, by annealed importance sampling.

use crate::{
    args::{DEFAULT_BETAS, SampleArgs},
    failure::{Failure, Outcome, note},
    run::data::Source,
    run::machine::Machine,
    show::figures::Figures,
    show::numbers::{write_states, write_weights},
    show::progress::Stages,
};
use harmonium::{
    Checkpoint,
    evaluate::{Ais, Annealed, Base, Betas},
};
use std::ops::ControlFlow;

/// Writes states and log weights, and prints what they are worth.
///
/// # Errors
/// A machine that is not annealed; those of the library; files that cannot be written.
pub fn run(
    args: &SampleArgs,
    checkpoint: &Checkpoint,
    machine: &dyn Machine,
    count: usize,
) -> Outcome<()> {
    let columns = machine.layers()[0].size();
    let Some(machine) = machine.annealed() else {
        return Err(Failure::usage("--weighted: the machine is not annealed"));
    };
    let ais = Ais {
        chains: count,
        betas: Betas::Linear(args.betas.unwrap_or(DEFAULT_BETAS)),
        base: base(checkpoint, machine, columns)?,
        seed: args.seed.unwrap_or(0),
    };
    let mut bar = Stages::new();
    let samples = ais.weighted_samples(machine, &mut |done, all| {
        bar.set("annealing", done, all);
        ControlFlow::Continue(())
    })?;
    bar.clear();
    write_states(&args.out, &samples.visible())?;
    let weights = args.out.with_extension("weights.npy");
    write_weights(&weights, &[&samples.log_weights])?;
    let log_z = &samples.log_z;
    note(format!(
        "{count} samples in {}, their log weights in {}",
        args.out.display(),
        weights.display()
    ));
    let mut figures = Figures::default();
    let size = log_z.effective_sample_size;
    figures.put("effective_sample_size", size).row(
        "effective sample size",
        format!("{size:.1}"),
        format!("of {count}"),
    );
    let interval = format!("interval {:.2} .. {:.2}", log_z.low, log_z.high);
    figures.nats("log_z", "ln Z", log_z.estimate, interval);
    figures
        .put("log_z_low", log_z.low)
        .put("log_z_high", log_z.high);
    figures.warnings(log_z.warning().as_slice());
    figures.print(args.answer.json, "Weighted samples")
}

/// The base rate of the data that the notes tell, if they can be had and fit.
fn base(checkpoint: &Checkpoint, machine: &dyn Annealed, columns: usize) -> Outcome<Base> {
    let data = Source::from_notes(checkpoint)?.map(|source| source.load());
    match data {
        Some(Ok(data)) if data.train.columns() == columns => {
            Ok(Base::rate_of(machine, &data.train)?)
        }
        _ => {
            note("the data of the model are not at hand: annealing from the uniform distribution");
            Ok(Base::Uniform)
        }
    }
}
