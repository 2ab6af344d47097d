//! Requests to stop: between updates, within them, of every family and of stacks.

use crate::common::family::{Family, UNITS, assert_same, data, go, in_every_family, tensors};
use crate::common::{all_states, normal_boltzmann, normal_machine, normal_rbm};
use harmonium::{
    BoltzmannMachine, Examples, Rbm,
    train::{
        BackpropLearner, BackpropOptions, BoltzmannLearner, BoltzmannOptions, Descent, Done, Ended,
        Event, GreedyLayer, GreedyPlan, Learning, Negative, Positive, PretrainingPlan, RbmLearner,
        RbmOptions, Run, Stack, Stop,
    },
};
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

fn between_updates<L: Family>() {
    let whole = L::whole();
    let mut run = L::run();
    let stop = Stop::new();
    run.stop_at(&stop);
    let request = stop.clone();
    let ended = run.run(&data(), |event| {
        if let Event::Update(run) = event
            && run.position().updates == 5
        {
            request.request();
        }
        ControlFlow::Continue(())
    });
    assert_eq!(ended.unwrap(), Ended::Stopped);
    assert_eq!(
        (run.ended(), run.position().updates),
        (Some(Ended::Stopped), 5)
    );
    // Nothing happens before the request is taken back.
    assert!(run.run(&data(), go).unwrap().is_stopped());
    assert_eq!(run.position().updates, 5);
    stop.clear();
    assert!(run.run(&data(), go).unwrap().is_finished());
    assert_eq!(run.ended(), Some(Ended::Finished));
    assert_same(&run, &whole);
}

#[test]
fn a_request_stops_every_family_and_it_goes_on_to_the_same_bits() {
    in_every_family!(between_updates);
}

/// A stop that is requested once the fifth update has begun, by the function that gives its rate:
/// the update stops on its way, and leaves all as it was.
fn within_an_update<L: Family>(new: impl Fn() -> Run<L>, data: &Examples) {
    let rate = |t: f64| 0.05 / (1.0 + t as f32);
    let mut whole = new();
    whole.set_rate(rate);
    assert!(whole.run(data, go).unwrap().is_finished());
    assert!(whole.position().updates > 5);

    let mut run = new();
    let (stop, armed) = (Stop::new(), Arc::new(AtomicBool::new(false)));
    run.stop_at(&stop);
    let (request, is_armed) = (stop.clone(), armed.clone());
    run.set_rate(move |t| {
        if is_armed.load(Ordering::Relaxed) {
            request.request();
        }
        rate(t)
    });
    for _ in 0..4 {
        assert_eq!(run.update(data).unwrap(), Done::Updated);
    }
    let before = (run.state(), tensors(&run), run.figures());
    armed.store(true, Ordering::Relaxed);
    assert_eq!(run.update(data).unwrap(), Done::Stopped, "{}", L::NAME);
    assert!((run.state(), tensors(&run), run.figures()) == before);
    assert_eq!(run.position().updates, 4);
    stop.clear();
    // The loop says the same.
    assert_eq!(run.run(data, go).unwrap(), Ended::Stopped);
    assert!((run.state(), tensors(&run), run.figures()) == before);
    armed.store(false, Ordering::Relaxed);
    stop.clear();
    assert!(run.run(data, go).unwrap().is_finished());
    assert_same(&run, &whole);
}

fn learning() -> Learning {
    Learning {
        momentum: 0.5.into(),
        ..RbmLearner::plain().learning
    }
}

fn exact_rbm(rbm: &Rbm, data: &Examples) -> Run<RbmLearner> {
    let options = RbmOptions {
        learning: learning(),
        negative: Negative::Exact,
        ..RbmOptions::default()
    };
    Run::new(rbm.clone(), options, data).unwrap()
}

#[test]
fn a_stop_within_the_exact_phase_of_an_rbm_changes_nothing() {
    let data = data();
    within_an_update(|| exact_rbm(&RbmLearner::start(), &data), &data);
    // Units that are enumerated otherwise.
    let rbm = normal_machine(("softmax:4+bernoulli:8", UNITS), ("spin", 5), 0.3, 1);
    let groups = all_states(8);
    let bits = harmonium::BitMatrix::from_fn(50, UNITS, |i, j| match j {
        0..4 => j == i % 4,
        _ => groups.get(i * 5 % 256, j - 4),
    });
    let data = Examples::new(bits).unwrap();
    within_an_update(|| exact_rbm(&rbm, &data), &data);
}

#[test]
fn a_stop_within_the_exact_phases_of_a_general_machine_changes_nothing() {
    let data = data();
    let negatives = [
        Negative::Exact,
        Negative::Persistent {
            chains: 15,
            steps: 1,
        },
    ];
    // Gibbs chains of the examples move before the exact phase that stops.
    let gibbs = Positive::Gibbs { steps: 1 };
    for (positive, negative) in [
        (Positive::Exact, negatives[0]),
        (Positive::Exact, negatives[1]),
        (gibbs, negatives[0]),
    ] {
        let options = BoltzmannOptions {
            learning: learning(),
            positive,
            negative,
        };
        let machine: BoltzmannMachine = normal_boltzmann(UNITS, 3, 0.2, 1);
        let new = || Run::<BoltzmannLearner>::new(machine.clone(), options.clone(), &data).unwrap();
        within_an_update(new, &data);
    }
}

#[test]
fn a_stop_within_conjugate_gradients_changes_nothing() {
    let data = data();
    let options = BackpropOptions {
        learning: RbmLearner::plain().learning,
        descent: Descent::ConjugateGradients { line_searches: 3 },
        output_epochs: 1,
        ..BackpropOptions::default()
    };
    let new =
        || Run::<BackpropLearner>::new(BackpropLearner::start(), options.clone(), &data).unwrap();
    within_an_update(new, &data);
}

/// Asks `stop` to stop while `run` is in its first update, which takes far longer.
fn stopped_on_the_way<L: Family>(mut run: Run<L>, data: &Examples) {
    let stop = Stop::new();
    run.stop_at(&stop);
    let before = (run.state(), tensors(&run));
    let waiting = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        stop.request();
    });
    assert_eq!(run.run(data, go).unwrap(), Ended::Stopped);
    assert_eq!(run.position().updates, 0);
    assert!((run.state(), tensors(&run)) == before, "{}", L::NAME);
    waiting.join().unwrap();
}

#[test]
fn long_updates_stop_on_their_way() {
    let bits = |n: usize| {
        let bits = harmonium::BitMatrix::from_fn(300, n, crate::common::family::bit);
        Examples::new(bits).unwrap()
    };
    let (narrow, wide) = (bits(28), bits(200));
    // 2^28 states, minutes of work.
    stopped_on_the_way(exact_rbm(&normal_rbm(28, 28, 0.1, 1), &narrow), &narrow);
    let options = BoltzmannOptions {
        learning: learning(),
        positive: Positive::Exact,
        negative: Negative::Exact,
    };
    let machine = normal_boltzmann(28, 0, 0.1, 1);
    let run = Run::<BoltzmannLearner>::new(machine, options, &narrow).unwrap();
    stopped_on_the_way(run, &narrow);
    let below = harmonium::Dbn::from(normal_rbm(200, 300, 0.1, 1));
    let dbn = below.stacked(normal_rbm(300, 200, 0.1, 2)).unwrap();
    let options = BackpropOptions {
        learning: Learning {
            batch_size: 300,
            ..learning()
        },
        descent: Descent::ConjugateGradients {
            line_searches: 1_000_000,
        },
        ..BackpropOptions::default()
    };
    let network = harmonium::Network::autoencoder_from_dbn(&dbn).unwrap();
    let run = Run::<BackpropLearner>::new(network, options, &wide).unwrap();
    stopped_on_the_way(run, &wide);
}

#[test]
fn stacks_stop_in_any_layer_and_go_on_to_the_same_bits() {
    let data = data();
    let greedy = || {
        let layer = |hidden| GreedyLayer {
            hidden,
            options: RbmLearner::plain(),
            transposed: false,
        };
        let plan = GreedyPlan {
            layers: vec![layer(7), layer(5)],
            posterior: Default::default(),
            classes: None,
        };
        Stack::greedy(plan, Default::default(), &data).unwrap()
    };
    let pretraining = || {
        let mut options = RbmLearner::plain();
        options.negative = Negative::Mcmc {
            chains: 9,
            steps: 1,
        };
        let plan = PretrainingPlan {
            visible: None,
            hidden: vec![7, 5],
            options: vec![options],
            classes: None,
        };
        Stack::pretraining(plan, &data).unwrap()
    };
    for new in [&greedy as &dyn Fn() -> Stack, &pretraining] {
        let mut whole = new();
        assert!(
            whole
                .run(&data, |_| ControlFlow::Continue(()))
                .unwrap()
                .is_finished()
        );
        let mut run = new();
        let stop = Stop::new();
        run.stop_at(&stop);
        let mut seen = Vec::new();
        loop {
            let request = stop.clone();
            let ended = run.run(&data, |event| {
                if let harmonium::train::StackEvent::Update(run) = event {
                    seen.push((run.layer(), run.position().updates));
                    request.request();
                }
                ControlFlow::Continue(())
            });
            if ended.unwrap().is_finished() {
                break;
            }
            stop.clear();
        }
        let expected = (0..2).flat_map(|l| (1..=9).map(move |k| (l, k)));
        assert!(seen.into_iter().eq(expected));
        assert_eq!(run.rbms(), whole.rbms());
    }
}
