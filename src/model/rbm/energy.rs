//! Energies and free energies of states, in f64.

use super::Rbm;
use crate::{
    dataset::Rows,
    error::{Result, expect_pair},
    model::Layer,
    product::{Propagation, Tail},
    states::Input,
};

impl Rbm {
    /// `E(v, h)` of each pair of rows, in f64.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless `v` and `h` are `[n x n_visible]` and `[n x
    /// n_hidden]`; [`Error::Parameter`](crate::Error::Parameter) for missing values.
    pub fn energy<'a>(&self, v: impl Into<Rows<'a>>, h: impl Into<Input<'a>>) -> Result<Vec<f64>> {
        let (v, h) = (v.into().complete("an energy")?, h.into());
        let found = [(v.rows(), v.columns()), (h.rows(), h.columns())];
        expect_pair("states", found, (self.n_visible(), self.n_hidden()))?;
        let mut sent = vec![0.0; self.n_hidden()];
        Ok((0..v.rows())
            .map(|s| {
                sent.fill(0.0);
                for_each_sent(&self.hidden, h, s, |j, x| sent[j] = x);
                let mut sum = self.visible.own_term(v, s);
                sum += self.bias_count(v, s) * self.hidden.own_term(h, s);
                for_each_sent(&self.visible, v, s, |i, x| {
                    let row = self.weights().row(i).iter().zip(&sent);
                    sum += x * row.map(|(&w, h)| f64::from(w) * h).sum::<f64>();
                });
                -sum
            })
            .collect())
    }

    /// `F(v) = -beta b.v - sum_j ln(1 + e^(beta (v W + c)_j))` of each row, so that
    /// `p(v) = e^-F(v) / Z`; of other kinds of units, their own energies and log-partitions. Inputs
    /// are f32 products, sums f64: the error is some 1e-4 for 784 x 500. Real-valued rows of a
    /// binary layer: the same formula. Counts: `-beta b.n - sum_j ln(1 + e^(beta ((n W)_j + D
    /// c_j)))`, of a sequence of words, see [`Self::given_length`].
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn free_energy<'a>(&self, v: impl Into<Rows<'a>>, beta: f32) -> Result<Vec<f64>> {
        let rows = v.into();
        let mut out = vec![0.0; rows.input().rows()];
        self.free_energy_into(rows, beta, &mut out)?;
        Ok(out)
    }

    /// As [`Self::free_energy`], into `out`, a number a row: for calls on a row or a few, which run
    /// on the calling thread and allocate nothing after the first of a thread. From any number of
    /// threads at once.
    ///
    /// # Errors
    /// As [`Self::free_energy`]; [`Error::Shape`](crate::Error::Shape) unless `out` has a number
    /// for each row.
    pub fn free_energy_into<'a>(
        &self,
        v: impl Into<Rows<'a>>,
        beta: f32,
        out: &mut [f64],
    ) -> Result<()> {
        let v = v.into().complete("a free energy")?;
        Propagation::of_thread(|buffers| {
            free_energy(&self.visible, v, (beta, out), |v, tail| {
                self.hidden_from_visible(v, tail, buffers)
            })
        })
    }

    /// The free energy of hidden states, `-beta c.h - sum_i ln(1 + e^(beta (h W' + b)_i))`.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`]; [`Error::Parameter`](crate::Error::Parameter) for counts
    /// without a length.
    pub fn free_energy_h<'a>(&self, h: impl Into<Input<'a>>, beta: f32) -> Result<Vec<f64>> {
        self.visible
            .expect_length("free energies of hidden states")?;
        let h = h.into();
        let mut out = vec![0.0; h.rows()];
        free_energy(&self.hidden, h, (beta, &mut out), |h, tail| {
            self.visible_from_hidden(h, tail, &mut Propagation::default())
        })?;
        Ok(out)
    }

    /// Weighted mean over the rows of `ln p(v) = -F(v) - ln Z`, in nats, for a given `ln Z`, as
    /// [`Self::log_z`] enumerates or [`Ais::log_z`](crate::Ais::log_z) estimates it.
    ///
    /// # Errors
    /// As [`Self::input_h_from_v`].
    pub fn mean_log_likelihood<'a>(&self, v: impl Into<Rows<'a>>, log_z: f64) -> Result<f64> {
        self.visible.expect_length("a mean of ln p(v)")?;
        let rows = v.into();
        let free = self.free_energy(rows.complete("a mean of ln p(v)")?, 1.0)?;
        if rows.weights().is_some() {
            return Ok(-rows.mean(free).0 - log_z);
        }
        let n = free.len() as f64;
        Ok(-free.iter().sum::<f64>() / n - log_z)
    }
}

/// `-beta` times the states' own term, less the log-partitions of the other layer, which `fill`
/// writes.
fn free_energy<'a>(
    layer: &Layer,
    x: Input<'a>,
    (beta, out): (f32, &mut [f64]),
    fill: impl FnOnce(Input<'a>, Tail<'_>) -> Result<()>,
) -> Result<()> {
    let tail = Tail {
        softplus_sums: Some(out),
        precise: true,
        ..Tail::new(beta)
    };
    fill(x, tail)?;
    for (s, f) in out.iter_mut().enumerate() {
        *f = -*f - f64::from(beta) * layer.own_term(x, s);
    }
    Ok(())
}

/// `f(unit, what its neighbors receive)` of the units of sample `s` that are not zero.
pub(crate) fn for_each_sent(
    layer: &Layer,
    states: Input<'_>,
    s: usize,
    mut f: impl FnMut(usize, f64),
) {
    match states {
        Input::Bits(v) => v.ones(s).for_each(|i| f(i, layer.precision(i))),
        Input::Real(v) => {
            for (i, &x) in v.row(s).iter().enumerate().filter(|(_, x)| **x != 0.0) {
                f(i, f64::from(x) * layer.precision(i));
            }
        }
    }
}
