//! Gibbs chains in a file, to go on with: safetensors `visible` and `hidden` `[chains x units]` (u8
//! for bits, f32 for others) and the metadata `format` = `harmonium-chains`, `version` = `1`,
//! `seed`, `half_sweeps`.

use super::{
    reader::{Reader, opened},
    tensor::Writer,
    write_atomically,
};
use crate::{
    error::{Error, Result},
    model::RbmChain,
    states::States,
    tensor::Tensor,
};
use safetensors::Dtype;
use std::{fs, path::Path};

const FORMAT: &str = "harmonium-chains";
const VERSION: &str = "1";

/// Writes `chains`, whole or not at all. Held units are not part of the file.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn save_chains(chains: &RbmChain, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let mut file = Writer::new(path);
    file.tensor("visible", Tensor::from(chains.visible()));
    file.tensor("hidden", Tensor::from(chains.hidden()));
    for (key, value) in [
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_owned()),
        ("seed", chains.seed().to_string()),
        ("half_sweeps", chains.half_sweeps().to_string()),
    ] {
        file.metadata(key, value);
    }
    write_atomically(path, &file.into_bytes()?)
}

/// States that the file holds: bits if they are bytes.
fn states(reader: &Reader<'_>, name: &str) -> Result<States> {
    let missing = |_| Error::file(reader.path, format!("tensor {name}"), "no such tensor");
    let tensor = reader.tensors.tensor(name).map_err(missing)?;
    let shape = tensor.shape();
    // States without elements may still claim more rows than anything could hold.
    if shape.len() == 2 && shape.contains(&0) {
        let expected = format!("tensor {name} of at least one chain and one unit");
        return Err(Error::file(reader.path, expected, format!("{shape:?}")));
    }
    if let (Dtype::U8, &[_, columns]) = (tensor.dtype(), shape) {
        let bits = reader.bits(name, columns)?;
        return bits
            .map(States::from)
            .ok_or_else(|| Error::file(reader.path, format!("tensor {name}"), "no such tensor"));
    }
    let numbers = reader.matrix(name, None)?;
    if !numbers.is_finite() {
        let expected = format!("finite numbers in {name}");
        return Err(Error::file(reader.path, expected, "others"));
    }
    Ok(numbers.into())
}

/// Reads chains that go on as if never interrupted, to the bit.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::File`] if it is foreign, truncated, or its
/// parts disagree.
pub fn load_chains(path: impl AsRef<Path>) -> Result<RbmChain> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|e| Error::io(path, "read the chains", e))?;
    let (tensors, metadata) = opened(&bytes, path, "a file of chains")?;
    for (key, expected) in [("format", FORMAT), ("version", VERSION)] {
        let found = metadata.get(key).map_or("no such entry", String::as_str);
        if found != expected {
            let expected = format!("metadata {key} = \"{expected}\"");
            return Err(Error::file(path, expected, found));
        }
    }
    let number = |key: &str| {
        let found = metadata.get(key).map_or("no such entry", String::as_str);
        let expected = format!("a number in metadata {key}");
        found
            .parse::<u64>()
            .map_err(|_| Error::file(path, expected, found))
    };
    let (seed, half_sweeps) = (number("seed")?, number("half_sweeps")?);
    // Far more sweeps than anyone makes, and far fewer than draws can number.
    if half_sweeps > crate::rng::MAX_STEP / 2 {
        let expected = format!("at most {} half sweeps", crate::rng::MAX_STEP / 2);
        return Err(Error::file(path, expected, half_sweeps));
    }
    let reader = Reader::new(&tensors, &metadata, path);
    let (visible, hidden) = (states(&reader, "visible")?, states(&reader, "hidden")?);
    RbmChain::resumed(visible, hidden, seed, half_sweeps)
        .map_err(|e| Error::file(path, "as many hidden as visible states", e))
}
