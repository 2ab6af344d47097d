//! Draws demonstration pictures from an unpacked IDX file of images; the command line takes its place.

mod bench;
mod canvas;
mod curves;
mod picture;

use clap::Parser;
use picture::{Colour, Sheet, diverging_limit, tile_shape};
use std::{
    error::Error,
    f64::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

/// Boltzmann machines on the CPU
#[derive(Parser)]
#[command(version)]
enum Command {
    Bench(bench::BenchArgs),
    /// Draws demonstration pictures
    Pictures {
        /// Unpacked IDX file
        images: PathBuf,
        /// Where the pictures go
        directory: PathBuf,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    match Command::parse() {
        Command::Bench(args) => Ok(bench::run(&args)?),
        Command::Pictures { images, directory } => pictures(&images, &directory),
    }
}

fn pictures(images: &Path, directory: &Path) -> Result<(), Box<dyn Error>> {
    let (width, height) = tile_shape(784);
    let file = fs::read(images)?;
    let digits: Vec<Vec<f32>> = file[16..]
        .chunks_exact(784)
        .take(200)
        .map(|digit| digit.iter().map(|&p| f32::from(p) / 255.0).collect())
        .collect();

    let fantasies = Sheet::grid(&digits[..100], width, height, 10, 3, Colour::Grey)?.headed(
        "model samples",
        "100 fantasies: probabilities after 1000 Gibbs steps from persistent chains",
    );
    let training = Sheet::grid(&digits[100..140], width, height, 4, 3, Colour::Grey)?
        .headed("training images", "drawn at random from the 60000");
    let page = Sheet::page("RBM 784-500 on MNIST, epoch 20", &[fantasies, training])?;
    page.write_png(&directory.join("samples.png"))?;

    let filters: Vec<Vec<f32>> = (0..60)
        .map(|k| {
            let (cx, cy) = ((k % 10) as f32 * 2.0 + 5.0, (k / 10) as f32 * 3.0 + 6.0);
            (0..784)
                .map(|j| {
                    let (dx, dy) = ((j % 28) as f32 - cx, (j / 28) as f32 - cy);
                    let window = (-(dx * dx + dy * dy) / 30.0).exp();
                    window * (digits[k][j] - digits[k + 60][j] + 0.3 * (dx - dy).sin())
                })
                .collect()
        })
        .collect();
    let limit = diverging_limit(&filters);
    let grid = Sheet::grid(&filters, 28, 28, 10, 3, Colour::Diverging { limit })?;
    grid.headed("filters", "weights of 60 hidden units, strongest first")
        .write_png(&directory.join("filters.png"))?;

    let ragged: Vec<Vec<f32>> = (0..7).map(|k| vec![k as f32 / 6.0; 509]).collect();
    let (width, height) = tile_shape(509);
    Sheet::grid(&ragged, width, height, 4, 2, Colour::Grey)?
        .write_png(&directory.join("ragged.png"))?;

    let curve = |f: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        (0..=20).map(|i| (f64::from(i), f(f64::from(i)))).collect()
    };
    let likelihood = [
        ("training", curve(&|x| -95.0 - 110.0 * (-x / 4.0).exp())),
        (
            "test",
            curve(&|x| -97.0 - 108.0 * (-x / 4.0).exp() + (x * TAU / 3.0).sin()),
        ),
    ];
    let reconstruction = [("training", curve(&|x| 0.02 + 0.06 * (-x / 2.0).exp()))];
    let rates = [
        (
            "learning rate",
            curve(&|x| if x == 7.0 { f64::NAN } else { 0.05 / (1.0 + x) }),
        ),
        ("momentum", curve(&|_| 0.9)),
    ];
    let panels = [
        curves::Panel {
            y_label: "log-likelihood (nats)",
            series: &likelihood,
        },
        curves::Panel {
            y_label: "reconstruction error",
            series: &reconstruction,
        },
        curves::Panel {
            y_label: "schedule",
            series: &rates,
        },
    ];
    curves::draw(
        &directory.join("curves.png"),
        "RBM 784-500 on MNIST",
        &panels,
    )?;
    let long = [(
        "pseudo-likelihood",
        (0..2000)
            .map(|i| f64::from(i) * 0.5)
            .map(|x| (x, -60.0 - 200.0 / (x + 1.0).sqrt() + (x * 0.7).sin()))
            .collect(),
    )];
    let one = [curves::Panel {
        y_label: "nats",
        series: &long,
    }];
    curves::draw(
        &directory.join("long.png"),
        "A single panel with many points",
        &one,
    )?;
    let single = [
        ("one epoch", vec![(1.0, -123.4)]),
        ("constant", vec![(1.0, -100.0)]),
        ("", Vec::new()),
    ];
    let names: Vec<String> = (0..12)
        .map(|i| format!("series number {i} of many"))
        .collect();
    let many: Vec<(&str, Vec<(f64, f64)>)> = names
        .iter()
        .enumerate()
        .map(|(k, name)| (name.as_str(), vec![(0.0, k as f64 * 1e7), (1.0, 3e7)]))
        .collect();
    let odd = [
        curves::Panel {
            y_label: "one point",
            series: &single,
        },
        curves::Panel {
            y_label: "nothing",
            series: &[],
        },
        curves::Panel {
            y_label: "many series with long names",
            series: &many,
        },
    ];
    curves::draw(&directory.join("odd.png"), "", &odd)?;
    Ok(())
}
