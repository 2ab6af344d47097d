//! A run that is fed equals the run that gathers the same minibatches itself, to the bit; data
//! drawn anew at each visit have the frequencies of their means.

use crate::{BATCH, EXAMPLES, Family, UNITS, data, in_every_family};
use harmonium::{
    Examples,
    matrix::Matrix,
    train::{Done, Run},
};

fn fed<L: Family>() {
    let gray = Matrix::from_fn(EXAMPLES, UNITS, |i, j| ((i * 3 + j * 5) % 11) as f32 / 10.0);
    let gray = Examples::new(gray).unwrap();
    for (data, resample) in [(data(), false), (gray, true)] {
        let mut learning = L::base();
        learning.resample_data = resample;
        let options = || L::told(learning.clone());
        let mut loaded = Run::<L>::new(L::start(), options(), &data).unwrap();
        let mut fed = Run::<L>::new(L::start(), options(), &data)
            .unwrap()
            .fed(EXAMPLES);
        // The order of the run itself, which is a function of seed and epoch: that of examples
        // whose number stands in their first columns.
        for _ in 0..7 {
            let rows = order(&loaded);
            assert_eq!(loaded.update(&data).unwrap(), Done::Updated);
            assert_eq!(fed.update_with(&data.take(&rows)).unwrap(), Done::Updated);
            assert_eq!(loaded.model(), fed.model());
        }
        assert_ne!(loaded.model(), &L::start());
    }
}

/// The examples of the next minibatch.
fn order<L: Family>(run: &Run<L>) -> Vec<usize> {
    let at = run.position();
    let mut all: Vec<usize> = (0..EXAMPLES).collect();
    let stream = harmonium::rng::Stream::Shuffle(at.epoch as u64);
    harmonium::rng::HostRng::new(run.learning().seed, stream).shuffle(&mut all);
    let first = at.batch * BATCH;
    all[first..(first + BATCH).min(EXAMPLES)].to_vec()
}

in_every_family!(fed);
