//! `harmonium reproduce`: published experiments by their recipes, with published and measured
//! figures side by side.
//!
//! Each family of experiments is one file below, and each experiment a function from a [`Setting`]
//! to [`Part`]s; what all share, from training to the record, is here. `--quick` goes the same way
//! with fewer examples and epochs, so that a test can.

mod annealed;
mod autoencoder;
mod backprop;
mod classification;
mod clock;
mod dbm;
mod dbn;
mod enumerated;
mod stack;

use crate::{
    args::ReproduceArgs,
    commands::bench::cpu_model,
    failure::{Failure, Outcome, note},
    run::data::{Data, Source, resolved},
    run::directory::Directory,
    run::interrupt::Interrupt,
    show::report,
};
use harmonium::{
    Checkpoint, Rbm, RbmTraining,
    checkpoint::write_atomically,
    dataset::{Binarization, Examples},
    kernel::reduce::mean_and_standard_error,
    train::{Event, RbmOptions},
};
use serde_json::{Map, Value, json};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Examples and epochs of `--quick`.
const QUICK_EXAMPLES: usize = 1000;
const QUICK_EPOCHS: usize = 2;
/// Standard errors to either side of a mean over seeds or of an error rate.
const DEVIATIONS: f64 = 3.0;
/// Time between lines about a run.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A published experiment.
struct Experiment {
    name: &'static str,
    about: &'static str,
    run: fn(&Setting) -> Outcome<Vec<Part>>,
}

const EXPERIMENTS: [Experiment; 13] = [
    Experiment {
        name: "rbm-cd25",
        about: "RBM 784-500, CD with 1 to 25 steps (Salakhutdinov and Murray 2008): test -86.34 nats; --data takes their binarized MNIST",
        run: annealed::cd25,
    },
    Experiment {
        name: "rbm-pcd",
        about: "RBM 784-500, PCD-25, 250 epochs (natural_bm): validation -86.5 nats",
        run: annealed::pcd,
    },
    Experiment {
        name: "rbm-small",
        about: "RBMs 784-20 and 784-25 with exact ln Z (Salakhutdinov and Murray 2008): -164.52, -151.57, -143.03, -150.11 nats",
        run: enumerated::small,
    },
    Experiment {
        name: "rbm-16-centered",
        about: "RBM 784-16, PCD-1, 50 epochs, centered and plain: -142.56, -149.05 nats; on the negative of MNIST -142.09, -183.36",
        run: enumerated::centered_16,
    },
    Experiment {
        name: "rbm-500-centered",
        about: "RBM 784-500, centered PCD-1, 200 epochs: -84.86 nats",
        run: annealed::centered,
    },
    Experiment {
        name: "rbm-classification",
        about: "RBMs with labels, generative, discriminative and hybrid (Larochelle and Bengio 2008): 3.39, 1.81, 1.28 % test error",
        run: classification::run,
    },
    Experiment {
        name: "dbn-2006",
        about: "DBN 784-500-500-2000 with 10 labels (Hinton, Osindero and Teh 2006): 2.49, 1.39, 1.25 % test error",
        run: dbn::run,
    },
    Experiment {
        name: "dbn-bound",
        about: "DBN 784-500-2000 (Salakhutdinov and Murray 2008): test lower bound -86.22 nats; --data takes their binarized MNIST",
        run: dbn::bound::run,
    },
    Experiment {
        name: "dbm-2009",
        about: "DBM 784-500-1000 (Salakhutdinov and Hinton 2009): test lower bound -84.62 nats, fine-tuned 0.95 % test error",
        run: dbm::two_layers,
    },
    Experiment {
        name: "dbm-2009-three",
        about: "DBM 784-500-500-1000 (Salakhutdinov and Hinton 2009): test lower bound -85.18 nats, fine-tuned 1.01 % test error",
        run: dbm::three_layers,
    },
    Experiment {
        name: "dbm-centered",
        about: "DBM 784-500-500 without pretraining, by the centered gradient (Montavon and Mueller 2012); its test lower bound beside the others'",
        run: dbm::centered,
    },
    Experiment {
        name: "dbn-backprop",
        about: "DBN 784-500-500-2000-10 fine-tuned by conjugate gradients (Hinton and Salakhutdinov 2006), and with dropout: 1.2 % test error",
        run: backprop::run,
    },
    Experiment {
        name: "autoencoder",
        about: "deep autoencoder 784-1000-500-250-30 (Hinton and Salakhutdinov 2006): squared error 3.00 an image of the test part",
        run: autoencoder::run,
    },
];

/// What a run is told.
struct Setting {
    data: Option<String>,
    quick: bool,
    seed: u64,
    out: Option<PathBuf>,
    only: Option<String>,
    resume: bool,
    interrupt: Interrupt,
}

/// A machine of an experiment.
struct Part {
    name: String,
    recipe: Value,
    figures: Vec<Figure>,
    /// Of training.
    seconds: f64,
}

/// A figure and what it is published as.
struct Figure {
    what: &'static str,
    published: Option<f64>,
    measured: f64,
    /// Ends of the interval of `measured`.
    interval: (f64, f64),
    unit: &'static str,
    /// What the interval is, and what else to know.
    remark: String,
    /// Of each seed, if there are several.
    of_seeds: Vec<f64>,
}

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
        directory.begin(false)?;
    }
    let started = Instant::now();
    let mut runs = Vec::new();
    for seed in (0..args.seeds as u64).map(|k| args.seed.wrapping_add(k)) {
        setting.seed = seed;
        if args.seeds > 1 {
            note(format!("seed {seed}"));
        }
        let parts = (experiment.run)(&setting)?;
        if parts.is_empty() {
            let only = setting.only.unwrap_or_default();
            return Err(Failure::usage(format!(
                "--only {only:?}: {name} has no such part"
            )));
        }
        runs.push(parts);
    }
    let parts = averaged(runs);
    let record = record(experiment, args, &parts, started.elapsed().as_secs_f64());
    if let Some(out) = &setting.out {
        let text = format!("{:#}\n", Value::Object(record.clone()));
        write_atomically(&out.join(format!("{name}.json")), text.as_bytes())?;
    }
    if args.json {
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

/// Parts of runs that differ in their seeds alone as one: means of the figures, with three standard
/// errors of the mean to either side.
fn averaged(mut runs: Vec<Vec<Part>>) -> Vec<Part> {
    if runs.len() == 1 {
        return runs.remove(0);
    }
    let count = runs.len();
    let mut parts = runs.remove(0);
    for (i, part) in parts.iter_mut().enumerate() {
        part.seconds += runs.iter().map(|run| run[i].seconds).sum::<f64>();
        for (k, figure) in part.figures.iter_mut().enumerate() {
            let others = runs.iter().map(|run| run[i].figures[k].measured);
            let all: Vec<f64> = std::iter::once(figure.measured).chain(others).collect();
            let (mean, error) = mean_and_standard_error(all.iter().copied());
            let [least, most] = [f64::min, f64::max].map(|of| all.iter().copied().reduce(of));
            figure.measured = mean;
            figure.interval = (mean - DEVIATIONS * error, mean + DEVIATIONS * error);
            figure.remark = format!(
                "mean of {count} seeds, 3 standard errors; {:.2} .. {:.2}",
                least.unwrap_or(mean),
                most.unwrap_or(mean)
            );
            figure.of_seeds = all;
        }
    }
    parts
}

impl Part {
    fn json(&self) -> Value {
        let figures = self.figures.iter().map(|x| {
            json!({
                "what": x.what,
                "published": x.published,
                "measured": x.measured,
                "low": x.interval.0,
                "high": x.interval.1,
                "unit": x.unit,
                "remark": x.remark,
                "of_seeds": x.of_seeds,
            })
        });
        json!({
            "name": self.name,
            "recipe": self.recipe,
            "seconds": self.seconds,
            "figures": figures.collect::<Vec<_>>(),
        })
    }

    /// One row a figure: machine and figure, published, measured, interval, unit, remark.
    fn rows(&self) -> Vec<[String; 6]> {
        let number = |x: f64| format!("{x:.2}");
        let rows = self.figures.iter().map(|x| {
            let (low, high) = x.interval;
            [
                format!("{}, {}", self.name, x.what),
                x.published.map_or_else(|| "-".into(), number),
                number(x.measured),
                format!("{} .. {}", number(low), number(high)),
                x.unit.into(),
                x.remark.clone(),
            ]
        });
        let time = [
            format!("{}, training", self.name),
            String::new(),
            format!("{:.1}", self.seconds),
            String::new(),
            "s".into(),
            String::new(),
        ];
        rows.chain([time]).collect()
    }
}

impl Setting {
    /// Whether the part `name` is wanted.
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == name)
    }

    /// Where the data come from.
    fn source(&self, binarize: Binarization, validation: usize) -> Source {
        let mut source = Source {
            binarize,
            seed: self.seed,
            validation,
            ..Source::default()
        };
        if let Some(data) = &self.data {
            source.data.clone_from(data);
        }
        source
    }

    /// The data, binarized by `binarize` unless they are bits, with `validation` examples held out.
    fn data(&self, binarize: Binarization, validation: usize) -> Outcome<Data> {
        let data = self.source(binarize, validation).load()?;
        if !self.quick {
            return Ok(data);
        }
        let few = |x: Examples| x.head(QUICK_EXAMPLES);
        Ok(Data {
            name: data.name,
            train: few(data.train),
            stream: None,
            validation: data.validation.map(few),
            test: data.test.map(few),
        })
    }

    /// `n`, or the few of a quick run.
    fn at_most<T: PartialOrd>(&self, n: T, quick: T) -> T {
        if self.quick && n > quick { quick } else { n }
    }

    /// Trains `rbm`, telling `watch` of every epoch: what it says goes to stderr now and then.
    /// Returns the machine and the seconds of training alone.
    fn train(
        &self,
        name: &str,
        rbm: Rbm,
        mut options: RbmOptions,
        data: &Examples,
        mut watch: impl FnMut(&Rbm) -> Outcome<Option<String>>,
    ) -> Outcome<(Rbm, f64)> {
        options.learning.epochs = self.at_most(options.learning.epochs, QUICK_EPOCHS);
        options.learning.seed = self.seed;
        let mut training = RbmTraining::new(rbm, options, data)?;
        let mut last = Instant::now();
        let mut seconds = 0.0;
        let mut since = Instant::now();
        let mut failure = None;
        let done = training.run(data, |event| {
            if self.interrupt.asked() {
                return ControlFlow::Break(());
            }
            let Event::Epoch(training) = event else {
                return ControlFlow::Continue(());
            };
            seconds += since.elapsed().as_secs_f64();
            let (epoch, epochs) = (
                training.position().epoch,
                training.options().learning.epochs,
            );
            if epoch == epochs || last.elapsed() >= LINE_EVERY {
                match watch(training.model()) {
                    Err(e) => failure = Some(e),
                    Ok(text) => {
                        let text = text.map_or_else(String::new, |t| format!("  {t}"));
                        let line = format!("{name}: epoch {epoch}/{epochs}, {seconds:.0} s{text}");
                        let _ = writeln!(io::stderr(), "{line}");
                    }
                }
                last = Instant::now();
            }
            since = Instant::now();
            if failure.is_some() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if done.is_stopped() {
            return Err(Failure::failed(format!(
                "interrupted while training {name}"
            )));
        }
        if let Some(out) = &self.out {
            let path = out.join(format!("{}.safetensors", name.replace([' ', '/'], "-")));
            Checkpoint::from(&training).save(&path)?;
            note(format!("{name}: model in {}", path.display()));
        }
        Ok((training.into_result(), seconds))
    }
}

/// The test part, which every experiment measures.
fn test_part(data: &Data) -> Outcome<&Examples> {
    data.test
        .as_ref()
        .ok_or_else(|| Failure::failed(format!("{} has no test part", data.name)))
}

/// The recipe of a part: options of training and what goes beside them.
fn recipe(rbm: &Rbm, options: &RbmOptions, beside: Value) -> Value {
    json!({
        "n_visible": rbm.n_visible(),
        "n_hidden": rbm.n_hidden(),
        "units": format!("{},{}", rbm.visible().units, rbm.hidden().units),
        "options": report::options(options),
        "beside": beside,
    })
}
