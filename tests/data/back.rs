//! What a table held comes back from its states, and a cell that is wrong is named.

use harmonium::{
    dataset::{Asked, Code, Encoding, Reading, Table, Tables},
    rng::HostRng,
};
use proptest::prelude::*;
use std::fs;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Bits,
    Signs,
    Numbers,
    Codes,
    Texts,
}

const TEXTS: [&str; 5] = ["oak", "ash", "elm", "fir", "yew"];

impl Column {
    /// A cell, for uniform numbers in [0, 1).
    fn cell(self, u: f64, v: f64, low: &str) -> String {
        let k = (u * 5.0) as usize;
        match self {
            Self::Bits => ((u * 2.0) as usize).to_string(),
            Self::Signs => if u < 0.5 { low } else { "1" }.into(),
            Self::Numbers => format!("{:e}", (u - 0.5) * 10_f64.powi((v * 12.0) as i32 - 4)),
            Self::Codes => (k * k).to_string(),
            Self::Texts => TEXTS[k].into(),
        }
    }

    /// What it cannot hold.
    fn wrong(self) -> &'static str {
        match self {
            Self::Bits => "2",
            Self::Signs => "3",
            Self::Numbers | Self::Texts => "larch",
            Self::Codes => "0.5",
        }
    }
}

/// The table of a text of these cells.
fn read(cells: &[Vec<String>]) -> Table {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trees.csv");
    let names = (0..cells[0].len())
        .map(|j| format!("c{j}"))
        .collect::<Vec<_>>();
    let rows = cells.iter().map(|row| row.join(","));
    let lines: Vec<String> = std::iter::once(names.join(",")).chain(rows).collect();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let reading = Reading {
        header: Some(true),
        ..Reading::default()
    };
    Tables::open(path, &reading).unwrap().train
}

/// Whether `error` names the file and the cell.
fn names(error: &harmonium::Error, i: usize, j: usize) -> bool {
    let text = error.to_string();
    let place = format!("line {}, column \"c{j}\"", i + 2);
    ["trees.csv", &place].iter().all(|x| text.contains(x))
}

proptest! {
    #[test]
    fn tables_come_back_and_wrong_cells_are_named(
        rows in 1_usize..9,
        counts in prop::array::uniform5(0_usize..3),
        seed: u64,
        are_signs: bool,
        standardize: bool,
    ) {
        use Column::{Bits, Codes, Numbers, Signs, Texts};
        let kinds = [Bits, Signs, Numbers, Codes, Texts];
        let columns: Vec<Column> = kinds.iter().zip(counts)
            .flat_map(|(&kind, n)| std::iter::repeat_n(kind, n)).collect();
        prop_assume!(!columns.is_empty());
        let mut rng = HostRng::numbered(seed, 0);
        let low = if are_signs { "-1" } else { "0" };
        let cells: Vec<Vec<String>> = (0..rows).map(|_| {
            columns.iter().map(|x| x.cell(rng.uniform(), rng.uniform(), low)).collect()
        }).collect();
        let part = |name: &str, n: usize| (n > 0).then(|| format!("{name}:{n}"));
        let categories = (counts[3] + counts[4] > 0).then(|| "softmax".to_owned());
        let units = [
            part("bernoulli", counts[0]), part("spin", counts[1]), part("gaussian", counts[2]),
            categories,
        ];
        let asked = Asked {
            units: Some(units.into_iter().flatten().collect::<Vec<_>>().join("+")),
            standardize: standardize && counts[2] > 0,
            ..Asked::default()
        };
        let table = read(&cells);
        let encoding = Encoding::fit(&table, &asked).unwrap();
        let examples = encoding.encode(&table).unwrap();
        let back = encoding.decode(examples.states()).unwrap();
        prop_assert_eq!((back.len(), back.columns()), (rows, columns.len()));
        prop_assert_eq!(&back.names, &table.names);
        for i in 0..rows {
            for (j, code) in encoding.columns().iter().enumerate() {
                let (x, y) = (table.get(i, j), back.get(i, j));
                match code {
                    // Single precision of the state, double precision of the mean.
                    Code::Number { mean, .. } => {
                        let within = 2_f64.powi(-24) * (x - mean).abs() + 1e-15 * mean.abs();
                        prop_assert!((x - y).abs() <= 2.0 * within + 1e-30, "{} as {}", x, y);
                    }
                    _ => prop_assert_eq!(table.text(i, j), back.text(i, j)),
                }
            }
        }
        // One cell is wrong.
        let (i, j) = (seed as usize % rows, (seed / 64) as usize % columns.len());
        let mut wrong = cells;
        wrong[i][j] = columns[j].wrong().into();
        let wrong = read(&wrong);
        let error = encoding.encode(&wrong).unwrap_err();
        prop_assert!(names(&error, i, j), "{:?}: {}", columns[j], error);
        if columns[j] != Texts {
            let error = Encoding::fit(&wrong, &asked).unwrap_err();
            prop_assert!(names(&error, i, j), "{:?}: {}", columns[j], error);
        }
    }
}

/// Counts of words as a sparse text and as a table: the same states, and back to the same cells; a
/// cell that is no count is named.
#[test]
fn counts_come_back_and_wrong_cells_are_named() {
    let mut rng = HostRng::numbered(5, 0);
    let cells: Vec<Vec<usize>> = (0..40)
        .map(|i| {
            (0..6)
                .map(|j| if (i + j) % 3 == 0 { rng.below(300) } else { 0 })
                .collect()
        })
        .collect();
    let texts: Vec<Vec<String>> = cells
        .iter()
        .map(|row| row.iter().map(usize::to_string).collect())
        .collect();
    let asked = Asked {
        units: Some("counts".into()),
        ..Asked::default()
    };
    let table = read(&texts);
    let encoding = Encoding::fit(&table, &asked).unwrap();
    assert!(encoding.columns().iter().all(|code| *code == Code::Count));
    assert_eq!(Encoding::from_json(&encoding.to_json()).unwrap(), encoding);
    let examples = encoding.encode(&table).unwrap();
    let back = encoding.decode(examples.states()).unwrap();
    for (i, row) in cells.iter().enumerate() {
        for (j, &n) in row.iter().enumerate() {
            assert_eq!(examples.states().get(i, j), n as f32);
            assert_eq!(back.text(i, j), n.to_string());
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("words.svm");
    let line = |row: &Vec<usize>| {
        let words = row.iter().enumerate().filter(|(_, n)| **n > 0);
        let fields: Vec<String> = words.map(|(j, n)| format!("{}:{n}", j + 1)).collect();
        format!("0 {}\n", fields.join(" "))
    };
    fs::write(&path, cells.iter().map(line).collect::<String>()).unwrap();
    let sparse = Tables::open(&path, &Reading::default()).unwrap().train;
    let of_sparse = Encoding::fit(&sparse, &asked)
        .unwrap()
        .encode(&sparse)
        .unwrap();
    assert_eq!(of_sparse.states(), examples.states());
    for wrong in ["0.5", "-1", "", "larch"] {
        let mut texts = texts.clone();
        texts[7][4] = wrong.into();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trees.csv");
        let rows: Vec<String> = texts.iter().map(|row| row.join(",")).collect();
        fs::write(&path, format!("c0,c1,c2,c3,c4,c5\n{}\n", rows.join("\n"))).unwrap();
        let reading = Reading {
            header: Some(true),
            missing: true,
            ..Reading::default()
        };
        let table = Tables::open(path, &reading).unwrap().train;
        let error = Encoding::fit(&table, &asked).unwrap_err();
        assert!(names(&error, 7, 4), "{wrong:?}: {error}");
    }
}
