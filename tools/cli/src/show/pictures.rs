//! The pictures of a run: filters, fantasies beside training examples, curves.

use crate::{
    failure::Outcome,
    show::curves::{self, Panel},
    show::metrics::Metrics,
    show::picture::{Color, Sheet, diverging_limit},
    show::shape::{Shape, is_table},
    show::tables::{self, Part},
};
use harmonium::{
    Matrix, States,
    dataset::{Encoding, Examples},
    model::Rbm,
};
use std::path::Path;

/// Hidden units whose weights are shown.
const FILTERS: usize = 100;
/// Fantasies.
const FANTASIES: usize = 100;
/// Chains of a table, at most, and states of all of them, about.
const MOST_CHAINS: usize = 1000;
const MOST_STATES: usize = 1 << 18;
/// Training examples beside the fantasies.
const EXAMPLES: usize = 40;
const EXAMPLES_PER_ROW: usize = 4;
const TILES_PER_ROW: usize = 10;
/// Pixels of a tile, about.
const TILE_PIXELS: usize = 84;
const MAX_SCALE: usize = 16;
/// Values of all tiles of a grid: examples too wide for that are shown in smaller numbers.
const MOST_VALUES: usize = 1 << 25;

/// `wanted` tiles, or as many as make a picture of bearable size.
fn number(wanted: usize, n_units: usize) -> usize {
    wanted.min(MOST_VALUES / n_units.max(1)).max(1)
}

/// A grid of tiles of one shape, at a scale that makes them about as large as one
/// another's.
pub fn grid(tiles: &[Vec<f32>], shape: Shape, per_row: usize, color: Color) -> Outcome<Sheet> {
    let (width, height) = (shape.width, shape.height);
    let tiles: Vec<Vec<f32>> = tiles.iter().map(|tile| shape.pixels(tile)).collect();
    let scale = (TILE_PIXELS / width.max(height)).clamp(1, MAX_SCALE);
    Ok(Sheet::grid(
        &tiles,
        width,
        height,
        per_row,
        scale as u32,
        color,
    )?)
}

/// The rows of a matrix.
pub fn rows(matrix: &Matrix) -> Vec<Vec<f32>> {
    (0..matrix.rows()).map(|i| matrix.row(i).to_vec()).collect()
}

/// Examples `0..n`, each as one row of numbers.
pub fn first_rows(examples: &Examples, n: usize) -> Vec<Vec<f32>> {
    let n = n.min(examples.len());
    let x = examples.input();
    (0..n)
        .map(|i| {
            let mut row = vec![0.0; x.columns()];
            x.copy_row_to(i, &mut row);
            row
        })
        .collect()
}

/// The first `n` values of each tile, brought to [0, 1] if states are not `binary`.
pub fn scaled(mut tiles: Vec<Vec<f32>>, binary: bool, n: usize) -> Vec<Vec<f32>> {
    tiles.iter_mut().for_each(|tile| tile.truncate(n));
    if binary {
        return tiles;
    }
    let all = || tiles.iter().flatten().copied().filter(|x| x.is_finite());
    let (low, high) = (
        all().fold(f32::MAX, f32::min),
        all().fold(f32::MIN, f32::max),
    );
    let width = if high > low { high - low } else { 1.0 };
    let scaled = |tile: Vec<f32>| tile.into_iter().map(|x| (x - low) / width).collect();
    tiles.into_iter().map(scaled).collect()
}

/// Weights of the hidden units with the largest weights, strongest first: tiles of pictures, a map
/// of columns and units of tables.
pub fn filters(path: &Path, title: &str, rbm: &Rbm, encoding: &Encoding) -> Outcome<()> {
    let (n, shape) = (encoding.units().size(), Shape::of(encoding));
    let mut tiles = rows(rbm.transposed().weights());
    tiles.iter_mut().for_each(|tile| tile.truncate(n));
    let norm = |w: &[f32]| w.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>();
    tiles.sort_by(|a, b| norm(b).total_cmp(&norm(a)));
    tiles.truncate(number(FILTERS, n));
    let which = match tiles.len() < rbm.n_hidden() {
        true => format!("{} of {}", tiles.len(), rbm.n_hidden()),
        false => format!("all {}", tiles.len()),
    };
    let caption = format!(
        "weights of {which} hidden units, the strongest first{}",
        shape.remark()
    );
    if is_table(encoding) {
        return tables::draw_weights(path, title, &caption, (&encoding.unit_names(), &tiles));
    }
    let limit = diverging_limit(&tiles);
    let sheet = grid(&tiles, shape, TILES_PER_ROW, Color::Diverging { limit })?;
    Sheet::page(title, &[sheet.headed("filters", &caption)])?.write_png(path)?;
    Ok(())
}

/// Samples of a machine as training leaves them.
pub struct Fantasies<'a> {
    /// Means of the visible units, if there are other units that they depend on, and which.
    pub means: Option<(Matrix, &'static str)>,
    /// Their states.
    pub states: &'a States,
    /// How they came about.
    pub how: &'a str,
    /// Whether states are bits.
    pub binary: bool,
}

/// Chains whose states are shown: as many as tiles of a picture, more of a table.
pub fn chains(encoding: &Encoding) -> usize {
    let n = encoding.units().size();
    match is_table(encoding) {
        true => (MOST_STATES / n.max(1)).clamp(FANTASIES, MOST_CHAINS),
        false => number(FANTASIES, n),
    }
}

/// The first examples in turn, `count` of them.
pub fn starts(train: &Examples, count: usize) -> Vec<usize> {
    (0..count).map(|k| k % train.len()).collect()
}

/// The labels of a row of `per_class` chains a class; of a table those of the first examples in
/// turn, so that classes are as frequent as in the data.
pub fn labels(
    encoding: &Encoding,
    train: &Examples,
    (classes, per_class): (usize, usize),
) -> Vec<u32> {
    match train.labels() {
        Some(labels) if is_table(encoding) => {
            let starts = starts(train, chains(encoding));
            starts.into_iter().map(|i| labels[i]).collect()
        }
        _ => (0..classes * per_class)
            .map(|k| (k / per_class) as u32)
            .collect(),
    }
}

/// How chains of [`labels`] start.
pub fn labels_held(encoding: &Encoding) -> &'static str {
    match is_table(encoding) {
        true => "from fair coins, labels held at those of training examples",
        false => "from fair coins, labels held: a row a class",
    }
}

/// Fantasies beside training examples: tiles of pictures; of tables what each column holds, and
/// correlations.
pub fn beside(
    path: &Path,
    title: &str,
    fantasies: &Fantasies<'_>,
    train: &Examples,
    encoding: &Encoding,
) -> Outcome<()> {
    if is_table(encoding) {
        let parts = [
            Part::of_examples(encoding, "training examples", train)?,
            Part::of_states(encoding, "samples", fantasies.states)?,
        ];
        let caption = format!("states {}", fantasies.how);
        return tables::draw(path, title, &caption, &parts);
    }
    let (n, shape, binary) = (
        encoding.units().size(),
        Shape::of(encoding),
        fantasies.binary,
    );
    let (what, tiles) = match &fantasies.means {
        Some((means, what)) => (*what, rows(means)),
        None => ("states", rows(&fantasies.states.to_matrix())),
    };
    let tiles = scaled(tiles, binary, n);
    let examples = scaled(first_rows(train, number(EXAMPLES, n)), binary, n);
    let caption = format!("{what} {}{}", fantasies.how, shape.remark());
    let seen = "as the machine sees them";
    let pages = [
        grid(&tiles, shape, TILES_PER_ROW, Color::Gray)?.headed("fantasies", &caption),
        grid(&examples, shape, EXAMPLES_PER_ROW, Color::Gray)?.headed("training examples", seen),
    ];
    Sheet::page(title, &pages)?.write_png(path)?;
    Ok(())
}

/// The metrics over the epochs, of each stage.
pub fn curves(path: &Path, title: &str, metrics: &Metrics) -> Outcome<()> {
    let panels = metrics.table().panels(metrics.rows());
    let panels: Vec<Panel<'_>> = panels
        .iter()
        .map(|(y_label, series)| Panel { y_label, series })
        .collect();
    curves::draw(path, title, &panels)?;
    Ok(())
}
