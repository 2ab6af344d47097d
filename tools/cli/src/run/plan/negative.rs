//! The negative phase of a run: from the flags, in words, and of a run that goes on.

use super::{MOST_ELEMENTS, agree, contradiction, is_best};
use crate::{
    args::{Method, TrainArgs},
    failure::{Failure, Outcome},
};
use harmonium::train::{Negative, Positive, RbmOptions, Reconstruction, Schedule};

/// Gibbs sweeps an update with `--preset best`.
const BEST_STEPS: usize = 5;
const DEFAULT_CHAINS: usize = 100;
const DEFAULT_STEPS: usize = 1;
/// Chains of `mcmc` start at fair coins and need some time.
const DEFAULT_MCMC_STEPS: usize = 100;
/// Step size of fast weights.
const DEFAULT_FAST_RATE: f32 = 0.01;
/// What is left of fast weights after an update, as in Tieleman and Hinton (2009).
const DEFAULT_FAST_DECAY: f32 = 0.95;
/// Temperatures of tempered training and the lowest inverse one.
const DEFAULT_TEMPERATURES: usize = 10;
const DEFAULT_LOWEST_BETA: f32 = 0.9;
/// Share of accepted swaps of trajectory training, as in Bereux et al. (2025), and most snapshots.
const DEFAULT_ACCEPTANCE: f32 = 0.25;
const DEFAULT_SNAPSHOTS: usize = 10;

/// The negative phase that the flags describe.
pub(super) fn negative(args: &TrainArgs, method: Method) -> Outcome<Negative> {
    refuse_meaningless(args, method)?;
    let chains = args.chains.unwrap_or(DEFAULT_CHAINS);
    // Of a schedule the most.
    let given = args
        .steps
        .as_ref()
        .map(|steps| steps.most().ceil() as usize);
    let steps = given.unwrap_or(if is_best(args) {
        BEST_STEPS
    } else {
        DEFAULT_STEPS
    });
    Ok(match method {
        Method::PseudoLikelihood => {
            return Err(Failure::usage(
                "--method pseudo-likelihood is for machines without hidden units",
            )
            .hint("name the kind of machine: `harmonium train boltzmann`"));
        }
        Method::Exact => Negative::Exact,
        Method::Mcmc => Negative::Mcmc {
            chains,
            steps: given.unwrap_or(DEFAULT_MCMC_STEPS),
        },
        Method::Cd => Negative::ContrastiveDivergence {
            steps,
            reconstruction: args.reconstruction.map(Into::into).unwrap_or_default(),
        },
        Method::Pcd => Negative::Persistent { chains, steps },
        Method::Fpcd => Negative::FastPersistent {
            chains,
            steps,
            fast_rate: args.fast_rate.unwrap_or(DEFAULT_FAST_RATE),
            fast_decay: args.fast_decay.unwrap_or(DEFAULT_FAST_DECAY),
        },
        Method::Tempered => Negative::Tempered {
            chains,
            steps,
            temperatures: args.temperatures.unwrap_or(DEFAULT_TEMPERATURES),
            lowest: args.lowest_beta.unwrap_or(DEFAULT_LOWEST_BETA),
        },
        Method::Trajectory => Negative::Trajectory {
            chains,
            steps,
            acceptance: args.acceptance.unwrap_or(DEFAULT_ACCEPTANCE),
            snapshots: args.snapshots.unwrap_or(DEFAULT_SNAPSHOTS),
        },
    })
}

/// Refuses flags that have no meaning for the method.
fn refuse_meaningless(args: &TrainArgs, method: Method) -> Outcome<()> {
    let is = |of: Method| method == of;
    let is_without_chains = matches!(method, Method::Cd | Method::Exact);
    let (of_chains, of_steps) = (
        "pcd, fpcd, tempered, trajectory and mcmc",
        "pcd, fpcd, tempered, trajectory, cd and mcmc",
    );
    for (flag, given, has_meaning, methods) in [
        (
            "--reconstruction",
            args.reconstruction.is_some(),
            is(Method::Cd),
            "cd",
        ),
        (
            "--chains",
            args.chains.is_some(),
            !is_without_chains,
            of_chains,
        ),
        (
            "--fast-rate",
            args.fast_rate.is_some(),
            is(Method::Fpcd),
            "fpcd",
        ),
        (
            "--fast-decay",
            args.fast_decay.is_some(),
            is(Method::Fpcd),
            "fpcd",
        ),
        (
            "--temperatures",
            args.temperatures.is_some(),
            is(Method::Tempered),
            "tempered",
        ),
        (
            "--lowest-beta",
            args.lowest_beta.is_some(),
            is(Method::Tempered),
            "tempered",
        ),
        (
            "--acceptance",
            args.acceptance.is_some(),
            is(Method::Trajectory),
            "trajectory",
        ),
        (
            "--snapshots",
            args.snapshots.is_some(),
            is(Method::Trajectory),
            "trajectory",
        ),
        (
            "--steps",
            args.steps.is_some(),
            !is(Method::Exact),
            of_steps,
        ),
    ] {
        if given && !has_meaning {
            return Err(Failure::usage(format!(
                "{flag} belongs to --method {methods}, not to the method of this run"
            ))
            .hint("leave the flag out, or choose another --method"));
        }
    }
    Ok(())
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

/// A negative phase in a few words.
pub fn describe(negative: Negative) -> String {
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

/// The method of a negative phase, and its name.
pub fn method_of(negative: Negative) -> (Method, &'static str) {
    match negative {
        Negative::Exact => (Method::Exact, "exact"),
        Negative::PseudoLikelihood => (Method::PseudoLikelihood, "pseudo-likelihood"),
        Negative::Mcmc { .. } => (Method::Mcmc, "mcmc"),
        Negative::ContrastiveDivergence { .. } => (Method::Cd, "cd"),
        Negative::Persistent { .. } => (Method::Pcd, "pcd"),
        Negative::FastPersistent { .. } => (Method::Fpcd, "fpcd"),
        Negative::Tempered { .. } => (Method::Tempered, "tempered"),
        Negative::Trajectory { .. } => (Method::Trajectory, "trajectory"),
    }
}

/// Refuses flags about the negative phase that contradict that of the run.
pub(super) fn agree_on_negative(args: &TrainArgs, options: &RbmOptions) -> Outcome<()> {
    let stored = options.negative;
    let (method, name) = method_of(stored);
    if args.method.is_some_and(|asked| asked != method) {
        return Err(contradiction("--method", format!("has {name}")));
    }
    // Flags that have no meaning for the method are refused here.
    negative(args, method)?;
    let reconstruction = match stored {
        Negative::ContrastiveDivergence { reconstruction, .. } => Some(reconstruction),
        _ => None,
    };
    agree("chains", args.chains.as_ref(), stored.chains().as_ref())?;
    let scheduled = options.steps.clone();
    let steps = scheduled.or(stored.steps().map(|k| Schedule::Constant(k as f32)));
    agree("steps", args.steps.as_ref(), steps.as_ref())?;
    if let Negative::FastPersistent {
        fast_rate,
        fast_decay,
        ..
    } = stored
    {
        agree("fast-rate", args.fast_rate.as_ref(), Some(&fast_rate))?;
        agree("fast-decay", args.fast_decay.as_ref(), Some(&fast_decay))?;
    }
    if let Negative::Tempered {
        temperatures,
        lowest,
        ..
    } = stored
    {
        let asked = args.temperatures.as_ref();
        agree("temperatures", asked, Some(&temperatures))?;
        agree("lowest-beta", args.lowest_beta.as_ref(), Some(&lowest))?;
    }
    if let Negative::Trajectory {
        acceptance,
        snapshots,
        ..
    } = stored
    {
        agree("acceptance", args.acceptance.as_ref(), Some(&acceptance))?;
        agree("snapshots", args.snapshots.as_ref(), Some(&snapshots))?;
    }
    let asked = args.reconstruction.map(Reconstruction::from);
    if asked.is_some() && asked != reconstruction {
        return Err(contradiction("--reconstruction", "has the other kind"));
    }
    Ok(())
}

/// Refuses chains that would not fit into memory, of a machine whose widest layer has `widest`
/// units.
///
/// # Errors
/// `--chains`.
pub fn check_chains(negative: Negative, widest: usize) -> Outcome<()> {
    let Some(chains) = negative.chains() else {
        return Ok(());
    };
    let most = MOST_ELEMENTS / widest.max(1) / negative.levels().max(1);
    if chains > most {
        return Err(Failure::usage(format!(
            "--chains {chains}: expected at most {most} for a machine of this size"
        )));
    }
    Ok(())
}
