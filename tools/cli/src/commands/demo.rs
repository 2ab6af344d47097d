//! `harmonium demo`: demonstrations with exact figures.

mod spurious;

use crate::{
    args::{DemoArgs, DemoName},
    failure::Outcome,
    show::canvas::{Anchor, Canvas, FAINT_INK, INK, Rgb, Style, WHITE},
    show::numbers::check_extension,
    show::report,
};
use serde_json::{Map, Value, json};
use spurious::{PATTERNS, SpuriousModel, SpuriousReport, is_far};
use std::path::Path;

const TITLE: Style = Style::bold(22.0, INK);
const NAME: Style = Style::bold(16.0, INK);
const TEXT: Style = Style::regular(14.0, FAINT_INK);
const DATA: Rgb = [200, 203, 207];
const GRID: Rgb = [238, 240, 242];
const NEAR: Rgb = [0, 114, 178];
const FAR: Rgb = [213, 94, 0];
const AXIS: Rgb = [150, 155, 160];
const MARGIN: u32 = 28;
/// Pixels left of the panels, for the numbers of their axes.
const TICKS: u32 = 40;
/// Pixels of a state from left to right, and of a distribution from top to bottom.
const STATE: u32 = 2;
const HEIGHT: u32 = 110;
const HEADING: u32 = 34;
/// Pixels between panels.
const GAP: u32 = 22;

/// Runs the command.
pub fn run(args: &DemoArgs) -> Outcome<()> {
    let DemoName::SpuriousModes = args.name;
    check_extension("--out", &args.out, ".png")?;
    let found = spurious::run(args.seed)?;
    draw(&args.out, &found)?;
    let bits = |state: usize| bits(state, found.units);
    if args.answer.json {
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
        "Three patterns were learned, then the data lost one: what each way of training leaves of it (exact); {}",
        args.out.display()
    );
    let heads = [
        "trained by",
        "mass far from the data",
        "most probable state there",
        "KL(data || model), nats",
    ];
    report::columns(&title, &heads, &rows)
}

/// The machines' distributions below one another, each in front of that of the data; states in an
/// order in which neighbors differ in one unit.
fn draw(path: &Path, found: &SpuriousReport) -> Outcome<()> {
    let left = MARGIN + TICKS;
    let width = found.order.len() as u32 * STATE;
    let all = || found.models.iter().flat_map(|x| &x.distribution);
    let most = all().chain(&found.data).copied().fold(0.0, f64::max);
    let head = MARGIN + TITLE.line_height() + 2 * TEXT.line_height() + 20;
    let panel = HEADING + HEIGHT + GAP;
    let height = head + panel * found.models.len() as u32 + 2 * TEXT.line_height() + MARGIN;
    let mut canvas = Canvas::new((left + width + MARGIN).into(), height.into(), WHITE)?;
    draw_head(&mut canvas, left, found);
    for (k, model) in found.models.iter().enumerate() {
        draw_machine(
            &mut canvas,
            (left, head + k as u32 * panel),
            found,
            model,
            most,
        );
    }
    let base = head + found.models.len() as u32 * panel - GAP + 6;
    // The patterns of the data, and the state far from them that most of the first machine is at.
    let former = found.models.first().map(|x| x.spurious_state);
    for state in PATTERNS.into_iter().chain(former) {
        let k = found.order.iter().position(|&x| x == state).unwrap_or(0);
        let x = (left + k as u32 * STATE + STATE / 2) as f32;
        canvas.text(x, base, Anchor::Middle, TEXT, &bits(state, found.units));
    }
    canvas.text(
        left as f32 + width as f32 / 2.0,
        base + TEXT.line_height(),
        Anchor::Middle,
        TEXT,
        "state",
    );
    Ok(canvas.write_png(path)?)
}

/// What the picture shows, and what its colors mean.
fn draw_head(canvas: &mut Canvas, left: u32, found: &SpuriousReport) {
    let mut y = MARGIN;
    let title = "Spurious modes: contrastive divergence leaves one, chains of their own remove it";
    canvas.text(left as f32, y, Anchor::Left, TITLE, title);
    y += TITLE.line_height() + 4;
    let caption = format!(
        "Exact probabilities of the {} states of {} units; neighbors differ in one unit.",
        found.order.len(),
        found.units
    );
    canvas.text(left as f32, y, Anchor::Left, TEXT, &caption);
    y += TEXT.line_height() + 4;
    let mut x = left;
    for (color, what) in [
        (DATA, "data"),
        (NEAR, "machine"),
        (
            FAR,
            "machine, more than two units from both patterns of the data",
        ),
    ] {
        canvas.fill(x, y + 5, 12, 12, color);
        canvas.text((x + 18) as f32, y, Anchor::Left, TEXT, what);
        x += 18 + TEXT.width(what).ceil() as u32 + 24;
    }
}

/// The distribution of one machine in front of that of the data; `most` is the largest probability
/// of all.
fn draw_machine(
    canvas: &mut Canvas,
    (left, top): (u32, u32),
    found: &SpuriousReport,
    model: &SpuriousModel,
    most: f64,
) {
    let width = found.order.len() as u32 * STATE;
    let scale = f64::from(HEIGHT) / (most * 1.04);
    let figures = format!(
        "mass far from the data {:.3}, KL(data || machine) {:.3} nats",
        model.spurious_mass, model.divergence
    );
    canvas.text(left as f32, top, Anchor::Left, NAME, model.name);
    canvas.text((left + width) as f32, top, Anchor::Right, TEXT, &figures);
    let base = top + HEADING + HEIGHT;
    for tick in (0..).map(|k| 0.2 * f64::from(k)).take_while(|&t| t <= most) {
        let y = base - (tick * scale).round() as u32;
        canvas.fill(left, y, width, 1, GRID);
        let (x, label) = ((left - 8) as f32, format!("{tick:.1}"));
        canvas.text(x, y - TEXT.line_height() / 2, Anchor::Right, TEXT, &label);
    }
    // The data stand behind, wide enough to be seen beside the machine.
    let bars = |p: &[f64]| -> Vec<(u32, u32, usize)> {
        let states = found.order.iter().enumerate();
        let bars = states.map(|(k, &state)| {
            (
                left + k as u32 * STATE,
                (p[state] * scale).round() as u32,
                state,
            )
        });
        bars.filter(|(_, bar, _)| *bar > 0).collect()
    };
    for (x, bar, _) in bars(&found.data) {
        canvas.fill(x - 4, base - bar, STATE + 8, bar, DATA);
    }
    for (x, bar, state) in bars(&model.distribution) {
        let color = if is_far(&state) { FAR } else { NEAR };
        canvas.fill(x - 1, base - bar, STATE + 2, bar, color);
    }
    canvas.fill(left, base, width, 1, AXIS);
}

fn bits(state: usize, units: usize) -> String {
    format!("{state:0units$b}")
}
