//! The deep belief network: directed layers below an undirected top pair (Hinton, Osindero and Teh
//! 2006).

mod classify;
mod directed;
mod exact;
mod passes;

pub use directed::Directed;
pub use exact::MAX_EXACT_LAYER_PAIR;
pub(crate) use passes::layer_draws;

use super::{Layer, Rbm, layer::draw_weights};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    matrix::Matrix,
    rng::{HostRng, Stream},
    units::{Kind, Segment},
};

/// Most layers: draws of a pass number their layer in a byte.
pub const MAX_LAYERS: usize = 255;

/// A deep belief network of layers `0 ..= L`: `p(h_0, ..., h_L) = p(h_0 | h_1) ... p(h_{L-2} |
/// h_{L-1}) p*(h_{L-1}, h_L) / Z`, `p*/Z` an RBM, the top. Layer 0 is the visible one, `v`.
///
/// Each [`Directed`] pair has recognition parameters too, which approximate the posterior from
/// below: `q(h_1 | v) q(h_2 | h_1) ...` up to layer `L-1`; the top hidden layer's posterior is the
/// RBM's, exactly. The layer below the top may end in a softmax group, the label, which only the
/// top RBM sees: its visible layer then is the features of the layers below and the label. Without
/// directed pairs the network is its top.
#[derive(Clone, Debug, PartialEq)]
pub struct Dbn {
    directed: Vec<Directed>,
    top: Rbm,
}

impl Dbn {
    /// A network of given layers and weights, lowest first, whose recognition weights and biases
    /// are those that generate. A vector of biases stands for a layer of Bernoulli units. A label
    /// at the end of the layer below the top gets nothing from below: the weights below it have no
    /// columns for it.
    ///
    /// # Errors
    /// As [`Self::from_parts`]; [`Error::Shape`] for fewer than two layers, or unless there is one
    /// matrix fewer than layers.
    pub fn from_parameters(
        layers: impl IntoIterator<Item = impl Into<Layer>>,
        weights: impl IntoIterator<Item = Matrix>,
    ) -> Result<Self> {
        let mut layers: Vec<Layer> = layers.into_iter().map(Into::into).collect();
        let mut weights: Vec<Matrix> = weights.into_iter().collect();
        if layers.len() < 2 {
            return Err(Error::shape("number of layers", "at least 2", layers.len()));
        }
        if weights.len() + 1 != layers.len() {
            let expected = layers.len() - 1;
            return Err(Error::shape("matrices of weights", expected, weights.len()));
        }
        let pair = |(l, w): (usize, Matrix)| {
            let (below, next) = (layers[l].clone(), &layers[l + 1]);
            let features = match next.units.last_group() {
                Some(label) if l + 3 == layers.len() => label.first,
                _ => next.size(),
            };
            let mut above = next.clone();
            if features < next.size() {
                above = next.bias[..features].to_vec().into();
            }
            Directed::new(below, above, w, None)
        };
        let of_top = weights.split_off(layers.len() - 2);
        let weights = weights.into_iter().enumerate();
        let directed = weights.map(pair).collect::<Result<_>>()?;
        let top = Rbm::from_parameters(layers.split_off(layers.len() - 2), of_top)?;
        Self::from_parts(directed, top)
    }

    /// A network of given parts, lowest first: pairs of layers whose recognition may differ from
    /// their generation, and the top pair.
    ///
    /// # Errors
    /// [`Error::Shape`] where layers disagree, [`Error::Parameter`] for hidden layers of other than
    /// Bernoulli units, apart from the label, and for more than [`MAX_LAYERS`] layers.
    pub fn from_parts(directed: Vec<Directed>, top: Rbm) -> Result<Self> {
        let dbn = Self { directed, top };
        dbn.layer(0)
            .refuse_counts("lowest layer of a deep belief network")?;
        if dbn.n_layers() > MAX_LAYERS {
            let most = format!("at most {MAX_LAYERS}");
            return Err(Error::parameter("layers", most, dbn.n_layers()));
        }
        for (l, pair) in dbn.directed.iter().enumerate() {
            let (next, size) = match dbn.directed.get(l + 1) {
                Some(next) => (next.below(), next.below().size()),
                None => (dbn.top.visible(), dbn.n_features()),
            };
            if pair.above().size() != size {
                let what = format!("units of layer {}", l + 1);
                return Err(Error::shape(what, pair.above().size(), size));
            }
            let segments = next.units.segments();
            let features = segments.iter().filter(|s| s.first < size);
            if features.clone().any(|s| s.kind != Kind::Bernoulli) || size == 0 {
                let what = format!("units of layer {}", l + 1);
                return Err(Error::parameter(
                    what,
                    "bernoulli, at the end of the last a label",
                    &next.units,
                ));
            }
        }
        if !dbn.directed.is_empty() && !dbn.top.hidden().units.are(Kind::Bernoulli) {
            let units = &dbn.top.hidden().units;
            return Err(Error::parameter(
                "units of the top layer",
                "bernoulli",
                units,
            ));
        }
        Ok(dbn)
    }

    /// A network of Bernoulli layers of these sizes, lowest first, all parameters zero.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two layers, more than [`MAX_LAYERS`] and layers without
    /// units.
    pub fn bernoulli(sizes: &[usize]) -> Result<Self> {
        let layers = Layer::bernoulli_of(sizes)?;
        let weights = sizes.windows(2).map(|n| Matrix::zeros(n[0], n[1]));
        Self::from_parameters(layers, weights)
    }

    /// The network with `top` put upon it: what was the top pair becomes directed, its hidden layer
    /// the visible one of `top`, apart from a label at its end.
    ///
    /// # Errors
    /// As [`Self::from_parts`]; [`Error::Parameter`] if the label is below already.
    pub fn stacked(mut self, top: Rbm) -> Result<Self> {
        if let Some(group) = self.label_group() {
            let found = format!("a label of {} classes", group.size);
            return Err(Error::parameter(
                "layer to put another upon",
                "no label",
                found,
            ));
        }
        self.directed.push(Directed::from_rbm(&self.top)?);
        Self::from_parts(self.directed, top)
    }

    /// The network without its top: the uppermost directed pair is the top again, as before
    /// [`Self::stacked`]. Nothing without directed pairs.
    ///
    /// # Errors
    /// [`Error::Parameter`] if that pair is untied.
    pub fn without_top(mut self) -> Result<Option<Self>> {
        let Some(last) = self.directed.pop() else {
            return Ok(None);
        };
        Self::from_parts(self.directed, last.to_rbm()?).map(Some)
    }

    /// The top pair upside down, `W'` with visible bias `c` and hidden bias `b`: [`Self::stacked`]
    /// upon the network it leaves the distribution of `v` as it was, since `sum_h p(v | h) p(h)` of
    /// the RBM is `p(v)` (the tied infinite network of Hinton, Osindero and Teh).
    pub fn transposed_top(&self) -> Rbm {
        self.top.transposed()
    }

    /// [`Self::transposed_top`] within `top`, a machine of more hidden units, and maybe a label
    /// behind its visible ones: weights and biases of the units that both have are those of the
    /// transpose, the mean input `W_ik / 2` of each other hidden unit `k` is taken off visible bias
    /// `i`. So small weights of the others change the distribution in second order alone, and zero
    /// weights not at all.
    ///
    /// # Errors
    /// [`Error::Shape`] if `top` has fewer units, [`Error::Parameter`] for layers of other than
    /// Bernoulli units.
    pub fn transposed_within(&self, mut top: Rbm) -> Result<Rbm> {
        let transposed = self.transposed_top();
        let [n, m] = [transposed.n_visible(), transposed.n_hidden()];
        if top.n_visible() < n || top.n_hidden() < m {
            let found = format!("{} x {}", top.n_visible(), top.n_hidden());
            let expected = format!("at least {n} x {m}");
            return Err(Error::shape(
                "layer to start from the transpose",
                expected,
                found,
            ));
        }
        let units = &transposed.hidden().units;
        if !units.are(Kind::Bernoulli) {
            let what = "units two layers below a transposed start";
            return Err(Error::parameter(what, "bernoulli", units));
        }
        let (weights, visible, hidden) = top.parameters_mut();
        for (i, visible) in visible[..n].iter_mut().enumerate() {
            let (same, others) = weights.row_mut(i).split_at_mut(m);
            same.copy_from_slice(transposed.weights().row(i));
            *visible = transposed.visible().bias[i] - 0.5 * others.iter().sum::<f32>();
        }
        hidden[..m].copy_from_slice(&transposed.hidden().bias);
        Ok(top)
    }

    /// Number of layers, `L + 1`.
    pub fn n_layers(&self) -> usize {
        self.directed.len() + 2
    }

    /// Layer `l` with its generative bias; that of the top pair includes the label.
    ///
    /// # Panics
    /// Unless `l < n_layers`.
    pub fn layer(&self, l: usize) -> &Layer {
        let pairs = self.directed.len();
        match l {
            l if l < pairs => self.directed[l].below(),
            l if l == pairs => self.top.visible(),
            l if l == pairs + 1 => self.top.hidden(),
            _ => panic!("layer {l} of {}", self.n_layers()),
        }
    }

    /// The directed pairs, lowest first.
    pub fn directed(&self) -> &[Directed] {
        &self.directed
    }

    /// The undirected pair at the top.
    pub fn top(&self) -> &Rbm {
        &self.top
    }

    /// All parts for a learning rule to change; sizes and units must stay.
    pub(crate) fn parts_mut(&mut self) -> (&mut [Directed], &mut Rbm) {
        (&mut self.directed, &mut self.top)
    }

    /// The same network with another top pair.
    ///
    /// # Errors
    /// As [`Self::from_parts`].
    pub fn with_top(self, top: Rbm) -> Result<Self> {
        Self::from_parts(self.directed, top)
    }

    /// Visible units, without a label.
    pub fn n_visible(&self) -> usize {
        match self.directed.first() {
            Some(pair) => pair.below().size(),
            None => self.n_features(),
        }
    }

    /// Units of the layer below the top that are not the label: what the top pair sees of the data.
    pub fn n_features(&self) -> usize {
        let all = self.top.n_visible();
        self.label_group().map_or(all, |group| group.first)
    }

    /// The label: the softmax group at the end of the layer below the top, behind other units.
    pub fn label_group(&self) -> Option<Segment> {
        self.top
            .visible()
            .units
            .last_group()
            .filter(|group| group.first > 0)
    }

    /// Number of classes, if the network knows labels: the size of [`Self::label_group`].
    pub fn classes(&self) -> Option<usize> {
        self.label_group().map(|group| group.size)
    }

    /// A start of learning without pretraining, as that of the other families: weights normal with
    /// deviation 0.01, visible biases from the data, all others zero. Recognition weights are those
    /// that generate.
    ///
    /// # Errors
    /// [`Error::Shape`] if the examples have another number of columns than the network has visible
    /// units, [`Error::Parameter`] for values that the units cannot have.
    pub fn initialized_from(self, data: &Examples, seed: u64) -> Result<Self> {
        let mut layers: Vec<Layer> = self.layers().cloned().collect();
        if self.directed.is_empty() {
            let top = self.top.initialized_from(data, seed)?;
            return Ok(top.into());
        }
        layers[0].check_values(data)?;
        layers[0].set_bias_from(data);
        for layer in &mut layers[1..] {
            layer.bias.fill(0.0);
        }
        let shapes = self.directed.iter().map(|pair| pair.recognition_weights());
        let shapes = shapes.chain([self.top.weights()]).enumerate();
        let weights = shapes.map(|(l, w)| {
            let mut rng = HostRng::new(seed, Stream::Weights(l as u64));
            let mut weights = Matrix::zeros(w.rows(), w.columns());
            draw_weights(&mut weights, &mut rng);
            weights
        });
        Self::from_parameters(layers, weights)
    }

    /// The layers with their generative biases, lowest first.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = &Layer> {
        (0..self.n_layers()).map(|l| self.layer(l))
    }

    /// Gives generation weights of its own in every directed pair.
    pub fn untie(&mut self) {
        self.directed.iter_mut().for_each(Directed::untie);
    }

    /// Whether recognition and generation share their weights in every directed pair.
    pub fn is_tied(&self) -> bool {
        self.directed.iter().all(Directed::is_tied)
    }

    /// Refuses NaN and infinite parameters.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the name of the parameter.
    pub fn check_finite(&self) -> Result<()> {
        self.directed.iter().try_for_each(Directed::check_finite)?;
        self.top.check_finite()
    }

    /// Refuses all layers but those of binary units, for `what`.
    pub(crate) fn expect_binary(&self, what: &str) -> Result<()> {
        match (0..self.n_layers()).find(|&l| !self.layer(l).units.are_binary()) {
            None => Ok(()),
            Some(l) => {
                let found = format!("{} in layer {l}", self.layer(l).units);
                Err(Error::parameter(what, "a network of binary units", found))
            }
        }
    }
}

impl From<Rbm> for Dbn {
    fn from(top: Rbm) -> Self {
        Self {
            directed: Vec::new(),
            top,
        }
    }
}
