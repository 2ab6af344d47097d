//! A canvas of RGB pixels: boxes, text in a font that the program carries, and a PNG
//! file at the end.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use harmonium::{Error, Result, checkpoint::write_atomically};
use image::{
    DynamicImage, ExtendedColorType, ImageEncoder, RgbImage, codecs::png::PngEncoder, imageops,
};
use std::{io, path::Path, sync::LazyLock};

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// The paper.
pub const WHITE: Rgb = [255; 3];
/// Headings and axes.
pub const INK: Rgb = [33, 37, 41];
/// Captions and tick labels.
pub const FAINT_INK: Rgb = [95, 101, 107];

/// The largest canvas, which takes 384 MiB: beyond it a request is taken for a mistake.
const MAX_PIXELS: u64 = 1 << 27;

// Noto Sans 1.04, Copyright 2012 Google Inc., under the Apache License 2.0.
static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| embedded(ttf_noto_sans::REGULAR));
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| embedded(ttf_noto_sans::BOLD));

fn embedded(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is a TrueType font")
}

/// How a line of text looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Pixels per em.
    pub size: f32,
    /// Noto Sans Bold in place of Noto Sans Regular.
    pub bold: bool,
    /// Color of the letters.
    pub color: Rgb,
}

impl Style {
    /// Regular letters.
    pub const fn regular(size: f32, color: Rgb) -> Self {
        Self {
            size,
            bold: false,
            color,
        }
    }

    /// Bold letters.
    pub const fn bold(size: f32, color: Rgb) -> Self {
        Self {
            size,
            bold: true,
            color,
        }
    }

    fn font(self) -> &'static FontRef<'static> {
        if self.bold { &BOLD } else { &REGULAR }
    }

    /// `ab_glyph` scales by the height of a line, which fonts choose freely; people choose by the
    /// em.
    fn scale(self) -> PxScale {
        let font = self.font();
        let per_em = font.units_per_em().unwrap_or(1000.0);
        PxScale::from(self.size * font.height_unscaled() / per_em)
    }

    /// Pixels from the top of one line to the top of the next.
    pub fn line_height(self) -> u32 {
        (self.size * 1.4).ceil() as u32
    }

    /// Pixels from the top of a line to its baseline.
    fn ascent(self) -> f32 {
        (self.size * 1.05).round()
    }

    /// Width of one line in pixels.
    pub fn width(self, text: &str) -> f32 {
        let font = self.font().as_scaled(self.scale());
        text.chars()
            .map(|c| font.h_advance(font.glyph_id(printable(c))))
            .sum()
    }

    /// `text`, cut and ended with an ellipsis if it is wider than `width` pixels.
    pub fn cut(self, text: &str, width: f32) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut characters: Vec<char> = text.chars().collect();
        while characters.pop().is_some() {
            let cut: String = characters.iter().chain(&['…']).collect();
            if self.width(&cut) <= width {
                return cut;
            }
        }
        String::new()
    }

    /// `text` as lines of at most `width` pixels, broken at spaces; a word wider than that is cut.
    pub fn wrap(self, text: &str, width: f32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.width(&format!("{line} {word}")) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(self.cut(word, width)),
            }
        }
        lines
    }
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// Where a line of text stands relative to its x coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    /// It starts there.
    Left,
    /// Its middle is there.
    Middle,
    /// It ends there.
    Right,
}

/// An RGB picture that can be drawn on. Drawing outside of it is allowed and has no effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// `width x height` pixels of one color.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a canvas without pixels or with more than 2^27 of them.
    pub fn new(width: u64, height: u64, color: Rgb) -> Result<Self> {
        match (u32::try_from(width), u32::try_from(height)) {
            (Ok(w), Ok(h)) if (1..=MAX_PIXELS).contains(&(width.saturating_mul(height))) => {
                Ok(Self {
                    image: RgbImage::from_pixel(w, h, image::Rgb(color)),
                })
            }
            _ => Err(Error::parameter(
                "size of a picture",
                format!("1 to {MAX_PIXELS} pixels"),
                format!("{width} x {height} pixels"),
            )),
        }
    }

    /// Pixels from left to right.
    pub fn width(&self) -> u32 {
        self.image.width()
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> u32 {
        self.image.height()
    }

    /// The color of a pixel of the canvas.
    #[cfg(test)]
    pub fn pixel(&self, x: u32, y: u32) -> Rgb {
        self.image.get_pixel(x, y).0
    }

    /// Fills the box with its upper left corner at `(x, y)`.
    pub fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, color: Rgb) {
        let right = x.saturating_add(width).min(self.width());
        let bottom = y.saturating_add(height).min(self.height());
        for y in y..bottom {
            for x in x..right {
                self.image.put_pixel(x, y, image::Rgb(color));
            }
        }
    }

    /// Copies `other` with its upper left corner to `(x, y)`.
    pub fn paste(&mut self, other: &Self, x: u32, y: u32) {
        imageops::replace(&mut self.image, &other.image, x.into(), y.into());
    }

    /// Mixes `coverage` (0 to 1) of `color` into a pixel.
    fn blend(&mut self, x: i64, y: i64, color: Rgb, coverage: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return;
        };
        if let Some(pixel) = self.image.get_pixel_mut_checked(x, y) {
            for (old, new) in pixel.0.iter_mut().zip(color) {
                let mixed =
                    f32::from(*old) + (f32::from(new) - f32::from(*old)) * coverage.min(1.0);
                *old = mixed.round() as u8;
            }
        }
    }

    /// One line of text whose top is at `top` and whose start, middle or end is at `x`.
    pub fn text(&mut self, x: f32, top: u32, anchor: Anchor, style: Style, text: &str) {
        let font = style.font().as_scaled(style.scale());
        let width = style.width(text);
        let mut pen = match anchor {
            // Whole pixels keep the stems of the first letters as sharp as one another.
            Anchor::Left => x,
            Anchor::Middle => (x - width / 2.0).round(),
            Anchor::Right => (x - width).round(),
        };
        let baseline = top as f32 + style.ascent();
        for c in text.chars() {
            let id = font.glyph_id(printable(c));
            let glyph = id.with_scale_and_position(style.scale(), ab_glyph::point(pen, baseline));
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                let (left, upper) = (corner.x as i64, corner.y as i64);
                outline.draw(|x, y, coverage| {
                    self.blend(
                        left + i64::from(x),
                        upper + i64::from(y),
                        style.color,
                        coverage,
                    );
                });
            }
            pen += font.h_advance(id);
        }
    }

    /// The picture of these RGB bytes, whose squares of `by x by` pixels become one each; `None`
    /// if the size is not theirs.
    pub fn shrunk(width: u32, height: u32, pixels: Vec<u8>, by: u32) -> Option<Self> {
        let image = RgbImage::from_raw(width, height, pixels)?;
        // By the method that `image` itself has compiled, optimized in tests too.
        let image = DynamicImage::from(image).thumbnail_exact(width / by, height / by);
        Some(Self {
            image: image.into_rgb8(),
        })
    }

    /// Writes the canvas as a PNG file. The file appears whole or not at all: a file of that name
    /// that was there before stays until the new one is complete.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes)
            .write_image(
                self.image.as_raw(),
                self.width(),
                self.height(),
                ExtendedColorType::Rgb8,
            )
            .map_err(|e| Error::io(path, "encode the picture", io::Error::other(e)))?;
        write_atomically(path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const TEXT: Style = Style::regular(16.0, INK);

    fn ink(canvas: &Canvas) -> Vec<(u32, u32)> {
        let (w, h) = (canvas.width(), canvas.height());
        (0..h)
            .flat_map(|y| (0..w).map(move |x| (x, y)))
            .filter(|&(x, y)| canvas.pixel(x, y) != WHITE)
            .collect()
    }

    #[test]
    fn a_canvas_without_pixels_or_too_large_is_refused() {
        for (w, h) in [
            (0, 5),
            (5, 0),
            (u64::MAX, u64::MAX),
            (1 << 33, 1),
            (1 << 14, 1 << 14),
        ] {
            assert!(matches!(
                Canvas::new(w, h, WHITE),
                Err(Error::Parameter { .. })
            ));
        }
    }

    #[test]
    fn text_lies_within_its_width_and_its_line() {
        let text = "training images, σ = 0.5 …";
        let mut canvas = Canvas::new(400, 60, WHITE).unwrap();
        canvas.text(20.0, 10, Anchor::Left, TEXT, text);
        let pixels = ink(&canvas);
        assert!(pixels.len() > 300);
        let right = 20.0 + TEXT.width(text) + 1.0;
        for (x, y) in pixels {
            assert!((19.0..right).contains(&(x as f32)), "x = {x}");
            assert!((10..10 + TEXT.line_height()).contains(&y), "y = {y}");
        }
    }

    #[test]
    fn the_font_has_the_signs_that_pictures_use() {
        for c in "−…±×·σβ".chars() {
            assert_ne!(REGULAR.glyph_id(c).0, 0, "{c}");
            assert_ne!(BOLD.glyph_id(c).0, 0, "{c}");
        }
    }

    #[test]
    fn long_text_is_wrapped_or_cut() {
        let words = "one two three four five six seven";
        let lines = TEXT.wrap(words, 100.0);
        assert!(lines.len() > 1);
        assert_eq!(lines.join(" "), words);
        assert!(lines.iter().all(|line| TEXT.width(line) <= 100.0));
        let cut = TEXT.cut(words, 100.0);
        assert!(cut.starts_with("one") && cut.ends_with('…') && TEXT.width(&cut) <= 100.0);
        assert_eq!(TEXT.cut("one", 100.0), "one");
        assert_eq!(TEXT.cut("one", 0.0), "");
        assert!(TEXT.wrap("", 100.0).is_empty());
    }

    #[test]
    fn drawing_outside_has_no_effect() {
        let blank = Canvas::new(30, 30, WHITE).unwrap();
        let mut canvas = blank.clone();
        canvas.fill(30, 30, u32::MAX, u32::MAX, INK);
        canvas.text(-500.0, 400, Anchor::Right, TEXT, "away");
        canvas.paste(&blank, 29, 29);
        assert_eq!(canvas, blank);
    }

    #[test]
    fn a_picture_replaces_the_old_file_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.png");
        fs::write(&path, "old").unwrap();
        let mut canvas = Canvas::new(7, 5, WHITE).unwrap();
        canvas.fill(1, 2, 3, 1, [9, 8, 7]);
        canvas.write_png(&path).unwrap();
        let read = image::open(&path).unwrap().to_rgb8();
        assert_eq!(read, canvas.image);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_refused_file_is_an_error_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let canvas = Canvas::new(2, 2, WHITE).unwrap();
        let missing = directory.path().join("missing").join("a.png");
        assert!(matches!(canvas.write_png(&missing), Err(Error::Io { .. })));
        let occupied = directory.path().join("folder");
        fs::create_dir(&occupied).unwrap();
        assert!(matches!(canvas.write_png(&occupied), Err(Error::Io { .. })));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
