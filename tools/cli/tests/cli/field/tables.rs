//! Tables, texts and arrays of data.

use super::inputs::{Draw, array, column, correlation, deviation, lines, mean, table};
use crate::common::Bench;
use harmonium::dataset::Code;
use std::{collections::BTreeSet, fs, process::Command};

const GAUSSIAN: &str = "--visible-units gaussian --standardize --hidden 4";

/// Mean and deviation of each column of a trained machine.
fn standardization(bench: &Bench, out: &str) -> Vec<[f64; 2]> {
    let model = bench.model(&format!("{out}/model.safetensors"));
    let number = |code: &Code| match code {
        Code::Number { mean, deviation } => [*mean, *deviation],
        other => panic!("{other:?}"),
    };
    let encoding = model.encoding.unwrap();
    encoding.columns().iter().map(number).collect()
}

#[test]
fn columns_of_mixed_scales_have_their_own_deviations() {
    let bench = Bench::new();
    let mut draw = Draw(20);
    // Three columns share a factor, the fourth is unrelated and large.
    let rows: Vec<[f64; 4]> = (0..2000)
        .map(|_| {
            let z = if draw.uniform() < 0.5 { -1.0 } else { 1.0 };
            [
                z + 0.3 * draw.normal(),
                -z + 0.3 * draw.normal(),
                5e4 + 2e4 * draw.normal(),
                0.01 * z + 0.003 * draw.normal(),
            ]
        })
        .map(|row| row.map(|x| (x * 1e6).round() / 1e6))
        .collect();
    let head = "ratio,ratio2,income,rate".to_owned();
    let text = rows.iter().map(|[a, b, c, d]| format!("{a},{b},{c},{d}"));
    lines(
        &bench,
        "mixed.csv",
        std::iter::once(head.clone()).chain(text),
    );
    bench.ok(&format!("train --data mixed.csv {GAUSSIAN}"));
    for (j, [_, found]) in standardization(&bench, "run").into_iter().enumerate() {
        let own = deviation(&rows.iter().map(|row| row[j]).collect::<Vec<_>>());
        assert!((found / own - 1.0).abs() < 1e-9, "{j}: {found} for {own}");
    }
    bench.ok("sample run/model.safetensors --count 1000 --steps 100 --out s.csv");
    let (names, samples) = table(&bench, "s.csv");
    assert_eq!(names.join(","), head);
    let of = |j| column(&samples, j);
    for (i, j, sign) in [(0, 1, -1.0), (0, 3, 1.0), (1, 3, -1.0)] {
        let found = sign * correlation(&of(i), &of(j));
        assert!(found > 0.25, "{i}, {j}: {found}");
    }
    let income = mean(&of(2));
    assert!((income - 5e4).abs() < 5e3, "{income}");
    // Held values are in the table's terms; fields that are empty are free.
    lines(&bench, "held.csv", [head, ",,18371,".into()]);
    bench.ok("sample run/model.safetensors --count 50 --steps 20 --clamp held.csv --out s.csv");
    let samples = table(&bench, "s.csv").1;
    // Single precision, of 20,000.
    let off = column(&samples, 2)
        .iter()
        .map(|x| (x - 18_371.0).abs())
        .fold(0.0, f64::max);
    assert!(off < 0.01, "{off}");
    assert!(deviation(&column(&samples, 0)) > 0.5);
}

#[test]
fn times_of_seconds_stay_apart() {
    let bench = Bench::new();
    let mut draw = Draw(3);
    let rows: Vec<(String, String)> = (0..500)
        .map(|_| {
            let (a, b) = (draw.normal(), draw.normal());
            (
                format!("{:.3}", 1.7e9 + 50.0 * a),
                format!("{:.4}", a + 0.1 * b),
            )
        })
        .collect();
    let text = rows.iter().map(|(time, value)| format!("{time},{value}"));
    lines(
        &bench,
        "seconds.csv",
        std::iter::once("time,value".into()).chain(text),
    );
    let plain =
        "train --data seconds.csv --visible-units gaussian --hidden 4 --epochs 1 --out plain";
    let told = bench.run(plain).stderr;
    assert!(
        told.contains("of column \"time\" differ too little"),
        "{told}"
    );
    bench.ok(&format!("train --data seconds.csv {GAUSSIAN} --epochs 3"));
    let times: Vec<f64> = rows.iter().map(|x| x.0.parse().unwrap()).collect();
    let distinct = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<BTreeSet<_>>().len();
    let [found_mean, found_deviation] = standardization(&bench, "run")[0];
    let own = deviation(&times);
    assert!((found_mean - mean(&times)).abs() < 1e-6 * own);
    assert!((found_deviation - own).abs() < 1e-6 * own);
    bench.ok("sample run/model.safetensors --from-data --steps 0 --count 500 --out s.csv");
    let back = column(&table(&bench, "s.csv").1, 0);
    assert_eq!(distinct(&back), distinct(&times));
    for (x, y) in times.iter().zip(&back) {
        assert!((x - y).abs() < 1e-6 * own, "{x} as {y}");
    }
}

#[test]
fn genotypes_are_categories_when_asked() {
    let bench = Bench::new();
    let mut draw = Draw(5);
    let population: Vec<usize> = (0..600).map(|_| draw.below(2)).collect();
    let p = [0.15, 0.85];
    let mut allele = |k: usize| u8::from(draw.uniform() < p[k]);
    let cells: Vec<u8> = population
        .iter()
        .flat_map(|&k| [k; 30])
        .map(|k| allele(k) + allele(k))
        .collect();
    array(&bench, "u8.npy", 30, cells.iter().copied());
    array(&bench, "i64.npy", 30, cells.iter().map(|&x| i64::from(x)));
    for name in ["u8", "i64"] {
        let train = format!("train --data {name}.npy --hidden 8");
        let words = [
            &*format!("{name}.npy"),
            "found 2 in row",
            "column",
            "softmax",
            "gaussian",
        ];
        bench.refused(&train, 1, &words);
        bench.ok(&format!(
            "{train} --visible-units softmax --epochs 100 --out {name}"
        ));
    }
    let of = |name: &str| bench.model(&format!("{name}/model.safetensors"));
    let (a, b) = (of("u8"), of("i64"));
    assert_eq!(a.model, b.model);
    assert_eq!(a.encoding, b.encoding);
    for code in a.encoding.unwrap().columns() {
        let Code::Category { values } = code else {
            panic!("{code:?}");
        };
        assert_eq!(***values, ["0", "1", "2"]);
    }
    bench.ok("transform u8/model.safetensors --out f.npy");
    let bytes = fs::read(bench.path("f.npy")).unwrap();
    let features: Vec<f32> = npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap();
    let population: Vec<f64> = population.iter().map(|&x| x as f64).collect();
    let best = (0..8)
        .map(|k| {
            let unit: Vec<f64> = features
                .iter()
                .skip(k)
                .step_by(8)
                .map(|&x| x.into())
                .collect();
            correlation(&unit, &population).abs()
        })
        .fold(0.0, f64::max);
    assert!(best > 0.9, "{best}");
}

#[test]
fn counts_are_numbers_as_they_are() {
    let bench = Bench::new();
    let mut draw = Draw(6);
    let counts: Vec<u8> = (0..2400)
        .map(|_| draw.below(4) as u8 * draw.below(3) as u8)
        .collect();
    array(&bench, "counts.npy", 12, counts.iter().copied());
    bench.ok("train --data counts.npy --visible-units gaussian --hidden 4 --epochs 2");
    assert_eq!(standardization(&bench, "run"), [[0.0, 1.0]; 12]);
    bench.ok("sample --from-data --steps 0 --count 200 --out s.csv");
    let back: Vec<u8> = table(&bench, "s.csv")
        .1
        .concat()
        .iter()
        .map(|x| x.parse().unwrap())
        .collect();
    assert_eq!(back, counts);
}

#[test]
fn pixels_beside_a_label_are_scaled_when_asked() {
    let bench = Bench::new();
    let mut draw = Draw(7);
    let head: Vec<String> = (0..16).map(|i| format!("pixel{i}")).collect();
    let head = format!("label,{}", head.join(","));
    let rows: Vec<Vec<usize>> = (0..200)
        .map(|_| {
            let digit = draw.below(10);
            std::iter::once(digit)
                .chain((0..16).map(|_| draw.below(256)))
                .collect()
        })
        .collect();
    let text = |row: &Vec<usize>| {
        let fields: Vec<String> = row.iter().map(ToString::to_string).collect();
        fields.join(",")
    };
    lines(
        &bench,
        "pixels.csv",
        std::iter::once(head).chain(rows.iter().map(text)),
    );
    let train = "train --data pixels.csv --hidden 4 --epochs 2";
    let (line, j) = (0..200)
        .flat_map(|i| (1..17).map(move |j| (i, j)))
        .find(|&(i, j)| rows[i][j] > 1)
        .unwrap();
    let place = format!(
        "{} in line {}, column \"pixel{}\"",
        rows[line][j],
        line + 2,
        j - 1
    );
    bench.refused(train, 1, &["pixels.csv", &place, "--scale 255"]);
    let ran = bench.run(&format!("{train} --scale 255"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for words in [
        "16 columns of probabilities",
        "\"label\" holds the labels, of 10 classes",
    ] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    let encoding = bench.model("run/model.safetensors").encoding.unwrap();
    assert_eq!((encoding.scale(), encoding.columns().len()), (255.0, 16));
    bench.ok("sample --from-data --steps 0 --count 200 --values means --out s.csv");
}

/// 50 rows of 6 bits, and a class each.
fn bits() -> (Vec<[u8; 6]>, Vec<usize>) {
    let mut draw = Draw(8);
    let rows = (0..50)
        .map(|_| std::array::from_fn(|_| draw.below(2) as u8))
        .collect();
    (rows, (0..50).map(|_| draw.below(2)).collect())
}

fn joined(row: &[u8; 6], by: &str, of: impl Fn(u8) -> String) -> String {
    row.map(of).join(by)
}

/// The text of a row, by its number and its bits.
type Row<'a> = dyn Fn((usize, &[u8; 6])) -> String + 'a;

const NAMES: [&str; 6] = ["f0", "f1", "f2", "f3", "f4", "f5"];

#[test]
fn texts_as_programs_write_them_are_50_examples_of_6_columns() {
    let bench = Bench::new();
    let rows = bits().0;
    let plain = |x: u8| x.to_string();
    let all = |name: &str, head: String, row: &Row<'_>| {
        let text = rows.iter().enumerate().map(row);
        lines(&bench, name, std::iter::once(head).chain(text));
    };
    let row = |by: &'static str| move |(_, row): (usize, &[u8; 6])| joined(row, by, plain);
    all("numbers.csv", "0,1,2,3,4,5".into(), &row(","));
    all("index.csv", format!(",{}", NAMES.join(",")), &|(i, row)| {
        format!("{i},{}", joined(row, ",", plain))
    });
    all("semicolon.csv", NAMES.join(";"), &row(";"));
    all("tab.tsv", NAMES.join("\t"), &row("\t"));
    all("booleans.csv", NAMES.join(","), &|(_, row)| {
        joined(row, ",", |x| if x == 1 { "True" } else { "False" }.into())
    });
    let mut models = Vec::new();
    for (name, said) in [
        (
            "numbers.csv",
            "the first line counts the columns and is their header",
        ),
        (
            "index.csv",
            "the first column holds row names and is left out",
        ),
        ("semicolon.csv", "6 columns of bits"),
        ("tab.tsv", "6 columns of bits"),
        ("booleans.csv", "6 columns of bits"),
    ] {
        let line = format!("train --data {name} --hidden 3 --epochs 2 --json --force");
        let ran = bench.run(&line);
        assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{name}: {}", ran.stderr);
        let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!([&told["count"], &told["n_visible"]], [50, 6], "{name}");
        models.push(bench.model("run/model.safetensors").model);
    }
    assert!(models.iter().all(|x| *x == models[0]));
}

#[test]
fn a_first_row_with_an_odd_field_is_refused() {
    let bench = Bench::new();
    lines(
        &bench,
        "odd.csv",
        ["?,1,0", "1,1,0", "0,1,0"].map(Into::into),
    );
    bench.refused(
        "train --data odd.csv --hidden 3 --epochs 1",
        1,
        &["odd.csv", "line 1, column 1", "missing", "--missing"],
    );
}

#[test]
fn labels_are_classes_by_their_names() {
    let bench = Bench::new();
    let (rows, classes) = bits();
    for (column, names) in [
        ("species", ["cat", "dog"]),
        ("label", ["0.0", "1.0"]),
        ("target", ["-1", "1"]),
    ] {
        let head = format!("{},{column}", NAMES.join(","));
        let text = rows.iter().zip(&classes);
        let text =
            text.map(|(row, &y)| format!("{},{}", joined(row, ",", |x| x.to_string()), names[y]));
        lines(&bench, "l.csv", std::iter::once(head.clone()).chain(text));
        let names = names.map(|x| x.trim_end_matches(".0").to_owned());
        bench.ok(&format!(
            "train --data l.csv --label {column} --labels --hidden 3 --epochs 5 --force"
        ));
        let encoding = bench.model("run/model.safetensors").encoding.unwrap();
        let found = encoding.classes().unwrap();
        assert_eq!((&*found.name, &found.names[..]), (column, &names[..]));
        assert_eq!(encoding.columns().len(), 6);
        bench.ok("sample --out s.csv");
        let (samples_head, samples) = table(&bench, "s.csv");
        assert_eq!(samples_head.join(","), head);
        assert!(samples.iter().all(|row| names.contains(&row[6])));
        bench.ok("evaluate --exact --scores scores.csv --json");
        let scores = table(&bench, "scores.csv").0;
        assert_eq!(scores[3..], names.clone().map(|x| format!("class_{x}")));
        let text = bench.ok("classify --split train --out p.csv");
        let of_column = names.clone().map(|x| format!("{column}={x}"));
        assert_eq!(table(&bench, "p.csv").0, of_column);
        for name in &names {
            assert!(text.contains(&format!("label {name} ")), "{text}");
            bench.ok(&format!("sample --label {name} --count 3 --out s.csv"));
            let (_, samples) = table(&bench, "s.csv");
            assert!(samples.iter().all(|row| row[6] == *name), "{samples:?}");
        }
        bench.refused(
            "sample --label bird --out s.csv",
            2,
            &["bird", &names.join(", ")],
        );
    }
}

#[test]
fn codes_and_letters_are_learned_and_come_back() {
    let bench = Bench::new();
    let mut draw = Draw(10);
    let rows: Vec<[u8; 8]> = (0..400)
        .map(|_| {
            let mut row = std::array::from_fn(|_| draw.below(5) as u8);
            row[1] = row[0];
            row
        })
        .collect();
    array(&bench, "codes.npy", 8, rows.concat());
    let head: Vec<String> = (0..8).map(|j| format!("q{j}")).collect();
    let letters = rows
        .iter()
        .map(|row| row.map(|x| char::from(b'A' + x).to_string()).join(","));
    lines(
        &bench,
        "letters.csv",
        std::iter::once(head.join(",")).chain(letters),
    );
    let mut all = Vec::new();
    for name in ["codes.npy", "letters.csv"] {
        bench.ok(&format!(
            "train --data {name} --visible-units softmax --hidden 8 --learning-rate 0.5 \
             --epochs 500 --force"
        ));
        bench.ok("sample --steps 200 --count 400 --out s.csv");
        let (_, samples) = table(&bench, "s.csv");
        let same = samples.iter().filter(|row| row[0] == row[1]).count();
        assert!(same > 360, "{name}: {same} of 400 agree");
        all.push(samples);
    }
    let values = |k: usize| all[k].concat().into_iter().collect::<BTreeSet<_>>();
    assert!(values(0).into_iter().eq(["0", "1", "2", "3", "4"]));
    assert!(values(1).into_iter().eq(["A", "B", "C", "D", "E"]));
}

#[test]
fn aligned_sequences_are_sites_of_states() {
    let bench = Bench::new();
    let (mut draw, letters) = (Draw(11), b"-ACDEFGHIKLMNPQRSTVWY");
    let mut text = Vec::new();
    for i in 0..60 {
        text.push(format!(">s{i}"));
        text.push(
            (0..12)
                .map(|_| char::from(letters[draw.below(21)]))
                .collect(),
        );
    }
    lines(&bench, "sequences.fasta", text);
    let line = "train --data sequences.fasta --hidden 4 --epochs 2";
    bench.refused(line, 1, &["sequences.fasta", "softmax"]);
    bench.ok(&format!("{line} --visible-units softmax"));
    let model = bench.model("run/model.safetensors");
    let encoding = model.encoding.unwrap();
    assert_eq!(
        (encoding.columns().len(), encoding.units().size()),
        (12, 12 * 21)
    );
    bench.ok("sample --out s.csv --steps 5");
    let (_, samples) = table(&bench, "s.csv");
    assert!(
        samples
            .concat()
            .iter()
            .all(|x| x.len() == 1 && letters.contains(&x.as_bytes()[0]))
    );
}

/// A matrix whose dense form is larger than the memory that the program has.
#[test]
#[cfg(target_os = "linux")]
fn sparse_matrices_never_are_dense_as_a_whole() {
    let bench = Bench::new();
    // 100,000 x 4000 numbers of 4 bytes are 1.6 GB.
    let rows = (0..100_000).map(|i| format!("{} {}:0.5", i % 2, i % 4000 + 1));
    lines(&bench, "sparse.svm", rows);
    let limited = |line: &str| {
        let command = bench.command(line);
        Command::new("sh")
            .args(["-c", "ulimit -v 1000000 && exec \"$0\" \"$@\""])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(bench.path(""))
            .output()
            .unwrap()
    };
    let line = "train --data sparse.svm --hidden 2 --epochs 1 --chains 10 \
                --batch-size 1000 --threads 2 --json";
    // Their bits fit: nothing is said, all examples are in memory.
    let is_told = |flags: &str, code: i32, words: &[&str]| {
        let ran = limited(&format!("{line} {flags}"));
        let told = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{told}");
        for word in words {
            assert!(told.contains(word), "{told} should tell of {word}");
        }
        !told.contains("--stream")
    };
    assert!(is_told("--dry-run", 0, &["100000 training, 0 validation"]));
    // Numbers do not, which is said before anything is taken: they come by the minibatch.
    let big = "1600 MB for the 100000 x 4000";
    is_told(
        "--resample --out numbers",
        0,
        &[big, "free", "by the minibatch, as with --stream"],
    );
    let file = bench.model("numbers/model.safetensors");
    assert_eq!(file.notes["stream"], "true");
    assert_eq!(file.run.unwrap().position().updates, 100);
    // What no stream can be is refused.
    let words = [big, "sparse.svm", "free", "--stream"];
    is_told("--resample --validation 5 --out none", 1, &words);
    assert!(!bench.path("none").exists());
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/files/csr.npz"
    );
    fs::copy(file, bench.path("csr.npz")).unwrap();
    let train = "train --data csr.npz --visible-units gaussian --hidden 2 --epochs 2 --json";
    let told = bench.json(&format!("{train} --out npz"));
    assert_eq!([&told["count"], &told["n_visible"]], [5, 7]);
}
