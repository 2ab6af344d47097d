//! Gibbs sampling of a general machine, unit by unit or by blocks of units that are not coupled.

use super::{BoltzmannMachine, UnitChain, couplings::Couplings};
use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    model::{Clamp, Layer, layer::exactly},
    product::{Connection, Direction, Precision, Propagation, Tail, Term},
    rng::{Draws, Site},
    states::States,
    threads::in_pool,
};
use std::sync::OnceLock;

/// Most classes of units that [`Sweep::Blocks`] takes.
const MAX_CLASSES: usize = 8;
/// By blocks if at least this share of the pairs of units of different classes is coupled: a
/// product meets every pair, a list of neighbors only those.
const BLOCKS_FROM_DENSITY: f64 = 0.125;

/// The order in which the units of a sweep are drawn. Either leaves the machine's distribution
/// alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sweep {
    /// Blocks where a few classes of units that are not coupled among themselves are coupled
    /// densely with one another, as in an RBM or a DBM; else, and where there are softmax groups,
    /// units.
    #[default]
    Automatic,
    /// One unit or softmax group after the other in order of their number, 64 chains at once
    /// through lists of neighbors.
    Units,
    /// One class of a greedy coloring after the other, each a layer drawn from its product with
    /// the others. At most 8 classes.
    Blocks,
}

/// Parallel Markov chains over the states of a general machine, one a row. Draws depend on the
/// seed, the chain's row and the number of sweeps so far alone: the same bits at any number of
/// threads.
#[derive(Clone, Debug)]
pub struct BoltzmannChain {
    route: ChainRoute,
    n_visible: usize,
    n_hidden: usize,
    chains: usize,
    seed: u64,
    sweeps: u64,
    /// The visible and the hidden states, once somebody asked.
    seen: [OnceLock<States>; 2],
}

#[derive(Clone, Debug)]
enum ChainRoute {
    Units(Box<UnitChain>),
    Blocks(Box<Blocks>),
}

impl BoltzmannMachine {
    /// `count` chains of fair coins and uniform groups, swept in the order that suits the
    /// couplings.
    ///
    /// # Errors
    /// Those of [`BoltzmannMachine::check`].
    pub fn chains(&self, count: usize, seed: u64) -> Result<BoltzmannChain> {
        self.chains_by(Sweep::Automatic, count, seed)
    }

    /// As [`Self::chains`], swept in the order `sweep`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `sweep` asks for blocks and the couplings need more than 8 classes
    /// or there are softmax groups; those of [`Self::chains`].
    pub fn chains_by(&self, sweep: Sweep, count: usize, seed: u64) -> Result<BoltzmannChain> {
        let draws = Draws::new(seed, Site::Start, 0);
        let n = self.n_visible();
        let v = self.visible.coins(count, |i, j| draws.bits(i, j));
        let h = self.hidden.coins(count, |i, j| draws.bits(i, n + j));
        BoltzmannChain::from_states(self, &v, &h, sweep, seed)
    }

    /// Chains that start from the visible states `v`, one a row, and hidden ones of fair coins.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Parameter`] for states of another layer; those of
    /// [`Self::chains`].
    pub fn chains_from(&self, v: impl Into<States>, seed: u64) -> Result<BoltzmannChain> {
        let v = v.into();
        v.check_layer("visible states of the chains", self.visible())?;
        let coins = Draws::new(seed, Site::Start, 0);
        let h = self.hidden.coins(v.rows(), |k, j| coins.bits(k, j));
        BoltzmannChain::from_states(self, &v.into_bits()?, &h, Sweep::Automatic, seed)
    }
}

impl BoltzmannChain {
    /// Chains in the midst of a run: what [`Self::visible`] and [`Self::hidden`] (`layers`),
    /// [`Self::seed`] and [`Self::sweeps`] told. They go on as if never interrupted, bit for bit,
    /// if their way was [`Sweep::Automatic`]. Held units are to be held again.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are states of both layers, of one number of chains;
    /// [`Error::Parameter`] for real ones.
    pub fn restored(
        machine: &BoltzmannMachine,
        layers: Vec<States>,
        seed: u64,
        sweeps: u64,
    ) -> Result<Self> {
        let [v, h] = exactly("layers", layers)?;
        let (v, h) = (v.into_bits()?, h.into_bits()?);
        let chain = Self::from_states(machine, &v, &h, Sweep::Automatic, seed)?;
        Ok(Self { sweeps, ..chain })
    }

    /// Chains that start from the states `v` and `h`, a row each.
    ///
    /// # Errors
    /// [`Error::Shape`] unless they are states of the machine; those of
    /// [`BoltzmannMachine::chains_by`].
    pub fn from_states(
        machine: &BoltzmannMachine,
        v: &BitMatrix,
        h: &BitMatrix,
        sweep: Sweep,
        seed: u64,
    ) -> Result<Self> {
        crate::environment::check()?;
        machine.check()?;
        machine.check_states(v.into(), h.into())?;
        let couplings = Couplings::present(machine);
        let classes = couplings.classes();
        let by_blocks = match sweep {
            Sweep::Units => false,
            Sweep::Blocks if !couplings.groups().is_empty() => {
                return Err(Error::parameter(
                    "sweeps by blocks",
                    "units without softmax groups",
                    &machine.visible().units,
                ));
            }
            Sweep::Automatic if !couplings.groups().is_empty() => false,
            Sweep::Blocks if classes.len() > MAX_CLASSES => {
                return Err(Error::parameter(
                    "sweeps by blocks",
                    format!("couplings of at most {MAX_CLASSES} classes"),
                    format!("{} classes", classes.len()),
                ));
            }
            // Without couplings there is no product.
            Sweep::Blocks => classes.len() > 1,
            Sweep::Automatic => {
                let n = couplings.units();
                let within: usize = classes.iter().map(|class| class.len().pow(2)).sum();
                let pairs = (n * n - within) as f64;
                let few = (2..=MAX_CLASSES).contains(&classes.len());
                few && couplings.len() as f64 >= BLOCKS_FROM_DENSITY * pairs
            }
        };
        let route = if by_blocks {
            ChainRoute::Blocks(Box::new(Blocks::new(machine, &classes, v, h)))
        } else {
            let mut units = UnitChain::new(couplings, v.rows());
            units.set_units(0, v.view());
            units.set_units(machine.n_visible(), h.view());
            ChainRoute::Units(Box::new(units))
        };
        Ok(Self {
            route,
            n_visible: machine.n_visible(),
            n_hidden: machine.n_hidden(),
            chains: v.rows(),
            seed,
            sweeps: 0,
            seen: Default::default(),
        })
    }

    /// The same chains with units of `layer` (0: visible, 1: hidden) held at given values from now
    /// on: they then sample `p(free units | held units)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another layer; [`Error::Shape`] unless `clamp` is of this layer and
    /// of one row or as many as there are chains.
    pub fn clamped(mut self, layer: usize, clamp: Clamp) -> Result<Self> {
        let first = match layer {
            0 => 0,
            1 => self.n_visible,
            _ => return Err(Error::parameter("layer of held units", "0 or 1", layer)),
        };
        let mut states = if layer == 0 {
            self.visible()
        } else {
            self.hidden()
        }
        .clone();
        clamp.check_fits(&states)?;
        clamp.restore(&mut states);
        let (x, mask) = (states.into_bits()?, clamp.mask());
        match &mut self.route {
            ChainRoute::Units(units) => {
                units.set_units(first, x.view());
                units.hold(first, mask.view());
            }
            ChainRoute::Blocks(blocks) => blocks.hold(first, &x, mask),
        }
        self.seen = Default::default();
        Ok(self)
    }

    /// Whether sweeps go by blocks.
    pub fn is_by_blocks(&self) -> bool {
        matches!(self.route, ChainRoute::Blocks(_))
    }

    /// Number of chains.
    pub fn chains(&self) -> usize {
        self.chains
    }

    /// Seed of the draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Sweeps so far.
    pub fn sweeps(&self) -> u64 {
        self.sweeps
    }

    /// The visible states, `[chains x n_visible]`; made of the words of 64 chains when they are
    /// first asked for after a sweep.
    pub fn visible(&self) -> &States {
        self.seen[0].get_or_init(|| self.states(0, self.n_visible))
    }

    /// The hidden states, `[chains x n_hidden]`, likewise.
    pub fn hidden(&self) -> &States {
        self.seen[1].get_or_init(|| self.states(self.n_visible, self.n_hidden))
    }

    fn states(&self, first: usize, n: usize) -> States {
        let mut x = BitMatrix::zeros(self.chains, n);
        match &self.route {
            ChainRoute::Units(units) => units.units_into(first, &mut x),
            ChainRoute::Blocks(blocks) => blocks.units_into(first, &mut x),
        }
        x.into()
    }

    /// `E(v, h)` of every chain under the machine that it samples, at `beta = 1`: terms in f32,
    /// sums of a unit's terms in f32 (by units) or f64 (by blocks), their sum in f64. Cost: half a
    /// sweep by units; by blocks an addition for each pair of units that are on.
    pub fn energies(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.chains];
        match &self.route {
            ChainRoute::Units(units) => units.negative_energies_into(&mut out),
            ChainRoute::Blocks(blocks) => blocks.negative_energies_into(&mut out),
        }
        out.iter_mut().for_each(|x| *x = -*x);
        out
    }

    /// `sweeps` sweeps at inverse temperature `beta` over all units that are not held. Cost of a
    /// sweep by units: one vector addition for each coupling and 16 chains (AVX-512; 8 with AVX2),
    /// counted from both sides; by blocks: the products of [`Layer::propagate`].
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `beta` is finite.
    pub fn sweep(&mut self, sweeps: usize, beta: f32) -> Result<()> {
        if !beta.is_finite() {
            return Err(Error::parameter("beta", "a finite number", beta));
        }
        self.seen = Default::default();
        in_pool(|| {
            for _ in 0..sweeps {
                self.sweeps += 1;
                match &mut self.route {
                    ChainRoute::Units(units) => {
                        units.sweep(beta, Draws::new(self.seed, Site::Gibbs, self.sweeps));
                    }
                    ChainRoute::Blocks(blocks) => blocks.sweep(beta, self.seed, self.sweeps)?,
                }
            }
            Ok(())
        })
    }
}

/// Classes of units that are not coupled among themselves, as layers.
#[derive(Clone, Debug)]
struct Blocks {
    /// Class of each unit and its place there.
    places: Vec<(u8, u32)>,
    layers: Vec<Layer>,
    states: Vec<BitMatrix>,
    /// Values and masks of held units of a class.
    held: Vec<Option<(BitMatrix, BitMatrix)>>,
    /// Weights between the classes `a < b`, for pairs of classes that are coupled.
    connections: Vec<(usize, usize, Connection)>,
    buffers: Propagation,
}

impl Blocks {
    fn new(machine: &BoltzmannMachine, classes: &[Vec<u32>], v: &BitMatrix, h: &BitMatrix) -> Self {
        let mut places = vec![(0, 0); machine.units()];
        for (a, class) in classes.iter().enumerate() {
            for (k, &i) in class.iter().enumerate() {
                places[i as usize] = (a as u8, k as u32);
            }
        }
        let mut connections = Vec::new();
        for (a, upper) in classes.iter().enumerate() {
            for (b, lower) in classes.iter().enumerate().skip(a + 1) {
                let coupling =
                    |i: usize, j: usize| machine.coupling(upper[i] as usize, lower[j] as usize);
                let weights = Matrix::from_fn(upper.len(), lower.len(), coupling);
                if weights.elements().any(|w| w != 0.0) {
                    connections.push((a, b, Connection::new(weights)));
                }
            }
        }
        let layer = |class: &Vec<u32>| Layer {
            bias: class.iter().map(|&i| machine.bias(i as usize)).collect(),
            ..Layer::bernoulli(class.len())
        };
        let mut blocks = Self {
            places,
            layers: classes.iter().map(layer).collect(),
            states: classes
                .iter()
                .map(|class| BitMatrix::zeros(v.rows(), class.len()))
                .collect(),
            held: vec![None; classes.len()],
            connections,
            buffers: Propagation::default(),
        };
        blocks.set_units(0, v);
        blocks.set_units(machine.n_visible(), h);
        blocks
    }

    fn set_units(&mut self, first: usize, x: &BitMatrix) {
        for chain in 0..x.rows() {
            for i in 0..x.columns() {
                let (class, k) = self.places[first + i];
                self.states[class as usize].set(chain, k as usize, x.get(chain, i));
            }
        }
    }

    fn units_into(&self, first: usize, x: &mut BitMatrix) {
        for chain in 0..x.rows() {
            for i in 0..x.columns() {
                let (class, k) = self.places[first + i];
                x.set(chain, i, self.states[class as usize].get(chain, k as usize));
            }
        }
    }

    fn hold(&mut self, first: usize, x: &BitMatrix, mask: &BitMatrix) {
        self.set_units(first, x);
        let of = |chain: usize| if mask.rows() == 1 { 0 } else { chain };
        for chain in 0..x.rows() {
            for i in mask.view().ones(of(chain)) {
                let (class, k) = self.places[first + i];
                let (class, k) = (class as usize, k as usize);
                let shape = (self.states[class].rows(), self.states[class].columns());
                let zeros = || BitMatrix::zeros(shape.0, shape.1);
                let (values, mask) = self.held[class].get_or_insert_with(|| (zeros(), zeros()));
                values.set(chain, k, x.get(chain, i));
                mask.set(chain, k, true);
            }
        }
    }

    fn negative_energies_into(&self, out: &mut [f64]) {
        let views: Vec<_> = self.states.iter().map(BitMatrix::view).collect();
        for (chain, out) in out.iter_mut().enumerate() {
            let of = |a: usize| views[a].ones(chain);
            *out = 0.0;
            for (a, layer) in self.layers.iter().enumerate() {
                *out += of(a).map(|i| f64::from(layer.bias[i])).sum::<f64>();
            }
            for (a, b, connection) in &self.connections {
                for i in of(*a) {
                    let row = connection.weights().row(i);
                    *out += of(*b).map(|j| f64::from(row[j])).sum::<f64>();
                }
            }
        }
    }

    /// One class after the other, each given all others; steps of the draws count classes.
    fn sweep(&mut self, beta: f32, seed: u64, sweep: u64) -> Result<()> {
        let classes = self.layers.len();
        for class in 0..classes {
            let step = sweep * MAX_CLASSES as u64 + class as u64;
            let draws = Draws::new(seed, Site::Gibbs, step);
            let mut x = std::mem::replace(&mut self.states[class], BitMatrix::zeros(0, 0));
            let done = self.draw(class, &mut x, beta, draws);
            if let Some((values, mask)) = &self.held[class] {
                x.assign_masked(values.view(), mask.view());
            }
            self.states[class] = x;
            done?;
        }
        Ok(())
    }

    fn draw(&mut self, class: usize, x: &mut BitMatrix, beta: f32, draws: Draws) -> Result<()> {
        let mut terms: [Option<Term<'_>>; MAX_CLASSES] = [None; MAX_CLASSES];
        let mut count = 0;
        for (a, b, connection) in &self.connections {
            let (other, direction) = match class {
                c if c == *b => (*a, Direction::Up),
                c if c == *a => (*b, Direction::Down),
                _ => continue,
            };
            let input = (&self.states[other]).into();
            terms[count] = Some(connection.term(input, direction, Precision::Fast)?);
            count += 1;
        }
        let first = terms[0].expect("a class among several has neighbors");
        let terms = terms.map(|term| term.unwrap_or(first));
        let tail = Tail {
            sample: Some((x.view_mut(), draws)),
            ..Tail::new(beta)
        };
        self.layers[class].propagate(&terms[..count], tail, &mut self.buffers)
    }
}
