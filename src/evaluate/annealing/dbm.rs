//! Annealing of deep Boltzmann machines.
//!
//! A deep Boltzmann machine is an RBM of its even and its odd layers ([`Dbm::bipartite`]), so
//! annealed importance sampling with every other layer summed in closed form is that of this RBM:
//! chains are states of the even layers, the odd ones are summed out. Base rates, schedules, both
//! directions, Bennett's estimate and their warnings are those of RBMs. Salakhutdinov and Hinton
//! (2009) keep the layer between and sum out the other two, as the RBM
//! [transposed](Rbm::transposed) does; on machines that were trained as a whole that lost many nats
//! where the even layers kept gave a narrow bracket (docs/dbm.md).

use super::{Ais, Base, Bracket, LogZ, ReverseStart};
use crate::{
    bits::BitMatrix,
    dataset::{Binarization, Examples},
    error::{Error, Result},
    evaluate::MAX_SAMPLED_UNITS,
    model::{Dbm, MeanField, Rbm, log_odds},
    progress::Progress,
    rng::{HostRng, Stream},
};

impl Ais {
    /// The RBM that `dbm` is, and this annealing with the base for it: all estimators of [`Ais`]
    /// apply to the pair. Biases of the visible units alone are completed with zeros for the even
    /// hidden layers.
    ///
    /// # Errors
    /// [`Error::Parameter`] without chains, [`Error::Shape`] for a base of another size than the
    /// visible layer or all even layers, [`Error::NotFinite`] for NaN or infinite parameters.
    pub fn for_dbm(&self, dbm: &Dbm) -> Result<(Rbm, Self)> {
        dbm.check_finite()?;
        let rbm = dbm.bipartite();
        let base = match &self.base {
            Base::Biases(b) if b.len() == dbm.n_visible() => {
                let mut all = b.clone();
                all.resize(rbm.n_visible(), 0.0);
                Base::Biases(all)
            }
            base => base.clone(),
        };
        let ais = Self {
            base,
            ..self.clone()
        };
        ais.checked_base(&rbm)?;
        Ok((rbm, ais))
    }

    /// `ln Z` of `dbm`, on average from below. Cost: `2 x chains x betas` rows of products with the
    /// weights of [`Dbm::bipartite`].
    ///
    /// # Errors
    /// Those of [`Self::for_dbm`] and [`Self::log_z`].
    pub fn dbm_log_z(&self, dbm: &Dbm, progress: &mut dyn Progress) -> Result<LogZ> {
        let (rbm, ais) = self.for_dbm(dbm)?;
        ais.log_z(&rbm, progress)
    }

    /// `ln Z` of `dbm` from both sides, see [`Self::bracket`]. States of `start` are those of the
    /// even layers, side by side.
    ///
    /// # Errors
    /// Those of [`Self::for_dbm`] and [`Self::bracket`].
    pub fn dbm_bracket(
        &self,
        dbm: &Dbm,
        start: &ReverseStart,
        progress: &mut dyn Progress,
    ) -> Result<Bracket> {
        let (rbm, ais) = self.for_dbm(dbm)?;
        ais.bracket(&rbm, start, progress)
    }
}

impl Base {
    /// Independent even layers at their log-odds under the data, smoothed as by [`Base::rate_of`]:
    /// of the visible units those of the data, of even hidden layers those of the mean-field
    /// posterior.
    ///
    /// # Errors
    /// As [`Dbm::posterior_means`] and [`Base::rate_of`].
    pub fn rate_of_dbm(dbm: &Dbm, data: &Examples, options: &MeanField) -> Result<Self> {
        let Self::Biases(mut biases) = Self::rate_of(data)? else {
            return Ok(Self::Uniform);
        };
        let (means, _) = dbm.posterior_means(data, options)?;
        let n = data.len();
        // Layers 2, 4, ...: the means are from layer 1 on.
        for q in means.iter().skip(1).step_by(2) {
            let mut mean = vec![0.0; q.columns()];
            for i in 0..q.rows() {
                let row = mean.iter_mut().zip(q.row(i));
                row.for_each(|(m, &q)| *m += f64::from(q) / n as f64);
            }
            let pseudo = super::ais::BASE_RATE_PSEUDO_SHARE * n as f64;
            biases.extend(log_odds(&mean, n, pseudo));
        }
        Ok(Self::Biases(biases))
    }
}

impl ReverseStart {
    /// [`Self::Exact`] if the even or the odd layers can be enumerated, else [`Self::Gibbs`] from
    /// `chains` examples that `seed` chooses, each once while they last, with the hidden layers
    /// drawn upwards as [`DbmChain::from_visible`] does. Gray examples are drawn as bits.
    ///
    /// # Errors
    /// [`Error::Shape`] for examples of another width, [`Error::Parameter`] for data that are
    /// neither binary nor gray, and for examples with weights or a mask.
    pub fn suited_to_dbm(
        dbm: &Dbm,
        data: &Examples,
        chains: usize,
        burn_in: usize,
        seed: u64,
    ) -> Result<Self> {
        data.expect_plain("the start of annealing back")?;
        dbm.layer(0).check_values(data.input())?;
        let units = |parity: usize| -> usize {
            let layers = dbm.layers().iter().skip(parity).step_by(2);
            layers.map(crate::model::Layer::size).sum()
        };
        if dbm.is_bernoulli() && units(0).min(units(1)) <= MAX_SAMPLED_UNITS {
            return Ok(Self::Exact);
        }
        let mut order: Vec<usize> = (0..data.len()).collect();
        HostRng::new(seed, Stream::ReverseDbm).shuffle(&mut order);
        order.truncate(chains);
        let chosen = data.take(&order).binarized(Binarization::Sampled, seed, 0);
        let Some(v) = chosen.bits() else {
            let expected = "binary or gray examples";
            return Err(Error::parameter("data", expected, "others"));
        };
        let chain = dbm.chains_from(v.clone(), seed)?;
        let mut states = BitMatrix::zeros(v.rows(), units(0));
        for l in (0..dbm.n_layers()).step_by(2) {
            let first = dbm.place(l).start;
            let Some(layer) = chain.states()[l].bits() else {
                unreachable!("layers of a deep Boltzmann machine are binary");
            };
            for i in 0..layer.rows() {
                layer
                    .view()
                    .ones(i)
                    .for_each(|j| states.set(i, first + j, true));
            }
        }
        Ok(Self::Gibbs { states, burn_in })
    }
}
