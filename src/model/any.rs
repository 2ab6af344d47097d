//! A machine of any kind.

use super::{BoltzmannMachine, Dbm, Dbn, Network, Rbm};
use crate::error::{Error, Result};

/// A machine of any kind, as a model file holds it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Model {
    /// A restricted Boltzmann machine.
    Rbm(Rbm),
    /// A deep belief network.
    Dbn(Dbn),
    /// A general Boltzmann machine.
    Boltzmann(BoltzmannMachine),
    /// A deep Boltzmann machine.
    Dbm(Dbm),
    /// A feed-forward network, made of one of these.
    Network(Network),
}

impl Model {
    /// The names of all kinds in model files.
    pub const KINDS: [&'static str; 5] = ["rbm", "dbn", "dbm", "boltzmann", "network"];

    /// The name of the kind in model files.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rbm(_) => "rbm",
            Self::Dbn(_) => "dbn",
            Self::Boltzmann(_) => "boltzmann",
            Self::Dbm(_) => "dbm",
            Self::Network(_) => "network",
        }
    }

    fn is_no(&self, kind: &str) -> Error {
        let name = |kind: &str| format!("a model of kind {kind}");
        Error::parameter("model", name(kind), name(self.kind()))
    }
}

/// Of one kind: its variant, its type, its name, and the two ways to have it.
macro_rules! kind {
    ($variant:ident, $machine:ident, $name:literal, $by:ident, $into:ident) => {
        impl Model {
            #[doc = concat!("The machine of kind `", $name, "`.")]
            ///
            /// # Errors
            /// [`Error::Parameter`] if it is of another kind.
            pub fn $by(&self) -> Result<&$machine> {
                match self {
                    Self::$variant(machine) => Ok(machine),
                    _ => Err(self.is_no($name)),
                }
            }

            #[doc = concat!("The machine of kind `", $name, "`.")]
            ///
            /// # Errors
            /// [`Error::Parameter`] if it is of another kind.
            pub fn $into(self) -> Result<$machine> {
                match self {
                    Self::$variant(machine) => Ok(machine),
                    _ => Err(self.is_no($name)),
                }
            }
        }

        impl From<$machine> for Model {
            fn from(machine: $machine) -> Self {
                Self::$variant(machine)
            }
        }
    };
}

kind!(Rbm, Rbm, "rbm", rbm, into_rbm);
kind!(Dbn, Dbn, "dbn", dbn, into_dbn);
kind!(
    Boltzmann,
    BoltzmannMachine,
    "boltzmann",
    boltzmann,
    into_boltzmann
);
kind!(Dbm, Dbm, "dbm", dbm, into_dbm);
kind!(Network, Network, "network", network, into_network);
