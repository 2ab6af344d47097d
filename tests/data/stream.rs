//! Examples read from a file as they are needed, against the same examples in memory.

use crate::common::files::{Directory, npy};
use harmonium::{
    Binarization, Dataset, Examples, Rbm, RbmTraining, States,
    dataset::{Asked, BLOCK_ROWS, ExampleStream, Reading, WINDOW_BLOCKS},
    matrix::Matrix,
    train::{Learning, Negative, RbmLearner, RbmOptions, Reconstruction},
};

const ROWS: usize = 300;
const COLUMNS: usize = 70;

fn byte(i: usize, j: usize) -> u8 {
    ((i * 37 + j * 11) % 256) as u8
}

fn bytes(rows: usize) -> Vec<u8> {
    (0..rows * COLUMNS)
        .map(|k| byte(k / COLUMNS, k % COLUMNS))
        .collect()
}

/// Every row of `examples` as bits of its numbers.
fn rows(examples: &Examples) -> Vec<Vec<u32>> {
    let row = |i: usize| -> Vec<u32> {
        match examples.states() {
            States::Bits(x) => (0..x.columns()).map(|j| u32::from(x.get(i, j))).collect(),
            States::Real(x) => x.row(i).iter().map(|x| x.to_bits()).collect(),
        }
    };
    (0..examples.len()).map(row).collect()
}

/// The same examples as numbers.
fn numbers(examples: &Examples) -> Examples {
    Examples::new(examples.states().to_matrix()).unwrap()
}

#[test]
fn every_format_streams_what_it_holds() {
    let directory = Directory::new();
    let pixels = bytes(ROWS);
    let shape = format!("({ROWS}, {COLUMNS})");
    let mut idx = vec![0, 0, 8, 3, 0, 0, 1, 44, 0, 0, 0, 7, 0, 0, 0, 10];
    idx.extend(&pixels);
    let le: Vec<u8> = pixels
        .iter()
        .flat_map(|&x| (f32::from(x) / 255.0).to_le_bytes())
        .collect();
    let be: Vec<u8> = pixels
        .iter()
        .flat_map(|&x| (f32::from(x) / 255.0).to_be_bytes())
        .collect();
    let ones: Vec<u8> = pixels.iter().map(|&x| x & 1).collect();
    let files = [
        directory.file("a.idx", &idx),
        directory.file("b.npy", &npy("|u1", &shape, "False", &pixels)),
        directory.file("c.npy", &npy("<f4", &shape, "False", &le)),
        directory.file("d.npy", &npy(">f4", &shape, "False", &be)),
        directory.file("e.npy", &npy("|u1", &shape, "False", &ones)),
        directory.file("f.npy", &npy("|b1", &shape, "False", &ones)),
    ];
    for path in files {
        // Bytes of an array of two dimensions are gray values if somebody says so.
        let is_gray = path.ends_with("b.npy");
        let reading = Reading {
            scale: is_gray.then_some(255.0),
            ..Reading::default()
        };
        let asked = Asked::default();
        let whole = Dataset::open_as(&path, &reading, &asked).unwrap();
        let stream = ExampleStream::open_as(&path, &reading, &asked).unwrap();
        assert_eq!((stream.len(), stream.columns()), (ROWS, COLUMNS));
        assert_eq!(stream.encoding(), &whole.encoding);
        assert_eq!(
            stream.range(0, ROWS).unwrap().states().to_matrix(),
            whole.train.states().to_matrix(),
            "{}",
            path.display()
        );
        assert_eq!(stream.range(290, 100).unwrap().len(), 10);
        assert_eq!(
            rows(&stream.sample(3).unwrap()),
            [0, 100, 200].map(|i| rows(&numbers(&whole.train))[i].clone())
        );
        for how in [Binarization::Sampled, Binarization::Threshold(0.3)] {
            let bits = stream.clone().binarized(how, 7).range(0, ROWS).unwrap();
            assert_eq!(bits, whole.clone().binarized(how, 7).train, "{how}");
        }
    }
}

#[test]
fn categories_are_found_in_all_parts_of_a_file() {
    let directory = Directory::new();
    let (rows, asked) = (2 * BLOCK_ROWS + 50, |units: &str| Asked {
        units: Some(units.into()),
        ..Asked::default()
    });
    let both = |name: &str, value: &dyn Fn(usize, usize) -> u8, units: &str| {
        let bytes: Vec<u8> = (0..rows * 4).map(|k| value(k / 4, k % 4)).collect();
        let shape = format!("({rows}, 4)");
        let path = directory.file(name, &npy("|u1", &shape, "False", &bytes));
        let (reading, asked) = (Reading::default(), asked(units));
        let whole = Dataset::open_as(&path, &reading, &asked).unwrap();
        let stream = ExampleStream::open_as(&path, &reading, &asked).unwrap();
        assert_eq!(stream.encoding(), &whole.encoding, "{name}");
        let all = stream.range(0, rows).unwrap();
        assert_eq!(all.states().to_matrix(), whole.train.states().to_matrix());
        let groups = stream.encoding().units().segments().iter();
        groups.map(|x| x.size).collect::<Vec<_>>()
    };
    // A 9 in the last part alone: 0 to 9 are not most of what comes, so there are those that come.
    let late = |i: usize, j: usize| match (i, j) {
        (2080, 2) => 9,
        _ => ((i + j) % 3) as u8,
    };
    assert_eq!(both("late.npy", &late, "softmax"), [4; 4]);
    assert_eq!(both("told.npy", &late, "softmax:10*4"), [10; 4]);
    // One group of four units, until the last part has a row of two ones.
    let one = |i: usize, j: usize| u8::from(i % 4 == j);
    assert_eq!(both("one.npy", &one, "softmax"), [4]);
    let two = |i: usize, j: usize| u8::from(i % 4 == j || i == 2090 && j < 2);
    assert_eq!(both("two.npy", &two, "softmax"), [2; 4]);
    // More categories than there can be, with the cell of the one too many.
    let rows = 70_000;
    let bytes: Vec<u8> = (0..rows as u32).flat_map(u32::to_le_bytes).collect();
    let path = directory.file(
        "many.npy",
        &npy("<u4", &format!("({rows}, 1)"), "False", &bytes),
    );
    let (reading, asked) = (Reading::default(), asked("softmax"));
    let whole = Dataset::open_as(&path, &reading, &asked)
        .unwrap_err()
        .to_string();
    let stream = ExampleStream::open_as(&path, &reading, &asked)
        .unwrap_err()
        .to_string();
    assert_eq!(stream, whole);
    assert!(
        stream.contains("categories") && stream.contains("row "),
        "{stream}"
    );
}

#[test]
fn an_epoch_has_every_row_once_in_an_order_of_its_own() {
    let directory = Directory::new();
    // More than a window, and a last block that is not whole.
    let n = BLOCK_ROWS * WINDOW_BLOCKS + 2 * BLOCK_ROWS + 77;
    let numbers: Vec<u8> = (0..n)
        .flat_map(|i| (i as f32 / n as f32).to_le_bytes())
        .collect();
    let path = directory.file(
        "rows.npy",
        &npy("<f4", &format!("({n}, 1)"), "False", &numbers),
    );
    let stream = ExampleStream::open(path).unwrap();
    let order = |epoch: u64| -> Vec<u32> {
        let batches = stream.epoch(3, epoch, 100).unwrap();
        let batches: Vec<Examples> = batches.collect::<Result<_, _>>().unwrap();
        let (last, others) = batches.split_last().unwrap();
        assert!(others.iter().all(|x| x.len() == 100) && last.len() == n % 100);
        batches
            .iter()
            .flat_map(|x| rows(x).into_iter().map(|row| row[0]))
            .collect()
    };
    let (first, again, second) = (order(0), order(0), order(1));
    assert_eq!(first, again);
    assert_ne!(first, second);
    // Of a random order, a row is followed by its successor with probability 1 / n: 1 of n on
    // average, 20 are out of the question.
    let place: Vec<usize> = first
        .iter()
        .map(|&x| (f32::from_bits(x) * n as f32).round() as usize)
        .collect();
    assert!(place.windows(2).filter(|w| w[1] == w[0] + 1).count() < 20);
    let mut sorted = place;
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..n));
    // A reader whose receiver is gone ends; nothing waits for it.
    drop(stream.epoch(3, 0, 1).unwrap());
    assert!(stream.epoch(3, 0, 0).is_err());
}

#[test]
fn hostile_headers_are_refused_before_anything_is_allocated() {
    let directory = Directory::new();
    let huge = usize::MAX.to_string();
    for (k, (bytes, word)) in [
        (npy("|u1", "(300, 70)", "False", &bytes(299)), "300 x 70"),
        (npy("|u1", "(300, 70)", "False", &bytes(301)), "300 x 70"),
        (npy("|u1", "(300, 70)", "True", &bytes(300)), "C order"),
        (
            npy("|u1", "(21000,)", "False", &bytes(300)),
            "two or more dimensions",
        ),
        (npy("|u1", "(0, 70)", "False", &[]), "at least one example"),
        (npy("|u1", "(3, 0)", "False", &[]), "at least one value"),
        (
            npy("<f4", &format!("({huge}, 2)"), "False", &[0; 8]),
            "file of",
        ),
        (
            npy("<f4", &format!("(2, {huge}, 2)"), "False", &[0; 8]),
            "fits into memory",
        ),
        (
            npy("<f4", &format!("({huge}, {huge})"), "False", &[0; 8]),
            "file of",
        ),
        (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "header"),
        (
            vec![
                0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
            ],
            "fits into memory",
        ),
        (
            vec![0, 0, 8, 2, 0, 0, 1, 44, 0, 0, 0, 70, 1, 2, 3],
            "300 x 70",
        ),
        (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0], ""),
        (b"1,2,3\n".to_vec(), "IDX or NPY"),
        (Vec::new(), "empty file"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = directory.file(&format!("hostile{k}"), &bytes);
        let message = ExampleStream::open(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("hostile{k}")), "{message}");
        assert!(message.contains(word), "{word}: {message}");
    }
    let mut numbers = [0.5_f32; 6].map(f32::to_le_bytes).concat();
    numbers[16..20].copy_from_slice(&f32::NAN.to_le_bytes());
    let path = directory.file("nan.npy", &npy("<f4", "(3, 2)", "False", &numbers));
    let message = ExampleStream::open(path)
        .unwrap()
        .range(0, 3)
        .unwrap_err()
        .to_string();
    assert!(message.contains("row 3, column 1"), "{message}");
}

fn options(negative: Negative) -> RbmOptions {
    RbmOptions {
        negative,
        learning: Learning {
            epochs: 2,
            batch_size: 64,
            seed: 5,
            ..Learning::default()
        },
        ..RbmOptions::default()
    }
}

#[test]
fn training_from_a_file_is_training_on_its_minibatches_and_resumes_to_the_bit() {
    let directory = Directory::new();
    let path = directory.file(
        "x.npy",
        &npy(
            "|u1",
            &format!("({ROWS}, {COLUMNS})"),
            "False",
            &bytes(ROWS),
        ),
    );
    let pcd = Negative::Persistent {
        chains: 10,
        steps: 1,
    };
    for (negative, how, resample) in [
        (pcd, Binarization::Sampled, false),
        (pcd, Binarization::None, true),
        (
            Negative::ContrastiveDivergence {
                steps: 2,
                reconstruction: Reconstruction::Sampled,
            },
            Binarization::None,
            false,
        ),
    ] {
        let options = RbmOptions {
            learning: Learning {
                resample_data: resample,
                ..options(negative).learning
            },
            ..options(negative)
        };
        let reading = Reading {
            scale: Some(255.0),
            ..Reading::default()
        };
        let stream = ExampleStream::open_as(&path, &reading, &Asked::default());
        let stream = stream.unwrap().binarized(how, 5);
        let start = stream.sample(100).unwrap();
        let rbm = Rbm::bernoulli(&[COLUMNS, 20])
            .unwrap()
            .initialized_from(&start, 1)
            .unwrap();
        let new = || {
            RbmTraining::new(rbm.clone(), options.clone(), &start)
                .unwrap()
                .fed(ROWS)
        };
        let go = std::ops::ControlFlow::Continue;
        let mut whole = new();
        let _ = whole.run(&stream, |_| go(())).unwrap();
        assert_eq!(whole.position().epoch, 2);

        let mut by_hand = new();
        for epoch in 0..2 {
            for batch in stream.epoch(5, epoch, 64).unwrap() {
                let _ = by_hand.update_with(&batch.unwrap()).unwrap();
            }
        }
        assert_eq!(whole.model(), by_hand.model());

        // Stopped in the second epoch, stored, read and resumed.
        let mut stopped = new();
        let _ = stopped.run(&stream, |event| match event {
            harmonium::train::Event::Update(run) if run.position().updates == 7 => {
                std::ops::ControlFlow::Break(())
            }
            _ => go(()),
        });
        assert_eq!(stopped.position().updates, 7);
        let file = directory.0.path().join("run.safetensors");
        harmonium::Checkpoint::from(&stopped).save(&file).unwrap();
        let mut resumed = harmonium::Checkpoint::load(&file)
            .unwrap()
            .into_fed_run::<RbmLearner>(&start)
            .unwrap();
        let _ = resumed.run(&stream, |_| go(())).unwrap();
        assert_eq!(whole.model(), resumed.model());
    }
}

#[test]
fn minibatches_that_do_not_fit_are_refused() {
    let data = |rows: usize, columns: usize, x: f32| {
        Examples::new(Matrix::from_fn(rows, columns, |_, _| x)).unwrap()
    };
    let bits = |rows| data(rows, 5, 1.0).binarized(Binarization::Threshold(0.5), 0, 0);
    let rbm = Rbm::bernoulli(&[5, 3]).unwrap();
    let mut run = RbmTraining::new(rbm, options(Negative::Exact), &bits(70))
        .unwrap()
        .fed(1000);
    for (minibatch, word) in [
        (bits(65), "1 to 64"),
        (bits(0), "1 to 64"),
        (data(3, 4, 0.5), "columns"),
        (data(3, 5, 0.5), "kind"),
    ] {
        let message = run.update_with(&minibatch).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
    let _ = run.update_with(&bits(64)).unwrap();
    assert_eq!((run.position().updates, run.position().batches), (1, 16));
}
