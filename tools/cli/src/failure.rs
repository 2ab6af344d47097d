//! Why a command did not do what it was asked to: one line, perhaps a hint, and an exit code.

use harmonium::Error;
use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

/// Result of a command.
pub type Outcome<T> = Result<T, Failure>;

const FAILED: u8 = 1;
const USED_WRONGLY: u8 = 2;

/// A command that ended early.
#[derive(Debug)]
pub enum Failure {
    /// It must be told to the user.
    Error {
        /// What is wrong, in one line.
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// Exit code.
        code: u8,
    },
    /// Whoever read stdout has seen enough.
    BrokenPipe,
}

impl Failure {
    /// Something went wrong: exit code 1.
    pub fn failed(message: impl Display) -> Self {
        Self::new(message, FAILED)
    }

    /// The command makes no sense: exit code 2.
    pub fn usage(message: impl Display) -> Self {
        Self::new(message, USED_WRONGLY)
    }

    fn new(message: impl Display, code: u8) -> Self {
        Self::Error {
            message: message.to_string(),
            hint: None,
            code,
        }
    }

    /// The same failure with advice, in place of earlier advice.
    pub fn hint(self, advice: impl Display) -> Self {
        match self {
            Self::Error { message, code, .. } => Self::Error {
                message,
                hint: Some(advice.to_string()),
                code,
            },
            Self::BrokenPipe => self,
        }
    }

    /// Tells the user and returns the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Error {
                message,
                hint,
                code,
            } => {
                tell("error", message);
                if let Some(hint) = hint {
                    tell("hint", hint);
                }
                ExitCode::from(*code)
            }
            Self::BrokenPipe => ExitCode::SUCCESS,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Parameter { .. } => Self::usage(error),
            Error::NotFinite { .. } => {
                Self::failed(error).hint("a smaller --learning-rate or a --gradient-clip may help")
            }
            Error::Stopped => Self::failed("interrupted while measuring"),
            _ => Self::failed(error),
        }
    }
}

/// One line `kind: message` on stderr. There is nobody left to tell if that fails.
fn tell(kind: &str, message: &str) {
    let message = message.replace(['\n', '\r'], " ");
    let _ = writeln!(io::stderr(), "{kind}: {message}");
}

/// A line on stderr that is no error.
pub fn note(message: impl Display) {
    tell("note", &message.to_string());
}

/// A line on stderr about what speaks against the results.
pub fn warning(message: impl Display) {
    tell("warning", &message.to_string());
}
