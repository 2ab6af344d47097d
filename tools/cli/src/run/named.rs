//! Machines in a few words.

use harmonium::{BoltzmannMachine, model::Dbm};

/// A machine that has a name.
pub trait Named {
    /// The machine in a few words.
    fn name(&self) -> String;
}

impl Named for BoltzmannMachine {
    fn name(&self) -> String {
        let (n, m) = (self.n_visible(), self.n_hidden());
        if m == 0 {
            return format!("fully visible Boltzmann machine of {n} units");
        }
        format!("Boltzmann machine of {n} visible and {m} hidden units")
    }
}

impl Named for Dbm {
    fn name(&self) -> String {
        let layers = self.layers()[..=self.n_hidden_layers()].iter();
        let sizes: Vec<String> = layers.map(|x| x.size().to_string()).collect();
        let labels = self.classes().map(|n| format!(" with {n} classes"));
        format!("DBM {}{}", sizes.join("-"), labels.unwrap_or_default())
    }
}
