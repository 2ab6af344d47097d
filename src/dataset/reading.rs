//! How files are to be read, where they do not say it themselves.

use serde::{Deserialize, Serialize};

/// What is said of a file beside its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// Whether the first line of a text names its columns; recognized if nothing is said.
    pub header: Option<bool>,
    /// The columns to read, each a name, a number from 1, or a range of numbers such as `3-7`; all
    /// if there is none.
    pub columns: Vec<String>,
    /// The column of the classes of examples, by name or number, or a file that holds them; of a
    /// text its column `label` if nothing is said.
    pub label: Option<String>,
    /// The column of how often each example counts, by name or number, or a file that holds it.
    pub weight: Option<String>,
    /// What every number is divided by. Bytes of images are divided by 255 if nothing is said.
    pub scale: Option<f64>,
    /// Whether the names of the rows are kept, of files that have them: the column of row names of
    /// a text, the names of sequences and pictures, the users of ratings. A file is read the same
    /// without them, so that they are not stored.
    #[serde(skip)]
    pub row_names: bool,
    /// Whether values may be missing: empty fields and words such as `NA` of a text, NaN of an
    /// array.
    pub missing: bool,
}
