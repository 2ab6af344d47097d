//! A line search to the conditions of Wolfe and Powell, by quadratic and cubic interpolation.
//!
//! Along a direction of descent, `f(x)` from `f(0)` with slope `d(0) < 0`, it looks for a step with
//!
//! ```text
//! f(x) <= f(0) + DECREASE x d(0)        enough decrease
//! |d(x)| <= CURVATURE |d(0)|            near enough to a minimum along the line
//! ```
//!
//! `low` is the best step so far of enough decrease whose slope still leads down; `high` is a step
//! beyond which an acceptable one need not lie, once there is one. Without `high` the next step
//! goes outwards, to the minimum of the cubic through the last two steps; with it, to the minimum
//! of a polynomial between both. Each is kept away from the ends (Nocedal and Wright, Numerical
//! Optimization, 2006, sections 3.4 and 3.5; limits and constants after C. E. Rasmussen's
//! `minimize`).

use crate::error::Result;

/// Share of the decrease promised by the slope that a step must bring.
const DECREASE: f64 = 0.01;
/// Share of the slope that may be left.
const CURVATURE: f64 = 0.5;
/// A step outwards is at most this multiple of the last one.
const OUTWARDS: f64 = 3.0;
/// Share of an interval that a step keeps from its ends.
const MARGIN: f64 = 0.1;
/// Most evaluations of a line search.
const EVALUATIONS: u64 = 20;

/// A step and what was found there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The step: 0 if nothing below `f(0)` was found.
    pub(super) x: f64,
    pub(super) f: f64,
    /// Whether the conditions hold.
    pub(super) accepted: bool,
    /// Evaluations of the function.
    pub(super) evaluations: u64,
}

/// A step, value and slope.
#[derive(Clone, Copy, Debug)]
struct Point {
    x: f64,
    f: f64,
    slope: f64,
}

impl Point {
    fn is_finite(&self) -> bool {
        self.f.is_finite() && self.slope.is_finite()
    }
}

/// The minimum of the cubic of two points and their slopes (Nocedal and Wright, equation 3.59); not
/// finite if it has none.
fn cubic(a: Point, b: Point) -> f64 {
    let d1 = a.slope + b.slope - 3.0 * (a.f - b.f) / (a.x - b.x);
    let d2 = (b.x - a.x).signum() * (d1 * d1 - a.slope * b.slope).sqrt();
    b.x - (b.x - a.x) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2)
}

/// The minimum of the parabola of `a`, its slope and the value at `b`.
fn quadratic(a: Point, b: Point) -> f64 {
    let width = b.x - a.x;
    a.x - 0.5 * a.slope * width * width / (b.f - a.f - a.slope * width)
}

/// Searches from `f(0)` with slope `slope < 0`, the first step being `first > 0`. `evaluate(x)`
/// gives `f(x)` and `f'(x)`, and is last called for the step that is returned, unless that is 0.
/// Values that are not finite count as too far.
pub(super) fn line_search(
    f: f64,
    slope: f64,
    first: f64,
    mut evaluate: impl FnMut(f64) -> Result<(f64, f64)>,
) -> Result<Found> {
    let origin = Point { x: 0.0, f, slope };
    let (mut before, mut low) = (origin, origin);
    let mut high: Option<Point> = None;
    let (mut best, mut last) = (origin, origin);
    let mut x = first;
    let found = |at: Point, accepted, evaluations| Found {
        x: at.x,
        f: at.f,
        accepted,
        evaluations,
    };
    let mut done = 0;
    while done < EVALUATIONS {
        done += 1;
        let (f, slope) = evaluate(x)?;
        let at = Point { x, f, slope };
        last = at;
        if at.is_finite() && at.f < best.f {
            best = at;
        }
        let too_high =
            !at.is_finite() || at.f > origin.f + DECREASE * x * origin.slope || at.f > low.f;
        if too_high || at.slope > -CURVATURE * origin.slope {
            high = Some(at);
        } else if at.slope < CURVATURE * origin.slope {
            (before, low) = (low, at);
        } else {
            return Ok(found(at, true, done));
        }
        x = match high {
            None => {
                let [nearest, farthest] = [low.x + MARGIN * (low.x - before.x), OUTWARDS * low.x];
                let next = cubic(before, low);
                if next.is_finite() && next > low.x {
                    next.clamp(nearest, farthest)
                } else {
                    farthest
                }
            }
            Some(high) => {
                let width = high.x - low.x;
                let next = if !high.is_finite() {
                    low.x
                } else if high.f > origin.f {
                    quadratic(low, high)
                } else {
                    cubic(low, high)
                };
                let next = if next.is_finite() {
                    next
                } else {
                    low.x + 0.5 * width
                };
                next.clamp(low.x + MARGIN * width, high.x - MARGIN * width)
            }
        };
        // An interval of a few roundings has nothing between its ends.
        if x <= low.x || high.is_some_and(|high| x >= high.x) {
            break;
        }
    }
    if best.x > 0.0 && best.x != last.x {
        evaluate(best.x)?;
        done += 1;
    }
    Ok(found(best, false, done))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches along `f` from 0.
    fn search(first: f64, f: impl Fn(f64) -> (f64, f64)) -> Found {
        let (f0, slope) = f(0.0);
        let mut last = 0.0;
        let found = line_search(f0, slope, first, |x| {
            last = x;
            Ok(f(x))
        })
        .unwrap();
        assert!(found.x == 0.0 || found.x == last);
        assert!(found.f <= f0);
        if found.accepted {
            assert!(found.f <= f0 + DECREASE * found.x * slope);
            assert!(f(found.x).1.abs() <= CURVATURE * slope.abs());
        }
        found
    }

    #[test]
    fn steps_fulfil_both_conditions_from_any_first_step() {
        // Twenty evaluations, three times as far each, leave some to interpolate.
        for exponent in -6..8 {
            let first = 10.0_f64.powi(exponent);
            // A parabola, a function that rises steeply, one with many minima, one that is flat far
            // out.
            for f in [
                |x: f64| ((x - 3.0).powi(2), 2.0 * (x - 3.0)),
                |x: f64| (x.exp() - 5.0 * x, x.exp() - 5.0),
                |x: f64| {
                    (
                        0.1 * x * x + (3.0 * x + 3.0).cos(),
                        0.2 * x - 3.0 * (3.0 * x + 3.0).sin(),
                    )
                },
                |x: f64| (-x / (x * x + 2.0), (x * x - 2.0) / (x * x + 2.0).powi(2)),
            ] {
                if f(0.0).1 < 0.0 {
                    let found = search(first, f);
                    assert!(found.accepted, "{first}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_parabola_takes_two_or_three_evaluations() {
        // The polynomials are exact, so the first interpolation hits the minimum wherever margins
        // and limits let it.
        let found = search(5.0, |x| ((x - 3.0).powi(2), 2.0 * (x - 3.0)));
        assert!(
            (found.x - 3.0).abs() < 1e-9 && found.evaluations == 2,
            "{found:?}"
        );
        let found = search(1.3, |x| ((x - 3.0).powi(2), 2.0 * (x - 3.0)));
        assert!(
            (found.x - 3.0).abs() < 1e-9 && found.evaluations == 2,
            "{found:?}"
        );
    }

    #[test]
    fn where_numbers_end_is_too_far() {
        let f = |x: f64| {
            if x > 1.0 {
                (f64::NAN, f64::INFINITY)
            } else {
                ((x - 0.5).powi(2), 2.0 * (x - 0.5))
            }
        };
        let found = search(100.0, f);
        assert!(found.accepted && found.x < 1.0, "{found:?}");
    }

    #[test]
    fn a_slope_that_lies_ends_at_the_start() {
        let mut calls = 0;
        let found = line_search(1.0, -1.0, 1.0, |x| {
            calls += 1;
            Ok((1.0 + x, 1.0))
        });
        let found = found.unwrap();
        assert!(!found.accepted && found.x == 0.0 && calls <= EVALUATIONS);
    }
}
