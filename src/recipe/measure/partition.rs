//! What is known of `ln Z`: a sum over states, or annealing from one side or from both.

use crate::{
    error::Result,
    evaluate::{self, Ais, Betas, Bracket, LogZ, ReverseStart, Warning},
    progress::Progress,
};

/// `ln Z` in nats, with its interval.
#[derive(Clone, Debug)]
pub struct Partition {
    /// `ln Z`; by annealing both ways, Bennett's estimate.
    pub log_z: f64,
    /// Lower end of the interval, that of the forward direction; `log_z` if that is exact.
    pub low: f64,
    /// Upper end of the interval, that of the reverse direction if there is one; `log_z` if that is
    /// exact.
    pub high: f64,
    /// Standard error of `log_z`; 0 if that is exact.
    pub standard_error: f64,
    /// What annealing was asked for and found; `None` of a sum over states.
    pub annealed: Option<(Ais, Annealed)>,
}

/// What annealing found.
#[derive(Clone, Debug)]
pub enum Annealed {
    /// From the base to the machine.
    Forward(LogZ),
    /// And back, from this start.
    Both(ReverseStart, Box<Bracket>),
    /// From the base to the machine of counts given each of these lengths, of which there is one at
    /// least.
    Lengths(Vec<(u32, LogZ)>),
}

impl Annealed {
    /// The direction from the base to the machine; of many lengths that of which the fewest chains
    /// count.
    pub fn forward(&self) -> &LogZ {
        match self {
            Self::Forward(z) => z,
            Self::Both(_, bracket) => &bracket.forward,
            Self::Lengths(all) => {
                let chains = |z: &LogZ| z.effective_sample_size;
                let least = all.iter().map(|x| &x.1);
                let least = least.min_by(|a, b| chains(a).total_cmp(&chains(b)));
                least.expect("one length at least")
            }
        }
    }

    /// All that speaks against the estimate; nothing if nothing does.
    pub fn warnings(&self) -> Vec<Warning> {
        match self {
            Self::Forward(_) | Self::Lengths(_) => self.forward().warning().into_iter().collect(),
            Self::Both(_, bracket) => bracket.warnings(),
        }
    }

    /// `ln w` of the chains of every direction, forward first, or of every length.
    pub fn log_weights(&self) -> Vec<&[f64]> {
        if let Self::Lengths(all) = self {
            return all.iter().map(|x| &x.1.log_weights[..]).collect();
        }
        let mut weights: Vec<&[f64]> = vec![&self.forward().log_weights];
        if let Self::Both(_, bracket) = self {
            weights.push(&bracket.reverse.log_weights);
        }
        weights
    }
}

impl Partition {
    pub(super) fn exact(log_z: f64) -> Self {
        Self {
            log_z,
            low: log_z,
            high: log_z,
            standard_error: 0.0,
            annealed: None,
        }
    }

    fn of(ais: Ais, annealed: Annealed) -> Self {
        let [log_z, low, high, standard_error] = match &annealed {
            Annealed::Forward(z) => [z.estimate, z.low, z.high, z.standard_error],
            Annealed::Both(_, both) => {
                let bennett = &both.bennett;
                let (estimate, error) = (bennett.estimate, bennett.standard_error);
                [estimate, both.low(), both.high(), error]
            }
            Annealed::Lengths(_) => unreachable!("of one machine"),
        };
        Self {
            log_z,
            low,
            high,
            standard_error,
            annealed: Some((ais, annealed)),
        }
    }

    /// By annealing along temperatures that are the same every way; back from `start` if there is
    /// one.
    pub(super) fn anneal(
        ais: &Ais,
        machine: &dyn evaluate::Annealed,
        start: Option<ReverseStart>,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let ais = Ais {
            betas: Betas::Given(ais.ladder(machine, progress)?),
            ..ais.clone()
        };
        let annealed = match start {
            None => Annealed::Forward(ais.log_z(machine, progress)?),
            Some(start) => {
                let bracket = ais.bracket(machine, &start, progress)?;
                Annealed::Both(start, Box::new(bracket))
            }
        };
        Ok(Self::of(ais, annealed))
    }

    /// The same of energies that are larger by `constant`. Log weights stay as they are.
    pub fn shifted(mut self, constant: f64) -> Self {
        let shift = |z: &mut LogZ| {
            for x in [&mut z.estimate, &mut z.low, &mut z.high] {
                *x -= constant;
            }
        };
        for x in [&mut self.log_z, &mut self.low, &mut self.high] {
            *x -= constant;
        }
        match &mut self.annealed {
            None => {}
            Some((_, Annealed::Forward(z))) => shift(z),
            Some((_, Annealed::Lengths(all))) => all.iter_mut().for_each(|x| shift(&mut x.1)),
            Some((_, Annealed::Both(_, both))) => {
                shift(&mut both.forward);
                shift(&mut both.reverse);
                both.bennett.estimate -= constant;
            }
        }
        self
    }
}
