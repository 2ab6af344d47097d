//! What `sample` writes: a sheet of tiles, or rows of numbers.

use crate::{
    args::{SampleArgs, ValuesArg},
    failure::{Failure, Outcome},
    run::chains::Samples,
    run::held::Held,
    show::numbers,
    show::picture::{Color, Sheet},
    show::shape::{Shape, is_table},
    show::tables::{self, Part},
    show::{pictures, terms},
};
use harmonium::{Matrix, dataset::Encoding};
use std::path::Path;

/// Tiles beside one another on a sheet, at most.
const TILES_PER_ROW: usize = 20;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// A sheet of means.
    Picture,
    /// States.
    States,
}

impl Format {
    /// By the name of `--out`.
    ///
    /// # Errors
    /// A name of another kind.
    pub fn of(path: &Path) -> Outcome<Self> {
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        match extension.as_ref().and_then(|e| e.to_str()) {
            Some("png") => Ok(Self::Picture),
            Some("npy" | "csv") => Ok(Self::States),
            _ => Err(Failure::usage(format!(
                "--out {}: expected a file name that ends in .png, .npy or .csv",
                path.display()
            ))),
        }
    }

    /// Means or states, where `--values` does not say.
    pub fn values(self, args: &SampleArgs) -> ValuesArg {
        args.values.unwrap_or(match self {
            Self::Picture => ValuesArg::Means,
            Self::States => ValuesArg::States,
        })
    }
}

/// The machine as a sheet shows it.
pub struct Shown<'a> {
    /// In a few words.
    pub title: &'a str,
    /// Visible units that are pixels.
    pub pixels: usize,
    /// The shape of a tile of them.
    pub shape: Shape,
    /// Whether these are bits.
    pub binary: bool,
    /// Of a machine with labels.
    pub classes: Option<usize>,
    /// What the columns of its data are as units, if that is known.
    pub encoding: Option<&'a Encoding>,
}

impl Shown<'_> {
    fn grid(&self, values: &Matrix, per_row: usize) -> Outcome<Sheet> {
        self.tiles(pictures::rows(values), per_row)
    }

    fn tiles(&self, tiles: Vec<Vec<f32>>, per_row: usize) -> Outcome<Sheet> {
        let tiles = pictures::scaled(tiles, self.binary, self.pixels);
        pictures::grid(&tiles, self.shape, per_row, Color::Gray)
    }
}

/// Writes the samples to `--out`: a sheet, or numbers; states as -1 and 1 with `--spins`.
///
/// # Errors
/// A file that cannot be written; a picture that is too large.
pub fn write(
    args: &SampleArgs,
    format: Format,
    shown: &Shown<'_>,
    held: Option<&Held>,
    samples: &Samples,
) -> Outcome<()> {
    match (format, &samples.means, shown.encoding) {
        (Format::Picture, ..) => picture(args, shown, held, samples),
        (Format::States, means, Some(encoding)) if !args.spins => {
            terms::write_terms(&args.out, encoding, &samples.visible, means.as_ref())
        }
        (Format::States, Some(means), _) => numbers::write_matrix(&args.out, means),
        (Format::States, None, _) if args.spins => {
            let x = samples.visible.to_matrix();
            let spins = x.elements().map(|x| if x > 0.0 { 1_i8 } else { -1 });
            numbers::write(&args.out, [x.rows(), x.columns()], spins)
        }
        (Format::States, None, _) => numbers::write_states(&args.out, &samples.visible),
    }
}

fn picture(
    args: &SampleArgs,
    shown: &Shown<'_>,
    held: Option<&Held>,
    samples: &Samples,
) -> Outcome<()> {
    if let Some(encoding) = shown.encoding.filter(|x| is_table(x))
        && !args.over_time
        && args.shape.is_none()
    {
        let caption = format!(
            "{} chains after {} {}",
            samples.visible.rows(),
            args.steps,
            samples.origin
        );
        let all = Part::of_states(encoding, "samples", &samples.visible)?;
        let examples = held.and_then(|held| held.examples.as_ref());
        let examples = examples.map(|x| Part::of_states(encoding, "examples", x));
        let parts: Vec<Part> = examples.transpose()?.into_iter().chain([all]).collect();
        return tables::draw(&args.out, shown.title, &caption, &parts);
    }
    let what = match &samples.means {
        Some(_) => samples.mean,
        None => "States",
    };
    let count = samples.visible.rows();
    let labels = match (&args.label, args.every_label) {
        (Some(class), _) => format!(", label held at {class}"),
        (None, true) => ", labels held, a row a class".into(),
        (None, false) => String::new(),
    };
    let sheet = if args.over_time {
        over_time(
            shown,
            samples,
            &format!(
                "{what} of {count} chains, a row each, by {}{labels}",
                samples.origin
            ),
        )?
    } else {
        let mut per_row = count.isqrt();
        per_row += usize::from(per_row * per_row < count);
        let classes = shown.classes.filter(|_| args.every_label);
        let per_row = classes.map_or(per_row.min(TILES_PER_ROW), |n| count / n);
        let states;
        let values = match &samples.means {
            Some(means) => means,
            None => {
                states = samples.visible.to_matrix();
                &states
            }
        };
        let caption = format!(
            "{what} of {count} chains after {} {}{labels}",
            args.steps, samples.origin
        );
        shown.grid(values, per_row)?.headed("samples", &caption)
    };
    let mut pages = Vec::new();
    if let Some(examples) = held.and_then(|held| held.examples.as_ref()) {
        let per_row = match args.over_time {
            true => 1,
            false => count.isqrt().min(TILES_PER_ROW) + usize::from(count.isqrt().pow(2) < count),
        };
        let caption = match args.over_time {
            true => "",
            false => "whose held units the samples share",
        };
        pages.push(
            shown
                .grid(&examples.to_matrix(), per_row)?
                .headed("examples", caption),
        );
    }
    pages.push(sheet);
    Sheet::page(shown.title, &pages)?.write_png(&args.out)?;
    Ok(())
}

/// A row a chain, a column a number of sweeps.
fn over_time(shown: &Shown<'_>, samples: &Samples, what: &str) -> Outcome<Sheet> {
    let frames = &samples.frames;
    let chains = samples.visible.rows();
    let tiles = (0..chains).flat_map(|i| frames.iter().map(move |(_, x)| x.row(i).to_vec()));
    let sheet = shown.tiles(tiles.collect(), frames.len())?;
    let times: Vec<String> = frames.iter().map(|(k, _)| k.to_string()).collect();
    let caption = format!("{what}; columns: after {} sweeps", times.join(", "));
    Ok(sheet.headed("samples over time", &caption))
}
