//! Chains of the top pair in place of contrastive divergence.

use super::UpDownOptions;
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::Result,
    model::{Dbn, Expectations, Rbm, SwapRate},
    product::{Phase, Propagation, Tail},
    rng::{Draws, Site},
    states::{Input, States},
    tensor::{Saved, Tensor},
    train::{
        Negative,
        negative::{
            chains::{Chains, Sampled},
            rows::start_at,
        },
        run::Stop,
    },
};

const CHAINS: &str = "training.chains.top";

/// Samples of the top pair, of whatever kind.
#[derive(Clone, Debug)]
pub(super) struct TopPhase {
    negative: Negative,
    chains: Chains,
    buffers: Propagation,
}

/// What a phase of the top pair yields.
pub(super) enum OfTop<'a> {
    /// Contrastive divergence does.
    None,
    /// With the weight of the model, below 0.
    States(Phase<'a>),
    Exact(Box<Expectations>),
    Stopped,
}

impl TopPhase {
    /// Chains start at states that the network infers from examples drawn with replacement.
    pub(super) fn new(dbn: &Dbn, options: &UpDownOptions, data: &Examples) -> Result<Option<Self>> {
        let Some(negative) = options.negative else {
            return Ok(None);
        };
        let (top, seed) = (dbn.top(), options.learning.seed);
        let mut buffers = Propagation::default();
        let v = match negative.persists() {
            true => inferred(
                dbn,
                data,
                negative.chains().unwrap_or(0),
                seed,
                &mut buffers,
            )?,
            false => States::zeros(0, top.visible()),
        };
        let chains = Chains::new(negative, [1.0; 2], seed, 0, top, || v, &mut buffers)?;
        Ok(Some(Self {
            negative,
            chains,
            buffers,
        }))
    }

    /// Most rows of a product.
    pub(super) fn rows(&self) -> usize {
        self.chains.rows()
    }

    /// The visible states and hidden means of chains that go on.
    pub(super) fn last(&self) -> Option<(Input<'_>, Input<'_>)> {
        self.chains.last()
    }

    pub(super) fn swap_rates(&self) -> &[SwapRate] {
        self.chains.swap_rates()
    }

    /// Samples for update `update` of `top`, which the chains move under.
    pub(super) fn run(&mut self, top: &Rbm, update: u64, stop: &Stop) -> Result<OfTop<'_>> {
        let (negative, buffers) = (self.negative, &mut self.buffers);
        Ok(
            match self.chains.run(top, negative, update, buffers, stop)? {
                Sampled::Stopped => OfTop::Stopped,
                Sampled::Exact(expected) => OfTop::Exact(expected),
                Sampled::States { visible, hidden } => {
                    OfTop::States(Phase::new(visible, hidden, -1.0 / visible.rows() as f32))
                }
            },
        )
    }

    pub(super) fn visit(&self, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        self.chains.visit(CHAINS, out);
    }

    pub(super) fn restore(&mut self, top: &Rbm, saved: &mut Saved) -> Result<()> {
        self.chains.restore(CHAINS, top, saved)
    }
}

/// Visible states of the top pair, inferred from `count` examples.
fn inferred(
    dbn: &Dbn,
    data: &Examples,
    count: usize,
    seed: u64,
    buffers: &mut Propagation,
) -> Result<States> {
    let (mut x, chosen) = start_at(data, dbn.layer(0), count, seed);
    for (l, pair) in dbn.directed().iter().enumerate() {
        let mut above = BitMatrix::zeros(count, pair.above().size());
        let draws = Draws::new(seed, Site::Start, 2 + l as u64);
        let tail = Tail {
            sample: Some((above.view_mut(), draws)),
            ..Tail::new(1.0)
        };
        pair.above_from_below(x.view(), tail, buffers)?;
        x = above.into();
    }
    let mut v = BitMatrix::zeros(count, dbn.top().n_visible());
    if let States::Bits(features) = &x {
        (0..count).for_each(|row| v.copy_first_columns(row, features.view(), row));
    }
    if let (Some(group), Some(labels)) = (dbn.label_group(), data.labels()) {
        for (row, &i) in chosen.iter().enumerate() {
            v.set(row, group.first + labels[i] as usize, true);
        }
    }
    Ok(v.into())
}
