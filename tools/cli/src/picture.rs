//! Sheets of tiles: samples, training images and filters as a grid of small pictures.

use crate::canvas::{Anchor, Canvas, FAINT_INK, INK, Rgb, Style, WHITE};
use harmonium::{Error, Result};
use std::path::Path;

const TITLE: Style = Style::bold(21.0, INK);
const HEADING: Style = Style::bold(16.0, INK);
const CAPTION: Style = Style::regular(14.0, FAINT_INK);
const BAR_LABEL: Style = Style::regular(12.0, FAINT_INK);

/// Pixels of paper around a page.
const MARGIN: u32 = 24;
/// Pixels of paper between two blocks.
const GUTTER: u32 = 32;
/// Pixels between a grid and the text above or the colour bar below it.
const GAP: u32 = 8;
/// A block narrower than this is widened when it gets a heading, so that words have room.
const MIN_TEXT_WIDTH: u32 = 160;
/// Width and height of the bar that explains diverging colours.
const BAR: (u32, u32) = (160, 10);

/// The blue arm of ColorBrewer's RdBu, from white on.
const NEGATIVE: [Rgb; 5] = [
    WHITE,
    [209, 229, 240],
    [146, 197, 222],
    [67, 147, 195],
    [33, 102, 172],
];
/// The red arm of ColorBrewer's RdBu, from white on.
const POSITIVE: [Rgb; 5] = [
    WHITE,
    [253, 219, 199],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
];
/// NaN has to be seen.
const NOT_A_NUMBER: Rgb = [255, 0, 255];

/// How values become colours. Values outside the range take the colour of its nearer end; NaN is magenta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Colour {
    /// 0 is black, 1 is white.
    Grey,
    /// `-limit` is blue, 0 is white, `limit` is red. A colour bar below the grid tells the limit.
    Diverging {
        /// The value with the strongest colour, positive; see [`diverging_limit`].
        limit: f32,
    },
}

impl Colour {
    fn of(self, value: f32) -> Rgb {
        if value.is_nan() {
            return NOT_A_NUMBER;
        }
        match self {
            Self::Grey => [(value.clamp(0.0, 1.0) * 255.0).round() as u8; 3],
            Self::Diverging { limit } => {
                let arm = if value < 0.0 { NEGATIVE } else { POSITIVE };
                let strength = (value / limit).abs().min(1.0) * (arm.len() - 1) as f32;
                let below = (strength as usize).min(arm.len() - 2);
                let fraction = strength - below as f32;
                std::array::from_fn(|i| {
                    let (a, b) = (f32::from(arm[below][i]), f32::from(arm[below + 1][i]));
                    (a + (b - a) * fraction).round() as u8
                })
            }
        }
    }

    /// Separators that are seen beside both ends of the scale and its middle, without being louder than the tiles.
    fn separator(self) -> Rgb {
        match self {
            Self::Grey => [110; 3],
            Self::Diverging { .. } => [186; 3],
        }
    }
}

/// The 99.5th percentile (nearest rank) of `|w|` over all finite `w` of the tiles, which keeps a few extreme weights
/// from paling all others; 1 if that is zero or there are none.
pub fn diverging_limit(tiles: &[Vec<f32>]) -> f32 {
    let mut sizes: Vec<f32> = tiles
        .iter()
        .flatten()
        .map(|w| w.abs())
        .filter(|w| w.is_finite())
        .collect();
    if sizes.is_empty() {
        return 1.0;
    }
    let rank = (sizes.len() * 199).div_ceil(200) - 1;
    let (_, &mut limit, _) = sizes.select_nth_unstable_by(rank, f32::total_cmp);
    if limit > 0.0 { limit } else { 1.0 }
}

/// Width and height of the tile for the states or weights of `n_units` units: a square if there is one, else the
/// rectangle nearest to it that is at most four times as wide as high, else the nearest square with room for all, whose
/// last row is not full.
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
    let width = n.isqrt() + 1; // not a square, or the factorisation above had found it
    (width, n.div_ceil(width))
}

/// A picture of one or more grids of tiles.
#[derive(Clone, Debug)]
pub struct Sheet {
    heading: Vec<(Style, String)>,
    body: Canvas,
}

impl Sheet {
    /// The tiles in reading order, `per_row` to a row (fewer if there are fewer tiles), each value a square of
    /// `scale x scale` pixels, with thin separators between the tiles and around the grid. Tile values are in row-major
    /// order; the last row of a tile may be incomplete, as [`tile_shape`] allows.
    ///
    /// # Errors
    /// [`Error::Shape`] without tiles or with a tile of another size; [`Error::Parameter`] if a number is zero, a
    /// diverging limit is not positive, or the picture would have more than 2^27 pixels.
    pub fn grid(
        tiles: &[Vec<f32>],
        tile_width: usize,
        tile_height: usize,
        per_row: usize,
        scale: u32,
        colour: Colour,
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
        if let Colour::Diverging { limit } = colour
            && !(limit > 0.0 && limit.is_finite())
        {
            return Err(Error::parameter("colour limit", "a positive number", limit));
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
            // A tile brings its own frame; neighbours share a side. What a tile lacks shows the frame's colour.
            canvas.fill(
                left,
                top,
                width + 2 * line,
                height + 2 * line,
                colour.separator(),
            );
            for (j, &value) in tile.iter().enumerate() {
                let x = left + line + (j % tile_width) as u32 * scale;
                let y = top + line + (j / tile_width) as u32 * scale;
                canvas.fill(x, y, scale, scale, colour.of(value));
            }
        }
        let body = match colour {
            Colour::Grey => canvas,
            Colour::Diverging { limit } => with_colour_bar(&canvas, limit)?,
        };
        Ok(Self {
            heading: Vec::new(),
            body,
        })
    }

    /// The sheet with a heading and a smaller caption above it; an empty text takes no room. Long texts are wrapped at
    /// the width of the sheet. It replaces an earlier heading.
    pub fn headed(mut self, heading: &str, caption: &str) -> Self {
        let width = self.body.width().max(MIN_TEXT_WIDTH);
        self.heading = lines(&[(HEADING, heading), (CAPTION, caption)], width);
        self
    }

    /// One page: `title` on top, which may be empty, then the blocks side by side, on white paper with a margin. The
    /// headings of the blocks are aligned with one another, and so are their grids.
    ///
    /// # Errors
    /// [`Error::Shape`] without blocks; [`Error::Parameter`] if the picture would have more than 2^27 pixels.
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

    /// Writes the sheet as a PNG file, which appears whole or not at all. A sheet with a heading is written as a page.
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

/// The grid with the colours from `-limit` to `limit` explained below it.
fn with_colour_bar(grid: &Canvas, limit: f32) -> Result<Canvas> {
    let (low, high) = (
        format!("−{}", significant(limit)),
        format!("+{}", significant(limit)),
    );
    let left = BAR_LABEL.width(&low).ceil() as u32 + 6;
    let right = left + BAR.0 + 6;
    let width = grid
        .width()
        .max(right + BAR_LABEL.width(&high).ceil() as u32 + 1);
    let top = grid.height() + GAP;
    let height = u64::from(top) + u64::from(BAR_LABEL.line_height());
    let mut canvas = Canvas::new(width.into(), height, WHITE)?;
    canvas.paste(grid, 0, 0);
    canvas.text(0.0, top, Anchor::Left, BAR_LABEL, &low);
    canvas.text(right as f32, top, Anchor::Left, BAR_LABEL, &high);
    let colour = Colour::Diverging { limit };
    let bar_top = top + (BAR_LABEL.line_height() - BAR.1) / 2;
    canvas.fill(left, bar_top, BAR.0, BAR.1, colour.separator());
    for x in 1..BAR.0 - 1 {
        let value = (2.0 * x as f32 / (BAR.0 - 1) as f32 - 1.0) * limit;
        canvas.fill(left + x, bar_top + 1, 1, BAR.1 - 2, colour.of(value));
    }
    Ok(canvas)
}

/// A positive number in at least two significant digits.
fn significant(x: f32) -> String {
    match x {
        0.1..10_000.0 => format!("{x:.2}"),
        0.001..0.1 => format!("{x:.4}"),
        _ => format!("{x:.1e}"),
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
    use super::*;

    const GREY: Colour = Colour::Grey;

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
    fn colours_hit_their_anchors() {
        assert_eq!(GREY.of(0.0), [0; 3]);
        assert_eq!(GREY.of(0.5), [128; 3]);
        assert_eq!(GREY.of(1.0), [255; 3]);
        assert_eq!(GREY.of(-3.0), [0; 3]);
        assert_eq!(GREY.of(f32::INFINITY), [255; 3]);
        assert_eq!(GREY.of(f32::NAN), NOT_A_NUMBER);
        let diverging = Colour::Diverging { limit: 0.5 };
        assert_eq!(diverging.of(0.0), WHITE);
        assert_eq!(diverging.of(-0.0), WHITE);
        assert_eq!(diverging.of(0.5), POSITIVE[4]);
        assert_eq!(diverging.of(7.0), POSITIVE[4]);
        assert_eq!(diverging.of(0.25), POSITIVE[2]);
        assert_eq!(diverging.of(-0.125), NEGATIVE[1]);
        assert_eq!(diverging.of(f32::NEG_INFINITY), NEGATIVE[4]);
        assert_eq!(diverging.of(f32::NAN), NOT_A_NUMBER);
    }

    #[test]
    fn the_limit_is_the_percentile_of_finite_sizes() {
        let ramp: Vec<f32> = (1..=1000)
            .map(|i| if i % 2 == 0 { i as f32 } else { -(i as f32) })
            .collect();
        assert_eq!(diverging_limit(&[ramp]), 995.0);
        assert_eq!(
            diverging_limit(&[vec![f32::NAN, -2.0], vec![f32::INFINITY]]),
            2.0
        );
        assert_eq!(diverging_limit(&[vec![0.0; 9]]), 1.0);
        assert_eq!(diverging_limit(&[]), 1.0);
    }

    #[test]
    fn a_grid_puts_every_value_where_it_belongs() {
        // Five tiles of 3 x 2, two to a row; the last value of each is missing.
        let tiles: Vec<Vec<f32>> = (0..5)
            .map(|t| (0..5).map(|j| (t * 5 + j) as f32 / 24.0).collect())
            .collect();
        let scale = 6;
        let line = separator_width(scale);
        let grid = Sheet::grid(&tiles, 3, 2, 2, scale, GREY).unwrap().body;
        assert_eq!(grid.width(), 2 * 3 * scale + 3 * line);
        assert_eq!(grid.height(), 3 * 2 * scale + 4 * line);
        for (t, tile) in tiles.iter().enumerate() {
            for j in 0..6 {
                let x = (t as u32 % 2) * (3 * scale + line) + line + (j % 3) * scale;
                let y = (t as u32 / 2) * (2 * scale + line) + line + (j / 3) * scale;
                let expected = tile
                    .get(j as usize)
                    .map_or(GREY.separator(), |&v| GREY.of(v));
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
            assert_eq!(grid.pixel(x, y), GREY.separator());
        }
        // No sixth tile.
        assert_eq!(grid.pixel(grid.width() - 1, grid.height() - 1), WHITE);
    }

    #[test]
    fn fewer_tiles_than_a_row_make_a_narrow_grid() {
        let grid = Sheet::grid(&tiles(2, 4, 0.3), 2, 2, 10, 1, GREY)
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
        shape(Sheet::grid(&[], 2, 2, 1, 1, GREY));
        shape(Sheet::grid(&one, 2, 3, 1, 1, GREY));
        shape(Sheet::grid(&one, 3, 1, 1, 1, GREY));
        parameter(Sheet::grid(&one, usize::MAX, usize::MAX, 1, 1, GREY));
        shape(Sheet::page("title", &[]));
        parameter(Sheet::grid(&one, 0, 2, 1, 1, GREY));
        parameter(Sheet::grid(&one, 2, 0, 1, 1, GREY));
        parameter(Sheet::grid(&one, 2, 2, 0, 1, GREY));
        parameter(Sheet::grid(&one, 2, 2, 1, 0, GREY));
        parameter(Sheet::grid(&one, 2, 2, 1, u32::MAX, GREY));
        for limit in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            parameter(Sheet::grid(&one, 2, 2, 1, 1, Colour::Diverging { limit }));
        }
    }

    #[test]
    fn a_page_holds_its_blocks_beside_one_another_at_one_height() {
        let colour = Colour::Diverging { limit: 2.0 };
        let left = Sheet::grid(&tiles(4, 400, 0.0), 20, 20, 2, 5, GREY)
            .unwrap()
            .headed(
                "left",
                "a caption that is much too long for one line of text",
            );
        let right = Sheet::grid(&tiles(4, 400, 2.0), 20, 20, 4, 5, colour)
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
        let first_row = |colour: Rgb| {
            (0..page.height())
                .find(|&y| (0..page.width()).any(|x| page.pixel(x, y) == colour))
                .unwrap()
        };
        // Text mixes ink and paper, so that only the grids have these very colours.
        assert_eq!(first_row([0; 3]), first_row(POSITIVE[4]));
        for x in 0..page.width() {
            assert_eq!(page.pixel(x, MARGIN - 1), WHITE);
            assert_eq!(page.pixel(x, page.height() - 1), WHITE);
        }
    }

    #[test]
    fn limits_are_told_in_two_digits_or_more() {
        for (x, text) in [
            (0.5, "0.50"),
            (12.345, "12.35"),
            (0.0123, "0.0123"),
            (1e-5, "1.0e-5"),
            (3e7, "3.0e7"),
        ] {
            assert_eq!(significant(x), text);
        }
    }

    #[test]
    fn a_sheet_becomes_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("samples.png");
        let sheet = Sheet::grid(&tiles(3, 4, 0.5), 2, 2, 2, 4, GREY).unwrap();
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
