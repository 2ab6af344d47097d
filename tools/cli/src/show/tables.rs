//! Pictures of tables: what each column holds and how columns go together, of data beside samples.

mod bins;
mod histogram;
mod part;

pub use part::Part;

use super::{
    canvas::{Anchor, Canvas, FAINT_INK, INK, Style, WHITE},
    picture::{Heat, Sheet, diverging_limit},
};
use crate::failure::Outcome;
use harmonium::Result;
use std::path::Path;

/// Columns whose histograms are shown, and panels beside one another.
const MOST_PANELS: usize = 24;
const PANELS_PER_ROW: usize = 4;
/// Columns whose correlations and weights are shown.
const MOST_COLUMNS: usize = 60;
const GUTTER: u32 = 28;
const HEADING: Style = Style::bold(16.0, INK);
const CAPTION: Style = Style::regular(14.0, FAINT_INK);

/// Draws histograms of the columns of all parts, which have the same, and below them the
/// correlations of each part, categories as numbers.
///
/// # Errors
/// A file that cannot be written.
pub fn draw(path: &Path, title: &str, caption: &str, parts: &[Part]) -> Outcome<()> {
    Sheet::page(title, &[page(caption, parts)?])?.write_png(path)?;
    Ok(())
}

fn page(caption: &str, parts: &[Part]) -> Result<Sheet> {
    let n = parts.first().map_or(0, |part| part.columns.len());
    let shown = n.min(MOST_PANELS);
    let panels: Vec<Canvas> = (0..shown)
        .map(|j| {
            let columns: Vec<_> = parts.iter().map(|part| part.column(j)).collect();
            histogram::panel(&columns)
        })
        .collect::<Result<_>>()?;
    let mut blocks = rows(&panels)?;
    blocks.insert(0, legend(parts)?);
    if n > 1 {
        let names: Vec<String> = numbered(parts, n.min(MOST_COLUMNS));
        let heats = parts.iter().map(|part| {
            let values = part.correlations(names.len());
            let heat = Heat {
                rows: &names,
                columns: names.len(),
                values: &values,
                limit: 1.0,
            };
            let sheet = Sheet::heat(&heat)?;
            Ok(sheet.headed(
                &format!("correlations of {}", part.name),
                &of_columns(names.len(), n),
            ))
        });
        let heats = heats.collect::<Result<Vec<_>>>()?;
        blocks.push(Sheet::page("", &heats)?.into_canvas());
    }
    let which = match shown < n {
        true => format!("the first {shown} of {n} columns"),
        false => "all columns".to_owned(),
    };
    Ok(Sheet::of(stacked(&blocks)?).headed(&format!("{which}: share of rows"), caption))
}

fn of_columns(shown: usize, n: usize) -> String {
    match shown < n {
        true => format!("the first {shown} of {n} columns; gray: a constant"),
        false => "columns in the order of the rows; gray: a constant".into(),
    }
}

/// Names of columns behind their numbers, which are over the columns of a map.
fn numbered(parts: &[Part], n: usize) -> Vec<String> {
    let names = parts.iter().take(1).flat_map(|part| &part.columns).take(n);
    names
        .enumerate()
        .map(|(j, column)| match column.name == (j + 1).to_string() {
            true => column.name.clone(),
            false => format!("{} {}", column.name, j + 1),
        })
        .collect()
}

/// What the colors of the bars mean, and numbers of rows.
fn legend(parts: &[Part]) -> Result<Canvas> {
    let line = HEADING.line_height();
    let texts: Vec<String> = parts
        .iter()
        .map(|part| format!("{} ({} rows)", part.name, part.rows()))
        .collect();
    let width: u32 = texts
        .iter()
        .map(|text| 60 + CAPTION.width(text).ceil() as u32)
        .sum();
    let mut canvas = Canvas::new(width.max(1).into(), line.into(), WHITE)?;
    let mut x = 0;
    for (k, text) in texts.iter().enumerate() {
        let color = histogram::color(k, parts.len());
        canvas.fill(x, line / 2 - 5, 20, 12, color);
        canvas.text((x + 28) as f32, 0, Anchor::Left, CAPTION, text);
        x += 60 + CAPTION.width(text).ceil() as u32;
    }
    Ok(canvas)
}

/// Panels in rows.
fn rows(panels: &[Canvas]) -> Result<Vec<Canvas>> {
    let of_row = |row: &[Canvas]| {
        let width = row.iter().map(|x| u64::from(x.width() + GUTTER)).sum();
        let height = row.iter().map(|x| x.height()).max().unwrap_or(1);
        let mut canvas = Canvas::new(width, height.into(), WHITE)?;
        let mut left = 0;
        for panel in row {
            canvas.paste(panel, left, 0);
            left += panel.width() + GUTTER;
        }
        Ok(canvas)
    };
    panels.chunks(PANELS_PER_ROW).map(of_row).collect()
}

/// Pictures below one another.
fn stacked(all: &[Canvas]) -> Result<Canvas> {
    let width = all.iter().map(Canvas::width).max().unwrap_or(1);
    let height = all.iter().map(|x| u64::from(x.height()) + 14).sum();
    let mut canvas = Canvas::new(width.into(), height, WHITE)?;
    let mut top = 0;
    for picture in all {
        canvas.paste(picture, 0, top);
        top += picture.height() + 14;
    }
    Ok(canvas)
}

/// Draws the weights of hidden units, one a column, with the visible ones of the names.
///
/// # Errors
/// A file that cannot be written.
pub fn draw_weights(
    path: &Path,
    title: &str,
    caption: &str,
    (names, hidden): (&[String], &[Vec<f32>]),
) -> Outcome<()> {
    let shown = names.len().min(MOST_COLUMNS);
    let mut values = Vec::with_capacity(shown * hidden.len());
    for i in 0..shown {
        values.extend(hidden.iter().map(|w| w[i]));
    }
    let heat = Heat {
        rows: &names[..shown],
        columns: hidden.len(),
        values: &values,
        limit: diverging_limit(std::slice::from_ref(&values)),
    };
    let which = match shown < names.len() {
        true => format!(", with the first {shown} of {} visible units", names.len()),
        false => String::new(),
    };
    let sheet = Sheet::heat(&heat)?.headed("weights", &format!("{caption}{which}"));
    Sheet::page(title, &[sheet])?.write_png(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{part::Column, *};

    fn part(name: &str, columns: usize, rows: usize) -> Part {
        let columns = (0..columns).map(|j| Column {
            name: match j % 2 {
                0 => (j + 1).to_string(),
                _ => format!("a column of quite a long name, {j}"),
            },
            categories: match j % 3 {
                0 => (0..=j).map(|k| format!("category {k}")).collect(),
                _ => Vec::new(),
            },
            values: (0..rows)
                .map(|i| match (j % 3, i % 5, j % 4) {
                    (_, 4, 1) => f64::NAN,
                    (1, ..) => 1e30,
                    (0, ..) => (i % (j + 1)) as f64,
                    _ => (i as f64 - 3.0) * 0.01 + j as f64,
                })
                .collect(),
        });
        Part {
            name: name.into(),
            columns: columns.collect(),
            weights: None,
        }
    }

    #[test]
    fn tables_of_any_number_of_columns_are_drawn() {
        for n in (1..=6).chain([23, 24, 25, 60, 61]) {
            let parts = [part("training examples", n, 20), part("samples", n, 7)];
            let sheet = page("a caption", &parts).unwrap();
            let picture = sheet.into_canvas();
            assert!(picture.width() > 200 && picture.height() > 150, "{n}");
            assert!(picture.width() < 2600 && picture.height() < 4000, "{n}");
        }
        // A part alone, and columns of which all is missing.
        let mut alone = part("samples", 3, 5);
        for column in &mut alone.columns {
            column.values.fill(f64::NAN);
        }
        page("", &[alone]).unwrap();
    }

    #[test]
    fn weights_are_drawn_with_the_names_of_units() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filters.png");
        for (n, m) in [(1, 1), (3, 100), (90, 2)] {
            let names: Vec<String> = (0..n).map(|j| format!("color={j}")).collect();
            let hidden = vec![vec![0.5; n]; m];
            draw_weights(&path, "title", "caption", (&names, &hidden)).unwrap();
            let picture = image::open(&path).unwrap();
            assert!(picture.width() > 160 && picture.height() > 60);
        }
    }
}
