//! Annealing of general machines: chains of all units, hidden ones included.
//!
//! They go through `p_beta(x) ~ f_beta(x) = e^((1 - beta) b0.v - beta E(x))` with one sweep by
//! units at each temperature; the base's hidden units are fair coins. The reverse of a sweep has
//! the units in the opposite order. For an RBM, hidden units summed in closed form give the better
//! estimate.

use super::{
    Annealed,
    annealed::{BoxedChains, Chains, End, Seeded, Start, Way, drawn_from_means},
    dbm::side_by_side,
};
use crate::{
    bits::BitMatrix,
    error::Result,
    model::{
        BoltzmannMachine, Layer, MeanField,
        boltzmann::{Couplings, UnitChain},
        dot,
    },
    rng::Draws,
    states::{Input, States},
    units::Kind,
};
use std::borrow::Cow;

impl Annealed for BoltzmannMachine {
    fn check_annealed(&self) -> Result<()> {
        self.check()
    }

    fn kept(&self) -> Cow<'_, Layer> {
        let units = self.visible().units.clone();
        Cow::Owned(Layer::new(units.and(Kind::Bernoulli, self.n_hidden())))
    }

    fn visible_layer(&self) -> &Layer {
        self.visible()
    }

    fn can_be_drawn(&self) -> bool {
        self.has_exact_samples()
    }

    fn exact_states(&self, count: usize, seed: u64) -> Result<States> {
        self.exact_samples(count, seed)
    }

    /// Hidden units drawn from the mean-field posterior.
    fn completed(&self, v: States, seed: u64) -> Result<States> {
        let draws = Way::BurnIn.draws(seed, (1 << 44) - 1);
        Ok(self.proposed(v.view(), 1, draws)?.0)
    }

    /// From the mean-field posterior.
    fn proposed(&self, v: Input<'_>, copies: usize, draws: Draws) -> Result<(States, Vec<f64>)> {
        let (means, _) = self.posterior_means(v, &MeanField::default())?;
        let mean = |s: usize, j: usize| means[0].row(s / copies)[j];
        let (h, log_q) = drawn_from_means(self.hidden(), v.rows() * copies, mean, draws);
        let v = v.repeated(copies).into_bits()?;
        Ok((side_by_side(&[&v, &h]).into(), log_q))
    }

    fn chains<'a>(&'a self, base: &'a [f32], on: Seeded, at: Start) -> Result<BoxedChains<'a>> {
        let (way, seed) = on;
        let mut couplings = Couplings::present(self);
        let own = couplings.bias_mut().to_vec();
        // What annealing raises from 0 to 1 is -E - b0.v.
        for (bias, b0) in couplings.bias_mut().iter_mut().zip(base) {
            *bias -= b0;
        }
        let count = at.count();
        let mut chain = UnitChain::new(couplings, count);
        match at {
            Start::Base(_) => chain.draw_independent(base, way.draws(seed, 0)),
            Start::At(states) => chain.set_units(0, states.into_bits()?.view()),
        }
        let base_inputs: Vec<f64> = base.iter().map(|&b| b.into()).collect();
        Ok(Box::new(GeneralChains {
            base,
            log_z_of_base: self.kept().log_partition(&base_inputs, 1.0),
            bias: own.clone(),
            own,
            way,
            seed,
            chain,
            count,
        }))
    }
}

/// See the module.
struct GeneralChains<'a> {
    base: &'a [f32],
    log_z_of_base: f64,
    /// The machine's biases, and those of the current temperature.
    own: Vec<f32>,
    bias: Vec<f32>,
    way: Way,
    seed: u64,
    chain: UnitChain,
    count: usize,
}

impl GeneralChains<'_> {
    fn states(&self) -> BitMatrix {
        let mut x = BitMatrix::zeros(self.count, self.own.len());
        self.chain.units_into(0, &mut x);
        x
    }
}

impl Chains for GeneralChains<'_> {
    fn log_z_of_base(&self) -> f64 {
        self.log_z_of_base
    }

    fn rise(
        &mut self,
        (low, high): (f32, f32),
        _: Option<(End, u64)>,
        _: bool,
        increments: &mut [f64],
    ) -> Result<()> {
        let rise = f64::from(high) - f64::from(low);
        self.chain.negative_energies_into(increments);
        increments.iter_mut().for_each(|x| *x *= rise);
        Ok(())
    }

    fn begin(&mut self, _: u64, log_weights: Option<&mut [f64]>) -> Result<()> {
        if let Some(log_weights) = log_weights {
            self.chain.negative_energies_into(log_weights);
            let x = self.states();
            for (s, weight) in log_weights.iter_mut().enumerate() {
                *weight += dot((&x).into(), s, self.base);
            }
        }
        Ok(())
    }

    /// At `beta (A x + bias) = beta (A x + a) + (1 - beta) b0`.
    fn sweep(&mut self, beta: f32, step: u64) -> Result<()> {
        let own = self.own.iter().zip(self.base);
        for (bias, (a, b0)) in self.bias.iter_mut().zip(own) {
            *bias = a + (1.0 - beta) / beta * b0;
        }
        let draws = self.way.draws(self.seed, step);
        let (bias, is_back) = (&self.bias, self.way.is_back());
        self.chain.sweep_with_bias(bias, beta, draws, is_back);
        Ok(())
    }

    fn into_states(self: Box<Self>) -> States {
        self.states().into()
    }
}
