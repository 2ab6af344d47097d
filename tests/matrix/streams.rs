//! A run that is fed equals the run that gathers the same minibatches itself, to the bit; data
//! drawn anew at each visit have the frequencies of their means.

use crate::{
    BATCH, EXAMPLES, Family, UNITS,
    common::{
        family::bit,
        files::{Directory, npy},
    },
    data,
    greedy::{self, order},
    in_every_family,
};
use harmonium::{
    Examples,
    checkpoint::Checkpoint,
    dataset::{Asked, Binarization, ExampleStream, Reading},
    matrix::Matrix,
    train::{Done, Run, StackEvent},
};
use std::ops::ControlFlow;

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

in_every_family!(fed);

/// Layers of a stack on a file learn what those below make of its minibatches; stopped in either
/// layer, stored and read, it goes on to the bit.
#[test]
fn dbn_greedy() {
    let directory = Directory::new();
    for (name, scale, resample) in [("bits.npy", 1, false), ("gray.npy", 255, true)] {
        let byte = |k: usize| match scale {
            1 => u8::from(bit(k / UNITS, k % UNITS)),
            _ => (k * 37 % 256) as u8,
        };
        let bytes: Vec<u8> = (0..EXAMPLES * UNITS).map(byte).collect();
        let shape = format!("({EXAMPLES}, {UNITS})");
        let path = directory.file(name, &npy("|u1", &shape, "False", &bytes));
        let reading = Reading {
            scale: Some(f64::from(scale)),
            ..Reading::default()
        };
        let stream = ExampleStream::open_as(path, &reading, &Asked::default()).unwrap();
        let stream = match resample {
            true => stream,
            false => stream.binarized(Binarization::Threshold(0.5), 0),
        };
        let options = greedy::options(|x| x.learning.resample_data = resample);
        // The lowest layer starts from fewer examples, and is no other for it.
        let start = stream.sample(25).unwrap();
        let new = || greedy::stack(&options, &start).fed(EXAMPLES);
        let mut whole = new();
        assert!(whole.run(&stream, greedy::on).unwrap().is_finished());
        let whole = whole.dbn().unwrap();
        let mut batches = None;
        let by_hand = greedy::by_hand(
            &options,
            |l| match l {
                0 => start.clone(),
                _ => stream.sample(EXAMPLES).unwrap(),
            },
            |_, run| {
                let at = run.position();
                if at.batch == 0 {
                    let seed = run.learning().seed;
                    batches = Some(stream.epoch(seed, at.epoch as u64, BATCH).unwrap());
                }
                batches.as_mut().unwrap().next().unwrap().unwrap()
            },
        );
        assert_eq!(whole, by_hand);
        let in_memory = stream.range(0, EXAMPLES).unwrap();
        assert_ne!(whole, greedy::learned(&options, &in_memory));
        for layer in 0..2 {
            let mut stopped = new();
            let ended = stopped.run(&stream, |event| match event {
                StackEvent::Update(run) if (run.layer(), run.position().updates) == (layer, 4) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            });
            assert!(ended.unwrap().is_stopped());
            let file = tempfile::NamedTempFile::new().unwrap();
            Checkpoint::of_stack(&stopped)
                .unwrap()
                .save(file.path())
                .unwrap();
            let read = Checkpoint::load(file.path()).unwrap();
            let mut rest = read.into_fed_stack(&start).unwrap();
            assert!(rest.run(&stream, greedy::on).unwrap().is_finished());
            assert_eq!(rest.dbn().unwrap(), whole);
        }
    }
}
