//! A long call of every family is stopped by its progress, at once, and says so; and it tells how
//! far it has come, up to the end.

use crate::common::{all_states, dbm as deep, normal_machine, normal_rbm};
use crate::{Family, data, greedy};
use harmonium::{
    Dbm, Dbn, Error, Input, Rbm, Result, Tempering,
    bits::BitMatrix,
    evaluate::{Ais, Annealed, Betas, Bound, DbmBound, ReverseStart},
    model::{BoltzmannMachine, MeanField, even_ladder},
    progress::Progress,
    stop::Stop,
    train::{BackpropLearner, Event, StackEvent},
};
use std::ops::ControlFlow;

/// `call` tells rising shares that end at 1; it ends where it is told to, and where a stop asks.
fn watched<T>(what: &str, mut call: impl FnMut(&mut dyn Progress) -> Result<T>) {
    let mut told: Vec<f64> = Vec::new();
    call(&mut |done: usize, all: usize| {
        told.push(done as f64 / all as f64);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(!told.is_empty() && told.is_sorted(), "{what}: {told:?}");
    assert!(
        (told[told.len() - 1] - 1.0).abs() < 1e-12,
        "{what}: {told:?}"
    );
    let last = told.len().min(3);
    let mut calls = 0;
    let stopped = call(&mut |_: usize, _: usize| {
        calls += 1;
        match calls == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    assert!(matches!(stopped, Err(Error::Stopped)), "{what}");
    assert_eq!(calls, last, "{what} goes on after it was stopped");
    let mut stop = Stop::new();
    stop.request();
    assert!(matches!(call(&mut stop), Err(Error::Stopped)), "{what}");
    stop.clear();
    call(&mut stop).unwrap();
    call(&mut ()).unwrap();
}

fn annealing(machine: &dyn Annealed, v: &BitMatrix) {
    let ais = Ais {
        chains: 5,
        betas: Betas::Linear(20),
        ..Ais::default()
    };
    let start = ReverseStart::Annealed { burn_in: 4 };
    watched("ln Z", |p| ais.log_z(machine, p));
    watched("ln Z back", |p| ais.reverse_log_z(machine, &start, p));
    watched("bracket", |p| ais.bracket(machine, &start, p));
    watched("raise", |p| ais.raise(machine, Input::from(v), p));
    watched("weighted samples", |p| ais.weighted_samples(machine, p));
    let adaptive = Ais {
        betas: Betas::Adaptive(30),
        ..ais
    };
    watched("adaptive", |p| adaptive.log_z(machine, p));
}

#[test]
fn rbm() {
    let rbm = normal_rbm(6, 5, 0.5, 1);
    let v = all_states(6);
    annealing(&rbm, &v);
    let spin = normal_machine(("spin", 4), ("softmax:3", 3), 0.5, 1);
    for rbm in [&rbm, &spin, &normal_rbm(16, 18, 0.3, 2)] {
        watched("ln Z", |p| rbm.log_z(p));
        watched("expectations", |p| rbm.expectations(p));
        watched("distribution", |p| rbm.visible_distribution(1.0, p));
    }
    watched("likelihood", |p| rbm.exact_mean_log_likelihood(&v, p));
    watched("burn-in", |p| {
        Tempering::uniform(&rbm, even_ladder(3, 0.0), 4, 1)?.burn_in(&rbm, 9, p)
    });
}

#[test]
fn dbn() {
    let directed = Dbn::bernoulli(&[5, 4, 3]).unwrap();
    let v = all_states(5);
    watched("ln p(v)", |p| directed.exact_log_p_v(&v, None, p));
    watched("bound", |p| directed.exact_bound(&v, None, p));
    watched("posterior", |p| directed.exact_posterior(&v, p));
    watched("likelihood", |p| directed.exact_mean_log_likelihood(&v, p));
    let top: &Rbm = directed.top();
    annealing(top, &all_states(top.n_visible()));
    let bound = Bound {
        samples: 2,
        seed: 1,
    };
    watched("sampled bound", |p| bound.measure(&directed, &v, None, p));
}

#[test]
fn dbm() {
    let dbm: Dbm = deep::bernoulli(&[5, 4, 3], 0.5, 1);
    let v = all_states(5);
    annealing(&dbm, &v);
    watched("ln Z", |p| dbm.log_z(p));
    watched("expectations", |p| dbm.expectations(p));
    watched("distribution", |p| dbm.visible_distribution(1.0, p));
    watched("sums", |p| dbm.log_sums_over_hidden(&v, p));
    watched("likelihood", |p| dbm.exact_mean_log_likelihood(&v, p));
    watched("bound", |p| {
        DbmBound::new(&dbm, &v, &MeanField::default(), p)
    });
}

#[test]
fn boltzmann() {
    let machine = BoltzmannMachine::try_from(&normal_rbm(6, 5, 0.5, 1)).unwrap();
    let v = all_states(6);
    annealing(&machine, &v);
    watched("ln Z", |p| machine.log_z(p));
    watched("expectations", |p| machine.expectations(p));
    watched("distribution", |p| machine.visible_distribution(1.0, p));
    watched("joint", |p| machine.joint_distribution(1.0, p));
    watched("likelihood", |p| machine.exact_mean_log_likelihood(&v, p));
    watched("ln p(v)", |p| machine.exact_log_p_v(&v, p));
}

/// The long call of a network is its run: the observer hears of every update and may break, a
/// request stops it, and it goes on to the same bits.
#[test]
fn network() {
    let data = data();
    let start = || BackpropLearner::run_with(|_| {});
    let mut whole = start();
    let mut updates = 0;
    let ended = whole.run(&data, |event| {
        updates += u64::from(matches!(event, Event::Update(_)));
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    assert_eq!(updates, whole.position().updates);
    let mut run = start();
    let ended = run.run(&data, |event| match event {
        Event::Update(run) if run.position().updates == 4 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(ended.unwrap().is_stopped());
    let mut going_on = || run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    assert!(going_on().is_finished());
    assert_eq!(run.model(), whole.model());
    let mut run = start();
    let stop = Stop::new();
    run.stop_at(&stop);
    stop.request();
    let mut going_on = || run.run(&data, |_| ControlFlow::Continue(())).unwrap();
    assert!(going_on().is_stopped());
    stop.clear();
    assert!(going_on().is_finished());
    assert_eq!(run.model(), whole.model());
}

/// That of a stack too: its observer hears of updates, epochs and layers.
#[test]
fn dbn_greedy() {
    let data = data();
    let start = || greedy::stack(&greedy::options(|_| {}), &data);
    let mut heard = [0; 3];
    let mut whole = start();
    let ended = whole.run(&data, |event| {
        heard[match event {
            StackEvent::Update(_) => 0,
            StackEvent::Epoch(_) => 1,
            StackEvent::Layer(_) => 2,
        }] += 1;
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_finished());
    assert_eq!(heard, [18, 6, 2]);
    let mut run = start();
    let stop = Stop::new();
    run.stop_at(&stop);
    let ended = run.run(&data, |event| {
        if let StackEvent::Update(run) = event
            && (run.layer(), run.position().updates) == (1, 4)
        {
            stop.request();
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_stopped());
    assert_eq!((run.layer(), run.position().updates), (1, 4));
    stop.clear();
    let ended = run.run(&data, |event| match event {
        StackEvent::Epoch(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(ended.unwrap().is_stopped());
    assert_eq!(run.position().updates, 6);
    assert!(run.run(&data, greedy::on).unwrap().is_finished());
    assert_eq!(run.rbms(), whole.rbms());
}
