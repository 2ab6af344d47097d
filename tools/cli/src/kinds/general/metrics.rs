//! What is watched while a general Boltzmann machine learns, as rows of `metrics.csv`.

use crate::show::metrics::Record;

/// The figures after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneralRow {
    /// Epochs done.
    pub epoch: usize,
    /// Seconds of training since the start of the run, without measuring and writing.
    pub seconds: f64,
    /// Of the epoch's last update.
    pub learning_rate: f64,
    /// Root mean square of the elements of the gradient of the last update.
    pub gradient: f64,
    /// Mean square of what visible units differ from their means given all other units, hidden ones
    /// by mean field.
    pub prediction_error: f64,
    /// The same of held-out examples.
    pub validation_prediction_error: Option<f64>,
    /// Mean over training examples, of machines that are enumerated at once.
    pub log_likelihood: Option<f64>,
    /// The same of held-out examples.
    pub validation_log_likelihood: Option<f64>,
    /// Mean over training examples, of fully visible machines.
    pub pseudo_likelihood: Option<f64>,
    /// The same of held-out examples.
    pub validation_pseudo_likelihood: Option<f64>,
}

impl Record for GeneralRow {
    const HEADER: &'static str = "epoch,seconds,learning_rate,gradient,prediction_error,validation_prediction_error,log_likelihood,validation_log_likelihood,pseudo_likelihood,validation_pseudo_likelihood";

    fn line(&self) -> String {
        let text = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:.6}"));
        format!(
            "{},{:.3},{},{:.6e},{:.8},{},{},{},{},{}",
            self.epoch,
            self.seconds,
            self.learning_rate as f32,
            self.gradient,
            self.prediction_error,
            text(self.validation_prediction_error),
            text(self.log_likelihood),
            text(self.validation_log_likelihood),
            text(self.pseudo_likelihood),
            text(self.validation_pseudo_likelihood),
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').collect();
        let [epoch, seconds, rate, gradient, error, held_out, a, b, c, d] = fields[..] else {
            return None;
        };
        let number = |text: &str| match text {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        Some(Self {
            epoch: epoch.parse().ok()?,
            seconds: seconds.parse().ok()?,
            learning_rate: rate.parse().ok()?,
            gradient: gradient.parse().ok()?,
            prediction_error: error.parse().ok()?,
            validation_prediction_error: number(held_out)?,
            log_likelihood: number(a)?,
            validation_log_likelihood: number(b)?,
            pseudo_likelihood: number(c)?,
            validation_pseudo_likelihood: number(d)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip_and_others_are_no_rows() {
        for (a, b) in [(None, Some(-4.5)), (Some(-0.25), None)] {
            let row = GeneralRow {
                epoch: 3,
                seconds: 1.5,
                learning_rate: 0.125,
                gradient: 0.03125,
                prediction_error: 0.0625,
                validation_prediction_error: a,
                log_likelihood: a,
                validation_log_likelihood: b,
                pseudo_likelihood: b,
                validation_pseudo_likelihood: a,
            };
            assert_eq!(GeneralRow::parse(&row.line()), Some(row));
        }
        for line in ["", GeneralRow::HEADER, "1,2,3,4", "x,2,3,4,5,,,,,"] {
            assert_eq!(GeneralRow::parse(line), None, "{line}");
        }
    }
}
