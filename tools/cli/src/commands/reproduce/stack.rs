//! What both experiments with backpropagation share: RBMs layer by layer by the recipe of Hinton
//! and Salakhutdinov (2006), and fine-tuning.

use super::{DEVIATIONS, Figure, LINE_EVERY, QUICK_EPOCHS, Setting};
use crate::failure::{Failure, Outcome, note};
use harmonium::{
    Checkpoint, Error, Examples, Matrix, Network, Rbm,
    dataset::Binarization,
    model::{Layer, most_probable},
    rng::{HostRng, Stream},
    train::{
        BackpropOptions, BackpropTraining, Event, Learning, Negative, RbmOptions, Reconstruction,
        Schedule,
    },
    units::Kind,
};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    time::Instant,
};

/// Standard deviation of the first weights.
const DEVIATION: f64 = 0.1;

/// CD-1 of 50 epochs on minibatches of 100; hidden states drawn, reconstructions as probabilities.
pub fn options(rate: f32) -> RbmOptions {
    RbmOptions {
        negative: Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Smoothed,
        },
        learning: Learning {
            epochs: 50,
            batch_size: 100,
            learning_rate: Schedule::Constant(rate),
            momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.9)]),
            weight_decay: 2e-4,
            ..Learning::default()
        },
        ..RbmOptions::default()
    }
}

/// RBMs between layers of these sizes, lowest first, each on the hidden probabilities of the one
/// below; `options` of each. With `linear_codes` the hidden units of the last are Gaussian. Returns
/// the machines and the seconds of training.
pub fn pretrained(
    setting: &Setting,
    name: &str,
    data: &Examples,
    hidden: &[usize],
    options: impl Fn(usize) -> RbmOptions,
    linear_codes: bool,
) -> Outcome<(Vec<Rbm>, f64)> {
    let (mut rbms, mut seconds) = (Vec::new(), 0.0);
    let mut below: Option<Examples> = None;
    for (l, &m) in hidden.iter().enumerate() {
        let examples = below.as_ref().unwrap_or(data);
        let last = l + 1 == hidden.len();
        let kind = match last && linear_codes {
            true => Kind::Gaussian,
            false => Kind::Bernoulli,
        };
        let n = examples.columns();
        let mut rng = HostRng::new(setting.seed, Stream::Stack(l as u64));
        let weights = Matrix::from_fn(n, m, |_, _| (DEVIATION * rng.normal()) as f32);
        let rbm = Rbm::from_parameters([Layer::bernoulli(n), Layer::of(kind, m)], [weights])?;
        let name = format!("{name} layer {} of {}", l + 1, hidden.len());
        let (rbm, spent) = setting.train(&name, rbm, options(l), examples, |_| Ok(None))?;
        seconds += spent;
        if !last {
            let h = rbm.mean_h_from_v(examples, 1.0)?;
            below = Some(data.with_states(h)?);
        }
        rbms.push(rbm);
    }
    Ok((rbms, seconds))
}

/// Trains `network`; `watch` looks at the run after every epoch, and what it says goes to stderr
/// now and then. The stored network has `notes` beside that of its data. Returns it and the seconds
/// of training alone.
pub fn fine_tuned(
    setting: &Setting,
    name: &str,
    notes: &[(&str, String)],
    network: Network,
    mut options: BackpropOptions,
    data: &Examples,
    mut watch: impl FnMut(&BackpropTraining) -> Outcome<String>,
) -> Outcome<(Network, f64)> {
    options.learning.epochs = setting.at_most(options.learning.epochs, QUICK_EPOCHS);
    options.output_epochs = setting.at_most(options.output_epochs, 1);
    options.learning.seed = setting.seed;
    let mut run = BackpropTraining::new(network, options, data)?;
    let (mut told, mut since) = (Instant::now(), Instant::now());
    let (mut seconds, mut failure) = (0.0, None);
    let done = run.run(data, |event| {
        if setting.interrupt.asked() {
            return ControlFlow::Break(());
        }
        let Event::Epoch(run) = event else {
            return ControlFlow::Continue(());
        };
        seconds += since.elapsed().as_secs_f64();
        let (epoch, epochs) = (run.position().epoch, run.learning().epochs);
        match watch(run) {
            Err(e) => failure = Some(e),
            Ok(text) if epoch == epochs || told.elapsed() >= LINE_EVERY => {
                let loss = run.figures().loss.unwrap_or(f64::NAN);
                let line = format!(
                    "{name}: epoch {epoch}/{epochs}, {seconds:.0} s, loss {loss:.4}  {text}"
                );
                let _ = writeln!(io::stderr(), "{}", line.trim_end());
                told = Instant::now();
            }
            Ok(_) => {}
        }
        since = Instant::now();
        match failure {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if done.is_stopped() {
        return Err(Failure::failed(format!(
            "interrupted while training {name}"
        )));
    }
    if let Some(out) = &setting.out {
        let path = out.join(format!("{}.safetensors", name.replace([' ', '/'], "-")));
        let mut checkpoint = Checkpoint::from(&run);
        let source = setting.source(Binarization::None, 0);
        source.note(&mut checkpoint.notes);
        let notes = notes
            .iter()
            .map(|(key, text)| (key.to_string(), text.clone()));
        checkpoint.notes.extend(notes);
        checkpoint.save(&path)?;
        note(format!("{name}: model in {}", path.display()));
    }
    Ok((run.into_result(), seconds))
}

/// Share of wrong classes.
pub fn error(network: &Network, examples: &Examples) -> Outcome<f64> {
    let Some(labels) = examples.labels() else {
        return Err(Error::parameter("data", "examples with labels", "none").into());
    };
    let found = most_probable(&network.log_p_y_from_v(examples)?);
    let wrong = found
        .iter()
        .zip(labels)
        .filter(|(y, l)| **y != **l as usize);
    Ok(wrong.count() as f64 / labels.len().max(1) as f64)
}

/// An error rate of `n` examples in percent.
pub fn rate(what: &'static str, published: Option<f64>, p: f64, n: usize) -> Figure {
    let deviation = (p * (1.0 - p) / n.max(1) as f64).sqrt();
    let [low, high] = [-1.0, 1.0].map(|s| 100.0 * (p + s * DEVIATIONS * deviation));
    Figure {
        what,
        published,
        measured: 100.0 * p,
        interval: (low.max(0.0), high),
        unit: "%",
        remark: format!("{n} examples, 3 binomial standard errors"),
        of_seeds: Vec::new(),
    }
}
