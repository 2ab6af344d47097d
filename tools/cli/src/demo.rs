//! `harmonium demo`: demonstrations with exact figures.

use crate::{
    args::{DemoArgs, DemoName},
    canvas::{Anchor, Canvas, FAINT_INK, INK, Rgb, Style, WHITE},
    failure::{Failure, Outcome},
    report,
};
use harmonium::train::{SpuriousModes, SpuriousReport};
use serde_json::{Map, Value, json};
use std::path::Path;

const TITLE: Style = Style::bold(22.0, INK);
const NAME: Style = Style::bold(16.0, INK);
const TEXT: Style = Style::regular(14.0, FAINT_INK);
const DATA: Rgb = [90, 90, 90];
const NEAR: Rgb = [0, 114, 178];
const FAR: Rgb = [213, 94, 0];
const AXIS: Rgb = [150, 155, 160];
const MARGIN: u32 = 28;
/// Pixels of a state from left to right, and of a distribution from top to bottom.
const STATE: u32 = 2;
const HEIGHT: u32 = 110;
const HEADING: u32 = 30;

/// Runs the command.
pub fn run(args: &DemoArgs) -> Outcome<()> {
    let DemoName::SpuriousModes = args.name;
    if !args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return Err(Failure::usage(format!(
            "--out {}: expected a file name that ends in .png",
            args.out.display()
        )));
    }
    let demo = SpuriousModes {
        seed: args.seed,
        ..SpuriousModes::default()
    };
    let found = demo.run()?;
    draw(&args.out, &found)?;
    let bits = |state: usize| format!("{state:0width$b}", width = found.units);
    if args.json {
        let models = found.models.iter().map(|x| {
            json!({
                "name": x.name,
                "spurious_mass": x.spurious_mass,
                "spurious_state": bits(x.spurious_state),
                "divergence": x.divergence,
            })
        });
        let mut object = Map::new();
        object.insert("models".into(), models.collect::<Vec<Value>>().into());
        object.insert("out".into(), json!(args.out.to_string_lossy()));
        return report::json(object);
    }
    let rows: Vec<[String; 4]> = found
        .models
        .iter()
        .map(|x| {
            [
                x.name.into(),
                format!("{:.4}", x.spurious_mass),
                bits(x.spurious_state),
                format!("{:.4}", x.divergence),
            ]
        })
        .collect();
    let title = format!(
        "A mode that the data no longer have, after going on without it; {}",
        args.out.display()
    );
    let heads = ["training", "mass far from the data", "most probable state there", "KL(data || model), nats"];
    report::columns(&title, &heads, &rows)
}

/// The data's distribution and those of the machines below one another; states in an order in which neighbours differ in one unit.
fn draw(path: &Path, found: &SpuriousReport) -> Outcome<()> {
    let states = found.order.len() as u32;
    let width = states * STATE;
    let count = 1 + found.models.len() as u32;
    let top = MARGIN + 2 * TITLE.line_height() + 2 * TEXT.line_height();
    let height = top + count * (HEADING + HEIGHT + 16) + MARGIN;
    let mut canvas = Canvas::new((width + 2 * MARGIN).into(), height.into(), WHITE)?;
    let title = "Spurious modes: contrastive divergence leaves one, chains of their own remove it";
    let mut y = MARGIN;
    for line in TITLE.wrap(title, width as f32) {
        canvas.text(MARGIN as f32, y, Anchor::Left, TITLE, &line);
        y += TITLE.line_height();
    }
    let caption = format!(
        "Exact probabilities of all {states} states of {} units; neighbours differ in one unit. Orange: more than two units away from both patterns of the data.",
        found.units
    );
    for line in TEXT.wrap(&caption, width as f32) {
        canvas.text(MARGIN as f32, y, Anchor::Left, TEXT, &line);
        y += TEXT.line_height();
    }
    let all = || found.models.iter().flat_map(|x| &x.distribution).chain(&found.data);
    let most = all().copied().fold(f64::MIN_POSITIVE, f64::max);
    let is_far = |state: usize| {
        let seen = found.data.iter().enumerate().filter(|(_, p)| **p > 0.0);
        // The data reach to one unit from their patterns.
        let nearest = seen.map(|(x, _)| (x ^ state).count_ones()).min();
        nearest.is_some_and(|d| d > 1)
    };
    let mut top = top;
    let data = ("data", &found.data, String::new());
    let models = found.models.iter().map(|x| {
        let figures = format!("mass far from the data {:.3}, KL {:.3} nats", x.spurious_mass, x.divergence);
        (x.name, &x.distribution, figures)
    });
    for (name, p, figures) in std::iter::once(data).chain(models) {
        canvas.text(MARGIN as f32, top, Anchor::Left, NAME, name);
        canvas.text((MARGIN + width) as f32, top, Anchor::Right, TEXT, &figures);
        top += HEADING;
        for (k, &state) in found.order.iter().enumerate() {
            // A trace of what is hardly there would be no bar: at least a pixel from a thousandth of the largest on.
            let share = p[state] / most;
            let bar = ((share * f64::from(HEIGHT)).round() as u32).max(u32::from(share > 1e-3));
            let colour = match (name, is_far(state)) {
                ("data", _) => DATA,
                (_, true) => FAR,
                (_, false) => NEAR,
            };
            canvas.fill(MARGIN + k as u32 * STATE, top + HEIGHT - bar, STATE, bar, colour);
        }
        canvas.fill(MARGIN, top + HEIGHT, width, 1, AXIS);
        top += HEIGHT + 16;
    }
    Ok(canvas.write_png(path)?)
}
