//! The readers of data sets against real data, against other writers, and against damaged files.

use flate2::{Compression, write::GzEncoder};
use harmonium::{
    Error, Matrix,
    dataset::{Binarization, Dataset, Examples},
    rng::{Draws, Site},
};
use npyz::WriterBuilder;
use proptest::prelude::*;
use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const MNIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/mnist");

fn real(examples: &Examples) -> &Matrix {
    examples.states().real().expect("real values")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn npy<T: npyz::AutoSerialize + Copy>(shape: &[u64], data: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = npyz::WriteOptions::new().default_dtype().shape(shape);
    let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
    writer.extend(data.iter().copied()).unwrap();
    writer.finish().unwrap();
    bytes
}

/// An archive of byte arrays: (name, shape, data).
fn npz(arrays: &[(&str, &[u64], &[u8])], compression: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, shape, data) in arrays {
        let options = SimpleFileOptions::default().compression_method(compression);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(&npy(shape, data)).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn open(name: &str, bytes: &[u8]) -> harmonium::Result<Dataset> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    Dataset::open(&path)
}

/// A refusal must be about the file, and say so.
fn assert_names_file(error: &Error, name: &str) {
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn mnist_is_what_the_world_knows() {
    let data = Dataset::open(MNIST).unwrap();
    let test = data.test.as_ref().unwrap();
    assert_eq!(data.name, "mnist");
    assert_eq!((data.train.len(), data.train.columns()), (60_000, 784));
    assert_eq!((test.len(), test.columns()), (10_000, 784));
    assert_eq!(data.train.labels().unwrap()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(test.labels().unwrap()[..3], [7, 2, 1]);
    let mean = data.train.mean().iter().sum::<f64>() / 784.0;
    // The mean byte of the file is 33.318421; each quotient is rounded to a relative 2^-24.
    assert!((mean - 33.318_421_45 / 255.0).abs() < 1e-8, "{mean}");

    // The same from memory.
    let file = |name: &str| fs::read(Path::new(MNIST).join(name)).unwrap();
    let embedded = Dataset::mnist_from_bytes(
        &file("train-images-idx3-ubyte.gz"),
        &file("train-labels-idx1-ubyte.gz"),
        &file("t10k-images-idx3-ubyte.gz"),
        &file("t10k-labels-idx1-ubyte.gz"),
    );
    assert_eq!(embedded.unwrap(), data);

    // Test rows continue the training rows' draws.
    let sampled = data.clone().binarized(Binarization::Sampled, 9);
    let draws = Draws::new(9, Site::Binarize, 0);
    for (part, bits, first, row) in [
        (&data.train, sampled.train.bits(), 0, 59_999),
        (test, sampled.test.as_ref().unwrap().bits(), 60_000, 0),
    ] {
        let (bits, numbers) = (bits.unwrap(), real(part).row(row));
        assert!((0..784).all(|j| bits.get(row, j) == (draws.uniform(first + row, j) < numbers[j])));
    }
    // Expected number of ones is the sum of the pixels; its variance is at most a quarter each.
    let sum: f64 = data.train.mean().iter().sum::<f64>() * 60_000.0;
    let ones = sampled.train.bits().unwrap().count_ones() as f64;
    assert!((ones - sum).abs() < 5.0 * (0.25 * 60_000.0 * 784.0_f64).sqrt());
}

#[test]
fn sampling_is_the_same_on_any_number_of_threads() {
    let matrix = Matrix::from_fn(1000, 100, |i, j| ((i * 7 + j) % 10) as f32 / 9.0);
    let examples = Examples::new(matrix).unwrap();
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| examples.clone().binarized(Binarization::Sampled, 4, 3))
    };
    assert_eq!(bits(1), bits(7));
}

#[test]
fn directory_needs_only_training_images_and_counts_must_agree() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    let error = Dataset::open(directory.path()).unwrap_err();
    assert_names_file(&error, "train-images-idx3-ubyte");
    let missing = Dataset::open(directory.path().join("missing")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing:?}");
    assert!(matches!(
        Dataset::open("/no/such/file.npy"),
        Err(Error::Io { .. })
    ));

    // Gzip is known by its magic number: here the names say the opposite.
    write(
        "train-images-idx3-ubyte",
        &gzip(&idx(&[2, 1, 2], &[0, 255, 51, 0])),
    );
    let data = Dataset::open(directory.path()).unwrap();
    assert_eq!(
        (data.train.len(), data.train.labels(), &data.test),
        (2, None, &None)
    );
    write("train-labels-idx1-ubyte.gz", &idx(&[2], &[3, 4]));
    write("t10k-images-idx3-ubyte", &idx(&[1, 2], &[1, 2]));
    let data = Dataset::open(directory.path()).unwrap();
    assert_eq!(data.train.labels(), Some(&[0, 1][..]));
    assert_eq!(data.encoding.classes().unwrap().names, ["3", "4"]);
    assert_eq!(real(&data.train).row(1), [0.2, 0.0]);
    assert_eq!(data.test.unwrap().len(), 1);

    write("train-labels-idx1-ubyte.gz", &idx(&[3], &[3, 4, 5]));
    let error = Dataset::open(directory.path()).unwrap_err();
    assert_names_file(&error, "train-labels-idx1-ubyte.gz: expected 2 labels");
    write("train-labels-idx1-ubyte.gz", &idx(&[2], &[3, 4]));
    write("t10k-images-idx3-ubyte", &idx(&[1, 3], &[1, 2, 3]));
    let error = Dataset::open(directory.path()).unwrap_err();
    assert_names_file(&error, "expected test examples of 2 values");
}

#[test]
fn small_gzip_cannot_expand_beyond_its_header() {
    // 64 MB of zeros in 64 KB, behind a header that promises two pixels; and the opposite.
    let bomb = gzip(&[idx(&[1, 2], &[]), vec![0; 1 << 26]].concat());
    assert_names_file(
        &open("bomb", &bomb).unwrap_err(),
        "trailing bytes (at least 3)",
    );
    let boast = gzip(&idx(&[1 << 20, 1 << 20], &[1; 100]));
    assert_names_file(
        &open("boast", &boast).unwrap_err(),
        "found a truncated file with 100",
    );
}

#[test]
fn npz_names_are_read_in_both_compressions() {
    use CompressionMethod::{Deflated, Stored};
    for method in [Stored, Deflated] {
        let bytes = npz(
            &[
                ("y_test", &[1], &[8]),
                ("x_train", &[2, 1, 2], &[0, 255, 51, 0]),
                ("y_train", &[2], &[7, 8]),
                ("x_test", &[1, 2], &[1, 1]),
            ],
            method,
        );
        for name in ["digits.npz", "digits"] {
            let data = open(name, &bytes).unwrap();
            let test = data.test.unwrap();
            assert_eq!(data.name, "digits");
            assert_eq!(real(&data.train).row(0), [0.0, 1.0]);
            assert_eq!(data.encoding.classes().unwrap().names, ["7", "8"]);
            assert_eq!(data.train.labels(), Some(&[0, 1][..]));
            assert_eq!(
                (test.states().get(0, 1), test.labels()),
                (1.0 / 255.0, Some(&[1][..]))
            );
        }
    }
    let only = npz(&[("pixels", &[1, 2], &[0, 1]), ("y", &[1], &[4])], Stored);
    let data = open("a.npz", &only).unwrap();
    assert_eq!((data.train.labels(), data.test), (Some(&[0][..]), None));
    let other = npz(
        &[
            ("train", &[2, 1], &[0, 1]),
            ("y", &[2], &[4, 5]),
            ("test", &[1, 1], &[1]),
            ("y_test", &[1], &[9]),
        ],
        Stored,
    );
    let error = open("a.npz", &other).unwrap_err();
    assert_names_file(&error, "expected a label among 4, 5");

    // An array's name is no path of its own.
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .start_file("/x.npy", SimpleFileOptions::default())
        .unwrap();
    let array = npy(&[1, 2], &[0, 1]);
    archive.write_all(&array[..array.len() - 1]).unwrap();
    let short = archive.finish().unwrap().into_inner();
    assert_names_file(&open("a.npz", &short).unwrap_err(), "a.npz//x.npy");

    let two = npz(&[("a", &[1, 1], &[0]), ("b", &[1, 1], &[0])], Stored);
    assert_names_file(
        &open("a.npz", &two).unwrap_err(),
        "a.npz: expected one of the arrays train",
    );
    let short = npz(&[("x", &[2, 1], &[0, 1]), ("y", &[1], &[0])], Stored);
    assert_names_file(
        &open("a.npz", &short).unwrap_err(),
        "y.npy: expected 2 labels",
    );
    // A member that claims to be compressed by bzip2, in its own header and in the directory.
    let mut bzip2 = npz(&[("x", &[1, 1], &[0])], Stored);
    let directory = bzip2.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    (bzip2[8], bzip2[directory + 10]) = (12, 12);
    assert_names_file(
        &open("a.npz", &bzip2).unwrap_err(),
        "x.npy: expected an array that is stored",
    );
}

#[test]
fn zip_tricks_are_refused() {
    // A ZIP64 directory that claims 2^60 members; an encrypted member; one with an AES field that
    // is not encrypted.
    let plain = npz(&[("x", &[1, 1], &[0])], CompressionMethod::Stored);
    let (body, end) = plain.split_at(plain.len() - 22);
    let mut zip64 = body.to_vec();
    zip64.extend(b"PK\x06\x06");
    zip64.extend([
        44, 0, 0, 0, 0, 0, 0, 0, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    zip64.extend([0, 0, 0, 0, 0, 0, 0, 16].repeat(2));
    zip64.extend([0; 16]);
    zip64.extend(b"PK\x06\x07\0\0\0\0");
    zip64.extend((body.len() as u64).to_le_bytes());
    zip64.extend([1, 0, 0, 0]);
    zip64.extend(end);
    assert_names_file(&open("a.npz", &zip64).unwrap_err(), "ZIP64");

    let directory = plain.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let mut encrypted = plain.clone();
    encrypted[directory + 8] |= 1;
    assert_names_file(&open("a.npz", &encrypted).unwrap_err(), "x.npy");

    let mut aes = plain.clone();
    let field = [1, 0x99, 7, 0, 1, 0, 0x41, 0x45, 1, 0, 0];
    let name_end = directory + 46 + "x.npy".len();
    let extra = u16::from_le_bytes([aes[directory + 30], aes[directory + 31]]);
    aes[directory + 30..directory + 32].copy_from_slice(&(extra + 11).to_le_bytes());
    aes.splice(name_end..name_end, field);
    let end = aes.len() - 22;
    aes[end + 12] += field.len() as u8;
    assert!(
        open("a.npz", &aes).is_ok(),
        "a field alone encrypts nothing"
    );
}

#[test]
fn unknown_files_show_their_first_bytes() {
    assert_names_file(
        &open("a.bin", b"hello").unwrap_err(),
        "bytes 68 65 6c 6c 6f",
    );
    assert_names_file(&open("a", b"").unwrap_err(), "an empty file");
    assert_names_file(&open("a.npz", b"").unwrap_err(), "an empty file");
    assert_names_file(
        &open("a.gz", &gzip(b"0,1\n")).unwrap_err(),
        "bytes 30 2c 31 0a",
    );
}

/// One small file of every kind, whose every proper prefix is broken.
fn specimens() -> Vec<(&'static str, Vec<u8>)> {
    let images = idx(&[2, 1, 3], &[0, 1, 2, 3, 4, 255]);
    let floats = npy(&[2, 3], &[0.0_f32, 0.5, 1.0, 0.25, 0.0, 0.1]);
    let arrays: &[(&str, &[u64], &[u8])] = &[("x", &[2, 2], &[0, 1, 1, 0]), ("y", &[2], &[1, 2])];
    vec![
        ("images", images.clone()),
        ("images.gz", gzip(&images)),
        ("floats.npy", floats.clone()),
        ("floats.npy.gz", gzip(&floats)),
        ("stored.npz", npz(arrays, CompressionMethod::Stored)),
        ("deflated.npz", npz(arrays, CompressionMethod::Deflated)),
    ]
}

#[test]
fn every_truncation_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in specimens() {
        let path = directory.path().join(name);
        for n in 0..=bytes.len() {
            fs::write(&path, &bytes[..n]).unwrap();
            match Dataset::open(&path) {
                Ok(_) => assert_eq!(n, bytes.len(), "{name} cut to {n} bytes"),
                Err(error) => {
                    assert_ne!(n, bytes.len(), "{error}");
                    assert_names_file(&error, name);
                }
            }
        }
    }
}

/// Bytes at positions that matter: signatures, sizes and counts that readers branch on.
fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0_usize..6) {
        let prefixes: [&[u8]; 6] = [b"", b"\0\0\x08\x02", b"\x93NUMPY\x01\0", b"PK\x03\x04", b"\x1f\x8b\x08\0", b"0.5,1\n"];
        let bytes = [prefixes[which], &bytes].concat();
        for name in ["a", "a.npy", "a.npz", "a.csv"] {
            if let Err(error) = open(name, &bytes) {
                assert_names_file(&error, name);
            }
        }
        if let Err(error) = Dataset::mnist_from_bytes(&bytes, &bytes, &bytes, &bytes) {
            assert_names_file(&error, "idx");
        }
    }

    #[test]
    fn damaged_files_never_panic(which in 0_usize..6, damage in damage()) {
        let (name, mut bytes) = specimens().swap_remove(which);
        for (index, byte) in damage {
            let i = index.index(bytes.len());
            bytes[i] = byte;
        }
        if let Err(error) = open(name, &bytes) {
            assert_names_file(&error, name);
        }
    }

    #[test]
    fn idx_and_npy_bytes_round_trip(rows in 1_usize..8, columns in 1_usize..40, seed in any::<u64>(), compressed in any::<bool>()) {
        let draws = Draws::new(seed, Site::Data, 0);
        let mut pixels: Vec<u8> = (0..rows * columns).map(|i| draws.bits(0, i) as u8).collect();
        pixels[0] = 255;
        let expected = Matrix::from_fn(rows, columns, |i, j| f32::from(pixels[i * columns + j]) / 255.0);
        let mut bytes = idx(&[rows as u32, columns as u32], &pixels);
        if compressed {
            bytes = gzip(&bytes);
        }
        let data = open("a", &bytes).unwrap();
        prop_assert_eq!(&data.train.states().to_matrix(), &expected);
        let data = open("a", &npy(&[rows as u64, columns as u64, 1], &pixels)).unwrap();
        prop_assert_eq!(&data.train.states().to_matrix(), &expected);
    }

    #[test]
    fn floats_round_trip_exactly_through_npy_and_csv(rows in 1_usize..8, columns in 1_usize..20, seed in any::<u64>()) {
        let draws = Draws::new(seed, Site::Data, 0);
        let expected = Matrix::from_fn(rows, columns, |i, j| draws.uniform(i, j));
        let numbers: Vec<f32> = expected.elements().collect();
        let data = open("a.npy", &npy(&[rows as u64, columns as u64], &numbers)).unwrap();
        prop_assert_eq!(&data.train.states().to_matrix(), &expected);

        let names = (0..columns).map(|j| format!("x{j},")).collect::<String>();
        let mut text = names + "label\n";
        for i in 0..rows {
            text += &expected.row(i).iter().map(|x| format!("{x},")).collect::<String>();
            text += &format!("{i}\n");
        }
        let data = open("a.csv", text.as_bytes()).unwrap();
        prop_assert_eq!(&data.train.states().to_matrix(), &expected);
        prop_assert_eq!(data.train.labels().unwrap(), &(0..rows as u32).collect::<Vec<_>>()[..]);
    }
}

/// Weighted means are those of repeated examples, and missing values are in none.
#[test]
fn means_weigh_examples_and_leave_out_what_is_missing() {
    let x = |i: usize, j: usize| ((i * 31 + j * 17) % 11) as f32 / 10.0;
    let gray = || Examples::new(Matrix::from_fn(4, 3, x)).unwrap();
    let data = gray().with_weights(vec![2.0, 0.0, 1.0, 3.0]).unwrap();
    let repeated = gray().take(&[0, 0, 2, 3, 3, 3]);
    let pairs = [
        (data.mean(), repeated.mean()),
        (data.deviation(), repeated.deviation()),
    ];
    for (a, b) in pairs {
        let close = a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close, "{a:?} for {b:?}");
    }
    let mask = harmonium::BitMatrix::from_fn(4, 3, |i, j| j == 1 || i == 2 && j == 0);
    let mean = gray().with_observed(mask).unwrap().mean();
    let expected = [f64::from(x(2, 0)), gray().mean()[1], 0.0];
    assert_eq!(mean, expected);
}
