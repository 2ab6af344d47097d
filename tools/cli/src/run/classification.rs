//! How well a machine finds the classes of examples.

use crate::{
    args::Split,
    failure::{Failure, Outcome, note},
    run::machine::Machine,
    show::figures::Figures,
};
use harmonium::{Examples, Matrix, model::most_probable};

/// How well classes were found.
#[derive(Clone, Debug)]
pub struct Classification {
    /// Examples.
    pub count: usize,
    /// Of them, those whose most probable class is not the label.
    pub wrong: usize,
    /// Mean of `ln p(label | v)`, nats.
    pub mean_log_probability: f64,
    /// `[label][class found]`.
    pub confusion: Vec<Vec<usize>>,
    /// The part of the data.
    pub split: Split,
}

impl Classification {
    /// Of `examples`, whose label units are left out if they have any; nothing without labels, and
    /// of a machine without classes.
    ///
    /// # Errors
    /// Those of the library; a label that is no class of the machine.
    pub fn measure(
        machine: &dyn Machine,
        examples: &Examples,
        split: Split,
    ) -> Outcome<Option<Self>> {
        let (Some(labels), Ok((_, Some(_)))) = (examples.labels(), machine.labels()) else {
            return Ok(None);
        };
        // A network of directed layers does not infer what is missing.
        if examples.observed().is_some() && machine.kind() == "dbn" {
            note("no classes: a deep belief network classifies complete examples");
            return Ok(None);
        }
        let log_p = machine.log_p_of_classes(examples)?;
        Self::of(&log_p, labels, split).map(Some)
    }

    /// Of the labels of the rows of `ln p(y)`.
    ///
    /// # Errors
    /// A label that is no class.
    pub fn of(log_p: &Matrix, labels: &[u32], split: Split) -> Outcome<Self> {
        let classes = log_p.columns();
        if let Some(label) = labels.iter().find(|&&y| y as usize >= classes) {
            return Err(Failure::failed(format!(
                "the data have a label {label}, but the model knows {classes} classes"
            )));
        }
        let mut confusion = vec![vec![0; classes]; classes];
        let mut sum = 0.0;
        for (s, (&label, found)) in labels.iter().zip(most_probable(log_p)).enumerate() {
            confusion[label as usize][found] += 1;
            sum += f64::from(log_p.row(s)[label as usize]);
        }
        let right: usize = (0..classes).map(|y| confusion[y][y]).sum();
        Ok(Self {
            count: labels.len(),
            wrong: labels.len() - right,
            mean_log_probability: sum / labels.len().max(1) as f64,
            confusion,
            split,
        })
    }

    /// Share of wrong classes.
    pub fn error(&self) -> f64 {
        self.wrong as f64 / self.count.max(1) as f64
    }

    /// What reports tell.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        let (count, split) = (self.count, self.split.name());
        figures.put("count", count).put("split", split);
        figures
            .put("wrong", self.wrong)
            .put("confusion", self.confusion.clone());
        figures.put("error", self.error()).row(
            &format!("{split} error"),
            format!("{:.2} %", 100.0 * self.error()),
            format!("{} of {count} wrong", self.wrong),
        );
        let mean = self.mean_log_probability;
        figures.put("mean_log_probability", mean);
        figures.row("ln p(label)", format!("{mean:.4} nats"), "mean");
        figures
    }

    /// With a row a label, by the names of the classes: how often each class was found for it.
    pub fn with_confusion(&self, names: &[String]) -> Figures {
        let mut figures = self.figures();
        let widest = self.confusion.iter().flatten().max().unwrap_or(&0);
        let width = widest.to_string().len();
        for (name, counts) in names.iter().zip(&self.confusion) {
            let cells: Vec<String> = counts.iter().map(|n| format!("{n:>width$}")).collect();
            figures.row(&format!("label {name}"), cells.join(" "), "");
        }
        figures
    }
}
