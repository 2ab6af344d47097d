//! Networks by backpropagation from RBMs layer by layer (Hinton and Salakhutdinov 2006).
//!
//! The net 784-500-500-2000-10: as published, conjugate gradients, of whose 37 epochs the first 5
//! train the softmax layer alone. From the same RBMs, the second part goes down by steps with
//! dropout (Hinton et al. 2012). All 60,000 images are learned from; rates, epochs and dropout were
//! set beforehand, without the test images, which are measured once at the end of each part.
//!
//! The autoencoder 784-1000-500-250-30, the last RBM with linear codes: unrolled and fine-tuned by
//! conjugate gradients on the cross-entropy of the pixels. The figure is the squared error of an
//! image.

use super::{
    figures::{Figure, Part, cd},
    setting::{Setting, Watch, quiet, test_part},
};
use crate::{
    failure::{Outcome, note},
    show::pictures::first_rows,
    show::shape::Shape,
    show::{picture::Color, pictures, report},
};
use harmonium::{
    Dbn, Examples, Matrix, Network, Rbm,
    dataset::Binarization,
    model::{Directed, Layer},
    recipe::{AnyRun, DbnPlan, Plan, RbmPlan},
    rng::{HostRng, Stream},
    train::{
        Aggregated, BackpropOptions, BackpropTraining, GreedyLayer, GreedyPlan, Learning, Negative,
        RbmOptions, Reconstruction, Schedule, UpDownOptions,
    },
    units::{Kind, Units},
};
use serde_json::{Value, json};

const CLASSIFIER: [usize; 3] = [500, 500, 2000];
const AUTOENCODER: [usize; 4] = [1000, 500, 250, 30];
const AUTOENCODER_EPOCHS: usize = 200;
const RATE: f32 = 0.1;
/// Of the linear codes.
const CODE_RATE: f32 = 0.001;
/// Standard deviation of the first weights.
const DEVIATION: f64 = 0.1;
/// Images and their reconstructions in the picture.
const IMAGES: usize = 10;
/// Parts of the classifier that can be had alone.
pub(super) const CONJUGATE: &str = "conjugate gradients";
pub(super) const DROPOUT: &str = "dropout";

/// The net that classifies.
pub(super) fn classifier(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::None, 0)?;
    let (train, test) = (&data.train, test_part(&data)?);
    let (rbms, greedy) = pretrained(setting, "dbn-backprop", train, &CLASSIFIER, |_| RATE)?;
    let (top, below) = rbms.split_last().expect("three machines");
    let pairs = below.iter().map(Directed::from_rbm);
    let dbn = Dbn::from_parts(pairs.collect::<Result<_, _>>()?, top.clone())?.into();
    let begun = |options: &BackpropOptions| {
        let visible = Units::of(Kind::Bernoulli, train.columns());
        classifier_plan(setting, visible, options).network(&dbn, train)
    };
    let part = |name: &str, figures, seconds, options: &BackpropOptions| Part {
        name: name.into(),
        recipe: json!({
            "hidden": CLASSIFIER,
            "greedy": report::options(&rbm_options(RATE)),
            "options": options,
            "beside": Value::Null,
        }),
        figures,
        seconds,
    };
    let mut parts = Vec::new();
    if setting.wants(CONJUGATE) {
        let options = BackpropOptions::conjugate_gradients();
        let output_epochs = setting.at_most(options.output_epochs, 1);
        let run = begun(&options)?;
        let mut softmax_alone = run.result()?.into_network()?;
        let watch: &mut Watch<'_> = &mut |run, _, _| {
            if run.running().position().epoch == output_epochs {
                softmax_alone = run.result()?.into_network()?;
            }
            Ok(String::new())
        };
        let name = format!("dbn-backprop {CONJUGATE}");
        let (network, seconds) = fine_tuned(setting, &name, None, run, train, watch)?;
        let figures = errors(&softmax_alone, None, test, train)?;
        parts.push(part(
            "layer by layer and softmax",
            figures,
            greedy,
            &options,
        ));
        let figures = errors(&network, Some(1.2), test, train)?;
        parts.push(part(CONJUGATE, figures, greedy + seconds, &options));
    }
    if setting.wants(DROPOUT) {
        let options = BackpropOptions::with_dropout();
        let name = format!("dbn-backprop {DROPOUT}");
        let run = begun(&options)?;
        let (network, seconds) = fine_tuned(setting, &name, None, run, train, &mut quiet)?;
        let figures = errors(&network, None, test, train)?;
        parts.push(part(DROPOUT, figures, greedy + seconds, &options));
    }
    Ok(parts)
}

/// Layer by layer on the probabilities of the layer below, then the network; no stage between.
fn classifier_plan(setting: &Setting, visible: Units, options: &BackpropOptions) -> Plan {
    let layer = |&hidden: &usize| GreedyLayer {
        hidden: width(setting, hidden),
        options: setting.options(rbm_options(RATE)),
        transposed: false,
    };
    let mut up_down = UpDownOptions::default();
    up_down.learning.epochs = 0;
    Plan::Dbn(DbnPlan {
        visible,
        greedy: GreedyPlan {
            layers: CLASSIFIER.iter().map(layer).collect(),
            posterior: Aggregated::Means,
            classes: None,
        },
        up_down,
        fine_tune: Some(options_of(setting, options)),
    })
}

/// Of classes, on both parts of the data.
pub(super) fn errors(
    network: &Network,
    published: Option<f64>,
    test: &Examples,
    train: &Examples,
) -> Outcome<Vec<Figure>> {
    let error = |named, x: &Examples| Figure::error(named, &network.log_p_y_from_v(x)?, x);
    Ok(vec![
        error(("test error", published), test)?,
        error(("training error", None), train)?,
    ])
}

/// The autoencoder.
pub(super) fn autoencoder(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::None, 0)?;
    let (train, test) = (&data.train, test_part(&data)?);
    let rate = |l| match l + 1 == AUTOENCODER.len() {
        true => CODE_RATE,
        false => RATE,
    };
    let (rbms, greedy) = pretrained(setting, "autoencoder", train, &AUTOENCODER, rate)?;
    let start = Network::autoencoder_from_rbms(&rbms)?;
    let conjugate = BackpropOptions::conjugate_gradients();
    let options = BackpropOptions {
        output_epochs: 0,
        learning: Learning {
            epochs: AUTOENCODER_EPOCHS,
            ..conjugate.learning
        },
        ..conjugate
    };
    let part = |network: &Network, name: &str, published, seconds| -> Outcome<Part> {
        let figure = |named, x: &Examples| -> Outcome<Figure> {
            let remark = format!(
                "{} examples, 3 standard errors; published: logistic PCA 8.01, PCA 13.87",
                x.len()
            );
            Ok(Figure::mean(named, network.squared_errors(x)?, remark))
        };
        let of_layers = (0..AUTOENCODER.len()).map(|l| report::options(&rbm_options(rate(l))));
        Ok(Part {
            name: name.into(),
            recipe: json!({
                "hidden": AUTOENCODER,
                "greedy": of_layers.collect::<Vec<_>>(),
                "options": options,
            }),
            figures: vec![
                figure(("test squared error", published), test)?,
                figure(("training squared error", None), train)?,
            ],
            seconds,
        })
    };
    let unrolled = part(&start, "layer by layer", None, greedy)?;
    let name = "autoencoder fine-tuned";
    // No plan has a network that learns the data: it is begun by hand.
    let run = BackpropTraining::new(start, options_of(setting, &options), train)?;
    let run = AnyRun::Backprop(Box::new(run));
    let (network, seconds) = fine_tuned(setting, name, None, run, train, &mut quiet)?;
    if let Some(out) = &setting.out {
        let images = test.head(IMAGES);
        let mut tiles = first_rows(&images, IMAGES);
        tiles.extend(pictures::rows(&network.output(&images)?));
        let path = out.join("autoencoder.png");
        pictures::grid(&tiles, Shape::guessed(test.columns()), IMAGES, Color::Gray)?
            .write_png(&path)?;
        let path = path.display();
        note(format!("images above their reconstructions in {path}"));
    }
    let tuned = part(&network, "fine-tuned", Some(3.0), greedy + seconds)?;
    Ok(vec![unrolled, tuned])
}

/// CD-1 of 50 epochs on minibatches of 100; hidden states drawn, reconstructions as probabilities.
fn rbm_options(rate: f32) -> RbmOptions {
    let learning = Learning {
        epochs: 50,
        learning_rate: Schedule::Constant(rate),
        ..Learning::default()
    };
    RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Smoothed,
        },
        ..cd(1, learning)
    }
}

/// RBMs between layers of these sizes, lowest first, each on the hidden probabilities of the one
/// below, at the `rate` of its layer; the codes of an autoencoder are linear. Returns the machines
/// and the seconds of training.
///
/// Weights begin as published, of a deviation of their own and on visible biases of 0: a stack of a
/// plan begins with others.
fn pretrained(
    setting: &Setting,
    name: &str,
    data: &Examples,
    hidden: &[usize],
    rate: impl Fn(usize) -> f32,
) -> Outcome<(Vec<Rbm>, f64)> {
    let (mut rbms, mut seconds) = (Vec::new(), 0.0);
    let mut below: Option<Examples> = None;
    for (l, &m) in hidden.iter().enumerate() {
        let examples = below.as_ref().unwrap_or(data);
        let kind = match rate(l) == CODE_RATE {
            true => Kind::Gaussian,
            false => Kind::Bernoulli,
        };
        let (n, m) = (examples.columns(), width(setting, m));
        let mut rng = HostRng::new(setting.seed, Stream::Stack(l as u64));
        let weights = Matrix::from_fn(n, m, |_, _| (DEVIATION * rng.normal()) as f32);
        let rbm = Rbm::from_parameters([Layer::bernoulli(n), Layer::of(kind, m)], [weights])?;
        let name = format!("{name} layer {} of {}", l + 1, hidden.len());
        let plan = RbmPlan {
            visible: rbm.visible().units.clone(),
            hidden: rbm.hidden().units.clone(),
            options: setting.options(rbm_options(rate(l))),
        };
        let run = Plan::Rbm(plan).start_from(&rbm.into(), examples, None)?;
        let (rbm, spent) = setting.train(&name, run, examples, &mut quiet)?;
        seconds += spent;
        if l + 1 < hidden.len() {
            below = Some(data.with_states(rbm.mean_h_from_v(examples, 1.0)?)?);
        }
        rbms.push(rbm);
    }
    Ok((rbms, seconds))
}

/// For the epochs of the setting, with its seed.
pub(super) fn options_of(setting: &Setting, options: &BackpropOptions) -> BackpropOptions {
    BackpropOptions {
        output_epochs: setting.at_most(options.output_epochs, 1),
        learning: setting.learning(options.learning.clone()),
        ..options.clone()
    }
}

/// Units of a layer.
fn width(setting: &Setting, units: usize) -> usize {
    setting.at_most(units, 50)
}

/// Trains a network and stores it, with a `note` beside those of its data. Returns it and the
/// seconds of training.
pub(super) fn fine_tuned(
    setting: &Setting,
    name: &str,
    note: Option<(&str, String)>,
    mut run: AnyRun,
    data: &Examples,
    watch: &mut Watch<'_>,
) -> Outcome<(Network, f64)> {
    let seconds = setting.learn(name, &mut run, data, 0.0, watch)?;
    let mut checkpoint = run.running().checkpoint()?;
    let note = note.map(|(key, text)| (key.to_owned(), text));
    checkpoint.notes.extend(note);
    setting.save(name, checkpoint, Some(Binarization::None))?;
    Ok((run.result()?.into_network()?, seconds))
}
