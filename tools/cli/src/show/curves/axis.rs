//! Linear scales with round ticks.

use super::TICK;

/// A linear scale with round ticks.
#[derive(Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// An axis over `bounds` (0 to 1 without any) with `padding` times its length added at each end
    /// and at most about `max_ticks` ticks, at whole numbers only if `whole`.
    pub fn new(bounds: Option<(f64, f64)>, padding: f64, max_ticks: u32, whole: bool) -> Self {
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
        let step = [1.0, 2.0, 5.0]
            .map(|digit| digit * power)
            .into_iter()
            .find(|&step| step >= least)
            .unwrap_or(10.0 * power);
        let step = if whole && high - low >= 1.0 {
            step.max(1.0)
        } else {
            step
        };
        Self { low, high, step }
    }

    /// Positions and labels of the ticks.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step).ceil() as i64;
        let last = (self.high / self.step).floor() as i64;
        (first..=last)
            .map(|i| i as f64 * self.step)
            .map(|tick| (tick, self.label(tick)))
            .collect()
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

    /// Width of the widest label.
    pub fn label_width(&self) -> f32 {
        let widths = self
            .ticks()
            .into_iter()
            .map(|(_, label)| TICK.width(&label));
        widths.fold(0.0, f32::max)
    }

    /// Where `value` lies on an axis of `length` pixels, which begins at its upper end if
    /// `downwards`.
    pub fn pixel(&self, value: f64, length: u32, downwards: bool) -> f32 {
        let fraction = (value - self.low) / (self.high - self.low);
        let fraction = if downwards { 1.0 - fraction } else { fraction };
        (fraction * f64::from(length)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_told_apart() {
        let axis = |low, high| Axis::new(Some((low, high)), 0.0, 6, false);
        assert_eq!(
            labels(&axis(0.0, 1.0)),
            ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(&axis(-205.0, -96.0)),
            ["−200", "−180", "−160", "−140", "−120", "−100"]
        );
        assert_eq!(
            labels(&axis(0.0211, 0.0234)),
            ["0.0215", "0.0220", "0.0225", "0.0230"]
        );
        assert_eq!(
            labels(&axis(0.0, 2.2e7)),
            ["0", "5e6", "1.0e7", "1.5e7", "2.0e7"]
        );
        assert_eq!(
            labels(&axis(-1e-9, 1e-9)),
            ["−1.0e−9", "−5e−10", "0", "5e−10", "1.0e−9"]
        );
    }

    #[test]
    fn epochs_are_whole() {
        let axis = |low, high| Axis::new(Some((low, high)), 0.015, 14, true);
        assert_eq!(labels(&axis(1.0, 4.0)), ["1", "2", "3", "4"]);
        assert_eq!(labels(&axis(3.0, 3.0)), ["3"]);
        assert_eq!(labels(&axis(0.0, 0.5))[..2], ["0", "0.05"]);
        assert_eq!(labels(&axis(0.0, 100.0)).len(), 11);
    }

    #[test]
    fn every_axis_has_a_length_and_few_distinct_ticks() {
        let values = [
            0.0,
            -1.0,
            1.0,
            1.0 + 1e-12,
            1e-320,
            -1e-290,
            1e-12,
            123_456.789,
            1e15,
            1e15 + 2.0,
            -1e300,
            1e300,
        ];
        for low in values {
            for high in values.into_iter().filter(|&high| high >= low) {
                for (padding, whole) in [(0.05, false), (0.015, true)] {
                    let axis = Axis::new(Some((low, high)), padding, 10, whole);
                    let labels = labels(&axis);
                    let distinct = labels.iter().collect::<std::collections::HashSet<_>>();
                    assert!((1..=12).contains(&labels.len()), "{axis:?}: {labels:?}");
                    assert_eq!(distinct.len(), labels.len(), "{axis:?}: {labels:?}");
                    assert!(labels.iter().all(|label| label.chars().count() < 22));
                    for (value, expected) in [(axis.low, 0.0), (axis.high, 100.0)] {
                        assert_eq!(axis.pixel(value, 100, false), expected);
                    }
                    assert!((0.0..=100.0).contains(&axis.pixel(low, 100, true)));
                    assert!((0.0..=100.0).contains(&axis.pixel(high, 100, true)));
                }
            }
        }
    }
}
