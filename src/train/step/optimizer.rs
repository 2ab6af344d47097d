//! One update: from the phases of every connection to parameters.

use super::{
    averaging::Averaging,
    centering::{Centering, TileCenter},
    constraint::{self, Sparsity},
    evidence::Evidence,
    gradient::{Gradient, Whole, statistics},
    rule::{Rates, Rule, Step},
    weights::{How, Stepped},
};
use crate::{
    error::Result,
    matrix::{Matrix, MatrixViewMut},
    model::{Layered, Undirected},
    product::{Connection, CopiesMut, Phase, PhaseTables, Statistics},
    simd::dispatch,
    tensor::{Saved, Tensor},
    train::parameters::Parameters,
};
use std::borrow::Cow;

/// What updates remember, beside the machine: all that a stored run needs to go on to the bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Optimizer {
    /// Last steps, or the decayed means of the gradient of an adaptive [`Rule`](super::Rule): `s`.
    pub first: Parameters,
    /// Decayed means or maxima of the gradient's squares or magnitudes, if the rule is adaptive:
    /// `q`.
    pub second: Option<Parameters>,
    /// Offsets of the centered gradient, one vector a layer; empty without it.
    pub offsets: Vec<Vec<f32>>,
    /// Decayed means of the hidden units under the data, one vector a hidden layer; empty without
    /// sparsity targets.
    pub activity: Vec<Vec<f32>>,
    /// The average of the parameters, if there is to be one.
    pub average: Option<Parameters>,
}

/// What of the options shapes a gradient.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::train) struct Shaping<'a> {
    pub(in crate::train) centering: Option<Centering>,
    /// One target a hidden layer, or none.
    pub(in crate::train) sparsity: &'a [Sparsity],
    pub(in crate::train) max_norm: Option<f32>,
    pub(in crate::train) averaging: Option<Averaging>,
    /// Updates of the whole run.
    pub(in crate::train) updates: u64,
}

impl Optimizer {
    /// The result of `machine` as it learns: the average, if there is one.
    pub(in crate::train) fn result<'a, M: Layered + Clone>(&self, machine: &'a M) -> Cow<'a, M> {
        match &self.average {
            Some(average) => Cow::Owned(average.placed_in(machine)),
            None => Cow::Borrowed(machine),
        }
    }

    /// At rest, for a rule without memory of its own beside the steps.
    pub fn new(machine: &impl Layered) -> Self {
        Self {
            first: Parameters::zeros(machine),
            ..Self::default()
        }
    }

    /// At rest, for these options; `mean` is that of the data.
    pub(in crate::train) fn for_run(
        machine: &impl Layered,
        rule: Rule,
        shaping: &Shaping<'_>,
        mean: &[f64],
    ) -> Self {
        let zeros = || Parameters::zeros(machine);
        let start = |centering: Centering| centering.start(machine, mean);
        let layers = 1..1 + shaping.sparsity.len();
        Self {
            second: rule.is_adaptive().then(zeros),
            offsets: shaping.centering.map(start).unwrap_or_default(),
            activity: layers.map(|l| vec![0.0; machine.bias(l).len()]).collect(),
            average: shaping.averaging.map(|_| Parameters::of(machine)),
            ..Self::new(machine)
        }
    }

    /// Tells all by the names of files; of an average, which is the machine of the file, the
    /// parameters where learning goes on.
    pub(in crate::train) fn visit(
        &self,
        machine: &impl Layered,
        out: &mut dyn FnMut(&str, Tensor<'_>),
    ) {
        self.first.visit(FIRST, out);
        if let Some(second) = &self.second {
            second.visit(SECOND, out);
        }
        if self.average.is_some() {
            Parameters::of(machine).visit(PARAMETERS, out);
        }
        for (l, x) in self.offsets.iter().enumerate() {
            out(&format!("{OFFSET}.{l}"), x.as_slice().into());
        }
        for (l, x) in self.activity.iter().enumerate() {
            out(&format!("{ACTIVITY}.{}", l + 1), x.as_slice().into());
        }
    }

    /// Takes back what [`Self::visit`] told; `machine` is that of the file.
    pub(in crate::train) fn restore<M: Layered + Clone>(
        &mut self,
        machine: &mut M,
        saved: &mut Saved,
    ) -> Result<()> {
        self.first.restore(FIRST, saved)?;
        if let Some(second) = &mut self.second {
            second.restore(SECOND, saved)?;
        }
        self.restore_average(machine, saved)?;
        for (l, x) in self.offsets.iter_mut().enumerate() {
            saved.vector_into(&format!("{OFFSET}.{l}"), x)?;
        }
        for (l, x) in self.activity.iter_mut().enumerate() {
            saved.vector_into(&format!("{ACTIVITY}.{}", l + 1), x)?;
        }
        Ok(())
    }

    /// Takes back the parameters where learning goes on, if `machine`, that of the file, is an
    /// average.
    pub(in crate::train) fn restore_average<M: Layered + Clone>(
        &mut self,
        machine: &mut M,
        saved: &mut Saved,
    ) -> Result<()> {
        if let Some(average) = &mut self.average {
            *average = Parameters::of(machine);
            let mut parameters = average.clone();
            parameters.restore(PARAMETERS, saved)?;
            *machine = parameters.placed_in(machine);
        }
        Ok(())
    }

    /// One update along the evidence. The weights are updated rectangle by rectangle while their
    /// statistics are in cache, unless the whole gradient is needed first.
    pub(in crate::train) fn step(
        &mut self,
        machine: &mut impl Undirected,
        evidence: Evidence<'_>,
        rates: Rates,
        shaping: Shaping<'_>,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let layers = 0..machine.n_layers();
        let is_scaled = layers.clone().any(|l| machine.layer(l).is_scaled());
        let learns_variances = rates.variance_rate > 0.0
            && layers.clone().any(|l| !machine.log_variance(l).is_empty());
        let has_variances = is_scaled || learns_variances;
        gradient.whole.begin(machine);
        if has_variances {
            gradient.whole.begin_variances(machine, &evidence)?;
        }
        let needs_means =
            evidence.paired || shaping.centering.is_some() || !shaping.sparsity.is_empty();
        let is_first = rates.update == 1;
        if needs_means {
            gradient.fill_means(&evidence);
        }
        if let Some(centering) = shaping.centering {
            centering.follow(&mut self.offsets, &gradient.means, is_first);
        }
        let beside = &evidence.beside;
        let exact = beside.exact.is_some() || !beside.covariances.is_empty();
        if exact || rates.gradient_clip.is_some() || has_variances {
            let Gradient { tables, whole, .. } = &mut *gradient;
            if !needs_means {
                evidence.add_sums(&mut whole.bias);
            }
            whole.collect(machine, &evidence, tables, needs_means)?;
            if has_variances {
                whole.scale(machine);
            }
            if !self.offsets.is_empty() {
                whole.center(&self.offsets);
            }
            whole.clip(rates, learns_variances);
            self.step_whole(machine, &whole.weights, rates);
        } else {
            self.step_rectangles(machine, &evidence, needs_means, rates, gradient)?;
        }
        for (l, sparsity) in shaping.sparsity.iter().enumerate() {
            let [positive, _] = &gradient.means[l + 1];
            let bias = &mut gradient.whole.bias[l + 1];
            sparsity.add(positive, &mut self.activity[l], bias, is_first);
        }
        self.step_layers(machine, &gradient.whole, rates, learns_variances);
        if let Some(most) = shaping.max_norm {
            for l in 1..machine.n_layers() {
                let weights = machine.weights_mut(l - 1);
                constraint::limit_norms(weights, most, &mut gradient.whole.norms);
            }
        }
        machine.refresh();
        if let (Some(averaging), Some(average)) = (shaping.averaging, &mut self.average) {
            averaging.add(machine, average, rates.update, shaping.updates);
        }
        Ok(())
    }

    /// Steps the weights along the whole gradient.
    fn step_whole(&mut self, machine: &mut impl Layered, gradient: &[Matrix], rates: Rates) {
        for (l, gradient) in gradient.iter().enumerate() {
            let weights = machine.weights_mut(l);
            for i in 0..weights.rows() {
                dispatch(Step {
                    gradient: gradient.row(i),
                    first: self.first.weights[l].row_mut(i),
                    second: match &mut self.second {
                        Some(second) => second.weights[l].row_mut(i),
                        None => &mut [],
                    },
                    parameter: weights.row_mut(i),
                    rates,
                });
            }
        }
    }

    /// Steps the weights while their statistics are in cache, and collects the gradients of the
    /// biases.
    fn step_rectangles(
        &mut self,
        machine: &mut impl Undirected,
        evidence: &Evidence<'_>,
        needs_means: bool,
        rates: Rates,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let Gradient {
            tables,
            corrections,
            whole,
            ..
        } = gradient;
        let labels = evidence.beside.labels;
        if let Some(labels) = labels.filter(|_| needs_means) {
            labels.add_bias(&mut whole.bias[0]);
        }
        let last = machine.n_layers() - 1;
        if self.offsets.is_empty() {
            if !needs_means {
                evidence.add_sums(&mut whole.bias);
                if let Some(labels) = labels {
                    labels.add_bias(&mut whole.bias[0]);
                }
            }
            return (0..last)
                .try_for_each(|l| self.step_connection(machine, l, evidence, None, rates, tables));
        }
        whole.keep_ordinary();
        let offsets = std::mem::take(&mut self.offsets);
        let stepped = (0..last).try_for_each(|l| {
            let visible = &whole.ordinary[l];
            let hidden = &whole.ordinary[l + 1];
            corrections.begin(visible.len(), hidden.len());
            let center = TileCenter {
                offsets: [&offsets[l], &offsets[l + 1]],
                visible,
                hidden,
                corrections,
                at: [0, 0],
            };
            self.step_connection(machine, l, evidence, Some(center), rates, tables)?;
            let (lower, upper) = whole.bias.split_at_mut(l + 1);
            corrections.finish(&mut lower[l], &mut upper[0]);
            Ok(())
        });
        self.offsets = offsets;
        stepped
    }

    /// Steps the weights of connection `l`.
    fn step_connection(
        &mut self,
        machine: &mut impl Undirected,
        l: usize,
        evidence: &Evidence<'_>,
        center: Option<TileCenter<'_>>,
        rates: Rates,
        tables: &mut PhaseTables,
    ) -> Result<()> {
        let phases = (evidence.phases)(l);
        let statistics = statistics(machine, l, evidence, &phases, tables)?;
        let how = How {
            labels: evidence.beside.labels,
            center,
            rates,
        };
        let (weights, copies) = machine.connection_mut(l).step_mut();
        statistics.hand_on(self.stepped(l, weights, copies, &how));
        Ok(())
    }

    /// Connection `l` with what is remembered of it.
    fn stepped<'a>(
        &'a mut self,
        l: usize,
        weights: MatrixViewMut<'a>,
        copies: Option<CopiesMut<'a>>,
        how: &'a How<'a>,
    ) -> Stepped<'a> {
        Stepped {
            weights,
            first: self.first.weights[l].view_mut(),
            second: self.second.as_mut().map(|x| x.weights[l].view_mut()),
            copies,
            how,
        }
    }

    /// Steps the biases and log-variances of every layer.
    fn step_layers(
        &mut self,
        machine: &mut impl Layered,
        whole: &Whole,
        rates: Rates,
        learns_variances: bool,
    ) {
        let of_variances = Rates {
            learning_rate: rates.learning_rate * rates.variance_rate,
            ..rates
        };
        for (l, gradient) in whole.bias.iter().enumerate() {
            self.step_vector(machine.bias_mut(l), gradient, rates, |x| &mut x.bias[l]);
            if learns_variances {
                let gradient = &whole.variances[l].gradient;
                let parameter = machine.log_variance_mut(l);
                self.step_vector(parameter, gradient, of_variances, |x| {
                    &mut x.log_variance[l]
                });
            }
        }
    }

    /// Steps a vector, which has no decay.
    fn step_vector(
        &mut self,
        parameter: &mut [f32],
        gradient: &[f32],
        rates: Rates,
        part: impl Fn(&mut Parameters) -> &mut [f32],
    ) {
        dispatch(Step {
            gradient,
            first: part(&mut self.first),
            second: self.second.as_mut().map_or(&mut [], |x| part(x)),
            parameter,
            rates: rates.without_decay(),
        });
    }

    /// One step of connection `l`, by which a layer predicts the next, along `V' D` and the sums of
    /// `D`, what the prediction lacks: fused as [`Self::step`] is. `by_look_up` allows fixed point.
    /// A longest gradient is the caller's: that of all connections, [`Gradient::square`].
    pub(in crate::train) fn step_directed(
        &mut self,
        l: usize,
        (connection, bias): (&mut Connection, &mut [f32]),
        phase: Phase<'_>,
        by_look_up: bool,
        (rates, shaping): (Rates, Shaping<'_>),
        gradient: &mut Gradient,
    ) -> Result<()> {
        let phases = [phase];
        let Gradient { tables, whole, .. } = gradient;
        let [n, m] = [connection.weights().rows(), connection.weights().columns()];
        let statistics = Statistics::new(&phases, n, m)?;
        let statistics = statistics.fastest(by_look_up, tables);
        let how = How {
            labels: None,
            center: None,
            rates,
        };
        let (stepped, copies) = connection.step_mut();
        statistics.hand_on(self.stepped(l, stepped, copies, &how));
        let sums = &mut whole.norms;
        sums.clear();
        sums.resize(bias.len(), 0.0);
        phase
            .hidden
            .add_weighted_sums(phase.weight, phase.of_rows, sums);
        self.step_vector(bias, sums, rates, |x| &mut x.bias[l + 1]);
        if let Some(most) = shaping.max_norm {
            constraint::limit_norms(connection.weights_mut(), most, sums);
        }
        if let (Some(averaging), Some(average)) = (shaping.averaging, &mut self.average) {
            let weight = averaging.weight(rates.update, shaping.updates);
            average.mix_directed(l, connection.weights(), bias, weight);
        }
        Ok(())
    }
}

/// Names in files.
const FIRST: &str = "training.velocity";
const SECOND: &str = "training.second";
const PARAMETERS: &str = "training.parameters";
const OFFSET: &str = "training.offset";
const ACTIVITY: &str = "training.activity";

#[cfg(test)]
mod tests;
