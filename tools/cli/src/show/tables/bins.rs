//! The bins of a histogram of numbers: of equal widths, and of whole numbers whole numbers wide, so
//! that each holds as many of them as the next.

/// Most bins.
pub const MOST: usize = 18;
/// Largest range of whole numbers that is cut between them; of a larger one nobody sees the
/// difference.
const MOST_WHOLE: f64 = 1e4;
/// How far a whole number that was standardized, stored as f32 and taken back may be off, in the
/// largest number there is.
const ROUNDED: f64 = 1e-6;

/// Bins of equal widths from `low` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bins {
    /// Where the first begins.
    pub low: f64,
    /// Half of what all cover: the whole may overflow.
    pub half: f64,
    /// How many there are.
    pub count: usize,
    /// The least and the largest number of the axis.
    pub ends: [f64; 2],
}

impl Bins {
    /// Those of all finite `values`, between whole numbers where those of `data` are; none without
    /// values.
    pub fn of(
        data: impl Iterator<Item = f64>,
        values: impl Iterator<Item = f64> + Clone,
    ) -> Option<Self> {
        let finite = values.filter(|x| x.is_finite());
        let low = finite.clone().reduce(f64::min)?;
        let high = finite.reduce(f64::max)?;
        let (largest, range) = (low.abs().max(high.abs()), high / 2.0 - low / 2.0);
        let is_whole = |x: f64| (x - x.round()).abs() <= ROUNDED * largest;
        let mut data = data.filter(|x| x.is_finite()).peekable();
        if range <= MOST_WHOLE / 2.0 && data.peek().is_some() && data.all(is_whole) {
            return Some(Self::between_whole(low.round(), high.round()));
        }
        // A constant has one bar in the middle.
        let half = range.max(1e-9 * low.abs()).max(1e-280);
        let low = if high > low { low } else { low - half };
        Some(Self {
            low,
            half,
            count: MOST,
            ends: [low, low + half + half],
        })
    }

    /// Of the whole numbers from `low` to `high`, as many a bin as make few enough bins.
    fn between_whole(low: f64, high: f64) -> Self {
        let numbers = high - low + 1.0;
        let each = (numbers / MOST as f64).ceil();
        let count = (numbers / each).ceil();
        Self {
            low: low - 0.5,
            half: count * each / 2.0,
            count: count as usize,
            ends: [low, low + count * each - 1.0],
        }
    }

    /// Where a number is, 0 at the begin of the first bin and 1 at the end of the last.
    pub fn share(&self, x: f64) -> f64 {
        (x / 2.0 - self.low / 2.0) / self.half
    }

    /// The bin of a finite number.
    pub fn place(&self, x: f64) -> Option<usize> {
        let at = self.share(x) * self.count as f64;
        x.is_finite().then_some((at as usize).min(self.count - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(data: &[f64], samples: &[f64]) -> Bins {
        let all = data.iter().chain(samples).copied();
        Bins::of(data.iter().copied(), all).unwrap()
    }

    #[test]
    fn every_bin_of_whole_numbers_holds_as_many_of_them() {
        for (low, numbers) in [(0, 2), (-3, 7), (1, 18), (0, 19), (1990, 31), (5, 100)] {
            let data: Vec<f64> = (0..numbers).map(|k| f64::from(low + k)).collect();
            // As they come back from standardized f32.
            let back: Vec<f64> = data.iter().map(|x| x + 3e-7 * x).collect();
            let found = bins(&back, &[]);
            let mut held = vec![0; found.count];
            back.iter()
                .for_each(|&x| held[found.place(x).unwrap()] += 1);
            let each = (numbers as usize).div_ceil(MOST);
            let (last, full) = held.split_last().unwrap();
            assert!(full.iter().all(|&n| n == each), "{held:?}");
            assert!((1..=each).contains(last), "{held:?}");
            assert!(found.count <= MOST);
            // Edges are halves.
            let width = 2.0 * found.half / found.count as f64;
            assert_eq!((width, found.low), (each as f64, f64::from(low) - 0.5));
        }
    }

    #[test]
    fn samples_that_are_no_whole_numbers_fall_into_the_nearest_ones() {
        let found = bins(&[0.0, 1.0, 3.0], &[-1.2, 0.6, 3.4]);
        assert_eq!((found.count, found.ends), (5, [-1.0, 3.0]));
        let places = [-1.2, -0.4, 0.6, 1.0, 3.4].map(|x| found.place(x).unwrap());
        assert_eq!(places, [0, 1, 2, 2, 4]);
        assert_eq!(found.place(f64::NAN), None);
        assert_eq!(found.share(1.0), 0.5);
    }

    #[test]
    fn real_numbers_and_large_ones_have_all_bins_from_the_least_to_the_largest() {
        for data in [&[0.0, 0.5, 9.0][..], &[0.0, 1.0, 1e9], &[-1e308, 1e308]] {
            let found = bins(data, &[]);
            assert_eq!((found.count, found.low), (MOST, data[0]));
            let last = *data.last().unwrap();
            assert_eq!(found.place(data[0]), Some(0));
            assert_eq!(found.place(last), Some(MOST - 1));
        }
        // A constant is in the middle, a whole one in a bin of its own.
        assert_eq!(bins(&[0.3, 0.3], &[]).place(0.3), Some(MOST / 2));
        assert_eq!(bins(&[7.0, 7.0], &[]).count, 1);
        assert!(Bins::of([f64::NAN].into_iter(), [f64::NAN].into_iter()).is_none());
    }
}
