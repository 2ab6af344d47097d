//! A deep belief network by `train::Stack`, and the same by hand: runs of RBMs one after the other,
//! each fed with what those below infer of every minibatch. What a run of an RBM does is held
//! against its definition under `rbm`.

use crate::{BATCH, EXAMPLES, Family, PERSISTENT, data};
use harmonium::{
    Dbn, Examples, Rbm,
    rng::{HostRng, Stream},
    states::States,
    train::{
        Done, GreedyLayer, GreedyPlan, Learner, RbmLearner, RbmOptions, RbmTraining, Run, Stack,
        StackEvent,
    },
};
use std::ops::ControlFlow;

pub const HIDDEN: [usize; 2] = [7, 6];

pub fn options(change: impl Fn(&mut RbmOptions)) -> RbmOptions {
    let mut options = RbmOptions {
        negative: PERSISTENT,
        ..RbmLearner::told(RbmLearner::base())
    };
    change(&mut options);
    options
}

pub fn plan(of_layer: impl Fn(usize) -> RbmOptions) -> GreedyPlan {
    let layer = |l| GreedyLayer {
        hidden: HIDDEN[l],
        options: of_layer(l),
        ..GreedyLayer::default()
    };
    GreedyPlan {
        layers: (0..2).map(layer).collect(),
        ..GreedyPlan::default()
    }
}

pub fn stack(options: &RbmOptions, data: &Examples) -> Stack {
    Stack::greedy(plan(|_| options.clone()), Default::default(), data).unwrap()
}

pub fn on(_: StackEvent<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The network that a stack comes to on `data`.
pub fn learned(options: &RbmOptions, data: &Examples) -> Dbn {
    let mut stack = stack(options, data);
    assert!(stack.run(data, on).unwrap().is_finished());
    stack.dbn().unwrap()
}

/// What the layer above `below` sees.
fn seen(below: Option<&Dbn>, examples: &Examples) -> Examples {
    match below {
        None => examples.clone(),
        Some(dbn) => {
            let mut means = dbn.posterior_means(examples).unwrap();
            examples
                .with_states(States::Real(means.pop().unwrap()))
                .unwrap()
        }
    }
}

/// The same by hand: layer `l` starts from what it sees of `start(l)`, and learns what it sees of
/// the minibatches of `next`.
pub fn by_hand(
    options: &RbmOptions,
    start: impl Fn(usize) -> Examples,
    mut next: impl FnMut(usize, &mut RbmTraining) -> Examples,
) -> Dbn {
    let mut below: Option<Dbn> = None;
    for (l, hidden) in HIDDEN.into_iter().enumerate() {
        let first = seen(below.as_ref(), &start(l));
        let rbm = Rbm::bernoulli(&[first.columns(), hidden]).unwrap();
        let rbm = rbm.initialized_from(&first, options.learning.seed).unwrap();
        let run = RbmTraining::new(rbm, options.clone(), &first).unwrap();
        let mut run = run.fed(EXAMPLES);
        while !run.is_finished() {
            let minibatch = seen(below.as_ref(), &next(l, &mut run));
            assert_eq!(run.update_with(&minibatch).unwrap(), Done::Updated);
        }
        let rbm = run.into_result();
        below = Some(match below {
            None => rbm.into(),
            Some(dbn) => dbn.stacked(rbm).unwrap(),
        });
    }
    below.unwrap()
}

/// [`by_hand`] on examples in memory.
pub fn by_hand_on(options: &RbmOptions, data: &Examples) -> Dbn {
    by_hand(options, |_| data.clone(), |_, run| data.take(&order(run)))
}

/// The examples of the next minibatch of a run on data in memory: a function of seed and epoch.
pub fn order<L: Learner>(run: &Run<L>) -> Vec<usize> {
    let at = run.position();
    let mut all: Vec<usize> = (0..EXAMPLES).collect();
    HostRng::new(run.learning().seed, Stream::Shuffle(at.epoch as u64)).shuffle(&mut all);
    let first = at.batch * BATCH;
    all[first..(first + BATCH).min(EXAMPLES)].to_vec()
}

/// A stack of layers that learn so is what it is by hand, and not what it is without: the option
/// reaches every layer.
pub fn reaches_every_layer(change: impl Fn(&mut RbmOptions)) {
    let data = data();
    let (plain, changed) = (options(|_| {}), options(change));
    let (without, with) = (learned(&plain, &data), learned(&changed, &data));
    assert_eq!(with, by_hand_on(&changed, &data), "{changed:?}");
    let mut half = Stack::greedy(
        plan(|l| {
            if l == 0 {
                plain.clone()
            } else {
                changed.clone()
            }
        }),
        Default::default(),
        &data,
    )
    .unwrap();
    assert!(half.run(&data, on).unwrap().is_finished());
    let half = half.dbn().unwrap();
    assert_eq!(half.directed(), without.directed());
    assert_ne!(half.top(), without.top(), "{changed:?}");
    assert_ne!(with.directed(), without.directed(), "{changed:?}");
}
