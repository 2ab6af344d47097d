//! The picture of the couplings of a general Boltzmann machine.

use crate::{
    failure::Outcome,
    run::edges::couplings,
    show::picture::{Color, Sheet, diverging_limit},
    show::pictures::grid,
    show::shape::{Shape, is_table},
};
use harmonium::{BoltzmannMachine, dataset::Encoding};
use std::path::Path;

/// Units of a machine whose matrix of couplings is shown, at most.
const MATRIX_UNITS: usize = 400;
/// Pixels of the matrix, about.
const MATRIX_PIXELS: usize = 560;
/// Largest square of a coupling, in pixels.
const MOST_SCALE: usize = 28;
/// Units whose couplings with the visible ones are shown as pictures.
const TILES: usize = 64;
const TILES_PER_ROW: usize = 8;
/// Fewer visible units than this are no picture.
const PICTURE_UNITS: usize = 9;

/// The matrix of couplings of a small machine; couplings of units with all visible ones, each at
/// the place of its unit.
///
/// # Errors
/// A file that cannot be written.
pub fn draw_couplings(
    path: &Path,
    title: &str,
    machine: &BoltzmannMachine,
    encoding: &Encoding,
) -> Outcome<()> {
    let (n, m, units) = (machine.n_visible(), machine.n_hidden(), machine.units());
    let all = couplings(machine);
    let mut blocks = Vec::new();
    if units <= MATRIX_UNITS {
        let tile: Vec<f32> = all.elements().collect();
        let limit = diverging_limit(std::slice::from_ref(&tile));
        let scale = (MATRIX_PIXELS / units.max(1)).clamp(1, MOST_SCALE) as u32;
        let caption = if m == 0 {
            "of every unit (row) with every other (column)".to_owned()
        } else {
            format!("of every unit (row) with every other (column), {n} visible ones first")
        };
        let color = Color::Diverging { limit };
        let sheet = Sheet::grid(&[tile], units, units, 1, scale, color)?;
        blocks.push(sheet.headed("couplings", &caption));
    }
    let shape = Shape::of(encoding);
    let (width, height) = (shape.width, shape.height);
    if n >= PICTURE_UNITS && width * height == n && !is_table(encoding) {
        let norm = |w: &[f32]| w.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>();
        let row = |i: usize| all.row(i)[..n].to_vec();
        let mut of_hidden: Vec<Vec<f32>> = (n..units).map(row).collect();
        of_hidden.sort_by(|a, b| norm(b).total_cmp(&norm(a)));
        // A picture of pictures: all units, or a grid of them.
        let (across, down) = if n <= TILES {
            (width, height)
        } else {
            (TILES_PER_ROW.min(width), TILES_PER_ROW.min(height))
        };
        let middle = |k: usize, of: usize, size: usize| (2 * k + 1) * size / (2 * of);
        let places = (0..across * down).map(|k| {
            let (y, x) = (k / across, k % across);
            middle(y, down, height) * width + middle(x, across, width)
        });
        let of_visible: Vec<Vec<f32>> = places.map(row).collect();
        let which = if across * down == n {
            "a unit"
        } else {
            "some units"
        };
        let of_each = format!("couplings of {which} with the others, each at its place");
        for (name, mut tiles, per_row, caption) in [
            (
                "hidden units",
                of_hidden,
                TILES_PER_ROW,
                "couplings with the visible units, the strongest first",
            ),
            ("visible units", of_visible, across, &of_each),
        ] {
            tiles.truncate(TILES);
            if tiles.iter().flatten().all(|&w| w == 0.0) {
                continue;
            }
            let limit = diverging_limit(&tiles);
            let sheet = grid(&tiles, shape, per_row, Color::Diverging { limit })?;
            blocks.push(sheet.headed(name, caption));
        }
    }
    if blocks.is_empty() {
        // The strongest couplings of a machine that is neither small nor a picture.
        let mut strongest: Vec<f32> = all.elements().filter(|&w| w != 0.0).collect();
        strongest.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
        strongest.truncate(MATRIX_UNITS);
        strongest.push(0.0);
        let limit = diverging_limit(std::slice::from_ref(&strongest));
        let color = Color::Diverging { limit };
        let shape = Shape::guessed(strongest.len());
        let sheet = grid(&[strongest], shape, 1, color)?;
        blocks.push(sheet.headed("couplings", "the strongest ones"));
    }
    Sheet::page(title, &blocks)?.write_png(path)?;
    Ok(())
}
