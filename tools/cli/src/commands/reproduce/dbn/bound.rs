//! The deep belief network 784-500-2000 of Salakhutdinov and Murray (2008), measured by its lower
//! bound: the second layer starts from the first upside down, so that the bound begins at the
//! likelihood of the first RBM, and raises it. Rates were chosen by 10,000 held-out images
//! (docs/results.md).

use super::{
    super::{Figure, Part, Setting, clock::Clock, test_part},
    greedy,
};
use crate::{
    failure::{Outcome, note},
    run::likelihood::DEFAULT_BURN_IN,
};
use harmonium::{
    Checkpoint, Dbn, Examples,
    dataset::Binarization,
    evaluate::{Ais, Base, Betas, Bound, Bracket, ReverseStart},
    train::{
        Aggregated, Centering, GreedyLayer, GreedyPlan, Learning, Negative, RbmOptions, Schedule,
    },
};
use serde_json::json;

/// The published lower bound of test images.
const PUBLISHED: f64 = -86.22;
const CHAINS: usize = 100;
/// Samples of the recognition distribution for each image.
const SAMPLES: usize = 10;

/// Runs the experiment.
pub fn run(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::Sampled, 0)?;
    let test = test_part(&data)?;
    let mut clock = Clock::new(setting);
    let (dbn, options) = greedy(
        &mut clock,
        plan(setting),
        &data.train,
        |_| Ok(String::new()),
    )?;
    let seconds = clock.take_seconds();
    if let Some(out) = &setting.out {
        let path = out.join("dbn-bound.safetensors");
        let mut checkpoint = Checkpoint::from(dbn.clone());
        setting
            .source(Binarization::Sampled, 0)
            .note(&mut checkpoint.notes);
        checkpoint.save(&path)?;
        note(format!("model in {}", path.display()));
    }
    let one = dbn.clone().without_top()?.unwrap_or_else(|| dbn.clone());
    let mut figures = Vec::new();
    for (dbn, of_test, of_train) in [
        (&one, ("first RBM, test log-likelihood", None), None),
        (
            &dbn,
            ("test lower bound", Some(PUBLISHED)),
            Some("training lower bound"),
        ),
    ] {
        let bracket = bracket(setting, dbn, &data.train)?;
        figures.push(figure(setting, dbn, &bracket, test, of_test)?);
        if let Some(what) = of_train {
            figures.push(figure(setting, dbn, &bracket, &data.train, (what, None))?);
        }
    }
    Ok(vec![Part {
        name: "784-500-2000".into(),
        recipe: json!({"options": options, "chains": CHAINS, "samples": SAMPLES}),
        figures,
        seconds,
    }])
}

fn plan(setting: &Setting) -> GreedyPlan {
    let layer = |hidden, epochs, rate, transposed| GreedyLayer {
        hidden: setting.at_most(hidden, 50),
        transposed,
        options: RbmOptions {
            negative: Negative::Persistent {
                chains: CHAINS,
                steps: 5,
            },
            centering: Some(Centering::default()),
            learning: Learning {
                epochs: setting.at_most(epochs, 2),
                learning_rate: Schedule::Linear {
                    from: rate,
                    to: 0.0,
                },
                weight_decay: 2e-4,
                seed: setting.seed,
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
    };
    GreedyPlan {
        layers: vec![
            layer(500, 300, 0.1, false),
            layer(2000, 60, 0.002, !setting.quick),
        ],
        posterior: Aggregated::Samples,
        classes: None,
    }
}

/// The bound of `examples`, with `bracket` of the top's `ln Z` as its interval.
fn figure(
    setting: &Setting,
    dbn: &Dbn,
    bracket: &Bracket,
    examples: &Examples,
    (what, published): (&'static str, Option<f64>),
) -> Outcome<Figure> {
    let bound = Bound {
        samples: setting.at_most(SAMPLES, 1),
        seed: setting.seed,
    }
    .measure(dbn, examples, None, &mut ())?;
    let [low, measured, high] = bound.bracket(bracket);
    let (_, error) = bound.mean(bracket.bennett.estimate);
    let sizes = [&bracket.forward, &bracket.reverse].map(|x| x.effective_sample_size);
    let remark = format!(
        "interval of ln Z; over the images +- {error:.2}; effective sample sizes {:.0} and {:.0} of {CHAINS}",
        sizes[0], sizes[1]
    );
    Ok(Figure {
        what,
        published,
        measured,
        interval: (low, high),
        unit: "nats",
        remark,
        of_seeds: Vec::new(),
    })
}

/// Both directions of annealing of the top pair, from what the layers below infer from training
/// images.
fn bracket(setting: &Setting, dbn: &Dbn, train: &Examples) -> Outcome<Bracket> {
    let states = Examples::new(dbn.sample_features(train, setting.seed, 0)?)?;
    let ais = Ais {
        chains: setting.at_most(CHAINS, 20),
        betas: if setting.quick {
            Betas::Linear(200)
        } else {
            Betas::SalakhutdinovMurray
        },
        base: Base::rate_of(&states)?,
        seed: setting.seed,
    };
    let burn_in = setting.at_most(DEFAULT_BURN_IN, 50);
    let start = ReverseStart::suited_to(dbn.top(), &states, ais.chains, burn_in, setting.seed)?;
    Ok(ais.bracket(dbn.top(), &start, &mut ())?)
}
