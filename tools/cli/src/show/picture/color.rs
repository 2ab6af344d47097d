//! How values become colors, and the bar that explains them.

use super::GAP;
use crate::show::canvas::{Anchor, Canvas, FAINT_INK, Rgb, Style, WHITE};
use harmonium::Result;

const BAR_LABEL: Style = Style::regular(12.0, FAINT_INK);

/// Width and height of the bar that explains diverging colors.
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
pub(super) const POSITIVE: [Rgb; 5] = [
    WHITE,
    [253, 219, 199],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
];
/// NaN has to be seen.
const NOT_A_NUMBER: Rgb = [255, 0, 255];

/// How values become colors. Values outside the range take the color of its nearer end; NaN is
/// magenta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Color {
    /// 0 is black, 1 is white.
    Gray,
    /// `-limit` is blue, 0 is white, `limit` is red. A color bar below the grid tells the limit.
    Diverging {
        /// The value with the strongest color, positive; see [`diverging_limit`].
        limit: f32,
    },
}

impl Color {
    pub(super) fn of(self, value: f32) -> Rgb {
        if value.is_nan() {
            return NOT_A_NUMBER;
        }
        match self {
            Self::Gray => [(value.clamp(0.0, 1.0) * 255.0).round() as u8; 3],
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

    /// Separators that are seen beside both ends of the scale and its middle, without being louder
    /// than the tiles.
    pub(super) fn separator(self) -> Rgb {
        match self {
            Self::Gray => [110; 3],
            Self::Diverging { .. } => [186; 3],
        }
    }
}

/// The 99.5th percentile (nearest rank) of `|w|` over all finite `w` of the tiles, which keeps a
/// few extreme weights from paling all others; 1 if that is zero or there are none.
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

/// The grid with the colors from `-limit` to `limit` explained below it.
pub(super) fn with_color_bar(grid: &Canvas, limit: f32) -> Result<Canvas> {
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
    let color = Color::Diverging { limit };
    let bar_top = top + (BAR_LABEL.line_height() - BAR.1) / 2;
    canvas.fill(left, bar_top, BAR.0, BAR.1, color.separator());
    for x in 1..BAR.0 - 1 {
        let value = (2.0 * x as f32 / (BAR.0 - 1) as f32 - 1.0) * limit;
        canvas.fill(left + x, bar_top + 1, 1, BAR.1 - 2, color.of(value));
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

#[cfg(test)]
mod tests {
    use super::*;

    const GRAY: Color = Color::Gray;

    #[test]
    fn colors_hit_their_anchors() {
        assert_eq!(GRAY.of(0.0), [0; 3]);
        assert_eq!(GRAY.of(0.5), [128; 3]);
        assert_eq!(GRAY.of(1.0), [255; 3]);
        assert_eq!(GRAY.of(-3.0), [0; 3]);
        assert_eq!(GRAY.of(f32::INFINITY), [255; 3]);
        assert_eq!(GRAY.of(f32::NAN), NOT_A_NUMBER);
        let diverging = Color::Diverging { limit: 0.5 };
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
}
