//! Typed access to a file, with errors that name it.

use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    model::Layer,
    tensor::{Element, Saved, Stored},
    units::{Kind, Units},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{cell::Cell, collections::HashMap, path::Path};

/// What the names of tensors of the RBMs begin with: no run takes them.
pub(super) const PRETRAINING: &str = "training.pretraining.";

/// The tensors and the metadata of a file of `what`.
pub(super) fn opened<'a>(
    bytes: &'a [u8],
    path: &Path,
    what: &str,
) -> Result<(SafeTensors<'a>, HashMap<String, String>)> {
    let foreign = |e| Error::file(path, format!("{what} (safetensors)"), e);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(foreign)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(foreign)?;
    Ok((tensors, header.metadata().clone().unwrap_or_default()))
}

/// Typed access to the tensors of a file, with errors that name it.
pub(super) struct Reader<'a> {
    pub(super) tensors: &'a SafeTensors<'a>,
    pub(super) metadata: &'a HashMap<String, String>,
    pub(super) path: &'a Path,
    /// Whether parameters of double precision were rounded.
    pub(super) rounded: Cell<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        tensors: &'a SafeTensors<'a>,
        metadata: &'a HashMap<String, String>,
        path: &'a Path,
    ) -> Self {
        Self {
            tensors,
            metadata,
            path,
            rounded: Cell::new(false),
        }
    }

    /// Whether there is such a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// Copies the tensors of a run, of types that this program writes.
    pub(super) fn run_tensors(&self, to: &mut Saved) {
        let of_run = |name: &str| name.starts_with("training.") && !name.starts_with(PRETRAINING);
        for (name, tensor) in self.tensors.iter().filter(|(name, _)| of_run(name)) {
            let element = match tensor.dtype() {
                Dtype::F32 => Element::F32,
                Dtype::U8 => Element::U8,
                _ => continue,
            };
            let stored = Stored {
                element,
                shape: tensor.shape().to_vec(),
                bytes: tensor.data().to_vec(),
            };
            to.insert(name, stored);
        }
    }

    /// The kinds of units of the layers, as text.
    pub(super) fn units(&self) -> Result<Vec<&str>> {
        let units = self.metadata.get("units");
        let units = units.ok_or_else(|| {
            let expected = "metadata units, such as \"bernoulli,bernoulli\", a kind a layer";
            Error::file(self.path, expected, "no such entry")
        })?;
        Ok(units.split(',').collect())
    }

    /// The kinds of units of exactly `n` layers.
    pub(super) fn units_of(&self, n: usize) -> Result<Vec<&str>> {
        let units = self.units()?;
        if units.len() == n {
            return Ok(units);
        }
        let expected = format!("units of {n} layers");
        Err(Error::file(
            self.path,
            expected,
            format!("\"{}\"", units.join(",")),
        ))
    }

    /// Layer `l` of `size` units of these kinds.
    pub(super) fn layer(&self, l: usize, units: &str, size: usize) -> Result<Layer> {
        let bias = self.vector(&format!("bias.{l}"), size)?;
        let units = Units::parse(units, size)
            .map_err(|e| Error::file(self.path, "units that this version knows", e))?;
        let log_variance = self.log_variance(&format!("log_variance.{l}"), &units)?;
        Ok(Layer {
            length: None,
            units,
            bias,
            log_variance,
        })
    }

    /// The file's error for what parameters that were read one by one do not make together.
    pub(super) fn no_machine(&self, error: Error) -> Error {
        let expected = match error {
            Error::NotFinite { .. } => "finite parameters",
            _ => "parameters of a machine",
        };
        Error::file(self.path, expected, error)
    }

    pub(super) fn tensor(
        &self,
        name: &str,
        dtype: Dtype,
        dimensions: usize,
    ) -> Result<(Vec<usize>, &[u8])> {
        let tensor = self
            .tensors
            .tensor(name)
            .map_err(|_| Error::file(self.path, format!("tensor {name}"), "no such tensor"))?;
        if tensor.dtype() != dtype || tensor.shape().len() != dimensions {
            return Err(Error::file(
                self.path,
                format!("tensor {name} of {dimensions} dimensions of {dtype:?}"),
                format!("{:?} of {:?}", tensor.shape(), tensor.dtype()),
            ));
        }
        Ok((tensor.shape().to_vec(), tensor.data()))
    }

    pub(super) fn expect(&self, name: &str, expected: &[usize], found: &[usize]) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(Error::file(
            self.path,
            format!("tensor {name} of shape {expected:?}"),
            format!("{found:?}"),
        ))
    }

    /// Shape and numbers of a tensor of single precision, or of double precision, which is rounded.
    fn numbers(&self, name: &str, dimensions: usize) -> Result<(Vec<usize>, Vec<f32>)> {
        let is_double = |x: TensorView<'_>| x.dtype() == Dtype::F64;
        if !self.tensors.tensor(name).is_ok_and(is_double) {
            let (shape, bytes) = self.tensor(name, Dtype::F32, dimensions)?;
            return Ok((shape, floats(bytes).collect()));
        }
        let (shape, bytes) = self.tensor(name, Dtype::F64, dimensions)?;
        let (eights, _) = bytes.as_chunks();
        let rounded = eights.iter().map(|&x| f64::from_le_bytes(x) as f32);
        self.rounded.set(true);
        Ok((shape, rounded.collect()))
    }

    pub(super) fn vector(&self, name: &str, n: usize) -> Result<Vec<f32>> {
        let (shape, numbers) = self.numbers(name, 1)?;
        self.expect(name, &[n], &shape)?;
        Ok(numbers)
    }

    pub(super) fn matrix(&self, name: &str, expected: Option<(usize, usize)>) -> Result<Matrix> {
        let (shape, elements) = self.numbers(name, 2)?;
        if let Some((n, m)) = expected {
            self.expect(name, &[n, m], &shape)?;
        }
        // A matrix without elements may still claim many rows, each of which would be padded.
        if shape.contains(&0) {
            return Err(Error::file(
                self.path,
                format!("tensor {name} with elements"),
                format!("shape {shape:?}"),
            ));
        }
        Matrix::from_slice(&elements, shape[0], shape[1])
            .map_err(|e| Error::file(self.path, format!("tensor {name}"), e))
    }

    /// One number a unit of a layer with Gaussian units, zeros if there is no such tensor; nothing
    /// for other layers.
    pub(super) fn log_variance(&self, name: &str, units: &Units) -> Result<Vec<f32>> {
        let there = self.has(name);
        match (units.have(Kind::Gaussian), there) {
            (true, true) => self.vector(name, units.size()),
            (true, false) => Ok(vec![0.0; units.size()]),
            (false, false) => Ok(Vec::new()),
            (false, true) => Err(Error::file(
                self.path,
                format!("no tensor {name} beside units {units}"),
                "one",
            )),
        }
    }

    /// Rows of `n` bits, if there is such a tensor.
    pub(super) fn bits(&self, name: &str, n: usize) -> Result<Option<BitMatrix>> {
        if !self.has(name) {
            return Ok(None);
        }
        let (shape, bytes) = self.tensor(name, Dtype::U8, 2)?;
        self.expect(name, &[shape[0], n], &shape)?;
        // Rows without elements may still claim to be more than anything could hold.
        if n == 0 && shape[0] > 0 {
            let expected = format!("tensor {name} with elements");
            return Err(Error::file(self.path, expected, format!("{shape:?}")));
        }
        if let Some(x) = bytes.iter().find(|&&x| x > 1) {
            return Err(Error::file(
                self.path,
                format!("tensor {name} of zeros and ones"),
                x,
            ));
        }
        Ok(Some(BitMatrix::from_fn(shape[0], n, |i, j| {
            bytes[i * n + j] == 1
        })))
    }
}
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes
        .chunks_exact(4)
        .map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]]))
}
