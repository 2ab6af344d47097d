//! Block Gibbs sampling of a deep Boltzmann machine.

use super::Dbm;
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::{Matrix, MatrixViewMut},
    model::Clamp,
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::{Input, States},
    threads::as_team,
};

/// Parallel Markov chains over the states of a deep Boltzmann machine, one a row. A sweep draws all
/// odd layers given the even ones, then all even layers given the odd ones. Draws depend on the
/// seed, the chain's row, the layer and the number of sweeps so far alone.
#[derive(Clone, Debug)]
pub struct DbmChain {
    layers: Vec<States>,
    clamps: Vec<Option<Clamp>>,
    seed: u64,
    site: Site,
    sweeps: u64,
    buffers: Propagation,
}

impl Dbm {
    /// `count` chains whose units are all drawn with inputs of zero: fair coins, uniform groups.
    ///
    /// # Errors
    /// Those of [`Self::layer_from_neighbors`].
    pub fn chains(&self, count: usize, seed: u64) -> Result<DbmChain> {
        let mut chain = DbmChain::at(self, count, seed, Site::Gibbs);
        for l in 0..self.n_layers() {
            let draws = Draws::new(seed, Site::Start, l as u64);
            chain.draw(self, l, 0.0, draws, None)?;
        }
        Ok(chain)
    }

    /// Chains that start from the visible states `v`; hidden layers are drawn upwards, each from
    /// the one below with its input doubled where there is a hidden layer above too, at `beta = 1`;
    /// labels from the highest hidden layer.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Parameter`] for states of another layer.
    pub fn chains_from(&self, v: impl Into<States>, seed: u64) -> Result<DbmChain> {
        DbmChain::started(self, v.into(), None, seed, Site::Gibbs)
    }
}

impl DbmChain {
    /// Chains in the midst of a run: what [`Self::states`], [`Self::seed`] and [`Self::sweeps`]
    /// told. They go on as if never interrupted, bit for bit. Held units are to be held again.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are states of every layer, of one number of chains;
    /// [`Error::Parameter`] for real ones.
    pub fn restored(dbm: &Dbm, layers: Vec<States>, seed: u64, sweeps: u64) -> Result<Self> {
        let inputs: Vec<Input<'_>> = layers.iter().map(States::view).collect();
        dbm.check_states(&inputs)?;
        for (l, x) in layers.iter().enumerate() {
            x.check_layer(&format!("chains of layer {l}"), dbm.layer(l))?;
        }
        Ok(Self {
            clamps: vec![None; layers.len()],
            layers,
            seed,
            site: Site::Gibbs,
            sweeps,
            buffers: Propagation::default(),
        })
    }

    fn at(dbm: &Dbm, count: usize, seed: u64, site: Site) -> Self {
        let zeros = |layer| States::zeros(count, layer);
        Self {
            layers: dbm.layers().iter().map(zeros).collect(),
            clamps: vec![None; dbm.n_layers()],
            seed,
            site,
            sweeps: 0,
            buffers: Propagation::default(),
        }
    }

    /// Chains that start from visible states, and from labels if they are given, one a chain: the
    /// highest hidden layer is drawn given both.
    pub(crate) fn started(
        dbm: &Dbm,
        v: States,
        labels: Option<&[u32]>,
        seed: u64,
        site: Site,
    ) -> Result<Self> {
        v.check_layer("visible states of the chains", dbm.layer(0))?;
        let rows = v.rows();
        let mut chain = Self::at(dbm, rows, seed, site);
        chain.layers[0] = v;
        let draws = |l: usize| Draws::new(seed, Site::Start, l as u64);
        let mut upwards = 1..dbm.n_layers();
        if let Some(labels) = labels {
            upwards.end = dbm.n_hidden_layers();
            chain.layers[upwards.end + 1] = dbm.label_states(labels)?.into();
        }
        let top = upwards.end;
        for l in upwards {
            let (lower, rest) = chain.layers.split_at_mut(l);
            let tail = rest[0].sampled(0..rows, draws(l), Tail::new(1.0));
            dbm.layer_from_below(l, lower[l - 1].view(), tail, &mut chain.buffers)?;
        }
        if labels.is_some() {
            chain.draw(dbm, top, 1.0, draws(top), None)?;
        }
        Ok(chain)
    }

    /// The same chains with the label layer held at these classes, from now on, one a chain or one
    /// for all: a sweep then is one of block Gibbs sampling of `P(v, h | y)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a machine without labels and a class that is not there,
    /// [`Error::Shape`] for another number of labels.
    pub fn with_labels(self, dbm: &Dbm, labels: &[u32]) -> Result<Self> {
        let values = dbm.label_states(labels)?;
        let last = dbm.n_layers() - 1;
        let mask = BitMatrix::from_fn(1, values.columns(), |_, _| true);
        self.clamped(last, Clamp::new(dbm.layer(last), values, mask)?)
    }

    /// The same chains with units of layer `l` held at given values, from now on: a sweep then is
    /// one of block Gibbs sampling of the rest given them.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a layer that is not there, [`Error::Shape`] unless `clamp` is of
    /// this layer and of one row or as many as there are chains.
    pub fn clamped(mut self, l: usize, clamp: Clamp) -> Result<Self> {
        let Some(states) = self.layers.get_mut(l) else {
            let expected = format!("below {}", self.clamps.len());
            return Err(Error::parameter("layer of held units", expected, l));
        };
        clamp.check_fits(states)?;
        clamp.restore(states);
        self.clamps[l] = Some(clamp);
        Ok(self)
    }

    /// Seed of the draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Sweeps so far.
    pub fn sweeps(&self) -> u64 {
        self.sweeps
    }

    /// The states of every layer.
    pub fn states(&self) -> &[States] {
        &self.layers
    }

    /// The visible states.
    pub fn visible(&self) -> &States {
        &self.layers[0]
    }

    /// `sweeps` sweeps at inverse temperature `beta`. Cost: each product once a sweep in each
    /// direction; nothing is allocated after the first.
    ///
    /// # Errors
    /// [`Error::Shape`] if the chains belong to a machine of another size.
    pub fn sweep(&mut self, dbm: &Dbm, sweeps: usize, beta: f32) -> Result<()> {
        crate::environment::check()?;
        let states = self.layers.iter().map(States::columns);
        if !states.eq(dbm.layers().iter().map(crate::model::Layer::size)) {
            let name = |x: Vec<String>| x.join("-");
            return Err(Error::shape(
                "layers of the chains",
                name(dbm.layers().iter().map(|x| x.size().to_string()).collect()),
                name(
                    self.layers
                        .iter()
                        .map(|x| x.columns().to_string())
                        .collect(),
                ),
            ));
        }
        as_team(|| {
            for _ in 0..sweeps {
                self.draw_block(dbm, 1, beta)?;
                self.draw_block(dbm, 0, beta)?;
                self.sweeps += 1;
            }
            Ok(())
        })
    }

    /// Draws the layers of a parity.
    fn draw_block(&mut self, dbm: &Dbm, parity: usize, beta: f32) -> Result<()> {
        (parity..dbm.n_layers())
            .step_by(2)
            .try_for_each(|l| self.draw_layer(dbm, l, beta, None))
    }

    /// Draws layer `l` given its neighbors, with the draws of the sweep that is going on, and
    /// writes its means.
    fn draw_layer(
        &mut self,
        dbm: &Dbm,
        l: usize,
        beta: f32,
        mean: Option<MatrixViewMut<'_>>,
    ) -> Result<()> {
        let step = self.sweeps * dbm.n_layers() as u64 + l as u64;
        let draws = Draws::new(self.seed, self.site, step);
        self.draw(dbm, l, beta, draws, mean)?;
        if let Some(clamp) = &self.clamps[l] {
            clamp.restore(&mut self.layers[l]);
        }
        Ok(())
    }

    fn draw(
        &mut self,
        dbm: &Dbm,
        l: usize,
        beta: f32,
        draws: Draws,
        mean: Option<MatrixViewMut<'_>>,
    ) -> Result<()> {
        let (lower, rest) = self.layers.split_at_mut(l);
        let (own, upper) = rest.split_at_mut(1);
        let (below, above) = (lower.last(), upper.first());
        let tail = Tail {
            mean,
            ..Tail::new(beta)
        };
        let rows = own[0].rows();
        let tail = own[0].sampled(0..rows, draws, tail);
        let (below, above) = (below.map(States::view), above.map(States::view));
        dbm.layer_from_neighbors(l, below, above, tail, &mut self.buffers)
    }

    /// Sweeps of training, which end with the odd layers, whose means are written too, by layer:
    /// even layers given the odd ones, then odd given even.
    pub(crate) fn train_sweeps(
        &mut self,
        dbm: &Dbm,
        first: u64,
        sweeps: usize,
        means: &mut [Matrix],
    ) -> Result<()> {
        for k in 0..sweeps {
            self.sweeps = first + k as u64;
            self.draw_block(dbm, 0, 1.0)?;
            for l in dbm.hidden_of(1) {
                let mean = (k + 1 == sweeps).then(|| means[l].view_mut());
                self.draw_layer(dbm, l, 1.0, mean)?;
            }
        }
        Ok(())
    }

    /// States of layer `l` of a stored run.
    pub(crate) fn set_layer(&mut self, l: usize, states: States) -> Result<()> {
        let own = &self.layers[l];
        let shape = |x: &States| format!("{} x {} bits", x.rows(), x.columns());
        if shape(own) != shape(&states) || states.bits().is_none() {
            let what = format!("stored chains of layer {l}");
            return Err(Error::shape(what, shape(own), shape(&states)));
        }
        self.layers[l] = states;
        Ok(())
    }
}
