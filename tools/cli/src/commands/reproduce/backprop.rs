//! Pretrained nets 784-500-500-2000-10 fine-tuned by backpropagation.
//!
//! As published (Hinton and Salakhutdinov 2006): RBMs layer by layer, then conjugate gradients, of
//! whose 37 epochs the first 5 train the softmax layer alone. From the same RBMs, the second part
//! goes down by steps with dropout (Hinton et al. 2012). All 60,000 images are learned from; rates,
//! epochs and dropout were set beforehand, without the test images, which are measured once at the
//! end of each part.

use super::{Part, Setting, stack, test_part};
use crate::{failure::Outcome, show::report};
use harmonium::{
    Dbn, Examples, Network, Rbm, dataset::Binarization, model::Directed, train::BackpropOptions,
};
use serde_json::{Value, json};

const CLASSES: usize = 10;
const HIDDEN: [usize; 3] = [500, 500, 2000];
const RATE: f32 = 0.1;
const CONJUGATE: &str = "conjugate gradients";
const DROPOUT: &str = "dropout";

/// Runs the experiment.
pub fn run(setting: &Setting) -> Outcome<Vec<Part>> {
    if ![CONJUGATE, DROPOUT].into_iter().any(|x| setting.wants(x)) {
        return Ok(Vec::new());
    }
    let data = setting.data(Binarization::None, 0)?;
    let (train, test) = (&data.train, test_part(&data)?);
    let hidden = HIDDEN.map(|n| setting.at_most(n, 50));
    let of_layer = |_| stack::options(RATE);
    let (rbms, greedy) =
        stack::pretrained(setting, "dbn-backprop", train, &hidden, of_layer, false)?;
    let start = Network::classifier_from_dbn(&stacked(&rbms)?, CLASSES, setting.seed)?;
    let mut parts = Vec::new();
    if setting.wants(CONJUGATE) {
        parts.extend(conjugate_gradients(
            setting,
            start.clone(),
            train,
            test,
            greedy,
        )?);
    }
    if setting.wants(DROPOUT) {
        let options = BackpropOptions::with_dropout();
        let name = "dbn-backprop dropout";
        let watch = |_: &_| Ok(String::new());
        let (network, seconds) =
            stack::fine_tuned(setting, name, &[], start, options.clone(), train, watch)?;
        let figures = [
            ("test error", None, stack::error(&network, test)?, test),
            (
                "training error",
                None,
                stack::error(&network, train)?,
                train,
            ),
        ];
        parts.push(part(DROPOUT, &figures, greedy + seconds, &options));
    }
    Ok(parts)
}

/// The published recipe.
fn conjugate_gradients(
    setting: &Setting,
    start: Network,
    train: &Examples,
    test: &Examples,
    greedy: f64,
) -> Outcome<[Part; 2]> {
    let options = BackpropOptions::conjugate_gradients();
    let mut softmax_alone = start.clone();
    let name = "dbn-backprop conjugate gradients";
    let (network, seconds) =
        stack::fine_tuned(setting, name, &[], start, options.clone(), train, |run| {
            if run.position().epoch == run.options().output_epochs {
                softmax_alone = run.model().clone();
            }
            Ok(format!(
                "{} evaluations",
                run.figures().evaluations.unwrap_or(0)
            ))
        })?;
    let of = |network: &Network| -> Outcome<_> {
        Ok([stack::error(network, test)?, stack::error(network, train)?])
    };
    let [alone, alone_train] = of(&softmax_alone)?;
    let [tuned, tuned_train] = of(&network)?;
    let named = |published, error, error_train| {
        [
            ("test error", published, error, test),
            ("training error", None, error_train, train),
        ]
    };
    Ok([
        part(
            "layer by layer and softmax",
            &named(None, alone, alone_train),
            greedy,
            &options,
        ),
        part(
            CONJUGATE,
            &named(Some(1.2), tuned, tuned_train),
            greedy + seconds,
            &options,
        ),
    ])
}

/// The deep belief network of these machines.
fn stacked(rbms: &[Rbm]) -> Outcome<Dbn> {
    let (top, below) = rbms.split_last().expect("three machines");
    let pairs = below.iter().map(Directed::from_rbm);
    Ok(Dbn::from_parts(
        pairs.collect::<Result<_, _>>()?,
        top.clone(),
    )?)
}

fn part(
    name: &str,
    figures: &[(&'static str, Option<f64>, f64, &Examples)],
    seconds: f64,
    options: &BackpropOptions,
) -> Part {
    let figures = figures
        .iter()
        .map(|(what, published, p, examples)| stack::rate(what, *published, *p, examples.len()));
    Part {
        name: name.into(),
        recipe: json!({
            "hidden": HIDDEN,
            "greedy": report::options(&stack::options(RATE)),
            "options": options as &BackpropOptions,
            "beside": Value::Null,
        }),
        figures: figures.collect(),
        seconds,
    }
}
