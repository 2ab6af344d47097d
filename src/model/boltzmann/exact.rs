//! Exact sums over the states of a general machine, in f64.
//!
//! Units no two of which are coupled are independent given the rest, so an independent set of the
//! coupling graph is summed in closed form and only the others are enumerated, in Gray-code order:
//! `Z = sum_s e^(own(s)) prod_i (1 + e^(a_i + A_i s))`. A step adds or subtracts a row of couplings
//! to the inputs of all units; the input of the flipped unit is the change of `own`. Blocks of
//! `2^BLOCK_UNITS` states start from scratch, so rounding does not pile up, and are combined in
//! order, so threads do not change the result. An RBM is enumerated over its smaller layer, a fully
//! connected machine over all units but one.

use super::{BoltzmannMachine, append};
use crate::{
    dataset::Rows,
    error::{Error, Result},
    kernel::{
        reduce::LogSum,
        reference::{sigmoid, softplus},
    },
    model::{
        MAX_EXACT_UNITS,
        exact::driver::{self, BLOCK_UNITS, Enumerated, Sums},
    },
    progress::Progress,
    states::Input,
    threads::{in_pool, prelude::*},
};

/// Most units of a table with an entry for each of their states.
const MAX_TABLE_UNITS: usize = 26;

/// Exact expectations under a general machine, units numbered visible ones first.
#[derive(Clone, Debug)]
pub struct BoltzmannExpectations {
    /// `ln Z`; of expectations given held units, that of the free ones.
    pub log_z: f64,
    /// `E[x_i]`.
    pub means: Vec<f64>,
    /// `E[x_i x_j]`, `[units x units]` row-major; `E[x_i]` on the diagonal.
    pub pairs: Vec<f64>,
}

/// Couplings and biases times `beta` in f64: `-E = constant + a.x + sum_{i<j} A_ij x_i x_j`.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    n: usize,
    /// `[n x n]`
    couplings: Vec<f64>,
    bias: Vec<f64>,
    constant: f64,
}

impl Joint {
    pub(super) fn of(machine: &BoltzmannMachine, beta: f64) -> Result<Self> {
        crate::environment::check()?;
        machine.check()?;
        let n = machine.units();
        let coupling = |k: usize| beta * f64::from(machine.coupling(k / n, k % n));
        Ok(Self {
            n,
            couplings: (0..n * n).map(coupling).collect(),
            bias: (0..n).map(|i| beta * f64::from(machine.bias(i))).collect(),
            constant: 0.0,
        })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.couplings[i * self.n..][..self.n]
    }

    /// The units that are not held, given those that are, at the values `x` (those of free units do
    /// not matter).
    fn given(&self, is_held: impl Fn(usize) -> bool, x: &[f64]) -> Self {
        let free: Vec<usize> = (0..self.n).filter(|&i| !is_held(i)).collect();
        let held: Vec<usize> = (0..self.n).filter(|&i| is_held(i)).collect();
        let sum = |i: usize| held.iter().map(|&j| self.row(i)[j] * x[j]).sum::<f64>();
        // Pairs of held units are met from both sides.
        let own = |&i: &usize| x[i] * (self.bias[i] + 0.5 * sum(i));
        Self {
            n: free.len(),
            couplings: free
                .iter()
                .flat_map(|&i| free.iter().map(move |&j| self.row(i)[j]))
                .collect(),
            bias: free.iter().map(|&i| self.bias[i] + sum(i)).collect(),
            constant: self.constant + held.iter().map(own).sum::<f64>(),
        }
    }

    /// The units in the order in which they are walked: the enumerated ones, of which there are as
    /// many as told, then an independent set, chosen greedily by rising degree.
    fn order(&self) -> Result<(Vec<usize>, usize)> {
        let (order, enumerated) = self.split();
        if enumerated > MAX_EXACT_UNITS {
            return Err(Error::parameter(
                "units to enumerate",
                format!("at most {MAX_EXACT_UNITS} beside a set without couplings"),
                enumerated,
            ));
        }
        Ok((order, enumerated))
    }

    fn split(&self) -> (Vec<usize>, usize) {
        let degree = |i: usize| self.row(i).iter().filter(|a| **a != 0.0).count();
        let mut by_degree: Vec<usize> = (0..self.n).collect();
        by_degree.sort_by_key(|&i| degree(i));
        let mut independent = Vec::new();
        for i in by_degree {
            if independent.iter().all(|&j: &usize| self.row(i)[j] == 0.0) {
                independent.push(i);
            }
        }
        independent.sort_unstable();
        let mut order: Vec<usize> = (0..self.n)
            .filter(|i| independent.binary_search(i).is_err())
            .collect();
        let enumerated = order.len();
        order.extend(independent);
        (order, enumerated)
    }

    fn walk(&self) -> Result<Walk> {
        let (order, enumerated) = self.order()?;
        let n = self.n;
        Ok(Walk {
            n,
            enumerated,
            couplings: (0..n * n)
                .map(|k| self.row(order[k / n])[order[k % n]])
                .collect(),
            bias: order.iter().map(|&i| self.bias[i]).collect(),
            constant: self.constant,
            order,
        })
    }

    fn log_z(&self, progress: &mut dyn Progress) -> Result<f64> {
        driver::log_z(&self.walk()?, progress)
    }

    /// On the calling thread, for many small machines in parallel.
    fn log_z_alone(&self) -> Result<f64> {
        Ok(driver::log_z_alone(&self.walk()?))
    }

    fn expectations(&self, progress: &mut dyn Progress) -> Result<BoltzmannExpectations> {
        let walk = self.walk()?;
        let (log_z, sums) = driver::expectations(&walk, progress)?;
        // Back to the order of the machine.
        let n = self.n;
        let mut pairs = vec![0.0; n * n];
        for (k, x) in sums.pairs.into_iter().enumerate() {
            pairs[walk.order[k / n] * n + walk.order[k % n]] = x;
        }
        Ok(BoltzmannExpectations {
            log_z,
            means: (0..n).map(|i| pairs[i * n + i]).collect(),
            pairs,
        })
    }
}

/// A machine in the order of a walk.
struct Walk {
    n: usize,
    enumerated: usize,
    couplings: Vec<f64>,
    bias: Vec<f64>,
    constant: f64,
    order: Vec<usize>,
}

impl Walk {
    /// Calls `visit(state, ln of its weight but for the independent units, inputs of all units)`
    /// for every state of a block.
    fn walk(&self, block: u64, visit: impl FnMut(u64, f64, &[f64])) {
        // A unit has no coupling with itself: its input does not change with it.
        let own = |k: usize, input: &[f64]| input[k];
        let row = |k: usize| &self.couplings[k * self.n..][..self.n];
        let start = (self.constant, &self.bias[..]);
        driver::walk_binary(self.enumerated, block, start, own, row, visit);
    }

    fn log_weight(&self, own: f64, input: &[f64]) -> f64 {
        let independent = &input[self.enumerated..];
        own + independent.iter().map(|&x| softplus(x)).sum::<f64>()
    }
}

impl Enumerated for Walk {
    fn states(&self) -> u64 {
        1 << self.enumerated
    }

    fn block_states(&self) -> u64 {
        1 << self.enumerated.min(BLOCK_UNITS)
    }

    fn log_sum(&self, block: u64) -> LogSum {
        let mut sum = LogSum::default();
        self.walk(block, |_, own, input| sum.add(self.log_weight(own, input)));
        sum
    }

    fn log_weights(&self, block: u64, log_weights: &mut [f64]) {
        let first = block * self.block_states();
        self.walk(block, |state, own, input| {
            log_weights[(state - first) as usize] = self.log_weight(own, input);
        });
    }

    fn no_sums(&self) -> Sums {
        Sums {
            pairs: vec![0.0; self.n * self.n],
            ..Sums::default()
        }
    }

    /// `p E[x_i x_j | state]`, and `p E[x_i | state]` on the diagonal.
    fn add(&self, block: u64, log_z: f64, sums: &mut Sums) {
        let n = self.n;
        let mut y = vec![0.0; n];
        self.walk(block, |state, own, input| {
            let p = (self.log_weight(own, input) - log_z).exp();
            for (k, y) in y.iter_mut().enumerate() {
                *y = if k < self.enumerated {
                    (state >> k & 1) as f64
                } else {
                    sigmoid(input[k])
                };
            }
            for (i, row) in sums.pairs.chunks_exact_mut(n.max(1)).enumerate() {
                let factor = p * y[i];
                if factor != 0.0 {
                    row.iter_mut().zip(&y).for_each(|(s, y)| *s += factor * y);
                    // E[x_i^2] is E[x_i].
                    row[i] += factor * (1.0 - y[i]);
                }
            }
        });
    }
}

fn check_table(what: &str, units: usize) -> Result<()> {
    if units > MAX_TABLE_UNITS {
        let most = format!("at most {MAX_TABLE_UNITS} units");
        return Err(Error::parameter(what, most, units));
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
    /// [`Error::Parameter`] if more than [`MAX_EXACT_UNITS`] units are to be enumerated; those of
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
    /// [`Self::expectations`], and `2^l` for each row of [`Self::free_energy`]; both in `(k, l)`.
    /// Either must be at most [`MAX_EXACT_UNITS`]. Cost: `units^2` for each walked unit.
    ///
    /// # Errors
    /// Those of [`Self::check`].
    pub fn enumerated_units(&self) -> Result<(usize, usize)> {
        let joint = Joint::of(self, 1.0)?;
        let n = self.n_visible();
        let hidden = joint.given(|i| i < n, &vec![0.0; self.units()]);
        Ok((joint.split().1, hidden.split().1))
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
    /// [`Error::Shape`] unless there is an entry for every unit; those of [`Self::log_z_at`] for
    /// the free units.
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
        let given = Joint::of(self, 1.0)?.given(|i| held[i].is_some(), &values);
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
            Ok(-joint.given(|i| i < n, &x).log_z_alone()?)
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
            joint.given(is_held, &x).log_z(&mut ())
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

    /// `p(v)` at `beta` of all `2^n_visible` visible states, in the order of their index: bit `i`
    /// of the index is unit `i`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 26 visible units; those of [`Self::log_z_at`] for the
    /// hidden units.
    pub fn visible_distribution(&self, beta: f64, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        let n = self.n_visible();
        check_table("visible distribution", n)?;
        let joint = Joint::of(self, beta)?;
        let of_state = |state: u64| {
            let value = |i: usize| if i < n { (state >> i & 1) as f64 } else { 0.0 };
            let x: Vec<f64> = (0..self.units()).map(value).collect();
            joint.given(|i| i < n, &x).log_z_alone()
        };
        let log_p = driver::by_block(1 << n, of_state, progress)?;
        let log_p: Result<Vec<f64>> = log_p.into_iter().collect();
        Ok(driver::normalized(log_p?))
    }

    /// `p(v, h)` at `beta` of all states of all units: bit `i` of the index is unit `i`, visible
    /// ones first.
    ///
    /// # Errors
    /// [`Error::Parameter`] for more than 26 units; those of [`Self::check`].
    pub fn joint_distribution(&self, beta: f64, progress: &mut dyn Progress) -> Result<Vec<f64>> {
        check_table("joint distribution", self.units())?;
        let joint = Joint::of(self, beta)?;
        let walk = Walk {
            n: joint.n,
            enumerated: joint.n,
            couplings: joint.couplings,
            bias: joint.bias,
            constant: 0.0,
            order: (0..joint.n).collect(),
        };
        driver::distribution(&walk, progress)
    }
}
