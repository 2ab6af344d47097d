//! What an update learns from: phases of every connection, and what goes beside their statistics.

use crate::{
    kernel::reduce::add_in_pieces,
    matrix::Matrix,
    model::{DbmExpectations, Expectations, length_of},
    product::{Phase, StatisticsTile},
    states::Input,
};

/// Exact expectations under a machine.
#[derive(Clone, Copy, Debug)]
pub(in crate::train) enum Moments<'a> {
    Rbm(&'a Expectations),
    Dbm(&'a DbmExpectations),
}

impl<'a> Moments<'a> {
    /// `E[x_l]`.
    pub(super) fn layer(self, l: usize) -> &'a [f64] {
        match self {
            Self::Rbm(of) => [&of.visible, &of.hidden][l],
            Self::Dbm(of) => &of.layers[l],
        }
    }

    /// `E[x_l^2]`: of binary units `E[x_l]`.
    pub(super) fn squares(self, l: usize) -> &'a [f64] {
        match self {
            Self::Rbm(of) => [&of.visible_squares, &of.hidden_squares][l],
            Self::Dbm(_) => self.layer(l),
        }
    }

    /// `E[x_l x_{l+1}']`.
    pub(super) fn connection(self, l: usize) -> &'a Matrix {
        match self {
            Self::Rbm(of) => &of.weights,
            Self::Dbm(of) => &of.connections[l],
        }
    }
}

/// Parts of a gradient beside the statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::train) struct Beside<'a> {
    /// Expectations of the model, to be subtracted with this weight.
    pub(in crate::train) exact: Option<(Moments<'a>, f32)>,
    /// Covariances of neighboring layers given the data, one matrix a connection or none at all: of
    /// posteriors of which the phases have the means.
    pub(in crate::train) covariances: &'a [Matrix],
    /// What second moments of units given the data are more than those of the phases, by layer, or
    /// nothing.
    pub(in crate::train) variances: &'a [Vec<f32>],
    /// What the discriminative gradient adds to the weights and biases of the labels.
    pub(in crate::train) labels: Option<&'a LabelGradient>,
}

/// A gradient of the rows of the weights and of the biases from unit `first` on.
#[derive(Clone, Debug, Default)]
pub(in crate::train) struct LabelGradient {
    pub(in crate::train) first: usize,
    pub(in crate::train) weights: Matrix,
    pub(in crate::train) bias: Vec<f32>,
}

impl LabelGradient {
    pub(super) fn add_bias(&self, visible: &mut [f32]) {
        let own = visible[self.first..].iter_mut().zip(&self.bias);
        own.for_each(|(g, x)| *g += x);
    }

    /// Adds the weights' part to a rectangle of so many columns.
    pub(super) fn add_to_tile(&self, tile: &mut StatisticsTile<'_>, columns: usize) {
        let [top, left] = tile.at;
        let end = (self.first + self.bias.len()).min(top + tile.rows);
        for i in self.first.max(top)..end {
            let x = &self.weights.row(i - self.first)[left..left + columns];
            let row = tile.values[(i - top) * tile.stride..].iter_mut();
            row.zip(x).for_each(|(g, x)| *g += x);
        }
    }
}

/// Up to three phases of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::train) struct Phases<'a> {
    all: [Phase<'a>; 3],
    n: usize,
}

impl<'a> Phases<'a> {
    /// The first `n` of `all`.
    pub(in crate::train) fn new(all: [Phase<'a>; 3], n: usize) -> Self {
        Self { all, n }
    }

    /// One phase and one that is subtracted.
    pub(in crate::train) fn pair(positive: Phase<'a>, negative: Phase<'a>) -> Self {
        Self::new([positive, negative, negative], 2)
    }

    pub(super) fn as_slice(&self) -> &[Phase<'a>] {
        &self.all[..self.n]
    }
}

/// What an update of a machine learns from.
#[derive(Clone, Copy)]
pub(in crate::train) struct Evidence<'a> {
    /// Of connection `l`.
    pub(in crate::train) phases: &'a (dyn Fn(usize) -> Phases<'a> + Sync),
    /// What does not come from states.
    pub(in crate::train) beside: Beside<'a>,
    /// Whether phases are one positive and one negative, whose weights are 1 in all: then sums of
    /// either are means as they are, and the gradients of biases their differences.
    pub(in crate::train) paired: bool,
    /// Whether the visible states are counts: the sums of a row's hidden states, the gradient of
    /// their biases, count as often as the row has words.
    pub(in crate::train) counts: bool,
}

impl Evidence<'_> {
    /// Every phase, and the states of layer `l` in it.
    fn each(&self, l: usize, mut f: impl FnMut(Input<'_>, &Phase<'_>)) {
        for phase in (self.phases)(l.saturating_sub(1)).as_slice() {
            let states = if l == 0 { phase.visible } else { phase.hidden };
            f(states, phase);
        }
    }

    /// `+= sum_p weight_p sum over rows of the states`, layer by layer.
    pub(super) fn add_sums(&self, bias: &mut [Vec<f32>]) {
        crate::threads::for_each(bias, 1, |l, sums| {
            let sums = &mut sums[0];
            self.each(l, |states, phase| match self.counts && l == 1 {
                true => add_by_length(phase, sums),
                false => states.add_weighted_sums(phase.weight, phase.of_rows, sums),
            });
        });
    }

    /// Expectations under the model of the states of layer `l`, and their weight.
    fn exact(&self, l: usize) -> Option<(&[f64], f32)> {
        let (exact, weight) = self.beside.exact?;
        Some((exact.layer(l), weight))
    }

    /// The sum of the phases of positive or of negative weight alone, and how much they weigh.
    pub(super) fn signed_sum(
        &self,
        l: usize,
        positive: bool,
        sums: &mut Vec<f32>,
        n: usize,
    ) -> f32 {
        sums.clear();
        sums.resize(n, 0.0);
        let mut total = 0.0;
        self.each(l, |states, phase| {
            if (phase.weight > 0.0) == positive {
                states.add_weighted_sums(phase.weight, phase.of_rows, sums);
                let rows = match phase.of_rows {
                    None => states.rows() as f64,
                    Some(of_rows) => of_rows.iter().map(|&w| f64::from(w)).sum(),
                };
                total += (f64::from(phase.weight) * rows) as f32;
            }
        });
        if let Some((exact, weight)) = self.exact(l).filter(|_| !positive) {
            total -= weight;
            for (sum, x) in sums.iter_mut().zip(exact) {
                *sum -= weight * *x as f32;
            }
        }
        if self.paired || total == 0.0 {
            return if positive { 1.0 } else { -1.0 };
        }
        total
    }
}

/// `+= weight` times the hidden states of each row, as often as its counts add up to; in f64,
/// rounded once.
fn add_by_length(phase: &Phase<'_>, sums: &mut [f32]) {
    let rows = phase.hidden.rows();
    add_in_pieces(rows, phase.weight, sums, |row, first, sums| {
        let weight = f64::from(phase.of_rows.map_or(1.0, |w| w[row]));
        let weight = weight * length_of(phase.visible, row);
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum += weight * f64::from(phase.hidden.get(row, first + k));
        }
    });
}
