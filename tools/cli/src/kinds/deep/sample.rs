//! `harmonium sample` of a deep belief network: Gibbs chains of its top pair, the label held or
//! free, and one pass down.

use crate::{
    args::{SampleArgs, ValuesArg},
    commands::sample::{
        chains::Samples,
        held::{PER_CLASS, held_classes},
        sheet::{self, Format, Shown},
        told,
    },
    failure::{Failure, Outcome, note},
    kinds::machine::Machine,
    run::data::{self},
    run::plan::MOST_ELEMENTS,
    show::picture::{Color, Sheet},
    show::pictures,
    show::progress::Bar,
};
use harmonium::{
    Examples, Matrix,
    model::{Dbn, RbmChain},
};
use std::path::Path;

/// Chains without a class.
const FREE: usize = 100;
/// Sweeps of the picture that training leaves.
const SWEEPS: usize = 1000;
/// Training examples beside it.
const EXAMPLES: usize = 40;

/// Runs the command; the format and the temperature have been checked.
pub fn run(args: &SampleArgs, dbn: &Dbn, format: Format) -> Outcome<()> {
    for (flag, given) in [
        ("--beta", args.beta != 1.0),
        ("--tempering", args.tempering.is_some()),
        ("--trajectory", !args.trajectory.is_empty()),
        ("--weighted", args.weighted),
        ("--clamp", args.clamp.is_some()),
        ("--from-data", args.from_data),
        ("--over-time", args.over_time),
        ("--save-chains", args.save_chains.is_some()),
        ("--continue", args.continue_from.is_some()),
    ] {
        if given {
            return Err(Failure::usage(format!(
                "{flag} is for RBMs, not for a model of kind dbn"
            )));
        }
    }
    let seed = args.seed.unwrap_or(0);
    let classes = dbn.label_group().map(|group| group.size);
    let no_labels = || {
        Failure::usage("--label and --every-label: the network has no labels")
            .hint("`harmonium train dbn --labels` makes one that has")
    };
    let labels = if args.label.is_some() || args.every_label {
        let mut held = held_classes(args, classes.ok_or_else(no_labels)?)?;
        if !args.every_label {
            held = vec![held[0]; args.count.unwrap_or(FREE)];
        }
        Some(held)
    } else {
        None
    };
    let count = labels.as_ref().map_or(args.count.unwrap_or(FREE), Vec::len);
    let widest = (0..dbn.n_layers()).map(|l| dbn.layer(l).size()).max();
    let most = MOST_ELEMENTS / widest.unwrap_or(1).max(1);
    if count > most {
        return Err(Failure::usage(format!(
            "--count {count}: expected at most {most} chains of a network of this size"
        )));
    }
    let mut chains = match &labels {
        Some(labels) => dbn.chains_with_labels(labels, seed)?,
        None => dbn.chains(count, seed)?,
    };
    sweep(dbn, &mut chains, args.steps)?;
    let features = chains.visible().view();
    let means = match format.values(args) {
        ValuesArg::Means => Some(dbn.mean_v_from_features(features, seed, 0)?),
        ValuesArg::States => None,
    };
    let samples = Samples {
        visible: dbn.sample_v_from_features(features, seed, 0)?,
        means,
        frames: Vec::new(),
        origin: "Gibbs sweeps of the top pair".into(),
    };
    let shown = Shown {
        title: &dbn.name(),
        pixels: dbn.n_visible(),
        binary: dbn.layer(0).units.are_binary(),
        classes,
    };
    sheet::write(args, format, &shown, None, &samples)?;
    note(told(args, count));
    Ok(())
}

fn sweep(dbn: &Dbn, chains: &mut RbmChain, steps: usize) -> Outcome<()> {
    let bar = Bar::new(steps as u64, "sampling");
    for k in 0..steps {
        chains.sweep(dbn.top(), 1, 1.0)?;
        bar.set(k as u64 + 1);
    }
    bar.clear();
    Ok(())
}

fn fantasies(dbn: &Dbn, means: &Matrix) -> Outcome<Sheet> {
    let n = dbn.n_visible();
    let tiles = pictures::scaled(pictures::rows(means), dbn.layer(0).units.are_binary(), n);
    pictures::grid(&tiles, n, PER_CLASS, Color::Gray)
}

/// The picture that training leaves: with labels a row a class, else chains from features of
/// training examples; beside training examples.
///
/// # Errors
/// Those of the library; a file that cannot be written.
pub fn pictures(path: &Path, title: &str, dbn: &Dbn, train: &Examples, seed: u64) -> Outcome<()> {
    let (mut chains, what) = match dbn.label_group() {
        Some(group) => {
            let labels: Vec<u32> = (0..group.size * PER_CLASS)
                .map(|k| (k / PER_CLASS) as u32)
                .collect();
            (
                dbn.chains_with_labels(&labels, seed)?,
                "from fair coins, labels held: a row a class",
            )
        }
        None => {
            let starts: Vec<usize> = (0..FREE).map(|k| k % train.len()).collect();
            let states = dbn.sample_features(&train.take(&starts), seed, 0)?;
            (
                dbn.top().chains_from(states, seed)?,
                "from training examples",
            )
        }
    };
    sweep(dbn, &mut chains, SWEEPS)?;
    let means = dbn.mean_v_from_features(chains.visible().view(), seed, 0)?;
    let (n, binary) = (dbn.n_visible(), dbn.layer(0).units.are_binary());
    let caption = format!("E[v | h] after {SWEEPS} Gibbs sweeps of the top pair {what}");
    let examples = pictures::scaled(data::rows(train, EXAMPLES), binary, n);
    let pages = [
        fantasies(dbn, &means)?.headed("fantasies", &caption),
        pictures::grid(&examples, n, 4, Color::Gray)?
            .headed("training examples", "as the network sees them"),
    ];
    Sheet::page(title, &pages)?.write_png(path)?;
    Ok(())
}
