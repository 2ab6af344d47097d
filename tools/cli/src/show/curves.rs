//! Curves over the epochs of training: panels below one another on one time axis.

mod axis;

use crate::show::canvas::{Anchor, Canvas, FAINT_INK, INK, Rgb, Style, WHITE};
use axis::Axis;
use harmonium::Result;
use std::path::Path;

const X_LABEL: &str = "epoch";
const TITLE: Style = Style::bold(24.0, INK);
const Y_LABEL: Style = Style::bold(17.0, INK);
const LEGEND: Style = Style::regular(16.0, INK);
const TICK: Style = Style::regular(15.0, FAINT_INK);
const GRID: Rgb = [232, 234, 237];
const AXIS: Rgb = [150, 155, 160];

/// Pixels of a picture from left to right.
const WIDTH: u32 = 1200;
/// Pixels of paper around everything.
const MARGIN: u32 = 28;
/// Pixels between two panels.
const GUTTER: u32 = 26;
/// Pixels between a thing and the text that belongs to it.
const GAP: u32 = 8;
/// Height of the box of an only panel, and of one among several.
const BOX_HEIGHTS: (u32, u32) = (460, 300);
/// Length and thickness of the sample of a line in the legend.
const SWATCH: (f32, f32) = (26.0, 3.0);
/// Pixels between two entries of the legend.
const LEGEND_GAP: f32 = 22.0;
/// Thickness of curves.
const LINE_WIDTH: f32 = 2.4;
/// Diameter of the points of curves that have few.
const DOT_WIDTH: f32 = 7.0;
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
    let content = (WIDTH - 2 * MARGIN) as f32;
    let title = TITLE.wrap(title, content);
    let title_height = title.len() as u32 * TITLE.line_height();
    let box_height = if panels.len() > 1 {
        BOX_HEIGHTS.1
    } else {
        BOX_HEIGHTS.0
    };

    let all = panels.iter().flat_map(|panel| panel.series);
    let x_axis = Axis::new(bounds(all, |p| p.0), 0.015, 14, true);
    let y_axes: Vec<Axis> = panels
        .iter()
        .map(|panel| Axis::new(bounds(panel.series, |p| p.1), 0.05, 7, false))
        .collect();
    let label_width = y_axes.iter().map(Axis::label_width).fold(0.0, f32::max);
    let left = MARGIN + label_width.ceil() as u32 + GAP;
    let plot_width = WIDTH - MARGIN - left;
    let headings: Vec<Heading> = panels
        .iter()
        .map(|panel| Heading::new(panel, plot_width as f32))
        .collect();

    let labels_below = GAP + TICK.line_height();
    let heights = headings
        .iter()
        .map(|heading| u64::from(heading.height() + box_height + labels_below + GUTTER));
    let fixed = 2 * MARGIN + title_height + 2 * GAP + LEGEND.line_height();
    let height = (heights.sum::<u64>() + u64::from(fixed)).saturating_sub(GUTTER.into());
    let mut canvas = Canvas::new(WIDTH.into(), height, WHITE)?;

    let mut top = MARGIN;
    for line in title {
        canvas.text(left as f32, top, Anchor::Left, TITLE, &line);
        top += TITLE.line_height();
    }
    top += 2 * GAP;
    for ((panel, heading), y_axis) in panels.iter().zip(&headings).zip(&y_axes) {
        heading.draw(&mut canvas, left, top);
        top += heading.height();
        let mut plot = Canvas::new(plot_width.into(), box_height.into(), WHITE)?;
        draw_plot(&mut plot, panel, &x_axis, y_axis);
        canvas.paste(&plot, left, top);
        for (tick, label) in y_axis.ticks() {
            let y = y_axis.pixel(tick, box_height, true);
            let label_top = (top as f32 + y - TICK.line_height() as f32 / 2.0).max(0.0) as u32;
            let x = (left - GAP) as f32;
            canvas.text(x, label_top, Anchor::Right, TICK, &label);
        }
        for (tick, label) in x_axis.ticks() {
            let x = left as f32 + x_axis.pixel(tick, plot_width, false);
            // The outermost labels stay on the paper.
            let half = TICK.width(&label) / 2.0;
            let x = x.min((WIDTH - GAP) as f32 - half);
            canvas.text(x, top + box_height + GAP / 2, Anchor::Middle, TICK, &label);
        }
        top += box_height + labels_below + GUTTER;
    }
    let middle = left as f32 + plot_width as f32 / 2.0;
    canvas.text(middle, top - GUTTER, Anchor::Middle, LEGEND, X_LABEL);
    Ok(canvas)
}

/// Grid, curves and axes of one panel.
fn draw_plot(plot: &mut Canvas, panel: &Panel<'_>, x_axis: &Axis, y_axis: &Axis) {
    let (width, height) = (plot.width(), plot.height());
    for (tick, _) in x_axis.ticks() {
        plot.fill(x_axis.pixel(tick, width, false) as u32, 0, 1, height, GRID);
    }
    for (tick, _) in y_axis.ticks() {
        plot.fill(0, y_axis.pixel(tick, height, true) as u32, width, 1, GRID);
    }
    let mut empty = true;
    for ((_, points), color) in panel.series.iter().zip(COLORS.iter().cycle()) {
        for run in points.split(|&point| !is_drawable(point)) {
            let run: Vec<(f32, f32)> = run
                .iter()
                .map(|&(x, y)| (x_axis.pixel(x, width, false), y_axis.pixel(y, height, true)))
                .collect();
            empty &= run.is_empty();
            plot.line(&run, LINE_WIDTH, *color);
            if points.len() <= MAX_DOTS || run.len() == 1 {
                for point in run {
                    plot.line(&[point], DOT_WIDTH, *color);
                }
            }
        }
    }
    if empty {
        let (x, y) = (width as f32 / 2.0, (height - LEGEND.line_height()) / 2);
        let style = Style {
            color: FAINT_INK,
            ..LEGEND
        };
        plot.text(x, y, Anchor::Middle, style, "no data");
    }
    plot.fill(0, 0, 1, height, AXIS);
    plot.fill(0, height - 1, width, 1, AXIS);
}

/// The label of the vertical axis and the legend above a panel: on one line if they fit, else the
/// legend in rows of its own below the label.
struct Heading {
    y_label: String,
    entries: Vec<Entry>,
    rows: u32,
}

/// One name in the legend.
struct Entry {
    name: String,
    color: Rgb,
    /// Pixels from the left end of the heading.
    x: f32,
    row: u32,
}

impl Heading {
    fn new(panel: &Panel<'_>, width: f32) -> Self {
        let y_label = Y_LABEL.cut(panel.y_label, width);
        let indent = SWATCH.0 + GAP as f32;
        let mut entries: Vec<Entry> = panel
            .series
            .iter()
            .zip(COLORS.iter().cycle())
            .filter(|((name, _), _)| !name.is_empty())
            .map(|((name, _), &color)| Entry {
                name: LEGEND.cut(name, width - indent),
                color,
                x: 0.0,
                row: 0,
            })
            .collect();
        let (mut x, mut row) = (0.0, 0);
        for entry in &mut entries {
            let entry_width = indent + LEGEND.width(&entry.name);
            if x > 0.0 && x + entry_width > width {
                (x, row) = (0.0, row + 1);
            }
            (entry.x, entry.row) = (x, row);
            x += entry_width + LEGEND_GAP;
        }
        let shift = width - (x - LEGEND_GAP);
        if row == 0 && Y_LABEL.width(&y_label) + LEGEND_GAP <= shift {
            entries.iter_mut().for_each(|entry| entry.x += shift);
        } else if !entries.is_empty() {
            row += 1;
            entries.iter_mut().for_each(|entry| entry.row += 1);
        }
        Self {
            y_label,
            entries,
            rows: row + 1,
        }
    }

    fn height(&self) -> u32 {
        self.rows * Y_LABEL.line_height() + GAP
    }

    fn draw(&self, canvas: &mut Canvas, left: u32, top: u32) {
        let left = left as f32;
        canvas.text(left, top, Anchor::Left, Y_LABEL, &self.y_label);
        for entry in &self.entries {
            let (x, top) = (left + entry.x, top + entry.row * Y_LABEL.line_height());
            let middle = top as f32 + (LEGEND.line_height() / 2) as f32 + 0.5;
            let ends = [(x + 1.5, middle), (x + SWATCH.0 - 1.5, middle)];
            canvas.line(&ends, SWATCH.1, entry.color);
            let x = x + SWATCH.0 + GAP as f32;
            canvas.text(x, top, Anchor::Left, LEGEND, &entry.name);
        }
    }
}

fn is_drawable((x, y): (f64, f64)) -> bool {
    x.abs() <= MAX_COORDINATE && y.abs() <= MAX_COORDINATE
}

/// Smallest and largest coordinate of the points that are drawn.
fn bounds<'a>(
    series: impl IntoIterator<Item = &'a (&'a str, Vec<(f64, f64)>)>,
    coordinate: impl Fn((f64, f64)) -> f64,
) -> Option<(f64, f64)> {
    series
        .into_iter()
        .flat_map(|(_, points)| points)
        .filter(|&&point| is_drawable(point))
        .map(|&point| coordinate(point))
        .fold(None, |bounds, c| {
            let (low, high) = bounds.unwrap_or((c, c));
            Some((low.min(c), high.max(c)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use harmonium::Error;

    type Series = (&'static str, Vec<(f64, f64)>);

    fn drawn(series: &[Series]) -> Canvas {
        let y_label = "nats";
        picture("title", &[Panel { y_label, series }]).unwrap()
    }

    fn count(canvas: &Canvas, color: Rgb) -> usize {
        let (w, h) = (canvas.width(), canvas.height());
        (0..h)
            .flat_map(|y| (0..w).map(move |x| (x, y)))
            .filter(|&(x, y)| canvas.pixel(x, y) == color)
            .count()
    }

    #[test]
    fn curves_are_drawn_in_their_colors() {
        let canvas = drawn(&[
            (
                "rising",
                (0..10).map(|i| (f64::from(i), f64::from(i))).collect(),
            ),
            ("constant", (0..10).map(|i| (f64::from(i), 2.0)).collect()),
        ]);
        assert_eq!(canvas.width(), WIDTH);
        assert!(count(&canvas, COLORS[0]) > 1000);
        assert!(count(&canvas, COLORS[1]) > 1000);
        assert_eq!(count(&canvas, COLORS[2]), 0);
    }

    #[test]
    fn what_is_not_finite_interrupts_a_curve() {
        // Names would put samples of the color into the legend.
        let whole = drawn(&[("", (0..5).map(|i| (f64::from(i), 1.0)).collect())]);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            let gap = drawn(&[(
                "",
                (0..5)
                    .map(|i| (f64::from(i), if i == 2 { bad } else { 1.0 }))
                    .collect(),
            )]);
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
    }

    #[test]
    fn a_legend_that_does_not_fit_beside_the_label_gets_rows_of_its_own() {
        let heading = |names: &[&'static str], y_label| {
            let series: Vec<Series> = names.iter().map(|&name| (name, Vec::new())).collect();
            let heading = Heading::new(
                &Panel {
                    y_label,
                    series: &series,
                },
                400.0,
            );
            for entry in &heading.entries {
                let right = entry.x + SWATCH.0 + GAP as f32 + LEGEND.width(&entry.name);
                assert!(entry.x >= 0.0 && right <= 400.5, "{}", entry.name);
                assert!(entry.row < heading.rows);
            }
            heading.rows
        };
        assert_eq!(heading(&[], "nats"), 1);
        assert_eq!(heading(&["", ""], "nats"), 1);
        assert_eq!(heading(&["training", "test"], "nats"), 1);
        assert_eq!(
            heading(&["training", "test"], "a label that is rather long"),
            2
        );
        assert_eq!(heading(&["a name that is long"; 4], "nats"), 3);
        let endless = "a name that has no end and is longer than the whole picture is wide";
        assert_eq!(heading(&[endless, endless], endless), 3);
    }

    #[test]
    fn pictures_become_files_or_errors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("curves.png");
        let series = [("training", vec![(0.0, 1.0), (1.0, 2.0)])];
        let panel = Panel {
            y_label: "nats",
            series: &series,
        };
        draw(&path, "title", &[]).unwrap();
        let none = image::open(&path).unwrap();
        draw(&path, "title", &[panel, panel]).unwrap();
        let two = image::open(&path).unwrap();
        assert_eq!((none.width(), two.width()), (WIDTH, WIDTH));
        assert!(two.height() > none.height());
        let missing = directory.path().join("missing").join("curves.png");
        assert!(matches!(
            draw(&missing, "", &[panel]),
            Err(Error::Io { .. })
        ));
    }
}
