//! What is watched while a machine learns in stages, as rows of `metrics.csv`.

use crate::show::metrics::Record;

/// The figures after an epoch of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct DeepRow {
    /// The name of the stage.
    pub stage: String,
    /// Epochs of the stage that are done.
    pub epoch: usize,
    /// Seconds of training since the start of the run, without measuring and writing.
    pub seconds: f64,
    /// Of the epoch's last update; in the last stage that of the top pair.
    pub learning_rate: f64,
    /// Of a part of the training examples.
    pub reconstruction_error: Option<f64>,
    /// Share of wrong classes among the held-out examples, once the labels are learned.
    pub validation_error: Option<f64>,
    /// Of the last minibatch, of a network that backpropagation trains.
    pub loss: Option<f64>,
    /// Of mean field, for the slowest of some training examples, of a deep Boltzmann machine.
    pub mean_field_iterations: Option<usize>,
    /// The variational free energy of held-out examples less that of training examples, in nats, of
    /// a deep Boltzmann machine.
    pub free_energy_gap: Option<f64>,
}

impl Record for DeepRow {
    const HEADER: &'static str = "stage,epoch,seconds,learning_rate,reconstruction_error,validation_error,loss,mean_field_iterations,free_energy_gap";

    fn line(&self) -> String {
        let text = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:.8}"));
        format!(
            "{},{},{:.3},{},{},{},{},{},{}",
            self.stage,
            self.epoch,
            self.seconds,
            self.learning_rate as f32,
            text(self.reconstruction_error),
            text(self.validation_error),
            text(self.loss),
            self.mean_field_iterations
                .map_or(String::new(), |n| n.to_string()),
            text(self.free_energy_gap),
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').collect();
        let [
            stage,
            epoch,
            seconds,
            rate,
            reconstruction,
            validation,
            loss,
            iterations,
            gap,
        ] = fields[..]
        else {
            return None;
        };
        let number = |text: &str| match text {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        Some(Self {
            stage: stage.into(),
            epoch: epoch.parse().ok()?,
            seconds: seconds.parse().ok()?,
            learning_rate: rate.parse().ok()?,
            reconstruction_error: number(reconstruction)?,
            validation_error: number(validation)?,
            loss: number(loss)?,
            mean_field_iterations: match iterations {
                "" => None,
                text => Some(text.parse().ok()?),
            },
            free_energy_gap: number(gap)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip_and_others_are_no_rows() {
        let rows = [
            ("layer 2", None, None),
            ("up-down", Some(0.25), None),
            ("backprop", None, Some(0.5)),
        ];
        for (stage, validation_error, loss) in rows {
            let row = DeepRow {
                stage: stage.into(),
                epoch: 3,
                seconds: 1.5,
                learning_rate: 0.125,
                reconstruction_error: Some(0.0625),
                validation_error,
                loss,
                mean_field_iterations: loss.map(|_| 7),
                free_energy_gap: validation_error,
            };
            assert_eq!(DeepRow::parse(&row.line()), Some(row));
        }
        for line in [
            "",
            DeepRow::HEADER,
            "up-down,1,2,3,4",
            "layer 1,x,2,3,4,,,,",
            "layer 1,1,2,3,4,,,x,",
        ] {
            assert_eq!(DeepRow::parse(line), None, "{line}");
        }
    }
}
