//! What is watched of a general Boltzmann machine while it learns.

use crate::{
    failure::Outcome,
    run::data::Data,
    show::metrics::{
        Column,
        Digits::{Exponent, Fixed},
        Row, Table,
    },
};
use harmonium::{
    BitMatrix, BoltzmannMachine, Examples, Matrix, evaluate::boltzmann_pseudo_likelihood,
    model::MeanField, train::BoltzmannTraining,
};

/// The columns of `metrics.csv`.
pub const TABLE: Table = Table {
    is_staged: false,
    columns: &[
        Column::new("gradient", Exponent(6)).drawn("gradient (root mean square)", ""),
        Column::new("prediction_error", Fixed(8))
            .told("prediction error ", Exponent(2), "")
            .drawn("prediction error of visible units", "training"),
        Column::new("validation_prediction_error", Fixed(6))
            .drawn("prediction error of visible units", "held out"),
        Column::new("log_likelihood", Fixed(6))
            .told("log-likelihood ", Fixed(3), "")
            .drawn("log-likelihood (nats)", "training"),
        Column::new("validation_log_likelihood", Fixed(6))
            .drawn("log-likelihood (nats)", "held out"),
        Column::new("pseudo_likelihood", Fixed(6))
            .told("pseudo-likelihood ", Fixed(2), "")
            .drawn("pseudo-likelihood (nats)", "training"),
        Column::new("validation_pseudo_likelihood", Fixed(6))
            .drawn("pseudo-likelihood (nats)", "held out"),
    ],
};

/// Examples that are watched, and those of figures that hidden units make dear.
const WATCHED: usize = 1000;
const WATCHED_WITH_HIDDEN: usize = 250;
/// Passes of mean field that are watched.
const PASSES: usize = 10;
/// Most units that are enumerated after each epoch, and most hidden ones for each example.
const ENUMERATED: usize = 16;
const ENUMERATED_HIDDEN: usize = 8;

/// What is watched.
pub struct Watch {
    train: Examples,
    validation: Option<Examples>,
    /// Of the prediction error.
    predicted: [Option<BitMatrix>; 2],
    is_enumerated: bool,
}

impl Watch {
    /// Of the first training and held-out examples.
    ///
    /// # Errors
    /// Those of the library.
    pub fn new(machine: &BoltzmannMachine, data: &Data) -> Outcome<Self> {
        // Couplings that are zero may come, so all that may be there count.
        let n = machine.units();
        let few = n <= 2 * ENUMERATED;
        let is_enumerated = few && {
            let mut edges = Vec::new();
            for i in 0..n {
                let others = (i + 1..n).filter(|&j| machine.may_couple(i, j));
                edges.extend(others.map(|j| (i, j, 1.0)));
            }
            let full =
                BoltzmannMachine::from_edges(machine.n_visible(), machine.n_hidden(), &edges)?;
            let (all, hidden) = full.enumerated_units()?;
            all <= ENUMERATED && hidden <= ENUMERATED_HIDDEN
        };
        let watched = if machine.n_hidden() == 0 {
            WATCHED
        } else {
            WATCHED_WITH_HIDDEN
        };
        let predicted = |part: &Examples| part.head(watched).bits().cloned();
        Ok(Self {
            train: data.train.head(WATCHED),
            validation: data.validation.as_ref().map(|part| part.head(WATCHED)),
            predicted: [
                predicted(&data.train),
                data.validation.as_ref().and_then(predicted),
            ],
            is_enumerated,
        })
    }

    /// The figures after an epoch.
    ///
    /// # Errors
    /// Those of the library.
    pub fn row(&self, training: &BoltzmannTraining, seconds: f64) -> Outcome<Row> {
        let machine = training.model();
        let position = training.position();
        let rate = training.last_learning_rate();
        let (pairs, biases) = training.gradient();
        let squares =
            |x: &mut dyn Iterator<Item = f32>| x.map(|g| f64::from(g).powi(2)).sum::<f64>();
        let sum = squares(&mut pairs.elements()) + squares(&mut biases.iter().copied());
        let (mut log_likelihood, mut pseudo_likelihood) = ([None, None], [None, None]);
        for (k, part) in [Some(&self.train), self.validation.as_ref()]
            .into_iter()
            .enumerate()
        {
            let Some(part) = part else { continue };
            if self.is_enumerated {
                let all = machine.log_likelihood(part, &mut ())?;
                log_likelihood[k] = Some(all.iter().sum::<f64>() / all.len() as f64);
            }
            if machine.n_hidden() == 0 {
                pseudo_likelihood[k] = Some(boltzmann_pseudo_likelihood(machine, part)?);
            }
        }
        let error = |v: &Option<BitMatrix>| {
            let v = v.as_ref();
            v.map(|v| prediction_error(machine, v)).transpose()
        };
        Ok(Row {
            epoch: position.epoch,
            seconds,
            learning_rate: rate.into(),
            figures: vec![
                Some((sum / (pairs.rows() * (pairs.rows() + 1)).max(1) as f64).sqrt()),
                error(&self.predicted[0])?,
                error(&self.predicted[1])?,
                log_likelihood[0],
                log_likelihood[1],
                pseudo_likelihood[0],
                pseudo_likelihood[1],
            ],
            ..Row::default()
        })
    }
}

/// `E[v_i | all other units]` of examples, hidden units by mean field of a few passes: mean square
/// distance from the examples.
fn prediction_error(machine: &BoltzmannMachine, v: &BitMatrix) -> Outcome<f64> {
    let few = MeanField {
        iterations: PASSES,
        ..MeanField::default()
    };
    let h = if machine.n_hidden() == 0 {
        Matrix::zeros(v.rows(), 0)
    } else {
        machine.posterior_means(v, &few, None)?.means
    };
    let means = machine.mean_v_from_rest(v, &h, 1.0)?;
    let square = |i: usize, j: usize| {
        (f64::from(u8::from(v.get(i, j))) - f64::from(means.row(i)[j])).powi(2)
    };
    let sum: f64 = (0..v.rows())
        .map(|i| (0..v.columns()).map(|j| square(i, j)).sum::<f64>())
        .sum();
    Ok(sum / (v.rows() * v.columns()).max(1) as f64)
}
