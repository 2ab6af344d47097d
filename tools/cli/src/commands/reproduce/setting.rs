//! What a run of an experiment is told, its data, and the one way in which all stages of all
//! experiments learn and are stored.

use crate::{
    failure::{Failure, Outcome, note},
    run::{
        data::{Data, Source},
        interrupt::Interrupt,
    },
};
use harmonium::{
    Checkpoint, Error, Rbm,
    dataset::{Binarization, Examples},
    recipe::{AnyEvent, AnyRun, RunRef, Running},
    train::{Learning, RbmOptions},
};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Examples and epochs of `--quick`.
const QUICK_EXAMPLES: usize = 1000;
const QUICK_EPOCHS: usize = 2;
/// Time between lines about a run.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What a run is told.
pub(super) struct Setting {
    pub(super) data: Option<String>,
    pub(super) quick: bool,
    pub(super) seed: u64,
    pub(super) out: Option<PathBuf>,
    pub(super) only: Option<String>,
    pub(super) resume: bool,
    pub(super) interrupt: Interrupt,
}

/// What looks at a run after each epoch: told of the seconds of learning so far and whether a line
/// is due, and says what goes to that line.
pub(super) type Watch<'a> = dyn FnMut(RunRef<'_>, f64, bool) -> Outcome<String> + 'a;

/// Sees nothing.
pub(super) fn quiet(_: RunRef<'_>, _: f64, _: bool) -> Outcome<String> {
    Ok(String::new())
}

impl Setting {
    /// Whether the part `name` is wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == name)
    }

    /// `n`, or the few of a quick run.
    pub(super) fn at_most<T: PartialOrd>(&self, n: T, quick: T) -> T {
        if self.quick && n > quick { quick } else { n }
    }

    /// Epochs of a run, or the few of a quick one.
    pub(super) fn epochs(&self, n: usize) -> usize {
        self.at_most(n, QUICK_EPOCHS)
    }

    /// Where the data come from.
    pub(super) fn source(&self, binarize: Binarization, validation: usize) -> Source {
        let standard = Source::default();
        Source {
            data: self.data.clone().unwrap_or(standard.data),
            binarize,
            seed: self.seed,
            validation,
            ..Source::default()
        }
    }

    /// The data, binarized by `binarize` unless they are bits, with `validation` examples held out.
    pub(super) fn data(&self, binarize: Binarization, validation: usize) -> Outcome<Data> {
        let data = self.source(binarize, validation).load()?;
        if !self.quick {
            return Ok(data);
        }
        let few = |x: Examples| x.head(QUICK_EXAMPLES);
        Ok(Data {
            train: few(data.train),
            stream: None,
            validation: data.validation.map(few),
            test: data.test.map(few),
            ..data
        })
    }

    /// The model file `name` in `--out`, if that is given.
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        let out = self.out.as_ref()?;
        Some(out.join(format!("{}.safetensors", name.replace([' ', '/'], "-"))))
    }

    /// Stores a model; one of gray data says where they are from.
    pub(super) fn save(
        &self,
        name: &str,
        mut checkpoint: Checkpoint,
        of: Option<Binarization>,
    ) -> Outcome<()> {
        let Some(path) = self.file(name) else {
            return Ok(());
        };
        if let Some(binarize) = of {
            self.source(binarize, 0).note(&mut checkpoint.notes);
        }
        checkpoint.save(&path)?;
        note(format!("{name}: model in {}", path.display()));
        Ok(())
    }

    /// Runs to the end: what `watch` says goes to stderr now and then, and its time does not count.
    /// Returns the seconds of learning, `before` included.
    ///
    /// # Errors
    /// Those of the library and of `watch`; the user stops the program.
    pub(super) fn learn(
        &self,
        name: &str,
        run: &mut AnyRun,
        data: &Examples,
        before: f64,
        watch: &mut Watch<'_>,
    ) -> Outcome<f64> {
        let (mut told, mut since) = (Instant::now(), Instant::now());
        let (mut seconds, mut failure) = (before, None);
        let ended = run.run(data, &mut |event| {
            if self.interrupt.asked() {
                return ControlFlow::Break(());
            }
            let AnyEvent::Epoch(look) = event else {
                return ControlFlow::Continue(());
            };
            seconds += since.elapsed().as_secs_f64();
            let run = look.running();
            let (epoch, epochs) = (run.position().epoch, run.learning().epochs);
            let due = epoch == epochs || told.elapsed() >= LINE_EVERY;
            match watch(look, seconds, due) {
                Err(e) => failure = Some(e),
                Ok(text) if due => {
                    let stage = match look {
                        RunRef::Stack(_) => format!(", {}", run.name()),
                        _ => String::new(),
                    };
                    let figures = figures(run);
                    let line = format!(
                        "{name}{stage}: epoch {epoch}/{epochs}, {seconds:.0} s{figures}  {text}"
                    );
                    let _ = writeln!(io::stderr(), "{}", line.trim_end());
                    told = Instant::now();
                }
                Ok(_) => {}
            }
            since = Instant::now();
            match failure {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        })?;
        match failure {
            Some(failure) => Err(failure),
            None if ended.is_stopped() => Err(Failure::failed(format!(
                "interrupted while training {name}"
            ))),
            None => Ok(seconds),
        }
    }

    /// For the epochs of the setting, with its seed.
    pub(super) fn learning(&self, learning: Learning) -> Learning {
        Learning {
            epochs: self.epochs(learning.epochs),
            seed: self.seed,
            ..learning
        }
    }

    /// Of an RBM for the epochs of the setting, with its seed.
    pub(super) fn options(&self, options: RbmOptions) -> RbmOptions {
        RbmOptions {
            learning: self.learning(options.learning),
            ..options
        }
    }

    /// Trains an RBM and stores it. Returns it and the seconds of learning.
    pub(super) fn train(
        &self,
        name: &str,
        mut run: AnyRun,
        data: &Examples,
        watch: &mut Watch<'_>,
    ) -> Outcome<(Rbm, f64)> {
        let seconds = self.learn(name, &mut run, data, 0.0, watch)?;
        self.save(name, run.running().checkpoint()?, None)?;
        Ok((run.result()?.into_rbm()?, seconds))
    }
}

/// What the last update of a run told.
fn figures(run: &dyn Running) -> String {
    let x = run.figures();
    let loss = x.loss.map(|x| format!(", loss {x:.4}"));
    let evaluations = x.evaluations.map(|n| format!(", {n} evaluations"));
    let mean_field = x.mean_field;
    let iterations = mean_field.map(|x| format!(", {} iterations of mean field", x.iterations));
    let all = [loss, evaluations, iterations];
    all.into_iter().flatten().collect()
}

/// The test part, which every experiment measures.
pub(super) fn test_part(data: &Data) -> Outcome<&Examples> {
    let none = || Failure::failed(format!("{} has no test part", data.name));
    data.test.as_ref().ok_or_else(none)
}

/// The labels of examples.
pub(super) fn labels(examples: &Examples) -> Outcome<&[u32]> {
    let none = || Error::parameter("data", "examples with labels", "none");
    Ok(examples.labels().ok_or_else(none)?)
}
