//! What the chains of a run say of themselves while it goes on.

use crate::failure::Outcome;
use harmonium::{
    recipe::Running,
    train::{ChainHealth, ChainWarning},
};
use std::mem::discriminant;

/// Askings of a run or stage. Energies are compared over several of them: further apart they are
/// less alike, and what is learned in a few epochs moves them less.
const ASKINGS: usize = 10;

/// Asks the chains of each stage, and tells what is wrong once until it has gone.
#[derive(Default)]
pub struct Health {
    stage: String,
    before: Option<ChainHealth>,
    /// What was wrong at the last asking of each stage.
    standing: Vec<(String, ChainWarning)>,
}

impl Health {
    /// Whether chains are asked after `epoch` of `epochs`.
    pub fn is_due(epoch: usize, epochs: usize) -> bool {
        epoch == epochs || epoch.is_multiple_of(epochs.div_ceil(ASKINGS).max(1))
    }

    /// Asks the chains of `run`; what was not wrong the last time.
    ///
    /// # Errors
    /// Those of energies.
    pub fn ask(&mut self, run: &dyn Running) -> Outcome<Vec<String>> {
        let stage = run.name();
        if stage != self.stage {
            (self.before, self.stage) = (None, stage);
        }
        let health = run.chain_health(self.before.as_ref())?;
        let now = health.as_ref().map(ChainHealth::warnings);
        let is_here = |x: &(String, ChainWarning)| x.0 == self.stage;
        let old: Vec<_> = self.standing.extract_if(.., |x| is_here(x)).collect();
        let mut news = Vec::new();
        for now in now.unwrap_or_default() {
            if !old.iter().any(|(_, old)| is_same(old, &now)) {
                let epoch = run.position().epoch;
                news.push(format!("{}, epoch {epoch}: {now}", self.stage));
            }
            self.standing.push((self.stage.clone(), now));
        }
        self.before = health;
        Ok(news)
    }

    /// What was wrong at the end of each stage.
    pub fn standing(&self) -> Vec<String> {
        let told = |(stage, warning): &(String, ChainWarning)| format!("{stage}: {warning}");
        self.standing.iter().map(told).collect()
    }
}

/// Whether both are of the same kind, and of the same layer.
fn is_same(a: &ChainWarning, b: &ChainWarning) -> bool {
    match (a, b) {
        (ChainWarning::Unused { layer: a, .. }, ChainWarning::Unused { layer: b, .. }) => a == b,
        _ => discriminant(a) == discriminant(b),
    }
}
