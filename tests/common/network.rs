//! Feed-forward networks, data, and single updates.

use crate::common::memory::remembered;
use harmonium::{
    BitMatrix, Examples, Matrix, Network, States,
    model::{Activation, NetworkLayer},
    rng::HostRng,
    train::{BackpropOptions, BackpropTraining, Learning, Schedule},
    units::{Kind, Units},
};

pub const LOGISTIC: Activation = Activation::Logistic;

pub const LINEAR: Activation = Activation::Linear;

pub const SOFTMAX: Activation = Activation::Softmax;

/// A network of these sizes whose parameters are `deviation N(0, 1)`.
pub fn network(sizes: &[usize], activations: &[Activation], deviation: f64, seed: u64) -> Network {
    let mut rng = HostRng::numbered(seed, 90);
    let mut draw = || (deviation * rng.normal()) as f32;
    let layers = activations.iter().enumerate().map(|(l, &activation)| {
        let weights = Matrix::from_fn(sizes[l], sizes[l + 1], |_, _| draw());
        NetworkLayer {
            activation,
            weights,
            bias: (0..sizes[l + 1]).map(|_| draw()).collect(),
        }
    });
    Network::new(Units::of(Kind::Bernoulli, sizes[0]), layers.collect()).unwrap()
}

/// Labeled examples, bits or gray.
pub fn examples(n: usize, columns: usize, classes: usize, bits: bool, seed: u64) -> Examples {
    let mut rng = HostRng::numbered(seed, 91);
    let x = Matrix::from_fn(n, columns, |_, _| {
        let u = rng.uniform() as f32;
        if bits { u.round() } else { u }
    });
    let labels = (0..n).map(|_| rng.below(classes) as u32).collect();
    let values: States = match bits {
        true => BitMatrix::from_matrix(&x).unwrap().into(),
        false => x.into(),
    };
    Examples::new(values).unwrap().with_labels(labels).unwrap()
}

pub fn rows_of(data: &Examples) -> Vec<Vec<f64>> {
    let matrix = data.states().to_matrix();
    (0..data.len())
        .map(|s| matrix.row(s).iter().map(|&x| f64::from(x)).collect())
        .collect()
}

/// Minus the gradient that an update of rate 1 without momentum takes, parameters as in
/// [`Twin::parameters`].
pub fn step_of(run: &BackpropTraining) -> Vec<f64> {
    let of = |name: String| remembered(run, &format!("training.velocity.{name}"));
    let layers = 0..run.model().n_layers() - 1;
    let all = layers.flat_map(|l| {
        let (weights, bias) = (format!("weights.{l}"), format!("bias.{}", l + 1));
        of(weights).into_iter().chain(of(bias))
    });
    all.map(f64::from).collect()
}

pub fn plain_options(batch_size: usize) -> BackpropOptions {
    BackpropOptions {
        learning: Learning {
            epochs: 1,
            batch_size,
            learning_rate: Schedule::Constant(1.0),
            momentum: Schedule::Constant(0.0),
            ..BackpropOptions::default().learning
        },
        ..BackpropOptions::default()
    }
}

/// Loss and gradient of one update over all examples, whose order does not matter without dropout.
pub fn loss_and_step(
    network: &Network,
    data: &Examples,
    options: BackpropOptions,
) -> (f64, Vec<f64>) {
    let mut run = BackpropTraining::new(network.clone(), options, data).unwrap();
    let _ = run.update(data).unwrap();
    (loss(&run), step_of(&run))
}

/// The loss of the last update.
pub fn loss(run: &BackpropTraining) -> f64 {
    run.figures().loss.expect("an update was done")
}
