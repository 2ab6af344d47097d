//! How a case is measured: the clock of calls and epochs, and the rows that it tells.

use super::{
    ceiling::Ceiling,
    report::Row,
    timing::{median_seconds, taken},
};
use harmonium::{
    Result,
    dataset::Examples,
    train::{Learner, Run},
};

/// What sets a case up, measures it and tells its rows.
pub(super) type Measure<'a> = Box<dyn Fn(&Timer<'_>) -> Result<Vec<Row>> + Sync + 'a>;
/// A case and its section.
pub(super) type Case<'a> = (&'static str, Measure<'a>);

/// What a call does.
pub(super) enum Work {
    /// Connection updates.
    Updates(usize),
    /// Elements that it goes through.
    Elements(usize),
    /// It depends.
    Some,
}

/// How a case is measured.
pub(super) struct Timer<'a> {
    pub(super) section: &'static str,
    pub(super) seconds: f64,
    /// Those that the case has.
    pub(super) threads: usize,
    /// Of as many threads; none in sections that compare with none.
    pub(super) ceiling: Option<&'a Ceiling>,
}

impl Timer<'_> {
    pub(super) fn ceiling(&self) -> &Ceiling {
        self.ceiling.expect("measured for sections of rates")
    }

    /// The median of calls and its spread, times `scale`, in `unit`.
    pub(super) fn in_unit(
        &self,
        name: impl Into<String>,
        (scale, unit): (f64, &'static str),
        mut call: impl FnMut() -> Result<()>,
    ) -> Result<Row> {
        let [taken] = taken(self.seconds, [&mut call])?;
        Ok(Row {
            median: Some(scale * taken.median),
            spread: Some(taken.spread),
            unit: Some(unit),
            ..Row::new(self.section, name, self.threads)
        })
    }

    /// The median of calls.
    pub(super) fn rows(
        &self,
        name: &str,
        work: &Work,
        mut call: impl FnMut() -> Result<()>,
    ) -> Result<Vec<Row>> {
        let [time] = median_seconds(self.seconds, [&mut call])?;
        let row = Row {
            seconds: Some(time),
            ..Row::new(self.section, name, self.threads)
        };
        Ok(vec![match *work {
            Work::Updates(n) => self.ceiling().row(self.section, name, time, n as f64),
            Work::Elements(n) => Row {
                nanoseconds_per_element: Some(time * 1e9 / n as f64),
                ..row
            },
            Work::Some => row,
        }])
    }

    /// The median of epochs.
    pub(super) fn epochs<L: Learner>(
        &self,
        name: &str,
        work: &Work,
        run: &mut Run<L>,
        data: &Examples,
    ) -> Result<Vec<Row>> {
        let batches = run.position().batches;
        let epoch = || (0..batches).try_for_each(|_| run.update(data).map(drop));
        self.rows(name, work, epoch)
    }
}
