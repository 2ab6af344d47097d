//! What is watched while a machine learns, as rows of `metrics.csv`.

use crate::failure::{Failure, Outcome, note};
use harmonium::{Error, checkpoint::write_atomically};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A line of a `metrics.csv`.
pub trait Record: Sized {
    /// The names of the columns.
    const HEADER: &'static str;
    /// The line without its end.
    fn line(&self) -> String;
    /// `None` for a line that is no row of figures.
    fn parse(line: &str) -> Option<Self>;
}

/// The figures after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Epochs done.
    pub epoch: usize,
    /// Seconds of training since the start of the run, without measuring and writing.
    pub seconds: f64,
    /// Of the epoch's last update.
    pub learning_rate: f64,
    /// Connection updates a second in this epoch, 10^9.
    pub gcu_per_second: f64,
    /// Of a part of the training examples.
    pub reconstruction_error: f64,
    /// Stochastic, of a part of the training examples, in nats; for Bernoulli units alone.
    pub pseudo_likelihood: Option<f64>,
    /// Between held-out and training examples, in nats, if examples are held out.
    pub free_energy_gap: Option<f64>,
}

impl Record for Row {
    const HEADER: &'static str = "epoch,seconds,learning_rate,gcu_per_second,reconstruction_error,pseudo_likelihood,free_energy_gap";

    fn line(&self) -> String {
        let optional = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:.6}"));
        format!(
            "{},{:.3},{},{:.3},{:.8},{},{}",
            self.epoch,
            self.seconds,
            self.learning_rate as f32,
            self.gcu_per_second,
            self.reconstruction_error,
            optional(self.pseudo_likelihood),
            optional(self.free_energy_gap),
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        let epoch = fields.next()?.parse().ok()?;
        let mut number = || fields.next()?.parse().ok();
        let row = Self {
            epoch,
            seconds: number()?,
            learning_rate: number()?,
            gcu_per_second: number()?,
            reconstruction_error: number()?,
            pseudo_likelihood: None,
            free_energy_gap: None,
        };
        let mut optional = || match fields.next()? {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        let (pseudo_likelihood, free_energy_gap) = (optional()?, optional()?);
        fields.next().is_none().then_some(Self {
            pseudo_likelihood,
            free_energy_gap,
            ..row
        })
    }
}

/// `metrics.csv` and its rows. A row that cannot be written, on a full disk perhaps, does not end
/// the run: the machine is worth more than its figures. Each further row tries to write all of
/// them, and so does the end of the run.
#[derive(Debug)]
pub struct Metrics<R> {
    path: PathBuf,
    file: File,
    rows: Vec<R>,
    /// Why the file lacks rows, if it does.
    lacks: Option<Error>,
    /// Whether the user knows.
    is_told: bool,
}

impl<R: Record> Metrics<R> {
    /// Starts the file at `path` anew; if `resumed`, with the rows that are there and are to be
    /// `kept`.
    pub fn open(path: &Path, resumed: bool, kept: impl Fn(&R) -> bool) -> Outcome<Self> {
        let mut rows: Vec<R> = Vec::new();
        if resumed {
            match fs::read_to_string(path) {
                Ok(text) => {
                    let known = text.lines().filter_map(R::parse);
                    rows.extend(known.filter(kept));
                }
                // A run can go on without the figures of its past.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io(path, "read", e).into()),
            }
        }
        let file = written(path, &rows)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            rows,
            lacks: None,
            is_told: false,
        })
    }

    /// Adds a row to the file. Says so, once, if it cannot be written.
    pub fn push(&mut self, row: R) {
        let line = row.line() + "\n";
        self.rows.push(row);
        if self.lacks.is_some() {
            self.write_all();
        } else if let Err(e) = self.file.write_all(line.as_bytes()) {
            self.lacks = Some(Error::io(&self.path, "write", e));
        }
        if let Some(why) = self.lacks.as_ref().filter(|_| !self.is_told) {
            note(format!(
                "{why}; the run goes on, and its rows are tried again"
            ));
            self.is_told = true;
        }
    }

    fn write_all(&mut self) {
        match written(&self.path, &self.rows) {
            Ok(file) => (self.file, self.lacks) = (file, None),
            Err(why) => self.lacks = Some(why),
        }
    }

    /// The end of a run: tries once more to write what the file lacks.
    ///
    /// # Errors
    /// It still lacks rows.
    pub fn settle(&mut self) -> Outcome<()> {
        if self.lacks.is_some() {
            self.write_all();
        }
        match &self.lacks {
            None => Ok(()),
            Some(why) => Err(Failure::failed(format!(
                "{why}: rows are missing there; the model is saved"
            ))),
        }
    }

    /// All rows, in the order of epochs.
    pub fn rows(&self) -> &[R] {
        &self.rows
    }
}

/// The file at `path` with `rows`, whole or not at all, to be added to.
fn written<R: Record>(path: &Path, rows: &[R]) -> Result<File, Error> {
    let mut text = format!("{}\n", R::HEADER);
    for row in rows {
        text.push_str(&row.line());
        text.push('\n');
    }
    write_atomically(path, text.as_bytes())?;
    let file = OpenOptions::new().append(true).open(path);
    file.map_err(|e| Error::io(path, "open", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: usize) -> Row {
        Row {
            epoch,
            seconds: 1.5,
            learning_rate: 0.125,
            gcu_per_second: 20.25,
            reconstruction_error: 0.0625,
            pseudo_likelihood: None,
            free_energy_gap: None,
        }
    }

    #[cfg(target_os = "linux")] // for /dev/full
    #[test]
    fn rows_that_cannot_be_written_are_kept_and_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let parent = directory.path().join("run");
        fs::create_dir(&parent).unwrap();
        let path = parent.join("metrics.csv");
        let mut metrics = Metrics::open(&path, false, |_| true).unwrap();
        metrics.push(row(1));
        assert!(metrics.settle().is_ok());
        metrics.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        metrics.push(row(2));
        // Neither to the end of the file nor anew.
        fs::remove_dir_all(&parent).unwrap();
        metrics.push(row(3));
        let failure = format!("{:?}", metrics.settle().unwrap_err());
        assert!(failure.contains("metrics.csv") && failure.contains("the model is saved"));
        fs::create_dir(&parent).unwrap();
        metrics.push(row(4));
        metrics.push(row(5));
        assert!(metrics.settle().is_ok());
        let text = fs::read_to_string(&path).unwrap();
        let rows: Vec<Row> = text.lines().skip(1).filter_map(Row::parse).collect();
        assert_eq!(rows, (1..=5).map(row).collect::<Vec<_>>());
        assert_eq!(metrics.rows(), rows);
    }

    #[test]
    fn lines_round_trip_and_others_are_no_rows() {
        for (pseudo_likelihood, free_energy_gap) in
            [(Some(-80.5), None), (None, Some(-0.25)), (None, None)]
        {
            let row = Row {
                epoch: 3,
                seconds: 1.5,
                learning_rate: 0.125,
                gcu_per_second: 20.25,
                reconstruction_error: 0.0625,
                pseudo_likelihood,
                free_energy_gap,
            };
            assert_eq!(Row::parse(&row.line()), Some(row));
        }
        for line in [
            "",
            Row::HEADER,
            "1,2,3",
            "1,2,3,4,5,6",
            "1,2,3,4,5,6,,",
            "x,2,3,4,5,6,",
        ] {
            assert_eq!(Row::parse(line), None, "{line}");
        }
    }
}
