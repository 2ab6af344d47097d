//! Gibbs chains in a file, to go on with: safetensors `visible` and `hidden` `[chains x units]` (u8
//! for bits, f32 for others) and the metadata `format` = `harmonium-chains`, `version` = `1`,
//! `seed`, `half_sweeps`.

use crate::{
    bits::BitMatrix,
    checkpoint::{in_order, write_atomically},
    error::{Error, Result},
    matrix::Matrix,
    model::GibbsChain,
    states::States,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{fmt::Display, fs, path::Path};

const FORMAT: &str = "harmonium-chains";
const VERSION: &str = "1";

/// Writes `chains`, whole or not at all. Held units are not part of the file.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn save_chains(chains: &GibbsChain, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let bytes = |x: &States| -> (Dtype, Vec<u8>) {
        match x {
            States::Bits(x) => {
                let row = |i| (0..x.columns()).map(move |j| u8::from(x.get(i, j)));
                (Dtype::U8, (0..x.rows()).flat_map(row).collect())
            }
            States::Real(x) => (
                Dtype::F32,
                x.elements().flat_map(f32::to_le_bytes).collect(),
            ),
        }
    };
    let refused = |e: &dyn Display| Error::file(path, "states that safetensors can hold", e);
    let states = [chains.visible(), chains.hidden()];
    let data = states.map(bytes);
    let mut tensors = Vec::with_capacity(2);
    for ((name, x), (dtype, bytes)) in ["visible", "hidden"].iter().zip(states).zip(&data) {
        let view = TensorView::new(*dtype, vec![x.rows(), x.columns()], bytes);
        tensors.push((*name, view.map_err(|e| refused(&e))?));
    }
    let metadata = [
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_owned()),
        ("seed", chains.seed().to_string()),
        ("half_sweeps", chains.half_sweeps().to_string()),
    ];
    let metadata = metadata.map(|(k, v)| (k.to_owned(), v)).into();
    let bytes = in_order(tensors, &metadata).map_err(|e| refused(&e))?;
    write_atomically(path, &bytes)
}

/// Reads chains that go on as if never interrupted, to the bit.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::File`] if it is foreign, truncated, or its
/// parts disagree.
pub fn load_chains(path: impl AsRef<Path>) -> Result<GibbsChain> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|e| Error::io(path, "read the chains", e))?;
    let foreign = |e: &dyn Display| Error::file(path, "a file of chains (safetensors)", e);
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| foreign(&e))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| foreign(&e))?;
    let metadata = header.metadata().clone().unwrap_or_default();
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
    let states = |name: &str| -> Result<States> {
        let expected = format!("tensor {name} of 2 dimensions, u8 or f32");
        let tensor = tensors.tensor(name);
        let tensor = tensor.map_err(|_| Error::file(path, &expected, "no such tensor"))?;
        let &[rows, columns] = tensor.shape() else {
            return Err(Error::file(path, expected, format!("{:?}", tensor.shape())));
        };
        // States without elements may still claim more rows than anything could hold.
        if rows == 0 || columns == 0 {
            let expected = format!("tensor {name} of at least one chain and one unit");
            return Err(Error::file(path, expected, format!("{:?}", tensor.shape())));
        }
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::U8 => {
                if let Some(x) = data.iter().find(|&&x| x > 1) {
                    return Err(Error::file(path, format!("zeros and ones in {name}"), x));
                }
                let bit = |i, j| data[i * columns + j] == 1;
                Ok(BitMatrix::from_fn(rows, columns, bit).into())
            }
            Dtype::F32 => {
                let all: Vec<f32> = data
                    .chunks_exact(4)
                    .map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]]))
                    .collect();
                if all.iter().any(|x| !x.is_finite()) {
                    return Err(Error::file(
                        path,
                        format!("finite numbers in {name}"),
                        "others",
                    ));
                }
                Ok(Matrix::from_slice(rows, columns, &all)?.into())
            }
            other => Err(Error::file(path, expected, format!("{other:?}"))),
        }
    };
    let (visible, hidden) = (states("visible")?, states("hidden")?);
    GibbsChain::restored(visible, hidden, seed, half_sweeps)
        .map_err(|e| Error::file(path, "as many hidden as visible states", e))
}
