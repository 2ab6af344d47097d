//! How often a column of a table has which values, of data beside samples.

use super::{bins::Bins, part::Weighted};
use crate::show::canvas::{Anchor, Canvas, FAINT_INK, INK, Rgb, Style, WHITE};
use harmonium::Result;

const WIDTH: u32 = 290;
const HEIGHT: u32 = 208;
/// Height of the bars of numbers, and of the name above all.
const BARS: u32 = 140;
const TOP: u32 = 30;
/// Categories that have bars of their own, and pixels for their names.
const MOST_CATEGORIES: usize = 8;
const NAMES: u32 = 96;
/// Room of the share right of the longest bar.
const SHARE: u32 = 44;

const NAME: Style = Style::bold(15.0, INK);
const LABEL: Style = Style::regular(13.0, FAINT_INK);
const AXIS: Rgb = [150, 155, 160];
const DATA: Rgb = [120, 126, 133];
const SAMPLES: Rgb = [0, 114, 178];

/// The color of a part, of which samples are the last.
pub fn color(part: usize, parts: usize) -> Rgb {
    if part + 1 == parts { SAMPLES } else { DATA }
}

/// The column of all parts.
pub fn panel(columns: &[Weighted<'_>]) -> Result<Canvas> {
    let mut canvas = Canvas::new(WIDTH.into(), HEIGHT.into(), WHITE)?;
    let Some((first, _)) = columns.first() else {
        return Ok(canvas);
    };
    let missing = columns.iter().map(|column| missing(column));
    let missing = missing.fold(0.0, f64::max);
    let mut right = WIDTH as f32;
    if missing > 0.0 {
        let text = format!("{} missing", percent(missing));
        canvas.text(right, 3, Anchor::Right, LABEL, &text);
        right -= LABEL.width(&text) + 8.0;
    }
    let name = NAME.cut(&first.name, right);
    canvas.text(0.0, 0, Anchor::Left, NAME, &name);
    match first.categories.is_empty() {
        true => numbers(&mut canvas, columns),
        false => categories(&mut canvas, columns, &first.categories),
    }
    Ok(canvas)
}

fn percent(share: f64) -> String {
    match share {
        x if x > 0.0 && x < 0.005 => "<1%".into(),
        x => format!("{:.0}%", 100.0 * x),
    }
}

fn weight(weights: Option<&[f32]>, i: usize) -> f64 {
    weights.map_or(1.0, |w| f64::from(w[i]))
}

/// The share of the rows without a value.
fn missing((column, weights): &Weighted<'_>) -> f64 {
    let rows = || column.values.iter().enumerate();
    let of = |i: usize| weight(*weights, i);
    let all: f64 = rows().map(|(i, _)| of(i)).sum();
    let none: f64 = rows().filter(|(_, x)| x.is_nan()).map(|(i, _)| of(i)).sum();
    if all > 0.0 { none / all } else { 0.0 }
}

/// Shares of the values at each place, of those that have one.
fn shares(
    (column, weights): &Weighted<'_>,
    places: usize,
    place: impl Fn(f64) -> Option<usize>,
) -> Vec<f64> {
    let mut shares = vec![0.0; places];
    for (i, &x) in column.values.iter().enumerate() {
        if let Some(k) = place(x) {
            shares[k] += weight(*weights, i);
        }
    }
    let total: f64 = shares.iter().sum();
    if total > 0.0 {
        shares.iter_mut().for_each(|x| *x /= total);
    }
    shares
}

fn largest(all: &[Vec<f64>]) -> f64 {
    let largest = all.iter().flatten().copied().fold(0.0, f64::max);
    if largest > 0.0 { largest } else { 1.0 }
}

/// Bars of equal widths, those of the parts beside one another; the first part are the data.
fn numbers(canvas: &mut Canvas, columns: &[Weighted<'_>]) {
    let all = columns.iter().flat_map(|(column, _)| &column.values);
    let data = columns.iter().take(1).flat_map(|x| &x.0.values);
    let Some(bins) = Bins::of(data.copied(), all.copied()) else {
        canvas.text(0.0, TOP, Anchor::Left, LABEL, "no values");
        return;
    };
    let of = |x| shares(x, bins.count, |x| bins.place(x));
    let all: Vec<Vec<f64>> = columns.iter().map(of).collect();
    let (most, parts) = (largest(&all), columns.len() as u32);
    let step = WIDTH / bins.count as u32;
    let bar = ((step - 2) / parts).max(1);
    for (k, shares) in all.iter().enumerate() {
        for (b, share) in shares.iter().enumerate() {
            let height = (share / most * f64::from(BARS)).round() as u32;
            let x = b as u32 * step + 1 + k as u32 * bar;
            canvas.fill(x, TOP + BARS - height, bar, height, color(k, all.len()));
        }
    }
    let (below, right) = (TOP + BARS + 1, step * bins.count as u32);
    canvas.fill(0, TOP + BARS, right, 1, AXIS);
    let [low, high] = bins.ends;
    let mut told = vec![low, low / 2.0 + high / 2.0, high];
    told.dedup();
    for value in told {
        let text = short(value, bins.half);
        let width = LABEL.width(&text);
        let left = right as f32 * bins.share(value) as f32 - width / 2.0;
        let left = left.min(right as f32 - width).max(0.0);
        canvas.text(left, below, Anchor::Left, LABEL, &text);
    }
}

/// A number in digits that tell differences of a hundredth of `scale`.
fn short(x: f64, scale: f64) -> String {
    let x = x + 0.0; // no -0
    let text = match x.abs().max(scale) {
        size if !(1e-4..1e6).contains(&size) => format!("{x:.2e}"),
        _ if x.fract() == 0.0 => format!("{x}"),
        _ => {
            let digits = (1.0 - scale.log10()).ceil().clamp(0.0, 8.0) as usize;
            format!("{x:.digits$}")
        }
    };
    text.replace('-', "−")
}

/// Bars to the right behind the names; the rarest of many categories together.
fn categories(canvas: &mut Canvas, columns: &[Weighted<'_>], names: &[String]) {
    let n = names.len();
    let place = |x: f64| (x.is_finite() && x >= 0.0 && x < n as f64).then_some(x as usize);
    let all: Vec<Vec<f64>> = columns.iter().map(|x| shares(x, n, place)).collect();
    let mut shown: Vec<usize> = (0..n).collect();
    if n > MOST_CATEGORIES {
        // The most frequent ones of the first part, in their order.
        shown.sort_by(|&a, &b| all[0][b].total_cmp(&all[0][a]));
        shown.truncate(MOST_CATEGORIES - 1);
        shown.sort_unstable();
    }
    let rest = n - shown.len();
    let mut lines: Vec<(String, Vec<f64>)> = shown
        .iter()
        .map(|&k| (names[k].clone(), all.iter().map(|x| x[k]).collect()))
        .collect();
    if rest > 0 {
        let left = |x: &Vec<f64>| {
            let others = (0..n).filter(|k| !shown.contains(k));
            others.map(|k| x[k]).sum()
        };
        lines.push((format!("{rest} others"), all.iter().map(left).collect()));
    }
    let most = lines.iter().flat_map(|x| &x.1).copied().fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let room = WIDTH - NAMES - SHARE;
    let step = ((HEIGHT - TOP) / lines.len() as u32).min(36);
    let bar = ((step - 2) / columns.len() as u32).clamp(1, 12);
    for (line, (name, shares)) in lines.iter().enumerate() {
        let top = TOP + line as u32 * step;
        let middle = top + bar * columns.len() as u32 / 2;
        let name = LABEL.cut(name, (NAMES - 8) as f32);
        let text_top = middle.saturating_sub(LABEL.line_height() / 2);
        canvas.text((NAMES - 8) as f32, text_top, Anchor::Right, LABEL, &name);
        for (k, share) in shares.iter().enumerate() {
            let width = (share / most * f64::from(room)).round() as u32;
            let y = top + k as u32 * bar;
            canvas.fill(
                NAMES,
                y,
                width,
                bar - u32::from(bar > 3),
                color(k, all.len()),
            );
        }
        let share = shares.last().copied().unwrap_or(0.0);
        let longest = shares.iter().copied().fold(0.0, f64::max);
        let right = (longest / most * f64::from(room)) as f32;
        let x = NAMES as f32 + right + 6.0;
        // In the color of the bar that it belongs to.
        let style = Style::regular(LABEL.size, SAMPLES);
        canvas.text(x, text_top, Anchor::Left, style, &percent(share));
    }
    canvas.fill(NAMES - 1, TOP, 1, step * lines.len() as u32, AXIS);
}

#[cfg(test)]
mod tests {
    use super::{super::part::Column, *};

    fn column(values: &[f64]) -> Column {
        Column {
            name: "x".into(),
            categories: Vec::new(),
            values: values.to_vec(),
        }
    }

    fn highest(canvas: &Canvas, color: Rgb) -> Option<(u32, u32)> {
        let places = (0..canvas.height()).flat_map(|y| (0..canvas.width()).map(move |x| (x, y)));
        places
            .into_iter()
            .find(|&(x, y)| canvas.pixel(x, y) == color)
    }

    #[test]
    fn the_longest_bar_is_where_most_values_are() {
        let (data, samples) = (column(&[0.0, 10.0, 10.0]), column(&[0.0, 0.0, 10.0]));
        let canvas = panel(&[(&data, None), (&samples, None)]).unwrap();
        let (x, y) = highest(&canvas, DATA).unwrap();
        assert!(x > WIDTH / 2 && y == TOP);
        let (x, y) = highest(&canvas, SAMPLES).unwrap();
        assert!(x < WIDTH / 2 && y == TOP);
        // Weights turn that round.
        let canvas = panel(&[(&data, Some(&[5.0, 1.0, 1.0])), (&samples, None)]).unwrap();
        assert!(highest(&canvas, DATA).unwrap().0 < WIDTH / 2);
    }

    #[test]
    fn shares_leave_missing_values_out() {
        let x = column(&[f64::NAN, 0.0, 1.0, 1.0, 1.0]);
        let found = shares(&(&x, None), 2, |x| x.is_finite().then_some(x as usize));
        assert_eq!(found, [0.25, 0.75]);
        assert_eq!(missing(&(&x, None)), 0.2);
        assert_eq!(missing(&(&x, Some(&[4.0, 1.0, 1.0, 1.0, 1.0]))), 0.5);
    }

    #[test]
    fn ends_of_axes_are_told_in_few_digits() {
        assert_eq!(short(4.3, 1.8), "4.3");
        assert_eq!(short(-0.025, 0.01), "−0.025");
        assert_eq!(short(1500.0, 700.0), "1500");
        assert_eq!(
            (short(-0.0, 3.0), short(2.5, 3.0)),
            ("0".into(), "2.5".into())
        );
        assert_eq!(short(1e30, 1e30), "1.00e30");
    }
}
