//! Longest gradients, averages, longest weights and L1 decay against their definitions.

use crate::{EXAMPLES, Family, data, go, in_every_family};
use harmonium::{
    checkpoint::Checkpoint,
    train::{Averaging, Learning, Run},
};

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

fn step<L: Family>(change: impl Fn(&mut Learning)) -> Vec<f32> {
    let start = L::parameters(&L::start()).concat();
    let mut run = L::run_with(change);
    let after = L::path(&mut run, 1).remove(0).concat();
    after.iter().zip(&start).map(|(a, b)| a - b).collect()
}

/// At rate 1 and from rest the step is the gradient. Steps are differences of f32 parameters near
/// 1, and sums in fixed point may differ by their last digit: 2^-14 or so each.
fn all<L: Family>() {
    let gradient = step::<L>(|x| x.learning_rate = 1.0.into());
    let length = norm(&gradient);
    let most = (length / 3.0) as f32;
    let clipped = step::<L>(|x| {
        x.learning_rate = 1.0.into();
        x.gradient_clip = Some(most);
    });
    for (a, b) in clipped.iter().zip(&gradient) {
        assert!((a - b / 3.0).abs() < 2e-4, "{a} for a third of {b}");
    }
    let same = step::<L>(|x| {
        x.learning_rate = 1.0.into();
        x.gradient_clip = Some((1.01 * length) as f32);
    });
    for (a, b) in same.iter().zip(&gradient) {
        assert!((a - b).abs() < 2e-4, "{a} for {b}");
    }
    l1::<L>(&gradient);
    averages::<L>();
    norms::<L>();
}

/// `d = g - L1 sign(w)` of weights alone.
fn l1<L: Family>(gradient: &[f32]) {
    let [weights, _] = L::parameters(&L::start());
    let with = step::<L>(|x| {
        x.learning_rate = 1.0.into();
        x.l1_decay = 0.05;
    });
    for (k, (a, g)) in with.iter().zip(gradient).enumerate() {
        let sign = weights.get(k).map_or(0.0, |w| match w {
            0.0 => 0.0,
            w => w.signum(),
        });
        assert!((a - (g - 0.05 * sign)).abs() < 1e-5, "{k}: {a}, {g}");
    }
}

/// The result is the mean of the iterates that count, a stored run goes on to the bit, and learning
/// itself goes on as without.
fn averages<L: Family>() {
    // Nine updates, of which the last third counts.
    let mut plain = L::run_with(|_| {});
    let path = L::path(&mut plain, 9);
    let mut run = L::run_with(|x| x.averaging = Some(Averaging::Last(1.0 / 3.0)));
    let path_of_run = L::path(&mut run, 5);
    assert_eq!(path_of_run[..], path[..5]);
    let file = tempfile::NamedTempFile::new().unwrap();
    Checkpoint::from(&run).save(file.path()).unwrap();
    let checkpoint = Checkpoint::load(file.path()).unwrap();
    let mut resumed: Run<L> = checkpoint.into_run(&data()).unwrap();
    for run in [&mut run, &mut resumed] {
        assert!(run.run(&data(), go).unwrap().is_finished());
    }
    assert_eq!(L::parameters(run.model()), path[8]);
    assert_eq!(run.model(), resumed.model());
    assert_eq!(run.result(), resumed.result());
    let result = L::parameters(&run.result()).concat();
    for (k, got) in result.iter().enumerate() {
        let of = |x: &[Vec<f32>; 2]| f64::from(x.concat()[k]);
        let mean = path[6..].iter().map(of).sum::<f64>() / 3.0;
        assert!((f64::from(*got) - mean).abs() < 1e-6, "{k}: {got} {mean}");
    }
    assert_eq!(EXAMPLES.div_ceil(crate::BATCH), 3);
    assert_ne!(run.result().as_ref(), run.model());
}

/// Weights shrink and biases stay: no weight is longer than the norm allows, which a run without
/// exceeds, and other norms change nothing.
fn norms<L: Family>() {
    let most = 0.4;
    let of = |limit: Option<f32>| {
        let mut run = L::run_with(|x| x.max_norm = limit);
        L::path(&mut run, 1).remove(0)
    };
    let (free, limited, loose) = (of(None), of(Some(most)), of(Some(100.0)));
    assert_eq!(free, loose);
    assert_eq!(free[1], limited[1]);
    let longest = |x: &[f32]| x.iter().fold(0.0_f32, |a, w| a.max(w.abs()));
    assert!(longest(&free[0]) > most && longest(&limited[0]) <= most * 1.0001);
    for (a, b) in limited[0].iter().zip(&free[0]) {
        assert!(a.abs() <= b.abs() && a * b >= 0.0, "{a} {b}");
    }
}

in_every_family!(all);

/// With averaging the layer above learns from the average.
#[test]
fn dbn_greedy() {
    let changes: [fn(&mut Learning); 4] = [
        |x| x.gradient_clip = Some(0.05),
        |x| x.averaging = Some(Averaging::Last(0.5)),
        |x| x.max_norm = Some(0.01),
        |x| x.l1_decay = 0.05,
    ];
    for change in changes {
        crate::greedy::reaches_every_layer(|x| change(&mut x.learning));
    }
}
