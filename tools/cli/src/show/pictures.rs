//! The pictures of a run: filters, fantasies beside training examples, curves.

use crate::{
    failure::Outcome,
    show::curves::{self, Panel},
    show::metrics::Metrics,
    show::picture::{Color, Sheet, diverging_limit, tile_shape},
};
use harmonium::{Matrix, States, dataset::Examples, model::Rbm};
use std::path::Path;

/// Hidden units whose weights are shown.
const FILTERS: usize = 100;
/// Fantasies, and the sweeps of the chains that they come from.
const FANTASIES: usize = 100;
const SWEEPS: usize = 1000;
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

/// A grid of tiles of `n_units` values each, at a scale that makes them about as large as one
/// another's.
pub fn grid(tiles: &[Vec<f32>], n_units: usize, per_row: usize, color: Color) -> Outcome<Sheet> {
    let (width, height) = tile_shape(n_units);
    let scale = (TILE_PIXELS / width.max(height)).clamp(1, MAX_SCALE);
    Ok(Sheet::grid(
        tiles,
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

/// Visible units without those of a label.
pub fn shown(rbm: &Rbm) -> usize {
    match rbm.label_group() {
        Some(group) if group.first > 0 => group.first,
        _ => rbm.n_visible(),
    }
}

/// The first `n` values of each tile, brought to [0, 1] if the machine's states are not.
pub fn gray(tiles: Vec<Vec<f32>>, rbm: &Rbm, n: usize) -> Vec<Vec<f32>> {
    scaled(tiles, rbm.visible().units.are_binary(), n)
}

/// As [`gray`], of states that are `binary` or not.
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

/// Weights of the hidden units with the largest weights, strongest first.
pub fn filters(path: &Path, title: &str, rbm: &Rbm) -> Outcome<()> {
    let n = shown(rbm);
    let mut tiles = rows(rbm.transposed().weights());
    tiles.iter_mut().for_each(|tile| tile.truncate(n));
    let norm = |w: &[f32]| w.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>();
    tiles.sort_by(|a, b| norm(b).total_cmp(&norm(a)));
    tiles.truncate(number(FILTERS, n));
    let limit = diverging_limit(&tiles);
    let caption = if tiles.len() < rbm.n_hidden() {
        format!(
            "weights of {} of {} hidden units, the strongest first",
            tiles.len(),
            rbm.n_hidden()
        )
    } else {
        format!(
            "weights of all {} hidden units, the strongest first",
            tiles.len()
        )
    };
    let sheet = grid(&tiles, n, TILES_PER_ROW, Color::Diverging { limit })?;
    Sheet::page(title, &[sheet.headed("filters", &caption)])?.write_png(path)?;
    Ok(())
}

/// Fantasies beside training examples. The chains start at the first training examples, over and
/// over if there are few (gray ones at `x > 0.5`).
pub fn samples(path: &Path, title: &str, rbm: &Rbm, train: &Examples, seed: u64) -> Outcome<()> {
    let n = shown(rbm);
    let starts = (0..number(FANTASIES, n)).map(|k| k % train.len());
    let start = train.states().take(&starts.collect::<Vec<_>>());
    let start = match start {
        States::Real(x) if rbm.visible().units.are_binary() => {
            harmonium::BitMatrix::from_fn(x.rows(), x.columns(), |i, j| x[(i, j)] > 0.5).into()
        }
        start => start,
    };
    let mut chains = rbm.chains_from(start, seed)?;
    chains.sweep(rbm, SWEEPS, 1.0)?;
    let fantasies = gray(rows(&rbm.mean_v_from_h(chains.hidden(), 1.0)?), rbm, n);
    let examples = gray(first_rows(train, number(EXAMPLES, n)), rbm, n);
    let caption = format!(
        "E[v | h] of {} chains after {SWEEPS} Gibbs sweeps from training examples",
        fantasies.len()
    );
    let pages = [
        grid(&fantasies, n, TILES_PER_ROW, Color::Gray)?.headed("fantasies", &caption),
        grid(&examples, n, EXAMPLES_PER_ROW, Color::Gray)?
            .headed("training examples", "as the machine sees them"),
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
