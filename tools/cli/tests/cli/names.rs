//! Names of examples and columns in what is written, and test files of another width.

use crate::common::Bench;
use std::fs;

fn lines(bench: &Bench, name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(bench.path(name)).unwrap();
    let row = |line: &str| line.split(',').map(str::to_owned).collect();
    text.lines().map(row).collect()
}

/// The first fields of the rows under the head.
fn names(rows: &[Vec<String>]) -> Vec<&str> {
    rows[1..].iter().map(|row| &*row[0]).collect()
}

#[test]
fn sequences_keep_their_names() {
    let bench = Bench::new();
    let sequence = |i: usize| {
        let letters = (0..6).map(|j| ["A", "C", "G", "T"][(i * j + i) % 4]);
        format!(">seq{i} of 12\n{}\n", letters.collect::<String>())
    };
    fs::write(
        bench.path("a.fasta"),
        (0..12).map(sequence).collect::<String>(),
    )
    .unwrap();
    bench.ok("train --data a.fasta --visible-units softmax --hidden 3 --epochs 2");
    let expected: Vec<String> = (0..12).map(|i| format!("seq{i} of 12")).collect();
    bench.ok("evaluate --exact --scores s.csv");
    let scores = lines(&bench, "s.csv");
    assert_eq!(
        scores[0],
        ["name", "example", "free_energy", "log_likelihood"]
    );
    assert_eq!(names(&scores), expected);
    bench.ok("transform --out f.csv");
    let features = lines(&bench, "f.csv");
    assert_eq!(features[0], ["name", "h0", "h1", "h2"]);
    assert_eq!(names(&features), expected);
    bench.ok("transform --out with.csv --with-data");
    let head = &lines(&bench, "with.csv")[0];
    assert_eq!(
        (head.len(), &*head[1], &*head[31]),
        (1 + 30 + 3, "v0", "h0")
    );
    // Of a part that was split, the names go with the examples.
    bench.ok(
        "train --data a.fasta --visible-units softmax --hidden 3 --epochs 1 --validation 4 --out b",
    );
    bench.ok("evaluate b/model.safetensors --exact --scores all.csv --data a.fasta --split train");
    let part = lines(&bench, "all.csv");
    assert_eq!(part.len(), 9);
    bench.ok("transform b/model.safetensors --out part.csv --split train");
    assert_eq!(names(&lines(&bench, "part.csv")), names(&part));
    fs::copy(bench.path("a.fasta"), bench.path("copy.fasta")).unwrap();
    bench.ok("evaluate b/model.safetensors --exact --scores whole.csv --data copy.fasta");
    let whole = lines(&bench, "whole.csv");
    for row in &part[1..] {
        let same = whole.iter().find(|x| x[0] == row[0]).unwrap();
        assert_eq!(same[2..], row[2..], "{row:?}");
    }
}

#[test]
fn tables_keep_the_names_of_rows_and_columns() {
    let bench = Bench::new();
    let row = |i: u8| format!("p{i},{},{},{},k{}\n", i % 2, i / 2 % 2, i / 4 % 2, i % 2);
    let rows: String = (0..16).map(row).collect();
    fs::write(bench.path("a.csv"), format!(",left,mid,right,kind\n{rows}")).unwrap();
    bench.ok("train --data a.csv --label kind --labels --hidden 3 --epochs 2");
    bench.ok("classify --out c.csv");
    let classes = lines(&bench, "c.csv");
    assert_eq!(classes[0], ["name", "kind=k0", "kind=k1"]);
    let expected: Vec<String> = (0..16).map(|i| format!("p{i}")).collect();
    assert_eq!(names(&classes), expected);
    bench.ok("transform --out f.csv --with-data");
    let features = lines(&bench, "f.csv");
    assert_eq!(
        features[0],
        ["name", "left", "mid", "right", "h0", "h1", "h2"]
    );
    assert_eq!(features[6][..4], ["p5", "1", "0", "1"]);
    // Without names there is no column of them.
    bench.ok("train --data bars.csv --hidden 3 --epochs 1 --out plain");
    bench.ok("transform plain/model.safetensors --out g.csv");
    let plain = lines(&bench, "g.csv");
    assert_eq!(plain[0], ["h0", "h1", "h2"]);
    assert_eq!(plain.len(), 17);
}

#[test]
fn the_model_says_how_wide_a_sparse_file_is() {
    let bench = Bench::new();
    let row = |i: usize| format!("{} {}:1 {}:1\n", i % 2, 1 + i % 8, 9 + i % 12);
    let text: String = (0..30).map(row).collect();
    fs::write(bench.path("train.svm"), &text).unwrap();
    bench.ok("train --data train.svm --hidden 3 --epochs 2");
    fs::write(bench.path("test.svm"), "0 1:1 18:1\n1 3:1\n").unwrap();
    let told = bench.json("evaluate --data test.svm --exact --scores s.csv --json");
    assert_eq!(told["count"], 2, "{told}");
    // The same as dense rows.
    let dense = |ones: &[usize]| {
        (0..20)
            .map(|j| f32::from(u8::from(ones.contains(&j))))
            .collect()
    };
    bench.csv("dense.csv", [dense(&[0, 17]), dense(&[2])].into_iter());
    bench.ok("evaluate --data dense.csv --exact --scores d.csv");
    assert_eq!(lines(&bench, "s.csv"), lines(&bench, "d.csv"));
    fs::write(bench.path("wide.svm"), "0 1:1\n1 21:1\n").unwrap();
    let words = ["wide.svm", "from 1 to 20", "21 in line 2"];
    bench.refused("evaluate --data wide.svm", 1, &words);
    // A machine that does not say what its columns are has units at least.
    bench.ok("convert run/model.safetensors plain.npz");
    bench.ok("evaluate plain.npz --data test.svm --exact --scores n.csv");
    assert_eq!(lines(&bench, "s.csv"), lines(&bench, "n.csv"));
    bench.refused("evaluate plain.npz --data wide.svm", 1, &words);
}
