//! What chains start from and which of their units are held: `--clamp` and `--mask`, `--label` and
//! `--every-label`, `--from-data`.

use crate::{
    args::{SampleArgs, Split},
    failure::{Failure, Outcome},
    run::MOST_ELEMENTS,
    run::data::class_names,
    run::data::{Data, Source, check_columns},
    run::likelihood,
    show::{
        numbers::ends_in,
        pictures::starts,
        shape::{Shape, ShapeArg},
    },
};
use harmonium::{
    BitMatrix, Checkpoint, Matrix, States,
    dataset::{Cells, Encoding, Reading, Table, Tables, read_npy},
    model::{Clamp, Layer},
    units::Segment,
};
use std::path::Path;

/// Value of `--clamp`: examples of the data in place of a file.
const DATA: &str = "data";
/// Chains unless told otherwise, and of `--over-time`.
const DEFAULT_COUNT: usize = 100;
const DEFAULT_ROWS: usize = 10;
/// Classes that an error names.
const MOST_NAMED: usize = 20;
/// Chains of a class, of `--every-label`.
pub const PER_CLASS: usize = 10;

/// Held units of the visible layer.
pub struct Held {
    /// What chains hold.
    pub clamp: Clamp,
    /// Ones where a unit is held, a row for all chains or one for each.
    pub mask: BitMatrix,
    /// Chains that there must be; any number if that is 1.
    pub rows: usize,
    /// The whole examples that the values are from, if they are.
    pub examples: Option<States>,
    /// The classes of labels, for each row.
    classes: Vec<u32>,
}

impl Held {
    fn new(layer: &Layer, values: States, mask: BitMatrix) -> Outcome<Self> {
        let rows = values.rows().max(mask.rows());
        let clamp = Clamp::new(layer, values, mask.clone())
            .map_err(|e| Failure::failed(format!("--clamp: {e}")))?;
        Ok(Self {
            clamp,
            mask,
            rows,
            examples: None,
            classes: Vec::new(),
        })
    }

    /// What `--clamp` and `--mask` hold of the visible layer, whose first `pixels` units are the
    /// picture.
    ///
    /// # Errors
    /// Files that cannot be read or do not fit; values that are no states.
    pub fn clamped(
        args: &SampleArgs,
        checkpoint: &Checkpoint,
        layer: &Layer,
        pixels: usize,
    ) -> Outcome<Option<Self>> {
        let Some(values) = &args.clamp else {
            return Ok(None);
        };
        if !is_data(values) {
            let (x, observed, encoding) = clamp_file(values, checkpoint, layer)?;
            let mask = match &args.mask {
                Some(mask) => mask_of((mask, args.shape), &encoding, pixels, layer.size())?,
                None => observed.ok_or_else(|| {
                    let path = values.display();
                    Failure::usage(format!("--clamp {path}: no value is missing, so all units would be held"))
                        .hint("--mask FILE|upper|lower|left|right says which units are held; or leave the fields of the others empty")
                })?,
            };
            return Self::new(layer, x, mask).map(Some);
        }
        let Some(mask) = &args.mask else {
            let message = "--clamp data: which units are held is not said";
            return Err(Failure::usage(message).hint("add --mask FILE|upper|lower|left|right"));
        };
        let data = load(args, checkpoint, layer)?;
        let mask = mask_of((mask, args.shape), &data.encoding, pixels, layer.size())?;
        let (examples, _) = likelihood::examples(&data, Split::Test);
        let some = starts(examples, default_count(args));
        let x = examples.states().take(&some);
        let mut held = Self::new(layer, x.clone(), mask)?;
        held.examples = Some(x);
        Ok(Some(held))
    }

    /// The label, which is the last group of `layer`, of each chain at its class, by `--label` (a
    /// row for all chains) or `--every-label`.
    ///
    /// # Errors
    /// A machine without labels, which has no such layer; a class that does not exist.
    pub fn label(
        args: &SampleArgs,
        encoding: Option<&Encoding>,
        layer: Option<&Layer>,
    ) -> Outcome<Option<Self>> {
        if args.label.is_none() && !args.every_label {
            return Ok(None);
        }
        let group = layer.and_then(|layer| layer.units.last_group());
        let (Some(layer), Some(group)) = (layer, group) else {
            return Err(
                Failure::usage("--label and --every-label: the machine has no labels")
                    .hint("`harmonium train --labels` makes one that has"),
            );
        };
        let classes = held_classes(args, &class_names(encoding, group.size))?;
        Self::classes(layer, group, classes).map(Some)
    }

    /// The label, which is `group` of `layer`, of each chain at its class.
    ///
    /// # Errors
    /// Those of the library.
    pub fn classes(layer: &Layer, group: Segment, classes: Vec<u32>) -> Outcome<Self> {
        let (count, n) = (classes.len(), layer.size());
        let mask = BitMatrix::from_fn(1, n, |_, j| group.range().contains(&j));
        let one = |i: usize, j: usize| j == group.first + classes[i] as usize;
        let values: States = match layer.units.are_binary() {
            true => BitMatrix::from_fn(count, n, one).into(),
            false => Matrix::from_fn(count, n, |i, j| f32::from(one(i, j))).into(),
        };
        let held = Self::new(layer, values, mask)?;
        Ok(Self { classes, ..held })
    }

    /// How many classes are held, 1 but for `--every-label`.
    pub fn n_classes(&self) -> usize {
        self.classes.last().map_or(1, |&last| last as usize + 1)
    }

    /// The class of each of `count` chains.
    pub fn classes_of(&self, count: usize) -> Vec<u32> {
        (0..count)
            .map(|k| self.classes[k % self.classes.len()])
            .collect()
    }

    /// Puts the values of held units, which are those in `states`, into `means`.
    pub fn put(&self, states: &States, means: &mut Matrix) {
        for i in 0..means.rows() {
            let row = if self.mask.rows() == 1 { 0 } else { i };
            for j in (0..means.columns()).filter(|&j| self.mask.get(row, j)) {
                means[(i, j)] = states.get(i, j);
            }
        }
    }
}

/// The class that each chain is held at, by `--label` (the first one alone, for all chains) or
/// `--every-label`.
///
/// # Errors
/// A class that does not exist.
fn held_classes(args: &SampleArgs, names: &[String]) -> Outcome<Vec<u32>> {
    let classes = names.len();
    if let Some(name) = &args.label {
        let class = names.iter().position(|x| x == name).ok_or_else(|| {
            let some = names[..classes.min(MOST_NAMED)].join(", ");
            let more = if classes > MOST_NAMED { ", ..." } else { "" };
            Failure::usage(format!(
                "--label {name}: expected one of the {classes} classes {some}{more}"
            ))
        })?;
        return Ok(vec![class as u32]);
    }
    let each = args
        .count
        .map_or(PER_CLASS, |n| n.div_ceil(classes))
        .min(MOST_ELEMENTS / classes);
    Ok((0..classes * each).map(|k| (k / each) as u32).collect())
}

/// Whether `--clamp` asks for examples of the data in place of a file.
fn is_data(clamp: &Path) -> bool {
    clamp == Path::new(DATA)
}

/// Where the chains come from.
pub fn origin(args: &SampleArgs) -> &'static str {
    match (&args.continue_from, args.from_data) {
        (Some(_), _) => "from stored chains",
        (None, true) => match args.clamp.as_deref() {
            None => "from training examples",
            Some(values) if is_data(values) => "from the examples whose units are held",
            Some(_) => "from training examples with held units",
        },
        (None, false) if args.clamp.is_some() => "with held units",
        (None, false) => "from fair coins",
    }
}

fn default_count(args: &SampleArgs) -> usize {
    args.count.unwrap_or(match args.over_time {
        true => DEFAULT_ROWS,
        false => DEFAULT_COUNT,
    })
}

/// The number of chains: `--count`, else the rows that are held, else 100. `levels` copies of a row
/// of `widest` units must fit into memory.
///
/// # Errors
/// More chains than that.
pub fn checked_count(
    args: &SampleArgs,
    widest: usize,
    levels: usize,
    rows: Option<usize>,
) -> Outcome<usize> {
    let rows = rows.filter(|&n| n > 1);
    // With a row a class, whole rows.
    let whole = rows.filter(|_| args.every_label);
    let count = whole.or(args.count).or(rows);
    let count = count.unwrap_or_else(|| default_count(args));
    let most = MOST_ELEMENTS / widest.max(1) / levels.max(1);
    if count > most {
        return Err(Failure::usage(format!(
            "--count {count}: expected at most {most} chains of a machine of this size"
        )));
    }
    Ok(count)
}

/// The visible states that `--from-data` asks for: the examples whose units are held, else the
/// first training examples, over and over if there are few.
///
/// # Errors
/// Data that cannot be had, or of another width.
pub fn start(
    args: &SampleArgs,
    checkpoint: &Checkpoint,
    layer: &Layer,
    held: Option<&Held>,
    count: usize,
) -> Outcome<States> {
    if let Some(examples) = held.and_then(|held| held.examples.as_ref()) {
        return Ok(examples.clone());
    }
    let train = load(args, checkpoint, layer)?.train;
    Ok(train.states().take(&starts(&train, count)))
}

/// The data of `--from-data` and `--clamp data`, as bits where the layer is binary.
fn load(args: &SampleArgs, checkpoint: &Checkpoint, layer: &Layer) -> Outcome<Data> {
    let (source, _) = Source::of_model(checkpoint, args.data.as_deref(), None, None)?;
    let data = source.load()?;
    check_columns(layer.size(), &data)?;
    Ok(likelihood::drawn(layer, &data, source.seed).unwrap_or(data))
}

/// The states in a file of held values in the terms of the data, a column each or a unit each, what
/// of them is there, and what its columns are as units.
fn clamp_file(
    path: &Path,
    checkpoint: &Checkpoint,
    layer: &Layer,
) -> Outcome<(States, Option<BitMatrix>, Encoding)> {
    let reading = Reading {
        missing: true,
        ..Reading::default()
    };
    let table = match is_one_row(path)? {
        Some(row) => row,
        None => Tables::open(path, &reading)?.train,
    };
    let (mut source, _) = Source::of_model(checkpoint, None, None, None)?;
    let n = layer.size();
    let of_columns = source.encoding.as_ref().map(|x| x.columns().len());
    if of_columns.is_some_and(|columns| columns != table.columns()) && table.columns() == n {
        // A unit each, those of a label too.
        source.encoding = Some(Encoding::of_numbers(&layer.units.to_string(), n)?);
    }
    let encoding = match source.encoding {
        Some(encoding) => encoding,
        None => Encoding::fit(&table, &source.asked)?,
    };
    let table = match encoding.scale() {
        1.0 => table,
        scale => table.scaled(scale)?,
    };
    let examples = encoding.encode(&table)?;
    let observed = examples.observed().map(|mask| {
        BitMatrix::from_fn(mask.rows(), n, |i, j| j < mask.columns() && mask.get(i, j))
    });
    let x = examples.input();
    let states: States = match layer.units.are_binary() {
        true => {
            let x = Matrix::from_fn(
                x.rows(),
                n,
                |i, j| if j < x.columns() { x.get(i, j) } else { 0.0 },
            );
            bits(path, &x)?.into()
        }
        false => Matrix::from_fn(x.rows(), n, |i, j| match j < x.columns() {
            true => x.get(i, j),
            false => 0.0,
        })
        .into(),
    };
    Ok((states, observed, encoding))
}

/// The table of an array of one dimension, which is one row.
fn is_one_row(path: &Path) -> Outcome<Option<Table>> {
    if !ends_in(path, "npy") {
        return Ok(None);
    }
    let x = read_npy(path)?;
    let cells = Cells::Floats(x.to_vec());
    let table = Table::new(path, cells, x.rows(), vec![x.columns()])?;
    Ok((x.rows() == 1).then_some(table))
}

/// The mask in a file, a column or a unit each, or named by a half of the picture.
fn mask_of(
    (path, said): (&Path, Option<ShapeArg>),
    encoding: &Encoding,
    pixels: usize,
    n: usize,
) -> Outcome<BitMatrix> {
    let shape = Shape::new(said, Some(encoding), pixels)?;
    if let Some(half) = half(path, shape, pixels, n) {
        return Ok(half);
    }
    let mask = bits(path, &read_npy(path)?)?;
    let codes = encoding.columns();
    if mask.columns() == n || mask.columns() != codes.len() {
        return Ok(mask);
    }
    let column: Vec<usize> = codes
        .iter()
        .enumerate()
        .flat_map(|(j, code)| std::iter::repeat_n(j, code.size()))
        .collect();
    let is_held = |i, j: usize| column.get(j).is_some_and(|&j| mask.get(i, j));
    Ok(BitMatrix::from_fn(mask.rows(), n, is_held))
}

/// The mask that is named by a half of the picture.
fn half(name: &Path, shape: Shape, pixels: usize, columns: usize) -> Option<BitMatrix> {
    let (width, height) = (shape.width, shape.height);
    let channels = shape.values_of_pixel();
    let is_held: Box<dyn Fn(usize, usize) -> bool> = match name.to_str()? {
        "upper" => Box::new(move |_, y| y < height / 2),
        "lower" => Box::new(move |_, y| y >= height / 2),
        "left" => Box::new(move |x, _| x < width / 2),
        "right" => Box::new(move |x, _| x >= width / 2),
        _ => return None,
    };
    let at = |_, j: usize| {
        let k = j / channels;
        j < pixels && is_held(k % width, k / width)
    };
    Some(BitMatrix::from_fn(1, columns, at))
}

fn bits(path: &Path, x: &Matrix) -> Outcome<BitMatrix> {
    BitMatrix::from_matrix(x).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))
}
