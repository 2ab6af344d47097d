//! What an RBM says of examples of which some values are missing: exact, by enumeration.
//!
//! Given the observed units `v_o`, the missing ones `v_m` and the hidden ones are an RBM of their
//! own, with the weights of the missing units and the hidden biases `c + W_o' v~_o`:
//!
//! ```text
//! ln sum_{v_m, h} e^(-E(v_o, v_m, h)) = (own term of v_o) + ln Z of that RBM
//! ```
//!
//! `v~` is what a unit sends, see [`crate::units`]. A Gaussian hidden unit, whose bias is its mean
//! without input, adds `(y^2 - c^2) / (2 s^2)` with its new bias `y`.

use super::{Rbm, for_each_sent};
use crate::{
    bits::BitView,
    dataset::Rows,
    error::{Error, Result},
    matrix::Matrix,
    model::Layer,
    progress::Progress,
    states::{Input, States},
    units::{Kind, Units},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What a missing value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The unknown state of its unit: the likelihood is that of what was observed, the sum over all
    /// that the rest may be.
    #[default]
    Infer,
    /// No unit at all: the example is one of a smaller RBM, without the missing columns
    /// (Salakhutdinov, Mnih and Hinton 2007). For ratings, of which most are missing because nobody
    /// gave them.
    Absent,
}

/// The RBM of what is not observed, given what is.
#[derive(Clone, Debug)]
pub struct GivenObserved {
    /// Missing visible units and all hidden ones. There is none where all is observed.
    pub rbm: Option<Rbm>,
    /// The numbers of the missing visible units, in order: the visible units of [`Self::rbm`].
    pub units: Vec<usize>,
    /// What `ln sum e^-E` over the rest is more than `ln Z` of [`Self::rbm`].
    pub log_weight: f64,
}

impl Rbm {
    /// The RBM of the visible units `units` alone, in their order, with these hidden biases.
    fn part(&self, units: &[usize], hidden_bias: Vec<f32>) -> Result<Self> {
        self.visible
            .refuse_counts("visible units of which some are missing")?;
        let of = |x: &[f32]| match x.is_empty() {
            true => Vec::new(),
            false => units.iter().map(|&i| x[i]).collect(),
        };
        let kinds = chosen(&self.visible.units, units)?;
        let visible = Layer {
            length: None,
            bias: of(&self.visible.bias),
            log_variance: match kinds.have(Kind::Gaussian) {
                true => of(&self.visible.log_variance),
                false => Vec::new(),
            },
            units: kinds,
        };
        let hidden = Layer {
            bias: hidden_bias,
            ..self.hidden.clone()
        };
        let weights = Matrix::from_fn(units.len(), self.n_hidden(), |k, j| {
            self.weights().row(units[k])[j]
        });
        Self::from_parameters([visible, hidden], [weights])
    }

    /// The machine without the visible units that row `row` of `observed` has not: that of
    /// [`Missing::Absent`].
    ///
    /// # Errors
    /// [`Error::Parameter`] if no unit is left, or part of a softmax group; [`Error::Shape`] for a
    /// mask of another width.
    pub fn without_missing(&self, observed: BitView<'_>, row: usize) -> Result<Self> {
        self.check_mask(observed)?;
        let units: Vec<usize> = observed.ones(row).collect();
        if units.is_empty() {
            let what = format!("observed values of row {row}");
            return Err(Error::parameter(what, "at least one", 0));
        }
        self.part(&units, self.hidden.bias.clone())
    }

    /// The RBM of what row `row` of `observed` has not, given the observed values of that row of
    /// `v`. New biases are sums in f64, rounded to f32.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both have the machine's visible units; [`Error::Parameter`] where a
    /// part of a softmax group is missing.
    pub fn given_observed(
        &self,
        v: Input<'_>,
        observed: BitView<'_>,
        row: usize,
    ) -> Result<GivenObserved> {
        self.check_mask(observed)?;
        let units: Vec<usize> = (0..self.n_visible())
            .filter(|&i| !observed.get(row, i))
            .collect();
        self.given_all_but(&units, v, row, &|i| observed.get(row, i))
    }

    /// The RBM of `units` given those others for which `is_known`.
    pub(super) fn given_all_but(
        &self,
        units: &[usize],
        v: Input<'_>,
        row: usize,
        is_known: &dyn Fn(usize) -> bool,
    ) -> Result<GivenObserved> {
        if v.columns() != self.n_visible() {
            let (expected, found) = (self.n_visible(), v.columns());
            return Err(Error::shape("units of the input", expected, found));
        }
        let known = self.known(v, row, is_known);
        let view = known.view();
        let mut input: Vec<f64> = self.hidden.bias.iter().map(|&c| f64::from(c)).collect();
        for_each_sent(&self.visible, view, 0, |i, x| {
            for (y, &w) in input.iter_mut().zip(self.weights().row(i)) {
                *y += x * f64::from(w);
            }
        });
        // Gaussian units are their distance from their biases, which those that are not known have
        // not.
        let mut log_weight = self.visible.own_term(view, 0);
        for s in self.visible.units.segments() {
            for i in s
                .range()
                .filter(|&i| s.kind == Kind::Gaussian && !is_known(i))
            {
                let b = f64::from(self.visible.bias[i]);
                log_weight += 0.5 * b * b * self.visible.precision(i);
            }
        }
        if units.is_empty() {
            log_weight += self.hidden.log_partition(&input, 1.0);
            return Ok(GivenObserved {
                rbm: None,
                units: Vec::new(),
                log_weight,
            });
        }
        for s in self.hidden.units.segments() {
            for j in s.range().filter(|_| s.kind == Kind::Gaussian) {
                let (y, c) = (input[j], f64::from(self.hidden.bias[j]));
                log_weight += 0.5 * (y * y - c * c) * self.hidden.precision(j);
            }
        }
        let bias = input.into_iter().map(|x| x as f32).collect();
        Ok(GivenObserved {
            rbm: Some(self.part(units, bias)?),
            units: units.to_vec(),
            log_weight,
        })
    }

    /// Row `row` of `v`, zero where it is not known.
    fn known(&self, v: Input<'_>, row: usize, is_known: &dyn Fn(usize) -> bool) -> States {
        let of = |_, i: usize| if is_known(i) { v.get(row, i) } else { 0.0 };
        States::Real(Matrix::from_fn(1, self.n_visible(), of))
    }

    fn check_mask(&self, observed: BitView<'_>) -> Result<()> {
        if observed.columns() == self.n_visible() {
            return Ok(());
        }
        let (expected, found) = (self.n_visible(), observed.columns());
        Err(Error::shape("columns of the mask", expected, found))
    }

    /// `ln sum e^-E` over the missing and the hidden units of each row, so that `ln p(v_observed)`
    /// is this less `ln Z`; of complete rows `-F(v)`. Every sum is in f64 but the hidden biases of
    /// [`Self::given_observed`]. Cost: for each row with missing values the enumeration of these or
    /// of the hidden units, whichever are fewer.
    ///
    /// # Errors
    /// Those of [`Self::given_observed`] and [`Self::log_z`].
    pub fn log_sums_over_missing<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let rows = rows.into();
        let v = rows.input();
        let Some(observed) = rows.observed() else {
            let free = self.exact_free_energies(v)?;
            return Ok(free.into_iter().map(|f| -f).collect());
        };
        let of_row = |row: usize| {
            let given = self.given_observed(v, observed, row)?;
            let log_z = given.rbm.map_or(Ok(0.0), |rbm| rbm.log_z(&mut ()))?;
            Ok(given.log_weight + log_z)
        };
        self.each_row(v, of_row, progress)
    }

    fn each_row(
        &self,
        v: Input<'_>,
        of_row: impl Fn(usize) -> Result<f64>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let mut out = Vec::with_capacity(v.rows());
        for row in 0..v.rows() {
            out.push(of_row(row)?);
            progress.check(row + 1, v.rows())?;
        }
        Ok(out)
    }

    /// Exact `ln p(v_observed)` of each row: the sum over what the missing values can be, or
    /// ([`Missing::Absent`]) the likelihood under [`Self::without_missing`], each example under a
    /// machine of its own, with a `ln Z` of its own. A row without any observed value has 0.
    ///
    /// # Errors
    /// As [`Self::log_sums_over_missing`].
    pub fn exact_log_p_observed<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        missing: Missing,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let rows = rows.into();
        let (v, observed) = match (missing, rows.observed()) {
            (Missing::Absent, Some(observed)) => (rows.input(), observed),
            _ => {
                let log_z = self.log_z_of_rows(rows.input(), &mut progress.part(0, 1, 2))?;
                let sums = self.log_sums_over_missing(rows, &mut progress.part(1, 1, 2))?;
                return Ok(sums.into_iter().zip(log_z).map(|(x, z)| x - z).collect());
            }
        };
        self.check_mask(observed)?;
        let mut partitions: HashMap<Vec<usize>, f64> = HashMap::new();
        let mut out = Vec::with_capacity(v.rows());
        for row in 0..v.rows() {
            let units: Vec<usize> = observed.ones(row).collect();
            if units.is_empty() {
                out.push(0.0);
                continue;
            }
            let known = self.given_all_but(&[], v, row, &|i| observed.get(row, i))?;
            let log_z = match partitions.get(&units) {
                Some(log_z) => *log_z,
                None => {
                    let log_z = self.without_missing(observed, row)?.log_z(&mut ())?;
                    *partitions.entry(units).or_insert(log_z)
                }
            };
            out.push(known.log_weight - log_z);
            progress.check(row + 1, v.rows())?;
        }
        Ok(out)
    }
}

/// The kinds of the units `which`, in their order; a softmax group is there as a whole or not.
fn chosen(units: &Units, which: &[usize]) -> Result<Units> {
    let mut all = Units::default();
    for s in units.segments() {
        let n = which.iter().filter(|i| s.range().contains(i)).count();
        if s.kind == Kind::Softmax && n > 0 && n < s.size {
            return Err(Error::parameter(
                format!(
                    "missing units of the softmax group from unit {} on",
                    s.first
                ),
                format!("all {} or none", s.size),
                n,
            ));
        }
        all = all.and(s.kind, n);
    }
    Ok(all)
}
