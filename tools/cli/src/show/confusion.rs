//! The confusion table as a picture.

use crate::{
    failure::{Failure, Outcome, note},
    run::classification::Classification,
    show::canvas::{Anchor, Canvas, FAINT_INK, INK, Rgb, Style, WHITE},
    show::numbers::check_extension,
};
use std::path::Path;

const CELL: u32 = 56;
const MARGIN: u32 = 28;
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

/// Draws what was found to the path of `--confusion`, if it is given, and says so.
///
/// # Errors
/// As [`draw`]; nothing found.
pub fn draw_asked(path: Option<&Path>, title: &str, found: Option<&Classification>) -> Outcome<()> {
    let Some(path) = path else {
        return Ok(());
    };
    draw(path, title, found.ok_or_else(without_labels)?)?;
    note(format!("confusion table in {}", path.display()));
    Ok(())
}

/// Why there is nothing to draw.
fn without_labels() -> Failure {
    Failure::usage("--confusion: expected a model and data with labels")
        .hint("`harmonium train --labels` makes models that classify")
}

/// Writes one row a label, one column a class found: counts, stronger colors for larger shares of
/// the label.
///
/// # Errors
/// A name that does not end in `.png`; a file that cannot be written.
fn draw(path: &Path, title: &str, found: &Classification) -> Outcome<()> {
    check_extension("--confusion", path, ".png")?;
    let n = found.confusion.len() as u32;
    let size = EDGE + n * CELL;
    let title = format!("{title}: {:.2} % wrong", 100.0 * found.error());
    let lines = TITLE.wrap(&title, size.max(300) as f32);
    let top = MARGIN + lines.len() as u32 * TITLE.line_height() + EDGE;
    let width = 2 * MARGIN + size.max(300);
    let mut canvas = Canvas::new(width.into(), u64::from(top + n * CELL + MARGIN), WHITE)?;
    for (k, line) in lines.iter().enumerate() {
        let y = MARGIN + k as u32 * TITLE.line_height();
        canvas.text(MARGIN as f32, y, Anchor::Left, TITLE, line);
    }
    let left = MARGIN + EDGE;
    let half = CELL / 2;
    canvas.fill(left - 1, top - 1, n * CELL + 1, n * CELL + 1, LINES);
    canvas.text(
        left as f32,
        top - EDGE + 12,
        Anchor::Left,
        TEXT,
        "class found",
    );
    canvas.text(MARGIN as f32, top - 30, Anchor::Left, TEXT, "label");
    for (y, counts) in found.confusion.iter().enumerate() {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        let row = top + y as u32 * CELL;
        canvas.text(
            (left - 12) as f32,
            row + half - 10,
            Anchor::Right,
            TEXT,
            &y.to_string(),
        );
        let column = (left + y as u32 * CELL + half) as f32;
        canvas.text(column, top - 30, Anchor::Middle, TEXT, &y.to_string());
        for (x, &count) in counts.iter().enumerate() {
            let share = count as f64 / all;
            let (color, strength) = if x == y {
                (RIGHT, share)
            } else {
                (WRONG, (share / MOST_WRONG).min(1.0))
            };
            let mixed = color.map(|c| (255.0 - (255.0 - f64::from(c)) * strength) as u8);
            let cell = left + x as u32 * CELL;
            canvas.fill(cell, row, CELL - 1, CELL - 1, mixed);
            let style = if strength > 0.6 { LIGHT } else { NUMBER };
            if count > 0 {
                let text = count.to_string();
                canvas.text(
                    (cell + half) as f32,
                    row + half - 10,
                    Anchor::Middle,
                    style,
                    &text,
                );
            }
        }
    }
    Ok(canvas.write_png(path)?)
}
