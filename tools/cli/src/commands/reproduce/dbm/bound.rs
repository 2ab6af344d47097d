//! The lower bound of a machine on the test images, with `ln Z` annealed both ways.

use super::super::{
    figures::Figure,
    setting::{Setting, test_part},
};
use crate::{
    args::{DEFAULT_BURN_IN, DEFAULT_CHAINS},
    failure::Outcome,
    run::data::Data,
};
use harmonium::{
    Dbm, Examples,
    dataset::Binarization,
    evaluate::{Ais, Base, Betas, Bracket, DbmBound, RESPONDING_ABOVE, ReverseStart},
    model::MeanField,
};

/// Of the test images' bits and those of the training images that annealing starts from.
pub const TEST_BITS_SEED: u64 = 1;
/// Training images that the base of annealing is taken from.
const BASE_IMAGES: usize = 10_000;
/// Temperatures.
const BETAS: usize = 20_000;

/// How `ln Z` is bracketed, and the images that the bound is of.
pub struct Annealing {
    chains: usize,
    betas: usize,
    burn_in: usize,
    seed: u64,
    /// Bits of training images, from which annealing takes its base and reverse chains start.
    start: Examples,
    test: Examples,
}

impl Annealing {
    /// For the data of the experiment.
    ///
    /// # Errors
    /// Data without a test part.
    pub fn new(setting: &Setting, data: &Data) -> Outcome<Self> {
        let bits = |x: Examples| x.binarized(Binarization::Sampled, TEST_BITS_SEED, 0);
        Ok(Self {
            chains: setting.at_most(DEFAULT_CHAINS, 20),
            betas: setting.at_most(BETAS, 200),
            burn_in: setting.at_most(DEFAULT_BURN_IN, 50),
            seed: setting.seed,
            start: bits(data.train.head(BASE_IMAGES)),
            test: bits(test_part(data)?.clone()),
        })
    }

    fn bracket(&self, dbm: &Dbm) -> Outcome<Bracket> {
        let ais = Ais {
            chains: self.chains,
            betas: Betas::Linear(self.betas),
            base: Base::rate_of(dbm, &self.start)?,
            seed: self.seed,
        };
        let start =
            ReverseStart::suited_to(dbm, &self.start, self.chains, self.burn_in, self.seed)?;
        Ok(ais.bracket(dbm, &start, &mut ())?)
    }

    /// The mean lower bound on the test images, beside the `published` one.
    ///
    /// # Errors
    /// Those of the library.
    pub fn test_bound(&self, dbm: &Dbm, published: Option<f64>) -> Outcome<Figure> {
        let log_z = self.bracket(dbm)?;
        let bound = DbmBound::new(dbm, &self.test, &MeanField::default(), &mut ())?;
        let within = bound.within(&log_z);
        let (forward, reverse) = (&log_z.forward, &log_z.reverse);
        let responding = bound.hidden.iter();
        let responding: Vec<String> = responding
            .map(|x| format!("{} of {}", x.responding(RESPONDING_ABOVE), x.mean.len()))
            .collect();
        let mut remark = format!(
            "ln Z {:.2} by Bennett; by forward AIS {:.2} and in reverse {:.2}, effective sample sizes {:.0} and {:.0} of {}; mean field: {} iterations at most, last change {:.0e}; hidden units that respond, layer by layer: {}",
            log_z.bennett.estimate,
            bound.mean(forward.estimate).0,
            bound.mean(reverse.estimate).0,
            forward.effective_sample_size,
            reverse.effective_sample_size,
            self.chains,
            bound.convergence.iterations,
            bound.convergence.change,
            responding.join(", "),
        );
        for warning in log_z.warnings() {
            remark.push_str(&format!("; {warning}"));
        }
        let (least, most) = (
            within.low.min(within.estimate),
            within.high.max(within.estimate),
        );
        Ok(Figure::nats(
            ("test lower bound", published),
            [least, within.estimate, most],
            remark,
        ))
    }
}
