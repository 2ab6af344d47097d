//! The confusion table as a picture.

use crate::{
    failure::{Failure, Outcome, note},
    show::canvas::{Anchor, Canvas, FAINT_INK, INK, Rgb, Style, WHITE},
    show::numbers::check_extension,
};
use std::path::Path;

const CELL: u32 = 56;
const MARGIN: u32 = 28;
/// Pixels of a class's name at most, left of the table.
const WIDEST: f32 = 200.0;
/// Pixels left of and above the table, for what its axes are.
const EDGE: u32 = 64;
const TITLE: Style = Style::bold(20.0, INK);
const TEXT: Style = Style::regular(15.0, FAINT_INK);
const NUMBER: Style = Style::regular(14.0, INK);
const LIGHT: Style = Style::regular(14.0, WHITE);
/// Lines between cells.
const LINES: Rgb = [222, 225, 229];
/// Cells of the diagonal and of mistakes at full strength.
const RIGHT: Rgb = [33, 102, 172];
const WRONG: Rgb = [178, 24, 43];
/// The share of a label's examples at which mistakes have full strength: there are few.
const MOST_WRONG: f64 = 0.1;

/// Draws what was found, `[label][class found]` of classes of these names, to the path of
/// `--confusion`, if it is given, and says so.
///
/// # Errors
/// As [`draw`]; nothing found.
pub fn draw_asked(
    path: Option<&Path>,
    title: &str,
    found: Option<(&[Vec<usize>], &[String])>,
) -> Outcome<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let (found, names) = found.ok_or_else(without_labels)?;
    draw(path, title, found, names)?;
    note(format!("confusion table in {}", path.display()));
    Ok(())
}

/// Why there is nothing to draw.
fn without_labels() -> Failure {
    Failure::usage("--confusion: expected a model and data with labels")
        .hint("`harmonium train --labels` makes models that classify")
}

/// Writes one row a label, one column a class found, by their names: counts, stronger colors for
/// larger shares of the label.
///
/// # Errors
/// A name that does not end in `.png`; a file that cannot be written.
fn draw(path: &Path, title: &str, found: &[Vec<usize>], names: &[String]) -> Outcome<()> {
    check_extension("--confusion", path, ".png")?;
    let n = found.len() as u32;
    let names: Vec<String> = names.iter().map(|x| TEXT.cut(x, WIDEST)).collect();
    let widest = names.iter().map(|x| TEXT.width(x)).fold(0.0, f32::max);
    let edge = EDGE.max(widest as u32 + 16);
    let width = (edge + n * CELL).max(300);
    let all: usize = found.iter().flatten().sum();
    let right: usize = (0..found.len()).map(|y| found[y][y]).sum();
    let wrong = (all - right) as f64 / all.max(1) as f64;
    let title = format!("{title}: {:.2} % wrong", 100.0 * wrong);
    let lines = TITLE.wrap(&title, width as f32);
    let (left, half) = (MARGIN + edge, CELL / 2);
    let top = MARGIN + lines.len() as u32 * TITLE.line_height() + EDGE;
    let height = top + n * CELL + MARGIN;
    let mut canvas = Canvas::new((2 * MARGIN + width).into(), height.into(), WHITE)?;
    let mut text = |(x, y): (u32, u32), anchor, style, text: &str| {
        canvas.text(x as f32, y, anchor, style, text);
    };
    for (k, line) in (0..).zip(&lines) {
        let y = MARGIN + k * TITLE.line_height();
        text((MARGIN, y), Anchor::Left, TITLE, line);
    }
    text((left, top - EDGE + 12), Anchor::Left, TEXT, "class found");
    text((MARGIN, top - 30), Anchor::Left, TEXT, "label");
    for (y, name) in (0..).zip(&names) {
        let (at, narrow) = (y * CELL + half, TEXT.cut(name, CELL as f32 - 4.0));
        text((left - 12, top + at - 10), Anchor::Right, TEXT, name);
        text((left + at, top - 30), Anchor::Middle, TEXT, &narrow);
    }
    canvas.fill(left - 1, top - 1, n * CELL + 1, n * CELL + 1, LINES);
    for (y, counts) in (0..).zip(found) {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        for (x, &count) in (0..).zip(counts) {
            let share = count as f64 / all;
            let (color, strength) = match x == y {
                true => (RIGHT, share),
                false => (WRONG, (share / MOST_WRONG).min(1.0)),
            };
            let mixed = color.map(|c| (255.0 - (255.0 - f64::from(c)) * strength) as u8);
            let (cell, row) = (left + x * CELL, top + y * CELL);
            canvas.fill(cell, row, CELL - 1, CELL - 1, mixed);
            let style = if strength > 0.6 { LIGHT } else { NUMBER };
            if count > 0 {
                let middle = (cell + half) as f32;
                let count = count.to_string();
                canvas.text(middle, row + half - 10, Anchor::Middle, style, &count);
            }
        }
    }
    Ok(canvas.write_png(path)?)
}
