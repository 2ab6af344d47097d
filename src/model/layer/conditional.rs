//! The conditional of a layer given its neighbors: the fused pass over tiles, and for units other
//! than Bernoulli a second one over rows.
//!
//! A layer of Bernoulli units is the fused pass alone. With softmax groups the fused pass treats
//! all columns as Bernoulli ones, keeps the inputs of the groups, and the second pass puts right
//! what belongs to the groups. A layer with real states takes nothing but inputs from the fused
//! pass. The second pass is in f64, row by row, so threads do not change it.
//!
//! # Draws
//! Bernoulli and spin units are [`Draws::bernoulli`] with `P(1)` in f32. Others draw from a whole
//! word of [`Draws`], by inversion. With `u` the middle of the word's interval of length 2^-32: a
//! softmax group takes the word of its first unit and is on at the first unit at which the running
//! sum of the means exceeds `u`; a Gaussian unit is `y + Phi^-1(u) s / sqrt(beta)`, a rectified one
//! the same normal truncated at zero. A column has either whole words or Bernoulli draws, so no two
//! draws share bits. A row of counts takes the words of as many columns as it has words itself, see
//! [`crate::kernel::multinomial`].

use super::{Layer, words::Words};
use crate::{
    bits::{BitViewMut, WORD_BITS},
    error::{Error, Result},
    kernel::{
        normal,
        reduce::{LogSum, add_in_pieces},
        reference,
    },
    matrix::{Matrix, MatrixViewMut},
    product::{Propagation, Tail, Term, propagate},
    rng::Draws,
    threads::{self, Parts},
    units::Kind,
};

/// Rows that one task takes.
const ROWS: usize = 32;

/// What does not depend on the row.
pub(super) struct LayerPass<'a> {
    pub(super) layer: &'a Layer,
    /// Softmax groups alone, in a layer of bits; else every unit.
    groups_only: bool,
    pub(super) beta: f64,
    /// That of softmax groups.
    group_beta: f64,
    /// The inputs at hand are this times `y`.
    given: f64,
    pub(super) minus_beta: Option<f64>,
    /// Of continuous units, whether `beta` multiplies their input alone.
    linear: bool,
    draws: Option<Draws>,
    /// Whether means replace the inputs.
    pub(super) keep_means: bool,
}

/// Rows from `first` on, and what they receive.
struct RowBlock<'a> {
    first: usize,
    input: MatrixViewMut<'a>,
    mean: Option<MatrixViewMut<'a>>,
    bits: Option<BitViewMut<'a>>,
    real: Option<MatrixViewMut<'a>>,
    log_partition: Option<&'a mut [f64]>,
}

impl Layer {
    /// `tail(sum of terms + bias)`: means, samples and log-partitions (in place of softplus) of
    /// units of any kind; the input is `beta y`. At `beta = 0`, where continuous units have no
    /// distribution, their samples and means are those of the units without connections at `beta =
    /// 1`, unless it is [`Tail::linear`]. Cost beyond the products: some 10 ns for each unit of a
    /// real-valued layer.
    ///
    /// # Errors
    /// [`Error::Shape`] where terms and outputs disagree; [`Error::Parameter`] for samples of the
    /// wrong type (bits of a real-valued layer or the reverse), and for a log-partition of
    /// continuous units, or of groups against another temperature, at `beta = 0`. Likewise for
    /// groups with another temperature than `beta = 0` beside bits.
    pub fn propagate(
        &self,
        terms: &[Term<'_>],
        tail: Tail<'_>,
        buffers: &mut Propagation,
    ) -> Result<()> {
        let binary = self.units.are_binary();
        if binary && tail.real_sample.is_some() || !binary && tail.sample.is_some() {
            let (expected, found) = if binary {
                ("bits", "reals")
            } else {
                ("reals", "bits")
            };
            return Err(Error::parameter(
                format!("states of a layer of {}", self.units),
                expected,
                found,
            ));
        }
        if self.units.are(Kind::Bernoulli) {
            return propagate(terms, &self.bias, tail, buffers);
        }
        let rows = terms.first().map_or(0, |term| term.input.rows());
        let n = self.size();
        let sums = tail.softplus_sums.as_deref().map_or(rows, <[f64]>::len);
        let means = tail
            .mean
            .as_ref()
            .map_or((rows, n), |x| (x.rows(), x.columns()));
        let reals = tail.real_sample.as_ref();
        let reals = reals.map_or((rows, n), |(x, _)| (x.rows(), x.columns()));
        if (sums, means, reals) != (rows, (rows, n), (rows, n)) {
            return Err(Error::shape(
                "outputs of a layer",
                format!("{rows} x {n}"),
                format!("{sums} sums, means {means:?}, samples {reals:?}"),
            ));
        }
        // Inputs of bits come multiplied by beta: from zero there is no way to another temperature.
        let lost = binary && tail.beta == 0.0 && tail.minus_beta.is_some();
        let groups_lost = binary && tail.beta == 0.0 && tail.group_beta.is_some_and(|x| x != 0.0);
        if groups_lost {
            let what = format!("inverse temperature of {} beside one of groups", self.units);
            return Err(Error::parameter(what, "above 0", 0));
        }
        let improper = tail.beta == 0.0 || tail.minus_beta == Some(0.0);
        let improper = improper && !tail.linear && !self.units.are_discrete();
        if tail.softplus_sums.is_some() && (improper || lost) {
            return Err(Error::parameter(
                format!("inverse temperature of a log-partition of {}", self.units),
                "above 0",
                0,
            ));
        }
        let mut input = buffers.input.take().unwrap_or_default();
        input.reset(rows, n);
        let pass = |input: &mut Matrix| match binary {
            true => self.binary(terms, tail, buffers, input),
            false => self.real(terms, tail, buffers, input),
        };
        let done = match threads::is_by_itself() {
            true => pass(&mut input),
            false => threads::in_pool(|| pass(&mut input)),
        };
        buffers.input = Some(input);
        done
    }

    /// Bernoulli units and softmax groups.
    fn binary(
        &self,
        terms: &[Term<'_>],
        mut tail: Tail<'_>,
        buffers: &mut Propagation,
        input: &mut Matrix,
    ) -> Result<()> {
        let groups = self
            .units
            .segments()
            .iter()
            .filter(|s| s.kind == Kind::Softmax);
        let first = groups.clone().next().map_or(0, |s| s.first);
        let asked = tail.input.take();
        let fused = Tail {
            beta: tail.beta,
            group_beta: None,
            precise: tail.precise,
            exact_reals: tail.exact_reals,
            added: tail.added,
            input: Some(input.view_mut()),
            input_from: if asked.is_some() { 0 } else { first },
            mean: tail.mean.as_mut().map(MatrixViewMut::reborrow),
            sample: tail
                .sample
                .as_mut()
                .map(|(x, draws)| (x.reborrow(), *draws)),
            real_sample: None,
            column_sums: tail.column_sums.as_deref_mut(),
            softplus_sums: tail.softplus_sums.as_deref_mut(),
            minus_beta: tail.minus_beta,
            linear: false,
        };
        propagate(terms, &self.bias, fused, buffers)?;
        copy(input, asked, 1.0);
        let pass = self.pass(&tail);
        let (bits, draws) = tail.sample.unzip();
        let pass = LayerPass {
            groups_only: true,
            given: f64::from(tail.beta),
            draws,
            ..pass
        };
        pass.fill(RowBlock {
            first: 0,
            input: input.view_mut(),
            mean: tail.mean,
            bits,
            real: None,
            log_partition: tail.softplus_sums,
        });
        if let Some(sums) = tail.column_sums {
            for range in groups.map(|s| s.range()) {
                set_sums(input, range, sums);
            }
        }
        Ok(())
    }

    /// Of all units, given what they are sent at `beta = 1`, without draws.
    fn pass(&self, tail: &Tail<'_>) -> LayerPass<'_> {
        LayerPass {
            layer: self,
            groups_only: false,
            beta: f64::from(tail.beta),
            group_beta: f64::from(tail.group_beta.unwrap_or(tail.beta)),
            given: 1.0,
            minus_beta: tail.minus_beta.map(f64::from),
            linear: tail.linear,
            draws: None,
            keep_means: tail.column_sums.is_some(),
        }
    }

    /// Units of any kind, with real states.
    fn real(
        &self,
        terms: &[Term<'_>],
        tail: Tail<'_>,
        buffers: &mut Propagation,
        input: &mut Matrix,
    ) -> Result<()> {
        let fused = Tail {
            precise: tail.precise,
            exact_reals: tail.exact_reals,
            added: tail.added,
            input: Some(input.view_mut()),
            ..Tail::new(1.0)
        };
        propagate(terms, &self.bias, fused, buffers)?;
        let pass = self.pass(&tail);
        copy(input, tail.input, tail.beta);
        let (real, draws) = tail.real_sample.unzip();
        let pass = LayerPass { draws, ..pass };
        pass.fill(RowBlock {
            first: 0,
            input: input.view_mut(),
            mean: tail.mean,
            bits: None,
            real,
            log_partition: tail.softplus_sums,
        });
        if let Some(sums) = tail.column_sums {
            set_sums(input, 0..self.size(), sums);
        }
        Ok(())
    }
}

/// `to = scale from`, if there is where to.
fn copy(from: &Matrix, to: Option<MatrixViewMut<'_>>, scale: f32) {
    let Some(mut to) = to else { return };
    for i in 0..to.rows().min(from.rows()) {
        for (to, from) in to.row_mut(i).iter_mut().zip(from.row(i)) {
            *to = scale * from;
        }
    }
}

/// Overwrites the sums of `columns` with those of `means`, added in f64.
fn set_sums(means: &Matrix, columns: std::ops::Range<usize>, sums: &mut [f32]) {
    let sums = &mut sums[columns.clone()];
    sums.fill(0.0);
    add_in_pieces(means.rows(), 1.0, sums, |i, first, sums| {
        let means = &means.row(i)[columns.start + first..];
        let all = sums.iter_mut().zip(means);
        all.for_each(|(sum, &x)| *sum += f64::from(x));
    });
}

/// Some rows, or both their halves.
fn halves(region: RowBlock<'_>) -> Parts<RowBlock<'_>> {
    let rows = region.input.rows();
    if rows <= ROWS {
        return Parts::One(region);
    }
    let at = rows.div_ceil(ROWS) / 2 * ROWS;
    let (input, input2) = region.input.split_at_row(at);
    let (mean, mean2) = region.mean.map(|x| x.split_at_row(at)).unzip();
    let (bits, bits2) = region.bits.map(|x| x.split_at_row(at)).unzip();
    let (real, real2) = region.real.map(|x| x.split_at_row(at)).unzip();
    let (sums, sums2) = region.log_partition.map(|x| x.split_at_mut(at)).unzip();
    let upper = RowBlock {
        first: region.first,
        input,
        mean,
        bits,
        real,
        log_partition: sums,
    };
    let lower = RowBlock {
        first: region.first + at,
        input: input2,
        mean: mean2,
        bits: bits2,
        real: real2,
        log_partition: sums2,
    };
    Parts::Two(upper, lower)
}

impl LayerPass<'_> {
    fn fill(&self, region: RowBlock<'_>) {
        threads::divide(region, &halves, &|region| self.rows(region));
    }

    fn rows(&self, mut region: RowBlock<'_>) {
        for k in 0..region.input.rows() {
            let mut words = self.draws.map(|draws| Words::new(draws, region.first + k));
            let mut row = UnitRow {
                pass: self,
                input: region.input.row_mut(k),
                mean: region.mean.as_mut().map(|x| x.row_mut(k)),
                bits: region.bits.as_mut().map(|x| x.row_mut(k)),
                real: region.real.as_mut().map(|x| x.row_mut(k)),
                words: words.as_mut(),
                wants_sum: region.log_partition.is_some(),
                sum: 0.0,
            };
            for segment in self.layer.units.segments() {
                match segment.kind {
                    Kind::Softmax => row.group(segment.range()),
                    Kind::Counts => row.counts(),
                    _ if self.groups_only => {}
                    kind => row.units(kind, segment.range()),
                }
            }
            let sum = row.sum;
            if let Some(sums) = &mut region.log_partition {
                if self.groups_only {
                    sums[k] += sum;
                } else {
                    sums[k] = sum;
                }
            }
        }
    }
}

/// One row in the making.
pub(super) struct UnitRow<'a> {
    pub(super) pass: &'a LayerPass<'a>,
    pub(super) input: &'a mut [f32],
    pub(super) mean: Option<&'a mut [f32]>,
    bits: Option<&'a mut [u64]>,
    pub(super) real: Option<&'a mut [f32]>,
    pub(super) words: Option<&'a mut Words>,
    pub(super) wants_sum: bool,
    pub(super) sum: f64,
}

impl UnitRow<'_> {
    /// One softmax group.
    fn group(&mut self, range: std::ops::Range<usize>) {
        let LayerPass {
            group_beta: beta,
            given,
            ..
        } = *self.pass;
        let factor = if given == beta { 1.0 } else { beta / given };
        let x = |row: &Self, i: usize| factor * f64::from(row.input[i]);
        let most = range.clone().map(|i| x(self, i)).fold(f64::MIN, f64::max);
        let sum: f64 = range.clone().map(|i| (x(self, i) - most).exp()).sum();
        if self.wants_sum {
            self.sum += most + sum.ln();
            if self.pass.groups_only {
                // The fused pass has added these.
                self.sum -= range
                    .clone()
                    .map(|i| reference::softplus(f64::from(self.input[i])))
                    .sum::<f64>();
            }
            if let Some(minus) = self.pass.minus_beta {
                let x = |i: usize| minus / given * f64::from(self.input[i]);
                let mut of_group = LogSum::default();
                range.clone().for_each(|i| of_group.add(x(i)));
                self.sum -= of_group.value();
                if self.pass.groups_only {
                    self.sum += range
                        .clone()
                        .map(|i| reference::softplus(x(i)))
                        .sum::<f64>();
                }
            }
        }
        if let Some(words) = &mut self.words {
            let target = sum * normal::uniform(words.word(range.start));
            let mut running = 0.0;
            let mut chosen = range.end - 1;
            for i in range.clone() {
                running += (factor * f64::from(self.input[i]) - most).exp();
                if running > target {
                    chosen = i;
                    break;
                }
            }
            if let Some(bits) = &mut self.bits {
                for i in range.clone() {
                    bits[i / WORD_BITS] &= !(1 << (i % WORD_BITS));
                }
                bits[chosen / WORD_BITS] |= 1 << (chosen % WORD_BITS);
            }
            if let Some(real) = &mut self.real {
                real[range.clone()].fill(0.0);
                real[chosen] = 1.0;
            }
        }
        if self.mean.is_some() || self.pass.keep_means {
            for i in range {
                let p = ((factor * f64::from(self.input[i]) - most).exp() / sum) as f32;
                self.put_mean(i, p);
            }
        }
    }

    /// Units of a kind other than softmax.
    fn units(&mut self, kind: Kind, range: std::ops::Range<usize>) {
        let layer = self.pass.layer;
        let linear = self.pass.linear && kind.is_continuous();
        let disconnected = self.pass.beta == 0.0 && kind.is_continuous() && !linear;
        let (scale, beta) = match self.pass.beta {
            scale if linear => (scale, 1.0),
            _ if disconnected => (1.0, 1.0),
            beta => (1.0, beta),
        };
        let log_partition = |i: usize, y: f64, beta: f64| match linear {
            true => layer.scaled_log_partition_of_unit(kind, i, y, beta),
            false => layer.log_partition_of_unit(kind, i, y, beta),
        };
        for i in range {
            let y = f64::from(if disconnected {
                layer.bias[i]
            } else {
                self.input[i]
            });
            if self.wants_sum {
                self.sum += log_partition(i, y, if linear { scale } else { beta });
                if let Some(minus) = self.pass.minus_beta {
                    self.sum -= log_partition(i, y, minus);
                }
            }
            let y = scale * y;
            if let (Some(words), Some(real)) = (&mut self.words, &mut self.real) {
                let mut on = |x: f64| f32::from(words.bernoulli(i, reference::sigmoid(x) as f32));
                real[i] = match kind {
                    Kind::Bernoulli => on(beta * y),
                    Kind::Spin => 2.0 * on(2.0 * beta * y) - 1.0,
                    Kind::Gaussian => {
                        let deviation = layer.conditional_variance(i, beta).sqrt();
                        let u = normal::uniform(words.word(i));
                        (y + deviation * normal::quantile(u)) as f32
                    }
                    Kind::Relu => {
                        let least = -y * beta.sqrt();
                        let t = normal::truncated(least, normal::uniform(words.word(i)));
                        ((t - least) / beta.sqrt()) as f32
                    }
                    Kind::Softmax | Kind::Counts => unreachable!("drawn as a whole"),
                };
            }
            if self.mean.is_some() || self.pass.keep_means {
                let mean = layer.mean_of_unit(kind, y, beta) as f32;
                self.put_mean(i, mean);
            }
        }
    }

    pub(super) fn put_mean(&mut self, i: usize, mean: f32) {
        if let Some(to) = &mut self.mean {
            to[i] = mean;
        }
        if self.pass.keep_means {
            self.input[i] = mean;
        }
    }
}
