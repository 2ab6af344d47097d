//! The table of cases: what is measured of the engine beside the ceilings, section by section.
//!
//! Weights of deep machines are small, so that hidden units are on half of the time: the most
//! expensive states that look-ups meet.

use super::{
    graph, latency,
    report::Row,
    size::{DENSITY, Size},
    small,
    timer::{Case, Timer, Work},
    timing::median_seconds,
};
use harmonium::{
    BitMatrix, Matrix, Rbm, Result,
    dataset::Examples,
    kernel::{activation, bernoulli},
    model::{Dbm, Dbn, Directed, Layer, MeanField},
    product::{Propagation, Tail},
    rng::{Draws, HostRng, Site},
    train::{
        DbmOptions, DbmTraining, Learning, Negative, Positive, RbmOptions, RbmTraining,
        Reconstruction, UpDownOptions, UpDownTraining,
    },
    units::{Kind, Units},
};
use std::hint::black_box;

/// Sweeps of the top pair in an update of the up-down algorithm.
const TOP_SWEEPS: usize = 3;
/// Iterations of mean field and sweeps of the chains in an update of Algorithm 20.1.
const ITERATIONS: usize = 10;
const SWEEPS: usize = 5;
const RATE: f32 = 0.01;
/// Deviation of the initial weights of deep machines.
const DEVIATION: f64 = 0.01;

/// All cases.
pub(super) fn cases<'a>(size: &'a Size, data: &'a Examples, rbm: &'a Rbm) -> Vec<Case<'a>> {
    let mut cases: Vec<Case<'a>> = vec![
        (
            "kernel",
            Box::new(|t| activations(t, "sigmoid", size.elements, activation::sigmoid)),
        ),
        (
            "kernel",
            Box::new(|t| activations(t, "softplus", size.elements, activation::softplus)),
        ),
        ("kernel", Box::new(|t| draw(t, size))),
    ];
    for shape in size.passes {
        let passes = size
            .pass_rows
            .map(|n| -> Case<'a> { ("pass", Box::new(move |t| pass(t, shape, n))) });
        cases.extend(passes);
    }
    cases.extend(
        size.chains
            .map(|n| -> Case<'a> { ("epilogue", Box::new(move |t| epilogue(t, rbm, n))) }),
    );
    let cd = |reconstruction| Negative::ContrastiveDivergence {
        steps: 1,
        reconstruction,
    };
    let pcd = Negative::Persistent {
        chains: size.batch,
        steps: 1,
    };
    for (name, negative) in [
        (
            "CD-1 epoch: sampled reconstructions",
            cd(Reconstruction::Sampled),
        ),
        (
            "CD-1 epoch: smoothed reconstructions",
            cd(Reconstruction::Smoothed),
        ),
        ("PCD-1 epoch", pcd),
    ] {
        cases.push((
            "training",
            Box::new(move |t| training(t, name, negative, (rbm, data), size.batch)),
        ));
    }
    cases.extend(
        size.chains
            .map(|n| -> Case<'a> { ("sampling", Box::new(move |t| sweep(t, rbm, n))) }),
    );
    cases.push(("deep", Box::new(|t| up_down(t, size, data))));
    // Without a tolerance all iterations are done; with that of the default options most are not
    // needed.
    for (what, tolerance) in [
        ("", 0.0),
        (" to 0.001", DbmOptions::default().mean_field().tolerance),
    ] {
        cases.push((
            "deep",
            Box::new(move |t| algorithm(t, size, what, tolerance, data)),
        ));
    }
    cases.push(("deep", Box::new(|t| deep_sweep(t, size, data))));
    cases.push(("likelihood", Box::new(|t| log_z(t, size))));
    cases.extend(latency::cases(size).map(|case| ("latency", case)));
    cases.extend(small::cases(size).map(|case| ("small", case)));
    cases.extend(graph::cases(size).map(|case| ("graph", case)));
    cases
}

/// The results are the next inputs: no cost depends on the values.
fn activations(t: &Timer<'_>, name: &str, n: usize, activate: fn(&mut [f32])) -> Result<Vec<Row>> {
    let mut x: Vec<f32> = (0..n).map(|i| (i % 41) as f32 * 0.5 - 10.0).collect();
    t.rows(name, &Work::Elements(n), || {
        activate(black_box(&mut x));
        Ok(())
    })
}

fn draw(t: &Timer<'_>, size: &Size) -> Result<Vec<Row>> {
    let (rows, columns) = (size.batch, size.n_hidden);
    let mean = Matrix::from_fn(rows, columns, |_, j| (j % 11) as f32 / 10.0);
    let mut bits = BitMatrix::zeros(rows, columns);
    let mut step = 0;
    t.rows("Bernoulli draw", &Work::Elements(rows * columns), || {
        step += 1;
        let draws = Draws::new(0, Site::Gibbs, step);
        bernoulli::draw(mean.view(), draws, bits.view_mut());
        black_box(&bits);
        Ok(())
    })
}

/// One pass with its draws: hidden states of `n` rows of visible bits, weights as a trained machine
/// has them in size.
fn pass(t: &Timer<'_>, (visible, hidden): (usize, usize), n: usize) -> Result<Vec<Row>> {
    let mut rng = HostRng::numbered(0, 0);
    let weights = Matrix::from_fn(visible, hidden, |_, _| 0.1 * rng.normal() as f32);
    let rbm = Rbm::from_parameters([vec![0.0; visible], vec![0.0; hidden]], [weights])?;
    let draws = Draws::new(0, Site::Gibbs, 0);
    let v = BitMatrix::from_fn(n, visible, |i, j| draws.uniform(i, j) < 0.5);
    let mut h = BitMatrix::zeros(n, hidden);
    let mut buffers = Propagation::default();
    let name = format!("{n} x {visible} bits to {hidden}: samples");
    t.rows(&name, &Work::Updates(n * visible * hidden), || {
        let tail = Tail {
            sample: Some((h.view_mut(), draws)),
            ..Tail::new(1.0)
        };
        rbm.hidden_from_visible((&v).into(), tail, &mut buffers)
    })
}

/// The hidden layer from `n` rows of visible bits: the product with its bias alone, and with
/// sigmoid and draw, in turns.
fn epilogue(t: &Timer<'_>, rbm: &Rbm, n: usize) -> Result<Vec<Row>> {
    let (visible, hidden) = (rbm.n_visible(), rbm.n_hidden());
    let draws = Draws::new(0, Site::Gibbs, 0);
    let v = BitMatrix::from_fn(n, visible, |i, j| draws.uniform(i, j) < DENSITY);
    let mut input = Matrix::zeros(n, hidden);
    let mut sample = BitMatrix::zeros(n, hidden);
    let [mut for_input, mut for_sample] = [Propagation::default(), Propagation::default()];
    let mut product = || {
        let tail = Tail {
            input: Some(input.view_mut()),
            ..Tail::new(1.0)
        };
        rbm.hidden_from_visible((&v).into(), tail, &mut for_input)
    };
    let mut drawn = || {
        let tail = Tail {
            sample: Some((sample.view_mut(), draws)),
            ..Tail::new(1.0)
        };
        rbm.hidden_from_visible((&v).into(), tail, &mut for_sample)
    };
    let [alone, whole] = median_seconds(t.seconds, [&mut product, &mut drawn])?;
    let row = |what: &str, time| {
        let name = format!("{n} x {visible} bits to {hidden}: {what}");
        let updates = n * visible * hidden;
        t.ceiling().row(t.section, &name, time, updates as f64)
    };
    let full = Row {
        nanoseconds_per_element: Some((whole - alone) * 1e9 / (n * hidden) as f64),
        of_product: Some((whole - alone) / alone),
        ..row("samples", whole)
    };
    Ok(vec![row("inputs", alone), full])
}

/// An epoch of an RBM.
fn training(
    t: &Timer<'_>,
    name: &str,
    negative: Negative,
    (rbm, data): (&Rbm, &Examples),
    batch_size: usize,
) -> Result<Vec<Row>> {
    let options = RbmOptions {
        negative,
        learning: Learning {
            batch_size,
            learning_rate: 0.05.into(),
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let mut run = RbmTraining::new(rbm.clone(), options, data)?;
    let updates = Work::Updates(run.connection_updates_per_epoch() as usize);
    let rows = t.epochs(name, &updates, &mut run, data)?;
    run.model().check_finite()?;
    Ok(rows)
}

/// A sweep of `n` chains of an RBM.
fn sweep(t: &Timer<'_>, rbm: &Rbm, n: usize) -> Result<Vec<Row>> {
    let mut chains = rbm.chains(n, 1)?;
    let updates = 2 * n * rbm.n_visible() * rbm.n_hidden();
    let name = format!("Gibbs sweep: {n} chains");
    t.rows(&name, &Work::Updates(updates), || chains.sweep(rbm, 1, 1.0))
}

/// Names of layers.
fn sizes(sizes: &[usize]) -> String {
    let sizes: Vec<_> = sizes.iter().map(usize::to_string).collect();
    sizes.join("-")
}

/// Pairs of neighboring units.
fn pairs(sizes: &[usize]) -> usize {
    sizes.windows(2).map(|n| n[0] * n[1]).sum()
}

/// An epoch of the up-down algorithm: passes up and down, predictions and statistics of each
/// directed pair; the pass to the top, its sweeps and two outer products.
fn up_down(t: &Timer<'_>, size: &Size, data: &Examples) -> Result<Vec<Row>> {
    let ([n, first, second, top], classes) = (size.network, size.classes);
    let mut rng = HostRng::numbered(0, 0);
    let mut weights = |n, m| Matrix::from_fn(n, m, |_, _| (DEVIATION * rng.normal()) as f32);
    let mut pair = |n, m| {
        let (below, above) = (Layer::bernoulli(n), Layer::bernoulli(m));
        Directed::new(below, above, weights(n, m), None)
    };
    let directed = vec![pair(n, first)?, pair(first, second)?];
    let visible = Units::of(Kind::Bernoulli, second).and(Kind::Softmax, classes);
    let top_weights = weights(second + classes, top);
    let memory = Rbm::from_parameters([Layer::new(visible), Layer::bernoulli(top)], [top_weights])?;
    let options = UpDownOptions {
        steps: (TOP_SWEEPS as f32).into(),
        generative_rate: RATE.into(),
        recognition_rate: RATE.into(),
        negative: None,
        learning: Learning {
            batch_size: size.batch,
            learning_rate: RATE.into(),
            epochs: usize::MAX,
            ..UpDownOptions::default().learning
        },
    };
    let mut run = UpDownTraining::new(Dbn::from_parts(directed, memory)?, options, data)?;
    let below = 6 * pairs(&size.network[..3]);
    let memory = (1 + 2 * TOP_SWEEPS + 2) * (second + classes) * top;
    let updates = Work::Updates(size.examples * (below + memory));
    let name = format!("up-down epoch: {} + {classes}", sizes(&size.network));
    let rows = t.epochs(&name, &updates, &mut run, data)?;
    run.model().check_finite()?;
    Ok(rows)
}

/// An epoch of Algorithm 20.1, with as many chains as examples in a minibatch: what the visible
/// layer sends and the first guess, iterations, sweeps (which end with means of the middle layer),
/// and two outer products.
fn algorithm(
    t: &Timer<'_>,
    size: &Size,
    what: &str,
    tolerance: f32,
    data: &Examples,
) -> Result<Vec<Row>> {
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
            momentum: 0.9.into(),
            weight_decay: 2e-4,
            epochs: usize::MAX,
            ..DbmOptions::default().learning
        },
        ..DbmOptions::default()
    };
    let [n, m, k] = size.machine;
    let (lower, upper) = (n * m, m * k);
    let mean_field = 2 * lower + upper + 2 * ITERATIONS * upper;
    let all = mean_field + (2 * SWEEPS + 2) * (lower + upper);
    let work = match tolerance {
        0.0 => Work::Updates(size.examples * all),
        _ => Work::Some,
    };
    let name = format!("Algorithm 20.1 epoch{what}: {}", sizes(&size.machine));
    let mut run = DbmTraining::new(dbm(size, data)?, options, data)?;
    let rows = t.epochs(&name, &work, &mut run, data)?;
    run.model().check_finite()?;
    Ok(rows)
}

fn dbm(size: &Size, data: &Examples) -> Result<Dbm> {
    Dbm::bernoulli(&size.machine)?.initialized_from(data, 0)
}

/// A sweep of a deep Boltzmann machine.
fn deep_sweep(t: &Timer<'_>, size: &Size, data: &Examples) -> Result<Vec<Row>> {
    let (dbm, n) = (dbm(size, data)?, size.chains[1]);
    let mut chains = dbm.chains(n, 1)?;
    let name = format!("Gibbs sweep of {n} chains: {}", sizes(&size.machine));
    let updates = Work::Updates(2 * n * pairs(&size.machine));
    t.rows(&name, &updates, || chains.sweep(&dbm, 1, 1.0))
}

/// `ln Z` of a machine with few hidden units, all of whose states are summed.
fn log_z(t: &Timer<'_>, size: &Size) -> Result<Vec<Row>> {
    let (visible, n) = (size.n_visible, size.exact_hidden);
    let weight = |i, j| ((i * 7 + j * 3) % 13) as f32 / 64.0 - 0.1;
    let weights = Matrix::from_fn(visible, n, weight);
    let small = Rbm::from_parameters([vec![-1.0; visible], vec![0.0; n]], [weights])?;
    let factors = Work::Elements(visible << n);
    t.rows("ln Z by enumeration: a factor", &factors, || {
        black_box(small.log_z(&mut ())?);
        Ok(())
    })
}
