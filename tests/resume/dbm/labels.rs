//! Runs of machines with labels at any number of threads and from files.

use crate::common::dbm::layers;
use harmonium::{
    checkpoint::Checkpoint,
    dataset::Examples,
    matrix::Matrix,
    model::Dbm,
    train::{DbmLearner, DbmTraining},
};

fn a_run(sizes: &[usize], updates: usize, threads: usize, data: &Examples) -> DbmTraining {
    let weights = sizes.windows(2).map(|n| Matrix::zeros(n[0], n[1]));
    let dbm = Dbm::from_parameters(layers(sizes), weights).unwrap();
    let dbm = dbm.initialized_from(data, 3).unwrap();
    super::trained(dbm, sizes.len() - 2, updates, threads, data)
}

#[test]
fn threads_and_interruptions_change_no_bit_of_machines_with_labels() {
    // 100 examples in batches of 40: a short last one.
    let gray = Matrix::from_fn(100, 70, |i, j| ((i * 3 + j * 11) % 10) as f32 / 9.0);
    let labels = (0..100).map(|i| (i * 7 % 10) as u32).collect();
    let data = Examples::new(gray).unwrap().with_labels(labels).unwrap();
    for (k, sizes) in [&[70, 40, 50, 10][..], &[70, 40, 10], &[70, 40, 50, 20, 10]]
        .into_iter()
        .enumerate()
    {
        let whole = a_run(sizes, 9, 1, &data);
        let start = a_run(sizes, 0, 1, &data);
        let (u, last) = (sizes.len() - 2, sizes.len() - 1);
        assert_ne!(whole.model().weights(u), start.model().weights(u));
        let state = whole.state();
        let named = |prefix: &'static str| {
            let names = state.tensors.iter().map(|(name, _)| name);
            names.filter_map(move |name| name.strip_prefix(prefix))
        };
        assert_eq!(named("training.activity.").count(), sizes.len() - 2);
        // Labels are held, so nothing of them is kept.
        let kept: Vec<usize> = named("training.mean_field.")
            .map(|l| l.parse().unwrap())
            .collect();
        assert!(kept.iter().all(|l| l % 2 == 0 && *l < last));
        for threads in [2, 7] {
            let other = a_run(sizes, 9, threads, &data);
            assert_eq!(other.model(), whole.model(), "{threads} threads");
        }
        let name = format!("harmonium-dbm-run-{k}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        Checkpoint::from(&a_run(sizes, 5, 2, &data))
            .save(&path)
            .unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut rest = loaded.into_run::<DbmLearner>(&data).unwrap();
        for _ in 0..4 {
            let _ = rest.update(&data).unwrap();
        }
        assert_eq!(rest.model(), whole.model());
        assert_eq!(rest.state(), whole.state());
    }
}
