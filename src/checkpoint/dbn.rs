//! `kind` = `dbn`: `weights.{l}` and `bias.{l}` generate, `recognition.weights.{l}` and
//! `recognition.bias.{l}` infer.
//!
//! Layers `0 ..= L`, connections `0 .. L`; the last connection is the undirected top pair. The
//! layer below the top may end in a softmax group, the label: then `bias.{L-1}` and the rows of
//! `weights.{L-1}` include it, and as the label gets nothing from below, the columns of
//! `weights.{L-2}` are the other units of that layer alone. (Columns of zeros for the label are
//! taken too.)
//!
//! `recognition.weights.{l}` `[n_l x n_{l+1}]`, `l < L-1`, is there where it is not `weights.{l}`;
//! `recognition.bias.{l}`, of layers `0 < l < L` without the label, where it is not `bias.{l}`.

use super::{reader::Reader, tensor::Writer};
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    model::{Dbn, Directed, Layer, Model, Rbm},
};

pub(super) fn write(dbn: &Dbn, file: &mut Writer<'_>) {
    let units: Vec<String> = (0..dbn.n_layers())
        .map(|l| dbn.layer(l).units.to_string())
        .collect();
    file.metadata("units", units.join(","));
}

/// Whether `name` is the recognition bias of a network where that is the generative one.
pub(super) fn goes_without_saying(model: &Model, name: &str) -> bool {
    let (Model::Dbn(dbn), Some(l)) = (model, name.strip_prefix("recognition.bias.")) else {
        return false;
    };
    l.parse().is_ok_and(|l: usize| {
        let recognition = &dbn.directed()[l - 1].above().bias;
        dbn.layer(l).bias[..recognition.len()] == recognition[..]
    })
}

pub(super) fn read(reader: &Reader<'_>) -> Result<Dbn> {
    let units = reader.units()?;
    let Some(last) = units.len().checked_sub(2) else {
        let expected = "units of at least 2 layers";
        return Err(Error::file(
            reader.path,
            expected,
            format!("\"{}\"", units.join(",")),
        ));
    };
    // Sizes come from the weights' rows, so nothing is allocated that the file does not hold.
    let mut weights = Vec::new();
    let mut layers: Vec<Layer> = Vec::new();
    for (l, units) in units.iter().enumerate().take(last + 1) {
        let w = reader.matrix(&format!("weights.{l}"), None)?;
        layers.push(reader.layer(l, units, w.rows())?);
        weights.push(w);
    }
    let Some(of_top) = weights.pop() else {
        unreachable!("there is a last connection");
    };
    let hidden = reader.layer(last + 1, units[last + 1], of_top.columns())?;
    let visible = layers.pop().unwrap_or_default();
    let top =
        Rbm::from_parameters([visible, hidden], [of_top]).map_err(|e| reader.no_machine(e))?;
    let mut directed = Vec::with_capacity(last);
    for (l, (below, w)) in layers.iter().zip(weights).enumerate() {
        let above = layers.get(l + 1).unwrap_or(top.visible());
        let labels = above.units.last_group().map_or(0, |group| group.size);
        let m = above.size() - labels;
        let fits =
            |w: Matrix, name: &str| without_labels(reader, w, name, (below.size(), m), labels);
        let w = fits(w, &format!("weights.{l}"))?;
        let mut bias = above.bias[..m].to_vec();
        let name = format!("recognition.bias.{}", l + 1);
        if reader.has(&name) {
            bias = reader.vector(&name, m)?;
        }
        let name = format!("recognition.weights.{l}");
        let recognition = match reader.has(&name) {
            true => Some(fits(reader.matrix(&name, None)?, &name)?),
            false => None,
        };
        let above = Layer {
            bias,
            ..Layer::bernoulli(m)
        };
        let pair = Directed::new(below.clone(), above, w, recognition);
        directed.push(pair.map_err(|e| reader.no_machine(e))?);
    }
    Dbn::from_parts(directed, top).map_err(|e| reader.no_machine(e))
}

/// `w` without the columns of the label, which must be zero if they are there.
fn without_labels(
    reader: &Reader<'_>,
    w: Matrix,
    name: &str,
    (n, m): (usize, usize),
    labels: usize,
) -> Result<Matrix> {
    let whole = labels > 0 && w.columns() == m + labels && w.rows() == n;
    if !whole {
        reader.expect(name, &[n, m], &[w.rows(), w.columns()])?;
        return Ok(w);
    }
    if let Some(x) = (0..n).find_map(|i| w.row(i)[m..].iter().find(|&&x| x != 0.0)) {
        let expected = format!(
            "tensor {name} of zeros where the label, which gets nothing from below, has columns"
        );
        return Err(Error::file(reader.path, expected, x));
    }
    Ok(Matrix::from_fn(n, m, |i, j| w.row(i)[j]))
}
