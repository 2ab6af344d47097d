//! The deep belief network of Hinton, Osindero and Teh (2006): 784-500-500-2000 with 10 labels
//! beside the second layer of 500.
//!
//! As published, 44,000 images are learned from, layer by layer and then by the up-down algorithm
//! with 3, 6 and 10 sweeps of the top pair; 10,000 others choose the network; at last it learns
//! from all 60,000, here to the end of its falling rate, published until it makes as few errors on
//! them as it made on the 44,000. Rates are not published: these, and three times the 300 epochs,
//! were chosen by the 10,000 (docs/results.md). Pixels are bits drawn of the gray values at each
//! visit while it learns, and gray values when it classifies.

pub(super) mod bound;

use super::{Part, Setting, clock::Clock, test_part};
use crate::{
    failure::{Outcome, note},
    show::report,
};
use harmonium::{
    Checkpoint, Error, Examples,
    dataset::Binarization,
    model::{Dbn, most_probable},
    train::{
        Aggregated, Event, GreedyLayer, GreedyPlan, Learning, Negative, RbmOptions, Reconstruction,
        Schedule, Stack, StackEvent, UpDownOptions, UpDownTraining,
    },
    units::Units,
};
use serde_json::{Value, json};
use std::ops::ControlFlow;

const CLASSES: usize = 10;
const VALIDATION: usize = 10_000;
const FIRST_IMAGES: usize = 44_000;
const UP_DOWN_EPOCHS: usize = 900;
const LAST_EPOCHS: usize = 200;
const LAST_RATE: f32 = 0.05;

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

    let (dbn, options) = greedy(&mut clock, plan(setting), &first, |dbn| {
        let found = error(dbn, held_out)?;
        Ok(format!("validation error {:.2} %", 100.0 * found))
    })?;
    let mut out = vec![clock.part("layer by layer", 2.49, parts(&dbn)?, options)];
    keep(setting, "greedy", &dbn)?;

    let options = UpDownOptions {
        steps: thirds([3.0, 6.0, 10.0]),
        learning: Learning {
            epochs: setting.at_most(UP_DOWN_EPOCHS, 2),
            ..rates(setting, Schedule::Linear { from: 0.1, to: 0.0 }).learning
        },
        ..rates(setting, Schedule::Linear { from: 0.1, to: 0.0 })
    };
    // The network of the fewest errors on the held-out images.
    let mut best = (error(&dbn, held_out)?, dbn.clone());
    up_down(&mut clock, dbn, &first, options.clone(), |dbn| {
        let found = error(dbn, held_out)?;
        if found < best.0 {
            best = (found, dbn.clone());
        }
        Ok(format!("validation error {:.2} %", 100.0 * found))
    })?;
    let dbn = best.1;
    out.push(clock.part("up-down", 1.39, parts(&dbn)?, json!(options)));
    keep(setting, "up-down", &dbn)?;

    let all = setting.data(Binarization::None, 0)?.train;
    let options = UpDownOptions {
        steps: Schedule::Constant(10.0),
        learning: Learning {
            epochs: setting.at_most(LAST_EPOCHS, 2),
            ..rates(
                setting,
                Schedule::Linear {
                    from: LAST_RATE,
                    to: 0.0,
                },
            )
            .learning
        },
        ..rates(
            setting,
            Schedule::Linear {
                from: LAST_RATE,
                to: 0.0,
            },
        )
    };
    let dbn = up_down(
        &mut clock,
        dbn,
        &all,
        options.clone(),
        |_| Ok(String::new()),
    )?;
    let test_only = [(error(&dbn, test)?, test.len())];
    out.push(clock.part("all images", 1.25, test_only, json!(options)));
    keep(setting, "all", &dbn)?;
    Ok(out)
}

/// Stores the network of a stage beside the record.
fn keep(setting: &Setting, stage: &str, dbn: &Dbn) -> Outcome<()> {
    if let Some(out) = &setting.out {
        let path = out.join(format!("dbn-2006-{stage}.safetensors"));
        let mut checkpoint = Checkpoint::from(dbn.clone());
        setting
            .source(Binarization::None, 0)
            .note(&mut checkpoint.notes);
        checkpoint.save(&path)?;
        note(format!("model in {}", path.display()));
    }
    Ok(())
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
        learning: Learning {
            learning_rate: rate,
            resample_data: true,
            seed: setting.seed,
            ..UpDownOptions::default().learning
        },
        ..UpDownOptions::default()
    }
}

/// The plan of the first stage.
fn plan(setting: &Setting) -> GreedyPlan {
    let layer = |hidden, epochs, learning_rate| GreedyLayer {
        hidden: setting.at_most(hidden, 50),
        transposed: false,
        options: RbmOptions {
            negative: Negative::ContrastiveDivergence {
                steps: 1,
                reconstruction: Reconstruction::Sampled,
            },
            learning: Learning {
                epochs: setting.at_most(epochs, 2),
                learning_rate,
                momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
                weight_decay: 2e-4,
                resample_data: true,
                seed: setting.seed,
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
    };
    let rate = || Schedule::Constant(0.1);
    let falling = Schedule::Linear {
        from: 0.1,
        to: 0.02,
    };
    GreedyPlan {
        layers: vec![
            layer(500, 20, rate()),
            layer(500, 20, rate()),
            layer(2000, 40, falling),
        ],
        posterior: Aggregated::Samples,
        classes: Some(CLASSES),
    }
}

/// Layer by layer; `judge` says what to tell of the last layer now and then. Returns the options
/// too.
pub(super) fn greedy(
    clock: &mut Clock<'_>,
    plan: GreedyPlan,
    data: &Examples,
    judge: impl Fn(&Dbn) -> Outcome<String>,
) -> Outcome<(Dbn, Value)> {
    let options = json!({
        "batch_size": plan.layers[0].options.learning.batch_size,
        "layers": plan.layers.iter().map(|x| report::options(&x.options)).collect::<Vec<_>>(),
        "hidden": plan.layers.iter().map(|x| x.hidden).collect::<Vec<_>>(),
        "transposed": plan.layers.iter().map(|x| x.transposed).collect::<Vec<_>>(),
        "posterior": plan.posterior,
    });
    let last = plan.layers.len() - 1;
    let mut run = Stack::greedy(plan, Units::default(), data)?;
    clock.go();
    let mut failure = None;
    let done = run.run(data, |event| {
        let StackEvent::Epoch(run) = event else {
            return clock.flow();
        };
        let position = run.position();
        let (epoch, epochs) = (position.epoch, run.training().learning().epochs);
        let text = format!(
            "layer {} of {}: epoch {epoch}/{epochs}",
            run.layer() + 1,
            last + 1
        );
        let told = clock.tell(epoch == epochs, &text, || {
            if run.layer() < last {
                return Ok(String::new());
            }
            judge(&run.dbn()?)
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
    Ok((run.dbn()?, options))
}

/// The up-down algorithm; after each epoch `judge` looks at the network, and what it says is told
/// now and then.
fn up_down(
    clock: &mut Clock<'_>,
    dbn: Dbn,
    data: &Examples,
    options: UpDownOptions,
    mut judge: impl FnMut(&Dbn) -> Outcome<String>,
) -> Outcome<Dbn> {
    let mut run = UpDownTraining::new(dbn, options, data)?;
    clock.go();
    let mut failure = None;
    let done = run.run(data, |event| {
        let Event::Epoch(run) = event else {
            return clock.flow();
        };
        let (epoch, epochs) = (run.position().epoch, run.learning().epochs);
        clock.stop();
        let judged = judge(run.model());
        clock.go();
        let told = judged.and_then(|text| {
            let epoch_of = format!("up-down: epoch {epoch}/{epochs}");
            clock.tell(epoch == epochs, &epoch_of, || Ok(text))
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
    Ok(run.into_result())
}

/// Share of wrong classes by the deterministic pass and the exact free energies of the labels.
fn error(dbn: &Dbn, examples: &Examples) -> Outcome<f64> {
    let Some(labels) = examples.labels() else {
        return Err(Error::parameter("data", "examples with labels", "none").into());
    };
    let found = most_probable(&dbn.log_p_y_from_v(examples)?);
    let wrong = found
        .iter()
        .zip(labels)
        .filter(|(y, l)| **y != **l as usize);
    Ok(wrong.count() as f64 / labels.len().max(1) as f64)
}
