//! Pictures of a run, from outside: tiles in the shape of the data, tables as tables.

use crate::common::Bench;
use image::RgbImage;
use std::fs;

/// Rows and columns of the pictures of these tests, and how many there are.
const SHAPE: (usize, usize) = (12, 20);
const COUNT: usize = 8;
/// Between tiles of weights, and bars of samples.
const SEPARATOR: [u8; 3] = [186; 3];
const SAMPLES: [u8; 3] = [0, 114, 178];
const DATA: [u8; 3] = [120, 126, 133];

fn pixel(i: usize, y: usize, x: usize) -> u8 {
    u8::from((i * 5 + y * 3 + x * x) % 7 < 3)
}

fn pixels() -> Vec<u8> {
    let (height, width) = SHAPE;
    let places = (0..COUNT).flat_map(|i| (0..height).map(move |y| (i, y)));
    places
        .flat_map(|(i, y)| (0..width).map(move |x| pixel(i, y, x)))
        .collect()
}

fn picture(bench: &Bench, name: &str) -> RgbImage {
    image::open(bench.path(name)).unwrap().to_rgb8()
}

/// Width of the lines between tiles from end to end, and pixels from one to the next.
fn lines(picture: &RgbImage) -> (u32, u32) {
    let run = |y: u32| {
        let is_line = |x: &u32| picture.get_pixel(*x, y).0 == SEPARATOR;
        let first = (0..picture.width()).find(is_line)?;
        Some((first..picture.width()).take_while(is_line).count() as u32)
    };
    let widest = (0..picture.height()).filter_map(run).max().unwrap();
    let rows: Vec<u32> = (0..picture.height())
        .filter(|&y| run(y) == Some(widest))
        .collect();
    (widest, rows[1] - rows[0])
}

#[test]
fn tiles_have_the_shape_of_the_data_or_of_the_command_line() {
    let bench = Bench::drawing();
    bench.npy("pictures.npy", "(8, 12, 20)", &pixels());
    bench.npy("rows.npy", "(8, 240)", &pixels());
    let train = "train --hidden 2 --epochs 1 --batch-size 8 --force --out run --data";
    // Two tiles of 4 pixels a value, with lines of a pixel around each.
    let wide = (2 * (20 * 4 + 1) + 1, 12 * 4 + 1);
    bench.ok(&format!("{train} pictures.npy"));
    assert_eq!(lines(&picture(&bench, "run/filters.png")), wide);
    bench.ok(&format!("{train} rows.npy --shape 12x20"));
    assert_eq!(lines(&picture(&bench, "run/filters.png")), wide);
    let encoding = bench.model("run/model.safetensors").encoding.unwrap();
    assert_eq!(encoding.shape(), [12, 20]);
    bench.refused(
        "train --resume --out run --shape 20x12",
        2,
        &["--shape 20x12", "12x20"],
    );
    let ran = bench.run(&format!("{train} rows.npy"));
    assert!(ran.stderr.contains("15x16; --shape"), "{}", ran.stderr);
    let guess = (2 * (16 * 5 + 1) + 1, 15 * 5 + 1);
    assert_eq!(lines(&picture(&bench, "run/filters.png")), guess);
    bench.refused(
        &format!("{train} rows.npy --shape 12x21"),
        2,
        &["--shape 12x21", "240"],
    );
    bench.refused(
        &format!("{train} rows.npy --shape 12by20"),
        2,
        &["12by20", "12x20"],
    );
}

#[test]
fn a_half_is_held_upright() {
    let bench = Bench::drawing();
    bench.npy("rows.npy", "(8, 240)", &pixels());
    bench.ok("train --hidden 2 --epochs 1 --batch-size 8 --data rows.npy --out run");
    let sample =
        "sample run/model.safetensors --count 8 --steps 5 --clamp data --mask left --shape 12x20";
    bench.ok(&format!("{sample} --out x.npy"));
    let bytes = fs::read(bench.path("x.npy")).unwrap();
    let found: Vec<u8> = npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap();
    let (height, width) = SHAPE;
    let mut free = 0;
    for (k, &value) in found.iter().enumerate() {
        let (i, y, x) = (k / (height * width), k / width % height, k % width);
        match x < width / 2 {
            true => assert_eq!(value, pixel(i, y, x), "{i} {y} {x}"),
            false => free += usize::from(value != pixel(i, y, x)),
        }
    }
    // Of 960 free values.
    assert!(free > 100, "{free}");
    bench.ok(&format!("{sample} --out x.png"));
    bench.refused(
        "sample run/model.safetensors --out x.png --shape 7x7",
        2,
        &["--shape 7x7", "240"],
    );
}

#[test]
fn tables_are_drawn_as_what_their_columns_hold() {
    let bench = Bench::drawing();
    let rows = (0..40).map(|i: usize| {
        let (a, b) = (i % 3 % 2, i % 5 % 2);
        format!("{a},{b},{},{}\n", a ^ b, i % 2)
    });
    let text = format!("left,right,both,label\n{}", rows.collect::<String>());
    fs::write(bench.path("table.csv"), text).unwrap();
    for (kind, more) in [
        ("rbm", "--hidden 3 --epochs 1 --labels"),
        (
            "dbn",
            "--layers 3,3 --greedy-epochs 1 --up-down-epochs 1 --labels",
        ),
        ("dbn", "--layers 3,3 --greedy-epochs 1 --up-down-epochs 1"),
        ("dbm", "--layers 3,2 --pretraining-epochs 1 --epochs 1"),
        ("boltzmann", "--hidden 1 --epochs 1"),
    ] {
        bench.ok(&format!(
            "train {kind} --data table.csv --batch-size 8 {more} --out run --force"
        ));
        let picture = picture(&bench, "run/samples.png");
        for color in [DATA, SAMPLES] {
            let n = picture.pixels().filter(|x| x.0 == color).count();
            assert!(n > 2000, "{kind}: {n} pixels of {color:?}");
        }
    }
    bench.ok("sample run/model.safetensors --steps 10 --out x.png");
    let picture = picture(&bench, "x.png");
    assert!(picture.pixels().any(|x| x.0 == SAMPLES));
    assert!(!picture.pixels().any(|x| x.0 == DATA));
}
