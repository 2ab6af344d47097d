//! Curves over the epochs of training: panels below one another on one time axis. Boxes, grids and
//! lines are those of `plotters`.

use crate::show::canvas::{Anchor, Canvas, FAINT_INK, INK, Rgb, Style, WHITE};
use harmonium::{Error, Result};
use plotters::{
    backend::BitMapBackend,
    chart::ChartBuilder,
    coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
    drawing::IntoDrawingArea,
    element::Circle,
    series::LineSeries,
    style::{Color, FontStyle, IntoTextStyle, RGBColor, TRANSPARENT, register_font},
};
use std::{ops::Range, path::Path, sync::LazyLock};

const TITLE: Style = Style::bold(24.0, INK);
const Y_LABEL: Style = Style::bold(17.0, INK);
const LEGEND: Style = Style::regular(16.0, INK);
const GRID: RGBColor = RGBColor(232, 234, 237);
const AXIS: RGBColor = RGBColor(150, 155, 160);
/// Height of a line of tick labels.
const TICK: u32 = 27;

/// Pixels of a picture from left to right.
const WIDTH: u32 = 1200;
/// Pixels of paper around everything.
const MARGIN: u32 = 28;
/// Pixels left of a box, for its tick labels.
const LEFT: u32 = 96;
/// Height of the box of an only panel, and of one among several.
const BOX_HEIGHTS: (u32, u32) = (460, 300);
/// Length of the sample of a line in the legend, and pixels between two entries.
const SWATCH: u32 = 26;
const LEGEND_GAP: u32 = 22;
/// Pixels of a box that are drawn for each one that is seen: the library knows whole ones alone.
const FINE: u32 = 3;
/// Thickness of curves, and radius of the points of those that have few, in fine pixels.
const LINE_WIDTH: u32 = 7;
const DOT: u32 = 10;
/// Curves with more points than this are lines only.
const MAX_DOTS: usize = 40;
/// Larger numbers count as infinite, so that sums and differences of coordinates stay finite.
const MAX_COORDINATE: f64 = 1e300;

/// Colors that stay apart for color-blind eyes too, after Okabe and Ito; a panel with more series
/// repeats them.
const COLORS: [Rgb; 7] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [90, 90, 90],
];

const FONT: &str = "sans-serif";
static HAS_FONT: LazyLock<bool> =
    LazyLock::new(|| register_font(FONT, FontStyle::Normal, ttf_noto_sans::REGULAR).is_ok());

/// One box with its own vertical scale.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a> {
    /// What the vertical axis measures, with its unit.
    pub y_label: &'a str,
    /// Names and points `(epoch, value)`. A series without a name is missing in the legend. Points
    /// that are not finite are left out, and the curve is interrupted there.
    pub series: &'a [(&'a str, Vec<(f64, f64)>)],
}

/// Draws the panels below one another, 1200 pixels wide, on one common horizontal axis, and writes
/// a PNG file, which appears whole or not at all. A panel without any finite point says so.
///
/// # Errors
/// [`harmonium::Error::Io`] when the system refuses;
/// [`harmonium::Error::Parameter`] if there are so many panels that the picture would have more
/// than 2^27 pixels.
pub fn draw(path: &Path, title: &str, panels: &[Panel<'_>]) -> Result<()> {
    picture(title, panels)?.write_png(path)
}

fn picture(title: &str, panels: &[Panel<'_>]) -> Result<Canvas> {
    let all = panels.iter().flat_map(|panel| panel.series);
    let x_axis = Axis::new(bounds(all, |p| p.0), 0.015, 14, true);
    let height = match panels.len() {
        0 | 1 => BOX_HEIGHTS.0,
        _ => BOX_HEIGHTS.1,
    };
    let title = TITLE.wrap(title, (WIDTH - LEFT - MARGIN) as f32);
    let title_height = title.len() as u32 * TITLE.line_height();
    let drawn: Vec<Canvas> = panels
        .iter()
        .map(|panel| of_panel(panel, x_axis, height))
        .collect::<Result<_>>()?;
    let heights = drawn.iter().map(|x| u64::from(x.height() + MARGIN));
    let fixed = MARGIN + title_height + MARGIN / 2 + LEGEND.line_height();
    let all = heights.sum::<u64>() + u64::from(fixed);
    let mut canvas = Canvas::new(WIDTH.into(), all, WHITE)?;
    let mut top = MARGIN;
    for line in title {
        canvas.text(LEFT as f32, top, Anchor::Left, TITLE, &line);
        top += TITLE.line_height();
    }
    top += MARGIN / 2;
    for panel in drawn {
        canvas.paste(&panel, 0, top);
        top += panel.height() + MARGIN;
    }
    let middle = (WIDTH + LEFT - MARGIN) as f32 / 2.0;
    let top = top.saturating_sub(MARGIN);
    canvas.text(middle, top, Anchor::Middle, LEGEND, "epoch");
    Ok(canvas)
}

/// The label of the vertical axis and the legend, in as many lines as it takes, above the box.
fn of_panel(panel: &Panel<'_>, x_axis: Axis, height: u32) -> Result<Canvas> {
    let (line, right) = (Y_LABEL.line_height(), WIDTH - MARGIN);
    let label = Y_LABEL.cut(panel.y_label, (right - LEFT) as f32);
    let (mut x, mut top) = (LEFT + Y_LABEL.width(&label).ceil() as u32 + LEGEND_GAP, 0);
    let named = panel.series.iter().zip(COLORS.iter().cycle());
    let mut entries = Vec::new();
    for ((name, _), color) in named.filter(|((name, _), _)| !name.is_empty()) {
        let name = LEGEND.cut(name, (right - LEFT - SWATCH) as f32);
        let width = SWATCH + 8 + LEGEND.width(&name).ceil() as u32;
        if x + width > right {
            (x, top) = (LEFT, top + line);
        }
        entries.push((x, top, name, *color));
        x += width + LEGEND_GAP;
    }
    let box_top = top + line + 8;
    let whole = box_top + height + TICK;
    let mut canvas = Canvas::new(WIDTH.into(), whole.into(), WHITE)?;
    canvas.text(LEFT as f32, 0, Anchor::Left, Y_LABEL, &label);
    for (x, top, name, color) in entries {
        canvas.fill(x, top + line / 2, SWATCH, 3, color);
        let x = (x + SWATCH + 8) as f32;
        canvas.text(x, top, Anchor::Left, LEGEND, &name);
    }
    let y_axis = Axis::new(bounds(panel.series, |p| p.1), 0.05, 7, false);
    let plot = plot(panel, x_axis, y_axis, height + TICK);
    let plot = plot.map_err(|e| Error::io("curves", "draw", std::io::Error::other(e)))?;
    canvas.paste(&plot, 0, box_top);
    if !panel.series.iter().any(|(_, x)| x.iter().any(is_drawable)) {
        let (x, y) = ((LEFT + right) as f32 / 2.0, box_top + height / 2 - line);
        let style = Style::regular(16.0, FAINT_INK);
        canvas.text(x, y, Anchor::Middle, style, "no data");
    }
    Ok(canvas)
}

/// Grid, curves, axes and tick labels of a panel, of the width of the picture.
fn plot(
    panel: &Panel<'_>,
    x_axis: Axis,
    y_axis: Axis,
    height: u32,
) -> std::result::Result<Canvas, String> {
    assert!(*HAS_FONT, "the embedded font is a TrueType font");
    let (width, height) = (WIDTH * FINE, height * FINE);
    let mut pixels = vec![255; 3 * width as usize * height as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin_right(MARGIN * FINE)
        .margin_top(FINE * TICK / 2)
        .set_left_and_bottom_label_area_size(FINE * TICK)
        .y_label_area_size(LEFT * FINE)
        .build_cartesian_2d(x_axis, y_axis)
        .map_err(|e| e.to_string())?;
    let [r, g, b] = FAINT_INK;
    let label = (FONT, 20 * FINE).with_color(RGBColor(r, g, b));
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(FINE))
        .axis_style(AXIS.stroke_width(FINE))
        .set_all_tick_mark_size(5 * FINE)
        .label_style(label)
        .draw()
        .map_err(|e| e.to_string())?;
    for ((_, points), &[r, g, b]) in panel.series.iter().zip(COLORS.iter().cycle()) {
        let color = RGBColor(r, g, b);
        for run in points.split(|point| !is_drawable(point)) {
            let line = LineSeries::new(run.iter().copied(), color.stroke_width(LINE_WIDTH));
            chart.draw_series(line).map_err(|e| e.to_string())?;
            if points.len() <= MAX_DOTS || run.len() == 1 {
                let dots = run
                    .iter()
                    .map(|&point| Circle::new(point, DOT, color.filled()));
                chart.draw_series(dots).map_err(|e| e.to_string())?;
            }
        }
    }
    drop(chart);
    drop(area);
    Canvas::shrunk(width, height, pixels, FINE).ok_or_else(|| "no pixels".into())
}

fn is_drawable((x, y): &(f64, f64)) -> bool {
    x.abs() <= MAX_COORDINATE && y.abs() <= MAX_COORDINATE
}

/// Smallest and largest coordinate of the points that are drawn.
fn bounds<'a>(
    series: impl IntoIterator<Item = &'a (&'a str, Vec<(f64, f64)>)>,
    coordinate: impl Fn(&(f64, f64)) -> f64,
) -> Option<(f64, f64)> {
    let points = series.into_iter().flat_map(|(_, points)| points);
    let all = points.filter(|point| is_drawable(point)).map(coordinate);
    all.fold(None, |bounds, c| {
        let (low, high) = bounds.unwrap_or((c, c));
        Some((low.min(c), high.max(c)))
    })
}

/// A linear scale with round ticks.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// An axis over `bounds` (0 to 1 without any) with `padding` times its length added at each end
    /// and at most about `max_ticks` ticks, at whole numbers only if `whole`.
    fn new(bounds: Option<(f64, f64)>, padding: f64, max_ticks: u32, whole: bool) -> Self {
        let (low, high) = bounds.unwrap_or((0.0, 1.0));
        let magnitude = low.abs().max(high.abs());
        // A constant, give or take rounding, gets an axis around it.
        let pad = if high - low > (1e-9 * magnitude).max(1e-280) {
            (high - low) * padding
        } else if whole || magnitude < 1e-280 {
            (1e-6 * magnitude).max(0.5)
        } else {
            0.05 * magnitude
        };
        let (low, high) = (low - pad, high + pad);
        let least = (high - low) / f64::from(max_ticks);
        let power = 10f64.powf(least.log10().floor());
        let steps = [1.0, 2.0, 5.0].map(|digit| digit * power);
        let step = steps.into_iter().find(|&step| step >= least);
        let step = step.unwrap_or(10.0 * power);
        let is_whole = whole && high - low >= 1.0;
        let step = if is_whole { step.max(1.0) } else { step };
        Self { low, high, step }
    }

    fn ticks(&self) -> Vec<f64> {
        let first = (self.low / self.step).ceil() as i64;
        let last = (self.high / self.step).floor() as i64;
        (first..=last).map(|i| i as f64 * self.step).collect()
    }

    /// `tick` in just as many digits as tell it from its neighbors.
    fn label(&self, tick: f64) -> String {
        // The smallest step is a power of ten up to rounding.
        let exponent = (self.step * 1.000_001).log10().floor() as i32;
        let magnitude = self.low.abs().max(self.high.abs());
        let text = if tick == 0.0 {
            "0".to_owned()
        } else if magnitude >= 1e6 || exponent < -5 {
            let digits = (tick.abs() * 1.000_001).log10().floor() as i32 - exponent;
            format!("{tick:.*e}", digits.max(0) as usize)
        } else {
            format!("{tick:.*}", (-exponent).max(0) as usize)
        };
        text.replace('-', "−")
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let fraction = (value - self.low) / (self.high - self.low);
        first + (fraction * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, tick: &f64) -> String {
        self.label(*tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Series = (&'static str, Vec<(f64, f64)>);

    fn drawn(series: &[Series]) -> Canvas {
        let y_label = "nats";
        picture("title", &[Panel { y_label, series }]).unwrap()
    }

    fn count(canvas: &Canvas, color: Rgb) -> usize {
        let (w, h) = (canvas.width(), canvas.height());
        let all = (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
        all.filter(|&(x, y)| canvas.pixel(x, y) == color).count()
    }

    fn line(value: impl Fn(i32) -> f64) -> Vec<(f64, f64)> {
        (0..10).map(|i| (f64::from(i), value(i))).collect()
    }

    #[test]
    fn curves_are_drawn_in_their_colors() {
        let canvas = drawn(&[("rising", line(f64::from)), ("constant", line(|_| 2.0))]);
        assert_eq!(canvas.width(), WIDTH);
        assert!(count(&canvas, COLORS[0]) > 1000);
        assert!(count(&canvas, COLORS[1]) > 1000);
        assert_eq!(count(&canvas, COLORS[2]), 0);
    }

    #[test]
    fn what_is_not_finite_interrupts_a_curve() {
        // Names would put samples of the color into the legend.
        let whole = drawn(&[("", line(|_| 1.0))]);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            let gap = line(|i| if (3..6).contains(&i) { bad } else { 1.0 });
            let gap = drawn(&[("", gap)]);
            let (part, all) = (count(&gap, COLORS[0]), count(&whole, COLORS[0]));
            assert!(part > all / 3 && part < all * 2 / 3, "{part} of {all}");
        }
    }

    #[test]
    fn one_point_is_a_dot_and_none_is_no_data() {
        let area = |points| count(&drawn(&[("", points)]), COLORS[0]);
        assert!((20..60).contains(&area(vec![(1.0, -5.0)])));
        let blank = drawn(&[]);
        for points in [vec![], vec![(0.0, f64::NAN)], vec![(f64::INFINITY, 0.0)]] {
            assert_eq!(drawn(&[("", points)]), blank);
        }
        // The longest axis that there is.
        drawn(&[("", vec![(0.0, -MAX_COORDINATE), (1.0, MAX_COORDINATE)])]);
    }

    #[test]
    fn a_legend_that_does_not_fit_gets_more_lines() {
        let height = |names: &[&'static str]| {
            let series: Vec<Series> = names.iter().map(|&name| (name, Vec::new())).collect();
            drawn(&series).height()
        };
        let one = height(&[]);
        assert_eq!(height(&["training", "test"]), one);
        let long = "a name that is long, so that no more than a few of it fit into a line";
        assert!(height(&[long; 4]) > one);
        let endless = long.repeat(9).leak();
        assert_eq!(height(&[endless]), height(&[endless, ""]));
    }

    #[test]
    fn pictures_become_files_or_errors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("curves.png");
        let series = [("training", vec![(0.0, 1.0), (1.0, 2.0)])];
        let y_label = "nats";
        let panel = Panel {
            y_label,
            series: &series,
        };
        draw(&path, "title", &[]).unwrap();
        let none = image::open(&path).unwrap();
        draw(&path, "title", &[panel, panel]).unwrap();
        let two = image::open(&path).unwrap();
        assert_eq!((none.width(), two.width()), (WIDTH, WIDTH));
        assert!(two.height() > none.height());
        let missing = directory.path().join("missing").join("curves.png");
        let refused = draw(&missing, "", &[panel]);
        assert!(matches!(refused, Err(Error::Io { .. })));
    }

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().iter().map(|&tick| axis.label(tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_told_apart() {
        for (low, high, expected) in [
            (0.0, 1.0, "0 0.2 0.4 0.6 0.8 1.0"),
            (-205.0, -96.0, "−200 −180 −160 −140 −120 −100"),
            (0.0211, 0.0234, "0.0215 0.0220 0.0225 0.0230"),
            (0.0, 2.2e7, "0 5e6 1.0e7 1.5e7 2.0e7"),
            (-1e-9, 1e-9, "−1.0e−9 −5e−10 0 5e−10 1.0e−9"),
        ] {
            let axis = Axis::new(Some((low, high)), 0.0, 6, false);
            assert_eq!(labels(&axis).join(" "), expected);
        }
        let epochs = |low, high| labels(&Axis::new(Some((low, high)), 0.015, 14, true));
        assert_eq!(epochs(1.0, 4.0), ["1", "2", "3", "4"]);
        assert_eq!(epochs(3.0, 3.0), ["3"]);
        assert_eq!(epochs(0.0, 0.5)[..2], ["0", "0.05"]);
        assert_eq!(epochs(0.0, 100.0).len(), 11);
    }

    #[test]
    fn every_axis_has_a_length_and_few_distinct_ticks() {
        let values = [-1e300, -1.0, -1e-290, 0.0, 1e-320, 1e-12, 1.0, 1.0 + 1e-12];
        let values = values
            .into_iter()
            .chain([123_456.789, 1e15, 1e15 + 2.0, 1e300]);
        for low in values.clone() {
            for high in values.clone().filter(|&high| high >= low) {
                for (padding, whole) in [(0.05, false), (0.015, true)] {
                    let axis = Axis::new(Some((low, high)), padding, 10, whole);
                    let labels = labels(&axis);
                    let distinct = labels.iter().collect::<std::collections::HashSet<_>>();
                    assert!((1..=12).contains(&labels.len()), "{axis:?}: {labels:?}");
                    assert_eq!(distinct.len(), labels.len(), "{axis:?}: {labels:?}");
                    assert!(labels.iter().all(|label| label.chars().count() < 22));
                    assert!(axis.low < axis.high && axis.low <= low && high <= axis.high);
                }
            }
        }
    }
}
