//! Files that tell no width beside a machine that knows one, and names of rows.

use harmonium::{
    Error, Examples,
    dataset::{Asked, Dataset, Encoding, ExampleStream, Reading, Tables},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn encoding(path: &Path) -> Encoding {
    let dataset = Dataset::open_as(path, &Reading::default(), &Asked::default());
    let encoding = dataset.unwrap().encoding;
    Encoding::from_json(&encoding.to_json()).unwrap()
}

/// The ones of the table at `path`, as `encoding` has it; the same by the row.
fn ones(path: &Path, encoding: &Encoding) -> harmonium::Result<Vec<Vec<usize>>> {
    let reading = Reading::default();
    let tables = Tables::open(path, &reading)?;
    let examples = encoding.encode(&tables.train)?;
    let of = |examples: &Examples| -> Vec<Vec<usize>> {
        assert_eq!(examples.columns(), encoding.columns().len());
        let (x, n) = (examples.input(), examples.columns());
        let row = |i| (0..n).filter(|&j| x.get(i, j) == 1.0).collect();
        (0..examples.len()).map(row).collect()
    };
    let stream = ExampleStream::open_encoded(path, &reading, encoding.clone())?;
    assert_eq!(of(&stream.range(0, stream.len())?), of(&examples));
    Ok(of(&examples))
}

#[test]
fn the_machine_knows_the_width_of_a_file_that_does_not() {
    let folder = Folder::new();
    let from_1 = encoding(&folder.file("train.svm", "0 1:1 7:1\n1 2:1\n"));
    assert_eq!(from_1.first_index(), Some(1));
    let narrow = folder.file("narrow.svm", "0 1:1 3:1\n1 2:1\n");
    assert_eq!(ones(&narrow, &from_1).unwrap(), [vec![0, 2], vec![1]]);
    let whole = folder.file("whole.svm", "0 7:1\n");
    assert_eq!(ones(&whole, &from_1).unwrap(), [[6]]);
    // Numbers from 0 stay those, though no 0 comes.
    let from_0 = encoding(&folder.file("train0.svm", "0 0:1 6:1\n1 1:1\n"));
    assert_eq!(from_0.first_index(), Some(0));
    assert_eq!(ones(&narrow, &from_0).unwrap(), [vec![1, 3], vec![2]]);
    for (text, encoding, words) in [
        (
            "0 1:1\n# none\n1 8:1\n",
            &from_1,
            ["from 1 to 7", "8 in line 3"],
        ),
        ("0 7:1\n", &from_0, ["from 0 to 6", "7 in line 1"]),
        (
            "0 1:1 2:1\n1 0:1\n",
            &from_1,
            ["from 1 to 7", "0 in line 2"],
        ),
    ] {
        let error = ones(&folder.file("other.svm", text), encoding).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        for word in words.into_iter().chain(["other.svm"]) {
            assert!(
                error.to_string().contains(word),
                "{error} should tell of {word}"
            );
        }
    }
    // A file that tells its width has that.
    let dense = folder.file("dense.csv", "0,1,1\n1,0,1\n");
    let error = from_1.encode(&Tables::open(&dense, &Reading::default()).unwrap().train);
    assert!(error.unwrap_err().to_string().contains("7 columns"));
}

#[test]
fn rows_keep_their_names_where_they_are_asked_for() {
    let folder = Folder::new();
    let files = [
        ("a.csv", ",x,y\nanna,0,1\nbert,1,1\n", ["anna", "bert"]),
        ("a.tsv", "x\ty\n\"r 1\"\t0\t1\nr2\t1\t1\n", ["r 1", "r2"]),
        (
            "a.fasta",
            ">one\nAC\n>two words\nCA\n",
            ["one", "two words"],
        ),
        (
            "ratings.csv",
            "user,item,rating\nzoe,a,1\nann,a,2\n",
            ["ann", "zoe"],
        ),
    ];
    for (name, text, expected) in files {
        let path = folder.file(name, text);
        let open = |row_names: bool| {
            let reading = Reading {
                row_names,
                missing: true,
                ..Reading::default()
            };
            Tables::open(&path, &reading).unwrap().train
        };
        let mut named = open(true);
        assert_eq!(named.row_names, expected, "{name}");
        named.row_names.clear();
        assert_eq!(open(false), named, "{name}");
    }
    let plain = folder.file("plain.csv", "x,y\n0,1\n1,1\n");
    let reading = Reading {
        row_names: true,
        ..Reading::default()
    };
    assert!(
        Tables::open(plain, &reading)
            .unwrap()
            .train
            .row_names
            .is_empty()
    );
    // What nobody stores reads as it was.
    let stored = serde_json::to_string(&reading).unwrap();
    assert!(!stored.contains("row_names"), "{stored}");
}
