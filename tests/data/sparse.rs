//! Bits of sparse tables, which are those of their numbers.

use harmonium::{
    Binarization, Dataset, Examples,
    dataset::{Asked, Encoding, Reading, Tables},
};
use std::{fs, path::Path};

fn tables(path: &Path) -> Tables {
    Tables::open(path, &Reading::default()).unwrap()
}

/// 700 rows of 300 columns, gray and with ones, labels 0 to 2; a row of zeros now and then.
fn text() -> String {
    let cell = |i: usize, j: usize| match (i * 31 + j * 17) % 23 {
        0 => format!(" {}:1", j + 1),
        k @ 1..=3 => format!(" {}:{}", j + 1, (k * 8 + i % 7) as f64 / 32.0),
        _ => String::new(),
    };
    let row = |i: usize| {
        let cells = (0..300).filter(|_| !i.is_multiple_of(50));
        format!(
            "{}{}\n",
            i % 3,
            cells.map(|j| cell(i, j)).collect::<String>()
        )
    };
    (0..700).map(row).collect()
}

#[test]
fn bits_are_drawn_of_sparse_tables_as_of_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gray.svm");
    fs::write(&path, text()).unwrap();
    let tables = tables(&path);
    let encoding = Encoding::fit(&tables.train, &Asked::default()).unwrap();
    let whole = encoding.encode(&tables.train).unwrap();
    assert!(whole.bits().is_none() && whole.labels().is_some());
    let hows = [
        Binarization::Sampled,
        Binarization::Threshold(0.3),
        Binarization::None,
    ];
    for how in hows {
        for (seed, first) in [(1, 0), (7, 1 << 20)] {
            let drawn = encoding.encode_binarized(&tables.train, how, seed, first);
            let expected = whole.clone().binarized(how, seed, first);
            assert_eq!(drawn.unwrap(), expected, "{how}");
            assert_eq!(expected.bits().is_some(), how != Binarization::None);
        }
        let both = Dataset::encoded_binarized(&tables, encoding.clone(), how, 3).unwrap();
        let dataset = Dataset::encoded(&tables, encoding.clone()).unwrap();
        assert_eq!(both, dataset.binarized(how, 3));
    }
    // A table that tells no width is as wide as the machine.
    let narrow = folder.path().join("narrow.svm");
    fs::write(&narrow, "0 1:0.5 3:1\n2 2:0.25\n").unwrap();
    let narrow = Tables::open(&narrow, &Reading::default()).unwrap().train;
    let drawn = |seed| -> Examples {
        let how = Binarization::Sampled;
        encoding.encode_binarized(&narrow, how, seed, 0).unwrap()
    };
    for seed in 0..8 {
        let expected = encoding.encode(&narrow).unwrap();
        assert_eq!(
            drawn(seed),
            expected.binarized(Binarization::Sampled, seed, 0)
        );
        assert_eq!(drawn(seed).columns(), 300);
    }
}

#[test]
fn numbers_that_are_no_probabilities_are_refused_with_their_cell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gray.svm");
    fs::write(&path, text()).unwrap();
    let encoding = Encoding::fit(&tables(&path).train, &Asked::default()).unwrap();
    let other = folder.path().join("other.svm");
    fs::write(&other, "0 1:0.5\n1 2:1 4:1.5\n").unwrap();
    let error = encoding
        .encode_binarized(&tables(&other).train, Binarization::Sampled, 1, 0)
        .unwrap_err();
    for word in ["other.svm", "[0, 1]", "1.5", "line 2", "4"] {
        assert!(error.to_string().contains(word), "{error}: {word}");
    }
}
