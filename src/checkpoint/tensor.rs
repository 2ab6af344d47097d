//! What is written: tensors by name, and metadata.

use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    model::Layer,
    states::States,
};
use safetensors::{Dtype, View, tensor::serialize};
use std::{borrow::Cow, collections::HashMap, path::Path};

/// One tensor to be written.
pub(super) struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Tensor {
    pub(super) fn floats(shape: Vec<usize>, x: impl Iterator<Item = f32>) -> Self {
        Self {
            dtype: Dtype::F32,
            shape,
            bytes: x.flat_map(f32::to_le_bytes).collect(),
        }
    }
    pub(super) fn vector(x: &[f32]) -> Self {
        Self::floats(vec![x.len()], x.iter().copied())
    }
    pub(super) fn matrix(x: &Matrix) -> Self {
        Self::floats(vec![x.rows(), x.columns()], x.elements())
    }
    pub(super) fn states(x: &States) -> Self {
        match x {
            States::Bits(x) => Self::bits(x),
            States::Real(x) => Self::matrix(x),
        }
    }
    pub(super) fn bits(x: &BitMatrix) -> Self {
        let bytes =
            (0..x.rows()).flat_map(|i| (0..x.columns()).map(move |j| u8::from(x.get(i, j))));
        Self {
            dtype: Dtype::U8,
            shape: vec![x.rows(), x.columns()],
            bytes: bytes.collect(),
        }
    }
}

/// A file in the making.
#[derive(Default)]
pub(super) struct Writer {
    tensors: Vec<(String, Tensor)>,
    metadata: HashMap<String, String>,
}

impl Writer {
    pub(super) fn tensor(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.push((name.into(), tensor));
    }

    /// A vector, unless it is empty.
    pub(super) fn vector(&mut self, name: impl Into<String>, x: &[f32]) {
        if !x.is_empty() {
            self.tensor(name, Tensor::vector(x));
        }
    }

    /// Biases and, if there are any, log-variances of layer `l`.
    pub(super) fn layer(&mut self, l: usize, layer: &Layer) {
        self.tensor(format!("bias.{l}"), Tensor::vector(&layer.bias));
        self.vector(format!("log_variance.{l}"), &layer.log_variance);
    }

    pub(super) fn metadata(&mut self, key: &str, value: impl Into<String>) {
        self.metadata.insert(key.to_owned(), value.into());
    }

    /// The bytes of the file, to be written to `path`.
    pub(super) fn into_bytes(self, path: &Path) -> Result<Vec<u8>> {
        serialize(self.tensors, Some(self.metadata))
            .map_err(|e| Error::file(path, "tensors that safetensors can hold", e))
    }
}
