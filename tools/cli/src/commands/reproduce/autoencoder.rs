//! The deep autoencoder 784-1000-500-250-30 of Hinton and Salakhutdinov (2006): RBMs layer by
//! layer, the last with linear codes, unrolled and fine-tuned by conjugate gradients on the
//! cross-entropy of the pixels. The figure is the squared error of an image.

use super::{DEVIATIONS, Figure, Part, Setting, stack, test_part};
use crate::{
    failure::{Outcome, note},
    run::data::rows,
    show::picture::Color,
    show::pictures,
    show::report,
};
use harmonium::{
    Examples, Network,
    dataset::Binarization,
    kernel::reduce::mean_and_standard_error,
    train::{BackpropOptions, Learning, RbmOptions},
};
use serde_json::json;

const HIDDEN: [usize; 4] = [1000, 500, 250, 30];
const EPOCHS: usize = 200;
const RATE: f32 = 0.1;
/// Of the linear codes.
const CODE_RATE: f32 = 0.001;
/// Images and their reconstructions in the picture.
const IMAGES: usize = 10;

/// Runs the experiment.
pub fn run(setting: &Setting) -> Outcome<Vec<Part>> {
    let data = setting.data(Binarization::None, 0)?;
    let (train, test) = (&data.train, test_part(&data)?);
    let hidden = HIDDEN.map(|n| setting.at_most(n, 50));
    let (rbms, greedy) = stack::pretrained(setting, "autoencoder", train, &hidden, of_layer, true)?;
    let start = Network::autoencoder_from_rbms(&rbms)?;
    let options = BackpropOptions {
        output_epochs: 0,
        learning: Learning {
            epochs: EPOCHS,
            ..BackpropOptions::conjugate_gradients().learning
        },
        ..BackpropOptions::conjugate_gradients()
    };
    let unrolled = part(
        &start,
        "layer by layer",
        None,
        train,
        test,
        greedy,
        &options,
    )?;
    let (network, seconds) = stack::fine_tuned(
        setting,
        "autoencoder fine-tuned",
        &[],
        start,
        options.clone(),
        train,
        |run| {
            Ok(format!(
                "{} evaluations",
                run.figures().evaluations.unwrap_or(0)
            ))
        },
    )?;
    if let Some(out) = &setting.out {
        let images = test.head(IMAGES);
        let mut tiles = rows(&images, IMAGES);
        tiles.extend(pictures::rows(&network.output(&images)?));
        let path = out.join("autoencoder.png");
        pictures::grid(&tiles, test.columns(), IMAGES, Color::Gray)?.write_png(&path)?;
        note(format!(
            "images above their reconstructions in {}",
            path.display()
        ));
    }
    let seconds = greedy + seconds;
    let tuned = part(
        &network,
        "fine-tuned",
        Some(3.0),
        train,
        test,
        seconds,
        &options,
    )?;
    Ok(vec![unrolled, tuned])
}

fn of_layer(l: usize) -> RbmOptions {
    let codes = l + 1 == HIDDEN.len();
    stack::options(if codes { CODE_RATE } else { RATE })
}

fn part(
    network: &Network,
    name: &str,
    published: Option<f64>,
    train: &Examples,
    test: &Examples,
    seconds: f64,
    options: &BackpropOptions,
) -> Outcome<Part> {
    let figure = |what, published, examples: &Examples| -> Outcome<Figure> {
        let errors = network.squared_errors(examples)?;
        let (mean, error) = mean_and_standard_error(errors);
        Ok(Figure {
            what,
            published,
            measured: mean,
            interval: (mean - DEVIATIONS * error, mean + DEVIATIONS * error),
            unit: "",
            remark: format!(
                "{} examples, 3 standard errors; published: logistic PCA 8.01, PCA 13.87",
                examples.len()
            ),
            of_seeds: Vec::new(),
        })
    };
    Ok(Part {
        name: name.into(),
        recipe: json!({
            "hidden": HIDDEN,
            "greedy": (0..HIDDEN.len()).map(|l| report::options(&of_layer(l))).collect::<Vec<_>>(),
            "options": options,
        }),
        figures: vec![
            figure("test squared error", published, test)?,
            figure("training squared error", None, train)?,
        ],
        seconds,
    })
}
