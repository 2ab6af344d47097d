//! What a program holds in memory: spins, and columns of numbers and texts.

use harmonium::{
    BitMatrix, BoltzmannMachine, Error, Examples, Matrix,
    dataset::{Asked, Column, Encoding, Reading, Table, Tables},
    train::{BoltzmannOptions, BoltzmannTraining},
};
use std::fs;

#[test]
fn spins_become_bits_with_all_that_examples_have() {
    let bits = BitMatrix::from_fn(3, 70, |i, j| (i * 5 + j * 3) % 7 < 3);
    let spins = Matrix::from_fn(3, 70, |i, j| if bits.get(i, j) { 1.0 } else { -1.0 });
    let data = |states: Matrix| {
        let data = Examples::new(states).unwrap();
        let data = data.with_labels(vec![2, 0, 1]).unwrap();
        data.with_weights(vec![1.0, 0.5, 2.0]).unwrap()
    };
    let packed = data(spins.clone()).signs_as_bits().unwrap();
    assert_eq!(packed.bits(), Some(&bits));
    assert_eq!(packed, data(bits.to_matrix()).packed());
    assert_eq!(packed.clone().signs_as_bits().unwrap(), packed);

    let mut other = spins;
    other[(1, 65)] = 0.0;
    let error = data(other.clone()).signs_as_bits().unwrap_err();
    let expected = "value in row 1, column 65: expected -1 or 1, found 0";
    assert_eq!(error.to_string(), expected);
    let mask = BitMatrix::from_fn(3, 70, |i, j| (i, j) != (1, 65));
    let with_mask = data(other).with_observed(mask.clone()).unwrap();
    let packed = with_mask.signs_as_bits().unwrap();
    assert_eq!(packed.observed(), Some(&mask));
    assert!(!packed.bits().unwrap().get(1, 65));
}

/// Who gives spins to a machine of bits is told the way.
#[test]
fn spins_for_bits_are_refused_with_the_way() {
    let spins = Examples::new([[1.0, -1.0], [-1.0, 1.0]]).unwrap();
    let start = BoltzmannMachine::bernoulli(&[2]).unwrap();
    let error = BoltzmannTraining::new(start, BoltzmannOptions::default(), &spins).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("signs_as_bits") && text.contains("found -1"),
        "{text}"
    );
}

#[test]
fn columns_that_are_held_are_the_table_of_their_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trees.csv");
    let text = "tree,height,count\nelm,1.5,3\nash,,10\n,-0.25,3\nelm,4,7\n";
    fs::write(&path, text).unwrap();
    let reading = Reading {
        missing: true,
        ..Reading::default()
    };
    let read = Tables::open(&path, &reading).unwrap().train;
    let held = Table::from_columns([
        ("tree", Column::texts(["elm", "ash", "", "elm"])),
        ("height", Column::numbers([1.5, f64::NAN, -0.25, 4.0])),
        ("count", Column::numbers([3_u8, 10, 3, 7])),
    ])
    .unwrap();
    assert_eq!((&held.names, &held.texts), (&read.names, &read.texts));
    assert_eq!((held.len(), held.columns()), (4, 3));
    for i in 0..4 {
        for j in 0..3 {
            assert_eq!(held.text(i, j), read.text(i, j), "row {i}, column {j}");
        }
    }
    let asked = Asked {
        units: Some("softmax+gaussian:2".into()),
        standardize: true,
        ..Asked::default()
    };
    let encoding = Encoding::fit(&held, &asked).unwrap();
    let unclear = Asked {
        units: Some("softmax+gaussian".into()),
        ..Asked::default()
    };
    let error = Encoding::fit(&held, &unclear).unwrap_err().to_string();
    assert!(error.contains("all segments but one"), "{error}");
    assert_eq!(encoding, Encoding::fit(&read, &asked).unwrap());
    let examples = encoding.encode(&held).unwrap();
    assert_eq!(examples, encoding.encode(&read).unwrap());

    // Texts that are numbers come back too.
    let codes = Table::from_columns([("code", Column::texts(["30", "7", "30"]))]).unwrap();
    let asked = Asked {
        units: Some("softmax".into()),
        ..Asked::default()
    };
    let encoding = Encoding::fit(&codes, &asked).unwrap();
    let back = encoding.decode(&encoding.encode(&codes).unwrap()).unwrap();
    assert_eq!([0, 1, 2].map(|i| back.text(i, 0)), ["30", "7", "30"]);
}

#[test]
fn columns_that_make_no_table_are_refused() {
    let of = |columns: Vec<(&str, Column)>| Table::from_columns(columns).unwrap_err();
    let (two, three) = (Column::numbers([1.0, 2.0]), Column::texts(["a", "b", "c"]));
    let error = of(vec![("x", two), ("y", three)]);
    assert!(matches!(error, Error::Shape { .. }));
    assert_eq!(
        error.to_string(),
        "column \"y\": expected 2 rows, as the first, found 3"
    );
    let error = of(vec![("x", Column::numbers([1.0, f64::INFINITY]))]);
    assert!(
        error
            .to_string()
            .starts_with("row 2, column \"x\": expected a finite number")
    );
    assert!(matches!(of(vec![]), Error::File { .. }));
    assert!(matches!(
        of(vec![("x", Column::texts([""; 0]))]),
        Error::File { .. }
    ));
}
