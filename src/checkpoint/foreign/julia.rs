//! RestrictedBoltzmannMachines.jl (Fernandez-de-Cossio-Diaz, Cocco and Monasson) and its companion
//! RestrictedBoltzmannMachinesHDF5.jl: what `save_rbm` writes, format 1.0.0.
//!
//! `visible_type` and `hidden_type` name the units; `visible_par` and `hidden_par` have the
//! parameters of a unit on their first axis, `weights` the axes of the visible and then of the
//! hidden layer. Julia stores the first axis as the fastest one, so that HDF5 has the axes in
//! reverse. Units are numbered in the order of Julia's memory: `(color, site)` of a Potts layer is
//! one softmax group a site.
//!
//! | type | parameters | energy | here |
//! |---|---|---|---|
//! | `Binary` | `t` | `-t v` | Bernoulli |
//! | `Spin` | `t` | `-t v` | spin |
//! | `Potts`, `PottsGumbel` | `t` | `-t.v` | softmax, one group a site |
//! | `Gaussian` | `t, g` | `abs(g) v^2 / 2 - t v` | Gaussian, `s^2 = 1 / abs(g)`, `b = t s^2` |
//! | `ReLU` | `t, g` | the same, from 0 | `relu` of `v sqrt(abs(g))`, `b = t / sqrt(abs(g))` |
//!
//! The energy between the layers is `-v'wh`, of a `CenteredRBM` `-(v - p)'w(h - q)`, with the
//! offsets `p` and `q`, of a `StandardizedRBM` with both sides over their scales too; offsets and
//! scales go into weights and biases. Free energies are higher by a constant: `p'wq`, `b^2 / (2
//! s^2)` of each Gaussian unit, `-ln(abs(g)) / 2` of each hidden `ReLU` unit. Visible `ReLU` units
//! have the values of the data only where `g` is 1.

use super::Parameters;
use crate::{
    dataset::hdf5::Hdf5,
    error::{Error, Result},
    matrix::Matrix,
    model::Layer,
    units::{Kind, Units},
};

/// The text that only such files have: the version of the format.
pub(super) const VERSION: &str = "rbm_hdf5_file_format_version";
const KNOWN_VERSION: &str = "1.0.0";
/// The types of a file, in their order on the axis of parameters.
const TYPES: [(&str, Kind); 6] = [
    ("Binary", Kind::Bernoulli),
    ("Spin", Kind::Spin),
    ("Potts", Kind::Softmax),
    ("PottsGumbel", Kind::Softmax),
    ("Gaussian", Kind::Gaussian),
    ("ReLU", Kind::Relu),
];

/// One side of the file: units `i` of energies `g_i v^2 / 2 - t_i v`.
struct Side {
    kind: Kind,
    /// The axes in Julia's order.
    axes: Vec<usize>,
    t: Vec<f64>,
    /// Of continuous units.
    g: Vec<f64>,
    /// Subtracted before the weights.
    offset: Vec<f64>,
    /// Divides before the weights.
    scale: Vec<f64>,
}

/// The parameters of the machine in the file.
pub(super) fn read(file: &Hdf5<'_>) -> Result<Parameters> {
    let version = file.text(&format!("/{VERSION}"))?;
    if version != KNOWN_VERSION {
        let path = file.inside(&format!("/{VERSION}"));
        return Err(Error::file(path, KNOWN_VERSION, version));
    }
    let machine = file.text("/rbm_type")?;
    let (has_offsets, has_scales) = match machine.as_str() {
        "RBM" => (false, false),
        "CenteredRBM" => (true, false),
        "StandardizedRBM" => (true, true),
        _ => {
            let expected = "RBM, CenteredRBM or StandardizedRBM";
            return Err(Error::file(file.inside("/rbm_type"), expected, machine));
        }
    };
    let mut v = side(file, "visible")?;
    let mut h = side(file, "hidden")?;
    for (side, letter) in [(&mut v, 'v'), (&mut h, 'h')] {
        if has_offsets {
            side.offset = of_units(file, &format!("/offset_{letter}"), &side.axes)?;
        }
        if has_scales {
            side.scale = of_units(file, &format!("/scale_{letter}"), &side.axes)?;
        }
    }
    let axes = [&v.axes[..], &h.axes].concat();
    let mut w = of_units(file, "/weights", &axes)?;
    let n = v.t.len();
    for (k, w) in w.iter_mut().enumerate() {
        *w /= v.scale[k % n] * h.scale[k / n];
    }
    // -(v - p)'w(h - q) is -v'wh with fields of both sides, up to a constant.
    for (k, w) in w.iter().enumerate() {
        v.t[k % n] -= w * h.offset[k / n];
        h.t[k / n] -= w * v.offset[k % n];
    }
    if v.kind == Kind::Relu && v.g.iter().any(|&g| g != 1.0) {
        let expected = "gamma = 1 of visible ReLU units, whose values are those of the data";
        let path = file.inside("/visible_par");
        return Err(Error::file(path, expected, "another gamma"));
    }
    let share = [v.shares(), h.shares()];
    let weights = Matrix::from_fn(n, h.t.len(), |i, j| {
        (w[j * n + i] * share[0][i] * share[1][j]) as f32
    });
    Ok(([v.layer(), h.layer()], weights))
}

impl Side {
    /// What a weight and a field become in a unit of this kind.
    fn shares(&self) -> Vec<f64> {
        match self.kind {
            Kind::Gaussian => self.g.iter().map(|g| 1.0 / g).collect(),
            Kind::Relu => self.g.iter().map(|g| 1.0 / g.sqrt()).collect(),
            _ => vec![1.0; self.t.len()],
        }
    }

    fn layer(&self) -> Layer {
        let n = self.t.len();
        let units = match self.kind {
            Kind::Softmax => (0..n / self.axes[0]).fold(Units::default(), |units, _| {
                units.and(Kind::Softmax, self.axes[0])
            }),
            kind => Units::of(kind, n),
        };
        let mut layer = Layer::new(units);
        let fields = self.t.iter().zip(self.shares());
        layer.bias = fields.map(|(t, share)| (t * share) as f32).collect();
        for (x, g) in layer.log_variance.iter_mut().zip(&self.g) {
            *x = -g.ln() as f32;
        }
        layer
    }
}

/// The array `name`, one element a unit of `axes`, in the order of Julia's memory.
fn of_units(file: &Hdf5<'_>, name: &str, axes: &[usize]) -> Result<Vec<f64>> {
    let (mut shape, x) = file.numbers(name)?;
    shape.reverse();
    if shape != axes {
        let expected = format!("{axes:?} in Julia, as the layers");
        return Err(Error::file(
            file.inside(name),
            expected,
            format!("{shape:?}"),
        ));
    }
    Ok(x)
}

fn side(file: &Hdf5<'_>, name: &str) -> Result<Side> {
    let of_type = format!("/{name}_type");
    let text = file.text(&of_type)?;
    let Some((_, kind)) = TYPES.iter().find(|(name, _)| *name == text) else {
        let names = TYPES.map(|(name, _)| name).join(", ");
        let expected = format!("units of one of the types {names} (no others have a counterpart)");
        return Err(Error::file(file.inside(&of_type), expected, text));
    };
    let path = format!("/{name}_par");
    let (mut axes, x) = file.numbers(&path)?;
    axes.reverse();
    let wanted = if kind.is_continuous() { 2 } else { 1 };
    let parameters = (!axes.is_empty()).then(|| axes.remove(0));
    if parameters != Some(wanted) || axes.is_empty() || x.is_empty() {
        let expected = format!("{wanted} on the first axis, of {text} units, and axes of units");
        let found = format!("{parameters:?} and {axes:?}");
        return Err(Error::file(file.inside(&path), expected, found));
    }
    let of = |k: usize| x.iter().skip(k).step_by(wanted);
    let g: Vec<f64> = match kind.is_continuous() {
        true => of(1).map(|g| g.abs()).collect(),
        false => Vec::new(),
    };
    if let Some(i) = g.iter().position(|&g| g.is_nan() || g <= 0.0) {
        let found = format!("{} of unit {}", g[i], i + 1);
        return Err(Error::file(file.inside(&path), "gamma above 0", found));
    }
    let n = x.len() / wanted;
    Ok(Side {
        kind: *kind,
        axes,
        t: of(0).copied().collect(),
        g,
        offset: vec![0.0; n],
        scale: vec![1.0; n],
    })
}
