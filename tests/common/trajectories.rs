//! Runs whose negative phase goes along trajectories.

use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    model::Rbm,
    rng::HostRng,
    train::{Learning, Negative, RbmOptions, RbmTraining, Schedule},
};

pub const CHAINS: &str = "training.chains.1";

pub const SNAPSHOTS: &str = "training.snapshots.weights.0";

/// 12 bits, each flipped with probability 0.03, all zeros in a third and all ones in the others.
pub fn two_clusters() -> Examples {
    let mut rng = HostRng::numbered(5, 1);
    let bits = BitMatrix::from_fn(300, 12, |i, _| (i % 3 > 0) != (rng.uniform() < 0.03));
    Examples::new(bits).unwrap()
}

pub fn run(chains: usize, acceptance: f32, snapshots: usize, rate: Schedule) -> RbmTraining {
    let data = two_clusters();
    let options = RbmOptions {
        negative: Negative::Trajectory {
            chains,
            steps: 1,
            acceptance,
            snapshots,
        },
        learning: Learning {
            batch_size: 50,
            epochs: 150,
            learning_rate: rate,
            seed: 3,
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let rbm = Rbm::bernoulli(&[12, 4])
        .unwrap()
        .initialized_from(&data, 1)
        .unwrap();
    RbmTraining::new(rbm, options, &data).unwrap()
}
