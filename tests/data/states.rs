//! Bits or reals of many units, and examples made of them: conversions, what is carried along and
//! what is refused.

use harmonium::{
    BitMatrix, Dbm, Dbn, Error, Examples, Input, Matrix, Network, Rbm, Result, States,
    dataset::{Binarization, Rows},
    evaluate::{Base, ReverseStart, reconstruction_error},
    model::BoltzmannMachine,
    states::CHUNK_ROWS,
    train::{
        BackpropOptions, BackpropTraining, BoltzmannOptions, BoltzmannTraining, DbmOptions,
        DbmTraining, RbmOptions, RbmTraining, UpDownOptions, UpDownTraining,
    },
};

fn bit(i: usize, j: usize) -> bool {
    (i * 5 + j * 3 + i * j) % 7 < 3
}

/// Bits and the same numbers.
fn both(rows: usize, columns: usize) -> [States; 2] {
    let bits = BitMatrix::from_fn(rows, columns, bit);
    [bits.to_matrix().into(), bits.into()]
}

fn told<T: std::fmt::Debug>(refused: Result<T>, parts: &[&str]) {
    let text = refused.unwrap_err().to_string();
    for part in parts {
        assert!(text.contains(part), "{text} without {part}");
    }
}

#[test]
fn a_view_has_the_numbers_of_its_states() {
    for states in both(5, 70) {
        let x = states.view();
        assert_eq!((x.rows(), x.columns()), (5, 70));
        let matrix = x.to_matrix();
        let mut row = vec![9.0; 70];
        for i in 0..5 {
            x.copy_row_to(i, &mut row);
            assert_eq!(row, matrix.row(i));
            for j in 0..70 {
                let expected = f32::from(bit(i, j));
                assert_eq!(
                    [x.get(i, j), states.get(i, j), matrix[(i, j)]],
                    [expected; 3]
                );
            }
        }
        assert_eq!(States::from(x), states);
        assert_eq!(x.take(&[4, 1, 4]).get(2, 69), f32::from(bit(4, 69)));
        assert_eq!(states.rows_to_owned(1..3), states.take(&[1, 2]));
        assert_eq!(x.bits().is_some(), states.bits().is_some());
        assert_eq!(states.bits().is_some(), states.real().is_none());
        assert_eq!(states.clone().into_matrix(), matrix);
        // Back to bits, since nothing is lost.
        assert_eq!(states.packed(), BitMatrix::from_fn(5, 70, bit).into());
    }
    let gray = States::from(Matrix::from_fn(2, 2, |i, j| (i + j) as f32 / 2.0));
    assert_eq!(gray.clone().packed(), gray);
}

#[test]
fn chunks_are_all_rows_in_order() {
    for rows in [
        0,
        1,
        CHUNK_ROWS - 1,
        CHUNK_ROWS,
        CHUNK_ROWS + 1,
        2 * CHUNK_ROWS + 500,
    ] {
        for states in both(rows, 3) {
            let sizes: Vec<usize> = states.view().chunks().map(|(_, x)| x.rows()).collect();
            assert_eq!(sizes.len(), rows.div_ceil(CHUNK_ROWS));
            let full = sizes.len().saturating_sub(1);
            assert!(sizes[..full].iter().all(|&n| n == CHUNK_ROWS));
            let mut next = 0;
            for (range, part) in states.view().chunks() {
                assert_eq!((range.start, range.len()), (next, part.rows()));
                assert_eq!(States::from(part), states.rows_to_owned(range.clone()));
                next = range.end;
            }
            assert_eq!(next, rows);
        }
    }
    let states = &both(20, 3)[0];
    let ranges: Vec<_> = states.view().chunks_of(7).map(|(range, _)| range).collect();
    assert_eq!(ranges, [0..7, 7..14, 14..20]);
}

/// The figure of all rows is the mean of those of a whole chunk and of the rest.
#[test]
fn figures_do_not_depend_on_where_chunks_end() {
    let rows = CHUNK_ROWS + 17;
    let all = Examples::new(BitMatrix::from_fn(rows, 6, bit)).unwrap();
    let weights = Matrix::from_fn(6, 4, |i, j| (i as f32 - j as f32) / 3.0);
    let rbm = Rbm::from_parameters([vec![0.1; 6], vec![-0.2; 4]], [weights]).unwrap();
    let rest: Vec<usize> = (CHUNK_ROWS..rows).collect();
    let (first, rest) = (all.head(CHUNK_ROWS), all.take(&rest));
    let error = |x: &Examples| reconstruction_error(&rbm, x).unwrap() * x.len() as f64;
    let (whole, parts) = (error(&all), error(&first) + error(&rest));
    assert!((whole - parts).abs() < 1e-9 * whole, "{whole} for {parts}");
}

#[test]
fn states_come_from_what_a_user_holds() {
    let numbers = [0.0, 1.0, 0.5, 1.0, 0.0, 1.0];
    let states = States::from_slice(&numbers, 3).unwrap();
    assert_eq!((states.rows(), states.columns()), (2, 3));
    assert_eq!(states.get(0, 2), 0.5);
    assert_eq!(
        States::from_rows([[0.0, 1.0, 0.5], [1.0, 0.0, 1.0]]).unwrap(),
        states
    );
    let rows: Vec<Vec<f32>> = vec![vec![0.0, 1.0, 0.5], vec![1.0, 0.0, 1.0]];
    assert_eq!(States::from_rows(&rows).unwrap(), states);
    // Rows of whatever iterates rows, and numbers one after the other, are examples too.
    assert_eq!(States::from_rows(numbers.chunks(3)).unwrap(), states);
    let examples = Examples::new(&rows).unwrap();
    assert_eq!(examples.states(), &states);
    assert_eq!(Examples::new(&rows[..]).unwrap(), examples);
    assert_eq!(Examples::new((&numbers[..], 3)).unwrap(), examples);
    assert_eq!(Examples::new(rows).unwrap(), examples);
    let bytes = States::from_bytes(&[0, 1, 1, 0], 2).unwrap();
    assert_eq!(bytes, BitMatrix::from_fn(2, 2, |i, j| i != j).into());
    // Numbers stay numbers until they are told to be bits.
    let kept = States::from_slice(&[1.0, 0.0], 2).unwrap();
    assert!(kept.bits().is_none() && kept.packed().bits().is_some());
    assert_eq!(States::from_slice(&[], 3).unwrap().rows(), 0);

    told(
        States::from_slice(&numbers, 4),
        &["whole rows of 4", "found 6"],
    );
    told(States::from_slice(&numbers, 0), &["at least 1"]);
    told(
        States::from_bytes(&[0, 1, 1], 2),
        &["whole rows of 2", "found 3"],
    );
    told(
        States::from_bytes(&[0, 1, 7, 0], 2),
        &["row 1, column 0", "0 or 1", "found 7"],
    );
    let ragged: [&[f32]; 3] = [&[0.0, 1.0], &[1.0, 0.0], &[1.0]];
    told(
        States::from_rows(ragged),
        &["row 2", "2 numbers", "found 1"],
    );
    told(Examples::new(&ragged[..]), &["row 2", "2 numbers"]);
    told(
        Input::try_from((&numbers[..], 4)),
        &["whole rows of 4", "found 6"],
    );

    // One function, everything that a user holds.
    fn count<'a>(x: impl Into<Rows<'a>>) -> f32 {
        x.into().input().to_matrix().elements().sum()
    }
    let bits = BitMatrix::from_fn(3, 4, bit);
    let matrix = bits.to_matrix();
    let states = States::from(&bits);
    let examples = Examples::new(&matrix).unwrap();
    let n = bits.count_ones() as f32;
    assert_eq!(
        [
            count(&bits),
            count(&matrix),
            count(&states),
            count(&examples)
        ],
        [n; 4]
    );
    assert_eq!(
        [
            count(bits.view()),
            count(matrix.view()),
            count(examples.input())
        ],
        [n; 3]
    );
    assert_eq!(examples.into_states(), matrix.into());
}

/// Numbers that lie one after the other, unaligned and without padding, are the inputs that the
/// same numbers are in a matrix: one row, and rows of a width.
#[test]
fn rows_without_padding_give_the_same_bits() {
    let (rows, width) = (70, 37);
    let rbm = Rbm::bernoulli(&[width, 21]).unwrap();
    let data = Matrix::from_fn(rows, width, |i, j| ((7 * i + 3 * j) % 11) as f32 / 10.0);
    let rbm = rbm
        .initialized_from(&Examples::new(&data).unwrap(), 1)
        .unwrap();
    let numbers = [&[9.0][..], &data.to_vec(), &[9.0]].concat();
    let numbers = &numbers[1..=rows * width];
    let input = Input::try_from((numbers, width)).unwrap();
    let means = rbm.mean_h_from_v(&data, 1.0).unwrap();
    assert_eq!(rbm.mean_h_from_v(input, 1.0).unwrap(), means);
    assert_eq!(
        rbm.free_energy(input, 1.0).unwrap(),
        rbm.free_energy(&data, 1.0).unwrap()
    );
    for (i, row) in numbers.chunks(width).enumerate() {
        let one = rbm.mean_h_from_v(row, 1.0).unwrap();
        assert_eq!(
            one,
            rbm.mean_h_from_v(data.view_rows(i..i + 1), 1.0).unwrap()
        );
        assert_eq!(one.row(0), means.row(i));
    }
    assert!(rbm.mean_h_from_v(&numbers[1..width], 1.0).is_err());
}

#[test]
fn labels_become_columns() {
    for states in both(4, 66) {
        let labels = [2, 0, 1, 2];
        let joint = states.with_one_hot(&labels, 3).unwrap();
        assert_eq!((joint.rows(), joint.columns()), (4, 69));
        assert_eq!(joint.bits().is_some(), states.bits().is_some());
        assert_eq!(joint.first_columns(66), states);
        assert_eq!(states.first_columns(99), states);
        assert_eq!(states.first_columns(0).columns(), 0);
        for (i, label) in labels.into_iter().enumerate() {
            let classes = [0, 1, 2].map(|y| joint.get(i, 66 + y));
            assert_eq!(classes, [0, 1, 2].map(|y| f32::from(y == label)));
        }
        told(
            states.with_one_hot(&labels, 2),
            &["label of row 0", "below 2", "found 2"],
        );
        told(
            states.with_one_hot(&labels[1..], 3),
            &["labels", "4, one a row", "found 3"],
        );
        for classes in [usize::MAX, usize::MAX / 2, 1 << 60] {
            told(states.with_one_hot(&labels, classes), &["fit into memory"]);
        }
    }
}

/// Examples with all that they can carry; row `i` has label and weight `i`.
fn carrying(states: States) -> Examples {
    let n = states.rows();
    let observed = BitMatrix::from_fn(n, states.columns(), |i, j| !bit(i, j));
    Examples::new(states)
        .and_then(|x| x.with_labels((0..n as u32).collect()))
        .and_then(|x| x.with_weights((0..n).map(|i| i as f32).collect()))
        .and_then(|x| x.with_observed(observed))
        .unwrap()
}

/// Asserts that row `k` of `part` is row `rows[k]` of [`carrying`]'s.
fn assert_rows(part: &Examples, rows: &[usize]) {
    assert_eq!(part.len(), rows.len());
    for (k, &i) in rows.iter().enumerate() {
        assert_eq!(part.labels().unwrap()[k], i as u32);
        assert_eq!(part.weights().unwrap()[k], i as f32);
        for j in 0..part.columns() {
            assert_eq!(part.input().get(k, j), f32::from(bit(i, j)));
            assert_eq!(part.observed().unwrap().get(k, j), !bit(i, j));
        }
    }
}

#[test]
fn labels_weights_and_mask_go_where_their_examples_go() {
    for states in both(9, 70) {
        let all = carrying(states.clone());
        assert_rows(&all, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_rows(&all.take(&[8, 0, 3, 3]), &[8, 0, 3, 3]);
        assert_rows(&all.head(4), &[0, 1, 2, 3]);
        let (first, second) = all.clone().split(4, 1).unwrap();
        for part in [&first, &second] {
            let labels = part.labels().unwrap().iter();
            assert_rows(part, &labels.map(|&y| y as usize).collect::<Vec<_>>());
        }
        assert_eq!((first.len(), second.len()), (5, 4));
        assert_rows(
            &all.clone().binarized(Binarization::Threshold(0.5), 0, 0),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        );
        let narrow = all.first_columns(65);
        assert_rows(&narrow, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            (narrow.columns(), narrow.observed().unwrap().columns()),
            (65, 65)
        );

        let shifted = all.shifted(&[0.5; 70], &[0.5; 70]).unwrap();
        assert_eq!(
            shifted.input().get(1, 0),
            if bit(1, 0) { 1.0 } else { -1.0 }
        );
        assert_eq!(
            (shifted.labels(), shifted.weights()),
            (all.labels(), all.weights())
        );
        assert_eq!(shifted.observed(), all.observed());

        // A label that is there was observed.
        let joint = all.with_label_units(9).unwrap();
        assert_eq!(
            (joint.labels(), joint.weights()),
            (all.labels(), all.weights())
        );
        let mask = joint.observed().unwrap();
        for i in 0..9 {
            assert!((0..70).all(|j| mask.get(i, j) != bit(i, j)));
            assert!((70..79).all(|j| mask.get(i, j)));
        }

        // Other states: the mask is about columns, and goes with them.
        let features = all.with_states(Matrix::zeros(9, 3)).unwrap();
        assert_eq!(
            (features.labels(), features.weights()),
            (all.labels(), all.weights())
        );
        assert_eq!(features.observed(), None);
        let other = all.with_states(Matrix::zeros(9, 70)).unwrap();
        assert_eq!((other.columns(), other.observed()), (70, all.observed()));
        told(
            all.with_states(Matrix::zeros(8, 70)),
            &["9, one an example", "found 8"],
        );
        let infinite = Matrix::from_fn(9, 2, |i, _| if i == 4 { f32::INFINITY } else { 0.0 });
        told(all.with_states(infinite), &["row 4, column 0", "finite"]);
    }
}

#[test]
fn weights_and_masks_that_mean_nothing_are_refused() {
    let plain = || Examples::new(BitMatrix::zeros(3, 4)).unwrap();
    for (weights, parts) in [
        (
            vec![1.0, -0.5, 1.0],
            ["weight of row 1", "at least 0", "found -0.5"],
        ),
        (
            vec![1.0, 1.0, f32::NAN],
            ["weight of row 2", "finite", "found NaN"],
        ),
        (
            vec![f32::INFINITY, 1.0, 1.0],
            ["weight of row 0", "finite", "found inf"],
        ),
        (vec![0.0; 3], ["weights", "at least one above 0", "zeros"]),
        (vec![1.0; 2], ["weights", "3, one an example", "found 2"]),
    ] {
        told(plain().with_weights(weights), &parts);
    }
    for (rows, columns) in [(3, 3), (2, 4)] {
        let found = format!("found {rows} x {columns}");
        told(
            plain().with_observed(BitMatrix::zeros(rows, columns)),
            &["mask", "3 x 4", &found],
        );
    }
    told(plain().with_labels(vec![0]), &["labels", "found 1"]);
    let zero_of_some = plain().with_weights(vec![0.0, 2.0, 0.0]).unwrap();
    assert_eq!(zero_of_some.weights(), Some(&[0.0, 2.0, 0.0][..]));
}

/// What cannot use weights or a mask yet refuses them: every run, and every figure that takes
/// examples.
#[test]
fn weights_are_used_and_masks_are_never_ignored() {
    let plain = Examples::new(BitMatrix::from_fn(6, 4, bit)).unwrap();
    let labels = (0..6).map(|i| i % 2).collect();
    let plain = plain.with_labels(labels).unwrap();
    let weighted = plain.clone().with_weights(vec![1.0; 6]).unwrap();
    let masked = plain.clone().with_observed(BitMatrix::zeros(6, 4)).unwrap();
    type Door<'a> = (&'a str, Box<dyn Fn(&Examples) -> Result<()>>);
    let rbm = || Rbm::bernoulli(&[4, 3]).unwrap();
    let dbm = || Dbm::bernoulli(&[4, 3, 2]).unwrap();
    let machine = || BoltzmannMachine::bernoulli(&[4, 2]).unwrap();
    let dbn = || Dbn::bernoulli(&[4, 3, 2]).unwrap();
    let doors: Vec<Door<'_>> = vec![
        (
            "training",
            Box::new(move |x| UpDownTraining::new(dbn(), UpDownOptions::default(), x).map(drop)),
        ),
        (
            "training",
            Box::new(move |x| {
                let network = Network::classifier_from_dbn(&dbn(), 2, 1)?;
                BackpropTraining::new(network, BackpropOptions::default(), x).map(drop)
            }),
        ),
        (
            "annealing back",
            Box::new(move |x| ReverseStart::suited_to(&rbm(), x, 2, 3, 1).map(drop)),
        ),
        (
            "annealing back",
            Box::new(move |x| ReverseStart::suited_to(&dbm(), x, 2, 3, 1).map(drop)),
        ),
    ];
    for (name, door) in doors {
        door(&plain).unwrap();
        door(&weighted).unwrap();
        told(door(&masked), &[name, "missing values"]);
    }
    // These infer what is missing, or go without.
    let start = |x: &Examples| -> Result<()> {
        RbmTraining::new(rbm(), RbmOptions::default(), x)?;
        BoltzmannTraining::new(machine(), BoltzmannOptions::default(), x)?;
        DbmTraining::new(dbm(), DbmOptions::default(), x)?;
        Base::rate_of(&rbm(), x)?;
        Base::rate_of(&dbm(), x)?;
        rbm().initialized_from(x, 1)?;
        dbm().initialized_from(x, 1)?;
        machine().initialized_from(x, 1).map(drop)
    };
    for x in [&plain, &weighted, &masked] {
        start(x).unwrap();
    }
    let mut complete = RbmTraining::new(rbm(), RbmOptions::default(), &plain).unwrap();
    told(complete.update_with(&masked), &["missing values"]);
}

/// Units say what they can have, with row, column and value, at every door of examples.
#[test]
fn values_that_units_cannot_have_are_refused_at_the_door() {
    let with = |x: f32| {
        let at = move |i, j| if (i, j) == (2, 1) { x } else { 0.5 };
        Examples::new(Matrix::from_fn(3, 4, at)).unwrap()
    };
    let rbm = || Rbm::bernoulli(&[4, 3]).unwrap();
    let dbm = || Dbm::bernoulli(&[4, 3, 2]).unwrap();
    let machine = || BoltzmannMachine::bernoulli(&[4]).unwrap();
    for x in [-0.1, 1.000_001] {
        let data = with(x);
        let value = x.to_string();
        let parts = ["row 2", "column 1", "bernoulli", "[0, 1]", value.as_str()];
        told(
            RbmTraining::new(rbm(), RbmOptions::default(), &data),
            &parts,
        );
        told(
            DbmTraining::new(dbm(), DbmOptions::default(), &data).map(drop),
            &parts,
        );
        told(rbm().initialized_from(&data, 1), &parts);
        told(dbm().initialized_from(&data, 1), &parts);
        told(machine().initialized_from(&data, 1), &parts);
        told(ReverseStart::suited_to(&rbm(), &data, 2, 3, 1), &parts);
        told(ReverseStart::suited_to(&dbm(), &data, 2, 3, 1), &parts);
    }
    rbm().initialized_from(&with(1.0), 1).unwrap();
    let wide = Examples::new(BitMatrix::zeros(3, 5)).unwrap();
    let error = rbm().initialized_from(&wide, 1).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}
