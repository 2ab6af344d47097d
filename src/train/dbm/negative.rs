//! Expectations of the model: chains of its layers, enumeration, or the chains of the RBM that the
//! machine is.

use super::{DbmOptions, positive::PositivePhase};
use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    model::{Dbm, DbmChain, DbmExpectations, Rbm, SwapRate},
    product::Propagation,
    rng::{Draws, Site},
    states::{Input, States},
    tensor::{Saved, Tensor},
    train::{
        Negative,
        negative::{
            chains::{Chains, Sampled},
            rows::{draw_row, keep_observed, start_at},
        },
        run::{At, Done, Stop},
        step::evidence::Moments,
    },
};

/// Samples or expectations of the model.
#[derive(Clone, Debug)]
pub(super) enum NegativePhase {
    /// Of [`Negative::Persistent`]: states of even layers, and means of the odd ones, by layer.
    Layers {
        chains: Box<DbmChain>,
        means: Vec<Matrix>,
    },
    /// Of [`Negative::Exact`], after the first update.
    Exact(Option<Box<DbmExpectations>>),
    /// Of all others.
    Bipartite(Box<Bipartite>),
}

/// The chains of the RBM that the machine is: even layers side by side are its visible states, odd
/// layers its hidden ones.
#[derive(Clone, Debug)]
pub(super) struct Bipartite {
    rbm: Rbm,
    chains: Chains,
    /// By layer, of even ones.
    states: Vec<States>,
    /// By layer, of odd ones.
    means: Vec<States>,
    /// Where chains that start at the data do so: the odd layers.
    start: States,
    /// Of a layer of one example: means, and bits.
    row_means: Vec<f32>,
    row: Vec<u64>,
    /// Chains at hand.
    rows: usize,
    buffers: Propagation,
}

impl NegativePhase {
    /// Before the first update; persistent chains start at examples drawn with replacement.
    pub(super) fn new(
        dbm: &Dbm,
        options: &DbmOptions,
        data: &Examples,
        batch: usize,
    ) -> Result<Self> {
        let (negative, seed) = (options.negative, options.learning.seed);
        if negative == Negative::Exact {
            return Ok(Self::Exact(None));
        }
        let started = |count: usize| {
            let (mut v, chosen) = start_at(data, dbm.layer(0), count, seed);
            if let Some(observed) = data.observed() {
                let mut mask = BitMatrix::zeros(count, observed.columns());
                for (k, &i) in chosen.iter().enumerate() {
                    mask.copy_row(k, observed.view(), i);
                }
                keep_observed(&mut v, mask.view(), count);
            }
            let all = data.labels().filter(|_| dbm.classes().is_some());
            let labels = all.map(|all| chosen.iter().map(|&i| all[i]).collect::<Vec<_>>());
            DbmChain::started(dbm, v, labels.as_deref(), seed, Site::Chain)
        };
        let zeros = |rows: usize, parity: usize| {
            let layers = dbm.layers().iter().enumerate();
            layers.map(move |(l, layer)| (rows * usize::from(l % 2 == parity), layer))
        };
        if let Negative::Persistent { chains, .. } = negative {
            let means = zeros(chains, 1).map(|(rows, layer)| Matrix::zeros(rows, layer.size()));
            return Ok(Self::Layers {
                chains: Box::new(started(chains)?),
                means: means.collect(),
            });
        }
        let rbm = dbm.bipartite();
        let mut buffers = Propagation::default();
        let start = match negative.persists() {
            true => {
                let chains = started(negative.chains().unwrap_or(0))?;
                joined(
                    dbm,
                    chains.states(),
                    0,
                    States::zeros(chains.states()[0].rows(), rbm.visible()),
                )
            }
            false => States::zeros(0, rbm.visible()),
        };
        let chains = Chains::new(
            negative,
            [1.0; 2],
            seed,
            batch,
            &rbm,
            || start,
            &mut buffers,
        )?;
        let rows = negative.chains().unwrap_or(batch);
        let starts = if negative.starts_at_data() { batch } else { 0 };
        Ok(Self::Bipartite(Box::new(Bipartite {
            start: States::zeros(starts, rbm.hidden()),
            row_means: Vec::new(),
            row: Vec::new(),
            states: zeros(rows, 0).map(|(n, x)| States::zeros(n, x)).collect(),
            means: zeros(rows, 1)
                .map(|(n, x)| States::Real(Matrix::zeros(n, x.size())))
                .collect(),
            rbm,
            chains,
            rows,
            buffers,
        })))
    }

    /// Most rows of a product.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Layers { chains, .. } => chains.visible().rows(),
            Self::Exact(_) => 0,
            Self::Bipartite(x) => x.chains.rows(),
        }
    }

    /// Most units of a layer of its products.
    pub(super) fn widest(&self) -> usize {
        match self {
            Self::Bipartite(x) => x.rbm.n_visible().max(x.rbm.n_hidden()),
            _ => 0,
        }
    }

    /// Chains whose states there are.
    pub(super) fn chains(&self) -> usize {
        match self {
            Self::Bipartite(x) => x.rows,
            _ => self.rows(),
        }
    }

    /// States or means of layer `l` of the chains.
    pub(super) fn layer(&self, l: usize) -> Option<Input<'_>> {
        match self {
            Self::Layers { chains, means } => Some(match l % 2 {
                0 => chains.states()[l].view(),
                _ => (&means[l]).into(),
            }),
            Self::Exact(_) => None,
            Self::Bipartite(x) => Some([&x.states, &x.means][l % 2][l].view_rows(0..x.rows)),
        }
    }

    /// Swaps between each level of replicas and the next.
    pub(super) fn swap_rates(&self) -> &[SwapRate] {
        match self {
            Self::Bipartite(x) => x.chains.swap_rates(),
            _ => &[],
        }
    }

    /// Exact expectations, where that is what there is.
    pub(super) fn moments(&self) -> Option<Moments<'_>> {
        match self {
            Self::Exact(Some(expected)) => Some(Moments::Dbm(expected)),
            _ => None,
        }
    }

    /// Expectations for an update of `rows` examples whose posterior is `positive`; `dbm` is the
    /// machine that the chains move under.
    pub(super) fn run(
        &mut self,
        dbm: &Dbm,
        options: &DbmOptions,
        (positive, rows): (&PositivePhase, usize),
        at: &At,
        stop: &Stop,
    ) -> Result<Done> {
        let steps = options.negative.steps().unwrap_or(0);
        match self {
            Self::Layers { chains, means } => {
                let first = at.updates() * steps as u64;
                chains.train_sweeps(dbm, first, steps, means)?;
            }
            Self::Exact(expected) => match dbm.expectations(&mut stop.clone()) {
                Ok(found) => *expected = Some(Box::new(found)),
                Err(Error::Stopped) => return Ok(Done::Stopped),
                Err(e) => return Err(e),
            },
            Self::Bipartite(x) => x.run(dbm, options, (positive, rows), at, stop)?,
        }
        Ok(Done::Updated)
    }

    pub(super) fn visit(&self, dbm: &Dbm, out: &mut dyn FnMut(&str, Tensor<'_>)) {
        let odd = || (1..dbm.n_layers()).step_by(2);
        match self {
            Self::Layers { chains, .. } => {
                for l in odd() {
                    out(&chains_of(l), (&chains.states()[l]).into());
                }
            }
            Self::Exact(_) => {}
            Self::Bipartite(x) => {
                if let Some(trail) = x.chains.trail() {
                    trail.visit(out);
                }
                if let Some(h) = x.chains.persistent() {
                    for l in odd() {
                        let mut states = States::zeros(h.rows(), dbm.layer(l));
                        let place = dbm.place(l);
                        states.copy_columns(0, h.view(), place.start, [h.rows(), place.len()]);
                        out(&chains_of(l), (&states).into());
                    }
                }
            }
        }
    }

    pub(super) fn restore(&mut self, dbm: &Dbm, saved: &mut Saved) -> Result<()> {
        match self {
            Self::Layers { chains, .. } => {
                for l in (1..dbm.n_layers()).step_by(2) {
                    let own = &chains.states()[l];
                    let states = saved.states_like(&chains_of(l), own, own.rows())?;
                    chains.set_layer(l, states)?;
                }
                Ok(())
            }
            Self::Exact(_) => Ok(()),
            Self::Bipartite(x) => x.restore(dbm, saved),
        }
    }
}

impl Bipartite {
    fn run(
        &mut self,
        dbm: &Dbm,
        options: &DbmOptions,
        (positive, rows): (&PositivePhase, usize),
        at: &At,
        stop: &Stop,
    ) -> Result<()> {
        let (seed, negative) = (options.learning.seed, options.negative);
        dbm.bipartite_into(&mut self.rbm);
        if negative.starts_at_data() {
            self.start_at_posterior(dbm, positive, rows, seed, at.updates());
            self.chains.start_from(&self.start, rows);
            self.rows = rows;
        }
        let (rbm, buffers) = (&self.rbm, &mut self.buffers);
        let sampled = self
            .chains
            .run(rbm, negative, at.updates(), buffers, stop)?;
        if let Sampled::States { visible, hidden } = sampled {
            for (l, layer) in dbm.layers().iter().enumerate() {
                let (to, from) = match l % 2 {
                    0 => (&mut self.states[l], visible),
                    _ => (&mut self.means[l], hidden),
                };
                to.copy_columns(0, from, dbm.place(l).start, [from.rows(), layer.size()]);
            }
        }
        Ok(())
    }

    /// The odd layers where chains start from the posterior of the data: their states where there
    /// are chains, else each unit drawn from its mean.
    fn start_at_posterior(
        &mut self,
        dbm: &Dbm,
        positive: &PositivePhase,
        rows: usize,
        seed: u64,
        update: u64,
    ) {
        for l in (1..dbm.n_layers()).step_by(2) {
            let place = dbm.place(l);
            if let Some(states) = positive.states(l) {
                let size = [rows, place.len()];
                self.start.copy_columns(place.start, states.view(), 0, size);
                continue;
            }
            let step = update * dbm.n_layers() as u64 + l as u64;
            let draws = Draws::new(seed, Site::Positive, step);
            self.row_means.resize(place.len(), 0.0);
            self.row.resize(place.len().div_ceil(64), 0);
            for row in 0..rows {
                positive
                    .layer(l, rows)
                    .copy_row_to(row, &mut self.row_means);
                self.row.fill(0);
                draw_row(dbm.layer(l), &self.row_means, draws, row, &mut self.row);
                if let States::Bits(start) = &mut self.start {
                    for (j, at) in place.clone().enumerate() {
                        start.set(row, at, self.row[j / 64] >> (j % 64) & 1 == 1);
                    }
                }
            }
        }
    }

    fn restore(&mut self, dbm: &Dbm, saved: &mut Saved) -> Result<()> {
        if let Some(own) = self.chains.persistent() {
            let rows = match self.chains.trail() {
                Some(_) => saved.shape(&chains_of(1)).map_or(0, |shape| shape[0]),
                None => own.rows(),
            };
            let mut layers = Vec::new();
            for (l, layer) in dbm.layers().iter().enumerate() {
                let like = States::zeros(0, layer);
                layers.push(match l % 2 {
                    0 => like,
                    _ => saved.states_like(&chains_of(l), &like, rows)?,
                });
            }
            let h = States::zeros(rows, self.rbm.hidden());
            self.chains.set_persistent(joined(dbm, &layers, 1, h))?;
        }
        dbm.bipartite_into(&mut self.rbm);
        match self.chains.trail_mut() {
            Some(trail) => trail.restore(&self.rbm, saved),
            None => Ok(()),
        }
    }
}

/// Name in files.
fn chains_of(l: usize) -> String {
    format!("training.chains.{l}")
}

/// The layers of a parity side by side, into `all`.
fn joined(dbm: &Dbm, layers: &[States], parity: usize, mut all: States) -> States {
    for (l, states) in layers.iter().enumerate().skip(parity).step_by(2) {
        let (place, rows) = (dbm.place(l), states.rows());
        all.copy_columns(place.start, states.view(), 0, [rows, place.len()]);
    }
    all
}
