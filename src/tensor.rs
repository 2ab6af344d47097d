//! Named tensors: how what a run remembers passes between those who own it and a file.
//!
//! An owner tells its tensors by name ([`Tensor`], borrowed) and takes them back ([`Saved`],
//! owned). Names belong to the owner, bytes to the file.

use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    matrix::Matrix,
    states::States,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A tensor that somebody owns.
#[derive(Clone, Copy, Debug)]
pub enum Tensor<'a> {
    /// Numbers `[rows x columns]`.
    Matrix(&'a Matrix),
    /// Numbers `[n]`.
    Vector(&'a [f32]),
    /// Zeros and ones `[rows x columns]`, a byte each.
    Bits(&'a BitMatrix),
    /// Numbers of several matrices of one shape, `[matrices x rows x columns]`.
    Matrices(&'a [&'a Matrix]),
}

impl<'a> From<&'a Matrix> for Tensor<'a> {
    fn from(x: &'a Matrix) -> Self {
        Self::Matrix(x)
    }
}

impl<'a> From<&'a [f32]> for Tensor<'a> {
    fn from(x: &'a [f32]) -> Self {
        Self::Vector(x)
    }
}

impl<'a> From<&'a BitMatrix> for Tensor<'a> {
    fn from(x: &'a BitMatrix) -> Self {
        Self::Bits(x)
    }
}

impl<'a> From<&'a States> for Tensor<'a> {
    fn from(x: &'a States) -> Self {
        match x {
            States::Bits(x) => Self::Bits(x),
            States::Real(x) => Self::Matrix(x),
        }
    }
}

/// What the elements of a stored tensor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 4-byte floats, the low byte first.
    F32,
    /// Bytes.
    U8,
}

/// A tensor as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Type of the elements.
    pub element: Element,
    /// Sizes, the slowest index first.
    pub shape: Vec<usize>,
    /// The elements in row-major order.
    pub bytes: Vec<u8>,
}

/// Numbers of 4 bytes, the low byte first.
fn floats(bytes: &[u8]) -> Vec<f32> {
    let of = |x: &[u8]| f32::from_le_bytes([x[0], x[1], x[2], x[3]]);
    bytes.chunks_exact(4).map(of).collect()
}

impl Stored {
    /// The elements as numbers.
    pub fn numbers(&self) -> Vec<f32> {
        match self.element {
            Element::U8 => self.bytes.iter().copied().map(f32::from).collect(),
            Element::F32 => floats(&self.bytes),
        }
    }
}

impl From<Tensor<'_>> for Stored {
    fn from(tensor: Tensor<'_>) -> Self {
        let floats = |shape: Vec<usize>, x: &mut dyn Iterator<Item = f32>| {
            let mut bytes = Vec::with_capacity(4 * shape.iter().product::<usize>());
            x.for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
            Self {
                element: Element::F32,
                shape,
                bytes,
            }
        };
        match tensor {
            Tensor::Matrix(x) => floats(vec![x.rows(), x.columns()], &mut x.elements()),
            Tensor::Vector(x) => floats(vec![x.len()], &mut x.iter().copied()),
            Tensor::Matrices(all) => {
                let of = |f: fn(&Matrix) -> usize| all.first().map_or(0, |x| f(x));
                let shape = vec![all.len(), of(Matrix::rows), of(Matrix::columns)];
                floats(shape, &mut all.iter().flat_map(|x| x.elements()))
            }
            Tensor::Bits(x) => {
                let row = |i: usize| (0..x.columns()).map(move |j| u8::from(x.get(i, j)));
                Self {
                    element: Element::U8,
                    shape: vec![x.rows(), x.columns()],
                    bytes: (0..x.rows()).flat_map(row).collect(),
                }
            }
        }
    }
}

impl From<&Matrix> for Stored {
    fn from(x: &Matrix) -> Self {
        Tensor::from(x).into()
    }
}

impl From<&[f32]> for Stored {
    fn from(x: &[f32]) -> Self {
        Tensor::from(x).into()
    }
}

impl From<&BitMatrix> for Stored {
    fn from(x: &BitMatrix) -> Self {
        Tensor::from(x).into()
    }
}

/// Tensors by name, to be taken by their owner, with errors that name where they come from. Equal
/// ones have the same tensors, wherever these come from.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    origin: PathBuf,
    tensors: BTreeMap<String, Stored>,
}

impl PartialEq for Saved {
    fn eq(&self, other: &Self) -> bool {
        self.tensors == other.tensors
    }
}

impl Eq for Saved {}

impl Saved {
    /// None yet; errors will name `origin`, a file.
    pub fn from_file(origin: impl Into<PathBuf>) -> Self {
        Self {
            origin: origin.into(),
            tensors: BTreeMap::new(),
        }
    }

    /// None yet, of a run in memory.
    pub fn in_memory() -> Self {
        Self::from_file("the stored run")
    }

    /// Where the tensors come from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// Adds a tensor, unless it has no elements.
    pub fn insert(&mut self, name: &str, tensor: impl Into<Stored>) {
        let tensor = tensor.into();
        if !tensor.bytes.is_empty() {
            self.tensors.insert(name.to_owned(), tensor);
        }
    }

    /// Names and tensors, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.tensors.iter().map(|(name, x)| (name.as_str(), x))
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Refuses tensors that nobody took: of another run than that which was restored.
    ///
    /// # Errors
    /// [`Error::File`] that names them.
    pub fn check_all_taken(&self) -> Result<()> {
        if self.tensors.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
        let expected = "only what its run remembers".into();
        Err(self.file(expected, format!("tensors {} beside it", names.join(", "))))
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|x| x.shape.as_slice())
    }

    fn file(&self, expected: String, found: impl std::fmt::Display) -> Error {
        Error::file(&self.origin, expected, found)
    }

    fn take(&mut self, name: &str, element: Element, shape: &[usize]) -> Result<Vec<u8>> {
        let Some(tensor) = self.tensors.get(name) else {
            return Err(self.file(format!("tensor {name}"), "no such tensor"));
        };
        if (tensor.element, tensor.shape.as_slice()) != (element, shape) {
            let expected = format!("tensor {name} of shape {shape:?} of {element:?}");
            let found = format!("{:?} of {:?}", tensor.shape, tensor.element);
            return Err(self.file(expected, found));
        }
        Ok(self
            .tensors
            .remove(name)
            .map(|x| x.bytes)
            .unwrap_or_default())
    }

    /// Takes a tensor `[shape]` of numbers.
    ///
    /// # Errors
    /// [`Error::File`] if it is not there or of another type or shape.
    pub fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(floats(&self.take(name, Element::F32, shape)?))
    }

    /// Fills `x` from the tensor of its length, if `x` has one: an empty vector is not stored.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn vector_into(&mut self, name: &str, x: &mut [f32]) -> Result<()> {
        if !x.is_empty() {
            x.copy_from_slice(&self.floats(name, &[x.len()])?);
        }
        Ok(())
    }

    /// Fills `x` from the tensor of its shape, if `x` has elements.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn matrix_into(&mut self, name: &str, x: &mut Matrix) -> Result<()> {
        let (rows, columns) = (x.rows(), x.columns());
        if rows * columns > 0 {
            let elements = self.floats(name, &[rows, columns])?;
            for (i, row) in elements.chunks_exact(columns).enumerate() {
                x.row_mut(i).copy_from_slice(row);
            }
        }
        Ok(())
    }

    /// Takes bits `[rows x columns]`.
    ///
    /// # Errors
    /// [`Error::File`] if they are not there, of another type or shape, or not all 0 or 1.
    pub fn bits(&mut self, name: &str, rows: usize, columns: usize) -> Result<BitMatrix> {
        let bytes = self.take(name, Element::U8, &[rows, columns])?;
        if let Some(x) = bytes.iter().find(|&&x| x > 1) {
            return Err(self.file(format!("tensor {name} of zeros and ones"), x));
        }
        Ok(BitMatrix::from_fn(rows, columns, |i, j| {
            bytes[i * columns + j] == 1
        }))
    }

    /// States like `like` in type and width, of as many rows as the tensor has: a multiple of
    /// those of `like`, if there may be several levels of chains.
    ///
    /// # Errors
    /// As [`Self::floats`] and [`Self::bits`].
    pub fn states_like(&mut self, name: &str, like: &States, rows: usize) -> Result<States> {
        let columns = like.columns();
        Ok(match like {
            States::Bits(_) => States::Bits(self.bits(name, rows, columns)?),
            States::Real(_) => {
                let mut x = Matrix::zeros(rows, columns);
                self.matrix_into(name, &mut x)?;
                States::Real(x)
            }
        })
    }
}
