//! Exact sums over the states of a general machine, in f64, by the walks of [`super::walk`].

use super::{
    BoltzmannMachine, append,
    walk::{BoltzmannExpectations, Joint, Walk},
};
use crate::{
    dataset::Rows,
    error::{Error, Result},
    model::exact::driver,
    progress::Progress,
    states::Input,
    threads::{in_pool, prelude::*},
};

/// Most units of a table with an entry for each of their states.
const MAX_TABLE_UNITS: usize = 26;

fn check_table(what: &str, states: f64) -> Result<()> {
    if states > (MAX_TABLE_UNITS as f64).exp2() {
        let most = format!("at most 2^{MAX_TABLE_UNITS} states");
        return Err(Error::parameter(
            what,
            most,
            format!("2^{:.1}", states.log2()),
        ));
    }
    Ok(())
}

impl BoltzmannMachine {
    /// Exact `ln Z` at inverse temperature `beta`. Error: rounding of f64, in practice below 1e-10.
    /// Cost: `2^k` states of some `units` additions and an exponential for each unit that is not
    /// enumerated, where `k` units remain beside a set without couplings among themselves (the
    /// smaller layer of an RBM; all units but one of a fully connected machine).
    ///
    /// # Errors
    /// [`Error::Parameter`] if more states than
    /// `2^`[`MAX_EXACT_UNITS`](crate::model::MAX_EXACT_UNITS) are to be enumerated; those of
    /// [`Self::check`]; [`Error::Stopped`] if `progress` breaks.
    pub fn log_z_at(&self, beta: f64, progress: &mut dyn Progress) -> Result<f64> {
        Joint::of(self, beta)?.log_z(progress)
    }

    /// Exact `ln Z`.
    ///
    /// # Errors
    /// As [`Self::log_z_at`].
    pub fn log_z(&self, progress: &mut dyn Progress) -> Result<f64> {
        self.log_z_at(1.0, progress)
    }

    /// How many units enumeration walks: `2^k` states for [`Self::log_z`] and
    /// [`Self::expectations`], and `2^l` for each row of [`Self::free_energy`]; both in `(k, l)`. A
    /// softmax group of `K` units counts `log2 K`, and their sum is rounded up. Either must be at
    /// most [`MAX_EXACT_UNITS`](crate::model::MAX_EXACT_UNITS). Cost: `units^2` for each walked
    /// unit.
    ///
    /// # Errors
    /// Those of [`Self::check`].
    pub fn enumerated_units(&self) -> Result<(usize, usize)> {
        let joint = Joint::of(self, 1.0)?;
        let n = self.n_visible();
        let hidden = joint.given(|i| i < n, &vec![0.0; self.units()])?;
        Ok((joint.walked_units(), hidden.walked_units()))
    }

    /// Exact expectations of all units and pairs. Cost: `units^2` additions a state beside that of
    /// [`Self::log_z_at`].
    ///
    /// # Errors
    /// As [`Self::log_z_at`].
    pub fn expectations(&self, progress: &mut dyn Progress) -> Result<BoltzmannExpectations> {
        Joint::of(self, 1.0)?.expectations(progress)
    }

    /// Exact expectations given that some units are held: `held[i]` is the value of unit `i`,
    /// `None` if it is free. Held units have their values as means; `log_z` is `ln sum e^-E` over
    /// the free units. With all visible units held this is the posterior, and `-log_z` the free
    /// energy.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is an entry for every unit; [`Error::Parameter`] for a softmax
    /// group that is held in part; those of [`Self::log_z_at`] for the free units.
    pub fn expectations_given(
        &self,
        held: &[Option<bool>],
        progress: &mut dyn Progress,
    ) -> Result<BoltzmannExpectations> {
        let n = self.units();
        if held.len() != n {
            return Err(Error::shape("held units", n, held.len()));
        }
        let values: Vec<f64> = held
            .iter()
            .map(|x| f64::from(u8::from(x.unwrap_or(false))))
            .collect();
        let given = Joint::of(self, 1.0)?.given(|i| held[i].is_some(), &values)?;
        let of_free = given.expectations(progress)?;
        let free: Vec<usize> = (0..n).filter(|&i| held[i].is_none()).collect();
        let mut means = values;
        for (&i, mean) in free.iter().zip(&of_free.means) {
            means[i] = *mean;
        }
        let mut pairs: Vec<f64> = (0..n * n).map(|k| means[k / n] * means[k % n]).collect();
        for (a, &i) in free.iter().enumerate() {
            for (b, &j) in free.iter().enumerate() {
                pairs[i * n + j] = of_free.pairs[a * free.len() + b];
            }
        }
        Ok(BoltzmannExpectations {
            log_z: of_free.log_z,
            means,
            pairs,
        })
    }

    /// `F(v) = -ln sum_h e^(-beta E(v, h))` of each row, in f64: in closed form where hidden units
    /// are not coupled, else by enumeration of those that remain beside a set without couplings.
    /// Rows in parallel.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `v` has the machine's visible units; those of [`Self::log_z_at`] for
    /// the hidden units.
    pub fn free_energy<'a>(&self, v: impl Into<Input<'a>>, beta: f64) -> Result<Vec<f64>> {
        let v = v.into();
        let n = self.n_visible();
        if v.columns() != n {
            return Err(Error::shape("units of the input", n, v.columns()));
        }
        let joint = Joint::of(self, beta)?;
        let of_row = |s| {
            let mut x = Vec::with_capacity(n);
            append(&mut x, v, s);
            x.resize(self.units(), 0.0);
            Ok(-joint.given(|i| i < n, &x)?.log_z_alone()?)
        };
        in_pool(|| (0..v.rows()).into_par_iter().map(of_row).collect())
    }

    /// `ln sum e^-E` over the missing and the hidden units of each row, so that `ln p(v_observed)`
    /// is this less `ln Z`; of complete rows `-F(v)`.
    ///
    /// # Errors
    /// As [`Self::free_energy`], for all units that are not observed.
    pub fn log_sums_over_missing<'a>(&self, rows: impl Into<Rows<'a>>) -> Result<Vec<f64>> {
        let rows = rows.into();
        let (v, n) = (rows.input(), self.n_visible());
        let Some(observed) = rows.observed() else {
            let free = self.free_energy(v, 1.0)?;
            return Ok(free.into_iter().map(|f| -f).collect());
        };
        let found = [v.columns(), observed.columns()];
        if found != [n, n] {
            return Err(Error::shape("units of the input", n, format!("{found:?}")));
        }
        let joint = Joint::of(self, 1.0)?;
        let of_row = |s: usize| {
            let is_held = |i: usize| i < n && observed.get(s, i);
            let value = |i: usize| {
                if is_held(i) {
                    f64::from(v.get(s, i))
                } else {
                    0.0
                }
            };
            let x: Vec<f64> = (0..self.units()).map(value).collect();
            joint.given(is_held, &x)?.log_z(&mut ())
        };
        in_pool(|| (0..v.rows()).into_par_iter().map(of_row).collect())
    }

    /// `ln p(v) = -F(v) - ln Z` of each row.
    ///
    /// # Errors
    /// As [`Self::free_energy`] and [`Self::log_z_at`].
    pub fn exact_log_p_v<'a>(
        &self,
        v: impl Into<Input<'a>>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let mut all = self.free_energy(v, 1.0)?;
        let log_z = self.log_z(progress)?;
        all.iter_mut().for_each(|f| *f = -*f - log_z);
        Ok(all)
    }

    /// `p(v)` at `beta` of all visible states, in the order of their index
    /// ([`Layer::state`](crate::Layer::state)): bit `i` of the index is unit `i` of Bernoulli
    /// units.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 2^26 visible states; those of [`Self::log_z_at`] for the
    /// hidden units.
    pub fn visible_distribution(&self, beta: f64, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        let (n, states) = (self.n_visible(), self.visible_states());
        check_table("visible distribution", states)?;
        let joint = Joint::of(self, beta)?;
        let of_state = |state: u64| {
            let mut x: Vec<f64> = self
                .visible
                .state(state)
                .into_iter()
                .map(f64::from)
                .collect();
            x.resize(self.units(), 0.0);
            joint.given(|i| i < n, &x)?.log_z_alone()
        };
        let log_p = driver::by_block(states as u64, of_state, progress)?;
        let log_p: Result<Vec<f64>> = log_p.into_iter().collect();
        Ok(driver::normalized(log_p?))
    }

    fn visible_states(&self) -> f64 {
        self.visible.states().unwrap_or(f64::INFINITY)
    }

    /// States of all units.
    pub(in crate::model) fn states(&self) -> f64 {
        self.visible_states() * (self.n_hidden() as f64).exp2()
    }

    /// The visible state of number `index` of [`Self::joint_distribution`], and a bit for each
    /// hidden unit.
    pub(in crate::model) fn state(&self, index: u64) -> (Vec<f32>, u64) {
        let states = self.visible_states() as u64;
        (self.visible.state(index % states), index / states)
    }

    /// `p(v, h)` at `beta` of all states of all units: a number whose lowest digits are the index
    /// of the visible state, and the others a bit a hidden unit.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 2^26 states; those of [`Self::check`].
    pub fn joint_distribution(&self, beta: f64, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        check_table("joint distribution", self.states())?;
        driver::distribution(&Walk::of_all(Joint::of(self, beta)?), progress)
    }
}
