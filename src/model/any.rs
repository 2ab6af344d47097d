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

    /// The RBM.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the machine is of another kind; so for those that follow.
    pub fn rbm(&self) -> Result<&Rbm> {
        match self {
            Self::Rbm(rbm) => Ok(rbm),
            _ => Err(self.is_no("rbm")),
        }
    }

    /// The RBM.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn into_rbm(self) -> Result<Rbm> {
        match self {
            Self::Rbm(rbm) => Ok(rbm),
            _ => Err(self.is_no("rbm")),
        }
    }

    /// The deep belief network.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn dbn(&self) -> Result<&Dbn> {
        match self {
            Self::Dbn(dbn) => Ok(dbn),
            _ => Err(self.is_no("dbn")),
        }
    }

    /// The deep belief network.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn into_dbn(self) -> Result<Dbn> {
        match self {
            Self::Dbn(dbn) => Ok(dbn),
            _ => Err(self.is_no("dbn")),
        }
    }

    /// The deep Boltzmann machine.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn dbm(&self) -> Result<&Dbm> {
        match self {
            Self::Dbm(dbm) => Ok(dbm),
            _ => Err(self.is_no("dbm")),
        }
    }

    /// The deep Boltzmann machine.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn into_dbm(self) -> Result<Dbm> {
        match self {
            Self::Dbm(dbm) => Ok(dbm),
            _ => Err(self.is_no("dbm")),
        }
    }

    /// The general Boltzmann machine.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn boltzmann(&self) -> Result<&BoltzmannMachine> {
        match self {
            Self::Boltzmann(machine) => Ok(machine),
            _ => Err(self.is_no("boltzmann")),
        }
    }

    /// The general Boltzmann machine.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn into_boltzmann(self) -> Result<BoltzmannMachine> {
        match self {
            Self::Boltzmann(machine) => Ok(machine),
            _ => Err(self.is_no("boltzmann")),
        }
    }

    /// The feed-forward network.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn network(&self) -> Result<&Network> {
        match self {
            Self::Network(network) => Ok(network),
            _ => Err(self.is_no("network")),
        }
    }

    /// The feed-forward network.
    ///
    /// # Errors
    /// As [`Self::rbm`].
    pub fn into_network(self) -> Result<Network> {
        match self {
            Self::Network(network) => Ok(network),
            _ => Err(self.is_no("network")),
        }
    }

    fn is_no(&self, kind: &str) -> Error {
        let name = |kind: &str| format!("a model of kind {kind}");
        Error::parameter("model", name(kind), name(self.kind()))
    }
}

impl From<Rbm> for Model {
    fn from(rbm: Rbm) -> Self {
        Self::Rbm(rbm)
    }
}

impl From<Dbn> for Model {
    fn from(dbn: Dbn) -> Self {
        Self::Dbn(dbn)
    }
}

impl From<BoltzmannMachine> for Model {
    fn from(machine: BoltzmannMachine) -> Self {
        Self::Boltzmann(machine)
    }
}

impl From<Dbm> for Model {
    fn from(dbm: Dbm) -> Self {
        Self::Dbm(dbm)
    }
}

impl From<Network> for Model {
    fn from(network: Network) -> Self {
        Self::Network(network)
    }
}
