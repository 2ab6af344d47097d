//! Deep machines: an epoch of the up-down algorithm, of Algorithm 20.1, and Gibbs sweeps.
//!
//! Weights are small, so that hidden units are on half of the time: the most expensive states that
//! look-ups meet.

use super::{Ceiling, Row, Size, median_seconds};
use harmonium::{
    Matrix, Result,
    dataset::Examples,
    model::{Dbm, Dbn, Directed, Layer, MeanField, Rbm},
    rng::HostRng,
    train::{DbmOptions, DbmTraining, Learning, Negative, Positive, UpDownOptions, UpDownTraining},
    units::{Kind, Units},
};

/// Sweeps of the top pair in an update of the up-down algorithm.
const TOP_SWEEPS: usize = 3;
/// Iterations of mean field and sweeps of the chains in an update of Algorithm 20.1.
const ITERATIONS: usize = 10;
const SWEEPS: usize = 5;
const RATE: f32 = 0.01;
const DECAY: f32 = 2e-4;
const MOMENTUM: f32 = 0.9;
/// Deviation of the initial weights.
const DEVIATION: f64 = 0.01;

/// On the threads of the pool that it is called in.
pub(super) fn measure(
    size: &Size,
    data: &Examples,
    seconds: f64,
    ceiling: &Ceiling,
) -> Result<Vec<Row>> {
    let dbm = Dbm::bernoulli(&size.machine)?.initialized_from(data, 0)?;
    let name = |sizes: &[usize]| {
        let sizes: Vec<_> = sizes.iter().map(usize::to_string).collect();
        sizes.join("-")
    };
    let (network, machine) = (name(&size.network), name(&size.machine));
    let (time, updates) = up_down(size, data, seconds)?;
    let classes = size.classes;
    let mut rows = vec![ceiling.row(
        "deep",
        &format!("up-down epoch: {network} + {classes}"),
        time,
        updates,
    )];
    // Without a tolerance all iterations are done; with that of the default options most are not
    // needed.
    for (what, tolerance) in [
        ("", 0.0),
        (" to 0.001", DbmOptions::default().mean_field().tolerance),
    ] {
        let time = algorithm(size, &dbm, data, tolerance, seconds)?;
        let name = format!("Algorithm 20.1 epoch{what}: {machine}");
        rows.push(match tolerance {
            0.0 => ceiling.row("deep", &name, time, updates_of_epoch(size)),
            _ => Row {
                seconds: Some(time),
                ..Row::new("deep", name, ceiling.threads)
            },
        });
    }
    let n = size.chains[1];
    let mut chains = dbm.chains(n, 1)?;
    let [time] = median_seconds(seconds, [&mut || chains.sweep(&dbm, 1, 1.0)])?;
    let updates = 2 * n * pairs(&size.machine);
    let name = format!("Gibbs sweep of {n} chains: {machine}");
    rows.push(ceiling.row("deep", &name, time, updates as f64));
    Ok(rows)
}

/// Pairs of neighboring units.
fn pairs(sizes: &[usize]) -> usize {
    sizes.windows(2).map(|n| n[0] * n[1]).sum()
}

/// Connection updates of an epoch of Algorithm 20.1: what the visible layer sends and the first
/// guess, iterations, sweeps (which end with means of the middle layer), and two outer products.
fn updates_of_epoch(size: &Size) -> f64 {
    let [n, m, k] = size.machine;
    let (lower, upper) = (n * m, m * k);
    let mean_field = 2 * lower + upper + 2 * ITERATIONS * upper;
    let all = mean_field + (2 * SWEEPS + 2) * (lower + upper);
    (size.examples * all) as f64
}

/// Median seconds and connection updates of an epoch of the up-down algorithm: passes up and down,
/// predictions and statistics of each directed pair; the pass to the top, its sweeps and two outer
/// products.
fn up_down(size: &Size, data: &Examples, seconds: f64) -> Result<(f64, f64)> {
    let [n, first, second, top] = size.network;
    let mut rng = HostRng::numbered(0, 0);
    let mut weights = |n, m| Matrix::from_fn(n, m, |_, _| (DEVIATION * rng.normal()) as f32);
    let mut pair = |n, m| {
        Directed::new(
            Layer::bernoulli(n),
            Layer::bernoulli(m),
            weights(n, m),
            None,
        )
    };
    let directed = vec![pair(n, first)?, pair(first, second)?];
    let visible = Units::of(Kind::Bernoulli, second).and(Kind::Softmax, size.classes);
    let top_weights = weights(second + size.classes, top);
    let memory = Rbm::from_parameters([Layer::new(visible), Layer::bernoulli(top)], [top_weights])?;
    let options = UpDownOptions {
        steps: (TOP_SWEEPS as f32).into(),
        generative_rate: RATE.into(),
        recognition_rate: RATE.into(),
        learning: Learning {
            batch_size: size.batch,
            learning_rate: RATE.into(),
            epochs: usize::MAX,
            ..UpDownOptions::default().learning
        },
    };
    let mut run = UpDownTraining::new(Dbn::from_parts(directed, memory)?, options, data)?;
    let batches = run.position().batches;
    let mut call = || (0..batches).try_for_each(|_| run.update(data).map(drop));
    let [time] = median_seconds(seconds, [&mut call])?;
    run.model().check_finite()?;
    let below = 6 * pairs(&size.network[..3]);
    let memory = (1 + 2 * TOP_SWEEPS + 2) * (second + size.classes) * top;
    Ok((time, (size.examples * (below + memory)) as f64))
}

/// Median seconds of an epoch of Algorithm 20.1, with as many chains as examples in a minibatch.
fn algorithm(size: &Size, dbm: &Dbm, data: &Examples, tolerance: f32, seconds: f64) -> Result<f64> {
    let options = DbmOptions {
        positive: Positive::MeanField(MeanField {
            iterations: ITERATIONS,
            tolerance,
            damping: 0.0,
        }),
        negative: Negative::Persistent {
            chains: size.batch,
            steps: SWEEPS,
        },
        centering: None,
        learning: Learning {
            batch_size: size.batch,
            learning_rate: RATE.into(),
            momentum: MOMENTUM.into(),
            weight_decay: DECAY,
            epochs: usize::MAX,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    };
    let mut training = DbmTraining::new(dbm.clone(), options, data)?;
    let batches = training.position().batches;
    let mut call = || (0..batches).try_for_each(|_| training.update(data).map(drop));
    let [time] = median_seconds(seconds, [&mut call])?;
    training.model().check_finite()?;
    Ok(time)
}
