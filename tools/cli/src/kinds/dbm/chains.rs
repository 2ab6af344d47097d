//! Block Gibbs chains of a deep Boltzmann machine, over all its layers.

use crate::{
    failure::Outcome,
    run::chains::{Chains, Start},
};
use harmonium::{Dbm, Matrix, States, model::DbmChain, states::Input};
use std::borrow::Cow;

/// Chains with their machine.
pub struct Blocks<'a> {
    dbm: &'a Dbm,
    chains: DbmChain,
}

impl<'a> Blocks<'a> {
    /// As `start` says.
    ///
    /// # Errors
    /// Held units that do not fit.
    pub fn new(dbm: &'a Dbm, start: &Start<'_>) -> Outcome<Self> {
        let seed = start.seed;
        let clamp = start.held.map(|held| &held.clamp);
        let mut chains = match &start.states {
            None => dbm.chains(start.count, seed)?,
            Some(v) => {
                let mut v = v.clone();
                if let Some(clamp) = clamp {
                    // Hidden layers are drawn from what is held too.
                    let chains = dbm.chains_from(v, seed)?;
                    v = chains.clamped(0, clamp.clone())?.visible().clone();
                }
                dbm.chains_from(v, seed)?
            }
        };
        if let Some(clamp) = clamp {
            chains = chains.clamped(0, clamp.clone())?;
        }
        if let Some(label) = start.label {
            chains = chains.clamped(dbm.n_layers() - 1, label.clamp.clone())?;
        }
        Ok(Self { dbm, chains })
    }
}

impl Chains for Blocks<'_> {
    fn sweeps(&self) -> String {
        "block Gibbs sweeps".into()
    }

    fn sweep(&mut self, beta: f32) -> Outcome<()> {
        Ok(self.chains.sweep(self.dbm, 1, beta)?)
    }

    fn visible(&self) -> Outcome<Cow<'_, States>> {
        Ok(Cow::Borrowed(self.chains.visible()))
    }

    fn energies(&self) -> Outcome<Vec<f64>> {
        let states: Vec<Input<'_>> = self.chains.states().iter().map(States::view).collect();
        Ok(self.dbm.energy(&states)?)
    }

    fn energy(&self) -> &'static str {
        "energy"
    }

    fn means(&self, beta: f32) -> Outcome<Option<Matrix>> {
        let above = &self.chains.states()[1];
        Ok(Some(self.dbm.mean_v_from_h(above, beta)?))
    }
}
