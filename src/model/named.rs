//! The parameters of every machine by the names that model files have for them.

use super::{BoltzmannMachine, Dbm, Dbn, Directed, Layer, Layered, Model, Network, Rbm};
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    tensor::Tensor,
};
use std::collections::BTreeMap;

/// A parameter of a machine, as its model file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `[rows, columns]` of weights, `[n]` of biases and log-variances.
    pub shape: Vec<usize>,
    /// The numbers, row by row.
    pub values: Vec<f32>,
}

/// Where a parameter is.
pub(crate) enum Slot<'a> {
    Matrix(&'a mut Matrix),
    /// A matrix that is kept the other way round.
    Transposed(&'a mut Matrix),
    Vector(&'a mut [f32]),
}

impl Slot<'_> {
    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Matrix(x) => vec![x.rows(), x.columns()],
            Self::Transposed(x) => vec![x.columns(), x.rows()],
            Self::Vector(x) => vec![x.len()],
        }
    }

    /// Puts `values` in place of what is there, which it gives back.
    fn replace(self, values: &[f32]) -> Vec<f32> {
        match self {
            Self::Vector(x) => {
                let old = x.to_vec();
                x.copy_from_slice(values);
                old
            }
            Self::Matrix(x) => {
                let old = x.to_vec();
                let columns = x.columns().max(1);
                for (i, row) in values.chunks(columns).enumerate() {
                    x.row_mut(i).copy_from_slice(row);
                }
                old
            }
            Self::Transposed(x) => {
                let old = x.transposed().to_vec();
                let rows = x.rows();
                *x = Matrix::from_fn(rows, x.columns(), |i, j| values[j * rows + i]);
                old
            }
        }
    }
}

/// A machine whose parameters have names.
pub(crate) trait Named {
    /// Tells every parameter.
    fn visit(&self, out: &mut dyn FnMut(String, Tensor<'_>));
    /// Where the parameter of this name is.
    fn slot(&mut self, name: &str) -> Option<Slot<'_>>;
    /// Refuses parameters that make no machine.
    fn check_parameters(&self) -> Result<()>;
}

fn parameters(machine: &dyn Named) -> BTreeMap<String, Parameter> {
    let mut all = BTreeMap::new();
    machine.visit(&mut |name, tensor| {
        let (shape, values) = match tensor {
            Tensor::Matrix(x) => (vec![x.rows(), x.columns()], x.to_vec()),
            Tensor::Vector(x) => (vec![x.len()], x.to_vec()),
            _ => unreachable!("parameters are matrices and vectors of numbers"),
        };
        all.insert(name, Parameter { shape, values });
    });
    all
}

fn set_parameter(machine: &mut dyn Named, name: &str, values: &[f32]) -> Result<()> {
    let Some(slot) = machine.slot(name) else {
        let mut names = Vec::new();
        machine.visit(&mut |name, _| names.push(name));
        let expected = format!("one of {}", names.join(", "));
        return Err(Error::parameter("name of a parameter", expected, name));
    };
    let shape = slot.shape();
    if values.len() != shape.iter().product::<usize>() {
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        let what = format!("values of {name}");
        return Err(Error::shape(what, sizes.join(" x "), values.len()));
    }
    let old = slot.replace(values);
    machine.check_parameters().inspect_err(|_| {
        machine.slot(name).map(|slot| slot.replace(&old));
    })
}

/// `weights.{l}`, `bias.{l}` of the layers from `first` on, `log_variance.{l}` of Gaussian ones.
fn visit_layers(machine: &impl Layered, first: usize, out: &mut dyn FnMut(String, Tensor<'_>)) {
    for l in 0..machine.n_layers() {
        if l + 1 < machine.n_layers() {
            out(format!("weights.{l}"), machine.weights(l).into());
        }
        if l >= first {
            out(format!("bias.{l}"), machine.bias(l).into());
        }
        if !machine.log_variance(l).is_empty() {
            out(format!("log_variance.{l}"), machine.log_variance(l).into());
        }
    }
}

/// `part.{l}`.
fn parsed(name: &str) -> Option<(&str, usize)> {
    let (part, l) = name.rsplit_once('.')?;
    let number = l.parse().ok()?;
    (l == usize::to_string(&number)).then_some((part, number))
}

fn check_layers<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> Result<()> {
    let mut layers = layers.into_iter().enumerate();
    layers.try_for_each(|(l, layer)| layer.check(&format!("layer {l}")))
}

macro_rules! layered {
    ($machine:ty, $first:expr, $check:expr) => {
        impl Named for $machine {
            fn visit(&self, out: &mut dyn FnMut(String, Tensor<'_>)) {
                visit_layers(self, $first, out);
            }

            fn slot(&mut self, name: &str) -> Option<Slot<'_>> {
                let n = Layered::n_layers(self);
                match parsed(name)? {
                    ("weights", l) if l + 1 < n => {
                        Some(Slot::Matrix(Layered::weights_mut(self, l)))
                    }
                    ("bias", l) if ($first..n).contains(&l) => {
                        Some(Slot::Vector(Layered::bias_mut(self, l)))
                    }
                    ("log_variance", l) if l < n && !self.log_variance(l).is_empty() => {
                        Some(Slot::Vector(self.log_variance_mut(l)))
                    }
                    _ => None,
                }
            }

            fn check_parameters(&self) -> Result<()> {
                #[allow(clippy::redundant_closure_call)]
                $check(self)
            }
        }
    };
}

layered!(Rbm, 0, |rbm: &Rbm| {
    check_layers([rbm.visible(), rbm.hidden()])?;
    rbm.check()
});
layered!(Dbm, 0, |dbm: &Dbm| {
    check_layers(dbm.layers())?;
    dbm.check_finite()
});
layered!(Network, 1, Network::check_finite);

impl Named for Dbn {
    fn visit(&self, out: &mut dyn FnMut(String, Tensor<'_>)) {
        for (l, pair) in self.directed().iter().enumerate() {
            let generative = pair.generative_weights();
            out(format!("weights.{l}"), generative.as_ref().into());
            if !pair.is_tied() {
                let recognition = pair.recognition_weights();
                out(format!("recognition.weights.{l}"), recognition.into());
            }
            let bias = pair.above().bias.as_slice();
            out(format!("recognition.bias.{}", l + 1), bias.into());
        }
        let last = self.directed().len();
        out(format!("weights.{last}"), self.top().weights().into());
        for (l, layer) in self.layers().enumerate() {
            out(format!("bias.{l}"), layer.bias.as_slice().into());
            if !layer.log_variance.is_empty() {
                let log_variance = layer.log_variance.as_slice();
                out(format!("log_variance.{l}"), log_variance.into());
            }
        }
    }

    fn slot(&mut self, name: &str) -> Option<Slot<'_>> {
        let (part, l) = parsed(name)?;
        let (directed, top) = self.parts_mut();
        let pairs = directed.len();
        match part {
            "recognition.bias" => {
                let pair = directed.get_mut(l.checked_sub(1)?)?;
                return Some(Slot::Vector(pair.recognition_mut().1));
            }
            "recognition.weights" => {
                let pair = directed.get_mut(l).filter(|pair| !pair.is_tied())?;
                return Some(Slot::Matrix(pair.recognition_mut().0));
            }
            _ => {}
        }
        match directed.get_mut(l) {
            Some(pair) => pair.generative_slot(part),
            None => top.slot(&format!("{part}.{}", l - pairs)),
        }
    }

    fn check_parameters(&self) -> Result<()> {
        check_layers(self.layers())?;
        self.directed()
            .iter()
            .try_for_each(Directed::check_finite)?;
        self.top().check()
    }
}

impl Named for BoltzmannMachine {
    fn visit(&self, out: &mut dyn FnMut(String, Tensor<'_>)) {
        out("visible.weights".into(), self.visible_weights().into());
        out("bias.0".into(), self.visible().bias.as_slice().into());
        if self.n_hidden() > 0 {
            out("weights.0".into(), self.weights().into());
            out("hidden.weights".into(), self.hidden_weights().into());
            out("bias.1".into(), self.hidden().bias.as_slice().into());
        }
    }

    fn slot(&mut self, name: &str) -> Option<Slot<'_>> {
        let latent = self.n_hidden() > 0;
        match name {
            "bias.0" => return Some(Slot::Vector(self.biases_mut().0)),
            "bias.1" if latent => return Some(Slot::Vector(self.biases_mut().1)),
            _ => {}
        }
        let [r, w, s] = self.parameters_mut();
        match name {
            "visible.weights" => Some(Slot::Matrix(r)),
            "weights.0" if latent => Some(Slot::Matrix(w)),
            "hidden.weights" if latent => Some(Slot::Matrix(s)),
            _ => None,
        }
    }

    fn check_parameters(&self) -> Result<()> {
        self.check()?;
        let mask = self.connectivity();
        mask.map_or(Ok(()), |mask| self.check_connectivity(mask))
    }
}

impl Model {
    pub(crate) fn named(&self) -> &dyn Named {
        match self {
            Self::Rbm(x) => x,
            Self::Dbn(x) => x,
            Self::Boltzmann(x) => x,
            Self::Dbm(x) => x,
            Self::Network(x) => x,
        }
    }

    fn named_mut(&mut self) -> &mut dyn Named {
        match self {
            Self::Rbm(x) => x,
            Self::Dbn(x) => x,
            Self::Boltzmann(x) => x,
            Self::Dbm(x) => x,
            Self::Network(x) => x,
        }
    }
}

macro_rules! by_name {
    ($($machine:ty: $self:ident, $shared:expr, $mutable:expr;)*) => {$(
        impl $machine {
            /// A copy of all parameters, by the names of the model file: `weights.{l}`
            /// `[n_l x n_{l+1}]` between layers `l` and `l + 1`, `bias.{l}`, `log_variance.{l}` of
            /// Gaussian units; of a [`Dbn`] `recognition.bias.{l}` too, and
            /// `recognition.weights.{l}` where they are untied; of a [`BoltzmannMachine`]
            /// `visible.weights` and `hidden.weights` within its layers.
            ///
            /// ```
            /// use harmonium::{Layer, Rbm};
            /// let mut rbm = Rbm::unconnected(Layer::bernoulli(2), Layer::bernoulli(1))?;
            /// rbm.set_parameter("weights.0", &[0.5, -0.5])?;
            /// let all = rbm.parameters();
            /// assert_eq!(all["weights.0"].shape, [2, 1]);
            /// assert_eq!(all["weights.0"].values, [0.5, -0.5]);
            /// assert!(rbm.set_parameter("weights.1", &[0.5]).is_err());
            /// # Ok::<(), harmonium::Error>(())
            /// ```
            pub fn parameters(&$self) -> BTreeMap<String, Parameter> {
                parameters($shared)
            }

            /// Puts `values`, row by row, in place of the parameter `name` of
            /// [`Self::parameters`]. Where there is an error nothing has changed.
            ///
            /// # Errors
            /// [`Error::Parameter`] for a name that the machine does not have, and as
            /// `from_parameters` for values that no machine of the family can have;
            /// [`Error::Shape`] for another number of values; [`Error::NotFinite`] for NaN and
            /// infinite ones.
            pub fn set_parameter(&mut $self, name: &str, values: &[f32]) -> Result<()> {
                set_parameter($mutable, name, values)
            }
        }
    )*};
}

by_name! {
    Rbm: self, self, self;
    Dbn: self, self, self;
    Dbm: self, self, self;
    BoltzmannMachine: self, self, self;
    Network: self, self, self;
    Model: self, self.named(), self.named_mut();
}
