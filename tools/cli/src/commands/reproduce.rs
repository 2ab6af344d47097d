//! `harmonium reproduce`: published experiments by their recipes, with published and measured
//! figures side by side.
//!
//! ```text
//! a line of the table -> machines, options, data -> learn, store -> measure -> figures -> record
//!   EXPERIMENTS            rbm dbn dbm network      setting        figures
//! ```
//!
//! `--quick` goes the same way with fewer examples and epochs, so that a test can.

mod dbm;
mod dbn;
mod figures;
mod network;
mod rbm;
mod setting;

use crate::{
    args::ReproduceArgs,
    commands::bench::cpu_model,
    failure::{Failure, Outcome, note},
    run::{data::resolved, directory::Directory, interrupt::Interrupt},
    show::report,
};
use figures::{Part, averaged};
use harmonium::checkpoint::write_atomically;
use serde_json::{Map, Value, json};
use setting::Setting;
use std::time::Instant;

/// A published experiment.
struct Experiment {
    name: &'static str,
    about: &'static str,
    /// What `--only` takes.
    parts: &'static [&'static str],
    run: fn(&Setting) -> Outcome<Vec<Part>>,
}

const EXPERIMENTS: [Experiment; 13] = [
    Experiment {
        name: "rbm-cd25",
        about: "RBM 784-500, CD with 1 to 25 steps (Salakhutdinov and Murray 2008): test -86.34 nats; --data takes their binarized MNIST",
        parts: &["784-500 CD-25"],
        run: rbm::cd25,
    },
    Experiment {
        name: "rbm-pcd",
        about: "RBM 784-500, PCD-25, 250 epochs (natural_bm): validation -86.5 nats",
        parts: &["784-500 PCD-25"],
        run: rbm::pcd_25,
    },
    Experiment {
        name: "rbm-small",
        about: "RBMs 784-20 and 784-25 with exact ln Z (Salakhutdinov and Murray 2008): -164.52, -151.57, -143.03, -150.11 nats",
        parts: &["784-20 CD-1", "784-25 CD-1", "784-25 CD-3", "784-20 PCD-1"],
        run: rbm::small,
    },
    Experiment {
        name: "rbm-16-centered",
        about: "RBM 784-16, PCD-1, 50 epochs, centered and plain: -142.56, -149.05 nats; on the negative of MNIST -142.09, -183.36",
        parts: &["centered", "plain", "centered flipped", "plain flipped"],
        run: rbm::centered_16,
    },
    Experiment {
        name: "rbm-500-centered",
        about: "RBM 784-500, centered PCD-1, 200 epochs: -84.86 nats",
        parts: &["784-500 centered", "784-500 centered, rate from 0.1"],
        run: rbm::centered_500,
    },
    Experiment {
        name: "rbm-classification",
        about: "RBMs with labels, generative, discriminative and hybrid (Larochelle and Bengio 2008): 3.39, 1.81, 1.28 % test error",
        parts: &["RBM", "discriminative RBM", "hybrid RBM"],
        run: rbm::classification,
    },
    Experiment {
        name: "dbn-2006",
        about: "DBN 784-500-500-2000 with 10 labels (Hinton, Osindero and Teh 2006): 2.49, 1.39, 1.25 % test error",
        parts: &[],
        run: dbn::classifier,
    },
    Experiment {
        name: "dbn-bound",
        about: "DBN 784-500-2000 (Salakhutdinov and Murray 2008): test lower bound -86.22 nats; --data takes their binarized MNIST",
        parts: &[],
        run: dbn::bound,
    },
    Experiment {
        name: "dbm-2009",
        about: "DBM 784-500-1000 (Salakhutdinov and Hinton 2009): test lower bound -84.62 nats, fine-tuned 0.95 % test error",
        parts: &["network"],
        run: dbm::two_layers,
    },
    Experiment {
        name: "dbm-2009-three",
        about: "DBM 784-500-500-1000 (Salakhutdinov and Hinton 2009): test lower bound -85.18 nats, fine-tuned 1.01 % test error",
        parts: &["network"],
        run: dbm::three_layers,
    },
    Experiment {
        name: "dbm-centered",
        about: "DBM 784-500-500 without pretraining, by the centered gradient (Montavon and Mueller 2012); its test lower bound beside the others'",
        parts: &[],
        run: dbm::centered,
    },
    Experiment {
        name: "dbn-backprop",
        about: "DBN 784-500-500-2000-10 fine-tuned by conjugate gradients (Hinton and Salakhutdinov 2006), and with dropout: 1.2 % test error",
        parts: &[network::CONJUGATE, network::DROPOUT],
        run: network::classifier,
    },
    Experiment {
        name: "autoencoder",
        about: "deep autoencoder 784-1000-500-250-30 (Hinton and Salakhutdinov 2006): squared error 3.00 an image of the test part",
        parts: &[],
        run: network::autoencoder,
    },
];

/// Runs the command.
pub fn run(args: &ReproduceArgs) -> Outcome<()> {
    if args.list {
        let rows = EXPERIMENTS.map(|x| [x.name.to_owned(), x.about.to_owned(), String::new()]);
        return report::table("Published experiments", &rows);
    }
    let name = args.name.as_deref().unwrap_or_default();
    let Some(experiment) = EXPERIMENTS.iter().find(|x| x.name == name) else {
        let names: Vec<&str> = EXPERIMENTS.iter().map(|x| x.name).collect();
        return Err(
            Failure::usage(format!("{name:?}: expected one of {}", names.join(", ")))
                .hint("`harmonium reproduce --list` says what they are"),
        );
    };
    if args.resume && !dbm::RESUMABLE.contains(&name) {
        return Err(Failure::usage(format!(
            "--resume: expected one of {}, not {name}",
            dbm::RESUMABLE.join(", ")
        )));
    }
    if let Some(only) = &args.only
        && !experiment.parts.contains(&only.as_str())
    {
        let failure = Failure::usage(format!("--only {only:?}: {name} has no such part"));
        return Err(match experiment.parts {
            [] => failure.hint("all of it is one run: leave --only out"),
            parts => failure.hint(format!("expected one of {}", parts.join(", "))),
        });
    }
    let mut setting = Setting {
        data: args.data.as_deref().map(resolved),
        quick: args.quick,
        seed: args.seed,
        out: args.out.clone(),
        only: args.only.clone(),
        resume: args.resume,
        interrupt: Interrupt::listen()?,
    };
    // Its lock ends with the command.
    let mut directory = args.out.as_deref().map(Directory::at);
    if let Some(directory) = &mut directory {
        directory.begin(None)?;
    }
    let started = Instant::now();
    let mut runs = Vec::new();
    for seed in (0..args.seeds as u64).map(|k| args.seed.wrapping_add(k)) {
        setting.seed = seed;
        if args.seeds > 1 {
            note(format!("seed {seed}"));
        }
        runs.push((experiment.run)(&setting)?);
    }
    let parts = averaged(runs);
    let record = record(experiment, args, &parts, started.elapsed().as_secs_f64());
    if let Some(out) = &setting.out {
        let text = format!("{:#}\n", Value::Object(record.clone()));
        write_atomically(&out.join(format!("{name}.json")), text.as_bytes())?;
    }
    if args.answer.json {
        return report::json(record);
    }
    let quick = if args.quick {
        " --quick: no result"
    } else {
        ""
    };
    let seeds = match args.seeds {
        1 => format!("seed {}", args.seed),
        n => format!("{n} seeds from {}", args.seed),
    };
    report::columns(
        &format!("{name}, {seeds}{quick}"),
        &["", "published", "measured", "interval", "", ""],
        &parts.iter().flat_map(Part::rows).collect::<Vec<_>>(),
    )
}

/// Everything about a run.
fn record(
    experiment: &Experiment,
    args: &ReproduceArgs,
    parts: &[Part],
    seconds: f64,
) -> Map<String, Value> {
    let record = json!({
        "experiment": experiment.name,
        "about": experiment.about,
        "quick": args.quick,
        "seed": args.seed,
        "seeds": args.seeds,
        "data": args.data.as_deref().unwrap_or(crate::run::data::MNIST),
        "seconds": seconds,
        "parts": parts.iter().map(Part::json).collect::<Vec<_>>(),
        "machine": {
            "cpu": cpu_model(),
            "threads": harmonium::threads::count(),
            "instruction_set": harmonium::simd::isa().to_string(),
        },
        "harmonium": env!("CARGO_PKG_VERSION"),
    });
    match record {
        Value::Object(map) => map,
        _ => unreachable!("it is written as an object above"),
    }
}
