//! Snapshots of a machine along its training, in the model file: each parameter of all of them in one tensor, the newest first.

use super::{
    reader::{Reader, floats},
    tensor::{Tensor, Writer},
};
use crate::{
    error::Result,
    matrix::Matrix,
    model::Rbm,
    train::{Parameters, Snapshots},
};
use safetensors::Dtype;

const WEIGHTS: &str = "training.snapshots.weights.0";
const ACCEPTANCE: &str = "training.snapshots.acceptance";
/// Of both biases and both log-variances.
const VECTORS: [&str; 4] = [
    "training.snapshots.bias.0",
    "training.snapshots.bias.1",
    "training.snapshots.log_variance.0",
    "training.snapshots.log_variance.1",
];

fn vectors(parameters: &Parameters) -> [&[f32]; 4] {
    [
        &parameters.visible,
        &parameters.hidden,
        &parameters.visible_log_variance,
        &parameters.hidden_log_variance,
    ]
}

/// Writes `snapshots`, without tensors that would be empty.
pub(super) fn write(snapshots: &Snapshots, file: &mut Writer) {
    let models = &snapshots.models;
    let Some(first) = models.first() else {
        return;
    };
    let shape = vec![models.len(), first.weights.rows(), first.weights.columns()];
    let weights = models.iter().flat_map(|x| x.weights.elements());
    file.tensor(WEIGHTS, Tensor::floats(shape, weights));
    file.tensor(ACCEPTANCE, Tensor::vector(&snapshots.acceptance));
    for (k, name) in VECTORS.into_iter().enumerate() {
        let n = vectors(first)[k].len();
        let all = models.iter().flat_map(|x| vectors(x)[k].iter().copied());
        if n > 0 {
            file.tensor(name, Tensor::floats(vec![models.len(), n], all));
        }
    }
}

/// The snapshots of a machine like `rbm`, if there are any.
pub(super) fn read(reader: &Reader<'_>, rbm: &Rbm) -> Result<Option<Snapshots>> {
    if !reader.has(WEIGHTS) {
        return Ok(None);
    }
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    let (shape, bytes) = reader.tensor(WEIGHTS, Dtype::F32, 3)?;
    let count = shape[0];
    reader.expect(WEIGHTS, &[count, n, m], &shape)?;
    let weights: Vec<f32> = floats(bytes).collect();
    let sizes = [
        n,
        m,
        rbm.visible().log_variance.len(),
        rbm.hidden().log_variance.len(),
    ];
    let mut lists: [Vec<f32>; 4] = Default::default();
    for (k, name) in VECTORS.into_iter().enumerate() {
        if sizes[k] > 0 {
            let (shape, bytes) = reader.tensor(name, Dtype::F32, 2)?;
            reader.expect(name, &[count, sizes[k]], &shape)?;
            lists[k] = floats(bytes).collect();
        }
    }
    let part = |k: usize, i: usize| lists[k][i * sizes[k]..(i + 1) * sizes[k]].to_vec();
    let models = (0..count)
        .map(|i| {
            Ok(Parameters {
                weights: Matrix::from_slice(n, m, &weights[i * n * m..(i + 1) * n * m])?,
                visible: part(0, i),
                hidden: part(1, i),
                visible_log_variance: part(2, i),
                hidden_log_variance: part(3, i),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Some(Snapshots {
        models,
        acceptance: reader.vector(ACCEPTANCE, count)?,
    }))
}
