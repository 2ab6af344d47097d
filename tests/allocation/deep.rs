//! Updates of deep Boltzmann machines, belief networks and feed-forward networks.

use super::allocations;
use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    matrix::Matrix,
    model::{Dbm, Dbn, Directed, Layer, Network, Rbm},
    train::{
        BackpropOptions, BackpropTraining, Centering, DbmOptions, DbmTraining, Descent, Learning,
        Rule, Sparsity, UpDownOptions, UpDownTraining,
    },
    units::{Kind, Units},
};
use rayon::ThreadPool;

fn labeled(bits: BitMatrix, classes: usize) -> Examples {
    let labels = (0..bits.rows()).map(|i| (i % classes) as u32).collect();
    Examples::new(bits).unwrap().with_labels(labels).unwrap()
}

pub(super) fn boltzmann_machines(bits: &BitMatrix, pool: &ThreadPool) {
    let data = labeled(bits.clone(), 10);
    let label = Layer::of(Kind::Softmax, 10);
    for (sizes, last, centering) in [
        (&[300, 200, 150][..], None, Some(Centering::default())),
        (&[300, 90, 200, 40], None, None),
        (&[300, 90, 200], Some(&label), Some(Centering::default())),
        (&[300, 90, 40, 30], Some(&label), None),
    ] {
        let layers = sizes.iter().map(|&n| Layer::bernoulli(n));
        let layers: Vec<Layer> = layers.chain(last.cloned()).collect();
        let pairs = layers.windows(2);
        let weights = pairs.map(|x| Matrix::zeros(x[0].size(), x[1].size()));
        let dbm = Dbm::from_parameters(layers.clone(), weights).unwrap();
        let dbm = dbm.initialized_from(&data, 1).unwrap();
        let options = DbmOptions {
            centering,
            sparsity: vec![Sparsity::default(); sizes.len() - 1],
            warm_start: true,
            learning: Learning {
                batch_size: 96,
                ..DbmOptions::default().learning
            },
            ..DbmOptions::default()
        };
        let mut training = DbmTraining::new(dbm, options, &data).unwrap();
        let count = allocations(pool, 30, || {
            let _ = training.update(&data).unwrap();
        });
        let threads = pool.current_num_threads();
        assert_eq!(count, 0, "{sizes:?} on {threads} threads");
    }
}

/// Updates of both phases of a network with a label.
pub(super) fn up_down(pool: &ThreadPool) {
    let bits = BitMatrix::from_fn(1000, 300, |i, j| (i * 3 + j * 7) % 5 < 2);
    let data = labeled(bits, 10);
    let joint = Layer::new(Units::parse("bernoulli+softmax:10", 110).unwrap());
    let top = Rbm::unconnected(joint, Layer::bernoulli(200)).unwrap();
    let pair = |n, m| {
        let weights = Matrix::zeros(n, m);
        Directed::new(Layer::bernoulli(n), Layer::bernoulli(m), weights, None).unwrap()
    };
    let dbn = Dbn::from_parts(vec![pair(300, 150), pair(150, 100)], top).unwrap();
    let options = UpDownOptions {
        learning: Learning {
            batch_size: 96,
            ..UpDownOptions::default().learning
        },
        ..UpDownOptions::default()
    };
    let mut run = UpDownTraining::new(dbn, options, &data).unwrap();
    let count = allocations(pool, 30, || {
        let _ = run.update(&data).unwrap();
    });
    let threads = pool.current_num_threads();
    assert_eq!(count, 0, "the up-down algorithm on {threads} threads");
}

/// Backpropagation by a rule with dropout, by an adaptive rule, and by conjugate gradients; classes
/// and reconstructions.
pub(super) fn backpropagation(bits: &BitMatrix, pool: &ThreadPool) {
    let gray = bits.to_matrix();
    let bits = labeled(bits.clone(), 5);
    let gray = bits.with_states(gray).unwrap();
    let rbm = Rbm::bernoulli(&[300, 70])
        .unwrap()
        .initialized_from(&bits, 1)
        .unwrap();
    let dbn = Dbn::from(rbm);
    for (descent, dropout) in [
        (Descent::Steps(Rule::Momentum), 0.5),
        (Descent::Steps(Rule::ADAM), 0.0),
        (Descent::ConjugateGradients { line_searches: 2 }, 0.0),
    ] {
        let options = BackpropOptions {
            descent,
            input_dropout: dropout,
            hidden_dropout: dropout,
            learning: Learning {
                batch_size: 96,
                max_norm: (dropout > 0.0).then_some(1.0),
                weight_decay: 1e-4,
                ..BackpropOptions::default().learning
            },
            ..BackpropOptions::default()
        };
        for data in [&bits, &gray] {
            for network in [
                Network::classifier_from_dbn(&dbn, 5, 1).unwrap(),
                Network::autoencoder_from_dbn(&dbn).unwrap(),
            ] {
                let mut run = BackpropTraining::new(network, options.clone(), data).unwrap();
                let count = allocations(pool, 15, || {
                    let _ = run.update(data).unwrap();
                });
                let threads = pool.current_num_threads();
                assert_eq!(count, 0, "{descent:?} on {threads} threads");
            }
        }
    }
}
