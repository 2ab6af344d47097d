//! Steps of fast weights against their definition.

use crate::common::memory::remembered;
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    model::Rbm,
    train::{Learning, Negative, RbmOptions, RbmTraining, Schedule},
};

fn bits(rows: usize, columns: usize) -> Examples {
    let bits = BitMatrix::from_fn(rows, columns, |i, j| (i * i * 31 + j * 17 + i * j) % 11 < 4);
    Examples::new(bits).unwrap()
}

#[test]
fn fast_weights_follow_their_recurrence() {
    let data = bits(90, 40);
    let (rate, fast_rate, fast_decay) = (0.1, 0.05, 0.9);
    let run = |negative| {
        let options = RbmOptions {
            negative,
            learning: Learning {
                batch_size: 30,
                learning_rate: Schedule::Constant(rate),
                seed: 3,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let rbm = Rbm::bernoulli(&[40, 35]).unwrap();
        let rbm = rbm.initialized_from(&data, 1).unwrap();
        RbmTraining::new(rbm, options, &data).unwrap()
    };
    let fast = |fast_rate| Negative::FastPersistent {
        chains: 20,
        steps: 2,
        fast_rate,
        fast_decay,
    };
    let mut training = run(fast(fast_rate));
    let mut expected = vec![0.0_f32; 40 * 35];
    for _ in 0..8 {
        let _ = training.update(&data).unwrap();
        // Without momentum and decay the last step is the rate times the gradient.
        let step = remembered(&training, "training.velocity.weights.0");
        let fast = remembered(&training, "training.fast.weights.0");
        for ((e, s), f) in expected.iter_mut().zip(step).zip(fast) {
            *e = fast_decay * *e + fast_rate / rate * s;
            // A few roundings of numbers below 0.1.
            assert!((*e - f).abs() < 1e-6, "{e} for {f}");
        }
    }
    assert!(expected.iter().any(|x| x.abs() > 1e-3));
    // At rate 0 they are PCD, to the bit; else they are not.
    let mut plain = run(Negative::Persistent {
        chains: 20,
        steps: 2,
    });
    let mut still = run(fast(0.0));
    for _ in 0..8 {
        let _ = plain.update(&data).unwrap();
        let _ = still.update(&data).unwrap();
    }
    assert_eq!(plain.model(), still.model());
    assert_ne!(plain.model(), training.model());
    for bad in [
        Negative::FastPersistent {
            chains: 1,
            steps: 1,
            fast_rate: -0.1,
            fast_decay: 0.5,
        },
        Negative::FastPersistent {
            chains: 1,
            steps: 1,
            fast_rate: 0.1,
            fast_decay: 1.0,
        },
        Negative::Tempered {
            chains: 1,
            steps: 1,
            temperatures: 1,
            lowest: 0.5,
        },
        Negative::Tempered {
            chains: 1,
            steps: 1,
            temperatures: 2,
            lowest: 1.0,
        },
    ] {
        let options = RbmOptions {
            negative: bad,
            ..RbmOptions::default()
        };
        let rbm = Rbm::bernoulli(&[40, 5]).unwrap();
        assert!(RbmTraining::new(rbm, options, &data).is_err(), "{bad:?}");
    }
}
