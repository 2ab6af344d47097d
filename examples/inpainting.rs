//! Completes digits of which a deep Boltzmann machine sees the upper half alone:
//!
//! ```text
//! cargo run --release --example inpainting
//! ```
//!
//! The machine, 784-200-100, learns from some MNIST images without pretraining. Then chains of
//! block Gibbs sampling run with the upper half held ([`DbmChain::clamped`]), which samples
//! `p(lower half, hidden layers | upper half)`; their mean is the completion. It is judged by how
//! often a pixel of the lower half is guessed right, beside the guess that does not look at the
//! upper half.

use harmonium::{
    Binarization, BitMatrix, Dataset, Dbm, Result,
    model::Clamp,
    train::{DbmOptions, DbmTraining, Learning, Schedule},
};
use std::ops::ControlFlow;

const SIDE: usize = 28;
/// Pixels that are held: the upper half.
const HELD: usize = SIDE * SIDE / 2;
/// Test images, chains of each, and sweeps.
const DIGITS: usize = 40;
const CHAINS: usize = 50;
const SWEEPS: usize = 200;
/// Digits whose picture is shown.
const SHOWN: usize = 4;

fn main() -> Result<()> {
    let data = Dataset::open("data/mnist")?.binarized(Binarization::Sampled, 1);
    let train = data.train.head(20_000);
    let test = data.test.expect("MNIST has a test part").head(DIGITS);
    let dbm = Dbm::bernoulli(&[SIDE * SIDE, 200, 100])?.initialized_from(&train, 1)?;
    let options = DbmOptions {
        learning: Learning {
            epochs: 10,
            learning_rate: Schedule::Linear {
                from: 0.01,
                to: 0.0,
            },
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    };
    let mut training = DbmTraining::new(dbm, options, &train)?;
    let _ = training.run(&train, |_| ControlFlow::Continue(()))?;
    let dbm = training.into_result();

    // Each image is in the rows of all its chains.
    let truth = test.bits().expect("the data were binarized");
    let rows = BitMatrix::from_fn(DIGITS * CHAINS, SIDE * SIDE, |i, j| {
        truth.get(i / CHAINS, j)
    });
    let mask = BitMatrix::from_fn(1, SIDE * SIDE, |_, j| j < HELD);
    let clamp = Clamp::new(dbm.layer(0), rows, mask)?;
    let mut chains = dbm.chains(DIGITS * CHAINS, 1)?.clamped(0, clamp)?;
    chains.sweep(&dbm, SWEEPS, 1.0)?;
    let drawn = chains.visible().bits().expect("binary units");
    let completed = |digit: usize, j: usize| -> f64 {
        let rows = digit * CHAINS..(digit + 1) * CHAINS;
        rows.filter(|&i| drawn.get(i, j)).count() as f64 / CHAINS as f64
    };

    for digit in 0..SHOWN {
        println!("{:SIDE$}  {:SIDE$}  completed", "digit", "held");
        for y in 0..SIDE {
            let line = |gray: &dyn Fn(usize) -> f64| -> String {
                let shade =
                    |x: usize| [' ', '.', ':', '+', '#'][(4.99 * gray(SIDE * y + x)) as usize];
                (0..SIDE).map(shade).collect()
            };
            let bit = |j: usize| f64::from(u8::from(truth.get(digit, j)));
            println!(
                "{}  {}  {}",
                line(&bit),
                line(&|j| if j < HELD { bit(j) } else { 0.0 }),
                line(&|j| completed(digit, j)),
            );
        }
    }
    let mean = train.mean();
    let share = |guess: &dyn Fn(usize, usize) -> bool| -> f64 {
        let lower = (0..DIGITS).flat_map(|i| (HELD..SIDE * SIDE).map(move |j| (i, j)));
        let right = lower.filter(|&(i, j)| guess(i, j) == truth.get(i, j));
        100.0 * right.count() as f64 / (DIGITS * HELD) as f64
    };
    println!(
        "pixels of the lower half of {DIGITS} digits guessed right: {:.1} %, by their means in the data {:.1} %",
        share(&|i, j| completed(i, j) > 0.5),
        share(&|_, j| mean[j] > 0.5),
    );
    Ok(())
}
