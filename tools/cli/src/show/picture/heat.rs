//! Maps of numbers: rows with names, columns with numbers, colors for values.

use super::{Sheet, color::Color, color::with_color_bar};
use crate::show::canvas::{Anchor, Canvas, FAINT_INK, Rgb, Style, WHITE};
use harmonium::Result;

const LABEL: Style = Style::regular(13.0, FAINT_INK);
/// What has no value.
const NONE: Rgb = [215; 3];
/// Pixels of a map, about, and of a cell.
const EXTENT: usize = 440;
const CELLS: (usize, usize) = (4, 34);
/// Pixels for the name of a row.
const NAMES: f32 = 190.0;

/// A map of `rows.len() x columns` numbers, row by row.
pub struct Heat<'a> {
    /// Names of the rows.
    pub rows: &'a [String],
    /// Number of columns.
    pub columns: usize,
    /// The numbers; NaN is gray.
    pub values: &'a [f32],
    /// The value with the strongest color.
    pub limit: f32,
}

impl Sheet {
    /// A map with its names and its colors explained.
    ///
    /// # Errors
    /// A picture of too many pixels.
    pub fn heat(heat: &Heat<'_>) -> Result<Self> {
        let (n, m) = (heat.rows.len(), heat.columns);
        let line = LABEL.line_height() as usize;
        // Names need a line each.
        let height = (EXTENT / n.max(1)).clamp(line - 3, CELLS.1) as u32;
        let width = match n == m {
            true => height,
            false => (2 * EXTENT / m.max(1)).clamp(CELLS.0, CELLS.1) as u32,
        };
        let names: Vec<String> = heat.rows.iter().map(|x| LABEL.cut(x, NAMES)).collect();
        let left = names.iter().map(|x| LABEL.width(x)).fold(0.0, f32::max);
        let (left, top) = (left.ceil() as u32 + 8, line as u32 + 2);
        let right = left + m as u32 * width;
        let bottom = top + n as u32 * height;
        // The last number over the columns may stand out.
        let mut canvas = Canvas::new((right + 16).into(), bottom.into(), WHITE)?;
        let color = Color::Diverging { limit: heat.limit };
        canvas.fill(
            left - 1,
            top - 1,
            right - left + 2,
            bottom - top + 1,
            color.separator(),
        );
        for (i, name) in names.iter().enumerate() {
            let y = top + i as u32 * height;
            let text_top = (y + height / 2).saturating_sub(line as u32 / 2);
            canvas.text((left - 6) as f32, text_top, Anchor::Right, LABEL, name);
            for j in 0..m {
                let value = heat.values[i * m + j];
                let color = if value.is_nan() {
                    NONE
                } else {
                    color.of(value)
                };
                let gap = u32::from(width > 8);
                let x = left + j as u32 * width;
                canvas.fill(x, y, width - gap, height - gap, color);
            }
        }
        let widest = LABEL.width(&m.to_string()) + 6.0;
        let every = [1, 2, 5, 10, 20, 50, 100, 200];
        let fits = |every: &usize| *every as f32 * width as f32 >= widest;
        let every = every.into_iter().find(fits).unwrap_or(500);
        for j in (1..=m).filter(|j| *j == 1 || j.is_multiple_of(every)) {
            let x = left as f32 + (j as f32 - 0.5) * width as f32;
            canvas.text(x, 0, Anchor::Middle, LABEL, &j.to_string());
        }
        Ok(Self::of(with_color_bar(&canvas, heat.limit)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_the_colors_of_their_values() {
        let rows = ["a".to_owned(), "b".to_owned()];
        let values = [1.0, -1.0, f32::NAN, 1.0, -1.0, -1.0];
        let heat = Heat {
            rows: &rows,
            columns: 3,
            values: &values,
            limit: 1.0,
        };
        let canvas = Sheet::heat(&heat).unwrap().into_canvas();
        let color = Color::Diverging { limit: 1.0 };
        let count = |wanted: Rgb| {
            let places = (0..LABEL.line_height() + 2 + 2 * 34)
                .flat_map(|y| (0..canvas.width()).map(move |x| (x, y)));
            places
                .filter(|&(x, y)| canvas.pixel(x, y) == wanted)
                .count()
        };
        let cell = 33 * 33;
        assert_eq!(count(color.of(1.0)), 2 * cell);
        assert_eq!(count(color.of(-1.0)), 3 * cell);
        assert_eq!(count(NONE), cell);
    }
}
