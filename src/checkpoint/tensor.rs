//! What is written: tensors by name, and metadata.

use crate::{
    error::{Error, Result},
    tensor::{Element, Saved, Stored},
};
use safetensors::{Dtype, SafeTensorError, SafeTensors, View, tensor::serialize};
use serde::Serialize;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

impl View for Stored {
    fn dtype(&self) -> Dtype {
        match self.element {
            Element::F32 => Dtype::F32,
            Element::U8 => Dtype::U8,
        }
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

/// A file in the making.
pub(super) struct Writer<'a> {
    tensors: Vec<(String, Stored)>,
    metadata: BTreeMap<String, String>,
    /// Where it is going to be.
    path: &'a Path,
}

impl<'a> Writer<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self {
            tensors: Vec::new(),
            metadata: BTreeMap::new(),
            path,
        }
    }

    pub(super) fn tensor(&mut self, name: impl Into<String>, tensor: impl Into<Stored>) {
        self.tensors.push((name.into(), tensor.into()));
    }

    /// A vector, unless it is empty.
    pub(super) fn vector(&mut self, name: impl Into<String>, x: &[f32]) {
        if !x.is_empty() {
            self.tensor(name, x);
        }
    }

    pub(super) fn metadata(&mut self, key: &str, value: impl Into<String>) {
        self.metadata.insert(key.to_owned(), value.into());
    }

    /// Metadata as JSON.
    pub(super) fn json(&mut self, key: &str, value: &impl Serialize) -> Result<()> {
        let json = serde_json::to_string(value)
            .map_err(|e| Error::file(self.path, "options that JSON can hold", e))?;
        self.metadata(key, json);
        Ok(())
    }

    /// The tensors alone.
    pub(super) fn into_tensors(self) -> Saved {
        let mut saved = Saved::in_memory();
        for (name, tensor) in self.tensors {
            saved.insert(&name, tensor);
        }
        saved
    }

    /// The bytes of the file.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>> {
        let mut names = BTreeSet::new();
        if let Some((twice, _)) = self.tensors.iter().find(|(name, _)| !names.insert(name)) {
            let expected = "one run in a file, each tensor once";
            return Err(Error::file(self.path, expected, twice));
        }
        in_order(self.tensors, &self.metadata)
            .map_err(|e| Error::file(self.path, "tensors that safetensors can hold", e))
    }
}

/// The bytes of a file of `tensors` whose metadata are in the order of their keys: the same
/// content, the same bytes.
fn in_order<S: AsRef<str> + Ord + std::fmt::Display, V: View>(
    tensors: impl IntoIterator<Item = (S, V)>,
    metadata: &BTreeMap<String, String>,
) -> std::result::Result<Vec<u8>, SafeTensorError> {
    const LENGTH: usize = size_of::<u64>();
    let mut bytes = serialize(tensors, None)?;
    let (length, _) = SafeTensors::read_metadata(&bytes)?;
    let end = LENGTH + length;
    let tensors = String::from_utf8_lossy(&bytes[LENGTH..end]);
    let metadata = serde_json::to_string(metadata)?;
    let inner = tensors.trim_end().strip_prefix('{').unwrap_or_default();
    let comma = if inner == "}" { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{metadata}{comma}{inner}").into_bytes();
    // Data begin at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    let length = (header.len() as u64).to_le_bytes();
    bytes.splice(..end, length.into_iter().chain(header));
    Ok(bytes)
}
