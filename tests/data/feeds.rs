//! Where minibatches come from changes nothing: examples in memory, minibatches from outside, and
//! files.

use crate::common::family::{
    BATCH, EPOCHS, EXAMPLES, Family, SEED, UNITS, assert_same, bit, data, go, in_every_family,
};
use crate::common::files::{Directory, npy};
use harmonium::{
    Checkpoint,
    dataset::{Binarization, ExampleStream},
    rng::{HostRng, Stream},
    train::{BoltzmannLearner, DbmLearner, Done, Event, Positive, Run, RunState},
};
use std::ops::ControlFlow;

/// The documented order of the examples of an epoch.
fn order(epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..EXAMPLES).collect();
    HostRng::new(SEED, Stream::Shuffle(epoch)).shuffle(&mut order);
    order
}

fn fed_in_the_order_of_memory<L: Family>() {
    let mut fed = L::run().fed(EXAMPLES);
    for epoch in 0..EPOCHS as u64 {
        for rows in order(epoch).chunks(BATCH) {
            assert_eq!(fed.update_with(&data().take(rows)).unwrap(), Done::Updated);
        }
    }
    assert!(fed.is_finished());
    assert_same(&fed, &L::whole());
}

#[test]
fn minibatches_from_outside_in_the_order_of_memory_make_the_same_run() {
    in_every_family!(fed_in_the_order_of_memory);
}

fn stream(directory: &Directory) -> ExampleStream {
    let bytes: Vec<u8> = (0..EXAMPLES * UNITS)
        .map(|k| u8::from(bit(k / UNITS, k % UNITS)))
        .collect();
    let shape = format!("({EXAMPLES}, {UNITS})");
    let path = directory.file("bits.npy", &npy("|b1", &shape, "False", &bytes));
    let stream = ExampleStream::open(path).unwrap();
    stream.binarized(Binarization::Threshold(0.5), 0)
}

fn from_a_file<L: Family>() {
    let directory = Directory::new();
    let stream = stream(&directory);
    assert_eq!(stream.range(0, EXAMPLES).unwrap(), data());
    let new = || L::run().fed(EXAMPLES);
    let mut whole = new();
    let mut epochs = 0;
    let ended = whole.run(&stream, |event| {
        epochs += usize::from(matches!(event, Event::Epoch(_)));
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    assert_eq!(epochs, EPOCHS);
    let mut by_hand = new();
    for epoch in 0..EPOCHS as u64 {
        for batch in stream.epoch(SEED, epoch, BATCH).unwrap() {
            let _ = by_hand.update_with(&batch.unwrap()).unwrap();
        }
    }
    assert_same(&by_hand, &whole);
    // The order of a file is another one than that of memory.
    assert_ne!(whole.model(), L::whole().model());

    // Stopped in the second epoch, stored, read and gone on with.
    let mut stopped = new();
    let ended = stopped.run(&stream, |event| match event {
        Event::Update(run) if run.position().updates == 4 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(ended.unwrap().is_stopped());
    let bytes = Checkpoint::from(&stopped).to_bytes().unwrap();
    let read = Checkpoint::from_bytes(&bytes).unwrap();
    let mut rest = read.into_fed_run::<L>(&data()).unwrap();
    assert!(rest.run(&stream, go).unwrap().is_finished());
    assert_same(&rest, &whole);
}

#[test]
fn every_family_learns_from_a_file() {
    in_every_family!(from_a_file);
}

/// What a family remembers of each example is told by its number, which a file's minibatches do not
/// have.
#[test]
fn what_remembers_each_example_is_refused_on_a_stream() {
    let directory = Directory::new();
    let stream = stream(&directory);
    let mut warm = DbmLearner::plain();
    warm.warm_start = true;
    let mut chains = BoltzmannLearner::plain();
    chains.positive = Positive::Gibbs { steps: 1 };
    let warm = Run::<DbmLearner>::new(DbmLearner::start(), warm, &data());
    let chains = Run::<BoltzmannLearner>::new(BoltzmannLearner::start(), chains, &data());
    let (mut warm, mut chains) = (warm.unwrap(), chains.unwrap());
    let errors = [
        warm.run(&stream, go).unwrap_err(),
        chains.run(&stream, go).unwrap_err(),
    ];
    for error in errors.map(|e| e.to_string()) {
        assert!(error.contains("examples in memory"), "{error}");
    }
    assert!(warm.position().updates == 0 && chains.position().updates == 0);
    assert!(warm.run(&data(), go).unwrap().is_finished());
    assert!(chains.run(&data(), go).unwrap().is_finished());
}

fn other_data_refused<L: Family>() {
    let fewer = data().head(EXAMPLES - 1);
    let mut run = L::run();
    let error = run.run(&fewer, go).unwrap_err().to_string();
    assert!(error.contains("50") && error.contains("49"), "{error}");
    assert_eq!(run.position().updates, 0);
    let state = RunState {
        examples: EXAMPLES - 1,
        ..run.state()
    };
    let error = Run::<L>::resumed(L::start(), state, &data()).unwrap_err();
    assert!(error.to_string().contains("expected 49"), "{error}");
    // A tensor that the run has no place for.
    let mut state = run.state();
    state.tensors.insert("training.foreign", &[1.0_f32][..]);
    let error = Run::<L>::resumed(L::start(), state, &data()).unwrap_err();
    assert!(error.to_string().contains("training.foreign"), "{error}");
}

#[test]
fn runs_refuse_other_data_and_foreign_state() {
    in_every_family!(other_data_refused);
}
