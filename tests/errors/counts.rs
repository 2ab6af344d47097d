//! What counts are not for.

use crate::common::counts::{data, machine};
use harmonium::{
    BitMatrix, Checkpoint, Error, Examples, Kind, Layer, Matrix, Rbm, Units,
    dataset::{Asked, Cells, Encoding, Table},
    evaluate::pseudo_likelihood,
    model::{BoltzmannMachine, Clamp, Dbm, Dbn, Directed, Network},
    train::{
        Centering, GreedyLayer, GreedyPlan, Negative, Objective, RbmOptions, RbmTraining,
        Reconstruction, Sparsity, Stack,
    },
};

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("not refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn counts_are_the_whole_visible_layer_of_an_rbm() {
    let counts = || Layer::of(Kind::Counts, 3);
    let units = Units::of(Kind::Counts, 3).and(Kind::Bernoulli, 2);
    let mixed = Rbm::unconnected(Layer::new(units), Layer::bernoulli(2));
    for found in [
        message(mixed),
        message(Rbm::unconnected(Layer::bernoulli(2), counts())),
        message(Rbm::unconnected(counts(), Layer::of(Kind::Gaussian, 2))),
        message(Rbm::unconnected(counts(), Layer::of(Kind::Relu, 2))),
        message(Dbm::from_parameters(
            [counts(), Layer::bernoulli(2), Layer::bernoulli(2)],
            [Matrix::zeros(3, 2), Matrix::zeros(2, 2)],
        )),
        message(Dbn::from_parameters(
            [counts(), Layer::bernoulli(2), Layer::bernoulli(2)],
            [Matrix::zeros(3, 2), Matrix::zeros(2, 2)],
        )),
        message(Dbn::from_parameters(
            [counts(), Layer::bernoulli(2)],
            [Matrix::zeros(3, 2)],
        )),
        message(BoltzmannMachine::from_parameters(
            [counts()],
            [Matrix::zeros(3, 3)],
        )),
        message(Network::autoencoder_from_rbms(&[machine(3, 2, 0.1, 1)])),
    ] {
        assert!(found.contains("counts"), "{found}");
    }
    let pair = Directed::new(counts(), Layer::bernoulli(2), Matrix::zeros(3, 2), None).unwrap();
    let top = Rbm::bernoulli(&[2, 2]).unwrap();
    assert!(message(Dbn::from_parts(vec![pair], top)).contains("counts"));
    // Before a layer learns.
    let layer = |hidden| GreedyLayer {
        hidden,
        ..GreedyLayer::default()
    };
    let plan = GreedyPlan {
        layers: vec![layer(3), layer(2)],
        ..GreedyPlan::default()
    };
    let stack = Stack::greedy(plan, Units::of(Kind::Counts, 3), &data(20, 3, 1));
    assert!(message(stack).contains("deep belief network"));
}

#[test]
fn a_length_is_given_once_and_to_counts_alone() {
    let rbm = machine(3, 2, 0.1, 1);
    let given = rbm.given_length(4).unwrap();
    assert!(message(given.given_length(4)).contains("without a length"));
    assert!(message(Rbm::bernoulli(&[3, 2]).unwrap().given_length(4)).contains("bernoulli"));
    assert!(message(rbm.given_length(u32::MAX)).contains("16777216"));
    // A file would not say what the biases were multiplied by.
    assert!(message(Checkpoint::from(given).to_bytes()).contains("length"));
    let mut coins = Layer::bernoulli(3);
    coins.length = Some(2);
    assert!(message(Rbm::unconnected(coins, Layer::bernoulli(2))).contains("length"));
}

#[test]
fn rows_that_are_no_counts_are_refused() {
    let layer = Layer::of(Kind::Counts, 3);
    for (row, what) in [
        ([0.5, 1.0, 1.0], "column 0"),
        ([1.0, -1.0, 1.0], "column 1"),
        ([1.0, 1.0, f32::NAN], "column 2"),
        ([1.6e7, 1.6e7, 0.0], "sum"),
    ] {
        let found = message(layer.check_values(&Matrix::from_rows([row]).unwrap()));
        assert!(found.contains(what) && found.contains("counts"), "{found}");
    }
    let partly = Examples::new(Matrix::zeros(2, 3)).unwrap();
    let mask = BitMatrix::from_fn(2, 3, |i, j| i + j > 0);
    let partly = partly.with_observed(mask).unwrap();
    assert!(message(layer.check_values(&partly)).contains("observed values in row 0"));
    let given = machine(3, 2, 0.1, 1).given_length(4).unwrap();
    let rows = Matrix::from_rows([[1.0, 1.0, 2.0], [1.0, 1.0, 1.0]]).unwrap();
    let found = message(given.visible().check_values(&rows));
    assert!(
        found.contains("sum of the counts in row 1") && found.contains('4'),
        "{found}"
    );
    layer.check_values(&rows).unwrap();
}

#[test]
fn options_that_rows_of_many_lengths_do_not_have_are_refused() {
    let rbm = machine(3, 2, 0.1, 1);
    let v = data(20, 3, 1);
    let usual = RbmOptions::default;
    let of = |negative| RbmOptions {
        negative,
        ..usual()
    };
    for options in [
        of(Negative::Mcmc {
            chains: 5,
            steps: 1,
        }),
        of(Negative::Tempered {
            chains: 5,
            steps: 1,
            temperatures: 3,
            lowest: 0.5,
        }),
        of(Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Smoothed,
        }),
        RbmOptions {
            centering: Some(Centering::default()),
            ..usual()
        },
        RbmOptions {
            sparsity: Some(Sparsity::default()),
            ..usual()
        },
        RbmOptions {
            objective: Objective::Discriminative,
            ..usual()
        },
    ] {
        let found = message(RbmTraining::new(rbm.clone(), options.clone(), &v));
        assert!(found.contains("counts"), "{options:?}: {found}");
    }
    let given = rbm.given_length(3).unwrap();
    assert!(message(RbmTraining::new(given, usual(), &v)).contains("length"));
    assert!(message(pseudo_likelihood(&rbm, &v)).contains("counts"));
    let held = Clamp::new(
        rbm.visible(),
        Matrix::zeros(1, 3),
        BitMatrix::from_fn(1, 3, |_, _| true),
    );
    assert!(message(held).contains("counts"));
}

/// Cells that are no counts, with the way to ask.
#[test]
fn tables_of_other_numbers_are_refused_by_cell() {
    let fit = |cells: &[f64], units: Option<&str>| {
        let table = Table::new("words.csv", Cells::Numbers(cells.to_vec()), 2, vec![2]).unwrap();
        let asked = Asked {
            units: units.map(str::to_owned),
            ..Asked::default()
        };
        Encoding::fit(&table, &asked)
    };
    let encoding = fit(&[3.0, 0.0, 1.0, 7.0], Some("counts")).unwrap();
    assert_eq!(encoding.describe(), "2 columns of counts");
    for (cells, what) in [
        ([3.0, 0.0, 1.0, 0.5], "0.5"),
        ([3.0, -2.0, 1.0, 4.0], "-2"),
        ([3.0, f64::NAN, 1.0, 4.0], "column 2"),
        ([3.0, 1e9, 1.0, 4.0], "1000000000"),
    ] {
        let found = message(fit(&cells, Some("counts")));
        let names = ["words.csv", "units of counts", what]
            .iter()
            .all(|x| found.contains(x));
        assert!(names, "{found}");
    }
    assert!(message(fit(&[3.0, 0.0, 1.0, 7.0], None)).contains("counts for counts"));
    assert!(message(fit(&[3.0, 0.0, 1.0, 7.0], Some("bernoulli"))).contains("counts units counts"));
    let mixed = fit(&[3.0, 0.0, 1.0, 1.0], Some("counts:1+bernoulli:1"));
    assert!(message(mixed).contains("counts alone"));
}
