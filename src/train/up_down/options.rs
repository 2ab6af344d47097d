//! What the up-down algorithm is told beside what all runs are, checked once at the door.

use crate::{
    error::{Error, Result},
    train::{Averaging, Learning, Negative, Rule, Schedule, run::stored_flat},
};
use serde::{Deserialize, Serialize};

/// Most sweeps of the top pair in an update: half sweeps are numbered by 12 bits.
pub const MAX_MEMORY_STEPS: usize = 2000;

/// Options of the up-down algorithm. The learning rate is that of the top pair; a file stores it
/// as `top_rate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct UpDownOptions {
    /// Those that every family shares. The longest gradient is over all parameters, of both
    /// directions and of the top pair.
    #[serde(flatten, with = "TopLearning")]
    pub learning: Learning,
    /// Sweeps of the top pair in each update, over the epochs: `at:0=3,100=6,200=10` in the paper.
    /// Rounded up, at least 1.
    pub steps: Schedule,
    /// Step size of the directed generative weights.
    pub generative_rate: Schedule,
    /// Step size of the recognition weights.
    pub recognition_rate: Schedule,
    /// Where the model's samples of the top pair come from; without it they are those of
    /// contrastive divergence by [`Self::steps`]. The sleep phase starts from chains where there
    /// are some.
    pub negative: Option<Negative>,
}

stored_flat!(UpDownOptions);

/// [`Learning`] as files have it, where its rate is that of the top pair.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Learning")]
struct TopLearning {
    epochs: usize,
    batch_size: usize,
    #[serde(rename = "top_rate")]
    learning_rate: Schedule,
    least_rate: f32,
    momentum: Schedule,
    weight_decay: f32,
    l1_decay: f32,
    gradient_clip: Option<f32>,
    max_norm: Option<f32>,
    averaging: Option<Averaging>,
    optimizer: Rule,
    resample_data: bool,
    seed: u64,
}

impl Default for UpDownOptions {
    /// 100 epochs, 3 sweeps, all rates from 0.05 to 0 in a straight line.
    fn default() -> Self {
        let learning = Learning {
            epochs: 100,
            ..Learning::default()
        };
        Self {
            steps: Schedule::Constant(3.0),
            generative_rate: learning.learning_rate.clone(),
            recognition_rate: learning.learning_rate.clone(),
            negative: None,
            learning,
        }
    }
}

impl UpDownOptions {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name of the option.
    pub fn check(&self) -> Result<()> {
        let top = &self.learning.learning_rate;
        top.check("top rate", f32::INFINITY)?;
        self.learning.check()?;
        if let Some(negative) = self.negative {
            negative.check_sampled("the up-down algorithm")?;
            if matches!(
                negative,
                Negative::PseudoLikelihood | Negative::ContrastiveDivergence { .. }
            ) {
                let expected = "none for contrastive divergence, whose sweeps are those of steps, \
                                or chains of the top pair, or the exact gradient";
                let found = format!("{negative:?}");
                return Err(Error::parameter("negative phase", expected, found));
            }
            if negative == Negative::Exact && self.learning.gradient_clip.is_some() {
                let what = "gradient clip with the exact gradient of the top pair";
                return Err(Error::parameter(what, "none", "some"));
            }
        }
        for (name, rate) in [
            ("generative rate", &self.generative_rate),
            ("recognition rate", &self.recognition_rate),
            ("steps", &self.steps),
        ] {
            rate.check(name, f32::INFINITY)?;
        }
        if self.steps.most() > MAX_MEMORY_STEPS as f32 {
            let most = format!("at most {MAX_MEMORY_STEPS}");
            return Err(Error::parameter("steps", most, &self.steps));
        }
        Ok(())
    }
}
