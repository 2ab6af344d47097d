//! Data: what files hold, which units their columns are, and examples for machines to learn from.
//!
//! A [`Table`] is what a reader makes of a file (IDX, NPY, NPZ, text): cells in columns, in the
//! precision of the file. An [`Encoding`] says which units each column is and how to come back; it
//! is decided from the units that are asked for and from what the columns hold. It makes
//! [`Examples`] of a table: packed [`crate::States::Bits`], on which the products are fast, or
//! [`crate::States::Real`]; [`Examples::binarized`] turns probabilities into bits. A [`Dataset`] is
//! both parts of a data set. Readers accept no more than the format promises: every refusal names
//! the file, what was expected and what came.

mod binarization;
mod encoding;
mod examples;
mod fingerprint;
mod generate;
mod load;
mod memory;
mod moments;
mod readers;
mod reading;
mod rows;
mod stream;
mod table;

pub use binarization::Binarization;
pub use encoding::{Asked, Classes, Code, Encoding};
pub use examples::Examples;
pub(crate) use examples::is_full;
pub use generate::{bars_and_stripes, shifting_bar};
pub use load::{Dataset, Tables};
pub use readers::npy::read_npy;
pub(crate) use readers::{
    hdf5,
    npz::{Array, arrays},
};
pub use reading::Reading;
pub use rows::Rows;
pub use stream::{BLOCK_ROWS, Batches, ExampleStream, WINDOW_BLOCKS};
pub use table::{Cells, Column, Facts, Holds, Labels, Sparse, Table};
