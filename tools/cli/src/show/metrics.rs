//! What is watched while a machine learns, as rows of `metrics.csv`.

use crate::failure::{Failure, Outcome, note};
use harmonium::{Error, checkpoint::write_atomically};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How a figure is written.
#[derive(Clone, Copy, Debug)]
pub enum Digits {
    /// So many after the point.
    Fixed(usize),
    /// The same of a number with an exponent.
    Exponent(usize),
}

impl Digits {
    fn text(self, x: f64) -> String {
        match self {
            Self::Fixed(n) => format!("{x:.n$}"),
            Self::Exponent(n) => format!("{x:.n$e}"),
        }
    }
}

/// A figure that is watched.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the file.
    name: &'static str,
    digits: Digits,
    /// Progress and curves show so many times as much: percents.
    scale: f64,
    /// What progress says before it, and after it.
    told: Option<(&'static str, Digits, &'static str)>,
    /// The panel of its curve, and the name of the curve there.
    curve: Option<(&'static str, &'static str)>,
}

impl Column {
    /// Of the file alone.
    pub const fn new(name: &'static str, digits: Digits) -> Self {
        Self {
            name,
            digits,
            scale: 1.0,
            told: None,
            curve: None,
        }
    }

    /// Shown as percents.
    pub const fn percent(mut self) -> Self {
        self.scale = 100.0;
        self
    }

    /// Progress tells it too.
    pub const fn told(mut self, name: &'static str, digits: Digits, unit: &'static str) -> Self {
        self.told = Some((name, digits, unit));
        self
    }

    /// There is a curve of it.
    pub const fn drawn(mut self, panel: &'static str, curve: &'static str) -> Self {
        self.curve = Some((panel, curve));
        self
    }
}

/// The figures after an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The name of the stage, of a run that has several.
    pub stage: String,
    /// Epochs of the stage that are done.
    pub epoch: usize,
    /// Seconds of training since the start of the run, without measuring and writing.
    pub seconds: f64,
    /// Of the epoch's last update.
    pub learning_rate: f64,
    /// Those of the columns.
    pub figures: Vec<Option<f64>>,
}

/// What the rows of a kind of machine hold.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Whether runs have stages.
    pub is_staged: bool,
    /// The figures.
    pub columns: &'static [Column],
}

/// A panel of curves: what it measures, and names and points of the curves.
pub type Curves<'a> = (&'static str, Vec<(&'a str, Vec<(f64, f64)>)>);

impl Table {
    fn header(&self) -> String {
        let names = self
            .columns
            .iter()
            .map(|column| format!(",{}", column.name));
        let stage = if self.is_staged { "stage," } else { "" };
        format!(
            "{stage}epoch,seconds,learning_rate{}",
            names.collect::<String>()
        )
    }

    fn line(&self, row: &Row) -> String {
        let stage = match self.is_staged {
            true => format!("{},", row.stage),
            false => String::new(),
        };
        let figures = self.columns.iter().zip(&row.figures);
        let figures = figures.map(|(column, x)| match x {
            Some(x) => format!(",{}", column.digits.text(*x)),
            None => ",".into(),
        });
        format!(
            "{stage}{},{:.3},{}{}",
            row.epoch,
            row.seconds,
            row.learning_rate as f32,
            figures.collect::<String>()
        )
    }

    /// `None` for a line that is no row of figures.
    fn parse(&self, line: &str) -> Option<Row> {
        let mut fields = line.split(',');
        let row = Row {
            stage: match self.is_staged {
                true => fields.next()?.into(),
                false => String::new(),
            },
            epoch: fields.next()?.parse().ok()?,
            seconds: fields.next()?.parse().ok()?,
            learning_rate: fields.next()?.parse().ok()?,
            figures: Vec::new(),
        };
        let figures = fields.map(|text| match text {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        });
        let figures: Vec<Option<f64>> = figures.collect::<Option<_>>()?;
        (figures.len() == self.columns.len()).then_some(Row { figures, ..row })
    }

    /// The figures in one line.
    pub fn told(&self, figures: &[Option<f64>]) -> String {
        let all = self.columns.iter().zip(figures);
        let texts = all.filter_map(|(column, x)| {
            let (name, digits, unit) = column.told?;
            let x = digits.text(column.scale * (*x)?);
            Some(format!("{name}{x}{unit}"))
        });
        texts.collect::<Vec<_>>().join("  ")
    }

    /// The panels of the curves of `rows`. A stage has its color in all panels: where it has no
    /// points it is there without a name.
    pub fn panels<'a>(&self, rows: &'a [Row]) -> Vec<Curves<'a>> {
        let mut stages: Vec<&str> = Vec::new();
        for row in rows {
            if stages.last() != Some(&row.stage.as_str()) {
                stages.push(&row.stage);
            }
        }
        let curves = |value: &dyn Fn(&Row) -> Option<f64>, name: &'static str| {
            let of_stage = |stage: &&'a str| {
                let rows = rows.iter().filter(|row| row.stage == *stage);
                let points = rows.filter_map(|row| Some((row.epoch as f64, value(row)?)));
                let points: Vec<_> = points.collect();
                let name = if self.is_staged { *stage } else { name };
                (if points.is_empty() { "" } else { name }, points)
            };
            stages.iter().map(of_stage).collect::<Vec<_>>()
        };
        let mut panels: Vec<Curves<'a>> = Vec::new();
        for (k, column) in self.columns.iter().enumerate() {
            let Some((panel, name)) = column.curve else {
                continue;
            };
            let found = curves(&|row| row.figures[k].map(|x| column.scale * x), name);
            if found.iter().all(|(_, points)| points.is_empty()) {
                continue;
            }
            match panels.iter_mut().find(|(label, _)| *label == panel) {
                Some((_, all)) => all.extend(found),
                None => panels.push((panel, found)),
            }
        }
        panels.push(("learning rate", curves(&|row| Some(row.learning_rate), "")));
        for (_, all) in panels.iter_mut().filter(|_| !self.is_staged) {
            if let [(name, _)] = &mut all[..] {
                *name = "";
            }
        }
        panels
    }
}

/// `metrics.csv` and its rows. A row that cannot be written, on a full disk perhaps, does not end
/// the run: the machine is worth more than its figures. Each further row tries to write all of
/// them, and so does the end of the run.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    table: Table,
    file: File,
    rows: Vec<Row>,
    /// Why the file lacks rows, if it does.
    lacks: Option<Error>,
    /// Whether the user knows.
    is_told: bool,
}

impl Metrics {
    /// Starts the file at `path` anew; if `resumed`, with the rows that are there and are to be
    /// `kept`.
    pub fn open(
        path: &Path,
        table: Table,
        resumed: bool,
        kept: impl Fn(&Row) -> bool,
    ) -> Outcome<Self> {
        let mut rows: Vec<Row> = Vec::new();
        if resumed {
            match fs::read_to_string(path) {
                Ok(text) => {
                    let known = text.lines().filter_map(|line| table.parse(line));
                    rows.extend(known.filter(kept));
                }
                // A run can go on without the figures of its past.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io(path, "read", e).into()),
            }
        }
        let file = written(path, &table, &rows)?;
        Ok(Self {
            path: path.to_owned(),
            table,
            file,
            rows,
            lacks: None,
            is_told: false,
        })
    }

    /// Adds a row to the file. Says so, once, if it cannot be written.
    pub fn push(&mut self, row: Row) {
        let line = self.table.line(&row) + "\n";
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
        match written(&self.path, &self.table, &self.rows) {
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

    /// What its rows hold.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// All rows, in the order of epochs.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// The file at `path` with `rows`, whole or not at all, to be added to.
fn written(path: &Path, table: &Table, rows: &[Row]) -> Result<File, Error> {
    let mut text = table.header() + "\n";
    for row in rows {
        text.push_str(&table.line(row));
        text.push('\n');
    }
    write_atomically(path, text.as_bytes())?;
    let file = OpenOptions::new().append(true).open(path);
    file.map_err(|e| Error::io(path, "open", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("speed", Digits::Fixed(3)).told("", Digits::Fixed(1), " GCU/s"),
        Column::new("error", Digits::Fixed(8))
            .percent()
            .told("error ", Digits::Fixed(2), " %")
            .drawn("error (%)", "training"),
        Column::new("gradient", Digits::Exponent(6)),
        Column::new("held_out", Digits::Fixed(6)).drawn("error (%)", "held out"),
    ];
    const PLAIN: Table = Table {
        is_staged: false,
        columns: COLUMNS,
    };
    const STAGED: Table = Table {
        is_staged: true,
        ..PLAIN
    };

    fn row(epoch: usize) -> Row {
        Row {
            epoch,
            seconds: 1.5,
            learning_rate: 0.125,
            figures: vec![Some(20.25), Some(0.0625), Some(2.5e-4), None],
            ..Row::default()
        }
    }

    #[cfg(target_os = "linux")] // for /dev/full
    #[test]
    fn rows_that_cannot_be_written_are_kept_and_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let parent = directory.path().join("run");
        fs::create_dir(&parent).unwrap();
        let path = parent.join("metrics.csv");
        let mut metrics = Metrics::open(&path, PLAIN, false, |_| true).unwrap();
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
        let rows: Vec<Row> = text
            .lines()
            .skip(1)
            .filter_map(|x| PLAIN.parse(x))
            .collect();
        assert_eq!(rows, (1..=5).map(row).collect::<Vec<_>>());
        assert_eq!(metrics.rows(), rows);
    }

    #[test]
    fn lines_round_trip_and_others_are_no_rows() {
        assert_eq!(
            PLAIN.line(&row(3)),
            "3,1.500,0.125,20.250,0.06250000,2.500000e-4,"
        );
        assert_eq!(PLAIN.parse(&PLAIN.line(&row(3))), Some(row(3)));
        let staged = Row {
            stage: "layer 2".into(),
            ..row(3)
        };
        assert_eq!(STAGED.parse(&STAGED.line(&staged)), Some(staged));
        let others = [
            "",
            "1,2,3",
            "1,2,3,4,5,6",
            "1,2,3,4,5,6,7,8",
            "x,2,3,4,5,6,",
        ];
        for line in others.into_iter().chain([PLAIN.header().as_str()]) {
            assert_eq!(PLAIN.parse(line), None, "{line}");
        }
        for line in [
            "layer 1,x,2,3,4,5,6,",
            "layer 1,1,2,3,4,,x,",
            "layer 1,1,2,3,4,,",
        ] {
            assert_eq!(STAGED.parse(line), None, "{line}");
        }
    }

    #[test]
    fn progress_and_curves_show_their_columns() {
        assert_eq!(PLAIN.told(&row(1).figures), "20.2 GCU/s  error 6.25 %");
        let rows = [row(1), row(2)];
        let labels = |table: Table| -> Vec<&str> {
            table
                .panels(&rows)
                .iter()
                .map(|(label, _)| *label)
                .collect()
        };
        assert_eq!(labels(PLAIN), ["error (%)", "learning rate"]);
        let of_stage = |name: &str, k| Row {
            stage: name.into(),
            ..row(k)
        };
        let rows = [of_stage("a", 1), of_stage("a", 2), of_stage("b", 1)];
        let panels = STAGED.panels(&rows);
        let points: Vec<usize> = panels[0].1.iter().map(|(_, x)| x.len()).collect();
        assert_eq!(points, [2, 1]);
        assert_eq!(panels[0].1[0], ("a", vec![(1.0, 6.25), (2.0, 6.25)]));
    }
}
