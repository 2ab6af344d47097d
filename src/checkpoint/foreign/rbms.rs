//! `rbms` (Decelle, Seoane and others, 0.1 to 0.6): an HDF5 file of a training run. The text
//! `/model_type` names the machine; `/update_N/params` has the arrays `weight_matrix`, `vbias` and
//! `hbias` after `N` updates, in f32 or f64.
//!
//! | `model_type` | visible | hidden | `weight_matrix` | energy |
//! |---|---|---|---|---|
//! | `BBRBM` | bits | bits | `[n x m]` | `-b.v - c.h - v'Wh` |
//! | `PBRBM` | `n` of `q` states | bits | `[n x q x m]` | the same of one-hot states |
//! | `IIRBM` | spins | spins | `[n x m]` | the same |
//! | `BGRBM` | bits | reals | `[n x m]` | `-b.v - c.h - v'Wh + n h.h / 2` |
//! | `IGRBM` | spins | reals | `[n x m]` | the same |
//!
//! The reals are Gaussian units of variance `1 / n` here, with bias `c / n` and weights `W / n`;
//! their free energy is higher by `c.c / (2 n)`. The other free energies are the same.

use super::Parameters;
use crate::{
    dataset::hdf5::Hdf5,
    error::{Error, Result},
    matrix::Matrix,
    model::Layer,
    units::{Kind, Units},
};

const GROUP: &str = "update_";

/// The updates whose parameters were saved, rising.
pub(super) fn updates(groups: &[String]) -> Vec<u64> {
    let number = |name: &String| name.strip_prefix(GROUP)?.parse().ok();
    let mut updates: Vec<u64> = groups.iter().filter_map(number).collect();
    updates.sort_unstable();
    updates
}

/// The update of the group `inside`, or the last one.
pub(super) fn chosen(file: &Hdf5<'_>, updates: &[u64], inside: Option<&str>) -> Result<u64> {
    let Some(inside) = inside else {
        return Ok(updates[updates.len() - 1]);
    };
    let is_inside = |update: &&u64| inside == format!("/{GROUP}{update}");
    updates.iter().find(is_inside).copied().ok_or_else(|| {
        let (first, last) = (updates[0], updates[updates.len() - 1]);
        let expected = format!(
            "one of the {} groups /{GROUP}{first} to /{GROUP}{last}",
            updates.len()
        );
        Error::file(file.inside(inside), expected, "no such group")
    })
}

/// The parameters after that many updates.
pub(super) fn read(file: &Hdf5<'_>, update: u64) -> Result<Parameters> {
    let kind = file.text("/model_type")?;
    let (visible, hidden) = match kind.as_str() {
        "BBRBM" => (Kind::Bernoulli, Kind::Bernoulli),
        "PBRBM" => (Kind::Softmax, Kind::Bernoulli),
        "IIRBM" => (Kind::Spin, Kind::Spin),
        "BGRBM" => (Kind::Bernoulli, Kind::Gaussian),
        "IGRBM" => (Kind::Spin, Kind::Gaussian),
        _ => {
            let expected = "an RBM: BBRBM, PBRBM, IIRBM, BGRBM or IGRBM (others, as the Potts \
                            machine PBM, have no counterpart)";
            return Err(Error::file(file.inside("/model_type"), expected, kind));
        }
    };
    let name = |of: &str| format!("/{GROUP}{update}/params/{of}");
    let of = |of: &str| file.numbers(&name(of));
    let [(w_shape, w), (b_shape, b), (c_shape, c)] =
        [of("weight_matrix")?, of("vbias")?, of("hbias")?];
    let (sites, &[m]) = (&b_shape[..], &c_shape[..]) else {
        let expected = "an array of one dimension";
        let found = format!("{c_shape:?}");
        return Err(Error::file(file.inside(&name("hbias")), expected, found));
    };
    let dimensions = if visible == Kind::Softmax { 2 } else { 1 };
    if sites.len() != dimensions || b.is_empty() || m == 0 {
        let expected = format!("an array of {dimensions} dimensions, of a {kind}");
        let found = format!("{sites:?}, with {m} hidden units");
        return Err(Error::file(file.inside(&name("vbias")), expected, found));
    }
    let expected: Vec<usize> = sites.iter().copied().chain([m]).collect();
    if w_shape != expected {
        let path = file.inside(&name("weight_matrix"));
        let expected = format!("{expected:?}, as the biases of a {kind}");
        return Err(Error::file(path, expected, format!("{w_shape:?}")));
    }
    let n = b.len();
    // A Gaussian unit of rbms has the energy `n h^2 / 2 - c h`.
    let share = match hidden {
        Kind::Gaussian => 1.0 / n as f64,
        _ => 1.0,
    };
    let units = match sites {
        &[sites, states] => (0..sites).fold(Units::default(), |units, _| {
            units.and(Kind::Softmax, states)
        }),
        _ => Units::of(visible, n),
    };
    let mut layers = [Layer::new(units), Layer::of(hidden, m)];
    layers[0].bias = b.iter().map(|&x| x as f32).collect();
    layers[1].bias = c.iter().map(|&x| (x * share) as f32).collect();
    layers[1].log_variance.fill(share.ln() as f32);
    let weights = Matrix::from_fn(n, m, |i, j| (w[i * m + j] * share) as f32);
    Ok((layers, weights))
}
