//! Gibbs chains of an RBM, from fair coins, from examples, or going on with stored ones; of a deep
//! belief network they are those of the top pair, with one pass down.

use crate::{
    failure::{Failure, Outcome},
    run::chains::{Chains, Start},
};
use harmonium::{
    Dbn, Matrix, Rbm, States,
    checkpoint::{load_chains, save_chains},
    model::RbmChain,
};
use std::{borrow::Cow, path::Path};

/// Chains of an RBM.
pub struct Gibbs<'a> {
    rbm: &'a Rbm,
    chains: RbmChain,
}

impl<'a> Gibbs<'a> {
    /// As `start` says.
    ///
    /// # Errors
    /// Stored chains of another machine; held units that do not fit.
    pub fn new(rbm: &'a Rbm, start: &Start<'_>) -> Outcome<Self> {
        let mut chains = match (start.continue_from(), &start.states) {
            (Some(path), _) => stored(rbm, path)?,
            (None, Some(v)) => rbm.chains_from(v.clone(), start.seed)?,
            (None, None) => rbm.chains(start.count, start.seed)?,
        };
        if let Some(held) = start.held {
            chains = chains.clamped(0, held.clamp.clone())?;
        }
        Ok(Self { rbm, chains })
    }
}

/// Chains that `--save-chains` wrote.
fn stored(rbm: &Rbm, path: &Path) -> Outcome<RbmChain> {
    let chains = load_chains(path)?;
    let (v, h) = (chains.visible(), chains.hidden());
    let fits = v.columns() == rbm.n_visible()
        && v.bits().is_some() == rbm.visible().units.are_binary()
        && (chains.half_sweeps() == 0 || h.columns() == rbm.n_hidden());
    if !fits {
        return Err(Failure::failed(format!(
            "--continue {}: chains of {} and {} units are not those of a machine of {} and {}",
            path.display(),
            v.columns(),
            h.columns(),
            rbm.n_visible(),
            rbm.n_hidden()
        )));
    }
    Ok(chains)
}

impl Chains for Gibbs<'_> {
    fn sweeps(&self) -> String {
        "Gibbs sweeps".into()
    }

    fn sweep(&mut self, beta: f32) -> Outcome<()> {
        Ok(self.chains.sweep(self.rbm, 1, beta)?)
    }

    fn visible(&self) -> Outcome<Cow<'_, States>> {
        Ok(Cow::Borrowed(self.chains.visible()))
    }

    fn energies(&self) -> Outcome<Vec<f64>> {
        Ok(self.rbm.free_energy(self.chains.visible(), 1.0)?)
    }

    fn means(&self, beta: f32) -> Outcome<Option<Matrix>> {
        let mut means = self.rbm.mean_v_from_h(self.chains.hidden(), beta)?;
        let visible = self.rbm.visible();
        if visible.are_counts() && visible.length.is_none() {
            // Those of one word, of which each chain has its own number.
            let states = self.chains.visible().to_matrix();
            for i in 0..means.rows() {
                let length: f32 = states.row(i).iter().sum();
                means.row_mut(i).iter_mut().for_each(|x| *x *= length);
            }
        }
        Ok(Some(means))
    }

    fn save(&self, path: &Path) -> Outcome<()> {
        Ok(save_chains(&self.chains, path)?)
    }
}

/// Chains of the top pair of a deep belief network.
pub struct Top<'a> {
    dbn: &'a Dbn,
    chains: RbmChain,
    seed: u64,
}

impl<'a> Top<'a> {
    /// As `start` says: chains from examples start at their features.
    ///
    /// # Errors
    /// As [`Gibbs::new`]; examples, of a network whose features have a label beside them.
    pub fn new(dbn: &'a Dbn, start: &Start<'_>) -> Outcome<Self> {
        let (top, seed) = (dbn.top(), start.seed);
        let chains = match (start.continue_from(), &start.states) {
            (Some(path), _) => stored(top, path)?,
            (None, Some(_)) if dbn.label_group().is_some() => {
                return Err(Failure::usage(
                    "--from-data: the top pair of a network with labels has none of examples",
                )
                .hint("--label and --every-label hold them"));
            }
            (None, Some(v)) => {
                let features = dbn.sample_features(v, seed, 0)?;
                top.chains_from(features, seed)?
            }
            (None, None) => match start.label {
                Some(held) => dbn.chains_with_labels(&held.classes_of(start.count), seed)?,
                None => dbn.chains(start.count, seed)?,
            },
        };
        Ok(Self { dbn, chains, seed })
    }
}

impl Chains for Top<'_> {
    fn sweeps(&self) -> String {
        "Gibbs sweeps of the top pair".into()
    }

    fn sweep(&mut self, beta: f32) -> Outcome<()> {
        Ok(self.chains.sweep(self.dbn.top(), 1, beta)?)
    }

    fn visible(&self) -> Outcome<Cow<'_, States>> {
        let features = self.chains.visible().view();
        let states = self.dbn.sample_v_from_features(features, self.seed, 0)?;
        Ok(Cow::Owned(states))
    }

    fn energies(&self) -> Outcome<Vec<f64>> {
        let top = self.dbn.top();
        Ok(top.free_energy(self.chains.visible(), 1.0)?)
    }

    fn means(&self, _: f32) -> Outcome<Option<Matrix>> {
        let features = self.chains.visible().view();
        let means = self.dbn.mean_v_from_features(features, self.seed, 0)?;
        Ok(Some(means))
    }

    fn save(&self, path: &Path) -> Outcome<()> {
        Ok(save_chains(&self.chains, path)?)
    }
}
