//! Data sets: examples as packed bits or as numbers, their labels, and where they come from.
//!
//! A [`Dataset`] is read from the IDX files of MNIST, from NPY, NPZ or CSV, or made by a generator
//! ([`bars_and_stripes`], [`shifting_bar`]). Files give [`crate::States::Real`];
//! [`Dataset::binarized`] turns those into the packed [`crate::States::Bits`] on which the products
//! are fast. Readers accept no more than the format promises: every refusal names the file, what
//! was expected and what came. No header can make them allocate more than the bytes that really are
//! there justify: those bytes, and their rows as floats padded to 64 bytes.

mod accepted;
mod binarization;
mod csv;
mod examples;
mod fingerprint;
mod generate;
mod idx;
mod load;
mod moments;
mod npy;
mod npy_header;
mod npz;
mod rows;
mod source;
mod stream;

pub use binarization::Binarization;
pub use examples::Examples;
pub(crate) use examples::is_full;
pub use generate::{bars_and_stripes, shifting_bar};
pub use load::Dataset;
pub use npy::read_npy;
pub(crate) use npz::{Array, arrays};
pub use rows::Rows;
pub use stream::{BLOCK_ROWS, Batches, ExampleStream, WINDOW_BLOCKS};
