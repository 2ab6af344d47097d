//! Figures of rows with missing values, which would be those of other values.

use harmonium::{
    BitMatrix, Dbm, Dbn, Error, Examples, Input, Layer, MeanField, Network, Rbm, Result,
    dataset::{Asked, Cells, Encoding, Rows, Table},
    model::Posterior,
    units::{Kind, Units},
};

/// A machine of six visible units, the last two a label of two classes.
fn labeled_rbm() -> Rbm {
    let visible = Units::of(Kind::Bernoulli, 4).and(Kind::Softmax, 2);
    Rbm::unconnected(Layer::new(visible), Layer::bernoulli(3)).unwrap()
}

/// Everything that the families tell of each row of data, for rows of four bits and of six.
fn figures<'a>(four: Rows<'a>, six: Rows<'a>) -> Vec<(&'static str, Result<()>)> {
    let (rbm, labeled) = (Rbm::bernoulli(&[6, 3]).unwrap(), labeled_rbm());
    let dbm = Dbm::bernoulli(&[6, 3, 2]).unwrap();
    let dbm_with_labels = Dbm::from_parameters(
        [
            Layer::bernoulli(6),
            Layer::bernoulli(3),
            Layer::of(Kind::Softmax, 2),
        ],
        [(6, 3), (3, 2)].map(|(n, m)| harmonium::Matrix::zeros(n, m)),
    )
    .unwrap();
    let dbn = Dbn::bernoulli(&[6, 3, 2]).unwrap();
    let dbn_with_labels = Dbn::from(labeled.clone());
    let network = Network::autoencoder_from_dbn(&dbn).unwrap();
    let (h, options) = (BitMatrix::zeros(2, 3), MeanField::default());
    let mut posterior = Posterior::default();
    vec![
        ("energy", rbm.energy(six, &h).map(drop)),
        ("free energy", rbm.free_energy(six, 1.0).map(drop)),
        ("exact F", rbm.exact_free_energies(six).map(drop)),
        ("input", rbm.input_h_from_v(six, 1.0).map(drop)),
        ("mean", rbm.mean_h_from_v(six, 1.0).map(drop)),
        ("sample", rbm.sample_h_from_v(six, 1, 0, 1.0).map(drop)),
        ("rbm class", labeled.log_p_y_from_v(four).map(drop)),
        ("dbn means", dbn.posterior_means(six).map(drop)),
        ("dbn sample", dbn.sample_posterior(six, 1, 1, 0).map(drop)),
        ("dbn features", dbn.features(six).map(drop)),
        ("dbn drawn", dbn.sample_features(six, 1, 0).map(drop)),
        ("dbn p", dbn.exact_log_p_v(six, None, &mut ()).map(drop)),
        ("dbn bound", dbn.exact_bound(six, None, &mut ()).map(drop)),
        ("dbn q", dbn.exact_posterior(six, &mut ()).map(drop)),
        ("dbn class", dbn_with_labels.log_p_y_from_v(four).map(drop)),
        (
            "dbn mean class",
            dbn_with_labels
                .averaged_log_p_y_from_v(four, 2, 1)
                .map(drop),
        ),
        (
            "dbn drawn class",
            dbn_with_labels.gibbs_log_p_y_from_v(four, 2, 1).map(drop),
        ),
        (
            "dbm q",
            dbm.posterior_expectations(six, 0, &mut ()).map(drop),
        ),
        ("dbm sums", dbm.log_sums_over_hidden(six, &mut ()).map(drop)),
        ("dbm means", dbm.posterior_means(six, &options).map(drop)),
        ("dbm with", dbm.with_posterior(six, 2, &options).map(drop)),
        ("dbm bound", dbm.mean_field_bounds(six, &options).map(drop)),
        ("posterior", posterior.start(&dbm, six)),
        (
            "dbm class",
            dbm_with_labels.log_p_y_from_v(six, &options).map(drop),
        ),
        (
            "dbm exact class",
            dbm_with_labels.exact_log_p_y_from_v(six, &mut ()).map(drop),
        ),
        ("network", network.output(six).map(drop)),
        ("codes", network.codes(six).map(drop)),
        ("errors", network.squared_errors(six).map(drop)),
    ]
}

#[test]
fn figures_of_rows_refuse_missing_values_and_need_no_weights() {
    let bits = |columns| BitMatrix::from_fn(2, columns, |i, j| (i + j) % 2 == 0);
    let data = |columns| {
        let data = Examples::new(bits(columns)).unwrap();
        data.with_weights(vec![1.0, 2.0]).unwrap()
    };
    let (four, six) = (data(4), data(6));
    for (what, figure) in figures((&four).into(), (&six).into()) {
        assert!(figure.is_ok(), "{what}: {figure:?}");
    }
    let with_one_missing = |data: Examples| {
        let mask = BitMatrix::from_fn(2, data.columns(), |i, j| (i, j) != (1, 2));
        data.with_observed(mask).unwrap()
    };
    let (four, six) = (with_one_missing(four), with_one_missing(six));
    for (what, figure) in figures((&four).into(), (&six).into()) {
        assert!(
            matches!(&figure, Err(Error::Parameter { expected, .. }) if expected.contains("missing")),
            "{what}: {figure:?}"
        );
    }
    // Who means the states themselves says so.
    let states: Input<'_> = six.input();
    assert!(
        figures(four.input().into(), states.into())
            .iter()
            .all(|(_, f)| f.is_ok())
    );
}

#[test]
fn missing_values_and_weights_come_back_from_states() {
    let cells = vec![0.0, 1.5, f64::NAN, -2.0, 2.0, f64::NAN];
    let mut table = Table::new("mine", Cells::Numbers(cells), 3, vec![2]).unwrap();
    table.weights = Some(vec![1.0, 3.0, 0.5]);
    let asked = Asked {
        units: Some("softmax:3+gaussian".into()),
        ..Asked::default()
    };
    let encoding = Encoding::fit(&table, &asked).unwrap();
    let back = encoding.decode(&encoding.encode(&table).unwrap()).unwrap();
    for i in 0..3 {
        for j in 0..2 {
            let (x, y) = (table.get(i, j), back.get(i, j));
            assert!(
                x == y || x.is_nan() && y.is_nan(),
                "row {i}, column {j}: {x} as {y}"
            );
        }
    }
    assert_eq!(back.weights, table.weights);
    assert_eq!(back.text(1, 0), "");
}
