//! The one error type: what was expected and what came.

use std::{fmt, io, path::PathBuf};

/// Result of every fallible operation of the library.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation was refused or failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Two things that must agree in size do not.
    Shape {
        /// The thing that has the wrong shape.
        what: String,
        /// The shape that would have been accepted.
        expected: String,
        /// The shape that came.
        found: String,
    },
    /// A parameter is outside the range in which it means anything.
    Parameter {
        /// Name of the parameter, as in the API and on the command line.
        name: String,
        /// The values that would have been accepted.
        expected: String,
        /// The value that came.
        found: String,
    },
    /// A file is not what it should be.
    File {
        /// The file.
        path: PathBuf,
        /// What the file should have held.
        expected: String,
        /// What it held.
        found: String,
    },
    /// The operating system refused a file operation.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The [`Progress`](crate::Progress) of a long call stopped it.
    Stopped,
    /// A parameter or state of a model became NaN or infinite.
    NotFinite {
        /// Where the value was found.
        what: String,
    },
}

impl Error {
    /// [`Error::Shape`] from anything printable.
    pub fn shape(
        what: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::Shape {
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// [`Error::Parameter`] from anything printable.
    pub fn parameter(
        name: impl Into<String>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::Parameter {
            name: name.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// [`Error::File`] from anything printable.
    pub fn file(
        path: impl Into<PathBuf>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::File {
            path: path.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// [`Error::Io`] with the path that [`io::Error`] leaves out.
    pub fn io(path: impl Into<PathBuf>, action: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            action,
            source,
        }
    }
}

/// Refuses a pair of matrices, of so many rows and columns each, that are not `[rows x n]` and
/// `[rows x m]`.
pub(crate) fn expect_pair(
    what: &str,
    [a, b]: [(usize, usize); 2],
    (n, m): (usize, usize),
) -> Result<()> {
    if (a.1, b.0, b.1) == (n, a.0, m) {
        return Ok(());
    }
    let pair =
        |a: (usize, usize), b: (usize, usize)| format!("{} x {} and {} x {}", a.0, a.1, b.0, b.1);
    Err(Error::shape(what, pair((a.0, n), (a.0, m)), pair(a, b)))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape {
                what,
                expected,
                found,
            } => write!(f, "{what}: expected {expected}, found {found}"),
            Self::Parameter {
                name,
                expected,
                found,
            } => write!(f, "{name}: expected {expected}, found {found}"),
            Self::File {
                path,
                expected,
                found,
            } => write!(f, "{}: expected {expected}, found {found}", path.display()),
            Self::Io {
                path,
                action,
                source,
            } => write!(f, "{}: cannot {action}: {source}", path.display()),
            Self::Stopped => f.write_str("stopped before its end"),
            Self::NotFinite { what } => {
                write!(f, "{what}: expected finite numbers, found NaN or infinity")
            }
        }
    }
}

/// What cannot fail may stand where something may: `Examples::new` of a matrix.
#[allow(
    clippy::from_over_into,
    reason = "with a second `From`, `?` in a closure no longer tells the type of its error"
)]
impl Into<Error> for std::convert::Infallible {
    fn into(self) -> Error {
        match self {}
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
