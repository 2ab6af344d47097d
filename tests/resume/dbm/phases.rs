//! Runs by every phase that go on from a file.

use crate::common::dbm::{bernoulli, random};
use harmonium::{
    checkpoint::Checkpoint,
    dataset,
    model::{Dbm, Layer, MeanField},
    train::{DbmLearner, DbmOptions, DbmTraining, Learning, Negative, Positive},
    units::{Kind, Units},
};

const PHASES: [(Positive, Negative); 7] = {
    let gibbs = Positive::Gibbs { steps: 2 };
    let field = Positive::MeanField(MeanField {
        iterations: 10,
        tolerance: 1e-3,
        damping: 0.0,
    });
    let (chains, steps) = (7, 2);
    [
        (Positive::Exact, Negative::Exact),
        (gibbs, Negative::Persistent { chains, steps }),
        (field, Negative::Mcmc { chains, steps }),
        (
            field,
            Negative::ContrastiveDivergence {
                steps,
                reconstruction: harmonium::train::Reconstruction::Sampled,
            },
        ),
        (
            gibbs,
            Negative::FastPersistent {
                chains,
                steps,
                fast_rate: 0.05,
                fast_decay: 0.9,
            },
        ),
        (
            field,
            Negative::Tempered {
                chains,
                steps,
                temperatures: 3,
                lowest: 0.5,
            },
        ),
        (
            gibbs,
            Negative::Trajectory {
                chains,
                steps,
                acceptance: 0.9,
                snapshots: 3,
            },
        ),
    ]
};

/// With a label above the highest of these layers.
fn labeled(sizes: &[usize], classes: usize, seed: u64) -> Dbm {
    let layers = sizes.iter().map(|&n| Layer::bernoulli(n));
    let label = Layer::new(Units::of(Kind::Softmax, classes));
    random(layers.chain([label]).collect(), 0.2, seed)
}

fn short(positive: Positive, negative: Negative) -> DbmOptions {
    DbmOptions {
        positive,
        negative,
        learning: Learning {
            epochs: 8,
            batch_size: 5,
            learning_rate: 0.3.into(),
            seed: 6,
            ..Learning::default()
        },
        ..DbmOptions::default()
    }
}

/// A run that is stored after 5 updates, and read, is the one that never stopped, state included;
/// so is one on another number of threads. With a label too.
#[test]
fn every_phase_resumes_to_the_bit() {
    let plain = dataset::bars_and_stripes(3);
    let labels: Vec<u32> = (0..plain.len() as u32).map(|i| i % 2).collect();
    let with_labels = plain.clone().with_labels(labels).unwrap();
    let path = std::env::temp_dir().join(format!("harmonium-phases-{}", std::process::id()));
    for (positive, negative) in PHASES {
        for data in [&plain, &with_labels] {
            let dbm = match data.labels() {
                None => bernoulli(&[9, 6, 4], 0.2, 7),
                Some(_) => labeled(&[9, 6, 4], 2, 7),
            };
            let options = short(positive, negative);
            let mut run = DbmTraining::new(dbm, options.clone(), data).unwrap();
            let one = harmonium::threads::Pool::new(1).unwrap();
            let mut alone = run.clone();
            for k in 0..13 {
                if k == 5 {
                    Checkpoint::from(&run).save(&path).unwrap();
                }
                let _ = run.update(data).unwrap();
                let _ = one.install(|| alone.update(data)).unwrap();
            }
            let checkpoint = Checkpoint::load(&path).unwrap();
            let mut rest = checkpoint.into_run::<DbmLearner>(data).unwrap();
            assert_eq!(rest.options(), &options);
            for _ in 5..13 {
                let _ = rest.update(data).unwrap();
            }
            assert_eq!(rest.model(), run.model(), "{positive:?} {negative:?}");
            assert_eq!(rest.state(), run.state(), "{positive:?} {negative:?}");
            assert_eq!(alone.state(), run.state(), "{positive:?} {negative:?}");
        }
    }
    std::fs::remove_file(&path).unwrap();
}
