//! One update of a deep Boltzmann machine: from both phases of every layer to parameters.
//!
//! Each connection's weights are stepped rectangle by rectangle as an RBM's are. Centred, with offsets `mu_l` of the layers' states, the step of the centred
//! parameters told in ordinary ones is, as in [`crate::train::Centering`]:
//!
//! ```text
//! dW_l' = dW_l - db_l mu_{l+1}' - mu_l db_{l+1}'
//! db_l' = db_l - dW_l' mu_{l+1} - dW_{l-1}'' mu_{l-1}        (dW_{l-1}'' the transpose of dW_{l-1}')
//! ```

use crate::{
    error::Result,
    model::Dbm,
    product::{Phase, PhaseTables, Statistics},
    simd::dispatch,
    states::Input,
    tensor::{Saved, Tensor},
    train::{
        parameters::Parameters,
        step::{
            centering::{Centering, Corrections, Offset, Offsets, TileCentre},
            constraint::Sparsity,
            optimizer::update_weights,
            rule::{Rates, Step},
        },
    },
};

/// What updates remember, beside the machine: all that a stored run needs to go on to the bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DbmOptimizer {
    /// Last steps.
    pub velocity: Parameters,
    /// Offsets of the centred gradient, one vector a layer; empty without it.
    pub offsets: Vec<Vec<f32>>,
    /// Decayed means of the hidden units under the data, one vector a hidden layer; empty without sparsity targets.
    pub activity: Vec<Vec<f32>>,
}

/// Buffers kept between updates.
#[derive(Clone, Debug, Default)]
pub(super) struct DbmGradient {
    tables: PhaseTables,
    /// Means of every layer in the positive and the negative phase.
    means: Vec<[Vec<f32>; 2]>,
    /// Their differences: the ordinary gradients of the biases.
    differences: Vec<Vec<f32>>,
    /// The gradients that the biases are stepped along.
    biases: Vec<Vec<f32>>,
    corrections: Corrections,
    /// Offsets of the two layers of one connection.
    pair: Offsets,
}

/// States or means of every layer in one phase, and the weight of a row.
pub(super) struct DbmPhase<'a> {
    pub(super) layer: &'a (dyn Fn(usize) -> Input<'a> + Sync),
    pub(super) weight: f32,
}

impl<'a> DbmPhase<'a> {
    /// The phase of connection `l`.
    fn of(&self, l: usize, sign: f32) -> Phase<'a> {
        Phase {
            visible: (self.layer)(l),
            hidden: (self.layer)(l + 1),
            weight: sign * self.weight,
        }
    }
}

/// What of the options shapes a gradient.
#[derive(Clone, Copy)]
pub(super) struct DbmShaping<'a> {
    pub(super) centering: Option<Centering>,
    pub(super) sparsity: &'a [Sparsity],
}

impl DbmOptimizer {
    /// At rest; `mean` is that of the data.
    pub(super) fn new(
        dbm: &Dbm,
        centering: Option<Centering>,
        sparsity: &[Sparsity],
        mean: &[f64],
    ) -> Self {
        let start = |centering: Centering, l: usize| match (l, offset(centering, l)) {
            (_, Offset::Fixed(x)) => vec![x; dbm.layer(l).size()],
            (0, _) => mean.iter().map(|&x| x as f32).collect(),
            // The first update sets them.
            _ => vec![0.0; dbm.layer(l).size()],
        };
        let hidden = dbm.layers()[1..].iter().take(dbm.n_hidden_layers());
        Self {
            velocity: Parameters::zeros(dbm),
            offsets: match centering {
                Some(c) => (0..dbm.n_layers()).map(|l| start(c, l)).collect(),
                None => Vec::new(),
            },
            activity: match sparsity {
                [] => Vec::new(),
                _ => hidden.map(|x| vec![0.0; x.size()]).collect(),
            },
        }
    }

    /// Tells all by the names of files.
    pub(super) fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        self.velocity.visit("training.velocity", out);
        for (name, vectors, first) in [
            ("offset", &self.offsets, 0),
            ("activity", &self.activity, 1),
        ] {
            for (l, x) in vectors.iter().enumerate() {
                let name = format!("training.{name}.{}", first + l);
                out(&name, x.as_slice().into());
            }
        }
    }

    /// Takes back what [`Self::visit`] told.
    pub(super) fn restore(&mut self, saved: &mut Saved) -> Result<()> {
        self.velocity.restore("training.velocity", saved)?;
        for (name, vectors, first) in [
            ("offset", &mut self.offsets, 0),
            ("activity", &mut self.activity, 1),
        ] {
            for (l, x) in vectors.iter_mut().enumerate() {
                saved.vector_into(&format!("training.{name}.{}", first + l), x)?;
            }
        }
        Ok(())
    }

    /// One update along the difference of the phases.
    pub(super) fn step(
        &mut self,
        dbm: &mut Dbm,
        [positive, negative]: [DbmPhase<'_>; 2],
        rates: Rates,
        shaping: DbmShaping<'_>,
        gradient: &mut DbmGradient,
    ) -> Result<()> {
        gradient.fill_means(dbm, &positive, &negative);
        let is_first = rates.update == 1;
        if let Some(centering) = shaping.centering {
            let layers = self.offsets.iter_mut().zip(&gradient.means);
            for (l, (offsets, means)) in layers.enumerate() {
                let rate = if is_first && l > 0 {
                    1.0
                } else {
                    centering.rate
                };
                offset(centering, l).follow(offsets, means, rate);
            }
        }
        let DbmGradient {
            tables,
            means,
            differences,
            biases,
            corrections,
            pair,
        } = gradient;
        let (layers, connections) = dbm.parts_mut();
        for (l, connection) in connections.iter_mut().enumerate() {
            let phases = [positive.of(l, 1.0), negative.of(l, -1.0)];
            let (n, m) = (layers[l].size(), layers[l + 1].size());
            let statistics = Statistics::new(&phases, n, m)?.by_look_up(tables);
            let velocity = &mut self.velocity.weights[l];
            let weights = connection.weights_mut();
            if self.offsets.is_empty() {
                update_weights(&statistics, None, weights, velocity, None, None, rates);
                continue;
            }
            for (to, from) in [
                (&mut pair.visible, &self.offsets[l]),
                (&mut pair.hidden, &self.offsets[l + 1]),
            ] {
                to.clear();
                to.extend_from_slice(from);
            }
            corrections.begin(n, m);
            let centre = TileCentre {
                offsets: pair,
                visible: &differences[l],
                hidden: &differences[l + 1],
                corrections,
                at: [0, 0],
            };
            update_weights(
                &statistics,
                None,
                weights,
                velocity,
                None,
                Some(centre),
                rates,
            );
            let (lower, upper) = biases.split_at_mut(l + 1);
            corrections.finish(&mut lower[l], &mut upper[0]);
        }
        for (l, sparsity) in shaping.sparsity.iter().enumerate() {
            let [positive, _] = &means[l + 1];
            sparsity.add(
                positive,
                &mut self.activity[l],
                &mut biases[l + 1],
                is_first,
            );
        }
        for ((layer, gradient), first) in
            layers.iter_mut().zip(&*biases).zip(&mut self.velocity.bias)
        {
            dispatch(Step {
                gradient,
                first,
                second: &mut [],
                parameter: &mut layer.bias,
                rates: rates.without_decay(),
            });
        }
        dbm.refresh();
        Ok(())
    }
}

fn offset(centering: Centering, l: usize) -> Offset {
    if l == 0 {
        centering.visible
    } else {
        centering.hidden
    }
}

impl DbmGradient {
    fn fill_means(&mut self, dbm: &Dbm, positive: &DbmPhase<'_>, negative: &DbmPhase<'_>) {
        let n = dbm.n_layers();
        self.means.resize_with(n, Default::default);
        self.differences.resize_with(n, Vec::new);
        self.biases.resize_with(n, Vec::new);
        for (l, [p, q]) in self.means.iter_mut().enumerate() {
            let sum = |phase: &DbmPhase<'_>, sums: &mut Vec<f32>| {
                sums.clear();
                sums.resize(dbm.layer(l).size(), 0.0);
                (phase.layer)(l).add_column_sums(phase.weight, sums);
            };
            rayon::join(|| sum(positive, p), || sum(negative, q));
            let difference = p.iter().zip(q).map(|(p, q)| *p - *q);
            self.differences[l].clear();
            self.differences[l].extend(difference);
            self.biases[l].clear();
            self.biases[l].extend_from_slice(&self.differences[l]);
        }
    }
}
