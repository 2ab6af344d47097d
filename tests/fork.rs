//! The child of a fork computes, though only the forking thread goes over: the library's pool is
//! made anew, and nothing goes to rayon's own, which would wait for ever.

#![cfg(unix)]

use harmonium::{
    bits::BitMatrix,
    dataset::{Binarization, Examples},
    evaluate::{Ais, Base, Betas, pseudo_likelihood},
    matrix::Matrix,
    model::{BoltzmannMachine, Dbm, Dbn, MeanField, Network, Rbm},
    states::States,
    threads,
    train::{
        BackpropOptions, BackpropTraining, BoltzmannOptions, BoltzmannTraining, DbmOptions,
        DbmTraining, Done, Learning, RbmOptions, RbmTraining, UpDownOptions, UpDownTraining,
    },
};
use std::{
    panic,
    time::{Duration, Instant},
};

/// Until the child is taken to hang; it takes a second.
const LIMIT: Duration = Duration::from_secs(120);

fn learning() -> Learning {
    Learning {
        epochs: 1,
        batch_size: 50,
        ..Learning::default()
    }
}

/// Something of every family, from a thread of no pool: numbers that depend on all of it.
fn work() -> Vec<u64> {
    let mut found = Vec::new();
    let gray = Matrix::from_fn(200, 64, |i, j| ((i * 3 + j * 7) % 5) as f32 / 4.0);
    let data = Examples::new(gray).unwrap();
    let bits = data.binarized(Binarization::Sampled, 1, 0);
    let options = RbmOptions {
        learning: learning(),
        ..RbmOptions::default()
    };
    let rbm = Rbm::bernoulli(&[64, 40])
        .unwrap()
        .initialized_from(&bits, 1)
        .unwrap();
    let mut run = RbmTraining::new(rbm, options, &bits).unwrap();
    (0..4).for_each(|_| assert_eq!(run.update(&bits).unwrap(), Done::Updated));
    let rbm = run.model().clone();
    let mut bytes = |w: &Matrix| {
        let of_row = |i| {
            w.row(i)
                .iter()
                .map(|x| u64::from(x.to_bits()))
                .collect::<Vec<_>>()
        };
        found.extend((0..w.rows()).flat_map(of_row));
    };
    bytes(rbm.weights());
    let mut chain = rbm.chains(300, 1).unwrap();
    chain.sweep(&rbm, 2, 1.0).unwrap();
    bytes(&rbm.mean_h_from_v(chain.visible().view(), 1.0).unwrap());

    let dbm = Dbm::bernoulli(&[64, 40, 33])
        .unwrap()
        .initialized_from(&bits, 1)
        .unwrap();
    let options = DbmOptions {
        learning: learning(),
        ..DbmOptions::default()
    };
    let mut run = DbmTraining::new(dbm, options, &bits).unwrap();
    assert_eq!(run.update(&bits).unwrap(), Done::Updated);
    bytes(run.model().weights(0));
    let (means, _) = run
        .model()
        .posterior_means(&bits, &MeanField::default())
        .unwrap();
    bytes(&means[0]);

    let dbn = Dbn::bernoulli(&[64, 40, 33]).unwrap();
    let options = UpDownOptions {
        learning: learning(),
        ..UpDownOptions::default()
    };
    let mut run = UpDownTraining::new(dbn, options, &bits).unwrap();
    assert_eq!(run.update(&bits).unwrap(), Done::Updated);
    bytes(run.model().top().weights());

    let labels = (0..200).map(|i| i % 3).collect();
    let labeled = bits.clone().with_labels(labels).unwrap();
    let network = Network::classifier_from_dbn(run.model(), 3, 1).unwrap();
    let options = BackpropOptions {
        learning: learning(),
        ..BackpropOptions::default()
    };
    let mut run = BackpropTraining::new(network, options, &labeled).unwrap();
    assert_eq!(run.update(&labeled).unwrap(), Done::Updated);
    bytes(run.model().weights(0));

    let machine = BoltzmannMachine::bernoulli(&[64, 5])
        .unwrap()
        .initialized_from(&bits, 1)
        .unwrap();
    let options = BoltzmannOptions {
        learning: learning(),
        ..BoltzmannOptions::default()
    };
    let mut run = BoltzmannTraining::new(machine, options, &bits).unwrap();
    assert_eq!(run.update(&bits).unwrap(), Done::Updated);
    bytes(run.model().weights());

    found.extend(measures(&rbm, &bits));
    found.push(threads::count() as u64);
    found
}

fn measures(rbm: &Rbm, bits: &Examples) -> [u64; 3] {
    let ais = Ais {
        chains: 300,
        betas: Betas::Linear(5),
        base: Base::rate_of(rbm, bits).unwrap(),
        seed: 1,
    };
    let states: &States = bits.states();
    let small = Rbm::bernoulli(&[14, 13]).unwrap();
    let v = BitMatrix::from_fn(10, 14, |i, j| i == j);
    [
        ais.log_z(rbm, &mut ()).unwrap().estimate.to_bits(),
        pseudo_likelihood(rbm, states).unwrap().to_bits(),
        small
            .exact_mean_log_likelihood(&v, &mut ())
            .unwrap()
            .mean
            .to_bits(),
    ]
}

#[test]
fn the_child_of_a_fork_computes_the_same() {
    let expected = work();
    // Whatever goes to rayon's own pool now hangs in the child.
    rayon::broadcast(|_| ());
    // SAFETY: of the threads of this process the child has the one that calls; it touches only
    // memory of its own and locks that no other thread of this test holds, and ends with _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no child");
    if child == 0 {
        let found = panic::catch_unwind(|| work() == expected);
        let code = match found {
            Ok(true) => 0,
            Ok(false) => 3,
            Err(_) => 4,
        };
        // SAFETY: ends this process alone, without what the parent wants to run at its end.
        unsafe { libc::_exit(code) };
    }
    let (start, mut status) = (Instant::now(), 0);
    loop {
        // SAFETY: `status` is writable, and the child is this test's own.
        match unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } {
            0 if start.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(10)),
            0 => {
                // SAFETY: the child has not been waited for, so the number is its own.
                unsafe { libc::kill(child, libc::SIGKILL) };
                panic!("the child hangs");
            }
            done => {
                assert_eq!(done, child);
                break;
            }
        }
    }
    assert!(libc::WIFEXITED(status), "ended by a signal: {status}");
    assert_eq!(libc::WEXITSTATUS(status), 0, "3: other numbers, 4: a panic");
}
