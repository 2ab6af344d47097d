//! What networks start as: the machines that they are made from.

use crate::common::{
    self,
    network::{LINEAR, LOGISTIC, SOFTMAX, network},
    normal_machine, normal_rbm,
};
use harmonium::{
    Dbm, Dbn, Error, Matrix, Network,
    model::{Directed, Layer, MeanField},
    rng::HostRng,
};

fn close(a: &Matrix, b: &Matrix, bound: f32) {
    assert_eq!((a.rows(), a.columns()), (b.rows(), b.columns()));
    let worst = a.elements().zip(b.elements()).map(|(a, b)| (a - b).abs());
    let worst = worst.fold(0.0, f32::max);
    assert!(worst <= bound, "{worst} above {bound}");
}

/// Layers of a network from a deep belief network are its recognition, also of Gaussian data with
/// variances and beside a label.
#[test]
fn a_classifier_starts_as_the_recognition_of_a_deep_belief_network() {
    let bottom = normal_machine(("gaussian", 9), ("bernoulli", 8), 0.5, 1);
    let top = normal_machine(("bernoulli:8+softmax:3", 11), ("bernoulli", 7), 0.5, 2);
    let pair = Directed::from_rbm(&bottom).unwrap();
    let labeled = Dbn::from_parts(vec![pair], top).unwrap();
    let alone = Dbn::from(normal_machine(("gaussian", 9), ("bernoulli", 8), 0.5, 1));
    let x = Matrix::from_fn(6, 9, |i, j| ((i * 5 + j * 3) % 7) as f32 / 2.0 - 1.0);
    for dbn in [labeled.clone(), alone] {
        let network = Network::classifier_from_dbn(&dbn, 4, 3).unwrap();
        assert_eq!(network.n_layers(), dbn.n_layers() + 1);
        assert_eq!(
            (network.n_outputs(), network.activation(dbn.n_layers())),
            (4, SOFTMAX)
        );
        for l in 1..dbn.n_layers() - usize::from(dbn.label_group().is_some()) {
            let expected = &dbn.posterior_means(&x).unwrap()[l - 1];
            close(&network.values(&x, l).unwrap(), expected, 1e-6);
        }
        let log_p = network.log_p_y_from_v(&x).unwrap();
        let p = network.output(&x).unwrap();
        for s in 0..6 {
            let sum: f32 = log_p.row(s).iter().map(|x| x.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-6);
            assert!(
                p.row(s)
                    .iter()
                    .zip(log_p.row(s))
                    .all(|(p, l)| (p.ln() - l).abs() < 1e-5)
            );
        }
    }
    // The top hidden layer given the features alone: a label of zeros.
    let network = Network::classifier_from_dbn(&labeled, 3, 3).unwrap();
    let features = labeled.features(&x).unwrap();
    let padded = Matrix::from_fn(6, 11, |i, j| if j < 8 { features.row(i)[j] } else { 0.0 });
    let expected = labeled.top().mean_h_from_v(&padded, 1.0).unwrap();
    close(&network.features(&x).unwrap(), &expected, 1e-6);
}

/// At the end of mean field the hidden layers of the network are its means: they are the fixed
/// point of the same equations.
#[test]
fn a_classifier_starts_as_the_mean_field_of_a_deep_boltzmann_machine() {
    let rbms = [normal_rbm(8, 6, 0.3, 1), normal_rbm(6, 5, 0.3, 2)];
    let weights = rbms.iter().map(|r| r.weights().clone()).collect::<Vec<_>>();
    let layers = [rbms[0].visible(), rbms[0].hidden(), rbms[1].hidden()];
    let dbm = Dbm::from_parameters(layers.map(Layer::clone).to_vec(), weights).unwrap();
    let v = common::all_states(8);
    let mean_field = MeanField {
        iterations: 500,
        tolerance: 1e-7,
        ..MeanField::default()
    };
    let x = dbm.with_posterior(&v, 2, &mean_field).unwrap();
    let (means, _) = dbm.posterior_means(&v, &mean_field).unwrap();
    let network = Network::classifier_from_dbm(&dbm, 3, 1).unwrap();
    assert_eq!(network.n_inputs(), 13);
    // Two more half iterations at the fixed point move means by less than the tolerance and
    // roundings.
    close(&network.values(&x, 1).unwrap(), &means[0], 2e-6);
    close(&network.values(&x, 2).unwrap(), &means[1], 2e-6);
    let shallow = Dbm::bernoulli(&[4, 3]).unwrap();
    assert!(Network::classifier_from_dbm(&shallow, 3, 1).is_err());

    // A third hidden layer: the second has its input from below twice.
    let mut rng = HostRng::numbered(6, 0);
    let third = Matrix::from_fn(5, 4, |_, _| rng.normal() as f32);
    let deep = Dbm::from_parameters(
        [dbm.layers(), &[Layer::bernoulli(4)]].concat(),
        vec![dbm.weights(0).clone(), dbm.weights(1).clone(), third],
    )
    .unwrap();
    let x = deep.with_posterior(&v, 2, &mean_field).unwrap();
    let network = Network::classifier_from_dbm(&deep, 3, 1).unwrap();
    let (below, found) = (
        network.values(&x, 1).unwrap(),
        network.values(&x, 2).unwrap(),
    );
    let expected = Matrix::from_fn(v.rows(), 5, |i, j| {
        let sum: f32 = (0..6)
            .map(|k| below.row(i)[k] * deep.weights(1).row(k)[j])
            .sum();
        1.0 / (1.0 + (-2.0 * sum - deep.layer(2).bias[j]).exp())
    });
    close(&found, &expected, 2e-6);
    assert_eq!(network.values(&x, 3).unwrap().columns(), 4);
}

/// An autoencoder is the way up through the machines and down again.
#[test]
fn an_autoencoder_starts_as_the_machines_up_and_down() {
    for (data, codes, activation) in [
        ("bernoulli", "gaussian", LINEAR),
        ("gaussian", "gaussian", LINEAR),
        ("bernoulli", "bernoulli", LOGISTIC),
    ] {
        let rbms = [
            normal_machine((data, 9), ("bernoulli", 7), 0.5, 1),
            normal_machine(("bernoulli", 7), (codes, 3), 0.5, 2),
        ];
        let network = Network::autoencoder_from_rbms(&rbms).unwrap();
        assert_eq!((network.n_layers(), network.activation(2)), (5, activation));
        let x = Matrix::from_fn(6, 9, |i, j| ((i * 5 + j * 3) % 7) as f32 / 6.0);
        let h = rbms[0].mean_h_from_v(&x, 1.0).unwrap();
        let code = rbms[1].mean_h_from_v(&h, 1.0).unwrap();
        close(&network.codes(&x).unwrap(), &code, 2e-6);
        let h = rbms[1].mean_v_from_h(&code, 1.0).unwrap();
        let out = rbms[0].mean_v_from_h(&h, 1.0).unwrap();
        close(&network.output(&x).unwrap(), &out, 5e-6);
        let errors = network.squared_errors(&x).unwrap();
        for (s, error) in errors.iter().enumerate() {
            let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
            let expected: f64 = x.row(s).iter().zip(out.row(s)).map(square).sum();
            assert!((error - expected).abs() < 1e-4);
        }
        if codes == "bernoulli" {
            let pair = Directed::from_rbm(&rbms[0]).unwrap();
            let mut dbn = Dbn::from_parts(vec![pair], rbms[1].clone()).unwrap();
            let of_dbn = Network::autoencoder_from_dbn(&dbn).unwrap();
            assert_eq!(of_dbn, network);
            dbn.untie();
            assert_eq!(Network::autoencoder_from_dbn(&dbn).unwrap(), network);
        }
    }
    let rbms = [normal_rbm(5, 4, 1.0, 1), normal_rbm(3, 4, 1.0, 1)];
    assert!(matches!(
        Network::autoencoder_from_rbms(&rbms),
        Err(Error::Shape { .. })
    ));
    assert!(Network::autoencoder_from_rbms(&[]).is_err());
    let classifier = network(&[5, 3], &[SOFTMAX], 1.0, 1);
    assert!(classifier.codes(&Matrix::zeros(1, 5)).is_err());
}
