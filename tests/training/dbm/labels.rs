//! Learning of images and labels together.

use crate::common::{
    self,
    dbm::{bars_and_stripes, close, labeled, layers, mean_of_labels},
};
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    matrix::Matrix,
    model::{Dbm, MeanField, most_probable},
    train::{DbmOptions, DbmTraining, Learning, Negative, Schedule},
};
use std::ops::ControlFlow;

/// The 16 pairs of image and label are equally likely at best: `ln p(v, y) = -ln 16 = -2.77` and,
/// as 4 images of 16 are in doubt, `ln p(y | v) = -ln(2) / 4 = -0.17` on average. Independent units
/// and labels have about `-6.2 - ln 2` and `-ln 2`: the thresholds are nine tenths and three
/// quarters of the way. Guesses of all 12 labels that are not in doubt are right once in 4096
/// times. Decay keeps the chains from sticking to one image.
#[test]
fn training_learns_images_and_labels() {
    let data = bars_and_stripes();
    let (v, labels) = (data.bits().unwrap(), data.labels().unwrap());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.unwrap();
    for (k, sizes) in [&[9, 12, 6, 2][..], &[9, 16, 2]].into_iter().enumerate() {
        let dbm = Dbm::from_parameters(
            layers(sizes),
            sizes
                .windows(2)
                .map(|n| Matrix::zeros(n[0], n[1]))
                .collect::<Vec<_>>(),
        );
        let dbm = dbm.unwrap().initialized_from(&data, 1).unwrap();
        assert_eq!(dbm.layer(dbm.n_layers() - 1).bias[0], {
            // ln(8 / 16 + half a pseudo-example of 16).
            (0.5_f64 + 0.5 / 16.0).ln() as f32
        });
        let options = DbmOptions {
            negative: Negative::Persistent {
                chains: 100,
                steps: 2,
            },
            learning: Learning {
                epochs: 8000,
                batch_size: 16,
                learning_rate: Schedule::Linear { from: 0.2, to: 0.0 },
                momentum: Schedule::Constant(0.5),
                weight_decay: 1e-3,
                ..DbmOptions::default().learning
            },
            ..DbmOptions::default()
        };
        let mut training = DbmTraining::new(dbm, options, &data).unwrap();
        // Threads gain nothing on so little.
        let told = pool.install(|| training.run(&data, |_| ControlFlow::Continue(())));
        assert!(told.unwrap().is_finished());
        let dbm = training.model();
        let sums = dbm.exact_class_sums(v, &mut ()).unwrap();
        let log_z = dbm.log_z(&mut ()).unwrap();
        let joint = |s: usize| sums[2 * s + labels[s] as usize] - log_z;
        let joint = (0..16).map(joint).sum::<f64>() / 16.0;
        assert!(joint > -3.1, "machine {k}: ln p(v, y) = {joint}");
        let exact = dbm.exact_log_p_y_from_v(v, &mut ()).unwrap();
        let mean = mean_of_labels(&exact, labels);
        assert!(mean > -0.3, "machine {k}: ln p(y | v) = {mean}");
        let field = dbm.log_p_y_from_v(v, &MeanField::default()).unwrap();
        for log_p in [exact, field] {
            let best = most_probable(&log_p);
            for s in (0..16).filter(|s| ![0, 7, 8, 15].contains(s)) {
                assert_eq!(best[s], labels[s] as usize, "machine {k}, image {s}");
            }
        }
        // The six bars that are no stripes have 6/8 of `p(v | y)` of their own class and nothing of
        // that of the other; of a label that says nothing 6/16 of both.
        for (y, expected) in [(0, 6.0 / 8.0), (1, 0.0)] {
            let of_class = dbm.given_class(y).unwrap();
            let p = of_class.visible_distribution(1.0, &mut ()).unwrap();
            let share: f64 = (1..7).map(|s| p[common::index_of(v, s)]).sum();
            close("share of the six bars", share, expected, 0.25);
        }
    }
}

/// Chains start at examples, labels included.
#[test]
fn chains_start_with_the_labels_of_their_examples() {
    let v = BitMatrix::from_fn(50, 6, |i, j| (i + j) % 3 == 0);
    let data = Examples::new(v).unwrap().with_labels(vec![2; 50]).unwrap();
    let dbm = labeled(&[6, 5, 4, 3], 0.1, 1);
    let training = DbmTraining::new(dbm, DbmOptions::default(), &data).unwrap();
    let states = training.state().tensors.bits("training.chains.3", 100, 3);
    let states = states.unwrap();
    assert!((0..100).all(|s| (0..3).all(|y| states.get(s, y) == (y == 2))));
}
