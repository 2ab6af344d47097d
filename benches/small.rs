//! Updates of machines of every size on minibatches of 1, 10 and 100: PCD-1, momentum, as many
//! chains as examples; all that a run does in an update. Plain, and with the centered gradient.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use harmonium::{
    BitMatrix, Rbm,
    dataset::Examples,
    rng::{Draws, Site},
    train::{Centering, Learning, Negative, RbmOptions, RbmTraining},
};

const EXAMPLES: usize = 2000;

/// Visible units, hidden units, share of bits that are on.
const MACHINES: [(usize, usize, f32); 5] = [
    (16, 16, 0.4),
    (64, 100, 0.4),
    (128, 128, 0.4),
    (256, 256, 0.4),
    (784, 500, 0.13),
];

fn data(n_visible: usize, share: f32) -> Examples {
    let draws = Draws::new(0, Site::Start, 0);
    let bits = BitMatrix::from_fn(EXAMPLES, n_visible, |i, j| draws.uniform(i, j) < share);
    Examples::new(bits).expect("examples")
}

fn updates(c: &mut Criterion) {
    for centering in [None, Some(Centering::default())] {
        let kind = if centering.is_some() {
            "centered"
        } else {
            "plain"
        };
        let mut group = c.benchmark_group(format!("small, {kind}"));
        for (n_visible, n_hidden, share) in MACHINES {
            let data = data(n_visible, share);
            for batch in [1, 10, 100] {
                let options = RbmOptions {
                    negative: Negative::Persistent {
                        chains: batch,
                        steps: 1,
                    },
                    centering,
                    learning: Learning {
                        epochs: usize::MAX,
                        batch_size: batch,
                        learning_rate: 0.01.into(),
                        momentum: 0.5.into(),
                        ..Learning::default()
                    },
                    ..RbmOptions::default()
                };
                let rbm = Rbm::bernoulli(&[n_visible, n_hidden]).expect("a machine");
                let rbm = rbm.initialized_from(&data, 1).expect("bits");
                let mut run = RbmTraining::new(rbm, options, &data).expect("a run");
                let name = format!("{n_visible}-{n_hidden}");
                group.bench_function(BenchmarkId::new(name, batch), |b| {
                    b.iter(|| run.update(&data).expect("an update"));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, updates);
criterion_main!(benches);
