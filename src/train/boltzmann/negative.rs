//! Samples of the model: chains of a general machine in all their kinds.

use crate::{
    bits::{BitMatrix, BitView},
    error::{Error, Result},
    model::{
        BoltzmannMachine, SwapRate, UnitReplicas,
        boltzmann::{Couplings, UnitChain},
        even_ladder,
    },
    rng::{Draws, Site},
    tensor::{Saved, Tensor},
    train::{Negative, negative::snapshots::Snapshots, parameters::Parameters, run::Batch},
};

/// Name in files: the states of chains that go on between updates, level by level.
const CHAINS: &str = "training.chains";

/// Chains of the model.
#[derive(Clone, Debug)]
pub(super) struct NegativePhase {
    negative: Negative,
    seed: u64,
    chains: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Nobody samples.
    None,
    Plain(Box<UnitChain>),
    Tempered(Box<UnitReplicas>),
    /// At snapshots of the machine along its training.
    Trail(Box<(Snapshots<BoltzmannMachine>, UnitReplicas)>),
}

impl NegativePhase {
    /// Before the first update: all chains at fair coins.
    pub(super) fn new(
        machine: &BoltzmannMachine,
        negative: Negative,
        seed: u64,
        batch: usize,
    ) -> Self {
        let count = negative.chains().unwrap_or(batch);
        let chains = match negative {
            Negative::Exact | Negative::PseudoLikelihood => Kind::None,
            Negative::Tempered {
                temperatures,
                lowest,
                ..
            } => {
                let ladder = even_ladder(temperatures, lowest);
                Kind::Tempered(Box::new(UnitReplicas::tempered(
                    machine, ladder, count, seed,
                )))
            }
            Negative::Trajectory {
                acceptance,
                snapshots,
                ..
            } => {
                let snapshots = Snapshots::new(machine, acceptance, snapshots);
                let models = [machine, &snapshots.older[0]];
                let replicas = UnitReplicas::along(&models, count, seed);
                Kind::Trail(Box::new((snapshots, replicas)))
            }
            _ => {
                let mut chain = UnitChain::new(Couplings::allowed(machine), count);
                if !negative.starts_at_data() {
                    chain.draw_uniform(Draws::new(seed, Site::Start, 0));
                }
                Kind::Plain(Box::new(chain))
            }
        };
        Self {
            negative,
            seed,
            chains,
        }
    }

    /// The chains that statistics are of.
    fn first(&self) -> Option<&UnitChain> {
        match &self.chains {
            Kind::None => None,
            Kind::Plain(chain) => Some(chain),
            Kind::Tempered(replicas) => Some(replicas.first()),
            Kind::Trail(trail) => Some(trail.1.first()),
        }
    }

    /// Swaps of the last update between each level and the next.
    pub(super) fn swap_rates(&self) -> &[SwapRate] {
        match &self.chains {
            Kind::Tempered(replicas) => replicas.swap_rates(),
            Kind::Trail(trail) => trail.1.swap_rates(),
            _ => &[],
        }
    }

    /// `E` of the chains that statistics are of, under `machine`.
    pub(super) fn energies(&self, machine: &BoltzmannMachine) -> Vec<f64> {
        let mut out = vec![0.0; self.negative.chains().unwrap_or(0)];
        if let Some(chain) = self.first() {
            chain.negative_energies_under(&Couplings::allowed(machine), &mut out);
        }
        out.iter_mut().for_each(|x| *x = -*x);
        out
    }

    /// Moves the chains under `machine` for update `update`, and takes their pairs from `gradient`.
    /// Chains that start at the data do so where `positive` has the examples of the minibatch, or
    /// at other states of their hidden units, if there are some; they weigh what these do, others
    /// what the minibatch does.
    pub(super) fn run(
        &mut self,
        machine: &BoltzmannMachine,
        update: u64,
        (positive, batch, hidden): (&UnitChain, &Batch<'_>, Option<BitView<'_>>),
        gradient: &mut Parameters,
    ) {
        let (seed, steps) = (self.seed, self.negative.steps().unwrap_or(0) as u64);
        let rows = batch.len();
        let mut count = self.negative.chains().unwrap_or(rows);
        match &mut self.chains {
            Kind::None => return,
            Kind::Plain(chain) => {
                chain.refresh(machine);
                match self.negative {
                    Negative::Mcmc { .. } => {
                        chain.draw_uniform(Draws::new(seed, Site::Start, update));
                    }
                    Negative::ContrastiveDivergence { .. } => {
                        chain.copy_states(positive, rows);
                        if let Some(hidden) = hidden {
                            chain.set_units(machine.n_visible(), hidden);
                        }
                        count = rows;
                    }
                    _ => {}
                }
                for k in 0..steps {
                    chain.sweep(1.0, Draws::new(seed, Site::Chain, update * steps + k));
                }
            }
            Kind::Tempered(replicas) => {
                replicas.refresh(0, machine);
                replicas.reset_swap_rates();
                (0..steps).for_each(|k| replicas.sweep(update * steps + k));
            }
            Kind::Trail(trail) => {
                let (snapshots, replicas) = &mut **trail;
                if snapshots.is_due() {
                    replicas.rearrange(&snapshots.keep(machine));
                    replicas.refresh(1, machine);
                }
                replicas.refresh(0, machine);
                for k in 0..steps {
                    replicas.reset_swap_rates();
                    replicas.sweep(update * steps + k);
                    snapshots.follow(replicas.swap_rates());
                }
            }
        }
        if let Some(chain) = self.first() {
            let (mass, of_chains) = match self.negative.starts_at_data() {
                true => (1.0, batch.weights),
                false => (batch.weight(), None),
            };
            gradient.add_counts(chain, -mass / count as f32, of_chains);
        }
    }

    pub(super) fn visit(&self, machine: &BoltzmannMachine, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        if !self.negative.persists() {
            return;
        }
        let states = match &self.chains {
            Kind::None => return,
            Kind::Plain(chain) => {
                let count = self.negative.chains().unwrap_or(0);
                let mut states = BitMatrix::zeros(count, machine.units());
                chain.units_into(0, &mut states);
                states
            }
            Kind::Tempered(replicas) => replicas.states(),
            Kind::Trail(trail) => {
                trail.0.visit(out);
                trail.1.states()
            }
        };
        out(CHAINS, (&states).into());
    }

    pub(super) fn restore(&mut self, machine: &BoltzmannMachine, saved: &mut Saved) -> Result<()> {
        if !self.negative.persists() {
            return Ok(());
        }
        let (chains, units) = (self.negative.chains().unwrap_or(0), machine.units());
        match &mut self.chains {
            Kind::None => {}
            Kind::Plain(chain) => {
                chain.set_units(0, saved.bits(CHAINS, chains, units)?.view());
            }
            Kind::Tempered(replicas) => {
                let rows = chains * replicas.levels();
                replicas.set_states(&saved.bits(CHAINS, rows, units)?);
            }
            Kind::Trail(trail) => {
                let (snapshots, replicas) = &mut **trail;
                let rows = saved.shape(CHAINS).map_or(0, |shape| shape[0]);
                let Some(levels) = snapshots.levels_of(rows, chains) else {
                    let expected = format!("{chains} at each of a number of snapshots");
                    return Err(Error::shape("stored chains", expected, rows));
                };
                let states = saved.bits(CHAINS, rows, units)?;
                snapshots.set_levels(levels);
                snapshots.restore(machine, saved)?;
                let all: Vec<&BoltzmannMachine> =
                    std::iter::once(machine).chain(&snapshots.older).collect();
                *replicas = UnitReplicas::along(&all, chains, self.seed);
                replicas.set_states(&states);
            }
        }
        Ok(())
    }
}
