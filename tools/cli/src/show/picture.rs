//! Sheets of tiles: samples, training images and filters as a grid of small pictures.

mod color;
mod heat;

pub use color::{Color, diverging_limit};
pub use heat::Heat;

use crate::show::canvas::{Anchor, Canvas, FAINT_INK, INK, Style, WHITE};
use color::with_color_bar;
use harmonium::{Error, Result};
use std::path::Path;

const TITLE: Style = Style::bold(21.0, INK);
const HEADING: Style = Style::bold(16.0, INK);
const CAPTION: Style = Style::regular(14.0, FAINT_INK);

/// Pixels of paper around a page.
const MARGIN: u32 = 24;
/// Pixels of paper between two blocks.
const GUTTER: u32 = 32;
/// Pixels between a grid and the text above or the color bar below it.
const GAP: u32 = 8;
/// A block narrower than this is widened when it gets a heading, so that words have room.
const MIN_TEXT_WIDTH: u32 = 160;
/// Width and height of the tile for the states or weights of `n_units` units: a square if there is
/// one, else the rectangle nearest to it that is at most four times as wide as high, else the
/// nearest square with room for all, whose last row is not full.
pub fn tile_shape(n_units: usize) -> (usize, usize) {
    let n = n_units.max(1);
    let height = (1..=n.isqrt())
        .rev()
        .find(|&height| n.is_multiple_of(height))
        .unwrap_or(1);
    let width = n / height;
    if width <= 4 * height {
        return (width, height);
    }
    let width = n.isqrt() + 1; // not a square, or the factorization above had found it
    (width, n.div_ceil(width))
}

/// A picture of one or more grids of tiles.
#[derive(Clone, Debug)]
pub struct Sheet {
    heading: Vec<(Style, String)>,
    body: Canvas,
}

impl Sheet {
    /// A sheet of one picture.
    pub fn of(body: Canvas) -> Self {
        Self {
            heading: Vec::new(),
            body,
        }
    }

    /// The picture without its heading.
    pub fn into_canvas(self) -> Canvas {
        self.body
    }

    /// The tiles in reading order, `per_row` to a row (fewer if there are fewer tiles), each value
    /// a square of `scale x scale` pixels, with thin separators between the tiles and around the
    /// grid. Tile values are in row-major order; the last row of a tile may be incomplete, as
    /// [`tile_shape`] allows.
    ///
    /// # Errors
    /// [`Error::Shape`] without tiles or with a tile of another size; [`Error::Parameter`] if a
    /// number is zero, a diverging limit is not positive, or the picture would have more than 2^27
    /// pixels.
    pub fn grid(
        tiles: &[Vec<f32>],
        tile_width: usize,
        tile_height: usize,
        per_row: usize,
        scale: u32,
        color: Color,
    ) -> Result<Self> {
        for (name, number) in [
            ("tile width", tile_width),
            ("tile height", tile_height),
            ("tiles per row", per_row),
            ("scale of tiles", scale as usize),
        ] {
            if number == 0 {
                return Err(Error::parameter(name, "at least 1", 0));
            }
        }
        if let Color::Diverging { limit } = color
            && !(limit > 0.0 && limit.is_finite())
        {
            return Err(Error::parameter("color limit", "a positive number", limit));
        }
        if tiles.is_empty() {
            return Err(Error::shape("tiles of a picture", "at least one", "none"));
        }
        let full = tile_width.saturating_mul(tile_height);
        let accepted = full - tile_width + 1..=full;
        if let Some(tile) = tiles.iter().find(|tile| !accepted.contains(&tile.len())) {
            return Err(Error::shape(
                "tile of a picture",
                format!("{tile_width} x {tile_height}"),
                format!("{} values", tile.len()),
            ));
        }

        let columns = per_row.min(tiles.len());
        let rows = tiles.len().div_ceil(columns);
        let line = u64::from(separator_width(scale));
        let extent = |count: usize, size: usize| {
            let step = (size as u64)
                .saturating_mul(scale.into())
                .saturating_add(line);
            (count as u64).saturating_mul(step).saturating_add(line)
        };
        let mut canvas = Canvas::new(
            extent(columns, tile_width),
            extent(rows, tile_height),
            WHITE,
        )?;
        // From here on every coordinate is inside the canvas and fits into u32.
        let line = line as u32;
        let (width, height) = (tile_width as u32 * scale, tile_height as u32 * scale);
        for (i, tile) in tiles.iter().enumerate() {
            let left = (i % columns) as u32 * (width + line);
            let top = (i / columns) as u32 * (height + line);
            // A tile brings its own frame; neighbors share a side. What a tile lacks shows the
            // frame's color.
            canvas.fill(
                left,
                top,
                width + 2 * line,
                height + 2 * line,
                color.separator(),
            );
            for (j, &value) in tile.iter().enumerate() {
                let x = left + line + (j % tile_width) as u32 * scale;
                let y = top + line + (j / tile_width) as u32 * scale;
                canvas.fill(x, y, scale, scale, color.of(value));
            }
        }
        let body = match color {
            Color::Gray => canvas,
            Color::Diverging { limit } => with_color_bar(&canvas, limit)?,
        };
        Ok(Self {
            heading: Vec::new(),
            body,
        })
    }

    /// The sheet with a heading and a smaller caption above it; an empty text takes no room. Long
    /// texts are wrapped at the width of the sheet. It replaces an earlier heading.
    pub fn headed(mut self, heading: &str, caption: &str) -> Self {
        let width = self.body.width().max(MIN_TEXT_WIDTH);
        self.heading = lines(&[(HEADING, heading), (CAPTION, caption)], width);
        self
    }

    /// One page: `title` on top, which may be empty, then the blocks side by side, on white paper
    /// with a margin. The headings of the blocks are aligned with one another, and so are their
    /// grids.
    ///
    /// # Errors
    /// [`Error::Shape`] without blocks; [`Error::Parameter`] if the picture would have more than
    /// 2^27 pixels.
    pub fn page(title: &str, blocks: &[Self]) -> Result<Self> {
        if blocks.is_empty() {
            return Err(Error::shape("blocks of a picture", "at least one", "none"));
        }
        let widths: Vec<u32> = blocks.iter().map(Self::width).collect();
        let gutters = (blocks.len() as u64 - 1) * u64::from(GUTTER);
        let width = widths.iter().map(|&w| u64::from(w)).sum::<u64>() + gutters;
        let width = width.max(MIN_TEXT_WIDTH.into());
        let title = lines(&[(TITLE, title)], u32::try_from(width).unwrap_or(u32::MAX));
        let blocks_top = MARGIN + height_with_gap(&title, 2 * GAP);
        let headings = blocks.iter().map(|b| height_with_gap(&b.heading, GAP));
        let grids_top = blocks_top + headings.max().unwrap_or(0);
        let tallest = blocks.iter().map(|b| b.body.height()).max().unwrap_or(0);
        let mut page = Canvas::new(
            width + 2 * u64::from(MARGIN),
            u64::from(grids_top) + u64::from(tallest) + u64::from(MARGIN),
            WHITE,
        )?;
        write_lines(&mut page, MARGIN, MARGIN, &title);
        let mut left = MARGIN;
        for (block, width) in blocks.iter().zip(widths) {
            write_lines(&mut page, left, blocks_top, &block.heading);
            page.paste(&block.body, left, grids_top);
            left += width + GUTTER;
        }
        Ok(Self {
            heading: Vec::new(),
            body: page,
        })
    }

    /// Writes the sheet as a PNG file, which appears whole or not at all. A sheet with a heading is
    /// written as a page.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses; [`Error::Parameter`] if
    /// the picture would have more than 2^27 pixels.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        if self.heading.is_empty() {
            self.body.write_png(path)
        } else {
            Self::page("", std::slice::from_ref(self))?
                .body
                .write_png(path)
        }
    }

    /// Pixels from left to right, with room for the heading.
    fn width(&self) -> u32 {
        let text = self.heading.iter().map(|(style, line)| style.width(line));
        let text = text.fold(0.0, f32::max).ceil() as u32;
        self.body.width().max(text)
    }
}

/// Thin at every scale, and never thinner than a pixel.
fn separator_width(scale: u32) -> u32 {
    (scale / 3).clamp(1, 4)
}

/// The texts, each wrapped at `width`.
fn lines(texts: &[(Style, &str)], width: u32) -> Vec<(Style, String)> {
    texts
        .iter()
        .flat_map(|&(style, text)| {
            let wrapped = style.wrap(text, width as f32);
            wrapped.into_iter().map(move |line| (style, line))
        })
        .collect()
}

/// Pixels that the lines and a gap below them take; no lines, no gap.
fn height_with_gap(lines: &[(Style, String)], gap: u32) -> u32 {
    let height: u32 = lines.iter().map(|(style, _)| style.line_height()).sum();
    if lines.is_empty() { 0 } else { height + gap }
}

fn write_lines(canvas: &mut Canvas, left: u32, top: u32, lines: &[(Style, String)]) {
    let mut top = top;
    for (style, line) in lines {
        canvas.text(left as f32, top, Anchor::Left, *style, line);
        top += style.line_height();
    }
}

#[cfg(test)]
mod tests {
    use super::{color::POSITIVE, *};
    use crate::show::canvas::Rgb;

    const GRAY: Color = Color::Gray;

    fn tiles(n: usize, size: usize, value: f32) -> Vec<Vec<f32>> {
        vec![vec![value; size]; n]
    }

    #[test]
    fn tile_shapes() {
        for (n, shape) in [
            (1, (1, 1)),
            (2, (2, 1)),
            (3, (3, 1)),
            (4, (2, 2)),
            (5, (3, 2)),
            (7, (3, 3)),
            (10, (5, 2)),
            (12, (4, 3)),
            (500, (25, 20)),
            (509, (23, 23)),
            (784, (28, 28)),
            (794, (29, 28)),
            (1024, (32, 32)),
        ] {
            assert_eq!(tile_shape(n), shape, "{n} units");
        }
        for n in 1..3000 {
            let (width, height) = tile_shape(n);
            assert!(width >= height && width <= 4 * height, "{n} units");
            // Exactly what a grid accepts.
            assert!(n <= width * height && n > width * (height - 1), "{n} units");
        }
    }

    #[test]
    fn a_grid_puts_every_value_where_it_belongs() {
        // Five tiles of 3 x 2, two to a row; the last value of each is missing.
        let tiles: Vec<Vec<f32>> = (0..5)
            .map(|t| (0..5).map(|j| (t * 5 + j) as f32 / 24.0).collect())
            .collect();
        let scale = 6;
        let line = separator_width(scale);
        let grid = Sheet::grid(&tiles, 3, 2, 2, scale, GRAY).unwrap().body;
        assert_eq!(grid.width(), 2 * 3 * scale + 3 * line);
        assert_eq!(grid.height(), 3 * 2 * scale + 4 * line);
        for (t, tile) in tiles.iter().enumerate() {
            for j in 0..6 {
                let x = (t as u32 % 2) * (3 * scale + line) + line + (j % 3) * scale;
                let y = (t as u32 / 2) * (2 * scale + line) + line + (j / 3) * scale;
                let expected = tile
                    .get(j as usize)
                    .map_or(GRAY.separator(), |&v| GRAY.of(v));
                for (dx, dy) in [(0, 0), (scale - 1, 0), (0, scale - 1), (3, 3)] {
                    assert_eq!(grid.pixel(x + dx, y + dy), expected, "tile {t}, value {j}");
                }
            }
        }
        for (x, y) in [
            (0, 0),
            (0, 5),
            (line - 1, 1),
            (3 * scale + line, 4),
            (1, 2 * scale + line),
        ] {
            assert_eq!(grid.pixel(x, y), GRAY.separator());
        }
        // No sixth tile.
        assert_eq!(grid.pixel(grid.width() - 1, grid.height() - 1), WHITE);
    }

    #[test]
    fn fewer_tiles_than_a_row_make_a_narrow_grid() {
        let grid = Sheet::grid(&tiles(2, 4, 0.3), 2, 2, 10, 1, GRAY)
            .unwrap()
            .body;
        assert_eq!((grid.width(), grid.height()), (2 * 3 + 1, 3 + 1));
    }

    #[test]
    fn what_makes_no_picture_is_refused() {
        let one = tiles(1, 4, 0.0);
        let shape = |result: Result<Sheet>| assert!(matches!(result, Err(Error::Shape { .. })));
        let parameter =
            |result: Result<Sheet>| assert!(matches!(result, Err(Error::Parameter { .. })));
        shape(Sheet::grid(&[], 2, 2, 1, 1, GRAY));
        shape(Sheet::grid(&one, 2, 3, 1, 1, GRAY));
        shape(Sheet::grid(&one, 3, 1, 1, 1, GRAY));
        parameter(Sheet::grid(&one, usize::MAX, usize::MAX, 1, 1, GRAY));
        shape(Sheet::page("title", &[]));
        parameter(Sheet::grid(&one, 0, 2, 1, 1, GRAY));
        parameter(Sheet::grid(&one, 2, 0, 1, 1, GRAY));
        parameter(Sheet::grid(&one, 2, 2, 0, 1, GRAY));
        parameter(Sheet::grid(&one, 2, 2, 1, 0, GRAY));
        parameter(Sheet::grid(&one, 2, 2, 1, u32::MAX, GRAY));
        for limit in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            parameter(Sheet::grid(&one, 2, 2, 1, 1, Color::Diverging { limit }));
        }
    }

    #[test]
    fn a_page_holds_its_blocks_beside_one_another_at_one_height() {
        let color = Color::Diverging { limit: 2.0 };
        let left = Sheet::grid(&tiles(4, 400, 0.0), 20, 20, 2, 5, GRAY)
            .unwrap()
            .headed(
                "left",
                "a caption that is much too long for one line of text",
            );
        let right = Sheet::grid(&tiles(4, 400, 2.0), 20, 20, 4, 5, color)
            .unwrap()
            .headed("right", "");
        assert!(left.heading.len() > 2 && right.heading.len() == 1);
        let page = Sheet::page("title", &[left.clone(), right.clone()])
            .unwrap()
            .body;
        assert_eq!(
            page.width(),
            left.width() + right.width() + GUTTER + 2 * MARGIN
        );
        let first_row = |color: Rgb| {
            (0..page.height())
                .find(|&y| (0..page.width()).any(|x| page.pixel(x, y) == color))
                .unwrap()
        };
        // Text mixes ink and paper, so that only the grids have these very colors.
        assert_eq!(first_row([0; 3]), first_row(POSITIVE[4]));
        for x in 0..page.width() {
            assert_eq!(page.pixel(x, MARGIN - 1), WHITE);
            assert_eq!(page.pixel(x, page.height() - 1), WHITE);
        }
    }

    #[test]
    fn a_sheet_becomes_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("samples.png");
        let sheet = Sheet::grid(&tiles(3, 4, 0.5), 2, 2, 2, 4, GRAY).unwrap();
        sheet.write_png(&path).unwrap();
        let bare = image::open(&path).unwrap();
        assert_eq!(
            (bare.width(), bare.height()),
            (sheet.body.width(), sheet.body.height())
        );
        sheet.headed("heading", "").write_png(&path).unwrap();
        let headed = image::open(&path).unwrap();
        assert_eq!(headed.width(), MIN_TEXT_WIDTH + 2 * MARGIN);
    }
}
