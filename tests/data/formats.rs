//! Readers of sparse matrices, HDF5, folders of pictures, alignments and ratings, against files of
//! other writers (`files/make.py`) and against damaged ones.

use harmonium::{
    Error, Examples, Layer, Learning, Rbm, RbmOptions, RbmTraining,
    dataset::{Asked, Binarization, Cells, Dataset, ExampleStream, Reading, Table, Tables},
    rng::{Draws, Site},
    train::Feed,
    units::Kind,
};
use png::{BitDepth, ColorType};
use proptest::prelude::*;
use std::{
    fs::{self, File},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/files")
        .join(name)
}

fn open(path: impl AsRef<Path>) -> harmonium::Result<Tables> {
    Tables::open(path, &Reading::default())
}

/// A file of these bytes, opened.
fn written(name: &str, bytes: &[u8]) -> harmonium::Result<Tables> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    open(&path)
}

fn refused(result: harmonium::Result<Tables>, words: &[&str]) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    for word in words {
        assert!(
            error.to_string().contains(word),
            "{error} should tell of {word}"
        );
    }
}

fn rows(table: &Table) -> Vec<Vec<f64>> {
    let row = |i| (0..table.columns()).map(|j| table.get(i, j)).collect();
    (0..table.len()).map(row).collect()
}

#[test]
fn sparse_matrices_of_scipy_stay_sparse() {
    let expected = [
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.5],
        [0.0; 7],
        [0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0],
        [0.0; 7],
        [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0],
    ];
    for name in ["csr", "csc", "coo"] {
        let tables = open(file(&format!("{name}.npz"))).unwrap();
        assert_eq!(rows(&tables.train), expected);
        let Cells::Sparse(cells) = tables.train.cells() else {
            panic!("{name} became dense");
        };
        assert_eq!(cells.values.len(), 6);
        assert!(
            tables.train.found[0].contains(name),
            "{:?}",
            tables.train.found
        );
    }
    // Indices in falling order, and a zero that is stored.
    let turned = open(file("turned.npz")).unwrap().train;
    assert_eq!(rows(&turned), [[1.0, 0.0, 0.0, 2.0], [0.0; 4]]);
    assert!(matches!(turned.cells(), Cells::Sparse(x) if x.values.len() == 2));
    refused(
        open(file("bsr.npz")),
        &["bsr.npz", "csr, csc or coo", "\"bsr\""],
    );
}

/// A text of libsvm: 150 rows of 40 columns, a tenth of them a multiple of an eighth.
fn few_numbers(path: &Path) {
    let draws = Draws::new(8, Site::Data, 0);
    let value = |i: usize, j: usize| match draws.uniform(i, j) {
        x if x < 0.1 => format!(
            " {}:{}",
            j + 1,
            f32::from((draws.bits(i + 150, j) % 32) as u8 + 1) / 8.0
        ),
        _ => String::new(),
    };
    let row = |i| {
        format!(
            "{}{} 40:0\n",
            i % 3,
            (0..39).map(|j| value(i, j)).collect::<String>()
        )
    };
    fs::write(path, (0..150).map(row).collect::<String>()).unwrap();
}

#[test]
fn sparse_numbers_become_dense_a_minibatch_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.svm");
    few_numbers(&path);
    let reading = Reading::default();
    let asked = Asked {
        units: Some("gaussian".into()),
        standardize: true,
        ..Asked::default()
    };
    let whole = Dataset::open_as(&path, &reading, &asked).unwrap();
    let stream = ExampleStream::open_as(&path, &reading, &asked).unwrap();
    assert_eq!((stream.len(), stream.columns()), (150, 40));
    assert_eq!(stream.encoding().columns(), whole.encoding.columns());
    assert_eq!(
        stream.range(100, 50).unwrap().input().get(0, 3),
        whole.train.input().get(100, 3)
    );
    let learned = ExampleStream::open_encoded(&path, &reading, whole.encoding.clone()).unwrap();
    assert_eq!(learned.sample(150).unwrap().states(), whole.train.states());
    // Rows in the order of memory, so that the run is the same to the bit.
    let data = Examples::new(whole.train.states().clone()).unwrap();
    let new = || {
        let rbm = Rbm::unconnected(Layer::of(Kind::Gaussian, 40), Layer::bernoulli(6));
        let rbm = rbm.unwrap().initialized_from(&data, 1).unwrap();
        let options = RbmOptions {
            learning: Learning {
                epochs: 3,
                batch_size: 16,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        RbmTraining::new(rbm, options, &data).unwrap()
    };
    let finished = |mut run: RbmTraining, feed: Feed<'_>| {
        let ended = run.run(feed, |_| ControlFlow::Continue(())).unwrap();
        assert!(ended.is_finished());
        run.into_result()
    };
    let streamed = finished(new().fed(150), (&stream).into());
    assert_eq!(streamed, finished(new(), (&data).into()));
    // Bits of the same file: those of memory, drawn by the row.
    let bits = Asked::default();
    let text = fs::read_to_string(&path).unwrap();
    let ones = text.lines().map(|line| {
        let fields = line
            .split(' ')
            .skip(1)
            .map(|x| format!(" {}:1", x.split(':').next().unwrap()));
        format!("1{}\n", fields.collect::<String>())
    });
    fs::write(&path, ones.collect::<String>()).unwrap();
    let whole = Dataset::open_as(&path, &reading, &bits).unwrap();
    assert!(whole.train.bits().is_some());
    let stream = ExampleStream::open_as(&path, &reading, &bits).unwrap();
    let stream = stream.binarized(Binarization::Threshold(0.5), 1);
    assert_eq!(stream.range(0, 150).unwrap().states(), whole.train.states());
    let dense = ExampleStream::open(file("only.h5"))
        .unwrap_err()
        .to_string();
    assert!(dense.contains("IDX or NPY, or a sparse matrix"), "{dense}");
}

#[test]
fn arrays_of_hdf5_are_read_as_they_are() {
    let types = file("types.h5");
    for name in "bool u1 i1 u2 i2 u4 i4 u8 i8 f4 f8 big_f4 big_u2".split(' ') {
        let path = format!("{}:/{name}", types.display());
        let tables = open(&path).unwrap();
        assert_eq!(
            rows(&tables.train),
            [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]],
            "{name}"
        );
        assert_eq!(tables.name, "types");
    }
    let numbers: Vec<f64> = (0..36).map(|k| f64::from(k) / 4.0).collect();
    let digits = open(file("digits.h5")).unwrap();
    let test = digits.test.unwrap();
    assert_eq!(
        (&digits.train.shape[..], &test.shape[..]),
        (&[2, 3][..], &[2, 3][..])
    );
    assert_eq!(
        (rows(&digits.train).concat(), rows(&test).concat()),
        (numbers.clone(), numbers[..12].to_vec())
    );
    let named = |table: &Table| {
        let labels = table.labels.as_ref().unwrap();
        labels
            .codes
            .iter()
            .map(|&k| labels.classes[k as usize].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        named(&digits.train),
        ["cat", "dog", "cat", "eel", "dog", "dog"]
    );
    assert_eq!(named(&test), ["eel", "cat"]);
    // The only table, below a group that leads back to itself.
    let only = open(file("only.h5")).unwrap();
    assert_eq!(only.train.get(3, 2), 220.0);
    assert!(
        only.train.found[0].contains("/group/inner/values"),
        "{:?}",
        only.train.found
    );
}

#[test]
fn refusals_of_hdf5_tell_what_is_there() {
    let types = file("types.h5");
    refused(
        open(&types),
        &["types.h5", ":/PATH", "/big_f4, /big_u2, /bool"],
    );
    for (name, words) in [
        ("half", ["float32 or float64", "floats of 2 bytes"]),
        ("words", ["float32 or float64", "text"]),
        ("none", ["one of the arrays [/big_f4", "no such array"]),
    ] {
        let words = [words[0], words[1], "types.h5"];
        refused(open(format!("{}:/{name}", types.display())), &words);
    }
    let vector = format!("{}:/group/vector", file("only.h5").display());
    refused(open(vector), &["two or more dimensions", "[4]"]);
    // 128 GiB of zeros that no byte of the file is behind.
    refused(
        open(file("empty.h5")),
        &["empty.h5:/x", "137438953472 bytes"],
    );
    let bytes = fs::read(file("only.h5")).unwrap();
    refused(
        written("cut.h5", &bytes[..700]),
        &["cut.h5", "an intact HDF5 file"],
    );
    refused(written("other.h5", b"0,1\n"), &["other.h5", "HDF5"]);
}

/// Writes pixels `[height x width x channels]`.
fn picture(path: &Path, size: [u32; 2], color: ColorType, depth: BitDepth, pixels: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), size[1], size[0]);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![9, 8, 7, 255, 0, 1]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
}

#[test]
fn folders_of_pictures_are_images_and_subfolders_classes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let gray = |name: &str, pixels: &[u8]| {
        picture(
            &at(name),
            [2, 3],
            ColorType::Grayscale,
            BitDepth::Eight,
            pixels,
        )
    };
    gray("plain/b.png", &[255, 0, 51, 0, 0, 102]);
    gray("plain/a.png", &[0, 0, 0, 255, 255, 255]);
    fs::write(at("plain/notes.txt"), "x").unwrap();
    // Bits, and gray values with an opacity that is full.
    picture(
        &at("plain/c.png"),
        [2, 3],
        ColorType::Grayscale,
        BitDepth::One,
        &[0b1010_0000, 0b0100_0000],
    );
    let opaque = [0, 255, 51, 255, 0, 255, 0, 255, 0, 255, 255, 255];
    picture(
        &at("plain/d.png"),
        [2, 3],
        ColorType::GrayscaleAlpha,
        BitDepth::Eight,
        &opaque,
    );
    let plain = open(at("plain")).unwrap();
    assert_eq!(
        (plain.name.as_str(), &plain.train.shape[..]),
        ("plain", &[2, 3][..])
    );
    let expected = [
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
        [1.0, 0.0, 0.2, 0.0, 0.0, 0.4],
        [1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
        [0.0, 0.2, 0.0, 0.0, 0.0, 1.0],
    ];
    assert_eq!(rows(&plain.train), expected);
    let found = plain.train.found.join("; ");
    for words in ["4 pictures of 2 x 3", "opacity left out", "1 other files"] {
        assert!(found.contains(words), "{found}");
    }
    let color = |name: &str, pixels: &[u8]| {
        picture(&at(name), [1, 2], ColorType::Rgb, BitDepth::Eight, pixels)
    };
    color("parts/train/dog/1.png", &[255, 0, 0, 0, 51, 0]);
    color("parts/train/cat/1.png", &[0, 0, 255, 0, 0, 0]);
    picture(
        &at("parts/test/dog/9.png"),
        [1, 2],
        ColorType::Indexed,
        BitDepth::One,
        &[0b0100_0000],
    );
    let parts = open(at("parts")).unwrap();
    let test = parts.test.unwrap();
    assert_eq!(parts.train.shape, [1, 2, 3]);
    let labels = parts.train.labels.as_ref().unwrap();
    assert_eq!(
        (&labels.codes[..], labels.classes.join(" ").as_str()),
        (&[0, 1][..], "cat dog")
    );
    assert_eq!(test.labels.as_ref().unwrap().codes, [1]);
    assert_eq!(test.get(0, 0), 9.0 / 255.0);
}

#[test]
fn pictures_that_differ_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let square = |name: &str, color, depth, bytes: usize| {
        picture(&at(name), [2, 2], color, depth, &vec![7; bytes])
    };
    use {BitDepth::*, ColorType::*};
    square("sizes/a.png", Grayscale, Eight, 4);
    picture(&at("sizes/b.png"), [1, 2], Grayscale, Eight, &[1, 2]);
    square("colors/a.png", Grayscale, Eight, 4);
    square("colors/b.png", Rgb, Eight, 12);
    square("deep/a.png", Grayscale, Sixteen, 8);
    square("clear/a.png", GrayscaleAlpha, Eight, 8);
    square("both/a.png", Grayscale, Eight, 4);
    square("both/in/a.png", Grayscale, Eight, 4);
    let a = fs::read(at("both/a.png")).unwrap();
    fs::create_dir(at("cut")).unwrap();
    fs::write(at("cut/a.png"), &a[..a.len() - 14]).unwrap();
    // A header of 2^31 pixels in a file of a hundred bytes.
    let mut huge = a.clone();
    huge[16..24].copy_from_slice(&[0, 0, 128, 0, 0, 1, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    fs::create_dir(at("huge")).unwrap();
    fs::write(at("huge/a.png"), &huge).unwrap();
    for (name, words) in [
        (
            "sizes",
            [
                "b.png",
                "2 x 2 pixels of gray values, as the first",
                "found 2 x 1",
            ],
        ),
        (
            "colors",
            ["b.png", "2 x 2 pixels of gray values", "in color"],
        ),
        ("deep", ["a.png", "8 bits a channel", "Sixteen"]),
        ("clear", ["a.png", "an opaque picture", "opacity 7 at 0, 0"]),
        ("both", ["both", "pictures or subfolders", "a.png and in"]),
        ("cut", ["a.png", "an intact PNG file", "a.png"]),
        ("huge", ["a.png", "an intact PNG file", "a.png"]),
    ] {
        refused(open(at(name)), &words);
    }
    fs::create_dir(at("none")).unwrap();
    refused(open(at("none")), &["none", "PNG files"]);
}

#[test]
fn names_tell_the_formats_of_text() {
    let svm = written("a.svm", b"0 1:1 3:1\n1 2:1\n").unwrap().train;
    assert_eq!(rows(&svm), [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    assert!(matches!(svm.cells(), Cells::Sparse(_)));
    let fasta = written("a.fasta", b">x\nACG\n>y\nA-T\n").unwrap().train;
    assert_eq!(
        (fasta.text(1, 1), fasta.text(1, 2)),
        ("-".into(), "T".into())
    );
    let text = b"user,item,rating\nann,x,1\nbob,y,2\n";
    let missing = Reading {
        missing: true,
        ..Reading::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, text).unwrap();
    let ratings = Tables::open(&path, &missing).unwrap().train;
    assert_eq!(
        (ratings.len(), &ratings.names[..]),
        (2, &["x".to_string(), "y".into()][..])
    );
    refused(open(&path), &["a.csv", "a missing value"]);
    // Columns that are asked for are columns.
    let columns = Reading {
        columns: vec!["rating".into()],
        ..Reading::default()
    };
    assert_eq!(
        rows(&Tables::open(&path, &columns).unwrap().train),
        [[1.0], [2.0]]
    );
    refused(
        written("a.parquet", b"PAR1\x15\x04\x15\x10"),
        &["a.parquet", "read_parquet"],
    );
    refused(written("a.mat", b"MATLAB 7.3 MAT-file"), &["a.mat", "h5py"]);
}

/// A small file of every kind.
fn specimens() -> Vec<(&'static str, Vec<u8>)> {
    let stored = |name: &str| fs::read(file(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    picture(&path, [2, 3], ColorType::Rgb, BitDepth::Eight, &[7; 18]);
    vec![
        ("a.npz", stored("csr.npz")),
        ("a.npz", stored("csc.npz")),
        ("a.npz", stored("coo.npz")),
        ("a.h5", stored("digits.h5")),
        ("a.h5", stored("only.h5")),
        ("a.svm", b"0 1:1 3:1\n1 2:1 # x\n".to_vec()),
        ("a.a2m", b">x\nACgg-T\n>y\nA.CTT\n".to_vec()),
        ("a.csv", b"user,item,rating\nann,x,1\nbob,y,2\n".to_vec()),
        ("a.png", fs::read(&path).unwrap()),
    ]
}

/// The bytes as a file of that name; of a picture, its folder.
fn opened(name: &str, bytes: &[u8]) -> harmonium::Result<Tables> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    match name {
        "a.png" => open(folder.path()),
        _ => open(folder.path().join(name)),
    }
}

proptest! {
    #[test]
    fn damaged_files_never_panic(
        which in 0_usize..9,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<Option<prop::sample::Index>>(),
    ) {
        let (name, mut bytes) = specimens().swap_remove(which);
        for (index, byte) in damage {
            let i = index.index(bytes.len());
            bytes[i] = byte;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        if let Err(error) = opened(name, &bytes) {
            prop_assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0_usize..5) {
        let prefixes: [&[u8]; 5] = [b"", b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b">x\n", b"1 1:"];
        let bytes = [prefixes[which], &bytes].concat();
        for name in ["a.h5", "a.png", "a.fa", "a.svm", "a.parquet"] {
            if let Err(error) = opened(name, &bytes) {
                prop_assert!(error.to_string().contains(name), "{error}");
            }
        }
    }
}
