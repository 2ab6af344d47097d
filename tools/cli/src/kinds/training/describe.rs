//! How machines learn, in a few words.

use harmonium::train::{Negative, Objective, Positive, RbmOptions, Reconstruction};

/// What a run of an RBM learns and how, in a few words.
pub fn describe_rbm(options: &RbmOptions) -> String {
    let negative = describe_negative(options.negative);
    match options.objective {
        Objective::Generative => negative,
        Objective::Discriminative => "discriminative gradient".into(),
        Objective::Hybrid { generative_weight } => {
            format!("discriminative gradient and {generative_weight} x {negative}")
        }
    }
}

/// A negative phase in a few words.
pub fn describe_negative(negative: Negative) -> String {
    match negative {
        Negative::Exact => "exact gradient".into(),
        Negative::PseudoLikelihood => "gradient of the pseudo-likelihood".into(),
        Negative::Mcmc { chains, steps } => {
            format!("{chains} chains of {steps} sweeps from fair coins")
        }
        Negative::ContrastiveDivergence {
            steps,
            reconstruction: Reconstruction::Sampled,
        } => format!("CD-{steps}"),
        Negative::ContrastiveDivergence {
            steps,
            reconstruction: Reconstruction::Smoothed,
        } => format!("CD-{steps}, smoothed reconstructions"),
        Negative::Persistent { chains, steps } => format!("PCD-{steps}, {chains} chains"),
        Negative::FastPersistent {
            chains,
            steps,
            fast_rate,
            fast_decay,
        } => format!(
            "FPCD-{steps}, {chains} chains, fast weights of rate {fast_rate} and decay {fast_decay}"
        ),
        Negative::Tempered {
            chains,
            steps,
            temperatures,
            lowest,
        } => format!(
            "tempered PCD-{steps}, {chains} chains at {temperatures} temperatures down to β = {lowest}"
        ),
        Negative::Trajectory {
            chains,
            steps,
            acceptance,
            snapshots,
        } => format!(
            "trajectory PCD-{steps}, {chains} chains at up to {snapshots} snapshots, taken when fewer than {acceptance} of the swaps are accepted"
        ),
    }
}

/// A positive phase in a few words.
pub fn describe_positive(positive: Positive) -> String {
    match positive {
        Positive::Exact => "exact posterior".into(),
        Positive::Gibbs { steps: 1 } => "a sweep of the posterior".into(),
        Positive::Gibbs { steps } => format!("{steps} sweeps of the posterior"),
        Positive::MeanField(_) => "mean-field posterior".into(),
    }
}
