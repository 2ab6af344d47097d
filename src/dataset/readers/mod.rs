//! One reader a format: each makes a [`Table`](super::Table) of a file.
//!
//! Readers accept no more than the format promises: every refusal names the file, what was expected
//! and what came. No header can make them allocate more than the bytes that really are there
//! justify.

mod archive;
pub(super) mod csv;
pub(super) mod fasta;
mod field;
pub(super) mod foreign;
pub(crate) mod hdf5;
mod header;
pub(super) mod idx;
pub(super) mod image_folder;
pub(super) mod libsvm;
pub(super) mod npy;
pub(super) mod npy_header;
pub(super) mod npz;
pub(super) mod ratings;
pub(super) mod source;
mod sparse;
