//! The shape in which the values of an example are drawn.

use super::picture::tile_shape;
use crate::failure::{Failure, Outcome};
use harmonium::dataset::{Code, Encoding};
use std::{fmt, str::FromStr};

/// Values of a pixel of a color picture.
const CHANNELS: usize = 3;

/// A shape on the command line: `HxW`, or `HxWx3` of color pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeArg {
    height: usize,
    width: usize,
    channels: usize,
}

impl FromStr for ShapeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<usize>> = text.split('x').map(|x| x.parse().ok()).collect();
        let (height, width, channels) = match numbers.as_deref() {
            Some(&[height, width]) => (height, width, 1),
            Some(&[height, width, CHANNELS]) => (height, width, CHANNELS),
            _ => (0, 0, 1),
        };
        let shape = Self {
            height,
            width,
            channels,
        };
        match shape.checked_size() {
            Some(n) if n > 0 => Ok(shape),
            _ => Err("expected a height and a width such as 12x20, or 32x32x3 of colors".into()),
        }
    }
}

impl fmt::Display for ShapeArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.dimensions().iter().map(usize::to_string).collect();
        f.write_str(&texts.join("x"))
    }
}

impl ShapeArg {
    fn checked_size(self) -> Option<usize> {
        self.height
            .checked_mul(self.width)?
            .checked_mul(self.channels)
    }

    /// As encodings have it.
    pub fn dimensions(self) -> Vec<usize> {
        match self.channels {
            1 => vec![self.height, self.width],
            channels => vec![self.height, self.width, channels],
        }
    }

    /// What the encoding of a picture says, if it is one.
    pub fn of(encoding: &Encoding) -> Option<Self> {
        let (height, width, channels) = match *encoding.shape() {
            [height, width] => (height, width, 1),
            [height, width, CHANNELS] => (height, width, CHANNELS),
            _ => return None,
        };
        // Of categories a value is several units.
        let is_of_units = encoding.units().size() == encoding.columns().len();
        is_of_units.then_some(Self {
            height,
            width,
            channels,
        })
    }

    /// Refuses the shape for another number of values.
    ///
    /// # Errors
    /// `--shape`.
    pub fn expect(self, n: usize) -> Outcome<()> {
        match self.checked_size() == Some(n) {
            true => Ok(()),
            false => Err(Failure::usage(format!(
                "--shape {self}: expected a shape of {n} values, which an example has"
            ))),
        }
    }
}

/// How the values of an example become a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Values of a pixel, whose mean is shown.
    channels: usize,
    /// Whether nobody said the shape.
    pub is_guess: bool,
}

impl Shape {
    /// The shape of `n` values.
    pub fn guessed(n: usize) -> Self {
        let (width, height) = tile_shape(n);
        Self {
            width,
            height,
            channels: 1,
            is_guess: true,
        }
    }

    /// The shape of `n` values: what is `said`, else what the encoding says, else a guess.
    ///
    /// # Errors
    /// A shape of another number of values on the command line.
    pub fn new(said: Option<ShapeArg>, encoding: Option<&Encoding>, n: usize) -> Outcome<Self> {
        if let Some(shape) = said {
            shape.expect(n)?;
        }
        let known = said.or_else(|| encoding.and_then(ShapeArg::of));
        Ok(
            match known.filter(|shape| shape.checked_size() == Some(n)) {
                None => Self::guessed(n),
                Some(shape) => Self {
                    width: shape.width,
                    height: shape.height,
                    channels: shape.channels,
                    is_guess: false,
                },
            },
        )
    }

    /// The shape of the examples of an encoding.
    pub fn of(encoding: &Encoding) -> Self {
        let n = encoding.units().size();
        Self::new(None, Some(encoding), n).unwrap_or_else(|_| Self::guessed(n))
    }

    /// Values of a pixel.
    pub fn values_of_pixel(self) -> usize {
        self.channels
    }

    /// One value a pixel: the mean of its colors.
    pub fn pixels(self, tile: &[f32]) -> Vec<f32> {
        let mean = |x: &[f32]| x.iter().sum::<f32>() / self.channels as f32;
        match self.channels {
            1 => tile.to_vec(),
            channels => tile.chunks(channels).map(mean).collect(),
        }
    }

    /// What is not plain about it, for a caption.
    pub fn remark(self) -> &'static str {
        match self.channels {
            1 => "",
            _ => ", the mean of the colors of each pixel",
        }
    }
}

/// Whether examples are rows of a table and no pictures: columns have names, or are numbers,
/// categories or counts, and nothing says the shape of a picture.
pub fn is_table(encoding: &Encoding) -> bool {
    let is_value = |code: &Code| {
        matches!(
            code,
            Code::Number { .. } | Code::Category { .. } | Code::Count
        )
    };
    Shape::of(encoding).is_guess
        && (!encoding.names().is_empty() || encoding.columns().iter().any(is_value))
}

/// What is not said of pictures and how it is said, if it is not.
pub fn unsaid(encoding: &Encoding) -> Option<String> {
    let shape = Shape::of(encoding);
    if is_table(encoding) || !shape.is_guess {
        return None;
    }
    let (height, width, n) = (shape.height, shape.width, encoding.columns().len());
    Some(format!(
        "nothing says a shape of the {n} values of an example: pictures have tiles of {height}x{width}; --shape tells another"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_as_they_are_written() {
        for text in ["12x20", "1x7", "32x32x3"] {
            let shape: ShapeArg = text.parse().unwrap();
            assert_eq!(shape.to_string(), text);
        }
        for text in [
            "",
            "12",
            "0x3",
            "3x0",
            "axb",
            "2x3x4",
            "-1x3",
            "1x2x3x4",
            "9999999999x9999999999",
        ] {
            assert!(text.parse::<ShapeArg>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_said_comes_first_and_a_guess_last() {
        let encoding = Encoding::of_numbers("bernoulli", 240).unwrap();
        let guess = Shape::of(&encoding);
        assert_eq!((guess.height, guess.width, guess.is_guess), (15, 16, true));
        let shaped = encoding.shaped(&[12, 20]).unwrap();
        let shape = Shape::of(&shaped);
        assert_eq!((shape.height, shape.width, shape.is_guess), (12, 20, false));
        let said = Some("20x12".parse().unwrap());
        let shape = Shape::new(said, Some(&shaped), 240).unwrap();
        assert_eq!((shape.height, shape.width), (20, 12));
        assert!(Shape::new(said, Some(&shaped), 241).is_err());
        // A shape of other values than those that are shown is none.
        assert!(Shape::new(None, Some(&shaped), 256).unwrap().is_guess);
    }

    #[test]
    fn colors_are_shown_by_their_mean() {
        let shape = Shape::new(Some("1x2x3".parse().unwrap()), None, 6).unwrap();
        let tile = shape.pixels(&[0.0, 0.5, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(tile, [0.5, 1.0]);
    }

    #[test]
    fn names_numbers_and_categories_make_a_table() {
        let bits = Encoding::of_numbers("bernoulli", 12).unwrap();
        let numbers = Encoding::of_numbers("gaussian", 12).unwrap();
        assert!(!is_table(&bits) && is_table(&numbers));
        assert!(unsaid(&bits).unwrap().contains("3x4"));
        assert!(unsaid(&numbers).is_none());
        assert!(!is_table(&numbers.shaped(&[3, 4]).unwrap()));
    }
}
