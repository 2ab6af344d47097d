//! Deep belief networks.
//!
//! 784-500-500-2000 with 10 labels beside the second layer of 500 (Hinton, Osindero and Teh 2006):
//! as published, 44,000 images are learned from, layer by layer and then by the up-down algorithm
//! with 3, 6 and 10 sweeps of the top pair; 10,000 others choose the network; at last it learns
//! from all 60,000, here to the end of its falling rate, published until it makes as few errors on
//! them as it made on the 44,000. Rates are not published: these, and three times the 300 epochs,
//! were chosen by the 10,000 (docs/results.md). Pixels are bits drawn of the gray values at each
//! visit while it learns, and gray values when it classifies.
//!
//! 784-500-2000 (Salakhutdinov and Murray 2008), measured by its lower bound: the second layer
//! starts from the first upside down, so that the bound begins at the likelihood of the first RBM,
//! and raises it. Rates were chosen by 10,000 held-out images (docs/results.md).

use super::{
    figures::{Figure, Named, Part, cd, falling, pcd, wrong},
    setting::{Setting, Watch, quiet, test_part},
};
use crate::{args::DEFAULT_BURN_IN, failure::Outcome, show::report};
use harmonium::{
    Error, Examples,
    dataset::Binarization,
    evaluate::{Ais, Base, Betas, Bound, Bracket, ReverseStart},
    model::Dbn,
    recipe::{DbnPlan, Plan, RunRef},
    train::{
        Aggregated, Centering, GreedyLayer, GreedyPlan, Learning, RbmOptions, Schedule,
        UpDownOptions,
    },
    units::{Kind, Units},
};
use serde_json::{Value, json};

const CLASSES: usize = 10;
const VALIDATION: usize = 10_000;
const FIRST_IMAGES: usize = 44_000;
const UP_DOWN_EPOCHS: usize = 900;
const LAST_EPOCHS: usize = 200;
/// Chains of learning and of annealing.
const CHAINS: usize = 100;
/// Samples of the recognition distribution for each image.
const SAMPLES: usize = 10;

/// A network, the options by which it learned, and the seconds.
type Learned = (Dbn, Value, f64);

/// That of Hinton, Osindero and Teh.
pub(super) fn classifier(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::None, setting.at_most(VALIDATION, 200))?;
    let test = test_part(&data)?;
    let held_out = data.validation.as_ref();
    let held_out = held_out.ok_or_else(|| Error::parameter("data", "held-out examples", "none"))?;
    let first = data.train.head(setting.at_most(FIRST_IMAGES, 500));
    let share = |dbn: &Dbn| wrong(&dbn.log_p_y_from_v(held_out)?, held_out);
    let told = |share: f64| format!("validation error {:.2} %", 100.0 * share);
    // A network of each stage, stored and measured; the last has seen the held-out images.
    let part = |stage: &str, file, published, learned: &Learned| -> Outcome<Part> {
        let (dbn, options, seconds) = learned;
        let name = format!("dbn-2006 {file}");
        setting.save(&name, dbn.clone().into(), Some(Binarization::None))?;
        let error = |named, x: &Examples| Figure::error(named, &dbn.log_p_y_from_v(x)?, x);
        let mut figures = vec![error(("test error", Some(published)), test)?];
        if file != "all" {
            figures.push(error(("validation error", None), held_out)?);
        }
        Ok(Part {
            name: stage.into(),
            recipe: json!({"options": options}),
            figures,
            seconds: *seconds,
        })
    };
    let watch: &mut Watch<'_> = &mut |run, _, due| match run {
        RunRef::Stack(stack) if due && stack.layer() + 1 == stack.layers() => {
            Ok(told(share(&stack.dbn()?)?))
        }
        _ => Ok(String::new()),
    };
    let plan = classifier_plan(setting);
    let learned = greedy(setting, "dbn-2006", plan.clone(), &first, watch)?;
    let mut parts = vec![part("layer by layer", "greedy", 2.49, &learned)?];

    let third = UP_DOWN_EPOCHS as f32 / 3.0;
    let steps = Schedule::Pieces(vec![(0.0, 3.0), (third, 6.0), (2.0 * third, 10.0)]);
    let how = (steps, 0.1, UP_DOWN_EPOCHS);
    // The network of the fewest errors on the held-out images.
    let mut best = (share(&learned.0)?, learned.0.clone());
    let mut learned = up_down(setting, &plan, learned.0, how, &first, &mut |run, _, _| {
        let dbn = run.result()?.into_dbn()?;
        let found = share(&dbn)?;
        if found < best.0 {
            best = (found, dbn);
        }
        Ok(told(found))
    })?;
    learned.0 = best.1;
    parts.push(part("up-down", "up-down", 1.39, &learned)?);

    let all = setting.data(Binarization::None, 0)?.train;
    let how = (Schedule::Constant(10.0), 0.05, LAST_EPOCHS);
    let learned = up_down(setting, &plan, learned.0, how, &all, &mut quiet)?;
    parts.push(part("all images", "all", 1.25, &learned)?);
    Ok(parts)
}

/// Layer by layer.
fn classifier_plan(setting: &Setting) -> GreedyPlan {
    let layer = |hidden, epochs, learning_rate| {
        let learning = Learning {
            learning_rate,
            epochs,
            resample_data: true,
            ..Learning::default()
        };
        (hidden, false, cd(1, learning))
    };
    let (rate, to) = (Schedule::Constant(0.1), 0.02);
    let layers = [
        layer(500, 20, rate.clone()),
        layer(500, 20, rate),
        layer(2000, 40, Schedule::Linear { from: 0.1, to }),
    ];
    plan(setting, layers, Some(CLASSES))
}

/// The up-down algorithm: sweeps of the top pair, all rates at the start of their fall to 0,
/// epochs.
fn up_down(
    setting: &Setting,
    greedy: &GreedyPlan,
    dbn: Dbn,
    (steps, rate, epochs): (Schedule, f32, usize),
    data: &Examples,
    watch: &mut Watch<'_>,
) -> Outcome<Learned> {
    let options = UpDownOptions {
        steps,
        generative_rate: falling(rate),
        recognition_rate: falling(rate),
        negative: None,
        learning: setting.learning(Learning {
            learning_rate: falling(rate),
            resample_data: true,
            epochs,
            ..UpDownOptions::default().learning
        }),
    };
    let told = json!(options);
    let plan = machine(greedy.clone(), options, data);
    let mut run = plan.start_from(&dbn.into(), data, None)?;
    let seconds = setting.learn("up-down", &mut run, data, 0.0, watch)?;
    Ok((run.result()?.into_dbn()?, told, seconds))
}

/// Layers of hidden units, whether they start from the one below upside down, and options.
fn plan(
    setting: &Setting,
    layers: impl IntoIterator<Item = (usize, bool, RbmOptions)>,
    classes: Option<usize>,
) -> GreedyPlan {
    let layer = |(hidden, transposed, options): (usize, bool, RbmOptions)| GreedyLayer {
        hidden: setting.at_most(hidden, 50),
        transposed,
        options: setting.options(options),
    };
    GreedyPlan {
        layers: layers.into_iter().map(layer).collect(),
        posterior: Aggregated::Samples,
        classes,
    }
}

/// The network of bits whose layers learn as `greedy` says, and then together.
fn machine(greedy: GreedyPlan, up_down: UpDownOptions, data: &Examples) -> Plan {
    Plan::Dbn(DbnPlan {
        visible: Units::of(Kind::Bernoulli, data.columns()),
        greedy,
        up_down,
        fine_tune: None,
    })
}

/// Layer by layer.
fn greedy(
    setting: &Setting,
    name: &str,
    plan: GreedyPlan,
    data: &Examples,
    watch: &mut Watch<'_>,
) -> Outcome<Learned> {
    let layers = &plan.layers;
    let options = json!({
        "batch_size": layers[0].options.learning.batch_size,
        "layers": layers.iter().map(|x| report::options(&x.options)).collect::<Vec<_>>(),
        "hidden": layers.iter().map(|x| x.hidden).collect::<Vec<_>>(),
        "transposed": layers.iter().map(|x| x.transposed).collect::<Vec<_>>(),
        "posterior": plan.posterior,
    });
    let mut run = machine(plan, UpDownOptions::default(), data).start(data, None)?;
    let seconds = setting.learn(name, &mut run, data, 0.0, watch)?;
    Ok((run.result()?.into_dbn()?, options, seconds))
}

/// That of Salakhutdinov and Murray.
pub(super) fn bound(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::Sampled, 0)?;
    let (train, test) = (&data.train, test_part(&data)?);
    let layer = |hidden, epochs, rate, transposed| {
        let learning = Learning {
            learning_rate: falling(rate),
            weight_decay: 2e-4,
            epochs,
            ..Learning::default()
        };
        let options = RbmOptions {
            centering: Some(Centering::default()),
            ..pcd(5, learning)
        };
        (hidden, transposed, options)
    };
    let layers = [
        layer(500, 300, 0.1, false),
        layer(2000, 60, 0.002, !setting.quick),
    ];
    let plan = plan(setting, layers, None);
    let (dbn, options, seconds) = greedy(setting, "dbn-bound", plan, train, &mut quiet)?;
    setting.save("dbn-bound", dbn.clone().into(), Some(Binarization::Sampled))?;
    let one = dbn.clone().without_top()?.unwrap_or_else(|| dbn.clone());
    let of_one = bracket(setting, &one, train)?;
    let of_all = bracket(setting, &dbn, train)?;
    let first: Named = ("first RBM, test log-likelihood", None);
    let figures = vec![
        bound_of(setting, &one, &of_one, test, first)?,
        bound_of(
            setting,
            &dbn,
            &of_all,
            test,
            ("test lower bound", Some(-86.22)),
        )?,
        bound_of(
            setting,
            &dbn,
            &of_all,
            train,
            ("training lower bound", None),
        )?,
    ];
    Ok(vec![Part {
        name: "784-500-2000".into(),
        recipe: json!({"options": options, "chains": CHAINS, "samples": SAMPLES}),
        figures,
        seconds,
    }])
}

/// The bound of `examples`, with `bracket` of the top's `ln Z` as its interval.
fn bound_of(
    setting: &Setting,
    dbn: &Dbn,
    bracket: &Bracket,
    examples: &Examples,
    named: Named,
) -> Outcome<Figure> {
    let bound = Bound {
        samples: setting.at_most(SAMPLES, 1),
        seed: setting.seed,
    }
    .measure(dbn, examples, None, &mut ())?;
    let (_, error) = bound.mean(bracket.bennett.estimate);
    let [forward, back] = [&bracket.forward, &bracket.reverse].map(|x| x.effective_sample_size);
    let remark = format!(
        "interval of ln Z; over the images +- {error:.2}; effective sample sizes {forward:.0} and {back:.0} of {CHAINS}"
    );
    Ok(Figure::nats(named, bound.bracket(bracket), remark))
}

/// Both directions of annealing of the top pair, from what the layers below infer from training
/// images.
fn bracket(setting: &Setting, dbn: &Dbn, train: &Examples) -> Outcome<Bracket> {
    let states = Examples::new(dbn.sample_features(train, setting.seed, 0)?)?;
    let ais = Ais {
        chains: setting.at_most(CHAINS, 20),
        betas: match setting.quick {
            true => Betas::Linear(200),
            false => Betas::SalakhutdinovMurray,
        },
        base: Base::rate_of(dbn.top(), &states)?,
        seed: setting.seed,
    };
    let burn_in = setting.at_most(DEFAULT_BURN_IN, 50);
    let start = ReverseStart::suited_to(dbn.top(), &states, ais.chains, burn_in, setting.seed)?;
    Ok(ais.bracket(dbn.top(), &start, &mut ())?)
}
