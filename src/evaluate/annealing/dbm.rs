//! Annealing of deep Boltzmann machines.
//!
//! A deep Boltzmann machine is an RBM of its even and its odd layers ([`Dbm::bipartite`]), so
//! annealed importance sampling with every other layer summed in closed form is that of this RBM:
//! chains are states of the even layers, the odd ones are summed out. Salakhutdinov and Hinton
//! (2009) keep the layer between and sum out the other two, as the RBM
//! [transposed](crate::Rbm::transposed) does; on machines that were trained as a whole that lost
//! many nats where the even layers kept gave a narrow bracket (docs/dbm.md).

use super::{
    Annealed,
    annealed::{BoxedChains, Seeded, Start, base_biases, drawn_from_means},
    rbm::RbmChains,
};
use crate::{
    bits::BitMatrix,
    dataset::{Examples, Rows},
    error::Result,
    matrix::Matrix,
    model::{Dbm, Layer, MeanField},
    rng::{Draws, Stream},
    states::{Input, States},
};
use std::borrow::Cow;

impl Annealed for Dbm {
    fn check_annealed(&self) -> Result<()> {
        self.check_finite()
    }

    fn kept(&self) -> Cow<'_, Layer> {
        Cow::Owned(self.bipartite().visible().clone())
    }

    fn visible_layer(&self) -> &Layer {
        self.layer(0)
    }

    fn start_stream(&self) -> Stream {
        Stream::ReverseDbm
    }

    /// Of the visible units that of the data, of even hidden layers that of the mean-field
    /// posterior.
    fn base_rate(&self, data: &Examples) -> Result<Vec<f32>> {
        let (n, share) = (data.effective_len(), Rows::from(data).share());
        let mut biases = base_biases(self.layer(0), &data.mean(), n);
        let (means, _) = self.posterior_means(data, &MeanField::default())?;
        // Layers 2, 4, ...: the means are from layer 1 on.
        for (l, q) in (2..).step_by(2).zip(means.iter().skip(1).step_by(2)) {
            let mut mean = vec![0.0; q.columns()];
            for i in 0..q.rows() {
                let row = mean.iter_mut().zip(q.row(i));
                row.for_each(|(m, &q)| *m += share(i, f64::from(q)));
            }
            biases.extend(base_biases(self.layer(l), &mean, n));
        }
        Ok(biases)
    }

    fn can_be_drawn(&self) -> bool {
        self.bipartite().has_exact_samples()
    }

    fn exact_states(&self, count: usize, seed: u64) -> Result<States> {
        self.bipartite().exact_samples(count, seed)
    }

    /// Hidden layers drawn upwards as [`Dbm::chains_from`] does.
    fn completed(&self, v: States, seed: u64) -> Result<States> {
        let chain = self.chains_from(v, seed)?;
        let even: Vec<&BitMatrix> = chain
            .states()
            .iter()
            .step_by(2)
            .filter_map(States::bits)
            .collect();
        Ok(side_by_side(&even).into())
    }

    /// From the mean-field posterior.
    fn proposed(&self, v: Input<'_>, copies: usize, draws: Draws) -> Result<(States, Vec<f64>)> {
        let (means, _) = self.posterior_means(v, &MeanField::default())?;
        let means: Vec<&Matrix> = means.iter().skip(1).step_by(2).collect();
        let hidden = self.layers().iter().skip(2).step_by(2);
        let units = hidden.flat_map(|x| x.units.segments()).copied();
        let layer = Layer::new(
            units.fold(Default::default(), |all: crate::units::Units, s| {
                all.and(s.kind, s.size)
            }),
        );
        let place: Vec<(usize, usize)> = means
            .iter()
            .enumerate()
            .flat_map(|(l, q)| (0..q.columns()).map(move |i| (l, i)))
            .collect();
        let mean = |s: usize, i: usize| means[place[i].0].row(s / copies)[place[i].1];
        let (h, log_q) = drawn_from_means(&layer, v.rows() * copies, mean, draws);
        let v = v.repeated(copies).into_bits()?;
        Ok((side_by_side(&[&v, &h]).into(), log_q))
    }

    fn chains<'a>(&'a self, base: &'a [f32], on: Seeded, at: Start) -> Result<BoxedChains<'a>> {
        let chains = RbmChains::new(Cow::Owned(self.bipartite()), base, on, at)?;
        Ok(Box::new(chains))
    }
}

/// `[x_0, x_1, ...]`, row by row.
pub(super) fn side_by_side(parts: &[&BitMatrix]) -> BitMatrix {
    let columns = parts.iter().map(|x| x.columns()).sum();
    let mut all = BitMatrix::zeros(parts.first().map_or(0, |x| x.rows()), columns);
    let mut first = 0;
    for x in parts {
        for i in 0..x.rows() {
            x.view().ones(i).for_each(|j| all.set(i, first + j, true));
        }
        first += x.columns();
    }
    all
}
