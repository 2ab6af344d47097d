//! The deep belief network of Hinton, Osindero and Teh (2006): 784-500-500-2000 with 10 labels beside the second layer of 500.
//!
//! As published, 44,000 images are learned from, layer by layer and then by the up-down algorithm with 3, 6 and 10 sweeps of the top pair; 10,000 others choose
//! the network; at last it learns from all 60,000 until it makes as few errors on them as it made on the 44,000. Rates are not published: these were
//! chosen by the 10,000 (docs/results.md). Pixels are bits drawn of the grey values at each visit while it learns, and grey values when it classifies.

use super::{DEVIATIONS, Figure, LINE_EVERY, Part, Setting, test_part};
use crate::{
    data::input,
    failure::{Failure, Outcome, note},
    report,
};
use harmonium::{
    Checkpoint, Error, Examples,
    dataset::Binarization,
    model::{Dbn, Units, most_probable},
    train::{
        Greedy, GreedyEvent, GreedyLayer, GreedyPlan, Negative, Options, Posterior, Reconstruction,
        Schedule, UpDown, UpDownEvent, UpDownOptions,
    },
};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    time::{Duration, Instant},
};

const CLASSES: usize = 10;
const VALIDATION: usize = 10_000;
const FIRST_IMAGES: usize = 44_000;
const UP_DOWN_EPOCHS: usize = 150;
/// Most epochs on all images.
const LAST_EPOCHS: usize = 50;
const LAST_RATE: f32 = 0.02;

/// Runs the experiment.
pub fn run(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::None, setting.at_most(VALIDATION, 200))?;
    let test = test_part(&data)?;
    let held_out = data.validation.as_ref();
    let held_out = held_out.ok_or_else(|| Error::parameter("data", "held-out examples", "none"))?;
    let first = data.train.head(setting.at_most(FIRST_IMAGES, 500));
    let parts = |dbn: &Dbn| -> Outcome<[(f64, usize); 2]> {
        Ok([
            (error(dbn, test)?, test.len()),
            (error(dbn, held_out)?, held_out.len()),
        ])
    };
    let mut clock = Clock::new(setting);

    let (dbn, options) = greedy(&mut clock, &first, held_out)?;
    let mut out = vec![clock.part("layer by layer", 2.49, parts(&dbn)?, options)];

    let options = UpDownOptions {
        epochs: setting.at_most(UP_DOWN_EPOCHS, 2),
        steps: thirds([3.0, 6.0, 10.0]),
        ..rates(setting, Schedule::Linear { from: 0.1, to: 0.0 })
    };
    // The network of the fewest errors on the held-out images.
    let mut best = (error(&dbn, held_out)?, dbn.clone());
    up_down(&mut clock, dbn, &first, options.clone(), |dbn| {
        let found = error(dbn, held_out)?;
        if found < best.0 {
            best = (found, dbn.clone());
        }
        Ok((format!("validation error {:.2} %", 100.0 * found), false))
    })?;
    let dbn = best.1;
    out.push(clock.part("up-down", 1.39, parts(&dbn)?, json!(options)));

    let enough = error(&dbn, &first)?;
    let all = setting.data(Binarization::None, 0)?.train;
    let options = UpDownOptions {
        epochs: setting.at_most(LAST_EPOCHS, 2),
        steps: Schedule::Constant(10.0),
        ..rates(setting, Schedule::Constant(LAST_RATE))
    };
    let dbn = up_down(&mut clock, dbn, &all, options.clone(), |dbn| {
        let found = error(dbn, &all)?;
        let text = format!(
            "training error {:.2} %, to be {:.2} %",
            100.0 * found,
            100.0 * enough
        );
        Ok((text, found <= enough))
    })?;
    let test_only = [(error(&dbn, test)?, test.len())];
    out.push(clock.part("all images", 1.25, test_only, json!(options)));
    if let Some(out) = &setting.out {
        let path = out.join("dbn-2006.safetensors");
        Checkpoint::from(dbn).save(&path)?;
        note(format!("model in {}", path.display()));
    }
    Ok(out)
}

/// `at:0=a,T/3=b,2T/3=c` of the epochs of the run.
fn thirds(steps: [f32; 3]) -> Schedule {
    let third = UP_DOWN_EPOCHS as f32 / 3.0;
    Schedule::Pieces((0..3).map(|k| (k as f32 * third, steps[k])).collect())
}

fn rates(setting: &Setting, rate: Schedule) -> UpDownOptions {
    UpDownOptions {
        generative_rate: rate.clone(),
        recognition_rate: rate.clone(),
        top_rate: rate,
        resample_data: true,
        seed: setting.seed,
        ..UpDownOptions::default()
    }
}

/// Layer by layer; returns the options too.
fn greedy(clock: &mut Clock<'_>, data: &Examples, held_out: &Examples) -> Outcome<(Dbn, Value)> {
    let setting = clock.setting;
    let layer = |hidden, epochs, learning_rate| GreedyLayer {
        hidden: setting.at_most(hidden, 50),
        transposed: false,
        options: Options {
            negative: Negative::ContrastiveDivergence {
                steps: 1,
                reconstruction: Reconstruction::Sampled,
            },
            epochs: setting.at_most(epochs, 2),
            learning_rate,
            momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
            weight_decay: 2e-4,
            resample_data: true,
            seed: setting.seed,
            ..Options::default()
        },
    };
    let rate = || Schedule::Constant(0.1);
    let falling = Schedule::Linear {
        from: 0.1,
        to: 0.02,
    };
    let plan = GreedyPlan {
        layers: vec![
            layer(500, 20, rate()),
            layer(500, 20, rate()),
            layer(2000, 40, falling),
        ],
        posterior: Posterior::Samples,
        classes: Some(CLASSES),
    };
    let options = json!({
        "batch_size": plan.layers[0].options.batch_size,
        "layers": plan.layers.iter().map(|x| report::options(&x.options)).collect::<Vec<_>>(),
        "hidden": plan.layers.iter().map(|x| x.hidden).collect::<Vec<_>>(),
        "posterior": "samples",
    });
    let last = plan.layers.len() - 1;
    let mut run = Greedy::new(plan, Units::default(), data)?;
    clock.go();
    let mut failure = None;
    let done = run.run(data, |event| {
        let GreedyEvent::Epoch(run) = event else {
            return clock.flow();
        };
        let position = run.position();
        let (epoch, epochs) = (position.epoch, run.training().options().epochs);
        let text = format!(
            "layer {} of {}: epoch {epoch}/{epochs}",
            run.layer() + 1,
            last + 1
        );
        let told = clock.tell(epoch == epochs, &text, || {
            if run.layer() < last {
                return Ok(String::new());
            }
            let found = error(&run.dbn()?, held_out)?;
            Ok(format!("validation error {:.2} %", 100.0 * found))
        });
        match told {
            Ok(()) => clock.flow(),
            Err(e) => {
                failure = Some(e);
                ControlFlow::Break(())
            }
        }
    })?;
    clock.stop();
    clock.check(done, failure)?;
    Ok((run.into_dbn()?, options))
}

/// The up-down algorithm; after each epoch `judge` says what to tell of it and whether it is enough.
fn up_down(
    clock: &mut Clock<'_>,
    dbn: Dbn,
    data: &Examples,
    options: UpDownOptions,
    mut judge: impl FnMut(&Dbn) -> Outcome<(String, bool)>,
) -> Outcome<Dbn> {
    let mut run = UpDown::new(dbn, options, data)?;
    clock.go();
    let (mut failure, mut enough) = (None, false);
    let done = run.run(data, |event| {
        let UpDownEvent::Epoch(run) = event else {
            return clock.flow();
        };
        let (epoch, epochs) = (run.position().epoch, run.options().epochs);
        clock.stop();
        let judged = judge(run.dbn());
        clock.go();
        let told = judged.and_then(|(text, is_enough)| {
            enough = is_enough;
            clock.tell(
                enough || epoch == epochs,
                &format!("up-down: epoch {epoch}/{epochs}"),
                || Ok(text),
            )
        });
        if let Err(e) = told {
            failure = Some(e);
        }
        if enough || failure.is_some() {
            return ControlFlow::Break(());
        }
        clock.flow()
    })?;
    clock.stop();
    if !enough {
        clock.check(done, failure)?;
    }
    Ok(run.into_dbn())
}

/// Share of wrong classes by the deterministic pass and the exact free energies of the labels.
fn error(dbn: &Dbn, examples: &Examples) -> Outcome<f64> {
    let Some(labels) = examples.labels() else {
        return Err(Error::parameter("data", "examples with labels", "none").into());
    };
    let found = most_probable(&dbn.log_p_y_from_v(input(examples))?);
    let wrong = found
        .iter()
        .zip(labels)
        .filter(|(y, l)| **y != usize::from(**l));
    Ok(wrong.count() as f64 / labels.len().max(1) as f64)
}

/// Seconds of learning, and lines about it.
pub(super) struct Clock<'a> {
    setting: &'a Setting,
    seconds: f64,
    since: Option<Instant>,
    told: Instant,
}

impl<'a> Clock<'a> {
    pub(super) fn new(setting: &'a Setting) -> Self {
        let told = Instant::now();
        Self {
            setting,
            seconds: 0.0,
            since: None,
            told,
        }
    }

    pub(super) fn setting(&self) -> &'a Setting {
        self.setting
    }

    pub(super) fn go(&mut self) {
        self.since = Some(Instant::now());
    }

    pub(super) fn stop(&mut self) {
        let spent = self
            .since
            .take()
            .as_ref()
            .map_or(Duration::ZERO, Instant::elapsed);
        self.seconds += spent.as_secs_f64();
    }

    pub(super) fn flow(&self) -> ControlFlow<()> {
        if self.setting.interrupt.asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Writes a line now and then, and if it is `due`; `more` costs no time of learning.
    pub(super) fn tell(
        &mut self,
        due: bool,
        text: &str,
        more: impl FnOnce() -> Outcome<String>,
    ) -> Outcome<()> {
        if !due && self.told.elapsed() < LINE_EVERY {
            return Ok(());
        }
        self.stop();
        let line = format!("{text}, {:.0} s  {}", self.seconds, more()?);
        let _ = writeln!(io::stderr(), "{}", line.trim_end());
        self.told = Instant::now();
        self.go();
        Ok(())
    }

    /// Seconds of learning since the last call.
    pub(super) fn take_seconds(&mut self) -> f64 {
        std::mem::take(&mut self.seconds)
    }

    pub(super) fn check(&self, done: ControlFlow<()>, failure: Option<Failure>) -> Outcome<()> {
        if let Some(failure) = failure {
            return Err(failure);
        }
        if done.is_break() {
            return Err(Failure::failed("interrupted while training"));
        }
        Ok(())
    }

    /// Test error, beside the published one, and held-out error if there is one; shares and numbers of examples.
    fn part(
        &mut self,
        name: &str,
        published: f64,
        errors: impl IntoIterator<Item = (f64, usize)>,
        options: Value,
    ) -> Part {
        let names = [("test error", Some(published)), ("validation error", None)];
        let figures = names
            .into_iter()
            .zip(errors)
            .map(|((what, published), (p, n))| {
                let deviation = (p * (1.0 - p) / n.max(1) as f64).sqrt();
                let [low, high] = [-1.0, 1.0].map(|s| 100.0 * (p + s * DEVIATIONS * deviation));
                Figure {
                    what,
                    published,
                    measured: 100.0 * p,
                    interval: (low.max(0.0), high),
                    unit: "%",
                    remark: format!("{n} examples, 3 binomial standard errors"),
                    of_seeds: Vec::new(),
                }
            });
        Part {
            name: name.into(),
            recipe: json!({"options": options}),
            figures: figures.collect(),
            seconds: self.take_seconds(),
        }
    }
}
